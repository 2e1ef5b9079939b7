/*
 * A slot's life and counters are one word:
 *
 *   bits 62..63  life: EMPTY, BUILDING (one thread owns the slot, for making or
 *                for unmaking), VISIBLE, INVISIBLE (a standalone item: a slot
 *                outside the array that no lookup reaches)
 *   bits 31..61  releases
 *   bits 0..30   acquires
 *
 * Pins are acquires - releases. While nothing is pinned the two are equal, and
 * that height is the clock's count of recent use: the hand lowers it and takes
 * the slot when it is zero. A get ends with a release; a visit takes its acquire
 * back, so that it adds no height, and what is offered begins at none.
 *
 * Invariants
 * - Only the thread that moved a slot to BUILDING writes its key, data and charge;
 *   it leaves BUILDING by a plain store, which drops acquires that strayed in.
 * - A slot leaves VISIBLE only by a compare-and-swap from a word without pins, so
 *   whoever added an acquire to a VISIBLE word holds the slot still.
 * - A lookup compares the key before it adds, to leave strangers' lines alone, and
 *   again after, because the slot may have changed hands in between. The key is
 *   atomic for that first look only.
 * - `displaced` of a slot counts the items whose probe sequence passed over it; at
 *   zero a lookup stops. An item's passes are counted before it is VISIBLE.
 * - `used` is the charge of all memory handed out. It exceeds the capacity only when
 *   all else is pinned or what was asked for is larger than the cache; what is
 *   inserted then is standalone.
 * - Who is on trial lies in a slot like all others; the ring only says who goes first. A slot in
 *   it may have changed hands since.
 * - A visible slot that lies in a frame has left its number there. Shrinking takes
 *   whole chunks by it, since what the clock evicts here and there would free no
 *   chunk for long.
 *
 * Two threads that insert one key at the same instant may both succeed. Blocks are
 * immutable, so this costs the room of one until it ages out; refusing it would
 * cost every insert a lock.
 */
#include "cache/cache.h"

enum life { EMPTY, BUILDING, VISIBLE, INVISIBLE };

enum {
	COUNT_BITS = 31,
	LIFE_SHIFT = 62,
	SLOTS_MIN = 64,
	FRAMES_FROM = 16 << 20, /* capacity from which items lie in frames */
	HEIGHT_MAX = 3,         /* passes of the hand that the hottest item survives */
	HAND_STEP = 8,          /* slots taken from the hand at once */
	HAND_LOOK = 2,          /* the same, before a trial */
	TRIAL_SHARE = 32,       /* slots for each item on trial */
	TRIALS_MIN = 4,
};

#define COUNT_MASK ((1ull << COUNT_BITS) - 1)
#define ACQUIRE_ONE 1ull
#define RELEASE_ONE (1ull << COUNT_BITS)
/* The top bits of both counters; set in both, they cancel. */
#define TOP_BITS ((ACQUIRE_ONE | RELEASE_ONE) << (COUNT_BITS - 1))
#define LIFE(l) ((uint64_t)(l) << LIFE_SHIFT)

struct slot {
	_Alignas(64) _Atomic uint64_t state;
	_Atomic uint64_t number, offset;
	void *data;
	uint64_t size; /* as asked for */
	_Atomic uint32_t displaced;
};
_Static_assert(sizeof(struct slot) == 64, "a slot is a cache line");

struct cache {
	/* Set by cache_new(), then constant. */
	const shale_env *env;
	struct budget *budget;
	struct slot *slots;
	size_t mask; /* slots - 1 */
	size_t occupied_max;
	_Atomic uint32_t *trial; /* numbers of slots, from 1: a ring, the oldest goes first */
	size_t trials;           /* its length, a power of two */

	/* Any thread. */
	_Alignas(64) _Atomic uint64_t used;
	_Atomic uint64_t capacity;
	_Atomic size_t occupied;
	_Alignas(64) _Atomic uint64_t hand;
	_Atomic uint64_t trial_in, trial_out;
	_Atomic bool contested;
	_Atomic int64_t forgotten; /* items, less what was evicted since */
	struct frames frames;
};

struct evicted {
	uint64_t bytes;
	size_t slots;
};

struct probe {
	size_t at, step;
};

static inline enum life life_of(uint64_t state)
{
	return (enum life)(state >> LIFE_SHIFT);
}

static inline uint64_t acquires_of(uint64_t state)
{
	return state & COUNT_MASK;
}

static inline uint64_t releases_of(uint64_t state)
{
	return (state >> COUNT_BITS) & COUNT_MASK;
}

static inline uint64_t pins_of(uint64_t state)
{
	return (acquires_of(state) - releases_of(state)) & COUNT_MASK;
}

/* Double hashing: where to look first and how far to go on. The step is odd, so it meets all. */
static inline struct probe probe_start(const struct cache *c, uint64_t number, uint64_t offset)
{
	unsigned __int128 p = (unsigned __int128)(number ^ 0x9e3779b97f4a7c15ull) *
			      (offset ^ 0xd1342543de82ef95ull);
	uint64_t h = (uint64_t)p ^ (uint64_t)(p >> 64);

	return (struct probe){ (size_t)h & c->mask, (size_t)(h >> 32) | 1 };
}

static inline bool slot_has_key(struct slot *s, uint64_t number, uint64_t offset)
{
	return atomic_load_explicit(&s->offset, memory_order_relaxed) == offset &&
	       atomic_load_explicit(&s->number, memory_order_relaxed) == number;
}

static inline void cache_account(struct cache *c, int64_t bytes)
{
	atomic_fetch_add_explicit(&c->used, (uint64_t)bytes, memory_order_relaxed);
	if (c->budget != NULL)
		budget_add(c->budget, BUDGET_CACHE, bytes);
}

/* ---- lookup and pins ---- */

/* It looks as if the slot had the key; without a pin that may change at once. */
static inline bool slot_shows(struct slot *s, uint64_t number, uint64_t offset)
{
	return slot_has_key(s, number, offset) &&
	       life_of(atomic_load_explicit(&s->state, memory_order_relaxed)) == VISIBLE;
}

/* The slot that shows the key, or NULL; stale at worst: none for what is just being put in. */
static inline struct slot *slot_find(const struct cache *c, uint64_t number, uint64_t offset)
{
	struct probe p = probe_start(c, number, offset);

	for (size_t n = 0; n <= c->mask; n++) {
		struct slot *s = &c->slots[p.at];

		if (slot_shows(s, number, offset))
			return s;
		if (atomic_load_explicit(&s->displaced, memory_order_relaxed) == 0)
			break;
		p.at = (p.at + p.step) & c->mask;
	}
	return NULL;
}

/* Pin the item if the slot still is what it looked like. */
static inline bool slot_pin(struct slot *s, uint64_t number, uint64_t offset,
			    struct cache_item *out)
{
	/* Acquire: pairs with the release store that made the slot VISIBLE. */
	uint64_t old = atomic_fetch_add_explicit(&s->state, ACQUIRE_ONE, memory_order_acquire);

	task_point(false);
	if (unlikely(life_of(old) != VISIBLE))
		return false; /* the owner's store drops what was added */
	if (likely(slot_has_key(s, number, offset))) {
		out->data = s->data;
		out->token = (uintptr_t)s;
		return true;
	}
	/* Release: an eviction that sees no pins must come after the look at the key. */
	atomic_fetch_sub_explicit(&s->state, ACQUIRE_ONE, memory_order_release);
	return false;
}

/* What was evicted meanwhile is a miss, even if two threads had put it in at once. */
bool cache_get(struct cache *c, uint64_t number, uint64_t offset, struct cache_item *out)
{
	struct slot *s = slot_find(c, number, offset);

	return s != NULL && slot_pin(s, number, offset, out);
}

static inline struct slot *hinted(const struct cache *c, const struct cache_hint *hint)
{
	return &c->slots[atomic_load_explicit(&hint->slot, memory_order_relaxed) & c->mask];
}

/* All of a hint is relaxed: its slot is checked like any other, its data is only prefetched. */
void cache_hint_learn(const struct cache *c, struct cache_hint *hint, const struct cache_item *item)
{
	uintptr_t first = (uintptr_t)c->slots, at = (item->token - first) / sizeof(struct slot);

	if (item->token < first || at > c->mask)
		return; /* it is standalone */
	atomic_store_explicit(&hint->slot, (uint32_t)at, memory_order_relaxed);
	atomic_store_explicit(&hint->data, (uintptr_t)item->data, memory_order_relaxed);
}

bool cache_get_hinted(struct cache *c, struct cache_hint *hint, uint64_t number, uint64_t offset,
		      struct cache_item *out)
{
	struct slot *s = hinted(c, hint);

	if (likely(slot_shows(s, number, offset) && slot_pin(s, number, offset, out)))
		return true;
	if (!cache_get(c, number, offset, out))
		return false;
	cache_hint_learn(c, hint, out);
	return true;
}

void cache_prefetch(const struct cache *c, const struct cache_hint *hint, size_t lines)
{
	uintptr_t data = atomic_load_explicit(&hint->data, memory_order_relaxed);

	if (data == 0)
		return;
	/* For writing: a pin follows. What the data has become does not matter. */
	__builtin_prefetch(hinted(c, hint), 1);
	for (size_t i = 0; i < lines; i++)
		__builtin_prefetch((const uint8_t *)data + i * 64);
}

/* Give the memory of an item back. */
static void item_free(struct cache *c, void *data, size_t size)
{
	cache_account(c, -(int64_t)frames_charge(&c->frames, size));
	frames_free(&c->frames, data, size);
}

static void __attribute__((noinline)) standalone_free(struct cache *c, struct slot *s)
{
	item_free(c, s->data, s->size);
	mem_free(c->env, s);
}

void cache_release(struct cache *c, struct cache_item *item)
{
	struct slot *s = (struct slot *)item->token;
	uint64_t old;

	if (item->data == NULL)
		return;
	item->data = NULL;
	item->token = 0;
	/*
	 * Release: this task's reads come before an eviction or a free by another.
	 * Acquire: others' reads come before a free by this one.
	 */
	task_point(false);
	old = atomic_fetch_add_explicit(&s->state, RELEASE_ONE, memory_order_acq_rel);
	DEBUG_ASSERT(pins_of(old) != 0);
	if (unlikely(life_of(old) == INVISIBLE)) {
		if (pins_of(old) == 1)
			standalone_free(c, s);
		return;
	}
	/*
	 * Releases never exceed acquires, so when their top bit is set so is the
	 * other's; dropping both keeps the difference. Long before they overflow.
	 */
	if (unlikely((old & TOP_BITS) == TOP_BITS))
		atomic_fetch_and_explicit(&s->state, ~TOP_BITS, memory_order_relaxed);
}

struct cache_item cache_again(struct cache *c, const struct cache_item *item)
{
	struct slot *s = (struct slot *)item->token;

	(void)c;
	if (item->data != NULL)
		/* Relaxed: the pin that is held orders everything. */
		atomic_fetch_add_explicit(&s->state, ACQUIRE_ONE, memory_order_relaxed);
	return *item;
}

/* ---- visits that leave no trace ---- */

/* As slot_find(), where the hint says first. */
static struct slot *slot_visited(const struct cache *c, const struct cache_hint *hint,
				 uint64_t number, uint64_t offset)
{
	struct slot *s = hinted(c, hint);

	/* Where nobody reads, a merge of many blocks need not bring the slots here. */
	if (atomic_load_explicit(&c->occupied, memory_order_relaxed) == 0)
		return NULL;
	return slot_shows(s, number, offset) ? s : slot_find(c, number, offset);
}

bool cache_has(const struct cache *c, const struct cache_hint *hint, uint64_t number,
	       uint64_t offset)
{
	return slot_visited(c, hint, number, offset) != NULL;
}

bool cache_peek(struct cache *c, const struct cache_hint *hint, uint64_t number, uint64_t offset,
		struct cache_item *out, bool *used)
{
	struct slot *s = slot_visited(c, hint, number, offset);
	uint64_t before;

	if (s == NULL)
		return false;
	before = atomic_load_explicit(&s->state, memory_order_relaxed);
	if (!slot_pin(s, number, offset, out))
		return false;
	/* By releases, which other visits do not add to. */
	*used = releases_of(before) != 0;
	return true;
}

void cache_unpeek(struct cache_item *item)
{
	struct slot *s = (struct slot *)item->token;

	if (item->data == NULL)
		return;
	item->data = NULL;
	item->token = 0;
	task_point(false);
	/* Release: this task's reads come before an eviction by another. */
	atomic_fetch_sub_explicit(&s->state, ACQUIRE_ONE, memory_order_release);
}

void cache_forget(struct cache *c, const struct cache_hint *hint, uint64_t number, uint64_t offset)
{
	struct slot *s = slot_visited(c, hint, number, offset);
	uint64_t old;

	if (s == NULL)
		return;
	old = atomic_load_explicit(&s->state, memory_order_relaxed);
	/* By now it may be a stranger's: then he is less likely to stay, no more than that. */
	if (life_of(old) == VISIBLE && pins_of(old) == 0 &&
	    atomic_compare_exchange_strong_explicit(&s->state, &old, LIFE(VISIBLE),
						    memory_order_relaxed, memory_order_relaxed))
		atomic_fetch_add_explicit(&c->forgotten, 1, memory_order_relaxed);
}

/* ---- eviction ---- */

/* Give a slot that this thread owns (BUILDING) back to the empty ones. */
static void slot_empty(struct cache *c, struct slot *s)
{
	uint64_t number = atomic_load_explicit(&s->number, memory_order_relaxed);
	uint64_t offset = atomic_load_explicit(&s->offset, memory_order_relaxed);
	struct probe p = probe_start(c, number, offset);

	while (&c->slots[p.at] != s) {
		atomic_fetch_sub_explicit(&c->slots[p.at].displaced, 1, memory_order_relaxed);
		p.at = (p.at + p.step) & c->mask;
	}
	/* Release: pairs with the acquire of the next owner. */
	atomic_store_explicit(&s->state, LIFE(EMPTY), memory_order_release);
}

/* Take a slot that nothing pins out of the cache and free its item. */
static bool slot_evict(struct cache *c, struct slot *s, uint64_t old, struct evicted *got)
{
	size_t size;
	void *data;

	task_point(false);
	/* Acquire: pairs with the releases of all who had it pinned. */
	if (!atomic_compare_exchange_strong_explicit(&s->state, &old, LIFE(BUILDING),
						     memory_order_acquire, memory_order_relaxed))
		return false;
	size = s->size;
	data = s->data;
	s->data = NULL;
	slot_empty(c, s);
	atomic_fetch_sub_explicit(&c->occupied, 1, memory_order_relaxed);
	if (atomic_load_explicit(&c->forgotten, memory_order_relaxed) > 0)
		atomic_fetch_sub_explicit(&c->forgotten, 1, memory_order_relaxed);
	item_free(c, data, size);
	got->bytes += frames_charge(&c->frames, size);
	got->slots++;
	return true;
}

/* One touch of the hand. True if the slot was aged or taken. */
static bool slot_visit(struct cache *c, struct slot *s, struct evicted *got)
{
	uint64_t old = atomic_load_explicit(&s->state, memory_order_relaxed);
	uint64_t height = acquires_of(old);

	if (life_of(old) != VISIBLE || pins_of(old) != 0)
		return false;
	if (height == 0)
		return slot_evict(c, s, old, got);
	height = (height < HEIGHT_MAX ? height : HEIGHT_MAX) - 1;
	return atomic_compare_exchange_strong_explicit(&s->state, &old,
						       LIFE(VISIBLE) | height * ACQUIRE_ONE |
							       height * RELEASE_ONE,
						       memory_order_relaxed, memory_order_relaxed);
}

/* Move the hand over n slots. How many of them were aged or taken. */
static size_t hand_move(struct cache *c, uint64_t n, struct evicted *got)
{
	uint64_t at = atomic_fetch_add_explicit(&c->hand, n, memory_order_relaxed);
	size_t touched = 0;

	for (uint64_t i = 0; i < n; i++)
		touched += slot_visit(c, &c->slots[(at + i) & c->mask], got);
	return touched;
}

/*
 * Move the hand until `bytes` and at least one slot are freed. False when once
 * around there was nothing to age or to take.
 */
static bool cache_evict(struct cache *c, uint64_t bytes)
{
	struct evicted got = { 0, 0 };
	size_t idle = 0;

	while (got.slots == 0 || got.bytes < bytes) {
		idle = hand_move(c, HAND_STEP, &got) != 0 ? 0 : idle + HAND_STEP;
		if (idle > c->mask)
			return false;
	}
	return true;
}

/* ---- trial ---- */

/* The item of a slot that has just been shown has yet to prove itself. */
static void trial_begin(struct cache *c, const struct slot *s)
{
	uint64_t at = atomic_fetch_add_explicit(&c->trial_in, 1, memory_order_relaxed);

	atomic_store_explicit(&c->trial[at & (c->trials - 1)], (uint32_t)(s - c->slots) + 1,
			      memory_order_relaxed);
}

/*
 * End the oldest trial: the item is evicted, unless somebody has asked for it again. By now the
 * slot may have a stranger's, who then goes a little early if nobody has asked for him either.
 */
static bool trial_end(struct cache *c)
{
	uint64_t out = atomic_load_explicit(&c->trial_out, memory_order_relaxed);
	struct evicted got = { 0, 0 };
	struct slot *s;
	uint64_t old;
	uint32_t slot;

	do {
		/* Half of the ring: those that many gets at once put in follow later. */
		if (atomic_load_explicit(&c->trial_in, memory_order_relaxed) - out <= c->trials / 2)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&c->trial_out, &out, out + 1,
							memory_order_relaxed,
							memory_order_relaxed));
	slot = atomic_exchange_explicit(&c->trial[out & (c->trials - 1)], 0, memory_order_relaxed);
	if (slot == 0)
		return false;
	s = &c->slots[slot - 1];
	old = atomic_load_explicit(&s->state, memory_order_relaxed);
	return life_of(old) == VISIBLE && pins_of(old) == 0 && releases_of(old) <= 1 &&
	       slot_evict(c, s, old, &got);
}

/*
 * Evict something. If the next slots hold nothing that has aged out, most of what is here is in use
 * and what comes is no better than that: it is put on trial, and takes the place of who was on
 * trial longest. Unless there are items somewhere that nobody will ask for: they go first.
 */
static bool give_way(struct cache *c, uint64_t bytes)
{
	bool spare = atomic_load_explicit(&c->forgotten, memory_order_relaxed) > 0;
	struct evicted got = { 0, 0 };

	if (!spare)
		hand_move(c, HAND_LOOK, &got);
	atomic_store_explicit(&c->contested, !spare && got.slots == 0, memory_order_relaxed);
	return got.slots != 0 || (!spare && trial_end(c)) || cache_evict(c, bytes);
}

/* Free a whole chunk after another until `used` is within the capacity. */
static __attribute__((noinline)) void evict_chunks(struct cache *c, uint64_t capacity)
{
	struct frames_owned owned[FRAMES_CHUNK_FRAMES];
	struct evicted got = { 0, 0 };
	struct frames_turns turns = { 0, 0 };
	bool more = true;

	while (cache_used(c) > capacity) {
		size_t n = frames_next_chunk(&c->frames, &turns, owned, &more);

		if (!more)
			return;
		for (size_t i = 0; i < n; i++) {
			struct slot *s = &c->slots[(owned[i].owner - 1) & c->mask];
			uint64_t old = atomic_load_explicit(&s->state, memory_order_relaxed);

			/* Whatever it holds by now; mostly that frame. */
			if (life_of(old) == VISIBLE && pins_of(old) == 0)
				slot_evict(c, s, old, &got);
		}
	}
}

/* ---- memory of items ---- */

/* Evict until `charge` more fits, if it can be. */
static void room_make(struct cache *c, uint64_t charge)
{
	for (;;) {
		uint64_t capacity = atomic_load_explicit(&c->capacity, memory_order_relaxed);
		uint64_t used = cache_used(c);

		if (charge > capacity || used + charge <= capacity ||
		    !give_way(c, used + charge - capacity))
			return;
	}
}

void *cache_alloc(struct cache *c, size_t n)
{
	uint64_t charge = frames_charge(&c->frames, n);
	void *data;

	room_make(c, charge);
	data = frames_alloc(&c->frames, n);
	if (data != NULL)
		cache_account(c, (int64_t)charge);
	return data;
}

void cache_discard(struct cache *c, void *data, size_t n)
{
	if (data != NULL)
		item_free(c, data, n);
}

/* ---- insertion ---- */

/* Own an empty slot on the key's way; NULL if there is none. */
static struct slot *slot_claim(struct cache *c, uint64_t number, uint64_t offset)
{
	struct probe p = probe_start(c, number, offset);

	for (size_t n = 0; n <= c->mask; n++) {
		struct slot *s = &c->slots[p.at];
		uint64_t old = atomic_load_explicit(&s->state, memory_order_relaxed);

		/* A strayed acquire may change the word of an empty slot: try again then. */
		while (life_of(old) == EMPTY)
			if (atomic_compare_exchange_weak_explicit(&s->state, &old, LIFE(BUILDING),
								  memory_order_acquire,
								  memory_order_relaxed))
				return s;
		atomic_fetch_add_explicit(&s->displaced, 1, memory_order_relaxed);
		p.at = (p.at + p.step) & c->mask;
	}
	/* Around without success: each slot was passed once. */
	for (size_t i = 0; i <= c->mask; i++)
		atomic_fetch_sub_explicit(&c->slots[i].displaced, 1, memory_order_relaxed);
	return NULL;
}

static bool insert_standalone(struct cache *c, void *data, size_t n, struct cache_item *out)
{
	struct slot *s = mem_aligned(c->env, 64, sizeof(*s));

	if (s == NULL)
		return false;
	memset(s, 0, sizeof(*s));
	s->data = data;
	s->size = n;
	atomic_init(&s->state, LIFE(INVISIBLE) | ACQUIRE_ONE);
	*out = (struct cache_item){ data, (uintptr_t)s };
	return true;
}

/* Count one slot more, if one may be taken. */
static bool slots_left(struct cache *c)
{
	size_t occupied = atomic_load_explicit(&c->occupied, memory_order_relaxed);

	do {
		while (occupied >= c->occupied_max) {
			if (!give_way(c, 0))
				return false;
			occupied = atomic_load_explicit(&c->occupied, memory_order_relaxed);
		}
	} while (!atomic_compare_exchange_weak_explicit(&c->occupied, &occupied, occupied + 1,
							memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

/* A slot that this thread owns now, for an item; NULL: there is no room. */
static struct slot *slot_own(struct cache *c, uint64_t number, uint64_t offset)
{
	struct slot *s;

	if (cache_used(c) > atomic_load_explicit(&c->capacity, memory_order_relaxed) ||
	    !slots_left(c))
		return NULL;
	s = slot_claim(c, number, offset);
	if (s == NULL)
		atomic_fetch_sub_explicit(&c->occupied, 1, memory_order_relaxed);
	return s;
}

/* Make the owned slot visible, with a state of as many pins and as much height as told. */
static void slot_show(struct cache *c, struct slot *s, uint64_t number, uint64_t offset, void *data,
		      size_t n, uint64_t counters)
{
	atomic_store_explicit(&s->number, number, memory_order_relaxed);
	atomic_store_explicit(&s->offset, offset, memory_order_relaxed);
	s->data = data;
	s->size = n;
	frames_own(&c->frames, data, n, (uint32_t)(s - c->slots) + 1);
	atomic_store_explicit(&s->state, LIFE(VISIBLE) | counters, memory_order_release);
}

bool cache_insert(struct cache *c, uint64_t number, uint64_t offset, void *data, size_t n,
		  bool keep, struct cache_item *out)
{
	struct slot *s;

	if (keep && cache_get(c, number, offset, out)) {
		item_free(c, data, n);
		return true;
	}
	s = keep ? slot_own(c, number, offset) : NULL;
	if (s == NULL)
		return insert_standalone(c, data, n, out);
	/*
	 * Height one after its release: what is read once, as by a scan, survives
	 * one touch of the hand, and what is read again survives more.
	 */
	slot_show(c, s, number, offset, data, n, ACQUIRE_ONE);
	if (atomic_load_explicit(&c->contested, memory_order_relaxed))
		trial_begin(c, s);
	*out = (struct cache_item){ data, (uintptr_t)s };
	return true;
}

void cache_offer(struct cache *c, uint64_t number, uint64_t offset, void *data, size_t n)
{
	struct slot *s = slot_own(c, number, offset);

	if (s != NULL)
		slot_show(c, s, number, offset, data, n, 0);
	else
		item_free(c, data, n);
}

/* ---- life of the cache ---- */

/* The slots, and the ring behind them. */
static size_t array_bytes(const struct cache *c)
{
	return (c->mask + 1) * sizeof(struct slot) + c->trials * sizeof(c->trial[0]);
}

shale_status cache_new(const shale_env *env, uint64_t capacity, size_t item_bytes,
		       struct budget *budget, struct cache **out)
{
	struct cache *c = mem_aligned(env, 64, sizeof(*c));
	uint64_t items = capacity / (item_bytes != 0 ? item_bytes : 1);
	size_t slots = SLOTS_MIN;

	if (c == NULL)
		return err_memory("the block cache");
	/* At most seven tenths full when items are as large as expected. */
	while (slots - slots * 3 / 10 < items && slots < SIZE_MAX / (4 * sizeof(struct slot)))
		slots *= 2;
	memset(c, 0, sizeof(*c));
	c->mask = slots - 1;
	c->trials = slots / TRIAL_SHARE > TRIALS_MIN ? slots / TRIAL_SHARE : TRIALS_MIN;
	c->slots = mem_aligned(env, 64, array_bytes(c));
	if (c->slots == NULL) {
		mem_free(env, c);
		return err_memory("the slots of the block cache");
	}
	memset(c->slots, 0, array_bytes(c));
	c->trial = (_Atomic uint32_t *)(c->slots + slots);
	c->env = env;
	frames_init(&c->frames, env, MEM_PAGES_HIDE_ERRORS || capacity < FRAMES_FROM);
	c->budget = budget;
	c->occupied_max = slots - slots / 8;
	atomic_init(&c->capacity, capacity);
	if (budget != NULL)
		budget_add(budget, BUDGET_OTHER, (int64_t)array_bytes(c));
	*out = c;
	return SHALE_OK;
}

void cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i <= c->mask; i++) {
		struct slot *s = &c->slots[i];
		uint64_t state = atomic_load_explicit(&s->state, memory_order_acquire);

		if (life_of(state) == EMPTY)
			continue;
		ASSERT(life_of(state) == VISIBLE && pins_of(state) == 0);
		item_free(c, s->data, s->size);
	}
	ASSERT(cache_used(c) == 0); /* else a standalone item is pinned */
	if (c->budget != NULL)
		budget_add(c->budget, BUDGET_OTHER, -(int64_t)array_bytes(c));
	frames_fini(&c->frames);
	mem_free(c->env, c->slots);
	mem_free(c->env, c);
}

void cache_set_capacity(struct cache *c, uint64_t capacity)
{
	uint64_t used;

	atomic_store_explicit(&c->capacity, capacity, memory_order_relaxed);
	atomic_store_explicit(&c->contested, false, memory_order_relaxed);
	if (!c->frames.heap_only && cache_used(c) > capacity)
		evict_chunks(c, capacity);
	used = cache_used(c);
	if (used > capacity)
		cache_evict(c, used - capacity);
}

uint64_t cache_used(const struct cache *c)
{
	return atomic_load_explicit(&c->used, memory_order_relaxed);
}

uint64_t cache_slack(struct cache *c)
{
	return frames_slack(&c->frames);
}
