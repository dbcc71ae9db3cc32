/* SPDX-License-Identifier: Apache-2.0 */
/* traps_test.c -- text that PostgreSQL reads otherwise than its author meant is refused, with a
 * hint. */
#include "support/test.h"

#include "support/plans.h"

typedef struct trap_case {
    const char *sql;
    weir_status_code code;
    const char *at;   /* the text the error's place begins with */
    const char *hint; /* a part of it                           */
} trap_case;

static void
check(const trap_case *cases, uint32_t count)
{
    wr_plans p;
    wr_plans_init(&p, true);
    for (uint32_t i = 0; i < count; i++) {
        weir_status status = wr_plans_plan(&p, cases[i].sql);
        if (status != cases[i].code)
            fail_msg("%s\n  gave %s: %s", cases[i].sql, weir_status_name(status), p.err.text);
        if (p.err.offset < 0 ||
            strncmp(cases[i].sql + p.err.offset, cases[i].at, strlen(cases[i].at)) != 0)
            fail_msg("%s\n  place %d: %s", cases[i].sql, p.err.offset, p.err.text);
        if (strstr(p.err.hint, cases[i].hint) == NULL)
            fail_msg("%s\n  hint: %s", cases[i].sql, p.err.hint);
    }
    wr_plans_fini(&p);
}

static void
bare_words_do_not_become_aliases(void **state)
{
    static const trap_case cases[] = {
        { "SELECT * FROM bids ASOF JOIN auctions a ON true", WEIR_QUERY_TRAP, "ASOF", "asof(q)" },
        { "SELECT * FROM bids ASOF LEFT JOIN auctions a ON true", WEIR_QUERY_TRAP, "ASOF",
          "asof(q)" },
        { "SELECT * FROM bids b ASOF JOIN auctions a ON true", WEIR_QUERY_TRAP, "ASOF", "asof(q)" },
        { "SELECT * FROM bids LATEST JOIN auctions a ON true", WEIR_QUERY_TRAP, "LATEST",
          "LATERAL" },
        { "SELECT * FROM bids SEMI JOIN auctions a ON true", WEIR_QUERY_TRAP, "SEMI", "EXISTS" },
        { "SELECT * FROM bids ANTI JOIN auctions a ON true", WEIR_QUERY_TRAP, "ANTI",
          "NOT EXISTS" },
        { "SELECT * FROM bids FINAL", WEIR_QUERY_TRAP, "FINAL", "EMIT FINAL" },
        { "SELECT * FROM bids stream WHERE price > 1", WEIR_QUERY_TRAP, "stream",
          "every relation" },
        { "SELECT * FROM bids emit", WEIR_QUERY_TRAP, "emit", "EMIT CHANGES" },
        { "SELECT * FROM bids QUALIFY", WEIR_QUERY_TRAP, "QUALIFY", "row_number()" },
        { "SELECT * FROM t, bids final", WEIR_QUERY_TRAP, "final", "AS final" },
        { "SELECT * FROM (SELECT 1) semi", WEIR_QUERY_TRAP, "semi", "EXISTS" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
time_units_are_not_aliases(void **state)
{
    static const trap_case cases[] = {
        { "SELECT now() - INTERVAL '10' MINUTES", WEIR_QUERY_TRAP, "MINUTES",
          "interval '10 minutes'" },
        { "SELECT interval '10'", WEIR_QUERY_TRAP, "'10'", "'10 minutes'" },
        { "SELECT ts + '5'::interval FROM bids", WEIR_QUERY_TRAP, "", "minutes" },
        { "SELECT 5 hours", WEIR_QUERY_TRAP, "hours", "unit" },
        { "SELECT INTERVAL 10 MINUTE", WEIR_QUERY_SYNTAX, "", "interval '10 minutes'" },
        { "SELECT 1m", WEIR_QUERY_SYNTAX, "", "interval '1 minute'" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
constants_are_not_columns(void **state)
{
    static const trap_case cases[] = {
        { "SELECT user, count(*) FROM bids GROUP BY user", WEIR_QUERY_TRAP, "user", "\"user\"" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
dialect_habits_get_hints(void **state)
{
    static const trap_case cases[] = {
        { "SELECT * FROM t WHERE a == 1", WEIR_QUERY_TRAP, "==", "one =" },
        { "SELECT `a` FROM t", WEIR_QUERY_SYNTAX, "`", "\"name\"" },
        { "SELECT a, FROM t", WEIR_QUERY_SYNTAX, "FROM", "comma" },
        { "SELECT count(*) FROM t GROUP BY ALL", WEIR_QUERY_SYNTAX, "", "GROUP BY a, b" },
        { "SELECT * EXCLUDE (a) FROM t", WEIR_QUERY_SYNTAX, "", "EXCLUDE" },
        { "SELECT lag(a) IGNORE NULLS OVER () FROM t", WEIR_QUERY_SYNTAX, "", "IGNORE NULLS" },
        { "SELECT MAP['a', 1]", WEIR_QUERY_SYNTAX, "", "jsonb_build_object" },
        { "SELECT [1, 2]", WEIR_QUERY_SYNTAX, "[", "ARRAY[1, 2]" },
        { "SELECT {'a': 1}", WEIR_QUERY_SYNTAX, "{", "jsonb_build_object" },
        { "SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
          WEIR_QUERY_SYNTAX, "", "TABLE" },
        { "SELECT * FROM bids FOR SYSTEM_TIME AS OF now()", WEIR_QUERY_SYNTAX, "", "asof(q)" },
        { "CREATE SOURCE s (a int)", WEIR_QUERY_SYNTAX, "SOURCE", "sources:" },
        { "SELECT /*+ index(t) */ a FROM t", WEIR_QUERY_TRAP, "/*+", "pipeline file" },
        { "SELECT a FROM t EMIT FINAL WHERE a > 1", WEIR_QUERY_TRAP, "EMIT", "end the statement" },
    };
    (void)state;
    check(cases, WR_COUNT(cases));
}

static void
what_only_looks_like_a_trap_is_fine(void **state)
{
    static const char *const good[] = {
        "SELECT final.auction FROM bids AS final",
        "SELECT stream.auction FROM bids \"stream\"",
        "SELECT a AS minutes FROM t",
        "SELECT interval '10' minute, interval '1 hour'",
        "SELECT b.a FROM t b WHERE b.c = 'ASOF JOIN'",
        "SELECT extract(day FROM ts) FROM bids",
        "SELECT a IS DISTINCT FROM b FROM t",
        "SELECT a -- FROM bids FINAL\n FROM t",
        "SELECT emit.a FROM t AS emit EMIT CHANGES",
        "SELECT count(*) FROM bids WHERE channel = 'x' EMIT ON WINDOW CLOSE;",
    };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, true);
    for (uint32_t i = 0; i < WR_COUNT(good); i++)
        if (wr_plans_plan(&p, good[i]) != WEIR_OK)
            fail_msg("%s\n  %s", good[i], p.err.text);
    assert_true(p.extras.emit_given && p.extras.emit == WR_EMIT_FINAL);
    wr_plans_fini(&p);
}

WR_TESTS = { WR_TEST(bare_words_do_not_become_aliases),    WR_TEST(time_units_are_not_aliases),
             WR_TEST(constants_are_not_columns),           WR_TEST(dialect_habits_get_hints),
             WR_TEST(what_only_looks_like_a_trap_is_fine), { NULL, NULL } };
