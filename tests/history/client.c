#include "history/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEY_BYTES = 16 };

void clients_fail(const struct clients *c, const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s, seed 0x%" PRIx64 ": %s (last error: %s)\n", file, line, c->what,
		c->seed, what, shale_last_error()->text);
	abort();
}

static uint64_t stamp(struct clients *c)
{
	return atomic_fetch_add(&c->clock, 1);
}

static shale_slice key_name(char buf[KEY_BYTES], uint32_t key)
{
	return shale_bytes(buf, (size_t)snprintf(buf, KEY_BYTES, "key%04" PRIu32, key * 7));
}

static uint32_t key_number(struct clients *c, shale_slice name)
{
	char buf[KEY_BYTES];

	for (uint32_t key = 0; key < H_KEYS; key++) {
		shale_slice s = key_name(buf, key);

		if (s.size == name.size && memcmp(s.data, name.data, s.size) == 0)
			return key;
	}
	clients_fail(c, __FILE__, __LINE__, "a key that nobody wrote");
}

/* ---- values: the id over and over ---- */

static shale_slice value_make(struct client *c, uint32_t id, uint32_t buf[])
{
	size_t words = 1 + rand_below(&c->rand, c->all->value_max / sizeof(*buf));

	for (size_t i = 0; i < words; i++)
		buf[i] = id;
	return shale_bytes(buf, words * sizeof(*buf));
}

static uint32_t value_id(struct clients *c, const void *data, size_t size)
{
	uint32_t id, word;

	CLIENT_MUST(c, size >= sizeof(id) && size % sizeof(id) == 0);
	memcpy(&id, data, sizeof(id));
	for (size_t i = 0; i < size; i += sizeof(id)) {
		memcpy(&word, (const char *)data + i, sizeof(word));
		CLIENT_MUST(c, word == id && id != 0);
	}
	return id;
}

/* ---- writes ---- */

static void note(struct h_op *op, uint32_t key, uint32_t id)
{
	op->part[op->count].key = key;
	op->part[op->count++].id = id;
}

static void write_batch(struct client *c, struct h_op *op, uint32_t n, const shale_write_options *o)
{
	struct clients *all = c->all;
	uint32_t first = (uint32_t)rand_below(&c->rand, H_KEYS), value[512];
	char name[KEY_BYTES];

	shale_batch_clear(c->batch);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t key = (first + i * 5) % H_KEYS, id = 0;
		shale_slice s = key_name(name, key);
		shale_status rc;

		if (rand_below(&c->rand, 4) != 0)
			id = atomic_fetch_add(&all->next_id, 1);
		rc = id != 0 ? shale_batch_put(c->batch, NULL, s, value_make(c, id, value))
			     : shale_batch_delete(c->batch, NULL, s);
		CLIENT_MUST(all, rc == SHALE_OK);
		note(op, key, id);
	}
	op->size = n;
	op->start = stamp(all);
	c->count++; /* from here on it may have happened */
	CLIENT_MUST(all, shale_write(all->db, o, c->batch) == SHALE_OK);
	op->end = stamp(all);
}

static void write_one(struct client *c, struct h_op *op, bool put, const shale_write_options *o)
{
	struct clients *all = c->all;
	uint32_t key = (uint32_t)rand_below(&c->rand, H_KEYS), value[512], id = 0;
	char name[KEY_BYTES];
	shale_slice s = key_name(name, key), v = { NULL, 0 };

	if (put) {
		id = atomic_fetch_add(&all->next_id, 1);
		v = value_make(c, id, value);
	}
	note(op, key, id);
	op->size = 1;
	op->start = stamp(all);
	c->count++;
	CLIENT_MUST(all,
		    (put ? shale_put(all->db, o, s, v) : shale_delete(all->db, o, s)) == SHALE_OK);
	op->end = stamp(all);
}

static void do_write(struct client *c, struct h_op *op, uint64_t what)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	shale_seq seq = 0;

	op->kind = H_WRITE;
	o.seq_out = &seq;
	if (c->all->syncs && rand_below(&c->rand, 8) == 0)
		o.durability = SHALE_DURABLE;
	if (what < 30)
		write_one(c, op, true, &o);
	else if (what < 38)
		write_one(c, op, false, &o);
	else
		write_batch(c, op, 2 + (uint32_t)rand_below(&c->rand, 4), &o);
	op->seq = seq;
}

/* ---- reads ---- */

static uint32_t get(struct clients *c, const shale_read_options *o, uint32_t key)
{
	char name[KEY_BYTES];
	shale_value v;
	uint32_t id;
	shale_status rc = shale_get(c->db, o, key_name(name, key), &v);

	if (rc == SHALE_NOT_FOUND)
		return 0;
	CLIENT_MUST(c, rc == SHALE_OK);
	id = value_id(c, v.data, v.size);
	shale_value_release(&v);
	return id;
}

static void get_many(struct clients *c, const shale_read_options *o, uint32_t id[H_KEYS])
{
	char name[H_KEYS][KEY_BYTES];
	shale_slice keys[H_KEYS];
	shale_value values[H_KEYS];
	shale_status each[H_KEYS];

	for (uint32_t key = 0; key < H_KEYS; key++)
		keys[key] = key_name(name[key], key);
	CLIENT_MUST(c, shale_multi_get(c->db, o, H_KEYS, keys, values, each) == SHALE_OK);
	for (uint32_t key = 0; key < H_KEYS; key++) {
		id[key] = 0;
		CLIENT_MUST(c, each[key] == SHALE_OK || each[key] == SHALE_NOT_FOUND);
		if (each[key] != SHALE_OK)
			continue;
		id[key] = value_id(c, values[key].data, values[key].size);
		shale_value_release(&values[key]);
	}
}

/* *made: the stamp when the iterator was there. */
static void scan(struct clients *c, const shale_read_options *o, bool backward, uint32_t id[H_KEYS],
		 uint64_t *made)
{
	uint32_t last = backward ? H_KEYS : 0;
	shale_iter *it;
	shale_status rc;

	memset(id, 0, H_KEYS * sizeof(*id));
	CLIENT_MUST(c, shale_iter_new(c->db, o, &it) == SHALE_OK);
	*made = stamp(c);
	rc = backward ? shale_iter_last(it) : shale_iter_first(it);
	for (bool first = true; rc == SHALE_OK; first = false) {
		uint32_t key = key_number(c, shale_iter_key(it));
		shale_slice value;

		CLIENT_MUST(c, first || (backward ? key < last : key > last));
		last = key;
		CLIENT_MUST(c, shale_iter_value(it, &value) == SHALE_OK);
		id[key] = value_id(c, value.data, value.size);
		rc = backward ? shale_iter_prev(it) : shale_iter_next(it);
	}
	CLIENT_MUST(c, rc == SHALE_END);
	shale_iter_free(it);
}

static void read_some(struct clients *c, struct h_op *op, const shale_read_options *o, unsigned how)
{
	uint32_t id[H_KEYS];
	uint64_t made = H_NEVER;

	switch (how) {
	case 0:
		for (uint32_t key = 0; key < H_KEYS; key++)
			id[key] = get(c, o, key);
		break;
	case 1:
		get_many(c, o, id);
		break;
	default:
		scan(c, o, how == 3, id, &made);
	}
	for (uint32_t key = 0; key < H_KEYS; key++)
		note(op, key, id[key]);
	/* An iterator shows the moment it was made in, however late it is moved. */
	if (op->end == H_NEVER)
		op->end = made != H_NEVER ? made : stamp(c);
}

void client_read_all(struct clients *c, struct h_op *op)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *snapshot;

	*op = (struct h_op){ .kind = H_READ, .start = stamp(c) };
	CLIENT_MUST(c, shale_snapshot_new(c->db, &snapshot) == SHALE_OK);
	op->end = stamp(c);
	op->seq = shale_snapshot_seq(snapshot);
	o.snapshot = snapshot;
	read_some(c, op, &o, 0);
	shale_snapshot_free(snapshot);
}

/* The whole of a snapshot, one way and then another: twice the same. */
static void read_snapshot(struct client *c, struct h_op *op)
{
	struct clients *all = c->all;
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	struct h_op again = { .end = 0 };
	shale_snapshot *snapshot;

	op->start = stamp(all);
	CLIENT_MUST(all, shale_snapshot_new(all->db, &snapshot) == SHALE_OK);
	op->end = stamp(all);
	op->seq = shale_snapshot_seq(snapshot);
	o.snapshot = snapshot;
	read_some(all, op, &o, (unsigned)rand_below(&c->rand, 4));
	read_some(all, &again, &o, (unsigned)rand_below(&c->rand, 4));
	shale_snapshot_free(snapshot);
	CLIENT_MUST(all, memcmp(op->part, again.part, sizeof(op->part)) == 0);
	c->count++;
}

static void do_read(struct client *c, struct h_op *op, uint64_t what)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	uint32_t key = (uint32_t)rand_below(&c->rand, H_KEYS);

	op->kind = H_READ;
	if (what < 15) {
		read_snapshot(c, op);
		return;
	}
	op->start = stamp(c->all);
	if (what < 35) {
		/* Of several keys in one state. */
		read_some(c->all, op, &o, 1 + (unsigned)rand_below(&c->rand, 3));
	} else {
		note(op, key, get(c->all, NULL, key));
		op->end = stamp(c->all);
	}
	c->count++;
}

/* ---- a client ---- */

void client_run(void *arg)
{
	struct client *c = arg;

	while (c->count < c->max) {
		uint64_t what = rand_below(&c->rand, 100);
		struct h_op *op = &c->op[c->count];

		*op = (struct h_op){ .client = c->number, .end = H_NEVER };
		if (what < 48) {
			do_write(c, op, what);
		} else if (what < 97) {
			do_read(c, op, rand_below(&c->rand, 100));
		} else {
			shale_flush_options o = SHALE_FLUSH_OPTIONS_INIT;

			o.no_wait = what != 97;
			CLIENT_MUST(c->all, shale_flush(c->all->db, &o) == SHALE_OK);
			if (what == 99)
				CLIENT_MUST(c->all, shale_compact(c->all->db, NULL) == SHALE_OK);
		}
	}
}
