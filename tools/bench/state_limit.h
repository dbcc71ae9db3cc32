/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/state_limit.h -- bare loops over keyed state: the yardsticks of tools/bench/state.c.
 *
 * Batches are those of state.c: column 0 the key (int8, or text of 9 to 16 bytes), 1 the value (int8),
 * 2 the time (timestamptz), all flat, without NULLs and without selection.
 */
#pragma once

#include "data/batch.h"

typedef struct limit_table limit_table;

/* For at most `keys` keys. */
limit_table *limit_table_create(uint32_t keys, bool text);
void limit_table_destroy(limit_table *table);
/* count and sum of each key; returns the groups. */
uint64_t limit_group(limit_table *table, wr_batch *const *batches, uint32_t count);

/* Rows per key of each window [start, start + size), every `slide`, closed `delay` behind the greatest time; the rows
 * that come out are written to columns of 4,096 and counted. */
typedef struct limit_panes limit_panes;
limit_panes *limit_panes_create(uint32_t keys, uint64_t rows_a_pane, int64_t size, int64_t slide);
void limit_panes_destroy(limit_panes *panes);
uint64_t limit_windows(limit_panes *panes, wr_batch *const *batches, uint32_t count);
