/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/session.c -- the wire protocol: hello, sub, credit, unsub, push, control, in JSON lines or
 * MessagePack frames (docs/protocol.md).
 *
 * Slow clients (design 12.9): a subscription never holds a stream back.  A client whose 8 MiB are full, or whose
 * place in the stream was overwritten, is told so with its cursor; unless it asked for gaps it is disconnected.
 */
#include "server/server_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct subscription {
    subscription      *next;
    conn              *conn;
    weir_subscription *sub;
    double             id;
    double             credit;    /* rows; infinite when the client counts none */
    bool               gaps, ended;
    _Atomic bool       ready;     /* set by the stream's publisher */
    char               cursor[256];
};

/* ---- replies: one map, in the connection's encoding ------------------------------------------- */

typedef struct reply {
    conn    *conn;
    wr_text  text;
    uint32_t members;
} reply;

static void
reply_begin(reply *r, conn *c)
{
    r->conn = c;
    r->members = 0;
    wr_text_init(&r->text, NULL);
    if (c->kind == CONN_MSGPACK)
        wr_text_append(&r->text, "\0\0\0\0\0\xdf\0\0\0\0", 10); /* mark, length, map32 */
    else
        wr_text_putc(&r->text, '{');
}

static void
pack_string(wr_text *to, const char *s, size_t n)
{
    unsigned char b[5] = { 0xdb, (unsigned char) (n >> 24), (unsigned char) (n >> 16), (unsigned char) (n >> 8), (unsigned char) n };
    if (n < 32)
        wr_text_putc(to, (char) (0xa0 | n));
    else
        wr_text_append(to, b, 5);
    wr_text_append(to, s, n);
}

static void
reply_name(reply *r, const char *name)
{
    if (r->conn->kind == CONN_MSGPACK) {
        pack_string(&r->text, name, strlen(name));
    } else {
        if (r->members > 0)
            wr_text_putc(&r->text, ',');
        wr_text_printf(&r->text, "\"%s\":", name);
    }
    r->members++;
}

static void
reply_string(reply *r, const char *name, const char *value)
{
    reply_name(r, name);
    if (r->conn->kind == CONN_MSGPACK)
        pack_string(&r->text, value, strlen(value));
    else
        wr_text_put_json(&r->text, value, strlen(value));
}

static void
pack_int(wr_text *to, int64_t v)
{
    unsigned char b[9] = { 0xd3 };
    for (int i = 0; i < 8; i++)
        b[1 + i] = (unsigned char) ((uint64_t) v >> (56 - 8 * i));
    wr_text_append(to, b, 9);
}

static void
reply_int(reply *r, const char *name, int64_t value)
{
    reply_name(r, name);
    if (r->conn->kind == CONN_MSGPACK)
        pack_int(&r->text, value);
    else
        wr_text_put_int(&r->text, value);
}

static void
reply_bool(reply *r, const char *name, bool value)
{
    reply_name(r, name);
    if (r->conn->kind == CONN_MSGPACK)
        wr_text_putc(&r->text, value ? (char) 0xc3 : (char) 0xc2);
    else
        wr_text_puts(&r->text, value ? "true" : "false");
}

/* Fill in the map's count and the frame's length for `more` bytes that follow; or close the object. */
static void
reply_frame(reply *r, size_t more)
{
    if (r->conn->kind != CONN_MSGPACK || !wr_text_ok(&r->text))
        return;
    unsigned char *p = (unsigned char *) r->text.data;
    uint32_t       length = (uint32_t) (r->text.length - 5 + more);
    for (int i = 0; i < 4; i++) {
        p[1 + i] = (unsigned char) (length >> (24 - 8 * i));
        p[6 + i] = (unsigned char) (r->members >> (24 - 8 * i));
    }
}

static void
reply_send(reply *r)
{
    if (r->conn->kind == CONN_JSON)
        wr_text_puts(&r->text, "}\n");
    reply_frame(r, 0);
    conn_send_text(r->conn, &r->text);
    wr_text_fini(&r->text);
}

static void
reply_op(reply *r, conn *c, double id, const char *op)
{
    reply_begin(r, c);
    if (!isnan(id))
        reply_int(r, "id", (int64_t) id);
    reply_string(r, "op", op);
}

void
session_error(conn *c, double id, const char *code, const char *text, const char *hint)
{
    reply r;
    reply_op(&r, c, id, "error");
    reply_string(&r, "code", code);
    reply_string(&r, "text", text);
    if (hint != NULL && hint[0] != '\0')
        reply_string(&r, "hint", hint);
    reply_send(&r);
}

static void
session_fail(conn *c, double id, const weir_error *err)
{
    session_error(c, id, weir_status_name(err->code), err->text, err->hint);
}

/* ---- subscriptions ---------------------------------------------------------------------------- */

static void
subscription_wake(void *user)
{
    subscription *s = user;
    if (!atomic_exchange(&s->ready, true))
        wr_loop_wake(s->conn->server->loop);
}

static void
subscription_close(conn *c, subscription *s)
{
    subscription **at = &c->subscriptions;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    c->subscription_count--;
    weir_unsubscribe(s->sub);
    wr_free(s);
}

/* "view" in any pipeline, or "pipeline.view". */
static weir_pipeline *
pipeline_of(server *s, const char **view)
{
    weir_pipeline     *found = NULL, *p;
    weir_relation_role role;
    for (uint32_t i = 0; (p = weir_pipeline_at(s->engine, i)) != NULL; i++) {
        const char *name = weir_pipeline_name(p), *relation;
        size_t      n = strlen(name);
        for (uint32_t k = 0; (relation = weir_pipeline_relation(p, k, &role)) != NULL; k++) {
            if (role == WEIR_SINK)
                continue;
            if (strcmp(relation, *view) == 0)
                found = found == NULL ? p : found;
            if (strncmp(*view, name, n) == 0 && (*view)[n] == '.' && strcmp(*view + n + 1, relation) == 0) {
                *view += n + 1;
                return p;
            }
        }
        if (found == NULL && weir_pipeline_at(s->engine, i + 1) == NULL)
            return weir_pipeline_at(s->engine, 0); /* it will say what is near */
    }
    return found;
}

static void
send_schema(subscription *s)
{
    weir_column_info columns[256];
    uint32_t         n = weir_subscription_columns(s->sub, columns, 256);
    n = n < 256 ? n : 256;
    reply r;
    reply_op(&r, s->conn, s->id, "schema");
    reply_name(&r, "columns");
    bool pack = s->conn->kind == CONN_MSGPACK;
    if (pack)
        wr_text_append(&r.text, (char[]){ (char) 0xdc, (char) (n >> 8), (char) n }, 3);
    else
        wr_text_putc(&r.text, '[');
    uint32_t keys = 0;
    for (uint32_t i = 0; i < n; i++) {
        keys += columns[i].key;
        if (pack) {
            wr_text_putc(&r.text, (char) 0x92);
            pack_string(&r.text, columns[i].name, strlen(columns[i].name));
            pack_string(&r.text, columns[i].type, strlen(columns[i].type));
        } else {
            wr_text_puts(&r.text, i > 0 ? ",[" : "[");
            wr_text_put_json(&r.text, columns[i].name, strlen(columns[i].name));
            wr_text_putc(&r.text, ',');
            wr_text_put_json(&r.text, columns[i].type, strlen(columns[i].type));
            wr_text_putc(&r.text, ']');
        }
    }
    if (!pack)
        wr_text_putc(&r.text, ']');
    reply_name(&r, "key");
    if (pack)
        wr_text_append(&r.text, (char[]){ (char) 0xdc, (char) (keys >> 8), (char) keys }, 3);
    else
        wr_text_putc(&r.text, '[');
    bool first = true;
    for (uint32_t i = 0; i < n; i++) {
        if (!columns[i].key)
            continue;
        if (pack) {
            pack_string(&r.text, columns[i].name, strlen(columns[i].name));
        } else {
            wr_text_puts(&r.text, first ? "" : ",");
            wr_text_put_json(&r.text, columns[i].name, strlen(columns[i].name));
        }
        first = false;
    }
    if (!pack)
        wr_text_putc(&r.text, ']');
    reply_send(&r);
}

static void
op_sub(conn *c, const request *q, double id)
{
    const char *view = request_string(q, "view");
    double      credit = INFINITY;
    if (view == NULL || isnan(id)) {
        session_error(c, id, "USAGE", "sub needs an id (a number) and a view", "{\"op\":\"sub\",\"id\":1,\"view\":\"per_auction\"}");
        return;
    }
    if (c->subscription_count >= SERVER_SUBSCRIPTIONS_MAX) {
        session_error(c, id, "TOO_MANY", "100 subscriptions a connection are the limit", "open another connection");
        return;
    }
    for (subscription *s = c->subscriptions; s != NULL; s = s->next)
        if (s->id == id) {
            session_error(c, id, "USAGE", "the id is in use on this connection", NULL);
            return;
        }
    (void) request_number(q, "credit", &credit);
    weir_pipeline *p = pipeline_of(c->server, &view);
    subscription  *s = wr_calloc(NULL, 1, sizeof *s);
    weir_error     err = { .code = WEIR_MEMORY };
    if (p == NULL || s == NULL) {
        wr_free(s);
        session_error(c, id, "QUERY_NO_RELATION", "no pipeline is loaded", NULL);
        return;
    }
    s->conn = c;
    s->id = id;
    s->credit = credit;
    s->gaps = request_flag(q, "gaps");
    atomic_init(&s->ready, true);
    weir_subscribe_options o = { .snapshot = request_flag(q, "snapshot"), .cursor = request_string(q, "cursor"), .wake = subscription_wake, .user = s };
    if (weir_subscribe(p, view, &o, &s->sub, &err) != WEIR_OK) {
        wr_free(s);
        session_fail(c, id, &err);
        return;
    }
    s->next = c->subscriptions;
    c->subscriptions = s;
    c->subscription_count++;
    send_schema(s);
}

static void
send_rows(subscription *s, weir_message *m)
{
    conn       *c = s->conn;
    const char *bytes;
    size_t      length;
    weir_status st = weir_rows_encode(m->rows, c->kind == CONN_MSGPACK ? WEIR_MSGPACK : WEIR_JSON, false, &bytes, &length);
    if (st != WEIR_OK) {
        c->dead = true;
        return;
    }
    s->credit -= weir_rows_count(m->rows);
    reply r;
    reply_op(&r, c, s->id, "rows");
    reply_string(&r, "cursor", m->cursor);
    if (m->snapshot)
        reply_bool(&r, "snapshot", true);
    reply_name(&r, "rows");
    reply_frame(&r, length);
    conn_send_text(c, &r.text);
    wr_text_fini(&r.text);
    conn_send_rows(c, m->rows, bytes, length);
    if (c->kind == CONN_JSON)
        conn_send(c, "}\n", 2);
}

static void
send_progress(subscription *s, int64_t watermark, const char *cursor)
{
    char  iso[128];
    reply r;
    reply_op(&r, s->conn, s->id, "progress");
    if (watermark < INT64_MAX - 1 && watermark > INT64_MIN + 1) {
        time_t    seconds = (time_t) (watermark >= 0 ? watermark / 1000000 : (watermark - 999999) / 1000000);
        struct tm t;
        gmtime_r(&seconds, &t);
        snprintf(iso, sizeof iso, "%04d-%02d-%02dT%02d:%02d:%02d.%06lldZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                 (long long) (watermark - (int64_t) seconds * 1000000));
        reply_string(&r, "watermark", iso);
    } else {
        reply_string(&r, "watermark", watermark > 0 ? "infinity" : "-infinity");
    }
    reply_string(&r, "cursor", cursor);
    reply_send(&r);
}

/* The place to go on from is in s->cursor. */
static void
disconnect_slow(subscription *s, const char *why)
{
    char hint[320];
    snprintf(hint, sizeof hint, "resume with cursor \"%s\", or subscribe with gaps: true", s->cursor);
    s->conn->server->slow++;
    session_error(s->conn, s->id, "slow_consumer", why, hint);
    s->conn->closing = true;
}

/* Returns false when the subscription is over. */
static bool
subscription_pump(subscription *s)
{
    conn *c = s->conn;
    atomic_store(&s->ready, false);
    while (!c->dead && !c->closing) {
        if (s->credit <= 0)
            return true; /* a credit will set ready again */
        if (c->out_bytes > SERVER_OUT_BYTES_MAX / 2) {
            if (!conn_flush(c) || c->out_bytes > SERVER_OUT_BYTES_MAX)
                disconnect_slow(s, "the client does not read: 8 MiB wait for it");
            if (c->out_bytes > SERVER_OUT_BYTES_MAX / 2)
                return true; /* pumped again when the socket takes more */
        }
        weir_message m;
        weir_error   err = { 0 };
        if (weir_subscription_next(s->sub, &m, &err) != WEIR_OK) {
            session_fail(c, s->id, &err);
            return false;
        }
        if (m.event == WEIR_NOTHING)
            return true;
        if (m.cursor[0] != '\0')
            memcpy(s->cursor, m.cursor, sizeof s->cursor);
        if (m.event == WEIR_ROWS) {
            send_rows(s, &m);
            weir_rows_release(m.rows);
        } else if (m.event == WEIR_PROGRESS) {
            send_progress(s, m.watermark, m.cursor);
        } else if (m.event == WEIR_GAP && s->gaps) {
            reply r;
            reply_op(&r, c, s->id, "gap");
            reply_int(&r, "lost_batches", (int64_t) m.lost);
            reply_string(&r, "cursor", m.cursor);
            reply_send(&r);
        } else if (m.event == WEIR_GAP) {
            disconnect_slow(s, "rows were overwritten before the client took them");
        } else if (m.event == WEIR_END) {
            reply r;
            reply_op(&r, c, s->id, "end");
            reply_send(&r);
            return false;
        }
    }
    return true;
}

void
session_pump(conn *c)
{
    for (subscription *s = c->subscriptions, *next; s != NULL; s = next) {
        next = s->next;
        if (!subscription_pump(s))
            subscription_close(c, s);
    }
}

bool
session_is_ready(const conn *c)
{
    for (subscription *s = c->subscriptions; s != NULL; s = s->next)
        if (atomic_load_explicit(&s->ready, memory_order_relaxed))
            return true;
    return false;
}

void
session_close(conn *c)
{
    while (c->subscriptions != NULL)
        subscription_close(c, c->subscriptions);
}

/* ---- operations ------------------------------------------------------------------------------- */

static void
send_owned_text(conn *c, double id, char *text)
{
    reply r;
    reply_op(&r, c, id, "result");
    reply_string(&r, "text", text);
    reply_send(&r);
    weir_free(text);
}

static void
op_hello(conn *c, const request *q, double id)
{
    const char *token = request_string(q, "token");
    if (c->listener->token != NULL && (token == NULL || !server_token_equal(token, c->listener->token))) {
        session_error(c, id, "AUTH", "the token is missing or wrong", "{\"op\":\"hello\",\"token\":\"...\"}");
        c->closing = true;
        return;
    }
    c->welcomed = true;
    reply r;
    reply_op(&r, c, id, "welcome");
    reply_int(&r, "version", 1);
    reply_string(&r, "server", weir_version());
    reply_int(&r, "max_frame", SERVER_FRAME_BYTES_MAX);
    reply_send(&r);
}

static void
op_credit(conn *c, const request *q, double id)
{
    double n = 0;
    for (subscription *s = c->subscriptions; s != NULL; s = s->next)
        if (s->id == id && request_number(q, "n", &n) && n >= 0) {
            s->credit += n;
            return;
        }
    session_error(c, id, "USAGE", "credit needs the id of a subscription and n, a number of rows", NULL);
}

static void
op_unsub(conn *c, double id)
{
    for (subscription *s = c->subscriptions; s != NULL; s = s->next)
        if (s->id == id) {
            subscription_close(c, s);
            reply r;
            reply_op(&r, c, id, "end");
            reply_send(&r);
            return;
        }
    session_error(c, id, "USAGE", "there is no subscription of that id", NULL);
}

/* Rows of a JSON list, [{...},{...}], or one string of JSON lines. */
static void
op_push(conn *c, const request *q, double id)
{
    const char           *source = request_string(q, "source");
    const request_member *rows = request_find(q, "rows");
    weir_error            err = { 0 };
    size_t                taken = 0;
    double                seq = NAN;
    (void) request_number(q, "seq", &seq);
    bool list = rows != NULL && (rows->kind == REQUEST_STRING || (rows->kind == REQUEST_RAW && c->kind == CONN_JSON));
    if (source == NULL || !list) {
        session_error(c, id, "USAGE", "push needs a source and rows: a list of objects, or JSON lines in one string", NULL);
        return;
    }
    weir_pipeline *p = pipeline_of(c->server, &source);
    weir_status    st = p == NULL ? wr_error_set(&err, WEIR_QUERY_NO_RELATION, "no pipeline is loaded")
                                  : weir_push(p, source, rows->text, rows->length, &taken, &err);
    if (st != WEIR_OK) {
        session_fail(c, id, &err);
        return;
    }
    reply r;
    reply_op(&r, c, id, "ack");
    if (!isnan(seq))
        reply_int(&r, "seq", (int64_t) seq);
    reply_int(&r, "bytes", (int64_t) taken);
    reply_send(&r);
}

static void
op_look(conn *c, const request *q, double id, const char *op)
{
    const char      *view = request_string(q, "view");
    char            *text = NULL;
    weir_error       err = { 0 };
    weir_status      st;
    weir_text_format format = request_flag(q, "json") ? WEIR_TEXT_JSON : WEIR_TEXT;
    weir_pipeline   *p = view != NULL ? pipeline_of(c->server, &view) : weir_pipeline_at(c->server->engine, 0);
    if (strcmp(op, "status") == 0)
        st = weir_status_json(c->server->engine, &text, &err);
    else if (strcmp(op, "metrics") == 0)
        st = weir_metrics(c->server->engine, &text, &err);
    else if (p == NULL)
        st = wr_error_set(&err, WEIR_QUERY_NO_RELATION, "no pipeline is loaded");
    else if (strcmp(op, "checkpoint") == 0)
        st = weir_pipeline_checkpoint(p, &err);
    else if (strcmp(op, "explain") == 0)
        st = weir_explain(p, view, true, format, &text, &err);
    else if (view == NULL)
        st = wr_error_set(&err, WEIR_USAGE, "why needs a view");
    else
        st = weir_why(p, view, format, &text, &err);
    if (st != WEIR_OK) {
        session_fail(c, id, &err);
        return;
    }
    send_owned_text(c, id, text != NULL ? text : wr_strdup(NULL, "done"));
}

static void
session_request(conn *c, const request *q)
{
    static const char *const looks[] = { "why", "explain", "status", "metrics", "checkpoint" };
    const char              *op = request_string(q, "op");
    double                   id = NAN;
    (void) request_number(q, "id", &id);
    if (op == NULL) {
        session_error(c, id, "USAGE", "a request has an `op`", "hello, sub, credit, unsub, push, ping, why, explain, status, metrics, checkpoint");
        return;
    }
    if (strcmp(op, "hello") == 0) {
        op_hello(c, q, id);
        return;
    }
    if (!c->welcomed) {
        session_error(c, id, "AUTH", "say hello with the token first", "{\"op\":\"hello\",\"token\":\"...\"}");
        c->closing = true;
        return;
    }
    for (size_t i = 0; i < WR_COUNT(looks); i++)
        if (strcmp(op, looks[i]) == 0) {
            op_look(c, q, id, op);
            return;
        }
    if (strcmp(op, "sub") == 0) {
        op_sub(c, q, id);
    } else if (strcmp(op, "credit") == 0) {
        op_credit(c, q, id);
    } else if (strcmp(op, "unsub") == 0) {
        op_unsub(c, id);
    } else if (strcmp(op, "push") == 0) {
        op_push(c, q, id);
    } else if (strcmp(op, "ping") == 0) {
        reply r;
        reply_op(&r, c, id, "pong");
        reply_send(&r);
    } else {
        session_error(c, id, "USAGE", "unknown op", "hello, sub, credit, unsub, push, ping, why, explain, status, metrics, checkpoint");
    }
}

/* One frame's bytes; a bad one is answered and the connection goes on (its neighbours are whole frames). */
static void
session_frame(conn *c, const char *bytes, size_t length)
{
    request     q;
    const char *why = NULL;
    bool        ok = c->kind == CONN_JSON ? request_parse_json(bytes, length, &c->scratch, &q, &why)
                                          : request_parse_msgpack(bytes, length, &c->scratch, &q, &why);
    if (ok)
        session_request(c, &q);
    else
        session_error(c, NAN, "USAGE", why != NULL ? why : "the request cannot be read", NULL);
    wr_arena_reset(&c->scratch);
}

static bool
session_too_long(conn *c)
{
    session_error(c, NAN, "LIMIT", "a frame is longer than 4 MiB", NULL);
    return false;
}

bool
session_read(conn *c)
{
    while (c->in_at < c->in.length && !c->closing) {
        const char *at = c->in.data + c->in_at;
        size_t      left = c->in.length - c->in_at;
        if (c->kind == CONN_JSON) {
            const char *newline = memchr(at, '\n', left);
            if (newline == NULL)
                return left <= SERVER_FRAME_BYTES_MAX || session_too_long(c);
            size_t n = (size_t) (newline - at);
            c->in_at += n + 1;
            if (n > SERVER_FRAME_BYTES_MAX)
                return session_too_long(c);
            if (strspn(at, " \t\r") < n)
                session_frame(c, at, n);
            continue;
        }
        if (left < 5)
            return true;
        const unsigned char *h = (const unsigned char *) at;
        size_t               n = (size_t) h[1] << 24 | (size_t) h[2] << 16 | (size_t) h[3] << 8 | h[4];
        if (h[0] != 0 || n > SERVER_FRAME_BYTES_MAX)
            return session_too_long(c);
        if (left < 5 + n)
            return true;
        c->in_at += 5 + n;
        session_frame(c, at + 5, n);
    }
    return true;
}
