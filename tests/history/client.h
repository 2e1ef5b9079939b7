/* Clients that do random operations on one store and note what they did and saw. */
#ifndef TESTS_HISTORY_CLIENT_H
#define TESTS_HISTORY_CLIENT_H

#include "history/history.h"

#include <shale/shale.h>

#include "base/rand.h"

#include <stdatomic.h>

struct clients {
	shale_db *db;
	_Atomic uint64_t clock; /* stamps */
	_Atomic uint32_t next_id;
	uint64_t seed; /* printed when something fails */
	const char *what;
	size_t value_max; /* bytes */
	bool syncs;       /* some writes are durable whatever the store is */
};

struct client {
	struct clients *all;
	uint32_t number;
	struct rand rand;
	shale_batch *batch; /* made by the caller: on the machine's heap, which no crash frees */
	struct h_op *op;
	size_t count, max; /* done so far; to do */
};

#define CLIENT_MUST(c, x)                                                                          \
	do {                                                                                       \
		if (!(x))                                                                          \
			clients_fail((c), __FILE__, __LINE__, #x);                                 \
	} while (0)
_Noreturn void clients_fail(const struct clients *c, const char *file, int line, const char *what);

/* A struct client; runs until it has done `max` operations. */
void client_run(void *arg);
/* All keys at once: a read of a snapshot, whose sequence is known. */
void client_read_all(struct clients *c, struct h_op *op);

#endif
