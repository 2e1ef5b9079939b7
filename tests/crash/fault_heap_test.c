/* Every allocation of the workloads fails, once and from then on: see fault.h. */
#include "crash/fault.h"

#include <inttypes.h>

int main(void)
{
	struct fault_totals all = { 0 };
	uint64_t step = fault_step(40);

	for (size_t w = 0; w < fault_workload_count && !fault_named(); w++) {
		struct fault_totals t = { 0 };

		for (int sticky = 0; sticky < 2; sticky++) {
			const struct plan p = { .work = &fault_workloads[w], .sticky = sticky };

			fault_all_sites(&p, step, &t);
		}
		printf("%-18s %6" PRIu64 " sites %6" PRIu64 " runs\n", fault_workloads[w].name,
		       t.sites, t.runs);
		fflush(stdout);
		all.sites += t.sites;
		all.runs += t.runs;
	}
	printf("allocations: %" PRIu64 " sites, %" PRIu64 " runs, 0 failures\n", all.sites,
	       all.runs);
	return 0;
}
