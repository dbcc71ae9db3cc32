/* SPDX-License-Identifier: Apache-2.0 */
/* lower_test.c -- L1..L3 of plan/lower.c: the segments, edges and operators that plans become. */
#include "support/test.h"

#include "plan/lower.h"
#include "support/plans.h"

/* The job of a statement as text: one line a segment. */
static void
lower_text(wr_plans *p, const char *sql, wr_text *to)
{
    wr_job job = { .name = "test" };
    wr_lowering l;
    uint32_t index;
    if (wr_plans_plan(p, sql) != WEIR_OK)
        fail_msg("%s\n  %s", sql, p->err.text);
    wr_lowering_init(&l, &p->arena, &job);
    for (uint32_t i = 0; i < p->catalog.count; i++) {
        wr_job_stream stream = { .name = p->catalog.relations[i]->name,
                                 .schema = p->catalog.relations[i]->schema };
        assert_int_equal(wr_lowering_add_stream(&l, &stream, &index), WEIR_OK);
    }
    wr_job_stream out = { .name = "out", .schema = p->plan->schema, .origin = WR_FROM_SEGMENT };
    assert_int_equal(wr_lowering_add_stream(&l, &out, &index), WEIR_OK);
    if (wr_lowering_add_plan(&l, p->plan, &p->options, "q", index, &p->err) != WEIR_OK)
        fail_msg("%s\n  %s", sql, p->err.text);
    assert_int_equal(job.streams[index].origin_index, job.segment_count - 1);
    for (uint32_t s = 0; s < job.segment_count; s++) {
        const wr_job_segment *g = &job.segments[s];
        wr_text_printf(to, "%s%s:", g->name, g->single ? " single" : "");
        for (uint32_t i = 0; i < g->input_count; i++) {
            const wr_job_input *in = &g->inputs[i];
            if (in->from_stream) {
                wr_text_printf(to, " %s(", job.streams[in->index].name);
                for (uint32_t c = 0; c < in->column_count; c++)
                    wr_text_printf(to, "%s%s", c > 0 ? "," : "",
                                   job.streams[in->index].schema->fields[in->columns[c]].name);
                wr_text_puts(to, ")");
                continue;
            }
            assert_true(in->index < s); /* L1 */
            wr_text_printf(to, " %s%s", job.segments[in->index].name,
                           in->partitioning == WR_HASH     ? " by hash"
                           : in->partitioning == WR_SINGLE ? " to one"
                                                           : "");
            for (uint32_t k = 0; k < in->key_count; k++)
                wr_text_printf(to, " #%u", in->keys[k]);
        }
        if (g->values != NULL)
            wr_text_printf(to, " %u rows", g->values->row_count);
        for (uint32_t o = 0; o < g->op_count; o++)
            wr_text_printf(to, " | %s", g->ops[o].ops->name);
        wr_text_printf(to, "%s\n", g->stream >= 0 ? " > out" : "");
        wr_batch_release(g->values);
    }
}

typedef struct lower_case {
    const char *sql, *job;
} lower_case;

static void
check(bool bounded, const lower_case *cases, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wr_plans p;
        wr_text text;
        wr_plans_init(&p, bounded);
        wr_text_init(&text, NULL);
        lower_text(&p, cases[i].sql, &text);
        if (strcmp(wr_text_string(&text), cases[i].job) != 0)
            fail_msg("%s\n%s", cases[i].sql, wr_text_string(&text));
        wr_text_fini(&text);
        wr_plans_fini(&p);
    }
}

static void
chains_go_on_while_rows_stay(void **state)
{
    static const lower_case cases[] = {
        { "SELECT * FROM u", "q/1: u(a,x) > out\n" },
        { "SELECT auction, price * 2 FROM bids WHERE channel = 'x' AND price > 1",
          "q/1: bids(auction,price,channel) | filter | project | project > out\n" },
        { "SELECT auction, window_start FROM hop(bids, ts, interval '1 s', interval '2 s')",
          "q/1: bids(auction,ts) | window_assign | project > out\n" },
        { "SELECT unnest(arr) FROM t", "q/1: t(arr) | unnest | project > out\n" },
        { "SELECT 1, 'x'", "q/1 single: 1 rows > out\n" },
        { "VALUES (1), (2), (3)", "q/1 single: 3 rows > out\n" },
        { "SELECT random()", "q/1 single: 1 rows | project > out\n" },
    };
    (void)state;
    check(true, cases, WR_COUNT(cases));
}

static void
rows_of_a_key_meet(void **state) /* L2 */
{
    static const lower_case cases[] = {
        { "SELECT c, sum(a) FROM t WHERE b > 1 GROUP BY c",
          "q/1: t(a,c,b) | filter | project\nq/2: q/1 by hash #1 | aggregate > out\n" },
        { "SELECT sum(a) FROM t", "q/1: t(a)\nq/2 single: q/1 to one | aggregate > out\n" },
        { "SELECT auction, window_end, count(*) FROM tumble(bids, ts, interval '1 s') GROUP BY 1, "
          "2",
          "q/1: bids(auction,ts)\nq/2: q/1 by hash #0 | aggregate > out\n" },
        { "SELECT window_end, count(*) FROM tumble(bids, ts, interval '1 s') GROUP BY 1",
          "q/1: bids(ts)\nq/2 single: q/1 to one | aggregate > out\n" },
        { "SELECT bidder, max(price) FROM session(bids, ts, interval '1 s', bidder) GROUP BY "
          "bidder, window_end",
          "q/1: bids(bidder,price,ts)\nq/2: q/1 by hash #0 | session_aggregate | project > out\n" },
        { "SELECT t.b, u.x FROM t JOIN u ON t.a = u.a AND t.b < u.x",
          "q/1: t(a,b)\nq/2: u(a,x)\nq/3: q/1 by hash #0 q/2 by hash #0 | join | project > out\n" },
        { "SELECT 1 FROM t, u",
          "q/1: t(a)\nq/2: u(a)\nq/3 single: q/1 to one q/2 to one | join | project > out\n" },
        { "SELECT a, rank() OVER (PARTITION BY c ORDER BY b) FROM t",
          "q/1: t(a,b,c)\nq/2: q/1 by hash #2 | over | project > out\n" },
    };
    (void)state;
    check(true, cases, WR_COUNT(cases));
}

static void
single_chains_stay_single(void **state) /* L3 */
{
    static const lower_case cases[] = {
        { "SELECT a FROM t ORDER BY a LIMIT 1",
          "q/1: t(a)\nq/2 single: q/1 to one | sort > out\n" },
        { "SELECT string_agg(c, ',' ORDER BY a) FROM t",
          "q/1: t(a,c)\nq/2 single: q/1 to one | sort | aggregate > out\n" },
        { "SELECT c, count(*) FROM t GROUP BY c ORDER BY 2",
          "q/1: t(c)\nq/2: q/1 by hash #0 | aggregate\nq/3 single: q/2 to one | sort > out\n" },
    };
    (void)state;
    check(true, cases, WR_COUNT(cases));
}

static void
unions_merge(void **state)
{
    static const lower_case cases[] = {
        { "SELECT a FROM t UNION ALL SELECT a FROM u", "q/1: t(a) u(a) | merge > out\n" },
        { "SELECT a FROM t WHERE b > 1 UNION ALL SELECT a FROM u",
          "q/1: t(a,b) | filter | project\nq/2: q/1 u(a) | merge > out\n" },
    };
    (void)state;
    check(true, cases, WR_COUNT(cases));
}

static void
needed_columns_are_known(void **state)
{
    wr_plans p;
    wr_job job = { .name = "test" };
    wr_lowering l;
    uint32_t bids, out;
    uint64_t needed[1] = { 0 };
    (void)state;
    wr_plans_init(&p, false);
    assert_int_equal(wr_plans_plan(&p, "SELECT auction FROM bids WHERE channel = 'x'"), WEIR_OK);
    wr_lowering_init(&l, &p.arena, &job);
    wr_job_stream stream = { .name = "bids",
                             .schema = wr_catalog_find(&p.catalog, "bids")->schema };
    assert_int_equal(wr_lowering_add_stream(&l, &stream, &bids), WEIR_OK);
    wr_job_stream result = { .name = "out", .schema = p.plan->schema };
    assert_int_equal(wr_lowering_add_stream(&l, &result, &out), WEIR_OK);
    assert_int_equal(wr_lowering_add_plan(&l, p.plan, &p.options, "q", out, &p.err), WEIR_OK);
    wr_lowering_needed(&l, bids, needed);
    assert_int_equal(needed[0], 1u << 0 | 1u << 3);
    wr_plans_fini(&p);
}

/* Continuous windows close by the watermark: the operators' configs say when. */
static void
configs_carry_windows_and_bounds(void **state)
{
    wr_plans p;
    wr_job job = { .name = "test" };
    wr_lowering l;
    uint32_t index;
    (void)state;
    wr_plans_init(&p, false);
    assert_int_equal(
        wr_plans_plan(&p, "SELECT b.price FROM bids b JOIN auctions a ON a.id = b.auction AND b.ts "
                          "BETWEEN a.ts - interval '1 s' AND a.ts + interval '2 s'"),
        WEIR_OK);
    wr_lowering_init(&l, &p.arena, &job);
    for (uint32_t i = 0; i < p.catalog.count; i++) {
        wr_job_stream stream = { .name = p.catalog.relations[i]->name,
                                 .schema = p.catalog.relations[i]->schema };
        assert_int_equal(wr_lowering_add_stream(&l, &stream, &index), WEIR_OK);
    }
    assert_int_equal(wr_lowering_add_plan(&l, p.plan, &p.options, "q", index, &p.err), WEIR_OK);
    const wr_job_segment *last = &job.segments[job.segment_count - 1];
    assert_string_equal(last->ops[0].ops->name, "join");
    const wr_join_config *join = last->ops[0].config;
    assert_true(join->has_bound);
    assert_int_equal(join->low_us, -1000000);
    assert_int_equal(join->high_us, 2000000);
    wr_plans_fini(&p);
}

WR_TESTS = { WR_TEST(chains_go_on_while_rows_stay),
             WR_TEST(rows_of_a_key_meet),
             WR_TEST(single_chains_stay_single),
             WR_TEST(unions_merge),
             WR_TEST(needed_columns_are_known),
             WR_TEST(configs_carry_windows_and_bounds),
             { NULL, NULL } };
