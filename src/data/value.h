/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/value.h -- one value in a box: constants of plans, row-wise functions, tests.
 *
 * Hot loops work on columns; this is the form for everything else.  String-like payloads (text,
 * bytea, json, jsonb, array, numeric) are views: whoever made the value says who owns the bytes,
 * usually an arena.
 */
#pragma once

#include "data/type.h"

typedef struct wr_value {
    wr_type type;
    bool    is_null;
    union {
        bool        boolean;
        int64_t     integer;  /* int2/4/8, date (days), time, timestamps (us) */
        double      real;     /* float4 (rounded to float), float8            */
        wr_string   string;   /* text, bpchar, bytea, json, jsonb, array, numeric as wr_num (numeric.h) */
        wr_interval interval;
        wr_uuid     uuid;
    };
} wr_value;

static inline wr_value
wr_value_null(wr_type type)
{
    return (wr_value){ .type = type, .is_null = true };
}

/*
 * PostgreSQL's text form in and out.  parse copies what it must into arena; err names the value and
 * type ("invalid input syntax for type bigint: \"x\"").  It honours the modifier of type (numeric
 * rounds to its scale, varchar(n) is refused when longer, timestamp(p) rounds).
 * Errors: WEIR_ROW_TYPE, WEIR_ROW_OVERFLOW, WEIR_MEMORY.
 */
weir_status wr_value_parse(wr_type type, const char *text, size_t length, wr_arena *arena,
                           wr_value *out, weir_error *err);
/* Appends what psql would show (UTC); NULL appends nothing. */
void wr_value_print(const wr_value *value, wr_text *to);
/* Appends JSON: numbers bare (numeric keeps its digits; NaN and infinities as strings), booleans, null, jsonb embedded,
 * arrays as JSON arrays, times as ISO 8601 ("2026-01-01T00:00:00Z" for timestamptz, no Z for timestamp), the rest as strings. */
void wr_value_print_json(const wr_value *value, wr_text *to);
/* Total order within one type, as ORDER BY has it: NaN above all numbers, NULLs are the caller's. */
int  wr_value_compare(const wr_value *a, const wr_value *b);
bool wr_value_equal(const wr_value *a, const wr_value *b); /* same type; NULL equals NULL */
/* Deep copy into arena (inline strings need none). */
weir_status wr_value_copy(const wr_value *value, wr_arena *arena, wr_value *out);
