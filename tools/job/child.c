/* The process that the job kills: four threads that commit and acknowledge until the end. */
#include "args.h"
#include "job/crash.h"
#include "job/event.h"
#include "tool.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

struct child {
	shale_db *db;
	uint64_t seed, round, pipe;
};

struct child_thread {
	struct child *child;
	uint32_t thread;
	pthread_t id;
};

void crash_entry_make(struct crash_entry *e, uint64_t seed, uint32_t round, uint32_t thread,
		      uint64_t number)
{
	uint64_t x = seed ^ (uint64_t)round << 56 ^ (uint64_t)thread << 48 ^ number;

	snprintf(e->key, sizeof(e->key), "ack:%04" PRIu32 ":%04" PRIu32 ":%012" PRIu64,
		 round % 10000, thread % 10000, number % 1000000000000);
	e->value_size = 64 + (uint32_t)event_below(&x, CRASH_VALUE_MAX - 64);
	for (uint32_t i = 0; i < e->value_size; i += 8) {
		uint64_t word = event_mix(&x);
		uint32_t left = e->value_size - i;

		memcpy(e->value + i, &word, left < 8 ? left : 8);
	}
}

void crash_options(shale_options *o)
{
	o->durability = SHALE_DURABLE;
	/* Small, so that flushes and compactions are among what is interrupted. */
	o->memtable_bytes = 256 * 1024;
	o->memory_budget = 64 << 20;
}

static void *child_thread(void *arg)
{
	struct child_thread *t = arg;
	struct crash_ack ack = { .thread = t->thread };
	struct crash_entry e;

	for (;; ack.number++) {
		shale_status status;

		crash_entry_make(&e, t->child->seed, (uint32_t)t->child->round, t->thread,
				 ack.number);
		status = shale_put(t->child->db, NULL, shale_bytes(e.key, CRASH_KEY_SIZE),
				   shale_bytes(e.value, e.value_size));
		if (status) {
			tool_fail_status(status, "the process to be killed: put");
			_exit(TOOL_FAILED);
		}
		if (write((int)t->child->pipe, &ack, sizeof(ack)) != sizeof(ack))
			_exit(TOOL_FAILED);
	}
	return NULL;
}

int cmd_job_child(int argc, char **argv)
{
	struct child c = { 0 };
	const char *dir = NULL;
	const struct args_option options[] = {
		{ "dir", 'd', ARGS_TEXT, &dir, "DIR", "the store", NULL },
		{ "seed", 0, ARGS_COUNT, &c.seed, "N", "of the entries", NULL },
		{ "round", 0, ARGS_COUNT, &c.round, "N", "part of the keys", NULL },
		{ "pipe", 0, ARGS_COUNT, &c.pipe, "FD", "takes the acknowledgements", NULL },
		{ NULL, 0, ARGS_FLAG, NULL, NULL, NULL, NULL },
	};
	const struct args_command command = {
		"job-child", "", "Started by `shale job`, to be killed by it.", 0, 0, options, NULL,
	};
	struct child_thread threads[CRASH_THREADS];
	shale_options o = SHALE_OPTIONS_INIT;
	shale_status status;

	args_parse(&command, argc, argv);
	if (!dir)
		args_usage(&command, "which store?");
	/* Not to outlive the job. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	crash_options(&o);
	status = shale_open(dir, &o, &c.db);
	if (status)
		return tool_fail_status(status, "the process to be killed: opening %s", dir);
	for (uint32_t i = 0; i < CRASH_THREADS; i++) {
		threads[i] = (struct child_thread){ .child = &c, .thread = i };
		if (pthread_create(&threads[i].id, NULL, child_thread, &threads[i]))
			return tool_fail("no thread can be started");
	}
	for (uint32_t i = 0; i < CRASH_THREADS; i++)
		pthread_join(threads[i].id, NULL);
	return TOOL_FAILED;
}
