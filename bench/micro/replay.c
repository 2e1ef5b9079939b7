/*
 * Recovery alone: a store is written by a process that dies, all of it in the log, and
 * opened again. First read-only, some times: the log is read into memtables. Then to be
 * written to: what is read goes into tables, too. In records and megabytes of log a
 * second, and in processor time a record, which another load does not spoil.
 *
 *   replay [records [directory [batch]]]
 */
#include <shale/shale.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEY = 16, VALUE = 100, ROUNDS = 3 };

static char dir[512], store[520];
static pid_t owner; /* of both */

static void check(shale_status rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", what, shale_last_error()->text);
		exit(1);
	}
}

static double wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* Any order of keys that is not theirs. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * UINT64_C(0x7fb5d329728ea185);
	x = (x ^ x >> 27) * UINT64_C(0x81dadef4bc2dd44d);
	return x ^ x >> 33;
}

/* In a process of its own, which ends without a word. */
static void write_and_die(uint64_t records, uint64_t group)
{
	shale_options o = SHALE_OPTIONS_INIT;
	char key[KEY + 1], value[VALUE];
	shale_batch *b;
	shale_db *db;

	o.memory_budget = UINT64_C(8) << 30;
	o.memtable_bytes = UINT64_C(2) << 30;
	o.durability = SHALE_PROCESS;
	o.error_if_exists = true;
	check(shale_open(store, &o, &db), "open to write");
	check(shale_batch_new(&b), "batch");
	memset(value, 'v', sizeof(value));
	for (uint64_t i = 0; i < records; i++) {
		snprintf(key, sizeof(key), "%016" PRIx64, mix(i + 1));
		memcpy(value, key, KEY);
		check(shale_batch_put(b, NULL, shale_bytes(key, KEY), shale_bytes(value, VALUE)),
		      "put");
		if ((i + 1) % group == 0 || i + 1 == records) {
			check(shale_write(db, NULL, b), "write");
			shale_batch_clear(b);
		}
	}
	_exit(0);
}

static void reopen(bool read_only, uint64_t records)
{
	shale_options o = SHALE_OPTIONS_INIT;
	shale_stats s = SHALE_STATS_INIT;
	double wall, cpu;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.default_cf.compression = SHALE_NO_COMPRESSION;
	o.read_only = read_only;
	wall = wall_s();
	cpu = cpu_s();
	check(shale_open(store, &o, &db), "open");
	wall = wall_s() - wall;
	cpu = cpu_s() - cpu;
	check(shale_stats_get(db, &s), "stats");
	printf("%-9s %5.2f s, %6.0f MB/s, %5.2f M records/s; processor %4.0f ns a record\n",
	       read_only ? "read-only" : "writable", wall, (double)s.recovered_bytes * 1e-6 / wall,
	       (double)records * 1e-6 / wall, cpu * 1e9 / (double)records);
	fflush(stdout);
	check(shale_close(db), "close");
}

/* However the program ends; a child leaves it to its parent. */
static void remove_store(void)
{
	if (getpid() != owner)
		return;
	(void)shale_destroy(store, NULL);
	if (rmdir(dir) != 0)
		perror(dir);
}

int main(int argc, char **argv)
{
	uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
	const char *base = argc > 2 ? argv[2] : "/tmp";
	uint64_t group = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	int status = 1;
	pid_t child;

	if (records == 0 || group == 0) {
		fprintf(stderr, "usage: replay [records [directory [batch]]]\n");
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s/replay.XXXXXX", base);
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return 1;
	}
	snprintf(store, sizeof(store), "%s/store", dir);
	owner = getpid();
	atexit(remove_store);
	child = fork();
	if (child == 0)
		write_and_die(records, group);
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		return 1;
	for (int i = 0; i < ROUNDS; i++)
		reopen(true, records);
	reopen(false, records);
	return 0;
}
