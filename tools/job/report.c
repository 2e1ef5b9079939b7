/*
 * The report: one box on a terminal, the same lines without a frame to a pipe.
 * Lines are gathered first, since the frame is as wide as the widest of them.
 */
#include "figures.h"
#include "grid.h"
#include "job/job.h"
#include "text.h"
#include "tool.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { REPORT_LABEL = 20 };

struct report {
	struct look look;
	struct text text; /* lines; one that begins with \1 is a section's title */
};

static void section(struct report *r, const char *title)
{
	text_printf(&r->text, "\1%s\n", title);
}

static void line(struct report *r, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void line(struct report *r, const char *label, const char *format, ...)
{
	char body[256];
	va_list args;

	va_start(args, format);
	vsnprintf(body, sizeof(body), format, args);
	va_end(args);
	text_printf(&r->text, "%s%*s%s\n", label, REPORT_LABEL - look_columns(label), "", body);
}

/* ---- the frame ---- */

static int visible_columns(const char *s, size_t size)
{
	int columns = 0;
	bool escape = false;

	for (size_t i = 0; i < size; i++) {
		if (s[i] == 033)
			escape = true;
		else if (!escape && ((unsigned char)s[i] & 0xc0) != 0x80 && s[i] != '\1')
			columns++;
		if (escape && s[i] == 'm')
			escape = false;
	}
	return columns;
}

static void repeat(const char *s, int n)
{
	for (int i = 0; i < n; i++)
		fputs(s, stdout);
}

static void print_title(const struct look *look, const char *title, size_t size, int width,
			bool first)
{
	if (!look->unicode) {
		printf("%s%.*s\n", first ? "" : "\n", (int)size, title);
		return;
	}
	printf("%s%s─ %s%s%.*s%s%s ", look->dim, first ? "╭" : "├", look->plain, look->bold,
	       (int)size, title, look->plain, look->dim);
	repeat("─", width - visible_columns(title, size) - 1);
	printf("%s%s\n", first ? "╮" : "┤", look->plain);
}

static void report_print(const struct report *r)
{
	const struct look *look = &r->look;
	const char *p = r->text.data, *end = p + r->text.size, *stop;
	int width = 60;
	bool first = true;

	for (; p < end; p = stop + 1) {
		stop = memchr(p, '\n', (size_t)(end - p));
		if (visible_columns(p, (size_t)(stop - p)) > width)
			width = visible_columns(p, (size_t)(stop - p));
	}
	putchar('\n');
	for (p = r->text.data; p < end; p = stop + 1) {
		size_t size;

		stop = memchr(p, '\n', (size_t)(end - p));
		size = (size_t)(stop - p);
		if (*p == '\1') {
			print_title(look, p + 1, size - 1, width, first);
			first = false;
		} else if (look->unicode) {
			printf("%s│%s %.*s%*s %s│%s\n", look->dim, look->plain, (int)size, p,
			       width - visible_columns(p, size), "", look->dim, look->plain);
		} else {
			printf("  %.*s\n", (int)size, p);
		}
	}
	if (!look->unicode)
		return;
	printf("%s╰", look->dim);
	repeat("─", width + 2);
	printf("╯%s\n", look->plain);
}

/* ---- what it says ---- */

static double per_second(uint64_t n, uint64_t ns)
{
	return ns ? (double)n * 1e9 / (double)ns : 0;
}

/* Right-aligned in nine columns; printf() would count bytes, of which the micro sign has two. */
static void cell(struct text *t, const char *s)
{
	text_printf(t, "%*s%s  ", 9 - look_columns(s), "", s);
}

static void latency(struct report *r, const char *label, const struct histogram *h)
{
	struct text t = { 0 };

	cell(&t, human_short((double)h->count).text);
	cell(&t, human_time(histogram_quantile(h, 0.5)).text);
	cell(&t, human_time(histogram_quantile(h, 0.99)).text);
	cell(&t, human_time(histogram_quantile(h, 0.999)).text);
	cell(&t, human_time(h->max).text);
	line(r, label, "%.*s", (int)t.size - 2, t.data);
	text_fini(&t);
}

static void report_work(struct report *r, const struct job *job)
{
	const struct job_corpus *p = &job->corpus;
	const struct job_clicks *c = &job->clicks;

	section(r, "Work");
	line(r, "packages", "%s records, %s, loaded at %s/s", human_count(p->records).text,
	     human_size(p->bytes).text,
	     human_size((uint64_t)per_second(p->bytes, p->load_ns)).text);
	line(r, "clicks", "%s events, %s, in %s", human_count(c->events).text,
	     human_size(c->user_bytes).text, human_time(c->ingest_ns).text);
	line(r, "ingest", "%s events/s, %s/s, two readers beside it",
	     human_short(per_second(c->events, c->ingest_ns)).text,
	     human_size((uint64_t)per_second(c->user_bytes, c->ingest_ns)).text);
	line(r, "scan of all", "%s entries/s, %s/s",
	     human_short(per_second(c->events, c->scan_ns)).text,
	     human_size((uint64_t)per_second(c->live_bytes, c->scan_ns)).text);
}

static void report_latency(struct report *r, const struct job *job)
{
	const struct job_clicks *c = &job->clicks;
	const shale_stats *s = &c->ingest;

	section(r, "Latency");
	line(r, "", "%9s  %9s  %9s  %9s  %9s", "count", "p50", "p99", "p99.9", "max");
	latency(r, "put", &c->puts);
	latency(r, "get, recent", &c->gets);
	latency(r, "scan of a user", &c->scans);
	latency(r, "get, anywhere", &c->cold_gets);
	latency(r, "get, absent key", &c->absent_gets);
	line(r, "writes held back", "%s delayed (%s in all), %s stopped (longest %s)",
	     human_count(s->delayed_writes).text, human_time(s->delay_ns).text,
	     human_count(s->stops).text, human_time(s->longest_stop_ns).text);
}

static void report_cost(struct report *r, const struct job *job)
{
	const struct job_clicks *c = &job->clicks;
	const shale_stats *s = &c->ingest, *a = &c->cold_before, *b = &c->cold_after;
	const shale_stats *z = &c->absent_after;
	double gets = (double)c->cold_gets.count, absent = (double)c->absent_gets.count;
	double wrong = (double)(z->filter_false_positives - b->filter_false_positives);
	double right = (double)(z->filter_negatives - b->filter_negatives);
	struct rusage usage = { 0 };

	section(r, "Cost (clicks)");
	line(r, "write amplification", "%.2f  (log %s, flush %s, merges %s)",
	     shale_write_amplification(s),
	     human_ratio((double)s->log_bytes, (double)s->user_bytes).text,
	     human_ratio((double)s->flush_bytes, (double)s->user_bytes).text,
	     human_ratio((double)s->compaction_written_bytes, (double)s->user_bytes).text);
	line(r, "read amplification", "%s blocks read a get, cache answers %.0f %%",
	     human_ratio((double)(b->block_reads - a->block_reads), gets).text,
	     100.0 * (double)(b->cache_hits - a->cache_hits) /
		     (double)((b->cache_hits - a->cache_hits) +
			      (b->cache_misses - a->cache_misses) + 1));
	line(r, "absent keys", "%s blocks read a get, filters wrong in %.2f %%",
	     human_ratio((double)(z->block_reads - b->block_reads), absent).text,
	     right + wrong > 0 ? 100 * wrong / (right + wrong) : 0.0);
	line(r, "space amplification", "%s  (%s of files for %s live)",
	     human_ratio((double)c->file_bytes, (double)c->live_bytes).text,
	     human_size(c->file_bytes).text, human_size(c->live_bytes).text);
	getrusage(RUSAGE_SELF, &usage);
	line(r, "memory", "at most %s of %s; the whole process %s", human_size(c->memory_max).text,
	     human_size(b->memory_budget).text, human_size((uint64_t)usage.ru_maxrss * 1024).text);
}

static void report_recovery(struct report *r, const struct job *job)
{
	const struct job_crash *c = &job->crash;

	if (!c->rounds)
		return;
	section(r, "Recovery");
	if (c->rounds == 1)
		line(r, "killed", "once, after %" PRIu64 " ms", c->kill_ms_min);
	else
		line(r, "killed", "%" PRIu32 " times, after %" PRIu64 " to %" PRIu64 " ms",
		     c->rounds, c->kill_ms_min, c->kill_ms_max);
	line(r, "acknowledged", "%s durable commits, none lost; %s more in flight",
	     human_count(c->acknowledged).text, human_count(c->in_flight).text);
	line(r, "opening", "at most %s, %s replayed in all", human_time(c->open_ns_max).text,
	     human_size(c->recovered_bytes).text);
}

static void report_levels(struct report *r, const struct job *job)
{
	struct look look = r->look;

	section(r, "Levels (clicks)");
	if (!look.unicode)
		look.width = 1000;
	stack_draw(&job->clicks.stack, NULL, &r->text, &look,
		   r->look.width > 104 ? 100 : r->look.width - 4);
}

int report_run(struct job *job)
{
	struct report r = { .look = job->look };

	report_work(&r, job);
	report_latency(&r, job);
	report_cost(&r, job);
	report_recovery(&r, job);
	report_levels(&r, job);
	report_print(&r);
	text_fini(&r.text);
	printf("\n%sAll answers were right.%s Done in %s; the stores are in %s.\n", job->look.bold,
	       job->look.plain, human_time(tool_now_ns() - job->start_ns).text, job->dir);
	return TOOL_OK;
}
