/*
 * The Zipf draw is the closed form of Gray et al. ("Quickly generating billion-
 * record synthetic databases", 1994): with u uniform, rank n * (eta*u - eta + 1)^alpha,
 * alpha = 1 / (1 - theta). For theta = 0.99 alpha is 100, so the power is a few
 * multiplications. A rank is turned into a user by a multiplication that is a
 * permutation modulo EVENT_USERS: the busiest users are not neighbours.
 */
#include "job/event.h"

#include <math.h>

static const double EVENT_THETA = 0.99;
static const uint64_t EVENT_TIME_FIRST = 1700000000000000; /* microseconds */
static const uint64_t EVENT_TIME_STEP = 2500;              /* between two events, on average */
/* Odd and no multiple of five: has no factor in common with a power of ten. */
static const uint64_t EVENT_SPREAD = 7368787;

struct phrase {
	const char *text;
	uint32_t size;
};

#define PHRASE(text)                                                                               \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static const struct phrase pages[16] = {
	PHRASE("/"),
	PHRASE("/search?q=garden+chair&sort=price&page="),
	PHRASE("/item/"),
	PHRASE("/item/similar/"),
	PHRASE("/basket/"),
	PHRASE("/news/2023/november/"),
	PHRASE("/help/returns/"),
	PHRASE("/category/outdoor/furniture/"),
	PHRASE("/category/kitchen/"),
	PHRASE("/account/orders/"),
	PHRASE("/reviews/"),
	PHRASE("/item/pictures/"),
	PHRASE("/offers/weekly/"),
	PHRASE("/stores/near/"),
	PHRASE("/category/books/science-and-nature/"),
	PHRASE("/guides/how-to-choose-a-lamp/step/"),
};

static const struct phrase referrers[8] = {
	PHRASE(""),
	PHRASE("https://search.example/"),
	PHRASE("https://news.example.org/weekend/homes-and-gardens"),
	PHRASE("https://shop.example/"),
	PHRASE("https://mail.example.net/campaign/autumn-letter"),
	PHRASE("app"),
	PHRASE("https://shop.example/category/outdoor"),
	PHRASE("https://video.example/watch/unboxing-the-new-lamp"),
};

static const char key_start[] = "user:";
static const char value_time[] = "{\"t\":", value_page[] = ",\"page\":\"",
		  value_ref[] = "\",\"ref\":\"",
		  value_ms[] = "\",\"ms\":", value_view[] = ",\"view\":\"";

static double power_100(double x)
{
	double x2 = x * x, x4 = x2 * x2, x8 = x4 * x4, x16 = x8 * x8, x32 = x16 * x16;

	return x32 * x32 * x32 * x4;
}

void event_source_init(struct event_source *s, uint64_t seed)
{
	double n = EVENT_USERS, zeta2 = 1 + pow(0.5, EVENT_THETA);

	s->seed = seed * 0xd1342543de82ef95ull + 1;
	s->zeta = 0;
	for (uint64_t i = 1; i <= EVENT_USERS; i++)
		s->zeta += pow(1.0 / (double)i, EVENT_THETA);
	s->eta = (1 - pow(2 / n, 1 - EVENT_THETA)) / (1 - zeta2 / s->zeta);
	s->half = zeta2;
}

static uint64_t zipf_rank(const struct event_source *s, uint64_t random)
{
	double u = (double)(random >> 11) * 0x1p-53, uz = u * s->zeta;
	uint64_t rank;

	if (uz < 1)
		return 0;
	if (uz < s->half)
		return 1;
	rank = (uint64_t)(EVENT_USERS * power_100(s->eta * u - s->eta + 1));
	return rank < EVENT_USERS ? rank : EVENT_USERS - 1;
}

/* ---- text ---- */

static char *put(char *p, const char *text, size_t size)
{
	memcpy(p, text, size);
	return p + size;
}

/* Exactly `width` digits. */
static char *put_digits(char *p, uint64_t n, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		p[i] = (char)('0' + n % 10);
		n /= 10;
	}
	return p + width;
}

static char *put_number(char *p, uint64_t n)
{
	int width = 1;

	for (uint64_t m = n; m >= 10; m /= 10)
		width++;
	return put_digits(p, n, width);
}

static char *put_hex(char *p, uint64_t n)
{
	for (int i = 0; i < 16; i++)
		*p++ = "0123456789abcdef"[(n >> (4 * i)) & 15];
	return p;
}

void event_make(const struct event_source *s, uint64_t i, struct event *e)
{
	uint64_t x = s->seed + i * 0xa0761d6478bd642full, a, b;
	uint64_t user = (zipf_rank(s, event_mix(&x)) * EVENT_SPREAD + 1) % EVENT_USERS, time;
	const struct phrase *page, *ref;
	char *p = e->key;

	a = event_mix(&x);
	b = event_mix(&x);
	time = EVENT_TIME_FIRST + i * EVENT_TIME_STEP + (a & 0xffff) % EVENT_TIME_STEP;
	page = &pages[a >> 60];
	ref = &referrers[a >> 57 & 7];

	p = put(p, key_start, sizeof(key_start) - 1);
	p = put_digits(p, user, 7);
	*p++ = ':';
	put_digits(p, time, 16);

	p = e->value;
	p = put(p, value_time, sizeof(value_time) - 1);
	p = put_digits(p, time, 16);
	p = put(p, value_page, sizeof(value_page) - 1);
	p = put(p, page->text, page->size);
	p = put_digits(p, (a >> 16 & 0xffffffff) % 100000, 5);
	p = put(p, value_ref, sizeof(value_ref) - 1);
	p = put(p, ref->text, ref->size);
	p = put(p, value_ms, sizeof(value_ms) - 1);
	p = put_number(p, 5 + (b & 0xffff) % 2000);
	p = put(p, value_view, sizeof(value_view) - 1);
	p = put_hex(p, b);
	p = put(p, "\"}", 2);
	e->value_size = (uint32_t)(p - e->value);
}

bool event_number(shale_slice key, uint64_t *i)
{
	const char *p = key.data;
	uint64_t time = 0;

	if (key.size != EVENT_KEY_SIZE || memcmp(p, key_start, sizeof(key_start) - 1) ||
	    p[EVENT_PREFIX_SIZE - 1] != ':')
		return false;
	for (int k = EVENT_PREFIX_SIZE; k < EVENT_KEY_SIZE; k++) {
		if (p[k] < '0' || p[k] > '9')
			return false;
		time = time * 10 + (uint64_t)(p[k] - '0');
	}
	if (time < EVENT_TIME_FIRST)
		return false;
	*i = (time - EVENT_TIME_FIRST) / EVENT_TIME_STEP;
	return true;
}

bool event_is(const struct event_source *s, uint64_t i, shale_slice key, shale_slice value)
{
	struct event e;

	event_make(s, i, &e);
	return key.size == EVENT_KEY_SIZE && !memcmp(key.data, e.key, EVENT_KEY_SIZE) &&
	       value.size == e.value_size && !memcmp(value.data, e.value, e.value_size);
}
