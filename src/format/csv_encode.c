/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_encode.c -- batches as comma- and tab-separated values (see csv.h).
 *
 * Invariants  V1  what the decoder of the same settings reads back is the same row
 *             V2  a record ends with a newline; newlines inside a csv field stand in quotes
 *             V3  hidden columns are not written
 */
#include "data/datetime.h"
#include "format/csv.h"
#include "format/print_impl.h"

#include <emmintrin.h>
#include <string.h>

enum { OP_AUTO, OP_NONE };

typedef struct csv_encoder {
    wr_encoder       encoder; /* first */
    const wr_schema *schema;
    char             delimiter, quote; /* quote '\0': backslash escapes */
    const char      *null_text;
    size_t           null_length;
    bool             header, with_op, skip_deletes;
    wr_print_day     day;
    wr_arena         scratch;
} csv_encoder;

static weir_status
config_check(const void *config, weir_error *err)
{
    const wr_csv_encode_config *c = config;
    return wr_csv_dialect_check(c->delimiter, c->quote, err);
}

static weir_status
encoder_create(const void *config, const wr_schema *schema, wr_budget *budget,
               const wr_encoder_ops *ops, wr_encoder **out, weir_error *err)
{
    const wr_csv_encode_config *c = config;
    WR_TRY(config_check(config, err));
    csv_encoder *e = wr_calloc(budget, 1, sizeof *e);
    if (e == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a CSV encoder");
    e->encoder.ops = ops;
    e->schema = schema;
    e->delimiter = *c->delimiter;
    e->quote = *c->quote;
    e->null_text = c->null_text != NULL ? c->null_text : "";
    e->null_length = strlen(e->null_text);
    e->header = c->header;
    e->with_op = schema->kind != WR_INSERT_ONLY && c->op == OP_AUTO;
    e->skip_deletes = schema->kind != WR_INSERT_ONLY && c->op == OP_NONE;
    wr_arena_init(&e->scratch, budget);
    *out = &e->encoder;
    return WEIR_OK;
}

static weir_status
csv_create(const void *config, const wr_schema *schema, wr_budget *budget, wr_encoder **out,
           weir_error *err)
{
    return encoder_create(config, schema, budget, &wr_csv_encoder_ops, out, err);
}

static weir_status
tsv_create(const void *config, const wr_schema *schema, wr_budget *budget, wr_encoder **out,
           weir_error *err)
{
    return encoder_create(config, schema, budget, &wr_tsv_encoder_ops, out, err);
}

static void
encoder_destroy(wr_encoder *self)
{
    csv_encoder *e = (csv_encoder *) self;
    if (e == NULL)
        return;
    wr_arena_fini(&e->scratch);
    wr_free(e);
}

/* --- fields --- */

static void
quoted_put(const csv_encoder *e, wr_text *to, const char *s, size_t n)
{
    wr_text_putc(to, e->quote);
    for (const char *end = s + n; s < end;) {
        const char *quote = memchr(s, e->quote, (size_t) (end - s));
        const char *stop = quote != NULL ? quote + 1 : end;
        wr_text_append(to, s, (size_t) (stop - s));
        if (quote != NULL)
            wr_text_putc(to, e->quote);
        s = stop;
    }
    wr_text_putc(to, e->quote);
}

static void
escaped_put(const csv_encoder *e, wr_text *to, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        char name = c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : c;
        if (name != c || c == '\\' || c == e->delimiter)
            wr_text_append(to, (char[]){ '\\', name }, 2);
        else
            wr_text_putc(to, c);
    }
}

/* Is there a delimiter, a quote, or the end of a line among the n bytes at s? */
static bool
has_special(const csv_encoder *e, const char *s, size_t n)
{
    const __m128i delimiter = _mm_set1_epi8(e->delimiter), quote = _mm_set1_epi8(e->quote);
    const __m128i line = _mm_set1_epi8('\n'), carriage = _mm_set1_epi8('\r');
    char          last[16] = { 0 };
    while (n > 0) {
        const char *at = s;
        size_t      step = WR_MIN(n, (size_t) 16);
        if (step < 16)
            at = memcpy(last, s, step);
        __m128i  v = _mm_loadu_si128((const __m128i *) at);
        __m128i  a = _mm_or_si128(_mm_cmpeq_epi8(v, delimiter), _mm_cmpeq_epi8(v, quote));
        __m128i  b = _mm_or_si128(_mm_cmpeq_epi8(v, line), _mm_cmpeq_epi8(v, carriage));
        unsigned hit = (unsigned) _mm_movemask_epi8(_mm_or_si128(a, b));
        if ((hit & ((1u << step) - 1)) != 0)
            return true;
        s += step;
        n -= step;
    }
    return false;
}

/* A field that is not NULL. */
static void
field_put(const csv_encoder *e, wr_text *to, const char *s, size_t n)
{
    if (e->quote == '\0') {
        escaped_put(e, to, s, n);
        return;
    }
    if ((n == e->null_length && memcmp(s, e->null_text, n) == 0) || has_special(e, s, n))
        quoted_put(e, to, s, n);
    else
        wr_text_append(to, s, n);
}

/* The short ways; false: by wr_value_print. */
static bool
fast_put(csv_encoder *e, wr_text *to, const wr_column *base, uint32_t i)
{
    char        text[WR_PRINT_MAX * 2], *after = text;
    const void *data = base->data;
    switch ((wr_type_id) base->type.id) {
    case WR_INT2: after = wr_print_integer(((const int16_t *) data)[i], text); break;
    case WR_INT4: after = wr_print_integer(((const int32_t *) data)[i], text); break;
    case WR_INT8: after = wr_print_integer(((const int64_t *) data)[i], text); break;
    case WR_NUMERIC:
        if (base->form == WR_NUM || base->scale > 38)
            return false;
        after = wr_print_decimal(base->form == WR_DEC64 ? ((const int64_t *) data)[i]
                                                        : ((const wr_int128 *) data)[i],
                                 base->scale, text);
        break;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        after = wr_print_stamp(&e->day, ((const int64_t *) data)[i], ' ',
                               base->type.id == WR_TIMESTAMPTZ ? "+00" : "", text);
        break;
    case WR_TEXT: {
        const wr_string *s = &((const wr_string *) data)[i];
        field_put(e, to, wr_string_data(s), s->length);
        return true;
    }
    default: return false;
    }
    if (after == NULL)
        return false;
    field_put(e, to, text, (size_t) (after - text));
    return true;
}

static weir_status
value_put(csv_encoder *e, wr_text *to, const wr_column *column, uint32_t row)
{
    wr_value value;
    wr_text  text;
    if (column == NULL || wr_column_is_null(column, row)) {
        wr_text_append(to, e->null_text, e->null_length);
        return WEIR_OK;
    }
    if (fast_put(e, to, wr_column_base(column), wr_column_index(column, row)))
        return WEIR_OK;
    wr_arena_reset(&e->scratch);
    WR_TRY(wr_column_get_value(column, row, &e->scratch, &value));
    wr_text_init(&text, to->budget);
    wr_value_print(&value, &text);
    field_put(e, to, wr_text_string(&text), text.length);
    bool good = wr_text_ok(&text);
    wr_text_fini(&text);
    return good ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
encoder_begin(wr_encoder *self, wr_text *to)
{
    csv_encoder *e = (csv_encoder *) self;
    if (!e->header)
        return WEIR_OK;
    bool begun = e->with_op;
    if (e->with_op)
        wr_text_puts(to, "_op");
    for (uint32_t c = 0; c < e->schema->field_count; c++) {
        const char *name = e->schema->fields[c].name;
        if (e->schema->fields[c].hidden)
            continue;
        if (begun)
            wr_text_putc(to, e->delimiter);
        begun = true;
        field_put(e, to, name, strlen(name));
    }
    wr_text_putc(to, '\n');
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
row_put(csv_encoder *e, wr_text *to, const wr_batch *batch, uint32_t row, bool plus)
{
    bool begun = e->with_op;
    if (e->with_op)
        wr_text_putc(to, plus ? '+' : '-');
    for (uint32_t c = 0; c < e->schema->field_count; c++) {
        if (e->schema->fields[c].hidden)
            continue;
        if (begun)
            wr_text_putc(to, e->delimiter);
        begun = true;
        WR_TRY(value_put(e, to, batch->columns[c], row));
    }
    wr_text_putc(to, '\n');
    return WEIR_OK;
}

static weir_status
encoder_encode(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *to,
               uint32_t *ends)
{
    csv_encoder *e = (csv_encoder *) self;
    wr_assert(from + count <= batch->row_count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = wr_batch_row(batch, from + i);
        int64_t  diff = wr_batch_diff(batch, row), times = diff < 0 ? -diff : diff;
        if (diff < 0 && e->skip_deletes)
            times = 0;
        for (; times > 0; times--)
            WR_TRY(row_put(e, to, batch, row, diff > 0));
        if (ends != NULL)
            ends[i] = (uint32_t) to->length;
    }
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

#define CSV_OPTIONS(DELIMITER, QUOTE, NULL_TEXT)                                                   \
    {                                                                                              \
        { .name = "header",                                                                        \
          .type = WR_OPT_BOOL,                                                                     \
          .offset = offsetof(wr_csv_encode_config, header),                                        \
          .fallback = "false",                                                                     \
          .doc = "Begin with a record of the columns' names." },                                   \
            { .name = "delimiter",                                                                 \
              .type = WR_OPT_STRING,                                                               \
              .offset = offsetof(wr_csv_encode_config, delimiter),                                 \
              .fallback = DELIMITER,                                                               \
              .doc = "What stands between two fields: one byte." },                                \
            { .name = "quote",                                                                     \
              .type = WR_OPT_STRING,                                                               \
              .offset = offsetof(wr_csv_encode_config, quote),                                     \
              .fallback = QUOTE,                                                                   \
              .doc =                                                                               \
                  "What stands around fields with delimiters in them; \"\": backslash escapes." }, \
            { .name = "null",                                                                      \
              .type = WR_OPT_STRING,                                                               \
              .offset = offsetof(wr_csv_encode_config, null_text),                                 \
              .fallback = NULL_TEXT,                                                               \
              .doc = "The unquoted field that is NULL." },                                         \
            { .name = "op",                                                                        \
              .type = WR_OPT_ENUM,                                                                 \
              .offset = offsetof(wr_csv_encode_config, op),                                        \
              .fallback = "auto",                                                                  \
              .choices = "auto|none",                                                              \
              .doc = "Write _op into rows that change or delete others; none: write new rows "     \
                     "alone." },                                                                   \
            { 0 },                                                                                 \
    }

static const wr_option csv_options[] = CSV_OPTIONS(",", "\"", "");
static const wr_option tsv_options[] = CSV_OPTIONS("\t", "", "\\N");

const wr_encoder_ops wr_csv_encoder_ops = {
    .name = "csv",
    .options = csv_options,
    .config_bytes = sizeof(wr_csv_encode_config),
    .check = config_check,
    .create = csv_create,
    .begin = encoder_begin,
    .encode = encoder_encode,
    .destroy = encoder_destroy,
};

const wr_encoder_ops wr_tsv_encoder_ops = {
    .name = "tsv",
    .options = tsv_options,
    .config_bytes = sizeof(wr_csv_encode_config),
    .check = config_check,
    .create = tsv_create,
    .begin = encoder_begin,
    .encode = encoder_encode,
    .destroy = encoder_destroy,
};
