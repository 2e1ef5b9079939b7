/*
 * Whose merge is next, where the policies of several families have one due each. Within a
 * family its policy says what comes first; between families this does.
 *
 * Every family has a clock, which its merges move on: by the bytes that they read, and the
 * slower the more the family owes. The one whose clock is furthest behind is next, so that
 * a family that always has something due cannot keep another from its turn: who begins to
 * wait and had no merge lately waits for one merge of each of the others at most; who had,
 * until they have had as much. What a family did not use while nothing was due is not
 * saved up.
 *
 * Urgency is a head start, in bytes: writers that are held up for a merge, and a deadline
 * that comes near, or is over. It has a bound, and with it what others wait for: where a
 * deadline is set on a large store, all of it can be over it at once.
 *
 * Pure; the caller holds what guards the clocks.
 */
#ifndef COMPACT_TURN_H
#define COMPACT_TURN_H

#include "compact/policy.h"

/* Of all families. */
struct turns {
	uint64_t unit;  /* bytes of a memtable: what head starts are counted in */
	uint64_t now;   /* no clock of who waits is behind this */
	uint64_t least; /* of the clocks of those who wait, in the look that is under way */
};

/* Of one; zero at first. */
struct turn {
	uint64_t clock;
};

/* What a family has due. */
struct claim {
	uint64_t bytes;  /* that the merge reads; 0 for a mere edit */
	double score;    /* of the pick: how much is owed */
	double held;     /* how far writers are held up for it: 0..1 */
	double lateness; /* of pick_lateness() */
};

/* A look at all families begins. */
void turns_look(struct turns *all);
/* One has this due. The least number of all is next; equal ones in the order asked. */
double turn_wait(struct turns *all, struct turn *t, const struct claim *c);
/* All were asked, and this one is begun now. */
void turn_take(struct turns *all, struct turn *t, const struct claim *c);

/* How much of the time for a pick with a deadline is over: 0 when it came due, 1 at the
   deadline, more behind it; 0 for a pick without. */
double pick_lateness(const struct pick *p, uint64_t wall_ms);

#endif
