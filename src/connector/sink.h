/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/sink.h -- what a sink connector is.
 *
 * Place       a sink task (runtime/sink_task.c) reads a stream with a required cursor and writes; a
 *             barrier makes it flush, and the checkpoint waits for that: at least once.
 * Threads     one task on one worker; delivery callbacks of a client library may come from elsewhere
 *             and only touch atomics and `wake`.
 */
#pragma once

#include "config/option.h"
#include "data/flow.h"
#include "format/format.h"

typedef struct wr_sink_ctx wr_sink_ctx;
struct wr_sink_ctx {
    wr_budget       *flow;
    wr_clock        *clock;
    const wr_schema *schema;
    wr_encoder      *encoder; /* of the sink's format; NULL when the connector takes batches bare */
    void           (*wake)(wr_sink_ctx *);
    void           (*wake_after)(wr_sink_ctx *, int64_t us);
    void           (*wake_on)(wr_sink_ctx *, int fd, bool writable);
    _Atomic uint64_t rows, bytes, errors, retries;
    weir_error       error;   /* before WR_FLOW_FAIL; also the newest passing error, for `why`      */
};

typedef struct wr_sink_ops {
    const char      *name;
    const char      *doc;
    const wr_option *options;
    size_t           config_bytes;
    size_t           self_bytes;
    const char      *default_format;
    bool             takes_changes; /* an append-only sink refuses changelogs at check  */
    bool             wants_upserts; /* of rows with a known key, unless the sink says `changes: diff` */
    /* What a sink of this config must have for itself, as the file spells it; NULL: nothing.  NULL. */
    const char    *(*target)(const void *config);
    weir_status    (*check)(const void *config, const wr_schema *schema, const wr_encoder_ops *encoder,
                            weir_error *err);
    weir_status    (*open)(void *self, wr_sink_ctx *ctx, const void *config, weir_error *err);
    /* Borrows batch.  AGAIN: nothing taken, offer it again after wake. */
    wr_flow        (*write)(void *self, wr_sink_ctx *ctx, const wr_batch *batch);
    /* Everything written so far is durable outside: NEXT; WAIT: not yet, my waker will ring. */
    wr_flow        (*flush)(void *self, wr_sink_ctx *ctx);
    /* Now and then, and after a wake: serve callbacks, push out what lingers. NULL. */
    wr_flow        (*service)(void *self, wr_sink_ctx *ctx);
    void           (*close)(void *self); /* after an open that failed, too */
} wr_sink_ops;

const wr_sink_ops *wr_sink_find(const char *name);
const wr_sink_ops *const *wr_sink_all(uint32_t *count);
