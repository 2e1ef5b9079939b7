/*
 * A merge job alone, in nanoseconds an entry of the inputs: reading the tables,
 * merging, deciding, building the outputs. Four runs of one table each, entries
 * of 16 + 100 bytes, uncompressed, in a directory that should be in memory
 * (/dev/shm). Best of some rounds, one thread: the time, and of all rounds together the
 * processor time, that of the program and that of the kernel for it, which copies what is
 * read and written and finds pages for it. Its share depends on the machine at the moment.
 *
 *   merge [entries [directory]]
 */
#include "base/rand.h"
#include "base/hash.h"
#include "compact/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { KEY = 16, VALUE = 100, RUNS = 4, ROUNDS = 5 };

static size_t entries = 1000000;
static uint8_t *keys; /* of KEY bytes, in order */
static struct table_env te;
static uint64_t next_number = 1;

static void check(shale_status rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", what, err_last()->text);
		exit(1);
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

/* Processor seconds so far. */
static void spent(double *own, double *kernel)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	*own = seconds(u.ru_utime);
	*kernel = seconds(u.ru_stime);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, KEY);
}

static const struct table_build_options options = {
	.compression = SHALE_NO_COMPRESSION,
	.block_bytes = 4096,
	.filter_bits = 10,
};

/* Every key is in `copies` of the runs; which, is drawn. */
static struct version *make_runs(unsigned copies)
{
	struct table_builder *builder[RUNS];
	struct version_builder *b = NULL;
	struct version *v = NULL;
	uint8_t value[VALUE];
	struct rand r;

	rand_seed(&r, 7);
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < RUNS; i++)
		check(table_builder_new(&te, next_number++, &options, &builder[i]), "table");
	for (size_t i = 0; i < entries / copies; i++) {
		shale_slice key = slice_from(keys + i * KEY, KEY);
		uint64_t hash = hash_key(key);
		unsigned to = (unsigned)rand_below(&r, RUNS);

		/* The greater the run, the newer. */
		for (unsigned c = 0; c < copies; c++, to = (to + 1) % RUNS)
			check(table_builder_add(builder[to], key, hash,
						seqtype(1 + to * entries + i, OP_PUT),
						slice_from(value, VALUE)),
			      "add");
	}
	check(version_builder_new(te.env, NULL, &b), "version");
	for (int i = 0; i < RUNS; i++) {
		struct table_built built;
		struct table_meta *m = NULL;

		check(table_builder_finish(builder[i], &built), "finish");
		check(table_meta_new(te.env, built.number, built.size, &built.props, &m), "meta");
		check(version_builder_add(b, 0, (uint64_t)i + 1, m), "add");
		table_meta_unref(m);
		buf_fini(&built.keys);
	}
	check(version_builder_finish(b, &v), "version");
	version_builder_free(b);
	return v;
}

static void delete_runs(struct version *v)
{
	for (size_t i = 0; i < v->run_count; i++)
		for (size_t t = 0; t < v->runs[i]->count; t++)
			check(store_delete(te.store, OBJECT_TABLE, v->runs[i]->tables[t]->number),
			      "delete");
	version_unref(v);
}

static struct iter *open_source(const struct version *v)
{
	static const struct table_read read = { .no_fill_cache = true };
	const shale_slice open = { NULL, 0 };
	struct iter *child[RUNS], *it = NULL;

	for (size_t i = 0; i < v->run_count; i++)
		check(run_iter_new(v->runs[i], &te, &read, true, NULL, open, open, &child[i]),
		      "iterator");
	check(merge_iter_new(te.env, child, v->run_count, 0, &it), "merge");
	return it;
}

static uint64_t new_number(void *arg)
{
	(void)arg;
	return next_number++;
}

struct setting {
	const char *name;
	unsigned copies;
	size_t snapshots;
	bool ranges, bottom;
};

/* Nanoseconds an entry; adds the processor time for one to *own and *kernel. */
static double run_job(const struct version *v, const struct setting *s, const struct version *older,
		      struct rangedel_set *ranges, double *own, double *kernel)
{
	double own_before, own_after, kernel_before, kernel_after;
	struct bottom bottom;
	uint64_t *snapshots = calloc(s->snapshots + 1, sizeof(*snapshots)), start, took;
	struct job job = {
		.te = &te,
		.build = options,
		.table_bytes = 32u << 20,
		.expected_entries = entries / s->copies * s->copies,
		.ranges = ranges,
		.new_number = new_number,
		.keep = { .snapshots = snapshots,
			  .snapshot_count = s->snapshots,
			  .bottom_key = bottom_key,
			  .bottom_range = bottom_range,
			  .arg = &bottom },
	};

	for (size_t i = 0; i < s->snapshots; i++)
		snapshots[i] = (i + 1) * entries * RUNS / (s->snapshots + 1);
	check(bottom_init(&bottom, te.env, older, 0), "bottom");
	spent(&own_before, &kernel_before);
	start = now_ns();
	job.source = open_source(v);
	check(job_run(&job), "job");
	took = now_ns() - start;
	spent(&own_after, &kernel_after);
	*own += (own_after - own_before) * 1e9 / (double)job.entries_in;
	*kernel += (kernel_after - kernel_before) * 1e9 / (double)job.entries_in;
	bottom_fini(&bottom, te.env);
	job_fini(&job, true);
	free(snapshots);
	return (double)took / (double)job.entries_in;
}

static double walk(const struct version *v)
{
	struct iter *it = open_source(v);
	uint64_t start = now_ns(), sum = 0;
	size_t n = 0;

	for (iter_first(it); it->valid; iter_next(it), n++)
		sum += iter_seqtype(it);
	start = now_ns() - start;
	iter_free(it);
	return sum != 0 ? (double)start / (double)n : 0;
}

/* Many small ranges with few keys in them. */
static struct rangedel_set *make_ranges(void)
{
	struct rangedel_set *set = NULL;
	struct rangedel list[1000];

	for (size_t i = 0; i < 1000; i++) {
		uint8_t *key = keys + entries / 2000 * i * KEY;

		list[i] = (struct rangedel){ slice_from(key, KEY), slice_from(key + 4 * KEY, KEY),
					     entries };
	}
	check(rangedel_build(te.env, list, 1000, &set), "ranges");
	return set;
}

static void measure(const struct setting *s)
{
	struct version *v = make_runs(s->copies), *empty = NULL;
	struct rangedel_set *ranges = s->ranges ? make_ranges() : NULL;
	double best_job = 0, best_walk = 0, own = 0, kernel = 0;

	check(version_new_empty(te.env, &empty), "version");
	for (int round = 0; round < ROUNDS; round++) {
		double t = run_job(v, s, s->bottom ? empty : v, ranges, &own, &kernel);
		double w = walk(v);

		best_job = best_job == 0 || t < best_job ? t : best_job;
		best_walk = best_walk == 0 || w < best_walk ? w : best_walk;
	}
	printf("%-38s %8.1f %8.1f %8.1f %8.1f\n", s->name, best_job, own / ROUNDS, kernel / ROUNDS,
	       best_walk);
	fflush(stdout);
	rangedel_free(ranges);
	version_unref(empty);
	delete_runs(v);
}

int main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{ .name = "distinct keys", .copies = 1 },
		{ .name = "distinct keys, at the bottom", .copies = 1, .bottom = true },
		{ .name = "half of them overwritten", .copies = 2, .bottom = true },
		{ .name = "with 16 snapshots", .copies = 2, .snapshots = 16, .bottom = true },
		{ .name = "with 1000 range tombstones",
		  .copies = 1,
		  .ranges = true,
		  .bottom = true },
	};
	struct budget budget = { 0 };
	struct stats stats = { 0 };
	char path[256];
	struct rand r;

	if (argc > 1)
		entries = strtoull(argv[1], NULL, 10);
	snprintf(path, sizeof(path), "%s/shale-micro-merge", argc > 2 ? argv[2] : "/dev/shm");
	te = (struct table_env){ .env = shale_env_default(), .budget = &budget, .stats = &stats };
	keys = malloc((entries + 1) * KEY);
	if (keys == NULL || entries < 10000)
		return 1;
	rand_seed(&r, 3);
	for (size_t i = 0; i < entries * KEY / 8; i++)
		((uint64_t *)(void *)keys)[i] = rand_next(&r);
	qsort(keys, entries, KEY, compare_keys);
	(void)store_destroy(te.env, path);
	check(store_open(te.env, path, &(struct store_options){ .create = true }, &te.store), path);
	check(cache_new(te.env, 8 << 20, 4096, &budget, &te.cache), "cache");
	printf("%zu entries, %d runs\n%-38s %8s %8s %8s %8s\n", entries, RUNS, "ns an entry", "job",
	       "its own", "kernel", "reading");
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		measure(&settings[i]);
	cache_free(te.cache);
	store_close(te.store);
	(void)store_destroy(te.env, path);
	free(keys);
	return 0;
}
