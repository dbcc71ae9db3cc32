/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/registry.c -- every operator there is, by name.
 *
 * Adding one: its file, its row here (sorted), its test.
 */
#include "operator/operator.h"

#include "operator/aggregate.h"
#include "operator/asof_join.h"
#include "operator/dedup.h"
#include "operator/filter.h"
#include "operator/fold.h"
#include "operator/join.h"
#include "operator/merge.h"
#include "operator/moving_filter.h"
#include "operator/normalise.h"
#include "operator/over.h"
#include "operator/over_rolling.h"
#include "operator/project.h"
#include "operator/rank_filter.h"
#include "operator/settled.h"
#include "operator/sort.h"
#include "operator/top_n.h"
#include "operator/unchanged.h"
#include "operator/unnest.h"
#include "operator/window_assign.h"

#include <string.h>

static const wr_operator_ops *const operators[] = {
    &wr_aggregate_ops,
    &wr_asof_join_ops,
    &wr_dedup_ops,
    &wr_filter_ops,
    &wr_fold_ops,
    &wr_join_ops,
    &wr_join_changes_ops,
    &wr_merge_ops,
    &wr_moving_filter_ops,
    &wr_normalise_ops,
    &wr_over_ops,
    &wr_over_changes_ops,
    &wr_over_rolling_ops,
    &wr_project_ops,
    &wr_rank_filter_ops,
    &wr_session_aggregate_ops,
    &wr_settled_ops,
    &wr_sort_ops,
    &wr_top_n_ops,
    &wr_unchanged_ops,
    &wr_unnest_ops,
    &wr_window_assign_ops,
};

void
wr_operator_ops_check(const wr_operator_ops *ops)
{
    wr_assert(ops->name != NULL && ops->name[0] != '\0');
    wr_assert(ops->self_size > 0);
    wr_assert(ops->open != NULL && ops->process != NULL);
    wr_assert(ops->close != NULL && ops->explain != NULL);
    bool stateless = (ops->traits & WR_OP_STATELESS) != 0;
    wr_assert((ops->freeze == NULL) == stateless);
    wr_assert((ops->write == NULL) == stateless);
    wr_assert((ops->thaw == NULL) == stateless);
    wr_assert((ops->restore == NULL) == stateless);
}

const wr_operator_ops *
wr_operator_find(const char *name)
{
    uint32_t low = 0, high = WR_COUNT(operators);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int      c = strcmp(operators[middle]->name, name);
        if (c == 0)
            return operators[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const wr_operator_ops *const *
wr_operator_all(uint32_t *count)
{
    *count = WR_COUNT(operators);
    return operators;
}
