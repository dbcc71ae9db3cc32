/* SPDX-License-Identifier: Apache-2.0 */
/* data/uuid.c -- the text forms of uuids; private door in value_impl.h. */
#include "data/value_impl.h"

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 hex digits, in braces or not, a hyphen allowed after each group of four. */
bool
wr_uuid_read(const char *p, size_t length, wr_uuid *out)
{
    const char *end = p + length;
    if (length >= 2 && *p == '{') {
        if (end[-1] != '}')
            return false;
        p++;
        end--;
    }
    for (int i = 0; i < 16; i++) {
        if (end - p < 2)
            return false;
        int high = hex_value(p[0]), low = hex_value(p[1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
        p += 2;
        if (i % 2 == 1 && i < 15 && p < end && *p == '-')
            p++;
    }
    return p == end;
}

void
wr_uuid_write(const wr_uuid *uuid, char to[36])
{
    static const char hex[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        *to++ = hex[uuid->bytes[i] >> 4];
        *to++ = hex[uuid->bytes[i] & 15];
        if (i == 3 || i == 5 || i == 7 || i == 9)
            *to++ = '-';
    }
}
