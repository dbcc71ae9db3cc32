/* SPDX-License-Identifier: Apache-2.0 */
/* support/exprs.c -- expressions and batches from text (see exprs.h). */
#include "support/exprs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

wr_type
test_type(const char *spelling)
{
    wr_type    type = WR_TYPE(WR_UNKNOWN);
    weir_error err;
    if (strcmp(spelling, "unknown") != 0 &&
        wr_type_parse(spelling, strlen(spelling), &type, &err) != WEIR_OK)
        fail_msg("type %s: %s", spelling, err.text);
    return type;
}

wr_value
test_value(wr_arena *arena, wr_type type, const char *text)
{
    wr_value   v = wr_value_null(type);
    weir_error err;
    if (text == NULL || strcmp(text, "NULL") == 0)
        return v;
    if (type.id == WR_UNKNOWN) {
        v.is_null = false;
        v.string = wr_string_make(wr_arena_strdup(arena, text), strlen(text));
    } else if (wr_value_parse(type, text, strlen(text), arena, &v, &err) != WEIR_OK) {
        fail_msg("value '%s': %s", text, err.text);
    }
    return v;
}

wr_column *
test_column(wr_type type, const char *const *texts, uint32_t count)
{
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_column *c = type.id == WR_NUMERIC
                       ? wr_column_create_decimal(NULL, type, WR_DEC64, 0, WR_MAX(count, 1u))
                       : wr_column_create(NULL, type, WR_MAX(count, 1u));
    for (uint32_t i = 0; i < count; i++) {
        wr_value v = test_value(&arena, type, texts[i]);
        if (v.is_null)
            assert_int_equal(wr_column_set_null(c, i), WEIR_OK);
        else
            assert_int_equal(wr_column_set_value(c, i, &v), WEIR_OK);
    }
    wr_arena_fini(&arena);
    return c;
}

wr_batch *
test_batch(wr_column *const *columns, uint32_t column_count, uint32_t rows)
{
    wr_batch *b = wr_batch_create(NULL, column_count);
    assert_non_null(b);
    for (uint32_t i = 0; i < column_count; i++)
        b->columns[i] = columns[i];
    b->row_count = b->physical_count = rows;
    return b;
}

wr_expr *
test_call(wr_arena *arena, const char *name, wr_expr *const *args, uint32_t arg_count,
          weir_error *err)
{
    wr_type            types[16] = { { 0 } }, wanted[16], result;
    wr_expr           *cast[16];
    const wr_function *function;
    for (uint32_t i = 0; i < arg_count; i++)
        types[i] = args[i]->type;
    if (wr_function_resolve(name, types, arg_count, &function, wanted, &result, err) != WEIR_OK)
        return NULL;
    for (uint32_t i = 0; i < arg_count; i++)
        if (wr_expr_cast(arena, args[i], wanted[i], WR_CAST_IMPLICIT, &cast[i], err) != WEIR_OK)
            return NULL;
    return wr_expr_call(arena, function, result, cast, arg_count);
}

void
test_print(const wr_column *column, uint32_t row, wr_text *to)
{
    wr_arena arena;
    wr_value v;
    wr_arena_init(&arena, NULL);
    assert_int_equal(wr_column_get_value(column, row, &arena, &v), WEIR_OK);
    if (v.is_null)
        wr_text_puts(to, "NULL");
    else
        wr_value_print(&v, to);
    wr_arena_fini(&arena);
}

/* --- one way of evaluating --- */

static const char *
error_of(const wr_eval *eval, uint32_t row)
{
    for (uint32_t i = 0; i < eval->error_count; i++)
        if (eval->errors[i].row == row)
            return eval->errors[i].text;
    return NULL;
}

/* rows.rows[i] stands for expected[first + i * step]. */
static void
eval_check(const wr_expr *expr, const wr_batch *in, wr_rows rows, const char *const *expected,
           uint32_t first, uint32_t step, const char *what, const char *way)
{
    wr_eval    eval;
    wr_column *out = NULL;
    wr_text    text;
    wr_text_init(&text, NULL);
    wr_eval_init(&eval, NULL);
    assert_int_equal(wr_expr_eval(&eval, expr, in, rows, &out), WEIR_OK);
    assert_true(wr_type_same(out->type, expr->type));
    if (rows.rows == NULL && rows.count == in->physical_count)
        wr_column_check(out, rows.count);
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t    row = rows.rows != NULL ? rows.rows[i] : i;
        const char *want = expected[first + i * step], *error = error_of(&eval, row);
        wr_text_clear(&text);
        if (error != NULL) {
            assert_true(wr_eval_row_failed(&eval, row));
            assert_true(wr_column_is_null(out, row)); /* X3 */
            wr_text_printf(&text, "!%s", error);
        } else {
            test_print(out, row, &text);
        }
        bool any_error = strcmp(want, "!*") == 0 && error != NULL;
        if (!any_error && strcmp(wr_text_string(&text), want) != 0)
            fail_msg("%s, row %u, %s: got %s, want %s", what, first + i * step, way,
                     wr_text_string(&text), want);
    }
    wr_column_release(out);
    wr_eval_fini(&eval);
    wr_text_fini(&text);
}

/* --- the same rows in other clothes --- */

static wr_batch *
batch_of_rows(const wr_batch *from, const uint16_t *rows, uint32_t count)
{
    wr_column *columns[TEST_COLUMNS_MAX];
    for (uint32_t c = 0; c < from->column_count; c++)
        columns[c] = wr_column_gather(NULL, from->columns[c], rows, count);
    return test_batch(columns, from->column_count, count);
}

static wr_batch *
batch_of_constants(const wr_batch *from, uint32_t row)
{
    wr_column *columns[TEST_COLUMNS_MAX];
    wr_arena   arena;
    wr_arena_init(&arena, NULL);
    for (uint32_t c = 0; c < from->column_count; c++) {
        wr_value v;
        assert_int_equal(wr_column_get_value(from->columns[c], row, &arena, &v), WEIR_OK);
        columns[c] = wr_column_create_constant(NULL, &v);
    }
    wr_arena_fini(&arena);
    return test_batch(columns, from->column_count, 2);
}

/* Column `which` (or all, when it is the count) as a dictionary in reverse order. */
static wr_batch *
batch_of_dictionaries(const wr_batch *from, uint32_t which, uint32_t repeat)
{
    wr_column *columns[TEST_COLUMNS_MAX];
    uint32_t   count = from->physical_count;
    uint16_t  *reverse = wr_alloc(NULL, (count * repeat + 1) * sizeof *reverse);
    for (uint32_t i = 0; i < count * repeat; i++)
        reverse[i] = (uint16_t) (i % count);
    for (uint32_t c = 0; c < from->column_count; c++) {
        if (which != from->column_count && which != c) {
            columns[c] = wr_column_gather(NULL, from->columns[c], reverse, count * repeat);
            continue;
        }
        for (uint32_t i = 0; i < count; i++)
            reverse[i] = (uint16_t) (count - 1 - i);
        wr_column *entries = wr_column_gather(NULL, from->columns[c], reverse, count);
        columns[c] = wr_column_create_dictionary(NULL, entries, count * repeat);
        for (uint32_t i = 0; i < count * repeat; i++)
            ((uint16_t *) columns[c]->data)[i] = (uint16_t) (count - 1 - i % count);
        wr_column_release(entries);
        for (uint32_t i = 0; i < count; i++)
            reverse[i] = (uint16_t) i;
    }
    wr_free(reverse);
    return test_batch(columns, from->column_count, count * repeat);
}

static wr_batch *
batch_of_nums(const wr_batch *from)
{
    wr_column *columns[TEST_COLUMNS_MAX];
    uint16_t   all[256];
    for (uint32_t i = 0; i < from->physical_count; i++)
        all[i] = (uint16_t) i;
    for (uint32_t c = 0; c < from->column_count; c++) {
        columns[c] = wr_column_gather(NULL, from->columns[c], all, from->physical_count);
        if (columns[c]->type.id == WR_NUMERIC && columns[c]->form != WR_NUM)
            assert_int_equal(wr_column_promote(columns[c], from->physical_count, WR_NUM, 0), WEIR_OK);
    }
    return test_batch(columns, from->column_count, from->physical_count);
}

static void
eval_and_release(const wr_expr *expr, wr_batch *b, const char *const *expected, uint32_t first,
                 uint32_t step, const char *what, const char *way)
{
    eval_check(expr, b, (wr_rows){ NULL, b->physical_count }, expected, first, step, what, way);
    wr_batch_release(b);
}

void
test_eval(const wr_expr *expr, wr_batch *batch, const char *const *expected, const char *what)
{
    uint32_t count = batch->physical_count;
    assert_true(count <= 256 && batch->column_count <= TEST_COLUMNS_MAX);
    eval_check(expr, batch, (wr_rows){ NULL, count }, expected, 0, 1, what, "all at once");
    for (uint16_t row = 0; row < count; row++) {
        eval_check(expr, batch, (wr_rows){ &row, 1 }, expected, row, 1, what, "selected alone");
        eval_and_release(expr, batch_of_rows(batch, &row, 1), expected, row, 1, what, "alone");
        eval_and_release(expr, batch_of_constants(batch, row), expected, row, 0, what, "constant");
    }
    for (uint32_t odd = 0; odd < 2; odd++) {
        uint16_t rows[128];
        uint32_t n = 0;
        for (uint32_t row = odd; row < count; row += 2)
            rows[n++] = (uint16_t) row;
        eval_check(expr, batch, (wr_rows){ rows, n }, expected, odd, 2, what, "every second");
    }
    for (uint32_t c = 0; c <= batch->column_count; c++)
        eval_and_release(expr, batch_of_dictionaries(batch, c, 1), expected, 0, 1, what,
                         "dictionary");
    eval_and_release(expr, batch_of_nums(batch), expected, 0, 1, what, "nums");
    for (uint32_t c = 0; c < batch->column_count; c++) { /* one column constant, the others not */
        for (uint32_t row = 0; row < count; row++) {
            wr_batch  *one = batch_of_constants(batch, row), *mixed = wr_batch_copy(NULL, batch);
            uint16_t   only = (uint16_t) row;
            wr_column_release(mixed->columns[c]);
            mixed->columns[c] = wr_column_retain(one->columns[c]);
            eval_check(expr, mixed, (wr_rows){ &only, 1 }, expected, row, 1, what, "one constant");
            wr_batch_release(one);
            wr_batch_release(mixed);
        }
    }
}

void
test_binary(const binary_set *sets, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        const binary_set *set = &sets[s];
        const char       *left[256], *right[256], *expected[256];
        wr_type           types[2] = { test_type(set->left), test_type(set->right) };
        wr_arena          arena;
        weir_error        err;
        char              what[64];
        wr_arena_init(&arena, NULL);
        for (uint32_t i = 0; i < set->count; i++) {
            left[i] = set->rows[i].left;
            right[i] = set->rows[i].right;
            expected[i] = set->rows[i].expected;
        }
        snprintf(what, sizeof what, "%s %s %s", set->left, set->op, set->right);
        wr_column *columns[2] = { test_column(types[0], left, set->count),
                                  test_column(types[1], right, set->count) };
        wr_batch  *batch = test_batch(columns, 2, set->count);
        wr_expr   *args[2] = { wr_expr_column(&arena, 0, types[0]),
                               wr_expr_column(&arena, 1, types[1]) };
        wr_expr   *expr = test_call(&arena, set->op, args, 2, &err);
        if (expr == NULL)
            fail_msg("%s: %s", what, err.text);
        test_eval(expr, batch, expected, what);
        wr_batch_release(batch);
        wr_arena_fini(&arena);
    }
}
