/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/build.h -- making and walking plan nodes: what the binder and the rules share.
 *
 * Every maker computes the node's schema from its inputs (P1) and returns NULL when the arena is
 * out of memory.  Inputs and expressions are taken by reference: a node belongs to one tree only
 * (wr_plan_copy).
 */
#pragma once

#include "expr/function.h"
#include "plan/plan.h"

wr_plan *wr_plan_make_scan(wr_arena *arena, wr_relation *relation, int32_t location);
/* row_count rows of constant expressions; names may be NULL ("column1", ...). */
wr_plan *wr_plan_make_values(wr_arena *arena, wr_expr ***rows, uint32_t row_count,
                             const wr_type *types, uint32_t column_count, int32_t location);
/* One row without columns: the input of SELECT without FROM. */
wr_plan *wr_plan_make_one_row(wr_arena *arena, int32_t location);
wr_plan *wr_plan_make_filter(wr_arena *arena, wr_plan *input, wr_expr *predicate, int32_t location);
wr_plan *wr_plan_make_project(wr_arena *arena, wr_plan *input, wr_expr **exprs,
                              const char *const *names, uint32_t count, int32_t location);
/* Columns picked and reordered; names from the input. */
wr_plan *
wr_plan_make_pick(wr_arena *arena, wr_plan *input, const uint32_t *columns, uint32_t count);
/* window_start and window_end are appended; type is theirs. */
wr_plan *wr_plan_make_window(wr_arena *arena, wr_plan *input, const wr_window_spec *spec,
                             const uint32_t *keys, uint32_t key_count, int32_t location);
/* keys are columns of the input; columns of calls are named after their aggregates. */
wr_plan *wr_plan_make_aggregate(wr_arena *arena, wr_plan *input, const uint32_t *keys,
                                uint32_t key_count, const wr_agg_call *calls, uint32_t call_count,
                                bool global, int32_t location);
wr_plan *wr_plan_make_join(wr_arena *arena, wr_join_kind kind, wr_plan *left, wr_plan *right,
                           wr_expr *residual, int32_t location);
wr_plan *
wr_plan_make_union(wr_arena *arena, wr_plan *const *inputs, uint32_t count, int32_t location);
wr_plan *wr_plan_make_setop(wr_arena *arena, wr_plan *left, wr_plan *right, bool intersect,
                            bool all, int32_t location);
wr_plan *
wr_plan_make_sort(wr_arena *arena, wr_plan *input, const wr_sort_key *keys, uint32_t key_count,
                  uint64_t limit, uint64_t offset, bool with_ties, int32_t location);
wr_plan *wr_plan_make_over(wr_arena *arena, wr_plan *input, const wr_over_call *calls,
                           uint32_t call_count, int32_t location);
wr_plan *wr_plan_make_dedup(wr_arena *arena, wr_plan *input, const uint32_t *keys,
                            uint32_t key_count, uint32_t time_column, int64_t span_us,
                            int32_t location);
/* types[i] is what one row of calls[i] gives. */
wr_plan *wr_plan_make_unnest(wr_arena *arena, wr_plan *input, wr_expr **calls, const wr_type *types,
                             uint32_t call_count, bool ordinality, bool outer, int32_t location);

/* A deep copy: nodes and arrays; expressions are const and shared. */
wr_plan *wr_plan_copy(wr_arena *arena, const wr_plan *plan);

/*
 * Replace each expression of one node (not of its inputs) by map(expr, user); map returns NULL to
 * stop. false: stopped.
 */
typedef wr_expr *(*wr_plan_expr_map)(wr_expr *expr, void *user);
bool wr_plan_map_exprs(wr_plan *plan, wr_plan_expr_map map, void *user);

/* Copy of expr in which map(node, user) replaces a subtree where it returns non-NULL; NULL: no
 * memory. */
wr_expr *wr_expr_rewrite(wr_arena *arena, wr_expr *expr, wr_plan_expr_map map, void *user);
/* Calls visit for each node of the tree, parents first. */
void wr_expr_walk(const wr_expr *expr, void (*visit)(const wr_expr *expr, void *user), void *user);
/* a AND b, either may be NULL. */
wr_expr *wr_expr_and(wr_arena *arena, wr_expr *a, wr_expr *b);
/* Top-level conjuncts of expr into list (room for max); returns the count, or max + 1 when there
 * are more. */
uint32_t wr_expr_conjuncts(wr_expr *expr, wr_expr **list, uint32_t max);

/*
 * Recompute what follows from the inputs, bottom up over the whole tree: watermark offsets, kinds,
 * keys, NOT NULL, the window specs' watermark offsets.
 */
weir_status wr_plan_derive(wr_arena *arena, const wr_plan_options *options, wr_plan *plan);

/* How an aggregate meets time; see plan/fuse.c. */
typedef struct wr_plan_time {
    bool fused; /* with `window`, a WINDOW below                              */
    bool session;
    const wr_plan *window;
    int32_t *key_bounds; /* fused: WR_KEY_WINDOW_START or _END for such keys, else 0   */
    int32_t time_key;    /* index into keys, -1: none                                  */
    int64_t time_offset;
} wr_plan_time;
/* options may be NULL: bounded. */
weir_status wr_plan_aggregate_time(wr_arena *arena, const wr_plan_options *options,
                                   const wr_plan *aggregate, wr_plan_time *time);
/*
 * The input of a fused aggregate without its WINDOW: the same columns (window bounds are NULL), and
 * more; *time is where its time column stands.
 */
weir_status
wr_plan_strip_window(wr_arena *arena, const wr_plan *aggregate, wr_plan **out, uint32_t *time);

/* The distance of two time columns that a join keeps within bounds, from its keys or its residual.
 */
typedef struct wr_plan_bounds {
    uint32_t left_time, right_time; /* columns of left and of right */
    int64_t low_us, high_us;        /* left_time between right_time + low and right_time + high */
    int64_t left_offset, right_offset;
} wr_plan_bounds;
bool wr_plan_join_bounds(const wr_plan *join, wr_plan_bounds *bounds);
/*
 * What an as-of join's residual says: right_time <= left_time (strict: <), perhaps not older than reach.
 * false: it says something else; *culprit is the condition that does, NULL when the comparison of times
 * is missing.  Equalities and conditions on one side, which rules move away, are only counted.
 */
typedef struct wr_plan_asof {
    uint32_t left_time, right_time; /* columns of left and of right */
    bool strict;
    int64_t reach_us; /* INT64_MAX: none */
    uint32_t others;  /* equalities and conditions on one side that are still there */
} wr_plan_asof;
bool wr_plan_join_asof(const wr_plan *join, wr_plan_asof *asof, const wr_expr **culprit);
/*
 * The side of a regular join that ends while the other goes on, or of two that end the one that no source makes; -1:
 * none.  Rows of the other wait until it has ended, and are let go then; what the join gives it does not take back.
 * Only where rows of that side need not be told whether they had a partner.
 */
int32_t wr_plan_join_ends(const wr_plan_options *options, const wr_plan *join, bool bound);
/* Does the join take back what it has given?  bound: it has a time bound that lets state go. */
bool wr_plan_join_changes(const wr_plan_options *options, const wr_plan *join, bool bound);
/* Is there a column with a watermark in every partition list of an OVER?  Then partitions end. */
bool wr_plan_over_time(const wr_plan *over, int32_t *column);
