/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/unchanged.c -- leave out changes that change nothing.
 *
 *     -  k=1 sum=5 max=3                   -  k=1 max=3
 *     +  k=1 sum=6 max=3      project      +  k=1 max=3      here: nothing
 *
 * Place       one input of changes, one output; behind a project that drops columns of what many
 *             readers share.  Order, watermarks and barriers pass as they are.
 * State       none: an old row and its new one come in one batch (design 12.6).
 * Invariants  N1  folded, what comes out is what came in
 *             N2  of a key's one old and one new row in a batch, both or none come out; none when
 *                 they are the same to the last digit
 *             N3  rows that pass keep their order
 * Cost        a hash a row and a probe a new row, in batches that take something back; else nothing.
 */
#include "operator/unchanged.h"

#include "data/key.h"
#include "state/column_same.h"

typedef struct unchanged {
    const wr_unchanged_config *config;
} unchanged;

/* Old rows of a batch by their keys' hashes; a second one of a key is not kept. */
typedef struct old_rows {
    const wr_keys *keys; /* NULL: all rows have one key */
    uint16_t *slots;     /* index of a visible row, plus one; 0: free */
    uint32_t mask;
} old_rows;

static weir_status
unchanged_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    (void)ctx;
    (void)err;
    ((unchanged *)self)->config = config;
    return WEIR_OK;
}

/* The slot where the row's key stands, or would. */
static uint16_t *
old_rows_slot(const old_rows *o, uint32_t i)
{
    if (o->keys == NULL)
        return &o->slots[0];
    uint64_t hash = o->keys->hashes[i];
    uint32_t at = (uint32_t)hash & o->mask;
    while (o->slots[at] != 0 && o->keys->hashes[o->slots[at] - 1] != hash)
        at = (at + 1) & o->mask;
    return &o->slots[at];
}

static bool
rows_same(const wr_batch *in, uint32_t a, uint32_t b)
{
    for (uint32_t c = 0; c < in->column_count; c++)
        if (!wr_column_same(in->columns[c], a, in->columns[c], b))
            return false;
    return true;
}

/* gone[i]: the i-th visible row and its partner cancel out (N2); returns how many. */
static uint32_t
find_pairs(const old_rows *o, const wr_batch *in, bool *gone)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < in->row_count; i++)
        if (wr_batch_diff(in, wr_batch_row(in, i)) < 0) {
            uint16_t *slot = old_rows_slot(o, i);
            if (*slot == 0)
                *slot = (uint16_t)(i + 1);
        }
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        int64_t diff = wr_batch_diff(in, row);
        uint16_t old = diff > 0 ? *old_rows_slot(o, i) : 0;
        if (old == 0 || gone[old - 1])
            continue;
        uint32_t old_row = wr_batch_row(in, old - 1u);
        if (wr_batch_diff(in, old_row) != -diff || !rows_same(in, old_row, row))
            continue;
        gone[i] = gone[old - 1] = true;
        count += 2;
    }
    return count;
}

static weir_status
keys_of(const unchanged *u, wr_ctx *ctx, const wr_batch *in, wr_keys **out)
{
    *out = NULL;
    if (u->config->key_count == 0)
        return WEIR_OK;
    wr_keys *keys = wr_alloc(ctx->flow, sizeof *keys);
    if (keys == NULL)
        return WEIR_MEMORY;
    wr_keys_init(keys, ctx->flow);
    *out = keys;
    return wr_keys_encode(keys, in, u->config->keys, u->config->key_count);
}

static void
keys_release(wr_keys *keys)
{
    if (keys != NULL)
        wr_keys_fini(keys);
    wr_free(keys);
}

/* *out: the rows that pass, owned; NULL: none does. */
static weir_status
select_passing(wr_ctx *ctx, const wr_batch *in, const bool *gone, uint32_t gone_count,
               wr_batch **out)
{
    uint32_t count = 0;
    *out = NULL;
    if (gone_count == 0)
        *out = wr_batch_retain((wr_batch *)in);
    if (gone_count == 0)
        return WEIR_OK;
    atomic_fetch_add_explicit(&ctx->counters.rows_filtered, gone_count, memory_order_relaxed);
    if (gone_count == in->row_count)
        return WEIR_OK;
    uint16_t *rows = wr_arena_alloc(&ctx->eval.step, in->row_count * sizeof *rows);
    for (uint32_t i = 0; rows != NULL && i < in->row_count; i++)
        if (!gone[i])
            rows[count++] = (uint16_t)wr_batch_row(in, i);
    if (rows != NULL)
        *out = wr_batch_select(ctx->flow, in, rows, count);
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
leave_out_pairs(const unchanged *u, wr_ctx *ctx, const wr_batch *in, wr_batch **out)
{
    wr_keys *keys = NULL;
    uint32_t capacity = 2;
    while (capacity < 2 * in->row_count)
        capacity *= 2;
    bool *gone = wr_arena_calloc(&ctx->eval.step, in->row_count, sizeof *gone);
    uint16_t *slots = wr_arena_calloc(&ctx->eval.step, capacity, sizeof *slots);
    weir_status status = gone != NULL && slots != NULL ? keys_of(u, ctx, in, &keys) : WEIR_MEMORY;
    if (status == WEIR_OK) {
        old_rows o = { .keys = keys, .slots = slots, .mask = capacity - 1 };
        status = select_passing(ctx, in, gone, find_pairs(&o, in, gone), out);
    }
    keys_release(keys);
    return status;
}

static bool
takes_back(const wr_batch *in)
{
    for (uint32_t i = 0; in->diff != NULL && i < in->row_count; i++)
        if (in->diff[wr_batch_row(in, i)] < 0)
            return true;
    return false;
}

static wr_flow
unchanged_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    const unchanged *u = self;
    wr_assert(port == 0);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    wr_batch *out = NULL;
    if (!takes_back(in))
        out = wr_batch_retain((wr_batch *)in);
    else if (leave_out_pairs(u, ctx, in, &out) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u changes", in->row_count);
    if (out != NULL)
        wr_ctx_emit(ctx, WR_PORT_MAIN, out);
    return WR_FLOW_NEXT;
}

static void
unchanged_close(void *self)
{
    ((unchanged *)self)->config = NULL;
}

static void
unchanged_explain(const void *config, wr_text *to)
{
    const wr_unchanged_config *c = config;
    wr_text_printf(to, "by %u keys", c->key_count);
}

const wr_operator_ops wr_unchanged_ops = {
    .name = "unchanged",
    .self_size = sizeof(unchanged),
    .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = unchanged_open,
    .process = unchanged_process,
    .close = unchanged_close,
    .explain = unchanged_explain,
};
