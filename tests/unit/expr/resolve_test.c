/* SPDX-License-Identifier: Apache-2.0 */
/* resolve_test.c -- R1..R3 of expr/resolve.c: the type of every call is PostgreSQL's, or there is none. */
#include "support/test.h"

#include "support/exprs.h"

typedef struct call_row {
    const char *name, *args[3], *expected; /* a type, "!none", "!ambiguous" */
} call_row;

#include "unit/expr/resolve_rows.h"

static uint32_t
row_types(const call_row *row, wr_type *types)
{
    uint32_t n = 0;
    while (n < 3 && row->args[n] != NULL) {
        types[n] = test_type(row->args[n]);
        n++;
    }
    return n;
}

static void
row_check(const call_row *row, weir_status status, wr_type result, const weir_error *err)
{
    wr_text text;
    wr_text_init(&text, NULL);
    if (status == WEIR_OK)
        wr_type_print(result, &text);
    else
        wr_text_puts(&text, status == WEIR_QUERY_AMBIGUOUS ? "!ambiguous" : "!none");
    if (strcmp(wr_text_string(&text), row->expected) != 0)
        fail_msg("%s(%s, %s, %s): got %s, want %s%s%s", row->name, row->args[0], row->args[1],
                 row->args[2], wr_text_string(&text), row->expected, status == WEIR_OK ? "" : ": ",
                 status == WEIR_OK ? "" : err->text);
    wr_text_fini(&text);
}

static void
functions_agree_with_postgresql(void **state)
{
    for (size_t i = 0; i < WR_COUNT(function_calls); i++) {
        const call_row    *row = &function_calls[i];
        wr_type            types[3], wanted[3], result = { 0 };
        const wr_function *f;
        weir_error         err = { 0 };
        uint32_t           n = row_types(row, types);
        row_check(row, wr_function_resolve(row->name, types, n, &f, wanted, &result, &err), result,
                  &err);
    }
}

static void
aggregates_agree_with_postgresql(void **state)
{
    for (size_t i = 0; i < WR_COUNT(aggregate_calls); i++) {
        const call_row     *row = &aggregate_calls[i];
        wr_type             types[3], wanted[3], result = { 0 };
        const wr_aggregate *a;
        weir_error          err = { 0 };
        uint32_t            n = row_types(row, types);
        row_check(row, wr_aggregate_resolve(row->name, types, n, &a, wanted, &result, &err), result,
                  &err);
    }
}

static void
common_types_agree_with_postgresql(void **state)
{
    for (size_t i = 0; i < WR_COUNT(common_types); i++) {
        const call_row *row = &common_types[i];
        wr_type         types[3], result = { 0 };
        weir_error      err = { 0 };
        uint32_t        n = row_types(row, types);
        row_check(row, wr_type_common(types, n, row->name, &result, &err), result, &err);
    }
}

static void
common_type_keeps_a_common_modifier(void **state)
{
    wr_type    types[2] = { test_type("numeric(12,2)"), test_type("numeric(12,2)") }, result;
    weir_error err;
    assert_int_equal(wr_type_common(types, 2, "CASE", &result, &err), WEIR_OK);
    assert_true(wr_type_equal(result, types[0]));
    types[1] = test_type("numeric(10,2)");
    assert_int_equal(wr_type_common(types, 2, "CASE", &result, &err), WEIR_OK);
    assert_true(wr_type_equal(result, test_type("numeric")));
    types[1] = test_type("text");
    assert_int_equal(wr_type_common(types, 2, "CASE", &result, &err), WEIR_QUERY_TYPE);
    assert_string_equal(err.text, "CASE types numeric and text cannot be matched");
}

static void
errors_help(void **state)
{
    wr_type            types[2] = { test_type("int4"), test_type("text") }, wanted[2], result;
    const wr_function *f;
    weir_error         err;
    assert_int_equal(wr_function_resolve("+", types, 2, &f, wanted, &result, &err),
                     WEIR_QUERY_NO_FUNCTION);
    assert_string_equal(err.text, "operator does not exist: integer + text");
    assert_int_equal(wr_function_resolve("lengt", types + 1, 1, &f, wanted, &result, &err),
                     WEIR_QUERY_NO_FUNCTION);
    assert_string_equal(err.text, "function lengt(text) does not exist");
    assert_string_equal(err.hint, "did you mean length?");
    assert_true(wr_function_exists("+") && !wr_function_exists("lengt"));
    assert_true(wr_aggregate_exists("sum") && !wr_aggregate_exists("length"));
}

static void
type_names_are_casts(void **state)
{
    wr_type            types[1] = { test_type("float8") }, wanted[1], result;
    const wr_function *f;
    weir_error         err;
    assert_int_equal(wr_function_resolve("int4", types, 1, &f, wanted, &result, &err), WEIR_OK);
    assert_true(wr_type_same(result, test_type("int4")));
    assert_string_equal(f->topic, "cast");
}

WR_TESTS = {
    WR_TEST(functions_agree_with_postgresql),
    WR_TEST(aggregates_agree_with_postgresql),
    WR_TEST(common_types_agree_with_postgresql),
    WR_TEST(common_type_keeps_a_common_modifier),
    WR_TEST(errors_help),
    WR_TEST(type_names_are_casts),
    { NULL, NULL },
};
