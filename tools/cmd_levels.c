/* shale levels: draw the stack of runs, once or as it changes. */
#include "args.h"
#include "jobs.h"
#include "session.h"
#include "stack.h"
#include "tool.h"

#include <time.h>

enum { WATCH_JOBS = 5, WATCH_NS = 1000000000 };

/* ---- watching ---- */

struct moment {
	struct stack stack;
	struct jobs jobs;
};

static bool moment_table(void *arg, const shale_table_info *t)
{
	return stack_add(&((struct moment *)arg)->stack, t);
}

static bool moment_job(void *arg, const shale_job *j)
{
	return jobs_add(&((struct moment *)arg)->jobs, j);
}

/* At most so many lines of the text, over what stands there. */
static void draw_lines(const struct text *t, int lines)
{
	const char *p = t->data, *end = p + t->size;

	for (; p < end && lines > 0; lines--) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		stop = stop ? stop : end;
		fwrite(p, 1, (size_t)(stop - p), stdout);
		fputs("\033[K\n", stdout);
		p = stop + 1;
	}
}

/* In place, no longer than the terminal is high: where not all fits, the stack is cut. */
static void draw_moment(const struct moment *m, const char *family)
{
	struct look look = look_of(stdout); /* anew: the window may have changed */
	struct text stack = { 0 }, jobs = { 0 };

	stack_draw(&m->stack, family, &stack, &look, look.width);
	jobs_list(&m->jobs, family, WATCH_JOBS, &jobs, &look);
	/* Without wrapping, or a long line would take two. */
	fputs("\033[?7l\033[H", stdout);
	draw_lines(&stack, look.height - WATCH_JOBS - 3);
	fputs("\033[K\n", stdout);
	draw_lines(&jobs, WATCH_JOBS + 1);
	fputs("\033[J\033[?7h", stdout);
	fflush(stdout);
	text_fini(&stack);
	text_fini(&jobs);
}

/* To a pipe: the levels as lines with the time before them, when they have changed. */
static void print_moment(const struct moment *m, const char *family, struct text *last)
{
	struct text now = { 0 }, out = { 0 };
	time_t seconds = time(NULL);
	char when[32] = "";
	struct tm tm;

	stack_lines(&m->stack, family, "", &now);
	if (now.size != last->size || memcmp(now.data, last->data, now.size)) {
		if (localtime_r(&seconds, &tm))
			strftime(when, sizeof(when), "%H:%M:%S ", &tm);
		stack_lines(&m->stack, family, when, &out);
		fwrite(out.data, 1, out.size, stdout);
		fflush(stdout);
	}
	text_clear(last);
	text_add(last, now.data, now.size);
	text_fini(&now);
	text_fini(&out);
}

/* `seconds` 0: until somebody ends it. */
static int watch(const char *dir, const char *family, uint64_t seconds)
{
	const struct timespec pause = { .tv_sec = WATCH_NS / 1000000000 };
	bool terminal = look_of(stdout).terminal;
	struct text last = { 0 };
	int rc = TOOL_OK;

	if (terminal)
		fputs("\033[2J", stdout);
	for (uint64_t i = 0; rc == TOOL_OK && (seconds == 0 || i < seconds); i++) {
		struct moment m = { 0 };
		shale_status status;

		if (i)
			nanosleep(&pause, NULL);
		status = shale_peek(dir, NULL, moment_table, moment_job, &m);
		if (status == SHALE_NOT_FOUND)
			rc = tool_fail("there is no store in %s", dir);
		else if (status)
			rc = tool_fail_status(status, "looking at %s", dir);
		else if (terminal)
			draw_moment(&m, family);
		else
			print_moment(&m, family, &last);
		stack_fini(&m.stack);
		jobs_fini(&m.jobs);
		if (ferror(stdout))
			break;
	}
	text_fini(&last);
	return rc;
}

/* ---- once ---- */

static int draw_once(const struct args_command *c, const struct session_args *store)
{
	struct look look = look_of(stdout);
	struct text t = { 0 };
	struct session s;
	struct stack stack;
	shale_status status;
	int rc = session_open(&s, c, store, SESSION_READ);

	if (rc)
		return rc;
	status = stack_collect(s.db, &stack);
	if (status)
		return session_close(&s, tool_fail_status(status, "listing the tables"));
	stack_draw(&stack, store->family, &t, &look, look.width);
	fwrite(t.data, 1, t.size, stdout);
	text_fini(&t);
	stack_fini(&stack);
	return session_close(&s, rc);
}

int cmd_levels(int argc, char **argv)
{
	struct session_args store = { 0 };
	uint64_t seconds = 0;
	bool live = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		{ "watch", 'w', ARGS_FLAG, &live, NULL,
		  "look every second, also while another process has the store open", NULL },
		{ "seconds", 0, ARGS_COUNT, &seconds, "N",
		  "watch for so long (default: until interrupted)", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"levels",
		"",
		"Draw the stack of sorted runs, newest on top: a row of boxes a run, a box a\n"
		"table, its width the table's size, with the keys the run spans below. A pipe\n"
		"gets a plain list of the runs.\n"
		"\n"
		"Watching shows the latest flushes and compactions too. It reads the manifest\n"
		"alone, without a lock. A pipe gets a line for each level when they change.",
		0,
		0,
		options,
		"  shale levels -d /srv/store --watch",
	};

	args_parse(&command, argc, argv);
	if (seconds && !live)
		args_usage(&command, "--seconds goes with --watch");
	if (live)
		return watch(session_dir(&command, &store), store.family, seconds);
	return draw_once(&command, &store);
}
