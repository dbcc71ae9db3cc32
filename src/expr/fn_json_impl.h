/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_json_impl.h -- walking JSON text in place: what the JSON functions share.
 *
 * Place       included by expr/fn_json*.c alone.
 * Invariants  J1  a value of type json or jsonb is one valid JSON document; still no function reads
 *                 beyond its bytes whatever they hold
 *             J2  a span is a value's own text: a path into a document costs no copy
 * Cost        skipping a value looks at each byte once; strings 16 bytes at a time.
 */
#pragma once

#include "expr/fn_impl.h"

/* A value inside a document: its text, without blanks around. */
typedef struct wr_json_span {
    const char *at;
    size_t      length;
} wr_json_span;

typedef struct wr_json_cursor {
    const char *at, *end;
} wr_json_cursor;

wr_json_span wr_span_root(const wr_string *document);
/* '{', '[', '"', 't', 'f', 'n', or '0' for a number. */
char wr_span_kind(wr_json_span span);
static inline bool
wr_span_is_container(wr_json_span s)
{
    return s.length > 0 && (s.at[0] == '{' || s.at[0] == '[');
}
/* The members or items of a container, in order. */
void wr_span_open(wr_json_span container, wr_json_cursor *cursor);
bool wr_span_next_item(wr_json_cursor *cursor, wr_json_span *value);
/* key is the raw string without its quotes. */
bool     wr_span_next_member(wr_json_cursor *cursor, wr_json_span *key, wr_json_span *value);
uint32_t wr_span_count(wr_json_span container);
/* Does a raw string (no quotes) stand for these bytes? */
bool wr_span_string_is(wr_json_span raw, const char *bytes, size_t length);
/* The member of a key (the last of them), or false. */
bool wr_span_member(wr_json_span object, const char *key, size_t length, wr_json_span *value);
/* The same in a jsonb, whose names are sorted and unlike. */
bool wr_span_member_sorted(wr_json_span object, const char *key, size_t length,
                           wr_json_span *value);
/* The item of an index, negative from the end, or false. */
bool wr_span_item(wr_json_span array, int64_t index, wr_json_span *value);
/* A raw string (no quotes) unescaped; borrows when it has no escapes.  Marks the row on \u0000 and
 * on half a surrogate pair. */
weir_status wr_span_unescape(wr_eval *eval, uint32_t row, wr_json_span raw, wr_string *out);
/* As ->> gives it: strings unescaped, null NULL, the rest as it stands. */
weir_status wr_span_give_text(wr_eval *eval, uint32_t row, wr_json_span span, wr_value *out);

/* An integer as strtol reads it, whole, within 32 bits. */
bool wr_json_path_index(const wr_string *text, int64_t *index);

/* The canonical jsonb of JSON text built by an engine function; ends the text. */
weir_status wr_fn_take_jsonb(wr_eval *eval, uint32_t row, wr_text *text, wr_value *out);
/* A value as to_json writes it; canonical: items of arrays are set apart by ", ".  Appends. */
void wr_fn_json_append(const wr_value *value, bool canonical, wr_text *to);
/* A value as the key of a member, in quotes: its text, a timestamp as to_json has it.  Appends. */
void wr_fn_json_key_append(const wr_value *value, wr_text *to);
