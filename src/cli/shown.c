/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/shown.c -- text of strangers on a terminal: records, their keys, what an error quotes.
 *
 * Data must not steer a terminal: control characters, those of two bytes too (U+0080 to U+009F), are shown, not sent.
 */
#include "cli/cli.h"

#include <string.h>

/* The code point at `at` and its bytes; a byte that begins none stands for itself. */
static size_t
code_point(const unsigned char *at, size_t left, uint32_t *code)
{
    size_t n = at[0] < 0xc0 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    *code = n == 1 ? at[0] : at[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (i >= left || (at[i] & 0xc0) != 0x80) {
            *code = at[0];
            return 1;
        }
        *code = *code << 6 | (at[i] & 0x3fu);
    }
    return n;
}

/* Two columns: Hangul, Chinese, Japanese, full-width forms, emoji. */
static bool
is_wide(uint32_t code)
{
    static const uint32_t ranges[][2] = { { 0x1100, 0x115f },   { 0x2e80, 0xa4cf },   { 0xac00, 0xd7a3 },
                                          { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },
                                          { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff },
                                          { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd } };
    for (size_t i = 0; i < WR_COUNT(ranges); i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    return false;
}

size_t
cli_shown(const char *at, size_t left, char shown[8], int *columns)
{
    uint32_t code;
    size_t n = code_point((const unsigned char *)at, left, &code);
    bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    if (control)
        snprintf(shown, 8, "\\x%02X", (unsigned)code);
    else
        snprintf(shown, 8, "%.*s", (int)n, at);
    *columns = control ? 4 : is_wide(code) ? 2 : 1;
    return n;
}

int
cli_columns(const char *text)
{
    char shown[8];
    int sum = 0, columns;
    for (const char *at = text, *end = text + strlen(text); at < end; sum += columns)
        at += cli_shown(at, (size_t)(end - at), shown, &columns);
    return sum;
}

void
cli_put_shown(FILE *to, const char *text, size_t length)
{
    char shown[8];
    int columns;
    for (const char *at = text, *end = text + length; at < end;) {
        if (*at == '\n' || *at == '\t') {
            fputc(*at++, to);
            continue;
        }
        at += cli_shown(at, (size_t)(end - at), shown, &columns);
        fputs(shown, to);
    }
}
