/* Version, limits, status codes, and the types that all the rest is said in. */
#ifndef SHALE_TYPES_H
#define SHALE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHALE_VERSION_MAJOR 0
#define SHALE_VERSION_MINOR 1
#define SHALE_VERSION_PATCH 0
#define SHALE_VERSION "0.1.0"

#if defined(_WIN32)
#define SHALE_API
#else
#define SHALE_API __attribute__((visibility("default")))
#endif

/* ---- limits ------------------------------------------------------------- */

#define SHALE_KEY_MAX 65536u                    /* bytes, 64 KiB */
#define SHALE_VALUE_MAX (1024ull * 1024 * 1024) /* bytes, 1 GiB */
#define SHALE_CF_NAME_MAX 255u                  /* bytes of a column family's name */
#define SHALE_OWNER_MAX 47u                     /* bytes of an owner's name that are kept */
#define SHALE_LEVELS_MAX 8u                     /* levels of a column family */

/* ---- status ------------------------------------------------------------- */

typedef int shale_status;

enum {
	SHALE_OK = 0,

	/* Expected outcomes. */
	SHALE_NOT_FOUND = 1, /* no such key, or no such column family */
	SHALE_END = 2,       /* an iterator ran past its last entry */
	SHALE_CONFLICT = 3,  /* another transaction won (reserved) */
	SHALE_BUSY = 4,      /* the store is locked by another owner */
	SHALE_MORE = 5,      /* the work budget is used up; call again to go on */

	/* Failures. */
	SHALE_INVALID = -1,     /* an argument or option is out of its range */
	SHALE_CORRUPT = -2,     /* stored bytes are damaged */
	SHALE_IO = -3,          /* a system call failed */
	SHALE_NO_SPACE = -4,    /* the disk or its quota is full */
	SHALE_NO_MEMORY = -5,   /* an allocation failed */
	SHALE_TOO_LARGE = -6,   /* key, value or batch over its limit */
	SHALE_NOT_A_STORE = -7, /* the directory holds no Shale store */
	SHALE_UNSUPPORTED = -8, /* the store needs a newer program */
	SHALE_MISSING = -9,     /* a file that the store refers to is not there */
	SHALE_READ_ONLY = -10,  /* opened read-only, or writes stopped after a failure */
	SHALE_EXISTS = -11,     /* what was to be created is there already */
	SHALE_FORKED = -12,     /* the handle was inherited over fork() */
	SHALE_NO_FILES = -13,   /* too many open files: one for each table in use, and some */
	SHALE_BUG = -14,        /* an invariant of the library itself is broken */
	SHALE_STALLED = -15,    /* a write was held back for longer than its caller allows */
};

/* The symbolic name of a status, such as "SHALE_CORRUPT"; never NULL. */
SHALE_API const char *shale_status_name(shale_status status);

typedef struct shale_error {
	shale_status status;
	int sys_errno;    /* errno of the system call that failed, or 0 */
	uint64_t offset;  /* byte offset in the object, or UINT64_MAX */
	char object[128]; /* file the error is about, or "" */
	char text[384];   /* one sentence for a person */
} shale_error;

/* The calling thread's last failure; valid until its next call. Never NULL. */
SHALE_API const shale_error *shale_last_error(void);

/* ---- basic types -------------------------------------------------------- */

typedef struct shale_db shale_db;
typedef struct shale_cf shale_cf;
typedef struct shale_batch shale_batch;
typedef struct shale_iter shale_iter;
typedef struct shale_snapshot shale_snapshot;
typedef struct shale_env shale_env;
typedef uint64_t shale_seq;

/* Borrowed bytes. */
typedef struct shale_slice {
	const void *data;
	size_t size;
} shale_slice;

/* Bytes pinned where the engine keeps them; give back with shale_value_release(). */
typedef struct shale_value {
	const void *data;
	size_t size;
	uintptr_t pin[4];
} shale_value;

static inline shale_slice shale_bytes(const void *data, size_t size)
{
	shale_slice s;
	s.data = data;
	s.size = size;
	return s;
}

static inline shale_slice shale_str(const char *text)
{
	return shale_bytes(text, strlen(text));
}

#ifdef __cplusplus
}
#endif
#endif
