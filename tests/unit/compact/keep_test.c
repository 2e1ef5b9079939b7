/*
 * The rules of what may be dropped: cases in text, then random ones where every
 * reader must see after a merge what it saw before.
 */
#include "support/test.h"

#include "base/rand.h"
#include "compact/keep.h"

static const char *const verdict_name[KEEP_VERDICTS] = {
	[KEEP] = "keep",
	[KEEP_AS_DELETE] = "as-delete",
	[KEEP_AS_OLDEST] = "oldest",
	[DROP_SHADOWED] = "shadowed",
	[DROP_TOMBSTONE] = "tombstone",
	[DROP_EXPIRED] = "expired",
	[DROP_RANGE] = "range",
};

/* ---- cases ---- */

enum { NOW_MS = 1000 };

/*
 * Entries are "<key>@<seq>", a put; "-" before it makes a delete, "!" a put that
 * has expired, "?" one that will. Ranges are "<lo>-<hi>@<seq>", hi excluded.
 * `older` are the keys that something older than the inputs may hold.
 */
struct keep_case {
	const char *name, *entries, *snapshots, *ranges, *older;
	const char *want;        /* a verdict for each entry */
	const char *want_ranges; /* the tombstones that stay, fragment by fragment */
	bool deadline;
};

static const struct keep_case cases[] = {
	{ .name = "of one key the newest stays",
	  .older = "abc",
	  .entries = "a@9 a@7 a@3 b@5",
	  .want = "keep shadowed shadowed keep" },
	{ .name = "a snapshot keeps what it sees",
	  .older = "abc",
	  .snapshots = "5",
	  .entries = "a@9 a@7 a@5 a@3",
	  .want = "keep shadowed keep shadowed" },
	{ .name = "a snapshot sees its own number and no greater one",
	  .older = "abc",
	  .snapshots = "4 6 8",
	  .entries = "a@9 a@8 a@7 a@6 a@5 a@4 a@3",
	  .want = "keep keep shadowed keep shadowed keep shadowed" },
	{ .name = "snapshots with nothing between them keep one version",
	  .older = "abc",
	  .snapshots = "4 5 6",
	  .entries = "a@9 a@2 a@1",
	  .want = "keep keep shadowed" },
	{ .name = "keys that begin alike are different keys",
	  .older = "abc",
	  .entries = "a@3 aa@2 aaa@1 aaaaaaaaa@9 aaaaaaaaaa@8 baaaaaaaaa@7",
	  .want = "keep keep keep keep keep keep" },

	{ .name = "a tombstone stays while it may hide something",
	  .older = "a",
	  .entries = "-a@9 a@7",
	  .want = "keep shadowed" },
	{ .name = "at the bottom it goes, and so does what it hid",
	  .entries = "-a@9 a@7",
	  .want = "tombstone shadowed" },
	{ .name = "it stays for what an older snapshot sees",
	  .snapshots = "7",
	  .entries = "-a@9 a@7",
	  .want = "keep oldest" },
	{ .name = "in the oldest stripe it goes also with snapshots",
	  .snapshots = "9 12",
	  .entries = "a@15 -a@9 a@7",
	  .want = "keep tombstone shadowed" },

	{ .name = "at the bottom what all can see becomes the oldest",
	  .snapshots = "5",
	  .entries = "a@5 b@6 c@4 c@3",
	  .want = "oldest keep oldest shadowed" },
	{ .name = "the oldest stays as it is", .entries = "a@0", .want = "keep" },
	{ .name = "not at the bottom it keeps its sequence",
	  .older = "b",
	  .entries = "a@5 b@5 c@5",
	  .want = "oldest keep oldest" },

	{ .name = "an expired value hides what is older",
	  .older = "a",
	  .entries = "!a@9 a@5 ?b@4",
	  .want = "as-delete shadowed oldest" },
	{ .name = "at the bottom it goes", .entries = "!a@9 a@5", .want = "expired shadowed" },
	{ .name = "with a snapshot it still hides",
	  .snapshots = "5",
	  .entries = "!a@9 a@5",
	  .want = "as-delete oldest" },

	{ .name = "a range tombstone drops what it covers and stays for the rest",
	  .older = "abcdef",
	  .ranges = "b-d@6",
	  .entries = "a@5 b@5 b@4 c@7 c@5 d@5",
	  .want = "keep range shadowed keep shadowed keep",
	  .want_ranges = "b-d@6" },
	{ .name = "at the bottom it goes",
	  .ranges = "b-d@6",
	  .entries = "a@5 b@5 b@4 c@7 c@5 d@5",
	  .want = "oldest range shadowed keep shadowed oldest",
	  .want_ranges = "" },
	{ .name = "what lies over a range tombstone keeps its sequence, what lies at its end not",
	  .ranges = "b-d@6",
	  .entries = "b@7 d@7",
	  .want = "keep oldest",
	  .want_ranges = "" },
	{ .name = "a snapshot older than it keeps what it covers",
	  .snapshots = "5",
	  .ranges = "b-d@6",
	  .entries = "b@5 b@3 c@4",
	  .want = "keep shadowed keep",
	  .want_ranges = "b-d@6" },
	{ .name = "a snapshot newer than it does not",
	  .snapshots = "8",
	  .ranges = "b-d@6",
	  .entries = "b@9 b@5 b@3 c@4",
	  .want = "keep range shadowed range",
	  .want_ranges = "" },
	{ .name = "of many over a key the next newer one counts",
	  .snapshots = "5 15",
	  .ranges = "b-d@6 a-c@20",
	  .entries = "a@10 b@10 b@3 c@10",
	  .want = "keep keep keep keep",
	  .want_ranges = "a-b@20 b-c@20 b-c@6 c-d@6" },
	{ .name = "of range tombstones in one stripe the newest stays",
	  .older = "abcdef",
	  .snapshots = "5",
	  .ranges = "a-c@3 a-c@4 b-d@8 b-c@9",
	  .want = "",
	  .entries = "",
	  .want_ranges = "a-b@4 b-c@9 b-c@4 c-d@8" },
	{ .name = "a range tombstone stays where its range may hold something",
	  .older = "c",
	  .ranges = "a-b@3 b-d@4 e-f@5",
	  .entries = "",
	  .want = "",
	  .want_ranges = "b-d@4" },
	{ .name = "ranges are passed also when no key lies in them",
	  .ranges = "a-b@9 c-d@9 e-f@9",
	  .entries = "b@3 d@3 e@3 f@3 x@3",
	  .want = "oldest oldest range oldest oldest",
	  .want_ranges = "" },

	{ .name = "with a deadline the newest tombstone beneath a put stays",
	  .deadline = true,
	  .older = "abc",
	  .entries = "a@9 a@8 -a@7 a@6 -a@5 b@4 b@3",
	  .want = "keep shadowed keep shadowed shadowed keep shadowed" },
	{ .name = "one is enough",
	  .deadline = true,
	  .older = "abc",
	  .snapshots = "4",
	  .entries = "-a@9 -a@8 b@9 -b@4 -b@3 !c@9 -c@8",
	  .want = "keep shadowed keep keep shadowed as-delete shadowed" },
	{ .name = "at the bottom it goes under a put, too",
	  .deadline = true,
	  .entries = "a@9 -a@7 a@6",
	  .want = "oldest shadowed shadowed" },
	{ .name = "it stays as long as a snapshot sees what it hid",
	  .deadline = true,
	  .snapshots = "6",
	  .entries = "a@9 -a@7 a@6",
	  .want = "keep keep oldest" },
	{ .name = "a range tombstone under a put tells of what was deleted as well",
	  .deadline = true,
	  .older = "b",
	  .ranges = "b-d@6",
	  .entries = "b@7 b@5 b@4",
	  .want = "keep shadowed shadowed",
	  .want_ranges = "b-d@6" },
};

static bool older_key(void *arg, shale_slice key)
{
	const char *older = arg;

	return older == NULL || memchr(older, *(const char *)key.data, strlen(older)) == NULL;
}

static bool older_range(void *arg, shale_slice lo, shale_slice hi)
{
	const char *older = arg;

	for (; older != NULL && *older != '\0'; older++)
		if (*older >= *(const char *)lo.data && *older <= *(const char *)hi.data)
			return false;
	return true;
}

static struct rangedel_set *parse_ranges(char *text)
{
	struct rangedel list[16];
	struct rangedel_set *set = NULL;
	size_t n = 0;
	char *word;

	while ((word = strsep(&text, " ")) != NULL) {
		char *dash = strchr(word, '-'), *at = strchr(word, '@');

		*dash = *at = '\0';
		list[n++] = (struct rangedel){ shale_str(word), shale_str(dash + 1),
					       strtoull(at + 1, NULL, 10) };
	}
	assert_ok(rangedel_build(shale_env_default(), list, n, &set));
	return set;
}

/* Gives each entry to the rules; the verdicts apart by blanks. How many there were. */
static uint64_t decide_all(struct keep *k, char *entries, char *out)
{
	shale_slice last = { NULL, 0 };
	uint64_t n = 0;
	char *word;

	for (; (word = strsep(&entries, " ")) != NULL && *word != '\0'; n++) {
		char *key = word + strspn(word, "-!?"), *at = strchr(word, '@');
		enum op_type type = *word == '-' ? OP_DELETE : key != word ? OP_PUT_TTL : OP_PUT;
		enum keep_verdict verdict;
		uint8_t stored[9];
		shale_slice name;
		bool new_key;

		*at = '\0';
		name = shale_str(key);
		put_u64le(stored, *word == '!' ? NOW_MS : NOW_MS + 1);
		assert_ok(keep_decide(k, name, seqtype(strtoull(at + 1, NULL, 10), type),
				      slice_from(stored, sizeof(stored)), &verdict, &new_key));
		assert_int_equal(new_key, last.data == NULL || !slice_eq(last, name));
		last = name;
		out += sprintf(out, "%s%s", n != 0 ? " " : "", verdict_name[verdict]);
	}
	return n;
}

static void keeps_what_it_must(void **state)
{
	const struct keep_case *c = *state;
	char *entries = strdup(c->entries), *ranges = c->ranges != NULL ? strdup(c->ranges) : NULL;
	char got[1024] = "", *to = got;
	const char *p = c->snapshots != NULL ? c->snapshots : "";
	uint64_t snapshots[8], counted = 0, n;
	struct keep_config config = { .snapshots = snapshots,
				      .now_ms = NOW_MS,
				      .bottom_key = older_key,
				      .bottom_range = older_range,
				      .arg = (void *)(uintptr_t)c->older,
				      .deadline = c->deadline };
	struct rangedel_set *set = ranges != NULL ? parse_ranges(ranges) : NULL;
	struct keep k;

	for (char *end; *p != '\0'; p = end)
		snapshots[config.snapshot_count++] = strtoull(p, &end, 10);
	config.ranges = set;
	keep_init(&k, shale_env_default(), &config);
	n = decide_all(&k, entries, got);
	assert_string_equal(got, c->want);
	for (size_t i = 0; i < KEEP_VERDICTS; i++)
		counted += k.counts[i];
	assert_int_equal(counted, n);

	*got = '\0';
	for (size_t f = 0; set != NULL && f < set->count; f++) {
		const struct rangedel_fragment *fragment = &set->fragments[f];

		for (size_t i = 0; i < fragment->seq_count; i++)
			if (keep_range(&k, fragment, i))
				to += sprintf(to, "%s%.*s-%.*s@%u", to != got ? " " : "",
					      (int)fragment->lo.size,
					      (const char *)fragment->lo.data,
					      (int)fragment->hi.size,
					      (const char *)fragment->hi.data,
					      (unsigned)fragment->seqs[i]);
	}
	assert_string_equal(got, c->want_ranges != NULL ? c->want_ranges : "");
	keep_fini(&k);
	rangedel_free(set);
	free(entries);
	free(ranges);
}

/* ---- all readers ---- */

/*
 * A stack for a handful of keys in layers, the newest first. Layers hold versions
 * and range tombstones; for every key a newer layer holds only newer ones. Merging
 * neighbouring layers must change nothing for the readers that there may be.
 */
enum { KEYS = 6, LAYERS = 4, ITEMS = 200, SNAPSHOTS = 6 };

struct item {
	int key, end;          /* a range tombstone if end != 0: [key, end) */
	uint64_t seq, seen_as; /* seen_as: the sequence it was written with, its name */
	enum op_type type;
	uint8_t stored[8];
};

struct layer {
	size_t count;
	struct item item[ITEMS];
};

struct stack {
	struct layer layer[LAYERS];
	uint64_t now_ms;
	size_t merged_to; /* layers from here on are older than the merge */
	bool shy;         /* says "not the bottom" more often than needed */
	bool deadline;
	struct rand *r;
};

static const char *const key_names[KEYS + 1] = { "a", "aa", "abcdefghij", "abcdefghik",
						 "b", "bb", "z" };

static int key_index(shale_slice key)
{
	for (int i = 0; i <= KEYS; i++)
		if (slice_eq(key, shale_str(key_names[i])))
			return i;
	fail_msg("a key that nobody wrote");
	return -1;
}

/* What a reader at `seq` gets: the version's name, or 0. As gets do it: newest layer first. */
static uint64_t read_key(const struct stack *s, int key, uint64_t seq)
{
	uint64_t hidden = 0;

	for (size_t l = 0; l < LAYERS; l++) {
		const struct item *found = NULL;

		for (size_t i = 0; i < s->layer[l].count; i++) {
			const struct item *it = &s->layer[l].item[i];

			if (it->seq > seq || it->key > key)
				continue;
			if (it->end > key && it->seq > hidden)
				hidden = it->seq;
			if (it->end == 0 && it->key == key &&
			    (found == NULL || it->seq > found->seq))
				found = it;
		}
		if (found != NULL)
			return found->type == OP_DELETE || found->seq < hidden ||
					       entry_expired(found->type,
							     slice_from(found->stored, 8),
							     s->now_ms)
				       ? 0
				       : found->seen_as;
		if (hidden != 0)
			return 0;
	}
	return 0;
}

static bool stack_bottom(const struct stack *s, int lo, int hi)
{
	if (s->shy && rand_below(s->r, 4) == 0)
		return false;
	for (size_t l = s->merged_to; l < LAYERS; l++)
		for (size_t i = 0; i < s->layer[l].count; i++) {
			const struct item *it = &s->layer[l].item[i];

			if (it->key <= hi && (it->end != 0 ? it->end - 1 : it->key) >= lo)
				return false;
		}
	return true;
}

static bool stack_bottom_key(void *arg, shale_slice key)
{
	return stack_bottom(arg, key_index(key), key_index(key));
}

static bool stack_bottom_range(void *arg, shale_slice lo, shale_slice hi)
{
	return stack_bottom(arg, key_index(lo), key_index(hi));
}

static void layer_fill(struct layer *l, struct rand *r, uint64_t *seq, uint64_t now_ms)
{
	static const enum op_type types[] = { OP_PUT, OP_PUT, OP_PUT_TTL, OP_DELETE };

	for (unsigned n = (unsigned)rand_below(r, 16); n > 0; n--) {
		struct item *it = &l->item[l->count++];

		*seq += 1 + rand_below(r, 2);
		*it = (struct item){ .key = (int)rand_below(r, KEYS), .seq = *seq };
		it->seen_as = it->seq;
		it->type = types[rand_below(r, 4)];
		put_u64le(it->stored, now_ms - 1 + rand_below(r, 3));
		if (rand_below(r, 5) == 0) {
			it->type = OP_RANGE_DELETE;
			it->end = it->key + 1 + (int)rand_below(r, (uint64_t)(KEYS - it->key));
		}
	}
}

static int item_order(const void *a, const void *b)
{
	const struct item *p = a, *q = b;
	int c = slice_cmp(shale_str(key_names[p->key]), shale_str(key_names[q->key]));

	return c != 0 ? c : p->seq > q->seq ? -1 : p->seq < q->seq;
}

static void put_kept(struct layer *to, const struct item *it, enum keep_verdict verdict)
{
	struct item *out = &to->item[to->count];

	if (verdict >= DROP_SHADOWED)
		return;
	assert_true(to->count++ < ITEMS);
	*out = *it;
	if (verdict == KEEP_AS_DELETE)
		out->type = OP_DELETE;
	if (verdict == KEEP_AS_OLDEST)
		out->seq = 0;
}

/* Merge layers [from, to) into the last of them. */
static void merge_layers(struct stack *s, size_t from, size_t to, const uint64_t *snapshots,
			 size_t snapshot_count)
{
	struct item *all = calloc(LAYERS * ITEMS, sizeof(*all));
	struct rangedel list[LAYERS * ITEMS];
	struct layer *out = calloc(1, sizeof(*out));
	struct rangedel_set *set = NULL;
	size_t n = 0, ranges = 0;
	struct keep_config config = { .snapshots = snapshots,
				      .snapshot_count = snapshot_count,
				      .now_ms = s->now_ms,
				      .bottom_key = stack_bottom_key,
				      .bottom_range = stack_bottom_range,
				      .arg = s,
				      .deadline = s->deadline };
	struct keep k;

	s->merged_to = to;
	for (size_t l = from; l < to; l++)
		for (size_t i = 0; i < s->layer[l].count; i++) {
			const struct item *it = &s->layer[l].item[i];

			if (it->end == 0)
				all[n++] = *it;
			else
				list[ranges++] =
					(struct rangedel){ shale_str(key_names[it->key]),
							   shale_str(key_names[it->end]), it->seq };
		}
	qsort(all, n, sizeof(*all), item_order);
	if (ranges != 0)
		assert_ok(rangedel_build(shale_env_default(), list, ranges, &set));
	config.ranges = set;
	keep_init(&k, shale_env_default(), &config);
	for (size_t i = 0; i < n; i++) {
		enum keep_verdict verdict;
		bool new_key;

		assert_ok(keep_decide(&k, shale_str(key_names[all[i].key]),
				      seqtype(all[i].seq, all[i].type),
				      slice_from(all[i].stored, 8), &verdict, &new_key));
		assert_int_equal(new_key, i == 0 || all[i].key != all[i - 1].key);
		put_kept(out, &all[i], verdict);
	}
	for (size_t f = 0; set != NULL && f < set->count; f++)
		for (size_t i = 0; i < set->fragments[f].seq_count; i++)
			if (keep_range(&k, &set->fragments[f], i)) {
				struct item it = { .key = key_index(set->fragments[f].lo),
						   .end = key_index(set->fragments[f].hi),
						   .seq = set->fragments[f].seqs[i],
						   .type = OP_RANGE_DELETE };

				put_kept(out, &it, KEEP);
			}
	for (size_t l = from; l < to; l++)
		s->layer[l].count = 0;
	s->layer[to - 1] = *out;
	keep_fini(&k);
	rangedel_free(set);
	free(out);
	free(all);
}

static void assert_readers_agree(const struct stack *before, const struct stack *after,
				 const uint64_t *snapshots, size_t n, uint64_t seq)
{
	/* Live snapshots, "now", and the snapshots that will be taken. */
	for (size_t i = 0; i < n + 2; i++)
		for (int key = 0; key < KEYS; key++) {
			uint64_t at = i < n ? snapshots[i] : i == n ? seq : SEQ_MAX;

			assert_true(read_key(before, key, at) == read_key(after, key, at));
		}
}

static void every_reader_sees_what_it_saw(void **state)
{
	struct rand r;
	uint64_t merges = 0, dropped = 0;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t round = 0; round < test_scale(20000); round++) {
		struct stack s = { .now_ms = 100, .r = &r, .shy = rand_below(&r, 3) == 0 };
		uint64_t snapshots[SNAPSHOTS], seq = 0;
		size_t n = 0;

		s.deadline = rand_below(&r, 2) == 0;
		for (size_t l = LAYERS; l > 0; l--)
			layer_fill(&s.layer[l - 1], &r, &seq, s.now_ms);
		for (uint64_t at = 0; n < SNAPSHOTS; n++) {
			at += rand_below(&r, 20);
			if (at > seq || rand_below(&r, 6) == 0)
				break;
			snapshots[n] = at++;
		}
		/* Merges one after another, while snapshots go. */
		for (unsigned i = 0; i < 4; i++) {
			struct stack before = s;
			size_t from = rand_below(&r, LAYERS);
			size_t to = from + 1 + rand_below(&r, LAYERS - from), total = 0;

			for (size_t l = 0; l < LAYERS; l++)
				total += s.layer[l].count;
			merge_layers(&s, from, to, snapshots, n);
			assert_readers_agree(&before, &s, snapshots, n, seq);
			for (size_t l = 0; l < LAYERS; l++)
				total -= s.layer[l].count;
			merges++;
			dropped += total <= ITEMS * LAYERS ? total : 0;
			if (n != 0 && rand_below(&r, 2) == 0) {
				size_t gone = rand_below(&r, n--);

				memmove(snapshots + gone, snapshots + gone + 1,
					(n - gone) * sizeof(*snapshots));
			}
		}
	}
	assert_true(dropped > merges / 2); /* it is not that all was kept */
}

/* With nobody left to see the past, what is left is what can be seen. */
static void a_merge_of_all_leaves_only_what_is_seen(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t round = 0; round < test_scale(3000); round++) {
		struct stack s = { .now_ms = 100, .r = &r, .deadline = round % 2 != 0 };
		uint64_t seq = 0;
		size_t seen = 0;

		for (size_t l = LAYERS; l > 0; l--)
			layer_fill(&s.layer[l - 1], &r, &seq, s.now_ms);
		for (int key = 0; key < KEYS; key++)
			seen += read_key(&s, key, seq) != 0;
		merge_layers(&s, 0, LAYERS, NULL, 0);
		assert_int_equal(s.layer[LAYERS - 1].count, seen);
	}
}

int main(void)
{
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	struct CMUnitTest tests[CASES + 2];

	for (size_t i = 0; i < CASES; i++)
		tests[i] = (struct CMUnitTest){ cases[i].name, keeps_what_it_must, NULL, NULL,
						(void *)(uintptr_t)&cases[i] };
	tests[CASES] = (struct CMUnitTest)cmocka_unit_test(every_reader_sees_what_it_saw);
	tests[CASES + 1] =
		(struct CMUnitTest)cmocka_unit_test(a_merge_of_all_leaves_only_what_is_seen);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
