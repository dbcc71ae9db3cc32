/* SPDX-License-Identifier: Apache-2.0 */
/* join_test.c -- J1..J7 of operator/join.c, B1, E1..E3, T1 of its parts. */
#include "support/test.h"

#include "operator/join.h"
#include "support/optest.h"

#include <stdio.h>

typedef struct join_case {
    wr_optest     *t;
    wr_join_config config;
    uint32_t       left_keys[2], right_keys[2];
} join_case;

/* left (k, a, lt), right (k, b, rt), joined on k.  bound: lt between rt + low and rt + high,
 * seconds. */
static wr_optest *
join_over(join_case *c, wr_join_kind kind, bool bound, double low, double high, const char *route)
{
    memset(c, 0, sizeof *c);
    c->t = wr_optest_create();
    bool       half = kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI;
    wr_schema *left = wr_optest_schema(c->t, "k int8, a text, lt timestamp");
    wr_schema *right = wr_optest_schema(c->t, "k int4, b numeric, rt timestamp");
    wr_schema *output = wr_optest_schema(
        c->t, half ? "k int8, a text, lt timestamp"
                   : "k int8, a text, lt timestamp, k2 int4, b numeric, rt timestamp");
    c->config = (wr_join_config){
        .kind = kind, .key_count = 1, .left_keys = c->left_keys, .right_keys = c->right_keys,
        .has_bound = bound, .left_time = 2, .right_time = 2, .low_us = WR_OPTEST_S(low),
        .high_us = WR_OPTEST_S(high), .left = left, .right = right, .output = output,
    };
    wr_optest_operator(c->t, &wr_join_ops, &c->config, output);
    wr_optest_port(c->t, 0, left, route);
    wr_optest_port(c->t, 1, right, route);
    return c->t;
}

static void
inner_pairs_once_whoever_comes_last(void **state) /* J1, J3 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_INNER, false, 0, 0, "k");
    wr_optest_rows(t, 0, "1|x|@1; 2|a text that is long|@2; null|n|@3");
    wr_optest_rows(t, 1, "1|1.50|@1; 1|2|@2; 3|3|@3; null|4|@4");
    wr_optest_expect(t, "1|x|@1|1|1.50|@1; 1|x|@1|1|2|@2");
    wr_optest_rows(t, 0, "1|y|@9; 3|z|@9");
    wr_optest_expect(t, "1|y|@9|1|1.50|@1; 1|y|@9|1|2|@2; 3|z|@9|3|3|@3");
    wr_optest_rows(t, 1, "2|5.25|@5");
    wr_optest_expect(t, "2|a text that is long|@2|2|5.25|@5");
    wr_optest_end(t);
    wr_optest_count(t, rows_unmatched, 2);
    wr_optest_verify(t);
}

static void
null_keys_match_when_asked(void **state) /* J3 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_INNER, false, 0, 0, "k");
    c.config.null_equal = true;
    wr_optest_rows(t, 0, "null|n|@3; 1|x|@3");
    wr_optest_rows(t, 1, "null|4|@4; 0|5|@4");
    wr_optest_expect(t, "null|n|@3|null|4|@4");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
outer_rows_wait_for_the_end_without_a_bound(void **state) /* J4 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_FULL, false, 0, 0, "k");
    wr_optest_rows(t, 0, "1|x|@1; 2|y|@2; null|n|@3");
    wr_optest_expect(t, "null|n|@3|null|null|null");
    wr_optest_rows(t, 1, "1|1|@1; 3|3|@3; null|4|@4");
    wr_optest_watermark(t, 0, WR_OPTEST_S(100));
    wr_optest_watermark(t, 1, WR_OPTEST_S(100));
    wr_optest_expect(t, "1|x|@1|1|1|@1; null|null|null|null|4|@4");
    wr_optest_end(t);
    wr_optest_expect(t, "2|y|@2|null|null|null; null|null|null|3|3|@3");
    wr_optest_count(t, rows_unmatched, 4);
    wr_optest_verify(t);
}

/* lt between rt - 1 and rt + 2.  A left row at 10 has partners in [8, 11]; it leaves when W >
 * 11. */
static void
interval_join_keeps_its_bound(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_INNER, true, -1, 2, "k");
    wr_optest_rows(t, 0, "1|a|@10; 1|b|@20");
    wr_optest_rows(t, 1, "1|7|@7.9; 1|8|@8; 1|11|@11; 1|12|@11.1; 1|18|@18; 1|99|null");
    wr_optest_expect(t, "1|a|@10|1|8|@8; 1|a|@10|1|11|@11; 1|b|@20|1|18|@18");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
outer_rows_leave_when_no_partner_can_come(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, true, -1, 2, "k");
    wr_optest_rows(t, 0, "1|a|@10; 2|b|@10; 3|c|null; 4|d|@30");
    wr_optest_expect(t, "3|c|null|null|null|null");
    wr_optest_rows(t, 1, "1|1|@9");
    wr_optest_expect(t, "1|a|@10|1|1|@9");
    wr_optest_watermark(t, 0, WR_OPTEST_S(50));
    wr_optest_watermark(t, 1, WR_OPTEST_S(11));
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 1, WR_OPTEST_S(11.000001));
    wr_optest_expect(t, "2|b|@10|null|null|null");
    wr_optest_rows(t, 1, "4|4|@30");
    wr_optest_expect(t, "4|d|@30|4|4|@30");
    wr_optest_end(t);
    wr_optest_count(t, rows_unmatched, 2);
    wr_optest_verify(t);
}

/* With watermark offsets: left rows lag by 5 s behind W, right rows by 3. */
static void
offsets_of_the_columns_count(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_FULL, true, 0, 0, "k");
    c.config.left_offset = WR_OPTEST_S(-5);
    c.config.right_offset = WR_OPTEST_S(-3);
    wr_optest_rows(t, 0, "1|a|@10");
    wr_optest_rows(t, 1, "2|1|@10");
    wr_optest_watermark(t, 0, WR_OPTEST_S(13));
    wr_optest_watermark(t, 1, WR_OPTEST_S(13));
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 0, WR_OPTEST_S(14));
    wr_optest_watermark(t, 1, WR_OPTEST_S(14));
    wr_optest_expect(t, "1|a|@10|null|null|null"); /* no right row < 11 comes any more */
    wr_optest_watermark(t, 0, WR_OPTEST_S(16));
    wr_optest_watermark(t, 1, WR_OPTEST_S(16));
    wr_optest_expect(t, "null|null|null|2|1|@10");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/*
 * Out of order on the left, watermark = greatest left time; right is far ahead.  The right row at
 * 10 has left when the left watermark passed it, so the late left row at 10 finds nothing, in
 * whatever batches.
 */
static void
late_rows_find_what_the_watermark_left(void **state) /* J2, J6 */
{
    (void) state;
    static const char pairs[] = "1|a|@10|1|1|@10; 1|b|@20|1|2|@20; 1|d|@30|1|3|@30;";
    static const char alone[] = "1|c|@18|null|null|null; 1|e|@26|null|null|null;"
                                "1|t|null|null|null|null; null|m|@15|null|null|null;";
    for (int kind = WR_JOIN_INNER; kind <= WR_JOIN_ANTI; kind++) {
        bool       left = kind == WR_JOIN_LEFT || kind == WR_JOIN_FULL;
        char       both[256];
        join_case  c;
        wr_optest *t = join_over(&c, (wr_join_kind) kind, true, 0, 5, "k");
        snprintf(both, sizeof both, "%s%s", pairs, left ? alone : "");
        wr_optest_want_late(t);
        wr_optest_watermark(t, 1, WR_OPTEST_S(1));
        wr_optest_rows(t, 1, "1|1|@10; 1|2|@20; 1|3|@30");
        wr_optest_watermark(t, 1, WR_OPTEST_S(100));
        wr_optest_delay(t, 0, "lt", 0);
        /* partners lie up to 5 s before: at 20 s none of a row before 15 s is left */
        wr_optest_rows(t, 0, "1|a|@10; 1|b|@20; 1|late|@13; 1|c|@18; null|n|@14.9; null|m|@15;"
                             "1|d|@30; 1|later|@20; 1|e|@26; 1|t|null");
        wr_optest_end(t);
        wr_optest_expect(t, kind == WR_JOIN_SEMI   ? "1|a|@10; 1|b|@20; 1|d|@30"
                            : kind == WR_JOIN_ANTI ? "1|c|@18; 1|e|@26; 1|t|null; null|m|@15"
                                                   : both);
        wr_optest_expect_port(t, WR_PORT_LATE, "1|late|@13; null|n|@14.9; 1|later|@20");
        wr_optest_count(t, rows_late, 3);
        wr_optest_verify(t);
    }
}

static void
late_rows_of_the_right_are_counted(void **state) /* J6 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_FULL, true, 0, 5, "k");
    wr_optest_want_late(t);
    wr_optest_rows(t, 0, "1|a|@10");
    wr_optest_watermark(t, 0, WR_OPTEST_S(20));
    wr_optest_delay(t, 1, "rt", 0);
    wr_optest_rows(t, 1, "1|1|@20; 1|2|@9; 1|3|@15");
    wr_optest_end(t);
    wr_optest_expect(t, "1|a|@10|null|null|null; null|null|null|1|1|@20; null|null|null|1|3|@15");
    wr_optest_expect_port(t, WR_PORT_LATE, "");
    wr_optest_count(t, rows_late, 1);
    wr_optest_verify(t);
}

static void
residual_decides_who_matches(void **state)
{
    (void) state;
    for (int kind = WR_JOIN_INNER; kind <= WR_JOIN_ANTI; kind++) {
        join_case  c;
        wr_optest *t = join_over(&c, (wr_join_kind) kind, false, 0, 0, "k");
        wr_schema *both =
            wr_optest_schema(t, "k int8, a text, lt timestamp, k2 int4, b numeric, rt timestamp");
        c.config.residual = wr_optest_call(t, "<", wr_optest_column(t, both, "lt"),
                                           wr_optest_column(t, both, "rt"));
        wr_optest_rows(t, 0, "1|x|@5; 1|y|@1; 2|z|@9");
        wr_optest_rows(t, 1, "1|1|@3; 1|2|@4; 2|3|@9");
        wr_optest_rows(t, 0, "1|v|@3.5; 1|w|@4");
        wr_optest_end(t);
        switch (kind) {
        case WR_JOIN_INNER:
            wr_optest_expect(t, "1|y|@1|1|1|@3; 1|y|@1|1|2|@4; 1|v|@3.5|1|2|@4");
            break;
        case WR_JOIN_LEFT:
            wr_optest_expect(t, "1|y|@1|1|1|@3; 1|y|@1|1|2|@4; 1|v|@3.5|1|2|@4; "
                                "1|x|@5|null|null|null; 1|w|@4|null|null|null; "
                                "2|z|@9|null|null|null");
            break;
        case WR_JOIN_RIGHT:
            wr_optest_expect(t, "1|y|@1|1|1|@3; 1|y|@1|1|2|@4; 1|v|@3.5|1|2|@4; "
                                "null|null|null|2|3|@9");
            break;
        case WR_JOIN_FULL:
            wr_optest_expect(t, "1|y|@1|1|1|@3; 1|y|@1|1|2|@4; 1|v|@3.5|1|2|@4; "
                                "1|x|@5|null|null|null; 1|w|@4|null|null|null; "
                                "2|z|@9|null|null|null; null|null|null|2|3|@9");
            break;
        case WR_JOIN_SEMI:
            wr_optest_expect(t, "1|y|@1; 1|v|@3.5");
            break;
        default:
            wr_optest_expect(t, "1|x|@5; 1|w|@4; 2|z|@9");
        }
        wr_optest_verify(t);
    }
}

static void
semi_rows_come_out_once(void **state) /* E3, T1 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_SEMI, false, 0, 0, "k");
    wr_optest_rows(t, 1, "1|1|@1; 1|2|@2");
    wr_optest_rows(t, 0, "1|x|@1; 2|y|@1; [2] 2|z|@1; null|n|@1");
    wr_optest_expect(t, "1|x|@1");
    wr_optest_rows(t, 1, "2|1|@1; 2|2|@2; null|3|@1");
    wr_optest_expect(t, "2|y|@1; [2] 2|z|@1");
    wr_optest_rows(t, 1, "2|1|@1");
    wr_optest_rows(t, 0, "2|again|@1");
    wr_optest_expect(t, "2|again|@1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
anti_rows_come_out_when_they_leave(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_ANTI, true, 0, 5, "k");
    wr_optest_rows(t, 0, "1|x|@10; 2|y|@10; null|n|@10; 3|z|null");
    wr_optest_expect(t, "null|n|@10; 3|z|null");
    wr_optest_rows(t, 1, "1|1|@7; 2|2|@4.9; 2|3|@10.1");
    wr_optest_watermark(t, 0, WR_OPTEST_S(20));
    wr_optest_watermark(t, 1, WR_OPTEST_S(10.000001));
    wr_optest_expect(t, "2|y|@10");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
inner_join_multiplies_diffs(void **state) /* E1 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_INNER, false, 0, 0, "k");
    wr_optest_rows(t, 0, "[2] 1|x|@1; 1|y|@1");
    wr_optest_rows(t, 1, "[3] 1|1.0|@1");
    wr_optest_expect(t, "[6] 1|x|@1|1|1.0|@1; [3] 1|y|@1|1|1.0|@1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
retractions_are_refused(void **state) /* J5 */
{
    (void) state;
    const wr_join_kind kinds[] = { WR_JOIN_INNER, WR_JOIN_LEFT, WR_JOIN_SEMI };
    for (int i = 0; i < 3; i++) {
        join_case  c;
        wr_optest *t = join_over(&c, kinds[i], false, 0, 0, "k");
        wr_optest_rows(t, 0, "1|x|@1");
        wr_optest_rows(t, 1, "[-1] 1|1|@1");
        wr_optest_expect_failure(t, WEIR_QUERY_UNSUPPORTED);
        wr_optest_verify(t);
    }
}

static void
second_partner_of_a_scalar_subquery_fails(void **state)
{
    (void) state;
    for (int way = 0; way < 3; way++) {
        join_case  c;
        wr_optest *t = join_over(&c, WR_JOIN_LEFT, false, 0, 0, "k");
        c.config.single = true;
        wr_optest_rows(t, 0, "1|x|@1; 1|y|@1");
        wr_optest_rows(t, 1, way == 2 ? "[2] 1|1|@1" : "1|1|@1");
        if (way == 0) {
            wr_optest_expect(t, "1|x|@1|1|1|@1; 1|y|@1|1|1|@1");
            wr_optest_rows(t, 1, "2|1|@1; 2|2|@1");
            wr_optest_rows(t, 0, "2|z|@1");
        }
        if (way == 1)
            wr_optest_rows(t, 1, "1|2|@1");
        wr_optest_expect_failure(t, WEIR_QUERY_CARDINALITY);
        wr_optest_verify(t);
    }
}

static void
cross_join_pairs_all(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, false, 0, 0, NULL);
    c.config.key_count = 0;
    wr_optest_rows(t, 0, "1|x|@1; null|y|@2");
    wr_optest_expect(t, "");
    wr_optest_rows(t, 1, "7|7|@7; null|8|@8");
    wr_optest_expect(t, "1|x|@1|7|7|@7; 1|x|@1|null|8|@8; null|y|@2|7|7|@7; null|y|@2|null|8|@8");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* ttl 10 s by the watermark a row met: what is older matches nothing */
static void
idle_rows_leave(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_INNER, false, 0, 0, "k");
    c.config.ttl_us = WR_OPTEST_S(10);
    wr_optest_watermark(t, 0, WR_OPTEST_S(1));
    wr_optest_watermark(t, 1, WR_OPTEST_S(1));
    wr_optest_rows(t, 0, "1|x|@1");
    wr_optest_watermark(t, 0, WR_OPTEST_S(100));
    wr_optest_watermark(t, 1, WR_OPTEST_S(2));
    wr_optest_delay(t, 1, "rt", 0);
    wr_optest_rows(t, 1, "1|1|@11; 1|2|@11.5; 1|3|@12");
    wr_optest_expect(t, "1|x|@1|1|1|@11; 1|x|@1|1|2|@11.5");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* 100 left rows meet 100 right rows of one key: 10,000 pairs, 3 batches */
static void
many_pairs_make_many_batches(void **state) /* B1 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_INNER, false, 0, 0, "k");
    wr_text    left, right;
    wr_text_init(&left, NULL);
    wr_text_init(&right, NULL);
    for (int i = 0; i < 100; i++) {
        wr_text_printf(&left, "1|%d|@%d;", i, i);
        wr_text_printf(&right, "1|%d|@%d;", i, i);
    }
    wr_optest_rows(t, 0, wr_text_string(&left));
    wr_optest_rows(t, 1, wr_text_string(&right));
    wr_optest_end(t);
    wr_optest_expect_any(t);
    wr_optest_count(t, rows_out, 10000);
    wr_text_fini(&left);
    wr_text_fini(&right);
    wr_optest_verify(t);
}

/* An interval join over many buckets, both ways, against the answer of two loops. */
static void
interval_join_equals_two_loops(void **state)
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_FULL, true, -3, 9, "k");
    wr_random  random;
    int        lt[80], rt[80], lk[80], rk[80];
    bool       l_matched[80] = { false }, r_matched[80] = { false };
    wr_text    expected, line;
    wr_random_init(&random, 7);
    wr_text_init(&expected, NULL);
    wr_text_init(&line, NULL);
    for (int i = 0; i < 80; i++) {
        lt[i] = (int) wr_random_below(&random, 300);
        rt[i] = (int) wr_random_below(&random, 300);
        lk[i] = (int) wr_random_below(&random, 4);
        rk[i] = (int) wr_random_below(&random, 4);
    }
    for (int i = 0; i < 80; i += 8) {
        wr_text_clear(&line);
        for (int k = i; k < i + 8; k++)
            wr_text_printf(&line, "%d|l%d|@%d;", lk[k], k, lt[k]);
        wr_optest_rows(t, 0, wr_text_string(&line));
        wr_text_clear(&line);
        for (int k = i; k < i + 8; k++)
            wr_text_printf(&line, "%d|%d|@%d;", rk[k], k, rt[k]);
        wr_optest_rows(t, 1, wr_text_string(&line));
    }
    for (int i = 0; i < 80; i++)
        for (int k = 0; k < 80; k++)
            if (lk[i] == rk[k] && lt[i] >= rt[k] - 3 && lt[i] <= rt[k] + 9) {
                l_matched[i] = r_matched[k] = true;
                wr_text_printf(&expected, "%d|l%d|@%d|%d|%d|@%d;", lk[i], i, lt[i], rk[k], k,
                               rt[k]);
            }
    for (int i = 0; i < 80; i++) {
        if (!l_matched[i])
            wr_text_printf(&expected, "%d|l%d|@%d|null|null|null;", lk[i], i, lt[i]);
        if (!r_matched[i])
            wr_text_printf(&expected, "null|null|null|%d|%d|@%d;", rk[i], i, rt[i]);
    }
    wr_optest_end(t);
    wr_optest_expect(t, wr_text_string(&expected));
    wr_text_fini(&expected);
    wr_text_fini(&line);
    wr_optest_verify(t);
}

/* Two streams that move on, many rows at once: groups of rows walk together, buckets are emptied block by block. */
static void
moving_streams_equal_two_loops(void **state)
{
    (void) state;
    enum { ROWS = 240, AT_ONCE = 40 };
    static int lt[ROWS], rt[ROWS], lk[ROWS], rk[ROWS]; /* quarters of a second */
    for (int keys = 3; keys <= 48; keys *= 4) {
        join_case  c;
        wr_optest *t = join_over(&c, WR_JOIN_LEFT, true, -3, 9, "k");
        wr_random  random;
        wr_text    expected, line;
        wr_random_init(&random, (uint64_t) keys);
        wr_text_init(&expected, NULL);
        wr_text_init(&line, NULL);
        for (int i = 0; i < ROWS; i++) {
            lt[i] = 20 + i - (int) wr_random_below(&random, 9);
            rt[i] = 20 + i - (int) wr_random_below(&random, 9);
            lk[i] = (int) wr_random_below(&random, (uint64_t) keys);
            rk[i] = (int) wr_random_below(&random, (uint64_t) keys);
        }
        wr_optest_delay(t, 0, "lt", WR_OPTEST_S(3));
        wr_optest_delay(t, 1, "rt", WR_OPTEST_S(3));
        for (int i = 0; i < ROWS; i += AT_ONCE) {
            wr_text_clear(&line);
            for (int k = i; k < i + AT_ONCE; k++)
                wr_text_printf(&line, "%d|l%d|@%.2f;", lk[k], k, lt[k] / 4.0);
            wr_optest_rows(t, 0, wr_text_string(&line));
            wr_text_clear(&line);
            for (int k = i; k < i + AT_ONCE; k++)
                wr_text_printf(&line, "%d|%d|@%.2f;", rk[k], k, rt[k] / 4.0);
            wr_optest_rows(t, 1, wr_text_string(&line));
        }
        for (int i = 0; i < ROWS; i++) {
            bool matched = false;
            for (int k = 0; k < ROWS; k++) {
                if (lk[i] != rk[k] || lt[i] < rt[k] - 12 || lt[i] > rt[k] + 36)
                    continue;
                matched = true;
                wr_text_printf(&expected, "%d|l%d|@%.2f|%d|%d|@%.2f;", lk[i], i, lt[i] / 4.0, rk[k],
                               k, rt[k] / 4.0);
            }
            if (!matched)
                wr_text_printf(&expected, "%d|l%d|@%.2f|null|null|null;", lk[i], i, lt[i] / 4.0);
        }
        wr_optest_end(t);
        wr_optest_expect(t, wr_text_string(&expected));
        wr_optest_count(t, rows_late, 0);
        wr_text_fini(&expected);
        wr_text_fini(&line);
        wr_optest_verify(t);
    }
}

static void
rows_wait_for_the_side_that_ends(void **state) /* J7 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_LEFT, false, 0, 0, "k");
    c.config.ends = 2;
    wr_optest_rows(t, 0, "1|x|@1; 2|y|@2; null|n|@3");
    wr_optest_watermark(t, 0, WR_OPTEST_S(3));
    wr_optest_expect(t, "null|n|@3|null|null|null");
    wr_optest_rows(t, 1, "1|1.50|@1; 5|5|@5");
    wr_optest_expect(t, "1|x|@1|1|1.50|@1");
    wr_optest_rows(t, 0, "3|z|@1");
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 1, WR_TIME_END);
    wr_optest_expect(t, "2|y|@2|null|null|null; 3|z|@1|null|null|null");
    wr_optest_rows(t, 0, "5|w|@1; 6|v|@9; 1|u|@9; null|n|@9");
    wr_optest_expect(t, "5|w|@1|5|5|@5; 6|v|@9|null|null|null; 1|u|@9|1|1.50|@1; null|n|@9|null|null|null");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_verify(t);
}

static void
rows_of_the_left_end_too(void **state) /* J7 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_SEMI, false, 0, 0, "k");
    c.config.ends = 1;
    wr_optest_rows(t, 0, "1|x|@1; 2|y|@2");
    wr_optest_rows(t, 1, "1|1.50|@1; 7|7|@1");
    wr_optest_expect(t, "1|x|@1");
    wr_optest_rows(t, 0, "7|seven|@7; 8|eight|@8");
    wr_optest_expect(t, "7|seven|@7");
    wr_optest_watermark(t, 0, WR_TIME_END);
    wr_optest_rows(t, 1, "2|2|@1; 7|7|@2; 9|9|@3");
    wr_optest_expect(t, "2|y|@2");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_verify(t);
}

static void
anti_rows_come_out_at_once_when_all_is_there(void **state) /* J7 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_ANTI, false, 0, 0, "k");
    c.config.ends = 2;
    wr_optest_rows(t, 0, "1|x|@1; 2|y|@2");
    wr_optest_rows(t, 1, "1|1.50|@1; 3|3|@3");
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 1, WR_TIME_END);
    wr_optest_expect(t, "2|y|@2");
    wr_optest_rows(t, 0, "3|z|@1; 4|w|@2");
    wr_optest_expect(t, "4|w|@2");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_verify(t);
}

static void
rows_without_partner_are_counted_when_they_go(void **state) /* J7 */
{
    (void) state;
    join_case  c;
    wr_optest *t = join_over(&c, WR_JOIN_INNER, false, 0, 0, "k");
    c.config.ends = 2;
    wr_optest_rows(t, 0, "1|x|@1; 2|y|@2; 3|z|@3");
    wr_optest_rows(t, 1, "1|1.50|@1; 1|1.75|@1");
    wr_optest_expect(t, "1|x|@1|1|1.50|@1; 1|x|@1|1|1.75|@1");
    wr_optest_watermark(t, 1, WR_TIME_END);
    wr_optest_rows(t, 0, "4|v|@4");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_count(t, rows_unmatched, 3); /* two that waited, and the last */
    wr_optest_verify(t);
}

static void
a_side_that_is_there_equals_two_loops(void **state) /* J7 */
{
    enum { LEFT = 6000, RIGHT = 60, BEFORE = 500, KEYS = 30 };
    static const wr_join_kind kinds[] = { WR_JOIN_INNER, WR_JOIN_LEFT, WR_JOIN_SEMI, WR_JOIN_ANTI };
    (void) state;
    for (size_t kind = 0; kind < WR_COUNT(kinds); kind++) {
        join_case  c;
        wr_optest *t = join_over(&c, kinds[kind], false, 0, 0, "k");
        wr_schema *both =
            wr_optest_schema(t, "k int8, a text, lt timestamp, k2 int4, b numeric, rt timestamp");
        wr_text before, after, right, expected;
        wr_text *texts[] = { &before, &after, &right, &expected };
        c.config.ends = 2;
        c.config.residual = wr_optest_call(t, "<", wr_optest_column(t, both, "lt"),
                                           wr_optest_column(t, both, "rt"));
        for (size_t i = 0; i < WR_COUNT(texts); i++)
            wr_text_init(texts[i], NULL);
        for (int k = 0; k < RIGHT; k++)
            wr_text_printf(&right, "%d|%d|@%d;", k * 7 % KEYS, k, k * 5 % 11);
        for (int i = 0; i < LEFT; i++) {
            bool matched = false;
            int key = i * 11 % (KEYS + 4), time = i % 9; /* four keys meet nothing */
            wr_text_printf(i < BEFORE ? &before : &after, "%d|l%d|@%d;", key, i, time);
            for (int k = 0; k < RIGHT; k++) {
                if (k * 7 % KEYS != key || time >= k * 5 % 11)
                    continue;
                matched = true;
                if (kind < 2)
                    wr_text_printf(&expected, "%d|l%d|@%d|%d|%d|@%d;", key, i, time, key, k, k * 5 % 11);
            }
            if ((kind == 2 && matched) || (kind == 3 && !matched))
                wr_text_printf(&expected, "%d|l%d|@%d;", key, i, time);
            if (kind == 1 && !matched)
                wr_text_printf(&expected, "%d|l%d|@%d|null|null|null;", key, i, time);
        }
        wr_optest_rows(t, 0, wr_text_string(&before));
        wr_optest_rows(t, 1, wr_text_string(&right));
        wr_optest_watermark(t, 1, WR_TIME_END);
        wr_optest_rows(t, 0, wr_text_string(&after));
        wr_optest_expect(t, wr_text_string(&expected));
        wr_optest_end(t);
        wr_optest_expect(t, "");
        wr_optest_verify(t);
        for (size_t i = 0; i < WR_COUNT(texts); i++)
            wr_text_fini(texts[i]);
    }
}

WR_TESTS = { WR_TEST(inner_pairs_once_whoever_comes_last),
             WR_TEST(null_keys_match_when_asked),
             WR_TEST(outer_rows_wait_for_the_end_without_a_bound),
             WR_TEST(interval_join_keeps_its_bound),
             WR_TEST(outer_rows_leave_when_no_partner_can_come),
             WR_TEST(offsets_of_the_columns_count),
             WR_TEST(late_rows_find_what_the_watermark_left),
             WR_TEST(late_rows_of_the_right_are_counted),
             WR_TEST(residual_decides_who_matches),
             WR_TEST(semi_rows_come_out_once),
             WR_TEST(anti_rows_come_out_when_they_leave),
             WR_TEST(inner_join_multiplies_diffs),
             WR_TEST(retractions_are_refused),
             WR_TEST(second_partner_of_a_scalar_subquery_fails),
             WR_TEST(cross_join_pairs_all),
             WR_TEST(idle_rows_leave),
             WR_TEST(rows_wait_for_the_side_that_ends),
             WR_TEST(rows_of_the_left_end_too),
             WR_TEST(anti_rows_come_out_at_once_when_all_is_there),
             WR_TEST(a_side_that_is_there_equals_two_loops),
             WR_TEST(rows_without_partner_are_counted_when_they_go),
             WR_TEST(many_pairs_make_many_batches),
             WR_TEST(interval_join_equals_two_loops),
             WR_TEST(moving_streams_equal_two_loops),
             { NULL, NULL } };
