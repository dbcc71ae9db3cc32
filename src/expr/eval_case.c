/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/eval_case.c -- CASE and COALESCE: each branch over the rows that chose it, then one column.
 *
 * Place       eval.c.
 * State       none; row lists and parts lie in the step arena.
 * Invariants  K1  the parts' rows are disjoint and together are all rows asked for
 *             K2  when one branch takes every row its column is handed on as it is
 *             K3  an operand that all conditions compare with a constant is computed once: the first
 *                 condition needs it for every row anyway
 */
#include "expr/eval_impl.h"

typedef struct part {
    wr_column *column;
    wr_rows    rows;
} part;

typedef struct part_list {
    part    *parts;
    uint32_t count;
} part_list;

static void
parts_release(part_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        wr_column_release(list->parts[i].column);
    list->count = 0;
}

/* Decimal branches of one scale stay decimal; else each value keeps its own scale as a num. */
static void
parts_decimal_form(const part_list *list, wr_decimal_form *form, int *scale)
{
    bool first = true;
    *form = WR_NUM;
    *scale = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const wr_column *base = wr_column_base(list->parts[i].column);
        if (base->layout == WR_CONSTANT && wr_column_is_null(base, 0))
            continue;
        if (base->form == WR_NUM || (!first && base->scale != *scale)) {
            *form = WR_NUM;
            return;
        }
        *form = first ? base->form : WR_MAX(*form, (wr_decimal_form) base->form);
        *scale = base->scale;
        first = false;
    }
}

#define SCATTER(T)                                                                                 \
    for (uint32_t i = 0; i < rows.count; i++) {                                                    \
        uint32_t row = wr_rows_at(rows, i);                                                        \
        ((T *) to->data)[row] = ((const T *) base->data)[wr_column_index(from, row)];              \
    }                                                                                              \
    break

/* Copy rows of from to the same rows of to; same type and form. */
static weir_status
part_scatter(wr_column *to, const wr_column *from, wr_rows rows)
{
    typedef struct { uint64_t words[2]; } wide;
    const wr_column *base = wr_column_base(from);
    switch (wr_column_width(to)) {
    case 1: SCATTER(uint8_t);
    case 2: SCATTER(uint16_t);
    case 4: SCATTER(uint32_t);
    case 8: SCATTER(uint64_t);
    default: SCATTER(wide);
    }
    if (wr_type_is_string(to->type) && base->heap_count > 0)
        WR_TRY(wr_column_adopt_heaps(to, base));
    for (uint32_t i = 0; i < rows.count && base->valid != NULL; i++) {
        uint32_t row = wr_rows_at(rows, i);
        if (!wr_bitmap_get(base->valid, wr_column_index(from, row)))
            WR_TRY(wr_column_set_null(to, row));
    }
    return WEIR_OK;
}

/* Decimals into another form, one by one. */
static weir_status
part_convert(wr_eval *eval, wr_column *to, const wr_column *from, wr_rows rows)
{
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        wr_value v;
        WR_TRY(wr_column_get_value(from, row, &eval->step, &v));
        if (v.is_null)
            WR_TRY(wr_column_set_null(to, row));
        else if (to->form == WR_DEC128)
            ((wr_int128 *) to->data)[row] = wr_column_get_decimal(from, row);
        else
            WR_TRY(wr_column_set_value(to, row, &v));
    }
    return WEIR_OK;
}

/* Takes the parts. */
static weir_status
parts_merge(wr_eval *eval, wr_type type, part_list *list, uint32_t physical, wr_rows rows,
            wr_column **out)
{
    if (list->count == 1) { /* K2 */
        *out = list->parts[0].column;
        list->count = 0;
        return WEIR_OK;
    }
    wr_decimal_form form = WR_NUM;
    int             scale = 0;
    wr_column      *c;
    if (type.id == WR_NUMERIC) {
        parts_decimal_form(list, &form, &scale);
        c = wr_column_create_decimal(eval->budget, type, form, scale, WR_MAX(physical, 1u));
    } else {
        c = wr_column_create(eval->budget, type, WR_MAX(physical, 1u));
    }
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c != NULL && (rows.count < c->capacity || list->count == 0))
        memset(c->data, 0, wr_column_width(c) * c->capacity);
    for (uint32_t i = 0; i < list->count && status == WEIR_OK; i++) {
        const part *p = &list->parts[i];
        if (type.id == WR_NUMERIC && wr_column_base(p->column)->form != form)
            status = part_convert(eval, c, p->column, p->rows);
        else
            status = part_scatter(c, p->column, p->rows);
    }
    parts_release(list);
    if (status != WEIR_OK) {
        wr_column_release(c);
        return status;
    }
    *out = c;
    return WEIR_OK;
}

/* left minus those of taken, into a list of its own. */
static weir_status
rows_rest(wr_eval *eval, wr_rows *left, const uint16_t *taken, uint32_t count)
{
    uint16_t *to = wr_eval_row_list(eval, left->count);
    uint32_t  n = 0, t = 0;
    if (to == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < left->count; i++) {
        uint16_t row = (uint16_t) wr_rows_at(*left, i);
        bool     hit = t < count && taken[t] == row;
        to[n] = row;
        n += !hit;
        t += hit;
    }
    *left = (wr_rows){ to, n };
    return WEIR_OK;
}

static weir_status
case_branch(wr_eval *eval, const wr_expr *then, const wr_batch *in, wr_rows rows, part_list *list)
{
    if (rows.count == 0)
        return WEIR_OK;
    part *p = &list->parts[list->count];
    p->rows = rows;
    WR_TRY(wr_eval_node(eval, then, in, rows, &p->column));
    list->count++;
    return WEIR_OK;
}

static bool
expr_is_volatile(const wr_expr *e)
{
    if (e->kind == WR_EXPR_CALL && e->function->volatility == WR_VOLATILE)
        return true;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (expr_is_volatile(e->args[i]))
            return true;
    return false;
}

/* K3: what all conditions compare with a constant, as in CASE x WHEN 1 ... WHEN 2; or NULL. */
static const wr_expr *
case_operand(const wr_expr *expr)
{
    const wr_expr *first = expr->args[0], *operand = NULL;
    if (expr->arg_count < 5 || first->kind != WR_EXPR_CALL || first->arg_count != 2 ||
        first->args[0]->kind != WR_EXPR_CALL || first->args[1]->kind != WR_EXPR_CONSTANT)
        return NULL;
    operand = first->args[0];
    for (uint32_t a = 2; a + 1 < expr->arg_count; a += 2) {
        const wr_expr *when = expr->args[a];
        if (when->kind != WR_EXPR_CALL || when->arg_count != 2 ||
            when->args[1]->kind != WR_EXPR_CONSTANT || !wr_expr_equal(when->args[0], operand))
            return NULL;
    }
    return expr_is_volatile(operand) ? NULL : operand;
}

/* Rows for which `when` is true; operand: the value of its first argument for all rows, or NULL. */
static weir_status
case_taken(wr_eval *eval, const wr_expr *when, wr_column *operand, const wr_batch *in, wr_rows rows,
           uint16_t *taken, uint32_t *count)
{
    if (operand == NULL)
        return wr_eval_filter(eval, when, in, rows, taken, count);
    wr_column  *args[2] = { operand, NULL }, *truth = NULL;
    weir_status status = wr_eval_node(eval, when->args[1], in, rows, &args[1]);
    if (status == WEIR_OK)
        status = wr_eval_apply(eval, when, args, 2, in->physical_count, rows, &truth);
    wr_column_release(args[1]);
    if (status == WEIR_OK)
        *count = wr_eval_select_true(truth, rows, taken);
    wr_column_release(truth);
    return status;
}

static weir_status
case_choose(wr_eval *eval, const wr_expr *expr, wr_column *operand, const wr_batch *in,
            wr_rows rows, part_list *list)
{
    wr_rows left = rows;
    for (uint32_t a = 0; a + 1 < expr->arg_count && left.count > 0; a += 2) {
        uint16_t *taken = wr_eval_row_list(eval, left.count);
        uint32_t  n = 0;
        if (taken == NULL)
            return WEIR_MEMORY;
        WR_TRY(case_taken(eval, expr->args[a], operand, in, left, taken, &n));
        if (n == left.count) {
            WR_TRY(case_branch(eval, expr->args[a + 1], in, left, list));
            left.count = 0;
        } else if (n > 0) {
            WR_TRY(case_branch(eval, expr->args[a + 1], in, (wr_rows){ taken, n }, list));
            WR_TRY(rows_rest(eval, &left, taken, n));
        }
    }
    return case_branch(eval, expr->args[expr->arg_count - 1], in, left, list);
}

static weir_status
case_branches(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, part_list *list)
{
    const wr_expr *operand = rows.count > 0 ? case_operand(expr) : NULL;
    wr_column     *value = NULL;
    if (operand != NULL)
        WR_TRY(wr_eval_node(eval, operand, in, rows, &value));
    weir_status status = case_choose(eval, expr, value, in, rows, list);
    wr_column_release(value);
    return status;
}

weir_status
wr_eval_case(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, wr_column **out)
{
    wr_assert(expr->arg_count % 2 == 1);
    part_list list = { wr_arena_calloc(&eval->step, expr->arg_count / 2 + 1, sizeof(part)), 0 };
    if (list.parts == NULL)
        return WEIR_MEMORY;
    weir_status status = case_branches(eval, expr, in, rows, &list);
    if (status != WEIR_OK) {
        parts_release(&list);
        return status;
    }
    return parts_merge(eval, expr->type, &list, in->physical_count, rows, out);
}

/* Rows of c that are not NULL. */
static uint32_t
rows_with_value(const wr_column *c, wr_rows rows, uint16_t *to)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint16_t row = (uint16_t) wr_rows_at(rows, i);
        to[n] = row;
        n += !wr_column_is_null(c, row);
    }
    return n;
}

static weir_status
coalesce_parts(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
               part_list *list)
{
    wr_rows left = rows;
    for (uint32_t a = 0; a < expr->arg_count && left.count > 0; a++) {
        uint16_t *taken = wr_eval_row_list(eval, left.count);
        part     *p = &list->parts[list->count];
        if (taken == NULL)
            return WEIR_MEMORY;
        WR_TRY(wr_eval_node(eval, expr->args[a], in, left, &p->column));
        uint32_t n = rows_with_value(p->column, left, taken);
        bool     last = a + 1 == expr->arg_count;
        if (n == 0 && !last) {
            wr_column_release(p->column);
            continue;
        }
        list->count++;
        if (n == left.count || last) { /* the last argument's NULLs are the result's */
            p->rows = left;
            return WEIR_OK;
        }
        p->rows = (wr_rows){ taken, n };
        WR_TRY(rows_rest(eval, &left, taken, n));
    }
    return WEIR_OK;
}

weir_status
wr_eval_coalesce(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                 wr_column **out)
{
    part_list list = { wr_arena_calloc(&eval->step, expr->arg_count + 1, sizeof(part)), 0 };
    if (list.parts == NULL)
        return WEIR_MEMORY;
    weir_status status = coalesce_parts(eval, expr, in, rows, &list);
    if (status != WEIR_OK) {
        parts_release(&list);
        return status;
    }
    return parts_merge(eval, expr->type, &list, in->physical_count, rows, out);
}
