/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/state_join_limit.h -- bare loops that join: the yardsticks of tools/bench/state_join.c.
 *
 * Batches hold a key, a value and a time, all int8, flat, without NULLs and without selection.  A pair is written as
 * the six of both into columns of 4,096, and counted.
 */
#pragma once

#include "data/batch.h"

typedef struct limit_join limit_join;

/* Keys below `keys`; of each side the last `rows` rows are kept. */
limit_join *limit_join_create(uint32_t keys, uint64_t rows);
void limit_join_destroy(limit_join *join);
/* Pairs whose times are at most `within` apart; then the batch's rows are kept. */
void limit_join_interval(limit_join *join, int port, const wr_batch *batch, int64_t within);
/* Pairs with rows of the other side of any time; rows whose diff is -1 are taken from those kept.  kept false: this side's
 * rows are not kept. */
void limit_join_changes(limit_join *join, int port, const wr_batch *batch, bool kept);
uint64_t limit_join_pairs(const limit_join *join);
