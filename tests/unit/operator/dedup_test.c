/* SPDX-License-Identifier: Apache-2.0 */
/* dedup_test.c -- D1..D4 of operator/dedup.c. */
#include "support/test.h"

#include "base/random.h"
#include "operator/dedup.h"
#include "support/optest.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct fixture {
    wr_optest *t;
    wr_dedup_config config;
    uint32_t keys[2];
} fixture;

static void
fixture_init(fixture *f, const char *columns, const char *keys, int64_t span_s)
{
    *f = (fixture){ .t = wr_optest_create(), .keys = { 0, 1 } };
    const wr_schema *schema = wr_optest_schema(f->t, columns);
    f->config = (wr_dedup_config){ .key_count = 1,
                                   .keys = f->keys,
                                   .time_column = 1,
                                   .span_us = WR_OPTEST_S(span_s),
                                   .schema = schema };
    wr_optest_operator(f->t, &wr_dedup_ops, &f->config, schema);
    wr_optest_port(f->t, 0, schema, keys);
}

static void
first_of_a_span_is_kept(void **state) /* D1..D3 */
{
    fixture f;
    (void)state;
    fixture_init(&f, "k int4, ts timestamp, x int8", "k", 10);
    wr_optest_want_late(f.t);
    wr_optest_rows(f.t, 0, "1|@12|4; 1|@5|1; 2|@7|100; 1|@1|2; 1|null|9; 1|@11|3; null|@3|1");
    wr_optest_rows(f.t, 0, "null|@2|2; 1|@1|2");
    wr_optest_expect(f.t, "");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(11));
    wr_optest_expect(f.t, "1|@1|2; 2|@7|100; null|@2|2");
    wr_optest_rows(f.t, 0, "1|@10|8; 2|@16|5; 2|@17|6; null|@12|0");
    wr_optest_expect_port(f.t, WR_PORT_LATE, "1|@10|8");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(12));
    wr_optest_expect(f.t, "1|@11|3");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(17));
    wr_optest_expect(f.t, "null|@12|0");
    wr_optest_rows(f.t, 0, "1|@20|8; 1|@21|9");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "2|@17|6; 1|@21|9");
    wr_optest_count(f.t, rows_late, 1);
    wr_optest_count(f.t, rows_null_time, 1);
    wr_optest_count(f.t, rows_filtered, 6);
    wr_optest_verify(f.t);
}

static void
end_of_the_span_is_open(void **state) /* D2 */
{
    fixture f;
    (void)state;
    fixture_init(&f, "k text, ts timestamptz, x int8", "k", 10);
    wr_optest_rows(f.t, 0, "a|@0|1; a|@9.999999|2; a|@10|3; a|@19.999999|4; a|@20|5; a|@-10|6");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "a|@-10|6; a|@0|1; a|@10|3; a|@20|5");
    wr_optest_verify(f.t);
}

static void
keys_are_forgotten(void **state) /* D4 */
{
    fixture f;
    (void)state;
    fixture_init(&f, "k int4, ts timestamp, x int8", "k", 10);
    wr_optest_rows(f.t, 0, "1|@1|1; 2|@5|1; 3|@9|1");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(10));
    wr_optest_expect(f.t, "1|@1|1; 2|@5|1; 3|@9|1");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(100));
    wr_optest_rows(f.t, 0, "1|@100|2; 2|@103|2; 2|@105|3");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(200));
    wr_optest_expect(f.t, "1|@100|2; 2|@103|2");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
two_keys_and_days(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f, "k numeric, j float8, d date", "k, j", 2 * 86400);
    f.config.key_count = 2;
    f.config.time_column = 2;
    wr_optest_rows(f.t, 0, "1.0|0|2026-01-01; 1.00|-0|2026-01-02; 1|0|2026-01-03; 1|1|2026-01-02");
    wr_optest_rows(f.t, 0, "1|NaN|2026-01-02; 1|NaN|2026-01-02; 1|0|infinity; 1|0|-infinity");
    wr_optest_watermark(f.t, 0, 1767312000000000 + 1); /* a moment after 2026-01-02 began */
    wr_optest_expect(f.t, "1.0|0|2026-01-01; 1|1|2026-01-02; 1|NaN|2026-01-02");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "1|0|2026-01-03");
    wr_optest_count(f.t, rows_null_time, 2);
    wr_optest_verify(f.t);
}

static void
no_watermark_waits_for_the_end(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f, "k int4, ts timestamp, x int8", "k", 10);
    f.config.time_offset = WR_NO_WATERMARK;
    wr_optest_rows(f.t, 0, "1|@50|1; 1|@45|2");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(100));
    wr_optest_rows(f.t, 0, "1|@1|3; 2|@1|1");
    wr_optest_expect(f.t, "");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "1|@45|2; 1|@1|3; 2|@1|1");
    wr_optest_count(f.t, rows_late, 0);
    wr_optest_verify(f.t);
}

static void
rows_that_change_are_refused(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f, "k int4, ts timestamp, x int8", "k", 10);
    wr_optest_rows(f.t, 0, "1|@1|1; [-1] 1|@1|1");
    wr_optest_expect_failure(f.t, WEIR_QUERY_UNSUPPORTED);
    wr_optest_verify(f.t);
}

/* --- a reference: all rows, in order of time, one key after the other --- */

typedef struct row {
    int64_t k, s;
} row;

static int
row_compare(const void *a, const void *b)
{
    const row *x = a, *y = b;
    return x->k != y->k ? (x->k > y->k) - (x->k < y->k) : (x->s > y->s) - (x->s < y->s);
}

static void
one_seed(uint64_t seed)
{
    enum { ROWS = 120, DELAY = 15, SPAN = 8 };
    static const char cell[] = "%lld|@%lld|%lld;";
    fixture f;
    row rows[ROWS];
    char text[32], all[ROWS * 32] = "", expected[ROWS * 32] = "";
    size_t at = 0, want = 0;
    uint32_t count = 0, late = 0;
    int64_t greatest = INT64_MIN / 2;
    wr_random random;
    wr_random_init(&random, seed);
    fixture_init(&f, "k int4, ts timestamp, x int8", "k", SPAN);
    wr_optest_delay(f.t, 0, "ts", WR_OPTEST_S(DELAY));
    for (uint32_t i = 0; i < ROWS; i++) {
        row r = { (int64_t)wr_random_below(&random, 4),
                  (int64_t)i / 2 + (int64_t)wr_random_below(&random, 20) };
        at += (size_t)snprintf(all + at, sizeof all - at, cell, (long long)r.k, (long long)r.s,
                               (long long)(7 * r.s + r.k));
        if (r.s < greatest - DELAY)
            late++;
        else
            rows[count++] = r;
        greatest = WR_MAX(greatest, r.s);
    }
    qsort(rows, count, sizeof *rows, row_compare);
    int64_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool first = i == 0 || rows[i].k != rows[i - 1].k;
        if (!first && kept > rows[i].s - SPAN)
            continue;
        kept = rows[i].s;
        int n = snprintf(text, sizeof text, cell, (long long)rows[i].k, (long long)rows[i].s,
                         (long long)(7 * rows[i].s + rows[i].k));
        memcpy(expected + want, text, (size_t)n + 1);
        want += (size_t)n;
    }
    all[at - 1] = '\0';
    expected[want - 1] = '\0';
    wr_optest_rows(f.t, 0, all);
    wr_optest_end(f.t);
    wr_optest_expect(f.t, expected);
    wr_optest_count(f.t, rows_late, late);
    wr_optest_verify(f.t);
}

static void
equals_the_reference(void **state) /* D1..D4 */
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        one_seed(seed);
}

WR_TESTS = {
    WR_TEST(first_of_a_span_is_kept),
    WR_TEST(end_of_the_span_is_open),
    WR_TEST(keys_are_forgotten),
    WR_TEST(two_keys_and_days),
    WR_TEST(no_watermark_waits_for_the_end),
    WR_TEST(rows_that_change_are_refused),
    WR_TEST(equals_the_reference),
    { NULL, NULL },
};
