/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/msgpack.c -- the MessagePack decoder: records into columns (see msgpack.h).
 *
 * Framing     a record ends where it ends.  When its bytes are wrong nobody knows where the next one
 *             begins: the rest of the message is one bad record; in a stream without messages the
 *             decoder gives up (ROW_DECODE), and the connector closes what it reads from.
 *             An array of maps or arrays is no record but rows: its tag is passed over, and its items are records
 *             like those that stand one after another.
 * Invariants  F1..F4 of format.h; M1, M2 of msgpack_impl.h
 */
#include "format/msgpack_impl.h"

#include "data/datetime.h"
#include "data/upserts.h"
#include "format/utf8_impl.h"

#include <inttypes.h>
#include <stdio.h>

/* Then an array that begins with a container may be a row by position. */
static bool
first_takes_containers(const wr_schema *schema)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        wr_type_id id = (wr_type_id) schema->fields[i].type.id;
        if (!schema->fields[i].hidden)
            return id == WR_JSON || id == WR_JSONB || id == WR_ARRAY;
    }
    return false;
}

static weir_status
decoder_create(const void *config, const wr_schema *schema, const uint64_t *needed,
               wr_budget *budget, wr_decoder **out, weir_error *err)
{
    const wr_msgpack_decode_config *c = config;
    msgpack_decoder                *d = wr_calloc(budget, 1, sizeof *d);
    if (d == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a MessagePack decoder");
    d->decoder.ops = &wr_msgpack_decoder_ops;
    d->schema = schema;
    d->budget = budget;
    d->record_bytes_max =
        c->record_bytes_max > 0 ? (size_t) c->record_bytes_max : WR_RECORD_BYTES_MAX;
    wr_arena_init(&d->arena, budget);
    wr_arena_init(&d->scratch.arena, budget);
    wr_text_init(&d->json, budget);
    weir_status status = wr_paths_build(&d->paths, &d->arena, schema, needed, err);
    d->cells = wr_arena_calloc(&d->arena, schema->field_count + 1, sizeof *d->cells);
    d->seen = wr_arena_calloc(&d->arena, schema->field_count + 1, sizeof *d->seen);
    if (status == WEIR_OK && (d->cells == NULL || d->seen == NULL))
        status = WEIR_MEMORY;
    d->kernel = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")
                    ? wr_msgpack_kernel_avx2
                    : wr_msgpack_kernel_sse;
    d->lists_rows = !first_takes_containers(schema);
    for (uint32_t i = 0; i < schema->field_count && status == WEIR_OK; i++)
        wr_cell_init(&d->cells[i], &schema->fields[i], (wr_time_unit) c->time_unit);
    if (status == WEIR_OK)
        status = wr_shapes_init(&d->shapes, budget, &d->arena, schema, d->cells, d->paths.wanted);
    if (status == WEIR_MEMORY)
        status = wr_error_set(err, WEIR_MEMORY, "no memory for a MessagePack decoder");
    if (status != WEIR_OK) {
        wr_msgpack_decoder_ops.destroy(&d->decoder);
        return status;
    }
    *out = &d->decoder;
    return WEIR_OK;
}

static void
decoder_destroy(wr_decoder *self)
{
    msgpack_decoder *d = (msgpack_decoder *) self;
    if (d == NULL)
        return;
    wr_shapes_fini(&d->shapes);
    wr_text_fini(&d->json);
    wr_arena_fini(&d->scratch.arena);
    wr_arena_fini(&d->arena);
    wr_free(d);
}

/* --- leaves --- */

static void
row_bad(msgpack_decoder *d, int32_t field, weir_status code)
{
    const char *why = d->scratch.error.text[0] != '\0' ? d->scratch.error.text
                                                       : weir_status_text(code);
    if (code == WEIR_MEMORY) {
        wr_msgpack_fault(d, MSGPACK_NO_MEMORY, "");
        return;
    }
    if (d->bad_text[0] != '\0')
        return;
    d->bad_code = code;
    snprintf(d->bad_text, sizeof d->bad_text, "field %.60s: %.240s", d->schema->fields[field].name,
             why);
}

static weir_status
string_put(msgpack_decoder *d, int32_t field, const msgpack_token *t)
{
    wr_cell   *cell = &d->cells[field];
    wr_column *column = d->columns[field];
    if (cell->type.id == WR_BYTEA && t->kind == MSGPACK_BINARY)
        return wr_column_set_string(column, d->shapes.row, t->bytes, t->length);
    if (!wr_utf8_check(t->bytes, t->length))
        return WEIR_ROW_ENCODING;
    return wr_cell_put_text(cell, column, d->shapes.row, t->bytes, t->length, &d->scratch);
}

static weir_status
big_put(msgpack_decoder *d, int32_t field, uint64_t v)
{
    char digits[24];
    int  n = snprintf(digits, sizeof digits, "%" PRIu64, v);
    return wr_cell_put_number(&d->cells[field], d->columns[field], d->shapes.row, digits, (size_t) n,
                              &d->scratch);
}

static weir_status
extension_put(msgpack_decoder *d, int32_t field, const msgpack_token *t)
{
    wr_cell *cell = &d->cells[field];
    wr_time  time;
    if (!wr_msgpack_time(t, &time))
        return wr_error_set(&d->scratch.error, WEIR_ROW_TYPE, "extension type %d is not known",
                            t->extension);
    if (cell->kind == WR_CELL_STAMP || cell->kind == WR_CELL_DATE)
        return wr_cell_put_time(cell, d->columns[field], d->shapes.row, time, &d->scratch);
    wr_text_clear(&d->json);
    wr_timestamp_print_iso(time, true, &d->json);
    if (!wr_text_ok(&d->json))
        return WEIR_MEMORY;
    return wr_cell_put_text(cell, d->columns[field], d->shapes.row, d->json.data, d->json.length,
                            &d->scratch);
}

/* A scalar; NULL and containers are elsewhere. */
static weir_status
scalar_put(msgpack_decoder *d, int32_t field, const msgpack_token *t)
{
    wr_cell   *cell = &d->cells[field];
    wr_column *column = d->columns[field];
    switch (t->kind) {
    case MSGPACK_NIL: return wr_cell_put_null(cell, column, d->shapes.row, &d->scratch);
    case MSGPACK_BOOL: return wr_cell_put_bool(cell, column, d->shapes.row, t->boolean, &d->scratch);
    case MSGPACK_INTEGER: return wr_cell_put_integer(cell, column, d->shapes.row, t->integer, &d->scratch);
    case MSGPACK_BIG: return big_put(d, field, t->big);
    case MSGPACK_FLOAT: return wr_cell_put_double(cell, column, d->shapes.row, t->real, &d->scratch);
    case MSGPACK_STRING:
    case MSGPACK_BINARY: return string_put(d, field, t);
    default: return extension_put(d, field, t);
    }
}

/* The value whose token is t, with its items from p on, into column `field` and those beside it. */
static const char *
leaf_read(msgpack_decoder *d, const char *p, const char *end, const msgpack_token *t, int32_t field,
          uint32_t depth)
{
    const char *after = p;
    bool        container = t->kind == MSGPACK_LIST || t->kind == MSGPACK_MAP;
    for (; field >= 0; field = d->paths.field_next[field]) {
        weir_status status = WEIR_OK;
        bool        json = d->cells[field].kind == WR_CELL_JSON && t->kind != MSGPACK_NIL;
        d->scratch.error.text[0] = '\0';
        if (json || container) {
            if ((after = wr_msgpack_to_json(d, p, end, t, depth)) == NULL)
                return NULL;
            status = d->bad_code;
            if (status == WEIR_OK)
                status = wr_cell_put_json(&d->cells[field], d->columns[field], d->shapes.row, d->json.data,
                                          d->json.length, &d->scratch);
        } else {
            status = scalar_put(d, field, t);
        }
        if (status != WEIR_OK)
            row_bad(d, field, status);
        d->seen[field] = d->record;
    }
    return d->fault == MSGPACK_NO_MEMORY ? NULL : after;
}

const char *
wr_msgpack_leaf(msgpack_decoder *d, const char *p, const char *end, int32_t field, uint32_t depth)
{
    msgpack_token t;
    if (p >= end || (p = wr_msgpack_token(d, p, end, &t)) == NULL)
        return NULL;
    return leaf_read(d, p, end, &t, field, depth);
}

/* --- records --- */

/* The value of a place lay there; field -1: nobody wants it. */
static void
value_note(msgpack_decoder *d, const char *begin, const char *after, int32_t field, uint32_t depth)
{
    wr_shape_value v = { begin, after, 0, WR_CELL_SKIP, (uint8_t)depth };
    if (after == NULL || !d->shapes.learning)
        return;
    if (field >= 0) {
        v.field = (uint16_t)field;
        v.kind = d->paths.field_next[field] >= 0 ? WR_CELL_OTHER : d->cells[field].kind;
    }
    wr_shapes_note(&d->shapes, v);
}

static void
node_forget(msgpack_decoder *d, uint32_t node)
{
    for (int32_t f = d->paths.nodes[node].field; f >= 0; f = d->paths.field_next[f])
        d->seen[f] = d->record - 1;
    for (uint32_t c = d->paths.nodes[node].first_child; c != WR_PATH_NONE;
         c = d->paths.nodes[c].next_sibling)
        node_forget(d, c);
}

/* A key as bytes: a string, or an integer's digits. */
static bool
key_bytes(const msgpack_token *t, char digits[24], const char **s, size_t *n)
{
    *s = t->bytes;
    *n = t->length;
    if (t->kind != MSGPACK_INTEGER)
        return t->kind == MSGPACK_STRING || t->kind == MSGPACK_BINARY;
    *s = digits;
    *n = (size_t) snprintf(digits, 24, "%" PRId64, t->integer);
    return true;
}

static const char *items_read(msgpack_decoder *d, const char *p, const char *end,
                              const msgpack_token *t, uint32_t node, uint32_t depth);

/* The value at p for a place; WR_PATH_NONE where nobody wants it.  Recursion follows the paths of
 * columns, which are at most as deep as MSGPACK_DEPTH_MAX lets the record be. */
static const char *
value_read(msgpack_decoder *d, const char *p, const char *end, uint32_t node, uint32_t depth)
{
    msgpack_token t;
    const char *begin = p, *after;
    if ((p = wr_msgpack_token(d, p, end, &t)) == NULL)
        return NULL;
    if (node == WR_PATH_NONE) {
        after = wr_msgpack_skip(d, p, end, &t, depth);
        value_note(d, begin, after, -1, depth);
        return after;
    }
    const wr_path_node *n = &d->paths.nodes[node];
    bool inner = n->first_child != WR_PATH_NONE;
    if (n->seen == d->record) {
        d->shapes.learning = false;
        node_forget(d, node);
    }
    d->paths.nodes[node].seen = d->record;
    if (inner && n->field >= 0)
        d->shapes.learning = false; /* read twice: whole, and in part */
    if (inner && (t.kind == MSGPACK_LIST || t.kind == MSGPACK_MAP)) {
        after = items_read(d, p, end, &t, node, depth);
        if (after == NULL || n->field < 0)
            return after;
    } else if (n->field < 0) {
        return wr_msgpack_skip(d, p, end, &t, depth); /* its bytes belong to the shape */
    }
    after = leaf_read(d, p, end, &t, n->field, depth);
    value_note(d, begin, after, n->field, depth);
    return after;
}

/* The items of a list or a map that leads to columns. */
static const char *
items_read(msgpack_decoder *d, const char *p, const char *end, const msgpack_token *t,
           uint32_t node, uint32_t depth)
{
    uint32_t      guess = d->paths.nodes[node].first_child;
    msgpack_token key;
    char          digits[24];
    const char   *s;
    size_t        n;
    if (++depth > MSGPACK_DEPTH_MAX) /* M2 */
        return wr_msgpack_fault(d, MSGPACK_WRONG, "nested deeper than 32");
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t child = WR_PATH_NONE;
        if (t->kind == MSGPACK_LIST) {
            child = wr_path_item(&d->paths, node, i);
        } else {
            if ((p = wr_msgpack_token(d, p, end, &key)) == NULL)
                return NULL;
            if (key_bytes(&key, digits, &s, &n))
                child = wr_path_guess(&d->paths, node, guess, s, n);
            else if ((p = wr_msgpack_skip(d, p, end, &key, depth)) == NULL)
                return NULL;
            if (child != WR_PATH_NONE)
                guess = d->paths.nodes[child].next_sibling;
        }
        if ((p = value_read(d, p, end, child, depth)) == NULL)
            return NULL;
    }
    return p;
}

/* A record that is an array: all columns by position, _op first or not there. */
static const char *
positions_read(msgpack_decoder *d, const char *p, const char *end, const msgpack_token *list)
{
    uint32_t      place = 0, wanted = 0;
    int32_t       op = wr_schema_op_column(d->schema);
    msgpack_token t;
    for (uint32_t f = 0; f < d->schema->field_count; f++)
        wanted += !d->schema->fields[f].hidden;
    bool leads = op >= 0 && list->count == wanted;
    if (!leads && list->count + (op >= 0) != wanted) {
        d->bad_code = WEIR_ROW_DECODE;
        snprintf(d->bad_text, sizeof d->bad_text, "%u values where %u are wanted", list->count,
                 wanted);
        return wr_msgpack_skip(d, p, end, list, 0);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        bool first = leads && i == 0;
        while (!first && d->schema->fields[place].hidden)
            place++;
        uint32_t    field = first ? (uint32_t) op : place++;
        const char *begin = p;
        if ((p = wr_msgpack_token(d, p, end, &t)) == NULL)
            return NULL;
        if (!d->paths.wanted[field]) {
            p = wr_msgpack_skip(d, p, end, &t, 1);
            value_note(d, begin, p, -1, 1);
        } else {
            int32_t next = d->paths.field_next[field];
            if (next >= 0)
                d->shapes.learning = false; /* a shape would fill the columns beside it, too */
            d->paths.field_next[field] = -1; /* this column alone */
            p = leaf_read(d, p, end, &t, (int32_t) field, 1);
            value_note(d, begin, p, (int32_t) field, 1);
            d->paths.field_next[field] = next;
        }
        if (p == NULL)
            return NULL;
    }
    return p;
}

static void
missing_fill(msgpack_decoder *d)
{
    for (uint32_t f = 0; f < d->schema->field_count; f++) {
        if (!d->paths.wanted[f] || d->seen[f] == d->record)
            continue;
        d->scratch.error.text[0] = '\0';
        weir_status status = wr_cell_put_null(&d->cells[f], d->columns[f], d->shapes.row, &d->scratch);
        if (status == WEIR_ROW_NULL)
            snprintf(d->scratch.error.text, sizeof d->scratch.error.text,
                     "missing, and the column is declared NOT NULL");
        if (status != WEIR_OK)
            row_bad(d, (int32_t) f, status);
    }
}

static void
record_begin(msgpack_decoder *d)
{
    wr_msgpack_begin(d);
    wr_shapes_want(&d->shapes);
    if (++d->record == 0) { /* after 2^32 records: no stale mark may look new */
        memset(d->seen, 0, d->schema->field_count * sizeof *d->seen);
        for (uint32_t i = 0; i < d->paths.node_count; i++)
            d->paths.nodes[i].seen = 0;
        d->record = 1;
    }
}

static const char *
record_read(msgpack_decoder *d, const char *p, const char *end)
{
    msgpack_token t;
    const char   *after;
    record_begin(d);
    if ((after = wr_msgpack_token(d, p, end, &t)) == NULL)
        return NULL;
    if (t.kind == MSGPACK_MAP) {
        after = value_read(d, p, end, 0, 0);
    } else if (t.kind == MSGPACK_LIST) {
        after = positions_read(d, after, end, &t);
    } else {
        d->bad_code = WEIR_ROW_DECODE;
        snprintf(d->bad_text, sizeof d->bad_text, "expected a map or an array");
        return after;
    }
    if (after != NULL && d->bad_code == WEIR_OK)
        missing_fill(d);
    return d->fault == MSGPACK_NO_MEMORY ? NULL : after;
}

/* Behind the tag of an array of rows; NULL: none begins at p (or it is not there as far as needed). */
static const char *
rows_open(msgpack_decoder *d, const char *p, const char *end)
{
    msgpack_token list, first, value;
    uint8_t       tag = (uint8_t) *p;
    bool          is_list = (tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd;
    if (!d->lists_rows || !is_list)
        return NULL;
    p = wr_msgpack_token(d, p, end, &list);
    if (p == NULL || list.count == 0)
        return p;
    const char *after = wr_msgpack_token(d, p, end, &first);
    if (after == NULL || first.kind == MSGPACK_MAP)
        return after != NULL ? p : NULL;
    if (first.kind != MSGPACK_LIST || first.count == 0 || wr_msgpack_token(d, after, end, &value) == NULL)
        return NULL;
    return value.kind != MSGPACK_LIST && value.kind != MSGPACK_MAP ? p : NULL;
}

static weir_status
decoder_decode(wr_decoder *self, const char *bytes, size_t length, bool last, wr_decode_to *to,
               size_t *consumed)
{
    msgpack_decoder *d = (msgpack_decoder *) self;
    const char      *p = bytes, *end = bytes + length;
    char             text[160];
    weir_status      code = WEIR_ROW_DECODE;
    d->columns = to->columns;
    wr_shapes_begin(&d->shapes, to->columns, to->capacity);
    while (p < end && to->count < to->capacity) {
        bool        longer = (size_t) (end - p) > d->record_bytes_max;
        const char *limit = longer ? p + d->record_bytes_max : end, *after;
        d->shapes.row = to->count;
        if ((after = wr_shapes_read(&d->shapes, d->kernel, d, p, limit)) != NULL) {
            to->count = d->shapes.row + 1;
            p = after;
            continue;
        }
        if ((after = rows_open(d, p, limit)) != NULL) {
            p = after;
            continue;
        }
        after = record_read(d, p, limit);
        *consumed = (size_t) (p - bytes);
        if (after == NULL && d->fault == MSGPACK_NO_MEMORY)
            return WEIR_MEMORY;
        if (after == NULL && d->fault == MSGPACK_SHORT && !longer && !last)
            return WEIR_OK;
        if (after == NULL) { /* where the next record begins is not known */
            if (d->fault == MSGPACK_WRONG) {
                snprintf(text, sizeof text, "invalid MessagePack: %s", d->fault_text);
            } else if (longer) {
                snprintf(text, sizeof text, "the record is larger than %zu bytes",
                         d->record_bytes_max);
                code = WEIR_ROW_TOO_LARGE;
            } else {
                snprintf(text, sizeof text, "invalid MessagePack: the record ends too early");
            }
            to->bad(to->user, code, text, p, (size_t) (limit - p));
            *consumed = length;
            return last ? WEIR_OK : WEIR_ROW_DECODE;
        }
        d->shapes.last_bytes = (size_t)(after - p);
        if (d->bad_code == WEIR_OK) {
            wr_shapes_learn(&d->shapes, p, after, d->seen, d->record);
            to->count++;
        } else {
            to->bad(to->user, d->bad_code,
                    d->bad_text[0] != '\0' ? d->bad_text : weir_status_text(d->bad_code), p,
                    (size_t) (after - p));
        }
        p = after;
    }
    *consumed = (size_t) (p - bytes);
    return WEIR_OK;
}

static uint32_t
decoder_decode_messages(wr_decoder *self, const wr_message *messages, uint32_t count,
                        wr_decode_to *to)
{
    msgpack_decoder *d = (msgpack_decoder *) self;
    uint32_t         i = 0;
    if (d->shapes.count == 0)
        return 0;
    d->columns = to->columns;
    wr_shapes_begin(&d->shapes, to->columns, to->capacity);
    for (; i < count && to->count < to->capacity; i++) {
        const char *p = messages[i].bytes, *end = p + messages[i].length;
        d->shapes.row = to->count;
        if (p == end || messages[i].length > d->record_bytes_max ||
            wr_shapes_read_one(&d->shapes, d->kernel, d, p, end) != end)
            break;
        d->shapes.last_bytes = messages[i].length;
        to->count++;
    }
    return i;
}

static const wr_option decode_options[] = {
    { .name = "time_unit",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_msgpack_decode_config, time_unit),
      .fallback = "none",
      .choices = WR_TIME_UNIT_CHOICES,
      .doc = "What a number means in a time column: seconds, milliseconds ... since 1970." },
    { .name = "record_max",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_msgpack_decode_config, record_bytes_max),
      .fallback = "1MiB",
      .low = 64,
      .high = WR_STRING_BYTES_MAX,
      .doc = "Records that are longer are bad records." },
    { 0 },
};

const wr_decoder_ops wr_msgpack_decoder_ops = {
    .name = "msgpack",
    .options = decode_options,
    .config_bytes = sizeof(wr_msgpack_decode_config),
    .create = decoder_create,
    .decode = decoder_decode,
    .decode_messages = decoder_decode_messages,
    .destroy = decoder_destroy,
};
