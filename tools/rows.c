/* What the formats have in common. See rows.h. */
#include "rows.h"

#include <stdarg.h>
#include <stdlib.h>

const struct rows_format *const rows_formats[] = { &rows_tsv, &rows_csv, &rows_jsonl,
						   &rows_deb822 };

const struct args_choice rows_choices[] = {
	{ "tsv", 0 }, { "csv", 1 }, { "jsonl", 2 }, { "deb822", 3 }, { NULL, 0 },
};

int rows_by_name(const char *file)
{
	for (const struct args_choice *c = rows_choices; c->name; c++) {
		const char *ending = rows_formats[c->value]->ending;
		size_t size = strlen(file), n = strlen(ending);

		if (size > n && !strcmp(file + size - n, ending))
			return c->value;
	}
	return ROWS_UNKNOWN;
}

void rows_init(struct rows_reader *r, FILE *in)
{
	memset(r, 0, sizeof(*r));
	r->in = in;
}

void rows_fini(struct rows_reader *r, const struct rows_format *format)
{
	if (format->fini)
		format->fini(r);
	text_fini(&r->text);
	free(r->raw);
	memset(r, 0, sizeof(*r));
}

enum rows_result rows_line(struct rows_reader *r)
{
	ssize_t got = getline(&r->raw, &r->raw_capacity, r->in);
	size_t size;

	text_clear(&r->text);
	if (got < 0)
		return ferror(r->in) ? ROWS_FAILED : ROWS_END;
	r->line++;
	r->bytes += (uint64_t)got;
	size = (size_t)got;
	if (size && r->raw[size - 1] == '\n')
		size--;
	if (size && r->raw[size - 1] == '\r')
		size--;
	text_add(&r->text, r->raw, size);
	return ROWS_OK;
}

enum rows_result rows_bad(struct rows_reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->error, sizeof(r->error), format, args);
	va_end(args);
	return ROWS_BAD;
}
