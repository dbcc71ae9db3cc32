/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/conn.c -- one connection: bytes in, bytes out, the first byte decides who talks.
 *
 * Bytes go by base/conn.h, raw or through TLS; the loop only says when (a bufferevent would move 4 KB a call).
 *
 * Invariants  K1  a connection is closed by the server's loop between events, never under its
 *                 own feet
 *             K2  requests are answered one after another, in their order
 *             K3  whatever is waited for has a deadline, but for a quiet session: that may last
 * A client that sends no more (EOF) may still be listening (`nc -N`): it is kept while it has
 * subscriptions, and looked after every second (conn_check_peer), for no event tells when it goes.
 */
#include "server/server_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUESTS_A_TURN = 64, KEEP_BYTES = 64 << 10 };

static void conn_ready(void *user, int events);

static void
conn_late(void *user)
{
    conn *c = user;
    conn_phase phase = c->phase;
    c->phase = CONN_QUIET;
    if ((phase == CONN_HEAD || phase == CONN_FRAME) && !c->closing && conn_left(c) > 0) {
        if (c->kind == CONN_HTTP)
            http_late(c);
        else
            session_late(c);
        conn_work(c);
        return;
    }
    c->server->slow += phase == CONN_WRITE && c->subscription_count > 0;
    c->dead = true; /* K1 */
}

static void
conn_retry(void *user)
{
    conn_work(user);
}

/* Dead peers are found by the kernel's probes, within about a minute. */
static void
conn_tune(int fd)
{
    int one = 1, idle = 30, interval = 10, probes = 3;
    (void)!setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)!setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)!setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)!setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

conn *
conn_open(server *s, listener *l, int fd)
{
    conn *c = wr_calloc(s->budget, 1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->server = s;
    c->listener = l;
    c->serial = ++s->serial;
    c->fd = fd;
    wr_conn_init(&c->wire, fd);
    c->sniffed = l->tls == NULL;
    c->kind = l->http ? CONN_HTTP : CONN_UNKNOWN;
    c->welcomed = l->token[0] == '\0';
    wr_text_init(&c->in, s->budget);
    wr_text_init(&c->out, s->budget);
    wr_text_init(&c->push.rows, s->budget);
    wr_timer_init(&c->deadline, s->loop, conn_late, c);
    wr_timer_init(&c->retry, s->loop, conn_retry, c);
    c->phase = CONN_HEAD;
    if (wr_watch_create(s->loop, fd, conn_ready, c, &c->watch) != WEIR_OK ||
        wr_watch_set(c->watch, WR_WATCH_READ) != WEIR_OK ||
        wr_timer_set_after(&c->deadline, SERVER_HEAD_US) != WEIR_OK) {
        wr_watch_destroy(c->watch);
        wr_timer_cancel(&c->deadline);
        wr_free(c);
        return NULL;
    }
    conn_tune(fd);
    c->next = s->conns;
    s->conns = c;
    s->conn_count++;
    return c;
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
    wr_timer_cancel(&c->retry);
    wr_watch_destroy(c->watch);
    if (c->wire.ssl != NULL)
        wr_budget_discharge(c->server->budget, WR_CONN_TLS_BYTES);
    wr_conn_fini(&c->wire);
    close(c->fd);
    wr_text_fini(&c->in);
    out_fini(c);
    wr_text_fini(&c->push.rows);
    wr_free(c);
}

size_t
conn_room(const conn *c)
{
    size_t limit = wr_budget_used(c->server->budget) < SERVER_MEMORY_BYTES / 2
                       ? SERVER_OUT_BYTES
                       : SERVER_OUT_BYTES_TIGHT;
    size_t waiting = conn_waiting(c);
    return c->dead || c->closing || waiting >= limit ? 0 : limit - waiting; /* V3 */
}

/* --- out --- */

/* The last word is sent: our end first, then wait for the client's, so that no reset overtakes the
 * word. */
static void
conn_finish(conn *c)
{
    if (c->dead || !c->closing || c->lingering || conn_waiting(c) > 0)
        return;
    if (!wr_conn_shutdown(&c->wire) || c->eof)
        c->dead = true;
    c->lingering = true;
}

/* --- in --- */

/* The first byte decides (design 10). */
static bool
conn_decide(conn *c)
{
    char first = c->in.data[c->in_at];
    if (first == '{' || first == ' ' || first == '\t' || first == '\r' || first == '\n') {
        c->kind = CONN_JSON;
    } else if (first == '\0') {
        c->kind = CONN_MSGPACK;
    } else if (first == 0x16) {
        static const char alert[] = {
            0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28
        }; /* TLS: handshake_failure */
        wr_text_append(&c->out, alert, sizeof alert);
        c->closing = true;
    } else {
        wr_text_puts(
            &c->out,
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
            "This port speaks Weir's own protocol: JSON lines that begin with {, or 00 and "
            "MessagePack.\n"
            "HTTP has a port of its own: serve: { http: host:port }.\n");
        c->closing = true;
    }
    return !c->closing;
}

/* One request; false: none is whole, or none may be taken now (V3). */
static bool
conn_take(conn *c)
{
    if (conn_room(c) == 0 || c->busy || c->push.pipeline != NULL || conn_left(c) == 0)
        return false;
    if (c->kind == CONN_UNKNOWN && !conn_decide(c))
        return false;
    return c->kind == CONN_HTTP ? http_take(c) : session_take(c);
}

static void
in_compact(conn *c)
{
    size_t left = conn_left(c);
    if (left == 0 && c->in.capacity > KEEP_BYTES)
        wr_text_fini(&c->in);
    else if (c->in_at > 0)
        memmove(c->in.data, c->in.data + c->in_at, left);
    c->in.length = left;
    c->in_seen = c->in_seen > c->in_at ? c->in_seen - c->in_at : 0;
    c->in_at = 0;
}

/* It failed, maybe within the handshake: then TLS has just said why, and bytes of the client that nobody reads would make of
 * our close a reset that overtakes it. */
static void
conn_refuse(conn *c)
{
    if (wr_conn_is_ready(&c->wire) || shutdown(c->fd, SHUT_WR) != 0) {
        c->dead = true;
        return;
    }
    c->wire.wants_read = c->wire.wants_write = false;
    c->refused = c->closing = c->lingering = true;
}

static void
conn_drain(conn *c)
{
    ssize_t n = recv(c->fd, c->server->read_buffer, SERVER_READ_BYTES, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        c->dead = true;
}

static void
conn_receive(conn *c)
{
    if (!c->sniffed && !conn_sniff(c))
        return;
    if (c->refused) {
        conn_drain(c);
        return;
    }
    ssize_t n = wr_conn_read(&c->wire, c->server->read_buffer, SERVER_READ_BYTES);
    if (n == 0)
        c->eof = true;
    else if (n == WR_CONN_FAILED) {
        conn_tls_failed(c);
        conn_refuse(c);
    } else if (n > 0 && !c->lingering)
        wr_text_append(&c->in, c->server->read_buffer, (size_t)n);
    if (!wr_text_ok(&c->in) || (c->eof && c->lingering))
        c->dead = true;
}

void
conn_check_peer(conn *c)
{
    struct pollfd p = { .fd = c->fd };
    if (c->eof && !c->dead && poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0)
        c->dead = true; /* K1 */
}

/* --- what is waited for --- */

static bool
conn_is_stalled(const conn *c)
{
    return c->busy || c->push.pipeline != NULL || conn_room(c) == 0;
}

static conn_phase
conn_phase_of(const conn *c)
{
    if (c->lingering)
        return CONN_LINGER;
    if (!c->sniffed || !wr_conn_is_ready(&c->wire))
        return CONN_HEAD; /* the handshake has its share of it */
    if (conn_waiting(c) > 0)
        return CONN_WRITE;
    if (c->kind == CONN_UNKNOWN || (c->kind != CONN_HTTP && !c->welcomed))
        return CONN_HEAD;
    if (c->kind == CONN_HTTP)
        return c->body_left > 0 ? CONN_FRAME : conn_left(c) > 0 ? CONN_HEAD : CONN_IDLE;
    return conn_left(c) > 0 && !conn_is_stalled(c) ? CONN_FRAME : CONN_QUIET;
}

/* moved: something went forward, so what is waited for begins anew (K3). */
static void
conn_pace(conn *c, bool moved)
{
    static const int64_t limits[] = {
        0, SERVER_HEAD_US, SERVER_FRAME_US, SERVER_WRITE_US, SERVER_IDLE_US, SERVER_LINGER_US
    };
    conn_phase phase = conn_phase_of(c);
    if (phase == c->phase && !moved)
        return;
    c->phase = phase;
    if (phase == CONN_QUIET)
        wr_timer_cancel(&c->deadline);
    else if (wr_timer_set_after(&c->deadline, limits[phase]) != WEIR_OK)
        c->dead = true;
}

void
conn_work(conn *c)
{
    bool more = true, moved = false;
    if (c->dead)
        return;
    atomic_store(&c->ready, false);
    if (c->push.pipeline != NULL)
        push_retry(c);
    for (int turn = 0; more && turn < REQUESTS_A_TURN; turn++) {
        more = conn_take(c);
        moved |= more;
    }
    in_compact(c);
    session_probe(c);
    session_pump(c);
    bool full = conn_room(c) == 0;
    moved |= out_flush(c);
    more |= full && conn_room(c) > 0; /* requests or rows may have waited for the room */
    if (more)                         /* not before the others had their turn */
        atomic_store(&c->ready, true);
    conn_finish(c);
    if (c->eof && !more && conn_waiting(c) == 0 && c->subscription_count == 0 &&
        !conn_is_stalled(c))
        c->dead = true;
    if (c->dead)
        return;
    bool listens = c->lingering || (!c->eof && !c->closing && !more && !conn_is_stalled(c));
    bool reads = listens || c->wire.wants_read;
    bool writes = (conn_waiting(c) > 0 && !c->wire.wants_read) || c->wire.wants_write;
    if (wr_watch_set(c->watch, (reads ? WR_WATCH_READ : 0) | (writes ? WR_WATCH_WRITE : 0)) != WEIR_OK)
        c->dead = true;
    conn_pace(c, moved);
}

static void
conn_ready(void *user, int events)
{
    conn *c = user;
    if ((events & WR_WATCH_READ) != 0 || c->wire.wants_write)
        conn_receive(c);
    conn_work(c);
}
