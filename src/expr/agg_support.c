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
