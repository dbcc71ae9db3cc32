/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_bounds.c -- how far apart in time the two rows of a joined pair can be.
 *
 *     a.ts BETWEEN b.ts AND b.ts + interval '1 minute'     low 0, high 60 s
 *     a.window_start = b.window_start                      low 0, high 0
 *     b.ts - a.ts < interval '5 s' AND NOT a.ts > b.ts     low -5 s + 1 us, high 0
 *
 * A branch of OR widens what the others say, unless its own times contradict each other.
 *
 * Only columns with a watermark count: a bound is there to let state go.
 */
#include "plan/rules_impl.h"

#include "data/datetime.h"

#include <string.h>

enum { CONJUNCTS_MAX = 128 };

/* column + us, of one side */
typedef struct time_term {
    bool left;
    uint32_t column; /* of its side */
    int64_t us;
} time_term;

/* A constant interval, a month of which is as long as where intervals are compared: 30 days. */
static bool
read_interval(const wr_expr *e, int64_t *us)
{
    if (e->kind != WR_EXPR_CONSTANT || e->type.id != WR_INTERVAL || e->constant.is_null)
        return false;
    const wr_interval *v = &e->constant.interval;
    int64_t days = (int64_t)v->months * 30 + v->days;
    return !__builtin_mul_overflow(days, WR_US_PER_DAY, &days) && !__builtin_add_overflow(days, v->us, us);
}

/* x + interval, x - interval: which, and how much. */
static bool
is_shift(const wr_expr *e, int64_t *us)
{
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2 || !read_interval(e->args[1], us) ||
        (strcmp(e->function->name, "+") != 0 && strcmp(e->function->name, "-") != 0))
        return false;
    return e->function->name[0] == '+' || !__builtin_sub_overflow(0, *us, us);
}

static bool
read_term(const wr_expr *e, uint32_t left_count, time_term *out)
{
    if (!wr_plan_expr_moment(e, &out->column, &out->us))
        return false;
    out->left = out->column < left_count;
    out->column -= out->left ? 0 : left_count;
    return true;
}

typedef struct bound_state {
    wr_plan_bounds b;
    bool has_columns, has_low, has_high;
} bound_state;

/* left column - right column >= us, or <= us. */
static void
narrow(bound_state *s, bool at_least, int64_t us)
{
    if (at_least) {
        s->b.low_us = s->has_low ? WR_MAX(s->b.low_us, us) : us;
        s->has_low = true;
    } else {
        s->b.high_us = s->has_high ? WR_MIN(s->b.high_us, us) : us;
        s->has_high = true;
    }
}

/* A time of the left less one of the right, or the other way round, + us. */
typedef struct time_span {
    uint32_t left, right; /* columns of their sides */
    bool turned;          /* right - left           */
    int64_t us;
} time_span;

static bool
read_difference(const wr_expr *a, const wr_expr *b, uint32_t left_count, time_span *out)
{
    time_term x, y;
    if (!read_term(a, left_count, &x) || !read_term(b, left_count, &y) || x.left == y.left)
        return false;
    out->turned = !x.left;
    out->left = x.left ? x.column : y.column;
    out->right = x.left ? y.column : x.column;
    return !__builtin_sub_overflow(x.us, y.us, &out->us);
}

/* a.ts - b.ts, as an interval, with intervals added to it. */
static bool
read_span(const wr_expr *e, uint32_t left_count, time_span *out)
{
    int64_t us;
    if (e->kind != WR_EXPR_CALL || e->type.id != WR_INTERVAL)
        return false;
    if (is_shift(e, &us))
        return read_span(e->args[0], left_count, out) && !__builtin_add_overflow(out->us, us, &out->us);
    if (strcmp(e->function->name, "-") != 0)
        return false;
    if (e->arg_count == 2)
        return read_difference(e->args[0], e->args[1], left_count, out);
    if (e->arg_count != 1 || !read_span(e->args[0], left_count, out))
        return false;
    out->turned = !out->turned;
    return !__builtin_sub_overflow(0, out->us, &out->us);
}

/* A comparison of a left time with a right one. */
typedef struct time_pair {
    uint32_t left, right; /* columns of their sides           */
    bool at_least, at_most;
    int64_t low_us, high_us; /* left - right >= low, <= high  */
} time_pair;

/* The span that a comparison compares with nothing. */
static bool
read_sides(const wr_expr *e, uint32_t left_count, time_span *out)
{
    int64_t us;
    if (read_difference(e->args[0], e->args[1], left_count, out))
        return true;
    if (read_span(e->args[0], left_count, out))
        return read_interval(e->args[1], &us) && !__builtin_sub_overflow(out->us, us, &out->us);
    if (!read_span(e->args[1], left_count, out) || !read_interval(e->args[0], &us))
        return false;
    out->turned = !out->turned;
    return !__builtin_sub_overflow(us, out->us, &out->us);
}

/* Of `negated`, what must be for e to be false. */
static bool
read_pair(const wr_expr *e, uint32_t left_count, bool negated, time_pair *out)
{
    time_span span;
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2)
        return false;
    const char *op = e->function->name;
    bool less = op[0] == '<' && op[1] != '>', greater = op[0] == '>', equal = op[0] == '=';
    bool strict = op[1] == '\0' && !equal;
    if ((!less && !greater && (!equal || negated)) || !read_sides(e, left_count, &span))
        return false;
    if (negated)
        strict = !strict;
    if (span.turned != negated) { /* one of them turns the comparison around */
        bool swap = less;
        less = greater;
        greater = swap;
    }
    if (span.us > INT64_MAX / 4 || span.us < -INT64_MAX / 4)
        return false;
    int64_t us = span.turned ? span.us : -span.us;
    *out = (time_pair){ .left = span.left,
                        .right = span.right,
                        .at_least = greater || equal,
                        .at_most = less || equal,
                        .low_us = us + strict,
                        .high_us = us - strict };
    return true;
}

/* How much later than column a is column b, always?  false: it varies. */
static bool
is_apart(const wr_schema *schema, uint32_t a, uint32_t b, int64_t *us)
{
    const wr_field *x = &schema->fields[a], *y = &schema->fields[b];
    *us = 0;
    return a == b || (x->moment != 0 && x->moment == y->moment &&
                      !__builtin_sub_overflow(y->moment_us, x->moment_us, us) &&
                      *us < INT64_MAX / 4 && *us > -INT64_MAX / 4);
}

static void
read_comparison(bound_state *s, const wr_expr *e, bool negated, const wr_schema *left,
                const wr_schema *right)
{
    time_pair p;
    int64_t l, r;
    if (!read_pair(e, left->field_count, negated, &p) ||
        left->fields[p.left].watermark_offset == WR_NO_WATERMARK ||
        right->fields[p.right].watermark_offset == WR_NO_WATERMARK)
        return;
    if (s->has_columns) {
        if (!is_apart(left, s->b.left_time, p.left, &l) ||
            !is_apart(right, s->b.right_time, p.right, &r))
            return;
        p.left = s->b.left_time;
        p.right = s->b.right_time;
        p.low_us += r - l;
        p.high_us += r - l;
    }
    s->has_columns = true;
    s->b.left_time = p.left;
    s->b.right_time = p.right;
    if (p.at_least)
        narrow(s, true, p.low_us);
    if (p.at_most)
        narrow(s, false, p.high_us);
}

static bool
is_never(const bound_state *s)
{
    return s->has_low && s->has_high && s->b.low_us > s->b.high_us;
}

/* What holds in *s or in *t, which are of the same columns. */
static void
widen(bound_state *s, const bound_state *t)
{
    s->has_low = s->has_low && t->has_low;
    s->has_high = s->has_high && t->has_high;
    s->b.low_us = WR_MIN(s->b.low_us, t->b.low_us);
    s->b.high_us = WR_MAX(s->b.high_us, t->b.high_us);
}

static void read_condition(bound_state *s, const wr_expr *e, bool negated, const wr_schema *left,
                           const wr_schema *right);

/* One of the arguments holds; a branch that no pair of times can be in counts only where all are such. */
static void
read_branches(bound_state *s, const wr_expr *e, bool negated, const wr_schema *left,
              const wr_schema *right)
{
    bound_state any = { 0 };
    bool found = false;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        bound_state one = { 0 };
        const bound_state *like = s->has_columns ? s : &any;
        one.has_columns = like->has_columns;
        one.b.left_time = like->b.left_time;
        one.b.right_time = like->b.right_time;
        read_condition(&one, e->args[i], negated, left, right);
        bool never = is_never(&one);
        if (i > 0 && never)
            continue;
        if (!found)
            any = one;
        else
            widen(&any, &one);
        found = found || !never;
    }
    if (!any.has_low && !any.has_high)
        return;
    s->has_columns = true;
    s->b.left_time = any.b.left_time;
    s->b.right_time = any.b.right_time;
    if (any.has_low)
        narrow(s, true, any.b.low_us);
    if (any.has_high)
        narrow(s, false, any.b.high_us);
}

/* What follows for the times from e being true; negated: false. */
static void
read_condition(bound_state *s, const wr_expr *e, bool negated, const wr_schema *left,
               const wr_schema *right)
{
    switch (e->kind) {
    case WR_EXPR_NOT: read_condition(s, e->args[0], !negated, left, right); return;
    case WR_EXPR_IS_TRUE:
    case WR_EXPR_IS_FALSE:
        if (!negated)
            read_condition(s, e->args[0], e->kind == WR_EXPR_IS_FALSE, left, right);
        return;
    case WR_EXPR_AND:
    case WR_EXPR_OR:
        if ((e->kind == WR_EXPR_OR) != negated) {
            read_branches(s, e, negated, left, right);
            return;
        }
        for (uint32_t i = 0; i < e->arg_count; i++)
            read_condition(s, e->args[i], negated, left, right);
        return;
    default: read_comparison(s, e, negated, left, right);
    }
}

bool
wr_plan_join_bounds(const wr_plan *join, wr_plan_bounds *bounds)
{
    const wr_schema *left = join->inputs[0]->schema, *right = join->inputs[1]->schema;
    wr_expr *parts[CONJUNCTS_MAX];
    bound_state s = { 0 };
    if (join->join.mode != WR_JOIN_REGULAR)
        return false;
    for (uint32_t i = 0; i < join->join.key_count; i++) {
        uint32_t l = join->join.left_keys[i], r = join->join.right_keys[i];
        int64_t lo = left->fields[l].watermark_offset, ro = right->fields[r].watermark_offset;
        bool nulls_meet = join->join.null_equal && !(left->fields[l].not_null && right->fields[r].not_null);
        if (nulls_meet || lo == WR_NO_WATERMARK || ro == WR_NO_WATERMARK ||
            left->fields[l].type.id != right->fields[r].type.id)
            continue;
        if (!s.has_columns || lo > left->fields[s.b.left_time].watermark_offset) {
            s.b.left_time = l;
            s.b.right_time = r;
        }
        s.has_columns = s.has_low = s.has_high = true;
        s.b.low_us = s.b.high_us = 0;
    }
    if (!s.has_columns) {
        uint32_t n = wr_expr_conjuncts(join->join.residual, parts, CONJUNCTS_MAX);
        for (uint32_t i = 0; i < WR_MIN(n, (uint32_t)CONJUNCTS_MAX); i++)
            read_condition(&s, parts[i], false, left, right);
    }
    if (!s.has_low || !s.has_high)
        return false;
    *bounds = s.b;
    bounds->high_us = WR_MAX(s.b.low_us, s.b.high_us); /* no pair can be: the residual says so, and time passes */
    bounds->left_offset = left->fields[s.b.left_time].watermark_offset;
    bounds->right_offset = right->fields[s.b.right_time].watermark_offset;
    return true;
}

bool
wr_plan_join_changes(const wr_plan_options *options, const wr_plan *join, bool bound)
{
    wr_join_kind kind = join->join.kind;
    bool endless = options != NULL && !options->bounded;
    if (join->join.mode == WR_JOIN_ASOF || (join->join.mode == WR_JOIN_LOOKUP && endless))
        return false;
    bool outer = kind == WR_JOIN_LEFT || kind == WR_JOIN_RIGHT || kind == WR_JOIN_FULL ||
                 kind == WR_JOIN_ANTI;
    return join->inputs[0]->schema->kind != WR_INSERT_ONLY ||
           join->inputs[1]->schema->kind != WR_INSERT_ONLY ||
           (outer && endless && !bound && wr_plan_join_ends(options, join, bound) < 0);
}

/* Do the rows come from nowhere but the plan: VALUES, generate_series? */
static bool
is_constant(const wr_plan *plan)
{
    bool constant = plan->kind != WR_PLAN_SCAN;
    for (uint32_t i = 0; i < plan->input_count && constant; i++)
        constant = is_constant(plan->inputs[i]);
    return constant;
}

int32_t
wr_plan_join_ends(const wr_plan_options *options, const wr_plan *join, bool bound)
{
    wr_join_kind kind = join->join.kind;
    bool endless = options != NULL && !options->bounded;
    if (join->join.mode != WR_JOIN_REGULAR || !endless || bound ||
        join->inputs[0]->schema->kind != WR_INSERT_ONLY ||
        join->inputs[1]->schema->kind != WR_INSERT_ONLY)
        return -1;
    bool right = kind != WR_JOIN_RIGHT && kind != WR_JOIN_FULL;
    bool left = kind == WR_JOIN_INNER || kind == WR_JOIN_RIGHT || kind == WR_JOIN_SEMI;
    bool both = wr_plan_ends(join->inputs[0]) && wr_plan_ends(join->inputs[1]);
    for (int32_t side = 1; side >= 0; side--) {
        const wr_plan *p = join->inputs[side];
        if ((side == 1 ? right : left) && (both ? is_constant(p) : wr_plan_ends(p)))
            return side;
    }
    return -1;
}

/* Is e an equality of something of the left with something of the right? */
static bool
is_key(const wr_expr *e, uint32_t n)
{
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2 || strcmp(e->function->name, "=") != 0)
        return false;
    for (uint32_t i = 0; i < 2; i++) {
        const wr_expr *l = e->args[i], *r = e->args[1 - i];
        if (wr_expr_reads(l, 0, n) && !wr_expr_reads(l, n, UINT32_MAX - n) &&
            wr_expr_reads(r, n, UINT32_MAX - n) && !wr_expr_reads(r, 0, n))
            return true;
    }
    return false;
}

bool
wr_plan_join_asof(const wr_plan *join, wr_plan_asof *asof, const wr_expr **culprit)
{
    wr_expr *parts[CONJUNCTS_MAX];
    uint32_t n = join->inputs[0]->schema->field_count;
    uint32_t count = wr_expr_conjuncts(join->join.residual, parts, CONJUNCTS_MAX);
    bool found = false;
    *asof = (wr_plan_asof){ .reach_us = INT64_MAX };
    *culprit = NULL;
    for (uint32_t i = 0; i < WR_MIN(count, (uint32_t)CONJUNCTS_MAX); i++) {
        time_pair p;
        bool left = wr_expr_reads(parts[i], 0, n);
        bool right = wr_expr_reads(parts[i], n, UINT32_MAX - n);
        bool alone = (right && !left) || (left && !right && join->join.kind == WR_JOIN_INNER);
        if (is_key(parts[i], n) || alone) {
            asof->others++;
            continue;
        }
        *culprit = parts[i];
        bool known = found || asof->reach_us != INT64_MAX;
        if (!read_pair(parts[i], n, false, &p) || p.at_least == p.at_most ||
            (known && (p.left != asof->left_time || p.right != asof->right_time)) ||
            (p.at_least && (found || p.low_us < 0 || p.low_us > 1)) ||
            (p.at_most && (asof->reach_us != INT64_MAX || p.high_us < 0)))
            return false;
        asof->left_time = p.left;
        asof->right_time = p.right;
        if (p.at_least) {
            found = true;
            asof->strict = p.low_us == 1;
        } else {
            asof->reach_us = p.high_us;
        }
        *culprit = NULL;
    }
    return found && count <= CONJUNCTS_MAX;
}
