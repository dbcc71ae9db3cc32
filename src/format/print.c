/* SPDX-License-Identifier: Apache-2.0 */
/* format/print.c -- digits two at a time (see print_impl.h). */
#include "format/print_impl.h"

#include "data/datetime.h"

#include <string.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

static inline void
put_two(char *to, unsigned v)
{
    memcpy(to, pairs + 2 * (size_t) v, 2);
}

static inline unsigned
digit_count(uint64_t v)
{
    static const uint64_t power10[20] = {
        0,
        10,
        100,
        1000,
        10000,
        100000,
        1000000,
        10000000,
        100000000,
        1000000000,
        10000000000,
        100000000000,
        1000000000000,
        10000000000000,
        100000000000000,
        1000000000000000,
        10000000000000000,
        100000000000000000,
        1000000000000000000,
        10000000000000000000u,
    };
    uint64_t odd = v | 1; /* 0 has one digit; no power of ten above 1 is odd */
    unsigned guess = (64 - (unsigned) __builtin_clzll(odd)) * 1233 >> 12; /* times log10(2) */
    return guess + (odd >= power10[guess]);
}

static char *
print_unsigned(uint64_t v, char *to)
{
    unsigned n = digit_count(v);
    char    *p = to + n;
    while (v >= 100) {
        p -= 2;
        put_two(p, (unsigned) (v % 100));
        v /= 100;
    }
    if (v >= 10)
        put_two(p - 2, (unsigned) v);
    else
        p[-1] = (char) ('0' + v);
    return to + n;
}

bool
wr_put_grow(wr_put *put, size_t bytes)
{
    if (put->text->data != NULL)
        put->text->length = (size_t) (put->at - put->text->data);
    bool good = wr_text_reserve(put->text, bytes + 1);
    wr_put_begin(put, put->text);
    return good;
}

char *
wr_print_integer(int64_t v, char *to)
{
    if (v < 0)
        *to++ = '-';
    return print_unsigned(v < 0 ? 0 - (uint64_t) v : (uint64_t) v, to);
}

char *
wr_print_decimal(wr_int128 v, int scale, char *to)
{
    char              digits[48], *end = digits + sizeof digits, *p = end;
    unsigned __int128 u = v < 0 ? 0 - (unsigned __int128) v : (unsigned __int128) v;
    while (u > UINT64_MAX) {
        *--p = (char) ('0' + (int) (u % 10));
        u /= 10;
    }
    uint64_t low = (uint64_t) u;
    while (low > 0) {
        *--p = (char) ('0' + (int) (low % 10));
        low /= 10;
    }
    while (end - p < scale + 1)
        *--p = '0';
    if (v < 0)
        *to++ = '-';
    size_t whole = (size_t) (end - p) - (size_t) scale;
    memcpy(to, p, whole);
    to += whole;
    if (scale > 0) {
        *to++ = '.';
        memcpy(to, p + whole, (size_t) scale);
        to += scale;
    }
    return to;
}

char *
wr_print_date(wr_print_day *cache, int64_t days, char *to)
{
    if (!cache->known || cache->day != days) {
        wr_civil civil;
        if (days < -719162 || days > 2932896) /* 0001-01-01 .. 9999-12-31 */
            return NULL;
        wr_civil_from_time(days * WR_US_PER_DAY, &civil);
        put_two(cache->text, (unsigned) civil.year / 100);
        put_two(cache->text + 2, (unsigned) civil.year % 100);
        cache->text[4] = '-';
        put_two(cache->text + 5, (unsigned) civil.month);
        cache->text[7] = '-';
        put_two(cache->text + 8, (unsigned) civil.day);
        cache->day = days;
        cache->known = true;
    }
    memcpy(to, cache->text, 10);
    return to + 10;
}

char *
wr_print_stamp(wr_print_day *cache, wr_time t, char separator, const char *zone, char *to)
{
    int64_t days = t / WR_US_PER_DAY, us = t % WR_US_PER_DAY;
    if (us < 0) {
        days--;
        us += WR_US_PER_DAY;
    }
    if ((to = wr_print_date(cache, days, to)) == NULL)
        return NULL;
    unsigned seconds = (unsigned) (us / WR_US_PER_SECOND);
    unsigned rest = (unsigned) (us % WR_US_PER_SECOND);
    to[0] = separator;
    put_two(to + 1, seconds / 3600);
    to[3] = ':';
    put_two(to + 4, seconds / 60 % 60);
    to[6] = ':';
    put_two(to + 7, seconds % 60);
    to += 9;
    if (rest != 0) {
        *to = '.';
        put_two(to + 1, rest / 10000);
        put_two(to + 3, rest / 100 % 100);
        put_two(to + 5, rest % 100);
        to += 7;
        while (to[-1] == '0')
            to--;
    }
    while (*zone != '\0')
        *to++ = *zone++;
    return to;
}
