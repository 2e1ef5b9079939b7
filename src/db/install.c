/*
 * Installing: a result of background work becomes the state. First the manifest,
 * durably; then memory, which cannot fail any more because all it needs was
 * allocated before. Readers see the old view or the new one.
 */
#include "db/work.h"

#define SHRINK_AGAIN_NS UINT64_C(1000000000)

enum {
	MANIFEST_SLACK = 256 << 10,
	/* Where room is short. */
	HISTORY_SHORT = 16,
	DISK_BLOCK = 4096,
	ROOT_ROOM = 3 * DISK_BLOCK, /* the root that names it, a directory's, a block begun */
};

static void encode_table(struct buf *payload, const shale_cf *cf, uint32_t level, uint64_t run,
			 const struct table_meta *m)
{
	struct edit_field f = { .tag = EDIT_ADD_TABLE,
				.cf = cf->id,
				.level = level,
				.run = run,
				.number = m->number,
				.size = m->size,
				.props = m->props };
	struct edit_field hides = { .tag = EDIT_HIDES, .number = m->number, .hides = m->hides };

	edit_field_encode(payload, &f);
	if (m->hides < m->props.entries)
		edit_field_encode(payload, &hides);
}

/* Everything there is, as one edit. */
static shale_status encode_snapshot(shale_db *db, struct buf *payload)
{
	bool is_short = atomic_load_explicit(&db->space_short, memory_order_relaxed);
	struct edit_field mark = { .tag = EDIT_SNAPSHOT };
	struct edit_field next_cf = { .tag = EDIT_NEXT_CF, .cf = db->next_cf };
	struct edit_field last = { .tag = EDIT_LAST_SEQ, .number = atomic_load(&db->visible) };

	edit_field_encode(payload, &mark);
	edit_field_encode(payload, &next_cf);
	edit_field_encode(payload, &last);
	for (size_t i = 0; i < db->family_count; i++) {
		shale_cf *cf = db->families[i];
		struct edit_field create = { .tag = EDIT_CF_CREATE,
					     .cf = cf->id,
					     .name = shale_str(cf->name),
					     .options = cf->options };
		struct edit_field flushed = { .tag = EDIT_CF_FLUSHED,
					      .cf = cf->id,
					      .seq = cf->flushed_seq };

		edit_field_encode(payload, &create);
		edit_field_encode(payload, &flushed);
		for (size_t r = 0; r < cf->version->run_count; r++) {
			const struct run *run = cf->version->runs[r];

			for (size_t t = 0; t < run->count; t++)
				encode_table(payload, cf, run->level, run->id, run->tables[t]);
		}
	}
	for (size_t i = 0; i < db->log_count; i++) {
		const struct live_log *log = &db->logs[i];
		struct edit_field add = { .tag = EDIT_LOG_ADD, .number = log->number };
		struct edit_field seal = { .tag = EDIT_LOG_SEAL,
					   .number = log->number,
					   .length = log->length,
					   .seq = log->last_seq };

		edit_field_encode(payload, &add);
		if (log->sealed)
			edit_field_encode(payload, &seal);
	}
	history_notes(&db->history, is_short ? HISTORY_SHORT : HISTORY_JOBS, payload);
	return payload->failed ? err_memory("a manifest snapshot") : SHALE_OK;
}

/* Whether the root may be another one than that by now. Leaves the last error as it is. */
static bool root_may_differ(shale_db *db, const struct buf *expected)
{
	shale_error first = *err_last();
	struct buf now;
	bool same;

	buf_init(&now, db->env);
	same = store_root_read(db->store, &now) == SHALE_OK &&
	       slice_eq(buf_view(&now), buf_view(expected));
	buf_fini(&now);
	*err_last() = first;
	return !same;
}

/* One that no root names any more, or yet. Leaves the last error as it is. */
static void discard_manifest(shale_db *db, struct manifest *m)
{
	shale_error first = *err_last();
	uint64_t number = manifest_number(m);

	manifest_close(m);
	(void)store_delete(db->store, OBJECT_MANIFEST, number); /* else an orphan */
	*err_last() = first;
}

/* A new manifest takes over; `last` when nothing will follow in it. */
static shale_status replace_manifest(shale_db *db, bool last)
{
	struct edit_field clean = { .tag = EDIT_CLEAN_CLOSE };
	struct root root = { .epoch = db->epoch,
			     .manifest = db_new_number(db),
			     .store_id = db->store_id };
	/* A poisoned manifest may hold one edit more than it admits. */
	uint64_t edit = (db->manifest != NULL ? manifest_edit(db->manifest)
					      : db->recovered_manifest.last_edit) +
			2;
	struct manifest *fresh = NULL;
	struct buf payload, expected;
	uint8_t bytes[ROOT_SIZE];
	shale_status rc;

	buf_init(&payload, db->env);
	buf_init(&expected, db->env);
	rc = encode_snapshot(db, &payload);
	if (rc >= 0 && last) {
		edit_field_encode(&payload, &clean);
		if (payload.failed)
			rc = err_memory("a manifest snapshot");
	}
	if (rc >= 0)
		rc = manifest_create(db->store, root.manifest, db->store_id, edit,
				     buf_view(&payload), &fresh);
	if (rc >= 0)
		rc = store_root_read(db->store, &expected);
	if (rc >= 0) {
		root_encode(&root, bytes);
		rc = store_root_swap(db->store, buf_view(&expected), slice_from(bytes, ROOT_SIZE));
		if (rc != SHALE_OK && !root_may_differ(db, &expected)) {
			discard_manifest(db, fresh);
			fresh = NULL;
		} else if (rc != SHALE_OK) {
			/* The root may name the new one: nothing goes into the old one. */
			db->manifest_failed = true;
		}
	} else if (fresh != NULL) {
		discard_manifest(db, fresh); /* the root was not touched */
		fresh = NULL;
	}
	if (rc == SHALE_CONFLICT)
		rc = SHALE_IO; /* somebody else writes to this store; the text says so */
	if (rc >= 0) {
		if (db->manifest != NULL)
			discard_manifest(db, db->manifest);
		db->manifest = fresh;
		db->manifest_failed = false;
		atomic_store(&db->last_edit, edit);
		atomic_store_explicit(&db->manifest_bytes, manifest_size(fresh),
				      memory_order_relaxed);
		fresh = NULL; /* moved */
		/* It names what is installed, and nothing else. */
		while (db->doubted_count != 0) {
			const struct garbage *g = &db->doubted[--db->doubted_count];

			garbage_add(db, g->number, g->bytes);
		}
	}
	/* After a swap that failed half way the root may name either, so both files stay. */
	manifest_close(fresh);
	buf_fini(&payload);
	buf_fini(&expected);
	return rc;
}

shale_status install_new_manifest(shale_db *db)
{
	return replace_manifest(db, false);
}

/*
 * A log of edits that is cut behind any of them is still a manifest, if an old one,
 * and nothing can tell. So a store is closed with a manifest of one record, which is
 * there as a whole or not at all.
 */
shale_status install_last_manifest(shale_db *db)
{
	return replace_manifest(db, true);
}

/* Without memory for a note it stays as an orphan until the next open. */
static void doubt(shale_db *db, uint64_t number, uint64_t bytes)
{
	if (db->doubted_count == db->doubted_capacity) {
		size_t n = db->doubted_capacity != 0 ? 2 * db->doubted_capacity : 16;
		struct garbage *more = mem_realloc(db->env, db->doubted, n * sizeof(*more));

		if (more == NULL)
			return;
		db->doubted = more;
		db->doubted_capacity = n;
	}
	db->doubted[db->doubted_count++] = (struct garbage){ number, bytes };
}

void install_give_up(shale_db *db, struct job *job)
{
	bool may_be_named;

	mutex_lock(&db->install_mu);
	may_be_named = atomic_load(&db->manifest_failed);
	for (size_t i = 0; may_be_named && i < job->output_count; i++)
		doubt(db, job->outputs[i].number, job->outputs[i].size);
	mutex_unlock(&db->install_mu);
	job_fini(job, !may_be_named);
}

/* Under install_mu. */
static shale_status heal(shale_db *db)
{
	return atomic_load(&db->manifest_failed) ? install_new_manifest(db) : SHALE_OK;
}

shale_status install_heal(shale_db *db)
{
	shale_status rc;

	mutex_lock(&db->install_mu);
	rc = heal(db);
	mutex_unlock(&db->install_mu);
	return rc;
}

/* Under install_mu; anew, if there were edits since. */
static void look_at_need(shale_db *db)
{
	uint64_t edit = atomic_load(&db->last_edit);
	struct buf payload;

	if (db->shrink.seen_edit == edit)
		return;
	buf_init(&payload, db->env);
	if (encode_snapshot(db, &payload) >= 0) {
		db->shrink.seen_edit = edit;
		db->shrink.need = payload.size + DISK_BLOCK; /* its head, and a little */
		atomic_store_explicit(&db->manifest_bytes, db->shrink.need, memory_order_relaxed);
	}
	buf_fini(&payload);
}

void install_shrink_manifest(shale_db *db, uint64_t room)
{
	uint64_t now = env_now_ns(db->env);

	mutex_lock(&db->install_mu);
	if (!atomic_load(&db->manifest_failed)) {
		look_at_need(db);
		if (db->shrink.need != 0 && db->shrink.need + ROOT_ROOM < room &&
		    now >= db->shrink.again_ns &&
		    manifest_size(db->manifest) > 2 * db->shrink.need &&
		    install_new_manifest(db) < 0)
			db->shrink.again_ns = now + SHRINK_AGAIN_NS;
	}
	mutex_unlock(&db->install_mu);
}

shale_status install_edit(shale_db *db, struct buf *payload)
{
	shale_status rc = SHALE_OK;

	mutex_assert_held(&db->install_mu);
	if (payload->failed)
		return err_memory("a manifest edit");
	if (db->manifest_failed ||
	    manifest_size(db->manifest) > 2 * manifest_base_size(db->manifest) + MANIFEST_SLACK)
		rc = install_new_manifest(db);
	if (rc >= 0) {
		uint64_t size = manifest_size(db->manifest);

		rc = manifest_append(db->manifest, buf_view(payload));
		atomic_fetch_add_explicit(&db->manifest_bytes, manifest_size(db->manifest) - size,
					  memory_order_relaxed);
		db->manifest_failed = rc < 0;
		if (rc >= 0)
			atomic_store(&db->last_edit, manifest_edit(db->manifest));
	}
	return rc;
}

shale_status install_edit_or_undo(shale_db *db, struct buf *payload, bool *undone)
{
	/* First, so that the manifest may hold this edit and no other that failed. */
	shale_status rc = heal(db);

	*undone = true;
	if (rc < 0)
		return rc;
	rc = install_edit(db, payload);
	if (rc < 0) {
		shale_error why = *err_last();

		*undone = heal(db) >= 0;
		*err_last() = why;
	}
	return rc;
}

/* The removals of a pick, in the builder and in the edit. */
static shale_status take_inputs(const struct install *in, struct version_builder *b,
				struct buf *payload)
{
	for (size_t i = 0; in->pick != NULL && i < in->pick->input_count; i++) {
		const struct pick_input *input = &in->pick->inputs[i];
		const struct run *run = in->base->runs[input->run];

		for (size_t t = input->first; t < input->first + input->count; t++) {
			struct edit_field f = { .tag = EDIT_REMOVE_TABLE,
						.cf = in->cf->id,
						.level = run->level,
						.run = run->id,
						.number = run->tables[t]->number };
			shale_status rc = version_builder_remove(b, run->level, run->id, f.number);

			if (rc < 0)
				return rc;
			edit_field_encode(payload, &f);
		}
	}
	return SHALE_OK;
}

static shale_status put_table(const struct install *in, struct version_builder *b,
			      struct buf *payload, struct table_meta *m)
{
	encode_table(payload, in->cf, in->level, in->run, m);
	return version_builder_add(b, in->level, in->run, m);
}

static shale_status put_outputs(const struct install *in, struct version_builder *b,
				struct buf *payload)
{
	shale_db *db = in->cf->db;
	shale_status rc = SHALE_OK;

	if (in->pick != NULL && in->pick->move) {
		for (size_t i = 0; i < in->pick->input_count; i++) {
			const struct pick_input *input = &in->pick->inputs[i];
			const struct run *run = in->base->runs[input->run];

			for (size_t t = 0; t < input->count && rc >= 0; t++)
				rc = put_table(in, b, payload, run->tables[input->first + t]);
		}
		return rc;
	}
	if (in->job == NULL)
		return SHALE_OK; /* dropped: nothing comes */
	for (size_t i = 0; i < in->job->output_count && rc >= 0; i++) {
		const struct table_built *built = &in->job->outputs[i];
		struct table_meta *m = NULL;

		rc = table_meta_new(db->env, built->number, built->size, &built->props, &m);
		if (rc < 0)
			return rc;
		m->collect = garbage_add;
		m->collector = db;
		m->hides = built->hides;
		rc = put_table(in, b, payload, m);
		table_meta_unref(m);
	}
	return rc;
}

static void drop_inputs(const struct install *in)
{
	for (size_t i = 0; in->pick != NULL && !in->pick->move && i < in->pick->input_count; i++) {
		const struct pick_input *input = &in->pick->inputs[i];
		const struct run *run = in->base->runs[input->run];

		for (size_t t = 0; t < input->count; t++)
			atomic_store(&run->tables[input->first + t]->obsolete, true);
	}
}

/* Take the oldest sealed memtable off its list; under mu. */
static void unlink_flushed(shale_db *db, shale_cf *cf, struct mem *m)
{
	ASSERT(cf->oldest == m);
	cf->oldest = m->newer;
	if (cf->oldest == NULL)
		cf->newest = NULL;
	m->newer = NULL;
	cf->sealed_count--;
	cf->flushed_seq = m->last_seq;
	db->sealed_bytes -= m->bytes;
}

/* What the stack holds changes by what the job says that it did; SHALE_BUG. */
static shale_status check_counts(const struct install *in, const struct version *next)
{
	const shale_job *j = &in->history->info;
	uint64_t before = 0, after = 0;
	shale_status rc = history_check(j);

	if (rc < 0)
		return rc;
	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++) {
		before += in->cf->version->level[l].entries;
		after += next->level[l].entries;
	}
	if (after == before - (in->pick != NULL ? j->entries_in : 0) + j->entries_kept)
		return SHALE_OK;
	return err_new(SHALE_BUG,
		       "job %" PRIu64 " does not add up: %" PRIu64 " entries in, %" PRIu64
		       " kept, but the tables had %" PRIu64 " and would have %" PRIu64,
		       j->id, j->entries_in, j->entries_kept, before, after);
}

shale_status install_run(shale_db *db, const struct install *in)
{
	shale_cf *cf = in->cf;
	struct version_builder *b = NULL;
	struct version *next = NULL, *old;
	struct view *view = NULL;
	struct buf payload;
	uint64_t below = 0;
	shale_status rc;

	mutex_assert_held(&db->install_mu);
	buf_init(&payload, db->env);
	rc = version_builder_new(db->env, cf->version, &b);
	if (rc >= 0)
		rc = take_inputs(in, b, &payload);
	if (rc >= 0)
		rc = put_outputs(in, b, &payload);
	if (rc >= 0)
		rc = version_builder_finish(b, &next);
	if (rc >= 0)
		rc = check_counts(in, next);
	if (rc >= 0)
		history_note(&db->history, in->history, &payload);
	if (rc >= 0 && in->flushed != NULL) {
		struct edit_field flushed = { .tag = EDIT_CF_FLUSHED,
					      .cf = cf->id,
					      .seq = in->flushed->last_seq };
		struct edit_field last = { .tag = EDIT_LAST_SEQ, .number = in->flushed->last_seq };

		edit_field_encode(&payload, &flushed);
		edit_field_encode(&payload, &last);
		rc = log_encode_removals(db, in->flushed, &payload, &below);
	}
	view = rc >= 0 ? view_alloc(db) : NULL;
	if (rc >= 0 && view == NULL)
		rc = SHALE_NO_MEMORY;
	if (rc >= 0)
		rc = install_edit(db, &payload);
	if (rc < 0)
		goto out;

	mutex_lock(&db->mu);
	old = cf->version;
	cf->version = next;
	cf->changes++;
	next = NULL; /* moved */
	if (in->flushed != NULL)
		unlink_flushed(db, cf, in->flushed);
	view_publish(cf, view);
	view = NULL; /* moved */
	stall_update(db, cf);
	if (in->flushed != NULL)
		stall_flushed(db);
	drop_inputs(in);
	history_end(&db->history, in->history, SHALE_OK, false);
	work_count(db, &in->history->info);
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	version_unref(old);
	memory_fit(db);
	if (in->flushed != NULL)
		log_apply_removals(db, below);
out:
	view_discard(view);
	version_unref(next);
	version_builder_free(b);
	buf_fini(&payload);
	return rc;
}
