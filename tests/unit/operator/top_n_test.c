/* SPDX-License-Identifier: Apache-2.0 */
/* top_n_test.c -- T1..T5 of operator/top_n.c, M1..M3 of top_n_emit.c, W1..W3 of top_n_words.c, R1..R2 of top_n_tail.c,
 * B1..B4 of state/row_bag.c. */
#include "support/test.h"

#include "operator/top_n.h"
#include "support/optest.h"

#include <stdio.h>

typedef struct fixture {
    wr_optest *t;
    wr_top_n_config config;
    uint32_t partition[1];
    wr_sort_key keys[1];
} fixture;

/* k partitions, v orders, x is carried. */
static void
fixture_init(fixture *f, wr_rank_function function, uint64_t low, uint64_t high, bool rank)
{
    *f = (fixture){ .t = wr_optest_create() };
    f->partition[0] = 0;
    f->keys[0] = (wr_sort_key){ .column = 1 };
    f->config = (wr_top_n_config){ .partition_count = 1,
                                   .partition = f->partition,
                                   .key_count = 1,
                                   .keys = f->keys,
                                   .function = function,
                                   .low = low,
                                   .high = high,
                                   .rank_column = rank,
                                   .rank_used = rank,
                                   .time_column = -1,
                                   .insert_only = true };
    f->config.input = wr_optest_schema(f->t, "k int4, v numeric, x text");
    f->config.output = rank ? wr_optest_schema(f->t, "k int4, v numeric, x text, n int8")
                            : wr_optest_schema(f->t, "k int4, v numeric, x text");
}

static void
fixture_open(fixture *f)
{
    wr_optest_operator(f->t, &wr_top_n_ops, &f->config, f->config.output);
    wr_optest_port(f->t, 0, f->config.input, f->config.partition_count > 0 ? "k" : NULL);
}

static void
the_first_two_change_as_rows_come(void **state) /* T1 */
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 2, false);
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "1|5|a; 1|7|b; 2|1|c");
    wr_optest_expect(f.t, "1|5|a; 1|7|b; 2|1|c");
    wr_optest_rows(f.t, 0, "1|9|d");
    wr_optest_expect(f.t, "");
    wr_optest_rows(f.t, 0, "1|6.5|e");
    wr_optest_expect(f.t, "[-1] 1|7|b; 1|6.5|e");
    wr_optest_rows(f.t, 0, "1|null|f; 2|null|g; 2|-3|h");
    wr_optest_expect(f.t, "[-1] 2|1|c; 2|-3|h; 2|1|c");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "");
    wr_optest_verify(f.t);
}

static void
ranks_shift(void **state) /* T1, M1 */
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 3, true);
    f.keys[0].descending = f.keys[0].nulls_first = true;
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "1|5|a");
    wr_optest_expect(f.t, "1|5|a|1");
    wr_optest_rows(f.t, 0, "1|7|b");
    wr_optest_expect(f.t, "[-1] 1|5|a|1; 1|7|b|1; 1|5|a|2");
    wr_optest_rows(f.t, 0, "1|null|c");
    wr_optest_expect(f.t, "[-1] 1|7|b|1; [-1] 1|5|a|2; 1|null|c|1; 1|7|b|2; 1|5|a|3");
    wr_optest_rows(f.t, 0, "1|6|d");
    wr_optest_expect(f.t, "[-1] 1|5|a|3; 1|6|d|3");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
ties_are_settled_by_contents(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 1, false);
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "1|5|m");
    wr_optest_expect(f.t, "1|5|m");
    wr_optest_rows(f.t, 0, "1|5|z");
    wr_optest_expect(f.t, "");
    wr_optest_rows(f.t, 0, "1|5|a");
    wr_optest_expect(f.t, "[-1] 1|5|m; 1|5|a");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
rank_and_dense_rank_keep_peers(void **state)
{
    for (int dense = 0; dense < 2; dense++) {
        fixture f;
        (void)state;
        fixture_init(&f, dense ? WR_RANK_DENSE : WR_RANK_RANK, 1, 2, true);
        fixture_open(&f);
        wr_optest_rows(f.t, 0, "1|5|a; 1|5|b; 1|5|b; 1|6|c; 1|7|d; 1|6|e");
        wr_optest_expect(f.t, dense ? "1|5|a|1; 1|5|b|1; 1|5|b|1; 1|6|c|2; 1|6|e|2"
                                    : "1|5|a|1; 1|5|b|1; 1|5|b|1");
        wr_optest_rows(f.t, 0, "1|4|z");
        wr_optest_expect(f.t,
                         dense ? "[-1] 1|6|c|2; [-1] 1|6|e|2; 1|4|z|1; [-1] 1|5|a|1; [-1] 1|5|b|1; "
                                 "[-1] 1|5|b|1; 1|5|a|2; 1|5|b|2; 1|5|b|2"
                               : "1|4|z|1; [-1] 1|5|a|1; [-1] 1|5|b|1; [-1] 1|5|b|1; 1|5|a|2; "
                                 "1|5|b|2; 1|5|b|2");
        wr_optest_end(f.t);
        wr_optest_verify(f.t);
    }
}

static void
offset_and_ties_of_the_whole(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 2, 3, false);
    f.config.partition_count = 0;
    f.config.with_ties = true;
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "1|1|a; 2|2|b; 3|3|c; 4|3|d; 5|4|e");
    wr_optest_expect(f.t, "2|2|b; 3|3|c; 4|3|d");
    wr_optest_rows(f.t, 0, "9|0|z");
    wr_optest_expect(f.t, "1|1|a; [-1] 3|3|c; [-1] 4|3|d");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
rows_taken_back_let_others_in(void **state) /* T2 */
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 2, true);
    f.config.insert_only = false;
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "1|1|a; 1|2|b; 1|3|c; 1|3|c; 1|4|d");
    wr_optest_expect(f.t, "1|1|a|1; 1|2|b|2");
    wr_optest_rows(f.t, 0, "[-1] 1|1|a");
    wr_optest_expect(f.t, "[-1] 1|1|a|1; [-1] 1|2|b|2; 1|2|b|1; 1|3|c|2");
    wr_optest_rows(f.t, 0, "[-1] 1|2|b; [-1] 1|4|d");
    wr_optest_expect(f.t, "[-1] 1|2|b|1; 1|3|c|1");
    wr_optest_rows(f.t, 0, "[-1] 1|3|c");
    wr_optest_expect(f.t, "[-1] 1|3|c|2");
    wr_optest_rows(f.t, 0, "[-1] 1|3|c");
    wr_optest_expect(f.t, "[-1] 1|3|c|1");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
a_row_never_seen_is_counted(void **state) /* T3 */
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 2, false);
    f.config.insert_only = false;
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "[-1] 1|1|a; 2|2|b; [-3] 2|2|b; [-1] 2|2.0|b");
    wr_optest_expect(f.t, "");
    wr_optest_end(f.t);
    wr_optest_count(f.t, rows_unknown, 4);
    wr_optest_verify(f.t);
}

static void
none_is_none(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 0, false);
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "1|1|a; 2|2|b");
    wr_optest_expect(f.t, "");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
at_the_end_all_comes_out_once(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 2, true);
    f.config.at_end = true;
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "1|5|a; 1|7|b; 2|1|c; 1|6|d; 1|9|e; 3|null|g");
    wr_optest_expect(f.t, "");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "1|5|a|1; 1|6|d|2; 2|1|c|1; 3|null|g|1");
    wr_optest_verify(f.t);
}

static void
many_rows_split_blocks(void **state) /* B1..B4 */
{
    fixture f;
    char rows[16384], back[16384], expected[16384];
    size_t n = 0, m = 0, e = 0;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 400, false);
    f.config.insert_only = false;
    fixture_open(&f);
    for (int i = 0; i < 400; i++) {
        int v = i * 37 % 400;
        n += (size_t)snprintf(rows + n, sizeof rows - n, "%s1|%d|x", i > 0 ? "; " : "", v);
        if (i % 3 != 0) {
            m += (size_t)snprintf(back + m, sizeof back - m, "%s[-1] 1|%d|x", m > 0 ? "; " : "", v);
            continue;
        }
        e += (size_t)snprintf(expected + e, sizeof expected - e, "%s1|%d|x", e > 0 ? "; " : "", v);
    }
    wr_optest_rows(f.t, 0, rows);
    wr_optest_rows(f.t, 0, back);
    wr_optest_expect(f.t, expected);
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
a_partition_whose_time_has_passed_is_forgotten(void **state) /* T4 */
{
    fixture f;
    uint32_t partition[2] = { 0, 2 };
    wr_sort_key key = { .column = 1 };
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 1, false);
    f.config.input = wr_optest_schema(f.t, "k int4, v int8, ts timestamp");
    f.config.output = wr_optest_schema(f.t, "k int4, v int8, ts timestamp");
    f.config.partition = partition;
    f.config.partition_count = 2;
    f.config.keys = &key;
    f.config.time_column = 2;
    f.config.insert_only = false;
    wr_optest_operator(f.t, &wr_top_n_ops, &f.config, f.config.output);
    wr_optest_port(f.t, 0, f.config.input, "k, ts");
    wr_optest_rows(f.t, 0, "1|5|@10; 1|3|@20");
    wr_optest_expect(f.t, "1|5|@10; 1|3|@20");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(15));
    wr_optest_rows(f.t, 0, "1|1|@10; 1|2|@20");
    wr_optest_expect(f.t, "[-1] 1|3|@20; 1|2|@20");
    wr_optest_count(f.t, rows_late, 1);
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
an_idle_partition_starts_anew(void **state) /* T5 */
{
    fixture f;
    (void)state;
    fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 1, false);
    f.config.input = wr_optest_schema(f.t, "k int4, v int8, ts timestamp");
    f.config.output = wr_optest_schema(f.t, "k int4, v int8, ts timestamp");
    f.config.ttl_us = 10 * 1000000;
    fixture_open(&f);
    wr_optest_delay(f.t, 0, "ts", 0);
    wr_optest_rows(f.t, 0, "1|5|@1; 1|6|@2; 2|9|@4");
    wr_optest_expect(f.t, "1|5|@1; 2|9|@4");
    wr_optest_rows(f.t, 0, "9|0|@30; 1|7|@31; 1|6|@32");
    wr_optest_expect(f.t, "9|0|@30; 1|6|@32");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

/* Keys v int8, then x text; only the first of each partition. */
static void
first_only_init(fixture *f, wr_sort_key *keys, const char *type)
{
    char columns[64];
    fixture_init(f, WR_RANK_ROW_NUMBER, 1, 1, false);
    snprintf(columns, sizeof columns, "k int4, v %s, x text, y int8", type);
    f->config.input = wr_optest_schema(f->t, columns);
    f->config.output = wr_optest_schema(f->t, columns);
    f->config.keys = keys;
    f->config.key_count = 2;
}

static void
the_first_by_a_word(void **state) /* W1..W3, M3 */
{
    static const char *const types[] = { "int8", "int4", "int2", "float8", "numeric" };
    for (size_t i = 0; i < WR_COUNT(types); i++) {
        fixture f;
        wr_sort_key keys[2] = { { .column = 1 }, { .column = 2, .descending = true } };
        (void)state;
        first_only_init(&f, keys, types[i]);
        fixture_open(&f);
        wr_optest_rows(f.t, 0, "1|5|a|1; 2|0|b|2; 1|5|c|3; 1|5|b|4; 2|0|b|1; 3|null|z|1; 1|7|z|0");
        wr_optest_expect(f.t, "1|5|c|3; 2|0|b|1; 3|null|z|1");
        wr_optest_rows(f.t, 0, "2|0|a|0; 3|null|a|0; 2|0|b|1; 1|9|x|0; 4|-1|q|1");
        wr_optest_expect(f.t, "4|-1|q|1");
        wr_optest_rows(f.t, 0, "2|0|b|0; 3|0|a|0; 1|-7|x|0; 1|-7|y|0; 1|-6|y|0; 3|9|a|0");
        wr_optest_expect(f.t, "[-1] 2|0|b|1; 2|0|b|0; [-1] 3|null|z|1; 3|0|a|0; [-1] 1|5|c|3; "
                              "1|-7|y|0");
        wr_optest_rows(f.t, 0, "1|-7|null|0; 1|-7|z|9; 4|-1|qq|1; 4|-1|q|null");
        wr_optest_expect(f.t, "[-1] 1|-7|y|0; 1|-7|z|9; [-1] 4|-1|q|1; 4|-1|qq|1");
        wr_optest_end(f.t);
        wr_optest_verify(f.t);
    }
}

static void
the_first_descending_with_nulls(void **state) /* W1 */
{
    static const char *const bounds[] = { "9223372036854775807", "-9223372036854775808" };
    for (int first = 0; first < 2; first++) {
        fixture f;
        char rows[256];
        wr_sort_key keys[2] = { { .column = 1, .descending = true, .nulls_first = first != 0 },
                                { .column = 2 } };
        (void)state;
        first_only_init(&f, keys, "int8");
        fixture_open(&f);
        snprintf(rows, sizeof rows, "1|%s|a|1; 1|null|c|1; 1|null|b|1; 2|%s|a|1; 2|null|b|1",
                 bounds[0], bounds[1]);
        wr_optest_rows(f.t, 0, rows);
        snprintf(rows, sizeof rows, "1|%s|a|1; 2|%s|a|1", bounds[0], bounds[1]);
        wr_optest_expect(f.t, first ? "1|null|b|1; 2|null|b|1" : rows);
        wr_optest_end(f.t);
        wr_optest_verify(f.t);
    }
}

static void
the_first_at_the_end_and_with_its_number(void **state) /* W3 */
{
    for (int at_end = 0; at_end < 2; at_end++) {
        fixture f;
        wr_sort_key keys[2] = { { .column = 1 }, { .column = 2 } };
        (void)state;
        first_only_init(&f, keys, "int8");
        f.config.output = wr_optest_schema(f.t, "k int4, v int8, x text, y int8, n int8");
        f.config.rank_column = true;
        f.config.rank_used = at_end == 0;
        f.config.at_end = at_end != 0;
        fixture_open(&f);
        wr_optest_rows(f.t, 0, "1|5|a|1; 1|5|b|2; 2|0|b|2");
        wr_optest_expect(f.t, at_end ? "" : "1|5|a|1|1; 2|0|b|2|1");
        wr_optest_rows(f.t, 0, "1|4|d|1; 1|4|c|2; 2|1|b|2");
        wr_optest_expect(f.t, at_end ? "" : "[-1] 1|5|a|1|1; 1|4|c|2|1");
        wr_optest_end(f.t);
        wr_optest_expect(f.t, at_end ? "1|4|c|2|null; 2|0|b|2|null" : "");
        wr_optest_verify(f.t);
    }
}

static void
rows_that_came_before_move_behind(void **state) /* M3 */
{
    fixture f;
    wr_sort_key keys[2] = { { .column = 1 }, { .column = 2 } };
    (void)state;
    first_only_init(&f, keys, "int8");
    f.config.high = 3;
    f.config.rank_used = f.config.rank_column = true;
    f.config.output = wr_optest_schema(f.t, "k int4, v int8, x text, y int8, n int8");
    fixture_open(&f);
    wr_optest_rows(f.t, 0, "1|5|a|1; 1|6|b|2; 1|7|c|3; 1|8|d|4; 1|5|a|1; 2|3|x|0");
    wr_optest_expect(f.t, "1|5|a|1|1; 1|5|a|1|2; 1|6|b|2|3; 2|3|x|0|1");
    wr_optest_rows(f.t, 0, "1|5|b|1; 1|6|a|1; 2|3|x|0; 2|1|y|0; 1|null|a|0");
    wr_optest_expect(f.t, "[-1] 1|6|b|2|3; 1|5|b|1|3; [-1] 2|3|x|0|1; 2|1|y|0|1; 2|3|x|0|2; "
                          "2|3|x|0|3");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

/* R1, R2: keys behind a text are compared in the contents; every one of them decides somewhere. */
static void
keys_behind_the_first_text(void **state)
{
    for (int insert_only = 0; insert_only < 2; insert_only++) {
        fixture f;
        wr_sort_key keys[] = { { .column = 1 },
                               { .column = 2, .descending = true, .nulls_first = true },
                               { .column = 3 },
                               { .column = 4, .descending = true } };
        (void)state;
        fixture_init(&f, WR_RANK_ROW_NUMBER, 1, 3, true);
        f.config.input = wr_optest_schema(f.t, "k int4, v int8, s text, n numeric, i int8");
        f.config.output =
            wr_optest_schema(f.t, "k int4, v int8, s text, n numeric, i int8, r int8");
        f.config.keys = keys;
        f.config.key_count = 4;
        f.config.insert_only = insert_only;
        fixture_open(&f);
        wr_optest_rows(f.t, 0, "1|5|b|1|1; 1|5|a|1|1; 1|5|ba|1|1; 1|6|z|0|0");
        wr_optest_expect(f.t, "1|5|ba|1|1|1; 1|5|b|1|1|2; 1|5|a|1|1|3");
        wr_optest_rows(f.t, 0, "1|5|b|0.5|9");
        wr_optest_expect(f.t, "[-1] 1|5|b|1|1|2; [-1] 1|5|a|1|1|3; 1|5|b|0.5|9|2; 1|5|b|1|1|3");
        wr_optest_rows(f.t, 0, "1|5|b|1|2; 1|5|b|1|0");
        wr_optest_expect(f.t, "[-1] 1|5|b|1|1|3; 1|5|b|1|2|3");
        wr_optest_rows(f.t, 0, "1|5|null|7|7; 1|5|null|null|8; 2|5|null|null|null");
        wr_optest_expect(f.t, "[-1] 1|5|ba|1|1|1; [-1] 1|5|b|0.5|9|2; [-1] 1|5|b|1|2|3; "
                              "1|5|null|7|7|1; 1|5|null|null|8|2; 1|5|ba|1|1|3; "
                              "2|5|null|null|null|1");
        wr_optest_rows(f.t, 0, "1|4|a text that is much longer than twenty bytes|1|1");
        wr_optest_expect(f.t, "[-1] 1|5|null|7|7|1; [-1] 1|5|null|null|8|2; [-1] 1|5|ba|1|1|3; "
                              "1|4|a text that is much longer than twenty bytes|1|1|1; "
                              "1|5|null|7|7|2; 1|5|null|null|8|3");
        wr_optest_end(f.t);
        wr_optest_verify(f.t);
    }
}

WR_TESTS = {
    WR_TEST(keys_behind_the_first_text),
    WR_TEST(the_first_two_change_as_rows_come),
    WR_TEST(ranks_shift),
    WR_TEST(ties_are_settled_by_contents),
    WR_TEST(rank_and_dense_rank_keep_peers),
    WR_TEST(offset_and_ties_of_the_whole),
    WR_TEST(rows_taken_back_let_others_in),
    WR_TEST(a_row_never_seen_is_counted),
    WR_TEST(none_is_none),
    WR_TEST(at_the_end_all_comes_out_once),
    WR_TEST(many_rows_split_blocks),
    WR_TEST(a_partition_whose_time_has_passed_is_forgotten),
    WR_TEST(an_idle_partition_starts_anew),
    WR_TEST(the_first_by_a_word),
    WR_TEST(the_first_descending_with_nulls),
    WR_TEST(the_first_at_the_end_and_with_its_number),
    WR_TEST(rows_that_came_before_move_behind),
    { NULL, NULL },
};
