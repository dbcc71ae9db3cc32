/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/http_parse.h -- the head of an HTTP/1.1 request, read strictly (RFC 9112).
 *
 * What proxies and servers read differently is refused rather than guessed: bare LF or CR, NUL,
 * folded lines, blanks before a colon, two Content-Lengths, Content-Length beside
 * Transfer-Encoding, no or two Hosts.
 *
 * Invariants  P1  reads nothing past the bytes given; the same bytes give the same answer
 *             P2  a head is wrong as soon as its first wrong byte is there
 * Limits      head 16 KiB, 64 fields, target 8 KiB, body 1 MiB; chunked bodies are not taken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_HEAD_BYTES_MAX = 16 << 10,
    HTTP_TARGET_BYTES_MAX = 8 << 10,
    HTTP_FIELDS_MAX = 64,
    HTTP_BODY_BYTES_MAX = 1 << 20
};

typedef struct http_slice {
    const char *at; /* borrowed from the bytes; NULL: absent */
    size_t length;
} http_slice;

typedef struct http_request {
    http_slice method, path, query; /* path begins with /, still %-encoded */
    http_slice authorization;
    bool keep_alive;
    size_t head_bytes, body_bytes;
    int status;      /* what a refusal answers: 400, 411, 413, 414, 431, 501, 505 */
    const char *why; /* a sentence */
} http_request;

typedef enum http_result { HTTP_MORE, HTTP_WHOLE, HTTP_REFUSED } http_result;

http_result http_parse(const char *bytes, size_t length, http_request *out);
/* %-decode a part of a path into to (NUL-ended).  False: malformed, a NUL, or more than size - 1
 * bytes. */
bool http_decode(http_slice part, char *to, size_t size);
bool http_slice_is(http_slice s, const char *text);
/* Letters of either case. */
bool http_slice_same(http_slice s, const char *text);
