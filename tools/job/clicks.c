/*
 * Part two: a stream of clicks is ingested by one thread, put by put, while two
 * others read what was just written: single events by key, and a user's events
 * by short scans. Afterwards events are read from all over the store, and one
 * scan goes over everything. Every event read, by whomever, is made again from
 * its number and compared to the last byte.
 *
 * Writer to readers: `written` is released after the put returned, so whatever
 * lies below it must be found.
 */
#include "grid.h"
#include "job/event.h"
#include "job/job.h"
#include "progress.h"
#include "tool.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
	CLICKS_READERS = 2,
	CLICKS_RECENT = 100000,   /* what counts as recently written */
	CLICKS_SCAN = 20,         /* events a short scan reads at most */
	CLICKS_BURST = 16,        /* gets between two pauses of a reader, and one scan */
	CLICKS_PAUSE_NS = 400000, /* readers leave the processors to the writer */
	CLICKS_COLD_GETS = 200000,
	CLICKS_ABSENT_GETS = 200000,
};

struct clicks {
	struct job *job;
	struct job_clicks *out;
	char *path;
	struct event_source source;
	shale_db *db;

	_Atomic uint64_t written; /* events below are stored */
	atomic_bool stop;         /* readers are to end */
	atomic_bool failed;       /* someone has told a failure; all end */
	_Atomic uint64_t gets, scans;
};

struct writer {
	struct clicks *c;
	pthread_t thread;
	struct histogram latency;
	uint64_t bytes, ns;
};

struct reader {
	struct clicks *c;
	pthread_t thread;
	uint64_t random;
	struct histogram gets, scans;
	uint64_t scanned;
};

static bool give_up(struct clicks *c)
{
	atomic_store(&c->failed, true);
	return false;
}

/* ---- one read of each kind ---- */

static bool read_event(struct clicks *c, uint64_t i, struct histogram *latency)
{
	struct event e;
	shale_value value;
	shale_status status;
	uint64_t start;
	bool same;

	event_make(&c->source, i, &e);
	start = tool_now_ns();
	status = shale_get(c->db, NULL, shale_bytes(e.key, EVENT_KEY_SIZE), &value);
	histogram_record(latency, tool_now_ns() - start);
	if (status < 0) {
		tool_fail_status(status, "reading event %" PRIu64, i);
		return give_up(c);
	}
	if (status) {
		tool_fail("event %" PRIu64 " (%.*s) was written and is not found", i,
			  EVENT_KEY_SIZE, e.key);
		return give_up(c);
	}
	same = value.size == e.value_size && !memcmp(value.data, e.value, e.value_size);
	shale_value_release(&value);
	if (same)
		return true;
	tool_fail("event %" PRIu64 " (%.*s) is not what was written", i, EVENT_KEY_SIZE, e.key);
	return give_up(c);
}

/* What a scan stands on must be event *i, the one asked for, or a later one of the same user. */
static bool scan_step(struct clicks *c, shale_iter *it, const struct event *from, uint64_t *last)
{
	shale_slice key = shale_iter_key(it), value;
	shale_status status = shale_iter_value(it, &value);
	uint64_t i;

	if (status) {
		tool_fail_status(status, "scanning from %.*s", EVENT_KEY_SIZE, from->key);
		return give_up(c);
	}
	if (!event_number(key, &i) || memcmp(key.data, from->key, EVENT_PREFIX_SIZE) ||
	    (*last != UINT64_MAX && i <= *last) || !event_is(&c->source, i, key, value)) {
		tool_fail("a scan from %.*s met an entry that was never written so: %.*s",
			  EVENT_KEY_SIZE, from->key, (int)(key.size < 64 ? key.size : 64),
			  (const char *)key.data);
		return give_up(c);
	}
	*last = i;
	return true;
}

static bool scan_user(struct reader *r, uint64_t i)
{
	struct clicks *c = r->c;
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	uint64_t start, last = UINT64_MAX, n = 0;
	shale_iter *it = NULL;
	shale_status status;
	struct event e;
	bool good = true;

	event_make(&c->source, i, &e);
	o.prefix = shale_bytes(e.key, EVENT_PREFIX_SIZE);
	start = tool_now_ns();
	status = shale_iter_new(c->db, &o, &it);
	if (status == SHALE_OK)
		status = shale_iter_seek(it, shale_bytes(e.key, EVENT_KEY_SIZE));
	while (good && status == SHALE_OK && n < CLICKS_SCAN) {
		good = scan_step(c, it, &e, &last);
		if (n++ == 0 && good && last != i) {
			tool_fail("a scan from %.*s did not begin there", EVENT_KEY_SIZE, e.key);
			good = give_up(c);
		}
		if (good)
			status = shale_iter_next(it);
	}
	if (good && status < 0) {
		tool_fail_status(status, "scanning from %.*s", EVENT_KEY_SIZE, e.key);
		good = give_up(c);
	} else if (good && n == 0) {
		tool_fail("a scan from %.*s found nothing", EVENT_KEY_SIZE, e.key);
		good = give_up(c);
	}
	shale_iter_free(it);
	histogram_record(&r->scans, tool_now_ns() - start);
	r->scanned += n;
	return good;
}

/* ---- threads ---- */

static void *writer_thread(void *arg)
{
	struct writer *w = arg;
	struct clicks *c = w->c;
	uint64_t begin = tool_now_ns();
	struct event e;

	for (uint64_t i = 0; i < c->job->events; i++) {
		shale_status status;
		uint64_t start;

		event_make(&c->source, i, &e);
		start = tool_now_ns();
		status = shale_put(c->db, NULL, shale_bytes(e.key, EVENT_KEY_SIZE),
				   shale_bytes(e.value, e.value_size));
		histogram_record(&w->latency, tool_now_ns() - start);
		if (status) {
			tool_fail_status(status, "writing event %" PRIu64, i);
			give_up(c);
			break;
		}
		w->bytes += EVENT_KEY_SIZE + e.value_size;
		atomic_store_explicit(&c->written, i + 1, memory_order_release);
		if (atomic_load_explicit(&c->failed, memory_order_relaxed))
			break;
	}
	w->ns = tool_now_ns() - begin;
	return NULL;
}

/* Mostly what was just written; one in eight from all there is. */
static uint64_t pick_event(struct reader *r, uint64_t written)
{
	uint64_t recent = written < CLICKS_RECENT ? written : CLICKS_RECENT;

	if (event_mix(&r->random) % 8 == 0)
		return event_below(&r->random, written);
	return written - 1 - event_below(&r->random, recent);
}

static void *reader_thread(void *arg)
{
	const struct timespec pause = { 0, CLICKS_PAUSE_NS };
	struct reader *r = arg;
	struct clicks *c = r->c;
	bool good = true;

	while (good && !atomic_load(&c->stop) && !atomic_load(&c->failed)) {
		uint64_t written = atomic_load_explicit(&c->written, memory_order_acquire);

		for (int i = 0; i < CLICKS_BURST && good && written; i++)
			good = read_event(c, pick_event(r, written), &r->gets);
		if (good && written)
			good = scan_user(r, pick_event(r, written));
		if (written) {
			atomic_fetch_add_explicit(&c->gets, CLICKS_BURST, memory_order_relaxed);
			atomic_fetch_add_explicit(&c->scans, 1, memory_order_relaxed);
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void watch(struct clicks *c, struct progress *p)
{
	const struct timespec pause = { 0, 20000000 };
	shale_stats stats = SHALE_STATS_INIT;
	uint64_t written;

	do {
		nanosleep(&pause, NULL);
		if (shale_stats_get(c->db, &stats) == SHALE_OK &&
		    stats.memory_used > c->out->memory_max)
			c->out->memory_max = stats.memory_used;
		written = atomic_load_explicit(&c->written, memory_order_relaxed);
		progress_note(p, "%s gets, %s scans checked",
			      human_short((double)atomic_load(&c->gets)).text,
			      human_short((double)atomic_load(&c->scans)).text);
		progress_update(p, written);
	} while (written < c->job->events && !atomic_load(&c->failed));
}

static int ingest(struct clicks *c)
{
	struct writer *w = tool_alloc(NULL, sizeof(*w));
	struct reader *readers = tool_alloc(NULL, CLICKS_READERS * sizeof(*readers));
	struct progress p;
	int started = 0;

	memset(w, 0, sizeof(*w));
	memset(readers, 0, CLICKS_READERS * sizeof(*readers));
	w->c = c;
	progress_start(&p, "  ingest", PROGRESS_COUNT, c->job->events);
	if (pthread_create(&w->thread, NULL, writer_thread, w)) {
		free(w);
		free(readers);
		return tool_fail("no thread can be started");
	}
	for (; started < CLICKS_READERS; started++) {
		struct reader *r = &readers[started];

		r->c = c;
		r->random = c->job->seed ^ (uint64_t)(started + 1) << 32;
		if (pthread_create(&r->thread, NULL, reader_thread, r)) {
			tool_fail("no thread can be started");
			give_up(c);
			break;
		}
	}
	watch(c, &p);
	pthread_join(w->thread, NULL);
	c->out->ingest_ns = w->ns;
	atomic_store(&c->stop, true);
	for (int i = 0; i < started; i++) {
		pthread_join(readers[i].thread, NULL);
		histogram_merge(&c->out->gets, &readers[i].gets);
		histogram_merge(&c->out->scans, &readers[i].scans);
		c->out->scanned += readers[i].scanned;
	}
	progress_end(&p, NULL);
	histogram_merge(&c->out->puts, &w->latency);
	c->out->user_bytes = w->bytes;
	c->out->events = atomic_load(&c->written);
	free(w);
	free(readers);
	return atomic_load(&c->failed) ? TOOL_FAILED : TOOL_OK;
}

/* ---- afterwards ---- */

static int settle(struct clicks *c)
{
	uint64_t start = tool_now_ns();
	shale_status status = shale_wait_idle(c->db);

	c->out->settle_ns = tool_now_ns() - start;
	if (status)
		return tool_fail_status(status, "waiting for the background work");
	status = shale_stats_get(c->db, &c->out->ingest);
	if (status)
		return tool_fail_status(status, "reading the figures");
	status = stack_collect(c->db, &c->out->stack);
	return status ? tool_fail_status(status, "listing the tables") : TOOL_OK;
}

static int cold_gets(struct clicks *c)
{
	uint64_t random = c->job->seed + 99;
	struct progress p;
	bool good = true;

	shale_stats_get(c->db, &c->out->cold_before);
	progress_start(&p, "  random gets", PROGRESS_COUNT, CLICKS_COLD_GETS);
	for (uint64_t n = 0; n < CLICKS_COLD_GETS && good; n++) {
		good = read_event(c, event_below(&random, c->job->events), &c->out->cold_gets);
		progress_update(&p, n);
	}
	progress_end(&p, NULL);
	shale_stats_get(c->db, &c->out->cold_after);
	return good ? TOOL_OK : TOOL_FAILED;
}

/* Keys that lie between those there are: an event's, a microsecond beside its time. */
static int absent_gets(struct clicks *c)
{
	uint64_t random = c->job->seed + 77, start;
	struct progress p;
	shale_status status = SHALE_NOT_FOUND;
	shale_value value;
	struct event e;
	char *last;

	progress_start(&p, "  absent keys", PROGRESS_COUNT, CLICKS_ABSENT_GETS);
	for (uint64_t n = 0; n < CLICKS_ABSENT_GETS && status == SHALE_NOT_FOUND; n++) {
		event_make(&c->source, event_below(&random, c->job->events), &e);
		last = &e.key[EVENT_KEY_SIZE - 1];
		*last = (char)(*last == '9' ? '8' : *last + 1);
		start = tool_now_ns();
		status = shale_get(c->db, NULL, shale_bytes(e.key, EVENT_KEY_SIZE), &value);
		histogram_record(&c->out->absent_gets, tool_now_ns() - start);
		progress_update(&p, n);
	}
	progress_end(&p, NULL);
	shale_stats_get(c->db, &c->out->absent_after);
	if (status < 0)
		return tool_fail_status(status, "reading an absent key");
	if (status == SHALE_NOT_FOUND)
		return TOOL_OK;
	shale_value_release(&value);
	return tool_fail("the key %.*s was never written and is found", EVENT_KEY_SIZE, e.key);
}

/* All events there are, each seen once: their numbers add up as they must. */
static int scan_entries(struct clicks *c, shale_iter *it, struct progress *p)
{
	shale_status status = shale_iter_first(it);
	uint64_t n = 0, sum = 0, last, expected;
	char previous[EVENT_KEY_SIZE] = { 0 };
	shale_slice key, value;

	for (; status == SHALE_OK; status = shale_iter_next(it)) {
		key = shale_iter_key(it);
		status = shale_iter_value(it, &value);
		if (status)
			break;
		if (!event_number(key, &last) || last >= c->job->events ||
		    !event_is(&c->source, last, key, value))
			return tool_fail("the scan met an entry that was never written so: %.*s",
					 (int)(key.size < 64 ? key.size : 64),
					 (const char *)key.data);
		if (memcmp(previous, key.data, EVENT_KEY_SIZE) >= 0)
			return tool_fail("the scan gave keys out of order at %.*s", EVENT_KEY_SIZE,
					 (const char *)key.data);
		memcpy(previous, key.data, EVENT_KEY_SIZE);
		sum += last;
		c->out->live_bytes += key.size + value.size;
		if (n++ % 1024 == 0)
			progress_update(p, n);
	}
	if (status != SHALE_END)
		return tool_fail_status(status, "scanning the clicks");
	expected = (uint64_t)((unsigned __int128)c->job->events * (c->job->events - 1) / 2);
	if (n != c->job->events || sum != expected)
		return tool_fail("the scan gave %" PRIu64 " events, %" PRIu64 " were written", n,
				 c->job->events);
	return TOOL_OK;
}

static int scan_everything(struct clicks *c)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	uint64_t start = tool_now_ns();
	shale_iter *it = NULL;
	struct progress p;
	shale_status status;
	int rc;

	o.no_fill_cache = true;
	status = shale_iter_new(c->db, &o, &it);
	if (status)
		return tool_fail_status(status, "scanning the clicks");
	progress_start(&p, "  scan all", PROGRESS_COUNT, c->job->events);
	rc = scan_entries(c, it, &p);
	progress_end(&p, NULL);
	shale_iter_free(it);
	c->out->scan_ns = tool_now_ns() - start;
	return rc;
}

static double per_second(uint64_t n, uint64_t ns)
{
	return (double)n * 1e9 / (double)(ns ? ns : 1);
}

static int clicks_steps(struct clicks *c)
{
	struct job_clicks *out = c->out;
	int rc = ingest(c);

	if (rc)
		return rc;
	step_done(c->job, "%s events (%s) ingested in %s: %s events/s",
		  human_count(out->events).text, human_size(out->user_bytes).text,
		  human_time(out->ingest_ns).text,
		  human_short(per_second(out->events, out->ingest_ns)).text);
	step_done(c->job, "meanwhile two readers compared %s gets and %s scans (%s events)",
		  human_count(out->gets.count).text, human_count(out->scans.count).text,
		  human_count(out->scanned).text);
	rc = settle(c);
	if (rc)
		return rc;
	step_done(c->job, "background work settled after %s", human_time(out->settle_ns).text);
	rc = cold_gets(c);
	if (rc)
		return rc;
	step_done(c->job, "%s gets from all over the store compared, median %s",
		  human_count(out->cold_gets.count).text,
		  human_time(histogram_quantile(&out->cold_gets, 0.5)).text);
	rc = absent_gets(c);
	if (rc)
		return rc;
	step_done(c->job, "%s gets of keys that are not there found nothing, median %s",
		  human_count(out->absent_gets.count).text,
		  human_time(histogram_quantile(&out->absent_gets, 0.5)).text);
	rc = scan_everything(c);
	if (rc)
		return rc;
	step_done(c->job, "a scan of everything gave each event once, in order: %s entries/s",
		  human_short(per_second(out->events, out->scan_ns)).text);
	return TOOL_OK;
}

int clicks_run(struct job *job)
{
	struct clicks *c = tool_alloc(NULL, sizeof(*c));
	shale_options o = SHALE_OPTIONS_INIT;
	const shale_stats init = SHALE_STATS_INIT;
	int rc;

	memset(c, 0, sizeof(*c));
	c->job = job;
	c->out = &job->clicks;
	c->out->ingest = c->out->cold_before = c->out->cold_after = c->out->absent_after = init;
	step_title(job, "2/3", "Click stream: %s events of %s users, seed %" PRIu64,
		   human_count(job->events).text, human_count(EVENT_USERS).text, job->seed);
	event_source_init(&c->source, job->seed);
	o.memory_budget = job->memory;
	o.durability = SHALE_PROCESS;
	c->path = step_path(job, "clicks");
	rc = step_fresh(c->path);
	if (rc == TOOL_OK)
		rc = step_open(c->path, &o, &c->db);
	if (rc == TOOL_OK) {
		rc = clicks_steps(c);
		c->out->file_bytes = step_dir_bytes(c->path);
		if (step_close(c->db, c->path))
			rc = TOOL_FAILED;
	}
	free(c->path);
	free(c);
	return rc;
}
