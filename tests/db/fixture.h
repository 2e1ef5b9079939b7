/* A store in a fresh directory of the real file system. */
#ifndef TESTS_DB_FIXTURE_H
#define TESTS_DB_FIXTURE_H

#include "support/test.h"

#include <shale/shale.h>

struct fixture {
	char *dir;
	char path[600];
	shale_options options;
	shale_db *db;
};

static inline void fixture_open(struct fixture *f)
{
	assert_ok(shale_open(f->path, &f->options, &f->db));
}

static inline void fixture_close(struct fixture *f)
{
	assert_ok(shale_close(f->db));
	f->db = NULL;
}

/* Small, so that little data goes a long way. */
static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = test_dir_new();
	snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
	f->options = (shale_options)SHALE_OPTIONS_INIT;
	f->options.memory_budget = 8 << 20;
	f->options.memtable_bytes = 128 << 10;
	f->options.durability = SHALE_PROCESS;
	f->options.default_cf.block_bytes = 1024;
	f->options.default_cf.compaction.table_bytes = 64 << 10;
	f->options.default_cf.compaction.base_bytes = 256 << 10;
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	shale_close(f->db);
	test_dir_remove(f->dir);
	free(f);
	return 0;
}

static inline void put_text(struct fixture *f, shale_cf *cf, const char *key, const char *value)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	o.cf = cf;
	assert_ok(shale_put(f->db, &o, shale_str(key), shale_str(value)));
}

/* value NULL: must be absent. */
static inline void expect_text(struct fixture *f, const shale_read_options *o, const char *key,
			       const char *value)
{
	shale_value v;
	shale_status rc = shale_get(f->db, o, shale_str(key), &v);

	assert_status(rc, value != NULL ? SHALE_OK : SHALE_NOT_FOUND);
	if (value != NULL)
		assert_slice(slice_from(v.data, v.size), value);
	shale_value_release(&v);
}

#endif
