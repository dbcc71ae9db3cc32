/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/correlate_impl.h -- the three ways a correlated subquery becomes a join (bind_correlate.c),
 * and what they share.
 */
#pragma once

#include "sql/bind_impl.h"

enum { WR_SQL_OUTERS_MAX = 64 };

/* The outer columns a plan refers to, each once. */
typedef struct sql_outers {
    uint32_t scope;
    uint32_t columns[WR_SQL_OUTERS_MAX];
    wr_type types[WR_SQL_OUTERS_MAX];
    uint32_t count;
    bool overflow;
} sql_outers;
void wr_sql_collect_outers(const wr_plan *plan, sql_outers *outers);
bool wr_sql_expr_refers(const wr_expr *expr, uint32_t scope);
/* Does expr read columns of its own plan? */
bool wr_sql_expr_has_column(const wr_expr *expr);
/* expr with OUTER columns of scope replaced: column c of the scope becomes COLUMN map[c's index in
 * outers]. */
wr_expr *
wr_sql_outers_replace(sql_binder *b, const sql_outers *outers, const uint32_t *map, wr_expr *expr);
/* expr with its own COLUMNs from `first` on moved by `offset`. */
wr_expr *wr_sql_expr_shift(sql_binder *b, wr_expr *expr, uint32_t first, uint32_t offset);

/* bind_pullup.c: take the correlated conditions out of plan.  *ok false: it cannot be done this
 * way. */
typedef struct sql_pulled {
    wr_plan *plan; /* the old columns, then those the conditions need                           */
    wr_expr **conditions; /* over plan's columns and OUTER columns */
    uint32_t condition_count, condition_capacity;
    wr_expr *
        *empties; /* a global aggregate below: each old column's value over no rows; NULL: none */
    uint32_t marker; /* empties: a column that is never NULL                                      */
} sql_pulled;
weir_status wr_sql_pull_up(sql_binder *b, uint32_t scope, wr_plan *plan, bool exists,
                           sql_pulled *out, bool *ok);

/* bind_domain.c: plan evaluated for each row of `domain` (distinct outer values): the old columns,
 * then domain's. */
weir_status wr_sql_push_domain(sql_binder *b, const sql_outers *outers, const wr_plan *domain,
                               wr_plan *plan, wr_plan **out);
