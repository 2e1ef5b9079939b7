#include "env/large.h"

enum { UNITS = MEM_PAGES / LARGE_UNIT };

_Static_assert(UNITS == 64, "a bit for each unit");

void large_init(struct large *l, const shale_env *env)
{
	*l = (struct large){ .env = env };
}

void large_fini(struct large *l)
{
	DEBUG_ASSERT(l->count == 0);
	mem_free(l->env, l->pieces);
	l->pieces = NULL;
}

size_t large_piece_bytes(size_t n)
{
	return (n + MEM_PAGES - 1) / MEM_PAGES * MEM_PAGES;
}

/* How many pieces begin before `p` or at it. */
static size_t upper(const struct large *l, const uint8_t *p)
{
	size_t lo = 0, hi = l->count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if ((uintptr_t)l->pieces[mid].memory <= (uintptr_t)p)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool large_add(struct large *l, void *memory, size_t bytes)
{
	size_t at = upper(l, memory);

	if (l->count == l->capacity) {
		size_t capacity = l->capacity != 0 ? 2 * l->capacity : 32;
		struct large_piece *more = mem_realloc(l->env, l->pieces, capacity * sizeof(*more));

		if (more == NULL)
			return false;
		l->pieces = more;
		l->capacity = capacity;
	}
	memmove(&l->pieces[at + 1], &l->pieces[at], (l->count - at) * sizeof(l->pieces[0]));
	l->pieces[at] = (struct large_piece){ .memory = memory, .bytes = bytes };
	l->count++;
	return true;
}

static uint64_t ones(unsigned n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* The first of `n` bits of zero in a row; -1: there are none. */
static int find_run(uint64_t used, unsigned n)
{
	uint64_t starts = ~used; /* bit i: `have` free units from i on */

	for (unsigned have = 1; have < n && starts != 0;) {
		unsigned more = have < n - have ? have : n - have;

		starts &= starts >> more;
		have += more;
	}
	return starts != 0 ? __builtin_ctzll(starts) : -1;
}

void *large_take(struct large *l, size_t n)
{
	unsigned units = n <= MEM_PAGES ? (unsigned)((n + LARGE_UNIT - 1) / LARGE_UNIT) : UNITS;

	for (size_t i = 0; i < l->count; i++) {
		struct large_piece *piece = &l->pieces[i];
		int at;

		if (n > MEM_PAGES ? piece->bytes < n || piece->used != 0
				  : piece->bytes != MEM_PAGES)
			continue;
		at = find_run(piece->used, units);
		if (at < 0)
			continue;
		piece->used |= ones(units) << at;
		piece->last |= UINT64_C(1) << (at + (int)units - 1);
		return piece->memory + (size_t)at * LARGE_UNIT;
	}
	return NULL;
}

/* The piece and units of the block at p; NULL: there is none. */
static struct large_piece *find(const struct large *l, const void *p, unsigned *at, unsigned *units)
{
	size_t i = upper(l, p), offset;
	struct large_piece *piece;

	if (i == 0)
		return NULL;
	piece = &l->pieces[i - 1];
	offset = (size_t)((const uint8_t *)p - piece->memory);
	if (offset >= MEM_PAGES || offset % LARGE_UNIT != 0)
		return NULL;
	*at = (unsigned)(offset / LARGE_UNIT);
	if ((piece->used >> *at & 1) == 0)
		return NULL;
	*units = (unsigned)__builtin_ctzll(piece->last >> *at) + 1;
	return piece;
}

size_t large_size(const struct large *l, const void *p)
{
	unsigned at, units;
	const struct large_piece *piece = find(l, p, &at, &units);

	if (piece == NULL)
		return 0;
	return piece->bytes > MEM_PAGES ? piece->bytes : (size_t)units * LARGE_UNIT;
}

bool large_give(struct large *l, void *p, void **memory, size_t *bytes)
{
	unsigned at, units;
	struct large_piece *piece = find(l, p, &at, &units);

	*memory = NULL;
	*bytes = 0;
	if (piece == NULL)
		return false;
	piece->used &= ~(ones(units) << at);
	piece->last &= ~(UINT64_C(1) << (at + units - 1));
	if (piece->used != 0)
		return true;
	*memory = piece->memory;
	*bytes = piece->bytes;
	l->count--;
	memmove(piece, piece + 1, (l->count - (size_t)(piece - l->pieces)) * sizeof(l->pieces[0]));
	return true;
}
