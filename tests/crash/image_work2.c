/*
 * Workloads of background work: flushes, merges, the manifest, families, and a
 * store that goes on after a failure.
 */
#include "crash/image.h"

#include <errno.h>

void work_flush(struct run *r)
{
	/* Without a log each family goes back to a flush of its own: one family then. */
	bool two = r->options.durability != SHALE_EPHEMERAL;

	store_open_new(r);
	if (two)
		op_create(r);
	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 5; k++)
			op_put(r, two ? (uint8_t)(k % 2) : 0, rand_below(&r->rand, KEYS),
			       SHALE_DEFAULT_DURABILITY);
		op_flush(r);
	}
	store_close_all(r);
}

/* Runs that a merge makes one, while writes go on. */
void work_merge(struct run *r)
{
	store_open_new(r);
	for (int i = 0; i < 4; i++) {
		fill(r, 20);
		op_delete(r, rand_below(&r->rand, KEYS));
		op_flush(r);
	}
	op_compact(r);
	op_put(r, 0, 3, SHALE_DEFAULT_DURABILITY);
	op_delete(r, 4);
	op_compact(r);
	op_put(r, 0, 5, SHALE_DEFAULT_DURABILITY);
	store_close_all(r);
}

/* Range tombstones above data, in tables, and merged away. */
void work_ranges(struct run *r)
{
	store_open_new(r);
	for (int i = 0; i < 3; i++) {
		size_t lo = rand_below(&r->rand, KEYS / 2);

		fill(r, 24);
		op_flush(r);
		op_delete_range(r, lo, lo + 1 + rand_below(&r->rand, KEYS / 2));
		op_put(r, 0, lo + 1, SHALE_DEFAULT_DURABILITY);
		op_flush(r);
		op_delete_range(r, lo / 2, lo + 4);
	}
	op_compact(r);
	op_delete_range(r, 0, KEYS);
	op_put(r, 0, 7, SHALE_DEFAULT_DURABILITY);
	op_compact(r);
	store_close_all(r);
}

/* A snapshot keeps versions that merges would drop; then it goes. */
void work_snapshots(struct run *r)
{
	shale_snapshot *snapshot;

	store_open_new(r);
	fill(r, 24);
	CHECK(r, shale_snapshot_new(r->db, &snapshot) == SHALE_OK, "snapshot");
	op_delete_range(r, 2, 12);
	op_put(r, 0, 4, SHALE_DEFAULT_DURABILITY);
	op_flush(r);
	op_compact(r);
	shale_snapshot_free(snapshot);
	op_put(r, 0, 5, SHALE_DEFAULT_DURABILITY);
	op_flush(r);
	op_compact(r);
	store_close_all(r);
}

static shale_status flush(shale_db *db)
{
	return shale_flush(db, NULL);
}

static shale_status compact(shale_db *db)
{
	return shale_compact(db, NULL);
}

/* Whether this or a merge beside it meets a fault: it is tried again, at once when told to. */
static void again_until_done(struct run *r, shale_status (*work)(shale_db *db))
{
	for (int tries = 0; work(r->db) < 0; tries++)
		CHECK(r, tries < 20 && shale_resume(r->db) <= SHALE_OK,
		      "the manifest stays broken");
}

/* An append to the manifest fails: a new one takes its place. */
void work_manifest(struct run *r)
{
	static const enum sim_op op[] = { SIM_WRITE, SIM_SYNC };

	store_open_new(r);
	for (int i = 0; i < 4; i++) {
		struct sim_fault rule = { .op = op[i % 2],
					  .name_ends = ".man",
					  .nth = 1,
					  .err = EIO,
					  .after = i == 2,
					  .clean = i == 3 };

		op_put(r, 0, (size_t)i, SHALE_DEFAULT_DURABILITY);
		sim_fs_fault(sim_get_fs(r->sim), &rule);
		again_until_done(r, flush);
		op_flush(r);
		sim_fs_faults_clear(sim_get_fs(r->sim));
		op_put(r, 0, (size_t)i + 4, SHALE_DEFAULT_DURABILITY);
	}
	again_until_done(r, compact);
	store_close_all(r);
}

/* Families come and go, and come again under the same name. */
void work_families(struct run *r)
{
	uint8_t a, b;

	store_open_new(r);
	a = op_create(r);
	for (int i = 0; i < 4; i++)
		op_batch(r, &r->rand, 5, true);
	b = op_create(r);
	op_put(r, b, 2, SHALE_DEFAULT_DURABILITY);
	op_flush(r);
	op_put(r, a, 3, SHALE_DEFAULT_DURABILITY);
	op_drop(r, a);
	op_put(r, 0, 4, SHALE_DEFAULT_DURABILITY);
	a = op_create(r);
	for (int i = 0; i < 4; i++)
		op_batch(r, &r->rand, 5, true);
	op_drop(r, b);
	store_close_all(r);
	store_open_new(r);
	op_put(r, a, 5, SHALE_DEFAULT_DURABILITY);
	op_drop(r, a);
	store_close_all(r);
}

/* A sync of the log fails: writes stop, until the store is told to go on. */
void work_resume(struct run *r)
{
	store_open_new(r);
	for (int i = 0; i < 2; i++) {
		struct sim_fault rule = { .op = SIM_SYNC,
					  .name_ends = ".log",
					  .nth = 1,
					  .err = EIO,
					  .after = i == 1,
					  .clean = i == 0 };

		op_put(r, 0, 1, SHALE_DEFAULT_DURABILITY);
		op_put(r, 0, 2, SHALE_DEFAULT_DURABILITY);
		sim_fs_fault(sim_get_fs(r->sim), &rule);
		op_put_fails(r, 3, false);
		op_put_fails(r, 4, true);
		sim_fs_faults_clear(sim_get_fs(r->sim));
		op_put_fails(r, 5, true);
		op_resume(r);
		op_put(r, 0, 6, SHALE_DEFAULT_DURABILITY);
		op_put(r, 0, 7, SHALE_DEFAULT_DURABILITY);
	}
	store_close_all(r);
}

/* The log's device is full. */
void work_full(struct run *r)
{
	struct sim_fault rule = {
		.op = SIM_WRITE, .name_ends = ".log", .nth = 1, .err = ENOSPC, .sticky = true
	};

	store_open_new(r);
	op_put(r, 0, 1, SHALE_DEFAULT_DURABILITY);
	fill(r, 30);
	sim_fs_fault(sim_get_fs(r->sim), &rule);
	op_put_fails(r, 3, false);
	op_put_fails(r, 4, true);
	sim_fs_faults_clear(sim_get_fs(r->sim));
	op_resume(r);
	op_put(r, 0, 6, SHALE_DEFAULT_DURABILITY);
	op_flush(r);
	op_put(r, 0, 7, SHALE_DEFAULT_DURABILITY);
	store_close_all(r);
}

static void mixed_step(struct run *r, uint64_t dice)
{
	if (dice < 3)
		op_flush(r);
	else if (dice < 4)
		op_compact(r);
	else if (dice < 6)
		op_wait_durable(r);
	else if (dice < 8)
		sim_advance_ns(r->sim, 50000000);
	else if (dice < 9)
		op_delete_range(r, rand_below(&r->rand, KEYS / 2), KEYS / 2 + 1);
	else if (dice < 50)
		op_put(r, 0, rand_below(&r->rand, KEYS),
		       dice < 12 ? SHALE_DURABLE : SHALE_DEFAULT_DURABILITY);
	else
		op_batch(r, &r->rand, 6, true);
}

/* Anything, at random; merges and rotations as they come. */
void work_mixed(struct run *r)
{
	store_open_new(r);
	op_create(r);
	for (int i = 0; i < 200; i++) {
		mixed_step(r, rand_below(&r->rand, 100));
		if (rand_below(&r->rand, 60) == 0) {
			store_close_all(r);
			store_open_new(r);
		}
	}
	store_close_all(r);
}
