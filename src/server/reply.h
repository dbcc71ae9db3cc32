/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/reply.h -- one message to a client: a map, in the connection's own encoding, written
 * straight into what waits for it.
 *
 *     reply r;
 *     reply_begin(&r, c, id, "schema");
 *     reply_name(&r, "key");
 *     reply_list(&r, 1);
 *     reply_put_string(&r, "auction");
 *     reply_list_end(&r);
 *     reply_end(&r);
 *
 * Out of memory shows in c->out.failed and ends the connection; nobody else asks.
 */
#pragma once

#include "server/server_impl.h"

typedef struct reply {
    conn *conn;
    wr_text *to;
    size_t began; /* where the frame begins in to */
    size_t shared; /* bytes of bodies in it */
    uint32_t members;
    bool comma; /* JSON: one must come before the next value */
} reply;

/* id REQUEST_NO_ID: none. */
void reply_begin(reply *r, conn *c, int64_t id, const char *op);
void reply_end(reply *r);
void reply_name(reply *r, const char *name);
void reply_list(reply *r, uint32_t count);
void reply_list_end(reply *r);
void reply_put_string(reply *r, const char *value);
void reply_put_int(reply *r, int64_t value);
void reply_put_bool(reply *r, bool value);
/* In the connection's encoding already. */
void reply_put_encoded(reply *r, const char *bytes, size_t length);
void reply_put_body(reply *r, out_body *b);
/* name and value at once */
void reply_string(reply *r, const char *name, const char *value);
void reply_int(reply *r, const char *name, int64_t value);
void reply_bool(reply *r, const char *name, bool value);
/* JSON text: as it stands in JSON lines, a string of it in MessagePack. */
void reply_json(reply *r, const char *name, const char *json, size_t length);
