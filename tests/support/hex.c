#include "support/hex.h"

#include <stdlib.h>

enum { LINE_BYTES = 16, ZEROS_MIN = 32 };

void hex_write(FILE *out, shale_slice s)
{
	const uint8_t *p = s.data;

	for (size_t i = 0; i < s.size;) {
		size_t zeros = 0, n = s.size - i < LINE_BYTES ? s.size - i : LINE_BYTES;

		while (i + zeros < s.size && p[i + zeros] == 0)
			zeros++;
		if (zeros > ZEROS_MIN) {
			fprintf(out, "00 x%zu\n", zeros);
			i += zeros;
			continue;
		}
		for (size_t k = 0; k < n; k++)
			fprintf(out, "%02x%s", p[i + k], k + 1 < n ? " " : "\n");
		i += n;
	}
}

void hex_read_line(const char *line, struct buf *out)
{
	unsigned byte = 0, count = 0;
	int used;

	if (sscanf(line, "%2x x%u", &byte, &count) == 2) {
		while (count-- > 0)
			buf_u8(out, (uint8_t)byte);
		return;
	}
	for (const char *p = line; sscanf(p, "%2x%n", &byte, &used) == 1; p += used)
		buf_u8(out, (uint8_t)byte);
	if (out->failed)
		abort();
}
