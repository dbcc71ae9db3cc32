/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_order_impl.h -- a group of inner joins whose order is open: what its files share.
 */
#pragma once

#include "plan/rules_impl.h"

enum { JOIN_LEAVES_MAX = 64, JOIN_CONJUNCTS_MAX = 512 };

typedef struct join_group {
    wr_plan *leaves[JOIN_LEAVES_MAX];
    uint32_t firsts[JOIN_LEAVES_MAX]; /* each leaf's first column, in the written order */
    uint32_t count, width;
    wr_expr *conjuncts[JOIN_CONJUNCTS_MAX];
    uint32_t conjunct_count;
    bool overflow;
} join_group;

/* The leaves that e reads, a bit each. */
uint64_t wr_join_leaves_read(const join_group *g, const wr_expr *e);
/* Does an equality tie leaf i to the set, its one side reading the leaf and the other the set? */
bool wr_join_is_tied(const join_group *g, uint64_t set, uint32_t leaf);
/* The relation that the leaf scans, when its whole key is compared with what is in the set; else NULL. */
const wr_relation *wr_join_key_tied(const join_group *g, uint64_t set, uint32_t leaf);

/* plan/join_rows.c: a better order by the rows that the leaves are said to have, or `order` as it comes in. */
void wr_join_order_by_rows(const join_group *g, uint32_t *order);
