/* Figures: counters summed, state looked up, the stack listed. */
#include "db/db.h"

static void sum_counters(shale_db *db, shale_stats *s)
{
	const struct {
		enum stat which;
		uint64_t *to;
	} map[] = {
		{ STAT_PUTS, &s->puts },
		{ STAT_DELETES, &s->deletes },
		{ STAT_RANGE_DELETES, &s->range_deletes },
		{ STAT_COMMITS, &s->commits },
		{ STAT_USER_BYTES, &s->user_bytes },
		{ STAT_GETS, &s->gets },
		{ STAT_GETS_FOUND, &s->gets_found },
		{ STAT_ITERATORS, &s->iterators },
		{ STAT_SEEKS, &s->seeks },
		{ STAT_NEXTS, &s->nexts },
		{ STAT_GAP_SKIPS, &s->gap_skips },
		{ STAT_GAP_SCOUTED, &s->gap_scouted },
		{ STAT_MEMTABLE_HITS, &s->memtable_hits },
		{ STAT_FILTER_PROBES, &s->filter_probes },
		{ STAT_FILTER_NEGATIVES, &s->filter_negatives },
		{ STAT_FILTER_FALSE, &s->filter_false_positives },
		{ STAT_CACHE_HITS, &s->cache_hits },
		{ STAT_CACHE_MISSES, &s->cache_misses },
		{ STAT_BLOCK_READS, &s->block_reads },
		{ STAT_BLOCK_READ_BYTES, &s->block_read_bytes },
		{ STAT_LOG_BYTES, &s->log_bytes },
		{ STAT_LOG_SYNCS, &s->log_syncs },
		{ STAT_LOG_SEGMENTS, &s->log_segments },
		{ STAT_LOG_RECYCLED, &s->log_recycled },
		{ STAT_FLUSHES, &s->flushes },
		{ STAT_FLUSH_BYTES, &s->flush_bytes },
		{ STAT_COMPACTIONS, &s->compactions },
		{ STAT_COMPACTION_READ, &s->compaction_read_bytes },
		{ STAT_COMPACTION_WRITTEN, &s->compaction_written_bytes },
		{ STAT_TRIVIAL_MOVES, &s->trivial_moves },
		{ STAT_ENTRIES_IN, &s->entries_in },
		{ STAT_ENTRIES_KEPT, &s->entries_kept },
		{ STAT_DROPPED_SHADOWED, &s->dropped_shadowed },
		{ STAT_DROPPED_TOMBSTONES, &s->dropped_tombstones },
		{ STAT_DROPPED_EXPIRED, &s->dropped_expired },
		{ STAT_DROPPED_RANGE, &s->dropped_range },
		{ STAT_FILES_DELETED, &s->files_deleted },
		{ STAT_DELAYED_WRITES, &s->delayed_writes },
		{ STAT_DELAY_NS, &s->delay_ns },
		{ STAT_STOPS, &s->stops },
		{ STAT_STOP_NS, &s->stop_ns },
		{ STAT_ORDER_WAITS, &s->order_waits },
		{ STAT_PUBLISH_WAITS, &s->publish_waits },
	};

	_Static_assert(sizeof(map) / sizeof(map[0]) == STAT_COUNT, "every counter has its field");
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		*map[i].to = stats_sum(&db->stats, map[i].which);
}

/* Under mu. */
static void add_family(const shale_cf *cf, shale_stats *s)
{
	const struct version *v = cf->version;

	s->memtables += 1 + cf->sealed_count;
	s->sealed_memtables += cf->sealed_count;
	s->memory_memtables += memtable_bytes(cf->active->table);
	for (const struct mem *m = cf->oldest; m != NULL; m = m->newer)
		s->memory_memtables += memtable_bytes(m->table);
	s->compaction_debt_bytes += policy_debt(&cf->policy, v);
	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++) {
		s->level[l].runs += v->level[l].runs;
		s->level[l].tables += v->level[l].tables;
		s->level[l].bytes += v->level[l].bytes;
		s->level[l].entries += v->level[l].entries;
		s->level[l].tombstones += v->level[l].tombstones;
	}
}

/* How many of the bytes of the tables are live, version by version, without the lock. */
static void sum_tables(shale_db *db, shale_stats *s)
{
	for (size_t i = 0;; i++) {
		struct version *v = NULL;

		mutex_lock(&db->mu);
		if (i < db->family_count)
			v = version_ref(db->families[i]->version);
		mutex_unlock(&db->mu);
		if (v == NULL)
			return;
		for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
			s->table_bytes += v->level[l].bytes;
		s->live_bytes += version_live_bytes(v);
		version_unref(v);
	}
}

shale_status shale_stats_get(shale_db *db, shale_stats *out)
{
	shale_stats s = SHALE_STATS_INIT;
	size_t size = out->struct_size;
	shale_status rc = db_enter(db);

	if (rc < 0)
		return rc;
	if (size < sizeof(size) || size > 65536)
		return err_new(SHALE_INVALID,
			       "shale_stats.struct_size is %zu; set it up with SHALE_STATS_INIT",
			       size);
	/* Under mu jobs are counted: each in all figures, or in none. */
	mutex_lock(&db->mu);
	sum_counters(db, &s);
	history_sums(&db->history, &s);
	for (size_t i = 0; i < db->family_count; i++)
		add_family(db->families[i], &s);
	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++) {
		s.level[l].read_bytes = atomic_load(&db->level_read[l]);
		s.level[l].written_bytes = atomic_load(&db->level_written[l]);
	}
	mutex_unlock(&db->mu);
	mutex_lock(&db->snapshots_mu);
	s.snapshots = db->snapshot_count;
	s.oldest_snapshot = db->snapshot_count != 0 ? db->snapshots.next->seq : 0;
	mutex_unlock(&db->snapshots_mu);
	s.open_iterators = holders_iterators(db);
	s.last_seq = atomic_load(&db->visible);
	s.longest_stop_ns = atomic_load(&db->longest_stop_ns);
	s.memory_budget = db->options.memory_budget;
	s.memory_cache = budget_used(&db->budget, BUDGET_CACHE);
	s.memory_tables = budget_used(&db->budget, BUDGET_TABLES);
	s.memory_log = budget_used(&db->budget, BUDGET_LOG);
	s.memory_used = s.memory_memtables + s.memory_cache + s.memory_tables + s.memory_log;
	/* A part may have shrunk since it was asked: no less than nothing is left for the rest. */
	s.memory_other = memory_used(db);
	s.memory_other -= s.memory_used < s.memory_other ? s.memory_used : s.memory_other;
	s.memory_used += s.memory_other;
	s.recovery_ns = db->recovery_ns;
	s.recovered_records = db->recovered.records;
	s.recovered_bytes = db->recovered.bytes;
	s.discarded_tail_bytes = db->recovered.discarded_bytes;
	s.discarded_tail_offset = db->recovered.discarded_offset;
	s.orphans_removed = db->orphans_removed;
	pace_figures(db, &s);
	space_figures(db, &s);
	stall_sums(db, &s);
	sum_tables(db, &s);
	s.struct_size = size < sizeof(s) ? size : sizeof(s);
	memcpy(out, &s, s.struct_size);
	return SHALE_OK;
}

static bool list_table(const shale_cf *cf, const struct run *r, const struct table_meta *m,
		       bool (*each)(void *arg, const shale_table_info *t), void *arg)
{
	const struct table_props *p = &m->props;
	shale_table_info info = {
		.cf = cf->name,
		.level = r->level,
		.run = r->id,
		.number = m->number,
		.bytes = m->size,
		.entries = p->entries,
		.tombstones = p->tombstones,
		.range_tombstones = p->range_tombstones,
		.data_bytes = p->data_bytes,
		.index_bytes = p->index_bytes,
		.filter_bytes = p->filter_bytes,
		.raw_bytes = p->key_bytes + p->value_bytes,
		.min_seq = p->min_seq,
		.max_seq = p->max_seq,
		.created_ms = p->created_ms,
		.compression = (shale_compression)p->compression,
		.smallest = p->smallest,
		.largest = p->largest,
	};

	return each(arg, &info);
}

shale_status shale_tables(shale_db *db, bool (*each)(void *arg, const shale_table_info *t),
			  void *arg)
{
	shale_status rc = db_enter(db);
	bool on = true;

	for (size_t i = 0; rc >= 0 && on; i++) {
		shale_cf *cf = NULL;
		struct version *v = NULL;

		mutex_lock(&db->mu);
		if (i < db->family_count) {
			cf = family_ref(db->families[i]);
			v = version_ref(cf->version);
		}
		mutex_unlock(&db->mu);
		if (cf == NULL)
			break;
		for (size_t r = 0; r < v->run_count && on; r++)
			for (size_t t = 0; t < v->runs[r]->count && on; t++)
				on = list_table(cf, v->runs[r], v->runs[r]->tables[t], each, arg);
		version_unref(v);
		family_unref(cf);
	}
	return rc;
}
