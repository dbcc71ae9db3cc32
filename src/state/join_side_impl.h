/* SPDX-License-Identifier: Apache-2.0 */
/* state/join_side_impl.h -- the blocks a join's side keeps its rows in. */
#pragma once

#include "state/join_side.h"

void        wr_join_block_release(wr_join_block *block);
/*
 * Append rows (physical, of batch) to the last block of bucket, or a new one: as many as fit,
 * *taken of them, the first as row *first.  Untils, links and marks are the caller's to write.
 */
weir_status wr_join_block_append(wr_join_side *side, wr_join_bucket *bucket, const wr_batch *batch,
                                 const uint16_t *rows, uint32_t count, wr_join_block **block,
                                 uint32_t *first, uint32_t *taken);
/* Before writing marks: a copy of its own (S2). */
weir_status wr_join_marks_own(wr_join_side *side, wr_join_block *block);
weir_status wr_join_marks_need_diffs(wr_join_side *side, wr_join_block *block);
