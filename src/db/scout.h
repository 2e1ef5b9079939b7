/*
 * The scout: what is deleted one key after the other becomes a gap (db/gaps.h) before anybody
 * scans it. Without, the first scan pays for all of it, and so does each that comes before that
 * one has ended.
 *
 * Every so manieth commit is looked at, if it only deletes. Two in a row tell of a stretch, from
 * the key of one to the key of the other, of which it is not known what else lies there. A
 * background thread puts an iterator before it, and only if that passes PEEK dead entries without
 * one that is alive, the stretch is hoped to be a gap and passed to its end: to the first entry
 * that is alive, but no more entries than SPARE for each operation between the two. So keys that
 * are deleted here and there cost a seek, and that more and more seldom; keys deleted in a row are
 * passed once, about one look behind who deletes them.
 *
 * It is a help and nothing waits for it: it rests while there are flushes to do, and where it has
 * to wait for the device, for most of the time. It leaves the block cache as it is.
 */
#ifndef DB_SCOUT_H
#define DB_SCOUT_H

#include "db/db.h"

/* A commit that only deletes was ordered, from the sequence `first` on. commit_mu is held. */
void scout_look(shale_db *db, const struct commit *c, uint64_t first);

/* Follow one stretch that was told of; false: there is none before *wait_ns, made smaller, have
   passed. */
bool scout_some(shale_db *db, uint64_t *wait_ns);

/* Nobody has the family any more. */
void scout_free(shale_cf *cf);

/* An iterator of the scout's, as shale_iter_new() makes them: no user holds it, it counts as no
   read and has no memtable flushed for what it passes. */
shale_status iter_new_scout(shale_db *db, const shale_read_options *o, shale_iter **out);

static inline bool scout_is_due(uint64_t ticket)
{
#if defined(SHALE_YIELDS)
	enum { EVERY = 4 };
#else
	enum { EVERY = 1024 };
#endif
	return ticket % EVERY == 0;
}

#endif
