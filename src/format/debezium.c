/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/debezium.c -- the envelope of a change event: which row it speaks of, and what became of it
 * (see debezium.h).
 *
 * Place       sources with a key; the column "_op" gets the op of the envelope, for runtime/lane_keyed.c.
 * State       whether the rest of an oversize record is being skipped.
 * Framing     a record ends at its newline, or with the message.
 * Invariants  F1..F4 of format.h
 *             E1  an event that is no row is told with its reason: t (a truncate names no rows), m, no
 *                 op at all, no image where one is due
 *             E2  of a deletion the key is read and what else there is; a message without `before`
 *                 has its key in the message's key
 *             E3  a column with a path is a member of the envelope, of deletions too: $.source.ts_ms
 */
#include "format/debezium.h"

#include "format/debezium_impl.h"

#include <stdio.h>

enum { PATH_NAMES_MAX = 8 };

/* E3: the names to go by from the envelope; count 0: the member of the row that is called so. */
typedef struct envelope_path {
    const char *names[PATH_NAMES_MAX];
    size_t      lengths[PATH_NAMES_MAX];
    uint32_t    count;
    wr_json    *units; /* what a schema would say of it; NULL: nothing */
} envelope_path;

typedef struct debezium_decoder {
    wr_decoder                       decoder; /* first */
    const wr_debezium_decode_config *config;
    const wr_schema                 *schema;
    uint64_t                        *needed;
    wr_cell                         *cells; /* by column */
    envelope_path                   *paths; /* by column */
    int32_t                          op_column;
    size_t                           record_bytes_max;
    wr_arena                         arena; /* the decoder's life */
    wr_cell_scratch                  scratch;
    bool                             skipping;
} debezium_decoder;

static void decoder_destroy(wr_decoder *self);

/* ts_ms, ts_us and ts_ns are called after their units. */
static weir_status
path_units(envelope_path *path, wr_arena *arena, weir_error *err)
{
    static const char *const kinds[][2] = {
        { "_ms", "{\"name\":\"io.debezium.time.Timestamp\"}" },
        { "_us", "{\"name\":\"io.debezium.time.MicroTimestamp\"}" },
        { "_ns", "{\"name\":\"io.debezium.time.NanoTimestamp\"}" },
    };
    const char *name = path->names[path->count - 1];
    size_t      length = path->lengths[path->count - 1];
    for (size_t i = 0; i < WR_COUNT(kinds); i++) {
        if (length < 3 || memcmp(name + length - 3, kinds[i][0], 3) != 0)
            continue;
        path->units = wr_arena_alloc(arena, sizeof *path->units);
        if (path->units == NULL)
            return WEIR_MEMORY;
        WR_TRY(wr_json_parse(kinds[i][1], strlen(kinds[i][1]), arena, path->units, err));
    }
    return WEIR_OK;
}

/* $.name.name */
static weir_status
path_read(const wr_field *field, envelope_path *path, wr_arena *arena, weir_error *err)
{
    const char *at = field->path;
    bool        sound = at != NULL && *at++ == '$';
    if (field->path == NULL)
        return WEIR_OK;
    while (sound && *at == '.' && path->count < PATH_NAMES_MAX) {
        size_t length = strcspn(++at, ".[]'\"");
        path->names[path->count] = at;
        path->lengths[path->count++] = length;
        sound = length > 0;
        at += length;
    }
    if (sound && *at == '\0' && path->count > 0)
        return path_units(path, arena, err);
    weir_status status = wr_error_set(err, WEIR_CONFIG_VALUE,
                                      "the path of column %s, \"%s\", is none into a change event",
                                      field->name, field->path);
    wr_error_hint(err, "from the envelope down by names: $.source.ts_ms");
    return status;
}

static weir_status
decoder_create(const void *config, const wr_schema *schema, const uint64_t *needed,
               wr_budget *budget, wr_decoder **out, weir_error *err)
{
    const wr_debezium_decode_config *c = config;
    debezium_decoder                *d = wr_calloc(budget, 1, sizeof *d);
    if (d == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a decoder of change events");
    d->decoder.ops = &wr_debezium_decoder_ops;
    d->config = c;
    d->schema = schema;
    d->record_bytes_max =
        c->record_bytes_max > 0 ? (size_t) c->record_bytes_max : WR_RECORD_BYTES_MAX;
    d->op_column = wr_schema_find(schema, "_op");
    wr_arena_init(&d->arena, budget);
    wr_arena_init(&d->scratch.arena, budget);
    size_t words = schema->field_count / 64 + 1;
    d->cells = wr_arena_calloc(&d->arena, schema->field_count + 1, sizeof *d->cells);
    d->needed = wr_arena_calloc(&d->arena, words, sizeof *d->needed);
    d->paths = wr_arena_calloc(&d->arena, schema->field_count + 1, sizeof *d->paths);
    if (d->cells == NULL || d->needed == NULL || d->paths == NULL) {
        decoder_destroy(&d->decoder);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a decoder of change events");
    }
    for (uint32_t i = 0; i < schema->field_count; i++) {
        weir_status status = path_read(&schema->fields[i], &d->paths[i], &d->arena, err);
        if (status != WEIR_OK) {
            decoder_destroy(&d->decoder);
            return status;
        }
        wr_cell_init(&d->cells[i], &schema->fields[i], WR_UNIT_NONE);
        if (wr_bitmap_get(needed, i) && !schema->fields[i].hidden && (int32_t) i != d->op_column)
            wr_bitmap_set(d->needed, i);
    }
    *out = &d->decoder;
    return WEIR_OK;
}

static void
decoder_destroy(wr_decoder *self)
{
    debezium_decoder *d = (debezium_decoder *) self;
    if (d == NULL)
        return;
    wr_arena_fini(&d->scratch.arena);
    wr_arena_fini(&d->arena);
    wr_free(d);
}

/* --- the envelope --- */

static const wr_json *
member(const wr_json *object, const char *name)
{
    if (object == NULL || object->kind != WR_JSON_OBJECT)
        return NULL;
    const wr_json *found = wr_json_member(object, name, strlen(name));
    return found != NULL && found->kind != WR_JSON_NULL ? found : NULL;
}

/* The list of a struct's fields, of the field called name; NULL: there is none. */
static const wr_json *
schema_fields(const wr_json *schema, const char *name)
{
    const wr_json *fields = member(schema, "fields");
    for (uint32_t i = 0; fields != NULL && fields->kind == WR_JSON_LIST && i < fields->count; i++) {
        const wr_json *called = member(&fields->items[i], "field");
        if (called != NULL && called->kind == WR_JSON_STRING && called->length == strlen(name) &&
            memcmp(called->text, name, called->length) == 0)
            return member(&fields->items[i], "fields");
    }
    return NULL;
}

/* What the list says of one member. */
static const wr_json *
field_schema(const wr_json *fields, const char *name)
{
    for (uint32_t i = 0; fields != NULL && fields->kind == WR_JSON_LIST && i < fields->count; i++) {
        const wr_json *called = member(&fields->items[i], "field");
        if (called != NULL && called->kind == WR_JSON_STRING && called->length == strlen(name) &&
            memcmp(called->text, name, called->length) == 0)
            return &fields->items[i];
    }
    return NULL;
}

/* The event's op, and the image of the row it speaks of; false with the error (E1). */
static bool
event_read(const wr_json *envelope, char *op, const wr_json **image, weir_error *err)
{
    const wr_json *said = member(envelope, "op");
    if (said == NULL || said->kind != WR_JSON_STRING || said->length != 1) {
        bool flat = said == NULL && member(envelope, "after") == NULL &&
                    member(envelope, "before") == NULL;
        (void) !wr_error_set(err, WEIR_ROW_DECODE,
                             flat ? "no op, before or after: a flattened event is format: json"
                                  : "op is none of c, u, d, r");
        return false;
    }
    *op = said->text[0];
    if (*op == 't') {
        (void) !wr_error_set(err, WEIR_ROW_DECODE,
                             "op t: a truncate names no rows, and none are taken back");
        return false;
    }
    if (*op != 'c' && *op != 'u' && *op != 'd' && *op != 'r') {
        (void) !wr_error_set(err, WEIR_ROW_DECODE, "op is none of c, u, d, r");
        return false;
    }
    *image = member(envelope, *op == 'd' ? "before" : "after");
    if ((*image == NULL && *op != 'd') || (*image != NULL && (*image)->kind != WR_JSON_OBJECT)) {
        (void) !wr_error_set(err, WEIR_ROW_DECODE, "op %c without the row in `%s`", *op,
                             *op == 'd' ? "before" : "after");
        return false;
    }
    return true;
}

/* All wanted columns of the event into row; the error names the column. */
static weir_status
row_fill(debezium_decoder *d, wr_decode_to *to, char op, const wr_json *envelope,
         const wr_json *image, const wr_json *fields, weir_error *err)
{
    static const wr_json null = { .kind = WR_JSON_NULL };
    for (uint32_t f = 0; f < d->schema->field_count; f++) {
        const char *name = d->schema->fields[f].name;
        if (!wr_bitmap_get(d->needed, f))
            continue;
        const envelope_path *path = &d->paths[f];
        const wr_json       *from = path->count > 0 ? envelope : image, *value = NULL;
        for (uint32_t n = 0; n < path->count; n++, from = value)
            value = from != NULL && from->kind == WR_JSON_OBJECT
                        ? wr_json_member(from, path->names[n], path->lengths[n])
                        : NULL;
        if (path->count == 0 && from != NULL)
            value = wr_json_member(from, name, strlen(name));
        d->scratch.error.text[0] = '\0';
        weir_status status =
            wr_debezium_put(d->config, &d->cells[f], to->columns[f], to->count,
                            value != NULL ? value : &null,
                            path->count > 0 ? path->units : field_schema(fields, name), &d->scratch);
        if (status != WEIR_OK && op == 'd' && wr_status_is_row(status)) /* E2: the key will tell */
            status = wr_debezium_put(d->config, &d->cells[f], to->columns[f], to->count, &null,
                                     NULL, &d->scratch);
        if (status == WEIR_MEMORY)
            return status;
        if (status != WEIR_OK)
            return wr_error_set(err, status, "column %s: %s", name,
                                d->scratch.error.text[0] != '\0' ? d->scratch.error.text
                                                                 : weir_status_text(status));
    }
    if (d->op_column >= 0 && to->columns[d->op_column] != NULL) {
        wr_cell_mark(to->columns[d->op_column], to->count);
        WR_TRY(wr_column_set_string(to->columns[d->op_column], to->count, &op, 1));
    }
    return WEIR_OK;
}

/* --- records --- */

static weir_status
record_decode(debezium_decoder *d, const char *p, size_t n, wr_decode_to *to)
{
    weir_error     err = { 0 };
    wr_json        root;
    const wr_json *image = NULL;
    char           op = 0;
    wr_arena_reset(&d->scratch.arena);
    weir_status status = wr_json_parse(p, n, &d->scratch.arena, &root, &err);
    if (status == WEIR_MEMORY)
        return status;
    if (status != WEIR_OK) {
        to->bad(to->user, WEIR_ROW_DECODE, err.text, p, n);
        return WEIR_OK;
    }
    bool           wrapped = member(&root, "schema") != NULL || (root.kind == WR_JSON_OBJECT &&
                                                       wr_json_member(&root, "payload", 7) != NULL &&
                                                       member(&root, "op") == NULL);
    const wr_json *envelope = wrapped ? member(&root, "payload") : &root;
    if (envelope == NULL || envelope->kind == WR_JSON_NULL)
        return WEIR_OK; /* a tombstone */
    if (envelope->kind != WR_JSON_OBJECT) {
        to->bad(to->user, WEIR_ROW_DECODE, "expected an object", p, n);
        return WEIR_OK;
    }
    if (!event_read(envelope, &op, &image, &err)) {
        to->bad(to->user, WEIR_ROW_DECODE, err.text, p, n);
        return WEIR_OK;
    }
    const wr_json *fields = schema_fields(member(&root, "schema"), op == 'd' ? "before" : "after");
    status = row_fill(d, to, op, envelope, image, fields, &err);
    if (status == WEIR_OK)
        to->count++;
    else if (status != WEIR_MEMORY)
        to->bad(to->user, status, err.text, p, n);
    return status == WEIR_MEMORY ? status : WEIR_OK;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A record longer than the limit: told once, left at its newline. */
static const char *
oversize(debezium_decoder *d, const char *p, const char *end, wr_decode_to *to)
{
    char        text[96];
    const char *line = memchr(p, '\n', (size_t) (end - p));
    snprintf(text, sizeof text, "the record is larger than %zu bytes", d->record_bytes_max);
    to->bad(to->user, WEIR_ROW_TOO_LARGE, text, p, d->record_bytes_max);
    d->skipping = line == NULL;
    return line != NULL ? line + 1 : end;
}

static weir_status
decoder_decode(wr_decoder *self, const char *bytes, size_t length, bool last, wr_decode_to *to,
               size_t *consumed)
{
    debezium_decoder *d = (debezium_decoder *) self;
    const char       *p = bytes, *end = bytes + length;
    weir_status       status = WEIR_OK;
    while (status == WEIR_OK && p < end && to->count < to->capacity) {
        const char *line = memchr(p, '\n', (size_t) (end - p));
        const char *until = line != NULL ? line : end, *next = line != NULL ? line + 1 : end;
        if (d->skipping) {
            d->skipping = line == NULL;
            p = next;
            continue;
        }
        while (p < until && is_blank(*p))
            p++;
        if ((size_t) (until - p) > d->record_bytes_max) {
            p = oversize(d, p, end, to);
            continue;
        }
        if (line == NULL && !last)
            break;
        size_t n = (size_t) (until - p);
        while (n > 0 && is_blank(p[n - 1]))
            n--;
        if (n > 0)
            status = record_decode(d, p, n, to);
        if (status == WEIR_OK)
            p = next;
    }
    if (last && p == end)
        d->skipping = false;
    *consumed = (size_t) (p - bytes);
    return status;
}

static weir_status
decoder_freeze(const wr_decoder *self, wr_text *to)
{
    wr_text_putc(to, ((const debezium_decoder *) self)->skipping ? 1 : 0);
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
decoder_restore(wr_decoder *self, const char *bytes, size_t length)
{
    if (length != 1)
        return WEIR_CHECKPOINT_CORRUPT;
    ((debezium_decoder *) self)->skipping = *bytes != 0;
    return WEIR_OK;
}

static const wr_option decode_options[] = {
    { .name = "decimals",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_debezium_decode_config, decimals),
      .fallback = "precise",
      .choices = "precise|string",
      .doc = "decimal.handling.mode of the connector, for records without a schema: texts in "
             "numeric columns are base64, or digits.  Numbers are always read." },
    { .name = "times",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_debezium_decode_config, times),
      .fallback = "adaptive",
      .choices = "adaptive|adaptive_time_microseconds|connect",
      .doc = "time.precision.mode of the connector, for records without a schema." },
    { .name = "record_max",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_debezium_decode_config, record_bytes_max),
      .fallback = "1MiB",
      .low = 64,
      .high = WR_STRING_BYTES_MAX,
      .doc = "Records that are longer are bad records." },
    { 0 },
};

const wr_decoder_ops wr_debezium_decoder_ops = {
    .name = "debezium",
    .options = decode_options,
    .config_bytes = sizeof(wr_debezium_decode_config),
    .keyed = true,
    .create = decoder_create,
    .decode = decoder_decode,
    .freeze = decoder_freeze,
    .restore = decoder_restore,
    .destroy = decoder_destroy,
};
