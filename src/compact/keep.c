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
static size_t stripe_of(const struct keep_config *c, uint64_t seq)
{
	size_t lo = 0, hi = c->snapshot_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->snapshots[mid] < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool covered(const struct keep_config *c, shale_slice key, uint64_t seq, size_t stripe)
{
	uint64_t above;

	if (c->ranges == NULL || c->ranges->count == 0)
		return false;
	above = rangedel_next_above(c->ranges, key, seq);
	return above != UINT64_MAX && stripe_of(c, above) == stripe;
}

/* The verdict on the newest version of a key in its stripe. */
static enum keep_verdict judge(const struct keep_config *c, shale_slice key, uint64_t seq,
			       enum op_type type, shale_slice value, size_t stripe)
{
	if (covered(c, key, seq, stripe))
		return DROP_RANGE;
	/* In the oldest stripe all older versions in this merge are dropped as shadowed. */
	if (type == OP_DELETE)
		return stripe == 0 && c->bottom_key(c->arg, key) ? DROP_TOMBSTONE : KEEP;
	if (entry_expired(type, value, c->now_ms))
		return stripe == 0 && c->bottom_key(c->arg, key) ? DROP_EXPIRED : KEEP_AS_DELETE;
	/* A range tombstone older than this version may be kept; it must stay older. */
	if (stripe == 0 && seq != 0 && rangedel_find(c->ranges, key) == NULL &&
	    c->bottom_key(c->arg, key))
		return KEEP_AS_OLDEST;
	return KEEP;
}

shale_status keep_decide(struct keep *k, shale_slice key, uint64_t st, shale_slice value,
			 enum keep_verdict *verdict, bool *new_key)
{
	uint64_t seq = seqtype_seq(st);
	size_t stripe = stripe_of(&k->config, seq);

	*new_key = !k->has_last || !slice_eq(key, buf_view(&k->last_key));
	if (*new_key) {
		buf_reset(&k->last_key);
		buf_append(&k->last_key, key.data, key.size);
		if (k->last_key.failed)
			return err_memory("a merge's last key");
		k->has_last = true;
	} else if (stripe == k->last_stripe) {
		k->counts[ *verdict = DROP_SHADOWED]++;
		return SHALE_OK;
	}
	k->last_stripe = stripe;
	*verdict = judge(&k->config, key, seq, seqtype_type(st), value, stripe);
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
