/*
 * Merges where room is low: first those that may free some, since those that only move
 * data down would use it up. Where nothing fits in for sure, one is tried that might
 * ("hope"), then tables are cut, then all others that might are tried in turn; see
 * compact/policy_fit.c. What is all dead comes to nothing and goes without any room.
 *
 * What is sure may fail all the same: a file system may refuse a new file while bytes are
 * left. Then, too, it is the turn of those that might fit in.
 *
 * What failed for want of room is not tried again at once: not before the family's stack
 * has changed, or a snapshot has gone that kept data alive. Others may give room back, so
 * what is sure is tried again a second later, and time makes data expire, so what might
 * fit in is, too, each time after twice as long. All this is by family, and of what a
 * merge began with: a flush that ends while one fails may be what makes the next succeed.
 */
#include "db/merge.h"

/* Of what a merge reads, how much must be dead at best where room is low, but there is some. */
#define SPACE_LEAST 0.25

#define AGAIN_NS UINT64_C(1000000000)

enum { AGAIN_DOUBLINGS = 12 }; /* a little over an hour */

/* ---- what failed ---- */

/* Forget it if that may be otherwise by now. */
static void look(shale_cf *cf, uint64_t oldest_snapshot)
{
	struct misfits *m = &cf->misfits;

	if (m->hopes == 0 && !m->sure)
		return;
	if (m->changes != cf->changes || m->snapshot != oldest_snapshot) {
		*m = (struct misfits){ .hopes = 0 };
		return;
	}
	if (m->hopes != 0 && env_now_ns(cf->db->env) >= m->hopes_again_ns) {
		m->hopes = 0;
		m->rounds += m->rounds < AGAIN_DOUBLINGS;
	}
}

bool merge_had_no_room(struct merge *t)
{
	struct misfits *m = &t->cf->misfits;

	if (t->asked != NULL)
		return false;
	if (t->cf->changes != t->changes)
		return t->hope;
	m->changes = t->changes;
	m->snapshot = t->oldest_snapshot;
	if (t->hope) {
		m->hopes++;
		m->hopes_again_ns = env_now_ns(t->db->env) + (AGAIN_NS << m->rounds);
	} else {
		m->sure = true;
		m->sure_again_ns = env_now_ns(t->db->env) + AGAIN_NS;
	}
	return t->hope;
}

uint64_t merge_again_ns(const shale_cf *cf)
{
	const struct misfits *m = &cf->misfits;

	return m->sure && m->changes == cf->changes ? m->sure_again_ns : UINT64_MAX;
}

/* Pieces hold what the table did: what might have fitted in fits no better. */
void merge_has_cut(struct merge *t)
{
	struct misfits *m = &t->cf->misfits;

	if (m->changes != t->changes || t->cf->changes != t->changes + 1)
		return;
	m->changes++;
	m->sure = false;
}

shale_status merge_check_hope(const struct merge *t, uint64_t out)
{
	if (!t->hope || out <= t->promised)
		return SHALE_OK;
	return err_new(SHALE_NO_SPACE,
		       "a merge that might have freed room takes more than is left");
}

/* ---- the pick ---- */

bool merge_is_last_resort(const struct merge *t)
{
	return t->hope || t->pick.cut != NULL;
}

/* Where nothing fits in for sure. */
static bool pick_last_resort(struct merge *t, const struct policy_now *now, uint64_t room,
			     double least, bool short_of)
{
	const struct version *v = t->cf->version;
	const struct policy_options *o = &t->cf->policy;
	uint32_t hopes = t->cf->misfits.hopes;

	t->hope = hopes == 0 && policy_pick_hopeful(o, v, now, room, least, t->inputs, &t->pick);
	if (t->hope)
		return true;
	if (!short_of)
		return false;
	if (!t->cf->misfits.sure && policy_pick_cut(o, v, room, t->inputs, &t->pick))
		return true;
	/* The first of all was tried out of turn. */
	t->hope = hopes != 0 &&
		  policy_pick_hopeful_nth(o, v, now, room, hopes - 1, t->inputs, &t->pick);
	return t->hope;
}

/* What costs no room is never held up. */
static bool pick(struct merge *t, const struct policy_now *now)
{
	shale_db *db = t->db;
	const struct version *v = t->cf->version;
	const struct policy_options *o = &t->cf->policy;
	bool low = atomic_load(&db->space_low), short_of, sure;
	uint64_t room = space_room(db), bytes;
	bool due = policy_pick(o, v, now, t->inputs, &t->pick);
	double least;

	sure = !t->cf->misfits.sure;
	bytes = due ? pick_bytes(v, &t->pick) : 0;
	if (due && bytes <= room && (bytes == 0 || (!low && sure)))
		return true;
	if (!due && !low)
		return false;
	short_of = atomic_load(&db->space_short) || (due && bytes > room);
	least = short_of ? 0 : SPACE_LEAST;
	if (sure && policy_pick_fitting(o, v, now, room, least, t->inputs, &t->pick) &&
	    pick_is_free(v, now, &t->pick))
		return true;
	if (sure && due && bytes <= room)
		return policy_pick(o, v, now, t->inputs, &t->pick);
	db->merge_blocked |= due && bytes > room;
	/* What is under way may free some. */
	if (db->merging != 0)
		return false;
	return pick_last_resort(t, now, room, least, short_of);
}

bool merge_pick(struct merge *t, const struct policy_now *now)
{
	struct misfits *m = &t->cf->misfits;

	t->oldest_snapshot = now->oldest_snapshot;
	look(t->cf, t->oldest_snapshot);
	if (pick(t, now))
		return true;
	/* Not before the others have had their turn, however long all of them take. */
	if (!m->sure || env_now_ns(t->db->env) < m->sure_again_ns)
		return false;
	m->sure = false;
	return pick(t, now);
}
