#include "bytes.h"

#include "format/batch.h"

enum { OPS = 400 };

struct made {
	struct batch_op op;
	uint8_t *key, *value;
};

/* A random operation; keys and values are owned by *m. */
static void made_init(struct made *m, struct rand *r)
{
	size_t key = rand_below(r, 20) == 0 ? rand_below(r, SHALE_KEY_MAX + 1) : rand_below(r, 40);
	size_t value = rand_below(r, 30) == 0 ? rand_below(r, 300000) : rand_below(r, 200);

	m->op.type = (enum op_type)rand_below(r, OP_RANGE_DELETE + 1);
	m->op.cf = rand_below(r, 2) != 0 ? (uint32_t)bytes_number(r, 32) : 0;
	if (m->op.type == OP_RANGE_DELETE) {
		/* The start is the shorter one of a pair that has a common beginning. */
		key %= SHALE_KEY_MAX;
		value = key + 1;
	} else if (m->op.type == OP_PUT_TTL) {
		value += 8;
	} else if (m->op.type == OP_DELETE) {
		value = 0;
	}
	m->key = malloc(key + 1);
	m->value = malloc(value + 1);
	bytes_random(r, m->key, key);
	bytes_random(r, m->value, value);
	if (m->op.type == OP_RANGE_DELETE)
		memcpy(m->value, m->key, key);
	m->op.key = slice_from(m->key, key);
	m->op.value = slice_from(m->value, value);
}

static void made_fini(struct made *m)
{
	free(m->key);
	free(m->value);
}

static void assert_op(const struct batch_op *a, const struct batch_op *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->cf, b->cf);
	assert_same(a->key, b->key);
	assert_same(a->value, b->value);
}

static void reads_back_what_was_written(void **state)
{
	struct made made[OPS];
	struct batch_op got;
	struct rand r;
	size_t size = 0;
	uint8_t *bytes, *p;
	const uint8_t *q;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < OPS; i++) {
		made_init(&made[i], &r);
		size += batch_op_size(&made[i].op);
	}
	bytes = malloc(size);
	p = bytes;
	for (size_t i = 0; i < OPS; i++) {
		uint8_t *next = batch_op_write(p, &made[i].op);

		assert_int_equal(next - p, batch_op_size(&made[i].op));
		p = next;
	}
	assert_ptr_equal(p, bytes + size);
	q = bytes;
	for (size_t i = 0; i < OPS; i++) {
		assert_ok(batch_op_read(&q, bytes + size, &got));
		assert_op(&got, &made[i].op);
		made_fini(&made[i]);
	}
	assert_status(batch_op_read(&q, bytes + size, &got), SHALE_END);
	free(bytes);
}

static void an_expiry_is_joined_while_writing(void **state)
{
	uint8_t bytes[64];
	const uint8_t *p = bytes;
	size_t size = batch_ttl_size(7, bytes_str("key"), bytes_str("value"));
	struct batch_op op;

	(void)state;
	assert_ptr_equal(batch_ttl_write(bytes, 7, bytes_str("key"), 123456789, bytes_str("value")),
			 bytes + size);
	assert_ok(batch_op_read(&p, bytes + size, &op));
	assert_int_equal(op.type, OP_PUT_TTL);
	assert_int_equal(op.cf, 7);
	assert_slice(op.key, "key");
	assert_int_equal(get_u64le(op.value.data), 123456789);
	assert_slice(entry_value(op.type, op.value), "value");
	assert_true(entry_expired(op.type, op.value, 123456789));
	assert_false(entry_expired(op.type, op.value, 123456788));
}

static void assert_refused(const void *bytes, size_t n)
{
	uint8_t *copy = bytes_copy(bytes, n);
	const uint8_t *p = copy;
	struct batch_op op;

	assert_status(batch_op_read(&p, copy + n, &op), SHALE_CORRUPT);
	assert_ptr_equal(p, copy);
	free(copy);
}

static void refuses_what_no_writer_makes(void **state)
{
	static const char cut_key[] = { OP_PUT, 4, 0, 'a', 'b', 'c' };
	static const char cut_value[] = { OP_PUT, 1, 3, 'a', 'b', 'c' };
	static const char unknown[] = { OP_POINTER, 1, 1, 'a', 'b' };
	static const char reserved_bit[] = { OP_PUT | 0x10, 1, 1, 'a', 'b' };
	static const char no_expiry[] = { OP_PUT_TTL, 1, 7, 'a', 1, 2, 3, 4, 5, 6, 7 };
	static const char empty_range[] = { OP_RANGE_DELETE, 1, 1, 'b', 'b' };
	static const char turned_range[] = { OP_RANGE_DELETE, 1, 1, 'b', 'a' };
	static const char long_key[] = { OP_DELETE, (char)0x81, (char)0x80, 0x04 };
	static const char big_cf[] = { (char)0x81, (char)0xff, (char)0xff, (char)0xff, (char)0xff,
				       0x1f,       1,          0,          'a' };
	static const char huge_value[] = { OP_PUT,     0,          (char)0xff, (char)0xff,
					   (char)0xff, (char)0xff, (char)0xff, (char)0xff,
					   (char)0xff, (char)0xff, (char)0xff, 0x01 };

	(void)state;
	assert_refused(cut_key, sizeof(cut_key));
	assert_refused(cut_value, sizeof(cut_value));
	assert_refused(unknown, sizeof(unknown));
	assert_refused(reserved_bit, sizeof(reserved_bit));
	assert_refused(no_expiry, sizeof(no_expiry));
	assert_refused(empty_range, sizeof(empty_range));
	assert_refused(turned_range, sizeof(turned_range));
	assert_refused(long_key, sizeof(long_key));
	assert_refused(big_cf, sizeof(big_cf));
	assert_refused(huge_value, sizeof(huge_value));
}

static void survives_hostile_bytes(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t round = test_scale(20000); round > 0; round--) {
		size_t n = rand_below(&r, 60);
		uint8_t bytes[60], *copy;
		const uint8_t *p;
		struct batch_op op;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)bytes_number(&r, 8);
		copy = bytes_copy(bytes, n);
		p = copy;
		while (batch_op_read(&p, copy + n, &op) == SHALE_OK) {
			assert_true((const uint8_t *)op.key.data + op.key.size <= copy + n);
			assert_true(p > copy && p <= copy + n);
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_what_was_written),
		cmocka_unit_test(an_expiry_is_joined_while_writing),
		cmocka_unit_test(refuses_what_no_writer_makes),
		cmocka_unit_test(survives_hostile_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
