/*
 * Plays writes through the compaction policy, without files: what is written how
 * often, and how much space old versions take. Tables are arrays of keys; after
 * each flush all that is owed is merged, one job after another. Informative: the
 * time that merges take plays no part.
 *
 *   write_amp [memtables [base]]
 *
 * The size of the data and base_bytes, both in memtables (default 400 and what the
 * policy's default is).
 */
#include "base/coding.h"
#include "base/rand.h"
#include "compact/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMTABLE = 2048, TABLE = MEMTABLE / 2, TABLES_MAX = 1 << 20 };

/* A table's keys, ascending; behind its number. */
struct contents {
	uint32_t *key;
	size_t count;
};

struct sim {
	const shale_env *env;
	struct policy_options o;
	struct version *v;
	struct contents *table;
	uint64_t next_table, next_run;
	uint32_t *buffer;         /* of a merge */
	uint64_t flushed, merged; /* keys written */
	uint64_t moves, merges, most_job;
	uint64_t most; /* keys in all tables at most */
};

static void check(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "failed: %s\n", what);
		exit(1);
	}
}

static int compare_keys(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Add `n` keys as tables of about TABLE keys. */
static void add_tables(struct sim *s, struct version_builder *b, const uint32_t *keys, size_t n,
		       uint32_t level, uint64_t run)
{
	for (size_t at = 0, count; at < n; at += count) {
		uint8_t smallest[4], largest[4];
		struct table_props p = { .smallest = slice_from(smallest, 4),
					 .largest = slice_from(largest, 4) };
		struct table_meta *m = NULL;
		struct contents *c = &s->table[s->next_table];

		count = n - at < TABLE ? n - at : TABLE;
		put_u32le(smallest, __builtin_bswap32(keys[at]));
		put_u32le(largest, __builtin_bswap32(keys[at + count - 1]));
		p.entries = count;
		check(s->next_table < TABLES_MAX &&
			      table_meta_new(s->env, s->next_table, count, &p, &m) >= 0 &&
			      version_builder_add(b, level, run, m) >= 0,
		      "a table");
		s->next_table++;
		c->count = count;
		c->key = malloc(count * sizeof(*keys));
		check(c->key != NULL, "memory");
		memcpy(c->key, keys + at, count * sizeof(*keys));
		table_meta_unref(m);
	}
}

static void finish(struct sim *s, struct version_builder *b)
{
	struct version *next = NULL;
	uint64_t size = 0;

	check(version_builder_finish(b, &next) >= 0, "a version");
	version_builder_free(b);
	version_unref(s->v);
	s->v = next;
	for (uint32_t l = 0; l < SHALE_LEVELS_MAX; l++)
		size += next->level[l].bytes;
	s->most = size > s->most ? size : s->most;
}

static size_t drop_repeats(uint32_t *keys, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (kept == 0 || keys[kept - 1] != keys[i])
			keys[kept++] = keys[i];
	return kept;
}

/* Carry out a pick. */
static void run_pick(struct sim *s, const struct pick *p)
{
	struct version_builder *b = NULL;
	size_t n = 0;

	check(version_builder_new(s->env, s->v, &b) >= 0, "a version");
	for (size_t i = 0; i < p->input_count; i++) {
		const struct run *r = s->v->runs[p->inputs[i].run];

		for (size_t t = 0; t < p->inputs[i].count; t++) {
			struct table_meta *m = r->tables[p->inputs[i].first + t];
			struct contents *c = &s->table[m->number];

			check(version_builder_remove(b, r->level, r->id, m->number) >= 0, "remove");
			if (p->move) {
				check(version_builder_add(b, p->output_level, p->output_run, m) >=
					      0,
				      "move");
				continue;
			}
			memcpy(s->buffer + n, c->key, c->count * sizeof(*c->key));
			n += c->count;
			free(c->key);
			c->key = NULL;
		}
	}
	s->moves += p->move;
	if (!p->move) {
		qsort(s->buffer, n, sizeof(*s->buffer), compare_keys);
		s->most_job = n > s->most_job ? n : s->most_job;
		n = drop_repeats(s->buffer, n);
		add_tables(s, b, s->buffer, n, p->output_level, p->output_run);
		s->merged += n;
		s->merges++;
	}
	finish(s, b);
}

static void flush(struct sim *s, uint32_t *keys, size_t n)
{
	struct version_builder *b = NULL;
	struct pick p;

	qsort(keys, n, sizeof(*keys), compare_keys);
	n = drop_repeats(keys, n);
	check(version_builder_new(s->env, s->v, &b) >= 0, "a version");
	add_tables(s, b, keys, n, 0, s->next_run++);
	s->flushed += n;
	finish(s, b);
	for (;;) {
		struct pick_input inputs[256];

		check(s->v->run_count <= 256, "runs");
		if (!policy_pick(&s->o, s->v, s->next_run, inputs, &p))
			break;
		s->next_run++;
		run_pick(s, &p);
	}
}

enum kind { IN_ORDER, EACH_ONCE, AT_RANDOM, MOSTLY_FEW };

/* The i-th key of n: distinct ones spread over all, or drawn from n. */
static uint32_t key_of(enum kind kind, struct rand *r, uint64_t i, uint64_t n)
{
	switch (kind) {
	case IN_ORDER:
		return (uint32_t)i;
	case EACH_ONCE:
		return (uint32_t)i * 2654435761u; /* odd, so that no two are the same */
	case AT_RANDOM:
		return (uint32_t)rand_below(r, n) * 2654435761u;
	default: /* nine of ten writes go to a tenth of the keys */
		return (uint32_t)rand_below(r, rand_below(r, 10) != 0 ? n / 10 : n) * 2654435761u;
	}
}

static void play(const char *name, enum kind kind, uint64_t keys, uint64_t writes, uint64_t base)
{
	uint32_t *memtable = malloc(MEMTABLE * sizeof(*memtable));
	uint64_t live = 0;
	struct rand r;
	struct sim s = { .env = shale_env_default(), .next_table = 1, .next_run = 1 };

	s.o = policy_options_of(&(shale_compaction){ .base_bytes = base, .table_bytes = TABLE },
				MEMTABLE);
	s.table = calloc(TABLES_MAX, sizeof(*s.table));
	s.buffer = malloc((4 * keys + 64 * MEMTABLE) * sizeof(*s.buffer));
	check(memtable != NULL && s.table != NULL && s.buffer != NULL, "memory");
	check(version_new_empty(s.env, &s.v) >= 0, "a version");
	rand_seed(&r, 1);
	for (uint64_t i = 0; i < writes;) {
		size_t n = 0;

		for (; n < MEMTABLE && i < writes; n++, i++)
			memtable[n] = key_of(kind, &r, i, keys);
		flush(&s, memtable, n);
	}
	for (uint32_t l = 0; l < SHALE_LEVELS_MAX; l++)
		live += s.v->level[l].bytes;
	printf("%-28s %8.2f %8.2f %8" PRIu64 " %8" PRIu64 " %10.1f  ", name,
	       (double)(s.flushed + s.merged) / (double)writes,
	       (double)s.most / (double)(keys < live ? keys : live), s.merges, s.moves,
	       (double)s.most_job / MEMTABLE);
	for (uint32_t l = 0; l < SHALE_LEVELS_MAX; l++)
		if (s.v->level[l].bytes != 0)
			printf(" L%u %.1f", l, (double)s.v->level[l].bytes / MEMTABLE);
	printf("\n");
	fflush(stdout);
	version_unref(s.v);
	for (uint64_t i = 0; i < s.next_table; i++)
		free(s.table[i].key);
	free(s.table);
	free(s.buffer);
	free(memtable);
}

int main(int argc, char **argv)
{
	uint64_t n = (argc > 1 ? strtoull(argv[1], NULL, 10) : 400) * MEMTABLE;
	uint64_t base = argc > 2 ? strtoull(argv[2], NULL, 10) * MEMTABLE : 0;

	printf("%" PRIu64 " keys, %d a memtable; written per write, space over live data at worst,"
	       "\nthe largest job and the levels at the end in memtables\n",
	       n, MEMTABLE);
	printf("%-28s %8s %8s %8s %8s %10s   %s\n", "", "written", "space", "merges", "moves",
	       "largest", "levels");
	play("load in order", IN_ORDER, n, n, base);
	play("load, each key once", EACH_ONCE, n, n, base);
	play("overwrite at random", AT_RANDOM, n, 4 * n, base);
	play("overwrite, 9 of 10 to a 10th", MOSTLY_FEW, n, 4 * n, base);
	return 0;
}
