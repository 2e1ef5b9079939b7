/*
 * The ring grows by doubling, so that a store that does little holds little; where no
 * memory is to be had the oldest job is forgotten sooner. A job's figures are changed
 * under the lock only, since whoever lists the jobs reads them while it runs; how far
 * it has come is told by two atomic counters, about every 64 KiB.
 */
#include "db/db.h"

enum { RING_LEAST = 16 };

const char *shale_reason_name(shale_reason reason)
{
	static const char *const names[SHALE_REASONS] = {
		[SHALE_REASON_OTHER] = "other",          [SHALE_FLUSH_FULL] = "memtable full",
		[SHALE_FLUSH_LOG] = "log too long",      [SHALE_FLUSH_MEMORY] = "memory short",
		[SHALE_FLUSH_ASKED] = "flush asked for", [SHALE_FLUSH_OPEN] = "recovered",
		[SHALE_FLUSH_CLOSE] = "closed",          [SHALE_MERGE_TOP_RUNS] = "top runs",
		[SHALE_MERGE_LEVEL_SIZE] = "level size", [SHALE_MERGE_LEVEL_RUNS] = "level runs",
		[SHALE_MERGE_ASKED] = "asked for",       [SHALE_MERGE_WINDOW] = "window is over",
		[SHALE_MERGE_EXPIRED] = "expired",       [SHALE_MERGE_MAX_BYTES] = "over max_bytes",
		[SHALE_MERGE_TOMBSTONES] = "tombstones", [SHALE_MERGE_DEADLINE] = "delete deadline",
		[SHALE_MERGE_SPACE] = "room is short",   [SHALE_FLUSH_SPACE] = "no room",
		[SHALE_FLUSH_DELETES] = "deletes",
	};

	return (unsigned)reason < SHALE_REASONS ? names[reason] : names[SHALE_REASON_OTHER];
}

void history_init(struct history *h, const shale_env *env)
{
	h->env = env;
	mutex_init(&h->mu, env, RANK_LEAF);
	h->next_id = 1;
	h->running.prev = h->running.next = &h->running;
}

void history_fini(struct history *h)
{
	mem_free(h->env, h->ring);
	h->ring = NULL;
	h->first = h->count = h->capacity = 0;
}

/* ---- the ring ---- */

static shale_job *ring_at(const struct history *h, size_t i)
{
	return &h->ring[(h->first + i) % h->capacity];
}

/* Make room for one more: by growing, else by forgetting. False: there is none at all. */
static bool ring_reserve(struct history *h)
{
	size_t capacity = h->capacity != 0 ? 2 * h->capacity : RING_LEAST;
	shale_job *more;

	if (h->count < h->capacity)
		return true;
	more = h->capacity < HISTORY_JOBS ? mem_array(h->env, capacity, sizeof(*more)) : NULL;
	if (more != NULL) {
		for (size_t i = 0; i < h->count; i++)
			more[i] = *ring_at(h, i);
		mem_free(h->env, h->ring);
		h->ring = more;
		h->capacity = capacity;
		h->first = 0;
	} else if (h->capacity != 0) {
		h->first = (h->first + 1) % h->capacity;
		h->count--;
	}
	return h->capacity != 0;
}

static void ring_push(struct history *h, const shale_job *j)
{
	if (ring_reserve(h))
		*ring_at(h, h->count++) = *j;
}

/* ---- a job's life ---- */

static shale_reason reason_of(const struct pick *p)
{
	static const shale_reason reasons[PICK_REASONS] = {
		[PICK_TOP_RUNS] = SHALE_MERGE_TOP_RUNS, [PICK_LEVEL_SIZE] = SHALE_MERGE_LEVEL_SIZE,
		[PICK_MANUAL] = SHALE_MERGE_ASKED,      [PICK_LEVEL_RUNS] = SHALE_MERGE_LEVEL_RUNS,
		[PICK_WINDOW] = SHALE_MERGE_WINDOW,     [PICK_EXPIRED] = SHALE_MERGE_EXPIRED,
		[PICK_OLDEST] = SHALE_MERGE_MAX_BYTES,  [PICK_DELETED] = SHALE_MERGE_TOMBSTONES,
		[PICK_LATE] = SHALE_MERGE_DEADLINE,     [PICK_SPACE] = SHALE_MERGE_SPACE,
	};

	return reasons[p->reason];
}

void history_of_pick(struct history_job *j, uint32_t cf, const struct pick *p,
		     const struct version *base)
{
	j->info = (shale_job){ .kind = p->drop   ? SHALE_JOB_DROP
				       : p->move ? SHALE_JOB_MOVE
						 : SHALE_JOB_MERGE,
			       .reason = reason_of(p),
			       .cf_id = cf,
			       .level_out = p->output_level };
	j->expected_entries = 0;
	for (size_t i = 0; i < p->input_count; i++) {
		const struct pick_input *in = &p->inputs[i];
		const struct run *r = base->runs[in->run];

		j->info.levels_in |= 1u << r->level;
		j->info.tables_in += in->count;
		for (size_t k = 0; k < in->count; k++) {
			j->info.bytes_in += r->tables[in->first + k]->size;
			j->expected_entries += r->tables[in->first + k]->props.entries;
		}
	}
}

void history_begin(struct history *h, struct history_job *j)
{
	j->info.start_ms = env_wall_ms(h->env);
	j->info.state = SHALE_JOB_RUNNING;
	j->start_ns = env_now_ns(h->env);
	atomic_store_explicit(&j->progress.entries_in, 0, memory_order_relaxed);
	atomic_store_explicit(&j->progress.bytes_out, 0, memory_order_relaxed);
	mutex_lock(&h->mu);
	j->info.id = h->next_id++;
	j->running = true;
	j->next = &h->running;
	j->prev = h->running.prev;
	j->prev->next = j->next->prev = j;
	mutex_unlock(&h->mu);
}

void history_result(struct history *h, struct history_job *j, const struct job *result)
{
	mutex_lock(&h->mu);
	j->info.tables_out = result->output_count;
	j->info.bytes_out = result->bytes_out;
	j->info.entries_in = result->entries_in;
	j->info.entries_kept = result->entries_out;
	j->info.dropped_shadowed = result->counts[DROP_SHADOWED];
	j->info.dropped_tombstones = result->counts[DROP_TOMBSTONE];
	j->info.dropped_expired = result->counts[DROP_EXPIRED];
	j->info.dropped_range = result->counts[DROP_RANGE];
	mutex_unlock(&h->mu);
}

shale_status history_check(const shale_job *j)
{
	uint64_t dropped =
		j->dropped_shadowed + j->dropped_tombstones + j->dropped_expired + j->dropped_range;

	if (j->entries_in == j->entries_kept + dropped)
		return SHALE_OK;
	return err_new(SHALE_BUG,
		       "job %" PRIu64 " does not add up: %" PRIu64 " entries in, %" PRIu64
		       " kept, %" PRIu64 " dropped",
		       j->id, j->entries_in, j->entries_kept, dropped);
}

static void count_done(shale_work_stats *w, const shale_job *j)
{
	w->jobs++;
	if (j->kind == SHALE_JOB_MOVE)
		return;
	w->read_bytes += j->kind == SHALE_JOB_MERGE ? j->bytes_in : 0;
	w->written_bytes += j->bytes_out;
	w->entries_in += j->entries_in;
	w->entries_kept += j->entries_kept;
	w->dropped_shadowed += j->dropped_shadowed;
	w->dropped_tombstones += j->dropped_tombstones;
	w->dropped_expired += j->dropped_expired;
	w->dropped_range += j->dropped_range;
}

static void count(struct history *h, const shale_job *j)
{
	shale_work_stats *reason = &h->by_reason[j->reason], *level = &h->by_level[j->level_out];

	if (j->state == SHALE_JOB_DONE) {
		count_done(reason, j);
		count_done(level, j);
	} else {
		reason->failed++;
		level->failed++;
	}
}

/* Tried again and again, as on a full disk: the last try alone stays in the ring. */
static bool is_repeated(const struct history *h, const shale_job *j)
{
	const shale_job *last = h->count != 0 ? ring_at(h, h->count - 1) : NULL;

	return last != NULL && j->state == SHALE_JOB_FAILED && last->state == j->state &&
	       last->cf_id == j->cf_id && last->kind == j->kind && last->reason == j->reason &&
	       last->status == j->status;
}

void history_end(struct history *h, struct history_job *j, shale_status rc, bool cancelled)
{
	uint64_t now = env_now_ns(h->env);
	size_t at;

	mutex_lock(&h->mu);
	if (!j->running) {
		mutex_unlock(&h->mu);
		return;
	}
	j->running = false;
	j->prev->next = j->next;
	j->next->prev = j->prev;
	j->info.ns = now - j->start_ns;
	j->info.bytes_done = j->info.bytes_in;
	j->info.state = rc >= 0     ? SHALE_JOB_DONE
			: cancelled ? SHALE_JOB_CANCELLED
				    : SHALE_JOB_FAILED;
	j->info.status = j->info.state == SHALE_JOB_FAILED ? rc : SHALE_OK;
	if (j->info.state == SHALE_JOB_FAILED) {
		at = h->failure_count++ % HISTORY_FAILURES;
		h->failures[at].id = j->info.id;
		memcpy(h->failures[at].text, err_last()->text, sizeof(h->failures[at].text));
	}
	count(h, &j->info);
	if (is_repeated(h, &j->info))
		h->count--;
	ring_push(h, &j->info);
	mutex_unlock(&h->mu);
}

/* ---- notes ---- */

void history_note(struct history *h, const struct history_job *j, struct buf *payload)
{
	struct edit_field f = { .tag = EDIT_JOB, .job = j->info };

	f.job.ns = env_now_ns(h->env) - j->start_ns;
	edit_field_encode(payload, &f);
}

void history_notes(struct history *h, size_t most, struct buf *payload)
{
	struct edit_field f = { .tag = EDIT_JOB };

	mutex_lock(&h->mu);
	for (size_t i = h->count > most ? h->count - most : 0; i < h->count; i++) {
		f.job = *ring_at(h, i);
		if (f.job.state == SHALE_JOB_DONE)
			edit_field_encode(payload, &f);
	}
	mutex_unlock(&h->mu);
}

void history_recover(struct history *h, const shale_job *j)
{
	mutex_lock(&h->mu);
	ring_push(h, j);
	if (j->id >= h->next_id)
		h->next_id = j->id + 1;
	mutex_unlock(&h->mu);
}

/* ---- writers that stop ---- */

uint64_t history_stop_begin(struct history *h, uint32_t cf, shale_stall_cause cause)
{
	uint64_t id, start_ms = env_wall_ms(h->env), now = env_now_ns(h->env);

	mutex_lock(&h->mu);
	id = ++h->stop_count;
	h->stops[id % HISTORY_STOPS] = (struct history_stop){
		.info = { .id = id,
			  .cf = "",
			  .cf_id = cf,
			  .cause = cause,
			  .waiting = true,
			  .start_ms = start_ms },
		.start_ns = now,
	};
	mutex_unlock(&h->mu);
	return id;
}

void history_stop_end(struct history *h, uint64_t id, uint64_t ns, shale_status rc)
{
	struct history_stop *s = &h->stops[id % HISTORY_STOPS];

	mutex_lock(&h->mu);
	if (s->info.id == id) { /* else later ones have taken its place */
		s->info.waiting = false;
		s->info.ns = ns;
		s->info.status = rc;
	}
	mutex_unlock(&h->mu);
}

/* ---- looking ---- */

void history_sums(struct history *h, shale_stats *out)
{
	mutex_lock(&h->mu);
	memcpy(out->by_reason, h->by_reason, sizeof(out->by_reason));
	memcpy(out->by_level, h->by_level, sizeof(out->by_level));
	mutex_unlock(&h->mu);
}

/* The jobs of one moment, and the sentences of those that failed. */
struct listing {
	size_t count;
	struct history_failure failures[HISTORY_FAILURES];
	shale_job jobs[];
};

static shale_job running_now(const struct history_job *j, uint64_t now)
{
	shale_job info = j->info;
	uint64_t done = atomic_load_explicit(&j->progress.entries_in, memory_order_relaxed);

	info.ns = now - j->start_ns;
	info.entries_in = done;
	info.entries_kept = info.dropped_shadowed = info.dropped_tombstones = 0;
	info.dropped_expired = info.dropped_range = info.tables_out = 0;
	info.bytes_out = atomic_load_explicit(&j->progress.bytes_out, memory_order_relaxed);
	info.bytes_done = j->expected_entries == 0 || done >= j->expected_entries
				  ? info.bytes_in
				  : (uint64_t)((double)info.bytes_in * (double)done /
					       (double)j->expected_entries);
	return info;
}

static struct listing *list_jobs(struct history *h)
{
	uint64_t now = env_now_ns(h->env);
	struct listing *l;
	size_t n;

	mutex_lock(&h->mu);
	n = h->count;
	for (const struct history_job *j = h->running.next; j != &h->running; j = j->next)
		n++;
	l = mem_zalloc(h->env, sizeof(*l) + n * sizeof(l->jobs[0]));
	if (l != NULL) {
		for (size_t i = 0; i < h->count; i++)
			l->jobs[l->count++] = *ring_at(h, i);
		for (const struct history_job *j = h->running.next; j != &h->running; j = j->next)
			l->jobs[l->count++] = running_now(j, now);
		memcpy(l->failures, h->failures, sizeof(l->failures));
	}
	mutex_unlock(&h->mu);
	return l;
}

static const char *failure_text(const struct listing *l, const shale_job *j)
{
	for (size_t i = 0; j->state == SHALE_JOB_FAILED && i < HISTORY_FAILURES; i++)
		if (l->failures[i].id == j->id)
			return l->failures[i].text;
	return "";
}

/* The name of a family, into a buffer of the caller; "" when it is gone. */
static const char *name_of(shale_db *db, uint32_t id, char name[SHALE_CF_NAME_MAX + 1])
{
	const shale_cf *cf;

	mutex_lock(&db->mu);
	cf = families_find(db, id);
	memcpy(name, cf != NULL ? cf->name : "", cf != NULL ? strlen(cf->name) + 1 : 1);
	mutex_unlock(&db->mu);
	return name;
}

shale_status shale_compactions(shale_db *db, bool (*each)(void *arg, const shale_job *j), void *arg)
{
	char name[SHALE_CF_NAME_MAX + 1];
	struct listing *l;
	shale_status rc = db_enter(db);

	if (rc < 0)
		return rc;
	l = list_jobs(&db->history);
	if (l == NULL)
		return err_memory("a list of jobs");
	for (size_t i = 0; i < l->count; i++) {
		l->jobs[i].cf = name_of(db, l->jobs[i].cf_id, name);
		l->jobs[i].text = failure_text(l, &l->jobs[i]);
		if (!each(arg, &l->jobs[i]))
			break;
	}
	mem_free(db->env, l);
	return SHALE_OK;
}

shale_status shale_stalls(shale_db *db, bool (*each)(void *arg, const shale_stall *s), void *arg)
{
	struct history *h = &db->history;
	char name[SHALE_CF_NAME_MAX + 1];
	uint64_t last;
	shale_status rc = db_enter(db);

	if (rc < 0)
		return rc;
	mutex_lock(&h->mu);
	last = h->stop_count;
	mutex_unlock(&h->mu);
	for (uint64_t id = last > HISTORY_STOPS ? last - HISTORY_STOPS + 1 : 1; id <= last; id++) {
		struct history_stop s;

		mutex_lock(&h->mu);
		s = h->stops[id % HISTORY_STOPS];
		mutex_unlock(&h->mu);
		if (s.info.id != id)
			continue; /* a later one has taken its place meanwhile */
		if (s.info.waiting)
			s.info.ns = env_now_ns(db->env) - s.start_ns;
		s.info.cf = name_of(db, s.info.cf_id, name);
		if (!each(arg, &s.info))
			break;
	}
	return SHALE_OK;
}
