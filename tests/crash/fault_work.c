/*
 * The workloads whose every allocation and every call fails in turn: small, each
 * about one thing a store does. What is done before, without faults, is the same for
 * all sites and is done once.
 */
#include "crash/fault.h"

static void make_second(struct run *r)
{
	shale_status rc = shale_cf_create(r->db, "second", NULL, &r->second);

	/* One that failed may be there, and is found when it is made again. */
	if (rc == SHALE_EXISTS && r->refused != 0)
		return;
	if (failed(r, rc))
		r->second = NULL;
}

/* ---- before ---- */

/* A store with tables in two families, closed. */
static void before_clean(struct run *r)
{
	(void)open_store(r);
	make_second(r);
	for (size_t k = 0; k < KEYS; k++)
		put(r, (int)(k % 2), k);
	flush(r);
	del(r, 4);
	batch(r, 6, 6);
	flush(r);
	close_store(r);
}

/* And one with a log that nobody has read, torn from a living process. */
static void before_log(struct run *r)
{
	before_clean(r);
	(void)open_store(r);
	for (size_t k = 0; k < KEYS; k++)
		put(r, 0, k);
	batch(r, 3, 8);
	del_range(r, 5, 8);
	die(r);
}

/* ---- opening and closing ---- */

static void work_open_close(struct run *r)
{
	if (open_store(r))
		close_store(r);
}

static void work_open_read_only(struct run *r)
{
	if (!open_read_only(r))
		return;
	read_all(r);
	close_store(r);
}

static void work_close_dirty(struct run *r)
{
	if (!open_store(r))
		return;
	for (size_t k = 0; k < 5; k++)
		put(r, 0, k);
	close_store(r);
}

/* So much in memory that the close flushes it. */
static void work_close_large(struct run *r)
{
	r->memtable_bytes = 1 << 20;
	if (!open_store(r))
		return;
	for (size_t n = 0; n < 2; n++)
		batch(r, n, 1200);
	close_store(r);
}

/* ---- writes ---- */

static void work_puts(struct run *r)
{
	if (!open_store(r))
		return;
	for (size_t k = 0; k < 8; k++) {
		if (k == 5)
			del(r, 2);
		else
			put(r, 0, k % 4);
		if (k == 3)
			sim_advance_ns(r->sim, 6000000);
	}
	read_all(r);
	close_store(r);
}

static void work_large_batch(struct run *r)
{
	if (!open_store(r))
		return;
	put(r, 0, 1);
	batch(r, 0, 150);
	put(r, 0, 2);
	batch(r, 3, 150);
	read_all(r);
	close_store(r);
}

static void work_delete_range(struct run *r)
{
	if (!open_store(r))
		return;
	del_range(r, 2, 7);
	put(r, 0, 3);
	flush(r);
	read_all(r);
	del_range(r, 0, 4);
	compact(r);
	read_all(r);
	close_store(r);
}

static void work_rotate(struct run *r)
{
	if (!open_store(r))
		return;
	for (size_t k = 0; k < 400; k++) {
		put(r, 0, k % KEYS);
		if (k % 150 == 149)
			flush(r);
	}
	read_all(r);
	close_store(r);
}

/* ---- background ---- */

static void work_flush(struct run *r)
{
	if (!open_store(r))
		return;
	put(r, 0, 1);
	put(r, 1, 1);
	flush(r);
	batch(r, 2, 6);
	flush(r);
	read_all(r);
	close_store(r);
}

static void work_compact(struct run *r)
{
	if (!open_store(r))
		return;
	put(r, 0, 3);
	flush(r);
	compact(r);
	del(r, 3);
	compact(r);
	(void)failed(r, shale_wait_idle(r->db));
	read_all(r);
	close_store(r);
}

/* The manifest fails by itself, so that a new one takes its place. */
static void work_manifest(struct run *r)
{
	struct sim_fault own = { .op = SIM_WRITE, .name_ends = ".man", .nth = 4, .err = EIO };

	sim_fs_fault(sim_get_fs(r->sim), &own);
	r->own = EIO;
	if (!open_store(r))
		return;
	for (size_t i = 0; i < 4; i++) {
		put(r, 0, i);
		flush(r);
	}
	(void)failed(r, shale_resume(r->db));
	put(r, 0, 5);
	read_all(r);
	close_store(r);
}

/* The log fails by itself, and the store is told to go on. */
static void work_resume(struct run *r)
{
	struct sim_fault own = { .op = SIM_SYNC, .name_ends = ".log", .nth = 3, .err = EIO };

	sim_fs_fault(sim_get_fs(r->sim), &own);
	r->own = EIO;
	if (!open_store(r))
		return;
	for (size_t i = 0; i < 5; i++)
		put(r, 0, i);
	(void)failed(r, shale_resume(r->db));
	put(r, 0, 6);
	batch(r, 7, 3);
	read_all(r);
	close_store(r);
}

static void work_families(struct run *r)
{
	shale_write_options wo = SHALE_WRITE_OPTIONS_INIT;
	shale_cf *cf;

	if (!open_store(r))
		return;
	make_second(r);
	batch(r, 0, 4);
	for (int round = 0; round < 2; round++) {
		shale_status rc = shale_cf_create(r->db, "passing", NULL, &cf);

		/* A drop that failed may leave it there. */
		if ((rc == SHALE_EXISTS && r->refused != 0) || failed(r, rc))
			continue;
		wo.cf = cf;
		(void)failed(r, shale_put(r->db, &wo, shale_str("key"), shale_str("v")));
		(void)failed(r, shale_flush(r->db, NULL));
		(void)failed(r, shale_cf_drop(r->db, "passing"));
		shale_cf_release(cf);
		put(r, 1, 3);
	}
	read_all(r);
	close_store(r);
}

/* ---- reads ---- */

static void work_scans(struct run *r)
{
	if (!open_store(r))
		return;
	put(r, 0, 7);
	scan(r, false);
	scan(r, true);
	close_store(r);
}

static void work_multi_get(struct run *r)
{
	shale_slice keys[4] = { shale_str("key001"), shale_str("key002"), shale_str("key019"),
				shale_str("none") };
	shale_value values[4];
	shale_status each[4], rc;

	if (!open_store(r))
		return;
	rc = shale_multi_get(r->db, NULL, 4, keys, values, each);
	(void)failed(r, rc);
	for (int i = 0; i < 4; i++) {
		CHECK(r, rc < 0 || each[i] >= 0, "a key fails where the call does not");
		shale_value_release(&values[i]);
	}
	close_store(r);
}

static void work_snapshots(struct run *r)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *snapshot = NULL;
	shale_value v;

	if (!open_store(r))
		return;
	if (failed(r, shale_snapshot_new(r->db, &snapshot)))
		snapshot = NULL;
	put(r, 0, 2);
	flush(r);
	o.snapshot = snapshot;
	if (!failed(r, shale_get(r->db, &o, shale_str("key002"), &v)))
		shale_value_release(&v);
	compact(r);
	shale_snapshot_free(snapshot);
	read_all(r);
	close_store(r);
}

static void work_check(struct run *r)
{
	if (!open_store(r))
		return;
	(void)failed(r, shale_check(r->db, NULL, NULL, NULL));
	close_store(r);
}

static void work_destroy(struct run *r)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.env = sim_env(r->sim);
	if (failed(r, shale_destroy("/gone", &o)))
		return;
}

/* What is destroyed is another store: this one is there for the last life. */
static void before_destroy(struct run *r)
{
	shale_options o = SHALE_OPTIONS_INIT;
	shale_db *db;

	before_clean(r);
	o.env = sim_env(r->sim);
	CHECK(r, shale_open("/gone", &o, &db) == SHALE_OK, "open");
	CHECK(r, shale_put(db, NULL, shale_str("a"), shale_str("b")) == SHALE_OK, "put");
	CHECK(r, shale_close(db) == SHALE_OK, "close");
}

const struct workload fault_workloads[] = {
	{ "open-new", SHALE_DURABLE, NULL, work_open_close },
	{ "open-clean", SHALE_DURABLE, before_clean, work_open_close },
	{ "open-log", SHALE_DURABLE, before_log, work_open_close },
	{ "open-log-mapped", SHALE_PROCESS, before_log, work_open_close },
	{ "open-read-only", SHALE_DURABLE, before_log, work_open_read_only },
	{ "close-dirty", SHALE_PROCESS, before_clean, work_close_dirty },
	{ "close-large", SHALE_DURABLE, NULL, work_close_large },
	{ "puts-durable", SHALE_DURABLE, NULL, work_puts },
	{ "puts-interval", SHALE_INTERVAL, NULL, work_puts },
	{ "puts-process", SHALE_PROCESS, NULL, work_puts },
	{ "puts-ephemeral", SHALE_EPHEMERAL, NULL, work_puts },
	{ "large-batch", SHALE_DURABLE, NULL, work_large_batch },
	{ "delete-range", SHALE_DURABLE, before_clean, work_delete_range },
	{ "rotate", SHALE_DURABLE, NULL, work_rotate },
	{ "flush", SHALE_DURABLE, before_clean, work_flush },
	{ "flush-process", SHALE_PROCESS, before_clean, work_flush },
	{ "compact", SHALE_DURABLE, before_clean, work_compact },
	{ "manifest", SHALE_DURABLE, before_clean, work_manifest },
	{ "resume", SHALE_DURABLE, NULL, work_resume },
	{ "families", SHALE_DURABLE, NULL, work_families },
	{ "scans", SHALE_DURABLE, before_clean, work_scans },
	{ "multi-get", SHALE_DURABLE, before_clean, work_multi_get },
	{ "snapshots", SHALE_DURABLE, before_clean, work_snapshots },
	{ "check", SHALE_DURABLE, before_clean, work_check },
	{ "destroy", SHALE_DURABLE, before_destroy, work_destroy },
};
const size_t fault_workload_count = sizeof(fault_workloads) / sizeof(fault_workloads[0]);
