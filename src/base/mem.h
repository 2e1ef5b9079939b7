/* The heap, through the environment's allocator. Failure is NULL; no error is set. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <shale/env.h>

static inline void *mem_alloc(const shale_env *env, size_t n)
{
	return env->allocator.ops->alloc(env->allocator.self, n ? n : 1);
}

static inline void *mem_zalloc(const shale_env *env, size_t n)
{
	void *p = mem_alloc(env, n);

	if (p != NULL)
		memset(p, 0, n);
	return p;
}

/* n * size bytes, zeroed; NULL also when the product overflows. */
static inline void *mem_array(const shale_env *env, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return mem_zalloc(env, bytes);
}

static inline void *mem_realloc(const shale_env *env, void *p, size_t n)
{
	return env->allocator.ops->realloc(env->allocator.self, p, n ? n : 1);
}

static inline void *mem_aligned(const shale_env *env, size_t align, size_t n)
{
	return env->allocator.ops->alloc_aligned(env->allocator.self, align, n ? n : align);
}

enum { MEM_PAGES = 2 << 20 }; /* mem_pages() counts in these */

/* Address sanitizers watch the heap only: for them nothing is cut from pages. */
#if defined(__SANITIZE_ADDRESS__)
#define MEM_PAGES_HIDE_ERRORS true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_PAGES_HIDE_ERRORS true
#endif
#endif
#ifndef MEM_PAGES_HIDE_ERRORS
#define MEM_PAGES_HIDE_ERRORS false
#endif

static inline void *mem_pages(const shale_env *env, size_t n)
{
	if (env->allocator.ops->pages != NULL)
		return env->allocator.ops->pages(env->allocator.self, n);
	/* Frames find their slab by the address alone, so the alignment is needed here too. */
	return env->allocator.ops->alloc_aligned(env->allocator.self, MEM_PAGES, n);
}

static inline void mem_pages_free(const shale_env *env, void *p, size_t n)
{
	if (env->allocator.ops->pages != NULL)
		env->allocator.ops->pages_free(env->allocator.self, p, n);
	else
		env->allocator.ops->free(env->allocator.self, p);
}

static inline void mem_free(const shale_env *env, void *p)
{
	if (p != NULL)
		env->allocator.ops->free(env->allocator.self, p);
}

#endif
