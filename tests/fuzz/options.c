/*
 * The small structures and the options. The first byte says which:
 *   0  options of a family, as the manifest keeps them
 *   1  properties of a table
 *   2  the root cell      3  a manifest's header
 *   4  a log's header     5  a table's footer
 *   6  a name in the directory
 *   7  struct shale_options as a caller may fill it, all bytes of it
 * What is read writes bytes that read as the same; options that pass are in range.
 */
#include "fuzz/fuzz.h"

#include "base/coding.h"
#include "base/crc32c.h"
#include "db/db.h"
#include "format/edit.h"
#include "format/record.h"

#include <stdlib.h>

enum { SIZE_MAX_ = 5000, KINDS = 8 };

static void check_cf_options(const shale_cf_options *o)
{
	shale_cf_options out;

	if (cf_options_sanitise(o, &out) < 0) {
		FUZZ_CHECK(shale_last_error()->status == SHALE_INVALID);
		return;
	}
	FUZZ_CHECK(out.block_bytes >= 256 && out.block_bytes <= 1 << 20);
	FUZZ_CHECK(out.filter_bits >= 1 && out.filter_bits <= 32);
	FUZZ_CHECK((uint32_t)out.compression <= SHALE_SNAPPY);
	FUZZ_CHECK(out.compaction.size_ratio <= 64 && out.compaction.top_runs <= 64);
}

static void run_cf_options(const uint8_t *data, size_t size)
{
	shale_cf_options o, again;
	struct buf out;

	if (cf_options_decode(slice_from(data, size), &o) != SHALE_OK)
		return;
	buf_init(&out, shale_env_default());
	cf_options_encode(&out, &o);
	FUZZ_CHECK(out.size <= size);
	FUZZ_CHECK(cf_options_decode(buf_view(&out), &again) == SHALE_OK);
	FUZZ_CHECK(memcmp(&o, &again, sizeof(o)) == 0);
	buf_fini(&out);
	check_cf_options(&o);
}

static void run_props(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *q;
	struct table_props props, again;
	struct buf out;

	if (props_decode(&p, data + size, &props) != SHALE_OK)
		return;
	FUZZ_CHECK(p > data && p <= data + size && slice_cmp(props.smallest, props.largest) <= 0);
	buf_init(&out, shale_env_default());
	props_encode(&out, &props);
	q = out.data;
	FUZZ_CHECK(props_decode(&q, out.data + out.size, &again) == SHALE_OK);
	FUZZ_CHECK(q == out.data + out.size && again.entries == props.entries);
	FUZZ_CHECK(slice_eq(again.largest, props.largest) && again.max_seq == props.max_seq);
	buf_fini(&out);
}

/* Headers: a fixed size that is cut or filled up with zeros; written again they are the same. */
static void run_header(unsigned kind, const uint8_t *data, size_t size)
{
	static uint8_t in[LOG_PAGE], out[LOG_PAGE];
	struct manifest_header manifest;
	struct segment_header segment;
	struct footer footer;
	struct root root;
	size_t n = 0;

	memset(in, 0, sizeof(in));
	if (size != 0)
		memcpy(in, data, size < sizeof(in) ? size : sizeof(in));
	if (kind == 2 && root_decode(slice_from(data, size), &root) == SHALE_OK) {
		n = ROOT_SIZE;
		root_encode(&root, out);
	} else if (kind == 3 && manifest_header_decode(in, &manifest) == SHALE_OK) {
		n = MANIFEST_HEADER;
		manifest_header_encode(&manifest, out);
	} else if (kind == 4 && segment_header_decode(in, &segment) == SHALE_OK) {
		n = LOG_PAGE;
		segment_header_encode(&segment, out);
	} else if (kind == 5 && footer_decode(in, &footer) == SHALE_OK) {
		n = FOOTER_SIZE;
		footer_encode(&footer, out);
	}
	FUZZ_CHECK(memcmp(in, out, n) == 0);
}

static void run_name(const uint8_t *data, size_t size)
{
	char text[SIZE_MAX_ + 1];
	enum object_kind kind;
	uint64_t number;

	memcpy(text, data, size);
	text[size] = '\0';
	if (object_name_parse(text, &kind, &number))
		FUZZ_CHECK(strcmp(object_name(kind, number).text, text) == 0);
}

static void run_options(const uint8_t *data, size_t size)
{
	/* The size a caller states is believed up to a limit: that much must be there. */
	static _Alignas(16) uint8_t bytes[SIZE_MAX_];
	const shale_env *env = shale_env_default();
	shale_options in, out;
	shale_rate rate;

	memset(bytes, 0, sizeof(bytes));
	if (size != 0)
		memcpy(bytes, data, size);
	memcpy(&in, bytes, sizeof(in));
	/* A bool that is neither 0 nor 1 is the caller's undefined behaviour. */
	for (size_t at = offsetof(shale_options, error_if_missing);
	     at <= offsetof(shale_options, read_only); at++)
		bytes[at] &= 1;
	bytes[offsetof(shale_options, default_cf.no_filter)] &= 1;
	if (options_sanitise(env, (const shale_options *)(const void *)bytes, &out) < 0) {
		FUZZ_CHECK(shale_last_error()->status == SHALE_INVALID);
		return;
	}
	FUZZ_CHECK(out.struct_size == sizeof(out));
	FUZZ_CHECK(out.memtable_bytes <= out.memory_budget / 2);
	FUZZ_CHECK(out.log_bytes_max >= out.memtable_bytes);
	FUZZ_CHECK(out.background_threads >= 1 && out.background_threads <= 64);
	FUZZ_CHECK(out.background_nice <= 19);
	FUZZ_CHECK(out.direct_io >= SHALE_NO_DIRECT_IO && out.direct_io <= SHALE_DIRECT_ALL);
	FUZZ_CHECK(out.durability >= SHALE_EPHEMERAL && out.durability <= SHALE_DURABLE);
	check_cf_options(&out.default_cf);
	FUZZ_CHECK(out.rate.struct_size == sizeof(out.rate));
	FUZZ_CHECK(out.rate.target_p99_us <= 60000000);
	for (int i = 0; i < SHALE_RATE_WINDOWS; i++)
		FUZZ_CHECK(out.rate.window[i].from_min < 1440 && out.rate.window[i].to_min <= 1440);
	FUZZ_CHECK(rate_sanitise(&out.rate, &rate) == SHALE_OK);
	FUZZ_CHECK(rate.bytes_per_s == out.rate.bytes_per_s);
}

static void run(const uint8_t *data, size_t size)
{
	unsigned kind = size != 0 ? data[0] % KINDS : 0;

	if (size == 0)
		return;
	data++;
	size--;
	switch (kind) {
	case 0:
		run_cf_options(data, size);
		break;
	case 1:
		run_props(data, size);
		break;
	case 6:
		run_name(data, size);
		break;
	case 7:
		run_options(data, size);
		break;
	default:
		run_header(kind, data, size);
		break;
	}
}

static void repair(uint8_t *data, size_t size)
{
	static const uint8_t sum_at[KINDS] = { [2] = 44, [3] = 56, [4] = 40, [5] = 124 };
	size_t at = size != 0 ? sum_at[data[0] % KINDS] : 0;

	if (at != 0 && size >= 1 + at + 4)
		put_u32le(data + 1 + at, crc32c(0, data + 1, at));
}

/* ---- making one ---- */

static size_t make_cf_options(struct rand *r, uint8_t *out)
{
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;
	struct buf b;
	size_t n;

	o.compression = (shale_compression)rand_below(r, 5);
	o.block_bytes = (uint32_t)rand_below(r, 1 << 20);
	o.filter_bits = (uint32_t)rand_below(r, 33);
	o.ttl_ms = rand_next(r) >> rand_below(r, 64);
	o.compaction.size_ratio = (uint32_t)rand_below(r, 65);
	buf_init(&b, shale_env_default());
	cf_options_encode(&b, &o);
	n = b.size;
	memcpy(out, b.data, n);
	buf_fini(&b);
	return n;
}

static size_t make_props(struct rand *r, uint8_t *out)
{
	struct table_props p = { .entries = rand_below(r, 1000), .compression = SHALE_ZSTD };
	struct buf b;
	size_t n;

	p.max_seq = rand_below(r, 1 << 20);
	p.key_bytes = rand_next(r) >> rand_below(r, 64);
	p.smallest = shale_str("apple");
	p.largest = shale_str("pear");
	buf_init(&b, shale_env_default());
	props_encode(&b, &p);
	n = b.size;
	memcpy(out, b.data, n);
	buf_fini(&b);
	return n;
}

static size_t make_header(struct rand *r, unsigned kind, uint8_t *out)
{
	struct footer f = { .number = 5, .file_size = 4096, .props = { 512, 100, 100 } };

	switch (kind) {
	case 2:
		root_encode(&(struct root){ 1, 2, rand_next(r) }, out);
		return ROOT_SIZE;
	case 3:
		manifest_header_encode(&(struct manifest_header){ .number = 7 }, out);
		return MANIFEST_HEADER;
	case 4:
		segment_header_encode(&(struct segment_header){ 1, rand_next(r), 9 }, out);
		return 64;
	default:
		f.filter = (struct extent){ 640, 128, 128 };
		f.filter_lines = 2;
		f.filter_probes = 6;
		footer_encode(&f, out);
		return FOOTER_SIZE;
	}
}

static size_t make_options(struct rand *r, uint8_t *out)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.memory_budget = (uint64_t)(1 + rand_below(r, 100)) << 20;
	o.durability = (shale_durability)rand_below(r, 5);
	o.background_threads = (uint32_t)rand_below(r, 9);
	o.background_nice = (uint32_t)rand_below(r, 22);
	o.direct_io = (shale_direct_io)rand_below(r, 4);
	o.default_cf.block_bytes = (uint32_t)rand_below(r, 9000);
	o.rate.window[0].from_min = (uint32_t)rand_below(r, 1500);
	o.rate.window[0].to_min = (uint32_t)rand_below(r, 1500);
	o.rate.window[0].bytes_per_s = rand_below(r, 2);
	memcpy(out, &o, sizeof(o));
	return sizeof(o);
}

static size_t make(struct rand *r, uint8_t *out)
{
	unsigned kind = (unsigned)rand_below(r, KINDS);

	out[0] = (uint8_t)kind;
	switch (kind) {
	case 0:
		return 1 + make_cf_options(r, out + 1);
	case 1:
		return 1 + make_props(r, out + 1);
	case 6:
		memcpy(out + 1, object_name(OBJECT_LOG, rand_next(r)).text, 21);
		return 22;
	case 7:
		return 1 + make_options(r, out + 1);
	default:
		return 1 + make_header(r, kind, out + 1);
	}
}

const struct fuzz_target fuzz_target = { "options", SIZE_MAX_, run, repair, make, 1 };
