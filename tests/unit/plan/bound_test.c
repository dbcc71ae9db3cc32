/* SPDX-License-Identifier: Apache-2.0 */
/* bound_test.c -- endless input: what is refused and why, how watermarks pass, what EXPLAIN says of
 * state. */
#include "support/test.h"

#include "support/plans.h"

static void
state_without_a_bound_is_refused(void **state)
{
    static const struct {
        const char *sql, *at, *text, *hint;
    } cases[] = {
        { "SELECT auction, count(*) FROM bids GROUP BY auction", "auction",
          "GROUP BY keeps every key", "tumble" },
        { "SELECT DISTINCT channel FROM bids", "", "DISTINCT keeps every row", "window" },
        { "SELECT 1 FROM bids b JOIN auctions a ON a.id = b.auction", "a.id",
          "the join keeps every row", "BETWEEN" },
        { "SELECT 1 FROM bids b, auctions a WHERE a.id = b.auction AND a.ts >= b.ts", "",
          "the join keeps", "" },
        { "SELECT price FROM bids ORDER BY price", "price", "ORDER BY waits", "row_number" },
        { "SELECT price FROM bids LIMIT 5", "5", "LIMIT counts rows", "" },
        { "SELECT rank() OVER (ORDER BY price) FROM bids", "rank", "window functions wait",
          "window_start" },
        { "SELECT count(*) FROM tumble(bids, ts + interval '1 month', interval '1 s') GROUP BY "
          "window_start",
          "tumble", "the windows never close", "watermark" },
        { "SELECT 1 FROM bids WHERE auction IN (SELECT id FROM auctions)", "", "the join keeps",
          "" },
        { "SELECT 1 FROM bids, auctions", "", "pairs every row with every other", "time bound" },
        { "SELECT 1 FROM bids b JOIN lookup(auctions) a ON a.id = b.auction", "a.id",
          "the lookup keeps every row of its right side", "key" },
        { "SELECT 1 FROM dedup((SELECT auction, ts + interval '1 month' AS m FROM bids), auction, "
          "'1 hour', event_time => m)",
          "dedup", "its time, \"m\", has no watermark", "event_time =>" },
        { "SELECT 1 FROM bids b JOIN asof((SELECT id, ts + interval '1 month' AS m FROM "
          "auctions)) a ON a.id = b.auction AND a.m <= b.ts",
          "", "\"m\" of its right side has no watermark", "watermark" },
    };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, false);
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        weir_status status = wr_plans_plan(&p, cases[i].sql);
        if (status != WEIR_QUERY_UNBOUNDED || strstr(p.err.text, cases[i].text) == NULL ||
            strstr(p.err.hint, cases[i].hint) == NULL)
            fail_msg("%s\n  %s: %s (%s)", cases[i].sql, weir_status_name(status), p.err.text,
                     p.err.hint);
        if (p.err.offset < 0 ||
            strncmp(cases[i].sql + p.err.offset, cases[i].at, strlen(cases[i].at)) != 0)
            fail_msg("%s\n  place %d", cases[i].sql, p.err.offset);
    }
    /* the same is fine when the author says so, or when the input ends */
    p.options.unbounded_state = true;
    assert_int_equal(wr_plans_plan(&p, cases[0].sql), WEIR_OK);
    assert_int_equal(wr_plans_plan(&p, cases[2].sql), WEIR_OK);
    p.options.unbounded_state = false;
    p.options.ttl_us = 1000000;
    assert_int_equal(wr_plans_plan(&p, cases[0].sql), WEIR_OK);
    p.options.ttl_us = 0;
    p.options.bounded = true;
    for (uint32_t i = 0; i < WR_COUNT(cases); i++)
        assert_int_equal(wr_plans_plan(&p, cases[i].sql), WEIR_OK);
    wr_plans_fini(&p);
}

/* Each one bounded; too many of them. */
static void
a_view_has_at_most_sixteen_joins(void **state)
{
    wr_plans p;
    wr_text sql;
    (void)state;
    for (int joins = 16; joins <= 17; joins++) {
        wr_plans_init(&p, false);
        wr_text_init(&sql, NULL);
        wr_text_puts(&sql, "SELECT 1 FROM bids b0");
        for (int i = 1; i <= joins; i++)
            wr_text_printf(&sql, " JOIN bids b%d ON b%d.ts = b0.ts", i, i);
        weir_status want = joins == 16 ? WEIR_OK : WEIR_QUERY_TOO_COMPLEX;
        if (wr_plans_plan(&p, wr_text_string(&sql)) != want)
            fail_msg("%d joins: %s", joins, p.err.text);
        wr_text_fini(&sql);
        wr_plans_fini(&p);
    }
}

static void
what_chooses_once_wants_rows_that_stay(void **state)
{
    static const struct {
        const char *sql, *text;
    } cases[] = {
        { "SELECT 1 FROM (SELECT ts, count(*) FROM bids GROUP BY ts, price) b JOIN asof(auctions) a "
          "ON a.ts <= b.ts",
          NULL },
        { "SELECT 1 FROM (SELECT auction, max(ts) AS ts FROM bids GROUP BY auction) b JOIN "
          "asof(auctions) a ON a.ts <= b.ts",
          "its left side changes rows" },
        { "SELECT 1 FROM bids b JOIN asof((SELECT id, max(ts) AS ts FROM auctions GROUP BY id)) a "
          "ON a.ts <= b.ts",
          "its right side changes rows" },
        { "SELECT b.ts FROM (SELECT auction, max(ts) AS ts FROM bids GROUP BY auction) b JOIN "
          "lookup(auctions) a ON a.id = b.auction",
          "its left side changes rows" },
        { "SELECT 1 FROM bids b JOIN lookup((SELECT id, max(ts) AS ts FROM auctions GROUP BY id)) a "
          "ON a.id = b.auction",
          NULL },
    };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, false);
    p.options.unbounded_state = true;
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        weir_status status = wr_plans_plan(&p, cases[i].sql);
        bool refused = status == WEIR_QUERY_UNSUPPORTED && p.err.hint[0] != '\0';
        if (cases[i].text == NULL ? status != WEIR_OK
                                  : !refused || strstr(p.err.text, cases[i].text) == NULL)
            fail_msg("%s\n  %s: %s", cases[i].sql, weir_status_name(status), p.err.text);
    }
    wr_plans_fini(&p);
}

static void
what_rows_changing_forbid_is_refused(void **state)
{
    static const char *const cases[] = {
        "SELECT auction FROM bids WHERE ts > now() - interval '1 month'",
        "SELECT auction FROM bids WHERE ts > date_trunc('day', now())",
        "SELECT auction FROM bids WHERE ts > now() OR auction = 1",
        "SELECT auction FROM bids WHERE ts = now()",
        "SELECT * FROM session(bids, ts, interval '1 s', bidder)",
        "SELECT bidder, count(*) FROM session((SELECT bidder, max(ts) AS ts FROM bids GROUP BY 1), "
        "ts, interval '1 s', bidder) GROUP BY bidder, window_start, window_end",
        "SELECT * FROM dedup((SELECT bidder, max(ts) AS ts FROM bids GROUP BY 1), bidder, '1 s', "
        "event_time => ts)",
    };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, false);
    p.options.unbounded_state = true;
    for (uint32_t i = 0; i < WR_COUNT(cases); i++)
        if (wr_plans_plan(&p, cases[i]) != WEIR_QUERY_UNSUPPORTED || p.err.hint[0] == '\0' ||
            p.err.offset < 0)
            fail_msg("%s\n  %s (%s)", cases[i], p.err.text, p.err.hint);
    wr_plans_fini(&p);
}

/* The watermark offset of the first column, in microseconds. */
static void
watermarks_pass_through_expressions(void **state)
{
    static const struct {
        const char *sql;
        int64_t offset;
    } cases[] = {
        { "SELECT ts FROM bids", 0 },
        { "SELECT ts + interval '2 s' FROM bids", 2000000 },
        { "SELECT ts - interval '1 day' FROM bids", -86400000000 },
        { "SELECT ts AT TIME ZONE 'UTC' FROM bids", 0 },
        { "SELECT ts AT TIME ZONE 'Asia/Kathmandu' FROM bids", 19800000000 },
        { "SELECT ts::timestamp AT TIME ZONE 'Asia/Kathmandu' FROM bids", -20700000000 },
        { "SELECT date_trunc('day', ts, 'Asia/Kathmandu') FROM bids", 1 - 87300000000 },
        { "SELECT ts::date FROM bids", 1 - 86400000000 },
        { "SELECT ts::date::timestamptz + interval '1 day' FROM bids", 1 },
        { "SELECT ts::timestamp FROM bids", 0 },
        { "SELECT ts + interval '1 month' FROM bids", WR_NO_WATERMARK },
        { "SELECT date_trunc('minute', ts) FROM bids", 1 - 60000000 },
        { "SELECT date_bin('5 s', ts, '2020-01-01') FROM bids", 1 - 5000000 },
        { "SELECT window_start FROM tumble(bids, ts, interval '10 s')", 1 - 10000000 },
        { "SELECT window_end FROM hop(bids, ts, interval '1 s', interval '10 s')", 1 },
        { "SELECT window_end FROM hop(bids, ts, interval '1 s', interval '10 s') GROUP BY "
          "window_end",
          1 },
        { "SELECT window_end, count(*) FROM session(bids, ts, interval '1 s', bidder) GROUP BY "
          "window_end, "
          "window_start, bidder",
          0 },
        { "SELECT ts FROM bids UNION ALL SELECT ts - interval '1 s' FROM auctions", -1000000 },
        { "SELECT b.ts FROM bids b JOIN auctions a ON a.ts BETWEEN b.ts AND b.ts + interval '1 s'",
          -1000000 },
        { "SELECT max(ts) FROM bids", WR_NO_WATERMARK },
        { "SELECT ts FROM bids WHERE price > 1", 0 },
    };
    wr_plans p;
    (void)state;
    wr_plans_init(&p, false);
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        if (wr_plans_plan(&p, cases[i].sql) != WEIR_OK)
            fail_msg("%s\n  %s", cases[i].sql, p.err.text);
        if (p.plan->schema->fields[0].watermark_offset != cases[i].offset)
            fail_msg("%s\n  offset %lld", cases[i].sql,
                     (long long)p.plan->schema->fields[0].watermark_offset);
    }
    wr_plans_fini(&p);
}

static void
kinds_follow_the_emit_mode(void **state)
{
    wr_plans p;
    (void)state;
    wr_plans_init(&p, false);
    const char *windowed =
        "SELECT window_start, count(*) FROM tumble(bids, ts, interval '1 s') GROUP BY 1";
    assert_int_equal(wr_plans_plan(&p, windowed), WEIR_OK);
    assert_int_equal(p.plan->schema->kind, WR_INSERT_ONLY);
    assert_int_equal(p.plan->schema->key_count, 1);
    p.options.emit_given = true;
    p.options.emit = WR_EMIT_CHANGES;
    assert_int_equal(wr_plans_plan(&p, windowed), WEIR_OK);
    assert_int_equal(p.plan->schema->kind, WR_CHANGELOG);
    p.options.emit_given = false;
    assert_int_equal(wr_plans_plan(&p, "SELECT count(*) FROM bids"), WEIR_OK);
    assert_int_equal(p.plan->schema->kind, WR_CHANGELOG);
    assert_int_equal(wr_plans_plan(&p, "SELECT price FROM bids"), WEIR_OK);
    assert_int_equal(p.plan->schema->kind, WR_INSERT_ONLY);
    wr_plans_fini(&p);
}

static void
explain_states_key_watermark_and_bound(void **state)
{
    static const struct {
        const char *sql, *plan;
    } cases[] = {
        { "SELECT window_start, auction, count(*) FILTER (WHERE price > 5) AS n, sum(price) FROM "
          "hop(bids, ts, interval '2 s', interval '10 s') WHERE channel = 'web' GROUP BY "
          "window_start, auction HAVING count(*) > 1",
          "output: insert-only, key window_start, auction\n"
          "project window_start, auction, count as n, sum\n"
          "  filter count > 1\n"
          "    aggregate hop size 00:00:10 slide 00:00:02 count(*) filter price > 5, sum(price), "
          "count(*)\n"
          "      key: window_start, auction; emit: final\n"
          "      state: keys x open windows (00:00:10 behind the watermark)\n"
          "      watermark: window_start >= W - 00:00:09.999999\n"
          "      window hop size 00:00:10 slide 00:00:02\n"
          "        scan bids (insert-only)\n"
          "          columns: auction, price, ts\n"
          "          filter: channel = 'web'\n"
          "          watermark: ts >= W\n" },
        { "SELECT a.id, b.price FROM bids b JOIN auctions a ON a.id = b.auction AND b.ts BETWEEN "
          "a.ts AND a.ts + interval '1 min'",
          "output: insert-only\n"
          "project id, price\n"
          "  inner join on auction = id and (left.ts >= right.ts) AND (left.ts <= (right.ts + "
          "interval '00:01:00'))\n"
          "    state: left rows with ts >= W, right rows with ts >= W - 00:01:00\n"
          "    watermark: ts >= W\n"
          "    scan bids (insert-only)\n"
          "      columns: auction, price, ts\n"
          "      watermark: ts >= W\n"
          "    scan auctions (insert-only)\n"
          "      columns: id, ts\n"
          "      watermark: ts >= W\n" },
        { "SELECT b.auction, a.id FROM bids b LEFT JOIN asof(auctions) a ON a.id = b.auction AND "
          "a.ts <= b.ts AND a.ts >= b.ts - interval '1 min'",
          "output: insert-only\n"
          "project auction, id\n"
          "  as-of left join on auction = id and (right.ts <= left.ts) AND (right.ts >= (left.ts "
          "- interval '00:01:00'))\n"
          "    state: left rows with ts >= W, right rows with ts >= W and the last one before, of "
          "each key that is not 00:01:00 older; triggered by: left rows, when the watermark has "
          "passed them\n"
          "    watermark: ts >= W\n"
          "    scan bids (insert-only)\n"
          "      columns: auction, ts\n"
          "      watermark: ts >= W\n"
          "    scan auctions (insert-only)\n"
          "      columns: id, ts\n"
          "      watermark: ts >= W\n" },
        { "SELECT price FROM dedup(bids, auction, channel, '90 min') WHERE auction = 5",
          "output: insert-only\n"
          "project price\n"
          "  dedup by auction, channel within 01:30:00 of ts\n"
          "    state: keys kept within the span + rows not yet passed\n"
          "    watermark: ts >= W\n"
          "    scan bids (insert-only)\n"
          "      columns: auction, price, channel, ts\n"
          "      filter: auction = 5\n"
          "      watermark: ts >= W\n" },
        { "SELECT l.window_start, l.n, r.m FROM (SELECT window_start, count(*) n FROM tumble(bids, "
          "ts, interval '1 s') GROUP BY 1) l JOIN (SELECT window_start, count(*) m FROM "
          "tumble(auctions, ts, interval '1 s') GROUP BY 1) r ON l.window_start = r.window_start",
          "output: insert-only, key window_start\n"
          "project window_start, n, m\n"
          "  inner join on left.window_start = right.window_start\n"
          "    state: left rows with window_start >= W - 00:00:00.999999, right rows with "
          "window_start >= W - 00:00:00.999999\n"
          "    watermark: window_start >= W - 00:00:00.999999\n"
          "    aggregate tumble size 00:00:01 count(*)\n"
          "      key: window_start; emit: final\n"
          "      state: keys x open windows (00:00:01 behind the watermark)\n"
          "      watermark: window_start >= W - 00:00:00.999999\n"
          "      window tumble size 00:00:01\n"
          "        scan bids (insert-only)\n"
          "          columns: ts\n"
          "          watermark: ts >= W\n"
          "    aggregate tumble size 00:00:01 count(*)\n"
          "      key: window_start; emit: final\n"
          "      state: keys x open windows (00:00:01 behind the watermark)\n"
          "      watermark: window_start >= W - 00:00:00.999999\n"
          "      window tumble size 00:00:01\n"
          "        scan auctions (insert-only)\n"
          "          columns: ts\n"
          "          watermark: ts >= W\n" },
    };
    (void)state;
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        wr_plans p;
        wr_plans_init(&p, false);
        assert_string_equal(wr_plans_explain(&p, cases[i].sql), cases[i].plan);
        wr_plans_fini(&p);
    }
}

WR_TESTS = {
    WR_TEST(state_without_a_bound_is_refused),
    WR_TEST(a_view_has_at_most_sixteen_joins),
    WR_TEST(what_chooses_once_wants_rows_that_stay),
    WR_TEST(what_rows_changing_forbid_is_refused),
    WR_TEST(watermarks_pass_through_expressions),    WR_TEST(kinds_follow_the_emit_mode),
    WR_TEST(explain_states_key_watermark_and_bound), { NULL, NULL }
};
