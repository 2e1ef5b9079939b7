/*
 * Entries come in entry order: the versions of a key newest first, the keys
 * rising. So one key and one stripe of memory are enough to tell what is
 * shadowed, and one position in the range tombstones moves along with the keys.
 */
#include "compact/keep.h"

void keep_init(struct keep *k, const shale_env *env, const struct keep_config *config)
{
	*k = (struct keep){ .config = *config };
	buf_init(&k->last_key, env);
}

void keep_fini(struct keep *k)
{
	buf_fini(&k->last_key);
}

/* Index of the oldest snapshot that sees seq; the count of snapshots if none does. */
static inline size_t stripe_of(const struct keep_config *c, uint64_t seq)
{
	const uint64_t *p = c->snapshots;
	size_t n = c->snapshot_count;

	if (n == 0)
		return 0;
	/* Any answer is as likely as any other: no branch to mispredict. */
	while (n > 1) {
		size_t half = n / 2;

		p += (size_t)(p[half - 1] < seq) * half;
		n -= half;
	}
	return (size_t)(p - c->snapshots) + (*p < seq);
}

/* ---- the key ---- */

/* Keys that come one after another differ at their ends as a rule. */
static inline bool is_last_key(const struct keep *k, shale_slice key)
{
	const uint8_t *last = k->last_key.data;
	size_t n = key.size;

	if (n != k->last_key.size || !k->has_last)
		return false;
	if (n >= 8 && get_u64le(last + n - 8) != get_u64le((const uint8_t *)key.data + n - 8))
		return false;
	return n == 0 || memcmp(last, key.data, n) == 0;
}

static shale_status begin_key(struct keep *k, shale_slice key)
{
	const struct rangedel_set *ranges = k->config.ranges;

	buf_reset(&k->last_key);
	if (unlikely(!buf_reserve(&k->last_key, key.size)))
		return err_memory("a merge's last key");
	if (key.size != 0)
		memcpy(k->last_key.data, key.data, key.size);
	k->last_key.size = key.size;
	k->has_last = true;
	k->deleted = !k->config.deadline;

	k->over = NULL;
	if (likely(ranges == NULL))
		return SHALE_OK;
	while (k->next_range < ranges->count &&
	       slice_cmp(ranges->fragments[k->next_range].hi, key) <= 0)
		k->next_range++;
	if (k->next_range < ranges->count &&
	    slice_cmp(ranges->fragments[k->next_range].lo, key) <= 0)
		k->over = &ranges->fragments[k->next_range];
	return SHALE_OK;
}

/* ---- the rules ---- */

/* Whether the oldest of the fragment's tombstones that are newer than seq is in its stripe. */
static bool covered(const struct keep_config *c, const struct rangedel_fragment *f, uint64_t seq,
		    size_t stripe)
{
	size_t above = 0, end = f->seq_count;

	while (above < end) {
		size_t mid = above + (end - above) / 2;

		if (f->seqs[mid] > seq)
			above = mid + 1;
		else
			end = mid;
	}
	return above != 0 && stripe_of(c, f->seqs[above - 1]) == stripe;
}

/* The verdict on the newest version of a key in its stripe. */
static inline enum keep_verdict judge(const struct keep *k, shale_slice key, uint64_t seq,
				      enum op_type type, shale_slice value, size_t stripe)
{
	const struct keep_config *c = &k->config;

	if (unlikely(k->over != NULL) && covered(c, k->over, seq, stripe))
		return DROP_RANGE;
	/* In the oldest stripe all older versions in this merge are dropped as shadowed. */
	if (type == OP_DELETE)
		return stripe == 0 && c->bottom_key(c->arg, key) ? DROP_TOMBSTONE : KEEP;
	if (entry_expired(type, value, c->now_ms))
		return stripe == 0 && c->bottom_key(c->arg, key) ? DROP_EXPIRED : KEEP_AS_DELETE;
	/* A range tombstone older than this version may be kept; it must stay older. */
	if (stripe == 0 && seq != 0 && k->over == NULL && c->bottom_key(c->arg, key))
		return KEEP_AS_OLDEST;
	return KEEP;
}

/*
 * The verdict on what a newer version hides from all. A put on top of a tombstone does not
 * delete what lies further down; where that can be nothing, the put may have become the oldest.
 */
static enum keep_verdict judge_shadowed(struct keep *k, shale_slice key, enum op_type type,
					size_t stripe)
{
	const struct keep_config *c = &k->config;

	if (likely(k->deleted) || type != OP_DELETE)
		return DROP_SHADOWED;
	k->deleted = true;
	return stripe == 0 && c->bottom_key(c->arg, key) ? DROP_SHADOWED : KEEP;
}

shale_status keep_decide(struct keep *k, shale_slice key, uint64_t st, shale_slice value,
			 enum keep_verdict *verdict, bool *new_key)
{
	uint64_t seq = seqtype_seq(st);
	size_t stripe = stripe_of(&k->config, seq);
	enum op_type type = seqtype_type(st);
	shale_status rc;

	*new_key = !is_last_key(k, key);
	if (*new_key) {
		rc = begin_key(k, key);
		if (unlikely(rc < 0))
			return rc;
	} else if (stripe == k->last_stripe) {
		*verdict = judge_shadowed(k, key, type, stripe);
		k->counts[*verdict]++;
		return SHALE_OK;
	}
	k->last_stripe = stripe;
	*verdict = judge(k, key, seq, type, value, stripe);
	k->deleted |= *verdict != KEEP || type == OP_DELETE;
	k->counts[*verdict]++;
	return SHALE_OK;
}

bool keep_range(struct keep *k, const struct rangedel_fragment *f, size_t i)
{
	const struct keep_config *c = &k->config;
	size_t stripe = stripe_of(c, f->seqs[i]);

	/* A newer tombstone over the same range in the same stripe says it all. */
	if (i > 0 && stripe_of(c, f->seqs[i - 1]) == stripe)
		return false;
	return stripe != 0 || !c->bottom_range(c->arg, f->lo, f->hi);
}
