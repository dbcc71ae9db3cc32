/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/input_impl.h -- bytes read but not yet decoded, between a descriptor and a lane.
 *
 * Place       file.c and tcp.c read into it; it feeds the lane and keeps an unfinished record.
 * Invariants  I1  bytes[begin..end) are what no record has been made of yet
 *             I2  it grows only while one record fills it, up to WR_INPUT_BYTES_MAX
 */
#pragma once

#include "connector/source.h"

enum { WR_INPUT_BLOCK = 256 * 1024, WR_INPUT_BYTES_MAX = WR_STRING_BYTES_MAX + WR_INPUT_BLOCK };

typedef struct wr_input {
    wr_budget *budget;
    char      *bytes;
    size_t     begin, end, capacity;
    uint64_t   offset;     /* in the stream, of bytes[begin] */
    size_t     looked;     /* of the bytes, known to hold no whole record */
} wr_input;

void wr_input_init(wr_input *input, wr_budget *budget); /* allocates nothing */
void wr_input_fini(wr_input *input);
void wr_input_clear(wr_input *input, uint64_t offset);
/* Room at the end: where, and how many bytes in *room (0: one record fills all there may be).  The
 * buffer begins with `want` bytes, and doubles while more than half is taken.  NULL: no memory. */
char *wr_input_room(wr_input *input, size_t want, size_t *room);

typedef enum wr_input_state {
    WR_INPUT_EMPTY,  /* all was decoded, or what is left is an unfinished record */
    WR_INPUT_FULL,   /* the lane took what it had room for: more is here          */
    WR_INPUT_FAILED, /* *status says why                                          */
} wr_input_state;
/* Feed what is there.  last: nothing follows, an unfinished record is a bad one. */
wr_input_state wr_input_feed(wr_input *input, wr_source_ctx *ctx, wr_lane *lane, bool last,
                             weir_status *status);
