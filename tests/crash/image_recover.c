/*
 * Opening an image, and what must be so then:
 *
 *   1  what was acknowledged, and durable as this crash asks, is there
 *   2  the content is that of one moment: batches whole, no hole
 *   3  nothing that was deleted comes back, not by a merge either
 *   4  opening again shows the same; so does opening after a crash inside of this
 *   5  sequences and numbers of objects go on, none is used again
 *   6  all files that are referred to are there, and no others
 *   7  the check finds nothing
 *   8  a commit that failed is there whole or not at all
 *   9  no memory, file or task is left
 *  10  the same seed gives the same run
 *
 * Of every recovery one moment is drawn and its images taken by chance: these are
 * recovered in turn (depth 2), and some of theirs (depth 3). After a power cut all
 * that is there is durable, so such an image must show just what the recovery it
 * was taken from found; one more key, which recoveries write at their end, tells
 * whether writes after a recovery are kept.
 *
 * Which of the dearer checks an image gets is decided by its hash.
 */
#include "crash/image.h"

#include <inttypes.h>

enum { INNER_MAX = 2, MARK_ONE_IN = 4, DEEP_ONE_IN = 8 };

/* Markers: none is acknowledged, one may be there, it must. */
enum { MARK_NONE, MARK_BEGUN, MARK_ACKED };

struct inner {
	struct sim_fs *fs;
	enum sim_crash mode;
	bool opened;
	int mark;
	uint64_t max_number;
};

struct recovery {
	const struct image *image;
	struct recovery *outer; /* the one this image was taken from */
	int depth;
	uint64_t dice;      /* which checks */
	uint64_t must, may; /* markers, by depth */
	uint64_t seen;      /* markers that were there; the last may not be durable yet */
	bool settled;       /* but are, since the power was cut */
	bool exact;         /* must hold the content of `outer` */
	bool after_open;    /* of it */

	struct content content;
	bool there[INSTANCES];
	struct found found;
	struct files before;
	uint64_t max_number, last_seq;
	bool opened;
	int mark;

	uint64_t call, at; /* the call whose images are taken */
	struct inner inner[INNER_MAX];
	size_t inners;
};

int recovery_depth(const struct run *r)
{
	return r->recovery != NULL ? r->recovery->depth : 0;
}

static void mark_key(char *out, int depth)
{
	sprintf(out, "mark%d", depth);
}

/* ---- images of a recovery ---- */

static void take_inner(struct run *r, struct sim_fs *fs)
{
	static const enum sim_crash modes[] = {
		SIM_CRASH_CHAOS,    SIM_CRASH_ORDERED,  SIM_CRASH_NONE_UNSYNCED,
		SIM_CRASH_OMIT_ONE, SIM_CRASH_ONLY_ONE, SIM_CRASH_TEAR_ONE,
		SIM_CRASH_ALL,      SIM_CRASH_PROCESS,  SIM_CRASH_CHAOS,
	};
	struct recovery *rec = r->recovery;
	struct inner *in = &rec->inner[rec->inners++];
	uint64_t n = sim_fs_pending(fs), choice = rand_next(&r->choice);

	*in = (struct inner){ .opened = rec->opened,
			      .mark = rec->mark,
			      .max_number = rec->max_number };
	in->mode = modes[rand_below(&r->choice, sizeof(modes) / sizeof(modes[0]))];
	if (in->mode >= SIM_CRASH_OMIT_ONE && in->mode <= SIM_CRASH_TEAR_ONE)
		choice = n != 0 ? choice % n : 0;
	in->fs = sim_fs_image(fs, in->mode, choice);
}

static void on_recovery_call(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct run *r = arg;
	struct recovery *rec = r->recovery;

	if (op == SIM_OPEN || op == SIM_RENAME) {
		uint64_t number = 0;

		note_number(&number, name);
		CHECK(r,
		      number == 0 || !rec->before.root || number > rec->image->max_number ||
			      files_has(&rec->before, name),
		      "the number of %s is used again", name);
		if (number > rec->max_number)
			rec->max_number = number;
	}
	if (++rec->call >= rec->at && rec->inners < INNER_MAX && rec->depth + 1 < DEPTHS)
		take_inner(r, fs);
}

/* ---- what must be so ---- */

static void open_image(struct run *r)
{
	shale_options o = r->options;
	shale_status rc;

	o.env = sim_env(r->sim);
	o.background_threads = 1;
	rc = shale_open(DIR, &o, &r->db);
	CHECK(r, rc == SHALE_OK, "open gave %s", shale_status_name(rc));
}

static void close_image(struct run *r)
{
	shale_status rc = shale_close(r->db);

	CHECK(r, rc == SHALE_OK, "close gave %s", shale_status_name(rc));
}

static void check_marks(struct run *r, struct recovery *rec)
{
	for (int d = 0; d < rec->depth; d++) {
		char key[16];
		shale_value v;
		shale_status rc;

		mark_key(key, d);
		rc = shale_get(r->db, NULL, shale_str(key), &v);
		CHECK(r, rc == SHALE_OK || rc == SHALE_NOT_FOUND, "get gave %s",
		      shale_status_name(rc));
		CHECK(r, rc == SHALE_OK || (rec->must >> d & 1) == 0,
		      "what recovery %d wrote is lost", d);
		CHECK(r, rc != SHALE_OK || (rec->may >> d & 1) != 0, "%s was never written", key);
		if (rc == SHALE_OK)
			rec->seen |= UINT64_C(1) << d;
		else
			rec->may &= ~(UINT64_C(1) << d);
		shale_value_release(&v);
	}
}

/* Which state it is after all, for who must find out. */
static void explain(struct run *r, const struct recovery *rec)
{
	const struct demand *d = &rec->image->demand;
	const struct demand any = { .begun = r->model.commits, .making = r->model.events };
	struct found f;

	fprintf(stderr, "asked: sequence %" PRIu64 " (process: %" PRIu64 "), %zu begun, ",
		d->synced, d->acked, d->begun);
	fprintf(stderr, "families %zu to %zu; ", d->made, d->making);
	if (model_find(&r->model, &any, true, rec->there, &rec->content, &f))
		fprintf(stderr, "found: %u commits, families %u\n", f.commit, f.event);
	else
		fprintf(stderr, "found: no state there ever was\n");
	for (uint8_t i = 0; i < INSTANCES; i++)
		for (size_t k = 0; k < KEYS && rec->there[i]; k++)
			if (rec->content.id[i][k] != 0)
				fprintf(stderr, " %s[%zu]=%u", instance_name(i), k,
					rec->content.id[i][k]);
	fprintf(stderr, "\n");
}

static shale_policy read_policy(struct run *r)
{
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;

	CHECK(r, shale_cf_get_options(r->db, NULL, &o) == SHALE_OK, "get_options");
	return o.compaction.policy;
}

static void check_content(struct run *r, struct recovery *rec)
{
	const struct image *i = rec->image;
	bool found;

	shale_policy policy;

	read_content(r, &rec->content, rec->there);
	policy = read_policy(r);
	check_marks(r, rec);
	if (rec->exact) {
		CHECK(r,
		      memcmp(&rec->content, &rec->outer->content, sizeof(rec->content)) == 0 &&
			      memcmp(rec->there, rec->outer->there, sizeof(rec->there)) == 0,
		      "not what the recovery before it found");
		CHECK(r, policy == rec->outer->found.policy, "not the policy found before");
		rec->found = rec->outer->found;
		return;
	}
	found = model_find(&r->model, &i->demand, i->power, rec->there, &rec->content, &rec->found);
	if (!found)
		explain(r, rec);
	CHECK(r, found, "a state that never was, or not at this moment");
	CHECK(r, model_has_policy(&r->model, &i->demand, policy), "the policy is %d", (int)policy);
	rec->found.policy = policy;
}

static void check_stats(struct run *r, struct recovery *rec)
{
	shale_stats stats = SHALE_STATS_INIT;
	const struct demand *d = &rec->image->demand;
	uint64_t least = rec->image->power ? d->synced : d->acked;

	CHECK(r, shale_stats_get(r->db, &stats) == SHALE_OK, "stats");
	CHECK(r, stats.last_seq >= least, "sequences go back to %" PRIu64 " from %" PRIu64,
	      stats.last_seq, least);
	/* All that an earlier recovery had read was durable when it was through. */
	if (rec->after_open)
		CHECK(r, rec->outer->last_seq <= stats.last_seq,
		      "sequences go back from %" PRIu64 " to %" PRIu64, rec->outer->last_seq,
		      stats.last_seq);
	rec->last_seq = stats.last_seq;
}

static void write_mark(struct run *r, struct recovery *rec)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	shale_seq seq = 0;
	shale_value v;
	char key[16];
	shale_status rc;

	mark_key(key, rec->depth);
	o.durability = SHALE_DURABLE;
	o.seq_out = &seq;
	rec->mark = MARK_BEGUN;
	rc = shale_put(r->db, &o, shale_str(key), shale_str("0 marked"));
	CHECK(r, rc == SHALE_OK, "put gave %s", shale_status_name(rc));
	CHECK(r, seq > rec->last_seq, "sequence %" PRIu64 " again", seq);
	if (r->options.durability != SHALE_EPHEMERAL)
		rec->mark = MARK_ACKED;
	rc = shale_get(r->db, NULL, shale_str(key), &v);
	CHECK(r, rc == SHALE_OK, "get gave %s", shale_status_name(rc));
	shale_value_release(&v);
}

static void check_again(struct run *r, struct recovery *rec, const char *when)
{
	struct content again;
	bool there[INSTANCES];

	read_content(r, &again, there);
	CHECK(r, memcmp(&again, &rec->content, sizeof(again)) == 0, "another content %s", when);
	CHECK(r, memcmp(there, rec->there, sizeof(there)) == 0, "other families %s", when);
}

static void recover_life(void *arg)
{
	struct run *r = arg;
	struct recovery *rec = r->recovery;
	shale_status rc;

	open_image(r);
	rec->opened = true;
	check_content(r, rec);
	check_stats(r, rec);
	rc = shale_check(r->db, NULL, NULL, NULL);
	CHECK(r, rc == SHALE_OK, "check gave %s", shale_status_name(rc));
	if (rec->dice % MARK_ONE_IN == 0)
		write_mark(r, rec);
	if (rec->dice / 4 % 8 == 0) {
		rc = shale_compact(r->db, NULL);
		CHECK(r, rc == SHALE_OK, "compact gave %s", shale_status_name(rc));
		check_again(r, rec, "after a merge of all");
	}
	close_image(r);
	if (rec->dice / 32 % 4 == 0)
		files_check(r);
	if (rec->dice / 128 % 4 == 0) {
		open_image(r);
		check_again(r, rec, "after the second open");
		close_image(r);
	}
}

static void check_left(struct run *r)
{
	struct sim_heap *heap = sim_get_heap(r->sim);

	CHECK(r, sim_heap_live(heap) == 0, "%" PRIu64 " allocations are left", sim_heap_live(heap));
	CHECK(r, sim_fs_open_handles(sim_get_fs(r->sim)) == 0, "files are left open");
	CHECK(r, sim_get_stats(r->sim).unjoined == 0, "tasks are left");
}

/* ---- one image ---- */

static void recover_disk(struct run *r, struct recovery *rec, struct sim_fs *fs);

static void recover_inner(struct run *r, struct recovery *outer, struct inner *in)
{
	struct image image = { .mode = in->mode,
			       .call = outer->image->call,
			       .choice = outer->image->choice,
			       .demand = outer->image->demand,
			       .max_number = in->max_number > outer->image->max_number
						     ? in->max_number
						     : outer->image->max_number,
			       .power = outer->image->power || in->mode != SIM_CRASH_PROCESS };
	struct recovery rec = { .image = &image, .outer = outer, .depth = outer->depth + 1 };
	uint64_t bit = UINT64_C(1) << outer->depth;

	image.first = outer->image->first;
	if (image.power && !outer->image->power) {
		image.demand.synced = image.first.synced;
		image.demand.made = image.first.made;
		image.demand.set = image.first.set;
	}
	image.fs = in->fs;
	image.hash = sim_fs_hash(in->fs);
	/* What survived a power cut is durable; what a process left may yet be lost. */
	rec.exact = in->opened || outer->image->power || in->mode == SIM_CRASH_PROCESS;
	rec.after_open = in->opened;
	rec.must = outer->must | (in->mark == MARK_ACKED ? bit : 0);
	rec.may = outer->may | (in->mark != MARK_NONE ? bit : 0);
	if (in->opened || outer->settled)
		rec.must |= outer->seen;
	if (!rec.exact)
		rec.must = 0;
	rec.settled = in->mode != SIM_CRASH_PROCESS;
	rec.dice = image.hash;
	recover_disk(r, &rec, in->fs);
}

static void run_life(struct run *r, struct recovery *rec, struct sim_fs *fs)
{
	struct sim_fs *own = sim_swap_fs(r->sim, fs);

	r->recovery = rec;
	sim_fs_on_call(fs, on_recovery_call, r);
	sim_reset(r->sim, r->seed + rec->image->hash);
	sim_advance_ns(r->sim, LATER_NS);
	CHECK(r, sim_run(r->sim, recover_life, r) == SIM_DONE, "did not end");
	check_left(r);
	sim_swap_fs(r->sim, own);
	r->totals->recoveries++;
}

/* The same once more: the same trace. */
static void run_twice(struct run *r, struct recovery *rec, struct sim_fs *fs)
{
	struct recovery same = *rec;
	struct sim_fs *copy = sim_fs_clone(fs);
	uint64_t first;

	run_life(r, rec, fs);
	first = sim_trace_hash(r->sim);
	same.inners = INNER_MAX; /* takes none */
	run_life(r, &same, copy);
	CHECK(r, sim_trace_hash(r->sim) == first, "another trace of the same seed");
	sim_fs_free(copy);
	r->totals->compared++;
}

static void recover_disk(struct run *r, struct recovery *rec, struct sim_fs *fs)
{
	struct recovery *above = r->recovery;
	const struct image *image = r->image;

	r->image = rec->image;
	rec->max_number = rec->image->max_number;
	if (hash_set_add(&r->totals->seen, rec->image->hash)) {
		r->totals->distinct++;
		r->totals->depth[rec->depth]++;
	} else if (rec->depth != 0) {
		/* Seen, and what it must hold follows from what it held then. */
		r->totals->repeats++;
	}
	files_list(r, fs, &rec->before);
	rec->at = rand_below(&r->choice, rec->dice / MARK_ONE_IN % 8 == 0 ? 160 : 70);
	if (rec->depth != 0 && rec->dice % DEEP_ONE_IN != 0)
		rec->inners = INNER_MAX;
	if (rec->dice % 64 == 1)
		run_twice(r, rec, fs);
	else
		run_life(r, rec, fs);
	for (size_t i = 0; i < INNER_MAX; i++)
		if (rec->inner[i].fs != NULL) {
			recover_inner(r, rec, &rec->inner[i]);
			sim_fs_free(rec->inner[i].fs);
		}
	r->recovery = above;
	r->image = image;
}

void recover_fresh(struct run *r)
{
	struct harvest *h = &r->harvest;

	for (size_t i = 0; i < h->count; i++) {
		struct image *image = &h->image[i];
		struct recovery rec = { .image = image, .dice = image->hash >> 20 };

		if (!image->recovered) {
			recover_disk(r, &rec, image->fs);
			image->found = rec.found;
			image->recovered = true;
			sim_fs_free(image->fs);
			image->fs = NULL;
		}
		r->image = image;
		CHECK(r, model_allows(&r->model, &image->demand, image->power, &image->found),
		      "a state that a later moment does not allow");
		r->image = NULL;
	}
	h->fresh = 0;
}
