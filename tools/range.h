/* --from, --to and --prefix of the commands that walk over keys. */
#ifndef TOOLS_RANGE_H
#define TOOLS_RANGE_H

#include "args.h"
#include "text.h"

struct range {
	/* As given; NULL: not. */
	const char *from_arg, *to_arg, *prefix_arg;
	/* As bytes, after range_take(). */
	struct text from, to, prefix;
};

#define RANGE_OPTIONS(r)                                                                           \
	{ "from", 0, ARGS_TEXT, &(r)->from_arg, "KEY", "first key", NULL },                        \
	{                                                                                          \
		"to", 0, ARGS_TEXT, &(r)->to_arg, "KEY", "first key beyond", NULL                  \
	}
#define RANGE_PREFIX(r)                                                                            \
	{                                                                                          \
		"prefix", 0, ARGS_TEXT, &(r)->prefix_arg, "KEY", "only keys that begin so", NULL   \
	}

/* Decodes what was given; wrong hexadecimal ends the program. */
void range_take(struct range *r, const struct args_command *c, bool hex);
void range_fini(struct range *r);
/* The bounds as the library takes them; data NULL where none was given. */
shale_slice range_slice(const char *arg, const struct text *t);
void range_apply(const struct range *r, shale_read_options *o);

#endif
