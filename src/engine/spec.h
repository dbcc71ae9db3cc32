/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec.h -- a pipeline file as structs: what was written, checked key by key, not yet planned.
 *
 * Place       spec_read.c and its parts fill it from a document; load.c plans it.  Everything lives in
 *             one arena.
 */
#pragma once

#include "base/names.h"
#include "config/document.h"
#include "config/options.h"
#include "connector/sink.h"
#include "connector/source.h"
#include "operator/aggregate.h"

typedef struct wr_spec_source {
    const char *name;
    bool sound; /* read without a mistake: config and formats may be used */
    const wr_node *at;
    const wr_source_ops *ops;
    void *config;
    const wr_decoder_ops *decoder; /* NULL: rows come ready made */
    void *decoder_config;
    const wr_node *columns, *watermark, *key; /* NULL: absent */
    struct {
        const char *columns, *watermark;
        int late;
        int64_t idle_us, ahead_us, future_us, record_bytes_max, buffer_bytes, rows;
        wr_option_list key;
    } common;
} wr_spec_source;

typedef struct wr_spec_view {
    const char *name;
    const wr_node *at, *sql_node;
    const char *sql;
    size_t sql_length;
    const char *sql_file; /* NULL: inline */
    struct {
        const char *sql, *sql_file;
        int emit; /* 0: not given, 1: final, 2: changes */
        int late; /* 0: the source's, 1..3 */
        int64_t lateness_us, retain_us, buffer_bytes;
    } common;
    struct {
        int64_t memory_bytes;
        int on_memory; /* 0: fail, 1: shed */
    } limits;
    struct {
        int64_t ttl_us;
        bool unbounded;
    } state;
} wr_spec_view;

typedef struct wr_spec_sink {
    const char *name;
    bool sound;
    const wr_node *at, *from_node;
    const wr_sink_ops *ops;
    void *config;
    const wr_encoder_ops *encoder;
    void *encoder_config;
    struct {
        const char *from;
        int changes; /* 0: as the sink is, 1: diff, 2: upsert */
    } common;
} wr_spec_sink;

typedef struct wr_spec {
    const char *name;
    const char *file;
    wr_spec_source *sources;
    wr_spec_view *views;
    wr_spec_sink *sinks;
    uint32_t source_count, view_count, sink_count;
    wr_names names; /* to a view's number, or to view_count + a source's; of two with one name the view */
    struct {
        const char *http, *tcp, *token;
        bool insecure, tls;
        int64_t epoch_us; /* between ends of epochs, while somebody reads by them */
        const char *tls_cert, *tls_key, *tls_client_ca; /* paths; NULL: none */
    } serve;
    struct {
        int64_t memory_bytes, workers;
    } limits;
    struct {
        const char *dir;
        int64_t interval_us;
        int64_t journal_bytes; /* of what sinks by key were told: most of it */
    } checkpoint;
    const wr_node *tests; /* NULL: none */
} wr_spec;

/* Read a checked-for-syntax document.  Every mistake goes into report; the status is the first
 * one's. inputs/outputs: "name=FILE" overrides, NULL-ended or NULL. */
weir_status
wr_spec_read(const wr_node *root, const char *file, const char *const *inputs,
             const char *const *outputs, wr_arena *arena, wr_report *report, wr_spec **spec);
/* A file source made from a path alone (queries, overrides); format NULL: the source's, else by
 * extension. */
weir_status wr_spec_file_source(wr_spec_source *source, const char *path, const char *format,
                                wr_arena *arena, wr_report *report);
