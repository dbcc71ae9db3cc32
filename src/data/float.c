/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/float.c -- shortest printing (Giulietti's Schubfach, 2020) and exact reading of floats.
 *
 * Place       casts, sources and sinks, for each row.
 * State       the C locale, made once, for the rare numbers that the fast reader leaves undecided.
 * Invariants  F1  reading what was printed gives the same bits
 *             F2  digits on the very edge of the rounding interval are not used, as PostgreSQL has
 * it Cost        about 30 ns to print, 15 ns to read.
 *
 * Reading: w * 10^k with w < 2^64 is one product with a 128-bit power.  The table's powers are too
 * large by less than one unit, so the true value lies in (P - w, P].  When both ends round to the
 * same double it is the answer; otherwise (about once in 10^5 numbers of 19 digits) the C library
 * decides.
 */
#include "data/float.h"

#include "data/float_impl.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef unsigned __int128 u128;

/* ---- printing ---- */

static int
floor_log2_power10(int k)
{
    return (k * 1741647) >> 19;
}

/* floor(g * c / 2^128), its lowest bit set when anything was cut off. */
static uint64_t
multiply_round_odd(const uint64_t g[2], uint64_t c)
{
    u128 low = (u128)g[1] * c;
    u128 high = (u128)g[0] * c + (uint64_t)(low >> 64);
    uint64_t rest = (uint64_t)high;
    return (uint64_t)(high >> 64) | (rest > 1);
}

/* The shortest decimal digits of c * 2^q, in *exponent the power of ten of the last.  `closer`: the
 * neighbour below is only half as far (c is a power of two). */
static uint64_t
shortest_decimal(uint64_t c, int q, bool closer, int *exponent)
{
    int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
    int h = q + floor_log2_power10(-k) + 1;
    const uint64_t *g = wr_float_powers[-k - WR_FLOAT_POWER_MIN];
    wr_debug_assert(h >= 1 && h <= 4);
    uint64_t lower = multiply_round_odd(g, (4 * c - 2 + closer) << h) + 1; /* F2 */
    uint64_t middle = multiply_round_odd(g, (4 * c) << h);
    uint64_t upper = multiply_round_odd(g, (4 * c + 2) << h) - 1; /* F2 */
    uint64_t s = middle / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool under = lower <= 40 * tens, over = 40 * tens + 40 <= upper;
        if (under != over) {
            *exponent = k + 1;
            return tens + over;
        }
    }
    *exponent = k;
    bool under = lower <= 4 * s, over = 4 * s + 4 <= upper;
    if (under != over)
        return s + over;
    uint64_t half = 4 * s + 2;
    return s + (middle > half || (middle == half && (s & 1) != 0));
}

/* digits * 10^exponent; fixed notation while the leading digit's power is in [-4, fixed_max). */
static size_t
decimal_write(bool negative, uint64_t digits, int exponent, int fixed_max, char *to)
{
    char text[20], *end = text + sizeof text, *first = end, *p = to;
    while (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    for (; digits != 0; digits /= 10)
        *--first = (char)('0' + digits % 10);
    int count = (int)(end - first), power = count + exponent - 1;
    if (negative)
        *p++ = '-';
    if (power < -4 || power >= fixed_max) {
        *p++ = *first++;
        if (count > 1) {
            *p++ = '.';
            memcpy(p, first, (size_t)(count - 1));
            p += count - 1;
        }
        *p++ = 'e';
        *p++ = power < 0 ? '-' : '+';
        power = abs(power);
        if (power >= 100)
            *p++ = (char)('0' + power / 100);
        *p++ = (char)('0' + power / 10 % 10);
        *p++ = (char)('0' + power % 10);
    } else if (power < 0) {
        memcpy(p, "0.0000", 6);
        p += 1 - power;
        memcpy(p, first, (size_t)count);
        p += count;
    } else {
        int before = WR_MIN(count, power + 1);
        memcpy(p, first, (size_t)before);
        p += before;
        for (int zeros = power + 1 - before; zeros > 0; zeros--)
            *p++ = '0';
        if (count > before) {
            *p++ = '.';
            memcpy(p, first + before, (size_t)(count - before));
            p += count - before;
        }
    }
    return (size_t)(p - to);
}

static size_t
special_write(bool negative, bool nan, bool zero, char *to)
{
    const char *word = nan        ? "NaN"
                       : zero     ? (negative ? "-0" : "0")
                       : negative ? "-Infinity"
                                  : "Infinity";
    size_t length = strlen(word);
    memcpy(to, word, length);
    return length;
}

size_t
wr_float8_write(double value, char *to)
{
    uint64_t bits, c;
    memcpy(&bits, &value, sizeof bits);
    bool negative = (bits >> 63) != 0;
    int biased = (int)(bits >> 52 & 0x7ff), exponent;
    c = bits & ((1ull << 52) - 1);
    if (biased == 0x7ff || (biased == 0 && c == 0))
        return special_write(negative, biased == 0x7ff && c != 0, biased == 0, to);
    bool closer = c == 0 && biased > 1;
    if (biased > 0)
        c |= 1ull << 52;
    uint64_t digits = shortest_decimal(c, WR_MAX(biased, 1) - 1075, closer, &exponent);
    return decimal_write(negative, digits, exponent, 15, to);
}

size_t
wr_float4_write(float value, char *to)
{
    uint32_t bits, c;
    memcpy(&bits, &value, sizeof bits);
    bool negative = (bits >> 31) != 0;
    int biased = (int)(bits >> 23 & 0xff), exponent;
    c = bits & ((1u << 23) - 1);
    if (biased == 0xff || (biased == 0 && c == 0))
        return special_write(negative, biased == 0xff && c != 0, biased == 0, to);
    bool closer = c == 0 && biased > 1;
    if (biased > 0)
        c |= 1u << 23;
    uint64_t digits = shortest_decimal(c, WR_MAX(biased, 1) - 150, closer, &exponent);
    return decimal_write(negative, digits, exponent, 6, to);
}

void
wr_float8_print(double value, wr_text *to)
{
    char text[WR_FLOAT_TEXT_MAX];
    wr_text_append(to, text, wr_float8_write(value, text));
}

void
wr_float4_print(float value, wr_text *to)
{
    char text[WR_FLOAT_TEXT_MAX];
    wr_text_append(to, text, wr_float4_write(value, text));
}

/* ---- reading ---- */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void
c_locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    wr_assert(c_locale != (locale_t)0);
}

/* The C library's reader, for a text that is not NUL-terminated. */
static double
library_read(const char *text, size_t length, size_t *used)
{
    char small[128], *copy = small, *stop;
    pthread_once(&c_locale_once, c_locale_make);
    if (length >= sizeof small && (copy = wr_alloc(NULL, length + 1)) == NULL) {
        *used = 0;
        return 0;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    double value = strtod_l(copy, &stop, c_locale);
    *used = (size_t)(stop - copy);
    if (copy != small)
        wr_free(copy);
    return value;
}

/* Round a 192-bit integer {high 128 | low 64}, its top bit set, to 53 bits, half to even.  The
 * result is in [2^52, 2^53]. */
static uint64_t
round_53(u128 high, uint64_t low, bool *tie)
{
    uint64_t top = (uint64_t)(high >> 64), kept = top >> 11, cut = top & 0x7ff;
    bool more = (uint64_t)high != 0 || low != 0;
    *tie = cut == 0x400 && !more;
    bool up = cut > 0x400 || (cut == 0x400 && (more || (kept & 1) != 0));
    return kept + up;
}

/* w * 10^k; false when two doubles are possible, or the result is not a normal number. */
static bool
product_read(uint64_t w, int k, double *out)
{
    if (k < WR_FLOAT_POWER_MIN || k > WR_FLOAT_POWER_MAX - 16)
        return false;
    const uint64_t *g = wr_float_powers[k - WR_FLOAT_POWER_MIN];
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    u128 low = (u128)g[1] * w;
    u128 high = (u128)g[0] * w + (uint64_t)(low >> 64);
    uint64_t rest = (uint64_t)low;
    int shift = (high >> 127) == 0;
    u128 high_min = high - (rest < w); /* P - w */
    uint64_t rest_min = rest - w;
    if (shift) {
        high = high << 1 | rest >> 63;
        rest <<= 1;
        high_min = high_min << 1 | rest_min >> 63;
        rest_min <<= 1;
    }
    bool tie, tie_min = false;
    uint64_t m = round_53(high, rest, &tie);
    if (k < 0 || k > WR_FLOAT_POWER_EXACT_MAX) {
        if ((high_min >> 127) == 0 || round_53(high_min, rest_min, &tie_min) != m || tie || tie_min)
            return false;
    }
    /* w * 10^k = m * 2^exponent: g is 10^k * 2^(127 - log), w was shifted, 139 = 192 - 53 bits cut.
     */
    int exponent = floor_log2_power10(k) - 127 - zeros - shift + 139;
    if (m == 1ull << 53) {
        m >>= 1;
        exponent++;
    }
    int biased = exponent + 1075;
    if (biased < 1 || biased > 2046)
        return false;
    uint64_t bits = (uint64_t)biased << 52 | (m & ((1ull << 52) - 1));
    memcpy(out, &bits, sizeof bits);
    return true;
}

/* Digits into a word.  Returns where the number ends, NULL when there is no digit; *exact is false
 * when the word could not hold them all. */
static const char *
decimal_scan(const char *p, const char *end, uint64_t *w, int *k, bool *exact)
{
    int significant = 0, seen = 0;
    int64_t power = 0;
    *w = 0;
    *exact = true;
    for (bool fraction = false; p < end; p++) {
        unsigned d = (unsigned char)*p - (unsigned)'0';
        if (d > 9) {
            if (*p != '.' || fraction)
                break;
            fraction = true;
            continue;
        }
        seen = 1;
        if (significant < 19) {
            *w = *w * 10 + d;
            significant += *w != 0;
            power -= fraction;
        } else {
            *exact = *exact && d == 0;
            power += !fraction;
        }
    }
    if (seen == 0)
        return NULL;
    if (p < end && (*p | 0x20) == 'e') {
        const char *e = p + 1;
        bool down = e < end && *e == '-';
        int64_t exponent = 0;
        e += e < end && (*e == '-' || *e == '+');
        if (e < end && *e >= '0' && *e <= '9') {
            for (; e < end && *e >= '0' && *e <= '9'; e++)
                exponent = WR_MIN(exponent * 10 + (*e - '0'), INT32_MAX);
            power += down ? -exponent : exponent;
            p = e;
        }
    }
    *k = (int)WR_MAX(WR_MIN(power, 100000), -100000);
    return p;
}

/* A decimal at text; *used is 0 when there is none. */
static double
decimal_parse(const char *text, size_t length, size_t *used)
{
    static const double tens[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    const char *p = text, *end = text + length;
    uint64_t w;
    int k;
    bool exact, negative = p < end && *p == '-';
    double value;
    p += p < end && (*p == '-' || *p == '+');
    if ((p = decimal_scan(p, end, &w, &k, &exact)) == NULL) {
        *used = 0;
        return 0;
    }
    *used = (size_t)(p - text);
    if (exact && w == 0)
        return negative ? -0.0 : 0.0;
    if (exact && w < (1ull << 53) && k >= -22 && k <= 22) { /* one rounding of exact operands */
        value = k < 0 ? (double)w / tens[-k] : (double)w * tens[k];
        return negative ? -value : value;
    }
    if (exact && product_read(w, k, &value))
        return negative ? -value : value;
    size_t library_used;
    return library_read(text, *used, &library_used);
}

double
wr_float_read(const char *text, size_t length)
{
    size_t used;
    return decimal_parse(text, length, &used);
}

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
trim(const char **text, size_t *length)
{
    while (*length > 0 && is_blank(**text)) {
        ++*text;
        --*length;
    }
    while (*length > 0 && is_blank((*text)[*length - 1]))
        --*length;
}

/* NaN, inf and infinity, with any sign. */
static bool
word_parse(const char *text, size_t length, double *out)
{
    bool negative = length > 0 && *text == '-';
    if (length > 0 && (*text == '-' || *text == '+')) {
        text++;
        length--;
    }
    if (length == 3 && strncasecmp(text, "nan", 3) == 0) {
        *out = NAN;
        return true;
    }
    if (!(length == 3 && strncasecmp(text, "inf", 3) == 0) &&
        !(length == 8 && strncasecmp(text, "infinity", 8) == 0))
        return false;
    *out = negative ? -INFINITY : INFINITY;
    return true;
}

/* True when a decimal that reads as 0 has a digit other than 0: it was too small. */
static bool
is_underflow(const char *text, size_t length)
{
    for (size_t i = 0; i < length && (text[i] | 0x20) != 'e'; i++)
        if (text[i] >= '1' && text[i] <= '9')
            return true;
    return false;
}

weir_status
wr_float8_parse(const char *text, size_t length, double *out)
{
    size_t used;
    trim(&text, &length);
    double value = decimal_parse(text, length, &used);
    if (used == 0 || used != length)
        return word_parse(text, length, out) ? WEIR_OK : WEIR_ROW_TYPE;
    if (isinf(value) || (value == 0 && is_underflow(text, length)))
        return WEIR_ROW_OVERFLOW;
    *out = value;
    return WEIR_OK;
}

/* The decimal is read as a double; only when that lies exactly between two floats could rounding
 * twice differ from rounding once, and then the C library decides from the text. */
weir_status
wr_float4_parse(const char *text, size_t length, float *out)
{
    double wide;
    uint64_t bits;
    trim(&text, &length);
    WR_TRY(wr_float8_parse(text, length, &wide));
    float value = (float)wide;
    memcpy(&bits, &wide, sizeof bits);
    bool suspicious = (bits & 0x1fffffff) == 0x10000000 || fabs(wide) < 0x1p-126;
    if (suspicious && isfinite(wide)) {
        char small[128], *copy = small;
        if (length >= sizeof small && (copy = wr_alloc(NULL, length + 1)) == NULL)
            return WEIR_MEMORY;
        memcpy(copy, text, length);
        copy[length] = '\0';
        pthread_once(&c_locale_once, c_locale_make);
        value = strtof_l(copy, NULL, c_locale);
        if (copy != small)
            wr_free(copy);
    }
    if ((isinf(value) && !isinf(wide)) || (value == 0 && wide != 0))
        return WEIR_ROW_OVERFLOW;
    *out = value;
    return WEIR_OK;
}
