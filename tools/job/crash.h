/*
 * What the job and the process it kills agree on: the entries, and the
 * acknowledgements on the pipe. A writer thread of a round commits its entries
 * 0, 1, 2... one after the other, each durable before it is acknowledged. So
 * after the kill all acknowledged ones must be there, and of what came after
 * them at most the one that was in flight.
 */
#ifndef TOOLS_JOB_CRASH_H
#define TOOLS_JOB_CRASH_H

#include <shale/shale.h>

enum {
	CRASH_THREADS = 4,
	CRASH_KEY_SIZE = 26, /* ack:0001:0002:000000000003 */
	CRASH_VALUE_MAX = 512,
};

/* Written at once, so whole or not at all (it is shorter than PIPE_BUF). */
struct crash_ack {
	uint64_t thread, number;
};

struct crash_entry {
	char key[CRASH_KEY_SIZE + 1];
	uint32_t value_size;
	char value[CRASH_VALUE_MAX];
};

void crash_entry_make(struct crash_entry *e, uint64_t seed, uint32_t round, uint32_t thread,
		      uint64_t number);
void crash_options(shale_options *o);

#endif
