/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/cell.c -- values into cells, by type (see cell_impl.h).
 *
 * Cost        each put is one switch on the cell's kind; what is rare or hard goes through
 *             wr_value_parse and a boxed value in the scratch arena.
 */
#include "format/cell_impl.h"

#include "data/datetime.h"
#include "data/float.h"

/* 4714-11-24 BC, the first day of PostgreSQL's timestamps. */
#define TIME_MIN (-210866803200000000)

static wr_cell_kind
kind_of(wr_type type)
{
    switch ((wr_type_id) type.id) {
    case WR_BOOL: return WR_CELL_BOOL;
    case WR_INT2: return WR_CELL_INT2;
    case WR_INT4: return WR_CELL_INT4;
    case WR_INT8: return WR_CELL_INT8;
    case WR_FLOAT4: return WR_CELL_FLOAT4;
    case WR_FLOAT8: return WR_CELL_FLOAT8;
    case WR_NUMERIC: return WR_CELL_NUMERIC;
    case WR_TEXT: return WR_CELL_TEXT;
    case WR_DATE: return WR_CELL_DATE;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return WR_CELL_STAMP;
    case WR_JSON:
    case WR_JSONB: return WR_CELL_JSON;
    case WR_ARRAY: return WR_CELL_ARRAY;
    default: return WR_CELL_OTHER;
    }
}

void
wr_cell_init(wr_cell *cell, const wr_field *field, wr_time_unit unit)
{
    *cell = (wr_cell){
        .type = field->type,
        .kind = (uint8_t) kind_of(field->type),
        .unit = (uint8_t) unit,
        .not_null = field->not_null,
        .name = field->name,
        .digits = 6,
        .characters_max = UINT32_MAX,
    };
    if (field->type.modifier < 0)
        return;
    if (cell->kind == WR_CELL_TEXT)
        cell->characters_max = (uint32_t) field->type.modifier;
    if (cell->kind == WR_CELL_STAMP)
        cell->digits = (uint8_t) WR_MIN(field->type.modifier, 6);
}

/* --- reading short forms --- */

bool
wr_cell_read_integer(const char *s, size_t n, int64_t *out)
{
    bool     negative = n > 0 && s[0] == '-';
    size_t   i = negative;
    uint64_t v = 0;
    if (n - i == 0 || n - i > 19)
        return false;
    for (; i < n; i++) {
        unsigned d = (unsigned char) s[i] - (unsigned) '0';
        if (d > 9)
            return false;
        v = v * 10 + d; /* 19 digits fit 64 bits */
    }
    if (v > (uint64_t) INT64_MAX + negative)
        return false;
    *out = (int64_t) (negative ? 0 - v : v);
    return true;
}

bool
wr_cell_read_decimal(const char *s, size_t n, int64_t *v, int *scale)
{
    bool    negative = n > 0 && s[0] == '-', point = false;
    int     digits = 0, fraction = 0;
    int64_t m = 0;
    for (size_t i = negative; i < n; i++) {
        unsigned d = (unsigned char) s[i] - (unsigned) '0';
        if (s[i] == '.' && !point && digits > 0) {
            point = true;
            continue;
        }
        if (d > 9 || ++digits > 18)
            return false;
        m = m * 10 + d;
        fraction += point;
    }
    if (digits == 0 || (point && fraction == 0))
        return false;
    *v = negative ? -m : m;
    *scale = fraction;
    return true;
}

static inline int
two_digits(const char *s)
{
    unsigned a = (unsigned char) s[0] - (unsigned) '0', b = (unsigned char) s[1] - (unsigned) '0';
    return a > 9 || b > 9 ? -1 : (int) (a * 10 + b);
}

bool
wr_cell_read_day(wr_cell *cell, const char *s)
{
    static const uint8_t month_days[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int c = two_digits(s), y = two_digits(s + 2), m = two_digits(s + 5), d = two_digits(s + 8);
    if (c < 0 || y < 0 || s[4] != '-' || s[7] != '-' || m < 1 || m > 12 || d < 1 ||
        d > month_days[m - 1])
        return false;
    int  year = c * 100 + y;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year == 0 || (m == 2 && d == 29 && !leap))
        return false;
    cell->day = wr_days_from_civil(year, m, d);
    cell->day_known = true;
    memcpy(cell->day_text, s, 10);
    return true;
}

/* --- putting --- */

weir_status
wr_cell_put_null(const wr_cell *cell, wr_column *column, uint32_t row, wr_cell_scratch *scratch)
{
    if (cell->not_null)
        return wr_error_set(&scratch->error, WEIR_ROW_NULL, "NULL in a column declared NOT NULL");
    return wr_column_set_null(column, row);
}

static weir_status
put_value(wr_cell *cell, wr_column *column, uint32_t row, const char *s, size_t n,
          wr_cell_scratch *scratch)
{
    wr_value value;
    WR_TRY(wr_value_parse(cell->type, s, n, &scratch->arena, &value, &scratch->error));
    return wr_column_set_value(column, row, &value);
}

static weir_status
out_of_range(const wr_cell *cell, const char *s, size_t n, wr_cell_scratch *scratch)
{
    wr_text name;
    wr_text_init(&name, NULL);
    wr_type_print(cell->type, &name);
    wr_error_set(&scratch->error, WEIR_ROW_OVERFLOW, "value \"%.*s\" is out of range for type %s",
                 (int) WR_MIN(n, (size_t) 64), s, wr_text_string(&name));
    wr_text_fini(&name);
    return WEIR_ROW_OVERFLOW;
}

static bool
integer_fits(const wr_cell *cell, int64_t v)
{
    return cell->kind == WR_CELL_INT8 || (cell->kind == WR_CELL_INT4 && v == (int32_t) v) ||
           (cell->kind == WR_CELL_INT2 && v == (int16_t) v);
}

static void
integer_store(const wr_cell *cell, wr_column *column, uint32_t row, int64_t v)
{
    if (cell->kind == WR_CELL_INT8)
        ((int64_t *) column->data)[row] = v;
    else if (cell->kind == WR_CELL_INT4)
        ((int32_t *) column->data)[row] = (int32_t) v;
    else
        ((int16_t *) column->data)[row] = (int16_t) v;
    wr_cell_mark(column, row);
}

static size_t
character_count(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char) s[i] & 0xc0) != 0x80;
    return count;
}

weir_status
wr_cell_put_text(wr_cell *cell, wr_column *column, uint32_t row, const char *s, size_t n,
                 wr_cell_scratch *scratch)
{
    int64_t v;
    int     scale;
    wr_time t;
    switch ((wr_cell_kind) cell->kind) {
    case WR_CELL_TEXT:
        if (n > cell->characters_max && character_count(s, n) > cell->characters_max)
            break;
        return wr_column_set_string(column, row, s, n);
    case WR_CELL_INT2:
    case WR_CELL_INT4:
    case WR_CELL_INT8:
        if (!wr_cell_read_integer(s, n, &v) || !integer_fits(cell, v))
            break;
        integer_store(cell, column, row, v);
        return WEIR_OK;
    case WR_CELL_NUMERIC:
        if (!wr_cell_read_decimal(s, n, &v, &scale) ||
            !wr_cell_store_decimal(cell, column, row, v, scale))
            break;
        return WEIR_OK;
    case WR_CELL_STAMP:
        if (!wr_cell_read_stamp(cell, s, n, &t))
            break;
        ((wr_time *) column->data)[row] = t;
        wr_cell_mark(column, row);
        return WEIR_OK;
    case WR_CELL_DATE:
        if (n != 10 || !wr_cell_read_day(cell, s))
            break;
        ((int32_t *) column->data)[row] = (int32_t) cell->day;
        wr_cell_mark(column, row);
        return WEIR_OK;
    default: break;
    }
    return put_value(cell, column, row, s, n, scratch);
}

/* A number in a time column: an epoch, where the format says of which unit. */
static weir_status
put_epoch(wr_cell *cell, wr_column *column, uint32_t row, const char *s, size_t n,
          wr_cell_scratch *scratch)
{
    static const int us_digits[] = { 0, 6, 3, 0, -3 }; /* by wr_time_unit */
    if (cell->unit == WR_UNIT_NONE)
        return wr_error_set(&scratch->error, WEIR_ROW_TYPE,
                            "number \"%.*s\" where a time is wanted: say time_unit: s, ms, us or "
                            "ns",
                            (int) WR_MIN(n, (size_t) 64), s);
    static const int64_t us_units[] = { 0, 1000000, 1000, 1, 0 };
    int64_t   v;
    wr_string num;
    wr_int128 us;
    if (us_units[cell->unit] != 0 && wr_cell_read_integer(s, n, &v) &&
        !__builtin_mul_overflow(v, us_units[cell->unit], &v))
        return wr_cell_put_time(cell, column, row, v, scratch);
    weir_status status = wr_num_parse(s, n, &scratch->arena, &num);
    if (status == WEIR_MEMORY)
        return status;
    int digits = us_digits[cell->unit];
    if (status != WEIR_OK || !wr_num_to_int128(&num, WR_MAX(digits, 0), &us))
        return out_of_range(cell, s, n, scratch);
    if (digits < 0) /* nanoseconds are cut, towards the past */
        us = us / 1000 - (us % 1000 < 0);
    if (us <= WR_TIME_NEGINF || us >= WR_TIME_POSINF)
        return out_of_range(cell, s, n, scratch);
    return wr_cell_put_time(cell, column, row, (wr_time) us, scratch);
}

weir_status
wr_cell_put_time(wr_cell *cell, wr_column *column, uint32_t row, wr_time t,
                 wr_cell_scratch *scratch)
{
    if (t < TIME_MIN || t >= WR_TIME_POSINF)
        return wr_error_set(&scratch->error, WEIR_ROW_OVERFLOW, "timestamp out of range");
    if (cell->kind == WR_CELL_DATE) {
        ((int32_t *) column->data)[row] =
            (int32_t) (t / WR_US_PER_DAY - (t % WR_US_PER_DAY < 0));
        wr_cell_mark(column, row);
        return WEIR_OK;
    }
    wr_assert(cell->kind == WR_CELL_STAMP);
    if (cell->digits < 6) {
        static const int64_t units[] = { 1000000, 100000, 10000, 1000, 100, 10 };
        int64_t unit = units[cell->digits], rest = t % unit;
        rest += rest < 0 ? unit : 0;
        t += 2 * rest >= unit ? unit - rest : -rest;
    }
    ((wr_time *) column->data)[row] = t;
    wr_cell_mark(column, row);
    return WEIR_OK;
}

/* An integer written with a point or an exponent: 1.0, 1e3. */
static weir_status
put_whole(wr_cell *cell, wr_column *column, uint32_t row, const char *s, size_t n,
          wr_cell_scratch *scratch)
{
    wr_string   num;
    int64_t     v;
    weir_status status = wr_num_parse(s, n, &scratch->arena, &num);
    if (status == WEIR_MEMORY)
        return status;
    if (status != WEIR_OK)
        return out_of_range(cell, s, n, scratch);
    if (wr_num_min_scale(&num) > 0)
        return put_value(cell, column, row, s, n, scratch); /* refuses it in PostgreSQL's words */
    if (wr_num_to_int64(&num, &v) != WEIR_OK || !integer_fits(cell, v))
        return out_of_range(cell, s, n, scratch);
    integer_store(cell, column, row, v);
    return WEIR_OK;
}

weir_status
wr_cell_put_number(wr_cell *cell, wr_column *column, uint32_t row, const char *s, size_t n,
                   wr_cell_scratch *scratch)
{
    int64_t v;
    switch ((wr_cell_kind) cell->kind) {
    case WR_CELL_INT2:
    case WR_CELL_INT4:
    case WR_CELL_INT8:
        if (!wr_cell_read_integer(s, n, &v))
            return put_whole(cell, column, row, s, n, scratch);
        if (!integer_fits(cell, v))
            return out_of_range(cell, s, n, scratch);
        integer_store(cell, column, row, v);
        return WEIR_OK;
    case WR_CELL_FLOAT8: {
        double d;
        if (wr_float8_parse(s, n, &d) != WEIR_OK)
            return out_of_range(cell, s, n, scratch);
        ((double *) column->data)[row] = d;
        wr_cell_mark(column, row);
        return WEIR_OK;
    }
    case WR_CELL_DATE:
    case WR_CELL_STAMP: return put_epoch(cell, column, row, s, n, scratch);
    default: return wr_cell_put_text(cell, column, row, s, n, scratch);
    }
}

weir_status
wr_cell_put_integer(wr_cell *cell, wr_column *column, uint32_t row, int64_t v,
                    wr_cell_scratch *scratch)
{
    char digits[24], *end = digits + sizeof digits, *p = end;
    if (integer_fits(cell, v)) {
        integer_store(cell, column, row, v);
        return WEIR_OK;
    }
    if (cell->kind == WR_CELL_NUMERIC && v > -1000000000000000000 && v < 1000000000000000000 &&
        wr_cell_store_decimal(cell, column, row, v, 0))
        return WEIR_OK;
    uint64_t u = v < 0 ? 0 - (uint64_t) v : (uint64_t) v;
    do
        *--p = (char) ('0' + u % 10);
    while ((u /= 10) != 0);
    if (v < 0)
        *--p = '-';
    return wr_cell_put_number(cell, column, row, p, (size_t) (end - p), scratch);
}

weir_status
wr_cell_put_double(wr_cell *cell, wr_column *column, uint32_t row, double v,
                   wr_cell_scratch *scratch)
{
    if (cell->kind == WR_CELL_FLOAT8) {
        ((double *) column->data)[row] = v;
        wr_cell_mark(column, row);
        return WEIR_OK;
    }
    char   text[WR_FLOAT_TEXT_MAX];
    size_t n = wr_float8_write(v, text);
    /* Infinity and NaN are words: numeric and text columns take them */
    if (v - v == 0)
        return wr_cell_put_number(cell, column, row, text, n, scratch);
    return wr_cell_put_text(cell, column, row, text, n, scratch);
}

weir_status
wr_cell_put_bool(wr_cell *cell, wr_column *column, uint32_t row, bool v, wr_cell_scratch *scratch)
{
    if (cell->kind != WR_CELL_BOOL)
        return wr_cell_put_text(cell, column, row, v ? "true" : "false", v ? 4 : 5, scratch);
    ((bool *) column->data)[row] = v;
    wr_cell_mark(column, row);
    return WEIR_OK;
}
