/*
 * Clicks made from a seed. Event i is a function of the seed and i alone, so
 * whoever reads an event can make it again and compare, and no table of what was
 * written is needed. Users are drawn by a Zipf distribution (theta 0.99, as web
 * traffic is usually modelled); times grow strictly, so a time tells its i.
 *
 * Thread: an event_source is constant after its init.
 */
#ifndef TOOLS_JOB_EVENT_H
#define TOOLS_JOB_EVENT_H

#include <shale/shale.h>

enum {
	EVENT_USERS = 1000000,
	EVENT_KEY_SIZE = 29,    /* user:0123456:1700000000000000 */
	EVENT_PREFIX_SIZE = 13, /* of these, all that one user's keys share */
	EVENT_VALUE_MAX = 256,
};

struct event_source {
	uint64_t seed;
	double zeta, eta, half; /* of the Zipf draw, see event.c */
};

struct event {
	char key[EVENT_KEY_SIZE];
	uint32_t value_size;
	char value[EVENT_VALUE_MAX];
};

void event_source_init(struct event_source *s, uint64_t seed);
void event_make(const struct event_source *s, uint64_t i, struct event *e);
/* The i of an event by its key; false unless the key could be one's. */
bool event_number(shale_slice key, uint64_t *i);
/* Whether the entry is event i to the last byte. */
bool event_is(const struct event_source *s, uint64_t i, shale_slice key, shale_slice value);

/* The next of a sequence of well-mixed numbers (splitmix64). */
static inline uint64_t event_mix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Uniform in [0, n). */
static inline uint64_t event_below(uint64_t *x, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)event_mix(x) * n) >> 64);
}

#endif
