/*
 * The parts of a table without the file around them. The first byte says which:
 *   0  a block: what is parsed is in order, and is found by key
 *   1  keys of two bytes: a filter that is built of them has them
 *   2  a codec (byte 1) and raw size (bytes 2..3), then packed bytes
 *   3  bytes that are packed by each codec and must come back
 */
#include "fuzz/fuzz.h"

#include "base/buf.h"
#include "base/coding.h"
#include "base/hash.h"
#include "format/block.h"
#include "format/codec.h"
#include "format/filter.h"

#include <stdlib.h>

enum { SIZE_MAX_ = 4096 };

static void check_entry(const struct block *b, size_t i, const uint8_t *before, size_t before_size)
{
	static uint8_t key[SHALE_KEY_MAX + 16];
	size_t size = block_key_size(b, i), at;
	int c = 0;

	FUZZ_CHECK(size <= SHALE_KEY_MAX);
	block_key_copy(b, i, key);
	if (before != NULL)
		c = slice_cmp(slice_from(before, before_size), slice_from(key, size));
	FUZZ_CHECK(c <= 0);
	FUZZ_CHECK(block_key_equals(b, i, slice_from(key, size)));
	at = block_lower_bound(b, slice_from(key, size));
	FUZZ_CHECK(at <= i && block_key_equals(b, at, slice_from(key, size)));
	at = block_upper_bound(b, slice_from(key, size));
	FUZZ_CHECK(at > i && (at == b->count || !block_key_equals(b, at, slice_from(key, size))));
}

static void run_block(const uint8_t *data, size_t size)
{
	static uint8_t before[SHALE_KEY_MAX + 16];
	size_t before_size = 0, n;
	struct block b;
	uint8_t *raw = aligned_alloc(8, (size + 15 + 16) & ~(size_t)15);

	/* Readers may look 16 bytes past the end, see BLOCK_SLACK. */
	memset(raw + size, 0xee, 16);
	memcpy(raw, data, size);
	if (block_parse(raw, size, &b) == SHALE_OK) {
		n = b.count < 256 ? b.count : 256;
		for (size_t i = 0; i < n; i++) {
			shale_slice value = block_value(&b, i);

			FUZZ_CHECK(value.size <= size && block_seqtype(&b, i) >> 8 <= SEQ_MAX);
			check_entry(&b, i, i != 0 ? before : NULL, before_size);
			before_size = block_key_size(&b, i);
			block_key_copy(&b, i, before);
		}
	}
	free(raw);
}

static void run_filter(const uint8_t *data, size_t size)
{
	unsigned bits = size > 0 ? 1 + data[0] % 32 : 1, probes = filter_probes(bits);
	size_t n = size / 2;
	uint64_t lines = filter_lines(n, bits), hash[SIZE_MAX_ / 2];
	struct buf out;

	FUZZ_CHECK(probes >= 1 && probes <= FILTER_PROBES_MAX && lines >= 1);
	buf_init(&out, shale_env_default());
	for (size_t i = 0; i < n; i++)
		hash[i] = hash_key(slice_from(data + 2 * i, 2));
	filter_build(&out, hash, n, lines, probes);
	FUZZ_CHECK(!out.failed && out.size == lines * FILTER_LINE);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(filter_line_has(filter_line(out.data, lines, hash[i]), hash[i], probes));
	buf_fini(&out);
}

static void run_unpack(const uint8_t *data, size_t size)
{
	size_t raw_size;
	uint8_t *raw;

	if (size < 3)
		return;
	raw_size = get_u16le(data + 1);
	raw = malloc(raw_size != 0 ? raw_size : 1);
	(void)codec_decompress(NULL, data[0], slice_from(data + 3, size - 3), raw, raw_size);
	free(raw);
}

static void run_pack(const uint8_t *data, size_t size)
{
	const shale_env *env = shale_env_default();
	uint8_t *raw = malloc(size + 1);

	for (uint32_t c = SHALE_NO_COMPRESSION; c <= SHALE_SNAPPY; c++) {
		uint32_t codec = c;
		struct buf out;

		buf_init(&out, env);
		FUZZ_CHECK(codec_compress(NULL, &codec, slice_from(data, size), &out) == SHALE_OK);
		FUZZ_CHECK(codec == c || codec == SHALE_NO_COMPRESSION);
		FUZZ_CHECK(codec_decompress(NULL, codec, buf_view(&out), raw, size) == SHALE_OK);
		FUZZ_CHECK(memcmp(raw, data, size) == 0);
		buf_fini(&out);
	}
	free(raw);
}

static void run(const uint8_t *data, size_t size)
{
	if (size == 0)
		return;
	switch (data[0] % 4) {
	case 0:
		run_block(data + 1, size - 1);
		break;
	case 1:
		run_filter(data + 1, size - 1);
		break;
	case 2:
		run_unpack(data + 1, size - 1);
		break;
	default:
		run_pack(data + 1, size - 1);
		break;
	}
}

static size_t make_block(struct rand *r, uint8_t *out)
{
	struct block_builder b;
	struct buf raw;
	size_t size;

	buf_init(&raw, shale_env_default());
	block_builder_init(&b, shale_env_default());
	for (unsigned i = 0, n = 1 + (unsigned)rand_below(r, 40); i < n; i++) {
		static const enum op_type types[] = { OP_PUT, OP_DELETE, OP_PUT_TTL };
		char key[40];
		uint64_t seq = rand_below(r, 1ull << (1 + rand_below(r, 55)));

		snprintf(key, sizeof(key), "prefix-%06u%s", i * 3, i % 5 == 0 ? "-and-a-rest" : "");
		block_builder_add(&b, shale_str(key), seqtype(seq, types[rand_below(r, 3)]),
				  slice_from("0123456789abcdef", 8 + rand_below(r, 8)));
	}
	FUZZ_CHECK(block_builder_finish(&b, &raw) == SHALE_OK);
	size = raw.size < SIZE_MAX_ - 1 ? raw.size : SIZE_MAX_ - 1;
	out[0] = 0;
	memcpy(out + 1, raw.data, size);
	block_builder_fini(&b);
	buf_fini(&raw);
	return 1 + size;
}

static size_t make_packed(struct rand *r, uint8_t *out)
{
	uint32_t codec = SHALE_LZ4 + (uint32_t)rand_below(r, 3);
	uint8_t raw[1024];
	struct buf packed;
	size_t n = 64 + rand_below(r, sizeof(raw) - 64);

	for (size_t i = 0; i < n; i++)
		raw[i] = (uint8_t)(rand_below(r, 8) != 0 && i != 0 ? raw[i / 2] : rand_next(r));
	buf_init(&packed, shale_env_default());
	FUZZ_CHECK(codec_compress(NULL, &codec, slice_from(raw, n), &packed) == SHALE_OK);
	out[0] = 2;
	out[1] = (uint8_t)codec;
	put_u16le(out + 2, (uint16_t)n);
	memcpy(out + 4, packed.data, packed.size);
	n = 4 + packed.size;
	buf_fini(&packed);
	return n;
}

static size_t make(struct rand *r, uint8_t *out)
{
	size_t n;

	switch (rand_below(r, 4)) {
	case 0:
	case 1:
		return make_block(r, out);
	case 2:
		return make_packed(r, out);
	default:
		n = 2 + rand_below(r, 500);
		for (size_t i = 0; i < n; i++)
			out[i] = (uint8_t)rand_below(r, 9);
		out[0] = rand_below(r, 2) != 0 ? 1 : 3;
		return n;
	}
}

const struct fuzz_target fuzz_target = { "block", SIZE_MAX_, run, NULL, make, 1 };
