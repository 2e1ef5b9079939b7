/*
 * The executor of this machine: one POSIX thread a task, the kernel's futex for
 * sleep and wake. Threads run with all signals blocked, so that the host's
 * handlers run on the host's threads.
 */
#include "env/posix.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct shale_thread {
	pthread_t id;
	void (*fn)(void *arg);
	void *arg;
	char name[16]; /* the kernel keeps 15 characters */
};

static void *threads_main(void *arg)
{
	struct shale_thread *t = arg;

	pthread_setname_np(pthread_self(), t->name);
	t->fn(t->arg);
	return NULL;
}

static int threads_spawn(void *self, const char *name, void (*fn)(void *arg), void *arg,
			 shale_thread **out)
{
	struct shale_thread *t = calloc(1, sizeof(*t));
	sigset_t all, before;
	int err;

	(void)self;
	if (t == NULL)
		return -ENOMEM;
	t->fn = fn;
	t->arg = arg;
	strncpy(t->name, name, sizeof(t->name) - 1);

	/* A thread inherits the mask of the one that makes it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&t->id, NULL, threads_main, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0) {
		free(t);
		return -err;
	}
	*out = t;
	return 0;
}

static void threads_join(void *self, shale_thread *t)
{
	(void)self;
	pthread_join(t->id, NULL);
	free(t);
}

static void threads_wait(void *self, const uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
	struct timespec left = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};

	(void)self;
	/* Whatever ends it (a wake, another value, a signal, the timeout), the caller looks. */
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
		timeout_ns == UINT64_MAX ? NULL : &left, NULL, 0);
}

static void threads_wake(void *self, const uint32_t *word, int count)
{
	(void)self;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void threads_yield(void *self)
{
	(void)self;
	sched_yield();
}

/* On Linux niceness is a thread's own, and anybody may add to his. */
static void threads_give_way(void *self, unsigned nice)
{
	id_t me = (id_t)syscall(SYS_gettid);

	(void)self;
	setpriority(PRIO_PROCESS, me, getpriority(PRIO_PROCESS, me) + (int)nice);
}

static unsigned threads_cpus(void *self)
{
	cpu_set_t set;
	long n;

	(void)self;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	n = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than cpu_set_t has bits */
	return n > 0 ? (unsigned)n : 1;
}

static uint32_t *alive_page_new(size_t size)
{
	uint32_t *page =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, size, MADV_WIPEONFORK) != 0) {
		munmap(page, size);
		return NULL;
	}
	*page = 1;
	return page;
}

/*
 * The word lives in a page that the kernel gives to a child zeroed. A child that
 * opens a store of its own finds the page wiped and makes another; the wiped one
 * stays, as handles inherited from the parent go on looking at it.
 */
static const uint32_t *threads_alive(void *self)
{
	static _Atomic(uint32_t *) current; /* of the process, as is what it tells */
	uint32_t *page = atomic_load_explicit(&current, memory_order_acquire), *fresh;
	size_t size;

	(void)self;
	if (page != NULL && *page != 0)
		return page;
	size = (size_t)sysconf(_SC_PAGESIZE);
	fresh = alive_page_new(size);
	/* Release: whoever loads the pointer sees the word set. */
	if (fresh != NULL &&
	    !atomic_compare_exchange_strong_explicit(&current, &page, fresh, memory_order_acq_rel,
						     memory_order_acquire)) {
		munmap(fresh, size);
		return page; /* another thread was first */
	}
	return fresh;
}

const shale_executor_ops threads_executor = {
	.struct_size = sizeof(shale_executor_ops),
	.spawn = threads_spawn,
	.join = threads_join,
	.wait = threads_wait,
	.wake = threads_wake,
	.yield = threads_yield,
	.cpus = threads_cpus,
	.alive = threads_alive,
	.give_way = threads_give_way,
};
