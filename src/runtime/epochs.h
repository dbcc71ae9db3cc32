/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/epochs.h -- where a reader of all shards of a stream stands in epochs.
 *
 * The shards of a view are changed by different workers, so a row that moves between two of them may be
 * read in one before it has left the other.  The marks that sources put in are aligned on their way, so what
 * lies before the mark of epoch e in all shards is made of the same rows of the input, and of all they
 * bring about: a whole state.
 *
 *   shard 0   +a  -b  |7|  +c  +d            |8|       a reader that has come to |7| in shard 0 reads on
 *   shard 1   -a            +b  |7|  -c  |8|           there when it has come to |7| in shard 1
 *
 * Place       subscriptions; whoever reads a stream by several cursors.
 * Invariants  E1  a shard that has come to an epoch newer than the one told is not read on until all have, or
 *                 have ended: so there is a place between the epochs
 *             E2  a mark that was lost (overwritten, or published before the reader began) is skipped: the
 *                 next one that is read in all shards is told
 */
#pragma once

#include "runtime/stream.h"

enum { WR_EPOCH_SHARDS_MAX = 64 };
/* Rows that are held back for their epoch fill this part of a ring: it is handed out in pieces. */
#define WR_EPOCH_FILL_MAX 0.5

typedef struct wr_epochs {
    uint32_t count;  /* shards                                               */
    wr_epoch told;   /* the newest that all have come to, or that none begins before */
    wr_epoch newest; /* of at */
    wr_epoch at[WR_EPOCH_SHARDS_MAX];    /* the newest that has ended before the place */
    bool     ended[WR_EPOCH_SHARDS_MAX];
} wr_epochs;

/* As the reader stands; it has read nothing.  True: it begins within an epoch, of which rows lie before it in some
 * shard: what it reads before the first epoch that is told is of no whole one (unless it goes on where it was). */
bool wr_epochs_init(wr_epochs *e, wr_reader *reader, uint32_t count);
/* The batch of the shard has been read. */
void wr_epochs_read(wr_epochs *e, uint32_t shard, const wr_batch *batch);
/* The epoch that all shards have come to and that is not told; 0: none. */
wr_epoch wr_epochs_reached(const wr_epochs *e);
bool     wr_epochs_ended(const wr_epochs *e); /* all shards */
static inline bool
wr_epochs_may_read(const wr_epochs *e, uint32_t shard) /* E1 */
{
    return e->at[shard] <= e->told || e->at[shard] < e->newest;
}
static inline void
wr_epochs_tell(wr_epochs *e, wr_epoch epoch)
{
    e->told = epoch;
}

/* For who reads whole epochs alone, once all that is told has been read. */
typedef struct wr_epochs_ahead {
    bool   whole; /* a whole one lies ahead, or the rest of the stream */
    double fill;  /* of the fullest ring: the part that is not read    */
} wr_epochs_ahead;
/* Arms the reader's wake.  *newest: the newest that has ended in all shards. */
wr_epochs_ahead wr_epochs_look(const wr_epochs *e, wr_reader *reader, wr_epoch *newest);
