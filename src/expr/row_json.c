/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/row_json.c -- a row as a jsonb object (see row_json.h): values as to_jsonb gives them.
 *
 * Place       operators tell with it what a row was that came to nothing.
 * State       none.
 * Cost        boxes each value: for rows that fail, not for rows that flow.
 */
#include "expr/row_json.h"

#include "expr/fn_json_impl.h"

#include <string.h>

static void
name_append(const wr_batch *batch, const wr_schema *schema, uint32_t column, wr_text *to)
{
    if (schema != NULL && schema->field_count == batch->column_count) {
        const char *name = schema->fields[column].name;
        wr_text_put_json(to, name, strlen(name));
    } else
        wr_text_printf(to, "\"column%u\"", column + 1);
    wr_text_puts(to, ": ");
}

weir_status
wr_row_to_jsonb(const wr_batch *batch, uint32_t row, const wr_schema *schema, wr_arena *arena,
                wr_string *out)
{
    weir_error  ignored = { 0 };
    weir_status status = WEIR_OK;
    wr_text     text;
    wr_assert(row < batch->physical_count);
    wr_text_init(&text, arena->budget);
    wr_text_putc(&text, '{');
    for (uint32_t c = 0; c < batch->column_count && status == WEIR_OK; c++) {
        wr_value value;
        status = wr_column_get_value(batch->columns[c], row, arena, &value);
        if (status != WEIR_OK)
            break;
        if (c > 0)
            wr_text_puts(&text, ", ");
        name_append(batch, schema, c, &text);
        wr_fn_json_append(&value, true, &text);
    }
    wr_text_putc(&text, '}');
    if (status == WEIR_OK && !wr_text_ok(&text))
        status = WEIR_MEMORY;
    if (status == WEIR_OK)
        status = wr_jsonb_parse(wr_text_string(&text), text.length, arena, out, &ignored);
    wr_text_fini(&text);
    return status;
}
