/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/tls.c -- TLS on the server's faces: certificates of a listener, their reload, the first byte.
 *
 * State       a listener's wr_tls.  A reload makes a new one and drops the old: connections that are open keep
 *             theirs.  A reload that fails leaves the old one in place and says so.
 */
#include "server/server_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { TLS_HANDSHAKE = 0x16 };

static bool
same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
listener_tls_is(const listener *l, const weir_serve *serve)
{
    return l->unlink != NULL || (same_text(l->tls_cert, serve->tls_cert) &&
                                 same_text(l->tls_key, serve->tls_key) &&
                                 same_text(l->tls_client_ca, serve->tls_client_ca));
}

weir_status
listener_set_tls(listener *l, const weir_serve *serve, weir_error *err)
{
    wr_budget *budget = l->server->budget;
    if (serve->tls_cert == NULL)
        return WEIR_OK;
    WR_TRY(wr_tls_create_server(serve->tls_cert, serve->tls_key, serve->tls_client_ca, &l->tls, err));
    l->tls_cert = wr_strdup(budget, serve->tls_cert);
    l->tls_key = wr_strdup(budget, serve->tls_key);
    if (serve->tls_client_ca != NULL)
        l->tls_client_ca = wr_strdup(budget, serve->tls_client_ca);
    if (l->tls_cert != NULL && l->tls_key != NULL &&
        (serve->tls_client_ca == NULL || l->tls_client_ca != NULL))
        return WEIR_OK;
    listener_tls_close(l);
    return wr_error_set(err, WEIR_MEMORY, "no memory for a listener");
}

void
listener_tls_close(listener *l)
{
    wr_tls_destroy(l->tls);
    wr_free(l->tls_cert);
    wr_free(l->tls_key);
    wr_free(l->tls_client_ca);
    l->tls = NULL;
    l->tls_cert = l->tls_key = l->tls_client_ca = NULL;
}

/* --- reload --- */

static void
listener_reload(listener *l)
{
    wr_tls *fresh = NULL;
    weir_error err = { 0 };
    if (wr_tls_create_server(l->tls_cert, l->tls_key, l->tls_client_ca, &fresh, &err) != WEIR_OK) {
        wr_log(WR_LOG_ERROR, "server", "%s goes on with its old certificate: %s%s%s", l->text,
               err.text, err.hint[0] != '\0' ? ": " : "", err.hint);
        return;
    }
    wr_tls_destroy(l->tls);
    l->tls = fresh;
    wr_log(WR_LOG_INFO, "server", "%s has read its certificate anew", l->text);
}

static void
server_reload_now(void *user)
{
    server *s = user;
    for (uint32_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].tls != NULL)
            listener_reload(&s->listeners[i]);
}

void
server_reload(server *s)
{
    if (wr_loop_post(s->loop, server_reload_now, s) != WEIR_OK)
        wr_log(WR_LOG_ERROR, "server", "no memory to read the certificates anew");
}

bool
server_has_tls(const server *s)
{
    bool has = false;
    for (uint32_t i = 0; i < s->listener_count; i++)
        has |= s->listeners[i].tls != NULL;
    return has;
}

/* --- connections --- */

/* V4 */
static void
conn_refuse_plain(conn *c)
{
    if (c->kind == CONN_HTTP)
        wr_text_puts(&c->out,
                     "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
                     "This port speaks TLS: write https://\n");
    else
        session_error(c, REQUEST_NO_ID, "TLS", "this port speaks TLS", "weir sub --tls, or openssl s_client");
    c->closing = true;
}

bool
conn_sniff(conn *c)
{
    unsigned char first;
    ssize_t n = recv(c->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0) {
        c->dead = errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
        return false;
    }
    c->sniffed = true;
    if (n == 0)
        return true; /* it has gone again: the read says so */
    if (first != TLS_HANDSHAKE) {
        conn_refuse_plain(c);
        return false;
    }
    if (!wr_budget_charge(c->server->budget, WR_CONN_TLS_BYTES)) {
        c->dead = true;
    } else if (wr_conn_accept_tls(&c->wire, c->listener->tls) != WEIR_OK) {
        wr_budget_discharge(c->server->budget, WR_CONN_TLS_BYTES);
        c->dead = true;
    }
    return !c->dead;
}

void
conn_tls_failed(conn *c)
{
    char text[160];
    const char *hint;
    if (c->wire.ssl == NULL || wr_conn_is_ready(&c->wire))
        return; /* a client that breaks off is no news */
    wr_conn_error(&c->wire, text, sizeof text, &hint);
    c->server->tls_failed++;
    wr_log(WR_LOG_WARN, "server", "a client's TLS handshake failed: %s", text);
}
