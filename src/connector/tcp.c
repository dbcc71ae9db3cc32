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

enum {
    EVENTS_A_TURN = 64,
    RETRY_MIN_US = 100000, /* of connecting, and of accepting */
    RETRY_MAX_US = 30000000,
    HANDSHAKE_US = 10000000,
    LISTENER = UINT32_MAX, /* the listening socket's event */
};

typedef struct tcp_source tcp_source;

/* One a process. */
typedef struct tcp_shared {
    const wr_tcp_source_config *config;
    wr_budget                  *budget;
    int                         listener, port; /* -1: we connect */
    struct addrinfo            *addresses;
    wr_mutex                    lock;
    tcp_tls                     tls; /* listening: under the lock */
    tcp_source                **shards;
    uint32_t                    shard_count, taken;
    int                        *handed; /* by place: a connection for its shard, -1: none */
    bool                       *busy;   /* by place */
    _Atomic uint32_t            changes;
    bool                        any; /* somebody has connected once */
} tcp_shared;

struct tcp_source {
    tcp_shared    *shared;
    wr_source_ctx *ctx;
    int            epoll;
    tcp_conn      *conns; /* of this shard, by place / shard_count */
    uint32_t       conn_count, live;
    _Atomic uint32_t shown; /* live connections that are made, for whoever looks */
    uint32_t       changes_seen;
    wr_input       spare;
    /* Listening: not watched before then; 0: it is. */
    int64_t                deaf_until;
    /* Connecting. */
    const struct addrinfo *next;
    int64_t                retry_us, retry_at; /* the next pause; when the present one is over */
    wr_random              random;
};

static uint32_t
place_of(const tcp_source *s, uint32_t index)
{
    return index * s->shared->shard_count + s->ctx->shard;
}

/* --- one a process --- */

static bool
tcp_bounded(const void *config)
{
    return false;
}

static weir_status
tcp_check(const void *config, weir_error *err)
{
    const wr_tcp_source_config *c = config;
    if ((c->listen == NULL) == (c->connect == NULL))
        return wr_error_set(err, WEIR_CONFIG_MISSING, "say either listen: or connect: host:port");
    WR_TRY(wr_tcp_address_check(c->listen != NULL ? c->listen : c->connect, c->listen != NULL, err));
    return wr_tcp_tls_check(c, err);
}

static void
tcp_unshare(void *shared)
{
    tcp_shared *h = shared;
    if (h->listener >= 0)
        close(h->listener);
    if (h->addresses != NULL)
        freeaddrinfo(h->addresses);
    for (int64_t i = 0; h->handed != NULL && i < h->config->connections; i++)
        if (h->handed[i] >= 0)
            close(h->handed[i]);
    wr_tcp_tls_close(&h->tls);
    wr_mutex_fini(&h->lock);
    wr_free(h->handed);
    wr_free(h->busy);
    wr_free(h->shards);
    wr_free(h);
}

static weir_status
tcp_share(const void *config, uint32_t shard_count, wr_budget *budget, void **shared,
          weir_error *err)
{
    const wr_tcp_source_config *c = config;
    WR_TRY(tcp_check(c, err));
    tcp_shared *h = wr_calloc(budget, 1, sizeof *h);
    if (h == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a TCP source");
    h->config = c;
    h->budget = budget;
    h->listener = -1;
    h->shard_count = shard_count;
    wr_mutex_init(&h->lock);
    h->shards = wr_calloc(budget, shard_count, sizeof *h->shards);
    h->handed = wr_alloc(budget, (size_t) c->connections * sizeof *h->handed);
    h->busy = wr_calloc(budget, (size_t) c->connections, sizeof *h->busy);
    weir_status status = WEIR_OK;
    if (h->shards == NULL || h->handed == NULL || h->busy == NULL)
        status = wr_error_set(err, WEIR_MEMORY, "no memory for a TCP source");
    for (int64_t i = 0; h->handed != NULL && i < c->connections; i++)
        h->handed[i] = -1;
    if (status == WEIR_OK)
        status = wr_tcp_tls_open(&h->tls, c, err);
    if (status == WEIR_OK)
        status = c->listen != NULL ? wr_tcp_listen(c->listen, &h->listener, &h->port, err)
                                   : wr_tcp_resolve(c->connect, false, &h->addresses, err);
    if (status != WEIR_OK) {
        tcp_unshare(h);
        return status;
    }
    *shared = h;
    return WEIR_OK;
}

/* --- a shard's life --- */

static bool
epoll_watch(tcp_source *s, int fd, uint32_t what, uint32_t index)
{
    struct epoll_event event = { .events = what, .data.u32 = index };
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ||
           epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &event) == 0;
}

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
    s->retry_us = RETRY_MIN_US;
    s->next = h->addresses;
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
    else if (h->listener >= 0 && ctx->shard == 0 && !epoll_watch(s, h->listener, EPOLLIN, LISTENER))
        status = wr_error_set(err, WEIR_LIMIT, "cannot watch the socket: %s", strerror(errno));
    if (status != WEIR_OK)
        tcp_close(s);
    return status;
}

/* The next attempt is after a pause. */
static void
retry_pause(tcp_source *s)
{
    int64_t pause = RETRY_MIN_US / 2; /* and full jitter */
    pause += (int64_t) wr_random_below(&s->random, (uint64_t) s->retry_us);
    s->retry_at = wr_clock_monotonic(s->ctx->clock) + pause;
    s->ctx->wake_after(s->ctx, pause);
    s->retry_us = WR_MIN(s->retry_us * 2, (int64_t) RETRY_MAX_US);
}

/* Connecting came to nothing. */
static void
retry_later(tcp_source *s, const char *why)
{
    wr_error_set(&s->ctx->error, WEIR_CONNECT, "cannot connect to %s: %s", s->shared->config->connect,
                 why);
    wr_log(WR_LOG_WARN, "tcp", "%s", s->ctx->error.text);
    retry_pause(s);
}

/* The server has gone: after it gave something, or stayed for long, it is looked for before long. */
static void
retry_gone(tcp_source *s, bool gave, int64_t heard)
{
    if (gave || wr_clock_monotonic(s->ctx->clock) - heard >= RETRY_MAX_US)
        s->retry_us = RETRY_MIN_US;
    if (gave)
        retry_pause(s);
    else
        retry_later(s, "it hangs up");
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
        retry_gone(s, gave, heard);
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
        retry_later(s, "no memory for TLS");
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
    if (conn->lane == NULL || !epoll_watch(s, fd, conn->watched, index))
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

/* Under the lock: a free place for a new connection, or false. */
static bool
place_find(tcp_shared *h, uint32_t *place)
{
    for (uint32_t i = 0; h->taken < (uint32_t) h->config->connections; i++)
        if (!h->busy[i]) {
            *place = i;
            return true;
        }
    return false;
}

/* Shard 0: there is no descriptor, or no memory, for who waits: the listener would say so all the time. */
static void
accept_pause(tcp_source *s, int error)
{
    wr_log(WR_LOG_WARN, "tcp", "%s: a connection waits: %s", s->shared->config->listen, strerror(error));
    s->deaf_until = wr_clock_monotonic(s->ctx->clock) + RETRY_MIN_US;
    (void) epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->shared->listener, NULL);
    s->ctx->wake_after(s->ctx, RETRY_MIN_US);
}

static void
accept_resume(tcp_source *s)
{
    int64_t now = wr_clock_monotonic(s->ctx->clock);
    if (s->deaf_until == 0)
        return;
    if (now >= s->deaf_until)
        s->deaf_until = epoll_watch(s, s->shared->listener, EPOLLIN, LISTENER) ? 0 : now + RETRY_MIN_US;
    if (s->deaf_until != 0)
        s->ctx->wake_after(s->ctx, s->deaf_until - now);
}

/* Shard 0: accept who waits; each goes to the lowest free place. */
static void
connections_accept(tcp_source *s)
{
    tcp_shared *h = s->shared;
    for (int i = 0; i < EVENTS_A_TURN; i++) {
        uint32_t place;
        int      fd = accept4(h->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                accept_pause(s, errno);
            return;
        }
        wr_tcp_prepare(fd);
        wr_mutex_lock(&h->lock);
        wr_tcp_tls_refresh(&h->tls);
        bool found = place_find(h, &place);
        if (found) {
            h->busy[place] = true;
            h->handed[place] = fd;
            h->taken++;
            atomic_fetch_add_explicit(&h->changes, 1, memory_order_release);
            tcp_source *whose = h->shards[place % h->shard_count];
            if (whose != NULL)
                whose->ctx->wake(whose->ctx);
        }
        wr_mutex_unlock(&h->lock);
        if (!found) {
            wr_log(WR_LOG_WARN, "tcp", "%s: more than %lld connections: one was refused",
                   h->config->listen, (long long) h->config->connections);
            close(fd);
        }
    }
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
    if (s->next == NULL)
        s->next = s->shared->addresses;
    if (s->conns[0].lane == NULL)
        s->conns[0].lane = s->ctx->lane(s->ctx, 0);
    if (s->conns[0].lane == NULL)
        return false;
    int fd = wr_tcp_connect(s->next);
    s->next = s->next->ai_next;
    if (fd < 0) {
        retry_later(s, strerror(errno));
        return true;
    }
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
        retry_later(s, strerror(error));
        return;
    }
    conn->connecting = false;
    conn->watched = conn->wire.ssl != NULL ? EPOLLIN | EPOLLOUT : EPOLLIN; /* TLS: we speak first */
    (void) epoll_watch(s, conn->fd, conn->watched, 0);
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
    retry_later(s, why);
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
    return epoll_watch(s, conn->fd, what, index);
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
    struct epoll_event events[EVENTS_A_TURN];
    for (uint32_t i = 0; i < s->conn_count && !*full; i++)
        if (s->conns[i].fd >= 0 && s->conns[i].stalled && !conn_serve(s, i, read, full))
            return false;
    int n = *full ? 0 : epoll_wait(s->epoll, events, EVENTS_A_TURN, 0);
    *read |= n == EVENTS_A_TURN;
    for (int i = 0; i < n && !*full; i++) {
        uint32_t index = events[i].data.u32;
        if (index == LISTENER) {
            connections_accept(s);
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
    accept_resume(s);
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

static const wr_option tls_options[] = {
    { .name = "cert",
      .type = WR_OPT_PATH,
      .offset = offsetof(wr_tcp_source_config, tls_cert),
      .doc = "PEM file of our certificate and its chain; who listens needs one." },
    { .name = "key",
      .type = WR_OPT_PATH,
      .offset = offsetof(wr_tcp_source_config, tls_key),
      .doc = "PEM file of its key, readable by its owner alone." },
    { .name = "client_ca",
      .type = WR_OPT_PATH,
      .offset = offsetof(wr_tcp_source_config, tls_client_ca),
      .doc = "listen: PEM file of the CA that must have signed a client's certificate; default: none is asked for." },
    { .name = "ca",
      .type = WR_OPT_PATH,
      .offset = offsetof(wr_tcp_source_config, tls_ca),
      .doc = "connect: PEM file of the CA that must have signed the server's certificate; default: the system's." },
    { 0 },
};

static const wr_option tcp_options[] = {
    { .name = "listen",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_tcp_source_config, listen),
      .doc = "host:port where others connect and send; *:port for all interfaces." },
    { .name = "connect",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_tcp_source_config, connect),
      .doc = "host:port of a server that sends to whoever connects." },
    { .name = "framing",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_tcp_source_config, framing),
      .fallback = "newline",
      .choices = "newline|length",
      .doc = "Records end with a newline, or messages begin with their length (u32 big-endian)." },
    { .name = "connections",
      .type = WR_OPT_INTEGER,
      .offset = offsetof(wr_tcp_source_config, connections),
      .fallback = "1024",
      .low = 1,
      .high = 65536,
      .doc = "Connections at once; more are refused." },
    { .name = "message_max",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_tcp_source_config, message_bytes_max),
      .fallback = "1MiB",
      .low = 64,
      .high = WR_STRING_BYTES_MAX,
      .doc = "A longer message ends its connection." },
    { .name = "tls",
      .type = WR_OPT_GROUP,
      .offset = offsetof(wr_tcp_source_config, tls),
      .group = tls_options,
      .doc = "TLS 1.2 or later, and nothing else." },
    { .name = "idle",
      .type = WR_OPT_DURATION,
      .offset = offsetof(wr_tcp_source_config, idle_us),
      .fallback = "0",
      .doc = "Connections are closed after so long a silence; 0: never." },
    { 0 },
};

const wr_source_ops wr_tcp_source_ops = {
    .name = "tcp",
    .doc = "Records from TCP connections.",
    .options = tcp_options,
    .config_bytes = sizeof(wr_tcp_source_config),
    .self_bytes = sizeof(tcp_source),
    .default_format = "json",
    .bounded = tcp_bounded,
    .check = tcp_check,
    .share = tcp_share,
    .unshare = tcp_unshare,
    .open = tcp_open,
    .poll = tcp_poll,
    .close = tcp_close,
    .describe = tcp_describe,
    .away = tcp_away,
};
