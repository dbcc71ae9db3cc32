/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/key.h -- the one definition of equality for GROUP BY, join, DISTINCT and exchange.
 *
 * A row's key columns become bytes such that two keys are equal exactly when their bytes are:
 * NULL = NULL (joins drop NULL keys before), NaN = NaN, -0 = 0, 1.0 = 1.00, intervals by their
 * normalised length, jsonb and arrays by value, bpchar without trailing blanks.  The encoding is
 * also memcmp-ordered for fixed-width types and is part of the checkpoint format: never change it,
 * add a version.
 *   each column: u8 0 = NULL, or u8 1 then: bool 1 byte; integers and times 8 bytes big-endian with
 *   the sign flipped; floats 8 bytes as ordered bits of the double; numeric canonical num digits (u16 length first);
 *   interval 16; uuid 16; strings u32 length + bytes.
 * Integers of all widths encode alike, so int4 joins int8; numeric does not equal int8: cast first.
 */
#pragma once

#include "data/batch.h"

enum { WR_KEY_GROUPS = 256 };

/* Which key group a key belongs to: the stable hash's low bits. */
static inline uint32_t
wr_key_group(uint64_t stable_hash)
{
    return (uint32_t) (stable_hash & (WR_KEY_GROUPS - 1));
}

/* A range of key groups [first, last]. */
typedef struct wr_groups {
    uint16_t first, last;
} wr_groups;
#define WR_GROUPS_ALL ((wr_groups){ 0, WR_KEY_GROUPS - 1 })
/* Shard `index` of `count`: contiguous ranges covering all groups. */
wr_groups wr_groups_of_shard(uint32_t index, uint32_t count);
uint32_t  wr_shard_of_group(uint32_t group, uint32_t count);

/* Append the encoding of one physical row's key columns. */
weir_status wr_key_encode(const wr_batch *batch, const uint32_t *columns, uint32_t column_count,
                          uint32_t physical_row, wr_text *to);
/* One boxed value, the same bytes. */
weir_status wr_key_encode_value(const wr_value *value, wr_text *to);
/* Decode `count` values of the given types back (numeric's display scale is lost: minimal scale). Strings borrow bytes or arena. */
weir_status wr_key_decode(const char *bytes, size_t length, const wr_type *types, uint32_t count,
                          wr_arena *arena, wr_value *out);

/*
 * Keys of all visible rows at once: hashes[i] for the i-th visible row is wr_hash_stable of its encoding.
 */
typedef struct wr_keys {
    wr_text   bytes;              /* all encodings, one after another                     */
    uint32_t  offsets[WR_BATCH_ROWS_MAX + 1];
    uint64_t  hashes[WR_BATCH_ROWS_MAX];
    bool      any_null[WR_BATCH_ROWS_MAX]; /* some key column of the row is NULL           */
    uint32_t  count;
} wr_keys;
void        wr_keys_init(wr_keys *keys, wr_budget *budget);
void        wr_keys_fini(wr_keys *keys);
weir_status wr_keys_encode(wr_keys *keys, const wr_batch *batch, const uint32_t *columns,
                           uint32_t column_count);
