/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/journal.h -- records beside the checkpoints of a store: what happened since each of them.
 *
 * Place       runtime/undo_impl.h puts down there what is told outside and can be taken back.
 * Files       undo-<number>.j in the store's directory: frames (frame_impl.h) of records, one behind the other, ascending.
 *             A record says after which checkpoint (epoch) it came, and of whom it speaks (a name).  Files are begun at
 *             each new epoch and past 64 MiB; a file's first frame says behind which ticket of its run it goes on.  A floor
 *             is a frame that says: no file of a lower number counts any more.
 * Life        open, anew, read (all that is there), put what of it still counts (and sync, where that is much), floor; from
 *             then on put and sync.
 * Threads     put, durable, bytes: any.  sync: one at a time.  drop: any.  The rest: before those.
 * Invariants  J1  what is durable (by ticket) is read after any crash, in the order in which it was put
 *             J2  after a write or sync that failed the file is not written again: another one is begun, with all that was
 *                 not known to be durable.  What is in both is read once: by their tickets
 *             J3  a file goes when every record in it is of an epoch before those that a restart may begin from
 *             J4  what is behind a damaged place of a file is not read, and told
 *             J5  what takes the place of what was found counts from its floor on: where a run did not come to that, its
 *                 files are void, and go
 */
#pragma once

#include "checkpoint/checkpoint.h"

typedef struct wr_journal wr_journal;

typedef struct wr_journal_record {
    const char *name; /* NUL-terminated, of at most 255 bytes */
    wr_epoch epoch;
    const void *bytes;
    size_t length;
} wr_journal_record;

enum {
    WR_JOURNAL_PENDING_BYTES_MAX =
        8 << 20, /* that are not durable: then there is no room before a sync */
    WR_JOURNAL_RECORD_BYTES_MAX = 60 << 20,
};

/* The journal of an open store, which it must not outlive.  CHECKPOINT: its directory cannot be listed.  MEMORY. */
weir_status wr_journal_open(wr_store *store, wr_journal **out, weir_error *err);
void wr_journal_close(wr_journal *journal);
bool wr_journal_is_empty(const wr_journal *journal); /* no file when it was opened */
/* What is put from here on, up to the floor, takes the place of what was there at open.  MEMORY. */
weir_status wr_journal_anew(wr_journal *journal);
/* All records that were there at open, in order; a record's bytes are good until visit returns, whose error ends it.
 * told (in words): what could not be read of a damaged file.  CHECKPOINT: a file cannot be opened or read; MEMORY. */
weir_status wr_journal_read(wr_journal *journal,
                            weir_status (*visit)(void *user, const wr_journal_record *record),
                            void *user, wr_text *told, weir_error *err);
/* Every file that was there at open is void as soon as what was put so far, and this, is durable.  *ticket of that.  MEMORY. */
weir_status wr_journal_floor(wr_journal *journal, uint64_t *ticket);

/* One record more: a copy.  *ticket: it is durable when wr_journal_durable has come there.  Whoever puts asks for room
 * before: there is none while too much waits for a sync.  MEMORY. */
weir_status wr_journal_put(wr_journal *journal, const wr_journal_record *record, uint64_t *ticket);
/* Make all that was put durable.  Blocks.  After an error all is as before, and it can be asked again.  DISK_FULL, CHECKPOINT. */
weir_status wr_journal_sync(wr_journal *journal, weir_error *err);
bool wr_journal_has_room(wr_journal *journal);
uint64_t wr_journal_durable(const wr_journal *journal);    /* ticket */
uint64_t wr_journal_put_so_far(const wr_journal *journal); /* ticket of the newest record */
/* No restart begins from a checkpoint before this one any more. */
void wr_journal_drop(wr_journal *journal, wr_epoch oldest);
uint64_t wr_journal_bytes(const wr_journal *journal); /* of files, and of what is not written yet */
