/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_json_edit.c -- a changed copy of a jsonb: || - #- jsonb_set jsonb_insert strip_nulls
 * pretty.
 *
 * Place       rows of the function registry.
 * Invariants  parts that stay are copied as they stand; where a key may come to another place, the
 *             whole goes through the canonical printer
 */
#include "expr/fn_json_impl.h"
#include "expr/registry_impl.h"

/* A container being written. */
typedef struct writer {
    wr_text *to;
    bool     first;
} writer;

static writer
writer_open(wr_text *to, char bracket)
{
    wr_text_putc(to, bracket);
    return (writer){ to, true };
}

static void
writer_next(writer *w)
{
    if (!w->first)
        wr_text_puts(w->to, ", ");
    w->first = false;
}

static void
writer_item(writer *w, wr_json_span item)
{
    writer_next(w);
    wr_text_append(w->to, item.at, item.length);
}

static void
writer_key(writer *w, wr_json_span raw)
{
    writer_next(w);
    wr_text_putc(w->to, '"');
    wr_text_append(w->to, raw.at, raw.length);
    wr_text_puts(w->to, "\": ");
}

static weir_status
edit_fail(wr_eval *eval, uint32_t row, const char *text)
{
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "%s", text);
}

/* --- || --- */

/* What stands between the brackets; a scalar is an array of one. */
static wr_json_span
span_inner(wr_json_span span)
{
    if (!wr_span_is_container(span))
        return span;
    return (wr_json_span){ span.at + 1, span.length - 2 };
}

FN_KERNEL(jsonb_concat)
{
    wr_json_span parts[2];
    wr_text      text;
    wr_text_init(&text, eval->budget);
    for (int i = 0; i < 2; i++)
        parts[i] = wr_span_root(&args[i].string);
    bool objects = wr_span_kind(parts[0]) == '{' && wr_span_kind(parts[1]) == '{';
    for (int i = 0; i < 2; i++)
        if (objects || wr_span_kind(parts[i]) != '{')
            parts[i] = span_inner(parts[i]);
    writer w = writer_open(&text, objects ? '{' : '[');
    for (int i = 0; i < 2; i++)
        if (parts[i].length > 0)
            writer_item(&w, parts[i]);
    wr_text_putc(&text, objects ? '}' : ']');
    return (objects ? wr_fn_take_jsonb : wr_fn_take)(eval, row, &text, out);
}

/* --- - --- */

/* Is the raw string of a member or item one of the names? names: text or text[]. */
static bool
name_is_dropped(wr_json_span raw, const wr_value *names)
{
    wr_array_view view;
    wr_value      name;
    if (names->type.id == WR_TEXT)
        return wr_span_string_is(raw, fn_data(names), fn_length(names));
    wr_array_open(&names->string, &view);
    for (const char *at = view.items; wr_array_next(&view, &at, &name);)
        if (!name.is_null && wr_span_string_is(raw, fn_data(&name), fn_length(&name)))
            return true;
    return false;
}

FN_KERNEL(jsonb_delete_names)
{
    wr_json_span   root = wr_span_root(&args[0].string), key, value;
    wr_json_cursor cursor;
    wr_text        text;
    char           kind = wr_span_kind(root);
    if (args[1].type.id == WR_ARRAY) {
        wr_array_view names;
        wr_array_open(&args[1].string, &names);
        if (names.dims > 1)
            return edit_fail(eval, row, "wrong number of array subscripts");
    }
    if (!wr_span_is_container(root))
        return edit_fail(eval, row, "cannot delete from scalar");
    wr_text_init(&text, eval->budget);
    writer w = writer_open(&text, kind);
    wr_span_open(root, &cursor);
    while (kind == '{' && wr_span_next_member(&cursor, &key, &value)) {
        if (name_is_dropped(key, &args[1]))
            continue;
        writer_key(&w, key);
        wr_text_append(&text, value.at, value.length);
    }
    while (kind == '[' && wr_span_next_item(&cursor, &value)) {
        bool string = wr_span_kind(value) == '"';
        key = (wr_json_span){ value.at + string, value.length - 2 * (size_t) string };
        if (!string || !name_is_dropped(key, &args[1]))
            writer_item(&w, value);
    }
    wr_text_putc(&text, kind == '{' ? '}' : ']');
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(jsonb_delete_index)
{
    wr_json_span   root = wr_span_root(&args[0].string), value;
    wr_json_cursor cursor;
    wr_text        text;
    int64_t        index = args[1].integer;
    if (wr_span_kind(root) == '{')
        return edit_fail(eval, row, "cannot delete from object using integer index");
    if (!wr_span_is_container(root))
        return edit_fail(eval, row, "cannot delete from scalar");
    if (index < 0)
        index += wr_span_count(root);
    wr_text_init(&text, eval->budget);
    writer w = writer_open(&text, '[');
    wr_span_open(root, &cursor);
    while (wr_span_next_item(&cursor, &value))
        if (index-- != 0)
            writer_item(&w, value);
    wr_text_putc(&text, ']');
    return wr_fn_take(eval, row, &text, out);
}

/* --- paths --- */

typedef enum path_action {
    PATH_DELETE,
    PATH_REPLACE,
    PATH_CREATE,
    PATH_BEFORE,
    PATH_AFTER,
} path_action;

typedef struct path_edit {
    wr_eval        *eval;
    uint32_t        row;
    const wr_value *steps;
    uint32_t        step_count;
    path_action     action;
    wr_json_span    with;
    wr_text         text;
} path_edit;

static weir_status path_walk(path_edit *e, wr_json_span at, uint32_t level);

static bool
path_adds(const path_edit *e, uint32_t level)
{
    return e->action >= PATH_CREATE && level + 1 == e->step_count;
}

/* The member or item that the last step names: what stands in its place. */
static void
path_place_item(path_edit *e, writer *w, wr_json_span item)
{
    if (e->action == PATH_BEFORE || e->action == PATH_REPLACE || e->action == PATH_CREATE)
        writer_item(w, e->with);
    if (e->action == PATH_BEFORE || e->action == PATH_AFTER)
        writer_item(w, item);
    if (e->action == PATH_AFTER)
        writer_item(w, e->with);
}

static weir_status
path_walk_array(path_edit *e, wr_json_span at, uint32_t level)
{
    const wr_string *step = &e->steps[level].string;
    int64_t          index, count = wr_span_count(at), i = 0;
    wr_json_cursor   cursor;
    wr_json_span     item;
    bool             before_all, done = false;
    if (!wr_json_path_index(step, &index))
        return wr_eval_fail(e->eval, e->row, WEIR_ROW_INVALID_ARGUMENT,
                            "path element at position %u is not an integer: \"%.*s\"", level + 1,
                            (int) WR_MIN(step->length, 100), wr_string_data(step));
    before_all = index < -count;
    index = index < 0 ? index + count : WR_MIN(index, count);
    writer w = writer_open(&e->text, '[');
    if ((before_all || count == 0) && path_adds(e, level)) {
        writer_item(&w, e->with);
        done = true;
    }
    wr_span_open(at, &cursor);
    for (; wr_span_next_item(&cursor, &item); i++) {
        if (i != index || before_all) {
            writer_item(&w, item);
        } else if (level + 1 == e->step_count) {
            path_place_item(e, &w, item);
            done = true;
        } else {
            writer_next(&w);
            WR_TRY(path_walk(e, item, level + 1));
        }
    }
    if (!done && path_adds(e, level))
        writer_item(&w, e->with);
    wr_text_putc(&e->text, ']');
    return WEIR_OK;
}

static weir_status
path_walk_object(path_edit *e, wr_json_span at, uint32_t level)
{
    const wr_string *step = &e->steps[level].string;
    wr_json_cursor   cursor;
    wr_json_span     key, value;
    bool             found = false;
    writer           w = writer_open(&e->text, '{');
    wr_span_open(at, &cursor);
    while (wr_span_next_member(&cursor, &key, &value)) {
        bool here = wr_span_string_is(key, wr_string_data(step), step->length);
        bool last = here && level + 1 == e->step_count;
        found |= here;
        if (last && e->action >= PATH_BEFORE)
            return edit_fail(e->eval, e->row, "cannot replace existing key");
        if (last && e->action == PATH_DELETE)
            continue;
        writer_key(&w, key);
        if (last)
            wr_text_append(&e->text, e->with.at, e->with.length);
        else if (here)
            WR_TRY(path_walk(e, value, level + 1));
        else
            wr_text_append(&e->text, value.at, value.length);
    }
    if (!found && path_adds(e, level)) {
        writer_next(&w);
        wr_text_put_json(&e->text, wr_string_data(step), step->length);
        wr_text_puts(&e->text, ": ");
        wr_text_append(&e->text, e->with.at, e->with.length);
    }
    wr_text_putc(&e->text, '}');
    return WEIR_OK;
}

/* As deep as the document at most: a scalar ends it. */
static weir_status
path_walk(path_edit *e, wr_json_span at, uint32_t level)
{
    if (e->steps[level].is_null)
        return wr_eval_fail(e->eval, e->row, WEIR_ROW_INVALID_ARGUMENT,
                            "path element at position %u is null", level + 1);
    switch (wr_span_kind(at)) {
    case '[': return path_walk_array(e, at, level);
    case '{': return path_walk_object(e, at, level);
    default: wr_text_append(&e->text, at.at, at.length); return WEIR_OK;
    }
}

static weir_status
path_give(wr_eval *eval, uint32_t row, const wr_value *args, path_action action, wr_json_span with,
          wr_value *out)
{
    wr_json_span  root = wr_span_root(&args[0].string);
    wr_array_view path;
    uint32_t      count = 0;
    wr_array_open(&args[1].string, &path);
    if (path.dims > 1)
        return edit_fail(eval, row, "wrong number of array subscripts");
    if (!wr_span_is_container(root))
        return edit_fail(eval, row, action == PATH_DELETE ? "cannot delete path in scalar"
                                                          : "cannot set path in scalar");
    bool empty = wr_span_count(root) == 0;
    if (path.count == 0 || (empty && action <= PATH_REPLACE))
        return fn_give(out, fn_data(&args[0]), fn_length(&args[0]));
    wr_value *steps = wr_arena_alloc(&eval->step, path.count * sizeof *steps);
    if (steps == NULL)
        return WEIR_MEMORY;
    for (const char *at = path.items; wr_array_next(&path, &at, &steps[count]);)
        if (++count == path.count)
            break;
    path_edit e = { eval, row, steps, count, action, with, { 0 } };
    wr_text_init(&e.text, eval->budget);
    weir_status status = path_walk(&e, root, 0);
    if (status != WEIR_OK) {
        wr_text_fini(&e.text);
        return status;
    }
    return wr_fn_take_jsonb(eval, row, &e.text, out);
}

FN_KERNEL(jsonb_delete_path)
{
    return path_give(eval, row, args, PATH_DELETE, (wr_json_span){ NULL, 0 }, out);
}

FN_KERNEL(jsonb_set)
{
    bool create = arg_count < 4 || args[3].boolean;
    return path_give(eval, row, args, create ? PATH_CREATE : PATH_REPLACE,
                     wr_span_root(&args[2].string), out);
}

FN_KERNEL(jsonb_insert)
{
    bool after = arg_count > 3 && args[3].boolean;
    return path_give(eval, row, args, after ? PATH_AFTER : PATH_BEFORE,
                     wr_span_root(&args[2].string), out);
}

/* jsonb_set_lax(target, path, value, create, treatment): says what a NULL value means. */
FN_KERNEL(jsonb_set_lax)
{
    static const char *const treatments[] = { "raise_exception", "use_json_null", "delete_key",
                                              "return_target" };
    const wr_value *treatment = arg_count > 4 ? &args[4] : NULL;
    size_t          chosen = 1;
    if (args[0].is_null || args[1].is_null || (arg_count > 3 && args[3].is_null))
        return fn_give_null(out);
    if (treatment != NULL && treatment->is_null)
        return edit_fail(eval, row,
                         "null_value_treatment must be \"delete_key\", \"return_target\", "
                         "\"use_json_null\", or \"raise_exception\"");
    if (!args[2].is_null)
        return jsonb_set(eval, row, args, WR_MIN(arg_count, 4), out);
    for (chosen = treatment != NULL ? 0 : 1; treatment != NULL && chosen < WR_COUNT(treatments);
         chosen++)
        if (fn_length(treatment) == strlen(treatments[chosen]) &&
            memcmp(fn_data(treatment), treatments[chosen], fn_length(treatment)) == 0)
            break;
    wr_value with[4] = { args[0], args[1], args[2], { .type = T_BOOL, .boolean = true } };
    with[2] = (wr_value){ .type = T_JSONB, .string = wr_string_make("null", 4) };
    if (arg_count > 3)
        with[3] = args[3];
    switch (chosen) {
    case 0: return edit_fail(eval, row, "JSON value must not be null");
    case 1: return jsonb_set(eval, row, with, 4, out);
    case 2: return jsonb_delete_path(eval, row, args, 2, out);
    case 3: return fn_give(out, fn_data(&args[0]), fn_length(&args[0]));
    default:
        return edit_fail(eval, row,
                         "null_value_treatment must be \"delete_key\", \"return_target\", "
                         "\"use_json_null\", or \"raise_exception\"");
    }
}

/* --- whole documents --- */

typedef struct printer {
    wr_eval *eval;
    uint32_t row;
    wr_text  text;
    bool     strip;  /* leave out members that are null                      */
    bool     pretty; /* a line for each member and item, four blanks a level */
    bool     tight;  /* no blanks, strings escaped anew: what json's own functions print */
} printer;

/* raw: a string without its quotes. */
static weir_status
printer_string(printer *p, wr_json_span raw)
{
    if (p->tight) {
        wr_string plain;
        WR_TRY(wr_span_unescape(p->eval, p->row, raw, &plain));
        wr_text_put_json(&p->text, wr_string_data(&plain), plain.length);
        return WEIR_OK;
    }
    wr_text_putc(&p->text, '"');
    wr_text_append(&p->text, raw.at, raw.length);
    wr_text_putc(&p->text, '"');
    return WEIR_OK;
}

static void
printer_line(printer *p, uint32_t level)
{
    if (!p->pretty)
        return;
    wr_text_putc(&p->text, '\n');
    for (uint32_t i = 0; i < level; i++)
        wr_text_puts(&p->text, "    ");
}

static weir_status
printer_walk(printer *p, wr_json_span at, uint32_t level)
{
    wr_json_cursor cursor;
    wr_json_span   key, value;
    char           kind = wr_span_kind(at);
    bool           first = true;
    if (kind == '"')
        return printer_string(p, (wr_json_span){ at.at + 1, at.length - 2 });
    if (!wr_span_is_container(at)) {
        wr_text_append(&p->text, at.at, at.length);
        return WEIR_OK;
    }
    wr_text_putc(&p->text, kind);
    wr_span_open(at, &cursor);
    while (kind == '{' ? wr_span_next_member(&cursor, &key, &value)
                       : wr_span_next_item(&cursor, &value)) {
        if (kind == '{' && p->strip && wr_span_kind(value) == 'n')
            continue;
        if (!first)
            wr_text_puts(&p->text, p->tight || p->pretty ? "," : ", ");
        first = false;
        printer_line(p, level + 1);
        if (kind == '{') {
            WR_TRY(printer_string(p, key));
            wr_text_puts(&p->text, p->tight ? ":" : ": ");
        }
        WR_TRY(printer_walk(p, value, level + 1));
    }
    printer_line(p, level);
    wr_text_putc(&p->text, kind == '{' ? '}' : ']');
    return WEIR_OK;
}

static weir_status
printer_give(printer *p, const wr_value *arg, wr_value *out)
{
    wr_text_init(&p->text, p->eval->budget);
    weir_status status = printer_walk(p, wr_span_root(&arg->string), 0);
    if (status == WEIR_OK)
        return wr_fn_take(p->eval, p->row, &p->text, out);
    wr_text_fini(&p->text);
    return status;
}

FN_KERNEL(json_strip_nulls)
{
    printer p = { .eval = eval, .row = row, .strip = true, .tight = args[0].type.id == WR_JSON };
    return printer_give(&p, &args[0], out);
}

FN_KERNEL(jsonb_pretty)
{
    printer p = { .eval = eval, .row = row, .pretty = true };
    return printer_give(&p, &args[0], out);
}

#define FN_TOPIC "json"
const wr_function wr_fn_json_edit[] = {
    FN("||", T_JSONB, jsonb_concat, FN_FAILS, "two objects or arrays joined", T_JSONB, T_JSONB),
    FN("-", T_JSONB, jsonb_delete_names, FN_FAILS, "without the member of a key", T_JSONB, T_TEXT),
    FN("-", T_JSONB, jsonb_delete_names, FN_FAILS, "without the members of the keys", T_JSONB,
       T_TEXTS),
    FN("-", T_JSONB, jsonb_delete_index, FN_FAILS, "without the item of an index", T_JSONB, T_INT4),
    FN("#-", T_JSONB, jsonb_delete_path, FN_FAILS, "without the value at a path", T_JSONB, T_TEXTS),
    FN("jsonb_concat", T_JSONB, jsonb_concat, FN_FAILS, "two objects or arrays joined", T_JSONB,
       T_JSONB),
    FN("jsonb_delete", T_JSONB, jsonb_delete_names, FN_FAILS, "without the member of a key",
       T_JSONB, T_TEXT),
    FN("jsonb_delete", T_JSONB, jsonb_delete_index, FN_FAILS, "without the item of an index",
       T_JSONB, T_INT4),
    FN("jsonb_delete_path", T_JSONB, jsonb_delete_path, FN_FAILS, "without the value at a path",
       T_JSONB, T_TEXTS),
    FN("jsonb_set", T_JSONB, jsonb_set, FN_FAILS | FN_OPTIONAL(1),
       "with the value at a path replaced or added", T_JSONB, T_TEXTS, T_JSONB, T_BOOL),
    FN("jsonb_set_lax", T_JSONB, jsonb_set_lax, FN_FAILS | FN_NULLS | FN_OPTIONAL(2),
       "jsonb_set with a treatment of NULL", T_JSONB, T_TEXTS, T_JSONB, T_BOOL, T_TEXT),
    FN("jsonb_insert", T_JSONB, jsonb_insert, FN_FAILS | FN_OPTIONAL(1),
       "with a value inserted before or after a path", T_JSONB, T_TEXTS, T_JSONB, T_BOOL),
    FN("json_strip_nulls", T_JSON, json_strip_nulls, FN_FAILS, "without members that are null",
       T_JSON),
    FN("jsonb_strip_nulls", T_JSONB, json_strip_nulls, FN_FAILS, "without members that are null",
       T_JSONB),
    FN("jsonb_pretty", T_TEXT, jsonb_pretty, FN_FAILS, "with a line for each member and item",
       T_JSONB),
    FN_END,
};
