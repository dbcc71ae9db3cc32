/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_value.c -- JSON tokens, and their way into cells.
 *
 * Two kinds of trouble are kept apart: a fault ends the parse (the text is not JSON, or ends too
 * early), a bad value only makes its record bad, so that what follows on the line is still read.
 */
#include "format/json_impl.h"

#include "format/utf8_impl.h"

#include <emmintrin.h>
#include <stdio.h>

const char *
wr_json_fault(json_decoder *d, json_fault_kind kind, const char *at, const char *text)
{
    d->fault = kind;
    d->fault_at = at;
    d->fault_text = text;
    return NULL;
}

void
wr_json_bad(json_decoder *d, weir_status code, int32_t field, const char *text)
{
    if (code == WEIR_MEMORY) {
        wr_json_fault(d, JSON_MEMORY, d->begin, "");
        return;
    }
    if (d->bad_code != WEIR_OK)
        return;
    d->bad_code = code;
    d->bad_field = field;
    if (field >= 0)
        snprintf(d->bad_text, sizeof d->bad_text, "field %s: %s", d->schema->fields[field].name,
                 text);
    else
        snprintf(d->bad_text, sizeof d->bad_text, "%s", text);
}

/* --- strings --- */

/* The first quote, backslash or control character at or after p; end when there is none.
 * *high: a byte above 0x7f was passed. */
static const char *
string_special(const char *p, const char *end, bool *high)
{
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        __m128i  v = _mm_loadu_si128((const __m128i *) p);
        __m128i  low = _mm_cmpeq_epi8(_mm_min_epu8(v, control), v);
        __m128i  hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), low),
                                    _mm_cmpeq_epi8(v, slash));
        unsigned mask = (unsigned) _mm_movemask_epi8(hit);
        unsigned above = (unsigned) _mm_movemask_epi8(v);
        if (mask != 0) {
            unsigned at = (unsigned) __builtin_ctz(mask);
            *high |= (above & ((1u << at) - 1)) != 0;
            return p + at;
        }
        *high |= above != 0;
    }
    for (; p < end; p++) {
        unsigned char c = (unsigned char) *p;
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        *high |= c >= 0x80;
    }
    return p;
}

static int
hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int  h = c >= '0' && c <= '9'   ? c - '0'
                 : c >= 'a' && c <= 'f' ? c - 'a' + 10
                 : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                        : -1;
        if (h < 0)
            return -1;
        v = v << 4 | h;
    }
    return v;
}

/* What stands after "\u" at p, with the low half of a pair; appended.  The byte after, or NULL. */
static const char *
unicode_read(json_decoder *d, const char *p, const char *end)
{
    char to[4];
    if (end - p < 4)
        return wr_json_fault(d, JSON_SHORT, end, "");
    int c = hex4(p);
    if (c < 0)
        return wr_json_fault(d, JSON_SYNTAX, p, "\\u wants four hexadecimal digits");
    p += 4;
    if (c >= 0xd800 && c < 0xdc00) {
        if (end - p < 6)
            if (memchr(p, '"', (size_t) (end - p)) == NULL)
                return wr_json_fault(d, JSON_SHORT, end, "");
        int low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2) : -1;
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            p += 6;
        }
    }
    if (c == 0)
        wr_json_bad(d, WEIR_ROW_ENCODING, -1, "\\u0000 cannot be converted to text");
    if (c >= 0xd800 && c < 0xe000)
        wr_json_bad(d, WEIR_ROW_ENCODING, -1, "half of a Unicode surrogate pair");
    if (c == 0 || (c >= 0xd800 && c < 0xe000))
        c = 0xfffd;
    wr_text_append(&d->unescaped, to, wr_utf8_put((unsigned) c, to));
    return p;
}

/* The rest of a string from its first backslash at p, behind the plain bytes begin..p. */
static const char *
string_unescape(json_decoder *d, const char *begin, const char *p, const char *end, bool *high)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    wr_text_clear(&d->unescaped);
    wr_text_append(&d->unescaped, begin, (size_t) (p - begin));
    for (;;) {
        if (p == end)
            return wr_json_fault(d, JSON_SHORT, end, "");
        if (*p == '"')
            break;
        if (*p != '\\')
            return wr_json_fault(d, JSON_SYNTAX, p, "control character in a string");
        if (end - p < 2)
            return wr_json_fault(d, JSON_SHORT, end, "");
        const char *simple = p[1] != '\0' ? strchr(from, p[1]) : NULL;
        if (simple != NULL) {
            wr_text_putc(&d->unescaped, to[simple - from]);
            p += 2;
        } else if (p[1] != 'u') {
            return wr_json_fault(d, JSON_SYNTAX, p, "unknown escape in a string");
        } else if ((p = unicode_read(d, p + 2, end)) == NULL) {
            return NULL;
        }
        const char *run = p;
        p = string_special(p, end, high);
        wr_text_append(&d->unescaped, run, (size_t) (p - run));
    }
    if (!wr_text_ok(&d->unescaped))
        return wr_json_fault(d, JSON_MEMORY, p, "");
    return p;
}

const char *
wr_json_string_read(json_decoder *d, const char *p, const char *end, const char **s, size_t *n)
{
    const char *begin = ++p;
    bool        high = false;
    p = string_special(p, end, &high);
    *s = begin;
    *n = (size_t) (p - begin);
    if (p == end)
        return wr_json_fault(d, JSON_SHORT, end, "");
    if (*p != '"') {
        p = string_unescape(d, begin, p, end, &high);
        if (p == NULL)
            return NULL;
        *s = wr_text_string(&d->unescaped);
        *n = d->unescaped.length;
    }
    if (high && !wr_utf8_check(begin, (size_t) (p - begin)))
        wr_json_bad(d, WEIR_ROW_ENCODING, -1, "invalid byte sequence for UTF-8");
    return p + 1;
}

/* --- skipping --- */

static inline const char *
digits_skip(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

const char *
wr_json_number_skip(json_decoder *d, const char *p, const char *end)
{
    const char *q;
    p += *p == '-';
    if (p == end)
        return wr_json_fault(d, JSON_SHORT, end, "");
    q = *p == '0' ? p + 1 : digits_skip(p, end);
    if (q == p)
        return wr_json_fault(d, JSON_SYNTAX, p, "expected a value");
    if (q < end && *q >= '0' && *q <= '9')
        return wr_json_fault(d, JSON_SYNTAX, p, "a number begins with 0");
    if (q < end && *q == '.') {
        p = q + 1;
        q = digits_skip(p, end);
        if (q == p && q < end)
            return wr_json_fault(d, JSON_SYNTAX, q, "a number wants digits after its point");
    }
    if (q < end && (*q == 'e' || *q == 'E')) {
        p = q + 1;
        p += p < end && (*p == '+' || *p == '-');
        q = digits_skip(p, end);
        if (q == p && q < end)
            return wr_json_fault(d, JSON_SYNTAX, q, "a number wants digits in its exponent");
    }
    if (q >= end)
        return wr_json_fault(d, JSON_SHORT, end, "");
    return q;
}

/* true, false, null: the byte after, or NULL. */
static const char *
word_skip(json_decoder *d, const char *p, const char *end)
{
    const char *word = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
    size_t      length = strlen(word);
    for (size_t i = 0; i < length; i++) {
        if (p + i == end)
            return wr_json_fault(d, JSON_SHORT, end, "");
        if (p[i] != word[i])
            return wr_json_fault(d, JSON_SYNTAX, p, "expected a value");
    }
    return p + length;
}

static const char *
scalar_skip(json_decoder *d, const char *p, const char *end)
{
    const char *s;
    size_t      n;
    switch (*p) {
    case '"': return wr_json_string_read(d, p, end, &s, &n);
    case 't':
    case 'f':
    case 'n': return word_skip(d, p, end);
    default: return wr_json_number_skip(d, p, end);
    }
}

/* `"key" :` at p. */
static const char *
key_skip(json_decoder *d, const char *p, const char *end)
{
    const char *s;
    size_t      n;
    if (*p != '"')
        return wr_json_fault(d, JSON_SYNTAX, p, "expected a key in quotes");
    if ((p = wr_json_string_read(d, p, end, &s, &n)) == NULL)
        return NULL;
    p = json_blanks_skip(p, end);
    if (p == end)
        return wr_json_fault(d, JSON_SHORT, end, "");
    if (*p != ':')
        return wr_json_fault(d, JSON_SYNTAX, p, "expected ':'");
    return p + 1;
}

const char *
wr_json_value_skip(json_decoder *d, const char *p, const char *end, unsigned depth)
{
    uint64_t objects = 0; /* bit k: the container at depth k is an object */
    unsigned base = depth;
    for (;;) {
        p = json_blanks_skip(p, end); /* a value begins */
        if (p == end)
            return wr_json_fault(d, JSON_SHORT, end, "");
        if (*p == '{' || *p == '[') {
            bool object = *p == '{';
            if (++depth > JSON_DEPTH_MAX)
                return wr_json_fault(d, JSON_SYNTAX, p, "nested deeper than 64");
            objects = object ? objects | 1ull << (depth - 1) : objects & ~(1ull << (depth - 1));
            p = json_blanks_skip(p + 1, end);
            if (p == end)
                return wr_json_fault(d, JSON_SHORT, end, "");
            if (*p != (object ? '}' : ']')) {
                if (object && (p = key_skip(d, p, end)) == NULL)
                    return NULL;
                continue;
            }
            p++;
            depth--;
        } else if ((p = scalar_skip(d, p, end)) == NULL) {
            return NULL;
        }
        for (;;) { /* a value has ended */
            if (depth == base)
                return p;
            bool object = objects >> (depth - 1) & 1;
            p = json_blanks_skip(p, end);
            if (p == end)
                return wr_json_fault(d, JSON_SHORT, end, "");
            char c = *p++;
            if (c == (object ? '}' : ']')) {
                depth--;
                continue;
            }
            if (c != ',')
                return wr_json_fault(d, JSON_SYNTAX, p - 1,
                                     object ? "expected ',' or '}'" : "expected ',' or ']'");
            if (object) {
                p = json_blanks_skip(p, end);
                if (p == end)
                    return wr_json_fault(d, JSON_SHORT, end, "");
                if ((p = key_skip(d, p, end)) == NULL)
                    return NULL;
            }
            break;
        }
    }
}

/* --- leaves --- */

static const char *
leaf_read(json_decoder *d, const char *p, const char *end, int32_t field, unsigned depth)
{
    wr_cell    *cell = &d->cells[field];
    wr_column  *column = d->columns[field];
    const char *s, *q;
    size_t      n;
    weir_status status;
    bool        json = cell->kind == WR_CELL_JSON;
    d->scratch.error.text[0] = '\0';
    switch (*p) {
    case '"':
        if ((q = wr_json_string_read(d, p, end, &s, &n)) == NULL || d->bad_code != WEIR_OK)
            return q;
        status = json ? wr_cell_put_json(cell, column, d->shapes.row, p, (size_t) (q - p), &d->scratch)
                      : wr_cell_put_text(cell, column, d->shapes.row, s, n, &d->scratch);
        break;
    case '{':
    case '[':
        if ((q = wr_json_value_skip(d, p, end, depth)) == NULL || d->bad_code != WEIR_OK)
            return q;
        status = wr_cell_put_json(cell, column, d->shapes.row, p, (size_t) (q - p), &d->scratch);
        break;
    case 't':
    case 'f':
    case 'n':
        if ((q = word_skip(d, p, end)) == NULL)
            return NULL;
        if (*p == 'n')
            status = wr_cell_put_null(cell, column, d->shapes.row, &d->scratch);
        else if (json)
            status = wr_cell_put_json(cell, column, d->shapes.row, p, (size_t) (q - p), &d->scratch);
        else
            status = wr_cell_put_bool(cell, column, d->shapes.row, *p == 't', &d->scratch);
        break;
    default:
        if ((q = wr_json_number_skip(d, p, end)) == NULL)
            return NULL;
        if (json || cell->kind == WR_CELL_ARRAY)
            status = wr_cell_put_json(cell, column, d->shapes.row, p, (size_t) (q - p), &d->scratch);
        else
            status = wr_cell_put_number(cell, column, d->shapes.row, p, (size_t) (q - p), &d->scratch);
        break;
    }
    if (status != WEIR_OK)
        wr_json_bad(d, status, field,
                    d->scratch.error.text[0] != '\0' ? d->scratch.error.text
                                                     : weir_status_text(status));
    return d->fault == JSON_MEMORY ? NULL : q;
}

const char *
wr_json_leaf_read(json_decoder *d, const char *p, const char *end, int32_t field, unsigned depth)
{
    const char *q = NULL;
    for (; field >= 0; field = d->paths.field_next[field])
        if ((q = leaf_read(d, p, end, field, depth)) == NULL)
            return NULL;
    return q;
}
