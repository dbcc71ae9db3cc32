/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv.c -- decoding comma- and tab-separated values (see csv.h).
 *
 * State       which column each field of a record goes to (by the header, once it was read),
 *             whether the rest of an oversize record is being skipped.
 * Framing     a record ends at a newline outside quotes.  A quote still open at the end of the
 *             input, or after record_bytes_max, was opened by mistake: the record is its first line.
 * Invariants  F1..F4 of format.h
 */
#include "format/csv.h"

#include "format/cell_impl.h"
#include "format/utf8_impl.h"

#include <emmintrin.h>
#include <stdio.h>
#include <strings.h>

enum { FIELDS_MAX = 4096, NO_COLUMN = -1 };
enum { STATE_HEADER = 1, STATE_SKIPPING = 2 }; /* the first byte of a frozen decoder */

typedef struct csv_field {
    const char *raw, *text; /* as it stands in the input; without quotes and escapes */
    uint32_t    raw_length, length;
    size_t      unescaped_at; /* text's place in `unescaped`, while that may still move */
    bool        plain;        /* text is raw */
} csv_field;

typedef struct csv_decoder {
    wr_decoder       decoder; /* first */
    const wr_schema *schema;
    wr_budget       *budget;
    char             delimiter, quote; /* quote '\0': backslash escapes */
    const char      *null_text;
    size_t           null_length, record_bytes_max;
    bool             header_wanted, started, skipping;
    wr_text          header; /* its record, once read */
    bool            *wanted;
    wr_cell         *cells;
    bool            *given;     /* by column: some field goes there */
    int32_t         *column_of; /* by field, of field_count */
    uint32_t         field_count;
    csv_field       *fields; /* of the record being read */
    uint32_t         fields_read, fields_capacity;
    wr_text          unescaped;
    wr_cell_scratch  scratch;
    wr_arena         arena;
} csv_decoder;

/* --- life --- */

static weir_status
config_check(const wr_csv_decode_config *c, weir_error *err)
{
    if (c->delimiter == NULL || strlen(c->delimiter) != 1 || strchr("\r\n\\", *c->delimiter))
        return wr_error_set(err, WEIR_CONFIG_VALUE, "delimiter: one byte that ends no line");
    if (c->quote == NULL || strlen(c->quote) > 1 || *c->quote == *c->delimiter)
        return wr_error_set(err, WEIR_CONFIG_VALUE,
                            "quote: one byte other than the delimiter, or \"\"");
    return WEIR_OK;
}

/* Room for `count` fields of a record. */
static weir_status
fields_reserve(csv_decoder *d, uint32_t count)
{
    if (count <= d->fields_capacity)
        return WEIR_OK;
    csv_field *fields = wr_realloc(d->budget, d->fields, count * sizeof *fields);
    if (fields == NULL)
        return WEIR_MEMORY;
    d->fields = fields;
    d->fields_capacity = count;
    return WEIR_OK;
}

static weir_status
columns_init(csv_decoder *d, const uint64_t *needed, wr_time_unit unit)
{
    uint32_t n = d->schema->field_count + 1;
    d->wanted = wr_arena_calloc(&d->arena, n, sizeof *d->wanted);
    d->given = wr_arena_calloc(&d->arena, n, sizeof *d->given);
    d->cells = wr_arena_calloc(&d->arena, n, sizeof *d->cells);
    d->column_of = wr_calloc(d->budget, n, sizeof *d->column_of);
    if (d->wanted == NULL || d->given == NULL || d->cells == NULL || d->column_of == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < d->schema->field_count; i++) {
        const wr_field *f = &d->schema->fields[i];
        wr_cell_init(&d->cells[i], f, unit);
        d->wanted[i] = !f->hidden && wr_bitmap_get(needed, i);
        if (d->header_wanted || f->hidden)
            continue;
        d->given[i] = true;
        d->column_of[d->field_count++] = d->wanted[i] ? (int32_t) i : NO_COLUMN;
    }
    return fields_reserve(d, n);
}

static weir_status
decoder_create(const void *config, const wr_schema *schema, const uint64_t *needed,
               wr_budget *budget, const wr_decoder_ops *ops, wr_decoder **out, weir_error *err)
{
    const wr_csv_decode_config *c = config;
    WR_TRY(config_check(c, err));
    csv_decoder *d = wr_calloc(budget, 1, sizeof *d);
    if (d == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a CSV decoder");
    d->decoder.ops = ops;
    d->schema = schema;
    d->budget = budget;
    d->delimiter = *c->delimiter;
    d->quote = *c->quote;
    d->null_text = c->null_text != NULL ? c->null_text : "";
    d->null_length = strlen(d->null_text);
    d->header_wanted = c->header;
    d->record_bytes_max =
        c->record_bytes_max > 0 ? (size_t) c->record_bytes_max : WR_RECORD_BYTES_MAX;
    wr_arena_init(&d->arena, budget);
    wr_arena_init(&d->scratch.arena, budget);
    wr_text_init(&d->unescaped, budget);
    wr_text_init(&d->header, budget);
    if (columns_init(d, needed, (wr_time_unit) c->time_unit) != WEIR_OK) {
        ops->destroy(&d->decoder);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a CSV decoder");
    }
    *out = &d->decoder;
    return WEIR_OK;
}

static weir_status
csv_create(const void *config, const wr_schema *schema, const uint64_t *needed, wr_budget *budget,
           wr_decoder **out, weir_error *err)
{
    return decoder_create(config, schema, needed, budget, &wr_csv_decoder_ops, out, err);
}

static weir_status
tsv_create(const void *config, const wr_schema *schema, const uint64_t *needed, wr_budget *budget,
           wr_decoder **out, weir_error *err)
{
    return decoder_create(config, schema, needed, budget, &wr_tsv_decoder_ops, out, err);
}

static void
decoder_destroy(wr_decoder *self)
{
    csv_decoder *d = (csv_decoder *) self;
    if (d == NULL)
        return;
    wr_free(d->fields);
    wr_free(d->column_of);
    wr_text_fini(&d->header);
    wr_text_fini(&d->unescaped);
    wr_arena_fini(&d->scratch.arena);
    wr_arena_fini(&d->arena);
    wr_free(d);
}

/* --- records into fields --- */

/* The first delimiter, newline or quote (or backslash) at or after p; end when there is none. */
static inline const char *
special_find(const csv_decoder *d, const char *p, const char *end)
{
    const char    escape = d->quote != '\0' ? d->quote : '\\';
    const __m128i a = _mm_set1_epi8(d->delimiter), b = _mm_set1_epi8('\n'),
                  c = _mm_set1_epi8(escape);
    for (; end - p >= 16; p += 16) {
        __m128i  v = _mm_loadu_si128((const __m128i *) p);
        __m128i  hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, a), _mm_cmpeq_epi8(v, b)),
                                    _mm_cmpeq_epi8(v, c));
        unsigned mask = (unsigned) _mm_movemask_epi8(hit);
        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
    while (p < end && *p != d->delimiter && *p != '\n' && *p != escape)
        p++;
    return p;
}

typedef enum scan { SCAN_FIELD, SCAN_RECORD, SCAN_SHORT, SCAN_OPEN, SCAN_MEMORY } scan;

/* A field that has quotes: from its first one at p on; text[from..p) stands before it. */
static scan
quoted_scan(csv_decoder *d, const char *from, const char **at, const char *end)
{
    const char *p = *at;
    wr_text_append(&d->unescaped, from, (size_t) (p - from));
    for (;;) {
        p++;
        const char *close = memchr(p, d->quote, (size_t) (end - p));
        if (close == NULL) {
            *at = end;
            return SCAN_OPEN;
        }
        wr_text_append(&d->unescaped, p, (size_t) (close - p));
        p = close + 1;
        if (p < end && *p == d->quote) { /* a doubled one */
            wr_text_putc(&d->unescaped, d->quote);
            continue;
        }
        const char *run = p; /* what follows the closing quote belongs to the field too */
        p = special_find(d, p, end);
        wr_text_append(&d->unescaped, run, (size_t) (p - run));
        if (p == end || *p != d->quote)
            break;
    }
    *at = p;
    return p == end ? SCAN_SHORT : *p == '\n' ? SCAN_RECORD : SCAN_FIELD;
}

/* A field that has backslashes, likewise. */
static scan
escaped_scan(csv_decoder *d, const char *from, const char **at, const char *end)
{
    static const char names[] = "tnrbfv\\", values[] = "\t\n\r\b\f\v\\";
    const char       *p = *at;
    wr_text_append(&d->unescaped, from, (size_t) (p - from));
    while (p < end && *p == '\\') {
        if (++p == end)
            break;
        const char *name = *p != '\0' ? strchr(names, *p) : NULL;
        wr_text_putc(&d->unescaped, name != NULL ? values[name - names] : *p);
        const char *run = ++p;
        p = special_find(d, p, end);
        wr_text_append(&d->unescaped, run, (size_t) (p - run));
    }
    *at = p;
    return p == end ? SCAN_SHORT : *p == '\n' ? SCAN_RECORD : SCAN_FIELD;
}

/* The field at *at: noted, and *at moves to what ended it. */
static scan
field_scan(csv_decoder *d, const char **at, const char *end)
{
    const char *from = *at, *p = special_find(d, from, end);
    size_t      before = d->unescaped.length;
    scan        ended = p == end ? SCAN_SHORT : *p == '\n' ? SCAN_RECORD : SCAN_FIELD;
    uint32_t    i = d->fields_read;
    bool        plain = p == end || *p == '\n' || *p == d->delimiter;
    *at = p;
    if (!plain)
        ended = d->quote != '\0' ? quoted_scan(d, from, at, end) : escaped_scan(d, from, at, end);
    if (!wr_text_ok(&d->unescaped))
        return SCAN_MEMORY;
    /* only a header may have more fields than there are columns */
    if (d->header_wanted && i == d->fields_capacity && i < FIELDS_MAX &&
        fields_reserve(d, WR_MIN(2 * i + 16, (uint32_t) FIELDS_MAX)) != WEIR_OK)
        return SCAN_MEMORY;
    if (i < d->fields_capacity) {
        uint32_t length = (uint32_t) (*at - from);
        d->fields[i] = (csv_field){ from, from, length, length, before, plain };
        if (!plain)
            d->fields[i].length = (uint32_t) (d->unescaped.length - before);
    }
    d->fields_read++;
    return ended;
}

/* The record at p into d->fields; *after is where the next one begins, or the input's end. */
static scan
record_scan(csv_decoder *d, const char *p, const char *end, const char **after)
{
    scan what;
    d->fields_read = 0;
    wr_text_clear(&d->unescaped);
    while ((what = field_scan(d, &p, end)) == SCAN_FIELD)
        p++;
    *after = what == SCAN_RECORD ? p + 1 : p;
    if (what != SCAN_RECORD && what != SCAN_SHORT)
        return what;
    uint32_t count = WR_MIN(d->fields_read, d->fields_capacity);
    for (uint32_t i = 0; i < count; i++)
        if (!d->fields[i].plain)
            d->fields[i].text = wr_text_string(&d->unescaped) + d->fields[i].unescaped_at;
    csv_field *last = count > 0 ? &d->fields[count - 1] : NULL;
    if (last != NULL && d->fields_read == count && last->raw_length > 0 &&
        last->raw[last->raw_length - 1] == '\r' && last->length > 0) {
        last->length--; /* the line ends with CR LF */
        last->raw_length--;
    }
    return what;
}

/* --- fields into columns --- */

/* The column that the header's field names, or NO_COLUMN. */
static int32_t
column_find(const csv_decoder *d, const csv_field *name, bool any_case)
{
    for (uint32_t i = 0; i < d->schema->field_count; i++) {
        const wr_field *f = &d->schema->fields[i];
        const char     *want = f->path != NULL ? f->path : f->name;
        if (!f->hidden && strlen(want) == name->length &&
            (any_case ? strncasecmp(want, name->text, name->length) == 0
                      : memcmp(want, name->text, name->length) == 0))
            return (int32_t) i;
    }
    return NO_COLUMN;
}

/* The record in d->fields names the columns.  *named: how many it knew. */
static weir_status
header_read(csv_decoder *d, uint32_t *named)
{
    uint32_t count = WR_MIN(d->fields_read, d->fields_capacity);
    *named = 0;
    int32_t *column_of = wr_realloc(d->budget, d->column_of, (count + 1) * sizeof *column_of);
    if (column_of == NULL)
        return WEIR_MEMORY;
    d->column_of = column_of;
    d->field_count = d->fields_read;
    for (uint32_t i = 0; i < count; i++) {
        const csv_field *name = &d->fields[i];
        int32_t          column = column_find(d, name, false);
        if (column == NO_COLUMN)
            column = column_find(d, name, true);
        column_of[i] = NO_COLUMN;
        if (column == NO_COLUMN || d->given[column])
            continue;
        d->given[column] = true;
        ++*named;
        if (d->wanted[column])
            column_of[i] = column;
    }
    d->header_wanted = false;
    return WEIR_OK;
}

static weir_status
bad_field(csv_decoder *d, uint32_t column, weir_status code, char *text, size_t room)
{
    const char *why =
        d->scratch.error.text[0] != '\0' ? d->scratch.error.text : weir_status_text(code);
    snprintf(text, room, "field %.60s: %.240s", d->schema->fields[column].name, why);
    return code;
}

static bool
is_number(const csv_field *f)
{
    for (uint32_t i = 0; i < f->length; i++) {
        bool digit = f->text[i] >= '0' && f->text[i] <= '9';
        if (!digit && f->text[i] != '.' && (i > 0 || f->text[i] != '-'))
            return false;
    }
    return f->length > 0 && f->text[f->length - 1] >= '0' && f->text[0] != '.';
}

static weir_status
row_put(csv_decoder *d, wr_decode_to *to, char *text, size_t room)
{
    uint32_t    row = to->count;
    weir_status status;
    if (d->fields_read != d->field_count) {
        snprintf(text, room, "%u fields where %u are wanted", d->fields_read, d->field_count);
        return WEIR_ROW_DECODE;
    }
    wr_arena_reset(&d->scratch.arena);
    for (uint32_t i = 0; i < d->field_count; i++) {
        const csv_field *f = &d->fields[i];
        int32_t          c = d->column_of[i];
        if (c == NO_COLUMN)
            continue;
        d->scratch.error.text[0] = '\0';
        bool null = (f->plain || d->quote == '\0') && f->raw_length == d->null_length &&
                    memcmp(f->raw, d->null_text, d->null_length) == 0;
        wr_cell *cell = &d->cells[c];
        if (null)
            status = wr_cell_put_null(cell, to->columns[c], row, &d->scratch);
        else if (cell->unit != WR_UNIT_NONE && is_number(f) &&
                 (cell->kind == WR_CELL_STAMP || cell->kind == WR_CELL_DATE))
            status = wr_cell_put_number(cell, to->columns[c], row, f->text, f->length, &d->scratch);
        else
            status = wr_cell_put_text(cell, to->columns[c], row, f->text, f->length, &d->scratch);
        if (status != WEIR_OK)
            return bad_field(d, (uint32_t) c, status, text, room);
    }
    for (uint32_t c = 0; c < d->schema->field_count; c++) {
        if (!d->wanted[c] || d->given[c])
            continue;
        d->scratch.error.text[0] = '\0';
        status = wr_cell_put_null(&d->cells[c], to->columns[c], row, &d->scratch);
        if (status != WEIR_OK)
            return bad_field(d, c, status, text, room);
    }
    return WEIR_OK;
}

/* --- the stream of records --- */

static void
report(wr_decode_to *to, weir_status code, const char *text, const char *from, const char *after)
{
    while (after > from && (after[-1] == '\n' || after[-1] == '\r'))
        after--;
    to->bad(to->user, code, text, from, (size_t) (after - from));
}

/* The record [p, after) is whole: a header, a row, or bad. */
static weir_status
record_take(csv_decoder *d, const char *p, const char *after, wr_decode_to *to)
{
    char text[320];
    bool empty = d->fields_read == 1 && d->fields[0].plain && d->fields[0].length == 0;
    if (empty && (d->field_count != 1 || d->header_wanted))
        return WEIR_OK; /* an empty line */
    if (!wr_utf8_check(p, (size_t) (after - p))) {
        report(to, WEIR_ROW_ENCODING, "invalid byte sequence for UTF-8", p, after);
        return WEIR_OK;
    }
    if (d->header_wanted) {
        uint32_t named;
        WR_TRY(header_read(d, &named));
        wr_text_clear(&d->header);
        wr_text_append(&d->header, p, (size_t) (after - p));
        if (named == 0)
            report(to, WEIR_ROW_DECODE, "the header names none of the columns", p, after);
        return wr_text_ok(&d->header) ? WEIR_OK : WEIR_MEMORY;
    }
    weir_status status = row_put(d, to, text, sizeof text);
    if (status == WEIR_MEMORY)
        return status;
    if (status == WEIR_OK)
        to->count++;
    else
        report(to, status, text, p, after);
    return WEIR_OK;
}

static const char *
line_after(const char *p, const char *end)
{
    const char *newline = p < end ? memchr(p, '\n', (size_t) (end - p)) : NULL;
    return newline != NULL ? newline + 1 : NULL;
}

/* One record at p.  NULL: more bytes are needed. */
static const char *
next_read(csv_decoder *d, const char *p, const char *end, bool last, wr_decode_to *to,
          weir_status *status)
{
    char        text[96];
    const char *limit = end, *after, *line;
    bool        longer = (size_t) (end - p) > d->record_bytes_max;
    if (longer) {
        limit = p + d->record_bytes_max + 1;
        last = last && limit == end;
    }
    scan what = record_scan(d, p, limit, &after);
    if (what == SCAN_MEMORY) {
        *status = WEIR_MEMORY;
        return NULL;
    }
    if (what == SCAN_RECORD || (what == SCAN_SHORT && last && !longer)) {
        *status = record_take(d, p, after, to);
        return *status == WEIR_OK ? after : NULL;
    }
    if (what == SCAN_OPEN && (last || longer)) {
        line = line_after(p, limit);
        if (line != NULL || last) {
            line = line != NULL ? line : limit;
            report(to, WEIR_ROW_DECODE, "a quoted field has no end", p, line);
            return line;
        }
    }
    if (!longer)
        return NULL;
    snprintf(text, sizeof text, "the record is larger than %zu bytes", d->record_bytes_max);
    report(to, WEIR_ROW_TOO_LARGE, text, p, limit);
    line = line_after(limit - 1, end);
    d->skipping = line == NULL;
    return line != NULL ? line : end;
}

/* A byte order mark at the very beginning.  False: more bytes are needed to tell. */
static bool
mark_skip(csv_decoder *d, const char **p, const char *end, bool last)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t            n = WR_MIN((size_t) (end - *p), (size_t) 3);
    bool              like = memcmp(*p, mark, n) == 0;
    if (like && n < 3 && !last)
        return false;
    d->started = true;
    *p += like && n == 3 ? 3 : 0;
    return true;
}

static weir_status
decoder_decode(wr_decoder *self, const char *bytes, size_t length, bool last, wr_decode_to *to,
               size_t *consumed)
{
    csv_decoder *d = (csv_decoder *) self;
    const char  *p = bytes, *end = bytes + length;
    weir_status  status = WEIR_OK;
    *consumed = 0;
    if (!d->started && !mark_skip(d, &p, end, last))
        return WEIR_OK;
    if (d->skipping) {
        const char *line = line_after(p, end);
        p = line != NULL ? line : end;
        d->skipping = line == NULL && !last;
    }
    while (p < end && to->count < to->capacity) {
        const char *after = next_read(d, p, end, last, to, &status);
        if (after == NULL)
            break;
        p = after;
    }
    if (last)
        d->skipping = false;
    *consumed = (size_t) (p - bytes);
    return status;
}

static weir_status
decoder_freeze(const wr_decoder *self, wr_text *to)
{
    const csv_decoder *d = (const csv_decoder *) self;
    bool               has_header = d->header.length > 0;
    wr_text_putc(to, (char) ((has_header ? STATE_HEADER : 0) | (d->skipping ? STATE_SKIPPING : 0)));
    wr_text_append(to, d->header.data, d->header.length);
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
decoder_restore(wr_decoder *self, const char *bytes, size_t length)
{
    csv_decoder *d = (csv_decoder *) self;
    const char  *after;
    uint32_t     named;
    if (length == 0)
        return WEIR_CHECKPOINT_CORRUPT;
    d->started = true;
    d->skipping = (*bytes & STATE_SKIPPING) != 0;
    if ((*bytes & STATE_HEADER) == 0 || !d->header_wanted)
        return WEIR_OK;
    scan what = record_scan(d, bytes + 1, bytes + length, &after);
    if (what != SCAN_RECORD && what != SCAN_SHORT)
        return what == SCAN_MEMORY ? WEIR_MEMORY : WEIR_CHECKPOINT_CORRUPT;
    wr_text_append(&d->header, bytes + 1, length - 1);
    WR_TRY(header_read(d, &named));
    return wr_text_ok(&d->header) ? WEIR_OK : WEIR_MEMORY;
}

#define CSV_OPTIONS(DELIMITER, QUOTE, NULL_TEXT)                                                   \
    {                                                                                              \
        { .name = "header",                                                                        \
          .type = WR_OPT_BOOL,                                                                     \
          .offset = offsetof(wr_csv_decode_config, header),                                        \
          .fallback = "false",                                                                     \
          .doc = "The first record names the columns." },                                          \
            { .name = "delimiter",                                                                 \
              .type = WR_OPT_STRING,                                                               \
              .offset = offsetof(wr_csv_decode_config, delimiter),                                 \
              .fallback = DELIMITER,                                                               \
              .doc = "What stands between two fields: one byte." },                                \
            { .name = "quote",                                                                     \
              .type = WR_OPT_STRING,                                                               \
              .offset = offsetof(wr_csv_decode_config, quote),                                     \
              .fallback = QUOTE,                                                                   \
              .doc =                                                                               \
                  "What stands around fields with delimiters in them; \"\": backslash escapes." }, \
            { .name = "null",                                                                      \
              .type = WR_OPT_STRING,                                                               \
              .offset = offsetof(wr_csv_decode_config, null_text),                                 \
              .fallback = NULL_TEXT,                                                               \
              .doc = "The unquoted field that is NULL." },                                         \
            { .name = "time_unit",                                                                 \
              .type = WR_OPT_ENUM,                                                                 \
              .offset = offsetof(wr_csv_decode_config, time_unit),                                 \
              .fallback = "none",                                                                  \
              .choices = WR_TIME_UNIT_CHOICES,                                                     \
              .doc =                                                                               \
                  "What a number means in a time column: seconds, milliseconds ... since 1970." }, \
            { .name = "record_max",                                                                \
              .type = WR_OPT_BYTES,                                                                \
              .offset = offsetof(wr_csv_decode_config, record_bytes_max),                          \
              .fallback = "1MiB",                                                                  \
              .low = 64,                                                                           \
              .high = WR_STRING_BYTES_MAX,                                                         \
              .doc = "Records that are longer are bad records." },                                 \
            { 0 },                                                                                 \
    }

static const wr_option csv_options[] = CSV_OPTIONS(",", "\"", "");
static const wr_option tsv_options[] = CSV_OPTIONS("\t", "", "\\N");

const wr_decoder_ops wr_csv_decoder_ops = {
    .name = "csv",
    .options = csv_options,
    .config_bytes = sizeof(wr_csv_decode_config),
    .create = csv_create,
    .decode = decoder_decode,
    .freeze = decoder_freeze,
    .restore = decoder_restore,
    .destroy = decoder_destroy,
};

const wr_decoder_ops wr_tsv_decoder_ops = {
    .name = "tsv",
    .options = tsv_options,
    .config_bytes = sizeof(wr_csv_decode_config),
    .create = tsv_create,
    .decode = decoder_decode,
    .freeze = decoder_freeze,
    .restore = decoder_restore,
    .destroy = decoder_destroy,
};
