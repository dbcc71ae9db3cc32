/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/wire.c -- what a client sends, as bytes on a socket: framing, requests and their answers, HTTP; on a server over a
 * running pipeline.  The first byte says which port and whether a token is wanted, the second in what pieces the rest comes.
 */
#include "fuzz/fuzz.h"
#include "server/server_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS_MAX = 2000 };

static weir *engine;
static server *face;
static listener listeners[4]; /* bit 0: http, bit 1: a token is wanted */

static void
begin(void)
{
    static const char text[] =
        "name: fuzz\n"
        "sources:\n"
        "  s: { push: {}, columns: \"k int8, t text\" }\n"
        "views:\n"
        "  v: { sql: \"SELECT k, t FROM s WHERE k > 1\" }\n"
        "  g: { sql: \"SELECT k, count(*) AS n FROM s GROUP BY k\", state: { ttl: 1s } }\n";
    weir_pipeline *pipeline;
    weir_error err;
    weir_report *report = weir_report_open();
    wr_log_set_level(WR_LOG_ERROR);
    if (weir_open(&(weir_options){ .workers = 1, .memory_bytes_max = 512 << 20 }, &engine, &err) !=
            WEIR_OK ||
        weir_pipeline_load(engine, "fuzz.yaml", text, NULL, NULL, report, &pipeline) != WEIR_OK ||
        weir_pipeline_start(pipeline, &err) != WEIR_OK ||
        server_open(engine, &face, &err) != WEIR_OK) {
        fprintf(stderr, "wire: the server does not start\n%s\n", weir_report_print(report, false));
        abort();
    }
    weir_report_close(report);
    for (int i = 0; i < 4; i++) {
        listeners[i].server = face;
        listeners[i].http = (i & 1) != 0;
        if ((i & 2) != 0)
            memcpy(listeners[i].token, "secret", 7);
    }
}

/* One turn of the server's loop; false: the connection is gone. */
static bool
turn(conn *c)
{
    wr_loop_run(face->loop, 0);
    if (!c->dead && atomic_load(&c->ready))
        conn_work(c);
    if (!c->dead)
        return true;
    conn_close(c);
    return false;
}

/* What the client does not look at. */
static void
discard(int fd)
{
    char bytes[65536];
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (engine == NULL)
        begin();
    if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return 0;
    conn *c = conn_open(face, &listeners[data[0] & 3], ends[0]);
    wr_assert(c != NULL);
    size_t piece = data[1] == 0 ? size : data[1], at = 2;
    bool open = true;
    while (open && at < size) {
        ssize_t n = write(ends[1], data + at, WR_MIN(piece, size - at));
        at += n > 0 ? (size_t)n : 0;
        open = turn(c);
        discard(ends[1]);
        if (n < 0 && !open)
            break;
    }
    shutdown(ends[1], SHUT_WR);
    for (int i = 0; open && i < 20; i++) {
        open = turn(c);
        discard(ends[1]);
    }
    close(ends[1]);
    for (int i = 0; open && i < TURNS_MAX; i++) {
        open = turn(c);
        if (open && face->checkpoint.running)
            wr_loop_run(face->loop, 10000);
    }
    if (open)
        conn_close(c);
    while (face->checkpoint.running)
        wr_loop_run(face->loop, 10000);
    return 0;
}
