/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/input.c -- files as relations of a query: their schemas, given as JSON or inferred.
 *
 * Inference reads the first 256 KB: a column's type is the narrowest of boolean, bigint, numeric,
 * timestamp with time zone (ISO text with a zone), timestamp, date, jsonb (objects, lists), text
 * that fits every value seen.  The first record of a CSV or TSV file names the columns.
 */
#include "data/datetime.h"
#include "data/json.h"
#include "engine/engine_impl.h"
#include "format/csv.h"

#include <string.h>

enum { HEAD_BYTES = 256 * 1024, COLUMNS_MAX = 1024 };

weir_status
weir_input(weir *engine, const char *name, const char *path, const char *schema_json,
           weir_error *err)
{
    pthread_mutex_lock(&engine->mutex);
    wr_query_input *in = wr_arena_calloc(&engine->arena, 1, sizeof *in);
    if (in != NULL) {
        in->name = wr_arena_strdup(&engine->arena, name);
        in->path = wr_arena_strdup(&engine->arena, path);
        in->schema_json = schema_json != NULL ? wr_arena_strdup(&engine->arena, schema_json) : NULL;
        in->next = engine->inputs;
        engine->inputs = in;
    }
    pthread_mutex_unlock(&engine->mutex);
    if (in == NULL || in->name == NULL || in->path == NULL ||
        (schema_json != NULL && in->schema_json == NULL))
        return wr_error_set(err, WEIR_MEMORY, "no memory for input \"%s\"", name);
    return WEIR_OK;
}

/* The type that holds values of both kinds seen. */
static uint8_t
widen(uint8_t a, uint8_t b)
{
    if (a == WR_UNKNOWN || a == b)
        return b;
    if (b == WR_UNKNOWN)
        return a;
    if ((a == WR_INT8 && b == WR_NUMERIC) || (a == WR_NUMERIC && b == WR_INT8))
        return WR_NUMERIC;
    if ((a == WR_DATE && b == WR_TIMESTAMP) || (a == WR_TIMESTAMP && b == WR_DATE))
        return WR_TIMESTAMP;
    return a == WR_JSONB || b == WR_JSONB ? WR_JSONB : WR_TEXT;
}

static uint8_t
type_of_text(const char *s, size_t n)
{
    weir_error ignored;
    wr_time t;
    int32_t d;
    if (n < 8 || n > 35 || s[0] < '0' || s[0] > '9' || memchr(s, '-', n) == NULL)
        return WR_TEXT;
    if (n <= 10)
        return wr_date_parse(s, n, &d, &ignored) == WEIR_OK ? WR_DATE : WR_TEXT;
    if (wr_timestamp_parse(s, n, true, &t, &ignored) != WEIR_OK)
        return WR_TEXT;
    bool zone = s[n - 1] == 'Z' || memchr(s + 10, '+', n - 10) != NULL ||
                memchr(s + 10, '-', n - 10) != NULL;
    return zone ? WR_TIMESTAMPTZ : WR_TIMESTAMP;
}

static uint8_t
type_of_json(const wr_json *v)
{
    switch (v->kind) {
    case WR_JSON_NULL: return WR_UNKNOWN;
    case WR_JSON_FALSE:
    case WR_JSON_TRUE: return WR_BOOL;
    case WR_JSON_NUMBER: {
        bool whole = v->length < 19;
        for (size_t i = 0; i < v->length; i++)
            whole = whole && v->text[i] != '.' && v->text[i] != 'e' && v->text[i] != 'E';
        return whole ? WR_INT8 : WR_NUMERIC;
    }
    case WR_JSON_STRING: return type_of_text(v->text, v->length);
    case WR_JSON_LIST:
    case WR_JSON_OBJECT: break;
    }
    return WR_JSONB;
}

typedef struct inference {
    wr_arena *arena;
    const char *names[COLUMNS_MAX];
    uint8_t types[COLUMNS_MAX];
    uint32_t count;
    bool starved; /* a line did not fit into memory */
} inference;

static void
inference_see(inference *f, const char *name, size_t length, uint8_t type)
{
    for (uint32_t c = 0; c < f->count; c++)
        if (strlen(f->names[c]) == length && memcmp(f->names[c], name, length) == 0) {
            f->types[c] = widen(f->types[c], type);
            return;
        }
    if (f->count == COLUMNS_MAX)
        return;
    f->names[f->count] = wr_arena_strndup(f->arena, name, length);
    f->types[f->count] = type;
    f->count += f->names[f->count] != NULL; /* none: wr_infer_columns sees that memory is out */
}

static void
infer_json(inference *f, const char *head, size_t length, bool whole, wr_arena *scratch)
{
    const char *at = head, *end = head + length;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL && !whole)
            return;
        const char *stop = newline != NULL ? newline : end;
        wr_json doc;
        weir_error ignored;
        if (wr_json_parse(at, (size_t)(stop - at), scratch, &doc, &ignored) == WEIR_OK) {
            const wr_json *rows = doc.kind == WR_JSON_LIST ? doc.items : &doc;
            uint32_t n = doc.kind == WR_JSON_LIST ? doc.count : 1;
            for (uint32_t r = 0; r < n; r++)
                for (uint32_t m = 0; rows[r].kind == WR_JSON_OBJECT && m < rows[r].count; m++)
                    inference_see(f, wr_string_data(&rows[r].keys[m]), rows[r].keys[m].length,
                                  type_of_json(&rows[r].items[m]));
        }
        f->starved |= !wr_arena_ok(scratch);
        wr_arena_reset(scratch);
        at = stop + 1;
    }
}

/* Plain splitting is enough to guess: a quoted separator only makes a column text. */
static void
infer_csv(inference *f, const char *head, size_t length, char separator)
{
    const char *at = head, *end = head + length;
    for (uint32_t line = 0; at < end && line < 1000; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        if (stop > at && stop[-1] == '\r')
            stop--;
        for (uint32_t c = 0; at <= stop; c++) {
            const char *cut = memchr(at, separator, (size_t)(stop - at));
            size_t n = (size_t)((cut != NULL ? cut : stop) - at);
            bool quoted = n >= 2 && at[0] == '"' && at[n - 1] == '"';
            if (line == 0) {
                inference_see(f, at + quoted, n - 2 * (size_t)quoted, WR_UNKNOWN);
            } else if (c < f->count && n > 0) {
                wr_json number = { .kind = WR_JSON_NUMBER, .text = at, .length = n };
                weir_error ignored;
                bool is_number = !quoted && wr_json_validate(at, n, &ignored) == WEIR_OK &&
                                 (at[0] == '-' || (at[0] >= '0' && at[0] <= '9'));
                bool is_bool = (n == 4 && memcmp(at, "true", 4) == 0) ||
                               (n == 5 && memcmp(at, "false", 5) == 0);
                uint8_t t = is_number ? type_of_json(&number)
                            : is_bool ? WR_BOOL
                                      : type_of_text(at, n);
                f->types[c] = widen(f->types[c], quoted && t == WR_BOOL ? WR_TEXT : t);
            }
            if (cut == NULL)
                break;
            at = cut + 1;
        }
        if (newline == NULL)
            return;
        at = newline + 1;
    }
}

weir_status
wr_infer_columns(const char *path, const wr_spec_source *source, wr_arena *arena,
                 wr_schema **schema, weir_error *err)
{
    if (path == NULL) { /* the connector's own path, when it is a file */
        if (source->ops != wr_source_find("file"))
            return wr_error_set(err, WEIR_CONFIG_MISSING, "only a file's columns can be inferred");
        memcpy(&path, (const char *)source->config + source->ops->options[0].offset, sizeof path);
    }
    wr_arena scratch;
    inference *f = wr_arena_calloc(arena, 1, sizeof *f);
    char *head = wr_arena_alloc(arena, HEAD_BYTES);
    size_t n;
    bool whole;
    if (f == NULL || head == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_input_head(path, head, HEAD_BYTES, &n, &whole, err));
    wr_arena_init(&scratch, arena->budget);
    f->arena = arena;
    const char *cut = n > 0 && !whole ? memrchr(head, '\n', n) : NULL;
    n = cut != NULL ? (size_t)(cut - head) + 1 : n; /* half a record says nothing */
    const char *format = source->decoder != NULL ? source->decoder->name : "json";
    if (strcmp(format, "csv") == 0 || strcmp(format, "tsv") == 0) {
        ((wr_csv_decode_config *) source->decoder_config)->header = true; /* it names the columns */
        infer_csv(f, head, n, format[0] == 't' ? '\t' : ',');
    } else if (strcmp(format, "json") == 0)
        infer_json(f, head, n, whole, &scratch);
    else if (strcmp(format, "line") == 0)
        inference_see(f, "line", 4, WR_TEXT);
    wr_arena_fini(&scratch);
    if (f->starved || !wr_arena_ok(arena)) /* a line or a name was not seen */
        return wr_error_set(err, WEIR_MEMORY, "no memory to infer the columns of \"%s\"", path);
    if (f->count == 0) {
        weir_status st =
            wr_error_set(err, WEIR_CONFIG_MISSING, "no columns can be inferred from \"%s\"", path);
        wr_error_hint(err, n == 0 ? "the file is empty" : "is it %s? list the columns otherwise",
                      format);
        return st;
    }
    *schema = wr_schema_create(arena, f->count);
    if (*schema == NULL)
        return WEIR_MEMORY;
    for (uint32_t c = 0; c < f->count; c++)
        (*schema)->fields[c] =
            (wr_field){ .name = f->names[c],
                        .type = WR_TYPE(f->types[c] == WR_UNKNOWN ? WR_TEXT : f->types[c]),
                        .watermark_offset = WR_NO_WATERMARK };
    return WEIR_OK;
}
