/* SPDX-License-Identifier: Apache-2.0 */
/* sql/position.c -- from a byte offset to the line and column that people count. */
#include "sql/sql.h"

void
wr_error_line_column(weir_error *err, const char *text, size_t length)
{
    if (err == NULL || err->offset < 0)
        return;
    size_t end = WR_MIN((size_t)err->offset, length);
    err->line = 1;
    err->column = 1;
    for (size_t i = 0; i < end; i++) {
        if (text[i] == '\n') {
            err->line++;
            err->column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            err->column++;
        }
    }
}
