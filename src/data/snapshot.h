/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/snapshot.h -- the codec between live state and checkpoint files; state/ and checkpoint/ meet here.
 *
 * Place       operators write records into a wr_snapshot_writer, grouped by key group; checkpoint/
 *             stores the bytes and gives them back through a wr_snapshot_reader.
 * Format      little-endian, explicit widths, no structs: varint (LEB128), zigzag varint, u64,
 *             bytes = varint length + bytes.  A section is {group, bytes}; group WR_SNAPSHOT_GLOBAL
 *             holds what is not keyed, and is given to every shard on restore.
 * Invariants  S1  what is read in the order it was written comes back equal
 *             S2  a reader never runs past its section; a short or bad section is CHECKPOINT_CORRUPT
 */
#pragma once

#include "data/batch.h"
#include "data/key.h"

#define WR_SNAPSHOT_GLOBAL 0xffffu

/* One operator's snapshot: bytes with sections.  Plain data, may cross threads. */
typedef struct wr_snapshot_writer {
    wr_text  bytes;
    size_t   section_at; /* where the open section's length stands */
    bool     open;
} wr_snapshot_writer;

void wr_snapshot_writer_init(wr_snapshot_writer *w, wr_budget *budget);
void wr_snapshot_writer_fini(wr_snapshot_writer *w);
/* Sections may come in any order and a group may have several. */
void wr_snapshot_begin(wr_snapshot_writer *w, uint32_t group);
void wr_snapshot_end(wr_snapshot_writer *w);
void wr_snapshot_put_u64(wr_snapshot_writer *w, uint64_t v); /* varint  */
void wr_snapshot_put_i64(wr_snapshot_writer *w, int64_t v);  /* zigzag  */
void wr_snapshot_put_f64(wr_snapshot_writer *w, double v);
void wr_snapshot_put_bytes(wr_snapshot_writer *w, const void *bytes, size_t length);
weir_status wr_snapshot_put_value(wr_snapshot_writer *w, const wr_value *value);
/* All visible rows with their diffs. */
weir_status wr_snapshot_put_batch(wr_snapshot_writer *w, const wr_batch *batch);
weir_status wr_snapshot_finish(wr_snapshot_writer *w); /* WEIR_MEMORY when an append failed */

typedef struct wr_snapshot_reader {
    const char *at, *end;         /* the whole, borrowed           */
    const char *section_at, *section_end;
    wr_groups   groups;           /* sections outside are skipped  */
    uint32_t    group;            /* of the open section           */
    bool        failed;
} wr_snapshot_reader;

void wr_snapshot_reader_init(wr_snapshot_reader *r, const void *bytes, size_t length, wr_groups groups);
/* Open the next section of our groups (or the global one); false at the end or when damaged. */
bool wr_snapshot_next(wr_snapshot_reader *r);
bool wr_snapshot_more(const wr_snapshot_reader *r); /* the section has bytes left */
uint64_t wr_snapshot_get_u64(wr_snapshot_reader *r);
int64_t  wr_snapshot_get_i64(wr_snapshot_reader *r);
double   wr_snapshot_get_f64(wr_snapshot_reader *r);
/* Borrows the reader's bytes.  On damage: NULL, length 0, failed. */
const char *wr_snapshot_get_bytes(wr_snapshot_reader *r, size_t *length);
weir_status wr_snapshot_get_value(wr_snapshot_reader *r, wr_arena *arena, wr_value *out);
weir_status wr_snapshot_get_batch(wr_snapshot_reader *r, wr_budget *budget, const wr_schema *schema,
                                  wr_batch **out);
/* After the last read: CHECKPOINT_CORRUPT when anything did not fit. */
weir_status wr_snapshot_reader_status(const wr_snapshot_reader *r);
