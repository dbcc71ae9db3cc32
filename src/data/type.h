/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/type.h -- the types of columns: PostgreSQL's, and how each lies in memory.
 *
 * A wr_type is 8 bytes, passed by value.  Its id says the kind; element is the id of an array's
 * elements; modifier is what stood in parentheses: numeric(p,s), varchar(n), timestamp(p).
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"

typedef enum wr_type_id {
    WR_UNKNOWN, /* an untyped literal or NULL, before the binder decides   */
    WR_BOOL,
    WR_INT2,
    WR_INT4,
    WR_INT8,
    WR_FLOAT4,
    WR_FLOAT8,
    WR_NUMERIC,
    WR_TEXT,    /* text, varchar(n); UTF-8, no NUL                         */
    WR_BPCHAR,  /* char(n): trailing blanks do not count                   */
    WR_BYTEA,
    WR_DATE,    /* int32 days since 1970; INT32_MIN/MAX are the infinities */
    WR_TIME,    /* int64 us since midnight                                 */
    WR_TIMESTAMP,   /* wr_time, no zone                                    */
    WR_TIMESTAMPTZ, /* wr_time, UTC                                        */
    WR_INTERVAL,    /* wr_interval                                         */
    WR_UUID,        /* 16 bytes                                            */
    WR_JSON,        /* text as given                                       */
    WR_JSONB,       /* canonical text: PostgreSQL's key order and spacing, numbers exact */
    WR_ARRAY,       /* data/array.h's form in a wr_string                  */
    WR_TYPE_COUNT
} wr_type_id;

typedef struct wr_type {
    uint8_t id;       /* wr_type_id                                        */
    uint8_t element;  /* WR_ARRAY: wr_type_id of the elements, else 0      */
    int16_t scale;    /* numeric(p,s): s; else 0                           */
    int32_t modifier; /* numeric: p; text: n; times: digits; -1 = none     */
} wr_type;
_Static_assert(sizeof(wr_type) == 8, "a type is passed in a register");

#define WR_TYPE(ID)       ((wr_type){ (ID), 0, 0, -1 })
#define WR_TYPE_ARRAY(EL) ((wr_type){ WR_ARRAY, (EL), 0, -1 })

typedef struct wr_interval {
    int32_t months, days;
    int64_t us;
} wr_interval;

typedef struct wr_uuid {
    uint8_t bytes[16];
} wr_uuid;

/*
 * A string view of 16 bytes (Umbra, 2020): up to 12 bytes lie inline, zero-padded, so that two
 * inline strings are equal when their two words are; longer ones keep a 4-byte prefix and point
 * into memory that the column (or arena) owning the view keeps alive.
 */
typedef struct wr_string {
    uint32_t length;
    char     prefix[4];
    union {
        char        rest[8];
        const char *pointer;
    };
} wr_string;
_Static_assert(sizeof(wr_string) == 16, "string views are two words");
enum { WR_STRING_INLINE_MAX = 12, WR_STRING_BYTES_MAX = 64 << 20 };

static inline const char *
wr_string_data(const wr_string *s)
{
    return s->length <= WR_STRING_INLINE_MAX ? s->prefix : s->pointer;
}

/* A view of bytes; borrows them when they are longer than WR_STRING_INLINE_MAX. */
static inline wr_string
wr_string_make(const char *bytes, size_t length)
{
    wr_string s = { .length = (uint32_t) length };
    if (length <= WR_STRING_INLINE_MAX) {
        __builtin_memset(s.prefix, 0, 12);
        if (length > 0)
            __builtin_memcpy(s.prefix, bytes, length);
    } else {
        __builtin_memcpy(s.prefix, bytes, 4);
        s.pointer = bytes;
    }
    return s;
}

static inline bool
wr_string_equal(const wr_string *a, const wr_string *b)
{
    uint64_t a0, b0;
    __builtin_memcpy(&a0, a, 8);
    __builtin_memcpy(&b0, b, 8);
    if (a0 != b0) /* length and prefix */
        return false;
    if (a->length <= WR_STRING_INLINE_MAX)
        return __builtin_memcmp(a->rest, b->rest, 8) == 0;
    return a->pointer == b->pointer || __builtin_memcmp(a->pointer, b->pointer, a->length) == 0;
}

/* Bytewise order (the C collation): <0, 0, >0. */
static inline int
wr_string_compare(const wr_string *a, const wr_string *b)
{
    uint32_t n = a->length < b->length ? a->length : b->length;
    int      c = __builtin_memcmp(wr_string_data(a), wr_string_data(b), n);
    return c != 0 ? c : (a->length > b->length) - (a->length < b->length);
}

/* Bytes a flat value takes in a column; numeric depends on its form (column.h) and gives 16 here. */
size_t wr_type_width(wr_type type);
/* True for the types whose values are wr_string views: text, bpchar, bytea, json, jsonb, array, and numeric's num form. */
bool   wr_type_is_string(wr_type type);
bool   wr_type_is_integer(wr_type type);
bool   wr_type_is_number(wr_type type);
bool   wr_type_is_time(wr_type type); /* date, timestamp, timestamptz */
bool   wr_type_equal(wr_type a, wr_type b); /* id, element, scale and modifier */
static inline bool
wr_type_same(wr_type a, wr_type b) /* id and element alone */
{
    return a.id == b.id && a.element == b.element;
}
/* The type of an array's elements. */
wr_type wr_type_element(wr_type array);
/* As SQL spells it: "numeric(12,2)", "timestamp with time zone", "text[]". Appends. */
void wr_type_print(wr_type type, wr_text *to);
/* The short internal name: "int8", "timestamptz", "text". */
const char *wr_type_name(wr_type type);
/* Parse a spelling ("bigint", "int8", "varchar(10)", "double precision", "text[]", any case). */
weir_status wr_type_parse(const char *text, size_t length, wr_type *type, weir_error *err);
