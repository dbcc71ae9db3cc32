/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/snapshot.c -- sections, numbers, bytes and values of checkpoint files (see snapshot.h).
 * Batches are snapshot_batch.c.
 *
 * Format      section   u16 group, u64 byte length, bytes
 *             value     u8 type id, with bit 7 set when NULL; u8 element, zigzag scale, zigzag
 *                       modifier; then, unless NULL, by type: bool u8; integers and times zigzag;
 *                       floats f64; interval zigzag months, days, us; uuid 16 bytes; strings bytes
 * Invariants  S1, S2 of snapshot.h.  A writer whose text failed goes on harmlessly; finish tells.
 */
#include "data/snapshot.h"

#include "data/snapshot_impl.h"

#include <string.h>

enum { SECTION_HEAD_BYTES = 10, VARINT_BYTES_MAX = 10, NULL_BIT = 0x80 };

/* --- writing --- */

void
wr_snapshot_writer_init(wr_snapshot_writer *w, wr_budget *budget)
{
    wr_text_init(&w->bytes, budget);
    w->section_at = 0;
    w->open = false;
}

void
wr_snapshot_writer_fini(wr_snapshot_writer *w)
{
    wr_text_fini(&w->bytes);
    w->open = false;
}

void
wr_snapshot_begin(wr_snapshot_writer *w, uint32_t group)
{
    uint16_t g = (uint16_t) group;
    uint64_t later = 0;
    wr_assert(!w->open && (group < WR_KEY_GROUPS || group == WR_SNAPSHOT_GLOBAL));
    wr_text_append(&w->bytes, &g, sizeof g);
    w->section_at = w->bytes.length;
    wr_text_append(&w->bytes, &later, sizeof later);
    w->open = true;
}

void
wr_snapshot_end(wr_snapshot_writer *w)
{
    wr_assert(w->open);
    w->open = false;
    if (!wr_text_ok(&w->bytes))
        return;
    uint64_t length = w->bytes.length - w->section_at - sizeof length;
    memcpy(w->bytes.data + w->section_at, &length, sizeof length);
}

void
wr_snapshot_put_u64(wr_snapshot_writer *w, uint64_t v)
{
    char bytes[VARINT_BYTES_MAX];
    int  n = 0;
    wr_assert(w->open);
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (char) (v | 0x80);
    bytes[n++] = (char) v;
    wr_text_append(&w->bytes, bytes, (size_t) n);
}

void
wr_snapshot_put_i64(wr_snapshot_writer *w, int64_t v)
{
    wr_snapshot_put_u64(w, ((uint64_t) v << 1) ^ (uint64_t) (v >> 63));
}

void
wr_snapshot_put_f64(wr_snapshot_writer *w, double v)
{
    wr_snapshot_put_raw(w, &v, sizeof v);
}

void
wr_snapshot_put_raw(wr_snapshot_writer *w, const void *bytes, size_t length)
{
    wr_assert(w->open);
    wr_text_append(&w->bytes, bytes, length);
}

void
wr_snapshot_put_bytes(wr_snapshot_writer *w, const void *bytes, size_t length)
{
    wr_snapshot_put_u64(w, length);
    wr_text_append(&w->bytes, bytes, length);
}

weir_status
wr_snapshot_put_value(wr_snapshot_writer *w, const wr_value *value)
{
    const wr_type *t = &value->type;
    wr_snapshot_put_raw(
        w, (uint8_t[]){ (uint8_t) (t->id | (value->is_null ? NULL_BIT : 0)), t->element }, 2);
    wr_snapshot_put_i64(w, t->scale);
    wr_snapshot_put_i64(w, t->modifier);
    if (!value->is_null)
        switch ((wr_type_id) t->id) {
        case WR_BOOL: wr_snapshot_put_raw(w, &(uint8_t){ value->boolean }, 1); break;
        case WR_INT2:
        case WR_INT4:
        case WR_INT8:
        case WR_DATE:
        case WR_TIME:
        case WR_TIMESTAMP:
        case WR_TIMESTAMPTZ: wr_snapshot_put_i64(w, value->integer); break;
        case WR_FLOAT4:
        case WR_FLOAT8: wr_snapshot_put_f64(w, value->real); break;
        case WR_INTERVAL:
            wr_snapshot_put_i64(w, value->interval.months);
            wr_snapshot_put_i64(w, value->interval.days);
            wr_snapshot_put_i64(w, value->interval.us);
            break;
        case WR_UUID: wr_snapshot_put_raw(w, value->uuid.bytes, sizeof value->uuid.bytes); break;
        case WR_UNKNOWN:
        case WR_NUMERIC:
        case WR_TEXT:
        case WR_BPCHAR:
        case WR_BYTEA:
        case WR_JSON:
        case WR_JSONB:
        case WR_ARRAY:
            wr_snapshot_put_bytes(w, wr_string_data(&value->string), value->string.length);
            break;
        case WR_TYPE_COUNT: wr_unreachable();
        }
    return wr_text_ok(&w->bytes) ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_snapshot_finish(wr_snapshot_writer *w)
{
    wr_assert(!w->open);
    return wr_text_ok(&w->bytes) ? WEIR_OK : WEIR_MEMORY;
}

/* --- reading --- */

void
wr_snapshot_reader_init(wr_snapshot_reader *r, const void *bytes, size_t length, wr_groups groups)
{
    const char *at = bytes != NULL ? bytes : "";
    *r = (wr_snapshot_reader){ .at = at, .end = at + length, .groups = groups };
}

bool
wr_snapshot_next(wr_snapshot_reader *r)
{
    r->section_at = r->section_end = NULL;
    while (!r->failed && r->at < r->end) {
        uint16_t group;
        uint64_t length;
        if (r->end - r->at < SECTION_HEAD_BYTES)
            break;
        memcpy(&group, r->at, sizeof group);
        memcpy(&length, r->at + sizeof group, sizeof length);
        bool global = group == WR_SNAPSHOT_GLOBAL;
        if (length > (uint64_t) (r->end - r->at) - SECTION_HEAD_BYTES ||
            (group >= WR_KEY_GROUPS && !global))
            break;
        const char *start = r->at + SECTION_HEAD_BYTES;
        r->at = start + length;
        if (!global && (group < r->groups.first || group > r->groups.last))
            continue;
        r->group = group;
        r->section_at = start;
        r->section_end = r->at;
        return true;
    }
    r->failed = r->failed || r->at < r->end; /* S2: left in the midst of something */
    return false;
}

bool
wr_snapshot_more(const wr_snapshot_reader *r)
{
    return !r->failed && r->section_at < r->section_end;
}

const char *
wr_snapshot_get_raw(wr_snapshot_reader *r, size_t length)
{
    if (r->failed || length > (size_t) (r->section_end - r->section_at)) {
        r->failed = true;
        return NULL;
    }
    const char *at = r->section_at;
    r->section_at += length;
    return at;
}

uint64_t
wr_snapshot_get_u64(wr_snapshot_reader *r)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64 && wr_snapshot_more(r); shift += 7) {
        uint8_t byte = (uint8_t) *r->section_at++;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t) (byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    r->failed = true;
    return 0;
}

int64_t
wr_snapshot_get_i64(wr_snapshot_reader *r)
{
    uint64_t v = wr_snapshot_get_u64(r);
    return (int64_t) (v >> 1) ^ -(int64_t) (v & 1);
}

double
wr_snapshot_get_f64(wr_snapshot_reader *r)
{
    double      v = 0;
    const char *bytes = wr_snapshot_get_raw(r, sizeof v);
    if (bytes != NULL)
        memcpy(&v, bytes, sizeof v);
    return v;
}

const char *
wr_snapshot_get_bytes(wr_snapshot_reader *r, size_t *length)
{
    uint64_t    n = wr_snapshot_get_u64(r);
    const char *bytes = wr_snapshot_get_raw(r, (size_t) n);
    *length = bytes != NULL ? (size_t) n : 0;
    return bytes;
}

/* A whole number that must lie in [least, most]. */
static int64_t
get_within(wr_snapshot_reader *r, int64_t least, int64_t most)
{
    int64_t v = wr_snapshot_get_i64(r);
    if (v >= least && v <= most)
        return v;
    r->failed = true;
    return 0;
}

static bool
get_type(wr_snapshot_reader *r, wr_type *type, bool *is_null)
{
    const char *head = wr_snapshot_get_raw(r, 2);
    if (head == NULL)
        return false;
    type->id = (uint8_t) head[0] & (NULL_BIT - 1);
    type->element = (uint8_t) head[1];
    type->scale = (int16_t) get_within(r, INT16_MIN, INT16_MAX);
    type->modifier = (int32_t) get_within(r, INT32_MIN, INT32_MAX);
    *is_null = ((uint8_t) head[0] & NULL_BIT) != 0;
    return !r->failed && type->id < WR_TYPE_COUNT && type->element < WR_TYPE_COUNT;
}

static weir_status
get_string(wr_snapshot_reader *r, wr_arena *arena, wr_string *out)
{
    size_t      length;
    const char *bytes = wr_snapshot_get_bytes(r, &length);
    if (bytes == NULL || length > WR_STRING_BYTES_MAX) {
        r->failed = true;
        return WEIR_CHECKPOINT_CORRUPT;
    }
    if (length > WR_STRING_INLINE_MAX && (bytes = wr_arena_strndup(arena, bytes, length)) == NULL)
        return WEIR_MEMORY;
    *out = wr_string_make(bytes, length);
    return WEIR_OK;
}

weir_status
wr_snapshot_get_value(wr_snapshot_reader *r, wr_arena *arena, wr_value *out)
{
    wr_type     type;
    bool        is_null;
    const char *bytes;
    if (!get_type(r, &type, &is_null)) {
        r->failed = true;
        return WEIR_CHECKPOINT_CORRUPT;
    }
    *out = wr_value_null(type);
    if (is_null)
        return WEIR_OK;
    out->is_null = false;
    switch ((wr_type_id) type.id) {
    case WR_BOOL:
        bytes = wr_snapshot_get_raw(r, 1);
        out->boolean = bytes != NULL && *bytes != 0;
        break;
    case WR_INT2: out->integer = get_within(r, INT16_MIN, INT16_MAX); break;
    case WR_INT4:
    case WR_DATE: out->integer = get_within(r, INT32_MIN, INT32_MAX); break;
    case WR_INT8:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: out->integer = wr_snapshot_get_i64(r); break;
    case WR_FLOAT4:
    case WR_FLOAT8: out->real = wr_snapshot_get_f64(r); break;
    case WR_INTERVAL:
        out->interval.months = (int32_t) get_within(r, INT32_MIN, INT32_MAX);
        out->interval.days = (int32_t) get_within(r, INT32_MIN, INT32_MAX);
        out->interval.us = wr_snapshot_get_i64(r);
        break;
    case WR_UUID:
        if ((bytes = wr_snapshot_get_raw(r, sizeof out->uuid.bytes)) != NULL)
            memcpy(out->uuid.bytes, bytes, sizeof out->uuid.bytes);
        break;
    case WR_UNKNOWN:
    case WR_NUMERIC:
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_BYTEA:
    case WR_JSON:
    case WR_JSONB:
    case WR_ARRAY: return get_string(r, arena, &out->string);
    case WR_TYPE_COUNT: wr_unreachable();
    }
    return r->failed ? WEIR_CHECKPOINT_CORRUPT : WEIR_OK;
}

weir_status
wr_snapshot_reader_status(const wr_snapshot_reader *r)
{
    return r->failed ? WEIR_CHECKPOINT_CORRUPT : WEIR_OK;
}
