/* SPDX-License-Identifier: Apache-2.0 */
/* rig.c -- an engine that does what a test says, a server on it, a client (see rig.h). */
#include "rig.h"

#include "server/address.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGES_MAX = 8192, SUBSCRIPTIONS_MAX = 2048, WAIT_MS = 30000 };

/* ---- the engine: data -------------------------------------------------------------------------
 */

struct weir {
    int unused;
};
struct weir_pipeline {
    const char *name;
};
struct weir_rows {
    _Atomic uint32_t refs;
    uint32_t count, number;
    char *json, *pack;
    size_t json_length, pack_length;
};
struct weir_subscription {
    uint32_t at;
    bool waiting;
    void (*wake)(void *user);
    void *user;
};

static struct {
    pthread_mutex_t lock;
    weir_message messages[MESSAGES_MAX];
    uint32_t message_count, pipeline_count;
    weir_subscription *subscriptions[SUBSCRIPTIONS_MAX];
    uint32_t open_subscriptions, rows_made;
    _Atomic uint32_t encodings;
    weir_state state;
    char why[64];
    bool fail;
    _Atomic bool held;
    _Atomic uint32_t checkpoints;
    size_t push_room, pushed_length;
    char pushed[1 << 16];
} engine = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct weir_pipeline pipelines[2] = { { "p" }, { "q" } };
static _Atomic uint32_t open_rows;

void
engine_reset(void)
{
    pthread_mutex_lock(&engine.lock);
    for (uint32_t i = 0; i < engine.message_count; i++)
        weir_rows_release(engine.messages[i].rows);
    engine.message_count = 0;
    engine.pipeline_count = 1;
    engine.encodings = 0;
    engine.state = WEIR_RUNNING;
    engine.why[0] = '\0';
    engine.fail = false;
    engine.held = false;
    engine.checkpoints = 0;
    engine.push_room = SIZE_MAX;
    engine.pushed_length = 0;
    pthread_mutex_unlock(&engine.lock);
}

void
engine_two_pipelines(void)
{
    engine.pipeline_count = 2;
}

void
engine_set_state(weir_state state, const char *why)
{
    pthread_mutex_lock(&engine.lock);
    engine.state = state;
    snprintf(engine.why, sizeof engine.why, "%s", why);
    pthread_mutex_unlock(&engine.lock);
}

static void
publish(weir_message m)
{
    pthread_mutex_lock(&engine.lock);
    wr_assert(engine.message_count < MESSAGES_MAX);
    engine.messages[engine.message_count++] = m;
    for (uint32_t i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        weir_subscription *s = engine.subscriptions[i];
        if (s != NULL && s->waiting) {
            s->waiting = false;
            s->wake(s->user); /* under the lock, as streams do */
        }
    }
    pthread_mutex_unlock(&engine.lock);
}

void
engine_rows(uint32_t count, const char *json, size_t json_length, const char *pack,
            size_t pack_length)
{
    weir_rows *r = wr_calloc(NULL, 1, sizeof *r);
    wr_assert(r != NULL);
    r->refs = 1;
    r->count = count;
    r->number = ++engine.rows_made;
    r->json = wr_strndup(NULL, json, json_length);
    r->json_length = json_length;
    r->pack = pack != NULL ? wr_alloc(NULL, pack_length) : NULL;
    if (pack != NULL)
        memcpy(r->pack, pack, pack_length);
    r->pack_length = pack_length;
    open_rows++;
    publish((weir_message){ .event = WEIR_ROWS, .rows = r });
}

void
engine_row(int64_t value)
{
    char json[64], pack[] = "\x91\x92\xa1+\x92\xd3........\xa1x";
    int n = snprintf(json, sizeof json, "[[\"+\",[%lld,\"x\"]]]", (long long)value);
    for (int i = 0; i < 8; i++)
        pack[6 + i] = (char)((uint64_t)value >> (56 - 8 * i));
    engine_rows(1, json, (size_t)n, pack, sizeof pack - 1);
}

void
engine_progress(int64_t watermark)
{
    publish((weir_message){ .event = WEIR_PROGRESS, .watermark = watermark });
}

void
engine_gap(uint64_t lost)
{
    publish((weir_message){ .event = WEIR_GAP, .lost = lost });
}

void
engine_end(void)
{
    publish((weir_message){ .event = WEIR_END });
}

void
engine_fail_subscriptions(void)
{
    engine.fail = true;
    publish((weir_message){ .event = WEIR_PROGRESS });
}

void
engine_push_room(size_t bytes)
{
    pthread_mutex_lock(&engine.lock);
    engine.push_room = bytes;
    pthread_mutex_unlock(&engine.lock);
}

const char *
engine_pushed(void)
{
    static char copy[sizeof engine.pushed + 1];
    pthread_mutex_lock(&engine.lock);
    memcpy(copy, engine.pushed, engine.pushed_length);
    copy[engine.pushed_length] = '\0';
    pthread_mutex_unlock(&engine.lock);
    return copy;
}

bool
engine_has_pushed(const char *all)
{
    for (int i = 0; i < WAIT_MS && strcmp(engine_pushed(), all) != 0; i++)
        usleep(1000);
    return strcmp(engine_pushed(), all) == 0;
}

void
engine_hold(bool hold)
{
    engine.held = hold;
}

bool
engine_begins_checkpoint(uint32_t number)
{
    for (int i = 0; i < WAIT_MS && engine.checkpoints < number; i++)
        usleep(1000);
    return engine.checkpoints >= number;
}

uint32_t
engine_open_subscriptions(void)
{
    pthread_mutex_lock(&engine.lock);
    uint32_t n = engine.open_subscriptions;
    pthread_mutex_unlock(&engine.lock);
    return n;
}

uint32_t
engine_encodings(void)
{
    return engine.encodings;
}

uint32_t
engine_open_rows(void)
{
    return open_rows;
}

/* ---- the engine: what the server calls ---------------------------------------------------------
 */

const char *
weir_version(void)
{
    return "0.0.test";
}

void
weir_free(void *ptr)
{
    wr_free(ptr);
}

weir_pipeline *
weir_pipeline_at(weir *w, uint32_t index)
{
    return index < engine.pipeline_count ? &pipelines[index] : NULL;
}

const char *
weir_pipeline_name(const weir_pipeline *p)
{
    return p->name;
}

const char *
weir_pipeline_relation(const weir_pipeline *p, uint32_t index, weir_relation_role *role)
{
    static const struct {
        const char *name;
        weir_relation_role role;
    } relations[] = { { "in", WEIR_SOURCE },
                      { "v", WEIR_VIEW },
                      { "v.late", WEIR_SIDE_STREAM },
                      { "out", WEIR_SINK } };
    if (index >= WR_COUNT(relations))
        return NULL;
    *role = relations[index].role;
    return relations[index].name;
}

weir_state
weir_pipeline_state(const weir_pipeline *p, weir_error *why)
{
    pthread_mutex_lock(&engine.lock);
    weir_state state = engine.state;
    if (why != NULL)
        snprintf(why->text, sizeof why->text, "%s", engine.why);
    pthread_mutex_unlock(&engine.lock);
    return state;
}

weir_status
weir_pipeline_checkpoint(weir_pipeline *p, weir_error *err)
{
    engine.checkpoints++;
    while (engine.held)
        usleep(1000);
    return WEIR_OK;
}

weir_status
weir_subscribe(weir_pipeline *p, const char *view, const weir_subscribe_options *o,
               weir_subscription **out, weir_error *err)
{
    weir_status status = WEIR_OK;
    if (strcmp(view, "v") != 0) {
        status =
            wr_error_set(err, WEIR_QUERY_NO_RELATION, "no source or view is called \"%s\"", view);
        wr_error_hint(err, "did you mean \"v\"?");
        return status;
    }
    weir_subscription *s = wr_calloc(NULL, 1, sizeof *s);
    wr_assert(s != NULL);
    s->wake = o->wake;
    s->user = o->user;
    pthread_mutex_lock(&engine.lock);
    s->at = o->snapshot ? 0 : engine.message_count;
    if (o->cursor != NULL &&
        (sscanf(o->cursor, "c%u", &s->at) != 1 || s->at > engine.message_count))
        status = wr_error_set(err, WEIR_SNAPSHOT_REQUIRED, "the cursor is too old");
    for (uint32_t i = 0; status == WEIR_OK; i++) {
        wr_assert(i < SUBSCRIPTIONS_MAX);
        if (engine.subscriptions[i] != NULL)
            continue;
        engine.subscriptions[i] = s;
        engine.open_subscriptions++;
        break;
    }
    pthread_mutex_unlock(&engine.lock);
    if (status != WEIR_OK)
        wr_free(s);
    else
        *out = s;
    return status;
}

void
weir_unsubscribe(weir_subscription *s)
{
    pthread_mutex_lock(&engine.lock);
    for (uint32_t i = 0; i < SUBSCRIPTIONS_MAX; i++)
        if (engine.subscriptions[i] == s)
            engine.subscriptions[i] = NULL;
    engine.open_subscriptions--;
    pthread_mutex_unlock(&engine.lock);
    wr_free(s);
}

uint32_t
weir_subscription_columns(const weir_subscription *s, weir_column_info *columns, uint32_t max)
{
    static const weir_column_info all[] = { { "n", "bigint", true }, { "te\"xt", "text", false } };
    for (uint32_t i = 0; i < 2 && i < max; i++)
        columns[i] = all[i];
    return 2;
}

weir_relation_kind
weir_subscription_kind(const weir_subscription *s)
{
    return WEIR_UPSERT;
}

weir_status
weir_subscription_next(weir_subscription *s, weir_message *m, weir_error *err)
{
    pthread_mutex_lock(&engine.lock);
    weir_status status = WEIR_OK;
    if (engine.fail)
        status = wr_error_set(err, WEIR_MEMORY, "no memory for rows");
    *m = (weir_message){ .event = WEIR_NOTHING };
    if (status == WEIR_OK && s->at < engine.message_count) {
        *m = engine.messages[s->at++];
        if (m->rows != NULL)
            weir_rows_retain(m->rows);
        if (m->event != WEIR_END)
            snprintf(m->cursor, sizeof m->cursor, "c%u", s->at);
    } else {
        s->waiting = true;
    }
    pthread_mutex_unlock(&engine.lock);
    return status;
}

weir_rows *
weir_rows_retain(weir_rows *r)
{
    r->refs++;
    return r;
}

void
weir_rows_release(weir_rows *r)
{
    if (r == NULL || --r->refs > 0)
        return;
    open_rows--;
    wr_free(r->json);
    wr_free(r->pack);
    wr_free(r);
}

weir_rows_id
weir_rows_name(const weir_rows *r)
{
    return (weir_rows_id){ .run = 1, .sequence = r->number };
}

uint32_t
weir_rows_count(const weir_rows *r)
{
    return r->count;
}

weir_status
weir_rows_encode(weir_rows *r, weir_encoding encoding, bool with_names, const char **bytes,
                 size_t *length)
{
    engine.encodings++;
    *bytes = encoding == WEIR_MSGPACK ? r->pack : r->json;
    *length = encoding == WEIR_MSGPACK ? r->pack_length : r->json_length;
    return *bytes != NULL ? WEIR_OK : WEIR_MEMORY;
}

weir_status
weir_push(weir_pipeline *p, const char *source, const char *rows, size_t length, size_t *taken,
          weir_error *err)
{
    if (strcmp(source, "in") != 0)
        return wr_error_set(err, WEIR_QUERY_NO_RELATION, "no source is called \"%s\"", source);
    pthread_mutex_lock(&engine.lock);
    size_t n = WR_MIN(length, engine.push_room);
    n = WR_MIN(n, sizeof engine.pushed - engine.pushed_length);
    memcpy(engine.pushed + engine.pushed_length, rows, n);
    engine.pushed_length += n;
    engine.push_room -= n;
    pthread_mutex_unlock(&engine.lock);
    *taken = n;
    return n > 0 || length == 0 ? WEIR_OK : wr_error_set(err, WEIR_LIMIT, "no room now");
}

static weir_status
give(char **text, const char *what, const char *of, weir_text_format format)
{
    char buffer[256];
    snprintf(buffer, sizeof buffer, format == WEIR_TEXT_JSON ? "{\"%s\":\"%s\"}\n" : "%s of %s\n",
             what, of);
    *text = wr_strdup(NULL, buffer);
    return WEIR_OK;
}

weir_status
weir_explain(weir_pipeline *p, const char *view, bool analyze, weir_text_format format, char **text,
             weir_error *err)
{
    return give(text, analyze ? "plan" : "bare plan", view, format);
}

weir_status
weir_explain_sql(weir_pipeline *p, const char *sql, bool foreign, weir_text_format format, char **text,
                 weir_error *err)
{
    if (strcmp(sql, "SELECT 1") == 0 && foreign)
        return give(text, "plan", p->name, format);
    if (strcmp(sql, "SLOW") == 0) {
        usleep(300 * 1000);
        return give(text, "slow", p->name, format);
    }
    weir_status st = wr_error_set(err, WEIR_QUERY_SYNTAX, "syntax error at or near \"%s\"", sql);
    wr_error_hint(err, "write SELECT 1");
    err->line = 1;
    err->column = 8;
    return st;
}

weir_status
weir_why(weir_pipeline *p, const char *view, weir_text_format format, char **text, weir_error *err)
{
    if (strcmp(view, "v") == 0)
        return give(text, "why", p->name, format);
    weir_status st = wr_error_set(err, WEIR_QUERY_NO_RELATION, "no view is called \"%s\"", view);
    wr_error_hint(err, "did you mean \"v\"?");
    return st;
}

weir_status
weir_metrics(weir *w, char **text, weir_error *err)
{
    *text = wr_strdup(NULL, "# HELP weir_x X.\n# TYPE weir_x gauge\nweir_x 1\n");
    return WEIR_OK;
}

weir_status
weir_status_json(weir *w, char **text, weir_error *err)
{
    *text = wr_strdup(NULL, "{\"version\":\"0.0.test\",\"pipelines\":[]}\n");
    return WEIR_OK;
}

bool
weir_ready(weir *w, char **reasons)
{
    *reasons = engine.state == WEIR_RUNNING ? NULL : wr_strdup(NULL, "pipeline p has failed\n");
    return engine.state == WEIR_RUNNING;
}

/* ---- the server -------------------------------------------------------------------------------
 */

void
rig_start_as(rig *r, const weir_serve *serve)
{
    static weir nothing;
    weir_error err = { 0 };
    wr_assert(server_open(&nothing, &r->face, &err) == WEIR_OK);
    wr_assert(server_add(r->face, serve, &err) == WEIR_OK);
    wr_assert(server_start(r->face, &err) == WEIR_OK);
}

void
rig_make(rig *r)
{
    engine_reset();
    snprintf(r->dir, sizeof r->dir, "/tmp/weir-server-XXXXXX");
    wr_assert(mkdtemp(r->dir) != NULL);
    snprintf(r->tcp, sizeof r->tcp, "unix:%s/tcp", r->dir);
    snprintf(r->http, sizeof r->http, "unix:%s/http", r->dir);
}

void
rig_start(rig *r, const char *token)
{
    rig_make(r);
    weir_serve serve = { .tcp = r->tcp, .http = r->http, .token = token };
    rig_start_as(r, &serve);
}

void
rig_stop(rig *r)
{
    server_close(r->face);
    engine_reset();
    wr_assert(engine_open_subscriptions() == 0);
    wr_assert(engine_open_rows() == 0);
    wr_assert(rmdir(r->dir) == 0); /* the sockets are gone */
}

/* ---- a client ---------------------------------------------------------------------------------
 */

int
wire_connect(const char *where)
{
    address a;
    struct sockaddr_storage to;
    wr_assert(address_parse(where, NULL, &a, NULL) == WEIR_OK);
    socklen_t length = address_unix(&a, &to);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    wr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&to, length) == 0);
    return fd;
}

void
wire_send(int fd, const void *bytes, size_t length)
{
    for (const char *at = bytes; length > 0;) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has closed: the test sees it when it reads */
        at += n;
        length -= (size_t)n;
    }
}

void
wire_say(int fd, const char *line)
{
    wire_send(fd, line, strlen(line));
    wire_send(fd, "\n", 1);
}

static bool
wait_readable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, ms) == 1;
}

bool
wire_read(int fd, void *bytes, size_t length)
{
    for (char *at = bytes; length > 0;) {
        ssize_t n = wait_readable(fd, WAIT_MS) ? recv(fd, at, length, 0) : -1;
        if (n <= 0)
            return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

const char *
wire_line(int fd)
{
    static char line[8 << 20];
    size_t n = 0;
    for (;;) { /* up to the line's end and no further: looked at first, then taken */
        size_t room = WR_MIN(sizeof line - 1 - n, (size_t)64 << 10); /* memcheck looks at all of it */
        ssize_t got = wait_readable(fd, WAIT_MS) ? recv(fd, line + n, room, MSG_PEEK) : -1;
        if (got <= 0)
            return NULL;
        char *newline = memchr(line + n, '\n', (size_t)got);
        size_t take = newline != NULL ? (size_t)(newline - line - (long)n) + 1 : (size_t)got;
        wr_assert(recv(fd, line + n, take, 0) == (ssize_t)take);
        n += take;
        if (newline != NULL) {
            line[n - 1] = '\0';
            return line;
        }
    }
}

bool
wire_closed(int fd)
{
    char bytes[65536];
    for (;;) {
        ssize_t n = wait_readable(fd, WAIT_MS) ? recv(fd, bytes, sizeof bytes, 0) : -2;
        if (n <= 0)
            return n == 0 || (n == -1 && errno == ECONNRESET);
    }
}

bool
wire_silent(int fd, int ms)
{
    return !wait_readable(fd, ms);
}

int
wire_http(int fd, const char *ask, char *body, size_t size)
{
    int status = 0;
    size_t length = 0;
    const char *line;
    wire_send(fd, ask, strlen(ask));
    while ((line = wire_line(fd)) != NULL && strcmp(line, "\r") != 0) {
        if (status == 0 && sscanf(line, "HTTP/1.1 %d ", &status) != 1)
            return 0;
        (void)!sscanf(line, "content-length: %zu", &length);
    }
    if (line == NULL)
        return 0;
    if (strncmp(ask, "HEAD", 4) == 0)
        length = 0;
    char rest[65536];
    wr_assert(length < sizeof rest);
    if (!wire_read(fd, rest, length))
        return 0;
    if (body != NULL)
        snprintf(body, size, "%.*s", (int)length, rest);
    return status;
}

/* ---- what every test of sessions says ---------------------------------------------------------
 */

const char *
line_of(int fd)
{
    const char *line = wire_line(fd);
    return line != NULL ? line : "(the end)";
}

int
subscribed(const rig *r, const char *more)
{
    char ask[256];
    int fd = wire_connect(r->tcp);
    snprintf(ask, sizeof ask, "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"%s}", more);
    wire_say(fd, ask);
    wr_assert(strcmp(line_of(fd), RIG_SCHEMA) == 0);
    return fd;
}

const char pack_sub[] = "\x00\x00\x00\x13\x83\xa2op\xa3sub\xa2id\x01\xa4view\xa1v";
const size_t pack_sub_bytes = sizeof pack_sub - 1;

bool
frame_of(int fd, wr_arena *arena, request *out)
{
    unsigned char head[4];
    const char *why = NULL;
    if (!wire_read(fd, head, sizeof head))
        return false;
    size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    char *bytes = n <= 4 << 20 ? wr_arena_alloc(arena, n) : NULL;
    return bytes != NULL && wire_read(fd, bytes, n) &&
           request_parse_msgpack(bytes, n, arena, out, &why);
}
