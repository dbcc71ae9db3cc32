/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/whole.h -- whole changes by key: the batches of one change as rows that replace each other.
 *
 * What one batch of input makes of a stream may take several batches (output_impl.h: O4), and the old
 * row of a key may stand in one and the new row in another, in either order.  Read one by one they
 * would say that the key has gone.
 *
 * Place       readers by key: a subscription has one, with batches of one shard until the change is whole, then of
 *             any; a sink has one for each shard, for it reads whichever has something (a reader that waits for one
 *             shard alone may wait for ever, when that shard waits for another reader that does so).
 * State       the batches of the change under way.
 * Invariants  W1  of a whole change each key comes at most once: the row that stands, or its deletion
 *                 (of what its owner makes one: an epoch of a subscription)
 *             W2  a change of more than bytes_max is given out in pieces, each as if it were whole
 */
#pragma once

#include "data/batch.h"

#define WR_WHOLE_BYTES (16ull << 20)

typedef struct wr_whole {
    wr_budget       *budget;
    const wr_schema *schema; /* borrowed: with the key */
    wr_batch       **batches;
    uint32_t         count, capacity, given; /* given: of a change that is whole */
    uint64_t         bytes;
    bool             ready; /* to be taken         */
    bool             within; /* the change goes on */
    bool             until_end; /* all that is put is one change, until wr_whole_end */
    uint64_t         bytes_max; /* W2: WR_WHOLE_BYTES, or what others leave of it */
} wr_whole;

void wr_whole_init(wr_whole *w, wr_budget *budget, const wr_schema *schema);
void wr_whole_fini(wr_whole *w);
/* One more batch, with rows; borrows it.  All has been taken before.  MEMORY. */
weir_status wr_whole_put(wr_whole *w, wr_batch *batch);
/* The change will not be continued (what follows was lost, or is another one).  MEMORY. */
weir_status wr_whole_end(wr_whole *w);
/* The next batch of rows by key (owned; goes_on says whether the change does); NULL: put more.  MEMORY. */
weir_status wr_whole_take(wr_whole *w, wr_batch **out);
