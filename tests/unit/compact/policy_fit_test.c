/*
 * What the policies pick where room is short: merges that fit in, or may, and tables to cut.
 */
#include "policies.h"

#include <time.h>

/* What fits into `room`, by `how`: 'f' for sure, 'h' with hope, '0' the first of those and so on,
   'c' the table to cut. */
static void check_room(const char *shape, char how, uint64_t room, const char *want)
{
	struct version *v = shape_parse(shape);
	struct pick_input *inputs = calloc(v->run_count + 1, sizeof(*inputs));
	struct policy_now at = now;
	char got[1024] = "nothing";
	struct pick p;
	bool some;

	at.oldest_snapshot = 4;
	if (how == 'c')
		some = policy_pick_cut(&usual, v, room, inputs, &p);
	else if (how == 'f')
		some = policy_pick_fitting(&usual, v, &at, room, 0, inputs, &p);
	else if (how == 'h')
		some = policy_pick_hopeful(&usual, v, &at, room, 0, inputs, &p);
	else
		some = policy_pick_hopeful_nth(&usual, v, &at, room, (uint32_t)(how - '0'), inputs,
					       &p);

	if (some)
		print_pick(v, &p, got, sizeof(got));
	assert_string_equal(got, want);
	free(inputs);
	version_unref(v);
}

static void what_is_merged_where_room_is_short_fits_in(void **state)
{
	const char *crossing = "L1#2 a-c d-g; L7#1 a-b:300 c-e:300 f-h:300";
	const char *cut = "L1#2 a-b c-c d-e f-g; L7#1 a-b:300 c-e:300 f-h:300";

	(void)state;
	check_room(crossing, 'f', 1099, "nothing");
	check_room(crossing, 'f', 1100, "space: L1#2 a-c d-g + L7#1 a-b c-e f-h -> L7#1");
	check_room(crossing, 'c', 99, "nothing");
	check_room(crossing, 'c', 100, "space: L1#2 a-c -> L1#2");
	check_room(cut, 'c', 1000, "nothing");
	check_room(cut, 'f', 400, "space: L1#2 a-b + L7#1 a-b -> L7#1");
	/* As many tombstones as may delete it all. */
	check_room("L1#2 a-c~:300; L7#1 a-c:300", 'f', 500, "nothing");
	check_room("L1#2 a-c~:300; L7#1 a-c:300", 'h', 0, "space: L1#2 a-c + L7#1 a-c -> L7#1");
	check_room("L1#2 a-c:100; L7#1 a-c:300", 'h', 299, "nothing");
	check_room("L1#2 a-c:100; L7#1 a-c:300", 'h', 300, "space: L1#2 a-c + L7#1 a-c -> L7#1");
	check_room("L1#2 a-c*:100; L7#1 a-c:300", 'h', 300, "nothing");
	/* A single table, if it is the bottom and no snapshot needs its tombstones. */
	check_room("L7#1 a-b=:300 c-d", 'f', 299, "nothing");
	check_room("L7#1 a-b=:300 c-d", 'f', 300, "space: L7#1 a-b -> L7#1");
	check_room("L7#1 a-b=:300 c-d", 'h', 0, "space: L7#1 a-b -> L7#1");
	check_room("L7#1 a-b~:300 c-d", 'h', 0, "space: L7#1 a-b -> L7#1");
	check_room("L7#1 a-b%:300 c-d", 'h', 0, "space: L7#1 a-b -> L7#1");
	check_room("L7#1 a-b=^5:300 c-d", 'h', 300, "nothing");
	check_room("L6#2 a-b=:100; L7#1 a-b:300 c-d", '1', 300, "nothing");
	check_room("L6#2 x-y; L7#1 a-b=:300", '1', 300, "nothing");
	/* One after the other, however little may be dead. */
	check_room("L1#2 a-c~:300 d-e~; L7#1 a-c:300 d-e", '0', 0,
		   "space: L1#2 a-c + L7#1 a-c -> L7#1");
	check_room("L1#2 a-c~:300 d-e~; L7#1 a-c:300 d-e", '1', 0,
		   "space: L1#2 d-e + L7#1 d-e -> L7#1");
	check_room("L1#2 a-c~:300 d-e~; L7#1 a-c:300 d-e", '2', 0, "nothing");
}

/* So many runs of level 0, of a table each, of which each `over` lie over the same keys. */
static struct version *many_runs(unsigned runs, unsigned over)
{
	char *shape = malloc(runs * 32), *p = shape;
	struct version *v;

	for (unsigned i = 0; i < runs; i++)
		p += sprintf(p, "%sL0#%u %05u-%05ux", i != 0 ? "; " : "", runs - i, i / over,
			     i / over);
	v = shape_parse(shape);
	free(shape);
	return v;
}

/* It is done under the lock that writers need. The bound is on what took minutes. */
static void a_look_for_what_fits_is_quick_over_thousands_of_runs(void **state)
{
	enum { RUNS = 3000 };
	static const struct {
		const struct policy_options *o;
		unsigned over;
		bool some;
	} each[] = { { &fifo, 1, false },
		     { &window, 1, false },
		     { &hybrid, 1, false },
		     { &hybrid, 2, true } };
	struct pick_input *inputs = calloc(RUNS, sizeof(*inputs));
	clock_t start = clock();

	(void)state;
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct version *v = many_runs(RUNS, each[i].over);
		struct pick p;

		assert_false(policy_pick_fitting(each[i].o, v, &now, 1, 0, inputs, &p));
		assert_int_equal(each[i].some, policy_pick_fitting(each[i].o, v, &now, UINT64_MAX,
								   0, inputs, &p));
		assert_false(policy_pick_hopeful_nth(each[i].o, v, &now, 0, 0, inputs, &p));
		version_unref(v);
	}
	assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
	free(inputs);
}

/* However many runs there are, of the oldest ones each stretch is tried. */
static void what_fits_is_found_wherever_it_lies(void **state)
{
	static const unsigned runs[] = { 2, 3, 60, 150, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		/* All over one key: what fits are the two oldest. */
		struct version *v = many_runs(runs[i], runs[i]);
		struct pick_input *inputs = calloc(runs[i], sizeof(*inputs));
		struct pick p;

		assert_true(policy_pick_fitting(&hybrid, v, &now, 299, 0, inputs, &p));
		assert_int_equal(p.input_count, 2);
		assert_int_equal(p.inputs[1].run, runs[i] - 1);
		free(inputs);
		version_unref(v);
	}
}

/* Runs that do not mix: a table by itself, if no older one meets it. */
static void tables_are_written_anew_alone_where_runs_do_not_mix(void **state)
{
	const char *shape = "L0#4 a-b~ c-d; L0#3 a-b~:300 e-f~:300; L0#2 c-d; L0#1 e-f";
	struct version *v = shape_parse(shape);
	struct pick_input inputs[4];
	struct policy_now at = now;
	char got[256];
	struct pick p;

	(void)state;
	at.oldest_snapshot = 4;
	assert_true(policy_pick_fitting(&fifo, v, &at, 300, 0, inputs, &p));
	print_pick(v, &p, got, sizeof(got));
	assert_string_equal(got, "space: L0#3 a-b -> L0#3");
	assert_false(policy_pick_fitting(&fifo, v, &at, 299, 0, inputs, &p));
	assert_true(policy_pick_hopeful_nth(&fifo, v, &at, 0, 0, inputs, &p));
	assert_false(policy_pick_hopeful_nth(&fifo, v, &at, 0, 1, inputs, &p));
	version_unref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_merged_where_room_is_short_fits_in),
		cmocka_unit_test(a_look_for_what_fits_is_quick_over_thousands_of_runs),
		cmocka_unit_test(what_fits_is_found_wherever_it_lies),
		cmocka_unit_test(tables_are_written_anew_alone_where_runs_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
