/* SPDX-License-Identifier: Apache-2.0 */
/* server/reply.c -- messages in JSON lines and MessagePack frames (see reply.h). */
#include "server/reply.h"

#include <string.h>

enum { FRAME_HEAD_BYTES = 4, MAP_HEAD_BYTES = 5 };

static bool
is_packed(const reply *r)
{
    return r->conn->kind == CONN_MSGPACK;
}

static void
pack_head(wr_text *to, unsigned char type, uint32_t count)
{
    unsigned char b[5] = { type, (unsigned char)(count >> 24), (unsigned char)(count >> 16),
                           (unsigned char)(count >> 8), (unsigned char)count };
    wr_text_append(to, b, sizeof b);
}

static void
pack_string(wr_text *to, const char *s, size_t n)
{
    if (n < 32)
        wr_text_putc(to, (char)(0xa0 | n));
    else
        pack_head(to, 0xdb, (uint32_t)n);
    wr_text_append(to, s, n);
}

void
reply_begin(reply *r, conn *c, int64_t id, const char *op)
{
    *r = (reply){ .conn = c, .to = &c->out, .began = c->out.length };
    if (is_packed(r)) { /* lengths are filled in at the end */
        wr_text_append(r->to, "\0\0\0\0", FRAME_HEAD_BYTES);
        pack_head(r->to, 0xdf, 0);
    } else {
        wr_text_putc(r->to, '{');
    }
    if (id != REQUEST_NO_ID)
        reply_int(r, "id", id);
    reply_string(r, "op", op);
}

void
reply_end(reply *r)
{
    if (!is_packed(r)) {
        wr_text_puts(r->to, "}\n");
        return;
    }
    if (!wr_text_ok(r->to))
        return;
    unsigned char *p = (unsigned char *)r->to->data + r->began;
    uint32_t length = (uint32_t)(r->to->length - r->began - FRAME_HEAD_BYTES + r->shared);
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(length >> (24 - 8 * i));
        p[FRAME_HEAD_BYTES + 1 + i] = (unsigned char)(r->members >> (24 - 8 * i));
    }
}

/* Before each value, and before each name. */
static void
value_lead(reply *r)
{
    if (r->comma && !is_packed(r))
        wr_text_putc(r->to, ',');
    r->comma = true;
}

void
reply_name(reply *r, const char *name)
{
    r->members++;
    reply_put_string(r, name);
    if (!is_packed(r))
        wr_text_putc(r->to, ':');
    r->comma = false;
}

void
reply_list(reply *r, uint32_t count)
{
    value_lead(r);
    if (is_packed(r))
        pack_head(r->to, 0xdd, count);
    else
        wr_text_putc(r->to, '[');
    r->comma = false;
}

void
reply_list_end(reply *r)
{
    if (!is_packed(r))
        wr_text_putc(r->to, ']');
    r->comma = true;
}

void
reply_put_string(reply *r, const char *value)
{
    value_lead(r);
    if (is_packed(r))
        pack_string(r->to, value, strlen(value));
    else
        wr_text_put_json(r->to, value, strlen(value));
}

void
reply_put_int(reply *r, int64_t value)
{
    value_lead(r);
    if (!is_packed(r)) {
        wr_text_put_int(r->to, value);
        return;
    }
    unsigned char b[9] = { 0xd3 };
    for (int i = 0; i < 8; i++)
        b[1 + i] = (unsigned char)((uint64_t)value >> (56 - 8 * i));
    wr_text_append(r->to, b, sizeof b);
}

void
reply_put_bool(reply *r, bool value)
{
    value_lead(r);
    if (is_packed(r))
        wr_text_putc(r->to, value ? (char)0xc3 : (char)0xc2);
    else
        wr_text_puts(r->to, value ? "true" : "false");
}

void
reply_put_encoded(reply *r, const char *bytes, size_t length)
{
    value_lead(r);
    wr_text_append(r->to, bytes, length);
}

void
reply_put_body(reply *r, out_body *b)
{
    value_lead(r);
    r->shared += out_put(r->conn, b);
}

void
reply_string(reply *r, const char *name, const char *value)
{
    reply_name(r, name);
    reply_put_string(r, value);
}

void
reply_int(reply *r, const char *name, int64_t value)
{
    reply_name(r, name);
    reply_put_int(r, value);
}

void
reply_bool(reply *r, const char *name, bool value)
{
    reply_name(r, name);
    reply_put_bool(r, value);
}

void
reply_json(reply *r, const char *name, const char *json, size_t length)
{
    reply_name(r, name);
    value_lead(r);
    if (is_packed(r))
        pack_string(r->to, json, length);
    else
        wr_text_append(r->to, json, length);
}
