/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/file.h -- files and standard streams, as source and as sinks: what can be set.
 */
#pragma once

#include "connector/sink.h"
#include "connector/source.h"

typedef struct wr_file_source_config {
    const char *path;     /* "-": standard input          */
    bool        follow;   /* go on when more is appended  */
    int64_t     every_us; /* how often a followed file is looked at; 0: 250 ms */
} wr_file_source_config;

typedef struct wr_file_sink_config {
    const char *path;
    int         mode;         /* 0 append, 1 truncate                          */
    int64_t     rotate_bytes; /* begin a new file beyond this; 0: never        */
    bool        sync;         /* fsync at every flush (the option "fsync")      */
} wr_file_sink_config;

extern const wr_source_ops wr_file_source_ops;
extern const wr_sink_ops   wr_file_sink_ops;
extern const wr_sink_ops   wr_stdout_sink_ops;
