/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/directory_impl.h -- what all files of a store have in common: names, writes, removals, and the words for what fails.
 *
 * Place       store.c and store_read.c (manifests and their data), frame.c (files written whole), journal.c.
 * Invariants  D1  what changes something tells the hook of fault injection (wr_store_before_io) first, once
 *             D2  a disk that is full (ENOSPC, EDQUOT, EFBIG) is WEIR_DISK_FULL; all else that cannot be written, CHECKPOINT
 */
#pragma once

#include "checkpoint/checkpoint.h"

#include <dirent.h>

/* An operation on that file comes next, which is none of these: "open", "rename" ... */
void wr_file_before(const char *what, const char *name);
/* All of the bytes.  name: for the hook alone.  False: errno says why, and some of them may be there. */
bool wr_file_write(int fd, const char *name, const void *bytes, size_t length);
/* False: it is still there, and errno says why. */
bool wr_file_remove(int directory, const char *name);
/* The words for a file that cannot be written, with its errno; err may be NULL.  Returns DISK_FULL, CHECKPOINT: D2. */
weir_status wr_file_failed(const char *name, int error, weir_error *err);

/* To be read from its beginning and closed; path is for the words.  CHECKPOINT. */
weir_status wr_directory_list(int directory, const char *path, DIR **out, weir_error *err);
/* The numbers in the names that number_of knows, ascending, into arena.  CHECKPOINT, MEMORY. */
weir_status
wr_directory_numbers(int directory, const char *path,
                     bool (*number_of)(const char *name, uint64_t *number), wr_arena *arena,
                     uint64_t **numbers, uint32_t *count, weir_error *err);
/* What was created, renamed and removed is durable.  CHECKPOINT. */
weir_status wr_directory_sync(int directory, const char *path, weir_error *err);
