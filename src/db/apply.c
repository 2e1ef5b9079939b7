/*
 * A leaf of a large memtable is in no cache, and an insert waits for it longer than
 * it works. So operations are taken in groups: the way to each one's leaf is found,
 * which starts the loads, and only then the first is inserted. What a commit does
 * between apply_begin() and apply_all() hides the wait of its first group, so that
 * a single put gains too.
 */
#include "db/apply.h"

#include "db/gaps.h"

static const struct commit_target *target_of(const struct commit *c, uint32_t family)
{
	for (size_t i = 0; i < c->target_count; i++)
		if (c->targets[i].cf->id == family)
			return &c->targets[i];
	return NULL;
}

static void group_read(struct apply *a)
{
	const struct commit *c = a->commit;
	const uint8_t *end = (const uint8_t *)c->payload.data + c->payload.size;

	for (a->count = 0; a->count < APPLY_GROUP; a->count++) {
		struct batch_op *op = &a->group[a->count].op;
		const struct commit_target *target;

		a->read = batch_op_read(&a->next, end, op);
		if (a->read != SHALE_OK)
			break;
		target = target_of(c, op->cf);
		ASSERT(target != NULL);
		a->group[a->count].table = target->mem->table;
		memtable_aim(a->group[a->count].table, op->key, &a->group[a->count].aim);
	}
	for (unsigned i = 0; i < a->count; i++)
		memtable_aim_closer(a->group[i].table, a->group[i].op.key, &a->group[i].aim);
}

void apply_begin(struct apply *a, const struct commit *c, uint64_t first)
{
	a->commit = c;
	a->next = c->payload.data;
	a->seq = first;
	a->gaps = false;
	for (size_t i = 0; i < c->target_count; i++)
		a->gaps |= gaps_exist(c->targets[i].cf);
	group_read(a);
}

shale_status apply_all(struct apply *a)
{
	for (;;) {
		for (unsigned i = 0; i < a->count; i++) {
			struct batch_op *op = &a->group[i].op;
			shale_status rc = memtable_add(a->group[i].table, a->seq++, op->type,
						       op->key, op->value, &a->group[i].aim);

			if (unlikely(rc < 0))
				return rc;
			if (unlikely(a->gaps) && (op->type == OP_PUT || op->type == OP_PUT_TTL))
				gaps_put(target_of(a->commit, op->cf)->cf, op->key);
		}
		if (a->read != SHALE_OK)
			return a->read == SHALE_END ? SHALE_OK : a->read;
		group_read(a);
	}
}
