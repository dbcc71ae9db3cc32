/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/route.c -- which conditions of scans go into an index (see route.h).
 *
 * All conditions that a selector can say are listed, those of one scan on one column as one, and sorted by relation, column
 * and what they say: so the scans that speak of a column stand together, and how many different things they say is
 * counted along the way.  An index on a column of which all say the same would give each of them all those rows.
 *
 * Invariants  O1  selector AND rest are true for a row exactly when the predicate is
 * Cost        conditions x log conditions
 */
#include "plan/route.h"

#include "plan/build.h"

#include <stdlib.h>
#include <string.h>

enum { CONDITIONS_MAX = 64 };

/* One scan's conditions on one column. */
typedef struct candidate {
    wr_plan    *scan;
    wr_selector selector;
    uint64_t    said;     /* a hash of it                                     */
    uint64_t    parts;    /* which conjuncts of the predicate, a bit each     */
    uint32_t    order;    /* of the scans                                     */
    uint32_t    score;    /* how many different things are said of the column */
} candidate;

typedef struct route_state {
    wr_arena  *arena; /* kept */
    wr_arena   scratch;
    candidate *list;
    uint32_t   count, capacity, scan_count;
} route_state;

static weir_status
add_candidate(route_state *s, const candidate *c)
{
    if (s->count == s->capacity) {
        uint32_t   capacity = s->capacity == 0 ? 64 : 2 * s->capacity;
        candidate *grown = wr_arena_alloc(&s->scratch, capacity * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        if (s->count > 0)
            memcpy(grown, s->list, s->count * sizeof *grown);
        s->list = grown;
        s->capacity = capacity;
    }
    s->list[s->count++] = *c;
    return WEIR_OK;
}

/* A second condition on the column joins the first when both are bounds; an equality takes its place. */
static bool
join_candidate(candidate *c, const wr_selector *selector, uint64_t part)
{
    if (c->selector.column != selector->column)
        return false;
    if (wr_selector_and(&c->selector, selector)) {
        c->parts |= part;
    } else if (c->selector.range && !selector->range) {
        c->selector = *selector;
        c->parts = part;
    }
    return true;
}

static weir_status
scan_candidates(route_state *s, wr_plan *scan)
{
    wr_expr *parts[CONDITIONS_MAX];
    uint32_t first = s->count, order = s->scan_count++;
    uint32_t n = wr_expr_conjuncts(scan->scan.predicate, parts, CONDITIONS_MAX);
    for (uint32_t i = 0; i < n && n <= CONDITIONS_MAX; i++) {
        wr_selector selector;
        bool        found, joined = false;
        WR_TRY(wr_selector_of(s->arena, parts[i], &selector, &found));
        for (uint32_t k = first; found && k < s->count && !joined; k++)
            joined = join_candidate(&s->list[k], &selector, 1ull << i);
        if (found && !joined)
            WR_TRY(add_candidate(s, &(candidate){ .scan = scan,
                                                  .selector = selector,
                                                  .parts = 1ull << i,
                                                  .order = order }));
    }
    for (uint32_t k = first; k < s->count; k++)
        s->list[k].said = wr_selector_hash(&s->list[k].selector);
    return WEIR_OK;
}

static weir_status
plan_candidates(route_state *s, wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->input_count; i++)
        WR_TRY(plan_candidates(s, plan->inputs[i]));
    bool looks = plan->kind == WR_PLAN_SCAN && plan->scan.predicate != NULL &&
                 plan->scan.route == NULL;
    return looks ? scan_candidates(s, plan) : WEIR_OK;
}

static int
compare_places(const candidate *a, const candidate *b)
{
    const wr_relation *x = a->scan->scan.relation, *y = b->scan->scan.relation;
    if (x != y)
        return (uintptr_t)x < (uintptr_t)y ? -1 : 1;
    return (a->selector.column > b->selector.column) - (a->selector.column < b->selector.column);
}

static int
by_place(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    int place = compare_places(a, b);
    return place != 0 ? place : (a->said > b->said) - (a->said < b->said);
}

/* A constant leaves fewer rows than bounds do. */
static uint64_t
candidate_worth(const candidate *c)
{
    return c->selector.range ? c->score : 2 * (uint64_t)c->score;
}

/* Best first of each scan. */
static int
by_scan(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (candidate_worth(a) != candidate_worth(b))
        return candidate_worth(a) > candidate_worth(b) ? -1 : 1;
    return (a->selector.column > b->selector.column) - (a->selector.column < b->selector.column);
}

static void
score_candidates(route_state *s)
{
    qsort(s->list, s->count, sizeof *s->list, by_place);
    for (uint32_t i = 0, end; i < s->count; i = end) {
        uint32_t different = 1;
        for (end = i + 1; end < s->count && compare_places(&s->list[i], &s->list[end]) == 0; end++)
            different += s->list[end].said != s->list[end - 1].said;
        for (uint32_t k = i; k < end; k++)
            s->list[k].score = different;
    }
}

/* O1 */
static weir_status
route_scan(route_state *s, const candidate *c)
{
    wr_expr *parts[CONDITIONS_MAX];
    wr_plan_route *route = wr_arena_calloc(s->arena, 1, sizeof *route);
    if (route == NULL)
        return WEIR_MEMORY;
    uint32_t n = wr_expr_conjuncts(c->scan->scan.predicate, parts, CONDITIONS_MAX);
    route->selector = c->selector;
    for (uint32_t i = 0; i < n; i++) {
        if ((c->parts >> i & 1) != 0)
            continue;
        route->rest = wr_expr_and(s->arena, route->rest, parts[i]);
        if (route->rest == NULL)
            return WEIR_MEMORY;
    }
    c->scan->scan.route = route;
    return WEIR_OK;
}

weir_status
wr_plan_route_scans(wr_arena *arena, wr_plan *const *plans, uint32_t count)
{
    route_state s = { .arena = arena };
    weir_status status = WEIR_OK;
    wr_arena_init(&s.scratch, arena->budget);
    for (uint32_t i = 0; i < count; i++)
        WR_TRY_GOTO(plan_candidates(&s, plans[i]));
    if (s.count < WR_PLAN_ROUTES_MIN)
        goto done;
    score_candidates(&s);
    qsort(s.list, s.count, sizeof *s.list, by_scan);
    for (uint32_t i = 0; i < s.count; i++)
        if ((i == 0 || s.list[i - 1].order != s.list[i].order) &&
            s.list[i].score >= WR_PLAN_ROUTES_MIN)
            WR_TRY_GOTO(route_scan(&s, &s.list[i]));
done:
    wr_arena_fini(&s.scratch);
    return status;
}
