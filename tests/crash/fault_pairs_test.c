/* A fault, and another one in the recovery from it: see fault.h. */
#include "crash/fault.h"

#include <inttypes.h>

int main(void)
{
	static const struct fault_row rows[] = { { SIM_ANY, 0 },        { SIM_ANY, EIO },
						 { SIM_WRITE, ENOSPC }, { SIM_SYNC, EIO },
						 { SIM_OPEN, EMFILE },  { SIM_SYNC_DIR, EIO },
						 { SIM_RENAME, EIO } };
	uint64_t seed = test_seed(), n = test_scale(350) / fault_step(200) + 1;
	struct fault_totals t = { 0 };
	struct rand rand;

	rand_seed(&rand, seed);
	for (size_t w = 0; w < fault_workload_count && !fault_named(); w++)
		for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
			const struct plan p = { .work = &fault_workloads[w],
						.op = rows[i / 2].op,
						.err = rows[i / 2].err,
						.sticky = i % 2 != 0 };

			fault_pairs(&p, n, &rand, &t);
		}
	printf("pairs: %" PRIu64 " runs, 0 failures, seed 0x%" PRIx64 "\n", t.pairs, seed);
	return 0;
}
