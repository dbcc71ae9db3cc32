/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/unify.c -- plans with the same rows become one with the columns of both (see unify.h).
 *
 *     project(k, a + b)        project(k, c)                project(k, a + b, c)
 *       filter v > 0             filter v > 0       =         filter v > 0
 *         scan t: k, a, b, v       scan t: k, v, c              scan t: k, a, b, v, c
 *
 * Both trees are walked side by side; projects may stand in one of them alone.
 *
 * Invariants  F1  a row of the result is a row of each, and the other way round: what decides which rows there are
 *                 (predicates, windows, join conditions, expressions that can fail) is equal in both
 *             F2  columns of the result are those of *a, in their order, where no WINDOW or JOIN lies between, then
 *                 what b has besides
 * Cost        the nodes of both, times the columns where projects are compared
 */
#include "plan/unify.h"

#include "base/hash.h"
#include "plan/rules_impl.h"

#include <string.h>

typedef struct unify_state {
    wr_arena *arena;
    bool fits;
} unify_state;

static weir_status
unify(unify_state *s, wr_plan **a, const wr_plan *b, uint32_t *map_a, uint32_t *map_b);

static uint32_t *
numbers(unify_state *s, uint32_t count)
{
    return wr_arena_calloc(s->arena, count + 1, sizeof(uint32_t));
}

/* Both NULL, or equal where each reads its own columns through its map. */
static weir_status
same_expr(unify_state *s, wr_expr **a, const wr_expr *b, const uint32_t *map_a,
          const uint32_t *map_b)
{
    if (*a == NULL || b == NULL) {
        s->fits = s->fits && *a == NULL && b == NULL;
        return WEIR_OK;
    }
    wr_expr *mine = wr_expr_remap(s->arena, *a, map_a), *other = wr_expr_remap(s->arena, b, map_b);
    if (mine == NULL || other == NULL)
        return WEIR_MEMORY;
    s->fits = s->fits && wr_expr_equal(mine, other);
    *a = mine;
    return WEIR_OK;
}

/* The columns a[0..count) and b[0..count) are the same ones; *out: where they stand. */
static weir_status
same_columns(unify_state *s, const uint32_t *a, const uint32_t *b, uint32_t count,
             const uint32_t *map_a, const uint32_t *map_b, uint32_t **out)
{
    uint32_t *columns = numbers(s, count);
    if (columns == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        columns[i] = map_a[a[i]];
        s->fits = s->fits && columns[i] == map_b[b[i]];
    }
    *out = columns;
    return WEIR_OK;
}

/* The plan's fields anew: left's, then right's (NULL: none), then the last `own` it had. */
static weir_status
make_fields(unify_state *s, wr_plan *plan, const wr_plan *left, const wr_plan *right, uint32_t own)
{
    uint32_t n = left->schema->field_count, m = right != NULL ? right->schema->field_count : 0;
    const wr_schema *old = plan->schema;
    wr_schema *schema = wr_schema_create(s->arena, n + m + own);
    if (schema == NULL)
        return WEIR_MEMORY;
    memcpy(schema->fields, left->schema->fields, n * sizeof(wr_field));
    for (uint32_t i = 0; i < m; i++)
        schema->fields[n + i] = right->schema->fields[i];
    for (uint32_t i = 0; i < own; i++)
        schema->fields[n + m + i] = old->fields[old->field_count - own + i];
    plan->schema = schema;
    return WEIR_OK;
}

static weir_status
unify_scans(unify_state *s, wr_plan *a, const wr_plan *b, uint32_t *map_a, uint32_t *map_b)
{
    uint32_t n = a->scan.column_count, m = b->scan.column_count, at = n;
    bool bare = a->scan.predicate == NULL || b->scan.predicate == NULL;
    s->fits = s->fits && a->scan.relation == b->scan.relation &&
              (bare ? a->scan.predicate == b->scan.predicate
                    : wr_expr_equal(a->scan.predicate, b->scan.predicate));
    if (!s->fits)
        return WEIR_OK;
    uint32_t *columns = numbers(s, n + m);
    wr_schema *schema = wr_schema_create(s->arena, n + m);
    if (columns == NULL || schema == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        map_a[i] = i;
        columns[i] = a->scan.columns[i];
        schema->fields[i] = a->schema->fields[i];
    }
    for (uint32_t i = 0; i < m; i++) {
        uint32_t k = 0;
        while (k < at && columns[k] != b->scan.columns[i])
            k++;
        if (k == at) {
            columns[at] = b->scan.columns[i];
            schema->fields[at++] = b->schema->fields[i];
        }
        map_b[i] = k;
    }
    schema->field_count = at;
    a->scan.columns = columns;
    a->scan.column_count = at;
    a->schema = schema;
    return WEIR_OK;
}

static weir_status
unify_filters(unify_state *s, wr_plan *a, const wr_plan *b, uint32_t *map_a, uint32_t *map_b)
{
    WR_TRY(unify(s, &a->inputs[0], b->inputs[0], map_a, map_b));
    if (!s->fits)
        return WEIR_OK;
    WR_TRY(same_expr(s, &a->filter.predicate, b->filter.predicate, map_a, map_b));
    return make_fields(s, a, a->inputs[0], NULL, 0);
}

static weir_status
unify_windows(unify_state *s, wr_plan *a, const wr_plan *b, uint32_t *map_a, uint32_t *map_b)
{
    const wr_window_spec *x = &a->window.spec, *y = &b->window.spec;
    uint32_t n = a->inputs[0]->schema->field_count, m = b->inputs[0]->schema->field_count;
    s->fits = s->fits && x->kind == y->kind && x->size == y->size && x->slide == y->slide &&
              x->offset == y->offset && a->window.key_count == b->window.key_count;
    if (!s->fits)
        return WEIR_OK;
    WR_TRY(unify(s, &a->inputs[0], b->inputs[0], map_a, map_b));
    if (!s->fits)
        return WEIR_OK;
    s->fits = map_a[x->time_column] == map_b[y->time_column];
    a->window.spec.time_column = map_a[x->time_column];
    WR_TRY(same_columns(s, a->window.keys, b->window.keys, a->window.key_count, map_a, map_b,
                        &a->window.keys));
    uint32_t width = a->inputs[0]->schema->field_count;
    for (uint32_t i = 0; i < 2; i++) {
        map_a[n + i] = width + i;
        map_b[m + i] = width + i;
    }
    return make_fields(s, a, a->inputs[0], NULL, 2);
}

/* May an expression be computed for rows of a plan that did without it (F1)? */
static bool
may_be_added(const wr_expr *e)
{
    return !wr_expr_can_fail(e) && !wr_expr_is_volatile(e);
}

static weir_status
unify_projects(unify_state *s, wr_plan *a, const wr_plan *b, uint32_t *map_a, uint32_t *map_b)
{
    uint32_t n = a->schema->field_count, m = b->schema->field_count, at = n;
    uint32_t *in_a = numbers(s, a->inputs[0]->schema->field_count);
    uint32_t *in_b = numbers(s, b->inputs[0]->schema->field_count);
    wr_expr **exprs = wr_arena_calloc(s->arena, n + m + 1, sizeof *exprs);
    bool *common = wr_arena_calloc(s->arena, n + 1, sizeof *common);
    wr_schema *schema = wr_schema_create(s->arena, n + m);
    if (in_a == NULL || in_b == NULL || exprs == NULL || common == NULL || schema == NULL)
        return WEIR_MEMORY;
    WR_TRY(unify(s, &a->inputs[0], b->inputs[0], in_a, in_b));
    for (uint32_t i = 0; i < n && s->fits; i++) {
        map_a[i] = i;
        schema->fields[i] = a->schema->fields[i];
        if ((exprs[i] = wr_expr_remap(s->arena, a->project.exprs[i], in_a)) == NULL)
            return WEIR_MEMORY;
    }
    for (uint32_t i = 0; i < m && s->fits; i++) {
        uint32_t k = 0;
        wr_expr *e = wr_expr_remap(s->arena, b->project.exprs[i], in_b);
        if (e == NULL)
            return WEIR_MEMORY;
        while (k < at && !wr_expr_equal(exprs[k], e))
            k++;
        if (k < n)
            common[k] = true;
        if (k == at) {
            s->fits = s->fits && may_be_added(e);
            schema->fields[at] = b->schema->fields[i];
            exprs[at++] = e;
        }
        map_b[i] = k;
    }
    for (uint32_t i = 0; i < n && s->fits; i++)
        s->fits = common[i] || may_be_added(exprs[i]);
    schema->field_count = at;
    a->schema = schema;
    a->project.exprs = exprs;
    a->project.quiet = a->project.quiet && b->project.quiet;
    return WEIR_OK;
}

static weir_status
unify_joins(unify_state *s, wr_plan *a, const wr_plan *b, uint32_t *map_a, uint32_t *map_b)
{
    wr_join_kind kind = a->join.kind;
    bool left_only = kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI;
    uint32_t n = a->inputs[0]->schema->field_count, m = b->inputs[0]->schema->field_count;
    uint32_t right_n = a->inputs[1]->schema->field_count;
    uint32_t right_m = b->inputs[1]->schema->field_count;
    s->fits = s->fits && kind == b->join.kind && a->join.mode == b->join.mode &&
              a->join.single == b->join.single && a->join.null_equal == b->join.null_equal &&
              a->join.key_count == b->join.key_count;
    uint32_t *in_a = numbers(s, n + right_n), *in_b = numbers(s, m + right_m);
    if (in_a == NULL || in_b == NULL)
        return WEIR_MEMORY;
    if (!s->fits)
        return WEIR_OK;
    WR_TRY(unify(s, &a->inputs[0], b->inputs[0], in_a, in_b));
    if (s->fits)
        WR_TRY(unify(s, &a->inputs[1], b->inputs[1], in_a + n, in_b + m));
    if (!s->fits)
        return WEIR_OK;
    WR_TRY(same_columns(s, a->join.left_keys, b->join.left_keys, a->join.key_count, in_a, in_b,
                        &a->join.left_keys));
    WR_TRY(same_columns(s, a->join.right_keys, b->join.right_keys, a->join.key_count, in_a + n,
                        in_b + m, &a->join.right_keys));
    uint32_t width = a->inputs[0]->schema->field_count;
    for (uint32_t i = 0; i < right_n; i++)
        in_a[n + i] += width;
    for (uint32_t i = 0; i < right_m; i++)
        in_b[m + i] += width;
    WR_TRY(same_expr(s, &a->join.residual, b->join.residual, in_a, in_b));
    memcpy(map_a, in_a, (left_only ? n : n + right_n) * sizeof *map_a);
    memcpy(map_b, in_b, (left_only ? m : m + right_m) * sizeof *map_b);
    return make_fields(s, a, a->inputs[0], left_only ? NULL : a->inputs[1], 0);
}

/* What has no columns to spare: it must be the same. */
static weir_status
unify_equal(unify_state *s, const wr_plan *a, const wr_plan *b, uint32_t *map_a, uint32_t *map_b)
{
    wr_text x, y;
    wr_text_init(&x, NULL);
    wr_text_init(&y, NULL);
    wr_plan_shape_text(a, &x);
    wr_plan_shape_text(b, &y);
    bool known = wr_text_ok(&x) && wr_text_ok(&y);
    s->fits = s->fits && known && x.length == y.length &&
              memcmp(wr_text_string(&x), wr_text_string(&y), x.length) == 0;
    wr_text_fini(&x);
    wr_text_fini(&y);
    for (uint32_t i = 0; s->fits && i < a->schema->field_count; i++)
        map_a[i] = map_b[i] = i;
    return known ? WEIR_OK : WEIR_MEMORY;
}

/* A project that changes nothing, over the plan. */
static wr_plan *
as_project(unify_state *s, wr_plan *plan)
{
    uint32_t n = plan->schema->field_count, *columns = numbers(s, n);
    for (uint32_t i = 0; columns != NULL && i < n; i++)
        columns[i] = i;
    return columns != NULL ? wr_plan_make_pick(s->arena, plan, columns, n) : NULL;
}

static weir_status
unify(unify_state *s, wr_plan **slot, const wr_plan *b, uint32_t *map_a, uint32_t *map_b)
{
    wr_plan *a = *slot;
    bool project = a->kind == WR_PLAN_PROJECT || b->kind == WR_PLAN_PROJECT;
    if (project && a->kind != WR_PLAN_PROJECT && (*slot = a = as_project(s, a)) == NULL)
        return WEIR_MEMORY;
    if (project && b->kind != WR_PLAN_PROJECT && (b = as_project(s, (wr_plan *)b)) == NULL)
        return WEIR_MEMORY;
    s->fits = s->fits && a->kind == b->kind;
    if (!s->fits)
        return WEIR_OK;
    switch (a->kind) {
    case WR_PLAN_SCAN: return unify_scans(s, a, b, map_a, map_b);
    case WR_PLAN_FILTER: return unify_filters(s, a, b, map_a, map_b);
    case WR_PLAN_PROJECT: return unify_projects(s, a, b, map_a, map_b);
    case WR_PLAN_WINDOW: return unify_windows(s, a, b, map_a, map_b);
    case WR_PLAN_JOIN: return unify_joins(s, a, b, map_a, map_b);
    default: return unify_equal(s, a, b, map_a, map_b);
    }
}

weir_status
wr_plan_unify(wr_arena *arena, wr_plan **a, const wr_plan *b, uint32_t *map_a, uint32_t *map_b,
              bool *fits)
{
    unify_state s = { .arena = arena, .fits = true };
    WR_TRY(unify(&s, a, b, map_a, map_b));
    *fits = s.fits;
    return WEIR_OK;
}

/* --- the hash --- */

typedef struct rows_state {
    wr_arena *arena;
    wr_text text;  /* what decides which rows there are */
    uint32_t leaf; /* leaves so far */
} rows_state;

static void
put_number(rows_state *s, uint64_t v)
{
    wr_text_append(&s->text, &v, sizeof v);
}

/* An expression by what its columns are; ids: of the columns it reads. */
static weir_status
expr_id(rows_state *s, const wr_expr *e, const uint32_t *ids, uint32_t *id)
{
    *id = 0;
    if (e == NULL)
        return WEIR_OK;
    if (e->kind == WR_EXPR_COLUMN) {
        *id = ids[e->column];
        return WEIR_OK;
    }
    wr_expr *mapped = wr_expr_remap(s->arena, e, ids);
    wr_text text;
    if (mapped == NULL)
        return WEIR_MEMORY;
    wr_text_init(&text, NULL);
    wr_expr_hash_text(mapped, &text);
    bool ok = wr_text_ok(&text);
    if (ok)
        *id = (uint32_t)wr_hash_stable(wr_text_string(&text), text.length);
    wr_text_fini(&text);
    return ok ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
put_expr(rows_state *s, const wr_expr *e, const uint32_t *ids)
{
    uint32_t id;
    WR_TRY(expr_id(s, e, ids, &id));
    put_number(s, id);
    return WEIR_OK;
}

static void
leaf_ids(rows_state *s, const wr_plan *plan, uint32_t *ids)
{
    uint32_t leaf = s->leaf++;
    for (uint32_t i = 0; i < plan->schema->field_count; i++) {
        uint32_t column = plan->kind == WR_PLAN_SCAN ? plan->scan.columns[i] : i;
        ids[i] = (uint32_t)wr_hash_u64(leaf, column);
    }
}

static weir_status describe(rows_state *s, const wr_plan *plan, uint32_t *ids);

static weir_status
describe_project(rows_state *s, const wr_plan *plan, uint32_t *ids)
{
    uint32_t width = plan->inputs[0]->schema->field_count;
    uint32_t *below = wr_arena_calloc(s->arena, width + 1, sizeof *below);
    if (below == NULL)
        return WEIR_MEMORY;
    WR_TRY(describe(s, plan->inputs[0], below));
    for (uint32_t i = 0; i < plan->schema->field_count; i++)
        WR_TRY(expr_id(s, plan->project.exprs[i], below, &ids[i]));
    return WEIR_OK;
}

static weir_status
describe_window(rows_state *s, const wr_plan *plan, uint32_t *ids)
{
    const wr_window_spec *w = &plan->window.spec;
    uint32_t n = plan->inputs[0]->schema->field_count;
    WR_TRY(describe(s, plan->inputs[0], ids));
    put_number(s, w->kind);
    put_number(s, (uint64_t)w->size);
    put_number(s, (uint64_t)w->slide);
    put_number(s, (uint64_t)w->offset);
    put_number(s, ids[w->time_column]);
    for (uint32_t i = 0; i < plan->window.key_count; i++)
        put_number(s, ids[plan->window.keys[i]]);
    uint32_t leaf = s->leaf++;
    ids[n] = (uint32_t)wr_hash_u64(leaf, 0);
    ids[n + 1] = (uint32_t)wr_hash_u64(leaf, 1);
    return WEIR_OK;
}

static weir_status
describe_join(rows_state *s, const wr_plan *plan, uint32_t *ids)
{
    uint32_t n = plan->inputs[0]->schema->field_count, m = plan->inputs[1]->schema->field_count;
    uint32_t *both = wr_arena_calloc(s->arena, n + m + 1, sizeof *both);
    if (both == NULL)
        return WEIR_MEMORY;
    WR_TRY(describe(s, plan->inputs[0], both));
    WR_TRY(describe(s, plan->inputs[1], both + n));
    put_number(s, (uint64_t)plan->join.mode << 8 | plan->join.kind);
    for (uint32_t i = 0; i < plan->join.key_count; i++) {
        put_number(s, both[plan->join.left_keys[i]]);
        put_number(s, both[n + plan->join.right_keys[i]]);
    }
    memcpy(ids, both, plan->schema->field_count * sizeof *ids);
    return put_expr(s, plan->join.residual, both);
}

static weir_status
describe(rows_state *s, const wr_plan *plan, uint32_t *ids)
{
    if (plan->kind == WR_PLAN_PROJECT) /* may stand on one side alone */
        return describe_project(s, plan, ids);
    put_number(s, plan->kind);
    switch (plan->kind) {
    case WR_PLAN_SCAN:
        wr_text_puts(&s->text, plan->scan.relation->name);
        if (plan->scan.predicate != NULL)
            wr_expr_hash_text(plan->scan.predicate, &s->text);
        leaf_ids(s, plan, ids);
        return WEIR_OK;
    case WR_PLAN_FILTER:
        WR_TRY(describe(s, plan->inputs[0], ids));
        return put_expr(s, plan->filter.predicate, ids);
    case WR_PLAN_WINDOW: return describe_window(s, plan, ids);
    case WR_PLAN_JOIN: return describe_join(s, plan, ids);
    default:
        wr_plan_shape_text(plan, &s->text);
        leaf_ids(s, plan, ids);
        return WEIR_OK;
    }
}

weir_status
wr_plan_rows_hash(wr_arena *arena, const wr_plan *plan, uint32_t *ids, uint64_t *hash)
{
    rows_state s = { .arena = arena };
    wr_text_init(&s.text, NULL);
    weir_status status = describe(&s, plan, ids);
    if (status == WEIR_OK && !wr_text_ok(&s.text))
        status = WEIR_MEMORY;
    if (status == WEIR_OK)
        *hash = wr_hash_stable(wr_text_string(&s.text), s.text.length);
    wr_text_fini(&s.text);
    return status;
}
