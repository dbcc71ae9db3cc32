/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/key.c -- key bytes of single rows and values, both ways; shards of key groups (see key.h).
 * Whole batches are keys.c.
 *
 * Format      after the tag byte:
 *     numeric     u16 length, then {u8 kind, i16 weight, i16 digits...}: a num (numeric_impl.h)
 *                 without its display scale, no leading or trailing zero digits
 *     interval    16 bytes: normalised microseconds
 *     jsonb       u32 length, canonical text with zeros after the point cut from its numbers
 *     array       u32 length, u8 dimensions, {u32 length, i32 lower bound} of each, then each item
 *                 as a key of its own (NULL items are equal)
 *     lengths, weights and digits are little-endian
 * Invariants  K1  two values are equal in SQL's GROUP BY exactly when their bytes are
 *             K2  wr_key_decode of an encoding, encoded again, gives the same bytes
 */
#include "data/key.h"

#include "data/array.h"
#include "data/key_impl.h"
#include "data/numeric_impl.h"

wr_groups
wr_groups_of_shard(uint32_t index, uint32_t count)
{
    wr_assert(count >= 1 && count <= WR_KEY_GROUPS && index < count);
    return (wr_groups){ .first = (uint16_t) (index * WR_KEY_GROUPS / count),
                        .last = (uint16_t) ((index + 1) * WR_KEY_GROUPS / count - 1) };
}

uint32_t
wr_shard_of_group(uint32_t group, uint32_t count)
{
    wr_assert(count >= 1 && count <= WR_KEY_GROUPS && group < WR_KEY_GROUPS);
    return ((group + 1) * count - 1) / WR_KEY_GROUPS;
}

/* --- encoding --- */

static void
put_word(wr_text *to, uint64_t stored)
{
    char bytes[9] = { WR_KEY_VALUE };
    memcpy(bytes + 1, &stored, 8);
    wr_text_append(to, bytes, sizeof bytes);
}

static void
put_bool(wr_text *to, bool v)
{
    wr_text_append(to, (char[]){ WR_KEY_VALUE, (char) v }, 2);
}

static void
put_16(wr_text *to, const void *bytes)
{
    wr_text_putc(to, WR_KEY_VALUE);
    wr_text_append(to, bytes, 16);
}

static void
put_interval(wr_text *to, const wr_interval *interval)
{
    uint64_t stored[2];
    wr_key_of_interval(interval, stored);
    put_16(to, stored);
}

static void
put_bytes(wr_text *to, const char *bytes, uint32_t length)
{
    wr_text_putc(to, WR_KEY_VALUE);
    wr_text_append(to, &length, sizeof length);
    wr_text_append(to, bytes, length);
}

/* digits most significant first, stripped of zeros at both ends. */
static void
put_digits(wr_text *to, wr_num_kind kind, int weight, const wr_digit *digits, int count)
{
    uint16_t length = (uint16_t) (3 + 2 * count);
    int16_t  w = (int16_t) weight;
    char     head[6] = { WR_KEY_VALUE };
    memcpy(head + 1, &length, 2);
    head[3] = (char) kind;
    memcpy(head + 4, &w, 2);
    wr_text_append(to, head, sizeof head);
    wr_text_append(to, digits, 2 * (size_t) count);
}

static void
put_num(wr_text *to, const wr_string *num)
{
    wr_numvar v;
    wr_numvar_load(num, &v);
    if (wr_numvar_is_finite(&v))
        wr_numvar_strip(&v);
    else
        v.count = v.weight = 0;
    put_digits(to, v.kind, v.weight, v.digits, v.count);
}

static void
put_decimal(wr_text *to, wr_int128 value, int scale)
{
    enum { GROUPS_MAX = 12 }; /* 39 digits, cut anywhere */
    wr_digit          digits[GROUPS_MAX];
    int               first = GROUPS_MAX, weight = -((scale + 3) / 4), odd = scale % 4;
    unsigned __int128 u = value < 0 ? -(unsigned __int128) value : (unsigned __int128) value;
    if (odd != 0 && u != 0) { /* the last group has `odd` digits: fill it up with zeros */
        unsigned part = (unsigned) wr_int128_power10(odd);
        digits[--first] = (wr_digit) ((unsigned) (u % part) * (10000 / part));
        u /= part;
    }
    for (; u > UINT64_MAX; u /= 10000)
        digits[--first] = (wr_digit) (u % 10000);
    for (uint64_t low = (uint64_t) u; low != 0; low /= 10000)
        digits[--first] = (wr_digit) (low % 10000);
    weight += GROUPS_MAX - first - 1;
    int count = GROUPS_MAX - first;
    const wr_digit *d = digits + first;
    for (; count > 0 && d[0] == 0; d++, count--) /* below the point: 0.0001 has an empty group */
        weight--;
    while (count > 0 && d[count - 1] == 0)
        count--;
    if (count == 0)
        put_digits(to, WR_NUM_POSITIVE, 0, d, 0);
    else
        put_digits(to, value < 0 ? WR_NUM_NEGATIVE : WR_NUM_POSITIVE, weight, d, count);
}

static bool
is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* Append canonical jsonb text with 1.50 as 1.5 and 1.00 as 1. */
static void
put_jsonb_text(wr_text *to, const char *s, const char *end)
{
    const char *run = s;
    bool        quoted = false;
    while (s < end) {
        if (quoted || !is_number_byte(*s)) {
            if (quoted && *s == '\\' && end - s > 1)
                s++;
            else if (*s == '"')
                quoted = !quoted;
            s++;
            continue;
        }
        const char *start = s;
        while (s < end && is_number_byte(*s))
            s++;
        if (memchr(start, '.', (size_t) (s - start)) == NULL)
            continue;
        const char *last = s;
        while (last[-1] == '0')
            last--;
        if (last[-1] == '.')
            last--;
        wr_text_append(to, run, (size_t) (last - run));
        run = s;
    }
    wr_text_append(to, run, (size_t) (end - run));
}

/* Write the u32 length of what was appended since `at` into its place there. */
static void
patch_length(wr_text *to, size_t at)
{
    if (!wr_text_ok(to))
        return;
    uint32_t length = (uint32_t) (to->length - at - sizeof length);
    memcpy(to->data + at, &length, sizeof length);
}

static void
put_jsonb(wr_text *to, const wr_string *s)
{
    const char *bytes = wr_string_data(s);
    uint32_t    later = 0;
    wr_text_putc(to, WR_KEY_VALUE);
    size_t at = to->length;
    wr_text_append(to, &later, sizeof later);
    put_jsonb_text(to, bytes, bytes + s->length);
    patch_length(to, at);
}

static void put_value(const wr_value *value, wr_text *to);

static void
put_array(wr_text *to, const wr_string *s)
{
    wr_array_view view;
    wr_value      item;
    uint32_t      later = 0;
    wr_array_open(s, &view);
    wr_text_putc(to, WR_KEY_VALUE);
    size_t at = to->length;
    wr_text_append(to, &later, sizeof later);
    wr_text_putc(to, (char) view.dims);
    for (uint32_t d = 0; d < view.dims; d++) {
        wr_text_append(to, &view.lengths[d], sizeof view.lengths[d]);
        wr_text_append(to, &view.lower[d], sizeof view.lower[d]);
    }
    for (const char *p = view.items; wr_array_next(&view, &p, &item);)
        put_value(&item, to);
    patch_length(to, at);
}

/* numeric is the caller's: its form is the column's. */
static void
put_string(wr_type_id id, const wr_string *s, wr_text *to)
{
    switch (id) {
    case WR_JSONB: put_jsonb(to, s); break;
    case WR_ARRAY: put_array(to, s); break;
    case WR_BPCHAR: put_bytes(to, wr_string_data(s), wr_key_bpchar_length(s)); break;
    default: put_bytes(to, wr_string_data(s), s->length); break;
    }
}

static void
put_value(const wr_value *value, wr_text *to)
{
    if (value->is_null) {
        wr_text_putc(to, WR_KEY_NULL);
        return;
    }
    switch ((wr_type_id) value->type.id) {
    case WR_BOOL: put_bool(to, value->boolean); break;
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: put_word(to, wr_key_of_long(value->integer)); break;
    case WR_FLOAT4:
    case WR_FLOAT8: put_word(to, wr_key_of_double(value->real)); break;
    case WR_NUMERIC: put_num(to, &value->string); break;
    case WR_INTERVAL: put_interval(to, &value->interval); break;
    case WR_UUID: put_16(to, value->uuid.bytes); break;
    case WR_UNKNOWN:
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_BYTEA:
    case WR_JSON:
    case WR_JSONB:
    case WR_ARRAY: put_string((wr_type_id) value->type.id, &value->string, to); break;
    case WR_TYPE_COUNT: wr_unreachable();
    }
}

weir_status
wr_key_encode_value(const wr_value *value, wr_text *to)
{
    put_value(value, to);
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

static void
put_cell(const wr_column *c, uint32_t row, wr_text *to)
{
    wr_value value; /* boxing is free for all but decimals */
    if (c->type.id == WR_NUMERIC && wr_column_base(c)->form != WR_NUM &&
        !wr_column_is_null(c, row)) {
        put_decimal(to, wr_column_get_decimal(c, row), wr_column_base(c)->scale);
        return;
    }
    weir_status status = wr_column_get_value(c, row, NULL, &value);
    wr_assert(status == WEIR_OK);
    put_value(&value, to);
}

weir_status
wr_key_encode(const wr_batch *batch, const uint32_t *columns, uint32_t column_count,
              uint32_t physical_row, wr_text *to)
{
    wr_assert(physical_row < batch->physical_count);
    for (uint32_t k = 0; k < column_count; k++)
        put_cell(batch->columns[columns[k]], physical_row, to);
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

/* --- decoding: the bytes may come from a damaged file --- */

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool
take(cursor *c, void *to, size_t length)
{
    if ((size_t) (c->end - c->at) < length)
        return false;
    memcpy(to, c->at, length);
    c->at += length;
    return true;
}

static bool
take_bytes(cursor *c, const char **bytes, uint32_t *length)
{
    if (!take(c, length, sizeof *length) || (size_t) (c->end - c->at) < *length ||
        *length > WR_STRING_BYTES_MAX)
        return false;
    *bytes = c->at;
    c->at += *length;
    return true;
}

static weir_status
take_num(cursor *c, wr_arena *arena, wr_string *out)
{
    uint16_t  length;
    uint8_t   kind;
    int16_t   weight;
    wr_numvar v;
    if (!take(c, &length, 2) || length < 3 || (length - 3) % 2 != 0 || !take(c, &kind, 1) ||
        !take(c, &weight, 2) || kind > WR_NUM_NEGINF)
        return WEIR_CHECKPOINT_CORRUPT;
    if (kind > WR_NUM_NEGATIVE) {
        *out = wr_num_special((wr_num_kind) kind, 0);
        return length == 3 ? WEIR_OK : WEIR_CHECKPOINT_CORRUPT;
    }
    WR_TRY(wr_numvar_make(&v, (length - 3) / 2, arena));
    if (!take(c, v.digits, 2 * (size_t) v.count))
        return WEIR_CHECKPOINT_CORRUPT;
    for (int i = 0; i < v.count; i++)
        if (v.digits[i] < 0 || v.digits[i] > 9999)
            return WEIR_CHECKPOINT_CORRUPT;
    v.kind = (wr_num_kind) kind;
    v.weight = weight;
    wr_numvar_strip(&v);
    int scale = v.count > 0 ? (v.count - v.weight - 1) * 4 : 0;
    for (int last = v.count > 0 ? v.digits[v.count - 1] : 1; last % 10 == 0; last /= 10)
        scale--;
    v.scale = WR_MAX(scale, 0);
    return wr_numvar_store(&v, arena, out);
}

/* The months and days an interval had are not kept: 30-day months, 24-hour days. */
static bool
take_interval(cursor *c, wr_interval *out)
{
    uint64_t stored[2];
    if (!take(c, stored, sizeof stored))
        return false;
    const wr_int128   least = INT32_MIN, most = INT32_MAX, day = WR_US_PER_DAY, month = 30 * day;
    unsigned __int128 high = __builtin_bswap64(stored[0]) ^ (1ull << 63);
    wr_int128         us = (wr_int128) (high << 64 | __builtin_bswap64(stored[1]));
    wr_int128         months = WR_MAX(WR_MIN(us / month, most), least);
    us -= months * month;
    wr_int128 days = WR_MAX(WR_MIN(us / day, most), least);
    us -= days * day;
    *out = (wr_interval){ (int32_t) months, (int32_t) days, (int64_t) us };
    return us == (int64_t) us;
}

static weir_status take_value(cursor *c, wr_type type, wr_arena *arena, wr_value *out);

static weir_status
take_array(cursor *outer, wr_type type, wr_arena *arena, wr_string *out)
{
    uint32_t    length, lengths[WR_ARRAY_DIMS_MAX];
    int32_t     lower[WR_ARRAY_DIMS_MAX];
    uint8_t     dims;
    const char *bytes;
    if (!take_bytes(outer, &bytes, &length))
        return WEIR_CHECKPOINT_CORRUPT;
    cursor c = { bytes, bytes + length };
    if (!take(&c, &dims, 1) || dims > WR_ARRAY_DIMS_MAX)
        return WEIR_CHECKPOINT_CORRUPT;
    uint64_t count = dims > 0 ? 1 : 0;
    for (uint32_t d = 0; d < dims; d++) {
        if (!take(&c, &lengths[d], 4) || !take(&c, &lower[d], 4) || lengths[d] > WR_ARRAY_ITEMS_MAX)
            return WEIR_CHECKPOINT_CORRUPT;
        count *= lengths[d];
        if (count > WR_ARRAY_ITEMS_MAX)
            return WEIR_CHECKPOINT_CORRUPT;
    }
    if (count > (size_t) (c.end - c.at)) /* each item takes a byte at least */
        return WEIR_CHECKPOINT_CORRUPT;
    wr_value *items = wr_arena_alloc(arena, (size_t) count * sizeof *items);
    if (items == NULL)
        return WEIR_MEMORY;
    for (uint64_t i = 0; i < count; i++)
        WR_TRY(take_value(&c, wr_type_element(type), arena, &items[i]));
    if (c.at != c.end)
        return WEIR_CHECKPOINT_CORRUPT;
    if (dims == 0)
        return wr_array_make(wr_type_element(type), NULL, 0, arena, out);
    return wr_array_make_dims(wr_type_element(type), dims, lengths, lower, items, arena, out);
}

static weir_status
take_value(cursor *c, wr_type type, wr_arena *arena, wr_value *out)
{
    uint8_t     tag;
    uint64_t    word;
    uint32_t    length;
    const char *bytes;
    bool        ok = false;
    *out = wr_value_null(type);
    if (!take(c, &tag, 1) || tag > WR_KEY_VALUE)
        return WEIR_CHECKPOINT_CORRUPT;
    if (tag == WR_KEY_NULL)
        return WEIR_OK;
    out->is_null = false;
    switch ((wr_type_id) type.id) {
    case WR_BOOL:
        ok = take(c, &tag, 1) && tag <= 1;
        out->boolean = tag == 1;
        break;
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        ok = take(c, &word, sizeof word);
        out->integer = ok ? wr_key_to_long(word) : 0;
        break;
    case WR_FLOAT4:
    case WR_FLOAT8:
        ok = take(c, &word, sizeof word);
        out->real = ok ? wr_key_to_double(word) : 0;
        break;
    case WR_NUMERIC: return take_num(c, arena, &out->string);
    case WR_INTERVAL: ok = take_interval(c, &out->interval); break;
    case WR_UUID: ok = take(c, out->uuid.bytes, sizeof out->uuid.bytes); break;
    case WR_ARRAY: return take_array(c, type, arena, &out->string);
    case WR_UNKNOWN:
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_BYTEA:
    case WR_JSON:
    case WR_JSONB:
        ok = take_bytes(c, &bytes, &length);
        out->string = wr_string_make(ok ? bytes : "", ok ? length : 0);
        break;
    case WR_TYPE_COUNT: wr_unreachable();
    }
    return ok ? WEIR_OK : WEIR_CHECKPOINT_CORRUPT;
}

weir_status
wr_key_decode(const char *bytes, size_t length, const wr_type *types, uint32_t count,
              wr_arena *arena, wr_value *out)
{
    cursor c = { bytes, bytes + length };
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(take_value(&c, types[i], arena, &out[i]));
    return c.at == c.end ? WEIR_OK : WEIR_CHECKPOINT_CORRUPT;
}
