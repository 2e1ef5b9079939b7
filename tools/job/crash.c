/*
 * Part three: a process that commits durably from four threads is killed without
 * warning at a random moment, and the store opened again. See crash.h for what
 * must hold then. All rounds share one store, so later ones also verify what
 * earlier ones left. A kill ends a process, not the machine: power loss is what
 * the tests with a simulated disk are for.
 */
#include "job/crash.h"

#include "grid.h"
#include "job/event.h"
#include "job/job.h"
#include "progress.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	CRASH_PATIENCE_S = 60, /* for the first acknowledgement */
};

struct crash {
	struct job *job;
	struct job_crash *out;
	char *path;
	uint64_t random;
	uint32_t round;
	/* Of the round that runs. */
	uint64_t acked[CRASH_THREADS];
	/* Of all rounds: how many entries are there. */
	uint64_t (*present)[CRASH_THREADS];
	pid_t child;
	int pipe;
};

/* ---- the child ---- */

static int start_child(struct crash *c)
{
	char seed[32], round[32], fd[32];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return tool_fail("pipe: %s", strerror(errno));
	snprintf(seed, sizeof(seed), "%" PRIu64, c->job->seed);
	snprintf(round, sizeof(round), "%" PRIu32, c->round);
	snprintf(fd, sizeof(fd), "%d", ends[1]);
	c->child = fork();
	if (c->child == 0) {
		fcntl(ends[1], F_SETFD, 0);
		execl("/proc/self/exe", "shale", "job-child", "--dir", c->path, "--seed", seed,
		      "--round", round, "--pipe", fd, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	c->pipe = ends[0];
	if (c->child > 0)
		return TOOL_OK;
	close(ends[0]);
	return tool_fail("fork: %s", strerror(errno));
}

/* Take what the pipe holds; false at its end. Acknowledgements of a thread come in order. */
static bool read_acks(struct crash *c)
{
	struct crash_ack acks[256];
	ssize_t got = read(c->pipe, acks, sizeof(acks));

	if (got <= 0)
		return got < 0 && errno == EINTR;
	for (size_t i = 0; i < (size_t)got / sizeof(acks[0]); i++)
		if (acks[i].thread < CRASH_THREADS)
			c->acked[acks[i].thread] = acks[i].number + 1;
	return true;
}

static uint64_t acked_sum(const struct crash *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < CRASH_THREADS; i++)
		sum += c->acked[i];
	return sum;
}

/* Collect acknowledgements until `after_ns` from the first one, then kill. */
static int run_child(struct crash *c, uint64_t after_ns, struct progress *p)
{
	struct pollfd ready = { .fd = c->pipe, .events = POLLIN };
	uint64_t start = tool_now_ns(), first = 0, now = start;
	bool open = true;
	int status = 0;

	while (open &&
	       (first ? now - first < after_ns : now - start < CRASH_PATIENCE_S * 1000000000ull)) {
		if (poll(&ready, 1, 5) > 0)
			open = read_acks(c);
		now = tool_now_ns();
		if (!first && acked_sum(c))
			first = now;
		progress_note(p, "%s commits acknowledged", human_count(acked_sum(c)).text);
		progress_update(p, 0);
	}
	kill(c->child, SIGKILL);
	/* What it had said before it died counts as well. */
	while (open)
		open = read_acks(c);
	close(c->pipe);
	waitpid(c->child, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return tool_fail("the process to be killed ended by itself (%s %d)",
				 WIFSIGNALED(status) ? "signal" : "status",
				 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (!first)
		return tool_fail("the process to be killed acknowledged nothing in a minute");
	return TOOL_OK;
}

/* ---- what must be there ---- */

/* 1 there and right, 0 not there, -1 told a failure. */
static int look_up(struct crash *c, shale_db *db, uint32_t thread, uint64_t number)
{
	struct crash_entry e;
	shale_status status;
	shale_value value;
	bool same;

	crash_entry_make(&e, c->job->seed, c->round, thread, number);
	status = shale_get(db, NULL, shale_bytes(e.key, CRASH_KEY_SIZE), &value);
	if (status == SHALE_NOT_FOUND)
		return 0;
	if (status) {
		tool_fail_status(status, "reading %s", e.key);
		return -1;
	}
	same = value.size == e.value_size && !memcmp(value.data, e.value, e.value_size);
	shale_value_release(&value);
	if (same)
		return 1;
	tool_fail("after the kill %s is not what was written", e.key);
	return -1;
}

static int verify_thread(struct crash *c, shale_db *db, uint32_t thread)
{
	uint64_t acked = c->acked[thread];
	int found;

	for (uint64_t n = 0; n < acked; n++) {
		found = look_up(c, db, thread, n);
		if (found == 0)
			tool_fail("LOST: commit %" PRIu64 " of thread %" PRIu32
				  " was acknowledged as durable and is gone after the kill",
				  n, thread);
		if (found != 1)
			return TOOL_FAILED;
	}
	found = look_up(c, db, thread, acked);
	if (found < 0)
		return TOOL_FAILED;
	c->present[c->round][thread] = acked + (uint64_t)found;
	c->out->in_flight += (uint64_t)found;
	found = look_up(c, db, thread, acked + (uint64_t)found + (found ? 0 : 1));
	if (found > 0)
		tool_fail("after the kill there is a commit of thread %" PRIu32
			  " that was not begun",
			  thread);
	return found ? TOOL_FAILED : TOOL_OK;
}

/* A scan must give the entries of all rounds, none missing and none besides. */
static int verify_scan(struct crash *c, shale_db *db)
{
	shale_iter *it = NULL;
	struct crash_entry e;
	shale_status status = shale_iter_new(db, NULL, &it);
	shale_slice key, value = { NULL, 0 };
	int rc = TOOL_OK;

	if (status == SHALE_OK)
		status = shale_iter_first(it);
	for (uint32_t r = 0; r <= c->round && rc == TOOL_OK; r++)
		for (uint32_t t = 0; t < CRASH_THREADS && rc == TOOL_OK; t++)
			for (uint64_t n = 0; n < c->present[r][t] && rc == TOOL_OK; n++) {
				crash_entry_make(&e, c->job->seed, r, t, n);
				key = shale_iter_key(it);
				if (status == SHALE_OK)
					status = shale_iter_value(it, &value);
				if (status < 0)
					rc = tool_fail_status(status, "scan, at %s", e.key);
				else if (status || key.size != CRASH_KEY_SIZE ||
					 memcmp(key.data, e.key, CRASH_KEY_SIZE) ||
					 value.size != e.value_size ||
					 memcmp(value.data, e.value, value.size))
					rc = tool_fail("after the kill the scan does not give %s",
						       e.key);
				else
					status = shale_iter_next(it);
			}
	if (rc == TOOL_OK && status < 0)
		rc = tool_fail_status(status, "scan, at its end");
	else if (rc == TOOL_OK && status != SHALE_END)
		rc = tool_fail("after the kill the scan gives more than was written");
	shale_iter_free(it);
	return rc;
}

static int reopen(struct crash *c, uint64_t *open_ns, shale_stats *stats)
{
	shale_options o = SHALE_OPTIONS_INIT;
	uint64_t start = tool_now_ns();
	shale_db *db = NULL;
	int rc;

	crash_options(&o);
	rc = step_open(c->path, &o, &db);
	if (rc)
		return rc;
	*open_ns = tool_now_ns() - start;
	shale_stats_get(db, stats);
	for (uint32_t t = 0; t < CRASH_THREADS && rc == TOOL_OK; t++)
		rc = verify_thread(c, db, t);
	if (rc == TOOL_OK)
		rc = verify_scan(c, db);
	if (step_close(db, c->path))
		rc = TOOL_FAILED;
	return rc;
}

static int crash_round(struct crash *c)
{
	/* Between 0.3 and 2 seconds after the first commit. */
	uint64_t after_ms = 300 + event_below(&c->random, 1700), open_ns = 0, acked;
	shale_stats stats = SHALE_STATS_INIT;
	struct job_crash *out = c->out;
	struct progress p;
	int rc;

	memset(c->acked, 0, sizeof(c->acked));
	rc = start_child(c);
	if (rc)
		return rc;
	progress_start(&p, "  commit until killed", PROGRESS_TIME, 0);
	rc = run_child(c, after_ms * 1000000, &p);
	progress_end(&p, NULL);
	if (rc)
		return rc;
	acked = acked_sum(c);
	rc = reopen(c, &open_ns, &stats);
	if (rc)
		return rc;
	step_done(c->job, "round %" PRIu32 ": killed after %s; all %s commits there, opened in %s",
		  c->round + 1, human_time(after_ms * 1000000).text, human_count(acked).text,
		  human_time(open_ns).text);
	out->rounds++;
	out->acknowledged += acked;
	out->recovered_records += stats.recovered_records;
	out->recovered_bytes += stats.recovered_bytes;
	out->open_ns_max = open_ns > out->open_ns_max ? open_ns : out->open_ns_max;
	if (!out->kill_ms_min || after_ms < out->kill_ms_min)
		out->kill_ms_min = after_ms;
	out->kill_ms_max = after_ms > out->kill_ms_max ? after_ms : out->kill_ms_max;
	return TOOL_OK;
}

int crash_run(struct job *job)
{
	struct crash c = { .job = job, .out = &job->crash };
	struct timespec now;
	int rc;

	if (!job->rounds)
		return TOOL_OK;
	step_title(job, "3/3",
		   "Kill and recover: %d threads commit durably, kill -9, %" PRIu64 " round%s",
		   CRASH_THREADS, job->rounds, job->rounds == 1 ? "" : "s");
	/* The moment of a kill depends on more than a seed; it need not repeat. */
	clock_gettime(CLOCK_REALTIME, &now);
	c.random = job->seed ^ (uint64_t)now.tv_nsec;
	c.path = step_path(job, "crash");
	c.present = tool_alloc(NULL, job->rounds * sizeof(*c.present));
	memset(c.present, 0, job->rounds * sizeof(*c.present));
	rc = step_fresh(c.path);
	for (; c.round < job->rounds && rc == TOOL_OK; c.round++)
		rc = crash_round(&c);
	free(c.present);
	free(c.path);
	return rc;
}
