/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/normalise_impl.h -- the insides of the normalise operator.
 *
 *     normalise.c           a batch of upserts into changes
 *     normalise_row.c       rows packed for the table, and back
 *     normalise_snapshot.c  freeze, write, restore
 */
#pragma once

#include "operator/normalise.h"
#include "state/group_table.h"

/* What the table keeps of a key's row: its other columns, packed, in the table's store. */
typedef struct normal_row {
    const char *bytes; /* NULL: no row stands */
    uint32_t    length;
    uint32_t    change; /* of the run at hand: its number in changes, from 1; else 0 */
} normal_row;

/* What becomes of a key in the run at hand. */
typedef struct normal_change {
    uint32_t id;
    int32_t  row;   /* physical row that stands in the end, -1: none */
    wr_time  judge; /* the watermark of the rows that led to it      */
} normal_change;

enum { NORMAL_CHANGES_MAX = WR_BATCH_ROWS_MAX / 2 };

typedef struct normal_step {
    bool          begun;
    uint32_t      at, count, change_count;
    wr_row_keys   keys;
    uint16_t      rows[WR_BATCH_ROWS_MAX]; /* physical */
    uint32_t      ids[WR_BATCH_ROWS_MAX];
    normal_change changes[NORMAL_CHANGES_MAX];
} normal_step;

typedef struct normalise {
    const wr_normalise_config *config;
    wr_ctx                    *ctx;
    wr_key_layout              layout;
    wr_group_table             table;
    uint32_t                   kept_count; /* columns that are kept beside the key */
    uint32_t                  *kept;
    int32_t                   *key_index;  /* column -> place in the key, -1       */
    wr_column                **nulls;      /* by column nobody needs               */
    normal_step               *step;
    wr_text                    packed;
    uint32_t                   emit_next; /* holds: id of the next row to come out */
} normalise;

static inline normal_row *
normal_row_of(const normalise *n, const wr_group *g)
{
    return (normal_row *) (void *) ((char *) (uintptr_t) g + wr_group_user_offset(&n->layout));
}

/* --- normalise_row.c --- */
/* The kept columns of a row of the input, appended to n->packed. */
weir_status wr_normal_pack(normalise *n, const wr_batch *in, uint32_t row);
/* Make `bytes` what the group keeps (NULL: nothing). */
weir_status wr_normal_keep(normalise *n, wr_group *g, const char *bytes, size_t length);
/* Kept columns as boxed values that borrow the bytes.  False: damaged. */
bool        wr_normal_unpack(const normalise *n, const char *bytes, size_t length, wr_value *values);
/* Compact the store when it is worth it. */
weir_status wr_normal_compact(normalise *n);

/* --- normalise_snapshot.c --- */
weir_status wr_normal_freeze(void *self, wr_epoch epoch, wr_frozen **out);
weir_status wr_normal_write(const wr_frozen *f, wr_snapshot_writer *to);
void        wr_normal_thaw(wr_frozen *f);
weir_status wr_normal_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from);
