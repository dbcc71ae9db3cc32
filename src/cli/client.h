/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/client.h -- a small blocking client of the wire protocol (docs/protocol.md), in JSON lines.
 *
 * Every function that fails has said why on standard error.  A signal (cli_catch_signals) ends
 * every wait.
 */
#pragma once

#include "cli/cli.h"
#include "server/request.h"

typedef struct client client;

/* Where and as whom: --server, else $WEIR_URL, else 127.0.0.1:7077; --token, else $WEIR_TOKEN.  TLS when asked for: by
 * tls, by ca ($WEIR_CA) or a certificate, or by an address that begins with tls://. */
typedef struct client_options {
    const char *server, *token;
    int tls;
    const char *ca, *cert, *key; /* PEM files */
} client_options;
/* For a verb's table of options, and its help. */
#define CLIENT_OPTIONS(where)                                                                      \
    { "server", 's', 's', &(where).server }, { "token", 0, 's', &(where).token },                  \
        { "tls", 0, 'f', &(where).tls }, { "ca", 0, 's', &(where).ca },                            \
        { "cert", 0, 's', &(where).cert }, { "key", 0, 's', &(where).key }
#define CLIENT_HELP                                                                                \
    "  -s, --server ADDRESS   host:port or unix:/path (default: $WEIR_URL, else 127.0.0.1:7077)\n" \
    "      --token TOKEN      (default: $WEIR_TOKEN)\n"                                            \
    "      --tls              through TLS; also when ADDRESS begins with tls://\n"                  \
    "      --ca FILE          the CA that signed the server's certificate (default: $WEIR_CA, "     \
    "else the system's)\n"                                                                         \
    "      --cert FILE, --key FILE   a certificate of yours, if the server wants one\n"

/* Connect and say hello.  0 (*out owned: client_close), or an exit code: 69 when nothing listens.
 */
int client_open(const client_options *o, client **out);
void client_close(client *c);
/* One request, its line break included.  False: the connection is gone. */
bool client_send(client *c, wr_text *request);

typedef enum client_event {
    CLIENT_MESSAGE,
    CLIENT_TIMEOUT,
    CLIENT_CLOSED,
    CLIENT_INTERRUPTED
} client_event;
/* The next message, valid until the next call.  timeout_ms -1: none. */
client_event client_next(client *c, int timeout_ms, request *out);
/* Is a whole message here already? */
bool client_has_message(const client *c);
wr_arena *client_scratch(client *c); /* of the message at hand */
/* Say what an "error" message says; the exit code for it. */
int client_error(const request *message);
/* Send and wait for the answer; 0, or an exit code. */
int client_ask(client *c, wr_text *request_text, request *answer);

/* Members of a request in the making: ,"name":"value"; nothing when value is NULL. */
void client_put(wr_text *to, const char *name, const char *value);

/* ask.c: the plan of a running view with live counters, printed. 0, or an exit code. */
int cli_ask_explain(const client_options *where, const char *view, bool json);
/* The plan that sql would have there as a view of the pipeline (NULL: the only one). */
int cli_ask_explain_sql(const client_options *where, const char *pipeline, const char *sql, bool json);
