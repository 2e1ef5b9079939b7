/*
 * The model test: random operations on a store over the simulated machine, each
 * answer compared with a sorted array that does the same. The store lives many
 * lives: a life ends in a clean close, in the death of the process or in a power
 * cut at a random system call, and the next life must begin with a state that the
 * store's durability allows:
 *
 *   process dies  all that was acknowledged (EPHEMERAL: some prefix a family)
 *   power cut     DURABLE: all that was acknowledged; else some prefix of the
 *                 operations that holds at least what was made durable
 *
 * The operation under way at the crash may be there or not, but never in part.
 *
 * SHALE_TEST_SEED repeats a run; a failure prints the seed of its option set.
 */
#include "model/model.h"

enum { LIVES = 12 };

static void the_store_answers_as_a_sorted_array_does(void **state)
{
	static const struct {
		const char *name;
		shale_compression codec;
		uint32_t block, top, ratio, threads, filter;
		uint64_t memtable, table;
		shale_durability durability;
		shale_policy policy;
	} sets[] = {
		{ "plain", SHALE_NO_COMPRESSION, 4096, 4, 10, 2, 10, 65536, 65536, SHALE_DURABLE,
		  0 },
		{ "tiny blocks", SHALE_NO_COMPRESSION, 256, 4, 4, 2, 10, 32768, 8192, SHALE_PROCESS,
		  0 },
		{ "tiny tables", SHALE_LZ4, 512, 2, 2, 1, 4, 16384, 4096, SHALE_DURABLE, 0 },
		{ "lz4", SHALE_LZ4, 1024, 2, 4, 3, 10, 32768, 32768, SHALE_PROCESS, 0 },
		{ "zstd", SHALE_ZSTD, 4096, 3, 3, 2, 16, 65536, 16384, SHALE_INTERVAL, 0 },
		{ "snappy", SHALE_SNAPPY, 2048, 1, 8, 2, 10, 16384, 65536, SHALE_DURABLE, 0 },
		{ "no filter", SHALE_DEFAULT_COMPRESSION, 1024, 4, 4, 2, 0, 32768, 16384,
		  SHALE_PROCESS, 0 },
		{ "no log", SHALE_NO_COMPRESSION, 1024, 2, 4, 2, 10, 32768, 16384, SHALE_EPHEMERAL,
		  0 },
		{ "one thread", SHALE_NO_COMPRESSION, 512, 1, 2, 1, 10, 16384, 4096, SHALE_PROCESS,
		  0 },
		{ "leveled", SHALE_LZ4, 512, 2, 2, 3, 10, 16384, 4096, SHALE_DURABLE,
		  SHALE_LEVELED },
		{ "tiered", SHALE_NO_COMPRESSION, 512, 2, 2, 3, 10, 16384, 4096, SHALE_PROCESS,
		  SHALE_TIERED },
		{ "hybrid", SHALE_NO_COMPRESSION, 512, 2, 2, 3, 10, 16384, 4096, SHALE_DURABLE,
		  SHALE_HYBRID },
		{ "time window", SHALE_NO_COMPRESSION, 512, 2, 2, 2, 10, 16384, 4096, SHALE_PROCESS,
		  SHALE_TIME_WINDOW },
		{ "fifo", SHALE_NO_COMPRESSION, 512, 2, 2, 2, 10, 32768, 16384, SHALE_DURABLE,
		  SHALE_FIFO },
		{ "adaptive", SHALE_NO_COMPRESSION, 512, 2, 2, 2, 10, 16384, 8192, SHALE_INTERVAL,
		  SHALE_ADAPTIVE },
	};
	uint64_t seed = test_seed(), ops = 0, rounds = test_scale(2);

	(void)state;
	for (uint64_t round = 0; round < rounds; round++)
		for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
			shale_options o = SHALE_OPTIONS_INIT;

			o.memory_budget = 1 << 20;
			o.memtable_bytes = sets[i].memtable;
			o.log_bytes_max = 4 * sets[i].memtable;
			o.durability = sets[i].durability;
			o.sync_interval_ms = 10;
			o.background_threads = sets[i].threads;
			o.default_cf.compression = sets[i].codec;
			o.default_cf.block_bytes = sets[i].block;
			o.default_cf.filter_bits = sets[i].filter;
			o.default_cf.no_filter = sets[i].filter == 0;
			o.default_cf.compaction.policy = sets[i].policy;
			o.default_cf.compaction.top_runs = sets[i].top;
			o.default_cf.compaction.size_ratio = sets[i].ratio;
			o.default_cf.compaction.table_bytes = sets[i].table;
			o.default_cf.compaction.base_bytes = 2 * sets[i].memtable;
			ops += run_model(sets[i].name, &o, seed + 1000 * i + round, LIVES);
		}
	printf("%" PRIu64 " operations\n", ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_store_answers_as_a_sorted_array_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
