/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/interval.c -- intervals: text in, text out, order.
 *
 * Place       literals, casts, window sizes.
 * State       none.
 * Invariants  I1  wr_interval_parse of what wr_interval_print wrote gives the same interval
 * The text is read from right to left, so that a unit is known before its number.
 */
#include "data/datetime_impl.h"

#include "data/digits_impl.h"
#include "data/float.h"

#include <ctype.h>
#include <math.h>
#include <strings.h>

/* ---- order and text out ---- */

wr_int128
wr_interval_normal(const wr_interval *i)
{
    return (wr_int128)i->us + ((wr_int128)i->months * 30 + i->days) * WR_US_PER_DAY;
}

int
wr_interval_compare(const wr_interval *a, const wr_interval *b)
{
    wr_int128 x = wr_interval_normal(a), y = wr_interval_normal(b);
    return (x > y) - (x < y);
}

/* " 3 days": a plus sign follows a negative part, to make the mixed signs plain. */
static void
part_print(int64_t value, const char *unit, bool *first, bool *negative, wr_text *to)
{
    if (value == 0)
        return;
    if (!*first)
        wr_text_putc(to, ' ');
    if (*negative && value > 0)
        wr_text_putc(to, '+');
    wr_text_put_int(to, value);
    wr_text_putc(to, ' ');
    wr_text_puts(to, unit);
    if (value != 1)
        wr_text_putc(to, 's');
    *negative = value < 0;
    *first = false;
}

void
wr_interval_print(const wr_interval *i, wr_text *to)
{
    bool first = true, negative = false;
    part_print(i->months / 12, "year", &first, &negative, to);
    part_print(i->months % 12, "mon", &first, &negative, to);
    part_print(i->days, "day", &first, &negative, to);
    if (!first && i->us == 0)
        return;
    uint64_t us = i->us < 0 ? 0 - (uint64_t)i->us : (uint64_t)i->us;
    uint64_t seconds = us / WR_US_PER_SECOND, hours = seconds / 3600;
    if (!first)
        wr_text_putc(to, ' ');
    if (i->us < 0 || negative)
        wr_text_putc(to, i->us < 0 ? '-' : '+');
    if (hours < 10)
        wr_text_putc(to, '0');
    wr_text_put_int(to, (int64_t)hours);
    char text[16], *p = text + 6;
    text[0] = text[3] = ':';
    put_two(text + 1, (unsigned)(seconds / 60 % 60));
    put_two(text + 4, (unsigned)(seconds % 60));
    us %= WR_US_PER_SECOND;
    if (us > 0) {
        *p = '.';
        put_two(p + 1, (unsigned)(us / 10000));
        put_four(p + 3, (unsigned)(us % 10000));
        for (p += 7; p[-1] == '0'; p--)
            ;
    }
    wr_text_append(to, text, (size_t)(p - text));
}

/* ---- building up ---- */

typedef struct builder {
    int64_t months, days, us;
    unsigned seen; /* a bit a wr_unit: no unit may stand twice */
} builder;

static const int64_t unit_us[] = {
    [WR_UNIT_MICROSECOND] = 1,           [WR_UNIT_MILLISECOND] = 1000,
    [WR_UNIT_SECOND] = WR_US_PER_SECOND, [WR_UNIT_MINUTE] = WR_US_PER_MINUTE,
    [WR_UNIT_HOUR] = WR_US_PER_HOUR,     [WR_UNIT_DAY] = WR_US_PER_DAY,
};
static const int64_t unit_months[] = {
    [WR_UNIT_MONTH] = 1,      [WR_UNIT_YEAR] = 12,          [WR_UNIT_DECADE] = 120,
    [WR_UNIT_CENTURY] = 1200, [WR_UNIT_MILLENNIUM] = 12000,
};

/* *to += value * factor, false on overflow of 64 bits. */
static bool
add_product(int64_t *to, int64_t value, int64_t factor)
{
    int64_t product;
    return !__builtin_mul_overflow(value, factor, &product) &&
           !__builtin_add_overflow(*to, product, to);
}

/* Rounds the microseconds of a fraction half away from zero only beyond the half, as C's rint would
 * not: PostgreSQL cuts, then looks at the rest. */
static bool
add_fraction_us(builder *b, double fraction, int64_t unit)
{
    double exact = fraction * (double)unit;
    int64_t whole = (int64_t)exact;
    exact -= (double)whole;
    whole += exact > 0.5 ? 1 : exact < -0.5 ? -1 : 0;
    return add_product(&b->us, whole, 1);
}

static bool
add_fraction_days(builder *b, double fraction, int days)
{
    double exact = fraction * days;
    int64_t whole = (int64_t)exact;
    return add_product(&b->days, whole, 1) &&
           add_fraction_us(b, exact - (double)whole, WR_US_PER_DAY);
}

/* A value and what stood after its point, in a unit. */
static weir_status
builder_add(builder *b, wr_unit unit, int64_t value, double fraction)
{
    bool ok = true;
    switch (unit) {
    case WR_UNIT_MICROSECOND:
        ok = add_product(&b->us, value, 1) && add_fraction_us(b, fraction, 1);
        break;
    case WR_UNIT_MILLISECOND:
    case WR_UNIT_SECOND:
    case WR_UNIT_MINUTE:
    case WR_UNIT_HOUR:
        ok = add_product(&b->us, value, unit_us[unit]) &&
             add_fraction_us(b, fraction, unit_us[unit]);
        break;
    case WR_UNIT_DAY:
        ok = add_product(&b->days, value, 1) && add_fraction_us(b, fraction, WR_US_PER_DAY);
        break;
    case WR_UNIT_WEEK:
        ok = add_product(&b->days, value, 7) && add_fraction_days(b, fraction, 7);
        break;
    case WR_UNIT_MONTH:
        ok = add_product(&b->months, value, 1) && add_fraction_days(b, fraction, 30);
        break;
    case WR_UNIT_YEAR:
    case WR_UNIT_DECADE:
    case WR_UNIT_CENTURY:
    case WR_UNIT_MILLENNIUM:
        ok = add_product(&b->months, value, unit_months[unit]) &&
             add_product(&b->months, (int64_t)rint(fraction * (double)unit_months[unit]), 1);
        break;
    default: return WEIR_ROW_TYPE;
    }
    if (b->months < INT32_MIN || b->months > INT32_MAX || b->days < INT32_MIN ||
        b->days > INT32_MAX)
        ok = false;
    return ok ? WEIR_OK : WEIR_ROW_OVERFLOW;
}

static weir_status
builder_mark(builder *b, unsigned units)
{
    if ((b->seen & units) != 0)
        return WEIR_ROW_TYPE;
    b->seen |= units;
    return WEIR_OK;
}

#define UNIT_BIT(U) (1u << (U))
#define SECOND_BITS                                                                                \
    (UNIT_BIT(WR_UNIT_SECOND) | UNIT_BIT(WR_UNIT_MILLISECOND) | UNIT_BIT(WR_UNIT_MICROSECOND))
#define CLOCK_BITS (UNIT_BIT(WR_UNIT_HOUR) | UNIT_BIT(WR_UNIT_MINUTE) | SECOND_BITS)

/* ---- the qualifier after a literal ---- */

typedef struct qualifier {
    wr_unit from, to; /* NONE: any */
} qualifier;

static weir_status
qualifier_read(const char *fields, qualifier *q)
{
    char words[3][12];
    int count = 0;
    *q = (qualifier){ WR_UNIT_NONE, WR_UNIT_NONE };
    if (fields == NULL)
        return WEIR_OK;
    for (const char *p = fields; *p != '\0';) {
        size_t length = 0;
        while (isspace((unsigned char)*p))
            p++;
        if (*p == '\0')
            break;
        if (count == 3)
            return WEIR_ROW_TYPE;
        for (; *p != '\0' && !isspace((unsigned char)*p); p++) {
            if (length == sizeof words[0] - 1)
                return WEIR_ROW_TYPE;
            words[count][length++] = (char)tolower((unsigned char)*p);
        }
        words[count++][length] = '\0';
    }
    if (count == 0)
        return WEIR_OK;
    q->from = q->to = wr_unit_find(words[0], strlen(words[0]));
    if (count == 3 && strcmp(words[1], "to") == 0)
        q->to = wr_unit_find(words[2], strlen(words[2]));
    else if (count != 1)
        return WEIR_ROW_TYPE;
    return q->from == WR_UNIT_NONE || q->to == WR_UNIT_NONE ? WEIR_ROW_TYPE : WEIR_OK;
}

/* What the qualifier leaves out is cut off. */
static void
qualifier_apply(const qualifier *q, wr_interval *i)
{
    switch (q->to) {
    case WR_UNIT_YEAR:
        i->months = i->months / 12 * 12;
        i->days = 0;
        i->us = 0;
        break;
    case WR_UNIT_MONTH:
        i->days = 0;
        i->us = 0;
        break;
    case WR_UNIT_DAY: i->us = 0; break;
    case WR_UNIT_HOUR:
    case WR_UNIT_MINUTE: i->us = i->us / unit_us[q->to] * unit_us[q->to]; break;
    default: break;
    }
}

/* ---- PostgreSQL's spelling ---- */

/* "1:02:03.5", hours of any size; "2:03" is hours and minutes unless the qualifier says otherwise.
 */
static weir_status
clock_read(const char *p, const qualifier *q, int64_t *us)
{
    int64_t hour = 0, minute = 0, second = 0;
    int fraction = 0;
    *us = 0;
    if (!wr_digits_read(&p, &hour))
        return WEIR_ROW_TYPE;
    if (*p++ != ':')
        return WEIR_ROW_TYPE;
    if (*p != '\0' && !wr_digits_read(&p, &minute)) /* "1:" is an hour */
        return WEIR_ROW_TYPE;
    bool shift = false;
    if (*p == '\0') {
        shift = q->from == WR_UNIT_MINUTE && q->to == WR_UNIT_SECOND;
    } else if (*p == '.') {
        shift = true;
        if (!wr_fraction_read(&p, &fraction))
            return WEIR_ROW_TYPE;
    } else if (*p == ':') {
        p++;
        if (*p != '\0' &&
            (!wr_digits_read(&p, &second) || (*p == '.' && !wr_fraction_read(&p, &fraction))))
            return WEIR_ROW_TYPE;
    }
    if (*p != '\0')
        return WEIR_ROW_TYPE;
    if (shift) {
        second = minute;
        minute = hour;
        hour = 0;
    }
    if (minute > 59 || second > 60 || fraction > WR_US_PER_SECOND)
        return WEIR_ROW_OVERFLOW;
    if (!add_product(us, hour, WR_US_PER_HOUR) ||
        !add_product(us, minute * 60 + second, WR_US_PER_SECOND) || !add_product(us, fraction, 1))
        return WEIR_ROW_OVERFLOW;
    return WEIR_OK;
}

static weir_status
builder_add_clock(builder *b, const char *text, bool negative, const qualifier *q)
{
    int64_t us;
    WR_TRY(clock_read(text, q, &us));
    WR_TRY(builder_mark(b, CLOCK_BITS));
    return add_product(&b->us, us, negative ? -1 : 1) ? WEIR_OK : WEIR_ROW_OVERFLOW;
}

static weir_status
fraction_value(const char *p, double *fraction)
{
    const char *end = p + 1;
    while (*end >= '0' && *end <= '9')
        end++;
    if (*end != '\0')
        return WEIR_ROW_TYPE;
    *fraction = end == p + 1 ? 0 : wr_float_read(p, (size_t)(end - p));
    return WEIR_OK;
}

/* A number, signed or not, with the unit found to its right; "1-2" is years and months. */
static weir_status
builder_add_number(builder *b, const char *text, wr_unit unit)
{
    bool negative = *text == '-';
    const char *p = text + (*text == '-' || *text == '+');
    int64_t value = 0, months;
    double fraction = 0;
    if (unit == WR_UNIT_NONE)
        return WEIR_ROW_TYPE;
    if (*p != '.' && !wr_digits_read(&p, &value))
        return isdigit((unsigned char)*p) ? WEIR_ROW_OVERFLOW : WEIR_ROW_TYPE;
    if (*p == '-') {
        p++;
        if (!wr_digits_read(&p, &months) || *p != '\0')
            return WEIR_ROW_TYPE;
        if (months > 11 || !add_product(&months, value, 12))
            return WEIR_ROW_OVERFLOW;
        value = months;
        unit = WR_UNIT_MONTH;
    } else if (*p == '.') {
        WR_TRY(fraction_value(p, &fraction));
    } else if (*p != '\0') {
        return WEIR_ROW_TYPE;
    }
    unsigned bits = UNIT_BIT(unit);
    if (unit == WR_UNIT_SECOND && fraction != 0)
        bits = SECOND_BITS;
    WR_TRY(builder_mark(b, bits));
    return builder_add(b, unit, negative ? -value : value, negative ? -fraction : fraction);
}

static weir_status
tokens_read_interval(const wr_tokens *tokens, const qualifier *q, builder *b)
{
    /* Of the number to come; a bare one at the end has the qualifier's unit. */
    wr_unit unit = q->to != WR_UNIT_NONE ? q->to : WR_UNIT_SECOND;
    bool ago = false, unit_waits = false;
    for (int i = tokens->count - 1; i >= 0; i--) {
        const wr_token *t = &tokens->list[i];
        if (t->kind == WR_TOKEN_WORD) {
            if (unit_waits)
                return WEIR_ROW_TYPE;
            if (i == tokens->count - 1 && strcmp(t->text, "ago") == 0) {
                ago = true;
                unit = WR_UNIT_NONE; /* "2 ago" is nothing; "2:00 ago" is */
                continue;
            }
            unit = wr_unit_find(t->text, t->length);
            if (unit == WR_UNIT_NONE || unit == WR_UNIT_QUARTER)
                return WEIR_ROW_TYPE;
            unit_waits = true;
            continue;
        }
        bool is_signed = t->kind == WR_TOKEN_SIGNED, is_clock = strchr(t->text, ':') != NULL;
        if (t->kind == WR_TOKEN_SPECIAL)
            return WEIR_ROW_TYPE;
        if (t->kind == WR_TOKEN_TIME || (is_signed && is_clock)) {
            weir_status status = builder_add_clock(b, t->text + is_signed, t->text[0] == '-', q);
            if (status != WEIR_OK)
                return is_signed ? WEIR_ROW_TYPE : status;
            unit = WR_UNIT_DAY; /* "1 02:03": the number before a clock is days */
        } else {
            WR_TRY(builder_add_number(b, t->text, unit));
            if (unit == WR_UNIT_HOUR)
                unit = WR_UNIT_DAY;
        }
        unit_waits = false;
    }
    if (b->seen == 0 || unit_waits)
        return WEIR_ROW_TYPE;
    if (ago) {
        if (b->us == INT64_MIN || b->months == INT32_MIN || b->days == INT32_MIN)
            return WEIR_ROW_OVERFLOW;
        b->months = -b->months;
        b->days = -b->days;
        b->us = -b->us;
    }
    return WEIR_OK;
}

/* ---- ISO 8601: P1Y2M3DT4H5M6.5S, P0001-02-03T04:05:06, P00010203T040506 ---- */

typedef struct iso_number {
    int64_t value;
    double fraction;
    int width; /* digits before the point */
} iso_number;

static weir_status
iso_number_read(const char **at, const char *end, iso_number *out)
{
    const char *p = *at + (*at < end && (**at == '-' || **at == '+')), *digits = p;
    while (p < end && isdigit((unsigned char)*p))
        p++;
    out->width = (int)WR_MIN(p - digits, 100);
    if (p < end && *p == '.')
        for (p++; p < end && isdigit((unsigned char)*p); p++)
            ;
    if (p == digits || (p - digits == 1 && *digits == '.'))
        return WEIR_ROW_TYPE;
    /* As PostgreSQL: the fraction is what the double has left, not what the digits say. */
    double value = wr_float_read(*at, (size_t)(p - *at));
    if (fabs(value) > 1e15)
        return WEIR_ROW_OVERFLOW;
    out->value = (int64_t)value;
    out->fraction = value - (double)out->value;
    *at = p;
    return WEIR_OK;
}

static wr_unit
iso_unit(char c, bool date_part)
{
    switch (c) {
    case 'Y': return date_part ? WR_UNIT_YEAR : WR_UNIT_NONE;
    case 'M': return date_part ? WR_UNIT_MONTH : WR_UNIT_MINUTE;
    case 'W': return date_part ? WR_UNIT_WEEK : WR_UNIT_NONE;
    case 'D': return date_part ? WR_UNIT_DAY : WR_UNIT_NONE;
    case 'H': return date_part ? WR_UNIT_NONE : WR_UNIT_HOUR;
    case 'S': return date_part ? WR_UNIT_NONE : WR_UNIT_SECOND;
    default: return WR_UNIT_NONE;
    }
}

/* The alternative format: the parts run together, or are set apart by - or :.  n is the first. */
static weir_status
iso_alternative(const char **at, const char *end, bool date_part, iso_number n, builder *b)
{
    static const wr_unit units[2][3] = { { WR_UNIT_HOUR, WR_UNIT_MINUTE, WR_UNIT_SECOND },
                                         { WR_UNIT_YEAR, WR_UNIT_MONTH, WR_UNIT_DAY } };
    const wr_unit *unit = units[date_part];
    char separator = date_part ? '-' : ':';
    const char *p = *at;
    if ((p == end || *p == 'T') && n.width == (date_part ? 8 : 6)) {
        WR_TRY(builder_add(b, unit[0], n.value / 10000, 0));
        WR_TRY(builder_add(b, unit[1], n.value / 100 % 100, 0));
        return builder_add(b, unit[2], n.value % 100, n.fraction);
    }
    for (int i = 0;; i++) {
        WR_TRY(builder_add(b, unit[i], n.value, n.fraction));
        if (p == end || *p == 'T' || i == 2)
            break;
        if (*p != separator)
            return WEIR_ROW_TYPE;
        p++;
        WR_TRY(iso_number_read(&p, end, &n));
    }
    *at = p;
    return p == end || (date_part && *p == 'T') ? WEIR_OK : WEIR_ROW_TYPE;
}

static weir_status
iso_read(const char *p, const char *end, builder *b)
{
    bool date_part = true, have_field = false;
    if (end - p < 2 || *p++ != 'P')
        return WEIR_ROW_TYPE;
    while (p < end) {
        iso_number n;
        if (*p == 'T') {
            if (!date_part)
                return WEIR_ROW_TYPE;
            date_part = false;
            have_field = false;
            p++;
            continue;
        }
        WR_TRY(iso_number_read(&p, end, &n));
        wr_unit unit = p < end ? iso_unit(*p, date_part) : WR_UNIT_NONE;
        if (unit == WR_UNIT_NONE) {
            if (have_field)
                return WEIR_ROW_TYPE;
            WR_TRY(iso_alternative(&p, end, date_part, n, b));
        } else {
            WR_TRY(builder_add(b, unit, n.value, n.fraction));
            p++;
        }
        have_field = true;
    }
    return WEIR_OK;
}

weir_status
wr_interval_parse(const char *s, size_t n, const char *fields, wr_interval *out, weir_error *err)
{
    wr_tokens tokens;
    qualifier q;
    builder b = { 0 };
    weir_status status = WEIR_ROW_TYPE;
    if (qualifier_read(fields, &q) != WEIR_OK)
        return wr_error_set(err, WEIR_ROW_TYPE, "\"%s\" is not a qualifier of intervals", fields);
    if (wr_tokens_read(s, n, &tokens))
        status = tokens_read_interval(&tokens, &q, &b);
    if (status == WEIR_ROW_TYPE) {
        const char *first = s, *end = s + n;
        while (first < end && isspace((unsigned char)*first))
            first++;
        while (first < end && isspace((unsigned char)end[-1]))
            end--;
        b = (builder){ 0 };
        status = iso_read(first, end, &b);
    }
    if (status == WEIR_ROW_OVERFLOW)
        return wr_error_set(err, status, "interval field value out of range: \"%.*s\"",
                            (int)WR_MIN(n, (size_t)100), s);
    if (status != WEIR_OK)
        return wr_error_set(err, status, "invalid input syntax for type interval: \"%.*s\"",
                            (int)WR_MIN(n, (size_t)100), s);
    *out = (wr_interval){ (int32_t)b.months, (int32_t)b.days, b.us };
    qualifier_apply(&q, out);
    return WEIR_OK;
}
