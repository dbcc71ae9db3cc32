/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_impl.h -- what the files of the function library share: table rows, strings, failures.
 *
 * Place       included by expr/fn_*.c alone.
 * Invariants  L1  no kernel makes a string longer than WR_STRING_BYTES_MAX (wr_fn_room refuses)
 *             L2  text is UTF-8; a helper given anything else stays within its bytes
 */
#pragma once

#include "data/array.h"
#include "data/datetime.h"
#include "data/json.h"
#include "data/numeric.h"
#include "expr/function.h"

#include <string.h>

/* --- rows of the tables --- */

enum {
    FN_FAILS = 1,    /* may mark a row failed                        */
    FN_NULLS = 2,    /* called on NULL arguments                     */
    FN_VARIADIC = 4, /* the last argument repeats                    */
    FN_STABLE = 8,
    FN_VOLATILE = 16,
};
#define FN_OPTIONAL(n) ((n) << 8) /* how many trailing arguments may be left out */

#define FN_COUNT_(_0, _1, _2, _3, _4, _5, _6, _7, _8, N, ...) N
#define FN_COUNT(...)                                                                              \
    FN_COUNT_(0 __VA_OPT__(, ) __VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
/* FN_TOPIC is defined by the file, before its table. */
#define FNV(NAME, RESULT, SCALAR, VECTOR, FLAGS, DOC, ...)                                         \
    {                                                                                              \
        .name = NAME, .arg_count = FN_COUNT(__VA_ARGS__),                                          \
        .variadic = ((FLAGS) & FN_VARIADIC) != 0, .called_on_null = ((FLAGS) & FN_NULLS) != 0,     \
        .can_fail = ((FLAGS) & FN_FAILS) != 0,                                                     \
        .volatility = ((FLAGS) & FN_VOLATILE) != 0 ? WR_VOLATILE                                   \
                      : ((FLAGS) & FN_STABLE) != 0 ? WR_STABLE                                     \
                                                   : WR_IMMUTABLE,                                 \
        .args = { __VA_ARGS__ }, .result = RESULT, .scalar = SCALAR, .vector = VECTOR,             \
        .topic = FN_TOPIC, .doc = DOC, .optional = (uint32_t) (FLAGS) >> 8,                        \
    }
#define FN(NAME, RESULT, SCALAR, FLAGS, DOC, ...)                                                  \
    FNV(NAME, RESULT, SCALAR, NULL, FLAGS, DOC, __VA_ARGS__)
#define FN_END { .name = NULL }

#define T_BOOL        WR_TYPE(WR_BOOL)
#define T_INT2        WR_TYPE(WR_INT2)
#define T_INT4        WR_TYPE(WR_INT4)
#define T_INT8        WR_TYPE(WR_INT8)
#define T_FLOAT4      WR_TYPE(WR_FLOAT4)
#define T_FLOAT8      WR_TYPE(WR_FLOAT8)
#define T_NUMERIC     WR_TYPE(WR_NUMERIC)
#define T_TEXT        WR_TYPE(WR_TEXT)
#define T_BPCHAR      WR_TYPE(WR_BPCHAR)
#define T_BYTEA       WR_TYPE(WR_BYTEA)
#define T_DATE        WR_TYPE(WR_DATE)
#define T_TIME        WR_TYPE(WR_TIME)
#define T_TIMESTAMP   WR_TYPE(WR_TIMESTAMP)
#define T_TIMESTAMPTZ WR_TYPE(WR_TIMESTAMPTZ)
#define T_INTERVAL    WR_TYPE(WR_INTERVAL)
#define T_UUID        WR_TYPE(WR_UUID)
#define T_JSON        WR_TYPE(WR_JSON)
#define T_JSONB       WR_TYPE(WR_JSONB)
#define T_ANY         WR_TYPE(WR_ANY)
#define T_NONARRAY    WR_TYPE(WR_ANYNONARRAY)
#define T_ELEMENT     WR_TYPE(WR_ANYELEMENT)
#define T_ARRAY       WR_TYPE(WR_ANYARRAY)
#define T_TEXTS       WR_TYPE_ARRAY(WR_TEXT)
#define T_INT4S       WR_TYPE_ARRAY(WR_INT4)

/* The signature of a row kernel, to open its definition. */
#define FN_KERNEL(NAME)                                                                            \
    static weir_status NAME(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count, \
                            wr_value *out)

/* --- strings --- */

static inline const char *
fn_data(const wr_value *v)
{
    return wr_string_data(&v->string);
}
static inline size_t
fn_length(const wr_value *v)
{
    return v->string.length;
}
/* A result that lies in the step arena, in an argument or in a constant. */
static inline weir_status
fn_give(wr_value *out, const char *bytes, size_t length)
{
    out->string = wr_string_make(bytes, length);
    return WEIR_OK;
}
static inline weir_status
fn_give_null(wr_value *out)
{
    out->is_null = true;
    return WEIR_OK;
}

/* `bytes` bytes of the step arena for a result.  WEIR_ROW_TOO_LARGE (marked), WEIR_MEMORY. */
weir_status wr_fn_room(wr_eval *eval, uint32_t row, size_t bytes, char **room);
/* A copy of bytes of the caller's, in the view itself or the step arena. */
weir_status wr_fn_give_copy(wr_eval *eval, uint32_t row, const char *bytes, size_t length,
                            wr_value *out);
/* The text built so far becomes the result, in the step arena.  Ends the text, also on failure. */
weir_status wr_fn_take(wr_eval *eval, uint32_t row, wr_text *text, wr_value *out);
/* Mark the row failed with what an engine function reported; WEIR_MEMORY passes. */
weir_status wr_fn_fail_as(wr_eval *eval, uint32_t row, weir_status status, const weir_error *err);
/* The status of a wr_num function: row errors get PostgreSQL's sentences. */
weir_status wr_fn_num(wr_eval *eval, uint32_t row, weir_status status);
/* value's cast to text, as CAST(x AS text) has it ("true", no trailing blanks).  Appends. */
void wr_fn_cast_text(const wr_value *value, wr_text *to);

/* --- UTF-8 --- */

/* Bytes of the character that starts with `lead`; 1 for a byte that starts none. */
static inline uint32_t
fn_char_bytes(unsigned char lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}
static inline const char *
fn_char_next(const char *s, const char *end)
{
    uint32_t n = fn_char_bytes((unsigned char) *s);
    return (size_t) (end - s) < n ? end : s + n;
}
static inline const char *
fn_char_previous(const char *start, const char *s)
{
    do
        s--;
    while (s > start && ((unsigned char) *s & 0xc0) == 0x80);
    return s;
}
size_t wr_fn_char_count(const char *s, size_t n);
bool   wr_fn_is_ascii(const char *s, size_t n);
/* Past `chars` characters, or end. */
const char *wr_fn_char_skip(const char *s, const char *end, size_t chars);
/* The code point at *at, which moves past it; *at < end. */
uint32_t wr_fn_char_decode(const char **at, const char *end);
/* Writes up to 4 bytes. */
size_t wr_fn_char_encode(uint32_t code, char *to);
/* Simple case mappings and classes, as the C.UTF-8 locale of the oracle has them. */
uint32_t wr_fn_char_lower(uint32_t code);
uint32_t wr_fn_char_upper(uint32_t code);
bool     wr_fn_char_is_alnum(uint32_t code);

/* s in lower case: in the view itself or the step arena. */
weir_status wr_fn_lower(wr_eval *eval, uint32_t row, const wr_string *s, wr_string *out);

/* --- vector kernels --- */

/* A FLAT column of the call's type for `physical` rows, its rows NULL where any of args is.
 * *live gets the rows that have all arguments, in `kept` (room for rows.count). */
weir_status wr_fn_vector_open(wr_eval *eval, wr_type type, wr_column *const *args,
                              uint32_t arg_count, uint32_t physical, wr_rows rows, uint16_t *kept,
                              wr_rows *live, wr_column **out);
static inline uint32_t
fn_row(wr_rows rows, uint32_t i)
{
    return rows.rows != NULL ? rows.rows[i] : i;
}
static inline const wr_string *
fn_string_at(const wr_column *c, uint32_t row)
{
    return &((const wr_string *) wr_column_base(c)->data)[wr_column_index(c, row)];
}

/* --- substrings, shared by text, bytea, LIKE and arrays --- */

/* First occurrence of needle at or after s; NULL.  An empty needle is found at s.
 * Cost: sixteen places at a time; a hostile text makes it 64 times dearer at most. */
const char *wr_fn_find(const char *s, const char *end, const char *needle, size_t length);
