/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/sql.c -- a client's statement: what would it be as a view?
 *
 * Place       the text goes to the engine as a stranger's, which has it parsed elsewhere (server/parser.h).
 * State       jobs wait in a queue of the server, one of each connection at most: an answer to come keeps it busy.
 *             One has a thread at a time; the connection is found again by its serial.
 */
#include "server/reply.h"

#include <string.h>

enum { SQL_BYTES_MAX = 64 << 10, PLAN_BYTES_MAX = 512 << 10 };

static void sql_next(server *s);

static void
job_free(sql_job *job)
{
    weir_free(job->text);
    wr_free(job->sql);
    wr_free(job);
}

static void
job_reply(sql_job *job, conn *c)
{
    if (job->status == WEIR_OK && strlen(job->text) > PLAN_BYTES_MAX) /* a long constant in it, say */
        job->status = wr_error_set(&job->error, WEIR_LIMIT, "the plan has %zu bytes; the limit is %d", strlen(job->text),
                                   PLAN_BYTES_MAX);
    if (job->status != WEIR_OK) {
        job->server->sql_refused++;
        session_fail(c, job->id, &job->error);
        return;
    }
    reply r;
    reply_begin(&r, c, job->id, "result");
    if (job->json)
        reply_json(&r, "json", job->text, strcspn(job->text, "\n"));
    else
        reply_string(&r, "text", job->text);
    reply_end(&r);
}

/* The first has ended: its answer, if the client is still there, and the next. */
static void
job_end(sql_job *job)
{
    server *s = job->server;
    conn *c = server_conn(s, job->conn);
    wr_assert(s->sql_first == job);
    s->sql_first = job->next;
    s->sql_running = false;
    if (s->sql_first == NULL)
        s->sql_last = NULL;
    if (c != NULL) {
        c->busy = false;
        job_reply(job, c);
        atomic_store(&c->ready, true);
    }
    job_free(job);
}

/* Back on the server's thread. */
static void
job_answer(void *user)
{
    sql_job *job = user;
    server *s = job->server;
    wr_thread_join(&job->thread);
    job_end(job);
    sql_next(s);
}

static void
job_main(void *user)
{
    sql_job *job = user;
    job->status = weir_explain_sql(job->pipeline, job->sql, true,
                                   job->json ? WEIR_TEXT_JSON : WEIR_TEXT, &job->text, &job->error);
    while (wr_loop_post(job->server->loop, job_answer, job) != WEIR_OK)
        ; /* a few bytes: there will be memory */
}

/* false: status and error of the job say why not.  Of a job that has begun they are its thread's. */
static bool
job_begin(sql_job *job)
{
    server *s = job->server;
    if (atomic_load(&s->stop) || server_conn(s, job->conn) == NULL) {
        job->status = wr_error_set(&job->error, WEIR_CLOSED, "the server stops");
        return false;
    }
    weir_error err = { 0 };
    weir_status status = wr_thread_start(&job->thread, "weir-sql", job_main, job, &err);
    if (status == WEIR_OK)
        return true;
    job->status = status;
    job->error = err;
    return false;
}

static void
sql_next(server *s)
{
    while (s->sql_first != NULL && !s->sql_running) {
        s->sql_running = job_begin(s->sql_first);
        if (!s->sql_running)
            job_end(s->sql_first);
    }
}

/* The pipeline named, or the only one. */
static weir_status
pipeline_named(server *s, const request *q, weir_pipeline **out, weir_error *err)
{
    const char *name = request_string(q, "pipeline");
    weir_pipeline *p = weir_pipeline_at(s->engine, 0);
    for (uint32_t i = 0; name != NULL && p != NULL && strcmp(weir_pipeline_name(p), name) != 0;)
        p = weir_pipeline_at(s->engine, ++i);
    if (p == NULL)
        return wr_error_set(err, WEIR_QUERY_NO_RELATION, "no pipeline is called \"%.100s\"",
                            name != NULL ? name : "");
    if (name == NULL && weir_pipeline_at(s->engine, 1) != NULL) {
        weir_status st = wr_error_set(err, WEIR_QUERY_AMBIGUOUS, "several pipelines run here");
        wr_error_hint(err, "say of which: \"pipeline\":\"%.100s\"", weir_pipeline_name(p));
        return st;
    }
    *out = p;
    return WEIR_OK;
}

static weir_status
job_create(conn *c, const request *q, int64_t id, sql_job **out, weir_error *err)
{
    const request_member *sql = request_find(q, "sql");
    weir_pipeline *p = NULL;
    if (sql->kind != REQUEST_STRING || request_find(q, "view") != NULL) {
        weir_status st = wr_error_set(err, WEIR_USAGE, "explain needs a view, or sql: a statement");
        wr_error_hint(err, "{\"op\":\"explain\",\"sql\":\"SELECT count(*) FROM bids\"}");
        return st;
    }
    if (sql->length > SQL_BYTES_MAX)
        return wr_error_set(err, WEIR_QUERY_TOO_COMPLEX,
                            "the statement has %zu bytes; the limit is %d", sql->length,
                            SQL_BYTES_MAX);
    WR_TRY(pipeline_named(c->server, q, &p, err));
    sql_job *job = wr_calloc(c->server->budget, 1, sizeof *job);
    if (job == NULL || (job->sql = wr_strndup(c->server->budget, sql->text, sql->length)) == NULL) {
        wr_free(job);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a statement");
    }
    job->server = c->server;
    job->pipeline = p;
    job->conn = c->serial;
    job->id = id;
    job->json = request_flag(q, "json");
    *out = job;
    return WEIR_OK;
}

void
op_explain_sql(conn *c, const request *q, int64_t id)
{
    static const session_member members[] = { { "pipeline", REQUEST_STRING }, { "json", REQUEST_BOOL } };
    server *s = c->server;
    sql_job *job = NULL;
    weir_error err = { 0 };
    if (!session_wants(c, q, id, members, WR_COUNT(members)))
        return;
    s->sql_asked++;
    if (job_create(c, q, id, &job, &err) != WEIR_OK) {
        s->sql_refused++;
        session_fail(c, id, &err);
        return;
    }
    if (s->sql_last != NULL)
        s->sql_last->next = job;
    else
        s->sql_first = job;
    s->sql_last = job;
    c->busy = true;
    sql_next(s);
}
