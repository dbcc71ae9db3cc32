/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/manifest_impl.h -- what a checkpoint consists of: files with size and hash, parts in them.
 */
#pragma once

#include "checkpoint/checkpoint.h"
#include "checkpoint/frame_impl.h"

typedef struct manifest_file {
    const char *name;
    file_sum    sum;
} manifest_file;

typedef struct manifest_part {
    const char *name;
    uint32_t    file;
    uint64_t    length;
} manifest_part;

typedef struct manifest {
    uint64_t       sequence, parent; /* parent 0: none */
    wr_epoch       epoch;
    uint64_t       fingerprint;
    wr_time        written_at;
    manifest_file *files;
    uint32_t       file_count;
    manifest_part *parts; /* in the order they lie in their files */
    uint32_t       part_count;
} manifest;

enum { STORE_NAME_MAX = 80, STORE_EPOCHS = 8 };

struct wr_store {
    wr_budget *budget;
    char      *path;
    int        directory, lock;
    uint64_t   sequence; /* the newest seen or written, of any kind of file */
    uint64_t   newest;   /* the newest that is known to verify; 0: none      */
    struct {
        uint64_t sequence;
        wr_epoch epoch;
    } epochs[STORE_EPOCHS]; /* of manifests that have been read, and each is that has been written; by sequence */
};

/* File names: "ckpt-<seq>.m", "ckpt-<seq>-<n>.d". */
void wr_store_manifest_name(char name[STORE_NAME_MAX], uint64_t sequence);
void wr_store_data_name(char name[STORE_NAME_MAX], uint64_t sequence, uint32_t index);
/* The sequence that a file's name speaks of; *is_manifest.  False: not one of ours. */
bool wr_store_name_parse(const char *name, uint64_t *sequence, bool *is_manifest);

/* Payload of the manifest's frame, and back (strings into arena). */
void wr_manifest_encode(const manifest *m, wr_text *to);
bool wr_manifest_decode(const char *bytes, size_t length, wr_arena *arena, manifest *m);

/* A whole file of the store into arena; why it cannot be read goes to why. */
bool wr_store_read_file(wr_store *store, const char *name, uint64_t bytes_max, wr_arena *arena,
                        const char **bytes, size_t *length, wr_text *why);
/* Read and verify checkpoint `sequence` completely.  CHECKPOINT_CORRUPT: why says what is wrong with it; MEMORY: nobody knows. */
weir_status wr_store_verify(wr_store *store, uint64_t sequence, wr_checkpoint *out, wr_text *why);
/* The same without keeping anything: the manifest, and each file against its size and hash. */
bool wr_store_check(wr_store *store, uint64_t sequence, wr_text *why);
