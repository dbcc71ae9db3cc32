/* SPDX-License-Identifier: Apache-2.0 */
/* scan_test.c -- S1..S3 of sql/scan.c: caps, hostile text, EMIT, aliases put in, places. */
#include "support/test.h"

#include "support/plans.h"

/* unit repeated, between head and tail; owned. */
static char *
repeated(const char *head, const char *unit, uint32_t count, const char *tail)
{
    wr_text text;
    wr_text_init(&text, NULL);
    wr_text_puts(&text, head);
    for (uint32_t i = 0; i < count; i++)
        wr_text_puts(&text, unit);
    wr_text_puts(&text, tail);
    char *whole = wr_text_take(&text, NULL);
    assert_non_null(whole);
    return whole;
}

static weir_status
plan_of(wr_plans *p, char *sql)
{
    weir_status status = wr_plans_plan(p, sql);
    wr_free(sql);
    return status;
}

static void
hostile_text_is_refused_and_never_crashes(void **state)
{
    wr_plans p;
    (void)state;
    wr_plans_init(&p, true);
    assert_int_equal(plan_of(&p, repeated("SELECT 1", "+1", 24000, "")), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT ", "(", 30000, "1")), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT ", "f(", 20000, "1")), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT ", "NOT ", 10000, "true")),
                     WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT ", "CASE WHEN true THEN ", 2000, "1")),
                     WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT 1", "::int", 5000, "")), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT 1", " UNION ALL SELECT 1,2", 3000, "")),
                     WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT * FROM t", " JOIN t USING (a)", 3000, "")),
                     WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT a", "[1]", 15000, " FROM t")),
                     WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT '", "x", 70000, "'")), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_of(&p, repeated("SELECT ", "- ", 30000, "1")), WEIR_QUERY_TOO_COMPLEX);
    wr_plans_fini(&p);
}

static void
long_but_flat_text_passes(void **state)
{
    wr_plans p;
    (void)state;
    wr_plans_init(&p, true);
    assert_int_equal(plan_of(&p, repeated("SELECT 1", "+1", 900, "")), WEIR_OK);
    assert_int_equal(plan_of(&p, repeated("SELECT 1", ",-1", 1500, "")), WEIR_OK);
    assert_int_equal(plan_of(&p, repeated("VALUES (-1)", ",(-1)", 5000, "")), WEIR_OK);
    assert_int_equal(plan_of(&p, repeated("SELECT * FROM t WHERE a = 1", " OR a = 2", 3000, "")),
                     WEIR_OK);
    assert_int_equal(plan_of(&p, repeated("SELECT * FROM t WHERE a IN (1", ",2", 9999, ")")),
                     WEIR_OK);
    assert_int_equal(plan_of(&p, repeated("SELECT 1", " UNION ALL SELECT 1", 300, "")), WEIR_OK);
    assert_int_equal(
        plan_of(&p,
                repeated(
                    "SELECT ", "(", 150,
                    "1"
                    ")))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))"
                    ")))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))")),
        WEIR_OK);
    wr_plans_fini(&p);
}

static void
bytes_that_are_no_text_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        int32_t offset;
    } cases[] = {
        { "SELECT 'a\0b'", 12, 9 },         { "SELECT '\xff'", 10, 8 },
        { "SELECT '\xc3'", 10, 8 },         { "SELECT '\xc0\x80'", 11, 8 },
        { "SELECT '\xed\xa0\x80'", 12, 8 }, { "SELECT '\xf4\x90\x80\x80'", 13, 8 },
        { "SELECT 1 -- \xe2\x82", 14, 12 },
    };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, true);
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        wr_error_clear(&p.err);
        assert_int_equal(wr_sql_bind(cases[i].bytes, cases[i].length, &p.catalog, &p.options,
                                     &p.arena, &p.plan, NULL, &p.err),
                         WEIR_QUERY_SYNTAX);
        assert_int_equal(p.err.offset, cases[i].offset);
    }
    assert_int_equal(wr_plans_plan(&p, ""), WEIR_QUERY_SYNTAX);
    assert_int_equal(wr_plans_plan(&p, "   -- nothing"), WEIR_QUERY_SYNTAX);
    assert_int_equal(wr_plans_plan(&p, "SELECT 'open"), WEIR_QUERY_SYNTAX);
    assert_int_equal(wr_plans_plan(&p, "SELECT 1; SELECT 2"), WEIR_QUERY_SYNTAX);
    assert_int_equal(wr_plans_plan(&p, "DROP TABLE t"), WEIR_QUERY_UNSUPPORTED);
    assert_int_equal(wr_plans_plan(&p, ")))"), WEIR_QUERY_SYNTAX);
    wr_plans_fini(&p);
}

static void
emit_is_read_and_places_hold(void **state)
{
    wr_plans p;
    (void)state;
    wr_plans_init(&p, true);
    assert_int_equal(wr_plans_plan(&p, "SELECT a FROM t EMIT CHANGES"), WEIR_OK);
    assert_true(p.extras.emit_given && p.extras.emit == WR_EMIT_CHANGES);
    assert_int_equal(wr_plans_plan(&p, "SELECT a FROM t"), WEIR_OK);
    assert_false(p.extras.emit_given);
    assert_int_equal(wr_plans_plan(&p, "SELECT 'é', nope FROM t emit final ;"),
                     WEIR_QUERY_NO_COLUMN);
    assert_int_equal(p.err.offset, 13); /* bytes */
    wr_error_line_column(&p.err, "SELECT 'é', nope FROM t", 24);
    assert_int_equal(p.err.line, 1);
    assert_int_equal(p.err.column, 13); /* characters */
    wr_plans_fini(&p);
}

static void
unnamed_subselects_get_aliases_and_places_hold(void **state)
{
    wr_plans p;
    const char *sql = "SELECT * FROM (SELECT a FROM t), (SELECT x FROM u) WHERE a = nope";
    (void)state;
    wr_plans_init(&p, true);
    assert_int_equal(wr_plans_plan(&p, "SELECT * FROM (SELECT a FROM t)"), WEIR_OK);
    assert_int_equal(
        wr_plans_plan(&p, "SELECT a, x FROM (SELECT a FROM t) JOIN (SELECT x FROM u) ON a = x"),
        WEIR_OK);
    assert_int_equal(wr_plans_plan(&p, "SELECT s.a FROM (SELECT a FROM t) s"), WEIR_OK);
    assert_int_equal(wr_plans_plan(&p, sql), WEIR_QUERY_NO_COLUMN);
    assert_ptr_equal(sql + p.err.offset, strstr(sql, "nope"));
    wr_plans_fini(&p);
}

WR_TESTS = { WR_TEST(hostile_text_is_refused_and_never_crashes),
             WR_TEST(long_but_flat_text_passes),
             WR_TEST(bytes_that_are_no_text_are_refused),
             WR_TEST(emit_is_read_and_places_hold),
             WR_TEST(unnamed_subselects_get_aliases_and_places_hold),
             { NULL, NULL } };
