/*
 * A bucket is one number: the time at which it is level, neither saved nor owed.
 * Taking moves it forward by what the piece costs at the rate; if it lies in the
 * future the taker sleeps until then. Behind now it is what a pause saved, and is
 * kept within BURST_NS. So takers queue up in order of their due times, and one
 * piece may be larger than the bucket.
 */
#include "env/rate.h"

static const uint64_t BURST_NS = 100000000; /* 100 ms */
static const uint64_t POLL_NS = 20000000;
static const uint64_t SECOND_NS = 1000000000;

/* a * b / c, held at UINT64_MAX. */
static uint64_t muldiv(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 v = (unsigned __int128)a * b / c;

	return v < UINT64_MAX ? (uint64_t)v : UINT64_MAX;
}

static uint64_t later(uint64_t t, uint64_t ns)
{
	return ns < UINT64_MAX - t ? t + ns : UINT64_MAX;
}

/* A due time reckoned at one rate, as it is at another. */
static uint64_t rescale(uint64_t due, uint64_t now, uint64_t from, uint64_t to)
{
	if (due <= now || to == 0)
		return due <= now ? due : now;
	return from == to ? due : later(now, muldiv(due - now, from, to));
}

void rate_init(struct rate *r, const shale_env *env, uint64_t bytes_per_s, uint64_t ops_per_s)
{
	r->env = env;
	atomic_init(&r->bytes_per_s, bytes_per_s);
	atomic_init(&r->ops_per_s, ops_per_s);
	atomic_init(&r->bytes, 0);
	atomic_init(&r->ops, 0);
	atomic_init(&r->wait_ns, 0);
	mutex_init(&r->mu, env, RANK_RATE);
	r->bytes_due_ns = r->ops_due_ns = env_now_ns(env);
	cond_init(&r->changed);
}

/* Relaxed throughout: a taker that misses a change of the limits takes as if before it. */
static uint64_t limit(_Atomic uint64_t *per_s)
{
	return atomic_load_explicit(per_s, memory_order_relaxed);
}

static void set(_Atomic uint64_t *per_s, uint64_t *due, uint64_t now, uint64_t to)
{
	uint64_t from = limit(per_s);

	*due = from == 0 ? now : rescale(*due, now, from, to);
	atomic_store_explicit(per_s, to, memory_order_relaxed);
}

void rate_set(struct rate *r, uint64_t bytes_per_s, uint64_t ops_per_s)
{
	uint64_t now = env_now_ns(r->env);

	mutex_lock(&r->mu);
	set(&r->bytes_per_s, &r->bytes_due_ns, now, bytes_per_s);
	set(&r->ops_per_s, &r->ops_due_ns, now, ops_per_s);
	mutex_unlock(&r->mu);
	cond_broadcast(&r->changed, r->env);
}

static void count(_Atomic uint64_t *sum, uint64_t n)
{
	atomic_fetch_add_explicit(sum, n, memory_order_relaxed);
}

static bool poll(const struct rate_user *u)
{
	return u->poll == NULL || u->poll(u->arg);
}

/* Wait a little, or until the limits change; with mu held, which this releases meanwhile. */
static bool wait_some(const struct rate_user *u, uint64_t ns)
{
	struct rate *r = u->rate;
	bool on;

	if (u->poll == NULL) {
		cond_wait_ns(&r->changed, &r->mu, ns);
		return true;
	}
	cond_wait_ns(&r->changed, &r->mu, ns < POLL_NS ? ns : POLL_NS);
	mutex_unlock(&r->mu);
	on = poll(u);
	mutex_lock(&r->mu);
	return on;
}

/* With mu held, which this releases while it waits. False: the user waits no more. */
static bool take(const struct rate_user *u, _Atomic uint64_t *per_s, uint64_t *bucket, uint64_t n)
{
	const shale_env *env = u->rate->env;
	uint64_t rate = limit(per_s), now, due, began;
	bool on = true;

	if (rate == 0 || n == 0)
		return true;
	began = now = env_now_ns(env);
	due = later(*bucket, BURST_NS) < now ? now - BURST_NS : *bucket;
	due = *bucket = later(due, muldiv(n, SECOND_NS, rate));
	while (due > now && on) {
		uint64_t rate_now;

		on = wait_some(u, due - now);
		now = env_now_ns(env);
		rate_now = limit(per_s);
		due = rescale(due, now, rate, rate_now);
		rate = rate_now;
	}
	count(&u->rate->wait_ns, now - began);
	return on;
}

void rate_take(const struct rate_user *u, uint64_t bytes, uint64_t ops)
{
	struct rate *r = u != NULL ? u->rate : NULL;

	if (r == NULL)
		return;
	count(&r->bytes, bytes);
	count(&r->ops, ops);
	if (!poll(u) || (limit(&r->bytes_per_s) == 0 && limit(&r->ops_per_s) == 0))
		return;
	mutex_lock(&r->mu);
	if (take(u, &r->bytes_per_s, &r->bytes_due_ns, bytes))
		(void)take(u, &r->ops_per_s, &r->ops_due_ns, ops);
	mutex_unlock(&r->mu);
}
