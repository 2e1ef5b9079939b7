/* A merge that fails, or is ended by its pause: an error that says why, and no file left. */
#include "unit/compact/job_bench.h"

#include <errno.h>

static void fill_for_failures(struct bench *b)
{
	static const struct rangedel list[] = { { { "key00050", 8 }, { "key00150", 8 }, 5 } };

	b->older = bench_run(b, everywhere, true);
	input(b, 0, 100, 2, 10, OP_PUT);
	input(b, 1, 100, 2, 3, OP_PUT);
	bench_ranges(b, list, 1);
}

static void a_failed_call_leaves_no_file(void **state)
{
	static const enum sim_op ops[] = { SIM_WRITE, SIM_OPEN, SIM_SYNC, SIM_SYNC_DIR, SIM_READ };

	(void)state;
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		unsigned failed = 0;
		size_t files;
		struct bench b;

		bench_init(&b);
		fill_for_failures(&b);
		files = file_count(&b);
		for (uint64_t nth = 1;; nth++) {
			struct sim_fault fault = { .op = ops[i], .nth = nth, .err = EIO };
			shale_status rc;

			sim_fs_fault(b.x.fs, &fault);
			rc = bench_try(&b);
			if (sim_fs_fault_hits(b.x.fs) == failed) {
				sim_fs_faults_clear(b.x.fs);
				assert_ok(rc);
				break;
			}
			failed++;
			sim_fs_faults_clear(b.x.fs);
			assert_status(rc, SHALE_IO);
			assert_int_equal(file_count(&b), files);
			assert_int_equal(b.job.output_count, 0);
		}
		assert_true(failed > 1);
		bench_fini(&b);
	}
}

static void a_failure_to_clean_up_does_not_hide_the_first(void **state)
{
	struct sim_fault full = { .op = SIM_WRITE, .nth = 4, .err = ENOSPC, .sticky = true };
	struct sim_fault stuck = { .op = SIM_UNLINK, .err = EACCES, .sticky = true };
	struct bench b;

	(void)state;
	bench_init(&b);
	fill_for_failures(&b);
	sim_fs_fault(b.x.fs, &full);
	sim_fs_fault(b.x.fs, &stuck);
	assert_status(bench_try(&b), SHALE_NO_SPACE);
	assert_int_equal(err_last()->status, SHALE_NO_SPACE);
	sim_fs_faults_clear(b.x.fs);
	bench_fini(&b);
}

static void survives_every_allocation_that_fails(void **state)
{
	size_t files;
	struct bench b;
	uint64_t nth, failures;

	(void)state;
	bench_init(&b);
	fill_for_failures(&b);
	assert_ok(bench_try(&b)); /* the inputs are open from here on */
	job_fini(&b.job, true);
	files = file_count(&b);
	for (nth = 1;; nth++) {
		shale_status rc;

		failures = sim_heap_failures(b.x.heap);
		sim_heap_fail(b.x.heap, nth, false);
		rc = bench_try(&b);
		sim_heap_fail(b.x.heap, 0, false);
		if (sim_heap_failures(b.x.heap) == failures) {
			assert_ok(rc);
			break;
		}
		/* The cache does without. */
		if (rc >= 0)
			job_fini(&b.job, true);
		else
			assert_status(rc, SHALE_NO_MEMORY);
		assert_int_equal(file_count(&b), files);
	}
	assert_true(nth > 50);
	bench_fini(&b);
}

struct pauses {
	struct bench bench; /* the job's arg is this too */
	unsigned calls, end_at;
};

static shale_status count_pause(void *arg)
{
	struct pauses *p = arg;

	return ++p->calls == p->end_at ? -99 : SHALE_OK;
}

static void a_pause_can_end_the_job(void **state)
{
	struct pauses p = { .calls = 0 };
	struct bench *b = &p.bench;
	size_t files;

	(void)state;
	bench_init(b);
	b->job.pause = count_pause;
	input(b, 0, 3000, 2, 10, OP_PUT);
	input(b, 1, 3000, 2, 3, OP_PUT);
	files = file_count(b);
	assert_ok(bench_try(b));
	/* 132 bytes an entry with what is beside key and value: a pause every 64 KiB. */
	assert_in_range(p.calls, 11, 13);
	job_fini(&b->job, true);
	for (p.end_at = 1; p.end_at <= 11; p.end_at += 5) {
		p.calls = 0;
		assert_int_equal(bench_try(b), -99);
		assert_int_equal(p.calls, p.end_at);
		assert_int_equal(file_count(b), files);
	}
	bench_fini(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_call_leaves_no_file),
		cmocka_unit_test(a_failure_to_clean_up_does_not_hide_the_first),
		cmocka_unit_test(survives_every_allocation_that_fails),
		cmocka_unit_test(a_pause_can_end_the_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
