/* SPDX-License-Identifier: Apache-2.0 */
/* share_test.c -- H1..H3 of plan/share.c: which parts of plans are shared, and under which names. */
#include "support/test.h"

#include "plan/share.h"
#include "support/plans.h"

#include <string.h>

enum { USERS_MAX = 12 };

typedef struct rig {
    wr_plans plans;
    wr_plan *roots[USERS_MAX];
    wr_plan_user users[USERS_MAX];
    wr_plan_options options[USERS_MAX];
    uint32_t count, parts;
    wr_plan_shared **shared;
} rig;

static void
rig_init(rig *r)
{
    memset(r, 0, sizeof *r);
    wr_plans_init(&r->plans, false);
    r->plans.options.unbounded_state = true;
}

static void
add(rig *r, const char *name, const char *sql)
{
    assert_int_equal(wr_plans_plan(&r->plans, sql), WEIR_OK);
    r->roots[r->count] = r->plans.plan;
    r->options[r->count] = r->plans.options;
    r->users[r->count] = (wr_plan_user){ .name = name,
                                         .plan = &r->roots[r->count],
                                         .options = &r->options[r->count] };
    r->count++;
}

static void
share(rig *r, uint32_t parts)
{
    assert_int_equal(
        wr_plan_share(&r->plans.arena, r->users, r->count, &r->shared, &r->parts), WEIR_OK);
    assert_int_equal(r->parts, parts);
}

static const char sum_by_auction[] = "SELECT window_start, auction, sum(price) AS s FROM tumble(bids, ts, "
                                     "interval '10 s') GROUP BY window_start, auction";

static void
equal_aggregates_are_one(void **state)
{
    rig r;
    (void)state;
    rig_init(&r);
    add(&r, "a", sum_by_auction);
    add(&r, "b", "SELECT auction, sum(price) AS total FROM tumble(bids, ts, interval '10 s') "
                 "GROUP BY window_start, auction HAVING sum(price) > 3");
    add(&r, "c", "SELECT window_start, auction, sum(price) AS s FROM tumble(bids, ts, interval '20 s') "
                 "GROUP BY window_start, auction");
    share(&r, 1);
    assert_string_equal(r.shared[0]->readers, "a, b");
    assert_int_equal(r.shared[0]->places, 2);
    assert_int_equal(r.shared[0]->owner, 0);
    assert_int_equal(r.shared[0]->plan->kind, WR_PLAN_AGGREGATE);
    assert_int_equal(r.roots[0]->kind, WR_PLAN_SCAN); /* H1 */
    assert_string_equal(r.roots[0]->schema->fields[2].name, "s");
    assert_int_equal(r.roots[0]->schema->key_count, 2);
    assert_int_equal(r.roots[2]->kind, WR_PLAN_AGGREGATE);
    wr_plans_fini(&r.plans);
}

static void
a_name_does_not_depend_on_the_readers(void **state)
{
    rig r, q;
    (void)state;
    rig_init(&r);
    rig_init(&q);
    add(&r, "a", sum_by_auction);
    add(&r, "b", sum_by_auction);
    add(&q, "x", "SELECT count(*) FROM t");
    add(&q, "b", sum_by_auction);
    add(&q, "y", "SELECT auction FROM bids");
    add(&q, "c", sum_by_auction);
    add(&q, "a", sum_by_auction);
    share(&r, 1);
    share(&q, 1);
    assert_string_equal(r.shared[0]->name, q.shared[0]->name); /* H2 */
    assert_int_equal(q.shared[0]->owner, 1);
    wr_plans_fini(&r.plans);
    wr_plans_fini(&q.plans);
}

static void
the_largest_part_is_shared_and_parts_of_it_only_with_others(void **state)
{
    static const char most[] = "SELECT max(s) FROM (SELECT a, sum(b) AS s FROM t GROUP BY a) x";
    rig r;
    (void)state;
    rig_init(&r);
    add(&r, "a", most);
    add(&r, "b", most);
    share(&r, 1); /* the inner one stands once now */
    wr_plans_fini(&r.plans);
    rig_init(&r);
    add(&r, "a", most);
    add(&r, "b", most);
    add(&r, "c", "SELECT a FROM (SELECT a, sum(b) AS s FROM t GROUP BY a) x WHERE s > 1");
    share(&r, 2); /* c and the shared part read it */
    assert_int_equal(r.shared[1]->places, 2);
    assert_int_equal(r.shared[0]->plan->inputs[0]->kind == WR_PLAN_SCAN ||
                         r.shared[0]->plan->inputs[0]->inputs[0]->kind == WR_PLAN_SCAN,
                     true);
    wr_plans_fini(&r.plans);
}

static void
one_statement_shares_with_itself(void **state)
{
    rig r;
    (void)state;
    rig_init(&r);
    add(&r, "q", "WITH h AS (SELECT a, sum(b) AS s FROM t GROUP BY a) SELECT h.a FROM h JOIN "
                 "(SELECT max(s) AS m FROM h) x ON h.s = x.m");
    share(&r, 1);
    assert_string_equal(r.shared[0]->readers, "q");
    assert_int_equal(r.shared[0]->places, 2);
    wr_plans_fini(&r.plans);
}

static void
what_differs_or_stands_alone_is_not_shared(void **state)
{
    rig r;
    (void)state;
    rig_init(&r);
    add(&r, "a", "SELECT a, sum(b) FILTER (WHERE random() > 0.5) AS s FROM t GROUP BY a"); /* H3 */
    add(&r, "b", "SELECT a, sum(b) FILTER (WHERE random() > 0.5) AS s FROM t GROUP BY a");
    add(&r, "c", sum_by_auction);
    add(&r, "d", sum_by_auction);
    add(&r, "e", sum_by_auction);
    add(&r, "f", "SELECT auction FROM bids WHERE price > 1");
    add(&r, "g", "SELECT auction FROM bids WHERE price > 1"); /* a scan alone is not worth it */
    r.options[2].ttl_us = 5;
    r.options[3].late = WR_LATE_UPDATE;
    r.users[4].alone = true;
    share(&r, 0);
    wr_plans_fini(&r.plans);
}

WR_TESTS = { WR_TEST(equal_aggregates_are_one), WR_TEST(a_name_does_not_depend_on_the_readers),
             WR_TEST(the_largest_part_is_shared_and_parts_of_it_only_with_others),
             WR_TEST(one_statement_shares_with_itself),
             WR_TEST(what_differs_or_stands_alone_is_not_shared), { NULL, NULL } };
