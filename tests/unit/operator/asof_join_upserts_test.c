/* SPDX-License-Identifier: Apache-2.0 */
/* asof_join_upserts_test.c -- U1..U4 of operator/asof_join_upserts.c. */
#include "support/test.h"

#include "base/random.h"
#include "operator/asof_join.h"
#include "support/optest.h"

typedef struct asof_case {
    wr_optest          *t;
    wr_asof_join_config config;
    uint32_t            left_keys[1], right_keys[1];
} asof_case;

/* left (k, a, t); right (k, b, q), of which the last of a key holds, and how far it was settled. */
static wr_optest *
asof_table(asof_case *c, bool outer)
{
    memset(c, 0, sizeof *c);
    c->t = wr_optest_create();
    wr_schema *left = wr_optest_schema(c->t, "k int8, a text, t timestamp");
    wr_schema *right = wr_optest_schema(c->t, "k int8, b numeric, q timestamp");
    wr_schema *both =
        wr_optest_schema(c->t, "k int8, a text, t timestamp, k2 int8, b numeric, q timestamp");
    c->config = (wr_asof_join_config){
        .outer = outer, .upserts = true, .key_count = 1, .left_keys = c->left_keys,
        .right_keys = c->right_keys, .left_time = 2, .right_time = 2, .reach_us = INT64_MAX,
        .left = left, .right = right, .output = both,
    };
    wr_optest_operator(c->t, &wr_asof_join_ops, &c->config, both);
    wr_optest_port(c->t, 0, left, "k");
    wr_schema *read = wr_optest_schema(c->t, "k int8, b numeric, q timestamp, settled timestamp");
    wr_optest_port(c->t, 1, read, "k");
    return c->t;
}

static void
watermarks(wr_optest *t, double seconds)
{
    wr_optest_watermark(t, 0, WR_OPTEST_S(seconds));
    wr_optest_watermark(t, 1, WR_OPTEST_S(seconds));
}

static void
a_version_holds_until_the_next(void **state) /* U1 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, true);
    wr_optest_rows(t, 1, "1|1|@1|null; 1|2|@5|null; [-1] 1|null|@8|null; 1|3|@12|null; 2|7|@3|null");
    wr_optest_rows(t, 0, "1|a|@0; 1|b|@1; 1|c|@4; 1|d|@5; 1|e|@7; 1|f|@8; 1|g|@11; 1|h|@12; 2|i|@9");
    wr_optest_expect(t, "");
    watermarks(t, 20);
    wr_optest_expect(t, "1|a|@0|null|null|null; 1|b|@1|1|1|@1; 1|c|@4|1|1|@1; 1|d|@5|1|2|@5;"
                        "1|e|@7|1|2|@5; 1|f|@8|null|null|null; 1|g|@11|null|null|null;"
                        "1|h|@12|1|3|@12; 2|i|@9|2|7|@3");
    wr_optest_rows(t, 0, "1|j|@20; 2|k|@21");
    wr_optest_end(t);
    wr_optest_expect(t, "1|j|@20|1|3|@12; 2|k|@21|2|7|@3");
    wr_optest_count(t, rows_late, 0);
    wr_optest_count(t, rows_unknown, 0);
    wr_optest_verify(t);
}

static void
versions_stand_in_the_order_of_their_times(void **state) /* U1 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, false);
    wr_optest_rows(t, 1, "1|9|@9|null; 1|5|@5|null; 1|5.1|@5|null; 1|7|@7|null");
    wr_optest_rows(t, 0, "1|a|@4; 1|b|@5; 1|c|@8; 1|d|@10");
    wr_optest_end(t);
    wr_optest_expect(t, "1|b|@5|1|5.1|@5; 1|c|@8|1|7|@7; 1|d|@10|1|9|@9");
    wr_optest_verify(t);
}

static void
a_row_that_is_the_same_again(void **state)
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, true);
    wr_optest_rows(t, 1, "1|1|@1|null; 1|1|@1|null; 1|2|@1|null; 1|1|@1|null; 1|1|@3|null; [-1] 1|null|@4|null; 1|1|@1|null");
    wr_optest_rows(t, 0, "1|a|@1; 1|a|@1; 1|b|@3; 1|c|@4; 1|d|@9");
    watermarks(t, 30);
    wr_optest_expect(t, "[2] 1|a|@1|1|1|@1; 1|b|@3|1|1|@3; 1|c|@4|1|1|@1; 1|d|@9|1|1|@1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
an_end_without_a_time_of_its_own(void **state) /* U2 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, true);
    wr_optest_watermark(t, 0, WR_OPTEST_S(2));
    wr_optest_watermark(t, 1, WR_OPTEST_S(6));
    /* no time; a time that is not after the row's: its own side's watermark says when */
    wr_optest_rows(t, 1, "1|1|@7|null; 2|1|@7|null; 3|1|@9|null; 4|1|@7|null");
    wr_optest_watermark(t, 1, WR_OPTEST_S(8));
    wr_optest_rows(t, 1, "[-1] 1|null|null|@8; [-1] 2|1|@7|@8; [-1] 3|null|null|@8; [-1] 4|null|@10|@8");
    wr_optest_rows(t, 0, "1|a|@7.5; 1|b|@8; 2|c|@7.5; 2|d|@8; 3|e|@9; 3|f|@9.5; 4|g|@9.5; 4|h|@10");
    watermarks(t, 20);
    wr_optest_expect(t, "1|a|@7.5|1|1|@7; 1|b|@8|null|null|null; 2|c|@7.5|2|1|@7;"
                        "2|d|@8|null|null|null; 3|e|@9|3|1|@9; 3|f|@9.5|null|null|null;"
                        "4|g|@9.5|4|1|@7; 4|h|@10|null|null|null");
    wr_optest_end(t);
    wr_optest_count(t, rows_late, 0);
    wr_optest_verify(t);
}

static void
what_comes_after_an_end_holds_after_it(void **state) /* U1, U3 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, true);
    wr_optest_rows(t, 1, "1|1|@5|null; [-1] 1|null|@8|null; 1|2|@6|null; 1|3|@7|null; 1|4|@6.5|null");
    wr_optest_rows(t, 0, "1|a|@5; 1|b|@7.5; 1|c|@8; 1|d|@9");
    watermarks(t, 10);
    wr_optest_expect(t, "1|a|@5|1|1|@5; 1|b|@7.5|1|1|@5; 1|c|@8|1|3|@7; 1|d|@9|1|3|@7");
    wr_optest_rows(t, 1, "[-1] 1|null|@12|null");
    watermarks(t, 30); /* the end is let go: what comes late now is seen from now on */
    wr_optest_rows(t, 1, "1|5|@11|null; 1|6|@9|null");
    wr_optest_rows(t, 0, "1|e|@30; 1|f|@31");
    wr_optest_end(t);
    wr_optest_expect(t, "1|e|@30|1|5|@11; 1|f|@31|1|5|@11");
    wr_optest_count(t, rows_late, 2);
    wr_optest_verify(t);
}

static void
ends_of_what_does_not_stand(void **state) /* U4 */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, true);
    wr_optest_rows(t, 1, "[-1] 1|null|@3|null; 1|1|@4|null; [-1] 1|null|@5|null; [-1] 1|null|@6|null; null|1|@3|null; 1|1|null|null");
    wr_optest_rows(t, 0, "1|a|@4; 1|b|@7");
    watermarks(t, 10);
    wr_optest_expect(t, "1|a|@4|1|1|@4; 1|b|@7|null|null|null");
    wr_optest_end(t);
    wr_optest_count(t, rows_unknown, 2);
    wr_optest_count(t, rows_unmatched, 3);
    wr_optest_verify(t);
}

static void
late_versions_and_ends(void **state) /* U3, A3 of asof_join.c */
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, true);
    wr_optest_rows(t, 1, "1|1|@1|null; 2|2|@1|null");
    wr_optest_rows(t, 0, "1|a|@12; 2|b|@12");
    watermarks(t, 10);
    wr_optest_rows(t, 0, "1|c|@10; 2|d|@10");
    wr_optest_rows(t, 1, "1|5|@5|@10; [-1] 2|null|@5|@10"); /* late */
    wr_optest_rows(t, 1, "1|4|@4|null");
    watermarks(t, 20);
    wr_optest_expect(t, "1|a|@12|1|5|@5; 2|b|@12|null|null|null; 1|c|@10|1|5|@5; 2|d|@10|null|null|null");
    wr_optest_end(t);
    wr_optest_count(t, rows_late, 2); /* the end holds from the watermark on */
    wr_optest_verify(t);
}

static void
no_state_is_left_of_what_is_gone(void **state)
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, false);
    wr_optest_rows(t, 1, "1|1|@1|null; 2|1|@1|null; [-1] 1|null|@2|null");
    watermarks(t, 5);
    wr_optest_rows(t, 1, "[-1] 2|null|null|@5");
    watermarks(t, 6);
    wr_optest_rows(t, 0, "1|a|@6; 2|b|@6");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_verify(t);
}

static void
with_a_reach(void **state)
{
    (void) state;
    asof_case  c;
    wr_optest *t = asof_table(&c, true);
    c.config.reach_us = WR_OPTEST_S(10);
    wr_optest_rows(t, 1, "1|1|@1|null; 2|2|@8|null; [-1] 2|null|@15|null");
    wr_optest_rows(t, 0, "1|a|@11; 1|b|@11.000001; 2|c|@12; 2|d|@15");
    watermarks(t, 16);
    wr_optest_expect(t, "1|a|@11|1|1|@1; 1|b|@11.000001|null|null|null; 2|c|@12|2|2|@8;"
                        "2|d|@15|null|null|null");
    wr_optest_rows(t, 1, "[-1] 1|null|null|@16; 1|3|@15|@16");
    wr_optest_rows(t, 0, "1|e|@16; 1|f|@30");
    wr_optest_end(t);
    wr_optest_expect(t, "1|e|@16|1|3|@15; 1|f|@30|null|null|null");
    wr_optest_count(t, rows_unknown, 0);
    wr_optest_verify(t);
}

static void
where_the_input_ends_what_was_settled_counts_too(void **state) /* U2 */
{
    (void) state;
    for (int promised = 0; promised < 2; promised++) {
        asof_case  c;
        wr_optest *t = asof_table(&c, true);
        c.config.left_offset = c.config.right_offset = WR_NO_WATERMARK;
        wr_optest_rows(t, 1, "1|1|@1|null");
        watermarks(t, 5);
        wr_optest_rows(t, 1, promised ? "[-1] 1|null|null|@5" : "[-1] 1|null|null|null");
        wr_optest_rows(t, 1, "1|2|@0.5|null; 1|3|@8|null; [-1] 1|null|@9|null");
        wr_optest_rows(t, 0, "1|a|@1; 1|b|@4; 1|c|@5; 1|d|@8; 1|e|@9");
        wr_optest_expect(t, "");
        wr_optest_end(t);
        wr_optest_expect(t, promised ? "1|a|@1|1|1|@1; 1|b|@4|1|1|@1; 1|c|@5|1|2|@0.5;"
                                       "1|d|@8|1|3|@8; 1|e|@9|null|null|null"
                                     : "1|a|@1|1|1|@1; 1|b|@4|1|2|@0.5; 1|c|@5|1|2|@0.5;"
                                       "1|d|@8|1|3|@8; 1|e|@9|null|null|null");
        wr_optest_verify(t);
    }
}

/* --- against a list --- */

enum { ROWS = 160, KEYS = 3 };

typedef struct moment {
    int    key, label;
    bool   gone;
    double own, at; /* own: of an end -1 */
} moment;

/* The partner of a left row: the last of its key that holds at the moment. */
static const moment *
find_partner(const moment *all, int count, int key, double time, bool strict)
{
    const moment *best = NULL;
    for (int i = 0; i < count; i++) {
        const moment *m = &all[i];
        if (m->key != key || (strict ? m->at >= time : m->at > time))
            continue;
        if (best == NULL || m->at > best->at || (m->at == best->at && m->own >= best->own))
            best = m;
    }
    return best != NULL && !best->gone ? best : NULL;
}

/* Where the row stands among those before it of its key. */
static void
place(moment *all, int i, double said, double watermark)
{
    double last = -1e9, cut = -1e9;
    for (int k = 0; k < i; k++) {
        if (all[k].key != all[i].key)
            continue;
        last = all[k].at > last ? all[k].at : last;
        cut = all[k].gone && all[k].at > cut ? all[k].at : cut;
    }
    if (!all[i].gone)
        all[i].at = said > cut ? said : cut;
    else if (said > last && said >= watermark)
        all[i].at = said;
    else
        all[i].at = last + 1e-6 > watermark ? last + 1e-6 : watermark;
}

static void
equals_a_list(void **state) /* U1, U2 */
{
    (void) state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        asof_case  c;
        wr_random  random;
        moment     right[ROWS];
        int        left_time[ROWS], left_key[ROWS];
        bool       strict = seed % 2 == 0, outer = seed % 3 == 0;
        wr_optest *t = asof_table(&c, outer);
        wr_text    line, expected;
        c.config.strict = strict;
        wr_random_init(&random, seed);
        wr_text_init(&line, NULL);
        wr_text_init(&expected, NULL);
        for (int from = 0; from < ROWS; from += 8) {
            wr_text_clear(&line);
            for (int i = from; i < from + 8; i++) {
                left_key[i] = (int) wr_random_below(&random, KEYS);
                left_time[i] = from + (int) wr_random_below(&random, 30);
                wr_text_printf(&line, "%d|l%d|@%d;", left_key[i], i, left_time[i]);
            }
            wr_optest_rows(t, 0, wr_text_string(&line));
            wr_text_clear(&line);
            for (int i = from; i < from + 8; i++) {
                int    time = from + (int) wr_random_below(&random, 30);
                bool   gone = wr_random_below(&random, 4) == 0;
                bool   said = !gone || wr_random_below(&random, 2) == 0;
                right[i] = (moment){ .key = (int) wr_random_below(&random, KEYS),
                                     .label = i,
                                     .gone = gone,
                                     .own = gone ? -1 : time };
                place(right, i, said ? time : -1e9, from == 0 ? -1e9 : from);
                wr_text_printf(&line, "%s%d|%d|", gone ? "[-1] " : "", right[i].key, i);
                wr_text_printf(&line, said ? "@%d|" : "null|", time);
                wr_text_printf(&line, from > 0 ? "@%d;" : "null;", from);
            }
            wr_optest_rows(t, 1, wr_text_string(&line));
            watermarks(t, from + 8);
        }
        for (int i = 0; i < ROWS; i++) {
            const moment *m = find_partner(right, ROWS, left_key[i], left_time[i], strict);
            if (m != NULL)
                wr_text_printf(&expected, "%d|l%d|@%d|%d|%d|@%d;", left_key[i], i, left_time[i],
                               m->key, m->label, (int) m->own);
            else if (outer)
                wr_text_printf(&expected, "%d|l%d|@%d|null|null|null;", left_key[i], i, left_time[i]);
        }
        wr_optest_end(t);
        wr_optest_expect(t, wr_text_string(&expected));
        wr_optest_count(t, rows_late, 0);
        wr_text_fini(&line);
        wr_text_fini(&expected);
        wr_optest_verify(t);
    }
}

WR_TESTS = { WR_TEST(a_version_holds_until_the_next),
             WR_TEST(versions_stand_in_the_order_of_their_times),
             WR_TEST(a_row_that_is_the_same_again),
             WR_TEST(an_end_without_a_time_of_its_own),
             WR_TEST(what_comes_after_an_end_holds_after_it),
             WR_TEST(ends_of_what_does_not_stand),
             WR_TEST(late_versions_and_ends),
             WR_TEST(no_state_is_left_of_what_is_gone),
             WR_TEST(with_a_reach),
             WR_TEST(where_the_input_ends_what_was_settled_counts_too),
             WR_TEST(equals_a_list),
             { NULL, NULL } };
