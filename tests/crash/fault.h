/*
 * Faults: every allocation and every call of the environment fails in turn, over
 * small workloads, and what must be so then. The method is SQLite's.
 *
 *   fault_model.c   writes that were acknowledged, or failed and may be there
 *   fault_life.c    lives of a store: opened, used, closed; and the last one, without faults
 *   fault_work.c    the workloads
 *   fault_run.c     sites, runs, counts
 */
#ifndef CRASH_FAULT_H
#define CRASH_FAULT_H

#include "support/test.h"

#include <shale/shale.h>

#include "base/rand.h"
#include "env/sim.h"

#include <errno.h>

enum {
	KEYS = 20,
	FAMILIES = 2,
	COMMITS_MAX = 600,
	OPS_MAX = 3000,
	STEPS_MAX = 40000000,
};

#define DIR "/db"

struct op {
	uint8_t family, key;
	uint32_t id; /* 0: deleted */
};

struct commit {
	uint16_t op, ops;
	bool unsure; /* failed: there as a whole or not at all */
};

struct content {
	uint32_t id[FAMILIES][KEYS];
	bool unknown[FAMILIES][KEYS]; /* could not be read */
};

struct run;

struct workload {
	const char *name;
	shale_durability durability;
	void (*before)(struct run *r); /* without faults; may be NULL */
	void (*work)(struct run *r);
};

/* What fails: an allocation (op 0 and err 0), or a call of the environment. */
struct plan {
	const struct workload *work;
	enum sim_op op;
	int err;
	bool sticky, after, clean;
};

struct run {
	const struct plan *plan;
	struct sim *sim;
	uint64_t nth, again; /* the site, and that in the life after */
	uint64_t seed;       /* of the schedule */
	shale_db *db;
	shale_cf *second;
	bool faulty;             /* errors are to be expected, */
	int own;                 /* this errno among them, which the workload asked for */
	uint64_t refused;        /* calls that failed */
	uint64_t memtable_bytes; /* 0: small ones */

	struct commit commit[COMMITS_MAX];
	size_t commits;
	struct op op[OPS_MAX];
	size_t ops;
	uint16_t commit_of[OPS_MAX]; /* by id */
	uint32_t next_id;
};

_Noreturn void fault_failed(const struct run *r, const char *file, int line, const char *format,
			    ...) __attribute__((format(printf, 4, 5)));

#define CHECK(r, cond, ...)                                                                        \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fault_failed((r), __FILE__, __LINE__, __VA_ARGS__);                        \
	} while (0)

/* ---- the model ---- */

void commit_begin(struct run *r);
uint32_t commit_put(struct run *r, int family, size_t key);
void commit_delete(struct run *r, int family, size_t key);
void commit_end(struct run *r, bool ok);
/* Nothing acknowledged is lost, nothing is half there, nothing was never written. */
void content_check(struct run *r, const struct content *got);

/* ---- calls: each may fail where a fault is, and says why ---- */

/* Whether rc is a failure; then it is one that may be now, with its sentence and object. */
bool failed(struct run *r, shale_status rc);
bool open_store(struct run *r);
bool open_read_only(struct run *r);
void close_store(struct run *r);
void die(struct run *r); /* the process ends; nothing of the disk is lost */
void put(struct run *r, int family, size_t key);
void del(struct run *r, size_t key);
void del_range(struct run *r, size_t lo, size_t hi);
void batch(struct run *r, size_t from, size_t n);
void flush(struct run *r);
void compact(struct run *r);
void read_all(struct run *r);
void scan(struct run *r, bool back);
/* The last life: nothing fails, all is there. */
void last_life(void *run);
/* A life in which a second fault may strike. */
void second_life(void *run);

/* ---- runs ---- */

extern const struct workload fault_workloads[];
extern const size_t fault_workload_count;

/* What an errno fits. */
struct fault_row {
	enum sim_op op;
	int err;
};
extern const struct fault_row fault_rows[];
extern const size_t fault_row_count;

struct fault_totals {
	uint64_t sites, runs, pairs;
};

/* All sites of the plan, each alone; `step` > 1: every so many. */
void fault_all_sites(const struct plan *p, uint64_t step, struct fault_totals *t);
/* `n` pairs drawn by chance: a site of the workload, and one of the life after. */
void fault_pairs(const struct plan *p, uint64_t n, struct rand *rand, struct fault_totals *t);
/* 1, or more where code is slow (sanitizers, no optimiser) or the scale is low. */
uint64_t fault_step(uint64_t slow);
/* SHALE_TEST_SITE=..., as a failure prints it: that run alone. */
bool fault_named(void);

#endif
