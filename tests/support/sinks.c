/* SPDX-License-Identifier: Apache-2.0 */
/* support/sinks.c -- see sinks.h. */
#include "support/deadline.h"
#include "support/sinks.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void
sinks_wake(wr_sink_ctx *ctx)
{
    ssize_t n = write(((wr_sinks *) ctx)->bell[1], "!", 1);
    (void) n;
}

static void
sinks_wake_after(wr_sink_ctx *ctx, int64_t us)
{
    ((wr_sinks *) ctx)->wake_at = wr_clock_monotonic(ctx->clock) + us;
}

static void
sinks_wake_on(wr_sink_ctx *ctx, int fd, bool writable)
{
    ((wr_sinks *) ctx)->fd = fd;
    ((wr_sinks *) ctx)->writable = writable;
}

weir_status
wr_sinks_try(wr_sinks *s, const char *sink, const char *settings, const char *format,
             const char *columns, wr_relation_kind kind, weir_error *err)
{
    memset(s, 0, sizeof *s);
    wr_decoding_open(&s->rows, "json", columns, NULL);
    s->rows.schema->kind = kind;
    if (kind == WR_UPSERT) { /* by the first column */
        s->rows.schema->key = wr_arena_calloc(&s->rows.arena, 1, sizeof(uint32_t));
        s->rows.schema->key_count = 1;
    }
    s->ops = wr_sink_find(sink);
    assert_non_null(s->ops);
    s->config =
        wr_decode_config(&s->rows.arena, s->ops->options, s->ops->config_bytes, settings);
    assert_int_equal(pipe2(s->bell, O_NONBLOCK | O_CLOEXEC), 0);
    s->fd = -1;
    s->ctx.clock = wr_clock_system();
    s->ctx.schema = s->rows.schema;
    s->ctx.wake = sinks_wake;
    s->ctx.wake_after = sinks_wake_after;
    s->ctx.wake_on = sinks_wake_on;
    if (format != NULL) {
        s->format = wr_encoder_find(format);
        assert_non_null(s->format);
        void *config =
            wr_decode_config(&s->rows.arena, s->format->options, s->format->config_bytes, NULL);
        assert_int_equal(
            s->format->create(config, s->rows.schema, NULL, &s->ctx.encoder, err), WEIR_OK);
    }
    if (s->ops->check != NULL)
        WR_TRY(s->ops->check(s->config, s->rows.schema, s->format, err));
    s->self = wr_calloc(NULL, 1, s->ops->self_bytes);
    return s->ops->open(s->self, &s->ctx, s->config, err);
}

void
wr_sinks_open(wr_sinks *s, const char *sink, const char *settings, const char *format,
              const char *columns)
{
    weir_error err;
    if (wr_sinks_try(s, sink, settings, format, columns, WR_INSERT_ONLY, &err) != WEIR_OK)
        fail_msg("%s does not open: %s", sink, err.text);
}

/* False when the time is up. */
static bool
sinks_sleep(wr_sinks *s, int64_t until)
{
    char          drain[64];
    struct pollfd p[2] = { { .fd = s->bell[0], .events = POLLIN },
                           { .fd = s->fd, .events = s->writable ? POLLOUT : POLLIN } };
    int64_t       now = wr_clock_monotonic(s->ctx.clock), at = until;
    if (now >= until)
        return false;
    if (s->wake_at != 0)
        at = WR_MIN(at, s->wake_at);
    if (at > now)
        (void) poll(p, s->fd >= 0 ? 2 : 1, (int) ((at - now + 999) / 1000));
    while (read(s->bell[0], drain, sizeof drain) > 0)
        ;
    s->wake_at = 0;
    s->fd = -1;
    if (s->ops->service != NULL)
        (void) s->ops->service(s->self, &s->ctx);
    return true;
}

wr_flow
wr_sinks_write(wr_sinks *s, const char *rows, const int64_t *diffs, int timeout_ms)
{
    int64_t   until = wr_test_deadline(s->ctx.clock, timeout_ms);
    wr_batch *batch = wr_decoding_batch(&s->rows, rows, diffs);
    wr_flow   flow;
    do
        flow = s->ops->write(s->self, &s->ctx, batch);
    while (flow == WR_FLOW_AGAIN && sinks_sleep(s, until));
    wr_batch_release(batch);
    return flow;
}

wr_flow
wr_sinks_flush(wr_sinks *s, int timeout_ms)
{
    int64_t until = wr_test_deadline(s->ctx.clock, timeout_ms);
    wr_flow flow;
    do
        flow = s->ops->flush(s->self, &s->ctx);
    while (flow == WR_FLOW_WAIT && sinks_sleep(s, until));
    return flow;
}

void
wr_sinks_serve(wr_sinks *s, int ms)
{
    int64_t until = wr_clock_monotonic(s->ctx.clock) + (int64_t) ms * 1000;
    while (sinks_sleep(s, until))
        ;
}

void
wr_sinks_close(wr_sinks *s)
{
    if (s->self != NULL)
        s->ops->close(s->self);
    wr_free(s->self);
    if (s->ctx.encoder != NULL)
        s->format->destroy(s->ctx.encoder);
    close(s->bell[0]);
    close(s->bell[1]);
    wr_decoding_close(&s->rows);
}
