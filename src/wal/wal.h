/*
 * The write-ahead log: one for all column families, a chain of segments.
 *
 * Two sinks behind one interface. MAPPED: records are stored into a mapped,
 * preallocated segment; no system call a commit, and the death of the process
 * loses nothing. STAGED: records are stored into a memory image of the segment,
 * and whoever must be durable writes and syncs the completed prefix for all who
 * wait (group commit).
 *
 * A commit's way: wal_reserve() inside the caller's ordered step, wal_fill()
 * outside of it and in parallel, wal_completed() from the caller's in-order
 * publication, then wal_sync() if it must be durable.
 *
 * Segments are made ahead by wal_prepare() so that the ordered step only
 * switches; the caller tells the manifest of them before they are used. Segments
 * no longer needed are kept for recycling, up to a number.
 *
 * A failed write or sync poisons the log: every later reserve and sync returns
 * the first failure (READ_ONLY with its text) until it is closed. No sync is
 * ever tried again on a descriptor that failed.
 *
 * Thread: as said at each function.
 */
#ifndef WAL_WAL_H
#define WAL_WAL_H

#include "base/stats.h"
#include "cache/budget.h"
#include "env/store.h"
#include "format/record.h"

enum wal_sink { WAL_MAPPED, WAL_STAGED };

struct wal_config {
	struct store *store;
	struct stats *stats;
	struct budget *budget; /* BUDGET_LOG: mapped and staged bytes */
	enum wal_sink sink;
	uint64_t segment_bytes; /* capacity of a segment, header included; multiple of 4096 */
	uint64_t store_id;
	uint64_t first_lsn;   /* LSN of byte 0 of the first segment: end_lsn of the replay */
	unsigned recycle_max; /* closed segments kept for reuse */
	unsigned ahead;       /* MAPPED: segments kept that are known, but not in memory */
};

struct wal;
struct wal_segment;

struct wal_sealed {
	uint64_t number, length, last_seq;
};

struct wal_slot {
	struct wal_segment *segment;
	uint8_t *at;       /* where the record goes */
	uint64_t lsn, end; /* position of the record and behind it */
	uint32_t distance;
};

shale_status wal_open(const struct wal_config *config, struct wal **out);

/*
 * Make segment `number`: created or recycled, header durable. It holds a record
 * with a payload of min_payload bytes at least. `edit` goes into the header. On
 * success the caller tells the manifest of it and then calls wal_admit(). Where enough
 * are ready it gets no memory before wal_load(), unless min_payload is not 0. No lock
 * held. Any thread, one at a time.
 */
shale_status wal_prepare(struct wal *w, uint64_t number, uint64_t edit, uint64_t min_payload);
/*
 * The manifest knows of the segment: let reserve use it. With `known` false it is
 * forgotten, its object stays: who failed to write the manifest cannot tell what
 * the next open will find there.
 */
void wal_admit(struct wal *w, bool known);
/*
 * Have an admitted segment with its memory: one that holds the payload, or, with payload 0,
 * one more if one should be ready now. Waits for the device only behind somebody's sync.
 * SHALE_END: all have theirs, one has to be prepared. Any.
 */
shale_status wal_load(struct wal *w, uint64_t payload);
/*
 * Take back the last admitted segment that has no memory (`stale`: and was made of a spare): it
 * will not be used. Its number, or 0. When the manifest has forgotten it, wal_forget() deletes
 * it; else it goes with what is released.
 */
uint64_t wal_withdraw(struct wal *w, bool stale);
void wal_forget(struct wal *w, uint64_t number);
/* Whether an admitted segment waits, with its memory, that holds a payload of this size. Any. */
bool wal_has_ready(struct wal *w, uint64_t payload);
/*
 * Whether a next segment should be loaded or prepared now; `roomy`: there is room for those
 * that will be needed later. Any.
 */
bool wal_wants_segment(struct wal *w, bool roomy);

/*
 * In the ordered step: a place for a record. Rotates when the active segment is
 * full (or there is none): SHALE_MORE when no prepared segment fits, after which
 * the caller prepares one and tries again. next_seq: the record's first sequence.
 * Otherwise only the poison's failure.
 */
shale_status wal_reserve(struct wal *w, size_t payload, uint64_t next_seq, struct wal_slot *out);
/* In the ordered step: end the active segment; the next reserve rotates. */
void wal_rotate(struct wal *w);
/* Number of the active segment; 0 if none. In the ordered step. */
uint64_t wal_active(struct wal *w);

/* Store the record into its slot. Any, in parallel. */
void wal_fill(struct wal *w, const struct wal_slot *slot, uint64_t first_seq, uint32_t count,
	      shale_slice payload, uint32_t payload_crc);

/* Everything before `lsn` is filled; last_seq is its last sequence. In order, one at a time. */
void wal_completed(struct wal *w, uint64_t lsn, uint64_t last_seq);

/*
 * Return when everything before `lsn` (which must be completed) survives power
 * loss. One of the waiters leads; the rest sleep. Any.
 */
shale_status wal_sync(struct wal *w, uint64_t lsn);
/* The same for one of several who commit: others like him are waited for (sync.c). */
shale_status wal_sync_commit(struct wal *w, uint64_t lsn);
uint64_t wal_durable_lsn(const struct wal *w);
uint64_t wal_completed_lsn(const struct wal *w);
uint64_t wal_durable_seq(const struct wal *w); /* last seq known to be durable */

/*
 * Take one rotated-out, completed segment: made durable to its end first. False
 * when there is none. Used by the caller to note it in the manifest. One at a time.
 */
bool wal_take_sealed(struct wal *w, struct wal_sealed *out, shale_status *rc);

/* Nothing in segments numbered below `number` is needed (and the manifest says so). */
void wal_release(struct wal *w, uint64_t number);

/* Delete the logs kept for reuse: their room is wanted. Any. */
void wal_drop_spares(struct wal *w);
/*
 * Whether a mapped log has not moved for a second, and spares or what was made of such lie there;
 * else *wait_ns is at most as long as that may take.
 */
bool wal_is_still(struct wal *w, uint64_t *wait_ns);

/* Bytes in segments that are not released. Any. */
uint64_t wal_live_bytes(const struct wal *w);

/*
 * Seal the tail with an END record, make all durable; *last tells of the active
 * segment (number 0: none). Nothing may be under way. */
shale_status wal_close(struct wal *w, struct wal_sealed *last);
/* Whether it failed and takes no more. Any. */
bool wal_has_failed(const struct wal *w);
/*
 * A log that failed has been replaced, and all that was reserved is completed: close its files
 * and free their memory; the objects are the caller's to delete, but for those kept for reuse.
 * Who still waits in it, or comes, is told why it failed, until it is freed. No prepare is
 * under way.
 */
void wal_retire(struct wal *w);
/* Free it. NULL is allowed. Prepared, unused segments stay, for the next open to remove. */
void wal_free(struct wal *w);

/* ---- recovery ---- */

struct wal_live {
	uint64_t number;
	bool sealed;
	uint64_t length, last_seq; /* where sealed */
};

struct wal_report {
	uint64_t records, bytes, segments;
	uint64_t discarded_bytes;  /* not zero: a torn tail was dropped */
	uint64_t discarded_offset; /* in discarded_number */
	uint64_t discarded_number;
	uint64_t end_lsn; /* LSN behind the last record */
	uint64_t last_seq;
	bool clean; /* ended with END */
};

/*
 * Read the live segments (in the order of the manifest) and call `each` for every
 * record of operations, in order. A missing segment is SHALE_MISSING, damage
 * SHALE_CORRUPT with file and offset; a torn tail ends the log and is reported.
 * `last_edit` is the newest edit of the manifest: a segment that knows of a newer
 * one proves that the manifest lost its tail (SHALE_CORRUPT).
 *
 * What was read is durable afterwards. The log goes on in new segments, from
 * end_lsn. The manifest must forget the segments given here all at once (or none
 * yet): without its predecessors, a segment that was dropped would look like a
 * beginning.
 */
shale_status wal_replay(struct store *store, uint64_t store_id, uint64_t last_edit,
			const struct wal_live *live, size_t n,
			shale_status (*each)(void *arg, uint64_t first_seq, uint32_t count,
					     shale_slice payload),
			void *arg, struct wal_report *report);

#endif
