/* The `shale` program: finds the sub-command and runs it. */
#include "look.h"
#include "tool.h"

#include <signal.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary; /* NULL: not for people */
};

struct command_group {
	const char *title;
	struct command commands[8];
};

static const struct command_group groups[] = {
	{ "Read and write",
	  {
		  { "put", cmd_put, "store one value" },
		  { "get", cmd_get, "print one value" },
		  { "delete", cmd_delete, "delete one key" },
		  { "delete-range", cmd_delete_range, "delete all keys of a range" },
		  { "scan", cmd_scan, "print the entries of a range or prefix, or count them" },
	  } },
	{ "Move data",
	  {
		  { "load", cmd_load, "store records from TSV, CSV, JSON lines or deb822" },
		  { "dump", cmd_dump, "write all entries in one of these formats" },
	  } },
	{ "Look inside",
	  {
		  { "stats", cmd_stats, "print every figure the store keeps" },
		  { "levels", cmd_levels, "draw the stack of runs and their tables" },
		  { "compactions", cmd_compactions, "list the flushes and compactions of late" },
		  { "tables", cmd_tables, "list the tables; measure their filters" },
		  { "explain", cmd_explain, "show which runs, filters and blocks a get asks" },
		  { "check", cmd_check, "read every table and verify all of it" },
	  } },
	{ "Maintain",
	  {
		  { "families", cmd_families, "list, create and drop column families" },
		  { "flush", cmd_flush, "write what is in memory to tables" },
		  { "compact", cmd_compact, "merge all runs of a range into one" },
		  { "destroy", cmd_destroy, "remove a store with all its data" },
	  } },
	{ "See it work",
	  {
		  { "job", cmd_job, "load, ingest, kill, recover, verify and report" },
		  { "job-child", cmd_job_child, NULL },
	  } },
};

static void print_help(void)
{
	struct look look = look_of(stdout);

	printf("%sshale%s %s, an embeddable ordered key-value store\n\n"
	       "usage: shale COMMAND [OPTION...] [OPERAND...]\n",
	       look.bold, look.plain, SHALE_VERSION);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		printf("\n%s%s%s\n", look.bold, groups[i].title, look.plain);
		for (const struct command *c = groups[i].commands; c->name; c++)
			if (c->summary)
				printf("  %-14s%s\n", c->name, c->summary);
	}
	printf("\n"
	       "The store is the directory named by --dir (-d) or by SHALE_DIR.\n"
	       "`shale COMMAND --help` explains a command. Exit status: 0 done,\n"
	       "1 failed or not found, 2 asked wrongly.\n");
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct command *c = groups[i].commands; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	const struct command *command;
	char option[] = "--help";
	char *help[] = { argv[0], option, NULL };

	/* A closed pipe is an error of a write, not the end of a store that is open. */
	signal(SIGPIPE, SIG_IGN);
	if (!name) {
		fputs("shale: no command was given; try `shale --help`\n", stderr);
		return TOOL_USAGE;
	}
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		printf("shale %s\n", SHALE_VERSION);
		return tool_finish_output(TOOL_OK);
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		command = argc > 2 ? find_command(argv[2]) : NULL;
		if (command)
			return command->run(2, help);
		print_help();
		return tool_finish_output(TOOL_OK);
	}
	command = find_command(name);
	if (!command) {
		fprintf(stderr, "shale: there is no command `%s`; try `shale --help`\n", name);
		return TOOL_USAGE;
	}
	return tool_finish_output(command->run(argc - 1, argv + 1));
}
