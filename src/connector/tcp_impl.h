/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/tcp_impl.h -- what the files of the TCP source share.
 *
 *   tcp_socket.c  addresses, listening, connecting
 *   tcp_tls.c     certificates, and when they are read anew
 *   tcp_conn.c    one connection: bytes into its lane
 *   tcp_share.c   options; what the shards have in common
 *   tcp_accept.c  listening: who comes is given a place
 *   tcp_connect.c connecting: the next attempt, and the pause before it
 *   tcp.c         the shards: who has which connection, when to read
 */
#pragma once

#include "base/conn.h"
#include "base/random.h"
#include "base/thread.h"
#include "connector/input_impl.h"
#include "connector/tcp.h"

#include <netdb.h>

/* --- tcp_socket.c --- */

/* The same, looked up.  *list is freed by freeaddrinfo. */
weir_status wr_tcp_resolve(const char *text, bool passive, struct addrinfo **list, weir_error *err);
/* A nonblocking socket that listens; *port as bound. */
weir_status wr_tcp_listen(const char *text, int *fd, int *port, weir_error *err);
/* Begin to connect; the descriptor is writable when it is over.  -1: errno. */
int wr_tcp_connect(const struct addrinfo *to);
/* How a connection that was begun has ended: 0, or an errno. */
int wr_tcp_connected(int fd);
/* Options of every connection. */
void wr_tcp_prepare(int fd);
/* epoll tells of fd, under the number index, what stands in `what` (EPOLLIN, ..). */
bool wr_tcp_watch(int epoll, int fd, uint32_t what, uint32_t index);

/* --- tcp_tls.c --- */

typedef struct tcp_tls {
    const wr_tcp_source_config *config;
    wr_tls                     *tls;
    struct timespec             read_at[3]; /* when the files were last changed, as far as they were read */
    char                        host[256];  /* connecting: whose certificate it must be */
} tcp_tls;

/* What stands in `tls:` fits what the source does. */
weir_status wr_tcp_tls_check(const wr_tcp_source_config *config, weir_error *err);
weir_status wr_tcp_tls_open(tcp_tls *t, const wr_tcp_source_config *config, weir_error *err);
/* Before a connection is accepted: certificates whose files have changed are read anew; those that do not fit
 * together change nothing. */
void wr_tcp_tls_refresh(tcp_tls *t);
void wr_tcp_tls_close(tcp_tls *t);

/* --- tcp_conn.c --- */

typedef struct tcp_conn {
    int             fd; /* -1: a free place */
    wr_conn         wire;
    wr_budget      *charged; /* for TLS; NULL: nothing */
    bool            known;   /* somebody is there: past the handshake */
    uint32_t        watched; /* what epoll tells of it */
    bool            connecting, stalled; /* stalled: the lane had no room */
    bool            ending;              /* the peer has closed: what is here is the last */
    wr_lane        *lane;
    wr_input        input;
    size_t          scanned; /* NEWLINE: of the held bytes, known to have none */
    size_t          framed;  /* LENGTH: of the first message, decoded already  */
    int64_t         heard;   /* monotonic: when bytes last came                */
} tcp_conn;

typedef enum tcp_outcome {
    TCP_EMPTY,  /* nothing more to read now          */
    TCP_READ,   /* bytes came, perhaps more are there */
    TCP_FULL,   /* no room in the lane                */
    TCP_CLOSED, /* it is over                         */
    TCP_REFUSED, /* TLS came to nothing               */
    TCP_FAILED, /* no memory                          */
} tcp_outcome;

/* After fd and lane are set: raw, or TLS by t.  MEMORY. */
weir_status wr_tcp_conn_begin(tcp_conn *conn, const tcp_tls *t, wr_budget *budget);
void        wr_tcp_conn_fini(tcp_conn *conn); /* closes it and frees the place */
/* Read once and feed.  spare: a large buffer that connections lend one another. */
tcp_outcome wr_tcp_conn_read(tcp_conn *conn, const wr_tcp_source_config *config, wr_source_ctx *ctx,
                             wr_input *spare);

/* --- tcp.c: one a shard, and tcp_share.c: one a process --- */

enum {
    TCP_EVENTS_A_TURN = 64,
    TCP_RETRY_MIN_US = 100000, /* of connecting, and of accepting */
    TCP_RETRY_MAX_US = 30000000,
    TCP_LISTENER = UINT32_MAX, /* the listening socket's event */
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

/* --- tcp_share.c --- */

extern const wr_option wr_tcp_options[];

weir_status wr_tcp_check(const void *config, weir_error *err);
weir_status wr_tcp_share(const void *config, uint32_t shard_count, wr_budget *budget, void **shared,
                         weir_error *err);
void        wr_tcp_unshare(void *shared);

/* --- tcp_accept.c --- */

/* Shard 0: accept who waits; each goes to the lowest free place, and its shard is woken. */
void wr_tcp_accept(tcp_source *s);
/* Shard 0, every turn: listens again when the pause for want of a descriptor is over. */
void wr_tcp_accept_resume(tcp_source *s);

/* --- tcp_connect.c --- */

/* Begin with the server's next address: the descriptor; -1: it was told why, and there is a pause. */
int  wr_tcp_connect_next(tcp_source *s);
/* Connecting came to nothing: why is the source's error, and there is a pause. */
void wr_tcp_retry_later(tcp_source *s, const char *why);
/* The server has gone, and gave something or not; heard: when last.  After it gave something, or stayed for long, it is
 * looked for before long. */
void wr_tcp_retry_gone(tcp_source *s, bool gave, int64_t heard);
