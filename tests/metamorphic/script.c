/* Scripts: tables of verbs and fields, reading, writing, the sorted keys. */
#include "metamorphic/script.h"

#include "base/rand.h"

#include <ctype.h>
#include <stddef.h>

static const char *const verb_names[VERBS] = {
	[PUT] = "put",
	[DELETE] = "delete",
	[DELETE_RANGE] = "delete_range",
	[BATCH_PUT] = "batch_put",
	[BATCH_DELETE] = "batch_delete",
	[BATCH_DELETE_RANGE] = "batch_delete_range",
	[BATCH_CLEAR] = "batch_clear",
	[WRITE] = "write",
	[GET] = "get",
	[MULTI_GET] = "multi_get",
	[HOLD] = "hold",
	[RELEASE] = "release",
	[ITER] = "iter",
	[FIRST] = "first",
	[LAST] = "last",
	[SEEK] = "seek",
	[SEEK_PREV] = "seek_prev",
	[NEXT] = "next",
	[PREV] = "prev",
	[ITER_FREE] = "iter_free",
	[SCAN] = "scan",
	[SNAPSHOT] = "snapshot",
	[SNAPSHOT_FREE] = "snapshot_free",
	[CREATE] = "create",
	[DROP] = "drop",
	[SET_OPTIONS] = "set_options",
	[FAMILIES_LIST] = "families",
	[FLUSH] = "flush",
	[COMPACT] = "compact",
	[WAIT_IDLE] = "wait_idle",
	[WAIT_DURABLE] = "wait_durable",
	[RESUME] = "resume",
	[CHECK_ALL] = "check",
	[FIGURES] = "figures",
	[TABLES] = "tables",
	[ADVANCE] = "advance",
	[OPEN_AGAIN] = "open_again",
	[REOPEN] = "reopen",
	[READ_ONLY] = "read_only",
	[KILL] = "kill",
	[POWER_CUT] = "power_cut",
};

enum kind { BYTE, NUMBER, FLAG, KEY };

/* What a field is when it is not written, it is also when it has this value. */
static const struct field {
	const char *name;
	enum kind kind;
	size_t at;
	uint32_t unset, limit;
} fields[] = {
	{ "f", BYTE, offsetof(struct op, family), 0, FAMILIES },
	{ "i", BYTE, offsetof(struct op, reg), 0, 4 },
	{ "s", BYTE, offsetof(struct op, snapshot), NO_SNAPSHOT, SNAPSHOTS },
	{ "n", NUMBER, offsetof(struct op, n), 0, UINT32_MAX },
	{ "ttl", NUMBER, offsetof(struct op, ttl), 0, 10000 },
	{ "skip", NUMBER, offsetof(struct op, skip), 0, UINT32_MAX },
	{ "durable", FLAG, offsetof(struct op, durable), 0, 1 },
	{ "no_wait", FLAG, offsetof(struct op, no_wait), 0, 1 },
	{ "no_fill", FLAG, offsetof(struct op, no_fill), 0, 1 },
	{ "verify", FLAG, offsetof(struct op, verify), 0, 1 },
	{ "lower", KEY, offsetof(struct op, lower), NONE, 0 },
	{ "upper", KEY, offsetof(struct op, upper), NONE, 0 },
	{ "prefix", KEY, offsetof(struct op, prefix), NONE, 0 },
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

const char *verb_name(unsigned verb)
{
	return verb < VERBS ? verb_names[verb] : "?";
}

/* ---- values ---- */

shale_slice value_bytes(uint32_t id, uint32_t size)
{
	enum { PLACES = 8192, STEP = 16 };
	static uint8_t pool[PLACES * STEP + VALUE_MAX];

	if (pool[0] == 0) {
		/* Half noise, half the same: compressors find something to do. */
		for (uint64_t i = 0; i < sizeof(pool) / STEP; i++) {
			uint64_t x = i, noise = rand_split(&x) | 1;

			memcpy(pool + i * STEP, &noise, 8);
			memset(pool + i * STEP + 8, 'v', 8);
		}
	}
	return slice_from(pool + (size_t)(id % PLACES) * STEP, size);
}

/* ---- making ---- */

static void *must(void *p)
{
	if (p == NULL) {
		perror("memory");
		abort();
	}
	return p;
}

struct script *script_new(void)
{
	return must(calloc(1, sizeof(struct script)));
}

void script_free(struct script *s)
{
	if (s == NULL)
		return;
	free(s->ops);
	free(s);
}

struct op *script_add(struct script *s, enum verb verb)
{
	struct op *op;

	if (s->count == s->room) {
		s->room = 2 * s->room + 64;
		s->ops = must(realloc(s->ops, s->room * sizeof(*s->ops)));
	}
	op = &s->ops[s->count++];
	memset(op, 0, sizeof(*op));
	op->verb = (uint8_t)verb;
	op->snapshot = NO_SNAPSHOT;
	op->lower = op->upper = op->prefix = NONE;
	return op;
}

uint16_t script_key(struct script *s, const void *bytes, size_t size)
{
	struct key *k = &s->keys[s->key_count];

	for (size_t i = 0; i < s->key_count; i++)
		if (slice_eq(script_slice(s, i), slice_from(bytes, size)))
			return (uint16_t)i;
	if (s->key_count == KEYS_MAX || size > KEY_BYTES)
		return NONE;
	if (size != 0)
		memcpy(k->bytes, bytes, size);
	k->size = size;
	return (uint16_t)s->key_count++;
}

shale_slice script_slice(const struct script *s, size_t key)
{
	return slice_from(s->keys[key].bytes, s->keys[key].size);
}

size_t script_find(const struct script *s, shale_slice bytes)
{
	size_t lo = 0, hi = s->key_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (slice_cmp(script_slice(s, mid), bytes) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int key_order(const void *a, const void *b)
{
	const struct key *k = a, *l = b;

	return slice_cmp(slice_from(k->bytes, k->size), slice_from(l->bytes, l->size));
}

/* Calls `each` for every place of an operation that names a key. */
static void each_key(struct op *op, void (*each)(void *arg, uint16_t *key), void *arg)
{
	uint16_t *bounds[] = { &op->lower, &op->upper, &op->prefix };

	for (size_t i = 0; i < op->key_count; i++)
		each(arg, &op->key[i]);
	for (size_t i = 0; i < 3; i++)
		if (*bounds[i] != NONE)
			each(arg, bounds[i]);
}

struct renaming {
	bool used[KEYS_MAX];
	uint16_t to[KEYS_MAX];
};

static void mark(void *arg, uint16_t *key)
{
	((struct renaming *)arg)->used[*key] = true;
}

static void rename_key(void *arg, uint16_t *key)
{
	*key = ((struct renaming *)arg)->to[*key];
}

void script_sort(struct script *s)
{
	struct renaming *r = must(calloc(1, sizeof(*r)));
	struct key *old = must(malloc(sizeof(s->keys)));
	size_t old_count = s->key_count;

	memcpy(old, s->keys, sizeof(s->keys));
	for (size_t i = 0; i < s->count; i++)
		each_key(&s->ops[i], mark, r);
	s->key_count = 0;
	for (size_t i = 0; i < old_count; i++)
		if (r->used[i])
			s->keys[s->key_count++] = old[i];
	qsort(s->keys, s->key_count, sizeof(s->keys[0]), key_order);
	for (size_t i = 0; i < old_count; i++)
		r->to[i] = (uint16_t)script_find(s, slice_from(old[i].bytes, old[i].size));
	for (size_t i = 0; i < s->count; i++)
		each_key(&s->ops[i], rename_key, r);
	free(old);
	free(r);
}

struct script *script_copy(const struct script *s, const bool *keep)
{
	struct script *to = must(malloc(sizeof(*to)));

	*to = *s;
	to->count = 0;
	to->room = s->count + 1;
	to->ops = must(malloc(to->room * sizeof(*to->ops)));
	for (size_t i = 0; i < s->count; i++)
		if (keep == NULL || keep[i])
			to->ops[to->count++] = s->ops[i];
	return to;
}

/* ---- writing ---- */

static void bytes_write(shale_slice s, FILE *out)
{
	const uint8_t *p = s.data;

	for (size_t i = 0; i < s.size; i++) {
		if (p[i] > ' ' && p[i] < 127 && p[i] != '%')
			fputc(p[i], out);
		else
			fprintf(out, "%%%02x", p[i]);
	}
}

static uint32_t field_get(const struct op *op, const struct field *f)
{
	const char *at = (const char *)op + f->at;

	switch (f->kind) {
	case NUMBER:
		return *(const uint32_t *)at;
	case KEY:
		return *(const uint16_t *)at;
	default:
		return *(const uint8_t *)at;
	}
}

void op_write(const struct script *s, const struct op *op, FILE *out)
{
	fputs(verb_name(op->verb), out);
	for (size_t i = 0; i < FIELDS; i++) {
		uint32_t v = field_get(op, &fields[i]);

		if (v == fields[i].unset)
			continue;
		fprintf(out, " %s", fields[i].name);
		if (fields[i].kind == KEY) {
			fputc('=', out);
			bytes_write(script_slice(s, v), out);
		} else if (fields[i].kind != FLAG) {
			fprintf(out, "=%" PRIu32, v);
		}
	}
	for (size_t i = 0; i < op->key_count; i++) {
		fputs(" key=", out);
		bytes_write(script_slice(s, op->key[i]), out);
	}
	if (op->id != 0)
		fprintf(out, " value=%" PRIu32 ":%" PRIu32, op->id, op->size);
	fputc('\n', out);
}

void script_write(const struct script *s, FILE *out)
{
	char settings[sizeof(s->settings)], *rest = settings, *word;

	memcpy(settings, s->settings, sizeof(settings));
	while ((word = strsep(&rest, " ")) != NULL)
		if (*word != 0)
			fprintf(out, "setting %s\n", word);
	fprintf(out, "seed 0x%" PRIx64 "\n", s->seed);
	for (size_t i = 0; i < s->count; i++)
		op_write(s, &s->ops[i], out);
}

/* ---- reading ---- */

static uint16_t key_read(struct script *s, const char *text)
{
	uint8_t bytes[KEY_BYTES];
	size_t n = 0;

	for (; *text != 0 && n < sizeof(bytes); n++) {
		unsigned byte;

		if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1) {
			bytes[n] = (uint8_t)byte;
			text += 3;
		} else {
			bytes[n] = (uint8_t)*text++;
		}
	}
	return *text == 0 ? script_key(s, bytes, n) : (uint16_t)NONE;
}

static bool number_read(const char *text, uint32_t limit, uint32_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 0);

	*out = (uint32_t)n;
	return isdigit((unsigned char)*text) && *end == 0 && n < limit;
}

static bool field_read(struct script *s, struct op *op, const char *name, const char *text)
{
	uint32_t n = 1;
	uint16_t key;

	if (strcmp(name, "value") == 0)
		return sscanf(text, "%" SCNu32 ":%" SCNu32, &op->id, &op->size) == 2 &&
		       op->id != 0 && op->size <= VALUE_MAX;
	if (strcmp(name, "key") == 0) {
		key = key_read(s, text);
		op->key[op->key_count % GETS_MAX] = key;
		return key != NONE && ++op->key_count <= GETS_MAX;
	}
	for (size_t i = 0; i < FIELDS; i++) {
		char *at = (char *)op + fields[i].at;

		if (strcmp(name, fields[i].name) != 0)
			continue;
		if (fields[i].kind == KEY)
			return (*(uint16_t *)at = key_read(s, text)) != NONE;
		if (fields[i].kind != FLAG && !number_read(text, fields[i].limit, &n))
			return false;
		if (fields[i].kind == NUMBER)
			*(uint32_t *)at = n;
		else
			*(uint8_t *)at = (uint8_t)n;
		return true;
	}
	return false;
}

static bool line_read(struct script *s, char *line)
{
	char *rest = line, *word = strsep(&rest, " \n");
	struct op *op = NULL;

	if (*word == 0 || *word == '#')
		return true;
	if (strcmp(word, "seed") == 0)
		return rest != NULL && sscanf(rest, "%" SCNi64, (int64_t *)&s->seed) == 1;
	if (strcmp(word, "setting") == 0) {
		size_t n = strlen(s->settings);

		if (rest == NULL)
			return false;
		rest[strcspn(rest, "\n")] = 0;
		return snprintf(s->settings + n, sizeof(s->settings) - n, "%s%s", n ? " " : "",
				rest) < (int)(sizeof(s->settings) - n);
	}
	for (unsigned v = 0; v < VERBS; v++)
		if (strcmp(word, verb_names[v]) == 0)
			op = script_add(s, v);
	if (op == NULL)
		return false;
	while ((word = strsep(&rest, " \n")) != NULL) {
		char *text = strchr(word, '=');

		if (*word == 0)
			continue;
		if (text != NULL)
			*text++ = 0;
		if (!field_read(s, op, word, text != NULL ? text : ""))
			return false;
	}
	return true;
}

struct script *script_read(const char *path)
{
	struct script *s = script_new();
	FILE *in = fopen(path, "r");
	char line[4096];
	bool good = in != NULL;

	if (!good)
		perror(path);
	for (size_t n = 1; good && fgets(line, sizeof(line), in) != NULL; n++) {
		char kept[4096];

		memcpy(kept, line, sizeof(kept));
		good = line_read(s, line);
		if (!good)
			fprintf(stderr, "%s:%zu: not understood: %s", path, n, kept);
	}
	if (in != NULL)
		fclose(in);
	if (good) {
		script_sort(s);
		return s;
	}
	script_free(s);
	return NULL;
}
