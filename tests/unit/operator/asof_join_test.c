/* SPDX-License-Identifier: Apache-2.0 */
/* asof_join_test.c -- A1..A5 of operator/asof_join.c, V1..V3 of state/versions.c. */
#include "support/test.h"

#include "base/random.h"
#include "operator/asof_join.h"
#include "support/optest.h"

typedef struct asof_case {
    wr_optest          *t;
    wr_asof_join_config config;
    uint32_t            left_keys[1], right_keys[1];
} asof_case;

/* left (k, a, t), right (k, b, q): the last right row of k at or before t. */
static wr_optest *
asof_over(asof_case *c, bool outer, const char *route)
{
    memset(c, 0, sizeof *c);
    c->t = wr_optest_create();
    wr_schema *left = wr_optest_schema(c->t, "k int8, a text, t timestamp");
    wr_schema *right = wr_optest_schema(c->t, "k int4, b numeric, q timestamp");
    wr_schema *both =
        wr_optest_schema(c->t, "k int8, a text, t timestamp, k2 int4, b numeric, q timestamp");
    c->config = (wr_asof_join_config){
        .outer = outer, .key_count = 1, .left_keys = c->left_keys, .right_keys = c->right_keys,
        .left_time = 2, .right_time = 2, .reach_us = INT64_MAX, .left = left, .right = right,
        .output = both,
    };
    wr_optest_operator(c->t, &wr_asof_join_ops, &c->config, both);
    wr_optest_port(c->t, 0, left, route);
    wr_optest_port(c->t, 1, right, route);
    return c->t;
}

static void
watermarks(wr_optest *t, double seconds)
{
    wr_optest_watermark(t, 0, WR_OPTEST_S(seconds));
    wr_optest_watermark(t, 1, WR_OPTEST_S(seconds));
}

static void
left_rows_wait_for_the_watermark(void **state) /* A1, A5 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_over(&c, true, "k");
    wr_optest_rows(t, 1, "1|1.50|@1; 1|5|@5; 2|7|@4");
    wr_optest_rows(t, 0, "1|t|@4; 1|u|@7; 1|v|@9; 3|w|@2; 1|at|@5; 1|old|@0.5");
    wr_optest_expect(t, "");
    watermarks(t, 5);
    wr_optest_expect(t, "1|t|@4|1|1.50|@1; 3|w|@2|null|null|null; 1|old|@0.5|null|null|null");
    watermarks(t, 5.000001);
    wr_optest_expect(t, "1|at|@5|1|5|@5");
    wr_optest_rows(t, 1, "1|8|@8");
    watermarks(t, 9);
    wr_optest_expect(t, "1|u|@7|1|5|@5");
    wr_optest_end(t);
    wr_optest_expect(t, "1|v|@9|1|8|@8");
    wr_optest_count(t, rows_unmatched, 2);
    wr_optest_verify(t);
}

static void
the_left_watermark_holds_too(void **state)
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_over(&c, false, "k");
    wr_optest_rows(t, 1, "1|1|@1");
    wr_optest_rows(t, 0, "1|a|@4; 2|b|@4");
    wr_optest_watermark(t, 1, WR_OPTEST_S(100));
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 0, WR_OPTEST_S(3));
    wr_optest_expect(t, "");
    wr_optest_rows(t, 0, "1|c|@3.5");
    wr_optest_watermark(t, 0, WR_OPTEST_S(5));
    wr_optest_expect(t, "1|a|@4|1|1|@1; 1|c|@3.5|1|1|@1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
strictly_before(void **state)
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_over(&c, true, "k");
    c.config.strict = true;
    wr_optest_rows(t, 1, "1|1|@1; 1|2|@2");
    wr_optest_rows(t, 0, "1|a|@1; 1|b|@2; 1|c|@2.000001");
    watermarks(t, 2); /* what comes from now on is at 2 or later, and not before 2 */
    wr_optest_expect(t, "1|a|@1|null|null|null; 1|b|@2|1|1|@1");
    wr_optest_rows(t, 1, "1|2.0|@2"); /* in time, for c */
    watermarks(t, 2.000001);
    wr_optest_expect(t, "1|c|@2.000001|1|2.0|@2");
    wr_optest_end(t);
    wr_optest_count(t, rows_late, 0);
    wr_optest_verify(t);
}

static void
of_one_time_the_last_that_came(void **state) /* A2 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_over(&c, false, NULL);
    wr_optest_rows(t, 1, "1|1|@1; 1|2|@1; 1|3|@1; 1|2|@1; 1|9|@0.5");
    wr_optest_rows(t, 0, "1|a|@1; 1|a|@1");
    watermarks(t, 3);
    wr_optest_expect(t, "[2] 1|a|@1|1|2|@1");
    wr_optest_rows(t, 1, "1|5|@4; 1|6|@4");
    wr_optest_rows(t, 0, "1|b|@3; 1|c|@4");
    watermarks(t, 5);
    wr_optest_expect(t, "1|b|@3|1|2|@1; 1|c|@4|1|6|@4");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
no_time_or_key_no_partner(void **state) /* A4 */
{
    (void) state;
    for (int outer = 0; outer < 2; outer++) {
        asof_case  c;
        wr_optest *t = asof_over(&c, outer != 0, "k");
        wr_optest_rows(t, 1, "1|1|null; null|2|@1; 1|3|@2");
        wr_optest_rows(t, 0, "1|a|null; null|b|@5; 1|c|@5");
        wr_optest_expect(t, outer ? "1|a|null|null|null|null; null|b|@5|null|null|null" : "");
        watermarks(t, 6);
        wr_optest_expect(t, "1|c|@5|1|3|@2");
        wr_optest_end(t);
        wr_optest_count(t, rows_unmatched, 4);
        wr_optest_verify(t);
    }
}

static void
a_reach_lets_idle_keys_go(void **state) /* V2 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_over(&c, true, NULL);
    c.config.reach_us = WR_OPTEST_S(10);
    wr_optest_rows(t, 1, "1|1|@1; 2|2|@8");
    wr_optest_rows(t, 0, "1|a|@11; 1|b|@11.000001; 2|c|@12");
    watermarks(t, 13);
    wr_optest_expect(t, "1|a|@11|1|1|@1; 1|b|@11.000001|null|null|null; 2|c|@12|2|2|@8");
    wr_optest_rows(t, 0, "2|d|@18; 2|e|@18.5");
    watermarks(t, 60);
    wr_optest_expect(t, "2|d|@18|2|2|@8; 2|e|@18.5|null|null|null");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* A right row behind the watermark is seen by those left rows that were not due when it came. */
static void
late_rows(void **state) /* A3 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_over(&c, true, NULL);
    wr_optest_want_late(t);
    wr_optest_rows(t, 1, "1|1|@1");
    wr_optest_rows(t, 0, "1|a|@6; 1|b|@14");
    wr_optest_watermark(t, 0, WR_OPTEST_S(100));
    wr_optest_delay(t, 1, "q", 0);
    wr_optest_rows(t, 1, "2|0|@10; 1|5|@5; 2|0|@12");
    wr_optest_expect(t, "1|a|@6|1|1|@1");
    wr_optest_rows(t, 1, "2|0|@15");
    wr_optest_expect(t, "1|b|@14|1|5|@5");
    wr_optest_rows(t, 0, "1|c|@14.5; 1|d|@15; null|e|@14.5; null|f|@15; 1|g|null");
    wr_optest_expect(t, "null|f|@15|null|null|null; 1|g|null|null|null|null");
    wr_optest_rows(t, 1, "2|0|@20");
    wr_optest_expect(t, "1|d|@15|1|5|@5");
    wr_optest_end(t);
    wr_optest_expect_port(t, WR_PORT_LATE, "1|c|@14.5; null|e|@14.5");
    wr_optest_count(t, rows_late, 3);
    wr_optest_verify(t);
}

static void
without_watermarks_all_waits_for_the_end(void **state)
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_over(&c, true, "k");
    c.config.left_offset = c.config.right_offset = WR_NO_WATERMARK;
    wr_optest_rows(t, 0, "1|a|@6; 1|b|@1");
    wr_optest_rows(t, 1, "1|9|@9; 1|5|@5");
    watermarks(t, 50);
    wr_optest_rows(t, 1, "1|4|@4; 1|5.5|@5.5; 1|3|@3");
    wr_optest_expect(t, "");
    wr_optest_end(t);
    wr_optest_expect(t, "1|a|@6|1|5.5|@5.5; 1|b|@1|null|null|null");
    wr_optest_verify(t);
}

static void
nothing_can_be_taken_back(void **state)
{
    (void) state;
    for (int port = 0; port < 2; port++) {
        asof_case  c;
        wr_optest *t = asof_over(&c, true, "k");
        wr_optest_rows(t, port, port == 0 ? "[-1] 1|a|@6" : "[-1] 1|2|@6");
        wr_optest_expect_failure(t, WEIR_QUERY_UNSUPPORTED);
        wr_optest_verify(t);
    }
}

/* --- against two loops --- */

enum { ROWS = 160, KEYS = 3 };

typedef struct moment {
    int key, time, label;
} moment;

static void
equals_two_loops(void **state) /* A1, A2, V1..V3 */
{
    (void) state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        asof_case  c;
        wr_random  random;
        moment     left[ROWS], right[ROWS];
        bool       strict = seed % 2 == 0, outer = seed % 3 == 0;
        int        reach = seed % 4 == 0 ? 20 : 1000000;
        wr_optest *t = asof_over(&c, outer, "k");
        wr_text    line, expected;
        c.config.strict = strict;
        c.config.reach_us = seed % 4 == 0 ? WR_OPTEST_S(reach) : INT64_MAX;
        wr_random_init(&random, seed);
        wr_text_init(&line, NULL);
        wr_text_init(&expected, NULL);
        for (int from = 0; from < ROWS; from += 8) {
            for (int side = 0; side < 2; side++) {
                wr_text_clear(&line);
                for (int i = from; i < from + 8; i++) {
                    /* out of order by up to 30 s; the watermark stays behind that */
                    moment m = { (int) wr_random_below(&random, KEYS),
                                 from + (int) wr_random_below(&random, 30), i };
                    (side == 0 ? left : right)[i] = m;
                    wr_text_printf(&line, side == 0 ? "%d|l%d|@%d;" : "%d|%d|@%d;", m.key, i,
                                   m.time);
                }
                wr_optest_rows(t, side, wr_text_string(&line));
            }
            watermarks(t, from + 8);
        }
        for (int i = 0; i < ROWS; i++) {
            const moment *l = &left[i], *best = NULL;
            for (int k = 0; k < ROWS; k++) {
                const moment *r = &right[k];
                bool          before = strict ? r->time < l->time : r->time <= l->time;
                if (r->key == l->key && before && r->time >= l->time - reach &&
                    (best == NULL || r->time >= best->time))
                    best = r;
            }
            if (best != NULL)
                wr_text_printf(&expected, "%d|l%d|@%d|%d|%d|@%d;", l->key, i, l->time, best->key,
                               best->label, best->time);
            else if (outer)
                wr_text_printf(&expected, "%d|l%d|@%d|null|null|null;", l->key, i, l->time);
        }
        wr_optest_end(t);
        wr_optest_expect(t, wr_text_string(&expected));
        wr_optest_count(t, rows_late, 0);
        wr_text_fini(&line);
        wr_text_fini(&expected);
        wr_optest_verify(t);
    }
}

WR_TESTS = { WR_TEST(left_rows_wait_for_the_watermark),
             WR_TEST(the_left_watermark_holds_too),
             WR_TEST(strictly_before),
             WR_TEST(of_one_time_the_last_that_came),
             WR_TEST(no_time_or_key_no_partner),
             WR_TEST(a_reach_lets_idle_keys_go),
             WR_TEST(late_rows),
             WR_TEST(without_watermarks_all_waits_for_the_end),
             WR_TEST(nothing_can_be_taken_back),
             WR_TEST(equals_two_loops),
             { NULL, NULL } };
