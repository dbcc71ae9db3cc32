/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_column.c -- the fields of a run into their columns, a column at a time (see csv_run_impl.h).
 *
 * Each loop takes one field of every record.  What its short way does not know goes through wr_cell_put_text, as
 * in csv_row.c; what that refuses ends the run before its record, for csv.c to say what is wrong.
 *
 * Invariants  R1 of csv_run_impl.h
 * Cost        3 to 6 ns a number, a time of day or a short text; a longer text what its bytes cost
 */
#include "format/csv_run_impl.h"
#include "format/number_kernel_impl.h"

#include <string.h>

/* One field as the loops see it. */
typedef struct slice {
    const char *at;
    uint32_t    length;
    bool        null;
} slice;

typedef struct reader {
    wr_csv_decoder   *d;
    const wr_csv_run *run;
    const uint16_t   *ends; /* of this field in the first record */
    uint32_t          stride, rows, row; /* row: of the column, of the first record */
    bool              last; /* the record's last field: a CR before the newline is none of its bytes */
    wr_cell          *cell;
    wr_column        *column;
} reader;

/* --- fields in quotes, or with backslashes --- */

static bool
any_quoted(const wr_csv_run *run, uint32_t from, uint32_t to)
{
    for (; from < to; from = (from | 63) + 1) {
        uint64_t m = run->quoted[from >> 6] >> (from & 63);
        uint32_t n = WR_MIN(to - from, 64 - (from & 63));
        if ((m & (n == 64 ? UINT64_MAX : (1ull << n) - 1)) != 0)
            return true;
    }
    return false;
}

/* What the field means, written at `to`: the bytes there. */
static uint32_t
quotes_take(const char *s, uint32_t n, char quote, char *to)
{
    uint32_t length = 0;
    bool     inside = false;
    for (uint32_t i = 0; i < n; i++) {
        if (s[i] != quote)
            to[length++] = s[i];
        else if (inside && i + 1 < n && s[i + 1] == quote)
            to[length++] = s[i++]; /* a doubled one */
        else
            inside = !inside;
    }
    return length;
}

static uint32_t
escapes_take(const char *s, uint32_t n, char *to)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < n; i++)
        to[length++] = s[i] != '\\' ? s[i] : ++i < n ? wr_csv_unescape(s[i]) : '\\';
    return length;
}

/* False: no memory. */
static bool
slice_resolve(const reader *r, slice *s)
{
    const char quote = r->d->quote;
    if (quote != '\0' && s->length >= 2 && s->at[0] == quote && s->at[s->length - 1] == quote &&
        memchr(s->at + 1, quote, s->length - 2) == NULL) {
        s->at++; /* all of it in quotes, and no other quote */
        s->length -= 2;
        return true;
    }
    char *to = wr_arena_alloc(&r->d->scratch.arena, s->length + WR_CSV_AHEAD);
    if (to == NULL)
        return false;
    s->length = quote != '\0' ? quotes_take(s->at, s->length, quote, to)
                              : escapes_take(s->at, s->length, to);
    s->at = to;
    return true;
}

/* The field of record i.  quotes, returns: the run has some. */
static inline __attribute__((always_inline)) bool
slice_get(const reader *r, uint32_t i, bool plain, slice *out)
{
    const uint16_t *end = r->ends + (size_t) i * r->stride;
    uint32_t        from = (uint32_t) (uint16_t) (end[-1] + 1), to = *end;
    const char     *at = r->run->base + from;
    if (!plain && r->last && to > from && at[to - from - 1] == '\r')
        to--;
    uint32_t length = to - from;
    *out = (slice) { at, length, false };
    bool bare = plain || !any_quoted(r->run, from, to);
    if (bare || r->d->quote == '\0')
        out->null = length == r->d->null_length &&
                    (length == 0 || memcmp(at, r->d->null_text, length) == 0);
    return bare || out->null || slice_resolve(r, out);
}

/* --- the short ways: true when they could --- */

static inline bool
integer_take(const slice *s, int64_t *v)
{
    uint64_t u;
    bool     negative = *s->at == '-';
    uint32_t n = s->length - negative;
    if (n - 1 > 15 || !number_exact(s->at + negative, n, &u))
        return false;
    *v = negative ? -(int64_t) u : (int64_t) u;
    return true;
}

static inline bool
take_int8(const reader *r, uint32_t row, const slice *s)
{
    return integer_take(s, &((int64_t *) r->column->data)[row]);
}

static inline bool
take_int4(const reader *r, uint32_t row, const slice *s)
{
    int64_t v;
    if (!integer_take(s, &v) || v != (int32_t) v)
        return false;
    ((int32_t *) r->column->data)[row] = (int32_t) v;
    return true;
}

static inline bool
take_int2(const reader *r, uint32_t row, const slice *s)
{
    int64_t v;
    if (!integer_take(s, &v) || v != (int16_t) v)
        return false;
    ((int16_t *) r->column->data)[row] = (int16_t) v;
    return true;
}

static inline bool
take_float8(const reader *r, uint32_t row, const slice *s)
{
    int64_t  v;
    unsigned scale;
    if (!number_decimal(s->at, s->length, &v, &scale) || (v == 0 && *s->at == '-'))
        return false;
    /* both are exact, so the quotient is rounded once (Clinger 1990) */
    ((double *) r->column->data)[row] = (double) v / (double) number_power10[scale];
    return true;
}

static inline bool
take_numeric(const reader *r, uint32_t row, const slice *s)
{
    int64_t  v;
    unsigned scale;
    return number_decimal(s->at, s->length, &v, &scale) &&
           wr_cell_store_decimal(r->cell, r->column, row, v, (int) scale);
}

static inline bool
take_stamp(const reader *r, uint32_t row, const slice *s)
{
    /* as PostgreSQL writes UTC; without a time zone it means nothing */
    uint32_t n = s->length > 22 && memcmp(s->at + s->length - 3, "+00", 3) == 0 ? s->length - 3 : s->length;
    if (n < s->length && s->at[n - 1] == 'Z')
        return false;
    return wr_cell_read_stamp(r->cell, s->at, n, &((wr_time *) r->column->data)[row]);
}

static inline bool
take_date(const reader *r, uint32_t row, const slice *s)
{
    if (s->length != 10 ||
        !((r->cell->day_known && memcmp(s->at, r->cell->day_text, 10) == 0) || wr_cell_read_day(r->cell, s->at)))
        return false;
    ((int32_t *) r->column->data)[row] = (int32_t) r->cell->day;
    return true;
}

static inline bool
take_bool(const reader *r, uint32_t row, const slice *s)
{
    bool yes = (s->length == 1 && *s->at == 't') || (s->length == 4 && memcmp(s->at, "true", 4) == 0);
    bool no = (s->length == 1 && *s->at == 'f') || (s->length == 5 && memcmp(s->at, "false", 5) == 0);
    if (!yes && !no)
        return false;
    ((bool *) r->column->data)[row] = yes;
    return true;
}

/* 0xff for the first n bytes, n in 0..16, at text_mask + 16 - n. */
static const uint8_t text_mask[32] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

/* A text that fits inline; a longer one goes through the heap. */
static inline bool
take_text(const reader *r, uint32_t row, const slice *s)
{
    if (s->length > WR_STRING_INLINE_MAX || s->length > r->cell->characters_max)
        return false;
    __m128i v = _mm_loadu_si128((const __m128i *) s->at);
    v = _mm_and_si128(v, _mm_loadu_si128((const __m128i *) (text_mask + 16 - s->length)));
    v = _mm_or_si128(_mm_slli_si128(v, 4), _mm_cvtsi32_si128((int) s->length));
    _mm_storeu_si128((__m128i *) ((wr_string *) r->column->data + row), v);
    return true;
}

/* --- the loops --- */

/* The long way, as csv_row.c has it. */
static weir_status
field_put(const reader *r, uint32_t row, const slice *s)
{
    wr_csv_decoder *d = r->d;
    if (s->null)
        return wr_cell_put_null(r->cell, r->column, row, &d->scratch);
    if (r->cell->unit != WR_UNIT_NONE && wr_csv_is_number(s->at, s->length) &&
        (r->cell->kind == WR_CELL_STAMP || r->cell->kind == WR_CELL_DATE))
        return wr_cell_put_number(r->cell, r->column, row, s->at, s->length, &d->scratch);
    return wr_cell_put_text(r->cell, r->column, row, s->at, s->length, &d->scratch);
}

/* Every record's field; take is known where this is called, and inlined.  *done: how many could be read. */
static inline __attribute__((always_inline)) weir_status
fields_read(const reader *r, bool (*take)(const reader *, uint32_t, const slice *), bool plain, uint32_t *done)
{
    wr_column *c = r->column;
    slice      s;
    for (uint32_t i = 0; i < r->rows; i++) {
        uint32_t row = r->row + i;
        if (!slice_get(r, i, plain, &s))
            return WEIR_MEMORY;
        if (WR_LIKELY(!s.null && take(r, row, &s))) {
            wr_cell_mark(c, row);
            continue;
        }
        weir_status status = field_put(r, row, &s);
        if (status == WEIR_MEMORY)
            return status;
        if (status != WEIR_OK) {
            *done = i;
            return WEIR_OK;
        }
    }
    *done = r->rows;
    return WEIR_OK;
}

static inline bool
take_none(const reader *r, uint32_t row, const slice *s)
{
    (void) r;
    (void) row;
    (void) s;
    return false;
}

/* Long texts of plain fields, side by side into one piece of the heap. */
static weir_status
texts_read(const reader *r, uint32_t *done)
{
    wr_column *c = r->column;
    wr_string *to = c->data;
    size_t     bytes = 0;
    slice      s;
    for (uint32_t i = 0; i < r->rows; i++) {
        const uint16_t *end = r->ends + (size_t) i * r->stride;
        uint32_t        n = (uint16_t) (*end - end[-1] - 1);
        bytes += n > WR_STRING_INLINE_MAX ? n : 0;
    }
    char *heap = bytes > 0 ? wr_column_heap_alloc(c, bytes + 16) : NULL;
    if (bytes > 0 && heap == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < r->rows; i++) {
        uint32_t row = r->row + i;
        (void) slice_get(r, i, true, &s);
        if (s.null || s.length > r->cell->characters_max) {
            weir_status status = field_put(r, row, &s);
            if (status == WEIR_MEMORY)
                return status;
            if (status != WEIR_OK) {
                *done = i;
                return WEIR_OK;
            }
            continue;
        }
        wr_cell_mark(c, row);
        if (take_text(r, row, &s))
            continue;
        for (uint32_t at = 0; at < s.length; at += 16) /* up to 15 bytes too many: the next text's place */
            _mm_storeu_si128((__m128i *) (heap + at), _mm_loadu_si128((const __m128i *) (s.at + at)));
        to[row].length = s.length;
        memcpy(to[row].prefix, s.at, sizeof to[row].prefix);
        to[row].pointer = heap;
        heap += s.length;
    }
    *done = r->rows;
    return WEIR_OK;
}

static weir_status
column_plain(const reader *r, uint32_t *done)
{
    switch ((wr_cell_kind) r->cell->kind) {
    case WR_CELL_INT8: return fields_read(r, take_int8, true, done);
    case WR_CELL_INT4: return fields_read(r, take_int4, true, done);
    case WR_CELL_INT2: return fields_read(r, take_int2, true, done);
    case WR_CELL_FLOAT8: return fields_read(r, take_float8, true, done);
    case WR_CELL_NUMERIC: return fields_read(r, take_numeric, true, done);
    case WR_CELL_STAMP: return fields_read(r, take_stamp, true, done);
    case WR_CELL_DATE: return fields_read(r, take_date, true, done);
    case WR_CELL_BOOL: return fields_read(r, take_bool, true, done);
    case WR_CELL_TEXT: return texts_read(r, done);
    default: return fields_read(r, take_none, true, done);
    }
}

/* Where quotes, backslashes or CRs are about. */
static weir_status
column_mixed(const reader *r, uint32_t *done)
{
    switch ((wr_cell_kind) r->cell->kind) {
    case WR_CELL_INT8: return fields_read(r, take_int8, false, done);
    case WR_CELL_TEXT: return fields_read(r, take_text, false, done);
    case WR_CELL_NUMERIC: return fields_read(r, take_numeric, false, done);
    case WR_CELL_STAMP: return fields_read(r, take_stamp, false, done);
    default: return fields_read(r, take_none, false, done);
    }
}

/* NULL for a column that no field gives. */
static weir_status
column_absent(wr_csv_decoder *d, wr_decode_to *to, uint32_t column, uint32_t *rows)
{
    for (uint32_t i = 0; i < *rows; i++) {
        weir_status status = wr_cell_put_null(&d->cells[column], to->columns[column], to->count + i, &d->scratch);
        if (status == WEIR_MEMORY)
            return status;
        if (status != WEIR_OK)
            *rows = i;
    }
    return WEIR_OK;
}

weir_status
wr_csv_columns_put(wr_csv_decoder *d, wr_csv_run *run, wr_decode_to *to, uint32_t *rows)
{
    wr_arena_reset(&d->scratch.arena);
    for (uint32_t f = 0; f < d->field_count; f++) {
        int32_t  c = d->column_of[f];
        uint32_t done = 0;
        if (c == WR_CSV_NO_COLUMN)
            continue;
        reader r = { .d = d,
                     .run = run,
                     .ends = wr_csv_run_ends(run) + f,
                     .stride = d->field_count,
                     .rows = *rows,
                     .row = to->count,
                     .last = f + 1 == d->field_count,
                     .cell = &d->cells[c],
                     .column = to->columns[c] };
        bool plain = !run->quotes && !(run->returns && r.last);
        WR_TRY(plain ? column_plain(&r, &done) : column_mixed(&r, &done));
        *rows = WR_MIN(*rows, done);
    }
    for (uint32_t c = 0; c < d->schema->field_count; c++)
        if (d->wanted[c] && !d->given[c])
            WR_TRY(column_absent(d, to, c, rows));
    return WEIR_OK;
}
