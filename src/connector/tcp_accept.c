/* SPDX-License-Identifier: Apache-2.0 */
/* connector/tcp_accept.c -- shard 0 of a source that listens: who comes is given a place (see tcp_impl.h). */
#include "base/log.h"
#include "connector/tcp_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

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
    s->deaf_until = wr_clock_monotonic(s->ctx->clock) + TCP_RETRY_MIN_US;
    (void) epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->shared->listener, NULL);
    s->ctx->wake_after(s->ctx, TCP_RETRY_MIN_US);
}

void
wr_tcp_accept_resume(tcp_source *s)
{
    int64_t now = wr_clock_monotonic(s->ctx->clock);
    if (s->deaf_until == 0)
        return;
    if (now >= s->deaf_until)
        s->deaf_until = wr_tcp_watch(s->epoll, s->shared->listener, EPOLLIN, TCP_LISTENER) ? 0 : now + TCP_RETRY_MIN_US;
    if (s->deaf_until != 0)
        s->ctx->wake_after(s->ctx, s->deaf_until - now);
}

void
wr_tcp_accept(tcp_source *s)
{
    tcp_shared *h = s->shared;
    for (int i = 0; i < TCP_EVENTS_A_TURN; i++) {
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
