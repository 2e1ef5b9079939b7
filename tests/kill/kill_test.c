/*
 * kill -9 on the real machine: a child writes from several threads, while it also
 * flushes and merges, and counts in shared memory what is acknowledged; it is
 * killed at a random moment, also while it opens the store and recovers; the store
 * is opened again and must hold what its durability promises of a dead process:
 *
 *   DURABLE, INTERVAL, PROCESS   every acknowledged batch, whole, over two families
 *   EPHEMERAL                    opens; of each family and writer some prefix
 *
 * A store lives for some rounds, so that one recovery builds upon another, and is
 * then removed, so that rounds stay short. Power cuts cannot be made here.
 */
#include "support/crew.h"
#include "support/test.h"

#include "base/rand.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 25, LIFE = 6, OPEN_US = 12000 };

struct kills {
	uint64_t rounds, opening, batches;
};

/* Run a child and kill it; it may have opened the store or not. */
static void run_and_kill(const char *dir, shale_durability durability, struct rand *r,
			 struct crew_acks *acks, struct kills *count)
{
	bool early = rand_below(r, 3) == 0;
	uint64_t us = rand_below(r, early ? OPEN_US : 45000), seed = rand_next(r);
	int status;
	pid_t pid;

	atomic_store(&acks->opened, 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		crew_work(dir, durability, seed, acks);
	/* The time of those that shall write runs from when they begin. */
	while (!early && atomic_load(&acks->opened) == 0) {
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		usleep(200);
	}
	usleep((useconds_t)us);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	count->rounds++;
	count->opening += atomic_load(&acks->opened) == 0;
}

static void check_store(const char *dir, shale_durability durability,
			const uint32_t first[CREW_WRITERS], struct crew_acks *acks)
{
	shale_options o = crew_options(durability);
	struct crew_store s;

	crew_open(dir, &o, &s);
	for (uint32_t w = 0; w < CREW_WRITERS; w++) {
		uint32_t next = atomic_load(&acks->next[w]);

		if (durability != SHALE_EPHEMERAL)
			crew_check_logged(&s, w, &next);
		else
			crew_check_unlogged(&s, w, first[w], &next);
		atomic_store(&acks->next[w], next);
	}
	assert_ok(shale_check(s.db, NULL, NULL, NULL));
	crew_close(&s);
}

/* One store and some deaths. */
static void live(const char *dir, shale_durability durability, struct rand *r, uint64_t rounds,
		 struct kills *count)
{
	struct crew_acks *acks = crew_acks_new();
	uint32_t first[CREW_WRITERS];

	for (uint64_t i = 0; i < rounds; i++) {
		crew_acks_copy(acks, first);
		run_and_kill(dir, durability, r, acks, count);
		/* Now and then the next process finds what the one before left. */
		if (durability == SHALE_EPHEMERAL || i + 1 == rounds || rand_below(r, 4) != 0)
			check_store(dir, durability, first, acks);
	}
	for (int w = 0; w < CREW_WRITERS; w++)
		count->batches += atomic_load(&acks->next[w]);
	crew_acks_free(acks);
	assert_ok(shale_destroy(dir, NULL));
}

static void kill_rounds(shale_durability durability)
{
	uint64_t seed = test_seed(), rounds = test_scale(ROUNDS);
	char *dir = test_dir_new(), path[600];
	struct kills count = { 0 };
	struct rand r;

	rand_seed(&r, seed + (uint64_t)durability);
	snprintf(path, sizeof(path), "%s/db", dir);
	/* Where the machine is busy, few rounds may all end before the first commit: on then. */
	while (count.rounds < rounds || (count.batches == 0 && count.rounds < 100 * rounds)) {
		uint64_t left = count.rounds < rounds ? rounds - count.rounds : 1;

		live(path, durability, &r, left < LIFE ? left : LIFE, &count);
	}
	printf("%" PRIu64 " kills, %" PRIu64 " of them while opening; %" PRIu64 " batches\n",
	       count.rounds, count.opening, count.batches);
	assert_true(count.batches > 0);
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
