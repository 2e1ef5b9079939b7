/*
 * Paragraphs of "Field: value" lines with an empty line after each, as Debian's
 * package lists have them. The key is Package/Version, the value the paragraph
 * as it stands. A dump can hold only entries that are such paragraphs.
 */
#include "rows.h"

#include <strings.h>

/* Takes the value of `field` if the line is that field's; what it holds is trimmed. */
static bool deb822_field(shale_slice line, const char *field, shale_slice *out)
{
	size_t n = strlen(field);
	const char *p = line.data;
	size_t size = line.size;

	if (size <= n || strncasecmp(p, field, n) || p[n] != ':')
		return false;
	p += n + 1;
	size -= n + 1;
	while (size && (*p == ' ' || *p == '\t')) {
		p++;
		size--;
	}
	while (size && (p[size - 1] == ' ' || p[size - 1] == '\t'))
		size--;
	*out = shale_bytes(p, size);
	return true;
}

/* What is wrong with a paragraph, else NULL and its key. */
static const char *deb822_key(shale_slice paragraph, struct text *key)
{
	shale_slice package = { NULL, 0 }, version = { NULL, 0 };
	const char *p = paragraph.data, *end = p + paragraph.size;

	for (bool first = true; p < end; first = false) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;
		shale_slice line = shale_bytes(p, (size_t)(stop - p));

		if (!line.size)
			return "an empty line inside";
		if (*p == ' ' || *p == '\t') {
			if (first)
				return "a continued line with nothing before it";
		} else if (!memchr(p, ':', line.size)) {
			return "a line without a colon";
		} else if (!deb822_field(line, "Package", &package)) {
			deb822_field(line, "Version", &version);
		}
		p = newline ? newline + 1 : end;
	}
	if (!package.size || !version.size)
		return package.size ? "no Version field" : "no Package field";
	text_clear(key);
	text_add(key, package.data, package.size);
	text_add_char(key, '/');
	text_add(key, version.data, version.size);
	return NULL;
}

static enum rows_result deb822_read(struct rows_reader *r, struct text *key, struct text *value)
{
	enum rows_result result;
	const char *wrong;

	text_clear(value);
	for (;;) {
		result = rows_line(r);
		if (result == ROWS_FAILED || (result == ROWS_END && !value->size))
			return result;
		if (result == ROWS_END || !r->text.size) {
			if (value->size)
				break;
			continue;
		}
		if (!value->size)
			r->record_line = r->line;
		else
			text_add_char(value, '\n');
		text_add(value, r->text.data, r->text.size);
	}
	wrong = deb822_key(text_slice(value), key);
	return wrong ? rows_bad(r, "%s", wrong) : ROWS_OK;
}

static const char *deb822_write(struct text *out, shale_slice key, shale_slice value)
{
	struct text expected = { 0 };
	const char *wrong, *p = value.data;

	if (!value.size)
		return "the value is empty";
	/* Reading would take a carriage return for part of the line's end. */
	for (size_t i = 0; i < value.size; i++)
		if (p[i] == '\r')
			return "it holds a carriage return";
	if (p[value.size - 1] == '\n')
		return "it ends with an empty line";
	wrong = deb822_key(value, &expected);
	if (!wrong && (expected.size != key.size || memcmp(expected.data, key.data, key.size)))
		wrong = "its key is not Package/Version";
	text_fini(&expected);
	if (wrong)
		return wrong;
	text_add(out, value.data, value.size);
	text_add(out, "\n\n", 2);
	return NULL;
}

const struct rows_format rows_deb822 = { "deb822", ".deb822", "", deb822_read, deb822_write, NULL };
