/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trees_test.c -- X3..X5 of expr/expr.h over random expressions: a row gives the same value or the same
 * error whatever rows it is evaluated with, and a filter keeps the rows that are true.
 */
#include "support/test.h"

#include "support/exprs.h"

#include <stdio.h>

enum { TREES = 400, ROWS = 48, DEPTH = 4 };

static wr_arena  arena;
static wr_random dice;

static uint32_t
roll(uint32_t sides)
{
    return (uint32_t) wr_random_below(&dice, sides);
}

static wr_expr *tree(const char *type, int depth);

static wr_expr *
call(const char *name, wr_expr *a, wr_expr *b)
{
    weir_error err;
    wr_expr   *args[2] = { a, b }, *e = test_call(&arena, name, args, b != NULL ? 2 : 1, &err);
    if (e == NULL)
        fail_msg("%s", err.text);
    return e;
}

static wr_expr *
make(wr_expr_kind kind, const char *type, wr_expr **args, uint32_t count)
{
    return wr_expr_make(&arena, kind, test_type(type), args, count);
}

static wr_expr *
leaf(const char *type)
{
    static const char *const ints[] = { "0", "1", "-3", "2147483647", "100", "NULL" };
    static const char *const nums[] = { "0.00", "1.50", "-2.25", "99999999999999.99", "1e30", "NULL" };
    static const char *const texts[] = { "", "abc", "a string of some length", "zz", "b", "NULL" };
    static const char *const bools[] = { "t", "f", "NULL", "t", "f", "t" };
    wr_type                  t = test_type(type);
    uint32_t                 c = t.id == WR_INT4 ? 0 : t.id == WR_NUMERIC ? 1 : t.id == WR_TEXT ? 2 : 3;
    if (roll(3) > 0)
        return wr_expr_column(&arena, c, t);
    const char *const *from = c == 0 ? ints : c == 1 ? nums : c == 2 ? texts : bools;
    wr_value           v = test_value(&arena, t, from[roll(6)]);
    return wr_expr_constant(&arena, &v);
}

static wr_expr *
boolean(int depth)
{
    static const char *const types[] = { "int4", "numeric", "text", "bool" };
    static const char *const ops[] = { "=", "<>", "<", "<=", ">", ">=" };
    const char              *t = types[roll(4)];
    wr_expr                 *args[3];
    switch (roll(8)) {
    case 0:
    case 1:
        for (int i = 0; i < 3; i++)
            args[i] = tree("bool", depth - 1);
        return make(roll(2) ? WR_EXPR_AND : WR_EXPR_OR, "bool", args, 2 + roll(2));
    case 2:
        args[0] = tree("bool", depth - 1);
        return make(roll(2) ? WR_EXPR_NOT : WR_EXPR_IS_TRUE + roll(4), "bool", args, 1);
    case 3: args[0] = tree(t, depth - 1); return make(WR_EXPR_IS_NULL + roll(2), "bool", args, 1);
    case 4:
        args[0] = tree(t, depth - 1);
        for (int i = 1; i < 3; i++)
            args[i] = roll(2) ? tree(t, depth - 1) : leaf(t);
        wr_expr *in = make(roll(2) ? WR_EXPR_IN : WR_EXPR_DISTINCT, "bool", args, 3);
        if (in->kind == WR_EXPR_DISTINCT)
            in->arg_count = 2;
        in->function = call("=", args[0], args[1])->function;
        return in;
    default: return call(ops[roll(6)], tree(t, depth - 1), tree(t, depth - 1));
    }
}

static wr_expr *
number(const char *type, int depth)
{
    static const char *const ops[] = { "+", "-", "*", "/", "%" };
    if (roll(5) == 0)
        return call("-", tree(type, depth - 1), NULL);
    return call(ops[roll(5)], tree(type, depth - 1), tree(type, depth - 1));
}

static wr_expr *
tree(const char *type, int depth)
{
    wr_expr *args[5];
    if (depth == 0 || roll(6) == 0)
        return leaf(type);
    if (roll(4) == 0) {
        for (int i = 0; i < 5; i++)
            args[i] = tree(i % 2 == 0 && i < 4 ? "bool" : type, depth - 1);
        return make(WR_EXPR_CASE, type, args, 5);
    }
    if (roll(6) == 0) {
        for (int i = 0; i < 3; i++)
            args[i] = tree(type, depth - 1);
        return make(WR_EXPR_COALESCE, type, args, 3);
    }
    wr_type t = test_type(type);
    if (t.id == WR_BOOL)
        return boolean(depth);
    if (t.id == WR_TEXT)
        return roll(2) ? call("||", tree(type, depth - 1), tree(type, depth - 1))
                       : call("upper", tree(type, depth - 1), NULL);
    return number(type, depth);
}

static wr_batch *
rows_make(void)
{
    static char texts[4][ROWS][48];
    const char *values[4][ROWS];
    static const char *const types[] = { "int4", "numeric", "text", "bool" };
    for (int c = 0; c < 4; c++)
        for (int r = 0; r < ROWS; r++) {
            char *text = texts[c][r];
            if (c == 0)
                snprintf(text, 48, "%d", roll(8) == 0 ? INT32_MIN + (int) roll(2) : (int) roll(9) - 4);
            else if (c == 1)
                snprintf(text, 48, "%d.%02u", (int) roll(2000) - 1000, roll(100));
            else if (c == 2)
                snprintf(text, 48, "%.*s", (int) roll(30), "aAbBcCdDeEfFgGhHiIjJkKlLmMnN!!");
            else
                snprintf(text, 48, "%s", roll(2) ? "t" : "f");
            values[c][r] = roll(6) == 0 ? "NULL" : text;
        }
    wr_column *columns[4];
    for (int c = 0; c < 4; c++)
        columns[c] = test_column(test_type(types[c]), values[c], ROWS);
    return test_batch(columns, 4, ROWS);
}

/* What each row gives in a batch of its own. */
static void
rows_alone(const wr_expr *e, const wr_batch *batch, const char **expected, wr_arena *strings)
{
    wr_text text;
    wr_text_init(&text, NULL);
    for (uint16_t r = 0; r < ROWS; r++) {
        wr_column *columns[4], *out = NULL;
        wr_eval    eval;
        for (int c = 0; c < 4; c++)
            columns[c] = wr_column_gather(NULL, batch->columns[c], &r, 1);
        wr_batch *one = test_batch(columns, 4, 1);
        wr_eval_init(&eval, NULL);
        assert_int_equal(wr_expr_eval(&eval, e, one, (wr_rows){ NULL, 1 }, &out), WEIR_OK);
        wr_text_clear(&text);
        if (eval.error_count > 0)
            wr_text_printf(&text, "!%s", eval.errors[0].text);
        else
            test_print(out, 0, &text);
        expected[r] = wr_arena_strdup(strings, wr_text_string(&text));
        wr_column_release(out);
        wr_eval_fini(&eval);
        wr_batch_release(one);
    }
    wr_text_fini(&text);
}

static void
filter_agrees(const wr_expr *e, const wr_batch *batch, const char *const *expected, const char *what)
{
    uint16_t selected[ROWS];
    uint32_t n = 0, at = 0;
    wr_eval  eval;
    wr_eval_init(&eval, NULL);
    assert_int_equal(wr_expr_filter(&eval, e, batch, (wr_rows){ NULL, ROWS }, selected, &n), WEIR_OK);
    for (uint16_t r = 0; r < ROWS; r++)
        if (strcmp(expected[r], "t") == 0) {
            if (at >= n || selected[at] != r)
                fail_msg("%s: the filter lost row %u", what, r);
            at++;
        }
    assert_int_equal(at, n);
    wr_eval_fini(&eval);
}

static void
values_do_not_depend_on_the_batch(void **state)
{
    static const char *const types[] = { "bool", "int4", "numeric", "text" };
    for (uint32_t seed = 0; seed < TREES; seed++) {
        const char *expected[ROWS];
        wr_text     what;
        wr_arena_init(&arena, NULL);
        wr_text_init(&what, NULL);
        wr_random_init(&dice, seed);
        wr_batch   *batch = rows_make();
        const char *type = types[seed % 4];
        wr_expr    *e = tree(type, DEPTH);
        wr_text_printf(&what, "seed %u: ", seed);
        wr_expr_print(e, (const char *const[]){ "i", "n", "t", "b" }, &what);
        rows_alone(e, batch, expected, &arena);
        test_eval(e, batch, expected, wr_text_string(&what));
        if (e->type.id == WR_BOOL)
            filter_agrees(e, batch, expected, wr_text_string(&what));
        wr_text_fini(&what);
        wr_batch_release(batch);
        wr_arena_fini(&arena);
    }
}

WR_TESTS = {
    WR_TEST(values_do_not_depend_on_the_batch),
    { NULL, NULL },
};
