/* The parts of a recovery (recover.c). */
#ifndef DB_RECOVER_H
#define DB_RECOVER_H

#include "db/db.h"

/* A store in a directory that has none (create.c). */
shale_status recover_new(shale_db *db);

/* Read the logs into memtables, and these into tables when they are full (replay.c). */
shale_status replay_logs(shale_db *db);
/* Move a recovered memtable, which holds all of its family up to `last_seq`, into tables. */
shale_status replay_unload(shale_db *db, shale_cf *cf, uint64_t last_seq);

/* Delete the files that nothing refers to (orphans.c). */
shale_status orphans_remove(shale_db *db);

#endif
