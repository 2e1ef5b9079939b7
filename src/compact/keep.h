/*
 * What survives a merge. This is the one place that decides which versions may
 * be dropped, so the rules that can lose data stand here together.
 *
 * Snapshots cut the sequence numbers into stripes: stripe i holds the numbers
 * above snapshot i-1 up to snapshot i, the last stripe those above all of them.
 * Two versions in one stripe cannot be told apart by any reader, now or later,
 * so only the newest of them counts.
 *
 *   shadowed   a newer version of the key lies in the same stripe. Where deleted data
 *              must be gone in time, not the newest tombstone beneath what was put anew:
 *              it tells of older versions elsewhere, which nothing else would look for
 *   range      a newer range tombstone over the key lies in the same stripe
 *   tombstone  in the oldest stripe, where nothing older than this merge can
 *              hold the key: there is nothing left for it to hide
 *   expired    as a tombstone; elsewhere an expired value becomes a tombstone,
 *              since the versions beneath it must stay hidden
 *
 * A put that all readers see and that lies at the bottom gets sequence 0, which
 * lets its block store no sequences at all.
 *
 * Thread: one at a time.
 */
#ifndef COMPACT_KEEP_H
#define COMPACT_KEEP_H

#include "base/buf.h"
#include "iter/rangedel.h"

struct keep_config {
	const uint64_t *snapshots; /* live ones, ascending */
	size_t snapshot_count;
	uint64_t now_ms;
	const struct rangedel_set *ranges; /* those of the inputs; may be NULL */
	/* Whether nothing older than the inputs can hold a key. Asked with rising keys. */
	bool (*bottom_key)(void *arg, shale_slice key);
	/* The same of any key in [lo, hi); asked in any order. */
	bool (*bottom_range)(void *arg, shale_slice lo, shale_slice hi);
	void *arg;
	bool deadline; /* what was deleted must be gone in time: shadowed tombstones stay */
};

enum keep_verdict {
	KEEP,
	KEEP_AS_DELETE, /* write it as a tombstone without value */
	KEEP_AS_OLDEST, /* write it with sequence 0 */
	DROP_SHADOWED,
	DROP_TOMBSTONE,
	DROP_EXPIRED,
	DROP_RANGE,
	KEEP_VERDICTS,
};

struct keep {
	struct keep_config config;
	struct buf last_key;
	bool has_last;
	bool deleted;       /* nothing more of last_key is needed to tell of what was deleted */
	size_t last_stripe; /* of the newest version of last_key seen so far in it */
	size_t next_range;  /* the first fragment of config.ranges that ends behind last_key */
	const struct rangedel_fragment *over; /* the one over last_key; may be NULL */
	uint64_t counts[KEEP_VERDICTS];
};

void keep_init(struct keep *k, const shale_env *env, const struct keep_config *config);
void keep_fini(struct keep *k);

/*
 * The next entry in entry order. *new_key tells whether it is the first version
 * of its key. SHALE_NO_MEMORY; the verdict is counted.
 */
shale_status keep_decide(struct keep *k, shale_slice key, uint64_t st, shale_slice value,
			 enum keep_verdict *verdict, bool *new_key);

/* Whether tombstone number i of a fragment of the inputs is still needed. */
bool keep_range(struct keep *k, const struct rangedel_fragment *f, size_t i);

#endif
