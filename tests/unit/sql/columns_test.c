/* SPDX-License-Identifier: Apache-2.0 */
/* columns_test.c -- column lists, expressions over a schema, names of relations. */
#include "support/test.h"

#include "support/plans.h"

#include <stdio.h>

static void
columns_have_types_paths_and_keys(void **state)
{
    static const char text[] =
        "auction bigint NOT NULL,\n price numeric(12,2),\n"
        "channel text OPTIONS (path '$.meta.channel') NOT NULL, tags varchar(10)[],\n"
        "\"Mixed Case\" timestamptz(3), PRIMARY KEY (auction, price)";
    wr_arena arena;
    wr_schema *s;
    weir_error err;
    (void)state;
    wr_arena_init(&arena, NULL);
    assert_int_equal(wr_sql_parse_columns(text, sizeof text - 1, &arena, &s, &err), WEIR_OK);
    assert_int_equal(s->field_count, 5);
    assert_int_equal(s->fields[0].type.id, WR_INT8);
    assert_true(s->fields[0].not_null);
    assert_int_equal(s->fields[1].type.modifier, 12);
    assert_int_equal(s->fields[1].type.scale, 2);
    assert_true(s->fields[1].not_null); /* a key's column */
    assert_string_equal(s->fields[2].path, "$.meta.channel");
    assert_true(s->fields[2].not_null);
    assert_int_equal(s->fields[3].type.id, WR_ARRAY);
    assert_string_equal(s->fields[4].name, "Mixed Case");
    assert_int_equal(s->fields[4].type.modifier, 3);
    assert_int_equal(s->key_count, 2);
    wr_arena_fini(&arena);
}

static void
bad_columns_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text;
        weir_status_code code;
        const char *at;
    } cases[] = {
        { "a bigint, b nosuch", WEIR_QUERY_TYPE, "nosuch" },
        { "a bigint, a text", WEIR_CONFIG_DUPLICATE_KEY, "a text" },
        { "a bigint,", WEIR_QUERY_SYNTAX, "" },
        { "a", WEIR_QUERY_SYNTAX, "" },
        { "", WEIR_QUERY_SYNTAX, "" },
        { "a int NOT NULL OPTIONS (path 'x')", WEIR_QUERY_SYNTAX, "OPTIONS" },
        { "a int OPTIONS (paht 'x')", WEIR_CONFIG_UNKNOWN_KEY, "" },
        { "a int UNIQUE", WEIR_QUERY_UNSUPPORTED, "UNIQUE" },
        { "a int, PRIMARY KEY (b)", WEIR_QUERY_NO_COLUMN, "PRIMARY" },
        { "a int PRIMARY KEY, b int PRIMARY KEY", WEIR_CONFIG_DUPLICATE_KEY, "PRIMARY KEY" },
        { "a numeric(0)", WEIR_QUERY_TYPE, "numeric" },
        { "a int) SERVER x; DROP TABLE y; --", WEIR_QUERY_SYNTAX, "" },
        { "a int) SERVER s OPTIONS (x 'y') --", WEIR_QUERY_SYNTAX, "" },
    };
    wr_arena arena;
    wr_schema *s;
    weir_error err;
    (void)state;
    wr_arena_init(&arena, NULL);
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        wr_error_clear(&err);
        weir_status status =
            wr_sql_parse_columns(cases[i].text, strlen(cases[i].text), &arena, &s, &err);
        if (status != cases[i].code)
            fail_msg("%s: %s %s", cases[i].text, weir_status_name(status), err.text);
        if (strncmp(cases[i].text + WR_MAX(err.offset, 0), cases[i].at, strlen(cases[i].at)) != 0)
            fail_msg("%s: place %d", cases[i].text, err.offset);
    }
    wr_arena_fini(&arena);
}

static void
expressions_bind_over_a_schema(void **state)
{
    wr_plans p;
    wr_expr *e;
    (void)state;
    wr_plans_init(&p, true);
    const wr_schema *s = wr_catalog_find(&p.catalog, "bids")->schema;
#define BIND(text) wr_sql_bind_expr(text, strlen(text), s, &p.arena, &e, &p.err)
    assert_int_equal(BIND("ts - interval '5 seconds'"), WEIR_OK);
    assert_int_equal(e->type.id, WR_TIMESTAMPTZ);
    assert_int_equal(BIND("upper(channel) || 'x'"), WEIR_OK);
    wr_error_clear(&p.err);
    assert_int_equal(BIND("ts - intervall"), WEIR_QUERY_NO_COLUMN);
    assert_int_equal(p.err.offset, 5);
    assert_int_equal(BIND("count(*)"), WEIR_QUERY_GROUPING);
    assert_int_equal(BIND("ts, channel"), WEIR_QUERY_SYNTAX);
    assert_int_equal(BIND("1 FROM bids"), WEIR_QUERY_SYNTAX);
    assert_int_equal(BIND("(SELECT 1)"), WEIR_QUERY_UNSUPPORTED);
    assert_int_equal(BIND(""), WEIR_QUERY_SYNTAX);
#undef BIND
    wr_plans_fini(&p);
}

static void
relations_are_named_where_they_are_read(void **state)
{
    static const struct {
        const char *sql, *names;
    } cases[] = {
        { "SELECT * FROM a JOIN b ON true, c", "a b c" },
        { "SELECT * FROM tumble(bids, ts, interval '1 s') WHERE x IN (SELECT y FROM z)", "bids z" },
        { "WITH v AS (SELECT * FROM a) SELECT * FROM v, w", "a w" },
        { "WITH a AS (SELECT * FROM a) SELECT * FROM a", "a" },
        { "WITH RECURSIVE a AS (SELECT * FROM a) SELECT * FROM a", "" },
        { "SELECT * FROM x.late UNION ALL SELECT * FROM public.y", "x.late y" },
        { "SELECT * FROM hop((SELECT * FROM q), ts, '1 s', '2 s')", "q" },
        { "SELECT 1", "" },
    };
    wr_arena arena;
    (void)state;
    wr_arena_init(&arena, NULL);
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        const char **names;
        uint32_t count;
        weir_error err;
        char all[128] = "";
        assert_int_equal(
            wr_sql_relations(cases[i].sql, strlen(cases[i].sql), &arena, &names, &count, NULL, &err),
            WEIR_OK);
        for (uint32_t k = 0; k < count; k++)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", k > 0 ? " " : "",
                     names[k]);
        assert_string_equal(all, cases[i].names);
    }
    wr_arena_fini(&arena);
}

WR_TESTS = { WR_TEST(columns_have_types_paths_and_keys),
             WR_TEST(bad_columns_are_refused_with_their_place),
             WR_TEST(expressions_bind_over_a_schema),
             WR_TEST(relations_are_named_where_they_are_read),
             { NULL, NULL } };
