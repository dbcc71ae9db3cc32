/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_bits.c -- integers: bit operators, absolute value, mod, gcd, lcm.
 *
 * Place       rows of the function registry.
 * Invariants  a shift count is taken modulo the width of the machine's word (32 bits; 64 for
 *             bigint), as PostgreSQL on x86 has it; nothing wraps silently
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

/* The bounds of the result's type and its sentence when they are left. */
static weir_status
integer_give(wr_eval *eval, uint32_t row, __int128 value, wr_value *out)
{
    const char *name = out->type.id == WR_INT2   ? "smallint"
                       : out->type.id == WR_INT4 ? "integer"
                                                 : "bigint";
    __int128    most = out->type.id == WR_INT2   ? INT16_MAX
                       : out->type.id == WR_INT4 ? INT32_MAX
                                                 : INT64_MAX;
    if (value > most || value < -most - 1)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "%s out of range", name);
    out->integer = (int64_t) value;
    return WEIR_OK;
}

FN_KERNEL(integer_and)
{
    out->integer = args[0].integer & args[1].integer;
    return WEIR_OK;
}

FN_KERNEL(integer_or)
{
    out->integer = args[0].integer | args[1].integer;
    return WEIR_OK;
}

FN_KERNEL(integer_xor)
{
    out->integer = args[0].integer ^ args[1].integer;
    return WEIR_OK;
}

FN_KERNEL(integer_not)
{
    out->integer = ~args[0].integer;
    return WEIR_OK;
}

FN_KERNEL(integer_shift_left)
{
    uint64_t bits = (uint64_t) args[0].integer;
    if (out->type.id == WR_INT8)
        out->integer = (int64_t) (bits << (args[1].integer & 63));
    else if (out->type.id == WR_INT4)
        out->integer = (int32_t) ((uint32_t) bits << (args[1].integer & 31));
    else
        out->integer = (int16_t) ((uint32_t) bits << (args[1].integer & 31));
    return WEIR_OK;
}

FN_KERNEL(integer_shift_right)
{
    out->integer = args[0].integer >> (args[1].integer & (out->type.id == WR_INT8 ? 63 : 31));
    return WEIR_OK;
}

FN_KERNEL(integer_abs)
{
    __int128 x = args[0].integer;
    return integer_give(eval, row, x < 0 ? -x : x, out);
}

FN_KERNEL(integer_mod)
{
    if (args[1].integer == 0)
        return wr_eval_fail(eval, row, WEIR_ROW_DIVISION_BY_ZERO, "division by zero");
    out->integer = args[1].integer == -1 ? 0 : args[0].integer % args[1].integer;
    return WEIR_OK;
}

static unsigned __int128
integer_gcd_of(__int128 a, __int128 b)
{
    unsigned __int128 x = (unsigned __int128) (a < 0 ? -a : a);
    unsigned __int128 y = (unsigned __int128) (b < 0 ? -b : b);
    while (y != 0) {
        unsigned __int128 rest = x % y;
        x = y;
        y = rest;
    }
    return x;
}

FN_KERNEL(integer_gcd)
{
    return integer_give(eval, row, (__int128) integer_gcd_of(args[0].integer, args[1].integer),
                        out);
}

FN_KERNEL(integer_lcm)
{
    __int128 a = args[0].integer, b = args[1].integer;
    if (a == 0 || b == 0) {
        out->integer = 0;
        return WEIR_OK;
    }
    __int128 product = a / (__int128) integer_gcd_of(a, b) * b;
    return integer_give(eval, row, product < 0 ? -product : product, out);
}

/* --- vector kernels: a constant divisor --- */

#define MOD_VECTOR(NAME, TYPE)                                                                     \
    static weir_status NAME(wr_eval *eval, const wr_expr *call, wr_column *const *args,            \
                            uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)  \
    {                                                                                              \
        if (args[0]->layout != WR_FLAT || args[1]->layout != WR_CONSTANT ||                        \
            wr_column_is_null(args[1], 0))                                                         \
            return WEIR_QUERY_UNSUPPORTED;                                                         \
        TYPE       by = *(const TYPE *) args[1]->data;                                             \
        uint16_t   kept[WR_BATCH_ROWS_MAX];                                                        \
        wr_rows    live;                                                                           \
        wr_column *made;                                                                           \
        if (by == 0 || by == -1)                                                                   \
            return WEIR_QUERY_UNSUPPORTED;                                                         \
        WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));  \
        const TYPE *from = args[0]->data;                                                          \
        TYPE       *to = made->data;                                                               \
        for (uint32_t i = 0; i < live.count; i++)                                                  \
            to[fn_row(live, i)] = from[fn_row(live, i)] % by;                                      \
        *out = made;                                                                               \
        return WEIR_OK;                                                                            \
    }
MOD_VECTOR(int4_mod_vector, int32_t)
MOD_VECTOR(int8_mod_vector, int64_t)

#define FN_TOPIC "number"
#define BITS_BINARY(NAME, KERNEL, DOC)                                                             \
    FN(NAME, T_INT2, KERNEL, 0, DOC, T_INT2, T_INT2),                                              \
        FN(NAME, T_INT4, KERNEL, 0, DOC, T_INT4, T_INT4),                                          \
        FN(NAME, T_INT8, KERNEL, 0, DOC, T_INT8, T_INT8)
#define BITS_SHIFT(NAME, KERNEL, DOC)                                                              \
    FN(NAME, T_INT2, KERNEL, 0, DOC, T_INT2, T_INT4),                                              \
        FN(NAME, T_INT4, KERNEL, 0, DOC, T_INT4, T_INT4),                                          \
        FN(NAME, T_INT8, KERNEL, 0, DOC, T_INT8, T_INT4)
#define BITS_UNARY(NAME, KERNEL, FLAGS, DOC)                                                       \
    FN(NAME, T_INT2, KERNEL, FLAGS, DOC, T_INT2), FN(NAME, T_INT4, KERNEL, FLAGS, DOC, T_INT4),    \
        FN(NAME, T_INT8, KERNEL, FLAGS, DOC, T_INT8)
const wr_function wr_fn_bits[] = {
    BITS_BINARY("&", integer_and, "bits set in both"),
    BITS_BINARY("|", integer_or, "bits set in either"),
    BITS_BINARY("#", integer_xor, "bits set in one alone"),
    BITS_UNARY("~", integer_not, 0, "bits turned over"),
    BITS_SHIFT("<<", integer_shift_left, "bits moved left"),
    BITS_SHIFT(">>", integer_shift_right, "bits moved right"),
    BITS_UNARY("abs", integer_abs, FN_FAILS, "absolute value"),
    BITS_UNARY("@", integer_abs, FN_FAILS, "absolute value"),
    FN("mod", T_INT2, integer_mod, FN_FAILS, "remainder of a division", T_INT2, T_INT2),
    FNV("mod", T_INT4, integer_mod, int4_mod_vector, FN_FAILS, "remainder of a division", T_INT4,
        T_INT4),
    FNV("mod", T_INT8, integer_mod, int8_mod_vector, FN_FAILS, "remainder of a division", T_INT8,
        T_INT8),
    FN("gcd", T_INT4, integer_gcd, FN_FAILS, "greatest common divisor", T_INT4, T_INT4),
    FN("gcd", T_INT8, integer_gcd, FN_FAILS, "greatest common divisor", T_INT8, T_INT8),
    FN("lcm", T_INT4, integer_lcm, FN_FAILS, "least common multiple", T_INT4, T_INT4),
    FN("lcm", T_INT8, integer_lcm, FN_FAILS, "least common multiple", T_INT8, T_INT8),
    FN_END,
};
