/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/checkpoint.h -- a checkpoint on disk: complete, or ignored.
 *
 * Files (reliability.md 3): CURRENT names the manifest; ckpt-<seq>.m lists every data file with size
 * and 128-bit hash; ckpt-<seq>-<n>.d holds parts, some 16 MiB a file; LOCK (flock); VERSION.
 * Write order: data files (tmp O_EXCL, write, fdatasync, rename), fsync(dir), manifest the same way,
 * CURRENT last.  After any I/O error that file is dead: it is never fsynced again, a new one is written.
 *
 * Invariants  K1  CURRENT always names a manifest all of whose files verify, or an older one serves
 *             K2  seq N-1 is deleted only after N has been read back and verified; the last 3 are kept,
 *                 not counting those that could not be read when N's run began
 *             K3  every byte of every file is covered by a checksum
 */
#pragma once

#include "data/snapshot.h"

typedef struct wr_store wr_store; /* an open data directory */

typedef struct wr_store_part {
    const char *name; /* "per_auction/1#0/aggregate": segment, shard, operator; or "source/bids#0" */
    const void *bytes;
    size_t      length;
} wr_store_part;

typedef struct wr_checkpoint {
    uint64_t       sequence;
    wr_epoch       epoch;
    uint64_t       fingerprint;
    wr_time        written_at;
    wr_store_part *parts;
    uint32_t       part_count;
    wr_arena       arena; /* owns everything above */
} wr_checkpoint;

/* The bit of a fingerprint that says that inputs are read to their end (--once).  It is not compared: such a run and one
 * that goes on take up each other's state where their plans are the same; where they are not it says which was which. */
#define WR_FINGERPRINT_BOUNDED 1ull

/* Creates the directory, takes LOCK (CHECKPOINT when another process has it), removes left-over tmp files. */
weir_status wr_store_open(const char *path, wr_store **store, weir_error *err);
void        wr_store_close(wr_store *store);
/* Write one checkpoint; *bytes_written.  Blocking; any one thread at a time.  DISK_FULL, CHECKPOINT. */
weir_status wr_store_write(wr_store *store, wr_epoch epoch, uint64_t fingerprint, wr_time now,
                           const wr_store_part *parts, uint32_t part_count, uint64_t *bytes_written,
                           weir_error *err);
/* The newest checkpoint that verifies completely.  *found false: there is none.  skipped tells (in words) what
 * was passed over.  CHECKPOINT_MISMATCH when its fingerprint is another pipeline's. */
weir_status wr_store_read(wr_store *store, uint64_t fingerprint, bool *found, wr_checkpoint *out,
                          wr_text *skipped, weir_error *err);
void        wr_checkpoint_fini(wr_checkpoint *checkpoint);
/* The oldest of the checkpoints that are there, of any of which a restart may have to begin; 0: none, or not known. */
wr_epoch    wr_store_oldest(wr_store *store);
/* Newer ones than wr_store_read gave, which could not be read, never count again: what is done from here on belongs to
 * another course of events.  CHECKPOINT. */
weir_status wr_store_forget_newer(wr_store *store, weir_error *err);
/* Fault injection and kill tests: called before each write, fdatasync, rename, fsync; may be NULL. */
extern void (*wr_store_before_io)(const char *what, const char *path);
