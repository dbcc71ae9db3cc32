/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/key_impl.h -- how single values become key bytes; shared by key.c and keys.c.
 */
#pragma once

#include "data/datetime.h"
#include "data/key.h"

#include <string.h>

enum { WR_KEY_NULL = 0, WR_KEY_VALUE = 1 };

/* Eight bytes big-endian with the sign flipped, as the word to store. */
static inline uint64_t
wr_key_of_long(int64_t v)
{
    return __builtin_bswap64((uint64_t) v ^ (1ull << 63));
}
static inline int64_t
wr_key_to_long(uint64_t stored)
{
    return (int64_t) (__builtin_bswap64(stored) ^ (1ull << 63));
}

/* The double's bits so that unsigned order is numeric order; -0 = 0, one NaN, above all. */
static inline uint64_t
wr_key_of_double(double d)
{
    uint64_t bits;
    d = d == 0 ? 0.0 : d;
    memcpy(&bits, &d, sizeof bits);
    if (d != d)
        bits = 0x7ff8000000000000u;
    bits = (bits >> 63) != 0 ? ~bits : bits | (1ull << 63);
    return __builtin_bswap64(bits);
}
static inline double
wr_key_to_double(uint64_t stored)
{
    uint64_t bits = __builtin_bswap64(stored);
    double   d;
    bits = (bits >> 63) != 0 ? bits & ~(1ull << 63) : ~bits;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* An interval's 16 bytes: its normalised microseconds, big-endian, sign flipped. */
static inline void
wr_key_of_interval(const wr_interval *interval, uint64_t stored[2])
{
    wr_int128 us = wr_interval_normal(interval);
    stored[0] = __builtin_bswap64((uint64_t) (us >> 64) ^ (1ull << 63));
    stored[1] = __builtin_bswap64((uint64_t) us);
}

/* char(n) without its trailing blanks. */
static inline uint32_t
wr_key_bpchar_length(const wr_string *s)
{
    const char *bytes = wr_string_data(s);
    uint32_t    n = s->length;
    while (n > 0 && bytes[n - 1] == ' ')
        n--;
    return n;
}
