/* SPDX-License-Identifier: Apache-2.0 */
/* options_test.c -- option tables: values, defaults, bounds, hints; units in and out. */
#include "support/test.h"

#include "config/options.h"

#include <stdio.h>

typedef struct config {
    const char *topic;
    int64_t linger, bytes, count;
    double rate;
    bool yes;
    int start;
    wr_option_list brokers;
    wr_option_map headers;
    bool tls;
    const char *cert;
    int64_t depth;
} config;

static const wr_option tls_table[] = {
    { "cert", WR_OPT_PATH, offsetof(config, cert), .required = true, .doc = "whose" },
    { "depth", WR_OPT_INTEGER, offsetof(config, depth), .fallback = "4", .low = 1, .high = 9 },
    { 0 },
};

static const wr_option table[] = {
    { "topic", WR_OPT_STRING, offsetof(config, topic), .required = true, .doc = "which topic" },
    { "linger", WR_OPT_DURATION, offsetof(config, linger), .fallback = "5ms", .low = 0,
      .high = 60e6 },
    { "bytes", WR_OPT_BYTES, offsetof(config, bytes), .fallback = "1MiB", .low = 1, .high = 1e9 },
    { "count", WR_OPT_INTEGER, offsetof(config, count), .fallback = "3", .low = 1, .high = 10 },
    { "rate", WR_OPT_RATE, offsetof(config, rate), .fallback = "20/s" },
    { "yes", WR_OPT_BOOL, offsetof(config, yes), .fallback = "false" },
    { "start", WR_OPT_ENUM, offsetof(config, start), .fallback = "latest",
      .choices = "earliest|latest" },
    { "brokers", WR_OPT_LIST, offsetof(config, brokers) },
    { "headers", WR_OPT_MAP, offsetof(config, headers) },
    { "tls", WR_OPT_GROUP, offsetof(config, tls), .group = tls_table, .doc = "a group" },
    { 0 },
};

static uint32_t
read_text(const char *text, config *c, char *first, size_t size)
{
    wr_arena arena;
    wr_report report;
    wr_node *root = NULL;
    wr_arena_init(&arena, NULL);
    wr_report_init(&report);
    (void)!wr_document_parse("t.yaml", text, strlen(text), &arena, &report, &root);
    if (root != NULL)
        (void)!wr_options_read(table, root, root, NULL, c, sizeof *c, &arena, &report);
    uint32_t errors = report.errors;
    first[0] = '\0';
    if (report.count > 0)
        snprintf(first, size, "%s | %s", report.items[0]->error.text, report.items[0]->error.hint);
    wr_report_fini(&report);
    wr_arena_fini(&arena);
    return errors;
}

static void
defaults_stand_where_nothing_is_said(void **state)
{
    config c;
    char first[WEIR_ERROR_TEXT_MAX + 300];
    (void)state;
    assert_int_equal(read_text("topic: t\n", &c, first, sizeof first), 0);
    assert_int_equal(c.linger, 5000);
    assert_int_equal(c.bytes, 1 << 20);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.start, 1);
    assert_false(c.yes);
    assert_int_equal(c.brokers.count, 0);
}

static void
all_types(void **state)
{
    config c;
    wr_arena arena;
    wr_report report;
    wr_node *root = NULL;
    (void)state;
    const char *text = "topic: t\nlinger: 1s\nbytes: 2KB\ncount: 0_7\nrate: 5/min\nyes: on\nstart: "
                       "earliest\nbrokers: [a:1, b:2]\nheaders: {x: 1, y: two}\n";
    wr_arena_init(&arena, NULL);
    wr_report_init(&report);
    assert_int_equal(wr_document_parse("t", text, strlen(text), &arena, &report, &root), WEIR_OK);
    assert_int_equal(wr_options_read(table, root, root, NULL, &c, sizeof c, &arena, &report),
                     WEIR_OK);
    assert_string_equal(c.topic, "t");
    assert_int_equal(c.linger, 1000000);
    assert_int_equal(c.bytes, 2000);
    assert_int_equal(c.count, 7);
    assert_true(c.rate > 0.0833 && c.rate < 0.0834);
    assert_true(c.yes);
    assert_int_equal(c.start, 0);
    assert_int_equal(c.brokers.count, 2);
    assert_string_equal(c.brokers.items[1], "b:2");
    assert_int_equal(c.headers.count, 2);
    assert_string_equal(c.headers.values[1], "two");
    wr_report_fini(&report);
    wr_arena_fini(&arena);
}

static void
a_group_is_a_map_with_a_table_of_its_own(void **state)
{
    static const struct {
        const char *file, *text, *cert;
    } cases[] = { { "dir/t.yaml", "topic: t\ntls: {cert: a.pem}\n", "dir/a.pem" },
                  { "dir/t.yaml", "topic: t\ntls: {cert: /x/a.pem}\n", "/x/a.pem" },
                  { "t.yaml", "topic: t\ntls: {cert: a.pem}\n", "a.pem" } };
    (void)state;
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        config c;
        wr_arena arena;
        wr_report report;
        wr_node *root = NULL;
        wr_arena_init(&arena, NULL);
        wr_report_init(&report);
        assert_int_equal(wr_document_parse(cases[i].file, cases[i].text, strlen(cases[i].text), &arena, &report, &root),
                         WEIR_OK);
        assert_int_equal(wr_options_read(table, root, root, NULL, &c, sizeof c, &arena, &report), WEIR_OK);
        assert_true(c.tls);
        assert_string_equal(c.cert, cases[i].cert); /* relative to the file that says it */
        assert_int_equal(c.depth, 4);
        assert_string_equal(c.topic, "t");
        wr_report_fini(&report);
        wr_arena_fini(&arena);
    }
    config c;
    char first[WEIR_ERROR_TEXT_MAX + 300];
    assert_int_equal(read_text("topic: t\n", &c, first, sizeof first), 0);
    assert_true(!c.tls && c.cert == NULL && c.depth == 0); /* nothing of it, its defaults neither */
}

static const struct {
    const char *text, *says;
} bad[] = {
    { "linger: 1s\n", "`topic` is missing" },
    { "topic: t\ntopik: x\n", "did you mean `topic`" },
    { "topic: t\nzzz: x\n", "known here" },
    { "topic: t\nlinger: 10\n", "not a duration" },
    { "topic: t\nlinger: -1s\n", "not a duration" },
    { "topic: t\nlinger: 2 days\n", "out of bounds" },
    { "topic: t\nlinger: 1e400s\n", "not a duration" },
    { "topic: t\nbytes: 64\n", "not a size" },
    { "topic: t\nbytes: 64XB\n", "not a size" },
    { "topic: t\ncount: 11\n", "from 1 to 10" },
    { "topic: t\ncount: 0\n", "out of bounds" },
    { "topic: t\ncount: 1.5\n", "not a whole number" },
    { "topic: t\ncount: _5\n", "not a whole number" },
    { "topic: t\ncount: 5_\n", "not a whole number" },
    { "topic: t\ncount: 1__0\n", "not a whole number" },
    { "topic: t\ncount: 1_1\n", "from 1 to 10" },
    { "topic: t\ncount: 99999999999999999999\n", "not a whole number" },
    { "topic: t\nrate: 20\n", "not a rate" },
    { "topic: t\nrate: -1/s\n", "not a rate" },
    { "topic: t\nyes: maybe\n", "neither true nor false" },
    { "topic: t\nstart: first\n", "earliest|latest" },
    { "topic: {a: 1}\n", "not a map" },
    { "topic: [a]\n", "not a list" },
    { "topic: t\nbrokers: {a: 1}\n", "must be a list" },
    { "topic: t\nbrokers: [[a]]\n", "plain values" },
    { "topic: t\nheaders: x\n", "must be a map" },
    { "topic: t\ntls: on\n", "must be a map" },
    { "topic: t\ntls: {}\n", "`cert` is missing" },
    { "topic: t\ntls: {cert: a, depht: 1}\n", "did you mean `depth`" },
    { "topic: t\ntls: {cert: a, depth: 10}\n", "from 1 to 9" },
    { "topic: t\ntls: {cert: [a]}\n", "must be a file, not a list" },
};

static void
mistakes_say_what_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < WR_COUNT(bad); i++) {
        config c;
        char first[WEIR_ERROR_TEXT_MAX + 300];
        assert_true(read_text(bad[i].text, &c, first, sizeof first) > 0);
        if (strstr(first, bad[i].says) == NULL)
            fail_msg("%s says: %s", bad[i].text, first);
    }
}

static void
all_mistakes_in_one_run(void **state)
{
    config c;
    char first[WEIR_ERROR_TEXT_MAX + 300];
    (void)state;
    assert_int_equal(read_text("linger: 10\ncount: x\nzz: 1\n", &c, first, sizeof first), 4);
}

static void
units_print(void **state)
{
    wr_text t;
    (void)state;
    wr_text_init(&t, NULL);
    wr_duration_print(1500000, &t);
    wr_text_putc(&t, ' ');
    wr_bytes_print(12300000, &t);
    assert_string_equal(wr_text_string(&t), "1.5 s 12.3 MB");
    wr_text_fini(&t);
}

WR_TESTS = { WR_TEST(defaults_stand_where_nothing_is_said),
             WR_TEST(all_types),
    WR_TEST(a_group_is_a_map_with_a_table_of_its_own),
             WR_TEST(mistakes_say_what_to_do),
             WR_TEST(all_mistakes_in_one_run),
             WR_TEST(units_print),
             { NULL, NULL } };
