/* The growing buffer, with and without memory. */
#include "support/test.h"

#include "base/buf.h"

static void what_is_appended_is_there_in_order(void **state)
{
	struct buf b;
	uint64_t v;

	(void)state;
	buf_init(&b, shale_env_default());
	buf_u8(&b, 1);
	buf_u16(&b, 0x0203);
	buf_u32(&b, 0x04050607);
	buf_u64(&b, 0x08090a0b0c0d0e0f);
	buf_varint(&b, 300);
	buf_slice(&b, shale_str("hello"));
	buf_append(&b, NULL, 0);
	assert_false(b.failed);
	assert_int_equal(b.size, 1 + 2 + 4 + 8 + 2 + 1 + 5);
	assert_int_equal(b.data[0], 1);
	assert_int_equal(get_u16le(b.data + 1), 0x0203);
	assert_int_equal(get_u32le(b.data + 3), 0x04050607);
	assert_true(get_u64le(b.data + 7) == 0x08090a0b0c0d0e0f);
	assert_ptr_equal(get_varint(b.data + 15, b.data + b.size, &v), b.data + 17);
	assert_int_equal(v, 300);
	assert_memory_equal(b.data + 17, "\5hello", 6);
	buf_reset(&b);
	assert_int_equal(buf_view(&b).size, 0);
	buf_fini(&b);
	buf_fini(&b); /* twice does no harm */
}

static void growth_keeps_what_was_there(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, shale_env_default());
	for (uint32_t i = 0; i < 100000; i++)
		buf_u32(&b, i);
	assert_false(b.failed);
	assert_int_equal(b.size, 400000);
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(get_u32le(b.data + 4 * i), i);
	buf_fini(&b);
}

static void an_empty_extension_is_no_failure(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, shale_env_default());
	assert_non_null(buf_extend(&b, 0));
	assert_false(b.failed);
	buf_fini(&b);
}

static void *no_memory(void *self, void *p, size_t n)
{
	(void)self;
	(void)p;
	(void)n;
	return NULL;
}

static void a_failed_growth_is_remembered(void **state)
{
	shale_env env = *shale_env_default();
	shale_allocator_ops ops = *env.allocator.ops;
	struct buf b;

	(void)state;
	env.allocator.ops = &ops;
	buf_init(&b, &env);
	buf_u8(&b, 1);
	ops.realloc = no_memory;
	buf_append(&b, "0123456789", 10); /* still fits */
	assert_false(b.failed);
	assert_null(buf_extend(&b, 1000));
	assert_true(b.failed);
	ops.realloc = shale_env_default()->allocator.ops->realloc;
	buf_u8(&b, 2); /* a later success would leave a hole */
	assert_true(b.failed);
	assert_int_equal(b.size, 11);
	buf_reset(&b);
	buf_u8(&b, 3);
	assert_false(b.failed);
	assert_int_equal(b.size, 1);
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_false(buf_reserve(&b, 1));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_is_there_in_order),
		cmocka_unit_test(growth_keeps_what_was_there),
		cmocka_unit_test(an_empty_extension_is_no_failure),
		cmocka_unit_test(a_failed_growth_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
