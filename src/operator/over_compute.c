/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over_compute.c -- the calls of a window function's operator over the rows at work.
 *
 * Invariants  C1  rows are peers when all their order keys are equal, NULLs equal among themselves
 *             C2  calls with the same partition and order share one sort
 */
#include "operator/over_impl.h"

#include <stdlib.h>
#include <string.h>

/* --- sorting --- */

static int
values_compare(const wr_value *a, const wr_value *b, bool descending, bool nulls_first)
{
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null ? 0 : a->is_null == nulls_first ? -1 : 1;
    int order = wr_value_compare(a, b);
    return descending ? -order : order;
}

static int
partitions_compare(const wr_over_spec *s, const over_row *a, const over_row *b)
{
    for (uint32_t k = 0; k < s->partition_count; k++) {
        int order = values_compare(&a->keys[k], &b->keys[k], false, true);
        if (order != 0)
            return order;
    }
    return 0;
}

static int
orders_compare(const wr_over_spec *s, const over_row *a, const over_row *b)
{
    for (uint32_t k = 0; k < s->order_count; k++) {
        uint32_t at = s->partition_count + k;
        int      order = values_compare(&a->keys[at], &b->keys[at], s->order[k].descending,
                                        s->order[k].nulls_first);
        if (order != 0)
            return order;
    }
    return 0;
}

static int
rows_compare(const void *x, const void *y, void *spec)
{
    const over_row *a = *(over_row *const *) x, *b = *(over_row *const *) y;
    int             order = partitions_compare(spec, a, b);
    if (order == 0)
        order = orders_compare(spec, a, b);
    return order != 0 ? order : a->index < b->index ? -1 : a->index > b->index;
}

static bool
same_order(const wr_over_spec *a, const wr_over_spec *b)
{
    if (a->partition_count != b->partition_count || a->order_count != b->order_count)
        return false;
    for (uint32_t i = 0; i < a->partition_count; i++)
        if (a->partition[i] != b->partition[i])
            return false;
    for (uint32_t i = 0; i < a->order_count; i++)
        if (a->order[i].column != b->order[i].column
            || a->order[i].descending != b->order[i].descending
            || a->order[i].nulls_first != b->order[i].nulls_first)
            return false;
    return true;
}

static weir_status
sort_rows(over_state *o, const wr_over_spec *spec, over_row **sorted)
{
    uint32_t n = spec->partition_count + spec->order_count;
    for (uint32_t i = 0; i < o->work.count; i++) {
        over_row *r = &o->work.rows[i];
        r->keys = wr_arena_alloc(&o->work.arena, (n + 1) * sizeof *r->keys);
        if (r->keys == NULL)
            return WEIR_MEMORY;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t column = k < spec->partition_count ? spec->partition[k]
                                                        : spec->order[k - spec->partition_count].column;
            WR_TRY(wr_column_get_value(o->batches[r->batch]->columns[column], r->row, &o->work.arena,
                                       &r->keys[k]));
        }
        sorted[i] = r;
    }
    qsort_r(sorted, o->work.count, sizeof *sorted, rows_compare, (void *) spec);
    return WEIR_OK;
}

/* --- arguments --- */

static void
args_release(over_state *o, const wr_over_spec *spec, wr_column ***args)
{
    for (uint32_t b = 0; args != NULL && b < o->count; b++)
        for (uint32_t a = 0; args[b] != NULL && a <= spec->arg_count; a++)
            wr_column_release(args[b][a]);
}

static weir_status
args_eval(over_state *o, const wr_over_spec *spec, wr_column ***args)
{
    for (uint32_t b = 0; b < o->count; b++) {
        args[b] = wr_arena_calloc(&o->work.arena, spec->arg_count + 1, sizeof **args);
        if (args[b] == NULL)
            return WEIR_MEMORY;
        for (uint32_t a = 0; a <= spec->arg_count; a++) {
            const wr_expr *e = a < spec->arg_count ? spec->args[a] : spec->filter;
            if (e != NULL)
                WR_TRY(wr_expr_eval(&o->ctx->eval, e, o->batches[b], wr_batch_rows(o->batches[b]),
                                    &args[b][a]));
            if (o->ctx->eval.error_count > 0) {
                const wr_row_error *error = &o->ctx->eval.errors[0];
                (void) wr_ctx_fail(o->ctx, error->code, "%s", error->text);
                return error->code;
            }
        }
    }
    return WEIR_OK;
}

weir_status
wr_over_arg(const over_partition *p, uint32_t position, uint32_t arg, wr_value *out)
{
    const over_row  *r = p->rows[position];
    const wr_column *column = p->args[r->batch][arg];
    return wr_column_get_value(column, r->row, &p->over->work.arena, out);
}

/* --- functions that need no frame --- */

static wr_value *
result_of(over_partition *p, uint32_t position)
{
    return &p->results[p->rows[position]->index];
}

static void
set_integer(over_partition *p, uint32_t position, int64_t value)
{
    *result_of(p, position) = (wr_value){ .type = p->spec->result, .integer = value };
}

static void
set_real(over_partition *p, uint32_t position, double value)
{
    *result_of(p, position) = (wr_value){ .type = p->spec->result, .real = value };
}

static void
compute_ranks(over_partition *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t group = p->group[i], first = p->group_start[group];
        uint32_t after = p->group_start[group + 1];
        switch (p->spec->function) {
        case WR_OVER_ROW_NUMBER: set_integer(p, i, (int64_t) i + 1); break;
        case WR_OVER_RANK: set_integer(p, i, (int64_t) first + 1); break;
        case WR_OVER_DENSE_RANK: set_integer(p, i, (int64_t) group + 1); break;
        case WR_OVER_PERCENT_RANK:
            set_real(p, i, p->count > 1 ? (double) first / (double) (p->count - 1) : 0.0);
            break;
        default: set_real(p, i, (double) after / (double) p->count); break;
        }
    }
}

static weir_status
compute_ntile(over_partition *p)
{
    wr_value n;
    WR_TRY(wr_over_arg(p, 0, 0, &n));
    if (!n.is_null && n.integer <= 0) {
        (void) wr_ctx_fail(p->over->ctx, WEIR_ROW_INVALID_ARGUMENT,
                           "argument of ntile must be greater than zero");
        return WEIR_ROW_INVALID_ARGUMENT;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        if (n.is_null) {
            *result_of(p, i) = wr_value_null(p->spec->result);
            continue;
        }
        /* the first `more` buckets have one row more */
        int64_t size = p->count / n.integer, more = p->count % n.integer;
        int64_t large = more * (size + 1);
        int64_t bucket = i < large ? i / (size + 1) : more + (i - large) / WR_MAX(size, 1);
        set_integer(p, i, bucket + 1);
    }
    return WEIR_OK;
}

/* lag(x, offset, default) and lead; all but x are read at the row itself. */
static weir_status
compute_shift(over_partition *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        wr_value offset = { .type = WR_TYPE(WR_INT4), .integer = 1 };
        if (p->spec->arg_count > 1)
            WR_TRY(wr_over_arg(p, i, 1, &offset));
        wr_value *out = result_of(p, i);
        *out = wr_value_null(p->spec->result);
        if (offset.is_null)
            continue;
        int64_t at = p->spec->function == WR_OVER_LAG ? (int64_t) i - offset.integer
                                                      : (int64_t) i + offset.integer;
        if (at >= 0 && at < p->count)
            WR_TRY(wr_over_arg(p, (uint32_t) at, 0, out));
        else if (p->spec->arg_count > 2)
            WR_TRY(wr_over_arg(p, i, 2, out));
    }
    return WEIR_OK;
}

/* --- first_value, last_value, nth_value: the frame's rows in order --- */

static weir_status
nth_of(over_partition *p, uint32_t i, const over_frame *f, uint32_t *at, bool *found)
{
    *found = false;
    if (p->spec->function == WR_OVER_LAST_VALUE) {
        for (uint32_t k = f->end; k > f->start && !*found; k--)
            if (over_frame_has(f, k - 1)) {
                *at = k - 1;
                *found = true;
            }
        return WEIR_OK;
    }
    int64_t n = 1;
    if (p->spec->function == WR_OVER_NTH_VALUE) {
        wr_value value;
        WR_TRY(wr_over_arg(p, i, 1, &value));
        if (value.is_null)
            return WEIR_OK;
        n = value.integer;
        if (n <= 0) {
            (void) wr_ctx_fail(p->over->ctx, WEIR_ROW_INVALID_ARGUMENT,
                               "argument of nth_value must be greater than zero");
            return WEIR_ROW_INVALID_ARGUMENT;
        }
    }
    bool plain = f->hole_start == f->hole_end;
    if (plain && n <= (int64_t) f->end - f->start) {
        *at = f->start + (uint32_t) (n - 1);
        *found = true;
    }
    for (uint32_t k = f->start; !plain && k < f->end && !*found; k++)
        if (over_frame_has(f, k) && --n == 0) {
            *at = k;
            *found = true;
        }
    return WEIR_OK;
}

static weir_status
compute_value(over_partition *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        over_frame f;
        uint32_t   at = 0;
        bool       found;
        WR_TRY(wr_over_frame_of(p, i, &f));
        WR_TRY(nth_of(p, i, &f, &at, &found));
        wr_value *out = result_of(p, i);
        *out = wr_value_null(p->spec->result);
        if (found)
            WR_TRY(wr_over_arg(p, at, 0, out));
    }
    return WEIR_OK;
}

/* --- partitions --- */

static weir_status
compute_partition(over_partition *p)
{
    p->group_count = 0;
    for (uint32_t i = 0; i < p->count; i++) { /* C1 */
        if (i == 0 || orders_compare(p->spec, p->rows[i - 1], p->rows[i]) != 0)
            p->group_start[p->group_count++] = i;
        p->group[i] = p->group_count - 1;
    }
    p->group_start[p->group_count] = p->count;
    switch (p->spec->function) {
    case WR_OVER_AGGREGATE: return wr_over_aggregate(p);
    case WR_OVER_NTILE: return compute_ntile(p);
    case WR_OVER_LAG:
    case WR_OVER_LEAD: return compute_shift(p);
    case WR_OVER_FIRST_VALUE:
    case WR_OVER_LAST_VALUE:
    case WR_OVER_NTH_VALUE: return compute_value(p);
    default: compute_ranks(p); return WEIR_OK;
    }
}

static weir_status
compute_call(over_state *o, const wr_over_spec *spec, over_row **sorted, wr_value *results,
             wr_column ***args)
{
    uint32_t       n = o->work.count;
    over_partition p = { .over = o, .spec = spec, .results = results, .args = args };
    p.group = wr_arena_alloc(&o->work.arena, n * sizeof *p.group);
    p.group_start = wr_arena_alloc(&o->work.arena, (n + 1) * sizeof *p.group_start);
    if (p.group == NULL || p.group_start == NULL)
        return WEIR_MEMORY;
    for (uint32_t first = 0; first < n;) {
        uint32_t after = first + 1;
        while (after < n && partitions_compare(spec, sorted[first], sorted[after]) == 0)
            after++;
        p.rows = sorted + first;
        p.count = after - first;
        WR_TRY(compute_partition(&p));
        first = after;
    }
    return WEIR_OK;
}

weir_status
wr_over_compute(over_state *o)
{
    const wr_over_spec *calls = o->config->calls;
    over_row          **sorted = wr_arena_alloc(&o->work.arena, o->work.count * sizeof *sorted);
    if (sorted == NULL)
        return WEIR_MEMORY;
    for (uint32_t c = 0; c < o->config->call_count; c++) {
        wr_column ***args = wr_arena_calloc(&o->work.arena, o->count + 1, sizeof *args);
        wr_value    *results = wr_arena_alloc(&o->work.arena, o->work.count * sizeof *results);
        if (args == NULL || results == NULL)
            return WEIR_MEMORY;
        o->work.results[c] = results;
        weir_status status = WEIR_OK;
        if (c == 0 || !same_order(&calls[c - 1], &calls[c])) /* C2 */
            status = sort_rows(o, &calls[c], sorted);
        if (status == WEIR_OK)
            status = args_eval(o, &calls[c], args);
        if (status == WEIR_OK)
            status = compute_call(o, &calls[c], sorted, results, args);
        /* results may borrow from the argument columns: bring their bytes over first */
        for (uint32_t i = 0; i < o->work.count && status == WEIR_OK; i++)
            status = wr_value_copy(&results[i], &o->work.arena, &results[i]);
        args_release(o, &calls[c], args);
        WR_TRY(status);
    }
    return WEIR_OK;
}
