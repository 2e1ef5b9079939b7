#include "support/test.h"

#include "base/rand.h"
#include "env/sim.h"
#include "version/manifest.h"

#include <time.h>

enum { NUMBER = 5, STORE_ID = 4711 };

struct fixture {
	shale_env env;
	struct sim_fs *fs;
	struct sim_heap *heap;
	struct store *store;
};

static void fixture_init(struct fixture *x)
{
	memset(x, 0, sizeof(*x));
	x->env = *shale_env_default();
	x->fs = sim_fs_new(1);
	x->env.fs.self = x->fs;
	x->env.fs.ops = sim_fs_ops();
	x->heap = sim_heap_new();
	x->env.allocator.self = x->heap;
	x->env.allocator.ops = sim_heap_ops();
	assert_ok(store_open(&x->env, "db", &(struct store_options){ .create = true }, &x->store));
}

static void fixture_fini(struct fixture *x)
{
	store_close(x->store);
	assert_int_equal(sim_heap_live(x->heap), 0);
	sim_heap_free(x->heap);
	sim_fs_free(x->fs);
}

static const char *path_of(uint64_t number)
{
	static char path[64];

	snprintf(path, sizeof(path), "db/%s", object_name(OBJECT_MANIFEST, number).text);
	return path;
}

/* A payload of a few fields in which `i` can be found again. */
static void payload_of(struct buf *out, uint64_t i, enum edit_tag last)
{
	struct edit_field f = { .tag = EDIT_NEXT_NUMBER, .number = i };

	buf_reset(out);
	if (i == 0) {
		f.tag = EDIT_SNAPSHOT;
		edit_field_encode(out, &f);
		f.tag = EDIT_NEXT_NUMBER;
	}
	edit_field_encode(out, &f);
	f = (struct edit_field){ .tag = EDIT_ADD_TABLE,
				 .number = i,
				 .level = 1,
				 .run = i,
				 .size = 77,
				 .props = { .entries = i,
					    .smallest = shale_str("a"),
					    .largest = shale_str("zzzzzzzz") } };
	for (uint64_t k = 0; k < i % 3; k++)
		edit_field_encode(out, &f);
	if (last != 0) {
		f = (struct edit_field){ .tag = last };
		edit_field_encode(out, &f);
	}
	assert_false(out->failed);
}

static shale_status write_manifest(struct fixture *x, uint64_t number, uint64_t first,
				   uint64_t records, bool clean)
{
	struct manifest *m = NULL;
	struct buf payload;
	shale_status rc;

	buf_init(&payload, shale_env_default());
	payload_of(&payload, 0, 0);
	rc = manifest_create(x->store, number, STORE_ID, first, buf_view(&payload), &m);
	for (uint64_t i = 1; rc >= 0 && i < records; i++) {
		payload_of(&payload, i, clean && i + 1 == records ? EDIT_CLEAN_CLOSE : 0);
		rc = manifest_append(m, buf_view(&payload));
		if (rc >= 0) {
			assert_int_equal(manifest_edit(m), first + i);
			assert_true(manifest_size(m) > manifest_base_size(m));
		}
	}
	manifest_close(m);
	buf_fini(&payload);
	return rc;
}

/* Counts whole records by their fields, which must be those of payload_of(). */
struct seen {
	uint64_t next;   /* number of the record that must come */
	uint64_t tables; /* still to come for the last one */
	bool snapshot, clean;
};

static shale_status see(void *arg, const struct edit_field *f)
{
	struct seen *s = arg;

	switch (f->tag) {
	case EDIT_SNAPSHOT:
		assert_int_equal(s->next, 0);
		s->snapshot = true;
		break;
	case EDIT_NEXT_NUMBER:
		assert_int_equal(s->tables, 0);
		assert_int_equal(f->number, s->next);
		s->tables = s->next++ % 3;
		break;
	case EDIT_ADD_TABLE:
		assert_int_equal(f->number, s->next - 1);
		assert_int_equal(f->props.entries, s->next - 1);
		assert_slice(f->props.largest, "zzzzzzzz");
		s->tables--;
		break;
	case EDIT_CLEAN_CLOSE:
		s->clean = true;
		break;
	default:
		fail();
	}
	return SHALE_OK;
}

static shale_status replay(struct fixture *x, uint64_t number, struct seen *s,
			   struct manifest_report *report)
{
	*s = (struct seen){ 0 };
	return manifest_replay(x->store, number, STORE_ID, see, s, report);
}

static bool names_the_place(uint64_t number)
{
	const shale_error *e = shale_last_error();

	return e->offset != UINT64_MAX &&
	       strcmp(e->object, object_name(OBJECT_MANIFEST, number).text) == 0;
}

static void replays_what_was_appended(void **state)
{
	struct manifest_report report;
	struct fixture x;
	struct seen s;

	(void)state;
	fixture_init(&x);
	for (int clean = 0; clean < 2; clean++) {
		uint64_t number = NUMBER + (uint64_t)clean;

		assert_ok(write_manifest(&x, number, 100, 50, clean != 0));
		assert_ok(replay(&x, number, &s, &report));
		assert_int_equal(s.next, 50);
		assert_int_equal(s.tables, 0);
		assert_true(s.snapshot);
		assert_int_equal(s.clean, clean);
		assert_int_equal(report.clean, clean);
		assert_int_equal(report.records, 50);
		assert_int_equal(report.last_edit, 149);
		assert_int_equal(report.torn_bytes, 0);
	}
	fixture_fini(&x);
}

static void appended_records_survive_a_crash(void **state)
{
	struct manifest_report report;
	struct fixture x;
	struct seen s;

	(void)state;
	fixture_init(&x);
	assert_ok(write_manifest(&x, NUMBER, 1, 20, false));
	store_close(x.store);
	sim_fs_crash(x.fs, SIM_CRASH_NONE_UNSYNCED, 1);
	assert_ok(store_open(&x.env, "db", &(struct store_options){ .create = true }, &x.store));
	assert_ok(replay(&x, NUMBER, &s, &report));
	assert_int_equal(s.next, 20);
	assert_int_equal(report.torn_bytes, 0);
	fixture_fini(&x);
}

/* Where each record ends, from the sizes as the manifest grows. */
static size_t record_ends(uint64_t records, size_t *ends)
{
	struct fixture x;
	struct manifest *m = NULL;
	struct buf payload;

	fixture_init(&x);
	buf_init(&payload, shale_env_default());
	payload_of(&payload, 0, 0);
	assert_ok(manifest_create(x.store, NUMBER, STORE_ID, 100, buf_view(&payload), &m));
	ends[0] = manifest_size(m);
	assert_int_equal(manifest_base_size(m), ends[0]);
	for (uint64_t i = 1; i < records; i++) {
		payload_of(&payload, i, 0);
		assert_ok(manifest_append(m, buf_view(&payload)));
		ends[i] = manifest_size(m);
	}
	assert_int_equal(manifest_number(m), NUMBER);
	manifest_close(m);
	buf_fini(&payload);
	fixture_fini(&x);
	return ends[records - 1];
}

static void a_cut_at_every_byte_is_a_torn_tail(void **state)
{
	enum { RECORDS = 8 };
	struct manifest_report report;
	size_t ends[RECORDS], size;
	struct fixture x;
	struct seen s;
	void *bytes = NULL;

	(void)state;
	fixture_init(&x);
	record_ends(RECORDS, ends);
	assert_ok(write_manifest(&x, NUMBER, 100, RECORDS, false));
	assert_int_equal(sim_fs_read_file(x.fs, path_of(NUMBER), &bytes, &size), 0);
	assert_int_equal(size, ends[RECORDS - 1]);
	for (size_t n = 0; n < size; n++) {
		uint64_t whole = 0;
		shale_status rc;

		while (ends[whole] <= n)
			whole++;
		assert_int_equal(sim_fs_write_file(x.fs, path_of(NUMBER), bytes, n), 0);
		rc = replay(&x, NUMBER, &s, &report);
		if (whole == 0) { /* not even a snapshot: never was durable */
			assert_status(rc, SHALE_CORRUPT);
			assert_true(names_the_place(NUMBER));
			continue;
		}
		assert_ok(rc);
		assert_int_equal(s.next, whole);
		assert_int_equal(report.records, whole);
		assert_int_equal(report.torn_bytes, n - ends[whole - 1]);
	}
	free(bytes);
	fixture_fini(&x);
}

static void damage_at_every_byte_is_found_unless_it_looks_like_a_torn_tail(void **state)
{
	enum { RECORDS = 8 };
	struct manifest_report report;
	size_t ends[RECORDS], size;
	struct fixture x;
	struct rand r;
	struct seen s;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x);
	size = record_ends(RECORDS, ends);
	assert_ok(write_manifest(&x, NUMBER, 100, RECORDS, false));
	for (size_t at = 0; at < size; at++) {
		uint8_t mask = (uint8_t)(1 + rand_below(&r, 255));
		shale_status rc;

		assert_int_equal(sim_fs_corrupt(x.fs, path_of(NUMBER), at, mask), 0);
		rc = replay(&x, NUMBER, &s, &report);
		if (at < ends[RECORDS - 2]) {
			assert_status(rc, SHALE_CORRUPT);
			assert_true(names_the_place(NUMBER));
		} else { /* the last record, as if it had been torn */
			assert_ok(rc);
			assert_int_equal(s.next, RECORDS - 1);
			assert_int_equal(report.torn_bytes, size - ends[RECORDS - 2]);
		}
		assert_int_equal(sim_fs_corrupt(x.fs, path_of(NUMBER), at, mask), 0);
	}
	fixture_fini(&x);
}

/* Bytes behind the end: junk is a torn tail, but not behind a clean close. */
static void nothing_may_follow_a_clean_close(void **state)
{
	struct manifest_report report;
	uint8_t *bytes = NULL;
	struct fixture x;
	struct seen s;
	size_t size;

	(void)state;
	fixture_init(&x);
	for (int clean = 0; clean < 2; clean++) {
		uint64_t number = NUMBER + (uint64_t)clean;

		assert_ok(write_manifest(&x, number, 100, 4, clean != 0));
		assert_int_equal(sim_fs_read_file(x.fs, path_of(number), (void **)&bytes, &size),
				 0);
		bytes = realloc(bytes, size + 40);
		memset(bytes + size, 0xa5, 40);
		assert_int_equal(sim_fs_write_file(x.fs, path_of(number), bytes, size + 40), 0);
		free(bytes);
		if (clean != 0) {
			assert_status(replay(&x, number, &s, &report), SHALE_CORRUPT);
			assert_true(names_the_place(number));
		} else {
			assert_ok(replay(&x, number, &s, &report));
			assert_int_equal(report.torn_bytes, 40);
		}
	}
	fixture_fini(&x);
}

/* Splice records as no writer would. */
static void records_out_of_turn_are_corruption(void **state)
{
	struct manifest_report report;
	struct buf file, payload;
	struct fixture x;
	struct seen s;
	uint8_t *bytes = NULL;
	size_t size, ends[4];

	(void)state;
	fixture_init(&x);
	buf_init(&file, shale_env_default());
	buf_init(&payload, shale_env_default());
	record_ends(4, ends);
	assert_ok(write_manifest(&x, NUMBER, 100, 4, false));
	assert_int_equal(sim_fs_read_file(x.fs, path_of(NUMBER), (void **)&bytes, &size), 0);

	/* One is missing. */
	buf_append(&file, bytes, ends[1]);
	buf_append(&file, bytes + ends[2], size - ends[2]);
	assert_int_equal(sim_fs_write_file(x.fs, path_of(NUMBER), file.data, file.size), 0);
	assert_status(replay(&x, NUMBER, &s, &report), SHALE_CORRUPT);
	assert_true(names_the_place(NUMBER));
	assert_int_equal(shale_last_error()->offset, ends[1]);

	/* The snapshot is missing. */
	buf_reset(&file);
	buf_append(&file, bytes, MANIFEST_HEADER);
	buf_append(&file, bytes + ends[0], size - ends[0]);
	assert_int_equal(sim_fs_write_file(x.fs, path_of(NUMBER), file.data, file.size), 0);
	assert_status(replay(&x, NUMBER, &s, &report), SHALE_CORRUPT);
	assert_int_equal(shale_last_error()->offset, MANIFEST_HEADER);

	/* A sound record whose fields are none. */
	buf_reset(&file);
	buf_append(&file, bytes, size);
	buf_u8(&payload, 200);
	edit_record_encode(&file, NUMBER, 104, buf_view(&payload));
	assert_int_equal(sim_fs_write_file(x.fs, path_of(NUMBER), file.data, file.size), 0);
	assert_status(replay(&x, NUMBER, &s, &report), SHALE_CORRUPT);
	assert_int_equal(shale_last_error()->offset, size + MANIFEST_RECORD);

	/* A record of another manifest (a recycled block) ends this one. */
	buf_reset(&file);
	buf_append(&file, bytes, size);
	payload_of(&payload, 4, 0);
	edit_record_encode(&file, NUMBER + 1, 104, buf_view(&payload));
	assert_int_equal(sim_fs_write_file(x.fs, path_of(NUMBER), file.data, file.size), 0);
	assert_ok(replay(&x, NUMBER, &s, &report));
	assert_int_equal(report.torn_bytes, file.size - size);

	free(bytes);
	buf_fini(&file);
	buf_fini(&payload);
	fixture_fini(&x);
}

enum { FORGED_BYTES = 16 << 20, FORGED_SECONDS = 10 };

/* Of what lies behind the last record, every 16 bytes say that a record begins and is the rest. */
static void a_forged_tail_is_read_in_linear_time(void **state)
{
	uint8_t *bytes = NULL, *more = malloc(FORGED_BYTES);
	struct manifest_report report;
	struct fixture x;
	struct seen s;
	clock_t begun;
	size_t size;

	(void)state;
	assert_non_null(more);
	fixture_init(&x);
	assert_ok(write_manifest(&x, NUMBER, 1, 1, false));
	assert_int_equal(sim_fs_read_file(x.fs, path_of(NUMBER), (void **)&bytes, &size), 0);
	memcpy(more, bytes, size);
	memset(more + size, 0xff, FORGED_BYTES - size);
	for (size_t at = size; at + 16 <= FORGED_BYTES; at += 16) {
		put_u32le(more + at + 4, (uint32_t)(FORGED_BYTES - at - MANIFEST_RECORD - 8));
		put_u64le(more + at + 8, 2);
	}
	assert_int_equal(sim_fs_write_file(x.fs, path_of(NUMBER), more, FORGED_BYTES), 0);
	begun = clock();
	assert_ok(replay(&x, NUMBER, &s, &report));
	assert_true((clock() - begun) / CLOCKS_PER_SEC < FORGED_SECONDS);
	assert_int_equal(report.torn_bytes, FORGED_BYTES - size);
	free(bytes);
	free(more);
	fixture_fini(&x);
}

static void foreign_missing_and_newer_files_are_told_apart(void **state)
{
	struct manifest_header h = { NUMBER, STORE_ID, 0, 0, 0 };
	struct manifest_report report;
	uint8_t *bytes = NULL;
	struct fixture x;
	struct seen s;
	size_t size;

	(void)state;
	fixture_init(&x);
	assert_status(replay(&x, NUMBER, &s, &report), SHALE_MISSING);
	assert_string_equal(shale_last_error()->object, object_name(OBJECT_MANIFEST, NUMBER).text);

	assert_ok(write_manifest(&x, NUMBER, 100, 4, false));
	assert_status(manifest_replay(x.store, NUMBER, STORE_ID + 1, see, &s, &report),
		      SHALE_CORRUPT);
	assert_non_null(strstr(shale_last_error()->text, "foreign"));
	assert_int_equal(sim_fs_read_file(x.fs, path_of(NUMBER), (void **)&bytes, &size), 0);
	assert_int_equal(sim_fs_write_file(x.fs, path_of(NUMBER + 1), bytes, size), 0);
	assert_status(replay(&x, NUMBER + 1, &s, &report), SHALE_CORRUPT);
	assert_non_null(strstr(shale_last_error()->text, "foreign"));
	assert_true(names_the_place(NUMBER + 1));

	h.incompatible = 1u << 7;
	manifest_header_encode(&h, bytes);
	assert_int_equal(sim_fs_write_file(x.fs, path_of(NUMBER), bytes, size), 0);
	assert_status(replay(&x, NUMBER, &s, &report), SHALE_UNSUPPORTED);
	assert_true(names_the_place(NUMBER));
	free(bytes);
	fixture_fini(&x);
}

static void a_failed_append_poisons_the_manifest(void **state)
{
	static const enum sim_op ops[] = { SIM_WRITE, SIM_SYNC };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct manifest_report report;
		struct manifest *m = NULL;
		struct fixture x;
		struct buf payload;
		uint64_t size;
		struct seen s;

		fixture_init(&x);
		buf_init(&payload, shale_env_default());
		payload_of(&payload, 0, 0);
		assert_ok(manifest_create(x.store, NUMBER, STORE_ID, 1, buf_view(&payload), &m));
		size = manifest_size(m);
		payload_of(&payload, 1, 0);
		sim_fs_fault(x.fs, &(struct sim_fault){
					   .op = ops[i], .nth = 1, .err = 5, .clean = true });
		assert_status(manifest_append(m, buf_view(&payload)), SHALE_IO);
		assert_string_equal(shale_last_error()->object,
				    object_name(OBJECT_MANIFEST, NUMBER).text);
		/* The disk is well again; nobody may believe it. */
		assert_status(manifest_append(m, buf_view(&payload)), SHALE_IO);
		assert_int_equal(manifest_edit(m), 1);
		assert_int_equal(manifest_size(m), size);
		manifest_close(m);
		assert_ok(replay(&x, NUMBER, &s, &report));
		assert_in_range(report.records, 1, 2); /* it may be there */
		buf_fini(&payload);
		fixture_fini(&x);
	}
}

static void a_failed_create_leaves_nothing(void **state)
{
	uint64_t n = 1;

	(void)state;
	for (;; n++) {
		struct fixture x;
		uint64_t size, hits;
		shale_status rc;

		fixture_init(&x);
		sim_fs_fault(x.fs, &(struct sim_fault){ .op = SIM_ANY, .nth = n, .err = 28 });
		rc = write_manifest(&x, NUMBER, 1, 1, false);
		hits = sim_fs_fault_hits(x.fs);
		sim_fs_faults_clear(x.fs);
		if (rc != SHALE_OK) {
			assert_status(rc, SHALE_NO_SPACE);
			assert_status(store_stat(x.store, OBJECT_MANIFEST, NUMBER, &size),
				      SHALE_MISSING);
		}
		fixture_fini(&x);
		if (hits == 0)
			break;
	}
	assert_true(n > 3);
}

static void every_failed_allocation_is_reported(void **state)
{
	struct manifest_report report;
	struct fixture x;
	struct seen s;
	shale_status rc;

	(void)state;
	fixture_init(&x);
	for (uint64_t n = 1;; n++) {
		uint64_t live = sim_heap_live(x.heap);

		sim_heap_fail(x.heap, n, false);
		rc = write_manifest(&x, n, 1, 5, false);
		if (rc >= 0)
			rc = replay(&x, n, &s, &report);
		sim_heap_fail(x.heap, 0, false);
		assert_int_equal(sim_heap_live(x.heap), live);
		if (rc == SHALE_OK)
			break;
		assert_status(rc, SHALE_NO_MEMORY);
	}
	fixture_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays_what_was_appended),
		cmocka_unit_test(appended_records_survive_a_crash),
		cmocka_unit_test(a_cut_at_every_byte_is_a_torn_tail),
		cmocka_unit_test(damage_at_every_byte_is_found_unless_it_looks_like_a_torn_tail),
		cmocka_unit_test(nothing_may_follow_a_clean_close),
		cmocka_unit_test(records_out_of_turn_are_corruption),
		cmocka_unit_test(a_forged_tail_is_read_in_linear_time),
		cmocka_unit_test(foreign_missing_and_newer_files_are_told_apart),
		cmocka_unit_test(a_failed_append_poisons_the_manifest),
		cmocka_unit_test(a_failed_create_leaves_nothing),
		cmocka_unit_test(every_failed_allocation_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
