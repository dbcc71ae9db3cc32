/* SPDX-License-Identifier: Apache-2.0 */
/* join_changes_test.c -- H1..H6 of operator/join_changes.c, M1, W1, W2 of its parts. */
#include "support/test.h"

#include "base/random.h"
#include "operator/join.h"
#include "support/optest.h"

typedef struct join_case {
    wr_optest     *t;
    wr_join_config config;
    uint32_t       left_keys[2], right_keys[2];
    wr_schema     *both;
} join_case;

/* left (k, a, lt), right (k, b, rt), joined on k. */
static wr_optest *
join_over(join_case *c, wr_join_kind kind, const char *route)
{
    memset(c, 0, sizeof *c);
    c->t = wr_optest_create();
    bool       half = kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI;
    wr_schema *left = wr_optest_schema(c->t, "k int8, a text, lt timestamp");
    wr_schema *right = wr_optest_schema(c->t, "k int4, b numeric, rt timestamp");
    c->both =
        wr_optest_schema(c->t, "k int8, a text, lt timestamp, k2 int4, b numeric, rt timestamp");
    c->config = (wr_join_config){
        .kind = kind, .key_count = 1, .left_keys = c->left_keys, .right_keys = c->right_keys,
        .left_time = 2, .right_time = 2, .left = left, .right = right,
        .output = half ? left : c->both,
    };
    wr_optest_operator(c->t, &wr_join_changes_ops, &c->config, c->config.output);
    wr_optest_port(c->t, 0, left, route);
    wr_optest_port(c->t, 1, right, route);
    return c->t;
}

static void
bound(join_case *c, double low, double high)
{
    c->config.has_bound = true;
    c->config.low_us = WR_OPTEST_S(low);
    c->config.high_us = WR_OPTEST_S(high);
}

static void
watermarks(wr_optest *t, double seconds)
{
    wr_optest_watermark(t, 0, WR_OPTEST_S(seconds));
    wr_optest_watermark(t, 1, WR_OPTEST_S(seconds));
}

static void
lone_row_goes_when_a_partner_comes_and_is_back_when_the_last_leaves(void **state) /* H1 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, "k");
    wr_optest_rows(t, 0, "1|x|@1; null|n|@1");
    wr_optest_expect(t, "1|x|@1|null|null|null; null|n|@1|null|null|null");
    wr_optest_rows(t, 1, "1|1|@1; 2|2|@2");
    wr_optest_expect_ordered(t, "[-1] 1|x|@1|null|null|null; 1|x|@1|1|1|@1");
    wr_optest_rows(t, 1, "1|5|@5");
    wr_optest_expect(t, "1|x|@1|1|5|@5");
    wr_optest_rows(t, 1, "[-1] 1|1|@1");
    wr_optest_expect(t, "[-1] 1|x|@1|1|1|@1");
    wr_optest_rows(t, 1, "[-1] 1|5|@5");
    wr_optest_expect_ordered(t, "[-1] 1|x|@1|1|5|@5; 1|x|@1|null|null|null");
    wr_optest_rows(t, 0, "[-1] 1|x|@1; [-1] null|n|@1");
    wr_optest_expect(t, "[-1] 1|x|@1|null|null|null; [-1] null|n|@1|null|null|null");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
full_join_takes_back_on_both_sides(void **state) /* H1 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_FULL, "k");
    wr_optest_rows(t, 0, "[2] 1|x|@1");
    wr_optest_rows(t, 1, "3|3|@3");
    wr_optest_expect(t, "[2] 1|x|@1|null|null|null; null|null|null|3|3|@3");
    wr_optest_rows(t, 1, "[3] 1|1|@1");
    wr_optest_expect(t, "[-2] 1|x|@1|null|null|null; [6] 1|x|@1|1|1|@1");
    wr_optest_rows(t, 0, "[-2] 1|x|@1");
    wr_optest_expect(t, "[-6] 1|x|@1|1|1|@1; [3] null|null|null|1|1|@1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
half_joins_follow_their_partners(void **state) /* H1 */
{
    (void) state;
    for (int anti = 0; anti < 2; anti++) {
        join_case  c;
        wr_optest *t = join_over(&c, anti ? WR_JOIN_ANTI : WR_JOIN_SEMI, "k");
        wr_optest_rows(t, 0, "1|x|@1; [2] 2|y|@1; null|n|@1");
        wr_optest_expect(t, anti ? "1|x|@1; [2] 2|y|@1; null|n|@1" : "");
        wr_optest_rows(t, 1, "1|1|@1; 1|2|@2");
        wr_optest_expect(t, anti ? "[-1] 1|x|@1" : "1|x|@1");
        wr_optest_rows(t, 1, "[-1] 1|2|@2; 2|1|@1");
        wr_optest_expect(t, anti ? "[-2] 2|y|@1" : "[2] 2|y|@1");
        wr_optest_rows(t, 1, "[-1] 1|1|@1");
        wr_optest_expect(t, anti ? "1|x|@1" : "[-1] 1|x|@1");
        wr_optest_rows(t, 0, "[-1] 2|y|@1; [-1] null|n|@1");
        wr_optest_expect(t, anti ? "[-1] null|n|@1" : "[-1] 2|y|@1");
        wr_optest_end(t);
        wr_optest_verify(t);
    }
}

/* The row at one side stays as it is while its partner is replaced. */
static void
an_update_moves_nothing_but_the_pair(void **state) /* H3, W1 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, NULL);
    wr_optest_rows(t, 0, "1|x|@1");
    wr_optest_rows(t, 1, "1|1|@1");
    wr_optest_expect_any(t);
    wr_optest_rows(t, 1, "[-1] 1|1|@1; 1|2|@2");
    wr_optest_expect(t, "[-1] 1|x|@1|1|1|@1; 1|x|@1|1|2|@2");
    wr_optest_rows(t, 0, "1|y|@1; [-1] 1|x|@1");
    wr_optest_expect(t, "[-1] 1|x|@1|1|2|@2; 1|y|@1|1|2|@2");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
rows_may_be_taken_back_before_they_come(void **state) /* H2 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, "k");
    wr_optest_rows(t, 0, "1|x|@1");
    wr_optest_expect(t, "1|x|@1|null|null|null");
    wr_optest_rows(t, 1, "[-1] 1|1|@1");
    wr_optest_expect(t, "[-1] 1|x|@1|1|1|@1");
    wr_optest_rows(t, 1, "1|2|@2"); /* the two add up to nothing: x stands alone still */
    wr_optest_expect(t, "1|x|@1|1|2|@2");
    wr_optest_rows(t, 1, "1|1|@1");
    wr_optest_expect(t, "1|x|@1|1|1|@1; [-1] 1|x|@1|null|null|null");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
values_that_are_equal_but_look_different_are_two_rows(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_INNER, "k");
    wr_optest_rows(t, 0, "1|x|@1");
    wr_optest_rows(t, 1, "1|1.0|@1; 1|1.00|@1; 1|1|@1");
    wr_optest_expect(t, "1|x|@1|1|1.0|@1; 1|x|@1|1|1.00|@1; 1|x|@1|1|1|@1");
    wr_optest_rows(t, 1, "[-1] 1|1.00|@1");
    wr_optest_expect(t, "[-1] 1|x|@1|1|1.00|@1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
a_bound_lets_rows_go_and_late_ones_do_nothing(void **state) /* H4 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, "k");
    wr_optest_want_late(t);
    bound(&c, -1, 2); /* lt in [rt - 1, rt + 2]: a left row at 10 has partners in [8, 11] */
    wr_optest_rows(t, 0, "1|a|@10; 2|b|@10; 1|n|null");
    wr_optest_rows(t, 1, "1|1|@8; 1|2|@7.9; 1|3|@11");
    wr_optest_expect(t, "1|a|@10|1|1|@8; 1|a|@10|1|3|@11; 2|b|@10|null|null|null; "
                        "1|n|null|null|null|null");
    watermarks(t, 10);
    wr_optest_rows(t, 1, "[-1] 1|3|@11");
    wr_optest_expect(t, "[-1] 1|a|@10|1|3|@11");
    wr_optest_rows(t, 1, "[-1] 1|1|@8"); /* behind the watermark: counted, and no more */
    wr_optest_expect(t, "");
    wr_optest_rows(t, 1, "2|4|@10.5; [-1] 2|4|@10.5; 2|5|@10.6");
    wr_optest_expect(t, "[-1] 2|b|@10|null|null|null; 2|b|@10|2|5|@10.6");
    watermarks(t, 11.000001);
    wr_optest_rows(t, 0, "2|c|@12; 2|d|@11");
    wr_optest_expect(t, "2|c|@12|2|5|@10.6");
    watermarks(t, 60);
    wr_optest_rows(t, 0, "2|e|@61");
    wr_optest_expect(t, "2|e|@61|null|null|null");
    wr_optest_rows(t, 0, "null|f|@59; null|g|@60; [-1] 2|h|@59");
    wr_optest_expect(t, "null|g|@60|null|null|null");
    wr_optest_expect_port(t, WR_PORT_LATE, "2|d|@11; null|f|@59; [-1] 2|h|@59");
    wr_optest_count(t, rows_late, 4);
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
a_row_can_be_taken_back_as_long_as_its_side_may_speak_of_it(void **state) /* H4 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, "k");
    bound(&c, 5, 8); /* partners of a left row lie before it: no partner comes, it may still go */
    wr_optest_rows(t, 1, "1|1|@1");
    wr_optest_rows(t, 0, "1|a|@8; 2|b|@8");
    wr_optest_expect(t, "1|a|@8|1|1|@1; 2|b|@8|null|null|null");
    watermarks(t, 8);
    wr_optest_rows(t, 0, "[-1] 1|a|@8; [-1] 2|b|@8");
    wr_optest_expect(t, "[-1] 1|a|@8|1|1|@1; [-1] 2|b|@8|null|null|null");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* ttl 10 s: what a forgotten row made come out stays, and it cannot be taken back */
static void
idle_rows_are_forgotten(void **state) /* H5 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, "k");
    c.config.ttl_us = WR_OPTEST_S(10);
    watermarks(t, 1);
    wr_optest_rows(t, 0, "1|x|@1");
    wr_optest_rows(t, 1, "1|1|@1");
    wr_optest_expect(t, "1|x|@1|1|1|@1");
    watermarks(t, 10);
    wr_optest_rows(t, 0, "1|y|@1; [-1] 1|y|@1; 1|x|@1");
    wr_optest_expect(t, "1|x|@1|1|1|@1"); /* x is fresh again */
    watermarks(t, 15);
    wr_optest_rows(t, 1, "[-1] 1|1|@1"); /* forgotten at 11 */
    wr_optest_expect(t, "");
    wr_optest_rows(t, 0, "1|z|@1");
    wr_optest_expect(t, "1|z|@1|null|null|null");
    wr_optest_rows(t, 1, "1|1|@1"); /* it comes back as a new row: x has it already, z has not */
    wr_optest_expect(t, "[2] 1|x|@1|1|1|@1; 1|z|@1|1|1|@1; [-1] 1|z|@1|null|null|null");
    wr_optest_count(t, rows_late, 1);
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* Rows whose watermarks lie a ttl apart come in one batch or in many: what is forgotten is the same. */
static void
idle_rows_are_forgotten_within_a_batch(void **state) /* H5 */
{
    (void) state;
    for (int kind = 0; kind < 2; kind++) {
        join_case  c;
        wr_optest *t = join_over(&c, kind == 0 ? WR_JOIN_INNER : WR_JOIN_LEFT, "k");
        c.config.ttl_us = WR_OPTEST_S(10);
        watermarks(t, 0);
        wr_optest_rows(t, 1, "1|1|@0");
        wr_optest_watermark(t, 1, WR_OPTEST_S(1000));
        wr_optest_delay(t, 0, "lt", 0);
        wr_optest_rows(t, 0, "1|x|@5; 1|y|@30; 1|x|@5; [-1] 1|y|@30; [-1] 1|x|@5; [-1] 1|x|@5");
        wr_optest_expect(t, kind == 0 ? "1|x|@5|1|1|@0; 1|y|@30|1|1|@0" : "1|x|@5|1|1|@0; 1|y|@30|1|1|@0");
        wr_optest_rows(t, 0, "1|z|@31; 1|z|@31; 1|w|@60; [-1] 1|z|@31; 1|w|@60; 1|w|@60; [-3] 1|w|@60");
        wr_optest_expect(t, kind == 0 ? "" : "[2] 1|z|@31|null|null|null; 1|w|@60|null|null|null");
        wr_optest_count(t, rows_late, 4);
        wr_optest_end(t);
        wr_optest_verify(t);
    }
}

static void
scalar_subquery_may_change_its_one_row(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, NULL);
    c.config.single = true;
    wr_optest_rows(t, 0, "1|x|@1; 1|y|@1");
    wr_optest_rows(t, 1, "1|1|@1");
    wr_optest_expect_any(t);
    wr_optest_rows(t, 1, "[-1] 1|1|@1; 1|2|@1");
    wr_optest_expect(t, "[-1] 1|x|@1|1|1|@1; 1|x|@1|1|2|@1; [-1] 1|y|@1|1|1|@1; 1|y|@1|1|2|@1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
second_partner_of_a_scalar_subquery_fails(void **state)
{
    (void) state;
    for (int way = 0; way < 3; way++) {
        join_case  c;
        wr_optest *t = join_over(&c, WR_JOIN_LEFT, NULL);
        c.config.single = true;
        if (way == 2)
            wr_optest_rows(t, 1, "1|1|@1; 1|2|@1");
        wr_optest_rows(t, 0, "1|x|@1");
        if (way == 0)
            wr_optest_rows(t, 1, "[2] 1|1|@1");
        if (way == 1)
            wr_optest_rows(t, 1, "1|1|@1; 1|2|@1");
        wr_optest_expect_failure(t, WEIR_QUERY_CARDINALITY);
        wr_optest_verify(t);
    }
}

static void
lookup_answers_with_what_is_there(void **state)
{
    (void) state;
    for (int left = 0; left < 2; left++) {
        join_case  c;
        wr_optest *t = join_over(&c, left ? WR_JOIN_LEFT : WR_JOIN_INNER, "k");
        c.config.lookup = true;
        wr_optest_rows(t, 0, "1|early|@1");
        wr_optest_expect(t, left ? "1|early|@1|null|null|null" : "");
        wr_optest_rows(t, 1, "1|1|@1; 2|2|@2");
        wr_optest_expect(t, "");
        wr_optest_rows(t, 0, "1|x|@1; 1|x|@1; null|n|@1");
        wr_optest_expect(t, left ? "[2] 1|x|@1|1|1|@1; null|n|@1|null|null|null"
                                 : "[2] 1|x|@1|1|1|@1");
        wr_optest_rows(t, 1, "[-1] 1|1|@1; 1|7|@7");
        wr_optest_expect(t, "");
        wr_optest_rows(t, 0, "1|x|@1; 2|y|@1");
        wr_optest_expect_ordered(t, "1|x|@1|1|7|@7; 2|y|@1|2|2|@2");
        wr_optest_rows(t, 1, "[-1] 1|7|@7");
        wr_optest_rows(t, 0, "1|x|@1");
        wr_optest_expect(t, left ? "1|x|@1|null|null|null" : "");
        wr_optest_end(t);
        wr_optest_count(t, rows_unmatched, 3);
        wr_optest_verify(t);
    }
}

/* 100 left rows meet 100 right rows of one key: 10,000 pairs, in and out again */
static void
many_pairs_make_many_batches(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_FULL, NULL);
    wr_text    left, right, back;
    wr_text_init(&left, NULL);
    wr_text_init(&right, NULL);
    wr_text_init(&back, NULL);
    c.config.residual = wr_optest_call(t, "<>", wr_optest_column(t, c.both, "lt"),
                                       wr_optest_constant(t, "timestamp", "1999-01-01"));
    for (int i = 0; i < 100; i++) {
        wr_text_printf(&left, "1|%d|@%d;", i, i);
        wr_text_printf(&right, "1|%d|@%d;", i, i);
        wr_text_printf(&back, "[-1] 1|%d|@%d;", i, i);
    }
    wr_optest_rows(t, 0, wr_text_string(&left));
    wr_optest_rows(t, 1, wr_text_string(&right));
    wr_optest_expect_any(t);
    wr_optest_rows(t, 0, wr_text_string(&back));
    wr_optest_rows(t, 1, wr_text_string(&back));
    wr_optest_expect_any(t);
    wr_optest_rows(t, 0, "1|x|@1");
    wr_optest_expect(t, "1|x|@1|null|null|null");
    wr_optest_end(t);
    wr_text_fini(&left);
    wr_text_fini(&right);
    wr_text_fini(&back);
    wr_optest_verify(t);
}

/* Pairs of the left's 90 rows, of which 70 have one key, with some of the right's, which are alike. */
static void
put_pairs(wr_text *to, int diff, int right_from, int right_until, int add)
{
    for (int l = 0; l < 90; l++)
        for (int r = right_from; r < right_until; r++)
            if (l < 70 ? r < 70 : l == r)
                wr_text_printf(to, "[%d] %d|left row number %d is long|%d|%d;", diff, l < 70 ? 1 : l, l,
                               r < 70 ? 1 : r, r + add);
}

/* An inner join of rows that come before they go: many of a key, few of others, some twice and some moved at once. */
static void
pairs_come_out_as_they_are_found(void **state) /* H1, H3 */
{
    (void) state;
    join_case  c;
    wr_optest *t = wr_optest_create();
    wr_text    left, right, pairs;
    memset(&c, 0, sizeof c);
    wr_schema *l = wr_optest_schema(t, "k int8, a text");
    wr_schema *r = wr_optest_schema(t, "k int8, b int8");
    wr_schema *both = wr_optest_schema(t, "k int8, a text, k2 int8, b int8");
    c.config = (wr_join_config){ .kind = WR_JOIN_INNER, .key_count = 1, .left_keys = c.left_keys,
                                 .right_keys = c.right_keys, .left = l, .right = r, .output = both };
    wr_optest_operator(t, &wr_join_changes_ops, &c.config, both);
    wr_optest_port(t, 0, l, "k");
    wr_optest_port(t, 1, r, "k");
    wr_text_init(&left, NULL);
    wr_text_init(&right, NULL);
    wr_text_init(&pairs, NULL);
    for (int i = 0; i < 90; i++) {
        wr_text_printf(&left, "%d|left row number %d is long;", i < 70 ? 1 : i, i);
        wr_text_printf(&right, "%d|%d;", i < 70 ? 1 : i, i);
    }
    wr_optest_rows(t, 0, wr_text_string(&left));
    wr_optest_rows(t, 0, "null|no key; null|no key");
    wr_optest_expect(t, "");
    wr_optest_rows(t, 1, wr_text_string(&right));
    put_pairs(&pairs, 1, 0, 90, 0);
    wr_optest_expect(t, wr_text_string(&pairs));
    wr_text_clear(&right);
    wr_text_clear(&pairs);
    for (int i = 30; i < 80; i++)
        wr_text_printf(&right, "%d|%d; [-1] %d|%d; %d|7; [-1] %d|7;", i < 70 ? 1 : i, i + 1000, i < 70 ? 1 : i,
                       i, i, i);
    wr_optest_rows(t, 1, wr_text_string(&right));
    put_pairs(&pairs, -1, 30, 80, 0);
    put_pairs(&pairs, 1, 30, 80, 1000);
    wr_optest_expect(t, wr_text_string(&pairs));
    wr_text_clear(&left);
    wr_text_clear(&pairs);
    for (int i = 0; i < 90; i++)
        wr_text_printf(&left, "[-1] %d|left row number %d is long;", i < 70 ? 1 : i, i);
    wr_optest_rows(t, 0, wr_text_string(&left));
    put_pairs(&pairs, -1, 0, 30, 0);
    put_pairs(&pairs, -1, 30, 80, 1000);
    put_pairs(&pairs, -1, 80, 90, 0);
    wr_optest_expect(t, wr_text_string(&pairs));
    wr_optest_rows(t, 0, "[-1] 1|never seen");
    wr_optest_expect_any(t);
    wr_optest_rows(t, 1, "[-1] 1|0; 1|0; 1|5000");
    wr_optest_expect(t, "[-1] 1|never seen|1|5000");
    wr_optest_end(t);
    wr_text_fini(&left);
    wr_text_fini(&right);
    wr_text_fini(&pairs);
    wr_optest_verify(t);
}

/* 90 rows pass 60 of their key, and one of no key's among them: more pairs than a batch holds, the row without partner in
 * its place. */
static void
lookup_hands_on_many_pairs(void **state)
{
    (void) state;
    for (int left = 0; left < 2; left++) {
        join_case  c;
        wr_optest *t = wr_optest_create();
        wr_text    passing, standing;
        memset(&c, 0, sizeof c);
        wr_schema *l = wr_optest_schema(t, "a text, k text");
        wr_schema *r = wr_optest_schema(t, "k text, b int8");
        wr_schema *both = wr_optest_schema(t, "a text, k text, k2 text, b int8");
        c.left_keys[0] = 1;
        c.config = (wr_join_config){ .kind = left ? WR_JOIN_LEFT : WR_JOIN_INNER,
                                     .key_count = 1,
                                     .left_keys = c.left_keys,
                                     .right_keys = c.right_keys,
                                     .lookup = true,
                                     .left = l,
                                     .right = r,
                                     .output = both };
        wr_optest_operator(t, &wr_join_changes_ops, &c.config, both);
        wr_optest_port(t, 0, l, "k");
        wr_optest_port(t, 1, r, "k");
        wr_text_init(&passing, NULL);
        wr_text_init(&standing, NULL);
        for (int i = 0; i < 90; i++)
            wr_text_printf(&passing, "%d|%s;", i, i == 80 ? "another long key with no rows"
                                                          : "a key of more than twenty bytes");
        for (int i = 0; i < 60; i++)
            wr_text_printf(&standing, "a key of more than twenty bytes|%d;", i);
        wr_optest_rows(t, 1, wr_text_string(&standing));
        wr_optest_rows(t, 0, wr_text_string(&passing));
        wr_optest_expect_any(t);
        wr_optest_rows(t, 1, "[-1] a key of more than twenty bytes|7; short|1");
        wr_optest_rows(t, 0, "x|short; y|null");
        wr_optest_expect(t, left ? "x|short|short|1; y|null|null|null" : "x|short|short|1");
        wr_optest_end(t);
        wr_optest_count(t, rows_out, 89 * 60 + 1 + (left ? 2 : 0));
        wr_optest_count(t, rows_unmatched, 2);
        wr_text_fini(&passing);
        wr_text_fini(&standing);
        wr_optest_verify(t);
    }
}

/* --- against two loops --- */

enum { KEYS = 3, WORDS = 3, TIMES = 3, LEFTS = (KEYS + 1) * WORDS * TIMES, RIGHTS = LEFTS };
static const char *const words[WORDS] = { "x", "y", "a text that is long" };
static const char *const numbers[WORDS] = { "1", "1.0", "null" };

typedef struct world {
    wr_join_kind kind;
    bool         residual, null_equal, cross;
    int64_t      left[LEFTS], right[RIGHTS];
    int64_t      pairs[LEFTS][RIGHTS], lefts[LEFTS], rights[RIGHTS]; /* as they came out */
} world;

static int
key_of(int row)
{
    return row / (WORDS * TIMES);
}

static void
put_row(wr_text *to, int row, bool left)
{
    if (key_of(row) == KEYS)
        wr_text_puts(to, "null");
    else
        wr_text_printf(to, "%d", key_of(row));
    wr_text_printf(to, "|%s|@%d", (left ? words : numbers)[row / TIMES % WORDS], row % TIMES);
}

static bool
matches(const world *w, int l, int r)
{
    bool keys = w->cross || (key_of(l) == key_of(r) && (key_of(l) < KEYS || w->null_equal));
    return keys && (!w->residual || l % TIMES < r % TIMES);
}

static void
put_change(wr_text *to, int64_t *was, int64_t now, int l, int r, bool half)
{
    if (*was == now)
        return;
    wr_text_printf(to, "[%lld] ", (long long) (now - *was));
    if (l >= 0)
        put_row(to, l, true);
    else
        wr_text_puts(to, "null|null|null");
    if (!half) {
        wr_text_putc(to, '|');
        if (r >= 0)
            put_row(to, r, false);
        else
            wr_text_puts(to, "null|null|null");
    }
    wr_text_puts(to, ";");
    *was = now;
}

/* What has to come out now. */
static void
expect_changes(wr_optest *t, world *w)
{
    bool    half = w->kind == WR_JOIN_SEMI || w->kind == WR_JOIN_ANTI;
    bool    outer[2] = { w->kind == WR_JOIN_LEFT || w->kind == WR_JOIN_FULL,
                      w->kind == WR_JOIN_RIGHT || w->kind == WR_JOIN_FULL };
    wr_text text;
    wr_text_init(&text, NULL);
    for (int l = 0; l < LEFTS; l++) {
        int64_t partners = 0;
        for (int r = 0; r < RIGHTS; r++) {
            int64_t both = matches(w, l, r) ? w->left[l] * w->right[r] : 0;
            partners += matches(w, l, r) ? w->right[r] : 0;
            if (!half)
                put_change(&text, &w->pairs[l][r], both, l, r, false);
        }
        bool out = w->kind == WR_JOIN_SEMI ? partners > 0
                                           : (w->kind == WR_JOIN_ANTI || outer[0]) && partners <= 0;
        put_change(&text, &w->lefts[l], out ? w->left[l] : 0, l, -1, half);
    }
    for (int r = 0; r < RIGHTS && outer[1]; r++) {
        int64_t partners = 0;
        for (int l = 0; l < LEFTS; l++)
            partners += matches(w, l, r) ? w->left[l] : 0;
        put_change(&text, &w->rights[r], partners <= 0 ? w->right[r] : 0, -1, r, false);
    }
    wr_optest_expect(t, wr_text_string(&text));
    wr_text_fini(&text);
}

static void
feed(wr_optest *t, world *w, wr_random *random)
{
    bool    left = wr_random_below(random, 2) == 0;
    int64_t *bag = left ? w->left : w->right;
    wr_text text;
    wr_text_init(&text, NULL);
    for (uint64_t n = 1 + wr_random_below(random, 12); n > 0; n--) {
        /* one key gets half of it all */
        int key = wr_random_below(random, 2) == 0 ? 0 : (int) wr_random_below(random, KEYS + 1);
        int row = key * WORDS * TIMES + (int) wr_random_below(random, WORDS * TIMES);
        int diff = 1 + (int) wr_random_below(random, 2);
        bool back = bag[row] > 0 ? wr_random_below(random, 2) == 0 : wr_random_below(random, 8) == 0;
        if (back)
            diff = -diff;
        wr_text_printf(&text, "[%d] ", diff);
        put_row(&text, row, left);
        wr_text_puts(&text, ";");
        bag[row] += diff;
    }
    wr_optest_rows(t, left ? 0 : 1, wr_text_string(&text));
    wr_text_fini(&text);
}

static void
folded_changes_equal_two_loops(void **state) /* H1, H2, M1 */
{
    (void) state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        wr_random random;
        join_case c;
        world     w;
        wr_random_init(&random, seed + 1);
        memset(&w, 0, sizeof w);
        w.kind = (wr_join_kind) (seed % 6);
        w.residual = seed / 6 % 2 == 1;
        w.null_equal = seed / 12 % 2 == 1 && seed < 24;
        w.cross = seed >= 24;
        wr_optest *t = join_over(&c, w.kind, w.cross ? NULL : "k");
        c.config.null_equal = w.null_equal;
        c.config.key_count = w.cross ? 0 : 1;
        if (w.residual)
            c.config.residual = wr_optest_call(t, "<", wr_optest_column(t, c.both, "lt"),
                                               wr_optest_column(t, c.both, "rt"));
        for (int step = 0; step < 24; step++) {
            feed(t, &w, &random);
            if (wr_random_below(&random, 3) > 0)
                expect_changes(t, &w);
        }
        expect_changes(t, &w);
        wr_optest_end(t);
        wr_optest_verify(t);
    }
}

WR_TESTS = { WR_TEST(lone_row_goes_when_a_partner_comes_and_is_back_when_the_last_leaves),
             WR_TEST(full_join_takes_back_on_both_sides),
             WR_TEST(half_joins_follow_their_partners),
             WR_TEST(an_update_moves_nothing_but_the_pair),
             WR_TEST(rows_may_be_taken_back_before_they_come),
             WR_TEST(values_that_are_equal_but_look_different_are_two_rows),
             WR_TEST(a_bound_lets_rows_go_and_late_ones_do_nothing),
             WR_TEST(a_row_can_be_taken_back_as_long_as_its_side_may_speak_of_it),
             WR_TEST(idle_rows_are_forgotten),
             WR_TEST(idle_rows_are_forgotten_within_a_batch),
             WR_TEST(scalar_subquery_may_change_its_one_row),
             WR_TEST(second_partner_of_a_scalar_subquery_fails),
             WR_TEST(lookup_answers_with_what_is_there),
             WR_TEST(lookup_hands_on_many_pairs),
             WR_TEST(many_pairs_make_many_batches),
             WR_TEST(pairs_come_out_as_they_are_found),
             WR_TEST(folded_changes_equal_two_loops),
             { NULL, NULL } };
