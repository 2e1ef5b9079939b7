/*
 * Kept bytes as text: sixteen bytes a line in hexadecimal, `00 x100` for a hundred zero
 * bytes. Bad text ends the process.
 */
#ifndef TESTS_SUPPORT_HEX_H
#define TESTS_SUPPORT_HEX_H

#include "base/buf.h"

#include <stdio.h>

void hex_write(FILE *out, shale_slice s);
/* Append what one line of such text says. */
void hex_read_line(const char *line, struct buf *out);

#endif
