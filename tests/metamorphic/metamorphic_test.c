/*
 * The metamorphic test: one script of operations under many settings gives the same
 * answers, which are those of sorted arrays. What is kept in scripts/ failed once.
 *
 * As a program it also does, with a script in a file:
 *
 *   print SEED COUNT [SETTINGS]   write the script of a seed
 *   replay FILE                   run it under its settings, then under all sets
 *   reduce FILE [SECONDS]         write the shortest that fails in the same way
 */
#include "metamorphic/reduce.h"
#include "metamorphic/run.h"

#include <glob.h>
#include <signal.h>
#include <unistd.h>

enum { SCRIPTS = 24, SCRIPT_OPS = 2000, RANDOM_SETS = 8, REDUCE_SECONDS = 100 };

static struct run_counts counts;

/* ---- what runs now, for a process that dies of it ---- */

static char now_running[1024];

static void on_signal(int number)
{
	ssize_t n = write(STDERR_FILENO, now_running, strlen(now_running));

	(void)n;
	signal(number, SIG_DFL);
	raise(number);
}

static void announce(const char *what, const char *settings)
{
	snprintf(now_running, sizeof(now_running), "died under: %s, settings '%s'\n", what,
		 settings);
	signal(SIGABRT, on_signal);
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	signal(SIGFPE, on_signal);
}

/* ---- running ---- */

static void shorten(const struct script *s, const char *settings)
{
	struct script *failing = script_copy(s, NULL), *shorter;
	char path[256], kind[KIND_SIZE];
	const char *dir = getenv("TMPDIR");
	FILE *out;

	snprintf(failing->settings, sizeof(failing->settings), "%s", settings);
	reduce_kind(failing, kind);
	shorter = reduce_script(failing, reduce_same_kind, kind, REDUCE_SECONDS);
	snprintf(path, sizeof(path), "%s/metamorphic-%" PRIx64 ".txt", dir ? dir : "/tmp", s->seed);
	out = fopen(path, "w");
	if (out != NULL) {
		script_write(shorter, out);
		fclose(out);
		fprintf(stderr, "%zu operations that fail alike ('%s') are in %s\n", shorter->count,
			kind, path);
	}
	script_free(shorter);
	script_free(failing);
}

static bool run_one(const struct script *s, const char *what, const char *settings)
{
	char failure[FAILURE_TEXT];

	announce(what, settings);
	if (run_script(s, settings, &counts, failure))
		return true;
	fprintf(stderr, "%s, settings '%s': %s", what, settings, failure);
	return false;
}

/* Under every fixed set, and some random ones. */
static bool run_all(const struct script *s, const char *what, size_t random, bool reduce)
{
	char text[512];
	bool good = true;
	struct rand r;

	rand_seed(&r, s->seed ^ 0x5e77);
	for (size_t i = 0; i < settings_set_count + random && good; i++) {
		if (i < settings_set_count)
			snprintf(text, sizeof(text), "%s", settings_sets[i].text);
		else
			settings_random(&r, text, sizeof(text));
		good = run_one(s, what, text);
		if (!good && reduce)
			shorten(s, text);
	}
	return good;
}

static void print_counts(void)
{
	unsigned verbs = 0;

	for (unsigned v = 0; v < VERBS; v++) {
		printf("%s %" PRIu64 "%s", verb_name(v), counts.verbs[v],
		       v + 1 == VERBS ? "\n"
		       : v % 6 == 5   ? ",\n"
				      : ", ");
		verbs += counts.verbs[v] != 0;
	}
	printf("%" PRIu64 " operations (%" PRIu64 " meant nothing), %" PRIu64 " crashes, %" PRIu64
	       " cells lost as was allowed; %u of %u verbs, %zu sets of options\n",
	       counts.ops, counts.passed_over, counts.crashes, counts.lost, verbs, VERBS,
	       settings_set_count);
}

/* ---- tests ---- */

static void every_set_gives_the_same_answers(void **state)
{
	uint64_t seed = test_seed(), rounds = test_scale(SCRIPTS);
	size_t failed = 0;

	(void)state;
	memset(&counts, 0, sizeof(counts));
	for (uint64_t i = 0; i < rounds && failed == 0; i++) {
		/* Short ones die often in relation; long ones fill many levels. */
		size_t ops = (size_t)SCRIPT_OPS << i % 4;
		struct script *s = script_generate(seed + i, ops);
		char what[64];

		snprintf(what, sizeof(what), "script print 0x%" PRIx64 " %zu", seed + i, ops);
		failed += !run_all(s, what, RANDOM_SETS, true);
		script_free(s);
	}
	print_counts();
	assert_int_equal(failed, 0);
	for (unsigned v = 0; v < VERBS && rounds >= 8; v++)
		assert_int_not_equal(counts.verbs[v], 0);
}

static void scripts_that_failed_once_do_not_fail_again(void **state)
{
	size_t failed = 0;
	glob_t found;

	(void)state;
	if (glob("tests/metamorphic/scripts/*.txt", 0, NULL, &found) != 0)
		fail_msg("no script in tests/metamorphic/scripts (run in the project's folder)");
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct script *s = script_read(found.gl_pathv[i]);

		assert_non_null(s);
		failed += !run_one(s, found.gl_pathv[i], s->settings);
		failed += !run_all(s, found.gl_pathv[i], RANDOM_SETS, false);
		script_free(s);
	}
	printf("%zu scripts\n", found.gl_pathc);
	globfree(&found);
	assert_int_equal(failed, 0);
}

static char *text_of(const struct script *s)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	script_write(s, out);
	fclose(out);
	return text;
}

static void a_script_is_read_as_it_was_written(void **state)
{
	struct script *s = script_generate(7, 3000), *again;
	char *dir = test_dir_new(), path[512], *a, *b;
	FILE *out;

	(void)state;
	snprintf(s->settings, sizeof(s->settings), "codec=zstd threads=3");
	snprintf(path, sizeof(path), "%s/script", dir);
	out = fopen(path, "w");
	assert_non_null(out);
	script_write(s, out);
	fclose(out);
	again = script_read(path);
	assert_non_null(again);
	a = text_of(s);
	b = text_of(again);
	assert_string_equal(a, b);
	free(a);
	free(b);
	script_free(s);
	script_free(again);
	test_dir_remove(dir);
}

/* "Fails" when a range was deleted behind a put of some size of its key, in one family, with zstd. */
static bool hidden(void *arg, const struct script *s)
{
	const struct op *put = NULL;

	(*(size_t *)arg)++;
	if (strstr(s->settings, "codec=zstd") == NULL)
		return false;
	for (size_t i = 0; i < s->count; i++) {
		const struct op *op = &s->ops[i];

		if (op->verb == PUT && op->size > 100 && op->family == 0)
			put = op;
		if (op->verb == DELETE_RANGE && put != NULL && op->family == 0 &&
		    op->lower <= put->key[0] && put->key[0] < op->upper)
			return true;
	}
	return false;
}

static void the_reducer_leaves_what_matters(void **state)
{
	struct script *s = script_generate(11, 4000), *shorter;
	size_t tried = 0;

	(void)state;
	snprintf(s->settings, sizeof(s->settings), "memtable=16384 codec=zstd threads=3");
	assert_true(hidden(&tried, s));
	shorter = reduce_script(s, hidden, &tried, 60);
	assert_string_equal(shorter->settings, "codec=zstd");
	assert_int_equal(shorter->count, 2);
	assert_int_equal(shorter->ops[0].verb, PUT);
	assert_int_equal(shorter->ops[1].verb, DELETE_RANGE);
	assert_in_range(shorter->ops[0].size, 101, 201);
	assert_in_range(shorter->key_count, 2, 3);
	assert_slice(script_slice(shorter, 0), "000");
	printf("%zu candidates\n", tried);
	script_free(shorter);
	script_free(s);
}

/* ---- as a program ---- */

static int program(int argc, char **argv)
{
	struct script *s = NULL, *shorter;
	char kind[KIND_SIZE];
	bool good = true;

	if (argc >= 4 && strcmp(argv[1], "print") == 0) {
		s = script_generate(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
		if (argc > 4)
			snprintf(s->settings, sizeof(s->settings), "%s", argv[4]);
		script_write(s, stdout);
	} else if (argc >= 3 && strcmp(argv[1], "replay") == 0) {
		s = script_read(argv[2]);
		good = s != NULL && run_one(s, argv[2], s->settings) &&
		       run_all(s, argv[2], RANDOM_SETS, false);
		print_counts();
	} else if (argc >= 3 && strcmp(argv[1], "reduce") == 0) {
		s = script_read(argv[2]);
		if (s == NULL)
			return 1;
		reduce_kind(s, kind);
		good = kind[0] != 0;
		fprintf(stderr, good ? "fails: %s\n" : "does not fail%s\n", kind);
		shorter = good ? reduce_script(s, reduce_same_kind, kind,
					       argc > 3 ? (unsigned)atoi(argv[3]) : 600)
			       : NULL;
		if (good)
			script_write(shorter, stdout);
		script_free(shorter);
	} else {
		fprintf(stderr,
			"print SEED COUNT [SETTINGS] | replay FILE | reduce FILE [SECONDS]\n");
		good = false;
	}
	script_free(s);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_script_is_read_as_it_was_written),
		cmocka_unit_test(the_reducer_leaves_what_matters),
		cmocka_unit_test(scripts_that_failed_once_do_not_fail_again),
		cmocka_unit_test(every_set_gives_the_same_answers),
	};

	if (argc > 1)
		return program(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
