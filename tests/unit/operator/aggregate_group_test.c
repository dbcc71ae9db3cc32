/* SPDX-License-Identifier: Apache-2.0 */
/* aggregate_group_test.c -- groups of operator/aggregate.c: keys, calls, changes, retractions,
 * ttl. */
#include "support/test.h"

#include "unit/operator/aggregate_case.h"

static void
keys_group_as_postgres_does(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k text, n numeric, f float8, v int4");
    case_key(&c, "k");
    case_key(&c, "n");
    case_key(&c, "f");
    case_call(&c, "count", NULL);
    case_call(&c, "count", "v");
    t = case_ready(&c, &wr_aggregate_ops, "k text, n numeric, f float8, c int8, v int8", "k, n, f");
    wr_optest_rows(t, 0, "a|1.0|0|1; a|1.00|-0|null; null|null|null|3; null|null|null|4; "
                         "a text longer than twelve|5|NaN|1; a text longer than twelve|5.0|NaN|1; "
                         "a text longer than twelv!|5|NaN|1");
    wr_optest_end(t);
    wr_optest_expect(t, "a|1.0|0|2|1; null|null|null|2|2; a text longer than twelve|5|NaN|2|2; "
                        "a text longer than twelv!|5|NaN|1|1");
    wr_optest_verify(t);
}

static void
keys_of_many_types(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "a bool, b int2, d date, u uuid, i interval, j jsonb, x text");
    case_key(&c, "a");
    case_key(&c, "b");
    case_key(&c, "d");
    case_key(&c, "u");
    case_call(&c, "count", NULL);
    t = case_ready(&c, &wr_aggregate_ops, "a bool, b int2, d date, u uuid, n int8", "a, b, d, u");
    wr_optest_rows(t, 0, "true|1|2026-01-01|00000000-0000-0000-0000-000000000001|1 day|{}|x; "
                         "true|1|2026-01-01|00000000-0000-0000-0000-000000000001|1 day|{}|y; "
                         "false|1|2026-01-01|00000000-0000-0000-0000-000000000001|1 day|{}|y; "
                         "null|0|null|null|1 day|{}|y; false|0|null|null|1 day|{}|y");
    wr_optest_end(t);
    wr_optest_expect(t, "true|1|2026-01-01|00000000-0000-0000-0000-000000000001|2; "
                        "false|1|2026-01-01|00000000-0000-0000-0000-000000000001|1; "
                        "null|0|null|null|1; false|0|null|null|1");
    wr_optest_verify(t);
    case_begin(&c, "i interval, j jsonb");
    case_key(&c, "j");
    case_key(&c, "i");
    t = case_ready(&c, &wr_aggregate_ops, "j jsonb, i interval", "j, i"); /* SELECT DISTINCT */
    wr_optest_rows(t, 0, "1 day|{\"a\":1}; 24:00:00|{\"a\": 1}; 1 day|{\"a\":2}");
    wr_optest_end(t);
    wr_optest_expect(t, "{\"a\": 1}|1 day; {\"a\": 2}|1 day");
    wr_optest_verify(t);
}

static void
no_rows_give_one_row_without_keys(void **state)
{
    (void) state;
    for (int changes = 0; changes < 2; changes++) {
        agg_case   c;
        wr_optest *t;
        case_begin(&c, "v int8");
        case_call(&c, "count", NULL);
        case_call(&c, "sum", "v");
        c.config.global = true;
        c.config.emit = changes ? WR_EMIT_CHANGES : WR_EMIT_FINAL;
        t = case_ready(&c, &wr_aggregate_ops, "n int8, s numeric", NULL);
        wr_optest_watermark(t, 0, 5);
        wr_optest_expect(t, "");
        wr_optest_end(t);
        wr_optest_expect(t, "0|null");
        wr_optest_verify(t);
    }
}

static void
no_rows_give_no_row_with_keys(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8");
    case_key(&c, "k");
    case_call(&c, "count", NULL);
    t = case_ready(&c, &wr_aggregate_ops, "k int8, n int8", "k");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_verify(t);
}

static void
changes_without_a_window(void **state) /* E2, E3 */
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v int8");
    case_key(&c, "k");
    case_call(&c, "count", NULL);
    case_call(&c, "sum", "v");
    c.config.emit = WR_EMIT_CHANGES;
    t = case_ready(&c, &wr_aggregate_ops, "k int8, n int8, s numeric", "k");
    wr_optest_rows(t, 0, "1|10; 2|20; 1|30");
    wr_optest_expect(t, "1|2|40; 2|1|20");
    wr_optest_rows(t, 0, "[-1] 2|20; 1|1; [-1] 1|10");
    wr_optest_expect(t, "[-1] 1|2|40; 1|2|31; [-1] 2|1|20");
    wr_optest_rows(t, 0, "2|5");
    wr_optest_expect(t, "2|1|5");
    wr_optest_rows(t, 0, "2|7; [-1] 2|7");
    wr_optest_expect(t, "");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
unchanged_result_is_no_change(void **state) /* E2 */
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v int8");
    case_key(&c, "k");
    case_call(&c, "max", "v");
    c.config.emit = WR_EMIT_CHANGES;
    t = case_ready(&c, &wr_aggregate_ops, "k int8, m int8", "k");
    wr_optest_rows(t, 0, "1|10");
    wr_optest_expect_ordered(t, "1|10");
    wr_optest_rows(t, 0, "1|5; 1|10");
    wr_optest_expect_ordered(t, "");
    wr_optest_rows(t, 0, "1|null");
    wr_optest_expect_ordered(t, "");
    wr_optest_rows(t, 0, "1|11");
    wr_optest_expect_ordered(t, "[-1] 1|10; 1|11");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
global_changes_keep_their_row(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "v int8");
    case_call(&c, "count", NULL);
    case_call(&c, "sum", "v");
    c.config.global = true;
    c.config.emit = WR_EMIT_CHANGES;
    t = case_ready(&c, &wr_aggregate_ops, "n int8, s numeric", NULL);
    wr_optest_rows(t, 0, "4");
    wr_optest_expect(t, "1|4");
    wr_optest_rows(t, 0, "[-1] 4");
    wr_optest_expect(t, "[-1] 1|4; 0|null");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_verify(t);
}

static void
aggregate_that_cannot_take_back_says_so(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v text");
    case_key(&c, "k");
    case_call(&c, "max", "v");
    assert_null(c.calls[0].aggregate->retract);
    t = case_ready(&c, &wr_aggregate_ops, "k int8, m text", "k");
    wr_optest_rows(t, 0, "1|a");
    wr_optest_rows(t, 0, "[-1] 1|a");
    wr_optest_expect_failure(t, WEIR_QUERY_UNSUPPORTED);
    wr_optest_verify(t);
}

static void
filter_and_distinct(void **state) /* U2 */
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v int8, s text");
    case_key(&c, "k");
    case_call(&c, "count", "v")->distinct = true;
    case_call(&c, "sum", "v")->distinct = true;
    case_call(&c, "count", "s")->distinct = true;
    wr_agg_call *call = case_call(&c, "count", NULL);
    call->filter = wr_optest_call(c.t, ">", wr_optest_column(c.t, c.in, "v"),
                                  wr_optest_constant(c.t, "int8", "1"));
    call = case_call(&c, "count", "s");
    call->distinct = true;
    call->filter = c.calls[3].filter;
    t = case_ready(&c, &wr_aggregate_ops, "k int8, d int8, s numeric, t int8, f int8, g int8", "k");
    c.config.emit = WR_EMIT_CHANGES;
    wr_optest_rows(t, 0, "1|1|x; 1|1|y; 1|2|x; 1|null|null; 2|1|a string that is long");
    wr_optest_expect(t, "1|2|3|2|1|1; 2|1|1|1|0|0");
    wr_optest_rows(t, 0, "1|2|x; 1|3|a string that is long; 2|1|a string that is long");
    wr_optest_expect(t, "[-1] 1|2|3|2|1|1; 1|3|6|3|3|2");
    wr_optest_rows(t, 0, "[-1] 1|2|x; [-1] 1|1|y");
    wr_optest_expect(t, "[-1] 1|3|6|3|3|2; 1|3|6|2|2|2");
    wr_optest_rows(t, 0, "[-1] 1|2|x; [-1] 1|1|x; [-1] 1|null|null");
    wr_optest_expect(t, "[-1] 1|3|6|2|2|2; 1|1|3|1|1|1");
    wr_optest_rows(t, 0, "[-1] 1|3|a string that is long");
    wr_optest_expect(t, "[-1] 1|1|3|1|1|1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* More calls over v than one set takes, each with a filter of its own; D1: a value leaves the set with
 * the last call that has seen it, and one taken back before it came is owed to each call apart. */
static void
distinct_sets_are_shared(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v int8, w int8");
    case_key(&c, "k");
    for (int i = 0; i < 10; i++) {
        wr_agg_call *call = case_call(&c, i == 3 ? "sum" : "count", "v");
        char         bound[4] = { (char) ('0' + i), 0 };
        call->distinct = true;
        call->filter = wr_optest_call(c.t, ">", wr_optest_column(c.t, c.in, "w"),
                                      wr_optest_constant(c.t, "int8", bound));
    }
    t = case_ready(&c, &wr_aggregate_ops,
                   "k int8, a int8, b int8, c int8, d numeric, e int8, f int8, g int8, h int8, "
                   "i int8, j int8",
                   "k");
    c.config.emit = WR_EMIT_CHANGES;
    wr_optest_rows(t, 0, "1|7|2; 1|7|5; 1|8|10; 1|9|null; 1|null|10; 2|7|0");
    wr_optest_expect(t, "1|2|2|2|15|2|1|1|1|1|1; 2|0|0|0|null|0|0|0|0|0|0");
    wr_optest_rows(t, 0, "[-1] 1|7|5");
    wr_optest_expect(t, "[-1] 1|2|2|2|15|2|1|1|1|1|1; 1|2|2|1|8|1|1|1|1|1|1");
    wr_optest_rows(t, 0, "[-1] 1|7|2; 1|8|3");
    wr_optest_expect(t, "[-1] 1|2|2|1|8|1|1|1|1|1|1; 1|1|1|1|8|1|1|1|1|1|1");
    wr_optest_rows(t, 0, "[-1] 1|8|10; 1|7|9");
    wr_optest_expect(t, "[-1] 1|1|1|1|8|1|1|1|1|1|1; 1|2|2|2|7|1|1|1|1|1|0");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* Compact sets: marks instead of counts, in tables of every size. */
static void
distinct_where_rows_only_come(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v int8, d date, b boolean, w int8");
    case_key(&c, "k");
    for (int i = 0; i < 10; i++) { /* more than one set takes */
        wr_agg_call *call = case_call(&c, i == 3 ? "sum" : "count", "v");
        char         bound[4] = { (char) ('0' + i), 0 };
        call->distinct = true;
        call->filter = wr_optest_call(c.t, ">", wr_optest_column(c.t, c.in, "w"),
                                      wr_optest_constant(c.t, "int8", bound));
    }
    case_call(&c, "count", "d")->distinct = true;
    case_call(&c, "count", "b")->distinct = true;
    t = case_ready(&c, &wr_aggregate_ops,
                   "k int8, a int8, b int8, c int8, d numeric, e int8, f int8, g int8, h int8, "
                   "i int8, j int8, dd int8, bb int8",
                   "k");
    c.config.emit = WR_EMIT_CHANGES;
    c.config.insert_only = true;
    wr_optest_rows(t, 0, "1|7|2026-01-01|t|2; 1|7|2026-01-02|t|5; 1|8|2026-01-01|f|10; 1|9|null|null|null; "
                         "1|null|infinity|t|10; 2|7|2026-01-01|null|0");
    wr_optest_expect(t, "1|2|2|2|15|2|1|1|1|1|1|3|2; 2|0|0|0|null|0|0|0|0|0|0|1|0");
    wr_optest_rows(t, 0, "1|7|2026-01-01|t|5; 1|8|infinity|f|9; 2|7|2026-01-01|null|0");
    wr_optest_expect(t, "");
    wr_optest_rows(t, 0, "1|7|2026-01-01|t|6; 2|-7|2026-02-01|f|9");
    wr_optest_expect(t, "[-1] 1|2|2|2|15|2|1|1|1|1|1|3|2; 1|2|2|2|15|2|2|1|1|1|1|3|2; "
                        "[-1] 2|0|0|0|null|0|0|0|0|0|0|1|0; 2|1|1|1|-7|1|1|1|1|1|0|2|1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* D2: arguments that are computed for the rows of their own filter alone are not shared. */
static void
distinct_arguments_fail_apart(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v int4");
    case_key(&c, "k");
    for (int i = 0; i < 2; i++) {
        wr_agg_call *call = case_call(&c, "count", "v");
        call->distinct = true;
        call->args[0] = wr_optest_call(c.t, "/", wr_optest_constant(c.t, "int4", "8"),
                                       call->args[0]);
        call->filter = wr_optest_call(c.t, i == 0 ? ">" : "<", wr_optest_column(c.t, c.in, "v"),
                                      wr_optest_constant(c.t, "int4", "0"));
    }
    t = case_ready(&c, &wr_aggregate_ops, "k int8, p int8, m int8", "k");
    wr_optest_rows(t, 0, "1|0; 1|2; 1|8; 1|-2; 1|4; 1|-3; 1|3; 1|5; 1|-9");
    wr_optest_end(t);
    wr_optest_expect(t, "1|3|3");
    wr_optest_verify(t);
}

static void
distinct_of_encoded_values(void **state) /* U2 */
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v numeric, ts timestamp");
    case_window(&c, WR_WINDOW_HOP, 10, 5, "ts");
    case_key(&c, "end");
    case_key(&c, "k");
    case_call(&c, "count", "v")->distinct = true;
    t = case_ready(&c, &wr_aggregate_ops, "e timestamp, k int8, d int8", "k");
    wr_optest_rows(t, 0, "1|1.0|@1; 1|1.00|@6; 1|2|@6; 2|1|@7");
    wr_optest_watermark(t, 0, WR_OPTEST_S(5));
    wr_optest_expect(t, "@5|1|1");
    wr_optest_rows(t, 0, "1|1|@8; 1|3|@9");
    wr_optest_end(t);
    wr_optest_expect(t, "@10|1|3; @10|2|1; @15|1|3; @15|2|1");
    wr_optest_verify(t);
}

static void
nested_states_survive(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v text, ts timestamp");
    case_window(&c, WR_WINDOW_HOP, 10, 5, "ts");
    case_key(&c, "end");
    case_key(&c, "k");
    case_call(&c, "array_agg", "v");
    case_call(&c, "max", "v");
    t = case_ready(&c, &wr_aggregate_ops, "e timestamp, k int8, a text[], m text", "k");
    wr_optest_rows(t, 0, "1|a word that is long|@6; 1|b|@7; 2|null|@8");
    wr_optest_rows(t, 0, "1|c|@11; 1|d|@14");
    wr_optest_end(t);
    wr_optest_expect(t, "@10|1|{\"a word that is long\",b}|b; @10|2|{NULL}|null; "
                        "@15|1|{\"a word that is long\",b,c,d}|d; @15|2|{NULL}|null; "
                        "@20|1|{c,d}|d");
    wr_optest_verify(t);
}

/* A time key closes when value < W + offset. */
static void
time_key_closes_groups(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "w timestamp, k text, v int8");
    case_key(&c, "k");
    case_key(&c, "w");
    case_call(&c, "max", "v");
    c.config.time_key = 1;
    c.config.time_key_offset = WR_OPTEST_S(-10);
    t = case_ready(&c, &wr_aggregate_ops, "k text, w timestamp, m int8", "k, w");
    wr_optest_want_late(t);
    wr_optest_rows(t, 0, "@10|a|1; @20|a|2; @10|a|3; null|a|4; infinity|b|5");
    wr_optest_watermark(t, 0, WR_OPTEST_S(20));
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 0, WR_OPTEST_S(20.000001));
    wr_optest_expect(t, "a|@10|3");
    wr_optest_rows(t, 0, "@10|a|9; @10.000001|b|9");
    wr_optest_expect_port(t, WR_PORT_LATE, "@10|a|9");
    wr_optest_watermark(t, 0, WR_OPTEST_S(100));
    wr_optest_expect(t, "a|@20|2; b|@10.000001|9");
    wr_optest_end(t);
    wr_optest_expect(t, "a|null|4; b|infinity|5");
    wr_optest_count(t, rows_late, 1);
    wr_optest_verify(t);
}

static void
time_key_by_changes(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "w date, v int8");
    case_key(&c, "w");
    case_call(&c, "count", NULL);
    c.config.time_key = 0;
    c.config.emit = WR_EMIT_CHANGES;
    t = case_ready(&c, &wr_aggregate_ops, "w date, n int8", "w");
    wr_optest_rows(t, 0, "1970-01-02|1; 1970-01-02|2; 1970-01-03|3");
    wr_optest_expect(t, "1970-01-02|2; 1970-01-03|1");
    wr_optest_watermark(t, 0, WR_OPTEST_S(86400) + 1);
    wr_optest_rows(t, 0, "1970-01-02|4; [-1] 1970-01-03|3");
    wr_optest_expect(t, "[-1] 1970-01-03|1");
    wr_optest_end(t);
    wr_optest_count(t, rows_late, 1);
    wr_optest_verify(t);
}

/* ttl 10: a group idle for longer starts anew, whether a sweep came or not */
static void
idle_groups_start_anew(void **state) /* U4 */
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k text, v int8, ts timestamp");
    case_key(&c, "k");
    case_call(&c, "count", NULL);
    case_call(&c, "count", "v")->distinct = true;
    c.config.emit = WR_EMIT_CHANGES;
    c.config.ttl_us = WR_OPTEST_S(10);
    t = case_ready(&c, &wr_aggregate_ops, "k text, n int8, d int8", "k");
    wr_optest_delay(t, 0, "ts", 0);
    wr_optest_rows(t, 0, "a|1|@0; b|1|@1; a|1|@5; a|2|@14; b|1|@14");
    /* b was touched at 0 (the watermark it met) and comes again when it is 14 */
    wr_optest_expect(t, "a|3|2; b|1|1; b|1|1");
    wr_optest_rows(t, 0, "c|1|@40; c|1|@41; a|1|@42");
    wr_optest_expect(t, "[2] c|1|1; a|1|1"); /* the second c meets 40, the first met 14 */
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* What takes back a row of a group that was forgotten is counted; what comes in its place begins anew. */
static void
rows_forgotten_are_not_taken_back(void **state) /* U6 */
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k text, v int8, ts timestamp");
    case_key(&c, "k");
    case_call(&c, "count", NULL);
    case_call(&c, "sum", "v");
    c.config.emit = WR_EMIT_CHANGES;
    c.config.ttl_us = WR_OPTEST_S(10);
    t = case_ready(&c, &wr_aggregate_ops, "k text, n int8, s numeric", "k");
    wr_optest_delay(t, 0, "ts", 0);
    wr_optest_rows(t, 0, "z|1|@0; a|1|@0; b|1|@1; x|1|@40; [-1] a|1|@41; a|2|@41; [-1] b|1|@41; a|3|@42");
    wr_optest_expect(t, "z|1|1; a|1|1; b|1|1; x|1|1; a|2|5");
    wr_optest_end(t);
    wr_optest_count(t, rows_unknown, 2);
    wr_optest_verify(t);
}

static void
failed_result_is_left_out(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "k int8, v int4");
    case_key(&c, "k");
    wr_agg_call *call = case_call(&c, "sum", "v");
    call->args[0] = wr_optest_call(c.t, "/", wr_optest_constant(c.t, "int4", "8"), call->args[0]);
    t = case_ready(&c, &wr_aggregate_ops, "k int8, s int8", "k");
    wr_optest_want_bad(t);
    wr_optest_rows(t, 0, "1|2; 1|0; 2|4; 3|0");
    wr_optest_end(t);
    wr_optest_expect(t, "1|4; 2|2");
    wr_optest_expect_port(t, WR_PORT_BAD, "null|null|ROW_DIVISION_BY_ZERO|division by zero|{\"k\": 1, \"v\": 0}|@0"
                          "; null|null|ROW_DIVISION_BY_ZERO|division by zero|{\"k\": 3, \"v\": 0}|@0");
    wr_optest_count(t, rows_failed, 2);
    wr_optest_verify(t);
}

/* More groups than a batch holds: 9,000 groups, twice each. */
static void
many_groups_take_many_batches(void **state) /* E4 */
{
    (void) state;
    for (int changes = 0; changes < 2; changes++) {
        agg_case   c;
        wr_optest *t;
        case_begin(&c, "k int8, v int8");
        case_key(&c, "k");
        case_call(&c, "sum", "v");
        c.config.emit = changes ? WR_EMIT_CHANGES : WR_EMIT_FINAL;
        t = case_ready(&c, &wr_aggregate_ops, "k int8, s numeric", NULL);
        wr_text rows, expected;
        wr_text_init(&rows, NULL);
        wr_text_init(&expected, NULL);
        for (int i = 0; i < 9000; i++) {
            wr_text_printf(&rows, "%d|1;%d|%d;", i, 8999 - i, 8999 - i);
            wr_text_printf(&expected, "%d|%d;", i, i + 1);
            if (i % 1500 == 1499) {
                wr_optest_rows(t, 0, wr_text_string(&rows));
                wr_text_clear(&rows);
            }
        }
        if (!changes)
            wr_optest_end(t);
        wr_optest_expect(t, wr_text_string(&expected));
        if (changes)
            wr_optest_end(t);
        wr_text_fini(&rows);
        wr_text_fini(&expected);
        wr_optest_verify(t);
    }
}

WR_TESTS = { WR_TEST(keys_group_as_postgres_does),
             WR_TEST(keys_of_many_types),
             WR_TEST(no_rows_give_one_row_without_keys),
             WR_TEST(no_rows_give_no_row_with_keys),
             WR_TEST(changes_without_a_window),
             WR_TEST(unchanged_result_is_no_change),
             WR_TEST(global_changes_keep_their_row),
             WR_TEST(aggregate_that_cannot_take_back_says_so),
             WR_TEST(filter_and_distinct),
             WR_TEST(distinct_sets_are_shared),
             WR_TEST(distinct_where_rows_only_come),
             WR_TEST(distinct_arguments_fail_apart),
             WR_TEST(distinct_of_encoded_values),
             WR_TEST(nested_states_survive),
             WR_TEST(time_key_closes_groups),
             WR_TEST(time_key_by_changes),
             WR_TEST(idle_groups_start_anew),
             WR_TEST(rows_forgotten_are_not_taken_back),
             WR_TEST(failed_result_is_left_out),
             WR_TEST(many_groups_take_many_batches),
             { NULL, NULL } };
