/*
 * Slots that hold a context or NULL. A context is taken by exchanging it for NULL, so it
 * has one owner. It is counted while it lies in its slot.
 */
#include "format/codec_pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <zstd.h>

void codec_pool_init(struct codec_pool *p)
{
	for (int i = 0; i < CODEC_KEPT; i++) {
		atomic_init(&p->pack[i], NULL);
		atomic_init(&p->unpack[i], NULL);
	}
	atomic_init(&p->bytes, 0);
}

static void count(struct codec_pool *p, int64_t bytes)
{
	atomic_fetch_add_explicit(&p->bytes, bytes, memory_order_relaxed);
}

uint64_t codec_pool_bytes(const struct codec_pool *p)
{
	int64_t bytes = atomic_load_explicit(&p->bytes, memory_order_relaxed);

	return bytes > 0 ? (uint64_t)bytes : 0;
}

/* NULL: all slots are empty. */
static void *take(_Atomic(void *) *slots)
{
	void *context = NULL;

	for (int i = 0; i < CODEC_KEPT && context == NULL; i++) {
		/* Looked at first: an exchange takes the line from other cores. */
		if (atomic_load_explicit(&slots[i], memory_order_relaxed) != NULL)
			/* Acquire: what its last user did in it. */
			context = atomic_exchange_explicit(&slots[i], NULL, memory_order_acquire);
	}
	return context;
}

/* False: all slots are full. */
static bool give(_Atomic(void *) *slots, void *context)
{
	for (int i = 0; i < CODEC_KEPT; i++) {
		void *none = NULL;

		if (atomic_compare_exchange_strong_explicit(&slots[i], &none, context,
							    memory_order_release,
							    memory_order_relaxed))
			return true;
	}
	return false;
}

/* Keep a context of so many bytes; false: there are enough. */
static bool keep(struct codec_pool *p, _Atomic(void *) *slots, void *context, size_t bytes)
{
	/* Counted before another can take it. */
	count(p, (int64_t)bytes);
	if (give(slots, context))
		return true;
	count(p, -(int64_t)bytes);
	return false;
}

void *codec_pool_take_pack(struct codec_pool *p)
{
	void *context = p != NULL ? take(p->pack) : NULL;

	if (context == NULL)
		return ZSTD_createCCtx();
	count(p, -(int64_t)ZSTD_sizeof_CCtx(context));
	return context;
}

void codec_pool_give_pack(struct codec_pool *p, void *context)
{
	if (p == NULL || !keep(p, p->pack, context, ZSTD_sizeof_CCtx(context)))
		ZSTD_freeCCtx(context);
}

void *codec_pool_take_unpack(struct codec_pool *p)
{
	void *context = p != NULL ? take(p->unpack) : NULL;

	if (context == NULL)
		return ZSTD_createDCtx();
	count(p, -(int64_t)ZSTD_sizeof_DCtx(context));
	return context;
}

void codec_pool_give_unpack(struct codec_pool *p, void *context)
{
	if (p == NULL || !keep(p, p->unpack, context, ZSTD_sizeof_DCtx(context)))
		ZSTD_freeDCtx(context);
}

void codec_pool_fini(struct codec_pool *p)
{
	void *context;

	while ((context = take(p->pack)) != NULL)
		ZSTD_freeCCtx(context);
	while ((context = take(p->unpack)) != NULL)
		ZSTD_freeDCtx(context);
	atomic_store_explicit(&p->bytes, 0, memory_order_relaxed);
}
