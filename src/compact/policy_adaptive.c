/*
 * Adaptive: the number of runs in the top level, in the tiers and in the last level
 * are chosen by what they would cost for what has been asked of late.
 *
 * The model. Writing an entry once (by a flush or a merge) costs COST_WRITE; a get
 * costs COST_READ_RUN for every run it must consider (the bounds and the filter);
 * a seek COST_SCAN_RUN for every run (a search and a block). How often an entry is
 * written, and how many runs there are, follows from the choice and the size of
 * the data in memtables (choice_writes, choice_runs); their constants are fitted to
 * the simulator (bench/micro/compaction_sim.c). Entries that are overwritten while
 * they lie above the last level go into it once for all of them.
 *
 * Hysteresis: another choice must be cheaper by a tenth at five looks on end, and
 * a look's weight halves every two looks. A changed choice merges only what it
 * owes; nothing is written anew because of it.
 */
#include "compact/adapt.h"

enum { VOTES = 5 };

static const struct choice {
	shale_policy acting;
	uint32_t top_runs, max_runs, size_ratio;
} choices[] = {
	{ SHALE_HYBRID, 4, 4, 4 }, /* the first is how it begins */
	{ SHALE_HYBRID, 2, 2, 10 }, { SHALE_HYBRID, 2, 3, 6 },   { SHALE_HYBRID, 4, 4, 2 },
	{ SHALE_HYBRID, 4, 8, 2 },  { SHALE_LEVELED, 4, 4, 10 }, { SHALE_TIERED, 4, 4, 4 },
	{ SHALE_TIERED, 8, 8, 4 },
};

enum { CHOICES = sizeof(choices) / sizeof(choices[0]) };

/* About the logarithm of n to the base `fan`. */
static double levels_of(double n, double fan)
{
	double levels = 0;

	for (; n >= fan; n /= fan)
		levels++;
	return n > 1 ? levels + (n - 1) / (fan - 1) : levels;
}

static double choice_writes(const struct policy_options *o, double n, double overwrites)
{
	double top = o->top_runs, k = o->max_runs, z = o->size_ratio;

	switch (o->acting) {
	case SHALE_LEVELED:
		return 2 + 0.4 * z * levels_of(n, z);
	case SHALE_TIERED:
		return 2 + levels_of(n / top, k);
	default:
		return 2 + levels_of(n / z / top, k) + (1 + 0.7 * z) * (1 - overwrites);
	}
}

static double choice_runs(const struct policy_options *o, double n)
{
	double top = o->top_runs, k = o->max_runs, z = o->size_ratio;

	switch (o->acting) {
	case SHALE_LEVELED:
		return top / 2 + levels_of(n, z);
	case SHALE_TIERED:
		return top / 2 + k / 2 * (levels_of(n / top, k) + 0.5);
	default:
		return top / 2 + k / 2 * levels_of(n / z / top, k) + 1;
	}
}

double adapt_cost(const struct adapt *a, const struct policy_options *o, double memtables)
{
	return a->writes * COST_WRITE * choice_writes(o, memtables, a->overwrites) +
	       (a->reads * COST_READ_RUN + a->scans * COST_SCAN_RUN) * choice_runs(o, memtables);
}

/* A choice as options: in place of the family's own acting policy, runs and ratio. */
static struct policy_options options_of(const struct policy_options *settings, size_t choice)
{
	struct policy_options o = *settings;

	o.acting = choices[choice].acting;
	o.top_runs = choices[choice].top_runs;
	o.max_runs = choices[choice].max_runs;
	o.size_ratio = choices[choice].size_ratio;
	return o;
}

void adapt_begin(struct adapt *a, struct policy_options *o)
{
	*a = (struct adapt){ .settings = *o };
	if (o->policy == SHALE_ADAPTIVE)
		*o = options_of(&a->settings, a->acting);
}

static double fade(double old, double seen)
{
	return old * 0.7 + seen * 0.3;
}

static void note(struct adapt *a, const struct adapt_counters *now, uint64_t wall_ms)
{
	const struct adapt_counters *last = &a->last;
	double seconds = (double)(wall_ms - a->at_ms) / 1000;

	a->writes = fade(a->writes, (double)(now->writes - last->writes) / seconds);
	a->reads = fade(a->reads, (double)(now->reads - last->reads) / seconds);
	a->scans = fade(a->scans, (double)(now->scans - last->scans) / seconds);
	if (now->merged != last->merged)
		a->overwrites = fade(a->overwrites, (double)(now->overwritten - last->overwritten) /
							    (double)(now->merged - last->merged));
}

bool adapt_look(struct adapt *a, const struct adapt_counters *now, uint64_t wall_ms,
		uint64_t data_bytes, uint64_t memtable_bytes, struct policy_options *o)
{
	double n = (double)data_bytes / (double)memtable_bytes, least = 0, acting = 0;
	size_t best = 0;

	if (!a->begun || wall_ms <= a->at_ms) {
		a->begun = true;
	} else {
		note(a, now, wall_ms);
		for (size_t i = 0; i < CHOICES; i++) {
			struct policy_options each = options_of(&a->settings, i);
			double cost = adapt_cost(a, &each, n);

			if (each.acting == SHALE_TIERED && a->settings.space_amp_max != 0)
				continue;
			if (i == a->acting)
				acting = cost;
			if (i == 0 || cost < least) {
				least = cost;
				best = i;
			}
		}
		a->votes = best == a->best ? a->votes + 1 : 1;
		a->best = best;
	}
	a->at_ms = wall_ms;
	a->last = *now;
	if (a->votes < VOTES || best == a->acting || least > 0.9 * acting)
		return false;
	a->acting = best;
	*o = options_of(&a->settings, best);
	return true;
}
