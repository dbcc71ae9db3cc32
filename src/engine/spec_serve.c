/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec_serve.c -- is what `serve` says of addresses fit to be listened on (see spec_impl.h)?
 *
 * Place       behind the table that reads `serve`; the server asks the same of the addresses it gets, names looked
 *             up, when it listens.  Here nothing is looked up: a host that is a name is left to it.
 */
#include "engine/spec_impl.h"

#include "connector/tcp.h"

#include <arpa/inet.h>
#include <string.h>

enum { UNIX_PATH_MAX_BYTES = 107 };

/* An address in figures, or any, that other machines can reach. */
static bool
is_public(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (host[0] == '\0')
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 != 127;
    return inet_pton(AF_INET6, host, &six) == 1 && !IN6_IS_ADDR_LOOPBACK(&six);
}

static void
address_check(wr_spec_reader *r, const wr_spec *spec, const wr_node *at, const char *text)
{
    weir_error err = { 0 };
    char host[256];
    bool auth = (spec->serve.token != NULL && spec->serve.token[0] != '\0') || spec->serve.tls_client_ca != NULL;
    bool tls = spec->serve.tls_cert != NULL;
    if (text == NULL || at == NULL)
        return;
    if (strncmp(text, "unix:", 5) == 0) {
        if (text[5] == '\0' || strlen(text + 5) > UNIX_PATH_MAX_BYTES)
            (void)!wr_node_error(r->report, at, WEIR_CONFIG_VALUE, "write unix:/path",
                                 text[5] == '\0' ? "the path is missing" : "the path is longer than %d bytes",
                                 UNIX_PATH_MAX_BYTES);
        return;
    }
    if (wr_tcp_address_check(text, true, &err) != WEIR_OK) {
        (void)!wr_node_error(r->report, at, err.code,
                             "write host:port (127.0.0.1:7077, [::1]:7077, *:7077) or unix:/path", "%s", err.text);
        return;
    }
    if (spec->serve.insecure || (auth && tls) || !wr_tcp_host(text, host, sizeof host) || !is_public(host))
        return;
    (void)!wr_node_error(r->report, at, WEIR_CONFIG_VALUE,
                         "set serve.token and serve.tls { cert, key }, listen on 127.0.0.1, or write insecure: true",
                         "other machines can reach \"%s\", and `serve` has no %s", text,
                         auth ? "tls" : tls ? "token" : "token and no tls");
}

/* A variable that is set to nothing, say: who wrote `token` wants to be asked for one. */
static void
token_check(wr_spec_reader *r, const wr_spec *spec, const wr_node *at)
{
    if (at != NULL && spec->serve.token != NULL && spec->serve.token[0] == '\0')
        (void)!wr_node_error(r->report, at, WEIR_CONFIG_VALUE, "set it, or leave `token` out where nobody is to be asked",
                             "the token is empty: everybody would be let in");
}

void
wr_spec_serve_check(wr_spec_reader *r, const wr_spec *spec, const wr_node *serve)
{
    if (serve == NULL || serve->kind != WR_NODE_MAP)
        return;
    token_check(r, spec, wr_node_get(serve, "token"));
    address_check(r, spec, wr_node_get(serve, "http"), spec->serve.http);
    address_check(r, spec, wr_node_get(serve, "tcp"), spec->serve.tcp);
}
