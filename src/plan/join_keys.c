/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_keys.c -- equalities of a join's condition become its keys: left.a = right.b.
 *
 * Invariants  K1  the two columns of a key have one type: the binder has cast both sides of =
 *             K2  a key is a column: a project below computes what is not, after the side's own
 * columns
 */
#include "plan/rules_impl.h"

#include <string.h>

enum { CONJUNCTS_MAX = 512 };

typedef struct key_pair {
    wr_expr *left, *right; /* each over its own side's columns */
} key_pair;

static wr_expr *
move_column(wr_expr *e, void *user)
{
    const void *const *args = user;
    wr_arena *arena = (wr_arena *)args[0];
    uint32_t by = *(const uint32_t *)args[1];
    if (e->kind != WR_EXPR_COLUMN)
        return NULL;
    return wr_expr_column(arena, e->column - by, e->type);
}

/* Is the type's equality the one of wr_key_encode? */
static bool
can_be_key(wr_type a, wr_type b)
{
    return wr_type_same(a, b) && a.id != WR_JSON && a.id != WR_UNKNOWN;
}

static weir_status
split(wr_rule_context *c, const wr_plan *join, const wr_expr *e, key_pair *pair, bool *is_key)
{
    uint32_t n = join->inputs[0]->schema->field_count;
    *is_key = false;
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2 || strcmp(e->function->name, "=") != 0 ||
        !can_be_key(e->args[0]->type, e->args[1]->type) || wr_expr_is_volatile(e))
        return WEIR_OK;
    for (uint32_t side = 0; side < 2; side++) {
        wr_expr *l = e->args[side], *r = e->args[1 - side];
        bool fits = wr_expr_reads(l, 0, n) && !wr_expr_reads(l, n, UINT32_MAX - n) &&
                    wr_expr_reads(r, n, UINT32_MAX - n) && !wr_expr_reads(r, 0, n);
        if (!fits)
            continue;
        const void *args[2] = { c->arena, &n };
        pair->left = l;
        pair->right = wr_expr_rewrite(c->arena, r, move_column, args);
        *is_key = true;
        return pair->right != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    return WEIR_OK;
}

/* K2: exprs as columns of *side. */
static weir_status
make_columns(wr_rule_context *c, wr_plan **side, wr_expr **exprs, uint32_t count, uint32_t *columns)
{
    uint32_t base = (*side)->schema->field_count, n = base;
    wr_expr **all = wr_arena_alloc(c->arena, (base + count + 1) * sizeof *all);
    const char **names = wr_arena_alloc(c->arena, (base + count + 1) * sizeof *names);
    if (all == NULL || names == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < base; i++) {
        names[i] = (*side)->schema->fields[i].name;
        if ((all[i] = wr_expr_column(c->arena, i, (*side)->schema->fields[i].type)) == NULL)
            return WEIR_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i]->kind == WR_EXPR_COLUMN) {
            columns[i] = exprs[i]->column;
            continue;
        }
        all[n] = exprs[i];
        names[n] = "?column?";
        columns[i] = n++;
    }
    if (n > base)
        *side = wr_plan_make_project(c->arena, *side, all, names, n, -1);
    return *side != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* The join with grown sides gives its old columns again. */
static weir_status
restore_columns(wr_rule_context *c, wr_plan **plan, uint32_t n, uint32_t m)
{
    wr_plan *old = *plan;
    uint32_t grown = old->inputs[0]->schema->field_count - n;
    wr_join_kind kind = old->join.kind;
    bool left_only = kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI;
    wr_plan *join = wr_plan_make_join(c->arena, kind, old->inputs[0], old->inputs[1],
                                      old->join.residual, old->location);
    uint32_t *columns = wr_arena_alloc(c->arena, (n + m + 1) * sizeof *columns);
    if (join == NULL || columns == NULL)
        return WEIR_MEMORY;
    join->join = old->join;
    uint32_t count = left_only ? n : n + m;
    for (uint32_t i = 0; i < count; i++)
        columns[i] = i < n ? i : i + grown;
    wr_plan *pick = wr_plan_make_pick(c->arena, join, columns, count);
    if (pick == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        pick->schema->fields[i].name = old->schema->fields[i].name;
    *plan = pick;
    return WEIR_OK;
}

typedef struct grow_state {
    wr_arena *arena;
    uint32_t first, by;
} grow_state;

static wr_expr *
grow_column(wr_expr *e, void *user)
{
    grow_state *g = user;
    if (e->kind != WR_EXPR_COLUMN || e->column < g->first)
        return NULL;
    return wr_expr_column(g->arena, e->column + g->by, e->type);
}

static weir_status
add_keys(wr_rule_context *c, wr_plan **plan, const key_pair *pairs, uint32_t count)
{
    wr_plan *join = *plan;
    uint32_t n = join->inputs[0]->schema->field_count, m = join->inputs[1]->schema->field_count;
    uint32_t old = join->join.key_count;
    uint32_t *keys = wr_arena_alloc(c->arena, 2 * (old + count + 1) * sizeof *keys);
    wr_expr **exprs = wr_arena_alloc(c->arena, (count + 1) * sizeof *exprs);
    if (keys == NULL || exprs == NULL)
        return WEIR_MEMORY;
    uint32_t *right = keys + old + count;
    for (uint32_t i = 0; i < old; i++) {
        keys[i] = join->join.left_keys[i];
        right[i] = join->join.right_keys[i];
    }
    for (uint32_t i = 0; i < count; i++)
        exprs[i] = pairs[i].left;
    WR_TRY(make_columns(c, &join->inputs[0], exprs, count, keys + old));
    for (uint32_t i = 0; i < count; i++)
        exprs[i] = pairs[i].right;
    WR_TRY(make_columns(c, &join->inputs[1], exprs, count, right + old));
    join->join.left_keys = keys;
    join->join.right_keys = right;
    join->join.key_count = old + count;
    uint32_t grown_left = join->inputs[0]->schema->field_count - n;
    if (grown_left > 0 && join->join.residual != NULL) {
        grow_state g = { c->arena, n, grown_left };
        join->join.residual = wr_expr_rewrite(c->arena, join->join.residual, grow_column, &g);
        if (join->join.residual == NULL)
            return WEIR_MEMORY;
    }
    bool grown = grown_left > 0 || join->inputs[1]->schema->field_count > m;
    return grown ? restore_columns(c, plan, n, m) : WEIR_OK;
}

static weir_status
find_keys(wr_rule_context *c, wr_plan **plan)
{
    wr_plan *join = *plan;
    if (join->kind != WR_PLAN_JOIN || join->join.residual == NULL || join->join.null_equal)
        return WEIR_OK;
    wr_expr *parts[CONJUNCTS_MAX], *kept = NULL;
    uint32_t n = wr_expr_conjuncts(join->join.residual, parts, CONJUNCTS_MAX), found = 0;
    key_pair *pairs = wr_arena_alloc(c->arena, (n + 1) * sizeof *pairs);
    if (pairs == NULL || n > CONJUNCTS_MAX)
        return pairs == NULL ? WEIR_MEMORY : WEIR_OK;
    for (uint32_t i = 0; i < n; i++) {
        bool is_key;
        WR_TRY(split(c, join, parts[i], &pairs[found], &is_key));
        found += is_key;
        if (!is_key && (kept = wr_expr_and(c->arena, kept, parts[i])) == NULL)
            return WEIR_MEMORY;
    }
    if (found == 0)
        return WEIR_OK;
    join->join.residual = kept;
    c->changed = true;
    return add_keys(c, plan, pairs, found);
}

weir_status
wr_rule_join_keys(wr_rule_context *c, wr_plan **plan)
{
    for (uint32_t i = 0; i < (*plan)->input_count; i++)
        WR_TRY(wr_rule_join_keys(c, &(*plan)->inputs[i]));
    return find_keys(c, plan);
}
