/*
 * Part one: the package lists of this machine, tens of thousands of real records
 * of very different sizes. They are loaded, the store is closed and opened again,
 * and every record is read back, one by one and by a scan of the whole.
 *
 * What is compared: the records parsed are kept as hashes of key and value. A
 * point read must give the value with that hash. For the scan the hashes are
 * summed, so the order in which records come does not matter.
 */
#include "grid.h"
#include "job/job.h"
#include "progress.h"
#include "rows.h"
#include "tool.h"

#include <inttypes.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	CORPUS_LEAST = 1000,
	CORPUS_BATCH_BYTES = 1 << 20,
};

static const char CORPUS_COMMAND[] = "apt-cache dumpavail 2>/dev/null";
static const char CORPUS_ADVICE[] =
	"the package lists are made by `apt-get update` (and apt-cache is part of the package apt)";

struct record {
	size_t key_at; /* in corpus.keys */
	uint32_t key_size;
	uint64_t key_hash, value_hash;
};

struct corpus {
	struct job *job;
	struct job_corpus *out;
	char *path;
	shale_db *db;
	struct text keys;
	struct record *records;
	size_t count;
	/* Over the records that are live: of equal keys the last. */
	uint64_t live, sum;
};

static uint64_t hash(shale_slice s)
{
	return XXH3_64bits(s.data, s.size);
}

/* Of one entry; the sum of these over all is the checksum of the whole. */
static uint64_t entry_hash(uint64_t key_hash, uint64_t value_hash)
{
	uint64_t both[2] = { key_hash, value_hash };

	return XXH3_64bits(both, sizeof(both));
}

static void remember(struct corpus *c, shale_slice key, shale_slice value)
{
	struct record *r;

	if (!(c->count & (c->count - 1)))
		c->records =
			tool_alloc(c->records, (c->count ? 2 * c->count : 1) * sizeof(*c->records));
	r = &c->records[c->count++];
	r->key_at = c->keys.size;
	r->key_size = (uint32_t)key.size;
	r->key_hash = hash(key);
	r->value_hash = hash(value);
	text_add(&c->keys, key.data, key.size);
	c->out->bytes += key.size + value.size;
}

static shale_slice record_key(const struct corpus *c, const struct record *r)
{
	return shale_bytes(c->keys.data + r->key_at, r->key_size);
}

/* By key, equal ones in the order they came. */
static int compare_records(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->key_hash != y->key_hash)
		return x->key_hash < y->key_hash ? -1 : 1;
	return x->key_at < y->key_at ? -1 : x->key_at > y->key_at;
}

/* Leave of equal keys only the last, as the store does; sum what remains. */
static void settle_records(struct corpus *c)
{
	size_t n = 0;

	qsort(c->records, c->count, sizeof(*c->records), compare_records);
	for (size_t i = 0; i < c->count; i++) {
		if (i + 1 < c->count && c->records[i].key_hash == c->records[i + 1].key_hash)
			continue;
		c->sum += entry_hash(c->records[i].key_hash, c->records[i].value_hash);
		c->records[n++] = c->records[i];
	}
	c->live = n;
	c->out->records = c->count;
	c->out->repeated = c->count - n;
}

/* ---- load ---- */

static int load_batch(struct corpus *c, shale_batch *batch)
{
	shale_status status = shale_write(c->db, NULL, batch);

	if (status)
		return tool_fail_status(status, "storing package records");
	shale_batch_clear(batch);
	return TOOL_OK;
}

static int load_records(struct corpus *c, struct rows_reader *reader, shale_batch *batch,
			struct progress *p)
{
	struct text key = { 0 }, value = { 0 };
	enum rows_result result;
	size_t pending = 0;
	int rc = TOOL_OK;
	shale_status status;

	while (rc == TOOL_OK) {
		result = rows_deb822.read(reader, &key, &value);
		if (result == ROWS_END)
			break;
		if (result != ROWS_OK) {
			rc = tool_fail("%s: line %" PRIu64 ": %s", CORPUS_COMMAND,
				       reader->record_line,
				       result == ROWS_BAD ? reader->error : "cannot be read");
			break;
		}
		status = shale_batch_put(batch, NULL, text_slice(&key), text_slice(&value));
		if (status) {
			rc = tool_fail_status(status, "storing package records");
			break;
		}
		remember(c, text_slice(&key), text_slice(&value));
		pending += value.size;
		if (pending < CORPUS_BATCH_BYTES)
			continue;
		rc = load_batch(c, batch);
		pending = 0;
		progress_update(p, c->count);
	}
	if (rc == TOOL_OK)
		rc = load_batch(c, batch);
	text_fini(&key);
	text_fini(&value);
	return rc;
}

static int load(struct corpus *c)
{
	FILE *in = popen(CORPUS_COMMAND, "r");
	shale_batch *batch = NULL;
	struct rows_reader reader;
	struct progress p;
	int rc = TOOL_OK;

	if (!in)
		return tool_fail("apt-cache cannot be run; %s", CORPUS_ADVICE);
	if (shale_batch_new(&batch))
		rc = tool_fail_status(SHALE_NO_MEMORY, "loading the packages");
	rows_init(&reader, in);
	progress_start(&p, "  load packages", PROGRESS_COUNT, 0);
	if (rc == TOOL_OK)
		rc = load_records(c, &reader, batch, &p);
	c->out->load_ns = progress_elapsed_ns(&p);
	progress_end(&p, NULL);
	rows_fini(&reader, &rows_deb822);
	shale_batch_free(batch);
	pclose(in);
	if (rc == TOOL_OK && c->count < CORPUS_LEAST)
		rc = tool_fail("`apt-cache dumpavail` gave %zu records, fewer than %d; %s",
			       c->count, CORPUS_LEAST, CORPUS_ADVICE);
	return rc;
}

/* ---- verify ---- */

static int verify_each(struct corpus *c)
{
	struct progress p;
	int rc = TOOL_OK;

	progress_start(&p, "  read each back", PROGRESS_COUNT, c->live);
	for (size_t i = 0; i < c->live && rc == TOOL_OK; i++) {
		shale_slice key = record_key(c, &c->records[i]);
		shale_value value;
		shale_status status = shale_get(c->db, NULL, key, &value);

		if (status < 0)
			rc = tool_fail_status(status, "reading %.*s", (int)key.size,
					      (const char *)key.data);
		else if (status)
			rc = tool_fail("the record %.*s was stored and is not found", (int)key.size,
				       (const char *)key.data);
		else if (hash(shale_bytes(value.data, value.size)) != c->records[i].value_hash)
			rc = tool_fail("the record %.*s is not what was stored", (int)key.size,
				       (const char *)key.data);
		if (status == SHALE_OK)
			shale_value_release(&value);
		progress_update(&p, i);
	}
	progress_end(&p, NULL);
	return rc;
}

/* Count and sum all entries and see that the keys rise. */
static shale_status scan_all(shale_iter *it, uint64_t *n, uint64_t *sum, bool *rising)
{
	shale_status status = shale_iter_first(it);
	struct text last = { 0 };
	shale_slice key, value;

	for (; status == SHALE_OK; status = shale_iter_next(it)) {
		size_t least;
		int order;

		key = shale_iter_key(it);
		status = shale_iter_value(it, &value);
		if (status)
			break;
		least = key.size < last.size ? key.size : last.size;
		order = least ? memcmp(last.data, key.data, least) : 0;
		if (*n && (order > 0 || (order == 0 && last.size >= key.size)))
			*rising = false;
		text_clear(&last);
		text_add(&last, key.data, key.size);
		*sum += entry_hash(hash(key), hash(value));
		(*n)++;
	}
	text_fini(&last);
	return status;
}

static int verify_scan(struct corpus *c)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	uint64_t n = 0, sum = 0;
	shale_iter *it = NULL;
	bool rising = true;
	shale_status status = shale_iter_new(c->db, &o, &it);

	if (status == SHALE_OK)
		status = scan_all(it, &n, &sum, &rising);
	if (status != SHALE_END) {
		tool_fail_status(status, "scanning the packages");
		shale_iter_free(it);
		return TOOL_FAILED;
	}
	shale_iter_free(it);
	if (!rising)
		return tool_fail("the scan of the packages gave keys out of order");
	if (n != c->live)
		return tool_fail("the scan of the packages gave %" PRIu64 " entries, %" PRIu64
				 " were stored",
				 n, c->live);
	if (sum != c->sum)
		return tool_fail("the checksum of the scan, %016" PRIx64
				 ", is not that of what was stored, %016" PRIx64,
				 sum, c->sum);
	return TOOL_OK;
}

static int corpus_verify(struct corpus *c)
{
	uint64_t start = tool_now_ns();
	int rc = verify_each(c);

	if (rc)
		return rc;
	step_done(c->job, "each record read back by its key and compared: %s",
		  human_count(c->live).text);
	rc = verify_scan(c);
	if (rc)
		return rc;
	c->out->verify_ns = tool_now_ns() - start;
	step_done(c->job, "a scan gave all of them in order, checksum %016" PRIx64 " as stored",
		  c->sum);
	return TOOL_OK;
}

static int corpus_steps(struct corpus *c)
{
	shale_options o = SHALE_OPTIONS_INIT;
	int rc;

	o.memory_budget = c->job->memory;
	rc = step_fresh(c->path);
	if (rc == TOOL_OK)
		rc = step_open(c->path, &o, &c->db);
	if (rc)
		return rc;
	rc = load(c);
	if (step_close(c->db, c->path))
		rc = TOOL_FAILED;
	c->db = NULL;
	if (rc)
		return rc;
	settle_records(c);
	step_done(
		c->job, "%s records, %s, loaded durably in %s (%s/s)",
		human_count(c->out->records).text, human_size(c->out->bytes).text,
		human_time(c->out->load_ns).text,
		human_size((uint64_t)((double)c->out->bytes * 1e9 / (double)c->out->load_ns)).text);
	rc = step_open(c->path, &o, &c->db);
	if (rc)
		return rc;
	step_done(c->job, "store closed and opened again");
	rc = corpus_verify(c);
	if (step_close(c->db, c->path))
		rc = TOOL_FAILED;
	c->out->file_bytes = step_dir_bytes(c->path);
	return rc;
}

int corpus_run(struct job *job)
{
	struct corpus c = { .job = job, .out = &job->corpus };
	int rc;

	step_title(job, "1/3", "Package records of this machine (apt-cache dumpavail)");
	c.path = step_path(job, "packages");
	rc = corpus_steps(&c);
	text_fini(&c.keys);
	free(c.records);
	free(c.path);
	return rc;
}
