/* See args.h. */
#include "args.h"

#include "look.h"
#include "tool.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

struct args_unit {
	const char *name;
	double factor;
};

static const struct args_unit sizes[] = {
	{ "", 1 },        { "B", 1 },         { "K", 1024 },    { "KiB", 1024 },
	{ "M", 1 << 20 }, { "MiB", 1 << 20 }, { "G", 1 << 30 }, { "GiB", 1 << 30 },
	{ "T", 0x1p40 },  { "TiB", 0x1p40 },
};

static const struct args_unit durations[] = {
	{ "", 1000 },    { "ms", 1 },     { "s", 1000 },    { "m", 60e3 },
	{ "min", 60e3 }, { "h", 3600e3 }, { "d", 86400e3 },
};

void args_usage(const struct args_command *c, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "shale %s: ", c->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see `shale %s --help`\n", c->name);
	exit(TOOL_USAGE);
}

/* ---- values ---- */

static bool parse_unit(const char *text, const struct args_unit *units, size_t n, uint64_t *out)
{
	char *end;
	double value;

	/* strtod() would also take "inf", "nan", "0x10" and a sign. */
	if (text[0] < '0' || text[0] > '9' || text[1] == 'x' || text[1] == 'X')
		return false;
	value = strtod(text, &end);
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(end, units[i].name))
			continue;
		value *= units[i].factor;
		if (value >= 0x1p63)
			return false;
		*out = (uint64_t)llround(value);
		return true;
	}
	return false;
}

static bool parse_count(const char *text, uint64_t *out)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !*end && !errno;
}

static bool parse_choice(const char *text, const struct args_choice *choices, int *out)
{
	for (; choices->name; choices++) {
		if (strcmp(text, choices->name))
			continue;
		*out = choices->value;
		return true;
	}
	return false;
}

static void choice_names(const struct args_choice *choices, char *out, size_t size)
{
	size_t used = 0;

	out[0] = 0;
	for (; choices->name && used < size; choices++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "|" : "",
					 choices->name);
}

static void set_value(const struct args_command *c, const struct args_option *o, const char *text)
{
	char names[160];

	switch (o->kind) {
	case ARGS_FLAG:
		break;
	case ARGS_TEXT:
		*(const char **)o->out = text;
		break;
	case ARGS_COUNT:
		if (!parse_count(text, o->out))
			args_usage(c, "--%s: `%s` is not a number", o->name, text);
		break;
	case ARGS_SIZE:
		if (!parse_unit(text, sizes, sizeof(sizes) / sizeof(sizes[0]), o->out))
			args_usage(c, "--%s: `%s` is not a size such as 4096, 64K or 1.5GiB",
				   o->name, text);
		break;
	case ARGS_DURATION:
		if (!parse_unit(text, durations, sizeof(durations) / sizeof(durations[0]), o->out))
			args_usage(c, "--%s: `%s` is not a time such as 250ms, 90s or 7d", o->name,
				   text);
		break;
	case ARGS_CHOICE:
		if (parse_choice(text, o->choices, o->out))
			break;
		choice_names(o->choices, names, sizeof(names));
		args_usage(c, "--%s: `%s` is none of %s", o->name, text, names);
	}
}

/* ---- help ---- */

static void print_wrapped(const char *text, int indent, int width)
{
	int column = indent;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > indent && column + 1 + (int)word > width) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)word, text);
		column += (int)word;
		text += word;
		while (*text == ' ')
			text++;
	}
	putchar('\n');
}

static void print_option(const struct args_option *o)
{
	char left[200], names[160];
	const char *value = o->value ? o->value : "";
	int used;

	if (o->kind == ARGS_CHOICE) {
		choice_names(o->choices, names, sizeof(names));
		value = names;
	}
	used = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", o->letter ? '-' : ' ',
			o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			*value ? " " : "", value);
	if (used < 27)
		printf("%-28s", left);
	else
		printf("%s\n%28s", left, "");
	print_wrapped(o->help, 28, 80);
}

static void print_help(const struct args_command *c)
{
	struct look look = look_of(stdout);

	printf("usage: %sshale %s%s [OPTION...]%s%s\n\n%s\n", look.bold, c->name, look.plain,
	       c->operands[0] ? " " : "", c->operands, c->about);
	printf("\n%sOptions%s\n", look.bold, look.plain);
	for (const struct args_option *o = c->options; o->name; o++)
		print_option(o);
	printf("      %-22s%s\n", "--help", "print this");
	if (c->examples)
		printf("\n%sExamples%s\n%s\n", look.bold, look.plain, c->examples);
}

/* ---- parsing ---- */

static const struct args_option *find_long(const struct args_command *c, const char *name,
					   size_t size)
{
	for (const struct args_option *o = c->options; o->name; o++)
		if (strlen(o->name) == size && !memcmp(o->name, name, size))
			return o;
	return NULL;
}

static const struct args_option *find_letter(const struct args_command *c, char letter)
{
	for (const struct args_option *o = c->options; o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

/* Handle the option at argv[i]; returns how many arguments it took. */
static int take_option(const struct args_command *c, int argc, char **argv, int i)
{
	const struct args_option *o;
	const char *text = argv[i], *value = NULL;
	size_t size;

	if (text[1] == '-') {
		size = strcspn(text + 2, "=");
		if (size == 4 && !memcmp(text + 2, "help", 4)) {
			print_help(c);
			exit(tool_finish_output(TOOL_OK));
		}
		o = find_long(c, text + 2, size);
		if (text[2 + size] == '=')
			value = text + 2 + size + 1;
	} else {
		o = find_letter(c, text[1]);
		if (text[2])
			value = text + 2;
	}
	if (!o)
		args_usage(c, "there is no option `%s`", text);
	if (o->kind == ARGS_FLAG) {
		if (value)
			args_usage(c, "--%s takes no value", o->name);
		*(bool *)o->out = true;
		return 1;
	}
	if (value) {
		set_value(c, o, value);
		return 1;
	}
	if (i + 1 >= argc)
		args_usage(c, "--%s needs a value", o->name);
	set_value(c, o, argv[i + 1]);
	return 2;
}

int args_parse(const struct args_command *c, int argc, char **argv)
{
	int operands = 0;
	bool only_operands = false;

	for (int i = 1; i < argc;) {
		if (!only_operands && !strcmp(argv[i], "--")) {
			only_operands = true;
			i++;
		} else if (!only_operands && argv[i][0] == '-' && argv[i][1]) {
			i += take_option(c, argc, argv, i);
		} else {
			argv[1 + operands++] = argv[i++];
		}
	}
	if (operands < c->operands_min)
		args_usage(c, "%s expected", c->operands);
	if (operands > c->operands_max)
		args_usage(c, "`%s` is one operand too many", argv[1 + c->operands_max]);
	return operands;
}
