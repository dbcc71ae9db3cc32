/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/conn.h -- the bytes of a connected socket, raw or through TLS: one interface for both ends.
 *
 * Place       server/conn.c and cli/client.c read and write through it; conn.c is the one file that knows the TLS
 *             of OpenSSL.  The descriptor is non-blocking (or blocking, for a client that likes that) and its owner
 *             watches it: this knows no event loop.
 * State       wr_tls: certificates and rules, shared by any number of connections, which keep them when
 *             it is destroyed (so a new one may take its place at any time).  wr_conn: the caller's memory.
 * Invariants  W1  a read that is given WR_CONN_RECORD bytes of room or more leaves nothing behind that the
 *                 descriptor does not tell of
 *             W2  what a write could not take may be offered again from another address
 *             W3  no signal is raised; TLS 1.2 or later; nothing is renegotiated
 */
#pragma once

#include "base/memory.h"

#include <sys/types.h>
#include <sys/uio.h>

enum {
    WR_CONN_RECORD = 16384,
    WR_CONN_TLS_BYTES = 48 << 10, /* about what a connection takes of OpenSSL's memory: its owner charges it */
};

typedef struct wr_tls wr_tls;

/* Files in PEM.  cert holds the chain, key may not be readable by others (mode 0600, or 0640 of root's).
 * client_ca NULL: clients need no certificate; else each must have one that this CA has signed.
 * Errors: WEIR_CONFIG_VALUE with the file's name.  Returns (owned: wr_tls_destroy). */
weir_status wr_tls_create_server(const char *cert, const char *key, const char *client_ca,
                                 wr_tls **tls, weir_error *err);
/* ca NULL: the system's.  cert and key NULL, or both given: who we are. */
weir_status wr_tls_create_client(const char *ca, const char *cert, const char *key, wr_tls **tls,
                                 weir_error *err);
void        wr_tls_destroy(wr_tls *tls); /* NULL allowed */

typedef struct wr_conn {
    int   fd;  /* borrowed */
    void *ssl; /* NULL: raw */
    bool  wants_write, wants_read; /* what AGAIN waits for: of a read, of a write, the other way round */
    bool  shaken;                  /* TLS: past the handshake */
    bool  failed;                  /* nothing more can be sent, not even goodbye */
} wr_conn;

enum { WR_CONN_AGAIN = -1, WR_CONN_FAILED = -2 };

void        wr_conn_init(wr_conn *conn, int fd); /* raw */
/* From now on through TLS.  host: the name the server's certificate must have (a name or an address). */
weir_status wr_conn_accept_tls(wr_conn *conn, const wr_tls *tls);
weir_status wr_conn_connect_tls(wr_conn *conn, const wr_tls *tls, const char *host);
/* 1: done; AGAIN (wants_read or wants_write); FAILED.  Reads and writes do it too: this is for who wants to know. */
int wr_conn_handshake(wr_conn *conn);
/* Bytes read; 0: the other end sends no more; AGAIN; FAILED: errno, or wr_conn_error for TLS (an end without
 * TLS's own goodbye is a failure). */
ssize_t wr_conn_read(wr_conn *conn, void *bytes, size_t length);
/* Bytes taken (length above 0); AGAIN; FAILED. */
ssize_t wr_conn_write(wr_conn *conn, const void *bytes, size_t length);
/* The same of several pieces, in their order; through TLS perhaps of the first alone. */
ssize_t wr_conn_writev(wr_conn *conn, const struct iovec *pieces, uint32_t count);
/* We send no more.  False: it is broken already. */
bool wr_conn_shutdown(wr_conn *conn);
/* Why TLS failed, in words; "" when it did not.  hint: what to do about it, or "". */
void wr_conn_error(const wr_conn *conn, char *text, size_t size, const char **hint);
bool wr_conn_is_ready(const wr_conn *conn); /* raw, or past the handshake */
void wr_conn_fini(wr_conn *conn);           /* the descriptor stays open */
