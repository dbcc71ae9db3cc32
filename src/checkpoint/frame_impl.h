/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/frame_impl.h -- frames: what every file of a store is made of; files written whole and durably.
 *
 * Frame   magic "WEIR" u32 | format u16 | type u16 | flags u32 | seq u64 | length u32 | crc32c of those 24 u32
 *         payload | crc32c of the payload u32.  Little-endian.  A payload is at most 64 MiB.
 */
#pragma once

#include "base/hash.h"
#include "base/text.h"

enum {
    FRAME_FORMAT = 1,
    FRAME_HEAD_BYTES = 28,
    FRAME_TAIL_BYTES = 4,
    FRAME_PAYLOAD_MAX = 64 << 20,
};
typedef enum frame_type {
    FRAME_PART = 1,
    FRAME_MANIFEST = 2,
    FRAME_FOOTER = 3,
    FRAME_RECORD = 4, /* and what follows: a journal's */
    FRAME_FLOOR = 5,
    FRAME_ANEW = 6,
    FRAME_FROM = 7,
} frame_type;

uint32_t wr_crc32c(const void *bytes, size_t length);

/* A file under construction: NAME.tmp until wr_frame_file_finish renames it.  After any error it is
 * dead: nothing is retried on it, and abandon removes it. */
typedef struct frame_file {
    wr_budget   *budget;
    int          directory, fd;
    char         path[80], tmp[88]; /* within the directory */
    wr_text      buffer;
    XXH3_state_t *hash;   /* 64-byte aligned within hash_memory */
    void        *hash_memory;
    uint64_t     bytes;
    weir_status  status;
    int          error; /* errno */
} frame_file;

typedef struct file_sum {
    uint64_t bytes, hash_low, hash_high;
} file_sum;

/* bytes_expected is reserved first, so that a full disk shows before anything is written. */
void        wr_frame_file_create(frame_file *f, wr_budget *budget, int directory, const char *name,
                                 uint64_t bytes_expected);
void        wr_frame_file_put(frame_file *f, frame_type type, uint64_t sequence, const void *payload,
                              size_t length);
void        wr_frame_file_put_raw(frame_file *f, const void *bytes, size_t length);
/* write, fdatasync, close, rename.  On failure the file is gone. */
weir_status wr_frame_file_finish(frame_file *f, file_sum *sum, weir_error *err);

/* Bytes a payload takes in a file, frames included. */
uint64_t    wr_frame_bytes(uint64_t payload);
/* One frame: begin, append its payload of `length` bytes (at most FRAME_PAYLOAD_MAX), end. */
void        wr_frame_begin(wr_text *to, frame_type type, uint64_t sequence, size_t length);
void        wr_frame_end(wr_text *to, size_t length);
typedef struct frame {
    frame_type  type;
    uint64_t    sequence;
    const char *payload; /* borrows the file's bytes */
    size_t      length;
} frame;
/* The frame at *at of a file's bytes; false: damaged or cut. */
bool        wr_frame_next(const char *bytes, size_t length, size_t *at, frame *out);
/* The same; false also when it is of another type or sequence. */
bool        wr_frame_get(const char *bytes, size_t length, size_t *at, frame_type type,
                         uint64_t sequence, const char **payload, size_t *payload_length);
file_sum    wr_file_sum(const void *bytes, size_t length);
