/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/output_impl.h -- encoded bytes on their way to a descriptor.
 *
 * Invariants  O1  nothing is lost by a short or failed write: what is left is tried again
 *             O2  a pipe is written in pieces that cannot block; SIGPIPE reaches nobody
 */
#pragma once

#include "connector/sink.h"

typedef struct wr_output {
    int     fd; /* borrowed, -1: none */
    bool    regular, piped; /* a file; a write may wait */
    wr_text pending;
    size_t  at; /* pending[0..at) is written */
} wr_output;

typedef enum wr_output_state {
    WR_OUTPUT_CLEAR,   /* all is written                                */
    WR_OUTPUT_BLOCKED, /* the other side is slow: when it can be written */
    WR_OUTPUT_CLOSED,  /* nobody reads any more                          */
    WR_OUTPUT_FAILED,  /* errno says why                                 */
} wr_output_state;

void            wr_output_init(wr_output *output, wr_budget *budget);
void            wr_output_fini(wr_output *output); /* leaves the descriptor open */
void            wr_output_set(wr_output *output, int fd);
/* Append rows of the batch from *row on, encoded: all, or as many as are worth a write while they are still in the
 * processor's cache.  *row moves past what was appended, whatever the status. */
weir_status     wr_output_encode(wr_output *output, wr_encoder *encoder, const wr_batch *batch,
                                 uint32_t *row, bool all);
wr_output_state wr_output_drain(wr_output *output, uint64_t *written);
