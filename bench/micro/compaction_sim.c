/*
 * Plays writes through the compaction policies, without files: what is written how
 * often, how many runs a read meets, and how much space old versions and merges
 * take. Tables are arrays of keys; after each flush all that is owed is merged, one
 * job after another. The time that merges take plays no part.
 *
 *   micro_compaction [memtables [workload]]
 *
 * The size of the data in memtables (default 400). Columns: entries written by
 * flushes and merges for each entry put, and the textbook's figure; runs that a get
 * must consider (those that have a table over its key) and that a scan merges, both
 * on the average; tables over live data, at worst while a merge holds inputs and
 * outputs, and at the end; the cost by the model of compact/adapt.h of one write,
 * two gets and a hundredth of a seek; the largest job in memtables. Then what a second
 * of six mixes costs by that model, and by how much adaptive is off the best.
 */
#include "base/coding.h"
#include "base/rand.h"
#include "compact/adapt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MEMTABLE = 2048,
	TABLE = MEMTABLE / 2,
	TABLES_MAX = 1 << 21,
	RUNS_MAX = 4096,
	HIDES_SAMPLE = 8,
};

/* A table's keys, ascending; behind its number. */
struct contents {
	uint32_t *key;
	size_t count;
};

struct sim {
	const shale_env *env;
	struct policy_options o;
	struct version *v;
	struct contents *table;
	uint64_t next_table, next_run, wall_ms, ttl_ms;
	uint32_t *buffer, *spare; /* of a merge */
	uint8_t *written;         /* which keys have been */
	uint64_t live;
	uint64_t flushed, merged, overwritten; /* keys */
	uint64_t moves, merges, drops, most_job;
	double most; /* space over live data */
	double get_runs, scan_runs;
	uint64_t samples;
	bool blind; /* nothing is known of what hides what */
	struct rand r;
	struct adapt adapt;
	struct adapt_counters asked;
};

static void check(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "failed: %s\n", what);
		exit(1);
	}
}

static int compare_keys(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t key_number(shale_slice key)
{
	return __builtin_bswap32(get_u32le(key.data));
}

static uint64_t bytes_of(const struct version *v)
{
	uint64_t bytes = 0;

	for (uint32_t l = 0; l < SHALE_LEVELS_MAX; l++)
		bytes += v->level[l].bytes;
	return bytes;
}

/* Whether a run from `first` on, of the stack as it was, has the key. */
static bool has_beneath(const struct sim *s, size_t first, uint32_t key)
{
	uint8_t bytes[4];

	put_u32le(bytes, __builtin_bswap32(key));
	for (size_t i = first; i < s->v->run_count; i++) {
		const struct run *r = s->v->runs[i];
		size_t t = run_find(r, slice_from(bytes, 4));
		const struct contents *c;

		if (t == r->count)
			continue;
		c = &s->table[r->tables[t]->number];
		if (bsearch(&key, c->key, c->count, sizeof(key), compare_keys) != NULL)
			return true;
	}
	return false;
}

/* `older`: the first of the runs that lie beneath it. */
static void add_table(struct sim *s, struct version_builder *b, const uint32_t *keys, size_t count,
		      uint32_t level, uint64_t run, uint64_t created_ms, size_t older)
{
	uint8_t smallest[4], largest[4];
	struct table_props p = { .smallest = slice_from(smallest, 4),
				 .largest = slice_from(largest, 4),
				 .entries = count,
				 .created_ms = created_ms };
	struct table_meta *m = NULL;
	struct contents *c = &s->table[s->next_table];
	uint64_t hides = 0;

	for (size_t i = 0; i < count; i += HIDES_SAMPLE)
		hides += HIDES_SAMPLE * has_beneath(s, older, keys[i]);
	put_u32le(smallest, __builtin_bswap32(keys[0]));
	put_u32le(largest, __builtin_bswap32(keys[count - 1]));
	if (s->ttl_ms != 0) {
		p.expiring = count;
		p.min_expiry_ms = p.max_expiry_ms = created_ms + s->ttl_ms;
	}
	check(s->next_table < TABLES_MAX &&
		      table_meta_new(s->env, s->next_table, count, &p, &m) >= 0,
	      "a table");
	m->hides = s->blind || hides > count ? count : hides;
	check(version_builder_add(b, level, run, m) >= 0, "a table of a version");
	s->next_table++;
	c->count = count;
	c->key = malloc(count * sizeof(*keys));
	check(c->key != NULL, "memory");
	memcpy(c->key, keys, count * sizeof(*keys));
	table_meta_unref(m);
}

/* Add `n` keys as tables of `most` keys, which end at guards. */
static void add_tables(struct sim *s, struct version_builder *b, const uint32_t *keys, size_t n,
		       uint64_t most, uint32_t level, uint64_t run, uint64_t created_ms,
		       const struct run *guards, size_t older)
{
	size_t guard = guards != NULL ? guard_next(guards, 0) : 0;

	for (size_t at = 0, count; at < n; at += count) {
		uint32_t stop = UINT32_MAX;

		while (guards != NULL && guard < guards->count) {
			stop = key_number(guards->tables[guard]->props.smallest);
			if (stop > keys[at])
				break;
			guard = guard_next(guards, guard + 1);
			stop = UINT32_MAX;
		}
		for (count = 1; count < most && at + count < n && keys[at + count] < stop;)
			count++;
		add_table(s, b, keys + at, count, level, run, created_ms, older);
	}
}

static void finish(struct sim *s, struct version_builder *b)
{
	struct version *next = NULL;

	check(version_builder_finish(b, &next) >= 0, "a version");
	version_builder_free(b);
	version_unref(s->v);
	s->v = next;
}

/* Merge `n` more keys into the buffer; what is there already wins. */
static size_t merge_in(struct sim *s, size_t have, const uint32_t *keys, size_t n)
{
	size_t i = 0, k = 0, out = 0;
	uint32_t *swap = s->buffer;

	while (i < have || k < n) {
		if (k == n || (i < have && s->buffer[i] < keys[k])) {
			s->spare[out++] = s->buffer[i++];
		} else {
			i += i < have && s->buffer[i] == keys[k];
			s->spare[out++] = keys[k++];
		}
	}
	s->buffer = s->spare;
	s->spare = swap;
	return out;
}

/* The keys of an input of a pick, in order; they are taken out of their tables. */
static size_t take_run(struct sim *s, const struct pick_input *in, uint32_t *to)
{
	size_t n = 0;

	for (size_t t = 0; t < in->count; t++) {
		struct contents *c = &s->table[s->v->runs[in->run]->tables[in->first + t]->number];

		memcpy(to + n, c->key, c->count * sizeof(*to));
		n += c->count;
		free(c->key);
		c->key = NULL;
	}
	return n;
}

static void note_space(struct sim *s, uint64_t beside)
{
	double space = (double)(bytes_of(s->v) + beside) / (double)s->live;

	if (s->live > 20 * MEMTABLE && space > s->most)
		s->most = space;
}

/* Carry out a pick. */
static void run_pick(struct sim *s, const struct pick *p)
{
	uint64_t created = policy_created_ms(&s->o, s->v, p, s->wall_ms);
	const struct run *guards = guard_run(&s->o, s->v);
	struct version_builder *b = NULL;
	size_t n = 0, in = 0;

	check(version_builder_new(s->env, s->v, &b) >= 0, "a version");
	for (size_t i = 0; i < p->input_count; i++) {
		const struct run *r = s->v->runs[p->inputs[i].run];
		size_t bytes = 0;

		for (size_t t = 0; t < p->inputs[i].count; t++) {
			struct table_meta *m = r->tables[p->inputs[i].first + t];

			check(version_builder_remove(b, r->level, r->id, m->number) >= 0, "remove");
			bytes += m->size;
			if (p->move)
				check(version_builder_add(b, p->output_level, p->output_run, m) >=
					      0,
				      "move");
		}
		if (!p->move && !p->drop) {
			uint32_t *keys = malloc(bytes * sizeof(*keys));

			check(keys != NULL, "memory");
			n = merge_in(s, n, keys, take_run(s, &p->inputs[i], keys));
			in += bytes;
			free(keys);
		}
	}
	s->moves += p->move;
	s->drops += p->drop;
	if (!p->move && !p->drop) {
		s->most_job = in > s->most_job ? in : s->most_job;
		add_tables(s, b, s->buffer, n, guard_table_bytes(&s->o, s->v, p), p->output_level,
			   p->output_run, created, guards, p->inputs[p->input_count - 1].run + 1);
		s->merged += n;
		s->asked.merged += in;
		s->asked.overwritten += in - n;
		s->merges++;
		note_space(s, n);
	}
	finish(s, b);
}

/* Carry out all that is owed. */
static void settle(struct sim *s)
{
	static struct pick_input inputs[RUNS_MAX];
	struct pick p;

	for (;;) {
		struct policy_now now = { .wall_ms = s->wall_ms,
					  .oldest_snapshot = UINT64_MAX,
					  .next_run = s->next_run };

		check(s->v->run_count <= RUNS_MAX, "runs");
		if (!policy_pick(&s->o, s->v, &now, inputs, &p))
			break;
		s->next_run++;
		run_pick(s, &p);
	}
}

static void flush(struct sim *s, uint32_t *keys, size_t n)
{
	struct version_builder *b = NULL;
	size_t kept = 0;

	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || keys[kept - 1] != keys[i])
			keys[kept++] = keys[i];
	check(version_builder_new(s->env, s->v, &b) >= 0, "a version");
	add_tables(s, b, keys, kept, TABLE, 0, s->next_run++, s->wall_ms, NULL, 0);
	s->flushed += kept;
	finish(s, b);
	note_space(s, 0);
	settle(s);
}

/* How many runs a get, and a scan, would meet now. */
static double runs_of_get(struct sim *s)
{
	enum { KEYS = 16 };
	size_t met = 0;

	for (int i = 0; i < KEYS; i++) {
		uint8_t key[4];

		put_u32le(key, __builtin_bswap32((uint32_t)rand_next(&s->r)));
		for (size_t r = 0; r < s->v->run_count; r++)
			met += run_find(s->v->runs[r], slice_from(key, 4)) < s->v->runs[r]->count;
	}
	return (double)met / KEYS;
}

static void sim_init(struct sim *s, uint64_t keys)
{
	s->env = shale_env_default();
	s->next_table = s->next_run = 1;
	s->wall_ms = 1000000;
	s->table = calloc(TABLES_MAX, sizeof(*s->table));
	s->buffer = malloc((8 * keys + 64 * MEMTABLE) * sizeof(*s->buffer));
	s->spare = malloc((8 * keys + 64 * MEMTABLE) * sizeof(*s->spare));
	s->written = calloc(1, keys);
	check(s->table != NULL && s->buffer != NULL && s->spare != NULL && s->written != NULL,
	      "memory");
	check(version_new_empty(s->env, &s->v) >= 0, "a version");
	rand_seed(&s->r, 1);
}

static void sim_fini(struct sim *s)
{
	version_unref(s->v);
	for (uint64_t i = 0; i < s->next_table; i++)
		free(s->table[i].key);
	free(s->table);
	free(s->buffer);
	free(s->spare);
	free(s->written);
}

/* ---- workloads ---- */

enum kind { IN_ORDER, EACH_ONCE, UNIFORM, ZIPF, BY_TIME };

/* The i-th key of n. */
static uint32_t key_of(struct sim *s, enum kind kind, uint64_t i, uint64_t n)
{
	uint64_t k = i;

	if (kind == UNIFORM)
		k = rand_below(&s->r, n);
	else if (kind == ZIPF) /* the k-th most frequent comes 1/k times as often as the first */
		k = (uint64_t)pow((double)n, (double)(rand_next(&s->r) >> 11) * 0x1p-53);
	k %= n;
	if (s->written[k] == 0) {
		s->written[k] = 1;
		s->live++;
	}
	if (kind == IN_ORDER)
		return (uint32_t)k * 1024;
	if (kind == BY_TIME) /* 1024 sources, each of which writes by time */
		return (uint32_t)(k % 1024) << 22 | (uint32_t)(k / 1024);
	return (uint32_t)k * 2654435761u; /* odd, so that no two are the same */
}

static void put_memtable(struct sim *s, enum kind kind, uint64_t *i, uint64_t keys)
{
	uint32_t memtable[MEMTABLE];

	for (size_t n = 0; n < MEMTABLE; n++)
		memtable[n] = key_of(s, kind, (*i)++, keys);
	flush(s, memtable, MEMTABLE);
}

static const struct policy_line {
	const char *name;
	shale_compaction c;
	bool blind; /* of what hides what */
} lines[] = {
	{ .name = "leveled, base 4 memtables",
	  .c = { .policy = SHALE_LEVELED, .base_bytes = 4 * MEMTABLE } },
	{ .name = "leveled", .c = { .policy = SHALE_LEVELED } },
	{ .name = "leveled, space 1.05", .c = { .policy = SHALE_LEVELED, .space_amp_max = 105 } },
	{ .name = "hybrid, ratio 8", .c = { .policy = SHALE_HYBRID, .size_ratio = 8 } },
	{ .name = "hybrid (ratio 6)", .c = { .policy = SHALE_HYBRID } },
	{ .name = "hybrid, ratio 4", .c = { .policy = SHALE_HYBRID, .size_ratio = 4 } },
	{ .name = "hybrid, 4 runs", .c = { .policy = SHALE_HYBRID, .max_runs = 4 } },
	{ .name = "hybrid, nothing known", .c = { .policy = SHALE_HYBRID }, .blind = true },
	{ .name = "tiered, 4 runs", .c = { .policy = SHALE_TIERED, .max_runs = 4 } },
	{ .name = "tiered (12 runs)", .c = { .policy = SHALE_TIERED } },
	{ .name = "adaptive", .c = { .policy = SHALE_ADAPTIVE } },
};

/* The textbook's figure for n memtables of new keys. */
static double formula(const struct policy_options *o, double n)
{
	double top = o->top_runs, k = o->max_runs, t = o->size_ratio;

	switch (o->acting) {
	case SHALE_LEVELED: /* half of a level's size over the one above, at each level */
		return 2 + (t / 2) * ceil(log(n * MEMTABLE / (double)o->base_bytes) / log(t));
	case SHALE_TIERED:
		return 2 + floor(log(n / top) / log(k));
	case SHALE_HYBRID: /* tiers up to the n-th / t, then the last level t times, once more */
		return 2 + floor(log(n / t / top) / log(k)) + 1 + t;
	default:
		return 1;
	}
}

static void report(const struct sim *s, const char *name, uint64_t writes, uint64_t keys)
{
	double written = (double)(s->flushed + s->merged) / (double)writes;
	double gets = s->get_runs / (double)s->samples, scans = s->scan_runs / (double)s->samples;

	printf("%-26s %7.2f %7.1f %7.2f %7.2f %7.2f %7.2f %7.2f %8.1f ", name, written,
	       formula(&s->o, (double)keys / MEMTABLE), gets, scans, s->most,
	       (double)bytes_of(s->v) / (double)s->live,
	       written * COST_WRITE + 2 * gets * COST_READ_RUN + 0.01 * scans * COST_SCAN_RUN,
	       (double)s->most_job / MEMTABLE);
	for (uint32_t l = 0; l < SHALE_LEVELS_MAX; l++)
		if (s->v->level[l].bytes != 0)
			printf(" L%u %.0f/%d", l, (double)s->v->level[l].bytes / MEMTABLE,
			       (int)s->v->level[l].runs);
	printf("\n");
	fflush(stdout);
}

static void look(struct sim *s)
{
	s->wall_ms += 1000;
	if (s->o.policy == SHALE_ADAPTIVE &&
	    adapt_look(&s->adapt, &s->asked, s->wall_ms, bytes_of(s->v), MEMTABLE, &s->o))
		settle(s);
}

static void play(const struct policy_line *line, enum kind kind, uint64_t keys, uint64_t writes,
		 uint64_t ttl_ms)
{
	struct sim s = { .ttl_ms = ttl_ms,
			 .blind = line->blind || line->c.policy == SHALE_ADAPTIVE };
	shale_compaction c = line->c;
	uint64_t i = 0;

	c.table_bytes = TABLE;
	s.o = policy_options_of(&c, MEMTABLE);
	adapt_begin(&s.adapt, &s.o);
	sim_init(&s, keys);
	if (kind == UNIFORM || kind == ZIPF)
		while (i < keys) /* what is overwritten is there first */
			put_memtable(&s, EACH_ONCE, &i, keys);
	s.flushed = s.merged = s.most_job = 0;
	s.most = 0;
	for (i = 0; i < writes;) {
		put_memtable(&s, kind, &i, keys);
		s.asked.writes = i;
		s.asked.reads = 2 * i;
		s.asked.scans = i / 100;
		look(&s);
		s.get_runs += runs_of_get(&s);
		s.scan_runs += (double)s.v->run_count;
		s.samples++;
	}
	report(&s, line->name, writes, keys);
	sim_fini(&s);
}

/* ---- mixes ---- */

/* What is asked in a second, in memtables of entries, gets, seeks. */
struct mix {
	double writes, gets, scans;
};

static const struct mix_line {
	const char *name;
	enum kind kind;
	struct mix phase[2]; /* change places every minute */
} mixes[] = {
	{ "writes, uniform", UNIFORM, { { 1, 0.1, 0 }, { 1, 0.1, 0 } } },
	{ "writes, zipf", ZIPF, { { 1, 0.1, 0 }, { 1, 0.1, 0 } } },
	{ "half and half, zipf", ZIPF, { { 0.5, 0.5, 0 }, { 0.5, 0.5, 0 } } },
	{ "gets 19 of 20, uniform", UNIFORM, { { 0.1, 1.9, 0 }, { 0.1, 1.9, 0 } } },
	{ "scans, uniform", UNIFORM, { { 0.2, 0.5, 0.3 }, { 0.2, 0.5, 0.3 } } },
	{ "changes every minute", UNIFORM, { { 1, 0.1, 0 }, { 0.05, 1, 0.5 } } },
};

/* The cost of a second, on the average, by the model of compact/adapt.h; in memtables. */
static double play_mix(const struct policy_line *line, const struct mix_line *mix, uint64_t keys)
{
	enum { SECONDS = 600 };
	struct sim s = { .blind = line->blind || line->c.policy == SHALE_ADAPTIVE };
	shale_compaction c = line->c;
	double cost = 0, due = 0, gets = 0, scans = 0;
	uint64_t i = 0;

	c.table_bytes = TABLE;
	s.o = policy_options_of(&c, MEMTABLE);
	adapt_begin(&s.adapt, &s.o);
	sim_init(&s, keys);
	while (i < keys)
		put_memtable(&s, EACH_ONCE, &i, keys);
	s.flushed = s.merged = i = 0;
	for (int second = 0; second < SECONDS; second++) {
		const struct mix *now = &mix->phase[second / 60 % 2];

		for (due += now->writes; due >= 1; due--)
			put_memtable(&s, mix->kind, &i, keys);
		gets += now->gets * MEMTABLE;
		scans += now->scans * MEMTABLE;
		cost += now->gets * COST_READ_RUN * runs_of_get(&s) +
			now->scans * COST_SCAN_RUN * (double)s.v->run_count;
		s.asked.writes = i + (uint64_t)(due * MEMTABLE);
		s.asked.reads = (uint64_t)gets;
		s.asked.scans = (uint64_t)scans;
		look(&s);
	}
	cost += (double)(s.flushed + s.merged) / MEMTABLE * COST_WRITE;
	sim_fini(&s);
	return cost / SECONDS;
}

static void play_mixes(uint64_t keys)
{
	enum { LINES = sizeof(lines) / sizeof(lines[0]), MIXES = sizeof(mixes) / sizeof(mixes[0]) };
	double best[MIXES] = { 0 };

	printf("\n%-26s", "cost of a second of");
	for (size_t m = 0; m < MIXES; m++)
		printf(" %24s", mixes[m].name);
	for (size_t k = 0; k < LINES; k++) {
		printf("\n%-26s", lines[k].name);
		for (size_t m = 0; m < MIXES; m++) {
			double cost = play_mix(&lines[k], &mixes[m], keys);

			if (lines[k].c.policy == SHALE_ADAPTIVE)
				printf(" %17.2f %+5.0f%%", cost, (cost / best[m] - 1) * 100);
			else
				printf(" %24.2f", cost);
			if (best[m] == 0 || cost < best[m])
				best[m] = cost;
			fflush(stdout);
		}
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum kind kind;
		unsigned times; /* so many writes for each key */
	} loads[] = {
		{ "in order", IN_ORDER, 1 },
		{ "each key once", EACH_ONCE, 1 },
		{ "overwritten, uniform", UNIFORM, 3 },
		{ "overwritten, zipf", ZIPF, 3 },
		{ "by time, 1024 sources", BY_TIME, 1 },
	};
	uint64_t n = (argc > 1 ? strtoull(argv[1], NULL, 10) : 400) * MEMTABLE;

	printf("%" PRIu64 " keys, %d a memtable\n", n, MEMTABLE);
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		if (argc > 2 && strstr(loads[i].name, argv[2]) == NULL)
			continue;
		printf("\n%-26s %7s %7s %7s %7s %7s %7s %7s %8s\n", loads[i].name, "written",
		       "formula", "get", "scan", "worst", "end", "cost", "largest");
		for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++)
			play(&lines[k], loads[i].kind, n, loads[i].times * n, 0);
	}
	if (argc < 3 || strcmp(argv[2], "mixes") == 0)
		play_mixes(n / 4);
	return 0;
}
