/*
 * The memtable: the newest run, in memory. A concurrent B+tree over an arena; one
 * slot a user key, its versions a chain, newest first.
 *
 * Nodes hold 32 slots with the common prefix of their keys and 8-byte heads
 * behind it. Readers use optimistic lock coupling (Leis et al., "The ART of
 * Practical Synchronization", 2016): read a node's version, read, check the
 * version again; they never write. Writers lock only the node they change, and
 * its parent when it splits. Nodes and entries never move or die before the
 * memtable does. A version's memory is used again once nobody can see it (reuse.h).
 *
 * Thread: add, get and iterators any at once. A version is visible to a reader
 * whose limit is at least its sequence; order of insertion does not matter.
 */
#ifndef MEMTABLE_MEMTABLE_H
#define MEMTABLE_MEMTABLE_H

#include "iter/iter.h"
#include "iter/rangedel.h"
#include "memtable/aim.h"

struct memtable;

shale_status memtable_new(const shale_env *env, struct memtable **out);
/* Counted; a new one has one reference. NULL is allowed for unref. */
struct memtable *memtable_ref(struct memtable *m);
void memtable_unref(struct memtable *m);

/*
 * A reference whose holder may look, at any time, at what it could see when it got it. To be
 * taken within the reader's epoch, behind its sequence.
 */
struct memtable *memtable_pin(struct memtable *m);
void memtable_unpin(struct memtable *m);

/*
 * Of a key's versions none but the newest with a sequence <= seq is looked at any more, of those
 * that are not newer: by nobody but who holds a pin. Nothing happens while there is a pin. By one
 * thread at a time.
 */
void memtable_reuse_below(struct memtable *m, uint64_t seq);

/*
 * Add one version. Copies key and value. For OP_RANGE_DELETE the value is the
 * end of the range. SHALE_NO_MEMORY leaves the memtable as it was.
 * `aim`, where not NULL, is what memtable_aim() and memtable_aim_closer() gave for the key.
 */
shale_status memtable_add(struct memtable *m, uint64_t seq, enum op_type type, shale_slice key,
			  shale_slice value, const struct memtree_aim *aim);

/* Have what adding the key will read brought near, in two steps; see struct memtree_aim. */
void memtable_aim(struct memtable *m, shale_slice key, struct memtree_aim *out);
void memtable_aim_closer(struct memtable *m, shale_slice key, struct memtree_aim *aim);

/* False: no version of a key with this hash_key() is there. */
bool memtable_may_have(const struct memtable *m, uint64_t hash);

/*
 * The newest point version of key with sequence <= limit. Slices point into the
 * memtable and last as long as the reader's epoch or a pin.
 */
bool memtable_get(struct memtable *m, shale_slice key, uint64_t limit, uint64_t *st,
		  shale_slice *value);

/* Newest range tombstone over key with sequence <= limit; 0 if there is none. */
uint64_t memtable_range_newest(struct memtable *m, shale_slice key, uint64_t limit);

/* Whether there are range tombstones at all; cheap. */
bool memtable_has_ranges(const struct memtable *m);

/*
 * All range tombstones with sequence <= limit that meet [lower, upper) (data NULL: open),
 * appended to a growing array of the caller's (mem_realloc on *list). Slices last as long as
 * a reference. SHALE_NO_MEMORY.
 */
shale_status memtable_ranges(struct memtable *m, uint64_t limit, shale_slice lower,
			     shale_slice upper, struct rangedel **list, size_t *count,
			     size_t *capacity);

/*
 * Point versions with sequence <= limit. With newest_only, one version of each key: the
 * newest such one or, where there is none, the newest of all, for the caller to pass; so
 * a move passes one key, however many are too new. Holds a reference of its own, but no pin:
 * that is for who makes it to hold, or to know that nothing is added any more. Sees
 * entries added after its creation too.
 */
shale_status memtable_iter_new(struct memtable *m, uint64_t limit, bool newest_only,
			       struct iter **out);

uint64_t memtable_count(const struct memtable *m);      /* versions and tombstones */
uint64_t memtable_tombstones(const struct memtable *m); /* of points, of these */
size_t memtable_bytes(const struct memtable *m);        /* heap taken */
bool memtable_bounds(struct memtable *m, shale_slice *lo,
		     shale_slice *hi); /* of point keys; false when empty */

#endif
