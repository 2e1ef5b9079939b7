/*
 * A manifest or a log whose checksums are right and whose contents cannot be: the open
 * fails, or the merge does, and names the file and what is wrong with it. The store is
 * as good as before once the bytes are back.
 */
#include "regress/sim_store.h"

#include "base/buf.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "env/names.h"
#include "format/batch.h"
#include "format/edit.h"
#include "format/record.h"

struct file {
	const char *ends;
	char path[64];
	uint64_t number;
	uint8_t *bytes;
	size_t size;
};

static int note_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	struct file *f = arg;
	enum object_kind kind;
	uint64_t number;

	(void)size;
	(void)is_dir;
	if (strstr(name, f->ends) == NULL || !object_name_parse(name, &kind, &number) ||
	    (f->number != 0 && f->number < number))
		return 0;
	f->number = number;
	snprintf(f->path, sizeof(f->path), DIR "/%s", name);
	return 0;
}

/* The store's first file of this kind. */
static struct file file_find(struct sim *sim, const char *ends)
{
	struct sim_fs *fs = sim_get_fs(sim);
	struct file f = { .ends = ends };
	void *bytes;

	need(sim_fs_list(fs, DIR, note_file, &f) == 0 && f.number != 0);
	need(sim_fs_read_file(fs, f.path, &bytes, &f.size) == 0);
	f.bytes = bytes;
	return f;
}

static void file_write(struct sim *sim, const struct file *f, const void *bytes, size_t size)
{
	need(sim_fs_write_file(sim_get_fs(sim), f->path, bytes, size) == 0);
}

static bool names(const struct file *f, const char *what)
{
	const shale_error *e = shale_last_error();

	if (e->status == SHALE_CORRUPT && strstr(e->text, what) != NULL &&
	    strcmp(e->object, strrchr(f->path, '/') + 1) == 0)
		return true;
	fprintf(stderr, "'%s' of '%s', not '%s'\n", e->text, e->object, what);
	return false;
}

/* ---- manifests ---- */

/* Changes the field, if it is the one to be changed, and may add others behind it. */
struct forgery {
	const char *what, *says;
	enum edit_tag tag; /* the first of these */
	void (*change)(struct edit_field *f, struct buf *behind);
};

static void same_name(struct edit_field *f, struct buf *behind)
{
	struct edit_field more = *f;

	more.cf = 7;
	edit_field_encode(behind, &more);
}

static void same_id(struct edit_field *f, struct buf *behind)
{
	struct edit_field more = *f;

	more.name = shale_str("another");
	edit_field_encode(behind, &more);
}

static void zero_in_name(struct edit_field *f, struct buf *behind)
{
	(void)behind;
	f->name = slice_from("de\0fault", 8);
}

static void empty_name(struct edit_field *f, struct buf *behind)
{
	(void)behind;
	f->name.size = 0;
}

static void odd_options(struct edit_field *f, struct buf *behind)
{
	(void)behind;
	f->options.block_bytes = 1;
}

static void odd_new_options(struct edit_field *f, struct buf *behind)
{
	struct edit_field more = { .tag = EDIT_CF_OPTIONS, .cf = f->cf, .options = f->options };

	more.options.filter_bits = 33;
	edit_field_encode(behind, &more);
}

static void drop_default(struct edit_field *f, struct buf *behind)
{
	struct edit_field more = { .tag = EDIT_CF_DROP, .cf = f->cf };

	edit_field_encode(behind, &more);
}

static void change_unknown(struct edit_field *f, struct buf *behind)
{
	struct edit_field more = { .tag = EDIT_CF_FLUSHED, .cf = 99, .seq = 1 };

	(void)f;
	edit_field_encode(behind, &more);
}

static void add_twice(struct edit_field *f, struct buf *behind)
{
	edit_field_encode(behind, f);
}

static void upside_down(struct edit_field *f, struct buf *behind)
{
	shale_slice lo = f->props.smallest;

	(void)behind;
	f->props.smallest = f->props.largest;
	f->props.largest = lo;
}

static void remove_unknown(struct edit_field *f, struct buf *behind)
{
	struct edit_field more = { .tag = EDIT_REMOVE_TABLE,
				   .cf = f->cf,
				   .level = f->level,
				   .run = f->run,
				   .number = f->number + 1 };

	edit_field_encode(behind, &more);
}

static void log_twice(struct edit_field *f, struct buf *behind)
{
	struct edit_field log = { .tag = EDIT_LOG_ADD, .number = 12345 };

	(void)f;
	edit_field_encode(behind, &log);
	edit_field_encode(behind, &log);
}

static void log_unknown(struct edit_field *f, struct buf *behind)
{
	struct edit_field log = { .tag = EDIT_LOG_REMOVE, .number = 12345 };

	(void)f;
	edit_field_encode(behind, &log);
}

static void last_of_all_sequences(struct edit_field *f, struct buf *behind)
{
	(void)behind;
	f->number = f->seq = f->props.max_seq = SEQ_MAX;
}

static void last_of_all_runs(struct edit_field *f, struct buf *behind)
{
	(void)behind;
	f->run = UINT64_MAX;
}

static void last_of_all_families(struct edit_field *f, struct buf *behind)
{
	struct edit_field more = *f;

	more.cf = UINT32_MAX;
	more.name = shale_str("another");
	edit_field_encode(behind, &more);
}

static const struct forgery forgeries[] = {
	{ "two families of one name", "two column families have one name", EDIT_CF_CREATE,
	  same_name },
	{ "two families of one id", "created twice", EDIT_CF_CREATE, same_id },
	{ "a zero byte in a name", "has no name", EDIT_CF_CREATE, zero_in_name },
	{ "a name of no bytes", "has no name", EDIT_CF_CREATE, empty_name },
	{ "options out of range", "block_bytes", EDIT_CF_CREATE, odd_options },
	{ "new options out of range", "filter_bits", EDIT_CF_CREATE, odd_new_options },
	{ "no default family", "unknown column family", EDIT_CF_CREATE, drop_default },
	{ "a change of a family that is not there", "unknown column family", EDIT_CF_CREATE,
	  change_unknown },
	{ "a log twice", "a log is added twice", EDIT_CF_CREATE, log_twice },
	{ "a log removed that is not there", "an unknown log", EDIT_CF_CREATE, log_unknown },
	{ "no family id left", "no id is left", EDIT_CF_CREATE, last_of_all_families },
	{ "no sequence number left", "sequence numbers", EDIT_LAST_SEQ, last_of_all_sequences },
	{ "flushed to the last sequence number", "sequence numbers", EDIT_CF_FLUSHED,
	  last_of_all_sequences },
	{ "a table of the last sequence number", "sequence numbers", EDIT_ADD_TABLE,
	  last_of_all_sequences },
	{ "no run left", "run ids", EDIT_ADD_TABLE, last_of_all_runs },
	{ "a table twice", "overlap", EDIT_ADD_TABLE, add_twice },
	{ "a table upside down", "key range is empty", EDIT_ADD_TABLE, upside_down },
	{ "a table removed that is not there", "is not there", EDIT_ADD_TABLE, remove_unknown },
};

/* The manifest again, with a forgery, as one record. */
static void forge(struct sim *sim, const struct file *m, enum edit_tag tag,
		  void (*change)(struct edit_field *f, struct buf *behind))
{
	struct buf payload, behind, out;
	struct edit_field f;
	shale_slice whole;
	uint64_t edit;
	const uint8_t *p, *end;
	size_t size;
	bool done = false;

	buf_init(&payload, shale_env_default());
	buf_init(&behind, shale_env_default());
	buf_init(&out, shale_env_default());
	need(edit_record_decode(m->bytes + MANIFEST_HEADER, m->size - MANIFEST_HEADER, m->number,
				&edit, &whole, &size));
	p = whole.data;
	end = p + whole.size;
	while (edit_field_decode(&p, end, &f) == SHALE_OK) {
		buf_reset(&behind);
		if (f.tag == tag && !done) {
			change(&f, &behind);
			done = true;
		}
		edit_field_encode(&payload, &f);
		buf_append(&payload, behind.data, behind.size);
	}
	need(done && p == end);
	buf_append(&out, m->bytes, MANIFEST_HEADER);
	edit_record_encode(&out, m->number, edit, buf_view(&payload));
	file_write(sim, m, out.data, out.size);
	buf_fini(&payload);
	buf_fini(&behind);
	buf_fini(&out);
}

static void make_closed(struct sim *sim, const shale_options *o)
{
	shale_cf *second = NULL;
	shale_db *db;

	(void)sim;
	need_ok(shale_open(DIR, o, &db));
	need_ok(shale_cf_create(db, "second", NULL, &second));
	for (unsigned i = 0; i < 20; i++) {
		put(db, NULL, i, 100);
		put(db, second, i, 100);
	}
	need_ok(shale_flush(db, NULL));
	shale_cf_release(second);
	need_ok(shale_close(db));
}

/* Of a field; that tables overlap is found when all edits are known. */
static bool tells_place(const struct forgery *each)
{
	return each->change == add_twice || shale_last_error()->offset != UINT64_MAX;
}

static void forge_manifests(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct file m;
	shale_db *db;

	make_closed(sim, &o);
	o.read_only = true; /* so that the manifest stays the same */
	m = file_find(sim, ".man");
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		const struct forgery *each = &forgeries[i];
		shale_status rc;

		forge(sim, &m, each->tag, each->change);
		rc = shale_open(DIR, &o, &db);
		if (rc != SHALE_CORRUPT || !names(&m, each->says) || !tells_place(each)) {
			fprintf(stderr, "%s: %s\n", each->what, shale_status_name(rc));
			abort();
		}
		file_write(sim, &m, m.bytes, m.size);
		need_ok(shale_open(DIR, &o, &db));
		need_ok(has(db, NULL, 19));
		need_ok(shale_close(db));
	}
	free(m.bytes);
}

static void a_manifest_that_cannot_be_is_refused_by_name(void **state)
{
	(void)state;
	run_sim(1, forge_manifests);
}

static void next_is_first(struct edit_field *f, struct buf *behind)
{
	(void)behind;
	f->cf = 0;
}

static void forge_next_family(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_cf *cf = NULL;
	struct file m;
	shale_db *db;

	make_closed(sim, &o);
	m = file_find(sim, ".man");
	forge(sim, &m, EDIT_NEXT_CF, next_is_first);
	free(m.bytes);
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "third", NULL, &cf));
	put(db, cf, 50, 100);
	shale_cf_release(cf);
	need_ok(shale_close(db));

	need_ok(shale_open(DIR, &o, &db));
	need_ok(has(db, NULL, 19));
	need_status(has(db, NULL, 50), SHALE_NOT_FOUND);
	need_ok(shale_cf_open(db, "third", &cf));
	need_ok(has(db, cf, 50));
	need_status(has(db, cf, 19), SHALE_NOT_FOUND);
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void a_new_family_never_gets_the_id_of_another(void **state)
{
	(void)state;
	run_sim(1, forge_next_family);
}

/* ---- counts ---- */

static void one_more(struct edit_field *f, struct buf *behind)
{
	(void)behind;
	f->props.entries++;
}

static void forge_counts(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct file m, table;
	shale_db *db;

	o.background_threads = 1;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 20; i++)
		put(db, NULL, i, 100);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_close(db));
	m = file_find(sim, ".man");
	table = file_find(sim, ".sst");
	forge(sim, &m, EDIT_ADD_TABLE, one_more);
	need_ok(shale_open(DIR, &o, &db));
	need_status(shale_compact(db, NULL), SHALE_CORRUPT);
	need(names(&table, "the table holds 20 entries, the manifest says 21"));
	for (unsigned i = 0; i < 20; i++)
		need_ok(has(db, NULL, i));
	need_ok(shale_close(db));
	free(m.bytes);
	free(table.bytes);
}

static void a_count_that_a_merge_finds_wrong_names_the_table(void **state)
{
	(void)state;
	run_sim(1, forge_counts);
}

/* ---- logs ---- */

/* The record at `at` and its payload, changed. */
static void forge_record(struct sim *sim, const struct file *log, size_t at,
			 void (*change)(void *arg, struct record_header *h, uint8_t *payload),
			 void *arg)
{
	uint8_t *copy = malloc(log->size), *p = copy + at;
	struct record_header h;

	memcpy(copy, log->bytes, log->size);
	h.length = get_u32le(p + 4);
	h.first_seq = get_u64le(p + 8) >> 8;
	h.type = p[8];
	h.count = get_u32le(p + 16);
	h.distance = get_u32le(p + 20);
	change(arg, &h, p + RECORD_HEADER);
	record_header_encode(p, &h, crc32c(0, p + RECORD_HEADER, h.length), log->number);
	file_write(sim, log, copy, log->size);
	free(copy);
}

struct one_byte {
	size_t at;
	uint8_t byte;
};

static void change_byte(void *arg, struct record_header *h, uint8_t *payload)
{
	const struct one_byte *b = arg;

	(void)h;
	payload[b->at] = b->byte;
}

/* The first operation, behind the record that begins a segment, is changed by one byte. */
static void forge_log(struct sim *sim, const struct file *log, size_t at, uint8_t byte)
{
	struct one_byte b = { at, byte };

	forge_record(sim, log, LOG_PAGE + record_size(LINK_SIZE), change_byte, &b);
}

static void change_seq(void *arg, struct record_header *h, uint8_t *payload)
{
	(void)payload;
	h->first_seq = *(uint64_t *)arg;
}

static void change_base(void *arg, struct record_header *h, uint8_t *payload)
{
	struct record_link link;

	need(record_link_decode(slice_from(payload, h->length), &link));
	link.base_lsn = *(uint64_t *)arg;
	record_link_encode(&link, payload);
}

static void forge_logs(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_cf *second = NULL;
	struct file log;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "second", NULL, &second));
	put(db, second, 1, 100);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	o.read_only = true;
	log = file_find(sim, ".log");
	forge_log(sim, &log, 0, 0x0f);
	need_status(shale_open(DIR, &o, &db), SHALE_CORRUPT);
	need(names(&log, "unknown type"));
	forge_log(sim, &log, 1, 0x55); /* the family */
	need_status(shale_open(DIR, &o, &db), SHALE_CORRUPT);
	need(names(&log, "which the manifest never had"));
	file_write(sim, &log, log.bytes, log.size);
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_open(db, "second", &second));
	need_ok(has(db, second, 1));
	shale_cf_release(second);
	need_ok(shale_close(db));
	free(log.bytes);
}

static void forge_numbers(void *arg)
{
	/* The first leave no room; the last is room enough. */
	uint64_t seqs[] = { SEQ_MAX, SEQ_MAX - 1, SEQ_MAX - UINT32_MAX, SEQ_MAX >> 1 };
	uint64_t bases[] = { UINT64_MAX - 7, UINT64_C(1) << 63, 4, UINT64_C(1) << 62 };
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct file log;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 100);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	o.read_only = true;
	log = file_find(sim, ".log");
	for (size_t i = 0; i < 4; i++) {
		forge_record(sim, &log, LOG_PAGE + record_size(LINK_SIZE), change_seq, &seqs[i]);
		need_status(shale_open(DIR, &o, &db), i < 3 ? SHALE_CORRUPT : SHALE_OK);
		need(i == 3 || names(&log, "sequence number"));
	}
	need_ok(has(db, NULL, 1));
	need_ok(shale_close(db));
	for (size_t i = 0; i < 4; i++) {
		forge_record(sim, &log, LOG_PAGE, change_base, &bases[i]);
		need_status(shale_open(DIR, &o, &db), i < 3 ? SHALE_CORRUPT : SHALE_OK);
		need(i == 3 ||
		     (names(&log, "log position") && shale_last_error()->offset == LOG_PAGE));
	}
	need_ok(shale_close(db));
	free(log.bytes);
}

static void a_log_of_numbers_that_leave_no_room_is_refused_by_name(void **state)
{
	(void)state;
	run_sim(1, forge_numbers);
}

static void a_log_of_impossible_operations_is_refused_by_name(void **state)
{
	(void)state;
	run_sim(1, forge_logs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_that_cannot_be_is_refused_by_name),
		cmocka_unit_test(a_new_family_never_gets_the_id_of_another),
		cmocka_unit_test(a_count_that_a_merge_finds_wrong_names_the_table),
		cmocka_unit_test(a_log_of_impossible_operations_is_refused_by_name),
		cmocka_unit_test(a_log_of_numbers_that_leave_no_room_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
