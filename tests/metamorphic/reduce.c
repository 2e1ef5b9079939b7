/*
 * Reduction. A candidate is kept when it fails in the same way: the kind of a failure
 * is its text up to the first colon, or the signal that ended the process. Each
 * candidate runs in a process of its own, so one that crashes costs nothing.
 */
#include "metamorphic/reduce.h"
#include "metamorphic/run.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS_MAX = 60 }; /* of one candidate */

struct reduction {
	struct script *best;
	reduce_fails fails;
	void *arg;
	time_t until;
};

/* Takes the candidate, and frees it or the one before. */
static bool better(struct reduction *r, struct script *candidate)
{
	bool good = time(NULL) < r->until && r->fails(r->arg, candidate);

	script_free(good ? r->best : candidate);
	if (good)
		r->best = candidate;
	return good;
}

/* Leave out pieces of operations, half of all at first, at last single ones. */
static bool fewer_operations(struct reduction *r)
{
	size_t before = r->best->count;

	for (size_t piece = (before + 1) / 2; piece > 0; piece /= 2) {
		/* From the end: what comes late rarely matters. */
		for (size_t end = r->best->count; end > 0;) {
			size_t begin = end > piece ? end - piece : 0;
			bool *keep = malloc(r->best->count + 1);

			memset(keep, true, r->best->count + 1);
			memset(keep + begin, false, end - begin);
			better(r, script_copy(r->best, keep));
			free(keep);
			end = begin;
		}
	}
	return r->best->count < before;
}

static bool fewer_settings(struct reduction *r)
{
	bool any = false;

	for (size_t at = 0; r->best->settings[at] != 0;) {
		struct script *s = script_copy(r->best, NULL);
		size_t n = strcspn(s->settings + at, " ");

		n += s->settings[at + n] == ' ';
		memmove(s->settings + at, s->settings + at + n, strlen(s->settings + at + n) + 1);
		if (at != 0 && s->settings[at] == 0)
			s->settings[at - 1] = 0;
		if (better(r, s))
			any = true;
		else
			at += n;
	}
	return any;
}

/* Plainer in one respect; false if it is so already. */
static bool plainer(struct op *op, unsigned respect)
{
	struct op before = *op;

	switch (respect) {
	case 0:
		op->durable = op->no_wait = op->no_fill = op->verify = false;
		break;
	case 1:
		op->ttl = 0;
		break;
	case 2:
		op->skip = 0;
		break;
	case 3:
		op->n = 0;
		break;
	case 4:
		op->size = op->size > 8 ? 8 : op->size;
		break;
	case 5:
		op->size /= 2;
		break;
	case 6:
		op->lower = op->verb == ITER || op->verb == COMPACT ? NONE : op->lower;
		break;
	case 7:
		op->upper = op->verb == ITER || op->verb == COMPACT ? NONE : op->upper;
		break;
	case 8:
		op->prefix = NONE;
		break;
	case 9:
		op->snapshot = NO_SNAPSHOT;
		break;
	case 10:
		op->family = op->verb == CREATE || op->verb == DROP ? op->family : 0;
		break;
	default:
		op->key_count = op->key_count > 1 ? 1 : op->key_count;
	}
	return memcmp(&before, op, sizeof(before)) != 0;
}
enum { RESPECTS = 12 };

static bool plainer_operations(struct reduction *r)
{
	bool any = false;

	for (unsigned respect = 0; respect < RESPECTS; respect++) {
		struct script *s = script_copy(r->best, NULL);
		bool some = false;

		for (size_t i = 0; i < s->count; i++)
			some |= plainer(&s->ops[i], respect);
		if (!some) {
			script_free(s);
			continue;
		}
		if (better(r, s)) {
			any = true;
			continue;
		}
		for (size_t i = 0; i < r->best->count; i++) {
			s = script_copy(r->best, NULL);
			if (plainer(&s->ops[i], respect))
				any |= better(r, s);
			else
				script_free(s);
		}
	}
	return any;
}

/* Keys that only keep their order: 000, 001, ... */
static void plainer_keys(struct reduction *r)
{
	struct script *s = script_copy(r->best, NULL);

	script_sort(s);
	for (size_t i = 0; i < s->key_count; i++)
		s->keys[i].size = (size_t)snprintf((char *)s->keys[i].bytes, KEY_BYTES, "%03zu", i);
	better(r, s);
}

struct script *reduce_script(const struct script *s, reduce_fails fails, void *arg,
			     unsigned seconds)
{
	struct reduction r = { script_copy(s, NULL), fails, arg, time(NULL) + seconds };
	bool any;

	do {
		any = fewer_operations(&r);
		any |= fewer_settings(&r);
		any |= plainer_operations(&r);
	} while (any && time(NULL) < r.until);
	plainer_keys(&r);
	script_sort(r.best);
	return r.best;
}

/* ---- kinds of failures ---- */

static _Noreturn void child(const struct script *s, int out)
{
	struct run_counts counts = { .ops = 0 };
	char failure[FAILURE_TEXT] = "";
	size_t n;

	alarm(SECONDS_MAX);
	if (run_script(s, s->settings, &counts, failure))
		_exit(0);
	n = strcspn(failure, ":");
	n = n < KIND_SIZE - 1 ? n : KIND_SIZE - 1;
	_exit(write(out, failure, n) == (ssize_t)n ? 0 : 2);
}

void reduce_kind(const struct script *s, char kind[KIND_SIZE])
{
	int ends[2], status = 0;
	ssize_t n;
	pid_t pid;

	memset(kind, 0, KIND_SIZE);
	fflush(NULL);
	if (pipe(ends) != 0 || (pid = fork()) < 0) {
		perror("reduce");
		abort();
	}
	if (pid == 0)
		child(s, ends[1]);
	close(ends[1]);
	n = read(ends[0], kind, KIND_SIZE - 1);
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (n <= 0 && WIFSIGNALED(status))
		snprintf(kind, KIND_SIZE, "signal %d", WTERMSIG(status));
	else if (n <= 0 && WEXITSTATUS(status) != 0)
		snprintf(kind, KIND_SIZE, "exit %d", WEXITSTATUS(status));
}

bool reduce_same_kind(void *arg, const struct script *s)
{
	char kind[KIND_SIZE];

	reduce_kind(s, kind);
	return strcmp(kind, arg) == 0;
}
