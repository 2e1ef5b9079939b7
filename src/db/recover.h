/* What recovery shares with the rest of the engine. */
#ifndef DB_RECOVER_H
#define DB_RECOVER_H

#include "db/db.h"

/* Room for one more in db->logs (log.c). */
shale_status logs_reserve(shale_db *db);

#endif
