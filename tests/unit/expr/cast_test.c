/* SPDX-License-Identifier: Apache-2.0 */
/* cast_test.c -- casts: the table of expr/cast.c and its kernels against PostgreSQL, and contexts. */
#include "support/test.h"

#include "support/exprs.h"

#include <stdio.h>

typedef struct cast_row {
    const char *value, *expected;
} cast_row;
typedef struct cast_set {
    const char     *from, *to;
    const cast_row *rows;
    uint32_t        count;
} cast_set;

#include "unit/expr/cast_rows.h"

static void
set_check(const cast_set *set)
{
    const char *values[32], *expected[32];
    wr_type     from = test_type(set->from), to = test_type(set->to);
    wr_arena    arena;
    weir_error  err;
    char        what[64];
    wr_expr    *cast;
    wr_arena_init(&arena, NULL);
    for (uint32_t i = 0; i < set->count; i++) {
        values[i] = set->rows[i].value;
        expected[i] = set->rows[i].expected;
    }
    snprintf(what, sizeof what, "%s to %s", set->from, set->to);
    wr_column  *column = test_column(from, values, set->count);
    wr_batch   *batch = test_batch(&column, 1, set->count);
    weir_status status = wr_expr_cast(&arena, wr_expr_column(&arena, 0, from), to,
                                      WR_CAST_EXPLICIT, &cast, &err);
    bool refused = strcmp(expected[0], "!cannot cast") == 0;
    if (refused != (status == WEIR_QUERY_TYPE))
        fail_msg("%s: %s", what, status == WEIR_OK ? "allowed" : err.text);
    if (!refused)
        test_eval(cast, batch, expected, what);
    wr_batch_release(batch);
    wr_arena_fini(&arena);
}

static void
explicit_agrees_with_postgresql(void **state)
{
    for (size_t i = 0; i < WR_COUNT(cast_sets); i++)
        set_check(&cast_sets[i]);
}

/* pg_cast of PostgreSQL 15 for our types: i implicit, a assignment, e explicit. */
static const char *const contexts[][3] = {
    { "bool", "bpchar", "a" },
    { "bool", "int4", "e" },
    { "bool", "text", "a" },
    { "bpchar", "text", "i" },
    { "date", "timestamp", "i" },
    { "date", "timestamptz", "i" },
    { "float4", "float8", "i" },
    { "float4", "int2", "a" },
    { "float4", "int4", "a" },
    { "float4", "int8", "a" },
    { "float4", "numeric", "a" },
    { "float8", "float4", "a" },
    { "float8", "int2", "a" },
    { "float8", "int4", "a" },
    { "float8", "int8", "a" },
    { "float8", "numeric", "a" },
    { "int2", "float4", "i" },
    { "int2", "float8", "i" },
    { "int2", "int4", "i" },
    { "int2", "int8", "i" },
    { "int2", "numeric", "i" },
    { "int4", "bool", "e" },
    { "int4", "float4", "i" },
    { "int4", "float8", "i" },
    { "int4", "int2", "a" },
    { "int4", "int8", "i" },
    { "int4", "numeric", "i" },
    { "int8", "float4", "i" },
    { "int8", "float8", "i" },
    { "int8", "int2", "a" },
    { "int8", "int4", "a" },
    { "int8", "numeric", "i" },
    { "interval", "time", "a" },
    { "json", "jsonb", "a" },
    { "jsonb", "bool", "e" },
    { "jsonb", "float4", "e" },
    { "jsonb", "float8", "e" },
    { "jsonb", "int2", "e" },
    { "jsonb", "int4", "e" },
    { "jsonb", "int8", "e" },
    { "jsonb", "json", "a" },
    { "jsonb", "numeric", "e" },
    { "numeric", "float4", "i" },
    { "numeric", "float8", "i" },
    { "numeric", "int2", "a" },
    { "numeric", "int4", "a" },
    { "numeric", "int8", "a" },
    { "text", "bpchar", "i" },
    { "time", "interval", "i" },
    { "timestamp", "date", "a" },
    { "timestamp", "time", "a" },
    { "timestamp", "timestamptz", "i" },
    { "timestamptz", "date", "a" },
    { "timestamptz", "time", "a" },
    { "timestamptz", "timestamp", "a" },
};

static const char *
context_of(const char *from, const char *to)
{
    for (size_t i = 0; i < WR_COUNT(contexts); i++)
        if (strcmp(contexts[i][0], from) == 0 && strcmp(contexts[i][1], to) == 0)
            return contexts[i][2];
    if (strcmp(to, "text") == 0 || strcmp(to, "bpchar") == 0)
        return "a"; /* through the text form */
    return strcmp(from, "text") == 0 || strcmp(from, "bpchar") == 0 ? "e" : "-";
}

static void
contexts_are_those_of_pg_cast(void **state)
{
    for (uint8_t from = WR_BOOL; from < WR_ARRAY; from++)
        for (uint8_t to = WR_BOOL; to < WR_ARRAY; to++) {
            if (from == to)
                continue;
            wr_type     a = WR_TYPE(from), b = WR_TYPE(to);
            const char *got = wr_cast_find(a, b, WR_CAST_IMPLICIT) != NULL     ? "i"
                              : wr_cast_find(a, b, WR_CAST_ASSIGNMENT) != NULL ? "a"
                              : wr_cast_find(a, b, WR_CAST_EXPLICIT) != NULL   ? "e"
                                                                               : "-";
            if (strcmp(got, context_of(wr_type_name(a), wr_type_name(b))) != 0)
                fail_msg("%s to %s: got %s, want %s", wr_type_name(a), wr_type_name(b), got,
                         context_of(wr_type_name(a), wr_type_name(b)));
        }
}

static wr_expr *
literal(wr_arena *arena, const char *type, const char *text)
{
    wr_value v = test_value(arena, test_type(type), text);
    return wr_expr_constant(arena, &v);
}

static void
check_constant(const wr_expr *e, const char *type, const char *want)
{
    wr_text text;
    wr_text_init(&text, NULL);
    assert_int_equal(e->kind, WR_EXPR_CONSTANT);
    assert_true(wr_type_equal(e->type, test_type(type)));
    wr_value_print(&e->constant, &text);
    assert_string_equal(wr_text_string(&text), want);
    wr_text_fini(&text);
}

static void
constants_are_folded(void **state)
{
    wr_arena   arena;
    weir_error err;
    wr_expr   *e;
    wr_arena_init(&arena, NULL);
    assert_int_equal(wr_expr_cast(&arena, literal(&arena, "unknown", "1.005"),
                                  test_type("numeric(5,2)"), WR_CAST_EXPLICIT, &e, &err),
                     WEIR_OK);
    check_constant(e, "numeric(5,2)", "1.01");
    assert_int_equal(wr_expr_cast(&arena, literal(&arena, "unknown", "abcdef"),
                                  test_type("varchar(3)"), WR_CAST_EXPLICIT, &e, &err),
                     WEIR_OK);
    check_constant(e, "varchar(3)", "abc");
    assert_int_equal(wr_expr_cast(&arena, literal(&arena, "int4", "7"), test_type("text"),
                                  WR_CAST_ASSIGNMENT, &e, &err),
                     WEIR_OK);
    check_constant(e, "text", "7");
    wr_arena_fini(&arena);
}

static void
wrong_constants_are_errors_of_the_query(void **state)
{
    wr_arena   arena;
    weir_error err;
    wr_expr   *e, *literal_abc;
    wr_arena_init(&arena, NULL);
    literal_abc = literal(&arena, "unknown", "abc");
    literal_abc->location = 17;
    assert_int_equal(wr_expr_cast(&arena, literal_abc, test_type("int4"), WR_CAST_IMPLICIT, &e, &err),
                     WEIR_QUERY_TYPE);
    assert_int_equal(err.code, WEIR_QUERY_TYPE);
    assert_int_equal(err.offset, 17);
    assert_int_equal(wr_expr_cast(&arena, literal(&arena, "text", "abcdef"), test_type("varchar(3)"),
                                  WR_CAST_ASSIGNMENT, &e, &err),
                     WEIR_QUERY_TYPE);
    assert_string_equal(err.text, "value too long for type character varying(3)");
    assert_int_equal(wr_expr_cast(&arena, literal(&arena, "int8", "5000000000"), test_type("int4"),
                                  WR_CAST_EXPLICIT, &e, &err),
                     WEIR_QUERY_TYPE);
    assert_int_equal(wr_expr_cast(&arena, literal(&arena, "text", "5"), test_type("int4"),
                                  WR_CAST_ASSIGNMENT, &e, &err),
                     WEIR_QUERY_TYPE);
    assert_true(strlen(err.hint) > 0);
    wr_arena_fini(&arena);
}

static void
nothing_to_do_gives_the_same_expression(void **state)
{
    wr_arena   arena;
    weir_error err;
    wr_expr   *e;
    wr_arena_init(&arena, NULL);
    wr_expr *column = wr_expr_column(&arena, 0, test_type("numeric(12,2)"));
    assert_int_equal(wr_expr_cast(&arena, column, test_type("numeric"), WR_CAST_IMPLICIT, &e, &err),
                     WEIR_OK);
    assert_ptr_equal(e, column);
    assert_int_equal(
        wr_expr_cast(&arena, column, test_type("numeric(12,2)"), WR_CAST_IMPLICIT, &e, &err), WEIR_OK);
    assert_ptr_equal(e, column);
    assert_int_equal(
        wr_expr_cast(&arena, column, test_type("numeric(12,1)"), WR_CAST_IMPLICIT, &e, &err), WEIR_OK);
    assert_int_equal(e->kind, WR_EXPR_CALL);
    wr_arena_fini(&arena);
}

WR_TESTS = {
    WR_TEST(contexts_are_those_of_pg_cast),
    WR_TEST(constants_are_folded),
    WR_TEST(wrong_constants_are_errors_of_the_query),
    WR_TEST(nothing_to_do_gives_the_same_expression),
    WR_TEST(explicit_agrees_with_postgresql),
    { NULL, NULL },
};
