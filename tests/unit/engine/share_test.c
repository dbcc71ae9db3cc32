/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share_test.c -- answers are the same whether equal parts are run once or each for itself; whole, a row
 * at a time through buffers of one slot, and across a restart on another number of workers.
 */
#include "support/test.h"

#include "base/status.h"
#include "weir/weir.h"

#include <stdlib.h>
#include <string.h>

static const char *const queries[] = {
    "WITH h AS (SELECT k % 7 AS g, sum(k) AS s, count(*) AS n FROM generate_series(1, 500) AS t(k) GROUP BY 1) "
    "SELECT h.g, h.s, x.m FROM h JOIN (SELECT max(s) AS m, min(n) AS n FROM h) x ON h.s <= x.m ORDER BY 1",
    "WITH h AS (SELECT k % 5 AS g, count(*) AS n FROM generate_series(1, 99) AS t(k) GROUP BY 1) "
    "SELECT a.g, b.g FROM h a JOIN h b ON a.n = b.n ORDER BY 1, 2",
    "WITH h AS (SELECT k % 5 AS g, count(*) AS n FROM generate_series(1, 99) AS t(k) GROUP BY 1) "
    "SELECT g, n FROM h UNION ALL SELECT n, g FROM h EXCEPT ALL SELECT g, n FROM h WHERE g > 2 ORDER BY 1, 2",
    "WITH j AS (SELECT a, b FROM generate_series(1, 9) AS t(a) JOIN generate_series(3, 12) AS u(b) ON a = b) "
    "SELECT x.a, y.a AS c, y.b FROM j x JOIN j y ON x.b = y.a + 1 ORDER BY 1",
};

/* All rows as JSON lines.  Owned. */
static char *
answer(const weir_options *options, const weir_query_options *how, const char *sql)
{
    enum { ROOM = 1 << 16 };
    weir *engine = NULL;
    weir_error err = { 0 };
    weir_result *result = NULL;
    weir_rows *rows = NULL;
    char *all = calloc(1, ROOM);
    size_t at = 0;
    assert_non_null(all);
    assert_int_equal(weir_open(options, &engine, &err), WEIR_OK);
    if (weir_query(engine, sql, how, &result, &err) != WEIR_OK)
        fail_msg("%s: %s", sql, err.text);
    while (weir_result_next(result, &rows, &err) == WEIR_OK && rows != NULL) {
        const char *bytes;
        size_t length;
        assert_int_equal(weir_rows_encode(rows, WEIR_JSON, true, &bytes, &length), WEIR_OK);
        assert_true(at + length < ROOM);
        memcpy(all + at, bytes, length);
        at += length;
        weir_rows_release(rows);
    }
    if (err.code != WEIR_OK)
        fail_msg("%s: %s", sql, err.text);
    weir_result_close(result);
    weir_close(engine);
    return all;
}

static bool
is_shared(const weir_options *options, const char *sql)
{
    weir *engine = NULL;
    weir_error err = { 0 };
    char *plan = NULL;
    assert_int_equal(weir_open(options, &engine, &err), WEIR_OK);
    assert_int_equal(weir_explain_query(engine, sql, NULL, &plan, &err), WEIR_OK);
    bool shared = strstr(plan, "shared 1: run once for ") != NULL;
    weir_free(plan);
    weir_close(engine);
    return shared;
}

static void
sharing_changes_no_answer(void **state)
{
    static const weir_options apart = { .no_sharing = true }, once = { .no_sharing = false };
    static const weir_query_options ways[] = { { .batch_rows_max = 0 },
                                               { .batch_rows_max = 1 },
                                               { .restart_seed = 7 },
                                               { .restart_seed = 11, .batch_rows_max = 1 } };
    (void)state;
    for (size_t q = 0; q < WR_COUNT(queries); q++) {
        char *expected = answer(&apart, &ways[0], queries[q]);
        assert_true(is_shared(&once, queries[q]));
        assert_false(is_shared(&apart, queries[q]));
        assert_true(expected[0] != '\0');
        for (size_t w = 0; w < WR_COUNT(ways); w++) {
            char *came = answer(&once, &ways[w], queries[q]);
            assert_string_equal(came, expected);
            free(came);
        }
        free(expected);
    }
}

WR_TESTS = { WR_TEST(sharing_changes_no_answer), { NULL, NULL } };
