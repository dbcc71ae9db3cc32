/* SPDX-License-Identifier: Apache-2.0 */
/* type_test.c -- spellings, T1 and the string view of data/type.h. */
#include "support/test.h"

#include "data/type.h"

static void
expect_spelling(const char *text, const char *printed, const char *name)
{
    wr_type type, again;
    weir_error err;
    wr_text to;
    wr_text_init(&to, NULL);
    if (wr_type_parse(text, strlen(text), &type, &err) != WEIR_OK)
        fail_msg("%s: %s", text, err.text);
    wr_type_print(type, &to);
    assert_string_equal(wr_text_string(&to), printed);
    assert_string_equal(wr_type_name(type), name);
    assert_int_equal(wr_type_parse(to.data, to.length, &again, &err), WEIR_OK);
    assert_true(wr_type_equal(type, again)); /* T1 */
    wr_text_fini(&to);
}

static void
every_spelling_is_known(void **state)
{
    (void)state;
    static const char *rows[][3] = {
        { "bigint", "bigint", "int8" },
        { " INT8 ", "bigint", "int8" },
        { "int", "integer", "int4" },
        { "SmallInt", "smallint", "int2" },
        { "bool", "boolean", "bool" },
        { "double  precision", "double precision", "float8" },
        { "float(24)", "real", "float4" },
        { "float", "double precision", "float8" },
        { "numeric", "numeric", "numeric" },
        { "decimal(12, 2)", "numeric(12,2)", "numeric" },
        { "numeric(5)", "numeric(5,0)", "numeric" },
        { "numeric(3,-2)", "numeric(3,-2)", "numeric" },
        { "varchar(10)", "character varying(10)", "text" },
        { "varchar", "text", "text" },
        { "char", "character(1)", "bpchar" },
        { "character(7)", "character(7)", "bpchar" },
        { "bpchar", "bpchar", "bpchar" },
        { "timestamp", "timestamp without time zone", "timestamp" },
        { "timestamp(3) with time zone", "timestamp(3) with time zone", "timestamptz" },
        { "timestamptz(9)", "timestamp(6) with time zone", "timestamptz" },
        { "time(0)", "time(0) without time zone", "time" },
        { "interval", "interval", "interval" },
        { "text[]", "text[]", "text[]" },
        { "int[3][4]", "integer[]", "int4[]" },
        { "numeric(10,2)[]", "numeric(10,2)[]", "numeric[]" },
        { "integer ARRAY", "integer[]", "int4[]" },
        { "pg_catalog.int4", "integer", "int4" },
        { "uuid", "uuid", "uuid" },
        { "jsonb", "jsonb", "jsonb" },
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++)
        expect_spelling(rows[i][0], rows[i][1], rows[i][2]);
}

static void
wrong_spelling_is_an_error(void **state)
{
    (void)state;
    static const char *rows[] = {
        "",
        "  ",
        "foo",
        "int(3)",
        "numeric(0)",
        "numeric(1001)",
        "numeric(5,1001)",
        "varchar(0)",
        "varchar(x)",
        "varchar(10",
        "text[",
        "text]",
        "text[] int",
        "float(54)",
        "numeric(1,2,3)",
        "timetz",
        "int 4",
        "text[](3)",
        "numeric(99999999999999999999)",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaa",
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wr_type type;
        weir_error err;
        assert_int_equal(wr_type_parse(rows[i], strlen(rows[i]), &type, &err), WEIR_QUERY_TYPE);
        assert_int_not_equal(err.text[0], 0);
    }
}

static void
string_views_compare_as_bytes(void **state)
{
    (void)state;
    wr_string a = wr_string_make("abcdefghijklmnop", 16),
              b = wr_string_make("abcdefghijklmnoq", 16);
    wr_string c = wr_string_make("abc", 3), empty = wr_string_make("", 0);
    assert_true(wr_string_compare(&a, &b) < 0);
    assert_true(wr_string_compare(&a, &c) > 0);
    assert_true(wr_string_compare(&empty, &c) < 0);
    assert_false(wr_string_equal(&a, &b));
    wr_string high = wr_string_make("\xff", 1);
    assert_true(wr_string_compare(&high, &a) > 0);
}

WR_TESTS = {
    WR_TEST(every_spelling_is_known),
    WR_TEST(wrong_spelling_is_an_error),
    WR_TEST(string_views_compare_as_bytes),
    { NULL, NULL },
};
