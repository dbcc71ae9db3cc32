/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/kernel_compare.c -- = <> < <= > >= on every type.
 *
 * Place       operators' tables (registry.c); CASE, IN and joins' residual predicates come here too.
 * State       none.
 * Invariants  B1  NaN equals NaN and lies above every number; -0 equals 0
 *             B2  text compares as bytes (the C collation), char(n) without its trailing blanks
 *             B3  a vector kernel agrees with the row kernel, which is wr_value_compare
 * Cost        integers, times and floats: SIMD over all physical rows, about 0.1 ns a row.
 */
#include "expr/kernel_impl.h"
#include "expr/registry_impl.h"

typedef enum compare_op { EQ, NE, LT, LE, GT, GE, OP_COUNT } compare_op;

/* a op b is b mirror[op] a: constants always stand on the right. */
static const compare_op mirror[OP_COUNT] = { EQ, NE, GT, GE, LT, LE };

static inline uint8_t
compare_holds(compare_op op, int c)
{
    switch (op) {
    case EQ: return c == 0;
    case NE: return c != 0;
    case LT: return c < 0;
    case LE: return c <= 0;
    case GT: return c > 0;
    default: return c >= 0;
    }
}

/* --- fixed widths --- */

typedef void (*compare_loop)(const void *a, const void *b, uint32_t count, uint8_t *out);
typedef struct compare_loops {
    compare_loop flat, constant; /* b is a column; b is one value */
} compare_loops;

#define COMPARE(NAME, T, HOLDS)                                                                    \
    WR_CLONES static void NAME##_flat(const void *a, const void *b, uint32_t count,            \
                                          uint8_t *restrict out)                                   \
    {                                                                                              \
        const T *left = a, *right = b;                                                             \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            T x = left[i], y = right[i];                                                           \
            out[i] = (uint8_t) (HOLDS);                                                            \
        }                                                                                          \
    }                                                                                              \
    WR_CLONES static void NAME##_constant(const void *a, const void *b, uint32_t count,        \
                                              uint8_t *restrict out)                               \
    {                                                                                              \
        const T *left = a, y = *(const T *) b;                                                     \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            T x = left[i];                                                                         \
            out[i] = (uint8_t) (HOLDS);                                                            \
        }                                                                                          \
    }
#define COMPARE_ALL(NAME, T)                                                                       \
    COMPARE(NAME##_eq, T, x == y)                                                                  \
    COMPARE(NAME##_ne, T, x != y)                                                                  \
    COMPARE(NAME##_lt, T, x < y)                                                                   \
    COMPARE(NAME##_le, T, x <= y)                                                                  \
    COMPARE(NAME##_gt, T, x > y)                                                                   \
    COMPARE(NAME##_ge, T, x >= y)
/* B1: x != x is "x is NaN". */
#define COMPARE_ALL_FLOAT(NAME, T)                                                                 \
    COMPARE(NAME##_eq, T, (x == y) | ((x != x) & (y != y)))                                        \
    COMPARE(NAME##_ne, T, !((x == y) | ((x != x) & (y != y))))                                     \
    COMPARE(NAME##_lt, T, (x == x) & !(y <= x))                                                    \
    COMPARE(NAME##_le, T, (y != y) | (x <= y))                                                     \
    COMPARE(NAME##_gt, T, (y == y) & !(x <= y))                                                    \
    COMPARE(NAME##_ge, T, (x != x) | (y <= x))
#define LOOPS(NAME)                                                                                \
    {                                                                                              \
        { NAME##_eq_flat, NAME##_eq_constant }, { NAME##_ne_flat, NAME##_ne_constant },            \
            { NAME##_lt_flat, NAME##_lt_constant }, { NAME##_le_flat, NAME##_le_constant },        \
            { NAME##_gt_flat, NAME##_gt_constant }, { NAME##_ge_flat, NAME##_ge_constant },        \
    }

COMPARE_ALL(i8, uint8_t)
COMPARE_ALL(i16, int16_t)
COMPARE_ALL(i32, int32_t)
COMPARE_ALL(i64, int64_t)
COMPARE_ALL_FLOAT(f32, float)
COMPARE_ALL_FLOAT(f64, double)

static const compare_loops loops_i8[OP_COUNT] = LOOPS(i8), loops_i16[OP_COUNT] = LOOPS(i16),
                           loops_i32[OP_COUNT] = LOOPS(i32), loops_i64[OP_COUNT] = LOOPS(i64),
                           loops_f32[OP_COUNT] = LOOPS(f32), loops_f64[OP_COUNT] = LOOPS(f64);

static const compare_loops *
loops_of(wr_type type)
{
    switch (type.id) {
    case WR_BOOL: return loops_i8;
    case WR_INT2: return loops_i16;
    case WR_INT4:
    case WR_DATE: return loops_i32;
    case WR_INT8:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return loops_i64;
    case WR_FLOAT4: return loops_f32;
    case WR_FLOAT8: return loops_f64;
    default: return NULL;
    }
}

static void
loops_run(const compare_loops *loops, compare_op op, const wr_kernel *k, uint32_t physical,
          uint8_t *out)
{
    const void *a = k->args[0]->data, *b = k->args[1]->data;
    if (k->constant[0])
        loops[mirror[op]].constant(b, a, physical, out);
    else if (k->constant[1])
        loops[op].constant(a, b, physical, out);
    else
        loops[op].flat(a, b, physical, out);
}

/* --- strings: only the selected rows, they may be long --- */

static void
compare_strings(compare_op op, const wr_kernel *k, wr_rows rows, uint8_t *out)
{
    const wr_string *a = k->args[0]->data, *b = k->args[1]->data;
    uint32_t         step_a = !k->constant[0], step_b = !k->constant[1];
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t         row = wr_rows_at(rows, i);
        const wr_string *x = &a[row * step_a], *y = &b[row * step_b];
        if (op <= NE)
            out[row] = wr_string_equal(x, y) == (op == EQ);
        else
            out[row] = compare_holds(op, wr_string_compare(x, y));
    }
}

/* --- numeric --- */

/* Both are nums: no boxing. */
static void
compare_nums(compare_op op, const wr_kernel *k, const wr_column *out_column, wr_rows rows,
             uint8_t *out)
{
    const wr_string *a = k->args[0]->data, *b = k->args[1]->data;
    uint32_t         step_a = !k->constant[0], step_b = !k->constant[1];
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        if (wr_kernel_has_value(out_column, row))
            out[row] = compare_holds(op, wr_num_compare(&a[row * step_a], &b[row * step_b]));
    }
}

/* Bring both to the larger scale; false when a value does not fit 128 bits there. */
static bool
compare_decimals(compare_op op, const wr_kernel *k, wr_rows rows, uint8_t *out)
{
    const wr_column *a = k->args[0], *b = k->args[1];
    int              shift = a->scale - b->scale;
    if (shift > 38 || shift < -38)
        return false;
    wr_int128 ten_a = wr_int128_power10(shift < 0 ? -shift : 0);
    wr_int128 ten_b = wr_int128_power10(shift > 0 ? shift : 0);
    bool      overflow = false;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t  row = wr_rows_at(rows, i);
        wr_int128 x, y;
        overflow |= __builtin_mul_overflow(wr_kernel_decimal(a, row), ten_a, &x);
        overflow |= __builtin_mul_overflow(wr_kernel_decimal(b, row), ten_b, &y);
        out[row] = compare_holds(op, (x > y) - (x < y));
    }
    return !overflow;
}

/* A constant brought to the other side's DEC64 scale, exactly: then it is a comparison of int64. */
static bool
constant_rescale(const wr_column *constant, const wr_column *column, int64_t *out)
{
    wr_int128 v = wr_kernel_decimal(constant, 0);
    int       shift = column->scale - constant->scale;
    if (column->form != WR_DEC64 || shift < -38 || shift > 38)
        return false;
    if (shift >= 0) {
        if (__builtin_mul_overflow(v, wr_int128_power10(shift), &v))
            return false;
    } else {
        wr_int128 ten = wr_int128_power10(-shift);
        if (v % ten != 0)
            return false;
        v /= ten;
    }
    *out = (int64_t) v;
    return *out == v;
}

static weir_status
compare_numeric(wr_eval *eval, compare_op op, const wr_kernel *k, uint32_t physical, wr_rows rows,
                wr_column *c)
{
    const wr_column *a = k->args[0], *b = k->args[1];
    int64_t          constant;
    if (a->form == WR_NUM && b->form == WR_NUM) {
        compare_nums(op, k, c, rows, c->data);
    } else if (a->form == WR_NUM || b->form == WR_NUM) {
        int       which = a->form == WR_NUM; /* the decimal; worth it only when it is one value */
        wr_kernel nums = *k;
        wr_value  value;
        if (!k->constant[which])
            return WEIR_QUERY_UNSUPPORTED;
        WR_TRY(wr_column_get_value(k->args[which], 0, &eval->step, &value));
        wr_column view = { .data = &value.string, .layout = WR_CONSTANT, .type = value.type };
        nums.args[which] = &view;
        compare_nums(op, &nums, c, rows, c->data);
    } else if (k->constant[1] && constant_rescale(b, a, &constant)) {
        loops_i64[op].constant(a->data, &constant, physical, c->data);
    } else if (k->constant[0] && constant_rescale(a, b, &constant)) {
        loops_i64[mirror[op]].constant(b->data, &constant, physical, c->data);
    } else if (a->form == WR_DEC64 && b->form == WR_DEC64 && a->scale == b->scale) {
        loops_run(loops_i64, op, k, physical, c->data);
    } else if (!compare_decimals(op, k, rows, c->data)) {
        return WEIR_QUERY_UNSUPPORTED;
    }
    return WEIR_OK;
}

/* --- the kernels --- */

static weir_status
compare_vector(compare_op op, wr_eval *eval, const wr_expr *call, wr_column *const *args,
               uint32_t physical, wr_rows rows, wr_column **out)
{
    const compare_loops *loops = loops_of(args[0]->type);
    wr_kernel            k;
    WR_TRY(wr_kernel_open(eval, args, 2, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c != NULL && loops == NULL && rows.count < c->capacity)
        memset(c->data, 0, c->capacity);
    if (status != WEIR_OK)
        ;
    else if (loops != NULL)
        loops_run(loops, op, &k, physical, c->data);
    else if (args[0]->type.id == WR_NUMERIC)
        status = compare_numeric(eval, op, &k, physical, rows, c);
    else
        compare_strings(op, &k, rows, c->data);
    return wr_kernel_end(&k, status, c, physical, out);
}

#define OPERATOR(NAME, OP)                                                                         \
    static weir_status NAME##_row(wr_eval *eval, uint32_t row, const wr_value *args,               \
                                  uint32_t arg_count, wr_value *out)                               \
    {                                                                                              \
        out->boolean = compare_holds(OP, wr_value_compare(&args[0], &args[1]));                    \
        return WEIR_OK;                                                                            \
    }                                                                                              \
    static weir_status NAME##_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,   \
                                     uint32_t arg_count, uint32_t physical, wr_rows rows,          \
                                     wr_column **out)                                              \
    {                                                                                              \
        return compare_vector(OP, eval, call, args, physical, rows, out);                          \
    }
OPERATOR(compare_eq, EQ)
OPERATOR(compare_ne, NE)
OPERATOR(compare_lt, LT)
OPERATOR(compare_le, LE)
OPERATOR(compare_gt, GT)
OPERATOR(compare_ge, GE)

#define FN_TOPIC "comparison"
/* What a type has a vector kernel for, and what it compares row by row. */
#define VECTORS(T)                                                                                 \
    FNV("=", T_BOOL, compare_eq_row, compare_eq_vector, 0, "equal", T, T),                         \
        FNV("<>", T_BOOL, compare_ne_row, compare_ne_vector, 0, "not equal", T, T),                \
        FNV("<", T_BOOL, compare_lt_row, compare_lt_vector, 0, "less than", T, T),                 \
        FNV("<=", T_BOOL, compare_le_row, compare_le_vector, 0, "less than or equal", T, T),       \
        FNV(">", T_BOOL, compare_gt_row, compare_gt_vector, 0, "greater than", T, T),              \
        FNV(">=", T_BOOL, compare_ge_row, compare_ge_vector, 0, "greater than or equal", T, T)
#define ROWWISE(T)                                                                                 \
    FN("=", T_BOOL, compare_eq_row, 0, "equal", T, T),                                             \
        FN("<>", T_BOOL, compare_ne_row, 0, "not equal", T, T),                                    \
        FN("<", T_BOOL, compare_lt_row, 0, "less than", T, T),                                     \
        FN("<=", T_BOOL, compare_le_row, 0, "less than or equal", T, T),                           \
        FN(">", T_BOOL, compare_gt_row, 0, "greater than", T, T),                                  \
        FN(">=", T_BOOL, compare_ge_row, 0, "greater than or equal", T, T)
/* Rows without a kernel: the arguments meet in the wider type (registry.c, F1). */
#define MIXED_ONE(A, B)                                                                            \
    FN("=", T_BOOL, NULL, 0, "", A, B), FN("<>", T_BOOL, NULL, 0, "", A, B),                       \
        FN("<", T_BOOL, NULL, 0, "", A, B), FN("<=", T_BOOL, NULL, 0, "", A, B),                   \
        FN(">", T_BOOL, NULL, 0, "", A, B), FN(">=", T_BOOL, NULL, 0, "", A, B)
#define MIXED(A, B) MIXED_ONE(A, B), MIXED_ONE(B, A)

const wr_function wr_fn_compare[] = {
    VECTORS(T_BOOL),
    VECTORS(T_INT2),
    VECTORS(T_INT4),
    VECTORS(T_INT8),
    VECTORS(T_FLOAT4),
    VECTORS(T_FLOAT8),
    VECTORS(T_NUMERIC),
    VECTORS(T_TEXT),
    VECTORS(T_BYTEA),
    VECTORS(T_DATE),
    VECTORS(T_TIME),
    VECTORS(T_TIMESTAMP),
    VECTORS(T_TIMESTAMPTZ),
    ROWWISE(T_BPCHAR),
    ROWWISE(T_INTERVAL),
    ROWWISE(T_UUID),
    ROWWISE(T_JSONB),
    ROWWISE(T_ARRAY),
    MIXED(T_INT2, T_INT4),
    MIXED(T_INT2, T_INT8),
    MIXED(T_INT4, T_INT8),
    MIXED(T_FLOAT4, T_FLOAT8),
    MIXED(T_DATE, T_TIMESTAMP),
    MIXED(T_DATE, T_TIMESTAMPTZ),
    MIXED(T_TIMESTAMP, T_TIMESTAMPTZ),
    FN_END,
};
