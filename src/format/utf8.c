/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/utf8.c -- UTF-8 validation (see utf8_impl.h).
 *
 * Cost        ASCII eight bytes at a time; other characters by the table of Unicode 15, table 3-7.
 */
#include "format/utf8_impl.h"

#include <stdint.h>
#include <string.h>

/* Length of the character at p, or 0 when it is not one. */
static inline size_t
character_length(const unsigned char *p, size_t left)
{
    unsigned c = p[0];
    if (c < 0x80)
        return c != 0;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    if (c < 0xe0)
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    unsigned low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (left < 3 || p[1] < low || p[1] > high || (p[2] & 0xc0) != 0x80)
        return 0;
    if (c < 0xf0)
        return 3;
    return left >= 4 && (p[3] & 0xc0) == 0x80 ? 4 : 0;
}

bool
wr_utf8_check(const char *s, size_t length)
{
    const unsigned char *p = (const unsigned char *) s, *end = p + length;
    while (p < end) {
        if (end - p >= 8) {
            uint64_t w;
            memcpy(&w, p, 8);
            /* no high bit, and no zero byte */
            if (((w | ((w - 0x0101010101010101u) & ~w)) & 0x8080808080808080u) == 0) {
                p += 8;
                continue;
            }
        }
        size_t n = character_length(p, (size_t) (end - p));
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

size_t
wr_utf8_put(unsigned c, char *to)
{
    if (c < 0x80) {
        to[0] = (char) c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char) (0xc0 | c >> 6);
        to[1] = (char) (0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char) (0xe0 | c >> 12);
        to[1] = (char) (0x80 | (c >> 6 & 0x3f));
        to[2] = (char) (0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char) (0xf0 | c >> 18);
    to[1] = (char) (0x80 | (c >> 12 & 0x3f));
    to[2] = (char) (0x80 | (c >> 6 & 0x3f));
    to[3] = (char) (0x80 | (c & 0x3f));
    return 4;
}
