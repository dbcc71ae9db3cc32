/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_bag.c -- the bag that makes any aggregate take rows back (see agg_bag.h).
 *
 * Place       lowering wraps the calls of an aggregate whose input changes, or that want an order.
 * State       blocks of up to 64 entries (value, count) in order, and a list of the blocks, all in
 *             the pane's arena.  The value is a word where one argument of fixed width is never
 *             NULL, else a list of boxed values.  What is given up in the arena is counted in
 *             ctx->idle_bytes, for the owner to compact.
 *
 *                 blocks  [ . | . | . ]
 *                           |   |   +-> (31,1) (40,2)
 *                           |   +-----> (9,1) (12,-1) (30,1)
 *                           +---------> (1,4) (5,1) (7,1)
 *
 * Invariants  B1  entries are strictly ascending by (order, values, representation); no count is 0
 *             B2  a row taken back before it came leaves a negative count, counted in ctx->unknown;
 *                 the row's coming makes it 0.  Results see positive counts alone
 *             B3  the result depends on the bag alone, not on the order or the batches rows came in
 *             G1, G2, G4 of aggregate.h; G3 by B2
 * Cost        update: a binary search over blocks, one within, a move of at most 1 KB.  Result:
 *             min and max read one end; all others read every row of the group.
 */
#include "expr/agg_bag.h"

#include "expr/agg_impl.h"

#include <string.h>

enum { BLOCK_FIRST = 2, BLOCK_MAX = 64, FEED_ROWS = 1024 };

typedef enum bag_read { BAG_ALL, BAG_FIRST, BAG_LAST } bag_read;

typedef struct bag_aggregate {
    wr_aggregate        shown; /* what the operator sees; ctx->aggregate points here */
    const wr_aggregate *inner;
    const wr_agg_order *order;
    uint32_t            order_count;
    bag_read            read;
    bool                words;
} bag_aggregate;

typedef struct bag_entry {
    uint64_t word; /* the value in order, or the address of wr_value[arg_count] */
    int64_t  count;
} bag_entry;

typedef struct bag_block {
    uint32_t  count, capacity;
    uint64_t  spare;
    bag_entry entries[];
} bag_block;

typedef struct bag {
    bag_block **blocks;
    uint32_t    count, capacity;
} bag;

static const bag_aggregate *
bag_of(const wr_agg_ctx *ctx)
{
    return (const bag_aggregate *) (const void *) ctx->aggregate;
}

/* --- order --- */

static int
representation_compare(const wr_value *a, const wr_value *b)
{
    if (wr_type_is_string(a->type))
        return wr_string_compare(&a->string, &b->string);
    if (a->type.id == WR_INTERVAL)
        return memcmp(&a->interval, &b->interval, sizeof a->interval);
    if (a->type.id == WR_FLOAT4 || a->type.id == WR_FLOAT8)
        return memcmp(&a->real, &b->real, sizeof a->real);
    return 0;
}

/* NULLs are above all values. */
static int
nullable_compare(const wr_value *a, const wr_value *b)
{
    return a->is_null || b->is_null ? (int) a->is_null - (int) b->is_null
                                    : wr_value_compare(a, b);
}

static int
order_compare(const wr_agg_order *order, const wr_value *a, const wr_value *b)
{
    if (a->is_null || b->is_null)
        return (order->nulls_first ? -1 : 1) * ((int) a->is_null - (int) b->is_null);
    return (order->descending ? -1 : 1) * wr_value_compare(a, b);
}

/* B1 */
static int
values_compare(const wr_agg_ctx *ctx, const wr_value *a, const wr_value *b)
{
    const bag_aggregate *g = bag_of(ctx);
    uint32_t             n = ctx->arg_count, plain = n - g->order_count;
    int                  c = 0;
    for (uint32_t i = 0; i < g->order_count && c == 0; i++)
        c = order_compare(&g->order[i], &a[plain + i], &b[plain + i]);
    for (uint32_t i = 0; i < plain && c == 0; i++)
        c = nullable_compare(&a[i], &b[i]);
    for (uint32_t i = 0; i < n && c == 0; i++)
        if (!a[i].is_null)
            c = representation_compare(&a[i], &b[i]);
    return c;
}

static const wr_value *
entry_values(uint64_t word)
{
    return (const wr_value *) (uintptr_t) word;
}

static inline int
entry_compare(const wr_agg_ctx *ctx, bool words, uint64_t a, uint64_t b)
{
    if (words)
        return (a > b) - (a < b);
    return values_compare(ctx, entry_values(a), entry_values(b));
}

/* --- words --- */

#define SIGN (1ull << 63)

static uint64_t
word_of_real(double v)
{
    uint64_t bits;
    if (v != v)
        return UINT64_MAX; /* above infinity, as PostgreSQL has it */
    memcpy(&bits, &v, sizeof bits);
    return (bits & SIGN) != 0 ? ~bits : bits | SIGN;
}

static uint64_t
word_get(const wr_column *column, uint32_t row)
{
    const wr_column *base = wr_column_base(column);
    uint32_t         i = wr_column_index(column, row);
    switch (base->type.id) {
    case WR_BOOL: return ((const uint8_t *) base->data)[i];
    case WR_INT2: return (uint64_t) (int64_t) ((const int16_t *) base->data)[i] ^ SIGN;
    case WR_INT4:
    case WR_DATE: return (uint64_t) (int64_t) ((const int32_t *) base->data)[i] ^ SIGN;
    case WR_FLOAT4: return word_of_real((double) ((const float *) base->data)[i]);
    case WR_FLOAT8: return word_of_real(((const double *) base->data)[i]);
    default: return (uint64_t) ((const int64_t *) base->data)[i] ^ SIGN;
    }
}

static wr_value
word_value(wr_type type, uint64_t word)
{
    wr_value v = { .type = type };
    if (type.id == WR_BOOL) {
        v.boolean = word != 0;
    } else if (type.id == WR_FLOAT4 || type.id == WR_FLOAT8) {
        uint64_t bits = (word & SIGN) != 0 ? word & ~SIGN : ~word;
        memcpy(&v.real, &bits, sizeof bits);
    } else {
        v.integer = (int64_t) (word ^ SIGN);
    }
    return v;
}

static bool
fits_word(wr_type type)
{
    switch (type.id) {
    case WR_BOOL:
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_FLOAT4:
    case WR_FLOAT8:
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return true;
    default: return false;
    }
}

/* --- blocks --- */

static size_t
block_bytes(uint32_t capacity)
{
    return sizeof(bag_block) + capacity * sizeof(bag_entry);
}

static bag_block *
block_create(wr_agg_ctx *ctx, uint32_t capacity)
{
    bag_block *block = wr_arena_alloc(ctx->arena, block_bytes(capacity));
    if (block == NULL) {
        ctx->failed = true;
        return NULL;
    }
    block->count = 0;
    block->capacity = capacity;
    return block;
}

/* Put block at place i of the list. */
static bool
blocks_insert(wr_agg_ctx *ctx, bag *b, uint32_t i, bag_block *block)
{
    if (b->count == b->capacity) {
        uint32_t    capacity = WR_MAX(2 * b->capacity, 2u);
        bag_block **grown = wr_arena_alloc(ctx->arena, capacity * sizeof(bag_block *));
        if (grown == NULL) {
            ctx->failed = true;
            return false;
        }
        if (b->count > 0)
            memcpy(grown, b->blocks, b->count * sizeof(bag_block *));
        ctx->idle_bytes += b->capacity * sizeof(bag_block *);
        b->blocks = grown;
        b->capacity = capacity;
    }
    memmove(b->blocks + i + 1, b->blocks + i, (b->count - i) * sizeof(bag_block *));
    b->blocks[i] = block;
    b->count++;
    return true;
}

static void
blocks_remove(wr_agg_ctx *ctx, bag *b, uint32_t i)
{
    ctx->idle_bytes += block_bytes(b->blocks[i]->capacity);
    b->count--;
    memmove(b->blocks + i, b->blocks + i + 1, (b->count - i) * sizeof(bag_block *));
}

/* Where an entry is. */
typedef struct bag_place {
    uint32_t block, at;
} bag_place;

/* The first entry that is not below word: true when it is equal. */
static bool
bag_find(const wr_agg_ctx *ctx, const bag *b, bool words, uint64_t word, bag_place *place)
{
    uint32_t low = 0, high = b->count;
    while (low < high) {
        uint32_t         middle = (low + high) / 2;
        const bag_block *block = b->blocks[middle];
        if (entry_compare(ctx, words, block->entries[block->count - 1].word, word) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place = (bag_place){ low, 0 };
    if (low == b->count) {
        if (low > 0) /* above all: the end of the last block */
            *place = (bag_place){ low - 1, b->blocks[low - 1]->count };
        return false;
    }
    const bag_block *block = b->blocks[low];
    uint32_t         from = 0, until = block->count;
    while (from < until) {
        uint32_t middle = (from + until) / 2;
        if (entry_compare(ctx, words, block->entries[middle].word, word) < 0)
            from = middle + 1;
        else
            until = middle;
    }
    place->at = from;
    return entry_compare(ctx, words, block->entries[from].word, word) == 0;
}

/* Room for one entry in the block of place, which may become another block and place. */
static bool
block_make_room(wr_agg_ctx *ctx, bag *b, bag_place *place)
{
    bag_block *block = b->blocks[place->block], *more;
    if (block->count < block->capacity)
        return true;
    if (block->capacity < BLOCK_MAX) {
        more = block_create(ctx, 2 * block->capacity);
        if (more == NULL)
            return false;
        more->count = block->count;
        memcpy(more->entries, block->entries, block->count * sizeof(bag_entry));
        ctx->idle_bytes += block_bytes(block->capacity);
        b->blocks[place->block] = more;
        return true;
    }
    bool     ends = place->block + 1 == b->count && place->at == block->count;
    uint32_t keep = ends ? block->count : block->count / 2; /* ascending values fill blocks */
    more = block_create(ctx, BLOCK_MAX);
    if (more == NULL || !blocks_insert(ctx, b, place->block + 1, more))
        return false;
    more->count = block->count - keep;
    memcpy(more->entries, block->entries + keep, more->count * sizeof(bag_entry));
    block->count = keep;
    if (place->at > keep || ends) {
        place->block++;
        place->at -= keep;
    }
    return true;
}

/* Copies of values in the arena; 0: no memory. */
static uint64_t
values_keep(wr_agg_ctx *ctx, const wr_value *values)
{
    wr_value *copy = wr_arena_alloc(ctx->arena, ctx->arg_count * sizeof *copy);
    for (uint32_t i = 0; copy != NULL && i < ctx->arg_count; i++)
        if (wr_value_copy(&values[i], ctx->arena, &copy[i]) != WEIR_OK)
            copy = NULL;
    ctx->failed |= copy == NULL;
    return (uint64_t) (uintptr_t) copy;
}

static void
values_forget(wr_agg_ctx *ctx, const wr_value *values)
{
    ctx->idle_bytes += ctx->arg_count * sizeof *values;
    for (uint32_t i = 0; i < ctx->arg_count; i++)
        if (!values[i].is_null && wr_type_is_string(values[i].type) &&
            values[i].string.length > WR_STRING_INLINE_MAX)
            ctx->idle_bytes += values[i].string.length;
}

/* word stands count times more; kept is copied when it is new. */
static void
bag_add(wr_agg_ctx *ctx, bag *b, bool words, uint64_t word, int64_t count)
{
    bag_place place;
    if (bag_find(ctx, b, words, word, &place)) {
        bag_block *block = b->blocks[place.block];
        bag_entry *e = &block->entries[place.at];
        if (count < 0 && e->count + count < 0)
            ctx->unknown++;
        e->count += count;
        if (e->count != 0)
            return;
        if (!words)
            values_forget(ctx, entry_values(e->word));
        block->count--;
        memmove(e, e + 1, (block->count - place.at) * sizeof *e);
        if (block->count == 0)
            blocks_remove(ctx, b, place.block);
        return;
    }
    if (b->count == 0) {
        bag_block *block = block_create(ctx, BLOCK_FIRST);
        if (block == NULL || !blocks_insert(ctx, b, 0, block))
            return;
    }
    uint64_t kept = words ? word : values_keep(ctx, entry_values(word));
    if (ctx->failed || !block_make_room(ctx, b, &place)) {
        if (b->blocks[0]->count == 0)
            b->count = 0; /* no block is empty */
        return;
    }
    bag_block *block = b->blocks[place.block];
    bag_entry *e = &block->entries[place.at];
    memmove(e + 1, e, (block->count - place.at) * sizeof *e);
    *e = (bag_entry){ kept, count };
    block->count++;
    ctx->unknown += count < 0; /* B2 */
}

/* --- the aggregate --- */

static void
bag_change(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
           wr_rows rows, int64_t count)
{
    const bag_aggregate *g = bag_of(ctx);
    uint32_t             plain = ctx->arg_count - g->order_count;
    wr_value             values[WR_AGG_ARGS_MAX];
    wr_arena             scratch;
    if (g->words) {
        for (uint32_t i = 0; i < rows.count; i++)
            bag_add(ctx, (bag *) (void *) (states[i] + offset), true,
                    word_get(args[0], fn_row(rows, i)), count);
        return;
    }
    wr_arena_init(&scratch, ctx->arena->budget);
    for (uint32_t i = 0; i < rows.count && !ctx->failed; i++) {
        bool skip = false;
        for (uint32_t j = 0; j < ctx->arg_count; j++) {
            ctx->failed |= wr_column_get_value(args[j], fn_row(rows, i), &scratch, &values[j]) != WEIR_OK;
            skip |= j < plain && g->inner->ignores_null && values[j].is_null;
        }
        if (!skip && !ctx->failed)
            bag_add(ctx, (bag *) (void *) (states[i] + offset), false,
                    (uint64_t) (uintptr_t) values, count);
        wr_arena_reset(&scratch);
    }
    wr_arena_fini(&scratch);
}

AGG_UPDATE(bag_update)
{
    bag_change(ctx, states, offset, args, rows, 1);
}

AGG_UPDATE(bag_retract)
{
    bag_change(ctx, states, offset, args, rows, -1);
}

AGG_MERGE(bag_merge)
{
    const bag *from_bag = from;
    uint64_t   unknown = ctx->unknown;
    bool       words = bag_of(ctx)->words;
    for (uint32_t i = 0; i < from_bag->count; i++)
        for (uint32_t j = 0; j < from_bag->blocks[i]->count; j++)
            bag_add(ctx, into, words, from_bag->blocks[i]->entries[j].word,
                    from_bag->blocks[i]->entries[j].count);
    ctx->unknown = unknown; /* was counted when it came */
}

/* --- results --- */

/* Where reading a bag stands: so many of an entry's rows have been read. */
typedef struct bag_cursor {
    uint32_t block, at;
    int64_t  used;
} bag_cursor;

/* The next row's entry, NULL at the end. */
static const bag_entry *
cursor_next(const bag *b, bag_cursor *c)
{
    while (c->block < b->count) {
        const bag_block *block = b->blocks[c->block];
        if (c->at == block->count) {
            *c = (bag_cursor){ c->block + 1, 0, 0 };
        } else if (c->used >= block->entries[c->at].count) {
            c->at++;
            c->used = 0;
        } else {
            c->used++;
            return &block->entries[c->at];
        }
    }
    return NULL;
}

/* The greatest entry with rows, NULL for none. */
static const bag_entry *
bag_last(const bag *b)
{
    for (uint32_t i = b->count; i > 0; i--)
        for (uint32_t j = b->blocks[i - 1]->count; j > 0; j--)
            if (b->blocks[i - 1]->entries[j - 1].count > 0)
                return &b->blocks[i - 1]->entries[j - 1];
    return NULL;
}

static weir_status
row_put(const wr_agg_ctx *ctx, const bag_entry *e, wr_column **columns, uint32_t column_count,
        uint32_t row)
{
    for (uint32_t i = 0; i < column_count; i++) {
        wr_value v = bag_of(ctx)->words ? word_value(ctx->args[i], e->word)
                                        : entry_values(e->word)[i];
        WR_TRY(v.is_null ? wr_column_set_null(columns[i], row)
                         : wr_column_set_value(columns[i], row, &v));
    }
    return WEIR_OK;
}

/* Up to FEED_ROWS rows from the cursor on into inner's state; *more: there may be others. */
static weir_status
bag_feed(const wr_agg_ctx *ctx, wr_agg_ctx *inner, const bag *b, bag_cursor *cursor, char *state,
         bool *more)
{
    const bag_aggregate *g = bag_of(ctx);
    wr_column           *columns[WR_AGG_ARGS_MAX] = { NULL };
    char               **states = wr_arena_alloc(inner->arena, FEED_ROWS * sizeof *states);
    weir_status          status = states != NULL ? WEIR_OK : WEIR_MEMORY;
    uint32_t             rows = 0;
    for (uint32_t i = 0; i < inner->arg_count && status == WEIR_OK; i++) {
        columns[i] = wr_column_create(inner->arena->budget, ctx->args[i], FEED_ROWS);
        status = columns[i] != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    *more = g->read == BAG_ALL;
    while (status == WEIR_OK && rows < FEED_ROWS) {
        const bag_entry *e = g->read == BAG_LAST ? bag_last(b) : cursor_next(b, cursor);
        if (e == NULL) {
            *more = false;
            break;
        }
        status = row_put(ctx, e, columns, inner->arg_count, rows);
        states[rows++] = state;
        if (g->read != BAG_ALL)
            break;
    }
    if (status == WEIR_OK && rows > 0)
        g->inner->update(inner, states, 0, columns, (wr_rows){ NULL, rows });
    for (uint32_t i = 0; i < inner->arg_count; i++)
        wr_column_release(columns[i]);
    return inner->failed ? WEIR_MEMORY : status;
}

AGG_RESULT(bag_result)
{
    const bag_aggregate *g = bag_of(ctx);
    const bag           *b = state;
    wr_arena             own; /* gone with the result */
    wr_arena_init(&own, step->budget);
    wr_agg_ctx  inner = { .arena = &own,
                          .args = ctx->args,
                          .arg_count = ctx->arg_count - g->order_count,
                          .result = ctx->result,
                          .aggregate = g->inner };
    char       *made = wr_arena_calloc(&own, 1, g->inner->state_bytes + 1);
    weir_status status = made != NULL ? WEIR_OK : WEIR_MEMORY;
    bag_cursor  cursor = { 0 };
    bool        more = b->count > 0;
    if (status == WEIR_OK && g->inner->init != NULL)
        g->inner->init(&inner, made);
    while (status == WEIR_OK && more)
        status = bag_feed(ctx, &inner, b, &cursor, made, &more);
    if (status == WEIR_OK)
        status = g->inner->result_at(&inner, made, &own, out, row);
    wr_arena_fini(&own);
    return status;
}

/* --- snapshots --- */

AGG_ENCODE(bag_encode)
{
    const bag *b = state;
    bool       words = bag_of(ctx)->words;
    uint64_t   count = 0;
    for (uint32_t i = 0; i < b->count; i++)
        count += b->blocks[i]->count;
    wr_snapshot_put_u64(to, count);
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t j = 0; j < b->blocks[i]->count; j++) {
            const bag_entry *e = &b->blocks[i]->entries[j];
            wr_snapshot_put_i64(to, e->count);
            if (words)
                wr_snapshot_put_u64(to, e->word);
            for (uint32_t k = 0; !words && k < ctx->arg_count; k++)
                if (wr_snapshot_put_value(to, &entry_values(e->word)[k]) != WEIR_OK)
                    to->bytes.failed = true;
        }
}

static weir_status
entry_decode(wr_agg_ctx *ctx, bag *b, wr_snapshot_reader *from, wr_arena *scratch)
{
    wr_value  values[WR_AGG_ARGS_MAX];
    bool      words = bag_of(ctx)->words;
    int64_t   count = wr_snapshot_get_i64(from);
    uint64_t  word = words ? wr_snapshot_get_u64(from) : (uint64_t) (uintptr_t) values;
    bag_place place;
    for (uint32_t k = 0; !words && k < ctx->arg_count; k++) {
        WR_TRY(wr_snapshot_get_value(from, scratch, &values[k]));
        if (!wr_type_same(values[k].type, ctx->args[k]))
            return WEIR_CHECKPOINT_CORRUPT;
    }
    if (from->failed || count == 0 || bag_find(ctx, b, words, word, &place))
        return WEIR_CHECKPOINT_CORRUPT; /* B1 */
    bag_add(ctx, b, words, word, count);
    return ctx->failed ? WEIR_MEMORY : WEIR_OK;
}

AGG_DECODE(bag_decode)
{
    bag        *b = state;
    wr_arena    scratch;
    uint64_t    unknown = ctx->unknown, count = wr_snapshot_get_u64(from);
    weir_status status = WEIR_OK;
    memset(b, 0, sizeof *b);
    wr_arena_init(&scratch, ctx->arena->budget);
    for (uint64_t i = 0; i < count && status == WEIR_OK && !from->failed; i++) {
        status = entry_decode(ctx, b, from, &scratch);
        wr_arena_reset(&scratch);
    }
    wr_arena_fini(&scratch);
    ctx->unknown = unknown;
    return status == WEIR_OK ? wr_agg_decoded(from) : status;
}

const wr_aggregate *
wr_bag_aggregate_make(wr_arena *arena, const wr_aggregate *inner, const wr_type *args,
                      uint32_t arg_count, const wr_agg_order *order, uint32_t order_count)
{
    bag_aggregate *g = wr_arena_calloc(arena, 1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->shown = *inner;
    g->inner = inner;
    g->order = order;
    g->order_count = order_count;
    g->read = order_count > 0                    ? BAG_ALL
              : strcmp(inner->name, "min") == 0 ? BAG_FIRST
              : strcmp(inner->name, "max") == 0 ? BAG_LAST
                                                : BAG_ALL;
    g->words = arg_count == 1 && order_count == 0 && inner->ignores_null && fits_word(args[0]);
    g->shown.state_bytes = sizeof(bag);
    g->shown.nested = true;
    g->shown.plain = false;
    g->shown.ignores_null = inner->ignores_null && order_count == 0;
    g->shown.init = NULL;
    g->shown.update = bag_update;
    g->shown.retract = bag_retract;
    g->shown.merge = bag_merge;
    g->shown.unmerge = NULL;
    g->shown.result_at = bag_result;
    g->shown.encode = bag_encode;
    g->shown.decode = bag_decode;
    return &g->shown;
}
