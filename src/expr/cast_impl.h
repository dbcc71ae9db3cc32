/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/cast_impl.h -- the functions behind the cast table; cast.c says who may be cast to whom.
 *
 * Each converts to the bare type of the call (call->type, out->type).  What stands in parentheses is
 * a second call by one of the wr_cast_fit functions.
 *
 * Place       cast.c includes it and the files that define these.
 */
#pragma once

#include "expr/kernel_impl.h"
#include "expr/registry_impl.h"

/* One row of a cast: used as any function, named for wr_expr_hash_text. */
#define CAST(NAME, SCALAR, VECTOR, FLAGS, DOC)                                                     \
    {                                                                                              \
        .name = NAME, .arg_count = 1, .can_fail = ((FLAGS) & FN_FAILS) != 0,                       \
        .args = { { WR_ANY, 0, 0, -1 } }, .result = { WR_ANY, 0, 0, -1 }, .scalar = SCALAR,        \
        .vector = VECTOR, .topic = "cast", .doc = DOC,                                             \
    }

/* cast_number.c */
extern const wr_function wr_cast_int_widen, wr_cast_int_narrow, wr_cast_int_float,
    wr_cast_int_numeric, wr_cast_int_bool, wr_cast_bool_int, wr_cast_float_int,
    wr_cast_float_widen, wr_cast_float_narrow, wr_cast_float_numeric, wr_cast_numeric_int,
    wr_cast_numeric_float, wr_cast_fit_numeric;
/* cast_text.c */
extern const wr_function wr_cast_to_text, wr_cast_from_text, wr_cast_text_bpchar,
    wr_cast_json_jsonb, wr_cast_jsonb_json, wr_cast_jsonb_scalar, wr_cast_fit_text,
    wr_cast_fit_text_strict, wr_cast_fit_bpchar, wr_cast_fit_bpchar_strict, wr_cast_array,
    wr_cast_array_strict;
/* cast_time.c */
extern const wr_function wr_cast_date_timestamp, wr_cast_timestamp_date, wr_cast_timestamp_time,
    wr_cast_timestamp_zone, wr_cast_time_interval, wr_cast_interval_time, wr_cast_fit_time;

/* The bounds of an integer type. */
static inline int64_t
cast_int_min(wr_type t)
{
    return t.id == WR_INT2 ? INT16_MIN : t.id == WR_INT4 ? INT32_MIN : INT64_MIN;
}
static inline int64_t
cast_int_max(wr_type t)
{
    return t.id == WR_INT2 ? INT16_MAX : t.id == WR_INT4 ? INT32_MAX : INT64_MAX;
}
/* "integer out of range" and its kin. */
static inline weir_status
cast_int_fail(wr_eval *eval, uint32_t row, wr_type t)
{
    return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "%s out of range",
                        t.id == WR_INT2   ? "smallint"
                        : t.id == WR_INT4 ? "integer"
                                          : "bigint");
}
/* The function that fits a value of the type into its parentheses; NULL when it has none. */
const wr_function *wr_cast_fit(wr_type to, wr_cast_context context);
