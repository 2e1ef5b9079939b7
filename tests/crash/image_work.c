/*
 * Workloads: what a store is asked for, each short, so that every call of it is met
 * by every kind of crash, and each about one theme. Here: writes and their logs.
 */
#include "crash/image.h"

/* A new store, a clean end, and the next life. */
void work_open(struct run *r)
{
	store_open_new(r);
	store_close_all(r);
	store_open_new(r);
	op_put(r, 0, 1, SHALE_DEFAULT_DURABILITY);
	store_close_all(r);
}

/* Puts and deletes, one after the other, with time between them. */
void work_puts(struct run *r)
{
	store_open_new(r);
	for (int i = 0; i < 24; i++) {
		size_t k = rand_below(&r->rand, KEYS);

		if (i % 5 == 4)
			op_delete(r, k);
		else
			op_put(r, 0, k, SHALE_DEFAULT_DURABILITY);
		if (i % 4 == 3)
			sim_advance_ns(r->sim, 6000000); /* the interval of INTERVAL is over */
		if (i % 12 == 11)
			op_wait_durable(r);
	}
	store_close_all(r);
}

/* Some writes ask for more than the store does. */
void work_raised(struct run *r)
{
	static const shale_durability each[] = { SHALE_DEFAULT_DURABILITY, SHALE_DURABLE,
						 SHALE_PROCESS, SHALE_INTERVAL };

	store_open_new(r);
	for (int i = 0; i < 30; i++)
		op_put(r, 0, rand_below(&r->rand, KEYS), each[rand_below(&r->rand, 4)]);
	store_close_all(r);
}

/* Batches over two families: whole or not at all. */
void work_batches(struct run *r)
{
	store_open_new(r);
	op_create(r);
	for (int i = 0; i < 16; i++) {
		op_batch(r, &r->rand, 8, true);
		if (i == 8)
			op_flush(r);
	}
	store_close_all(r);
}

struct writer {
	struct run *r;
	struct rand rand;
};

static void writer(void *arg)
{
	struct writer *w = arg;

	for (int i = 0; i < 10; i++)
		op_batch(w->r, &w->rand, 4, true);
}

/* Several writers at once, whose commits share syncs. */
void work_writers(struct run *r)
{
	const shale_env *env = sim_env(r->sim);
	shale_thread *thread[3];
	struct writer w[3];

	store_open_new(r);
	op_create(r);
	for (int i = 0; i < 3; i++) {
		w[i].r = r;
		rand_seed(&w[i].rand, r->seed + (uint64_t)i);
		CHECK(r,
		      env->executor.ops->spawn(env->executor.self, "writer", writer, &w[i],
					       &thread[i]) == 0,
		      "spawn");
	}
	for (int i = 0; i < 3; i++)
		env->executor.ops->join(env->executor.self, thread[i]);
	store_close_all(r);
}

/* Log segments of 64 KiB fill, close, and are used again. */
void work_rotate(struct run *r)
{
	shale_stats stats = SHALE_STATS_INIT;

	store_open_new(r);
	for (int i = 0; i < 12; i++) {
		op_bulk(r, 120);
		op_put(r, 0, (size_t)i, i % 4 == 0 ? SHALE_DURABLE : SHALE_DEFAULT_DURABILITY);
		if (i % 4 == 3)
			op_flush(r);
	}
	CHECK(r, shale_stats_get(r->db, &stats) == SHALE_OK && stats.log_recycled != 0,
	      "no log was used again");
	store_close_all(r);
}

/* Batches larger than a memtable, and than what is left of a segment. */
void work_large(struct run *r)
{
	store_open_new(r);
	op_put(r, 0, 1, SHALE_DEFAULT_DURABILITY);
	op_batch(r, &r->rand, 300, false);
	op_put(r, 0, 2, SHALE_DEFAULT_DURABILITY);
	op_batch(r, &r->rand, 300, false);
	op_batch(r, &r->rand, 300, false);
	store_close_all(r);
}

/* A log of several memtables is left to a recovery; then the next life goes on. */
void work_replay(struct run *r)
{
	store_open_new(r);
	fill(r, 150);
	for (int i = 0; i < 4; i++)
		op_batch(r, &r->rand, 6, false);
	store_close_all(r);
	store_open_new(r);
	for (int i = 0; i < 4; i++)
		op_batch(r, &r->rand, 6, false);
	store_close_all(r);
}

/* So much is in memory that a close flushes it, and the log goes. */
void work_close(struct run *r)
{
	r->options.memory_budget = 16 << 20;
	r->options.memtable_bytes = r->options.log_bytes_max = 1 << 20;
	for (int life = 0; life < 2; life++) {
		store_open_new(r);
		op_put(r, 0, 1, SHALE_DEFAULT_DURABILITY);
		for (int i = 0; i < 2; i++)
			op_bulk(r, 120);
		op_delete_range(r, 3, 9);
		store_close_all(r);
	}
}

/* Lives one after the other, each of some writes. */
void work_reopen(struct run *r)
{
	for (int life = 0; life < 4; life++) {
		store_open_new(r);
		for (int i = 0; i < 5; i++)
			op_put(r, 0, rand_below(&r->rand, KEYS), SHALE_DEFAULT_DURABILITY);
		if (life == 2)
			op_delete_range(r, 3, 9);
		store_close_all(r);
	}
}
