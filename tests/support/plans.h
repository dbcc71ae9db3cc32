/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/plans.h -- statements to plans over a small catalog, for the tests of sql/ and plan/.
 *
 * Relations: bids (auction, bidder, price, channel, ts, payload), auctions (id, seller, category,
 * ts), t (a, b, c, d, arr), u (a, x), keyed (k primary key, v).  ts carries the watermark.
 */
#pragma once

#include "sql/sql.h"

typedef struct wr_plans {
    wr_arena arena;
    wr_catalog catalog;
    wr_plan_options options;
    weir_error err;
    wr_plan *plan;
    wr_sql_extras extras;
    wr_text text;
} wr_plans;

void wr_plans_init(wr_plans *p, bool bounded);
void wr_plans_fini(wr_plans *p);
/* Bind, run the rules, derive bounds; errors are in p->err. */
weir_status wr_plans_plan(wr_plans *p, const char *sql);
/* EXPLAIN of the statement, or "CODE: text". Valid until the next call. */
const char *wr_plans_explain(wr_plans *p, const char *sql);
/* "name type, name type" of the statement's columns, or "CODE: text". */
const char *wr_plans_columns(wr_plans *p, const char *sql);
