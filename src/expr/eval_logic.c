/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/eval_logic.c -- three-valued logic: AND, OR, NOT, IS [NOT] NULL/TRUE/FALSE, IS DISTINCT FROM,
 * and filters.
 *
 * AND and OR hand each argument only the rows that the ones before have not decided (X4).  A filter
 * needs no truth values, only the rows that are true, so AND there narrows on NULL too.
 *
 * Place       eval.c.
 * State       none; lists of rows lie in the step arena.
 */
#include "expr/eval_impl.h"

/* --- selecting --- */

/* The numbers of the set bits of a nibble, four to a word, lowest first; the rest is overwritten. */
static const uint64_t nibble_rows[16] = {
    0x0000000000000000u, 0x0000000000000000u, 0x0000000000000001u, 0x0000000000010000u,
    0x0000000000000002u, 0x0000000000020000u, 0x0000000000020001u, 0x0000000200010000u,
    0x0000000000000003u, 0x0000000000030000u, 0x0000000000030001u, 0x0000000300010000u,
    0x0000000000030002u, 0x0000000300020000u, 0x0000000300020001u, 0x0003000200010000u,
};

/* Four rows a step, no branch: what is stored beyond n is stored again by the next step.  Since n
 * never passes i, a store of four ends within the `count` places of `to`. */
static uint32_t
select_dense(const uint8_t *data, const uint64_t *valid, uint32_t count, uint16_t *to)
{
    uint32_t n = 0, i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t eight;
        memcpy(&eight, data + i, 8);
        eight &= 0x0101010101010101u;
        uint32_t mask = (uint32_t) ((eight * 0x0102040810204080u) >> 56); /* byte k to bit k */
        if (valid != NULL)
            mask &= (uint32_t) (valid[i >> 6] >> (i & 63));
        for (uint32_t half = 0; half < 2; half++, mask >>= 4) {
            uint64_t rows = nibble_rows[mask & 15] + (i + 4 * half) * 0x0001000100010001u;
            memcpy(to + n, &rows, 8);
            n += (uint32_t) __builtin_popcount(mask & 15);
        }
    }
    for (; i < count; i++) {
        to[n] = (uint16_t) i;
        n += data[i] & 1 & (valid == NULL || wr_bitmap_get(valid, i));
    }
    return n;
}

uint32_t
wr_eval_select_true(const wr_column *column, wr_rows rows, uint16_t *to)
{
    const wr_column *base = wr_column_base(column);
    const uint8_t   *data = base->data;
    uint32_t         n = 0;
    if (column->layout == WR_CONSTANT) {
        if (wr_column_is_null(column, 0) || !wr_eval_bool(column, 0))
            return 0;
        for (uint32_t i = 0; i < rows.count; i++)
            to[i] = (uint16_t) wr_rows_at(rows, i);
        return rows.count;
    }
    if (column->layout == WR_FLAT && rows.rows == NULL)
        return select_dense(data, column->valid, rows.count, to);
    if (column->layout == WR_FLAT && column->valid == NULL) {
        for (uint32_t i = 0; i < rows.count; i++) {
            uint16_t row = rows.rows[i];
            to[n] = row;
            n += data[row] & 1;
        }
        return n;
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        uint16_t row = (uint16_t) wr_rows_at(rows, i);
        uint32_t index = wr_column_index(column, row);
        to[n] = row;
        n += wr_eval_bool(base, index) & (base->valid == NULL || wr_bitmap_get(base->valid, index));
    }
    return n;
}

/* rows without those in `taken`, which is an ascending part of them. */
static uint32_t
rows_without(wr_rows rows, const uint16_t *taken, uint32_t taken_count, uint16_t *to)
{
    uint32_t n = 0, t = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint16_t row = (uint16_t) wr_rows_at(rows, i);
        bool     hit = t < taken_count && taken[t] == row;
        to[n] = row;
        n += !hit;
        t += hit;
    }
    return n;
}

static weir_status
filter_or(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, uint16_t *selected,
          uint32_t *count)
{
    uint64_t  hit[WR_BATCH_ROWS_MAX / 64] = { 0 };
    uint16_t *left = wr_eval_row_list(eval, rows.count), *found = wr_eval_row_list(eval, rows.count);
    wr_rows   rest = rows;
    if (left == NULL || found == NULL)
        return WEIR_MEMORY;
    for (uint32_t a = 0; a < expr->arg_count && rest.count > 0; a++) {
        uint32_t n = 0;
        WR_TRY(wr_eval_filter(eval, expr->args[a], in, rest, found, &n));
        for (uint32_t i = 0; i < n; i++)
            wr_bitmap_set(hit, found[i]);
        rest.count = rows_without(rest, found, n, left);
        rest.rows = left;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint16_t row = (uint16_t) wr_rows_at(rows, i);
        selected[n] = row;
        n += wr_bitmap_get(hit, row);
    }
    *count = n;
    return WEIR_OK;
}

/* IS [NOT] NULL as a filter: straight from the argument's bitmap. */
static weir_status
filter_null(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
            uint16_t *selected, uint32_t *count)
{
    wr_column *arg = NULL;
    bool       null = expr->kind == WR_EXPR_IS_NULL;
    uint32_t   n = 0;
    WR_TRY(wr_eval_node(eval, expr->args[0], in, rows, &arg));
    const uint64_t *valid = wr_column_base(arg)->valid;
    bool            flat = arg->layout == WR_FLAT && valid != NULL;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint16_t row = (uint16_t) wr_rows_at(rows, i);
        selected[n] = row;
        n += null == (flat ? !wr_bitmap_get(valid, row) : wr_column_is_null(arg, row));
    }
    wr_column_release(arg);
    *count = n;
    return WEIR_OK;
}

weir_status
wr_eval_filter(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
               uint16_t *selected, uint32_t *count)
{
    *count = 0;
    if (rows.count == 0)
        return WEIR_OK;
    if (expr->kind == WR_EXPR_AND) {
        for (uint32_t a = 0; a < expr->arg_count && rows.count > 0; a++) {
            WR_TRY(wr_eval_filter(eval, expr->args[a], in, rows, selected, count));
            rows = (wr_rows){ selected, *count };
        }
        return WEIR_OK;
    }
    if (expr->kind == WR_EXPR_OR)
        return filter_or(eval, expr, in, rows, selected, count);
    if (expr->kind == WR_EXPR_IS_TRUE)
        return wr_eval_filter(eval, expr->args[0], in, rows, selected, count);
    if (expr->kind == WR_EXPR_IS_NULL || expr->kind == WR_EXPR_IS_NOT_NULL)
        return filter_null(eval, expr, in, rows, selected, count);
    wr_column *truth = NULL;
    WR_TRY(wr_eval_node(eval, expr, in, rows, &truth));
    *count = wr_eval_select_true(truth, rows, selected);
    wr_column_release(truth);
    return WEIR_OK;
}

/* --- values --- */

/* Fold one argument in: rows it decides get the deciding value, the rest stay in `active`. */
static uint32_t
and_or_fold(const wr_column *arg, uint8_t decider, uint8_t *truth, uint64_t *unknown, wr_rows rows,
            uint16_t *active)
{
    const wr_column *base = wr_column_base(arg);
    uint32_t         n = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint16_t row = (uint16_t) wr_rows_at(rows, i);
        uint32_t index = wr_column_index(arg, row);
        bool     known = base->valid == NULL || wr_bitmap_get(base->valid, index);
        bool     decided = known && wr_eval_bool(base, index) == decider;
        if (decided) {
            truth[row] = decider;
            wr_bitmap_clear(unknown, row);
        } else if (!known) {
            wr_bitmap_set(unknown, row);
        }
        active[n] = row;
        n += !decided;
    }
    return n;
}

weir_status
wr_eval_and_or(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
               wr_column **out)
{
    uint64_t   unknown[WR_BATCH_ROWS_MAX / 64] = { 0 };
    uint8_t    decider = expr->kind == WR_EXPR_OR;
    uint16_t  *active = wr_eval_row_list(eval, rows.count);
    wr_column *c = wr_eval_column(eval, expr->type, in->physical_count, rows), *arg = NULL;
    wr_rows    left = rows;
    weir_status status = active != NULL && c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (status == WEIR_OK)
        memset(c->data, !decider, c->capacity);
    for (uint32_t a = 0; a < expr->arg_count && left.count > 0 && status == WEIR_OK; a++) {
        status = wr_eval_node(eval, expr->args[a], in, left, &arg);
        if (status != WEIR_OK)
            break;
        left.count = and_or_fold(arg, decider, c->data, unknown, left, active);
        left.rows = active;
        wr_column_release(arg);
    }
    for (uint32_t i = 0; i < left.count && status == WEIR_OK; i++)
        if (wr_bitmap_get(unknown, wr_rows_at(left, i)))
            status = wr_column_set_null(c, wr_rows_at(left, i));
    if (status != WEIR_OK) {
        wr_column_release(c);
        return status;
    }
    *out = c;
    return WEIR_OK;
}

/* The answers of IS ... for false, true and NULL. */
typedef struct truth_table {
    uint8_t of[3];
} truth_table;

static const truth_table truth_tables[] = {
    [WR_EXPR_IS_NULL] = { { 0, 0, 1 } },      [WR_EXPR_IS_NOT_NULL] = { { 1, 1, 0 } },
    [WR_EXPR_IS_TRUE] = { { 0, 1, 0 } },      [WR_EXPR_IS_NOT_TRUE] = { { 1, 0, 1 } },
    [WR_EXPR_IS_FALSE] = { { 1, 0, 0 } },     [WR_EXPR_IS_NOT_FALSE] = { { 0, 1, 1 } },
};

weir_status
wr_eval_is(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, wr_column **out)
{
    const truth_table *table = &truth_tables[expr->kind];
    bool               boolean = expr->kind >= WR_EXPR_IS_TRUE; /* else only NULL matters */
    wr_column         *arg = NULL, *c = NULL;
    WR_TRY(wr_eval_node(eval, expr->args[0], in, rows, &arg));
    const wr_column *base = wr_column_base(arg);
    if (arg->layout == WR_CONSTANT || (base->valid == NULL && !boolean)) {
        bool     null = arg->layout == WR_CONSTANT && wr_column_is_null(arg, 0);
        uint32_t which = null ? 2 : boolean ? wr_eval_bool(arg, 0) : 0;
        wr_value v = { .type = expr->type, .boolean = table->of[which] };
        c = wr_column_create_constant(eval->budget, &v);
    } else if ((c = wr_eval_column(eval, expr->type, in->physical_count, rows)) != NULL) {
        uint8_t *truth = c->data;
        for (uint32_t i = 0; i < rows.count; i++) {
            uint32_t row = wr_rows_at(rows, i), index = wr_column_index(arg, row);
            bool     null = base->valid != NULL && !wr_bitmap_get(base->valid, index);
            truth[row] = table->of[null ? 2 : boolean ? wr_eval_bool(base, index) : 0];
        }
    }
    wr_column_release(arg);
    *out = c;
    return c != NULL ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_eval_not(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, wr_column **out)
{
    wr_column *arg = NULL, *c = NULL;
    WR_TRY(wr_eval_node(eval, expr->args[0], in, rows, &arg));
    const wr_column *base = wr_column_base(arg);
    weir_status      status = WEIR_OK;
    if (arg->layout == WR_CONSTANT) {
        wr_value v = wr_value_null(expr->type);
        v.is_null = wr_column_is_null(arg, 0);
        v.boolean = !v.is_null && !wr_eval_bool(arg, 0);
        c = wr_column_create_constant(eval->budget, &v);
        status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    } else {
        c = wr_eval_column(eval, expr->type, in->physical_count, rows);
        status = c != NULL ? WEIR_OK : WEIR_MEMORY;
        for (uint32_t i = 0; i < rows.count && status == WEIR_OK; i++) {
            uint32_t row = wr_rows_at(rows, i), index = wr_column_index(arg, row);
            ((uint8_t *) c->data)[row] = !wr_eval_bool(base, index);
            if (base->valid != NULL && !wr_bitmap_get(base->valid, index))
                status = wr_column_set_null(c, row);
        }
    }
    wr_column_release(arg);
    if (status != WEIR_OK) {
        wr_column_release(c);
        return status;
    }
    *out = c;
    return WEIR_OK;
}

weir_status
wr_eval_distinct(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                 wr_column **out)
{
    wr_column  *args[2] = { NULL, NULL }, *same = NULL, *c = NULL;
    wr_expr     call = *expr;
    uint32_t    physical = in->physical_count;
    weir_status status = wr_eval_node(eval, expr->args[0], in, rows, &args[0]);
    call.kind = WR_EXPR_CALL;
    if (status == WEIR_OK)
        status = wr_eval_node(eval, expr->args[1], in, rows, &args[1]);
    if (status == WEIR_OK)
        status = wr_eval_apply(eval, &call, args, 2, physical, rows, &same);
    if (status == WEIR_OK && (c = wr_eval_column(eval, expr->type, physical, rows)) == NULL)
        status = WEIR_MEMORY;
    for (uint32_t i = 0; i < rows.count && status == WEIR_OK; i++) {
        uint32_t row = wr_rows_at(rows, i);
        bool     a = wr_column_is_null(args[0], row), b = wr_column_is_null(args[1], row);
        bool     equal = a | b ? a & b
                               : wr_eval_bool(wr_column_base(same), wr_column_index(same, row));
        ((uint8_t *) c->data)[row] = !equal;
    }
    wr_column_release(args[0]);
    wr_column_release(args[1]);
    wr_column_release(same);
    if (status != WEIR_OK) {
        wr_column_release(c);
        return status;
    }
    *out = c;
    return WEIR_OK;
}
