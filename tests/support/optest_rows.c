/* SPDX-License-Identifier: Apache-2.0 */
/* support/optest_rows.c -- rows of operator tests as text, and bags of them. */
#include "support/optest_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
wr_optest_bag_add(wr_optest_bag *bag, const char *text, int64_t diff)
{
    if (bag->count == bag->capacity) {
        bag->capacity = bag->capacity == 0 ? 16 : bag->capacity * 2;
        bag->lines = wr_realloc(NULL, bag->lines, bag->capacity * sizeof *bag->lines);
    }
    bag->lines[bag->count++] = (wr_optest_line){ wr_strdup(NULL, text), diff };
}

void
wr_optest_bag_clear(wr_optest_bag *bag)
{
    for (uint32_t i = 0; i < bag->count; i++)
        wr_free(bag->lines[i].text);
    wr_free(bag->lines);
    *bag = (wr_optest_bag){ 0 };
}

static int
line_compare(const void *a, const void *b)
{
    return strcmp(((const wr_optest_line *) a)->text, ((const wr_optest_line *) b)->text);
}

void
wr_optest_bag_fold(wr_optest_bag *bag)
{
    if (bag->count == 0)
        return;
    qsort(bag->lines, bag->count, sizeof *bag->lines, line_compare);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < bag->count;) {
        uint32_t j = i;
        int64_t  diff = 0;
        for (; j < bag->count && strcmp(bag->lines[i].text, bag->lines[j].text) == 0; j++) {
            diff += bag->lines[j].diff;
            if (j > i)
                wr_free(bag->lines[j].text);
        }
        if (diff != 0)
            bag->lines[kept++] = (wr_optest_line){ bag->lines[i].text, diff };
        else
            wr_free(bag->lines[i].text);
        i = j;
    }
    bag->count = kept;
}

bool
wr_optest_bag_equal(const wr_optest_bag *a, const wr_optest_bag *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->lines[i].diff != b->lines[i].diff || strcmp(a->lines[i].text, b->lines[i].text) != 0)
            return false;
    return true;
}

void
wr_optest_bag_print(const char *title, const wr_optest_bag *bag)
{
    fprintf(stderr, "  %s (%u rows):\n", title, bag->count);
    for (uint32_t i = 0; i < bag->count && i < 60; i++)
        fprintf(stderr, "    [%+lld] %s\n", (long long) bag->lines[i].diff, bag->lines[i].text);
    if (bag->count == 0)
        fprintf(stderr, "    (no rows)\n");
}

void
wr_optest_bag_print_difference(const wr_optest_bag *expected, const wr_optest_bag *out)
{
    wr_optest_bag difference = { 0 };
    for (uint32_t i = 0; i < out->count; i++)
        wr_optest_bag_add(&difference, out->lines[i].text, out->lines[i].diff);
    for (uint32_t i = 0; i < expected->count; i++)
        wr_optest_bag_add(&difference, expected->lines[i].text, -expected->lines[i].diff);
    wr_optest_bag_fold(&difference);
    wr_optest_bag_print("came out (+) but was not expected, or the other way round (-)",
                        &difference);
    wr_optest_bag_clear(&difference);
}

static void
row_print(const wr_value *values, uint32_t count, wr_text *to)
{
    for (uint32_t c = 0; c < count; c++) {
        if (c > 0)
            wr_text_putc(to, '|');
        if (values[c].is_null)
            wr_text_puts(to, "null");
        else
            wr_value_print(&values[c], to);
    }
}

void
wr_optest_bag_add_batch(wr_optest_bag *bag, const wr_batch *batch)
{
    wr_arena arena;
    wr_text  line;
    wr_arena_init(&arena, NULL);
    wr_text_init(&line, NULL);
    wr_value *values = wr_arena_calloc(&arena, batch->column_count + 1u, sizeof *values);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        for (uint32_t c = 0; c < batch->column_count; c++)
            wr_assert(wr_column_get_value(batch->columns[c], row, &arena, &values[c]) == WEIR_OK);
        wr_text_clear(&line);
        row_print(values, batch->column_count, &line);
        wr_optest_bag_add(bag, wr_text_string(&line), wr_batch_diff(batch, row));
    }
    wr_text_fini(&line);
    wr_arena_fini(&arena);
}

static void
trim(const char **from, const char **to)
{
    while (*from < *to && isspace((unsigned char) **from))
        (*from)++;
    while (*to > *from && isspace((unsigned char) (*to)[-1]))
        (*to)--;
}

static wr_value
cell_parse(wr_arena *arena, wr_type type, const char *from, const char *to)
{
    wr_value   value = { .type = type };
    weir_error err;
    trim(&from, &to);
    size_t length = (size_t) (to - from);
    if (length == 4 && memcmp(from, "null", 4) == 0)
        return wr_value_null(type);
    if (length > 1 && from[0] == '@' && wr_type_is_time(type)) {
        wr_assert(type.id != WR_DATE);
        double seconds = strtod(wr_arena_strndup(arena, from + 1, length - 1), NULL);
        value.integer = (int64_t) (seconds * 1e6 + (seconds < 0 ? -0.5 : 0.5));
        return value;
    }
    if (wr_value_parse(type, from, length, arena, &value, &err) != WEIR_OK) {
        fprintf(stderr, "optest: \"%.*s\": %s\n", (int) length, from, err.text);
        abort();
    }
    return value;
}

wr_optest_row *
wr_optest_parse(wr_arena *arena, const wr_schema *schema, const char *text, uint32_t *count)
{
    uint32_t capacity = 1;
    for (const char *s = text; *s != '\0'; s++)
        capacity += *s == ';';
    wr_optest_row *rows = wr_arena_calloc(arena, capacity, sizeof *rows);
    const char    *at = text, *end = text + strlen(text);
    *count = 0;
    while (at < end) {
        const char *stop = memchr(at, ';', (size_t) (end - at));
        const char *from = at, *to = stop != NULL ? stop : end;
        at = to + 1;
        trim(&from, &to);
        if (from == to)
            continue;
        wr_optest_row *row = &rows[(*count)++];
        row->diff = 1;
        if (*from == '[') {
            row->diff = strtoll(from + 1, NULL, 10);
            from = memchr(from, ']', (size_t) (to - from));
            wr_assert(from != NULL);
            from++;
        }
        row->values = wr_arena_calloc(arena, schema->field_count, sizeof *row->values);
        for (uint32_t c = 0; c < schema->field_count; c++) {
            const char *bar = memchr(from, '|', (size_t) (to - from));
            bool        last = c + 1 == schema->field_count;
            if (last != (bar == NULL)) {
                fprintf(stderr, "optest: wrong number of cells in \"%s\"\n", text);
                abort();
            }
            row->values[c] = cell_parse(arena, schema->fields[c].type, from, last ? to : bar);
            from = last ? to : bar + 1;
        }
    }
    return rows;
}
