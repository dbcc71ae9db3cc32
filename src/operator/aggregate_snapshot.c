/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_snapshot.c -- the state of an aggregate at a barrier: frozen, written,
 * restored.
 *
 * Format      global section   closed i64, swept i64
 *             section of a key group, for each pane with groups in it:
 *               closed i64; pane: start, end, open_after i64, flags u64; group count u64; each
 *               group: flags u64, count i64, touched i64; the values of its keys; the states;
 *               for each DISTINCT call: value count u64, each: count i64, values (or encoding
 *               bytes)
 *             A group's key group is that of its keys but the window's bounds, in order: what an
 *             exchange to this operator hashes.
 * Invariants  S1  freeze retains chunks; only states that keep memory of their own are encoded at
 *                 once
 *             S2  sections of any snapshots may be restored together: groups that meet are
 *                 merged; what a section's own `closed` had closed is not closed again
 *                 (open_after)
 */
#include "operator/aggregate_impl.h"

#include "base/hash.h"
#include "data/datetime.h"

#include <string.h>

enum { PANE_NULL_TIME = 1, PANE_CLOSED = 2 };
enum { GROUP_FLAGS_KEPT = WR_GROUP_EMITTED };

typedef struct frozen_pane {
    wr_time        start, end, open_after;
    uint64_t       flags;
    wr_group_view *views; /* one a table ...               */
    wr_value_view *sets;  /* ... or here, where it is a set */
} frozen_pane;

struct wr_frozen {
    const aggregate *a; /* its layouts and calls, which do not change */
    wr_time          closed, swept;
    bool             encoded; /* S1: bytes hold all sections */
    wr_snapshot_writer eager;
    uint32_t         pane_count;
    frozen_pane      panes[];
};

/* --- writing --- */

static wr_value
time_value(wr_type type, wr_time t, bool null)
{
    if (null)
        return wr_value_null(type);
    wr_value value = { .type = type, .integer = t };
    if (type.id == WR_DATE)
        value.integer = wr_time_date(t);
    return value;
}

static weir_status
group_of(const aggregate *a, const frozen_pane *pane, const wr_group *g, wr_text *scratch,
         uint32_t *group)
{
    const uint64_t *row = (const uint64_t *) (g + 1);
    wr_text_clear(scratch);
    for (uint32_t k = 0; k < a->config->key_count; k++) {
        wr_value value;
        if (a->key_source[k] >= 0)
            value = wr_key_value(&a->layout, row, (uint32_t) a->key_source[k]);
        else if (a->key_source[k] == KEY_TIME)
            value = time_value(a->config->key_types[k], pane->start,
                               (pane->flags & PANE_NULL_TIME) != 0);
        else
            continue;
        WR_TRY(wr_key_encode_value(&value, scratch));
    }
    *group = wr_key_group(wr_hash_stable(wr_text_string(scratch), scratch->length));
    return wr_text_ok(scratch) ? WEIR_OK : WEIR_MEMORY;
}

/* Lists of ids by bucket: ids[starts[b] .. starts[b + 1]). */
typedef struct buckets {
    uint32_t *starts, *ids;
} buckets;

static void
buckets_fini(buckets *b)
{
    wr_free(b->starts);
    wr_free(b->ids);
}

/* of[id]: its bucket, UINT32_MAX for none. */
static weir_status
buckets_sort(buckets *b, wr_budget *budget, const uint32_t *of, uint32_t high, uint32_t count)
{
    b->starts = wr_calloc(budget, count + 2, sizeof *b->starts);
    b->ids = wr_alloc(budget, high * sizeof *b->ids);
    if (b->starts == NULL || b->ids == NULL)
        return WEIR_MEMORY;
    for (uint32_t id = 0; id < high; id++)
        if (of[id] != UINT32_MAX)
            b->starts[of[id] + 2]++;
    for (uint32_t i = 0; i < count; i++)
        b->starts[i + 2] += b->starts[i + 1];
    for (uint32_t id = 0; id < high; id++)
        if (of[id] != UINT32_MAX)
            b->ids[b->starts[of[id] + 1]++] = id;
    return WEIR_OK;
}

static weir_status
buckets_by_group(buckets *b, const aggregate *a, const frozen_pane *pane)
{
    const wr_group_view *view = &pane->views[0];
    wr_budget           *budget = a->ctx->state;
    uint32_t            *of = wr_alloc(budget, view->high * sizeof *of);
    weir_status          status = of != NULL ? WEIR_OK : WEIR_MEMORY;
    wr_text              scratch;
    wr_text_init(&scratch, budget);
    for (uint32_t id = 0; id < view->high && status == WEIR_OK; id++) {
        const wr_group *g = wr_group_view_row(view, id);
        of[id] = UINT32_MAX;
        if ((g->flags & WR_GROUP_DEAD) == 0)
            status = group_of(a, pane, g, &scratch, &of[id]);
    }
    if (status == WEIR_OK)
        status = buckets_sort(b, budget, of, view->high, WR_KEY_GROUPS);
    wr_text_fini(&scratch);
    wr_free(of);
    return status;
}

static weir_status
buckets_of_set(buckets *b, const aggregate *a, const frozen_pane *pane, const wr_value_view *view)
{
    wr_budget *budget = a->ctx->state;
    uint32_t  *of = wr_alloc(budget, view->count * sizeof *of);
    if (of == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < view->count; i++) {
        of[i] = wr_value_view_entry(view, i)->owner;
        wr_assert(of[i] < pane->views[0].high);
    }
    weir_status status = buckets_sort(b, budget, of, view->count, pane->views[0].high);
    wr_free(of);
    return status;
}

static weir_status
buckets_by_owner(buckets *b, const aggregate *a, const frozen_pane *pane, uint32_t table)
{
    const wr_group_view *view = &pane->views[table];
    wr_budget           *budget = a->ctx->state;
    if (a->tables[table].is_set)
        return buckets_of_set(b, a, pane, &pane->sets[table]);
    uint32_t            *of = wr_alloc(budget, view->high * sizeof *of);
    if (of == NULL)
        return WEIR_MEMORY;
    for (uint32_t id = 0; id < view->high; id++) {
        const wr_group *g = wr_group_view_row(view, id);
        of[id] = UINT32_MAX;
        if ((g->flags & WR_GROUP_DEAD) != 0)
            continue;
        of[id] = wr_key_prefix(view->layout, (const uint64_t *) (g + 1));
        wr_assert(of[id] < pane->views[0].high);
    }
    weir_status status = buckets_sort(b, budget, of, view->high, pane->views[0].high);
    wr_free(of);
    return status;
}

/* The values of one group that call has seen. */
static weir_status
put_values(const agg_call *call, const wr_group_view *view, const buckets *owners, uint32_t owner,
           wr_snapshot_writer *to)
{
    uint32_t from = owners->starts[owner], until = owners->starts[owner + 1], seen = 0;
    for (uint32_t i = from; i < until; i++)
        seen += agg_value_count(call, wr_group_view_row(view, owners->ids[i])) != 0;
    wr_snapshot_put_u64(to, seen);
    for (uint32_t i = from; i < until; i++) {
        const wr_group *g = wr_group_view_row(view, owners->ids[i]);
        const uint64_t *row = (const uint64_t *) (g + 1);
        int64_t         count = agg_value_count(call, g);
        if (count == 0)
            continue;
        wr_snapshot_put_i64(to, count);
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

/* The same of a compact set: a value counts once. */
static weir_status
put_marked(const agg_call *call, const wr_value_view *view, const buckets *owners, uint32_t owner,
           wr_snapshot_writer *to)
{
    uint32_t from = owners->starts[owner], until = owners->starts[owner + 1], seen = 0;
    for (uint32_t i = from; i < until; i++)
        seen += wr_value_view_entry(view, owners->ids[i])->marks >> call->place & 1;
    wr_snapshot_put_u64(to, seen);
    for (uint32_t i = from; i < until; i++) {
        const wr_value_entry *e = wr_value_view_entry(view, owners->ids[i]);
        if ((e->marks >> call->place & 1) == 0)
            continue;
        wr_value value = { .type = call->set->distinct->values.columns[0].type };
        if (value.type.id == WR_BOOL)
            value.boolean = e->value != 0;
        else
            value.integer = (int64_t) e->value;
        wr_snapshot_put_i64(to, 1);
        WR_TRY(wr_snapshot_put_value(to, &value));
    }
    return WEIR_OK;
}

static weir_status
put_group(const aggregate *a, const frozen_pane *pane, const buckets *owners, uint32_t id,
          wr_snapshot_writer *to)
{
    const wr_group *g = wr_group_view_row(&pane->views[0], id);
    wr_snapshot_put_u64(to, g->flags & GROUP_FLAGS_KEPT);
    wr_snapshot_put_i64(to, g->count);
    wr_snapshot_put_i64(to, a->touched_at > 0 ? *agg_touched(a, g) : WR_TIME_START);
    for (uint32_t k = 0; k < a->table_key_count; k++) {
        wr_value value = wr_key_value(&a->layout, (const uint64_t *) (g + 1), k);
        WR_TRY(wr_snapshot_put_value(to, &value));
    }
    wr_agg_calls_encode(&a->calls, g, to);
    for (uint32_t i = 0; i < a->calls.count; i++) {
        const agg_call *call = &a->calls.calls[i];
        if (call->set != NULL && call->set->distinct->compact)
            WR_TRY(put_marked(call, &pane->sets[call->table], &owners[call->table], id, to));
        else if (call->set != NULL)
            WR_TRY(put_values(call, &pane->views[call->table], &owners[call->table], id, to));
    }
    return WEIR_OK;
}

static weir_status
put_pane(const aggregate *a, wr_time closed, const frozen_pane *pane, wr_snapshot_writer *to)
{
    buckets     groups = { 0 };
    buckets    *owners = wr_calloc(a->ctx->state, a->table_count, sizeof *owners);
    weir_status status = owners != NULL ? WEIR_OK : WEIR_MEMORY;
    if (status == WEIR_OK)
        WR_TRY_GOTO(buckets_by_group(&groups, a, pane));
    for (uint32_t t = 1; t < a->table_count && status == WEIR_OK; t++)
        status = buckets_by_owner(&owners[t], a, pane, t);
    for (uint32_t group = 0; group < WR_KEY_GROUPS && status == WEIR_OK; group++) {
        uint32_t from = groups.starts[group], until = groups.starts[group + 1];
        if (from == until)
            continue;
        wr_snapshot_begin(to, group);
        wr_snapshot_put_i64(to, closed);
        wr_snapshot_put_i64(to, pane->start);
        wr_snapshot_put_i64(to, pane->end);
        wr_snapshot_put_i64(to, pane->open_after);
        wr_snapshot_put_u64(to, pane->flags);
        wr_snapshot_put_u64(to, until - from);
        for (uint32_t i = from; i < until && status == WEIR_OK; i++)
            status = put_group(a, pane, owners, groups.ids[i], to);
        wr_snapshot_end(to);
    }
done:
    buckets_fini(&groups);
    for (uint32_t t = 0; owners != NULL && t < a->table_count; t++)
        buckets_fini(&owners[t]);
    wr_free(owners);
    return status;
}

static weir_status
put_all(const wr_frozen *f, wr_snapshot_writer *to)
{
    wr_snapshot_begin(to, WR_SNAPSHOT_GLOBAL);
    wr_snapshot_put_i64(to, f->closed);
    wr_snapshot_put_i64(to, f->swept);
    wr_snapshot_end(to);
    for (uint32_t i = 0; i < f->pane_count; i++)
        WR_TRY(put_pane(f->a, f->closed, &f->panes[i], to));
    return WEIR_OK;
}

void
wr_agg_thaw(wr_frozen *f)
{
    if (f == NULL)
        return;
    for (uint32_t i = 0; i < f->pane_count; i++) {
        for (uint32_t t = 0; f->panes[i].views != NULL && t < f->a->table_count; t++)
            wr_group_view_release(&f->panes[i].views[t]);
        for (uint32_t t = 0; f->panes[i].sets != NULL && t < f->a->table_count; t++)
            wr_value_view_release(&f->panes[i].sets[t]);
        wr_free(f->panes[i].views);
        wr_free(f->panes[i].sets);
    }
    wr_snapshot_writer_fini(&f->eager);
    wr_free(f);
}

weir_status
wr_agg_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    aggregate *a = self;
    (void) epoch;
    wr_assert(a->pending_count == 0 && a->merged == NULL && (a->step == NULL || !a->step->begun));
    wr_frozen *f = wr_calloc(a->ctx->state, 1, sizeof *f + a->ring.count * sizeof f->panes[0]);
    if (f == NULL)
        return WEIR_MEMORY;
    f->a = a;
    f->closed = a->closed;
    f->swept = a->swept;
    f->pane_count = a->ring.count;
    wr_snapshot_writer_init(&f->eager, a->ctx->state);
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < a->ring.count && status == WEIR_OK; i++) {
        const wr_pane *pane = wr_pane_ring_at(&a->ring, i);
        frozen_pane   *to = &f->panes[i];
        to->start = pane->start;
        to->end = pane->end;
        to->open_after = pane->open_after;
        to->flags = (pane->null_time ? PANE_NULL_TIME : 0) | (pane->closed ? PANE_CLOSED : 0);
        to->views = wr_calloc(a->ctx->state, a->table_count, sizeof *to->views);
        to->sets = wr_calloc(a->ctx->state, a->table_count, sizeof *to->sets);
        if (to->views == NULL || to->sets == NULL)
            status = WEIR_MEMORY;
        for (uint32_t t = 0; t < a->table_count && status == WEIR_OK; t++)
            status = a->tables[t].is_set ? wr_value_set_freeze(&pane->sets[t], &to->sets[t])
                                         : wr_group_table_freeze(&pane->tables[t], &to->views[t]);
    }
    if (status == WEIR_OK && a->calls.nested) { /* S1 */
        status = put_all(f, &f->eager);
        if (status == WEIR_OK)
            status = wr_snapshot_finish(&f->eager);
        f->encoded = true;
    }
    if (status != WEIR_OK) {
        wr_agg_thaw(f);
        return status;
    }
    *out = f;
    return WEIR_OK;
}

weir_status
wr_agg_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    if (!f->encoded)
        return put_all(f, to);
    wr_text_append(&to->bytes, f->eager.bytes.data, f->eager.bytes.length);
    return wr_text_ok(&to->bytes) ? WEIR_OK : WEIR_MEMORY;
}

/* --- restoring --- */

typedef struct restorer {
    aggregate   *a;
    wr_arena     arena; /* of one section */
    wr_row_keys  keys;
    wr_value    *values; /* of a group's keys */
    wr_group    *spare;  /* a row to decode into when the group is there already */
} restorer;

static bool
pane_is_sound(const aggregate *a, wr_time start, wr_time end, uint64_t flags)
{
    const wr_window_spec *spec = &a->config->window;
    switch (a->mode) {
    case AGG_WHOLE:
        return start == 0 && end == WR_TIME_END;
    case AGG_BY_TIME:
        if ((flags & PANE_NULL_TIME) != 0)
            return end == WR_TIME_END && start == end;
        return end == (start >= WR_TIME_POSINF ? WR_TIME_POSINF : start + 1);
    case AGG_BY_WINDOW:
        return wr_window_can_hold(spec, start) && wr_window_can_hold(spec, end) && start < end &&
               wr_window_start_of(spec, end) == start &&
               wr_window_align(end, spec->slide,
                               spec->offset + (spec->kind == WR_WINDOW_HOP ? spec->size : 0)) ==
                   end;
    case AGG_BY_PANE:
        return wr_window_can_hold(spec, start) &&
               wr_window_align(start, a->pane_width, spec->offset) == start &&
               end == start + a->pane_width;
    }
    return false;
}

static weir_status
get_value(restorer *r, wr_snapshot_reader *from, wr_type type, wr_value *value)
{
    WR_TRY(wr_snapshot_get_value(from, &r->arena, value));
    return wr_type_same(value->type, type) ? WEIR_OK : WEIR_CHECKPOINT_CORRUPT;
}

static weir_status
get_distinct(restorer *r, wr_snapshot_reader *from, wr_pane *pane, agg_call *call, uint32_t owner)
{
    wr_group_table *table = &pane->tables[call->table];
    agg_call       *set = call->set;
    wr_value        values[WR_AGG_ARGS_MAX + 1];
    uint64_t        count = wr_snapshot_get_u64(from);
    for (uint64_t i = 0; i < count && !from->failed; i++) {
        int64_t  n = wr_snapshot_get_i64(from);
        uint32_t id;
        if (set->distinct->values.encoded) {
            size_t      length;
            const char *bytes = wr_snapshot_get_bytes(from, &length);
            if (bytes == NULL)
                return WEIR_CHECKPOINT_CORRUPT;
            WR_TRY(wr_row_keys_set_encoded(&set->distinct->keys, bytes, length, owner));
        } else {
            for (uint32_t c = 0; c < set->distinct->values.column_count; c++)
                WR_TRY(get_value(r, from, set->distinct->values.columns[c].type, &values[c]));
            WR_TRY(wr_row_keys_set(&set->distinct->keys, values, owner));
        }
        if (set->distinct->compact) {
            uint64_t word = values[0].type.id == WR_BOOL ? values[0].boolean
                                                         : (uint64_t) values[0].integer;
            uint8_t  mark = (uint8_t) (1u << call->place), gained;
            if (values[0].is_null || n <= 0)
                return WEIR_CHECKPOINT_CORRUPT;
            WR_TRY(wr_value_set_add(&pane->sets[set->table], &word, &owner, &mark, 1, &gained));
            continue;
        }
        WR_TRY(wr_group_table_find(table, &set->distinct->keys, NULL, 1, &id, NULL, NULL));
        char *value = (char *) wr_group_table_row(table, id);
        *(int64_t *) (void *) (value + agg_value_count_at(call)) += n;
    }
    return WEIR_OK;
}

static weir_status
get_group(restorer *r, wr_snapshot_reader *from, wr_pane *pane)
{
    aggregate      *a = r->a;
    wr_group_table *table = &pane->tables[0];
    uint32_t        flags = (uint32_t) wr_snapshot_get_u64(from) & GROUP_FLAGS_KEPT;
    int64_t         count = wr_snapshot_get_i64(from);
    wr_time         touched = wr_snapshot_get_i64(from);
    uint32_t        id, created_id, created = 0;
    for (uint32_t k = 0; k < a->table_key_count; k++)
        WR_TRY(get_value(r, from, a->layout.columns[k].type, &r->values[k]));
    WR_TRY(wr_row_keys_set(&r->keys, r->values, 0));
    WR_TRY(wr_group_table_find(table, &r->keys, NULL, 1, &id, &created_id, &created));
    wr_group *g = wr_group_table_row(table, id);
    if (created > 0) {
        wr_agg_calls_init(&a->calls, g);
        g->count = count;
        if (a->touched_at > 0)
            *agg_touched(a, g) = touched;
        g->flags = flags;
        WR_TRY(wr_agg_calls_decode(&a->calls, g, from));
    } else {
        if (!a->calls.mergeable)
            return WEIR_CHECKPOINT_CORRUPT;
        memset(r->spare, 0, wr_group_user_offset(&a->layout) + a->tables[0].user_bytes);
        wr_agg_calls_init(&a->calls, r->spare);
        WR_TRY(wr_agg_calls_decode(&a->calls, r->spare, from));
        r->spare->count = count;
        wr_agg_calls_merge(&a->calls, g, r->spare, false);
        if (a->touched_at > 0)
            *agg_touched(a, g) = WR_MAX(*agg_touched(a, g), touched);
        g->flags |= flags;
    }
    if (wr_agg_calls_failed(&a->calls))
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < a->calls.count; i++)
        if (a->calls.calls[i].set != NULL)
            WR_TRY(get_distinct(r, from, pane, &a->calls.calls[i], id));
    return WEIR_OK;
}

static weir_status
get_section(restorer *r, wr_snapshot_reader *from)
{
    aggregate *a = r->a;
    wr_time    closed = wr_snapshot_get_i64(from);
    wr_time    start = wr_snapshot_get_i64(from);
    wr_time    end = wr_snapshot_get_i64(from);
    wr_time    open_after = wr_snapshot_get_i64(from);
    uint64_t   flags = wr_snapshot_get_u64(from);
    uint64_t   count = wr_snapshot_get_u64(from);
    wr_pane   *pane;
    if (from->failed || !pane_is_sound(a, start, end, flags))
        return WEIR_CHECKPOINT_CORRUPT;
    if (a->mode == AGG_BY_PANE)
        open_after = WR_MAX(open_after, closed); /* S2 */
    WR_TRY(wr_pane_ring_open(&a->ring, start, end, open_after, &pane));
    pane->null_time = (flags & PANE_NULL_TIME) != 0;
    pane->closed |= (flags & PANE_CLOSED) != 0;
    if (!wr_agg_calls_enter(&a->calls, &pane->tables[0]))
        return WEIR_MEMORY;
    for (uint64_t i = 0; i < count && !from->failed; i++)
        WR_TRY(get_group(r, from, pane));
    return from->failed ? WEIR_CHECKPOINT_CORRUPT : WEIR_OK;
}

static weir_status
restore_sections(restorer *r, wr_snapshot_reader *from)
{
    aggregate *a = r->a;
    while (wr_snapshot_next(from)) {
        if (from->group == WR_SNAPSHOT_GLOBAL) {
            wr_time closed = wr_snapshot_get_i64(from), swept = wr_snapshot_get_i64(from);
            a->closed = a->restored ? WR_MIN(a->closed, closed) : closed;
            a->swept = WR_MAX(a->swept, swept);
            a->restored = true;
        } else {
            WR_TRY(get_section(r, from));
        }
        wr_arena_reset(&r->arena);
    }
    return wr_snapshot_reader_status(from);
}

weir_status
wr_agg_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    aggregate *a = self;
    restorer   r = { .a = a };
    wr_arena_init(&r.arena, ctx->flow);
    wr_row_keys_init(&r.keys, &a->layout, ctx->flow);
    r.values = wr_calloc(ctx->flow, a->table_key_count, sizeof *r.values);
    r.spare = wr_alloc(ctx->flow, wr_group_user_offset(&a->layout) + a->tables[0].user_bytes);
    weir_status status = WEIR_MEMORY;
    if (r.values != NULL && r.spare != NULL)
        status = restore_sections(&r, from);
    wr_free(r.values);
    wr_free(r.spare);
    wr_row_keys_fini(&r.keys);
    wr_arena_fini(&r.arena);
    wr_agg_count_state(a);
    return status;
}
