/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/input.c -- taking batches from several inputs: alignment, minimum watermark, row judgement
 * (see input_impl.h).
 */
#include "runtime/input_impl.h"

static wr_time
inputs_port_watermark(const inputs *in, int port)
{
    wr_time least = WR_TIME_END;
    for (uint32_t i = 0; i < in->count; i++)
        if (in->list[i].port == port && in->list[i].timeless)
            least = WR_MIN(least, in->list[i].ended ? WR_TIME_END : WR_TIME_POSINF);
        else if (in->list[i].port == port && in->list[i].awaited)
            least = in->list[i].watermark == WR_TIME_END ? least : WR_TIME_START;
        else if (in->list[i].port == port)
            least = WR_MIN(least, in->list[i].watermark);
    return least;
}

static void
inputs_settle_task(inputs *in)
{
    wr_time least = WR_TIME_END;
    for (uint32_t p = 0; p < in->port_count; p++)
        least = WR_MIN(least, in->ports[p]);
    wr_assert(least >= in->watermark); /* N2 */
    in->watermark = least;
}

void
wr_inputs_settle(inputs *in)
{
    for (int p = 0; p < WR_OP_PORTS_MAX; p++)
        in->ports[p] = inputs_port_watermark(in, p);
    in->watermark = WR_TIME_START;
    inputs_settle_task(in);
}

wr_time
wr_inputs_standing(const inputs *in, int port)
{
    wr_time least = WR_TIME_END;
    if (in->ended_count < in->count || in->count == 0)
        return in->ports[port];
    for (uint32_t i = 0; i < in->count; i++)
        if (in->list[i].port == port)
            least = WR_MIN(least, in->list[i].last);
    return least;
}

static wr_time
inputs_other_ports(const inputs *in, int port)
{
    wr_time least = WR_TIME_END;
    for (uint32_t p = 0; p < in->port_count; p++)
        if ((int) p != port)
            least = WR_MIN(least, in->ports[p]);
    return least;
}

/* N2, N3.  Takes batch; NULL: no memory.  before is the task's watermark before it. */
static wr_batch *
inputs_judge(inputs *in, int port, wr_batch *batch, wr_time before)
{
    wr_time others = inputs_other_ports(in, port);
    wr_time judge = WR_MIN(batch->watermark_before, others);
    bool    attach = batch->row_count > 0 && batch->row_watermark == NULL && judge > before &&
                  batch->time_min < batch->watermark_before;
    bool    lower = batch->row_watermark != NULL && batch->watermark_after > others;
    if (!attach && !lower && batch->watermark_before == before &&
        batch->watermark_after == in->watermark)
        return batch;
    batch = wr_batch_unique(batch);
    if (batch == NULL)
        return NULL;
    batch->watermark_before = before;
    batch->watermark_after = in->watermark;
    if (attach) {
        batch->row_watermark = wr_alloc(in->flow, batch->physical_count * sizeof(wr_time));
        if (batch->row_watermark == NULL) {
            wr_batch_release(batch);
            return NULL;
        }
        for (uint32_t r = 0; r < batch->physical_count; r++)
            batch->row_watermark[r] = judge;
    } else if (lower)
        for (uint32_t r = 0; r < batch->physical_count; r++)
            batch->row_watermark[r] = WR_MIN(batch->row_watermark[r], others);
    return batch;
}

static wr_batch *
input_read(input *i)
{
    return i->reader != NULL   ? wr_reader_next(i->reader, i->shard, NULL)
           : i->routed != NULL ? wr_routed_take(i->routed)
                               : channel_pop(i->channel);
}

static const wr_batch *
input_peek(input *i, bool *failed)
{
    const wr_batch *batch;
    if (i->routed == NULL)
        return i->reader != NULL ? wr_reader_peek(i->reader, i->shard) : channel_peek(i->channel);
    *failed = wr_routed_peek(i->routed, &batch) != WEIR_OK;
    return batch;
}

/* The next input that has something and may be read (N1); NULL: none. */
static input *
inputs_find(inputs *in, bool *failed)
{
    for (uint32_t n = 0; n < in->count; n++) {
        input *i = &in->list[in->cursor];
        in->cursor = in->cursor + 1 == in->count ? 0 : in->cursor + 1;
        if (!i->ended && !i->aligned && !*failed && input_peek(i, failed) != NULL)
            return i;
    }
    return NULL;
}

static take_result
inputs_after_mark(inputs *in)
{
    if (in->ended_count == in->count)
        return TAKE_END;
    if (in->epoch != 0 && in->ended_count + in->aligned_count == in->count)
        return TAKE_BARRIER;
    return TAKE_MOVED;
}

static take_result
inputs_take_barrier(inputs *in, input *from, wr_epoch epoch, bool freezes)
{
    wr_assert(in->epoch == 0 || (in->epoch == epoch && in->freezes == freezes));
    in->epoch = epoch;
    in->freezes = freezes;
    from->aligned = true;
    in->aligned_count++;
    return inputs_after_mark(in);
}

take_result
wr_inputs_take(inputs *in, int *port, wr_batch **out)
{
    *out = NULL;
    take_result standing = inputs_after_mark(in);
    if (standing != TAKE_MOVED)
        return standing; /* completed by an end that had a watermark to bring first; or no inputs */
    bool   failed = false;
    input *from = inputs_find(in, &failed);
    if (from == NULL)
        return failed ? TAKE_FAILED : TAKE_NONE;
    wr_batch *batch = input_read(from);
    wr_time   before = in->watermark, port_before = in->ports[from->port];
    in->from = (uint32_t) (from - in->list);
    if (wr_batch_ends_epoch(batch)) {
        wr_epoch epoch = batch->epoch;
        bool     freezes = batch->mark == WR_MARK_BARRIER;
        wr_batch_release(batch);
        return inputs_take_barrier(in, from, epoch, freezes);
    }
    wr_assert(batch->watermark_after >= from->watermark || batch->row_count == 0);
    in->arrived = WR_MAX(in->arrived, batch->arrived);
    *port = from->port;
    bool ended = batch->mark == WR_MARK_END;
    if (ended) {
        from->ended = true;
        from->last = from->watermark;
        in->ended_count++;
    }
    if (batch->watermark_after > from->watermark) {
        from->watermark = batch->watermark_after;
        in->ports[from->port] = inputs_port_watermark(in, from->port);
        inputs_settle_task(in);
    }
    if (ended && inputs_after_mark(in) == TAKE_END) {
        wr_batch_release(batch);
        return TAKE_END;
    }
    if (batch->row_count == 0) {
        wr_batch_release(batch);
        bool told = from->awaited && in->ports[from->port] != port_before; /* N4 */
        if (in->watermark == before && !told)
            return ended ? inputs_after_mark(in) : TAKE_MOVED;
        *out = wr_batch_create_watermark(in->flow, before, in->watermark);
        if (*out != NULL)
            (*out)->arrived = in->arrived;
        return *out != NULL ? TAKE_BATCH : TAKE_FAILED;
    }
    if (from->columns != NULL && from->routed == NULL) {
        wr_batch *picked = wr_batch_pick(in->flow, batch, from->columns, from->column_count);
        wr_batch_release(batch);
        batch = picked;
    }
    if (batch != NULL)
        batch = inputs_judge(in, from->port, batch, before);
    *out = batch;
    return batch != NULL ? TAKE_BATCH : TAKE_FAILED;
}

void
wr_inputs_release_barrier(inputs *in)
{
    for (uint32_t i = 0; i < in->count; i++)
        in->list[i].aligned = false;
    in->aligned_count = 0;
    in->epoch = 0;
}
