/* SPDX-License-Identifier: Apache-2.0 */
/* eval_test.c -- X1..X5 of expr/expr.h: logic, laziness, row errors, filters, folding, memory. */
#include "support/test.h"

#include "support/exprs.h"

#include <stdio.h>

static wr_arena arena;

static int
arena_open(void **state)
{
    wr_arena_init(&arena, NULL);
    return 0;
}

static int
arena_close(void **state)
{
    wr_arena_fini(&arena);
    return 0;
}

static wr_expr *
column(uint32_t c, const char *type)
{
    return wr_expr_column(&arena, c, test_type(type));
}

static wr_expr *
constant(const char *type, const char *text)
{
    wr_value v = test_value(&arena, test_type(type), text);
    return wr_expr_constant(&arena, &v);
}

static wr_expr *
call(const char *name, wr_expr *a, wr_expr *b)
{
    weir_error err;
    wr_expr   *args[2] = { a, b }, *e = test_call(&arena, name, args, b != NULL ? 2 : 1, &err);
    if (e == NULL)
        fail_msg("%s", err.text);
    return e;
}

#define MAKE(KIND, TYPE, ...)                                                                      \
    wr_expr_make(&arena, KIND, test_type(TYPE), (wr_expr *[]){ __VA_ARGS__ },                      \
                 WR_COUNT(((wr_expr *[]){ __VA_ARGS__ })))

/* A kind whose function is the equality (or another operator) of its arguments' type. */
static wr_expr *
with_operator(wr_expr *e, const char *op, wr_type type)
{
    wr_type    both[2] = { type, type }, wanted[2], result;
    weir_error err;
    assert_int_equal(wr_function_resolve(op, both, 2, &e->function, wanted, &result, &err), WEIR_OK);
    return e;
}

static void
check(const wr_expr *e, const char *type_a, const char *const *a, const char *type_b,
      const char *const *b, uint32_t rows, const char *const *expected, const char *what)
{
    wr_column *columns[2] = { test_column(test_type(type_a), a, rows),
                              b != NULL ? test_column(test_type(type_b), b, rows) : NULL };
    wr_batch  *batch = test_batch(columns, b != NULL ? 2 : 1, rows);
    test_eval(e, batch, expected, what);
    wr_batch_release(batch);
}

/* --- X2 --- */

static const char *const truths_a[] = { "t", "t", "t", "f", "f", "f", "NULL", "NULL", "NULL" };
static const char *const truths_b[] = { "t", "f", "NULL", "t", "f", "NULL", "t", "f", "NULL" };

static void
check_truths(const wr_expr *e, const char *expected, const char *what)
{
    const char *want[9];
    for (int i = 0; i < 9; i++)
        want[i] = expected[i] == 't' ? "t" : expected[i] == 'f' ? "f" : "NULL";
    check(e, "bool", truths_a, "bool", truths_b, 9, want, what);
}

static void
logic_is_three_valued(void **state)
{
    wr_expr *a = column(0, "bool"), *b = column(1, "bool");
    check_truths(MAKE(WR_EXPR_AND, "bool", a, b), "tfnfffnfn", "AND");
    check_truths(MAKE(WR_EXPR_OR, "bool", a, b), "ttttfntnn", "OR");
    check_truths(MAKE(WR_EXPR_NOT, "bool", b), "ftnftnftn", "NOT");
    check_truths(MAKE(WR_EXPR_IS_NULL, "bool", b), "fftfftfft", "IS NULL");
    check_truths(MAKE(WR_EXPR_IS_NOT_NULL, "bool", b), "ttfttfttf", "IS NOT NULL");
    check_truths(MAKE(WR_EXPR_IS_TRUE, "bool", b), "tfftfftff", "IS TRUE");
    check_truths(MAKE(WR_EXPR_IS_NOT_TRUE, "bool", b), "fttfttftt", "IS NOT TRUE");
    check_truths(MAKE(WR_EXPR_IS_FALSE, "bool", b), "ftfftfftf", "IS FALSE");
    check_truths(MAKE(WR_EXPR_IS_NOT_FALSE, "bool", b), "tfttfttft", "IS NOT FALSE");
    check_truths(with_operator(MAKE(WR_EXPR_DISTINCT, "bool", a, b), "=", test_type("bool")),
                 "ftttftttf", "IS DISTINCT FROM");
    check_truths(MAKE(WR_EXPR_AND, "bool", a, b, constant("bool", "NULL")), "nfnfffnfn", "AND NULL");
    check_truths(MAKE(WR_EXPR_OR, "bool", a, constant("bool", "NULL"), b), "ttttnntnn", "OR NULL");
}

/* --- X4 --- */

static const char *const divisors[] = { "0", "1", "2", "NULL", "-1", "0", "20" };

static wr_expr *
ten_over_x(void)
{
    return call("/", constant("int4", "10"), column(0, "int4"));
}

static wr_expr *
x_is(const char *op)
{
    return call(op, column(0, "int4"), constant("int4", "0"));
}

static void
guarded_arguments_do_not_fail(void **state)
{
    static const char *const cased[] = { "0", "10", "5", "0", "-10", "0", "0" };
    static const char *const anded[] = { "f", "t", "t", "NULL", "f", "f", "f" };
    static const char *const ored[] = { "t", "t", "t", "NULL", "f", "t", "f" };
    static const char *const coalesced[] = { "9", "8", "7", "NULL", "6", "5", "4" };
    static const char *const others[] = { "9", "8", "7", "NULL", "6", "5", "4" };
    wr_expr *zero = constant("int4", "0");
    check(MAKE(WR_EXPR_CASE, "int4", x_is("<>"), ten_over_x(), zero), "int4", divisors, NULL, NULL, 7,
          cased, "CASE");
    check(MAKE(WR_EXPR_AND, "bool", x_is("<>"), call(">", ten_over_x(), zero)), "int4", divisors,
          NULL, NULL, 7, anded, "AND");
    check(MAKE(WR_EXPR_OR, "bool", x_is("="), call(">", ten_over_x(), zero)), "int4", divisors, NULL,
          NULL, 7, ored, "OR");
    check(MAKE(WR_EXPR_COALESCE, "int4", column(1, "int4"), ten_over_x()), "int4", divisors, "int4",
          others, 7, coalesced, "COALESCE");
}

static void
unguarded_rows_fail_alone(void **state)
{
#define ZERO "!division by zero"
    static const char *const divided[] = { ZERO, "10", "5", "NULL", "-10", ZERO, "0" };
    static const char *const nested[] = { ZERO, "11", "6", "NULL", "-9", ZERO, "1" };
    static const char *const hidden[] = { ZERO, "10", "5", "1", "-10", ZERO, "0" };
    check(ten_over_x(), "int4", divisors, NULL, NULL, 7, divided, "10 / x");
    check(call("+", ten_over_x(), constant("int4", "1")), "int4", divisors, NULL, NULL, 7, nested,
          "10 / x + 1");
    check(MAKE(WR_EXPR_COALESCE, "int4", ten_over_x(), constant("int4", "1")), "int4", divisors, NULL,
          NULL, 7, hidden, "COALESCE does not hide a failure");
}

static void
constant_failure_is_of_every_row_that_needs_it(void **state)
{
    static const char *const all[] = { ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO };
    static const char *const some[] = { ZERO, "1", "1", "1", "1", ZERO, "1" };
    wr_expr *bad = call("/", constant("int4", "1"), constant("int4", "0"));
    check(bad, "int4", divisors, NULL, NULL, 7, all, "1 / 0");
    check(MAKE(WR_EXPR_CASE, "int4", x_is("="), bad, constant("int4", "1")), "int4", divisors, NULL,
          NULL, 7, some, "CASE WHEN x = 0 THEN 1 / 0");
}

static void
no_rows_no_failure(void **state)
{
    wr_eval    eval;
    wr_column *out = NULL, *c = test_column(test_type("int4"), divisors, 7);
    wr_batch  *batch = test_batch(&c, 1, 7);
    uint16_t   none[1];
    wr_eval_init(&eval, NULL);
    assert_int_equal(wr_expr_eval(&eval, ten_over_x(), batch, (wr_rows){ none, 0 }, &out), WEIR_OK);
    assert_int_equal(eval.error_count, 0);
    wr_column_release(out);
    wr_eval_fini(&eval);
    wr_batch_release(batch);
}

/* --- merging of branches --- */

static void
branches_keep_their_values(void **state)
{
    static const char *const flags[] = { "t", "f", "NULL", "t", "f" };
    static const char *const cents[] = { "1.50", "2.50", "3.50", "NULL", "5.00" };
    static const char *const merged[] = { "1.50", "7", "7", "NULL", "7" };
    static const char *const same[] = { "1.50", "0.25", "0.25", "NULL", "0.25" };
    static const char *const nulls[] = { "1.50", "NULL", "NULL", "NULL", "NULL" };
    static const char *const words[] = { "a text that is long", "b", "NULL", "d", "another long text" };
    static const char *const spoken[] = { "a text that is long", "otherwise, a constant",
                                          "otherwise, a constant", "d", "otherwise, a constant" };
    wr_expr *flag = column(0, "bool"), *c = column(1, "numeric(12,2)");
    check(MAKE(WR_EXPR_CASE, "numeric", flag, c, constant("numeric", "7")), "bool", flags,
          "numeric(12,2)", cents, 5, merged, "scales differ");
    check(MAKE(WR_EXPR_CASE, "numeric", flag, c, constant("numeric", "0.25")), "bool", flags,
          "numeric(12,2)", cents, 5, same, "scales agree");
    check(MAKE(WR_EXPR_CASE, "numeric", flag, c, constant("numeric", "NULL")), "bool", flags,
          "numeric(12,2)", cents, 5, nulls, "else NULL");
    check(MAKE(WR_EXPR_CASE, "text", flag, column(1, "text"), constant("text", spoken[1])), "bool",
          flags, "text", words, 5, spoken, "text");
}

static void
first_true_branch_wins(void **state)
{
    static const char *const numbers[] = { "1", "5", "50", "500", "NULL" };
    static const char *const names[] = { "small", "small", "medium", "large", "large" };
    wr_expr *x = column(0, "int4");
    check(MAKE(WR_EXPR_CASE, "text", call("<", x, constant("int4", "10")), constant("text", "small"),
               call("<", x, constant("int4", "100")), constant("text", "medium"),
               constant("text", "large")),
          "int4", numbers, NULL, NULL, 5, names, "CASE");
}

/* --- IN, ANY, ALL --- */

static void
membership(void **state)
{
    static const char *const numbers[] = { "1", "2", "-7", "NULL", "100" };
    static const char *const in[] = { "t", "f", "t", "NULL", "t" };
    static const char *const in_null[] = { "t", "NULL", "t", "NULL", "t" };
    static const char *const all_not[] = { "f", "t", "f", "NULL", "f" };
    static const char *const above[] = { "f", "f", "f", "NULL", "t" };
    static const char *const any_above[] = { "t", "t", "f", "NULL", "t" };
    static const char *const none[] = { "f", "f", "f", "f", "f" };
    static const char *const every[] = { "t", "t", "t", "t", "t" };
    const char *const types[] = { "int4", "int8", "int2", "numeric", "float8", "text" };
    for (size_t i = 0; i < WR_COUNT(types); i++) {
        const char *t = types[i];
        wr_type     type = test_type(t);
        char        array[32];
        snprintf(array, sizeof array, "%s[]", t);
        wr_expr *x = column(0, t), *one = constant(t, "1"), *seven = constant(t, "-7"),
                *hundred = constant(t, "100"), *null = constant(t, "NULL");
#define SET_OF(TEXT) constant(array, TEXT)
#define ONE(KIND, OP, ARRAY) with_operator(MAKE(KIND, "bool", x, ARRAY), OP, type)
        check(with_operator(MAKE(WR_EXPR_IN, "bool", x, one, seven, hundred), "=", type), t, numbers,
              NULL, NULL, 5, in, "IN");
        check(with_operator(MAKE(WR_EXPR_IN, "bool", x, one, null, seven, hundred), "=", type), t,
              numbers, NULL, NULL, 5, in_null, "IN with NULL");
        check(with_operator(MAKE(WR_EXPR_IN, "bool", x, one, x, seven), "=", type), t, numbers, NULL,
              NULL, 5, (const char *const[]){ "t", "t", "t", "NULL", "t" }, "IN with a column");
        check(ONE(WR_EXPR_ANY, "=", SET_OF("{1,-7,100}")), t, numbers, NULL, NULL, 5, in, "= ANY");
        check(ONE(WR_EXPR_ANY, "=", SET_OF("{1,NULL,-7,100}")), t, numbers, NULL, NULL, 5, in_null,
              "= ANY with NULL");
        check(ONE(WR_EXPR_ALL, "<>", SET_OF("{1,-7,100}")), t, numbers, NULL, NULL, 5, all_not,
              "<> ALL");
        check(ONE(WR_EXPR_ANY, "=", SET_OF("{}")), t, numbers, NULL, NULL, 5, none, "= ANY of none");
        check(ONE(WR_EXPR_ALL, "=", SET_OF("{}")), t, numbers, NULL, NULL, 5, every, "= ALL of none");
        if (type.id == WR_TEXT)
            continue; /* another order */
        check(ONE(WR_EXPR_ALL, ">", SET_OF("{1,50,2}")), t, numbers, NULL, NULL, 5, above, "> ALL");
        check(ONE(WR_EXPR_ANY, ">", SET_OF("{0,50,2}")), t, numbers, NULL, NULL, 5, any_above, "> ANY");
    }
}

static void
large_lists_use_a_set(void **state)
{
    wr_expr    *args[501];
    const char *numbers[200], *expected[200];
    char        texts[200][8];
    args[0] = column(0, "int8");
    for (int i = 1; i <= 500; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i * 3);
        args[i] = constant("int8", text);
    }
    for (int i = 0; i < 200; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i * 7);
        numbers[i] = texts[i];
        expected[i] = i > 0 && i * 7 % 3 == 0 && i * 7 <= 1500 ? "t" : "f";
    }
    wr_expr *in = wr_expr_make(&arena, WR_EXPR_IN, test_type("bool"), args, 501);
    check(with_operator(in, "=", test_type("int8")), "int8", numbers, NULL, NULL, 200, expected, "IN");
}

/* --- filters --- */

static void
filter_check(const wr_expr *e, const wr_batch *batch, wr_rows rows)
{
    wr_eval    eval, again;
    wr_column *truth = NULL;
    uint16_t   got[256], in_place[256];
    uint32_t   n = 0, m = 0, want = 0;
    wr_eval_init(&eval, NULL);
    wr_eval_init(&again, NULL);
    assert_int_equal(wr_expr_eval(&eval, e, batch, rows, &truth), WEIR_OK);
    assert_int_equal(wr_expr_filter(&again, e, batch, rows, got, &n), WEIR_OK);
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = rows.rows != NULL ? rows.rows[i] : i;
        if (wr_column_is_null(truth, row) || wr_eval_row_failed(&again, row) ||
            !((const bool *) wr_column_base(truth)->data)[wr_column_index(truth, row)])
            continue;
        assert_true(want < n && got[want] == row);
        want++;
    }
    assert_int_equal(want, n);
    if (rows.rows != NULL) { /* into the memory it reads from */
        memcpy(in_place, rows.rows, rows.count * sizeof in_place[0]);
        wr_eval_reset(&again);
        assert_int_equal(
            wr_expr_filter(&again, e, batch, (wr_rows){ in_place, rows.count }, in_place, &m), WEIR_OK);
        assert_int_equal(m, n);
        assert_memory_equal(in_place, got, n * sizeof got[0]);
    }
    wr_column_release(truth);
    wr_eval_fini(&eval);
    wr_eval_fini(&again);
}

static void
filters_keep_true_rows(void **state)
{
    const char *xs[200], *ys[200];
    char        texts[200][8];
    uint16_t    odd[100];
    for (int i = 0; i < 200; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i % 13 - 3);
        xs[i] = i % 11 == 5 ? "NULL" : texts[i];
        ys[i] = i % 7 == 0 ? "NULL" : texts[199 - i < i ? 199 - i : i];
    }
    for (uint16_t i = 0; i < 100; i++)
        odd[i] = (uint16_t) (2 * i + 1);
    wr_column *columns[2] = { test_column(test_type("int4"), xs, 200),
                              test_column(test_type("int4"), ys, 200) };
    wr_batch  *batch = test_batch(columns, 2, 200);
    wr_expr   *x = column(0, "int4"), *y = column(1, "int4"), *two = constant("int4", "2");
    wr_expr   *less = call("<", x, two), *same = call("=", x, y), *big = call(">", y, two);
    wr_expr   *divide = call(">", call("/", two, x), y);
    wr_expr   *all[] = {
        less, same, divide, constant("bool", "t"), constant("bool", "NULL"),
        MAKE(WR_EXPR_AND, "bool", less, big), MAKE(WR_EXPR_OR, "bool", less, same, big),
        MAKE(WR_EXPR_OR, "bool", MAKE(WR_EXPR_AND, "bool", less, same), big),
        MAKE(WR_EXPR_AND, "bool", MAKE(WR_EXPR_OR, "bool", less, same), MAKE(WR_EXPR_NOT, "bool", big)),
        MAKE(WR_EXPR_OR, "bool", divide, less), MAKE(WR_EXPR_AND, "bool", big, divide),
        MAKE(WR_EXPR_IS_TRUE, "bool", less), MAKE(WR_EXPR_IS_NOT_TRUE, "bool", less),
    };
    for (size_t i = 0; i < WR_COUNT(all); i++) {
        filter_check(all[i], batch, (wr_rows){ NULL, 200 });
        filter_check(all[i], batch, (wr_rows){ odd, 100 });
        filter_check(all[i], batch, (wr_rows){ odd + 50, 1 });
        filter_check(all[i], batch, (wr_rows){ odd, 0 });
    }
    wr_batch_release(batch);
}

/* --- X3: errors --- */

static void
first_error_of_a_row_stays(void **state)
{
    wr_eval eval;
    wr_eval_init(&eval, NULL);
    eval.location = 12;
    assert_int_equal(wr_eval_fail(&eval, 70, WEIR_ROW_OVERFLOW, "first %d", 1), WEIR_ROW_OVERFLOW);
    assert_int_equal(wr_eval_fail(&eval, 70, WEIR_ROW_TYPE, "second"), WEIR_ROW_TYPE);
    for (uint32_t row = 0; row < WR_BATCH_ROWS_MAX; row++) {
        weir_status status = wr_eval_fail(&eval, row, WEIR_ROW_TYPE, "row %u", row);
        assert_int_equal(status, WEIR_ROW_TYPE);
    }
    assert_int_equal(eval.error_count, WR_BATCH_ROWS_MAX);
    assert_string_equal(eval.errors[0].text, "first 1");
    assert_int_equal(eval.errors[0].location, 12);
    assert_string_equal(eval.errors[4095].text, "row 4095");
    wr_eval_reset(&eval);
    assert_int_equal(eval.error_count, 0);
    assert_false(wr_eval_row_failed(&eval, 70));
    wr_eval_fini(&eval);
}

static void
errors_tell_where(void **state)
{
    wr_eval    eval;
    wr_column *out = NULL, *c = test_column(test_type("int4"), divisors, 7);
    wr_batch  *batch = test_batch(&c, 1, 7);
    wr_expr   *e = ten_over_x(), *outer = call("+", e, constant("int4", "1"));
    e->location = 33;
    outer->location = 44;
    wr_eval_init(&eval, NULL);
    assert_int_equal(wr_expr_eval(&eval, outer, batch, (wr_rows){ NULL, 7 }, &out), WEIR_OK);
    assert_int_equal(eval.error_count, 2);
    assert_int_equal(eval.errors[0].row, 0);
    assert_int_equal(eval.errors[1].row, 5);
    assert_int_equal(eval.errors[1].code, WEIR_ROW_DIVISION_BY_ZERO);
    assert_int_equal(eval.errors[1].location, 33);
    wr_column_release(out);
    wr_eval_fini(&eval);
    wr_batch_release(batch);
}

/* --- memory --- */

static void
memory_that_runs_out_is_reported(void **state)
{
    static const char *const flags[] = { "t", "f", "NULL", "t", "f" };
    static const char *const words[] = { "a text that is long", "b", "NULL", "d", "another long text" };
    wr_column *columns[2] = { test_column(test_type("bool"), flags, 5),
                              test_column(test_type("text"), words, 5) };
    wr_batch  *batch = test_batch(columns, 2, 5);
    wr_expr   *word = column(1, "text"), *flag = column(0, "bool");
    wr_expr   *cased = MAKE(WR_EXPR_CASE, "text", flag, call("||", word, constant("text", " and more")),
                            MAKE(WR_EXPR_COALESCE, "text", word, constant("text", "nothing at all")));
    wr_expr   *e = MAKE(WR_EXPR_OR, "bool", call("<", cased, constant("text", "b")),
                        with_operator(MAKE(WR_EXPR_IN, "bool", word, constant("text", "d"),
                                           constant("text", "x")),
                                      "=", test_type("text")));
    uint32_t   refused = 0;
    for (uint64_t limit = 64;; limit += 64) {
        wr_budget *budget = wr_budget_create(NULL, "test", limit);
        wr_eval    eval;
        wr_column *out = NULL;
        wr_eval_init(&eval, budget);
        weir_status status = wr_expr_eval(&eval, e, batch, (wr_rows){ NULL, 5 }, &out);
        assert_true(status == WEIR_OK || status == WEIR_MEMORY);
        assert_true((out != NULL) == (status == WEIR_OK));
        wr_column_release(out);
        wr_eval_fini(&eval);
        assert_int_equal(wr_budget_used(budget), 0);
        wr_budget_destroy(budget);
        if (status == WEIR_OK)
            break;
        refused++;
    }
    assert_true(refused > 5);
    wr_batch_release(batch);
}

/* --- folding, volatility --- */

static void
folding_gives_the_value_or_the_error(void **state)
{
    wr_value   v;
    weir_error err;
    wr_expr   *sum = call("+", constant("int4", "2"), constant("int8", "40"));
    wr_expr   *bad = call("/", constant("int4", "2"), constant("int4", "0"));
    assert_int_equal(wr_expr_fold(sum, 0, &arena, &v, &err), WEIR_OK);
    assert_int_equal(v.integer, 42);
    assert_int_equal(v.type.id, WR_INT8);
    bad->location = 9;
    assert_int_equal(wr_expr_fold(bad, 0, &arena, &v, &err), WEIR_ROW_DIVISION_BY_ZERO);
    assert_string_equal(err.text, "division by zero");
    assert_int_equal(err.offset, 9);
}

static void
folding_stops_where_its_fuel_ends(void **state)
{
    wr_value v;
    weir_error err;
    size_t fuel = 20;
    wr_expr *sum = call("+", constant("int4", "2"), constant("int8", "40"));
    wr_expr *large = call("repeat", constant("text", "x"), constant("int4", "100000"));
    wr_expr_fold_limit(&fuel);
    assert_int_equal(wr_expr_fold(sum, 0, &arena, &v, &err), WEIR_OK);
    assert_int_equal(fuel, 4);
    assert_int_equal(wr_expr_fold(sum, 0, &arena, &v, &err), WEIR_OK);
    assert_int_equal(fuel, 0);
    assert_int_equal(wr_expr_fold(sum, 0, &arena, &v, &err), WEIR_QUERY_TOO_COMPLEX);
    assert_non_null(strstr(err.text, "too much is to be computed"));
    fuel = 50000;
    assert_int_equal(wr_expr_fold(large, 0, &arena, &v, &err), WEIR_OK); /* what one makes is known afterwards */
    assert_int_equal(fuel, 0);
    assert_int_equal(wr_expr_fold(sum, 0, &arena, &v, &err), WEIR_QUERY_TOO_COMPLEX);
    wr_expr_fold_limit(NULL);
    assert_int_equal(wr_expr_fold(sum, 0, &arena, &v, &err), WEIR_OK);
}

static void
random_is_drawn_for_each_row(void **state)
{
    weir_error err;
    wr_expr   *e = test_call(&arena, "random", NULL, 0, &err);
    wr_eval    eval;
    wr_column *out = NULL, *c = test_column(test_type("int4"), divisors, 7);
    wr_batch  *batch = test_batch(&c, 1, 7);
    assert_non_null(e);
    assert_false(wr_expr_is_constant(e));
    wr_eval_init(&eval, NULL);
    assert_int_equal(wr_expr_eval(&eval, e, batch, (wr_rows){ NULL, 7 }, &out), WEIR_OK);
    assert_int_equal(out->layout, WR_FLAT);
    assert_true(((const double *) out->data)[0] != ((const double *) out->data)[1]);
    wr_column_release(out);
    wr_eval_fini(&eval);
    wr_batch_release(batch);
}

/* --- trees --- */

static void
check_print(const wr_expr *e, const char *want)
{
    static const char *const names[] = { "price", "name" };
    wr_text                  text;
    wr_text_init(&text, NULL);
    wr_expr_print(e, names, &text);
    assert_string_equal(wr_text_string(&text), want);
    wr_text_fini(&text);
}

static void
prints_as_sql(void **state)
{
    weir_error err;
    wr_expr   *price = column(0, "numeric(12,2)"), *name = column(1, "text"), *e;
    check_print(MAKE(WR_EXPR_AND, "bool", call(">", price, constant("numeric", "10.50")),
                     MAKE(WR_EXPR_NOT, "bool", MAKE(WR_EXPR_IS_NULL, "bool", name))),
                "(price > 10.50) AND (NOT (name IS NULL))");
    check_print(call("*", call("+", price, price), constant("numeric", "2")), "(price + price) * 2");
    check_print(call("=", name, constant("text", "it's")), "name = 'it''s'");
    assert_int_equal(wr_expr_cast(&arena, price, test_type("varchar(5)"), WR_CAST_EXPLICIT, &e, &err),
                     WEIR_OK);
    check_print(e, "price::text::character varying(5)");
    check_print(MAKE(WR_EXPR_CASE, "text", call("<", price, constant("numeric", "0")),
                     constant("text", "debt"), name),
                "CASE WHEN price < 0 THEN 'debt' ELSE name END");
    check_print(constant("date", "2026-01-31"), "'2026-01-31'::date");
    check_print(constant("interval", "1 day"), "interval '1 day'");
    check_print(with_operator(MAKE(WR_EXPR_IN, "bool", name, constant("text", "a"),
                                   constant("text", "b")),
                              "=", test_type("text")),
                "name IN ('a', 'b')");
    check_print(call("length", name, NULL), "length(name)");
}

static void
trees_compare_and_copy(void **state)
{
    wr_expr *a = call("+", column(0, "int4"), constant("int4", "1"));
    wr_expr *b = call("+", column(0, "int4"), constant("int4", "1"));
    wr_expr *c = call("+", column(1, "int4"), constant("int4", "1"));
    wr_expr *d = call("+", column(0, "int4"), constant("int4", "2"));
    wr_expr *e = call("-", column(0, "int4"), constant("int4", "1"));
    wr_expr *n = call("+", column(0, "int4"), constant("int4", "NULL"));
    wr_expr *all[] = { a, b, c, d, e, n, constant("numeric", "1.0"), constant("numeric", "1.00") };
    for (size_t i = 0; i < WR_COUNT(all); i++)
        for (size_t j = 0; j < WR_COUNT(all); j++) {
            wr_text x, y;
            wr_text_init(&x, NULL);
            wr_text_init(&y, NULL);
            wr_expr_hash_text(all[i], &x);
            wr_expr_hash_text(all[j], &y);
            bool same = i == j || (i < 2 && j < 2);
            assert_int_equal(wr_expr_equal(all[i], all[j]), same);
            assert_int_equal(x.length == y.length && memcmp(x.data, y.data, x.length) == 0, same);
            wr_text_fini(&x);
            wr_text_fini(&y);
        }
    assert_true(wr_expr_equal(wr_expr_copy(&arena, a), b));
    assert_true(wr_expr_equal(wr_expr_remap(&arena, a, (uint32_t[]){ 1 }), c));
    wr_expr *with[1] = { column(1, "int4") };
    assert_true(wr_expr_equal(wr_expr_substitute(&arena, a, with), c));
    uint64_t bits = 0;
    wr_expr_columns(call("+", a, c), &bits);
    assert_int_equal(bits, 3);
    assert_true(wr_expr_is_constant(constant("int4", "1")) && !wr_expr_is_constant(a));
    assert_true(wr_expr_can_fail(a) && !wr_expr_can_fail(call("<", column(0, "int4"), column(1, "int4"))));
}

#define EVAL_TEST(fn) cmocka_unit_test_setup_teardown(fn, arena_open, arena_close)

WR_TESTS = {
    EVAL_TEST(logic_is_three_valued),
    EVAL_TEST(guarded_arguments_do_not_fail),
    EVAL_TEST(unguarded_rows_fail_alone),
    EVAL_TEST(constant_failure_is_of_every_row_that_needs_it),
    EVAL_TEST(no_rows_no_failure),
    EVAL_TEST(branches_keep_their_values),
    EVAL_TEST(first_true_branch_wins),
    EVAL_TEST(membership),
    EVAL_TEST(large_lists_use_a_set),
    EVAL_TEST(filters_keep_true_rows),
    EVAL_TEST(first_error_of_a_row_stays),
    EVAL_TEST(errors_tell_where),
    EVAL_TEST(memory_that_runs_out_is_reported),
    EVAL_TEST(folding_gives_the_value_or_the_error),
    EVAL_TEST(folding_stops_where_its_fuel_ends),
    EVAL_TEST(random_is_drawn_for_each_row),
    EVAL_TEST(prints_as_sql),
    EVAL_TEST(trees_compare_and_copy),
    { NULL, NULL },
};
