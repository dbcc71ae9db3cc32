/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json.c -- the JSON decoder: options, and where records begin and end (see json.h).
 *
 * Place       one of the formats; the parts are listed in json_impl.h.
 * State       learned shapes; whether the rest of an oversize record is being skipped.
 * Framing     an object ends where it ends, so newlines are not needed; but they are how a broken
 *             record is left behind.  A record with a fault at q ends
 *               - before the first line after its beginning that starts with '{' or '[', if there
 *                 is one up to q (the fault is that the record was cut off), else
 *               - at the newline after its first line, when the fault lies there, else
 *               - (an object of many lines) before the next line starting with '{' or '['.
 *             A value that is no object is one bad record; other bytes are one up to the newline.
 * Invariants  F1..F4 of format.h.  What ends a record never depends on bytes not yet there: the
 *             record is left for the next call instead, up to record_bytes_max.
 * Cost        by shape 50-70 ns for 222 bytes and 7 columns, by the parser about five times that.
 */
#include "format/json_impl.h"

#include <stdio.h>

static weir_status
decoder_create(const void *config, const wr_schema *schema, const uint64_t *needed,
               wr_budget *budget, wr_decoder **out, weir_error *err)
{
    const wr_json_decode_config *c = config;
    json_decoder                *d = wr_calloc(budget, 1, sizeof *d);
    if (d == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a JSON decoder");
    d->decoder.ops = &wr_json_decoder_ops;
    d->schema = schema;
    d->budget = budget;
    d->record_bytes_max =
        c->record_bytes_max > 0 ? (size_t) c->record_bytes_max : WR_RECORD_BYTES_MAX;
    wr_arena_init(&d->arena, budget);
    wr_arena_init(&d->scratch.arena, budget);
    wr_text_init(&d->unescaped, budget);
    d->kernel = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")
                    ? wr_json_kernel_avx2
                    : wr_json_kernel_sse;
    weir_status status = wr_paths_build(&d->paths, &d->arena, schema, needed, err);
    d->cells = wr_arena_calloc(&d->arena, schema->field_count + 1, sizeof *d->cells);
    d->seen = wr_arena_calloc(&d->arena, schema->field_count + 1, sizeof *d->seen);
    if (status == WEIR_OK && (d->cells == NULL || d->seen == NULL))
        status = WEIR_MEMORY;
    for (uint32_t i = 0; i < schema->field_count && status == WEIR_OK; i++)
        wr_cell_init(&d->cells[i], &schema->fields[i], (wr_time_unit) c->time_unit);
    if (status == WEIR_OK)
        status = wr_shapes_init(&d->shapes, budget, &d->arena, schema, d->cells, d->paths.wanted);
    if (status == WEIR_MEMORY)
        status = wr_error_set(err, WEIR_MEMORY, "no memory for a JSON decoder");
    if (status != WEIR_OK) {
        wr_json_decoder_ops.destroy(&d->decoder);
        return status;
    }
    *out = &d->decoder;
    return WEIR_OK;
}

static void
decoder_destroy(wr_decoder *self)
{
    json_decoder *d = (json_decoder *) self;
    if (d == NULL)
        return;
    wr_shapes_fini(&d->shapes);
    wr_text_fini(&d->unescaped);
    wr_arena_fini(&d->scratch.arena);
    wr_arena_fini(&d->arena);
    wr_free(d);
}

static inline const char *
newline_find(const char *p, const char *end)
{
    return p < end ? memchr(p, '\n', (size_t) (end - p)) : NULL;
}

/* The first line after p's own that starts with '{' or '[': where it starts, or NULL. */
static const char *
object_line_find(const char *p, const char *end)
{
    while ((p = newline_find(p, end)) != NULL)
        if (++p < end && (*p == '{' || *p == '['))
            return p;
    return NULL;
}

/* Where a record that begins at p and has its fault at q ends; NULL: more bytes are needed. */
static const char *
bad_end(const char *p, const char *q, const char *end, bool last)
{
    const char *line = object_line_find(p, WR_MIN(q + 1, end));
    if (line != NULL)
        return line;
    const char *first = newline_find(p, end);
    if (first != NULL && q <= first)
        return first + 1;
    if (first != NULL && (line = object_line_find(q, end)) != NULL)
        return line;
    return last ? end : NULL;
}

static void
report(wr_decode_to *to, weir_status code, const char *text, const char *from, const char *after)
{
    while (after > from && (after[-1] == '\n' || after[-1] == '\r'))
        after--;
    to->bad(to->user, code, text, from, (size_t) (after - from));
}

typedef enum outcome { ROW, REFUSED, UNFINISHED, NO_MEMORY } outcome;

static outcome
fault_end(json_decoder *d, const char *p, const char *end, bool last, wr_decode_to *to,
          const char **after)
{
    char text[160];
    if (d->fault == JSON_MEMORY)
        return NO_MEMORY;
    if (d->fault == JSON_SHORT && !last)
        return UNFINISHED;
    const char *q = d->fault == JSON_SHORT ? end : d->fault_at;
    *after = bad_end(p, q, end, last);
    if (*after == NULL)
        return UNFINISHED;
    if (d->fault == JSON_SHORT)
        snprintf(text, sizeof text, "invalid JSON: the record ends too early");
    else
        snprintf(text, sizeof text, "invalid JSON at byte %zu: %s", (size_t) (q - p),
                 d->fault_text);
    report(to, WEIR_ROW_DECODE, text, p, *after);
    return REFUSED;
}

/* Something at p that is no object. */
static outcome
stray_read(json_decoder *d, const char *p, const char *end, bool last, wr_decode_to *to,
           const char **after)
{
    d->begin = p;
    d->fault = JSON_FINE;
    d->bad_code = WEIR_OK;
    const char *q = wr_json_value_skip(d, p, end, 0);
    bool number = *p == '-' || (*p >= '0' && *p <= '9');
    if (q == NULL && d->fault == JSON_SHORT && last && number)
        q = end; /* the input ends with a number */
    if (q == NULL)
        return fault_end(d, p, end, last, to, after);
    *after = q;
    report(to, WEIR_ROW_DECODE, "expected an object", p, q);
    return REFUSED;
}

static outcome
record_read(json_decoder *d, const char *p, const char *end, bool last, wr_decode_to *to,
            const char **after)
{
    wr_shapes_want(&d->shapes);
    const char *q = wr_json_record_read(d, p, end);
    if (q == NULL)
        return fault_end(d, p, end, last, to, after);
    *after = q;
    d->shapes.last_bytes = (size_t) (q - p);
    if (d->bad_code != WEIR_OK) {
        report(to, d->bad_code, d->bad_text, p, q);
        return REFUSED;
    }
    wr_shapes_learn(&d->shapes, p, q, d->seen, d->record);
    return ROW;
}

/* Blanks and the marks of an array stand between records. */
static inline const char *
separators_skip(const char *p, const char *end)
{
    while (p < end && (json_is_blank(*p) || *p == ',' || *p == '[' || *p == ']'))
        p++;
    return p;
}

/* A record is longer than the limit: report it, and leave it at the next newline.  Only the bytes
 * up to the limit were looked at, so that the outcome does not depend on how many were there. */
static const char *
oversize(json_decoder *d, wr_decode_to *to, const char *p, const char *end)
{
    char        text[96];
    const char *limit = p + d->record_bytes_max, *line = newline_find(limit, end);
    snprintf(text, sizeof text, "the record is larger than %zu bytes", d->record_bytes_max);
    report(to, WEIR_ROW_TOO_LARGE, text, p, limit);
    d->skipping = line == NULL;
    return line != NULL ? line + 1 : end;
}

/* One record at p (no separator). */
static outcome
next_read(json_decoder *d, const char *p, const char *end, bool last, wr_decode_to *to,
          const char **after)
{
    const char *limit = end;
    outcome     what = ROW;
    if (WR_UNLIKELY((size_t) (end - p) > d->record_bytes_max)) {
        limit = p + d->record_bytes_max + 1;
        last = last && limit == end;
    }
    d->shapes.row = to->count;
    if (*p != '{')
        what = stray_read(d, p, limit, last, to, after);
    else if ((*after = wr_shapes_read(&d->shapes, d->kernel, d, p, limit)) == NULL)
        what = record_read(d, p, limit, last, to, after);
    bool longer = (size_t) (end - p) > d->record_bytes_max;
    if (longer && (what == UNFINISHED || (what == ROW && d->shapes.last_bytes > d->record_bytes_max))) {
        *after = oversize(d, to, p, end);
        what = REFUSED;
    }
    return what;
}

/* A byte order mark at p: 3, 0: none, -1: perhaps, more bytes are needed. */
static int
mark_length(const char *p, const char *end, bool last)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t            n = WR_MIN((size_t) (end - p), (size_t) 3);
    if (memcmp(p, mark, n) != 0)
        return 0;
    return n == 3 ? 3 : last ? 0 : -1;
}

static weir_status
decoder_decode(wr_decoder *self, const char *bytes, size_t length, bool last, wr_decode_to *to,
               size_t *consumed)
{
    json_decoder *d = (json_decoder *) self;
    const char   *p = bytes, *end = bytes + length;
    weir_status   status = WEIR_OK;
    d->columns = to->columns;
    wr_shapes_begin(&d->shapes, to->columns, to->capacity);
    if (d->skipping) {
        const char *line = newline_find(p, end);
        p = line != NULL ? line + 1 : end;
        d->skipping = line == NULL && !last;
    }
    while (to->count < to->capacity) {
        const char *q;
        p = separators_skip(p, end);
        if (p == end)
            break;
        if (WR_UNLIKELY(*p == '\xef')) {
            int mark = mark_length(p, end, last);
            if (mark < 0)
                break;
            p += mark;
            if (mark > 0)
                continue;
        }
        outcome what = next_read(d, p, end, last, to, &q);
        if (WR_UNLIKELY(what == NO_MEMORY))
            status = WEIR_MEMORY;
        if (WR_UNLIKELY(what == NO_MEMORY || what == UNFINISHED))
            break;
        if (what == ROW)
            to->count = d->shapes.row + 1;
        p = q;
    }
    if (last)
        d->skipping = false;
    *consumed = (size_t) (p - bytes);
    return status;
}

/* A message may end with a newline. */
static inline bool
is_blank(const char *p, const char *end)
{
    while (p < end && json_is_blank(*p))
        p++;
    return p == end;
}

static uint32_t
decoder_decode_messages(wr_decoder *self, const wr_message *messages, uint32_t count,
                        wr_decode_to *to)
{
    json_decoder *d = (json_decoder *) self;
    uint32_t      i = 0;
    if (d->skipping || d->shapes.count == 0)
        return 0;
    d->columns = to->columns;
    wr_shapes_begin(&d->shapes, to->columns, to->capacity);
    for (; i < count && to->count < to->capacity; i++) {
        const char *p = messages[i].bytes, *end = p + messages[i].length;
        d->shapes.row = to->count;
        if (messages[i].length == 0 || messages[i].length > d->record_bytes_max || *p != '{')
            break;
        const char *q = wr_shapes_read_one(&d->shapes, d->kernel, d, p, end);
        if (q == NULL || q > end || !is_blank(q, end))
            break;
        d->shapes.last_bytes = (size_t) (q - p);
        to->count++;
    }
    return i;
}

static weir_status
decoder_freeze(const wr_decoder *self, wr_text *to)
{
    wr_text_putc(to, ((const json_decoder *) self)->skipping ? 1 : 0);
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
decoder_restore(wr_decoder *self, const char *bytes, size_t length)
{
    if (length != 1)
        return WEIR_CHECKPOINT_CORRUPT;
    ((json_decoder *) self)->skipping = *bytes != 0;
    return WEIR_OK;
}

static const wr_option decode_options[] = {
    { .name = "time_unit",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_json_decode_config, time_unit),
      .fallback = "none",
      .choices = WR_TIME_UNIT_CHOICES,
      .doc = "What a number means in a time column: seconds, milliseconds ... since 1970." },
    { .name = "record_max",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_json_decode_config, record_bytes_max),
      .fallback = "1MiB",
      .low = 64,
      .high = WR_STRING_BYTES_MAX,
      .doc = "Records that are longer are bad records." },
    { 0 },
};

const wr_decoder_ops wr_json_decoder_ops = {
    .name = "json",
    .options = decode_options,
    .config_bytes = sizeof(wr_json_decode_config),
    .create = decoder_create,
    .decode = decoder_decode,
    .decode_messages = decoder_decode_messages,
    .freeze = decoder_freeze,
    .restore = decoder_restore,
    .destroy = decoder_destroy,
};
