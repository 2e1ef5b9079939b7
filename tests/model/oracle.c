/*
 * The oracle: for each family a sorted array of keys with the ids of their values; the
 * commits since the state that a power cut is known to leave.
 */
#include "model/model.h"

/* ---- keys and values ---- */

void make_keys(struct model *m)
{
	for (size_t i = 0; i < KEYS; i++) {
		uint8_t *k = m->key[i];

		switch (i % 4) {
		case 0:
			m->key_size[i] = (size_t)sprintf((char *)k, "user:%012zu", i * 37 % 1000);
			break;
		case 1:
			m->key_size[i] = below(m, 24);
			for (size_t b = 0; b < m->key_size[i]; b++)
				k[b] = (uint8_t)(below(m, 3) * 127);
			break;
		case 2:
			m->key_size[i] = 1 + i / 8;
			memset(k, 'a', m->key_size[i]);
			break;
		default:
			m->key_size[i] = 16;
			for (size_t b = 0; b < 16; b++)
				k[b] = (uint8_t)below(m, 256);
		}
	}
	/* Sort, and make the equal ones different. */
	for (size_t i = 1; i < KEYS; i++)
		for (size_t j = i; j > 0 && slice_cmp(key_of(m, j - 1), key_of(m, j)) >= 0; j--) {
			uint8_t k[80];
			size_t size = m->key_size[j];

			if (slice_eq(key_of(m, j - 1), key_of(m, j))) {
				m->key[j][m->key_size[j]++] = 'z';
				i = 0; /* begin again: rare */
				break;
			}
			memcpy(k, m->key[j], 80);
			memcpy(m->key[j], m->key[j - 1], 80);
			m->key_size[j] = m->key_size[j - 1];
			memcpy(m->key[j - 1], k, 80);
			m->key_size[j - 1] = size;
		}
}

size_t value_size(uint32_t id)
{
	uint64_t x = id;
	uint64_t h = rand_split(&x);

	if (h % 97 == 0)
		return h >> 32 & 0x3fff;
	return h % 5 == 0 ? 0 : h >> 40 & 0x7f;
}

void value_make(uint32_t id, uint8_t *out)
{
	size_t n = value_size(id);
	uint64_t x = id * 7919u;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(i % 8 == 0 ? rand_split(&x) : 'v' + id);
}

bool value_is(uint32_t id, shale_slice got)
{
	uint8_t want[16384];

	value_make(id, want);
	return slice_eq(got, slice_from(want, value_size(id)));
}

/* ---- states and changes ---- */

uint64_t wall_ms(struct model *m)
{
	const shale_env *env = sim_env(m->sim);

	return env->clock.ops->wall_ms(env->clock.self);
}

uint32_t live(struct model *m, const struct state *s, size_t f, size_t k)
{
	return s->expiry[f][k] != 0 && s->expiry[f][k] <= wall_ms(m) ? 0 : s->id[f][k];
}

void apply(struct state *s, const struct change *c)
{
	for (size_t i = 0; i < c->count; i++) {
		s->id[c->ops[i].family][c->ops[i].key] = c->ops[i].id;
		s->expiry[c->ops[i].family][c->ops[i].key] = c->ops[i].expiry;
	}
}

void change_add(struct change *c, size_t f, size_t k, uint32_t id, uint64_t expiry)
{
	if ((c->count & (c->count + 1)) == 0 || c->ops == NULL)
		c->ops = realloc(c->ops, (2 * c->count + 2) * sizeof(*c->ops));
	c->ops[c->count].family = (uint16_t)f;
	c->ops[c->count].key = (uint16_t)k;
	c->ops[c->count].id = id;
	c->ops[c->count++].expiry = expiry;
}

void change_free(struct change *c)
{
	free(c->ops);
	*c = (struct change){ 0 };
}

void settle(struct model *m)
{
	for (size_t i = 0; i < m->history_count; i++)
		change_free(&m->history[i]);
	m->history_count = 0;
	m->durable = m->now;
}

void acknowledged(struct model *m, bool durable)
{
	apply(&m->now, &m->pending);
	if (m->history_count == HISTORY) {
		CHECK(m, shale_flush(m->db, NULL) == SHALE_OK, "flush");
		change_free(&m->pending);
		settle(m);
		return;
	}
	m->history[m->history_count++] = m->pending;
	m->pending = (struct change){ 0 };
	if (durable || m->options.durability == SHALE_DURABLE)
		settle(m);
}
