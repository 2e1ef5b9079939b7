/*
 * Disks that are really full: small ext4, XFS and btrfs images. Writers go on until
 * the disk takes no more. Then: failures say SHALE_NO_SPACE and name a file, reads go
 * on, and nothing acknowledged is lost, neither over a reopen on the full disk nor
 * over kill -9 there; when space returns writes work again by themselves.
 *
 * Not tried is a log mapped into memory (PROCESS) on a full btrfs: a store into such a
 * page can wait in the kernel for as long as the disk stays full.
 *
 * To fill a disk takes seconds of waiting for it. So a plain run does each kind of test on
 * one file system, in the optimised build only; SHALE_TEST_SCALE above 100 does all of them
 * in every build.
 *
 * A write that failed is tried again with the same number until it is acknowledged,
 * so that a batch that was written and not acknowledged changes nothing.
 */
#include "support/crew.h"
#include "support/disk.h"
#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	ROOM = 4 << 20, /* of the disk, for the store */
	FAILURES = 12,  /* of one batch after another, and the disk counts as full */
	TRY_MS = 10,
	PATIENCE_MS = 120000, /* until writes work again; a test that hangs has failed */
};

struct full {
	struct disk disk;
	char store[700];
	shale_options options;
	struct crew_store s;
	shale_batch *batch;
	struct crew_acks *acks;
	uint32_t poisoned; /* how often a failed sync of the log had stopped the writes */
};

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* A full disk is called that, and something on it is named. */
static void expect_no_space(shale_status rc, const char *what)
{
	const shale_error *e = shale_last_error();

	if (rc != SHALE_NO_SPACE && !(rc == SHALE_READ_ONLY && e->sys_errno == ENOSPC))
		fail_msg("%s: %s: %s", what, shale_status_name(rc), e->text);
	if (e->object[0] == '\0' && strstr(e->text, ".sh") == NULL)
		fail_msg("%s names no file: %s", what, e->text);
}

static shale_status write_next(struct full *f, uint32_t writer)
{
	uint32_t n = atomic_load(&f->acks->next[writer]);
	shale_status rc = crew_write(&f->s, f->batch, writer, n);

	if (rc >= 0)
		atomic_store(&f->acks->next[writer], n + 1);
	return rc;
}

/* Write until nothing goes any more. */
static void write_until_full(struct full *f)
{
	uint32_t failures = 0, written = 0;

	for (uint32_t i = 0; failures < FAILURES; i++) {
		shale_status rc = write_next(f, i % CREW_WRITERS);

		written += rc >= 0;
		if (rc >= 0) {
			failures = 0;
			continue;
		}
		expect_no_space(rc, "write");
		failures++;
		pause_ms(TRY_MS);
	}
	print_message("  full after %" PRIu32 " batches: %s\n", written, shale_last_error()->text);
}

static void write_when_there_is_room(struct full *f, uint32_t batches)
{
	uint32_t waited = 0;

	for (uint32_t i = 0; i < batches;) {
		shale_status rc = write_next(f, i % CREW_WRITERS);

		if (rc >= 0) {
			i++;
			continue;
		}
		/* The file system failed the sync of what it had taken: that is not repeated. */
		if (rc == SHALE_READ_ONLY && shale_resume(f->s.db) >= 0)
			f->poisoned++;
		waited += TRY_MS;
		if (waited > PATIENCE_MS)
			fail_msg("there is room, but: %s", shale_last_error()->text);
		pause_ms(TRY_MS);
	}
}

static void check_all(struct full *f)
{
	for (uint32_t w = 0; w < CREW_WRITERS; w++) {
		uint32_t next = atomic_load(&f->acks->next[w]);

		crew_check_logged(&f->s, w, &next);
	}
	assert_ok(shale_check(f->s.db, NULL, NULL, NULL));
}

/* On a full disk, with all the failures that this may bring, but none of them silent. */
static bool reopen(struct full *f)
{
	shale_status rc = crew_try_open(f->store, &f->options, &f->s);

	if (rc < 0)
		expect_no_space(rc, "open");
	return rc >= 0;
}

/* Close where nothing can be written: what is durable stays so. */
static void close_full(struct full *f)
{
	shale_status rc;

	shale_cf_release(f->s.second);
	rc = shale_close(f->s.db);
	if (rc < 0)
		expect_no_space(rc, "close");
}

static void setup(struct full *f, const char *base, const char *fs, shale_durability durability)
{
	unsigned mib = strcmp(fs, "ext4") == 0 ? 64 : strcmp(fs, "xfs") == 0 ? 320 : 128;
	uint64_t room;

	memset(f, 0, sizeof(*f));
	disk_make(&f->disk, fs, base, "full", mib);
	disk_mount(&f->disk);
	snprintf(f->store, sizeof(f->store), "%s/db", f->disk.mount);
	f->options = crew_options(durability);
	f->acks = crew_acks_new();
	assert_ok(shale_batch_new(&f->batch));
	room = disk_free(&f->disk);
	assert_true(room > ROOM);
	disk_fill(&f->disk, "filler", room - ROOM);
	crew_open(f->store, &f->options, &f->s);
}

static void teardown(struct full *f)
{
	shale_batch_free(f->batch);
	crew_acks_free(f->acks);
	disk_remove(&f->disk);
}

/* Killed on the full disk; the disk is mounted anew. */
static void die_full(struct full *f)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (crew_try_open(f->store, &f->options, &f->s) < 0)
			_exit(shale_last_error()->status == SHALE_NO_SPACE ? 0 : 3);
		for (uint32_t i = 0;; i++)
			if (write_next(f, i % CREW_WRITERS) < 0)
				pause_ms(1);
	}
	pause_ms(300);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	disk_unmount(&f->disk);
	disk_mount(&f->disk);
}

#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW_BUILD = true };
#else
enum { SLOW_BUILD = false };
#endif

/* Skips, with the reason; a test that is not `always` done where there is time for it. */
static void skip_unless(const char *fs, bool always)
{
	const char *why;

	if (test_scale(100) <= 100 && (SLOW_BUILD || !always))
		why = "SHALE_TEST_SCALE is not above 100";
	else
		why = disks_unavailable(fs);
	if (why != NULL) {
		print_message("SKIPPED: %s\n", why);
		skip();
	}
}

static void fill(const char *fs, shale_durability durability)
{
	char *base = disk_base_new();
	bool opened;
	struct full f;

	setup(&f, base, fs, durability);
	write_until_full(&f);
	check_all(&f);
	/* Every last byte, behind the back of the store. */
	disk_fill(&f.disk, "rest", UINT64_MAX);
	check_all(&f);
	disk_unfill(&f.disk, "filler");
	write_when_there_is_room(&f, 300);
	check_all(&f);

	/* Full once more; closed, opened and killed there. */
	disk_fill(&f.disk, "filler", UINT64_MAX);
	write_until_full(&f);
	close_full(&f);
	opened = reopen(&f);
	print_message("  opened on the full disk: %s\n", opened ? "yes" : shale_last_error()->text);
	if (opened) {
		check_all(&f);
		close_full(&f);
	}
	f.options.read_only = true;
	crew_open(f.store, &f.options, &f.s);
	check_all(&f);
	crew_close(&f.s);
	f.options.read_only = false;
	die_full(&f);
	opened = reopen(&f);
	disk_unfill(&f.disk, "filler");
	if (!opened)
		crew_open(f.store, &f.options, &f.s);
	write_when_there_is_room(&f, 100);
	check_all(&f);
	crew_close(&f.s);
	crew_open(f.store, &f.options, &f.s);
	check_all(&f);
	crew_close(&f.s);
	print_message("  %s: writes had to be resumed %" PRIu32 " times\n", fs, f.poisoned);
	assert_int_equal(f.poisoned, 0);
	teardown(&f);
	test_dir_remove(base);
}

/* One more key, whose value is no run of zeros. */
static shale_status put_one(struct full *f, uint32_t n)
{
	uint32_t words[256];
	char key[32];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = (n + 1) * 2654435761u * (uint32_t)(i + 1);
	snprintf(key, sizeof(key), "again%08" PRIu32, n);
	return shale_put(f->s.db, NULL, shale_str(key), shale_bytes(words, sizeof(words)));
}

/* It may have to wait for a flush that is on its way. */
static void delete_all(struct full *f, const shale_write_options *o)
{
	uint32_t waited = 0;

	while (shale_delete_range(f->s.db, o, shale_str(""), shale_str("\xff")) < 0) {
		expect_no_space(shale_last_error()->status, "delete");
		waited += TRY_MS;
		if (waited > PATIENCE_MS)
			fail_msg("deletes are refused: %s", shale_last_error()->text);
		pause_ms(TRY_MS);
	}
}

/* Nobody else gives room: what deletes free below the reserve is used again. */
static void delete_and_go_on(const char *fs, shale_durability durability, bool quota)
{
	shale_write_options second = SHALE_WRITE_OPTIONS_INIT;
	shale_stats stats = SHALE_STATS_INIT;
	uint32_t waited = 0, refused;
	shale_value v;
	struct full f;
	char *base = disk_base_new();

	setup(&f, base, fs, durability);
	if (quota) {
		crew_close(&f.s);
		disk_unfill(&f.disk, "filler");
		f.options.space_max = ROOM;
	} else {
		crew_close(&f.s);
		/* XFS refuses to write before it says that nothing is left. */
		f.options.space_reserve = ROOM / 4;
	}
	crew_open(f.store, &f.options, &f.s);
	write_until_full(&f);
	check_all(&f);
	assert_ok(shale_stats_get(f.s.db, &stats));
	refused = (uint32_t)stats.space_refused;
	assert_int_not_equal(refused, 0);
	if (quota)
		assert_true(stats.space_used <= ROOM);
	else
		assert_true(disk_free(&f.disk) > 0);
	second.cf = f.s.second;
	delete_all(&f, NULL);
	delete_all(&f, &second);
	for (uint32_t i = 0; i < 1500;) {
		if (put_one(&f, i) >= 0) {
			i++;
			continue;
		}
		expect_no_space(shale_last_error()->status, "put");
		waited += TRY_MS;
		if (waited > PATIENCE_MS)
			fail_msg("all is deleted, but: %s", shale_last_error()->text);
		pause_ms(TRY_MS);
	}
	assert_ok(shale_check(f.s.db, NULL, NULL, NULL));
	crew_close(&f.s);
	crew_open(f.store, &f.options, &f.s);
	assert_ok(shale_get(f.s.db, NULL, shale_str("again00001499"), &v));
	shale_value_release(&v);
	crew_close(&f.s);
	teardown(&f);
	test_dir_remove(base);
}

#define DELETE(fs, class, what, quota, always)                                                     \
	static void deletes_make_room_##what##_##fs(void **state)                                  \
	{                                                                                          \
		(void)state;                                                                       \
		skip_unless(#fs, always);                                                          \
		delete_and_go_on(#fs, SHALE_##class, quota);                                       \
	}

DELETE(ext4, DURABLE, on_a_full, false, false)
DELETE(xfs, PROCESS, on_a_full, false, true)
DELETE(btrfs, DURABLE, on_a_full, false, false)
DELETE(ext4, PROCESS, within_a_quota_on, true, false)
DELETE(xfs, DURABLE, within_a_quota_on, true, false)
DELETE(btrfs, DURABLE, within_a_quota_on, true, true)

#define FULL(fs, class, always)                                                                    \
	static void a_full_##fs##_loses_nothing_##class(void **state)                              \
	{                                                                                          \
		(void)state;                                                                       \
		skip_unless(#fs, always);                                                          \
		fill(#fs, SHALE_##class);                                                          \
	}

FULL(ext4, DURABLE, true)
FULL(ext4, PROCESS, false)
FULL(xfs, DURABLE, false)
FULL(xfs, PROCESS, false)
FULL(btrfs, DURABLE, false)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deletes_make_room_on_a_full_ext4),
		cmocka_unit_test(deletes_make_room_on_a_full_xfs),
		cmocka_unit_test(deletes_make_room_on_a_full_btrfs),
		cmocka_unit_test(deletes_make_room_within_a_quota_on_ext4),
		cmocka_unit_test(deletes_make_room_within_a_quota_on_xfs),
		cmocka_unit_test(deletes_make_room_within_a_quota_on_btrfs),
		cmocka_unit_test(a_full_ext4_loses_nothing_DURABLE),
		cmocka_unit_test(a_full_ext4_loses_nothing_PROCESS),
		cmocka_unit_test(a_full_xfs_loses_nothing_DURABLE),
		cmocka_unit_test(a_full_xfs_loses_nothing_PROCESS),
		cmocka_unit_test(a_full_btrfs_loses_nothing_DURABLE),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
