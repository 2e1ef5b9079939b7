/*
 * Every call of the environment fails with every errno that fits it, once and from
 * then on; and fails although it did its work, and, of syncs, forgets what it should
 * have written: see fault.h.
 */
#include "crash/fault.h"

#include <inttypes.h>

/* Of each call that changes something: it fails, but it is done. */
static void done_but_failed(const struct workload *w, uint64_t step, struct fault_totals *t)
{
	static const enum sim_op ops[] = { SIM_WRITE,    SIM_SYNC,     SIM_ALLOCATE,
					   SIM_TRUNCATE, SIM_MKDIR,    SIM_RENAME,
					   SIM_UNLINK,   SIM_SYNC_DIR, SIM_RMDIR };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		const struct plan p = { .work = w, .op = ops[i], .err = EIO, .after = true };

		fault_all_sites(&p, step, t);
	}
	for (int sticky = 0; sticky < 2; sticky++) {
		const struct plan p = {
			.work = w, .op = SIM_SYNC, .err = EIO, .clean = true, .sticky = sticky
		};

		fault_all_sites(&p, step, t);
	}
}

int main(void)
{
	struct fault_totals all = { 0 };
	uint64_t step = fault_step(40);

	for (size_t w = 0; w < fault_workload_count && !fault_named(); w++) {
		struct fault_totals t = { 0 };

		for (size_t i = 0; i < 2 * fault_row_count; i++) {
			const struct fault_row *row = &fault_rows[i / 2];
			const struct plan p = { .work = &fault_workloads[w],
						.op = row->op,
						.err = row->err,
						.sticky = i % 2 != 0 };

			fault_all_sites(&p, step, &t);
		}
		done_but_failed(&fault_workloads[w], step, &t);
		printf("%-18s %6" PRIu64 " sites %6" PRIu64 " runs\n", fault_workloads[w].name,
		       t.sites, t.runs);
		fflush(stdout);
		all.sites += t.sites;
		all.runs += t.runs;
	}
	printf("calls: %" PRIu64 " sites, %" PRIu64 " runs, 0 failures\n", all.sites, all.runs);
	return 0;
}
