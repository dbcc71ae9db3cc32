/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_encode.c -- batches as JSON lines (see json.h).
 *
 * State       what stands before each value (`,"price":`, with the quote that opens it), made once;
 *             the last minute printed; where the values of the batch are.
 * Invariants  J1  the values are what wr_value_print_json writes
 *             J2  every line is one object, and ends with a newline
 * Cost        about 700 instructions for a bid of 229 bytes: one copy a value, sixteen bytes at a time through
 *             strings, digits without a branch for how many.
 */
#include "data/datetime.h"
#include "data/float.h"
#include "format/json.h"
#include "format/print_impl.h"

#include <emmintrin.h>
#include <string.h>

enum { OP_AUTO, OP_NONE };
enum { VALUES_JSON, VALUES_POSTGRES };

typedef enum value_kind {
    VALUE_NONE, /* the batch has no such column: NULL */
    VALUE_BOOL,
    VALUE_INT2,
    VALUE_INT4,
    VALUE_INT8,
    VALUE_FLOAT4,
    VALUE_FLOAT8,
    VALUE_TEXT,
    VALUE_DECIMAL,
    VALUE_DATE,
    VALUE_STAMP,
    VALUE_STAMPTZ,
    VALUE_JSON,
    VALUE_BOXED,
} value_kind;

enum { BEFORE_COPIED = 32 }; /* bytes of `before` that may be read, however short it is */

/* A column that is written, and where its values are in the batch at hand. */
typedef struct json_column {
    const char      *before; /* `,"name":`, and the quote that opens every value of the kind */
    size_t           before_length;
    uint32_t         field;
    uint8_t          kind;   /* value_kind */
    bool             plain;  /* a value for every row, at its index */
    bool             quoted; /* `before` ends with a quote */
    const void      *data;
    const uint64_t  *valid;
    const wr_column *column, *base;
} json_column;

typedef struct json_encoder {
    wr_encoder       encoder; /* first */
    const wr_schema *schema;
    wr_budget       *budget;
    bool             with_op;      /* rows begin with "_op"              */
    bool             skip_deletes; /* changes, but written without "_op" */
    bool             lists;        /* ["+",[7,3]], a row              */
    bool             as_text;      /* what is no number or boolean: PostgreSQL's text in quotes */
    wr_arena         arena;
    json_column     *columns; /* without the hidden */
    uint32_t         column_count;
    size_t           row_room; /* bytes of a row, but for long values */
    char             head[2][16]; /* of a row that goes, and one that comes */
    const char      *tail;
    size_t           head_length, tail_length;
    wr_print_day     day;
    wr_arena         scratch;
    wr_text          cell;
} json_encoder;

/* A value of the type in quotes always, unless it is NULL or of a year that takes the long way. */
static bool
type_is_quoted(const json_encoder *e, wr_type_id id)
{
    return id == WR_TEXT ||
           (!e->as_text && (id == WR_DATE || id == WR_TIMESTAMP || id == WR_TIMESTAMPTZ));
}

static bool
column_prepare(json_encoder *e, uint32_t field, wr_text *text)
{
    const char  *name = e->schema->fields[field].name;
    json_column *c = &e->columns[e->column_count++];
    c->field = field;
    c->quoted = type_is_quoted(e, (wr_type_id) e->schema->fields[field].type.id);
    wr_text_clear(text);
    if (e->column_count > 1 || e->with_op)
        wr_text_putc(text, ',');
    else if (!e->lists)
        wr_text_putc(text, '{');
    if (!e->lists) {
        wr_text_put_json(text, name, strlen(name));
        wr_text_putc(text, ':');
    }
    if (c->quoted)
        wr_text_putc(text, '"');
    c->before_length = text->length;
    e->row_room += text->length + WR_PRINT_MAX;
    char *before = wr_arena_calloc(&e->arena, text->length + BEFORE_COPIED, 1);
    if (!wr_text_ok(text) || before == NULL)
        return false;
    memcpy(before, wr_text_string(text), text->length);
    c->before = before;
    return true;
}

/* How a row begins and ends; a first value brings the brace where nothing else begins the row. */
static void
frame_prepare(json_encoder *e)
{
    static const char *const lists[2] = { "[\"-\",[", "[\"+\",[" };
    static const char *const ops[2] = { "{\"_op\":\"-\"", "{\"_op\":\"+\"" };
    static const char *const open[2] = { "{", "{" };
    const char *const       *head = e->lists ? lists : e->with_op ? ops : open;
    bool                     none = !e->lists && !e->with_op && e->column_count > 0;
    e->head_length = none ? 0 : strlen(head[0]);
    for (int i = 0; i < 2; i++)
        memcpy(e->head[i], head[i], e->head_length);
    e->tail = e->lists ? "]]," : "}\n";
    e->tail_length = strlen(e->tail);
    e->row_room += sizeof e->head[0] + BEFORE_COPIED + WR_PRINT_MAX;
}

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
    e->lists = c->lists;
    e->with_op = !c->lists && schema->kind != WR_INSERT_ONLY && c->op == OP_AUTO;
    e->as_text = c->values == VALUES_POSTGRES;
    e->skip_deletes = schema->kind != WR_INSERT_ONLY && c->op == OP_NONE;
    wr_arena_init(&e->arena, budget);
    wr_arena_init(&e->scratch, budget);
    wr_text_init(&e->cell, budget);
    e->columns = wr_arena_calloc(&e->arena, schema->field_count + 1, sizeof *e->columns);
    bool    good = e->columns != NULL;
    wr_text text;
    wr_text_init(&text, budget);
    for (uint32_t i = 0; good && i < schema->field_count; i++)
        if (!schema->fields[i].hidden)
            good = column_prepare(e, i, &text);
    frame_prepare(e);
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

/* --- the columns of a batch --- */

static value_kind
kind_of(const json_encoder *e, const wr_column *column, const wr_column *base)
{
    switch ((wr_type_id) column->type.id) {
    case WR_BOOL: return VALUE_BOOL;
    case WR_INT2: return VALUE_INT2;
    case WR_INT4: return VALUE_INT4;
    case WR_INT8: return VALUE_INT8;
    case WR_FLOAT4: return VALUE_FLOAT4;
    case WR_FLOAT8: return VALUE_FLOAT8;
    case WR_TEXT: return VALUE_TEXT;
    case WR_NUMERIC: return base->form == WR_NUM || base->scale > 38 ? VALUE_BOXED : VALUE_DECIMAL;
    case WR_DATE: return e->as_text ? VALUE_BOXED : VALUE_DATE;
    case WR_TIMESTAMP: return e->as_text ? VALUE_BOXED : VALUE_STAMP;
    case WR_TIMESTAMPTZ: return e->as_text ? VALUE_BOXED : VALUE_STAMPTZ;
    case WR_JSONB: return e->as_text ? VALUE_BOXED : VALUE_JSON;
    default: return VALUE_BOXED;
    }
}

static void
columns_bind(json_encoder *e, const wr_batch *batch)
{
    for (uint32_t i = 0; i < e->column_count; i++) {
        json_column     *c = &e->columns[i];
        const wr_column *column = batch->columns[c->field];
        c->kind = VALUE_NONE;
        c->plain = false;
        if (column == NULL)
            continue;
        c->column = column;
        c->base = wr_column_base(column);
        c->kind = (uint8_t) kind_of(e, column, c->base);
        c->data = c->base->data;
        c->valid = c->base->valid;
        c->plain = column->layout == WR_FLAT && c->valid == NULL;
    }
}

/* --- values: written at `at`, where WR_PRINT_MAX bytes are free; the byte after is returned --- */

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
    if (n < 16) { /* the first eight and the last */
        v = _mm_loadl_epi64((const __m128i *) s);
        hit = _mm_loadl_epi64((const __m128i *) (s + n - 8));
        _mm_storel_epi64((__m128i *) to, v);
        _mm_storel_epi64((__m128i *) (to + n - 8), hit);
        return _mm_movemask_epi8(escapes_find(_mm_unpacklo_epi64(v, hit))) == 0;
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

/* A string that must be escaped, with quotes of its own. */
static bool
escaped_put(wr_put *put, const wr_string *s)
{
    wr_put_end(put);
    wr_text_put_json(put->text, wr_string_data(s), s->length);
    wr_put_begin(put, put->text);
    return wr_text_ok(put->text);
}

static char *
double_put(char *at, double v, bool single)
{
    bool word = v - v != 0; /* NaN, infinities */
    if (word)
        *at++ = '"';
    at += single ? wr_float4_write((float) v, at) : wr_float8_write(v, at);
    if (word)
        *at++ = '"';
    return at;
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

/* Where a column that is not plain has the value of a row; false: NULL. */
static bool
index_find(const json_column *c, uint32_t row, uint32_t *index)
{
    if (c->kind == VALUE_NONE)
        return false;
    *index = wr_column_index(c->column, row);
    return c->valid == NULL || wr_bitmap_get(c->valid, *index);
}

static inline char *
before_put(const json_column *c, char *at)
{
    memcpy(at, c->before, BEFORE_COPIED); /* mostly all of it */
    if (WR_UNLIKELY(c->before_length > BEFORE_COPIED))
        memcpy(at + BEFORE_COPIED, c->before + BEFORE_COPIED, c->before_length - BEFORE_COPIED);
    return at + c->before_length;
}

/* A value that is no plain number, behind put->at and the quote that opens it if there is one.  Leaves
 * room for a row. */
static weir_status
long_value_put(json_encoder *e, wr_put *put, const json_column *c, uint32_t i, uint32_t row)
{
    const wr_string *s = (const wr_string *) c->data + i;
    if (!wr_text_ok(put->text))
        return WEIR_MEMORY;
    if (c->kind == VALUE_JSON) {
        if (!wr_put_room(put, s->length))
            return WEIR_MEMORY;
        wr_put_bytes(put, wr_string_data(s), s->length);
    } else {
        put->at -= c->quoted;
        if (c->kind != VALUE_TEXT)
            WR_TRY(boxed_put(e, put, c->column, row));
        else if (!escaped_put(put, s))
            return WEIR_MEMORY;
    }
    return wr_put_room(put, e->row_room) ? WEIR_OK : WEIR_MEMORY;
}

/* The string s at put->at with a quote behind it and room for a row behind that; false: it needs
 * another way, and nothing is written. */
static inline bool
plain_put(json_encoder *e, wr_put *put, const wr_string *s)
{
    if (!wr_put_room(put, s->length + e->row_room))
        return false;
    bool plain = s->length <= WR_STRING_INLINE_MAX ? short_copy(put->at, s)
                                                   : long_copy(put->at, s->pointer, s->length);
    put->at[s->length] = '"';
    put->at += plain ? s->length + 1 : 0;
    return plain;
}

/* All columns of a row, with room for what is not long. */
static inline weir_status
values_put(json_encoder *e, wr_put *put, uint32_t row)
{
    const json_column *c = e->columns, *end = c + e->column_count;
    char              *at = put->at;
    for (; c < end; c++) {
        uint32_t    i = row;
        const void *data = c->data;
        if (WR_UNLIKELY(!c->plain) && !index_find(c, row, &i)) {
            at = before_put(c, at) - c->quoted;
            memcpy(at, "null", 4);
            at += 4;
            continue;
        }
        char *value = at = before_put(c, at);
        switch ((value_kind) c->kind) {
        case VALUE_BOOL: {
            bool v = ((const bool *) data)[i];
            memcpy(at, v ? "true " : "false", 5);
            at += v ? 4 : 5;
            continue;
        }
        case VALUE_INT2: at = wr_print_integer(((const int16_t *) data)[i], at); continue;
        case VALUE_INT4: at = wr_print_integer(((const int32_t *) data)[i], at); continue;
        case VALUE_INT8: at = wr_print_integer(((const int64_t *) data)[i], at); continue;
        case VALUE_FLOAT4: at = double_put(at, ((const float *) data)[i], true); continue;
        case VALUE_FLOAT8: at = double_put(at, ((const double *) data)[i], false); continue;
        case VALUE_DECIMAL:
            at = wr_print_decimal(wr_column_get_decimal(c->column, row), c->base->scale, at);
            continue;
        case VALUE_TEXT:
            put->at = at;
            if (WR_LIKELY(plain_put(e, put, (const wr_string *) data + i))) {
                at = put->at;
                continue;
            }
            value = put->at;
            at = NULL;
            break;
        case VALUE_DATE: at = wr_print_date(&e->day, ((const int32_t *) data)[i], at); break;
        case VALUE_STAMP:
            at = wr_print_stamp(&e->day, ((const int64_t *) data)[i], 'T', "", at);
            break;
        case VALUE_STAMPTZ:
            at = wr_print_stamp(&e->day, ((const int64_t *) data)[i], 'T', "Z", at);
            break;
        default: at = NULL; break;
        }
        if (WR_LIKELY(at != NULL)) {
            *at++ = '"';
            continue;
        }
        put->at = value;
        WR_TRY(long_value_put(e, put, c, i, row));
        at = put->at;
    }
    put->at = at;
    return WEIR_OK;
}

static weir_status
row_put(void *encoder, wr_put *put, const wr_batch *batch, uint32_t row, bool plus)
{
    json_encoder *e = encoder;
    if (!wr_put_room(put, e->row_room))
        return WEIR_MEMORY;
    memcpy(put->at, e->head[plus], sizeof e->head[0]);
    put->at += e->head_length;
    WR_TRY(values_put(e, put, row));
    wr_put_bytes(put, e->tail, e->tail_length);
    return WEIR_OK;
}

static weir_status
encoder_encode(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *to,
               uint32_t *ends)
{
    json_encoder *e = (json_encoder *) self;
    columns_bind(e, batch);
    return wr_put_rows(e, row_put, e->skip_deletes && !e->lists, batch, from, count, to, ends);
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
