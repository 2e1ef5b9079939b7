/* See waiting.h. */
#include "waiting.h"

#include "grid.h"
#include "progress.h"
#include "tool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct waiting {
	shale_status (*call)(void *arg);
	void *arg;
	shale_status status;
	shale_error error;
	atomic_bool done;
};

static void *waiting_thread(void *arg)
{
	struct waiting *w = arg;

	w->status = w->call(w->arg);
	/* The error belongs to this thread. */
	w->error = *shale_last_error();
	atomic_store(&w->done, true);
	return NULL;
}

static void show(shale_db *db, struct progress *p)
{
	shale_stats s = SHALE_STATS_INIT;

	if (shale_stats_get(db, &s) == SHALE_OK)
		progress_note(p, "read %s  wrote %s", human_size(s.compaction_read_bytes).text,
			      human_size(s.flush_bytes + s.compaction_written_bytes).text);
	progress_update(p, 0);
}

shale_status waiting_run(shale_db *db, const char *what, shale_status (*call)(void *arg), void *arg,
			 shale_error *e)
{
	struct waiting w = { .call = call, .arg = arg };
	const struct timespec pause = { 0, 20000000 };
	struct progress p;
	pthread_t thread;

	progress_start(&p, what, PROGRESS_TIME, 0);
	if (pthread_create(&thread, NULL, waiting_thread, &w)) {
		waiting_thread(&w);
	} else {
		while (!atomic_load(&w.done)) {
			show(db, &p);
			nanosleep(&pause, NULL);
		}
		pthread_join(thread, NULL);
	}
	progress_end(&p, NULL);
	*e = w.error;
	return w.status;
}
