/*
 * Crash images: what the parts share.
 *
 *   image_model.c    what the workload did, and which states a disk may hold
 *   image_take.c     images of a moment, each disk once
 *   image_recover.c  opening an image, and all that must be so
 *   image_check.c    files and numbers: what a recovered store may have and may make
 *   image_ops.c      the verbs of workloads, told to the model
 *   image_work.c, image_work2.c, image_policy.c  the workloads
 *   image_run.c      runs, slices of runs, counts
 */
#ifndef CRASH_IMAGE_H
#define CRASH_IMAGE_H

#include "support/test.h"

#include <shale/shale.h>

#include "base/rand.h"
#include "env/sim.h"

enum {
	KEYS = 24,
	INSTANCES = 5, /* of families; 0 is the default one */
	EVENTS_MAX = 2 * INSTANCES,
	COMMITS_MAX = 400,
	OPS_MAX = 4000,
	UNSURE_MAX = 2, /* commits that failed and may be there or not */
	DEPTHS = 3,     /* an image, of its recovery, of the recovery of that */
	POLICIES_MAX = 16,
	VALUE_ROOM = 2048,
	STEPS_MAX = 20000000,
};

#define DIR "/db"
/* An image is recovered so much later than its workload began. */
#define LATER_NS UINT64_C(3600000000000)

/* ---- the model ---- */

struct op {
	uint8_t instance, key, end; /* [key, end) */
	uint32_t id;                /* 0: deleted */
};

struct commit {
	size_t op, ops;
	uint64_t seq; /* 0: not acknowledged */
	bool unsure;  /* failed: there as a whole or not at all */
};

/* A family made (drop false) or dropped. */
struct event {
	bool drop;
	uint8_t instance;
};

struct content {
	uint32_t id[INSTANCES][KEYS];
};

/* What a disk must hold: after a moment of the workload. */
struct demand {
	uint64_t synced, acked; /* sequences: what survives power, and the process's death */
	size_t begun;           /* commits */
	size_t made, making;    /* events done, begun */
	size_t set, setting;    /* policies that were set, begun to be */
};

/* A state that was found: content and the families that are there. */
struct found {
	uint8_t mask;    /* which unsure commits are in */
	uint16_t commit; /* how many, in order */
	uint16_t event;
	uint8_t markers; /* keys that recoveries wrote, by depth */
	shale_policy policy;
};

struct model {
	struct commit commit[COMMITS_MAX];
	size_t commits;
	struct op op[OPS_MAX];
	size_t ops;
	struct event event[EVENTS_MAX];
	size_t events;
	shale_policy policy[POLICIES_MAX]; /* of the default family; the first is how it is made */
	size_t policies;
	uint8_t instances;
	uint32_t next_id;

	/* Once the run is through: commits in order, contents after each, by mask. */
	uint16_t order[COMMITS_MAX];
	size_t unsure;
	struct content *after; /* [mask][commits + 1] */
};

struct commit *model_begin(struct model *m);
void model_op(struct model *m, uint8_t instance, size_t key, size_t end, uint32_t id);
void model_settle(struct model *m);
void model_fini(struct model *m);
const struct content *model_content(const struct model *m, uint8_t mask, size_t commits);
/* Whether an instance is there after so many events; its name is always the same. */
bool model_has(const struct model *m, size_t events, uint8_t instance);
const char *instance_name(uint8_t instance);
/* The newest state that `d` allows and that is `got`, where `events` are possible. */
bool model_find(const struct model *m, const struct demand *d, bool power, const bool *there,
		const struct content *got, struct found *out);
/* Whether what was found is allowed by `d`. */
bool model_allows(const struct model *m, const struct demand *d, bool power, const struct found *f);
bool model_has_policy(const struct model *m, const struct demand *d, shale_policy policy);

/* ---- images ---- */

struct image {
	uint64_t hash;
	struct sim_fs *fs; /* NULL once recovered */
	struct demand demand;
	/*
	 * Of the moment this very disk is of: another that is equal to read may have
	 * had less that a power cut can still take.
	 */
	struct demand first;
	enum sim_crash mode;
	uint64_t choice, call;
	uint64_t max_number; /* of all objects that were ever made so far */
	bool power;          /* or the death of the process, which loses nothing */
	bool recovered;
	struct found found;
};

/* Hashes of 64 bits, 0 is none. */
struct hash_set {
	uint64_t *slot;
	size_t count, capacity;
};

bool hash_set_add(struct hash_set *s, uint64_t hash); /* false: it was there */
void hash_set_fini(struct hash_set *s);

/* Images of one run, each disk once. */
struct harvest {
	struct image *image;
	size_t count, capacity, fresh;
	uint32_t *slot; /* index + 1, by hash */
	size_t slots;
};

void harvest_init(struct harvest *h);
void harvest_fini(struct harvest *h);

/* Of a program. */
struct totals {
	uint64_t distinct, recoveries, depth[DEPTHS], candidates, calls, runs, repeats;
	uint64_t permille; /* of calls whose images are taken */
	uint64_t compared; /* runs and recoveries done twice, for equal traces */
	struct hash_set seen;
};

struct workload;

struct run {
	const struct workload *work;
	uint64_t seed;
	struct sim *sim;
	shale_options options;
	struct rand rand;   /* of the workload */
	struct rand choice; /* of images */
	struct model model;
	struct demand now;
	shale_db *db;
	shale_cf *cf[INSTANCES];
	bool taking; /* images of the calls from now on */
	uint64_t call, from, to;
	uint64_t last_key; /* of the last moment, to tell one that is the same */
	uint64_t max_number;
	struct harvest harvest;
	struct totals *totals;

	/* Of the recovery under way. */
	const struct image *image;
	struct recovery *recovery;
};

_Noreturn void run_failed(const struct run *r, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#define CHECK(r, cond, ...)                                                                        \
	do {                                                                                       \
		if (!(cond))                                                                       \
			run_failed((r), __FILE__, __LINE__, __VA_ARGS__);                          \
	} while (0)

const char *mode_name(enum sim_crash mode);
/* All images of this moment. */
void take_all(struct run *r, struct sim_fs *fs);
/* Keep the largest object number of a name that is used. */
void note_number(uint64_t *max, const char *name);

/* Recover all that are new, and compare all that were found with what is asked of them. */
void recover_fresh(struct run *r);
int recovery_depth(const struct run *r); /* of the one under way */

/* ---- a recovered store (image_check.c) ---- */

enum { FILES_MAX = 128 };

struct files {
	size_t count;
	uint64_t number[FILES_MAX];
	int kind[FILES_MAX];
	bool root;
};

void files_list(const struct run *r, struct sim_fs *fs, struct files *out);
bool files_has(const struct files *f, const char *name);
/* The closed store's directory holds what its manifest refers to, and that alone. */
void files_check(struct run *r);
/* Same content: the same answers by get, by scans both ways, and the families' names. */
void read_content(struct run *r, struct content *out, bool there[INSTANCES]);

/* ---- workloads ---- */

struct workload {
	const char *name;
	void (*fn)(struct run *r);
	shale_durability durability;
};

shale_slice make_key(char *out, size_t k);
shale_slice make_value(char *out, uint32_t id);

void store_open_new(struct run *r); /* opens, and opens the families that are there */
void store_close_all(struct run *r);
void op_put(struct run *r, uint8_t instance, size_t key, shale_durability durability);
void op_delete(struct run *r, size_t key);
void op_delete_range(struct run *r, size_t lo, size_t hi);
void op_batch(struct run *r, struct rand *rand, size_t most, bool wide);
void op_bulk(struct run *r, size_t puts);
/* A put that must fail; `refused`: because writes have stopped, so it is certainly not there. */
void op_put_fails(struct run *r, size_t key, bool refused);
uint8_t op_create(struct run *r);
void op_drop(struct run *r, uint8_t instance);
void op_flush(struct run *r);
void op_compact(struct run *r);
void op_wait_durable(struct run *r);
/* Of many bytes, so that few keys make several tables. */
void op_put_large(struct run *r, size_t key);
/* It has expired before anybody looks: see LATER_NS. */
void op_put_expiring(struct run *r, size_t key, uint64_t ttl_ms);
void op_compact_range(struct run *r, size_t lo, size_t hi);
/* Another policy for the default family, and tables without compression. */
void op_set_policy(struct run *r, const shale_compaction *c);
void op_wait_idle(struct run *r);
void op_resume(struct run *r);
void fill(struct run *r, size_t puts);

/* Rounds over the workloads until there are `images` distinct ones. */
int image_main(const struct workload *work, size_t n, uint64_t images);

/* The share of a CI run: what is optimised and free of sanitizers does most. */
uint64_t image_share(uint64_t images);

#define WORKLOADS(w) (w), sizeof(w) / sizeof((w)[0])

void work_open(struct run *r);
void work_puts(struct run *r);
void work_raised(struct run *r);
void work_batches(struct run *r);
void work_writers(struct run *r);
void work_flush(struct run *r);
void work_merge(struct run *r);
void work_ranges(struct run *r);
void work_rotate(struct run *r);
void work_manifest(struct run *r);
void work_families(struct run *r);
void work_resume(struct run *r);
void work_full(struct run *r);
void work_reopen(struct run *r);
void work_large(struct run *r);
void work_replay(struct run *r);
void work_close(struct run *r);
void work_snapshots(struct run *r);
void work_mixed(struct run *r);
void work_switch(struct run *r);
void work_window(struct run *r);
void work_fifo(struct run *r);
void work_stretch(struct run *r);
void work_share(struct run *r);

#endif
