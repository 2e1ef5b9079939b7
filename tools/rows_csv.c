/*
 * Comma-separated as of RFC 4180: two fields, quoted where they hold a comma, a
 * quote or a line break; "" inside quotes is one quote; lines end with CR LF.
 * Other bytes, also those that are no text, stand as they are. A dump begins
 * with the header key,value; a first line of just that is no record.
 */
#include "rows.h"

/* Where parsing stands. */
struct csv_cursor {
	struct rows_reader *r;
	const char *p, *end; /* in the raw line */
};

/*
 * The line with its end, since within quotes the end belongs to the value.
 * getline() again rather than rows_line(), which strips it.
 */
static enum rows_result csv_more(struct csv_cursor *c)
{
	struct rows_reader *r = c->r;
	ssize_t got = getline(&r->raw, &r->raw_capacity, r->in);

	if (got < 0)
		return ferror(r->in) ? ROWS_FAILED : ROWS_END;
	r->line++;
	r->bytes += (uint64_t)got;
	c->p = r->raw;
	c->end = r->raw + got;
	return ROWS_OK;
}

/* What a quote opened, up to the quote that closes it; c->p is behind that. */
static enum rows_result csv_quoted(struct csv_cursor *c, struct text *out)
{
	enum rows_result result;

	for (;;) {
		size_t left = (size_t)(c->end - c->p);
		const char *quote = left ? memchr(c->p, '"', left) : NULL;

		if (!quote) {
			text_add(out, c->p, left);
			result = csv_more(c);
			if (result == ROWS_END)
				return rows_bad(c->r, "a quote is never closed");
			if (result != ROWS_OK)
				return result;
			continue;
		}
		text_add(out, c->p, (size_t)(quote - c->p));
		c->p = quote + 1;
		if (c->p == c->end || *c->p != '"')
			return ROWS_OK;
		text_add_char(out, '"');
		c->p++;
	}
}

static bool csv_at_line_end(const struct csv_cursor *c)
{
	return c->p == c->end || *c->p == '\n' ||
	       (*c->p == '\r' && (c->p + 1 == c->end || c->p[1] == '\n'));
}

/* One field; c->p is left at the comma or line end behind it. */
static enum rows_result csv_field(struct csv_cursor *c, struct text *out)
{
	const char *start = c->p;
	enum rows_result result;

	text_clear(out);
	if (c->p < c->end && *c->p == '"') {
		c->p++;
		result = csv_quoted(c, out);
		if (result == ROWS_OK && !csv_at_line_end(c) && *c->p != ',')
			return rows_bad(c->r, "text after a closing quote");
		return result;
	}
	while (!csv_at_line_end(c) && *c->p != ',') {
		if (*c->p == '"')
			return rows_bad(c->r, "a quote inside a field that is not quoted");
		c->p++;
	}
	text_add(out, start, (size_t)(c->p - start));
	return ROWS_OK;
}

static enum rows_result csv_record(struct csv_cursor *c, struct text *key, struct text *value)
{
	enum rows_result result = csv_more(c);

	if (result != ROWS_OK)
		return result;
	c->r->record_line = c->r->line;
	result = csv_field(c, key);
	if (result != ROWS_OK)
		return result;
	if (csv_at_line_end(c))
		return rows_bad(c->r, "one field only, where key and value are expected");
	c->p++;
	result = csv_field(c, value);
	if (result != ROWS_OK)
		return result;
	if (!csv_at_line_end(c))
		return rows_bad(c->r, "more than two fields");
	return ROWS_OK;
}

static enum rows_result csv_read(struct rows_reader *r, struct text *key, struct text *value)
{
	struct csv_cursor c = { .r = r };
	bool first = r->line == 0;
	enum rows_result result = csv_record(&c, key, value);

	if (first && result == ROWS_OK && key->size == 3 && value->size == 5 &&
	    !memcmp(key->data, "key", 3) && !memcmp(value->data, "value", 5))
		result = csv_record(&c, key, value);
	return result;
}

static void csv_put_field(struct text *out, shale_slice s)
{
	const char *p = s.data;
	bool quote = false;

	for (size_t i = 0; i < s.size && !quote; i++)
		quote = p[i] == ',' || p[i] == '"' || p[i] == '\n' || p[i] == '\r';
	if (!quote) {
		text_add(out, p, s.size);
		return;
	}
	text_add_char(out, '"');
	for (size_t i = 0; i < s.size; i++) {
		if (p[i] == '"')
			text_add_char(out, '"');
		text_add_char(out, p[i]);
	}
	text_add_char(out, '"');
}

static const char *csv_write(struct text *out, shale_slice key, shale_slice value)
{
	csv_put_field(out, key);
	text_add_char(out, ',');
	csv_put_field(out, value);
	text_add(out, "\r\n", 2);
	return NULL;
}

const struct rows_format rows_csv = { "csv", ".csv", "key,value\r\n", csv_read, csv_write, NULL };
