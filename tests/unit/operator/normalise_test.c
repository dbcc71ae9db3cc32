/* SPDX-License-Identifier: Apache-2.0 */
/* normalise_test.c -- N1..N4 of operator/normalise.c. */
#include "support/test.h"

#include "base/random.h"
#include "operator/normalise.h"
#include "support/optest.h"

#include <stdio.h>

static const uint32_t first_column[] = { 0 };

static wr_optest *
ready(wr_normalise_config *c, const char *columns, const char *route, uint32_t key_count,
      const uint32_t *key, const uint64_t *needed)
{
    wr_optest *t = wr_optest_create();
    wr_schema *in = wr_optest_schema(t, columns);
    *c = (wr_normalise_config){ .key_count = key_count,
                                .key = key,
                                .column_count = in->field_count,
                                .input = in,
                                .needed = needed };
    wr_optest_operator(t, &wr_normalise_ops, c, in);
    wr_optest_port(t, 0, in, route);
    return t;
}

static void
rows_replace_rows(void **state) /* N1, N2 */
{
    wr_normalise_config c;
    wr_optest          *t = ready(&c, "k int8, v text, n numeric", "k", 1, first_column, NULL);
    (void) state;
    wr_optest_rows(t, 0, "1|a|1.0; 2|a long text, not inline|null");
    wr_optest_expect(t, "1|a|1.0; 2|a long text, not inline|null");
    wr_optest_rows(t, 0, "1|b|1.0; 2|another text, as long|7");
    wr_optest_expect(t, "[-1] 1|a|1.0; 1|b|1.0; [-1] 2|a long text, not inline|null; "
                        "2|another text, as long|7");
    wr_optest_rows(t, 0, "1|b|1.0; 1|b|1.00");
    wr_optest_expect(t, "[-1] 1|b|1.0; 1|b|1.00");
    wr_optest_rows(t, 0, "1|b|1.00; 2|another text, as long|7");
    wr_optest_expect(t, "");
    wr_optest_rows(t, 0, "[-1] 1|null|null; 3|c|NaN");
    wr_optest_expect(t, "[-1] 1|b|1.00; 3|c|NaN");
    wr_optest_rows(t, 0, "1|again|1; [-1] 2|null|null");
    wr_optest_expect(t, "1|again|1; [-1] 2|another text, as long|7");
    wr_optest_end(t);
    wr_optest_expect(t, "");
    wr_optest_count(t, rows_unknown, 0);
    wr_optest_verify(t);
}

static void
unknown_keys_cannot_leave(void **state) /* N4 */
{
    wr_normalise_config c;
    wr_optest          *t = ready(&c, "k int8, v text", "k", 1, first_column, NULL);
    (void) state;
    wr_optest_rows(t, 0, "[-1] 1|null; 2|a; [-1] 2|null; [-1] 2|null");
    wr_optest_expect(t, "");
    wr_optest_rows(t, 0, "2|b");
    wr_optest_expect(t, "2|b");
    wr_optest_end(t);
    wr_optest_count(t, rows_unknown, 2);
    wr_optest_verify(t);
}

static void
keys_of_any_type(void **state)
{
    static const uint32_t key[] = { 2, 0 };
    wr_normalise_config   c;
    wr_optest *t = ready(&c, "a text, v bool, n numeric, i interval, u uuid, j jsonb, f float4, d date",
                         "n, a", 2, key, NULL);
    (void) state;
    wr_optest_rows(t, 0, "a key of text, so long|true|1.0|1 day|"
                         "00000000-0000-0000-0000-000000000001|{\"a\":1}|1.5|2026-01-01");
    wr_optest_expect(t, "a key of text, so long|true|1.0|1 day|"
                        "00000000-0000-0000-0000-000000000001|{\"a\": 1}|1.5|2026-01-01");
    wr_optest_rows(t, 0, "a key of text, so long|false|1.00|24:00:00|null|null|-0|infinity");
    wr_optest_expect(t, "[-1] a key of text, so long|true|1.0|1 day|"
                        "00000000-0000-0000-0000-000000000001|{\"a\": 1}|1.5|2026-01-01; "
                        "a key of text, so long|false|1.00|24:00:00|null|null|-0|infinity");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
columns_nobody_needs_are_null(void **state)
{
    static const uint64_t needed[] = { 5 };
    wr_normalise_config   c;
    wr_optest            *t = ready(&c, "k int8, v text, w int8", "k", 1, first_column, needed);
    (void) state;
    wr_optest_rows(t, 0, "1|a|1; 2|b|2");
    wr_optest_expect(t, "1|null|1; 2|null|2");
    wr_optest_rows(t, 0, "1|c|1; 2|b|3");
    wr_optest_expect(t, "[-1] 2|null|2; 2|null|3");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
held_rows_come_at_the_end(void **state) /* N5 */
{
    wr_normalise_config c;
    wr_optest          *t = ready(&c, "k int8, v text, n numeric", "k", 1, first_column, NULL);
    (void) state;
    c.holds = true;
    wr_optest_rows(t, 0, "1|a|1; 2|b|2; 3|c|3; 1|d|1.50; [-1] 2|null|null");
    wr_optest_expect(t, "");
    wr_optest_rows(t, 0, "[-1] 7|null|null; 4|e|null");
    wr_optest_expect(t, "");
    wr_optest_end(t);
    wr_optest_expect(t, "1|d|1.50; 3|c|3; 4|e|null");
    wr_optest_count(t, rows_unknown, 1);
    wr_optest_verify(t);
}

enum { KEYS = 30, ROWS = 1500 };

/* Random upserts and deletions: what is left is the last row of each key; with a watermark that
 * moves at each row, every version comes out, whatever the batches. */
static void
run(uint64_t seed, bool timed)
{
    wr_normalise_config c;
    wr_optest *t = ready(&c, "k int4, v int4, ts timestamp", "k", 1, first_column, NULL);
    wr_random  random;
    wr_text    rows, want;
    int        last[KEYS];
    uint64_t   unknown = 0;
    wr_random_init(&random, seed);
    wr_text_init(&rows, NULL);
    wr_text_init(&want, NULL);
    for (int k = 0; k < KEYS; k++)
        last[k] = -1;
    if (timed)
        wr_optest_delay(t, 0, "ts", 0);
    for (int i = 0; i < ROWS; i++) {
        uint32_t k = (uint32_t) wr_random_below(&random, KEYS);
        int      v = (int) wr_random_below(&random, 3);
        bool     deletes = wr_random_below(&random, 4) == 0;
        unknown += deletes && last[k] < 0;
        last[k] = deletes ? -1 : v;
        if (deletes)
            wr_text_printf(&rows, "[-1] %u|null|%s;", k, "null");
        else
            wr_text_printf(&rows, "%u|%d|@%d;", k, v, timed ? i : 0);
        if (!timed)
            continue;
        last[k] = deletes ? -1 : i * 4 + v;
    }
    wr_optest_rows(t, 0, wr_text_string(&rows));
    for (uint32_t k = 0; k < KEYS; k++)
        if (last[k] >= 0)
            wr_text_printf(&want, "%u|%d|@%d;", k, timed ? last[k] % 4 : last[k],
                           timed ? last[k] / 4 : 0);
    wr_optest_end(t);
    wr_optest_expect(t, wr_text_string(&want));
    wr_optest_count(t, rows_unknown, unknown);
    wr_text_fini(&rows);
    wr_text_fini(&want);
    wr_optest_verify(t);
}

static void
the_last_row_of_a_key_stands(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        run(seed, seed % 2 == 0);
}

WR_TESTS = {
    WR_TEST(rows_replace_rows),
    WR_TEST(unknown_keys_cannot_leave),
    WR_TEST(keys_of_any_type),
    WR_TEST(columns_nobody_needs_are_null),
    WR_TEST(held_rows_come_at_the_end),
    WR_TEST(the_last_row_of_a_key_stands),
    { NULL, NULL },
};
