/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/share_calls.c -- aggregates over the same rows, by the same keys and windows: one that has the calls of all.
 *
 *     a: aggregate(k; count(*))            a: project(k, count)   over aggregate(k; count(*), sum(x), max(y))
 *     b: aggregate(k; sum(x), max(y))      b: project(k, sum, max)  over the same
 *
 * plan/share.c then finds the aggregate in two places and has it run once: a row is read, its window and its group
 * are found once for all of them, and each call adds what it costs alone.
 *
 * Aggregates are taken up by their height, those without another below first, for what stands below must be one
 * already.  Those of one hash (what decides the rows, keys, windows and groups) are joined one after another; where
 * the next does not fit, another aggregate begins.
 *
 * Invariants  A1  a reader gets the rows, and of changes the rows, that its own aggregate gave: its schema, kind, key
 *                 and watermarks stay
 *             A2  a call that can leave a row out (an argument, filter or result that fails) is a call of all of
 *                 them: nobody loses a row to a call that he did not make
 *             A3  a window slides as cheaply as it did for each: calls that can be taken out of it, that can be
 *                 merged and that can be neither are not put together
 *             A4  where rows change, a reader of a part of the calls hears of changes in these alone
 * Cost        a hash of each aggregate with what is below; joining one: its nodes and calls, at most
 *             CALLS_MAX; none for an equal one
 */
#include "plan/share_impl.h"

#include "base/hash.h"
#include "plan/unify.h"

#include <stdlib.h>
#include <string.h>

enum { CALLS_MAX = 64 };

typedef struct member {
    wr_plan **slot;
    const wr_plan_options *options;
    uint64_t hash;  /* what must be equal */
    uint64_t shape; /* all of it */
    uint32_t index, height;
    uint32_t *columns; /* of the joined aggregate, in the order of this one's */
} member;

typedef struct calls_state {
    wr_arena *arena;   /* what stays */
    wr_arena *lists;   /* until all is done */
    wr_arena *scratch; /* until a group is done */
    member *members;
    uint32_t count, height_max;
} calls_state;

static void *
scratch_zeroed(calls_state *s, size_t count, size_t bytes)
{
    return wr_arena_calloc(s->scratch, count + 1, bytes);
}

/* --- which --- */

static uint32_t
count_aggregates(const wr_plan *plan)
{
    uint32_t n = plan->kind == WR_PLAN_AGGREGATE;
    for (uint32_t i = 0; i < plan->input_count; i++)
        n += count_aggregates(plan->inputs[i]);
    return n;
}

/* height: aggregates below one another, this one included; *fixed: nothing volatile at or below. */
static void
list(calls_state *s, wr_plan **slot, const wr_plan_options *options, uint32_t *height, bool *fixed)
{
    wr_plan *plan = *slot;
    *height = 0;
    *fixed = !wr_share_is_volatile(plan);
    for (uint32_t i = 0; i < plan->input_count; i++) {
        uint32_t below;
        bool sure;
        list(s, &plan->inputs[i], options, &below, &sure);
        *height = WR_MAX(*height, below);
        *fixed = *fixed && sure;
    }
    if (plan->kind != WR_PLAN_AGGREGATE)
        return;
    ++*height;
    s->height_max = WR_MAX(s->height_max, *height);
    if (*fixed) {
        s->members[s->count] =
            (member){ .slot = slot, .options = options, .index = s->count, .height = *height };
        s->count++;
    }
}

/* --- calls --- */

/* Aggregates whose result there always is, whatever the arguments.  A sum of integers below 64 bits needs
 * more than 2^31 rows of a group to leave bigint. */
static bool
result_is_sure(const wr_agg_call *call)
{
    static const char *const always[] = { "count", "min",     "max",    "bool_and", "bool_or",
                                          "every", "bit_and", "bit_or", "bit_xor" };
    const char *name = call->aggregate->name;
    for (uint32_t i = 0; i < WR_COUNT(always); i++)
        if (strcmp(name, always[i]) == 0)
            return true;
    if (call->arg_count != 1 || (strcmp(name, "sum") != 0 && strcmp(name, "avg") != 0))
        return false;
    wr_type type = call->args[0]->type;
    return type.id == WR_INT2 || type.id == WR_INT4 || type.id == WR_INT8 ||
           (type.id == WR_NUMERIC && type.modifier >= 0);
}

/* A2 */
static bool
is_sure(const wr_agg_call *call)
{
    bool sure = result_is_sure(call) && (call->filter == NULL || !wr_expr_can_fail(call->filter));
    for (uint32_t a = 0; a < call->arg_count; a++)
        sure = sure && !wr_expr_can_fail(call->args[a]);
    return sure;
}

/* A3 */
static uint32_t
slides_how(const wr_plan *plan)
{
    bool merges = true, leaves = true;
    for (uint32_t i = 0; i < plan->aggregate.call_count; i++) {
        const wr_agg_call *call = &plan->aggregate.calls[i];
        bool plain = !call->distinct && call->order_count == 0;
        merges = merges && plain && call->aggregate->merge != NULL;
        leaves = leaves && plain && call->aggregate->unmerge != NULL && !call->aggregate->nested;
    }
    return !merges ? 2 : !leaves ? 1 : 0;
}

static bool
calls_equal(const wr_agg_call *a, const wr_agg_call *b)
{
    bool equal = a->aggregate == b->aggregate && a->arg_count == b->arg_count &&
                 a->distinct == b->distinct && a->order_count == b->order_count &&
                 wr_type_same(a->result, b->result) && (a->filter == NULL) == (b->filter == NULL) &&
                 (a->filter == NULL || wr_expr_equal(a->filter, b->filter));
    for (uint32_t i = 0; i < a->arg_count && equal; i++)
        equal = wr_expr_equal(a->args[i], b->args[i]);
    for (uint32_t i = 0; i < a->order_count && equal; i++)
        equal = a->order[i].descending == b->order[i].descending &&
                a->order[i].nulls_first == b->order[i].nulls_first;
    return equal;
}

/* The call over columns that have moved. */
static weir_status
move_call(calls_state *s, const wr_agg_call *from, const uint32_t *map, wr_agg_call *to)
{
    *to = *from;
    for (uint32_t a = 0; a < from->arg_count; a++)
        if ((to->args[a] = wr_expr_remap(s->scratch, from->args[a], map)) == NULL)
            return WEIR_MEMORY;
    if (from->filter != NULL && (to->filter = wr_expr_remap(s->scratch, from->filter, map)) == NULL)
        return WEIR_MEMORY;
    return WEIR_OK;
}

/* --- the hash of a member --- */

static int
compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void
put_sorted(wr_text *to, uint64_t *ids, uint32_t count)
{
    qsort(ids, count, sizeof *ids, compare_ids);
    wr_text_append(to, &count, sizeof count);
    wr_text_append(to, ids, count * sizeof *ids);
}

/* A2: which calls all must have. */
static weir_status
unsure_call_id(calls_state *s, const wr_agg_call *call, const uint32_t *columns, uint64_t *id)
{
    wr_agg_call moved;
    wr_text text;
    WR_TRY(move_call(s, call, columns, &moved));
    wr_text_init(&text, NULL);
    wr_text_printf(&text, "%s %d %u ", moved.aggregate->name, moved.distinct, moved.order_count);
    for (uint32_t a = 0; a < moved.arg_count; a++)
        wr_expr_hash_text(moved.args[a], &text);
    if (moved.filter != NULL)
        wr_expr_hash_text(moved.filter, &text);
    bool ok = wr_text_ok(&text);
    if (ok)
        *id = wr_hash_stable(wr_text_string(&text), text.length);
    wr_text_fini(&text);
    return ok ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
put_member(calls_state *s, const member *m, wr_text *to)
{
    const wr_plan *plan = *m->slot;
    uint32_t k = plan->aggregate.key_count, n = plan->aggregate.call_count, unsure = 0;
    uint32_t *columns = scratch_zeroed(s, plan->inputs[0]->schema->field_count, sizeof *columns);
    uint64_t *ids = scratch_zeroed(s, k + n, sizeof *ids), rows;
    wr_plan_time time;
    if (columns == NULL || ids == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_plan_rows_hash(s->scratch, plan->inputs[0], columns, &rows));
    WR_TRY(wr_plan_aggregate_time(s->scratch, m->options, plan, &time));
    bool hops = time.fused && (time.window->window.spec.kind == WR_WINDOW_HOP ||
                               time.window->window.spec.kind == WR_WINDOW_CUMULATE);
    wr_share_put_options(m->options, to);
    wr_text_append(to, &rows, sizeof rows);
    wr_text_printf(to, "%d %d %d %d %u ", (int)plan->schema->kind, (int)plan->aggregate.emit,
                   plan->aggregate.global, time.fused, hops ? slides_how(plan) : 0);
    for (uint32_t i = 0; i < k; i++)
        ids[i] = columns[plan->aggregate.keys[i]];
    put_sorted(to, ids, k);
    for (uint32_t i = 0; i < n; i++)
        if (!is_sure(&plan->aggregate.calls[i]))
            WR_TRY(unsure_call_id(s, &plan->aggregate.calls[i], columns, &ids[unsure++]));
    put_sorted(to, ids, unsure);
    return WEIR_OK;
}

static weir_status
hash_member(calls_state *s, member *m)
{
    wr_text text;
    wr_text_init(&text, NULL);
    weir_status status = put_member(s, m, &text);
    if (status == WEIR_OK && !wr_text_ok(&text))
        status = WEIR_MEMORY;
    if (status == WEIR_OK)
        m->hash = wr_hash_stable(wr_text_string(&text), text.length);
    wr_text_clear(&text);
    wr_plan_shape_text(*m->slot, &text);
    if (status == WEIR_OK && !wr_text_ok(&text))
        status = WEIR_MEMORY;
    if (status == WEIR_OK)
        m->shape = wr_hash_stable(wr_text_string(&text), text.length);
    wr_text_fini(&text);
    wr_arena_reset(s->scratch);
    return status;
}

/* --- joining --- */

/* Where the keys of `other` stand among u's; false: they are others. */
static bool
find_keys(const wr_plan *u, const wr_plan *other, const uint32_t *map, uint32_t *columns)
{
    uint32_t k = u->aggregate.key_count;
    for (uint32_t i = 0; i < k; i++) {
        uint32_t at = 0;
        while (at < k && u->aggregate.keys[at] != map[other->aggregate.keys[i]])
            at++;
        if (at == k)
            return false;
        columns[i] = at;
    }
    return true;
}

/* u's calls and those of `other` that it has not; columns: where they stand. */
static weir_status
join_calls(calls_state *s, wr_plan *u, const wr_plan *other, const uint32_t *map, uint32_t *columns,
           bool *fits)
{
    uint32_t k = u->aggregate.key_count, n = u->aggregate.call_count, at = n;
    uint32_t m = other->aggregate.call_count;
    wr_agg_call *calls = scratch_zeroed(s, n + m, sizeof *calls);
    bool *common = scratch_zeroed(s, n, sizeof *common);
    wr_schema *schema = wr_schema_create(s->scratch, k + n + m);
    if (calls == NULL || common == NULL || schema == NULL)
        return WEIR_MEMORY;
    memcpy(calls, u->aggregate.calls, n * sizeof *calls);
    memcpy(schema->fields, u->schema->fields, (k + n) * sizeof(wr_field));
    for (uint32_t i = 0; i < m; i++) {
        uint32_t c = 0;
        WR_TRY(move_call(s, &other->aggregate.calls[i], map, &calls[at]));
        while (c < at && !calls_equal(&calls[c], &calls[at]))
            c++;
        columns[k + i] = k + c;
        if (c < n)
            common[c] = true;
        if (c < at)
            continue;
        *fits = *fits && is_sure(&calls[at]);
        schema->fields[k + at] = (wr_field){ .name = calls[at].aggregate->name,
                                             .type = calls[at].result,
                                             .watermark_offset = WR_NO_WATERMARK };
        at++;
    }
    for (uint32_t i = 0; i < n; i++)
        *fits = *fits && (common[i] || is_sure(&calls[i]));
    *fits = *fits && at <= CALLS_MAX;
    schema->field_count = k + at;
    u->schema = schema;
    u->aggregate.calls = calls;
    u->aggregate.call_count = at;
    return WEIR_OK;
}

/* *u (in scratch) with what `other` reads and calls, as another plan; *fits false: *u is as it was. */
static weir_status
join_member(calls_state *s, wr_plan **u, const wr_plan *other, uint32_t **columns, bool *fits)
{
    bool moved = false;
    wr_plan *grown = wr_plan_copy(s->scratch, *u);
    uint32_t n = (*u)->inputs[0]->schema->field_count, k = (*u)->aggregate.key_count;
    uint32_t *mine = scratch_zeroed(s, n, sizeof *mine);
    uint32_t *map = scratch_zeroed(s, other->inputs[0]->schema->field_count, sizeof *map);
    *columns = wr_arena_calloc(s->lists, other->schema->field_count + 1, sizeof **columns);
    *fits = other->aggregate.key_count == k;
    if (grown == NULL || mine == NULL || map == NULL || *columns == NULL)
        return WEIR_MEMORY;
    if (*fits)
        WR_TRY(wr_plan_unify(s->scratch, &grown->inputs[0], other->inputs[0], mine, map, fits));
    if (!*fits)
        return WEIR_OK;
    for (uint32_t i = 0; i < k; i++)
        grown->aggregate.keys[i] = mine[grown->aggregate.keys[i]];
    for (uint32_t c = 0; c < n; c++)
        moved = moved || mine[c] != c;
    for (uint32_t i = 0; moved && i < grown->aggregate.call_count; i++)
        WR_TRY(move_call(s, &(*u)->aggregate.calls[i], mine, &grown->aggregate.calls[i]));
    *fits = find_keys(grown, other, map, *columns);
    if (*fits)
        WR_TRY(join_calls(s, grown, other, map, *columns, fits));
    if (*fits)
        *u = grown;
    return WEIR_OK;
}

/* --- rewriting --- */

/* A1: does u, derived anew, promise what the member promised? */
static bool
keeps_promises(const wr_plan *u, const wr_plan *old, const uint32_t *columns)
{
    if (u->schema->kind != old->schema->kind && old->schema->kind == WR_INSERT_ONLY)
        return false;
    for (uint32_t i = 0; i < old->schema->field_count; i++)
        if (u->schema->fields[columns[i]].watermark_offset !=
            old->schema->fields[i].watermark_offset)
            return false;
    return true;
}

/* What follows for u, as a part: it is nobody's top, but for emit, which all its members have in common. */
static weir_status
derive(calls_state *s, const member *m, wr_plan *u)
{
    const wr_plan *old = *m->slot;
    wr_plan_options options = *m->options;
    wr_rule_context rules = { .arena = s->scratch, .options = m->options };
    options.emit_given = false;
    WR_TRY(wr_rule_merge_projects(&rules, &u->inputs[0]));
    WR_TRY(wr_plan_derive(s->scratch, &options, u));
    u->aggregate.emit = old->aggregate.emit;
    if (u->schema->kind == WR_INSERT_ONLY)
        u->schema->kind = old->schema->kind;
    return WEIR_OK;
}

static weir_status
rewrite(calls_state *s, member *m, wr_plan *u)
{
    wr_plan *old = *m->slot;
    uint32_t n = old->schema->field_count;
    bool same = n == u->schema->field_count;
    if (old->kind !=
        WR_PLAN_AGGREGATE) /* a node with several parents is in several members' places */
        return WEIR_OK;
    for (uint32_t i = 0; i < n && same; i++) /* names belong to the place */
        same = m->columns[i] == i &&
               strcmp(old->schema->fields[i].name, u->schema->fields[i].name) == 0;
    if (same) {
        *m->slot = u;
        return WEIR_OK;
    }
    wr_plan *pick = wr_plan_make_pick(s->arena, u, m->columns, n);
    if (pick == NULL || (pick->schema = wr_schema_copy(s->arena, old->schema)) == NULL)
        return WEIR_MEMORY;
    pick->location = old->location;
    pick->project.quiet = old->schema->kind != WR_INSERT_ONLY &&
                          old->aggregate.call_count < u->aggregate.call_count; /* A4 */
    *m->slot = pick;
    return WEIR_OK;
}

/* members[0..count) stand for u together, when they differ at all. */
static weir_status
settle(calls_state *s, member **members, uint32_t count, wr_plan *u)
{
    bool differ = false, promised = true;
    for (uint32_t i = 0; i < count; i++) {
        const wr_plan *old = *members[i]->slot;
        differ = differ || old->aggregate.call_count < u->aggregate.call_count;
        for (uint32_t c = 0; c < old->schema->field_count; c++)
            differ = differ || members[i]->columns[c] != c;
    }
    if (count < 2 || !differ)
        return WEIR_OK;
    WR_TRY(derive(s, members[0], u));
    for (uint32_t i = 0; i < count; i++)
        promised = promised && keeps_promises(u, *members[i]->slot, members[i]->columns);
    if (!promised)
        return WEIR_OK;
    wr_plan *kept = wr_plan_detach(s->arena, NULL, u);
    if (kept == NULL || !wr_arena_ok(s->scratch) || !wr_arena_ok(s->arena)) /* half of it is none */
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(rewrite(s, members[i], kept));
    return WEIR_OK;
}

/* Two plans of one shape's hash. */
static weir_status
shapes_equal(const wr_plan *a, const wr_plan *b, bool *equal)
{
    wr_text x, y;
    wr_text_init(&x, NULL);
    wr_text_init(&y, NULL);
    wr_plan_shape_text(a, &x);
    wr_plan_shape_text(b, &y);
    return wr_share_texts_equal(&x, &y, equal);
}

/* The first of members[0..count), and those after it that fit; *joined: how many they are. */
static weir_status
join_run(calls_state *s, member **members, uint32_t count, uint32_t *joined)
{
    wr_plan *first = *members[0]->slot, *u = wr_plan_copy(s->scratch, first);
    uint32_t n = first->schema->field_count;
    members[0]->columns = wr_arena_calloc(s->lists, n + 1, sizeof(uint32_t));
    *joined = 1;
    if (u == NULL || members[0]->columns == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        members[0]->columns[i] = i;
    for (; *joined < count; ++*joined) {
        member *m = members[*joined], *last = members[*joined - 1];
        bool fits = m->shape == last->shape;
        if (fits)
            WR_TRY(shapes_equal(*m->slot, *last->slot, &fits));
        if (fits)
            m->columns = last->columns;
        else
            WR_TRY(join_member(s, &u, *m->slot, &m->columns, &fits));
        if (!fits)
            break;
    }
    return settle(s, members, *joined, u);
}

/* Members of one hash. */
static weir_status
join_group(calls_state *s, member **members, uint32_t count)
{
    uint32_t joined;
    for (uint32_t first = 0; first + 1 < count; first += joined) {
        WR_TRY(join_run(s, members + first, count - first, &joined));
        wr_arena_reset(s->scratch);
    }
    return WEIR_OK;
}

static int
compare_members(const void *a, const void *b)
{
    const member *x = *(const member *const *)a, *y = *(const member *const *)b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->shape != y->shape)
        return x->shape < y->shape ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static weir_status
join_height(calls_state *s, uint32_t height)
{
    member **order = wr_arena_calloc(s->lists, s->count + 1, sizeof(member *));
    uint32_t n = 0;
    if (order == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->members[i].height == height) {
            WR_TRY(hash_member(s, &s->members[i]));
            order[n++] = &s->members[i];
        }
    qsort(order, n, sizeof(member *), compare_members);
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && order[end]->hash == order[i]->hash;)
            end++;
        WR_TRY(join_group(s, order + i, end - i));
    }
    return WEIR_OK;
}

weir_status
wr_share_calls(wr_arena *arena, const wr_plan_user *users, uint32_t user_count)
{
    wr_arena lists, scratch;
    wr_arena_init(&lists, arena->budget);
    wr_arena_init(&scratch, arena->budget);
    calls_state s = { .arena = arena, .lists = &lists, .scratch = &scratch };
    uint32_t total = 0, height;
    bool fixed;
    for (uint32_t u = 0; u < user_count; u++)
        total += users[u].alone ? 0 : count_aggregates(*users[u].plan);
    s.members = wr_arena_calloc(&lists, total + 1, sizeof *s.members);
    weir_status status = s.members != NULL ? WEIR_OK : WEIR_MEMORY;
    for (uint32_t u = 0; u < user_count && status == WEIR_OK; u++)
        if (!users[u].alone)
            list(&s, users[u].plan, users[u].options, &height, &fixed);
    for (uint32_t h = 1; h <= s.height_max && status == WEIR_OK; h++)
        status = join_height(&s, h);
    wr_arena_fini(&scratch);
    wr_arena_fini(&lists);
    return status;
}
