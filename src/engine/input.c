/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/input.c -- files as relations of a query: their schemas, given as JSON or inferred.
 *
 * Inference reads the first 256 KB: a column's type is the narrowest of boolean, bigint, numeric,
 * timestamp with time zone (ISO text with a zone), timestamp, date, jsonb (objects, lists), text
 * that fits every value seen; what stands in quotes in CSV is text or a time.  The first record of a
 * CSV or TSV file names the columns.
 */
#include "data/datetime.h"
#include "data/json.h"
#include "engine/engine_impl.h"
#include "format/csv.h"

#include <string.h>

enum { HEAD_BYTES = 256 * 1024, COLUMNS_MAX = 1600, ENDLESS_MAX = 64 };

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
    const char *names[COLUMNS_MAX], *paths[COLUMNS_MAX]; /* path NULL: the name */
    uint8_t types[COLUMNS_MAX];
    uint32_t count;
    bool crowded; /* more than COLUMNS_MAX */
    bool starved; /* a record did not fit into memory */
} inference;

static void
inference_see(inference *f, const char *name, size_t length, uint8_t type)
{
    for (uint32_t c = 0; c < f->count; c++)
        if (strlen(f->names[c]) == length && memcmp(f->names[c], name, length) == 0) {
            f->types[c] = widen(f->types[c], type);
            return;
        }
    f->crowded |= f->count == COLUMNS_MAX;
    if (f->crowded)
        return;
    f->names[f->count] = wr_arena_strndup(f->arena, name, length);
    f->types[f->count] = type;
    f->count += f->names[f->count] != NULL; /* none: wr_infer_columns sees that memory is out */
}

static void
see_rows(inference *f, const wr_json *doc)
{
    const wr_json *rows = doc->kind == WR_JSON_LIST ? doc->items : doc;
    uint32_t n = doc->kind == WR_JSON_LIST ? doc->count : 1;
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t m = 0; rows[r].kind == WR_JSON_OBJECT && m < rows[r].count; m++)
            inference_see(f, wr_string_data(&rows[r].keys[m]), rows[r].keys[m].length,
                          type_of_json(&rows[r].items[m]));
}

/* Behind the object that begins at `at`, by its braces; NULL: it has no end here. */
static const char *
object_end(const char *at, const char *end)
{
    uint32_t depth = 0;
    bool text = false;
    for (; at < end; at++)
        if (text) {
            if (*at == '\n') /* in no string: what began it was a mistake */
                return NULL;
            text = *at != '"';
            at += *at == '\\';
        } else if (*at == '"') {
            text = true;
        } else if (*at == '{') {
            depth++;
        } else if (*at == '}' && --depth == 0) {
            return at + 1;
        }
    return NULL;
}

/* As the decoder finds them: objects one after another, over as many lines as they take, in arrays or not. */
static void
infer_json(inference *f, const char *head, size_t length, wr_arena *scratch)
{
    const char *at = head + wr_input_mark(head, length), *end = head + length;
    uint32_t endless = 0; /* objects without an end cost a pass over the rest: only so many */
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *after;
        wr_json doc;
        weir_error ignored;
        if (strchr(" \t\r\n,[]", *at) != NULL) {
            at++;
            continue;
        }
        after = *at == '{' && endless < ENDLESS_MAX ? object_end(at, end) : NULL;
        endless += after == NULL;
        if (after != NULL && wr_json_parse(at, (size_t)(after - at), scratch, &doc, &ignored) == WEIR_OK) {
            see_rows(f, &doc);
            at = after;
        } else { /* what is wrong ends where a line begins anew */
            at = newline != NULL ? newline + 1 : end;
            while (at < end && *at != '{' && *at != '[' && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL)
                at = newline + 1;
        }
        f->starved |= !wr_arena_ok(scratch);
        wr_arena_reset(scratch);
    }
}

/* A name of its own for column c of a header: a_1 for a second a, column2 for one without a name.  Its path is what
 * stands in the header. */
static void
name_csv_column(inference *f, const char *text, size_t length)
{
    uint32_t c = f->count, nth = 0;
    f->crowded |= c == COLUMNS_MAX;
    if (f->crowded)
        return;
    const char *path = wr_arena_strndup(f->arena, text, length);
    const char *name = length > 0 || path == NULL ? path : wr_arena_printf(f->arena, "column%u", c + 1);
    const char *base = name;
    for (uint32_t i = 0; path != NULL && i < c; i++)
        nth += strcmp(f->paths[i] != NULL ? f->paths[i] : f->names[i], path) == 0;
    if (nth > 0 && length > 0)
        name = wr_arena_printf(f->arena, "%s_%u", base, nth);
    for (uint32_t i = 0; name != NULL && i < c; i++)
        if (strcmp(f->names[i], name) == 0) { /* and again from the first: that one may be taken, too */
            name = wr_arena_printf(f->arena, "%s_%u", base, ++nth);
            i = UINT32_MAX;
        }
    if (name == NULL)
        return;
    f->paths[c] = strcmp(name, path) != 0 ? path : NULL;
    f->names[c] = name;
    f->types[c] = WR_UNKNOWN;
    f->count++;
}

static void
see_csv(void *user, const wr_csv_seen *s)
{
    inference *f = user;
    wr_json number = { .kind = WR_JSON_NUMBER, .text = s->text, .length = s->length };
    weir_error ignored;
    if (s->record == 0) {
        name_csv_column(f, s->text, s->length);
        return;
    }
    if (s->null || s->count != f->count || s->field >= f->count) /* a record with other fields is a bad one */
        return;
    uint8_t type = type_of_text(s->text, s->length);
    if (!s->quoted && (*s->text == '-' || (*s->text >= '0' && *s->text <= '9')) &&
        wr_json_validate(s->text, s->length, &ignored) == WEIR_OK)
        type = type_of_json(&number);
    else if (!s->quoted && ((s->length == 4 && memcmp(s->text, "true", 4) == 0) ||
                            (s->length == 5 && memcmp(s->text, "false", 5) == 0)))
        type = WR_BOOL;
    f->types[s->field] = widen(f->types[s->field], type);
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
        wr_csv_decode_config *config = source->decoder_config;
        config->header = true; /* it names the columns */
        f->starved = wr_csv_look(config, head, n, arena->budget, see_csv, f) != WEIR_OK;
    } else if (strcmp(format, "json") == 0)
        infer_json(f, head, n, &scratch);
    else if (strcmp(format, "line") == 0)
        inference_see(f, "line", 4, WR_TEXT);
    wr_arena_fini(&scratch);
    if (f->starved || !wr_arena_ok(arena)) /* a line or a name was not seen */
        return wr_error_set(err, WEIR_MEMORY, "no memory to infer the columns of \"%s\"", path);
    if (f->crowded) {
        weir_status st = wr_error_set(err, WEIR_LIMIT, "\"%s\" has more than %d columns", path, COLUMNS_MAX);
        wr_error_hint(err, "list those that are wanted, with --schema or `columns`");
        return st;
    }
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
                        .path = f->paths[c],
                        .type = WR_TYPE(f->types[c] == WR_UNKNOWN ? WR_TEXT : f->types[c]),
                        .watermark_offset = WR_NO_WATERMARK };
    return WEIR_OK;
}
