#include "compact/hides.h"

enum { FALSE_POSITIVES = 100 }; /* of so many probes one is, at ten bits a key */

/* Whether the tables of a run may have the key. */
static bool run_may_have(struct hides *h, const struct run *r, shale_slice key, uint64_t hash)
{
	size_t at = run_find(r, key);
	struct table *t;

	if (at == r->count)
		return false;
	if (table_meta_open(r->tables[at], h->te, &t) < 0)
		return true;
	h->probes++;
	return table_filter_has(t, hash);
}

void hides_ask(struct hides *h, shale_slice key, uint64_t hash)
{
	h->asked++;
	for (size_t i = h->first; i < h->older->run_count; i++) {
		if (run_may_have(h, h->older->runs[i], key, hash)) {
			h->found++;
			return;
		}
	}
}

uint64_t hides_take(struct hides *h, uint64_t entries)
{
	uint64_t wrong = h->probes / FALSE_POSITIVES;
	uint64_t found = h->found > wrong ? h->found - wrong : 0, asked = h->asked;

	h->asked = h->found = h->probes = 0;
	if (h->older == NULL)
		return entries;
	if (h->first >= h->older->run_count)
		return 0;
	/* Too few to be asked: as if nothing were known. */
	return asked != 0 ? (uint64_t)((double)entries * ((double)found / (double)asked)) : entries;
}
