#include "db/batch.h"

#include "format/batch.h"

/* Marks an expiry field that still holds a duration. Points in time stay below. */
#define DURATION (UINT64_C(1) << 63)

shale_status shale_batch_new(shale_batch **out)
{
	const shale_env *env = shale_env_default();
	shale_batch *b = mem_zalloc(env, sizeof(*b));

	if (b == NULL)
		return err_memory("a batch");
	buf_init(&b->bytes, env);
	*out = b;
	return SHALE_OK;
}

void shale_batch_free(shale_batch *b)
{
	const shale_env *env;

	if (b == NULL)
		return;
	env = b->bytes.env;
	mem_free(env, b->families);
	buf_fini(&b->bytes);
	mem_free(env, b);
}

void shale_batch_clear(shale_batch *b)
{
	buf_reset(&b->bytes);
	b->count = 0;
	b->puts = b->deletes = b->range_deletes = b->user_bytes = 0;
	b->has_ttl = false;
	b->db = NULL;
	b->family_count = 0;
}

size_t shale_batch_count(const shale_batch *b)
{
	return b->count;
}

static shale_status note_family(shale_batch *b, uint32_t id)
{
	for (size_t i = b->family_count; i-- > 0;)
		if (b->families[i] == id)
			return SHALE_OK;
	if (b->family_count == b->family_capacity) {
		size_t capacity = b->family_capacity != 0 ? 2 * b->family_capacity : 4;
		uint32_t *more = mem_realloc(b->bytes.env, b->families, capacity * sizeof(*more));

		if (more == NULL)
			return err_memory("the families of a batch");
		b->families = more;
		b->family_capacity = capacity;
	}
	b->families[b->family_count++] = id;
	return SHALE_OK;
}

static shale_status add(shale_batch *b, const shale_write_options *o, struct batch_op *op)
{
	uint64_t ttl = o != NULL && op->type == OP_PUT ? o->ttl_ms : 0;
	shale_cf *cf = o != NULL ? o->cf : NULL;
	size_t size;
	uint8_t *p;
	shale_status rc;

	if (o != NULL && o->struct_size != sizeof(*o))
		return err_new(SHALE_INVALID,
			       "shale_write_options.struct_size is %zu; set it up with "
			       "SHALE_WRITE_OPTIONS_INIT",
			       o->struct_size);
	if (cf != NULL && b->db != NULL && cf->db != b->db)
		return err_new(SHALE_INVALID, "the batch has column families of two stores");
	if (b->count == UINT32_MAX)
		return err_new(SHALE_TOO_LARGE, "the batch holds %zu operations; that is the limit",
			       b->count);
	op->cf = cf != NULL ? cf->id : 0;
	size = ttl != 0 ? batch_ttl_size(op->cf, op->key, op->value) : batch_op_size(op);
	if (b->bytes.size + size > UINT32_MAX)
		return err_new(SHALE_TOO_LARGE,
			       "the batch would have %zu bytes; the limit is 4 GiB",
			       b->bytes.size + size);
	rc = note_family(b, op->cf);
	if (rc < 0)
		return rc;
	p = buf_extend(&b->bytes, size);
	if (p == NULL) {
		b->bytes.failed = false; /* what was gathered before is whole */
		return err_memory("a batch");
	}
	if (ttl != 0) {
		/* The longest ends beyond all clocks, as it does for a single put. */
		batch_ttl_write(p, op->cf, op->key,
				DURATION | (ttl < DURATION ? ttl : DURATION - 1), op->value);
		b->has_ttl = true;
	} else {
		batch_op_write(p, op);
	}
	if (cf != NULL)
		b->db = cf->db;
	b->count++;
	b->user_bytes += op->key.size + op->value.size;
	return SHALE_OK;
}

shale_status shale_batch_put(shale_batch *b, const shale_write_options *o, shale_slice key,
			     shale_slice value)
{
	struct batch_op op = { .type = OP_PUT, .key = key, .value = value };
	shale_status rc = key_check(&op.key);

	if (rc >= 0)
		rc = value_check(value);
	if (rc >= 0)
		rc = add(b, o, &op);
	b->puts += rc >= 0;
	return rc;
}

shale_status shale_batch_delete(shale_batch *b, const shale_write_options *o, shale_slice key)
{
	struct batch_op op = { .type = OP_DELETE, .key = key };
	shale_status rc = key_check(&op.key);

	if (rc >= 0)
		rc = add(b, o, &op);
	b->deletes += rc >= 0;
	return rc;
}

shale_status range_check(shale_slice *lo, shale_slice *hi)
{
	shale_status rc = key_check(lo);

	if (rc >= 0)
		rc = key_check(hi);
	if (rc >= 0 && slice_cmp(*lo, *hi) >= 0)
		rc = err_new(SHALE_INVALID, "the range is empty: its end is not behind its start");
	return rc;
}

shale_status shale_batch_delete_range(shale_batch *b, const shale_write_options *o, shale_slice lo,
				      shale_slice hi)
{
	struct batch_op op = { .type = OP_RANGE_DELETE, .key = lo, .value = hi };
	shale_status rc = range_check(&op.key, &op.value);

	if (rc >= 0)
		rc = add(b, o, &op);
	b->range_deletes += rc >= 0;
	return rc;
}

static uint64_t family_ttl(const struct commit *c, uint32_t id)
{
	for (size_t i = 0; i < c->target_count; i++)
		if (c->targets[i].cf->id == id)
			return c->targets[i].cf->options.ttl_ms;
	return 0;
}

bool batch_needs_expiry(const shale_batch *b, const struct commit *c)
{
	for (size_t i = 0; i < c->target_count; i++)
		if (c->targets[i].cf->options.ttl_ms != 0)
			return true;
	return b->has_ttl;
}

shale_status batch_with_expiry(shale_db *db, const shale_batch *b, const struct commit *c,
			       struct buf *out)
{
	const uint8_t *p = b->bytes.data, *end = p + b->bytes.size;
	uint64_t now = env_wall_ms(db->env);
	struct batch_op op;
	shale_status rc;

	while ((rc = batch_op_read(&p, end, &op)) == SHALE_OK) {
		uint64_t ttl = op.type == OP_PUT ? family_ttl(c, op.cf) : 0, at;
		uint8_t *to;

		if (op.type == OP_PUT_TTL)
			ttl = get_u64le(op.value.data) & ~DURATION;
		if (ttl == 0) {
			to = buf_extend(out, batch_op_size(&op));
			if (to != NULL)
				batch_op_write(to, &op);
			continue;
		}
		if (__builtin_add_overflow(now, ttl, &at) || at >= DURATION)
			at = DURATION - 1;
		op.value = entry_value(op.type, op.value);
		to = buf_extend(out, batch_ttl_size(op.cf, op.key, op.value));
		if (to != NULL)
			batch_ttl_write(to, op.cf, op.key, at, op.value);
	}
	if (out->failed)
		return err_memory("a batch");
	return rc == SHALE_END ? SHALE_OK : rc;
}
