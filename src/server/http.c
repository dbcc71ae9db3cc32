/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/http.c -- HTTP: health, metrics, and looking in (docs/protocol.md).
 *
 * Place       http_parse.c reads the head; a row of the table below answers.  One request at a time
 *             a connection; a body is discarded, for nothing here takes one.
 */
#include "server/http_parse.h"
#include "server/server_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NAME_BYTES_MAX = 256 };

typedef struct answer {
    conn *conn;
    const http_request *request;
    char view[NAME_BYTES_MAX]; /* the part of the path that a * stood for */
} answer;

/* --- answers --- */

static const char *
status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        { 200, "OK" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 411, "Length Required" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Error";
}

static void
put_date(conn *c)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t now = (time_t)(wr_clock_now(wr_loop_clock(c->server->loop)) / 1000000);
    struct tm t;
    if (gmtime_r(&now, &t) != NULL)
        wr_text_printf(&c->out, "date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[t.tm_wday],
                       t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min,
                       t.tm_sec);
}

/* extra: further field lines, each with its CRLF.  After a refused head (q NULL) nothing can be
 * trusted: close. */
static void
send_answer(conn *c, const http_request *q, int status, const char *type, const char *extra,
            const char *body, size_t length)
{
    bool keep = q != NULL && q->keep_alive;
    wr_text_printf(&c->out, "HTTP/1.1 %d %s\r\n", status, status_text(status));
    put_date(c);
    wr_text_printf(
        &c->out,
        "content-type: %s\r\ncontent-length: %zu\r\nconnection: %s\r\ncache-control: no-store\r\n"
        "x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"
        "content-security-policy: default-src 'none'; frame-ancestors 'none'; base-uri "
        "'none'\r\n%s\r\n",
        type, length, keep ? "keep-alive" : "close", extra);
    if (q == NULL || !http_slice_is(q->method, "HEAD"))
        wr_text_append(&c->out, body, length);
    c->closing |= !keep;
    c->server->http_requests[status / 100]++;
}

static void
send_text(answer *a, int status, const char *type, const char *body)
{
    send_answer(a->conn, a->request, status, type, "", body, strlen(body));
}

/* RFC 9457. */
static void
send_problem(conn *c, const http_request *q, int status, const char *extra, const char *detail,
             const char *hint)
{
    wr_text to;
    wr_text_init(&to, c->server->budget);
    wr_text_printf(&to, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":",
                   status_text(status), status);
    wr_text_put_json(&to, detail, strlen(detail));
    wr_text_puts(&to, ",\"hint\":[");
    if (hint != NULL && hint[0] != '\0')
        wr_text_put_json(&to, hint, strlen(hint));
    wr_text_puts(&to, "]}\n");
    if (wr_text_ok(&to))
        send_answer(c, q, status, "application/problem+json", extra, wr_text_string(&to),
                    to.length);
    else
        c->dead = true;
    wr_text_fini(&to);
}

static void
send_failure(answer *a, const weir_error *err)
{
    int status = err->code == WEIR_QUERY_NO_RELATION || err->code == WEIR_QUERY_AMBIGUOUS ? 404
                 : err->code == WEIR_STATE_STOPPED                                        ? 503
                                                                                          : 500;
    send_problem(a->conn, a->request, status, "", err->text, err->hint);
}

/* --- routes --- */

static void
get_healthz(answer *a)
{
    send_text(a, 200, "text/plain; charset=utf-8", "ok\n");
}

static void
get_readyz(answer *a)
{
    char *reasons = NULL;
    if (weir_ready(a->conn->server->engine, &reasons))
        send_text(a, 200, "text/plain; charset=utf-8", "ready\n");
    else
        send_text(a, 503, "text/plain; charset=utf-8", reasons != NULL ? reasons : "not ready\n");
    weir_free(reasons);
}

static void
get_version(answer *a)
{
    char body[128];
    snprintf(body, sizeof body, "{\"version\":\"%s\"}\n", weir_version());
    send_text(a, 200, "application/json", body);
}

/* Answer with text (which is freed), or say why there is none. */
static void
send_owned(answer *a, weir_status st, const char *type, char *text, const weir_error *err)
{
    if (st == WEIR_OK)
        send_text(a, 200, type, text);
    else
        send_failure(a, err);
    weir_free(text);
}

static void
get_metrics(answer *a)
{
    char *text = NULL;
    weir_error err = { 0 };
    weir_status st = server_metrics(a->conn->server, &text, &err);
    send_owned(a, st, "text/plain; version=0.0.4; charset=utf-8", text, &err);
}

static void
get_status(answer *a)
{
    char *text = NULL;
    weir_error err = { 0 };
    weir_status st = weir_status_json(a->conn->server->engine, &text, &err);
    send_owned(a, st, "application/json", text, &err);
}

static void
get_why(answer *a)
{
    const char *view = a->view;
    char *text = NULL;
    weir_error err = { 0 };
    weir_pipeline *p = NULL;
    weir_status st = server_pipeline_of(a->conn->server, &view, &p, &err);
    if (st == WEIR_OK)
        st = weir_why(p, view, WEIR_TEXT_JSON, &text, &err);
    send_owned(a, st, "application/json", text, &err);
}

static void
get_explain(answer *a)
{
    const char *view = a->view;
    char *text = NULL;
    weir_error err = { 0 };
    weir_pipeline *p = NULL;
    weir_status st = server_pipeline_of(a->conn->server, &view, &p, &err);
    if (st == WEIR_OK)
        st = weir_explain(p, view, true, WEIR_TEXT_JSON, &text, &err);
    send_owned(a, st, "application/json", text, &err);
}

typedef struct route {
    const char *path; /* a part that is * stands for a view */
    bool open;        /* without a token */
    void (*get)(answer *a);
} route;

static const route routes[] = {
    { "/healthz", true, get_healthz },
    { "/readyz", false, get_readyz },
    { "/metrics", false, get_metrics },
    { "/version", false, get_version },
    { "/api/v1/status", false, get_status },
    { "/api/v1/views/*/why", false, get_why },
    { "/api/v1/views/*/explain", false, get_explain },
};

static const char routes_hint[] = "GET /healthz, /readyz, /metrics, /version, /api/v1/status, "
                                  "/api/v1/views/VIEW/why, /api/v1/views/VIEW/explain";

/* Part by part; what the * stood for is decoded after the parts were told apart. */
static bool
route_fits(const route *r, http_slice path, char view[NAME_BYTES_MAX])
{
    const char *want = r->path, *at = path.at, *end = path.at + path.length;
    while (*want == '/' && at < end && *at == '/') {
        const char *stop = ++at;
        while (stop < end && *stop != '/')
            stop++;
        size_t n = strcspn(++want, "/");
        http_slice part = { at, (size_t)(stop - at) };
        char word[NAME_BYTES_MAX];
        if (!http_decode(part, word, sizeof word) || word[0] == '\0')
            return false;
        if (n == 1 && *want == '*')
            memcpy(view, word, sizeof word);
        else if (strlen(word) != n || memcmp(word, want, n) != 0)
            return false;
        at = stop;
        want += n;
    }
    return *want == '\0' && at == end;
}

/* --- requests --- */

static bool
is_authorized(const conn *c, const http_request *q)
{
    static const char bearer[] = "bearer ";
    char token[SERVER_TOKEN_BYTES_MAX + 1];
    const size_t n = sizeof bearer - 1;
    http_slice a = q->authorization;
    if (c->listener->token[0] == '\0')
        return true;
    if (a.at == NULL || a.length <= n || !http_slice_same((http_slice){ a.at, n }, bearer) ||
        a.length - n >= sizeof token)
        return false;
    memcpy(token, a.at + n, a.length - n);
    token[a.length - n] = '\0';
    return server_token_equal(token, c->listener->token);
}

static void
http_answer(conn *c, const http_request *q)
{
    static const char *const known[] = { "POST",    "PUT",   "DELETE", "PATCH",
                                         "OPTIONS", "TRACE", "CONNECT" };
    answer a = { .conn = c, .request = q };
    bool refused = false;
    if (!http_slice_is(q->method, "GET") && !http_slice_is(q->method, "HEAD")) {
        for (size_t i = 0; i < WR_COUNT(known); i++)
            refused |= http_slice_is(q->method, known[i]);
        if (refused)
            send_problem(c, q, 405, "allow: GET, HEAD\r\n", "only GET and HEAD are answered here",
                         NULL);
        else
            send_problem(c, q, 501, "", "the method is unknown",
                         "methods are written in capitals: GET, HEAD");
        return;
    }
    const route *r = NULL;
    for (size_t i = 0; r == NULL && i < WR_COUNT(routes); i++)
        if (route_fits(&routes[i], q->path, a.view))
            r = &routes[i];
    if ((r == NULL || !r->open) && !is_authorized(c, q)) {
        c->server->unauthorised++;
        send_problem(c, q, 401, "www-authenticate: Bearer\r\n", "the token is missing or wrong",
                     "send Authorization: Bearer TOKEN");
    } else if (r == NULL) {
        send_problem(c, q, 404, "", "there is nothing at this path", routes_hint);
    } else {
        r->get(&a);
    }
}

/* Part of a body that nobody takes. */
static void
body_discard(conn *c)
{
    size_t n = WR_MIN(c->body_left, conn_left(c));
    c->in_at += n;
    c->body_left -= n;
}

bool
http_take(conn *c)
{
    http_request q;
    body_discard(c);
    if (c->body_left > 0 || conn_left(c) == 0)
        return false;
    http_result r = http_parse(c->in.data + c->in_at, conn_left(c), &q);
    if (r == HTTP_MORE)
        return false;
    if (r == HTTP_REFUSED) {
        send_problem(c, NULL, q.status, "", q.why, NULL);
        c->in_at = c->in.length; /* where the next one would begin is not known */
        return false;
    }
    http_answer(c, &q);
    c->in_at += q.head_bytes;
    c->body_left = q.body_bytes;
    return true;
}

void
http_late(conn *c)
{
    send_problem(c, NULL, 408, "", "the request's head did not come within 10 s", NULL);
}
