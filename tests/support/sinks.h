/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/sinks.h -- a sink without a runtime: rows come as JSON text, time passes by sleeping.
 */
#pragma once

#include "connector/sink.h"
#include "support/decode.h"

typedef struct wr_sinks {
    wr_sink_ctx           ctx; /* first */
    const wr_sink_ops    *ops;
    const void           *config;
    void                 *self;
    const wr_encoder_ops *format;
    wr_decoding           rows; /* makes batches of JSON */
    int                   bell[2], fd;
    bool                  writable;
    int64_t               wake_at;
} wr_sinks;

/* format NULL: the sink takes batches bare.  kind is the relation's. */
weir_status wr_sinks_try(wr_sinks *s, const char *sink, const char *settings, const char *format,
                         const char *columns, wr_relation_kind kind, weir_error *err);
void        wr_sinks_open(wr_sinks *s, const char *sink, const char *settings, const char *format,
                          const char *columns);
/* Write rows, waiting while it says AGAIN, up to timeout_ms. */
wr_flow     wr_sinks_write(wr_sinks *s, const char *rows, const int64_t *diffs, int timeout_ms);
wr_flow     wr_sinks_flush(wr_sinks *s, int timeout_ms);
/* Let it work for a while. */
void        wr_sinks_serve(wr_sinks *s, int ms);
void        wr_sinks_close(wr_sinks *s);
