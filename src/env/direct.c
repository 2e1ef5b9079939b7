#include "env/direct.h"

#include "base/mem.h"

#include <string.h>

enum { ALIGN = SHALE_DIRECT_ALIGN };

bool direct_widen(const shale_env *env, shale_file *f, size_t n, uint64_t offset, shale_read *wide)
{
	size_t before = offset % ALIGN, all = (before + n + ALIGN - 1) / ALIGN * ALIGN;

	*wide = (shale_read){ .file = f, .n = all, .offset = offset - before };
	wide->buf = mem_aligned(env, ALIGN, all);
	return wide->buf != NULL;
}

int64_t direct_narrow(const shale_env *env, shale_read *wide, void *buf, size_t n, uint64_t offset)
{
	size_t before = (size_t)(offset - wide->offset);
	int64_t got;

	/* Up to the last byte asked for: behind the end of the file nothing is aligned. */
	fs_read_rest(env, wide, before + n);
	got = wide->result;
	if (got >= 0) {
		got = got > (int64_t)before ? got - (int64_t)before : 0;
		got = got > (int64_t)n ? (int64_t)n : got;
		memcpy(buf, (uint8_t *)wide->buf + before, (size_t)got);
	}
	mem_free(env, wide->buf);
	return got;
}
