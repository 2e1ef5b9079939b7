/*
 * kill -9 on the real machine: a child writes from several threads and tells each
 * acknowledged batch over a pipe; it is killed at a random moment; the store is
 * opened again and must hold what its durability promises of a dead process:
 *
 *   DURABLE, INTERVAL, PROCESS   every acknowledged batch, whole, over two families
 *   EPHEMERAL                    opens; of each family and writer some prefix
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
	shale_cf *second; /* every other entry of a batch is in this family */
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

static void open_store(const char *dir, shale_durability durability, shale_db **db,
		       shale_cf **second)
{
	shale_options o = SHALE_OPTIONS_INIT;
	shale_status rc;

	o.durability = durability;
	o.sync_interval_ms = 5;
	o.memory_budget = 8 << 20;
	o.memtable_bytes = 256 << 10;
	o.default_cf.compaction.table_bytes = 128 << 10;
	o.default_cf.compaction.base_bytes = 512 << 10;
	assert_ok(shale_open(dir, &o, db));
	rc = shale_cf_open(*db, "second", second);
	if (rc == SHALE_NOT_FOUND)
		rc = shale_cf_create(*db, "second", &o.default_cf, second);
	assert_ok(rc);
}

static void *write_on(void *arg)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
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
			o.cf = part % 2 != 0 ? w->second : NULL;
			if (shale_batch_put(b, &o, shale_str(key), shale_bytes(value, VALUE)) < 0)
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
	shale_cf *second;
	shale_db *db;

	open_store(dir, durability, &db, &second);
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ db, second, pipe, i, first[i] };
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
static void run_and_kill(const char *dir, shale_durability durability, uint64_t ms, bool early,
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
	/* The first acknowledgement says that it is at work; or it dies while it opens the store. */
	if (!early) {
		assert_int_equal(read(fd[0], &ack, sizeof(ack)), sizeof(ack));
		next[ack.writer] = ack.number + 1;
	} else {
		usleep((useconds_t)ms * 100);
	}
	/* The pipe must not fill up meanwhile: read until the time is over. */
	for (uint64_t end = now_ms() + ms; !early && now_ms() < end;) {
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

/* Which of a batch's entries are there, as bits; those that are must be right. */
static uint32_t parts_present(shale_db *db, shale_cf *second, uint32_t writer, uint32_t number)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	uint8_t value[VALUE];
	uint32_t present = 0;
	char key[32];

	make_value(value, writer, number);
	for (uint32_t part = 0; part < BATCH; part++) {
		shale_value v;
		shale_status rc;

		o.cf = part % 2 != 0 ? second : NULL;
		make_key(key, writer, number, part);
		rc = shale_get(db, &o, shale_str(key), &v);
		if (rc == SHALE_NOT_FOUND)
			continue;
		assert_ok(rc);
		assert_int_equal(v.size, VALUE);
		assert_memory_equal(v.data, value, VALUE);
		shale_value_release(&v);
		present |= 1u << part;
	}
	return present;
}

enum { ALL = (1 << BATCH) - 1, FIRST = 5, SECOND = 2 /* the parts of each family */ };

/* All acknowledged, then perhaps some that were under way, each whole; then nothing. */
static void check_logged(shale_db *db, shale_cf *second, uint32_t w, uint32_t *next)
{
	uint32_t n = 0, present;

	while ((present = parts_present(db, second, w, n)) == ALL)
		n++;
	assert_int_equal(present, 0);
	if (n < *next)
		fail_msg("writer %u: batch %u of %u acknowledged is lost", w, n, *next);
	for (uint32_t k = n; k < n + 100; k++)
		assert_int_equal(parts_present(db, second, w, k), 0);
	*next = n;
}

/*
 * Of each family some prefix of what this child wrote, since each is flushed by itself.
 * The next child leaves a gap, so that it does not fill up what this one lost.
 */
static void check_unlogged(shale_db *db, shale_cf *second, uint32_t w, uint32_t from,
			   uint32_t *next)
{
	uint32_t family[2] = { FIRST, SECOND }, most = 0;

	for (int f = 0; f < 2; f++) {
		uint32_t n = from;

		while ((parts_present(db, second, w, n) & family[f]) == family[f])
			n++;
		for (uint32_t k = n; k < *next + 100; k++)
			assert_int_equal(parts_present(db, second, w, k) & family[f], 0);
		most = n > most ? n : most;
	}
	*next = most + 200;
}

static void check_store(const char *dir, shale_durability durability, const uint32_t first[WRITERS],
			uint32_t next[WRITERS])
{
	shale_cf *second;
	shale_db *db;

	open_store(dir, durability, &db, &second);
	for (uint32_t w = 0; w < WRITERS; w++) {
		if (durability != SHALE_EPHEMERAL)
			check_logged(db, second, w, &next[w]);
		else
			check_unlogged(db, second, w, first[w], &next[w]);
	}
	assert_ok(shale_check(db, NULL, NULL, NULL));
	shale_cf_release(second);
	assert_ok(shale_close(db));
}

static void kill_rounds(shale_durability durability)
{
	uint64_t seed = test_seed(), rounds = test_scale(8), total = 0;
	uint32_t next[WRITERS] = { 0 };
	char *dir = test_dir_new(), path[600];
	struct rand r;

	rand_seed(&r, seed + (uint64_t)durability);
	snprintf(path, sizeof(path), "%s/db", dir);
	for (uint64_t i = 0; i < rounds; i++) {
		uint32_t first[WRITERS];

		memcpy(first, next, sizeof(first));
		run_and_kill(path, durability, 20 + rand_below(&r, 250), i % 3 == 2, next);
		check_store(path, durability, first, next);
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
