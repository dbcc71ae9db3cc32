/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_encode.c -- batches as JSON lines (see json.h).
 *
 * State       what stands before each value (`,"price":`, with the quote that opens it), made once, and copied into
 *             the slots; the last minute printed; the block of rows at hand, and where their values are.
 * Invariants  J1  the values are what wr_value_print_json writes
 *             J2  every line is one object, and ends with a newline
 *             J3  at each value there is room for its slot, or for what it is known to be
 */
#include "format/json_encode_impl.h"

#include "data/datetime.h"
#include "data/float.h"

enum { OP_AUTO, OP_NONE };
enum { VALUES_JSON, VALUES_POSTGRES };
enum { BEFORE_BYTES_MAX = 1024 }; /* in slots */

const uint8_t wr_json_escapes[3][32] __attribute__((aligned(32))) = {
    "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
    "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\",
    { 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
      31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31 },
};

/* A value of the type in quotes always, unless it is NULL or of a year that takes the long way. */
static bool
type_is_quoted(const json_encoder *e, wr_type_id id)
{
    return id == WR_TEXT ||
           (!e->as_text && (id == WR_DATE || id == WR_TIMESTAMP || id == WR_TIMESTAMPTZ));
}

/* Is a value of the type one of bounded width? */
static bool
type_is_bounded(const json_encoder *e, wr_type_id id)
{
    switch (id) {
    case WR_BOOL:
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_FLOAT4:
    case WR_FLOAT8:
    case WR_NUMERIC: return true;
    case WR_DATE:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return !e->as_text;
    default: return false;
    }
}

static bool
slots_prepare(json_encoder *e, json_column *c)
{
    /* a value, its quotes, and what a vector writes more */
    c->slot_bytes = (c->before_length + WR_PRINT_MAX + 2 + JSON_COPIED) / JSON_COPIED * JSON_COPIED;
    c->slots = wr_arena_alloc(&e->arena, (size_t) JSON_BLOCK_ROWS * c->slot_bytes);
    return c->slots != NULL;
}

/* What stands before the values of the block's rows goes into their slots, once. */
static void
slots_begin(json_encoder *e)
{
    for (; e->slots_begun < e->row_count; e->slots_begun++)
        for (json_column *c = e->columns; c < e->columns + e->column_count; c++)
            if (c->slots != NULL)
                memcpy(c->slots + (size_t) e->slots_begun * c->slot_bytes, c->before, c->before_length);
}

static bool
column_prepare(json_encoder *e, uint32_t field, wr_text *text)
{
    const char  *name = e->schema->fields[field].name;
    wr_type_id   type = (wr_type_id) e->schema->fields[field].type.id;
    json_column *c = &e->columns[e->column_count++];
    c->field = field;
    c->quoted = type_is_quoted(e, type);
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
    c->before_length = (uint32_t) text->length;
    e->row_room += text->length + WR_PRINT_MAX + 2 * JSON_COPIED;
    char *before = wr_arena_calloc(&e->arena, text->length + JSON_COPIED, 1);
    if (!wr_text_ok(text) || before == NULL)
        return false;
    memcpy(before, wr_text_string(text), text->length);
    c->before = before;
    return !type_is_bounded(e, type) || text->length > BEFORE_BYTES_MAX || slots_prepare(e, c);
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
    e->head_length = none ? 0 : (uint32_t) strlen(head[0]);
    for (int i = 0; i < 2; i++)
        memcpy(e->head[i], head[i], e->head_length);
    const char *tail = e->lists ? "]]," : "}\n";
    e->tail_length = (uint32_t) strlen(tail);
    memcpy(e->tail, tail, e->tail_length);
    e->row_room += sizeof e->head[0] + sizeof e->tail;
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
    e->rows_put = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? wr_json_rows_avx2
                                                                                   : wr_json_rows_sse;
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

static json_value_kind
kind_of(const json_encoder *e, const wr_column *column, const wr_column *base)
{
    switch ((wr_type_id) column->type.id) {
    case WR_BOOL: return JSON_VALUE_BOOL;
    case WR_INT2: return JSON_VALUE_INT2;
    case WR_INT4: return JSON_VALUE_INT4;
    case WR_INT8: return JSON_VALUE_INT8;
    case WR_FLOAT4: return JSON_VALUE_FLOAT4;
    case WR_FLOAT8: return JSON_VALUE_FLOAT8;
    case WR_TEXT: return JSON_VALUE_TEXT;
    case WR_NUMERIC:
        return base->form == WR_NUM || base->scale > 38 ? JSON_VALUE_BOXED : JSON_VALUE_DECIMAL;
    case WR_DATE: return e->as_text ? JSON_VALUE_BOXED : JSON_VALUE_DATE;
    case WR_TIMESTAMP: return e->as_text ? JSON_VALUE_BOXED : JSON_VALUE_STAMP;
    case WR_TIMESTAMPTZ: return e->as_text ? JSON_VALUE_BOXED : JSON_VALUE_STAMPTZ;
    case WR_JSONB: return e->as_text ? JSON_VALUE_BOXED : JSON_VALUE_RAW;
    default: return JSON_VALUE_BOXED;
    }
}

static json_way
way_of(const json_column *c)
{
    if (c->kind == JSON_VALUE_TEXT)
        return JSON_WAY_TEXT;
    return c->slots == NULL || c->kind > JSON_VALUE_TEXT ? JSON_WAY_CALL : JSON_WAY_SLOT;
}

static void
column_bind(json_encoder *e, json_column *c, const wr_column *column)
{
    c->base = wr_column_base(column);
    c->kind = (uint8_t) kind_of(e, column, c->base);
    c->data = c->base->data;
    c->valid = c->base->valid;
    if (column->layout == WR_FLAT && c->valid == NULL)
        c->index = e->rows;
}

static void
columns_bind(json_encoder *e, const wr_batch *batch)
{
    for (uint32_t i = 0; i < e->column_count; i++) {
        json_column     *c = &e->columns[i];
        const wr_column *column = batch->columns[c->field];
        c->kind = JSON_VALUE_NONE;
        c->column = column;
        c->index = c->own_index;
        if (column != NULL)
            column_bind(e, c, column);
        c->way = (uint8_t) way_of(c);
        if (c->way == JSON_WAY_CALL)
            memset(c->lengths, 0, sizeof c->lengths);
    }
}

/* Where the values of the block's rows are. */
static void
columns_find(json_encoder *e)
{
    for (json_column *c = e->columns; c < e->columns + e->column_count; c++) {
        if (c->index == e->rows)
            continue;
        for (uint32_t r = 0; r < e->row_count; r++) {
            uint32_t i = c->column != NULL ? wr_column_index(c->column, e->rows[r]) : 0;
            bool     null = c->column == NULL || (c->valid != NULL && !wr_bitmap_get(c->valid, i));
            c->own_index[r] = null ? JSON_NULL : i;
        }
    }
}

/* --- values: written at `at`, where WR_PRINT_MAX bytes are free; the byte after is returned --- */

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

static char *
date_put(json_encoder *e, const json_column *c, uint32_t i, char *at)
{
    *at++ = '"';
    if (c->kind == JSON_VALUE_DATE)
        at = wr_print_date(&e->day, ((const int32_t *) c->data)[i], at);
    else
        at = wr_print_stamp(&e->day, ((const int64_t *) c->data)[i], 'T',
                            c->kind == JSON_VALUE_STAMPTZ ? "Z" : "", at);
    if (at != NULL)
        *at++ = '"';
    return at;
}

/* A value of bounded width; NULL: it is none. */
static char *
bounded_put(json_encoder *e, const json_column *c, uint32_t i, char *at)
{
    const void *data = c->data;
    switch ((json_value_kind) c->kind) {
    case JSON_VALUE_BOOL: {
        bool v = ((const bool *) data)[i];
        memcpy(at, v ? "true " : "false", 5);
        return at + (v ? 4 : 5);
    }
    case JSON_VALUE_INT2: return wr_print_integer(((const int16_t *) data)[i], at);
    case JSON_VALUE_INT4: return wr_print_integer(((const int32_t *) data)[i], at);
    case JSON_VALUE_INT8: return wr_print_integer(((const int64_t *) data)[i], at);
    case JSON_VALUE_FLOAT4: return double_put(at, ((const float *) data)[i], true);
    case JSON_VALUE_FLOAT8: return double_put(at, ((const double *) data)[i], false);
    case JSON_VALUE_DECIMAL: {
        bool narrow = c->base->form == WR_DEC64;
        return wr_print_decimal(narrow ? ((const int64_t *) data)[i] : ((const wr_int128 *) data)[i],
                                c->base->scale, at);
    }
    case JSON_VALUE_DATE:
    case JSON_VALUE_STAMP:
    case JSON_VALUE_STAMPTZ: return date_put(e, c, i, at);
    case JSON_VALUE_NONE:
    case JSON_VALUE_TEXT:
    case JSON_VALUE_RAW:
    case JSON_VALUE_BOXED: break;
    }
    return NULL;
}

void
wr_json_slot_fill(json_encoder *e, json_column *c, uint32_t r)
{
    char *slot = c->slots + (size_t) r * c->slot_bytes, *at = slot + c->before_length - c->quoted;
    if (c->index[r] == JSON_NULL) {
        memcpy(at, "null", 4);
        at += 4;
    } else {
        at = bounded_put(e, c, c->index[r], at);
    }
    c->lengths[r] = at != NULL ? (uint64_t) (at - slot) : 0;
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

/* A value whose length is not known. */
static weir_status
unbounded_put(json_encoder *e, wr_put *put, const json_column *c, uint32_t r)
{
    const wr_string *s = (const wr_string *) c->data + c->index[r];
    if (c->kind != JSON_VALUE_TEXT && c->kind != JSON_VALUE_RAW)
        return boxed_put(e, put, c->column, e->rows[r]);
    wr_put_end(put);
    if (c->kind == JSON_VALUE_TEXT)
        wr_text_put_json(put->text, wr_string_data(s), s->length);
    else
        wr_text_append(put->text, wr_string_data(s), s->length);
    wr_put_begin(put, put->text);
    return wr_text_ok(put->text) ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_json_value_put(json_encoder *e, wr_put *put, const json_column *c, uint32_t r)
{
    memcpy(put->at, c->before, c->before_length - c->quoted);
    put->at += c->before_length - c->quoted;
    char *after = NULL;
    if (c->index[r] == JSON_NULL) {
        memcpy(put->at, "null", 4);
        after = put->at + 4;
    } else {
        after = bounded_put(e, c, c->index[r], put->at);
    }
    if (after == NULL) {
        WR_TRY(unbounded_put(e, put, c, r));
        after = put->at;
    }
    put->at = after;
    return wr_put_room(put, e->block_room) ? WEIR_OK : WEIR_MEMORY; /* J3 */
}

/* --- rows --- */

/* Where the rows asked for end: told up to one of them. */
typedef struct row_ends {
    uint32_t *ends; /* NULL: nobody asks */
    uint32_t  told, last;
} row_ends;

/* Rows before `row` that are not told yet were not written. */
static void
ends_skip(row_ends *to, uint32_t row)
{
    while (to->told < row)
        to->ends[to->told++] = to->last;
}

/* The block behind put. */
static weir_status
block_put(json_encoder *e, wr_put *put, row_ends *to)
{
    if (e->row_count == 0)
        return WEIR_OK;
    slots_begin(e);
    columns_find(e);
    WR_TRY(e->rows_put(e, put));
    for (uint32_t r = 0; to->ends != NULL && r < e->row_count; r++) {
        ends_skip(to, e->visible[r]);
        to->last = to->ends[e->visible[r]] = e->ends[r];
        to->told = e->visible[r] + 1;
    }
    e->row_count = 0;
    return WEIR_OK;
}

/* A row as often as its diff says. */
static weir_status
row_add(json_encoder *e, wr_put *put, row_ends *to, uint32_t visible, uint32_t row, int64_t diff)
{
    int64_t times = diff < 0 ? -diff : diff;
    if (diff < 0 && e->skip_deletes && !e->lists)
        return WEIR_OK;
    for (; times > 0; times--) {
        uint32_t r = e->row_count++;
        e->rows[r] = row;
        e->visible[r] = visible;
        e->plus[r] = diff > 0;
        if (e->row_count == JSON_BLOCK_ROWS)
            WR_TRY(block_put(e, put, to));
    }
    return WEIR_OK;
}

static weir_status
encoder_encode(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *text,
               uint32_t *ends)
{
    json_encoder *e = (json_encoder *) self;
    weir_status   status = WEIR_OK;
    row_ends      to = { ends, 0, (uint32_t) text->length };
    wr_put        put;
    wr_assert(from + count <= batch->row_count);
    wr_put_begin(&put, text);
    columns_bind(e, batch);
    e->row_count = 0;
    e->dense = batch->selection == NULL && batch->diff == NULL;
    for (uint32_t i = 0; i < count && e->dense && status == WEIR_OK; i += JSON_BLOCK_ROWS) {
        e->row_count = WR_MIN(count - i, (uint32_t) JSON_BLOCK_ROWS);
        for (uint32_t r = 0; r < e->row_count; r++) {
            e->rows[r] = from + i + r;
            e->visible[r] = i + r;
            e->plus[r] = true;
        }
        status = block_put(e, &put, &to);
    }
    for (uint32_t i = 0; i < count && !e->dense && status == WEIR_OK; i++) {
        uint32_t row = wr_batch_row(batch, from + i);
        status = row_add(e, &put, &to, i, row, wr_batch_diff(batch, row));
    }
    if (status == WEIR_OK)
        status = block_put(e, &put, &to);
    if (status == WEIR_OK && ends != NULL)
        ends_skip(&to, count);
    wr_put_end(&put);
    return status == WEIR_OK && !wr_text_ok(text) ? WEIR_MEMORY : status;
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
