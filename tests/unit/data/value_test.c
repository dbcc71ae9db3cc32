/* SPDX-License-Identifier: Apache-2.0 */
/* value_test.c -- V1 and V2 of data/value.c for every type, JSON out, errors. */
#include "support/test.h"

#include "data/value.h"
#include "unit/data/value_rows.h"

static wr_type
type_of(const char *spelling)
{
    wr_type type;
    assert_int_equal(wr_type_parse(spelling, strlen(spelling), &type, NULL), WEIR_OK);
    return type;
}

static wr_value
value_of(const char *spelling, const char *text, wr_arena *arena)
{
    wr_value value;
    weir_error err;
    if (wr_value_parse(type_of(spelling), text, strlen(text), arena, &value, &err) != WEIR_OK)
        fail_msg("%s: %s", spelling, err.text);
    return value;
}

static weir_status
value_row(wr_type type, const char *text, wr_arena *arena, wr_text *to)
{
    wr_value value, again;
    WR_TRY(wr_value_parse(type, text, strlen(text), arena, &value, NULL));
    if (type.id == WR_BOOL) { /* a cast to text says true, psql shows t */
        wr_text_puts(to, value.boolean ? "true" : "false");
        return WEIR_OK;
    }
    wr_value_print(&value, to);
    WR_TRY(wr_value_parse(type, wr_text_string(to), to->length, arena, &again, NULL));
    assert_true(wr_value_equal(&value, &again)); /* V1 */
    return WEIR_OK;
}

static weir_status
compare_row(wr_type type, const char *a, const char *b, wr_arena *arena, wr_text *to)
{
    wr_value x, y;
    WR_TRY(wr_value_parse(type, a, strlen(a), arena, &x, NULL));
    WR_TRY(wr_value_parse(type, b, strlen(b), arena, &y, NULL));
    int order = wr_value_compare(&x, &y), back = wr_value_compare(&y, &x);
    wr_text_put_int(to, (order > 0) - (order < 0));
    assert_int_equal((back > 0) - (back < 0), (order < 0) - (order > 0)); /* V2 */
    assert_int_equal(wr_value_compare(&x, &x), 0);
    return WEIR_OK;
}

static void
answers_are_postgresqls(void **state)
{
    (void)state;
    wr_arena arena;
    wr_text text;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    for (size_t i = 0; i < WR_COUNT(value_rows); i++) {
        const char *const *row = value_rows[i];
        wr_type type = type_of(strchr(row[0], ':') + 1);
        wr_arena_reset(&arena);
        wr_text_clear(&text);
        weir_status status = row[0][0] == 'v' ? value_row(type, row[1], &arena, &text)
                                              : compare_row(type, row[1], row[2], &arena, &text);
        const char *got = status == WEIR_OK ? wr_text_string(&text) : "!";
        if (strcmp(got, row[3]) != 0)
            fail_msg("%s(%s, %s): %s, want %s", row[0], row[1], row[2], got, row[3]);
    }
    wr_text_fini(&text);
    wr_arena_fini(&arena);
}

static void
json_has_a_form_for_every_type(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        { "bool", "t", "true" },
        { "int4", "-5", "-5" },
        { "float8", "1e300", "1e+300" },
        { "float8", "NaN", "\"NaN\"" },
        { "float4", "-inf", "\"-Infinity\"" },
        { "numeric", "1.500", "1.500" },
        { "numeric", "Infinity", "\"Infinity\"" },
        { "text", "a\"b\\\n\x01\xc3\xa9", "\"a\\\"b\\\\\\n\\u0001\xc3\xa9\"" },
        { "char(3)", "a", "\"a  \"" },
        { "bytea", "\\x00ff", "\"\\\\x00ff\"" },
        { "date", "2026-01-01", "\"2026-01-01\"" },
        { "time", "1:02", "\"01:02:00\"" },
        { "timestamp", "2026-01-01 00:00", "\"2026-01-01T00:00:00\"" },
        { "timestamptz", "2026-01-01 00:00+01", "\"2025-12-31T23:00:00Z\"" },
        { "timestamptz", "infinity", "\"infinity\"" },
        { "interval", "1 mon 2 days", "\"1 mon 2 days\"" },
        { "uuid", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"" },
        { "json", " {\"a\" :\n \"x \\\" y\" } ", "{\"a\":\"x \\\" y\"}" },
        { "jsonb", "{\"b\":1,\"a\":[]}", "{\"a\": [], \"b\": 1}" },
        { "int4[]", "{{1,NULL},{3,4}}", "[[1,null],[3,4]]" },
        { "text[]", "{}", "[]" },
        { "timestamptz[]", "{2026-01-01}", "[\"2026-01-01T00:00:00Z\"]" },
    };
    wr_arena arena;
    wr_text text;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wr_value value = value_of(rows[i][0], rows[i][1], &arena);
        wr_text_clear(&text);
        wr_value_print_json(&value, &text);
        assert_string_equal(wr_text_string(&text), rows[i][2]);
    }
    wr_value null = wr_value_null(WR_TYPE(WR_INT4));
    wr_text_clear(&text);
    wr_value_print(&null, &text);
    assert_int_equal(text.length, 0);
    wr_value_print_json(&null, &text);
    assert_string_equal(wr_text_string(&text), "null");
    wr_text_fini(&text);
    wr_arena_fini(&arena);
}

static void
errors_name_value_and_type(void **state)
{
    (void)state;
    static const struct {
        const char *type, *text, *message;
        weir_status status;
    } rows[] = {
        { "bigint", "x", "invalid input syntax for type bigint: \"x\"", WEIR_ROW_TYPE },
        { "smallint", "32768", "value \"32768\" is out of range for type smallint",
          WEIR_ROW_OVERFLOW },
        { "varchar(2)", "abc", "value too long for type character varying(2)", WEIR_ROW_TOO_LARGE },
        { "numeric(3,1)", "100", "numeric field overflow: \"100\" does not fit numeric(3,1)",
          WEIR_ROW_OVERFLOW },
        { "text", "a\xff", "invalid byte sequence for UTF-8", WEIR_ROW_ENCODING },
        { "timestamp", "soon", "invalid input syntax for type timestamp: \"soon\"", WEIR_ROW_TYPE },
        { "date", "2026-02-30", "date/time field value out of range: \"2026-02-30\"",
          WEIR_ROW_OVERFLOW },
        { "int4[]", "{1,", "malformed array literal: \"{1,\"", WEIR_ROW_TYPE },
        { "int4[]", "{1,x}", "invalid input syntax for type integer: \"x\"", WEIR_ROW_TYPE },
        { "json", "[1,]", "invalid input syntax for type json at byte 3: a value was expected",
          WEIR_ROW_TYPE },
    };
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wr_value value;
        weir_error err;
        memset(&err, 'x', sizeof err);
        assert_int_equal(wr_value_parse(type_of(rows[i].type), rows[i].text, strlen(rows[i].text),
                                        &arena, &value, &err),
                         rows[i].status);
        assert_string_equal(err.text, rows[i].message);
        assert_int_equal(err.code, rows[i].status);
    }
    wr_arena_fini(&arena);
}

static void
copies_outlive_their_source(void **state)
{
    (void)state;
    wr_arena from, to;
    wr_value copy;
    wr_arena_init(&from, NULL);
    wr_arena_init(&to, NULL);
    wr_value value = value_of("text", "longer than twelve bytes", &from);
    assert_int_equal(wr_value_copy(&value, &to, &copy), WEIR_OK);
    wr_arena_fini(&from);
    assert_memory_equal(wr_string_data(&copy.string), "longer than twelve bytes", 24);
    wr_value null = wr_value_null(WR_TYPE(WR_TEXT)), other = wr_value_null(WR_TYPE(WR_TEXT));
    assert_true(wr_value_equal(&null, &other));
    assert_false(wr_value_equal(&null, &copy));
    wr_arena_fini(&to);
}

static void
nul_and_bad_utf8_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = { { "a\0b", 3 },         { "12345678\0", 9 },       { "\xc0\x80", 2 },
                 { "\xed\xa0\x80", 3 }, { "\xf4\x90\x80\x80", 4 }, { "\xe2\x82", 2 },
                 { "abcdefgh\x80", 9 } };
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wr_value value;
        assert_int_equal(
            wr_value_parse(WR_TYPE(WR_TEXT), rows[i].bytes, rows[i].length, &arena, &value, NULL),
            WEIR_ROW_ENCODING);
    }
    wr_arena_fini(&arena);
}

WR_TESTS = {
    WR_TEST(answers_are_postgresqls),      WR_TEST(json_has_a_form_for_every_type),
    WR_TEST(errors_name_value_and_type),   WR_TEST(copies_outlive_their_source),
    WR_TEST(nul_and_bad_utf8_are_refused), { NULL, NULL },
};
