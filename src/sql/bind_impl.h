/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_impl.h -- the binder's own types: scopes, one query under construction, placeholders.
 *
 * A SELECT is bound clause by clause over one scope: the columns of its FROM.  What has no column
 * yet while expressions are bound stands in them as a COLUMN numbered from one of the spaces below,
 * and is replaced when the operator that makes it has been planned: FROM -> WHERE -> AGGREGATE ->
 * subqueries, HAVING -> OVER -> UNNEST -> PROJECT -> DISTINCT -> SORT
 *
 * Invariants  B1  a COLUMN below WR_SQL_AGGREGATE is a column of the plan the expression is over
 *             B2  an OUTER column names its scope by number, so it means the same wherever its plan
 * is moved; wr_sql_apply (bind_correlate.c) removes those of the scope it joins to B3  every error
 * has a place
 */
#pragma once

#include "plan/build.h"
#include "sql/sql.h"
#include "sql/tree_impl.h"

enum {
    WR_SQL_AGGREGATE = 0x10000000, /* + i: aggregate call i of the query     */
    WR_SQL_OVER = 0x20000000,      /* + i: window function call i            */
    WR_SQL_SUBQUERY = 0x30000000,  /* + i: subquery i, joined after grouping */
    WR_SQL_UNNEST = 0x40000000,    /* + i: set-returning call i              */
    WR_SQL_GROUPING = 0x50000000,  /* + i: GROUPING(...) i                   */
    WR_SQL_SPACE = 0x70000000,
    WR_SQL_COLUMNS_MAX = 1600, /* PostgreSQL's limit of a select list    */
    WR_SQL_SCOPES_MAX = 4000,
    WR_SQL_DEPTH_MAX = 64,     /* selects within selects                 */
    WR_SQL_SELECTS_MAX = 2000, /* in all, CTEs counted wherever named    */
    WR_SQL_UNION_MAX = 1000,   /* branches of one UNION                  */
    WR_SQL_JOINS_MAX = 16,     /* in FROM, CTEs counted wherever named   */
    WR_SQL_WINDOWS_MAX = 64,   /* tumble(...) and OVER (...)             */
    WR_SQL_IN_MAX = 10000,     /* items of one IN list                   */
};
#define WR_SQL_OUTER 0x80000000u
static inline uint32_t
sql_outer(uint32_t scope, uint32_t column)
{
    return WR_SQL_OUTER | scope << 16 | column;
}
static inline bool
sql_is_outer_of(uint32_t column, uint32_t scope)
{
    return (column & WR_SQL_OUTER) != 0 && ((column >> 16) & 0x7fff) == scope;
}

typedef struct sql_column {
    const char *name;
    int32_t range;   /* whose; -1: merged by USING, of no single relation */
    uint32_t column; /* of the scope's plan                               */
    wr_type type;
    bool hidden;   /* not in *                                          */
    bool shadowed; /* merged by USING: only by its qualified name       */
} sql_column;

typedef struct sql_range {
    const char *alias;    /* NULL: cannot be qualified */
    const char *relation; /* second name: tumble(bids, ...) is bids as well as tumble */
    uint32_t first;       /* its first column in the scope's plan                          */
    const uint32_t *key;  /* a unique key of it, from `first` on; key_count 0: none known  */
    uint32_t key_count;
} sql_range;

typedef struct sql_scope {
    struct sql_scope *outer;
    uint32_t id;
    wr_plan *plan;
    wr_join_mode mode; /* asof(x), lookup(x): to be joined with so */
    sql_range *ranges;
    uint32_t range_count, range_capacity;
    sql_column *columns;
    uint32_t column_count, column_capacity;
} sql_scope;

typedef struct sql_cte {
    struct sql_cte *next; /* further out */
    PgQuery__CommonTableExpr *tree;
    struct sql_cte *visible; /* to its own query */
    sql_scope *outer;        /* of its own query */
    bool busy;               /* being bound: to name it now is recursion */
} sql_cte;

typedef struct sql_binder {
    wr_arena *arena;
    const wr_catalog *catalog;
    const wr_plan_options *options;
    weir_error *err; /* never NULL */
    sql_cte *ctes;
    uint32_t scope_count, depth, select_count, join_count, window_count;
} sql_binder;

/* A subquery waiting for the plan it is joined to (bind_subquery.c). */
typedef struct sql_subquery {
    PgQuery__SubLinkType kind;
    wr_plan *plan;
    wr_expr **tests; /* ANY, ALL: left sides */
    const char *op;
    uint32_t test_count;
    wr_expr *value; /* once joined: over the joined plan */
    wr_type type;
    int32_t location;
    bool early; /* grouped by: joined before the aggregate */
} sql_subquery;

typedef struct sql_order {
    wr_expr *expr;
    bool descending, nulls_first;
} sql_order;

/* One SELECT under construction. */
typedef struct sql_query {
    sql_binder *b;
    sql_scope *scope;
    const char *clause; /* "WHERE": for messages                                   */
    bool can_aggregate, can_over, can_unnest;
    bool in_aggregate, in_over;
    bool grouped; /* has aggregates or GROUP BY: subqueries wait              */

    wr_agg_call *calls;
    uint32_t call_count, call_capacity;
    wr_expr **directs; /* direct arguments of WITHIN GROUP: of grouped columns alone */
    uint32_t direct_count, direct_capacity;

    struct sql_over {
        wr_over_call call; /* partition and order are filled when planned */
        wr_expr **partition;
        sql_order *order;
        uint32_t partition_count, order_count;
    } * overs;
    uint32_t over_count, over_capacity;
    PgQuery__WindowDef **windows; /* WINDOW clause */
    uint32_t window_count;

    sql_subquery *subqueries;
    uint32_t subquery_count, subquery_capacity;

    wr_expr **unnests;
    wr_type *unnest_types;
    uint32_t unnest_count, unnest_capacity;

    wr_expr **groups; /* grouping expressions over the scope */
    uint32_t group_count, group_capacity;
    uint64_t *sets; /* GROUPING SETS: bit i, group i is in; set_count 0: one set of all */
    uint32_t set_count, set_capacity;
    struct sql_grouping {
        wr_expr **args;
        uint32_t count;
    } * groupings;
    uint32_t grouping_count, grouping_capacity;
} sql_query;

#define SQL_NOMEM(b)                                                                               \
    wr_error_set((b)->err, WEIR_MEMORY, "the statement does not fit the memory budget")

/* Room for one more item; NULL: no memory. */
void *wr_sql_grow(wr_arena *arena, void *array, uint32_t count, uint32_t *capacity, size_t bytes);
#define SQL_PUSH(b, array, count, capacity)                                                        \
    (((array) = wr_sql_grow((b)->arena, (array), (count), &(capacity), sizeof *(array))) != NULL)

/* Give an error without a place this one, and return its status. */
weir_status wr_sql_place(sql_binder *b, weir_status status, int32_t location);
/* WEIR_QUERY_UNSUPPORTED at location; follow with wr_error_hint. */
weir_status wr_sql_unsupported(sql_binder *b, int32_t location, const char *what);

/* One more of what a statement may have `most` of: WEIR_QUERY_TOO_COMPLEX beyond. */
weir_status wr_sql_count(sql_binder *b, uint32_t *count, uint32_t most, const char *what,
                         int32_t location);

/* --- bind_scope.c --- */
sql_scope *wr_sql_scope_create(sql_binder *b, sql_scope *outer);
weir_status wr_sql_scope_add_range(sql_binder *b, sql_scope *scope, const char *alias,
                                   const char *relation, int32_t location);
/* Columns of plan from `first` on become those of the scope's last range. */
weir_status
wr_sql_scope_add_columns(sql_binder *b, sql_scope *scope, const wr_schema *schema, uint32_t first);
weir_status wr_sql_scope_add_column(sql_binder *b, sql_scope *scope, const sql_column *column);
weir_status wr_bind_column(sql_query *q, const PgQuery__ColumnRef *ref, wr_expr **out);
/* Is there a column of this bare name in the scope itself? */
const sql_column *wr_sql_scope_find(const sql_scope *scope, const char *name);
int32_t wr_sql_scope_find_range(const sql_scope *scope, const char *alias);

/* --- bind_expr.c, bind_operator.c, bind_row.c, bind_literal.c --- */
weir_status wr_bind_expr(sql_query *q, const tree_node *node, wr_expr **out);
/* With every untyped literal made text. */
weir_status wr_bind_typed(sql_query *q, const tree_node *node, wr_expr **out);
weir_status wr_bind_bool(sql_query *q, const tree_node *node, wr_expr **out);
weir_status wr_bind_list(sql_query *q, tree_node *const *nodes, size_t count, wr_expr ***out);
/* A constant (no columns) of the type, folded. */
weir_status wr_bind_constant(sql_query *q, const tree_node *node, wr_type type, wr_value *out);
weir_status wr_sql_call(sql_binder *b, const char *name, wr_expr **args, uint32_t count,
                        int32_t location, wr_expr **out);
weir_status
wr_sql_cast(sql_binder *b, wr_expr *expr, wr_type type, wr_cast_context context, wr_expr **out);
/* Cast all to their common type. */
weir_status wr_sql_unify(sql_binder *b, wr_expr **exprs, uint32_t count, const char *what,
                         int32_t location, wr_type *type);
weir_status wr_sql_make(sql_binder *b, wr_expr_kind kind, wr_type type, wr_expr **args,
                        uint32_t count, int32_t location, wr_expr **out);
weir_status wr_bind_operator(sql_query *q, const PgQuery__AExpr *e, wr_expr **out);
/* left op right for one pair: `=`, `<>`, or any operator. */
weir_status wr_sql_compare(sql_binder *b, const char *op, wr_expr *left, wr_expr *right,
                           int32_t location, wr_expr **out);
weir_status wr_sql_compare_rows(sql_binder *b, const char *op, wr_expr **left, wr_expr **right,
                                uint32_t count, int32_t location, wr_expr **out);
weir_status wr_bind_indirection(sql_query *q, const PgQuery__AIndirection *e, wr_expr **out);
weir_status wr_bind_literal(sql_binder *b, const PgQuery__AConst *c, wr_expr **out);
weir_status wr_bind_cast(sql_query *q, const PgQuery__TypeCast *cast, wr_expr **out);
weir_status wr_bind_type(sql_binder *b, const PgQuery__TypeName *name, wr_type *type);
wr_expr *wr_sql_constant(sql_binder *b, const wr_value *value, int32_t location);
wr_expr *wr_sql_bool(sql_binder *b, bool value);
/* What a node holds, one of some 250 kinds, without a look at the others; NULL: message is no node. */
const ProtobufCMessage *wr_sql_node_held(const ProtobufCMessage *message);
const char *wr_sql_last_name(tree_node *const *names, size_t count);
int32_t wr_sql_location(const tree_node *node);

/* --- bind_args.c --- */
weir_status wr_bind_arguments(sql_query *q, const PgQuery__FuncCall *call, const char *name,
                              wr_expr ***args, uint32_t *count);
/* The last argument is an array whose items become arguments.  *is_null: it is NULL, and stays. */
weir_status wr_bind_variadic(sql_query *q, const PgQuery__FuncCall *call, wr_expr ***args,
                             uint32_t *count, bool *is_null);

/* --- bind_row.c --- */
/* The argument of to_json, row_to_json, json_agg and their kin that is a row, as JSON.  *is_row: it was
 * one, and *out is filled. */
weir_status wr_bind_row_json(sql_query *q, const char *function, const tree_node *node,
                             wr_expr **out, bool *is_row);

/* --- bind_call.c, bind_over.c --- */
weir_status wr_bind_call(sql_query *q, const PgQuery__FuncCall *call, wr_expr **out);
weir_status wr_bind_over_call(sql_query *q, const PgQuery__FuncCall *call, wr_expr **out);
/* The WINDOW clause by itself: names defined twice, unknown, overridden. */
weir_status wr_sql_check_windows(sql_query *q);
/* Plan the calls of q over *plan; their columns follow the plan's (first: number of the first). */
weir_status wr_sql_plan_over(sql_query *q, wr_plan **plan, uint32_t *first);
/* One more call of the query's aggregate, or an equal one's column. */
weir_status wr_sql_add_aggregate(sql_query *q, const wr_agg_call *call, wr_expr **out);
/* Have two calls the first `count` keys of their orders in common? */
bool wr_sql_agg_order_same(const wr_agg_call *a, const wr_agg_call *b, uint32_t count);
bool wr_sql_is_set_returning(const char *name);

/* --- bind_within.c: WITHIN GROUP (ORDER BY ...) --- */
/* percentile_cont, percentile_disc, mode: the ordered value becomes the last argument (*count of
 * them, room for 4); *name that of the registry's row. */
weir_status wr_bind_within_group(sql_query *q, const PgQuery__FuncCall *call, const char **name,
                                 wr_expr **args, uint32_t *count);
bool wr_sql_is_ordered_set(const char *name);
/* rank, dense_rank, percent_rank, cume_dist of a row that is not there. */
bool wr_sql_is_hypothetical(const char *name);
weir_status wr_bind_hypothetical(sql_query *q, const PgQuery__FuncCall *call, const char *name,
                                 wr_expr **out);
/* Arguments, FILTER and resolution of an aggregate with OVER. */
weir_status wr_bind_over_aggregate(sql_query *q, const PgQuery__FuncCall *call, wr_agg_call *out);
weir_status wr_sql_set_item(sql_binder *b, const char *name, wr_expr **item);
/* A set-returning call, as WR_PLAN_UNNEST takes it, and the type of an item. */
weir_status wr_bind_set(sql_query *q, const PgQuery__FuncCall *call, wr_expr **out, wr_type *type);

/* --- bind_from.c, bind_join.c, bind_table.c --- */
/* Gives q its scope.  outer: the scope of the select around this one. */
weir_status wr_bind_from(sql_query *q, tree_node *const *items, size_t count, sql_scope *outer);
/* One item.  left: the items before it, which LATERAL may see; NULL: none. */
weir_status wr_bind_item(sql_query *q, const tree_node *item, sql_scope *left, sql_scope *outer,
                         sql_scope **out);
weir_status wr_bind_join(sql_query *q, const PgQuery__JoinExpr *join, sql_scope *left,
                         sql_scope *outer, sql_scope **out);
/* left KIND JOIN right into left's plan and scope; right may refer to left. */
weir_status wr_sql_join_lateral(sql_query *q, sql_scope *left, sql_scope *right, wr_join_kind kind,
                                int32_t location);
weir_status wr_sql_merge_scopes(sql_query *q, sql_scope *left, sql_scope *right, uint32_t offset,
                                int32_t location);
weir_status wr_bind_range_function(sql_query *q, const PgQuery__RangeFunction *f, sql_scope *up,
                                   sql_scope **out);
weir_status
wr_sql_alias_scope(sql_query *q, sql_scope *scope, const PgQuery__Alias *alias, int32_t location);
/* bind_record.c: json_to_record(...) AS t(a integer, ...) and its kin. */
bool wr_sql_is_record_function(const char *name);
weir_status wr_bind_record(sql_query *q, const PgQuery__RangeFunction *f,
                           const PgQuery__FuncCall *call, wr_plan **plan);
weir_status wr_bind_relation(sql_query *q, const char *schema, const char *name, int32_t location,
                             wr_plan **plan);

/* --- bind_asof.c --- */
/* Is it asof or lookup?  WR_JOIN_REGULAR: neither. */
wr_join_mode wr_sql_join_mode(const char *name);
/* The relation in asof(x), lookup(x); *relation: its name, NULL for a subquery. */
weir_status wr_bind_chosen(sql_query *q, const PgQuery__FuncCall *call, sql_scope *up,
                           wr_plan **plan, const char **relation);
/* The item stands where only a relation may: asof(x), lookup(x) are refused. */
weir_status wr_sql_refuse_chosen(sql_query *q, const sql_scope *item, int32_t location);
/* May the sides be joined so?  Refuses what as-of and lookup joins cannot do. */
weir_status wr_sql_check_chosen(sql_query *q, const PgQuery__JoinExpr *join, wr_join_kind kind,
                                const sql_scope *left, const sql_scope *right, int32_t location);
/* left KIND JOIN asof(right) ON quals: into left. */
weir_status wr_bind_asof(sql_query *q, wr_join_kind kind, sql_scope *left, sql_scope *right,
                         const tree_node *quals, int32_t location);
/* bind_versions.c: *join, an as-of join with a keyed source, as one with that source's versions, and
 * what is asked of them above it; otherwise *join stays. */
weir_status wr_sql_versions(sql_binder *b, wr_plan **join, int32_t location);
/* The join under plan's filters and projects is a lookup. */
void wr_sql_mark_lookup(wr_plan *plan);
/* LATERAL (SELECT ... WHERE q.ts <= t.ts ORDER BY q.ts DESC LIMIT 1) as an as-of join of outer with it;
 * *out NULL: it is not that. */
weir_status wr_sql_apply_asof(sql_binder *b, uint32_t scope, wr_plan *outer, wr_plan *sub,
                              wr_join_kind kind, const wr_expr *on, int32_t location,
                              wr_plan **out);

/* --- bind_window.c --- */
/* The relation a function in FROM reads: a name or (SELECT ...).  *plan NULL: it is neither. */
weir_status wr_bind_table_argument(sql_query *q, const tree_node *arg, sql_scope *up,
                                   wr_plan **plan, const char **name);
bool wr_sql_is_window_function(const char *name);
weir_status wr_bind_window(sql_query *q, const PgQuery__FuncCall *call, sql_scope *up,
                           wr_plan **plan, const char **relation);
/* A constant interval in microseconds; what: for errors, hint: how to write it. */
weir_status wr_bind_length(sql_query *q, const tree_node *node, const char *what, const char *hint,
                           int64_t *us);
/* A column of scope's plan holding expr; appended by a project when it is not one already. */
weir_status wr_bind_column_for(sql_query *q, sql_scope *scope, wr_expr *expr, uint32_t *column);
/* *plan without what wr_bind_column_for appended behind its first `width` columns; the last `added` ones stay. */
weir_status wr_bind_without_computed(sql_query *q, wr_plan **plan, uint32_t width, uint32_t added);
/* bind_dedup.c: dedup(relation, key [, key ...], span). */
weir_status wr_bind_dedup(sql_query *q, const PgQuery__FuncCall *call, sql_scope *up,
                          wr_plan **plan, const char **relation);
/* GROUP BY tumble(ts, size): a WINDOW over the scope. */
weir_status wr_bind_group_window(sql_query *q, const PgQuery__FuncCall *call);

/* --- bind_select.c, bind_group.c, bind_target.c, bind_order.c, bind_setop.c --- */
/* keep_unknown: leave untyped literals of the select list untyped, for UNION and INSERT. */
weir_status wr_bind_select(sql_binder *b, const tree_select *stmt, sql_scope *outer,
                           bool keep_unknown, wr_plan **out);
/* WHERE, or ON of an inner join: a FILTER, semi and anti joins on the scope's plan. */
weir_status wr_bind_where(sql_query *q, const tree_node *node, const char *clause);
weir_status wr_bind_core(sql_binder *b, const tree_select *stmt, sql_scope *outer,
                         bool keep_unknown, wr_plan **out);
weir_status wr_bind_setop(sql_binder *b, const tree_select *stmt, sql_scope *outer, wr_plan **out);
weir_status wr_bind_values(sql_binder *b, const tree_select *stmt, sql_scope *outer,
                           bool keep_unknown, wr_plan **out);
/* ORDER BY and LIMIT over the columns of UNION or VALUES. */
weir_status
wr_sql_order_output(sql_binder *b, const tree_select *stmt, sql_scope *outer, wr_plan **plan);
weir_status wr_bind_limit(sql_binder *b, const tree_select *stmt, sql_scope *outer, uint64_t *limit,
                          uint64_t *offset, bool *with_ties);
weir_status wr_sql_sort_direction(sql_binder *b, const PgQuery__SortBy *by, bool *descending,
                                  bool *nulls_first);
/* sql/tree.c */
bool wr_sql_is_aggregate(const PgQuery__FuncCall *call);
bool wr_sql_tree_has_aggregate(const tree_node *node);
bool wr_sql_tree_has_sublink(const tree_node *node);

typedef struct sql_target {
    wr_expr *expr;
    const char *name;
    bool named; /* by AS, or a column's own name */
    int32_t location;
} sql_target;
typedef struct sql_targets {
    sql_target *items;
    uint32_t count, capacity;
} sql_targets;
weir_status
wr_bind_targets(sql_query *q, tree_node *const *nodes, size_t count, sql_targets *targets);
const char *wr_sql_figure_name(const tree_node *node);
weir_status wr_bind_groups(sql_query *q, const tree_select *stmt, sql_targets *targets);
weir_status wr_bind_grouping(sql_query *q, const PgQuery__GroupingFunc *f, wr_expr **out);
/* bind_sets.c: what GROUP BY (..), ROLLUP, CUBE, GROUPING SETS make of the groups. */
weir_status wr_bind_sets(sql_query *q, const tree_select *stmt, const sql_targets *targets);
/* One AGGREGATE a set, side by side: groups (NULL where left out), calls, and which groups were
 * left out. */
weir_status wr_sql_plan_sets(sql_query *q, wr_plan *input, const uint32_t *keys, int32_t location,
                             wr_plan **out);
/* GROUPING(...) i over the aggregate's output. */
weir_status wr_sql_grouping_value(sql_query *q, uint32_t i, wr_expr **out);
weir_status
wr_bind_group_item(sql_query *q, const tree_node *node, const sql_targets *targets, uint64_t *set);
/* Plan the aggregate and rewrite every expression of `exprs` (and the query's own) over its output.
 */
weir_status
wr_sql_plan_groups(sql_query *q, wr_expr ***exprs, uint32_t expr_count, int32_t location);

/* --- bind_subquery.c, bind_correlate.c --- */
weir_status wr_bind_sublink(sql_query *q, const PgQuery__SubLink *link, wr_expr **out);
/* WHERE EXISTS / NOT EXISTS / IN as a semi or anti join on the scope; *done: it was one. */
weir_status wr_bind_where_sublink(sql_query *q, const tree_node *node, bool *done);
/* Join the subquery's plan to *plan; its value is over the joined plan. */
weir_status wr_sql_join_subquery(sql_query *q, sql_subquery *subquery, wr_plan **plan);
/* After grouping: the plan's references to the scope become references to the aggregate's columns.
 */
weir_status wr_sql_regroup_subquery(sql_query *q, sql_subquery *subquery);
/* outer KIND JOIN sub, where sub may hold OUTER columns of the scope. on is over outer then sub. */
weir_status
wr_sql_apply(sql_binder *b, uint32_t scope, wr_plan *outer, wr_plan *sub, wr_join_kind kind,
             wr_expr *on, bool single, int32_t location, wr_plan **out);
bool wr_sql_plan_refers(const wr_plan *plan, uint32_t scope);
