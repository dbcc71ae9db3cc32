/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/address.h -- where to listen or connect: "host:port", "[::1]:port", "*:port",
 * "unix:/path".
 *
 * Place       the listeners of server.c and the command line's client read addresses here, so that
 *             both mean the same by one text.
 */
#pragma once

#include "weir/errors.h"

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef struct address {
    char host[256]; /* "" for a unix socket                      */
    char port[8];
    char path[108]; /* of a unix socket; "" otherwise            */
} address;

/* default_port NULL: a port must stand there.  Errors: WEIR_CONFIG_VALUE with a hint. */
weir_status
address_parse(const char *text, const char *default_port, address *out, weir_error *err);
/* The numeric addresses of the host (freeaddrinfo).  passive: to listen on.  Errors: WEIR_CONNECT.
 */
weir_status
address_resolve(const address *a, bool passive, struct addrinfo **list, weir_error *err);
/* Fills where for a unix socket; returns its length. */
socklen_t address_unix(const address *a, struct sockaddr_storage *where);
/* Can only this machine reach it? */
bool address_is_loopback(const struct sockaddr *where);
