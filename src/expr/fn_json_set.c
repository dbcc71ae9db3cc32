/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_json_set.c -- JSON documents as sets: elements, keys, members, and arrays of SQL.
 *
 * A set-returning function is here a function that gives an array; the binder puts an UNNEST over it.
 *
 * Place       rows of the function registry; json_each_value, json_each_row and json_populate are
 *             named by the binder alone (sql/bind_record.c).
 * Invariants  S1  items come in the document's order, members of a jsonb in the order of its keys
 *             S2  a JSON null is NULL where text is asked for, and null where JSON is
 */
#include "expr/fn_json_impl.h"
#include "expr/registry_impl.h"

typedef struct json_items {
    wr_value *values;
    uint32_t  count;
} json_items;

/* Room for every item or member of a container; too many of them fail the row. */
static weir_status
items_open(wr_eval *eval, uint32_t row, wr_json_span container, json_items *items)
{
    uint32_t n = wr_span_count(container);
    *items = (json_items){ NULL, 0 };
    if (n > WR_ARRAY_ITEMS_MAX)
        return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE, "a set of %u items is too large", n);
    items->values = wr_arena_alloc(&eval->step, (n + 1) * sizeof *items->values);
    return items->values != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* The span as JSON, or as ->> gives it. */
static weir_status
item_give(wr_eval *eval, uint32_t row, wr_json_span span, wr_type type, wr_value *out)
{
    *out = (wr_value){ .type = type };
    return type.id == WR_TEXT ? wr_span_give_text(eval, row, span, out)
                              : fn_give(out, span.at, span.length);
}

FN_KERNEL(json_array_elements)
{
    wr_json_span   root = wr_span_root(&args[0].string), item;
    wr_json_cursor cursor;
    json_items     items;
    wr_type        type = wr_type_element(out->type);
    if (wr_span_kind(root) != '[')
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            wr_span_kind(root) == '{' ? "cannot extract elements from an object"
                                                      : "cannot extract elements from a scalar");
    WR_TRY(items_open(eval, row, root, &items));
    wr_span_open(root, &cursor);
    while (wr_span_next_item(&cursor, &item))
        WR_TRY(item_give(eval, row, item, type, &items.values[items.count++]));
    return wr_array_make(type, items.values, items.count, &eval->step, &out->string);
}

/* The keys, or the values as the result has them. */
static weir_status
members_give(wr_eval *eval, uint32_t row, const wr_value *arg, bool keys, wr_value *out)
{
    wr_json_span   root = wr_span_root(&arg->string), key, value;
    wr_json_cursor cursor;
    json_items     items;
    wr_type        type = wr_type_element(out->type);
    if (wr_span_kind(root) != '{')
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            wr_span_kind(root) == '[' ? "cannot take the members of an array"
                                                      : "cannot take the members of a scalar");
    WR_TRY(items_open(eval, row, root, &items));
    wr_span_open(root, &cursor);
    while (wr_span_next_member(&cursor, &key, &value)) {
        wr_value *item = &items.values[items.count++];
        *item = (wr_value){ .type = type };
        WR_TRY(keys ? wr_span_unescape(eval, row, key, &item->string)
                    : item_give(eval, row, value, type, item));
    }
    return wr_array_make(type, items.values, items.count, &eval->step, &out->string);
}

FN_KERNEL(json_object_keys)
{
    return members_give(eval, row, &args[0], true, out);
}

FN_KERNEL(json_each_value)
{
    return members_give(eval, row, &args[0], false, out);
}

/* --- members as the text of a row: (key,value) --- */

/* A field as record_out writes it: in quotes where it is empty or has a mark of its own. */
static void
field_append(const wr_string *s, wr_text *to)
{
    const char *at = wr_string_data(s), *end = at + s->length;
    bool        quote = at == end;
    for (const char *p = at; p < end && !quote; p++)
        quote = strchr("\"\\(), \t\n\r\v\f", *p) != NULL;
    if (quote)
        wr_text_putc(to, '"');
    for (; at < end; at++) {
        if (*at == '"' || *at == '\\')
            wr_text_putc(to, *at);
        wr_text_putc(to, *at);
    }
    if (quote)
        wr_text_putc(to, '"');
}

static weir_status
rows_give(wr_eval *eval, uint32_t row, const wr_value *arg, wr_type type, wr_value *out)
{
    wr_json_span   root = wr_span_root(&arg->string), key, value;
    wr_json_cursor cursor;
    json_items     items;
    wr_text        text;
    if (wr_span_kind(root) != '{')
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "cannot take the members of what is no object");
    WR_TRY(items_open(eval, row, root, &items));
    wr_span_open(root, &cursor);
    while (wr_span_next_member(&cursor, &key, &value)) {
        wr_value  field;
        wr_string name;
        WR_TRY(wr_span_unescape(eval, row, key, &name));
        WR_TRY(item_give(eval, row, value, type, &field));
        wr_text_init(&text, eval->budget);
        wr_text_putc(&text, '(');
        field_append(&name, &text);
        wr_text_putc(&text, ',');
        if (!field.is_null)
            field_append(&field.string, &text);
        wr_text_putc(&text, ')');
        wr_value *item = &items.values[items.count++];
        *item = (wr_value){ .type = T_TEXT };
        WR_TRY(wr_fn_take(eval, row, &text, item));
    }
    return wr_array_make(T_TEXT, items.values, items.count, &eval->step, &out->string);
}

FN_KERNEL(json_each_row)
{
    return rows_give(eval, row, &args[0], args[0].type, out);
}

FN_KERNEL(json_each_text_row)
{
    return rows_give(eval, row, &args[0], T_TEXT, out);
}

/* --- an array of SQL from an array of JSON --- */

typedef struct populate {
    wr_eval  *eval;
    uint32_t  row;
    wr_type   element;
    uint32_t  dims; /* 0 until the first scalar is met */
    uint32_t  lengths[WR_ARRAY_DIMS_MAX];
    wr_value *items;
    uint32_t  count, capacity;
} populate;

static weir_status
populate_fail(populate *p, const char *text)
{
    return wr_eval_fail(p->eval, p->row, WEIR_ROW_TYPE, "%s", text);
}

static weir_status
populate_item(populate *p, wr_json_span span)
{
    if (p->count == WR_ARRAY_ITEMS_MAX)
        return populate_fail(p, "the array is too large");
    if (p->count == p->capacity) {
        uint32_t  capacity = WR_MAX(2 * p->capacity, 16u);
        wr_value *grown = wr_arena_alloc(&p->eval->step, capacity * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        if (p->count > 0)
            memcpy(grown, p->items, p->count * sizeof *grown);
        p->items = grown;
        p->capacity = capacity;
    }
    wr_value *item = &p->items[p->count++];
    *item = wr_value_null(p->element);
    if (wr_span_kind(span) == 'n')
        return WEIR_OK;
    if (p->element.id == WR_JSON || p->element.id == WR_JSONB)
        return item_give(p->eval, p->row, span, p->element, item);
    wr_value   text = { .type = T_TEXT };
    weir_error err;
    WR_TRY(wr_span_give_text(p->eval, p->row, span, &text));
    weir_status status = wr_value_parse(p->element, fn_data(&text), fn_length(&text),
                                        &p->eval->step, item, &err);
    return status == WEIR_OK ? status : wr_fn_fail_as(p->eval, p->row, status, &err);
}

/* The depth of the first scalar is how many dimensions there are; at most WR_JSON_DEPTH_MAX calls. */
static weir_status
populate_level(populate *p, wr_json_span array, uint32_t depth)
{
    static const char uneven[] =
        "malformed JSON array: sub-arrays of one level must have one length";
    wr_json_cursor cursor;
    wr_json_span   item;
    uint32_t       count = 0;
    wr_span_open(array, &cursor);
    while (wr_span_next_item(&cursor, &item)) {
        bool deeper = wr_span_kind(item) == '[' && (p->dims == 0 || depth < p->dims);
        count++;
        if (deeper) {
            if (depth == WR_ARRAY_DIMS_MAX)
                return populate_fail(p, "number of array dimensions exceeds the maximum");
            WR_TRY(populate_level(p, item, depth + 1));
            continue;
        }
        if (p->dims == 0)
            p->dims = depth;
        if (p->dims != depth)
            return populate_fail(p, uneven);
        WR_TRY(populate_item(p, item));
    }
    if (p->dims == 0) /* [] or [[]]: what is empty has no shape */
        p->dims = depth;
    if (p->lengths[depth - 1] == UINT32_MAX)
        p->lengths[depth - 1] = count;
    return p->lengths[depth - 1] == count ? WEIR_OK : populate_fail(p, uneven);
}

/* json_populate(json, NULL::type[]): a JSON array, or the text of an array in a string. */
FN_KERNEL(json_populate)
{
    static const int32_t ones[WR_ARRAY_DIMS_MAX] = { 1, 1, 1, 1, 1, 1 };
    if (args[0].is_null)
        return fn_give_null(out);
    wr_json_span root = wr_span_root(&args[0].string);
    wr_type      element = wr_type_element(out->type);
    switch (wr_span_kind(root)) {
    case 'n': return fn_give_null(out);
    case '[': break;
    case '"': {
        wr_value   text = { .type = T_TEXT };
        weir_error err;
        WR_TRY(wr_span_give_text(eval, row, root, &text));
        weir_status status = wr_array_parse(element, fn_data(&text), fn_length(&text), &eval->step,
                                            &out->string, &err);
        return status == WEIR_OK ? status : wr_fn_fail_as(eval, row, status, &err);
    }
    default: return wr_eval_fail(eval, row, WEIR_ROW_TYPE, "expected JSON array");
    }
    populate p = { .eval = eval, .row = row, .element = element };
    memset(p.lengths, 0xff, sizeof p.lengths);
    WR_TRY(populate_level(&p, root, 1));
    if (p.count == 0)
        return wr_array_make(element, NULL, 0, &eval->step, &out->string);
    return wr_array_make_dims(element, p.dims, p.lengths, ones, p.items, &eval->step, &out->string);
}

#define FN_TOPIC "set"
#define SET_ROWS(PREFIX, TYPE, ID)                                                                 \
    FN(PREFIX "_array_elements", WR_TYPE_ARRAY(ID), json_array_elements, FN_FAILS,                 \
       "the items of the array", TYPE),                                                            \
        FN(PREFIX "_array_elements_text", T_TEXTS, json_array_elements, FN_FAILS,                  \
           "the items of the array as text", TYPE),                                                \
        FN(PREFIX "_object_keys", T_TEXTS, json_object_keys, FN_FAILS, "the keys of the object",   \
           TYPE),                                                                                  \
        FN(PREFIX "_each", T_TEXTS, json_each_row, FN_FAILS, "the members: key, value", TYPE),     \
        FN(PREFIX "_each_text", T_TEXTS, json_each_text_row, FN_FAILS,                             \
           "the members: key, value as text", TYPE)
const wr_function wr_fn_json_set[] = {
    SET_ROWS("json", T_JSON, WR_JSON),
    SET_ROWS("jsonb", T_JSONB, WR_JSONB),
    FN_END,
};

#undef FN_TOPIC
#define FN_TOPIC "internal"
#define PART_ROWS(TYPE, ID)                                                                        \
    FN("json_each_value", WR_TYPE_ARRAY(ID), json_each_value, FN_FAILS, "values of members",       \
       TYPE),                                                                                      \
        FN("json_each_text_value", T_TEXTS, json_each_value, FN_FAILS, "values of members", TYPE), \
        FN("json_populate", T_ARRAY, json_populate, FN_FAILS | FN_NULLS, "an array of SQL", TYPE,  \
           T_ARRAY)
const wr_function wr_fn_json_part[] = {
    PART_ROWS(T_JSON, WR_JSON),
    PART_ROWS(T_JSONB, WR_JSONB),
    FN_END,
};
