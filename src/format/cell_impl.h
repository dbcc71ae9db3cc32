/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/cell_impl.h -- one decoded value into one cell of a column: what all decoders share.
 *
 * Place       decoders find the bytes of a value; a wr_cell knows its column's type and writes it.
 * Invariants  E1  a call that fails leaves rows below `row` as they were
 *             E2  the text forms accepted are PostgreSQL's (wr_value_parse); the fast paths accept
 *                 a part of them and give the same value
 *             E3  a written row has its validity bit set, a NULL row is zeroed
 */
#pragma once

#include "data/column.h"
#include "data/schema.h"

#include <string.h>

typedef enum wr_cell_kind {
    WR_CELL_OTHER, /* by wr_value_parse */
    WR_CELL_BOOL,
    WR_CELL_INT2,
    WR_CELL_INT4,
    WR_CELL_INT8,
    WR_CELL_FLOAT4,
    WR_CELL_FLOAT8,
    WR_CELL_NUMERIC,
    WR_CELL_TEXT, /* text, varchar(n) */
    WR_CELL_DATE,
    WR_CELL_STAMP, /* timestamp, timestamptz */
    WR_CELL_JSON,  /* json, jsonb */
    WR_CELL_ARRAY,
    WR_CELL_SKIP, /* JSON templates: a value that nobody wants */
} wr_cell_kind;

/* What a bare number means in a time column. */
typedef enum wr_time_unit {
    WR_UNIT_NONE,
    WR_UNIT_S,
    WR_UNIT_MS,
    WR_UNIT_US,
    WR_UNIT_NS,
} wr_time_unit;
#define WR_TIME_UNIT_CHOICES "none|s|ms|us|ns"

typedef struct wr_cell {
    wr_type     type;
    uint8_t     kind;   /* wr_cell_kind                                     */
    uint8_t     digits; /* times: digits of a second that are kept          */
    uint8_t     unit;   /* wr_time_unit                                     */
    bool        not_null;
    uint32_t    characters_max; /* text; UINT32_MAX: any                    */
    const char *name;
    uint32_t    stamp_bytes; /* the length of the last timestamp read, 0: none yet */
    /* The last date seen, so that a run of one day parses it once. */
    char    day_text[10];
    bool    day_known;
    int64_t day; /* since 1970 */
} wr_cell;

/* Scratch of a decoder: one a decoder, reset once a record that used it. */
typedef struct wr_cell_scratch {
    wr_arena   arena;
    weir_error error; /* filled by every failing call but WEIR_MEMORY */
} wr_cell_scratch;

/* Borrows field's name. */
void wr_cell_init(wr_cell *cell, const wr_field *field, wr_time_unit unit);

/* NULL, or WEIR_ROW_NULL where the column is NOT NULL. */
weir_status wr_cell_put_null(const wr_cell *cell, wr_column *column, uint32_t row,
                             wr_cell_scratch *scratch);
/* A text (valid UTF-8) by the type's input rules. */
weir_status wr_cell_put_text(wr_cell *cell, wr_column *column, uint32_t row, const char *s,
                             size_t n, wr_cell_scratch *scratch);
/* A number [-]digits[.digits][e[+-]digits], as JSON spells it. */
weir_status wr_cell_put_number(wr_cell *cell, wr_column *column, uint32_t row, const char *s,
                               size_t n, wr_cell_scratch *scratch);
/* A JSON value that is well formed: an object, a list; any value for a json column. */
weir_status wr_cell_put_json(wr_cell *cell, wr_column *column, uint32_t row, const char *s,
                             size_t n, wr_cell_scratch *scratch);
weir_status wr_cell_put_integer(wr_cell *cell, wr_column *column, uint32_t row, int64_t v,
                                wr_cell_scratch *scratch);
weir_status wr_cell_put_double(wr_cell *cell, wr_column *column, uint32_t row, double v,
                               wr_cell_scratch *scratch);
weir_status wr_cell_put_bool(wr_cell *cell, wr_column *column, uint32_t row, bool v,
                             wr_cell_scratch *scratch);
/* Microseconds since 1970 into a time column. */
weir_status wr_cell_put_time(wr_cell *cell, wr_column *column, uint32_t row, wr_time t,
                             wr_cell_scratch *scratch);

/* [-]digits, at most 19 of them, into int64; false when it is anything else. */
bool wr_cell_read_integer(const char *s, size_t n, int64_t *out);
/* [-]digits[.digits] of at most 18 digits: v / 10^scale. */
bool wr_cell_read_decimal(const char *s, size_t n, int64_t *v, int *scale);
/* "YYYY-MM-DD", years 1 to 9999. */
bool wr_cell_read_day(wr_cell *cell, const char *s);

/* --- the short ways, inline for the loops that run once a value --- */

static inline void
wr_cell_mark(wr_column *c, uint32_t row)
{
    if (WR_UNLIKELY(c->valid != NULL))
        wr_bitmap_set(c->valid, row);
}

/* v / 10^scale into a decimal column; false: the long way knows. */
static inline bool
wr_cell_store_decimal(const wr_cell *cell, wr_column *c, uint32_t row, int64_t v, int scale)
{
    static const int64_t power10[19] = {
        1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
        100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
        10000000000000000, 100000000000000000, 1000000000000000000,
    };
    int up = c->scale - scale;
    if (c->form == WR_NUM || up < 0 || up > 18 || (up > 0 && cell->type.modifier < 0) ||
        __builtin_mul_overflow(v, power10[up], &v))
        return false;
    int32_t p = cell->type.modifier;
    if (p >= 0 && p <= 18 && (v >= power10[p] || v <= -power10[p]))
        return false;
    if (c->form == WR_DEC64)
        ((int64_t *) c->data)[row] = v;
    else
        ((wr_int128 *) c->data)[row] = v;
    wr_cell_mark(c, row);
    return true;
}

/* "HH:MM:SS" at s (8 bytes) into seconds of the day, or -1. */
static inline int32_t
wr_cell_read_clock(const char *s)
{
    uint64_t x;
    memcpy(&x, s, 8);
    x ^= 0x30303a30303a3030u; /* digits become 0..9, colons 0 */
    if (((x | (x + 0x0606000606000606u)) & 0xf0f0fff0f0fff0f0u) != 0)
        return -1;
    uint32_t h = (uint32_t) (x & 15) * 10 + (uint32_t) (x >> 8 & 15);
    uint32_t m = (uint32_t) (x >> 24 & 15) * 10 + (uint32_t) (x >> 32 & 15);
    uint32_t sec = (uint32_t) (x >> 48 & 15) * 10 + (uint32_t) (x >> 56);
    if (h > 23 || m > 59 || sec > 59)
        return -1;
    return (int32_t) (h * 3600 + m * 60 + sec);
}

/* "YYYY-MM-DD[T ]HH:MM:SS[.f{1,6}][Z]"; false: the long way knows.  Reads s[0..n) alone. */
static inline bool
wr_cell_read_stamp(wr_cell *cell, const char *s, size_t n, wr_time *out)
{
    if (n < 19 || n > 27 || (s[10] != 'T' && s[10] != ' '))
        return false;
    if (WR_UNLIKELY(!cell->day_known || memcmp(s, cell->day_text, 8) != 0 ||
                    memcmp(s + 8, cell->day_text + 8, 2) != 0) &&
        !wr_cell_read_day(cell, s))
        return false;
    int32_t seconds = wr_cell_read_clock(s + 11);
    if (seconds < 0)
        return false;
    uint32_t us = 0;
    if (s[n - 1] == 'Z')
        n--;
    if (n > 19) {
        static const uint32_t unit[7] = { 0, 100000, 10000, 1000, 100, 10, 1 };
        size_t                digits = n - 20;
        if (s[19] != '.' || digits == 0 || digits > cell->digits)
            return false;
        for (size_t i = 20; i < n; i++) {
            uint32_t d = (uint32_t) (uint8_t) s[i] - '0';
            if (d > 9)
                return false;
            us = us * 10 + d;
        }
        us *= unit[digits];
    }
    *out = (cell->day * 86400 + seconds) * 1000000 + us;
    return true;
}
