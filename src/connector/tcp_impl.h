/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/tcp_impl.h -- what the files of the TCP source share.
 *
 *   tcp_socket.c  addresses, listening, connecting
 *   tcp_tls.c     certificates, and when they are read anew
 *   tcp_conn.c    one connection: bytes into its lane
 *   tcp.c         the shards: who has which connection, when to read
 */
#pragma once

#include "base/conn.h"
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
