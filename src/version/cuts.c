/*
 * Cutting a version into parts of equal bytes. Keys are sampled from the fence indexes, one
 * for each step of so many bytes through all the tables; so each stands for as many bytes,
 * and the sample that has a third of the others below it has about a third of the bytes
 * below it. There are too few samples to need more than counting those below each.
 */
#include "version/version.h"

enum { SAMPLES = 128 };

struct samples {
	struct buf *bytes;
	size_t count;
	size_t end[SAMPLES]; /* of each key in bytes */
};

static shale_slice sample(const struct samples *s, size_t i)
{
	size_t from = i != 0 ? s->end[i - 1] : 0;

	return slice_from(s->bytes->data + from, s->end[i] - from);
}

/* Those of one table, *at bytes before the next one is due. False: that is all there will be. */
static bool sample_table(struct samples *s, struct table_meta *m, const struct table_env *te,
			 uint64_t step, uint64_t *at)
{
	struct table *t;

	if (*at >= m->size) {
		*at -= m->size;
		return true;
	}
	if (table_meta_open(m, te, &t) < 0)
		return false;
	for (; *at < m->size; *at += step) {
		if (s->count == SAMPLES)
			return false;
		if (!table_key_at(t, *at, s->bytes))
			continue; /* nothing but range tombstones, or no memory */
		s->end[s->count++] = s->bytes->size;
	}
	*at -= m->size;
	return true;
}

static void sample_all(struct samples *s, struct version *v, const struct table_env *te)
{
	uint64_t bytes = 0, step, at;
	bool more = true;

	for (size_t i = 0; i < v->run_count; i++)
		bytes += v->runs[i]->bytes;
	step = bytes / SAMPLES + 1;
	at = step / 2;
	for (size_t i = 0; i < v->run_count && more; i++)
		for (size_t k = 0; k < v->runs[i]->count && more; k++)
			more = sample_table(s, v->runs[i]->tables[k], te, step, &at);
}

/* Of all samples: how many come before this one. */
static size_t rank_of(const struct samples *s, size_t i)
{
	shale_slice key = sample(s, i);
	size_t rank = 0;

	for (size_t k = 0; k < s->count; k++) {
		int c = slice_cmp(sample(s, k), key);

		rank += c < 0 || (c == 0 && k < i);
	}
	return rank;
}

/* A key goes behind those there are, if it is new. */
static void add_cut(struct cuts *c, shale_slice key)
{
	if (c->count == 0 || slice_cmp(c->keys[c->count - 1], key) < 0)
		c->keys[c->count++] = key;
}

shale_status cuts_init(struct cuts *c, struct version *v, const struct table_env *te, size_t n)
{
	struct samples s = { .bytes = &c->bytes };
	uint8_t order[SAMPLES]; /* the samples by key */

	*c = (struct cuts){ .count = 0 };
	buf_init(&c->bytes, te->env);
	if (n < 2)
		return SHALE_OK;
	c->keys = mem_array(te->env, n - 1, sizeof(*c->keys));
	if (c->keys == NULL)
		return err_memory("the parts of a merge");
	sample_all(&s, v, te);
	if (s.count < n)
		return SHALE_OK;
	for (size_t i = 0; i < s.count; i++)
		order[rank_of(&s, i)] = (uint8_t)i;
	for (size_t part = 1; part < n; part++)
		add_cut(c, sample(&s, order[part * s.count / n]));
	return SHALE_OK;
}

void cuts_fini(struct cuts *c)
{
	mem_free(c->bytes.env, c->keys);
	buf_fini(&c->bytes);
	c->keys = NULL;
	c->count = 0;
}
