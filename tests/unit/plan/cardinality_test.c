/* SPDX-License-Identifier: Apache-2.0 */
/* cardinality_test.c -- N1 of plan/cardinality.c, and that the order of joins follows it (plan/join_rows.c). */
#include "support/test.h"

#include "support/plans.h"

#include <string.h>

static void
rows_of(wr_plans *p, const char *relation, uint64_t rows)
{
    wr_relation *r = wr_catalog_find(&p->catalog, relation);
    assert_non_null(r);
    r->rows = rows;
}

static double
rows(const char *sql)
{
    wr_plans p;
    wr_plans_init(&p, true);
    rows_of(&p, "t", 1000);
    rows_of(&p, "u", 50);
    assert_int_equal(wr_plans_plan(&p, sql), WEIR_OK);
    double n = wr_plan_rows(p.plan);
    wr_plans_fini(&p);
    return n;
}

static void
about(double got, double want)
{
    if (got < want * 0.99 || got > want * 1.01)
        fail_msg("%f rows, not %f", got, want);
}

static void
rows_are_estimated(void **state) /* N1 */
{
    (void)state;
    about(rows("SELECT a FROM t"), 1000);
    about(rows("SELECT a FROM t WHERE a = 3"), 100);
    about(rows("SELECT a FROM t WHERE a > 3 AND b < 4"), 90);
    about(rows("SELECT a FROM t WHERE a = 3 OR b = 4"), 190);
    about(rows("SELECT a FROM t WHERE NOT (a = 3)"), 900);
    about(rows("SELECT a FROM t WHERE a IN (1, 2, 3)"), 300);
    about(rows("SELECT a FROM t WHERE a = 1 AND b = 1 AND a + 1 = 5 AND b + 1 = 6"), 1);
    about(rows("SELECT a, count(*) FROM t GROUP BY a"), 100);
    about(rows("SELECT count(*) FROM t"), 1);
    about(rows("SELECT a FROM t UNION ALL SELECT a FROM u"), 1050);
    about(rows("SELECT t.a FROM t JOIN u ON t.a = u.a"), 1000);
    about(rows("SELECT t.a FROM t CROSS JOIN u"), 50000);
    about(rows("SELECT t.a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)"), 500);
    about(rows("SELECT a FROM t ORDER BY a LIMIT 7"), 7);
    about(rows("VALUES (1), (2), (3)"), 3);
    about(rows("SELECT g FROM generate_series(1, 100) g"), 100);
    about(rows("SELECT g FROM generate_series(10, 1, -3) g"), 4);
    assert_true(rows("SELECT auction FROM bids") == 0);
    assert_true(rows("SELECT a FROM t, bids") == 0);
    assert_true(rows("SELECT count(*) FROM bids") == 0);
}

/* Where the relations stand in the plan of three, joined by t.a = u.a and u.x = k.v. */
static const char *
order_of(uint64_t t, uint64_t u, uint64_t k)
{
    static char text[32];
    wr_plans p;
    wr_plans_init(&p, true);
    rows_of(&p, "t", t);
    rows_of(&p, "u", u);
    rows_of(&p, "keyed", k);
    const char *plan = wr_plans_explain(&p, "SELECT t.b FROM t, u, keyed k WHERE t.a = u.a AND u.x = length(k.v)");
    text[0] = '\0';
    for (const char *at = plan; (at = strstr(at, "scan ")) != NULL; at += 5)
        strncat(text, at + 5, 1);
    wr_plans_fini(&p);
    return text;
}

static void
joins_follow_the_rows(void **state)
{
    (void)state;
    assert_string_equal(order_of(0, 0, 0), "tuk");
    assert_string_equal(order_of(1000, 1000, 0), "tuk"); /* one is not known */
    assert_string_equal(order_of(1000000, 100, 10), "ukt");
    assert_string_equal(order_of(10, 100, 1000000), "tuk");
    assert_string_equal(order_of(1000, 1000, 999), "tuk"); /* little to gain */
}

WR_TESTS = { WR_TEST(rows_are_estimated), WR_TEST(joins_follow_the_rows), { NULL, NULL } };
