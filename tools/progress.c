/* See progress.h. */
#include "progress.h"

#include "grid.h"
#include "tool.h"

#include <stdarg.h>

enum {
	PROGRESS_DRAW_NS = 100000000,
	PROGRESS_MARK_NS = 1000000000,
	PROGRESS_BAR = 24,
};

void progress_start(struct progress *p, const char *what, enum progress_unit unit, uint64_t total)
{
	memset(p, 0, sizeof(*p));
	p->what = what;
	p->unit = unit;
	p->total = total;
	p->look = look_of(stderr);
	p->start_ns = p->mark_ns = tool_now_ns();
	p->drawn_ns = p->start_ns;
}

uint64_t progress_elapsed_ns(const struct progress *p)
{
	return tool_now_ns() - p->start_ns;
}

void progress_note(struct progress *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->note, sizeof(p->note), format, args);
	va_end(args);
}

/* A bar in eighths of a column. */
static void progress_bar(struct text *t, const struct look *look, double part)
{
	static const char *const eighths[] = { " ", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	int filled = (int)(part * PROGRESS_BAR * 8), whole;

	filled = filled > PROGRESS_BAR * 8 ? PROGRESS_BAR * 8 : filled;
	whole = filled / 8;
	text_add_str(t, look->unicode ? "▕" : "[");
	text_add_str(t, look->cyan);
	for (int i = 0; i < PROGRESS_BAR; i++) {
		if (i < whole)
			text_add_str(t, look->unicode ? "█" : "#");
		else if (i == whole && look->unicode)
			text_add_str(t, eighths[filled % 8]);
		else
			text_add_char(t, look->unicode ? ' ' : '.');
	}
	text_add_str(t, look->plain);
	text_add_str(t, look->unicode ? "▏" : "]");
}

static struct human progress_amount(const struct progress *p, double n)
{
	return p->unit == PROGRESS_BYTES ? human_size((uint64_t)n) : human_short(n);
}

static void progress_rate(struct progress *p, uint64_t now, uint64_t done)
{
	double current;

	/* At first the mean of all there is; then the last seconds count most. */
	if (now - p->start_ns < PROGRESS_MARK_NS) {
		p->rate = (double)done * 1e9 / (double)(now - p->start_ns + 1);
		p->mark_ns = now;
		p->mark_done = done;
		return;
	}
	if (now - p->mark_ns < PROGRESS_MARK_NS && p->rate > 0)
		return;
	if (now == p->mark_ns || done < p->mark_done)
		return;
	current = (double)(done - p->mark_done) * 1e9 / (double)(now - p->mark_ns);
	p->rate = p->rate > 0 ? 0.6 * p->rate + 0.4 * current : current;
	p->mark_ns = now;
	p->mark_done = done;
}

/* Cut what is too long for the terminal: a wrapped line would not be overwritten. */
static void progress_cut(struct text *t, int width)
{
	int columns = 0;
	bool escape = false;

	for (size_t i = 0; i < t->size; i++) {
		unsigned char c = (unsigned char)t->data[i];

		if (c == 033)
			escape = true;
		if (!escape && (c & 0xc0) != 0x80 && ++columns > width) {
			t->size = i;
			text_add_str(t, "\033[0m");
			return;
		}
		if (escape && c == 'm')
			escape = false;
	}
}

static void progress_draw(struct progress *p, uint64_t now, uint64_t done)
{
	struct text t = { 0 };
	uint64_t elapsed = now - p->start_ns;

	text_printf(&t, "%s ", p->what);
	if (p->unit == PROGRESS_TIME) {
		text_printf(&t, "%s", human_time(elapsed / 100000000 * 100000000).text);
	} else {
		progress_rate(p, now, done);
		if (p->total) {
			double part = (double)done / (double)p->total;

			progress_bar(&t, &p->look, part);
			text_printf(&t, " %3.0f%%  ", part * 100);
		}
		text_printf(&t, "%s  %s/s", progress_amount(p, (double)done).text,
			    progress_amount(p, p->rate).text);
		if (p->total > done && p->rate > 0)
			text_printf(&t, "  %.0f s left", (double)(p->total - done) / p->rate + 0.5);
	}
	if (p->note[0])
		text_printf(&t, "  %s%s%s", p->look.dim, p->note, p->look.plain);
	progress_cut(&t, p->look.width - 1);
	fputs("\r", stderr);
	fwrite(t.data, 1, t.size, stderr);
	fputs("\033[K", stderr);
	fflush(stderr);
	text_fini(&t);
	p->drawn = true;
}

void progress_update(struct progress *p, uint64_t done)
{
	uint64_t now;

	if (!p->look.terminal)
		return;
	now = tool_now_ns();
	if (now - p->drawn_ns < PROGRESS_DRAW_NS)
		return;
	p->drawn_ns = now;
	progress_draw(p, now, done);
}

void progress_end(struct progress *p, const char *format, ...)
{
	va_list args;

	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
	if (format) {
		va_start(args, format);
		vfprintf(stderr, format, args);
		va_end(args);
		fputc('\n', stderr);
	}
	fflush(stderr);
}
