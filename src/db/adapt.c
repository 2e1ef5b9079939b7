/* Adaptive families are told, about every second, what was asked of the store. */
#include "db/db.h"

static struct adapt_counters asked(const shale_db *db)
{
	return (struct adapt_counters){
		.writes = stats_sum(&db->stats, STAT_PUTS) + stats_sum(&db->stats, STAT_DELETES),
		.reads = stats_sum(&db->stats, STAT_GETS),
		.scans = stats_sum(&db->stats, STAT_SEEKS),
		.merged = stats_sum(&db->stats, STAT_ENTRIES_IN),
		.overwritten = stats_sum(&db->stats, STAT_DROPPED_SHADOWED),
	};
}

/* Under mu. */
static void look(shale_cf *cf, uint64_t now_ms)
{
	struct adapt_counters now;
	uint64_t bytes = 0;

	if (cf->adapt.begun && now_ms < cf->adapt.at_ms + ADAPT_INTERVAL_MS &&
	    now_ms >= cf->adapt.at_ms)
		return;
	for (uint32_t l = 0; l < SHALE_LEVELS_MAX; l++)
		bytes += cf->version->level[l].bytes;
	now = asked(cf->db);
	if (adapt_look(&cf->adapt, &now, now_ms, bytes, cf->db->options.memtable_bytes,
		       &cf->policy))
		stall_update(cf->db, cf);
}

void adapt_some(shale_db *db, uint64_t *wait_ns)
{
	uint64_t now_ms = env_now_ns(db->env) / 1000000;
	bool any = false;

	mutex_lock(&db->mu);
	for (size_t i = 0; i < db->family_count; i++)
		if (db->families[i]->policy.policy == SHALE_ADAPTIVE) {
			look(db->families[i], now_ms);
			any = true;
		}
	mutex_unlock(&db->mu);
	if (any && *wait_ns > ADAPT_INTERVAL_MS * UINT64_C(1000000))
		*wait_ns = ADAPT_INTERVAL_MS * UINT64_C(1000000);
}
