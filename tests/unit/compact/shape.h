/*
 * Versions without files, as text: runs newest first, apart by ';', a run as
 * "L<level>#<id> <table> ...", a table as "<smallest>-<largest>[flags][:<bytes>]".
 * Flags: ')' the largest key is not in the table, '~' all its entries are tombstones,
 * '%' half of them are, '=' it has a range tombstone, '*' it is busy, '@<ms>' when it was
 * created, '!<ms>' when the last of its entries expires, '^<n>' its newest sequence (else
 * 1), '+<n>' so many of its entries hide older ones (else all). 100 bytes and entries unless said. An example:
 *
 *   L0#2 a-d; L7#1 a-c:300 d-f)* h-k~
 */
#ifndef TESTS_COMPACT_SHAPE_H
#define TESTS_COMPACT_SHAPE_H

#include "support/test.h"

#include "compact/policy.h"

static inline void shape_table(struct version_builder *b, uint32_t level, uint64_t run,
			       uint64_t number, char *text)
{
	char *dash = strchr(text, '-'), *end, *colon = strchr(text, ':');
	uint64_t size = colon != NULL ? strtoull(colon + 1, NULL, 10) : 100;
	struct table_props p = { .entries = size, .max_seq = 1 };
	struct table_meta *m = NULL;
	uint64_t hides = UINT64_MAX;
	bool busy = false;

	assert_non_null(dash);
	*dash = '\0';
	end = dash + 1 + strcspn(dash + 1, ")~%=*:@!^+");
	for (char *flag = end; *flag != '\0' && *flag != ':'; flag++) {
		p.largest_excluded |= *flag == ')';
		p.tombstones = *flag == '~' ? size : *flag == '%' ? size / 2 : p.tombstones;
		p.range_tombstones |= *flag == '=';
		busy |= *flag == '*';
		if (*flag == '@')
			p.created_ms = strtoull(flag + 1, NULL, 10);
		if (*flag == '+')
			hides = strtoull(flag + 1, NULL, 10);
		if (*flag == '^')
			p.max_seq = strtoull(flag + 1, NULL, 10);
		if (*flag == '!') {
			p.max_expiry_ms = strtoull(flag + 1, NULL, 10);
			p.expiring = size;
		}
	}
	*end = '\0';
	p.smallest = shale_str(text);
	p.largest = shale_str(dash + 1);
	assert_ok(table_meta_new(shale_env_default(), number, size, &p, &m));
	m->busy = busy;
	m->hides = hides < size ? hides : size;
	assert_ok(version_builder_add(b, level, run, m));
	table_meta_unref(m);
}

static inline struct version *shape_parse(const char *text)
{
	char *copy = strdup(text), *run_at, *runs = copy;
	struct version_builder *b = NULL;
	struct version *v = NULL;
	uint64_t number = 1;

	assert_ok(version_builder_new(shale_env_default(), NULL, &b));
	while ((run_at = strsep(&runs, ";")) != NULL) {
		char *word, *rest = run_at;
		unsigned level = 0;
		unsigned long run = 0;
		bool named = false;

		while ((word = strsep(&rest, " \t\n")) != NULL) {
			if (*word == '\0')
				continue;
			if (named)
				shape_table(b, level, run, number++, word);
			else
				assert_int_equal(sscanf(word, "L%u#%lu", &level, &run), 2);
			named = true;
		}
	}
	assert_ok(version_builder_finish(b, &v));
	version_builder_free(b);
	free(copy);
	return v;
}

#endif
