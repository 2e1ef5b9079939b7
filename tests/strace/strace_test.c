/*
 * The system calls, seen from outside: this program runs itself under strace, without
 * any help of the environment (src/env) that the other tests put in between.
 *
 * First, every call made between opening and closing a store is one that
 * src/env's posix part makes, or that the C library makes for its threads and heap, and
 * every path is inside the store. Then calls of the write path fail, one after another
 * in each thread, by strace's own injection: the program succeeds or fails with an
 * error that says what it is about, and afterwards everything acknowledged is there.
 * At last every other call is interrupted by a signal, which nobody may notice.
 */
#include "support/crew.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCHES = 600, CALLS = 6 };

/* ---- the program that is looked at ---- */

enum { DONE = 0, NAMED = 10, UNNAMED = 11 };

static int finish(shale_status rc, const char *what)
{
	const shale_error *e = shale_last_error();

	if (rc >= 0)
		return DONE;
	fprintf(stderr, "%s: %s: %s\n", what, shale_status_name(rc), e->text);
	/* Memory has no file; all else has, or says it in its sentence. */
	if (e->text[0] != '\0' &&
	    (e->object[0] != '\0' || rc == SHALE_NO_MEMORY || strstr(e->text, "thread") != NULL))
		return NAMED;
	return UNNAMED;
}

static shale_status write_all(struct crew_store *s, shale_batch *b, struct crew_acks *acks)
{
	shale_compact_options co = SHALE_COMPACT_OPTIONS_INIT;
	shale_status rc = SHALE_OK;

	for (uint32_t n = 0; n < BATCHES && rc >= 0; n++) {
		rc = crew_write(s, b, 0, n);
		if (rc >= 0)
			atomic_store(&acks->next[0], n + 1);
		if (rc >= 0 && n % 200 == 199)
			rc = shale_flush(s->db, NULL);
	}
	if (rc >= 0)
		rc = shale_compact(s->db, &co);
	if (rc >= 0)
		rc = shale_check(s->db, NULL, NULL, NULL);
	return rc;
}

/* strace_test work STORE ACKS DURABILITY */
static int work(char **args)
{
	shale_options o = crew_options((shale_durability)atoi(args[2]));
	int fd = open(args[1], O_RDWR | O_CLOEXEC), rc;
	struct crew_acks *acks;
	struct crew_store s;
	shale_batch *b;

	acks = mmap(NULL, sizeof(*acks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || acks == MAP_FAILED || shale_batch_new(&b) < 0)
		return 2;
	atomic_store(&acks->opened, 1);
	prctl(PR_SET_NAME, "shale-begin");
	rc = finish(crew_try_open(args[0], &o, &s), "open");
	if (rc == DONE) {
		shale_status wrote = write_all(&s, b, acks), closed;

		rc = finish(wrote, "write");
		shale_cf_release(s.second);
		closed = shale_close(s.db);
		if (rc == DONE)
			rc = finish(closed, "close");
	}
	prctl(PR_SET_NAME, "shale-end");
	shale_batch_free(b);
	return rc;
}

/* ---- running it ---- */

struct run {
	char *dir;
	char store[600], trace[600], acks_file[600];
	struct crew_acks *acks;
	int status;
};

static void run_prepare(struct run *r)
{
	int fd;

	r->dir = test_dir_new();
	snprintf(r->store, sizeof(r->store), "%s/db", r->dir);
	snprintf(r->trace, sizeof(r->trace), "%s/trace", r->dir);
	snprintf(r->acks_file, sizeof(r->acks_file), "%s/acks", r->dir);
	fd = open(r->acks_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(*r->acks)), 0);
	r->acks = mmap(NULL, sizeof(*r->acks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(r->acks != MAP_FAILED);
	close(fd);
}

static void run_finish(struct run *r)
{
	munmap(r->acks, sizeof(*r->acks));
	test_dir_remove(r->dir);
}

static void run_traced(struct run *r, const char *options, shale_durability durability)
{
	char self[400] = "", command[4000];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;

	assert_true(n > 0);
	snprintf(command, sizeof(command),
		 "exec strace -f -qq -o %s %s %s work %s %s %d 2>%s/errors", r->trace, options,
		 self, r->store, r->acks_file, (int)durability, r->dir);
	fflush(NULL);
	status = system(command);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *unavailable(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return "a sanitizer makes system calls of its own";
#endif
	if (system("command -v strace >/dev/null") != 0)
		return "strace is not installed";
	if (system("strace -f -qq -o /dev/null true 2>/dev/null") != 0)
		return "strace is not permitted here";
	return NULL;
}

static void skip_unless_available(void)
{
	const char *why = unavailable();

	if (why == NULL)
		return;
	print_message("SKIPPED: %s\n", why);
	skip();
}

/* ---- which calls there are ---- */

static const char *const allowed[] = {
	/* posix_fs.c */
	"openat",
	"close",
	"pread64",
	"pwrite64",
	"pwritev2",
	"fdatasync",
	"fsync",
	"sync_file_range",
	"fallocate",
	"ftruncate",
	"fstat",
	"newfstatat",
	"fadvise64",
	"mmap",
	"munmap",
	"madvise",
	"mkdir",
	"rmdir",
	"getdents64",
	"rename",
	"unlink",
	"statfs",
	"fstatfs",
	"ioctl",
	"fcntl",
	"lseek",
	/* posix_clock.c; the clock itself is read without a call as a rule */
	"getrandom",
	"getpid",
	"clock_gettime",
	/* threads.c, and the C library below it */
	"futex",
	"sched_yield",
	"clone",
	"clone3",
	"rt_sigprocmask",
	"rt_sigaction",
	"set_robust_list",
	"rseq",
	"prctl",
	"exit",
	"mprotect",
	"sched_getaffinity",
	/* the heap */
	"brk",
	"mremap",
};

static bool is_allowed(const char *name)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (strcmp(allowed[i], name) == 0)
			return true;
	return false;
}

/* Every path is in the store, or empty, for a descriptor; but the C library counts processors in /sys. */
static void expect_path_inside(const struct run *r, const char *line)
{
	const char *path = strchr(line, '"');

	if (path == NULL || path[1] == '"' || strncmp(path + 1, r->dir, strlen(r->dir)) == 0 ||
	    strncmp(path + 1, "/sys/devices/system/cpu/", 24) == 0 ||
	    strncmp(path + 1, "/proc/", 6) == 0)
		return;
	fail_msg("a path outside of the store: %s", line);
}

static bool takes_path(const char *name)
{
	return strcmp(name, "openat") == 0 || strcmp(name, "unlink") == 0 ||
	       strcmp(name, "rename") == 0 || strcmp(name, "mkdir") == 0 ||
	       strcmp(name, "newfstatat") == 0;
}

static uint64_t look_at_trace(const struct run *r)
{
	FILE *trace = fopen(r->trace, "r");
	bool inside = false;
	uint64_t calls = 0;
	char line[4096];

	assert_non_null(trace);
	while (fgets(line, sizeof(line), trace) != NULL) {
		char name[64];

		if (strstr(line, "\"shale-begin\"") != NULL)
			inside = true;
		if (strstr(line, "\"shale-end\"") != NULL)
			inside = false;
		/* "1234 name(...": other lines tell of signals, ends, and calls resumed. */
		if (!inside || sscanf(line, "%*d %63[a-z0-9_](", name) != 1 ||
		    strstr(line, name)[strlen(name)] != '(')
			continue;
		calls++;
		if (!is_allowed(name))
			fail_msg("a system call that src/env does not make: %s", line);
		if (takes_path(name))
			expect_path_inside(r, line);
	}
	fclose(trace);
	return calls;
}

static void every_call_is_one_of_env(void **state)
{
	static const shale_durability classes[] = { SHALE_PROCESS, SHALE_INTERVAL, SHALE_DURABLE };

	(void)state;
	skip_unless_available();
	for (int i = 0; i < 3; i++) {
		struct run r;
		uint64_t calls;

		run_prepare(&r);
		run_traced(&r, "", classes[i]);
		assert_int_equal(r.status, DONE);
		calls = look_at_trace(&r);
		print_message("%" PRIu64 " system calls\n", calls);
		assert_true(calls > 100);
		run_finish(&r);
	}
}

/* ---- calls that fail ---- */

static bool file_has(const char *path, const char *text)
{
	FILE *f = fopen(path, "r");
	bool found = false;
	char line[4096];

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, text) != NULL;
	if (f != NULL)
		fclose(f);
	return found;
}

static void check_store(const struct run *r, shale_durability durability)
{
	shale_options o = crew_options(durability);
	uint32_t next = atomic_load(&r->acks->next[0]);
	struct crew_store s;

	crew_open(r->store, &o, &s);
	crew_check_logged(&s, 0, &next);
	assert_ok(shale_check(s.db, NULL, NULL, NULL));
	crew_close(&s);
}

/* False: there is no n-th call in any thread. */
static bool fail_nth(const char *call, const char *error, uint64_t n, shale_durability durability)
{
	char options[200];
	bool injected;
	struct run r;

	run_prepare(&r);
	snprintf(options, sizeof(options), "-e trace=%s -e inject=%s:error=%s:when=%" PRIu64, call,
		 call, error, n);
	run_traced(&r, options, durability);
	injected = file_has(r.trace, "(INJECTED)");
	/* Otherwise it hit the loader, before the program began. */
	if (atomic_load(&r.acks->opened) != 0) {
		if (r.status != DONE && r.status != NAMED) {
			char show[700];

			snprintf(show, sizeof(show), "cat %s/errors", r.dir);
			(void)!system(show);
			fail_msg("%s, call %" PRIu64 ", %s: exit status %d", call, n, error,
				 r.status);
		}
		check_store(&r, durability);
	}
	run_finish(&r);
	return injected;
}

/* How many calls of this name the loader makes, before the program begins. */
static uint64_t calls_before(const struct run *r, const char *call)
{
	FILE *trace = fopen(r->trace, "r");
	uint64_t calls = 0;
	char line[4096];

	assert_non_null(trace);
	while (fgets(line, sizeof(line), trace) != NULL &&
	       strstr(line, "\"shale-begin\"") == NULL) {
		char name[64];

		calls += sscanf(line, "%*d %63[a-z0-9_](", name) == 1 && strcmp(name, call) == 0;
	}
	fclose(trace);
	return calls;
}

/* In each thread: one call is interrupted, the next, which is the same again, is not. */
static void interrupt_every_other(const char *call, uint64_t first, shale_durability durability)
{
	char options[200];
	struct run r;

	run_prepare(&r);
	snprintf(options, sizeof(options),
		 "-e trace=%s -e inject=%s:error=EINTR:when=%" PRIu64 "+2", call, call, first);
	run_traced(&r, options, durability);
	if (r.status != DONE)
		fail_msg("%s, interrupted: exit status %d", call, r.status);
	if (!file_has(r.trace, "(INJECTED)"))
		fail_msg("%s was not called", call);
	check_store(&r, durability);
	run_finish(&r);
}

static void what_a_signal_interrupts_is_done_again(void **state)
{
	static const char *const calls[] = {
		"openat",     "pread64",    "pwrite64", "fdatasync", "fsync",
		"fallocate",  "newfstatat", "mkdir",    "rename",    "unlink",
		"getdents64", "ftruncate",  "pwritev2",
	};
	struct run plain;

	(void)state;
	skip_unless_available();
	run_prepare(&plain);
	run_traced(&plain, "", SHALE_DURABLE);
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
		interrupt_every_other(calls[c], calls_before(&plain, calls[c]) + 1, SHALE_DURABLE);
	run_finish(&plain);
}

/* As before Linux 4.7: a durable write is a write and a sync. */
static void without_durable_writes_there_are_writes_and_syncs(void **state)
{
	struct run r;

	(void)state;
	skip_unless_available();
	run_prepare(&r);
	run_traced(&r, "-e trace=pwritev2 -e inject=pwritev2:error=EOPNOTSUPP", SHALE_DURABLE);
	assert_int_equal(r.status, DONE);
	assert_true(file_has(r.trace, "(INJECTED)"));
	check_store(&r, SHALE_DURABLE);
	run_finish(&r);
}

static void a_call_that_fails_is_named_and_loses_nothing(void **state)
{
	static const char *const calls[] = {
		"pwrite64", "fdatasync", "fsync",           "openat", "ftruncate", "fallocate",
		"rename",   "unlink",    "sync_file_range", "mmap",   "pread64",   "pwritev2",
	};
	static const char *const errors[] = { "ENOSPC", "EIO" };
	uint64_t most = test_scale(CALLS), runs = 0;

	(void)state;
	skip_unless_available();
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
		for (uint64_t n = 1; n <= most; n++) {
			shale_durability d = n % 2 != 0 ? SHALE_DURABLE : SHALE_PROCESS;

			runs++;
			if (!fail_nth(calls[c], errors[(n + c) % 2], n, d) && n > 2)
				break;
		}
	print_message("%" PRIu64 " runs\n", runs);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_one_of_env),
		cmocka_unit_test(without_durable_writes_there_are_writes_and_syncs),
		cmocka_unit_test(a_call_that_fails_is_named_and_loses_nothing),
		cmocka_unit_test(what_a_signal_interrupts_is_done_again),
	};

	if (argc == 5 && strcmp(argv[1], "work") == 0)
		return work(argv + 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
