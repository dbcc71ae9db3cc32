/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_json_scan.c -- walking JSON text in place (see fn_json_impl.h).
 *
 * Place       called by expr/fn_json*.c.
 * State       none.
 */
#include "expr/fn_json_impl.h"

#include <emmintrin.h>

static inline bool
is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline const char *
skip_blanks(const char *s, const char *end)
{
    while (s < end && is_blank(*s))
        s++;
    return s;
}

/* s is behind the opening quote; returns the closing one, or end. */
static inline const char *
string_end(const char *s, const char *end)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    while (end - s >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) s);
        int     hits = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
        if (hits == 0) {
            s += 16;
            continue;
        }
        s += __builtin_ctz((unsigned) hits);
        if (*s == '"')
            return s;
        s += end - s >= 2 ? 2 : 1;
    }
    while (s < end && *s != '"')
        s += *s == '\\' && end - s >= 2 ? 2 : 1;
    return s;
}

/* Behind the closing bracket of the container that begins at s. */
static const char *
container_end(const char *s, const char *end)
{
    const __m128i quote = _mm_set1_epi8('"'), bit = _mm_set1_epi8(0x20);
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    uint32_t      depth = 0;
    while (s < end) {
        if (end - s >= 16) { /* brackets and braces differ in one bit */
            __m128i v = _mm_loadu_si128((const __m128i *) s), upper = _mm_or_si128(v, bit);
            int     hits = _mm_movemask_epi8(_mm_or_si128(
                _mm_cmpeq_epi8(v, quote),
                _mm_or_si128(_mm_cmpeq_epi8(upper, open), _mm_cmpeq_epi8(upper, close))));
            if (hits == 0) {
                s += 16;
                continue;
            }
            s += __builtin_ctz((unsigned) hits);
        }
        if (*s == '"') {
            s = string_end(s + 1, end);
            if (s == end)
                return end;
        } else if (*s == '{' || *s == '[') {
            depth++;
        } else if ((*s == '}' || *s == ']') && --depth == 0) {
            return s + 1;
        }
        s++;
    }
    return end;
}

/* Behind the value that begins at s. */
static inline const char *
value_end(const char *s, const char *end)
{
    if (s >= end)
        return end;
    if (*s == '"') {
        s = string_end(s + 1, end);
        return s < end ? s + 1 : end;
    }
    if (*s == '{' || *s == '[')
        return container_end(s, end);
    while (s < end && *s != ',' && *s != ']' && *s != '}' && !is_blank(*s))
        s++;
    return s;
}

wr_json_span
wr_span_root(const wr_string *document)
{
    const char *s = wr_string_data(document), *end = s + document->length;
    s = skip_blanks(s, end);
    while (end > s && is_blank(end[-1])) /* nothing else stands behind the value */
        end--;
    return (wr_json_span){ s, (size_t) (end - s) };
}

char
wr_span_kind(wr_json_span span)
{
    char c = span.length > 0 ? span.at[0] : 'n';
    return c == '-' || (c >= '0' && c <= '9') ? '0' : c;
}

void
wr_span_open(wr_json_span container, wr_json_cursor *cursor)
{
    cursor->at = container.at + (container.length > 0);
    cursor->end = container.at + container.length;
}

static inline bool
next_item(wr_json_cursor *cursor, wr_json_span *value)
{
    const char *s = skip_blanks(cursor->at, cursor->end);
    if (s < cursor->end && *s == ',')
        s = skip_blanks(s + 1, cursor->end);
    if (s >= cursor->end || *s == ']' || *s == '}')
        return false;
    cursor->at = value_end(s, cursor->end);
    *value = (wr_json_span){ s, (size_t) (cursor->at - s) };
    return cursor->at > s;
}

/* Like next_item, but stops before the member's value: cursor->at is its first byte. */
static inline bool
next_key(wr_json_cursor *cursor, wr_json_span *key)
{
    const char *end = cursor->end, *s = skip_blanks(cursor->at, end);
    if (s < end && *s == ',')
        s = skip_blanks(s + 1, end);
    if (s >= end || *s != '"')
        return false;
    const char *close = string_end(s + 1, end);
    if (close == end)
        return false;
    *key = (wr_json_span){ s + 1, (size_t) (close - s - 1) };
    s = skip_blanks(close + 1, end);
    if (s >= end || *s != ':')
        return false;
    cursor->at = skip_blanks(s + 1, end);
    return cursor->at < end;
}

static inline void
next_value(wr_json_cursor *cursor, wr_json_span *value)
{
    const char *s = cursor->at;
    cursor->at = value_end(s, cursor->end);
    *value = (wr_json_span){ s, (size_t) (cursor->at - s) };
}

bool
wr_span_next_item(wr_json_cursor *cursor, wr_json_span *value)
{
    return next_item(cursor, value);
}

bool
wr_span_next_member(wr_json_cursor *cursor, wr_json_span *key, wr_json_span *value)
{
    if (!next_key(cursor, key))
        return false;
    next_value(cursor, value);
    return value->length > 0;
}

uint32_t
wr_span_count(wr_json_span container)
{
    wr_json_cursor cursor;
    wr_json_span   key, value;
    uint32_t       count = 0;
    bool           object = wr_span_kind(container) == '{';
    wr_span_open(container, &cursor);
    while (object ? wr_span_next_member(&cursor, &key, &value) : wr_span_next_item(&cursor, &value))
        count++;
    return count;
}

/* --- escapes --- */

static int32_t
hex4(const char *s, const char *end)
{
    int32_t code = 0;
    if (end - s < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = s[i], lower = (char) (c | 0x20);
        if (c >= '0' && c <= '9')
            code = code << 4 | (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            code = code << 4 | (lower - 'a' + 10);
        else
            return -1;
    }
    return code;
}

/* The code point escaped at s, just behind its backslash; *next is behind the escape.
 * -1: half a surrogate pair or no escape. */
static int32_t
escape_code(const char *s, const char *end, const char **next)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    *next = s + 1;
    if (s >= end)
        return -1;
    if (*s != 'u') {
        const char *found = memchr(letters, *s, sizeof letters - 1);
        return found != NULL ? meanings[found - letters] : -1;
    }
    int32_t code = hex4(s + 1, end), low;
    if (code < 0)
        return -1;
    *next = s + 5;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code > 0xdbff || end - s < 11 || s[5] != '\\' || s[6] != 'u' ||
        (low = hex4(s + 7, end)) < 0xdc00 || low > 0xdfff)
        return -1;
    *next = s + 11;
    return 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
}

bool
wr_span_string_is(wr_json_span raw, const char *bytes, size_t length)
{
    const char *s = raw.at, *end = s + raw.length, *want = bytes, *want_end = bytes + length;
    if (raw.length == length && memcmp(raw.at, bytes, length) == 0)
        return length == 0 || memchr(bytes, '\\', length) == NULL;
    if (raw.length <= length || memchr(s, '\\', raw.length) == NULL)
        return false;
    while (s < end) {
        char   piece[4];
        size_t n = 1;
        piece[0] = *s;
        if (*s++ == '\\') {
            int32_t code = escape_code(s, end, &s);
            if (code < 0)
                return false;
            n = wr_fn_char_encode((uint32_t) code, piece);
        }
        if ((size_t) (want_end - want) < n || memcmp(want, piece, n) != 0)
            return false;
        want += n;
    }
    return want == want_end;
}

weir_status
wr_span_unescape(wr_eval *eval, uint32_t row, wr_json_span raw, wr_string *out)
{
    const char *s = raw.at, *end = s + raw.length;
    char       *room, *at;
    if (raw.length == 0 || memchr(s, '\\', raw.length) == NULL) {
        *out = wr_string_make(s, raw.length);
        return WEIR_OK;
    }
    WR_TRY(wr_fn_room(eval, row, raw.length, &room)); /* an escape never grows */
    at = room;
    while (s < end) {
        if (*s != '\\') {
            *at++ = *s++;
            continue;
        }
        int32_t code = escape_code(s + 1, end, &s);
        if (code == 0)
            return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                "unsupported Unicode escape sequence");
        if (code < 0)
            return wr_eval_fail(eval, row, WEIR_ROW_TYPE, "invalid input syntax for type json");
        at += wr_fn_char_encode((uint32_t) code, at);
    }
    *out = wr_string_make(room, (size_t) (at - room));
    return WEIR_OK;
}

weir_status
wr_span_give_text(wr_eval *eval, uint32_t row, wr_json_span span, wr_value *out)
{
    switch (wr_span_kind(span)) {
    case 'n': return fn_give_null(out);
    case '"':
        return wr_span_unescape(eval, row, (wr_json_span){ span.at + 1, span.length - 2 },
                                &out->string);
    default: return fn_give(out, span.at, span.length);
    }
}

/* --- finding --- */

bool
wr_span_member(wr_json_span object, const char *key, size_t length, wr_json_span *value)
{
    wr_json_cursor cursor;
    wr_json_span   name, at;
    bool           found = false;
    wr_span_open(object, &cursor);
    while (next_key(&cursor, &name)) {
        next_value(&cursor, &at);
        /* A raw name is never shorter than what it stands for. */
        if (name.length >= length && wr_span_string_is(name, key, length)) {
            *value = at;
            found = true; /* a later one of the same name wins */
        }
    }
    return found;
}

bool
wr_span_member_sorted(wr_json_span object, const char *key, size_t length, wr_json_span *value)
{
    wr_json_cursor cursor;
    wr_json_span   name;
    wr_span_open(object, &cursor);
    while (next_key(&cursor, &name)) {
        if (name.length >= length && wr_span_string_is(name, key, length)) {
            next_value(&cursor, value);
            return true;
        }
        /* The shorter name stands first: what is longer without an escape ends the search. */
        if (name.length > length && memchr(name.at, '\\', name.length) == NULL)
            return false;
        next_value(&cursor, value);
    }
    return false;
}

bool
wr_span_item(wr_json_span array, int64_t index, wr_json_span *value)
{
    wr_json_cursor cursor;
    if (index < 0 && (index += wr_span_count(array)) < 0)
        return false;
    wr_span_open(array, &cursor);
    while (wr_span_next_item(&cursor, value))
        if (index-- == 0)
            return true;
    return false;
}

bool
wr_json_path_index(const wr_string *text, int64_t *index)
{
    const char *s = wr_string_data(text), *end = s + text->length;
    while (s < end && (is_blank(*s) || *s == '\v' || *s == '\f'))
        s++;
    bool negative = s < end && *s == '-';
    if (s < end && (*s == '-' || *s == '+'))
        s++;
    if (s == end)
        return false;
    *index = 0;
    for (; s < end; s++) {
        if (*s < '0' || *s > '9' || *index > INT32_MAX)
            return false;
        *index = *index * 10 + (*s - '0');
    }
    if (negative)
        *index = -*index;
    return *index >= INT32_MIN && *index <= INT32_MAX;
}
