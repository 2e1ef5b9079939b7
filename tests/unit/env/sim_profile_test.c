/* The simulated disk's finer misbehaviour: strays, quotas, handles, latency, poison. */
#include "base/lock.h"
#include "env/sim.h"
#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const shale_fs_ops *ops;

static int setup(void **state)
{
	ops = sim_fs_ops();
	*state = sim_fs_new(test_seed());
	return 0;
}

static int teardown(void **state)
{
	sim_fs_free(*state);
	return 0;
}

static shale_file *create(struct sim_fs *fs, const char *path)
{
	shale_file *f = NULL;

	assert_int_equal(ops->open(fs, path, SHALE_FILE_WRITE | SHALE_FILE_CREATE, &f), 0);
	return f;
}

/* Sectors of `letter`, and on. */
static void fill(struct sim_fs *fs, shale_file *f, char letter, int sectors)
{
	char sector[SIM_SECTOR];

	for (int i = 0; i < sectors; i++) {
		memset(sector, letter + i, sizeof(sector));
		assert_int_equal(ops->pwrite(fs, f, sector, sizeof(sector), (uint64_t)i * 512),
				 512);
	}
}

static void a_misdirected_read_brings_another_sector(void **state)
{
	struct sim_fs *fs = *state;
	struct sim_fault rule = { .op = SIM_READ, .stray = SIM_STRAY_MISDIRECTED };
	shale_file *a = create(fs, "/a"), *b = create(fs, "/b");
	char buf[SIM_SECTOR];

	fill(fs, a, 'a', 4);
	fill(fs, b, 'p', 4);
	for (int i = 0; i < 50; i++) {
		sim_fs_fault(fs, &rule);
		assert_int_equal(ops->pread(fs, a, buf, 512, 1024), 512);
		assert_int_not_equal(buf[0], 'c');
		assert_true((buf[0] >= 'a' && buf[0] <= 'd') || (buf[0] >= 'p' && buf[0] <= 's'));
		assert_int_equal(ops->pread(fs, a, buf, 512, 1024), 512);
		assert_int_equal(buf[0], 'c');
		sim_fs_faults_clear(fs);
	}
	assert_int_equal(sim_fs_fault_hits(fs), 50);
	ops->close(fs, a);
	ops->close(fs, b);
}

static void a_misdirected_write_hits_another_sector_for_good(void **state)
{
	struct sim_fs *fs = *state;
	struct sim_fault rule = { .op = SIM_WRITE, .stray = SIM_STRAY_MISDIRECTED };
	shale_file *a = create(fs, "/a");
	char buf[4 * SIM_SECTOR], new[SIM_SECTOR];
	int hit = 0;

	fill(fs, a, 'a', 4);
	memset(new, '!', sizeof(new));
	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->pwrite(fs, a, new, 512, 1024), 512);
	assert_int_equal(ops->sync(fs, a), 0);
	ops->close(fs, a);
	sim_fs_crash(fs, SIM_CRASH_NONE_UNSYNCED, 1);
	/* The name was not synced. */
	a = create(fs, "/a");
	assert_int_equal(ops->pread(fs, a, buf, sizeof(buf), 0), 0);
	ops->close(fs, a);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	a = create(fs, "/a");
	sim_fs_faults_clear(fs);
	fill(fs, a, 'a', 4);
	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->pwrite(fs, a, new, 512, 1024), 512);
	assert_int_equal(ops->sync(fs, a), 0);
	ops->close(fs, a);
	sim_fs_crash(fs, SIM_CRASH_NONE_UNSYNCED, 1);
	a = create(fs, "/a");
	assert_int_equal(ops->pread(fs, a, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(buf[1024], 'c');
	for (int i = 0; i < 4; i++)
		hit += buf[512 * i] == '!';
	assert_int_equal(hit, 1);
	ops->close(fs, a);
}

static void a_lost_write_only_grows_the_file(void **state)
{
	struct sim_fs *fs = *state;
	struct sim_fault rule = { .op = SIM_WRITE, .stray = SIM_STRAY_LOST };
	shale_file *a = create(fs, "/a");
	char buf[8];

	assert_int_equal(ops->pwrite(fs, a, "abcd", 4, 0), 4);
	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->pwrite(fs, a, "xyzxyz", 6, 2), 6);
	assert_int_equal(ops->pread(fs, a, buf, 8, 0), 8);
	assert_memory_equal(buf, "abcd\0\0\0\0", 8);
	ops->close(fs, a);
}

static void a_quota_is_full_where_the_disk_is_not(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *a = create(fs, "/a");
	uint64_t room, total;

	sim_fs_set_capacity(fs, 10);
	sim_fs_set_full_error(fs, EDQUOT);
	assert_int_equal(ops->pwrite(fs, a, "0123456789", 10, 0), 10);
	assert_int_equal(ops->pwrite(fs, a, "x", 1, 10), -EDQUOT);
	assert_int_equal(ops->allocate(fs, a, 0, 11), -EDQUOT);
	assert_int_equal(ops->truncate(fs, a, 11), -EDQUOT);
	assert_int_equal(ops->space(fs, "/", &room, &total), 0);
	assert_true(room > 1 << 30);
	ops->close(fs, a);
}

static void more_handles_than_allowed_are_refused_and_a_close_makes_room(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *a = create(fs, "/a"), *b = NULL;
	shale_file_lock *lock = NULL;

	sim_fs_set_handles_max(fs, 2, EMFILE);
	assert_int_equal(ops->lock(fs, "/lock", &lock), 0);
	assert_int_equal(ops->open(fs, "/b", SHALE_FILE_WRITE | SHALE_FILE_CREATE, &b), -EMFILE);
	assert_int_equal(ops->sync_dir(fs, "/"), -EMFILE);
	assert_int_equal(ops->list(fs, "/", NULL, NULL), -EMFILE);
	ops->unlock(fs, lock);
	sim_fs_set_handles_max(fs, 1, ENFILE);
	assert_int_equal(ops->lock(fs, "/lock", &lock), -ENFILE);
	ops->close(fs, a);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	b = create(fs, "/b");
	ops->close(fs, b);
}

static void a_failed_sync_may_bring_back_the_old_bytes(void **state)
{
	struct sim_fs *fs = *state;
	struct sim_fault rule = { .op = SIM_SYNC, .err = EIO, .clean = true, .old = true };
	shale_file *a = create(fs, "/a");
	void *at;
	char buf[8];

	assert_int_equal(ops->pwrite(fs, a, "old", 3, 0), 3);
	assert_int_equal(ops->sync(fs, a), 0);
	assert_int_equal(ops->pwrite(fs, a, "newer", 5, 0), 5);
	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->sync(fs, a), -EIO);
	assert_int_equal(ops->sync(fs, a), 0);
	assert_int_equal(ops->pread(fs, a, buf, 8, 0), 3);
	assert_memory_equal(buf, "old", 3);
	/* Also under a mapping. */
	sim_fs_faults_clear(fs);
	assert_int_equal(ops->map(fs, a, 3, &at), 0);
	memcpy(at, "NEW", 3);
	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->sync(fs, a), -EIO);
	assert_memory_equal(at, "old", 3);
	ops->unmap(fs, a, at, 3);
	ops->close(fs, a);
}

static void what_was_not_delivered_is_junk(void **state)
{
	struct sim_fs *fs = *state;
	struct sim_fault rule = { .op = SIM_READ, .err = EIO };
	shale_file *a = create(fs, "/a");
	char buf[8] = "XXXXXXX";

	assert_int_equal(ops->pwrite(fs, a, "abc", 3, 0), 3);
	assert_int_equal(ops->pread(fs, a, buf, 8, 0), 3);
	assert_memory_equal(buf, "abc\xdb\xdb\xdb\xdb\xdb", 8);
	memset(buf, 'X', sizeof(buf));
	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->pread(fs, a, buf, 8, 0), -EIO);
	assert_memory_equal(buf, "\xdb\xdb\xdb", 3);
	ops->close(fs, a);
}

/* ---- latency ---- */

struct scene {
	struct sim *sim;
	const shale_env *env;
	shale_file *file;
	char buf[4];
	unsigned turns, turns_in_sync;
	bool syncing;
};

static shale_thread *spawn(struct scene *s, void (*fn)(void *))
{
	shale_thread *t = NULL;

	assert_int_equal(s->env->executor.ops->spawn(s->sim, "other", fn, s, &t), 0);
	return t;
}

static void others_work(void *arg)
{
	struct scene *s = arg;

	for (int i = 0; i < 100; i++) {
		s->turns++;
		s->turns_in_sync += s->syncing;
		if (s->syncing)
			s->buf[0]++; /* each time other bytes: it may run before the write looks too */
		env_sleep_ns(s->env, 1000000);
	}
}

static void sync_slowly(void *arg)
{
	struct scene *s = arg;
	struct sim_latency slow = sim_latency_disk();
	shale_thread *t;
	uint64_t before;

	assert_int_equal(ops->open(sim_get_fs(s->sim), "/a", SHALE_FILE_WRITE | SHALE_FILE_CREATE,
				   &s->file),
			 0);
	t = spawn(s, others_work);
	sim_set_latency(s->sim, &slow);
	before = env_now_ns(s->env);
	s->syncing = true;
	assert_int_equal(ops->sync(sim_get_fs(s->sim), s->file), 0);
	s->syncing = false;
	assert_true(env_now_ns(s->env) - before >= 4000000);
	sim_set_latency(s->sim, NULL);
	s->env->executor.ops->join(s->sim, t);
	ops->close(sim_get_fs(s->sim), s->file);
}

static void others_run_while_a_sync_takes_its_time(void **state)
{
	struct scene s = { 0 };

	(void)state;
	assert_ok(sim_new(test_seed(), &s.sim));
	s.env = sim_env(s.sim);
	assert_int_equal(sim_run(s.sim, sync_slowly, &s), SIM_DONE);
	assert_true(s.turns_in_sync >= 3);
	assert_int_equal(s.turns, 100);
	sim_free(s.sim);
}

static void write_slowly(void *arg)
{
	struct scene *s = arg;
	struct sim_latency slow = { 0 };

	slow.of[SIM_WRITE].least_ns = 5000000;
	s->file = create(sim_get_fs(s->sim), "/a");
	(void)spawn(s, others_work);
	sim_set_latency(s->sim, &slow);
	s->syncing = true;
	(void)ops->pwrite(sim_get_fs(s->sim), s->file, s->buf, 4, 0);
	_exit(0);
}

static void a_buffer_changed_under_a_slow_write_ends_the_process(void **state)
{
	struct scene s = { 0 };
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		if (sim_new(test_seed(), &s.sim) != SHALE_OK)
			_exit(1);
		s.env = sim_env(s.sim);
		(void)sim_run(s.sim, write_slowly, &s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static uint64_t trace_of(uint64_t seed, const struct sim_latency *latency)
{
	struct scene s = { 0 };
	uint64_t hash;

	assert_ok(sim_new(seed, &s.sim));
	s.env = sim_env(s.sim);
	sim_set_latency(s.sim, latency);
	assert_int_equal(sim_run(s.sim, sync_slowly, &s), SIM_DONE);
	hash = sim_trace_hash(s.sim);
	sim_free(s.sim);
	return hash;
}

static void latency_follows_from_the_seed(void **state)
{
	struct sim_latency nvme = sim_latency_nvme(), stalls = sim_latency_stalls();

	(void)state;
	assert_true(trace_of(1, &nvme) == trace_of(1, &nvme));
	assert_true(trace_of(1, &stalls) == trace_of(1, &stalls));
	assert_true(trace_of(1, &nvme) != trace_of(2, &nvme));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_misdirected_read_brings_another_sector),
		TEST(a_misdirected_write_hits_another_sector_for_good),
		TEST(a_lost_write_only_grows_the_file),
		TEST(a_quota_is_full_where_the_disk_is_not),
		TEST(more_handles_than_allowed_are_refused_and_a_close_makes_room),
		TEST(a_failed_sync_may_bring_back_the_old_bytes),
		TEST(what_was_not_delivered_is_junk),
		TEST(others_run_while_a_sync_takes_its_time),
		TEST(a_buffer_changed_under_a_slow_write_ends_the_process),
		TEST(latency_follows_from_the_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
