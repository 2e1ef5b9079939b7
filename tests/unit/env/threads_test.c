/* The executor of this machine. */
#include "unit/base/tasks.h"

#include "base/lock.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const shale_executor_ops *ex;

static int start(void **state)
{
	(void)state;
	ex = shale_env_default()->executor.ops;
	return 0;
}

static int plain; /* join() must order this; TSan would tell */

static void set_plain(void *arg)
{
	plain = *(int *)arg;
}

static void join_waits_for_the_end(void **state)
{
	(void)state;
	for (int i = 1; i <= 20; i++) {
		shale_thread *t;

		assert_int_equal(ex->spawn(NULL, "a name of more than fifteen", set_plain, &i, &t),
				 0);
		ex->join(NULL, t);
		assert_int_equal(plain, i);
	}
}

static sigset_t blocked;
static char name[16];

static void look_at_self(void *arg)
{
	(void)arg;
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	pthread_getname_np(pthread_self(), name, sizeof(name));
}

static void threads_have_a_name_and_leave_signals_to_the_host(void **state)
{
	sigset_t mine;
	shale_thread *t;

	(void)state;
	assert_int_equal(ex->spawn(NULL, "shale-worker", look_at_self, NULL, &t), 0);
	ex->join(NULL, t);
	assert_true(sigismember(&blocked, SIGINT));
	assert_true(sigismember(&blocked, SIGTERM));
	assert_string_equal(name, "shale-worker");
	pthread_sigmask(SIG_BLOCK, NULL, &mine);
	assert_false(sigismember(&mine, SIGINT));
}

static _Atomic uint32_t word;
static _Atomic uint32_t woken;

static void wait_for_change(void *arg)
{
	(void)arg;
	while (atomic_load(&word) == 0)
		ex->wait(NULL, (const uint32_t *)&word, 0, UINT64_MAX);
	atomic_fetch_add(&woken, 1);
}

static void wake_ends_a_wait(void **state)
{
	struct tasks t;

	(void)state;
	atomic_store(&word, 0);
	atomic_store(&woken, 0);
	tasks_start(&t, 4, wait_for_change, NULL);
	env_sleep_ns(shale_env_default(), 2000000); /* let them fall asleep */
	assert_int_equal(atomic_load(&woken), 0);
	atomic_store(&word, 1);
	ex->wake(NULL, (const uint32_t *)&word, 4);
	tasks_join(&t);
	assert_int_equal(atomic_load(&woken), 4);
}

static void a_wait_returns_at_once_if_the_word_differs(void **state)
{
	uint32_t w = 1;

	(void)state;
	ex->wait(NULL, &w, 0, UINT64_MAX); /* would never end */
}

static void a_wait_ends_at_its_timeout(void **state)
{
	uint32_t w = 0;
	uint64_t began = env_now_ns(shale_env_default());

	(void)state;
	ex->wait(NULL, &w, 0, 2000000);
	assert_in_range(env_now_ns(shale_env_default()) - began, 1900000, 1000000000);
	ex->wait(NULL, &w, 0, 0);
}

static void as_many_processors_as_this_process_may_use(void **state)
{
	cpu_set_t all, one;
	unsigned before = ex->cpus(NULL);

	(void)state;
	assert_true(before >= 1);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all)) {
			CPU_SET(i, &one);
			break;
		}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(ex->cpus(NULL), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(ex->cpus(NULL), before);
}

/* What a child sees of its parent's word, and of words of its own. */
static int child_of(const uint32_t *parents)
{
	const uint32_t *own;
	int status;
	pid_t pid;

	if (*parents != 0)
		return 1;
	own = ex->alive(NULL);
	if (own == NULL || own == parents || *own == 0)
		return 2;
	if (*parents != 0) /* handles of the parent stay dead */
		return 3;
	if (ex->alive(NULL) != own)
		return 4;
	pid = fork();
	if (pid == 0)
		_exit(*own != 0 || *parents != 0 ? 1 : 0);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 5;
}

static void a_forked_child_reads_zero(void **state)
{
	const uint32_t *alive = ex->alive(NULL);
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(alive);
	assert_true(*alive != 0);
	assert_ptr_equal(ex->alive(NULL), alive);
	pid = fork();
	if (pid == 0)
		_exit(child_of(alive));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(*alive != 0); /* the parent's stays */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(join_waits_for_the_end),
		cmocka_unit_test(threads_have_a_name_and_leave_signals_to_the_host),
		cmocka_unit_test(wake_ends_a_wait),
		cmocka_unit_test(a_wait_returns_at_once_if_the_word_differs),
		cmocka_unit_test(a_wait_ends_at_its_timeout),
		cmocka_unit_test(as_many_processors_as_this_process_may_use),
		cmocka_unit_test(a_forked_child_reads_zero),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
