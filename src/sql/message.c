/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/message.c -- protobuf bytes that a stranger gave, looked at before they are unpacked.
 *
 * Place       between a parser that is not trusted and protobuf-c, which recurses as deep as the bytes say and takes as
 *             much memory as they make it.
 * State       none; one pass over the bytes, guided by the message's descriptor.
 * Invariants  B1  what passes nests at most depth_max messages and unpacks in at most memory_max bytes
 *             B2  each field is known, stands once unless it is repeated, has the encoding of its type and a value
 *                 of it: enums are of the descriptor, text is UTF-8 without NUL, places lie in the text
 * Cost        about 15 ns a field.
 */
#include "sql/tree_impl.h"

#include <string.h>

enum {
    WIRE_VARINT = 0,
    WIRE_LENGTH = 2,
    FIELD_MEMORY = 64, /* protobuf-c's own notes of a field, and a pointer in a list */
    ALIGN = 16
};

typedef struct message_check {
    const wr_sql_message_limits *limits;
    size_t memory;
    weir_error *err;
} message_check;

typedef struct wire {
    const uint8_t *at, *end;
} wire;

static weir_status
not_believed(const message_check *c, const ProtobufCMessageDescriptor *d, const char *what)
{
    return wr_error_set(c->err, WEIR_READ, "the parser's answer cannot be read: %s in %.60s", what,
                        d->short_name);
}

static bool
take_varint(wire *w, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return shift < 63 || byte <= 1;
    }
    return false;
}

static weir_status
count_memory(message_check *c, size_t bytes)
{
    c->memory += (bytes + ALIGN) / ALIGN * ALIGN;
    if (c->memory <= c->limits->memory_max)
        return WEIR_OK;
    return wr_error_set(c->err, WEIR_QUERY_TOO_COMPLEX,
                        "the statement is too large: parsed, it takes more than %zu MB",
                        c->limits->memory_max >> 20);
}

static bool
is_place(const char *name)
{
    return strcmp(name, "location") == 0 || strcmp(name, "stmt_location") == 0 ||
           strcmp(name, "stmt_len") == 0 || strcmp(name, "start") == 0 || strcmp(name, "end") == 0;
}

static bool
number_fits(const message_check *c, const ProtobufCFieldDescriptor *field, uint64_t value)
{
    bool is_int32 = (uint64_t)(int64_t)(int32_t)value == value;
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: return value <= 1;
    case PROTOBUF_C_TYPE_UINT32: return value <= UINT32_MAX;
    case PROTOBUF_C_TYPE_INT32:
        return is_int32 && (!is_place(field->name) ||
                            ((int32_t)value >= -1 && (int32_t)value <= c->limits->location_max));
    case PROTOBUF_C_TYPE_ENUM:
        return is_int32 &&
               protobuf_c_enum_descriptor_get_value(field->descriptor, (int)value) != NULL;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64: return true;
    default: return false;
    }
}

static weir_status
check_message(message_check *c, const ProtobufCMessageDescriptor *d, wire w, uint32_t depth);

static weir_status
check_value(message_check *c, const ProtobufCMessageDescriptor *d,
            const ProtobufCFieldDescriptor *field, unsigned encoding, wire *w, uint32_t depth)
{
    uint64_t value;
    if (!take_varint(w, &value))
        return not_believed(c, d, "a number is cut off");
    if (encoding == WIRE_VARINT)
        return number_fits(c, field, value) ? WEIR_OK
                                            : not_believed(c, d, "a number is out of range");
    if (encoding != WIRE_LENGTH || value > (uint64_t)(w->end - w->at))
        return not_believed(c, d, "a field is cut off");
    wire inner = { w->at, w->at + value };
    w->at = inner.end;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return check_message(c, field->descriptor, inner, depth);
    if (field->type != PROTOBUF_C_TYPE_STRING)
        return not_believed(c, d, "a field is not of its type");
    WR_TRY(count_memory(c, (size_t)value + 1));
    return wr_sql_is_text((const char *)inner.at, (size_t)value)
               ? WEIR_OK
               : not_believed(c, d, "text is not UTF-8");
}

/* Fields that stood in a message; those of a oneof count as one. */
typedef struct seen_fields {
    uint64_t bits;
    bool oneof;
} seen_fields;

/* False: it stood before. */
static bool
first_time(seen_fields *seen, const ProtobufCMessageDescriptor *d,
           const ProtobufCFieldDescriptor *field)
{
    size_t i = (size_t)(field - d->fields);
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        bool first = !seen->oneof;
        seen->oneof = true;
        return first;
    }
    if (i >= 64 || (seen->bits >> i & 1) != 0)
        return false;
    seen->bits |= 1ull << i;
    return true;
}

static weir_status
check_message(message_check *c, const ProtobufCMessageDescriptor *d, wire w, uint32_t depth)
{
    seen_fields seen = { 0 };
    depth += d != &pg_query__node__descriptor; /* a node is what holds it */
    if (depth > c->limits->depth_max)
        return wr_error_set(c->err, WEIR_QUERY_TOO_COMPLEX,
                            "the statement is nested more than %u levels deep",
                            c->limits->depth_max);
    WR_TRY(count_memory(c, d->sizeof_message));
    while (w.at < w.end) {
        uint64_t tag;
        if (!take_varint(&w, &tag) || tag > UINT32_MAX)
            return not_believed(c, d, "a field is cut off");
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
        if (field == NULL)
            return not_believed(c, d, "there is a field that nobody knows");
        bool list = field->label == PROTOBUF_C_LABEL_REPEATED;
        if (list ? field->type != PROTOBUF_C_TYPE_MESSAGE : !first_time(&seen, d, field))
            return not_believed(c, d, "a field stands twice");
        WR_TRY(count_memory(c, FIELD_MEMORY));
        WR_TRY(check_value(c, d, field, (unsigned)(tag & 7), &w, depth));
    }
    return WEIR_OK;
}

weir_status
wr_sql_message_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                     size_t length, const wr_sql_message_limits *limits, weir_error *err)
{
    message_check c = { .limits = limits, .err = err };
    return check_message(&c, descriptor, (wire){ bytes, bytes + length }, 0);
}
