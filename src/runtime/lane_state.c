/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/lane_state.c -- lanes in a checkpoint: watermarks, counts, what a decoder must be told.
 *
 * Part "<source>#<shard>/lanes", one global section: version, has the shard told its end (from version 2 on),
 * the source's watermark at the barrier's cut, lane count; a lane: partition, watermark, ended, rows, bad, null_time, decoder bytes.  Shard 0 also
 * carries on lanes that the last checkpoint knew and no connector has made again yet.
 */
#include "runtime/runtime_impl.h"

enum { LANES_PART_VERSION = 2, LANES_PART_OLDEST = 1 };

static void
lane_state_put(wr_snapshot_writer *w, const lane_state *l)
{
    wr_snapshot_put_i64(w, l->partition);
    wr_snapshot_put_i64(w, l->watermark);
    wr_snapshot_put_u64(w, l->ended);
    wr_snapshot_put_u64(w, l->rows);
    wr_snapshot_put_u64(w, l->bad);
    wr_snapshot_put_u64(w, l->null_time);
    wr_snapshot_put_bytes(w, l->decoder, l->decoder_length);
}

static weir_status
lane_put(source_task *t, const wr_lane *l, wr_snapshot_writer *w)
{
    wr_text    text;
    lane_state state = { .partition = l->partition,
                         .watermark = l->watermark,
                         .ended = l->ended,
                         .rows = atomic_load(&l->rows),
                         .bad = atomic_load(&l->bad),
                         .null_time = atomic_load(&l->null_time) };
    weir_status status = WEIR_OK;
    wr_text_init(&text, t->t.rt->budget);
    if (l->decoder != NULL && l->decoder->ops->freeze != NULL)
        status = l->decoder->ops->freeze(l->decoder, &text);
    else if (l->restored != NULL) /* its decoder has not been made yet */
        wr_text_append(&text, l->restored->decoder, l->restored->decoder_length);
    if (status == WEIR_OK && !wr_text_ok(&text))
        status = WEIR_MEMORY;
    state.decoder = text.data;
    state.decoder_length = status == WEIR_OK ? text.length : 0;
    lane_state_put(w, &state);
    wr_text_fini(&text);
    return status;
}

static bool
state_is_claimed(const source *s, const lane_state *state)
{
    for (const wr_lane *l = s->lanes; l != NULL; l = l->next)
        if (l->partition == state->partition)
            return true;
    return false;
}

weir_status
wr_lanes_write(source_task *t, wr_snapshot_writer *w, wr_time watermark)
{
    source     *s = t->source;
    uint64_t    count = 0;
    weir_status status = WEIR_OK;
    wr_snapshot_begin(w, WR_SNAPSHOT_GLOBAL);
    wr_snapshot_put_u64(w, LANES_PART_VERSION);
    wr_snapshot_put_u64(w, t->end_told || s->over); /* over: it is about to say so again */
    wr_snapshot_put_i64(w, watermark);
    wr_mutex_lock(&s->lock);
    for (const wr_lane *l = s->lanes; l != NULL; l = l->next)
        count += l->owner == t;
    for (uint32_t i = 0; t->shard == 0 && i < s->restored_count; i++)
        count += !state_is_claimed(s, &s->restored[i]);
    wr_snapshot_put_u64(w, count);
    for (const wr_lane *l = s->lanes; l != NULL && status == WEIR_OK; l = l->next)
        if (l->owner == t)
            status = lane_put(t, l, w);
    for (uint32_t i = 0; t->shard == 0 && i < s->restored_count; i++)
        if (!state_is_claimed(s, &s->restored[i]))
            lane_state_put(w, &s->restored[i]);
    wr_mutex_unlock(&s->lock);
    wr_snapshot_end(w);
    WR_TRY(status);
    return wr_snapshot_finish(w);
}

static weir_status
lane_state_get(source *s, wr_snapshot_reader *r)
{
    lane_state *grown =
        wr_realloc(s->rt->budget, s->restored, (s->restored_count + 1) * sizeof *grown);
    if (grown == NULL)
        return WEIR_MEMORY;
    s->restored = grown;
    lane_state l = { .partition = (int32_t) wr_snapshot_get_i64(r) };
    l.watermark = wr_snapshot_get_i64(r);
    l.ended = wr_snapshot_get_u64(r) != 0;
    l.rows = wr_snapshot_get_u64(r);
    l.bad = wr_snapshot_get_u64(r);
    l.null_time = wr_snapshot_get_u64(r);
    const char *decoder = wr_snapshot_get_bytes(r, &l.decoder_length);
    if (l.decoder_length > 0) {
        l.decoder = wr_strndup(s->rt->budget, decoder, l.decoder_length);
        if (l.decoder == NULL)
            return WEIR_MEMORY;
    }
    grown[s->restored_count++] = l;
    return WEIR_OK;
}

weir_status
wr_lanes_read(source *s, const void *bytes, size_t length, bool *end_told)
{
    wr_snapshot_reader r;
    wr_snapshot_reader_init(&r, bytes, length, WR_GROUPS_ALL);
    uint64_t version = wr_snapshot_next(&r) ? wr_snapshot_get_u64(&r) : 0;
    if (version < LANES_PART_OLDEST || version > LANES_PART_VERSION)
        return WEIR_CHECKPOINT_CORRUPT;
    *end_told = version > 1 && wr_snapshot_get_u64(&r) != 0;
    wr_time  watermark = wr_snapshot_get_i64(&r);
    uint64_t count = wr_snapshot_get_u64(&r);
    for (uint64_t i = 0; i < count && wr_snapshot_more(&r); i++)
        WR_TRY(lane_state_get(s, &r));
    s->watermark = WR_MAX(s->watermark, watermark);
    return wr_snapshot_reader_status(&r);
}
