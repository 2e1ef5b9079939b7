/*
 * What the policy picks: cases in text, then random stacks in which several jobs
 * run at once, where the order of every key's versions is checked after each.
 */
#include "shape.h"

#include "base/rand.h"

/* ---- cases ---- */

static const struct policy_options usual = {
	.policy = SHALE_LEVELED,
	.acting = SHALE_LEVELED,
	.size_ratio = 10,
	.top_runs = 2,
	.base_bytes = 1000,
	.table_bytes = 100,
};

struct policy_case {
	const char *name, *shape, *want;
	const char *lo, *hi; /* asked for by hand: [lo, hi) */
	bool manual;
};

#define NEXT_RUN 77

static const struct policy_now now = { .wall_ms = 1000,
				       .oldest_snapshot = 0, /* below all sequences */
				       .next_run = NEXT_RUN };

static const struct policy_case cases[] = {
	{ .name = "nothing is owed by an empty store", .shape = "", .want = "nothing" },
	{ .name = "too few top runs wait for more",
	  .shape = "L0#5 a-z; L7#1 a-z",
	  .want = "nothing" },
	{ .name = "picks all top runs with the overlap below",
	  .shape = "L0#5 c-f; L0#4 e-k; L7#1 a-b c-d j-m n-z",
	  .want = "top runs: L0#5 c-f + L0#4 e-k + L7#1 c-d j-m -> L7#1" },
	{ .name = "a hole between the top runs belongs to the pick",
	  .shape = "L0#5 c-f; L0#4 e-k p-q; L7#1 a-b c-d m-n r-z",
	  .want = "top runs: L0#5 c-f + L0#4 e-k p-q + L7#1 c-d m-n -> L7#1" },
	{ .name = "the first top merge begins a run",
	  .shape = "L0#5 c-f; L0#4 e-k",
	  .want = "top runs: L0#5 c-f + L0#4 e-k -> L7#77" },
	{ .name = "an excluded end does not overlap what begins there",
	  .shape = "L0#5 c-f); L0#4 c-f); L7#1 a-b f-g",
	  .want = "top runs: L0#5 c-f + L0#4 c-f -> L7#1" },
	{ .name = "an included end does, also when another run excludes it",
	  .shape = "L0#5 c-f); L0#4 c-f; L7#1 a-b f-g",
	  .want = "top runs: L0#5 c-f + L0#4 c-f + L7#1 f-g -> L7#1" },
	{ .name = "a table below with an excluded end is not overlapped at it",
	  .shape = "L0#5 c-f; L0#4 c-f; L7#1 a-c) g-h",
	  .want = "top runs: L0#5 c-f + L0#4 c-f -> L7#1" },
	{ .name = "top runs that another job holds wait, newer ones too",
	  .shape = "L0#6 a-b; L0#5 c-f*; L0#4 e-k*; L7#1 c-d*",
	  .want = "nothing" },
	{ .name = "top runs wait for a busy table they overlap",
	  .shape = "L0#5 c-f; L0#4 e-k; L7#1 c-d*",
	  .want = "nothing" },
	{ .name = "top runs do not wait for a busy table beside them",
	  .shape = "L0#5 c-f; L0#4 e-k; L7#1 a-b*",
	  .want = "top runs: L0#5 c-f + L0#4 e-k -> L7#1" },
	{ .name = "top runs stop at a level that holds data above the base",
	  .shape = "L0#7 c-f; L0#6 c-f; L5#3 x-z*:10; L7#1 a-z:5000",
	  .want = "top runs: L0#7 c-f + L0#6 c-f -> L5#3" },
	{ .name = "top runs merge with a level above the base that they overlap",
	  .shape = "L0#9 a-c; L0#8 a-c; L0#7 c-f; L0#6 c-f; L5#3 b-d:10; L7#1 a-z:5000",
	  .want = "top runs: L0#9 a-c + L0#8 a-c + L0#7 c-f + L0#6 c-f + L5#3 b-d -> L5#3" },

	{ .name = "a level above the base drains",
	  .shape = "L5#3 b-d:10; L6#2 a-b e-f; L7#1 a-z:10000",
	  .want = "level size: L5#3 b-d + L6#2 a-b -> L6#2" },
	{ .name = "levels grow upwards with the last one",
	  .shape = "L0#9 a-c; L0#8 b-d; L7#1 a-z:10000",
	  .want = "top runs: L0#9 a-c + L0#8 b-d -> L6#77" },
	{ .name = "and further",
	  .shape = "L0#9 a-c; L0#8 b-d; L6#2 a-z:10000; L7#1 a-z:100000",
	  .want = "top runs: L0#9 a-c + L0#8 b-d -> L5#77" },
	{ .name = "a level that is just full is left alone",
	  .shape = "L6#2 a-b:500 c-d:500; L7#1 a-z:10000",
	  .want = "nothing" },
	{ .name = "least overlap first",
	  .shape = "L6#2 a-b:500 c-d:600; L7#1 a-b:6000 d-k:4000",
	  .want = "level size: L6#2 c-d + L7#1 d-k -> L7#1" },
	{ .name = "least overlap for its size",
	  .shape = "L6#2 a-b:1000 c-d:100; L7#1 a-b:6000 d-k:4000",
	  .want = "level size: L6#2 a-b + L7#1 a-b -> L7#1" },
	{ .name = "moves a table that overlaps nothing",
	  .shape = "L6#2 a-b:500 g-h:600; L7#1 a-c:5000 d-f) i-k:5000",
	  .want = "level size by moving: L6#2 g-h -> L7#1" },
	{ .name = "leaves tables that another job holds",
	  .shape = "L6#2 a-b:500 c-d*:600; L7#1 a-b:6000 d-k*:4000",
	  .want = "level size: L6#2 a-b + L7#1 a-b -> L7#1" },
	{ .name = "leaves tables that overlap what another job holds",
	  .shape = "L6#2 a-b:500 c-d:600; L7#1 a-b:6000 d-k*:4000",
	  .want = "level size: L6#2 a-b + L7#1 a-b -> L7#1" },
	{ .name = "goes on to the next level where the first is held up",
	  .shape = "L5#3 a-b*:5000; L6#2 c-d:12000; L7#1 a-b*:50000 c-e:50000",
	  .want = "level size: L6#2 c-d + L7#1 c-e -> L7#1" },
	{ .name = "a level that is all there is goes down",
	  .shape = "L5#3 a-b",
	  .want = "level size by moving: L5#3 a-b -> L6#77" },
	{ .name = "only one job at a time begins a run",
	  .shape = "L5#3 a-b* c-d; L7#1 a-z:5000",
	  .want = "nothing" },
	{ .name = "a run that is there takes jobs side by side",
	  .shape = "L5#3 a-b* c-d; L6#2 e-f; L7#1 a-z:5000",
	  .want = "level size by moving: L5#3 c-d -> L6#2" },
	{ .name = "writers soon to be stalled come before a level that drains",
	  .shape = "L0#9 a-c; L0#8 a-c; L0#7 a-c; L0#6 a-c; L5#3 b-d:900; L7#1 a-z:5000",
	  .want = "top runs: L0#9 a-c + L0#8 a-c + L0#7 a-c + L0#6 a-c + L5#3 b-d -> L5#3" },

	{ .name = "sequential loads become moves",
	  .shape = "L0#5 g-h i-j; L0#4 e-f; L7#1 a-b c-d",
	  .want = "top runs by moving: L0#5 g-h i-j + L0#4 e-f -> L7#1" },
	{ .name = "a move leaves alone what lies between its tables below",
	  .shape = "L0#5 i-j; L0#4 a-b; L7#1 c-d e-f k-l",
	  .want = "top runs by moving: L0#5 i-j + L0#4 a-b -> L7#1" },
	{ .name = "no move when top runs overlap each other",
	  .shape = "L0#5 g-i; L0#4 h-j; L7#1 a-b",
	  .want = "top runs: L0#5 g-i + L0#4 h-j -> L7#1" },
	{ .name = "no move onto a table that has room for a top table inside",
	  .shape = "L0#5 g-h; L0#4 c-d; L7#1 a-e",
	  .want = "top runs: L0#5 g-h + L0#4 c-d + L7#1 a-e -> L7#1" },
	{ .name = "no move of a top table that holds a table below inside",
	  .shape = "L0#5 g-k; L0#4 c-d; L7#1 h-i",
	  .want = "top runs: L0#5 g-k + L0#4 c-d + L7#1 h-i -> L7#1" },
	{ .name = "tombstones are not moved to where they hide nothing",
	  .shape = "L0#5 g-h~; L0#4 e-f; L7#1 a-b",
	  .want = "top runs: L0#5 g-h + L0#4 e-f -> L7#1" },
	{ .name = "tombstones are not moved onwards either where they hide nothing",
	  .shape = "L6#2 a-b~:1001; L7#1 c-d:10000",
	  .want = "level size: L6#2 a-b -> L7#1" },
	{ .name = "tombstones are moved while something is left to hide",
	  .shape = "L5#3 a-b~:101; L6#2 c-d; L7#1 a-d:5000",
	  .want = "level size by moving: L5#3 a-b -> L6#2" },

	{ .name = "by hand: nothing where nothing is",
	  .manual = true,
	  .shape = "L0#5 a-c; L7#1 f-g",
	  .lo = "d",
	  .hi = "e",
	  .want = "nothing" },
	{ .name = "by hand: everything",
	  .manual = true,
	  .shape = "L0#5 a-c; L0#4 x-z; L6#3 d-e; L7#1 f-g h-i",
	  .want = "asked for: L0#5 a-c + L0#4 x-z + L6#3 d-e + L7#1 f-g h-i -> L7#1" },
	{ .name = "by hand: closed under overlap, step by step and upwards too",
	  .manual = true,
	  .shape = "L0#5 k-m; L0#4 a-b; L6#3 i-k q-r; L7#1 a-f g-i m-p",
	  .lo = "g",
	  .hi = "h",
	  .want = "asked for: L0#5 k-m + L6#3 i-k + L7#1 g-i m-p -> L7#1" },
	{ .name = "by hand: the end is excluded",
	  .manual = true,
	  .shape = "L6#3 a-b; L7#1 a-b c-d",
	  .lo = "a",
	  .hi = "c",
	  .want = "asked for: L6#3 a-b + L7#1 a-b -> L7#1" },
	{ .name = "by hand: the start is not in a table that excludes it",
	  .manual = true,
	  .shape = "L6#3 a-b) c-d; L7#1 b-c)",
	  .lo = "b",
	  .hi = "c",
	  .want = "asked for: L7#1 b-c -> L7#1" },
	{ .name = "by hand: an excluded end grows to an included one",
	  .manual = true,
	  .shape = "L0#9 a-c); L6#3 b-c; L7#1 c-d",
	  .lo = "a",
	  .hi = "b",
	  .want = "asked for: L0#9 a-c + L6#3 b-c + L7#1 c-d -> L7#1" },
	{ .name = "by hand: top runs alone go to the base",
	  .manual = true,
	  .shape = "L0#9 a-c; L0#8 b-d; L7#1 x-z",
	  .lo = "a",
	  .hi = "e",
	  .want = "asked for: L0#9 a-c + L0#8 b-d -> L7#1" },
	{ .name = "by hand: top runs alone begin a run where there is none",
	  .manual = true,
	  .shape = "L0#9 a-c; L0#8 b-d; L7#1 x-z:10000",
	  .lo = "a",
	  .hi = "e",
	  .want = "asked for: L0#9 a-c + L0#8 b-d -> L6#77" },
};

static void print_pick(const struct version *v, const struct pick *p, char *out, size_t size)
{
	int n = snprintf(out, size, "%s%s:", pick_reason_name(p->reason),
			 p->move ? " by moving" : "");

	for (size_t i = 0; i < p->input_count; i++) {
		const struct pick_input *in = &p->inputs[i];
		const struct run *r = v->runs[in->run];

		n += snprintf(out + n, size - (size_t)n, "%s L%u#%u", i != 0 ? " +" : "", r->level,
			      (unsigned)r->id);
		for (size_t t = in->first; t < in->first + in->count; t++) {
			const struct table_props *props = &r->tables[t]->props;

			n += snprintf(out + n, size - (size_t)n, " %.*s-%.*s",
				      (int)props->smallest.size, (const char *)props->smallest.data,
				      (int)props->largest.size, (const char *)props->largest.data);
		}
	}
	snprintf(out + n, size - (size_t)n, " -> L%u#%u", p->output_level, (unsigned)p->output_run);
}

static void picks_as_it_should(void **state)
{
	const struct policy_case *c = *state;
	struct version *v = shape_parse(c->shape);
	/* Just the room that was promised, so that one too many is seen. */
	struct pick_input *inputs = calloc(v->run_count + 1, sizeof(*inputs));
	shale_slice lo = c->lo != NULL ? shale_str(c->lo) : slice_from(NULL, 0);
	shale_slice hi = c->hi != NULL ? shale_str(c->hi) : slice_from(NULL, 0);
	struct pick p;
	char got[1024] = "nothing";

	inputs[v->run_count] = (struct pick_input){ 4711, 4711, 4711 };
	if (c->manual ? policy_pick_range(&usual, v, lo, hi, &now, inputs, &p)
		      : policy_pick(&usual, v, &now, inputs, &p))
		print_pick(v, &p, got, sizeof(got));
	assert_string_equal(got, c->want);
	assert_int_equal(inputs[v->run_count].run, 4711);
	free(inputs);
	version_unref(v);
}

static void defaults_follow_the_memtable(void **state)
{
	shale_compaction c = { .policy = SHALE_LEVELED };
	struct policy_options o = policy_options_of(&c, 64 << 20);

	(void)state;
	assert_int_equal(o.policy, SHALE_LEVELED);
	assert_int_equal(o.size_ratio, 10);
	assert_int_equal(o.top_runs, 4);
	assert_int_equal(o.base_bytes, 64 << 20);
	assert_int_equal(o.table_bytes, 32 << 20);
	c = (shale_compaction){ .policy = SHALE_LEVELED,
				.size_ratio = 4,
				.top_runs = 7,
				.base_bytes = 5,
				.table_bytes = 6 };
	o = policy_options_of(&c, 64 << 20);
	assert_int_equal(o.size_ratio, 4);
	assert_int_equal(o.top_runs, 7);
	assert_int_equal(o.base_bytes, 5);
	assert_int_equal(o.table_bytes, 6);
	assert_true(policy_level_is_deep(&o, LEVEL_LAST));
	assert_true(policy_level_is_deep(&o, LEVEL_LAST - 1));
	assert_false(policy_level_is_deep(&o, LEVEL_LAST - 2));
}

static void targets_divide_the_last_level(void **state)
{
	struct version *v = shape_parse("L7#1 a-z:2500000");
	uint64_t target[SHALE_LEVELS_MAX];

	(void)state;
	assert_int_equal(leveled_targets(&usual, v, target), 4);
	assert_int_equal(target[6], 250000);
	assert_int_equal(target[5], 25000);
	assert_int_equal(target[4], 2500);
	assert_int_equal(target[3], 0);
	assert_int_equal(target[1], 0);
	assert_true(target[7] == UINT64_MAX);
	version_unref(v);
}

static void debt_is_what_exceeds_the_targets(void **state)
{
	static const struct {
		const char *shape;
		uint64_t debt;
	} each[] = {
		{ "", 0 },
		{ "L0#1 a-b", 0 },
		{ "L0#2 a-b:70; L0#1 a-b", 170 },
		{ "L6#2 a-b:1000; L7#1 a-b:10000", 0 },
		{ "L6#2 a-b:1001; L7#1 a-b:10000", 1 },
		{ "L5#3 a-b:30; L6#2 a-b:1001; L7#1 a-b:10000", 31 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct version *v = shape_parse(each[i].shape);

		assert_int_equal(policy_debt(&usual, v), each[i].debt);
		version_unref(v);
	}
}

/* ---- random stacks ---- */

/*
 * A model of tables: which keys, and the newest version of each. A range tombstone
 * is the same version of every key in a stretch. The end of any table may be said
 * to be excluded, one behind its last key.
 */
enum { KEYS = 200, TABLES = 100000, JOBS = 4, ENTRY = 10 };

struct contents {
	uint32_t seq[KEYS]; /* 0: not in it */
};

struct model {
	const shale_env *env;
	struct rand r;
	struct policy_options o;
	struct policy_now now;
	struct version *v;
	struct contents *contents[TABLES];
	uint64_t next_table, next_run;
	uint32_t seq;
	bool leveled; /* and never anything else */
	struct model_job {
		bool running;
		struct version *base;
		struct pick pick;
		struct pick_input *inputs;
	} job[JOBS];
	unsigned moves, merges, drops;
};

static struct table_meta *model_table(struct model *m, const struct contents *c)
{
	struct table_props p = { .max_seq = 1, .created_ms = m->now.wall_ms };
	char smallest[16], largest[16];
	struct table_meta *t = NULL;
	int first = -1, last = -1;

	for (int k = 0; k < KEYS; k++)
		if (c->seq[k] != 0) {
			first = first < 0 ? k : first;
			last = k;
			p.entries++;
			p.tombstones += c->seq[k] % 16 == 0;
		}
	assert_true(first >= 0 && m->next_table < TABLES);
	p.largest_excluded = rand_below(&m->r, 2) != 0;
	snprintf(smallest, sizeof(smallest), "%03d", first);
	snprintf(largest, sizeof(largest), "%03d", last + p.largest_excluded);
	p.smallest = shale_str(smallest);
	p.largest = shale_str(largest);
	assert_ok(table_meta_new(m->env, m->next_table, ENTRY * p.entries, &p, &t));
	m->contents[m->next_table] = malloc(sizeof(*c));
	*m->contents[m->next_table++] = *c;
	return t;
}

/* Cut `all` into tables of about table_bytes and add them. */
static void model_add(struct model *m, struct version_builder *b, const struct contents *all,
		      uint32_t level, uint64_t run)
{
	struct contents c = { 0 };
	uint64_t size = 0;

	for (int k = 0; k <= KEYS; k++) {
		bool full = size >= m->o.table_bytes || (size != 0 && rand_below(&m->r, 40) == 0);

		if (size != 0 && (full || k == KEYS)) {
			struct table_meta *t = model_table(m, &c);

			assert_ok(version_builder_add(b, level, run, t));
			table_meta_unref(t);
			memset(&c, 0, sizeof(c));
			size = 0;
		}
		if (k < KEYS && all->seq[k] != 0) {
			c.seq[k] = all->seq[k];
			size += ENTRY;
		}
	}
}

static void model_finish(struct model *m, struct version_builder *b)
{
	struct version *next = NULL;

	assert_ok(version_builder_finish(b, &next));
	version_builder_free(b);
	version_unref(m->v);
	m->v = next;
}

static void model_flush(struct model *m)
{
	struct version_builder *b = NULL;
	struct contents c = { 0 };
	int from = (int)rand_below(&m->r, KEYS), n = 1 + (int)rand_below(&m->r, 30);
	bool dense = rand_below(&m->r, 3) == 0;

	for (int i = 0; i < n; i++) {
		int k = dense ? from + i : (int)rand_below(&m->r, KEYS);

		c.seq[k % KEYS] = ++m->seq;
	}
	assert_ok(version_builder_new(m->env, m->v, &b));
	model_add(m, b, &c, 0, m->next_run++);
	model_finish(m, b);
}

static void model_mark(const struct model_job *j, bool busy)
{
	for (size_t i = 0; i < j->pick.input_count; i++)
		for (size_t t = 0; t < j->inputs[i].count; t++) {
			const struct run *r = j->base->runs[j->inputs[i].run];
			struct table_meta *meta = r->tables[j->inputs[i].first + t];

			assert_true(meta->busy != busy);
			meta->busy = busy;
		}
}

/* No table of the stack between the newest and the oldest input meets a table left out. */
static void assert_closed(const struct model_job *j)
{
	const struct version *v = j->base;
	size_t n = j->pick.input_count;

	assert_true(n > 0);
	for (size_t i = 1; i < n; i++)
		assert_true(j->inputs[i - 1].run < j->inputs[i].run);
	for (size_t i = 0; i < n; i++) {
		const struct pick_input *in = &j->inputs[i];

		assert_true(in->count > 0 && in->first + in->count <= v->runs[in->run]->count);
		assert_true(v->runs[in->run]->level <= j->pick.output_level);
		/* What is newer than a merged table and goes nowhere may not be passed. */
		for (size_t r = in->run + 1; r < v->run_count; r++) {
			size_t k = i + 1;

			if (v->runs[r]->level > j->pick.output_level ||
			    (v->runs[r]->level == j->pick.output_level &&
			     v->runs[r]->id < j->pick.output_run))
				break;
			while (k < n && j->inputs[k].run != r)
				k++;
			for (size_t t = 0; t < v->runs[r]->count; t++) {
				const struct table_meta *out = v->runs[r]->tables[t];

				if (k < n && t >= j->inputs[k].first &&
				    t < j->inputs[k].first + j->inputs[k].count)
					continue;
				for (size_t a = 0; a < in->count; a++) {
					const struct table_props *p =
						&v->runs[in->run]->tables[in->first + a]->props;

					assert_false(table_meta_overlaps(out, p->smallest,
									 p->largest,
									 p->largest_excluded));
				}
			}
		}
	}
}

/* Nothing older lies beneath what is dropped. */
static void assert_bottom(const struct model_job *j)
{
	const struct pick_input *in = &j->inputs[0];

	assert_int_equal(j->pick.input_count, 1);
	for (size_t t = 0; t < in->count; t++) {
		const struct table_props *p = &j->base->runs[in->run]->tables[in->first + t]->props;

		for (size_t r = in->run + 1; r < j->base->run_count; r++) {
			struct pick_input hit;

			pick_add_overlap(j->base, r, p->smallest, p->largest, p->largest_excluded,
					 &hit);
			assert_int_equal(hit.count, 0);
		}
	}
}

/* Tombstones (every 16th sequence) go where no table beneath the job has room for the key. */
static void model_reclaim(const struct model *m, const struct model_job *j, struct contents *all)
{
	size_t last = j->inputs[j->pick.input_count - 1].run;

	for (int k = 0; k < KEYS; k++) {
		bool beneath = m->now.oldest_snapshot == 0;
		char key[16];

		if (all->seq[k] == 0 || all->seq[k] % 16 != 0)
			continue;
		snprintf(key, sizeof(key), "%03d", k);
		for (size_t r = last + 1; r < j->base->run_count; r++)
			beneath |= run_find(j->base->runs[r], shale_str(key)) <
				   j->base->runs[r]->count;
		if (!beneath)
			all->seq[k] = 0;
	}
}

static bool model_start(struct model *m, struct model_job *j)
{
	j->inputs = calloc(m->v->run_count, sizeof(*j->inputs));
	m->now.next_run = m->next_run;
	if (!policy_pick(&m->o, m->v, &m->now, j->inputs, &j->pick)) {
		free(j->inputs);
		return false;
	}
	m->next_run++;
	j->running = true;
	j->base = version_ref(m->v);
	assert_true(j->pick.score >= 1);
	if (j->pick.drop)
		assert_bottom(j);
	else
		assert_closed(j);
	model_mark(j, true);
	return true;
}

static void model_end(struct model *m, struct model_job *j)
{
	struct version_builder *b = NULL;
	struct contents all = { 0 };

	assert_ok(version_builder_new(m->env, m->v, &b));
	for (size_t i = 0; i < j->pick.input_count; i++) {
		const struct pick_input *in = &j->inputs[i];
		const struct run *r = j->base->runs[in->run];

		for (size_t t = 0; t < in->count; t++) {
			struct table_meta *meta = r->tables[in->first + t];
			const struct contents *c = m->contents[meta->number];

			assert_ok(version_builder_remove(b, r->level, r->id, meta->number));
			if (j->pick.move)
				assert_ok(version_builder_add(b, j->pick.output_level,
							      j->pick.output_run, meta));
			for (int k = 0; k < KEYS; k++)
				if (all.seq[k] == 0)
					all.seq[k] = c->seq[k]; /* newest first */
		}
	}
	model_reclaim(m, j, &all);
	if (!j->pick.move && !j->pick.drop)
		model_add(m, b, &all, j->pick.output_level, j->pick.output_run);
	m->moves += j->pick.move;
	m->drops += j->pick.drop;
	m->merges += !j->pick.move && !j->pick.drop;
	model_finish(m, b);
	model_mark(j, false);
	version_unref(j->base);
	free(j->inputs);
	j->running = false;
}

static void assert_in_order(const struct model *m)
{
	uint32_t seen[KEYS];

	for (int k = 0; k < KEYS; k++)
		seen[k] = UINT32_MAX;
	for (size_t i = 0; i < m->v->run_count; i++) {
		const struct run *r = m->v->runs[i];

		if (m->leveled && r->level > 0 && i > 0)
			assert_true(m->v->runs[i - 1]->level < r->level);
		for (size_t t = 0; t < r->count; t++) {
			const struct contents *c = m->contents[r->tables[t]->number];

			for (int k = 0; k < KEYS; k++)
				if (c->seq[k] != 0) {
					assert_true(c->seq[k] < seen[k]);
					seen[k] = c->seq[k];
				}
		}
	}
}

static bool model_end_some(struct model *m)
{
	for (unsigned i = 0, from = (unsigned)rand_below(&m->r, JOBS); i < JOBS; i++)
		if (m->job[(from + i) % JOBS].running) {
			model_end(m, &m->job[(from + i) % JOBS]);
			assert_in_order(m);
			return true;
		}
	return false;
}

static bool model_start_some(struct model *m)
{
	for (unsigned i = 0; i < JOBS; i++)
		if (!m->job[i].running)
			return model_start(m, &m->job[i]);
	return false;
}

static void model_options(struct model *m)
{
	static const shale_policy each[] = { SHALE_LEVELED, SHALE_TIERED, SHALE_HYBRID,
					     SHALE_TIME_WINDOW, SHALE_FIFO };
	shale_policy policy = m->leveled ? SHALE_LEVELED : each[rand_below(&m->r, 5)];

	m->o = (struct policy_options){ .policy = policy,
					.acting = policy,
					.size_ratio = 2 + (uint32_t)rand_below(&m->r, 4),
					.top_runs = 1 + (uint32_t)rand_below(&m->r, 4),
					.max_runs = 2 + (uint32_t)rand_below(&m->r, 4),
					.base_bytes = ENTRY * (1 + rand_below(&m->r, 30)),
					.table_bytes = ENTRY * (1 + rand_below(&m->r, 10)),
					.window_ms = 1 + rand_below(&m->r, 200),
					.max_bytes = ENTRY * (50 + rand_below(&m->r, 200)),
					.delete_within_ms = rand_below(&m->r, 3) * 200 };
}

static void model_round(uint64_t seed, struct model *sum)
{
	struct model *m = calloc(1, sizeof(*m));
	unsigned steps = 0;

	m->env = shale_env_default();
	rand_seed(&m->r, seed);
	m->leveled = rand_below(&m->r, 3) == 0;
	model_options(m);
	m->now = (struct policy_now){ .wall_ms = 1000,
				      .oldest_snapshot =
					      rand_below(&m->r, 2) != 0 ? UINT64_MAX : 0 };
	m->next_run = m->next_table = 1;
	assert_ok(version_new_empty(m->env, &m->v));
	for (unsigned i = 0; i < 150; i++) {
		unsigned what = (unsigned)rand_below(&m->r, 10);

		if (what < 3)
			model_flush(m);
		else if (what < 7)
			model_start_some(m);
		else
			model_end_some(m);
		assert_in_order(m);
		m->now.wall_ms += rand_below(&m->r, 20);
		/* Options change while the store is open. */
		if (!m->leveled && rand_below(&m->r, 40) == 0)
			model_options(m);
		if (rand_below(&m->r, 50) == 0)
			m->o.base_bytes = ENTRY * (1 + rand_below(&m->r, 60));
	}
	do { /* until it is settled */
		assert_true(steps++ < 20000);
	} while (model_start_some(m) || model_end_some(m));
	assert_int_equal(policy_debt(&m->o, m->v), 0);
	sum->moves += m->moves;
	sum->merges += m->merges;
	sum->drops += m->drops;
	version_unref(m->v);
	for (uint64_t i = 0; i < m->next_table; i++)
		free(m->contents[i]);
	free(m);
}

static void keeps_the_order_whatever_runs_at_once(void **state)
{
	struct rand r;
	struct model *sum = calloc(1, sizeof(*sum));

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t i = 0; i < test_scale(400); i++)
		model_round(rand_next(&r), sum);
	/* All kinds were tried. */
	assert_true(sum->moves > 1000 && sum->merges > 1000 && sum->drops > 100);
	free(sum);
}

int main(void)
{
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	struct CMUnitTest tests[CASES + 4];

	for (size_t i = 0; i < CASES; i++)
		tests[i] = (struct CMUnitTest){ cases[i].name, picks_as_it_should, NULL, NULL,
						(void *)(uintptr_t)&cases[i] };
	tests[CASES] = (struct CMUnitTest)cmocka_unit_test(defaults_follow_the_memtable);
	tests[CASES + 1] = (struct CMUnitTest)cmocka_unit_test(targets_divide_the_last_level);
	tests[CASES + 2] = (struct CMUnitTest)cmocka_unit_test(debt_is_what_exceeds_the_targets);
	tests[CASES + 3] =
		(struct CMUnitTest)cmocka_unit_test(keeps_the_order_whatever_runs_at_once);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
