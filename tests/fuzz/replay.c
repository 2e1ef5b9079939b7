/*
 * The main without an engine, for every build: runs the committed corpus, what the
 * target's generator makes, and mutations of both.
 *
 *   test.fuzz.NAME CORPUS        the test; with SHALE_TEST_SCALE=100000, a campaign
 *   test.fuzz.NAME -x HEX        one input, in hexadecimal
 *   test.fuzz.NAME -m N SEED     N inputs of the generator, a line of hex each
 *
 * When an input fails, it is printed in the form that -x takes.
 */
#include "fuzz/fuzz.h"
#include "support/test.h"

#include <signal.h>
#include <unistd.h>

enum { MUTANTS = 20000, POOL = 4096 };

static struct input {
	size_t size;
	uint8_t *data;
} pool[POOL];
static size_t pool_count;

static uint8_t current[FUZZ_SIZE_MAX];
static size_t current_size;

static void print_hex(int fd, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char pair[2] = { "0123456789abcdef"[data[i] >> 4],
				 "0123456789abcdef"[data[i] & 15] };

		if (write(fd, pair, 2) != 2)
			return;
	}
	(void)!write(fd, "\n", 1);
}

static void print_current(void)
{
	static const char text[] = "the input that failed:\n";

	(void)!write(2, text, sizeof(text) - 1);
	print_hex(2, current, current_size);
}

static void on_signal(int sig)
{
	print_current();
	signal(sig, SIG_DFL);
	raise(sig);
}

void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

static void run(const uint8_t *data, size_t size)
{
	if (size > fuzz_target.size_max)
		return;
	if (data != current)
		memcpy(current, data, size);
	current_size = size;
	fuzz_target.run(current, size);
}

static void keep(const uint8_t *data, size_t size)
{
	run(data, size);
	if (pool_count == POOL)
		return;
	pool[pool_count].data = malloc(size != 0 ? size : 1);
	memcpy(pool[pool_count].data, data, size);
	pool[pool_count++].size = size;
}

/* Of one that is known, or in one case of 64 of one that is made now. */
static void run_mutants(struct rand *r, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		const struct input *in = &pool[rand_below(r, pool_count)];
		size_t size = in->size;

		if (rand_below(r, 64) == 0)
			size = fuzz_target.make(r, current);
		else
			memcpy(current, in->data, in->size);
		current_size = fuzz_mutate(r, current, size, fuzz_target.size_max);
		if (fuzz_target.repair != NULL && rand_below(r, 8) != 0)
			fuzz_target.repair(current, current_size);
		run(current, current_size);
	}
}

static void make_inputs(uint64_t n, uint64_t seed)
{
	struct rand r;

	rand_seed(&r, seed);
	for (uint64_t i = 0; i < n; i++) {
		current_size = fuzz_target.make(&r, current);
		print_hex(1, current, current_size);
	}
}

static int test(const char *corpus)
{
	size_t kept, made = 64;
	uint64_t mutants = test_scale(MUTANTS / fuzz_target.cost);
	struct rand r;

	rand_seed(&r, test_seed());
	kept = fuzz_corpus(corpus, keep);
	for (size_t i = 0; i < made; i++) {
		size_t size = fuzz_target.make(&r, current);

		FUZZ_CHECK(size <= fuzz_target.size_max);
		keep(current, size);
	}
	run_mutants(&r, mutants);
	printf("%s: %zu inputs of the corpus, %zu made, %" PRIu64 " mutants\n", fuzz_target.name,
	       kept, made, mutants);
	for (size_t i = 0; i < pool_count; i++)
		free(pool[i].data);
	return 0;
}

int main(int argc, char **argv)
{
	static const int fatal[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

	if (&__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(print_current);
	else
		for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
			signal(fatal[i], on_signal);
	if (argc == 3 && strcmp(argv[1], "-x") == 0) {
		current_size = fuzz_hex(argv[2], current);
		run(current, current_size);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "-m") == 0) {
		make_inputs(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
		return 0;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS | -x HEX | -m N SEED\n", argv[0]);
		return 2;
	}
	return test(argv[1]);
}
