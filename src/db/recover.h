/* What recovery shares with the rest of the engine. */
#ifndef DB_RECOVER_H
#define DB_RECOVER_H

#include "db/db.h"

/* Room for one more in db->logs (log.c). */
shale_status logs_reserve(shale_db *db);

/* Read the logs into memtables, and these into tables when they are full (replay.c). */
shale_status replay_logs(shale_db *db);
/* Move a recovered memtable, which holds all of its family up to `last_seq`, into tables. */
shale_status replay_unload(shale_db *db, shale_cf *cf, uint64_t last_seq);

#endif
