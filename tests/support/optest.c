/* SPDX-License-Identifier: Apache-2.0 */
/* support/optest.c -- the script of an operator's test: what comes in, what must come out (see
 * optest.h). */
#include "support/optest.h"

#include "expr/function.h"
#include "support/optest_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* --- making --- */

wr_optest *
wr_optest_create(void)
{
    wr_optest *t = wr_calloc(NULL, 1, sizeof *t);
    wr_arena_init(&t->arena, NULL);
    t->failure = WEIR_OK;
    t->on_row_error = WR_ROW_DEAD_LETTER;
    return t;
}

wr_arena *
wr_optest_arena(wr_optest *t)
{
    return &t->arena;
}

wr_schema *
wr_optest_schema(wr_optest *t, const char *columns)
{
    uint32_t count = columns[0] != '\0';
    int      depth = 0;
    for (const char *s = columns; *s != '\0'; s++) {
        depth += (*s == '(') - (*s == ')');
        count += *s == ',' && depth == 0;
    }
    wr_schema  *schema = wr_schema_create(&t->arena, count);
    const char *at = columns;
    for (uint32_t i = 0; i < count; i++) {
        weir_error  err;
        const char *stop = at + strspn(at, " \n"), *name = stop;
        stop += strcspn(stop, " ");
        schema->fields[i].name = wr_arena_strndup(&t->arena, name, (size_t) (stop - name));
        schema->fields[i].watermark_offset = WR_NO_WATERMARK;
        for (at = stop, depth = 0; *at != '\0' && (*at != ',' || depth > 0); at++)
            depth += (*at == '(') - (*at == ')');
        if (wr_type_parse(stop, (size_t) (at - stop), &schema->fields[i].type, &err) != WEIR_OK)
            fail_msg("optest: %s", err.text);
        at += *at == ',';
    }
    return schema;
}

wr_expr *
wr_optest_column(wr_optest *t, const wr_schema *schema, const char *name)
{
    int32_t c = wr_schema_find(schema, name);
    if (c < 0)
        fail_msg("optest: no column \"%s\"", name);
    return wr_expr_column(&t->arena, (uint32_t) c, schema->fields[c].type);
}

wr_expr *
wr_optest_constant(wr_optest *t, const char *type_name, const char *text)
{
    wr_type    type;
    weir_error err;
    if (wr_type_parse(type_name, strlen(type_name), &type, &err) != WEIR_OK)
        fail_msg("optest: %s", err.text);
    wr_value value = wr_value_null(type);
    if (text != NULL &&
        wr_value_parse(type, text, strlen(text), &t->arena, &value, &err) != WEIR_OK)
        fail_msg("optest: %s", err.text);
    return wr_expr_constant(&t->arena, &value);
}

wr_expr *
wr_optest_call(wr_optest *t, const char *name, wr_expr *a, wr_expr *b)
{
    wr_expr          **args = wr_arena_calloc(&t->arena, 2, sizeof *args);
    const wr_function *function = NULL;
    wr_type            types[2] = { a->type }, wanted[WR_FUNCTION_ARGS_MAX], result;
    weir_error         err;
    uint32_t           count = b != NULL ? 2 : 1;
    args[0] = a;
    args[1] = b;
    if (b != NULL)
        types[1] = b->type;
    if (wr_function_resolve(name, types, count, &function, wanted, &result, &err) != WEIR_OK)
        fail_msg("optest: %s", err.text);
    for (uint32_t i = 0; i < count; i++)
        if (wr_expr_cast(&t->arena, args[i], wanted[i], WR_CAST_IMPLICIT, &args[i], &err) !=
            WEIR_OK)
            fail_msg("optest: %s", err.text);
    return wr_expr_call(&t->arena, function, result, args, count);
}

void
wr_optest_operator(wr_optest *t, const wr_operator_ops *ops, const void *config,
                   const wr_schema *output)
{
    wr_operator_ops_check(ops);
    assert_ptr_equal(wr_operator_find(ops->name), ops);
    t->ops = ops;
    t->config = config;
    t->output = output;
}

void
wr_optest_port(wr_optest *t, int number, const wr_schema *schema, const char *keys)
{
    wr_optest_input *p = &t->ports[number];
    assert_int_equal(number, t->port_count);
    t->port_count++;
    *p = (wr_optest_input){
        .schema = schema, .watermark = WR_TIME_START, .time_column = -1, .key_count = -1
    };
    if (keys == NULL)
        return;
    p->key_count = 0;
    while (*keys != '\0') {
        keys += strspn(keys, ", ");
        size_t  length = strcspn(keys, ", ");
        int32_t c = wr_schema_find(schema, wr_arena_strndup(&t->arena, keys, length));
        assert_true(c >= 0);
        p->keys[p->key_count++] = (uint32_t) c;
        keys += length;
    }
}

void
wr_optest_want_late(wr_optest *t)
{
    t->late_wanted = true;
}

void
wr_optest_want_bad(wr_optest *t)
{
    t->bad_wanted = true;
}

void
wr_optest_fail_rows(wr_optest *t)
{
    t->on_row_error = WR_ROW_FAIL;
}

static wr_optest_step *
step_add(wr_optest *t, wr_optest_kind kind, int number)
{
    assert_true(t->step_count < OPTEST_STEPS_MAX);
    wr_optest_step *step = &t->steps[t->step_count++];
    step->kind = kind;
    step->port = number;
    return step;
}

void
wr_optest_rows(wr_optest *t, int number, const char *rows)
{
    wr_optest_input *p = &t->ports[number];
    wr_optest_step *step = step_add(t, OPTEST_ROWS, number);
    step->rows = wr_optest_parse(&t->arena, p->schema, rows, &step->row_count);
    for (uint32_t i = 0; i < step->row_count; i++) {
        wr_optest_row *row = &step->rows[i];
        row->before = p->watermark;
        if (p->time_column >= 0 && !row->values[p->time_column].is_null)
            p->watermark =
                WR_MAX(p->watermark, row->values[p->time_column].integer - p->delay);
        row->after = p->watermark;
    }
}

void
wr_optest_watermark(wr_optest *t, int number, wr_time watermark)
{
    assert_true(watermark >= t->ports[number].watermark);
    t->ports[number].watermark = watermark;
    step_add(t, OPTEST_WATERMARK, number)->watermark = watermark;
}

void
wr_optest_delay(wr_optest *t, int number, const char *time_column, int64_t delay_us)
{
    t->ports[number].time_column = wr_schema_find(t->ports[number].schema, time_column);
    t->ports[number].delay = delay_us;
    assert_true(t->ports[number].time_column >= 0);
}

void
wr_optest_now(wr_optest *t, wr_time now)
{
    step_add(t, OPTEST_NOW, 0)->watermark = now;
}

void
wr_optest_end(wr_optest *t)
{
    step_add(t, OPTEST_END, 0);
}

static wr_optest_step *
expect_add(wr_optest *t, int number, const char *rows)
{
    wr_optest_step  *step = step_add(t, OPTEST_EXPECT, number);
    const wr_schema *schema = number == WR_PORT_MAIN  ? t->output
                              : number == WR_PORT_BAD ? wr_bad_rows_schema()
                                                      : t->ports[0].schema;
    uint32_t         count;
    wr_optest_row   *parsed = wr_optest_parse(&t->arena, schema, rows, &count);
    wr_text          line;
    wr_text_init(&line, NULL);
    for (uint32_t i = 0; i < count; i++) {
        wr_text_clear(&line);
        for (uint32_t c = 0; c < schema->field_count; c++) {
            if (c > 0)
                wr_text_putc(&line, '|');
            if (parsed[i].values[c].is_null)
                wr_text_puts(&line, "null");
            else
                wr_value_print(&parsed[i].values[c], &line);
        }
        wr_optest_bag_add(&step->expected, wr_text_string(&line), parsed[i].diff);
    }
    wr_text_fini(&line);
    return step;
}

void
wr_optest_expect(wr_optest *t, const char *rows)
{
    wr_optest_bag_fold(&expect_add(t, WR_PORT_MAIN, rows)->expected);
}

void
wr_optest_expect_port(wr_optest *t, int number, const char *rows)
{
    wr_optest_bag_fold(&expect_add(t, number, rows)->expected);
}

void
wr_optest_expect_ordered(wr_optest *t, const char *rows)
{
    expect_add(t, WR_PORT_MAIN, rows)->ordered = true;
}

void
wr_optest_expect_any(wr_optest *t)
{
    step_add(t, OPTEST_EXPECT, WR_PORT_MAIN)->any = true;
}

void
wr_optest_count_at(wr_optest *t, size_t offset, const char *name, uint64_t value)
{
    assert_true(t->count_count < OPTEST_COUNTS_MAX);
    t->counts[t->count_count++] = (wr_optest_expected_count){ offset, name, value };
}

void
wr_optest_expect_failure(wr_optest *t, weir_status code)
{
    t->failure = code;
}
