/* What flush.c and merge.c share: numbers, failures, garbage, build options. */
#include "db/work.h"

enum { RETRY_DOUBLINGS = 6 }; /* half a minute */

uint64_t db_new_number(shale_db *db)
{
	uint32_t counter = atomic_fetch_add(&db->next_counter, 1);

	ASSERT(counter != UINT32_MAX); /* an epoch makes less than 2^32 files */
	return object_number(db->epoch, counter);
}

uint64_t work_new_number(void *db)
{
	return db_new_number(db);
}

/* Under mu. */
static void stop_writes(shale_db *db)
{
	if (!atomic_load(&db->write_stopped)) {
		db->stop_error = *err_last();
		atomic_store(&db->write_stopped, true);
	}
	cond_broadcast(&db->changed, db->env);
}

void db_stop_writes(shale_db *db)
{
	mutex_lock(&db->mu);
	stop_writes(db);
	mutex_unlock(&db->mu);
}

void db_log_failed(shale_db *db, const struct wal *wal)
{
	mutex_lock(&db->mu);
	if (atomic_load(&db->wal) == wal)
		stop_writes(db);
	mutex_unlock(&db->mu);
	scheduler_kick(db->keeper); /* to go on when there is room, where that was missing */
}

/* Under mu. */
static void note_failure(shale_db *db, struct failure *f, shale_status rc, uint32_t doublings)
{
	f->status = rc;
	f->error = *err_last();
	f->retry_ns = env_now_ns(db->env) + (WORK_RETRY_NS << doublings);
	cond_broadcast(&db->changed, db->env);
}

void db_soft_failure(shale_db *db, shale_status rc)
{
	if (rc == JOB_CANCELLED)
		return;
	mutex_lock(&db->mu);
	note_failure(db, &db->failed, rc, 0);
	mutex_unlock(&db->mu);
}

/*
 * What a policy asks for it asks for again: a merge of a damaged table fails each time, and
 * each time may read and write much before it does. Room may be there in a moment.
 */
void work_merge_ended(shale_cf *cf, shale_status rc, bool top)
{
	struct failure *f = &cf->failed;

	mutex_assert_held(&cf->db->mu);
	if (rc == JOB_CANCELLED)
		return;
	if (rc >= 0) {
		if (f->top == top)
			*f = (struct failure){ .status = SHALE_OK };
		return;
	}
	f->top = top;
	if (rc == SHALE_NO_SPACE) {
		note_failure(cf->db, f, rc, 0);
	} else {
		note_failure(cf->db, f, rc, f->tries);
		f->tries += f->tries < RETRY_DOUBLINGS;
	}
}

void work_succeeded(shale_db *db)
{
	mutex_assert_held(&db->mu);
	db->failed.status = SHALE_OK;
}

shale_status failure_tell(const struct failure *f)
{
	if (f->status < 0)
		*err_last() = f->error;
	return f->status;
}

shale_status work_failure(const shale_db *db)
{
	shale_status rc = failure_tell(&db->failed);

	for (size_t i = 0; i < db->family_count && rc >= 0; i++)
		rc = failure_tell(&db->families[i]->failed);
	return rc;
}

static bool has_sealed(const shale_db *db)
{
	size_t i = 0;

	while (i < db->family_count && db->families[i]->oldest == NULL)
		i++;
	return i < db->family_count;
}

void work_look_succeeded(shale_db *db)
{
	if (db->flushing == 0 && !has_sealed(db))
		work_succeeded(db);
}

bool work_is_left(const shale_db *db)
{
	return db->flushing != 0 || (db->merging != 0 && !merges_are_paused(db)) || has_sealed(db);
}

static bool must_wait(shale_db *db, shale_status but_for, uint64_t *wait_ns)
{
	uint64_t now, left = 0;

	mutex_lock(&db->mu);
	if (db->failed.status < 0 && db->failed.status != but_for) {
		now = env_now_ns(db->env);
		left = now < db->failed.retry_ns ? db->failed.retry_ns - now : 0;
	}
	mutex_unlock(&db->mu);
	if (left != 0 && left < *wait_ns)
		*wait_ns = left;
	return left != 0;
}

bool work_must_wait(shale_db *db, uint64_t *wait_ns)
{
	return must_wait(db, SHALE_OK, wait_ns);
}

/* What fits in is known of each (merge_room.c), and some make the room that a flush waits for. */
bool work_merges_must_wait(shale_db *db, uint64_t *wait_ns)
{
	return must_wait(db, SHALE_NO_SPACE, wait_ns);
}

struct table_build_options work_build_options(shale_db *db, const shale_cf *cf, uint32_t level)
{
	struct table_build_options out = { .rate = NULL };
	const shale_cf_options *o = &cf->options;
	uint32_t codec;

	mutex_lock(&db->mu); /* they may be set meanwhile */
	codec = o->level_compression[level];
	if (codec == SHALE_DEFAULT_COMPRESSION)
		codec = o->compression;
	if (codec == SHALE_DEFAULT_COMPRESSION)
		codec = policy_level_is_deep(&cf->policy, level) ? SHALE_LZ4 : SHALE_NO_COMPRESSION;
	out.compression = codec;
	out.block_bytes = o->block_bytes;
	if (!o->no_filter)
		out.filter_bits = o->level_filter_bits[level] != 0 ? o->level_filter_bits[level]
								   : o->filter_bits;
	mutex_unlock(&db->mu);
	out.created_ms = env_wall_ms(db->env);
	return out;
}

const struct version *work_older(shale_db *db, const struct policy_options *o,
				 const struct version *v)
{
	return o->acting == SHALE_HYBRID && o->policy != SHALE_ADAPTIVE &&
			       budget_used(&db->budget, BUDGET_TABLES) <
				       db->options.memory_budget / 4
		       ? v
		       : NULL;
}

static void count_entries(struct stats *s, const shale_job *j)
{
	stats_add(s, STAT_ENTRIES_IN, j->entries_in);
	stats_add(s, STAT_ENTRIES_KEPT, j->entries_kept);
	stats_add(s, STAT_DROPPED_SHADOWED, j->dropped_shadowed);
	stats_add(s, STAT_DROPPED_TOMBSTONES, j->dropped_tombstones);
	stats_add(s, STAT_DROPPED_EXPIRED, j->dropped_expired);
	stats_add(s, STAT_DROPPED_RANGE, j->dropped_range);
}

void work_count(shale_db *db, const shale_job *j)
{
	struct stats *s = &db->stats;
	uint64_t read = j->kind == SHALE_JOB_MERGE ? j->bytes_in : 0;

	if (j->kind == SHALE_JOB_MOVE) {
		stats_add(s, STAT_TRIVIAL_MOVES, 1);
		return;
	}
	count_entries(s, j);
	if (j->kind == SHALE_JOB_FLUSH) {
		stats_add(s, STAT_FLUSHES, 1);
		stats_add(s, STAT_FLUSH_BYTES, j->bytes_out);
		return;
	}
	stats_add(s, STAT_COMPACTIONS, 1);
	stats_add(s, STAT_COMPACTION_READ, read);
	stats_add(s, STAT_COMPACTION_WRITTEN, j->bytes_out);
	atomic_fetch_add(&db->level_read[j->level_out], read);
	atomic_fetch_add(&db->level_written[j->level_out], j->bytes_out);
}
