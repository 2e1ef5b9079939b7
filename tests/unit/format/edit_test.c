#include "bytes.h"

#include "base/crc32c.h"
#include "format/edit.h"
#include "format/key.h"

static const struct manifest_header header = { 0x300000001, 0xfeedface12345678, 1, 2, 0 };
static const struct root root = { 7, 0x700000001, 0xfeedface12345678 };

static void reads_back_a_header(void **state)
{
	uint8_t bytes[MANIFEST_HEADER];
	struct manifest_header got;

	(void)state;
	manifest_header_encode(&header, bytes);
	assert_ok(manifest_header_decode(bytes, &got));
	assert_memory_equal(&got, &header, sizeof(got));
}

static void every_flip_in_a_header_is_seen(void **state)
{
	uint8_t bytes[MANIFEST_HEADER];
	struct manifest_header got;

	(void)state;
	manifest_header_encode(&header, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			assert_status(manifest_header_decode(bytes, &got), SHALE_CORRUPT);
			bytes[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static void newer_stores_are_refused(void **state)
{
	struct manifest_header h = header, got;
	uint8_t bytes[MANIFEST_HEADER], cell[ROOT_SIZE];
	struct root got_root;

	(void)state;
	h.incompatible = UINT64_C(1) << 40;
	manifest_header_encode(&h, bytes);
	assert_status(manifest_header_decode(bytes, &got), SHALE_UNSUPPORTED);
	manifest_header_encode(&header, bytes);
	put_u32le(bytes + 8, MANIFEST_VERSION + 1);
	put_u32le(bytes + 56, crc32c(0, bytes, 56));
	assert_status(manifest_header_decode(bytes, &got), SHALE_UNSUPPORTED);
	root_encode(&root, cell);
	put_u32le(cell + 8, ROOT_VERSION + 1);
	put_u32le(cell + 44, crc32c(0, cell, 44));
	assert_status(root_decode(slice_from(cell, ROOT_SIZE), &got_root), SHALE_UNSUPPORTED);
}

static void reads_back_a_root_and_sees_every_flip(void **state)
{
	uint8_t bytes[ROOT_SIZE + 1];
	struct root got;

	(void)state;
	root_encode(&root, bytes);
	assert_ok(root_decode(slice_from(bytes, ROOT_SIZE), &got));
	assert_int_equal(got.epoch, root.epoch);
	assert_true(got.manifest == root.manifest && got.store_id == root.store_id);
	assert_status(root_decode(slice_from(bytes, ROOT_SIZE - 1), &got), SHALE_CORRUPT);
	assert_status(root_decode(slice_from(bytes, ROOT_SIZE + 1), &got), SHALE_CORRUPT);
	assert_status(root_decode(slice_from(bytes, 0), &got), SHALE_CORRUPT);
	for (size_t i = 0; i < ROOT_SIZE; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			assert_status(root_decode(slice_from(bytes, ROOT_SIZE), &got),
				      SHALE_CORRUPT);
			bytes[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static shale_cf_options random_options(struct rand *r)
{
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;

	o.compression = (shale_compression)rand_below(r, SHALE_SNAPPY + 1);
	for (size_t i = 0; i < SHALE_LEVELS_MAX; i++)
		o.level_compression[i] = (shale_compression)rand_below(r, SHALE_SNAPPY + 1);
	o.block_bytes = (uint32_t)bytes_number(r, 32);
	o.filter_bits = (uint32_t)bytes_number(r, 32);
	o.no_filter = rand_below(r, 2) != 0;
	o.ttl_ms = bytes_number(r, 64);
	o.compaction.policy = (shale_policy)rand_below(r, SHALE_ADAPTIVE + 1);
	o.compaction.size_ratio = (uint32_t)bytes_number(r, 32);
	o.compaction.top_runs = (uint32_t)bytes_number(r, 32);
	o.compaction.base_bytes = bytes_number(r, 64);
	o.compaction.table_bytes = bytes_number(r, 64);
	if (rand_below(r, 2) != 0) {
		o.compaction.max_runs = (uint32_t)bytes_number(r, 32);
		o.compaction.space_amp_max = (uint32_t)bytes_number(r, 32);
		o.compaction.window_ms = bytes_number(r, 64);
		o.compaction.max_bytes = bytes_number(r, 64);
		o.compaction.delete_within_ms = bytes_number(r, 64);
	}
	for (size_t i = 0; i < SHALE_LEVELS_MAX && rand_below(r, 2) != 0; i++)
		o.level_filter_bits[i] = (uint32_t)bytes_number(r, 32);
	return o;
}

static void assert_options(const shale_cf_options *a, const shale_cf_options *b)
{
	assert_int_equal(b->struct_size, sizeof(*b));
	assert_int_equal(a->compression, b->compression);
	assert_memory_equal(a->level_compression, b->level_compression,
			    sizeof(a->level_compression));
	assert_int_equal(a->block_bytes, b->block_bytes);
	assert_int_equal(a->filter_bits, b->filter_bits);
	assert_int_equal(a->no_filter, b->no_filter);
	assert_true(a->ttl_ms == b->ttl_ms);
	assert_int_equal(a->compaction.policy, b->compaction.policy);
	assert_int_equal(a->compaction.size_ratio, b->compaction.size_ratio);
	assert_int_equal(a->compaction.top_runs, b->compaction.top_runs);
	assert_true(a->compaction.base_bytes == b->compaction.base_bytes);
	assert_true(a->compaction.table_bytes == b->compaction.table_bytes);
	assert_int_equal(a->compaction.max_runs, b->compaction.max_runs);
	assert_int_equal(a->compaction.space_amp_max, b->compaction.space_amp_max);
	assert_true(a->compaction.window_ms == b->compaction.window_ms);
	assert_true(a->compaction.max_bytes == b->compaction.max_bytes);
	assert_true(a->compaction.delete_within_ms == b->compaction.delete_within_ms);
	assert_memory_equal(a->level_filter_bits, b->level_filter_bits,
			    sizeof(a->level_filter_bits));
}

static void reads_back_options(void **state)
{
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (int round = 0; round < 300; round++) {
		shale_cf_options o = random_options(&r), got;
		uint8_t *copy;

		buf_reset(&out);
		cf_options_encode(&out, &o);
		for (size_t n = 0; n < out.size; n++) {
			copy = bytes_copy(out.data, n);
			assert_status(cf_options_decode(slice_from(copy, n), &got), SHALE_CORRUPT);
			free(copy);
		}
		copy = bytes_copy(out.data, out.size);
		assert_ok(cf_options_decode(slice_from(copy, out.size), &got));
		assert_options(&o, &got);
		copy[0] = 4;
		assert_status(cf_options_decode(slice_from(copy, out.size), &got),
			      SHALE_UNSUPPORTED);
		free(copy);
		buf_u8(&out, 0);
		assert_status(cf_options_decode(buf_view(&out), &got), SHALE_CORRUPT);
	}
	buf_fini(&out);
}

static struct edit_field random_field(struct rand *r, enum edit_tag tag)
{
	struct edit_field f = { .tag = tag };

	f.number = bytes_number(r, tag == EDIT_LAST_SEQ ? 56 : 64);
	f.cf = (uint32_t)bytes_number(r, 32);
	f.level = (uint32_t)rand_below(r, SHALE_LEVELS_MAX);
	f.run = bytes_number(r, 64);
	f.size = bytes_number(r, 64);
	f.seq = bytes_number(r, 56);
	f.length = bytes_number(r, 64);
	f.name = slice_from("a family's name", rand_below(r, 16));
	f.options = random_options(r);
	f.props = (struct table_props){ .entries = bytes_number(r, 40),
					.max_seq = bytes_number(r, 56),
					.compression = SHALE_LZ4,
					.smallest = slice_from("aardvark", rand_below(r, 9)),
					.largest = bytes_str("zebra") };
	return f;
}

static shale_job random_job(struct rand *r)
{
	return (shale_job){ .id = bytes_number(r, 64),
			    .cf = "",
			    .cf_id = (uint32_t)bytes_number(r, 32),
			    .kind = SHALE_JOB_MERGE,
			    .reason = (shale_reason)rand_below(r, 2 * SHALE_REASONS),
			    .state = SHALE_JOB_DONE,
			    .levels_in = (uint32_t)rand_below(r, 1u << SHALE_LEVELS_MAX),
			    .level_out = (uint32_t)rand_below(r, SHALE_LEVELS_MAX),
			    .start_ms = bytes_number(r, 64),
			    .ns = bytes_number(r, 64),
			    .tables_in = bytes_number(r, 64),
			    .tables_out = bytes_number(r, 64),
			    .bytes_in = bytes_number(r, 64),
			    .bytes_out = bytes_number(r, 64),
			    .entries_in = bytes_number(r, 64),
			    .entries_kept = bytes_number(r, 64),
			    .dropped_shadowed = bytes_number(r, 64),
			    .dropped_tombstones = bytes_number(r, 64),
			    .dropped_expired = bytes_number(r, 64),
			    .dropped_range = bytes_number(r, 64),
			    .text = "" };
}

static void assert_job(const shale_job *a, const shale_job *b)
{
	assert_true(a->id == b->id && a->cf_id == b->cf_id && a->kind == b->kind &&
		    a->reason == b->reason && b->state == SHALE_JOB_DONE);
	assert_true(a->levels_in == b->levels_in && a->level_out == b->level_out);
	assert_true(a->start_ms == b->start_ms && a->ns == b->ns);
	assert_true(a->tables_in == b->tables_in && a->tables_out == b->tables_out);
	assert_true(a->bytes_in == b->bytes_in && a->bytes_out == b->bytes_out &&
		    a->bytes_in == b->bytes_done);
	assert_true(a->entries_in == b->entries_in && a->entries_kept == b->entries_kept);
	assert_true(a->dropped_shadowed == b->dropped_shadowed &&
		    a->dropped_tombstones == b->dropped_tombstones &&
		    a->dropped_expired == b->dropped_expired &&
		    a->dropped_range == b->dropped_range);
}

/* A note of a later program, in front of, between and behind what is known. */
static void put_unknown_note(struct buf *out, struct rand *r)
{
	buf_u8(out, (uint8_t)(EDIT_HIDES + 1 + rand_below(r, 255 - EDIT_HIDES)));
	buf_slice(out, slice_from("of a later program", rand_below(r, 18)));
}

static void reads_back_notes_and_passes_over_unknown_ones(void **state)
{
	struct edit_field got;
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (int round = 0; round < 200; round++) {
		struct edit_field job = { .tag = EDIT_JOB, .job = random_job(&r) };
		struct edit_field run = { .tag = EDIT_NEXT_RUN, .number = 7 };
		struct edit_field hides = { .tag = EDIT_HIDES,
					    .number = rand_next(&r),
					    .hides = rand_next(&r) };
		uint8_t *copy;
		const uint8_t *p;

		buf_reset(&out);
		for (uint64_t n = rand_below(&r, 3); n > 0; n--)
			put_unknown_note(&out, &r);
		edit_field_encode(&out, &job);
		put_unknown_note(&out, &r);
		edit_field_encode(&out, &hides);
		edit_field_encode(&out, &run);
		if (rand_below(&r, 2) == 0)
			put_unknown_note(&out, &r);
		p = copy = bytes_copy(out.data, out.size);
		assert_ok(edit_field_decode(&p, copy + out.size, &got));
		assert_int_equal(got.tag, EDIT_JOB);
		assert_job(&job.job, &got.job);
		assert_ok(edit_field_decode(&p, copy + out.size, &got));
		assert_int_equal(got.tag, EDIT_HIDES);
		assert_int_equal(got.number, hides.number);
		assert_int_equal(got.hides, hides.hides);
		assert_ok(edit_field_decode(&p, copy + out.size, &got));
		assert_int_equal(got.tag, EDIT_NEXT_RUN);
		assert_int_equal(got.number, 7);
		assert_status(edit_field_decode(&p, copy + out.size, &got), SHALE_END);
		assert_ptr_equal(p, copy + out.size);
		free(copy);
	}
	buf_fini(&out);
}

/* However much of one field the payload lacks at its end, nothing of it is taken. */
static void assert_refused_when_cut(const struct buf *field)
{
	struct edit_field got;

	for (size_t n = 1; n < field->size; n++) {
		uint8_t *copy = bytes_copy(field->data, n);
		const uint8_t *p = copy;

		assert_status(edit_field_decode(&p, copy + n, &got), SHALE_CORRUPT);
		assert_ptr_equal(p, copy);
		free(copy);
	}
}

static void refuses_notes_that_are_cut_or_impossible(void **state)
{
	struct edit_field job = { .tag = EDIT_JOB };
	shale_job note;
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	job.job = random_job(&r);
	edit_field_encode(&out, &job);
	assert_refused_when_cut(&out);
	/* What a later program adds is not read; what is missing is missed. */
	buf_reset(&out);
	job_note_encode(&out, &job.job);
	assert_status(job_note_decode(slice_from(out.data, out.size - 1), &note), SHALE_CORRUPT);
	buf_varint(&out, 1234567);
	assert_ok(job_note_decode(buf_view(&out), &note));
	assert_job(&job.job, &note);
	job.job.level_out = SHALE_LEVELS_MAX;
	buf_reset(&out);
	job_note_encode(&out, &job.job);
	assert_status(job_note_decode(buf_view(&out), &note), SHALE_CORRUPT);
	job.job.level_out = 0;
	job.job.levels_in = 1u << SHALE_LEVELS_MAX;
	buf_reset(&out);
	job_note_encode(&out, &job.job);
	assert_status(job_note_decode(buf_view(&out), &note), SHALE_CORRUPT);
	buf_fini(&out);
}

/*
 * A note of what a table hides: cut where the payload ends, also within what a later program
 * has added to it; and whole as a note, but with a string that ends early.
 */
static void refuses_a_note_of_what_hides_that_is_cut(void **state)
{
	struct edit_field hides = { .tag = EDIT_HIDES }, got;
	struct buf out, note, payload;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	buf_init(&note, &heap_env);
	buf_init(&payload, &heap_env);
	for (int round = 0; round < 50; round++) {
		hides.number = bytes_number(&r, 64);
		hides.hides = bytes_number(&r, 64);
		buf_reset(&out);
		edit_field_encode(&out, &hides);
		assert_refused_when_cut(&out);
		/* The string alone: the tag and a length of one byte are before it. */
		buf_reset(&note);
		buf_append(&note, out.data + 2, out.size - 2);
		for (size_t n = 0; n < note.size; n++) {
			const uint8_t *p;

			buf_reset(&payload);
			buf_u8(&payload, EDIT_HIDES);
			buf_slice(&payload, slice_from(note.data, n));
			p = payload.data;
			assert_status(edit_field_decode(&p, p + payload.size, &got), SHALE_CORRUPT);
			assert_ptr_equal(p, payload.data);
		}
		buf_append(&note, "later", 5);
		buf_reset(&payload);
		buf_u8(&payload, EDIT_HIDES);
		buf_slice(&payload, buf_view(&note));
		assert_refused_when_cut(&payload);
	}
	buf_fini(&payload);
	buf_fini(&note);
	buf_fini(&out);
}

static void assert_field(const struct edit_field *a, const struct edit_field *b)
{
	static const char uses[][8] = {
		[EDIT_NEXT_NUMBER] = "n",     [EDIT_LAST_SEQ] = "n",    [EDIT_CF_CREATE] = "cNo",
		[EDIT_CF_DROP] = "c",         [EDIT_CF_FLUSHED] = "cs", [EDIT_ADD_TABLE] = "clrnzp",
		[EDIT_REMOVE_TABLE] = "clrn", [EDIT_LOG_ADD] = "n",     [EDIT_LOG_SEAL] = "nLs",
		[EDIT_LOG_REMOVE] = "n",      [EDIT_SNAPSHOT] = "",     [EDIT_CLEAN_CLOSE] = "",
		[EDIT_NEXT_RUN] = "n",        [EDIT_NEXT_CF] = "c",     [EDIT_CF_OPTIONS] = "co",
	};
	const char *use = uses[a->tag];

	assert_int_equal(a->tag, b->tag);
	assert_true(b->number == (strchr(use, 'n') ? a->number : 0));
	assert_true(b->cf == (strchr(use, 'c') ? a->cf : 0));
	assert_true(b->level == (strchr(use, 'l') ? a->level : 0));
	assert_true(b->run == (strchr(use, 'r') ? a->run : 0));
	assert_true(b->size == (strchr(use, 'z') ? a->size : 0));
	assert_true(b->seq == (strchr(use, 's') ? a->seq : 0));
	assert_true(b->length == (strchr(use, 'L') ? a->length : 0));
	if (strchr(use, 'N') != NULL)
		assert_same(a->name, b->name);
	if (strchr(use, 'o') != NULL)
		assert_options(&a->options, &b->options);
	if (strchr(use, 'p') != NULL) {
		assert_true(a->props.entries == b->props.entries);
		assert_true(a->props.max_seq == b->props.max_seq);
		assert_same(a->props.smallest, b->props.smallest);
		assert_same(a->props.largest, b->props.largest);
	}
}

static void reads_back_fields(void **state)
{
	enum { FIELDS = 600 };
	static struct edit_field fields[FIELDS];
	struct edit_field got;
	const uint8_t *p;
	uint8_t *copy;
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (size_t i = 0; i < FIELDS; i++) {
		fields[i] = random_field(&r, (enum edit_tag)(1 + i % EDIT_LAST));
		edit_field_encode(&out, &fields[i]);
	}
	copy = bytes_copy(out.data, out.size);
	p = copy;
	for (size_t i = 0; i < FIELDS; i++) {
		assert_ok(edit_field_decode(&p, copy + out.size, &got));
		assert_field(&fields[i], &got);
	}
	assert_status(edit_field_decode(&p, copy + out.size, &got), SHALE_END);
	free(copy);
	buf_fini(&out);
}

static void refuses_cut_and_unknown_fields(void **state)
{
	struct edit_field got;
	const uint8_t *p;
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (int tag = 1; tag <= EDIT_LAST; tag++) {
		struct edit_field f = random_field(&r, (enum edit_tag)tag);

		buf_reset(&out);
		edit_field_encode(&out, &f);
		assert_refused_when_cut(&out);
	}
	for (unsigned tag = 0; tag < 256; tag++) {
		uint8_t bytes[8] = { (uint8_t)tag };

		p = bytes;
		if (tag == 0 || (tag > EDIT_LAST && tag <= EDIT_HIDES))
			assert_status(edit_field_decode(&p, bytes + 8, &got), SHALE_CORRUPT);
	}
	buf_fini(&out);
}

static void refuses_values_over_their_limits(void **state)
{
	static const char level[] = { EDIT_REMOVE_TABLE, 0, SHALE_LEVELS_MAX, 0, 0 };
	static const char cf[] = { EDIT_CF_DROP, (char)0x80, (char)0x80,
				   (char)0x80,   (char)0x80, 0x10 };
	const uint8_t *p = (const uint8_t *)level;
	struct edit_field f = { .tag = EDIT_LAST_SEQ, .number = SEQ_MAX + 1 }, got;
	static char name[SHALE_CF_NAME_MAX + 1];
	struct buf out;

	(void)state;
	assert_status(edit_field_decode(&p, p + sizeof(level), &got), SHALE_CORRUPT);
	p = (const uint8_t *)cf;
	assert_status(edit_field_decode(&p, p + sizeof(cf), &got), SHALE_CORRUPT);
	buf_init(&out, &heap_env);
	edit_field_encode(&out, &f);
	p = out.data;
	assert_status(edit_field_decode(&p, p + out.size, &got), SHALE_CORRUPT);
	buf_reset(&out);
	f.tag = EDIT_CF_CREATE;
	f.name = slice_from(name, sizeof(name));
	edit_field_encode(&out, &f);
	p = out.data;
	assert_status(edit_field_decode(&p, p + out.size, &got), SHALE_CORRUPT);
	buf_fini(&out);
}

static void survives_hostile_bytes(void **state)
{
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (uint64_t round = test_scale(20000); round > 0; round--) {
		uint8_t *copy;
		const uint8_t *p;
		struct edit_field got;

		buf_reset(&out);
		for (int i = 0; i < 3; i++) {
			struct edit_field f =
				random_field(&r, (enum edit_tag)(1 + rand_below(&r, EDIT_LAST)));

			if (rand_below(&r, 4) == 0)
				f = (struct edit_field){ .tag = EDIT_JOB, .job = random_job(&r) };
			edit_field_encode(&out, &f);
		}
		copy = bytes_copy(out.data, out.size);
		for (int i = 0; i < 3; i++)
			copy[rand_below(&r, out.size)] = (uint8_t)bytes_number(&r, 8);
		p = copy;
		while (edit_field_decode(&p, copy + out.size, &got) == SHALE_OK)
			assert_true(p <= copy + out.size);
		free(copy);
	}
	buf_fini(&out);
}

static void reads_back_a_record_and_sees_every_flip(void **state)
{
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (size_t n = 0; n < 60; n++) {
		uint8_t payload[60], *p;
		uint64_t edit;
		shale_slice got;
		size_t size;

		bytes_random(&r, payload, n);
		buf_reset(&out);
		edit_record_encode(&out, 77, 1000 + n, slice_from(payload, n));
		assert_int_equal(out.size % 8, 0);
		p = bytes_copy(out.data, out.size);
		assert_true(edit_record_decode(p, out.size, 77, &edit, &got, &size));
		assert_int_equal(edit, 1000 + n);
		assert_int_equal(size, out.size);
		assert_same(got, slice_from(payload, n));
		assert_false(edit_record_decode(p, out.size, 78, &edit, &got, &size));
		for (size_t i = 0; i < out.size; i++) {
			uint8_t *cut = bytes_copy(p, i);

			assert_false(edit_record_decode(cut, i, 77, &edit, &got, &size));
			free(cut);
			for (unsigned bit = 0; bit < 8; bit++) {
				p[i] ^= (uint8_t)(1u << bit);
				assert_false(
					edit_record_decode(p, out.size, 77, &edit, &got, &size));
				p[i] ^= (uint8_t)(1u << bit);
			}
		}
		free(p);
	}
	buf_fini(&out);
}

static void a_heap_that_fails_marks_the_payload(void **state)
{
	struct edit_field f = { .tag = EDIT_CF_CREATE, .name = { "name", 4 } };
	struct buf out;

	(void)state;
	for (uint64_t left = 0; left < 2; left++) {
		buf_init(&out, &heap_env);
		heap_left = left;
		edit_field_encode(&out, &f);
		heap_left = UINT64_MAX;
		assert_true(out.failed);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_a_header),
		cmocka_unit_test(every_flip_in_a_header_is_seen),
		cmocka_unit_test(newer_stores_are_refused),
		cmocka_unit_test(reads_back_a_root_and_sees_every_flip),
		cmocka_unit_test(reads_back_options),
		cmocka_unit_test(reads_back_fields),
		cmocka_unit_test(refuses_cut_and_unknown_fields),
		cmocka_unit_test(reads_back_notes_and_passes_over_unknown_ones),
		cmocka_unit_test(refuses_notes_that_are_cut_or_impossible),
		cmocka_unit_test(refuses_a_note_of_what_hides_that_is_cut),
		cmocka_unit_test(refuses_values_over_their_limits),
		cmocka_unit_test(survives_hostile_bytes),
		cmocka_unit_test(reads_back_a_record_and_sees_every_flip),
		cmocka_unit_test(a_heap_that_fails_marks_the_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
