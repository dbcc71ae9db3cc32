/* SPDX-License-Identifier: Apache-2.0 */
/* expr/agg_support.c -- results and snapshots that several aggregates share (see agg_impl.h). */
#include "expr/agg_impl.h"

void
wr_wide_encode(const wr_wide *w, wr_snapshot_writer *to)
{
    wr_snapshot_put_u64(to, w->low);
    wr_snapshot_put_i64(to, w->high);
}

void
wr_wide_decode(wr_wide *w, wr_snapshot_reader *from)
{
    w->low = wr_snapshot_get_u64(from);
    w->high = wr_snapshot_get_i64(from);
}

static void
numeric_start(wr_column *out, uint32_t row)
{
    if (row == 0 && out->form == WR_NUM) { /* nothing is written yet: 64 bits fit where nums do */
        out->form = WR_DEC64;
        out->scale = 0;
    }
}

weir_status
wr_agg_put_num(wr_column *out, uint32_t row, const wr_string *num)
{
    wr_value v = { .type = out->type, .string = *num };
    numeric_start(out, row);
    return wr_column_set_value(out, row, &v);
}

weir_status
wr_agg_put_int128(wr_column *out, uint32_t row, wr_int128 v, int scale, wr_arena *step)
{
    wr_string num;
    numeric_start(out, row);
    if (row == 0 && out->form == WR_DEC64)
        out->scale = (int16_t) scale;
    if (out->form == WR_DEC64 && out->scale == scale && v == (int64_t) v) {
        ((int64_t *) out->data)[row] = (int64_t) v;
        if (out->valid != NULL)
            wr_bitmap_set(out->valid, row);
        return WEIR_OK;
    }
    WR_TRY(wr_num_from_int128(v, scale, step, &num));
    return wr_agg_put_num(out, row, &num);
}

weir_status
wr_agg_put_real(wr_column *out, uint32_t row, double v)
{
    wr_value value = { .type = out->type, .real = v };
    if (out->type.id == WR_FLOAT4)
        value.real = (double) (float) v;
    return wr_column_set_value(out, row, &value);
}

weir_status
wr_agg_put_int(wr_column *out, uint32_t row, int64_t v)
{
    wr_value value = { .type = out->type, .integer = v };
    return wr_column_set_value(out, row, &value);
}

weir_status
wr_num_divide_int(const wr_string *num, int64_t n, wr_arena *arena, wr_string *out)
{
    wr_string divisor;
    WR_TRY(wr_num_from_int64(n, arena, &divisor));
    return wr_num_divide(num, &divisor, arena, out);
}

void
wr_agg_bytes_append(wr_agg_ctx *ctx, wr_agg_bytes *b, const void *bytes, size_t length)
{
    if (wr_agg_bytes_full(b))
        return;
    if (b->length + length > b->capacity) {
        uint64_t capacity = WR_MAX(b->length + length, WR_MAX(2 * b->capacity, (uint64_t) 32));
        char    *grown = wr_arena_alloc(ctx->arena, capacity);
        if (grown == NULL) {
            ctx->failed = true;
            return;
        }
        if (b->length > 0)
            memcpy(grown, b->data, b->length);
        b->data = grown;
        b->capacity = capacity;
    }
    if (length > 0)
        memcpy(b->data + b->length, bytes, length);
    b->length += length;
}

/* --- values kept whole --- */

bool
wr_agg_row_value(wr_agg_ctx *ctx, const wr_column *column, uint32_t row, wr_arena *scratch,
                 wr_value *out)
{
    if (wr_column_get_value(column, row, scratch, out) == WEIR_OK)
        return true;
    ctx->failed = true;
    return false;
}

void
wr_agg_kept_set(wr_agg_ctx *ctx, wr_agg_kept *k, const wr_value *v)
{
    const wr_string *s = &v->string;
    if (v->is_null || !wr_type_is_string(v->type) || s->length <= WR_STRING_INLINE_MAX) {
        k->value = *v;
    } else {
        if (s->length > k->capacity) {
            uint32_t capacity = WR_MAX(s->length, 2 * k->capacity);
            char    *buffer = wr_arena_alloc(ctx->arena, capacity);
            if (buffer == NULL) {
                ctx->failed = true;
                return;
            }
            k->buffer = buffer;
            k->capacity = capacity;
        }
        memcpy(k->buffer, wr_string_data(s), s->length);
        k->value = *v;
        k->value.string = wr_string_make(k->buffer, s->length);
    }
    k->have = 1;
}

weir_status
wr_agg_kept_put(const wr_agg_kept *k, wr_column *out, uint32_t row)
{
    if (!k->have || k->value.is_null)
        return wr_column_set_null(out, row);
    if (out->type.id == WR_NUMERIC)
        return wr_agg_put_num(out, row, &k->value.string);
    wr_value v = k->value;
    v.type = out->type;
    return wr_column_set_value(out, row, &v);
}

void
wr_agg_kept_encode(const wr_agg_kept *k, wr_snapshot_writer *to)
{
    wr_snapshot_put_u64(to, k->have);
    if (k->have && wr_snapshot_put_value(to, &k->value) != WEIR_OK)
        to->bytes.failed = true;
}

weir_status
wr_agg_kept_decode(wr_agg_ctx *ctx, wr_agg_kept *k, wr_snapshot_reader *from)
{
    memset(k, 0, sizeof *k);
    k->have = wr_snapshot_get_u64(from) != 0;
    WR_TRY(wr_agg_decoded(from));
    return k->have ? wr_snapshot_get_value(from, ctx->arena, &k->value) : WEIR_OK;
}

void
wr_agg_items_append(wr_agg_ctx *ctx, wr_agg_items *s, const wr_value *v)
{
    if (s->count > WR_ARRAY_ITEMS_MAX)
        return;
    if (s->count == s->capacity) {
        uint64_t  capacity = WR_MAX(2 * s->capacity, (uint64_t) 4);
        wr_value *grown = wr_arena_alloc(ctx->arena, capacity * sizeof *grown);
        if (grown == NULL) {
            ctx->failed = true;
            return;
        }
        if (s->count > 0)
            memcpy(grown, s->values, s->count * sizeof *grown);
        s->values = grown;
        s->capacity = capacity;
    }
    if (wr_value_copy(v, ctx->arena, &s->values[s->count]) == WEIR_OK)
        s->count++;
    else
        ctx->failed = true;
}

void
wr_agg_items_update(wr_agg_ctx *ctx, char *const *states, size_t offset, const wr_column *column,
                    wr_rows rows)
{
    wr_arena scratch;
    wr_arena_init(&scratch, ctx->arena->budget);
    for (uint32_t i = 0; i < rows.count; i++) {
        wr_value v;
        if (wr_agg_row_value(ctx, column, fn_row(rows, i), &scratch, &v))
            wr_agg_items_append(ctx, (wr_agg_items *) (void *) (states[i] + offset), &v);
    }
    wr_arena_fini(&scratch);
}

void
wr_agg_items_merge(wr_agg_ctx *ctx, wr_agg_items *into, const wr_agg_items *from)
{
    for (uint64_t i = 0; i < from->count; i++)
        wr_agg_items_append(ctx, into, &from->values[i]);
}

void
wr_agg_items_encode(const wr_agg_items *s, wr_snapshot_writer *to)
{
    wr_snapshot_put_u64(to, s->count);
    for (uint64_t i = 0; i < s->count; i++)
        if (wr_snapshot_put_value(to, &s->values[i]) != WEIR_OK)
            to->bytes.failed = true;
}

weir_status
wr_agg_items_decode(wr_agg_ctx *ctx, wr_agg_items *s, wr_snapshot_reader *from)
{
    uint64_t count = wr_snapshot_get_u64(from);
    memset(s, 0, sizeof *s);
    for (uint64_t i = 0; i < count && !from->failed; i++) {
        wr_value v;
        WR_TRY(wr_snapshot_get_value(from, ctx->arena, &v));
        wr_agg_items_append(ctx, s, &v);
    }
    WR_TRY(wr_agg_decoded(from));
    return ctx->failed ? WEIR_MEMORY : WEIR_OK;
}
