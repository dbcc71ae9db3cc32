/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/moving.c -- conditions on now() over input that does not end: rows that come and go.
 *
 * A condition that can move compares a time of the row with now() moved by a constant:
 *     ts > now() - interval '5 min'      ts + interval '5 min' >= now()      now() - ts < interval '5 min'
 * Each becomes one bound: the row is there until, or from, its time + a shift.
 *
 * Invariants  M1  what passes wr_plan_moving_split is all of the predicate: bounds and the rest
 *             M2  an offset with months has no one length, and is refused
 */
#include "plan/rules_impl.h"

#include "data/datetime.h"

#include <string.h>

enum { CONJUNCTS_MAX = 64 };

static bool
is_now(const wr_expr *e)
{
    return e->kind == WR_EXPR_CALL && e->arg_count == 0 && e->function->volatility == WR_STABLE &&
           (e->type.id == WR_TIMESTAMPTZ || e->type.id == WR_TIMESTAMP);
}

static void
note_use(const wr_expr *e, void *user)
{
    if (e->kind == WR_EXPR_CALL && e->function->volatility == WR_STABLE)
        *(bool *)user = true;
}

static bool
uses_now(const wr_expr *e)
{
    bool found = false;
    wr_expr_walk(e, note_use, &found);
    return found;
}

static bool
interval_us(const wr_expr *e, int64_t *us)
{
    int64_t days;
    if (e->kind != WR_EXPR_CONSTANT || e->type.id != WR_INTERVAL || e->constant.is_null ||
        e->constant.interval.months != 0) /* M2 */
        return false;
    return !__builtin_mul_overflow((int64_t)e->constant.interval.days, WR_US_PER_DAY, &days) &&
           !__builtin_add_overflow(days, e->constant.interval.us, us) && *us > -INT64_MAX / 4 &&
           *us < INT64_MAX / 4;
}

/* now() + *shift */
static bool
is_moved_now(const wr_expr *e, int64_t *shift)
{
    int64_t us, inner;
    if (is_now(e)) {
        *shift = 0;
        return true;
    }
    if (e->kind != WR_EXPR_CALL || e->arg_count == 0)
        return false;
    const char *name = e->function->name;
    if (e->arg_count == 2 && (strcmp(name, "+") == 0 || strcmp(name, "-") == 0)) {
        bool swapped = name[0] == '+' && e->args[0]->type.id == WR_INTERVAL;
        if (!interval_us(e->args[swapped ? 0 : 1], &us) ||
            !is_moved_now(e->args[swapped ? 1 : 0], &inner))
            return false;
        return !__builtin_add_overflow(inner, name[0] == '+' ? us : -us, shift);
    }
    /* a cast between the two kinds of timestamp: the session's zone is UTC */
    return (e->type.id == WR_TIMESTAMP || e->type.id == WR_TIMESTAMPTZ) && e->type.modifier < 0 &&
           wr_cast_find(e->args[0]->type, e->type, WR_CAST_EXPLICIT) == e->function &&
           is_moved_now(e->args[0], shift);
}

static bool
is_row_time(const wr_expr *e)
{
    return wr_type_is_time(e->type) && !wr_expr_is_stable(e);
}

static const char *
flip(const char *op)
{
    static const char *const pairs[][2] = {
        { "<", ">" }, { "<=", ">=" }, { ">", "<" }, { ">=", "<=" }
    };
    for (uint32_t i = 0; i < WR_COUNT(pairs); i++)
        if (strcmp(op, pairs[i][0]) == 0)
            return pairs[i][1];
    return NULL;
}

/* time op now() + shift */
static void
bound_set(wr_moving_bound *b, const wr_expr *time, const char *op, int64_t shift)
{
    bool closed = op[1] == '=';
    b->time = time;
    b->until = op[0] == '>';
    b->shift = -shift + (b->until == closed ? 1 : 0);
}

/* now() + shift - time op c: time is the other way round to now() + shift - c. */
static bool
age_bound(const wr_expr *age, const char *op, const wr_expr *limit, wr_moving_bound *b)
{
    int64_t shift, us, moved;
    if (age->kind != WR_EXPR_CALL || age->arg_count != 2 || age->type.id != WR_INTERVAL ||
        strcmp(age->function->name, "-") != 0 || !is_moved_now(age->args[0], &shift) ||
        !is_row_time(age->args[1]) || age->args[1]->type.id == WR_DATE ||
        !interval_us(limit, &us) || __builtin_sub_overflow(shift, us, &moved))
        return false;
    bound_set(b, age->args[1], flip(op), moved);
    return true;
}

static bool
bound_of(const wr_expr *e, wr_moving_bound *b)
{
    int64_t shift;
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2)
        return false;
    const char *op = e->function->name, *other = flip(op);
    const wr_expr *left = e->args[0], *right = e->args[1];
    if (other == NULL)
        return false;
    if (is_row_time(left) && is_moved_now(right, &shift)) {
        bound_set(b, left, op, shift);
        return true;
    }
    if (is_row_time(right) && is_moved_now(left, &shift)) {
        bound_set(b, right, other, shift);
        return true;
    }
    return age_bound(left, op, right, b) || age_bound(right, other, left, b);
}

bool
wr_plan_is_moving(const wr_plan_options *options, const wr_plan *plan)
{
    return options != NULL && !options->bounded && plan->kind == WR_PLAN_FILTER &&
           uses_now(plan->filter.predicate);
}

weir_status
wr_plan_moving_split(wr_arena *arena, wr_expr *predicate, wr_moving_bound **bounds, uint32_t *count,
                     wr_expr **rest, const wr_expr **odd)
{
    wr_expr *parts[CONJUNCTS_MAX];
    uint32_t n = wr_expr_conjuncts(predicate, parts, CONJUNCTS_MAX);
    *count = 0;
    *rest = NULL;
    *odd = n > CONJUNCTS_MAX ? predicate : NULL;
    *bounds = wr_arena_calloc(arena, WR_MIN(n, (uint32_t)CONJUNCTS_MAX) + 1, sizeof **bounds);
    if (*bounds == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n && *odd == NULL; i++) {
        if (!uses_now(parts[i])) {
            if ((*rest = wr_expr_and(arena, *rest, parts[i])) == NULL)
                return WEIR_MEMORY;
        } else if (bound_of(parts[i], &(*bounds)[*count])) {
            ++*count;
        } else {
            *odd = parts[i];
        }
    }
    return WEIR_OK;
}

static void
note_now(const wr_expr *e, void *user)
{
    int32_t *location = user;
    if (e->kind == WR_EXPR_CALL && e->function->volatility == WR_STABLE && *location < 0)
        *location = e->location;
}

static weir_status
refuse(const wr_expr *e, int32_t place, weir_error *err)
{
    int32_t location = -1;
    wr_expr_walk(e, note_now, &location);
    weir_status status = wr_error_at(err, WEIR_QUERY_UNSUPPORTED, location >= 0 ? location : place,
                                     "this condition on now() cannot be followed as time goes by");
    wr_error_hint(
        err, "compare a time of the row with now() and a fixed interval, in WHERE and joined by "
             "AND alone: ts > now() - interval '5 minutes'");
    return status;
}

weir_status
wr_plan_check_moving(wr_arena *arena, const wr_plan *plan, int32_t place, weir_error *err)
{
    const wr_expr *e = plan->kind == WR_PLAN_FILTER ? plan->filter.predicate
                       : plan->kind == WR_PLAN_SCAN ? plan->scan.predicate
                       : plan->kind == WR_PLAN_JOIN ? plan->join.residual
                                                    : NULL;
    wr_moving_bound *bounds;
    uint32_t count;
    wr_expr *rest;
    const wr_expr *odd;
    if (e == NULL || !uses_now(e))
        return WEIR_OK;
    if (plan->kind != WR_PLAN_FILTER)
        return refuse(e, place, err);
    WR_TRY(wr_plan_moving_split(arena, plan->filter.predicate, &bounds, &count, &rest, &odd));
    return odd == NULL ? WEIR_OK : refuse(odd, place, err);
}
