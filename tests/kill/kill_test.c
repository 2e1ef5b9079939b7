/*
 * kill -9 on the real machine: a child writes from several threads and tells each
 * acknowledged batch over a pipe; it is killed at a random moment; the store is
 * opened again and must hold what its durability promises of a dead process:
 *
 *   DURABLE, INTERVAL, PROCESS   every acknowledged batch, whole
 *   EPHEMERAL                    opens; of each writer's batches some prefix
 *
 * Small memtables, so that flushes, merges and new log segments are under way.
 * Power cuts cannot be made here: the model test does that on the simulated disk.
 */
#include "support/test.h"

#include <shale/shale.h>

#include "base/rand.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WRITERS = 3, BATCH = 3, VALUE = 200 };

struct ack {
	uint32_t writer, number;
};

struct writer {
	shale_db *db;
	int pipe;
	uint32_t id, first;
};

static void make_key(char *out, uint32_t writer, uint32_t number, uint32_t part)
{
	sprintf(out, "w%u:%08u:%u", writer, number, part);
}

static void make_value(uint8_t *out, uint32_t writer, uint32_t number)
{
	struct rand r;

	rand_seed(&r, (uint64_t)writer << 32 | number);
	for (int i = 0; i < VALUE; i++)
		out[i] = (uint8_t)rand_next(&r);
}

static void open_store(const char *dir, shale_durability durability, shale_db **db)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.durability = durability;
	o.sync_interval_ms = 5;
	o.memory_budget = 8 << 20;
	o.memtable_bytes = 256 << 10;
	o.default_cf.compaction.table_bytes = 128 << 10;
	o.default_cf.compaction.base_bytes = 512 << 10;
	assert_ok(shale_open(dir, &o, db));
}

static void *write_on(void *arg)
{
	struct writer *w = arg;
	uint8_t value[VALUE];
	char key[32];
	shale_batch *b;

	if (shale_batch_new(&b) < 0)
		_exit(3);
	for (uint32_t n = w->first;; n++) {
		struct ack ack = { w->id, n };

		shale_batch_clear(b);
		make_value(value, w->id, n);
		for (uint32_t part = 0; part < BATCH; part++) {
			make_key(key, w->id, n, part);
			if (shale_batch_put(b, NULL, shale_str(key), shale_bytes(value, VALUE)) < 0)
				_exit(3);
		}
		if (shale_write(w->db, NULL, b) < 0) {
			fprintf(stderr, "write: %s\n", shale_last_error()->text);
			_exit(3);
		}
		/* A write to a pipe of so few bytes is one piece. */
		if (write(w->pipe, &ack, sizeof(ack)) != sizeof(ack))
			_exit(4);
	}
}

static _Noreturn void child(const char *dir, shale_durability durability, int pipe,
			    const uint32_t *first)
{
	static struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	shale_db *db;

	open_store(dir, durability, &db);
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ db, pipe, i, first[i] };
		if (pthread_create(&threads[i], NULL, write_on, &writers[i]) != 0)
			_exit(2);
	}
	for (;;)
		pause();
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Run a child, kill it, and return how far each writer's acknowledgements went. */
static void run_and_kill(const char *dir, shale_durability durability, uint64_t ms,
			 uint32_t next[WRITERS])
{
	struct ack ack;
	int fd[2], status;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fd[0]);
		child(dir, durability, fd[1], next);
	}
	close(fd[1]);
	/* The first acknowledgement says that it is at work. */
	assert_int_equal(read(fd[0], &ack, sizeof(ack)), sizeof(ack));
	next[ack.writer] = ack.number + 1;
	/* The pipe must not fill up meanwhile: read until the time is over. */
	for (uint64_t end = now_ms() + ms; now_ms() < end;) {
		if (read(fd[0], &ack, sizeof(ack)) != sizeof(ack))
			fail_msg("the child ended by itself");
		next[ack.writer] = ack.number + 1;
	}
	kill(pid, SIGKILL);
	while (read(fd[0], &ack, sizeof(ack)) == sizeof(ack))
		next[ack.writer] = ack.number + 1;
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* How many of a batch's entries are there; those that are must be right. */
static uint32_t parts_present(shale_db *db, uint32_t writer, uint32_t number)
{
	uint8_t value[VALUE];
	uint32_t present = 0;
	char key[32];

	make_value(value, writer, number);
	for (uint32_t part = 0; part < BATCH; part++) {
		shale_value v;
		shale_status rc;

		make_key(key, writer, number, part);
		rc = shale_get(db, NULL, shale_str(key), &v);
		if (rc == SHALE_NOT_FOUND)
			continue;
		assert_ok(rc);
		assert_int_equal(v.size, VALUE);
		assert_memory_equal(v.data, value, VALUE);
		shale_value_release(&v);
		present++;
	}
	return present;
}

static void check_store(const char *dir, shale_durability durability, uint32_t next[WRITERS])
{
	shale_db *db;

	open_store(dir, durability, &db);
	for (uint32_t w = 0; w < WRITERS; w++) {
		uint32_t n = 0, present;

		/* All acknowledged, then perhaps some that were under way; each whole. */
		while ((present = parts_present(db, w, n)) == BATCH)
			n++;
		assert_int_equal(present, 0);
		if (durability != SHALE_EPHEMERAL && n < next[w])
			fail_msg("writer %u: batch %u of %u acknowledged is lost", w, n, next[w]);
		next[w] = n;
		/* Behind the first that is missing there is nothing. */
		for (uint32_t k = n; k < n + 100; k++)
			assert_int_equal(parts_present(db, w, k), 0);
	}
	assert_ok(shale_check(db, NULL, NULL, NULL));
	assert_ok(shale_close(db));
}

static void kill_rounds(shale_durability durability)
{
	uint64_t seed = test_seed(), rounds = test_scale(5), total = 0;
	uint32_t next[WRITERS] = { 0 };
	char *dir = test_dir_new(), path[600];
	struct rand r;

	rand_seed(&r, seed + (uint64_t)durability);
	snprintf(path, sizeof(path), "%s/db", dir);
	for (uint64_t i = 0; i < rounds; i++) {
		run_and_kill(path, durability, 20 + rand_below(&r, 250), next);
		check_store(path, durability, next);
	}
	for (int w = 0; w < WRITERS; w++)
		total += next[w];
	printf("%" PRIu64 " batches after %" PRIu64 " kills\n", total, rounds);
	assert_true(total > 0);
	test_dir_remove(dir);
}

static void durable_commits_survive_the_process(void **state)
{
	(void)state;
	kill_rounds(SHALE_DURABLE);
}

static void interval_commits_survive_the_process(void **state)
{
	(void)state;
	kill_rounds(SHALE_INTERVAL);
}

static void process_commits_survive_the_process(void **state)
{
	(void)state;
	kill_rounds(SHALE_PROCESS);
}

static void ephemeral_commits_leave_a_sound_store(void **state)
{
	(void)state;
	kill_rounds(SHALE_EPHEMERAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_commits_survive_the_process),
		cmocka_unit_test(interval_commits_survive_the_process),
		cmocka_unit_test(process_commits_survive_the_process),
		cmocka_unit_test(ephemeral_commits_leave_a_sound_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
