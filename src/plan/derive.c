/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/derive.c -- what follows from the inputs: watermark offsets, kinds of relation, keys, emit
 * modes.
 *
 * A watermark W passes operators unchanged; a column's offset o says that no later row has a value
 * below W + o.  An offset is given only where the operator keeps that promise: one that holds rows
 * back until the end (an unwindowed aggregate, a sort, a join without a bound) promises nothing.
 *
 * Invariants  D1  offsets are lower bounds: when in doubt, WR_NO_WATERMARK
 *             D2  bounded queries hold rows to the end wherever no window says otherwise, so that
 * no late row is lost by an operator without windows
 */
#include "plan/rules_impl.h"

#include <string.h>

static void
clear(wr_schema *schema)
{
    schema->kind = WR_INSERT_ONLY;
    schema->key = NULL;
    schema->key_count = 0;
    schema->key_ages = false;
    schema->time_column = -1;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        schema->fields[i].watermark_offset = WR_NO_WATERMARK;
        schema->fields[i].not_null = false;
        schema->fields[i].moment = 0;
    }
}

static void
copy_moment(wr_field *to, const wr_field *from)
{
    to->moment = from->moment;
    to->moment_us = from->moment_us;
}

/* The moments of the columns of `from` as columns of plan from `first` on: numbers of their own. */
static void
join_moments(wr_schema *out, uint32_t first, const wr_schema *from)
{
    uint32_t above = 0;
    for (uint32_t i = 0; i < first; i++)
        above = WR_MAX(above, out->fields[i].moment);
    for (uint32_t i = 0; i < from->field_count && first + i < out->field_count; i++) {
        copy_moment(&out->fields[first + i], &from->fields[i]);
        if (from->fields[i].moment != 0)
            out->fields[first + i].moment += above;
    }
}

/* A time that no other is told by yet is one of its own. */
static uint32_t
new_moment(const wr_schema *schema)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < schema->field_count; i++)
        last = WR_MAX(last, schema->fields[i].moment);
    return last + 1;
}

/* The time column: the one whose watermark is closest to the truth. */
static void
choose_time(wr_schema *schema)
{
    schema->time_column = -1;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        int64_t offset = schema->fields[i].watermark_offset;
        if (offset == WR_NO_WATERMARK)
            continue;
        if (schema->time_column < 0 ||
            offset > schema->fields[schema->time_column].watermark_offset)
            schema->time_column = (int32_t)i;
    }
}

/* Keys of the input as columns of the output; map[c] is where input column c stands, UINT32_MAX
 * nowhere. */
static weir_status
map_key(wr_arena *arena, const wr_schema *input, const uint32_t *map, wr_schema *out)
{
    if (input->key_count == 0)
        return WEIR_OK;
    uint32_t *key = wr_arena_alloc(arena, input->key_count * sizeof *key);
    if (key == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < input->key_count; i++)
        if ((key[i] = map[input->key[i]]) == UINT32_MAX)
            return WEIR_OK;
    out->key = key;
    out->key_count = input->key_count;
    out->key_ages = input->key_ages;
    return WEIR_OK;
}

static weir_status
derive_scan(wr_arena *arena, wr_plan *plan)
{
    const wr_schema *source = plan->scan.relation->schema;
    uint32_t *map = wr_arena_alloc(arena, (source->field_count + 1) * sizeof *map);
    if (map == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < source->field_count; i++)
        map[i] = UINT32_MAX;
    for (uint32_t i = 0; i < plan->scan.column_count; i++) {
        const wr_field *from = &source->fields[plan->scan.columns[i]];
        plan->schema->fields[i].watermark_offset = from->watermark_offset;
        plan->schema->fields[i].not_null = from->not_null;
        copy_moment(&plan->schema->fields[i], from);
        map[plan->scan.columns[i]] = i;
    }
    for (uint32_t i = 0; i < plan->scan.column_count; i++)
        if (plan->schema->fields[i].moment == 0 && wr_type_is_time(plan->schema->fields[i].type)) {
            plan->schema->fields[i].moment = new_moment(plan->schema);
            plan->schema->fields[i].moment_us = 0;
        }
    plan->schema->kind = source->kind;
    choose_time(plan->schema);
    return map_key(arena, source, map, plan->schema);
}

/* Same columns as the input's first ones. */
static weir_status
derive_same(wr_arena *arena, wr_plan *plan)
{
    const wr_schema *input = plan->inputs[0]->schema;
    uint32_t *map = wr_arena_alloc(arena, (input->field_count + 1) * sizeof *map);
    if (map == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < input->field_count; i++) {
        plan->schema->fields[i].watermark_offset = input->fields[i].watermark_offset;
        plan->schema->fields[i].not_null = input->fields[i].not_null;
        copy_moment(&plan->schema->fields[i], &input->fields[i]);
        map[i] = i;
    }
    plan->schema->kind = input->kind;
    choose_time(plan->schema);
    return map_key(arena, input, map, plan->schema);
}

static weir_status
derive_project(wr_arena *arena, wr_plan *plan)
{
    const wr_schema *input = plan->inputs[0]->schema;
    uint32_t *map = wr_arena_alloc(arena, (input->field_count + 1) * sizeof *map);
    if (map == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < input->field_count; i++)
        map[i] = UINT32_MAX;
    for (uint32_t i = 0; i < plan->schema->field_count; i++) {
        const wr_expr *e = plan->project.exprs[i];
        wr_field *field = &plan->schema->fields[i];
        uint32_t column;
        int64_t us;
        field->watermark_offset = wr_plan_expr_offset(e, input);
        if (wr_plan_expr_moment(e, &column, &us) &&
            !__builtin_add_overflow(input->fields[column].moment_us, us, &field->moment_us))
            field->moment = input->fields[column].moment;
        if (e->kind == WR_EXPR_COLUMN) {
            field->not_null = input->fields[e->column].not_null;
            if (map[e->column] == UINT32_MAX)
                map[e->column] = i;
        } else if (e->kind == WR_EXPR_CONSTANT) {
            field->not_null = !e->constant.is_null;
        }
    }
    plan->schema->kind = input->kind;
    choose_time(plan->schema);
    return map_key(arena, input, map, plan->schema);
}

static weir_status
derive_window(wr_arena *arena, wr_plan *plan)
{
    uint32_t n = plan->inputs[0]->schema->field_count;
    wr_window_spec *spec = &plan->window.spec;
    WR_TRY(derive_same(arena, plan));
    plan->schema->key_count = 0; /* a row stands once in each of its windows */
    spec->watermark_offset = plan->inputs[0]->schema->fields[spec->time_column].watermark_offset;
    /* rows pass as they come: a window holds times down to its start */
    if (spec->kind != WR_WINDOW_SESSION) {
        plan->schema->fields[n].watermark_offset =
            wr_plan_offset_add(spec->watermark_offset, 1 - spec->size);
        plan->schema->fields[n + 1].watermark_offset = wr_plan_offset_add(spec->watermark_offset, 1);
    }
    plan->schema->fields[n].not_null = plan->schema->fields[n + 1].not_null = true;
    if (spec->kind == WR_WINDOW_TUMBLE || spec->kind == WR_WINDOW_HOP) {
        plan->schema->fields[n].moment = plan->schema->fields[n + 1].moment = new_moment(plan->schema);
        plan->schema->fields[n].moment_us = 0;
        plan->schema->fields[n + 1].moment_us = spec->size;
    }
    choose_time(plan->schema);
    return WEIR_OK;
}

/* What is idle for longer is forgotten, and stays where it has come out. */
static bool
forgets(const wr_plan_options *options)
{
    return options != NULL && !options->bounded && options->ttl_us > 0;
}

static void
aggregate_offsets(const wr_plan_options *options, wr_plan *plan, const wr_plan_time *time)
{
    int64_t late = options != NULL && options->late_given && options->late == WR_LATE_UPDATE
                       ? (int64_t)options->lateness_us
                       : 0;
    for (uint32_t i = 0; i < plan->aggregate.key_count && time->fused; i++) {
        const wr_window_spec *spec = &time->window->window.spec;
        /* a session that ends on the watermark is open yet */
        int64_t closed = wr_plan_offset_add(spec->watermark_offset, (time->session ? 0 : 1) - late);
        if (time->key_bounds[i] == WR_KEY_WINDOW_END)
            plan->schema->fields[i].watermark_offset = closed;
        else if (time->key_bounds[i] == WR_KEY_WINDOW_START && !time->session)
            plan->schema->fields[i].watermark_offset = wr_plan_offset_add(closed, -spec->size);
    }
    if (!time->fused && time->time_key >= 0)
        plan->schema->fields[time->time_key].watermark_offset =
            wr_plan_offset_add(time->time_offset, -late);
}

static weir_status
derive_aggregate(wr_arena *arena, const wr_plan_options *options, wr_plan *plan, bool top)
{
    const wr_schema *input = plan->inputs[0]->schema;
    uint32_t k = plan->aggregate.key_count;
    wr_plan_time time;
    WR_TRY(wr_plan_aggregate_time(arena, options, plan, &time));
    bool bounded = options == NULL || options->bounded;
    bool timed = time.fused || time.time_key >= 0;
    bool asked = top && options != NULL && options->emit_given;
    plan->aggregate.emit = bounded ? WR_EMIT_FINAL
                           : timed ? (asked ? options->emit : WR_EMIT_FINAL)
                                   : WR_EMIT_CHANGES;
    aggregate_offsets(options, plan, &time);
    for (uint32_t i = 0; i < k; i++) {
        plan->schema->fields[i].not_null = input->fields[plan->aggregate.keys[i]].not_null;
        copy_moment(&plan->schema->fields[i], &input->fields[plan->aggregate.keys[i]]);
    }
    bool updates = options != NULL && !bounded && options->late_given &&
                   options->late == WR_LATE_UPDATE && timed;
    bool only_keys = plan->aggregate.call_count == 0 && input->kind == WR_INSERT_ONLY;
    bool changes = plan->aggregate.emit == WR_EMIT_CHANGES || updates;
    plan->schema->kind = changes && !only_keys ? WR_CHANGELOG : WR_INSERT_ONLY;
    uint32_t *key = wr_arena_alloc(arena, (k + 1) * sizeof *key);
    if (key == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < k; i++)
        key[i] = i;
    plan->schema->key = key;
    plan->schema->key_count = k;
    plan->schema->key_ages = forgets(options) && !timed;
    choose_time(plan->schema);
    return WEIR_OK;
}

/* An as-of or lookup join: a left row comes out once, with what it met; an as-of join of inputs that end
 * holds it to the end (D2). */
static weir_status
derive_chosen(wr_arena *arena, wr_plan *plan, bool endless)
{
    const wr_schema *left = plan->inputs[0]->schema, *right = plan->inputs[1]->schema;
    uint32_t n = left->field_count;
    wr_field *f = plan->schema->fields;
    wr_plan_asof asof;
    const wr_expr *culprit;
    uint32_t *map = wr_arena_alloc(arena, (n + 1) * sizeof *map);
    if (map == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < plan->schema->field_count; i++)
        f[i].not_null = i < n ? left->fields[i].not_null
                              : plan->join.kind == WR_JOIN_INNER && right->fields[i - n].not_null;
    for (uint32_t i = 0; i < n; i++) {
        map[i] = i;
        if (plan->join.mode == WR_JOIN_LOOKUP) /* rows pass as they come */
            f[i].watermark_offset = left->fields[i].watermark_offset;
    }
    if (plan->join.mode == WR_JOIN_ASOF && endless && wr_plan_join_asof(plan, &asof, &culprit)) {
        int64_t l = left->fields[asof.left_time].watermark_offset;
        int64_t r = right->fields[asof.right_time].watermark_offset;
        f[asof.left_time].watermark_offset = WR_MIN(l, r);
        if (asof.reach_us != INT64_MAX)
            f[n + asof.right_time].watermark_offset = wr_plan_offset_add(WR_MIN(l, r), -asof.reach_us);
    }
    join_moments(plan->schema, 0, left);
    join_moments(plan->schema, n, right);
    choose_time(plan->schema);
    bool unique = plan->join.mode == WR_JOIN_ASOF;
    return unique ? map_key(arena, left, map, plan->schema) : WEIR_OK;
}

/* Does each value of the columns stand in one row of the side at most? */
static bool
is_unique(const wr_schema *side, const uint32_t *columns, uint32_t count)
{
    for (uint32_t k = 0; k < side->key_count; k++) {
        bool found = false;
        for (uint32_t i = 0; i < count && !found; i++)
            found = columns[i] == side->key[k];
        if (!found)
            return false;
    }
    return side->key_count > 0 && !side->key_ages;
}

/*
 * A row that has one partner at most keeps its key.  A pair of an inner join is told by both keys.  A key
 * that ages tells nothing here: rows of it that were left behind come out again beside the last one.
 */
static weir_status
join_key(wr_arena *arena, const wr_plan_options *options, wr_plan *plan)
{
    const wr_schema *left = plan->inputs[0]->schema, *right = plan->inputs[1]->schema;
    wr_join_kind kind = plan->join.kind;
    uint32_t n = left->field_count, at = 0, keys = plan->join.key_count;
    uint32_t left_count = left->key_ages ? 0 : left->key_count;
    uint32_t right_count = right->key_ages ? 0 : right->key_count;
    bool half = kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI;
    bool one_right = half || is_unique(right, plan->join.right_keys, keys);
    bool one_left = is_unique(left, plan->join.left_keys, keys);
    bool by_left = left_count > 0 && one_right &&
                   (half || kind == WR_JOIN_INNER || kind == WR_JOIN_LEFT);
    bool by_right =
        right_count > 0 && one_left && (kind == WR_JOIN_INNER || kind == WR_JOIN_RIGHT);
    bool by_both = kind == WR_JOIN_INNER && left_count > 0 && right_count > 0;
    uint32_t *key = wr_arena_alloc(arena, (left_count + right_count + 1) * sizeof *key);
    if (key == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < left_count && (by_left || (by_both && !by_right)); i++)
        key[at++] = left->key[i];
    for (uint32_t i = 0; i < right_count && (by_right || by_both) && !by_left; i++)
        key[at++] = n + right->key[i];
    plan->schema->key = key;
    plan->schema->key_count = at;
    plan->schema->key_ages = forgets(options);
    return WEIR_OK;
}

static weir_status
derive_join(wr_arena *arena, const wr_plan_options *options, wr_plan *plan)
{
    const wr_schema *left = plan->inputs[0]->schema, *right = plan->inputs[1]->schema;
    wr_join_kind kind = plan->join.kind;
    uint32_t n = left->field_count;
    wr_plan_bounds b;
    bool endless = options != NULL && !options->bounded;
    if (plan->join.mode == WR_JOIN_ASOF || (plan->join.mode == WR_JOIN_LOOKUP && endless))
        return derive_chosen(arena, plan, endless);
    bool bound = endless && wr_plan_join_bounds(plan, &b);
    bool left_kept = kind != WR_JOIN_RIGHT && kind != WR_JOIN_FULL;
    bool right_kept = kind == WR_JOIN_INNER || kind == WR_JOIN_RIGHT;
    if (bound) {
        wr_field *f = plan->schema->fields;
        f[b.left_time].watermark_offset =
            WR_MIN(b.left_offset, wr_plan_offset_add(b.right_offset, b.low_us));
        if (kind != WR_JOIN_SEMI && kind != WR_JOIN_ANTI)
            f[n + b.right_time].watermark_offset =
                WR_MIN(b.right_offset, wr_plan_offset_add(b.left_offset, -b.high_us));
    }
    int32_t ends = wr_plan_join_ends(options, plan, bound);
    for (uint32_t i = 0; ends == 1 && i < n; i++) /* rows of the other come out at once, or before time moves */
        plan->schema->fields[i].watermark_offset = left->fields[i].watermark_offset;
    for (uint32_t i = 0; ends == 0 && kind != WR_JOIN_SEMI && i < right->field_count; i++)
        plan->schema->fields[n + i].watermark_offset = right->fields[i].watermark_offset;
    for (uint32_t i = 0; i < plan->schema->field_count; i++)
        plan->schema->fields[i].not_null = i < n ? left_kept && left->fields[i].not_null
                                                 : right_kept && right->fields[i - n].not_null;
    plan->schema->kind =
        wr_plan_join_changes(options, plan, bound) ? WR_CHANGELOG : WR_INSERT_ONLY;
    join_moments(plan->schema, 0, left);
    join_moments(plan->schema, n, right);
    choose_time(plan->schema);
    return join_key(arena, options, plan);
}

static void
derive_union(wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->schema->field_count; i++) {
        wr_field *field = &plan->schema->fields[i];
        *field = (wr_field){ .name = field->name,
                             .type = field->type,
                             .not_null = true,
                             .watermark_offset = INT64_MAX };
        for (uint32_t k = 0; k < plan->input_count; k++) {
            const wr_field *from = &plan->inputs[k]->schema->fields[i];
            field->not_null = field->not_null && from->not_null;
            field->watermark_offset = WR_MIN(field->watermark_offset, from->watermark_offset);
        }
    }
    for (uint32_t k = 0; k < plan->input_count; k++)
        if (plan->inputs[k]->schema->kind != WR_INSERT_ONLY)
            plan->schema->kind = WR_CHANGELOG;
    choose_time(plan->schema);
}

/* Rows wait for the end: no promise about time is left, and what changed is folded. */
static void
derive_waiting(wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->schema->field_count; i++)
        plan->schema->fields[i].watermark_offset = WR_NO_WATERMARK;
    plan->schema->time_column = -1;
    plan->schema->kind = WR_INSERT_ONLY;
}

/* Rows wait until the watermark has passed their time: that column alone keeps its promise. */
static weir_status
derive_dedup(wr_arena *arena, wr_plan *plan)
{
    uint32_t time = plan->dedup.time_column;
    WR_TRY(derive_same(arena, plan));
    int64_t offset = plan->schema->fields[time].watermark_offset;
    bool changes = plan->schema->kind != WR_INSERT_ONLY; /* folded at the end */
    derive_waiting(plan);
    plan->schema->fields[time].not_null = true;
    if (!changes)
        plan->schema->fields[time].watermark_offset = offset;
    choose_time(plan->schema);
    return WEIR_OK;
}

static weir_status
derive(wr_arena *arena, const wr_plan_options *options, wr_plan *plan, bool top)
{
    bool below = top && plan->kind != WR_PLAN_AGGREGATE;
    for (uint32_t i = 0; i < plan->input_count; i++)
        WR_TRY(derive(arena, options, plan->inputs[i], below));
    clear(plan->schema);
    switch (plan->kind) {
    case WR_PLAN_SCAN: return derive_scan(arena, plan);
    case WR_PLAN_VALUES: return WEIR_OK;
    case WR_PLAN_FILTER:
        WR_TRY(derive_same(arena, plan));
        if (wr_plan_is_moving(options, plan)) { /* a row is taken back when its time is long over */
            derive_waiting(plan);
            plan->schema->kind = WR_CHANGELOG;
        }
        return WEIR_OK;
    case WR_PLAN_PROJECT: return derive_project(arena, plan);
    case WR_PLAN_WINDOW: return derive_window(arena, plan);
    case WR_PLAN_AGGREGATE: return derive_aggregate(arena, options, plan, top);
    case WR_PLAN_JOIN: return derive_join(arena, options, plan);
    case WR_PLAN_UNION: derive_union(plan); return WEIR_OK;
    case WR_PLAN_SORT:
        WR_TRY(derive_same(arena, plan));
        derive_waiting(plan);
        return WEIR_OK;
    case WR_PLAN_OVER:
        WR_TRY(derive_same(arena, plan));
        wr_plan_derive_over(options, plan);
        return WEIR_OK;
    case WR_PLAN_TOP_N:
        WR_TRY(derive_same(arena, plan));
        WR_TRY(wr_plan_derive_top_n(arena, options, plan));
        plan->schema->key_ages = forgets(options);
        return WEIR_OK;
    case WR_PLAN_DEDUP: return derive_dedup(arena, plan);
    case WR_PLAN_SETOP: return WEIR_OK;
    case WR_PLAN_UNNEST:
        WR_TRY(derive_same(arena, plan));
        plan->schema->key_count = 0;
        return WEIR_OK;
    }
    wr_unreachable();
}

weir_status
wr_plan_derive(wr_arena *arena, const wr_plan_options *options, wr_plan *plan)
{
    return derive(arena, options, plan, true);
}
