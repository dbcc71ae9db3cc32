/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/group_table.h -- keyed state: a hash table from keys to rows of flat memory.
 *
 * Layout      slots of 4 bytes, open addressing, linear probing by the tag's leading bits: in a table
 *             of 2^b slots the low b bits are id + 1, the others the tag's bits behind its first b;
 *             rows dense by id in chunks:
 *                 wr_group · key words (state/key_layout.h) · the owner's bytes
 *             Long keys and whatever else lives as long as the rows lie in the table's store, an
 *             arena.
 * Invariants  G1  every live row stands in exactly one slot; load <= 0.25 (<= 0.15 up to 256 KB
 *                 of slots)
 *             G2  a chunk that a snapshot holds is never written: wr_group_table_own copies it
 *                 first
 *             G3  the store's bytes are only added to while a snapshot holds it
 *             G4  ids are stable until reset; row addresses until find, own or compact
 * Cost        find: two dependent misses a row beyond cache, hidden by prefetching 16 and 8 ahead.
 *             freeze: a retain a chunk.  Copying after it: one chunk (16 KB) at a time, when
 *             written.
 * Threads: one; a wr_group_view may be read and released by another.
 */
#pragma once

#include "state/key_layout.h"
#include "state/row_pool.h"

typedef struct wr_group {
    int64_t  count; /* rows in the group, by diff   */
    uint32_t tag;   /* upper half of the hash       */
    uint32_t id : 28;
    uint32_t flags : 4; /* wr_group_flag            */
} wr_group;
_Static_assert(sizeof(wr_group) == 16, "key words follow");
enum { WR_GROUPS_MAX = (1 << 28) - 1 };

enum wr_group_flag {
    WR_GROUP_DEAD = 1,    /* no slot points here; the id may be given again */
    WR_GROUP_EMITTED = 2, /* a row for it has come out                      */
    WR_GROUP_DIRTY = 4,   /* the owner's: its result changes in this step   */
    WR_GROUP_SEEN = 8,    /* the owner's, within a step                     */
};

typedef struct wr_group_chunk {
    _Atomic uint32_t refs;
    uint32_t         capacity : 31; /* rows                             */
    uint32_t         pooled : 1;    /* a piece of the pool of its table */
    uint64_t         rows[];
} wr_group_chunk;

typedef struct wr_group_store {
    _Atomic uint32_t refs;
    wr_arena         arena;
} wr_group_store;

typedef struct wr_group_table {
    wr_budget           *budget;
    const wr_key_layout *layout;
    uint32_t            *slots;
    uint32_t             slot_bits;   /* 0: none yet                                      */
    uint32_t             live;        /* groups                                           */
    uint32_t             high;        /* ids given so far: [0, high)                      */
    uint32_t             free_count;  /* dead ids                                         */
    uint32_t            *free_ids;
    uint32_t             free_capacity;
    size_t               row_bytes;   /* a little more than needed where that fills lines */
    uint32_t             chunk_bits;  /* rows of a full chunk: 1 << chunk_bits            */
    uint32_t             chunk_count, chunk_capacity;
    wr_group_chunk     **chunks;
    wr_pool             *pool;        /* of full chunks, once there are many; else NULL   */
    wr_group_store      *store;       /* made when first needed                           */
    bool                 shared;      /* a snapshot may hold chunks                       */
    uint32_t             moves;       /* chunks that have got another address             */
    uint32_t             removed;     /* groups removed since the last compaction         */
    uint64_t             idle_bytes;  /* the owner's: what it has given up in the store   */
} wr_group_table;

/* Empty, holding no memory.  user_bytes: what the owner keeps in each row (multiple of 8). */
void wr_group_table_init(wr_group_table *table, wr_budget *budget, const wr_key_layout *layout,
                         size_t user_bytes);
void wr_group_table_fini(wr_group_table *table);
/* Empty again; keeps memory worth keeping, sized for the number of groups it had. */
void wr_group_table_reset(wr_group_table *table);

/* The arena that lives as long as the rows; NULL: no memory. */
wr_arena *wr_group_table_arena(wr_group_table *table);

/*
 * The ids of keys which[0..count) (NULL: 0..count), made where absent: zeroed but for header and
 * key, their ids appended to created (room for count; NULL: not wanted).  On WEIR_MEMORY the
 * table holds what it held and perhaps some empty new groups.
 */
weir_status wr_group_table_find(wr_group_table *table, const wr_row_keys *keys,
                                const uint16_t *which, uint32_t count, uint32_t *ids,
                                uint32_t *created, uint32_t *created_count);
/* The same (which NULL: first..first+count); the rows may be written (G2), and rows[0..count) are their addresses.
 * counted: each adds one to its group's count; after a failure nothing is known of the counts. */
weir_status wr_group_table_enter(wr_group_table *table, const wr_row_keys *keys,
                                 const uint16_t *which, uint32_t first, uint32_t count,
                                 uint32_t *ids, char **rows, bool counted, uint32_t *created,
                                 uint32_t *created_count);
/*
 * The same for a layout of one column of one word without NULLs, prefix or views (wr_key_is_word): words[k] is the
 * value, no keys are made.
 */
weir_status wr_group_table_enter_words(wr_group_table *table, const uint64_t *words,
                                       const uint16_t *which, uint32_t count, char **rows,
                                       bool counted, uint32_t *created, uint32_t *created_count);
/* Without making: UINT32_MAX where absent. */
void        wr_group_table_peek(const wr_group_table *table, const wr_row_keys *keys,
                                const uint16_t *which, uint32_t count, uint32_t *ids);
/* The group with the key of another table's row (same layout); found or made. */
weir_status wr_group_table_adopt(wr_group_table *table, const wr_group *from, uint32_t *id,
                                 bool *created);
/* Before writing rows ids[0..count): copy the chunks that a snapshot holds (G2). */
weir_status wr_group_table_own(wr_group_table *table, const uint32_t *ids, uint32_t count);
/* Addresses of rows (wr_group). */
void        wr_group_table_rows(const wr_group_table *table, const uint32_t *ids, uint32_t count,
                                char **rows);
/* The group leaves; its row must be owned.  Its bytes in the store stay until compaction. */
weir_status wr_group_table_remove(wr_group_table *table, uint32_t id);
weir_status wr_group_table_remove_many(wr_group_table *table, const uint32_t *ids, uint32_t count);
/* Bytes of removed groups that lie idle in the store outweigh the rest: time to compact. */
bool        wr_group_table_wasteful(const wr_group_table *table);
/* Move what live rows keep in the store to a new one; ids stay.  move (may be NULL) does it for the
 * owner's bytes and returns false when memory is out.  After a failure only fini may follow. */
typedef bool (*wr_group_move)(void *user, wr_group *row, wr_arena *to);
weir_status wr_group_table_compact(wr_group_table *table, wr_group_move move, void *user);

static inline wr_group *
wr_group_table_row(const wr_group_table *t, uint32_t id)
{
    wr_group_chunk *chunk = t->chunks[id >> t->chunk_bits];
    return (wr_group *) ((char *) chunk->rows +
                         (size_t) (id & ((1u << t->chunk_bits) - 1)) * t->row_bytes);
}
static inline uint64_t *
wr_group_key(wr_group *g)
{
    return (uint64_t *) (g + 1);
}
enum { WR_GROUP_KEY_OFFSET = sizeof(wr_group) };
static inline size_t
wr_group_user_offset(const wr_key_layout *layout)
{
    return sizeof(wr_group) + layout->words * sizeof(uint64_t);
}
/* Room for so many groups at once, so that slots do not grow step by step. */
weir_status wr_group_table_reserve(wr_group_table *table, uint32_t groups);
/* Bring the slot where a tag would be looked for, or the row it leads to, near. */
static inline void
wr_group_table_prefetch(const wr_group_table *t, uint32_t tag)
{
    if (t->slot_bits > 0)
        __builtin_prefetch(&t->slots[tag >> (32 - t->slot_bits)]);
}
/* Keys filled from now on bring the slots near where they will be looked for, if those are far off: while the next key is
 * made, they are under way.  Good until the slots grow: to be said before each fill. */
void   wr_group_table_near(const wr_group_table *table, wr_row_keys *keys);
void   wr_group_table_prefetch_row(const wr_group_table *table, uint32_t tag);
size_t wr_group_table_bytes(const wr_group_table *table);

/* --- a table frozen --- */

typedef struct wr_group_view {
    const wr_key_layout *layout;
    uint32_t             live, high;
    size_t               row_bytes;
    uint32_t             chunk_bits, chunk_count;
    wr_group_chunk     **chunks; /* each retained */
    wr_pool             *pool;   /* held, or NULL */
    wr_group_store      *store;  /* retained, or NULL */
} wr_group_view;
/* Marks the table shared. */
weir_status wr_group_table_freeze(wr_group_table *table, wr_group_view *view);
void        wr_group_view_release(wr_group_view *view);
static inline const wr_group *
wr_group_view_row(const wr_group_view *v, uint32_t id)
{
    return (const wr_group *) ((const char *) v->chunks[id >> v->chunk_bits]->rows +
                               (size_t) (id & ((1u << v->chunk_bits) - 1)) * v->row_bytes);
}
