/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_constants.c -- what is asked of a join's key on one side holds on the other.
 *
 *     a JOIN b ON a.k = b.k WHERE a.k = 5     b is asked for k = 5 too, before the join stores its rows
 *
 * A condition is found wherever it stands below a side, as long as the column comes up unchanged.
 *
 * Invariants  T1  only comparisons of the key with constants, which cannot fail and are not true of NULL
 *             T2  it goes to a side whose rows without a partner do not come out
 *             T3  the two columns have exactly one type: the comparison's function fits both
 *             T4  each condition crosses a join once: join.crossed remembers, by what it says of which key
 */
#include "plan/rules_impl.h"

#include "base/hash.h"

#include <string.h>

enum { CONJUNCTS_MAX = 64, FOUND_MAX = 16 };

typedef struct found_list {
    wr_expr *list[FOUND_MAX];
    uint32_t column[FOUND_MAX]; /* that the condition reads, where it stands */
    uint32_t count;
} found_list;

/* Does e compare the column with constants alone? (T1) */
static bool
is_comparison(const wr_expr *e, uint32_t column)
{
    static const char *const names[] = { "=", "<>", "<", "<=", ">", ">=" };
    bool known = e->kind == WR_EXPR_IN, column_seen = false;
    for (uint32_t i = 0; e->kind == WR_EXPR_CALL && e->arg_count == 2 && i < WR_COUNT(names); i++)
        known = known || strcmp(e->function->name, names[i]) == 0;
    if (!known)
        return false;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        bool is_column = e->args[i]->kind == WR_EXPR_COLUMN && e->args[i]->column == column;
        if (!is_column && e->args[i]->kind != WR_EXPR_CONSTANT)
            return false;
        if (is_column && column_seen)
            return false;
        column_seen = column_seen || is_column;
    }
    return column_seen;
}

static void
find_in(wr_expr *predicate, uint32_t column, found_list *found)
{
    wr_expr *parts[CONJUNCTS_MAX];
    if (predicate == NULL)
        return;
    uint32_t n = wr_expr_conjuncts(predicate, parts, CONJUNCTS_MAX);
    for (uint32_t i = 0; n <= CONJUNCTS_MAX && i < n && found->count < FOUND_MAX; i++)
        if (is_comparison(parts[i], column)) {
            found->column[found->count] = column;
            found->list[found->count++] = parts[i];
        }
}

/* The conditions on a column of plan that stand in it or below. */
static void
find_conditions(const wr_plan *plan, uint32_t column, found_list *found)
{
    uint32_t n = plan->input_count > 0 ? plan->inputs[0]->schema->field_count : 0;
    const wr_plan *below = plan->input_count > 0 ? plan->inputs[0] : NULL;
    switch (plan->kind) {
    case WR_PLAN_SCAN: find_in(plan->scan.predicate, plan->scan.columns[column], found); return;
    case WR_PLAN_FILTER: find_in(plan->filter.predicate, column, found); break;
    case WR_PLAN_PROJECT:
        if (plan->project.exprs[column]->kind != WR_EXPR_COLUMN)
            return;
        column = plan->project.exprs[column]->column;
        break;
    case WR_PLAN_WINDOW:
    case WR_PLAN_OVER:
    case WR_PLAN_UNNEST:
        if (column >= n)
            return;
        break;
    case WR_PLAN_AGGREGATE:
        if (column >= plan->aggregate.key_count)
            return;
        column = plan->aggregate.keys[column];
        break;
    case WR_PLAN_JOIN:
        if (column < n ? plan->join.kind == WR_JOIN_RIGHT || plan->join.kind == WR_JOIN_FULL
                       : plan->join.kind == WR_JOIN_LEFT || plan->join.kind == WR_JOIN_FULL)
            return;
        below = plan->inputs[column < n ? 0 : 1];
        column = column < n ? column : column - n;
        break;
    case WR_PLAN_SORT:
    case WR_PLAN_DEDUP: break;
    case WR_PLAN_VALUES:
    case WR_PLAN_UNION:
    case WR_PLAN_SETOP:
    case WR_PLAN_TOP_N: return;
    }
    find_conditions(below, column, found);
}

typedef struct column_swap {
    wr_arena *arena;
    uint32_t to;
} column_swap;

static wr_expr *
swap_column(wr_expr *e, void *user)
{
    column_swap *s = user;
    return e->kind == WR_EXPR_COLUMN ? wr_expr_column(s->arena, s->to, e->type) : NULL;
}

static wr_expr *
about_column(wr_rule_context *c, wr_expr *e, uint32_t column)
{
    column_swap s = { c->arena, column };
    return wr_expr_rewrite(c->arena, e, swap_column, &s);
}

/* Over key `key` it says what e says of its column.  0: no memory. */
static uint64_t
fingerprint(wr_rule_context *c, wr_expr *e, uint32_t key)
{
    wr_expr *said = about_column(c, e, key);
    wr_text text;
    wr_text_init(&text, NULL);
    if (said != NULL)
        wr_expr_hash_text(said, &text);
    uint64_t hash = said != NULL && wr_text_ok(&text)
                        ? wr_hash_stable(wr_text_string(&text), text.length) | 1
                        : 0;
    wr_text_fini(&text);
    return hash;
}

/* T2: may the partner's side lose rows that match nothing here? */
static bool
may_cross(const wr_plan *join, bool to_right)
{
    wr_join_kind kind = join->join.kind;
    if (to_right)
        return kind != WR_JOIN_RIGHT && kind != WR_JOIN_FULL;
    return join->join.mode == WR_JOIN_REGULAR &&
           (kind == WR_JOIN_INNER || kind == WR_JOIN_RIGHT || kind == WR_JOIN_SEMI);
}

static bool
has_crossed(const wr_plan *join, uint64_t hash)
{
    for (uint32_t i = 0; i < join->join.crossed_count; i++)
        if (join->join.crossed[i] == hash)
            return true;
    return false;
}

static weir_status
cross(wr_rule_context *c, wr_plan *join, uint32_t key, bool to_right)
{
    found_list here = { .count = 0 }, there = { .count = 0 };
    uint32_t from = to_right ? join->join.left_keys[key] : join->join.right_keys[key];
    uint32_t to = to_right ? join->join.right_keys[key] : join->join.left_keys[key];
    wr_plan **side = &join->inputs[to_right ? 1 : 0];
    find_conditions(join->inputs[to_right ? 0 : 1], from, &here);
    if (here.count == 0)
        return WEIR_OK;
    find_conditions(*side, to, &there);
    for (uint32_t i = 0; i < here.count; i++) {
        uint64_t hash = fingerprint(c, here.list[i], key);
        bool known = hash == 0 || has_crossed(join, hash);
        for (uint32_t k = 0; k < there.count && !known; k++)
            known = fingerprint(c, there.list[k], key) == hash;
        if (known || join->join.crossed_count == WR_PLAN_CROSSED_MAX)
            continue;
        wr_expr *e = about_column(c, here.list[i], to);
        wr_plan *filter = e != NULL ? wr_plan_make_filter(c->arena, *side, e, join->location) : NULL;
        if (filter == NULL)
            return WEIR_MEMORY;
        *side = filter;
        join->join.crossed[join->join.crossed_count++] = hash; /* T4 */
        c->changed = true;
    }
    return WEIR_OK;
}

weir_status
wr_rule_join_constants(wr_rule_context *c, wr_plan **plan)
{
    wr_plan *join = *plan;
    for (uint32_t i = 0; i < join->input_count; i++)
        WR_TRY(wr_rule_join_constants(c, &join->inputs[i]));
    for (uint32_t k = 0; join->kind == WR_PLAN_JOIN && k < join->join.key_count; k++) {
        wr_type left = join->inputs[0]->schema->fields[join->join.left_keys[k]].type;
        wr_type right = join->inputs[1]->schema->fields[join->join.right_keys[k]].type;
        if (!wr_type_equal(left, right)) /* T3 */
            continue;
        if (may_cross(join, true))
            WR_TRY(cross(c, join, k, true));
        if (may_cross(join, false))
            WR_TRY(cross(c, join, k, false));
    }
    return WEIR_OK;
}
