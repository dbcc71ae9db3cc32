/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/msgpack_encode.c -- batches as MessagePack (see msgpack.h).
 *
 * State       the bytes of each column's key, made once.
 * Invariants  K1  the decoder reads back the same row
 *             K2  each number takes the shortest form there is
 */
#include "data/array.h"
#include "data/datetime.h"
#include "data/float.h"
#include "data/json.h"
#include "format/msgpack.h"
#include "format/print_impl.h"

#include <string.h>

enum { OP_AUTO, OP_NONE };
enum { LAYOUT_MAP, LAYOUT_ARRAY };

typedef struct msgpack_encoder {
    wr_encoder       encoder; /* first */
    const wr_schema *schema;
    bool             as_map, with_op, skip_deletes;
    uint32_t         count; /* columns that are not hidden */
    wr_text          keys; /* encoded, one after another */
    uint32_t        *key_ends;
    wr_arena         scratch;
} msgpack_encoder;

/* --- primitives: numbers and tags; there is room for WR_PRINT_MAX bytes --- */

/* A tag and the n low bytes of v, big-endian. */
static inline void
tag_put(wr_put *to, uint8_t tag, uint64_t v, int n)
{
    uint64_t high = __builtin_bswap64(v << (64 - 8 * n));
    *to->at = (char) tag;
    memcpy(to->at + 1, &high, 8);
    to->at += n + 1;
}

static inline void
byte_put(wr_put *to, uint8_t byte)
{
    *to->at++ = (char) byte;
}

static inline void
integer_put(wr_put *to, int64_t v)
{
    if (v >= -32 && v < 128)
        byte_put(to, (uint8_t) v);
    else if (v >= 0 && v < 256)
        tag_put(to, 0xcc, (uint64_t) v, 1);
    else if (v >= 0 && v < 65536)
        tag_put(to, 0xcd, (uint64_t) v, 2);
    else if (v >= 0 && v <= UINT32_MAX)
        tag_put(to, 0xce, (uint64_t) v, 4);
    else if (v >= 0)
        tag_put(to, 0xcf, (uint64_t) v, 8);
    else if (v >= -128)
        tag_put(to, 0xd0, (uint64_t) v, 1);
    else if (v >= -32768)
        tag_put(to, 0xd1, (uint64_t) v, 2);
    else if (v >= INT32_MIN)
        tag_put(to, 0xd2, (uint64_t) v, 4);
    else
        tag_put(to, 0xd3, (uint64_t) v, 8);
}

/* A count or length: short forms up to `few`, then the tags for 1 (0: none), 2 and 4 bytes. */
static inline void
count_put(wr_put *to, uint8_t short_tag, uint32_t few, uint8_t one, uint8_t two, uint8_t four,
          uint32_t n)
{
    if (n < few)
        byte_put(to, (uint8_t) (short_tag | n));
    else if (one != 0 && n < 256)
        tag_put(to, one, n, 1);
    else if (n < 65536)
        tag_put(to, two, n, 2);
    else
        tag_put(to, four, n, 4);
}

static void
list_put(wr_put *to, uint32_t n)
{
    count_put(to, 0x90, 16, 0, 0xdc, 0xdd, n);
}

static void
map_put(wr_put *to, uint32_t n)
{
    count_put(to, 0x80, 16, 0, 0xde, 0xdf, n);
}

/* Makes room itself, and leaves room for the next number. */
static bool
string_put(wr_put *to, const char *s, size_t n)
{
    if (!wr_put_room(to, n + 2 * WR_PRINT_MAX))
        return false;
    count_put(to, 0xa0, 32, 0xd9, 0xda, 0xdb, (uint32_t) n);
    wr_put_bytes(to, s, n);
    return true;
}

static bool
binary_put(wr_put *to, const char *s, size_t n)
{
    if (!wr_put_room(to, n + 2 * WR_PRINT_MAX))
        return false;
    count_put(to, 0, 0, 0xc4, 0xc5, 0xc6, (uint32_t) n);
    wr_put_bytes(to, s, n);
    return true;
}

static void
double_put(wr_put *to, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    tag_put(to, 0xcb, bits, 8);
}

static void
float_put(wr_put *to, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    tag_put(to, 0xca, bits, 4);
}

static void
time_put(wr_put *to, wr_time t)
{
    int64_t seconds = t / WR_US_PER_SECOND, us = t % WR_US_PER_SECOND;
    if (t == WR_TIME_NEGINF || t == WR_TIME_POSINF) {
        byte_put(to, t < 0 ? 0xa9 : 0xa8);
        wr_put_bytes(to, t < 0 ? "-infinity" : "infinity", t < 0 ? 9 : 8);
        return;
    }
    if (us < 0) {
        seconds--;
        us += WR_US_PER_SECOND;
    }
    uint64_t ns = (uint64_t) us * 1000;
    if (seconds >= 0 && seconds <= UINT32_MAX && ns == 0) {
        byte_put(to, 0xd6); /* each is a tag and its type, -1, and then a number without a tag */
        tag_put(to, 0xff, (uint64_t) seconds, 4);
    } else if (seconds >= 0 && seconds < 1ll << 34) {
        byte_put(to, 0xd7);
        tag_put(to, 0xff, ns << 34 | (uint64_t) seconds, 8);
    } else {
        wr_put_bytes(to, "\xc7\x0c", 2);
        tag_put(to, 0xff, ns, 4);
        tag_put(to, (uint8_t) ((uint64_t) seconds >> 56), (uint64_t) seconds, 7);
    }
}

/* --- values --- */

static void
json_number_put(wr_put *to, const char *s, size_t n)
{
    int64_t v = 0;
    size_t  i = n > 0 && s[0] == '-';
    for (; i < n && n <= 18 && s[i] >= '0' && s[i] <= '9'; i++)
        v = v * 10 + (s[i] - '0');
    if (i == n)
        integer_put(to, s[0] == '-' ? -v : v);
    else
        double_put(to, wr_float_read(s, n));
}

static bool
json_put(wr_put *to, const wr_json *json)
{
    bool good = true;
    if (!wr_put_room(to, WR_PRINT_MAX))
        return false;
    switch (json->kind) {
    case WR_JSON_NULL: byte_put(to, 0xc0); break;
    case WR_JSON_FALSE: byte_put(to, 0xc2); break;
    case WR_JSON_TRUE: byte_put(to, 0xc3); break;
    case WR_JSON_STRING: return string_put(to, json->text, json->length);
    case WR_JSON_NUMBER: json_number_put(to, json->text, json->length); break;
    case WR_JSON_LIST:
        list_put(to, json->count);
        for (uint32_t i = 0; i < json->count && good; i++)
            good = json_put(to, &json->items[i]);
        break;
    case WR_JSON_OBJECT:
        map_put(to, json->count);
        for (uint32_t i = 0; i < json->count && good; i++)
            good = string_put(to, wr_string_data(&json->keys[i]), json->keys[i].length) &&
                   json_put(to, &json->items[i]);
        break;
    }
    return good;
}

static weir_status value_put(msgpack_encoder *e, wr_put *to, const wr_value *v);

/* One dimension of an array, its items from *at on. */
static weir_status
array_put(msgpack_encoder *e, wr_put *to, const wr_array_view *view, uint32_t dim, const char **at)
{
    wr_value item;
    uint32_t count = view->dims > 0 ? view->lengths[dim] : 0;
    if (!wr_put_room(to, WR_PRINT_MAX))
        return WEIR_MEMORY;
    list_put(to, count);
    for (uint32_t i = 0; i < count; i++) {
        if (dim + 1 < view->dims)
            WR_TRY(array_put(e, to, view, dim + 1, at));
        else if (wr_array_next(view, at, &item))
            WR_TRY(value_put(e, to, &item));
    }
    return WEIR_OK;
}

/* A value's text. */
static bool
text_put(wr_put *to, const wr_value *v)
{
    wr_text text;
    wr_text_init(&text, to->text->budget);
    wr_value_print(v, &text);
    bool good = wr_text_ok(&text) && string_put(to, wr_text_string(&text), text.length);
    wr_text_fini(&text);
    return good;
}

/* Any value in a box. */
static weir_status
value_put(msgpack_encoder *e, wr_put *to, const wr_value *v)
{
    wr_array_view view;
    wr_json       json;
    const char   *at;
    bool          good = wr_put_room(to, WR_PRINT_MAX);
    if (!good)
        return WEIR_MEMORY;
    if (v->is_null) {
        byte_put(to, 0xc0);
        return WEIR_OK;
    }
    switch ((wr_type_id) v->type.id) {
    case WR_BOOL: byte_put(to, v->boolean ? 0xc3 : 0xc2); break;
    case WR_INT2:
    case WR_INT4:
    case WR_INT8: integer_put(to, v->integer); break;
    case WR_FLOAT4: float_put(to, (float) v->real); break;
    case WR_FLOAT8: double_put(to, v->real); break;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: time_put(to, v->integer); break;
    case WR_BYTEA: good = binary_put(to, wr_string_data(&v->string), v->string.length); break;
    case WR_JSON:
    case WR_JSONB:
        WR_TRY(wr_json_parse(wr_string_data(&v->string), v->string.length, &e->scratch, &json,
                             NULL));
        good = json_put(to, &json);
        break;
    case WR_ARRAY:
        wr_array_open(&v->string, &view);
        at = view.items;
        return array_put(e, to, &view, 0, &at);
    default: good = text_put(to, v); break;
    }
    return good ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
cell_put(msgpack_encoder *e, wr_put *to, const wr_column *column, uint32_t row)
{
    char     digits[WR_PRINT_MAX];
    wr_value v;
    if (column == NULL || wr_column_is_null(column, row)) {
        byte_put(to, 0xc0);
        return WEIR_OK;
    }
    const wr_column *base = wr_column_base(column);
    uint32_t         i = wr_column_index(column, row);
    const void      *data = base->data;
    switch ((wr_type_id) column->type.id) {
    case WR_INT4: integer_put(to, ((const int32_t *) data)[i]); return WEIR_OK;
    case WR_INT8: integer_put(to, ((const int64_t *) data)[i]); return WEIR_OK;
    case WR_FLOAT8: double_put(to, ((const double *) data)[i]); return WEIR_OK;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: time_put(to, ((const int64_t *) data)[i]); return WEIR_OK;
    case WR_TEXT: {
        const wr_string *s = &((const wr_string *) data)[i];
        return string_put(to, wr_string_data(s), s->length) ? WEIR_OK : WEIR_MEMORY;
    }
    case WR_NUMERIC: {
        if (base->form == WR_NUM || base->scale > 38)
            break;
        char *after = wr_print_decimal(wr_column_get_decimal(column, row), base->scale, digits);
        return string_put(to, digits, (size_t) (after - digits)) ? WEIR_OK : WEIR_MEMORY;
    }
    default: break;
    }
    wr_arena_reset(&e->scratch);
    WR_TRY(wr_column_get_value(column, row, &e->scratch, &v));
    return value_put(e, to, &v);
}

/* --- rows --- */

static weir_status
row_put(void *encoder, wr_put *to, const wr_batch *batch, uint32_t row, bool plus)
{
    msgpack_encoder *e = encoder;
    uint32_t count = e->count + e->with_op;
    if (!wr_put_room(to, WR_PRINT_MAX))
        return WEIR_MEMORY;
    if (e->as_map)
        map_put(to, count);
    else
        list_put(to, count);
    if (e->with_op) {
        if (e->as_map)
            wr_put_bytes(to, "\xa3_op", 4);
        wr_put_bytes(to, plus ? "\xa1+" : "\xa1-", 2);
    }
    for (uint32_t c = 0; c < e->schema->field_count; c++) {
        uint32_t from = c > 0 ? e->key_ends[c - 1] : 0, length = e->key_ends[c] - from;
        if (length == 0) /* hidden */
            continue;
        if (!wr_put_room(to, length + WR_PRINT_MAX))
            return WEIR_MEMORY;
        if (e->as_map)
            wr_put_bytes(to, e->keys.data + from, length);
        WR_TRY(cell_put(e, to, batch->columns[c], row));
    }
    return WEIR_OK;
}

static weir_status
encoder_encode(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *to,
               uint32_t *ends)
{
    msgpack_encoder *e = (msgpack_encoder *) self;
    return wr_put_rows(e, row_put, e->skip_deletes, batch, from, count, to, ends);
}

static weir_status
encoder_create(const void *config, const wr_schema *schema, wr_budget *budget, wr_encoder **out,
               weir_error *err)
{
    const wr_msgpack_encode_config *c = config;
    msgpack_encoder                *e = wr_calloc(budget, 1, sizeof *e);
    if (e == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a MessagePack encoder");
    e->encoder.ops = &wr_msgpack_encoder_ops;
    e->schema = schema;
    e->as_map = c->layout == LAYOUT_MAP;
    e->with_op = schema->kind != WR_INSERT_ONLY && c->op == OP_AUTO;
    e->skip_deletes = schema->kind != WR_INSERT_ONLY && c->op == OP_NONE;
    wr_arena_init(&e->scratch, budget);
    wr_text_init(&e->keys, budget);
    e->key_ends = wr_calloc(budget, schema->field_count + 1, sizeof *e->key_ends);
    wr_put keys;
    wr_put_begin(&keys, &e->keys);
    for (uint32_t i = 0; e->key_ends != NULL && i < schema->field_count; i++) {
        const wr_field *f = &schema->fields[i];
        if (!f->hidden && !string_put(&keys, f->name, strlen(f->name)))
            break;
        e->count += !f->hidden;
        e->key_ends[i] = (uint32_t) (keys.at - e->keys.data);
    }
    wr_put_end(&keys);
    if (e->key_ends == NULL || !wr_text_ok(&e->keys)) {
        wr_msgpack_encoder_ops.destroy(&e->encoder);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a MessagePack encoder");
    }
    *out = &e->encoder;
    return WEIR_OK;
}

static void
encoder_destroy(wr_encoder *self)
{
    msgpack_encoder *e = (msgpack_encoder *) self;
    if (e == NULL)
        return;
    wr_arena_fini(&e->scratch);
    wr_text_fini(&e->keys);
    wr_free(e->key_ends);
    wr_free(e);
}

static const wr_option encode_options[] = {
    { .name = "layout",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_msgpack_encode_config, layout),
      .fallback = "map",
      .choices = "map|array",
      .doc = "A row is a map with the columns' names, or an array of its values." },
    { .name = "op",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_msgpack_encode_config, op),
      .fallback = "auto",
      .choices = "auto|none",
      .doc = "Write _op into rows that change or delete others; none: write new rows alone." },
    { 0 },
};

const wr_encoder_ops wr_msgpack_encoder_ops = {
    .name = "msgpack",
    .options = encode_options,
    .config_bytes = sizeof(wr_msgpack_encode_config),
    .create = encoder_create,
    .encode = encoder_encode,
    .destroy = encoder_destroy,
};
