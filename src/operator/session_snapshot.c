/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/session_snapshot.c -- the sessions at a barrier: frozen, written, restored.
 *
 * Format      global section   closed i64
 *             section of a key group: session count u64; each:
 *               the values of its keys; start, last, count i64; flags u64; the states;
 *               for each DISTINCT call: value count u64, each: count i64, values (or encoding
 *               bytes)
 *             A session's key group is that of its keys but the window's bounds, in order: what an
 *             exchange to this operator hashes.
 * Invariants  S1  freeze retains chunks; only states that keep memory of their own are encoded at
 *                 once
 *             S2  timers are not written: each session is given one when it is restored
 */
#include "operator/session_impl.h"

#include "base/hash.h"

#include <string.h>

enum { FLAG_EMITTED = 1, FLAG_CLOSED = 2 };

struct wr_frozen {
    const sessions    *s; /* its layouts and calls, which do not change */
    wr_time            closed;
    bool               encoded; /* S1: eager holds all sections */
    wr_snapshot_writer eager;
    wr_group_view      table;
    wr_group_view      values[]; /* one a DISTINCT call */
};

/* --- writing --- */

static weir_status
group_of(const sessions *s, const wr_group *g, wr_text *scratch, uint32_t *group)
{
    wr_text_clear(scratch);
    for (uint32_t k = 0; k < s->config->key_count; k++) {
        if (s->key_source[k] < 0)
            continue;
        wr_value value =
            wr_key_value(&s->layout, (const uint64_t *) (g + 1), (uint32_t) s->key_source[k]);
        WR_TRY(wr_key_encode_value(&value, scratch));
    }
    *group = wr_key_group(wr_hash_stable(wr_text_string(scratch), scratch->length));
    return wr_text_ok(scratch) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
put_values(const wr_frozen *f, uint32_t d, uint32_t newest, wr_snapshot_writer *to)
{
    const wr_group_view *view = &f->values[d];
    size_t               link = wr_group_user_offset(view->layout);
    uint64_t             count = 0;
    for (uint32_t at = newest; at != 0; count++)
        at =
            ((const session_value *) ((const char *) wr_group_view_row(view, at - 1) + link))->next;
    wr_snapshot_put_u64(to, count);
    for (uint32_t at = newest; at != 0;) {
        const wr_group *g = wr_group_view_row(view, at - 1);
        const uint64_t *row = (const uint64_t *) (g + 1);
        at = ((const session_value *) ((const char *) g + link))->next;
        wr_snapshot_put_i64(to, g->count);
        if (view->layout->encoded) {
            wr_string bytes = wr_key_encoding(view->layout, row);
            wr_snapshot_put_bytes(to, wr_string_data(&bytes) + sizeof(uint64_t),
                                  bytes.length - sizeof(uint64_t));
            continue;
        }
        for (uint32_t c = 0; c < view->layout->column_count; c++) {
            wr_value value = wr_key_value(view->layout, row, c);
            WR_TRY(wr_snapshot_put_value(to, &value));
        }
    }
    return WEIR_OK;
}

static weir_status
put_session(const wr_frozen *f, const wr_group *g, wr_snapshot_writer *to)
{
    const sessions     *s = f->s;
    const session_head *h = wr_session_head(s, g);
    for (uint32_t k = 0; k < s->table_key_count; k++) {
        wr_value value = wr_key_value(&s->layout, (const uint64_t *) (g + 1), k);
        WR_TRY(wr_snapshot_put_value(to, &value));
    }
    wr_snapshot_put_i64(to, h->start);
    wr_snapshot_put_i64(to, h->last);
    wr_snapshot_put_i64(to, g->count);
    wr_snapshot_put_u64(to, ((g->flags & WR_GROUP_EMITTED) != 0 ? FLAG_EMITTED : 0) |
                                ((h->flags & SESSION_CLOSED) != 0 ? FLAG_CLOSED : 0));
    wr_agg_calls_encode(&s->calls, g, to);
    for (uint32_t d = 0; d < s->distinct_count; d++)
        WR_TRY(put_values(f, d, h->values[d], to));
    return WEIR_OK;
}

/* ids: sessions by key group, those of group b at [starts[b], starts[b + 1]). */
static weir_status
sort_by_group(const wr_frozen *f, uint32_t *starts, uint32_t *ids, uint16_t *of)
{
    wr_text     scratch;
    weir_status status = WEIR_OK;
    wr_text_init(&scratch, f->s->ctx->state);
    memset(starts, 0, (WR_KEY_GROUPS + 2) * sizeof *starts);
    for (uint32_t id = 0; id < f->table.high && status == WEIR_OK; id++) {
        const wr_group *g = wr_group_view_row(&f->table, id);
        uint32_t        group = 0;
        of[id] = UINT16_MAX;
        if ((g->flags & WR_GROUP_DEAD) != 0 || g->count == 0)
            continue;
        status = group_of(f->s, g, &scratch, &group);
        of[id] = (uint16_t) group;
        starts[group + 2]++;
    }
    wr_text_fini(&scratch);
    for (uint32_t b = 0; b < WR_KEY_GROUPS; b++)
        starts[b + 2] += starts[b + 1];
    for (uint32_t id = 0; id < f->table.high && status == WEIR_OK; id++)
        if (of[id] != UINT16_MAX)
            ids[starts[of[id] + 1]++] = id;
    return status;
}

static weir_status
put_all(const wr_frozen *f, wr_snapshot_writer *to)
{
    uint32_t    starts[WR_KEY_GROUPS + 2];
    uint32_t   *ids = wr_alloc(f->s->ctx->state, f->table.high * sizeof *ids);
    uint16_t   *of = wr_alloc(f->s->ctx->state, f->table.high * sizeof *of);
    weir_status status =
        ids != NULL && of != NULL ? sort_by_group(f, starts, ids, of) : WEIR_MEMORY;
    wr_snapshot_begin(to, WR_SNAPSHOT_GLOBAL);
    wr_snapshot_put_i64(to, f->closed);
    wr_snapshot_end(to);
    for (uint32_t b = 0; b < WR_KEY_GROUPS && status == WEIR_OK; b++) {
        if (starts[b] == starts[b + 1])
            continue;
        wr_snapshot_begin(to, b);
        wr_snapshot_put_u64(to, starts[b + 1] - starts[b]);
        for (uint32_t i = starts[b]; i < starts[b + 1] && status == WEIR_OK; i++)
            status = put_session(f, wr_group_view_row(&f->table, ids[i]), to);
        wr_snapshot_end(to);
    }
    wr_free(ids);
    wr_free(of);
    return status;
}

void
wr_session_thaw(wr_frozen *f)
{
    if (f == NULL)
        return;
    wr_group_view_release(&f->table);
    for (uint32_t d = 0; d < f->s->distinct_count; d++)
        wr_group_view_release(&f->values[d]);
    wr_snapshot_writer_fini(&f->eager);
    wr_free(f);
}

weir_status
wr_session_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    sessions *s = self;
    (void) epoch;
    wr_assert(s->pending_count == 0 && (s->step == NULL || !s->step->begun));
    wr_frozen *f = wr_calloc(s->ctx->state, 1, sizeof *f + s->distinct_count * sizeof f->values[0]);
    if (f == NULL)
        return WEIR_MEMORY;
    f->s = s;
    f->closed = s->closed;
    wr_snapshot_writer_init(&f->eager, s->ctx->state);
    weir_status status = wr_group_table_freeze(&s->table, &f->table);
    for (uint32_t d = 0; d < s->distinct_count && status == WEIR_OK; d++)
        status = wr_group_table_freeze(&s->values[d], &f->values[d]);
    if (status == WEIR_OK && s->calls.nested) { /* S1 */
        status = put_all(f, &f->eager);
        if (status == WEIR_OK)
            status = wr_snapshot_finish(&f->eager);
        f->encoded = true;
    }
    if (status != WEIR_OK) {
        wr_session_thaw(f);
        return status;
    }
    *out = f;
    return WEIR_OK;
}

weir_status
wr_session_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    if (!f->encoded)
        return put_all(f, to);
    wr_text_append(&to->bytes, f->eager.bytes.data, f->eager.bytes.length);
    return wr_text_ok(&to->bytes) ? WEIR_OK : WEIR_MEMORY;
}

/* --- restoring --- */

static weir_status
get_value(wr_snapshot_reader *from, wr_arena *arena, wr_type type, wr_value *value)
{
    WR_TRY(wr_snapshot_get_value(from, arena, value));
    return wr_type_same(value->type, type) ? WEIR_OK : WEIR_CHECKPOINT_CORRUPT;
}

static weir_status
get_values(sessions *s, agg_call *call, session_head *h, wr_arena *arena, wr_snapshot_reader *from)
{
    uint32_t        d = call->table - 1;
    wr_group_table *values = &s->values[d];
    uint64_t        count = wr_snapshot_get_u64(from);
    for (uint64_t i = 0; i < count && !from->failed; i++) {
        wr_value boxed[WR_AGG_ARGS_MAX];
        int64_t  n = wr_snapshot_get_i64(from);
        uint32_t id;
        if (call->distinct->values.encoded) {
            size_t      length;
            const char *bytes = wr_snapshot_get_bytes(from, &length);
            if (bytes == NULL)
                return WEIR_CHECKPOINT_CORRUPT;
            WR_TRY(wr_row_keys_set_encoded(&call->distinct->keys, bytes, length, h->serial));
        } else {
            for (uint32_t c = 0; c < call->distinct->values.column_count; c++)
                WR_TRY(get_value(from, arena, call->distinct->values.columns[c].type, &boxed[c]));
            WR_TRY(wr_row_keys_set(&call->distinct->keys, boxed, h->serial));
        }
        WR_TRY(wr_group_table_find(values, &call->distinct->keys, NULL, 1, &id, NULL, NULL));
        wr_group *value = wr_group_table_row(values, id);
        if (value->count != 0 || n <= 0)
            return WEIR_CHECKPOINT_CORRUPT;
        value->count = n;
        ((session_value *) ((char *) value + wr_group_user_offset(&call->distinct->values)))->next =
            h->values[d];
        h->values[d] = id + 1;
    }
    return from->failed ? WEIR_CHECKPOINT_CORRUPT : WEIR_OK;
}

static weir_status
get_session(sessions *s, wr_value *keys, wr_arena *arena, wr_snapshot_reader *from)
{
    session_step *step = s->step;
    uint32_t      first, id;
    for (uint32_t k = 0; k < s->table_key_count; k++)
        WR_TRY(get_value(from, arena, s->layout.columns[k].type, &keys[k]));
    wr_time  start = wr_snapshot_get_i64(from), last = wr_snapshot_get_i64(from);
    int64_t  count = wr_snapshot_get_i64(from);
    uint64_t flags = wr_snapshot_get_u64(from);
    if (from->failed || count <= 0 || start > last ||
        !wr_window_can_hold(&s->config->window, start) ||
        !wr_window_can_hold(&s->config->window, last))
        return WEIR_CHECKPOINT_CORRUPT;
    WR_TRY(wr_row_keys_set(&step->one_key, keys, 0));
    WR_TRY(wr_group_table_find(&s->table, &step->one_key, NULL, 1, &first, NULL, NULL));
    WR_TRY(wr_row_keys_set(&step->one_key, keys, s->serial + 1));
    WR_TRY(wr_session_place(s, first, start, last, &id));
    wr_group     *g = wr_group_table_row(&s->table, id);
    session_head *h = wr_session_head(s, g);
    h->flags = (flags & FLAG_CLOSED) != 0 ? SESSION_CLOSED : 0;
    g->count = count;
    g->flags |= (flags & FLAG_EMITTED) != 0 ? WR_GROUP_EMITTED : 0;
    WR_TRY(wr_agg_calls_decode(&s->calls, g, from));
    if (wr_agg_calls_failed(&s->calls))
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < s->calls.count; i++)
        if (s->calls.calls[i].table != 0)
            WR_TRY(get_values(s, &s->calls.calls[i], h, arena, from));
    return wr_session_arm(s, id); /* S2 */
}

static weir_status
get_sections(sessions *s, wr_value *keys, wr_arena *arena, wr_snapshot_reader *from)
{
    while (wr_snapshot_next(from)) {
        if (from->group == WR_SNAPSHOT_GLOBAL) {
            wr_time closed = wr_snapshot_get_i64(from);
            s->closed = s->restored ? WR_MIN(s->closed, closed) : closed;
            s->restored = true;
            continue;
        }
        uint64_t count = wr_snapshot_get_u64(from);
        for (uint64_t i = 0; i < count && !from->failed; i++) {
            WR_TRY(get_session(s, keys, arena, from));
            wr_arena_reset(arena);
        }
    }
    return wr_snapshot_reader_status(from);
}

weir_status
wr_session_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    sessions *s = self;
    wr_arena  arena;
    WR_TRY(wr_session_step_create(s));
    wr_value *keys = wr_calloc(ctx->flow, s->table_key_count, sizeof *keys);
    if (keys == NULL)
        return WEIR_MEMORY;
    wr_arena_init(&arena, ctx->flow);
    weir_status status = get_sections(s, keys, &arena, from);
    wr_arena_fini(&arena);
    wr_free(keys);
    wr_session_count_state(s);
    return status;
}
