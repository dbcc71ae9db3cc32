/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/journal_impl.h -- the journal's insides, shared by journal.c and journal_read.c.
 */
#pragma once

#include "base/thread.h"
#include "checkpoint/journal.h"
#include "checkpoint/manifest_impl.h"

#include <stdatomic.h>

typedef struct journal_file {
    uint64_t number;
    wr_epoch newest; /* of its records; of files that were there at open: not known, 0 */
    uint64_t bytes;  /* that are durable                                               */
} journal_file;

struct wr_journal {
    wr_store *store;
    wr_mutex lock;   /* of what follows, up to the descriptor */
    wr_text pending; /* frames that no sync has taken yet     */
    wr_epoch pending_epoch;
    uint64_t put, floor; /* tickets: bytes of frames put so far; floor 0: none */
    size_t under_way;    /* bytes of `writing`                    */
    journal_file *files; /* ascending */
    uint32_t file_count, file_capacity;
    uint32_t old_count;       /* of them, at the head: were there at open */
    _Atomic uint64_t durable; /* ticket */
    _Atomic uint64_t bytes;   /* put, and not dropped */
    uint64_t first;           /* no file of ours has a lower number    */
    /* of whoever syncs: */
    wr_text writing; /* under way, or what failed the last time */
    wr_epoch writing_epoch;
    uint64_t writing_end;       /* ticket */
    int fd;                     /* -1: none */
    uint64_t number, fd_number; /* of the next file; of this one */
    wr_epoch fd_epoch;
    uint64_t fd_bytes; /* durable, beside its first frame */
};

/* The first frame of a file.  Of one of before there was such a frame: nothing is known, all of it is read. */
typedef struct journal_from {
    uint64_t run;    /* the first file of the run that wrote it */
    uint64_t ticket; /* of the bytes that follow                */
} journal_from;

/* Those that were there at open, from the i-th on, never counted (J5). */
void wr_journal_forget_from(wr_journal *j, uint32_t i);
void wr_journal_file_name(char name[STORE_NAME_MAX], uint64_t number);
