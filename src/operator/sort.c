/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/sort.c -- ORDER BY, LIMIT, OFFSET, FETCH WITH TIES over input that ends.
 *
 * Place       one input, one output, one shard.  Emits at the end alone.
 * State       the rows as batches that own their bytes.  With a limit, as soon as four times what can
 *             still come out is held, the rest is cut away.
 * Invariants  O1  rows come out in the order of the keys; equal keys in order of arrival
 *             O2  NULLs stand where the key says; NaN above every number
 *             O3  with ties, rows equal to the last one within the limit come out too
 *             O4  cutting early never changes what comes out
 * Cost        O(n log n) comparisons of boxed keys, at the end; 48 bytes a row besides the rows.
 */
#include "operator/sort.h"

#include <stdlib.h>
#include <string.h>

enum { CUT_ROWS_MIN = 16384 };

typedef struct sort_row {
    uint32_t batch, row; /* physical */
    wr_value *keys;
} sort_row;

typedef struct sorter {
    const wr_sort_config *config;
    wr_ctx *ctx;
    wr_batch **batches;
    uint32_t count, capacity;
    uint64_t rows;
    wr_arena keys;   /* of order */
    sort_row *order; /* NULL until the end */
    uint64_t order_count, order_at;
} sorter;

struct wr_frozen {
    uint32_t count;
    wr_batch *batches[];
};

static weir_status
sort_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    sorter *s = self;
    (void)err;
    s->config = config;
    s->ctx = ctx;
    wr_arena_init(&s->keys, ctx->state);
    return WEIR_OK;
}

static void
batches_drop(sorter *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        wr_batch_release(s->batches[i]);
    s->count = 0;
    s->rows = 0;
}

/* Takes batch. */
static weir_status
batch_add(sorter *s, wr_batch *batch)
{
    if (s->count == s->capacity) {
        uint32_t more = s->capacity == 0 ? 16 : s->capacity * 2;
        wr_batch **grown = wr_realloc(s->ctx->state, s->batches, more * sizeof *grown);
        if (grown == NULL) {
            wr_batch_release(batch);
            return WEIR_MEMORY;
        }
        s->batches = grown;
        s->capacity = more;
    }
    s->rows += batch->row_count;
    s->batches[s->count++] = batch;
    return WEIR_OK;
}

static int
keys_compare(const sort_row *a, const sort_row *b, const wr_sort_config *c)
{
    for (uint32_t k = 0; k < c->key_count; k++) {
        const wr_value *x = &a->keys[k], *y = &b->keys[k];
        if (x->is_null || y->is_null) { /* O2 */
            if (x->is_null != y->is_null)
                return x->is_null == c->keys[k].nulls_first ? -1 : 1;
            continue;
        }
        int order = wr_value_compare(x, y);
        if (order != 0)
            return c->keys[k].descending ? -order : order;
    }
    return 0;
}

static int
rows_compare(const void *a, const void *b, void *config)
{
    const sort_row *x = a, *y = b;
    int order = keys_compare(x, y, config);
    if (order != 0)
        return order;
    if (x->batch != y->batch) /* O1: arrival */
        return x->batch < y->batch ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* How many rows of the sorted order can come out at most. */
static uint64_t
rows_kept(const sorter *s)
{
    const wr_sort_config *c = s->config;
    uint64_t last;
    if (c->limit == UINT64_MAX || __builtin_add_overflow(c->limit, c->offset, &last))
        return s->order_count;
    last = WR_MIN(last, s->order_count);
    while (c->with_ties && last > 0 && last < s->order_count &&
           keys_compare(&s->order[last - 1], &s->order[last], c) == 0) /* O3 */
        last++;
    return last;
}

static weir_status
order_make(sorter *s)
{
    const wr_sort_config *c = s->config;
    uint64_t at = 0;
    s->order = wr_alloc(s->ctx->state, s->rows * sizeof *s->order);
    if (s->order == NULL)
        return WEIR_MEMORY;
    for (uint32_t b = 0; b < s->count; b++)
        for (uint32_t i = 0; i < s->batches[b]->row_count; i++) {
            sort_row *r = &s->order[at++];
            *r = (sort_row){ b, wr_batch_row(s->batches[b], i), NULL };
            r->keys = wr_arena_alloc(&s->keys, c->key_count * sizeof *r->keys);
            if (r->keys == NULL)
                return WEIR_MEMORY;
            for (uint32_t k = 0; k < c->key_count; k++)
                WR_TRY(wr_column_get_value(s->batches[b]->columns[c->keys[k].column], r->row,
                                           &s->keys, &r->keys[k]));
        }
    s->order_count = at;
    if (c->key_count > 0)
        qsort_r(s->order, at, sizeof *s->order, rows_compare, (void *)c);
    return WEIR_OK;
}

static void
order_drop(sorter *s)
{
    wr_free(s->order);
    s->order = NULL;
    s->order_count = s->order_at = 0;
    wr_arena_fini(&s->keys);
}

/* Rows order[from .. from+count) as one batch; owned, NULL: no memory. */
static wr_batch *
batch_of(sorter *s, wr_budget *budget, uint64_t from, uint32_t count, bool copy_strings)
{
    uint32_t columns = s->config->schema->field_count;
    wr_batch *out = wr_batch_create(budget, columns);
    bool ok = out != NULL;
    for (uint32_t c = 0; ok && c < columns; c++) {
        out->columns[c] = wr_column_create(budget, s->config->schema->fields[c].type, count);
        ok = out->columns[c] != NULL;
        for (uint32_t i = 0; ok && i < count;) { /* neighbours of one batch go together */
            const sort_row *r = &s->order[from + i];
            uint16_t rows[WR_BATCH_ROWS_MAX];
            uint32_t n = 0;
            while (i + n < count && r[n].batch == r->batch && (n == 0 || r[n].row > rows[n - 1])) {
                rows[n] = (uint16_t)r[n].row;
                n++;
            }
            ok = wr_column_append(out->columns[c], i, s->batches[r->batch]->columns[c], rows, n,
                                  copy_strings) == WEIR_OK;
            i += n;
        }
    }
    if (!ok) {
        wr_batch_release(out);
        return NULL;
    }
    out->row_count = out->physical_count = count;
    return out;
}

/* O4: keep only what can still come out. */
static weir_status
rows_cut(sorter *s)
{
    weir_status status = order_make(s);
    uint64_t keep = status == WEIR_OK ? rows_kept(s) : 0;
    wr_batch **kept = NULL;
    uint32_t count = (uint32_t)((keep + WR_BATCH_ROWS_MAX - 1) / WR_BATCH_ROWS_MAX), made = 0;
    if (status == WEIR_OK && (kept = wr_calloc(s->ctx->state, count + 1, sizeof *kept)) == NULL)
        status = WEIR_MEMORY;
    for (; status == WEIR_OK && made < count; made++) {
        uint64_t from = (uint64_t)made * WR_BATCH_ROWS_MAX;
        kept[made] = batch_of(s, s->ctx->state, from,
                              (uint32_t)WR_MIN(keep - from, (uint64_t)WR_BATCH_ROWS_MAX), true);
        if (kept[made] == NULL) {
            status = WEIR_MEMORY;
            break;
        }
    }
    order_drop(s);
    if (status == WEIR_OK)
        batches_drop(s);
    for (uint32_t i = 0; i < made; i++)
        if (status == WEIR_OK)
            status = batch_add(s, kept[i]);
        else
            wr_batch_release(kept[i]);
    wr_free(kept);
    return status;
}

static wr_flow
sort_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    sorter *s = self;
    wr_assert(port == 0);
    for (uint32_t i = 0; in->diff != NULL && i < in->row_count; i++)
        if (wr_batch_diff(in, wr_batch_row(in, i)) != 1)
            return wr_ctx_fail(ctx, WEIR_QUERY_UNSUPPORTED,
                               "ORDER BY or LIMIT over rows that change is not supported here");
    wr_batch *shallow = wr_batch_copy(ctx->state, in);
    wr_batch *own = shallow != NULL ? wr_batch_compact(ctx->state, shallow, true) : NULL;
    wr_batch_release(shallow);
    if (own == NULL || batch_add(s, own) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for the rows of ORDER BY");
    const wr_sort_config *c = s->config;
    if (c->limit != UINT64_MAX && s->rows >= CUT_ROWS_MIN && s->rows / 4 >= c->limit &&
        s->rows / 4 - c->limit >= c->offset && rows_cut(s) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for the rows of ORDER BY");
    atomic_store_explicit(&ctx->counters.state_keys, s->rows, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

static wr_flow
sort_finish(void *self, wr_ctx *ctx)
{
    sorter *s = self;
    if (s->rows == 0)
        return WR_FLOW_NEXT;
    if (s->order == NULL) {
        if (order_make(s) != WEIR_OK)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to sort %llu rows",
                               (unsigned long long)s->rows);
        s->order_at = s->config->offset;
    }
    uint64_t last = rows_kept(s);
    while (s->order_at < last) {
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        uint32_t count = (uint32_t)WR_MIN(last - s->order_at, (uint64_t)WR_BATCH_ROWS_MAX);
        wr_batch *out = batch_of(s, ctx->flow, s->order_at, count, false);
        if (out == NULL)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for sorted rows");
        s->order_at += count;
        wr_ctx_emit(ctx, WR_PORT_MAIN, out);
    }
    order_drop(s);
    batches_drop(s);
    atomic_store_explicit(&ctx->counters.state_keys, 0, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

static weir_status
sort_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    sorter *s = self;
    (void)epoch;
    wr_frozen *f = wr_alloc(s->ctx->state, sizeof *f + s->count * sizeof f->batches[0]);
    if (f == NULL)
        return WEIR_MEMORY;
    f->count = s->count;
    for (uint32_t i = 0; i < s->count; i++)
        f->batches[i] = wr_batch_retain(s->batches[i]);
    *out = f;
    return WEIR_OK;
}

static weir_status
sort_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    for (uint32_t i = 0; i < f->count; i++) {
        wr_snapshot_begin(to, 0); /* one shard has all groups */
        WR_TRY(wr_snapshot_put_batch(to, f->batches[i]));
        wr_snapshot_end(to);
    }
    return WEIR_OK;
}

static void
sort_thaw(wr_frozen *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        wr_batch_release(f->batches[i]);
    wr_free(f);
}

static weir_status
sort_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    sorter *s = self;
    while (wr_snapshot_next(from)) {
        wr_batch *b;
        WR_TRY(wr_snapshot_get_batch(from, ctx->state, s->config->schema, &b));
        WR_TRY(batch_add(s, b));
    }
    return wr_snapshot_reader_status(from);
}

static void
sort_close(void *self)
{
    sorter *s = self;
    order_drop(s);
    batches_drop(s);
    wr_free(s->batches);
}

static void
sort_explain(const void *config, wr_text *to)
{
    const wr_sort_config *c = config;
    for (uint32_t k = 0; k < c->key_count; k++)
        wr_text_printf(to, "%s%s%s", k > 0 ? ", " : "by ",
                       c->schema->fields[c->keys[k].column].name,
                       c->keys[k].descending ? " desc" : "");
    if (c->limit != UINT64_MAX)
        wr_text_printf(to, " limit %llu", (unsigned long long)c->limit);
    if (c->offset > 0)
        wr_text_printf(to, " offset %llu", (unsigned long long)c->offset);
}

const wr_operator_ops wr_sort_ops = {
    .name = "sort",
    .self_size = sizeof(sorter),
    .open = sort_open,
    .process = sort_process,
    .finish = sort_finish,
    .freeze = sort_freeze,
    .write = sort_write,
    .thaw = sort_thaw,
    .restore = sort_restore,
    .close = sort_close,
    .explain = sort_explain,
};
