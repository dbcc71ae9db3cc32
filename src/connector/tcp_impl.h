/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/tcp_impl.h -- what the files of the TCP source share.
 *
 *   tcp_socket.c  addresses, listening, connecting
 *   tcp_conn.c    one connection: bytes into its lane
 *   tcp.c         the shards: who has which connection, when to read
 */
#pragma once

#include "base/thread.h"
#include "connector/input_impl.h"
#include "connector/tcp.h"

#include <netdb.h>

/* --- tcp_socket.c --- */

/* "host:port", "[::1]:port", "*:port".  *list is freed by freeaddrinfo. */
weir_status wr_tcp_resolve(const char *text, bool passive, struct addrinfo **list, weir_error *err);
/* A nonblocking socket that listens; *port as bound. */
weir_status wr_tcp_listen(const char *text, int *fd, int *port, weir_error *err);
/* Begin to connect; the descriptor is writable when it is over.  -1: errno. */
int wr_tcp_connect(const struct addrinfo *to);
/* How a connection that was begun has ended: 0, or an errno. */
int wr_tcp_connected(int fd);
/* Options of every connection. */
void wr_tcp_prepare(int fd);

/* --- tcp_conn.c --- */

typedef struct tcp_conn {
    int             fd; /* -1: a free place */
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
    TCP_FAILED, /* no memory                          */
} tcp_outcome;

/* Read once and feed.  spare: a large buffer that connections lend one another. */
tcp_outcome wr_tcp_conn_read(tcp_conn *conn, const wr_tcp_source_config *config, wr_source_ctx *ctx,
                             wr_input *spare);
