/* SPDX-License-Identifier: Apache-2.0 */
/* document_test.c -- D1..D3 of config/document.h, and what hostile or sloppy YAML gives. */
#include "support/test.h"

#include "config/document.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct fixture {
    wr_arena arena;
    wr_report report;
    wr_node *root;
} fixture;

static void
parse(fixture *f, const char *text, size_t length)
{
    wr_arena_init(&f->arena, NULL);
    wr_report_init(&f->report);
    (void)!wr_document_parse("t.yaml", text, length, &f->arena, &f->report, &f->root);
}

static void
end(fixture *f)
{
    wr_report_fini(&f->report);
    wr_arena_fini(&f->arena);
}

static void
nodes_know_their_place(void **state) /* D1, D3 */
{
    fixture f;
    const char *text = "a: no\nb:\n  c: [1, \"x\"]\n  sql: |\n    SELECT 1\n    FROM t\n";
    (void)state;
    parse(&f, text, strlen(text));
    assert_int_equal(f.report.errors, 0);
    const wr_node *a = wr_node_get(f.root, "a"), *b = wr_node_get(f.root, "b");
    assert_string_equal(a->text, "no");
    assert_int_equal(a->line, 1);
    assert_int_equal(a->column, 4);
    const wr_node *c = wr_node_get(b, "c");
    assert_int_equal(c->count, 2);
    assert_true(c->items[1]->quoted);
    assert_int_equal(c->items[1]->column, 10);
    const wr_node *sql = wr_node_get(b, "sql");
    assert_true(sql->block);
    assert_int_equal(sql->block_line, 5);
    assert_int_equal(sql->block_column, 5);
    assert_string_equal(sql->text, "SELECT 1\nFROM t\n");
    end(&f);
}

static const struct {
    const char *name, *text;
    int line; /* of the first error */
    const char *says;
} bad[] = {
    { "duplicate key", "a: 1\nb: 2\na: 3\n", 3, "stands twice" },
    { "duplicate key in flow", "x: {a: 1, a: 2}\n", 1, "stands twice" },
    { "alias", "a: &x 1\nb: *x\n", 2, "aliases" },
    { "alias bomb", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", 2, "aliases" },
    { "unknown tag", "a: !!python/object:os.system x\n", 1, "tag" },
    { "own tag", "a: !thing x\n", 1, "tag" },
    { "tab indent", "a:\n\tb: 1\n", 2, "not valid YAML" },
    { "unclosed flow map", "a: {b: 1\n", 2, "not valid YAML" },
    { "unclosed flow list", "a: [1, 2\nb: 3\n", 2, "not valid YAML" },
    { "unclosed quote", "a: \"x\nb: 1\n", 3, "not valid YAML" },
    { "bad indent", "a: 1\n  b: 2\n", 2, "not valid YAML" },
    { "colon in plain", "a: b: c\n", 1, "not valid YAML" },
    { "two documents", "a: 1\n---\nb: 2\n", 2, "second document" },
    { "map as key", "? {a: 1}\n: 2\n", 1, "plain word" },
    { "bad escape", "a: \"\\q\"\n", 1, "not valid YAML" },
    { "control character", "a: \x01\n", 1, "not valid YAML" },
    { "bad UTF-8", "a: \xff\xfe\xfd\n", 1, "" },
    { "truncated UTF-8", "a: \xe2\x82", 1, "" },
    { "percent directive", "%FOO bar\n--- a\n", 0, "" },
    { "bare at sign", "a: @x\n", 1, "not valid YAML" },
    { "bare backtick", "a: `x`\n", 1, "not valid YAML" },
};

static void
bad_files_are_reported(void **state) /* D2 */
{
    (void)state;
    for (size_t i = 0; i < WR_COUNT(bad); i++) {
        fixture f;
        parse(&f, bad[i].text, strlen(bad[i].text));
        if (strcmp(bad[i].name, "percent directive") != 0) /* a warning to libyaml */
            assert_true(f.report.errors > 0);
        if (f.report.count > 0) {
            if (bad[i].line > 0 && f.report.items[0]->error.line != bad[i].line)
                fail_msg("%s: line %d, not %d: %s", bad[i].name, f.report.items[0]->error.line,
                         bad[i].line, f.report.items[0]->error.text);
            if (strstr(f.report.items[0]->error.text, bad[i].says) == NULL)
                fail_msg("%s: says \"%s\"", bad[i].name, f.report.items[0]->error.text);
        }
        end(&f);
    }
}

static void
limits_hold(void **state)
{
    (void)state;
    fixture f;
    char *deep = malloc(200001), *flow = malloc(60001);
    size_t n = 0;
    for (int i = 0; i < 100; i++) { /* 100 levels of block maps */
        memset(deep + n, ' ', (size_t)i);
        n += (size_t)i;
        memcpy(deep + n, "a:\n", 3);
        n += 3;
    }
    parse(&f, deep, n);
    assert_true(f.report.errors > 0);
    assert_non_null(strstr(f.report.items[0]->error.text, "deeper"));
    end(&f);
    memset(flow, '[', 60000);
    parse(&f, flow, 60000);
    assert_true(f.report.errors > 0);
    assert_non_null(strstr(f.report.items[0]->error.text, "brackets"));
    end(&f);
    char *big = calloc(1, WR_DOCUMENT_BYTES_MAX + 2);
    memset(big, 'a', WR_DOCUMENT_BYTES_MAX + 1);
    parse(&f, big, WR_DOCUMENT_BYTES_MAX + 1);
    assert_true(f.report.errors > 0);
    end(&f);
    parse(&f, "a: \0b\n", 6);
    end(&f);
    parse(&f, "", 0);
    assert_null(f.root);
    end(&f);
    free(deep);
    free(flow);
    free(big);
}

static void
every_truncation_is_survived(void **state)
{
    (void)state;
    const char *text = "name: x\nsources: {a: {kafka: {brokers: \"${K:-l}\", topic: 'b'}, columns: "
                       "|\n    a int\n  }}\nlist:\n  - 1\n  - {b: \"\\u00e9\"}\n";
    for (size_t n = 0; n <= strlen(text); n++) {
        fixture f;
        parse(&f, text, n);
        end(&f);
    }
}

static void
variables_stay_inside_their_value(void **state)
{
    fixture f;
    const char *text =
        "a: ${WR_T_SET}\nb: ${WR_T_UNSET:-d}\nc: x${WR_T_SET}y\nd: $${WR_T_SET}\nsql: ${WR_T_SET}\n"
        "e: ${WR_T_UNSET}\nf: ${WR_T_UNSET:?say}\ng: ${not closed\nh: $1 $y$hash\n";
    (void)state;
    setenv("WR_T_SET", "v: [1]", 1);
    unsetenv("WR_T_UNSET");
    parse(&f, text, strlen(text));
    assert_int_equal(f.report.errors, 0);
    wr_document_substitute(f.root, &f.arena, &f.report);
    assert_string_equal(wr_node_get(f.root, "a")->text, "v: [1]");
    assert_string_equal(wr_node_get(f.root, "b")->text, "d");
    assert_string_equal(wr_node_get(f.root, "c")->text, "xv: [1]y");
    assert_string_equal(wr_node_get(f.root, "d")->text, "${WR_T_SET}");
    assert_string_equal(wr_node_get(f.root, "sql")->text, "${WR_T_SET}");
    assert_string_equal(wr_node_get(f.root, "h")->text, "$1 $y$hash");
    assert_int_equal(f.report.errors, 3);
    assert_int_equal(f.report.items[0]->error.line, 6);
    assert_non_null(strstr(f.report.items[1]->error.text, "say"));
    end(&f);
}

WR_TESTS = { WR_TEST(nodes_know_their_place),
             WR_TEST(bad_files_are_reported),
             WR_TEST(limits_hold),
             WR_TEST(every_truncation_is_survived),
             WR_TEST(variables_stay_inside_their_value),
             { NULL, NULL } };
