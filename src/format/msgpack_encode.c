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
    wr_text          keys; /* encoded, one after another */
    uint32_t        *key_ends;
    wr_arena         scratch;
} msgpack_encoder;

/* --- primitives --- */

/* A tag and n bytes big-endian. */
static void
tag_put(wr_text *to, uint8_t tag, uint64_t v, int n)
{
    char bytes[9] = { (char) tag };
    for (int i = 0; i < n; i++)
        bytes[1 + i] = (char) (v >> (8 * (n - 1 - i)));
    wr_text_append(to, bytes, (size_t) n + 1);
}

static void
integer_put(wr_text *to, int64_t v)
{
    if (v >= -32 && v < 128)
        wr_text_putc(to, (char) v);
    else if (v >= 0)
        tag_put(to, v < 256 ? 0xcc : v < 65536 ? 0xcd : v <= UINT32_MAX ? 0xce : 0xcf, (uint64_t) v,
                v < 256 ? 1 : v < 65536 ? 2 : v <= UINT32_MAX ? 4 : 8);
    else
        tag_put(to, v >= -128 ? 0xd0 : v >= -32768 ? 0xd1 : v >= INT32_MIN ? 0xd2 : 0xd3,
                (uint64_t) v, v >= -128 ? 1 : v >= -32768 ? 2 : v >= INT32_MIN ? 4 : 8);
}

static void
string_put(wr_text *to, const char *s, size_t n)
{
    if (n < 32)
        wr_text_putc(to, (char) (0xa0 | n));
    else
        tag_put(to, n < 256 ? 0xd9 : n < 65536 ? 0xda : 0xdb, n, n < 256 ? 1 : n < 65536 ? 2 : 4);
    wr_text_append(to, s, n);
}

static void
binary_put(wr_text *to, const char *s, size_t n)
{
    tag_put(to, n < 256 ? 0xc4 : n < 65536 ? 0xc5 : 0xc6, n, n < 256 ? 1 : n < 65536 ? 2 : 4);
    wr_text_append(to, s, n);
}

static void
list_put(wr_text *to, uint32_t n)
{
    if (n < 16)
        wr_text_putc(to, (char) (0x90 | n));
    else
        tag_put(to, n < 65536 ? 0xdc : 0xdd, n, n < 65536 ? 2 : 4);
}

static void
map_put(wr_text *to, uint32_t n)
{
    if (n < 16)
        wr_text_putc(to, (char) (0x80 | n));
    else
        tag_put(to, n < 65536 ? 0xde : 0xdf, n, n < 65536 ? 2 : 4);
}

static void
double_put(wr_text *to, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    tag_put(to, 0xcb, bits, 8);
}

static void
float_put(wr_text *to, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    tag_put(to, 0xca, bits, 4);
}

static void
time_put(wr_text *to, wr_time t)
{
    int64_t seconds = t / WR_US_PER_SECOND, us = t % WR_US_PER_SECOND;
    if (t == WR_TIME_NEGINF || t == WR_TIME_POSINF) {
        string_put(to, t < 0 ? "-infinity" : "infinity", t < 0 ? 9 : 8);
        return;
    }
    if (us < 0) {
        seconds--;
        us += WR_US_PER_SECOND;
    }
    uint64_t ns = (uint64_t) us * 1000;
    if (seconds >= 0 && seconds <= UINT32_MAX && ns == 0) {
        wr_text_append(to, "\xd6\xff", 2);
        tag_put(to, (uint8_t) (seconds >> 24), (uint64_t) seconds & 0xffffff, 3);
    } else if (seconds >= 0 && seconds < 1ll << 34) {
        uint64_t both = ns << 34 | (uint64_t) seconds;
        wr_text_append(to, "\xd7\xff", 2);
        tag_put(to, (uint8_t) (both >> 56), both & 0xffffffffffffff, 7);
    } else {
        wr_text_append(to, "\xc7\x0c\xff", 3);
        tag_put(to, (uint8_t) (ns >> 24), ns & 0xffffff, 3);
        tag_put(to, (uint8_t) ((uint64_t) seconds >> 56), (uint64_t) seconds & 0xffffffffffffff, 7);
    }
}

/* --- values --- */

static void
json_put(wr_text *to, const wr_json *json)
{
    switch (json->kind) {
    case WR_JSON_NULL: wr_text_putc(to, (char) 0xc0); break;
    case WR_JSON_FALSE: wr_text_putc(to, (char) 0xc2); break;
    case WR_JSON_TRUE: wr_text_putc(to, (char) 0xc3); break;
    case WR_JSON_STRING: string_put(to, json->text, json->length); break;
    case WR_JSON_NUMBER: {
        int64_t     v = 0;
        size_t      n = json->length, i = n > 0 && json->text[0] == '-';
        const char *s = json->text;
        for (; i < n && n <= 18 && s[i] >= '0' && s[i] <= '9'; i++)
            v = v * 10 + (s[i] - '0');
        if (i == n)
            integer_put(to, s[0] == '-' ? -v : v);
        else
            double_put(to, wr_float_read(s, n));
        break;
    }
    case WR_JSON_LIST:
        list_put(to, json->count);
        for (uint32_t i = 0; i < json->count; i++)
            json_put(to, &json->items[i]);
        break;
    case WR_JSON_OBJECT:
        map_put(to, json->count);
        for (uint32_t i = 0; i < json->count; i++) {
            string_put(to, wr_string_data(&json->keys[i]), json->keys[i].length);
            json_put(to, &json->items[i]);
        }
        break;
    }
}

static weir_status value_put(msgpack_encoder *e, wr_text *to, const wr_value *v);

/* One dimension of an array, its items from *at on. */
static weir_status
array_put(msgpack_encoder *e, wr_text *to, const wr_array_view *view, uint32_t dim, const char **at)
{
    wr_value item;
    uint32_t count = view->dims > 0 ? view->lengths[dim] : 0;
    list_put(to, count);
    for (uint32_t i = 0; i < count; i++) {
        if (dim + 1 < view->dims)
            WR_TRY(array_put(e, to, view, dim + 1, at));
        else if (wr_array_next(view, at, &item))
            WR_TRY(value_put(e, to, &item));
    }
    return WEIR_OK;
}

/* Any value in a box. */
static weir_status
value_put(msgpack_encoder *e, wr_text *to, const wr_value *v)
{
    wr_array_view view;
    wr_json       json;
    const char   *at;
    wr_text       text;
    if (v->is_null) {
        wr_text_putc(to, (char) 0xc0);
        return WEIR_OK;
    }
    switch ((wr_type_id) v->type.id) {
    case WR_BOOL: wr_text_putc(to, (char) (v->boolean ? 0xc3 : 0xc2)); return WEIR_OK;
    case WR_INT2:
    case WR_INT4:
    case WR_INT8: integer_put(to, v->integer); return WEIR_OK;
    case WR_FLOAT4: float_put(to, (float) v->real); return WEIR_OK;
    case WR_FLOAT8: double_put(to, v->real); return WEIR_OK;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: time_put(to, v->integer); return WEIR_OK;
    case WR_BYTEA: binary_put(to, wr_string_data(&v->string), v->string.length); return WEIR_OK;
    case WR_JSON:
    case WR_JSONB:
        WR_TRY(wr_json_parse(wr_string_data(&v->string), v->string.length, &e->scratch, &json, NULL));
        json_put(to, &json);
        return WEIR_OK;
    case WR_ARRAY:
        wr_array_open(&v->string, &view);
        at = view.items;
        return array_put(e, to, &view, 0, &at);
    default: break;
    }
    wr_text_init(&text, to->budget);
    wr_value_print(v, &text);
    string_put(to, wr_text_string(&text), text.length);
    bool good = wr_text_ok(&text);
    wr_text_fini(&text);
    return good ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
cell_put(msgpack_encoder *e, wr_text *to, const wr_column *column, uint32_t row)
{
    char     digits[WR_PRINT_MAX * 2];
    wr_value v;
    if (column == NULL || wr_column_is_null(column, row)) {
        wr_text_putc(to, (char) 0xc0);
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
        string_put(to, wr_string_data(s), s->length);
        return WEIR_OK;
    }
    case WR_NUMERIC:
        if (base->form == WR_NUM || base->scale > 38)
            break;
        string_put(to, digits,
                   (size_t) (wr_print_decimal(wr_column_get_decimal(column, row), base->scale,
                                              digits) -
                             digits));
        return WEIR_OK;
    default: break;
    }
    wr_arena_reset(&e->scratch);
    WR_TRY(wr_column_get_value(column, row, &e->scratch, &v));
    return value_put(e, to, &v);
}

/* --- rows --- */

static weir_status
row_put(msgpack_encoder *e, wr_text *to, const wr_batch *batch, uint32_t row, bool plus)
{
    uint32_t count = e->schema->field_count + e->with_op;
    if (e->as_map)
        map_put(to, count);
    else
        list_put(to, count);
    if (e->with_op) {
        if (e->as_map)
            string_put(to, "_op", 3);
        string_put(to, plus ? "+" : "-", 1);
    }
    for (uint32_t c = 0; c < e->schema->field_count; c++) {
        uint32_t from = c > 0 ? e->key_ends[c - 1] : 0;
        if (e->as_map)
            wr_text_append(to, e->keys.data + from, e->key_ends[c] - from);
        WR_TRY(cell_put(e, to, batch->columns[c], row));
    }
    return WEIR_OK;
}

static weir_status
encoder_encode(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *to,
               uint32_t *ends)
{
    msgpack_encoder *e = (msgpack_encoder *) self;
    wr_assert(from + count <= batch->row_count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = wr_batch_row(batch, from + i);
        int64_t  diff = wr_batch_diff(batch, row), times = diff < 0 ? -diff : diff;
        if (diff < 0 && e->skip_deletes)
            times = 0;
        for (; times > 0; times--)
            WR_TRY(row_put(e, to, batch, row, diff > 0));
        if (ends != NULL)
            ends[i] = (uint32_t) to->length;
    }
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
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
    for (uint32_t i = 0; e->key_ends != NULL && i < schema->field_count; i++) {
        string_put(&e->keys, schema->fields[i].name, strlen(schema->fields[i].name));
        e->key_ends[i] = (uint32_t) e->keys.length;
    }
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
