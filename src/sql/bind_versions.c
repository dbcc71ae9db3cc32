/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_versions.c -- asof(c) where c is a source with a key: c as it stood at the left row's time.
 *
 *     t LEFT JOIN asof((SELECT id, upper(name) AS n, ts FROM c WHERE active)) c
 *         ON c.id = t.cust AND c.ts <= t.ts AND c.region = t.region
 *
 * becomes the as-of join of t with the rows c was read from, on c's key and the times alone.  Which
 * version stood is settled by these; all else is asked of that version, above the join:
 *
 *     project t..., CASE WHEN c.id IS NOT NULL AND active AND region = t.region THEN upper(name) END
 *       as-of left join on t.cust = c.id and c.ts <= t.ts
 *
 * Invariants  S1  below the join stands the scan alone: a condition there would take a version away
 *                 and leave the one before it standing
 *             S2  equalities with the whole key are among the conditions: of a key one row stands at a
 *                 time
 *             S3  a limit on the age is asked of the row's own time, too: after a deletion a row holds
 *                 from there
 */
#include "sql/bind_impl.h"

#include <string.h>

enum { CONJUNCTS_MAX = 128 };

/* The right side taken apart: its columns, and the condition on its rows, over a source's columns. */
typedef struct peeled {
    const wr_plan *scan;
    wr_expr **exprs;
    wr_expr *predicate; /* NULL: none */
} peeled;

static void
note_outer(const wr_expr *e, void *user)
{
    if (e->kind == WR_EXPR_COLUMN && (e->column & WR_SQL_OUTER) != 0)
        *(bool *)user = true;
}

static bool
has_outer(const wr_expr *e)
{
    bool found = false;
    wr_expr_walk(e, note_outer, &found);
    return found;
}

/* *out->scan NULL: it is not a keyed source under projects and filters. */
static weir_status
peel(sql_binder *b, const wr_plan *plan, peeled *out)
{
    uint32_t n = plan->schema->field_count;
    if (plan->kind == WR_PLAN_SCAN) {
        if (plan->scan.relation->upserts == NULL || plan->scan.predicate != NULL)
            return WEIR_OK;
        out->exprs = wr_arena_alloc(b->arena, (n + 1) * sizeof *out->exprs);
        if (out->exprs == NULL)
            return SQL_NOMEM(b);
        for (uint32_t i = 0; i < n; i++)
            if ((out->exprs[i] = wr_expr_column(b->arena, i, plan->schema->fields[i].type)) == NULL)
                return SQL_NOMEM(b);
        out->scan = plan;
        return WEIR_OK;
    }
    bool filter = plan->kind == WR_PLAN_FILTER;
    if (!filter && plan->kind != WR_PLAN_PROJECT)
        return WEIR_OK;
    for (uint32_t i = 0; i < (filter ? 1 : n); i++)
        if (has_outer(filter ? plan->filter.predicate : plan->project.exprs[i]))
            return WEIR_OK;
    WR_TRY(peel(b, plan->inputs[0], out));
    if (out->scan == NULL)
        return WEIR_OK;
    if (filter) {
        wr_expr *e = wr_expr_substitute(b->arena, plan->filter.predicate, out->exprs);
        out->predicate = e != NULL ? wr_expr_and(b->arena, out->predicate, e) : NULL;
        return out->predicate != NULL ? WEIR_OK : SQL_NOMEM(b);
    }
    wr_expr **exprs = wr_arena_alloc(b->arena, (n + 1) * sizeof *exprs);
    for (uint32_t i = 0; exprs != NULL && i < n; i++)
        if ((exprs[i] = wr_expr_substitute(b->arena, plan->project.exprs[i], out->exprs)) == NULL)
            return SQL_NOMEM(b);
    out->exprs = exprs;
    return exprs != NULL ? WEIR_OK : SQL_NOMEM(b);
}

/* --- expressions over left's columns, then the source's --- */

typedef struct lift_state {
    wr_arena *arena;
    uint32_t n;      /* columns of left */
    wr_expr **exprs; /* what stands for right's; over left's and the source's columns */
} lift_state;

static wr_expr *
lift_column(wr_expr *e, void *user)
{
    lift_state *l = user;
    if (e->kind != WR_EXPR_COLUMN || (e->column & WR_SQL_OUTER) != 0 || e->column < l->n)
        return NULL;
    wr_expr *copy = wr_expr_copy(l->arena, l->exprs[e->column - l->n]);
    if (copy != NULL && copy->kind == WR_EXPR_COLUMN)
        copy->location = e->location;
    return copy;
}

static wr_expr *
shift_column(wr_expr *e, void *user)
{
    const lift_state *l = user;
    return e->kind == WR_EXPR_COLUMN ? wr_expr_column(l->arena, e->column + l->n, e->type) : NULL;
}

typedef struct read_state {
    uint32_t n;
    bool left, right;
} read_state;

static void
note_read(const wr_expr *e, void *user)
{
    read_state *r = user;
    if (e->kind == WR_EXPR_COLUMN && (e->column & WR_SQL_OUTER) == 0)
        *(e->column < r->n ? &r->left : &r->right) = true;
}

static read_state
reads(const wr_expr *e, uint32_t n)
{
    read_state r = { .n = n };
    wr_expr_walk(e, note_read, &r);
    return r;
}

/* --- conditions --- */

/* Does a cast from one to the other keep different values different? */
static bool
is_exact_cast(wr_type from, wr_type to)
{
    return (wr_type_is_integer(from) && (wr_type_is_integer(to) || to.id == WR_NUMERIC)) ||
           (wr_type_is_string(from) && wr_type_is_string(to)) ||
           (from.id == WR_DATE && (to.id == WR_TIMESTAMP || to.id == WR_TIMESTAMPTZ)) ||
           (from.id == WR_FLOAT4 && to.id == WR_FLOAT8);
}

/* The index in the source's key of the column that e is, cast or not; -1: it is none. */
static int32_t
key_index(const wr_expr *e, uint32_t n, const wr_schema *source)
{
    if (e->kind == WR_EXPR_CALL && e->arg_count >= 1 && is_exact_cast(e->args[0]->type, e->type) &&
        wr_cast_find(e->args[0]->type, e->type, WR_CAST_EXPLICIT) == e->function)
        e = e->args[0];
    for (uint32_t k = 0; e->kind == WR_EXPR_COLUMN && k < source->key_count; k++)
        if (e->column == n + source->key[k])
            return (int32_t)k;
    return -1;
}

/* The same of an equality of left with right. */
static int32_t
equal_key(const wr_expr *e, uint32_t n, const wr_schema *source)
{
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2 || strcmp(e->function->name, "=") != 0)
        return -1;
    for (uint32_t i = 0; i < 2; i++)
        if (!reads(e->args[1 - i], n).right && key_index(e->args[i], n, source) >= 0)
            return key_index(e->args[i], n, source);
    return -1;
}

typedef struct versions_state {
    sql_binder *b;
    const wr_plan *join; /* as it was bound */
    wr_plan *made;
    peeled right;
    lift_state lift;
    wr_expr *asked; /* of the version that stood; NULL: nothing */
} versions_state;

static weir_status
ask(versions_state *v, wr_expr *e)
{
    v->asked = wr_expr_and(v->b->arena, v->asked, e);
    return v->asked != NULL ? WEIR_OK : SQL_NOMEM(v->b);
}

static weir_status
keep(versions_state *v, wr_expr *e)
{
    v->made->join.residual = wr_expr_and(v->b->arena, v->made->join.residual, e);
    return v->made->join.residual != NULL ? WEIR_OK : SQL_NOMEM(v->b);
}

/* S3: is it the limit on the age? */
static bool
is_reach(versions_state *v, wr_expr *e)
{
    wr_plan alone = *v->made;
    wr_plan_asof asof;
    const wr_expr *culprit;
    alone.join.residual = e;
    return !wr_plan_join_asof(&alone, &asof, &culprit) && asof.reach_us != INT64_MAX;
}

/* S2 */
static weir_status
check_key(versions_state *v, uint64_t have, int32_t location)
{
    const wr_schema *source = v->made->inputs[1]->schema;
    const wr_relation *relation = v->right.scan->scan.relation;
    for (uint32_t k = 0; k < relation->schema->key_count; k++) {
        if (k < 64 && (have >> k & 1) != 0)
            continue;
        const char *name = source->fields[relation->schema->key[k]].name;
        weir_status status =
            wr_error_at(v->b->err, WEIR_QUERY, location,
                        "an as-of join with \"%s\" takes its whole key: an equality with \"%s\" is missing",
                        relation->name, name);
        wr_error_hint(v->b->err,
                      "add c.%s = t.%s: of each key one version stands at a time; conditions on other "
                      "columns are asked of that one",
                      name, name);
        return status;
    }
    return WEIR_OK;
}

static weir_status
sort_conditions(versions_state *v, int32_t location)
{
    wr_expr *parts[CONJUNCTS_MAX];
    uint32_t n = v->lift.n, count = wr_expr_conjuncts(v->join->join.residual, parts, CONJUNCTS_MAX);
    uint64_t have = 0;
    wr_assert(count <= CONJUNCTS_MAX); /* check_asof refused more */
    for (uint32_t i = 0; i < count; i++) {
        wr_expr *e = wr_expr_rewrite(v->b->arena, parts[i], lift_column, &v->lift);
        if (e == NULL)
            return SQL_NOMEM(v->b);
        read_state r = reads(e, n);
        int32_t key = equal_key(e, n, v->right.scan->scan.relation->schema);
        bool equality = e->kind == WR_EXPR_CALL && strcmp(e->function->name, "=") == 0;
        if (key >= 0 && key < 64)
            have |= 1ull << key;
        if (key < 0 && (equality || !r.left || !r.right)) {
            WR_TRY(ask(v, e));
            continue;
        }
        if (key < 0 && is_reach(v, e))
            WR_TRY(ask(v, wr_expr_copy(v->b->arena, e)));
        WR_TRY(keep(v, e));
    }
    return check_key(v, have, location);
}

/* --- above the join --- */

/* Is there a version?  A key is never NULL. */
static weir_status
add_found(versions_state *v)
{
    const wr_schema *source = v->right.scan->scan.relation->schema;
    wr_expr *found, *key = wr_expr_column(v->b->arena, v->lift.n + source->key[0],
                                          source->fields[source->key[0]].type);
    if (key == NULL)
        return SQL_NOMEM(v->b);
    WR_TRY(wr_sql_make(v->b, WR_EXPR_IS_NOT_NULL, WR_TYPE(WR_BOOL), &key, 1, -1, &found));
    v->asked = wr_expr_and(v->b->arena, found, v->asked);
    return v->asked != NULL ? WEIR_OK : SQL_NOMEM(v->b);
}

/* A column of the right side: NULL where no version answers. */
static weir_status
answer(versions_state *v, wr_expr *e, wr_expr **out)
{
    wr_value null = wr_value_null(e->type);
    wr_expr *args[3] = { v->asked, e, wr_sql_constant(v->b, &null, -1) };
    if (args[2] == NULL)
        return SQL_NOMEM(v->b);
    return wr_sql_make(v->b, WR_EXPR_CASE, e->type, args, 3, -1, out);
}

static weir_status
give(versions_state *v, wr_plan **out)
{
    wr_arena *arena = v->b->arena;
    uint32_t n = v->lift.n, m = v->join->schema->field_count - n;
    bool outer = v->join->join.kind == WR_JOIN_LEFT, plain = v->asked == NULL;
    wr_plan *plan = v->made;
    wr_expr **exprs = wr_arena_alloc(arena, (n + m + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (n + m + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(v->b);
    if (!outer && !plain &&
        (plan = wr_plan_make_filter(arena, plan, v->asked, v->join->location)) == NULL)
        return SQL_NOMEM(v->b);
    if (outer)
        WR_TRY(add_found(v));
    for (uint32_t i = 0; i < n + m; i++) {
        names[i] = v->join->schema->fields[i].name;
        exprs[i] = i < n ? wr_expr_column(arena, i, v->join->schema->fields[i].type)
                         : v->lift.exprs[i - n];
        if (exprs[i] == NULL)
            return SQL_NOMEM(v->b);
        if (i >= n && outer && !(plain && exprs[i]->kind == WR_EXPR_COLUMN))
            WR_TRY(answer(v, exprs[i], &exprs[i]));
    }
    *out = wr_plan_make_project(arena, plan, exprs, names, n + m, -1);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(v->b);
}

weir_status
wr_sql_versions(sql_binder *b, wr_plan **join, int32_t location)
{
    wr_plan *old = *join;
    versions_state v = { .b = b, .join = old };
    uint32_t m = old->inputs[1]->schema->field_count;
    WR_TRY(peel(b, old->inputs[1], &v.right));
    if (v.right.scan == NULL)
        return WEIR_OK;
    v.lift = (lift_state){ .arena = b->arena, .n = old->inputs[0]->schema->field_count };
    v.lift.exprs = wr_arena_alloc(b->arena, (m + 1) * sizeof(wr_expr *));
    for (uint32_t i = 0; v.lift.exprs != NULL && i < m; i++)
        if ((v.lift.exprs[i] =
                 wr_expr_rewrite(b->arena, v.right.exprs[i], shift_column, &v.lift)) == NULL)
            return SQL_NOMEM(b);
    wr_plan *scan =
        wr_plan_make_scan(b->arena, v.right.scan->scan.relation->upserts, v.right.scan->location);
    v.made = scan != NULL && v.lift.exprs != NULL
                 ? wr_plan_make_join(b->arena, old->join.kind, old->inputs[0], scan, NULL,
                                     old->location)
                 : NULL;
    if (v.made == NULL)
        return SQL_NOMEM(b);
    v.made->join.mode = WR_JOIN_ASOF;
    WR_TRY(sort_conditions(&v, location));
    if (v.right.predicate != NULL) {
        wr_expr *e = wr_expr_rewrite(b->arena, v.right.predicate, shift_column, &v.lift);
        if (e == NULL)
            return SQL_NOMEM(b);
        WR_TRY(ask(&v, e));
    }
    return give(&v, join);
}
