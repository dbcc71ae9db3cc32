/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/aggregate.h -- aggregate functions: one struct each, one registry.
 *
 * A state is `state_bytes` of flat memory inside a hash table's group slot, zeroed before init.  A
 * flat state holds no pointer and may be copied with memcpy.  An aggregate with `nested` keeps more
 * memory in the arena of its pane (wr_agg_ctx.arena); dropping the pane drops it: there is no fini.
 *
 * Invariants  G1  update a row at a time or a batch at a time give the same state bytes' meaning
 *             G2  merge(a, b) equals updating a with b's rows (floats: to 1e-12 relative)
 *             G3  retract undoes update exactly; NULL means the aggregate cannot, and the planner
 *                 takes panes or rebuilds
 *             G4  decode(encode(state)) is the state
 */
#pragma once

#include "data/snapshot.h"
#include "expr/expr.h"

typedef struct wr_agg_ctx {
    wr_arena      *arena;    /* memory that lives as long as the pane's states */
    const wr_type *args;     /* argument types of this call                    */
    uint32_t       arg_count;
    wr_type        result;
    bool           failed;   /* memory ran out                                 */
    const struct wr_aggregate *aggregate; /* the call's own                    */
    uint64_t       idle_bytes; /* given up in the arena; the owner takes note  */
    uint64_t       unknown;    /* rows taken back that had not come            */
} wr_agg_ctx;

/* One key of ORDER BY inside a call. */
typedef struct wr_agg_order {
    bool descending, nulls_first;
} wr_agg_order;

typedef struct wr_aggregate {
    const char *name;
    uint8_t     arg_count;
    wr_type     args[4];
    wr_type     result;
    wr_type   (*result_of)(const wr_type *args, uint32_t arg_count); /* NULL: result */
    uint32_t    state_bytes; /* multiple of 8 */
    bool        nested;
    bool        ignores_null; /* rows with a NULL argument are skipped by the caller  */
    bool        order_matters;
    bool        plain;        /* the state is the result: one int8 that is never NULL */
    bool        counts;       /* and that is the number of rows                       */
    void (*init)(wr_agg_ctx *ctx, void *state); /* NULL: zeroed is right */
    /* For i in 0..rows.count: states[i] + offset is the state of the i-th row of `rows`.  args have
     * any layout.  The caller has left out rows that a FILTER or a NULL argument excludes. */
    void (*update)(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
                   wr_rows rows);
    void (*retract)(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
                    wr_rows rows);
    void (*merge)(wr_agg_ctx *ctx, void *into, const void *from);
    void (*unmerge)(wr_agg_ctx *ctx, void *from, const void *part); /* NULL unless retract: into -= part */
    /* Write the result of one state at row of out (type ctx->result; forms may be set on row 0). A 3xxx status
     * marks the row failed (overflow of a sum). */
    weir_status (*result_at)(wr_agg_ctx *ctx, const void *state, wr_arena *step, wr_column *out,
                             uint32_t row);
    void (*encode)(wr_agg_ctx *ctx, const void *state, wr_snapshot_writer *to);
    weir_status (*decode)(wr_agg_ctx *ctx, void *state, wr_snapshot_reader *from);
    const char *doc;
} wr_aggregate;

/* Like wr_function_resolve.  count(*) has no arguments.  Errors: WEIR_QUERY_NO_FUNCTION. */
weir_status wr_aggregate_resolve(const char *name, const wr_type *args, uint32_t arg_count,
                                 const wr_aggregate **aggregate, wr_type *arg_types,
                                 wr_type *result, weir_error *err);
bool wr_aggregate_exists(const char *name);
typedef void (*wr_aggregate_visit)(const wr_aggregate *aggregate, void *user);
void wr_aggregate_each(wr_aggregate_visit visit, void *user);

/* Its arguments, and behind them the expressions that only order its rows. */
enum { WR_AGG_ARGS_MAX = 8 };

/* One aggregate call in a plan. */
typedef struct wr_agg_call {
    const wr_aggregate *aggregate;
    wr_type             result;
    uint32_t            arg_count;
    wr_expr            *args[WR_AGG_ARGS_MAX];
    wr_expr            *filter;   /* FILTER (WHERE ...), or NULL                          */
    bool                distinct; /* over distinct arguments                              */
    uint32_t            order_count; /* the last of args only order the others            */
    const wr_agg_order *order;
    int32_t             location;
} wr_agg_call;
