/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_calls.c -- the calls of an aggregate: their places in a row, their arguments
 * of a batch, and what is done to all states of a group at once.
 *
 * Invariants  C1  arguments are computed once a batch, and only for rows that their FILTER lets
 *                 pass
 *             C2  a call that ignores NULL never sees one
 *             C3  calls, their arguments and the arguments' types lie in one block: calls->calls
 */
#include "operator/aggregate_impl.h"

#include <string.h>

/* Every row of a group counts. */
static bool
counts_all(const wr_agg_call *spec)
{
    return spec->aggregate->counts && spec->arg_count == 0 && spec->filter == NULL;
}

static void
call_open(agg_call *call, const wr_agg_call *spec, size_t *offset, bool implies)
{
    call->spec = spec;
    call->implied = implies && counts_all(spec);
    call->offset = call->implied ? offsetof(wr_group, count) : *offset;
    *offset += call->implied ? 0 : spec->aggregate->state_bytes;
    wr_assert(spec->aggregate->state_bytes % 8 == 0);
    for (uint32_t i = 0; i < spec->arg_count; i++)
        call->arg_types[i] = spec->args[i]->type;
    call->ctx = (wr_agg_ctx){
        .args = call->arg_types,
        .arg_count = spec->arg_count,
        .result = spec->result,
        .aggregate = spec->aggregate,
    };
}

static weir_status
distinct_open(agg_call *call, wr_ctx *ctx)
{
    agg_distinct *d = call->distinct = wr_calloc(ctx->state, 1, sizeof *d);
    if (d == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_key_layout_init(&d->values, ctx->state, call->arg_types, call->spec->arg_count, true, false));
    wr_row_keys_init(&d->keys, &d->values, ctx->flow);
    return WEIR_OK;
}

/* C3 */
static agg_call *
calls_make(wr_ctx *ctx, const wr_agg_call *specs, uint32_t count)
{
    size_t args = 0;
    for (uint32_t i = 0; i < count; i++)
        args += specs[i].arg_count;
    agg_call *calls = wr_calloc(ctx->state, 1, count * sizeof *calls + args * (sizeof(wr_column *) + sizeof(wr_type)));
    if (calls == NULL)
        return NULL;
    wr_column **columns = (wr_column **) (void *) (calls + count);
    wr_type    *types = (wr_type *) (void *) (columns + args);
    for (uint32_t i = 0; i < count; i++) {
        calls[i].args = columns;
        calls[i].arg_types = types;
        columns += specs[i].arg_count;
        types += specs[i].arg_count;
    }
    return calls;
}

weir_status
wr_agg_calls_open(agg_calls *calls, wr_ctx *ctx, const wr_agg_call *specs, uint32_t count,
                  size_t user_offset, bool implies, weir_error *err)
{
    size_t offset = user_offset;
    *calls = (agg_calls){
        .ctx = ctx, .mergeable = true, .invertible = true, .user_offset = user_offset
    };
    for (uint32_t i = 0; i < count; i++)
        if (specs[i].arg_count > WR_AGG_ARGS_MAX)
            return wr_error_at(err, WEIR_QUERY_TOO_COMPLEX, specs[i].location, "%s has %u arguments; at most %d are allowed",
                               specs[i].aggregate->name, specs[i].arg_count, WR_AGG_ARGS_MAX);
    calls->calls = calls_make(ctx, specs, count);
    if (calls->calls == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for %u aggregates", count);
    calls->count = count;
    for (uint32_t i = 0; i < count; i++) {
        agg_call *call = &calls->calls[i];
        call_open(call, &specs[i], &offset, implies);
        calls->nested |= specs[i].aggregate->nested;
        calls->mergeable &= specs[i].aggregate->merge != NULL;
        calls->invertible &= specs[i].aggregate->unmerge != NULL;
        if (!specs[i].distinct || specs[i].arg_count == 0)
            continue;
        calls->distinct = true;
        if (distinct_open(call, ctx) != WEIR_OK)
            return wr_error_set(err, WEIR_MEMORY, "no memory for %u aggregates", count);
    }
    calls->user_bytes = offset - user_offset;
    return WEIR_OK;
}

void
wr_agg_calls_close(agg_calls *calls)
{
    wr_agg_calls_end(calls);
    for (uint32_t i = 0; i < calls->count; i++) {
        agg_distinct *d = calls->calls[i].distinct;
        if (d != NULL) {
            wr_key_layout_fini(&d->values);
            wr_row_keys_fini(&d->keys);
            wr_free(d);
        }
        wr_free(calls->calls[i].pass);
    }
    wr_free(calls->calls);
    *calls = (agg_calls){ 0 };
}

void
wr_agg_calls_end(agg_calls *calls)
{
    for (uint32_t i = 0; i < calls->count; i++) {
        agg_call *call = &calls->calls[i];
        for (uint32_t j = 0; call->spec != NULL && j < call->spec->arg_count; j++) {
            wr_column_release(call->args[j]);
            call->args[j] = NULL;
        }
    }
}

static weir_status
call_pass_rows(agg_calls *calls, agg_call *call, wr_rows rows)
{
    if (call->pass == NULL) {
        call->pass = wr_alloc(calls->ctx->flow, WR_BATCH_ROWS_MAX / 8);
        if (call->pass == NULL)
            return WEIR_MEMORY;
    }
    memset(call->pass, 0, WR_BATCH_ROWS_MAX / 8);
    for (uint32_t i = 0; i < rows.count; i++)
        wr_bitmap_set(call->pass, rows.rows != NULL ? rows.rows[i] : i);
    call->narrowed = true;
    return WEIR_OK;
}

/* C2 */
static weir_status
call_skip_nulls(agg_calls *calls, agg_call *call, wr_rows rows)
{
    for (uint32_t j = 0; j < call->spec->arg_count; j++) {
        const wr_column *c = call->args[j];
        if (wr_column_base(c)->valid == NULL)
            continue;
        if (!call->narrowed)
            WR_TRY(call_pass_rows(calls, call, rows));
        for (uint32_t i = 0; i < rows.count; i++) {
            uint32_t row = rows.rows != NULL ? rows.rows[i] : i;
            if (wr_column_is_null(c, row))
                wr_bitmap_clear(call->pass, row);
        }
    }
    return WEIR_OK;
}

static weir_status
call_begin(agg_calls *calls, agg_call *call, const wr_batch *in)
{
    wr_eval *eval = &calls->ctx->eval;
    wr_rows  rows = wr_batch_rows(in);
    call->narrowed = false;
    if (call->spec->filter != NULL) { /* C1 */
        uint16_t *selected = wr_arena_alloc(&eval->step, in->row_count * sizeof *selected);
        uint32_t  count = 0;
        if (selected == NULL)
            return WEIR_MEMORY;
        WR_TRY(wr_expr_filter(eval, call->spec->filter, in, rows, selected, &count));
        rows = (wr_rows){ selected, count };
        WR_TRY(call_pass_rows(calls, call, rows));
    }
    for (uint32_t j = 0; j < call->spec->arg_count; j++)
        WR_TRY(wr_expr_eval(eval, call->spec->args[j], in, rows, &call->args[j]));
    return call->spec->aggregate->ignores_null ? call_skip_nulls(calls, call, rows) : WEIR_OK;
}

bool
wr_agg_calls_begin(agg_calls *calls, const wr_batch *in, uint16_t *rows, uint32_t *count)
{
    for (uint32_t i = 0; i < calls->count; i++)
        if (call_begin(calls, &calls->calls[i], in) != WEIR_OK) {
            (void) wr_ctx_fail(calls->ctx, WEIR_MEMORY, "no memory to aggregate %u rows",
                               in->row_count);
            return false;
        }
    return wr_ctx_drop_failed(calls->ctx, in, rows, count) == WR_FLOW_NEXT;
}

bool
wr_agg_calls_enter(agg_calls *calls, wr_group_table *table)
{
    if (!calls->nested)
        return true;
    wr_arena *arena = wr_group_table_arena(table);
    for (uint32_t i = 0; i < calls->count; i++)
        calls->calls[i].ctx.arena = arena;
    return arena != NULL;
}

void
wr_agg_calls_init(agg_calls *calls, wr_group *group)
{
    for (uint32_t i = 0; i < calls->count; i++) {
        agg_call *call = &calls->calls[i];
        if (call->spec->aggregate->init != NULL && !call->implied)
            call->spec->aggregate->init(&call->ctx, (char *) group + call->offset);
    }
}

void
wr_agg_calls_merge(agg_calls *calls, wr_group *into, const wr_group *from, bool created)
{
    into->count += from->count;
    if (created && !calls->nested) {
        memcpy((char *) into + calls->user_offset, (const char *) from + calls->user_offset,
               calls->user_bytes);
        return;
    }
    if (created)
        wr_agg_calls_init(calls, into);
    for (uint32_t i = 0; i < calls->count; i++) {
        agg_call *call = &calls->calls[i];
        if (!call->implied)
            call->spec->aggregate->merge(&call->ctx, (char *) into + call->offset,
                                         (const char *) from + call->offset);
    }
}

void
wr_agg_calls_unmerge(agg_calls *calls, wr_group *into, const wr_group *from)
{
    into->count -= from->count;
    for (uint32_t i = 0; i < calls->count; i++) {
        agg_call *call = &calls->calls[i];
        if (!call->implied)
            call->spec->aggregate->unmerge(&call->ctx, (char *) into + call->offset,
                                           (const char *) from + call->offset);
    }
}

bool
wr_agg_calls_failed(const agg_calls *calls)
{
    for (uint32_t i = 0; i < calls->count; i++)
        if (calls->calls[i].ctx.failed)
            return true;
    return false;
}

void
wr_agg_calls_encode(const agg_calls *calls, const wr_group *group, wr_snapshot_writer *to)
{
    for (uint32_t i = 0; i < calls->count; i++) {
        const wr_agg_ctx *own = &calls->calls[i].ctx;
        /* the writer may be another thread's: only what never changes */
        wr_agg_ctx ctx = { .args = own->args,
                           .arg_count = own->arg_count,
                           .result = own->result,
                           .aggregate = own->aggregate };
        calls->calls[i].spec->aggregate->encode(
            &ctx, (const char *) group + calls->calls[i].offset, to);
    }
}

weir_status
wr_agg_calls_decode(agg_calls *calls, wr_group *group, wr_snapshot_reader *from)
{
    for (uint32_t i = 0; i < calls->count; i++) {
        agg_call *call = &calls->calls[i];
        WR_TRY(call->spec->aggregate->decode(&call->ctx, (char *) group + call->offset, from));
    }
    return WEIR_OK;
}
