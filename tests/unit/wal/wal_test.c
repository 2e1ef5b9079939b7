/* The log's life: put, rotate, seal, release, recycle, close, fail, and read back. */
#include "unit/wal/fixture.h"

#include <inttypes.h>

static const enum wal_sink SINKS[] = { WAL_MAPPED, WAL_STAGED };

static uint64_t stat(struct log *l, enum stat which)
{
	return stats_sum(&l->stats, which);
}

static void reads_back_what_was_written(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct log *l = log_new(SINKS[k]);
		struct wal_report report;
		struct replayed r;

		log_put_many(l, 100);
		assert_ok(log_sync(l));
		assert_ok(log_replay(l, &r, &report));
		assert_int_equal(r.records, 100);
		assert_int_equal(report.records, 100);
		assert_int_equal(report.last_seq, l->next_seq - 1);
		assert_int_equal(report.end_lsn, wal_completed_lsn(l->w));
		assert_int_equal(report.discarded_bytes, 0);
		assert_false(report.clean);
		log_free(l);
	}
}

static void an_empty_log_is_read_as_empty(void **state)
{
	struct log *l = log_new(WAL_MAPPED);
	struct wal_report report;
	struct replayed r;

	(void)state;
	assert_ok(log_replay(l, &r, &report));
	assert_int_equal(report.segments, 0);
	/* Prepared, never used. */
	assert_ok(log_prepare(l, 0));
	assert_ok(log_replay(l, &r, &report));
	assert_int_equal(report.segments, 0);
	assert_int_equal(report.records, 0);
	assert_int_equal(report.discarded_bytes, 0);
	log_free(l);
}

static void goes_on_in_the_next_segment_without_a_gap(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct log *l = log_new(SINKS[k]);
		struct wal_report report;
		struct wal_slot slot;
		struct replayed r;
		uint64_t behind = 0, active = 0, changes = 0;

		for (int i = 0; i < 1000; i++) {
			assert_ok(log_put(l, &slot));
			if (wal_active(l->w) == active) {
				assert_int_equal(slot.lsn, behind);
			} else {
				/* Behind the header page and the LINK. */
				assert_int_equal(slot.lsn,
						 behind + LOG_PAGE + record_size(LINK_SIZE));
				changes++;
			}
			active = wal_active(l->w);
			behind = slot.end;
			if (i % 100 == 0)
				assert_ok(log_sync(l));
		}
		assert_true(changes > 5);
		assert_ok(log_sync(l));
		assert_ok(log_replay(l, &r, &report));
		assert_int_equal(r.next, l->next_seq);
		assert_int_equal(report.segments, changes);
		log_seal(l);
		assert_ok(log_replay(l, &r, &report));
		assert_int_equal(r.next, l->next_seq);
		log_free(l);
	}
}

static void asks_for_segments_and_tells_which_it_has(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_slot slot;
	uint64_t active;

	(void)state;
	assert_true(wal_wants_segment(l->w, true));
	assert_int_equal(wal_active(l->w), 0);
	assert_int_equal(wal_reserve(l->w, 10, 1, &slot), SHALE_MORE);
	/* Made, but unknown to the manifest. */
	assert_ok(wal_prepare(l->w, l->next_number++, 1, 0));
	assert_int_equal(wal_reserve(l->w, 10, 1, &slot), SHALE_MORE);
	assert_false(wal_has_ready(l->w, 0));
	wal_admit(l->w, false);
	assert_int_equal(wal_reserve(l->w, 10, 1, &slot), SHALE_MORE);

	assert_ok(log_prepare(l, 0));
	assert_false(wal_wants_segment(l->w, true));
	assert_true(wal_has_ready(l->w, 10));
	assert_false(wal_has_ready(l->w, SEGMENT_BYTES));
	log_put_many(l, 1);
	assert_int_equal(wal_active(l->w), l->live[0].number);
	assert_false(wal_has_ready(l->w, 0));
	/* The first may be all that is ever written; it is waited for a part of it. */
	assert_false(wal_wants_segment(l->w, true));
	wal_rotate(l->w);
	assert_true(wal_wants_segment(l->w, true));
	log_put_many(l, 1);
	assert_true(wal_wants_segment(l->w, true));
	assert_ok(log_prepare(l, 0));
	assert_false(wal_wants_segment(l->w, true));
	/* Two are kept once a part is used. */
	active = wal_active(l->w);
	while (!wal_wants_segment(l->w, true))
		log_put_many(l, 1);
	assert_int_equal(wal_active(l->w), active);
	assert_ok(log_prepare(l, 0));
	assert_false(wal_wants_segment(l->w, true));
	log_free(l);
}

static void a_record_too_large_for_a_segment_gets_its_own(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct log *l = log_new(SINKS[k]);
		size_t n = 3 * SEGMENT_BYTES + 5;
		uint8_t *big = calloc(1, n);
		struct wal_report report;
		struct wal_slot slot;
		uint64_t skipped, records = 11;

		log_put_many(l, 10);
		assert_ok(log_prepare(l, 0));
		skipped = l->next_number - 1;
		assert_int_equal(wal_reserve(l->w, n, l->next_seq, &slot), SHALE_MORE);
		assert_ok(log_prepare(l, n));
		assert_ok(wal_reserve(l->w, n, l->next_seq, &slot));
		assert_int_equal(wal_active(l->w), skipped + 1);
		wal_fill(l->w, &slot, l->next_seq, 1, slice_from(big, n), crc32c(0, big, n));
		wal_completed(l->w, slot.end, l->next_seq);
		assert_ok(log_sync(l));
		/* The one that was too small never comes after a larger number. */
		l->next_seq++;
		while (wal_active(l->w) == skipped + 1) {
			log_put_many(l, 1);
			records++;
		}
		assert_true(wal_active(l->w) > skipped + 1);
		assert_ok(log_sync(l));
		log_seal(l);
		{
			struct replayed r = { .first = 1 };
			shale_status rc = wal_replay(l->disk.store, STORE_ID, LAST_EDIT, l->live,
						     l->live_count, replay_each, &r, &report);

			assert_ok(rc);
			assert_true(r.wrong); /* the large one is not of the usual making */
			assert_int_equal(report.records, records);
			assert_int_equal(r.next, l->next_seq);
		}
		wal_release(l->w, l->next_number);
		log_free(l);
		free(big);
	}
}

static shale_status count_one(void *arg, enum object_kind kind, uint64_t number)
{
	(void)number;
	*(size_t *)arg += kind == OBJECT_LOG;
	return SHALE_OK;
}

static size_t count_objects(struct log *l)
{
	size_t n = 0;

	assert_ok(store_list(l->disk.store, count_one, &n));
	return n;
}

/* Fill segments until `n` more have become active. */
static void log_use(struct log *l, unsigned n)
{
	for (uint64_t active = wal_active(l->w); n > 0; active = wal_active(l->w)) {
		log_put_many(l, 1);
		n -= wal_active(l->w) != active;
	}
}

/* All that is wanted is there, of known segments as many as are kept. */
static void log_make_ahead(struct log *l)
{
	log_use(l, 16);
	while (wal_wants_segment(l->w, true))
		assert_ok(log_prepare(l, 0));
}

static void a_mapped_log_lies_ahead_of_its_writers(void **state)
{
	struct log *l = log_new(WAL_MAPPED);
	struct wal_report report;
	struct replayed r;
	uint64_t last, held;

	(void)state;
	/* What is hardly written has nothing to spare. */
	log_use(l, 1);
	while (wal_wants_segment(l->w, true))
		assert_ok(log_prepare(l, 0));
	assert_int_equal(wal_withdraw(l->w, false), 0);

	log_make_ahead(l);
	assert_false(wal_wants_segment(l->w, false));
	held = budget_all(&l->budget);
	last = l->live[l->live_count - 1].number;
	assert_int_equal(wal_withdraw(l->w, false), last);
	log_forget(l, last);
	wal_forget(l->w, last);
	assert_int_equal(count_objects(l), l->live_count);
	assert_int_equal(budget_all(&l->budget), held); /* it was not in memory */
	assert_true(wal_wants_segment(l->w, true));
	assert_false(wal_wants_segment(l->w, false));
	/* Two are ready and two known: nothing but a load is needed for four more. */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(wal_has_ready(l->w, 10), i < 2);
		assert_ok(wal_load(l->w, 10));
		assert_true(wal_has_ready(l->w, 10));
		wal_rotate(l->w);
		log_put_many(l, 1);
	}
	assert_int_equal(wal_load(l->w, 10), SHALE_END);
	assert_int_equal(wal_withdraw(l->w, false), 0);
	assert_ok(log_replay(l, &r, &report));
	assert_int_equal(r.next, l->next_seq);
	log_free(l);
}

/* A record that comes while the image of a segment is made which is too small for it. */
struct large {
	struct log *l;
	size_t size;
	unsigned maps;
};

static void large_record(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct large *large = arg;
	struct wal_slot slot;

	(void)fs;
	(void)name;
	if (op != SIM_MAP)
		return;
	large->maps++;
	assert_false(wal_has_ready(large->l->w, large->size));
	assert_int_equal(wal_reserve(large->l->w, large->size, large->l->next_seq, &slot),
			 SHALE_MORE);
}

static void nothing_passes_over_a_segment_that_is_being_loaded(void **state)
{
	struct log *l = log_new(WAL_MAPPED);
	struct large large = { .l = l, .size = 2 * (size_t)SEGMENT_BYTES };
	struct sim_fault fault = { .op = SIM_MAP, .nth = 1, .err = EIO };
	struct wal_slot slot;
	uint64_t last;

	(void)state;
	log_make_ahead(l);
	last = l->next_number - 1;
	assert_ok(log_prepare(l, large.size));
	for (int i = 0; i < 2; i++) {
		wal_rotate(l->w);
		log_put_many(l, 1);
	}
	assert_false(wal_has_ready(l->w, 10));
	/* One that cannot be loaded is left behind. */
	sim_fs_fault(l->disk.fs, &fault);
	assert_status(wal_load(l->w, 10), SHALE_IO);
	sim_fs_on_call(l->disk.fs, large_record, &large);
	assert_ok(wal_load(l->w, 10));
	sim_fs_on_call(l->disk.fs, NULL, NULL);
	assert_int_equal(large.maps, 1);
	/* Of three that were known one was left behind and one is ready. */
	assert_int_not_equal(wal_withdraw(l->w, false), 0);
	assert_int_equal(wal_withdraw(l->w, false), 0);
	/* Now it does: the small ones lie there until they are released. */
	assert_true(wal_has_ready(l->w, large.size));
	assert_ok(wal_reserve(l->w, large.size, l->next_seq, &slot));
	assert_int_equal(wal_active(l->w), last + 1);
	assert_int_equal(wal_withdraw(l->w, false), 0);
	log_free(l);
}

static void forget_below(struct log *l, uint64_t number)
{
	size_t n = 0;

	while (n < l->live_count && l->live[n].number < number)
		n++;
	memmove(l->live, l->live + n, (l->live_count - n) * sizeof(l->live[0]));
	l->live_count -= n;
	wal_release(l->w, number);
}

static void released_segments_are_used_again(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct log *l = log_new(SINKS[k]);
		uint64_t first_kept = 1;
		struct wal_report report;
		struct replayed r;

		for (int i = 0; i < 3000; i++) {
			struct wal_slot slot;
			uint64_t before = wal_active(l->w), seq = l->next_seq;

			assert_ok(log_put(l, &slot));
			if (before != 0 && wal_active(l->w) != before) {
				assert_ok(log_sync(l));
				log_seal(l);
				forget_below(l, wal_active(l->w));
				first_kept = seq;
				assert_int_equal(wal_live_bytes(l->w),
						 slot.end - (slot.lsn - LOG_PAGE -
							     record_size(LINK_SIZE)));
			}
		}
		assert_true(stat(l, STAT_LOG_RECYCLED) > 5);
		assert_true(count_objects(l) <= 1 + 2);
		/* Older bytes behind the tail end the log, and are no torn tail. */
		assert_ok(log_sync(l));
		r = (struct replayed){ .first = first_kept };
		assert_ok(log_replay_on(l->disk.store, l, &r, &report));
		assert_int_equal(r.next, l->next_seq);
		assert_int_equal(report.discarded_bytes, 0);
		log_free(l);
	}
}

static void what_is_not_durable_may_be_released(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct log *l = log_new(SINKS[k]);
		struct wal_report report;
		struct wal_slot slot;
		struct replayed r;

		/* As when a flush made it all needless before any sync. */
		while (l->live_count < 4)
			assert_ok(log_put(l, &slot));
		wal_rotate(l->w);
		assert_int_equal(wal_active(l->w), 0);
		forget_below(l, l->next_number);
		assert_int_equal(wal_live_bytes(l->w), 0);
		r = (struct replayed){ .first = l->next_seq };
		log_put_many(l, 5);
		assert_ok(log_sync(l));
		assert_int_equal(wal_durable_lsn(l->w), wal_completed_lsn(l->w));
		assert_ok(log_replay_on(l->disk.store, l, &r, &report));
		assert_int_equal(r.records, 5);
		log_free(l);
	}
}

static void sealed_segments_are_told_once_and_are_durable(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct log *l = log_new(SINKS[k]);
		struct wal_sealed s;
		uint64_t last, number;
		shale_status rc;

		log_put_many(l, 20);
		assert_false(wal_take_sealed(l->w, &s, &rc));
		assert_ok(rc);
		number = wal_active(l->w);
		last = l->next_seq - 1;
		wal_rotate(l->w);
		assert_true(wal_take_sealed(l->w, &s, &rc));
		assert_int_equal(s.number, number);
		assert_int_equal(s.last_seq, last);
		assert_int_equal(s.length, wal_completed_lsn(l->w));
		assert_int_equal(wal_durable_lsn(l->w), s.length);
		assert_int_equal(wal_durable_seq(l->w), last);
		assert_false(wal_take_sealed(l->w, &s, &rc));
		log_free(l);
	}
}

static void one_completion_may_reach_over_several_segments(void **state)
{
	struct log *l = log_new(WAL_MAPPED);
	struct wal_slot slot;
	struct wal_sealed s;
	uint64_t first[3];
	shale_status rc;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_ok(log_prepare(l, 0));
		first[i] = l->next_seq;
		assert_ok(wal_reserve(l->w, 0, l->next_seq, &slot));
		wal_fill(l->w, &slot, l->next_seq++, 1, slice_from(NULL, 0), 0);
		wal_rotate(l->w);
	}
	wal_completed(l->w, slot.end, l->next_seq - 1);
	for (int i = 0; i < 3; i++) {
		assert_true(wal_take_sealed(l->w, &s, &rc));
		assert_int_equal(s.last_seq, first[i]);
	}
	assert_false(wal_take_sealed(l->w, &s, &rc));
	log_free(l);
}

static void a_closed_log_ends_with_an_end(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++)
		for (int sealed = 0; sealed < 2; sealed++) {
			struct log *l = log_new(SINKS[k]);
			struct wal_report report;
			struct wal_sealed last;
			struct replayed r;

			log_put_many(l, 200);
			assert_ok(log_prepare(l, 0));
			assert_ok(wal_close(l->w, &last));
			log_seal(l);
			assert_int_equal(last.number, l->live[l->live_count - 2].number);
			assert_int_equal(last.last_seq, l->next_seq - 1);
			/* The prepared one stays, since the manifest names it. */
			wal_free(l->w);
			l->w = NULL;
			assert_int_equal(count_objects(l), l->live_count);
			if (sealed)
				l->live[l->live_count - 2] =
					(struct wal_live){ last.number, true, last.length,
							   last.last_seq };
			assert_ok(log_replay(l, &r, &report));
			assert_true(report.clean);
			assert_int_equal(r.next, l->next_seq);
			assert_int_equal(report.discarded_bytes, 0);
			/* And goes on after the next opening. */
			log_start(l, report.end_lsn);
			log_put_many(l, 3);
			assert_ok(log_sync(l));
			assert_ok(log_replay(l, &r, &report));
			assert_false(report.clean);
			assert_int_equal(r.next, l->next_seq);
			log_free(l);
		}
}

static void a_full_segment_has_room_for_its_end(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	size_t room = SEGMENT_BYTES - LOG_PAGE - record_size(LINK_SIZE) - RECORD_HEADER;
	uint8_t *payload = calloc(1, room);
	struct wal_sealed last;
	struct wal_slot slot;

	(void)state;
	assert_ok(log_prepare(l, 0));
	assert_int_equal(wal_reserve(l->w, room - RECORD_HEADER + 1, 1, &slot), SHALE_MORE);
	assert_ok(wal_reserve(l->w, room - RECORD_HEADER, 1, &slot));
	wal_fill(l->w, &slot, 1, 1, slice_from(payload, room - RECORD_HEADER),
		 crc32c(0, payload, room - RECORD_HEADER));
	wal_completed(l->w, slot.end, 1);
	assert_int_equal(wal_reserve(l->w, 0, 2, &slot), SHALE_MORE);
	assert_ok(wal_close(l->w, &last));
	assert_int_equal(last.length, SEGMENT_BYTES);
	free(payload);
	log_free(l);
}

static void a_log_never_written_closes(void **state)
{
	struct log *l = log_new(WAL_MAPPED);
	struct wal_sealed last;

	(void)state;
	assert_ok(wal_close(l->w, &last));
	assert_int_equal(last.number, 0);
	wal_free(NULL);
	log_free(l);
}

static void the_first_failure_stays(void **state)
{
	static const struct {
		enum wal_sink sink;
		enum sim_op op;
		int err;
		shale_status status;
	} cases[] = {
		{ WAL_MAPPED, SIM_SYNC, EIO, SHALE_IO },
		{ WAL_STAGED, SIM_SYNC, EIO, SHALE_IO },
		{ WAL_STAGED, SIM_WRITE, ENOSPC, SHALE_NO_SPACE },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		struct log *l = log_new(cases[k].sink);
		/* A full disk is told from one that fails: the owner goes on by itself. */
		shale_status later =
			cases[k].status == SHALE_NO_SPACE ? SHALE_NO_SPACE : SHALE_READ_ONLY;
		struct sim_fault fault = {
			.op = cases[k].op, .name_ends = ".log", .err = cases[k].err, .clean = true
		};
		uint64_t syncs, durable;
		struct wal_report report;
		struct wal_sealed s;
		struct wal_slot slot;
		struct replayed r;
		char text[sizeof(((shale_error *)0)->text)];

		log_put_many(l, 5);
		assert_ok(log_sync(l));
		durable = wal_durable_lsn(l->w);
		log_put_many(l, 5);
		sim_fs_fault(l->disk.fs, &fault);
		assert_status(log_sync(l), cases[k].status);
		snprintf(text, sizeof(text), "%s", shale_last_error()->text);
		syncs = sim_fs_calls(l->disk.fs, SIM_SYNC);
		err_new(SHALE_INVALID, "something else");
		for (int i = 0; i < 3; i++) {
			/* The next sync would succeed; it must not be tried. */
			assert_status(log_sync(l), later);
			assert_non_null(strstr(shale_last_error()->text, text));
			assert_int_equal(shale_last_error()->sys_errno, cases[k].err);
			assert_status(log_put(l, &slot), later);
			assert_non_null(strstr(shale_last_error()->text, text));
			assert_status(wal_prepare(l->w, 99, 1, 0), later);
			assert_false(wal_wants_segment(l->w, true));
		}
		assert_int_equal(sim_fs_calls(l->disk.fs, SIM_SYNC), syncs);
		assert_int_equal(wal_durable_lsn(l->w), durable);
		assert_status(wal_close(l->w, &s), later);
		wal_rotate(l->w);
		wal_release(l->w, l->next_number); /* does not hang */
		l->live_count = 0;
		assert_ok(log_replay(l, &r, &report));
		log_free(l);
	}
}

static void a_segment_that_cannot_be_made_harms_nothing(void **state)
{
	static const enum sim_op ops[] = { SIM_OPEN,  SIM_ALLOCATE, SIM_MAP,
					   SIM_WRITE, SIM_SYNC,     SIM_SYNC_DIR };

	(void)state;
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
			struct log *l = log_new(SINKS[k]);
			struct sim_fault fault = { .op = ops[i], .err = EIO };
			size_t objects;

			log_put_many(l, 5);
			objects = count_objects(l);
			sim_fs_fault(l->disk.fs, &fault);
			if (log_prepare(l, 0) != SHALE_OK)
				assert_int_equal(count_objects(l), objects);
			sim_fs_faults_clear(l->disk.fs);
			log_put_many(l, 100);
			assert_ok(log_sync(l));
			log_free(l);
		}
}

static void a_missing_segment_is_named(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_report report;
	struct replayed r;

	(void)state;
	while (l->live_count < 3)
		log_put_many(l, 1);
	assert_ok(log_sync(l));
	assert_ok(store_delete(l->disk.store, OBJECT_LOG, l->live[1].number));
	assert_status(log_replay(l, &r, &report), SHALE_MISSING);
	assert_string_equal(shale_last_error()->object,
			    object_name(OBJECT_LOG, l->live[1].number).text);
	/* Not named by the manifest either: the chain tells. */
	l->live[1] = l->live[2];
	l->live_count = 2;
	assert_status(log_replay(l, &r, &report), SHALE_CORRUPT);
	log_free(l);
}

static void a_manifest_that_lost_its_tail_is_noticed(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_report report;
	struct replayed r = { .first = 1 };

	(void)state;
	log_put_many(l, 3);
	assert_ok(log_sync(l));
	assert_status(wal_replay(l->disk.store, STORE_ID, LAST_EDIT - 1, l->live, l->live_count,
				 replay_each, &r, &report),
		      SHALE_CORRUPT);
	assert_status(wal_replay(l->disk.store, STORE_ID + 1, LAST_EDIT, l->live, l->live_count,
				 replay_each, &r, &report),
		      SHALE_CORRUPT);
	log_free(l);
}

static shale_status refuse(void *arg, uint64_t first_seq, uint32_t count, shale_slice payload)
{
	(void)arg;
	(void)count;
	(void)payload;
	return first_seq > 5 ? err_new(SHALE_NO_MEMORY, "enough") : SHALE_OK;
}

static void a_replay_stops_where_its_user_does(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_report report;

	(void)state;
	log_put_many(l, 20);
	assert_ok(log_sync(l));
	assert_status(wal_replay(l->disk.store, STORE_ID, LAST_EDIT, l->live, l->live_count, refuse,
				 NULL, &report),
		      SHALE_NO_MEMORY);
	log_free(l);
}

static void a_read_error_is_no_end_of_the_log(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_report report;
	struct replayed r;

	(void)state;
	log_put_many(l, 100);
	assert_ok(log_sync(l));
	for (uint64_t nth = 1;; nth++) {
		struct sim_fault fault = { .op = SIM_READ, .nth = nth, .err = EIO };
		uint64_t hits = sim_fs_fault_hits(l->disk.fs);
		shale_status rc;

		sim_fs_fault(l->disk.fs, &fault);
		rc = log_replay(l, &r, &report);
		sim_fs_faults_clear(l->disk.fs);
		if (sim_fs_fault_hits(l->disk.fs) == hits) {
			assert_ok(rc);
			assert_true(nth > 2);
			break;
		}
		assert_status(rc, SHALE_IO);
	}
	log_free(l);
}

static void a_record_larger_than_the_window_is_read(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	size_t n = 5 << 20;
	uint8_t *big = malloc(n);
	struct wal_report report;
	struct wal_slot slot;
	struct replayed r = { .first = 1 };

	(void)state;
	memset(big, 0x5a, n);
	log_put_many(l, 3);
	assert_ok(log_prepare(l, n));
	assert_ok(wal_reserve(l->w, n, l->next_seq, &slot));
	wal_fill(l->w, &slot, l->next_seq, 1, slice_from(big, n), crc32c(0, big, n));
	wal_completed(l->w, slot.end, l->next_seq++);
	assert_ok(log_sync(l));
	assert_ok(wal_replay(l->disk.store, STORE_ID, LAST_EDIT, l->live, l->live_count,
			     replay_each, &r, &report));
	assert_int_equal(report.records, 4);
	assert_true(report.bytes > n);
	free(big);
	log_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_what_was_written),
		cmocka_unit_test(an_empty_log_is_read_as_empty),
		cmocka_unit_test(goes_on_in_the_next_segment_without_a_gap),
		cmocka_unit_test(asks_for_segments_and_tells_which_it_has),
		cmocka_unit_test(a_mapped_log_lies_ahead_of_its_writers),
		cmocka_unit_test(nothing_passes_over_a_segment_that_is_being_loaded),
		cmocka_unit_test(a_record_too_large_for_a_segment_gets_its_own),
		cmocka_unit_test(released_segments_are_used_again),
		cmocka_unit_test(what_is_not_durable_may_be_released),
		cmocka_unit_test(sealed_segments_are_told_once_and_are_durable),
		cmocka_unit_test(one_completion_may_reach_over_several_segments),
		cmocka_unit_test(a_closed_log_ends_with_an_end),
		cmocka_unit_test(a_full_segment_has_room_for_its_end),
		cmocka_unit_test(a_log_never_written_closes),
		cmocka_unit_test(the_first_failure_stays),
		cmocka_unit_test(a_segment_that_cannot_be_made_harms_nothing),
		cmocka_unit_test(a_missing_segment_is_named),
		cmocka_unit_test(a_manifest_that_lost_its_tail_is_noticed),
		cmocka_unit_test(a_replay_stops_where_its_user_does),
		cmocka_unit_test(a_read_error_is_no_end_of_the_log),
		cmocka_unit_test(a_record_larger_than_the_window_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
