/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/tcp_tls.c -- TLS of the TCP source: whose certificates, and when they are read anew.
 *
 * Place       tcp.c makes one a process; each connection begins its part of base/conn.h by it.
 * State       a wr_tls, and when its files had been changed.  Connections keep theirs when it is replaced.
 */
#include "base/log.h"
#include "connector/tcp_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

weir_status
wr_tcp_tls_check(const wr_tcp_source_config *c, weir_error *err)
{
    if (!c->tls)
        return WEIR_OK;
    if (c->listen != NULL && (c->tls_cert == NULL || c->tls_key == NULL))
        return wr_error_set(err, WEIR_CONFIG_MISSING, "tls: who listens needs cert and key");
    if (c->listen != NULL && c->tls_ca != NULL) {
        (void)!wr_error_set(err, WEIR_CONFIG_VALUE, "tls: ca is for who connects");
        wr_error_hint(err, "client_ca: the CA that must have signed the clients' certificates");
        return WEIR_CONFIG_VALUE;
    }
    if (c->listen == NULL && c->tls_client_ca != NULL) {
        (void)!wr_error_set(err, WEIR_CONFIG_VALUE, "tls: client_ca is for who listens");
        wr_error_hint(err, "ca: the CA that must have signed the server's certificate");
        return WEIR_CONFIG_VALUE;
    }
    if ((c->tls_cert == NULL) != (c->tls_key == NULL))
        return wr_error_set(err, WEIR_CONFIG_MISSING, "tls: cert and key go together");
    return WEIR_OK;
}

/* When each of the files was changed; zeros: it is not there, or there is none. */
static void
files_look(const wr_tcp_source_config *c, struct timespec at[3])
{
    const char *const paths[3] = { c->tls_cert, c->tls_key, c->tls_client_ca };
    struct stat st;
    for (int i = 0; i < 3; i++)
        at[i] = paths[i] != NULL && stat(paths[i], &st) == 0 ? st.st_mtim : (struct timespec){ 0 };
}

weir_status
wr_tcp_tls_open(tcp_tls *t, const wr_tcp_source_config *config, weir_error *err)
{
    t->config = config;
    if (!config->tls)
        return WEIR_OK;
    files_look(config, t->read_at);
    if (config->listen != NULL)
        return wr_tls_create_server(config->tls_cert, config->tls_key, config->tls_client_ca,
                                    &t->tls, err);
    if (!wr_tcp_host(config->connect, t->host, sizeof t->host))
        return wr_error_set(err, WEIR_CONFIG_VALUE, "\"%.200s\" is not an address",
                            config->connect);
    return wr_tls_create_client(config->tls_ca, config->tls_cert, config->tls_key, &t->tls, err);
}

void
wr_tcp_tls_refresh(tcp_tls *t)
{
    struct timespec at[3];
    wr_tls *fresh = NULL;
    weir_error err = { 0 };
    if (t->tls == NULL)
        return;
    files_look(t->config, at);
    if (memcmp(at, t->read_at, sizeof at) == 0)
        return;
    memcpy(t->read_at, at, sizeof at); /* whatever comes of it: the log says it once */
    if (wr_tls_create_server(t->config->tls_cert, t->config->tls_key, t->config->tls_client_ca,
                             &fresh, &err) != WEIR_OK) {
        wr_log(WR_LOG_ERROR, "tcp", "%s goes on with its old certificate: %s%s%s",
               t->config->listen, err.text, err.hint[0] != '\0' ? ": " : "", err.hint);
        return;
    }
    wr_tls_destroy(t->tls);
    t->tls = fresh;
    wr_log(WR_LOG_INFO, "tcp", "%s has read its certificate anew", t->config->listen);
}

void
wr_tcp_tls_close(tcp_tls *t)
{
    wr_tls_destroy(t->tls);
    t->tls = NULL;
}
