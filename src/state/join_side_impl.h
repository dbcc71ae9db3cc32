/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/join_side_impl.h -- the insides of a join's side, shared by its files.
 *
 *     join_side.c    buckets, marks, rows that wait for a partner, expiry
 *     join_index.c   slots and chains: insert, look up
 *     join_block.c   rows as columns: append, freeze
 *     join_gather.c  rows back out of the blocks
 */
#pragma once

#include "state/join_side.h"

/* --- join_side.c --- */
/* The bucket with the index, made where absent. */
weir_status wr_join_bucket_open(wr_join_side *side, int64_t index, wr_join_bucket **bucket);
/* The row is to be taken when it leaves without a partner. */
weir_status wr_join_bucket_wait(wr_join_side *side, wr_join_bucket *b, wr_time until, uint32_t row);

/* --- join_block.c --- */
void        wr_join_block_release(wr_join_block *block);
/*
 * Append rows (physical, of batch) to the last block of bucket, or a new one: as many as fit,
 * *taken of them, the first as row *first.  Untils, links, keys and marks are the caller's to write.
 */
weir_status wr_join_block_append(wr_join_side *side, wr_join_bucket *bucket, const wr_batch *batch,
                                 const uint16_t *rows, uint32_t count, wr_join_block **block,
                                 uint32_t *first, uint32_t *taken);
/* Before writing marks: a copy of its own (S2). */
weir_status wr_join_marks_own(wr_join_side *side, wr_join_block *block);
weir_status wr_join_marks_need_diffs(wr_join_side *side, wr_join_block *block);
