/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/change_side.h -- the rows of one side of a join over inputs that change: each distinct row
 * once, with its diff, found by key, forgotten by time.
 *
 * Layout      a group table (state/group_table.h) and an index:
 *                 rows   the whole row -> diff, partners, until, links
 *                 slots  tag of the join key -> first row of its chain, whose rows may have other keys
 *             or, where a row's words do not tell its key (row_layout.encoded), two tables:
 *                 keys   the join key  -> first row of its chain
 *             A chain is a doubly linked list of row ids, so that a row can leave from anywhere.
 *             Rows that have an until stand in a heap by it, armed lazily: an entry counts only
 *             when it bears the row's `armed`.
 * Invariants  C1  a row with diff 0 is in no chain, and is gone when the step that made it is over
 *             C2  two rows are one when they are the same to the last digit (1.0 is not 1.00)
 *             C3  a row with an until has a heap entry that bears its `armed`
 * Cost        a row: one probe for itself, one for its key.  Memory: the row's values, 8 bytes each
 *             (texts 16 and what is beyond 12), and about 100 bytes, of a plain side 24 fewer.
 * Threads: one; a view of `rows` may be read and released by another.
 */
#pragma once

#include "data/schema.h"
#include "data/snapshot.h"
#include "state/group_table.h"
#include "state/tag_slots.h"

#define WR_CHANGE_NONE UINT32_MAX

/* What is known of a row beside its values and its diff (wr_group.count). */
typedef struct wr_change_row {
    uint32_t next, prev; /* ids */
    uint32_t key;      /* id in keys, or the tag; NONE: in no chain          */
    uint32_t at;       /* the owner's, within a step                         */
    /* A row of a plain side ends here. */
    int64_t  partners; /* diffs of the other side's matching rows, summed      */
    wr_time  until;    /* forgotten when the watermark is beyond it; END: never */
    wr_time  armed;    /* the until of its heap entry                           */
} wr_change_row;

typedef struct wr_change_due {
    wr_time  until;
    uint32_t row, spare;
} wr_change_due;

typedef struct wr_change_side {
    wr_budget           *budget;
    const wr_schema     *schema;
    const wr_key_layout *key_layout; /* both sides' */
    const uint32_t      *key_columns; /* of its columns, in schema; NULL: rows are in no chains */
    uint32_t             key_word;    /* the one word of a row that its key is; 0: it is another  */
    wr_key_layout        row_layout;
    wr_group_table       rows, keys;
    wr_tag_slots         slots;
    wr_row_keys          filler;   /* a batch's rows as keys of `rows` */
    wr_column          **columns;
    uint64_t            *looks;    /* C2: of each row, by what equality does not tell */
    char                *null_row; /* a row of NULLs, as wr_change_side_gather takes it */
    wr_change_due       *due;      /* a heap by until */
    uint32_t             due_count, due_capacity;
    bool                 plain;     /* rows know neither partners nor untils: none is ever due */
    bool                 negatives; /* a row may have a diff below 0: one has had it once */
} wr_change_side;

/* Borrows schema, key_layout and key_columns. */
weir_status wr_change_side_init(wr_change_side *side, wr_budget *budget, const wr_schema *schema,
                                const wr_key_layout *key_layout, const uint32_t *key_columns,
                                bool plain);
void        wr_change_side_fini(wr_change_side *side);

/* Ids of the batch's physical rows[0..count), made where absent (diff 0, in no chain).  Columns that
 * the batch does not have are NULL throughout. */
weir_status wr_change_side_find(wr_change_side *side, const wr_batch *batch, const uint16_t *rows,
                                uint32_t count, uint32_t *ids);
/* First row of the chains that may have rows of keys[which[0..count)] (NULL: 0..count), NONE where there is none. */
void        wr_change_side_heads(const wr_change_side *side, const wr_row_keys *keys,
                                 const uint16_t *which, uint32_t count, uint32_t *heads);
/* Put rows ids[0..count), in no chain yet, into those of keys[which[i]]. */
weir_status wr_change_side_link(wr_change_side *side, const wr_row_keys *keys,
                                const uint16_t *which, const uint32_t *ids, uint32_t count);
/* The rows leave their chains, if they are in one, and the table. */
weir_status wr_change_side_remove(wr_change_side *side, const uint32_t *ids, uint32_t count);
/* When the row is due.  An until that comes later than the last one costs nothing.  Of a plain side END alone. */
weir_status wr_change_side_hold(wr_change_side *side, uint32_t id, wr_time until);
/* Forget rows whose until lies before the watermark; how many. */
weir_status wr_change_side_forget(wr_change_side *side, wr_time watermark, uint64_t *count);
/* Up to max rows whose until lies before the watermark, as they fall due; they stay, with no until. */
weir_status wr_change_side_take(wr_change_side *side, wr_time watermark, uint32_t *ids,
                                uint32_t max, uint32_t *count);
/* Nothing is left. */
void        wr_change_side_clear(wr_change_side *side);
/* Give back what removed rows held, when it is worth the copying.  Between steps. */
weir_status wr_change_side_tidy(wr_change_side *side);

static inline wr_group *
wr_change_side_row(const wr_change_side *side, uint32_t id)
{
    return wr_group_table_row(&side->rows, id);
}
/* The row, to be written: a copy of its own where a snapshot holds it.  NULL: no memory. */
static inline wr_group *
wr_change_side_own(wr_change_side *side, uint32_t id)
{
    if (WR_UNLIKELY(side->rows.shared) && wr_group_table_own(&side->rows, &id, 1) != WEIR_OK)
        return NULL;
    return wr_change_side_row(side, id);
}
static inline wr_change_row *
wr_change_row_of(const wr_key_layout *row_layout, const wr_group *g)
{
    return (wr_change_row *) ((char *) g + wr_group_user_offset(row_layout));
}
static inline wr_change_row *
wr_change_side_info(const wr_change_side *side, uint32_t id)
{
    return wr_change_row_of(&side->row_layout, wr_change_side_row(side, id));
}
/* The row will be looked at soon. */
static inline __attribute__((always_inline)) void
wr_change_side_prefetch(const wr_change_side *side, uint32_t id)
{
    const char *g = (const char *) wr_change_side_row(side, id);
    __builtin_prefetch(g);
    __builtin_prefetch(g + side->rows.row_bytes - 1);
}
bool wr_change_side_same(const wr_change_side *side, const wr_group *g, const wr_row_keys *keys,
                         uint32_t k);
/* Is key k the row's, which stands in the chain that the key leads to? */
static inline bool
wr_change_side_is(const wr_change_side *side, wr_group *g, const wr_row_keys *keys, uint32_t k)
{
    if (WR_LIKELY(side->key_word > 0))
        return wr_group_key(g)[side->key_word] == keys->words[2 * (size_t) k + 1];
    return side->row_layout.encoded || wr_change_side_same(side, g, keys, k);
}
/* Addresses of rows ids[0..count); of a row of NULLs where the id is NONE. */
void       wr_change_side_pointers(const wr_change_side *side, const uint32_t *ids, uint32_t count,
                                   char **pointers);
/* Column c of rows ids[0..count), NULL where the id is NONE.  Owned; NULL: no memory. */
wr_column *wr_change_side_gather(const wr_change_side *side, uint32_t c, const uint32_t *ids,
                                 uint32_t count, char **scratch, wr_budget *budget);

/* --- snapshots: state/change_snapshot.c --- */

/*
 * The rows of a view of side->rows as sections of their key groups, each beginning with `port`: a
 * row's diff, partners and until, then the rows.  Any thread.
 */
weir_status wr_change_side_write(const wr_change_side *side, const wr_group_view *view,
                                 uint32_t port, const uint32_t *keys, uint32_t key_count,
                                 wr_snapshot_writer *to);
/*
 * A section, of which the port has been read: the rows, found or made, with what is known of them, in
 * no chain and with no until in the heap yet.  ids: room for WR_BATCH_ROWS_MAX.  *batch is the
 * caller's.
 */
weir_status wr_change_side_read(wr_change_side *side, wr_snapshot_reader *from, wr_batch **batch,
                                uint32_t *ids);
