/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_json_query.c -- questions about json: typeof, array_length, containment, key existence.
 *
 * Place       rows of the function registry.
 * Invariants  containment compares numbers by value (1 contains 1.0) and never builds a tree
 */
#include "expr/fn_json_impl.h"
#include "expr/registry_impl.h"

FN_KERNEL(json_typeof)
{
    const char *name;
    switch (wr_span_kind(wr_span_root(&args[0].string))) {
    case '{': name = "object"; break;
    case '[': name = "array"; break;
    case '"': name = "string"; break;
    case '0': name = "number"; break;
    case 'n': name = "null"; break;
    default: name = "boolean"; break;
    }
    return fn_give(out, name, strlen(name));
}

FN_KERNEL(json_array_length)
{
    wr_json_span root = wr_span_root(&args[0].string);
    if (wr_span_kind(root) == '{')
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "cannot get array length of a non-array");
    if (wr_span_kind(root) != '[')
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "cannot get array length of a scalar");
    out->integer = wr_span_count(root);
    return WEIR_OK;
}

/* --- containment --- */

static weir_status
scalar_equal(wr_eval *eval, wr_json_span a, wr_json_span b, bool *equal)
{
    wr_string x, y;
    *equal = a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
    if (*equal || wr_span_kind(a) != '0' || wr_span_kind(b) != '0')
        return WEIR_OK; /* jsonb: equal strings have equal text */
    WR_TRY(wr_num_parse(a.at, a.length, &eval->step, &x));
    WR_TRY(wr_num_parse(b.at, b.length, &eval->step, &y));
    *equal = wr_num_compare(&x, &y) == 0;
    return WEIR_OK;
}

static weir_status span_contains(wr_eval *eval, wr_json_span a, wr_json_span b, bool *contains);

/* Does the array have an item that equals, or as a container contains, the value? */
static weir_status
array_has(wr_eval *eval, wr_json_span array, wr_json_span value, bool *has)
{
    wr_json_cursor cursor;
    wr_json_span   item;
    *has = false;
    wr_span_open(array, &cursor);
    while (!*has && wr_span_next_item(&cursor, &item)) {
        if (wr_span_is_container(item) != wr_span_is_container(value))
            continue;
        if (wr_span_is_container(value))
            WR_TRY(span_contains(eval, item, value, has));
        else
            WR_TRY(scalar_equal(eval, item, value, has));
    }
    return WEIR_OK;
}

static weir_status
object_contains(wr_eval *eval, wr_json_span a, wr_json_span b, bool *contains)
{
    wr_json_cursor mine, theirs;
    wr_json_span   key, name, value, have = { NULL, 0 };
    *contains = true;
    wr_span_open(a, &mine);
    wr_span_open(b, &theirs);
    /* jsonb has its keys in one order: both sides are walked once. */
    while (*contains && wr_span_next_member(&theirs, &key, &value)) {
        bool found = false;
        while (!found && wr_span_next_member(&mine, &name, &have))
            found = name.length == key.length && memcmp(name.at, key.at, key.length) == 0;
        *contains = found && wr_span_is_container(have) == wr_span_is_container(value);
        if (*contains && wr_span_is_container(value))
            WR_TRY(span_contains(eval, have, value, contains));
        else if (*contains)
            WR_TRY(scalar_equal(eval, have, value, contains));
    }
    return WEIR_OK;
}

/* Containers of one kind; at most WR_JSON_DEPTH_MAX levels deep. */
static weir_status
span_contains(wr_eval *eval, wr_json_span a, wr_json_span b, bool *contains)
{
    wr_json_cursor cursor;
    wr_json_span   item;
    *contains = wr_span_kind(a) == wr_span_kind(b);
    if (!*contains)
        return WEIR_OK;
    if (wr_span_kind(b) == '{')
        return object_contains(eval, a, b, contains);
    wr_span_open(b, &cursor);
    while (*contains && wr_span_next_item(&cursor, &item))
        WR_TRY(array_has(eval, a, item, contains));
    return WEIR_OK;
}

static weir_status
contains_give(wr_eval *eval, const wr_value *outer, const wr_value *inner, wr_value *out)
{
    wr_json_span a = wr_span_root(&outer->string), b = wr_span_root(&inner->string);
    if (wr_span_is_container(b))
        return span_contains(eval, a, b, &out->boolean);
    if (wr_span_kind(a) == '[') /* an array contains a bare scalar; nothing else does */
        return array_has(eval, a, b, &out->boolean);
    if (wr_span_is_container(a)) {
        out->boolean = false;
        return WEIR_OK;
    }
    return scalar_equal(eval, a, b, &out->boolean);
}

FN_KERNEL(jsonb_contains)
{
    return contains_give(eval, &args[0], &args[1], out);
}

FN_KERNEL(jsonb_contained)
{
    return contains_give(eval, &args[1], &args[0], out);
}

/* --- keys --- */

static bool
is_string(wr_json_span span, const wr_string *text)
{
    return wr_span_kind(span) == '"' &&
           wr_span_string_is((wr_json_span){ span.at + 1, span.length - 2 }, wr_string_data(text),
                             text->length);
}

/* A key of the object, a string of the array, or the string itself. */
static bool
key_exists(wr_json_span root, const wr_string *key)
{
    wr_json_cursor cursor;
    wr_json_span   item;
    if (wr_span_kind(root) == '{')
        return wr_span_member(root, wr_string_data(key), key->length, &item);
    if (wr_span_kind(root) != '[')
        return is_string(root, key);
    wr_span_open(root, &cursor);
    while (wr_span_next_item(&cursor, &item))
        if (is_string(item, key))
            return true;
    return false;
}

FN_KERNEL(jsonb_exists)
{
    out->boolean = key_exists(wr_span_root(&args[0].string), &args[1].string);
    return WEIR_OK;
}

static weir_status
exists_give(const wr_value *args, bool all, wr_value *out)
{
    wr_json_span  root = wr_span_root(&args[0].string);
    wr_array_view keys;
    wr_value      key;
    wr_array_open(&args[1].string, &keys);
    out->boolean = all;
    for (const char *at = keys.items; out->boolean == all && wr_array_next(&keys, &at, &key);)
        if (!key.is_null)
            out->boolean = key_exists(root, &key.string);
    return WEIR_OK;
}

FN_KERNEL(jsonb_exists_any)
{
    return exists_give(args, false, out);
}

FN_KERNEL(jsonb_exists_all)
{
    return exists_give(args, true, out);
}

#define FN_TOPIC "json"
#define EXISTS_ROWS(OPERATOR, NAME, KERNEL, ARG, DOC)                                              \
    FN(OPERATOR, T_BOOL, KERNEL, 0, DOC, T_JSONB, ARG),                                            \
        FN(NAME, T_BOOL, KERNEL, 0, DOC, T_JSONB, ARG)
const wr_function wr_fn_json_query[] = {
    FN("json_typeof", T_TEXT, json_typeof, 0, "object, array, string, number, boolean or null",
       T_JSON),
    FN("jsonb_typeof", T_TEXT, json_typeof, 0, "object, array, string, number, boolean or null",
       T_JSONB),
    FN("json_array_length", T_INT4, json_array_length, FN_FAILS, "number of items", T_JSON),
    FN("jsonb_array_length", T_INT4, json_array_length, FN_FAILS, "number of items", T_JSONB),
    FN("@>", T_BOOL, jsonb_contains, 0, "does the left contain the right?", T_JSONB, T_JSONB),
    FN("<@", T_BOOL, jsonb_contained, 0, "does the right contain the left?", T_JSONB, T_JSONB),
    FN("jsonb_contains", T_BOOL, jsonb_contains, 0, "does the left contain the right?", T_JSONB,
       T_JSONB),
    FN("jsonb_contained", T_BOOL, jsonb_contained, 0, "does the right contain the left?", T_JSONB,
       T_JSONB),
    EXISTS_ROWS("?", "jsonb_exists", jsonb_exists, T_TEXT, "is the string a key or an item?"),
    EXISTS_ROWS("?|", "jsonb_exists_any", jsonb_exists_any, T_TEXTS,
                "is any of the strings a key or an item?"),
    EXISTS_ROWS("?&", "jsonb_exists_all", jsonb_exists_all, T_TEXTS,
                "is each of the strings a key or an item?"),
    FN_END,
};
