/* A store as a sub-command opens it: the options all share, and how it ends. */
#ifndef TOOLS_SESSION_H
#define TOOLS_SESSION_H

#include "args.h"

#include <shale/shale.h>

struct session_args {
	const char *dir;    /* --dir, else SHALE_DIR */
	uint64_t memory;    /* --memory */
	const char *family; /* --cf */
	int durability;     /* --durability, a shale_durability */
};

enum session_mode {
	SESSION_READ,   /* changes nothing; the store must be there */
	SESSION_WRITE,  /* the store must be there */
	SESSION_CREATE, /* created if it is missing */
};

struct session {
	shale_db *db;
	shale_cf *cf; /* NULL: the default family */
	const char *dir;
};

extern const struct args_choice session_durabilities[];

/* Lines for a table of options; `a` is a struct session_args *. */
#define SESSION_OPTIONS(a)                                                                         \
	{ "dir", 'd', ARGS_TEXT, &(a)->dir, "DIR", "directory of the store (default: $SHALE_DIR)", \
	  NULL },                                                                                  \
	{                                                                                          \
		"memory", 'm', ARGS_SIZE, &(a)->memory, "SIZE",                                    \
			"memory the store may use in all (default: 512MiB)", NULL                  \
	}
#define SESSION_FAMILY(a)                                                                          \
	{                                                                                          \
		"cf", 0, ARGS_TEXT, &(a)->family, "NAME",                                          \
			"column family (default: the default "                                     \
			"family)",                                                                 \
			NULL                                                                       \
	}
#define SESSION_DURABILITY(a)                                                                      \
	{                                                                                          \
		"durability", 0, ARGS_CHOICE, &(a)->durability, NULL,                              \
			"what the write survives: nothing, the death of the process, power loss "  \
			"but for a last moment, power loss (default: durable)",                    \
			session_durabilities                                                       \
	}
#define SESSION_END                                                                                \
	{                                                                                          \
		NULL, 0, ARGS_FLAG, NULL, NULL, NULL, NULL                                         \
	}

/* The directory, or usage error and the end of the program. */
const char *session_dir(const struct args_command *c, const struct session_args *a);

/* TOOL_OK, or a failure that has been told and left nothing open. */
int session_open(struct session *s, const struct args_command *c, const struct session_args *a,
		 enum session_mode mode);

/* Closes; returns rc, or TOOL_FAILED when closing fails. */
int session_close(struct session *s, int rc);

#endif
