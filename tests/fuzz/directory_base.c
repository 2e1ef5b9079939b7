/* Stores whose contents are known: one after flushes, one killed, one merged, one of many runs. */
#include "fuzz/directory.h"

#include "base/coding.h"
#include "format/edit.h"

#include <stdlib.h>

void key_make(char out[16], int key)
{
	snprintf(out, 16, "key%03d", key);
}

size_t value_make(char out[VALUE_ROOM], int key, int version)
{
	int head = snprintf(out, VALUE_ROOM, "%d.%d:", key, version);
	size_t n = (size_t)head + (size_t)(key * 7 + version * 13) % 90;

	memset(out + head, 'a' + (key + version) % 26, n - (size_t)head);
	return n;
}

int value_version(int key, const void *data, size_t size)
{
	char text[VALUE_ROOM], want[VALUE_ROOM];
	int k, version;

	if (size >= sizeof(text))
		return -1;
	if (size != 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (sscanf(text, "%d.%d:", &k, &version) != 2 || k != key || version < 0 ||
	    version >= VERSIONS)
		return -1;
	if (value_make(want, key, version) != size || memcmp(want, text, size) != 0)
		return -1;
	return version;
}

shale_options base_options(const shale_env *env, size_t i)
{
	static const shale_compression codecs[BASES] = { SHALE_LZ4, SHALE_NO_COMPRESSION,
							 SHALE_ZSTD, SHALE_SNAPPY };
	shale_options o = SHALE_OPTIONS_INIT;

	o.env = env;
	o.memory_budget = 1 << 20;
	o.memtable_bytes = 16384;
	o.background_threads = 1;
	o.default_cf.block_bytes = 512;
	o.default_cf.compression = codecs[i];
	o.default_cf.compaction.table_bytes = 4096;
	o.default_cf.compaction.base_bytes = 8192;
	return o;
}

/* ---- filling ---- */

struct making {
	struct base *b;
	size_t i;
	struct sim *sim;
	shale_db *db;
};

static void put(struct making *m, shale_cf *cf, int k, int version)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	char key[16], value[VALUE_ROOM];
	size_t n = value_make(value, k, version);

	key_make(key, k);
	o.cf = cf;
	FUZZ_CHECK(shale_put(m->db, &o, shale_str(key), slice_from(value, n)) == SHALE_OK);
	if (cf == NULL)
		m->b->model[k] = (int16_t)version;
}

static void drop(struct making *m, int lo, int hi)
{
	char from[16], to[16];

	key_make(from, lo);
	key_make(to, hi);
	if (hi == lo + 1)
		FUZZ_CHECK(shale_delete(m->db, NULL, shale_str(from)) == SHALE_OK);
	else
		FUZZ_CHECK(shale_delete_range(m->db, NULL, shale_str(from), shale_str(to)) ==
			   SHALE_OK);
	for (int k = lo; k < hi; k++)
		m->b->model[k] = ABSENT;
}

static void put_every(struct making *m, int step, int version)
{
	for (int k = 0; k < KEYS; k += step)
		put(m, NULL, k, version);
}

/* Every base begins with some flushes; the last writes are in the log alone. */
static void fill(struct making *m)
{
	shale_cf *other = NULL;

	put_every(m, 1, 1);
	FUZZ_CHECK(shale_flush(m->db, NULL) == SHALE_OK);
	put_every(m, 3, 2);
	drop(m, 10, 17);
	FUZZ_CHECK(shale_flush(m->db, NULL) == SHALE_OK);
	if (m->i == 2) {
		FUZZ_CHECK(shale_cf_create(m->db, "other", NULL, &other) == SHALE_OK);
		for (int k = 0; k < KEYS; k += 2)
			put(m, other, k, 3);
		drop(m, 5, 6);
		FUZZ_CHECK(shale_flush(m->db, NULL) == SHALE_OK);
		FUZZ_CHECK(shale_compact(m->db, NULL) == SHALE_OK);
		put(m, other, 1, 4);
		shale_cf_release(other);
		m->b->other = true;
	}
	for (int round = 0; m->i == 3 && round < 3; round++) {
		put_every(m, 5 + round, 10 + round);
		drop(m, 20 + round, 24 + 2 * round);
		FUZZ_CHECK(shale_flush(m->db, NULL) == SHALE_OK);
	}
	put_every(m, 7, 20);
	drop(m, 30, 32);
}

static void make_store(void *arg)
{
	struct making *m = arg;
	shale_options o = base_options(sim_env(m->sim), m->i);

	FUZZ_CHECK(shale_open(DIRECTORY, &o, &m->db) == SHALE_OK);
	fill(m);
	if (!m->b->clean) {
		/* A process that is killed leaves what is there now. */
		m->b->fs = sim_fs_clone(sim_get_fs(m->sim));
		FUZZ_CHECK(shale_close(m->db) == SHALE_OK);
		return;
	}
	FUZZ_CHECK(shale_close(m->db) == SHALE_OK);
	m->b->fs = sim_fs_clone(sim_get_fs(m->sim));
}

/* ---- files ---- */

static int note_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	struct base *b = arg;
	size_t i = b->count, used;
	uint8_t *data;

	if (is_dir || strcmp(name, "LOCK") == 0)
		return 0;
	FUZZ_CHECK(i < FILES);
	b->count++;
	snprintf(b->file[i].path, sizeof(b->file[i].path), "%s/%s", DIRECTORY, name);
	b->file[i].name = b->file[i].path + sizeof(DIRECTORY);
	b->file[i].size = size;
	b->file[i].kind = 0;
	(void)object_name_parse(name, &b->file[i].kind, &b->file[i].number);
	FUZZ_CHECK(sim_fs_read_file(b->fs, b->file[i].path, (void **)&data, &used) == 0);
	while (used > 0 && data[used - 1] == 0)
		used--;
	b->file[i].used = used;
	if (b->file[i].kind == 0) {
		b->manifest = get_u64le(data + 16);
		b->store_id = get_u64le(data + 24);
	}
	free(data);
	return 0;
}

const struct base *base_get(size_t i)
{
	static struct base bases[BASES];
	struct base *b = &bases[i];
	struct making m = { .b = b, .i = i };

	if (b->fs != NULL)
		return b;
	b->clean = i != 1;
	for (size_t k = 0; k < KEYS; k++)
		b->model[k] = ABSENT;
	FUZZ_CHECK(sim_new(i + 1, &m.sim) == SHALE_OK);
	FUZZ_CHECK(sim_run(m.sim, make_store, &m) == SIM_DONE);
	sim_free(m.sim);
	FUZZ_CHECK(sim_fs_list(b->fs, DIRECTORY, note_file, b) == 0);
	return b;
}
