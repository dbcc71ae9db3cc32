/* SPDX-License-Identifier: Apache-2.0 */
/* server/http_parse.c -- request heads (see http_parse.h). */
#include "server/http_parse.h"

#include <string.h>
#include <strings.h>

typedef struct head {
    const char *at, *end;
    http_request *out;
    bool has_length, has_encoding, old; /* old: HTTP/1.0 */
    int hosts;
} head;

static http_result
refuse(head *h, int status, const char *why)
{
    h->out->status = status;
    h->out->why = why;
    return HTTP_REFUSED;
}

bool
http_slice_is(http_slice s, const char *text)
{
    return s.at != NULL && s.length == strlen(text) && memcmp(s.at, text, s.length) == 0;
}

bool
http_slice_same(http_slice s, const char *text)
{
    return s.at != NULL && s.length == strlen(text) && strncasecmp(s.at, text, s.length) == 0;
}

static bool
is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* --- lines --- */

/* The line at h->at, without its CRLF; what cannot stand in any line is refused at once (P2). */
static http_result
line_take(head *h, http_slice *line)
{
    for (const char *p = h->at; p < h->end; p++) {
        if (*p == '\r') {
            if (p + 1 == h->end)
                return HTTP_MORE;
            if (p[1] != '\n')
                return refuse(h, 400, "a CR stands alone");
            *line = (http_slice){ h->at, (size_t)(p - h->at) };
            h->at = p + 2;
            return HTTP_WHOLE;
        }
        if (*p == '\n')
            return refuse(h, 400, "a line ends in LF alone: CR LF is wanted");
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return refuse(h, 400, "a control character");
    }
    return HTTP_MORE;
}

static http_slice
trimmed(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (http_slice){ at, (size_t)(end - at) };
}

/* --- the request line --- */

static http_result
version_read(head *h, const char *at, size_t n)
{
    if (n != 8 || memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' || at[6] != '.' ||
        at[7] < '0' || at[7] > '9')
        return refuse(h, 400, "the request line is METHOD TARGET HTTP/1.1");
    if (at[5] != '1')
        return refuse(h, 505, "HTTP/1.1 is spoken here");
    h->old = at[7] == '0';
    h->out->keep_alive = !h->old;
    return HTTP_WHOLE;
}

/* "/path?query", or the absolute form that proxies use. */
static http_result
target_read(head *h, const char *at, size_t n)
{
    if (n > HTTP_TARGET_BYTES_MAX)
        return refuse(h, 414, "the target is longer than 8 KiB");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)at[i] <= 0x20 || (unsigned char)at[i] > 0x7e || at[i] == '#')
            return refuse(h, 400, "the target has a character that must be %-encoded");
    http_slice path = { at, n };
    if (n > 7 && strncasecmp(at, "http://", 7) == 0) {
        const char *slash = memchr(at + 7, '/', n - 7);
        path = slash != NULL ? (http_slice){ slash, (size_t)(at + n - slash) }
                             : (http_slice){ "/", 1 };
    }
    bool star = path.length == 1 && path.at[0] == '*'; /* OPTIONS * */
    if (!star && (path.length == 0 || path.at[0] != '/'))
        return refuse(h, 400, "the target begins with /");
    const char *mark = memchr(path.at, '?', path.length);
    if (mark != NULL) {
        h->out->query = (http_slice){ mark + 1, (size_t)(path.at + path.length - mark - 1) };
        path.length = (size_t)(mark - path.at);
    }
    h->out->path = path;
    return HTTP_WHOLE;
}

static http_result
request_line(head *h, http_slice line)
{
    const char *end = line.at + line.length, *first = memchr(line.at, ' ', line.length);
    const char *second = first != NULL ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
    if (second == NULL || first == line.at)
        return refuse(h, 400, "the request line is METHOD TARGET HTTP/1.1");
    for (const char *p = line.at; p < first; p++)
        if (!is_token_char(*p))
            return refuse(h, 400, "the method is not a word");
    h->out->method = (http_slice){ line.at, (size_t)(first - line.at) };
    http_result r = version_read(h, second + 1, (size_t)(end - second - 1));
    return r == HTTP_WHOLE ? target_read(h, first + 1, (size_t)(second - first - 1)) : r;
}

/* --- fields --- */

static http_result
length_read(head *h, http_slice value)
{
    size_t n = 0;
    if (h->has_length)
        return refuse(h, 400, "Content-Length stands twice");
    h->has_length = true;
    if (value.length == 0)
        return refuse(h, 400, "Content-Length is not a number");
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return refuse(h, 400, "Content-Length is not a number");
        if (n <= HTTP_BODY_BYTES_MAX)
            n = n * 10 + (size_t)(value.at[i] - '0');
    }
    h->out->body_bytes = n;
    return HTTP_WHOLE; /* its size is judged when the head is whole */
}

static http_result
encoding_read(head *h, http_slice value)
{
    if (h->has_encoding || h->old)
        return refuse(h, 400,
                      h->old ? "HTTP/1.0 has no Transfer-Encoding"
                             : "Transfer-Encoding stands twice");
    h->has_encoding = true;
    h->out->status = http_slice_same(value, "chunked") ? 411 : 501;
    return HTTP_WHOLE;
}

static void
connection_read(head *h, http_slice value)
{
    const char *end = value.at + value.length;
    for (const char *at = value.at; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        comma = comma != NULL ? comma : end;
        http_slice word = trimmed(at, comma);
        if (http_slice_same(word, "close"))
            h->out->keep_alive = false;
        else if (h->old && http_slice_same(word, "keep-alive"))
            h->out->keep_alive = true;
        at = comma + 1;
    }
}

static http_result
field_read(head *h, http_slice line)
{
    const char *end = line.at + line.length, *colon = memchr(line.at, ':', line.length);
    if (line.at[0] == ' ' || line.at[0] == '\t')
        return refuse(h, 400, "a field is folded over two lines");
    if (colon == NULL || colon == line.at)
        return refuse(h, 400, "a field is NAME: VALUE");
    for (const char *p = line.at; p < colon; p++)
        if (!is_token_char(*p))
            return refuse(h, 400, "a field's name has a character it must not have");
    http_slice name = { line.at, (size_t)(colon - line.at) }, value = trimmed(colon + 1, end);
    if (http_slice_same(name, "content-length"))
        return length_read(h, value);
    if (http_slice_same(name, "transfer-encoding"))
        return encoding_read(h, value);
    if (http_slice_same(name, "connection")) {
        connection_read(h, value);
    } else if (http_slice_same(name, "host")) {
        if (h->hosts++ > 0)
            return refuse(h, 400, "Host stands twice");
    } else if (http_slice_same(name, "authorization")) {
        if (h->out->authorization.at != NULL)
            return refuse(h, 400, "Authorization stands twice");
        h->out->authorization = value;
    }
    return HTTP_WHOLE;
}

/* What can be said only when all fields are there. */
static http_result
head_judge(head *h)
{
    if (h->has_length && h->has_encoding)
        return refuse(h, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (h->hosts == 0 && !h->old)
        return refuse(h, 400, "Host is missing");
    if (h->has_encoding)
        return refuse(h, h->out->status,
                      h->out->status == 411 ? "chunked bodies are not taken: send Content-Length"
                                            : "unknown Transfer-Encoding");
    if (h->out->body_bytes > HTTP_BODY_BYTES_MAX)
        return refuse(h, 413, "the body is longer than 1 MiB");
    return HTTP_WHOLE;
}

static http_result
head_read(head *h)
{
    http_slice line;
    http_result r;
    do /* blank lines before a request are a client's leftovers */
        r = line_take(h, &line);
    while (r == HTTP_WHOLE && line.length == 0);
    if (r == HTTP_WHOLE)
        r = request_line(h, line);
    for (int fields = 0; r == HTTP_WHOLE; fields++) {
        r = line_take(h, &line);
        if (r != HTTP_WHOLE || line.length == 0)
            break;
        r = fields < HTTP_FIELDS_MAX ? field_read(h, line) : refuse(h, 431, "more than 64 fields");
    }
    return r == HTTP_WHOLE ? head_judge(h) : r;
}

http_result
http_parse(const char *bytes, size_t length, http_request *out)
{
    size_t shown = length < HTTP_HEAD_BYTES_MAX ? length : HTTP_HEAD_BYTES_MAX;
    head h = { .at = bytes, .end = bytes + shown, .out = out };
    memset(out, 0, sizeof *out);
    http_result r = head_read(&h);
    if (r == HTTP_MORE && shown == HTTP_HEAD_BYTES_MAX)
        return refuse(&h, 431, "the head is longer than 16 KiB");
    out->head_bytes = (size_t)(h.at - bytes);
    return r;
}

bool
http_decode(http_slice part, char *to, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < part.length; i++) {
        unsigned char c = (unsigned char)part.at[i];
        if (c == '%') {
            int value = 0;
            if (part.length - i < 3)
                return false;
            for (int k = 1; k <= 2; k++) {
                char d = part.at[i + (size_t)k];
                int digit = d >= '0' && d <= '9'   ? d - '0'
                            : d >= 'a' && d <= 'f' ? d - 'a' + 10
                            : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                                   : -1;
                if (digit < 0)
                    return false;
                value = value * 16 + digit;
            }
            c = (unsigned char)value;
            i += 2;
        }
        if (c == '\0' || n + 1 >= size)
            return false;
        to[n++] = (char)c;
    }
    to[n] = '\0';
    return true;
}
