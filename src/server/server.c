/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/server.c -- the server's life and its loop (see server.h).
 *
 * After each run of the loop the connections that are ready are worked on, and those that died are
 * closed: nothing is freed under a callback's feet.
 */
#include "server/server_impl.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool
server_token_equal(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned char different = n != m;
    for (size_t i = 0; i < n; i++)
        different |= (unsigned char)(a[i] ^ b[m > 0 ? i % m : 0]);
    return different == 0;
}

/* --- the loop --- */

static void
server_tick(void *user)
{
    server *s = user;
    for (conn *c = s->conns; c != NULL; c = c->next) {
        session_check_ends(c, false);
        conn_check_peer(c);
    }
    if (wr_timer_set_after(&s->tick, SERVER_TICK_US) != WEIR_OK)
        wr_log(WR_LOG_ERROR, "server", "no memory for a timer: ends of pipelines are not told");
}

static void
server_progress(void *user)
{
    const server *s = user;
    for (conn *c = s->conns; c != NULL; c = c->next)
        session_check_owed(c);
}

/* Work on what is ready, close what died.  True: somebody is ready again. */
static bool
server_turn(server *s)
{
    bool again = false;
    for (conn *c = s->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (!c->dead && atomic_load(&c->ready))
            conn_work(c);
        if (c->dead)
            conn_close(c);
        else
            again |= atomic_load(&c->ready);
    }
    return again;
}

/* Tell subscribers the end, and wait a little for those that read. */
static void
server_farewell(server *s)
{
    wr_clock *clock = wr_loop_clock(s->loop);
    int64_t until = wr_clock_monotonic(clock) + SERVER_LINGER_US;
    for (uint32_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].watch != NULL)
            (void)!wr_watch_set(s->listeners[i].watch, 0);
    for (conn *c = s->conns; c != NULL; c = c->next)
        session_check_ends(c, true);
    for (bool open = true; open && wr_clock_monotonic(clock) < until;) {
        bool again = server_turn(s);
        open = s->checkpoint.running || s->sql_running;
        for (conn *c = s->conns; c != NULL; c = c->next)
            open |= c->subscriptions != NULL || conn_waiting(c) > 0;
        if (open)
            wr_loop_run(s->loop, again ? 0 : SERVER_LINGER_US / 100);
    }
    while (s->checkpoint.running || s->sql_running) /* its thread is ours to end */
        wr_loop_run(s->loop, -1);
    while (s->conns != NULL)
        conn_close(s->conns);
}

static void
server_main(void *user)
{
    server *s = user;
    bool again = false;
    while (!atomic_load(&s->stop)) {
        wr_loop_run(s->loop, again ? 0 : -1);
        again = server_turn(s);
    }
    server_farewell(s);
}

/* --- life --- */

weir_status
server_open(weir *engine, server **out, weir_error *err)
{
    server *s = wr_calloc(NULL, 1, sizeof *s);
    if (s == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for the server");
    s->engine = engine;
    s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    s->budget = wr_budget_create(NULL, "server", SERVER_MEMORY_BYTES);
    s->read_buffer = s->budget != NULL ? wr_alloc(s->budget, SERVER_READ_BYTES) : NULL;
    wr_arena_init(&s->scratch, s->budget);
    weir_status st = s->read_buffer != NULL
                         ? wr_loop_create(s->budget, wr_clock_system(), &s->loop, err)
                         : wr_error_set(err, WEIR_MEMORY, "no memory for the server");
    if (st != WEIR_OK) {
        server_close(s);
        return st;
    }
    wr_timer_init(&s->tick, s->loop, server_tick, s);
    wr_timer_init(&s->progress, s->loop, server_progress, s);
    *out = s;
    return WEIR_OK;
}

/* An address that is there already: shared when it speaks the same with the same token. */
static weir_status
add_one(server *s, const char *text, bool http, const weir_serve *serve, weir_error *err)
{
    if (text == NULL)
        return WEIR_OK;
    for (uint32_t i = 0; i < s->listener_count; i++) {
        const listener *l = &s->listeners[i];
        if (strcmp(l->text, text) != 0)
            continue;
        if (l->http != http)
            return wr_error_set(err, WEIR_CONFIG_VALUE, "%.200s cannot serve both http and tcp",
                                text);
        if (strcmp(l->token, serve->token != NULL ? serve->token : "") != 0)
            return wr_error_set(err, WEIR_CONFIG_VALUE,
                                "two pipelines serve on %.200s with different tokens", text);
        if (!listener_tls_is(l, serve))
            return wr_error_set(err, WEIR_CONFIG_VALUE,
                                "two pipelines serve on %.200s with different tls", text);
        return WEIR_OK;
    }
    return server_listen(s, text, http, serve, err);
}

weir_status
server_add(server *s, const weir_serve *serve, weir_error *err)
{
    wr_assert(!s->thread.started);
    if (serve->token != NULL && strlen(serve->token) > SERVER_TOKEN_BYTES_MAX)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "the token is longer than %d bytes",
                            SERVER_TOKEN_BYTES_MAX);
    WR_TRY(add_one(s, serve->http, true, serve, err));
    return add_one(s, serve->tcp, false, serve, err);
}

void
server_set_parser(server *s, parser *p)
{
    wr_assert(!s->thread.started);
    s->parser = p;
}

weir_status
server_start(server *s, weir_error *err)
{
    wr_assert(!s->thread.started);
    weir_status st = wr_timer_set_after(&s->tick, SERVER_TICK_US);
    for (uint32_t i = 0; i < s->listener_count && st == WEIR_OK; i++) {
        listener *l = &s->listeners[i];
        st = wr_watch_create(s->loop, l->fd, server_accept, l, &l->watch);
        if (st == WEIR_OK)
            st = wr_watch_set(l->watch, WR_WATCH_READ);
    }
    if (st != WEIR_OK)
        return wr_error_set(err, st, "the server cannot watch its sockets: %s",
                            weir_status_text(st));
    return wr_thread_start(&s->thread, "weir-server", server_main, s, err);
}

void
server_close(server *s)
{
    if (s == NULL)
        return;
    if (s->thread.started) {
        atomic_store(&s->stop, true);
        wr_loop_wake(s->loop);
        wr_thread_join(&s->thread);
    }
    for (uint32_t i = 0; i < s->listener_count; i++)
        listener_close(&s->listeners[i]);
    if (s->loop != NULL) {
        wr_timer_cancel(&s->tick);
        wr_timer_cancel(&s->progress);
    }
    wr_loop_destroy(s->loop);
    wr_arena_fini(&s->scratch);
    wr_free(s->read_buffer);
    if (s->spare_fd >= 0)
        close(s->spare_fd);
    wr_budget_destroy(s->budget);
    wr_free(s);
}
