/*
 * Images of a moment: the disk as a power cut at this call might leave it (nothing
 * unsynced; all; each pending operation left out, alone, or torn; prefixes in order;
 * any subset), and as the death of the process leaves it.
 *
 * One disk is kept once. When it is met again, also after it was recovered, what is
 * asked of it is what both moments ask: so a write acknowledged too early, with no
 * call between that and the next one, shows.
 */
#include "crash/image.h"

#include "env/names.h"

enum { EACH_MAX = 24, SUBSETS = 12, PREFIXES = 6 };

/* ---- sets of hashes ---- */

static void set_grow(struct hash_set *s)
{
	struct hash_set more = { .capacity = s->capacity != 0 ? 2 * s->capacity : 1 << 16 };

	more.slot = calloc(more.capacity, sizeof(*more.slot));
	assert_non_null(more.slot);
	for (size_t i = 0; i < s->capacity; i++)
		if (s->slot[i] != 0)
			hash_set_add(&more, s->slot[i]);
	free(s->slot);
	*s = more;
}

bool hash_set_add(struct hash_set *s, uint64_t hash)
{
	size_t at;

	hash += hash == 0;
	if (s->count * 10 >= s->capacity * 7)
		set_grow(s);
	for (at = hash & (s->capacity - 1); s->slot[at] != 0; at = (at + 1) & (s->capacity - 1))
		if (s->slot[at] == hash)
			return false;
	s->slot[at] = hash;
	s->count++;
	return true;
}

void hash_set_fini(struct hash_set *s)
{
	free(s->slot);
	*s = (struct hash_set){ 0 };
}

/* ---- images of a run ---- */

void harvest_init(struct harvest *h)
{
	*h = (struct harvest){ .capacity = 1024, .slots = 1 << 14 };
	h->image = calloc(h->capacity, sizeof(*h->image));
	h->slot = calloc(h->slots, sizeof(*h->slot));
}

void harvest_fini(struct harvest *h)
{
	for (size_t i = 0; i < h->count; i++)
		sim_fs_free(h->image[i].fs);
	free(h->image);
	free(h->slot);
}

static size_t slot_of(const struct harvest *h, uint64_t hash, bool power)
{
	size_t at = hash & (h->slots - 1);

	while (h->slot[at] != 0 &&
	       (h->image[h->slot[at] - 1].hash != hash || h->image[h->slot[at] - 1].power != power))
		at = (at + 1) & (h->slots - 1);
	return at;
}

static void harvest_grow(struct harvest *h)
{
	h->capacity *= 2;
	h->image = realloc(h->image, h->capacity * sizeof(*h->image));
	assert_non_null(h->image);
	free(h->slot);
	h->slots = h->capacity * 4;
	h->slot = calloc(h->slots, sizeof(*h->slot));
	for (size_t i = 0; i < h->count; i++)
		h->slot[slot_of(h, h->image[i].hash, h->image[i].power)] = (uint32_t)i + 1;
}

/* Both moments ask: at least what either asks, at most what both allow. */
static void demand_join(struct demand *to, const struct demand *d)
{
	to->synced = d->synced > to->synced ? d->synced : to->synced;
	to->acked = d->acked > to->acked ? d->acked : to->acked;
	to->begun = d->begun < to->begun ? d->begun : to->begun;
	to->made = d->made > to->made ? d->made : to->made;
	to->making = d->making < to->making ? d->making : to->making;
	to->set = d->set > to->set ? d->set : to->set;
	to->setting = d->setting < to->setting ? d->setting : to->setting;
}

static void harvest_add(struct harvest *h, const struct image *image)
{
	size_t at = slot_of(h, image->hash, image->power);

	if (h->slot[at] != 0) {
		struct image *same = &h->image[h->slot[at] - 1];

		demand_join(&same->demand, &image->demand);
		sim_fs_free(image->fs);
		return;
	}
	h->image[h->count++] = *image;
	h->slot[at] = (uint32_t)h->count;
	h->fresh++;
	if (h->count == h->capacity)
		harvest_grow(h);
}

/* ---- taking ---- */

static void take(struct run *r, struct sim_fs *fs, enum sim_crash mode, uint64_t choice)
{
	struct image image = { .mode = mode,
			       .choice = choice,
			       .call = r->call,
			       .demand = r->now,
			       .first = r->now,
			       .max_number = r->max_number,
			       .power = mode != SIM_CRASH_PROCESS };

	image.fs = sim_fs_image(fs, mode, choice);
	image.hash = sim_fs_hash(image.fs);
	r->totals->candidates++;
	harvest_add(&r->harvest, &image);
}

/* Of the disk, and of what is asked of it: a moment that adds nothing is passed by. */
static uint64_t moment_key(const struct run *r, struct sim_fs *fs, uint64_t pending)
{
	const struct demand *d = &r->now;
	uint64_t x[] = { sim_fs_hash(fs), pending,   d->synced, d->acked,  d->begun,
			 d->made,         d->making, d->set,    d->setting };
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++) {
		h ^= x[i] + i;
		h = rand_split(&h);
	}
	return h;
}

void take_all(struct run *r, struct sim_fs *fs)
{
	static const enum sim_crash each[] = { SIM_CRASH_OMIT_ONE, SIM_CRASH_ONLY_ONE,
					       SIM_CRASH_TEAR_ONE };
	uint64_t n = sim_fs_pending(fs), key = moment_key(r, fs, n);
	uint64_t some = n < EACH_MAX ? n : EACH_MAX;

	if (key == r->last_key) {
		if (n != 0)
			take(r, fs, SIM_CRASH_CHAOS, rand_next(&r->choice));
		return;
	}
	r->last_key = key;
	take(r, fs, SIM_CRASH_NONE_UNSYNCED, 0);
	take(r, fs, SIM_CRASH_PROCESS, 0);
	if (n == 0)
		return;
	take(r, fs, SIM_CRASH_ALL, 0);
	for (size_t m = 0; m < sizeof(each) / sizeof(each[0]); m++)
		for (uint64_t i = 0; i < some; i++)
			take(r, fs, each[m], n <= EACH_MAX ? i : rand_below(&r->choice, n));
	for (int i = 0; i < PREFIXES; i++)
		take(r, fs, SIM_CRASH_ORDERED, rand_next(&r->choice));
	for (int i = 0; i < SUBSETS; i++)
		take(r, fs, SIM_CRASH_CHAOS, rand_next(&r->choice));
}

void note_number(uint64_t *max, const char *name)
{
	const char *last = strrchr(name, '/');
	enum object_kind kind;
	uint64_t number;

	if (object_name_parse(last != NULL ? last + 1 : name, &kind, &number) && number > *max)
		*max = number;
}
