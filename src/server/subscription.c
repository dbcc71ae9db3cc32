/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/subscription.c -- sub, credit, unsub; messages of the engine to the client.
 *
 * Slow clients (design 12.9): a subscription never holds a stream back.  Rows are taken while there
 * is credit and room; whose place in the stream was overwritten meanwhile is told so with the
 * cursor of the last rows it got, and unless it asked for gaps it is disconnected.
 *
 * Invariants  S1  a wake is only a flag: it is set from the publisher's thread under the
 *                 stream's lock, so none comes after weir_unsubscribe
 *             S2  a cursor is sent with, or after, the rows it covers: with the last message of a change
 */
#include "server/reply.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MESSAGES_A_TURN = 64, FRAME_REST_BYTES = 1024 };

struct subscription {
    subscription *next;
    conn *conn;
    weir_pipeline *pipeline;
    weir_subscription *sub;
    int64_t id, credit; /* rows; INT64_MAX: the client counts none */
    bool gaps;
    const char *ending; /* why it ends once all is read; NULL: it goes on */
    bool owes;          /* progress that is not told yet */
    int64_t watermark, told_us;
    uint64_t epoch; /* of that progress; 0: none */
    char cursor[256]; /* "": nothing was sent yet */
};

static void
subscription_wake(void *user)
{
    conn *c = ((subscription *)user)->conn;
    if (!atomic_exchange(&c->ready, true))
        wr_loop_wake(c->server->loop); /* S1 */
}

static void
subscription_close(subscription *s)
{
    conn *c = s->conn;
    subscription **at = &c->subscriptions;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    c->subscription_count--;
    c->server->subscription_count--;
    weir_unsubscribe(s->sub);
    if (c->server->subscription_count <= 1) /* nobody to share with */
        bodies_drop(c->server);
    wr_free(s);
}

void
session_close(conn *c)
{
    while (c->subscriptions != NULL)
        subscription_close(c->subscriptions);
}

static subscription *
subscription_find(conn *c, int64_t id)
{
    subscription *s = c->subscriptions;
    while (s != NULL && s->id != id)
        s = s->next;
    return s;
}

/* --- messages --- */

static bool
send_schema(subscription *s)
{
    static const char *const kinds[] = { "insert_only", "upsert", "changelog" };
    uint32_t count = weir_subscription_columns(s->sub, NULL, 0), keys = 0;
    weir_column_info *columns = wr_arena_alloc(&s->conn->server->scratch, count * sizeof *columns);
    if (columns == NULL)
        return false;
    (void)weir_subscription_columns(s->sub, columns, count);
    reply r;
    reply_begin(&r, s->conn, s->id, "schema");
    reply_string(&r, "kind", kinds[weir_subscription_kind(s->sub)]);
    reply_name(&r, "columns");
    reply_list(&r, count);
    for (uint32_t i = 0; i < count; i++) {
        keys += columns[i].key;
        reply_list(&r, 2);
        reply_put_string(&r, columns[i].name);
        reply_put_string(&r, columns[i].type);
        reply_list_end(&r);
    }
    reply_list_end(&r);
    reply_name(&r, "key");
    reply_list(&r, keys);
    for (uint32_t i = 0; i < count; i++)
        if (columns[i].key)
            reply_put_string(&r, columns[i].name);
    reply_list_end(&r);
    reply_end(&r);
    return true;
}

static void
send_end(subscription *s, const char *reason, const weir_error *why)
{
    reply r;
    reply_begin(&r, s->conn, s->id, "end");
    reply_string(&r, "reason", reason);
    if (why != NULL && why->text[0] != '\0')
        reply_string(&r, "text", why->text);
    reply_end(&r);
}

/* One frame: all of the body, or `count` of its rows at bytes; the cursor with the last frame of a
 * change (S2). */
static void
send_rows_frame(subscription *s, const weir_message *m, out_body *whole, const char *bytes,
                size_t length, uint32_t count, bool last)
{
    reply r;
    reply_begin(&r, s->conn, s->id, "rows");
    if (last && m->cursor[0] != '\0')
        reply_string(&r, "cursor", m->cursor);
    else
        reply_bool(&r, "more", true);
    if (m->snapshot)
        reply_bool(&r, "snapshot", true);
    reply_name(&r, "rows");
    if (whole != NULL) {
        reply_put_body(&r, whole);
    } else {
        reply_list(&r, count);
        wr_text_append(r.to, bytes, length);
        reply_list_end(&r);
    }
    reply_end(&r);
}

/* The next row of a list as weir_rows_encode has it; false: no more. */
static bool
row_next(conn_kind kind, const char **at, const char *end, const char **row, size_t *length)
{
    if (kind == CONN_JSON)
        return request_json_item(at, end, row, length);
    *row = *at;
    *length = *at < end ? request_msgpack_length(*at, end) : 0;
    *at += *length;
    return *length > 0;
}

/* Rows that do not fit into one frame, in several; false: one row alone is too large. */
static bool
send_rows_split(subscription *s, const weir_message *m, const char *bytes, size_t length)
{
    const size_t limit = SERVER_FRAME_BYTES_MAX - FRAME_REST_BYTES;
    const char *at = bytes, *end = bytes + length, *row, *first = NULL, *stop = NULL;
    uint32_t count = 0;
    size_t n;
    if (s->conn->kind == CONN_MSGPACK) /* past the head of the list: a frame has one of its own */
        at += ((unsigned char)*at & 0xf0) == 0x90 ? 1 : 5;
    while (row_next(s->conn->kind, &at, end, &row, &n)) {
        if (n > limit)
            return false;
        if (first != NULL && (size_t)(row + n - first) > limit) {
            send_rows_frame(s, m, NULL, first, (size_t)(stop - first), count, false);
            first = NULL;
        }
        count = first == NULL ? 1 : count + 1;
        first = first == NULL ? row : first;
        stop = row + n;
    }
    if (first != NULL)
        send_rows_frame(s, m, NULL, first, (size_t)(stop - first), count, true);
    return true;
}

/* False: the subscription is over. */
static bool
send_rows(subscription *s, const weir_message *m)
{
    out_body *b = NULL;
    const char *bytes = NULL;
    size_t length = 0;
    weir_error err = { 0 };
    weir_status st = body_get(s->conn, m->rows, &b);
    if (st != WEIR_OK)
        (void)!wr_error_set(&err, st, "the rows cannot be written: %s", weir_status_text(st));
    else
        bytes = body_bytes(b, &length);
    if (st == WEIR_OK && length <= SERVER_FRAME_BYTES_MAX - FRAME_REST_BYTES)
        send_rows_frame(s, m, b, NULL, 0, 0, true);
    else if (st == WEIR_OK && !send_rows_split(s, m, bytes, length))
        st = wr_error_set(&err, WEIR_LIMIT, "a row is larger than a frame of 4 MiB");
    body_release(b);
    if (st != WEIR_OK) {
        session_fail(s->conn, s->id, &err);
        return false;
    }
    if (s->credit != INT64_MAX)
        s->credit -= weir_rows_count(m->rows);
    return true;
}

static void
put_time(reply *r, const char *name, int64_t us)
{
    char iso[64];
    struct tm t;
    time_t seconds = (time_t)(us / 1000000 - (us % 1000000 < 0));
    if (us >= INT64_MAX - 1 || us <= INT64_MIN + 1)
        snprintf(iso, sizeof iso, "%sinfinity", us < 0 ? "-" : "");
    else if (gmtime_r(&seconds, &t) == NULL)
        snprintf(iso, sizeof iso, "%lld us", (long long)us);
    else
        snprintf(iso, sizeof iso, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", t.tm_year + 1900,
                 t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                 (int)(us - (int64_t)seconds * 1000000));
    reply_string(r, name, iso);
}

static bool
progress_is_due(const subscription *s)
{
    return wr_clock_monotonic(wr_loop_clock(s->conn->server->loop)) - s->told_us >=
           SERVER_PROGRESS_US;
}

/* What is complete by now, at most every 100 ms: watermarks move with every batch of the input. */
static void
tell_progress(subscription *s)
{
    reply r;
    if (!s->owes)
        return;
    s->owes = false;
    s->told_us = wr_clock_monotonic(wr_loop_clock(s->conn->server->loop));
    reply_begin(&r, s->conn, s->id, "progress");
    put_time(&r, "watermark", s->watermark);
    if (s->epoch != 0)
        reply_int(&r, "epoch", (int64_t)s->epoch);
    reply_string(&r, "cursor", s->cursor);
    reply_end(&r);
}

/* Rows are lost to it: tell it how many, or disconnect it with the place it had reached.  False:
 * disconnected. */
static bool
send_gap(subscription *s, const weir_message *m)
{
    reply r;
    s->conn->server->slow++;
    reply_begin(&r, s->conn, s->id, s->gaps ? "gap" : "error");
    if (s->gaps) {
        reply_int(&r, "lost_batches", (int64_t)m->lost);
    } else {
        reply_string(&r, "code", "slow_consumer");
        reply_string(&r, "text", "rows were overwritten before the client took them");
        if (s->cursor[0] != '\0')
            reply_string(&r, "cursor", s->cursor);
        reply_string(&r, "hint",
                     "resume from the cursor, or from a snapshot when that is too old; or "
                     "subscribe with \"gaps\": true");
    }
    reply_end(&r);
    s->conn->closing = !s->gaps;
    return s->gaps;
}

typedef enum step { STEP_IDLE, STEP_MORE, STEP_OVER } step;

/* Everything is read. */
static step
subscription_rest(subscription *s)
{
    weir_error why = { 0 };
    wr_timer *timer = &s->conn->server->progress;
    if (s->ending != NULL || progress_is_due(s))
        tell_progress(s);
    else if (s->owes && !wr_timer_is_set(timer) &&
             wr_timer_set_after(timer, SERVER_PROGRESS_US) != WEIR_OK)
        tell_progress(s);
    if (s->ending == NULL)
        return STEP_IDLE;
    (void)weir_pipeline_state(s->pipeline, &why);
    send_end(s, s->ending, &why);
    return STEP_OVER;
}

static step
subscription_step(subscription *s)
{
    weir_message m;
    weir_error err = { 0 };
    bool goes_on = true;
    if (weir_subscription_next(s->sub, &m, &err) != WEIR_OK) {
        session_fail(s->conn, s->id, &err);
        return STEP_OVER;
    }
    switch (m.event) {
    case WEIR_ROWS:
        goes_on = send_rows(s, &m);
        weir_rows_release(m.rows);
        break;
    case WEIR_PROGRESS:
        s->owes = true;
        s->watermark = m.watermark;
        s->epoch = m.epoch;
        memcpy(s->cursor, m.cursor, sizeof s->cursor);
        if (m.epoch != 0)
            tell_progress(s); /* of just this place */
        break;
    case WEIR_GAP: return send_gap(s, &m) ? STEP_MORE : STEP_OVER;
    case WEIR_END:
        tell_progress(s);
        send_end(s, "finished", NULL);
        return STEP_OVER;
    case WEIR_NOTHING: return subscription_rest(s);
    }
    if (m.cursor[0] != '\0')
        memcpy(s->cursor, m.cursor, sizeof s->cursor);
    return goes_on ? STEP_MORE : STEP_OVER;
}

/* s becomes the first of the list, what stood before it the last. */
static void
turn_to(conn *c, subscription *s)
{
    subscription *last = s, *before = c->subscriptions;
    if (before == s)
        return;
    while (last->next != NULL)
        last = last->next;
    last->next = before;
    while (before->next != s)
        before = before->next;
    before->next = NULL;
    c->subscriptions = s;
}

/* One message of each in turn, so that a busy view does not starve its neighbours; who was not
 * reached is first the next time. */
void
session_pump(conn *c)
{
    int left = MESSAGES_A_TURN;
    bool more = true;
    while (more && conn_room(c) > 0) {
        more = false;
        for (subscription *s = c->subscriptions, *next; s != NULL && conn_room(c) > 0; s = next) {
            next = s->next;
            if (s->credit <= 0)
                continue; /* op_credit comes back here */
            if (left == 0) {
                turn_to(c, s);
                atomic_store(&c->ready, true);
                return;
            }
            step done = subscription_step(s);
            left -= done == STEP_MORE;
            more |= done == STEP_MORE;
            if (done == STEP_OVER)
                subscription_close(s);
        }
    }
}

void
session_check_ends(conn *c, bool server_stops)
{
    static const char *const reasons[] = { [WEIR_LOADED] = "stopped",
                                           [WEIR_FINISHED] = "finished",
                                           [WEIR_FAILED] = "failed",
                                           [WEIR_STOPPED] = "stopped" };
    for (subscription *s = c->subscriptions; s != NULL; s = s->next) {
        weir_state state = weir_pipeline_state(s->pipeline, NULL);
        if (server_stops && state == WEIR_RUNNING)
            s->ending = "stopped";
        else if (state != WEIR_RUNNING)
            s->ending = reasons[state];
        if (s->ending != NULL)
            atomic_store(&c->ready, true);
    }
}

void
session_check_owed(conn *c)
{
    for (subscription *s = c->subscriptions; s != NULL; s = s->next)
        if (s->owes)
            atomic_store(&c->ready, true);
}

/* --- operations --- */

void
op_sub(conn *c, const request *q, int64_t id)
{
    const char *view = request_string(q, "view");
    if (view == NULL || id == REQUEST_NO_ID) {
        session_error(c, id, "USAGE", "sub needs an id (a whole number) and a view",
                      "{\"op\":\"sub\",\"id\":1,\"view\":\"per_auction\"}");
        return;
    }
    static const session_member members[] = { { "cursor", REQUEST_STRING }, { "snapshot", REQUEST_BOOL },
                                              { "gaps", REQUEST_BOOL },     { "upserts", REQUEST_BOOL },
                                              { "epochs", REQUEST_BOOL } };
    if (!session_wants(c, q, id, members, WR_COUNT(members)))
        return;
    if (c->subscription_count >= SERVER_SUBSCRIPTIONS_MAX) {
        session_error(c, id, "TOO_MANY", "100 subscriptions a connection are the limit",
                      "open another connection");
        return;
    }
    if (subscription_find(c, id) != NULL) {
        session_error(c, id, "USAGE", "the id is in use on this connection", NULL);
        return;
    }
    int64_t credit = INT64_MAX;
    if (request_find(q, "credit") != NULL && (!request_whole(q, "credit", &credit) || credit < 0)) {
        session_error(c, id, "USAGE", "credit is a whole number of rows", "{\"op\":\"sub\",\"id\":1,\"view\":\"per_auction\",\"credit\":1000}");
        return;
    }
    weir_error err = { 0 };
    subscription *s = wr_calloc(c->server->budget, 1, sizeof *s);
    weir_status st = s == NULL ? wr_error_set(&err, WEIR_MEMORY, "no memory for a subscription")
                               : server_pipeline_of(c->server, &view, &s->pipeline, &err);
    if (st == WEIR_OK) {
        s->conn = c;
        s->id = id;
        s->gaps = request_flag(q, "gaps");
        s->credit = credit;
        weir_subscribe_options o = { .snapshot = request_flag(q, "snapshot"),
                                     .upserts = request_flag(q, "upserts"),
                                     .epochs = request_flag(q, "epochs"),
                                     .cursor = request_string(q, "cursor"),
                                     .wake = subscription_wake,
                                     .user = s };
        st = weir_subscribe(s->pipeline, view, &o, &s->sub, &err);
    }
    if (st != WEIR_OK) {
        wr_free(s);
        session_fail(c, id, &err);
        return;
    }
    s->next = c->subscriptions;
    c->subscriptions = s;
    c->subscription_count++;
    c->server->subscription_count++;
    if (!send_schema(s))
        c->dead = true;
    session_check_ends(c, false);
}

void
op_credit(conn *c, const request *q, int64_t id)
{
    subscription *s = subscription_find(c, id);
    int64_t n = -1;
    if (s == NULL || !request_whole(q, "n", &n) || n < 0) {
        session_error(c, id, "USAGE",
                      "credit needs the id of a subscription and n, a whole number of rows", NULL);
        return;
    }
    if (s->credit != INT64_MAX && __builtin_add_overflow(s->credit, n, &s->credit))
        s->credit = INT64_MAX - 1;
}

void
op_unsub(conn *c, int64_t id)
{
    subscription *s = subscription_find(c, id);
    if (s == NULL) {
        session_error(c, id, "USAGE", "there is no subscription of that id", NULL);
        return;
    }
    send_end(s, "unsubscribed", NULL);
    subscription_close(s);
}
