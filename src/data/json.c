/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/json.c -- the strict JSON parser and the tree it makes (see json.h).
 *
 * Place       casts, JSON functions, pipeline tests; rows are decoded by format/json.c.
 * State       a stack of the values of lists that are still open; a list is copied to the arena when
 *             it closes, so a tree has no slack.
 * Invariants  J1  what is accepted is RFC 8259 and nothing more; depth is at most WR_JSON_DEPTH_MAX
 *             J2  a tree owns its text: it borrows nothing from the source
 * Validation, as PostgreSQL's json type, looks at the form of escapes only; a tree also needs them to
 * be characters: \u0000 and half surrogate pairs are refused.
 */
#include "data/json.h"

#include "data/value_impl.h"

#include <string.h>

typedef struct reader {
    const char *start, *p, *end;
    wr_arena *arena; /* NULL: only validate */
    weir_error *err;
    wr_json *values; /* the stack; keys[i] belongs to values[i] */
    wr_string *keys;
    size_t count, capacity;
} reader;

static weir_status
reader_fail(const reader *r, const char *why)
{
    size_t offset = (size_t)(r->p - r->start);
    return wr_error_at(r->err, WEIR_ROW_TYPE, (int32_t)offset,
                       "invalid input syntax for type json at byte %zu: %s", offset, why);
}

static weir_status
reader_push(reader *r, const wr_json *value, const wr_string *key)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity == 0 ? 64 : r->capacity * 2;
        wr_json *values = wr_realloc(r->arena->budget, r->values, capacity * sizeof *values);
        if (values == NULL)
            return WEIR_MEMORY;
        r->values = values;
        wr_string *keys = wr_realloc(r->arena->budget, r->keys, capacity * sizeof *keys);
        if (keys == NULL)
            return WEIR_MEMORY;
        r->keys = keys;
        r->capacity = capacity;
    }
    r->values[r->count] = *value;
    r->keys[r->count++] = *key;
    return WEIR_OK;
}

static void
skip_space(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

/* ---- strings ---- */

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits; -1 when they are not. */
static int32_t
hex_four(const char *p, const char *end)
{
    int32_t value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(p[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* To the closing quote, from after the opening one; says whether there was an escape. */
static weir_status
string_scan(reader *r, bool *escaped)
{
    const char *first = r->p;
    *escaped = false;
    for (; r->p < r->end && *r->p != '"'; r->p++) {
        if ((unsigned char)*r->p < 0x20)
            return reader_fail(r, "a control character must be escaped");
        if (*r->p != '\\')
            continue;
        *escaped = true;
        if (++r->p == r->end)
            break;
        if (*r->p == 'u') {
            if (hex_four(r->p + 1, r->end) < 0)
                return reader_fail(r, "\"\\u\" must be followed by four hexadecimal digits");
            r->p += 4;
        } else if (strchr("\"\\/bfnrt", *r->p) == NULL || *r->p == '\0') {
            return reader_fail(r, "invalid escape sequence");
        }
    }
    if (r->p == r->end)
        return reader_fail(r, "the string does not end");
    if (!wr_utf8_is_valid(first, (size_t)(r->p - first)))
        return reader_fail(r, "invalid byte sequence for UTF-8");
    r->p++;
    return WEIR_OK;
}

static char *
utf8_put(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* The character of a \u escape at *p, which moves past it and past a second half; 0 is none. */
static uint32_t
unicode_escape(const char **p, const char *end)
{
    uint32_t high = (uint32_t)hex_four(*p + 2, end);
    *p += 6;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return 0;
    int32_t low = hex_four(*p + 2, end);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *p += 6;
    return 0x10000 + ((high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
}

/* Escapes never grow, so `to` needs no more than the source has. */
static bool
string_unescape(const char *p, const char *end, char *to, size_t *length)
{
    static const char names[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char *w = to;
    while (p < end) {
        if (*p != '\\') {
            *w++ = *p++;
        } else if (p[1] == 'u') {
            uint32_t c = unicode_escape(&p, end);
            if (c == 0)
                return false;
            w = utf8_put(w, c);
        } else {
            const char *name = strchr(names, p[1]);
            *w++ = name != NULL ? meanings[name - names] : p[1];
            p += 2;
        }
    }
    *length = (size_t)(w - to);
    return true;
}

/* r->p is after the opening quote. */
static weir_status
string_read(reader *r, const char **text, size_t *length)
{
    const char *first = r->p;
    bool escaped;
    WR_TRY(string_scan(r, &escaped));
    *text = first;
    *length = (size_t)(r->p - 1 - first);
    if (!escaped || r->arena == NULL)
        return WEIR_OK;
    char *to = wr_arena_alloc(r->arena, *length);
    if (to == NULL)
        return WEIR_MEMORY;
    if (!string_unescape(first, r->p - 1, to, length))
        return reader_fail(r, "an escape is not a character that text can hold");
    *text = to;
    return WEIR_OK;
}

/* ---- numbers, words ---- */

static bool
at_digit(const reader *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool
skip_digits(reader *r)
{
    const char *first = r->p;
    while (at_digit(r))
        r->p++;
    return r->p > first;
}

static weir_status
number_read(reader *r, wr_json *out)
{
    const char *first = r->p;
    r->p += *r->p == '-';
    if (r->p < r->end && *r->p == '0')
        r->p++;
    else if (!skip_digits(r))
        return reader_fail(r, "a number needs a digit");
    if (at_digit(r))
        return reader_fail(r, "a number cannot begin with 0");
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        if (!skip_digits(r))
            return reader_fail(r, "a digit must follow the point");
    }
    if (r->p < r->end && (*r->p | 0x20) == 'e') {
        r->p++;
        r->p += r->p < r->end && (*r->p == '+' || *r->p == '-');
        if (!skip_digits(r))
            return reader_fail(r, "an exponent needs a digit");
    }
    *out = (wr_json){ .kind = WR_JSON_NUMBER, .text = first, .length = (size_t)(r->p - first) };
    return WEIR_OK;
}

static weir_status
word_read(reader *r, wr_json *out)
{
    static const struct {
        const char *word;
        wr_json_kind kind;
    } words[] = { { "null", WR_JSON_NULL }, { "true", WR_JSON_TRUE }, { "false", WR_JSON_FALSE } };
    for (size_t i = 0; i < WR_COUNT(words); i++) {
        size_t length = strlen(words[i].word);
        if ((size_t)(r->end - r->p) >= length && memcmp(r->p, words[i].word, length) == 0) {
            r->p += length;
            *out = (wr_json){ .kind = words[i].kind };
            return WEIR_OK;
        }
    }
    return reader_fail(r, "a value was expected");
}

/* ---- lists and objects ---- */

static weir_status value_read(reader *r, int depth, wr_json *out);

/* Everything on the stack from `base` becomes the items of out. */
static weir_status
container_close(reader *r, size_t base, wr_json_kind kind, wr_json *out)
{
    size_t count = r->count - base;
    *out = (wr_json){ .kind = kind, .count = (uint32_t)count };
    if (count == 0)
        return WEIR_OK;
    out->items = wr_arena_alloc(r->arena, count * sizeof *out->items);
    if (out->items == NULL)
        return WEIR_MEMORY;
    memcpy(out->items, r->values + base, count * sizeof *out->items);
    if (kind == WR_JSON_OBJECT) {
        out->keys = wr_arena_alloc(r->arena, count * sizeof *out->keys);
        if (out->keys == NULL)
            return WEIR_MEMORY;
        memcpy(out->keys, r->keys + base, count * sizeof *out->keys);
    }
    r->count = base;
    return WEIR_OK;
}

/* `"key" :` */
static weir_status
key_read(reader *r, wr_string *key)
{
    const char *text;
    size_t length;
    if (r->p == r->end || *r->p != '"')
        return reader_fail(r, "a key in quotes was expected");
    r->p++;
    WR_TRY(string_read(r, &text, &length));
    *key = wr_string_make(text, length);
    skip_space(r);
    if (r->p == r->end || *r->p != ':')
        return reader_fail(r, "\":\" was expected");
    r->p++;
    return WEIR_OK;
}

static weir_status
container_read(reader *r, int depth, wr_json *out)
{
    bool object = *r->p == '{';
    char close = object ? '}' : ']';
    size_t base = r->count;
    wr_json item;
    wr_string key = wr_string_make("", 0);
    if (depth >= WR_JSON_DEPTH_MAX) /* J1 */
        return reader_fail(r, "nested too deep");
    r->p++;
    skip_space(r);
    if (r->p < r->end && *r->p == close) {
        r->p++;
        *out = (wr_json){ .kind = object ? WR_JSON_OBJECT : WR_JSON_LIST };
        return WEIR_OK;
    }
    for (;;) {
        skip_space(r);
        if (object)
            WR_TRY(key_read(r, &key));
        WR_TRY(value_read(r, depth + 1, &item));
        if (r->arena != NULL)
            WR_TRY(reader_push(r, &item, &key));
        skip_space(r);
        if (r->p == r->end || (*r->p != ',' && *r->p != close))
            return reader_fail(r, object ? "\",\" or \"}\" was expected"
                                         : "\",\" or \"]\" was expected");
        if (*r->p++ == close)
            break;
    }
    return r->arena == NULL ? WEIR_OK
                            : container_close(r, base, object ? WR_JSON_OBJECT : WR_JSON_LIST, out);
}

static weir_status
value_read(reader *r, int depth, wr_json *out)
{
    skip_space(r);
    if (r->p == r->end)
        return reader_fail(r, "the text ends too early");
    switch (*r->p) {
    case '{':
    case '[': return container_read(r, depth, out);
    case '"':
        r->p++;
        *out = (wr_json){ .kind = WR_JSON_STRING };
        return string_read(r, &out->text, &out->length);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return number_read(r, out);
    default: return word_read(r, out);
    }
}

static weir_status
document_read(reader *r, size_t length, wr_json *out)
{
    if (length > WR_STRING_BYTES_MAX)
        return wr_error_at(r->err, WEIR_ROW_TYPE, 0, "JSON of %zu bytes is too large", length);
    WR_TRY(value_read(r, 0, out));
    skip_space(r);
    return r->p == r->end ? WEIR_OK : reader_fail(r, "text follows the value");
}

weir_status
wr_json_validate(const char *s, size_t n, weir_error *err)
{
    wr_json unused;
    reader r = { .start = s, .p = s, .end = s + n, .err = err };
    return document_read(&r, n, &unused);
}

weir_status
wr_json_parse(const char *s, size_t n, wr_arena *arena, wr_json *out, weir_error *err)
{
    if (n > WR_STRING_BYTES_MAX)
        return wr_error_at(err, WEIR_ROW_TYPE, 0, "JSON of %zu bytes is too large", n);
    const char *copy = wr_arena_strndup(arena, s, n); /* J2 */
    if (copy == NULL)
        return WEIR_MEMORY;
    reader r = { .start = copy, .p = copy, .end = copy + n, .arena = arena, .err = err };
    weir_status status = document_read(&r, n, out);
    wr_free(r.values);
    wr_free(r.keys);
    return status;
}

/* ---- the tree ---- */

const wr_json *
wr_json_member(const wr_json *object, const char *key, size_t length)
{
    if (object->kind != WR_JSON_OBJECT || length > UINT32_MAX)
        return NULL;
    wr_string wanted = wr_string_make(key, length);
    for (uint32_t i = object->count; i-- > 0;)
        if (wr_string_equal(&object->keys[i], &wanted))
            return &object->items[i];
    return NULL;
}

void
wr_json_print(const wr_json *json, wr_text *to)
{
    bool object = json->kind == WR_JSON_OBJECT;
    switch (json->kind) {
    case WR_JSON_NULL: wr_text_puts(to, "null"); return;
    case WR_JSON_FALSE: wr_text_puts(to, "false"); return;
    case WR_JSON_TRUE: wr_text_puts(to, "true"); return;
    case WR_JSON_NUMBER: wr_text_append(to, json->text, json->length); return;
    case WR_JSON_STRING: wr_text_put_json(to, json->text, json->length); return;
    case WR_JSON_LIST:
    case WR_JSON_OBJECT: break;
    }
    wr_text_putc(to, object ? '{' : '[');
    for (uint32_t i = 0; i < json->count; i++) {
        if (i > 0)
            wr_text_putc(to, ',');
        if (object) {
            wr_text_put_json(to, wr_string_data(&json->keys[i]), json->keys[i].length);
            wr_text_putc(to, ':');
        }
        wr_json_print(&json->items[i], to);
    }
    wr_text_putc(to, object ? '}' : ']');
}
