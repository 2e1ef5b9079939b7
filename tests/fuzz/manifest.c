/*
 * A manifest, replayed, its tables put into versions as recovery does. Each field
 * writes bytes that read as the same, and a second replay says the same.
 */
#include "fuzz/fuzz.h"

#include "base/crc32c.h"
#include "version/manifest.h"
#include "version/version.h"

enum { SIZE_MAX_ = 8192, STORE_ID = 0x5701e, FAMILIES = 4 };

static const uint64_t NUMBER = (1ull << 32) | 5;

struct replay {
	const shale_env *env;
	struct version_builder *builder[FAMILIES];
	uint32_t sum; /* of all fields, as written */
	uint64_t fields;
};

static void check_writing(struct replay *r, const struct edit_field *f)
{
	struct buf first, second;
	struct edit_field again;
	const uint8_t *p;

	buf_init(&first, r->env);
	buf_init(&second, r->env);
	edit_field_encode(&first, f);
	if (!first.failed) {
		p = first.data;
		FUZZ_CHECK(edit_field_decode(&p, first.data + first.size, &again) == SHALE_OK);
		FUZZ_CHECK(p == first.data + first.size);
		edit_field_encode(&second, &again);
		FUZZ_CHECK(second.failed || slice_eq(buf_view(&first), buf_view(&second)));
		r->sum = crc32c(r->sum, first.data, first.size);
	}
	buf_fini(&first);
	buf_fini(&second);
}

static shale_status apply(void *arg, const struct edit_field *f)
{
	struct replay *r = arg;
	struct version_builder *b = r->builder[f->cf % FAMILIES];
	struct table_meta *m = NULL;
	shale_status rc = SHALE_OK;

	r->fields++;
	check_writing(r, f);
	if (f->tag == EDIT_ADD_TABLE) {
		rc = table_meta_new(r->env, f->number, f->size, &f->props, &m);
		if (rc >= 0)
			rc = version_builder_add(b, f->level, f->run, m);
		table_meta_unref(m);
	} else if (f->tag == EDIT_REMOVE_TABLE) {
		rc = version_builder_remove(b, f->level, f->run, f->number);
	}
	return rc;
}

/* Of what replay accepted: sorted, disjoint, and searchable. */
static void check_version(const struct version *v)
{
	for (size_t i = 0; i < v->run_count; i++) {
		const struct run *run = v->runs[i];

		FUZZ_CHECK(run->count != 0 && run->level < SHALE_LEVELS_MAX);
		for (size_t k = 0; k < run->count; k++) {
			const struct table_props *p = &run->tables[k]->props;

			FUZZ_CHECK(slice_cmp(p->smallest, p->largest) <= 0);
			FUZZ_CHECK(run_find(run, p->smallest) == k);
			FUZZ_CHECK(run_lower(run, p->smallest) <= k);
			if (!p->largest_excluded)
				FUZZ_CHECK(run_find(run, p->largest) == k);
		}
	}
}

static shale_status replay(struct fuzz_machine *m, uint32_t *sum, struct manifest_report *report)
{
	struct replay r = { .env = &m->env };
	shale_status rc;

	for (size_t i = 0; i < FAMILIES; i++)
		FUZZ_CHECK(version_builder_new(&m->env, NULL, &r.builder[i]) == SHALE_OK);
	rc = manifest_replay(m->store, NUMBER, STORE_ID, apply, &r, report);
	for (size_t i = 0; rc >= 0 && i < FAMILIES; i++) {
		struct version *v = NULL;

		rc = version_builder_finish(r.builder[i], &v);
		if (rc >= 0)
			check_version(v);
		version_unref(v);
	}
	for (size_t i = 0; i < FAMILIES; i++)
		version_builder_free(r.builder[i]);
	*sum = crc32c(r.sum, &r.fields, sizeof(r.fields));
	return rc;
}

static void run(const uint8_t *data, size_t size)
{
	struct manifest_report report, again;
	struct fuzz_machine m;
	uint32_t first, second;
	shale_status rc;

	fuzz_machine_init(&m, data, size);
	fuzz_file(&m, OBJECT_MANIFEST, NUMBER, data, size);
	rc = replay(&m, &first, &report);
	if (rc < 0) {
		fuzz_check_failure(rc);
	} else {
		FUZZ_CHECK(report.bytes == size && report.torn_bytes <= size);
		FUZZ_CHECK(replay(&m, &second, &again) == SHALE_OK && first == second);
		FUZZ_CHECK(report.last_edit == again.last_edit && report.records == again.records &&
			   report.torn_bytes == again.torn_bytes && report.clean == again.clean);
	}
	fuzz_machine_fini(&m);
}

static void repair(uint8_t *data, size_t size)
{
	fuzz_repair_manifest(data, size, NUMBER, STORE_ID);
}

/* ---- making one ---- */

static struct edit_field random_table(struct rand *r, uint8_t key[4], uint64_t n)
{
	struct edit_field f = { .tag = EDIT_ADD_TABLE, .cf = (uint32_t)rand_below(r, 2) };

	f.level = (uint32_t)rand_below(r, 4);
	f.run = f.level == 0 ? n : f.level;
	f.number = 1ull << 32 | (10 + n);
	f.size = 1000 + rand_below(r, 9000);
	f.props.entries = rand_below(r, 100);
	f.props.range_tombstones = rand_below(r, 3);
	f.props.max_seq = rand_below(r, 10000);
	f.props.compression = SHALE_LZ4;
	f.props.largest_excluded = rand_below(r, 8) == 0;
	/* One after another, so that the tables of a run are disjoint. */
	key[0] = key[2] = (uint8_t)(n >> 4);
	key[1] = (uint8_t)(n << 4);
	key[3] = (uint8_t)(n << 4 | 8);
	f.props.smallest = slice_from(key, 2);
	f.props.largest = slice_from(key + 2, 2);
	return f;
}

static struct edit_field random_field(struct rand *r, uint8_t key[4], uint64_t n)
{
	struct edit_field f = { .tag = (enum edit_tag)(1 + rand_below(r, EDIT_LAST)) };

	if (rand_below(r, 8) == 0)
		return (struct edit_field){ .tag = EDIT_JOB,
					    .job = { .id = n,
						     .kind = SHALE_JOB_MERGE,
						     .levels_in = 3,
						     .level_out = 1,
						     .entries_in = 100,
						     .entries_kept = 90,
						     .dropped_shadowed = 10 } };
	if (rand_below(r, 8) == 0)
		return (struct edit_field){ .tag = EDIT_HIDES,
					    .number = 1ull << 32 | rand_below(r, 20),
					    .hides = rand_below(r, 20) };
	if (f.tag == EDIT_ADD_TABLE || f.tag == EDIT_REMOVE_TABLE || f.tag == EDIT_CLEAN_CLOSE)
		return random_table(r, key, n);
	f.number = 1ull << 32 | rand_below(r, 20);
	f.cf = (uint32_t)rand_below(r, 4);
	f.seq = rand_below(r, 1000);
	f.length = 4096 + 8 * rand_below(r, 1000);
	f.name = shale_str("family");
	f.options = (shale_cf_options)SHALE_CF_OPTIONS_INIT;
	f.options.block_bytes = (uint32_t)rand_below(r, 8192);
	return f;
}

static size_t make(struct rand *r, uint8_t *out)
{
	const shale_env *env = shale_env_default();
	struct manifest_header h = { .number = NUMBER, .store_id = STORE_ID };
	uint64_t edit = 1 + rand_below(r, 100), n = 0;
	struct buf file, payload;
	uint8_t key[4];
	size_t size;

	buf_init(&file, env);
	buf_init(&payload, env);
	manifest_header_encode(&h, buf_extend(&file, MANIFEST_HEADER));
	for (size_t records = 1 + rand_below(r, 8); records > 0; records--) {
		buf_reset(&payload);
		if (file.size == MANIFEST_HEADER)
			edit_field_encode(&payload, &(struct edit_field){ .tag = EDIT_SNAPSHOT });
		for (size_t k = rand_below(r, 6); k > 0; k--) {
			struct edit_field f = random_field(r, key, n++);

			edit_field_encode(&payload, &f);
			if (f.tag != EDIT_ADD_TABLE || rand_below(r, 4) != 0)
				continue;
			f.tag = EDIT_REMOVE_TABLE;
			edit_field_encode(&payload, &f);
		}
		if (records == 1 && rand_below(r, 2) == 0)
			edit_field_encode(&payload,
					  &(struct edit_field){ .tag = EDIT_CLEAN_CLOSE });
		edit_record_encode(&file, NUMBER, edit++, buf_view(&payload));
	}
	size = file.size < SIZE_MAX_ ? file.size : SIZE_MAX_;
	memcpy(out, file.data, size);
	buf_fini(&file);
	buf_fini(&payload);
	return size;
}

const struct fuzz_target fuzz_target = { "manifest", SIZE_MAX_, run, repair, make, 1 };
