/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv.c -- decoding comma- and tab-separated values (see csv.h): life, framing, options.
 * Fields are cut in csv_scan.c and put into columns in csv_row.c.
 *
 * State       which column each field of a record goes to (by the header, once it was read),
 *             whether the rest of an oversize record is being skipped.
 * Framing     a record ends at a newline outside quotes.  A quote still open at the end of the
 *             input, or after record_bytes_max, was opened by mistake: the record is its first line.
 * Invariants  F1..F4 of format.h
 */
#include "format/csv.h"

#include "base/log.h"
#include "data/upserts.h"
#include "format/csv_impl.h"
#include "format/utf8_impl.h"

#include <stdio.h>

enum { STATE_HEADER = 1, STATE_SKIPPING = 2 }; /* the first byte of a frozen decoder */

/* --- life --- */

weir_status
wr_csv_dialect_check(const char *delimiter, const char *quote, weir_error *err)
{
    if (delimiter == NULL || strlen(delimiter) != 1 || strchr("\r\n\\", *delimiter)) {
        (void)!wr_error_set(err, WEIR_CONFIG_VALUE, "\"%.20s\" cannot be the delimiter", delimiter != NULL ? delimiter : "");
        wr_error_hint(err, "one byte that ends no line: \",\", \";\", \"|\", \"\\t\"");
        return WEIR_CONFIG_VALUE;
    }
    if (quote == NULL || strlen(quote) > 1 || *quote == *delimiter) {
        (void)!wr_error_set(err, WEIR_CONFIG_VALUE, "\"%.20s\" cannot be the quote", quote != NULL ? quote : "");
        wr_error_hint(err, "one byte other than the delimiter; or \"\": backslash escapes");
        return WEIR_CONFIG_VALUE;
    }
    return WEIR_OK;
}

static weir_status
config_check(const void *config, weir_error *err)
{
    const wr_csv_decode_config *c = config;
    return wr_csv_dialect_check(c->delimiter, c->quote, err);
}

static weir_status
columns_init(wr_csv_decoder *d, const uint64_t *needed, wr_time_unit unit)
{
    uint32_t n = d->schema->field_count + 1;
    d->wanted = wr_arena_calloc(&d->arena, n, sizeof *d->wanted);
    d->given = wr_arena_calloc(&d->arena, n, sizeof *d->given);
    d->cells = wr_arena_calloc(&d->arena, n, sizeof *d->cells);
    d->column_of = wr_calloc(d->budget, n, sizeof *d->column_of);
    if (d->wanted == NULL || d->given == NULL || d->cells == NULL || d->column_of == NULL)
        return WEIR_MEMORY;
    d->op_column = d->header_wanted ? WR_CSV_NO_COLUMN : wr_schema_op_column(d->schema);
    d->field_count = d->op_column >= 0;
    for (uint32_t i = 0; i < d->schema->field_count; i++) {
        const wr_field *f = &d->schema->fields[i];
        wr_cell_init(&d->cells[i], f, unit);
        d->wanted[i] = !f->hidden && wr_bitmap_get(needed, i);
        if (d->header_wanted || f->hidden)
            continue;
        uint32_t field = (int32_t) i == d->op_column ? 0 : d->field_count++;
        d->given[i] = true;
        d->column_of[field] = d->wanted[i] ? (int32_t) i : WR_CSV_NO_COLUMN;
    }
    return wr_csv_fields_reserve(d, n);
}

static weir_status
decoder_create(const void *config, const wr_schema *schema, const uint64_t *needed,
               wr_budget *budget, const wr_decoder_ops *ops, wr_decoder **out, weir_error *err)
{
    const wr_csv_decode_config *c = config;
    WR_TRY(config_check(c, err));
    wr_csv_decoder *d = wr_calloc(budget, 1, sizeof *d);
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
    if (columns_init(d, needed, (wr_time_unit) c->time_unit) != WEIR_OK || wr_csv_run_make(d) != WEIR_OK) {
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
    wr_csv_decoder *d = (wr_csv_decoder *) self;
    if (d == NULL)
        return;
    wr_free(d->run);
    wr_free(d->tail);
    wr_free(d->fields);
    wr_free(d->column_of);
    wr_text_fini(&d->header);
    wr_text_fini(&d->unescaped);
    wr_arena_fini(&d->scratch.arena);
    wr_arena_fini(&d->arena);
    wr_free(d);
}

/* --- the stream of records --- */

static void
report(wr_decode_to *to, weir_status code, const char *text, const char *from, const char *after)
{
    while (after > from && (after[-1] == '\n' || after[-1] == '\r'))
        after--;
    to->bad(to->user, code, text, from, (size_t) (after - from));
}

/* Columns that are wanted and that no field of the header gives: the log says so once, for nothing else would. */
static void
absent_tell(const wr_csv_decoder *d)
{
    char     names[160] = "";
    uint32_t absent = 0;
    size_t   at = 0;
    for (uint32_t i = 0; i < d->schema->field_count; i++) {
        if (!d->wanted[i] || d->given[i] || (int32_t) i == wr_schema_op_column(d->schema))
            continue;
        if (at < sizeof names - 1)
            at += (size_t) snprintf(names + at, sizeof names - at, "%s%.60s", absent > 0 ? ", " : "",
                                    d->schema->fields[i].name);
        absent++;
    }
    if (absent > 0)
        wr_log(WR_LOG_WARN, "csv", "the header does not name %s: NULL in each row", names);
}

/* The record [p, after) is whole: a header, a row, or bad. */
static weir_status
record_take(wr_csv_decoder *d, const char *p, const char *after, wr_decode_to *to)
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
        WR_TRY(wr_csv_header_read(d, &named));
        wr_text_clear(&d->header);
        wr_text_append(&d->header, p, (size_t) (after - p));
        if (named > 0)
            absent_tell(d);
        else
            report(to, WEIR_ROW_DECODE, "the header names none of the columns", p, after);
        return wr_text_ok(&d->header) ? WEIR_OK : WEIR_MEMORY;
    }
    weir_status status = wr_csv_row_put(d, to, text, sizeof text);
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
next_read(wr_csv_decoder *d, const char *p, const char *end, bool last, wr_decode_to *to,
          weir_status *status)
{
    char        text[96];
    const char *limit = end, *after, *line;
    bool        longer = (size_t) (end - p) > d->record_bytes_max;
    if (longer) {
        limit = p + d->record_bytes_max + 1;
        last = last && limit == end;
    }
    wr_csv_scan what = wr_csv_record_scan(d, p, limit, &after);
    if (what == WR_CSV_SCAN_MEMORY) {
        *status = WEIR_MEMORY;
        return NULL;
    }
    if (what == WR_CSV_SCAN_RECORD || (what == WR_CSV_SCAN_SHORT && last && !longer)) {
        *status = record_take(d, p, after, to);
        return *status == WEIR_OK ? after : NULL;
    }
    if (what == WR_CSV_SCAN_OPEN && (last || longer)) {
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
mark_skip(wr_csv_decoder *d, const char **p, const char *end, bool last)
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
    wr_csv_decoder *d = (wr_csv_decoder *) self;
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
        size_t used = 0;
        if (d->run != NULL && !d->header_wanted && !d->nameless && d->field_count > 0 && d->field_count <= d->fields_capacity)
            status = wr_csv_run_take(d, p, end, last, to, &used);
        if (status != WEIR_OK)
            break;
        p += used;
        if (used > 0)
            continue;
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
    const wr_csv_decoder *d = (const wr_csv_decoder *) self;
    bool               has_header = d->header.length > 0;
    wr_text_putc(to, (char) ((has_header ? STATE_HEADER : 0) | (d->skipping ? STATE_SKIPPING : 0)));
    wr_text_append(to, d->header.data, d->header.length);
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
decoder_restore(wr_decoder *self, const char *bytes, size_t length)
{
    wr_csv_decoder *d = (wr_csv_decoder *) self;
    const char  *after;
    uint32_t     named;
    if (length == 0)
        return WEIR_CHECKPOINT_CORRUPT;
    d->started = true;
    d->skipping = (*bytes & STATE_SKIPPING) != 0;
    if ((*bytes & STATE_HEADER) == 0 || !d->header_wanted)
        return WEIR_OK;
    wr_csv_scan what = wr_csv_record_scan(d, bytes + 1, bytes + length, &after);
    if (what != WR_CSV_SCAN_RECORD && what != WR_CSV_SCAN_SHORT)
        return what == WR_CSV_SCAN_MEMORY ? WEIR_MEMORY : WEIR_CHECKPOINT_CORRUPT;
    wr_text_append(&d->header, bytes + 1, length - 1);
    WR_TRY(wr_csv_header_read(d, &named));
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
    .check = config_check,
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
    .check = config_check,
    .create = tsv_create,
    .decode = decoder_decode,
    .freeze = decoder_freeze,
    .restore = decoder_restore,
    .destroy = decoder_destroy,
};
