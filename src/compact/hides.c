#include "compact/hides.h"

#define NO_KEY UINT64_C(0x9e3779b97f4a7c15) /* makes a hash of one that hardly any key has */

/* Ask the table of a run that may have the key, about the key and about none. */
static void ask_run(const struct hides *h, const struct run *r, shale_slice key, uint64_t hash,
		    bool *found, bool *wrong)
{
	size_t at = run_find(r, key);
	struct table *t;

	if (at == r->count)
		return;
	if (table_meta_open(r->tables[at], h->te, &t) < 0) {
		*found = *wrong = true;
		return;
	}
	*found = *found || table_filter_has(t, hash);
	*wrong = *wrong || table_filter_has(t, hash ^ NO_KEY);
}

void hides_ask(struct hides *h, shale_slice key, uint64_t hash)
{
	bool found = false, wrong = false;

	for (size_t i = h->first; i < h->older->run_count; i++)
		ask_run(h, h->older->runs[i], key, hash, &found, &wrong);
	h->asked++;
	h->found += found;
	h->wrong += wrong;
}

uint64_t hides_take(struct hides *h, uint64_t entries)
{
	uint64_t asked = h->asked, found = h->found, wrong = h->wrong;

	h->asked = h->found = h->wrong = 0;
	if (h->older == NULL)
		return entries;
	if (h->first >= h->older->run_count)
		return 0;
	if (wrong >= (asked + 1) / 2) /* too few were asked, or most tables do not know */
		return entries;
	if (found <= wrong)
		return 0;
	/* Of the keys that are not there, wrong of asked are found. */
	return (uint64_t)((double)entries * ((double)(found - wrong) / (double)(asked - wrong)));
}
