/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/row_code.c -- rows as bytes (see row_code.h).
 *
 * Order       u8 1 and the value, or u8 0 / 2: a NULL before / after all values.  A value descending
 *             has its bytes complemented.  Integers and times: 8 bytes big-endian, sign flipped.
 *             Strings: the bytes, 00 as 00 FF, then 00 00.  Numeric: u8 class (-infinity, negative,
 *             zero, positive, infinity, NaN), for finite ones but zero then u32 weight and u16
 *             digits + 1, ended by 0, complemented when negative.
 * Contents    u8 0: NULL; u8 1, then 1 byte (boolean), 8 (integers, times, floats), 16 (interval,
 *             uuid), or u32 length and the bytes.  Little-endian.
 */
#include "data/row_code.h"

#include "data/key_impl.h"
#include "data/numeric_impl.h"

enum { NULL_FIRST = 0, HAS_VALUE = 1, NULL_LAST = 2 };
enum { CLASS_NEGINF, CLASS_NEGATIVE, CLASS_ZERO, CLASS_POSITIVE, CLASS_POSINF, CLASS_NAN };

bool
wr_order_key_can(wr_type type)
{
    return type.id != WR_JSON && type.id != WR_JSONB && type.id != WR_ARRAY &&
           type.id != WR_UNKNOWN;
}

/* --- order --- */

static void
put_string(wr_text *to, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *zero = memchr(bytes, 0, length);
        size_t run = zero != NULL ? (size_t)(zero - bytes) : length;
        wr_text_append(to, bytes, run);
        if (zero == NULL)
            break;
        wr_text_append(to, "\0\377", 2);
        bytes = zero + 1;
        length -= run + 1;
    }
    wr_text_append(to, "\0\0", 2);
}

static void
put_numeric(wr_text *to, const wr_string *num)
{
    static const char special[] = {
        [WR_NUM_NAN] = CLASS_NAN, [WR_NUM_POSINF] = CLASS_POSINF, [WR_NUM_NEGINF] = CLASS_NEGINF
    };
    wr_numvar v;
    wr_numvar_load(num, &v);
    if (!wr_numvar_is_finite(&v)) {
        wr_text_putc(to, special[v.kind]);
        return;
    }
    wr_numvar_strip(&v);
    if (v.count == 0) {
        wr_text_putc(to, CLASS_ZERO);
        return;
    }
    uint8_t flip = v.kind == WR_NUM_NEGATIVE ? 0xff : 0;
    wr_text_putc(to, flip != 0 ? CLASS_NEGATIVE : CLASS_POSITIVE);
    uint32_t weight = (uint32_t)(v.weight + (1 << 20));
    for (int shift = 24; shift >= 0; shift -= 8)
        wr_text_putc(to, (char)((weight >> shift) ^ flip));
    for (int i = 0; i <= v.count; i++) {
        uint16_t digit = i < v.count ? (uint16_t)(v.digits[i] + 1) : 0;
        wr_text_putc(to, (char)((digit >> 8) ^ flip));
        wr_text_putc(to, (char)((uint8_t)digit ^ flip));
    }
}

static void
put_value(wr_text *to, const wr_value *v)
{
    uint64_t word, words[2];
    switch (v->type.id) {
    case WR_BOOL: wr_text_putc(to, (char)v->boolean); return;
    case WR_FLOAT4:
    case WR_FLOAT8:
        word = wr_key_of_double(v->real);
        wr_text_append(to, &word, sizeof word);
        return;
    case WR_NUMERIC: put_numeric(to, &v->string); return;
    case WR_BPCHAR:
        put_string(to, wr_string_data(&v->string), wr_key_bpchar_length(&v->string));
        return;
    case WR_INTERVAL:
        wr_key_of_interval(&v->interval, words);
        wr_text_append(to, words, sizeof words);
        return;
    case WR_UUID: wr_text_append(to, v->uuid.bytes, sizeof v->uuid.bytes); return;
    default: break;
    }
    if (wr_type_is_string(v->type)) {
        put_string(to, wr_string_data(&v->string), v->string.length);
        return;
    }
    word = wr_key_of_long(v->integer);
    wr_text_append(to, &word, sizeof word);
}

void
wr_order_key_put(wr_text *to, const wr_value *value, bool descending, bool nulls_first)
{
    if (value->is_null) {
        wr_text_putc(to, nulls_first ? NULL_FIRST : NULL_LAST);
        return;
    }
    wr_text_putc(to, HAS_VALUE);
    size_t at = to->length;
    put_value(to, value);
    if (descending && wr_text_ok(to))
        for (; at < to->length; at++)
            to->data[at] = (char)~to->data[at];
}

/* A flat column of 8-byte integers or times, and not NULL there. */
static bool
is_flat_long(const wr_column *c, uint32_t row)
{
    if (c->type.id != WR_INT8 && c->type.id != WR_TIMESTAMP && c->type.id != WR_TIMESTAMPTZ)
        return false;
    return c->layout == WR_FLAT && (c->valid == NULL || wr_bitmap_get(c->valid, row));
}

weir_status
wr_order_key_put_row(wr_text *to, const wr_column *column, uint32_t row, bool descending,
                     bool nulls_first, wr_arena *scratch)
{
    if (is_flat_long(column, row)) {
        char bytes[1 + 8] = { HAS_VALUE };
        uint64_t word = wr_key_of_long(((const int64_t *)column->data)[row]);
        word = descending ? ~word : word;
        memcpy(bytes + 1, &word, sizeof word);
        wr_text_append(to, bytes, sizeof bytes);
    } else {
        wr_value v;
        WR_TRY(wr_column_get_value(column, row, scratch, &v));
        wr_order_key_put(to, &v, descending, nulls_first);
    }
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

/* --- contents --- */

void
wr_row_put_value(wr_text *to, const wr_value *v)
{
    if (v->is_null) {
        wr_text_putc(to, 0);
        return;
    }
    wr_text_putc(to, 1);
    switch (v->type.id) {
    case WR_BOOL: wr_text_putc(to, (char)v->boolean); return;
    case WR_FLOAT4:
    case WR_FLOAT8: wr_text_append(to, &v->real, sizeof v->real); return;
    case WR_INTERVAL:
        wr_text_append(to, &v->interval.months, 4);
        wr_text_append(to, &v->interval.days, 4);
        wr_text_append(to, &v->interval.us, 8);
        return;
    case WR_UUID: wr_text_append(to, v->uuid.bytes, sizeof v->uuid.bytes); return;
    default: break;
    }
    if (v->type.id == WR_NUMERIC || wr_type_is_string(v->type)) {
        wr_text_append(to, &v->string.length, sizeof v->string.length);
        wr_text_append(to, wr_string_data(&v->string), v->string.length);
        return;
    }
    wr_text_append(to, &v->integer, sizeof v->integer);
}

/* The commonest: flat columns of 8-byte integers, times and strings.  false: some other. */
static bool
row_put_flat(wr_text *to, const wr_column *c, uint32_t row)
{
    bool is_long = is_flat_long(c, row);
    if (!is_long && (c->type.id != WR_TEXT || c->layout != WR_FLAT ||
                     (c->valid != NULL && !wr_bitmap_get(c->valid, row))))
        return false;
    const wr_string *s = (const wr_string *)c->data + (is_long ? 0 : row);
    size_t head = is_long ? 1 + 8 : 1 + 4, more = is_long ? 0 : s->length;
    if (to->failed || (to->capacity - to->length <= head + more && !wr_text_reserve(to, head + more)))
        return true; /* and it has failed */
    char *at = to->data + to->length;
    *at = 1;
    if (is_long)
        memcpy(at + 1, (const int64_t *)c->data + row, 8);
    else
        memcpy(at + 1, &s->length, 4);
    if (more > 0)
        memcpy(at + head, wr_string_data(s), more);
    to->length += head + more;
    to->data[to->length] = '\0';
    return true;
}

weir_status
wr_row_put(wr_text *to, const wr_batch *batch, uint32_t row, wr_arena *scratch)
{
    for (uint32_t c = 0; c < batch->column_count; c++) {
        wr_value v = { .is_null = true };
        if (batch->columns[c] != NULL && row_put_flat(to, batch->columns[c], row))
            continue;
        if (batch->columns[c] != NULL)
            WR_TRY(wr_column_get_value(batch->columns[c], row, scratch, &v));
        wr_row_put_value(to, &v);
    }
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

/* What is left to be read; failed: it was too short. */
typedef struct row_reader {
    const char *at, *end;
    bool failed;
} row_reader;

static const char *
row_take(row_reader *r, void *to, size_t bytes)
{
    static const char nothing[16];
    const char *at = r->at;
    if ((size_t)(r->end - at) < bytes) {
        r->failed = true;
        at = bytes <= sizeof nothing ? nothing : NULL;
    } else {
        r->at += bytes;
    }
    if (to != NULL)
        memcpy(to, at, bytes);
    return at;
}

static void
row_get_value(row_reader *r, wr_value *v)
{
    uint8_t flag;
    uint32_t length;
    row_take(r, &flag, 1);
    v->is_null = flag == 0;
    r->failed = r->failed || flag > 1;
    if (v->is_null || r->failed)
        return;
    switch (v->type.id) {
    case WR_BOOL:
        row_take(r, &flag, 1);
        v->boolean = flag != 0;
        return;
    case WR_FLOAT4:
    case WR_FLOAT8: row_take(r, &v->real, sizeof v->real); return;
    case WR_INTERVAL:
        row_take(r, &v->interval.months, 4);
        row_take(r, &v->interval.days, 4);
        row_take(r, &v->interval.us, 8);
        return;
    case WR_UUID: row_take(r, v->uuid.bytes, sizeof v->uuid.bytes); return;
    default: break;
    }
    if (v->type.id == WR_NUMERIC || wr_type_is_string(v->type)) {
        row_take(r, &length, sizeof length);
        const char *bytes = row_take(r, NULL, length);
        if (!r->failed)
            v->string = wr_string_make(bytes, length);
        return;
    }
    row_take(r, &v->integer, sizeof v->integer);
}

weir_status
wr_row_get(const char *bytes, size_t length, const wr_schema *schema, wr_value *values)
{
    row_reader r = { bytes, bytes + length, false };
    for (uint32_t c = 0; c < schema->field_count; c++) {
        values[c] = (wr_value){ .type = schema->fields[c].type, .is_null = true };
        row_get_value(&r, &values[c]);
        if (r.failed)
            return WEIR_CHECKPOINT_CORRUPT;
    }
    return r.at == r.end ? WEIR_OK : WEIR_CHECKPOINT_CORRUPT;
}
