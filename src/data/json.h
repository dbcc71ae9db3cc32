/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/json.h -- JSON as a value: strict parsing, PostgreSQL's jsonb normal form, paths, order.
 *
 * jsonb is kept as canonical text: keys sorted by length then bytes, the last duplicate wins, ", "
 * and ": " between items, numbers as numeric prints them (1.00 stays 1.00, 1e2 becomes 100).
 * The parser here is the strict, whole-document one; the streaming row decoder is format/json.c.
 * Limits: depth 64, text 64 MiB.
 */
#pragma once

#include "data/value.h"

enum { WR_JSON_DEPTH_MAX = 64 };

typedef enum wr_json_kind {
    WR_JSON_NULL, WR_JSON_FALSE, WR_JSON_TRUE, WR_JSON_NUMBER, WR_JSON_STRING, WR_JSON_LIST, WR_JSON_OBJECT
} wr_json_kind;

/* A parsed document: a tree in an arena.  Strings are unescaped UTF-8; numbers are their text. */
typedef struct wr_json {
    wr_json_kind    kind;
    uint32_t        count;      /* LIST: items; OBJECT: members              */
    const char     *text;       /* NUMBER, STRING                            */
    size_t          length;
    struct wr_json *items;      /* LIST and OBJECT: count values             */
    wr_string      *keys;       /* OBJECT: count keys, in the order given    */
} wr_json;

/* err->offset is the byte where it went wrong.  Errors: WEIR_ROW_TYPE, WEIR_MEMORY. */
weir_status wr_json_parse(const char *s, size_t n, wr_arena *arena, wr_json *out, weir_error *err);
/* Only check: is it one JSON value? */
weir_status wr_json_validate(const char *s, size_t n, weir_error *err);
const wr_json *wr_json_member(const wr_json *object, const char *key, size_t length); /* last wins; NULL */
void        wr_json_print(const wr_json *json, wr_text *to);  /* compact, as given          */
void        wr_jsonb_print(const wr_json *json, wr_text *to); /* canonical jsonb text       */
/* Text -> canonical jsonb in arena. */
weir_status wr_jsonb_parse(const char *s, size_t n, wr_arena *arena, wr_string *out, weir_error *err);
int         wr_jsonb_compare(const wr_string *a, const wr_string *b); /* PostgreSQL's btree order */
