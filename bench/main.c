/*
 * shale_bench: one engine, one store, one list of steps; a line of JSON for each.
 * bench/suite runs it for all engines, in rounds, and makes tables of the lines.
 *
 * A step is the name of a stream (stream.c, mixes.c) or one of
 *   scan, scanback      all entries in order, or in the reverse order
 *   settle              wait until no work is owed in the background
 *   die                 end at once, as if killed
 *   ack, replay         see kill.c; they need --ack FILE
 * and NAME@70 repeats a stream's step in an open loop, at 70 % of the operations a
 * second that the same step reached in a closed loop before. That closed loop lasts
 * at least as long as the open one: what an engine takes for a moment is not its rate.
 */
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_BYTES_PER_S 10e6 /* of readwhilewriting10: put by the thread beside */

static const struct choice {
	const char *name;
	const struct engine *e;
	enum style style;
} choices[] = {
	{ "shale", &engine_shale, STYLE_USUAL },
	{ "shale-leveled", &engine_shale, STYLE_LEVELED },
	{ "shale-tiered", &engine_shale, STYLE_TIERED },
	{ "rocksdb", &engine_rocksdb, STYLE_USUAL },
	{ "rocksdb-universal", &engine_rocksdb, STYLE_TIERED },
	{ "leveldb", &engine_leveldb, STYLE_USUAL },
	{ "lmdb", &engine_lmdb, STYLE_USUAL },
	{ "wiredtiger", &engine_wiredtiger, STYLE_USUAL },
	{ "sqlite", &engine_sqlite, STYLE_USUAL },
	{ "device", &engine_device, STYLE_USUAL },
};

static const char usage[] =
	"usage: shale_bench --engine NAME --dir DIR [OPTION]... STEP...\n"
	"  --engine NAME        shale, shale-leveled, shale-tiered, rocksdb, rocksdb-universal,\n"
	"                       leveldb, lmdb, wiredtiger, sqlite, or device: a file, for puts "
	"only\n"
	"  --tuned              as tuned for this memory; else as the engine comes\n"
	"  --durability CLASS   nothing, kill (default) or power: what a write survives\n"
	"  --memory-mb N        of a tuned engine (default 768)\n"
	"  --num N              entries of the store (default 1000000)\n"
	"  --reads N            operations of steps that read (default: as --num, at most "
	"1000000)\n"
	"  --writes N           operations of steps that overwrite or delete (default: as --num)\n"
	"  --rate-mb N          a second at most: merges, read and written (Shale), or what\n"
	"                       flushes and merges write (RocksDB)\n"
	"  --nice N             of Shale's background threads, 0 to 19\n"
	"  --direct WHAT        past the page cache: nothing (default), writes, all; Shale's\n"
	"                       and RocksDB's tables\n"
	"  --value-size N       bytes (default 100), half of them compressible\n"
	"  --keys KIND          random (default) or decimal: user000000000042\n"
	"  --group N            keys of a batch or multi_get (default 100; at most 128)\n"
	"  --threads N          (default 1)\n"
	"  --limit S            steps that only read end after S seconds\n"
	"  --open-seconds S     of a step in an open loop, and of its closed one (default 10)\n"
	"  --key-memory-mb N    held from the start for the keys of the steps\n"
	"  --ack FILE           where `ack` counts\n"
	"  --version            print the engine's version\n";

struct plan {
	struct session s;
	struct engine_options o;
	char **steps; /* end with NULL */
	const char *ack;
	uint64_t open_seconds, limit_ns;
	uint64_t rss_before;   /* what the harness holds for itself, */
	uint64_t stream_bytes; /* and for the keys of the step */
	bool version;
	/* Closed loop rates so far. */
	struct rate {
		const char *step;
		double ops_per_s;
	} rates[64];
	unsigned rate_count;
	uint64_t turn;
	uint64_t entries; /* in the store, as far as steps tell */
};

/* ---- options ---- */

static uint64_t number(const char *what, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || v < least || v > most)
		die("%s: not '%s', but a number from %llu to %llu", what, text,
		    (unsigned long long)least, (unsigned long long)most);
	return v;
}

/* Which of `names` it is; they end with NULL. */
static unsigned one_of(const char *option, const char *text, const char *const *names)
{
	for (unsigned i = 0; names[i] != NULL; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	die("--%s %s: no such thing", option, text);
}

static void set_engine(struct plan *p, const char *name)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (strcmp(name, choices[i].name) == 0) {
			p->s.e = choices[i].e;
			p->o.style = choices[i].style;
			return;
		}
	}
	die("--engine %s: no such engine", name);
}

static void set(struct plan *p, int c, const char *name, const char *arg)
{
	static const char *const directs[] = { "nothing", "writes", "all", NULL };
	static const char *const classes[] = { "nothing", "kill", "power", NULL };
	static const char *const kinds[] = { "random", "decimal", NULL };
	struct sizes *z = &p->s.sizes;

	switch (c) {
	case 'e':
		set_engine(p, arg);
		break;
	case 'D':
		p->o.dir = arg;
		break;
	case 'u':
		p->o.tuned = true;
		break;
	case 'd':
		p->o.durability = (enum durability)one_of(name, arg, classes);
		break;
	case 'm':
		p->o.memory_bytes = number(name, arg, 1, 1 << 20) << 20;
		break;
	case 'R':
		p->o.rate_bytes = number(name, arg, 1, 1 << 20) << 20;
		break;
	case 'N':
		p->o.nice = (unsigned)number(name, arg, 0, 19);
		break;
	case 'P':
		p->o.direct = (enum direct)one_of(name, arg, directs);
		break;
	case 'n':
		z->num = number(name, arg, 100, 4000000000);
		break;
	case 'r':
		z->reads = number(name, arg, 10, 4000000000);
		break;
	case 'w':
		z->writes = number(name, arg, 10, 4000000000);
		break;
	case 'v':
		p->s.value_size = number(name, arg, 0, 1 << 20);
		break;
	case 'k':
		z->keys = (enum key_kind)one_of(name, arg, kinds);
		break;
	case 'g':
		z->group = (unsigned)number(name, arg, 1, GROUP_MOST);
		break;
	case 't':
		z->threads = (unsigned)number(name, arg, 1, 200);
		break;
	case 'l':
		p->limit_ns = number(name, arg, 0, 86400) * 1000000000;
		break;
	case 'o':
		p->open_seconds = number(name, arg, 1, SERIES_MAX);
		break;
	case 'K':
		stream_reserve(number(name, arg, 1, 1 << 20) << 20);
		break;
	case 'a':
		p->ack = arg;
		break;
	case 'V':
		p->version = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static void parse(int argc, char **argv, struct plan *p)
{
	static const struct option options[] = {
		{ "engine", 1, NULL, 'e' },       { "dir", 1, NULL, 'D' },
		{ "tuned", 0, NULL, 'u' },        { "durability", 1, NULL, 'd' },
		{ "memory-mb", 1, NULL, 'm' },    { "rate-mb", 1, NULL, 'R' },
		{ "nice", 1, NULL, 'N' },         { "direct", 1, NULL, 'P' },
		{ "num", 1, NULL, 'n' },          { "reads", 1, NULL, 'r' },
		{ "writes", 1, NULL, 'w' },       { "value-size", 1, NULL, 'v' },
		{ "keys", 1, NULL, 'k' },         { "group", 1, NULL, 'g' },
		{ "threads", 1, NULL, 't' },      { "limit", 1, NULL, 'l' },
		{ "open-seconds", 1, NULL, 'o' }, { "key-memory-mb", 1, NULL, 'K' },
		{ "ack", 1, NULL, 'a' },          { "version", 0, NULL, 'V' },
		{ "help", 0, NULL, 'h' },         { NULL, 0, NULL, 0 },
	};
	int c, index = 0;

	p->o = (struct engine_options){ .durability = SURVIVES_KILL, .memory_bytes = 768u << 20 };
	p->s.sizes = (struct sizes){ .num = 1000000, .group = 100, .threads = 1 };
	p->s.value_size = 100;
	p->open_seconds = 10;
	while ((c = getopt_long(argc, argv, "", options, &index)) != -1)
		set(p, c, c == '?' ? "" : options[index].name, optarg);
	if (p->s.e == NULL || (!p->version && (p->o.dir == NULL || optind == argc))) {
		fputs(usage, stderr);
		exit(2);
	}
	if (p->s.sizes.reads == 0)
		p->s.sizes.reads = p->s.sizes.num < 1000000 ? p->s.sizes.num : 1000000;
	if (p->s.sizes.writes == 0)
		p->s.sizes.writes = p->s.sizes.num;
	p->steps = argv + optind;
	p->o.data_bytes = p->s.sizes.num * (KEY_SIZE + p->s.value_size);
	p->o.threads = p->s.sizes.threads;
	for (char **s = p->steps; *s != NULL; s++)
		p->o.ttl_ms = strcmp(*s, "ttlmix") == 0 ? TTL_MS : p->o.ttl_ms;
}

/* ---- steps ---- */

static void print_series(const struct figures *f)
{
	uint64_t seconds = (f->meter.ns + 999999999) / 1000000000;

	printf(", \"series\": [");
	for (uint64_t i = 0; i < seconds && i < SERIES_MAX; i++)
		printf("%s%u", i != 0 ? "," : "", f->series[i]);
	printf("]");
}

static void print_figures(const struct plan *p, const char *step, double rate,
			  const struct figures *f)
{
	static const struct {
		const char *name;
		double q;
	} quantile[] = { { "p50", 0.5 },  { "p75", 0.75 },    { "p90", 0.9 },      { "p95", 0.95 },
			 { "p99", 0.99 }, { "p99.9", 0.999 }, { "p99.99", 0.9999 } };
	const struct meter *m = &f->meter;
	uint64_t ours = p->rss_before + p->stream_bytes;
	uint64_t peak = m->peak > ours ? m->peak - ours : 0;

	printf("{\"step\": \"%s\", \"threads\": %u, \"ops\": %llu, \"entries\": %llu, "
	       "\"seconds\": %.6f, \"cpu_s\": %.6f, \"device_read\": %llu, "
	       "\"device_reads\": %llu, \"device_written\": %llu, \"user_written\": %llu, "
	       "\"live_bytes\": %llu, "
	       "\"disk_bytes\": %llu, \"peak_bytes\": %llu, \"flushes\": %llu, "
	       "\"switches\": %llu, \"cut\": %s",
	       step, p->s.sizes.threads, (unsigned long long)f->ops, (unsigned long long)f->entries,
	       (double)m->ns / 1e9, m->cpu_seconds, (unsigned long long)m->read,
	       (unsigned long long)m->reads, (unsigned long long)m->written,
	       (unsigned long long)f->user_bytes,
	       (unsigned long long)(p->entries * (KEY_SIZE + p->s.value_size)),
	       (unsigned long long)directory_bytes(p->o.dir), (unsigned long long)peak,
	       (unsigned long long)m->flushes, (unsigned long long)m->switches,
	       f->cut ? "true" : "false");
	if (rate > 0)
		printf(", \"rate\": %.1f", rate);
	if (f->side_ops != 0)
		printf(", \"side_ops\": %llu", (unsigned long long)f->side_ops);
	if (f->hist.count != 0) {
		printf(", \"gap_ms\": %.0f, \"latency\": {", (double)f->longest_gap_ns / 1e6);
		for (size_t i = 0; i < sizeof(quantile) / sizeof(quantile[0]); i++)
			printf("\"%s\": %llu, ", quantile[i].name,
			       (unsigned long long)hist_quantile(&f->hist, quantile[i].q));
		printf("\"max\": %llu}", (unsigned long long)f->hist.max);
		print_series(f);
	}
	printf("}\n");
	fflush(stdout);
}

static double rate_of(const struct plan *p, const char *step)
{
	for (unsigned i = p->rate_count; i > 0; i--)
		if (strcmp(p->rates[i - 1].step, step) == 0)
			return p->rates[i - 1].ops_per_s;
	die("%s: a share of what? run it in a closed loop first", step);
}

/* A step that only reads may end early; the content of the store must not vary. */
static bool only_reads(const struct stream *s)
{
	return s->kinds == NULL && (s->kind == OP_GET || s->kind == OP_GET_NONE ||
				    s->kind == OP_SEEK || s->kind == OP_MULTI_GET);
}

static void count_entries(struct plan *p, const char *name, const struct stream *s)
{
	if (strncmp(name, "fill", 4) == 0)
		p->entries = p->s.sizes.num;
	else if (strcmp(name, "deletehalf") == 0)
		p->entries -= p->s.sizes.num / 2;
	else if (strcmp(name, "deletefront") == 0)
		p->entries -= deleted_in_front(&p->s.sizes);
	else if (strcmp(name, "takefront") == 0)
		p->entries -= p->s.sizes.num / TAKEN_PART;
	else
		p->entries += s->inserts;
}

/* Is there an open loop of this step to come? */
static bool sets_a_rate(const struct plan *p, const char *name)
{
	size_t n = strlen(name);

	for (char **s = p->steps; *s != NULL; s++)
		if (strncmp(*s, name, n) == 0 && (*s)[n] == '@')
			return true;
	return false;
}

/* The stream of what one more thread does during a step; false: there is none. */
static bool side_new(struct plan *p, const char *name, struct stream *side)
{
	const char *does = strncmp(name, "readwhilewriting", 16) == 0 ? "overwrite"
			   : strcmp(name, "putwhilemerging") == 0     ? "compact"
								      : NULL;

	*side = (struct stream){ 0 };
	if (does == NULL)
		return false;
	stream_new(does, &p->s.sizes, 0, p->turn++, side);
	return true;
}

static void step_stream(struct plan *p, const char *step, struct figures *f)
{
	char *name = strdup(step), *at = strchr(name, '@');
	struct pace pace = { 0 };
	uint64_t count = 0;
	struct stream s, side;

	if (at != NULL) {
		*at = '\0';
		pace.rate = rate_of(p, name) * (double)number(step, at + 1, 1, 100) / 100;
		count = (uint64_t)ceil(pace.rate * (double)p->open_seconds) + p->s.sizes.threads;
	} else if (sets_a_rate(p, name)) {
		pace.least_ns = p->open_seconds * 1000000000;
	}
	if (!stream_new(name, &p->s.sizes, count, p->turn++, &s))
		die("no step '%s'", step);
	if (side_new(p, name, &side))
		pace.side = &side;
	if (strcmp(name, "readwhilewriting10") == 0)
		pace.side_rate = SIDE_BYTES_PER_S / (double)(KEY_SIZE + p->s.value_size);
	if (p->s.e->compact == NULL && (s.kind == OP_COMPACT || side.kind == OP_COMPACT))
		unsupported("nothing is ever merged");
	if (pace.rate == 0 && only_reads(&s))
		pace.limit_ns = p->limit_ns;
	p->stream_bytes = s.own_bytes + side.own_bytes;
	run_stream(&p->s, &s, &pace, f);
	count_entries(p, name, &s);
	if (strcmp(name, "warm") != 0)
		print_figures(p, step, pace.rate, f);
	if (pace.rate == 0 && p->rate_count < 64)
		p->rates[p->rate_count++] =
			(struct rate){ step, (double)f->ops / ((double)f->meter.ns / 1e9) };
	p->stream_bytes = 0;
	stream_free(&side);
	stream_free(&s);
	free(name);
}

static void step_replay(const struct plan *p)
{
	uint64_t acknowledged, missing = kill_replay(&p->s, p->ack, &acknowledged);

	printf("{\"step\": \"replay\", \"acknowledged\": %llu, \"missing\": %llu}\n",
	       (unsigned long long)acknowledged, (unsigned long long)missing);
}

static void step(struct plan *p, const char *name, struct figures *f)
{
	if ((strcmp(name, "ack") == 0 || strcmp(name, "replay") == 0) && p->ack == NULL)
		die("%s needs --ack FILE", name);
	if (p->s.e->get == NULL && strncmp(name, "fillrandom", 10) != 0 &&
	    strcmp(name, "settle") != 0 && strncmp(name, "overwrite", 9) != 0)
		unsupported("it is no store, puts are all it can do");
	if (strcmp(name, "scan") == 0 || strcmp(name, "scanback") == 0) {
		run_scan(&p->s, strcmp(name, "scanback") == 0, f);
		if (p->entries != 0 && f->ops != p->entries)
			die("%s: %s found %llu entries where %llu are", p->s.e->name, name,
			    (unsigned long long)f->ops, (unsigned long long)p->entries);
		print_figures(p, name, 0, f);
	} else if (strcmp(name, "settle") == 0) {
		run_settle(&p->s, &p->o, f);
		print_figures(p, name, 0, f);
	} else if (strcmp(name, "die") == 0) {
		raise(SIGKILL);
	} else if (strcmp(name, "ack") == 0) {
		kill_writer(&p->s, p->ack);
	} else if (strcmp(name, "replay") == 0) {
		step_replay(p);
	} else {
		step_stream(p, name, f);
	}
}

int main(int argc, char **argv)
{
	static struct plan p;
	static struct figures f;
	struct meter start;

	parse(argc, argv, &p);
	if (p.version) {
		char version[64];

		p.s.e->version(version, sizeof(version));
		printf("%s\n", version);
		return 0;
	}
	value_pool_init(p.s.value_size);
	meter_watch(p.o.dir);
	p.s.ns_per_tick = ticks_calibrate();
	p.rss_before = meter_resident();
	start = meter_start();
	p.s.db = p.s.e->open(&p.o);
	f.meter = meter_stop(&start);
	print_figures(&p, "open", 0, &f);
	for (char **s = p.steps; *s != NULL; s++)
		step(&p, *s, &f);
	start = meter_start();
	p.s.e->close(p.s.db);
	f = (struct figures){ .meter = meter_stop(&start) };
	print_figures(&p, "close", 0, &f);
	return 0;
}
