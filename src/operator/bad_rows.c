/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/bad_rows.c -- rows whose expressions failed, as rows of VIEW.dead_letter (see bad_rows.h).
 *
 * State       a batch under construction, handed on after each step: nothing to snapshot.
 * Invariants  D1  one row a failure; a row that is too large for jsonb has a NULL there
 */
#include "operator/bad_rows.h"

#include "expr/row_json.h"

#include <string.h>

enum { COLUMNS = 6 };

struct wr_bad_rows {
    wr_budget       *flow;
    wr_bad_origin    origin;
    wr_batch_builder rows;
};

static wr_field fields[COLUMNS] = {
#define FIELD(n, t) { .name = n, .type = { t, 0, 0, -1 }, .watermark_offset = WR_NO_WATERMARK }
    FIELD("view", WR_TEXT),    FIELD("operator", WR_TEXT), FIELD("code", WR_TEXT),
    FIELD("message", WR_TEXT), FIELD("row", WR_JSONB),     FIELD("ts", WR_TIMESTAMPTZ),
#undef FIELD
};
static const wr_schema schema = { .fields = fields, .field_count = COLUMNS, .time_column = -1 };

const wr_schema *
wr_bad_rows_schema(void)
{
    return &schema;
}

wr_bad_rows *
wr_bad_rows_create(wr_budget *flow, const wr_bad_origin *origin)
{
    wr_bad_rows *bad = wr_calloc(flow, 1, sizeof *bad);
    if (bad == NULL)
        return NULL;
    bad->flow = flow;
    bad->origin = *origin;
    wr_batch_builder_init(&bad->rows, flow, &schema);
    return bad;
}

void
wr_bad_rows_destroy(wr_bad_rows *bad)
{
    if (bad == NULL)
        return;
    wr_batch_builder_fini(&bad->rows);
    wr_free(bad);
}

bool
wr_bad_rows_full(const wr_bad_rows *bad)
{
    return wr_batch_builder_full(&bad->rows);
}

static wr_value
text_or_null(const char *text)
{
    if (text == NULL)
        return wr_value_null(WR_TYPE(WR_TEXT));
    return (wr_value){ .type = WR_TYPE(WR_TEXT), .string = wr_string_make(text, strlen(text)) };
}

weir_status
wr_bad_rows_add(wr_bad_rows *bad, const wr_batch *batch, uint32_t row, bool result,
                weir_status_code code, const char *message, wr_time now)
{
    const wr_bad_origin *o = &bad->origin;
    wr_arena             arena;
    wr_value             json = { .type = WR_TYPE(WR_JSONB) };
    wr_arena_init(&arena, bad->flow);
    weir_status status =
        wr_row_to_jsonb(batch, row, result ? o->output : o->input, &arena, &json.string);
    if (status != WEIR_MEMORY) {
        json.is_null = status != WEIR_OK; /* D1 */
        wr_value values[COLUMNS] = { text_or_null(o->view),
                                     text_or_null(o->operator_name),
                                     text_or_null(weir_status_name(code)),
                                     text_or_null(message),
                                     json,
                                     { .type = WR_TYPE(WR_TIMESTAMPTZ), .integer = now } };
        status = wr_batch_builder_add(&bad->rows, values, 1);
    }
    wr_arena_fini(&arena);
    return status;
}

wr_batch *
wr_bad_rows_take(wr_bad_rows *bad)
{
    return wr_batch_builder_count(&bad->rows) > 0 ? wr_batch_builder_take(&bad->rows) : NULL;
}
