/* SPDX-License-Identifier: Apache-2.0 */
/* data/bytes.c -- UTF-8 and the text forms of bytea; private door in value_impl.h. */
#include "data/value_impl.h"

#include <string.h>

/* ---- UTF-8 ---- */

/* The length of the valid sequence at p, 0 when there is none; NUL is none. */
static size_t
sequence_length(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    if (c < 0x80)
        return c != 0;
    size_t n = c >= 0xc2 && c < 0xe0   ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool
wr_utf8_is_valid(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + length;
    while (p < end) {
        /* Eight ASCII bytes at a time, none of them NUL: a byte minus one borrows only from 0. */
        uint64_t word;
        while (end - p >= 8) {
            memcpy(&word, p, 8);
            if (((word | (word - 0x0101010101010101u)) & 0x8080808080808080u) != 0)
                break;
            p += 8;
        }
        if (p == end)
            break;
        size_t n = sequence_length(p, (size_t)(end - p));
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

size_t
wr_utf8_count(const char *p, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

size_t
wr_utf8_offset(const char *p, size_t length, size_t count)
{
    size_t i = 0;
    for (; i < length; i++)
        if (((unsigned char)p[i] & 0xc0) != 0x80 && count-- == 0)
            break;
    return i;
}

/* ---- bytea ---- */

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of hex digits, blanks allowed between them. */
static bool
hex_read(const char *p, const char *end, char *to, size_t *length)
{
    size_t n = 0;
    for (; p < end; p++) {
        if (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')
            continue;
        int high = hex_value(*p), low = p + 1 < end ? hex_value(p[1]) : -1;
        if (high < 0 || low < 0)
            return false;
        to[n++] = (char)(high << 4 | low);
        p++;
    }
    *length = n;
    return true;
}

static bool
is_octal(char c, char max)
{
    return c >= '0' && c <= max;
}

/* Bytes as they are; \\ is a backslash, \ooo a byte in octal. */
static bool
escape_read(const char *p, const char *end, char *to, size_t *length)
{
    size_t n = 0;
    for (; p < end; p++) {
        if (*p != '\\') {
            to[n++] = *p;
        } else if (end - p >= 4 && is_octal(p[1], '3') && is_octal(p[2], '7') &&
                   is_octal(p[3], '7')) {
            to[n++] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 3;
        } else if (end - p >= 2 && p[1] == '\\') {
            to[n++] = '\\';
            p++;
        } else {
            return false;
        }
    }
    *length = n;
    return true;
}

weir_status
wr_bytea_parse(const char *text, size_t length, wr_arena *arena, wr_string *out)
{
    size_t bytes = 0;
    char *to = wr_arena_alloc(arena, length + 1);
    if (to == NULL)
        return WEIR_MEMORY;
    bool ok = length >= 2 && text[0] == '\\' && text[1] == 'x'
                  ? hex_read(text + 2, text + length, to, &bytes)
                  : escape_read(text, text + length, to, &bytes);
    if (!ok)
        return WEIR_ROW_TYPE;
    *out = wr_string_make(to, bytes);
    return WEIR_OK;
}

void
wr_bytea_print(const wr_string *bytes, wr_text *to)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)wr_string_data(bytes);
    if (!wr_text_reserve(to, 2 + 2 * (size_t)bytes->length))
        return;
    char *w = to->data + to->length;
    *w++ = '\\';
    *w++ = 'x';
    for (uint32_t i = 0; i < bytes->length; i++) {
        *w++ = hex[p[i] >> 4];
        *w++ = hex[p[i] & 15];
    }
    *w = '\0';
    to->length = (size_t)(w - to->data);
}
