#include "db/scout.h"

#include "db/gaps.h"
#include "db/merge.h"
#include "format/batch.h"

enum {
#if defined(SHALE_YIELDS)
	PEEK = 1, /* the stores of its tests are small */
	STEP = 4,
#else
	PEEK = 64,
	STEP = 4096, /* entries, passed between two looks at what is more urgent */
#endif
	SPARE = 4,
	MISSES_MAX = 6, /* one look in 64 is followed where none has led to anything */
	REST = 15,      /* times as long as it took, where it was slow twice running */
};

/* More than memory takes: to come to a stretch, and for an entry. */
#define SLOW_NS UINT64_C(1000000)
#define SLOW_ENTRY_NS UINT64_C(1000)

struct stretch {
	struct gap_key lo, hi; /* both were deleted */
	uint64_t pass_max;
};

/* Of a family; guarded by commit_mu. */
struct scout {
	bool has_last, due, busy; /* busy: somebody follows one */
	struct gap_key last;      /* deleted by the commit that was looked at last */
	uint64_t last_seq;
	struct stretch stretch; /* that is due */
	unsigned misses, leave; /* looks that led to nothing, and how many more to leave out */
	bool slow;              /* the last one took long; once may be chance */
	uint64_t rest_until_ns;
};

/* ---- what deletes tell ---- */

static struct scout *scout_of(shale_cf *cf)
{
	if (cf->scout == NULL)
		cf->scout = mem_zalloc(cf->db->env, sizeof(*cf->scout));
	return cf->scout;
}

static shale_cf *target_of(const struct commit *c, uint32_t id)
{
	size_t i = 0;

	while (c->targets[i].cf->id != id)
		i++;
	return c->targets[i].cf;
}

static void send(shale_db *db, struct scout *s, shale_slice lo, shale_slice hi, uint64_t entries)
{
	struct stretch *t = &s->stretch;

	if (!s->due) {
		gap_key_set(&t->lo, lo);
		gap_key_set(&t->hi, hi);
		t->pass_max = 0;
		s->due = true;
		atomic_fetch_add_explicit(&db->scouts_due, 1, memory_order_relaxed);
		scheduler_kick(db->scheduler);
	}
	if (slice_cmp(lo, gap_key_view(&t->lo)) < 0)
		gap_key_set(&t->lo, lo);
	if (slice_cmp(hi, gap_key_view(&t->hi)) > 0)
		gap_key_set(&t->hi, hi);
	t->pass_max += SPARE * entries;
}

void scout_look(shale_db *db, const struct commit *c, uint64_t first)
{
	const uint8_t *p = c->payload.data;
	struct batch_op op;
	struct scout *s;
	int order;

	mutex_assert_held(&db->commit_mu);
	if (batch_op_read(&p, p + c->payload.size, &op) != SHALE_OK || op.type != OP_DELETE ||
	    op.key.size > GAP_KEY)
		return;
	s = scout_of(target_of(c, op.cf));
	if (s == NULL)
		return;
	if (s->leave != 0) {
		s->leave--;
	} else if (s->has_last) {
		order = slice_cmp(gap_key_view(&s->last), op.key);
		if (order < 0)
			send(db, s, gap_key_view(&s->last), op.key, first - s->last_seq);
		else if (order > 0)
			send(db, s, op.key, gap_key_view(&s->last), first - s->last_seq);
	}
	s->has_last = true;
	s->last_seq = first;
	gap_key_set(&s->last, op.key);
}

void scout_free(shale_cf *cf)
{
	if (cf->scout != NULL && cf->scout->due)
		atomic_fetch_sub_explicit(&cf->db->scouts_due, 1, memory_order_relaxed);
	mem_free(cf->db->env, cf->scout);
}

/* ---- following it ---- */

/* A family with a stretch to follow, with a reference, and the stretch. NULL: there is none
   before *wait_ns have passed. */
static shale_cf *take(shale_db *db, struct stretch *out, uint64_t *wait_ns)
{
	uint64_t now = env_now_ns(db->env);
	shale_cf *found = NULL;

	mutex_lock(&db->commit_mu);
	for (size_t i = 0; i < db->family_count && found == NULL; i++) {
		struct scout *s = db->families[i]->scout;

		if (s == NULL || !s->due || s->busy)
			continue;
		if (s->rest_until_ns > now) {
			if (*wait_ns > s->rest_until_ns - now)
				*wait_ns = s->rest_until_ns - now;
			continue;
		}
		s->due = false;
		s->busy = true;
		atomic_fetch_sub_explicit(&db->scouts_due, 1, memory_order_relaxed);
		found = family_ref(db->families[i]);
		*out = s->stretch;
	}
	mutex_unlock(&db->commit_mu);
	return found;
}

/*
 * Pass the dead entries of the stretch and those behind it, `most` of them about, in steps.
 * SHALE_MORE: that was not all; SHALE_END: nothing in it is alive; SHALE_OK: something is. What
 * was passed is told of by the iterator.
 */
static shale_status pass(shale_cf *cf, const struct stretch *t, uint64_t most, uint64_t step,
			 uint64_t *passed)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_db *db = cf->db;
	shale_iter *it;
	shale_status rc;

	o.cf = cf;
	o.lower = gap_key_view(&t->lo);
	o.skip_max = step;
	o.no_fill_cache = true;
	rc = iter_new_scout(db, &o, &it);
	if (rc < 0)
		return rc;
	rc = shale_iter_first(it);
	for (*passed = step; rc == SHALE_MORE && *passed < most; *passed += step) {
		merge_yield_to_flush(db, false);
		if (scheduler_stopping(db->scheduler))
			break;
		rc = shale_iter_next(it);
	}
	if (rc == SHALE_OK && slice_cmp(shale_iter_key(it), gap_key_view(&t->hi)) >= 0)
		rc = SHALE_END;
	shale_iter_free(it);
	return rc;
}

static void note_outcome(shale_cf *cf, bool dead, bool slow, uint64_t took)
{
	struct scout *s;

	mutex_lock(&cf->db->commit_mu);
	s = cf->scout;
	s->busy = false;
	s->misses = dead ? 0 : s->misses + (s->misses < MISSES_MAX);
	s->leave = (1u << s->misses) - 1;
	if (slow && s->slow)
		s->rest_until_ns = env_now_ns(cf->db->env) + took * REST;
	s->slow = slow;
	mutex_unlock(&cf->db->commit_mu);
}

static void follow(shale_cf *cf, const struct stretch *t)
{
	/* The commit that told of it may be under way. */
	bool published = publish_wait_ordered(cf->db);
	uint64_t began = env_now_ns(cf->db->env), passed = 0, took;
	shale_status rc = published ? pass(cf, t, PEEK, PEEK, &passed) : SHALE_OK;

	if (rc == SHALE_MORE) {
		gaps_hope(cf, gap_key_view(&t->lo), gap_key_view(&t->hi));
		(void)publish_wait_ordered(cf->db);
		rc = pass(cf, t, t->pass_max, STEP, &passed);
	}
	took = env_now_ns(cf->db->env) - began;
	note_outcome(cf, rc == SHALE_MORE || rc == SHALE_END,
		     took > SLOW_NS + passed * SLOW_ENTRY_NS, took);
}

bool scout_some(shale_db *db, uint64_t *wait_ns)
{
	struct stretch t;
	shale_cf *cf;

	if (likely(atomic_load_explicit(&db->scouts_due, memory_order_relaxed) == 0))
		return false;
	cf = take(db, &t, wait_ns);
	if (cf == NULL)
		return false;
	follow(cf, &t);
	family_unref(cf);
	return true;
}
