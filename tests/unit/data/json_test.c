/* SPDX-License-Identifier: Apache-2.0 */
/* json_test.c -- J1, J2, B1 and B2 of data/json.h, and hostile documents. */
#include "support/test.h"

#include "data/json.h"

#include <stdlib.h>

static void
expect_tree(const char *text, const char *compact)
{
    wr_arena arena;
    wr_text to;
    wr_json tree;
    weir_error err;
    char *source = strdup(text);
    wr_arena_init(&arena, NULL);
    wr_text_init(&to, NULL);
    if (wr_json_parse(source, strlen(source), &arena, &tree, &err) != WEIR_OK)
        fail_msg("%s: %s", text, err.text);
    memset(source, '!', strlen(source)); /* J2 */
    wr_json_print(&tree, &to);
    assert_string_equal(wr_text_string(&to), compact);
    free(source);
    wr_text_fini(&to);
    wr_arena_fini(&arena);
}

static void
tree_prints_as_given(void **state)
{
    (void)state;
    expect_tree(" { \"b\" : [ 1 , 2.50 , -0 ] , \"a\" : null, \"b\": true } ",
                "{\"b\":[1,2.50,-0],\"a\":null,\"b\":true}");
    expect_tree("\"\\u00e9\\ud83d\\ude00\\n\\/\"", "\"\xc3\xa9\xf0\x9f\x98\x80\\n/\"");
    expect_tree("[]", "[]");
    expect_tree("{}", "{}");
    expect_tree("1e5", "1e5");
    expect_tree("[[[]],{\"\":{}}]", "[[[]],{\"\":{}}]");
}

static void
members_are_found(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":1,\"long key of the object\":2,\"a\":3}";
    wr_arena arena;
    wr_json tree;
    wr_arena_init(&arena, NULL);
    assert_int_equal(wr_json_parse(text, sizeof text - 1, &arena, &tree, NULL), WEIR_OK);
    assert_int_equal(*wr_json_member(&tree, "a", 1)->text, '3'); /* the last wins */
    assert_int_equal(*wr_json_member(&tree, "long key of the object", 22)->text, '2');
    assert_null(wr_json_member(&tree, "b", 1));
    assert_null(wr_json_member(&tree.items[0], "b", 1));
    wr_arena_fini(&arena);
}

static void
canonical_form_is_postgresqls(void **state) /* B2 */
{
    (void)state;
    static const char *const rows[][2] = {
        { "{\"bb\":1,\"a\":2,\"c\":3,\"a\":4}", "{\"a\": 4, \"c\": 3, \"bb\": 1}" },
        { "[1.00,1e2,-0,-0.0,1E-3,100]", "[1.00, 100, 0, 0.0, 0.001, 100]" },
        { "{\"a\":[{},[]]}", "{\"a\": [{}, []]}" },
        { "\"\\u0041\\u000b\"", "\"A\\u000b\"" },
        { "{\"k1\":1,\"k2\":1,\"k3\":1,\"k4\":1,\"k5\":1,\"k6\":1,\"k7\":1,\"k8\":1,\"k9\":1,"
          "\"k0\":1,"
          "\"l1\":1,\"l2\":1,\"l3\":1,\"l4\":1,\"l5\":1,\"l6\":1,\"a\":0,\"k1\":2}",
          "{\"a\": 0, \"k0\": 1, \"k1\": 2, \"k2\": 1, \"k3\": 1, \"k4\": 1, \"k5\": 1, \"k6\": 1, "
          "\"k7\": 1, \"k8\": 1, \"k9\": 1, \"l1\": 1, \"l2\": 1, \"l3\": 1, \"l4\": 1, \"l5\": 1, "
          "\"l6\": 1}" },
    };
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wr_string out;
        assert_int_equal(wr_jsonb_parse(rows[i][0], strlen(rows[i][0]), &arena, &out, NULL),
                         WEIR_OK);
        assert_int_equal(out.length, strlen(rows[i][1]));
        assert_memory_equal(wr_string_data(&out), rows[i][1], out.length);
        assert_int_equal(wr_jsonb_compare(&out, &out), 0);
    }
    wr_arena_fini(&arena);
}

static void
order_is_postgresqls(void **state)
{
    (void)state;
    /* Each is less than the next. */
    static const char *const rows[] = {
        "[]",     "null",       "\"\"",       "\"a\"",       "\"a\\n\"",   "\"ab\"",
        "\"b\"",  "-10",        "-1.5",       "0",           "0.001",      "1",
        "1.5",    "10",         "99.999",     "100",         "false",      "true",
        "[null]", "[\"a\"]",    "[1]",        "[[]]",        "[{}]",       "[1, 2]",
        "{}",     "{\"a\": 1}", "{\"a\": 2}", "{\"aa\": 0}", "{\"b\": 0}", "{\"a\": 1, \"b\": 1}",
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++)
        for (size_t k = 0; k < WR_COUNT(rows); k++) {
            wr_string a = wr_string_make(rows[i], strlen(rows[i]));
            wr_string b = wr_string_make(rows[k], strlen(rows[k]));
            int order = wr_jsonb_compare(&a, &b);
            if ((order > 0) - (order < 0) != (i > k) - (i < k))
                fail_msg("%s against %s: %d", rows[i], rows[k], order);
        }
}

static void
wrong_documents_are_refused(void **state) /* J1 */
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "{",
        "[",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "\"\\x\"",
        "\"\\u12\"",
        "\"abc",
        "tru",
        "[1 2]",
        "-",
        "NaN",
        "1 2",
        "\"\n\"",
        "[,]",
        "{,}",
        "{\"a\" 1}",
        "\"\xff\"",
        "\xef\xbb\xbf"
        "1",
        "{\"a\":}",
        "[\"\\",
        "\"\\",
        "\"\\u",
        "nulll",
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wr_arena arena;
        wr_json tree;
        weir_error err;
        wr_arena_init(&arena, NULL);
        assert_int_equal(wr_json_validate(rows[i], strlen(rows[i]), &err), WEIR_ROW_TYPE);
        assert_in_range(err.offset, 0, strlen(rows[i]));
        assert_int_equal(wr_json_parse(rows[i], strlen(rows[i]), &arena, &tree, &err),
                         WEIR_ROW_TYPE);
        wr_arena_fini(&arena);
    }
}

static void
half_characters_are_json_but_no_tree(void **state)
{
    (void)state;
    static const char *const rows[] = { "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\\ud800\"",
                                        "\"\\ud83dx\"" };
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wr_arena arena;
        wr_json tree;
        wr_arena_init(&arena, NULL);
        assert_int_equal(wr_json_validate(rows[i], strlen(rows[i]), NULL), WEIR_OK);
        assert_int_equal(wr_json_parse(rows[i], strlen(rows[i]), &arena, &tree, NULL),
                         WEIR_ROW_TYPE);
        wr_arena_fini(&arena);
    }
}

static void
depth_and_size_have_limits(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    char *text = malloc(DEEP);
    memset(text, '[', DEEP);
    assert_int_equal(wr_json_validate(text, DEEP, NULL), WEIR_ROW_TYPE);
    memset(text + WR_JSON_DEPTH_MAX, ']', WR_JSON_DEPTH_MAX);
    assert_int_equal(wr_json_validate(text, 2 * WR_JSON_DEPTH_MAX, NULL), WEIR_OK);
    assert_int_equal(wr_json_validate(text, 2 * WR_JSON_DEPTH_MAX + 1, NULL), WEIR_ROW_TYPE);
    /* Nine bytes a number, 131072 digits each: refused before memory is full of them. */
    static const char number[] = "1e131071,";
    size_t length = 1;
    for (; length + 10 < DEEP; length += 9)
        memcpy(text + length, number, 9);
    text[length - 1] = ']';
    wr_arena arena;
    wr_string out;
    wr_budget *budget = wr_budget_create(NULL, "test", 512u << 20);
    wr_arena_init(&arena, budget);
    assert_int_equal(wr_jsonb_parse(text, length, &arena, &out, NULL), WEIR_ROW_TOO_LARGE);
    assert_int_equal(wr_jsonb_parse("1e131072", 8, &arena, &out, NULL), WEIR_ROW_OVERFLOW);
    wr_arena_fini(&arena);
    wr_budget_destroy(budget);
    free(text);
}

WR_TESTS = {
    WR_TEST(tree_prints_as_given),          WR_TEST(members_are_found),
    WR_TEST(canonical_form_is_postgresqls), WR_TEST(order_is_postgresqls),
    WR_TEST(wrong_documents_are_refused),   WR_TEST(half_characters_are_json_but_no_tree),
    WR_TEST(depth_and_size_have_limits),    { NULL, NULL },
};
