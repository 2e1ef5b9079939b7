/*
 * What a recovered store has: the files that its manifest refers to and no others
 * (read by the manifest's reader alone, apart from the engine's own lists), and its
 * content as all ways of reading show it.
 */
#include "crash/image.h"

#include "env/names.h"
#include "env/store.h"
#include "format/edit.h"
#include "version/manifest.h"

/* Log segments that wait to be used again, of the ones closed; as many as db/log.c keeps. */
enum { RECYCLE_MAX = 4 };

static int add_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	struct files *f = arg;
	enum object_kind kind;

	(void)size;
	(void)is_dir;
	if (strcmp(name, "ROOT") == 0)
		f->root = true;
	if (f->count < FILES_MAX && object_name_parse(name, &kind, &f->number[f->count]))
		f->kind[f->count++] = kind;
	return 0;
}

void files_list(const struct run *r, struct sim_fs *fs, struct files *out)
{
	out->count = 0;
	out->root = false;
	(void)sim_fs_list(fs, DIR, add_file, out);
	CHECK(r, out->count < FILES_MAX, "too many files for this test");
}

static bool files_find(const struct files *f, int kind, uint64_t number, size_t *at)
{
	for (*at = 0; *at < f->count; ++*at)
		if (f->kind[*at] == kind && f->number[*at] == number)
			return true;
	return false;
}

bool files_has(const struct files *f, const char *name)
{
	const char *last = strrchr(name, '/');
	enum object_kind kind;
	uint64_t number;
	size_t at;

	return !object_name_parse(last != NULL ? last + 1 : name, &kind, &number) ||
	       files_find(f, (int)kind, number, &at);
}

static shale_status note_field(void *arg, const struct edit_field *f)
{
	struct files *refs = arg;
	bool add = f->tag == EDIT_ADD_TABLE || f->tag == EDIT_LOG_ADD;
	bool table = f->tag == EDIT_ADD_TABLE || f->tag == EDIT_REMOVE_TABLE;
	size_t at;

	if (f->tag == EDIT_SNAPSHOT)
		refs->count = 0;
	if (!add && f->tag != EDIT_REMOVE_TABLE && f->tag != EDIT_LOG_REMOVE)
		return SHALE_OK;
	/* A table that moves to another level is removed and added; a family that is
	   dropped takes its tables along, which the caller leaves out of account. */
	if (add && refs->count < FILES_MAX) {
		refs->kind[refs->count] = table ? OBJECT_TABLE : OBJECT_LOG;
		refs->number[refs->count++] = f->number;
	} else if (!add && files_find(refs, table ? OBJECT_TABLE : OBJECT_LOG, f->number, &at)) {
		refs->count--;
		refs->kind[at] = refs->kind[refs->count];
		refs->number[at] = refs->number[refs->count];
	}
	return SHALE_OK;
}

static uint64_t read_refs(struct run *r, struct files *refs)
{
	const struct store_options so = { .read_only = true };
	struct manifest_report report;
	struct store *store;
	struct root root;
	struct buf bytes;

	refs->count = 0;
	buf_init(&bytes, sim_env(r->sim));
	CHECK(r, store_open(sim_env(r->sim), DIR, &so, &store) == SHALE_OK, "store");
	CHECK(r, store_root_read(store, &bytes) == SHALE_OK, "root");
	CHECK(r, root_decode(buf_view(&bytes), &root) == SHALE_OK, "root");
	CHECK(r,
	      manifest_replay(store, root.manifest, root.store_id, note_field, refs, &report) ==
		      SHALE_OK,
	      "the manifest does not read");
	CHECK(r, report.clean, "no clean end is noted");
	buf_fini(&bytes);
	store_close(store);
	return root.manifest;
}

void files_check(struct run *r)
{
	struct files there, refs;
	uint64_t manifest = read_refs(r, &refs);
	size_t spare = 0, at;

	files_list(r, sim_get_fs(r->sim), &there);
	for (size_t i = 0; i < refs.count; i++)
		CHECK(r, files_find(&there, refs.kind[i], refs.number[i], &at),
		      "file %" PRIx64 " is referred to and not there", refs.number[i]);
	for (size_t i = 0; i < there.count; i++) {
		if (there.kind[i] == OBJECT_MANIFEST && there.number[i] == manifest)
			continue;
		if (files_find(&refs, there.kind[i], there.number[i], &at))
			continue;
		spare += there.kind[i] == OBJECT_LOG;
		CHECK(r, there.kind[i] == OBJECT_LOG && spare <= RECYCLE_MAX,
		      "file %" PRIx64 " of kind %d is there and not referred to", there.number[i],
		      there.kind[i]);
	}
}

/* ---- content ---- */

static void get_all(struct run *r, const shale_read_options *o, uint32_t *ids, size_t *there)
{
	char key[16], want[VALUE_ROOM];

	*there = 0;
	for (size_t k = 0; k < KEYS; k++) {
		shale_value v;
		shale_status rc = shale_get(r->db, o, make_key(key, k), &v);

		ids[k] = 0;
		CHECK(r, rc == SHALE_OK || rc == SHALE_NOT_FOUND, "get gave %s",
		      shale_status_name(rc));
		if (rc == SHALE_NOT_FOUND)
			continue;
		ids[k] = (uint32_t)test_number(slice_from(v.data, v.size), 0);
		CHECK(r, slice_eq(slice_from(v.data, v.size), make_value(want, ids[k])),
		      "key %zu holds what was never written", k);
		shale_value_release(&v);
		++*there;
	}
}

/* A scan shows what the gets did, forwards and backwards. */
static void scan_all(struct run *r, const shale_read_options *o, const uint32_t *ids, size_t there,
		     bool back)
{
	char key[16];
	size_t seen = 0, k;
	shale_iter *it;
	shale_status rc;

	CHECK(r, shale_iter_new(r->db, o, &it) == SHALE_OK, "iter");
	rc = back ? shale_iter_last(it) : shale_iter_first(it);
	for (; rc == SHALE_OK; rc = back ? shale_iter_prev(it) : shale_iter_next(it)) {
		shale_slice at = shale_iter_key(it), value;

		/* Behind the keys of the workload there are those of recoveries. */
		if (at.size != 6 || memcmp(at.data, "key", 3) != 0)
			continue;
		CHECK(r, shale_iter_value(it, &value) == SHALE_OK, "value");
		k = test_number(at, 3);
		CHECK(r,
		      slice_eq(at, make_key(key, k)) && k < KEYS && ids[k] == test_number(value, 0),
		      "a scan sees another entry at key %zu", k);
		seen++;
	}
	CHECK(r, rc == SHALE_END && seen == there, "a scan%s sees %zu of %zu keys (%s)",
	      back ? " back" : "", seen, there, shale_status_name(rc));
	shale_iter_free(it);
}

static bool note_family(void *arg, const char *name)
{
	bool *there = arg;

	for (uint8_t i = 0; i < INSTANCES; i++)
		there[i] |= strcmp(instance_name(i), name) == 0;
	return true;
}

void read_content(struct run *r, struct content *out, bool there[INSTANCES])
{
	memset(out, 0, sizeof(*out));
	memset(there, 0, INSTANCES * sizeof(*there));
	CHECK(r, shale_cf_list(r->db, note_family, there) == SHALE_OK, "cf_list");
	for (uint8_t i = 0; i < INSTANCES; i++) {
		shale_read_options o = SHALE_READ_OPTIONS_INIT;
		size_t n;

		if (!there[i])
			continue;
		if (i != 0)
			CHECK(r, shale_cf_open(r->db, instance_name(i), &o.cf) == SHALE_OK,
			      "cf_open");
		get_all(r, &o, out->id[i], &n);
		scan_all(r, &o, out->id[i], n, n % 2 != 0);
		shale_cf_release(o.cf);
	}
}
