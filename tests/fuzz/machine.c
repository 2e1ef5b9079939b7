/*
 * The machine that targets run on. The heap is the C library's, so that the address
 * sanitizer sees each piece; beside that it counts what is alive and watches sizes.
 */
#include "fuzz/fuzz.h"

#include <malloc.h>
#include <stdlib.h>

static const char DIR[] = "db";

enum { HEAP_MAX = 96 << 20 }; /* beyond it there is no memory */

static struct heap {
	size_t one_max; /* bytes of a single allocation */
	size_t input;
	size_t live, bytes;
} heap;

_Noreturn void fuzz_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
	abort();
}

/* ---- heap ---- */

static bool heap_admits(size_t n)
{
	if (n > heap.one_max) {
		fprintf(stderr, "an allocation of %zu bytes for an input of %zu\n", n, heap.input);
		abort();
	}
	return n <= HEAP_MAX - heap.bytes;
}

static void *heap_note(void *p)
{
	if (p != NULL) {
		heap.live++;
		heap.bytes += malloc_usable_size(p);
	}
	return p;
}

static void heap_forget(void *p)
{
	heap.live--;
	heap.bytes -= malloc_usable_size(p);
}

static void *heap_alloc(void *self, size_t n)
{
	(void)self;
	return heap_admits(n) ? heap_note(malloc(n)) : NULL;
}

static void *heap_realloc(void *self, void *p, size_t n)
{
	void *q;

	(void)self;
	if (!heap_admits(n))
		return NULL;
	if (p != NULL)
		heap_forget(p);
	q = realloc(p, n);
	heap_note(q != NULL ? q : p);
	return q;
}

static void heap_free(void *self, void *p)
{
	(void)self;
	if (p != NULL)
		heap_forget(p);
	free(p);
}

static void *heap_aligned(void *self, size_t align, size_t n)
{
	void *p = NULL;

	(void)self;
	if (!heap_admits(n))
		return NULL;
	return posix_memalign(&p, align < 16 ? 16 : align, n) == 0 ? heap_note(p) : NULL;
}

static const shale_allocator_ops heap_ops = {
	.struct_size = sizeof(shale_allocator_ops),
	.alloc = heap_alloc,
	.realloc = heap_realloc,
	.free = heap_free,
	.alloc_aligned = heap_aligned,
};

static bool has_zstd(const uint8_t *data, size_t size)
{
	static const uint8_t magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };

	/* A call of memcmp() for each byte would be a quarter of a run. */
	for (size_t i = 0; i + 4 <= size; i++)
		if (data[i] == magic[0] && memcmp(data + i, magic, 4) == 0)
			return true;
	return false;
}

void fuzz_heap(shale_env *env, const uint8_t *data, size_t size, size_t base)
{
	heap = (struct heap){ .input = size };
	heap.one_max = base + size * (has_zstd(data, size) ? 32768 : 256);
	env->allocator.self = NULL;
	env->allocator.ops = &heap_ops;
}

void fuzz_heap_done(void)
{
	if (heap.live == 0)
		return;
	fprintf(stderr, "%zu allocations of %zu bytes were not given back\n", heap.live,
		heap.bytes);
	abort();
}

/* ---- disk ---- */

void fuzz_machine_init(struct fuzz_machine *m, const uint8_t *data, size_t size)
{
	static const struct store_options o = { .create = true };

	m->env = *shale_env_default();
	m->fs = sim_fs_new(1);
	m->env.fs.self = m->fs;
	m->env.fs.ops = sim_fs_ops();
	fuzz_heap(&m->env, data, size, 1 << 20);
	FUZZ_CHECK(store_open(&m->env, DIR, &o, &m->store) == SHALE_OK);
}

void fuzz_machine_fini(struct fuzz_machine *m)
{
	store_close(m->store);
	sim_fs_free(m->fs);
	fuzz_heap_done();
}

void fuzz_file(struct fuzz_machine *m, enum object_kind kind, uint64_t number, const void *data,
	       size_t size)
{
	struct object_name name = object_name(kind, number);
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", DIR, name.text);
	FUZZ_CHECK(sim_fs_write_file(m->fs, path, data, size) == 0);
}

/* ---- failures ---- */

void fuzz_check_failure(shale_status rc)
{
	const shale_error *e = shale_last_error();
	bool named = e->object[0] != '\0' && e->text[0] != '\0';

	if (rc == SHALE_NO_MEMORY || (named && e->status == rc &&
				      (rc == SHALE_CORRUPT || rc == SHALE_UNSUPPORTED ||
				       rc == SHALE_MISSING || rc == SHALE_NOT_A_STORE)))
		return;
	fprintf(stderr, "an odd failure: %s, object '%s', text '%s'\n", shale_status_name(rc),
		e->object, e->text);
	abort();
}

void fuzz_check_names(shale_status rc, enum object_kind kind, uint64_t number)
{
	const shale_error *e = shale_last_error();

	fuzz_check_failure(rc);
	if (rc == SHALE_NO_MEMORY || strcmp(e->object, object_name(kind, number).text) == 0)
		return;
	fprintf(stderr, "a failure of another object: '%s': %s\n", e->object, e->text);
	abort();
}
