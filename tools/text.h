/* Bytes being put together, and the ways to write any bytes as text. */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <shale/shale.h>

#include <stdio.h>

/* All zero is empty. Grows; running out of memory ends the program. */
struct text {
	char *data;
	size_t size, capacity;
};

void text_fini(struct text *t);
void text_reserve(struct text *t, size_t more);
void text_add(struct text *t, const void *data, size_t size);
void text_add_str(struct text *t, const char *s);
void text_add_char(struct text *t, char c);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All that `f` still has; false when reading failed (errno). */
bool text_read(struct text *t, FILE *f);

static inline void text_clear(struct text *t)
{
	t->size = 0;
}

static inline shale_slice text_slice(const struct text *t)
{
	return shale_bytes(t->data ? t->data : "", t->size);
}

/* Length of the valid UTF-8 sequence that p begins with, or 0. */
size_t text_utf8(const unsigned char *p, size_t n);
bool text_is_utf8(shale_slice s);

/*
 * The printable form: tab, newline, return and backslash as \t \n \r \\, other
 * control characters and what is not UTF-8 as \xHH. text_unescape() reverses it
 * exactly; it returns NULL, or what is wrong.
 */
void text_escape(struct text *t, shale_slice s);
const char *text_unescape(struct text *t, const char *s, size_t n);

void text_hex(struct text *t, shale_slice s);
/* False unless an even number of hexadecimal digits. */
bool text_unhex(struct text *t, const char *s, size_t n);

/* A JSON string with its quotes; s must be UTF-8. */
void text_json(struct text *t, shale_slice s);
/* "name":"..." where s is UTF-8, "name_hex":"..." where it is not. */
void text_json_member(struct text *t, const char *name, shale_slice s);

/* The printable form, cut to `columns` with "..." in it. Free with free(). */
char *text_brief(shale_slice s, size_t columns);

/* A key or value of the command line: as it is, or from hexadecimal. */
bool text_argument(struct text *t, const char *arg, bool hex);

#endif
