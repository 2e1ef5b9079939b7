/*
 * Every byte of a small log, flipped or cut away: a replay gives a true prefix and
 * says that it dropped something, or says damage; never a record that was not put.
 */
#include "unit/wal/fixture.h"

/* What the flips are made in: the file of live[which], up to `upto`. */
struct target {
	char path[64];
	uint64_t upto;
};

static struct target target_of(const struct log *l, size_t which, uint64_t upto)
{
	struct target t = { .upto = upto };

	snprintf(t.path, sizeof(t.path), "/store/%s",
		 object_name(OBJECT_LOG, l->live[which].number).text);
	return t;
}

struct tally {
	uint64_t corrupt, prefix, whole;
};

static void judge(struct log *l, struct tally *tally, uint64_t acked)
{
	struct wal_report report;
	struct replayed r = { .first = 1 };
	shale_status rc = log_replay_on(l->disk.store, l, &r, &report);

	/* log_replay_on() has checked each record, and that none is left out. */
	if (rc == SHALE_CORRUPT || rc == SHALE_UNSUPPORTED) {
		assert_true(shale_last_error()->object[0] != '\0');
		assert_true(shale_last_error()->offset != UINT64_MAX);
		tally->corrupt++;
		return;
	}
	assert_ok(rc);
	assert_true(r.next >= acked);
	if (r.next == l->next_seq) {
		tally->whole++;
		return;
	}
	tally->prefix++;
	assert_true(report.discarded_bytes != 0);
	assert_true(report.discarded_number != 0);
	assert_false(report.clean);
}

static struct tally flip_all(struct log *l, struct target t, uint8_t mask, uint64_t acked)
{
	struct tally tally = { 0, 0, 0 };

	for (uint64_t at = 0; at < t.upto; at++) {
		assert_int_equal(sim_fs_corrupt(l->disk.fs, t.path, at, mask), 0);
		judge(l, &tally, acked);
		assert_int_equal(sim_fs_corrupt(l->disk.fs, t.path, at, mask), 0);
	}
	return tally;
}

static uint64_t used_of(struct log *l)
{
	/* Of a log in one segment whose byte 0 is at LSN 0. */
	return wal_completed_lsn(l->w);
}

static void a_flip_in_an_unsealed_log_leaves_a_prefix_that_is_reported(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct tally t;

	(void)state;
	log_put_many(l, 20); /* none of them knows of any sync */
	assert_ok(log_sync(l));
	t = flip_all(l, target_of(l, 0, used_of(l)), 0x10, 1);
	/* The header page is always damage; of records some bytes are behind the proof. */
	assert_true(t.corrupt >= LOG_PAGE);
	assert_true(t.prefix + t.corrupt == used_of(l));
	assert_true(t.prefix > used_of(l) - LOG_PAGE - 2 * record_size(LINK_SIZE));
	log_free(l);
}

static void a_flip_before_a_record_that_knows_better_is_damage(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_slot slot;
	struct tally t;
	uint64_t durable;

	(void)state;
	log_put_many(l, 20);
	assert_ok(log_sync(l));
	durable = wal_completed_lsn(l->w);
	assert_ok(log_put(l, &slot));
	assert_ok(log_sync(l));
	for (uint8_t mask = 1; mask != 0; mask = (uint8_t)(mask << 3)) {
		t = flip_all(l, target_of(l, 0, durable), mask, 1);
		assert_int_equal(t.corrupt, durable);
	}
	/* In the very last one nothing can tell. */
	t = flip_all(l, target_of(l, 0, slot.end), 0x01, 1);
	assert_int_equal(t.corrupt, durable);
	assert_int_equal(t.prefix, slot.end - durable);
	log_free(l);
}

static void a_flip_in_a_sealed_segment_is_damage(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct tally t;

	(void)state;
	log_put_many(l, 30);
	wal_rotate(l->w);
	log_put_many(l, 3);
	assert_ok(log_sync(l));
	assert_int_equal(log_seal(l), 1);
	for (uint8_t mask = 1; mask != 0; mask = (uint8_t)(mask << 2)) {
		t = flip_all(l, target_of(l, 0, l->live[0].length), mask, 1);
		assert_int_equal(t.corrupt, l->live[0].length);
	}
	/* Behind its length there may be anything. */
	for (uint64_t at = l->live[0].length; at < SEGMENT_BYTES; at += 7)
		sim_fs_corrupt(l->disk.fs, target_of(l, 0, 0).path, at, 0xff);
	t = (struct tally){ 0, 0, 0 };
	judge(l, &t, l->next_seq);
	assert_int_equal(t.whole, 1);
	log_free(l);
}

static void a_flip_in_a_segment_that_is_followed_ends_the_log_or_is_damage(void **state)
{
	struct log *l = log_new(WAL_MAPPED);
	struct tally t;
	uint64_t length;

	(void)state;
	/* Two segments, neither sealed nor synced. */
	log_put_many(l, 15);
	length = wal_completed_lsn(l->w);
	wal_rotate(l->w);
	log_put_many(l, 15);
	t = flip_all(l, target_of(l, 0, length), 0x04, 1);
	assert_int_equal(t.corrupt, LOG_PAGE);
	assert_int_equal(t.prefix, length - LOG_PAGE);
	/* As if the manifest had the second as sealed, which is never noted before the first. */
	l->live[1] = (struct wal_live){ l->live[1].number, true, wal_completed_lsn(l->w) - length,
					l->next_seq - 1 };
	t = flip_all(l, target_of(l, 0, length), 0x04, 1);
	assert_int_equal(t.corrupt, length);
	l->live[1] = (struct wal_live){ .number = l->live[1].number };
	/* Now something in the second knows of a sync. */
	assert_ok(log_sync(l));
	log_put_many(l, 1);
	t = flip_all(l, target_of(l, 0, length), 0x04, 1);
	assert_int_equal(t.corrupt, length);
	log_free(l);
}

static void a_flip_in_a_clean_end_is_noticed(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_sealed last;
	struct replayed r;
	struct wal_report report;
	struct target t;

	(void)state;
	log_put_many(l, 5);
	assert_ok(wal_close(l->w, &last));
	t = target_of(l, 0, last.length);
	for (uint64_t at = last.length - RECORD_HEADER; at < last.length; at++) {
		assert_int_equal(sim_fs_corrupt(l->disk.fs, t.path, at, 0x20), 0);
		assert_ok(log_replay(l, &r, &report));
		assert_false(report.clean);
		assert_int_equal(r.next, l->next_seq);
		assert_true(report.discarded_bytes != 0);
		l->live[0] = (struct wal_live){ last.number, true, last.length, last.last_seq };
		assert_status(log_replay(l, &r, &report), SHALE_CORRUPT);
		l->live[0] = (struct wal_live){ .number = last.number };
		assert_int_equal(sim_fs_corrupt(l->disk.fs, t.path, at, 0x20), 0);
	}
	assert_ok(log_replay(l, &r, &report));
	assert_true(report.clean);
	log_free(l);
}

/* Cut at every byte; `sealed` of the manifest or not. */
static struct tally cut_all(struct log *l, struct target t)
{
	struct tally tally = { 0, 0, 0 };
	size_t size = 0;
	void *data = NULL;

	assert_int_equal(sim_fs_read_file(l->disk.fs, t.path, &data, &size), 0);
	for (uint64_t at = 0; at < t.upto; at++) {
		struct replayed r = { .first = 1 };
		struct wal_report report;
		shale_status rc;

		assert_int_equal(sim_fs_write_file(l->disk.fs, t.path, data, at), 0);
		rc = log_replay_on(l->disk.store, l, &r, &report);
		if (rc == SHALE_CORRUPT) {
			tally.corrupt++;
			continue;
		}
		assert_ok(rc);
		assert_true(r.next < l->next_seq);
		tally.prefix++;
		/* Only where a record ends, or before its first byte that is not zero. */
		tally.whole += report.discarded_bytes == 0;
	}
	assert_int_equal(sim_fs_write_file(l->disk.fs, t.path, data, size), 0);
	free(data);
	return tally;
}

static void a_log_cut_anywhere_is_a_prefix_or_damage(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct target t;
	struct tally cuts;

	(void)state;
	log_put_many(l, 20);
	assert_ok(log_sync(l));
	t = target_of(l, 0, used_of(l));
	wal_free(l->w); /* the files are replaced beneath it */
	l->w = NULL;
	cuts = cut_all(l, t);
	assert_int_equal(cuts.corrupt, LOG_PAGE); /* no header */
	/* Unreported are the cuts where a record ends, and inside leading zero bytes at most. */
	assert_true(cuts.whole >= 20 && cuts.whole < 20 + record_size(LINK_SIZE) + 40);
	l->live[0].sealed = true;
	l->live[0].length = t.upto;
	cuts = cut_all(l, t);
	assert_int_equal(cuts.corrupt, t.upto);
	log_free(l);
}

static void a_flip_in_a_recycled_log_brings_nothing_old_back(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_slot slot;
	struct tally t = { 0, 0, 0 };
	uint64_t first, base, behind;

	(void)state;
	/* Fill one, release it, and use its file again for less. */
	do
		assert_ok(log_put(l, &slot));
	while (l->live_count < 2);
	assert_ok(log_sync(l));
	log_seal(l);
	wal_release(l->w, l->live[1].number);
	l->live[0] = l->live[1];
	l->live_count = 1;
	wal_rotate(l->w);
	assert_ok(log_sync(l));
	log_seal(l);
	first = l->next_seq;
	log_put_many(l, 10);
	assert_int_equal(stats_sum(&l->stats, STAT_LOG_RECYCLED), 1);
	assert_ok(log_sync(l));
	base = l->live[0].length;
	behind = wal_completed_lsn(l->w);
	for (uint64_t at = LOG_PAGE; at < SEGMENT_BYTES; at++) {
		struct replayed r = { .first = 0 };
		struct target file = target_of(l, 1, 0);
		struct wal_report report;
		shale_status rc;

		sim_fs_corrupt(l->disk.fs, file.path, at, 0x08);
		rc = log_replay_on(l->disk.store, l, &r, &report);
		sim_fs_corrupt(l->disk.fs, file.path, at, 0x08);
		if (rc == SHALE_CORRUPT) {
			t.corrupt++;
			continue;
		}
		assert_ok(rc);
		assert_true(r.next >= first && r.next <= l->next_seq);
		t.prefix += r.next < l->next_seq;
		t.whole += r.next == l->next_seq;
		if (r.next == l->next_seq)
			assert_int_equal(report.discarded_bytes, 0);
	}
	assert_true(t.whole > 0 && t.prefix > 0);
	assert_true(base != 0 && behind > base);
	log_free(l);
}

static void a_length_that_lies_costs_no_memory(void **state)
{
	struct log *l = log_new(WAL_STAGED);
	struct wal_slot slot;
	struct wal_report report;
	struct replayed r;
	struct target t;

	(void)state;
	log_put_many(l, 5);
	assert_ok(log_put(l, &slot));
	assert_ok(log_sync(l));
	t = target_of(l, 0, 0);
	/* The length becomes about 4 GiB. */
	assert_int_equal(sim_fs_corrupt(l->disk.fs, t.path, slot.lsn + 7, 0xff), 0);
	assert_ok(log_replay(l, &r, &report));
	assert_true(r.next < l->next_seq);
	assert_true(report.discarded_bytes >= RECORD_HEADER);
	assert_int_equal(report.discarded_offset, slot.lsn);
	log_free(l);
}

/* After a recovery that dropped a tail the log goes on; the next recovery must agree. */
static void a_dropped_tail_stays_dropped(void **state)
{
	struct log *l = log_new(WAL_MAPPED);
	struct wal_slot slot;
	struct wal_report report;
	struct replayed r;
	struct target t;

	(void)state;
	log_put_many(l, 10);
	assert_ok(log_sync(l));
	assert_ok(log_put(l, &slot));
	log_put_many(l, 10); /* whole, but behind the torn one */
	t = target_of(l, 0, 0);
	assert_int_equal(sim_fs_corrupt(l->disk.fs, t.path, slot.lsn + 20, 0xff), 0);
	wal_free(l->w);
	assert_ok(log_replay(l, &r, &report));
	assert_true(report.discarded_bytes > 10 * RECORD_HEADER);
	assert_int_equal(report.end_lsn, slot.lsn);

	log_start(l, report.end_lsn);
	l->next_seq = report.last_seq + 1;
	log_put_many(l, 10);
	assert_ok(log_sync(l));
	log_put_many(l, 10); /* these know that all before was durable */
	assert_ok(log_sync(l));
	assert_ok(log_replay(l, &r, &report));
	assert_int_equal(r.next, l->next_seq);
	assert_int_equal(report.discarded_bytes, 0);
	/* What that recovery had read must stay there, though no seal says so. */
	assert_int_equal(sim_fs_corrupt(l->disk.fs, t.path, LOG_PAGE + 200, 0xff), 0);
	assert_status(log_replay(l, &r, &report), SHALE_CORRUPT);
	log_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flip_in_an_unsealed_log_leaves_a_prefix_that_is_reported),
		cmocka_unit_test(a_flip_before_a_record_that_knows_better_is_damage),
		cmocka_unit_test(a_flip_in_a_sealed_segment_is_damage),
		cmocka_unit_test(a_flip_in_a_segment_that_is_followed_ends_the_log_or_is_damage),
		cmocka_unit_test(a_flip_in_a_clean_end_is_noticed),
		cmocka_unit_test(a_log_cut_anywhere_is_a_prefix_or_damage),
		cmocka_unit_test(a_flip_in_a_recycled_log_brings_nothing_old_back),
		cmocka_unit_test(a_length_that_lies_costs_no_memory),
		cmocka_unit_test(a_dropped_tail_stays_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
