/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_distinct.c -- the sets of distinct values that DISTINCT calls look at.
 *
 * Calls over the same arguments share a set: a table of a pane with a row for each value of each
 * group, and in it a count for each call, of the rows its FILTER lets pass.  The first such call is
 * the set's leader: the set is kept under its layout, found by its keys.
 *
 *     count(DISTINCT b), count(DISTINCT b) FILTER (WHERE p > 9), sum(DISTINCT b) FILTER (WHERE q)
 *         group 7, b = 31:   rows 12, rows with p > 9: 4, rows with q: 0
 *
 * Where rows only come, of a value of one word no more is kept than which calls have seen it
 * (state/value_set.h).
 *
 * Invariants  D1  a value is in the set while some call's count of it is not 0
 *             D2  a leader's arguments are computed for all rows that any sharer lets pass: it has
 *                 no FILTER, or they are columns of the input
 *             U2  (aggregate_update.c) by each call's own count
 */
#include "operator/aggregate_impl.h"

#include <string.h>

/* --- open --- */

/* D2 */
static bool
sets_can_share(const wr_agg_call *leader, const wr_agg_call *call)
{
    if (leader->arg_count != call->arg_count)
        return false;
    for (uint32_t i = 0; i < call->arg_count; i++)
        if (!wr_expr_equal(leader->args[i], call->args[i]) ||
            (leader->filter != NULL && call->args[i]->kind != WR_EXPR_COLUMN))
            return false;
    return true;
}

static agg_call *
leader_find(aggregate *a, const agg_call *call)
{
    for (agg_call *leader = a->calls.calls; leader < call; leader++)
        if (leader->set == leader && leader->distinct->sharer_count < AGG_SHARERS_MAX &&
            sets_can_share(leader->spec, call->spec))
            return leader;
    return NULL;
}

/* Is it enough to know which calls have seen a value? */
static bool
set_is_compact(const aggregate *a, const agg_call *set)
{
    const wr_key_layout *values = &set->distinct->values;
    bool compact = a->config->insert_only && a->touched_at == 0 && !values->encoded &&
                   !values->has_views && values->column_count == 1 && values->columns[0].words == 1;
    for (uint32_t m = 0; m < set->distinct->sharer_count; m++) /* a NULL is no value then */
        compact = compact && set->distinct->sharers[m]->spec->aggregate->ignores_null;
    return compact;
}

weir_status
wr_agg_sets_open(aggregate *a, weir_error *err)
{
    for (uint32_t i = 0; i < a->calls.count; i++) {
        agg_call *call = &a->calls.calls[i];
        if (call->distinct == NULL)
            continue;
        call->set = leader_find(a, call);
        if (call->set == NULL) {
            if (a->table_count == WR_PANE_TABLES_MAX)
                return wr_error_set(err, WEIR_QUERY_TOO_COMPLEX, "more than %d DISTINCT aggregates",
                                    WR_PANE_TABLES_MAX - 1);
            call->set = call;
            call->table = a->table_count;
            a->tables[a->table_count++] = (wr_pane_table){ &call->distinct->values, 0 };
        } else {
            call->table = call->set->table;
            a->tables[call->table].user_bytes += sizeof(int64_t);
        }
        call->place = call->set->distinct->sharer_count;
        call->set->distinct->sharers[call->set->distinct->sharer_count++] = call;
    }
    for (uint32_t i = 0; i < a->calls.count; i++) {
        agg_call *set = &a->calls.calls[i];
        if (set->distinct == NULL || set->set != set)
            continue;
        set->distinct->compact = set_is_compact(a, set);
        a->tables[set->table].is_set |= set->distinct->compact;
    }
    return WEIR_OK;
}

/* --- rows --- */

/* Rows that some sharer lets pass, with their groups; the bit of each sharer that does. */
static uint32_t
set_rows(agg_step *s, const agg_call *set, wr_rows rows, char *const *groups)
{
    uint32_t count = 0;
    uint8_t  always = 0;
    for (uint32_t m = 0; m < set->distinct->sharer_count; m++)
        always |= (uint8_t) (!set->distinct->sharers[m]->narrowed << m);
    memset(s->passes, always, rows.count);
    for (uint32_t m = 0; m < set->distinct->sharer_count; m++) {
        const agg_call *call = set->distinct->sharers[m];
        for (uint32_t i = 0; call->narrowed && i < rows.count; i++)
            s->passes[i] |= (uint8_t) (wr_bitmap_get(call->pass, agg_row(rows, i)) << m);
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        uint8_t passes = s->passes[i];
        s->passes[count] = passes;
        s->set_rows[count] = (uint16_t) agg_row(rows, i);
        s->set_groups[count] = groups[i];
        count += passes != 0;
    }
    return count;
}

/* Count each row in its value; which calls gained and lost the value. */
static void
values_count(agg_step *s, const agg_call *set, const wr_batch *in, uint32_t rows)
{
    size_t at[AGG_SHARERS_MAX]; /* of a call's count in a value */
    for (uint32_t m = 0; m < set->distinct->sharer_count; m++)
        at[m] = agg_value_count_at(set->distinct->sharers[m]);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t  diff = in->diff != NULL ? in->diff[s->set_rows[i]] : 1;
        uint32_t gained = 0, lost = 0;
        for (uint32_t rest = s->passes[i]; rest != 0; rest &= rest - 1) {
            uint32_t m = (uint32_t) __builtin_ctz(rest);
            int64_t *count = (int64_t *) (void *) (s->values[i] + at[m]);
            int64_t  before = *count;
            *count += diff;
            gained |= (uint32_t) (before <= 0 && *count > 0) << m;
            lost |= (uint32_t) (before > 0 && *count <= 0) << m;
        }
        s->gained[i] = (uint8_t) gained;
        s->lost[i] = (uint8_t) lost;
    }
}

/* D1 */
static weir_status
values_drop(agg_step *s, const agg_call *set, wr_group_table *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wr_group *value = (wr_group *) s->values[i];
        bool      held = (value->flags & WR_GROUP_DEAD) != 0;
        for (uint32_t m = 0; m < set->distinct->sharer_count && !held; m++)
            held = agg_value_count(set->distinct->sharers[m], value) != 0;
        if (!held)
            WR_TRY(wr_group_table_remove(values, value->id));
    }
    return WEIR_OK;
}

/* Of the set's rows those marked for call, into rows and groups. */
static wr_rows
set_marked(const agg_step *s, uint32_t count, const uint8_t *marks, const agg_call *call,
           uint16_t *rows, char **groups)
{
    uint32_t marked = 0;
    for (uint32_t i = 0; i < count; i++) {
        rows[marked] = s->set_rows[i];
        groups[marked] = s->set_groups[i];
        marked += marks[i] >> call->place & 1;
    }
    return (wr_rows){ rows, marked };
}

static weir_status
set_count(agg_step *s, agg_call *set, const wr_batch *in, wr_group_table *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        s->prefixes[i] = ((const wr_group *) s->set_groups[i])->id;
    WR_TRY(wr_row_keys_fill(&set->distinct->keys, set->args, s->set_rows, count, in->physical_count,
                            s->prefixes));
    WR_TRY(wr_group_table_enter(values, &set->distinct->keys, NULL, 0, count, s->value_ids, s->values,
                                false, NULL, NULL));
    values_count(s, set, in, count);
    return s->reversed ? values_drop(s, set, values, count) : WEIR_OK;
}

/* The same for a compact set. */
static weir_status
set_mark(agg_step *s, agg_call *set, wr_value_set *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        s->value_ids[i] = ((const wr_group *) s->set_groups[i])->id;
    wr_key_words_fill(set->args[0], s->set_rows, count, s->prefixes);
    return wr_value_set_add(values, s->prefixes, s->value_ids, s->passes, count, s->gained);
}

/* Calls that only count, all at once; returns which these are. */
static uint32_t
set_count_gained(const agg_step *s, const agg_call *set, uint32_t count)
{
    size_t   at[AGG_SHARERS_MAX];
    uint32_t counting = 0;
    for (uint32_t m = 0; m < set->distinct->sharer_count; m++) {
        at[m] = set->distinct->sharers[m]->offset;
        counting |= (uint32_t) set->distinct->sharers[m]->spec->aggregate->counts << m;
    }
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t rest = s->gained[i] & counting; rest != 0; rest &= rest - 1)
            *(int64_t *) (void *) (s->set_groups[i] + at[__builtin_ctz(rest)]) += 1;
    return counting;
}

wr_flow
wr_agg_set_update(aggregate *a, agg_call *set, const wr_batch *in, wr_pane *pane, wr_rows rows,
                  char *const *groups)
{
    agg_step *s = a->step;
    uint32_t  count = set_rows(s, set, rows, groups), counting = 0;
    if (set->distinct->compact && s->reversed)
        return wr_ctx_fail(a->ctx, WEIR_INTERNAL, "rows are taken back where they only come");
    if ((set->distinct->compact ? set_mark(s, set, &pane->sets[set->table], count)
                      : set_count(s, set, in, &pane->tables[set->table], count)) != WEIR_OK)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for distinct values");
    if (!s->reversed)
        counting = set_count_gained(s, set, count);
    for (uint32_t m = 0; m < set->distinct->sharer_count; m++) {
        agg_call           *call = set->distinct->sharers[m];
        const wr_aggregate *g = call->spec->aggregate;
        if ((counting >> m & 1) != 0)
            continue;
        wr_rows plus = set_marked(s, count, s->gained, call, s->plus_rows, s->plus_groups);
        wr_rows minus = { s->minus_rows, 0 };
        if (s->reversed)
            minus = set_marked(s, count, s->lost, call, s->minus_rows, s->minus_groups);
        if (minus.count > 0 && g->retract == NULL)
            return wr_agg_refuse_retract(a, call);
        if (plus.count > 0)
            g->update(&call->ctx, s->plus_groups, call->offset, call->args, plus);
        if (minus.count > 0)
            g->retract(&call->ctx, s->minus_groups, call->offset, call->args, minus);
    }
    return WR_FLOW_NEXT;
}

/* --- groups that go --- */

weir_status
wr_agg_values_forget(aggregate *a, wr_pane *pane, uint32_t id)
{
    const wr_group_table *groups = &pane->tables[0];
    for (uint32_t t = 1; t < a->table_count; t++) {
        wr_group_table *values = &pane->tables[t];
        for (uint32_t v = 0; v < values->high; v++) {
            wr_group *value = wr_group_table_row(values, v);
            if ((value->flags & WR_GROUP_DEAD) != 0)
                continue;
            uint32_t owner = wr_key_prefix(values->layout, wr_group_key(value));
            if (owner != id && (id != UINT32_MAX ||
                                (wr_group_table_row(groups, owner)->flags & WR_GROUP_DEAD) == 0))
                continue;
            WR_TRY(wr_group_table_own(values, &v, 1));
            WR_TRY(wr_group_table_remove(values, v));
        }
    }
    return WEIR_OK;
}
