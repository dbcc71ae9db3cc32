/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_bag.h -- any aggregate over rows that are taken back again, and over rows in an order.
 *
 * An aggregate that cannot retract is wrapped: the state becomes the bag of its arguments, and the
 * result is made anew from the bag when it is asked for.
 */
#pragma once

#include "expr/aggregate.h"

/*
 * `inner` over a bag.  The last order_count arguments of the call (ordered as order[] says) only
 * order the others; without them the bag is in the order of its values.  Lives in arena; borrows
 * inner and order.  NULL: no memory.
 */
const wr_aggregate *wr_bag_aggregate_make(wr_arena *arena, const wr_aggregate *inner,
                                          const wr_type *args, uint32_t arg_count,
                                          const wr_agg_order *order, uint32_t order_count);
