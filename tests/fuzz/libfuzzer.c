/* libFuzzer's entry points. Seven of eight mutations have their checksums repaired. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= fuzz_target.size_max)
		fuzz_target.run(data, size);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	static uint8_t made[FUZZ_SIZE_MAX];
	struct rand r;

	rand_seed(&r, seed);
	if (max > fuzz_target.size_max)
		max = fuzz_target.size_max;
	if (rand_below(&r, 64) == 0 || size > max) {
		size = fuzz_target.make(&r, made);
		size = size < max ? size : max;
		memcpy(data, made, size);
	}
	size = rand_below(&r, 2) ? LLVMFuzzerMutate(data, size, max)
				 : fuzz_mutate(&r, data, size, max);
	if (fuzz_target.repair != NULL && rand_below(&r, 8) != 0)
		fuzz_target.repair(data, size);
	return size;
}
