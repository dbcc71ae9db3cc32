/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_test.c -- bad pipeline files: each is refused with the right code, at the right place, in words that name
 * what is wrong; what is refused leaves nothing behind.
 *
 * The first report of a file is compared: code, line, column, and a part of the text.
 */
#include "support/test.h"

#include "weir/weir.h"

#include <stdio.h>
#include <stdlib.h>

/* A sound source that most files begin with. */
#define A                                                                                          \
    "sources:\n"                                                                                   \
    "  a:\n"                                                                                       \
    "    push: {}\n"                                                                               \
    "    columns: \"k bigint, v numeric, ts timestamptz NOT NULL\"\n"                              \
    "    watermark: ts - interval '5 seconds'\n"

typedef struct bad_file {
    const char *name;
    weir_status code;
    int32_t     line, column;
    const char *words, *text;
} bad_file;

/* clang-format off */
static const bad_file bad_files[] = {
    { "not_yaml", WEIR_CONFIG_SYNTAX, 2, 1, "not valid YAML: did not",
      "sources: [\n" },
    { "tab_indent", WEIR_CONFIG_SYNTAX, 2, 1, "not valid YAML: found character",
      "sources:\n"
      "\ta: 1\n" },
    { "a_list_is_no_pipeline", WEIR_CONFIG, 1, 1, "`sources`",
      "- a\n"
      "- b\n" },
    { "empty_file", WEIR_CONFIG, 1, 1, "`sources`",
      "\n" },
    { "neither_sources_nor_views", WEIR_CONFIG_MISSING, 1, 1, "the pipeline has neither sources nor views",
      "name: nothing\n" },
    { "unknown_root_key", WEIR_CONFIG_UNKNOWN_KEY, 1, 1, "unknown key `source`",
      "source:\n"
      "  a: {}\n"
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: \"k bigint, v numeric, ts timestamptz NOT NULL\"\n"
      "    watermark: ts - interval '5 seconds'\n" },
    { "key_twice", WEIR_CONFIG_DUPLICATE_KEY, 4, 5, "key `push` stands twice",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    push: {}\n"
      "    columns: k bigint\n" },
    { "name_twice", WEIR_CONFIG_DUPLICATE_KEY, 6, 3, "key `a` stands twice",
      A "  a:\n"
      "    push: {}\n"
      "    columns: k bigint\n" },
    { "sources_is_a_list", WEIR_CONFIG_VALUE, 2, 3, "must be a map of names",
      "sources:\n"
      "  - a\n" },
    { "bare_duration", WEIR_CONFIG_VALUE, 6, 19, "`30` is not a duration",
      A "    idle_timeout: 30\n" },
    { "wrong_unit", WEIR_CONFIG_VALUE, 6, 19, "`30 parsecs` is not a duration",
      A "    idle_timeout: 30 parsecs\n" },
    { "bare_size", WEIR_CONFIG_VALUE, 6, 13, "`65536000` is not a size",
      A "    buffer: 65536000\n" },
    { "size_below_the_least", WEIR_CONFIG_VALUE, 6, 13, "`1kB` is out of bounds for `buffer`",
      A "    buffer: 1kB\n" },
    { "unknown_choice", WEIR_CONFIG_VALUE, 6, 11, "`dropp` is not a choice of `late`",
      A "    late: dropp\n" },
    { "variable_unset", WEIR_CONFIG_VARIABLE, 6, 11, "variable WEIR_TEST_NOT_SET is not set",
      A "    late: ${WEIR_TEST_NOT_SET}\n" },
    { "variable_unset_with_message", WEIR_CONFIG_VARIABLE, 6, 11, "variable WEIR_TEST_NOT_SET is not set:",
      A "    late: \"${WEIR_TEST_NOT_SET:?say how late}\"\n" },
    { "variable_not_closed", WEIR_CONFIG_VARIABLE, 6, 11, "`${` without `}`",
      A "    late: \"${WEIR_TEST_NOT_SET\"\n" },
    { "secret_missing", WEIR_CONFIG_VARIABLE, 6, 35, "`weir_test_no_such_secret`",
      A "serve: { tcp: 127.0.0.1:0, token: !secret weir_test_no_such_secret }\n" },
    { "unknown_tag", WEIR_CONFIG_SYNTAX, 6, 15, "unknown tag `!vault`",
      A "serve: { tcp: !vault x }\n" },
    { "source_is_a_word", WEIR_CONFIG_VALUE, 2, 6, "source `a` must be a map",
      "sources:\n"
      "  a: kafka\n" },
    { "source_without_connector", WEIR_CONFIG_MISSING, 2, 3, "source `a` has no connector",
      "sources:\n"
      "  a:\n"
      "    columns: k bigint\n" },
    { "two_connectors", WEIR_CONFIG_VALUE, 4, 5, "`a`",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    nexmark: {}\n"
      "    columns: k bigint\n" },
    { "unknown_connector", WEIR_CONFIG_UNKNOWN_KEY, 3, 5, "no connector or option is called `kafak`",
      "sources:\n"
      "  a:\n"
      "    kafak: { topic: t }\n" },
    { "name_with_capitals", WEIR_CONFIG_VALUE, 2, 3, "`Bids` cannot be a name",
      "sources:\n"
      "  Bids:\n"
      "    push: {}\n"
      "    columns: k bigint\n" },
    { "debezium_path", WEIR_CONFIG_VALUE, 6, 14, "is none into a change event",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    key: id\n"
      "    format: debezium\n"
      "    columns: \"id bigint, ts timestamp OPTIONS (path '$.source..ts_ms')\"\n" },
    { "json_path", WEIR_CONFIG_VALUE, 4, 14, "\"a..b\" of column id is not like",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: \"id bigint OPTIONS (path 'a..b')\"\n" },
    { "asof_left_changes", WEIR_QUERY_UNSUPPORTED, 12, 67, "an as-of join cannot take back what it has given",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    key: id\n"
      "    columns: \"id bigint, k text, ts timestamp\"\n"
      "    watermark: ts - interval '1 s'\n"
      "  b:\n"
      "    push: {}\n"
      "    columns: \"k text, px bigint, ts timestamp\"\n"
      "    watermark: ts - interval '1 s'\n"
      "views:\n"
      "  v: { sql: \"SELECT a.id, b.px FROM a JOIN asof(b) b ON b.k = a.k AND b.ts <= a.ts\" }\n" },
    { "sessions_cannot_shed", WEIR_QUERY_UNSUPPORTED, 7, 3, "its session_aggregate keeps all rows it needs",
      A "views:\n"
      "  v:\n"
      "    sql: SELECT k, count(*) AS n FROM session(a, ts, interval '10 s', k) GROUP BY k, window_start, window_end\n"
      "    limits: { memory: 1MB, on_memory: shed }\n" },
    { "ttl_cannot_shed", WEIR_QUERY_UNSUPPORTED, 7, 3, "its aggregate with a ttl keeps",
      A "views:\n"
      "  v:\n"
      "    sql: SELECT k, count(*) AS n FROM a GROUP BY k\n"
      "    state: { ttl: 1h }\n"
      "    limits: { memory: 1MB, on_memory: shed }\n" },
    { "top_n_cannot_shed", WEIR_QUERY_UNSUPPORTED, 7, 3, "its top_n keeps all rows",
      A "views:\n"
      "  v:\n"
      "    sql: SELECT k FROM (SELECT k, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS r FROM a) AS t WHERE r <= 2\n"
      "    state: { unbounded: true }\n"
      "    limits: { memory: 1MB, on_memory: shed }\n" },
    { "kafka_without_topic", WEIR_CONFIG_MISSING, 3, 5, "`topic` is missing",
      "sources:\n"
      "  a:\n"
      "    kafka: { brokers: \"localhost:9092\" }\n"
      "    columns: k bigint\n" },
    { "kafka_unknown_option", WEIR_CONFIG_UNKNOWN_KEY, 3, 51, "unknown key `offset`",
      "sources:\n"
      "  a:\n"
      "    kafka: { brokers: \"localhost:9092\", topic: t, offset: latest }\n"
      "    columns: k bigint\n" },
    { "kafka_property_refused", WEIR_CONFIG_VALUE, 3, 5, "\"plugin.library.paths\"",
      "sources:\n"
      "  a:\n"
      "    kafka: { brokers: \"localhost:9092\", topic: t, properties: { plugin.library.paths: /tmp/x.so } }\n"
      "    columns: k bigint\n" },
    { "kafka_start_committed_without_group", WEIR_CONFIG_MISSING, 3, 5, "start: committed wants a group",
      "sources:\n"
      "  a:\n"
      "    kafka: { brokers: \"localhost:9092\", topic: t, start: committed }\n"
      "    columns: k bigint\n" },
    { "kafka_bad_start_time", WEIR_ROW_TYPE, 3, 5, "\"noon\"",
      "sources:\n"
      "  a:\n"
      "    kafka: { brokers: \"localhost:9092\", topic: t, start: timestamp, start_time: noon }\n"
      "    columns: k bigint\n" },
    { "option_of_the_other_map", WEIR_CONFIG_UNKNOWN_KEY, 3, 13, "unknown key `watermark`",
      "sources:\n"
      "  a:\n"
      "    push: { watermark: ts }\n"
      "    columns: ts timestamptz\n" },
    { "missing_columns", WEIR_CONFIG_MISSING, 2, 3, "`a`",
      "sources:\n"
      "  a:\n"
      "    push: {}\n" },
    { "empty_columns", WEIR_QUERY_SYNTAX, 4, 15, "there is no column",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: \"\"\n" },
    { "column_of_unknown_type", WEIR_QUERY_TYPE, 6, 9, "type \"money\" does not exist",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: |\n"
      "      k bigint,\n"
      "      v money\n" },
    { "column_twice", WEIR_CONFIG_DUPLICATE_KEY, 6, 7, "column \"k\" specified more than once",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: |\n"
      "      k bigint,\n"
      "      k text\n" },
    { "columns_not_a_list", WEIR_QUERY_SYNTAX, 5, 16, "syntax error at or near \"NOTNULL\"",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: |\n"
      "      k bigint NOTNULL\n" },
    { "unknown_format", WEIR_CONFIG_VALUE, 4, 13, "no format is called `jsonl`",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    format: jsonl\n"
      "    columns: \"k bigint, v numeric, ts timestamptz NOT NULL\"\n"
      "    watermark: ts - interval '5 seconds'\n" },
    { "unknown_format_option", WEIR_CONFIG_UNKNOWN_KEY, 4, 22, "unknown key `headers`",
      "sources:\n"
      "  a:\n"
      "    file: { path: x }\n"
      "    format: { csv: { headers: true } }\n"
      "    columns: k bigint\n" },
    { "watermark_not_a_time", WEIR_CONFIG_VALUE, 5, 16, "the watermark of `a` must be a timestamp",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: \"k bigint, v numeric, ts timestamptz NOT NULL\"\n"
      "    watermark: k\n" },
    { "watermark_of_two_columns", WEIR_CONFIG_VALUE, 5, 16, "`a`",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: a timestamptz, b timestamptz\n"
      "    watermark: greatest(a, b)\n" },
    { "watermark_of_no_column", WEIR_QUERY_NO_COLUMN, 5, 16, "column \"tz\" does not exist",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: \"k bigint, v numeric, ts timestamptz NOT NULL\"\n"
      "    watermark: tz - interval '5 seconds'\n" },
    { "watermark_syntax", WEIR_QUERY_SYNTAX, 5, 22, "syntax error at end of input",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: \"k bigint, v numeric, ts timestamptz NOT NULL\"\n"
      "    watermark: ts - - \n" },
    { "view_without_sql", WEIR_CONFIG_MISSING, 7, 3, "view `x` needs `sql`",
      A "views:\n"
      "  x:\n"
      "    emit: final\n" },
    { "sql_and_sql_file", WEIR_CONFIG_MISSING, 7, 3, "`x`",
      A "views:\n"
      "  x:\n"
      "    sql: SELECT 1\n"
      "    sql_file: x.sql\n" },
    { "sql_file_missing", WEIR_CONFIG_FILE, 7, 3, "no_such_file.sql",
      A "views:\n"
      "  x:\n"
      "    sql_file: no_such_file.sql\n" },
    { "unknown_view_key", WEIR_CONFIG_UNKNOWN_KEY, 8, 5, "unknown key `emitt`",
      A "views:\n"
      "  x:\n"
      "    emitt: final\n"
      "    sql: |\n"
      "      SELECT k FROM a\n" },
    { "sql_syntax", WEIR_QUERY_SYNTAX, 11, 12, "syntax error at or near \"k\"",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k\n"
      "      FROM a\n"
      "      WERE k > 1\n" },
    { "sql_unknown_column", WEIR_QUERY_NO_COLUMN, 10, 14, "column \"nope\" does not exist",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k,\n"
      "             nope\n"
      "      FROM a\n" },
    { "sql_unknown_relation", WEIR_QUERY_NO_RELATION, 9, 21, "relation \"bids\" does not exist",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM bids\n" },
    { "sql_unknown_function", WEIR_QUERY_NO_FUNCTION, 9, 17, "function uper(numeric) does not exist",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k, uper(v) FROM a\n" },
    { "sql_types", WEIR_QUERY_NO_FUNCTION, 9, 31, "operator does not exist: bigint + boolean",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM a WHERE k + true > 1\n" },
    { "sql_not_grouped", WEIR_QUERY_GROUPING, 9, 17, "\"tumble.v\"",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k, v FROM tumble(a, ts, interval '10 s') GROUP BY window_start, k\n" },
    { "sql_ambiguous", WEIR_QUERY_AMBIGUOUS, 9, 14, "column reference \"k\" is ambiguous",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM a x JOIN a y ON x.k = y.k AND x.ts = y.ts\n" },
    { "sql_two_statements", WEIR_QUERY_SYNTAX, 9, 23, "one statement is expected, not 2",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM a; SELECT k FROM a\n" },
    { "sql_is_an_insert", WEIR_QUERY_UNSUPPORTED, 9, 7, "only SELECT, WITH and VALUES are queries",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      INSERT INTO y SELECT k FROM a\n" },
    { "sql_window_slide_above_size", WEIR_QUERY_WINDOW, 9, 42, "the window's slide must not",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT window_start, count(*) FROM hop(a, ts, interval '20 s', interval '10 s') GROUP BY window_start\n" },
    { "sql_window_of_a_month", WEIR_QUERY_WINDOW, 9, 65, "tumble: months have no fixed length",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT window_start, count(*) FROM tumble(a, ts, interval '1 month') GROUP BY window_start\n" },
    { "sql_plain_scalar", WEIR_QUERY_NO_COLUMN, 8, 17, "column \"nope\" does not exist",
      A "views:\n"
      "  x:\n"
      "    sql: SELECT nope FROM a\n" },
    { "trap_double_equals", WEIR_QUERY_TRAP, 9, 31, "there is no such operator: \"==\"",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM a WHERE k == 1\n" },
    { "trap_asof", WEIR_QUERY_TRAP, 9, 23, "\"ASOF\"",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM a ASOF JOIN a b ON true\n" },
    { "trap_plural_unit", WEIR_QUERY_TRAP, 9, 75, "\"minutes\"",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM a WHERE ts > timestamptz '2026-01-01' + interval '10' minutes\n" },
    { "trap_interval_without_unit", WEIR_QUERY_TRAP, 9, 28, "interval '10' has no unit:",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT ts + interval '10' FROM a\n" },
    { "trap_user", WEIR_QUERY_TRAP, 9, 14, "user without quotes is CURRENT_USER,",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT user FROM a\n" },
    { "trap_backticks", WEIR_QUERY_SYNTAX, 9, 14, "names are not quoted with backticks",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT `k` FROM a\n" },
    { "trap_final", WEIR_QUERY_TRAP, 9, 23, "\"FINAL\"",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM a FINAL\n" },
    { "unbounded_group_by", WEIR_QUERY_UNBOUNDED, 10, 23, "GROUP BY keeps every key",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k, count(*)\n"
      "      FROM a GROUP BY k\n" },
    { "unbounded_distinct", WEIR_QUERY_UNBOUNDED, 9, 30, "DISTINCT keeps every row it",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT DISTINCT k FROM a\n" },
    { "unbounded_join", WEIR_QUERY_UNBOUNDED, 9, 39, "the join keeps every row",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT x.k FROM a x JOIN a y ON x.k = y.k\n" },
    { "unbounded_order_by", WEIR_QUERY_UNBOUNDED, 9, 32, "ORDER BY waits for the",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM a ORDER BY k\n" },
    { "window_without_watermark", WEIR_QUERY_UNBOUNDED, 8, 42, "the windows never close: their",
      "sources:\n"
      "  a:\n"
      "    push: {}\n"
      "    columns: \"k bigint, v numeric, ts timestamptz NOT NULL\"\n"
      "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT window_start, count(*) FROM tumble(a, ts, interval '10 s') GROUP BY window_start\n" },
    { "view_that_reads_itself", WEIR_CONFIG_REFERENCE, 7, 3, "view `x` reads itself",
      A "views:\n"
      "  x:\n"
      "    sql: |\n"
      "      SELECT k FROM x\n" },
    { "views_in_a_circle", WEIR_CONFIG_REFERENCE, 7, 3, "view `x` reads itself",
      A "views:\n"
      "  x: { sql: SELECT k FROM y }\n"
      "  y: { sql: SELECT k FROM x }\n" },
    { "view_named_as_a_source", WEIR_CONFIG_DUPLICATE_KEY, 7, 3, "`a` is a source already",
      A "views:\n"
      "  a:\n"
      "    sql: |\n"
      "      SELECT k FROM a\n" },
    { "on_memory_unknown", WEIR_CONFIG_VALUE, 8, 26, "`spill` is not a choice of `on_memory`",
      A "views:\n"
      "  x:\n"
      "    limits: { on_memory: spill }\n"
      "    sql: |\n"
      "      SELECT k FROM a\n" },
    { "sink_without_from", WEIR_CONFIG_MISSING, 7, 3, "`from` is missing",
      A "sinks:\n"
      "  s: { stdout: {} }\n" },
    { "sink_of_unknown_view", WEIR_CONFIG_REFERENCE, 11, 14, "no source or view is called `per_keyy`",
      A "views:\n"
      "  per_key:\n"
      "    sql: |\n"
      "      SELECT k FROM a\n"
      "sinks:\n"
      "  s: { from: per_keyy, stdout: {} }\n" },
    { "sink_without_connector", WEIR_CONFIG_MISSING, 7, 3, "sink `s` has no connector",
      A "sinks:\n"
      "  s: { from: a }\n" },
    { "sink_unknown_format", WEIR_CONFIG_VALUE, 7, 37, "no format is called `xml`",
      A "sinks:\n"
      "  s: { from: a, stdout: {}, format: xml }\n" },
    { "sink_kafka_key_is_no_column", WEIR_CONFIG_REFERENCE, 7, 3, "key: there is no column \"nope\"",
      A "sinks:\n"
      "  s: { from: a, kafka: { brokers: \"localhost:9092\", topic: t, key: nope } }\n" },
    { "sink_unknown_key", WEIR_CONFIG_UNKNOWN_KEY, 7, 29, "unknown key `batch` in sink `s`",
      A "sinks:\n"
      "  s: { from: a, stdout: {}, batch: 10 }\n" },
    { "too_many_workers", WEIR_CONFIG_VALUE, 6, 20, "`1000` is out of bounds for `workers`",
      A "limits: { workers: 1000 }\n" },
    { "checkpoint_interval_too_short", WEIR_CONFIG_VALUE, 6, 36, "`1ms` is out of bounds for `interval`",
      A "checkpoint: { dir: /tmp, interval: 1ms }\n" },
};
/* clang-format on */

static weir *
engine_open(void)
{
    weir      *engine = NULL;
    weir_error err = { 0 };
    assert_int_equal(weir_open(&(weir_options){ .workers = 1 }, &engine, &err), WEIR_OK);
    return engine;
}

/* Is the first mistake the expected one?  Says what differs. */
static bool
first_is(const weir_report *report, const bad_file *want)
{
    weir_diagnostic got;
    if (weir_report_errors(report) == 0) {
        print_error("%s: is accepted\n", want->name);
        return false;
    }
    weir_report_get(report, 0, &got);
    const weir_error *e = &got.error;
    bool same = e->code == want->code && e->line == want->line && e->column == want->column &&
                strstr(e->text, want->words) != NULL;
    if (!same)
        print_error("%s: want %s at %d:%d with \"%s\", have %s at %d:%d: %s\n", want->name,
                    weir_status_name(want->code), want->line, want->column, want->words,
                    weir_status_name(e->code), e->line, e->column, e->text);
    return same;
}

static void
bad_files_are_refused_at_their_place(void **state)
{
    (void) state;
    weir    *engine = engine_open();
    uint32_t wrong = 0;
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        const bad_file *f = &bad_files[i];
        weir_pipeline  *pipeline = NULL;
        weir_report    *report = weir_report_open();
        weir_status     status = weir_pipeline_load(engine, "bad.yaml", f->text, NULL, NULL, report, &pipeline);
        if (status == WEIR_OK || pipeline != NULL || weir_pipeline_at(engine, 0) != NULL) {
            print_error("%s: is loaded\n", f->name);
            wrong++;
        } else {
            wrong += !first_is(report, f);
        }
        weir_report_close(report);
    }
    weir_close(engine);
    assert_int_equal(wrong, 0);
}

/* One run tells all: a bad option, a bad column list and a bad query of one file. */
static void
every_mistake_is_reported(void **state)
{
    (void) state;
    static const char text[] = "sources:\n"
                               "  a:\n"
                               "    push: {}\n"
                               "    latee: drop\n"
                               "    columns: k bigint, ts timestamptz\n"
                               "  b:\n"
                               "    push: {}\n"
                               "    columns: k bigit\n"
                               "views:\n"
                               "  x:\n"
                               "    sql: SELECT nope FROM a\n"
                               "sinks:\n"
                               "  s: { from: y, stdout: {} }\n";
    static const weir_status want[] = { WEIR_CONFIG_UNKNOWN_KEY, WEIR_QUERY_TYPE, WEIR_QUERY_NO_COLUMN,
                                        WEIR_CONFIG_REFERENCE };
    weir          *engine = engine_open();
    weir_pipeline *pipeline = NULL;
    weir_report   *report = weir_report_open();
    assert_int_not_equal(weir_pipeline_load(engine, "all.yaml", text, NULL, NULL, report, &pipeline), WEIR_OK);
    assert_int_equal(weir_report_count(report), sizeof want / sizeof want[0]);
    for (uint32_t i = 0; i < weir_report_count(report); i++) {
        weir_diagnostic d;
        weir_report_get(report, i, &d);
        assert_int_equal(d.error.code, want[i]);
        assert_string_equal(d.file, "all.yaml");
    }
    weir_report_close(report);
    weir_close(engine);
}

/* A secret that does not fit where it stands is refused without being shown, in the line of the file too. */
static void
secrets_are_not_printed(void **state)
{
    (void) state;
    static const char text[] = A "    late: !secret weir_load_test\n";
    weir             *engine = engine_open();
    weir_pipeline    *pipeline = NULL;
    weir_report      *report = weir_report_open();
    setenv("weir_load_test", "hunter2", 1);
    assert_int_not_equal(weir_pipeline_load(engine, "secret.yaml", text, NULL, NULL, report, &pipeline), WEIR_OK);
    char *people = weir_report_print(report, false), *json = weir_report_print_json(report);
    assert_null(strstr(people, "hunter2"));
    assert_null(strstr(json, "hunter2"));
    weir_free(people);
    weir_free(json);
    weir_report_close(report);
    weir_close(engine);
}

/* Overrides that name nothing are mistakes as well. */
static void
overrides_must_name_something(void **state)
{
    (void) state;
    static const char  text[] = A "views:\n  x: { sql: SELECT k FROM a }\n";
    const char *const  no_source[] = { "nope=x.jsonl", NULL }, *const no_view[] = { "nope=-", NULL };
    weir              *engine = engine_open();
    weir_pipeline     *pipeline = NULL;
    weir_report       *report = weir_report_open();
    assert_int_equal(weir_pipeline_load(engine, "o.yaml", text, no_source, NULL, report, &pipeline), WEIR_USAGE);
    weir_report_close(report);
    report = weir_report_open();
    assert_int_equal(weir_pipeline_load(engine, "o.yaml", text, NULL, no_view, report, &pipeline),
                     WEIR_CONFIG_REFERENCE);
    weir_report_close(report);
    weir_close(engine);
}

static void
a_missing_file_is_reported(void **state)
{
    (void) state;
    weir          *engine = engine_open();
    weir_pipeline *pipeline = NULL;
    weir_report   *report = weir_report_open();
    assert_int_equal(weir_pipeline_load(engine, "no/such/file.yaml", NULL, NULL, NULL, report, &pipeline),
                     WEIR_CONFIG_FILE);
    assert_null(pipeline);
    weir_report_close(report);
    weir_close(engine);
}

WR_TESTS = {
    WR_TEST(bad_files_are_refused_at_their_place),
    WR_TEST(every_mistake_is_reported),
    WR_TEST(secrets_are_not_printed),
    WR_TEST(overrides_must_name_something),
    WR_TEST(a_missing_file_is_reported),
    { NULL, NULL },
};
