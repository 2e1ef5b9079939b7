/*
 * What the files of the log share. wal.c is the ordered step and the life of
 * the log, ahead.c the segments it will need, segment.c one segment's file and
 * memory, sync.c group commit, replay.c and reader.c recovery.
 *
 * Segments in use form a chain, oldest first, by `next`. Three walk along it,
 * each forward only: the ordered step at its tail, wal_completed() behind it, the
 * leader of a sync behind that. A segment's file and memory go when it is
 * released; its struct stays until the completer and the leader have left it.
 */
#ifndef WAL_IMPL_H
#define WAL_IMPL_H

#include "base/lock.h"
#include "wal/wal.h"

/* Where the first record of a segment ends: behind its LINK. */
#define SEGMENT_FIRST (LOG_PAGE + record_size(LINK_SIZE))
#define SEGMENT_OPEN UINT64_MAX /* `end` of a segment that still grows */

struct wal_segment {
	/* Set before it is active, then constant. */
	uint64_t number, capacity;
	uint64_t base;      /* LSN of byte 0 */
	uint64_t first_seq; /* of its first record */
	bool recycled;      /* held older bytes when it was made */

	/* Given back by the leader (or its stand-in, wal_release). */
	struct log_file *file;
	uint8_t *image; /* of the whole segment: the mapping, or the memory it is staged in */

	/* The leader's. LSNs, but zeroed. */
	uint64_t written; /* STAGED: in the file up to here */
	uint64_t synced;
	uint64_t zeroed; /* STAGED: offset up to which the file has blocks with data */

	/* Set once, by the ordered step, with release; read with acquire. */
	_Atomic uint64_t end; /* LSN behind the last record, or SEGMENT_OPEN */
	_Atomic(struct wal_segment *) next;

	_Atomic uint64_t last_seq; /* at least that of what is completed; the completer's */

	/* Guarded by wal.mu. */
	bool taken;               /* wal_take_sealed() told of it */
	bool released;            /* nothing in it is needed */
	struct wal_segment *link; /* in the lists `prepared` and `skipped` */
};

struct wal {
	/* Set by wal_open(), then constant. */
	struct wal_config config;
	const shale_env *env;

	/* The ordered step's. */
	_Alignas(64) struct wal_segment *active; /* NULL: the next reserve rotates */
	uint64_t limit;                          /* no record of the active one ends behind it */
	struct wal_segment *tail;                /* last of the chain, active or ended */
	_Atomic uint64_t position; /* next free offset, 0 without active; others look, relaxed */

	/* The completer's; others look. */
	_Alignas(64) _Atomic uint64_t completed;
	_Atomic uint64_t completed_seq;
	_Atomic(struct wal_segment *) completing; /* where `completed` is */

	/* Stored by the leader, read by all. */
	_Alignas(64) _Atomic uint64_t durable;
	_Atomic uint64_t durable_seq;
	_Atomic bool poisoned; /* set with release, after poison_error */

	_Atomic uint64_t sealed_bytes; /* of ended segments that are not released */
	_Atomic uint32_t ready_count;  /* prepared segments with an image */
	_Atomic uint32_t known_count;  /* and without */
	_Atomic uint32_t skipped_count;
	_Atomic uint32_t spare_count;
	_Atomic uint32_t mapped_count; /* images of a mapped log */
	_Atomic uint32_t used_count;   /* segments that ever were active */
	_Atomic uint64_t rotated_ns;   /* when the last became so */

	struct mutex load_mu; /* rank WAL_LOAD; one that is known is loaded at a time */
	struct mutex sync_mu; /* rank WAL_SYNC */
	bool leading;
	uint64_t round;         /* of the group that forms */
	_Atomic uint64_t ended; /* rounds that have; others look */
	struct cond group[2];   /* by parity of the round */
	uint32_t waiting[2];    /* members of each, until its round has ended */
	uint32_t expected;      /* tasks that the last sync has served or that wait, about */
	uint64_t sync_ns;       /* that it took */
	uint64_t ended_ns;      /* when */
	uint64_t coming_ns;     /* between one who came while a leader gathered and the next */
	bool gathering;
	struct cond gathered; /* the leader: all who are expected wait */
	struct wal_segment
		*syncing; /* the leader's own: first of the chain not durable to its end */

	struct mutex mu; /* rank WAL; guards the rest */
	struct wal_segment *first;
	struct wal_segment *pending;  /* made, not admitted */
	struct wal_segment *prepared; /* admitted, in order of their numbers */
	struct wal_segment *loading;  /* of these; its image is being made */
	struct wal_segment *skipped;  /* prepared, but never to be used */
	uint64_t *spares;             /* numbers of closed logs for reuse */
	uint8_t *idle_image;          /* of a standard segment, for the next one */
	shale_error poison_error;
};

static inline uint64_t segment_end(const struct wal_segment *s)
{
	return atomic_load_explicit(&s->end, memory_order_acquire);
}

static inline bool wal_is_poisoned(const struct wal *w)
{
	return atomic_load_explicit(&w->poisoned, memory_order_acquire);
}

static inline void wal_count(struct wal *w, enum stat which, uint64_t n)
{
	if (w->config.stats != NULL)
		stats_add(w->config.stats, which, n);
}

static inline void wal_account(struct wal *w, int64_t bytes)
{
	if (w->config.budget != NULL)
		budget_add(w->config.budget, BUDGET_LOG, bytes);
}

/* Remember the task's last failure as the log's; returns its code. */
shale_status wal_poison(struct wal *w);
/* The failure of everything after that. */
shale_status wal_poison_status(struct wal *w);

/* A segment with its file, header durable, without an image. */
shale_status segment_new(struct wal *w, uint64_t number, uint64_t edit, uint64_t capacity,
			 struct wal_segment **out);
/* Its image, once. */
shale_status segment_load(struct wal *w, struct wal_segment *s);
/* Free it and delete its object, keeping the failure that led here. */
void segment_discard(struct wal *w, struct wal_segment *s);
/* Write and sync what lies before LSN `upto`. The leader's. */
shale_status segment_sync(struct wal *w, struct wal_segment *s, uint64_t upto);
/* Give back its file (kept for reuse, or deleted) and memory. The leader's, or unused. */
void segment_retire(struct wal *w, struct wal_segment *s);
/* Close and free it; its object stays. */
void segment_free(struct wal *w, struct wal_segment *s);
void segment_drop_image(struct wal *w, struct wal_segment *s);
/* MAPPED: nothing will be stored any more. The leader's, or its stand-in's. */
void segment_unmap(struct wal *w, struct wal_segment *s);

/* The next segment for a record of `size` bytes, if it is ready, else NULL. mu is held. */
struct wal_segment *ahead_take(struct wal *w, uint64_t size);

/* Take and give up the lead of the chain, as a sync would. No lock held. */
void wal_lead(struct wal *w);
/* The same where nobody leads, else false. */
bool wal_try_lead(struct wal *w);
void wal_unlead(struct wal *w);

/* ---- reading ---- */

/* A window on a log file that moves forward, and grows for a large record. */
struct wal_reader {
	const shale_env *env;
	struct log_file *file;
	uint64_t size; /* of the file */
	uint8_t *window;
	size_t capacity, have;
	uint64_t start; /* offset of the window */
};

/* Opens the log; fini with NULL members is allowed. */
shale_status wal_reader_init(struct wal_reader *r, struct store *store, uint64_t number);
void wal_reader_fini(struct wal_reader *r);
/* Let *p be the n bytes at `offset`, which must lie in the file and not before the window. */
shale_status wal_reader_load(struct wal_reader *r, uint64_t offset, size_t n, const uint8_t **p);

static inline shale_status wal_reader_at(struct wal_reader *r, uint64_t offset, size_t n,
					 const uint8_t **p)
{
	if (likely(offset - r->start <= r->have && n <= r->have - (size_t)(offset - r->start))) {
		*p = r->window + (offset - r->start);
		return SHALE_OK;
	}
	return wal_reader_load(r, offset, n, p);
}

/* The record at `offset`; *size is 0 where there is none. */
shale_status wal_reader_record(struct wal_reader *r, uint64_t offset, uint64_t number,
			       struct record_header *h, shale_slice *payload, size_t *size);

/* What lies behind the place where a segment's records end. */
struct wal_behind {
	uint64_t end;   /* behind the last trace of a record; 0: there is none */
	bool records;   /* there are sound ones */
	uint64_t proof; /* offset of one that knew the place to be durable; 0: none */
};

/*
 * Look for sound records of segment `number` from `from` to the file's end, with
 * sequence numbers of at least `seq`. One of them is proof if it says that what
 * is at LSN `hole` was durable; the segment's byte 0 is at LSN `base`. `fresh`:
 * the file held no older bytes, so any byte that is not zero is a trace.
 */
shale_status wal_reader_scan(struct wal_reader *r, uint64_t number, uint64_t from, uint64_t seq,
			     uint64_t base, uint64_t hole, bool fresh, struct wal_behind *out);

#endif
