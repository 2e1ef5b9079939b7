/*
 * The pace of merges: compact/pace.c says how fast they may go, the limiter
 * (env/rate.c) holds them to it, and here both meet the store. It is the merges that
 * look, before each piece they take and while they wait for one: where there are
 * none, nobody needs a limit.
 *
 * Pauses are counted. A merge that meets one waits where it is (merge.c).
 */
#include "db/db.h"

#define LOOK_NS UINT64_C(100000000)

void pace_open(shale_db *db)
{
	struct pace_limits first;

	mutex_init(&db->pace_mu, db->env, RANK_PACE);
	pace_init(&db->pace);
	pace_set(&db->pace, &db->options.rate);
	first = pace_set_now(&db->pace.set, env_wall_ms(db->env));
	rate_init(&db->rate, db->env, first.bytes_per_s, first.ops_per_s);
}

/* Under pace_mu. */
static struct pace_limits look(shale_db *db)
{
	/* Noted before what is looked at: who raises the pressure now is seen next time. */
	uint64_t now_ns = env_now_ns(db->env);
	struct pace_look l = { .now_ns = now_ns, .wall_ms = env_wall_ms(db->env) };
	struct pace_limits to;

	mutex_assert_held(&db->pace_mu);
	atomic_store_explicit(&db->pace_look_ns, now_ns + LOOK_NS, memory_order_relaxed);
	l.flushed = stats_sum(&db->stats, STAT_FLUSH_BYTES);
	l.merged = atomic_load_explicit(&db->rate.bytes, memory_order_relaxed);
	l.debt = atomic_load_explicit(&db->debt, memory_order_relaxed);
	l.pressure = atomic_load_explicit(&db->pressure, memory_order_relaxed);
	to = pace_now(&db->pace, &l);
	if (to.bytes_per_s != atomic_load_explicit(&db->rate.bytes_per_s, memory_order_relaxed) ||
	    to.ops_per_s != atomic_load_explicit(&db->rate.ops_per_s, memory_order_relaxed))
		rate_set(&db->rate, to.bytes_per_s, to.ops_per_s);
	return to;
}

void pace_some(shale_db *db)
{
	if (env_now_ns(db->env) < atomic_load_explicit(&db->pace_look_ns, memory_order_relaxed) ||
	    !mutex_trylock(&db->pace_mu))
		return;
	(void)look(db);
	mutex_unlock(&db->pace_mu);
}

void pace_figures(shale_db *db, shale_stats *s)
{
	struct pace_limits now;

	mutex_lock(&db->pace_mu);
	now = look(db);
	s->foreground_p99_ns = db->pace.p99_ns;
	mutex_unlock(&db->pace_mu);
	s->rate_bytes = atomic_load_explicit(&db->rate.bytes, memory_order_relaxed);
	s->rate_ops = atomic_load_explicit(&db->rate.ops, memory_order_relaxed);
	s->rate_wait_ns = atomic_load_explicit(&db->rate.wait_ns, memory_order_relaxed);
	s->rate_bytes_per_s = now.bytes_per_s;
	s->rate_ops_per_s = now.ops_per_s;
	s->compaction_pauses = atomic_load_explicit(&db->pauses, memory_order_relaxed);
}

shale_status shale_rate_set(shale_db *db, const shale_rate *rate)
{
	shale_status rc = db_writable(db);
	shale_rate to;

	if (rc >= 0 && rate->struct_size == 0)
		rc = err_new(SHALE_INVALID,
			     "shale_rate.struct_size is 0; set it up with SHALE_RATE_INIT");
	if (rc >= 0)
		rc = rate_sanitise(rate, &to);
	if (rc < 0)
		return rc;
	mutex_lock(&db->pace_mu);
	pace_set(&db->pace, &to);
	(void)look(db);
	mutex_unlock(&db->pace_mu);
	return SHALE_OK;
}

shale_status shale_rate_get(shale_db *db, shale_rate *out)
{
	shale_rate now;
	shale_status rc = db_enter(db);

	if (rc < 0)
		return rc;
	mutex_lock(&db->pace_mu);
	now = db->pace.set;
	mutex_unlock(&db->pace_mu);
	return options_give("shale_rate", &now, sizeof(now), out);
}

shale_status shale_pause_compaction(shale_db *db)
{
	shale_status rc = db_writable(db);

	if (rc < 0)
		return rc;
	mutex_lock(&db->mu);
	if (db->pauses == UINT32_MAX)
		rc = err_new(SHALE_INVALID, "compaction was paused too often");
	else
		atomic_fetch_add_explicit(&db->pauses, 1, memory_order_relaxed);
	/* Writers that were stopped for merges go on; who waits for idleness need not. */
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	return rc;
}

shale_status shale_resume_compaction(shale_db *db)
{
	shale_status rc = db_writable(db);

	if (rc < 0)
		return rc;
	mutex_lock(&db->mu);
	if (db->pauses == 0)
		rc = err_new(SHALE_INVALID, "compaction is not paused");
	else
		atomic_fetch_sub_explicit(&db->pauses, 1, memory_order_relaxed);
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	scheduler_kick(db->scheduler);
	return rc;
}
