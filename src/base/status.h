/*
 * Failures: every one is born in err_new(), err_sys() or err_at(), which record
 * it in the thread's error scratch and return the code. Callers only pass the
 * code up. Set a breakpoint in err_born() to stand where a failure begins.
 *
 * Thread: any; the scratch is per task (see task.h).
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <shale/shale.h>

#include <inttypes.h>

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* A failure with a sentence for a person. Returns `code`. */
shale_status err_new(shale_status code, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A failure in the object (file) `object` at byte `offset` (UINT64_MAX: no place). */
shale_status err_at(shale_status code, const char *object, uint64_t offset, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/*
 * A failed system call: `errnum` is the positive errno. The code follows from it:
 * ENOSPC, EDQUOT, EFBIG: NO_SPACE; ENOMEM: NO_MEMORY; EMFILE, ENFILE: NO_FILES;
 * ENOENT: MISSING; EEXIST: EXISTS; else IO: a failure in any case. `object` may be "".
 */
shale_status err_sys(int errnum, const char *object, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The code err_sys() gives for an errno. */
shale_status err_code(int errnum);

/* No memory for `what`. */
shale_status err_memory(const char *what);

/* The task's last failure, to be copied or put back; never NULL. */
shale_error *err_last(void);

/* Cheap checks of what this code itself guarantees; they stay in release builds. */
#define ASSERT(x) ((x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__))
#ifdef SHALE_DEBUG
#define DEBUG_ASSERT(x) ASSERT(x)
#else
#define DEBUG_ASSERT(x) ((void)sizeof(x))
#endif
_Noreturn void assert_failed(const char *what, const char *file, int line);

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * A function that does nothing but prefetch. gcc finds that such a one has no effect and
 * drops its calls, unless it was inlined before.
 */
#define PREFETCHER static inline __attribute__((always_inline)) void

#endif
