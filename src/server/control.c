/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/control.c -- what a client asks of the engine besides rows out: push, why, explain,
 * status, metrics, checkpoint.
 *
 * Push        what the source has no room for waits in the connection, which is read no further:
 *             backpressure reaches the client's socket.  The acknowledgement comes when all rows
 *             were taken.
 * Checkpoint  blocks, so it has a thread; one at a time.  The connection is found again by its
 *             serial.
 */
#include "server/reply.h"

#include <stdio.h>
#include <string.h>

/* --- names --- */

static bool
pipeline_has(weir_pipeline *p, const char *name)
{
    weir_relation_role role;
    const char *relation;
    for (uint32_t i = 0; (relation = weir_pipeline_relation(p, i, &role)) != NULL; i++)
        if (role != WEIR_SINK && strcmp(relation, name) == 0)
            return true;
    return false;
}

weir_status
server_pipeline_of(server *s, const char **name, weir_pipeline **out, weir_error *err)
{
    weir_pipeline *p, *found = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; (p = weir_pipeline_at(s->engine, i)) != NULL; i++)
        if (pipeline_has(p, *name)) {
            found = p;
            count++;
        }
    if (count > 1) {
        weir_status st =
            wr_error_set(err, WEIR_QUERY_AMBIGUOUS, "several pipelines have a \"%.100s\"", *name);
        wr_error_hint(err, "write pipeline.%.100s", *name);
        return st;
    }
    for (uint32_t i = 0; found == NULL && (p = weir_pipeline_at(s->engine, i)) != NULL; i++) {
        size_t n = strlen(weir_pipeline_name(p));
        if (strncmp(*name, weir_pipeline_name(p), n) == 0 && (*name)[n] == '.' &&
            pipeline_has(p, *name + n + 1)) {
            *name += n + 1;
            found = p;
        }
    }
    if (found == NULL) /* the engine says what is near */
        found = weir_pipeline_at(s->engine, 0);
    if (found == NULL)
        return wr_error_set(err, WEIR_QUERY_NO_RELATION, "no pipeline is loaded");
    *out = found;
    return WEIR_OK;
}

/* --- push --- */

static void
push_done(conn *c, weir_status st, const weir_error *err)
{
    pending_push *p = &c->push;
    p->pipeline = NULL;
    wr_text_fini(&p->rows);
    if (st != WEIR_OK) {
        session_fail(c, p->id, err);
        return;
    }
    reply r;
    reply_begin(&r, c, p->id, "ack");
    if (p->has_seq)
        reply_int(&r, "seq", p->seq);
    reply_end(&r);
}

/* Rows into the source; what it has no room for is left.  False: it failed, and err says why. */
static bool
push_some(pending_push *p, const char *rows, size_t length, size_t *taken, weir_error *err)
{
    weir_status st = WEIR_OK;
    size_t n = 0;
    *taken = 0;
    do {
        st = weir_push(p->pipeline, p->source, rows + *taken, length - *taken, &n, err);
        *taken += n;
    } while (st == WEIR_OK && n > 0 && *taken < length);
    return st == WEIR_OK || st == WEIR_LIMIT;
}

void
push_retry(conn *c)
{
    pending_push *p = &c->push;
    weir_error err = { 0 };
    size_t taken;
    if (!push_some(p, p->rows.data + p->at, p->rows.length - p->at, &taken, &err)) {
        push_done(c, err.code, &err);
        return;
    }
    p->at += taken;
    if (p->at == p->rows.length)
        push_done(c, WEIR_OK, NULL);
    else if (wr_timer_set_after(&c->retry, SERVER_PUSH_RETRY_US) != WEIR_OK)
        c->dead = true;
}

/* Rows of a JSON list, [{...},{...}], or one string of JSON lines. */
void
op_push(conn *c, const request *q, int64_t id)
{
    pending_push *p = &c->push;
    const char *source = request_string(q, "source");
    const request_member *rows = request_find(q, "rows");
    weir_error err = { 0 };
    weir_pipeline *pipeline = NULL;
    size_t taken;
    bool list = rows != NULL &&
                (rows->kind == REQUEST_STRING ||
                 (rows->kind == REQUEST_RAW && c->kind == CONN_JSON && rows->text[0] == '['));
    if (source == NULL || !list) {
        session_error(c, id, "USAGE",
                      "push needs a source, and rows: JSON lines in one string, or (in JSON) a "
                      "list of objects",
                      "{\"op\":\"push\",\"source\":\"bids\",\"rows\":[{\"auction\":7}]}");
        return;
    }
    p->id = id;
    p->has_seq = request_whole(q, "seq", &p->seq);
    weir_status st = server_pipeline_of(c->server, &source, &pipeline, &err);
    if (st == WEIR_OK && strlen(source) >= sizeof p->source)
        st = wr_error_set(&err, WEIR_QUERY_NO_RELATION, "no source is called \"%.100s\"", source);
    if (st != WEIR_OK) {
        push_done(c, st, &err);
        return;
    }
    memcpy(p->source, source, strlen(source) + 1);
    p->pipeline = pipeline;
    if (!push_some(p, rows->text, rows->length, &taken, &err)) {
        push_done(c, err.code, &err);
        return;
    }
    if (taken == rows->length) {
        push_done(c, WEIR_OK, NULL);
        return;
    }
    p->at = 0;
    wr_text_append(&p->rows, rows->text + taken, rows->length - taken);
    if (!wr_text_ok(&p->rows))
        push_done(c, WEIR_MEMORY, &(weir_error){ .code = WEIR_MEMORY });
    else if (wr_timer_set_after(&c->retry, SERVER_PUSH_RETRY_US) != WEIR_OK)
        c->dead = true;
}

/* --- looking in --- */

static void
metric_put(wr_text *to, const char *name, const char *type, const char *help, uint64_t value)
{
    wr_text_printf(to, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
                   (unsigned long long)value);
}

static void
metrics_sql(server *s, wr_text *to)
{
    parser_counts n = { 0 };
    if (s->parser != NULL)
        parser_count(s->parser, &n);
    metric_put(to, "weir_client_sql_total", "counter", "Statements that clients asked about.", s->sql_asked);
    metric_put(to, "weir_client_sql_refused_total", "counter", "Those of them that were refused: mistakes, limits.",
               s->sql_refused);
    metric_put(to, "weir_parser_texts_total", "counter", "Texts given to the parser of clients' SQL.", n.texts);
    metric_put(to, "weir_parser_starts_total", "counter", "Parsers started.", n.starts);
    metric_put(to, "weir_parser_crashes_total", "counter", "Parsers that ended on a text.", n.crashes);
    metric_put(to, "weir_parser_timeouts_total", "counter", "Parsers killed because a text took too long.", n.timeouts);
    metric_put(to, "weir_parser_unread_total", "counter", "Parsers killed because their answer made no sense.", n.unread);
}

weir_status
server_metrics(server *s, char **text, weir_error *err)
{
    char *engine = NULL;
    WR_TRY(weir_metrics(s->engine, &engine, err));
    wr_text to;
    wr_text_init(&to, NULL);
    wr_text_puts(&to, engine);
    weir_free(engine);
    metric_put(&to, "weir_connections", "gauge", "Connections that are open.", s->conn_count);
    metric_put(&to, "weir_connections_accepted_total", "counter", "Connections taken.",
               s->accepted);
    metric_put(&to, "weir_connections_refused_total", "counter", "Connections refused: too many.",
               s->refused);
    metric_put(&to, "weir_subscribers", "gauge", "Subscriptions that are open.",
               s->subscription_count);
    metric_put(&to, "weir_subscriber_dropped_total", "counter",
               "Times a subscriber was too slow and lost its place.", s->slow);
    metric_put(&to, "weir_unauthorised_total", "counter", "Requests without the right token.",
               s->unauthorised);
    metric_put(&to, "weir_tls_handshake_failures_total", "counter",
               "Connections whose TLS handshake failed.", s->tls_failed);
    metric_put(&to, "weir_server_memory_bytes", "gauge", "Bytes that connections hold.",
               wr_budget_used(s->budget));
    wr_text_puts(&to, "# HELP weir_http_requests_total HTTP requests by class of the answer.\n# "
                      "TYPE weir_http_requests_total counter\n");
    for (int i = 2; i <= 5; i++)
        wr_text_printf(&to, "weir_http_requests_total{class=\"%dxx\"} %llu\n", i,
                       (unsigned long long)s->http_requests[i]);
    metrics_sql(s, &to);
    *text = wr_text_take(&to, NULL);
    return *text != NULL ? WEIR_OK : wr_error_set(err, WEIR_MEMORY, "no memory for the answer");
}

conn *
server_conn(server *s, uint64_t serial)
{
    conn *c = s->conns;
    while (c != NULL && c->serial != serial)
        c = c->next;
    return c;
}

static weir_status
look(server *s, const request *q, const char *op, weir_text_format format, char **text,
     weir_error *err)
{
    const char *view = request_string(q, "view");
    weir_pipeline *p = NULL;
    if (strcmp(op, "status") == 0)
        return weir_status_json(s->engine, text, err);
    if (strcmp(op, "metrics") == 0)
        return server_metrics(s, text, err);
    if (view == NULL) {
        weir_status st = wr_error_set(err, WEIR_USAGE, "%s needs a view", op);
        wr_error_hint(err, "{\"op\":\"%s\",\"view\":\"per_auction\"}", op);
        return st;
    }
    WR_TRY(server_pipeline_of(s, &view, &p, err));
    return strcmp(op, "explain") == 0 ? weir_explain(p, view, true, format, text, err)
                                      : weir_why(p, view, format, text, err);
}

void
op_look(conn *c, const request *q, int64_t id, const char *op)
{
    static const session_member members[] = { { "json", REQUEST_BOOL } };
    char *text = NULL;
    weir_error err = { 0 };
    if (!session_wants(c, q, id, members, WR_COUNT(members)))
        return;
    bool json =
        strcmp(op, "status") == 0 || (strcmp(op, "metrics") != 0 && request_flag(q, "json"));
    if (look(c->server, q, op, json ? WEIR_TEXT_JSON : WEIR_TEXT, &text, &err) != WEIR_OK) {
        session_fail(c, id, &err);
        return;
    }
    reply r;
    reply_begin(&r, c, id, "result");
    if (json)
        reply_json(&r, "json", text, strcspn(text, "\n"));
    else
        reply_string(&r, "text", text);
    reply_end(&r);
    weir_free(text);
}

/* --- checkpoint --- */

/* Back on the server's thread. */
static void
checkpoint_answer(void *user)
{
    checkpoint_job *job = user;
    conn *c = server_conn(job->server, job->conn);
    wr_thread_join(&job->thread);
    job->running = false;
    if (c == NULL)
        return; /* the client has gone; the checkpoint stands */
    c->busy = false;
    if (job->status != WEIR_OK) {
        session_fail(c, job->id, &job->error);
    } else {
        reply r;
        reply_begin(&r, c, job->id, "result");
        reply_string(&r, "text", "the checkpoint is durable");
        reply_end(&r);
    }
    atomic_store(&c->ready, true);
}

static void
checkpoint_main(void *user)
{
    checkpoint_job *job = user;
    job->status = weir_pipeline_checkpoint(job->pipeline, &job->error);
    while (wr_loop_post(job->server->loop, checkpoint_answer, job) != WEIR_OK)
        ; /* a few bytes: there will be memory */
}

void
op_checkpoint(conn *c, const request *q, int64_t id)
{
    checkpoint_job *job = &c->server->checkpoint;
    static const session_member members[] = { { "pipeline", REQUEST_STRING } };
    const char *name = request_string(q, "pipeline");
    weir_pipeline *p = weir_pipeline_at(c->server->engine, 0);
    weir_error err = { 0 };
    for (uint32_t i = 0; name != NULL && p != NULL && strcmp(weir_pipeline_name(p), name) != 0;)
        p = weir_pipeline_at(c->server->engine, ++i);
    if (!session_wants(c, q, id, members, WR_COUNT(members)))
        return;
    if (p == NULL) {
        char text[160];
        snprintf(text, sizeof text, "no pipeline is called \"%.100s\"", name != NULL ? name : "");
        session_error(c, id, "QUERY_NO_RELATION", text, NULL);
        return;
    }
    if (job->running) {
        session_error(c, id, "LIMIT", "a checkpoint is being taken", "ask again when it is done");
        return;
    }
    *job = (checkpoint_job){ .server = c->server, .pipeline = p, .conn = c->serial, .id = id };
    if (wr_thread_start(&job->thread, "weir-checkpoint", checkpoint_main, job, &err) != WEIR_OK) {
        session_fail(c, id, &err);
        return;
    }
    job->running = true;
    c->busy = true;
}
