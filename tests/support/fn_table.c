/* SPDX-License-Identifier: Apache-2.0 */
/* support/fn_table.c -- functions tested by tables (see fn_table.h). */
#include "support/fn_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ROWS = 7 };

typedef struct runner {
    const wr_fn_case  *c;
    wr_arena           arena;
    wr_eval            eval;
    const wr_function *function;
    uint32_t           arg_count;
    wr_value           args[WR_FN_CASE_ARGS_MAX];
    wr_type            types[WR_FN_CASE_ARGS_MAX], wanted[WR_FN_CASE_ARGS_MAX], result;
    wr_text            shown;
} runner;

/* Test clock: 2024-02-29 12:34:56.789 UTC. */
static const wr_time test_now = 1709210096789000;

static weir_status
runner_open(runner *r, const wr_fn_case *c, wr_budget *budget, weir_error *err)
{
    memset(r, 0, sizeof *r);
    r->c = c;
    wr_arena_init(&r->arena, budget);
    wr_eval_init(&r->eval, NULL);
    r->eval.now = test_now;
    wr_text_init(&r->shown, NULL);
    for (uint32_t i = 0; i < WR_FN_CASE_ARGS_MAX && c->args[2 * i] != NULL; i++) {
        const char *type = c->args[2 * i], *text = c->args[2 * i + 1];
        wr_type    *t = &r->types[i];
        wr_value   *v = &r->args[i];
        WR_TRY(wr_type_parse(type, strlen(type), t, err));
        *v = wr_value_null(*t);
        if (text != NULL)
            WR_TRY(wr_value_parse(*t, text, strlen(text), &r->arena, v, err));
        v->type = *t;
        r->arg_count = i + 1;
    }
    return wr_function_resolve(c->call, r->types, r->arg_count, &r->function, r->wanted, &r->result,
                               err);
}

static void
runner_close(runner *r)
{
    wr_text_fini(&r->shown);
    wr_eval_fini(&r->eval);
    wr_arena_fini(&r->arena);
}

/* The call over constants and, where `columns` has a bit, columns. */
static wr_expr *
runner_call(runner *r, uint32_t columns, weir_error *err)
{
    wr_expr *args[WR_FN_CASE_ARGS_MAX];
    for (uint32_t i = 0; i < r->arg_count; i++) {
        args[i] = (columns >> i & 1) != 0 ? wr_expr_column(&r->arena, i, r->types[i])
                                          : wr_expr_constant(&r->arena, &r->args[i]);
        if (args[i] == NULL) {
            (void) wr_error_set(err, WEIR_MEMORY, "out of memory");
            return NULL;
        }
        if (wr_expr_cast(&r->arena, args[i], r->wanted[i], WR_CAST_IMPLICIT, &args[i], err) !=
            WEIR_OK)
            return NULL;
    }
    return wr_expr_call(&r->arena, r->function, r->result, args, r->arg_count);
}

/* What a value looks like in the table; NULL for NULL. */
static const char *
runner_show(runner *r, const wr_value *value)
{
    wr_text_clear(&r->shown);
    if (value->is_null)
        return NULL;
    wr_value_print(value, &r->shown);
    return wr_text_string(&r->shown);
}

static const char *
runner_show_error(runner *r, const char *text)
{
    wr_text_clear(&r->shown);
    wr_text_printf(&r->shown, "!%s", text);
    return wr_text_string(&r->shown);
}

static const char *
runner_fold(runner *r, weir_error *err)
{
    wr_value value;
    wr_expr *call = runner_call(r, 0, err);
    if (call == NULL || wr_expr_fold(call, test_now, &r->arena, &value, err) != WEIR_OK)
        return runner_show_error(r, err->text);
    return runner_show(r, &value);
}

static bool
same(const char *expected, const char *got)
{
    if (expected == NULL || got == NULL)
        return expected == got;
    if (expected[0] != '~')
        return strcmp(expected, got) == 0;
    double want = strtod(expected + 1, NULL), have = strtod(got, NULL);
    return fabs(want - have) <= 1e-13 * WR_MAX(fabs(want), fabs(have));
}

static void
runner_expect(runner *r, const char *how, const char *got)
{
    const wr_fn_case *c = r->c;
    if (same(c->expected, got))
        return;
    print_error("%s(", c->call);
    for (uint32_t i = 0; i < r->arg_count; i++)
        print_error("%s%s '%s'", i > 0 ? ", " : "", c->args[2 * i],
                    c->args[2 * i + 1] != NULL ? c->args[2 * i + 1] : "NULL");
    print_error("), %s: expected '%s', got '%s'\n", how,
                c->expected != NULL ? c->expected : "NULL", got != NULL ? got : "NULL");
    fail();
}

/* A batch with the arguments in every even row of the ROWS, NULLs in the others. */
static wr_batch *
runner_batch(runner *r)
{
    wr_batch *batch = wr_batch_create(NULL, r->arg_count);
    assert_non_null(batch);
    for (uint32_t i = 0; i < r->arg_count; i++) {
        wr_type    type = r->types[i];
        bool       decimal = type.id == WR_NUMERIC && type.modifier > 0;
        wr_column *column =
            decimal ? wr_column_create_decimal(
                          NULL, type, type.modifier > 18 ? WR_DEC128 : WR_DEC64, type.scale, ROWS)
                    : wr_column_create(NULL, type, ROWS);
        assert_non_null(column);
        batch->columns[i] = column;
        for (uint32_t row = 0; row < ROWS; row++) {
            if (row % 2 != 0 || r->args[i].is_null)
                assert_int_equal(wr_column_set_null(column, row), WEIR_OK);
            else
                assert_int_equal(wr_column_set_value(column, row, &r->args[i]), WEIR_OK);
        }
    }
    batch->row_count = batch->physical_count = ROWS;
    return batch;
}

static const char *
runner_show_row(runner *r, const wr_column *out, uint32_t row)
{
    wr_value value;
    for (uint32_t e = 0; e < r->eval.error_count; e++)
        if (r->eval.errors[e].row == row)
            return runner_show_error(r, r->eval.errors[e].text);
    assert_int_equal(wr_column_get_value(out, row, &r->arena, &value), WEIR_OK);
    return runner_show(r, &value);
}

/* Evaluates over `rows` of the batch and looks at those that hold the arguments. */
static void
runner_eval(runner *r, const char *how, uint32_t columns, const wr_batch *batch, wr_rows rows)
{
    weir_error err = { 0 };
    wr_column *out = NULL;
    wr_expr   *call = runner_call(r, columns, &err);
    if (call == NULL) { /* a constant argument that cannot be cast fails before any row */
        runner_expect(r, how, runner_show_error(r, err.text));
        return;
    }
    assert_int_equal(wr_expr_eval(&r->eval, call, batch, rows, &out), WEIR_OK);
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = rows.rows != NULL ? rows.rows[i] : i;
        if (row % 2 == 0)
            runner_expect(r, how, runner_show_row(r, out, row));
    }
    wr_column_release(out);
    wr_eval_reset(&r->eval);
    r->eval.now = test_now;
}

/* With little memory a case gives the same, or says that memory is out; it keeps nothing. */
static void
case_starve(const wr_fn_case *c)
{
    for (uint64_t limit = 2000; limit < 60000; limit += limit / 2) {
        runner     r;
        weir_error err = { 0 };
        wr_budget *budget = wr_budget_create(NULL, "starved", limit);
        assert_non_null(budget);
        if (runner_open(&r, c, budget, &err) == WEIR_OK && r.function->volatility != WR_VOLATILE) {
            const char *got = runner_fold(&r, &err);
            bool        starved = err.code == WEIR_MEMORY || (got != NULL && strcmp(got, "!") == 0);
            if (!starved)
                runner_expect(&r, "starved", got);
        }
        runner_close(&r);
        assert_int_equal(wr_budget_used(budget), 0);
        wr_budget_destroy(budget);
    }
}

static void
case_check(const wr_fn_case *c)
{
    static const uint16_t one[] = { 4 }, some[] = { 0, 2, 3, 6 };
    runner     r;
    weir_error err = { 0 };
    if (runner_open(&r, c, NULL, &err) != WEIR_OK) {
        runner_expect(&r, "resolved", runner_show_error(&r, err.text));
        runner_close(&r);
        return;
    }
    runner_expect(&r, "folded", runner_fold(&r, &err));
    wr_batch *batch = runner_batch(&r);
    uint32_t  all = (1u << r.arg_count) - 1;
    runner_eval(&r, "one row", all, batch, (wr_rows){ one, WR_COUNT(one) });
    runner_eval(&r, "some rows", all, batch, (wr_rows){ some, WR_COUNT(some) });
    runner_eval(&r, "all rows", all, batch, (wr_rows){ NULL, ROWS });
    for (uint32_t i = 0; i < r.arg_count; i++) {
        runner_eval(&r, "one column, some rows", 1u << i, batch,
                    (wr_rows){ some, WR_COUNT(some) });
        runner_eval(&r, "one column, all rows", 1u << i, batch, (wr_rows){ NULL, ROWS });
    }
    wr_batch_release(batch);
    runner_close(&r);
    case_starve(c);
}

void
wr_fn_table_check(const wr_fn_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        case_check(&cases[i]);
}

const char *
wr_fn_case_run(const wr_fn_case *c, wr_text *to)
{
    runner      r;
    weir_error  err = { 0 };
    const char *got = runner_open(&r, c, NULL, &err) == WEIR_OK ? runner_fold(&r, &err)
                                                                : runner_show_error(&r, err.text);
    wr_text_clear(to);
    if (got != NULL)
        wr_text_puts(to, got);
    runner_close(&r);
    return got != NULL ? wr_text_string(to) : NULL;
}
