/*
 * A log on a simulated disk, with the little of a manifest that it needs. Records
 * are made from their sequence number alone, so a replay proves each by itself.
 */
#ifndef UNIT_WAL_FIXTURE_H
#define UNIT_WAL_FIXTURE_H

#include "support/test.h"

#include "base/crc32c.h"
#include "base/rand.h"
#include "env/sim.h"
#include "wal/wal.h"

#include <errno.h>

enum { LIVE_MAX = 2048, STORE_ID = 0x5701e, LAST_EDIT = 7, SEGMENT_BYTES = 16 << 10 };

/* A disk, and a store on it under this machine's threads and clock. */
struct disk {
	struct sim_fs *fs;
	shale_env env;
	struct store *store;
};

struct log {
	struct disk disk;
	struct wal *w;
	struct wal_config config;
	struct stats stats;
	struct budget budget;

	/* The manifest. */
	struct wal_live live[LIVE_MAX];
	size_t live_count;
	uint64_t next_number;

	uint64_t next_seq;
	uint64_t acked; /* every sequence number below it was synced */
};

static inline void disk_open(struct disk *d, struct sim_fs *fs)
{
	struct store_options o = { .create = true };

	d->fs = fs;
	d->env = *shale_env_default();
	d->env.fs.self = fs;
	d->env.fs.ops = sim_fs_ops();
	assert_ok(store_open(&d->env, "/store", &o, &d->store));
}

/* Closes the store, not the disk. */
static inline void disk_close(struct disk *d)
{
	store_close(d->store);
	d->store = NULL;
}

static inline void log_start(struct log *l, uint64_t first_lsn)
{
	l->config.store = l->disk.store;
	l->config.stats = &l->stats;
	l->config.budget = &l->budget;
	l->config.first_lsn = first_lsn;
	assert_ok(wal_open(&l->config, &l->w));
}

static inline struct log *log_new_on(struct sim_fs *fs, enum wal_sink sink)
{
	struct log *l = NULL;

	assert_int_equal(posix_memalign((void **)&l, 64, sizeof(*l)), 0);
	memset(l, 0, sizeof(*l));
	disk_open(&l->disk, fs);
	l->config.sink = sink;
	l->config.segment_bytes = SEGMENT_BYTES;
	l->config.store_id = STORE_ID;
	l->config.recycle_max = 2;
	l->config.ahead = 3;
	l->next_number = object_number(1, 1);
	l->next_seq = 1;
	l->acked = 1;
	return l;
}

static inline struct log *log_new(enum wal_sink sink)
{
	struct log *l = log_new_on(sim_fs_new(test_seed()), sink);

	log_start(l, 0);
	return l;
}

static inline void log_free(struct log *l)
{
	wal_free(l->w);
	assert_int_equal(budget_all(&l->budget), 0);
	disk_close(&l->disk);
	sim_fs_free(l->disk.fs);
	free(l);
}

static inline shale_status log_prepare(struct log *l, uint64_t payload)
{
	shale_status rc = wal_load(l->w, payload);
	uint64_t number;

	if (rc != SHALE_END)
		return rc;
	number = l->next_number++;
	rc = wal_prepare(l->w, number, LAST_EDIT, payload);
	if (rc != SHALE_OK)
		return rc;
	assert_true(l->live_count < LIVE_MAX);
	l->live[l->live_count++] = (struct wal_live){ .number = number };
	wal_admit(l->w, true);
	return SHALE_OK;
}

/* What the manifest does before wal_forget(). */
static inline void log_forget(struct log *l, uint64_t number)
{
	size_t i = 0;

	while (l->live[i].number != number)
		i++;
	memmove(l->live + i, l->live + i + 1, (--l->live_count - i) * sizeof(l->live[0]));
}

/* ---- records ---- */

enum { PAYLOAD_MAX = 600 };

static inline uint32_t record_count(uint64_t seq)
{
	return 1 + (uint32_t)(seq % 3);
}

static inline size_t record_payload(uint64_t seq, uint8_t *out)
{
	struct rand r;
	size_t n;

	rand_seed(&r, seq);
	n = rand_below(&r, 4) == 0 ? rand_below(&r, PAYLOAD_MAX) : rand_below(&r, 60);
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)rand_next(&r);
	return n;
}

/* Put the next record, complete. */
static inline shale_status log_put(struct log *l, struct wal_slot *slot)
{
	uint8_t payload[PAYLOAD_MAX];
	uint64_t seq = l->next_seq;
	size_t n = record_payload(seq, payload);
	shale_status rc;

	while ((rc = wal_reserve(l->w, n, seq, slot)) == SHALE_MORE)
		if ((rc = log_prepare(l, n)) != SHALE_OK)
			return rc;
	if (rc != SHALE_OK)
		return rc;
	wal_fill(l->w, slot, seq, record_count(seq), slice_from(payload, n), crc32c(0, payload, n));
	l->next_seq += record_count(seq);
	wal_completed(l->w, slot->end, l->next_seq - 1);
	return SHALE_OK;
}

static inline shale_status log_sync(struct log *l)
{
	uint64_t upto = l->next_seq;
	shale_status rc = wal_sync(l->w, wal_completed_lsn(l->w));

	if (rc == SHALE_OK)
		l->acked = upto;
	return rc;
}

static inline void log_put_many(struct log *l, int n)
{
	struct wal_slot slot;

	for (int i = 0; i < n; i++)
		assert_ok(log_put(l, &slot));
}

/* Tell the manifest of what is sealed. */
static inline size_t log_seal(struct log *l)
{
	struct wal_sealed s;
	shale_status rc;
	size_t n = 0;

	for (; wal_take_sealed(l->w, &s, &rc); n++)
		for (size_t i = 0; i < l->live_count; i++)
			if (l->live[i].number == s.number)
				l->live[i] = (struct wal_live){ .number = s.number,
								.sealed = true,
								.length = s.length,
								.last_seq = s.last_seq };
	assert_ok(rc);
	return n;
}

/* ---- replay ---- */

struct replayed {
	uint64_t first; /* sequence number expected first; 0: any */
	uint64_t next;  /* behind what was read */
	uint64_t records;
	bool wrong;
};

static inline shale_status replay_each(void *arg, uint64_t first_seq, uint32_t count,
				       shale_slice payload)
{
	struct replayed *r = arg;
	uint8_t want[PAYLOAD_MAX];
	size_t n = record_payload(first_seq, want);

	if (r->next == 0)
		r->next = r->first != 0 ? r->first : first_seq;
	if (first_seq != r->next || count != record_count(first_seq) ||
	    !slice_eq(payload, slice_from(want, n)))
		r->wrong = true;
	r->next = first_seq + count;
	r->records++;
	return SHALE_OK;
}

static inline shale_status log_replay_on(struct store *store, const struct log *l,
					 struct replayed *r, struct wal_report *report)
{
	shale_status rc;

	r->next = 0;
	r->records = 0;
	r->wrong = false;
	rc = wal_replay(store, STORE_ID, LAST_EDIT, l->live, l->live_count, replay_each, r, report);
	assert_false(r->wrong);
	if (r->next == 0)
		r->next = r->first;
	return rc;
}

static inline shale_status log_replay(struct log *l, struct replayed *r, struct wal_report *report)
{
	*r = (struct replayed){ .first = 1 };
	return log_replay_on(l->disk.store, l, r, report);
}

#endif
