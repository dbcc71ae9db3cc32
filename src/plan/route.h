/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/route.h -- many scans of one relation with conditions on one column: an index of the conditions gives each its
 * rows, and the rows cost what is in them, not what is asked.
 *
 *     v0: filter k = 0 (scan s)                v0: scan s, indexed on k
 *     v1: filter k = 1 (scan s)     becomes    v1: scan s, indexed on k
 *     ...                                      ...
 *
 * Place       the engine calls it between wr_plan_share and lowering, over the plans that are lowered together.
 *             Lowering hands the selector to the job, whose streams route by it (runtime/route_impl.h).
 */
#pragma once

#include "expr/selector.h"
#include "plan/plan.h"

/* What of a scan's predicate is looked up in an index. */
typedef struct wr_plan_route {
    wr_selector selector; /* over the relation's columns                        */
    wr_expr    *rest;     /* the other conditions; NULL: none                   */
} wr_plan_route;

/*
 * Set scan.route where at least WR_PLAN_ROUTES_MIN scans of a relation have conditions on a column that differ; of
 * several columns the one whose conditions differ most, equalities counted twice.  A plan's predicate, and its canonical text, stay as they are.
 */
enum { WR_PLAN_ROUTES_MIN = 8 };
weir_status wr_plan_route_scans(wr_arena *arena, wr_plan *const *plans, uint32_t count);
