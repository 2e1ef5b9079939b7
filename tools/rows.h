/*
 * Records as lines of text: the formats that `load` reads and `dump` writes.
 * Whatever bytes an entry has, what a format writes it reads back to the same.
 */
#ifndef TOOLS_ROWS_H
#define TOOLS_ROWS_H

#include "args.h"
#include "text.h"

enum rows_result {
	ROWS_OK,
	ROWS_END,
	ROWS_BAD,    /* malformed: see `error` and `record_line`; reading may go on */
	ROWS_FAILED, /* the file cannot be read: errno */
};

struct rows_reader {
	FILE *in;
	uint64_t line;        /* of the line read last, from 1 */
	uint64_t record_line; /* where the record begins */
	uint64_t bytes;       /* read so far */
	char error[160];      /* of ROWS_BAD */
	struct text text;     /* the current line, without its end */
	char *raw;            /* as getline() wants it */
	size_t raw_capacity;
	void *parser; /* a format's own, freed by its `fini` */
};

struct rows_format {
	const char *name;
	const char *ending; /* of file names, such as ".csv" */
	const char *header; /* what a dump begins with, or "" */
	/* The next record, replacing what key and value hold. */
	enum rows_result (*read)(struct rows_reader *r, struct text *key, struct text *value);
	/* Appends the entry; or returns why the format cannot hold it, having added nothing. */
	const char *(*write)(struct text *out, shale_slice key, shale_slice value);
	void (*fini)(struct rows_reader *r); /* may be NULL */
};

extern const struct rows_format rows_tsv, rows_csv, rows_jsonl, rows_deb822;
/* By the values of rows_choices. */
extern const struct rows_format *const rows_formats[];
extern const struct args_choice rows_choices[];
enum { ROWS_UNKNOWN = -1 };

/* The format that a file's name tells, or ROWS_UNKNOWN. */
int rows_by_name(const char *file);

void rows_init(struct rows_reader *r, FILE *in);
void rows_fini(struct rows_reader *r, const struct rows_format *format);

/* For the formats: the next line into r->text, without "\n" or "\r\n". */
enum rows_result rows_line(struct rows_reader *r);
enum rows_result rows_bad(struct rows_reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
