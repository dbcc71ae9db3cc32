/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/share.h -- equal parts of plans, found and cut out: each is run once, the plans read its rows.
 *
 * Place       the engine calls it between wr_plan_bound and lowering, over the plans that are lowered
 *             together (the views of a pipeline; a query alone).  It lowers each shared part into a
 *             stream named like the part, before the first plan that scans it.
 */
#pragma once

#include "plan/plan.h"

/* One plan that may give up parts. */
typedef struct wr_plan_user {
    const char            *name;
    wr_plan              **plan;    /* parts of it are replaced by scans */
    const wr_plan_options *options; /* borrowed, as long as the shared parts live */
    bool                   alone;   /* shares nothing: its state or its side streams are its own */
} wr_plan_user;

/* A part that stood in several places. */
typedef struct wr_plan_shared {
    const char            *name;    /* "shared.<16 hex digits>": of what it is, not of who reads it */
    wr_plan               *plan;
    const wr_plan_options *options; /* of the first plan that reads it */
    const char            *readers; /* "a, b" */
    uint32_t               owner;   /* index of the first plan that reads it */
    uint32_t               places;  /* where it is read */
    wr_relation            relation;
} wr_plan_shared;

/*
 * Cut out what stands more than once: aggregates, joins, window functions, top-n, with all below them; of
 * aggregates over the same rows by the same keys, all calls together.
 * *shared: in no particular order; a part may read other parts.  Arena, plans: changed in place.
 */
weir_status wr_plan_share(wr_arena *arena, const wr_plan_user *users, uint32_t user_count,
                          wr_plan_shared ***shared, uint32_t *shared_count);
