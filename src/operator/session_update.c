/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/session_update.c -- rows into the states of their sessions; sessions that merge, move
 * and leave.
 *
 * Invariants  U1  a row of diff n counts n times; rows are never taken back
 *             U2  a DISTINCT call sees a value of a session once, also when two sessions that both
 *                 had it merge
 *             U3  a key's first row stays as long as the key has a session
 */
#include "operator/session_impl.h"

#include <string.h>

static session_value *
value_link(wr_group_table *values, const agg_call *call, uint32_t id)
{
    wr_group *g = wr_group_table_row(values, id);
    return (session_value *) ((char *) g + wr_group_user_offset(&call->distinct->values));
}

static agg_call *
distinct_call(sessions *s, uint32_t d)
{
    for (uint32_t i = 0; i < s->calls.count; i++)
        if (s->calls.calls[i].table == d + 1)
            return &s->calls.calls[i];
    wr_unreachable();
}

/* --- rows --- */

/* The part's rows that call takes, `times` times at least; returns how many. */
static uint32_t
rows_take(session_step *step, const agg_call *call, const wr_batch *in, int64_t times)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < step->part_count; i++) {
        uint16_t row = step->part_rows[i];
        step->call_rows[count] = row;
        step->call_groups[count] = step->part_groups[i];
        count += wr_batch_diff(in, row) >= times &&
                 (!call->narrowed || wr_bitmap_get(call->pass, row));
    }
    return count;
}

/* U2: leaves the rows whose value is new to their session; returns how many. */
static weir_status
rows_distinct(sessions *s, agg_call *call, const wr_batch *in, uint32_t *count)
{
    session_step   *step = s->step;
    uint32_t        d = call->table - 1, kept = 0;
    wr_group_table *values = &s->values[d];
    for (uint32_t i = 0; i < *count; i++)
        step->prefixes[i] = wr_session_head(s, (wr_group *) step->call_groups[i])->serial;
    WR_TRY(wr_row_keys_fill(&call->distinct->keys, call->args, step->call_rows, *count,
                            in->physical_count, step->prefixes));
    WR_TRY(
        wr_group_table_find(values, &call->distinct->keys, NULL, *count, step->value_ids, NULL, NULL));
    WR_TRY(wr_group_table_own(values, step->value_ids, *count));
    for (uint32_t i = 0; i < *count; i++) {
        wr_group     *value = wr_group_table_row(values, step->value_ids[i]);
        session_head *h = wr_session_head(s, (wr_group *) step->call_groups[i]);
        bool          new = value->count == 0;
        value->count += wr_batch_diff(in, step->call_rows[i]);
        if (!new)
            continue;
        value_link(values, call, value->id)->next = h->values[d];
        h->values[d] = value->id + 1;
        step->call_rows[kept] = step->call_rows[i];
        step->call_groups[kept++] = step->call_groups[i];
    }
    *count = kept;
    return WEIR_OK;
}

weir_status
wr_session_update(sessions *s, const wr_batch *in)
{
    session_step *step = s->step;
    if (!wr_agg_calls_enter(&s->calls, &s->table))
        return WEIR_MEMORY;
    wr_group_table_rows(&s->table, step->part_ids, step->part_count, step->part_groups);
    for (uint32_t i = 0; i < s->calls.count; i++) {
        agg_call           *call = &s->calls.calls[i];
        const wr_aggregate *g = call->spec->aggregate;
        for (int64_t times = 1;; times++) { /* U1: mostly once */
            uint32_t count = rows_take(step, call, in, times);
            if (call->table != 0 && count > 0)
                WR_TRY(rows_distinct(s, call, in, &count));
            if (count == 0)
                break;
            g->update(&call->ctx, step->call_groups, call->offset, call->args,
                      (wr_rows){ step->call_rows, count });
            if (in->diff == NULL || call->table != 0)
                break;
        }
    }
    return wr_agg_calls_failed(&s->calls) ? WEIR_MEMORY : WEIR_OK;
}

/* --- distinct values of a session --- */

/* One value into a state: as a batch of one row. */
static weir_status
value_update(sessions *s, agg_call *call, const wr_value *values, char *group)
{
    wr_column  *columns[WR_AGG_ARGS_MAX] = { NULL };
    weir_status status = WEIR_OK;
    for (uint32_t c = 0; c < call->spec->arg_count && status == WEIR_OK; c++) {
        columns[c] = wr_column_create_constant(s->ctx->flow, &values[c]);
        status = columns[c] != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    if (status == WEIR_OK)
        call->spec->aggregate->update(&call->ctx, &group, call->offset, columns,
                                      (wr_rows){ NULL, 1 });
    for (uint32_t c = 0; c < call->spec->arg_count; c++)
        wr_column_release(columns[c]);
    return status;
}

/* The arguments of a value's row, and its key under another prefix. */
static weir_status
value_rekey(sessions *s, agg_call *call, const wr_group *value, uint64_t prefix, wr_value *out)
{
    const uint64_t *row = (const uint64_t *) (value + 1);
    if (!call->distinct->values.encoded) {
        for (uint32_t c = 0; c < call->spec->arg_count; c++) { /* the row may move */
            out[c] = wr_key_value(&call->distinct->values, row, c);
            WR_TRY(wr_value_copy(&out[c], &s->ctx->eval.step, &out[c]));
        }
        return wr_row_keys_set(&call->distinct->keys, out, prefix);
    }
    wr_string   bytes = wr_key_encoding(&call->distinct->values, row);
    size_t      length = bytes.length - sizeof prefix;
    const char *own = wr_arena_strndup(&s->ctx->eval.step, wr_string_data(&bytes) + sizeof prefix,
                                       length);
    if (own == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_key_decode(own, length, call->arg_types, call->spec->arg_count, &s->ctx->eval.step,
                         out));
    return wr_row_keys_set_encoded(&call->distinct->keys, own, length, prefix);
}

/* U2: the values of `from` go over to `into`, whose state sees those it did not have. */
static weir_status
values_merge(sessions *s, agg_call *call, uint32_t into, uint32_t from)
{
    uint32_t        d = call->table - 1;
    wr_group_table *values = &s->values[d];
    wr_group       *to = wr_group_table_row(&s->table, into);
    session_head *h = wr_session_head(s, to),
                 *old = wr_session_head(s, wr_group_table_row(&s->table, from));
    while (old->values[d] != 0) {
        uint32_t id = old->values[d] - 1, kept;
        wr_value boxed[WR_AGG_ARGS_MAX];
        int64_t  count = wr_group_table_row(values, id)->count;
        old->values[d] = value_link(values, call, id)->next;
        WR_TRY(value_rekey(s, call, wr_group_table_row(values, id), h->serial, boxed));
        WR_TRY(wr_group_table_find(values, &call->distinct->keys, NULL, 1, &kept, NULL, NULL));
        WR_TRY(wr_group_table_own(values, (uint32_t[]){ kept, id }, 2));
        wr_group *value = wr_group_table_row(values, kept);
        if (value->count == 0) {
            value_link(values, call, kept)->next = h->values[d];
            h->values[d] = kept + 1;
            WR_TRY(value_update(s, call, boxed, (char *) to));
        }
        value->count += count;
        WR_TRY(wr_group_table_remove(values, id));
    }
    return WEIR_OK;
}

static weir_status
values_drop(sessions *s, session_head *h)
{
    for (uint32_t d = 0; d < s->distinct_count; d++) {
        const agg_call *call = distinct_call(s, d);
        while (h->values[d] != 0) {
            uint32_t id = h->values[d] - 1;
            h->values[d] = value_link(&s->values[d], call, id)->next;
            WR_TRY(wr_group_table_own(&s->values[d], &id, 1));
            WR_TRY(wr_group_table_remove(&s->values[d], id));
        }
    }
    return WEIR_OK;
}

/* --- sessions --- */

weir_status
wr_session_merge(sessions *s, uint32_t into, uint32_t from)
{
    wr_group *to, *old;
    WR_TRY(wr_session_own(s, into, &to));
    WR_TRY(wr_session_own(s, from, &old));
    if (!wr_agg_calls_enter(&s->calls, &s->table))
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < s->calls.count; i++) {
        agg_call *call = &s->calls.calls[i];
        if (call->table != 0)
            WR_TRY(values_merge(s, call, into, from));
        else
            call->spec->aggregate->merge(&call->ctx, (char *) to + call->offset,
                                         (const char *) old + call->offset);
    }
    session_head *h = wr_session_head(s, to), *gone = wr_session_head(s, old);
    h->start = WR_MIN(h->start, gone->start);
    h->last = WR_MAX(h->last, gone->last);
    to->count += old->count;
    return wr_agg_calls_failed(&s->calls) ? WEIR_MEMORY : WEIR_OK;
}

static void
bytes_swap(char *a, char *b, size_t count)
{
    char spare[256];
    for (size_t n; count > 0; a += n, b += n, count -= n) {
        n = WR_MIN(count, sizeof spare);
        memcpy(spare, a, n);
        memcpy(a, b, n);
        memcpy(b, spare, n);
    }
}

weir_status
wr_session_swap(sessions *s, uint32_t a, uint32_t b)
{
    wr_group *x, *y;
    WR_TRY(wr_session_own(s, a, &x));
    WR_TRY(wr_session_own(s, b, &y));
    char    *p = (char *) wr_session_head(s, x), *q = (char *) wr_session_head(s, y);
    size_t   moves = offsetof(session_head, values);
    int64_t  count = x->count;
    uint32_t differ = (x->flags ^ y->flags) & WR_GROUP_EMITTED;
    x->count = y->count;
    y->count = count;
    x->flags ^= differ;
    y->flags ^= differ;
    bytes_swap(p, q, offsetof(session_head, armed));
    bytes_swap(p + moves, q + moves, s->head_bytes - moves + s->calls.user_bytes);
    return WEIR_OK;
}

weir_status
wr_session_free(sessions *s, uint32_t id)
{
    wr_group *g;
    WR_TRY(wr_session_own(s, id, &g));
    session_head *h = wr_session_head(s, g);
    uint32_t      first = h->first;
    WR_TRY(values_drop(s, h));
    if (id == first) {
        g->count = 0;
        g->flags &= ~(uint32_t) WR_GROUP_EMITTED;
        h->flags = 0;
        h->armed = WR_TIME_END;
        memset((char *) h + s->head_bytes, 0, s->calls.user_bytes);
    } else {
        WR_TRY(wr_group_table_remove(&s->table, id));
    }
    return wr_session_remove_empty(s, first); /* U3 */
}

weir_status
wr_session_remove(sessions *s, uint32_t id)
{
    WR_TRY(wr_session_tree_remove(s, id));
    return wr_session_free(s, id);
}

weir_status
wr_session_remove_empty(sessions *s, uint32_t id)
{
    const wr_group *g = wr_group_table_row(&s->table, id);
    if ((g->flags & WR_GROUP_DEAD) != 0 || g->count != 0 || wr_session_head(s, g)->root != 0)
        return WEIR_OK;
    WR_TRY(wr_group_table_own(&s->table, &id, 1));
    return wr_group_table_remove(&s->table, id);
}

/* --- the store --- */

/* What a session keeps in the old arena, into the new one. */
static bool
session_move(void *user, wr_group *row, wr_arena *to)
{
    sessions *s = user;
    size_t    states = s->head_offset + s->head_bytes;
    char     *old = wr_alloc(s->ctx->state, s->calls.user_bytes);
    if (old == NULL)
        return false;
    memcpy(old, (char *) row + states, s->calls.user_bytes);
    memset((char *) row + states, 0, s->calls.user_bytes);
    for (uint32_t i = 0; i < s->calls.count; i++)
        s->calls.calls[i].ctx.arena = to;
    wr_agg_calls_init(&s->calls, row);
    for (uint32_t i = 0; i < s->calls.count; i++) {
        agg_call *call = &s->calls.calls[i];
        call->spec->aggregate->merge(&call->ctx, (char *) row + call->offset,
                                     old + (call->offset - states));
    }
    wr_free(old);
    return !wr_agg_calls_failed(&s->calls);
}

weir_status
wr_session_compact(sessions *s)
{
    if (wr_group_table_wasteful(&s->table))
        WR_TRY(wr_group_table_compact(&s->table, s->calls.nested ? session_move : NULL, s));
    for (uint32_t d = 0; d < s->distinct_count; d++)
        if (wr_group_table_wasteful(&s->values[d]))
            WR_TRY(wr_group_table_compact(&s->values[d], NULL, NULL));
    return WEIR_OK;
}
