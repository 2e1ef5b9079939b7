/*
 * Room: the quota of a store, a log that a full disk cut off, and files deleted at a
 * pace. Writes are refused in time and go on by themselves.
 */
#include "db/space_store.h"

enum { MAX = 4 << 20 };

/* ---- the quota ---- */

static shale_durability quota_durability;

static void keep_quota(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	struct rand r;
	shale_db *db;
	unsigned n;

	o.space_max = MAX;
	o.durability = quota_durability;
	rand_seed(&r, 1);
	need_ok(shale_open(DIR, &o, &db));
	n = write_until_refused(sim, db, &r);
	need(strstr(shale_last_error()->text, "space_max") != NULL);
	need(strstr(shale_last_error()->text, "4194304") != NULL);
	/* Not much of it is unused. */
	need(n > MAX / VALUE / 3);
	read_all(db, n);
	need(stats_of(db).space_refused != 0);
	need(files_bytes(sim) <= MAX);

	/* Deletes are let through, and what they free is used again. */
	need_ok(shale_delete_range(db, NULL, shale_str("key"), shale_str("kez")));
	write_when_there_is_room(sim, db, 0, &r);
	for (unsigned i = 0; i < n / 2; i++)
		write_when_there_is_room(sim, db, i, &r);
	need(files_bytes(sim) <= MAX);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
	sleep_ms(sim, 2000);
	need(stats_of(db).garbage_files == 0);
	need(stats_of(db).space_used == files_bytes(sim));
	need_ok(shale_close(db));

	need_ok(shale_open(DIR, &o, &db));
	sleep_ms(sim, 100);
	need(stats_of(db).space_used == files_bytes(sim));
	read_all(db, n / 2);
	need_status(has(db, NULL, n - 1), SHALE_NOT_FOUND);
	need_ok(shale_close(db));
}

static void a_store_keeps_its_quota_and_goes_on_when_there_is_room(void **state)
{
	(void)state;
	for (quota_durability = SHALE_EPHEMERAL; quota_durability <= SHALE_DURABLE;
	     quota_durability++)
		run_schedules(keep_quota);
}

static shale_policy overwrite_policy;

/* Live data of a quarter of the quota, written twenty times. */
static void overwrite(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	unsigned keys = MAX / VALUE / 4;
	struct rand r;
	shale_db *db;

	o.space_max = MAX;
	o.durability = SHALE_PROCESS;
	o.default_cf.compaction.policy = overwrite_policy;
	rand_seed(&r, 2);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 20 * keys; i++) {
		need_ok(put_random(db, (unsigned)rand_below(&r, keys), &r));
		if (i % 256 == 0)
			need(files_bytes(sim) <= MAX);
	}
	need_ok(shale_close(db));
}

static void overwrites_stay_within_the_quota(void **state)
{
	(void)state;
	for (overwrite_policy = SHALE_LEVELED; overwrite_policy <= SHALE_HYBRID; overwrite_policy++)
		run_schedules(overwrite);
}

/* ---- a full store, half of which is deleted ---- */

enum order { RANDOM, RISING, FALLING, ORDERS };
enum deletion { EVERY_SECOND, LOWER_HALF, RANGE, DELETIONS };

static struct shape {
	shale_policy policy;
	enum order order;
	enum deletion deletion;
	uint64_t table_bytes; /* 0: the default, as large as the quota */
} shape;

/* The keys come in all orders, and are fewer than 2^16. */
static unsigned key_of(unsigned i)
{
	switch (shape.order) {
	case RANDOM:
		return i * 40503u & 0xffff;
	case RISING:
		return i;
	default:
		return 0xffff - i;
	}
}

static void until_done(struct sim *sim, shale_db *db, shale_status (*f)(shale_db *, unsigned),
		       unsigned i)
{
	for (unsigned tries = 0; f(db, i) != SHALE_OK; tries++) {
		need_status(shale_last_error()->status, SHALE_NO_SPACE);
		if (tries == PATIENCE)
			fail_msg("policy %d, order %d, deletion %d, tables of %" PRIu64 ": %s",
				 (int)shape.policy, (int)shape.order, (int)shape.deletion,
				 shape.table_bytes, shale_last_error()->text);
		sleep_ms(sim, 10);
	}
}

static shale_status delete_below(shale_db *db, unsigned key)
{
	char text[24];

	snprintf(text, sizeof(text), "key%08u", key);
	return shale_delete_range(db, NULL, shale_str("key"), shale_str(text));
}

static bool is_deleted(unsigned i)
{
	return shape.deletion == EVERY_SECOND ? i % 2 == 0 : key_of(i) < 0x8000;
}

static struct rand again;

static shale_status put_again(shale_db *db, unsigned key)
{
	return put_random(db, key, &again);
}

/* New keys, each with two overwrites of older ones, up to the quota. */
static unsigned fill_with_overwrites(struct sim *sim, shale_db *db, struct rand *r)
{
	unsigned n = 0;

	for (unsigned tries = 0; tries < 20; tries++) {
		for (;;) {
			if (put_random(db, key_of(n), r) != SHALE_OK)
				break;
			n++;
			for (unsigned k = 0; k < 2; k++)
				if (put_random(db, key_of((unsigned)rand_below(r, n)), r) !=
				    SHALE_OK)
					break;
		}
		need_status(shale_last_error()->status, SHALE_NO_SPACE);
		sleep_ms(sim, 50);
	}
	return n;
}

static void delete_half(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	unsigned n, most;
	struct rand r;
	shale_db *db;

	o.space_max = MAX;
	o.durability = SHALE_PROCESS;
	o.default_cf.compaction.policy = shape.policy;
	o.default_cf.compaction.table_bytes = shape.table_bytes;
	rand_seed(&r, 6);
	rand_seed(&again, 7);
	need_ok(shale_open(DIR, &o, &db));
	n = fill_with_overwrites(sim, db, &r);
	if (shape.deletion == RANGE)
		until_done(sim, db, delete_below, 0x8000);
	for (unsigned i = 0; i < n && shape.deletion != RANGE; i++)
		if (is_deleted(i))
			until_done(sim, db, delete_one, key_of(i));
	/* As many again as a third of what is gone; and where nothing was, none. */
	most = 0;
	for (unsigned i = 0; i < n; i++)
		most += is_deleted(i);
	for (unsigned i = 0; i < most / 3; i++)
		until_done(sim, db, put_again, 0x10000 + i);
	need(files_bytes(sim) <= MAX);
	for (unsigned i = 0; i < n; i++)
		need_status(has(db, NULL, key_of(i)), is_deleted(i) ? SHALE_NOT_FOUND : SHALE_OK);
	need_ok(shale_close(db));
}

static void deletes_in_a_full_store_let_writes_go_on_under_every_policy(void **state)
{
	const shale_policy policies[] = { SHALE_LEVELED, SHALE_TIERED, SHALE_HYBRID,
					  SHALE_ADAPTIVE };
	const uint64_t tables[] = { 0, 32 << 10, 256 << 10 };
	bool all = test_scale(1) >= 2;

	(void)state;
	for (size_t p = 0; p < (all || !SLOW_BUILD ? 4 : 1); p++)
		for (size_t n = 0; n < (all ? 27 : 1); n++) {
			/* One of each policy, if not all: then each of the rest is met once at least. */
			size_t k = all ? n : (size_t[]){ 0, 14, 22, 25 }[p];

			shape = (struct shape){ policies[p], (enum order)(k / 3 % 3),
						(enum deletion)(k % 3), tables[k / 9] };
			run_sim(1, delete_half);
		}
}

/* ---- the log ---- */

static enum sim_op log_op;
static int log_errno;

static void cut_off_log(void *arg)
{
	struct sim_fault rule = {
		.op = log_op, .name_ends = ".log", .nth = 1, .err = log_errno, .sticky = true
	};
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	struct rand r;
	shale_db *db;
	unsigned n = 0;

	rand_seed(&r, 4);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 30; i++)
			need_ok(put_random(db, n++, &r));
		sim_fs_fault(sim_get_fs(sim), &rule);
		for (unsigned i = 0; i < 10; i++) {
			need_status(put_random(db, n, &r), SHALE_NO_SPACE);
			need(shale_last_error()->object[0] != '\0');
			read_all(db, n);
			sleep_ms(sim, 100);
		}
		sim_fs_faults_clear(sim_get_fs(sim));
		write_when_there_is_room(sim, db, n, &r);
		n++;
	}
	need_ok(shale_close(db));
	need_ok(shale_open(DIR, &o, &db));
	read_all(db, n);
	need_ok(shale_close(db));
}

static void a_log_that_a_full_disk_cut_off_is_begun_anew(void **state)
{
	const struct {
		enum sim_op op;
		int err;
	} cases[] = { { SIM_WRITE, ENOSPC }, { SIM_WRITE, EDQUOT }, { SIM_SYNC, ENOSPC } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_op = cases[i].op;
		log_errno = cases[i].err;
		run_schedules(cut_off_log);
	}
}

/* ---- deleting ---- */

static void delete_slowly(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	uint64_t waiting;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 5);
	o.delete_bytes_per_s = 1 << 20;
	o.default_cf.compaction.table_bytes = 512 << 10;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 4000; i++)
		need_ok(put_random(db, i, &r));
	need_ok(shale_delete_range(db, NULL, shale_str("key"), shale_str("kez")));
	need_ok(shale_compact(db, NULL));
	sleep_ms(sim, 20); /* until readers have left */
	waiting = stats_of(db).garbage_bytes;
	need(waiting > 2 << 20);
	/* What is put off is in the account, and goes no faster than it may. */
	need(stats_of(db).space_used == files_bytes(sim));
	sleep_ms(sim, 1000);
	need(stats_of(db).garbage_bytes < waiting - (512 << 10));
	need(stats_of(db).garbage_bytes > waiting - (1536 << 10));
	/* That long a store is not idle. */
	need_ok(shale_wait_idle(db));
	need(stats_of(db).garbage_files == 0);
	need(stats_of(db).space_used == files_bytes(sim));

	/* Closing does not wait for the pace. */
	for (unsigned i = 0; i < 4000; i++)
		need_ok(put_random(db, i, &r));
	need_ok(shale_delete_range(db, NULL, shale_str("key"), shale_str("kez")));
	need_ok(shale_compact(db, NULL));
	sleep_ms(sim, 20);
	need(stats_of(db).garbage_bytes > 1 << 20);
	need_ok(shale_close(db));
	need(files_bytes(sim) < 1 << 20);
}

/* Most of the store is deleted: that is more than may wait. */
static void delete_much(void *arg)
{
	enum { PUTS = 40000 };
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	struct rand r;
	shale_db *db;

	rand_seed(&r, 6);
	o.delete_bytes_per_s = 1 << 20;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < PUTS; i++)
		need_ok(put_random(db, i, &r));
	need_ok(shale_wait_idle(db));
	need(stats_of(db).space_used > 24 << 20);
	need_ok(shale_delete_range(db, NULL, shale_str("key"), shale_str("kez")));
	need_ok(shale_compact(db, NULL));
	sleep_ms(sim, 1000);
	need(stats_of(db).garbage_bytes <= 16 << 20);
	need(stats_of(db).garbage_bytes > 12 << 20);
	need_ok(shale_close(db));
}

static void what_is_too_much_does_not_wait(void **state)
{
	(void)state;
	run_sim(1, delete_much);
}

static void files_are_deleted_at_their_pace(void **state)
{
	(void)state;
	run_schedules(delete_slowly);
}

/* Whatever the order in which a merge ends and its inputs are given up. */
static void become_idle(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	uint64_t used;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 7);
	o.durability = SHALE_EPHEMERAL;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 100; i++)
			need_ok(put_random(db, i, &r));
		need_ok(shale_flush(db, NULL));
		need_ok(shale_wait_idle(db));
		used = stats_of(db).space_used;
		need(stats_of(db).garbage_files == 0);
		sleep_ms(sim, 1000);
		need(stats_of(db).space_used == used);
	}
	need_ok(shale_close(db));
}

static void an_idle_store_has_nothing_to_delete(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= test_scale(20); seed++)
		run_sim(seed, become_idle);
}

/* ---- room that is promised ---- */

static bool never_short(void *arg, const shale_compact_progress *p)
{
	(void)p;
	need(!stats_of(arg).space_short);
	return true;
}

/* There is room for all that is there once more, and for the reserve, but not twice more. */
static void compact_in_little_room(void *arg)
{
	enum { KEYS = 3000 };
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	shale_compact_options co = SHALE_COMPACT_OPTIONS_INIT;
	struct rand r;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.default_cf.compaction.top_runs = 20;
	rand_seed(&r, 3);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < KEYS; i++) {
		need_ok(put_random(db, i * 7919 % KEYS, &r));
		if (i % 750 == 749)
			need_ok(shale_flush(db, NULL));
	}
	need_ok(shale_wait_idle(db));
	need_ok(shale_close(db));

	o.space_max = 285 * files_bytes(sim) / 100;
	need_ok(shale_open(DIR, &o, &db));
	co.progress = never_short;
	co.arg = db;
	need_ok(shale_compact(db, &co));
	need(stats_of(db).compactions == 1);
	need_ok(shale_close(db));
}

static void what_a_merge_has_written_is_not_promised_to_it_as_well(void **state)
{
	(void)state;
	run_schedules(compact_in_little_room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_keeps_its_quota_and_goes_on_when_there_is_room),
		cmocka_unit_test(overwrites_stay_within_the_quota),
		cmocka_unit_test(deletes_in_a_full_store_let_writes_go_on_under_every_policy),
		cmocka_unit_test(a_log_that_a_full_disk_cut_off_is_begun_anew),
		cmocka_unit_test(files_are_deleted_at_their_pace),
		cmocka_unit_test(what_is_too_much_does_not_wait),
		cmocka_unit_test(an_idle_store_has_nothing_to_delete),
		cmocka_unit_test(what_a_merge_has_written_is_not_promised_to_it_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
