/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/numeric.c -- nums: their bytes, comparing, and to and from the machine's numbers.
 *
 * Place       numeric_text.c reads and prints them, numeric_arith.c and numeric_math.c calculate.
 * State       none.
 * Invariants  N1, N2 of numeric.h
 *             N3  wr_numvar_store is the only writer of a num's bytes
 * Cost        numbers of up to 12 decimal digits on a base-10000 grid lie inline: no allocation.
 */
#include "data/numeric_impl.h"

#include "data/float.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const int powers[] = { 1, 10, 100, 1000, 10000 };

wr_int128
wr_int128_power10(int n)
{
    wr_assert(n >= 0 && n <= 38);
    wr_int128 p = 1;
    static const uint64_t small[] = {
        1u,
        10u,
        100u,
        1000u,
        10000u,
        100000u,
        1000000u,
        10000000u,
        100000000u,
        1000000000u,
        10000000000u,
        100000000000u,
        1000000000000u,
        10000000000000u,
        100000000000000u,
        1000000000000000u,
        10000000000000000u,
        100000000000000000u,
        1000000000000000000u,
        10000000000000000000u,
    };
    for (; n > 19; n -= 19)
        p *= small[19];
    return p * small[n];
}

/* ---- bytes ---- */

void
wr_numvar_load(const wr_string *num, wr_numvar *v)
{
    const char *bytes = wr_string_data(num);
    uint16_t scale;
    int16_t weight;
    v->digits = v->small;
    v->count = v->weight = v->scale = 0;
    v->kind = WR_NUM_NAN;
    if (num->length < WR_NUM_HEADER_BYTES || (uint8_t)bytes[0] > WR_NUM_NEGINF)
        return;
    v->kind = (wr_num_kind)(uint8_t)bytes[0];
    memcpy(&scale, bytes + 2, 2);
    memcpy(&weight, bytes + 4, 2);
    v->scale = scale;
    v->weight = weight;
    v->count = (int)((num->length - WR_NUM_HEADER_BYTES) / 2);
    v->digits = (wr_digit *)(uintptr_t)(bytes + WR_NUM_HEADER_BYTES);
}

static void
num_header(char *bytes, wr_num_kind kind, int scale, int weight)
{
    uint16_t s = (uint16_t)scale;
    int16_t w = (int16_t)weight;
    bytes[0] = (char)kind;
    bytes[1] = 0;
    memcpy(bytes + 2, &s, 2);
    memcpy(bytes + 4, &w, 2);
}

wr_string
wr_num_special(wr_num_kind kind, int scale)
{
    char bytes[WR_NUM_HEADER_BYTES];
    num_header(bytes, kind, scale, 0);
    return wr_string_make(bytes, sizeof bytes);
}

weir_status
wr_numvar_store(wr_numvar *v, wr_arena *arena, wr_string *out)
{
    wr_debug_assert(wr_numvar_is_finite(v));
    wr_numvar_strip(v);
    if (v->weight > WR_NUM_WEIGHT_MAX || v->scale > WR_NUMERIC_SCALE_MAX) /* N2 */
        return WEIR_ROW_OVERFLOW;
    size_t length = WR_NUM_HEADER_BYTES + 2 * (size_t)v->count;
    char small[WR_STRING_INLINE_MAX];
    char *bytes = small;
    if (length > sizeof small && (bytes = wr_arena_alloc(arena, length)) == NULL)
        return WEIR_MEMORY;
    num_header(bytes, v->kind, v->scale, v->weight);
    memcpy(bytes + WR_NUM_HEADER_BYTES, v->digits, 2 * (size_t)v->count);
    *out = wr_string_make(bytes, length);
    return WEIR_OK;
}

weir_status
wr_numvar_make(wr_numvar *v, int count, wr_arena *scratch)
{
    v->count = count;
    v->digits = v->small;
    if (count > WR_NUMVAR_SMALL &&
        (v->digits = wr_arena_alloc(scratch, (size_t)count * sizeof(wr_digit))) == NULL)
        return WEIR_MEMORY;
    return WEIR_OK;
}

weir_status
wr_numvar_copy(const wr_numvar *from, wr_numvar *to, wr_arena *scratch)
{
    WR_TRY(wr_numvar_make(to, from->count + 1, scratch)); /* one more, so that rounding has room */
    to->count = from->count;
    to->kind = from->kind;
    to->weight = from->weight;
    to->scale = from->scale;
    memcpy(to->digits, from->digits, (size_t)from->count * sizeof(wr_digit));
    return WEIR_OK;
}

void
wr_numvar_strip(wr_numvar *v)
{
    while (v->count > 0 && v->digits[v->count - 1] == 0)
        v->count--;
    while (v->count > 0 && v->digits[0] == 0) {
        v->digits++;
        v->count--;
        v->weight--;
    }
    if (v->count == 0) {
        v->kind = WR_NUM_POSITIVE;
        v->weight = 0;
    }
}

/* ---- what kind of number ---- */

bool
wr_num_is_nan(const wr_string *num)
{
    return wr_string_data(num)[0] == WR_NUM_NAN;
}

bool
wr_num_is_infinite(const wr_string *num)
{
    char kind = wr_string_data(num)[0];
    return kind == WR_NUM_POSINF || kind == WR_NUM_NEGINF;
}

int
wr_num_sign(const wr_string *num)
{
    wr_numvar v;
    wr_numvar_load(num, &v);
    if (!wr_numvar_is_finite(&v))
        return v.kind == WR_NUM_NEGINF ? -1 : 1;
    return v.count == 0 ? 0 : v.kind == WR_NUM_NEGATIVE ? -1 : 1;
}

int
wr_num_display_scale(const wr_string *num)
{
    wr_numvar v;
    wr_numvar_load(num, &v);
    return v.scale;
}

int
wr_num_min_scale(const wr_string *num)
{
    wr_numvar v;
    wr_numvar_load(num, &v);
    int scale = (v.count - v.weight - 1) * 4;
    if (v.count == 0 || scale <= 0)
        return 0;
    for (int last = v.digits[v.count - 1]; last % 10 == 0; last /= 10)
        scale--;
    return scale;
}

bool
wr_numvar_is_integral(const wr_numvar *v)
{
    return v->count == 0 || v->count <= v->weight + 1;
}

int
wr_numvar_compare_abs(const wr_numvar *a, const wr_numvar *b)
{
    if (a->count == 0 || b->count == 0)
        return (a->count > 0) - (b->count > 0);
    if (a->weight != b->weight)
        return a->weight < b->weight ? -1 : 1;
    int shared = WR_MIN(a->count, b->count);
    for (int i = 0; i < shared; i++)
        if (a->digits[i] != b->digits[i])
            return a->digits[i] < b->digits[i] ? -1 : 1;
    return (a->count > b->count) - (a->count < b->count);
}

int
wr_numvar_compare(const wr_numvar *a, const wr_numvar *b)
{
    int sign_a = a->count == 0 ? 0 : a->kind == WR_NUM_NEGATIVE ? -1 : 1;
    int sign_b = b->count == 0 ? 0 : b->kind == WR_NUM_NEGATIVE ? -1 : 1;
    if (sign_a != sign_b)
        return sign_a < sign_b ? -1 : 1;
    return sign_a * wr_numvar_compare_abs(a, b);
}

int
wr_num_compare(const wr_string *a, const wr_string *b)
{
    /* By kind: -Infinity, all finite numbers, Infinity, NaN. */
    static const int rank[] = { 1, 1, 3, 2, 0 };
    wr_numvar x, y;
    wr_numvar_load(a, &x);
    wr_numvar_load(b, &y);
    if (wr_numvar_is_finite(&x) && wr_numvar_is_finite(&y))
        return wr_numvar_compare(&x, &y);
    return (rank[x.kind] > rank[y.kind]) - (rank[x.kind] < rank[y.kind]);
}

/* ---- integers ---- */

weir_status
wr_num_from_int128(wr_int128 value, int scale, wr_arena *arena, wr_string *out)
{
    unsigned __int128 u = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    int low = scale % 4, at = WR_NUMVAR_SMALL;
    wr_numvar v;
    wr_assert(scale >= 0);
    if (scale > WR_NUMERIC_SCALE_MAX)
        return WEIR_ROW_OVERFLOW;
    if (low > 0) { /* 12345 at scale 2: the last base-10000 digit is 4500 */
        uint64_t power = (uint64_t)powers[low], cut;
        if ((u >> 64) == 0) { /* most values: no 128-bit division */
            cut = (uint64_t)u % power;
            u = (uint64_t)u / power;
        } else {
            cut = (uint64_t)(u % power);
            u /= power;
        }
        v.small[--at] = (wr_digit)((int)cut * powers[4 - low]);
    }
    while ((u >> 64) != 0) {
        uint64_t part = (uint64_t)(u % 10000000000000000u);
        u /= 10000000000000000u;
        for (int i = 0; i < 4; i++, part /= 10000)
            v.small[--at] = (wr_digit)(part % 10000);
    }
    for (uint64_t rest = (uint64_t)u; rest != 0; rest /= 10000)
        v.small[--at] = (wr_digit)(rest % 10000);
    wr_assert(at >= 0);
    v.kind = value < 0 ? WR_NUM_NEGATIVE : WR_NUM_POSITIVE;
    v.scale = scale;
    v.digits = v.small + at;
    v.count = WR_NUMVAR_SMALL - at;
    v.weight = v.count - 1 - (scale + 3) / 4;
    return wr_numvar_store(&v, arena, out);
}

weir_status
wr_num_from_int64(int64_t value, wr_arena *arena, wr_string *out)
{
    return wr_num_from_int128(value, 0, arena, out);
}

weir_status
wr_numvar_from_int64(int64_t value, wr_numvar *v, wr_arena *scratch)
{
    uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    WR_TRY(wr_numvar_make(v, 6, scratch));
    for (int i = 5; i >= 0; i--, u /= 10000)
        v->digits[i] = (wr_digit)(u % 10000);
    v->kind = value < 0 ? WR_NUM_NEGATIVE : WR_NUM_POSITIVE;
    v->weight = 5;
    v->scale = 0;
    wr_numvar_strip(v);
    return WEIR_OK;
}

/* *u = *u * factor + term, unless it passes 2^127. */
static bool
magnitude_grow(unsigned __int128 *u, unsigned factor, unsigned term)
{
    const unsigned __int128 limit = (unsigned __int128)1 << 127;
    if (*u > (limit - term) / factor)
        return false;
    *u = *u * factor + term;
    return true;
}

static bool
numvar_to_int128(const wr_numvar *v, int scale, wr_int128 *out)
{
    unsigned __int128 u = 0;
    int exponent = v->weight * 4 + scale; /* of ten, at the digit's unit */
    int i = 0;
    if (!wr_numvar_is_finite(v))
        return false;
    if (v->count > 0 && exponent > 38)
        return false;
    for (; i < v->count && exponent >= 0; i++, exponent -= 4)
        if (!magnitude_grow(&u, 10000, (unsigned)v->digits[i]))
            return false;
    if (i < v->count && exponent >= -4) { /* the digit that the scale cuts */
        int cut = powers[-exponent], digit = v->digits[i];
        if (!magnitude_grow(&u, (unsigned)powers[4 + exponent], (unsigned)(digit / cut)))
            return false;
        if (digit % cut >= cut / 2 && !magnitude_grow(&u, 1, 1))
            return false;
    } else if (i == v->count && u != 0) {
        for (exponent += 4; exponent > 0; exponent--)
            if (!magnitude_grow(&u, 10, 0))
                return false;
    }
    bool negative = v->kind == WR_NUM_NEGATIVE;
    if (!negative && (u >> 127) != 0)
        return false;
    *out = negative ? (wr_int128)-u : (wr_int128)u;
    return true;
}

bool
wr_num_to_int128(const wr_string *num, int scale, wr_int128 *out)
{
    wr_numvar v;
    wr_numvar_load(num, &v);
    return numvar_to_int128(&v, scale, out);
}

bool
wr_numvar_to_int64(const wr_numvar *v, int64_t *out)
{
    wr_int128 wide;
    if (!numvar_to_int128(v, 0, &wide) || wide < INT64_MIN || wide > INT64_MAX)
        return false;
    *out = (int64_t)wide;
    return true;
}

weir_status
wr_num_to_int64(const wr_string *num, int64_t *out)
{
    wr_numvar v;
    wr_numvar_load(num, &v);
    return wr_numvar_to_int64(&v, out) ? WEIR_OK : WEIR_ROW_OVERFLOW;
}

/* ---- floats ---- */

static weir_status
num_from_printed(double value, int digits, wr_arena *arena, wr_string *out)
{
    char text[40];
    if (isnan(value) || isinf(value)) {
        *out = wr_num_special(isnan(value) ? WR_NUM_NAN
                              : value > 0  ? WR_NUM_POSINF
                                           : WR_NUM_NEGINF,
                              0);
        return WEIR_OK;
    }
    /* Scientific, put together from digits so that the process's locale does not matter. */
    int length = snprintf(text, sizeof text, "%.*e", digits - 1, value);
    for (int i = 0; i < length; i++)
        if (text[i] == ',')
            text[i] = '.';
    /* Zeros at the end are not part of the shortest spelling: drop them before the exponent. */
    char *e = memchr(text, 'e', (size_t)length), *last = e;
    if (memchr(text, '.', (size_t)(e - text)) != NULL) {
        while (last[-1] == '0')
            last--;
        if (last[-1] == '.')
            last--;
        memmove(last, e, (size_t)(text + length - e));
        length -= (int)(e - last);
    }
    return wr_num_parse(text, (size_t)length, arena, out);
}

weir_status
wr_num_from_double(double value, wr_arena *arena, wr_string *out)
{
    return num_from_printed(value, 15, arena, out);
}

weir_status
wr_num_from_float(float value, wr_arena *arena, wr_string *out)
{
    return num_from_printed((double)value, 6, arena, out);
}

/* Digits and a power of ten as text for the exact reader.  A double's halfway points have at most
 * 767 digits, so beyond 800 it only matters whether anything follows. */
static double
numvar_read_double(const wr_numvar *v)
{
    enum { KEPT = 200 };
    char text[KEPT * 4 + 24], *p = text;
    int kept = WR_MIN(v->count, KEPT);
    if (v->kind == WR_NUM_NEGATIVE)
        *p++ = '-';
    for (int i = 0; i < kept; i++)
        for (int power = 1000; power > 0; power /= 10)
            *p++ = (char)('0' + v->digits[i] / power % 10);
    int exponent = (v->weight - kept + 1) * 4;
    if (kept < v->count) {
        *p++ = '1';
        exponent--;
    }
    p += snprintf(p, 16, "e%d", exponent);
    return wr_float_read(text, (size_t)(p - text));
}

double
wr_numvar_to_double(const wr_numvar *v)
{
    static const double tens[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    switch (v->kind) {
    case WR_NUM_NAN: return NAN;
    case WR_NUM_POSINF: return INFINITY;
    case WR_NUM_NEGINF: return -INFINITY;
    default: break;
    }
    int exponent = (v->weight - v->count + 1) * 4;
    if (v->count <= 4 && exponent >= -22 && exponent <= 22) {
        uint64_t m = 0;
        for (int i = 0; i < v->count; i++)
            m = m * 10000 + (uint64_t)v->digits[i];
        if (m < (1ull << 53)) { /* both are exact, so one rounding decides */
            double d = exponent < 0 ? (double)m / tens[-exponent] : (double)m * tens[exponent];
            return v->kind == WR_NUM_NEGATIVE ? -d : d;
        }
    }
    return numvar_read_double(v);
}

double
wr_num_to_double(const wr_string *num)
{
    wr_numvar v;
    wr_numvar_load(num, &v);
    return wr_numvar_to_double(&v);
}
