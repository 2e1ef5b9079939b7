/* Under what a script runs: the options of the store and the schedule, as text. */
#ifndef METAMORPHIC_SETTINGS_H
#define METAMORPHIC_SETTINGS_H

#include "support/test.h"

#include "base/rand.h"
#include "env/sim.h"

struct settings_set {
	const char *name, *text; /* "memtable=16384 codec=zstd" */
};

extern const struct settings_set settings_sets[];
extern const size_t settings_set_count;

struct settings {
	shale_options options;
	struct sim_schedule schedule;
	unsigned cpus;
	unsigned meddle; /* pauses, limits, ended compactions every so many operations; 0: none */
	bool hop; /* every open takes the next of the fixed sets, but for what a family keeps */
};

/* False, and a sentence on standard error, if the text has what is unknown. */
bool settings_parse(const char *text, struct settings *out);
/* Some of all settings, each some value; at most n bytes of text. */
void settings_random(struct rand *r, char *text, size_t n);

#endif
