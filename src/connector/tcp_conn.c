/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/tcp_conn.c -- one connection: read, cut into records or messages, feed its lane.
 *
 * Invariants  T1  with newlines, only whole lines are offered to the decoder, so that a slow writer
 *                 does not have its record parsed again and again
 *             T2  a declared length beyond the limit ends the connection: what follows is not known
 *             T3  an unfinished record at an orderly end is the last record; when the connection
 *                 breaks it is a bad one, for nobody knows what is missing
 */
#include "connector/tcp_impl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LENGTH_BYTES = 4, CARRY_BYTES_MIN = 64, MANY_BYTES = 16 << 10 };

/* --- life --- */

weir_status
wr_tcp_conn_begin(tcp_conn *conn, const tcp_tls *t, wr_budget *budget)
{
    wr_conn_init(&conn->wire, conn->fd);
    if (t->tls == NULL)
        return WEIR_OK;
    if (!wr_budget_charge(budget, WR_CONN_TLS_BYTES))
        return WEIR_MEMORY;
    conn->charged = budget;
    if (t->config->listen != NULL)
        return wr_conn_accept_tls(&conn->wire, t->tls);
    return wr_conn_connect_tls(&conn->wire, t->tls, t->host);
}

void
wr_tcp_conn_fini(tcp_conn *conn)
{
    if (conn->fd >= 0) {
        if (conn->wire.ssl != NULL)
            (void) wr_conn_shutdown(&conn->wire);
        wr_conn_fini(&conn->wire);
        close(conn->fd); /* and out of the epoll set */
    }
    if (conn->charged != NULL)
        wr_budget_discharge(conn->charged, WR_CONN_TLS_BYTES);
    conn->fd = -1;
    conn->charged = NULL;
    conn->connecting = conn->stalled = conn->ending = false;
    conn->scanned = conn->framed = 0;
    wr_input_fini(&conn->input);
}

/* --- buffers: a large one is lent, what is carried over is kept small --- */

static void
input_borrow(wr_input *in, wr_input *spare)
{
    if (spare->bytes == NULL || in->capacity >= spare->capacity)
        return;
    size_t held = in->end - in->begin;
    if (held > 0)
        memcpy(spare->bytes, in->bytes + in->begin, held);
    wr_free(in->bytes);
    in->bytes = spare->bytes;
    in->capacity = spare->capacity;
    in->begin = 0;
    in->end = held;
    spare->bytes = NULL;
    spare->capacity = 0;
}

static void
input_return(wr_input *in, wr_input *spare)
{
    size_t held = in->end - in->begin;
    char  *small = NULL;
    if (in->bytes == NULL || held > in->capacity / 4)
        return;
    if (held > 0) {
        small = wr_alloc(in->budget, WR_MAX(held, (size_t) CARRY_BYTES_MIN));
        if (small == NULL)
            return;
        memcpy(small, in->bytes + in->begin, held);
    }
    if (spare->bytes == NULL) {
        spare->bytes = in->bytes;
        spare->capacity = in->capacity;
    } else {
        wr_free(in->bytes);
    }
    in->bytes = small;
    in->capacity = small != NULL ? WR_MAX(held, (size_t) CARRY_BYTES_MIN) : 0;
    in->begin = 0;
    in->end = held;
}

/* --- feeding --- */

static void
input_used(wr_input *in, size_t used)
{
    in->begin += used;
    in->offset += used;
}

/* Bytes of the buffer up to its last newline, all when it is over or too long a line. */
static size_t
lines_length(tcp_conn *conn, size_t line_max)
{
    size_t      held = conn->input.end - conn->input.begin;
    const char *from = conn->input.bytes + conn->input.begin;
    if (conn->ending)
        return held;
    const char *newline = NULL;
    if (held > conn->scanned)
        newline = memrchr(from + conn->scanned, '\n', held - conn->scanned);
    if (newline != NULL)
        return (size_t) (newline - from) + 1;
    conn->scanned = held;
    return held > line_max ? held : 0;
}

static tcp_outcome
lines_feed(tcp_conn *conn, const wr_tcp_source_config *config, wr_source_ctx *ctx)
{
    size_t      used = 0, length = lines_length(conn, (size_t) config->message_bytes_max);
    const char *from = conn->input.bytes + conn->input.begin;
    if (length == 0)
        return TCP_EMPTY;
    if (!ctx->has_room(ctx))
        return TCP_FULL;
    weir_status status = ctx->feed(ctx, conn->lane, from, length, conn->ending, NULL, &used);
    input_used(&conn->input, used);
    if (wr_status_is_row(status))
        return TCP_CLOSED;
    if (status != WEIR_OK)
        return TCP_FAILED;
    if (used < length && !ctx->has_room(ctx)) {
        conn->scanned = 0;
        return TCP_FULL;
    }
    /* a record that goes on over the last newline waits for the next one */
    conn->scanned = conn->input.end - conn->input.begin;
    return TCP_EMPTY;
}

static uint32_t
length_read(const char *p)
{
    const unsigned char *b = (const unsigned char *) p;
    return (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16 | (uint32_t) b[2] << 8 | b[3];
}

static tcp_outcome
messages_feed(tcp_conn *conn, const wr_tcp_source_config *config, wr_source_ctx *ctx)
{
    wr_input *in = &conn->input;
    char      text[96];
    while (in->end - in->begin >= LENGTH_BYTES) {
        size_t      held = in->end - in->begin - LENGTH_BYTES, used = 0;
        const char *message = in->bytes + in->begin + LENGTH_BYTES;
        uint32_t    length = length_read(in->bytes + in->begin);
        if (length > (uint64_t) config->message_bytes_max) { /* T2 */
            snprintf(text, sizeof text, "a message of %u bytes is declared, %lld are allowed", length,
                     (long long) config->message_bytes_max);
            ctx->bad(ctx, conn->lane, WEIR_ROW_TOO_LARGE, text, message, WR_MIN(held, (size_t) 64));
            return TCP_CLOSED;
        }
        if (held < length)
            break;
        if (length == 0)
            ctx->bad(ctx, conn->lane, WEIR_ROW_DECODE, "an empty message", message, 0);
        if (!ctx->has_room(ctx))
            return TCP_FULL;
        weir_status status = WEIR_OK;
        if (length > conn->framed)
            status = ctx->feed(ctx, conn->lane, message + conn->framed, length - conn->framed, true,
                               NULL, &used);
        if (status != WEIR_OK && !wr_status_is_row(status))
            return TCP_FAILED;
        conn->framed += used;
        if (status == WEIR_OK && conn->framed < length && !ctx->has_room(ctx))
            return TCP_FULL;
        conn->framed = 0;
        input_used(in, LENGTH_BYTES + (size_t) length);
    }
    if (conn->ending && in->end > in->begin) {
        ctx->bad(ctx, conn->lane, WEIR_ROW_DECODE, "the connection ends inside a message",
                 in->bytes + in->begin, WR_MIN(in->end - in->begin, (size_t) 64));
        input_used(in, in->end - in->begin);
    }
    return TCP_EMPTY;
}

static tcp_outcome
conn_feed(tcp_conn *conn, const wr_tcp_source_config *config, wr_source_ctx *ctx)
{
    tcp_outcome what = TCP_EMPTY;
    if (conn->input.end > conn->input.begin)
        what = config->framing == WR_TCP_LENGTH ? messages_feed(conn, config, ctx)
                                                : lines_feed(conn, config, ctx);
    conn->stalled = what == TCP_FULL;
    return what == TCP_EMPTY && conn->ending ? TCP_CLOSED : what;
}

/* The connection broke: what is unfinished is bad (T3). */
static void
conn_broken(tcp_conn *conn, wr_source_ctx *ctx)
{
    wr_input *in = &conn->input;
    size_t    held = in->end - in->begin;
    if (held > 0)
        ctx->bad(ctx, conn->lane, WEIR_ROW_DECODE, "the connection broke inside a record",
                 in->bytes + in->begin, WR_MIN(held, (size_t) 4096));
    input_used(in, held);
    conn->ending = true;
}

static tcp_outcome
conn_read(tcp_conn *conn, const wr_tcp_source_config *config, wr_source_ctx *ctx, wr_input *spare)
{
    size_t      room;
    tcp_outcome what = conn_feed(conn, config, ctx); /* what had no room last time */
    if (what != TCP_EMPTY || conn->ending)
        return what;
    input_borrow(&conn->input, spare);
    char *to = wr_input_room(&conn->input, WR_INPUT_BLOCK, &room);
    if (to == NULL)
        return TCP_FAILED;
    if (room == 0) { /* a record of 64 MiB: the decoder's limit is beyond reason */
        conn_broken(conn, ctx);
        return TCP_CLOSED;
    }
    ssize_t n = wr_conn_read(&conn->wire, to, room);
    if (n == WR_CONN_AGAIN)
        return TCP_EMPTY;
    if (n == WR_CONN_FAILED && !wr_conn_is_ready(&conn->wire))
        return TCP_REFUSED;
    if (n < 0)
        conn_broken(conn, ctx);
    conn->ending |= n == 0;
    /* a read through TLS ends where no whole record has room */
    bool full = n > 0 && room - (size_t) n < (conn->wire.ssl != NULL ? WR_CONN_RECORD : 1);
    if (n > 0) {
        conn->input.end += (size_t) n;
        conn->heard = wr_clock_monotonic(ctx->clock);
        ctx->caught_up(ctx, conn->lane, false);
    }
    what = conn_feed(conn, config, ctx);
    if (what == TCP_EMPTY && n > 0)
        ctx->caught_up(ctx, conn->lane, !full); /* a short read: that was all */
    /* after a few bytes there are no more; after many, more come while they are decoded */
    return what == TCP_EMPTY && (n >= MANY_BYTES || full) ? TCP_READ : what;
}

tcp_outcome
wr_tcp_conn_read(tcp_conn *conn, const wr_tcp_source_config *config, wr_source_ctx *ctx,
                 wr_input *spare)
{
    tcp_outcome what = conn_read(conn, config, ctx, spare);
    input_return(&conn->input, spare);
    /* a server that has not shown who it is is still away */
    if (what == TCP_EMPTY && (config->listen != NULL || wr_conn_is_ready(&conn->wire)))
        ctx->caught_up(ctx, conn->lane, true);
    return what;
}
