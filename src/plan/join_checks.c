/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_checks.c -- joins: what is refused, and what is kept for how long.
 *
 * Invariants  J1  what an endless join keeps has a bound that the watermark moves, a ttl, or the
 *                 author's word
 *             J2  rows that have been chosen once (as-of, lookup) cannot be taken back: their left
 *                 input is insert-only, and so is an as-of join's right, or upserts
 */
#include "plan/rules_impl.h"

#include "data/datetime.h"

#include <string.h>

static weir_status
refuse(const wr_plan *plan, weir_error *err, weir_status code, const char *what, const char *hint)
{
    weir_status status = wr_error_at(err, code, wr_plan_place(plan), "%s", what);
    wr_error_hint(err, "%s", hint);
    return status;
}

/* Times an as-of join compares have watermarks; its inputs stay, or are the versions of a source. */
static weir_status
check_asof(const wr_plan_options *options, const wr_plan *plan, weir_error *err)
{
    const wr_schema *sides[2] = { plan->inputs[0]->schema, plan->inputs[1]->schema };
    wr_plan_asof asof;
    const wr_expr *culprit;
    if (sides[0]->kind != WR_INSERT_ONLY)
        return refuse(plan, err, WEIR_QUERY_UNSUPPORTED,
                      "an as-of join cannot take back what it has given: its left side changes rows",
                      "make the left side final: emit: final on the view below; or join both as they stand, "
                      "with a plain JOIN");
    if (sides[1]->kind == WR_CHANGELOG)
        return refuse(plan, err, WEIR_QUERY_UNSUPPORTED,
                      "an as-of join needs every version as a row, and its right side changes rows",
                      "join with what it is made from: a source with `key`, or asof((SELECT ... FROM "
                      "that source WHERE ...)); or by arrival: JOIN lookup(t) t ON ...");
    if (!wr_plan_join_asof(plan, &asof, &culprit))
        return refuse(plan, err, WEIR_QUERY, "an as-of join compares two times",
                      "ON q.sym = t.sym AND q.ts <= t.ts");
    if (asof.others > 0)
        return refuse(plan, err, WEIR_QUERY_UNSUPPORTED,
                      "a condition of this as-of join is neither a key nor about its right side",
                      "compare columns of one type with =, and filter in a sub-select");
    if (options->bounded || wr_plan_ends(plan))
        return WEIR_OK;
    uint32_t columns[2] = { asof.left_time, asof.right_time };
    for (int p = 0; p < 2; p++) {
        const wr_field *f = &sides[p]->fields[columns[p]];
        if (f->watermark_offset != WR_NO_WATERMARK)
            continue;
        weir_status status = wr_error_at(err, WEIR_QUERY_UNBOUNDED, wr_plan_place(plan),
                                         "an as-of join never knows its partners: \"%s\" of its %s "
                                         "side has no watermark",
                                         f->name, p == 0 ? "left" : "right");
        wr_error_hint(err, "set watermark: on the source to this column, or compare the column "
                           "that has one");
        return status;
    }
    return WEIR_OK;
}

static weir_status
check_lookup(const wr_plan_options *options, const wr_plan *plan, weir_error *err)
{
    if (plan->inputs[0]->schema->kind != WR_INSERT_ONLY)
        return refuse(plan, err, WEIR_QUERY_UNSUPPORTED,
                      "a lookup cannot take back what it has given: its left side changes rows",
                      "make the left side final, or join with the relation itself");
    bool held = plan->inputs[1]->schema->kind != WR_INSERT_ONLY || wr_plan_is_table(plan->inputs[1]);
    if (held || options->unbounded_state || options->ttl_us > 0)
        return WEIR_OK;
    return refuse(plan, err, WEIR_QUERY_UNBOUNDED,
                  "the lookup keeps every row of its right side, which never ends and replaces none",
                  "give the source a key, so that a row replaces the one before it, or set "
                  "state: { ttl: 1h } or state: { unbounded: true }");
}

weir_status
wr_plan_check_join(const wr_plan_options *options, const wr_plan *plan, weir_error *err)
{
    wr_plan_bounds bounds;
    if (plan->join.mode == WR_JOIN_ASOF)
        return check_asof(options, plan, err);
    if (options->bounded || wr_plan_ends(plan))
        return WEIR_OK;
    if (plan->join.mode == WR_JOIN_LOOKUP)
        return check_lookup(options, plan, err);
    if (options->unbounded_state || options->ttl_us > 0 || wr_plan_join_bounds(plan, &bounds) ||
        wr_plan_is_table(plan) || wr_plan_join_ends(options, plan, false) >= 0)
        return WEIR_OK;
    if (plan->join.key_count == 0 && plan->join.residual == NULL)
        return refuse(plan, err, WEIR_QUERY_UNBOUNDED,
                      "a join without a condition pairs every row with every other, without bound",
                      "add a condition with a time bound: a.ts BETWEEN b.ts - interval '10 seconds' "
                      "AND b.ts, or equal window_start columns");
    return refuse(
        plan, err, WEIR_QUERY_UNBOUNDED, "the join keeps every row of both sides, without bound",
        "join on equal window_start columns, or add a time bound: a.ts BETWEEN b.ts - interval "
        "'10 minutes' AND b.ts, or set state: { ttl: 1h } or state: { unbounded: true }");
}

/* --- EXPLAIN --- */

static void
put_us(wr_text *to, int64_t us)
{
    wr_interval v = { 0, (int32_t)(us / WR_US_PER_DAY), us % WR_US_PER_DAY };
    wr_interval_print(&v, to);
}

/* side rows with name >= W - age */
static void
put_kept(wr_text *to, const char *side, const char *name, int64_t age)
{
    wr_text_printf(to, "%s rows with %s >= W", side, name);
    if (age == 0)
        return;
    wr_text_puts(to, age > 0 ? " - " : " + ");
    put_us(to, age > 0 ? age : -age);
}

static void
put_bound_state(const wr_plan *plan, const wr_plan_bounds *b, bool changes, wr_text *to)
{
    int64_t left = -b->low_us - b->right_offset, right = b->high_us - b->left_offset;
    if (changes) { /* a row may be taken back as long as its own side may speak of it */
        left = WR_MAX(left, -b->left_offset);
        right = WR_MAX(right, -b->right_offset);
    }
    wr_text_puts(to, "state: ");
    put_kept(to, "left", plan->inputs[0]->schema->fields[b->left_time].name, left);
    put_kept(to, ", right", plan->inputs[1]->schema->fields[b->right_time].name, right);
}

static void
put_asof_state(const wr_plan_options *options, const wr_plan *plan, wr_text *to)
{
    wr_plan_asof asof;
    const wr_expr *culprit;
    const wr_schema *left = plan->inputs[0]->schema, *right = plan->inputs[1]->schema;
    bool bounded = options == NULL || options->bounded;
    if (bounded || !wr_plan_join_asof(plan, &asof, &culprit)) {
        wr_text_puts(to, "state: both inputs");
        return;
    }
    int64_t lo = left->fields[asof.left_time].watermark_offset;
    int64_t ro = right->fields[asof.right_time].watermark_offset;
    wr_text_puts(to, "state: ");
    put_kept(to, "left", left->fields[asof.left_time].name, -ro);
    put_kept(to, ", right", right->fields[asof.right_time].name, -WR_MIN(lo, ro));
    bool versions = right->kind == WR_UPSERT;
    wr_text_printf(to, " and the last one before, of each key%s", versions ? " that stands" : "");
    if (asof.reach_us != INT64_MAX) {
        wr_text_puts(to, " that is not ");
        put_us(to, asof.reach_us);
        wr_text_puts(to, " older");
    }
}

void
wr_plan_explain_join(const wr_plan *plan, const wr_plan_options *options, wr_text *to)
{
    wr_plan_bounds b;
    bool bounded = options == NULL || options->bounded;
    bool bound = !bounded && wr_plan_join_bounds(plan, &b);
    if (plan->join.mode == WR_JOIN_ASOF)
        put_asof_state(options, plan, to);
    else if (bounded)
        wr_text_puts(to, "state: both inputs");
    else if (plan->join.mode == WR_JOIN_LOOKUP)
        wr_text_puts(to, options->ttl_us > 0 ? "state: right rows within the ttl"
                                             : "state: the rows that the right side holds");
    else if (bound)
        put_bound_state(plan, &b, wr_plan_join_changes(options, plan, bound), to);
    else if (wr_plan_join_ends(options, plan, bound) >= 0)
        wr_text_printf(to, "state: the %s rows, which end; %s rows wait until these are there",
                       wr_plan_join_ends(options, plan, bound) == 1 ? "right" : "left",
                       wr_plan_join_ends(options, plan, bound) == 1 ? "left" : "right");
    else
        wr_text_puts(to, options->ttl_us > 0       ? "state: rows seen within the ttl"
                         : wr_plan_is_table(plan) ? "state: the rows that both tables hold"
                                                  : "state: all rows ever seen");
    if (plan->join.mode == WR_JOIN_LOOKUP && !bounded)
        wr_text_puts(to, "; triggered by: left rows alone, as they arrive (the order of arrival counts)");
    else if (plan->join.mode == WR_JOIN_ASOF && !bounded)
        wr_text_puts(to, "; triggered by: left rows, when the watermark has passed them");
}
