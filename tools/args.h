/*
 * Options of a sub-command, declared once: parsing and --help come from the same
 * table. Anything wrong is told on stderr and ends the program with TOOL_USAGE.
 */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

enum args_kind {
	ARGS_FLAG,     /* bool */
	ARGS_TEXT,     /* const char * */
	ARGS_COUNT,    /* uint64_t */
	ARGS_SIZE,     /* uint64_t bytes: 4096, 64K, 1.5MiB, 2G */
	ARGS_DURATION, /* uint64_t milliseconds: 250ms, 90s, 15m, 2h, 7d; a bare number: seconds */
	ARGS_CHOICE,   /* int, one of `choices` */
};

struct args_choice {
	const char *name; /* NULL ends the list */
	int value;
};

struct args_option {
	const char *name; /* without dashes; NULL ends the list */
	char letter;      /* 0: no short form */
	enum args_kind kind;
	void *out;         /* keeps its value unless the option is given */
	const char *value; /* what --help calls the value */
	const char *help;
	const struct args_choice *choices;
};

struct args_command {
	const char *name;     /* "put" */
	const char *operands; /* "KEY VALUE" */
	const char *about;    /* what it does, a few lines */
	int operands_min, operands_max;
	const struct args_option *options;
	const char *examples; /* lines, or NULL */
};

/* Leaves the operands in argv[1...] and returns how many there are. May end the program. */
int args_parse(const struct args_command *c, int argc, char **argv);

/* "shale NAME: text; see `shale NAME --help`" and the end of the program. */
void args_usage(const struct args_command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#endif
