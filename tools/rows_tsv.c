/*
 * Tab-separated: key, tab, value, newline; escapes as of text_escape(). A line
 * is always one entry, so the usual tools (sort, cut, grep) work on a dump.
 */
#include "rows.h"

static enum rows_result tsv_read(struct rows_reader *r, struct text *key, struct text *value)
{
	enum rows_result result = rows_line(r);
	const char *tab, *end, *wrong;

	if (result != ROWS_OK)
		return result;
	r->record_line = r->line;
	text_clear(key);
	text_clear(value);
	end = r->text.data + r->text.size;
	tab = r->text.size ? memchr(r->text.data, '\t', r->text.size) : NULL;
	if (!tab)
		return rows_bad(r, "no tab between key and value");
	if (memchr(tab + 1, '\t', (size_t)(end - tab - 1)))
		return rows_bad(r, "more than one tab (inside a value a tab is written \\t)");
	wrong = text_unescape(key, r->text.data, (size_t)(tab - r->text.data));
	if (!wrong)
		wrong = text_unescape(value, tab + 1, (size_t)(end - tab - 1));
	return wrong ? rows_bad(r, "%s", wrong) : ROWS_OK;
}

static const char *tsv_write(struct text *out, shale_slice key, shale_slice value)
{
	text_escape(out, key);
	text_add_char(out, '\t');
	text_escape(out, value);
	text_add_char(out, '\n');
	return NULL;
}

const struct rows_format rows_tsv = { "tsv", ".tsv", "", tsv_read, tsv_write, NULL };
