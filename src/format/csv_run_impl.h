/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_run_impl.h -- runs of plain records: what csv_run.c, csv_index_*.c and csv_column.c share.
 *
 * A run is a stretch of input of at most WR_CSV_WINDOW bytes.  First its structure is found, 64 bytes at a time
 * (csv_index_*.c): where delimiters and newlines outside quotes stand.  Then the fields go into the columns, a
 * column at a time (csv_column.c).  Whatever is not plain ends the run, and csv.c reads that record by itself.
 *
 * Invariants  R1  a run takes a record only if csv.c would make the same row of it
 *             R2  at and after a field's first byte WR_CSV_AHEAD bytes may be loaded
 */
#pragma once

#include "format/csv_impl.h"

enum { WR_CSV_WINDOW = 32 << 10, WR_CSV_AHEAD = 64, WR_CSV_BLOCK = 64 };

struct wr_csv_run {
    const char *base;
    uint32_t    bytes;  /* looked at: whole blocks                                             */
    uint32_t    stop;   /* records that end at or after it are not to be judged here           */
    uint32_t    count;  /* of ends                                                             */
    uint32_t    breaks; /* how many of them are newlines                                       */
    bool        odd, quotes, returns; /* bytes above 0x7f, or 0; quotes or backslashes; CR: are there any */
    /* ends[i] is where field i ends, the one that begins at ends[i - 1] + 1; ends[-1] + 1 is 0. */
    uint16_t    ends_room[WR_CSV_WINDOW + 16];
    uint64_t    quoted[WR_CSV_WINDOW / WR_CSV_BLOCK + 2]; /* bit a byte: a quote, a backslash  */
};

static inline uint16_t *
wr_csv_run_ends(wr_csv_run *run)
{
    return run->ends_room + 8; /* one stands before the first */
}

/* Find the structure of run->bytes bytes at run->base.  escape: the quote, or the backslash with quote false. */
typedef void (*wr_csv_indexer)(wr_csv_run *run, char delimiter, char escape, bool quote);
void wr_csv_index_sse(wr_csv_run *run, char delimiter, char escape, bool quote);
void wr_csv_index_avx2(wr_csv_run *run, char delimiter, char escape, bool quote);

/* The rows of the run's first `rows` records, of d->field_count fields each, into to's columns from to->count on.  How
 * many could be read: the next one is for the long way.  WEIR_MEMORY. */
weir_status wr_csv_columns_put(wr_csv_decoder *d, wr_csv_run *run, wr_decode_to *to, uint32_t *rows);
