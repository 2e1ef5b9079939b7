/*
 * Three things make the limit of the moment.
 *
 * What was set: the limits of the first window of the day that the wall clock lies in,
 * else the plain ones. The clock is read anew each time and nothing is remembered, so
 * that a jump of it needs no care.
 *
 * The foreground, where a target is set: additive increase, multiplicative decrease.
 * Every STEP_NS the 99th percentile of the calls since is compared; a period with few
 * calls is made longer, and where there still are few, nobody is in the way. Being
 * lowered the limit starts from what merges really did if that is less, since a limit
 * that does not bind is no measure. It does not fall below twice what flushes write
 * (what is flushed is read and written at least once more) and what pays off the debt in
 * PAY_S: debt has a bound then, however often its bytes are merged.
 *
 * Urgency: with pressure p, of what it can be at most, limits are divided by 1 - 2p, and
 * gone from one half on. Delays of writers begin at 0 and a stop lies beyond 1, so that
 * merges go at full speed long before that.
 */
#include "compact/pace.h"

enum { SAMPLES_MIN = 32, MINUTES_A_DAY = 1440, MS_A_MINUTE = 60000 };

#define STEP_NS UINT64_C(250000000)
#define STEP_LONG_NS UINT64_C(4000000000)  /* with few calls */
#define STEP_LOST_NS UINT64_C(10000000000) /* nobody looked: what was counted is too old */
#define FLUSH_S 60.0
#define PAY_S 60.0

#define NONE UINT64_MAX
#define LOWER 0.7
#define LEAST ((uint64_t)1 << 20) /* bytes a second, for all that is lowered */
#define STEP_LEAST ((uint64_t)64 << 10)
#define STEP_OPEN ((uint64_t)2 << 20)  /* where no limit is set */
#define OPEN_AGAIN ((uint64_t)1 << 30) /* there, from here on it is none again */

void pace_init(struct pace *p)
{
	static const shale_rate none = SHALE_RATE_INIT;

	memset(p, 0, sizeof(*p));
	p->set = none;
	p->bytes_per_s = NONE;
}

void pace_set(struct pace *p, const shale_rate *rate)
{
	p->set = *rate;
	/* What was found out under another target holds no more. */
	p->bytes_per_s = NONE;
	p->at_ns = p->p99_ns = 0;
	(void)latency_take_p99(&p->latency);
	atomic_store_explicit(&p->latency.on, rate->target_p99_us != 0, memory_order_relaxed);
}

static bool window_has(const shale_rate_window *w, uint32_t minute)
{
	if (w->from_min <= w->to_min)
		return minute >= w->from_min && minute < w->to_min;
	return minute >= w->from_min || minute < w->to_min;
}

struct pace_limits pace_set_now(const shale_rate *rate, uint64_t wall_ms)
{
	uint32_t minute = (uint32_t)(wall_ms / MS_A_MINUTE % MINUTES_A_DAY);

	for (int i = 0; i < SHALE_RATE_WINDOWS; i++)
		if (window_has(&rate->window[i], minute))
			return (struct pace_limits){ rate->window[i].bytes_per_s,
						     rate->window[i].ops_per_s };
	return (struct pace_limits){ rate->bytes_per_s, rate->ops_per_s };
}

/* ---- the foreground ---- */

static uint64_t floor_of(const struct pace *p, const struct pace_look *look)
{
	double least = 2 * p->flush_rate + 2 * (double)look->debt / PAY_S;

	return least > (double)LEAST ? (uint64_t)least : LEAST;
}

static void lower(struct pace *p, uint64_t least, double merged_per_s)
{
	uint64_t from = p->bytes_per_s, to;

	if (merged_per_s < (double)from)
		from = (uint64_t)merged_per_s;
	if (from == 0)
		return; /* it was not the merges */
	to = (uint64_t)((double)from * LOWER);
	p->bytes_per_s = to > least ? to : least;
}

static void raise(struct pace *p, uint64_t set)
{
	uint64_t step = set != 0 ? set / 64 : STEP_OPEN;

	if (p->bytes_per_s == NONE)
		return;
	p->bytes_per_s += step > STEP_LEAST ? step : STEP_LEAST;
	if (p->bytes_per_s >= (set != 0 ? set : OPEN_AGAIN))
		p->bytes_per_s = NONE;
}

static void begin(struct pace *p, const struct pace_look *look)
{
	p->at_ns = look->now_ns;
	p->flushed = look->flushed;
	p->merged = look->merged;
	(void)latency_take_p99(&p->latency);
}

static void step(struct pace *p, const struct pace_look *look, uint64_t set)
{
	uint64_t ns = look->now_ns - p->at_ns, calls, target, least;
	double s = (double)ns / 1e9, merged_per_s;

	if (p->at_ns == 0 || ns > STEP_LOST_NS) {
		begin(p, look);
		return;
	}
	if (ns < STEP_NS)
		return;
	calls = latency_count(&p->latency);
	if (calls < SAMPLES_MIN && ns < STEP_LONG_NS)
		return;
	p->flush_rate +=
		((double)(look->flushed - p->flushed) / s - p->flush_rate) * s / (s + p->flush_s);
	p->flush_s = p->flush_s + s < FLUSH_S ? p->flush_s + s : FLUSH_S;
	merged_per_s = (double)(look->merged - p->merged) / s;
	p->at_ns = look->now_ns;
	p->flushed = look->flushed;
	p->merged = look->merged;
	p->p99_ns = latency_take_p99(&p->latency);
	target = (uint64_t)p->set.target_p99_us * 1000;
	least = floor_of(p, look);
	/* Who is delayed because merges are behind is not helped by less of them. */
	if (calls >= SAMPLES_MIN && p->p99_ns > target && look->pressure == 0)
		lower(p, least, merged_per_s);
	else
		raise(p, set);
	if (p->bytes_per_s < least)
		p->bytes_per_s = least;
}

/* ---- together ---- */

static uint64_t relax(uint64_t limit, uint32_t pressure)
{
	unsigned __int128 more;

	if (limit == 0 || 2 * pressure >= PACE_PRESSURE_MAX)
		return 0;
	more = (unsigned __int128)limit * PACE_PRESSURE_MAX / (PACE_PRESSURE_MAX - 2 * pressure);
	return more < UINT64_MAX ? (uint64_t)more : UINT64_MAX;
}

struct pace_limits pace_now(struct pace *p, const struct pace_look *look)
{
	struct pace_limits l = pace_set_now(&p->set, look->wall_ms);

	if (p->set.target_p99_us != 0) {
		step(p, look, l.bytes_per_s);
		if (p->bytes_per_s != NONE &&
		    (l.bytes_per_s == 0 || p->bytes_per_s < l.bytes_per_s))
			l.bytes_per_s = p->bytes_per_s;
	}
	l.bytes_per_s = relax(l.bytes_per_s, look->pressure);
	l.ops_per_s = relax(l.ops_per_s, look->pressure);
	return l;
}
