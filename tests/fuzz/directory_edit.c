/*
 * Changes to the files of a store. An edit is 8 bytes: what, which file, where (24
 * bits; taken modulo what the file has in use), a number (24 bits). Small inputs
 * reach every byte of every file so, and an engine's mutations stay meaningful.
 */
#include "fuzz/directory.h"

#include "base/coding.h"

#include <stdlib.h>

enum { FILE_MAX = 1 << 17 };

enum what {
	FLIP,
	SET_U8,
	SET_U32,
	SET_U64,
	ZERO,
	CUT,    /* the file's end */
	REMOVE, /* the file */
	SWAP,   /* its bytes for those of another of its kind */
	INSERT,
	DELETE,
	APPEND,
	COPY,      /* bytes within the file */
	DUPLICATE, /* under another number */
	WHATS,
};

struct edit {
	enum what what;
	size_t file;
	uint64_t at;
	uint32_t n;
};

static struct edit edit_read(const uint8_t *p, const struct base *b)
{
	struct edit e;

	e.what = (enum what)(p[0] % WHATS);
	e.file = p[1] % b->count;
	e.at = get_u32le(p + 2) & 0xffffff;
	e.n = get_u32le(p + 4) >> 8;
	return e;
}

/* One more than what is in use, so that the first byte behind is reached too. */
static size_t place(const struct edit *e, const struct base *b, size_t size)
{
	uint64_t used = b->file[e->file].used + 1;

	return size != 0 ? (size_t)(e->at % (used < size ? used : size)) : 0;
}

static void set_bytes(uint8_t *data, size_t size, size_t at, const void *bytes, size_t n)
{
	memcpy(data + at, bytes, n < size - at ? n : size - at);
}

/* A change within the bytes; returns the new size. */
static size_t edit_bytes(const struct edit *e, uint8_t *data, size_t size, size_t at)
{
	static const uint8_t zeros[256];
	size_t n = 1 + e->n % 255, from;
	uint8_t bytes[8];

	put_u64le(bytes, (e->n & 0x800000) != 0 ? ~(uint64_t)(e->n & 0x7fffff) : e->n);
	switch (e->what) {
	case FLIP:
		if (at < size)
			data[at] ^= (uint8_t)(e->n % 255 + 1);
		return size;
	case SET_U8:
	case SET_U32:
	case SET_U64:
		set_bytes(data, size, at, bytes,
			  e->what == SET_U8 ? 1 : (e->what == SET_U32 ? 4 : 8));
		return size;
	case ZERO:
		set_bytes(data, size, at, zeros, n);
		return size;
	case CUT:
		return at;
	case INSERT:
		n = (n + 7) & ~(size_t)7;
		if (size + n > FILE_MAX)
			return size;
		memmove(data + at + n, data + at, size - at);
		memset(data + at, (int)(e->n >> 16), n);
		return size + n;
	case DELETE:
		n = n < size - at ? n : size - at;
		memmove(data + at, data + at + n, size - at - n);
		return size - n;
	case APPEND:
		if (size + n > FILE_MAX)
			return size;
		memset(data + size, (int)(e->n >> 16), n);
		return size + n;
	case COPY:
		from = size != 0 ? (e->n >> 8) % size : 0;
		n = n < size - from ? n : size - from;
		n = n < size - at ? n : size - at;
		memmove(data + at, data + from, n);
		return size;
	default:
		return size;
	}
}

static void rewrite(struct sim_fs *fs, const struct base *b, const struct edit *e)
{
	static uint8_t data[FILE_MAX];
	const char *path = b->file[e->file].path;
	void *bytes;
	size_t size;

	if (sim_fs_read_file(fs, path, &bytes, &size) != 0)
		return; /* removed by another edit */
	FUZZ_CHECK(size <= sizeof(data));
	memcpy(data, bytes, size);
	free(bytes);
	size = edit_bytes(e, data, size, place(e, b, size));
	FUZZ_CHECK(sim_fs_write_file(fs, path, data, size) == 0);
}

/* The bytes of one file in place of another's. */
static void replace(struct sim_fs *fs, const char *from, const char *to)
{
	void *bytes;
	size_t size;

	if (sim_fs_read_file(fs, from, &bytes, &size) != 0)
		return;
	FUZZ_CHECK(sim_fs_write_file(fs, to, bytes, size) == 0);
	free(bytes);
}

static void swap_kind(struct sim_fs *fs, const struct base *b, const struct edit *e)
{
	size_t other = e->n % b->count;

	replace(fs, b->file[other].path, b->file[e->file].path);
}

static void duplicate(struct sim_fs *fs, const struct base *b, const struct edit *e)
{
	char path[64];
	uint64_t number = b->file[e->file].number + 1 + e->n % 64;

	if (b->file[e->file].kind == 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", DIRECTORY,
		 object_name(b->file[e->file].kind, number).text);
	replace(fs, b->file[e->file].path, path);
}

static void apply(struct sim_fs *fs, const struct base *b, const struct edit *e)
{
	switch (e->what) {
	case REMOVE:
		(void)sim_fs_remove_file(fs, b->file[e->file].path);
		break;
	case SWAP:
		swap_kind(fs, b, e);
		break;
	case DUPLICATE:
		duplicate(fs, b, e);
		break;
	default:
		rewrite(fs, b, e);
		break;
	}
}

static void repair_file(struct sim_fs *fs, const struct base *b, size_t i)
{
	uint64_t number = b->file[i].number;
	void *bytes;
	size_t size;

	if (sim_fs_read_file(fs, b->file[i].path, &bytes, &size) != 0)
		return;
	switch (b->file[i].kind) {
	case OBJECT_TABLE:
		fuzz_repair_table(bytes, size, number);
		break;
	case OBJECT_LOG:
		fuzz_repair_log(bytes, size, number, b->store_id);
		break;
	case OBJECT_MANIFEST:
		fuzz_repair_manifest(bytes, size, number, b->store_id);
		break;
	default:
		fuzz_repair_root(bytes, size, b->store_id, b->manifest);
		break;
	}
	FUZZ_CHECK(sim_fs_write_file(fs, b->file[i].path, bytes, size) == 0);
	free(bytes);
}

static bool differs(struct sim_fs *fs, const struct base *b, size_t i)
{
	void *now = NULL, *then = NULL;
	size_t n, m;
	bool same;

	FUZZ_CHECK(sim_fs_read_file(b->fs, b->file[i].path, &then, &m) == 0);
	same = sim_fs_read_file(fs, b->file[i].path, &now, &n) == 0 && n == m &&
	       memcmp(now, then, n) == 0;
	free(now);
	free(then);
	return !same;
}

uint32_t edits_apply(struct sim_fs *fs, const struct base *b, const uint8_t *edits, size_t n,
		     bool repair)
{
	uint32_t touched = 0, changed = 0;

	for (size_t i = 0; i < n; i++) {
		struct edit e = edit_read(edits + i * EDIT_SIZE, b);

		apply(fs, b, &e);
		/* A duplicate may take the place of any. */
		touched |= e.what == DUPLICATE ? ~0u : 1u << e.file;
	}
	for (size_t i = 0; i < b->count; i++) {
		if ((touched >> i & 1) == 0)
			continue;
		if (repair)
			repair_file(fs, b, i);
		if (differs(fs, b, i))
			changed |= 1u << i;
	}
	return changed;
}
