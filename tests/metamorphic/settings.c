/*
 * Settings: a table of those there are, one of the fixed sets, and random ones.
 *
 * A new option of the store is one line in `settings` and a case in apply(); a new
 * policy or codec one word of its values; a new set one line in settings_sets. What a
 * set does not name is as in `plain`, which is small enough that all machinery works.
 */
#include "metamorphic/settings.h"

enum which {
	MEMTABLE,
	BUDGET,
	LOG,
	DURABILITY,
	INTERVAL,
	THREADS,
	RATE_BYTES,
	RATE_OPS,
	CODEC,
	DEEP_CODEC,
	BLOCK,
	FILTER,
	NO_FILTER,
	POLICY,
	RATIO,
	TOP,
	RUNS,
	SPACE,
	WINDOW,
	DELETE_WITHIN,
	BASE,
	TABLE,
	SWITCH,
	SPURIOUS,
	DEPTH,
	CPUS,
	HOP,
	MEDDLE,
	SETTINGS,
};

struct word {
	const char *text;
	uint32_t value;
};

static const struct word codecs[] = { { "default", 0 },           { "none", SHALE_NO_COMPRESSION },
				      { "lz4", SHALE_LZ4 },       { "zstd", SHALE_ZSTD },
				      { "snappy", SHALE_SNAPPY }, { NULL, 0 } };
static const struct word policies[] = {
	{ "default", SHALE_DEFAULT_POLICY },  { "leveled", SHALE_LEVELED },
	{ "tiered", SHALE_TIERED },           { "hybrid", SHALE_HYBRID },
	{ "time_window", SHALE_TIME_WINDOW }, { "fifo", SHALE_FIFO },
	{ "adaptive", SHALE_ADAPTIVE },       { NULL, 0 }
};
static const struct word durabilities[] = { { "ephemeral", SHALE_EPHEMERAL },
					    { "process", SHALE_PROCESS },
					    { "interval", SHALE_INTERVAL },
					    { "durable", SHALE_DURABLE },
					    { NULL, 0 } };

/* Random sets take a word, or 2^k times `least` up to `most`. */
static const struct {
	const char *name;
	const struct word *words;
	uint64_t plain, least, most;
} settings[SETTINGS] = {
	[MEMTABLE] = { "memtable", NULL, 32768, 16384, 262144 },
	[BUDGET] = { "budget", NULL, 1 << 20, 1 << 20, 1 << 24 },
	[LOG] = { "log", NULL, 131072, 65536, 1 << 20 },
	[DURABILITY] = { "durability", durabilities, SHALE_PROCESS, 0, 0 },
	[INTERVAL] = { "interval", NULL, 10, 1, 1000 },
	[THREADS] = { "threads", NULL, 2, 1, 8 },
	[RATE_BYTES] = { "rate_bytes", NULL, 0, 1 << 22, 1 << 24 },
	[RATE_OPS] = { "rate_ops", NULL, 0, 10000, 100000 },
	[CODEC] = { "codec", codecs, SHALE_NO_COMPRESSION, 0, 0 },
	[DEEP_CODEC] = { "deep_codec", codecs, SHALE_DEFAULT_COMPRESSION, 0, 0 },
	[BLOCK] = { "block", NULL, 1024, 256, 16384 },
	[FILTER] = { "filter", NULL, 10, 1, 32 },
	[NO_FILTER] = { "no_filter", NULL, 0, 1, 1 },
	[POLICY] = { "policy", policies, SHALE_DEFAULT_POLICY, 0, 0 },
	[RATIO] = { "ratio", NULL, 4, 2, 64 },
	[TOP] = { "top", NULL, 2, 1, 32 },
	[RUNS] = { "runs", NULL, 0, 2, 16 },
	[SPACE] = { "space", NULL, 0, 110, 440 },
	[WINDOW] = { "window", NULL, 0, 1000, 100000000 },
	[DELETE_WITHIN] = { "delete_within", NULL, 0, 1000, 100000000 },
	[BASE] = { "base", NULL, 65536, 8192, 1 << 20 },
	[TABLE] = { "table", NULL, 16384, 4096, 1 << 20 },
	[SWITCH] = { "switch", NULL, 250, 1, 1000 },
	[SPURIOUS] = { "spurious", NULL, 10, 1, 100 },
	[DEPTH] = { "depth", NULL, 0, 1, 16 },
	[CPUS] = { "cpus", NULL, 2, 1, 16 },
	[HOP] = { "hop", NULL, 0, 1, 1 },
	[MEDDLE] = { "meddle", NULL, 0, 4, 64 },
};

const struct settings_set settings_sets[] = {
	{ "plain", "" },
	{ "durable", "durability=durable" },
	{ "interval", "durability=interval" },
	{ "ephemeral", "durability=ephemeral" },
	{ "tiny memtables", "memtable=16384 log=16384" },
	{ "large memtables", "memtable=4194304 log=33554432 budget=67108864" },
	{ "short log", "memtable=65536 log=65536 durability=durable" },
	{ "no room for a cache", "memtable=131072 block=16384 table=1048576" },
	{ "large budget", "budget=268435456" },
	{ "tiny blocks", "block=256 table=8192" },
	{ "large blocks", "block=65536" },
	{ "an entry a table", "table=4096 block=256 top=1" },
	{ "large tables", "table=33554432" },
	{ "lz4", "codec=lz4" },
	{ "zstd", "codec=zstd block=4096" },
	{ "snappy", "codec=snappy durability=durable" },
	{ "codecs by level", "codec=lz4 deep_codec=zstd top=1 ratio=2 base=8192" },
	{ "no filters", "no_filter=1" },
	{ "one bit a key", "filter=1" },
	{ "many bits a key", "filter=32" },
	{ "deep", "ratio=2 top=1 base=8192 memtable=16384 table=4096" },
	{ "shallow", "ratio=64 top=8" },
	{ "many runs", "top=32 memtable=16384" },
	{ "leveled", "policy=leveled ratio=3 top=1" },
	{ "tiered", "policy=tiered memtable=16384 table=4096" },
	{ "hybrid", "policy=hybrid ratio=2 memtable=16384 table=4096 base=8192" },
	{ "time windows", "policy=time_window memtable=16384 table=4096" },
	{ "fifo", "policy=fifo memtable=65536" },
	{ "adaptive", "policy=adaptive memtable=16384 table=4096" },
	{ "hybrid, two runs", "policy=hybrid runs=2 space=110 memtable=16384 table=4096" },
	{ "narrow windows", "policy=time_window window=1000 runs=2 memtable=16384 table=4096" },
	{ "deleted in a second", "delete_within=1000 memtable=16384 table=4096" },
	{ "one thread", "threads=1" },
	{ "many threads", "threads=8 cpus=8 top=1 memtable=16384 table=4096" },
	{ "slow background", "rate_bytes=4194304 rate_ops=10000" },
	{ "few switches", "switch=10 spurious=0" },
	{ "restless", "switch=900 spurious=100 threads=4" },
	{ "priorities", "depth=5 threads=4" },
	{ "durable priorities", "depth=3 threads=2 durability=durable memtable=16384" },
	{ "another set each open", "hop=1" },
	{ "paused and limited", "meddle=8 top=1 memtable=16384 table=4096" },
	{ "one thread, paused", "meddle=16 threads=1 memtable=16384 table=4096" },
};
const size_t settings_set_count = sizeof(settings_sets) / sizeof(settings_sets[0]);

static bool value_parse(size_t which, const char *text, uint64_t *out)
{
	char *end;

	for (const struct word *w = settings[which].words; w != NULL && w->text != NULL; w++) {
		if (strcmp(w->text, text) == 0) {
			*out = w->value;
			return true;
		}
	}
	*out = strtoull(text, &end, 0);
	return settings[which].words == NULL && *text != 0 && *end == 0;
}

static bool values_parse(const char *text, uint64_t v[SETTINGS])
{
	char copy[512], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((word = strsep(&rest, " ")) != NULL) {
		char *value = strchr(word, '=');
		size_t i = 0;

		if (*word == 0)
			continue;
		if (value != NULL)
			*value++ = 0;
		while (i < SETTINGS && strcmp(settings[i].name, word) != 0)
			i++;
		if (i == SETTINGS || value == NULL || !value_parse(i, value, &v[i])) {
			fprintf(stderr, "setting '%s' is not understood\n", word);
			return false;
		}
	}
	return true;
}

static void apply(const uint64_t v[SETTINGS], struct settings *out)
{
	shale_options o = SHALE_OPTIONS_INIT;
	shale_cf_options *cf = &o.default_cf;

	o.memtable_bytes = v[MEMTABLE];
	o.memory_budget = v[BUDGET];
	o.log_bytes_max = v[LOG] > v[MEMTABLE] ? v[LOG] : v[MEMTABLE];
	o.durability = (shale_durability)v[DURABILITY];
	o.sync_interval_ms = (uint32_t)v[INTERVAL];
	o.background_threads = (uint32_t)v[THREADS];
	o.rate_bytes_per_s = v[RATE_BYTES];
	o.rate_ops_per_s = v[RATE_OPS];
	cf->compression = (shale_compression)v[CODEC];
	for (size_t i = 2; i < SHALE_LEVELS_MAX; i++)
		cf->level_compression[i] = (shale_compression)v[DEEP_CODEC];
	cf->block_bytes = (uint32_t)v[BLOCK];
	cf->filter_bits = (uint32_t)v[FILTER];
	cf->no_filter = v[NO_FILTER] != 0;
	cf->compaction.policy = (shale_policy)v[POLICY];
	cf->compaction.size_ratio = (uint32_t)v[RATIO];
	cf->compaction.top_runs = (uint32_t)v[TOP];
	cf->compaction.max_runs = (uint32_t)v[RUNS];
	cf->compaction.space_amp_max = (uint32_t)v[SPACE];
	cf->compaction.window_ms = v[WINDOW];
	cf->compaction.delete_within_ms = v[DELETE_WITHIN];
	cf->compaction.base_bytes = v[BASE];
	cf->compaction.table_bytes = v[TABLE];
	*out = (struct settings){
		.options = o,
		.schedule = { .policy = v[DEPTH] != 0 ? SIM_PRIORITY : SIM_RANDOM,
			      .switch_permille = (unsigned)v[SWITCH],
			      .spurious_permille = (unsigned)v[SPURIOUS],
			      .depth = (unsigned)v[DEPTH],
			      .steps = 100000,
			      .steps_max = 200000000 },
		.cpus = (unsigned)v[CPUS],
		.hop = v[HOP] != 0,
		.meddle = (unsigned)v[MEDDLE],
	};
}

bool settings_parse(const char *text, struct settings *out)
{
	uint64_t v[SETTINGS];

	for (size_t i = 0; i < SETTINGS; i++)
		v[i] = settings[i].plain;
	if (!values_parse(text, v))
		return false;
	apply(v, out);
	return true;
}

void settings_random(struct rand *r, char *text, size_t n)
{
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct word *w = settings[i].words;
		uint64_t value = settings[i].least, words = 0;

		if (rand_below(r, 3) != 0)
			continue;
		while (w != NULL && w[words].text != NULL)
			words++;
		while (words == 0 && value < settings[i].most && rand_below(r, 3) != 0)
			value *= 2;
		if (value > settings[i].most)
			value = settings[i].most;
		if (words != 0)
			used += (size_t)snprintf(text + used, n - used, "%s%s=%s", used ? " " : "",
						 settings[i].name, w[rand_below(r, words)].text);
		else
			used += (size_t)snprintf(text + used, n - used, "%s%s=%" PRIu64,
						 used ? " " : "", settings[i].name, value);
	}
}
