/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/plan.h -- the logical plan: what sql/ makes, rules rewrite, lowering turns into a job.
 *
 * Place       a tree in a statement arena, const once planned.  Each node's expressions are over the
 *             columns of its input(s): for a join, left's columns then right's.
 * Invariants  P1  schema describes the node's output: names, types, watermark offsets, kind, key
 *             P2  a node's location is its place in the statement (-1: made by a rule)
 *             P3  a subquery is planned away: no expression holds a plan
 */
#pragma once

#include "catalog/catalog.h"
#include "expr/aggregate.h"
#include "operator/aggregate.h"
#include "operator/join.h"
#include "operator/over.h"
#include "operator/sort.h"
#include "operator/top_n.h"
#include "operator/window.h"

typedef enum wr_plan_kind {
    WR_PLAN_SCAN,      /* relation                                                            */
    WR_PLAN_VALUES,    /* rows of constant expressions; no input (one empty row: SELECT 1)    */
    WR_PLAN_FILTER,
    WR_PLAN_PROJECT,
    WR_PLAN_WINDOW,    /* input + window_start, window_end                                    */
    WR_PLAN_AGGREGATE, /* keys (columns of the input), then calls                             */
    WR_PLAN_JOIN,
    WR_PLAN_UNION,     /* UNION ALL                                                           */
    WR_PLAN_SORT,      /* ORDER BY, LIMIT, OFFSET                                             */
    WR_PLAN_SETOP,     /* INTERSECT / EXCEPT [ALL]                                            */
    WR_PLAN_OVER,      /* window functions: input + one column a call                         */
    WR_PLAN_UNNEST,    /* input + set-returning function columns                              */
    WR_PLAN_TOP_N,     /* the first rows of each partition, maintained; input + rank          */
    WR_PLAN_DEDUP,     /* the first row of each key within a span of event time               */
} wr_plan_kind;

/* Which rows of the right side a left row meets. */
typedef enum wr_join_mode {
    WR_JOIN_REGULAR, /* all that match                                                          */
    WR_JOIN_ASOF,    /* of those that match, the last at or before the left row's time           */
    WR_JOIN_LOOKUP,  /* those that match and are there when the left row comes                   */
} wr_join_mode;

enum { WR_PLAN_CROSSED_MAX = 8 };

typedef struct wr_plan wr_plan;

typedef struct wr_over_call {
    const char        *name; /* row_number, rank, ..., or an aggregate's                      */
    wr_over_function   function;
    const wr_aggregate *aggregate; /* NULL for the pure window functions                      */
    wr_type            result;
    uint32_t           arg_count;
    wr_expr           *args[4];
    wr_expr           *filter;
    int32_t            location;
    uint32_t           partition_count;
    uint32_t          *partition;  /* input columns */
    uint32_t           order_count;
    wr_sort_key       *order;
    wr_frame_mode      mode;
    wr_frame_exclude   exclude;
    wr_frame_end       start, end;
} wr_over_call;

struct wr_plan {
    wr_plan_kind kind;
    int32_t      location;
    int32_t      number;  /* for EXPLAIN ANALYZE, from 1 (wr_plan_number); 0: made after that */
    wr_schema   *schema;
    uint32_t     input_count;
    wr_plan    **inputs;
    union {
        struct {
            wr_relation *relation;
            uint32_t     column_count;
            uint32_t    *columns;   /* columns of the relation this scan gives, in order (projection pushed down) */
            wr_expr     *predicate; /* pushed into the decoder, over the relation's columns; NULL */
            const struct wr_plan_route *route; /* what of it an index answers (plan/route.h); NULL: nothing */
        } scan;
        struct {
            uint32_t   row_count;
            wr_expr ***rows; /* [row][column] */
        } values;
        struct {
            wr_expr *predicate;
        } filter;
        struct {
            wr_expr **exprs; /* schema->field_count */
            bool      quiet; /* only columns; what changes in other columns alone is left out, by the key */
        } project;
        struct {
            wr_window_spec spec;     /* SESSION: keys too */
            uint32_t       key_count;
            uint32_t      *keys;
            uint32_t       told_count; /* conditions said of the time below: see window_conditions.c */
            uint64_t       told[WR_PLAN_CROSSED_MAX];
        } window;
        struct {
            uint32_t     key_count;
            uint32_t    *keys;       /* input columns */
            uint32_t     call_count;
            wr_agg_call *calls;
            bool         global;     /* no GROUP BY */
            wr_emit      emit;       /* set by wr_plan_bound */
        } aggregate;
        struct {
            wr_join_kind kind;
            wr_join_mode mode;
            uint32_t     key_count;
            uint32_t    *left_keys, *right_keys;
            wr_expr     *residual;   /* what is left of ON; NULL */
            bool         null_equal;
            bool         single;     /* scalar subquery: more than one match is QUERY_CARDINALITY */
            uint32_t     crossed_count; /* conditions on keys that hold on both sides: see join_constants.c */
            uint64_t     crossed[WR_PLAN_CROSSED_MAX];
        } join;
        struct {
            uint32_t     key_count;
            wr_sort_key *keys;
            uint64_t     limit, offset; /* limit UINT64_MAX: none */
            bool         with_ties;
        } sort;
        struct {
            uint32_t         partition_count;
            uint32_t        *partition; /* input columns */
            uint32_t         key_count;
            wr_sort_key     *keys;
            wr_rank_function function;
            uint64_t         low, high;   /* ranks [low, high], 1-based */
            bool             with_ties;
            bool             rank_column; /* one more column than the input */
            bool             rank_used;   /* somebody reads it */
        } top;
        struct {
            uint32_t  key_count;
            uint32_t *keys;        /* input columns */
            uint32_t  time_column;
            int64_t   span_us;
        } dedup;
        struct {
            bool intersect; /* else except */
            bool all;
        } setop;
        struct {
            uint32_t      call_count;
            wr_over_call *calls;
            uint32_t      most; /* of the one call, a rank: rows above it need not come out; 0: all must */
            bool          by_time; /* rows are late for it though the input ends (plan/join_extreme.c) */
        } over;
        struct {
            uint32_t            call_count;
            wr_expr           **calls;        /* set-returning calls, evaluated side by side */
            bool                outer;        /* keep the row when nothing comes             */
            bool                ordinality;
        } unnest;
    };
};

/* What the user asked of the whole query; from the view's keys in the pipeline file. */
typedef struct wr_plan_options {
    bool           bounded;      /* weir query: every input ends                             */
    bool           emit_given;
    wr_emit        emit;
    bool           late_given;
    wr_late_policy late;
    uint64_t       lateness_us;
    bool           unbounded_state; /* state: { unbounded: true }                             */
    uint64_t       ttl_us;
    wr_time        now;          /* what now() folds to in bounded queries                   */
    const char *const *params;   /* $1, $2, ... as text, NULL elements are NULL; borrowed while binding */
    uint32_t       param_count;
} wr_plan_options;

wr_plan *wr_plan_create(wr_arena *arena, wr_plan_kind kind, uint32_t input_count, uint32_t field_count);

/* A deep copy in another arena; shares relations, functions and aggregates alone, and names with other copies by way of
 * strings (NULL: with none).  NULL: no memory. */
wr_plan *wr_plan_detach(wr_arena *arena, wr_names *strings, const wr_plan *plan);

/*
 * Run the rules (plan/rules.c, one rule a file) until nothing changes: constant folding, predicate
 * and projection push-down, window fusion, key extraction, empty-relation removal.
 */
weir_status wr_plan_optimise(wr_arena *arena, const wr_plan_options *options, wr_plan **plan,
                             weir_error *err);
/*
 * Kinds (insert-only/upsert/changelog), watermark offsets, state bounds.  Refuses what has no bound
 * (QUERY_UNBOUNDED) with the operator's place and what to write instead.
 */
weir_status wr_plan_bound(wr_arena *arena, const wr_plan_options *options, wr_plan *plan,
                          weir_error *err);
/* Do only keyed tables (and what ends by itself) stand below?  Then so many rows stand at any time as
 * there are keys, and state over them is bounded by these. */
bool        wr_plan_is_table(const wr_plan *plan);
/* About how many rows it gives (at a time, where they change), for the order of joins alone; 0: not known. */
double      wr_plan_rows(const wr_plan *plan);
/* Numbers for the nodes, parents first; what lowering makes of a node bears its number (wr_job_op.plan_id). */
void        wr_plan_number(wr_plan *plan);
/* What else there is to say of a node of the plan `root`, on one line; false: nothing. */
typedef struct wr_plan_notes {
    bool (*note)(void *user, const wr_plan *root, const wr_plan *node, wr_text *to);
    void *user;
} wr_plan_notes;
/* EXPLAIN: a text tree with key, kind, watermark, what was pushed down, the state bound as a formula.
 * notes may be NULL. */
void        wr_plan_explain(const wr_plan *plan, const wr_plan_options *options,
                            const wr_plan_notes *notes, wr_text *to);
/* Canonical bytes; equal plans give equal bytes (constants kept): for sharing and fingerprints. */
void        wr_plan_hash_text(const wr_plan *plan, wr_text *to);
/* The same without the names of columns: equal bytes, equal rows. */
void        wr_plan_shape_text(const wr_plan *plan, wr_text *to);
