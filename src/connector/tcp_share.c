/* SPDX-License-Identifier: Apache-2.0 */
/* connector/tcp_share.c -- what a pipeline file may say of a TCP source, and what its shards have in common (see tcp_impl.h). */
#include "connector/tcp_impl.h"

#include <unistd.h>

static const wr_option tls_options[] = {
    { .name = "cert",
      .type = WR_OPT_PATH,
      .offset = offsetof(wr_tcp_source_config, tls_cert),
      .doc = "PEM file of our certificate and its chain; who listens needs one." },
    { .name = "key",
      .type = WR_OPT_PATH,
      .offset = offsetof(wr_tcp_source_config, tls_key),
      .doc = "PEM file of its key, readable by its owner alone." },
    { .name = "client_ca",
      .type = WR_OPT_PATH,
      .offset = offsetof(wr_tcp_source_config, tls_client_ca),
      .doc = "listen: PEM file of the CA that must have signed a client's certificate; default: none is asked for." },
    { .name = "ca",
      .type = WR_OPT_PATH,
      .offset = offsetof(wr_tcp_source_config, tls_ca),
      .doc = "connect: PEM file of the CA that must have signed the server's certificate; default: the system's." },
    { 0 },
};

const wr_option wr_tcp_options[] = {
    { .name = "listen",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_tcp_source_config, listen),
      .doc = "host:port where others connect and send; *:port for all interfaces." },
    { .name = "connect",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_tcp_source_config, connect),
      .doc = "host:port of a server that sends to whoever connects." },
    { .name = "framing",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_tcp_source_config, framing),
      .fallback = "newline",
      .choices = "newline|length",
      .doc = "Records end with a newline, or messages begin with their length (u32 big-endian)." },
    { .name = "connections",
      .type = WR_OPT_INTEGER,
      .offset = offsetof(wr_tcp_source_config, connections),
      .fallback = "1024",
      .low = 1,
      .high = 65536,
      .doc = "Connections at once; more are refused." },
    { .name = "message_max",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_tcp_source_config, message_bytes_max),
      .fallback = "1MiB",
      .low = 64,
      .high = WR_STRING_BYTES_MAX,
      .doc = "A longer message ends its connection." },
    { .name = "tls",
      .type = WR_OPT_GROUP,
      .offset = offsetof(wr_tcp_source_config, tls),
      .group = tls_options,
      .doc = "TLS 1.2 or later, and nothing else." },
    { .name = "idle",
      .type = WR_OPT_DURATION,
      .offset = offsetof(wr_tcp_source_config, idle_us),
      .fallback = "0",
      .doc = "Connections are closed after so long a silence; 0: never." },
    { 0 },
};

weir_status
wr_tcp_check(const void *config, weir_error *err)
{
    const wr_tcp_source_config *c = config;
    if ((c->listen == NULL) == (c->connect == NULL))
        return wr_error_set(err, WEIR_CONFIG_MISSING, "say either listen: or connect: host:port");
    WR_TRY(wr_tcp_address_check(c->listen != NULL ? c->listen : c->connect, c->listen != NULL, err));
    return wr_tcp_tls_check(c, err);
}

void
wr_tcp_unshare(void *shared)
{
    tcp_shared *h = shared;
    if (h->listener >= 0)
        close(h->listener);
    if (h->addresses != NULL)
        freeaddrinfo(h->addresses);
    for (int64_t i = 0; h->handed != NULL && i < h->config->connections; i++)
        if (h->handed[i] >= 0)
            close(h->handed[i]);
    wr_tcp_tls_close(&h->tls);
    wr_mutex_fini(&h->lock);
    wr_free(h->handed);
    wr_free(h->busy);
    wr_free(h->shards);
    wr_free(h);
}

weir_status
wr_tcp_share(const void *config, uint32_t shard_count, wr_budget *budget, void **shared,
          weir_error *err)
{
    const wr_tcp_source_config *c = config;
    WR_TRY(wr_tcp_check(c, err));
    tcp_shared *h = wr_calloc(budget, 1, sizeof *h);
    if (h == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a TCP source");
    h->config = c;
    h->budget = budget;
    h->listener = -1;
    h->shard_count = shard_count;
    wr_mutex_init(&h->lock);
    h->shards = wr_calloc(budget, shard_count, sizeof *h->shards);
    h->handed = wr_alloc(budget, (size_t) c->connections * sizeof *h->handed);
    h->busy = wr_calloc(budget, (size_t) c->connections, sizeof *h->busy);
    weir_status status = WEIR_OK;
    if (h->shards == NULL || h->handed == NULL || h->busy == NULL)
        status = wr_error_set(err, WEIR_MEMORY, "no memory for a TCP source");
    for (int64_t i = 0; h->handed != NULL && i < c->connections; i++)
        h->handed[i] = -1;
    if (status == WEIR_OK)
        status = wr_tcp_tls_open(&h->tls, c, err);
    if (status == WEIR_OK)
        status = c->listen != NULL ? wr_tcp_listen(c->listen, &h->listener, &h->port, err)
                                   : wr_tcp_resolve(c->connect, false, &h->addresses, err);
    if (status != WEIR_OK) {
        wr_tcp_unshare(h);
        return status;
    }
    *shared = h;
    return WEIR_OK;
}
