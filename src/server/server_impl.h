/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/server_impl.h -- what the files of this folder share: server, listener, connection.
 *
 * One thread, one loop.  A connection is bytes in and chunks out; what its first byte is decides who
 * reads it: `session` (JSON lines or MessagePack frames) or `http`.
 *
 * Limits      1,024 connections; frame or line 4 MiB; 8 MiB waiting to be sent to one client; HTTP head 16 KiB;
 *             10 s for a whole request head; 100 subscriptions a connection.
 */
#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "base/thread.h"
#include "server/request.h"
#include "server/server.h"

enum {
    SERVER_CONNECTIONS_MAX = 1024,
    SERVER_FRAME_BYTES_MAX = 4 << 20,
    SERVER_OUT_BYTES_MAX = 8 << 20,
    SERVER_HTTP_HEAD_BYTES_MAX = 16 << 10,
    SERVER_HTTP_BODY_BYTES_MAX = 1 << 20,
    SERVER_HEAD_US = 10 * 1000 * 1000,
    SERVER_SUBSCRIPTIONS_MAX = 100,
    SERVER_LISTENERS_MAX = 16,
};

typedef struct conn conn;
typedef enum conn_kind { CONN_UNKNOWN, CONN_JSON, CONN_MSGPACK, CONN_HTTP } conn_kind;

/* Bytes on their way out: its own, or those of shared rows. */
typedef struct chunk {
    struct chunk *next;
    weir_rows    *rows;  /* retained; NULL: own bytes */
    const char   *bytes;
    size_t        length;
    char          own[];
} chunk;

typedef struct subscription subscription; /* session.c */

struct conn {
    conn         *next;
    server       *server;
    struct listener *listener;
    int           fd;
    wr_watch     *watch;
    wr_timer      deadline; /* of a request head */
    conn_kind     kind;
    wr_text       in;
    size_t        in_at;    /* consumed so far   */
    chunk        *out, **out_last;
    size_t        out_bytes, out_sent; /* sent of the first chunk */
    bool          closing;  /* close when all is sent   */
    bool          dead;     /* close now                */
    bool          welcomed; /* hello was good, or no token is wanted */
    wr_arena      scratch;
    subscription *subscriptions;
    uint32_t      subscription_count;
};

typedef struct listener {
    server     *server;
    int         fd;
    wr_watch   *watch;
    bool        http;
    char        address[128];
    const char *token; /* NULL: none */
} listener;

struct server {
    weir        *engine;
    wr_loop     *loop;
    wr_thread    thread;
    _Atomic bool stop;
    listener     listeners[SERVER_LISTENERS_MAX];
    uint32_t     listener_count, conn_count;
    conn        *conns;
    char         tokens[SERVER_LISTENERS_MAX][256];
    uint64_t     accepted, refused, slow; /* counters */
};

/* conn.c */
conn *conn_open(server *s, listener *l, int fd);
void  conn_close(conn *c);
void  conn_send(conn *c, const char *bytes, size_t length); /* copies */
void  conn_send_text(conn *c, wr_text *text);               /* copies, clears text */
void  conn_send_rows(conn *c, weir_rows *rows, const char *bytes, size_t length); /* shares */
/* Try to write now; false when the connection is gone. */
bool  conn_flush(conn *c);

/* session.c: take whole frames from c->in; false: the connection must go. */
bool session_read(conn *c);
/* Something may have come for a subscription of c. */
void session_pump(conn *c);
bool session_is_ready(const conn *c);
void session_close(conn *c);
/* A reply in the connection's own encoding: a map of the pairs. */
void session_error(conn *c, double id, const char *code, const char *text, const char *hint);

/* http.c */
bool http_read(conn *c);

/* Constant time: equal lengths and bytes. */
bool server_token_equal(const char *a, const char *b);
