/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_bounds.c -- how far apart in time the two rows of a joined pair can be.
 *
 *     a.ts BETWEEN b.ts AND b.ts + interval '1 minute'     low 0, high 60 s
 *     a.window_start = b.window_start                      low 0, high 0
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

static bool
read_term(const wr_expr *e, uint32_t left_count, time_term *out)
{
    if (e->type.id != WR_TIMESTAMP && e->type.id != WR_TIMESTAMPTZ)
        return false;
    if (e->kind == WR_EXPR_COLUMN) {
        out->left = e->column < left_count;
        out->column = out->left ? e->column : e->column - left_count;
        out->us = 0;
        return true;
    }
    bool shifted = e->kind == WR_EXPR_CALL && e->arg_count == 2 &&
                   (strcmp(e->function->name, "+") == 0 || strcmp(e->function->name, "-") == 0) &&
                   e->args[1]->kind == WR_EXPR_CONSTANT && e->args[1]->type.id == WR_INTERVAL &&
                   !e->args[1]->constant.is_null && e->args[1]->constant.interval.months == 0;
    if (!shifted || !read_term(e->args[0], left_count, out))
        return false;
    wr_interval v = e->args[1]->constant.interval;
    int64_t us = (int64_t)v.days * WR_US_PER_DAY;
    if (__builtin_add_overflow(us, v.us, &us))
        return false;
    return e->function->name[0] == '+' ? !__builtin_add_overflow(out->us, us, &out->us)
                                       : !__builtin_sub_overflow(out->us, us, &out->us);
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

static void
read_conjunct(bound_state *s, const wr_expr *e, const wr_schema *left, const wr_schema *right)
{
    time_term a, c;
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2 ||
        !read_term(e->args[0], left->field_count, &a) ||
        !read_term(e->args[1], left->field_count, &c) || a.left == c.left)
        return;
    const char *op = e->function->name;
    bool less = op[0] == '<' && op[1] != '>', greater = op[0] == '>', equal = op[0] == '=';
    if (!less && !greater && !equal)
        return;
    if (!a.left) { /* b op a: turn around */
        time_term t = a;
        a = c;
        c = t;
        bool swap = less;
        less = greater;
        greater = swap;
    }
    if (left->fields[a.column].watermark_offset == WR_NO_WATERMARK ||
        right->fields[c.column].watermark_offset == WR_NO_WATERMARK)
        return;
    if (s->has_columns && (s->b.left_time != a.column || s->b.right_time != c.column))
        return;
    int64_t us;
    if (__builtin_sub_overflow(c.us, a.us, &us) || us > INT64_MAX / 4 || us < -INT64_MAX / 4)
        return;
    s->has_columns = true;
    s->b.left_time = a.column;
    s->b.right_time = c.column;
    bool strict = op[1] == '\0' && !equal;
    if (greater || equal)
        narrow(s, true, us + (strict ? 1 : 0));
    if (less || equal)
        narrow(s, false, us - (strict ? 1 : 0));
}

bool
wr_plan_join_bounds(const wr_plan *join, wr_plan_bounds *bounds)
{
    const wr_schema *left = join->inputs[0]->schema, *right = join->inputs[1]->schema;
    wr_expr *parts[CONJUNCTS_MAX];
    bound_state s = { 0 };
    for (uint32_t i = 0; i < join->join.key_count && !join->join.null_equal; i++) {
        uint32_t l = join->join.left_keys[i], r = join->join.right_keys[i];
        int64_t lo = left->fields[l].watermark_offset, ro = right->fields[r].watermark_offset;
        if (lo == WR_NO_WATERMARK || ro == WR_NO_WATERMARK ||
            left->fields[l].type.id != right->fields[r].type.id ||
            left->fields[l].type.id == WR_DATE)
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
            read_conjunct(&s, parts[i], left, right);
    }
    if (!s.has_low || !s.has_high || s.b.low_us > s.b.high_us)
        return false;
    *bounds = s.b;
    bounds->left_offset = left->fields[s.b.left_time].watermark_offset;
    bounds->right_offset = right->fields[s.b.right_time].watermark_offset;
    return true;
}

bool
wr_plan_join_changes(const wr_plan_options *options, const wr_plan *join, bool bound)
{
    wr_join_kind kind = join->join.kind;
    bool outer = kind == WR_JOIN_LEFT || kind == WR_JOIN_RIGHT || kind == WR_JOIN_FULL ||
                 kind == WR_JOIN_ANTI;
    bool endless = options != NULL && !options->bounded;
    return join->inputs[0]->schema->kind != WR_INSERT_ONLY ||
           join->inputs[1]->schema->kind != WR_INSERT_ONLY || (outer && endless && !bound);
}
