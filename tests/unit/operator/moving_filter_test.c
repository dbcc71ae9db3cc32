/* SPDX-License-Identifier: Apache-2.0 */
/* moving_filter_test.c -- W1..W4 of operator/moving_filter.c. */
#include "support/test.h"

#include "operator/moving_filter.h"
#include "support/optest.h"

typedef struct fixture {
    wr_optest *t;
    wr_moving_bound bounds[2];
    wr_moving_filter_config config;
    uint32_t keys[1];
} fixture;

static void
fixture_init(fixture *f)
{
    *f = (fixture){ .t = wr_optest_create() };
    f->config = (wr_moving_filter_config){ .bounds = f->bounds, .keys = f->keys, .key_count = 1 };
    f->config.schema = wr_optest_schema(f->t, "k int4, ts timestamp");
}

static void
add_bound(fixture *f, int64_t shift_s, bool until)
{
    f->bounds[f->config.bound_count++] =
        (wr_moving_bound){ .time = wr_optest_column(f->t, f->config.schema, "ts"),
                           .shift = WR_OPTEST_S(shift_s),
                           .until = until };
}

static void
open_it(fixture *f)
{
    wr_optest_operator(f->t, &wr_moving_filter_ops, &f->config, f->config.schema);
    wr_optest_port(f->t, 0, f->config.schema, "k");
}

static void
rows_go_when_they_are_old(void **state) /* W1..W3 */
{
    fixture f;
    (void)state;
    fixture_init(&f);
    add_bound(&f, 10, true);
    open_it(&f);
    wr_optest_now(f.t, WR_OPTEST_S(100));
    wr_optest_rows(f.t, 0, "1|@95; 2|@85; 3|@90; 4|@90.000001; 5|null; 1|@95; 6|@200");
    wr_optest_expect(f.t, "1|@95; 4|@90.000001; 1|@95; 6|@200");
    wr_optest_now(f.t, WR_OPTEST_S(104));
    wr_optest_expect(f.t, "[-1] 4|@90.000001");
    wr_optest_now(f.t, WR_OPTEST_S(105));
    wr_optest_expect(f.t, "[-2] 1|@95");
    wr_optest_now(f.t, WR_OPTEST_S(103)); /* the clock steps back: nothing comes again */
    wr_optest_rows(f.t, 0, "1|@95; 1|@97");
    wr_optest_expect(f.t, "1|@97");
    wr_optest_now(f.t, WR_OPTEST_S(1000));
    wr_optest_expect(f.t, "[-1] 1|@97; [-1] 6|@200");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "");
    wr_optest_verify(f.t);
}

static void
rows_come_and_go(void **state) /* W1, W3 */
{
    fixture f;
    (void)state;
    fixture_init(&f);
    add_bound(&f, 0, false);
    add_bound(&f, 10, true);
    open_it(&f);
    wr_optest_now(f.t, WR_OPTEST_S(100));
    wr_optest_rows(f.t, 0, "1|@95; 2|@105; 3|@150; 4|@80");
    wr_optest_expect(f.t, "1|@95");
    wr_optest_now(f.t, WR_OPTEST_S(106));
    wr_optest_expect(f.t, "[-1] 1|@95; 2|@105");
    wr_optest_now(f.t, WR_OPTEST_S(300)); /* 3 has come and gone meanwhile */
    wr_optest_expect(f.t, "[-1] 2|@105");
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

static void
rows_taken_back_leave(void **state) /* W4 */
{
    fixture f;
    (void)state;
    fixture_init(&f);
    add_bound(&f, 0, false);
    add_bound(&f, 10, true);
    open_it(&f);
    wr_optest_now(f.t, WR_OPTEST_S(100));
    wr_optest_rows(f.t, 0, "1|@95; 2|@105; 3|@96; 4|@105");
    wr_optest_expect(f.t, "1|@95; 3|@96");
    wr_optest_rows(f.t, 0, "[-1] 1|@95; [-1] 2|@105; [-1] 9|@99; [-1] 8|@20");
    wr_optest_expect(f.t, "[-1] 1|@95");
    wr_optest_now(f.t, WR_OPTEST_S(105));
    wr_optest_expect(f.t, "4|@105");
    wr_optest_now(f.t, WR_OPTEST_S(120));
    wr_optest_expect(f.t, "[-1] 3|@96; [-1] 4|@105");
    wr_optest_count(f.t, rows_unknown, 1);
    wr_optest_end(f.t);
    wr_optest_verify(f.t);
}

WR_TESTS = {
    WR_TEST(rows_go_when_they_are_old),
    WR_TEST(rows_come_and_go),
    WR_TEST(rows_taken_back_leave),
    { NULL, NULL },
};
