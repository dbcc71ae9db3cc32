/* SPDX-License-Identifier: Apache-2.0 */
/*
 * many_test.c -- thousands of views in one file: they load in any order, run, and a mistake among them is found at
 * its place.
 */
#include "support/test.h"

#include "base/text.h"
#include "weir/weir.h"

#include <stdio.h>

enum { VIEWS = 2000 };

#define SOURCE                                                                                     \
    "sources:\n"                                                                                   \
    "  s:\n"                                                                                       \
    "    push: {}\n"                                                                               \
    "    columns: \"k bigint, v text\"\n"                                                          \
    "views:\n"

static weir *
engine_open(void)
{
    weir      *engine = NULL;
    weir_error err = { 0 };
    assert_int_equal(weir_open(&(weir_options){ .workers = 1 }, &engine, &err), WEIR_OK);
    return engine;
}

static weir_status
load(weir *engine, wr_text *file, weir_report *report, weir_pipeline **pipeline)
{
    assert_true(wr_text_ok(file));
    return weir_pipeline_load(engine, "many.yaml", wr_text_string(file), NULL, NULL, report,
                              pipeline);
}

/* Each view reads the one behind it in the file: the last is planned first. */
static void
a_long_chain_written_backwards(void **state)
{
    wr_text        file;
    weir          *engine = engine_open();
    weir_report   *report = weir_report_open();
    weir_pipeline *pipeline = NULL;
    (void) state;
    wr_text_init(&file, NULL);
    wr_text_puts(&file, SOURCE);
    for (int i = VIEWS; i > 0; i--)
        wr_text_printf(&file, "  v%d:\n    sql: |\n      SELECT k + 1 AS k FROM %s%.0d\n", i,
                       i > 1 ? "v" : "s", i - 1);
    assert_int_equal(load(engine, &file, report, &pipeline), WEIR_OK);
    weir_pipeline_unload(pipeline);
    wr_text_fini(&file);
    weir_report_close(report);
    weir_close(engine);
}

static void
a_mistake_among_many_blocks(void **state)
{
    wr_text           file;
    weir             *engine = engine_open();
    weir_report      *report = weir_report_open();
    weir_pipeline    *pipeline = NULL;
    weir_diagnostic   first;
    (void) state;
    wr_text_init(&file, NULL);
    wr_text_puts(&file, SOURCE);
    for (int i = 0; i < VIEWS; i++)
        wr_text_printf(&file, "  v%d:\n    sql: |\n\n      SELECT k\n      FROM s WHERE %s = %d\n", i,
                       i == 1500 ? "kk" : "k", i);
    assert_int_not_equal(load(engine, &file, report, &pipeline), WEIR_OK);
    assert_int_equal(weir_report_count(report), 1);
    weir_report_get(report, 0, &first);
    assert_int_equal(first.error.line, 6 + 1500 * 5 + 4);
    assert_int_equal(first.error.column, 20);
    wr_text_fini(&file);
    weir_report_close(report);
    weir_close(engine);
}

static void
one_name_twice_among_many(void **state)
{
    wr_text        file;
    weir          *engine = engine_open();
    weir_report   *report = weir_report_open();
    weir_pipeline *pipeline = NULL;
    weir_diagnostic first;
    (void) state;
    wr_text_init(&file, NULL);
    wr_text_puts(&file, SOURCE);
    for (int i = 0; i < VIEWS; i++)
        wr_text_printf(&file, "  v%d: { sql: SELECT k FROM s }\n", i == 1999 ? 7 : i);
    assert_int_equal(load(engine, &file, report, &pipeline), WEIR_CONFIG_DUPLICATE_KEY);
    weir_report_get(report, 0, &first);
    assert_int_equal(first.error.line, 6 + 1999);
    assert_string_equal(first.error.hint, "the first one is at line 13");
    wr_text_fini(&file);
    weir_report_close(report);
    weir_close(engine);
}

WR_TESTS = {
    WR_TEST(a_long_chain_written_backwards),
    WR_TEST(a_mistake_among_many_blocks),
    WR_TEST(one_name_twice_among_many),
    { NULL, NULL },
};
