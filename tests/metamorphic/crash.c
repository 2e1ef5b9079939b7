/*
 * Crashes. What a store may have lost depends on its durability, so answers after a
 * crash would differ from run to run. Therefore what is found is first compared with
 * the states that are allowed:
 *
 *   process dies  all that was acknowledged (EPHEMERAL: for each family some prefix)
 *   power cut     the commits up to some one, at least all that were made durable
 *
 * and then what was lost is written again, so that all runs go on from one state.
 */
#include "metamorphic/run.h"

#include "base/hash.h"

enum { HOUR_MS = 3600 * 1000 };

/* ---- what was acknowledged ---- */

void crash_settle(struct run *r)
{
	for (size_t i = 0; i < r->history.count; i++)
		content_apply(&r->durable, &r->history.list[i]);
	r->history.count = r->end_count = 0;
}

static void add_end(struct run *r)
{
	if (r->end_count == r->end_room) {
		r->end_room = 2 * r->end_room + 64;
		r->ends = realloc(r->ends, r->end_room * sizeof(*r->ends));
	}
	r->ends[r->end_count++] = r->history.count;
}

void crash_acknowledged(struct run *r, bool durable)
{
	const struct changes *c = &r->oracle->commit;

	for (size_t i = 0; i < c->count; i++)
		changes_add(&r->history, c->list[i]);
	add_end(r);
	/* Where others are not logged, one that is survives alone: verb_call() asks for none. */
	if (r->durability == SHALE_DURABLE || (durable && r->durability != SHALE_EPHEMERAL))
		crash_settle(r);
}

void crash_dropped(struct run *r, size_t family)
{
	memset(r->durable.cells[family], 0, sizeof(r->durable.cells[0]));
	for (size_t i = 0; i < r->history.count; i++)
		if (r->history.list[i].family == family)
			r->history.list[i].end = r->history.list[i].key; /* nothing */
}

void crash_disk(struct run *r)
{
	static const enum sim_crash cuts[] = { SIM_CRASH_ORDERED, SIM_CRASH_CHAOS,
					       SIM_CRASH_NONE_UNSYNCED, SIM_CRASH_ALL };
	const struct op *op = &r->script->ops[r->at];

	r->crashed = r->durability;
	if (r->crash == KILL && r->durability >= SHALE_PROCESS)
		crash_settle(r);
	sim_fs_crash(sim_get_fs(r->sim), r->crash == KILL ? SIM_CRASH_PROCESS : cuts[op->n % 4],
		     r->script->seed + r->at);
}

/* ---- what is there ---- */

/* For each key a hash of its value; 0: none. */
struct present {
	uint64_t hash[FAMILIES][KEYS_MAX];
};

static void look(struct run *r, struct present *p)
{
	memset(p, 0, sizeof(*p));
	for (size_t f = 0; f < FAMILIES; f++) {
		shale_read_options o = SHALE_READ_OPTIONS_INIT;
		shale_slice value;
		shale_iter *it;
		shale_status rc;

		if (!r->oracle->there[f])
			continue;
		o.cf = r->cf[f];
		NEED(r, shale_iter_new(r->db, &o, &it) == SHALE_OK, "recovery: iter_new failed");
		for (rc = shale_iter_first(it); rc == SHALE_OK; rc = shale_iter_next(it)) {
			shale_slice key = shale_iter_key(it);
			size_t k = script_find(r->script, key);

			NEED(r,
			     k < r->script->key_count && slice_eq(key, script_slice(r->script, k)),
			     "recovery: a key that was never written");
			NEED(r, shale_iter_value(it, &value) == SHALE_OK, "recovery: no value");
			p->hash[f][k] = hash_key(value) | 1;
		}
		NEED(r, rc == SHALE_END, "recovery: a scan gave %s", shale_status_name(rc));
		shale_iter_free(it);
	}
}

static bool cell_matches(const struct run *r, const struct cell *c, uint64_t hash)
{
	uint64_t want = 0;

	if (cell_live(c, r->oracle->hour))
		want = hash_key(value_bytes(c->id, c->size)) | 1;
	return want == hash;
}

/* Apply a change; `wrong` counts the cells of each family that are not as found. */
static void advance(const struct run *r, const struct present *p, const struct change *c,
		    struct content *at, size_t *wrong)
{
	for (size_t k = c->key; k < c->end; k++)
		wrong[c->family] +=
			cell_matches(r, &at->cells[c->family][k], p->hash[c->family][k]);
	content_apply(at, c);
	for (size_t k = c->key; k < c->end; k++)
		wrong[c->family] -=
			cell_matches(r, &at->cells[c->family][k], p->hash[c->family][k]);
}

/* The newest allowed state that is what was found, to `found`. */
static void identify(struct run *r, const struct present *p, struct content *found)
{
	struct content *at = malloc(sizeof(*at));
	size_t wrong[FAMILIES] = { 0 };
	bool whole = false, each[FAMILIES] = { false };

	*at = r->durable;
	for (size_t f = 0; f < FAMILIES; f++)
		for (size_t k = 0; k < r->script->key_count; k++)
			wrong[f] += !cell_matches(r, &at->cells[f][k], p->hash[f][k]);
	for (size_t i = 0, n = 0; i <= r->end_count; i++) {
		size_t all = 0;

		for (size_t f = 0; f < FAMILIES; f++) {
			all += wrong[f];
			if (wrong[f] != 0 || r->crashed != SHALE_EPHEMERAL)
				continue;
			each[f] = true;
			memcpy(found->cells[f], at->cells[f], sizeof(at->cells[f]));
		}
		if (all == 0) {
			whole = true;
			*found = *at;
		}
		for (; i < r->end_count && n < r->ends[i]; n++)
			advance(r, p, &r->history.list[n], at, wrong);
	}
	free(at);
	for (size_t f = 0; f < FAMILIES; f++)
		NEED(r, whole || each[f],
		     "recovery: the store holds no state that it may after a %s; "
		     "%zu commits since the durable one, %zu cells of '%s' differ from the last",
		     verb_name(r->crash), r->end_count, wrong[f], family_name(f));
}

static void write_again(struct run *r, size_t f, size_t k, const struct cell *want)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	shale_slice key = script_slice(r->script, k);
	shale_status rc;

	r->counts->lost++;
	o.cf = r->cf[f];
	if (!cell_live(want, r->oracle->hour)) {
		r->deletes++;
		rc = shale_delete(r->db, &o, key);
	} else {
		if (want->expiry != 0)
			o.ttl_ms =
				(uint64_t)(want->expiry - r->oracle->hour) * HOUR_MS - HOUR_MS / 2;
		r->puts++;
		rc = shale_put(r->db, &o, key, value_bytes(want->id, want->size));
	}
	NEED(r, rc == SHALE_OK, "recovery: writing again gave %s", shale_status_name(rc));
	r->oracle->commit.count = 0;
	changes_add(&r->oracle->commit, (struct change){ .family = (uint8_t)f,
							 .key = (uint16_t)k,
							 .end = (uint16_t)(k + 1),
							 .cell = *want });
	crash_acknowledged(r, false);
}

void crash_recovered(struct run *r)
{
	struct present *p = malloc(sizeof(*p));
	struct content *found = malloc(sizeof(*found));

	look(r, p);
	identify(r, p, found);
	r->durable = *found;
	r->history.count = r->end_count = 0;
	for (size_t f = 0; f < FAMILIES; f++)
		for (size_t k = 0; k < r->script->key_count; k++) {
			const struct cell *is = &found->cells[f][k];
			const struct cell *want = &r->oracle->now.cells[f][k];
			bool there = cell_live(is, r->oracle->hour);

			if (there != cell_live(want, r->oracle->hour) ||
			    (there && (is->id != want->id || is->size != want->size ||
				       is->expiry != want->expiry)))
				write_again(r, f, k, want);
		}
	free(found);
	free(p);
}
