/* Kept stores as text, as files, and the digest of an open one. */
#include "golden/store.h"

#include "base/hash.h"
#include "support/hex.h"

void store_free(struct store *s)
{
	for (size_t i = 0; i < s->count; i++)
		buf_fini(&s->files[i].bytes);
	free(s);
}

struct buf *store_add(struct store *s, const char *name)
{
	struct store_file *f = &s->files[s->count++];

	assert_in_range(s->count, 1, STORE_FILES_MAX);
	snprintf(f->name, sizeof(f->name), "%s", name);
	buf_init(&f->bytes, shale_env_default());
	return &f->bytes;
}

bool store_read(const char *path, struct store *s)
{
	struct buf *file = NULL;
	FILE *in = fopen(path, "r");
	char line[256], name[64];

	if (in == NULL)
		return false;
	while (fgets(line, sizeof(line), in) != NULL) {
		if (line[0] == '#')
			snprintf(s->about, sizeof(s->about), "%.*s", (int)strcspn(line + 2, "\n"),
				 line + 2);
		else if (sscanf(line, "digest %" SCNx64 " entries %" SCNu64, &s->digest,
				&s->entries) == 2)
			continue;
		else if (sscanf(line, "file %63s", name) == 1)
			file = store_add(s, name);
		else if (file != NULL)
			hex_read_line(line, file);
	}
	fclose(in);
	return true;
}

void store_write(const char *path, const struct store *s)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fprintf(out, "# %s\n", s->about);
	fprintf(out, "digest %016" PRIx64 " entries %" PRIu64 "\n", s->digest, s->entries);
	for (size_t i = 0; i < s->count; i++) {
		fprintf(out, "file %s\n", s->files[i].name);
		hex_write(out, buf_view(&s->files[i].bytes));
	}
	assert_int_equal(fclose(out), 0);
}

void store_unpack(const struct store *s, const char *dir)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct buf *b = &s->files[i].bytes;
		char path[512];
		FILE *out;

		snprintf(path, sizeof(path), "%s/%s", dir, s->files[i].name);
		out = fopen(path, "w");
		assert_non_null(out);
		assert_true(b->size == 0 || fwrite(b->data, b->size, 1, out) == 1);
		assert_int_equal(fclose(out), 0);
	}
}

/* ---- digest ---- */

struct names {
	char name[8][64];
	size_t count;
};

static bool add_name(void *arg, const char *name)
{
	struct names *n = arg;

	assert_in_range(n->count, 0, 7);
	snprintf(n->name[n->count++], sizeof(n->name[0]), "%s", name);
	return true;
}

static int name_order(const void *a, const void *b)
{
	return strcmp(a, b);
}

static uint64_t chain(uint64_t digest, shale_slice s)
{
	return digest * 0x100000001b3 + hash_key(s);
}

uint64_t store_digest(shale_db *db, uint64_t *entries)
{
	struct names names = { .count = 0 };
	uint64_t digest = 0;

	*entries = 0;
	assert_ok(shale_cf_list(db, add_name, &names));
	qsort(names.name, names.count, sizeof(names.name[0]), name_order);
	for (size_t i = 0; i < names.count; i++) {
		shale_read_options o = SHALE_READ_OPTIONS_INIT;
		shale_slice value;
		shale_iter *it;
		shale_status rc;

		digest = chain(digest, slice_from(names.name[i], strlen(names.name[i])));
		assert_ok(shale_cf_open(db, names.name[i], &o.cf));
		assert_ok(shale_iter_new(db, &o, &it));
		for (rc = shale_iter_first(it); rc == SHALE_OK; rc = shale_iter_next(it)) {
			assert_ok(shale_iter_value(it, &value));
			digest = chain(chain(digest, shale_iter_key(it)), value);
			(*entries)++;
		}
		assert_status(rc, SHALE_END);
		shale_iter_free(it);
		shale_cf_release(o.cf);
	}
	return digest;
}
