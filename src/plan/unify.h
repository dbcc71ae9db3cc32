/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/unify.h -- two plans that give the same rows but for their columns, as one with the columns of both.
 */
#pragma once

#include "plan/build.h"

/*
 * Make *a give b's columns too, where both have the same rows: the same scans, filters, windows and joins, over
 * which they pick or compute different columns.  An expression that only one of them computes must not be able to
 * fail, for a row on which it fails is left out.  map_a, map_b (room for the columns each has): where their columns
 * stand then.  *fits false: they differ; *a may have been changed already.  Only columns, names and types of *a are
 * right then: derive the rest.  Borrows b.  MEMORY.
 */
weir_status wr_plan_unify(wr_arena *arena, wr_plan **a, const wr_plan *b, uint32_t *map_a,
                          uint32_t *map_b, bool *fits);

/* A hash of the rows that plan gives, whatever its columns: of plans that wr_plan_unify fits together, mostly (and
 * seldom of others) the same.  ids[i] (room for its columns): of its column i.  MEMORY. */
weir_status wr_plan_rows_hash(wr_arena *arena, const wr_plan *plan, uint32_t *ids, uint64_t *hash);
