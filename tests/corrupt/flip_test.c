/*
 * Flipped bits in every file of closed stores. Of the small store every byte is
 * flipped, one bit of it in one pass; SHALE_TEST_SCALE=800 makes eight passes, and so
 * flips every bit. Stores of each codec and a larger one are sampled.
 */
#include "corrupt/store.h"

/* The address sanitizer makes it ten times slower, and finds what it finds with fewer. */
#ifdef __SANITIZE_ADDRESS__
enum { SHARE = 20 };
#else
enum { SHARE = 100 };
#endif

enum { FEW = 100 };

static const struct shape small = { "small", 120, 1, SHALE_LZ4, 512, 40, false };

static const struct shape sampled[] = {
	{ "raw", 200, 2, SHALE_NO_COMPRESSION, 1024, 50, false },
	{ "lz4", 200, 3, SHALE_LZ4, 1024, 50, true },
	{ "zstd", 200, 4, SHALE_ZSTD, 1024, 70, false },
	{ "snappy", 200, 5, SHALE_SNAPPY, 1024, 70, true },
	{ "larger", 3000, 6, SHALE_LZ4, 4096, 400, true },
};

static void flip(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;

	assert_int_equal(sim_fs_corrupt(fs, h->path, h->offset, h->mask), 0);
}

struct tally {
	uint64_t flips, noticed;
	uint64_t silent_at; /* first that was not noticed */
	uint64_t last;      /* the last that was */
};

/*
 * Behind the last byte that matters there is the room that a log reserved; before it
 * no flip goes unnoticed, and no other file has such room.
 */
static void check_tally(struct store *s, size_t i, const struct tally *t)
{
	const char *name = s->file[i].name;

	/* A few flips may all have met the room of a log. */
	if ((t->noticed == 0 && t->flips > FEW) ||
	    (t->silent_at != UINT64_MAX && t->silent_at < t->last))
		fail_msg("store %s: a flip in %s at %" PRIu64 " went unnoticed, one at %" PRIu64
			 " did not",
			 s->shape->name, name, t->silent_at, t->last);
	if (strcmp(ending(name), ".log") != 0)
		assert_true(t->silent_at == UINT64_MAX);
}

static void flip_one(struct store *s, size_t i, uint64_t offset, unsigned bit, struct tally *t)
{
	struct harm h = { .offset = offset, .mask = (uint8_t)(1u << bit) };

	snprintf(h.path, sizeof(h.path), DIR "/%s", s->file[i].name);
	t->flips++;
	if (try_one(s, s->file[i].name, flip, &h)) {
		t->noticed++;
		t->last = offset > t->last ? offset : t->last;
	} else if (offset < t->silent_at) {
		t->silent_at = offset;
	}
}

static void every_byte_of_a_small_store(void **state)
{
	uint64_t passes = test_scale(SHARE), flips = 0, noticed = 0;
	struct store s;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	make_store(&s, &small);
	for (size_t i = 0; i < s.count; i++) {
		struct tally t = { .silent_at = UINT64_MAX };
		unsigned first = (unsigned)rand_below(&r, 8);

		/* Each byte gets its bits in turn; a part of a pass leaves bytes out. */
		for (uint64_t pass = 0; pass < passes; pass += 100) {
			for (uint64_t at = 0; at < s.file[i].size; at++) {
				if (passes - pass < 100 && rand_below(&r, 100) >= passes - pass)
					continue;
				s.read_only = rand_below(&r, 4) == 0;
				flip_one(&s, i, at, (first + pass / 100 + at) % 8, &t);
			}
		}
		check_tally(&s, i, &t);
		printf("%-24s %6" PRIu64 " bytes: %6" PRIu64 " flips, %6" PRIu64
		       " reported, none missed up to %" PRIu64 "\n",
		       s.file[i].name, s.file[i].size, t.flips, t.noticed, t.last);
		flips += t.flips;
		noticed += t.noticed;
	}
	printf("%s: %" PRIu64 " flips, %" PRIu64 " reported, 0 wrong answers\n", s.shape->name,
	       flips, noticed);
	free_store(&s);
}

static void sample(const struct shape *shape, uint64_t per_file, struct rand *r)
{
	uint64_t flips = 0, noticed = 0;
	struct store s;

	make_store(&s, shape);
	for (size_t i = 0; i < s.count; i++) {
		struct tally t = { .silent_at = UINT64_MAX };

		/* Rather in the last bytes than just anywhere: footers, ends of records. */
		for (uint64_t n = 0; n < per_file; n++) {
			uint64_t size = s.file[i].size, at = rand_below(r, size);

			if (n % 4 == 0 && size > 256)
				at = size - 1 - rand_below(r, 256);
			if (n % 4 == 1 && size > 20000)
				at = rand_below(r, 20000);
			s.read_only = rand_below(r, 4) == 0;
			flip_one(&s, i, at, (unsigned)rand_below(r, 8), &t);
		}
		check_tally(&s, i, &t);
		flips += t.flips;
		noticed += t.noticed;
	}
	printf("%s: %" PRIu64 " flips in %zu files, %" PRIu64 " reported, 0 wrong answers\n",
	       shape->name, flips, s.count, noticed);
	free_store(&s);
}

static void samples_of_stores_of_each_codec_and_of_a_larger_one(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < sizeof(sampled) / sizeof(sampled[0]); i++)
		sample(&sampled[i], test_scale((sampled[i].keys > 1000 ? 25 : 300) * SHARE / 100),
		       &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_a_small_store),
		cmocka_unit_test(samples_of_stores_of_each_codec_and_of_a_larger_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
