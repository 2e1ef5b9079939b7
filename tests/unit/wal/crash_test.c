/*
 * Crashes at every call to the disk and between: what a sync returned for is
 * there after any power cut, what was completed in a mapped segment after any
 * death of the process; the rest is a prefix; and a recovery may be cut as well.
 */
#include "unit/wal/fixture.h"

enum { NESTED_OPS = 25, DEPTH_MAX = 2 };

static const enum sim_crash MODES[] = {
	SIM_CRASH_ORDERED,  SIM_CRASH_CHAOS,    SIM_CRASH_NONE_UNSYNCED, SIM_CRASH_ALL,
	SIM_CRASH_OMIT_ONE, SIM_CRASH_ONLY_ONE, SIM_CRASH_TEAR_ONE,      SIM_CRASH_PROCESS,
};

/* A log at work, and the dice. */
struct run {
	struct log *l;
	struct rand rnd;
	uint64_t first_of[LIVE_MAX]; /* first sequence number in live[i]; 0: unused */
	int depth;
	bool busy; /* verifying: the hook does nothing */
};

static uint64_t images, records_lost, torn, clean_tails;

static void run_ops(struct run *r, int n);

static uint64_t first_live(const struct run *r)
{
	for (size_t i = 0; i < r->l->live_count; i++)
		if (r->first_of[i] != 0)
			return r->first_of[i];
	return r->l->next_seq;
}

/* Recover what the crash left, and go on with it. */
static void go_on(struct run *before, struct log *l, const struct wal_report *report, uint64_t next)
{
	struct run r = { .l = l, .depth = before->depth + 1 };

	memcpy(r.first_of, before->first_of, sizeof(r.first_of));
	rand_seed(&r.rnd, rand_next(&before->rnd));
	/* Segments whose use is lost are unused. */
	for (size_t i = 0; i < l->live_count; i++)
		if (r.first_of[i] >= next)
			r.first_of[i] = 0;
	l->next_number = object_number((uint32_t)r.depth + 1, 1);
	l->next_seq = next;
	l->acked = next; /* a replay makes durable what it reads */
	log_start(l, report->end_lsn);
	run_ops(&r, NESTED_OPS);
}

static void verify(struct run *r, enum sim_crash mode, uint64_t seed)
{
	struct log *l = r->l;
	struct sim_fs *fs = sim_fs_image(l->disk.fs, mode, seed);
	struct log *after = log_new_on(fs, l->config.sink);
	struct replayed got = { .first = first_live(r) };
	struct wal_report report;
	bool killed = mode == SIM_CRASH_PROCESS || mode == SIM_CRASH_ALL;
	uint64_t want = killed && l->config.sink == WAL_MAPPED ? l->next_seq : l->acked;

	memcpy(after->live, l->live, sizeof(l->live));
	after->live_count = l->live_count;
	assert_ok(log_replay_on(after->disk.store, after, &got, &report));
	if (got.next < want)
		print_error("mode %d seed %" PRIu64 " depth %d: %" PRIu64 " < %" PRIu64 "\n", mode,
			    seed, r->depth, got.next, want);
	assert_true(got.next >= want);
	assert_true(got.next <= l->next_seq);
	images++;
	records_lost += got.next < l->next_seq;
	torn += report.discarded_bytes != 0;
	clean_tails += report.discarded_bytes == 0;
	if (r->depth < DEPTH_MAX && rand_below(&r->rnd, r->depth == 0 ? 12 : 40) == 0)
		go_on(r, after, &report, got.next);
	log_free(after);
}

static void crash_here(struct run *r)
{
	enum sim_crash mode = MODES[rand_below(&r->rnd, sizeof(MODES) / sizeof(MODES[0]))];
	uint64_t pending = sim_fs_pending(r->l->disk.fs), seed = rand_next(&r->rnd);

	if (mode == SIM_CRASH_OMIT_ONE || mode == SIM_CRASH_ONLY_ONE ||
	    mode == SIM_CRASH_TEAR_ONE) {
		if (pending == 0)
			return;
		seed = rand_below(&r->rnd, pending);
	}
	r->busy = true;
	verify(r, mode, seed);
	r->busy = false;
}

static void on_call(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct run *r = arg;

	(void)fs;
	(void)name;
	if (r->busy || op == SIM_READ || op == SIM_SIZE || op == SIM_STAT)
		return;
	if (r->depth == 0 || rand_below(&r->rnd, 8) == 0)
		crash_here(r);
}

static void put(struct run *r)
{
	struct wal_slot slot;
	uint64_t seq = r->l->next_seq, active;

	assert_ok(log_put(r->l, &slot));
	active = wal_active(r->l->w);
	for (size_t i = 0; i < r->l->live_count; i++)
		if (r->l->live[i].number == active && r->first_of[i] == 0)
			r->first_of[i] = seq;
}

/*
 * The manifest first forgets a prefix of the segments, then they are released. What
 * a recovery has read goes all at once.
 */
static void release(struct run *r)
{
	struct log *l = r->l;
	uint64_t active = wal_active(l->w), below;
	size_t n = 0, old = 0;

	while (n < l->live_count && l->live[n].number < active)
		n++;
	if (active == 0 || n == 0)
		return;
	while (old < n && l->live[old].number < object_number((uint32_t)r->depth + 1, 1))
		old++;
	n = old + rand_below(&r->rnd, n - old + 1);
	below = n < l->live_count ? l->live[n].number : active;
	memmove(l->live, l->live + n, (l->live_count - n) * sizeof(l->live[0]));
	memmove(r->first_of, r->first_of + n, (l->live_count - n) * sizeof(r->first_of[0]));
	l->live_count -= n;
	memset(r->first_of + l->live_count, 0, n * sizeof(r->first_of[0]));
	wal_release(l->w, below);
}

static void withdraw(struct log *l)
{
	uint64_t number = wal_withdraw(l->w, false);

	if (number == 0)
		return;
	log_forget(l, number);
	wal_forget(l->w, number);
}

static void run_ops(struct run *r, int n)
{
	struct log *l = r->l;

	sim_fs_on_call(l->disk.fs, on_call, r);
	for (int i = 0; i < n; i++) {
		uint64_t what = rand_below(&r->rnd, 100);

		if (what < 75)
			put(r);
		else if (what < 86)
			assert_ok(log_sync(l));
		else if (what < 89)
			wal_rotate(l->w);
		else if (what < 92)
			log_seal(l);
		else if (what < 94)
			release(r);
		else if (what < 96 && wal_wants_segment(l->w, true))
			assert_ok(log_prepare(l, 0));
		else if (what < 97)
			withdraw(l);
		else if (r->depth == 0 || rand_below(&r->rnd, 8) == 0)
			crash_here(r); /* between two calls: stores of a mapping */
	}
	sim_fs_on_call(l->disk.fs, NULL, NULL);
}

static void crashes(enum wal_sink sink)
{
	uint64_t seed = test_seed(), runs = test_scale(25);

	images = records_lost = torn = clean_tails = 0;
	for (uint64_t i = 0; i < runs; i++) {
		struct run r = { .l = log_new_on(sim_fs_new(seed + i), sink) };

		rand_seed(&r.rnd, seed + i);
		log_start(r.l, 0);
		run_ops(&r, 250);
		log_free(r.l);
	}
	print_message("%" PRIu64 " images, %" PRIu64 " lost records, %" PRIu64 " torn\n", images,
		      records_lost, torn);
	/* The dice met all that is of interest. */
	assert_true(records_lost > images / 50 && torn > images / 200 && clean_tails > 0);
}

static void mapped_records_survive_what_they_are_said_to(void **state)
{
	(void)state;
	crashes(WAL_MAPPED);
}

static void staged_records_survive_what_they_are_said_to(void **state)
{
	(void)state;
	crashes(WAL_STAGED);
}

/* A drive that lies is found out, or loses a tail; it never makes anything up. */
static void a_lying_drive_brings_forth_nothing_wrong(void **state)
{
	uint64_t seed = test_seed(), short_of = 0, corrupt = 0;

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		struct log *l = log_new_on(sim_fs_new(seed + i), i % 2 ? WAL_MAPPED : WAL_STAGED);
		struct replayed got = { .first = 1 };
		struct wal_report report;
		struct log *after;
		shale_status rc;

		log_start(l, 0);
		assert_ok(log_prepare(l, 0));
		log_put_many(l, 20);
		assert_ok(log_sync(l));
		sim_fs_set_lying(l->disk.fs, true);
		for (int k = 0; k < 4; k++) {
			log_put_many(l, 6);
			assert_ok(log_sync(l));
		}
		after = log_new_on(sim_fs_image(l->disk.fs, SIM_CRASH_CHAOS, seed + i), WAL_MAPPED);
		memcpy(after->live, l->live, sizeof(l->live));
		after->live_count = 1;
		rc = log_replay_on(after->disk.store, after, &got, &report);
		assert_true(rc == SHALE_OK || rc == SHALE_CORRUPT);
		corrupt += rc == SHALE_CORRUPT;
		short_of += rc == SHALE_OK && got.next < l->acked;
		assert_true(got.next > 20);
		log_free(after);
		log_free(l);
	}
	assert_true(corrupt > 0 && short_of > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mapped_records_survive_what_they_are_said_to),
		cmocka_unit_test(staged_records_survive_what_they_are_said_to),
		cmocka_unit_test(a_lying_drive_brings_forth_nothing_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
