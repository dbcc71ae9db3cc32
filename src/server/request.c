/* SPDX-License-Identifier: Apache-2.0 */
/* server/request.c -- requests from JSON (see request.h). */
#include "server/request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct scan {
    const char *at, *end;
    wr_arena   *arena;
    const char *why;
} scan;

static void
skip_blanks(scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n'))
        s->at++;
}

static bool
refuse(scan *s, const char *why)
{
    s->why = why;
    return false;
}

static int
hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int  d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
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
        *to++ = (char) c;
    } else if (c < 0x800) {
        *to++ = (char) (0xc0 | c >> 6);
        *to++ = (char) (0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char) (0xe0 | c >> 12);
        *to++ = (char) (0x80 | (c >> 6 & 0x3f));
        *to++ = (char) (0x80 | (c & 0x3f));
    } else {
        *to++ = (char) (0xf0 | c >> 18);
        *to++ = (char) (0x80 | (c >> 12 & 0x3f));
        *to++ = (char) (0x80 | (c >> 6 & 0x3f));
        *to++ = (char) (0x80 | (c & 0x3f));
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
    char        c = *s->at++;
    const char *hit = c != '\0' ? strchr(from, c) : NULL;
    if (hit != NULL) {
        *(*to)++ = into[hit - from];
        return true;
    }
    int unit = c == 'u' ? hex4(s->at, s->end) : -1;
    if (unit <= 0)
        return refuse(s, "a bad escape in a string");
    s->at += 4;
    uint32_t code = (uint32_t) unit;
    if (unit >= 0xd800 && unit < 0xdc00) {
        int low = s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u' ? hex4(s->at + 2, s->end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(s, "half a surrogate pair in a string");
        code = 0x10000 + (((uint32_t) unit - 0xd800) << 10) + ((uint32_t) low - 0xdc00);
        s->at += 6;
    } else if (unit >= 0xdc00 && unit < 0xe000) {
        return refuse(s, "half a surrogate pair in a string");
    }
    *to = utf8_put(*to, code);
    return true;
}

/* s->at stands after the opening quote. */
static bool
string_read(scan *s, const char **text, size_t *length)
{
    const char *close = s->at;
    while (close < s->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= s->end)
        return refuse(s, "a string does not end");
    char *out = wr_arena_alloc(s->arena, (size_t) (close - s->at) + 1), *to = out;
    if (out == NULL)
        return refuse(s, "out of memory");
    while (*s->at != '"') {
        if ((unsigned char) *s->at < 0x20)
            return refuse(s, "a control character in a string");
        if (*s->at != '\\') {
            *to++ = *s->at++;
            continue;
        }
        s->at++;
        if (!escape_put(s, &to))
            return false;
    }
    s->at++;
    *to = '\0';
    *text = out;
    *length = (size_t) (to - out);
    return true;
}

/* A list or object: found by its brackets, strings skipped; what is inside is checked by whoever uses it. */
static bool
raw_read(scan *s, request_member *m)
{
    const char *began = s->at;
    uint32_t    depth = 0;
    bool        quoted = false;
    for (; s->at < s->end; s->at++) {
        char c = *s->at;
        if (quoted) {
            if (c == '\\')
                s->at++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > SERVER_DEPTH_MAX)
                return refuse(s, "nested too deep");
        } else if ((c == ']' || c == '}') && --depth == 0) {
            s->at++;
            m->kind = REQUEST_RAW;
            m->text = began;
            m->length = (size_t) (s->at - began);
            return true;
        }
    }
    return refuse(s, "a list or object does not end");
}

static bool
value_read(scan *s, request_member *m)
{
    static const struct {
        const char  *word;
        request_kind kind;
        bool         boolean;
    } words[] = { { "true", REQUEST_BOOL, true }, { "false", REQUEST_BOOL, false }, { "null", REQUEST_NULL, false } };
    if (s->at == s->end)
        return refuse(s, "a value is missing");
    if (*s->at == '"') {
        s->at++;
        m->kind = REQUEST_STRING;
        return string_read(s, &m->text, &m->length);
    }
    if (*s->at == '[' || *s->at == '{')
        return raw_read(s, m);
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i].word);
        if ((size_t) (s->end - s->at) >= n && memcmp(s->at, words[i].word, n) == 0) {
            s->at += n;
            m->kind = words[i].kind;
            m->boolean = words[i].boolean;
            return true;
        }
    }
    char   digits[40];
    size_t n = 0;
    while (s->at + n < s->end && n < sizeof digits - 1 && strchr("+-.0123456789eE", s->at[n]) != NULL && s->at[n] != '\0')
        n++;
    memcpy(digits, s->at, n);
    digits[n] = '\0';
    char *stop;
    m->number = strtod(digits, &stop);
    if (n == 0 || *stop != '\0' || !isfinite(m->number))
        return refuse(s, "a value is neither string, number, true, false, null, list nor object");
    m->kind = REQUEST_NUMBER;
    s->at += n;
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
        size_t ignored;
        if (out->count == SERVER_MEMBERS_MAX)
            return refuse(s, "too many members");
        request_member *m = &out->members[out->count++];
        skip_blanks(s);
        if (s->at == s->end || *s->at++ != '"')
            return refuse(s, "a name in quotes is missing");
        if (!string_read(s, &m->name, &ignored))
            return false;
        skip_blanks(s);
        if (s->at == s->end || *s->at++ != ':')
            return refuse(s, "a colon is missing");
        skip_blanks(s);
        if (!value_read(s, m))
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
request_parse_json(const char *bytes, size_t length, wr_arena *arena, request *out, const char **why)
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
    return ok;
}

const request_member *
request_find(const request *r, const char *name)
{
    for (uint32_t i = r->count; i-- > 0;) /* the last one wins */
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
request_flag(const request *r, const char *name)
{
    const request_member *m = request_find(r, name);
    return m != NULL && m->kind == REQUEST_BOOL && m->boolean;
}
