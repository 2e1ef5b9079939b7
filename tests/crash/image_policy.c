/*
 * Workloads of policies: tables that go unread because of their age, merges that
 * replace a part of a run, and a policy that is changed while merges run.
 *
 * What a drop takes must not be missed: under FIFO each round writes all keys
 * again, so the oldest tables hold nothing that can be seen; and what expires has
 * expired long before an image is recovered, so that it counts as deleted from the
 * moment it is written.
 */
#include "crash/image.h"

static const shale_compaction small = {
	.size_ratio = 2, .top_runs = 2, .max_runs = 2, .base_bytes = 8192, .table_bytes = 4096
};

/* One policy after the other takes the stack over, while merges of the one before run. */
void work_switch(struct run *r)
{
	static const shale_policy each[] = { SHALE_TIERED,      SHALE_LEVELED,  SHALE_FIFO,
					     SHALE_HYBRID,      SHALE_ADAPTIVE, SHALE_LEVELED,
					     SHALE_TIME_WINDOW, SHALE_TIERED };

	store_open_new(r);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		shale_compaction c = small;

		c.policy = each[i];
		fill(r, 16);
		op_flush(r);
		op_delete(r, rand_below(&r->rand, KEYS));
		op_put_large(r, rand_below(&r->rand, KEYS));
		op_flush(r);
		op_set_policy(r, &c);
		op_put(r, 0, i, SHALE_DEFAULT_DURABILITY);
		if (i % 3 == 2)
			op_wait_idle(r);
	}
	store_close_all(r);
}

/*
 * Windows pass, and what lived in them goes unread; but not from above older data,
 * which would come back.
 */
void work_window(struct run *r)
{
	shale_compaction c = small;

	c.policy = SHALE_TIME_WINDOW;
	c.window_ms = 1000;
	store_open_new(r);
	op_set_policy(r, &c);
	for (size_t k = 0; k < KEYS / 2; k++)
		op_put(r, 0, k, SHALE_DEFAULT_DURABILITY);
	op_flush(r);
	for (int i = 0; i < 7; i++) {
		size_t above = i % 3 == 1 ? 0 : KEYS / 2;

		for (int k = 0; k < 4; k++)
			op_put_expiring(r, above + rand_below(&r->rand, KEYS / 2), 1500);
		op_flush(r);
		sim_advance_ns(r->sim, 1000000000);
		if (i % 2 != 0)
			op_put(r, 0, rand_below(&r->rand, KEYS / 2), SHALE_DEFAULT_DURABILITY);
		op_wait_idle(r);
	}
	sim_advance_ns(r->sim, UINT64_C(5000000000));
	op_wait_idle(r);
	op_put(r, 0, 2, SHALE_DEFAULT_DURABILITY);
	store_close_all(r);
}

/* Over max_bytes the oldest tables go. */
void work_fifo(struct run *r)
{
	shale_compaction c = small;

	c.policy = SHALE_FIFO;
	c.max_bytes = 24 << 10;
	store_open_new(r);
	op_set_policy(r, &c);
	for (int i = 0; i < 14; i++) {
		fill(r, KEYS);
		op_delete(r, rand_below(&r->rand, KEYS));
		op_put(r, 0, rand_below(&r->rand, KEYS), SHALE_DEFAULT_DURABILITY);
		op_flush(r);
		if (i % 3 == 2)
			op_wait_idle(r);
	}
	store_close_all(r);
}

/* A run of several tables; merges replace some of them and leave the others. */
void work_stretch(struct run *r)
{
	shale_compaction c = small;

	c.policy = rand_below(&r->rand, 2) != 0 ? SHALE_LEVELED : SHALE_HYBRID;
	store_open_new(r);
	op_set_policy(r, &c);
	for (size_t k = 0; k < KEYS; k++)
		op_put_large(r, k);
	op_compact(r);
	for (int i = 0; i < 5; i++) {
		size_t lo = rand_below(&r->rand, KEYS - 6);

		op_put_large(r, lo + 1);
		op_delete(r, lo + 2);
		op_delete_range(r, lo + 3, lo + 4 + rand_below(&r->rand, 2));
		op_flush(r);
		if (i % 2 == 0)
			op_compact_range(r, lo, lo + 3);
	}
	op_wait_idle(r);
	store_close_all(r);
}

/*
 * Merges that several threads do together: each part makes tables, some of which lie under
 * range tombstones that go over the cuts, and all come at once or not at all.
 */
void work_share(struct run *r)
{
	r->options.background_threads = 4;
	r->options.default_cf.compression = SHALE_NO_COMPRESSION;
	store_open_new(r);
	for (int i = 0; i < 4; i++) {
		size_t lo = rand_below(&r->rand, KEYS / 2);

		for (size_t k = 0; k < KEYS; k++)
			op_put_large(r, k);
		op_delete_range(r, lo, lo + KEYS / 3);
		op_put(r, 0, lo + 1, SHALE_DEFAULT_DURABILITY);
		op_flush(r);
		if (i % 2 != 0)
			op_compact(r);
	}
	op_delete(r, 3);
	op_wait_idle(r);
	store_close_all(r);
}
