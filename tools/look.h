/*
 * How output may look: colours, block characters and live lines only where a
 * person sees them. A pipe gets plain text. NO_COLOR turns the colours off.
 */
#ifndef TOOLS_LOOK_H
#define TOOLS_LOOK_H

#include <stdbool.h>
#include <stdio.h>

struct look {
	bool terminal;
	bool unicode; /* block and line drawing characters may be used */
	int width;    /* columns */
	int height;   /* lines */
	/* Escape sequences, or "". */
	const char *bold, *dim, *red, *green, *yellow, *blue, *cyan, *plain;
};

struct look look_of(FILE *f);

/* The colour of level `level` in drawings. */
const char *look_level(const struct look *look, unsigned level);

/* Columns that UTF-8 text takes, each code point one. */
int look_columns(const char *text);

#endif
