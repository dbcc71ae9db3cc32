/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/arith_decimal.c -- numeric arithmetic on decimal columns, in machine integers.
 *
 * A first pass computes every row in 64 bits and notes whether one overflowed.  Only then a second
 * pass computes the selected rows in 128 bits, and when that is not enough either the kernel declines
 * and the row kernel works on nums: the digits are the same in all three.
 *
 *     price numeric(12,2) * 0.908    DEC64 scale 2 * constant 908 scale 3 -> DEC64 scale 5
 *
 * Place       the table in arith.c.
 * State       none.
 * Invariants  D1  the scale is PostgreSQL's display scale: the larger one for + - %, the sum for *
 *             D2  a decimal result never stands for NaN or infinity: those are nums
 */
#include "expr/arith_impl.h"

typedef enum decimal_op { ADD, SUBTRACT, MULTIPLY, MODULO } decimal_op;

/* What both passes need: factors that bring each side to the common scale. */
typedef struct decimal_plan {
    decimal_op op;
    int        scale;
    wr_int128  up[2]; /* 1 for * */
} decimal_plan;

static bool
plan_make(decimal_op op, const wr_kernel *k, decimal_plan *plan)
{
    const wr_column *a = k->args[0], *b = k->args[1];
    if (a->form == WR_NUM || b->form == WR_NUM)
        return false;
    plan->op = op;
    plan->up[0] = plan->up[1] = 1;
    if (op == MULTIPLY) {
        plan->scale = a->scale + b->scale; /* D1 */
        return plan->scale <= WR_NUMERIC_SCALE_MAX;
    }
    plan->scale = WR_MAX(a->scale, b->scale);
    if (plan->scale - a->scale > 38 || plan->scale - b->scale > 38)
        return false;
    plan->up[0] = wr_int128_power10(plan->scale - a->scale);
    plan->up[1] = wr_int128_power10(plan->scale - b->scale);
    return true;
}

/* --- 64 bits, all physical rows --- */

#define LOOP64(NAME, A, B, STEP)                                                                   \
    static bool NAME(const int64_t *restrict a, const int64_t *restrict b, uint32_t count,         \
                     int64_t *restrict out)                                                        \
    {                                                                                              \
        bool bad = false;                                                                          \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            int64_t x = A, y = B, r;                                                               \
            bad |= STEP(x, y, &r);                                                                 \
            out[i] = r;                                                                            \
        }                                                                                          \
        return bad;                                                                                \
    }
LOOP64(add_flat, a[i], b[i], __builtin_add_overflow)
LOOP64(add_right, a[i], b[0], __builtin_add_overflow)
LOOP64(subtract_flat, a[i], b[i], __builtin_sub_overflow)
LOOP64(subtract_right, a[i], b[0], __builtin_sub_overflow)
LOOP64(subtract_left, a[0], b[i], __builtin_sub_overflow)
LOOP64(multiply_flat, a[i], b[i], __builtin_mul_overflow)
LOOP64(multiply_right, a[i], b[0], __builtin_mul_overflow)

/* One side at the common scale: its own data, or a scaled copy.  NULL: it does not fit 64 bits. */
static const int64_t *
side_scaled(wr_eval *eval, const wr_column *c, wr_int128 up, uint32_t physical)
{
    const int64_t *from = c->data;
    uint32_t       count = c->layout == WR_CONSTANT ? 1 : physical;
    bool           bad = up > INT64_MAX;
    if (up == 1)
        return from;
    int64_t *to = wr_arena_alloc(&eval->step, WR_MAX(count, 1u) * sizeof *to);
    if (to == NULL)
        return NULL; /* the second pass needs no memory of its own */
    bad = bad || multiply_right(from, &(int64_t){ (int64_t) up }, count, to);
    return bad ? NULL : to;
}

static bool
decimal_pass64(wr_eval *eval, const decimal_plan *plan, const wr_kernel *k, uint32_t physical,
               int64_t *out)
{
    const wr_column *ca = k->args[0], *cb = k->args[1];
    if (ca->form != WR_DEC64 || cb->form != WR_DEC64 || plan->op == MODULO)
        return false;
    const int64_t *a = side_scaled(eval, ca, plan->up[0], physical);
    const int64_t *b = side_scaled(eval, cb, plan->up[1], physical);
    if (a == NULL || b == NULL)
        return false;
    bool left = k->constant[0], right = k->constant[1];
    switch (plan->op) {
    case ADD:
        return left    ? !add_right(b, a, physical, out)
               : right ? !add_right(a, b, physical, out)
                       : !add_flat(a, b, physical, out);
    case SUBTRACT:
        return left    ? !subtract_left(a, b, physical, out)
               : right ? !subtract_right(a, b, physical, out)
                       : !subtract_flat(a, b, physical, out);
    default:
        return left    ? !multiply_right(b, a, physical, out)
               : right ? !multiply_right(a, b, physical, out)
                       : !multiply_flat(a, b, physical, out);
    }
}

/* --- 128 bits, the selected rows --- */

typedef enum row_result { ROW_FITS, ROW_TOO_BIG, ROW_DIVISION } row_result;

static row_result
decimal_row(const decimal_plan *plan, wr_int128 x, wr_int128 y, wr_int128 *r)
{
    if (__builtin_mul_overflow(x, plan->up[0], &x) || __builtin_mul_overflow(y, plan->up[1], &y))
        return ROW_TOO_BIG;
    switch (plan->op) {
    case ADD: return __builtin_add_overflow(x, y, r) ? ROW_TOO_BIG : ROW_FITS;
    case SUBTRACT: return __builtin_sub_overflow(x, y, r) ? ROW_TOO_BIG : ROW_FITS;
    case MULTIPLY: return __builtin_mul_overflow(x, y, r) ? ROW_TOO_BIG : ROW_FITS;
    case MODULO: break;
    }
    if (y == 0)
        return ROW_DIVISION;
    if (y == -1)
        *r = 0;
    else
        *r = x % y;
    return ROW_FITS;
}

/* Into c (DEC128, zeroed).  UNSUPPORTED: a row needs a num.  *narrow: all fit 64 bits. */
static weir_status
decimal_pass128(wr_eval *eval, const decimal_plan *plan, const wr_kernel *k, wr_rows rows,
                wr_column *c, bool *narrow)
{
    wr_int128 *to = c->data;
    *narrow = true;
    for (uint32_t i = 0; i < rows.count; i++) { /* look first: declining must mark no row */
        uint32_t row = wr_rows_at(rows, i);
        if (wr_kernel_has_value(c, row) &&
            decimal_row(plan, wr_kernel_decimal(k->args[0], row), wr_kernel_decimal(k->args[1], row),
                        &to[row]) == ROW_TOO_BIG)
            return WEIR_QUERY_UNSUPPORTED;
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        if (!wr_kernel_has_value(c, row))
            continue;
        if (plan->op == MODULO && wr_kernel_decimal(k->args[1], row) == 0) {
            if (wr_fn_num(eval, row, WEIR_ROW_DIVISION_BY_ZERO) == WEIR_MEMORY)
                return WEIR_MEMORY;
            WR_TRY(wr_column_set_null(c, row));
        }
        *narrow &= to[row] == (int64_t) to[row];
    }
    return WEIR_OK;
}

static weir_status
decimal_wide(wr_eval *eval, const wr_expr *call, const decimal_plan *plan, const wr_kernel *k,
             uint32_t physical, wr_rows rows, wr_column **out)
{
    bool       narrow;
    wr_column *c = wr_kernel_result(eval, k, call->type, WR_DEC128, plan->scale, physical);
    if (c == NULL)
        return WEIR_MEMORY;
    memset(c->data, 0, sizeof(wr_int128) * c->capacity);
    weir_status status = decimal_pass128(eval, plan, k, rows, c, &narrow);
    if (status != WEIR_OK) {
        wr_column_release(c);
        return status;
    }
    if (narrow) { /* in place: each int64 lies before the 128 bits it came from */
        char *data = c->data;
        for (uint32_t i = 0; i < physical; i++)
            memmove(data + i * sizeof(int64_t), data + i * sizeof(wr_int128), sizeof(int64_t));
        c->form = WR_DEC64;
    }
    *out = c;
    return WEIR_OK;
}

static weir_status
decimal_binary(decimal_op op, wr_eval *eval, const wr_expr *call, wr_column *const *args,
               uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_kernel    k;
    decimal_plan plan;
    wr_column   *c = NULL;
    WR_TRY(wr_kernel_open(eval, args, 2, physical, &k));
    weir_status status = plan_make(op, &k, &plan) ? WEIR_OK : WEIR_QUERY_UNSUPPORTED;
    if (status == WEIR_OK) {
        c = wr_kernel_result(eval, &k, call->type, WR_DEC64, plan.scale, physical);
        status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    if (status == WEIR_OK && !decimal_pass64(eval, &plan, &k, physical, c->data)) {
        wr_column_release(c);
        c = NULL;
        status = decimal_wide(eval, call, &plan, &k, physical, rows, &c);
    }
    return wr_kernel_end(&k, status, c, physical, out);
}

#define DECIMAL(NAME, OP)                                                                          \
    weir_status NAME(wr_eval *eval, const wr_expr *call, wr_column *const *args,                   \
                     uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)         \
    {                                                                                              \
        return decimal_binary(OP, eval, call, args, physical, rows, out);                          \
    }
DECIMAL(wr_decimal_add, ADD)
DECIMAL(wr_decimal_subtract, SUBTRACT)
DECIMAL(wr_decimal_multiply, MULTIPLY)
DECIMAL(wr_decimal_modulo, MODULO)

weir_status
wr_decimal_negate(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                  uint32_t physical, wr_rows rows, wr_column **out)
{
    static const int64_t zero = 0;
    wr_kernel            k;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    wr_column  *from = k.args[0], *c = NULL;
    weir_status status = from->form == WR_DEC64 ? WEIR_OK : WEIR_QUERY_UNSUPPORTED;
    if (status == WEIR_OK) {
        c = wr_kernel_result(eval, &k, call->type, WR_DEC64, from->scale, physical);
        status = c == NULL                                                ? WEIR_MEMORY
                 : subtract_left(&zero, from->data, physical, c->data) ? WEIR_QUERY_UNSUPPORTED
                                                                          : WEIR_OK;
    }
    return wr_kernel_end(&k, status, c, physical, out);
}
