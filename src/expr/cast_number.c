/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/cast_number.c -- casts among numbers and booleans.
 *
 * Place       the cast table (cast.c).
 * State       none.
 * Invariants  N1  rounding is PostgreSQL's: numeric half away from zero, floats half to even
 *             N2  integers become decimals of scale 0, and numeric(p,s) a decimal of scale s, so that
 *                 arithmetic after a cast stays in machine integers
 */
#include "expr/cast_impl.h"

#include <math.h>

/* --- row kernels --- */

FN_KERNEL(int_widen)
{
    out->integer = args[0].integer;
    return WEIR_OK;
}

FN_KERNEL(int_narrow)
{
    int64_t v = args[0].integer;
    if (v < cast_int_min(out->type) || v > cast_int_max(out->type))
        return cast_int_fail(eval, row, out->type);
    out->integer = v;
    return WEIR_OK;
}

FN_KERNEL(int_float)
{
    out->real = out->type.id == WR_FLOAT4 ? (double) (float) args[0].integer
                                          : (double) args[0].integer;
    return WEIR_OK;
}

FN_KERNEL(int_numeric)
{
    return wr_num_from_int64(args[0].integer, &eval->step, &out->string);
}

FN_KERNEL(int_bool)
{
    out->boolean = args[0].integer != 0;
    return WEIR_OK;
}

FN_KERNEL(bool_int)
{
    out->integer = args[0].boolean;
    return WEIR_OK;
}

FN_KERNEL(float_int)
{
    double v = rint(args[0].real);
    /* 2^63 is a double, INT64_MAX is not */
    if (!(v >= (double) cast_int_min(out->type)) || v >= -(double) cast_int_min(out->type))
        return cast_int_fail(eval, row, out->type);
    out->integer = (int64_t) v;
    return WEIR_OK;
}

FN_KERNEL(float_widen)
{
    out->real = args[0].real;
    return WEIR_OK;
}

FN_KERNEL(float_narrow)
{
    float v = (float) args[0].real;
    if (isinf(v) && !isinf(args[0].real))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "value out of range: overflow");
    if (v == 0.0f && args[0].real != 0.0)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "value out of range: underflow");
    out->real = (double) v;
    return WEIR_OK;
}

FN_KERNEL(float_numeric)
{
    weir_status status =
        args[0].type.id == WR_FLOAT4
            ? wr_num_from_float((float) args[0].real, &eval->step, &out->string)
            : wr_num_from_double(args[0].real, &eval->step, &out->string);
    return wr_fn_num(eval, row, status);
}

FN_KERNEL(numeric_int)
{
    const wr_string *num = &args[0].string;
    int64_t          v;
    if (wr_num_is_nan(num) || wr_num_is_infinite(num)) {
        const char *type = out->type.id == WR_INT2   ? "smallint"
                           : out->type.id == WR_INT4 ? "integer"
                                                     : "bigint";
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "cannot convert %s to %s",
                            wr_num_is_nan(num) ? "NaN" : "infinity", type);
    }
    if (wr_num_to_int64(num, &v) != WEIR_OK || v < cast_int_min(out->type) ||
        v > cast_int_max(out->type))
        return cast_int_fail(eval, row, out->type);
    out->integer = v;
    return WEIR_OK;
}

FN_KERNEL(numeric_float)
{
    const wr_string *num = &args[0].string;
    double           v = wr_num_to_double(num), rounded = v;
    if (out->type.id == WR_FLOAT4)
        rounded = (double) (float) v;
    bool infinite = isinf(rounded) && !wr_num_is_infinite(num);
    bool vanished = rounded == 0.0 && wr_num_sign(num) != 0;
    if (infinite || vanished) {
        wr_text text;
        wr_text_init(&text, eval->budget);
        wr_num_print(num, &text);
        weir_status status = wr_eval_fail(
            eval, row, WEIR_ROW_OVERFLOW, "\"%.200s\" is out of range for type %s",
            wr_text_string(&text), out->type.id == WR_FLOAT4 ? "real" : "double precision");
        wr_text_fini(&text);
        return status;
    }
    out->real = rounded;
    return WEIR_OK;
}

static weir_status
fit_fail(wr_eval *eval, uint32_t row)
{
    return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "numeric field overflow");
}

FN_KERNEL(fit_numeric)
{
    weir_status status = wr_num_apply_modifier(&args[0].string, out->type.modifier, out->type.scale,
                                               &eval->step, &out->string);
    return status == WEIR_ROW_OVERFLOW ? fit_fail(eval, row) : wr_fn_num(eval, row, status);
}

/* --- vector kernels: one argument, FLAT or dictionary --- */

#define FN_VECTOR(NAME)                                                                            \
    static weir_status NAME(wr_eval *eval, const wr_expr *call, wr_column *const *args,            \
                            uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)

#define CONVERT(FROM, TO)                                                                          \
    do {                                                                                           \
        const FROM *from = k.args[0]->data;                                                        \
        TO         *to = c->data;                                                                  \
        for (uint32_t i = 0; i < physical; i++)                                                    \
            to[i] = (TO) from[i];                                                                  \
    } while (0)

static inline int
type_pair(wr_type from, wr_type to)
{
    return from.id << 8 | to.id;
}
#define PAIR(FROM, TO) ((FROM) << 8 | (TO))

/* Conversions that cannot fail, over all physical rows. */
FN_VECTOR(number_vector)
{
    wr_kernel k;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_DEC64, 0, physical);
    weir_status status = WEIR_OK;
    if (c == NULL)
        return wr_kernel_end(&k, WEIR_MEMORY, c, physical, out);
    switch (type_pair(args[0]->type, call->type)) {
    case PAIR(WR_INT2, WR_INT4): CONVERT(int16_t, int32_t); break;
    case PAIR(WR_INT2, WR_NUMERIC): /* N2: the same data */
    case PAIR(WR_INT2, WR_INT8): CONVERT(int16_t, int64_t); break;
    case PAIR(WR_INT4, WR_NUMERIC):
    case PAIR(WR_INT4, WR_INT8): CONVERT(int32_t, int64_t); break;
    case PAIR(WR_INT8, WR_NUMERIC): CONVERT(int64_t, int64_t); break;
    case PAIR(WR_INT2, WR_FLOAT4): CONVERT(int16_t, float); break;
    case PAIR(WR_INT4, WR_FLOAT4): CONVERT(int32_t, float); break;
    case PAIR(WR_INT8, WR_FLOAT4): CONVERT(int64_t, float); break;
    case PAIR(WR_INT2, WR_FLOAT8): CONVERT(int16_t, double); break;
    case PAIR(WR_INT4, WR_FLOAT8): CONVERT(int32_t, double); break;
    case PAIR(WR_INT8, WR_FLOAT8): CONVERT(int64_t, double); break;
    case PAIR(WR_FLOAT4, WR_FLOAT8): CONVERT(float, double); break;
    default: status = WEIR_QUERY_UNSUPPORTED;
    }
    return wr_kernel_end(&k, status, c, physical, out);
}

#define NARROW(FROM, TO)                                                                           \
    do {                                                                                           \
        const FROM *from = k.args[0]->data;                                                        \
        TO         *to = c->data;                                                                  \
        for (uint32_t i = 0; i < physical; i++) {                                                  \
            to[i] = (TO) from[i];                                                                  \
            lost |= (uint64_t) (from[i] ^ (FROM) to[i]);                                           \
        }                                                                                          \
    } while (0)

FN_VECTOR(int_narrow_vector)
{
    uint64_t  lost = 0;
    wr_kernel k;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c != NULL)
        switch (type_pair(args[0]->type, call->type)) {
        case PAIR(WR_INT8, WR_INT4): NARROW(int64_t, int32_t); break;
        case PAIR(WR_INT8, WR_INT2): NARROW(int64_t, int16_t); break;
        case PAIR(WR_INT4, WR_INT2): NARROW(int32_t, int16_t); break;
        default: status = WEIR_QUERY_UNSUPPORTED;
        }
    if (status == WEIR_OK && lost != 0)
        status = wr_kernel_locate(eval, call, &k, rows, c);
    return wr_kernel_end(&k, status, c, physical, out);
}

/* From one scale to another: multiply by ten, or divide by it half away from zero. */
typedef struct rescaler {
    int       shift;
    wr_int128 ten; /* 10^|shift| */
} rescaler;

static bool
rescaler_make(int from_scale, int to_scale, rescaler *r)
{
    r->shift = to_scale - from_scale;
    if (r->shift > 38 || r->shift < -38)
        return false;
    r->ten = wr_int128_power10(r->shift < 0 ? -r->shift : r->shift);
    return true;
}

/* False beyond 128 bits. */
static inline bool
rescale(const rescaler *r, wr_int128 value, wr_int128 *out)
{
    if (r->shift >= 0)
        return !__builtin_mul_overflow(value, r->ten, out);
    if (WR_LIKELY(value == (int64_t) value && r->shift >= -18)) { /* one machine division */
        int64_t v = (int64_t) value, ten = (int64_t) r->ten, half = ten / 2;
        int64_t quotient = v / ten, rest = v - quotient * ten;
        *out = quotient + (rest >= half) - (rest <= -half);
        return true;
    }
    wr_int128 half = r->ten / 2, quotient = value / r->ten, rest = value % r->ten;
    *out = quotient + (rest >= half) - (rest <= -half);
    return true;
}

/* Decimals and nums into numeric(p,s) of at most 38 digits; NaN (which fits any) is left to the row kernel. */
FN_VECTOR(fit_numeric_vector)
{
    wr_type to = call->type;
    wr_kernel k;
    rescaler  r;
    if (to.modifier > 38 || to.scale < 0 ||
        !rescaler_make(wr_column_base(args[0])->scale, to.scale, &r))
        return WEIR_QUERY_UNSUPPORTED;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    bool             narrow = to.modifier <= 18;
    const wr_column *from = k.args[0];
    wr_int128        limit = wr_int128_power10(to.modifier), v = 0;
    wr_column       *c =
        wr_kernel_result(eval, &k, to, narrow ? WR_DEC64 : WR_DEC128, to.scale, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c != NULL && rows.count < c->capacity)
        memset(c->data, 0, wr_column_width(c) * c->capacity);
    if (c != NULL && c->form == from->form && c->scale == from->scale &&
        from->type.modifier == to.modifier && from->type.scale == to.scale)
        rows.count = 0, memcpy(c->data, from->data, wr_column_width(c) * physical);
    for (uint32_t i = 0; i < rows.count && status == WEIR_OK; i++) {
        uint32_t row = wr_rows_at(rows, i);
        bool     fits;
        if (!wr_kernel_has_value(from, row))
            continue;
        if (from->form == WR_NUM) {
            const wr_string *num = &((const wr_string *) from->data)[row];
            if (wr_num_is_nan(num)) {
                status = WEIR_QUERY_UNSUPPORTED;
                break;
            }
            fits = wr_num_to_int128(num, to.scale, &v);
        } else {
            fits = rescale(&r, wr_kernel_decimal(from, row), &v);
        }
        if (!fits || v >= limit || v <= -limit) {
            if (fit_fail(eval, row) == WEIR_MEMORY)
                status = WEIR_MEMORY;
            else
                status = wr_column_set_null(c, row);
        } else if (narrow) {
            ((int64_t *) c->data)[row] = (int64_t) v;
        } else {
            ((wr_int128 *) c->data)[row] = v;
        }
    }
    return wr_kernel_end(&k, status, c, physical, out);
}

/* A decimal below 2^53 over a power of ten that is a double divides to the nearest double. */
FN_VECTOR(numeric_float_vector)
{
    if (wr_column_base(args[0])->form != WR_DEC64 || wr_column_base(args[0])->scale > 22 ||
        call->type.id != WR_FLOAT8)
        return WEIR_QUERY_UNSUPPORTED;
    wr_kernel k;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c != NULL) {
        const int64_t *from = k.args[0]->data;
        double        *to = c->data, ten = 1.0;
        for (int s = 0; s < k.args[0]->scale; s++)
            ten *= 10.0; /* exact up to 1e22 */
        int64_t  limit = 1ll << 53;
        uint64_t large = 0;
        for (uint32_t i = 0; i < physical; i++) {
            to[i] = (double) from[i] / ten;
            large |= (uint64_t) ((from[i] > limit) | (from[i] < -limit));
        }
        for (uint32_t i = 0; large != 0 && i < rows.count && status == WEIR_OK; i++) {
            uint32_t  row = wr_rows_at(rows, i);
            wr_string num;
            if (WR_LIKELY(from[row] <= limit && from[row] >= -limit))
                continue;
            status = wr_num_from_int128(from[row], k.args[0]->scale, &eval->step, &num);
            to[row] = status == WEIR_OK ? wr_num_to_double(&num) : 0.0;
        }
    }
    return wr_kernel_end(&k, status, c, physical, out);
}

/* Decimals to integers: half away from zero, then the range. */
FN_VECTOR(numeric_int_vector)
{
    wr_kernel k;
    rescaler  r;
    if (wr_column_base(args[0])->form == WR_NUM ||
        !rescaler_make(wr_column_base(args[0])->scale, 0, &r))
        return WEIR_QUERY_UNSUPPORTED;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    const wr_column *from = k.args[0];
    wr_column       *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status      status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    int64_t          least = cast_int_min(call->type), most = cast_int_max(call->type);
    bool             failed = false;
    if (c != NULL && rows.count < c->capacity)
        memset(c->data, 0, wr_column_width(c) * c->capacity);
    for (uint32_t i = 0; i < rows.count && status == WEIR_OK; i++) {
        uint32_t  row = wr_rows_at(rows, i);
        wr_int128 wide = 0;
        bool      fits = rescale(&r, wr_kernel_decimal(from, row), &wide) && wide >= least &&
                    wide <= most;
        int64_t v = fits ? (int64_t) wide : 0;
        failed |= !fits;
        switch (call->type.id) {
        case WR_INT2: ((int16_t *) c->data)[row] = (int16_t) v; break;
        case WR_INT4: ((int32_t *) c->data)[row] = (int32_t) v; break;
        default: ((int64_t *) c->data)[row] = v; break;
        }
    }
    if (status == WEIR_OK && failed)
        status = wr_kernel_locate(eval, call, &k, rows, c);
    return wr_kernel_end(&k, status, c, physical, out);
}

const wr_function wr_cast_int_widen =
    CAST("int", int_widen, number_vector, 0, "a wider integer");
const wr_function wr_cast_int_narrow =
    CAST("int_narrow", int_narrow, int_narrow_vector, FN_FAILS, "a narrower integer");
const wr_function wr_cast_int_float =
    CAST("int_float", int_float, number_vector, 0, "integer to floating point");
const wr_function wr_cast_int_numeric =
    CAST("int_numeric", int_numeric, number_vector, 0, "integer to numeric");
const wr_function wr_cast_int_bool = CAST("int_bool", int_bool, NULL, 0, "true unless zero");
const wr_function wr_cast_bool_int = CAST("bool_int", bool_int, NULL, 0, "1 for true");
const wr_function wr_cast_float_int =
    CAST("float_int", float_int, NULL, FN_FAILS, "the nearest integer, halves to even");
const wr_function wr_cast_float_widen =
    CAST("float", float_widen, number_vector, 0, "real to double precision");
const wr_function wr_cast_float_narrow =
    CAST("float_narrow", float_narrow, NULL, FN_FAILS, "double precision to real");
const wr_function wr_cast_float_numeric =
    CAST("float_numeric", float_numeric, NULL, FN_FAILS, "floating point to numeric");
const wr_function wr_cast_numeric_int =
    CAST("numeric_int", numeric_int, numeric_int_vector, FN_FAILS, "the nearest integer, halves away from zero");
const wr_function wr_cast_numeric_float = CAST("numeric_float", numeric_float,
                                               numeric_float_vector, FN_FAILS,
                                               "numeric to floating point");
const wr_function wr_cast_fit_numeric =
    CAST("fit_numeric", fit_numeric, fit_numeric_vector, FN_FAILS, "round to numeric(p,s)");
