/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/tcp_connect.c -- a server that we connect to, and the pauses while it is away (see tcp_impl.h).
 *
 * A pause is twice the one before, with full jitter, between TCP_RETRY_MIN_US and TCP_RETRY_MAX_US; they begin anew when
 * the server gave something, or stayed as long as the longest.
 */
#include "base/log.h"
#include "connector/tcp_impl.h"

#include <errno.h>
#include <string.h>

/* The next attempt is after a pause. */
static void
retry_pause(tcp_source *s)
{
    int64_t pause = TCP_RETRY_MIN_US / 2; /* and full jitter */
    pause += (int64_t) wr_random_below(&s->random, (uint64_t) s->retry_us);
    s->retry_at = wr_clock_monotonic(s->ctx->clock) + pause;
    s->ctx->wake_after(s->ctx, pause);
    s->retry_us = WR_MIN(s->retry_us * 2, (int64_t) TCP_RETRY_MAX_US);
}

void
wr_tcp_retry_later(tcp_source *s, const char *why)
{
    wr_error_set(&s->ctx->error, WEIR_CONNECT, "cannot connect to %s: %s", s->shared->config->connect,
                 why);
    wr_log(WR_LOG_WARN, "tcp", "%s", s->ctx->error.text);
    retry_pause(s);
}

void
wr_tcp_retry_gone(tcp_source *s, bool gave, int64_t heard)
{
    if (gave || wr_clock_monotonic(s->ctx->clock) - heard >= TCP_RETRY_MAX_US)
        s->retry_us = TCP_RETRY_MIN_US;
    if (gave)
        retry_pause(s);
    else
        wr_tcp_retry_later(s, "it hangs up");
}

int
wr_tcp_connect_next(tcp_source *s)
{
    if (s->next == NULL)
        s->next = s->shared->addresses;
    int fd = wr_tcp_connect(s->next);
    s->next = s->next->ai_next;
    if (fd < 0)
        wr_tcp_retry_later(s, strerror(errno));
    return fd;
}
