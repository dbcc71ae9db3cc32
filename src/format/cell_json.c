/* SPDX-License-Identifier: Apache-2.0 */
/* format/cell_json.c -- lists and objects, as JSON text, into json, array and text columns. */
#include "format/cell_impl.h"

#include "data/array.h"
#include "data/json.h"

typedef struct list_shape {
    uint32_t  dims, count, capacity;
    uint32_t  lengths[WR_ARRAY_DIMS_MAX];
    wr_value *items;
} list_shape;

/* The items of a list of `depth` lists down, row by row, into shape. */
static weir_status
list_items(wr_cell_scratch *scratch, wr_type element, const wr_json *list, uint32_t depth,
           list_shape *shape)
{
    if (depth >= shape->dims || shape->lengths[depth] != list->count)
        return WEIR_ROW_TYPE;
    for (uint32_t i = 0; i < list->count; i++) {
        const wr_json *item = &list->items[i];
        if (item->kind == WR_JSON_LIST && element.id != WR_JSON && element.id != WR_JSONB) {
            WR_TRY(list_items(scratch, element, item, depth + 1, shape));
            continue;
        }
        if (depth + 1 != shape->dims)
            return WEIR_ROW_TYPE;
        wr_value *v = &shape->items[shape->count++];
        *v = wr_value_null(element);
        if (item->kind == WR_JSON_NULL)
            continue;
        wr_text     text;
        const char *s = item->text;
        size_t      n = item->length;
        bool        plain = item->kind == WR_JSON_NUMBER || item->kind == WR_JSON_STRING;
        wr_text_init(&text, scratch->arena.budget);
        if (!plain || ((element.id == WR_JSON || element.id == WR_JSONB) &&
                       item->kind == WR_JSON_STRING)) {
            wr_json_print(item, &text);
            s = wr_text_string(&text);
            n = text.length;
        }
        weir_status status = WEIR_MEMORY;
        if (wr_text_ok(&text))
            status = wr_value_parse(element, s, n, &scratch->arena, v, &scratch->error);
        wr_text_fini(&text);
        WR_TRY(status);
    }
    return WEIR_OK;
}

static weir_status
list_put(wr_type type, wr_column *column, uint32_t row, const char *s, size_t n,
         wr_cell_scratch *scratch)
{
    wr_json    tree;
    wr_string  array;
    wr_arena  *arena = &scratch->arena;
    list_shape shape = { 0 };
    wr_type    element = wr_type_element(type);
    bool       json = element.id == WR_JSON || element.id == WR_JSONB;
    WR_TRY(wr_json_parse(s, n, arena, &tree, &scratch->error));
    uint64_t total = 1;
    for (const wr_json *at = &tree; at->kind == WR_JSON_LIST; at = &at->items[0]) {
        if (shape.dims == WR_ARRAY_DIMS_MAX)
            return wr_error_set(&scratch->error, WEIR_ROW_TYPE,
                                "an array has at most 6 dimensions");
        shape.lengths[shape.dims++] = at->count;
        total *= at->count;
        if (total > WR_ARRAY_ITEMS_MAX)
            return wr_error_set(&scratch->error, WEIR_ROW_TOO_LARGE, "too many array items");
        if (at->count == 0 || json)
            break;
    }
    if (total == 0 && shape.dims > 1)
        return wr_error_set(&scratch->error, WEIR_ROW_TYPE,
                            "an empty list inside a list is no array");
    if (total == 0) {
        WR_TRY(wr_array_make(element, NULL, 0, arena, &array));
    } else {
        int32_t lower[WR_ARRAY_DIMS_MAX] = { 1, 1, 1, 1, 1, 1 };
        shape.items = wr_arena_calloc(arena, (size_t) total, sizeof *shape.items);
        if (shape.items == NULL)
            return WEIR_MEMORY;
        wr_error_set(&scratch->error, WEIR_ROW_TYPE,
                     "the lists of an array must have equal lengths");
        WR_TRY(list_items(scratch, element, &tree, 0, &shape));
        WR_TRY(wr_array_make_dims(element, shape.dims, shape.lengths, lower, shape.items, arena,
                                  &array));
    }
    return wr_column_set_string(column, row, wr_string_data(&array), array.length);
}

weir_status
wr_cell_put_json(wr_cell *cell, wr_column *column, uint32_t row, const char *s, size_t n,
                 wr_cell_scratch *scratch)
{
    wr_string   canonical;
    const char *what = *s == '{' ? "an object" : *s == '[' ? "a list" : "a scalar";
    switch ((wr_cell_kind) cell->kind) {
    case WR_CELL_JSON:
        if (cell->type.id == WR_JSON)
            return wr_column_set_string(column, row, s, n);
        WR_TRY(wr_jsonb_parse(s, n, &scratch->arena, &canonical, &scratch->error));
        return wr_column_set_string(column, row, wr_string_data(&canonical), canonical.length);
    case WR_CELL_ARRAY:
        if (*s == '[')
            return list_put(cell->type, column, row, s, n, scratch);
        break;
    case WR_CELL_TEXT: return wr_cell_put_text(cell, column, row, s, n, scratch);
    default: break;
    }
    return wr_error_set(&scratch->error, WEIR_ROW_TYPE, "%s where a value of type %s is wanted",
                        what, wr_type_name(cell->type));
}
