/*
 * What a workload did: commits with their operations, families made and dropped.
 *
 * Commits stand in the order in which they were begun; which one came first is
 * known by their sequences once the run is through, so images are judged then. A
 * commit that failed has none: it stands behind those that were acknowledged
 * before it, and every state is possible with it and without it.
 *
 * A state is (how many commits, how many families made and dropped). They are
 * apart because the manifest is durable at once and the log may not be: a family
 * may be there while writes before it are lost.
 */
#include "crash/image.h"

struct commit *model_begin(struct model *m)
{
	struct commit *c = &m->commit[m->commits++];

	assert_true(m->commits < COMMITS_MAX);
	*c = (struct commit){ .op = m->ops };
	return c;
}

void model_op(struct model *m, uint8_t instance, size_t key, size_t end, uint32_t id)
{
	assert_true(m->ops < OPS_MAX);
	m->op[m->ops++] = (struct op){ instance, (uint8_t)key, (uint8_t)end, id };
	m->commit[m->commits - 1].ops++;
}

static void apply(const struct model *m, const struct commit *c, struct content *to)
{
	for (size_t i = c->op; i < c->op + c->ops; i++) {
		const struct op *op = &m->op[i];

		for (size_t k = op->key; k < op->end; k++)
			to->id[op->instance][k] = op->id;
	}
}

/* Where a commit stands: its sequence, or that of the newest acknowledged before it. */
static uint64_t place(const struct model *m, size_t at)
{
	uint64_t seq = m->commit[at].seq;

	for (size_t i = 0; i < at && m->commit[at].seq == 0; i++)
		if (m->commit[i].seq > seq)
			seq = m->commit[i].seq;
	return seq;
}

void model_settle(struct model *m)
{
	uint64_t at[COMMITS_MAX];
	size_t n = m->commits;

	m->unsure = 0;
	for (size_t i = 0; i < n; i++) {
		size_t k = i;

		at[i] = place(m, i);
		m->unsure += m->commit[i].unsure;
		/* Few are out of place: by insertion. */
		for (; k != 0 && at[m->order[k - 1]] > at[i]; k--)
			m->order[k] = m->order[k - 1];
		m->order[k] = (uint16_t)i;
	}
	assert_true(m->unsure <= UNSURE_MAX);
	m->after = calloc((n + 1) << m->unsure, sizeof(*m->after));
	for (size_t mask = 0; mask < (size_t)1 << m->unsure; mask++) {
		struct content *s = &m->after[mask * (n + 1)];
		size_t nth = 0;

		for (size_t i = 0; i < n; i++) {
			const struct commit *c = &m->commit[m->order[i]];

			s[i + 1] = s[i];
			if (!c->unsure || (mask >> nth & 1) != 0)
				apply(m, c, &s[i + 1]);
			nth += c->unsure;
		}
	}
}

void model_fini(struct model *m)
{
	free(m->after);
	m->after = NULL;
}

const struct content *model_content(const struct model *m, uint8_t mask, size_t commits)
{
	return &m->after[mask * (m->commits + 1) + commits];
}

bool model_has_policy(const struct model *m, const struct demand *d, shale_policy policy)
{
	for (size_t i = d->set; i <= d->setting; i++)
		if (m->policy[i] == policy)
			return true;
	return false;
}

bool model_has(const struct model *m, size_t events, uint8_t instance)
{
	bool there = instance == 0;

	for (size_t i = 0; i < events; i++)
		if (m->event[i].instance == instance)
			there = !m->event[i].drop;
	return there;
}

/* Instances 1 and 3 are two lives of one name. */
const char *instance_name(uint8_t instance)
{
	static const char *const names[INSTANCES] = { "default", "second", "third", "second",
						      "third" };

	return names[instance];
}

static bool same_content(const struct model *m, size_t events, const struct content *a,
			 const struct content *b)
{
	for (uint8_t i = 0; i < INSTANCES; i++)
		if (model_has(m, events, i) && memcmp(a->id[i], b->id[i], sizeof(a->id[i])) != 0)
			return false;
	return true;
}

/* [*lo, *hi]: so many commits there may be. */
static void allowed(const struct model *m, const struct demand *d, bool power, size_t *lo,
		    size_t *hi)
{
	uint64_t least = power ? d->synced : d->acked;

	*lo = 0;
	for (size_t i = 0; i < m->commits; i++)
		if (m->commit[m->order[i]].seq != 0 && m->commit[m->order[i]].seq <= least)
			*lo = i + 1;
	for (*hi = 0; *hi < m->commits && m->order[*hi] < d->begun; (*hi)++)
		;
}

static bool match(const struct model *m, size_t events, size_t lo, size_t hi,
		  const struct content *got, struct found *out)
{
	for (size_t i = hi + 1; i-- > lo;)
		for (uint8_t mask = 0; mask < 1u << m->unsure; mask++)
			if (same_content(m, events, got, model_content(m, mask, i))) {
				out->mask = mask;
				out->commit = (uint16_t)i;
				out->event = (uint16_t)events;
				return true;
			}
	return false;
}

static bool same_families(const struct model *m, size_t events, const bool *there)
{
	for (uint8_t i = 0; i < INSTANCES; i++) {
		bool named = false;

		for (uint8_t k = 0; k < INSTANCES; k++)
			if (strcmp(instance_name(i), instance_name(k)) == 0)
				named |= model_has(m, events, k);
		if (there[i] != named)
			return false;
	}
	return true;
}

bool model_find(const struct model *m, const struct demand *d, bool power, const bool *there,
		const struct content *got, struct found *out)
{
	size_t lo, hi;

	allowed(m, d, power, &lo, &hi);
	for (size_t events = d->making + 1; events-- > d->made;)
		if (same_families(m, events, there) && match(m, events, lo, hi, got, out))
			return true;
	return false;
}

bool model_allows(const struct model *m, const struct demand *d, bool power, const struct found *f)
{
	const struct content *got = model_content(m, f->mask, f->commit);
	struct found other;
	size_t lo, hi;

	if (!model_has_policy(m, d, f->policy))
		return false;
	allowed(m, d, power, &lo, &hi);
	if (f->commit >= lo && f->commit <= hi && f->event >= d->made && f->event <= d->making)
		return true;
	/* Another state that is the same to see. */
	for (size_t events = d->made; events <= d->making; events++) {
		bool same = true;

		for (uint8_t i = 0; i < INSTANCES; i++)
			same &= model_has(m, events, i) == model_has(m, f->event, i);
		if (same && match(m, events, lo, hi, got, &other))
			return true;
	}
	return false;
}
