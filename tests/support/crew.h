/*
 * A crew of writers, for tests in which a process or a disk fails on the real
 * machine. Each writer commits batch after batch, numbered from 0, each over two
 * families; what is acknowledged is counted in memory that survives the process.
 * Afterwards the store is held against the counts.
 */
#ifndef TESTS_SUPPORT_CREW_H
#define TESTS_SUPPORT_CREW_H

#include <shale/shale.h>

#include <stdatomic.h>

enum { CREW_WRITERS = 3 };

/* Shared between processes. */
struct crew_acks {
	_Atomic uint32_t opened;             /* the store is open, writing begins */
	_Atomic uint32_t next[CREW_WRITERS]; /* all batches below are acknowledged */
};

struct crew_store {
	shale_db *db;
	shale_cf *second; /* every other entry of a batch is in this family */
};

struct crew_acks *crew_acks_new(void);
void crew_acks_free(struct crew_acks *acks);
void crew_acks_copy(struct crew_acks *acks, uint32_t next[CREW_WRITERS]);

/* Small memtables, tables and segments, so that much happens in little time. */
shale_options crew_options(shale_durability durability);
/* Opens the store in dir, and its second family, which it makes if it must. */
shale_status crew_try_open(const char *dir, const shale_options *o, struct crew_store *s);
void crew_open(const char *dir, const shale_options *o, struct crew_store *s);
void crew_close(struct crew_store *s);

/* One batch; what is under its keys follows from writer and number. */
shale_status crew_write(struct crew_store *s, shale_batch *b, uint32_t writer, uint32_t number);

/*
 * The life of a child: writers from acks->next on, and a tender that flushes, merges
 * and looks, until it is killed. Ends by itself (exit status 3) when a call fails.
 */
_Noreturn void crew_work(const char *dir, shale_durability durability, uint64_t seed,
			 struct crew_acks *acks);

/*
 * Every acknowledged batch of a writer is there, then perhaps some more, all whole and
 * none behind a missing one. *next becomes the number of the first that is missing.
 */
void crew_check_logged(struct crew_store *s, uint32_t writer, uint32_t *next);
/*
 * Without a log: of each family some prefix of what was written from `from` on. *next
 * becomes a number from which on to write, with a gap that shows what follows a loss.
 */
void crew_check_unlogged(struct crew_store *s, uint32_t writer, uint32_t from, uint32_t *next);

#endif
