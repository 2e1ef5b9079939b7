/*
 * One line on stderr that tells how far something is: a bar with rate and time
 * left where the end is known, a count and rate where it is not. Only a terminal
 * sees it move; a pipe gets the final line alone. One thread owns a progress.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include "look.h"

#include <stdint.h>

enum progress_unit {
	PROGRESS_COUNT,
	PROGRESS_BYTES,
	PROGRESS_TIME, /* only the time that passed, no rate */
};

struct progress {
	const char *what;
	enum progress_unit unit;
	uint64_t total; /* 0: not known */
	uint64_t start_ns, drawn_ns;
	/* For a rate of the last seconds rather than of the whole. */
	uint64_t mark_ns, mark_done;
	double rate;
	char note[96]; /* shown at the end of the line */
	struct look look;
	bool drawn;
};

void progress_start(struct progress *p, const char *what, enum progress_unit unit, uint64_t total);
/* Cheap enough to call often: draws ten times a second. */
void progress_update(struct progress *p, uint64_t done);
void progress_note(struct progress *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Takes the live line away and prints the text, unless it is NULL. */
void progress_end(struct progress *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
uint64_t progress_elapsed_ns(const struct progress *p);

#endif
