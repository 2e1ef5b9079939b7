#include "base/buf.h"

void buf_init(struct buf *b, const shale_env *env)
{
	*b = (struct buf){ .env = env };
}

void buf_fini(struct buf *b)
{
	if (b->env != NULL)
		mem_free(b->env, b->data);
	*b = (struct buf){ 0 };
}

bool buf_reserve(struct buf *b, size_t n)
{
	size_t want, capacity;
	uint8_t *data;

	if (b->failed)
		return false;
	/* Also for n == 0 there is memory afterwards, as NULL means that there is none. */
	if (b->data != NULL && b->capacity - b->size >= n)
		return true;
	if (__builtin_add_overflow(b->size, n, &want) || want > SIZE_MAX / 2) {
		b->failed = true;
		return false;
	}
	capacity = b->capacity ? b->capacity : 64;
	while (capacity < want)
		capacity *= 2;
	data = mem_realloc(b->env, b->data, capacity);
	if (data == NULL) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

uint8_t *buf_extend(struct buf *b, size_t n)
{
	uint8_t *p;

	if (!buf_reserve(b, n))
		return NULL;
	p = b->data + b->size;
	b->size += n;
	return p;
}
