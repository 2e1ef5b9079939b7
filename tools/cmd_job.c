/* shale job: a store at work, every answer checked, and a report. */
#include "args.h"
#include "job/job.h"
#include "session.h"
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

int cmd_job(int argc, char **argv)
{
	struct session_args store = { 0 };
	struct job *job = tool_alloc(NULL, sizeof(*job));
	int rc;

	memset(job, 0, sizeof(*job));
	job->events = 5000000;
	job->rounds = 3;
	job->seed = 1;
	job->look = look_of(stdout);
	const struct args_option options[] = {
		{ "dir", 'd', ARGS_TEXT, &store.dir, "DIR",
		  "where the stores packages, clicks and crash are made (default: $SHALE_DIR)",
		  NULL },
		{ "events", 0, ARGS_COUNT, &job->events, "N", "clicks (default: 5000000)", NULL },
		{ "seed", 0, ARGS_COUNT, &job->seed, "N", "of the clicks (default: 1)", NULL },
		{ "rounds", 0, ARGS_COUNT, &job->rounds, "N",
		  "times to kill and recover (default: 3)", NULL },
		{ "memory", 'm', ARGS_SIZE, &job->memory, "SIZE",
		  "memory a store may use in all (default: 512MiB)", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"job",
		"",
		"Put the engine to work and check every answer:\n"
		"  1  load the package lists of this machine, read each record back\n"
		"  2  ingest a click stream while two readers check it, then scan all of it\n"
		"  3  kill a process that commits durably, recover, look for what it was promised\n"
		"and report throughput, latencies and costs. Any mismatch ends it with status 1.",
		0,
		0,
		options,
		"  shale job --dir /tmp/job --events 1000000",
	};

	args_parse(&command, argc, argv);
	if (!job->events || job->events > 1000000000)
		args_usage(&command, "--events: between 1 and 1000000000");
	if (job->rounds > 1000)
		args_usage(&command, "--rounds: at most 1000");
	job->dir = session_dir(&command, &store);
	job->start_ns = tool_now_ns();
	if (mkdir(job->dir, 0777) && errno != EEXIST) {
		rc = tool_fail("%s: %s", job->dir, strerror(errno));
	} else {
		rc = corpus_run(job);
		if (rc == TOOL_OK)
			rc = clicks_run(job);
		if (rc == TOOL_OK)
			rc = crash_run(job);
		if (rc == TOOL_OK)
			rc = report_run(job);
	}
	if (rc)
		fprintf(stderr, "shale: the job FAILED; what it made is left in %s\n", job->dir);
	stack_fini(&job->clicks.stack);
	free(job);
	return rc;
}
