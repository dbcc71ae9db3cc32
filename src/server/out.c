/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/out.c -- what waits for a client: bytes of its own, and bodies that it shares with others.
 *
 * Rows are copied into the server's memory once, as a body, whoever gets them; a client's own bytes are
 * what stands around them, and a piece says where a body goes:
 *
 *     out     {"id":1,"op":"rows","cursor":"v@1:7","rows":}\n{"id":1,...,"cursor":"v@1:8","rows":}\n
 *     pieces                                              ^ body of batch 7                 ^ of batch 8
 *
 * All of it goes to the socket in one call.  The newest bodies are kept for those who come to the same rows
 * later; what a client has not taken yet it holds itself.
 *
 * Invariants  U1  pieces[piece_at..piece_count) wait, in ascending order of `at`; at >= out_at
 *             U2  piece_bytes is what is left to send of their bodies
 *             U3  a body's bytes are charged to the server's budget while anybody holds it
 * Cost        a body for a client: 16 bytes and two entries of a vector; short ones, and those that go through TLS,
 *             are copied.
 */
#include "server/server_impl.h"

#include <string.h>
#include <sys/uio.h>

enum { KEEP_BYTES = 64 << 10, COPY_BYTES = 1024, VECTOR = 64 };

struct out_body {
    uint32_t refs;
    conn_kind kind;
    weir_rows_id name;
    size_t length;
    char bytes[];
};

/* --- bodies --- */

void
body_release(out_body *b)
{
    if (b != NULL && --b->refs == 0)
        wr_free(b);
}

const char *
body_bytes(const out_body *b, size_t *length)
{
    *length = b->length;
    return b->bytes;
}

static void
body_forget(server *s, uint32_t at)
{
    if (s->bodies[at] == NULL)
        return;
    s->body_bytes -= s->bodies[at]->length;
    body_release(s->bodies[at]);
    s->bodies[at] = NULL;
}

void
bodies_drop(server *s)
{
    for (uint32_t i = 0; i < SERVER_BODIES_KEPT; i++)
        body_forget(s, i);
}

static void
body_keep(server *s, out_body *b)
{
    body_forget(s, s->body_turn);
    /* the oldest first */
    for (uint32_t i = 1;
         i < SERVER_BODIES_KEPT && s->body_bytes + b->length > SERVER_BODY_BYTES_KEPT; i++)
        body_forget(s, (s->body_turn + i) % SERVER_BODIES_KEPT);
    if (s->body_bytes + b->length > SERVER_BODY_BYTES_KEPT)
        return;
    b->refs++;
    s->bodies[s->body_turn] = b;
    s->body_bytes += b->length;
    s->body_turn = (s->body_turn + 1) % SERVER_BODIES_KEPT;
}

static out_body *
body_find(const server *s, const weir_rows_id *name, conn_kind kind)
{
    for (uint32_t i = 1; i <= SERVER_BODIES_KEPT; i++) { /* the newest first */
        out_body *b = s->bodies[(s->body_turn + SERVER_BODIES_KEPT - i) % SERVER_BODIES_KEPT];
        if (b != NULL && b->kind == kind && b->name.sequence == name->sequence &&
            b->name.shard == name->shard && b->name.relation == name->relation &&
            b->name.run == name->run)
            return b;
    }
    return NULL;
}

weir_status
body_get(conn *c, weir_rows *rows, out_body **out)
{
    server *s = c->server;
    const weir_rows_id name = weir_rows_name(rows);
    out_body *b = name.sequence != 0 ? body_find(s, &name, c->kind) : NULL;
    const char *bytes;
    size_t length;
    if (b != NULL) {
        b->refs++;
        *out = b;
        return WEIR_OK;
    }
    WR_TRY(weir_rows_encode(rows, c->kind == CONN_MSGPACK ? WEIR_MSGPACK : WEIR_JSON, false, &bytes,
                            &length));
    b = wr_alloc(s->budget, sizeof *b + length);
    if (b == NULL)
        return WEIR_MEMORY;
    *b = (out_body){ .refs = 1, .kind = c->kind, .name = name, .length = length };
    memcpy(b->bytes, bytes, length);
    if (name.sequence != 0 && s->subscription_count > 1)
        body_keep(s, b);
    *out = b;
    return WEIR_OK;
}

/* --- putting --- */

static bool
pieces_reserve(conn *c)
{
    if (c->piece_count < c->piece_capacity)
        return true;
    if (c->piece_at > 0) {
        c->piece_count -= c->piece_at;
        memmove(c->pieces, c->pieces + c->piece_at, c->piece_count * sizeof *c->pieces);
        c->piece_at = 0;
        return true;
    }
    uint32_t capacity = WR_MAX(c->piece_capacity * 2, 8u);
    out_piece *grown = wr_realloc(c->server->budget, c->pieces, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    c->pieces = grown;
    c->piece_capacity = capacity;
    return true;
}

size_t
out_put(conn *c, out_body *b)
{
    if (b->length <= COPY_BYTES || c->wire.ssl != NULL) { /* a record of TLS should be full */
        wr_text_append(&c->out, b->bytes, b->length);
        return 0;
    }
    if (!pieces_reserve(c)) {
        c->out.failed = true;
        return 0;
    }
    c->pieces[c->piece_count++] = (out_piece){ b, c->out.length };
    c->piece_bytes += b->length;
    b->refs++;
    return b->length;
}

/* --- sending --- */

/* What waits, as far as the vector goes. */
static uint32_t
out_vector(const conn *c, struct iovec vector[VECTOR])
{
    uint32_t n = 0;
    size_t from = c->out_at, sent = c->piece_sent;
    for (uint32_t i = c->piece_at; i < c->piece_count; i++) {
        const out_piece *p = &c->pieces[i];
        if (n + 3 > VECTOR)
            return n;
        if (p->at > from)
            vector[n++] = (struct iovec){ c->out.data + from, p->at - from };
        from = p->at;
        vector[n++] = (struct iovec){ p->body->bytes + sent, p->body->length - sent };
        sent = 0;
    }
    if (c->out.length > from)
        vector[n++] = (struct iovec){ c->out.data + from, c->out.length - from };
    return n;
}

/* n bytes have gone. */
static void
out_sent(conn *c, size_t n)
{
    while (n > 0) {
        out_piece *p = c->piece_at < c->piece_count ? &c->pieces[c->piece_at] : NULL;
        size_t own = (p != NULL ? p->at : c->out.length) - c->out_at, part = WR_MIN(own, n);
        c->out_at += part;
        n -= part;
        if (p == NULL || n == 0) {
            wr_assert(n == 0);
            return;
        }
        part = WR_MIN(p->body->length - c->piece_sent, n);
        c->piece_sent += part;
        c->piece_bytes -= part;
        n -= part;
        if (c->piece_sent < p->body->length)
            return;
        body_release(p->body);
        c->piece_sent = 0;
        c->piece_at++;
    }
}

/* Own bytes that were sent give room to those that come. */
static void
out_compact(conn *c)
{
    if (conn_waiting(c) == 0) { /* give back what a burst took */
        wr_assert(c->piece_at == c->piece_count);
        if (c->out.capacity > KEEP_BYTES)
            wr_text_fini(&c->out);
        else
            wr_text_clear(&c->out);
        c->out_at = 0;
        c->piece_at = c->piece_count = 0;
    } else if (c->out_at > c->out.length / 2) {
        c->out.length -= c->out_at;
        memmove(c->out.data, c->out.data + c->out_at, c->out.length);
        for (uint32_t i = c->piece_at; i < c->piece_count; i++)
            c->pieces[i].at -= c->out_at;
        c->out_at = 0;
    }
}

bool
out_flush(conn *c)
{
    struct iovec vector[VECTOR];
    bool moved = false;
    if (!wr_text_ok(&c->out)) {
        wr_log(WR_LOG_WARN, "server",
               "a client is dropped: the memory for what waits for clients is used up");
        c->dead = true;
    }
    while (!c->dead && conn_waiting(c) > 0) {
        uint32_t count = out_vector(c, vector);
        size_t offered = 0;
        ssize_t n = wr_conn_writev(&c->wire, vector, count);
        if (n == WR_CONN_AGAIN)
            break;
        if (n == WR_CONN_FAILED) {
            conn_tls_failed(c);
            c->dead = true;
            break;
        }
        moved = true;
        out_sent(c, (size_t)n);
        for (uint32_t i = 0; i < count; i++)
            offered += vector[i].iov_len;
        if ((size_t)n < offered && c->wire.ssl == NULL)
            break; /* its buffer is full: the loop says when it is not */
    }
    out_compact(c);
    return moved;
}

void
out_fini(conn *c)
{
    for (uint32_t i = c->piece_at; i < c->piece_count; i++)
        body_release(c->pieces[i].body);
    wr_free(c->pieces);
    wr_text_fini(&c->out);
}
