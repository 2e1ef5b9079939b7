/*
 * The next merge: every family's policy is asked, and the one whose turn it is
 * (compact/turn.h) has its answer taken. A policy is a pure function of the family's stack,
 * so nothing is remembered between two looks but the turns, and what merges did not fit in
 * (merge_room.c).
 */
#include "db/merge.h"

#define AGAIN_LEAST_NS UINT64_C(10000000)
#define CLOCK_LOOK_MS UINT64_C(60000)

struct policy_now merge_now(shale_db *db, uint64_t oldest_snapshot)
{
	return (struct policy_now){ .wall_ms = env_wall_ms(db->env),
				    .oldest_snapshot = oldest_snapshot,
				    .next_run = atomic_load(&db->next_run) };
}

unsigned merge_threads_left(const shale_db *db)
{
	unsigned threads = db->options.background_threads;
	unsigned most = threads > 1 ? threads - 1 : 1; /* one is left for flushes */
	unsigned taken = db->merging - db->crew.asked + db->crew.helping;

	return taken < most ? most - taken : 0;
}

static struct claim claim_of(const struct merge *t, const struct policy_now *now)
{
	const shale_cf *cf = t->cf;
	uint32_t cause = atomic_load_explicit(&cf->behind_cause, memory_order_relaxed);
	bool holds = cause == SHALE_STALL_DEBT || t->pick.reason == PICK_TOP_RUNS;

	return (struct claim){
		.bytes = pick_bytes(cf->version, &t->pick),
		.score = t->pick.score,
		.held = holds ? (double)cf->pressure / PACE_PRESSURE_MAX : 0,
		.lateness = pick_lateness(&t->pick, now->wall_ms),
	};
}

static bool is_better(const struct merge *a, double place_a, const struct merge *b, double place_b)
{
	if (merge_is_last_resort(a) != merge_is_last_resort(b))
		return merge_is_last_resort(b);
	return place_a < place_b;
}

/* A merge of the family has failed, and the time to try again has not come. Under mu. */
static bool must_wait(const shale_cf *cf, uint64_t now_ns)
{
	return cf->failed.status < 0 && now_ns < cf->failed.retry_ns;
}

/*
 * A table that is damaged, deep down, does not keep level 0 from being merged before writers
 * have to stop, nor what costs nothing from being done.
 */
static bool passes(const struct merge *t)
{
	return t->pick.reason == PICK_TOP_RUNS || t->pick.move || t->pick.drop;
}

/*
 * The pick of the family whose turn it is, of those that have one that is not held up; with
 * `urgent`, that cannot wait, not for `within` either (NULL: no merge). SHALE_END: none has.
 * Under mu.
 */
static shale_status choose(shale_db *db, uint64_t oldest_snapshot, bool urgent,
			   struct merge *within, struct merge *best)
{
	struct policy_now now = merge_now(db, oldest_snapshot);
	uint64_t now_ns = env_now_ns(db->env);
	struct claim claim, taken = { .bytes = 0 };
	double place, least = 0;

	if (merges_are_paused(db) ||
	    (urgent && !atomic_load_explicit(&db->crew.may_be_urgent, memory_order_relaxed)))
		return SHALE_END;
	turns_look(&db->crew.turns);
	db->merge_blocked = false;
	for (size_t i = 0; i < db->family_count; i++) {
		shale_cf *cf = db->families[i];
		struct merge t = { .db = db, .cf = cf, .urgent = urgent };
		bool waits = must_wait(cf, now_ns), due;

		if (cf->exclusive || cf->version->run_count == 0 || (waits && cf->failed.top))
			continue;
		t.inputs = mem_array(db->env, cf->version->run_count + 1, sizeof(*t.inputs));
		if (t.inputs == NULL) {
			if (best->inputs == NULL)
				return err_memory("a merge");
			break;
		}
		now.claims = cf->claims;
		now.top_alone = waits && policy_top_is_urgent(&cf->policy, cf->version);
		due = merge_pick(&t, &now) && (!waits || passes(&t));
		/* With nothing in its way: what failed is not owed any more. */
		if (!due && !waits && cf->merging == 0 && !db->merge_blocked)
			cf->failed = (struct failure){ .status = SHALE_OK };
		if (due) {
			claim = claim_of(&t, &now);
			place = turn_wait(&db->crew.turns, &cf->turn, &claim);
			due = (best->inputs == NULL || is_better(&t, place, best, least)) &&
			      (!urgent || merge_is_urgent(&t, &claim)) &&
			      merge_may_lend(within, &t);
		}
		if (due) {
			mem_free(db->env, best->inputs);
			*best = t;
			least = place;
			taken = claim;
		} else {
			mem_free(db->env, t.inputs);
		}
	}
	if (best->inputs == NULL) {
		if (urgent)
			return SHALE_END;
		db->space_tried++;
		if (atomic_load(&db->space_short))
			cond_broadcast(&db->changed, db->env);
		return SHALE_END;
	}
	turn_take(&db->crew.turns, &best->cf->turn, &taken);
	atomic_fetch_add(&db->next_run, 1);
	merge_begin(best);
	if (within != NULL && best->pick.reason == PICK_LATE)
		within->lent += best->promised;
	return SHALE_OK;
}

static bool carry_out(struct merge *t)
{
	shale_status rc = merge_run(t);

	merge_end(t, rc);
	return rc >= 0;
}

bool merge_some(shale_db *db)
{
	struct merge t = { .inputs = NULL };
	uint64_t oldest_snapshot = snapshots_oldest(db);
	shale_status rc;

	mutex_lock(&db->mu);
	rc = choose(db, oldest_snapshot, merge_threads_left(db) == 0, NULL, &t);
	if (rc >= 0)
		work_look_succeeded(db);
	mutex_unlock(&db->mu);
	if (rc < 0)
		db_soft_failure(db, rc);
	return rc == SHALE_OK && carry_out(&t);
}

bool merge_urgent(shale_db *db, struct merge *within)
{
	struct merge t = { .inputs = NULL };
	uint64_t oldest_snapshot = snapshots_oldest(db);
	shale_status rc;

	mutex_lock(&db->mu);
	rc = choose(db, oldest_snapshot, true, within, &t);
	mutex_unlock(&db->mu);
	/* Without memory for a look nothing is owed: it is looked for again. */
	return rc == SHALE_OK && carry_out(&t);
}

void merge_wake(shale_db *db, uint64_t looked_ns, uint64_t *wait_ns)
{
	uint64_t now_ms = env_wall_ms(db->env), at = UINT64_MAX, again = UINT64_MAX;
	uint64_t now_ns = env_now_ns(db->env);

	if (merges_are_paused(db))
		return;
	mutex_lock(&db->mu);
	for (size_t i = 0; i < db->family_count; i++) {
		shale_cf *cf = db->families[i];
		uint64_t each = policy_wake_ms(&cf->policy, cf->version, now_ms);

		at = each < at ? each : at;
		each = cf->exclusive              ? UINT64_MAX
		       : must_wait(cf, looked_ns) ? cf->failed.retry_ns
						  : merge_again_ns(cf);
		again = each < again ? each : again;
	}
	mutex_unlock(&db->mu);
	if (again != UINT64_MAX) {
		again = again > now_ns + AGAIN_LEAST_NS ? again - now_ns : AGAIN_LEAST_NS;
		*wait_ns = again < *wait_ns ? again : *wait_ns;
	}
	if (at == UINT64_MAX)
		return;
	at = at > now_ms ? at - now_ms : 1;
	/* The clock may be set, and does not stand still while the machine sleeps. */
	if (at > CLOCK_LOOK_MS)
		at = CLOCK_LOOK_MS;
	if (at < *wait_ns / 1000000)
		*wait_ns = at * 1000000;
}

shale_status merge_is_owed(shale_db *db, bool *out)
{
	struct merge t = { .inputs = NULL };
	bool owed = db->merging != 0;
	struct policy_now now;

	mutex_assert_held(&db->mu);
	now = merge_now(db, snapshots_oldest(db));
	if (merges_are_paused(db)) {
		*out = false;
		return SHALE_OK;
	}
	*out = true;
	for (size_t i = 0; i < db->family_count && !owed; i++) {
		shale_cf *cf = db->families[i];

		if (cf->version->run_count == 0)
			continue;
		t.inputs = mem_array(db->env, cf->version->run_count + 1, sizeof(*t.inputs));
		if (t.inputs == NULL)
			return err_memory("a look for merges");
		owed = cf->exclusive ||
		       policy_pick(&cf->policy, cf->version, &now, t.inputs, &t.pick);
		mem_free(db->env, t.inputs);
	}
	*out = owed;
	return SHALE_OK;
}
