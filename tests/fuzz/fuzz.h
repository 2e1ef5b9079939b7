/*
 * What all fuzz targets share. A target is one file that defines `fuzz_target`; it
 * is linked with one of the mains: libfuzzer.c, afl.c, or replay.c, which runs the
 * committed corpus and mutations of it in every build.
 *
 * A target aborts on a wrong answer, a leak, an allocation out of proportion to
 * its input, and a failure that does not say which object it is about. All else
 * (bad memory accesses, hangs) is for the sanitizers and the engine to find.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/rand.h"
#include "base/status.h"
#include "env/names.h"
#include "env/sim.h"
#include "env/store.h"

enum { FUZZ_SIZE_MAX = 1 << 16 };

struct fuzz_target {
	const char *name;
	size_t size_max; /* of an input; at most FUZZ_SIZE_MAX */
	void (*run)(const uint8_t *data, size_t size);
	/* Make checksums right again, and what else would hide a mutation; NULL: there are none. */
	void (*repair)(uint8_t *data, size_t size);
	/* A sound input (of a random shape) into out[size_max]; returns its size. */
	size_t (*make)(struct rand *r, uint8_t *out);
	unsigned cost; /* of a run; one of 10 gets a tenth of the mutants in the test */
};

extern const struct fuzz_target fuzz_target;

#define FUZZ_CHECK(x) ((x) ? (void)0 : fuzz_failed(#x, __FILE__, __LINE__))
_Noreturn void fuzz_failed(const char *what, const char *file, int line);

/* ---- the machine (machine.c) ---- */

/* A simulated disk and a counted heap under this machine's clock and locks. */
struct fuzz_machine {
	shale_env env;
	struct sim_fs *fs;
	struct store *store; /* in "db", empty */
};

/*
 * Counts the heap of `env` from now on. One allocation may take 256 bytes for one
 * of input (32768 if it may hold a zstd frame, which can say so much), and `base`.
 */
void fuzz_heap(shale_env *env, const uint8_t *data, size_t size, size_t base);
/* Everything is given back. */
void fuzz_heap_done(void);

void fuzz_machine_init(struct fuzz_machine *m, const uint8_t *data, size_t size);
void fuzz_machine_fini(struct fuzz_machine *m);
void fuzz_file(struct fuzz_machine *m, enum object_kind kind, uint64_t number, const void *data,
	       size_t size);

/* A failure is of a kind that bytes from disk may cause, and says of which object. */
void fuzz_check_failure(shale_status rc);
/* And that object is this one. */
void fuzz_check_names(shale_status rc, enum object_kind kind, uint64_t number);

/* ---- inputs (input.c) ---- */

/* Change a few bytes of an input of at most `max`; returns the new size. */
size_t fuzz_mutate(struct rand *r, uint8_t *data, size_t size, size_t max);
/* The bytes of leading hex digits into out[FUZZ_SIZE_MAX]; returns how many. */
size_t fuzz_hex(const char *text, uint8_t *out);
/* All inputs of a corpus file: lines of hex digits, "#" begins a comment. Returns their number. */
size_t fuzz_corpus(const char *path, void (*each)(const uint8_t *data, size_t size));

/* ---- repair (repair.c) ---- */

/* Whole files, as docs/format has them. */
void fuzz_repair_root(uint8_t *p, size_t n, uint64_t store_id, uint64_t manifest);
void fuzz_repair_manifest(uint8_t *p, size_t n, uint64_t number, uint64_t store_id);
void fuzz_repair_log(uint8_t *p, size_t n, uint64_t number, uint64_t store_id);
void fuzz_repair_table(uint8_t *p, size_t n, uint64_t number);
/* Just the records of a log segment. */
void fuzz_repair_records(uint8_t *p, size_t n, uint64_t number);

#endif
