/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_test.c -- heads of HTTP requests: P1 and P2 of server/http_parse.h.
 *
 * Bytes stand in exact-size heap blocks, so that a read past the end is an error under ASan.
 */
#include "server/http_parse.h"
#include "support/test.h"

#include "base/text.h"

typedef struct parsed {
    char *bytes;
    http_request request;
    http_result result;
} parsed;

static parsed
parse(const char *bytes, size_t length)
{
    parsed p = { .bytes = wr_alloc(NULL, length) };
    memcpy(p.bytes, bytes, length);
    p.result = http_parse(p.bytes, length, &p.request);
    return p;
}

#define HOST "Host: localhost\r\n"

static void
a_plain_get_is_read(void **state)
{
    static const char text[] = "GET /metrics?a=1 HTTP/1.1\r\nhost:localhost:8080\r\nAuthorization: "
                               " Bearer s3cret \t\r\nX: \r\n\r\nrest";
    parsed p = parse(text, sizeof text - 1);
    assert_int_equal(p.result, HTTP_WHOLE);
    assert_true(http_slice_is(p.request.method, "GET"));
    assert_true(http_slice_is(p.request.path, "/metrics"));
    assert_true(http_slice_is(p.request.query, "a=1"));
    assert_true(http_slice_is(p.request.authorization, "Bearer s3cret"));
    assert_true(p.request.keep_alive);
    assert_int_equal(p.request.body_bytes, 0);
    assert_int_equal(p.request.head_bytes, sizeof text - 1 - 4);
    wr_free(p.bytes);
}

typedef struct good {
    const char *name, *text, *path;
    bool keep_alive;
    size_t body_bytes;
} good;

static const good goods[] = {
    { "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "/", false, 0 },
    { "HTTP/1.0 that stays", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "/", true, 0 },
    { "HTTP/1.1 that goes", "GET / HTTP/1.1\r\n" HOST "Connection: foo, Close\r\n\r\n", "/", false,
      0 },
    { "HTTP/1.9", "GET / HTTP/1.9\r\n" HOST "\r\n", "/", true, 0 },
    { "blank lines before", "\r\n\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", "/a", true, 0 },
    { "a body", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n", "/a", true, 12 },
    { "a body of the limit", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n", "/a",
      true, 1048576 },
    { "zeros before a length", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 007\r\n\r\n", "/a",
      true, 7 },
    { "the absolute form", "GET http://weir.example:80/a/b?c HTTP/1.1\r\n" HOST "\r\n", "/a/b",
      true, 0 },
    { "the absolute form without path", "GET http://weir.example HTTP/1.1\r\n" HOST "\r\n", "/",
      true, 0 },
    { "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "*", true, 0 },
    { "a value of other bytes", "GET / HTTP/1.1\r\n" HOST "X: caf\xc3\xa9 \x80\r\n\r\n", "/", true,
      0 },
    { "an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "/", true, 0 },
    { "a method nobody knows", "BREW /pot HTTP/1.1\r\n" HOST "\r\n", "/pot", true, 0 },
};

static void
good_heads_are_read(void **state)
{
    for (size_t i = 0; i < WR_COUNT(goods); i++) {
        const good *g = &goods[i];
        parsed p = parse(g->text, strlen(g->text));
        if (p.result != HTTP_WHOLE || !http_slice_is(p.request.path, g->path) ||
            p.request.keep_alive != g->keep_alive || p.request.body_bytes != g->body_bytes ||
            p.request.head_bytes != strlen(g->text))
            fail_msg("%s: %s", g->name, p.request.why != NULL ? p.request.why : "read otherwise");
        wr_free(p.bytes);
    }
}

typedef struct bad {
    const char *name, *bytes;
    size_t length;
    int status;
} bad;

#define BAD(name, bytes, status)                                                                   \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, status                                                     \
    }

static const bad bads[] = {
    BAD("TLS", "\x16\x03\x01\x02\x00\x01", 400),
    BAD("JSON lines", "{\"op\":\"hello\"}\n", 400),
    BAD("a line that ends in LF", "GET / HTTP/1.1\n", 400),
    BAD("a field that ends in LF", "GET / HTTP/1.1\r\nHost: a\n", 400),
    BAD("a blank line that is LF", "GET / HTTP/1.1\r\n" HOST "\n", 400),
    BAD("CR alone", "GET / HTTP/1.1\rHost: a\r\n", 400),
    BAD("CR in a value", "GET / HTTP/1.1\r\nX: a\rb\r\n", 400),
    BAD("NUL in the target", "GET /\0 HTTP/1.1\r\n", 400),
    BAD("NUL in a name", "GET / HTTP/1.1\r\nX\0Y: a\r\n", 400),
    BAD("NUL in a value", "GET / HTTP/1.1\r\nX: a\0b\r\n", 400),
    BAD("an escape character in a value", "GET / HTTP/1.1\r\nX: a\x1b[2J\r\n", 400),
    BAD("DEL in a value", "GET / HTTP/1.1\r\nX: \x7f\r\n", 400),
    BAD("one word", "GET\r\n", 400),
    BAD("HTTP/0.9", "GET /\r\n", 400),
    BAD("four words", "GET / HTTP/1.1 now\r\n", 400),
    BAD("two blanks", "GET  / HTTP/1.1\r\n", 400),
    BAD("a blank first", " GET / HTTP/1.1\r\n", 400),
    BAD("a tab between", "GET\t/\tHTTP/1.1\r\n", 400),
    BAD("a method with a colon", "GET: / HTTP/1.1\r\n", 400),
    BAD("a method of Latin-1", "G\xc9T / HTTP/1.1\r\n", 400),
    BAD("http in small letters", "GET / http/1.1\r\n", 400),
    BAD("no minor version", "GET / HTTP/1\r\n", 400),
    BAD("HTTP/1.10", "GET / HTTP/1.10\r\n", 400),
    BAD("HTTP/2", "PRI * HTTP/2.0\r\n", 505),
    BAD("HTTP/3.1", "GET / HTTP/3.1\r\n", 505),
    BAD("a target without slash", "GET metrics HTTP/1.1\r\n", 400),
    BAD("another scheme", "GET ftp://a/b HTTP/1.1\r\n", 400),
    BAD("a fragment", "GET /a#b HTTP/1.1\r\n", 400),
    BAD("UTF-8 in the target", "GET /caf\xc3\xa9 HTTP/1.1\r\n", 400),
    BAD("no Host", "GET / HTTP/1.1\r\n\r\n", 400),
    BAD("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    BAD("a field without colon", "GET / HTTP/1.1\r\nHost\r\n", 400),
    BAD("a field without name", "GET / HTTP/1.1\r\n: a\r\n", 400),
    BAD("a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n", 400),
    BAD("a blank in a name", "GET / HTTP/1.1\r\nX Y: a\r\n", 400),
    BAD("a folded field", "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n", 400),
    BAD("a field folded by a tab", "GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n", 400),
    BAD("a blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n", 400),
    BAD("two Content-Lengths",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    BAD("Content-Length twice the same",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
    BAD("a list of Content-Lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n",
        400),
    BAD("a negative Content-Length", "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", 400),
    BAD("a Content-Length with a plus", "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n",
        400),
    BAD("a hexadecimal Content-Length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n",
        400),
    BAD("an empty Content-Length", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400),
    BAD("a Content-Length over the limit",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n", 413),
    BAD("a Content-Length beyond 64 bits",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999999\r\n\r\n", 413),
    BAD("length and encoding",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    BAD("encoding and length",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
    BAD("chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 411),
    BAD("gzip, chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
        501),
    BAD("an encoding with a trick",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501),
    BAD("identity", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", 501),
    BAD("two Transfer-Encodings",
        "POST / HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        400),
    BAD("encoding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    BAD("two Authorizations",
        "GET / HTTP/1.1\r\n" HOST "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        400),
};

static void
bad_heads_are_refused(void **state)
{
    for (size_t i = 0; i < WR_COUNT(bads); i++) {
        parsed p = parse(bads[i].bytes, bads[i].length);
        if (p.result != HTTP_REFUSED || p.request.status != bads[i].status || p.request.why == NULL)
            fail_msg("%s: result %d, status %d", bads[i].name, p.result, p.request.status);
        wr_free(p.bytes);
    }
}

static const char whole[] = "\r\nGET /api/v1/views/per%20auction/why?x=%41 HTTP/1.1\r\n" HOST
                            "Authorization: Bearer t\r\nConnection: close\r\n\r\n";

static void
a_head_cut_at_any_byte_waits_for_more(void **state) /* P1 */
{
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        parsed p = parse(whole, n);
        assert_int_equal(p.result, HTTP_MORE);
        wr_free(p.bytes);
    }
}

static void
a_head_with_any_byte_changed_never_overruns(void **state) /* P1 */
{
    for (size_t at = 0; at < sizeof whole - 1; at++)
        for (int byte = 0; byte < 256; byte++) {
            char bytes[sizeof whole];
            memcpy(bytes, whole, sizeof whole);
            bytes[at] = (char)byte;
            parsed p = parse(bytes, sizeof whole - 1);
            assert_true(p.result != HTTP_REFUSED ||
                        (p.request.status >= 400 && p.request.why != NULL));
            assert_true(p.result != HTTP_WHOLE || p.request.head_bytes <= sizeof whole - 1);
            wr_free(p.bytes);
        }
}

/* A request whose parts are as long as said. */
static int
status_of(size_t target, int fields, size_t value)
{
    wr_text text;
    wr_text_init(&text, NULL);
    wr_text_puts(&text, "GET /");
    for (size_t i = 1; i < target; i++)
        wr_text_putc(&text, 'a');
    wr_text_puts(&text, " HTTP/1.1\r\n" HOST);
    for (int f = 1; f < fields; f++) {
        wr_text_puts(&text, "X: ");
        for (size_t i = 0; i < value; i++)
            wr_text_putc(&text, 'v');
        wr_text_puts(&text, "\r\n");
    }
    wr_text_puts(&text, "\r\n");
    parsed p = parse(wr_text_string(&text), text.length);
    int status = p.result == HTTP_WHOLE ? 200 : p.request.status;
    wr_free(p.bytes);
    wr_text_fini(&text);
    return status;
}

static void
limits_are_where_they_are_said_to_be(void **state)
{
    assert_int_equal(status_of(HTTP_TARGET_BYTES_MAX, 1, 0), 200);
    assert_int_equal(status_of(HTTP_TARGET_BYTES_MAX + 1, 1, 0), 414);
    assert_int_equal(status_of(1, HTTP_FIELDS_MAX, 10), 200);
    assert_int_equal(status_of(1, HTTP_FIELDS_MAX + 1, 10), 431);
    assert_int_equal(status_of(1, 2, 15000), 200);
    assert_int_equal(status_of(1, 2, HTTP_HEAD_BYTES_MAX), 431);
    assert_int_equal(status_of(1, 20, 1000), 431);
    assert_int_equal(status_of(1 << 20, 1, 0), 431); /* the head ends before the line does */
}

static void
a_head_that_never_ends_is_refused_at_the_limit(void **state)
{
    char *bytes = wr_alloc(NULL, HTTP_HEAD_BYTES_MAX);
    memset(bytes, 'a', HTTP_HEAD_BYTES_MAX);
    parsed p = parse(bytes, HTTP_HEAD_BYTES_MAX - 1);
    assert_int_equal(p.result, HTTP_MORE);
    wr_free(p.bytes);
    p = parse(bytes, HTTP_HEAD_BYTES_MAX);
    assert_int_equal(p.result, HTTP_REFUSED);
    assert_int_equal(p.request.status, 431);
    wr_free(p.bytes);
    for (size_t i = 0; i < HTTP_HEAD_BYTES_MAX; i++) /* nor may it be all blank lines */
        bytes[i] = i % 2 == 0 ? '\r' : '\n';
    p = parse(bytes, HTTP_HEAD_BYTES_MAX);
    assert_int_equal(p.result, HTTP_REFUSED);
    wr_free(p.bytes);
    wr_free(bytes);
}

static void
paths_are_decoded(void **state)
{
    static const struct {
        const char *part, *want; /* NULL: refused */
    } rows[] = {
        { "", "" },
        { "per_auction", "per_auction" },
        { "a%20b", "a b" },
        { "%2f", "/" },
        { "%C3%A9", "\xc3\xa9" },
        { "%00", NULL },
        { "a%0", NULL },
        { "a%", NULL },
        { "%zz", NULL },
        { "%-1", NULL },
        { "1234567", "1234567" },
        { "12345678", NULL },
    };
    char to[8];
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        http_slice part = { rows[i].part, strlen(rows[i].part) };
        char wide[64];
        bool small = strlen(rows[i].part) == 7 || strlen(rows[i].part) == 8;
        bool ok = small ? http_decode(part, to, sizeof to) : http_decode(part, wide, sizeof wide);
        assert_int_equal(ok, rows[i].want != NULL);
        if (ok)
            assert_string_equal(small ? to : wide, rows[i].want);
    }
}

WR_TESTS = {
    WR_TEST(a_plain_get_is_read),
    WR_TEST(good_heads_are_read),
    WR_TEST(bad_heads_are_refused),
    WR_TEST(a_head_cut_at_any_byte_waits_for_more),
    WR_TEST(a_head_with_any_byte_changed_never_overruns),
    WR_TEST(limits_are_where_they_are_said_to_be),
    WR_TEST(a_head_that_never_ends_is_refused_at_the_limit),
    WR_TEST(paths_are_decoded),
    { NULL, NULL },
};
