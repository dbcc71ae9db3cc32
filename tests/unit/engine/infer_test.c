/* SPDX-License-Identifier: Apache-2.0 */
/* infer_test.c -- engine/input.c: the columns of a file are those that the decoder will read. */
#include "support/test.h"

#include "weir/weir.h"

#include <stdio.h>
#include <unistd.h>

/* The first row of SELECT `columns` over a file of `text`, "1|x|null"; or the error's text. */
static void
answer(const char *extension, const char *text, size_t length, const char *columns, char *out, size_t size)
{
    weir        *engine = NULL;
    weir_result *result = NULL;
    weir_rows   *rows = NULL;
    weir_error   err = { 0 };
    char         path[64], sql[256];
    snprintf(path, sizeof path, "/tmp/infer_test.%d.%s", (int) getpid(), extension);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
    snprintf(sql, sizeof sql, "SELECT %s FROM t", columns);
    assert_int_equal(weir_open(NULL, &engine, NULL), WEIR_OK);
    assert_int_equal(weir_input(engine, "t", path, NULL, &err), WEIR_OK);
    snprintf(out, size, "no row");
    weir_status status = weir_query(engine, sql, NULL, &result, &err);
    if (status == WEIR_OK)
        status = weir_result_next(result, &rows, &err);
    if (status != WEIR_OK)
        snprintf(out, size, "%s", err.text);
    else if (rows != NULL) {
        size_t at = 0;
        for (uint32_t c = 0; c < weir_result_columns(result, NULL, 0); c++) {
            const char *value = weir_rows_text(rows, 0, c);
            at += (size_t) snprintf(out + at, size - at, "%s%s", c > 0 ? "|" : "", value != NULL ? value : "null");
        }
        weir_rows_release(rows);
    }
    weir_result_close(result);
    weir_close(engine);
    unlink(path);
}

static void
check(const char *extension, const char *text, const char *columns, const char *want)
{
    char got[512];
    answer(extension, text, strlen(text), columns, got, sizeof got);
    assert_string_equal(got, want);
}

static void
csv_is_cut_as_the_decoder_cuts_it(void **state)
{
    (void) state;
    check("csv", "name,id,price\n\"Smith, J\",5,1.5\n\"a \"\"b\"\" c\",6,2.5\n", "sum(id), sum(price)", "11|4.0");
    check("csv", "a,b\n\"two\nlines\",5\nx,7\n", "sum(b), min(a)", "12|two\nlines");
    check("csv", "\"a \"\"x\"\"\",b\n1,2\n", "\"a \"\"x\"\"\", b", "1|2");
    check("csv", "\xef\xbb\xbf" "a,b\n1,2\n", "a, b", "1|2");
    check("csv", "\n\na,b\n1,2\n", "a, b", "1|2");
    check("csv", "a,b\r\n1,2\r\n", "a, b", "1|2");
    check("csv", "a,b\n1,\"x\n2,z\n", "min(a)", "2"); /* a quote without an end costs its line */
    check("csv", "a,b\nx\n1,2,y\n3,4\n", "sum(a), sum(b)", "3|4"); /* records with other fields say nothing */
    check("csv", "d,q\n\"2026-01-01\",\"7\"\n", "pg_typeof(d), pg_typeof(q)", "date|text");
    check("tsv", "a\tb\n1\t\\N\n\\N\t5\n", "sum(a), sum(b)", "1|5");
}

static void
csv_names_are_made_unique(void **state)
{
    (void) state;
    check("csv", "a,a,b,a_1,,\n1,x,2,y,z,w\n", "a, a_1, b, a_1_1, column5, column6", "1|x|2|y|z|w");
    check("csv", "a,A\n1,2\n", "a, \"A\"", "1|2");
}

static void
json_takes_as_many_lines_as_it_likes(void **state)
{
    (void) state;
    check("json", "[\n  {\"a\": 1,\n   \"b\": 3},\n  {\"a\": 2}\n]\n", "sum(a), sum(b)", "3|3");
    check("json", "{\n \"a\": 1,\n \"b\": {\"c\": \"}\\\"{\"}\n}\n{\"a\":5}\n", "sum(a), min(b->>'c')", "6|}\"{");
    check("json", "\xef\xbb\xbf{\"a\":1}\n", "a", "1");
    check("json", "{\"a\":1\n{\"a\":2,\"b\":3}\n", "max(a), max(b)", "2|3");
    check("json", "{\"a\":\"open\n{\"a\":2,\"b\":3}\n", "max(a), max(b)", "2|3");
    check("json", "[{\"a\":1},{\"a\":2}]", "sum(a)", "3");
}

static void
a_row_that_fails_has_its_place(void **state)
{
    (void) state;
    static const struct {
        const char *sql;
        int         line, column;
    } cases[] = { { "SELECT 1 / (i - 2) FROM generate_series(1, 3) AS g(i)", 1, 10 },
                  { "SELECT i\n  FROM generate_series(1, 3) AS g(i)\n WHERE 1 / (i - 2) > 0", 3, 10 },
                  { "EXPLAIN ANALYZE SELECT 1 / (i - 2) FROM generate_series(1, 3) AS g(i)", 1, 26 } };
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        weir        *engine = NULL;
        weir_result *result = NULL;
        weir_rows   *rows = NULL;
        weir_error   err = { 0 };
        assert_int_equal(weir_open(NULL, &engine, NULL), WEIR_OK);
        weir_status status = weir_query(engine, cases[i].sql, NULL, &result, &err);
        while (status == WEIR_OK && (status = weir_result_next(result, &rows, &err)) == WEIR_OK && rows != NULL)
            weir_rows_release(rows);
        assert_int_equal(status, WEIR_ROW_DIVISION_BY_ZERO);
        assert_string_equal(err.text, "division by zero");
        assert_int_equal(err.line, cases[i].line);
        assert_int_equal(err.column, cases[i].column);
        weir_result_close(result);
        weir_close(engine);
    }
}

static void
hostile_json_takes_no_quadratic_time(void **state)
{
    (void) state;
    enum { LINES = 100000 };
    static char text[2 * LINES];
    char        got[128];
    for (int i = 0; i < LINES; i++)
        memcpy(text + 2 * i, "{\n", 2);
    answer("json", text, sizeof text, "1", got, sizeof got);
    assert_non_null(strstr(got, "no columns can be inferred"));
}

WR_TESTS = {
    WR_TEST(csv_is_cut_as_the_decoder_cuts_it),
    WR_TEST(csv_names_are_made_unique),
    WR_TEST(json_takes_as_many_lines_as_it_likes),
    WR_TEST(a_row_that_fails_has_its_place),
    WR_TEST(hostile_json_takes_no_quadratic_time),
    { NULL, NULL },
};
