/*
 * A log record's payload, read as recovery does: each operation goes into a
 * memtable. It must come out of there again, and write the bytes it was read from.
 */
#include "fuzz/fuzz.h"

#include "base/coding.h"
#include "format/batch.h"
#include "memtable/memtable.h"

enum { SIZE_MAX_ = 4096 };

/* A second writing of the operation reads as the same. */
static void check_writing(const struct batch_op *op)
{
	static uint8_t bytes[2 * SIZE_MAX_];
	const uint8_t *p = bytes;
	struct batch_op again;
	size_t size = batch_op_size(op);

	FUZZ_CHECK(size <= sizeof(bytes));
	FUZZ_CHECK(batch_op_write(bytes, op) == bytes + size);
	FUZZ_CHECK(batch_op_read(&p, bytes + size, &again) == SHALE_OK);
	FUZZ_CHECK(p == bytes + size && again.type == op->type && again.cf == op->cf);
	FUZZ_CHECK(slice_eq(again.key, op->key) && slice_eq(again.value, op->value));
}

static void check_memtable(struct memtable *m, uint64_t seq, const struct batch_op *op)
{
	shale_slice value;
	uint64_t st;

	if (op->type == OP_RANGE_DELETE) {
		FUZZ_CHECK(memtable_range_newest(m, op->key, seq) == seq);
		return;
	}
	FUZZ_CHECK(memtable_get(m, op->key, seq, &st, &value));
	FUZZ_CHECK(st == seqtype(seq, op->type) && slice_eq(value, op->value));
}

/* Forwards and backwards it holds the same, in order. */
static void check_iteration(shale_env *env, struct memtable *m, uint64_t points)
{
	struct iter *it = NULL;
	uint64_t n = 0;

	(void)env;
	if (memtable_iter_new(m, SEQ_MAX, false, &it) < 0)
		return;
	for (iter_first(it); it->valid; iter_next(it))
		n++;
	FUZZ_CHECK(it->status == SHALE_OK && n == points);
	for (iter_last(it); it->valid; iter_prev(it))
		n--;
	FUZZ_CHECK(it->status == SHALE_OK && n == 0);
	iter_free(it);
}

static void run(const uint8_t *data, size_t size)
{
	shale_env env = *shale_env_default();
	const uint8_t *p = data, *end = data + size;
	struct memtable *m = NULL;
	uint64_t seq = 1, points = 0;
	struct batch_op op;
	shale_status rc;

	fuzz_heap(&env, data, size, 4 << 20);
	FUZZ_CHECK(memtable_new(&env, &m) == SHALE_OK);
	while ((rc = batch_op_read(&p, end, &op)) == SHALE_OK) {
		FUZZ_CHECK(p > data && p <= end);
		check_writing(&op);
		FUZZ_CHECK(memtable_add(m, seq, op.type, op.key, op.value, NULL) == SHALE_OK);
		check_memtable(m, seq, &op);
		points += op.type != OP_RANGE_DELETE;
		seq++;
	}
	FUZZ_CHECK(rc == SHALE_END || rc == SHALE_CORRUPT);
	FUZZ_CHECK(memtable_count(m) == seq - 1);
	check_iteration(&env, m, points);
	memtable_unref(m);
	fuzz_heap_done();
}

static size_t make(struct rand *r, uint8_t *out)
{
	static const uint8_t zeros[600];
	uint8_t key[40], hi[41], *p = out;

	for (size_t k = rand_below(r, 12); k > 0; k--) {
		struct batch_op op = { .type = (enum op_type)rand_below(r, 4) };
		size_t n = rand_below(r, sizeof(key));

		if (rand_below(r, 3) == 0)
			op.cf = (uint32_t)rand_below(r, 300);
		for (size_t i = 0; i < n; i++)
			key[i] = (uint8_t)('a' + rand_below(r, 3));
		op.key = slice_from(key, n);
		if (op.type == OP_RANGE_DELETE) {
			memcpy(hi, key, n);
			hi[n] = 0;
			op.value = slice_from(hi, n + 1);
		} else if (op.type != OP_DELETE) {
			op.value = slice_from(zeros, 8 + rand_below(r, 300));
		}
		p = batch_op_write(p, &op);
	}
	return (size_t)(p - out);
}

const struct fuzz_target fuzz_target = { "batch", SIZE_MAX_, run, NULL, make, 1 };
