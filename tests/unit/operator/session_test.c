/* SPDX-License-Identifier: Apache-2.0 */
/* session_test.c -- C1..C4 of operator/session.c, A1..A3, U1..U3, E1..E2 of its files. */
#include "support/test.h"

#include "base/random.h"
#include "unit/operator/aggregate_case.h"

static void
session_case(agg_case *c, double gap)
{
    case_begin(c, "k text, v int8, ts timestamp");
    case_window(c, WR_WINDOW_SESSION, gap, 0, "ts");
    case_key(c, "k");
    case_key(c, "start");
    case_key(c, "end");
    case_call(c, "count", NULL);
    case_call(c, "sum", "v");
}

static wr_optest *
session_ready(agg_case *c)
{
    return case_ready(c, &wr_session_aggregate_ops,
                      "k text, s timestamp, e timestamp, n int8, v numeric", "k");
}

static void
session_ends_a_gap_after_its_last_event(void **state) /* C1, E1 */
{
    (void) state;
    agg_case c;
    session_case(&c, 10);
    wr_optest *t = session_ready(&c);
    wr_optest_rows(t, 0, "a|1|@1; b|2|@3; a|4|@11; a|8|@21.000001");
    wr_optest_watermark(t, 0, WR_OPTEST_S(13)); /* a row at 13 may come, and belongs to it */
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 0, WR_OPTEST_S(13.000001));
    wr_optest_expect(t, "b|@3|@13|1|2");
    wr_optest_watermark(t, 0, WR_OPTEST_S(21));
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 0, WR_OPTEST_S(21.000001));
    wr_optest_expect(t, "a|@1|@21|2|5");
    wr_optest_rows(t, 0, "a|16|@25; b|32|@21");
    wr_optest_watermark(t, 0, WR_OPTEST_S(34));
    wr_optest_expect(t, "b|@21|@31|1|32");
    wr_optest_end(t);
    wr_optest_expect(t, "a|@21.000001|@35|2|24");
    wr_optest_verify(t);
}

static void
rows_out_of_order_extend_and_bridge(void **state) /* A3, U3 */
{
    (void) state;
    agg_case c;
    session_case(&c, 10);
    wr_optest *t = session_ready(&c);
    wr_optest_rows(t, 0, "a|1|@50; a|2|@30; a|4|@10; b|8|@0; a|16|@70; a|32|@40; a|64|@20; b|128|@-5");
    wr_optest_rows(t, 0, "a|256|@60; a|512|@90; a|1024|@110; a|2048|@100; a|4096|@80");
    wr_optest_end(t);
    wr_optest_expect(t, "a|@10|@120|11|8055; b|@-5|@10|2|136");
    wr_optest_verify(t);
}

static void
a_key_has_many_sessions(void **state) /* U3: the first row's session leaves before and after the others */
{
    (void) state;
    agg_case c;
    session_case(&c, 1);
    wr_optest *t = session_ready(&c);
    wr_optest_rows(t, 0, "a|1|@10; a|2|@20; a|4|@0; a|8|@30; a|16|@5");
    wr_optest_watermark(t, 0, WR_OPTEST_S(6.5));
    wr_optest_expect(t, "a|@0|@1|1|4; a|@5|@6|1|16");
    wr_optest_watermark(t, 0, WR_OPTEST_S(15));
    wr_optest_expect(t, "a|@10|@11|1|1");
    wr_optest_rows(t, 0, "a|32|@20.5; a|64|@19.5; a|128|@40");
    wr_optest_watermark(t, 0, WR_OPTEST_S(31.5));
    wr_optest_expect(t, "a|@19.5|@21.5|3|98; a|@30|@31|1|8");
    wr_optest_end(t);
    wr_optest_expect(t, "a|@40|@41|1|128");
    wr_optest_verify(t);
}

static void
lateness_is_of_the_rows_own_session(void **state) /* A1, A2 */
{
    (void) state;
    agg_case c;
    session_case(&c, 10);
    wr_optest *t = session_ready(&c);
    wr_optest_want_late(t);
    wr_optest_delay(t, 0, "ts", WR_OPTEST_S(5));
    /* after 30 the watermark is 25: [14, 14 + 10] is late, but not where [20, ...] takes it in, nor [15, 15 + 10] */
    wr_optest_rows(t, 0, "a|1|@20; b|2|@30; b|4|@14; a|8|@14; a|16|@10; c|32|@15; b|64|@41; a|128|@16");
    /* after 41 it is 36: a's [8, 30] has closed for its row at 16 */
    wr_optest_expect(t, "a|@10|@30|3|25; c|@15|@25|1|32");
    wr_optest_expect_port(t, WR_PORT_LATE, "b|4|@14; a|128|@16");
    wr_optest_rows(t, 0, "b|256|@36; b|512|@100; b|1024|@51");
    wr_optest_expect(t, "b|@30|@51|3|322");
    wr_optest_expect_port(t, WR_PORT_LATE, "b|1024|@51");
    wr_optest_end(t);
    wr_optest_expect(t, "b|@100|@110|1|512");
    wr_optest_count(t, rows_late, 3);
    wr_optest_verify(t);
}

static void
changes_replace_sessions_that_grow_or_merge(void **state) /* E2, C3 */
{
    (void) state;
    agg_case c;
    session_case(&c, 10);
    c.config.emit = WR_EMIT_CHANGES;
    wr_optest *t = session_ready(&c);
    wr_optest_rows(t, 0, "a|1|@0");
    wr_optest_expect(t, "a|@0|@10|1|1");
    wr_optest_rows(t, 0, "a|2|@5; b|4|@5");
    wr_optest_expect(t, "[-1] a|@0|@10|1|1; a|@0|@15|2|3; b|@5|@15|1|4");
    wr_optest_rows(t, 0, "a|8|@25");
    wr_optest_expect(t, "a|@25|@35|1|8");
    wr_optest_rows(t, 0, "a|16|@15");
    wr_optest_expect(t, "[-1] a|@0|@15|2|3; [-1] a|@25|@35|1|8; a|@0|@35|4|27");
    wr_optest_watermark(t, 0, WR_OPTEST_S(15));
    wr_optest_rows(t, 0, "b|32|@16");
    wr_optest_expect(t, "b|@16|@26|1|32");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_verify(t);
}

static void
late_rows_update_closed_sessions(void **state) /* E1 */
{
    (void) state;
    agg_case c;
    session_case(&c, 10);
    c.config.late = WR_LATE_UPDATE;
    c.config.lateness_us = 20000000;
    wr_optest *t = session_ready(&c);
    wr_optest_want_late(t);
    wr_optest_rows(t, 0, "a|1|@0; b|2|@0; d|4|@0");
    wr_optest_watermark(t, 0, WR_OPTEST_S(12));
    wr_optest_expect(t, "a|@0|@10|1|1; b|@0|@10|1|2; d|@0|@10|1|4");
    /* a: within the old end; b: reopened; c: new and closed already */
    wr_optest_rows(t, 0, "a|8|@1; b|16|@10; c|32|@-5");
    wr_optest_expect(t, "[-1] a|@0|@10|1|1; a|@0|@11|2|9; [-1] b|@0|@10|1|2; c|@-5|@5|1|32");
    wr_optest_watermark(t, 0, WR_OPTEST_S(20.5));
    wr_optest_expect(t, "b|@0|@20|2|18");
    wr_optest_watermark(t, 0, WR_OPTEST_S(30.5));
    wr_optest_rows(t, 0, "d|64|@0; a|128|@0; c|256|@5");
    wr_optest_expect(t, "[-1] a|@0|@11|2|9; a|@0|@11|3|137; c|@5|@15|1|256");
    wr_optest_expect_port(t, WR_PORT_LATE, "d|64|@0");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_count(t, rows_late, 1);
    wr_optest_verify(t);
}

static void
distinct_values_meet_when_sessions_merge(void **state) /* U2 */
{
    (void) state;
    agg_case c;
    case_begin(&c, "k int8, v int8, p text, x numeric, ts timestamp");
    case_window(&c, WR_WINDOW_SESSION, 10, 0, "ts");
    case_key(&c, "k");
    case_key(&c, "start");
    case_call(&c, "count", "v")->distinct = true;
    case_call(&c, "sum", "v")->distinct = true;
    case_call(&c, "count", "p")->distinct = true;
    case_call(&c, "sum", "x")->distinct = true;
    wr_optest *t = case_ready(&c, &wr_session_aggregate_ops,
                              "k int8, s timestamp, n int8, v numeric, p int8, x numeric", "k");
    wr_optest_rows(t, 0, "1|5|one|1.5|@0; 1|5|a longer text than fits|1.50|@2; 1|7|one|2|@20; 1|5|two|1.5|@22;"
                         "2|null|null|null|@0; 1|9|a longer text than fits|3|@40");
    wr_optest_rows(t, 0, "1|7|three|2|@12; 1|8|one|2|@31");
    wr_optest_watermark(t, 0, WR_OPTEST_S(49));
    wr_optest_expect(t, "2|@0|0|null|0|null");
    wr_optest_end(t);
    wr_optest_expect(t, "1|@0|4|29|4|6.5");
    wr_optest_verify(t);
}

static void
states_with_memory_of_their_own_merge(void **state)
{
    (void) state;
    agg_case c;
    case_begin(&c, "k text, v text, x numeric, ts timestamptz");
    case_window(&c, WR_WINDOW_SESSION, 10, 0, "ts");
    case_key(&c, "end");
    case_key(&c, "k");
    c.key_types[0] = WR_TYPE(WR_TIMESTAMPTZ);
    case_call(&c, "array_agg", "v");
    case_call(&c, "max", "v");
    case_call(&c, "sum", "x");
    wr_optest *t = case_ready(&c, &wr_session_aggregate_ops,
                              "e timestamptz, k text, l text[], m text, x numeric", "k");
    wr_optest_rows(t, 0, "a key of some length|first|1.5|@0; a key of some length|a second value|NaN|@30");
    wr_optest_rows(t, 0, "a key of some length|third|2|@20; a key of some length|the fourth value|3|@10");
    wr_optest_rows(t, 0, "b|lonely|null|@10");
    wr_optest_end(t);
    wr_optest_expect(t, "@40|a key of some length|{first,\"a second value\",third,\"the fourth value\"}|third|NaN;"
                        "@20|b|{lonely}|lonely|null");
    wr_optest_verify(t);
}

static void
null_and_infinite_times_are_in_no_session(void **state)
{
    (void) state;
    agg_case c;
    session_case(&c, 10);
    wr_optest *t = session_ready(&c);
    wr_optest_rows(t, 0, "a|1|null; a|2|@5; a|3|infinity; null|4|@0; null|5|@10; a|6|-infinity");
    wr_optest_end(t);
    wr_optest_expect(t, "a|@5|@15|1|2; null|@0|@20|2|9");
    wr_optest_count(t, rows_null_time, 3);
    wr_optest_verify(t);
}

static void
filters_and_repeated_rows_count(void **state) /* U1 */
{
    (void) state;
    agg_case c;
    session_case(&c, 10);
    c.calls[1].filter = wr_optest_call(c.t, ">", wr_optest_column(c.t, c.in, "v"), wr_optest_constant(c.t, "int8", "3"));
    wr_optest *t = session_ready(&c);
    wr_optest_rows(t, 0, "[3] a|5|@0; [2] a|2|@1; a|7|@20");
    wr_optest_end(t);
    wr_optest_expect(t, "a|@0|@11|5|15; a|@20|@30|1|7");
    wr_optest_verify(t);
}

static void
retractions_are_refused(void **state)
{
    (void) state;
    agg_case c;
    session_case(&c, 10);
    wr_optest *t = session_ready(&c);
    wr_optest_rows(t, 0, "a|1|@0; [-1] a|1|@0");
    wr_optest_expect_failure(t, WEIR_QUERY_UNSUPPORTED);
    wr_optest_verify(t);
}

static void
no_key_but_time_is_one_key(void **state)
{
    (void) state;
    agg_case c;
    case_begin(&c, "v int8, d date");
    case_window(&c, WR_WINDOW_SESSION, 86400, 0, "d");
    case_key(&c, "start");
    case_key(&c, "end");
    c.key_types[0] = c.key_types[1] = WR_TYPE(WR_DATE);
    case_call(&c, "sum", "v");
    wr_optest *t = case_ready(&c, &wr_session_aggregate_ops, "s date, e date, v numeric", "");
    wr_optest_rows(t, 0, "1|2026-01-01; 2|2026-01-04; 4|2026-01-02; 8|1969-12-30");
    wr_optest_end(t);
    wr_optest_expect(t, "2026-01-01|2026-01-03|5; 2026-01-04|2026-01-05|2; 1969-12-30|1969-12-31|8");
    wr_optest_verify(t);
}

/* --- against a list of sessions kept as simply as can be --- */

typedef struct plain_session {
    int key, start, last, count, sum;
    bool gone;
} plain_session;

/* Row (key, t, v) of watermark w into list; false: it is late. */
static bool
plain_row(plain_session *list, int *count, int gap, int key, int t, int v, int w)
{
    plain_session made = { key, t, t, 1, v, false };
    bool          joined = false;
    for (int i = 0; i < *count; i++) {
        plain_session *s = &list[i];
        if (s->gone || s->key != key || s->last + gap < w || t < s->start - gap || t > s->last + gap)
            continue;
        made.start = WR_MIN(made.start, s->start);
        made.last = WR_MAX(made.last, s->last);
        made.count += s->count;
        made.sum += s->sum;
        s->gone = joined = true;
    }
    if (!joined && t + gap < w)
        return false;
    list[(*count)++] = made;
    return true;
}

static void
random_rows_make_the_sessions_of_a_plain_list(uint64_t seed, int rows, int keys, int spread, int delay,
                                              wr_emit emit)
{
    agg_case       c;
    wr_random      random;
    wr_text        in, out;
    plain_session *list = wr_calloc(NULL, (size_t) rows + 1, sizeof *list);
    int            count = 0, late = 0, w = INT32_MIN / 2;
    wr_random_init(&random, seed);
    wr_text_init(&in, NULL);
    wr_text_init(&out, NULL);
    session_case(&c, 10);
    c.config.emit = emit;
    wr_optest *t = session_ready(&c);
    wr_optest_delay(t, 0, "ts", WR_OPTEST_S(delay));
    for (int i = 0; i < rows; i++) {
        int key = (int) wr_random_below(&random, (uint64_t) keys), v = (int) wr_random_below(&random, 100);
        int at = i * 3 / keys + (int) wr_random_below(&random, (uint64_t) spread);
        wr_text_printf(&in, "%sk%d|%d|@%d", i > 0 ? ";" : "", key, v, at);
        late += !plain_row(list, &count, 10, key, at, v, w);
        w = WR_MAX(w, at - delay);
        if (i % 37 == 36 || i + 1 == rows) {
            wr_optest_rows(t, 0, wr_text_string(&in));
            wr_text_clear(&in);
        }
    }
    for (int i = 0; i < count; i++)
        if (!list[i].gone)
            wr_text_printf(&out, "k%d|@%d|@%d|%d|%d;", list[i].key, list[i].start, list[i].last + 10,
                           list[i].count, list[i].sum);
    wr_optest_end(t);
    wr_optest_expect(t, wr_text_string(&out));
    wr_optest_count(t, rows_late, (uint64_t) late);
    wr_optest_verify(t);
    wr_text_fini(&in);
    wr_text_fini(&out);
    wr_free(list);
}

static void
random_rows_in_time(void **state) /* C2 */
{
    (void) state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_rows_make_the_sessions_of_a_plain_list(seed, 300, 5, 60, 60, WR_EMIT_FINAL);
}

static void
random_rows_late(void **state) /* A1, A2 */
{
    (void) state;
    for (uint64_t seed = 11; seed <= 16; seed++)
        random_rows_make_the_sessions_of_a_plain_list(seed, 300, 4, 40, (int) seed - 8, WR_EMIT_FINAL);
}

static void
random_rows_of_a_key_with_many_sessions(void **state) /* T1, T2 */
{
    (void) state;
    for (uint64_t seed = 31; seed <= 33; seed++)
        random_rows_make_the_sessions_of_a_plain_list(seed, 400, 1, 6000, 7000, WR_EMIT_FINAL);
    random_rows_make_the_sessions_of_a_plain_list(34, 400, 1, 6000, 300, WR_EMIT_FINAL);
}

static void
random_rows_as_changes(void **state) /* C3 */
{
    (void) state;
    for (uint64_t seed = 21; seed <= 24; seed++)
        random_rows_make_the_sessions_of_a_plain_list(seed, 300, 3, 50, 20, WR_EMIT_CHANGES);
}

WR_TESTS = { WR_TEST(session_ends_a_gap_after_its_last_event),
             WR_TEST(rows_out_of_order_extend_and_bridge),
             WR_TEST(a_key_has_many_sessions),
             WR_TEST(lateness_is_of_the_rows_own_session),
             WR_TEST(changes_replace_sessions_that_grow_or_merge),
             WR_TEST(late_rows_update_closed_sessions),
             WR_TEST(distinct_values_meet_when_sessions_merge),
             WR_TEST(states_with_memory_of_their_own_merge),
             WR_TEST(null_and_infinite_times_are_in_no_session),
             WR_TEST(filters_and_repeated_rows_count),
             WR_TEST(retractions_are_refused),
             WR_TEST(no_key_but_time_is_one_key),
             WR_TEST(random_rows_in_time),
             WR_TEST(random_rows_late),
             WR_TEST(random_rows_of_a_key_with_many_sessions),
             WR_TEST(random_rows_as_changes),
             { NULL, NULL } };
