/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/server.h -- the faces of a running process: TCP for subscribers and control, HTTP for
 * health and metrics.
 *
 * Place       one thread of its own with one loop; sees the engine through include/weir alone.
 * Life        server_open -> server_add* -> (pipelines are started) -> server_start ->
 *             server_close.  Clients that connect before the start wait in the sockets' backlog.
 * Security    loopback unless told otherwise; a public address needs TLS and a token (or clients'
 *             certificates), or `insecure: true`.
 */
#pragma once

#include "server/parser.h"

typedef struct server server;

/* Returns (owned: server_close).  Borrows engine until close. */
weir_status server_open(weir *engine, server **out, weir_error *err);
/*
 * server_add -- listen where serve says; an address that is there already is shared.  Before the
 * start only. Errors: WEIR_CONNECT (address in use), WEIR_CONFIG_VALUE (not an address, or public
 * without a token).
 */
weir_status server_add(server *face, const weir_serve *serve, weir_error *err);
/* Whose figures are among the metrics (the engine was told of it with weir_set_parser).  Before the start; borrowed. */
void server_set_parser(server *face, parser *p);
weir_status server_start(server *face, weir_error *err);
/* Read the certificates anew: those who connect from now on see the new ones.  Any thread. */
void server_reload(server *face);
bool server_has_tls(const server *face);
/* Subscribers get their last rows and END; blocks up to 2 s for clients that do not read.  NULL
 * allowed. */
void server_close(server *face);
