/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/server.h -- the faces of a running process: TCP for subscribers and control, HTTP for health and metrics.
 *
 * Place       one thread of its own with one loop; sees the engine through include/weir alone.
 * Security    loopback unless told otherwise; a public address needs a token or `insecure: true`.
 */
#pragma once

#include "weir/weir.h"

typedef struct server server;

/* Listen where serve says.  Returns (owned: server_close).  Errors: WEIR_CONNECT (address in use),
 * WEIR_CONFIG_VALUE (not an address, or public without a token). Borrows engine until close. */
weir_status server_open(weir *engine, const weir_serve *serve, server **out, weir_error *err);
/* Another pipeline's addresses; the same address again is shared. */
weir_status server_add(server *face, const weir_serve *serve, weir_error *err);
void        server_close(server *face);
