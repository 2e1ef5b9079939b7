/*
 * The target of whole directories, in three files: directory_base.c makes stores
 * whose contents are known, directory_edit.c damages a copy of one, directory.c
 * opens that and plays a script of calls on it.
 */
#ifndef TESTS_FUZZ_DIRECTORY_H
#define TESTS_FUZZ_DIRECTORY_H

#include "fuzz/fuzz.h"

#define DIRECTORY "/db"

enum { BASES = 4, KEYS = 48, VERSIONS = 200, FILES = 24, VALUE_ROOM = 160 };
enum { ABSENT = -1, UNKNOWN = -2 }; /* beside versions, in a model */

struct base {
	struct sim_fs *fs;
	bool clean; /* closed; else as a killed process left it */
	size_t count;
	struct {
		char path[48];
		const char *name;      /* in path */
		uint64_t size, used;   /* used: without the zeros at the end */
		enum object_kind kind; /* 0: the root */
		uint64_t number;
	} file[FILES];
	uint64_t store_id, manifest;
	int16_t model[KEYS]; /* version of each key, or ABSENT */
	bool other;          /* has a family "other" */
};

/* The i-th, made at its first use. */
const struct base *base_get(size_t i);
shale_options base_options(const shale_env *env, size_t i);

/* A value tells of its key and version, and is as long as these say. */
size_t value_make(char out[VALUE_ROOM], int key, int version);
/* The version that a value of `key` says it is; -1 if it is none of ours. */
int value_version(int key, const void *data, size_t size);
void key_make(char out[16], int key);

/* One change to the files, of 8 bytes. */
enum { EDIT_SIZE = 8, EDITS_MAX = 8 };

/*
 * Change files of a copy of the base. Returns a set of those (by index) that are
 * not as they were. With `repair` all checksums are right afterwards.
 */
uint32_t edits_apply(struct sim_fs *fs, const struct base *b, const uint8_t *edits, size_t n,
		     bool repair);

#endif
