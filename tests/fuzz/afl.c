/*
 * For AFL++: a persistent main on shared memory, and in the same source, built as a
 * shared object (AFL_CUSTOM_MUTATOR_LIBRARY), the hook that repairs what it mutated.
 */
#include "fuzz/fuzz.h"

#ifdef FUZZ_AFL_HOOK

#define EXPORT __attribute__((visibility("default")))

EXPORT void *afl_custom_init(void *afl, unsigned seed);
EXPORT void afl_custom_deinit(void *state);
EXPORT size_t afl_custom_post_process(void *state, uint8_t *data, size_t size, uint8_t **out);

void *afl_custom_init(void *afl, unsigned seed)
{
	static uint8_t copy[FUZZ_SIZE_MAX];

	(void)afl;
	(void)seed;
	return copy;
}

void afl_custom_deinit(void *state)
{
	(void)state;
}

size_t afl_custom_post_process(void *state, uint8_t *data, size_t size, uint8_t **out)
{
	uint8_t *copy = state;

	if (size > fuzz_target.size_max)
		size = fuzz_target.size_max;
	memcpy(copy, data, size);
	if (fuzz_target.repair != NULL)
		fuzz_target.repair(copy, size);
	*out = copy;
	return size;
}

#else

#include <unistd.h>

__AFL_FUZZ_INIT();

int main(void)
{
	const uint8_t *data;

	__AFL_INIT();
	data = __AFL_FUZZ_TESTCASE_BUF;
	while (__AFL_LOOP(20000)) {
		size_t size = (size_t)__AFL_FUZZ_TESTCASE_LEN;

		if (size <= fuzz_target.size_max)
			fuzz_target.run(data, size);
	}
	return 0;
}

#endif
