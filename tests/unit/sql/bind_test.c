/* SPDX-License-Identifier: Apache-2.0 */
/* bind_test.c -- names, types, places of errors, grouping, subqueries of the binder. */
#include "support/test.h"

#include "support/plans.h"

static void
columns_are_named_and_typed_as_postgres_does(void **state)
{
    static const char *const cases[][2] = {
        { "SELECT 1, 'x', NULL, 1.5, 9999999999, true",
          "?column? integer, ?column? text, ?column? text, ?column? numeric, ?column? bigint, "
          "?column? "
          "boolean" },
        { "SELECT a, t.b, count(*), upper(c), c::text, a + 1 FROM t GROUP BY 1, 2, c",
          "a integer, b integer, count bigint, upper text, c text, ?column? integer" },
        { "SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END, CASE WHEN true THEN 1 ELSE a END FROM t",
          "case text, a integer" },
        { "SELECT coalesce(a, 1), nullif(a, b), greatest(a, b), NOT true, a IS NULL FROM t",
          "coalesce integer, nullif integer, greatest integer, ?column? boolean, ?column? "
          "boolean" },
        { "SELECT '5'::bigint, '1 day'::interval, date '2020-01-01', ARRAY[1, 2]",
          "int8 bigint, interval interval, date date, array integer[]" },
        { "SELECT exists(SELECT 1), (SELECT max(a) FROM t), ARRAY(SELECT a FROM t)",
          "exists boolean, max integer, array integer[]" },
        { "SELECT * FROM u", "a integer, x bigint" },
        { "SELECT u.*, 1 AS one FROM u", "a integer, x bigint, one integer" },
        { "SELECT price * 2, auction + 1, -auction FROM bids",
          "?column? numeric, ?column? bigint, ?column? bigint" },
        { "SELECT payload -> 'a', payload ->> 'a', payload['a']['b'], bids.payload.x.y FROM bids",
          "?column? jsonb, ?column? text, payload jsonb, y jsonb" },
        { "SELECT 1 AS a UNION ALL SELECT 2.5", "a numeric" },
        { "SELECT 'x' AS a UNION SELECT NULL", "a text" },
        { "SELECT '1' UNION ALL SELECT 2", "?column? integer" },
        { "VALUES (1, 'a'), (2.5, NULL)", "column1 numeric, column2 text" },
        { "SELECT * FROM (VALUES (1, 'a')) v(n, s)", "n integer, s text" },
        { "SELECT * FROM t JOIN u USING (a)",
          "a integer, b integer, c text, d double precision, arr integer[], x bigint" },
        { "SELECT * FROM u NATURAL JOIN (SELECT a, b FROM t) s", "a integer, x bigint, b integer" },
        { "SELECT x FROM generate_series(1, 3) x", "x integer" },
        { "SELECT * FROM unnest(ARRAY['a']) WITH ORDINALITY AS u(v, n)", "v text, n bigint" },
        { "SELECT row_number() OVER (), sum(a) OVER w FROM t WINDOW w AS (ORDER BY b)",
          "row_number bigint, sum bigint" },
        { "SELECT window_start, window_end, count(*) FROM tumble(bids, ts, interval '1 min') GROUP "
          "BY 1, 2",
          "window_start timestamp with time zone, window_end timestamp with time zone, count "
          "bigint" },
        { "SELECT count(*), tumble_start(ts, interval '1 min') AS s FROM bids GROUP BY tumble(ts, "
          "interval "
          "'1 min')",
          "count bigint, s timestamp with time zone" },
        { "WITH w(z) AS (SELECT a FROM t) SELECT z FROM w", "z integer" },
        { "SELECT a AS \"Mixed\" FROM t", "Mixed integer" },
    };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, true);
    for (uint32_t i = 0; i < WR_COUNT(cases); i++)
        if (strcmp(wr_plans_columns(&p, cases[i][0]), cases[i][1]) != 0)
            fail_msg("%s\n  gave %s", cases[i][0], wr_text_string(&p.text));
    wr_plans_fini(&p);
}

typedef struct error_case {
    const char *sql;
    weir_status_code code;
    const char *at, *text;
} error_case;

static void
check_errors(const error_case *cases, uint32_t count)
{
    wr_plans p;
    wr_plans_init(&p, true);
    for (uint32_t i = 0; i < count; i++) {
        weir_status status = wr_plans_plan(&p, cases[i].sql);
        if (status != cases[i].code || strstr(p.err.text, cases[i].text) == NULL)
            fail_msg("%s\n  gave %s: %s", cases[i].sql, weir_status_name(status), p.err.text);
        if (cases[i].at != NULL &&
            (p.err.offset < 0 ||
             strncmp(cases[i].sql + p.err.offset, cases[i].at, strlen(cases[i].at)) != 0))
            fail_msg("%s\n  place %d", cases[i].sql, p.err.offset);
    }
    wr_plans_fini(&p);
}

static void
names_that_mean_nothing_or_two_things_are_refused(void **state)
{
    static const error_case cases[] = {
        { "SELECT a FROM nope", WEIR_QUERY_NO_RELATION, "nope",
          "relation \"nope\" does not exist" },
        { "SELECT a,\n  nope FROM t", WEIR_QUERY_NO_COLUMN, "nope",
          "column \"nope\" does not exist" },
        { "SELECT t.nope FROM t", WEIR_QUERY_NO_COLUMN, "t.nope", "column t.nope does not exist" },
        { "SELECT v.a FROM t", WEIR_QUERY_NO_COLUMN, "v.a", "missing FROM-clause entry" },
        { "SELECT a FROM t, u", WEIR_QUERY_AMBIGUOUS, "a FROM",
          "column reference \"a\" is ambiguous" },
        { "SELECT 1 FROM t, t", WEIR_QUERY_AMBIGUOUS, NULL, "specified more than once" },
        { "SELECT nope(a) FROM t", WEIR_QUERY_NO_FUNCTION, "nope", "nope(integer)" },
        { "SELECT a + c FROM t", WEIR_QUERY_NO_FUNCTION, "+ c", "integer + text" },
        { "SELECT 'abc'::int", WEIR_QUERY_TYPE, NULL, "abc" },
        { "SELECT * FROM t WHERE a", WEIR_QUERY_TYPE, "a", "must be type boolean" },
        { "SELECT 1 UNION SELECT 1, 2", WEIR_QUERY_TYPE, NULL, "same number of columns" },
        { "SELECT a FROM t UNION SELECT c FROM t", WEIR_QUERY_TYPE, NULL, "cannot be matched" },
        { "SELECT a FROM t LIMIT -1", WEIR_QUERY, "-1", "must not be negative" },
        { "SELECT a FROM t LIMIT a", WEIR_QUERY_NO_COLUMN, "a", "" },
        { "SELECT a FROM t ORDER BY 2", WEIR_QUERY, "2", "not in select list" },
        { "SELECT DISTINCT a FROM t ORDER BY b", WEIR_QUERY, "b", "SELECT DISTINCT" },
        { "WITH x AS (SELECT 1), x AS (SELECT 2) SELECT * FROM x", WEIR_QUERY_AMBIGUOUS, NULL,
          "more than once" },
        { "WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT * FROM x) SELECT * FROM x",
          WEIR_QUERY_UNSUPPORTED, NULL, "recursive" },
        { "SELECT * FROM (VALUES (1, 2)) v(a, b, c)", WEIR_QUERY, NULL, "2 columns available" },
        { "SELECT * FROM t TABLESAMPLE system (1)", WEIR_QUERY_UNSUPPORTED, NULL, "TABLESAMPLE" },
        { "SELECT a INTO x FROM t", WEIR_QUERY_UNSUPPORTED, NULL, "SELECT INTO" },
        { "SELECT a FROM t FOR UPDATE", WEIR_QUERY_UNSUPPORTED, NULL, "FOR UPDATE" },
        { "SELECT c COLLATE \"de_DE\" FROM t", WEIR_QUERY_UNSUPPORTED, "COLLATE", "collation" },
        { "SELECT (SELECT a, x FROM u)", WEIR_QUERY, "(SELECT a", "only one column" },
        { "SELECT a FROM t WHERE a = $1", WEIR_QUERY, "$1", "there is no parameter $1" },
        { "SELECT ROW(1, 2)", WEIR_QUERY_UNSUPPORTED, "ROW", "row" },
    };
    (void)state;
    check_errors(cases, WR_COUNT(cases));
}

static void
grouping_is_checked(void **state)
{
    static const error_case cases[] = {
        { "SELECT a, count(*) FROM t", WEIR_QUERY_GROUPING, "a,",
          "column \"t.a\" must appear in the GROUP BY" },
        { "SELECT a + b FROM t GROUP BY a", WEIR_QUERY_GROUPING, "b FROM", "column \"t.b\"" },
        { "SELECT a FROM t GROUP BY a HAVING b > 1", WEIR_QUERY_GROUPING, "b >", "column \"t.b\"" },
        { "SELECT a FROM t WHERE count(*) > 1", WEIR_QUERY_GROUPING, "count",
          "not allowed in WHERE" },
        { "SELECT sum(count(*)) FROM t", WEIR_QUERY_GROUPING, "count", "nested" },
        { "SELECT a FROM t GROUP BY count(*)", WEIR_QUERY_GROUPING, "count",
          "not allowed in GROUP BY" },
        { "SELECT row_number() OVER () FROM t WHERE row_number() OVER () = 1", WEIR_QUERY,
          "row_number() OVER () =", "not allowed in WHERE" },
        { "SELECT a FROM t GROUP BY 3", WEIR_QUERY, "3", "not in select list" },
        { "SELECT row_number() FROM t", WEIR_QUERY, "row_number", "requires an OVER clause" },
        { "SELECT count() FROM t", WEIR_QUERY_NO_FUNCTION, "count", "count(*)" },
        { "SELECT sum(c) FROM t", WEIR_QUERY_NO_FUNCTION, "sum", "sum" },
        { "SELECT a FROM t WHERE generate_series(1, 2) = 1", WEIR_QUERY, "generate_series",
          "not allowed in WHERE" },
        { "SELECT sum(a) OVER (w ORDER BY a) FROM t WINDOW w AS (ORDER BY b)", WEIR_QUERY, NULL,
          "cannot override" },
        { "SELECT (SELECT sum(t.a)) FROM t", WEIR_QUERY_UNSUPPORTED, "sum", "outer query" },
    };
    (void)state;
    check_errors(cases, WR_COUNT(cases));
}

static void
windows_are_checked(void **state)
{
    static const error_case cases[] = {
        { "SELECT * FROM tumble(bids, ts, interval '0 s')", WEIR_QUERY_WINDOW, NULL, "" },
        { "SELECT * FROM hop(bids, ts, interval '10 s', interval '5 s')", WEIR_QUERY_WINDOW, NULL,
          "" },
        { "SELECT * FROM tumble(bids, ts, interval '1 month')", WEIR_QUERY_WINDOW, "'1 month'",
          "months" },
        { "SELECT * FROM tumble(bids, price, interval '1 s')", WEIR_QUERY_WINDOW, "price",
          "timestamp" },
        { "SELECT * FROM tumble(bids, ts)", WEIR_QUERY_WINDOW, NULL, "missing" },
        { "SELECT * FROM tumble(bids, ts, size => interval '1 s', slide => interval '1 s')",
          WEIR_QUERY_WINDOW, "slide", "no argument" },
        { "SELECT * FROM tumble(bids, ts, interval '1 s', interval '0 s', interval '1 s')",
          WEIR_QUERY_WINDOW, NULL, "too many" },
        { "SELECT * FROM tumble(nope, ts, interval '1 s')", WEIR_QUERY_NO_RELATION, "nope", "" },
        { "SELECT * FROM tumble(1, ts, interval '1 s')", WEIR_QUERY_WINDOW, NULL, "relation" },
        { "SELECT tumble(ts, interval '1 s') FROM bids", WEIR_QUERY_WINDOW, "tumble", "FROM" },
        { "SELECT count(*) FROM bids GROUP BY tumble(ts, interval '1 s'), hop(ts, interval '1 s', "
          "interval '2 s')",
          WEIR_QUERY_WINDOW, "hop", "one window" },
        { "SELECT * FROM asof(bids) b", WEIR_QUERY, "bids", "right of a join" },
        { "SELECT * FROM tumble(bids, ts, interval '999999999 days')", WEIR_QUERY_WINDOW, NULL,
          "" },
    };
    (void)state;
    check_errors(cases, WR_COUNT(cases));
}

static void
what_postgres_takes_is_taken(void **state)
{
    static const char *const good[] = {
        "SELECT a FROM t WHERE a BETWEEN SYMMETRIC 5 AND 1 AND c LIKE 'x%' ESCAPE '!' AND c NOT "
        "ILIKE 'y'",
        "SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4)) AND (a, b) < (5, 6) AND a = ANY (arr)",
        "SELECT a FROM t WHERE a IN (SELECT a FROM u) AND b NOT IN (SELECT x FROM u)",
        "SELECT a FROM t WHERE (a, b) IN (SELECT a, x FROM u)",
        "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a AND u.x > t.b)",
        "SELECT a, (SELECT count(*) FROM u WHERE u.a = t.a) FROM t",
        "SELECT a, (SELECT x FROM u WHERE u.a < t.a ORDER BY x LIMIT 1) FROM t",
        "SELECT a FROM t WHERE b > ALL (SELECT x FROM u WHERE u.a = t.a)",
        "SELECT a FROM t WHERE b > (SELECT avg(x) FROM u WHERE u.a = t.a) OR EXISTS (SELECT 1 FROM "
        "u)",
        "SELECT c, sum(a) FROM t GROUP BY c HAVING sum(a) > (SELECT avg(a) FROM t)",
        "SELECT k, v FROM keyed GROUP BY k",
        "SELECT DISTINCT ON (c) c, a FROM t ORDER BY c, a DESC",
        "SELECT a FROM t INTERSECT SELECT a FROM u EXCEPT ALL SELECT 1 ORDER BY 1 LIMIT 3 OFFSET 1",
        "SELECT a FROM t ORDER BY b FETCH FIRST 2 ROWS WITH TIES",
        "SELECT l.a, m.m FROM t l LEFT JOIN LATERAL (SELECT max(x) m FROM u WHERE u.a = l.a) m ON "
        "true",
        "SELECT t.a, s.v FROM t, unnest(t.arr) s(v)",
        "SELECT unnest(arr), a FROM t",
        "SELECT c, rank() OVER (PARTITION BY c ORDER BY sum(a) DESC) FROM t GROUP BY c",
        "SELECT sum(a) FILTER (WHERE b > 1), count(DISTINCT c), string_agg(c, ',' ORDER BY a) FROM "
        "t",
        "SELECT a, b, sum(d) FROM t GROUP BY CUBE (a, b)",
        "SELECT ts AT TIME ZONE 'UTC', extract(epoch FROM ts), ts::date, position('a' IN channel) "
        "FROM bids",
        "SELECT * FROM hop(bids, DESCRIPTOR(ts), slide => interval '1 s', size => interval '5 s') "
        "b WHERE b.price > 1",
        "SELECT * FROM session((SELECT * FROM bids), ts, interval '5 s', bidder)",
        "SELECT * FROM cumulate(bids, ts, interval '1 s', max => interval '1 h')",
        "SELECT * FROM u LEFT JOIN t ON u.a = t.a AND EXISTS (SELECT 1 FROM keyed WHERE k = t.a)",
        "SELECT a IS NOT DISTINCT FROM b, (a, b) IS DISTINCT FROM (1, 2), a IS NULL FROM t",
        "TABLE t",
        "SELECT FROM t",
    };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, true);
    for (uint32_t i = 0; i < WR_COUNT(good); i++)
        if (wr_plans_plan(&p, good[i]) != WEIR_OK)
            fail_msg("%s\n  %s", good[i], p.err.text);
    wr_plans_fini(&p);
}

/* A WITH query named twice doubles the work at each level: the cap ends it. */
static void
exponential_statements_are_capped(void **state)
{
    wr_plans p;
    wr_text sql;
    (void)state;
    wr_plans_init(&p, true);
    wr_text_init(&sql, NULL);
    wr_text_puts(&sql, "WITH w0 AS (SELECT 1 AS a)");
    for (int i = 1; i < 60; i++)
        wr_text_printf(&sql, ", w%d AS (SELECT x.a FROM w%d x, w%d y)", i, i - 1, i - 1);
    wr_text_puts(&sql, " SELECT * FROM w59");
    assert_int_equal(wr_plans_plan(&p, wr_text_string(&sql)), WEIR_QUERY_TOO_COMPLEX);
    wr_text_fini(&sql);
    wr_plans_fini(&p);
}

static void
parameters_take_the_type_around_them(void **state)
{
    static const char *const params[] = { "5", "web", NULL };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, true);
    p.options.params = params;
    p.options.param_count = 3;
    assert_string_equal(
        wr_plans_columns(&p, "SELECT a + $1, $2, $3::date, c = $2 FROM t WHERE b > $1"),
        "?column? integer, ?column? text, date date, ?column? boolean");
    assert_int_equal(wr_plans_plan(&p, "SELECT a + $2 FROM t"), WEIR_QUERY_TYPE);
    assert_int_equal(p.err.offset, 11);
    assert_int_equal(wr_plans_plan(&p, "SELECT a FROM t LIMIT $1"), WEIR_OK);
    assert_int_equal(wr_plans_plan(&p, "SELECT $4"), WEIR_QUERY);
    wr_plans_fini(&p);
}

static void
long_joins_end_somewhere(void **state)
{
    wr_plans p;
    wr_text sql;
    (void)state;
    wr_plans_init(&p, true);
    wr_text_init(&sql, NULL);
    wr_text_puts(&sql, "SELECT count(*) FROM (SELECT 1 AS k) s0");
    for (int i = 1; i < 400; i++) {
        wr_text_printf(&sql, " JOIN (SELECT %d AS k) s%d ON s0.k = s%d.k", i, i, i);
        if (i == 16)
            assert_int_equal(wr_plans_plan(&p, wr_text_string(&sql)), WEIR_OK);
        if (i == 17)
            assert_int_equal(wr_plans_plan(&p, wr_text_string(&sql)), WEIR_QUERY_TOO_COMPLEX);
    }
    assert_int_equal(wr_plans_plan(&p, wr_text_string(&sql)), WEIR_QUERY_TOO_COMPLEX);
    wr_text_fini(&sql);
    wr_plans_fini(&p);
}

/* Every allocation may fail: the statement is refused, nothing leaks, nothing crashes. */
static void
memory_may_run_out_anywhere(void **state)
{
    static const char sql[] = "SELECT window_start, b.channel, count(*) AS n, max(price) FROM "
                              "hop(bids, ts, interval '1 s', "
                              "interval '5 s') b JOIN u ON u.a = b.auction AND u.x IN (SELECT a "
                              "FROM t WHERE t.b = u.a) GROUP BY "
                              "1, 2 HAVING count(*) > 1 ORDER BY n DESC LIMIT 5";
    (void)state;
    for (uint64_t limit = 2048; limit < 4u << 20; limit += limit / 3) {
        wr_plans p;
        wr_arena arena;
        wr_budget *budget = wr_budget_create(NULL, "statement", limit);
        wr_plan *plan = NULL;
        wr_plans_init(&p, true);
        wr_arena_init(&arena, budget);
        weir_status status =
            wr_sql_bind(sql, sizeof sql - 1, &p.catalog, &p.options, &arena, &plan, NULL, &p.err);
        if (status == WEIR_OK)
            status = wr_plan_optimise(&arena, &p.options, &plan, &p.err);
        if (status == WEIR_OK)
            status = wr_plan_bound(&arena, &p.options, plan, &p.err);
        assert_true(status == WEIR_OK || status == WEIR_MEMORY);
        wr_arena_fini(&arena);
        wr_budget_destroy(budget);
        wr_plans_fini(&p);
    }
}

WR_TESTS = { WR_TEST(columns_are_named_and_typed_as_postgres_does),
             WR_TEST(names_that_mean_nothing_or_two_things_are_refused),
             WR_TEST(grouping_is_checked),
             WR_TEST(windows_are_checked),
             WR_TEST(what_postgres_takes_is_taken),
             WR_TEST(exponential_statements_are_capped),
             WR_TEST(long_joins_end_somewhere),
             WR_TEST(parameters_take_the_type_around_them),
             WR_TEST(memory_may_run_out_anywhere),
             { NULL, NULL } };
