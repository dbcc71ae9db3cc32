/* SPDX-License-Identifier: Apache-2.0 */
/* format/line.c -- raw lines (see line.h). */
#include "format/line.h"

#include "format/cell_impl.h"
#include "format/utf8_impl.h"

#include <stdio.h>

typedef struct line_decoder {
    wr_decoder decoder; /* first */
    int32_t    column;  /* -1: nobody reads it */
    size_t     record_bytes_max;
    bool       skipping;
} line_decoder;

/* The one column of text that is not hidden; -1: there is another number of them. */
static int32_t
text_column(const wr_schema *schema)
{
    int32_t found = -1;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const wr_field *f = &schema->fields[i];
        if (f->hidden)
            continue;
        if (found >= 0 || f->type.id != WR_TEXT)
            return -1;
        found = (int32_t) i;
    }
    return found;
}

static weir_status
decoder_create(const void *config, const wr_schema *schema, const uint64_t *needed,
               wr_budget *budget, wr_decoder **out, weir_error *err)
{
    const wr_line_decode_config *c = config;
    int32_t                      column = text_column(schema);
    if (column < 0)
        return wr_error_set(err, WEIR_CONFIG_VALUE,
                            "the format line wants one column, of type text");
    line_decoder *d = wr_calloc(budget, 1, sizeof *d);
    if (d == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a decoder of lines");
    d->decoder.ops = &wr_line_decoder_ops;
    d->column = wr_bitmap_get(needed, (uint32_t) column) ? column : -1;
    d->record_bytes_max =
        c->record_bytes_max > 0 ? (size_t) c->record_bytes_max : WR_RECORD_BYTES_MAX;
    *out = &d->decoder;
    return WEIR_OK;
}

static void
decoder_destroy(wr_decoder *self)
{
    wr_free(self);
}

static weir_status
line_take(line_decoder *d, const char *p, size_t n, wr_decode_to *to)
{
    char text[96];
    if (n > 0 && p[n - 1] == '\r')
        n--;
    if (n > d->record_bytes_max) {
        snprintf(text, sizeof text, "the record is larger than %zu bytes", d->record_bytes_max);
        to->bad(to->user, WEIR_ROW_TOO_LARGE, text, p, d->record_bytes_max);
        return WEIR_OK;
    }
    if (!wr_utf8_check(p, n)) {
        to->bad(to->user, WEIR_ROW_ENCODING, "invalid byte sequence for UTF-8", p, n);
        return WEIR_OK;
    }
    if (d->column >= 0)
        WR_TRY(wr_column_set_string(to->columns[d->column], to->count, p, n));
    to->count++;
    return WEIR_OK;
}

static weir_status
decoder_decode(wr_decoder *self, const char *bytes, size_t length, bool last, wr_decode_to *to,
               size_t *consumed)
{
    line_decoder *d = (line_decoder *) self;
    const char   *p = bytes, *end = bytes + length;
    weir_status   status = WEIR_OK;
    while (p < end && to->count < to->capacity && status == WEIR_OK) {
        const char *newline = memchr(p, '\n', (size_t) (end - p));
        const char *stop = newline != NULL ? newline : end;
        bool        whole = newline != NULL || last;
        if (!whole && !d->skipping && (size_t) (end - p) <= d->record_bytes_max + 1)
            break; /* one more for a carriage return */
        if (!d->skipping)
            status = line_take(d, p, (size_t) (stop - p), to);
        d->skipping = !whole;
        if (status == WEIR_OK)
            p = newline != NULL ? newline + 1 : end;
    }
    if (last)
        d->skipping = false;
    *consumed = (size_t) (p - bytes);
    return status;
}

static weir_status
decoder_freeze(const wr_decoder *self, wr_text *to)
{
    wr_text_putc(to, ((const line_decoder *) self)->skipping ? 1 : 0);
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
decoder_restore(wr_decoder *self, const char *bytes, size_t length)
{
    if (length != 1)
        return WEIR_CHECKPOINT_CORRUPT;
    ((line_decoder *) self)->skipping = *bytes != 0;
    return WEIR_OK;
}

static const wr_option decode_options[] = {
    { .name = "record_max",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_line_decode_config, record_bytes_max),
      .fallback = "1MiB",
      .low = 64,
      .high = WR_STRING_BYTES_MAX,
      .doc = "Lines that are longer are bad records." },
    { 0 },
};

const wr_decoder_ops wr_line_decoder_ops = {
    .name = "line",
    .options = decode_options,
    .config_bytes = sizeof(wr_line_decode_config),
    .create = decoder_create,
    .decode = decoder_decode,
    .freeze = decoder_freeze,
    .restore = decoder_restore,
    .destroy = decoder_destroy,
};

/* --- out --- */

typedef struct line_encoder {
    wr_encoder encoder; /* first */
    uint32_t   column;
} line_encoder;

static weir_status
encoder_create(const void *config, const wr_schema *schema, wr_budget *budget, wr_encoder **out,
               weir_error *err)
{
    int32_t column = text_column(schema);
    if (column < 0)
        return wr_error_set(err, WEIR_CONFIG_VALUE,
                            "the format line wants one column, of type text");
    line_encoder *e = wr_calloc(budget, 1, sizeof *e);
    if (e == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for an encoder of lines");
    e->encoder.ops = &wr_line_encoder_ops;
    e->column = (uint32_t) column;
    *out = &e->encoder;
    return WEIR_OK;
}

static void
encoder_destroy(wr_encoder *self)
{
    wr_free(self);
}

static void
line_put(wr_text *to, const char *s, size_t n)
{
    for (const char *end = s + n; s < end;) {
        const char *newline = memchr(s, '\n', (size_t) (end - s));
        const char *stop = newline != NULL ? newline : end;
        wr_text_append(to, s, (size_t) (stop - s));
        if (newline != NULL)
            wr_text_append(to, "\\n", 2);
        s = newline != NULL ? newline + 1 : end;
    }
    wr_text_putc(to, '\n');
}

static weir_status
encoder_encode(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *to,
               uint32_t *ends)
{
    line_encoder    *e = (line_encoder *) self;
    const wr_column *column = batch->columns[e->column];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = wr_batch_row(batch, from + i);
        for (int64_t times = wr_batch_diff(batch, row); times > 0; times--) {
            bool             null = column == NULL || wr_column_is_null(column, row);
            const wr_string *s = null ? NULL
                                      : &((const wr_string *) wr_column_base(column)
                                              ->data)[wr_column_index(column, row)];
            line_put(to, null ? "" : wr_string_data(s), null ? 0 : s->length);
        }
        if (ends != NULL)
            ends[i] = (uint32_t) to->length;
    }
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

static const wr_option encode_options[] = { { 0 } };

const wr_encoder_ops wr_line_encoder_ops = {
    .name = "line",
    .appends = true,
    .options = encode_options,
    .config_bytes = 1,
    .create = encoder_create,
    .encode = encoder_encode,
    .destroy = encoder_destroy,
};
