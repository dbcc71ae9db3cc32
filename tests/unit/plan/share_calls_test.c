/* SPDX-License-Identifier: Apache-2.0 */
/* share_calls_test.c -- A1..A4 of plan/share_calls.c and F1 of plan/unify.c: which aggregates become one. */
#include "support/test.h"

#include "plan/share.h"
#include "support/plans.h"

#include <stdio.h>
#include <string.h>

enum { USERS_MAX = 100 };

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
add(rig *r, const char *sql)
{
    assert_int_equal(wr_plans_plan(&r->plans, sql), WEIR_OK);
    r->roots[r->count] = r->plans.plan;
    r->options[r->count] = r->plans.options;
    r->users[r->count] = (wr_plan_user){ .name = "v",
                                         .plan = &r->roots[r->count],
                                         .options = &r->options[r->count] };
    r->count++;
}

static void
share(rig *r, uint32_t parts)
{
    assert_int_equal(wr_plan_share(&r->plans.arena, r->users, r->count, &r->shared, &r->parts),
                     WEIR_OK);
    assert_int_equal(r->parts, parts);
}

/* a and b, each alone, are shared as so many parts. */
static void
both(const char *a, const char *b, uint32_t parts)
{
    rig r;
    rig_init(&r);
    add(&r, a);
    add(&r, b);
    share(&r, parts);
    wr_plans_fini(&r.plans);
}

#define TUMBLE(CALLS)                                                                              \
    "SELECT window_start, auction, " CALLS " FROM tumble(bids, ts, interval '10 s') "
#define BY_AUCTION " GROUP BY window_start, auction"
#define HOP(CALLS)                                                                                 \
    "SELECT window_start, auction, " CALLS                                                         \
    " FROM hop(bids, ts, interval '2 s', interval '10 s') GROUP BY window_start, auction"

static void
calls_are_put_together(void **state) /* A1 */
{
    rig r;
    (void)state;
    rig_init(&r);
    add(&r, TUMBLE("count(*) AS n") BY_AUCTION);
    add(&r, TUMBLE("count(*) AS n, max(bidder) AS m") BY_AUCTION);
    add(&r, "SELECT max(bidder) AS m, count(*) FILTER (WHERE bidder > 3) AS few FROM tumble(bids, "
            "ts, interval '10 s') GROUP BY auction, window_start HAVING count(*) > 3");
    wr_schema before = *r.roots[0]->schema;
    share(&r, 1);
    const wr_plan *part = r.shared[0]->plan;
    assert_int_equal(part->kind, WR_PLAN_AGGREGATE);
    assert_int_equal(part->aggregate.call_count, 3);
    assert_int_equal(r.shared[0]->places, 3);
    assert_int_equal(r.roots[0]->kind, WR_PLAN_PROJECT);
    assert_false(r.roots[0]->project.quiet); /* rows only come */
    assert_int_equal(r.roots[0]->inputs[0]->kind, WR_PLAN_SCAN);
    const wr_schema *after = r.roots[0]->schema;
    assert_int_equal(after->field_count, before.field_count);
    assert_int_equal(after->key_count, before.key_count);
    assert_int_equal(after->time_column, before.time_column);
    for (uint32_t i = 0; i < after->field_count; i++) {
        assert_string_equal(after->fields[i].name, before.fields[i].name);
        assert_true(after->fields[i].watermark_offset == before.fields[i].watermark_offset);
    }
    wr_plans_fini(&r.plans);
}

static void
columns_are_put_together(void **state) /* F1 of unify.c */
{
    (void)state;
    both("SELECT a, count(*) FROM t GROUP BY a", "SELECT a, min(b) FROM t GROUP BY a", 1);
    both("SELECT lower(channel), count(*) FROM bids GROUP BY lower(channel)",
         "SELECT lower(channel), max(bidder), min(auction) FROM bids GROUP BY lower(channel)", 1);
    both("SELECT t.a, count(*) FROM t JOIN u ON t.a = u.a GROUP BY t.a",
         "SELECT t.a, max(u.x), min(t.b) FROM t JOIN u ON t.a = u.a GROUP BY t.a", 1);
    both("SELECT max(s) FROM (SELECT a, sum(b) AS s FROM t GROUP BY a) x",
         "SELECT min(s) FROM (SELECT a, sum(b) AS s, count(*) FROM t GROUP BY a) x", 1);
    both("SELECT max(s) FROM (SELECT a, sum(b) AS s FROM t GROUP BY a) x",
         "SELECT max(s) FROM (SELECT a, max(b) AS s FROM t GROUP BY a) x", 1); /* the inner one */
    both(TUMBLE("count(*)") "WHERE bidder > 3" BY_AUCTION,
         TUMBLE("max(channel)") "WHERE bidder > 3" BY_AUCTION, 1);
    both(TUMBLE("count(*)") "WHERE bidder > 3" BY_AUCTION,
         TUMBLE("max(channel)") "WHERE bidder > 4" BY_AUCTION, 0);
    both(TUMBLE("count(*)") BY_AUCTION, TUMBLE("max(channel)") BY_AUCTION ", bidder", 0);
    both("SELECT a, count(*) FROM t GROUP BY a", "SELECT b, count(*) FROM t GROUP BY b", 0);
    both("SELECT t.a, count(*) FROM t JOIN u ON t.a = u.a GROUP BY t.a",
         "SELECT t.a, count(*) FROM t LEFT JOIN u ON t.a = u.a GROUP BY t.a", 0);
    both("SELECT count(*) FROM t", "SELECT a, max(b) FROM t GROUP BY a", 0);
}

static void
a_call_that_can_fail_is_everybodys(void **state) /* A2 */
{
    (void)state;
    both("SELECT a, count(*) FROM t GROUP BY a", "SELECT a, sum(1 / b) FROM t GROUP BY a", 0);
    both("SELECT a, count(*) FROM t GROUP BY a",
         "SELECT a, count(*) FILTER (WHERE 1 / b > 0) FROM t GROUP BY a", 0);
    both("SELECT a, count(*) FROM t GROUP BY a", "SELECT a, array_agg(b) FROM t GROUP BY a", 0);
    both("SELECT a, count(*), sum(1 / b) FROM t GROUP BY a",
         "SELECT a, sum(1 / b), max(b) FROM t GROUP BY a", 1);
    both("SELECT a, max(b), sum(x) FROM (SELECT a, b, 1 / b AS x FROM t) s GROUP BY a",
         "SELECT a, max(b) FROM t GROUP BY a", 0);
    both("SELECT a, max(b) FROM t GROUP BY a",
         "SELECT a, count(*) FILTER (WHERE random() > 0.5) FROM t GROUP BY a", 0);
}

static void
windows_slide_as_before(void **state) /* A3 */
{
    (void)state;
    both(HOP("count(*)"), HOP("sum(bidder)"), 1);
    both(HOP("max(bidder)"), HOP("min(bidder)"), 1);
    both(HOP("count(*)"), HOP("max(bidder)"), 0);
    both(HOP("max(bidder)"), HOP("count(DISTINCT bidder)"), 0);
    both(TUMBLE("max(bidder)") BY_AUCTION, TUMBLE("count(DISTINCT bidder)") BY_AUCTION, 1);
    both(TUMBLE("count(*)") BY_AUCTION, TUMBLE("max(window_end)") BY_AUCTION,
         0); /* reads its window */
    both(TUMBLE("count(*)") BY_AUCTION, HOP("sum(bidder)"), 0);
}

static void
readers_of_changes_hear_of_their_own(void **state) /* A4 */
{
    rig r;
    (void)state;
    rig_init(&r);
    add(&r, "SELECT a, count(*) FROM t GROUP BY a");
    add(&r, "SELECT a, max(b), count(*) FROM t GROUP BY a");
    add(&r, "SELECT DISTINCT a FROM t"); /* only comes */
    share(&r, 1);
    assert_true(r.roots[0]->project.quiet);
    assert_int_equal(r.roots[0]->schema->key_count, 1);
    assert_int_equal(r.roots[0]->schema->kind, WR_CHANGELOG);
    assert_true(r.roots[1]->kind == WR_PLAN_SCAN || !r.roots[1]->project.quiet); /* it reads all */
    assert_int_equal(r.roots[2]->schema->kind, WR_INSERT_ONLY);
    assert_int_equal(r.roots[2]->kind, WR_PLAN_AGGREGATE);
    wr_plans_fini(&r.plans);
}

static void
options_must_agree(void **state)
{
    rig r;
    (void)state;
    rig_init(&r);
    for (int i = 0; i < 4; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT a, max(b) FILTER (WHERE b > %d) FROM t GROUP BY a", i);
        add(&r, sql);
    }
    r.options[0].ttl_us = 5;
    r.options[1].late_given = true;
    r.users[2].alone = true;
    share(&r, 0);
    wr_plans_fini(&r.plans);
}

static void
there_are_only_so_many_calls(void **state)
{
    rig r;
    (void)state;
    rig_init(&r);
    for (int i = 0; i < USERS_MAX; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT a, max(b) FILTER (WHERE b > %d) FROM t GROUP BY a", i);
        add(&r, sql);
    }
    share(&r, 2);
    uint32_t x = r.shared[0]->plan->aggregate.call_count;
    uint32_t y = r.shared[1]->plan->aggregate.call_count;
    assert_int_equal(x + y, USERS_MAX);
    assert_int_equal(WR_MAX(x, y), 64);
    wr_plans_fini(&r.plans);
}

WR_TESTS = { WR_TEST(calls_are_put_together),
             WR_TEST(columns_are_put_together),
             WR_TEST(a_call_that_can_fail_is_everybodys),
             WR_TEST(windows_slide_as_before),
             WR_TEST(readers_of_changes_hear_of_their_own),
             WR_TEST(options_must_agree),
             WR_TEST(there_are_only_so_many_calls),
             { NULL, NULL } };
