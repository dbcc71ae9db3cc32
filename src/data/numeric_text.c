/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/numeric_text.c -- nums and scaled integers from text and to text.
 *
 * Place       sources and sinks, for each row: no allocation a digit, no library calls.
 * State       none: a table of the 10000 digit groups would miss the cache, one of 100 pairs does not.
 * Invariants  N4  wr_num_parse of what wr_num_print wrote gives the same bytes
 */
#include "data/numeric_impl.h"

#include "data/digits_impl.h"

#include <string.h>
#include <strings.h>

/* ---- printing ---- */

/* Writes u's digits ending before `end`; returns where they begin. u = 0 writes nothing. */
static char *
put_u64_before(char *end, uint64_t u)
{
    for (; u >= 100; u /= 100) {
        end -= 2;
        put_two(end, (unsigned)(u % 100));
    }
    if (u >= 10) {
        end -= 2;
        put_two(end, (unsigned)u);
    } else if (u > 0) {
        *--end = (char)('0' + u);
    }
    return end;
}

void
wr_int128_print(wr_int128 value, int scale, wr_text *to)
{
    enum { DIGITS = 40 };
    char digits[DIGITS], *end = digits + DIGITS, *p = end;
    unsigned __int128 u = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    wr_assert(scale >= 0);
    while ((u >> 64) != 0) { /* 19 digits a step, at most two steps */
        uint64_t part = (uint64_t)(u % 10000000000000000000u);
        u /= 10000000000000000000u;
        char *from = put_u64_before(p, part);
        p -= 19;
        memset(p, '0', (size_t)(from - p));
    }
    p = put_u64_before(p, (uint64_t)u);
    size_t count = (size_t)(end - p), after = (size_t)scale;
    size_t before = count > after ? count - after : 0;
    if (!wr_text_reserve(to, WR_MAX(count, after) + 4))
        return;
    char *w = to->data + to->length;
    if (value < 0)
        *w++ = '-';
    if (before == 0)
        *w++ = '0';
    memcpy(w, p, before);
    w += before;
    if (after > 0) {
        *w++ = '.';
        size_t zeros = count < after ? after - count : 0;
        memset(w, '0', zeros);
        w += zeros;
        memcpy(w, p + before, count - before);
        w += count - before;
    }
    *w = '\0';
    to->length = (size_t)(w - to->data);
}

void
wr_num_print(const wr_string *num, wr_text *to)
{
    wr_numvar v;
    wr_numvar_load(num, &v);
    if (!wr_numvar_is_finite(&v)) {
        wr_text_puts(to, v.kind == WR_NUM_NAN      ? "NaN"
                         : v.kind == WR_NUM_POSINF ? "Infinity"
                                                   : "-Infinity");
        return;
    }
    int groups = WR_MAX(v.weight + 1, 0);
    if (!wr_text_reserve(to, (size_t)groups * 4 + (size_t)v.scale + 8))
        return;
    char *p = to->data + to->length;
    if (v.kind == WR_NUM_NEGATIVE)
        *p++ = '-';
    if (groups == 0 || v.count == 0) {
        *p++ = '0';
    } else {
        char first[4];
        put_four(first, (unsigned)v.digits[0]);
        int skip = v.digits[0] >= 1000 ? 0 : v.digits[0] >= 100 ? 1 : v.digits[0] >= 10 ? 2 : 3;
        memcpy(p, first + skip, (size_t)(4 - skip));
        p += 4 - skip;
        for (int i = 1; i < groups; i++, p += 4)
            put_four(p, i < v.count ? (unsigned)v.digits[i] : 0);
    }
    if (v.scale > 0) {
        *p++ = '.';
        char *stop = p + v.scale;
        for (int i = v.weight + 1; p < stop; i++, p += 4) /* the last group may pass stop */
            put_four(p, i >= 0 && i < v.count ? (unsigned)v.digits[i] : 0);
        p = stop;
    }
    *p = '\0';
    to->length = (size_t)(p - to->data);
}

/* ---- parsing ---- */

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number's spelling taken apart: digits around the point, and the power of ten. */
typedef struct decimal {
    bool negative;
    const char *whole, *fraction;
    size_t whole_count, fraction_count;
    int64_t exponent;
} decimal;

static weir_status
decimal_read(const char *p, const char *end, decimal *d)
{
    memset(d, 0, sizeof *d);
    if (p < end && (*p == '+' || *p == '-'))
        d->negative = *p++ == '-';
    d->whole = p;
    while (p < end && is_digit(*p))
        p++;
    d->whole_count = (size_t)(p - d->whole);
    if (p < end && *p == '.') {
        d->fraction = ++p;
        while (p < end && is_digit(*p))
            p++;
        d->fraction_count = (size_t)(p - d->fraction);
    }
    if (d->whole_count + d->fraction_count == 0)
        return WEIR_ROW_TYPE;
    if (p == end)
        return WEIR_OK;
    if ((*p | 0x20) != 'e')
        return WEIR_ROW_TYPE;
    p++;
    bool down = p < end && *p == '-';
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    if (p == end)
        return WEIR_ROW_TYPE;
    for (; p < end && is_digit(*p); p++)
        d->exponent = WR_MIN(d->exponent * 10 + (*p - '0'), INT32_MAX);
    if (p != end)
        return WEIR_ROW_TYPE;
    if (d->exponent >= INT32_MAX / 2)
        return WEIR_ROW_OVERFLOW;
    if (down)
        d->exponent = -d->exponent;
    return WEIR_OK;
}

/* The common case: at most 18 digits and no exponent. */
static weir_status
num_from_short(const decimal *d, wr_arena *arena, wr_string *out)
{
    int64_t value = 0;
    for (size_t i = 0; i < d->whole_count; i++)
        value = value * 10 + (d->whole[i] - '0');
    for (size_t i = 0; i < d->fraction_count; i++)
        value = value * 10 + (d->fraction[i] - '0');
    return wr_num_from_int128(d->negative ? -value : value, (int)d->fraction_count, arena, out);
}

static weir_status
num_from_decimal(const decimal *d, wr_arena *arena, wr_arena *scratch, wr_string *out)
{
    int64_t scale = WR_MAX((int64_t)d->fraction_count - d->exponent, (int64_t)0);
    size_t total = d->whole_count + d->fraction_count, first = 0;
    wr_numvar v;
#define DIGIT(i) ((i) < d->whole_count ? d->whole[i] : d->fraction[(i)-d->whole_count])
    if (scale > WR_NUMERIC_SCALE_MAX) /* N2 */
        return WEIR_ROW_OVERFLOW;
    while (first < total && DIGIT(first) == '0')
        first++;
    if (first == total) {
        *out = wr_num_special(WR_NUM_POSITIVE, (int)scale);
        return WEIR_OK;
    }
    /* The power of ten of the first digit that counts, then of its base-10000 digit. */
    int64_t power = (int64_t)d->whole_count - 1 - (int64_t)first + d->exponent;
    int64_t weight = power >= 0 ? power / 4 : -((3 - power) / 4);
    if (weight > WR_NUM_WEIGHT_MAX) /* N2 */
        return WEIR_ROW_OVERFLOW;
    int lead = (int)(power - weight * 4); /* 0..3: decimal digits after the first in its group */
    int64_t groups = 1 + ((int64_t)(total - first) - 1 - lead + 3) / 4;
    if ((int64_t)(total - first) <= lead + 1)
        groups = 1;
    WR_TRY(wr_numvar_make(&v, (int)groups, scratch));
    v.kind = d->negative ? WR_NUM_NEGATIVE : WR_NUM_POSITIVE;
    v.weight = (int)weight;
    v.scale = (int)scale;
    int left = lead + 1, at = 0, group = 0;
    for (size_t i = first; i < total; i++) {
        group = group * 10 + (DIGIT(i) - '0');
        if (--left == 0) {
            v.digits[at++] = (wr_digit)group;
            group = 0;
            left = 4;
        }
    }
#undef DIGIT
    if (at < groups) {
        for (; left > 0; left--)
            group *= 10;
        v.digits[at++] = (wr_digit)group;
    }
    wr_assert(at == groups);
    return wr_numvar_store(&v, arena, out);
}

static bool
num_from_word(const char *p, const char *end, wr_string *out)
{
    size_t length = (size_t)(end - p);
    if (length == 3 && strncasecmp(p, "nan", 3) == 0) {
        *out = wr_num_special(WR_NUM_NAN, 0);
        return true;
    }
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    length = (size_t)(end - p);
    if (!(length == 3 && strncasecmp(p, "inf", 3) == 0) &&
        !(length == 8 && strncasecmp(p, "infinity", 8) == 0))
        return false;
    *out = wr_num_special(negative ? WR_NUM_NEGINF : WR_NUM_POSINF, 0);
    return true;
}

weir_status
wr_num_parse(const char *text, size_t length, wr_arena *arena, wr_string *out)
{
    const char *p = text, *end = text + length;
    decimal d;
    while (p < end && is_blank(*p))
        p++;
    while (p < end && is_blank(end[-1]))
        end--;
    weir_status status = decimal_read(p, end, &d);
    if (status != WEIR_OK)
        return status == WEIR_ROW_TYPE && num_from_word(p, end, out) ? WEIR_OK : status;
    if (d.exponent == 0 && d.whole_count + d.fraction_count <= 18)
        return num_from_short(&d, arena, out);
    wr_arena scratch;
    wr_arena_init(&scratch, arena->budget);
    status = num_from_decimal(&d, arena, &scratch, out);
    wr_arena_fini(&scratch);
    return status;
}
