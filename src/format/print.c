/* SPDX-License-Identifier: Apache-2.0 */
/* format/print.c -- decimals and times (see print_impl.h). */
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
wr_print_large(uint64_t v, char *to)
{
    const uint64_t half = 100000000;
    uint64_t       high = v / half;
    if (high < half) {
        to = wr_print_some((uint32_t) high, to);
    } else {
        to = wr_print_some((uint32_t) (high / half), to);
        to = wr_print_eight((uint32_t) (high % half), to);
    }
    return wr_print_eight((uint32_t) (v % half), to);
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
    char     low[32];
    uint64_t rest = (uint64_t) u;
    size_t   n = rest > 0 ? (size_t) (wr_print_unsigned(rest, low) - low) : 0;
    p -= n;
    memcpy(p, low, n);
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

/* The minute that t is in, into the cache; false: a year that is not for us. */
static bool
minute_find(wr_print_day *cache, wr_time t)
{
    int64_t days = t / WR_US_PER_DAY, us = t % WR_US_PER_DAY;
    if (us < 0) {
        days--;
        us += WR_US_PER_DAY;
    }
    cache->minute_known = false;
    if (wr_print_date(cache, days, cache->minute_text) == NULL)
        return false;
    unsigned minute = (unsigned) (us / (60 * WR_US_PER_SECOND));
    put_two(cache->minute_text + 11, minute / 60);
    cache->minute_text[13] = ':';
    put_two(cache->minute_text + 14, minute % 60);
    cache->minute_text[16] = ':';
    cache->minute = t - us % (60 * WR_US_PER_SECOND);
    cache->minute_known = true;
    return true;
}

char *
wr_print_stamp(wr_print_day *cache, wr_time t, char separator, const char *zone, char *to)
{
    const uint64_t minute = 60 * (uint64_t) WR_US_PER_SECOND;
    if (WR_UNLIKELY(!cache->minute_known || (uint64_t) t - (uint64_t) cache->minute >= minute) &&
        !minute_find(cache, t))
        return NULL;
    memcpy(to, cache->minute_text, 17);
    to[10] = separator;
    uint32_t us = (uint32_t) (t - cache->minute), rest = us % (uint32_t) WR_US_PER_SECOND;
    put_two(to + 17, us / (uint32_t) WR_US_PER_SECOND);
    to += 19;
    if (rest != 0) {
        uint64_t digits = wr_print_digits(rest * 100), ascii = digits | WR_PRINT_ZEROS;
        *to = '.';
        memcpy(to + 1, &ascii, 8);
        to += 9 - (__builtin_clzll(digits) >> 3); /* without the zeros it ends with */
    }
    while (*zone != '\0')
        *to++ = *zone++;
    return to;
}
