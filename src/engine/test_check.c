/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/test_check.c -- the words of `tests:` are known ones, and name what is there.
 *
 * Place       when a pipeline is loaded, so that `weir check` tells of a test that could never fail, or never pass.
 * State       none.
 * Invariants  C1  a test has something to expect or a step, and no key that would be passed over
 */
#include "engine/test_impl.h"

#include "config/options.h"

#include <stdio.h>
#include <string.h>

/* As option tables, for their names alone. */
static const wr_option test_keys[] = {
    { "name", WR_OPT_STRING, 0 },    { "given", WR_OPT_MAP, 0 },
    { "expect", WR_OPT_MAP, 0 },     { "steps", WR_OPT_LIST, 0 },
    { "clock", WR_OPT_STRING, 0 },   { "workers", WR_OPT_STRING, 0 },
    { "buffers", WR_OPT_STRING, 0 }, { 0 },
};
static const wr_option step_keys[] = {
    { "feed", WR_OPT_MAP, 0 },
    { "feed_together", WR_OPT_MAP, 0 },
    { "advance", WR_OPT_STRING, 0 },
    { "idle", WR_OPT_STRING, 0 },
    { "restart", WR_OPT_STRING, 0 },
    { "workers", WR_OPT_STRING, 0 },
    { "end", WR_OPT_STRING, 0 },
    { "expect", WR_OPT_MAP, 0 },
    { "expect_changes", WR_OPT_MAP, 0 },
    { "expect_counts", WR_OPT_MAP, 0 },
    { "expect_state", WR_OPT_STRING, 0 },
    { 0 },
};
static const wr_option count_keys[] = {
    { "late", WR_OPT_STRING, 0 },
    { "late_windows", WR_OPT_STRING, 0 },
    { "failed", WR_OPT_STRING, 0 },
    { "filtered", WR_OPT_STRING, 0 },
    { "unknown", WR_OPT_STRING, 0 },
    { "shed", WR_OPT_STRING, 0 },
    { 0 },
};

typedef struct checker {
    weir_pipeline *pipeline;
    wr_report *report;
} checker;

static bool
table_has(const wr_option *table, const char *name)
{
    while (table->name != NULL && strcmp(table->name, name) != 0)
        table++;
    return table->name != NULL;
}

static void
key_check(checker *c, const wr_option *table, const wr_node *key, const char *what)
{
    char hint[300];
    size_t at = 0;
    if (table_has(table, key->text))
        return;
    const char *near = wr_option_near(table, key->text);
    if (near != NULL)
        snprintf(hint, sizeof hint, "did you mean `%s`?", near);
    for (const wr_option *o = table; near == NULL && o->name != NULL && at < sizeof hint; o++)
        at += (size_t)snprintf(hint + at, sizeof hint - at, "%s%s",
                               o == table ? "known here: " : ", ", o->name);
    (void)!wr_node_error(c->report, key, WEIR_CONFIG_UNKNOWN_KEY, hint, "unknown %s `%s`", what,
                         key->text);
}

/* Is there a source, or a view, of that name ("bids/1": of its first part)? */
static bool
relation_is_there(const checker *c, const wr_node *node, bool source)
{
    const wr_spec *spec = c->pipeline->spec;
    size_t length = source ? strcspn(node->text, "/") : strlen(node->text);
    uint32_t i;
    return wr_names_find_bytes(&spec->names, node->text, length, &i) &&
           (i < spec->view_count) == !source;
}

static void
name_check(checker *c, const wr_node *node, bool source)
{
    if (node->kind != WR_NODE_SCALAR || relation_is_there(c, node, source))
        return;
    (void)!wr_node_error(c->report, node, WEIR_CONFIG_REFERENCE,
                         relation_is_there(c, node, !source)
                             ? (source ? "it is a view: rows are fed to sources"
                                       : "it is a source: rows are expected of views")
                             : NULL,
                         "no %s is called `%s`", source ? "source" : "view", node->text);
}

/* A map of relations: its names, and what stands under them. */
static void
map_check(checker *c, const wr_node *key, const wr_node *map, bool source, wr_node_kind under)
{
    if (map->kind != WR_NODE_MAP) {
        (void)!wr_node_error(c->report, map, WEIR_CONFIG_VALUE,
                             source ? "feed: { source: [ { column: value } ] }"
                                    : "expect: { view: [ { column: value } ] }",
                             "`%s` must be a map of %s, not %s", key->text,
                             source ? "sources" : "views", wr_node_kind_name(map));
        return;
    }
    for (uint32_t i = 0; i < map->count; i++) {
        name_check(c, map->keys[i], source);
        if (map->items[i]->kind != under)
            (void)!wr_node_error(
                c->report, map->items[i], WEIR_CONFIG_VALUE, NULL, "%s of `%s` must be %s, not %s",
                under == WR_NODE_LIST ? "the rows" : "the counts", map->keys[i]->text,
                under == WR_NODE_LIST ? "a list" : "a map", wr_node_kind_name(map->items[i]));
        else if (under == WR_NODE_MAP)
            for (uint32_t k = 0; k < map->items[i]->count; k++)
                key_check(c, count_keys, map->items[i]->keys[k], "count");
    }
}

static void
step_check(checker *c, const wr_node *key, const wr_node *value)
{
    key_check(c, step_keys, key, "step");
    if (strcmp(key->text, "feed") == 0 || strcmp(key->text, "feed_together") == 0)
        map_check(c, key, value, true, WR_NODE_LIST);
    else if (strcmp(key->text, "expect") == 0 || strcmp(key->text, "expect_changes") == 0)
        map_check(c, key, value, false, WR_NODE_LIST);
    else if (strcmp(key->text, "expect_counts") == 0)
        map_check(c, key, value, false, WR_NODE_MAP);
    else if (strcmp(key->text, "idle") == 0)
        name_check(c, value, true);
}

static void
steps_check(checker *c, const wr_node *steps)
{
    if (steps->kind != WR_NODE_LIST) {
        (void)!wr_node_error(c->report, steps, WEIR_CONFIG_VALUE,
                             "steps: [ { feed: ... }, { expect: ... } ]",
                             "`steps` must be a list, not %s", wr_node_kind_name(steps));
        return;
    }
    for (uint32_t i = 0; i < steps->count; i++) {
        const wr_node *step = steps->items[i];
        if (step->kind != WR_NODE_MAP)
            (void)!wr_node_error(c->report, step, WEIR_CONFIG_VALUE,
                                 "feed: { source: [rows] }, or expect: { view: [rows] } ...",
                                 "a step must be a map, not %s", wr_node_kind_name(step));
        for (uint32_t k = 0; step->kind == WR_NODE_MAP && k < step->count; k++)
            step_check(c, step->keys[k], step->items[k]);
    }
}

static void
test_check(checker *c, const wr_node *test)
{
    static const char shape[] = "a test has `given` and `expect`, or `steps`";
    if (test->kind != WR_NODE_MAP) {
        (void)!wr_node_error(c->report, test, WEIR_CONFIG_VALUE, shape,
                             "a test must be a map, not %s", wr_node_kind_name(test));
        return;
    }
    const wr_node *given = wr_node_get(test, "given"), *expect = wr_node_get(test, "expect");
    const wr_node *steps = wr_node_get(test, "steps");
    for (uint32_t i = 0; i < test->count; i++)
        key_check(c, test_keys, test->keys[i], "key");
    if (steps == NULL && expect == NULL) /* C1 */
        (void)!wr_node_error(c->report, test, WEIR_CONFIG_MISSING, shape,
                             "the test expects nothing");
    if (given != NULL)
        map_check(c, wr_node_key(test, "given"), given, true, WR_NODE_LIST);
    if (expect != NULL)
        map_check(c, wr_node_key(test, "expect"), expect, false, WR_NODE_LIST);
    if (steps != NULL)
        steps_check(c, steps);
}

void
wr_tests_check(weir_pipeline *p, wr_report *report)
{
    checker c = { p, report };
    const wr_node *tests = p->spec->tests;
    if (tests == NULL)
        return;
    if (tests->kind != WR_NODE_LIST) {
        (void)!wr_node_error(report, tests, WEIR_CONFIG_VALUE,
                             "tests: [ { name: ..., given: ..., expect: ... } ]",
                             "`tests` must be a list, not %s", wr_node_kind_name(tests));
        return;
    }
    for (uint32_t i = 0; i < tests->count; i++)
        test_check(&c, tests->items[i]);
}
