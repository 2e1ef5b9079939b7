/*
 * Lives of a store under faults. Every call that fails must have a fault as its
 * cause, or that writes have stopped because of one, and must say what of.
 */
#include "crash/fault.h"

/* Each failure once: what it is of, and its sentence. */
bool failed(struct run *r, shale_status rc)
{
	const shale_error *e = shale_last_error();
	int err = r->plan->err;
	shale_status cause = err == 0 ? SHALE_NO_MEMORY : err_code(err);

	if (rc >= 0)
		return false;
	r->refused++;
	CHECK(r, r->faulty, "failed without a fault: %s", shale_status_name(rc));
	CHECK(r, e->status == rc && e->text[0] != '\0', "%s without a sentence",
	      shale_status_name(rc));
	if (rc == SHALE_READ_ONLY || (r->own != 0 && e->sys_errno == r->own))
		return true;
	CHECK(r, rc == cause, "%s where %s is the cause", shale_status_name(rc),
	      shale_status_name(cause));
	CHECK(r, err == 0 || e->sys_errno == err, "errno %d where %d is the cause", e->sys_errno,
	      err);
	CHECK(r, err == 0 || e->object[0] != '\0', "the failure names no object");
	return true;
}

static void options(const struct run *r, shale_options *o)
{
	*o = (shale_options)SHALE_OPTIONS_INIT;
	o->env = sim_env(r->sim);
	o->memtable_bytes = r->memtable_bytes != 0 ? r->memtable_bytes : 16384;
	o->memory_budget = 64 * o->memtable_bytes;
	o->log_bytes_max = 2 * o->memtable_bytes;
	o->durability = r->plan->work->durability;
	o->sync_interval_ms = 5;
	o->background_threads = 1;
	o->default_cf.compression = SHALE_LZ4;
	o->default_cf.block_bytes = 512;
	o->default_cf.compaction.table_bytes = 4096;
	o->default_cf.compaction.top_runs = 2;
}

static bool open_with(struct run *r, const shale_options *o)
{
	shale_status rc;

	r->second = NULL;
	rc = shale_open(DIR, o, &r->db);
	if (failed(r, rc))
		return false;
	CHECK(r, rc == SHALE_OK, "open gave %s", shale_status_name(rc));
	rc = shale_cf_open(r->db, "second", &r->second);
	(void)failed(r, rc);
	if (rc != SHALE_OK)
		r->second = NULL;
	return true;
}

bool open_store(struct run *r)
{
	shale_options o;

	options(r, &o);
	return open_with(r, &o);
}

bool open_read_only(struct run *r)
{
	shale_options o;

	options(r, &o);
	o.read_only = true;
	return open_with(r, &o);
}

void close_store(struct run *r)
{
	shale_cf_release(r->second);
	r->second = NULL;
	(void)failed(r, shale_close(r->db));
}

void die(struct run *r)
{
	sim_kill_tasks(r->sim);
	sim_heap_free_all(sim_get_heap(r->sim));
	sim_fs_crash(sim_get_fs(r->sim), SIM_CRASH_PROCESS, 0);
	r->second = NULL;
}

/* ---- writes ---- */

static shale_slice make_key(char *out, size_t k)
{
	sprintf(out, "key%03zu", k);
	return shale_str(out);
}

static shale_slice make_value(char *out, uint32_t id)
{
	sprintf(out, "%u %0*d", id, (int)(id * 37 % 300), 0);
	return shale_str(out);
}

void put(struct run *r, int family, size_t key)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	char k[16], v[512];
	uint32_t id;

	if (family == 1 && r->second == NULL)
		return;
	o.cf = family == 1 ? r->second : NULL;
	commit_begin(r);
	id = commit_put(r, family, key);
	commit_end(r, !failed(r, shale_put(r->db, &o, make_key(k, key), make_value(v, id))));
}

void del(struct run *r, size_t key)
{
	char k[16];

	commit_begin(r);
	commit_delete(r, 0, key);
	commit_end(r, !failed(r, shale_delete(r->db, NULL, make_key(k, key))));
}

void del_range(struct run *r, size_t lo, size_t hi)
{
	char a[16], b[16];

	commit_begin(r);
	for (size_t k = lo; k < hi; k++)
		commit_delete(r, 0, k);
	commit_end(r,
		   !failed(r, shale_delete_range(r->db, NULL, make_key(a, lo), make_key(b, hi))));
}

/* Over both families where there are two. The batch is on the plain heap. */
void batch(struct run *r, size_t from, size_t n)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	char key[16], value[512];
	shale_batch *b;

	CHECK(r, shale_batch_new(&b) == SHALE_OK, "batch");
	commit_begin(r);
	for (size_t i = 0; i < n; i++) {
		int family = r->second != NULL && i % 2 != 0;
		size_t k = (from + i) % KEYS;
		uint32_t id = commit_put(r, family, k);

		o.cf = family ? r->second : NULL;
		CHECK(r,
		      shale_batch_put(b, &o, make_key(key, k), make_value(value, id)) == SHALE_OK,
		      "batch");
	}
	commit_end(r, !failed(r, shale_write(r->db, NULL, b)));
	shale_batch_free(b);
}

void flush(struct run *r)
{
	(void)failed(r, shale_flush(r->db, NULL));
}

void compact(struct run *r)
{
	(void)failed(r, shale_compact(r->db, NULL));
}

/* ---- reads ---- */

static void get_all(struct run *r, struct content *out)
{
	memset(out, 0, sizeof(*out));
	for (int f = 0; f < FAMILIES; f++) {
		shale_read_options o = SHALE_READ_OPTIONS_INIT;

		o.cf = f == 1 ? r->second : NULL;
		for (size_t k = 0; k < KEYS; k++) {
			char key[16], want[512];
			shale_value v;
			shale_status rc;

			out->unknown[f][k] = f == 1 && r->second == NULL;
			if (out->unknown[f][k])
				continue;
			rc = shale_get(r->db, &o, make_key(key, k), &v);
			out->unknown[f][k] = failed(r, rc);
			if (rc != SHALE_OK)
				continue;
			out->id[f][k] = (uint32_t)test_number(slice_from(v.data, v.size), 0);
			CHECK(r,
			      slice_eq(slice_from(v.data, v.size), make_value(want, out->id[f][k])),
			      "key %zu holds what was never written", k);
			shale_value_release(&v);
		}
	}
}

/* What a scan of the default family sees is what gets do, as far as it comes. */
static void scan_against(struct run *r, const struct content *got, bool back)
{
	size_t seen = 0, there = 0;
	shale_iter *it = NULL;
	shale_status rc;

	for (size_t k = 0; k < KEYS; k++) {
		if (got->unknown[0][k])
			return;
		there += got->id[0][k] != 0;
	}
	if (failed(r, shale_iter_new(r->db, NULL, &it)))
		return;
	rc = back ? shale_iter_last(it) : shale_iter_first(it);
	for (; rc == SHALE_OK; rc = back ? shale_iter_prev(it) : shale_iter_next(it)) {
		shale_slice key = shale_iter_key(it), value;
		size_t k = test_number(key, 3);

		if (failed(r, shale_iter_value(it, &value)))
			break;
		CHECK(r, k < KEYS && got->id[0][k] == test_number(value, 0),
		      "a scan sees another value of key %zu", k);
		seen++;
	}
	if (rc != SHALE_OK && !failed(r, rc))
		CHECK(r, seen == there, "a scan sees %zu of %zu keys", seen, there);
	shale_iter_free(it);
}

void read_all(struct run *r)
{
	struct content got;

	get_all(r, &got);
	content_check(r, &got);
	scan_against(r, &got, false);
}

void scan(struct run *r, bool back)
{
	struct content got;

	get_all(r, &got);
	scan_against(r, &got, back);
}

/* ---- lives after a fault ---- */

void second_life(void *run)
{
	struct run *r = run;

	if (!open_store(r))
		return;
	read_all(r);
	put(r, 0, 2);
	flush(r);
	close_store(r);
}

static void same_content(struct run *r, const struct content *a, const char *when)
{
	struct content now;

	get_all(r, &now);
	CHECK(r, memcmp(&now, a, sizeof(now)) == 0, "another content %s", when);
}

void last_life(void *run)
{
	struct run *r = run;
	struct content got;
	shale_status rc;

	CHECK(r, open_store(r), "does not open after the fault");
	get_all(r, &got);
	content_check(r, &got);
	scan_against(r, &got, r->nth % 2 != 0);
	rc = shale_check(r->db, NULL, NULL, NULL);
	CHECK(r, rc == SHALE_OK, "check after the fault: %s", shale_status_name(rc));
	if (r->nth % 4 == 0) {
		CHECK(r, shale_compact(r->db, NULL) == SHALE_OK, "compact");
		same_content(r, &got, "after a merge");
	}
	/* Writes work, and another life sees the same. */
	put(r, 0, KEYS - 1);
	got.id[0][KEYS - 1] = r->next_id;
	close_store(r);
	if (r->nth % 2 == 0) {
		CHECK(r, open_store(r), "does not open again");
		same_content(r, &got, "after the second open");
		close_store(r);
	}
}
