/* SPDX-License-Identifier: Apache-2.0 */
/* foreign_test.c -- a stranger's SQL: what a parser that lies can say (B1, B2 of sql/message.c, G1..G3 of sql/shape.c, T5 of
 * sql/parse.c), the limits of such text, and that the honest parser's plans are those of the one in this process. */
#include "support/test.h"

#include "support/plans.h"
#include "support/tamper.h"

#include <stdlib.h>

/* What the binder has a path for. */
static const char *const statements[] = {
    "SELECT a, b + 2 * a AS n, c || 'x', -a, a % 2 = 0, d::int, CAST(c AS text) FROM t WHERE a > 5 AND NOT b < 2 OR c IS NULL",
    "SELECT DISTINCT a FROM t ORDER BY a DESC NULLS LAST LIMIT 3 OFFSET 1",
    "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b",
    "SELECT a, count(*), sum(b) FILTER (WHERE b > 0), count(DISTINCT c), string_agg(c, ',' ORDER BY b) FROM t GROUP BY a HAVING count(*) > 1",
    "SELECT a, b, grouping(a), count(*) FROM t GROUP BY GROUPING SETS ((a), (a, b), ())",
    "SELECT a, b, count(*) FROM t GROUP BY ROLLUP (a, b)",
    "SELECT window_start, auction, count(*) FROM tumble(bids, ts, interval '10 seconds') GROUP BY window_start, auction",
    "SELECT window_start, max(price) FROM hop(bids, ts, interval '2 seconds', interval '10 seconds') GROUP BY window_start",
    "SELECT t.a, u.x FROM t JOIN u ON t.a = u.a LEFT JOIN keyed k ON k.k = t.b",
    "SELECT * FROM t JOIN u USING (a) WHERE x BETWEEN 1 AND 5 AND c LIKE 'a%' AND c NOT ILIKE '%b'",
    "SELECT * FROM t NATURAL JOIN u",
    "SELECT a FROM t WHERE a IN (1, 2, 3) AND b NOT IN (4, 5) AND (a, b) IN ((1, 2), (3, 4))",
    "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a) AND a = ANY (SELECT x FROM u) AND b > ALL (SELECT x FROM u)",
    "SELECT a, (SELECT max(x) FROM u WHERE u.a = t.a) AS m FROM t",
    "WITH w (x, y) AS (SELECT a, b FROM t), v AS (SELECT * FROM w) SELECT v.x, w.y FROM v JOIN w ON v.x = w.x",
    "SELECT a FROM t UNION ALL SELECT x FROM u UNION SELECT k FROM keyed",
    "SELECT a FROM t EXCEPT SELECT a FROM u ORDER BY 1",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT x + 1 FROM (VALUES (1), (2)) AS q (x)",
    "SELECT * FROM (SELECT a, row_number() OVER (PARTITION BY a ORDER BY b DESC) AS n FROM t) s WHERE n <= 3",
    "SELECT a, sum(b) OVER w, lag(b, 1) OVER w FROM t WINDOW w AS (PARTITION BY a ORDER BY b ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
    "SELECT auction, avg(price) OVER (PARTITION BY auction ORDER BY ts RANGE BETWEEN interval '1 minute' PRECEDING AND CURRENT ROW) FROM bids",
    "SELECT CASE WHEN a > 1 THEN 'x' WHEN b IS NOT NULL THEN 'y' ELSE c END, CASE a WHEN 1 THEN 2 END, coalesce(a, b, 0), greatest(a, b), nullif(a, b) FROM t",
    "SELECT arr[1], arr[1:2], ARRAY[a, b], a = ANY (arr), array_length(arr, 1), payload->>'k', payload #> '{a,b}' FROM t, bids",
    "SELECT extract(hour FROM ts), date_trunc('day', ts), ts AT TIME ZONE 'UTC', interval '1 day', now(), current_timestamp, ts::date FROM bids",
    "SELECT substring(c FROM 1 FOR 2), trim(both 'x' from c), position('a' in c), overlay(c placing 'x' from 1), c COLLATE \"C\" FROM t",
    "SELECT a IS TRUE, a > 1 IS NOT UNKNOWN, a IS DISTINCT FROM b, ROW(a, b) = ROW(1, 2), c SIMILAR TO 'x', c ~ 'x' FROM t WHERE a IS NOT NULL",
    "SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.a = t.a) s, generate_series(1, 3) AS g (n)",
    "SELECT b.auction, q.seller FROM bids b JOIN asof(auctions) q ON q.id = b.auction AND q.ts <= b.ts",
    "SELECT b.auction FROM bids b JOIN auctions q ON q.id = b.auction AND q.ts BETWEEN b.ts - interval '1 minute' AND b.ts",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a), mode() WITHIN GROUP (ORDER BY b) FROM t",
    "SELECT q.* FROM t q, unnest(arr) WITH ORDINALITY AS e (v, n)",
    "SELECT auction, bidder FROM dedup(bids, auction, ts, interval '1 hour')",
    "SELECT make_interval(secs => 5), format('%s', a), jsonb_build_object('a', a) FROM t",
    "SELECT $1::int + a FROM t",
    "SELECT * FROM json_to_recordset('[]') AS x (a int, b text)",
};

/* Parse, bind and plan with what the parser says. */
static weir_status
plan_foreign(wr_plans *p, const weir_parser *parser, const char *sql, wr_arena *arena)
{
    static const char *const params[] = { "7" };
    wr_sql_statement *s = NULL;
    const char **names;
    uint32_t count;
    wr_plan_options options = p->options;
    options.params = params;
    options.param_count = 1;
    options.bounded = true;
    wr_error_clear(&p->err);
    WR_TRY(wr_sql_statement_parse_foreign(sql, strlen(sql), parser, arena, &s, &p->err));
    WR_TRY(wr_sql_statement_relations(s, &names, &count, &p->err));
    WR_TRY(wr_sql_statement_bind(s, &p->catalog, &options, &p->plan, &p->extras, &p->err));
    WR_TRY(wr_plan_optimise(arena, &options, &p->plan, &p->err));
    WR_TRY(wr_plan_bound(arena, &options, p->plan, &p->err));
    wr_text_clear(&p->text);
    wr_plan_explain(p->plan, &options, NULL, &p->text);
    return WEIR_OK;
}

static weir_status
foreign(const weir_parser *parser, const char *sql, weir_error *err)
{
    wr_plans p;
    wr_arena arena;
    wr_plans_init(&p, true);
    wr_arena_init(&arena, NULL);
    weir_status status = plan_foreign(&p, parser, sql, &arena);
    assert_int_equal(status, status != WEIR_OK ? p.err.code : WEIR_OK);
    assert_true(p.err.offset <= (int32_t)strlen(sql));
    if (err != NULL)
        *err = p.err;
    wr_arena_fini(&arena);
    wr_plans_fini(&p);
    return status;
}

static void
an_honest_parser_makes_the_same_plans(void **state)
{
    wr_plans here, there;
    wr_tamper honest;
    (void)state;
    wr_tamper_init(&honest);
    for (size_t i = 0; i < WR_COUNT(statements); i++) {
        if (strchr(statements[i], '$') != NULL)
            continue; /* parameters are given to one of them alone */
        wr_plans_init(&here, true);
        wr_plans_init(&there, true);
        const char *want = wr_plans_explain(&here, statements[i]);
        weir_status status = plan_foreign(&there, &honest.parser, statements[i], &there.arena);
        if (here.err.code == WEIR_OK && status != WEIR_OK)
            print_error("%s\n%s\n", statements[i], there.err.text);
        assert_int_equal(status, here.err.code);
        if (status == WEIR_OK)
            assert_string_equal(wr_text_string(&there.text), want);
        else
            assert_string_equal(there.err.text, here.err.text);
        wr_plans_fini(&here);
        wr_plans_fini(&there);
    }
    wr_tamper_fini(&honest);
}

static void
errors_have_the_same_words_and_places(void **state)
{
    static const char *const wrong[] = {
        "SELEC 1", "SELECT 'open", "SELECT a FROM t WHERE", "SELECT nothing FROM t", "SELECT a FROM nowhere",
        "SELECT a FROM t GROUP BY b", "SELECT a == 1 FROM t", "SELECT \xc3\xa9\xc3\xa9 FROM t )", "", "SELECT 1; SELECT 2",
        "SELECT * FROM (SELECT a FROM t) WHERE nothing", "SELECT a FROM t WHERE a = 'x'",
    };
    wr_tamper honest;
    (void)state;
    wr_tamper_init(&honest);
    for (size_t i = 0; i < WR_COUNT(wrong); i++) {
        wr_plans p;
        weir_error err;
        wr_plans_init(&p, true);
        weir_status here = wr_plans_plan(&p, wrong[i]);
        assert_int_equal(foreign(&honest.parser, wrong[i], &err), here);
        assert_int_not_equal(here, WEIR_OK);
        assert_string_equal(err.text, p.err.text);
        assert_string_equal(err.hint, p.err.hint);
        assert_int_equal(err.offset, p.err.offset);
        wr_plans_fini(&p);
    }
    assert_int_equal(foreign(&honest.parser, "DROP TABLE t", NULL), WEIR_QUERY_UNSUPPORTED);
    assert_int_equal(foreign(&honest.parser, "COPY t FROM '/etc/passwd'", NULL), WEIR_QUERY_UNSUPPORTED);
    assert_int_equal(foreign(&honest.parser, "SELECT * FROM read_csv('/etc/passwd')", NULL), WEIR_QUERY_UNSUPPORTED);
    assert_int_equal(foreign(&honest.parser, "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", NULL), WEIR_READ);
    wr_tamper_fini(&honest);
}

/* Any message of any of the trees, taken out, its list emptied, or another in its place: refused or planned, never a
 * crash.  Here a draw of all there are; the fuzz target `answer` draws others. */
static void
no_lie_breaks_the_binder(void **state)
{
    uint32_t step = getenv("TAMPER_ALL") != NULL ? 1 : 23, run = 0;
    wr_plans p;
    wr_arena arena;
    wr_tamper liar;
    (void)state;
    wr_plans_init(&p, true);
    wr_arena_init(&arena, NULL);
    wr_tamper_init(&liar);
    assert_true(liar.graft_count > 30);
    for (size_t i = 0; i < WR_COUNT(statements); i++)
        for (liar.at = 0; liar.at == 0 || liar.at < liar.seen; liar.at++)
            for (liar.how = WR_TAMPER_REMOVE; liar.how < WR_TAMPER_GRAFT + liar.graft_count; liar.how++) {
                if (liar.how >= WR_TAMPER_GRAFT && run++ % step != 0)
                    continue;
                weir_status status = plan_foreign(&p, &liar.parser, statements[i], &arena);
                assert_true(status == WEIR_OK || (status == p.err.code && p.err.text[0] != '\0'));
                wr_arena_reset(&arena);
            }
    assert_true(run > 40000); /* there was something to change */
    wr_tamper_fini(&liar);
    wr_arena_fini(&arena);
    wr_plans_fini(&p);
}

/* --- bytes that no parser gives --- */

/* liar is made. */
static void
instead(wr_tamper *liar, weir_parse_step step, const void *bytes, size_t length)
{
    liar->instead[0] = liar->instead[1] = NULL;
    liar->instead[step] = bytes;
    liar->instead_length[step] = length;
}

#define INSTEAD(step, bytes) instead(&liar, step, bytes, sizeof bytes - 1)

static void
bytes_that_are_no_tree_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } trees[] = {
#define B(s) { s, sizeof s - 1 }
        B(""), B("P"), B("P\0\0\0"), B("X\0\0\0\0"), B("T\0\0\0\0"),
        B("P\0\0\0\0\x12"),                           /* a field cut off */
        B("P\0\0\0\0\x12\x7f"),                       /* longer than there is */
        B("P\0\0\0\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), /* much longer */
        B("P\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* a number without end */
        B("P\0\0\0\0\x7a\0"),                         /* an unknown field */
        B("P\0\0\0\0\x10\0"),                         /* a list of messages as a number */
        B("P\0\0\0\0\x08\1\x08\1"),                   /* twice */
        B("P\0\0\0\0\x12\2\x0a\0"),                   /* a statement that holds nothing */
        B("P\0\0\0\0\x12\0"),                         /* no statement in it */
        B("P\0\0\0\0\x12\4\x10\x8f\xff\3"),           /* a place far behind the text */
        B("P\0\0\0\0\x0d\0\0\0\0"),                   /* four bytes where a number is due */
#undef B
    };
    wr_tamper liar;
    weir_error err;
    (void)state;
    wr_tamper_init(&liar);
    for (size_t i = 0; i < WR_COUNT(trees); i++) {
        instead(&liar, WEIR_PARSE_TREE, trees[i].bytes, trees[i].length);
        assert_int_equal(foreign(&liar.parser, "SELECT 1", &err), WEIR_READ);
    }
    INSTEAD(WEIR_PARSE_TREE, "P\0\0\0\0"); /* no statement */
    assert_int_equal(foreign(&liar.parser, "SELECT 1", &err), WEIR_QUERY_SYNTAX);
    INSTEAD(WEIR_PARSE_TOKENS, "T\0\0\0\0\x12\4\x08\1\x10\2\x12\4\x08\0\x10\1"); /* words out of order */
    assert_int_equal(foreign(&liar.parser, "SELECT 1", &err), WEIR_READ);
    INSTEAD(WEIR_PARSE_TOKENS, "T\0\0\0\0\x12\4\x08\1\x10\x7f"); /* a word behind the text */
    assert_int_equal(foreign(&liar.parser, "SELECT 1", &err), WEIR_READ);
    INSTEAD(WEIR_PARSE_TOKENS, "E\xff\xff\xff\xff\x1b[2J\xff\xfe words"); /* for terminals */
    assert_int_equal(foreign(&liar.parser, "SELECT 1", &err), WEIR_QUERY_SYNTAX);
    assert_string_equal(err.text, " [2J");
    liar.fails = WEIR_CLOSED;
    assert_int_equal(foreign(&liar.parser, "SELECT 1", &err), WEIR_CLOSED);
    wr_tamper_fini(&liar);
}

/* A tree in the making, written from its end to its beginning, for lengths come before what they count. */
typedef struct backwards {
    char *bytes, *at, *end;
} backwards;

static void
put_back(backwards *b, const char *bytes, size_t length)
{
    assert_true((size_t)(b->at - b->bytes) >= length);
    b->at -= length;
    memcpy(b->at, bytes, length);
}

/* What was written so far becomes a field with this tag. */
static void
wrap(backwards *b, const char *tag)
{
    char length[10];
    size_t n = 0;
    for (size_t v = (size_t)(b->end - b->at); n == 0 || v > 0; v >>= 7)
        length[n++] = (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    put_back(b, length, n);
    put_back(b, tag, strlen(tag));
}

#define TAG_LARG   "\x9a\x01"
#define TAG_SELECT "\xd2\x03"
#define TAG_STMT   "\x0a"
#define TAG_STMTS  "\x12"

/* `levels` selects, each the left one of the next; within: bytes of the innermost. */
static weir_status
plan_bytes(const char *within, size_t length, uint32_t levels)
{
    enum { ROOM = 5 << 20 };
    wr_tamper liar;
    weir_error err;
    backwards b = { .bytes = wr_alloc(NULL, ROOM) };
    assert_non_null(b.bytes);
    wr_tamper_init(&liar);
    b.at = b.end = b.bytes + ROOM;
    put_back(&b, within, length);
    for (uint32_t i = 0; i < levels; i++)
        wrap(&b, TAG_LARG);
    wrap(&b, TAG_SELECT);
    wrap(&b, TAG_STMT);
    wrap(&b, TAG_STMTS);
    put_back(&b, "P\0\0\0\0", 5);
    instead(&liar, WEIR_PARSE_TREE, b.at, (size_t)(b.end - b.at));
    weir_status status = foreign(&liar.parser, "SELECT 1", &err);
    wr_free(b.bytes);
    wr_tamper_fini(&liar);
    return status;
}

static void
depth_and_memory_of_a_tree_have_limits(void **state)
{
    static const char larg_twice[] = TAG_LARG "\0" TAG_LARG;
    size_t many = 3 << 19;
    char *empty = wr_alloc(NULL, 2 * many);
    (void)state;
    assert_non_null(empty);
    assert_int_equal(plan_bytes("", 0, 400), WEIR_READ); /* no shape that a statement has */
    assert_int_equal(plan_bytes("", 0, 600), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_bytes("", 0, 400000), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_bytes(larg_twice, sizeof larg_twice, 0), WEIR_READ);
    for (size_t i = 0; i < many; i++) /* a target list of nodes that hold nothing: 2 bytes each */
        memcpy(empty + 2 * i, "\x1a\0", 2);
    assert_int_equal(plan_bytes(empty, 2 * many, 0), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(plan_bytes(empty, 200, 0), WEIR_READ);
    wr_free(empty);
    wr_tamper liar;
    weir_error err;
    char *long_answer = wr_calloc(NULL, 1, WEIR_PARSE_ANSWER_MAX + 1);
    assert_non_null(long_answer);
    wr_tamper_init(&liar);
    instead(&liar, WEIR_PARSE_TREE, long_answer, WEIR_PARSE_ANSWER_MAX + 1);
    assert_int_equal(foreign(&liar.parser, "SELECT 1", &err), WEIR_READ);
    wr_free(long_answer);
    wr_tamper_fini(&liar);
}

/* --- limits of the text --- */

static weir_status
repeated(const char *head, const char *unit, uint32_t count, const char *tail)
{
    wr_text text;
    wr_tamper honest;
    wr_tamper_init(&honest);
    wr_text_init(&text, NULL);
    wr_text_puts(&text, head);
    for (uint32_t i = 0; i < count; i++)
        wr_text_puts(&text, unit);
    wr_text_puts(&text, tail);
    weir_status status = foreign(&honest.parser, wr_text_string(&text), NULL);
    wr_text_fini(&text);
    wr_tamper_fini(&honest);
    return status;
}

static void
limits_hold_for_foreign_text(void **state)
{
    (void)state;
    assert_int_equal(repeated("SELECT '", "x", 65000, "'"), WEIR_OK);
    assert_int_equal(repeated("SELECT '", "x", 66000, "'"), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(repeated("SELECT 1", "+1", 450, ""), WEIR_OK);
    assert_int_equal(repeated("SELECT 1", "+1", 550, ""), WEIR_QUERY_TOO_COMPLEX); /* 500 levels */
    assert_int_equal(repeated("SELECT ", "f(", 300, "1"), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(repeated("SELECT * FROM t WHERE a IN (1", ",2", 9999, ")"), WEIR_OK);
    assert_int_equal(repeated("SELECT * FROM t WHERE a IN (1", ",2", 10000, ")"), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(repeated("SELECT count(*) FROM t", " CROSS JOIN (SELECT 1)", 16, ""), WEIR_OK);
    assert_int_equal(repeated("SELECT count(*) FROM t", " CROSS JOIN (SELECT 1)", 17, ""), WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(repeated("SELECT sum(a) OVER (ORDER BY b)", ", sum(a) OVER (ORDER BY b)", 63, " FROM t"), WEIR_OK);
    assert_int_equal(repeated("SELECT sum(a) OVER (ORDER BY b)", ", sum(a) OVER (ORDER BY b)", 64, " FROM t"),
                     WEIR_QUERY_TOO_COMPLEX);
    assert_int_equal(repeated("SELECT 1", " UNION ALL SELECT 1", 300, ""), WEIR_OK);
}

WR_TESTS = { WR_TEST(an_honest_parser_makes_the_same_plans),
             WR_TEST(errors_have_the_same_words_and_places),
             WR_TEST(no_lie_breaks_the_binder),
             WR_TEST(bytes_that_are_no_tree_are_refused),
             WR_TEST(depth_and_memory_of_a_tree_have_limits),
             WR_TEST(limits_hold_for_foreign_text),
             { NULL, NULL } };
