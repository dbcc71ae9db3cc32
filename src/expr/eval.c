/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/eval.c -- evaluation of expressions over batches: the doors, errors of rows, calls.
 *
 * A call is computed by the first of these that applies: a NULL constant into a strict function is
 * NULL; constants alone are computed once; one dictionary argument is computed per entry instead of
 * per row; the vector kernel; the row kernel, in a loop that boxes constants once.
 *
 * Place       operators and the binder (folding) call the doors of expr.h.
 * State       the caller's wr_eval.
 * Invariants  X1..X5 of expr.h
 *             E1  no function is called for an empty set of rows, so no error comes of no row
 */
#include "expr/eval_impl.h"
#include "expr/pattern_impl.h"

#include <stdarg.h>
#include <stdio.h>

void
wr_eval_init(wr_eval *eval, wr_budget *budget)
{
    memset(eval, 0, sizeof *eval);
    eval->budget = budget;
    eval->location = -1;
    wr_arena_init(&eval->step, budget);
    wr_random_init(&eval->random, 0);
}

void
wr_eval_fini(wr_eval *eval)
{
    wr_arena_fini(&eval->step);
    wr_patterns_destroy(eval->patterns);
    eval->patterns = NULL;
    eval->errors = NULL;
    eval->error_bits = NULL;
    eval->error_count = 0;
}

void
wr_eval_reset(wr_eval *eval)
{
    wr_arena_reset(&eval->step);
    eval->error_count = eval->error_told = 0;
    eval->errors = NULL; /* they lay in the step arena */
    eval->error_bits = NULL;
    eval->location = -1;
}

weir_status_code
wr_eval_fail(wr_eval *eval, uint32_t row, weir_status code, const char *format, ...)
{
    char    text[256];
    va_list args;
    wr_assert(row < WR_BATCH_ROWS_MAX && wr_status_is_row(code));
    if (wr_eval_row_failed(eval, row))
        return code; /* the first error wins */
    uint32_t n = eval->error_count;
    if (eval->error_bits == NULL)
        eval->error_bits = wr_arena_calloc(&eval->step, WR_BATCH_ROWS_MAX / 64, sizeof(uint64_t));
    if (eval->error_bits == NULL)
        return WEIR_MEMORY;
    if ((n & (n - 1)) == 0) { /* full at each power of two */
        wr_row_error *grown = wr_arena_alloc(&eval->step, WR_MAX(n * 2, 1u) * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        if (n > 0)
            memcpy(grown, eval->errors, n * sizeof *grown);
        eval->errors = grown;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = wr_arena_strdup(&eval->step, text);
    if (copy == NULL)
        return WEIR_MEMORY;
    eval->errors[n] = (wr_row_error){ (uint16_t) row, code, eval->location, copy };
    eval->error_count = n + 1;
    wr_bitmap_set(eval->error_bits, row);
    return code;
}

/* --- calls --- */

static bool
column_is_null_constant(const wr_column *c)
{
    return c->layout == WR_CONSTANT && wr_column_is_null(c, 0);
}

static weir_status
eval_null(wr_eval *eval, wr_type type, wr_column **out)
{
    wr_value null = wr_value_null(type);
    *out = wr_column_create_constant(eval->budget, &null);
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* One row by the row kernel.  A failed row gives WEIR_OK and NULL. */
static inline weir_status
call_row(wr_eval *eval, const wr_expr *call, const wr_value *args, uint32_t arg_count, uint32_t row,
         wr_value *result)
{
    *result = (wr_value){ .type = call->type };
    weir_status status = call->function->scalar(eval, row, args, arg_count, result);
    if (WR_LIKELY(status == WEIR_OK))
        return WEIR_OK;
    if (!wr_status_is_row(status))
        return status;
    result->is_null = true;
    status = wr_eval_fail(eval, row, status, "%s", weir_status_text(status)); /* if it did not */
    return wr_status_is_row(status) ? WEIR_OK : status;
}

/* All arguments constant: compute once, for the first row; its failure is everyone's. */
static weir_status
call_constant(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
              wr_rows rows, wr_column **out)
{
    wr_value *boxed = wr_arena_alloc(&eval->step, (arg_count + 1) * sizeof *boxed), result;
    if (boxed == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < arg_count; i++)
        WR_TRY(wr_column_get_value(args[i], 0, &eval->step, &boxed[i]));
    uint32_t before = eval->error_count, first = wr_rows_at(rows, 0);
    for (uint32_t i = 0; i < rows.count && wr_eval_row_failed(eval, first); i++)
        first = wr_rows_at(rows, i); /* a row whose failure can still be seen */
    WR_TRY(call_row(eval, call, boxed, arg_count, first, &result));
    if (eval->error_count > before) {
        wr_row_error error = eval->errors[before];
        for (uint32_t i = 0; i < rows.count; i++) {
            weir_status s = wr_eval_fail(eval, wr_rows_at(rows, i), error.code, "%s", error.text);
            if (!wr_status_is_row(s))
                return s;
        }
    }
    *out = wr_column_create_constant(eval->budget, &result);
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
call_rows(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
          uint32_t physical, wr_rows rows, wr_column **out)
{
    const wr_function *f = call->function;
    wr_value          *boxed = wr_arena_alloc(&eval->step, (arg_count + 1) * sizeof *boxed), result;
    wr_column         *c = wr_eval_column(eval, call->type, physical, rows);
    weir_status        status = boxed != NULL && c != NULL ? WEIR_OK : WEIR_MEMORY;
    for (uint32_t i = 0; i < arg_count && status == WEIR_OK; i++)
        if (args[i]->layout == WR_CONSTANT)
            status = wr_column_get_value(args[i], 0, &eval->step, &boxed[i]);
    for (uint32_t i = 0; i < rows.count && status == WEIR_OK; i++) {
        uint32_t row = wr_rows_at(rows, i);
        bool     null = false;
        for (uint32_t a = 0; a < arg_count && status == WEIR_OK; a++) {
            if (args[a]->layout != WR_CONSTANT)
                status = wr_column_get_value(args[a], row, &eval->step, &boxed[a]);
            null |= status == WEIR_OK && boxed[a].is_null;
        }
        if (status != WEIR_OK)
            break;
        if (null && !f->called_on_null) {
            status = wr_column_set_null(c, row);
            continue;
        }
        status = call_row(eval, call, boxed, arg_count, row, &result);
        if (status == WEIR_OK)
            status = result.is_null ? wr_column_set_null(c, row)
                                    : wr_column_set_value(c, row, &result);
    }
    if (status != WEIR_OK) {
        wr_column_release(c);
        return status;
    }
    *out = c;
    return WEIR_OK;
}

/* The only argument that is not constant, when it is a dictionary small enough to be worth it. */
static bool
call_find_dictionary(const wr_expr *call, wr_column *const *args, uint32_t arg_count, wr_rows rows,
                     uint32_t *which, uint32_t *entries)
{
    uint32_t varying = 0;
    for (uint32_t i = 0; i < arg_count; i++)
        if (args[i]->layout != WR_CONSTANT) {
            *which = i;
            varying++;
        }
    if (varying != 1 || args[*which]->layout != WR_DICTIONARY || call->function->can_fail ||
        call->function->volatility == WR_VOLATILE)
        return false;
    const uint16_t *codes = args[*which]->data;
    uint32_t        most = 0;
    for (uint32_t i = 0; i < rows.count; i++)
        most = WR_MAX(most, codes[wr_rows_at(rows, i)]);
    *entries = most + 1;
    return *entries <= rows.count / 2 && *entries <= WR_BATCH_ROWS_MAX;
}

static weir_status
call_dictionary(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                uint32_t which, uint32_t entries, uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_column **with = wr_arena_alloc(&eval->step, arg_count * sizeof *with), *of_entry = NULL;
    uint16_t   *codes = wr_arena_calloc(&eval->step, WR_MAX(physical, 1u), sizeof *codes);
    if (with == NULL || codes == NULL)
        return WEIR_MEMORY;
    memcpy(with, args, arg_count * sizeof *with);
    with[which] = args[which]->dictionary;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        codes[row] = ((const uint16_t *) args[which]->data)[row];
    }
    WR_TRY(wr_eval_apply(eval, call, with, arg_count, entries, (wr_rows){ NULL, entries },
                         &of_entry));
    if (of_entry->layout == WR_CONSTANT) {
        *out = of_entry;
        return WEIR_OK;
    }
    *out = wr_column_gather(eval->budget, of_entry, codes, physical);
    wr_column_release(of_entry);
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_eval_apply(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
              uint32_t physical, wr_rows rows, wr_column **out)
{
    const wr_function *f = call->function;
    bool               constant = f->volatility != WR_VOLATILE, null = false;
    uint32_t           which = 0, entries = 0;
    for (uint32_t i = 0; i < arg_count; i++) {
        null |= column_is_null_constant(args[i]);
        constant &= args[i]->layout == WR_CONSTANT;
    }
    if (rows.count == 0 || (null && !f->called_on_null))
        return eval_null(eval, call->type, out); /* E1 */
    eval->location = call->location;
    if (constant && f->scalar != NULL)
        return call_constant(eval, call, args, arg_count, rows, out);
    if (call_find_dictionary(call, args, arg_count, rows, &which, &entries))
        return call_dictionary(eval, call, args, arg_count, which, entries, physical, rows, out);
    if (f->vector != NULL) {
        weir_status status = f->vector(eval, call, args, arg_count, physical, rows, out);
        if (status != WEIR_QUERY_UNSUPPORTED || f->scalar == NULL)
            return status;
    }
    return call_rows(eval, call, args, arg_count, physical, rows, out);
}

static weir_status
eval_call(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, wr_column **out)
{
    wr_column **args = wr_arena_calloc(&eval->step, expr->arg_count + 1, sizeof *args);
    weir_status status = args != NULL ? WEIR_OK : WEIR_MEMORY;
    for (uint32_t i = 0; i < expr->arg_count && status == WEIR_OK; i++)
        status = wr_eval_node(eval, expr->args[i], in, rows, &args[i]);
    if (status == WEIR_OK)
        status = wr_eval_apply(eval, expr, args, expr->arg_count, in->physical_count, rows, out);
    for (uint32_t i = 0; args != NULL && i < expr->arg_count; i++)
        wr_column_release(args[i]);
    return status;
}

/* --- the walk --- */

enum { CALL_COST = 16, FREE_BYTES = 4096 }; /* what is smaller is not counted */
static _Thread_local size_t *fold_fuel;

void
wr_expr_fold_limit(size_t *fuel)
{
    fold_fuel = fuel;
}

/* A call that is paid for; its arguments pay for themselves. */
static weir_status
eval_call_paid(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, wr_column **out)
{
    const wr_budget *budget = eval->budget != NULL ? eval->budget : wr_budget_process();
    uint64_t before = wr_budget_used(budget);
    if (*eval->fuel == 0)
        return WEIR_QUERY_TOO_COMPLEX;
    weir_status status = eval_call(eval, expr, in, rows, out);
    uint64_t after = wr_budget_used(budget);
    uint64_t cost = CALL_COST + (after > before + FREE_BYTES ? after - before : 0);
    *eval->fuel -= (size_t)WR_MIN(cost, *eval->fuel);
    return status;
}

weir_status
wr_eval_node(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, wr_column **out)
{
    *out = NULL;
    switch (expr->kind) {
    case WR_EXPR_CONSTANT:
        *out = wr_column_create_constant(eval->budget, &expr->constant);
        return *out != NULL ? WEIR_OK : WEIR_MEMORY;
    case WR_EXPR_COLUMN:
        wr_assert(expr->column < in->column_count);
        *out = wr_column_retain(in->columns[expr->column]);
        return WEIR_OK;
    case WR_EXPR_PARAM: return WEIR_INTERNAL; /* replaced before running */
    case WR_EXPR_CALL:
        return eval->fuel == NULL ? eval_call(eval, expr, in, rows, out)
                                  : eval_call_paid(eval, expr, in, rows, out);
    case WR_EXPR_AND:
    case WR_EXPR_OR: return wr_eval_and_or(eval, expr, in, rows, out);
    case WR_EXPR_NOT: return wr_eval_not(eval, expr, in, rows, out);
    case WR_EXPR_IS_NULL:
    case WR_EXPR_IS_NOT_NULL:
    case WR_EXPR_IS_TRUE:
    case WR_EXPR_IS_NOT_TRUE:
    case WR_EXPR_IS_FALSE:
    case WR_EXPR_IS_NOT_FALSE: return wr_eval_is(eval, expr, in, rows, out);
    case WR_EXPR_CASE: return wr_eval_case(eval, expr, in, rows, out);
    case WR_EXPR_COALESCE: return wr_eval_coalesce(eval, expr, in, rows, out);
    case WR_EXPR_DISTINCT: return wr_eval_distinct(eval, expr, in, rows, out);
    case WR_EXPR_ANY:
    case WR_EXPR_ALL: return wr_eval_any_all(eval, expr, in, rows, out);
    case WR_EXPR_IN: return wr_eval_in(eval, expr, in, rows, out);
    }
    wr_unreachable();
}

/* X3: what a failed row holds after an expression that went on (COALESCE, OR) is NULL as well. */
static weir_status
eval_null_failed(wr_eval *eval, wr_rows rows, wr_column **column)
{
    wr_column *c = *column;
    uint32_t   failed = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        failed += wr_eval_row_failed(eval, row) && !wr_column_is_null(c, row);
    }
    if (failed == 0)
        return WEIR_OK;
    if (c->layout != WR_FLAT || atomic_load_explicit(&c->refs, memory_order_relaxed) > 1) {
        uint32_t   physical = wr_rows_at(rows, rows.count - 1) + 1;
        uint16_t  *all = wr_eval_row_list(eval, physical);
        for (uint32_t i = 0; all != NULL && i < physical; i++)
            all[i] = (uint16_t) i;
        wr_column *own = all != NULL ? wr_column_gather(eval->budget, c, all, physical) : NULL;
        if (own == NULL)
            return WEIR_MEMORY;
        wr_column_release(c);
        *column = c = own;
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        if (wr_eval_row_failed(eval, row))
            WR_TRY(wr_column_set_null(c, row));
    }
    return WEIR_OK;
}

weir_status
wr_expr_eval(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, wr_column **out)
{
    uint32_t    before = eval->error_count;
    weir_status status = wr_eval_node(eval, expr, in, rows, out);
    if (status == WEIR_OK && eval->error_count > before)
        status = eval_null_failed(eval, rows, out);
    if (status != WEIR_OK) {
        wr_column_release(*out);
        *out = NULL;
    }
    return status;
}

weir_status
wr_expr_filter(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
               uint16_t *selected, uint32_t *count)
{
    uint32_t before = eval->error_count, kept = 0;
    WR_TRY(wr_eval_filter(eval, expr, in, rows, selected, count));
    if (eval->error_count == before)
        return WEIR_OK;
    for (uint32_t i = 0; i < *count; i++) {
        selected[kept] = selected[i];
        kept += !wr_eval_row_failed(eval, selected[i]);
    }
    *count = kept;
    return WEIR_OK;
}

weir_status
wr_expr_fold(const wr_expr *expr, wr_time now, wr_arena *arena, wr_value *out, weir_error *err)
{
    wr_eval    *eval = wr_alloc(arena->budget, sizeof *eval);
    wr_batch   *one = wr_batch_create(arena->budget, 0);
    wr_column  *column = NULL;
    weir_status status = WEIR_MEMORY;
    if (eval == NULL || one == NULL)
        goto done;
    wr_eval_init(eval, arena->budget);
    eval->now = now;
    eval->fuel = fold_fuel;
    one->row_count = one->physical_count = 1;
    status = wr_expr_eval(eval, expr, one, (wr_rows){ NULL, 1 }, &column);
    if (status == WEIR_OK && eval->error_count > 0)
        status = wr_error_at(err, eval->errors[0].code, eval->errors[0].location, "%s",
                             eval->errors[0].text);
    wr_value value;
    if (status == WEIR_OK)
        status = wr_column_get_value(column, 0, &eval->step, &value);
    if (status == WEIR_OK)
        status = wr_value_copy(&value, arena, out);
    wr_column_release(column);
    wr_eval_fini(eval);
done:
    if (status == WEIR_MEMORY)
        status = wr_error_set(err, WEIR_MEMORY, "not enough memory to compute a constant");
    if (status == WEIR_QUERY_TOO_COMPLEX)
        status = wr_error_set(err, status, "too much is to be computed before the statement runs");
    wr_batch_release(one);
    wr_free(eval);
    return status;
}
