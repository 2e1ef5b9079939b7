/* See text.h. */
#include "text.h"

#include "tool.h"

#include <stdarg.h>
#include <stdlib.h>

void text_fini(struct text *t)
{
	free(t->data);
	memset(t, 0, sizeof(*t));
}

void text_reserve(struct text *t, size_t more)
{
	size_t capacity = t->capacity ? t->capacity : 64;

	if (t->capacity - t->size >= more)
		return;
	while (capacity - t->size < more)
		capacity *= 2;
	t->data = tool_alloc(t->data, capacity);
	t->capacity = capacity;
}

void text_add(struct text *t, const void *data, size_t size)
{
	if (!size)
		return;
	text_reserve(t, size);
	memcpy(t->data + t->size, data, size);
	t->size += size;
}

void text_add_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_add_char(struct text *t, char c)
{
	text_reserve(t, 1);
	t->data[t->size++] = c;
}

void text_printf(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n <= 0)
		return;
	text_reserve(t, (size_t)n + 1);
	va_start(args, format);
	vsnprintf(t->data + t->size, (size_t)n + 1, format, args);
	va_end(args);
	t->size += (size_t)n;
}

bool text_read(struct text *t, FILE *f)
{
	size_t got;

	do {
		text_reserve(t, 64 * 1024);
		got = fread(t->data + t->size, 1, t->capacity - t->size, f);
		t->size += got;
	} while (got);
	return !ferror(f);
}

/* ---- UTF-8 ---- */

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t text_utf8(const unsigned char *p, size_t n)
{
	if (n >= 1 && p[0] < 0x80)
		return 1;
	if (n >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf && is_continuation(p[1]))
		return 2;
	if (n >= 3 && (p[0] & 0xf0) == 0xe0 && is_continuation(p[1]) && is_continuation(p[2])) {
		/* Neither overlong nor a surrogate. */
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (n >= 4 && p[0] >= 0xf0 && p[0] <= 0xf4 && is_continuation(p[1]) &&
	    is_continuation(p[2]) && is_continuation(p[3])) {
		/* Neither overlong nor beyond U+10FFFF. */
		if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

bool text_is_utf8(shale_slice s)
{
	const unsigned char *p = s.data;

	for (size_t i = 0; i < s.size;) {
		size_t step = text_utf8(p + i, s.size - i);

		if (!step)
			return false;
		i += step;
	}
	return true;
}

/* ---- escapes ---- */

static const char digits[] = "0123456789abcdef";

static void add_hex_byte(struct text *t, unsigned char c)
{
	text_add_char(t, digits[c >> 4]);
	text_add_char(t, digits[c & 15]);
}

/* C1 controls are valid UTF-8 but move a terminal's cursor all the same. */
static bool is_control(const unsigned char *p, size_t step)
{
	return (step == 1 && (p[0] < 0x20 || p[0] == 0x7f)) ||
	       (step == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

void text_escape(struct text *t, shale_slice s)
{
	const unsigned char *p = s.data;

	text_reserve(t, s.size);
	for (size_t i = 0; i < s.size;) {
		size_t step = text_utf8(p + i, s.size - i);

		if (p[i] == '\t' || p[i] == '\n' || p[i] == '\r' || p[i] == '\\') {
			text_add_char(t, '\\');
			text_add_char(t, p[i] == '\t'   ? 't'
					 : p[i] == '\n' ? 'n'
					 : p[i] == '\r' ? 'r'
							: '\\');
			step = 1;
		} else if (!step || is_control(p + i, step)) {
			step = step ? step : 1;
			for (size_t k = 0; k < step; k++) {
				text_add(t, "\\x", 2);
				add_hex_byte(t, p[i + k]);
			}
		} else {
			text_add(t, p + i, step);
		}
		i += step;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

const char *text_unescape(struct text *t, const char *s, size_t n)
{
	text_reserve(t, n);
	for (size_t i = 0; i < n;) {
		const char *slash = memchr(s + i, '\\', n - i);
		size_t run = slash ? (size_t)(slash - (s + i)) : n - i;
		char c;

		text_add(t, s + i, run);
		i += run;
		if (i == n)
			break;
		if (i + 1 == n)
			return "a lone backslash at the end";
		c = s[i + 1];
		i += 2;
		switch (c) {
		case 't':
			text_add_char(t, '\t');
			break;
		case 'n':
			text_add_char(t, '\n');
			break;
		case 'r':
			text_add_char(t, '\r');
			break;
		case '\\':
			text_add_char(t, '\\');
			break;
		case 'x':
			if (n - i < 2 || !text_unhex(t, s + i, 2))
				return "\\x without two hexadecimal digits";
			i += 2;
			break;
		default:
			return "an escape other than \\t \\n \\r \\\\ \\xHH";
		}
	}
	return NULL;
}

void text_hex(struct text *t, shale_slice s)
{
	const unsigned char *p = s.data;

	text_reserve(t, 2 * s.size);
	for (size_t i = 0; i < s.size; i++)
		add_hex_byte(t, p[i]);
}

bool text_unhex(struct text *t, const char *s, size_t n)
{
	if (n % 2)
		return false;
	text_reserve(t, n / 2);
	for (size_t i = 0; i < n; i += 2) {
		int high = hex_digit(s[i]), low = hex_digit(s[i + 1]);

		if (high < 0 || low < 0)
			return false;
		text_add_char(t, (char)(high << 4 | low));
	}
	return true;
}

/* ---- JSON ---- */

void text_json(struct text *t, shale_slice s)
{
	const unsigned char *p = s.data;

	text_reserve(t, s.size + 2);
	text_add_char(t, '"');
	for (size_t i = 0; i < s.size; i++) {
		unsigned char c = p[i];

		if (c == '"' || c == '\\') {
			text_add_char(t, '\\');
			text_add_char(t, (char)c);
		} else if (c == '\n') {
			text_add(t, "\\n", 2);
		} else if (c == '\t') {
			text_add(t, "\\t", 2);
		} else if (c < 0x20 || c == 0x7f) {
			text_add(t, "\\u00", 4);
			add_hex_byte(t, c);
		} else {
			text_add_char(t, (char)c);
		}
	}
	text_add_char(t, '"');
}

void text_json_member(struct text *t, const char *name, shale_slice s)
{
	bool utf8 = text_is_utf8(s);

	text_add_char(t, '"');
	text_add_str(t, name);
	text_add_str(t, utf8 ? "\":" : "_hex\":");
	if (utf8) {
		text_json(t, s);
		return;
	}
	text_add_char(t, '"');
	text_hex(t, s);
	text_add_char(t, '"');
}

/* ---- for people ---- */

char *text_brief(shale_slice s, size_t columns)
{
	/* No code point takes more than four bytes, nor less than a column. */
	size_t most = columns * 4 + 4;
	struct text t = { 0 };
	size_t seen = 0, cut = 0;
	bool whole = s.size <= most;

	text_escape(&t, shale_bytes(s.data, whole ? s.size : most));
	text_add_char(&t, 0);
	for (size_t i = 0; t.data[i]; i++) {
		if (((unsigned char)t.data[i] & 0xc0) == 0x80)
			continue;
		if (columns > 3 && seen == columns - 3)
			cut = i;
		seen++;
	}
	if (cut && (seen > columns || !whole))
		memcpy(t.data + cut, "...", 4);
	return t.data;
}

bool text_argument(struct text *t, const char *arg, bool hex)
{
	if (hex)
		return text_unhex(t, arg, strlen(arg));
	text_add_str(t, arg);
	return true;
}
