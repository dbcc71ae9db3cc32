/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/kernel_arith.c -- + - * / % and unary minus over columns of integers and floats.
 *
 * Each loop computes every physical row and returns a word that is not zero when some row left the
 * range; only then the row kernel is asked which selected rows those were.  Division by a constant
 * multiplies by its reciprocal (Granlund and Montgomery, 1994).
 *
 * Place       the table in arith.c.
 * State       none.
 * Invariants  A1  a result is the row kernel's, or the row is marked failed by it
 *             A2  nothing wraps: overflow of a signed integer is never computed as such
 */
#include "expr/arith_impl.h"

#include <float.h>
#include <string.h>

typedef enum arith_op { ADD, SUBTRACT, MULTIPLY, OP_COUNT } arith_op;

/* Not zero: some row overflowed. */
typedef uint64_t (*arith_loop)(const void *a, const void *b, uint32_t count, void *out);
typedef struct arith_loops {
    arith_loop flat, right, left; /* two columns; b is one value; a is one value */
} arith_loops;

#define LOOP(NAME, T, A, B, STEP)                                                                  \
    WR_CLONES static uint64_t NAME(const void *pa, const void *pb, uint32_t count, void *to)   \
    {                                                                                              \
        const T *restrict a = pa, *restrict b = pb;                                                \
        T *restrict out = to;                                                                      \
        uint64_t bad = 0;                                                                          \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            T x = A, y = B, r;                                                                     \
            STEP;                                                                                  \
            out[i] = r;                                                                            \
        }                                                                                          \
        return bad;                                                                                \
    }
#define LOOPS(NAME, T, STEP)                                                                       \
    LOOP(NAME##_flat, T, a[i], b[i], STEP)                                                         \
    LOOP(NAME##_right, T, a[i], b[0], STEP)                                                        \
    LOOP(NAME##_left, T, a[0], b[i], STEP)

/* Narrow integers: compute wider, compare with the narrowed. */
#define NARROW(T, W, OP)                                                                           \
    W wide = (W) ((W) x OP (W) y);                                                                 \
    r = (T) wide;                                                                                  \
    bad |= (uint64_t) (wide ^ (W) r)
LOOPS(i16_add, int16_t, NARROW(int16_t, int32_t, +))
LOOPS(i16_sub, int16_t, NARROW(int16_t, int32_t, -))
LOOPS(i16_mul, int16_t, NARROW(int16_t, int32_t, *))
LOOPS(i32_add, int32_t, NARROW(int32_t, int64_t, +))
LOOPS(i32_sub, int32_t, NARROW(int32_t, int64_t, -))
LOOPS(i32_mul, int32_t, NARROW(int32_t, int64_t, *))
/* int64: the sign bit of these words tells (Hacker's Delight 2-13). */
LOOPS(i64_add, int64_t, r = (int64_t) ((uint64_t) x + (uint64_t) y);
      bad |= (uint64_t) ((x ^ r) & (y ^ r)) >> 63)
LOOPS(i64_sub, int64_t, r = (int64_t) ((uint64_t) x - (uint64_t) y);
      bad |= (uint64_t) ((x ^ y) & (x ^ r)) >> 63)
LOOPS(i64_mul, int64_t, bad |= __builtin_mul_overflow(x, y, &r))

#define IS_INF(v, MAX) ((v > MAX) | (v < -MAX))
#define FLOAT_ADD(OP, MAX)                                                                         \
    r = x OP y;                                                                                    \
    bad |= (uint64_t) (IS_INF(r, MAX) & !IS_INF(x, MAX) & !IS_INF(y, MAX))
#define FLOAT_MUL(MAX)                                                                             \
    r = x * y;                                                                                     \
    bad |= (uint64_t) ((IS_INF(r, MAX) & !IS_INF(x, MAX) & !IS_INF(y, MAX)) |                      \
                       ((r == 0) & (x != 0) & (y != 0)))
#define FLOAT_DIV(MAX)                                                                             \
    r = x / y;                                                                                     \
    bad |= (uint64_t) (((y == 0) & (x == x)) | (IS_INF(r, MAX) & !IS_INF(x, MAX)) |                \
                       ((r == 0) & (x != 0) & !IS_INF(y, MAX)))
LOOPS(f32_add, float, FLOAT_ADD(+, FLT_MAX))
LOOPS(f32_sub, float, FLOAT_ADD(-, FLT_MAX))
LOOPS(f32_mul, float, FLOAT_MUL(FLT_MAX))
LOOPS(f32_div, float, FLOAT_DIV(FLT_MAX))
LOOPS(f64_add, double, FLOAT_ADD(+, DBL_MAX))
LOOPS(f64_sub, double, FLOAT_ADD(-, DBL_MAX))
LOOPS(f64_mul, double, FLOAT_MUL(DBL_MAX))
LOOPS(f64_div, double, FLOAT_DIV(DBL_MAX))

#define SET(NAME) { NAME##_flat, NAME##_right, NAME##_left }
static const arith_loops loops_i16[OP_COUNT] = { SET(i16_add), SET(i16_sub), SET(i16_mul) };
static const arith_loops loops_i32[OP_COUNT] = { SET(i32_add), SET(i32_sub), SET(i32_mul) };
static const arith_loops loops_i64[OP_COUNT] = { SET(i64_add), SET(i64_sub), SET(i64_mul) };
static const arith_loops loops_f32[OP_COUNT] = { SET(f32_add), SET(f32_sub), SET(f32_mul) };
static const arith_loops loops_f64[OP_COUNT] = { SET(f64_add), SET(f64_sub), SET(f64_mul) };
static const arith_loops divide_f32 = SET(f32_div), divide_f64 = SET(f64_div);

static const arith_loops *
loops_of(wr_type type, arith_op op)
{
    switch (type.id) {
    case WR_INT2: return &loops_i16[op];
    case WR_INT4: return &loops_i32[op];
    case WR_INT8: return &loops_i64[op];
    case WR_FLOAT4: return &loops_f32[op];
    case WR_FLOAT8: return &loops_f64[op];
    default: return NULL;
    }
}

static weir_status
loops_run(const arith_loops *loops, wr_eval *eval, const wr_expr *call, wr_column *const *args,
          uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_kernel k;
    WR_TRY(wr_kernel_open(eval, args, 2, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c != NULL) {
        arith_loop loop = k.constant[0]   ? loops->left
                          : k.constant[1] ? loops->right
                                          : loops->flat;
        if (loop(k.args[0]->data, k.args[1]->data, physical, c->data) != 0)
            status = wr_kernel_locate(eval, call, &k, rows, c);
    }
    return wr_kernel_end(&k, status, c, physical, out);
}

#define VECTOR(NAME)                                                                               \
    weir_status NAME(wr_eval *eval, const wr_expr *call, wr_column *const *args,                   \
                     uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)

VECTOR(wr_add_vector)
{
    return loops_run(loops_of(call->type, ADD), eval, call, args, physical, rows, out);
}

VECTOR(wr_subtract_vector)
{
    return loops_run(loops_of(call->type, SUBTRACT), eval, call, args, physical, rows, out);
}

VECTOR(wr_multiply_vector)
{
    return loops_run(loops_of(call->type, MULTIPLY), eval, call, args, physical, rows, out);
}

/* --- integer division --- */

/* n / d for n <= 2^63 by the high half of a product; 2 <= d <= 2^63. */
typedef struct reciprocal {
    uint64_t multiplier;
    uint32_t shift;
} reciprocal;

static reciprocal
reciprocal_of(uint64_t d)
{
    uint32_t          bits = 64 - (uint32_t) __builtin_clzll(d - 1); /* 2^bits >= d */
    unsigned __int128 m = ((unsigned __int128) 1 << (63 + bits)) / d + 1;
    return (reciprocal){ (uint64_t) m, bits - 1 };
}

static inline uint64_t
magnitude(int64_t v)
{
    return v < 0 ? 0 - (uint64_t) v : (uint64_t) v;
}

static inline int64_t
divide_by(int64_t x, reciprocal r, bool negative)
{
    uint64_t q = (uint64_t) (((unsigned __int128) magnitude(x) * r.multiplier) >> 64) >> r.shift;
    return (int64_t) ((x < 0) != negative ? 0 - q : q);
}

#define DIVIDE_CONSTANT(T)                                                                         \
    do {                                                                                           \
        const T *from = k->args[0]->data;                                                          \
        T       *to = c->data;                                                                     \
        for (uint32_t i = 0; i < physical; i++) {                                                  \
            int64_t q = divide_by(from[i], r, d < 0);                                              \
            to[i] = (T) (modulo ? (int64_t) ((uint64_t) from[i] - (uint64_t) q * (uint64_t) d)     \
                                : q);                                                              \
        }                                                                                          \
    } while (0)

/* d is neither 0, 1 nor -1: no row can fail. */
static void
divide_constant(const wr_kernel *k, int64_t d, bool modulo, uint32_t physical, wr_column *c)
{
    reciprocal r = reciprocal_of(magnitude(d));
    switch (c->type.id) {
    case WR_INT2: DIVIDE_CONSTANT(int16_t); break;
    case WR_INT4: DIVIDE_CONSTANT(int32_t); break;
    default: DIVIDE_CONSTANT(int64_t); break;
    }
}

static inline int64_t
integer_at(const wr_column *c, bool constant, uint32_t row)
{
    uint32_t i = constant ? 0 : row;
    switch (c->type.id) {
    case WR_INT2: return ((const int16_t *) c->data)[i];
    case WR_INT4: return ((const int32_t *) c->data)[i];
    default: return ((const int64_t *) c->data)[i];
    }
}

static inline int64_t
integer_min(wr_type t)
{
    return t.id == WR_INT2 ? INT16_MIN : t.id == WR_INT4 ? INT32_MIN : INT64_MIN;
}

static inline void
integer_put(wr_column *c, uint32_t row, int64_t v)
{
    switch (c->type.id) {
    case WR_INT2: ((int16_t *) c->data)[row] = (int16_t) v; break;
    case WR_INT4: ((int32_t *) c->data)[row] = (int32_t) v; break;
    default: ((int64_t *) c->data)[row] = v; break;
    }
}

/* Divisors that vary: only the selected rows, and 0 and -1 are left to the row kernel.  The others are 0, so that whoever goes on
 * with all rows finds nothing wrong in what nobody asked for. */
static bool
divide_varying(const wr_kernel *k, bool modulo, uint32_t physical, wr_rows rows, wr_column *c)
{
    bool odd = false;
    if (rows.count < physical)
        memset(c->data, 0, physical * wr_column_width(c));
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        int64_t  x = integer_at(k->args[0], k->constant[0], row);
        int64_t  d = integer_at(k->args[1], k->constant[1], row);
        if (WR_UNLIKELY(d == 0 || d == -1)) {
            bool null = !wr_kernel_has_value(c, row);
            bool safe = d == -1 && (modulo || x != integer_min(c->type));
            odd |= !null && !safe;
            integer_put(c, row, null || !safe || modulo ? 0 : -x);
        } else {
            integer_put(c, row, modulo ? x % d : x / d);
        }
    }
    return odd;
}

/* Rows whose divisor is 0 or -1 at an edge, one by one. */
static weir_status
divide_odd(wr_eval *eval, const wr_expr *call, const wr_kernel *k, wr_rows rows, wr_column *c)
{
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        int64_t  d = integer_at(k->args[1], k->constant[1], row);
        wr_value args[2], result = { .type = call->type };
        if ((d != 0 && d != -1) || !wr_kernel_has_value(c, row))
            continue;
        WR_TRY(wr_column_get_value(k->args[0], row, &eval->step, &args[0]));
        WR_TRY(wr_column_get_value(k->args[1], row, &eval->step, &args[1]));
        weir_status status = call->function->scalar(eval, row, args, 2, &result);
        if (status == WEIR_OK)
            integer_put(c, row, result.integer);
        else if (wr_status_is_row(status))
            WR_TRY(wr_column_set_null(c, row));
        else
            return status;
    }
    return WEIR_OK;
}

static weir_status
divide_integers(wr_eval *eval, const wr_expr *call, wr_column *const *args, bool modulo,
                uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_kernel k;
    WR_TRY(wr_kernel_open(eval, args, 2, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c != NULL) {
        int64_t d = k.constant[1] ? integer_at(k.args[1], true, 0) : 0;
        if (d > 1 || d < -1)
            divide_constant(&k, d, modulo, physical, c);
        else if (divide_varying(&k, modulo, physical, rows, c))
            status = divide_odd(eval, call, &k, rows, c);
    }
    return wr_kernel_end(&k, status, c, physical, out);
}

VECTOR(wr_divide_vector)
{
    if (wr_type_is_integer(call->type))
        return divide_integers(eval, call, args, false, physical, rows, out);
    return loops_run(call->type.id == WR_FLOAT4 ? &divide_f32 : &divide_f64, eval, call, args,
                     physical, rows, out);
}

VECTOR(wr_modulo_vector)
{
    return divide_integers(eval, call, args, true, physical, rows, out);
}

/* --- one argument --- */

/* 0 - x is what the loops have; for floats it would turn 0 into 0 instead of -0. */
#define NEGATE_FLOAT(T)                                                                            \
    for (uint32_t i = 0; i < physical; i++)                                                        \
        ((T *) c->data)[i] = -((const T *) k.args[0]->data)[i]

VECTOR(wr_negate_vector)
{
    static const int64_t zero = 0;
    wr_kernel            k;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c == NULL)
        ;
    else if (call->type.id == WR_FLOAT4)
        NEGATE_FLOAT(float);
    else if (call->type.id == WR_FLOAT8)
        NEGATE_FLOAT(double);
    else if (loops_of(call->type, SUBTRACT)->left(&zero, k.args[0]->data, physical, c->data) != 0)
        status = wr_kernel_locate(eval, call, &k, rows, c);
    return wr_kernel_end(&k, status, c, physical, out);
}

/* --- times --- */

/* Where every date PostgreSQL knows is far from the ends of int64. */
#define SAFE_SHIFT_US (1ll << 60)
#define SAFE_TIME_MIN (-210866803200000000LL) /* 4714-11-24 BC */

WR_CLONES static uint64_t
shift_loop(const int64_t *restrict from, int64_t shift, uint32_t count, int64_t *restrict to)
{
    uint64_t edges = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t t = from[i];
        int64_t moved = (int64_t) ((uint64_t) t + (uint64_t) shift);
        edges |= (uint64_t) ((t > SAFE_SHIFT_US) | (t < SAFE_TIME_MIN) | (moved < SAFE_TIME_MIN));
        to[i] = moved;
    }
    return edges;
}

weir_status
wr_shift_times(wr_eval *eval, const wr_expr *call, wr_column *times, int64_t shift_us,
               uint32_t physical, wr_column **out)
{
    wr_kernel k;
    if (shift_us > SAFE_SHIFT_US || shift_us < -SAFE_SHIFT_US)
        return WEIR_QUERY_UNSUPPORTED;
    WR_TRY(wr_kernel_open(eval, &times, 1, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c != NULL && shift_loop(k.args[0]->data, shift_us, physical, c->data) != 0)
        status = WEIR_QUERY_UNSUPPORTED;
    return wr_kernel_end(&k, status, c, physical, out);
}
