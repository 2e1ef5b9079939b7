/*
 * Random stacks under each policy, which change on the way, and several jobs at
 * once: the order of every key's versions is checked after each.
 */
#include "shape.h"

#include "base/rand.h"

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
	bool leveled;  /* and never anything else */
	bool settling; /* only what is due */
	struct model_job {
		bool running;
		struct version *base;
		struct pick pick;
		struct pick_input *inputs;
		struct pick_claim claim;
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
	t->hides = rand_below(&m->r, p.entries + 1);
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

/* Those of all jobs that run. */
static const struct pick_claim *model_claims(struct model *m)
{
	struct pick_claim *all = NULL;

	for (unsigned i = 0; i < JOBS; i++)
		if (m->job[i].running) {
			m->job[i].claim = policy_claim(m->job[i].base, &m->job[i].pick);
			m->job[i].claim.next = all;
			all = &m->job[i].claim;
		}
	return all;
}

/* What is due, or now and then what there is room for. */
static bool model_pick(struct model *m, struct model_job *j)
{
	uint64_t room = rand_below(&m->r, 4 * ENTRY * KEYS);
	bool some;

	switch (m->settling ? 9 : rand_below(&m->r, 16)) {
	case 0:
		some = policy_pick_fitting(&m->o, m->v, &m->now, room, 0, j->inputs, &j->pick);
		break;
	case 1:
		some = policy_pick_hopeful(&m->o, m->v, &m->now, room, 0, j->inputs, &j->pick);
		break;
	case 2:
		some = policy_pick_hopeful_nth(&m->o, m->v, &m->now, room,
					       (uint32_t)rand_below(&m->r, 4), j->inputs, &j->pick);
		break;
	case 3:
		some = policy_pick_cut(&m->o, m->v, room, j->inputs, &j->pick);
		break;
	default:
		return policy_pick(&m->o, m->v, &m->now, j->inputs, &j->pick) && j->pick.score >= 1;
	}
	return some && pick_is_free(m->v, &m->now, &j->pick);
}

static bool model_start(struct model *m, struct model_job *j)
{
	m->now.claims = model_claims(m);
	j->inputs = calloc(m->v->run_count, sizeof(*j->inputs));
	m->now.next_run = m->next_run;
	if (!model_pick(m, j)) {
		free(j->inputs);
		return false;
	}
	m->next_run++;
	j->running = true;
	j->base = version_ref(m->v);
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
	m->settling = true;
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_order_whatever_runs_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
