/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/session.c -- the wire protocol's frames: whole requests out of the bytes, each to its
 * operation (docs/protocol.md).
 *
 * A request that cannot be read is answered and the session goes on: its neighbours are whole
 * frames.  A frame that is too long ends the session, for where the next one begins is not known.
 */
#include "server/reply.h"

#include <stdio.h>
#include <string.h>

enum { FRAME_HEAD_BYTES = 4 };

static const char ops[] =
    "hello, sub, credit, unsub, push, ping, why, explain, status, metrics, checkpoint";

/* --- errors --- */

void
session_error(conn *c, int64_t id, const char *code, const char *text, const char *hint)
{
    reply r;
    reply_begin(&r, c, id, "error");
    reply_string(&r, "code", code);
    reply_string(&r, "text", text);
    if (hint != NULL && hint[0] != '\0')
        reply_string(&r, "hint", hint);
    reply_end(&r);
}

void
session_fail(conn *c, int64_t id, const weir_error *err)
{
    reply r;
    if (err->line <= 0) {
        session_error(c, id, weir_status_name(err->code),
                      err->text[0] != '\0' ? err->text : weir_status_text(err->code), err->hint);
        return;
    }
    reply_begin(&r, c, id, "error"); /* in the client's SQL */
    reply_string(&r, "code", weir_status_name(err->code));
    reply_string(&r, "text", err->text);
    reply_int(&r, "line", err->line);
    reply_int(&r, "column", err->column);
    if (err->hint[0] != '\0')
        reply_string(&r, "hint", err->hint);
    reply_end(&r);
}

bool
session_wants(conn *c, const request *q, int64_t id, const session_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const request_member *m = request_find(q, members[i].name);
        if (m == NULL || m->kind == REQUEST_NULL || m->kind == members[i].kind)
            continue;
        char text[80];
        snprintf(text, sizeof text, "`%.40s` is %s", members[i].name,
                 members[i].kind == REQUEST_BOOL ? "true or false" : "a string");
        session_error(c, id, "USAGE", text, NULL);
        return false;
    }
    return true;
}

/* --- operations --- */

static void
op_hello(conn *c, const request *q, int64_t id)
{
    const char *token = request_string(q, "token"), *wanted = c->listener->token;
    if (wanted[0] != '\0' && (token == NULL || !server_token_equal(token, wanted))) {
        c->server->unauthorised++;
        wr_log(WR_LOG_WARN, "server", "a client's token is missing or wrong");
        session_error(c, id, "AUTH", "the token is missing or wrong",
                      "{\"op\":\"hello\",\"token\":\"...\"}");
        c->closing = true;
        return;
    }
    c->welcomed = true;
    reply r;
    reply_begin(&r, c, id, "welcome");
    reply_int(&r, "version", 1);
    reply_string(&r, "server", weir_version());
    reply_int(&r, "max_frame", SERVER_FRAME_BYTES_MAX);
    reply_end(&r);
}

static void
op_ping(conn *c, int64_t id)
{
    reply r;
    reply_begin(&r, c, id, "pong");
    reply_end(&r);
}

void
session_probe(conn *c)
{
    if (!c->eof || c->probed || c->subscription_count == 0)
        return;
    c->probed = true;
    op_ping(c, REQUEST_NO_ID);
}

static void
session_request(conn *c, const request *q)
{
    const char *op = request_string(q, "op");
    int64_t id = REQUEST_NO_ID;
    if (request_find(q, "id") != NULL && !request_whole(q, "id", &id)) {
        session_error(c, REQUEST_NO_ID, "USAGE", "an id is a whole number up to 2^53", NULL);
        return;
    }
    if (op != NULL && strcmp(op, "hello") == 0) {
        op_hello(c, q, id);
    } else if (!c->welcomed) {
        c->server->unauthorised++;
        session_error(c, id, "AUTH", "say hello with the token first",
                      "{\"op\":\"hello\",\"token\":\"...\"}");
        c->closing = true;
    } else if (op == NULL) {
        session_error(c, id, "USAGE", "a request has an `op`", ops);
    } else if (strcmp(op, "sub") == 0) {
        op_sub(c, q, id);
    } else if (strcmp(op, "credit") == 0) {
        op_credit(c, q, id);
    } else if (strcmp(op, "unsub") == 0) {
        op_unsub(c, id);
    } else if (strcmp(op, "push") == 0) {
        op_push(c, q, id);
    } else if (strcmp(op, "ping") == 0) {
        op_ping(c, id);
    } else if (strcmp(op, "checkpoint") == 0) {
        op_checkpoint(c, q, id);
    } else if (strcmp(op, "explain") == 0 && request_find(q, "sql") != NULL) {
        op_explain_sql(c, q, id);
    } else if (strcmp(op, "why") == 0 || strcmp(op, "explain") == 0 || strcmp(op, "status") == 0 ||
               strcmp(op, "metrics") == 0) {
        op_look(c, q, id, op);
    } else {
        char text[80];
        snprintf(text, sizeof text, "there is no op \"%.40s\"", op);
        session_error(c, id, "USAGE", text, ops);
    }
}

/* --- frames --- */

static void
session_frame(conn *c, const char *bytes, size_t length)
{
    request q;
    wr_arena *arena = &c->server->scratch;
    const char *why = NULL;
    bool ok = c->kind == CONN_JSON ? request_parse_json(bytes, length, arena, &q, &why)
                                   : request_parse_msgpack(bytes, length, arena, &q, &why);
    if (ok)
        session_request(c, &q);
    else
        session_error(c, REQUEST_NO_ID, "USAGE", why != NULL ? why : "the request cannot be read",
                      NULL);
    wr_arena_reset(arena);
}

static bool
frame_too_long(conn *c)
{
    session_error(c, REQUEST_NO_ID, "LIMIT",
                  c->welcomed ? "a frame is longer than 4 MiB"
                              : "a frame before hello is longer than 64 KiB",
                  NULL);
    c->closing = true;
    return false;
}

void
session_late(conn *c)
{
    session_error(c, REQUEST_NO_ID, "TIMEOUT", "a frame did not come whole in time", NULL);
    c->closing = true;
}

static bool
is_blank(const char *bytes, size_t length)
{
    while (length > 0 && (*bytes == ' ' || *bytes == '\t' || *bytes == '\r')) {
        bytes++;
        length--;
    }
    return length == 0;
}

/* A line; what was searched for its end is not searched again when more has come. */
static bool
take_line(conn *c, size_t limit)
{
    const char *at = c->in.data + c->in_at;
    size_t from = c->in_seen > c->in_at ? c->in_seen : c->in_at;
    const char *newline = memchr(c->in.data + from, '\n', c->in.length - from);
    c->in_seen = c->in.length;
    size_t n = newline != NULL ? (size_t)(newline - at) : conn_left(c);
    if (n > limit)
        return frame_too_long(c);
    if (newline == NULL && (!c->eof || n == 0))
        return false; /* the last line may lack its end */
    c->in_at += n + (newline != NULL);
    c->in_seen = c->in_at;
    if (!is_blank(at, n))
        session_frame(c, at, n);
    return true;
}

bool
session_take(conn *c)
{
    size_t limit = c->welcomed ? SERVER_FRAME_BYTES_MAX : SERVER_HELLO_BYTES_MAX;
    if (c->kind == CONN_JSON)
        return take_line(c, limit);
    if (conn_left(c) < FRAME_HEAD_BYTES)
        return false;
    const unsigned char *h = (const unsigned char *)c->in.data + c->in_at;
    size_t n = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
    if (n > limit)
        return frame_too_long(c);
    if (conn_left(c) < FRAME_HEAD_BYTES + n)
        return false;
    c->in_at += FRAME_HEAD_BYTES + n;
    session_frame(c, (const char *)h + FRAME_HEAD_BYTES, n);
    return true;
}
