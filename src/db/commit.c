/*
 * The way of a commit:
 *
 *   encode    the operations in the form of the log, with their checksum, before
 *             anything shared is touched
 *   order     under commit_mu, for some tens of nanoseconds: a place in the log,
 *             sequence numbers, a ticket, the memtables; a full memtable is
 *             sealed and the log rotated here and nowhere else
 *   apply     in parallel with others: copy into the log, insert into memtables (apply.c)
 *   publish   in order (publish.c)
 *   sync      where the durability asks for it, shared with all who wait
 */
#include "db/apply.h"

#include "base/crc32c.h"
#include "db/batch.h"
#include "db/scout.h"

enum { ENCODE_INLINE = 1024 };

static shale_status stopped(shale_db *db)
{
	shale_error why;

	mutex_lock(&db->mu);
	why = db->stop_error;
	mutex_unlock(&db->mu);
	if (why.status == SHALE_NO_SPACE)
		err_at(SHALE_NO_SPACE, why.object, why.offset,
		       "writes have stopped until there is room: %s", why.text);
	else
		err_at(SHALE_READ_ONLY, why.object, why.offset,
		       "writes have stopped, shale_resume() may help: %s", why.text);
	err_last()->sys_errno = why.sys_errno;
	return err_last()->status;
}

/* Seal what is full. SHALE_MORE with *full: no room for another sealed memtable. */
static shale_status seal_full(shale_db *db, struct commit *c, shale_cf **full)
{
	for (size_t i = 0; i < c->target_count; i++) {
		shale_cf *cf = c->targets[i].cf;
		shale_status rc;

		if (unlikely(atomic_load_explicit(&cf->dropped, memory_order_relaxed)))
			return err_new(SHALE_INVALID, "column family '%s' was dropped", cf->name);
		*full = cf;
		if (unlikely(stall_is_full_of_others(db)))
			return SHALE_MORE;
		if (likely(memtable_bytes(cf->active->table) < db->options.memtable_bytes))
			continue;
		rc = seal_family(db, cf, SHALE_FLUSH_FULL);
		if (rc != SHALE_OK)
			return rc;
	}
	return SHALE_OK;
}

/*
 * Everything that may fail or wait in the ordered step, until it neither fails nor
 * waits. Enters and returns with commit_mu held.
 */
static shale_status order_prepare(shale_db *db, struct commit *c, bool logged,
				  struct wal_slot *slot)
{
	bool admitted = false;

	for (;;) {
		shale_cf *full = NULL;
		struct wal *wal;
		shale_status rc;

		if (unlikely(atomic_load_explicit(&db->write_stopped, memory_order_relaxed)))
			return stopped(db);
		if (unlikely(atomic_load_explicit(&db->space_short, memory_order_relaxed)) &&
		    !admitted) {
			mutex_unlock(&db->commit_mu);
			rc = space_wait(db, c);
			mutex_lock(&db->commit_mu);
			if (rc < 0)
				return rc;
			admitted = true;
			continue;
		}
		if (unlikely(db->next_ticket -
				     atomic_load_explicit(&db->published, memory_order_acquire) >=
			     RING_SIZE)) {
			uint64_t oldest = db->next_ticket - RING_SIZE + 1;

			mutex_unlock(&db->commit_mu);
			rc = publish_wait(db, oldest)
				     ? SHALE_OK
				     : err_new(SHALE_READ_ONLY,
					       "writes have stopped, reopen the store");
			mutex_lock(&db->commit_mu);
			if (rc < 0)
				return rc;
			continue;
		}
		if (unlikely(c->count > SEQ_MAX - db->next_seq))
			return err_new(SHALE_TOO_LARGE, "the store's sequence numbers are used up");
		rc = seal_full(db, c, &full);
		if (unlikely(rc == SHALE_MORE)) {
			mutex_unlock(&db->commit_mu);
			rc = stall_stop(db, full, c);
			mutex_lock(&db->commit_mu);
			if (rc == SHALE_OK)
				continue;
		}
		if (rc < 0 || !logged)
			return rc;
		wal = atomic_load_explicit(&db->wal, memory_order_relaxed);
		rc = wal_reserve(wal, c->payload.size, db->next_seq, slot);
		if (likely(rc == SHALE_OK))
			return rc;
		/* The log failed in somebody's sync who may not have come to say so. */
		if (rc < 0) {
			db_log_failed(db, wal);
			return rc;
		}
		mutex_unlock(&db->commit_mu);
		rc = log_prepare(db, c->payload.size);
		mutex_lock(&db->commit_mu);
		if (rc < 0)
			return rc;
	}
}

static bool wants_sync(const shale_db *db, shale_durability d)
{
	/* A raised write cannot wait for an interval that nobody keeps. */
	return d == SHALE_DURABLE ||
	       (d == SHALE_INTERVAL && db->options.durability < SHALE_INTERVAL);
}

shale_status commit_run(shale_db *db, struct commit *c, shale_durability durability,
			shale_seq *seq_out)
{
	struct wal_slot slot = { .end = 0 };
	struct apply a;
	uint64_t ticket, first, last, segment = 0;
	struct wal *wal;
	shale_status rc, applied;
	bool logged;

	if (durability < db->options.durability)
		durability = db->options.durability;
	logged = durability != SHALE_EPHEMERAL;
	rc = stall_delay(db, c);
	if (unlikely(rc < 0))
		return rc;

	if (unlikely(!mutex_trylock(&db->commit_mu))) {
		stats_add(&db->stats, STAT_ORDER_WAITS, 1);
		mutex_lock(&db->commit_mu);
	}
	rc = order_prepare(db, c, logged, &slot);
	if (unlikely(rc != SHALE_OK)) {
		mutex_unlock(&db->commit_mu);
		return rc;
	}
	wal = atomic_load_explicit(&db->wal, memory_order_relaxed);
	first = db->next_seq;
	last = first + c->count - 1;
	db->next_seq += c->count;
	ticket = db->next_ticket++;
	if (logged)
		segment = wal_active(wal);
	for (size_t i = 0; i < c->target_count; i++) {
		struct mem *m = c->targets[i].cf->active;

		c->targets[i].mem = m;
		m->used = true;
		if (logged && atomic_load_explicit(&m->log_first, memory_order_relaxed) == 0) {
			atomic_store_explicit(&m->log_first, segment, memory_order_relaxed);
			m->log_begin = slot.lsn;
		}
	}
	db->since_look += c->payload.size;
	if (unlikely(ticket % 1024 == 0 || db->since_look > db->memtables_max / 64)) {
		db->since_look = 0;
		seal_for_memory(db);
		space_written(db);
		for (size_t i = 0; i < c->target_count; i++)
			stall_look(db, c->targets[i].cf);
		for (size_t i = 0; i < c->target_count; i++)
			seal_for_deletes(db, c->targets[i].cf);
		if (logged && log_wants_segment(db, wal))
			scheduler_kick(db->keeper);
	}
	reuse_look(db, c);
	if (c->frees && scout_is_due(ticket))
		scout_look(db, c, first);
	if (unlikely(logged &&
		     segment != atomic_load_explicit(&db->log_segment, memory_order_relaxed))) {
		/* Release: pairs with log_encode_removals(). */
		atomic_store_explicit(&db->log_segment, segment, memory_order_release);
		(void)seal_for_log(db, slot.end); /* tried again at the next rotation */
		scheduler_kick(db->keeper);
	}
	mutex_unlock(&db->commit_mu);

	apply_begin(&a, c, first);
	if (logged)
		wal_fill(wal, &slot, first, c->count, c->payload, c->crc);
	applied = apply_all(&a);
	if (unlikely(applied < 0)) {
		shale_error why = *err_last(); /* publish() tells that nothing comes behind it */

		(void)publish(db, ticket, last, slot.end, true);
		*err_last() = why;
		db_stop_writes(db);
		return applied;
	}
	rc = publish(db, ticket, last, slot.end, false);
	if (rc >= 0 && logged && wants_sync(db, durability)) {
		rc = wal_sync_commit(wal, slot.end);
		store_note_commit(db->store);
		if (rc < 0)
			db_log_failed(db, wal);
	}
	if (rc >= 0 && seq_out != NULL)
		*seq_out = last;
	return rc;
}

/* ---- the verbs ---- */

static uint64_t expiry_of(shale_db *db, const shale_cf *cf, const shale_write_options *o)
{
	uint64_t ttl = o != NULL && o->ttl_ms != 0 ? o->ttl_ms : cf->options.ttl_ms, at;

	if (ttl == 0)
		return 0;
	return __builtin_add_overflow(env_wall_ms(db->env), ttl, &at) ? UINT64_MAX : at;
}

static uint64_t give_up_ns(const shale_db *db, const shale_write_options *o)
{
	uint64_t ns;

	if (likely(o == NULL || o->stall_max_ms == 0) ||
	    __builtin_mul_overflow(o->stall_max_ms, 1000000, &ns) ||
	    __builtin_add_overflow(env_now_ns(db->env), ns, &ns))
		return UINT64_MAX;
	return ns;
}

static shale_status write_enter(shale_db *db, const shale_write_options *o)
{
	shale_status rc = db_enter(db);

	if (rc < 0)
		return rc;
	if (unlikely(db->options.read_only))
		return err_new(SHALE_READ_ONLY, "the store was opened read-only");
	if (o != NULL && unlikely(o->struct_size != sizeof(*o)))
		return err_new(SHALE_INVALID,
			       "shale_write_options.struct_size is %zu; set it up with "
			       "SHALE_WRITE_OPTIONS_INIT",
			       o->struct_size);
	if (o != NULL && unlikely((unsigned)o->durability > SHALE_DURABLE))
		return err_new(SHALE_INVALID,
			       "option durability is %d; allowed is a value of enum "
			       "shale_durability",
			       (int)o->durability);
	return family_check(db, o != NULL ? o->cf : NULL);
}

/* One operation as a commit of its own, encoded on the stack where it fits. */
static shale_status write_one(shale_db *db, const shale_write_options *o, struct batch_op *op)
{
	uint8_t local[ENCODE_INLINE], *bytes = local;
	shale_cf *cf = family_of(db, o != NULL ? o->cf : NULL);
	uint64_t began = latency_begin(&db->pace.latency, db->env);
	uint64_t expiry = op->type == OP_PUT ? expiry_of(db, cf, o) : 0;
	struct commit c = { .count = 1,
			    .target_count = 1,
			    .frees = op->type != OP_PUT,
			    .give_up_ns = give_up_ns(db, o) };
	size_t size;
	shale_status rc;

	op->cf = cf->id;
	size = expiry != 0 ? batch_ttl_size(op->cf, op->key, op->value) : batch_op_size(op);
	if (size > sizeof(local)) {
		bytes = mem_alloc(db->env, size);
		if (bytes == NULL)
			return err_memory("a write");
	}
	if (expiry != 0)
		batch_ttl_write(bytes, op->cf, op->key, expiry, op->value);
	else
		batch_op_write(bytes, op);
	c.payload = slice_from(bytes, size);
	c.crc = crc32c(0, bytes, size);
	c.targets = c.inline_targets;
	c.targets[0].cf = cf;
	rc = commit_run(db, &c, o != NULL ? o->durability : SHALE_DEFAULT_DURABILITY,
			o != NULL ? o->seq_out : NULL);
	if (bytes != local)
		mem_free(db->env, bytes);
	if (rc < 0)
		return rc;
	stats_add(&db->stats, STAT_COMMITS, 1);
	stats_add(&db->stats, STAT_USER_BYTES, op->key.size + op->value.size);
	latency_note(&db->pace.latency, db->env, began);
	return SHALE_OK;
}

shale_status shale_put(shale_db *db, const shale_write_options *o, shale_slice key,
		       shale_slice value)
{
	struct batch_op op = { .type = OP_PUT, .key = key, .value = value };
	shale_status rc = write_enter(db, o);

	if (rc >= 0)
		rc = key_check(&op.key);
	if (rc >= 0)
		rc = value_check(value);
	if (rc >= 0)
		rc = write_one(db, o, &op);
	if (rc >= 0)
		stats_add(&db->stats, STAT_PUTS, 1);
	return rc;
}

shale_status shale_delete(shale_db *db, const shale_write_options *o, shale_slice key)
{
	struct batch_op op = { .type = OP_DELETE, .key = key };
	shale_status rc = write_enter(db, o);

	if (rc >= 0)
		rc = key_check(&op.key);
	if (rc >= 0)
		rc = write_one(db, o, &op);
	if (rc >= 0)
		stats_add(&db->stats, STAT_DELETES, 1);
	return rc;
}

shale_status shale_delete_range(shale_db *db, const shale_write_options *o, shale_slice lo,
				shale_slice hi)
{
	struct batch_op op = { .type = OP_RANGE_DELETE, .key = lo, .value = hi };
	shale_status rc = write_enter(db, o);

	if (rc >= 0)
		rc = range_check(&op.key, &op.value);
	if (rc >= 0)
		rc = write_one(db, o, &op);
	if (rc >= 0)
		stats_add(&db->stats, STAT_RANGE_DELETES, 1);
	return rc;
}

/* Resolve the families of a batch; they stay alive through references taken here. */
static shale_status batch_targets(shale_db *db, const shale_batch *b, struct commit *c)
{
	shale_status rc = SHALE_OK;

	c->targets = c->inline_targets;
	if (b->family_count > COMMIT_TARGETS_INLINE) {
		c->targets = mem_array(db->env, b->family_count, sizeof(*c->targets));
		if (c->targets == NULL)
			return err_memory("the families of a batch");
	}
	mutex_lock(&db->mu);
	for (size_t i = 0; i < b->family_count && rc >= 0; i++) {
		shale_cf *cf = families_find(db, b->families[i]);

		if (cf == NULL)
			rc = err_new(SHALE_INVALID,
				     "the batch writes to column family %" PRIu32
				     ", which this store does not have",
				     b->families[i]);
		else
			c->targets[c->target_count++].cf = family_ref(cf);
	}
	mutex_unlock(&db->mu);
	return rc;
}

shale_status shale_write(shale_db *db, const shale_write_options *o, shale_batch *b)
{
	struct commit c = { .count = (uint32_t)b->count, .frees = b->puts == 0 };
	const uint8_t *bytes = b->bytes.data;
	size_t size = b->bytes.size;
	struct buf expiring;
	shale_status rc = write_enter(db, o);

	if (rc < 0)
		return rc;
	if (b->count == 0) {
		if (o != NULL && o->seq_out != NULL)
			*o->seq_out = atomic_load(&db->visible);
		return SHALE_OK;
	}
	if (b->db != NULL && b->db != db)
		return err_new(SHALE_INVALID, "the batch has column families of another store");
	buf_init(&expiring, db->env);
	rc = batch_targets(db, b, &c);
	if (rc >= 0 && batch_needs_expiry(b, &c)) {
		rc = batch_with_expiry(db, b, &c, &expiring);
		bytes = expiring.data;
		size = expiring.size;
	}
	if (rc >= 0 && size > UINT32_MAX)
		rc = err_new(SHALE_TOO_LARGE, "the batch has %zu bytes; the limit is 4 GiB", size);
	if (rc >= 0) {
		c.payload = slice_from(bytes, size);
		c.crc = crc32c(0, bytes, size);
		c.give_up_ns = give_up_ns(db, o);
		rc = commit_run(db, &c, o != NULL ? o->durability : SHALE_DEFAULT_DURABILITY,
				o != NULL ? o->seq_out : NULL);
	}
	for (size_t i = 0; i < c.target_count; i++)
		family_unref(c.targets[i].cf);
	if (c.targets != c.inline_targets)
		mem_free(db->env, c.targets);
	buf_fini(&expiring);
	if (rc < 0)
		return rc;
	stats_add(&db->stats, STAT_COMMITS, 1);
	stats_add(&db->stats, STAT_PUTS, b->puts);
	stats_add(&db->stats, STAT_DELETES, b->deletes);
	stats_add(&db->stats, STAT_RANGE_DELETES, b->range_deletes);
	stats_add(&db->stats, STAT_USER_BYTES, b->user_bytes);
	return SHALE_OK;
}
