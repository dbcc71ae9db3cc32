/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/rules_impl.h -- the rules, one a file, and what they share.
 *
 * A rule takes a plan and gives one with the same rows and the same columns, at least as cheap.
 * *changed is set when it did something: wr_plan_optimise runs the rules until none does.
 */
#pragma once

#include "operator/moving_filter.h"
#include "plan/build.h"

typedef struct wr_rule_context {
    wr_arena *arena;
    const wr_plan_options *options; /* may be NULL */
    bool changed;
} wr_rule_context;

typedef weir_status (*wr_rule)(wr_rule_context *c, wr_plan **plan);

weir_status wr_rule_fold_constants(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_common_conjuncts(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_outer_to_inner(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_push_predicates(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_join_order(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_join_keys(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_join_constants(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_window_conditions(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_merge_projects(wr_rule_context *c, wr_plan **plan);
weir_status wr_rule_prune_columns(wr_rule_context *c, wr_plan **plan);

/* plan/cardinality.c: the share of rows for which a condition is true, by its form. */
double wr_plan_keeps(const wr_expr *condition);

/* plan/time_offset.c: after W no row has expr < W + offset; WR_NO_WATERMARK: no promise. */
int64_t wr_plan_expr_offset(const wr_expr *expr, const wr_schema *input);
/* Is expr column + us, exactly? */
bool wr_plan_expr_moment(const wr_expr *expr, uint32_t *column, int64_t *us);
/* offset + us, or no promise where there was none or the sum is out of all bounds. */
int64_t wr_plan_offset_add(int64_t offset, int64_t us);
/* Is there a function in expr that gives another value each time (or each batch)? */
bool wr_expr_is_volatile(const wr_expr *expr);
bool wr_expr_is_stable(const wr_expr *expr); /* volatile, or now() */
/* Does expr read a column in [first, first + count)? */
bool wr_expr_reads(const wr_expr *expr, uint32_t first, uint32_t count);
/* Does every relation below end by itself? */
bool wr_plan_ends(const wr_plan *plan);

/* plan/moving.c: is it a FILTER with conditions on now(), over input that does not end? */
bool wr_plan_is_moving(const wr_plan_options *options, const wr_plan *plan);
/* Its predicate as bounds and the rest (NULL: none); *odd: a condition that is neither (else NULL). */
weir_status wr_plan_moving_split(wr_arena *arena, wr_expr *predicate, wr_moving_bound **bounds,
                                 uint32_t *count, wr_expr **rest, const wr_expr **odd);
/* Refuse conditions on now() that cannot move.  place: for an error without a better one. */
weir_status wr_plan_check_moving(wr_arena *arena, const wr_plan *plan, int32_t place,
                                 weir_error *err);

/* plan/window_conditions.c.  Which bound of a WINDOW below is column c of plan, as it comes up through projects,
 * filters and groupings: 0 none, WR_KEY_WINDOW_START or _END. */
int32_t wr_plan_window_bound(wr_plan *plan, uint32_t column, wr_plan **window);
bool wr_plan_reads_window(wr_plan *plan, const wr_expr *expr);

/* plan/over_mode.c: how window functions are answered. */
typedef enum wr_plan_over_mode {
    WR_PLAN_OVER_AT_END,
    WR_PLAN_OVER_BY_TIME,
    WR_PLAN_OVER_ROLLING,
    WR_PLAN_OVER_CHANGES,
} wr_plan_over_mode;
/* How far ROLLING looks back from a row. */
typedef struct wr_plan_rolling {
    uint32_t time_column;
    bool all; /* without bound */
    int64_t reach_us;
    uint64_t reach_rows;
    bool keep_untimed; /* rows without a time stand last and wait for the end */
} wr_plan_rolling;
/* rolling is filled when it is ROLLING. */
wr_plan_over_mode wr_plan_over_mode_of(const wr_plan_options *options, const wr_plan *over,
                                       wr_plan_rolling *rolling);
/* The partition columns that all calls share (room for the first call's): rows that agree meet. */
uint32_t wr_plan_over_shared(const wr_plan *over, uint32_t *columns);
void wr_plan_derive_over(const wr_plan_options *options, wr_plan *plan);
weir_status wr_plan_check_over(const wr_plan_options *options, const wr_plan *plan,
                               weir_error *err);
void wr_plan_explain_over(const wr_plan *plan, const wr_plan_options *options, wr_text *to);

/* plan/join_extreme.c: joins of rows with the greatest or least of their own group, as ranks. */
weir_status wr_plan_find_extremes(wr_arena *arena, const wr_plan_options *options, wr_plan *plan,
                                  bool *changed);

/* plan/top_n.c: patterns that are a TOP_N; and what follows for one. */
weir_status wr_plan_find_top_n(wr_arena *arena, const wr_plan_options *options, wr_plan *plan,
                               bool *changed);
weir_status wr_plan_derive_top_n(wr_arena *arena, const wr_plan_options *options, wr_plan *plan);
/* The partition column whose watermark forgets partitions; -1: none. */
int32_t wr_plan_top_n_time(const wr_plan *plan);
void wr_plan_explain_top_n(const wr_plan *plan, const wr_plan_options *options, uint32_t depth,
                           wr_text *to);

/* A session WINDOW that no aggregate takes, as window functions; bounded queries
 * (plan/session_rows.c). */
weir_status wr_plan_expand_session(wr_arena *arena, wr_plan *window, weir_error *err);
/* Where the statement speaks of the node, or of what is below; -1. */
int32_t wr_plan_place(const wr_plan *plan);
/* plan/join_checks.c: refuse a join that keeps too much, or cannot keep its word. */
weir_status
wr_plan_check_join(const wr_plan_options *options, const wr_plan *plan, weir_error *err);
/* The state of a join and what makes its rows come out, without the end of the line. */
void wr_plan_explain_join(const wr_plan *plan, const wr_plan_options *options, wr_text *to);
