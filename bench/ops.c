/* The operations, each with a look at its answer, in the time that is measured. */
#include "run.h"

#include <string.h>

static void wrong(const struct worker *w, const char *what)
{
	die("%s: %s", w->s->e->name, what);
}

static struct bytes key_at(const struct worker *w, uint64_t i)
{
	return (struct bytes){ stream_key(w->stream, i), KEY_SIZE };
}

static void check_value(const struct session *s, const char *key, struct bytes value)
{
	struct bytes want = value_of(key, s->value_size);

	if (value.size != want.size || memcmp(value.data, want.data, want.size) != 0)
		die("%s: a value is not what was written", s->e->name);
}

static void wrote(struct worker *w, uint64_t entries)
{
	w->entries += entries;
	w->user_bytes += entries * (KEY_SIZE + w->s->value_size);
}

static void op_put(struct worker *w, uint64_t i)
{
	struct bytes key = key_at(w, i);

	w->s->e->put(w->h, key, value_of(key.data, w->s->value_size));
	wrote(w, 1);
}

static void op_get(struct worker *w, uint64_t i, enum op_kind kind)
{
	struct bytes key = key_at(w, i);
	struct found f;
	bool there = w->s->e->get(w->h, key, &f);

	if (there && kind == OP_GET_NONE)
		wrong(w, "a key is there that never was");
	if (!there && kind == OP_GET)
		wrong(w, "a key is missing");
	if (there) {
		check_value(w->s, key.data, (struct bytes){ f.data, f.size });
		w->s->e->release(w->h, &f);
	}
	w->entries++;
}

/* The entry's value and order; `last_key` is replaced by its key. */
static void check_entry(const struct session *s, void *it, int direction, char *last_key)
{
	struct bytes key = s->e->iter_key(it);

	if (key.size != KEY_SIZE || memcmp(key.data, last_key, KEY_SIZE) * direction < 0)
		die("%s: keys out of order", s->e->name);
	check_value(s, key.data, s->e->iter_value(it));
	memcpy(last_key, key.data, KEY_SIZE);
}

static void op_seek(struct worker *w, uint64_t i)
{
	const struct engine *e = w->s->e;
	struct bytes key = key_at(w, i);
	void *it = e->iter_new(w->h);
	bool more = e->iter_seek(it, key);
	char last_key[KEY_SIZE];

	memcpy(last_key, key.data, KEY_SIZE);
	if (!more && w->stream->kinds == NULL)
		wrong(w, "a key is missing");
	for (unsigned n = 0; n < w->stream->nexts && more; n++) {
		check_entry(w->s, it, 1, last_key);
		more = e->iter_next(it);
		w->entries++;
	}
	e->iter_free(it);
}

/* The key goes to `first`, which holds a key that is not behind it. */
static void op_first(struct worker *w, char first[KEY_SIZE])
{
	const struct engine *e = w->s->e;
	void *it = e->iter_new(w->h);

	if (!e->iter_first(it))
		wrong(w, "a key is missing");
	check_entry(w->s, it, 1, first);
	e->iter_free(it);
	w->entries++;
}

/* As the one who works through a queue: what is first, and then it is no more. */
static void op_take(struct worker *w)
{
	char key[KEY_SIZE];

	memcpy(key, w->taken, KEY_SIZE);
	op_first(w, key);
	if (memcmp(key, w->taken, KEY_SIZE) == 0)
		wrong(w, "a key is there again");
	memcpy(w->taken, key, KEY_SIZE);
	w->s->e->remove(w->h, (struct bytes){ key, KEY_SIZE });
	w->user_bytes += KEY_SIZE;
}

static void op_batch(struct worker *w, uint64_t i)
{
	unsigned n = w->stream->group;

	for (unsigned k = 0; k < n; k++) {
		w->keys[k] = key_at(w, i + k);
		w->values[k] = value_of(w->keys[k].data, w->s->value_size);
	}
	w->s->e->batch(w->h, n, w->keys, w->values);
	wrote(w, n);
}

static void op_multi_get(struct worker *w, uint64_t i)
{
	const struct engine *e = w->s->e;
	unsigned n = w->stream->group;

	if (e->multi_get == NULL) {
		for (unsigned k = 0; k < n; k++)
			op_get(w, i + k, OP_GET);
		return;
	}
	for (unsigned k = 0; k < n; k++)
		w->keys[k] = key_at(w, i + k);
	e->multi_get(w->h, n, w->keys, w->found);
	for (unsigned k = 0; k < n; k++) {
		struct found *f = &w->found[k];

		if (f->data == NULL)
			wrong(w, "a key is missing");
		check_value(w->s, w->keys[k].data, (struct bytes){ f->data, f->size });
		e->release(w->h, f);
	}
	w->entries += n;
}

/* Whoever has no time to live: the key that is a window old is deleted by hand. */
static void op_put_ttl(struct worker *w, uint64_t i)
{
	const struct engine *e = w->s->e;
	struct bytes key = key_at(w, i);
	uint64_t old = i - 2 * w->stream->window; /* half of the operations are puts */

	if (e->put_ttl != NULL) {
		e->put_ttl(w->h, key, value_of(key.data, w->s->value_size), TTL_MS);
	} else {
		e->put(w->h, key, value_of(key.data, w->s->value_size));
		if (i >= w->from + 2 * w->stream->window && w->stream->kinds[old] == OP_PUT_TTL)
			e->remove(w->h, key_at(w, old));
	}
	wrote(w, 1);
}

static void op_retain(struct worker *w, uint64_t i)
{
	uint64_t time = 0;
	char lo[KEY_SIZE], hi[KEY_SIZE];

	for (int b = 0; b < 8; b++)
		time = time << 8 | (unsigned char)stream_key(w->stream, i)[b];
	if ((time & 0xffffffffffff) < 1000 + w->stream->window)
		return;
	key_make(KEY_TIME, time >> 48 << 48, lo);
	key_make(KEY_TIME, time - w->stream->window, hi);
	w->s->e->remove_range(w->h, (struct bytes){ lo, KEY_SIZE }, (struct bytes){ hi, KEY_SIZE });
	w->entries++;
}

void op_perform(struct worker *w, uint64_t i)
{
	enum op_kind kind = w->stream->kinds != NULL ? w->stream->kinds[i] : w->stream->kind;

	switch (kind) {
	case OP_PUT:
		op_put(w, i);
		break;
	case OP_GET:
	case OP_GET_NONE:
	case OP_GET_MAYBE:
		op_get(w, i, kind);
		break;
	case OP_SEEK:
		op_seek(w, i);
		break;
	case OP_MODIFY:
		op_get(w, i, OP_GET);
		op_put(w, i);
		break;
	case OP_REMOVE:
		w->s->e->remove(w->h, key_at(w, i));
		w->entries++;
		w->user_bytes += KEY_SIZE;
		break;
	case OP_FIRST:
		op_first(w, (char[KEY_SIZE]){ 0 });
		break;
	case OP_TAKE:
		op_take(w);
		break;
	case OP_BATCH:
		op_batch(w, i);
		break;
	case OP_MULTI_GET:
		op_multi_get(w, i);
		break;
	case OP_PUT_TTL:
		op_put_ttl(w, i);
		break;
	case OP_RETAIN:
		op_retain(w, i);
		break;
	case OP_COMPACT:
		w->s->e->compact(w->h);
		break;
	}
}

uint64_t op_scan(const struct session *s, void *h, bool backwards)
{
	const struct engine *e = s->e;
	void *it = e->iter_new(h);
	char last_key[KEY_SIZE];
	uint64_t entries = 0;
	bool more = backwards ? e->iter_last(it) : e->iter_first(it);

	memset(last_key, backwards ? 0xff : 0, KEY_SIZE);
	while (more) {
		check_entry(s, it, backwards ? -1 : 1, last_key);
		entries++;
		more = backwards ? e->iter_prev(it) : e->iter_next(it);
	}
	e->iter_free(it);
	return entries;
}
