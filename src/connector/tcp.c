/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/tcp.c -- the TCP source: whoever connects, or one server that we connect to.
 *
 * Place       a connection is a lane.  Listening: place k of the table of connections is lane k and
 *             belongs to shard k mod shard_count; shard 0 accepts and hands on.  Connecting: one
 *             lane, shard 0; while the server is away the lane is not caught up, so it holds the
 *             watermark.
 * State       the bytes of unfinished records.  There is no position: what a peer sent before a
 *             crash is gone (at most once).
 * Held up     with no room nothing is read, and TCP slows the peer down.
 * Pauses      a server that is away, or hangs up, is asked again after a while, which grows as long as it gives nothing; who
 *             waits to be accepted where no descriptor is left waits a moment.
 * Limits      connections at once (more are accepted and closed), the size of a message, silence.
 */
#include "base/log.h"
#include "base/random.h"
#include "connector/tcp_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANDSHAKE_US = 10000000 };

static uint32_t
place_of(const tcp_source *s, uint32_t index)
{
    return index * s->shared->shard_count + s->ctx->shard;
}

static bool
tcp_bounded(const void *config)
{
    return false;
}

/* --- a shard's life --- */

static void
tcp_close(void *self)
{
    tcp_source *s = self;
    if (s->shared == NULL)
        return;
    wr_mutex_lock(&s->shared->lock);
    s->shared->shards[s->ctx->shard] = NULL;
    wr_mutex_unlock(&s->shared->lock);
    for (uint32_t i = 0; s->conns != NULL && i < s->conn_count; i++)
        wr_tcp_conn_fini(&s->conns[i]);
    if (s->epoll >= 0)
        close(s->epoll);
    wr_input_fini(&s->spare);
    wr_free(s->conns);
}

static weir_status
tcp_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    tcp_source *s = self;
    tcp_shared *h = shared;
    s->shared = h;
    s->ctx = ctx;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->retry_us = TCP_RETRY_MIN_US;
    wr_input_init(&s->spare, ctx->flow);
    wr_random_init(&s->random, (uint64_t) wr_clock_monotonic(ctx->clock));
    uint32_t places = (uint32_t) h->config->connections;
    s->conn_count = (places + h->shard_count - 1 - ctx->shard) / h->shard_count;
    if (h->listener < 0)
        s->conn_count = ctx->shard == 0 ? 1 : 0;
    s->conns = wr_calloc(ctx->flow, s->conn_count + 1, sizeof *s->conns);
    for (uint32_t i = 0; s->conns != NULL && i < s->conn_count; i++) {
        s->conns[i].fd = -1;
        wr_input_init(&s->conns[i].input, ctx->flow);
    }
    wr_mutex_lock(&h->lock);
    h->shards[ctx->shard] = s;
    wr_mutex_unlock(&h->lock);
    weir_status status = WEIR_OK;
    if (s->epoll < 0 || s->conns == NULL)
        status = wr_error_set(err, s->epoll < 0 ? WEIR_LIMIT : WEIR_MEMORY, "no %s for a TCP source",
                              s->epoll < 0 ? "descriptor" : "memory");
    else if (h->listener >= 0 && ctx->shard == 0 && !wr_tcp_watch(s->epoll, h->listener, EPOLLIN, TCP_LISTENER))
        status = wr_error_set(err, WEIR_LIMIT, "cannot watch the socket: %s", strerror(errno));
    if (status != WEIR_OK)
        tcp_close(s);
    return status;
}

/* --- connections come and go --- */

static void
conn_end(tcp_source *s, uint32_t index)
{
    tcp_conn   *conn = &s->conns[index];
    tcp_shared *h = s->shared;
    bool        gave = conn->input.offset > 0;
    int64_t     heard = conn->heard;
    wr_tcp_conn_fini(conn);
    s->live--;
    if (h->listener < 0) { /* the server will come back */
        s->ctx->caught_up(s->ctx, conn->lane, false);
        wr_tcp_retry_gone(s, gave, heard);
        return;
    }
    s->ctx->lane_end(s->ctx, conn->lane);
    conn->lane = NULL;
    wr_mutex_lock(&h->lock);
    h->busy[place_of(s, index)] = false;
    h->taken--;
    for (uint32_t i = 0; s->ctx->bounded && h->taken == 0 && i < h->shard_count; i++)
        if (h->shards[i] != NULL) /* all may be over now */
            h->shards[i]->ctx->wake(h->shards[i]->ctx);
    wr_mutex_unlock(&h->lock);
}

/* There is no memory for its TLS: it goes, and the place is free.  Listening: under the lock. */
static void
conn_drop(tcp_source *s, uint32_t index)
{
    tcp_conn   *conn = &s->conns[index];
    tcp_shared *h = s->shared;
    wr_tcp_conn_fini(conn);
    if (h->listener < 0) {
        wr_tcp_retry_later(s, "no memory for TLS");
        return;
    }
    wr_log(WR_LOG_WARN, "tcp", "%s: a connection was refused: no memory for TLS", h->config->listen);
    s->ctx->lane_end(s->ctx, conn->lane);
    conn->lane = NULL;
    h->busy[place_of(s, index)] = false;
    h->taken--;
}

/* Takes fd, unless it is false: no memory. */
static bool
conn_begin(tcp_source *s, uint32_t index, int fd, bool connecting)
{
    tcp_conn *conn = &s->conns[index];
    conn->lane = s->ctx->lane(s->ctx, (int32_t) place_of(s, index));
    conn->watched = connecting ? EPOLLOUT : EPOLLIN;
    if (conn->lane == NULL || !wr_tcp_watch(s->epoll, fd, conn->watched, index))
        return false;
    s->ctx->lane_anew(s->ctx, conn->lane); /* also after a restart: it is another connection */
    conn->fd = fd;
    conn->connecting = connecting;
    conn->known = false;
    if (wr_tcp_conn_begin(conn, &s->shared->tls, s->shared->budget) != WEIR_OK) {
        conn_drop(s, index);
        return true;
    }
    conn->heard = wr_clock_monotonic(s->ctx->clock);
    wr_input_clear(&conn->input, 0);
    s->live++;
    return true;
}

/* Take the connections that were handed to this shard.  False: no memory. */
static bool
connections_take(tcp_source *s)
{
    tcp_shared *h = s->shared;
    uint32_t    changes = atomic_load_explicit(&h->changes, memory_order_acquire);
    if (changes == s->changes_seen)
        return true;
    s->changes_seen = changes;
    bool good = true;
    wr_mutex_lock(&h->lock);
    for (uint32_t i = 0; i < s->conn_count && h->listener >= 0; i++) {
        int *fd = &h->handed[place_of(s, i)];
        if (*fd < 0)
            continue;
        if (conn_begin(s, i, *fd, false)) {
            *fd = -1; /* else it is closed with the rest */
        } else {
            good = false;
            break;
        }
    }
    wr_mutex_unlock(&h->lock);
    return good;
}

/* --- connecting --- */

/* Begin with the next address.  False: no memory for a lane. */
static bool
connection_begin(tcp_source *s)
{
    if (s->conns[0].lane == NULL)
        s->conns[0].lane = s->ctx->lane(s->ctx, 0);
    if (s->conns[0].lane == NULL)
        return false;
    int fd = wr_tcp_connect_next(s);
    if (fd < 0)
        return true;
    if (conn_begin(s, 0, fd, true))
        return true;
    close(fd);
    return false;
}

/* The socket that was connecting is writable: how did it go? */
static void
connection_finish(tcp_source *s)
{
    tcp_conn *conn = &s->conns[0];
    int       error = wr_tcp_connected(conn->fd);
    if (error != 0) {
        wr_tcp_conn_fini(conn);
        s->live--;
        wr_tcp_retry_later(s, strerror(error));
        return;
    }
    conn->connecting = false;
    conn->watched = conn->wire.ssl != NULL ? EPOLLIN | EPOLLOUT : EPOLLIN; /* TLS: we speak first */
    (void) wr_tcp_watch(s->epoll, conn->fd, conn->watched, 0);
}

/* --- polling --- */

/* TLS came to nothing: nobody is there. */
static void
conn_refuse(tcp_source *s, uint32_t index)
{
    char        why[160];
    const char *hint; /* for people at a command line */
    tcp_conn   *conn = &s->conns[index];
    wr_conn_error(&conn->wire, why, sizeof why, &hint);
    if (s->shared->listener >= 0) {
        wr_log(WR_LOG_WARN, "tcp", "%s: a TLS handshake failed: %s", s->shared->config->listen, why);
        conn_end(s, index);
        return;
    }
    wr_tcp_conn_fini(conn);
    s->live--;
    wr_tcp_retry_later(s, why);
}

/* What it waits for now; and is somebody there? */
static bool
conn_watch(tcp_source *s, uint32_t index)
{
    tcp_conn *conn = &s->conns[index];
    uint32_t  what = conn->wire.wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (!conn->known && wr_conn_is_ready(&conn->wire)) {
        conn->known = true;
        wr_mutex_lock(&s->shared->lock);
        s->shared->any = true;
        wr_mutex_unlock(&s->shared->lock);
    }
    if (conn->watched == what)
        return true;
    conn->watched = what;
    return wr_tcp_watch(s->epoll, conn->fd, what, index);
}

/* One connection.  *read: it did something.  False: the source fails. */
static bool
conn_serve(tcp_source *s, uint32_t index, bool *read, bool *full)
{
    switch (wr_tcp_conn_read(&s->conns[index], s->shared->config, s->ctx, &s->spare)) {
    case TCP_EMPTY: return conn_watch(s, index);
    case TCP_REFUSED:
        *read = true;
        conn_refuse(s, index);
        break;
    case TCP_READ: *read = true; return conn_watch(s, index);
    case TCP_FULL: *full = true; break;
    case TCP_CLOSED:
        *read = true;
        (void) conn_watch(s, index); /* all it had to say may have come at once */
        conn_end(s, index);
        break;
    case TCP_FAILED:
        wr_error_set(&s->ctx->error, WEIR_MEMORY, "no memory to read into");
        return false;
    }
    return true;
}

/* Connections that are silent too long, or do not come to the end of a handshake; the next look. */
static void
silence_check(tcp_source *s)
{
    int64_t now, next = INT64_MAX;
    if ((s->shared->config->idle_us <= 0 && s->shared->tls.tls == NULL) || s->live == 0)
        return;
    now = wr_clock_monotonic(s->ctx->clock);
    for (uint32_t i = 0; i < s->conn_count; i++) {
        tcp_conn *conn = &s->conns[i];
        bool      ready = wr_conn_is_ready(&conn->wire);
        int64_t   idle = ready ? s->shared->config->idle_us : HANDSHAKE_US;
        if (conn->fd < 0 || conn->connecting || conn->stalled || idle <= 0)
            continue;
        if (now - conn->heard >= idle) {
            wr_log(WR_LOG_INFO, "tcp", "a connection was closed for its silence%s",
                   ready ? "" : " in a TLS handshake");
            conn_end(s, i);
        } else {
            next = WR_MIN(next, conn->heard + idle - now);
        }
    }
    if (next != INT64_MAX)
        s->ctx->wake_after(s->ctx, WR_MAX(next, (int64_t) 1000));
}

static wr_flow
tcp_fail(tcp_source *s)
{
    if (s->ctx->error.code == WEIR_OK)
        wr_error_set(&s->ctx->error, WEIR_MEMORY, "no memory for a connection");
    return WR_FLOW_FAIL;
}

/* Those that had no room first, then whoever has sent something. */
static bool
connections_serve(tcp_source *s, bool *read, bool *full)
{
    struct epoll_event events[TCP_EVENTS_A_TURN];
    for (uint32_t i = 0; i < s->conn_count && !*full; i++)
        if (s->conns[i].fd >= 0 && s->conns[i].stalled && !conn_serve(s, i, read, full))
            return false;
    int n = *full ? 0 : epoll_wait(s->epoll, events, TCP_EVENTS_A_TURN, 0);
    *read |= n == TCP_EVENTS_A_TURN;
    for (int i = 0; i < n && !*full; i++) {
        uint32_t index = events[i].data.u32;
        if (index == TCP_LISTENER) {
            wr_tcp_accept(s);
            *read = true;
        } else if (s->conns[index].fd < 0) {
            continue;
        } else if (s->conns[index].connecting) {
            connection_finish(s);
            *read = true;
        } else if (!conn_serve(s, index, read, full)) {
            return false;
        }
    }
    return true;
}

static wr_flow
tcp_poll(void *self, wr_source_ctx *ctx)
{
    tcp_source *s = self;
    tcp_shared *h = s->shared;
    bool        read = false, full = false;
    if (!connections_take(s))
        return tcp_fail(s);
    wr_tcp_accept_resume(s);
    bool connects = h->listener < 0 && ctx->shard == 0;
    if (connects && s->live == 0) {
        if (ctx->bounded && h->any) {
            ctx->lane_end(ctx, s->conns[0].lane);
            return WR_FLOW_DONE;
        }
        if (wr_clock_monotonic(ctx->clock) >= s->retry_at && !connection_begin(s))
            return tcp_fail(s);
    }
    if (h->listener < 0 && ctx->shard != 0)
        return WR_FLOW_DONE;
    if (!ctx->has_room(ctx))
        return WR_FLOW_WAIT;
    if (!connections_serve(s, &read, &full))
        return tcp_fail(s);
    silence_check(s);
    atomic_store_explicit(&s->shown, s->live - (connects && s->conns[0].connecting),
                          memory_order_relaxed);
    if (ctx->bounded && h->listener >= 0) {
        wr_mutex_lock(&h->lock);
        bool over = h->any && h->taken == 0;
        wr_mutex_unlock(&h->lock);
        if (over)
            return WR_FLOW_DONE;
    }
    if (read && !full)
        return WR_FLOW_NEXT;
    if (!full)
        ctx->wake_on(ctx, s->epoll);
    return WR_FLOW_WAIT;
}

static void
tcp_describe(void *self, wr_text *to)
{
    tcp_source *s = self;
    tcp_shared *h = s->shared;
    uint32_t    shown = atomic_load_explicit(&s->shown, memory_order_relaxed);
    if (h->listener >= 0)
        wr_text_printf(to, "%s (port %d): %u connections\n", h->config->listen, h->port, shown);
    else if (s->ctx->shard == 0)
        wr_text_printf(to, "%s: %s\n", h->config->connect,
                       shown > 0 ? "connected" : "not connected");
}

static bool
tcp_away(void *self, wr_text *why)
{
    const tcp_source *s = self;
    const tcp_shared *h = s->shared;
    if (h->listener >= 0 || s->ctx->shard != 0 || atomic_load_explicit(&s->shown, memory_order_relaxed) > 0)
        return false;
    wr_text_printf(why, "it is not connected to %s", h->config->connect);
    return true;
}

const wr_source_ops wr_tcp_source_ops = {
    .name = "tcp",
    .doc = "Records from TCP connections.",
    .options = wr_tcp_options,
    .config_bytes = sizeof(wr_tcp_source_config),
    .self_bytes = sizeof(tcp_source),
    .default_format = "json",
    .bounded = tcp_bounded,
    .check = wr_tcp_check,
    .share = wr_tcp_share,
    .unshare = wr_tcp_unshare,
    .open = tcp_open,
    .poll = tcp_poll,
    .close = tcp_close,
    .describe = tcp_describe,
    .away = tcp_away,
};
