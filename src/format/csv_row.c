/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_row.c -- the fields of a record to columns: by a header's names, or by their order.
 *
 * Place       csv.c, for each record that csv_scan.c has cut into fields.
 * Invariants  every wanted column gets a value or NULL for each row; what no field gives is NULL
 */
#include "format/csv_impl.h"

#include <stdio.h>
#include <strings.h>

/* The column that the header's field names, or WR_CSV_NO_COLUMN. */
static int32_t
column_find(const wr_csv_decoder *d, const wr_csv_field *name, bool any_case)
{
    for (uint32_t i = 0; i < d->schema->field_count; i++) {
        const wr_field *f = &d->schema->fields[i];
        const char     *want = f->path != NULL ? f->path : f->name;
        if (!f->hidden && !d->given[i] && strlen(want) == name->length &&
            (any_case ? strncasecmp(want, name->text, name->length) == 0
                      : memcmp(want, name->text, name->length) == 0))
            return (int32_t) i;
    }
    return WR_CSV_NO_COLUMN;
}

weir_status
wr_csv_header_read(wr_csv_decoder *d, uint32_t *named)
{
    uint32_t count = WR_MIN(d->fields_read, d->fields_capacity);
    *named = 0;
    int32_t *column_of = wr_realloc(d->budget, d->column_of, (count + 1) * sizeof *column_of);
    if (column_of == NULL)
        return WEIR_MEMORY;
    d->column_of = column_of;
    d->field_count = d->fields_read;
    for (uint32_t i = 0; i < count; i++) {
        const wr_csv_field *name = &d->fields[i];
        int32_t          column = column_find(d, name, false);
        if (column == WR_CSV_NO_COLUMN)
            column = column_find(d, name, true);
        column_of[i] = WR_CSV_NO_COLUMN;
        if (column == WR_CSV_NO_COLUMN)
            continue;
        d->given[column] = true;
        ++*named;
        if (d->wanted[column])
            column_of[i] = column;
    }
    d->header_wanted = false;
    d->nameless = *named == 0;
    return WEIR_OK;
}

static weir_status
bad_field(wr_csv_decoder *d, uint32_t column, weir_status code, char *text, size_t room)
{
    const char *why =
        d->scratch.error.text[0] != '\0' ? d->scratch.error.text : weir_status_text(code);
    snprintf(text, room, "field %.60s: %.240s", d->schema->fields[column].name, why);
    return code;
}

weir_status
wr_csv_row_put(wr_csv_decoder *d, wr_decode_to *to, char *text, size_t room)
{
    uint32_t    row = to->count;
    weir_status status;
    uint32_t absent = d->op_column >= 0 && d->fields_read + 1 == d->field_count; /* _op */
    if (d->nameless) {
        snprintf(text, room, "the header names none of the columns");
        return WEIR_ROW_DECODE;
    }
    if (d->fields_read + absent != d->field_count) {
        snprintf(text, room, "%u fields where %u are wanted", d->fields_read, d->field_count);
        return WEIR_ROW_DECODE;
    }
    wr_arena_reset(&d->scratch.arena);
    for (uint32_t i = absent; i < d->field_count; i++) {
        const wr_csv_field *f = &d->fields[i - absent];
        int32_t          c = d->column_of[i];
        if (c == WR_CSV_NO_COLUMN)
            continue;
        d->scratch.error.text[0] = '\0';
        bool null = (f->plain || d->quote == '\0') && f->raw_length == d->null_length &&
                    memcmp(f->raw, d->null_text, d->null_length) == 0;
        wr_cell *cell = &d->cells[c];
        if (null)
            status = wr_cell_put_null(cell, to->columns[c], row, &d->scratch);
        else if (cell->unit != WR_UNIT_NONE && wr_csv_is_number(f->text, f->length) &&
                 (cell->kind == WR_CELL_STAMP || cell->kind == WR_CELL_DATE))
            status = wr_cell_put_number(cell, to->columns[c], row, f->text, f->length, &d->scratch);
        else
            status = wr_cell_put_text(cell, to->columns[c], row, f->text, f->length, &d->scratch);
        if (status != WEIR_OK)
            return bad_field(d, (uint32_t) c, status, text, room);
    }
    for (uint32_t c = 0; c < d->schema->field_count; c++) {
        bool given = d->given[c] && !(absent && (int32_t) c == d->op_column);
        if (!d->wanted[c] || given)
            continue;
        d->scratch.error.text[0] = '\0';
        status = wr_cell_put_null(&d->cells[c], to->columns[c], row, &d->scratch);
        if (status != WEIR_OK)
            return bad_field(d, c, status, text, room);
    }
    return WEIR_OK;
}
