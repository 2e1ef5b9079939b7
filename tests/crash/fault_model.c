/*
 * What a store must hold after failures. A write that was acknowledged is there; one
 * that failed is there as a whole or not at all. Values tell which write they are of,
 * so what is read proves of some writes that they are in, and of others that they are
 * not: of no write may both be so.
 */
#include "crash/fault.h"

void commit_begin(struct run *r)
{
	CHECK(r, r->commits < COMMITS_MAX, "too many commits for this test");
	r->commit[r->commits++] = (struct commit){ .op = (uint16_t)r->ops };
}

static void add_op(struct run *r, int family, size_t key, uint32_t id)
{
	CHECK(r, r->ops < OPS_MAX, "too many operations for this test");
	r->op[r->ops++] = (struct op){ (uint8_t)family, (uint8_t)key, id };
	r->commit[r->commits - 1].ops++;
}

uint32_t commit_put(struct run *r, int family, size_t key)
{
	uint32_t id = ++r->next_id;

	add_op(r, family, key, id);
	r->commit_of[id] = (uint16_t)(r->commits - 1);
	return id;
}

void commit_delete(struct run *r, int family, size_t key)
{
	add_op(r, family, key, 0);
}

void commit_end(struct run *r, bool ok)
{
	r->commit[r->commits - 1].unsure = !ok;
}

struct proof {
	bool in[COMMITS_MAX], out[COMMITS_MAX];
};

/* The last operation of commit c on a key; NULL: it has none. */
static const struct op *op_on(const struct run *r, size_t c, int family, size_t key)
{
	const struct commit *commit = &r->commit[c];

	for (size_t i = commit->ops; i-- > 0;) {
		const struct op *op = &r->op[commit->op + i];

		if (op->family == family && op->key == key)
			return op;
	}
	return NULL;
}

static bool may_miss(const struct run *r, size_t c)
{
	/* Without a log a flush that failed may lose what was acknowledged. */
	return r->commit[c].unsure || r->plan->work->durability == SHALE_EPHEMERAL;
}

static void check_key(struct run *r, int family, size_t key, uint32_t id, struct proof *proof)
{
	for (size_t c = r->commits; c-- > 0;) {
		const struct op *op = op_on(r, c, family, key);

		if (op == NULL)
			continue;
		if (op->id == id) {
			/* That it is deleted proves nothing: an older write may have done it. */
			if (id != 0)
				proof->in[c] = true;
			return;
		}
		CHECK(r, may_miss(r, c), "key %zu of family %d: commit %zu is lost; it holds %u",
		      key, family, c, id);
		proof->out[c] = true;
	}
	CHECK(r, id == 0, "key %zu of family %d holds %u, which was never there", key, family, id);
}

void content_check(struct run *r, const struct content *got)
{
	struct proof proof = { 0 };

	for (int f = 0; f < FAMILIES; f++)
		for (size_t k = 0; k < KEYS; k++)
			if (!got->unknown[f][k])
				check_key(r, f, k, got->id[f][k], &proof);
	for (size_t c = 0; c < r->commits; c++)
		CHECK(r, !proof.in[c] || !proof.out[c], "commit %zu is half there", c);
}
