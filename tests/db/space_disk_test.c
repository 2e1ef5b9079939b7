/*
 * A full disk: writes leave a reserve, deletes make room out of it, and what is freed is
 * used again, though somebody else may have taken most of the disk meanwhile.
 */
#include "db/space_store.h"

enum {
	DISK = 4 << 20,
	RESERVE = 512 << 10,
	LITTLE = 32 << 10, /* less than a table, and somewhat more than the next manifest */
};

static shale_durability durability;

static void keep_reserve(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	struct rand r;
	shale_db *db;
	unsigned n;

	o.durability = durability;
	o.space_reserve = 256 << 10;
	rand_seed(&r, 3);
	sim_fs_set_capacity(sim_get_fs(sim), 3 << 20);
	need_ok(shale_open(DIR, &o, &db));
	n = write_until_refused(sim, db, &r);
	need(strstr(shale_last_error()->text, "the disk of") != NULL);
	/* Unflushed data found its room, and the reserve was not touched for long. */
	need_ok(shale_flush(db, NULL));
	sleep_ms(sim, 1000);
	need(stats_of(db).space_free >= (256u << 10) - (64u << 10));
	read_all(db, n);
	sim_fs_set_capacity(sim_get_fs(sim), 6 << 20);
	write_when_there_is_room(sim, db, n, &r);
	for (unsigned i = 0; i < 1000; i++)
		need_ok(put_random(db, n + i, &r));
	read_all(db, n + 1000);
	need_ok(shale_close(db));
}

static void writes_leave_the_reserve_and_go_on_when_the_disk_has_room(void **state)
{
	(void)state;
	for (durability = SHALE_EPHEMERAL; durability <= SHALE_DURABLE; durability++)
		run_schedules(keep_reserve);
}

/* The disk takes its time to tell what is free; meanwhile some is written. */
static void ask_slowly(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	unsigned n = 0;
	struct rand r;
	shale_db *db;

	o.durability = SHALE_EPHEMERAL;
	o.space_reserve = 256 << 10;
	rand_seed(&r, 4);
	sim_fs_set_capacity(sim_get_fs(sim), 3 << 20);
	slow_calls(sim, SIM_SPACE, 300 * 1000000);
	need_ok(shale_open(DIR, &o, &db));
	while (put_random(db, n, &r) == SHALE_OK) {
		need(++n < MOST);
		sleep_ms(sim, 1);
	}
	need_status(shale_last_error()->status, SHALE_NO_SPACE);
	slow_calls(sim, SIM_SPACE, 0);
	need_ok(shale_flush(db, NULL));
	sleep_ms(sim, 2000);
	need(stats_of(db).space_free >= (256u << 10) - (64u << 10));
	need_ok(shale_close(db));
}

static void what_is_written_while_the_disk_is_asked_counts(void **state)
{
	(void)state;
	run_schedules(ask_slowly);
}

/* Owning a store takes some bytes; reading it takes none. */
static void open_when_full(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	unsigned n = 200;
	struct rand r;
	shale_db *db;

	o.durability = SHALE_DURABLE;
	rand_seed(&r, 8);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < n; i++)
		need_ok(put_random(db, i, &r));
	need_ok(shale_close(db));
	sim_fs_set_capacity(sim_get_fs(sim), 4096);
	for (unsigned i = 0; i < 3; i++) {
		need_status(shale_open(DIR, &o, &db), SHALE_NO_SPACE);
		need(strstr(shale_last_error()->text, "read_only") != NULL);
		o.read_only = true;
		need_ok(shale_open(DIR, &o, &db));
		read_all(db, n);
		need_ok(shale_close(db));
		o.read_only = false;
	}
	/* Room for ROOT and a manifest, but not for what the log holds. */
	sim_fs_set_capacity(sim_get_fs(sim), files_bytes(sim) + 8192);
	need_status(shale_open(DIR, &o, &db), SHALE_NO_SPACE);
	sim_fs_set_capacity(sim_get_fs(sim), 8 << 20);
	need_ok(shale_open(DIR, &o, &db));
	read_all(db, n);
	need_ok(put_random(db, n, &r));
	need_ok(shale_close(db));
}

static void a_store_on_a_full_disk_can_be_read(void **state)
{
	(void)state;
	run_sim(1, open_when_full);
}

/* ---- opened on a full disk ---- */

/* A store fills its disk, ends in one way or the other, and is opened as it is. */
static bool open_dies;

static void open_filled(void *arg)
{
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	struct rand r;
	shale_db *db;
	unsigned n;

	o.durability = durability;
	rand_seed(&r, 9);
	sim_fs_set_capacity(sim_get_fs(sim), DISK);
	need_ok(shale_open(DIR, &o, &db));
	n = write_until_refused(sim, db, &r);
	if (open_dies) {
		sim_kill_tasks(sim);
		sim_heap_free_all(sim_get_heap(sim));
		sim_fs_crash(sim_get_fs(sim), SIM_CRASH_PROCESS, 1);
	} else {
		need_ok(shale_close(db));
	}
	need_ok(shale_open(DIR, &o, &db));
	if (!open_dies || durability != SHALE_EPHEMERAL)
		read_all(db, n);
	need_ok(shale_delete_range(db, NULL, shale_str("key"), shale_str("kez")));
	write_when_there_is_room(sim, db, 0, &r);
	for (unsigned i = 0; i < n / 2; i++)
		write_when_there_is_room(sim, db, i, &r);
	read_all(db, n / 2);
	need_ok(shale_close(db));
}

static void a_store_that_filled_its_disk_is_opened_and_deletes_make_room(void **state)
{
	(void)state;
	for (durability = SHALE_EPHEMERAL; durability <= SHALE_DURABLE; durability++)
		for (unsigned i = 0; i < 2; i++) {
			open_dies = i != 0;
			run_schedules(open_filled);
		}
}

/* ---- deleted on a full disk ---- */

static shale_cf *second;

/* Two families, each about half of the disk, and nothing left to merge. */
static shale_db *open_full_as(struct sim *sim, shale_policy policy, struct rand *r)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	shale_options so = space_options(sim);
	uint8_t value[VALUE];
	char text[24];
	shale_db *db;

	so.durability = SHALE_PROCESS;
	so.default_cf.compaction.policy = policy;
	so.space_reserve = RESERVE;
	sim_fs_set_capacity(sim_get_fs(sim), DISK);
	need_ok(shale_open(DIR, &so, &db));
	need_ok(shale_cf_create(db, "second", &so.default_cf, &second));
	for (unsigned n = 0;; n++) {
		o.cf = n % 2 != 0 ? second : NULL;
		snprintf(text, sizeof(text), "key%08u", n / 2);
		for (size_t i = 0; i < sizeof(value); i++)
			value[i] = (uint8_t)rand_next(r);
		if (shale_put(db, &o, shale_str(text), slice_from(value, sizeof(value))) < 0)
			break;
		need(n < MOST);
	}
	need_status(shale_last_error()->status, SHALE_NO_SPACE);
	(void)shale_wait_idle(db);
	sleep_ms(sim, 3000);
	return db;
}

static shale_db *open_full(struct sim *sim, struct rand *r)
{
	return open_full_as(sim, SHALE_DEFAULT_POLICY, r);
}

static void close_full(shale_db *db)
{
	shale_cf_release(second);
	need_ok(shale_close(db));
}

/* Somebody else takes what is free, or gives it back, until so much is left; and it is seen. */
static void leave_free(struct sim *sim, uint64_t bytes)
{
	const shale_env *env = sim_env(sim);
	uint64_t left, total;

	need(env->fs.ops->space(env->fs.self, DIR, &left, &total) == 0);
	sim_fs_set_capacity(sim_get_fs(sim), total - left + bytes);
	sleep_ms(sim, 2000);
}

static void delete_keys(shale_db *db, shale_cf *cf, const char *from, const char *to)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	o.cf = cf;
	need_ok(shale_delete_range(db, &o, shale_str(from), shale_str(to)));
}

static void flush(shale_db *db, shale_cf *cf)
{
	shale_flush_options o = SHALE_FLUSH_OPTIONS_INIT;

	o.cf = cf;
	need_ok(shale_flush(db, &o));
}

/* That, with merges paused, and most of it deleted: a merge would free nearly all. */
static shale_db *open_mostly_deleted(struct sim *sim, struct rand *r)
{
	shale_db *db = open_full(sim, r);

	need_ok(shale_pause_compaction(db));
	delete_keys(db, NULL, "key", "key00001200");
	delete_keys(db, second, "key", "key00001200");
	flush(db, NULL);
	flush(db, second);
	return db;
}

/* A merge that would free nearly everything meets a disk without a byte left. */
static void fail_once(void *arg)
{
	struct sim *sim = arg;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 11);
	db = open_mostly_deleted(sim, &r);
	leave_free(sim, 0);
	need_ok(shale_resume_compaction(db));
	sleep_ms(sim, 2000);
	leave_free(sim, LITTLE);
	write_when_there_is_room(sim, db, 0, &r);
	close_full(db);
}

static void a_merge_that_frees_room_is_tried_again(void **state)
{
	(void)state;
	run_schedules(fail_once);
}

/*
 * A file system may have bytes left and make no file for all that: XFS does, for want of
 * room for inodes. Here the file is made and not written. A merge that fits in fails again
 * and again; one that writes nothing would not.
 */
static void write_no_file(void *arg)
{
	const struct sim_fault rule = {
		.op = SIM_WRITE, .name_ends = ".sst", .nth = 1, .err = ENOSPC, .sticky = true
	};
	struct sim *sim = arg;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 15);
	db = open_full_as(sim, SHALE_LEVELED, &r);
	need_ok(shale_pause_compaction(db));
	for (unsigned i = 0; i < 2; i++) { /* two runs that fit in with a table beneath */
		need_ok(delete_one(db, i));
		flush(db, NULL);
	}
	delete_keys(db, NULL, "key", "kez");
	delete_keys(db, second, "key", "kez");
	flush(db, NULL);
	flush(db, second);
	leave_free(sim, RESERVE * 3 / 4);
	sim_fs_fault(sim_get_fs(sim), &rule);
	need_ok(shale_resume_compaction(db));
	write_when_there_is_room(sim, db, 0, &r);
	sim_fs_faults_clear(sim_get_fs(sim));
	close_full(db);
}

static void where_no_file_can_be_written_a_merge_that_writes_none_frees_room(void **state)
{
	(void)state;
	run_schedules(write_no_file);
}

/* One thread, whose flush fails each time it is tried; what has expired goes meanwhile. */
static void expire_beside_a_flush(void *arg)
{
	const struct sim_fault rule = {
		.op = SIM_WRITE, .name_ends = ".sst", .nth = 1, .err = ENOSPC, .sticky = true
	};
	struct sim *sim = arg;
	shale_options o = space_options(sim);
	uint64_t tables = 0;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 16);
	o.durability = SHALE_PROCESS;
	o.background_threads = 1;
	o.default_cf.ttl_ms = 3600000;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 100; i++)
		need_ok(put_random(db, i, &r));
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
	sim_fs_fault(sim_get_fs(sim), &rule);
	for (unsigned i = 100; i < 200; i++)
		need_ok(put_random(db, i, &r));
	sleep_ms(sim, 3000);
	need(stats_of(db).flushes < 3);
	sim_advance_ns(sim, UINT64_C(3600000000000));
	sleep_ms(sim, 10000);
	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
		tables += stats_of(db).level[l].tables;
	need(tables == 0);
	sim_fs_faults_clear(sim_get_fs(sim));
	sleep_ms(sim, 3000);
	need_ok(shale_wait_idle(db));
	need_ok(shale_close(db));
}

static void what_has_expired_goes_while_a_flush_finds_no_room(void **state)
{
	(void)state;
	run_schedules(expire_beside_a_flush);
}

/* Every second stretch of 20 keys: ranges alone, all in one table, and half of what they
   lie over stays. */
static void delete_stretches(void *arg)
{
	struct sim *sim = arg;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 12);
	db = open_full(sim, &r);
	need_ok(shale_pause_compaction(db));
	for (unsigned i = 0; i < 2000; i += 40) {
		char from[24], to[24];

		snprintf(from, sizeof(from), "key%08u", i);
		snprintf(to, sizeof(to), "key%08u", i + 20);
		delete_keys(db, NULL, from, to);
	}
	flush(db, NULL);
	leave_free(sim, RESERVE / 2);
	need_ok(shale_resume_compaction(db));
	write_when_there_is_room(sim, db, 0, &r);
	for (unsigned i = 20; i < 40; i++)
		need_ok(has(db, NULL, i));
	need_status(has(db, NULL, 41), SHALE_NOT_FOUND);
	close_full(db);
}

static void tombstones_of_ranges_are_cut_to_what_fits_in(void **state)
{
	(void)state;
	run_schedules(delete_stretches);
}

/* What a snapshot still sees cannot go; once it is released it can. */
static void release_late(void *arg)
{
	struct sim *sim = arg;
	shale_snapshot *snapshot;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 13);
	db = open_full(sim, &r);
	need_ok(shale_snapshot_new(db, &snapshot));
	delete_keys(db, NULL, "key", "kez");
	delete_keys(db, second, "key", "kez");
	leave_free(sim, LITTLE);
	while (put_random(db, 0, &r) == SHALE_OK) /* until somebody has looked */
		sleep_ms(sim, 500);
	sleep_ms(sim, 5000);
	need_status(put_random(db, 0, &r), SHALE_NO_SPACE);
	shale_snapshot_free(snapshot);
	write_when_there_is_room(sim, db, 0, &r);
	close_full(db);
}

static void what_a_snapshot_kept_makes_room_when_it_goes(void **state)
{
	(void)state;
	run_schedules(release_late);
}

struct manifests {
	struct sum sum;
	unsigned count;
};

static int add_manifest(void *arg, const char *name)
{
	struct manifests *m = arg;
	enum object_kind kind;
	uint64_t number;

	if (!object_name_parse(name, &kind, &number) || kind != OBJECT_MANIFEST)
		return 0;
	m->count++;
	return add_file(&m->sum, name);
}

/* Of the only one there is, but while another is made. */
static uint64_t manifest_bytes(struct sim *sim)
{
	const shale_env *env = sim_env(sim);

	for (unsigned i = 0;; i++) {
		struct manifests m = { .sum = { sim, 0 } };

		need(env->fs.ops->list(env->fs.self, DIR, add_manifest, &m) == 0);
		if (m.count == 1)
			return m.sum.bytes;
		need(i < 10);
		sleep_ms(sim, 10);
	}
}

/* The room for the next manifest is all there is, if that of the last one counts. */
static void tell_of_much_that_is_gone(void *arg)
{
	const struct sim_fault no_root = {
		.op = SIM_WRITE, .name_ends = "ROOT.tmp", .nth = 1, .err = ENOSPC, .sticky = true
	};
	struct sim *sim = arg;
	shale_cf *passing;
	uint64_t before;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 16);
	db = open_mostly_deleted(sim, &r);
	leave_free(sim, DISK);
	while (manifest_bytes(sim) < 48 << 10) {
		need_ok(shale_cf_create(db, "passing", NULL, &passing));
		need_ok(shale_cf_drop(db, "passing"));
		shale_cf_release(passing);
	}
	before = manifest_bytes(sim);
	sim_fs_fault(sim_get_fs(sim), &no_root);
	leave_free(sim, LITTLE);
	sleep_ms(sim, 2000);
	/* No new one can be made; the old one is as good as it was. */
	need(manifest_bytes(sim) == before);
	need_ok(delete_one(db, 1500));
	flush(db, NULL);
	need(manifest_bytes(sim) > before);
	sim_fs_faults_clear(sim_get_fs(sim));
	sleep_ms(sim, 2000);
	need(manifest_bytes(sim) < before);
	need_ok(shale_resume_compaction(db));
	write_when_there_is_room(sim, db, 0, &r);
	close_full(db);
}

static void a_manifest_that_tells_of_much_that_is_gone_gives_its_room_back(void **state)
{
	(void)state;
	run_schedules(tell_of_much_that_is_gone);
}

/* Of one family nothing can be freed, whatever is tried; of the other all. */
static void help_the_other(void *arg)
{
	struct sim *sim = arg;
	struct rand r;
	shale_db *db;

	rand_seed(&r, 14);
	db = open_full(sim, &r);
	need_ok(shale_pause_compaction(db));
	delete_keys(db, NULL, "key", "key00000000");
	for (unsigned i = 0; i < 2000; i++) { /* between keys */
		char from[24], to[24];

		snprintf(from, sizeof(from), "key%08ua", i);
		snprintf(to, sizeof(to), "key%08ub", i);
		if (i % 100 == 0)
			delete_keys(db, NULL, from, to);
	}
	delete_keys(db, second, "key", "kez");
	flush(db, NULL);
	flush(db, second);
	leave_free(sim, LITTLE);
	need_ok(shale_resume_compaction(db));
	write_when_there_is_room(sim, db, 0, &r);
	close_full(db);
}

static void a_family_without_hope_does_not_hold_up_another(void **state)
{
	(void)state;
	run_schedules(help_the_other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_leave_the_reserve_and_go_on_when_the_disk_has_room),
		cmocka_unit_test(what_is_written_while_the_disk_is_asked_counts),
		cmocka_unit_test(a_store_on_a_full_disk_can_be_read),
		cmocka_unit_test(a_store_that_filled_its_disk_is_opened_and_deletes_make_room),
		cmocka_unit_test(a_merge_that_frees_room_is_tried_again),
		cmocka_unit_test(where_no_file_can_be_written_a_merge_that_writes_none_frees_room),
		cmocka_unit_test(what_has_expired_goes_while_a_flush_finds_no_room),
		cmocka_unit_test(tombstones_of_ranges_are_cut_to_what_fits_in),
		cmocka_unit_test(what_a_snapshot_kept_makes_room_when_it_goes),
		cmocka_unit_test(a_manifest_that_tells_of_much_that_is_gone_gives_its_room_back),
		cmocka_unit_test(a_family_without_hope_does_not_hold_up_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
