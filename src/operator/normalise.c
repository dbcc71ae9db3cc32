/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/normalise.c -- rows that replace each other by key, as rows that come and go.
 *
 *     in      (1, a)   (2, b)   (1, c)      -(2)       -(9)
 *     out    +(1, a)  +(2, b)  -(1, a)     -(2, b)     nothing, counted
 *                              +(1, c)
 *
 * Place       one input, by key; output: the input's first columns with diffs.
 * State       for each key the columns of its last row that somebody needs, packed, in a table's
 *             store.  As many rows as there are keys: a deletion takes its key away.
 * Invariants  N1  folded, what came out is the last row of each key, whatever the batches were
 *             N2  the old and the new row of a key stand in one batch, the old one first, at most
 *                 one of each; a row that looks like the one it replaces gives nothing
 *             N3  a row out is judged by the watermark of the row that made it: rows of a key are
 *                 taken together only where their watermarks are the same (design 12.1)
 *             N4  a deletion of a key without a row is counted (rows_unknown)
 *             N5  where it holds, rows come out once, at the end, and nothing before
 * Cost        a row: a probe, a copy of its bytes; an update: its old row boxed, 50 ns a column.
 */
#include "operator/normalise_impl.h"

#include <string.h>

/* --- open --- */

static bool
is_needed(const wr_normalise_config *c, uint32_t column)
{
    return c->needed == NULL || (c->needed[column / 64] >> (column % 64) & 1) != 0;
}

static weir_status
open_columns(normalise *n)
{
    const wr_normalise_config *c = n->config;
    wr_budget                 *budget = n->ctx->state;
    wr_type                   *types = wr_alloc(budget, c->key_count * sizeof *types);
    n->kept = wr_alloc(budget, c->column_count * sizeof *n->kept);
    n->key_index = wr_alloc(budget, c->input->field_count * sizeof *n->key_index);
    n->nulls = wr_calloc(budget, c->column_count, sizeof *n->nulls);
    weir_status status = WEIR_MEMORY;
    if (types == NULL || n->kept == NULL || n->key_index == NULL || n->nulls == NULL)
        goto done;
    for (uint32_t i = 0; i < c->input->field_count; i++)
        n->key_index[i] = -1;
    for (uint32_t k = 0; k < c->key_count; k++) {
        types[k] = c->input->fields[c->key[k]].type;
        n->key_index[c->key[k]] = (int32_t) k;
    }
    for (uint32_t i = 0; i < c->column_count; i++) {
        wr_value null = wr_value_null(c->input->fields[i].type);
        if (n->key_index[i] >= 0)
            continue;
        if (is_needed(c, i))
            n->kept[n->kept_count++] = i;
        else if ((n->nulls[i] = wr_column_create_constant(n->ctx->flow, &null)) == NULL)
            goto done;
    }
    status = wr_key_layout_init(&n->layout, budget, types, c->key_count, false, true);
done:
    wr_free(types);
    return status;
}

static void normalise_close(void *self);

static weir_status
normalise_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    normalise *n = self;
    n->config = config;
    n->ctx = ctx;
    wr_assert(n->config->key_count > 0 && n->config->column_count <= n->config->input->field_count);
    wr_text_init(&n->packed, ctx->flow);
    if (open_columns(n) != WEIR_OK) {
        normalise_close(n);
        return wr_error_set(err, WEIR_MEMORY, "no memory for %u columns", n->config->column_count);
    }
    wr_group_table_init(&n->table, ctx->state, &n->layout, sizeof(normal_row));
    return WEIR_OK;
}

static void
normalise_close(void *self)
{
    normalise *n = self;
    if (n->table.layout != NULL)
        wr_group_table_fini(&n->table);
    if (n->step != NULL)
        wr_row_keys_fini(&n->step->keys);
    wr_free(n->step);
    for (uint32_t i = 0; n->nulls != NULL && i < n->config->column_count; i++)
        wr_column_release(n->nulls[i]);
    wr_free(n->nulls);
    wr_free(n->kept);
    wr_free(n->key_index);
    wr_key_layout_fini(&n->layout);
    wr_text_fini(&n->packed);
    n->table.layout = NULL;
    n->step = NULL;
    n->nulls = NULL;
    n->kept = NULL;
    n->key_index = NULL;
}

/* --- one batch out --- */

/* The changes of a run as rows: an old one stands at the even places of pairs. */
typedef struct run_rows {
    uint32_t  olds, news;
    uint32_t *old_ids;    /* groups whose row goes       */
    uint16_t *new_rows;   /* rows of the input that come */
    uint16_t *order;      /* out row -> place among olds, then news */
    wr_time  *judges;     /* by out row */
} run_rows;

static weir_status
run_alloc(normalise *n, uint32_t changes, run_rows *r)
{
    wr_arena *arena = &n->ctx->eval.step;
    *r = (run_rows){ .old_ids = wr_arena_alloc(arena, changes * sizeof *r->old_ids),
                     .new_rows = wr_arena_alloc(arena, changes * sizeof *r->new_rows),
                     .order = wr_arena_alloc(arena, 2 * (size_t) changes * sizeof *r->order),
                     .judges = wr_arena_alloc(arena, 2 * (size_t) changes * sizeof *r->judges) };
    return r->old_ids == NULL || r->new_rows == NULL || r->order == NULL || r->judges == NULL
               ? WEIR_MEMORY
               : WEIR_OK;
}

/* Column c of the rows that go, each boxed; room for what comes after. */
static weir_status
olds_column(normalise *n, const run_rows *r, wr_value *const *old_values, uint32_t c,
            wr_column *column)
{
    uint32_t place = 0;
    while (n->key_index[c] < 0 && n->kept[place] != c)
        place++;
    for (uint32_t i = 0; i < r->olds; i++) {
        const wr_group *g = wr_group_table_row(&n->table, r->old_ids[i]);
        wr_value        v = n->key_index[c] >= 0
                                ? wr_key_value(&n->layout, (const uint64_t *) (g + 1),
                                               (uint32_t) n->key_index[c])
                                : old_values[i][place];
        WR_TRY(v.is_null ? wr_column_set_null(column, i) : wr_column_set_value(column, i, &v));
    }
    return WEIR_OK;
}

static wr_column *
run_column(normalise *n, const wr_batch *in, const run_rows *r, wr_value *const *old_values,
           uint32_t c)
{
    wr_budget       *flow = n->ctx->flow;
    const wr_column *from = r->news > 0 ? in->columns[c] : NULL;
    const wr_column *base = from != NULL ? wr_column_base(from) : NULL;
    if (n->nulls[c] != NULL)
        return wr_column_retain(n->nulls[c]);
    if (r->olds == 0)
        return wr_column_gather(flow, from, r->new_rows, r->news);
    wr_column *column =
        base != NULL && base->type.id == WR_NUMERIC
            ? wr_column_create_decimal(flow, base->type, (wr_decimal_form) base->form, base->scale,
                                       r->olds + r->news)
            : wr_column_create(flow, n->config->input->fields[c].type, r->olds + r->news);
    if (column == NULL)
        return NULL;
    wr_column *ordered = NULL;
    if (olds_column(n, r, old_values, c, column) == WEIR_OK &&
        (r->news == 0 ||
         wr_column_append(column, r->olds, from, r->new_rows, r->news, false) == WEIR_OK))
        ordered = wr_column_gather(flow, column, r->order, r->olds + r->news);
    wr_column_release(column);
    return ordered;
}

/* N3: as far as rows are judged by more than this task stands at, they say so themselves. */
static weir_status
batch_stamp(normalise *n, wr_batch *out, const wr_time *judges)
{
    uint32_t i = 0, count = out->physical_count;
    while (i < count && judges[i] <= n->ctx->watermark)
        i++;
    if (i == count)
        return WEIR_OK; /* the emit stamps it */
    out->row_watermark = wr_alloc(n->ctx->flow, count * sizeof *out->row_watermark);
    if (out->row_watermark == NULL)
        return WEIR_MEMORY;
    for (i = 0; i < count; i++)
        out->row_watermark[i] = WR_MAX(judges[i], n->ctx->watermark);
    out->watermark_before = n->ctx->watermark;
    out->watermark_after = n->ctx->watermark;
    return WEIR_OK;
}

static weir_status
run_emit(normalise *n, const wr_batch *in, const run_rows *r)
{
    uint32_t   count = r->olds + r->news;
    wr_arena  *arena = &n->ctx->eval.step;
    wr_value **old_values = wr_arena_alloc(arena, (r->olds + 1) * sizeof(wr_value *));
    wr_batch  *out = wr_batch_create(n->ctx->flow, n->config->column_count);
    if (old_values == NULL || out == NULL)
        goto memory;
    out->row_count = out->physical_count = count;
    for (uint32_t i = 0; i < r->olds; i++) {
        const normal_row *row =
            normal_row_of(n, wr_group_table_row(&n->table, r->old_ids[i]));
        old_values[i] = wr_arena_alloc(arena, (n->kept_count + 1) * sizeof(wr_value));
        if (old_values[i] == NULL)
            goto memory;
        bool sound = wr_normal_unpack(n, row->bytes, row->length, old_values[i]);
        wr_assert(sound);
    }
    for (uint32_t c = 0; c < n->config->column_count; c++)
        if ((out->columns[c] = run_column(n, in, r, old_values, c)) == NULL)
            goto memory;
    if (r->olds > 0 && !n->config->holds) {
        out->diff = wr_alloc(n->ctx->flow, count * sizeof *out->diff);
        if (out->diff == NULL)
            goto memory;
        for (uint32_t i = 0; i < count; i++)
            out->diff[i] = r->order[i] < r->olds ? -1 : 1;
    }
    if (batch_stamp(n, out, r->judges) != WEIR_OK)
        goto memory;
    wr_ctx_emit(n->ctx, WR_PORT_MAIN, out);
    return WEIR_OK;
memory:
    wr_batch_release(out);
    return WEIR_MEMORY;
}

/* What the changes at hand come to (N2): `packed[i]` of those that stand, NULL when it is no
 * change. */
static weir_status
run_sort_out(normalise *n, const wr_batch *in, run_rows *r, wr_string *packed, bool *differs)
{
    normal_step *s = n->step;
    for (uint32_t i = 0; i < s->change_count; i++) {
        const normal_change *c = &s->changes[i];
        const normal_row    *old = normal_row_of(n, wr_group_table_row(&n->table, c->id));
        differs[i] = c->row >= 0 || old->bytes != NULL;
        if (c->row >= 0) {
            WR_TRY(wr_normal_pack(n, in, (uint32_t) c->row));
            size_t length = n->packed.length;
            differs[i] = old->bytes == NULL || old->length != length ||
                         memcmp(old->bytes, wr_text_string(&n->packed), length) != 0;
            if (!differs[i])
                continue;
            char *copy = wr_arena_alloc(&n->ctx->eval.step, length + 1);
            if (copy == NULL)
                return WEIR_MEMORY;
            memcpy(copy, wr_text_string(&n->packed), length + 1);
            packed[i] = wr_string_make(copy, length);
        }
        if (!differs[i])
            continue;
        uint32_t at = r->olds + r->news;
        if (old->bytes != NULL) {
            r->judges[at] = c->judge;
            r->order[at++] = (uint16_t) r->olds;
            r->old_ids[r->olds++] = c->id;
        }
        if (c->row >= 0) {
            r->judges[at] = c->judge;
            r->order[at] = (uint16_t) (WR_BATCH_ROWS_MAX + r->news); /* after all olds, below */
            r->new_rows[r->news++] = (uint16_t) c->row;
        }
    }
    for (uint32_t i = 0; i < r->olds + r->news; i++)
        if (r->order[i] >= WR_BATCH_ROWS_MAX)
            r->order[i] = (uint16_t) (r->order[i] - WR_BATCH_ROWS_MAX + r->olds);
    return WEIR_OK;
}

/* Emit the changes at hand and let the table follow. */
static weir_status
run_flush(normalise *n, const wr_batch *in)
{
    normal_step *s = n->step;
    wr_arena    *arena = &n->ctx->eval.step;
    wr_string   *packed = wr_arena_alloc(arena, (s->change_count + 1) * sizeof *packed);
    bool        *differs = wr_arena_alloc(arena, s->change_count + 1);
    run_rows     r;
    WR_TRY(run_alloc(n, s->change_count + 1, &r));
    if (packed == NULL || differs == NULL)
        return WEIR_MEMORY;
    WR_TRY(run_sort_out(n, in, &r, packed, differs));
    if (r.olds + r.news > 0 && !n->config->holds)
        WR_TRY(run_emit(n, in, &r));
    for (uint32_t i = 0; i < s->change_count; i++) {
        wr_group *g = wr_group_table_row(&n->table, s->changes[i].id);
        normal_row_of(n, g)->change = 0;
        if (!differs[i])
            continue;
        bool stands = s->changes[i].row >= 0;
        WR_TRY(wr_normal_keep(n, g, stands ? wr_string_data(&packed[i]) : NULL, packed[i].length));
        g->count = stands;
    }
    s->change_count = 0;
    return WEIR_OK;
}

/* Take rows from s->at on into changes, until the run is full or a key comes again under another
 * watermark (N3). */
static void
run_collect(normalise *n, const wr_batch *in)
{
    normal_step *s = n->step;
    uint64_t     unknown = 0;
    for (; s->at < s->count; s->at++) {
        uint32_t  row = s->rows[s->at];
        wr_group *g = wr_group_table_row(&n->table, s->ids[s->at]);
        normal_row *kept = normal_row_of(n, g);
        bool      deletes = wr_batch_diff(in, row) < 0;
        wr_time   judge = wr_batch_row_watermark(in, row);
        bool      pending = kept->change != 0;
        if (pending && s->changes[kept->change - 1].judge != judge)
            break;
        bool stands = pending ? s->changes[kept->change - 1].row >= 0 : kept->bytes != NULL;
        if (deletes && !stands) { /* N4 */
            unknown++;
            continue;
        }
        if (!pending && s->change_count == NORMAL_CHANGES_MAX)
            break;
        if (!pending) {
            s->changes[s->change_count++] = (normal_change){ .id = g->id, .judge = judge };
            kept->change = s->change_count;
        }
        s->changes[kept->change - 1].row = deletes ? -1 : (int32_t) row;
    }
    if (unknown > 0)
        atomic_fetch_add_explicit(&n->ctx->counters.rows_unknown, unknown, memory_order_relaxed);
}

/* --- process --- */

static weir_status
step_begin(normalise *n, const wr_batch *in)
{
    if (n->step == NULL) {
        n->step = wr_alloc(n->ctx->flow, sizeof *n->step);
        if (n->step == NULL)
            return WEIR_MEMORY;
        n->step->begun = false;
        wr_row_keys_init(&n->step->keys, &n->layout, n->ctx->flow);
    }
    normal_step *s = n->step;
    wr_column  **columns =
        wr_arena_alloc(&n->ctx->eval.step, n->config->key_count * sizeof(wr_column *));
    if (columns == NULL)
        return WEIR_MEMORY;
    for (uint32_t k = 0; k < n->config->key_count; k++)
        columns[k] = in->columns[n->config->key[k]];
    s->at = s->change_count = 0;
    s->count = in->row_count;
    for (uint32_t i = 0; i < s->count; i++)
        s->rows[i] = (uint16_t) wr_batch_row(in, i);
    WR_TRY(wr_row_keys_fill(&s->keys, columns, s->rows, s->count, in->physical_count, NULL));
    WR_TRY(wr_group_table_find(&n->table, &s->keys, NULL, s->count, s->ids, NULL, NULL));
    WR_TRY(wr_group_table_own(&n->table, s->ids, s->count));
    s->begun = true;
    return WEIR_OK;
}

/* Keys without a row leave. */
static weir_status
step_end(normalise *n)
{
    normal_step *s = n->step;
    s->begun = false;
    for (uint32_t i = 0; i < s->count; i++) {
        const wr_group *g = wr_group_table_row(&n->table, s->ids[i]);
        if ((g->flags & WR_GROUP_DEAD) == 0 && normal_row_of(n, g)->bytes == NULL)
            WR_TRY(wr_group_table_remove(&n->table, s->ids[i]));
    }
    WR_TRY(wr_normal_compact(n));
    atomic_store_explicit(&n->ctx->counters.state_keys, n->table.live, memory_order_relaxed);
    return WEIR_OK;
}

static wr_flow
normalise_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    normalise  *n = self;
    weir_status status = WEIR_OK;
    wr_assert(port == 0);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (n->step == NULL || !n->step->begun)
        status = step_begin(n, in);
    while (status == WEIR_OK && n->step->at < n->step->count) {
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        run_collect(n, in);
        status = run_flush(n, in);
    }
    if (status == WEIR_OK)
        status = step_end(n);
    if (status != WEIR_OK)
        return wr_ctx_fail(ctx, status, "no memory for the rows of %u keys", n->table.live);
    return WR_FLOW_NEXT;
}

/* holds: the next rows that stand, as new ones. */
static weir_status
held_emit(normalise *n)
{
    run_rows r;
    WR_TRY(run_alloc(n, WR_BATCH_ROWS_MAX, &r));
    for (; n->emit_next < n->table.high && r.olds < WR_BATCH_ROWS_MAX; n->emit_next++) {
        const wr_group *g = wr_group_table_row(&n->table, n->emit_next);
        if ((g->flags & WR_GROUP_DEAD) != 0)
            continue;
        r.judges[r.olds] = WR_TIME_START;
        r.order[r.olds] = (uint16_t) r.olds;
        r.old_ids[r.olds++] = n->emit_next;
    }
    return r.olds > 0 ? run_emit(n, NULL, &r) : WEIR_OK;
}

static wr_flow
normalise_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    normalise *n = self;
    if (!n->config->holds || watermark != WR_TIME_END)
        return WR_FLOW_NEXT;
    while (n->emit_next < n->table.high) {
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        if (held_emit(n) != WEIR_OK)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for the rows of %u keys", n->table.live);
    }
    return WR_FLOW_NEXT;
}

/* Nothing comes any more: the rows that stand have come out, and are wanted no longer. */
static wr_flow
normalise_finish(void *self, wr_ctx *ctx)
{
    normalise *n = self;
    wr_group_table_reset(&n->table);
    atomic_store_explicit(&ctx->counters.state_keys, 0, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

static void
normalise_explain(const void *config, wr_text *to)
{
    const wr_normalise_config *c = config;
    for (uint32_t k = 0; k < c->key_count; k++)
        wr_text_printf(to, "%s%s", k > 0 ? ", " : "by ", c->input->fields[c->key[k]].name);
}

const wr_operator_ops wr_normalise_ops = {
    .name = "normalise",
    .self_size = sizeof(normalise),
    .open = normalise_open,
    .process = normalise_process,
    .advance = normalise_advance,
    .finish = normalise_finish,
    .freeze = wr_normal_freeze,
    .write = wr_normal_write,
    .thaw = wr_normal_thaw,
    .restore = wr_normal_restore,
    .close = normalise_close,
    .explain = normalise_explain,
};
