/*
 * Runs cut into stretches of keys that no table crosses. Such a stretch can be
 * merged alone, so a large merge becomes many small ones, each of which needs
 * room only for its own outputs.
 *
 * Stretches are small only where the tables of all runs end at the same keys.
 * That is what guards are for: keys at which every output ends. They need not be
 * written down anywhere. They are smallest keys of tables of the largest run, and
 * a merge that writes that run anew ends its outputs at them too, so they stay.
 * Which of those keys are guards follows from their hash, by a mask that grows
 * with the run: guards under a wider mask are guards under the narrower one, so
 * that tables written before still fit.
 */
#include "compact/policy.h"

#include "base/hash.h"

enum {
	GUARDS = 64,
	FIRST_TABLES = 8, /* the first tables are no smaller than such a part of the usual size */
};

void sweep_begin(struct sweep *s, const struct version *v, size_t first, size_t end,
		 struct pick_input *at)
{
	*s = (struct sweep){ .v = v, .first = first, .end = end, .at = at };
	for (size_t i = first; i < end; i++)
		at[i - first] = (struct pick_input){ .run = i };
}

/* The next table of run i that is not in the stretch yet; NULL if there is none. */
static const struct table_meta *upcoming(const struct sweep *s, size_t i)
{
	const struct run *r = s->v->runs[s->first + i];
	size_t t = s->at[i].first + s->at[i].count;

	return t < r->count ? r->tables[t] : NULL;
}

static void take(struct sweep *s, size_t i, const struct table_meta *t)
{
	s->runs += s->at[i].count == 0;
	s->at[i].count++;
	s->bytes += t->size;
	s->busy |= t->busy;
}

bool sweep_next(struct sweep *s)
{
	const struct table_meta *t, *last = NULL;
	size_t n = s->end - s->first, from = 0;
	bool grew = true;

	s->runs = 0;
	s->bytes = 0;
	s->busy = false;
	for (size_t i = 0; i < n; i++) {
		s->at[i].first += s->at[i].count;
		s->at[i].count = 0;
		t = upcoming(s, i);
		if (t != NULL &&
		    (last == NULL || slice_cmp(t->props.smallest, last->props.smallest) < 0)) {
			last = t;
			from = i;
		}
	}
	if (last == NULL)
		return false;
	take(s, from, last);
	while (grew) {
		grew = false;
		for (size_t i = 0; i < n; i++) {
			while ((t = upcoming(s, i)) != NULL) {
				int c = slice_cmp(t->props.smallest, last->props.largest);

				if (c > 0 || (c == 0 && last->props.largest_excluded))
					break;
				take(s, i, t);
				c = slice_cmp(t->props.largest, last->props.largest);
				if (c > 0 || (c == 0 && last->props.largest_excluded &&
					      !t->props.largest_excluded)) {
					last = t;
					grew = true;
				}
			}
		}
	}
	return true;
}

void sweep_take(const struct sweep *s, struct pick *p)
{
	p->input_count = 0;
	for (size_t i = 0; i < s->end - s->first; i++)
		if (s->at[i].count != 0)
			p->inputs[p->input_count++] = s->at[i];
}

bool sweep_best(const struct version *v, size_t first, size_t end,
		double (*worth)(const struct sweep *s, const void *arg), const void *arg,
		struct pick *p)
{
	struct sweep s;
	size_t number = 0, best_number = 0;
	double best = 0;

	for (sweep_begin(&s, v, first, end, p->inputs); sweep_next(&s);) {
		double w = worth(&s, arg);

		number++;
		if (w > best) {
			best = w;
			best_number = number;
		}
	}
	if (best_number == 0)
		return false;
	sweep_begin(&s, v, first, end, p->inputs);
	for (number = 0; number < best_number; number++)
		sweep_next(&s);
	sweep_take(&s, p);
	return true;
}

/* ---- guards ---- */

const struct run *guard_run(const struct policy_options *o, const struct version *v)
{
	const struct run *largest = NULL, *last;

	if (o->acting != SHALE_HYBRID && o->acting != SHALE_TIERED)
		return NULL;
	last = v->run_count != 0 ? v->runs[v->run_count - 1] : NULL;
	if (o->acting == SHALE_HYBRID && last != NULL && last->level == LEVEL_LAST)
		return last;
	for (size_t i = 0; i < v->run_count; i++)
		if (v->runs[i]->level != 0 &&
		    (largest == NULL || v->runs[i]->bytes > largest->bytes))
			largest = v->runs[i];
	return largest;
}

uint64_t guard_table_bytes(const struct policy_options *o, const struct version *v,
			   const struct pick *p)
{
	uint64_t bytes = pick_bytes(v, p) / GUARDS, least = o->table_bytes / FIRST_TABLES;

	if ((o->acting != SHALE_HYBRID && o->acting != SHALE_TIERED) ||
	    level_first(v, 1) != v->run_count)
		return o->table_bytes;
	bytes = bytes > least ? bytes : least;
	return bytes < o->table_bytes ? bytes : o->table_bytes;
}

size_t guard_next(const struct run *r, size_t at)
{
	uint64_t mask = 1;

	while (r->count / mask > GUARDS)
		mask *= 2;
	for (at = at != 0 ? at : 1; at < r->count; at++)
		if ((hash_key(r->tables[at]->props.smallest) >> 20 & (mask - 1)) == 0)
			break;
	return at;
}
