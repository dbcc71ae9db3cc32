/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/conn.c -- one connection: bytes in, chunks out, the first byte decides who talks.
 *
 * Bytes go by raw read and writev; the loop only says when (a bufferevent would move 4 KB a call).
 */
#include "server/server_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, READS_A_TURN = 8, VECTORS = 64 };

static void conn_ready(void *user, int events);

static void
conn_late(void *user)
{
    conn *c = user;
    c->dead = true; /* a head that takes longer than it may */
}

conn *
conn_open(server *s, listener *l, int fd)
{
    conn *c = wr_calloc(NULL, 1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->server = s;
    c->listener = l;
    c->fd = fd;
    c->out_last = &c->out;
    c->kind = l->http ? CONN_HTTP : CONN_UNKNOWN;
    c->welcomed = l->token == NULL;
    wr_text_init(&c->in, NULL);
    wr_arena_init(&c->scratch, NULL);
    wr_timer_init(&c->deadline, s->loop, conn_late, c);
    if (wr_watch_create(s->loop, fd, conn_ready, c, &c->watch) != WEIR_OK || wr_watch_set(c->watch, WR_WATCH_READ) != WEIR_OK ||
        wr_timer_set_after(&c->deadline, SERVER_HEAD_US) != WEIR_OK) {
        wr_watch_destroy(c->watch);
        wr_timer_cancel(&c->deadline);
        wr_free(c);
        return NULL;
    }
    c->next = s->conns;
    s->conns = c;
    s->conn_count++;
    return c;
}

static void
chunk_free(chunk *k)
{
    weir_rows_release(k->rows);
    wr_free(k);
}

void
conn_close(conn *c)
{
    conn **at = &c->server->conns;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->server->conn_count--;
    session_close(c);
    wr_timer_cancel(&c->deadline);
    wr_watch_destroy(c->watch);
    close(c->fd);
    for (chunk *k = c->out, *next; k != NULL; k = next) {
        next = k->next;
        chunk_free(k);
    }
    wr_text_fini(&c->in);
    wr_arena_fini(&c->scratch);
    wr_free(c);
}

static void
chunk_add(conn *c, chunk *k)
{
    k->next = NULL;
    *c->out_last = k;
    c->out_last = &k->next;
    c->out_bytes += k->length;
}

void
conn_send(conn *c, const char *bytes, size_t length)
{
    chunk *k = wr_alloc(NULL, sizeof *k + length);
    if (k == NULL) {
        c->dead = true;
        return;
    }
    memcpy(k->own, bytes, length);
    k->rows = NULL;
    k->bytes = k->own;
    k->length = length;
    chunk_add(c, k);
}

void
conn_send_text(conn *c, wr_text *text)
{
    if (!wr_text_ok(text))
        c->dead = true;
    else
        conn_send(c, wr_text_string(text), text->length);
    wr_text_clear(text);
}

void
conn_send_rows(conn *c, weir_rows *rows, const char *bytes, size_t length)
{
    chunk *k = wr_alloc(NULL, sizeof *k);
    if (k == NULL) {
        c->dead = true;
        return;
    }
    k->rows = weir_rows_retain(rows);
    k->bytes = bytes;
    k->length = length;
    chunk_add(c, k);
}

static void
conn_sent(conn *c, size_t n)
{
    c->out_bytes -= n;
    n += c->out_sent;
    while (c->out != NULL && n >= c->out->length) {
        chunk *k = c->out;
        n -= k->length;
        c->out = k->next;
        chunk_free(k);
    }
    if (c->out == NULL)
        c->out_last = &c->out;
    c->out_sent = n;
}

bool
conn_flush(conn *c)
{
    while (c->out != NULL && !c->dead) {
        struct iovec v[VECTORS];
        int          count = 0;
        for (chunk *k = c->out; k != NULL && count < VECTORS; k = k->next, count++) {
            size_t skip = count == 0 ? c->out_sent : 0;
            v[count] = (struct iovec){ (char *) k->bytes + skip, k->length - skip };
        }
        ssize_t n = writev(c->fd, v, count);
        if (n >= 0)
            conn_sent(c, (size_t) n);
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            c->dead = true;
    }
    if (c->out == NULL && c->closing)
        c->dead = true;
    int want = (c->closing ? 0 : WR_WATCH_READ) | (c->out != NULL ? WR_WATCH_WRITE : 0);
    return !c->dead && wr_watch_set(c->watch, want) == WEIR_OK;
}

/* The first byte decides (design 10). */
static bool
conn_decide(conn *c)
{
    char first = wr_text_string(&c->in)[0];
    if (first == '{' || first == ' ' || first == '\r' || first == '\n') {
        c->kind = CONN_JSON;
    } else if (first == '\0') {
        c->kind = CONN_MSGPACK;
    } else if (first == 0x16) {
        static const char alert[] = { 0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28 }; /* handshake_failure */
        conn_send(c, alert, sizeof alert);
        c->closing = true;
        return false;
    } else {
        static const char say[] = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
                                  "This port speaks Weir's own protocol: JSON lines that begin with {, or 00 and MessagePack.\n"
                                  "HTTP has a port of its own: serve: { http: host:port }.\n";
        conn_send(c, say, sizeof say - 1);
        c->closing = true;
        return false;
    }
    wr_timer_cancel(&c->deadline);
    return true;
}

static bool
conn_take(conn *c)
{
    if (c->kind == CONN_UNKNOWN && !conn_decide(c))
        return true;
    bool ok = c->kind == CONN_HTTP ? http_read(c) : session_read(c);
    if (c->in_at > 0) { /* keep what is not consumed */
        size_t left = c->in.length - c->in_at;
        memmove(c->in.data, c->in.data + c->in_at, left);
        c->in.length = left;
        c->in.data[left] = '\0';
        c->in_at = 0;
    }
    return ok;
}

static bool
conn_receive(conn *c)
{
    for (int i = 0; i < READS_A_TURN; i++) {
        if (!wr_text_reserve(&c->in, READ_BYTES))
            return false;
        ssize_t n = read(c->fd, c->in.data + c->in.length, READ_BYTES);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        c->in.length += (size_t) n;
        c->in.data[c->in.length] = '\0';
        if (!conn_take(c))
            c->closing = true;
        if (c->closing || c->dead || n < READ_BYTES)
            break;
    }
    return true;
}

static void
conn_ready(void *user, int events)
{
    conn *c = user;
    if ((events & WR_WATCH_READ) != 0 && !c->closing && !conn_receive(c))
        c->dead = true;
    if (!c->dead)
        session_pump(c);
    if (!c->dead && !conn_flush(c))
        c->dead = true;
    /* closed by the server's loop, not under our own feet */
}
