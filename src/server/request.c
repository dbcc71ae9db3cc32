/* SPDX-License-Identifier: Apache-2.0 */
/* server/request.c -- requests from JSON (see request.h). */
#include "server/request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_CHARS_MAX = 64 };

typedef struct scan {
    const char *at, *end;
    wr_arena *arena;
    const char *why;
} scan;

static bool
refuse(scan *s, const char *why)
{
    s->why = why;
    return false;
}

static void
skip_blanks(scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n'))
        s->at++;
}

/* --- strings --- */

/* The length of the UTF-8 sequence at p; 0: not one (overlong, a surrogate, cut off). */
static size_t
utf8_length(const unsigned char *p, const unsigned char *end)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = p[0] < 0x80             ? 1
               : (p[0] & 0xe0) == 0xc0 ? 2
               : (p[0] & 0xf0) == 0xe0 ? 3
               : (p[0] & 0xf8) == 0xf0 ? 4
                                       : 0;
    if (n <= 1 || (size_t)(end - p) < n)
        return n == 1 ? 1 : 0;
    uint32_t code = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

const char *
request_text_fault(const char *bytes, size_t length)
{
    const unsigned char *p = (const unsigned char *)bytes, *end = p + length;
    while (p < end) {
        size_t n = utf8_length(p, end);
        if (n == 0)
            return "a string is not valid UTF-8";
        if (*p == 0)
            return "a string holds a NUL";
        p += n;
    }
    return NULL;
}

static int
hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
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

/* One escape after the backslash; advances s->at past it. */
static bool
escape_put(scan *s, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (s->at == s->end)
        return refuse(s, "a string does not end");
    char c = *s->at++;
    const char *hit = c != '\0' ? strchr(from, c) : NULL;
    if (hit != NULL) {
        *(*to)++ = into[hit - from];
        return true;
    }
    int unit = c == 'u' ? hex4(s->at, s->end) : -1;
    if (unit == 0)
        return refuse(s, "a string holds a NUL");
    if (unit < 0)
        return refuse(s, "a bad escape in a string");
    s->at += 4;
    uint32_t code = (uint32_t)unit;
    if (unit >= 0xd800 && unit < 0xdc00) {
        int low = s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u'
                      ? hex4(s->at + 2, s->end)
                      : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(s, "half a surrogate pair in a string");
        code = 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        s->at += 6;
    } else if (unit >= 0xdc00 && unit < 0xe000) {
        return refuse(s, "half a surrogate pair in a string");
    }
    *to = utf8_put(*to, code);
    return true;
}

/* The closing quote of the string that began before `at`; NULL: it does not end. */
static const char *
string_end(const char *at, const char *end)
{
    for (; at < end && *at != '"'; at++)
        if (*at == '\\' && ++at == end)
            return NULL;
    return at < end ? at : NULL;
}

/* s->at stands after the opening quote. */
static bool
string_read(scan *s, const char **text, size_t *length)
{
    const char *close = string_end(s->at, s->end);
    if (close == NULL)
        return refuse(s, "a string does not end");
    const char *fault = request_text_fault(s->at, (size_t)(close - s->at));
    if (fault != NULL)
        return refuse(s, fault);
    char *out = wr_arena_alloc(s->arena, (size_t)(close - s->at) + 1), *to = out;
    if (out == NULL)
        return refuse(s, "out of memory");
    while (s->at <
           close) { /* an escape never takes the closing quote: string_end stepped over it */
        if ((unsigned char)*s->at < 0x20)
            return refuse(s, "a control character in a string");
        if (*s->at != '\\') {
            *to++ = *s->at++;
            continue;
        }
        s->at++;
        if (!escape_put(s, &to))
            return false;
    }
    s->at = close + 1;
    *to = '\0';
    *text = out;
    *length = (size_t)(to - out);
    return true;
}

/* --- other values --- */

/* A list or object: found by its brackets, strings skipped; what is inside is checked by whoever
 * uses it. */
static const char *
nested_end(const char *at, const char *end, const char **why)
{
    char open[SERVER_JSON_DEPTH_MAX];
    uint32_t depth = 0;
    *why = "a list or object does not end";
    for (; at < end; at++) {
        char c = *at;
        if (c == '"') {
            at = string_end(at + 1, end);
            if (at == NULL)
                return NULL;
        } else if (c == '[' || c == '{') {
            if (depth == SERVER_JSON_DEPTH_MAX) {
                *why = "nested too deep";
                return NULL;
            }
            open[depth++] = c;
        } else if (c == ']' || c == '}') {
            if (open[depth - 1] != (c == ']' ? '[' : '{')) {
                *why = "a bracket is closed by another kind";
                return NULL;
            }
            if (--depth == 0)
                return at + 1;
        }
    }
    return NULL;
}

/* Past one digit or more at `at`; NULL: none. */
static const char *
digits_end(const char *at, const char *end)
{
    const char *p = at;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p > at ? p : NULL;
}

/* JSON's own grammar of numbers: how many bytes of one stand at `at`; 0: none. */
static size_t
number_length(const char *at, const char *end)
{
    const char *p = at;
    if (p < end && *p == '-')
        p++;
    p = p < end && *p == '0' ? p + 1 : digits_end(p, end);
    if (p != NULL && p < end && *p == '.')
        p = digits_end(p + 1, end);
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = digits_end(p, end);
    }
    return p != NULL ? (size_t)(p - at) : 0;
}

static bool
number_read(scan *s, request_member *m)
{
    char digits[NUMBER_CHARS_MAX + 1];
    size_t n = number_length(s->at, s->end);
    if (n == 0)
        return refuse(s, "a value is neither string, number, true, false, null, list nor object");
    if (n > NUMBER_CHARS_MAX)
        return refuse(s, "a number is too long");
    memcpy(digits, s->at, n);
    digits[n] = '\0';
    m->kind = REQUEST_NUMBER;
    m->number = strtod(digits, NULL);
    if (!isfinite(m->number))
        return refuse(s, "a number is not finite");
    s->at += n;
    return true;
}

static bool
value_read(scan *s, request_member *m)
{
    static const struct {
        const char *word;
        request_kind kind;
        bool boolean;
    } words[] = { { "true", REQUEST_BOOL, true },
                  { "false", REQUEST_BOOL, false },
                  { "null", REQUEST_NULL, false } };
    if (s->at == s->end)
        return refuse(s, "a value is missing");
    if (*s->at == '"') {
        s->at++;
        m->kind = REQUEST_STRING;
        return string_read(s, &m->text, &m->length);
    }
    if (*s->at == '[' || *s->at == '{') {
        const char *end = nested_end(s->at, s->end, &s->why);
        if (end == NULL)
            return false;
        m->kind = REQUEST_RAW;
        m->text = s->at;
        m->length = (size_t)(end - s->at);
        s->at = end;
        s->why = NULL;
        return true;
    }
    for (size_t i = 0; i < WR_COUNT(words); i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(s->end - s->at) >= n && memcmp(s->at, words[i].word, n) == 0) {
            s->at += n;
            m->kind = words[i].kind;
            m->boolean = words[i].boolean;
            return true;
        }
    }
    return number_read(s, m);
}

static bool
member_read(scan *s, request *out)
{
    size_t length;
    if (out->count == SERVER_MEMBERS_MAX)
        return refuse(s, "too many members");
    request_member m = { 0 };
    skip_blanks(s);
    if (s->at == s->end || *s->at++ != '"')
        return refuse(s, "a name in quotes is missing");
    if (!string_read(s, &m.name, &length))
        return false;
    if (request_find(out, m.name) != NULL)
        return refuse(s, "a name stands twice");
    skip_blanks(s);
    if (s->at == s->end || *s->at++ != ':')
        return refuse(s, "a colon is missing");
    skip_blanks(s);
    if (!value_read(s, &m))
        return false;
    out->members[out->count++] = m;
    return true;
}

static bool
object_read(scan *s, request *out)
{
    skip_blanks(s);
    if (s->at == s->end || *s->at++ != '{')
        return refuse(s, "a request is one JSON object a line");
    skip_blanks(s);
    if (s->at < s->end && *s->at == '}') {
        s->at++;
        return true;
    }
    for (;;) {
        if (!member_read(s, out))
            return false;
        skip_blanks(s);
        if (s->at == s->end)
            return refuse(s, "the object does not end");
        char c = *s->at++;
        if (c == '}')
            return true;
        if (c != ',')
            return refuse(s, "a comma is missing");
    }
}

bool
request_parse_json(const char *bytes, size_t length, wr_arena *arena, request *out,
                   const char **why)
{
    scan s = { bytes, bytes + length, arena, NULL };
    out->count = 0;
    bool ok = object_read(&s, out);
    if (ok) {
        skip_blanks(&s);
        if (s.at != s.end)
            ok = refuse(&s, "something follows the object");
    }
    *why = s.why;
    return ok; /* Q2 */
}

/* --- lists, for who reads replies --- */

bool
request_json_item(const char **at, const char *end, const char **item, size_t *length)
{
    scan s = { *at, end, NULL, NULL };
    request_member m;
    if (s.at >= end || (*s.at != '[' && *s.at != ','))
        return false;
    s.at++;
    skip_blanks(&s);
    if (s.at >= end || *s.at == ']')
        return false;
    *item = s.at;
    if (*s.at == '"') {
        const char *close = string_end(s.at + 1, end);
        if (close == NULL)
            return false;
        s.at = close + 1;
    } else if (!value_read(&s, &m)) {
        return false;
    }
    *length = (size_t)(s.at - *item);
    skip_blanks(&s);
    *at = s.at;
    return true;
}

const char *
request_json_text(const char *item, size_t length, wr_arena *arena)
{
    scan s = { item + 1, item + length, arena, NULL };
    const char *text;
    size_t n;
    if (length == 0 || item[0] != '"')
        return wr_arena_strndup(arena, item, length);
    return string_read(&s, &text, &n) ? text : NULL;
}

/* --- members --- */

const request_member *
request_find(const request *r, const char *name)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (strcmp(r->members[i].name, name) == 0)
            return &r->members[i];
    return NULL;
}

const char *
request_string(const request *r, const char *name)
{
    const request_member *m = request_find(r, name);
    return m != NULL && m->kind == REQUEST_STRING ? m->text : NULL;
}

bool
request_number(const request *r, const char *name, double *out)
{
    const request_member *m = request_find(r, name);
    if (m == NULL || m->kind != REQUEST_NUMBER)
        return false;
    *out = m->number;
    return true;
}

bool
request_whole(const request *r, const char *name, int64_t *out)
{
    double d;
    if (!request_number(r, name, &d) || d != floor(d) || fabs(d) > 0x1p53)
        return false;
    *out = (int64_t)d;
    return true;
}

bool
request_flag(const request *r, const char *name)
{
    const request_member *m = request_find(r, name);
    return m != NULL && m->kind == REQUEST_BOOL && m->boolean;
}
