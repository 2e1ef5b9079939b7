/*
 * Whose merge is next: cases in text, what families have due in, their order out; and the
 * bound on what one waits for, held against random loads.
 */
#include "support/test.h"

#include "base/rand.h"
#include "compact/turn.h"

#include <stdlib.h>

enum { UNIT = 64 << 20, FAMILIES = 8 };

#define MIB ((uint64_t)1 << 20)

/* ---- cases ---- */

/*
 * due: "NAME MIB [xSCORE] [hHELD] [lLATE] [@FIRST]" of each family, HELD and LATE in per
 * cent; it has the same due again at once, from the FIRST-th turn on. What comes out are
 * the names of those whose turn it is.
 */
struct turn_case {
	const char *what, *due, *order;
};

struct due {
	char name;
	struct claim claim;
	unsigned first;
};

static struct due parse_due(const char *text)
{
	struct due d = { .claim = { .score = 1 } };
	char word[24];
	int n;

	assert_int_equal(sscanf(text, " %c %" SCNu64 "%n", &d.name, &d.claim.bytes, &n), 2);
	d.claim.bytes *= MIB;
	for (text += n; sscanf(text, " %23[^, ]%n", word, &n) == 1; text += n) {
		double value = atof(word + 1);

		switch (word[0]) {
		case 'x':
			d.claim.score = value;
			break;
		case 'h':
			d.claim.held = value / 100;
			break;
		case 'l':
			d.claim.lateness = value / 100;
			break;
		case '@':
			d.first = (unsigned)value;
			break;
		default:
			fail_msg("%s", text);
		}
	}
	return d;
}

static void run_case(const struct turn_case *c)
{
	struct turns all = { .unit = UNIT };
	struct turn turn[FAMILIES] = { 0 };
	struct due due[FAMILIES];
	char order[64] = "";
	size_t n = 0;

	for (const char *p = c->due; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		due[n++] = parse_due(p);
	}
	for (unsigned i = 0; i < strlen(c->order); i++) {
		size_t best = n;
		double least = 0;

		turns_look(&all);
		for (size_t f = 0; f < n; f++) {
			double place;

			if (i < due[f].first)
				continue;
			place = turn_wait(&all, &turn[f], &due[f].claim);
			if (best == n || place < least) {
				best = f;
				least = place;
			}
		}
		turn_take(&all, &turn[best], &due[best].claim);
		order[i] = due[best].name;
	}
	if (strcmp(order, c->order) != 0)
		fail_msg("%s: %s, not %s", c->what, order, c->order);
}

static void turns_come_as_told(void **state)
{
	static const struct turn_case cases[] = {
		{ "one has all", "a 64", "aaaa" },
		{ "equal ones take turns", "a 64, b 64, c 64", "abcabcabc" },
		{ "a small one has its share of bytes, not of jobs", "a 64, b 16", "abbbbabbbb" },
		{ "who owes twice as much has twice the share", "a 64 x2, b 64", "ababaabaaba" },
		{ "four times at most", "a 64 x1000, b 64", "abaaabaaaaba" },
		{ "a mere edit costs little", "a 64, b 0", "abbbbbbbbbbbbbbbb" },
		{ "who comes later is next, and has nothing saved up", "a 64, b 64 @6",
		  "aaaaaabababa" },
		{ "a deep queue of others does not matter", "a 64, b 64, c 64, d 64, e 1 @9",
		  "abcdabcdabcdee" },
		{ "a head start for held writers", "a 64, b 64 h25", "bbbbababa" },
		{ "which has an end", "a 64, b 256 h100", "bbbbabaaaabaaab" },
		{ "a deadline that is near", "a 64, b 64 l3, c 64 l9", "ccccbcbcabcab" },
		{ "a deadline that is over comes first", "a 64 h100 x4, b 64, c 64 l101",
		  "cccccccc" },
		{ "and the longest of them", "a 64 l150, b 64 l101, c 64 l151", "cacaca" },
		{ "but not for good, however long it is over", "a 64 h100, b 1024 l99900",
		  "bbbbbbbabaaa" },
		{ "of many that are over, each has turns", "a 1024 l500, b 1024 l9000, c 64",
		  "abababababababab" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&cases[i]);
}

/* ---- the bound ---- */

struct load {
	struct turn turn;
	struct claim claim;
	bool due;
	uint64_t ahead;            /* of the one served last, when it began to wait */
	uint64_t others[FAMILIES]; /* bytes of each of the others since then */
	unsigned jobs[FAMILIES];
};

static void begin_to_wait(struct rand *r, struct load *l, const struct turns *all, bool urgent)
{
	l->ahead = l->turn.clock > all->now ? l->turn.clock - all->now : 0;
	memset(l->others, 0, sizeof(l->others));
	memset(l->jobs, 0, sizeof(l->jobs));
	l->due = true;
	l->claim = (struct claim){ .bytes = rand_below(r, 256) * MIB,
				   .score = 1 + (double)rand_below(r, 60) / 10 };
	if (urgent)
		l->claim.held = (double)rand_below(r, 101) / 100;
}

/*
 * One job of each of the others, where the one that waits was idle before; else they may
 * first have their share for what it had. With head starts, what these are good for as
 * well.
 */
static void check_bound(const struct load *load, size_t n, size_t mine, bool urgent)
{
	const struct load *l = &load[mine];
	uint64_t most = 256 * MIB + 4 * l->ahead;

	if (urgent)
		most += 4 * UINT64_C(16) * UNIT;
	for (size_t f = 0; f < n; f++) {
		if (f == mine)
			continue;
		if (!urgent && l->ahead == 0 && l->jobs[f] > 1)
			fail_msg("%u jobs of another while one waited", l->jobs[f]);
		if (l->others[f] > most)
			fail_msg("%" PRIu64 " bytes of another while one waited", l->others[f]);
	}
}

static unsigned play(struct rand *r, bool urgent)
{
	struct turns all = { .unit = UNIT };
	struct load load[FAMILIES] = { 0 };
	size_t n = 2 + rand_below(r, FAMILIES - 1);
	unsigned waits = 0;

	for (unsigned i = 0; i < 400; i++) {
		size_t best = n;
		double least = 0;

		turns_look(&all);
		for (size_t f = 0; f < n; f++) {
			double place;

			/* The first is always busy, the others now and then. */
			if (!load[f].due && (f == 0 || rand_below(r, 6) == 0))
				begin_to_wait(r, &load[f], &all, urgent);
			if (!load[f].due)
				continue;
			place = turn_wait(&all, &load[f].turn, &load[f].claim);
			if (best == n || place < least) {
				best = f;
				least = place;
			}
		}
		for (size_t f = 0; f < n; f++) {
			load[f].others[best] += load[best].claim.bytes;
			load[f].jobs[best]++;
		}
		check_bound(load, n, best, urgent);
		turn_take(&all, &load[best].turn, &load[best].claim);
		load[best].due = false;
		waits++;
	}
	/* Nor does anybody wait still for longer. */
	for (size_t f = 0; f < n; f++)
		if (load[f].due)
			check_bound(load, n, f, urgent);
	return waits;
}

static void what_one_waits_for_has_a_bound(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t i = 0; i < test_scale(300); i++)
		assert_int_equal(play(&r, i % 2 != 0), 400);
}

/* ---- deadlines ---- */

static void lateness_is_the_share_of_the_time_that_is_over(void **state)
{
	struct pick p = { .since_ms = 300, .until_ms = 400 }, none = { .since_ms = 0 };

	(void)state;
	assert_true(pick_lateness(&none, 1000) == 0);
	assert_true(pick_lateness(&p, 200) == 0 && pick_lateness(&p, 300) == 0);
	assert_true(pick_lateness(&p, 350) == 0.5);
	assert_true(pick_lateness(&p, 400) == 1 && pick_lateness(&p, 500) == 2);
	p.since_ms = 400;
	assert_true(pick_lateness(&p, 400) == 0 && pick_lateness(&p, 401) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_come_as_told),
		cmocka_unit_test(what_one_waits_for_has_a_bound),
		cmocka_unit_test(lateness_is_the_share_of_the_time_that_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
