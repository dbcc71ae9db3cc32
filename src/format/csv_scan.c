/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_scan.c -- bytes of CSV and TSV to the fields of one record.
 *
 * Place       csv.c asks for a record; its fields are slices of the input, or of `unescaped` where
 *             quotes or backslashes stood in them.
 * Invariants  a scan reads no byte at or after `end`, and its fields hold until the next scan
 * Cost        16 bytes at a time between delimiters
 */
#include "format/csv_impl.h"

#include <emmintrin.h>

enum { FIELDS_MAX = 4096 };

weir_status
wr_csv_fields_reserve(wr_csv_decoder *d, uint32_t count)
{
    if (count <= d->fields_capacity)
        return WEIR_OK;
    wr_csv_field *fields = wr_realloc(d->budget, d->fields, count * sizeof *fields);
    if (fields == NULL)
        return WEIR_MEMORY;
    d->fields = fields;
    d->fields_capacity = count;
    return WEIR_OK;
}

/* The first delimiter, newline or quote (or backslash) at or after p; end when there is none. */
static inline const char *
special_find(const wr_csv_decoder *d, const char *p, const char *end)
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

/* A field that has quotes: from its first one at p on; text[from..p) stands before it. */
static wr_csv_scan
quoted_scan(wr_csv_decoder *d, const char *from, const char **at, const char *end)
{
    const char *p = *at;
    wr_text_append(&d->unescaped, from, (size_t) (p - from));
    for (;;) {
        p++;
        const char *close = memchr(p, d->quote, (size_t) (end - p));
        if (close == NULL) {
            *at = end;
            return WR_CSV_SCAN_OPEN;
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
    return p == end ? WR_CSV_SCAN_SHORT : *p == '\n' ? WR_CSV_SCAN_RECORD : WR_CSV_SCAN_FIELD;
}

/* A field that has backslashes, likewise. */
static wr_csv_scan
escaped_scan(wr_csv_decoder *d, const char *from, const char **at, const char *end)
{
    const char *p = *at;
    wr_text_append(&d->unescaped, from, (size_t) (p - from));
    while (p < end && *p == '\\') {
        if (++p == end)
            break;
        wr_text_putc(&d->unescaped, wr_csv_unescape(*p));
        const char *run = ++p;
        p = special_find(d, p, end);
        wr_text_append(&d->unescaped, run, (size_t) (p - run));
    }
    *at = p;
    return p == end ? WR_CSV_SCAN_SHORT : *p == '\n' ? WR_CSV_SCAN_RECORD : WR_CSV_SCAN_FIELD;
}

/* The field at *at: noted, and *at moves to what ended it. */
static wr_csv_scan
field_scan(wr_csv_decoder *d, const char **at, const char *end)
{
    const char *from = *at, *p = special_find(d, from, end);
    size_t      before = d->unescaped.length;
    wr_csv_scan ended = p == end      ? WR_CSV_SCAN_SHORT
                        : *p == '\n' ? WR_CSV_SCAN_RECORD
                                     : WR_CSV_SCAN_FIELD;
    uint32_t    i = d->fields_read;
    bool        plain = p == end || *p == '\n' || *p == d->delimiter;
    *at = p;
    if (!plain)
        ended = d->quote != '\0' ? quoted_scan(d, from, at, end) : escaped_scan(d, from, at, end);
    if (!wr_text_ok(&d->unescaped))
        return WR_CSV_SCAN_MEMORY;
    /* only a header may have more fields than there are columns */
    if (d->header_wanted && i == d->fields_capacity && i < FIELDS_MAX &&
        wr_csv_fields_reserve(d, WR_MIN(2 * i + 16, (uint32_t) FIELDS_MAX)) != WEIR_OK)
        return WR_CSV_SCAN_MEMORY;
    if (i < d->fields_capacity) {
        uint32_t length = (uint32_t) (*at - from);
        d->fields[i] = (wr_csv_field){ from, from, length, length, before, plain };
        if (!plain)
            d->fields[i].length = (uint32_t) (d->unescaped.length - before);
    }
    d->fields_read++;
    return ended;
}

wr_csv_scan
wr_csv_record_scan(wr_csv_decoder *d, const char *p, const char *end, const char **after)
{
    wr_csv_scan what;
    d->fields_read = 0;
    wr_text_clear(&d->unescaped);
    while ((what = field_scan(d, &p, end)) == WR_CSV_SCAN_FIELD)
        p++;
    *after = what == WR_CSV_SCAN_RECORD ? p + 1 : p;
    if (what != WR_CSV_SCAN_RECORD && what != WR_CSV_SCAN_SHORT)
        return what;
    uint32_t count = WR_MIN(d->fields_read, d->fields_capacity);
    for (uint32_t i = 0; i < count; i++)
        if (!d->fields[i].plain)
            d->fields[i].text = wr_text_string(&d->unescaped) + d->fields[i].unescaped_at;
    wr_csv_field *last = count > 0 ? &d->fields[count - 1] : NULL;
    if (last != NULL && d->fields_read == count && last->raw_length > 0 &&
        last->raw[last->raw_length - 1] == '\r' && last->length > 0) {
        last->length--; /* the line ends with CR LF */
        last->raw_length--;
    }
    return what;
}
