/*
 * Contents of simulated files: counted blobs, copied on write, with a tail of
 * zeros that costs nothing. A synced file is one blob in current and durable and
 * in all copies of the disk, and a preallocated log costs what was written to it.
 *
 * A mapped ("pinned") blob is written to by stores that nobody announces. It is
 * therefore never shared between images, and its `used` is its capacity. Such
 * stores may be under way while a sync reads the blob, as the kernel would; the
 * functions peek_*() read it out of ThreadSanitizer's sight, because that race
 * is the model's and not the program's.
 */
#include "env/sim_disk.h"

#include "base/hash.h"

#include <stdlib.h>
#include <sys/mman.h>

void *sim_calloc(size_t n)
{
	void *p = calloc(1, n != 0 ? n : 1);

	if (p == NULL)
		sim_bug("no memory for the simulator", "");
	return p;
}

void *sim_realloc(void *p, size_t n)
{
	p = realloc(p, n != 0 ? n : 1);
	if (p == NULL)
		sim_bug("no memory for the simulator", "");
	return p;
}

_Noreturn void sim_bug(const char *what, const char *name)
{
	fprintf(stderr, "sim: %s%s%s\n", what, *name != '\0' ? ": " : "", name);
	abort();
}

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

struct blob *sim_blob_new(size_t cap, bool paged)
{
	struct blob *b;

	if (paged) {
		b = sim_calloc(sizeof(*b));
		cap = round_up(cap, SIM_PAGE);
		b->data = mmap(NULL, cap, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (b->data == MAP_FAILED)
			sim_bug("no memory for a mapping", "");
		b->paged = true;
	} else {
		b = sim_calloc(sizeof(*b) + cap);
		b->data = (uint8_t *)(b + 1);
	}
	b->cap = cap;
	atomic_init(&b->refs, 1);
	return b;
}

struct blob *sim_blob_ref(struct blob *b)
{
	if (b != NULL)
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void sim_blob_unref(struct blob *b)
{
	/* The last holder must see what the others did before they let go. */
	if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (b->paged)
		munmap(b->data, b->cap);
	free(b);
}

/* ---- reading what others may be storing to ---- */

static const uint8_t zero_page[SIM_PAGE];

#ifdef SIM_TSAN
/* Word by word: calls of memcpy() and memcmp() would be seen. */
#define PEEK __attribute__((noinline, no_sanitize("thread")))

PEEK static void peek_copy(uint8_t *dst, const uint8_t *src, size_t n)
{
	const volatile uint8_t *from = src;

	for (size_t i = 0; i < n; i++)
		dst[i] = from[i];
}

PEEK static bool peek_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;

	for (size_t i = 0; i < n; i++) {
		if (x[i] != y[i])
			return false;
	}
	return true;
}
#else
#define PEEK

static void peek_copy(uint8_t *dst, const uint8_t *src, size_t n)
{
	memcpy(dst, src, n);
}

static bool peek_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}
#endif

/* The bytes before the zeros at the end. */
PEEK static size_t peek_used(const uint8_t *data, size_t n)
{
	const volatile uint8_t *p = data;

	while (n >= SIM_PAGE && peek_equal(data + n - SIM_PAGE, zero_page, SIM_PAGE))
		n -= SIM_PAGE;
	while (n != 0 && p[n - 1] == 0)
		n--;
	return n;
}

size_t sim_image_used(const struct image *i)
{
	size_t n = i->blob != NULL ? i->blob->used : 0;

	if (n > i->size)
		n = (size_t)i->size;
	return n != 0 ? peek_used(i->blob->data, n) : 0;
}

void sim_image_read(const struct image *i, uint64_t offset, void *buf, size_t n)
{
	size_t used = i->blob != NULL ? i->blob->used : 0;
	size_t have = offset < used ? used - (size_t)offset : 0;

	if (have > n)
		have = n;
	if (have != 0 && i->pins != 0)
		peek_copy(buf, i->blob->data + offset, have);
	else if (have != 0)
		memcpy(buf, i->blob->data + offset, have);
	if (n != have)
		memset((uint8_t *)buf + have, 0, n - have);
}

/* ---- changing ---- */

void sim_image_fini(struct image *i)
{
	sim_blob_unref(i->blob);
	*i = (struct image){ 0 };
}

/* A private copy of the bytes, with room for `cap`. */
static struct blob *copy_blob(const struct image *i, size_t cap, bool paged)
{
	size_t used = i->pins != 0 ? sim_image_used(i) : i->blob != NULL ? i->blob->used : 0;
	struct blob *b = sim_blob_new(cap > used ? cap : used, paged);

	if (used != 0)
		peek_copy(b->data, i->blob->data, used);
	b->used = used;
	return b;
}

struct image sim_image_share(const struct image *i)
{
	struct image out = { .size = i->size };

	if (i->blob != NULL)
		out.blob = i->pins != 0 ? copy_blob(i, 0, false) : sim_blob_ref(i->blob);
	return out;
}

/* The blob is this image's alone and has room for `need` bytes, or false. */
static bool image_own(struct image *i, size_t need)
{
	struct blob *b = i->blob;

	if (i->pins != 0)
		return need <= b->cap;
	/* Acquire: what the former holders read is read before it is changed. */
	if (b != NULL && b->cap >= need &&
	    atomic_load_explicit(&b->refs, memory_order_acquire) == 1) {
		atomic_store_explicit(&b->hash, 0, memory_order_relaxed);
		return true;
	}
	if (b != NULL && b->cap < need && need < b->cap * 2)
		need = b->cap * 2;
	i->blob = copy_blob(i, need, false);
	sim_blob_unref(b);
	return true;
}

bool sim_image_write(struct image *i, uint64_t offset, const void *data, size_t n)
{
	size_t end = (size_t)offset + n;

	if (n == 0)
		return true;
	if (!image_own(i, end))
		return false;
	memcpy(i->blob->data + offset, data, n);
	if (i->blob->used < end)
		i->blob->used = end;
	if (i->size < end)
		i->size = end;
	return true;
}

void sim_image_resize(struct image *i, uint64_t size)
{
	if (i->blob != NULL && i->blob->used > size && i->size > size) {
		size_t used = i->blob->used;

		image_own(i, used);
		memset(i->blob->data + size, 0, used - (size_t)size);
		if (i->pins == 0)
			i->blob->used = (size_t)size;
	}
	i->size = size;
}

void sim_image_patch(struct image *dst, const struct image *src, uint64_t offset, uint64_t n)
{
	uint64_t used = src->blob != NULL ? src->blob->used : 0;
	uint64_t end = offset + n < dst->size ? offset + n : dst->size;

	/* Where both are zeros there is nothing to copy. */
	if (dst->blob != NULL && used < dst->blob->used)
		used = dst->blob->used;
	if (end > used)
		end = used;
	if (offset >= end)
		return;
	image_own(dst, (size_t)end);
	sim_image_read(src, offset, dst->blob->data + offset, (size_t)(end - offset));
	if (dst->blob->used < end)
		dst->blob->used = (size_t)end;
}

/* [offset, offset + n) in place, if all of it is in the blob or in its zeros. */
static const uint8_t *in_place(const struct image *i, uint64_t offset, size_t n)
{
	size_t used = i->blob != NULL ? i->blob->used : 0;

	if (offset >= used)
		return zero_page;
	return used - offset >= n ? i->blob->data + offset : NULL;
}

bool sim_image_same(const struct image *a, const struct image *b, uint64_t offset, size_t n)
{
	const uint8_t *x = in_place(a, offset, n), *y = in_place(b, offset, n);
	uint8_t copy[2][SIM_PAGE];

	if (x == NULL)
		sim_image_read(a, offset, copy[0], n);
	if (y == NULL)
		sim_image_read(b, offset, copy[1], n);
	return x == y || peek_equal(x != NULL ? x : copy[0], y != NULL ? y : copy[1], n);
}

bool sim_image_pin(struct image *i, uint64_t n)
{
	if (i->pins == 0) {
		uint64_t cap = i->size > n ? i->size : n;
		struct blob *b = copy_blob(i, (size_t)cap, true);

		sim_blob_unref(i->blob);
		i->blob = b;
		b->used = b->cap;
	} else if (n > i->blob->cap) {
		return false;
	}
	i->pins++;
	return true;
}

void sim_image_unpin(struct image *i)
{
	struct blob *b;

	if (--i->pins != 0)
		return;
	/*
	 * Elsewhere from now on, so that AddressSanitizer sees who still stores into the
	 * mapping. Stores behind a size that was cut meanwhile are nobody's.
	 */
	b = copy_blob(i, sim_image_used(i), false);
	sim_blob_unref(i->blob);
	i->blob = b;
}

uint64_t sim_image_hash(const struct image *i)
{
	uint64_t h = 0;
	size_t n;

	if (i->blob == NULL)
		return i->size;
	if (i->pins == 0)
		h = atomic_load_explicit(&i->blob->hash, memory_order_relaxed);
	if (h == 0) {
		n = sim_image_used(i);
		h = n != 0 ? hash_key((shale_slice){ i->blob->data, n }) : 0;
		if (i->pins == 0)
			atomic_store_explicit(&i->blob->hash, h, memory_order_relaxed);
	}
	/* The hash of nothing but zeros is 0, as without a blob. */
	return h + i->size;
}
