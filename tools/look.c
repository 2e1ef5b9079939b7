/* See look.h. */
#include "look.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] ? value : NULL;
}

/* UTF-8 unless the locale names something else: containers often set none at all. */
static bool speaks_utf8(void)
{
	const char *locale = environment("LC_ALL");

	if (!locale)
		locale = environment("LC_CTYPE");
	if (!locale)
		locale = environment("LANG");
	return !locale || strcasestr(locale, "utf-8") || strcasestr(locale, "utf8");
}

struct look look_of(FILE *f)
{
	struct look look = { .width = 80, .height = 24 };
	const char *term = environment("TERM");
	struct winsize size;
	bool colour;

	look.terminal = isatty(fileno(f)) && term && strcmp(term, "dumb");
	look.unicode = look.terminal && speaks_utf8();
	if (look.terminal && ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
		look.width = size.ws_col;
		look.height = size.ws_row >= 8 ? size.ws_row : 8;
	}
	colour = look.terminal && !environment("NO_COLOR");
	look.bold = colour ? "\033[1m" : "";
	look.dim = colour ? "\033[2m" : "";
	look.red = colour ? "\033[31m" : "";
	look.green = colour ? "\033[32m" : "";
	look.yellow = colour ? "\033[33m" : "";
	look.blue = colour ? "\033[34m" : "";
	look.cyan = colour ? "\033[36m" : "";
	look.plain = colour ? "\033[0m" : "";
	return look;
}

const char *look_level(const struct look *look, unsigned level)
{
	/* From warm at the top, where data is new, to cold at the bottom. */
	const char *const colours[] = { look->red, look->yellow, look->green, look->cyan,
					look->blue };

	return colours[level < 4 ? level : 4];
}

int look_columns(const char *text)
{
	int columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}
