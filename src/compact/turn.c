/*
 * Start-time fair queueing (Goyal, Vin and Cheng, 1996): what a family has due starts at
 * the family's clock, or at that of the one furthest behind where this is later, and the
 * clock goes on from there by the cost of the merge when it is begun. So whoever begins to
 * wait is no further behind than others, and no further ahead than by what it was given.
 */
#include "compact/turn.h"

enum {
	SCORE_MOST = 4, /* who owes this much or more gets four times the share of who owes 1 */
	JOB_BYTES = 256 << 10, /* what each merge costs beside its bytes */
	HELD_UNITS = 16,       /* head start while writers are held up to the utmost */
	LATE_UNITS = 64,       /* at the deadline; it grows on behind it, */
	LATE_MOST = 2,         /* to so many times as much */
};

static double cost(const struct claim *c)
{
	double score = c->score < 1 ? 1 : c->score > SCORE_MOST ? SCORE_MOST : c->score;

	return (double)c->bytes / score + JOB_BYTES;
}

static double head_start(const struct turns *all, const struct claim *c)
{
	double late = c->lateness < LATE_MOST ? c->lateness : LATE_MOST;

	return (double)all->unit * (HELD_UNITS * c->held + LATE_UNITS * late);
}

void turns_look(struct turns *all)
{
	all->least = UINT64_MAX;
}

double turn_wait(struct turns *all, struct turn *t, const struct claim *c)
{
	if (t->clock < all->now)
		t->clock = all->now;
	if (t->clock < all->least)
		all->least = t->clock;
	return (double)t->clock - head_start(all, c);
}

void turn_take(struct turns *all, struct turn *t, const struct claim *c)
{
	all->now = all->least;
	t->clock += (uint64_t)cost(c);
}

double pick_lateness(const struct pick *p, uint64_t wall_ms)
{
	if (p->until_ms == 0 || wall_ms <= p->since_ms)
		return 0;
	if (p->until_ms <= p->since_ms)
		return 1;
	return (double)(wall_ms - p->since_ms) / (double)(p->until_ms - p->since_ms);
}
