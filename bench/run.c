/*
 * Runs the workloads with one engine, in a process of its own. Every workload is
 * a loop over a stream of keys, cut into equal parts for the threads. The time
 * of each operation is taken from the processor's counter (clock_gettime where
 * there is none); answers are compared with what was written.
 *
 * A store is opened once and the workloads follow each other: fill, settle, warm
 * up with reads that are not measured, then the reads, and last the overwrites.
 */
#include "bench.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { NEXTS = 50 };

const char *const workload_name[WORKLOADS] = {
	"fillseq",    "fillrandom", "settle",    "readrandom", "readmissing",
	"seekrandom", "scan",       "overwrite", "resettle",
};

/* ---- time and what the kernel knows of this process ---- */

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	return now_ns();
#endif
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* The number after `label` in a file of /proc/self; 0 if it is not there. */
static uint64_t proc_value(const char *file, const char *label)
{
	FILE *f = fopen(file, "r");
	char line[256];
	uint64_t value = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, label, strlen(label)) == 0)
			value = strtoull(line + strlen(label), NULL, 10);
	if (f != NULL)
		fclose(f);
	return value;
}

static uint64_t rss_peak(void)
{
	return proc_value("/proc/self/status", "VmHWM:") << 10;
}

static void rss_peak_reset(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "w");

	if (f != NULL) {
		fputs("5", f);
		fclose(f);
	}
}

uint64_t directory_bytes(const char *path)
{
	DIR *d = opendir(path);
	uint64_t bytes = 0;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char name[4096];
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (lstat(name, &st) != 0)
			continue;
		bytes += S_ISDIR(st.st_mode) ? directory_bytes(name) : (uint64_t)st.st_size;
	}
	if (d != NULL)
		closedir(d);
	return bytes;
}

/* ---- the loops ---- */

struct session {
	const struct engine *e;
	const struct plan *p;
	void *db;
	uint64_t rss_before; /* what the harness holds */
	double ns_per_tick;
};

struct worker {
	const struct session *s;
	enum workload workload;
	const char *keys;
	uint64_t count;
	uint64_t ops; /* out */
	struct hist hist;
	pthread_barrier_t *start;
	pthread_t thread;
};

static void wrong(const struct worker *w, const char *what)
{
	die("%s: %s: %s", w->s->e->name, workload_name[w->workload], what);
}

static void take(struct worker *w, uint64_t *last)
{
	uint64_t now = ticks();

	hist_add(&w->hist, (uint64_t)((double)(now - *last) * w->s->ns_per_tick));
	*last = now;
}

static void loop_put(struct worker *w)
{
	const struct engine *e = w->s->e;
	size_t size = w->s->p->value_size;
	uint64_t last = ticks();

	for (uint64_t i = 0; i < w->count; i++) {
		const char *key = w->keys + i * KEY_SIZE;

		e->put(w->s->db, key, KEY_SIZE, value_of(key, size), size);
		take(w, &last);
	}
	w->ops = w->count;
}

static void loop_get(struct worker *w, bool there)
{
	const struct engine *e = w->s->e;
	size_t size = w->s->p->value_size;
	uint64_t last = ticks();

	for (uint64_t i = 0; i < w->count; i++) {
		const char *key = w->keys + i * KEY_SIZE;
		struct found f;

		if (e->get(w->s->db, key, KEY_SIZE, &f) != there)
			wrong(w, there ? "a key is missing" : "a key is there that never was");
		if (there) {
			if (f.size != size || memcmp(f.data, value_of(key, size), size) != 0)
				wrong(w, "a value is not what was written");
			e->release(&f);
		}
		take(w, &last);
	}
	w->ops = w->count;
}

/* The entry's value and order; `last_key` is replaced by its key. */
static void check_entry(struct worker *w, void *it, char *last_key)
{
	const struct engine *e = w->s->e;
	size_t key_size, size, want = w->s->p->value_size;
	const char *key = e->iter_key(it, &key_size);
	const char *value = e->iter_value(it, &size);

	if (key_size != KEY_SIZE || memcmp(key, last_key, KEY_SIZE) < 0)
		wrong(w, "keys out of order");
	if (size != want || memcmp(value, value_of(key, want), want) != 0)
		wrong(w, "a value is not what was written");
	memcpy(last_key, key, KEY_SIZE);
}

static void loop_seek(struct worker *w)
{
	const struct engine *e = w->s->e;
	uint64_t last = ticks();

	for (uint64_t i = 0; i < w->count; i++) {
		const char *key = w->keys + i * KEY_SIZE;
		void *it = e->iter_new(w->s->db);
		bool more = e->iter_seek(it, key, KEY_SIZE);
		char last_key[KEY_SIZE];

		memcpy(last_key, key, KEY_SIZE);
		if (!more)
			wrong(w, "a key is missing");
		for (unsigned n = 0; n < NEXTS && more; n++) {
			check_entry(w, it, last_key);
			more = e->iter_next(it);
		}
		e->iter_free(it);
		take(w, &last);
	}
	w->ops = w->count;
}

/* All entries, as if summing them up; single steps are not timed. */
static void loop_scan(struct worker *w)
{
	const struct engine *e = w->s->e;
	void *it = e->iter_new(w->s->db);
	char last_key[KEY_SIZE] = { 0 };

	for (bool more = e->iter_first(it); more; more = e->iter_next(it)) {
		check_entry(w, it, last_key);
		w->ops++;
	}
	e->iter_free(it);
	if (w->ops != w->s->p->num)
		wrong(w, "not all entries were found");
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(w->start);
	switch (w->workload) {
	case READRANDOM:
	case READMISSING:
		loop_get(w, w->workload == READRANDOM);
		break;
	case SEEKRANDOM:
		loop_seek(w);
		break;
	case SCAN:
		loop_scan(w);
		break;
	default:
		loop_put(w);
		break;
	}
	return NULL;
}

/* ---- one workload, measured ---- */

struct meter {
	uint64_t ns, written;
	double cpu;
};

static struct meter meter_start(void)
{
	rss_peak_reset();
	return (struct meter){ now_ns(), proc_value("/proc/self/io", "write_bytes:"),
			       cpu_seconds() };
}

static void meter_stop(const struct session *s, const struct meter *m, struct figures *out)
{
	uint64_t peak = rss_peak();

	out->ran = true;
	out->seconds = (double)(now_ns() - m->ns) / 1e9;
	out->cpu_seconds = cpu_seconds() - m->cpu;
	out->written = proc_value("/proc/self/io", "write_bytes:") - m->written;
	out->peak_rss = peak > s->rss_before ? peak - s->rss_before : 0;
	out->disk = directory_bytes(s->p->engine.dir);
}

static void measure(const struct session *s, enum workload workload, const struct stream *keys,
		    struct figures *out)
{
	unsigned threads = workload == SCAN ? 1 : s->p->threads;
	struct worker *w = calloc(threads, sizeof(*w));
	pthread_barrier_t start;
	struct hist *all;
	struct meter m;

	if (w == NULL)
		die("no memory for %u threads", threads);
	pthread_barrier_init(&start, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		uint64_t from = keys != NULL ? keys->count * i / threads : 0;
		uint64_t to = keys != NULL ? keys->count * (i + 1) / threads : 0;

		w[i].s = s;
		w[i].workload = workload;
		w[i].keys = keys != NULL ? keys->keys + from * KEY_SIZE : NULL;
		w[i].count = to - from;
		w[i].start = &start;
		if (pthread_create(&w[i].thread, NULL, work, &w[i]) != 0)
			die("cannot start a thread");
	}
	m = meter_start();
	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	meter_stop(s, &m, out);

	all = &w[0].hist;
	out->ops = w[0].ops;
	for (unsigned i = 1; i < threads; i++) {
		hist_merge(all, &w[i].hist);
		out->ops += w[i].ops;
	}
	if (all->count != 0) {
		out->p50 = hist_quantile(all, 0.50);
		out->p99 = hist_quantile(all, 0.99);
		out->p999 = hist_quantile(all, 0.999);
		out->max = all->max;
	}
	pthread_barrier_destroy(&start);
	free(w);
}

static void measure_settle(const struct session *s, uint64_t num, struct figures *out)
{
	struct meter m = meter_start();
	double waited = (double)s->e->settle(s->db, &s->p->engine) / 1e9;

	meter_stop(s, &m, out);
	out->seconds = out->seconds > waited ? out->seconds - waited : 0;
	out->ops = num;
}

static double calibrate(void)
{
	uint64_t ns = now_ns(), t = ticks();

	while (now_ns() - ns < 20000000)
		;
	t = ticks() - t;
	return (double)(now_ns() - ns) / (double)t;
}

void run_engine(const struct engine *e, const struct plan *p, struct figures out[WORKLOADS])
{
	bool reads = p->wanted[READRANDOM] || p->wanted[READMISSING] || p->wanted[SEEKRANDOM];
	struct session s = { .e = e, .p = p, .ns_per_tick = calibrate() };
	struct figures ignored;
	struct stream keys[WORKLOADS] = { 0 }, warm = { 0 };

	for (int i = 0; i < WORKLOADS; i++) {
		if (!p->wanted[i])
			continue;
		switch (i) {
		case FILLSEQ:
			keys[i] = stream_new(STREAM_SORTED, p->keys, p->num, p->num, 1);
			break;
		case FILLRANDOM:
			keys[i] = stream_new(STREAM_ALL, p->keys, p->num, p->num, 2);
			break;
		case READRANDOM:
			keys[i] = stream_new(STREAM_REPEAT, p->keys, p->num, p->reads, 3);
			break;
		case READMISSING:
			keys[i] = stream_new(STREAM_MISSING, p->keys, p->num, p->reads, 4);
			break;
		case SEEKRANDOM:
			keys[i] = stream_new(STREAM_REPEAT, p->keys, p->num, p->seeks, 5);
			break;
		case OVERWRITE:
			keys[i] = stream_new(STREAM_REPEAT, p->keys, p->num, p->num, 6);
			break;
		}
	}
	if (reads)
		warm = stream_new(STREAM_REPEAT, p->keys, p->num, p->reads / 2, 7);
	s.rss_before = proc_value("/proc/self/status", "VmRSS:") << 10;

	s.db = e->open(&p->engine);
	for (int i = 0; i < WORKLOADS; i++) {
		if (i == READRANDOM && reads)
			measure(&s, READRANDOM, &warm, &ignored);
		if (!p->wanted[i])
			continue;
		if (i == SETTLE || i == SETTLE_AGAIN)
			measure_settle(&s, p->num, &out[i]);
		else
			measure(&s, (enum workload)i, &keys[i], &out[i]);
	}
	if (p->describe)
		e->describe(s.db, stderr);
	e->close(s.db);
	for (int i = 0; i < WORKLOADS; i++)
		stream_free(&keys[i]);
	stream_free(&warm);
}
