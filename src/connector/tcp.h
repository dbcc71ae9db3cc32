/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/tcp.h -- records over TCP: what can be set.
 */
#pragma once

#include "connector/source.h"

typedef enum wr_tcp_framing {
    WR_TCP_NEWLINE, /* records end with a newline                  */
    WR_TCP_LENGTH,  /* u32 big-endian, then so many bytes: a message */
} wr_tcp_framing;

typedef struct wr_tcp_source_config {
    const char *listen, *connect; /* host:port, one of the two */
    int         framing;
    int64_t     connections;       /* at once              */
    int64_t     message_bytes_max; /* of a framed message  */
    int64_t     idle_us;           /* 0: never closed for being silent */
    bool        tls;
    const char *tls_cert, *tls_key; /* who we are; PEM files */
    const char *tls_client_ca;      /* listening: must have signed a client's certificate; NULL: none is wanted */
    const char *tls_ca;             /* connecting: must have signed the server's; NULL: the system's */
} wr_tcp_source_config;

/* "host:port", "[::1]:port"; passive: "*:port", too.  CONFIG_VALUE, with a hint. */
weir_status wr_tcp_address_check(const char *text, bool passive, weir_error *err);
/* The host of "host:port" alone, "" of any; false: it is too long or not an address. */
bool wr_tcp_host(const char *text, char *host, size_t size);

extern const wr_source_ops wr_tcp_source_ops;
