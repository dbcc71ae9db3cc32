/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_encode.c -- batches as JSON lines (see json.h).
 *
 * State       what stands before each value (`,"price":`), made once; the last date printed.
 * Invariants  J1  the values are what wr_value_print_json writes
 *             J2  every line is one object, and ends with a newline
 * Cost        about 70 ns for a bid: one copy a value, sixteen bytes at a time through strings.
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
    bool             lists;        /* ["+",[7,3]], a row              */
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
    e->lists = c->lists;
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

/* --- values; there is room for WR_PRINT_MAX bytes --- */

/* What must be escaped among the 16 bytes of v. */
static inline __m128i
escapes_find(__m128i v)
{
    __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                               _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v));
}

/* Copy n bytes, more than 12 of them; false when any of them must be escaped. */
static inline bool
long_copy(char *to, const char *s, size_t n)
{
    __m128i hit = _mm_setzero_si128(), v;
    size_t  i = 0;
    if (n < 16) {
        char last[16];
        memset(last, ' ', sizeof last);
        memcpy(last, s, n);
        v = _mm_loadu_si128((const __m128i *) last);
        _mm_storeu_si128((__m128i *) to, v);
        return _mm_movemask_epi8(escapes_find(v)) == 0;
    }
    for (; i + 16 <= n; i += 16) {
        v = _mm_loadu_si128((const __m128i *) (s + i));
        _mm_storeu_si128((__m128i *) (to + i), v);
        hit = _mm_or_si128(hit, escapes_find(v));
    }
    v = _mm_loadu_si128((const __m128i *) (s + n - 16));
    _mm_storeu_si128((__m128i *) (to + n - 16), v);
    return _mm_movemask_epi8(_mm_or_si128(hit, escapes_find(v))) == 0;
}

/* The bytes of an inline view, 12 at most; false when any of them must be escaped. */
static inline bool
short_copy(char *to, const wr_string *s)
{
    __m128i  v = _mm_srli_si128(_mm_loadu_si128((const __m128i *) s), 4);
    unsigned mask = (unsigned) _mm_movemask_epi8(escapes_find(v));
    _mm_storeu_si128((__m128i *) to, v);
    return (mask & ((1u << s->length) - 1)) == 0;
}

/* A string in quotes. */
static bool
string_put(wr_put *put, const wr_string *s)
{
    if (!wr_put_room(put, (size_t) s->length + 2 + 16))
        return false;
    char *at = put->at;
    *at++ = '"';
    bool plain = s->length <= WR_STRING_INLINE_MAX ? short_copy(at, s)
                                                   : long_copy(at, s->pointer, s->length);
    if (WR_LIKELY(plain)) {
        at[s->length] = '"';
        put->at = at + s->length + 1;
        return true;
    }
    wr_put_end(put);
    wr_text_put_json(put->text, wr_string_data(s), s->length);
    wr_put_begin(put, put->text);
    return wr_text_ok(put->text);
}

static void
double_put(wr_put *put, double v, bool single)
{
    bool word = v - v != 0; /* NaN, infinities */
    if (word)
        *put->at++ = '"';
    put->at += single ? wr_float4_write((float) v, put->at) : wr_float8_write(v, put->at);
    if (word)
        *put->at++ = '"';
}

static bool
time_put(json_encoder *e, wr_put *put, const wr_column *base, uint32_t i)
{
    char *at = put->at;
    *at++ = '"';
    if (base->type.id == WR_DATE)
        at = wr_print_date(&e->day, ((const int32_t *) base->data)[i], at);
    else
        at = wr_print_stamp(&e->day, ((const int64_t *) base->data)[i], 'T',
                            base->type.id == WR_TIMESTAMPTZ ? "Z" : "", at);
    if (at == NULL)
        return false;
    *at++ = '"';
    put->at = at;
    return true;
}

/* Any value, by its boxed form. */
static weir_status
boxed_put(json_encoder *e, wr_put *put, const wr_column *column, uint32_t row)
{
    wr_value value;
    wr_arena_reset(&e->scratch);
    WR_TRY(wr_column_get_value(column, row, &e->scratch, &value));
    wr_put_end(put);
    if (e->as_text && !wr_type_is_number(value.type)) {
        wr_text_clear(&e->cell);
        wr_value_print(&value, &e->cell);
        wr_text_put_json(put->text, wr_text_string(&e->cell), e->cell.length);
    } else {
        wr_value_print_json(&value, put->text);
    }
    wr_put_begin(put, put->text);
    return wr_text_ok(put->text) && wr_text_ok(&e->cell) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
value_put(json_encoder *e, wr_put *put, const wr_column *column, uint32_t row)
{
    const wr_column *base = column != NULL ? wr_column_base(column) : NULL;
    uint32_t         i = column != NULL ? wr_column_index(column, row) : 0;
    const void      *data = base != NULL ? base->data : NULL;
    if (base == NULL || (base->valid != NULL && !wr_bitmap_get(base->valid, i))) {
        wr_put_bytes(put, "null", 4);
        return WEIR_OK;
    }
    switch ((wr_type_id) column->type.id) {
    case WR_BOOL: {
        bool v = ((const bool *) data)[i];
        wr_put_bytes(put, v ? "true" : "false", v ? 4 : 5);
        return WEIR_OK;
    }
    case WR_INT2: put->at = wr_print_integer(((const int16_t *) data)[i], put->at); return WEIR_OK;
    case WR_INT4: put->at = wr_print_integer(((const int32_t *) data)[i], put->at); return WEIR_OK;
    case WR_INT8: put->at = wr_print_integer(((const int64_t *) data)[i], put->at); return WEIR_OK;
    case WR_FLOAT4: double_put(put, (double) ((const float *) data)[i], true); return WEIR_OK;
    case WR_FLOAT8: double_put(put, ((const double *) data)[i], false); return WEIR_OK;
    case WR_TEXT: return string_put(put, &((const wr_string *) data)[i]) ? WEIR_OK : WEIR_MEMORY;
    case WR_NUMERIC:
        if (base->form == WR_NUM || base->scale > 38)
            break;
        put->at = wr_print_decimal(wr_column_get_decimal(column, row), base->scale, put->at);
        return WEIR_OK;
    case WR_DATE:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        if (!e->as_text && time_put(e, put, base, i))
            return WEIR_OK;
        break;
    case WR_JSONB: {
        if (e->as_text)
            break;
        const wr_string *s = &((const wr_string *) data)[i];
        if (!wr_put_room(put, s->length))
            return WEIR_MEMORY;
        wr_put_bytes(put, wr_string_data(s), s->length);
        return WEIR_OK;
    }
    default: break;
    }
    return boxed_put(e, put, column, row);
}

/* ["+",[7,3]], */
static weir_status
list_row_put(void *encoder, wr_put *put, const wr_batch *batch, uint32_t row, bool plus)
{
    json_encoder *e = encoder;
    bool          first = true;
    if (!wr_put_room(put, 16))
        return WEIR_MEMORY;
    wr_put_bytes(put, plus ? "[\"+\",[" : "[\"-\",[", 6);
    for (uint32_t c = 0; c < e->schema->field_count; c++) {
        if (e->before_length[c] == 0)
            continue;
        if (!wr_put_room(put, 1 + WR_PRINT_MAX))
            return WEIR_MEMORY;
        if (!first)
            *put->at++ = ',';
        first = false;
        WR_TRY(value_put(e, put, batch->columns[c], row));
    }
    if (!wr_put_room(put, 3))
        return WEIR_MEMORY;
    wr_put_bytes(put, "]],", 3);
    return WEIR_OK;
}

static weir_status
row_put(void *encoder, wr_put *put, const wr_batch *batch, uint32_t row, bool plus)
{
    json_encoder     *e = encoder;
    static const char ops[2][12] = { "{\"_op\":\"-\"", "{\"_op\":\"+\"" };
    bool              first = !e->with_op;
    if (!wr_put_room(put, 16))
        return WEIR_MEMORY;
    if (e->with_op)
        wr_put_bytes(put, ops[plus], 10);
    for (uint32_t c = 0; c < e->schema->field_count; c++) {
        if (e->before_length[c] == 0)
            continue;
        if (!wr_put_room(put, e->before_length[c] + WR_PRINT_MAX))
            return WEIR_MEMORY;
        char *at = put->at;
        wr_put_bytes(put, e->before[c], e->before_length[c]);
        if (first)
            *at = '{'; /* where the first value's comma stands */
        first = false;
        WR_TRY(value_put(e, put, batch->columns[c], row));
    }
    if (!wr_put_room(put, 3))
        return WEIR_MEMORY;
    if (first) /* no column at all */
        *put->at++ = '{';
    wr_put_bytes(put, "}\n", 2);
    return WEIR_OK;
}

static weir_status
encoder_encode(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *to,
               uint32_t *ends)
{
    json_encoder *e = (json_encoder *) self;
    if (e->lists)
        return wr_put_rows(e, list_row_put, false, batch, from, count, to, ends);
    return wr_put_rows(e, row_put, e->skip_deletes, batch, from, count, to, ends);
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
      .doc = "json: times in ISO 8601, json, jsonb and arrays nested; postgres: each as psql prints "
             "it, in quotes." },
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
