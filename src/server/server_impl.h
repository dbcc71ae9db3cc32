/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/server_impl.h -- what the files of this folder share: server, listener, connection.
 *
 * One thread, one loop.  A connection is bytes in and bytes out; what its first byte is decides who
 * reads it: a session (JSON lines or MessagePack frames) or http.
 *
 * Invariants  V1  a connection is touched by the server's thread alone, but for `ready`
 *             V2  what waits for a client is in memory of the server's own budget, copied once however
 *                 many it waits for (out.c): a slow client holds none of the pipeline's
 *             V3  nothing is taken from a stream or from a client while more than conn_room() waits
 *                 for it
 *             V4  a listener with TLS hears nothing else: what begins otherwise is told so and closed
 * Limits      1,024 connections, 64 from one other machine; a frame or line 4 MiB (64 KiB before
 *             the token was seen); HTTP head 16 KiB; 10 s for a request head or a hello; 100
 *             subscriptions a connection; 256 MiB of memory for all connections together.
 */
#pragma once

#include "base/conn.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "base/thread.h"
#include "server/parser.h"
#include "server/request.h"
#include "server/server.h"

enum {
    SERVER_CONNECTIONS_MAX = 1024,
    SERVER_PEER_CONNECTIONS_MAX = 64,
    SERVER_LISTENERS_MAX = 32,
    SERVER_SUBSCRIPTIONS_MAX = 100,
    SERVER_FRAME_BYTES_MAX = 4 << 20,
    SERVER_HELLO_BYTES_MAX = 64 << 10,
    SERVER_OUT_BYTES = 1 << 20, /* waiting for one client: then its streams and requests wait */
    SERVER_OUT_BYTES_TIGHT = 64 << 10, /* the same while the server's memory is half used */
    SERVER_MEMORY_BYTES = 256 << 20,
    SERVER_BODIES_KEPT = 64, /* of the newest rows, for subscribers that come to them later */
    SERVER_BODY_BYTES_KEPT = 8 << 20,
    SERVER_READ_BYTES = 64 << 10,
    SERVER_TOKEN_BYTES_MAX = 255,

    SERVER_HEAD_US = 10 * 1000 * 1000,  /* a whole request head; hello              */
    SERVER_FRAME_US = 60 * 1000 * 1000, /* a whole frame or body                    */
    SERVER_WRITE_US = 60 * 1000 * 1000, /* until the client takes a byte            */
    SERVER_IDLE_US = 60 * 1000 * 1000,  /* between requests of HTTP                 */
    SERVER_LINGER_US = 2 * 1000 * 1000, /* for the client to read the last words    */
    SERVER_TICK_US = 1000 * 1000,
    SERVER_PUSH_RETRY_US = 5 * 1000,
    SERVER_PROGRESS_US = 100 * 1000, /* between two marks of progress of a subscription */
};

typedef struct conn conn;
typedef struct listener listener;
typedef struct subscription subscription; /* subscription.c */
typedef enum conn_kind { CONN_UNKNOWN, CONN_JSON, CONN_MSGPACK, CONN_HTTP } conn_kind;
/* What is waited for; each has its deadline. */
typedef enum conn_phase {
    CONN_QUIET,
    CONN_HEAD,
    CONN_FRAME,
    CONN_WRITE,
    CONN_IDLE,
    CONN_LINGER
} conn_phase;

/* Rows of a push that the source had no room for: tried again until all are taken, then
 * acknowledged. */
typedef struct pending_push {
    weir_pipeline *pipeline; /* NULL: nothing is pending */
    char source[128];
    wr_text rows;
    size_t at;
    int64_t id, seq;
    bool has_seq;
} pending_push;

/* Rows as they go over the wire, made once for all who get them (out.c). */
typedef struct out_body out_body;
/* A body that waits for a client: before the byte `at` of what the client alone gets. */
typedef struct out_piece {
    out_body *body;
    size_t at;
} out_piece;

struct conn {
    conn *next;
    server *server;
    listener *listener;
    uint64_t serial; /* names it to work done elsewhere   */
    unsigned char peer[16];
    int fd;
    wr_conn wire; /* its bytes: raw, or through TLS */
    wr_watch *watch;
    wr_timer deadline, retry;
    conn_kind kind;
    wr_text in;
    size_t in_at, in_seen; /* consumed; searched for the end of a line */
    wr_text out;   /* what waits for it: this, and pieces in between */
    size_t out_at; /* sent                               */
    out_piece *pieces;
    uint32_t piece_at, piece_count, piece_capacity; /* sent; there are */
    size_t piece_sent, piece_bytes; /* of the first that waits; of all that wait */
    conn_phase phase;
    bool eof;           /* the client sends no more           */
    bool probed;        /* and was asked whether it listens   */
    bool closing;       /* close when all is sent             */
    bool lingering;     /* all is sent: wait for the client's end, discard */
    bool refused;       /* the handshake failed: what it sends is not read any more */
    bool dead;          /* close now                          */
    bool sniffed;       /* the first byte said that it speaks TLS, or need not */
    bool welcomed;      /* hello was good, or no token is wanted */
    bool busy;          /* an answer is being made elsewhere: take no requests */
    size_t body_left;   /* HTTP: bytes to discard             */
    _Atomic bool ready; /* a subscription may have something  */
    pending_push push;
    subscription *subscriptions;
    uint32_t subscription_count;
};

struct listener {
    server *server;
    int fd;
    wr_watch *watch;
    bool http;
    char text[256];                         /* as the file has it */
    const char *unlink;                     /* a unix socket's path; NULL */
    wr_tls *tls;                            /* NULL: none */
    char *tls_cert, *tls_key, *tls_client_ca;
    char token[SERVER_TOKEN_BYTES_MAX + 1]; /* "": none */
};

/* A checkpoint asked for over the wire: it blocks, so it has a thread. */
typedef struct checkpoint_job {
    wr_thread thread;
    bool running;
    server *server;
    weir_pipeline *pipeline;
    uint64_t conn;
    int64_t id;
    weir_status status;
    weir_error error;
} checkpoint_job;

/* A statement of a client to be explained: parsing and planning may take long, so it has a thread, too.  They wait for
 * one another, one of each connection at most. */
typedef struct sql_job sql_job;
struct sql_job {
    sql_job *next;
    wr_thread thread;
    server *server;
    weir_pipeline *pipeline;
    uint64_t conn;
    int64_t id;
    char *sql;
    bool json;
    char *text;
    weir_status status;
    weir_error error;
};

struct server {
    weir *engine;
    wr_budget *budget;
    wr_loop *loop;
    wr_thread thread;
    wr_timer tick, progress;
    _Atomic bool stop;
    listener listeners[SERVER_LISTENERS_MAX];
    uint32_t listener_count, conn_count, subscription_count;
    int spare_fd; /* given up for a moment when descriptors run out */
    conn *conns;
    out_body *bodies[SERVER_BODIES_KEPT];
    uint32_t body_turn;
    size_t body_bytes; /* of those kept */
    uint64_t serial;
    wr_arena scratch; /* of the request at hand */
    char *read_buffer;
    checkpoint_job checkpoint;
    sql_job *sql_first, *sql_last; /* the first is under way, if sql_running */
    bool sql_running;
    parser *parser; /* for its metrics; NULL: none */
    uint64_t sql_asked, sql_refused;
    uint64_t accepted, refused, slow, unauthorised, tls_failed, http_requests[6]; /* counters */
};

#define REQUEST_NO_ID INT64_MIN

/* listen.c: open the sockets that text says.  Errors: WEIR_CONNECT, WEIR_CONFIG_VALUE. */
weir_status
server_listen(server *s, const char *text, bool http, const weir_serve *serve, weir_error *err);
void server_accept(void *user, int events); /* user: a listener */
void listener_close(listener *l);

/* tls.c: the certificates of a listener. */
weir_status listener_set_tls(listener *l, const weir_serve *serve, weir_error *err);
bool listener_tls_is(const listener *l, const weir_serve *serve); /* the same files? */
void listener_tls_close(listener *l);
/* Decide by the first byte.  False: nothing is to be read yet, or it was refused. */
bool conn_sniff(conn *c);
void conn_tls_failed(conn *c); /* count and log why */

/* conn.c */
conn *conn_open(server *s, listener *l, int fd);
void conn_close(conn *c);
/* Take, pump, send: as much as goes without waiting.  Afterwards c may be dead. */
void conn_work(conn *c);
/* The bytes that wait may grow by this; 0: nothing more for now (V3). */
size_t conn_room(const conn *c);
/* Of a client that sends no more: has it gone altogether? */
void conn_check_peer(conn *c);
static inline size_t
conn_waiting(const conn *c)
{
    return c->out.length - c->out_at + c->piece_bytes;
}
static inline size_t
conn_left(const conn *c)
{
    return c->in.length - c->in_at;
}

/* out.c: bodies belong to the server's thread, which counts who holds them. */
/* The rows in the encoding of the client's session.  Returns (owned: body_release). */
weir_status body_get(conn *c, weir_rows *rows, out_body **out);
void body_release(out_body *b); /* NULL allowed */
const char *body_bytes(const out_body *b, size_t *length);
void bodies_drop(server *s); /* those that are kept */
/* The body is what waits next for the client.  Its bytes, unless they were copied into c->out. */
size_t out_put(conn *c, out_body *b);
/* Send what goes; true when a byte moved.  A client that is broken is dead afterwards. */
bool out_flush(conn *c);
void out_fini(conn *c);

/* session.c: take one whole frame from c->in and answer it; false: there is none. */
bool session_take(conn *c);
void session_late(conn *c); /* a frame did not come whole in time */
/* A client that sends no more may have gone altogether: one byte to it, and its kernel says so. */
void session_probe(conn *c);
void session_close(conn *c);
/* Members that must be of their kind where they stand (null is none).  False: one is not, and the client was told: what it
 * asked for must not be left out without a word. */
typedef struct session_member {
    const char *name;
    request_kind kind;
} session_member;
bool session_wants(conn *c, const request *q, int64_t id, const session_member *members, size_t count);
void session_error(conn *c, int64_t id, const char *code, const char *text, const char *hint);
void session_fail(conn *c, int64_t id, const weir_error *err);
/* The connection with the serial; NULL: it has gone. */
conn *server_conn(server *s, uint64_t serial);
/* The pipeline that has the relation *name, which may be "pipeline.relation" and then loses its
 * first part. Errors: QUERY_NO_RELATION, QUERY_AMBIGUOUS. */
weir_status server_pipeline_of(server *s, const char **name, weir_pipeline **out, weir_error *err);

/* subscription.c */
void op_sub(conn *c, const request *q, int64_t id);
void op_credit(conn *c, const request *q, int64_t id);
void op_unsub(conn *c, int64_t id);
/* Messages into c->out while there is room; sets ready when it stopped short. */
void session_pump(conn *c);
/* A pipeline has ended, or the server does: each subscription gets its last rows and END. */
void session_check_ends(conn *c, bool server_stops);
/* Progress that is not told yet makes it ready. */
void session_check_owed(conn *c);

/* control.c: push, why, explain, status, metrics, checkpoint */
void op_push(conn *c, const request *q, int64_t id);
void push_retry(conn *c); /* of what the source had no room for */
void op_look(conn *c, const request *q, int64_t id, const char *op);
void op_checkpoint(conn *c, const request *q, int64_t id);
/* sql.c: explain, of a statement */
void op_explain_sql(conn *c, const request *q, int64_t id);
/* The engine's metrics and the server's own.  Returns (owned: weir_free). */
weir_status server_metrics(server *s, char **text, weir_error *err);

/* http.c: answer one whole request of c->in; false: there is none. */
bool http_take(conn *c);
void http_late(conn *c); /* the head did not come in time */

/* Constant time: equal lengths and bytes. */
bool server_token_equal(const char *a, const char *b);
