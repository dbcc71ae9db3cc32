/* SPDX-License-Identifier: Apache-2.0 */
/* rules_test.c -- what the rules make of statements: EXPLAIN of bounded queries, whole. */
#include "support/test.h"

#include "support/plans.h"

typedef struct explain_case {
    const char *sql, *plan;
} explain_case;

static void
check(const explain_case *cases, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wr_plans p;
        wr_plans_init(&p, true);
        assert_string_equal(wr_plans_explain(&p, cases[i].sql), cases[i].plan);
        wr_plans_fini(&p);
    }
}

static void
constants_are_folded(void **state)
{
    static const explain_case cases[] = {
        { "SELECT 1 + 2, now() IS NULL, CASE WHEN false THEN 1/0 ELSE 5 END",
          "output: insert-only\n"
          "values 1 row\n" },
        { "SELECT a FROM t WHERE 1 = 1 AND true", "output: insert-only\n"
                                                  "scan t (insert-only)\n"
                                                  "  columns: a\n" },
        { "SELECT a FROM t WHERE 1 = 2", "output: insert-only\n"
                                         "project a\n"
                                         "  values 0 rows\n" },
        { "SELECT 1 / a FROM t WHERE a > 2 * 3 - 1", "output: insert-only\n"
                                                     "project 1 / a as ?column?\n"
                                                     "  scan t (insert-only)\n"
                                                     "    columns: a\n"
                                                     "    filter: a > 5\n" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
what_every_branch_of_an_or_has_comes_out(void **state)
{
    static const explain_case cases[] = {
        { "SELECT a FROM t WHERE (a > 1 AND b = 2) OR (b = 2 AND a < 0)",
          "output: insert-only\n"
          "scan t (insert-only)\n"
          "  columns: a\n"
          "  filter: (b = 2) AND ((a > 1) OR (a < 0))\n" },
        { "SELECT a FROM t WHERE a > 1 OR (a > 1 AND b = 2)", "output: insert-only\n"
                                                              "scan t (insert-only)\n"
                                                              "  columns: a\n"
                                                              "  filter: a > 1\n" },
        { "SELECT a FROM t WHERE a > 1 OR b = 2", "output: insert-only\n"
                                                  "scan t (insert-only)\n"
                                                  "  columns: a\n"
                                                  "  filter: (a > 1) OR (b = 2)\n" },
        { "SELECT a FROM t WHERE (random() > 0.5 AND b = 1) OR (random() > 0.5 AND b = 2)",
          "output: insert-only\n"
          "project a\n"
          "  filter ((random() > '0.5'::double precision) AND (b = 1)) OR ((random() > "
          "'0.5'::double precision) AND (b = 2))\n"
          "    scan t (insert-only)\n"
          "      columns: a, b\n" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
conditions_go_down(void **state)
{
    static const explain_case cases[] = {
        { "SELECT b FROM (SELECT a + 1 AS a1, b, c FROM t) s WHERE b > 1 AND a1 > 2",
          "output: insert-only\n"
          "project b\n"
          "  filter a1 > 2\n"
          "    project a + 1 as a1, b\n"
          "      scan t (insert-only)\n"
          "        columns: a, b\n"
          "        filter: b > 1\n" },
        { "SELECT t.b FROM t LEFT JOIN u ON t.a = u.a AND u.x > 1 AND t.b > 2 WHERE t.c = 'x' AND "
          "u.x IS NULL",
          "output: insert-only\n"
          "project b\n"
          "  filter x IS NULL\n"
          "    left join on left.a = right.a and b > 2\n"
          "      state: both inputs\n"
          "      scan t (insert-only)\n"
          "        columns: a, b\n"
          "        filter: c = 'x'\n"
          "      scan u (insert-only)\n"
          "        columns: a, x\n"
          "        filter: x > 1\n" },
        { "SELECT c, n FROM (SELECT c, count(*) AS n, max(a) FROM t GROUP BY c) s WHERE c = 'x' "
          "AND n > 1",
          "output: insert-only, key c\n"
          "filter n > 1\n"
          "  aggregate count(*)\n"
          "    key: c; emit: final\n"
          "    state: all keys of the input\n"
          "    scan t (insert-only)\n"
          "      columns: c\n"
          "      filter: c = 'x'\n" },
        { "SELECT x FROM (SELECT a AS x FROM t UNION ALL SELECT a FROM u) s WHERE x > 1",
          "output: insert-only\n"
          "union all\n"
          "  scan t (insert-only)\n"
          "    columns: a\n"
          "    filter: a > 1\n"
          "  scan u (insert-only)\n"
          "    columns: a\n"
          "    filter: a > 1\n" },
        { "SELECT bidder FROM tumble(bids, ts, interval '1 s') WHERE price > 1 AND window_start > "
          "'2020-01-01'",
          "output: insert-only\n"
          "project bidder\n"
          "  filter window_start > '2020-01-01 00:00:00+00'::timestamp with time zone\n"
          "    window tumble size 00:00:01\n"
          "      scan bids (insert-only)\n"
          "        columns: bidder, ts\n"
          "        filter: (price > 1) AND (ts > '2020-01-01 00:00:00+00'::timestamp with time "
          "zone)\n"
          "        watermark: ts >= W\n" },
        { "SELECT random() AS r FROM (SELECT a FROM t) s WHERE random() > 0.5",
          "output: insert-only\n"
          "project random() as r\n"
          "  filter random() > '0.5'::double precision\n"
          "    scan t (insert-only)\n"
          "      columns: a\n" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
joins_find_their_keys_and_order(void **state)
{
    static const explain_case cases[] = {
        { "SELECT t.b FROM t, u WHERE t.a = u.a AND t.b > 1 AND u.x < 5",
          "output: insert-only\n"
          "project b\n"
          "  inner join on left.a = right.a\n"
          "    state: both inputs\n"
          "    scan t (insert-only)\n"
          "      columns: a, b\n"
          "      filter: b > 1\n"
          "    scan u (insert-only)\n"
          "      columns: a\n"
          "      filter: x < 5\n" },
        { "SELECT k1.v FROM t, u, keyed k1 WHERE t.a = k1.k AND k1.k = u.a",
          "output: insert-only\n"
          "project v\n"
          "  inner join on k = right.a\n"
          "    state: both inputs\n"
          "    inner join on a = k\n"
          "      state: both inputs\n"
          "      scan t (insert-only)\n"
          "        columns: a\n"
          "      scan keyed (insert-only)\n"
          "        columns: k, v\n"
          "    scan u (insert-only)\n"
          "      columns: a\n" },
        { "SELECT a FROM t WHERE t.a + 1 IN (SELECT x FROM u)",
          "output: insert-only\n"
          "project a\n"
          "  semi join on ?column? = x\n"
          "    state: both inputs\n"
          "    project a, (a + 1)::bigint as ?column?\n"
          "      scan t (insert-only)\n"
          "        columns: a\n"
          "    scan u (insert-only)\n"
          "      columns: x\n" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
subqueries_become_joins(void **state)
{
    static const explain_case cases[] = {
        { "SELECT a FROM t WHERE a IN (SELECT a FROM u WHERE x > 5)",
          "output: insert-only\n"
          "semi join on left.a = right.a\n"
          "  state: both inputs\n"
          "  scan t (insert-only)\n"
          "    columns: a\n"
          "  scan u (insert-only)\n"
          "    columns: a\n"
          "    filter: x > 5\n" },
        { "SELECT a FROM t WHERE b NOT IN (SELECT x FROM u)",
          "output: insert-only\n"
          "project a\n"
          "  inner join on (count = 0) OR ((b IS NOT NULL) AND (count = count))\n"
          "    state: both inputs\n"
          "    project a, b\n"
          "      anti join on ?column? = x\n"
          "        state: both inputs\n"
          "        project a, b, b::bigint as ?column?\n"
          "          scan t (insert-only)\n"
          "            columns: a, b\n"
          "        scan u (insert-only)\n"
          "          columns: x\n"
          "    aggregate count(*), count(x)\n"
          "      key: none, one row; emit: final\n"
          "      state: one group\n"
          "      scan u (insert-only)\n"
          "        columns: x\n" },
        { "SELECT a, (SELECT sum(x) FROM u WHERE u.a = t.a) FROM t",
          "output: insert-only\n"
          "project a, sum\n"
          "  left join on left.a = right.a\n"
          "    state: both inputs\n"
          "    scan t (insert-only)\n"
          "      columns: a\n"
          "    project sum, a\n"
          "      aggregate sum(x)\n"
          "        key: a; emit: final\n"
          "        state: all keys of the input\n"
          "        scan u (insert-only)\n"
          "          columns: a, x\n" },
        { "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a AND u.x > t.b)",
          "output: insert-only\n"
          "project a\n"
          "  semi join on left.a = right.a and x > b::bigint\n"
          "    state: both inputs\n"
          "    scan t (insert-only)\n"
          "      columns: a, b\n"
          "    scan u (insert-only)\n"
          "      columns: a, x\n" },
        { "SELECT a FROM t EXCEPT SELECT a FROM u",
          "output: insert-only, key a\n"
          "anti join on left.a is not distinct from right.a\n"
          "  state: both inputs\n"
          "  distinct\n"
          "    key: a; emit: final\n"
          "    state: all keys of the input\n"
          "    scan t (insert-only)\n"
          "      columns: a\n"
          "  scan u (insert-only)\n"
          "    columns: a\n" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
columns_nobody_reads_are_left_out(void **state)
{
    static const explain_case cases[] = {
        { "SELECT a FROM (SELECT a, row_number() OVER (ORDER BY b) AS n FROM t) s",
          "output: insert-only\n"
          "scan t (insert-only)\n"
          "  columns: a\n" },
        { "SELECT count(*) FROM bids", "output: insert-only\n"
                                       "aggregate count(*)\n"
                                       "  key: none, one row; emit: final\n"
                                       "  state: one group\n"
                                       "  scan bids (insert-only)\n"
                                       "    columns: auction\n" },
        { "SELECT DISTINCT a FROM t ORDER BY a DESC LIMIT 3", "output: insert-only, key a\n"
                                                              "sort by a desc limit 3\n"
                                                              "  distinct\n"
                                                              "    key: a; emit: final\n"
                                                              "    state: all keys of the input\n"
                                                              "    scan t (insert-only)\n"
                                                              "      columns: a\n" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

/* Equal plans give equal bytes; a constant, a name, a window's size make another. */
static void
canonical_bytes_tell_plans_apart(void **state)
{
    static const char *const sql[] = {
        "SELECT count(*) FROM tumble(bids, ts, interval '1 s') GROUP BY window_start",
        "select COUNT(*)   from tumble(bids, ts, interval '1000 ms') group by window_start",
        "SELECT count(*) FROM tumble(bids, ts, interval '2 s') GROUP BY window_start",
        "SELECT count(*) AS n FROM tumble(bids, ts, interval '1 s') GROUP BY window_start",
        "SELECT count(*) FROM tumble(bids, ts, interval '1 s') WHERE price > 1 GROUP BY "
        "window_start",
        "SELECT count(*) FROM tumble(bids, ts, interval '1 s') WHERE price > 2 GROUP BY "
        "window_start",
    };
    char *bytes[WR_COUNT(sql)];
    size_t lengths[WR_COUNT(sql)];
    (void)state;
    for (uint32_t i = 0; i < WR_COUNT(sql); i++) {
        wr_plans p;
        wr_text text;
        wr_plans_init(&p, false);
        wr_text_init(&text, NULL);
        assert_int_equal(wr_plans_plan(&p, sql[i]), WEIR_OK);
        wr_plan_hash_text(p.plan, &text);
        bytes[i] = wr_text_take(&text, &lengths[i]);
        wr_plans_fini(&p);
    }
    for (uint32_t i = 0; i < WR_COUNT(sql); i++)
        for (uint32_t k = 0; k < i; k++) {
            bool same = lengths[i] == lengths[k] && memcmp(bytes[i], bytes[k], lengths[i]) == 0;
            assert_int_equal(same, i == 1 && k == 0);
        }
    for (uint32_t i = 0; i < WR_COUNT(sql); i++)
        wr_free(bytes[i]);
}

WR_TESTS = { WR_TEST(constants_are_folded),
             WR_TEST(what_every_branch_of_an_or_has_comes_out),
             WR_TEST(conditions_go_down),
             WR_TEST(joins_find_their_keys_and_order),
             WR_TEST(subqueries_become_joins),
             WR_TEST(columns_nobody_reads_are_left_out),
             WR_TEST(canonical_bytes_tell_plans_apart),
             { NULL, NULL } };
