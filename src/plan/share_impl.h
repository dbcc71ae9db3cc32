/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/share_impl.h -- what the files of sharing have in common.
 */
#pragma once

#include "plan/rules_impl.h"
#include "plan/share.h"

/* Does the node itself (not what is below) draw values of its own? */
bool wr_share_is_volatile(wr_plan *plan);
/* Are two descriptions of plans the same?  Ends both. */
weir_status wr_share_texts_equal(wr_text *a, wr_text *b, bool *equal);
/* What the rows depend on besides the plan. */
void wr_share_put_options(const wr_plan_options *options, wr_text *to);

/*
 * Aggregates that differ in their calls and in the columns they read become projects over one aggregate with the
 * calls of all, which then stands equal in several places (plan/share_calls.c).  Such an aggregate is one node with
 * several parents: a place of it is a slot, as of any other.  MEMORY: plans may be half done.
 */
weir_status wr_share_calls(wr_arena *arena, const wr_plan_user *users, uint32_t user_count);
