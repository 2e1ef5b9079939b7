/*
 * A whole store: a directory with damage, and a script of calls on it.
 *
 * An input is 3 bytes (base and flags, seed of the schedule, number of edits), the
 * edits of 8 bytes, and the script: 4 bytes a call (verb, key, version, length).
 *
 * What may be answered follows from what was done to the files:
 *   STRICT      one file of a closed store is damaged: each answer is right, or a
 *               failure that names that file
 *   CONSISTENT  more than that: what is found was once written to that key
 *   LOOSE       checksums were repaired: no answer is wrong
 */
#include "fuzz/directory.h"

#include <stdlib.h>

enum { SIZE_MAX_ = 3 + EDITS_MAX * EDIT_SIZE + 48 * 4, SCAN_MAX = 4 * KEYS };
enum { READ_ONLY = 0x40, REPAIR = 0x80 };
enum trust { LOOSE, CONSISTENT, STRICT };

struct play {
	struct sim *sim;
	shale_env env;
	const struct base *base;
	size_t base_index;
	bool read_only;
	enum trust trust;
	const char *damaged; /* STRICT: the file's name; NULL: none is */
	int16_t model[KEYS];
	bool wrote; /* since the damage */
	shale_db *db;
	const uint8_t *script;
	size_t calls;
};

/* ---- judging ---- */

static _Noreturn void wrong(const struct play *p, int k, const char *what)
{
	fprintf(stderr, "key %d is %s; damaged is %s\n", k, what,
		p->damaged != NULL ? p->damaged : "nothing, or several files");
	abort();
}

/* A failed read, or a failed open. */
static void failed(const struct play *p, shale_status rc)
{
	const shale_error *e = shale_last_error();

	/* A forged root can lead to numbers that are taken. */
	if (p->trust == LOOSE && (rc == SHALE_NO_MEMORY || rc == SHALE_EXISTS))
		return;
	fuzz_check_failure(rc);
	if (p->trust != STRICT)
		return;
	if (p->damaged != NULL &&
	    (strstr(e->object, p->damaged) != NULL || strstr(e->text, p->damaged) != NULL))
		return;
	fprintf(stderr, "damage in %s is reported as %s of %s: %s\n",
		p->damaged != NULL ? p->damaged : "nothing", shale_status_name(rc), e->object,
		e->text);
	abort();
}

/*
 * Bytes from disk, whatever they are, break no promise of the library's own; but two
 * forged tables, each sound, may hold the same version of a key, which is out of order.
 */
static void no_bug(const struct play *p, shale_status rc)
{
	if (rc != SHALE_BUG ||
	    (p->trust == LOOSE && strstr(shale_last_error()->text, "out of order") != NULL))
		return;
	fprintf(stderr, "SHALE_BUG: %s\n", shale_last_error()->text);
	abort();
}

/* A failed write. It may be that it was done, or will be; and why is the background's to say. */
static void write_failed(struct play *p, shale_status rc, int lo, int hi)
{
	no_bug(p, rc);
	FUZZ_CHECK(shale_last_error()->text[0] != '\0');
	FUZZ_CHECK(p->trust != STRICT || p->damaged != NULL || p->read_only);
	for (int k = lo; k < hi; k++)
		p->model[k] = UNKNOWN;
}

static void found(const struct play *p, int k, const void *data, size_t size)
{
	int version;

	if (p->trust == LOOSE)
		return;
	version = value_version(k, data, size);
	if (version < 0)
		wrong(p, k, "no value that was ever written");
	if (p->trust == STRICT && p->model[k] != UNKNOWN && p->model[k] != version)
		wrong(p, k, p->model[k] == ABSENT ? "found, though deleted" : "an old version");
}

static void missed(const struct play *p, int k)
{
	if (p->trust == STRICT && p->model[k] >= 0)
		wrong(p, k, "gone in silence");
}

/* ---- calls ---- */

static void call_get(struct play *p, int k, const shale_read_options *o)
{
	shale_value v;
	char key[16];
	shale_status rc;

	key_make(key, k);
	rc = shale_get(p->db, o, shale_str(key), &v);
	if (rc < 0)
		failed(p, rc);
	else if (rc == SHALE_OK)
		found(p, k, v.data, v.size);
	else
		missed(p, k);
	if (rc == SHALE_OK)
		shale_value_release(&v);
}

/* Which key this is; -1 if none of ours. */
static int key_of(shale_slice s)
{
	char text[16], again[16];
	int k = -1;

	if (s.size != 6)
		return -1;
	memcpy(text, s.data, 6);
	text[6] = '\0';
	if (sscanf(text, "key%3d", &k) != 1 || k < 0 || k >= KEYS)
		return -1;
	key_make(again, k);
	return strcmp(text, again) == 0 ? k : -1;
}

/* One entry of a scan that goes from `at` on by `step`; what lies between is not there. */
static int scan_entry(struct play *p, shale_iter *it, int at, int step)
{
	int k = key_of(shale_iter_key(it));
	shale_slice value;
	shale_status rc = shale_iter_value(it, &value);

	if (rc < 0)
		failed(p, rc);
	if (p->trust == LOOSE)
		return at;
	if (k < 0 || (k - at) * step < 0)
		wrong(p, k, "out of order, or no key of ours");
	for (; at != k; at += step)
		missed(p, at);
	if (rc == SHALE_OK)
		found(p, k, value.data, value.size);
	return k + step;
}

static void call_scan(struct play *p, int from, bool forwards)
{
	int at = forwards ? from : KEYS - 1 - from, step = forwards ? 1 : -1;
	shale_iter *it = NULL;
	char key[16];
	shale_status rc = shale_iter_new(p->db, NULL, &it);

	if (rc < 0) {
		failed(p, rc);
		return;
	}
	key_make(key, at);
	rc = forwards ? shale_iter_seek(it, shale_str(key))
		      : shale_iter_seek_prev(it, shale_str(key));
	for (int n = 0; rc == SHALE_OK && n < SCAN_MAX; n++) {
		at = scan_entry(p, it, at, step);
		rc = forwards ? shale_iter_next(it) : shale_iter_prev(it);
	}
	if (rc < 0)
		failed(p, rc);
	else if (p->trust != LOOSE && rc == SHALE_END)
		for (; at >= 0 && at < KEYS; at += step)
			missed(p, at);
	shale_iter_free(it);
}

static void call_put(struct play *p, int k, int version)
{
	char key[16], value[VALUE_ROOM];
	size_t n = value_make(value, k, version);
	shale_status rc;

	key_make(key, k);
	rc = shale_put(p->db, NULL, shale_str(key), slice_from(value, n));
	p->wrote = true;
	if (rc < 0)
		write_failed(p, rc, k, k + 1);
	else
		p->model[k] = (int16_t)version;
}

static void call_delete(struct play *p, int lo, int hi)
{
	char from[16], to[16];
	shale_status rc;

	key_make(from, lo);
	key_make(to, hi);
	rc = hi == lo + 1 ? shale_delete(p->db, NULL, shale_str(from))
			  : shale_delete_range(p->db, NULL, shale_str(from), shale_str(to));
	p->wrote = true;
	if (rc < 0)
		write_failed(p, rc, lo, hi);
	for (int k = lo; rc >= 0 && k < hi; k++)
		p->model[k] = ABSENT;
}

static void call_batch(struct play *p, int k, int version)
{
	shale_batch *b = NULL;
	int last = k + 4 < KEYS ? k + 4 : KEYS;
	shale_status rc = shale_batch_new(&b);

	for (int i = k; i < last && rc >= 0; i++) {
		char key[16], value[VALUE_ROOM];

		key_make(key, i);
		rc = shale_batch_put(b, NULL, shale_str(key),
				     slice_from(value, value_make(value, i, version)));
	}
	if (rc >= 0)
		rc = shale_write(p->db, NULL, b);
	p->wrote = true;
	if (rc < 0)
		write_failed(p, rc, k, last);
	for (int i = k; i < last && rc >= 0; i++)
		p->model[i] = (int16_t)version;
	shale_batch_free(b);
}

static void call_snapshot(struct play *p, int k)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *s = NULL;
	int16_t before = p->model[k];

	if (shale_snapshot_new(p->db, &s) < 0)
		return;
	call_put(p, k, VERSIONS - 1);
	o.snapshot = s;
	o.verify = true;
	if (before != UNKNOWN) {
		int16_t after = p->model[k];

		p->model[k] = before;
		call_get(p, k, &o);
		p->model[k] = after;
	}
	shale_snapshot_free(s);
}

static void call_check(struct play *p)
{
	shale_status rc = shale_check(p->db, NULL, NULL, NULL);

	if (rc < 0)
		failed(p, rc);
}

static void call_other(struct play *p, int k)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_status rc = shale_cf_open(p->db, "other", &o.cf);
	enum trust trust = p->trust;

	if (rc != SHALE_OK) {
		FUZZ_CHECK(rc == SHALE_NOT_FOUND &&
			   (trust == LOOSE || !p->base->other || trust == CONSISTENT));
		return;
	}
	p->trust = trust == LOOSE ? LOOSE : CONSISTENT;
	call_get(p, k, &o);
	p->trust = trust;
	shale_cf_release(o.cf);
}

static bool open_store(struct play *p)
{
	shale_options o = base_options(&p->env, p->base_index);
	shale_status rc;

	o.error_if_missing = true;
	o.read_only = p->read_only;
	rc = shale_open(DIRECTORY, &o, &p->db);
	if (rc == SHALE_NOT_FOUND) { /* all files are gone */
		FUZZ_CHECK(p->trust != STRICT);
		return false;
	}
	if (rc < 0)
		failed(p, rc);
	return rc == SHALE_OK;
}

/* What was written may be lost where the close could not make it durable. */
static bool call_reopen(struct play *p)
{
	shale_status rc = shale_close(p->db);

	p->db = NULL;
	no_bug(p, rc);
	if (rc < 0)
		write_failed(p, rc, 0, p->wrote ? KEYS : 0);
	return open_store(p);
}

static bool play_call(struct play *p, const uint8_t *c)
{
	int k = c[1] % KEYS, hi = k + 1 + c[3] % 8, version = c[2] % VERSIONS;
	shale_compact_options compact = SHALE_COMPACT_OPTIONS_INIT;
	shale_status rc = SHALE_OK;

	switch (c[0] % 12) {
	case 0:
		call_get(p, k, NULL);
		break;
	case 1:
	case 2:
		call_scan(p, k, c[0] % 12 == 1);
		break;
	case 3:
		call_put(p, k, version);
		break;
	case 4:
		call_delete(p, k, hi < KEYS ? hi : k + 1);
		break;
	case 5:
		call_batch(p, k, version);
		break;
	case 6:
		rc = shale_flush(p->db, NULL);
		break;
	case 7:
		rc = shale_compact(p->db, &compact);
		break;
	case 8:
		call_check(p);
		break;
	case 9:
		call_snapshot(p, k);
		break;
	case 10:
		call_other(p, k);
		break;
	default:
		return call_reopen(p);
	}
	no_bug(p, rc);
	return true;
}

static void play(void *arg)
{
	struct play *p = arg;
	bool open = open_store(p);

	for (size_t i = 0; open && i < p->calls; i++)
		open = play_call(p, p->script + 4 * i);
	if (open)
		call_scan(p, 0, true);
	(void)shale_close(p->db);
}

/* ---- an input ---- */

static void stuck(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "no end: %s\n", text);
	abort();
}

static struct sim *machine(uint64_t seed)
{
	static const struct sim_schedule schedule = { .policy = SIM_RANDOM,
						      .switch_permille = 100,
						      .steps_max = 1000000 };
	static struct sim *sim;

	if (sim == NULL) {
		FUZZ_CHECK(sim_new(seed, &sim) == SHALE_OK);
		sim_on_stuck(sim, stuck, NULL);
	}
	sim_reset(sim, seed);
	sim_set_schedule(sim, &schedule);
	return sim;
}

static enum trust trust_of(const struct play *p, uint32_t changed, bool repaired)
{
	if (repaired)
		return LOOSE;
	return p->base->clean && (changed & (changed - 1)) == 0 ? STRICT : CONSISTENT;
}

static void run(const uint8_t *data, size_t size)
{
	struct play p = { .damaged = NULL };
	struct sim_fs *fs, *before;
	uint32_t changed;
	size_t edits;

	if (size < 3)
		return;
	p.base_index = data[0] % BASES;
	p.base = base_get(p.base_index);
	p.read_only = (data[0] & READ_ONLY) != 0;
	edits = data[2] % (EDITS_MAX + 1);
	if (edits > (size - 3) / EDIT_SIZE)
		edits = (size - 3) / EDIT_SIZE;
	memcpy(p.model, p.base->model, sizeof(p.model));

	fs = sim_fs_clone(p.base->fs);
	changed = edits_apply(fs, p.base, data + 3, edits, (data[0] & REPAIR) != 0);
	p.trust = trust_of(&p, changed, (data[0] & REPAIR) != 0);
	if (changed != 0)
		p.damaged = p.base->file[__builtin_ctz(changed)].name;
	p.script = data + 3 + edits * EDIT_SIZE;
	p.calls = (size - 3 - edits * EDIT_SIZE) / 4;

	p.sim = machine(data[1]);
	before = sim_swap_fs(p.sim, fs);
	p.env = *sim_env(p.sim);
	fuzz_heap(&p.env, data, size, 64 << 20);
	FUZZ_CHECK(sim_run(p.sim, play, &p) == SIM_DONE);
	fuzz_heap_done();
	sim_fs_free(sim_swap_fs(p.sim, before));
}

static size_t make(struct rand *r, uint8_t *out)
{
	size_t edits = rand_below(r, 8) < 6 ? 1 : rand_below(r, EDITS_MAX + 1);
	size_t calls = rand_below(r, 16), n = 3 + edits * EDIT_SIZE + 4 * calls;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)rand_next(r);
	out[0] &= rand_below(r, 2) != 0 ? 0x83 : 0x03;
	out[2] = (uint8_t)edits;
	return n;
}

const struct fuzz_target fuzz_target = { "directory", SIZE_MAX_, run, NULL, make, 10 };
