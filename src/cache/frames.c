#include "cache/frames.h"

enum {
	SLAB = MEM_PAGES / FRAMES_CHUNK_SLABS,
	SIZE_MIN = 1 << 10, /* sizes above this */
	SIZE_MAX_FRAME = SIZE_MIN << FRAMES_OCTAVES,
	LINE = 64,
};

/* Where a free frame's owner would be: the index of the next free one and this mark. */
#define FREE_MARK 0x80000000u
#define FREE_END 0x7fffffffu

/* At the front of a slab that is in use. */
struct slab {
	struct slab *next, *prev; /* while open */
	uint32_t size, first;     /* of a frame; offset of frame 0 */
	uint32_t count, taken;
	uint32_t free; /* first free frame, or FREE_END */
	uint32_t kind; /* index of its list */
	uint32_t owners[];
};

struct chunk {
	uint8_t *memory;
	unsigned used; /* bit i: slab i is in use */
};

/* Which list serves n bytes, and the size of its frames. */
static unsigned kind_of(size_t n, uint32_t *size)
{
	unsigned octave = 63 - (unsigned)__builtin_clzll((n - 1) | SIZE_MIN);
	size_t low = (size_t)1 << octave, step = low / FRAMES_STEPS;
	size_t steps = (n - low + step - 1) / step; /* 1 .. FRAMES_STEPS */

	*size = (uint32_t)(low + steps * step + LINE - 1) & ~(uint32_t)(LINE - 1);
	return (octave - 10) * FRAMES_STEPS + (unsigned)steps - 1;
}

static bool framed(const struct frames *f, size_t n)
{
	return !f->heap_only && n > SIZE_MIN && n <= SIZE_MAX_FRAME;
}

static uint32_t frames_in(uint32_t size, uint32_t *first)
{
	uint32_t count = (SLAB - sizeof(struct slab)) / (size + sizeof(uint32_t));

	for (;; count--) {
		*first = (sizeof(struct slab) + count * sizeof(uint32_t) + LINE - 1) &
			 ~(uint32_t)(LINE - 1);
		if (*first + count * size <= SLAB)
			return count;
	}
}

static struct slab *slab_of(const void *p)
{
	return (struct slab *)((uintptr_t)p & ~(uintptr_t)(SLAB - 1));
}

static uint32_t frame_index(const struct slab *s, const void *p)
{
	return (uint32_t)((uintptr_t)p - (uintptr_t)s - s->first) / s->size;
}

static void *frame_at(struct slab *s, uint32_t i)
{
	return (uint8_t *)s + s->first + (size_t)i * s->size;
}

/* ---- slabs; under the lock ---- */

static void slab_link(struct frames *f, struct slab *s)
{
	s->prev = NULL;
	s->next = f->open[s->kind];
	if (s->next != NULL)
		s->next->prev = s;
	f->open[s->kind] = s;
}

static void slab_unlink(struct frames *f, struct slab *s)
{
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		f->open[s->kind] = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
}

static bool chunk_add(struct frames *f)
{
	if (f->chunk_count == f->chunk_capacity) {
		size_t capacity = f->chunk_capacity != 0 ? 2 * f->chunk_capacity : 64;
		struct chunk *chunks =
			mem_realloc(f->env, f->chunks, capacity * sizeof(*f->chunks));

		if (chunks == NULL)
			return false;
		f->chunks = chunks;
		f->chunk_capacity = capacity;
	}
	f->chunks[f->chunk_count] = (struct chunk){ .memory = mem_pages(f->env, MEM_PAGES) };
	if (f->chunks[f->chunk_count].memory == NULL)
		return false;
	f->chunk_count++;
	return true;
}

/* A slab that nothing uses; the last chunks are the newest and the first to have room. */
static struct slab *slab_take(struct frames *f)
{
	const unsigned all = (1u << FRAMES_CHUNK_SLABS) - 1;
	size_t i = f->chunk_count;

	while (i > 0 && f->chunks[i - 1].used == all)
		i--;
	if (i == 0) {
		if (!chunk_add(f))
			return NULL;
		i = f->chunk_count;
	}
	for (unsigned k = 0;; k++) {
		struct chunk *c = &f->chunks[i - 1];

		if ((c->used & 1u << k) == 0) {
			c->used |= 1u << k;
			f->held += SLAB;
			return (struct slab *)(void *)(c->memory + (size_t)k * SLAB);
		}
	}
}

static struct slab *slab_make(struct frames *f, unsigned kind, uint32_t size)
{
	struct slab *s = slab_take(f);

	if (s == NULL)
		return NULL;
	s->kind = kind;
	s->size = size;
	s->count = frames_in(size, &s->first);
	s->taken = 0;
	s->free = 0;
	for (uint32_t i = 0; i < s->count; i++)
		s->owners[i] = FREE_MARK | (i + 1 < s->count ? i + 1 : FREE_END);
	slab_link(f, s);
	return s;
}

static void slab_give_back(struct frames *f, struct slab *s)
{
	uint8_t *memory = (uint8_t *)((uintptr_t)s & ~(uintptr_t)(MEM_PAGES - 1));
	size_t i = f->chunk_count;

	while (f->chunks[i - 1].memory != memory)
		i--;
	i--;
	f->chunks[i].used &= ~(1u << (unsigned)(((uint8_t *)s - memory) / SLAB));
	f->held -= SLAB;
	if (f->chunks[i].used != 0)
		return;
	mem_pages_free(f->env, memory, MEM_PAGES);
	f->chunks[i] = f->chunks[--f->chunk_count];
	/* What takes the place of the last victim has its turn next. */
	if (i + 1 == f->victim)
		f->victim = i;
}

/* ---- frames ---- */

void frames_init(struct frames *f, const shale_env *env, bool heap_only)
{
	*f = (struct frames){ .env = env, .heap_only = heap_only };
	mutex_init(&f->mu, env, RANK_CACHE);
}

void frames_fini(struct frames *f)
{
	ASSERT(f->chunk_count == 0);
	mem_free(f->env, f->chunks);
}

size_t frames_charge(const struct frames *f, size_t n)
{
	uint32_t size, first;

	if (!framed(f, n))
		return n;
	kind_of(n, &size);
	return SLAB / frames_in(size, &first);
}

void *frames_alloc(struct frames *f, size_t n)
{
	uint32_t size, i;
	struct slab *s;
	unsigned kind;

	if (!framed(f, n))
		return mem_alloc(f->env, n);
	kind = kind_of(n, &size);
	mutex_lock(&f->mu);
	s = f->open[kind];
	if (s == NULL)
		s = slab_make(f, kind, size);
	if (s == NULL) {
		mutex_unlock(&f->mu);
		return NULL;
	}
	i = s->free;
	s->free = s->owners[i] & ~FREE_MARK;
	s->owners[i] = 0;
	f->taken += SLAB / s->count;
	if (++s->taken == s->count)
		slab_unlink(f, s);
	mutex_unlock(&f->mu);
	return frame_at(s, i);
}

void frames_free(struct frames *f, void *p, size_t n)
{
	struct slab *s = slab_of(p);
	uint32_t i;

	if (!framed(f, n)) {
		mem_free(f->env, p);
		return;
	}
	mutex_lock(&f->mu);
	i = frame_index(s, p);
	DEBUG_ASSERT((s->owners[i] & FREE_MARK) == 0);
	s->owners[i] = FREE_MARK | s->free;
	s->free = i;
	f->taken -= SLAB / s->count;
	if (s->taken-- == s->count)
		slab_link(f, s);
	if (s->taken == 0) {
		slab_unlink(f, s);
		slab_give_back(f, s);
	}
	mutex_unlock(&f->mu);
}

void frames_own(struct frames *f, void *p, size_t n, uint32_t owner)
{
	struct slab *s = slab_of(p);

	if (!framed(f, n))
		return;
	mutex_lock(&f->mu);
	s->owners[frame_index(s, p)] = owner & ~FREE_MARK;
	mutex_unlock(&f->mu);
}

static size_t slab_owned(struct slab *s, struct frames_owned *out)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->count; i++)
		if ((s->owners[i] & FREE_MARK) == 0 && s->owners[i] != 0)
			out[n++] = (struct frames_owned){ frame_at(s, i), s->owners[i] };
	return n;
}

size_t frames_next_chunk(struct frames *f, struct frames_turns *t, struct frames_owned *out,
			 bool *more)
{
	size_t n = 0;

	mutex_lock(&f->mu);
	if (t->chunks != 0 && f->chunk_count >= t->chunks)
		t->in_vain++;
	t->chunks = f->chunk_count;
	*more = t->in_vain < f->chunk_count;
	if (*more) {
		const struct chunk *c;

		if (f->victim >= f->chunk_count)
			f->victim = 0;
		c = &f->chunks[f->victim++];
		for (unsigned k = 0; k < FRAMES_CHUNK_SLABS; k++)
			if ((c->used & 1u << k) != 0)
				n += slab_owned((struct slab *)(void *)(c->memory +
									(size_t)k * SLAB),
						out + n);
	}
	mutex_unlock(&f->mu);
	return n;
}

uint64_t frames_held(struct frames *f)
{
	uint64_t held;

	mutex_lock(&f->mu);
	held = f->held;
	mutex_unlock(&f->mu);
	return held;
}

uint64_t frames_slack(struct frames *f)
{
	uint64_t slack;

	mutex_lock(&f->mu);
	slack = (uint64_t)f->chunk_count * MEM_PAGES - f->taken;
	mutex_unlock(&f->mu);
	return slack;
}
