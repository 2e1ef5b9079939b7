/*
 * A table: opened, checked, read both ways and by key. What a check finds sound
 * must read without a failure, in order, and the same by every way.
 */
#include "fuzz/fuzz.h"

#include "base/crc32c.h"
#include "base/hash.h"
#include "table/table.h"

#include <stdlib.h>

enum { SIZE_MAX_ = 8192, SEEN_MAX = 1024, GETS_MAX = 64 };

static const uint64_t NUMBER = (1ull << 32) | 9;

struct reading {
	struct table *t;
	bool sound;
	size_t count;
	uint32_t sum[SEEN_MAX]; /* of each entry, in order */
};

static uint32_t entry_sum(const struct iter *it)
{
	uint32_t sum = crc32c(0, it->key.data, it->key.size);

	sum = crc32c(sum, &it->seqtype, sizeof(it->seqtype));
	return crc32c(sum, it->value.data, it->value.size);
}

static void stop(const struct reading *r, const struct iter *it)
{
	if (it->status < 0)
		fuzz_check_names(it->status, OBJECT_TABLE, NUMBER);
	FUZZ_CHECK(it->status == SHALE_OK || it->status == SHALE_NO_MEMORY || !r->sound);
}

/* An entry found by an iterator is found by a get and by a seek. */
static void check_get(const struct reading *r, const struct iter *it, struct cache *cache)
{
	struct table_lookup got = { 0 };
	shale_status rc =
		table_get(r->t, &(struct table_read){ 0 }, it->key, seqtype_seq(it->seqtype), &got);

	if (rc < 0)
		fuzz_check_names(rc, OBJECT_TABLE, NUMBER);
	if (r->sound && rc != SHALE_NO_MEMORY) {
		/* A forged table may have two types of one version: the first is found. */
		FUZZ_CHECK(rc == SHALE_OK);
		FUZZ_CHECK(seqtype_seq(got.seqtype) == seqtype_seq(it->seqtype));
		FUZZ_CHECK(got.seqtype != it->seqtype || slice_eq(got.value, it->value));
		FUZZ_CHECK(table_filter_has(r->t, hash_key(it->key)));
	}
	cache_release(cache, &got.pin);
	(void)rangedel_newest(table_ranges(r->t), it->key, SEQ_MAX);
}

static void read_forwards(struct reading *r, bool sequential, struct cache *cache)
{
	struct iter *it = NULL;
	size_t n = 0;
	shale_status rc = table_iter_new(r->t, &(struct table_read){ 0 }, sequential, NULL, &it);

	if (rc < 0) {
		fuzz_check_failure(rc);
		return;
	}
	for (iter_first(it); it->valid && n < SEEN_MAX; iter_next(it), n++) {
		uint32_t sum = entry_sum(it);

		FUZZ_CHECK(it->key.size <= SHALE_KEY_MAX);
		FUZZ_CHECK(sequential == false || n >= r->count || sum == r->sum[n]);
		r->sum[n] = sum;
		if (!sequential && n < GETS_MAX)
			check_get(r, it, cache);
	}
	stop(r, it);
	FUZZ_CHECK(!sequential || !r->sound || n == r->count || it->status < 0);
	if (!sequential)
		r->count = n;
	iter_free(it);
}

static void read_backwards(struct reading *r)
{
	struct iter *it = NULL;
	size_t n = r->count;
	shale_status rc = table_iter_new(r->t, &(struct table_read){ 0 }, false, NULL, &it);

	if (rc < 0) {
		fuzz_check_failure(rc);
		return;
	}
	for (iter_last(it); it->valid && n > 0; iter_prev(it)) {
		n--;
		FUZZ_CHECK(!r->sound || r->count == SEEN_MAX || entry_sum(it) == r->sum[n]);
	}
	if (r->count < SEEN_MAX) {
		stop(r, it);
		FUZZ_CHECK(!r->sound || it->status < 0 || (n == 0 && !it->valid));
	}
	/* And somewhere in the middle. */
	iter_seek(it, shale_str("key5"));
	if (it->valid)
		iter_prev(it);
	iter_seek_prev(it, shale_str("key7"));
	if (it->valid)
		iter_next(it);
	stop(r, it);
	iter_free(it);
}

static void read_table(struct table *t, struct cache *cache)
{
	static struct reading r;
	uint64_t blocks, entries;
	shale_status rc = table_check(t, &blocks, &entries);

	if (rc < 0)
		fuzz_check_names(rc, OBJECT_TABLE, NUMBER);
	r.t = t;
	r.sound = rc == SHALE_OK;
	r.count = 0;
	read_forwards(&r, false, cache);
	read_forwards(&r, true, cache);
	read_backwards(&r);
	FUZZ_CHECK(!r.sound || r.count == (entries < SEEN_MAX ? entries : SEEN_MAX));
}

static void machine_tables(struct fuzz_machine *m, struct budget *budget, struct stats *stats,
			   struct table_env *te)
{
	*te = (struct table_env){
		.env = &m->env, .store = m->store, .budget = budget, .stats = stats
	};
	FUZZ_CHECK(cache_new(&m->env, 1 << 16, 4096, budget, &te->cache) == SHALE_OK);
}

static void run(const uint8_t *data, size_t size)
{
	struct budget budget = { 0 };
	static struct stats stats;
	struct fuzz_machine m;
	struct table_env te;
	struct table *t = NULL;
	shale_status rc;

	fuzz_machine_init(&m, data, size);
	machine_tables(&m, &budget, &stats, &te);
	fuzz_file(&m, OBJECT_TABLE, NUMBER, data, size);
	rc = table_open(&te, NUMBER, size, &t);
	if (rc < 0)
		fuzz_check_names(rc, OBJECT_TABLE, NUMBER);
	else
		read_table(t, te.cache);
	table_unref(t);
	cache_free(te.cache);
	FUZZ_CHECK(budget_all(&budget) == 0);
	fuzz_machine_fini(&m);
}

static void repair(uint8_t *data, size_t size)
{
	fuzz_repair_table(data, size, NUMBER);
}

/* ---- making one ---- */

static void add_entries(struct rand *r, struct table_builder *b)
{
	static const char fill[] = "value value value value value value 0123456789 ValueValue";
	uint64_t n = rand_below(r, 60);

	for (uint64_t i = 0; i < n; i++) {
		char key[64];
		size_t size = (size_t)snprintf(key, sizeof(key), "key%05" PRIu64, i * 7);
		uint64_t versions = rand_below(r, 6) == 0 ? 1 + rand_below(r, 5) : 1;

		if (rand_below(r, 4) == 0)
			size += (size_t)snprintf(key + size, sizeof(key) - size, "-longer-key");
		while (versions-- > 0) {
			static const enum op_type types[] = { OP_PUT, OP_PUT, OP_PUT_TTL,
							      OP_DELETE };
			enum op_type type = types[rand_below(r, 4)];
			size_t value = type == OP_DELETE ? 0 : 8 + rand_below(r, 40);
			uint64_t st = seqtype(10 * (versions + 1) + rand_below(r, 8), type);

			(void)table_builder_add(b, slice_from(key, size),
						hash_key(slice_from(key, size)), st,
						slice_from(fill, value));
		}
	}
}

static size_t make(struct rand *r, uint8_t *out)
{
	struct table_build_options o = { .compression = 1 + (uint32_t)rand_below(r, 4) };
	struct budget budget = { 0 };
	static struct stats stats;
	struct table_builder *b = NULL;
	struct table_built built;
	struct fuzz_machine m;
	struct table_env te;
	char path[64];
	void *data = NULL;
	size_t size;

	fuzz_machine_init(&m, out, SIZE_MAX_);
	machine_tables(&m, &budget, &stats, &te);
	if (rand_below(r, 2) == 0)
		o.compression = SHALE_NO_COMPRESSION;
	o.block_bytes = 256 << rand_below(r, 4);
	o.filter_bits = (uint32_t)rand_below(r, 3) * 5;
	FUZZ_CHECK(table_builder_new(&te, NUMBER, &o, &b) == SHALE_OK);
	add_entries(r, b);
	for (uint64_t i = 0, n = 1 + rand_below(r, 4); i < n; i++) {
		char lo[16], hi[16];

		snprintf(lo, sizeof(lo), "key%03" PRIu64, 3 * i);
		snprintf(hi, sizeof(hi), "key%03" PRIu64, 3 * i + 1 + rand_below(r, 9));
		(void)table_builder_add_range(b, shale_str(lo), shale_str(hi), 50 - i);
	}
	FUZZ_CHECK(table_builder_finish(b, &built) == SHALE_OK);
	buf_fini(&built.keys);
	snprintf(path, sizeof(path), "db/%s", object_name(OBJECT_TABLE, NUMBER).text);
	FUZZ_CHECK(sim_fs_read_file(m.fs, path, &data, &size) == 0);
	size = size < SIZE_MAX_ ? size : SIZE_MAX_;
	memcpy(out, data, size);
	free(data);
	cache_free(te.cache);
	fuzz_machine_fini(&m);
	return size;
}

const struct fuzz_target fuzz_target = { "table", SIZE_MAX_, run, repair, make, 1 };
