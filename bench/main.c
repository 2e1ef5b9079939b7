/*
 * shale_bench: the same work for several engines, in rounds.
 *
 * In each round every engine has its turn, and the next round begins with the
 * next engine, so that a slow minute of the machine does not hit the same one
 * each time. The figures are medians over the rounds.
 */
#include "report.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct engine *const all_engines[] = { &engine_shale, &engine_rocksdb,
						    &engine_leveldb };

static const char usage[] =
	"usage: shale_bench [OPTION]...\n"
	"  --engines LIST     of shale, rocksdb, leveldb (default: all)\n"
	"  --workloads LIST   of fillseq, fillrandom, readrandom, readmissing, seekrandom, scan,\n"
	"                     overwrite (default: all; all but fillseq begin with fillrandom)\n"
	"  --num N            keys of the store (default 5000000)\n"
	"  --reads N          gets, after half as many to warm up (default: 1000000, or N keys)\n"
	"  --seeks N          seeks with 50 nexts each (default: 100000, or N keys)\n"
	"  --key KIND         random (default), or decimal: user000000000042\n"
	"  --value-size N     bytes (default 100), half of them compressible\n"
	"  --threads N        of the client (default 1)\n"
	"  --rounds N         figures are medians over them (default 3)\n"
	"  --durability KIND  process (default): a write survives kill -9; durable: power loss\n"
	"  --cache-mb N       block cache (default 512; Shale's budget for all is 256 more)\n"
	"  --memtable-mb N    write buffer (default 128)\n"
	"  --dir DIR          where the stores are made (default bench-data)\n"
	"  --json FILE        write all figures there\n"
	"  --describe         print the engines' own figures as well\n";

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("shale_bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void directory_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- options ---- */

struct arguments {
	struct plan plan;
	const char *dir, *json;
	unsigned rounds;
	const struct engine *engine[ENGINES_MAX];
	unsigned engines;
};

static uint64_t number(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || v < least || v > most)
		die("--%s %s: a number from %llu to %llu", option, text, (unsigned long long)least,
		    (unsigned long long)most);
	return v;
}

static void add_engine(struct arguments *a, const char *name)
{
	for (size_t i = 0; i < sizeof(all_engines) / sizeof(all_engines[0]); i++) {
		if (strcmp(all_engines[i]->name, name) != 0)
			continue;
		if (a->engines == ENGINES_MAX)
			die("too many engines");
		a->engine[a->engines++] = all_engines[i];
		return;
	}
	die("no engine '%s'", name);
}

static void add_workload(struct arguments *a, const char *name)
{
	for (int i = 0; i < WORKLOADS; i++) {
		if (i != SETTLE && i != SETTLE_AGAIN && strcmp(workload_name[i], name) == 0) {
			a->plan.wanted[i] = true;
			return;
		}
	}
	die("no workload '%s'", name);
}

static void each_word(struct arguments *a, char *list,
		      void (*add)(struct arguments *a, const char *name))
{
	char *save, *word;

	for (word = strtok_r(list, ", ", &save); word != NULL; word = strtok_r(NULL, ", ", &save))
		add(a, word);
}

static bool one_of(const char *option, const char *text, const char *no, const char *yes)
{
	if (strcmp(text, no) != 0 && strcmp(text, yes) != 0)
		die("--%s %s: %s or %s", option, text, no, yes);
	return strcmp(text, yes) == 0;
}

static void parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "engines", 1, NULL, 'e' },    { "workloads", 1, NULL, 'w' },
		{ "num", 1, NULL, 'n' },        { "reads", 1, NULL, 'r' },
		{ "seeks", 1, NULL, 's' },      { "key", 1, NULL, 'k' },
		{ "value-size", 1, NULL, 'v' }, { "threads", 1, NULL, 't' },
		{ "rounds", 1, NULL, 'R' },     { "durability", 1, NULL, 'd' },
		{ "cache-mb", 1, NULL, 'c' },   { "memtable-mb", 1, NULL, 'm' },
		{ "dir", 1, NULL, 'D' },        { "json", 1, NULL, 'j' },
		{ "describe", 0, NULL, 'x' },   { "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct plan *p = &a->plan;
	int c, index = 0;

	*a = (struct arguments){ .dir = "bench-data", .rounds = 3 };
	p->num = 5000000;
	p->value_size = 100;
	p->threads = 1;
	p->engine.cache_bytes = (size_t)512 << 20;
	p->engine.memtable_bytes = (size_t)128 << 20;
	while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
		const char *name = options[index].name;

		switch (c) {
		case 'e':
			each_word(a, optarg, add_engine);
			break;
		case 'w':
			memset(p->wanted, 0, sizeof(p->wanted));
			each_word(a, optarg, add_workload);
			break;
		case 'n':
			p->num = number(name, optarg, 1000, 1000000000);
			break;
		case 'r':
			p->reads = number(name, optarg, 100, 1000000000);
			break;
		case 's':
			p->seeks = number(name, optarg, 100, 1000000000);
			break;
		case 'k':
			p->keys = one_of(name, optarg, "random", "decimal") ? KEY_DECIMAL
									    : KEY_RANDOM;
			break;
		case 'v':
			p->value_size = number(name, optarg, 0, 1 << 20);
			break;
		case 't':
			p->threads = (unsigned)number(name, optarg, 1, 256);
			break;
		case 'R':
			a->rounds = (unsigned)number(name, optarg, 1, ROUNDS_MAX);
			break;
		case 'd':
			p->engine.durable = one_of(name, optarg, "process", "durable");
			break;
		case 'c':
			p->engine.cache_bytes = number(name, optarg, 1, 1 << 20) << 20;
			break;
		case 'm':
			p->engine.memtable_bytes = number(name, optarg, 1, 4096) << 20;
			break;
		case 'D':
			a->dir = optarg;
			break;
		case 'j':
			a->json = optarg;
			break;
		case 'x':
			p->describe = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind != argc)
		die("what is '%s'? --help lists the options", argv[optind]);
	if (a->engines == 0)
		for (size_t i = 0; i < sizeof(all_engines) / sizeof(all_engines[0]); i++)
			a->engine[a->engines++] = all_engines[i];
	if (memchr(p->wanted, true, sizeof(p->wanted)) == NULL)
		memset(p->wanted, true, sizeof(p->wanted));
	if (p->reads == 0)
		p->reads = p->num < 1000000 ? p->num : 1000000;
	if (p->seeks == 0)
		p->seeks = p->num < 100000 ? p->num : 100000;
}

/* ---- children ---- */

static void read_all(int fd, void *out, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)out + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done != size)
		memset(out, 0, size);
}

/* Runs the plan with one engine in a child, in a fresh directory. */
static void run_child(const struct engine *e, const struct plan *plan, const char *dir,
		      struct figures out[WORKLOADS])
{
	struct plan p = *plan;
	char path[4096];
	int pipes[2], status;
	pid_t child;

	snprintf(path, sizeof(path), "%s/%s", dir, e->name);
	if (mkdir(path, 0777) != 0)
		die("%s: %s", path, strerror(errno));
	p.engine.dir = path;
	sync(); /* what an earlier engine left to be written is not this one's */
	fflush(NULL);
	if (pipe(pipes) != 0 || (child = fork()) < 0)
		die("cannot start a child: %s", strerror(errno));
	if (child == 0) {
		value_pool_init(p.value_size);
		run_engine(e, &p, out);
		if (write(pipes[1], out, sizeof(*out) * WORKLOADS) !=
		    (ssize_t)(sizeof(*out) * WORKLOADS))
			die("cannot report");
		fflush(NULL);
		_exit(0);
	}
	close(pipes[1]);
	read_all(pipes[0], out, sizeof(*out) * WORKLOADS);
	close(pipes[0]);
	if (waitpid(child, &status, 0) != child || status != 0)
		die("%s failed (status %#x); its store is left in %s", e->name, (unsigned)status,
		    path);
	directory_remove(path);
}

static void run_round(const struct arguments *a, unsigned round, const struct engine *e,
		      struct figures out[WORKLOADS])
{
	struct plan p = a->plan;
	uint64_t start = now_ns();

	if (a->plan.wanted[FILLSEQ]) {
		memset(p.wanted, 0, sizeof(p.wanted));
		p.wanted[FILLSEQ] = true;
		run_child(e, &p, a->dir, out);
	}
	p = a->plan;
	p.wanted[FILLSEQ] = false;
	if (memchr(p.wanted, true, sizeof(p.wanted)) != NULL) {
		struct figures rest[WORKLOADS];

		p.wanted[FILLRANDOM] = p.wanted[SETTLE] = true;
		p.wanted[SETTLE_AGAIN] = p.wanted[OVERWRITE];
		memset(rest, 0, sizeof(rest));
		run_child(e, &p, a->dir, rest);
		memcpy(out + FILLRANDOM, rest + FILLRANDOM,
		       sizeof(*out) * (WORKLOADS - FILLRANDOM));
	}
	fprintf(stderr, "round %u/%u %-8s %5.1f s ", round + 1, a->rounds, e->name,
		(double)(now_ns() - start) / 1e9);
	for (int w = 0; w < WORKLOADS; w++)
		if (out[w].ran && w != SETTLE && w != SETTLE_AGAIN)
			fprintf(stderr, " %s %.0fk", workload_name[w],
				(double)out[w].ops / out[w].seconds / 1e3);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	static struct arguments a;
	static struct results r;

	parse(argc, argv, &a);
	r.plan = &a.plan;
	r.engines = a.engines;
	memcpy(r.engine, a.engine, sizeof(r.engine));
	if (mkdir(a.dir, 0777) != 0 && errno != EEXIST)
		die("%s: %s", a.dir, strerror(errno));
	for (unsigned round = 0; round < a.rounds; round++) {
		for (unsigned i = 0; i < a.engines; i++) {
			struct figures f[WORKLOADS] = { 0 };
			unsigned e = (i + round) % a.engines;

			run_round(&a, round, a.engine[e], f);
			for (int w = 0; w < WORKLOADS; w++)
				r.figures[e][w][round] = f[w];
		}
		r.rounds = round + 1;
	}
	rmdir(a.dir);
	report_table(&r, stdout);
	if (a.json != NULL && !report_json(&r, a.json))
		die("%s: %s", a.json, strerror(errno));
	return 0;
}
