/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_encode.c -- batches as JSON lines (see json.h).
 *
 * State       what stands before each value (`,"price":`), made once; the last date printed.
 * Invariants  J1  the values are what wr_value_print_json writes
 *             J2  every line is one object, and ends with a newline
 * Cost        about 60 ns for a bid: one copy a value, sixteen bytes at a time through strings.
 */
#include "data/datetime.h"
#include "data/float.h"
#include "format/json.h"
#include "format/print_impl.h"

#include <emmintrin.h>
#include <string.h>

enum { OP_AUTO, OP_NONE };
enum { VALUES_JSON, VALUES_POSTGRES };

typedef struct json_encoder {
    wr_encoder       encoder; /* first */
    const wr_schema *schema;
    wr_budget       *budget;
    bool             with_op;      /* rows begin with "_op"              */
    bool             skip_deletes; /* changes, but written without "_op" */
    bool             as_text;      /* what is no number or boolean: PostgreSQL's text in quotes */
    wr_arena         arena;
    const char     **before; /* by column, with its length: `,"name":` */
    size_t          *before_length;
    wr_print_day     day;
    wr_arena         scratch;
    wr_text          cell;
} json_encoder;

static weir_status
encoder_create(const void *config, const wr_schema *schema, wr_budget *budget, wr_encoder **out,
               weir_error *err)
{
    const wr_json_encode_config *c = config;
    json_encoder                *e = wr_calloc(budget, 1, sizeof *e);
    if (e == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a JSON encoder");
    e->encoder.ops = &wr_json_encoder_ops;
    e->schema = schema;
    e->budget = budget;
    e->with_op = schema->kind != WR_INSERT_ONLY && c->op == OP_AUTO;
    e->as_text = c->values == VALUES_POSTGRES;
    e->skip_deletes = schema->kind != WR_INSERT_ONLY && c->op == OP_NONE;
    wr_arena_init(&e->arena, budget);
    wr_arena_init(&e->scratch, budget);
    wr_text_init(&e->cell, budget);
    e->before = wr_arena_calloc(&e->arena, schema->field_count + 1, sizeof *e->before);
    e->before_length = wr_arena_calloc(&e->arena, schema->field_count + 1, sizeof(size_t));
    bool    good = e->before != NULL && e->before_length != NULL;
    wr_text text;
    wr_text_init(&text, budget);
    for (uint32_t i = 0; good && i < schema->field_count; i++) {
        const char *name = schema->fields[i].name;
        if (schema->fields[i].hidden)
            continue; /* before_length 0: not written */
        wr_text_clear(&text);
        wr_text_putc(&text, ',');
        wr_text_put_json(&text, name, strlen(name));
        wr_text_putc(&text, ':');
        e->before_length[i] = text.length;
        e->before[i] = wr_arena_strndup(&e->arena, wr_text_string(&text), text.length);
        good = wr_text_ok(&text) && e->before[i] != NULL;
    }
    wr_text_fini(&text);
    if (!good) {
        wr_json_encoder_ops.destroy(&e->encoder);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a JSON encoder");
    }
    *out = &e->encoder;
    return WEIR_OK;
}

static void
encoder_destroy(wr_encoder *self)
{
    json_encoder *e = (json_encoder *) self;
    if (e == NULL)
        return;
    wr_text_fini(&e->cell);
    wr_arena_fini(&e->scratch);
    wr_arena_fini(&e->arena);
    wr_free(e);
}

/* --- values; `to` has room for the prefix and WR_PRINT_MAX bytes --- */

/* The string s in quotes.  Runs without escapes are copied as they are found. */
static void
string_put(wr_text *to, const char *s, size_t n)
{
    const __m128i control = _mm_set1_epi8(0x1f);
    const char   *end = s + n;
    if (!wr_text_reserve(to, n + 2 + 16))
        return;
    char *at = to->data + to->length;
    *at++ = '"';
    for (; end - s >= 16; s += 16, at += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) s);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                                   _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        if (_mm_movemask_epi8(hit) != 0)
            break;
        _mm_storeu_si128((__m128i *) at, v);
    }
    for (; s < end; s++) {
        unsigned char c = (unsigned char) *s;
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        *at++ = *s;
    }
    to->length = (size_t) (at - to->data);
    if (s < end) { /* the rest, with escapes: its opening quote goes */
        size_t from = to->length;
        wr_text_put_json(to, s, (size_t) (end - s));
        if (!wr_text_ok(to))
            return;
        memmove(to->data + from, to->data + from + 1, to->length - from - 1);
        to->length--;
        return;
    }
    to->data[to->length++] = '"';
}

static void
double_put(wr_text *to, double v, bool single)
{
    char *at = to->data + to->length, *begin = at;
    bool  word = v - v != 0; /* NaN, infinities */
    if (word)
        *at++ = '"';
    at += single ? wr_float4_write((float) v, at) : wr_float8_write(v, at);
    if (word)
        *at++ = '"';
    to->length += (size_t) (at - begin);
}

static bool
time_put(json_encoder *e, wr_text *to, const wr_column *base, uint32_t i)
{
    char *begin = to->data + to->length, *at = begin;
    *at++ = '"';
    if (base->type.id == WR_DATE)
        at = wr_print_date(&e->day, ((const int32_t *) base->data)[i], at);
    else
        at = wr_print_stamp(&e->day, ((const int64_t *) base->data)[i], 'T',
                            base->type.id == WR_TIMESTAMPTZ ? "Z" : "", at);
    if (at == NULL)
        return false;
    *at++ = '"';
    to->length += (size_t) (at - begin);
    return true;
}

static weir_status
value_put(json_encoder *e, wr_text *to, const wr_column *column, uint32_t row)
{
    const wr_column *base = column != NULL ? wr_column_base(column) : NULL;
    uint32_t         i = column != NULL ? wr_column_index(column, row) : 0;
    const void      *data = base != NULL ? base->data : NULL;
    char            *at = to->data + to->length, *after = at;
    if (base == NULL || (base->valid != NULL && !wr_bitmap_get(base->valid, i))) {
        memcpy(at, "null", 4);
        to->length += 4;
        return WEIR_OK;
    }
    switch ((wr_type_id) column->type.id) {
    case WR_BOOL: {
        bool v = ((const bool *) data)[i];
        memcpy(at, v ? "true" : "false", 5);
        after = at + (v ? 4 : 5);
        break;
    }
    case WR_INT2: after = wr_print_integer(((const int16_t *) data)[i], at); break;
    case WR_INT4: after = wr_print_integer(((const int32_t *) data)[i], at); break;
    case WR_INT8: after = wr_print_integer(((const int64_t *) data)[i], at); break;
    case WR_FLOAT4: double_put(to, (double) ((const float *) data)[i], true); return WEIR_OK;
    case WR_FLOAT8: double_put(to, ((const double *) data)[i], false); return WEIR_OK;
    case WR_TEXT: {
        const wr_string *s = &((const wr_string *) data)[i];
        string_put(to, wr_string_data(s), s->length);
        return WEIR_OK;
    }
    case WR_NUMERIC:
        if (base->form == WR_NUM || base->scale > 38)
            break;
        after = wr_print_decimal(wr_column_get_decimal(column, row), base->scale, at);
        break;
    case WR_DATE:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        if (!e->as_text && time_put(e, to, base, i))
            return WEIR_OK;
        break;
    case WR_JSONB: {
        if (e->as_text)
            break;
        const wr_string *s = &((const wr_string *) data)[i];
        wr_text_append(to, wr_string_data(s), s->length);
        return WEIR_OK;
    }
    default: break;
    }
    if (after > at) {
        to->length += (size_t) (after - at);
        return WEIR_OK;
    }
    wr_value value;
    wr_arena_reset(&e->scratch);
    WR_TRY(wr_column_get_value(column, row, &e->scratch, &value));
    if (e->as_text && !wr_type_is_number(value.type)) {
        wr_text_clear(&e->cell);
        wr_value_print(&value, &e->cell);
        string_put(to, wr_text_string(&e->cell), e->cell.length);
    } else {
        wr_value_print_json(&value, to);
    }
    return WEIR_OK;
}

static weir_status
row_put(json_encoder *e, wr_text *to, const wr_batch *batch, uint32_t row, bool plus)
{
    size_t begin = to->length;
    if (e->with_op) {
        wr_text_puts(to, plus ? "{\"_op\":\"+\"" : "{\"_op\":\"-\"");
        begin = SIZE_MAX;
    }
    for (uint32_t c = 0; c < e->schema->field_count; c++) {
        if (e->before_length[c] == 0)
            continue;
        if (!wr_text_reserve(to, e->before_length[c] + WR_PRINT_MAX))
            return WEIR_MEMORY;
        memcpy(to->data + to->length, e->before[c], e->before_length[c]);
        to->length += e->before_length[c];
        WR_TRY(value_put(e, to, batch->columns[c], row));
    }
    if (to->length == begin) { /* no column at all */
        wr_text_putc(to, '{');
        begin = SIZE_MAX;
    }
    if (!wr_text_reserve(to, 2))
        return WEIR_MEMORY;
    if (begin != SIZE_MAX)
        to->data[begin] = '{'; /* where the first value's comma stands */
    memcpy(to->data + to->length, "}\n", 3);
    to->length += 2;
    return WEIR_OK;
}

static weir_status
encoder_encode(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *to,
               uint32_t *ends)
{
    json_encoder *e = (json_encoder *) self;
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

static const wr_option encode_options[] = {
    { .name = "op",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_json_encode_config, op),
      .fallback = "auto",
      .choices = "auto|none",
      .doc = "Write \"_op\" into rows that change or delete others; none: write new rows alone." },
    { .name = "values",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_json_encode_config, values),
      .fallback = "json",
      .choices = "json|postgres",
      .doc = "json: times in ISO 8601, json, jsonb and arrays nested; postgres: each as psql prints it, in quotes." },
    { 0 },
};

const wr_encoder_ops wr_json_encoder_ops = {
    .name = "json",
    .options = encode_options,
    .config_bytes = sizeof(wr_json_encode_config),
    .create = encoder_create,
    .encode = encoder_encode,
    .destroy = encoder_destroy,
};
