/*
 * A script from a seed. Weights differ from script to script: some write much, some
 * delete ranges, some keep iterators and snapshots for long, some die often. What is
 * open is tracked, so that few operations mean nothing.
 */
#include "metamorphic/script.h"

#include "base/rand.h"

struct generator {
	struct script *s;
	struct rand r;
	size_t keys;
	uint32_t id;
	unsigned large; /* one value in so many is large */
	bool there[FAMILIES], iterator[ITERATORS], snapshot[SNAPSHOTS], hold[HOLDS];
	unsigned weight[VERBS], total;
};

static const unsigned short weights[VERBS] = {
	[PUT] = 2400,        [DELETE] = 500,       [DELETE_RANGE] = 120,
	[BATCH_PUT] = 500,   [BATCH_DELETE] = 150, [BATCH_DELETE_RANGE] = 40,
	[BATCH_CLEAR] = 10,  [WRITE] = 90,         [GET] = 1500,
	[MULTI_GET] = 200,   [HOLD] = 60,          [RELEASE] = 60,
	[ITER] = 120,        [FIRST] = 60,         [LAST] = 60,
	[SEEK] = 400,        [SEEK_PREV] = 300,    [NEXT] = 700,
	[PREV] = 500,        [ITER_FREE] = 80,     [SCAN] = 20,
	[SNAPSHOT] = 60,     [SNAPSHOT_FREE] = 60, [CREATE] = 30,
	[DROP] = 12,         [SET_OPTIONS] = 6,    [FAMILIES_LIST] = 5,
	[FLUSH] = 30,        [COMPACT] = 12,       [WAIT_IDLE] = 10,
	[WAIT_DURABLE] = 20, [RESUME] = 3,         [CHECK_ALL] = 6,
	[FIGURES] = 10,      [TABLES] = 5,         [ADVANCE] = 20,
	[OPEN_AGAIN] = 2,    [REOPEN] = 3,         [READ_ONLY] = 1,
	[KILL] = 4,          [POWER_CUT] = 4,
};

static uint32_t below(struct generator *g, uint64_t n)
{
	return (uint32_t)rand_below(&g->r, n);
}

/* Of several shapes: decimal behind a shared prefix, binary, prefixes of each other. */
static void make_key(struct generator *g)
{
	uint8_t k[KEY_BYTES];
	size_t n;

	switch (below(g, 4)) {
	case 0:
		n = (size_t)snprintf((char *)k, sizeof(k), "user:%012" PRIu32, below(g, 1000));
		break;
	case 1:
		n = below(g, 24);
		for (size_t i = 0; i < n; i++)
			k[i] = (uint8_t)(below(g, 3) * 127);
		break;
	case 2:
		n = 1 + below(g, KEY_BYTES - 1);
		memset(k, 'a', n);
		break;
	default:
		n = 1 + below(g, 20);
		for (size_t i = 0; i < n; i++)
			k[i] = (uint8_t)below(g, 256);
	}
	script_key(g->s, k, n);
}

static uint16_t pick_key(struct generator *g)
{
	return (uint16_t)below(g, g->keys);
}

static uint32_t value_size(struct generator *g)
{
	if (below(g, g->large) == 0)
		return below(g, below(g, 8) == 0 ? VALUE_MAX : 8192);
	return below(g, 6) == 0 ? below(g, 8) : 8 + below(g, 120);
}

/* One that is open or shut, as wanted; false if there is none among the n. */
static bool pick_register(struct generator *g, const bool *open, size_t n, bool want, uint8_t *out)
{
	size_t first = below(g, n);

	for (size_t i = 0; i < n; i++) {
		*out = (uint8_t)((first + i) % n);
		if (open[*out] == want)
			return true;
	}
	return false;
}

static void read_fields(struct generator *g, struct op *op)
{
	uint8_t s;

	op->no_fill = below(g, 6) == 0;
	op->verify = below(g, 8) == 0;
	if (below(g, 3) == 0 && pick_register(g, g->snapshot, SNAPSHOTS, true, &s))
		op->snapshot = s;
}

static void write_fields(struct generator *g, struct op *op)
{
	bool range = op->verb == DELETE_RANGE || op->verb == BATCH_DELETE_RANGE;
	uint32_t reach = below(g, 4) == 0 ? (uint32_t)g->keys : 8;

	if (range) {
		/* Of keys in no order yet: what is lower is swapped below, once in a while not. */
		op->lower = pick_key(g);
		op->upper = (uint16_t)((op->lower + 1 + below(g, reach)) % g->keys);
		if (slice_cmp(script_slice(g->s, op->lower), script_slice(g->s, op->upper)) > 0 &&
		    below(g, 20) != 0) {
			uint16_t key = op->lower;

			op->lower = op->upper;
			op->upper = key;
		}
	} else {
		op->key[op->key_count++] = pick_key(g);
	}
	if (op->verb == PUT || op->verb == BATCH_PUT) {
		op->id = ++g->id;
		op->size = value_size(g);
		if (below(g, 16) == 0)
			op->ttl = 1 + below(g, 4);
	}
	op->durable = below(g, 24) == 0;
}

static void forget(struct generator *g)
{
	memset(g->iterator, 0, sizeof(g->iterator));
	memset(g->snapshot, 0, sizeof(g->snapshot));
	memset(g->hold, 0, sizeof(g->hold));
}

/* Whether there is something for the verb; then its register and what is open after it. */
static bool take_register(struct generator *g, struct op *op)
{
	switch (op->verb) {
	case ITER:
		return pick_register(g, g->iterator, ITERATORS, false, &op->reg) &&
		       (g->iterator[op->reg] = true);
	case FIRST:
	case LAST:
	case SEEK:
	case SEEK_PREV:
	case NEXT:
	case PREV:
		return pick_register(g, g->iterator, ITERATORS, true, &op->reg);
	case ITER_FREE:
		return pick_register(g, g->iterator, ITERATORS, true, &op->reg) &&
		       !(g->iterator[op->reg] = false);
	case SNAPSHOT:
		return pick_register(g, g->snapshot, SNAPSHOTS, false, &op->reg) &&
		       (g->snapshot[op->reg] = true);
	case SNAPSHOT_FREE:
		return pick_register(g, g->snapshot, SNAPSHOTS, true, &op->reg) &&
		       !(g->snapshot[op->reg] = false);
	case HOLD:
		return pick_register(g, g->hold, HOLDS, false, &op->reg) &&
		       (g->hold[op->reg] = true);
	case RELEASE:
		return pick_register(g, g->hold, HOLDS, true, &op->reg) &&
		       !(g->hold[op->reg] = false);
	default:
		return true;
	}
}

static void bounds(struct generator *g, struct op *op)
{
	if (below(g, 3) == 0)
		op->lower = pick_key(g);
	if (below(g, 3) == 0)
		op->upper = pick_key(g);
	if (op->verb == ITER && below(g, 5) == 0) {
		shale_slice key = script_slice(g->s, pick_key(g));
		uint16_t prefix = script_key(g->s, key.data, below(g, key.size + 1));

		/* An empty one is any. */
		if (prefix != NONE && g->s->keys[prefix].size != 0)
			op->prefix = prefix;
	}
	if (op->verb == ITER && below(g, 5) == 0)
		op->skip = 1 + below(g, 20);
}

static void fill(struct generator *g, struct op *op)
{
	switch (op->verb) {
	case PUT:
	case DELETE:
	case DELETE_RANGE:
	case BATCH_PUT:
	case BATCH_DELETE:
	case BATCH_DELETE_RANGE:
		write_fields(g, op);
		break;
	case WRITE:
		op->durable = below(g, 8) == 0;
		break;
	case MULTI_GET:
		for (uint32_t n = below(g, GETS_MAX); n > 0; n--)
			op->key[op->key_count++] = pick_key(g);
		__attribute__((fallthrough));
	case GET:
	case HOLD:
		op->key[op->key_count++] = pick_key(g);
		__attribute__((fallthrough));
	case SCAN:
		read_fields(g, op);
		break;
	case ITER:
		read_fields(g, op);
		__attribute__((fallthrough));
	case COMPACT:
		bounds(g, op);
		break;
	case SEEK:
	case SEEK_PREV:
		op->key[op->key_count++] = pick_key(g);
		break;
	case NEXT:
	case PREV:
		op->n = below(g, 4) == 0 ? below(g, 30) : 0;
		break;
	case CREATE:
		op->ttl = below(g, 3) == 0 ? 1 + below(g, 6) : 0;
		__attribute__((fallthrough));
	case DROP:
		op->family = (uint8_t)(1 + below(g, FAMILIES - 1));
		g->there[op->family] = op->verb == CREATE;
		break;
	case FLUSH:
		op->n = below(g, 3) == 0; /* all of them */
		op->no_wait = below(g, 2);
		break;
	case SET_OPTIONS:
		op->n = below(g, 1000);
		break;
	case ADVANCE:
		op->n = 1 + below(g, 3);
		break;
	case POWER_CUT:
		op->n = below(g, 4);
		break;
	}
}

static void add_one(struct generator *g)
{
	uint32_t dice = below(g, g->total);
	struct op op = { .snapshot = NO_SNAPSHOT, .lower = NONE, .upper = NONE, .prefix = NONE };

	while (dice >= g->weight[op.verb])
		dice -= g->weight[op.verb++];
	if (!take_register(g, &op))
		return;
	if (op.verb >= REOPEN)
		forget(g);
	do
		op.family = (uint8_t)(below(g, 3) == 0 ? below(g, FAMILIES) : 0);
	while (!g->there[op.family]);
	fill(g, &op);
	*script_add(g->s, op.verb) = op;
}

struct script *script_generate(uint64_t seed, size_t n)
{
	struct generator g = { .s = script_new() };
	struct script *s = g.s;

	rand_seed(&g.r, seed);
	s->seed = seed;
	g.keys = 8 + below(&g, below(&g, 3) == 0 ? 24 : 300);
	g.large = 20 + below(&g, 300);
	g.there[0] = true;
	/* An empty key, and some more than are picked: bounds that are no keys. */
	script_key(s, "", 0);
	while (s->key_count < g.keys)
		make_key(&g);
	for (unsigned v = 0; v < VERBS; v++) {
		unsigned odd = below(&g, 8);

		/* Some verbs are rare in this script, some frequent. */
		g.weight[v] = odd == 0   ? 1 + weights[v] / 8u
			      : odd == 1 ? 3u * weights[v]
					 : weights[v];
		if (v >= REOPEN)
			g.weight[v] = weights[v];
		g.total += g.weight[v];
	}
	while (s->count < n)
		add_one(&g);
	script_sort(s);
	return s;
}
