/*
 * Closed stores on a simulated disk whose contents are known, and the judge: after
 * any harm to one file, opening and reading gives right data or a failure that names
 * that file. Never wrong data, and never silence about what is gone.
 */
#ifndef TESTS_CORRUPT_STORE_H
#define TESTS_CORRUPT_STORE_H

#include "support/test.h"

#include <shale/shale.h>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/rand.h"
#include "env/sim.h"

enum { KEYS_MAX = 4000, FILES = 96 };

#define DIR "/db"

struct shape {
	const char *name;
	int keys;
	unsigned salt; /* of the values */
	shale_compression compression;
	uint32_t block_bytes;
	int flush_every;
	bool compact;
};

struct store {
	const struct shape *shape;
	struct sim *sim;
	size_t count;
	struct {
		char name[40];
		uint64_t size;
	} file[FILES];
	/* The damaged one, and what came of it. */
	const char *damaged;
	bool noticed, read_only, error_if_missing;
	shale_status status; /* the last error */
	char text[384];
};

static inline void make_key(char *out, int k)
{
	sprintf(out, "key%05d", k);
}

/* The length follows from the key alone, so stores of one shape have files of one size. */
static inline size_t make_value(char out[160], const struct shape *s, int k)
{
	int head = sprintf(out, "value %u of %d ", s->salt, k);
	size_t n = 24 + (size_t)(k % 60);

	memset(out + head, 'a' + (k + (int)s->salt) % 26, 159 - (size_t)head);
	return n;
}

static inline bool is_deleted(const struct store *s, int k)
{
	return (k >= 10 && k < 20) || (s->shape->keys > 1000 && k % 7 == 0);
}

static inline shale_status open_store(struct store *s, shale_db **db)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.env = sim_env(s->sim);
	o.memory_budget = 1 << 20;
	o.memtable_bytes = s->shape->keys > 1000 ? 65536 : 16384;
	o.background_threads = 1;
	o.default_cf.block_bytes = s->shape->block_bytes;
	o.default_cf.compression = s->shape->compression;
	o.default_cf.compaction.table_bytes = 16384;
	o.default_cf.compaction.base_bytes = 32768;
	/* No merge by itself: it would leave a gap that is not zero behind, unseen. */
	o.default_cf.compaction.top_runs = 64;
	o.read_only = s->read_only;
	o.error_if_missing = s->error_if_missing;
	return shale_open(DIR, &o, db);
}

static inline void fill_store(void *arg)
{
	struct store *s = arg;
	char key[16], value[160];
	shale_db *db;

	assert_ok(open_store(s, &db));
	for (int k = 0; k < s->shape->keys; k++) {
		make_key(key, k);
		assert_ok(shale_put(db, NULL, shale_str(key),
				    slice_from(value, make_value(value, s->shape, k))));
		if (k > 0 && k % s->shape->flush_every == 0)
			assert_ok(shale_flush(db, NULL));
	}
	for (int k = 0; s->shape->keys > 1000 && k < s->shape->keys; k += 7) {
		make_key(key, k);
		assert_ok(shale_delete(db, NULL, shale_str(key)));
	}
	if (s->shape->compact)
		assert_ok(shale_compact(db, NULL));
	assert_ok(shale_delete_range(db, NULL, shale_str("key00010"), shale_str("key00020")));
	assert_ok(shale_close(db));
}

static inline int note_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	struct store *s = arg;

	if (is_dir || strcmp(name, "LOCK") == 0)
		return 0;
	assert_true(s->count < FILES);
	snprintf(s->file[s->count].name, sizeof(s->file[0].name), "%s", name);
	s->file[s->count++].size = size;
	return 0;
}

static inline void make_store(struct store *s, const struct shape *shape)
{
	*s = (struct store){ .shape = shape };
	assert_ok(sim_new(7 + shape->salt, &s->sim));
	assert_int_equal(sim_run(s->sim, fill_store, s), SIM_DONE);
	assert_int_equal(sim_fs_list(sim_get_fs(s->sim), DIR, note_file, s), 0);
	assert_true(s->count >= 4); /* root, manifest, tables, log */
}

static inline void free_store(struct store *s)
{
	sim_free(s->sim);
}

static inline const char *ending(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL ? dot : name;
}

/* ---- judging ---- */

static inline void refuse(const struct store *s, int k, const char *what)
{
	fprintf(stderr, "store %s, damage in %s: key %d is %s\n", s->shape->name, s->damaged, k,
		what);
	abort();
}

/* An error is right if it says which file, and damage where in it. */
static inline void check_error(struct store *s, shale_status rc)
{
	const shale_error *e = shale_last_error();

	s->noticed = true;
	s->status = rc;
	snprintf(s->text, sizeof(s->text), "%s", e->text);
	if (rc < 0 && e->status == rc && e->object[0] != '\0' &&
	    (strstr(e->object, s->damaged) != NULL || strstr(e->text, s->damaged) != NULL))
		return;
	fprintf(stderr, "store %s, damage in %s is reported as %s of '%s': %s\n", s->shape->name,
		s->damaged, shale_status_name(rc), e->object, e->text);
	abort();
}

static inline void check_value(struct store *s, int k, shale_slice got)
{
	char want[160];
	size_t n = make_value(want, s->shape, k);

	if (is_deleted(s, k))
		refuse(s, k, "found, though deleted");
	if (!slice_eq(got, slice_from(want, n)))
		refuse(s, k, "wrong");
}

static inline void read_keys(struct store *s, shale_db *db)
{
	char key[16];
	shale_value v;

	for (int k = 0; k < s->shape->keys; k++) {
		shale_status rc;

		make_key(key, k);
		rc = shale_get(db, NULL, shale_str(key), &v);
		if (rc < 0)
			check_error(s, rc);
		else if (rc == SHALE_OK)
			check_value(s, k, slice_from(v.data, v.size));
		else if (!is_deleted(s, k))
			refuse(s, k, "gone in silence");
		if (rc == SHALE_OK)
			shale_value_release(&v);
	}
}

static inline int next_key(const struct store *s, int k, int step)
{
	do
		k += step;
	while (k >= 0 && k < s->shape->keys && is_deleted(s, k));
	return k;
}

static inline void scan(struct store *s, shale_db *db, int step)
{
	int k = next_key(s, step > 0 ? -1 : s->shape->keys, step);
	shale_iter *it = NULL;
	char key[16];
	shale_status rc = shale_iter_new(db, NULL, &it);

	if (rc >= 0)
		rc = step > 0 ? shale_iter_first(it) : shale_iter_last(it);
	while (rc == SHALE_OK) {
		shale_slice value;

		make_key(key, k);
		if (!slice_eq(shale_iter_key(it), shale_str(key)))
			refuse(s, k, "not where it belongs in a scan");
		rc = shale_iter_value(it, &value);
		if (rc == SHALE_OK) {
			check_value(s, k, value);
			rc = step > 0 ? shale_iter_next(it) : shale_iter_prev(it);
			k = next_key(s, k, step);
		}
	}
	if (rc < 0)
		check_error(s, rc);
	else if (k >= 0 && k < s->shape->keys)
		refuse(s, k, "missing at the end of a scan");
	shale_iter_free(it);
}

static inline void read_all(void *arg)
{
	struct store *s = arg;
	shale_db *db;
	shale_status rc = open_store(s, &db);

	if (rc != SHALE_OK) {
		check_error(s, rc);
		return;
	}
	read_keys(s, db);
	scan(s, db, 1);
	scan(s, db, -1);
	rc = shale_check(db, NULL, NULL, NULL);
	if (rc < 0)
		check_error(s, rc);
	(void)shale_close(db);
}

/* Judge a copy of the store's disk after a harm; whether it was noticed. */
static inline bool try_one(struct store *s, const char *name,
			   void (*harm)(struct sim_fs *fs, void *arg), void *arg)
{
	struct sim_fs *intact = sim_get_fs(s->sim), *copy = sim_fs_clone(intact);

	harm(copy, arg);
	s->damaged = name;
	s->noticed = false;
	sim_swap_fs(s->sim, copy);
	assert_int_equal(sim_run(s->sim, read_all, s), SIM_DONE);
	sim_swap_fs(s->sim, intact);
	sim_fs_free(copy);
	return s->noticed;
}

struct harm {
	char path[64], other[64];
	uint64_t offset;
	uint8_t mask;
	size_t size;
	struct sim_fs *from; /* another store's */
};

#endif
