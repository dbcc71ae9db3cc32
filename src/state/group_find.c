/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/group_find.c -- the groups of many keys at once.
 *
 * Most keys are found where the first slot leads that may be theirs: a loop takes them as long as that is so.  In a
 * table beyond the nearest cache the rows of a block go through it in passes, so that what is far off is under way for
 * all of them at once: their slots; the rows that the slots lead to; then the keys are compared.  A key that stands in
 * another slot, or in none, is looked for by itself, and the loop goes on behind it.
 *
 * Invariants  F1  a guess is only kept when the whole key is the same
 *             F2  guesses are made anew when a chunk has moved, for the old one may be gone
 * Cost        a key: its hash, two loads from tables, one comparison; 2-4 ns in cache, 10-15 ns beyond it.
 */
#include "base/clones.h"
#include "state/group_table_impl.h"

enum { BLOCK = 256 };

/* What is looked for: keys, or the words that a key of one word is made of. */
typedef struct wanted {
    const wr_row_keys *keys; /* NULL: words */
    const uint64_t *words;
    const uint16_t *which; /* NULL: base and those behind it */
    uint32_t base;
    int64_t by; /* what a row adds to its group's count, 0 or 1 */
    /* What is found, row by row; ids: of keys alone. */
    uint32_t *ids;
    char **rows;
    uint32_t *created, *created_count;
} wanted;

/* A table as the loops see it; to be taken anew when a group has been made. */
typedef struct lookup {
    const uint32_t *slots;
    wr_group_chunk *const *chunks;
    size_t row_bytes;
    uint32_t bits, chunk_bits;
} lookup;

static inline lookup
lookup_of(const wr_group_table *t)
{
    return (lookup){ t->slots, t->chunks, t->row_bytes, t->slot_bits, t->chunk_bits };
}

/* The row that the tag's slot tells, the first from its home on that may be its (at_home: its home alone); NULL: there
 * is none. */
static inline __attribute__((always_inline)) char *
lookup_row(const lookup *l, uint32_t tag, bool at_home)
{
    uint32_t at = slot_home(tag, l->bits), slot = l->slots[at];
    while (WR_UNLIKELY(slot == 0 || !slot_may_be(slot, l->bits, tag))) {
        if (at_home || slot == 0)
            return NULL;
        at = (at + 1) & ((1u << l->bits) - 1);
        slot = l->slots[at];
    }
    uint32_t id = slot_id(slot, l->bits);
    return (char *)l->chunks[id >> l->chunk_bits]->rows +
           (id & ((1u << l->chunk_bits) - 1)) * l->row_bytes;
}

/* --- kinds of keys, known where the loops are compiled --- */

typedef enum kind {
    KIND_WORD,  /* one word, never NULL, without keys           */
    KIND_THREE, /* three words: two integers, or one of a group */
    KIND_TEXT,  /* one text                                     */
    KIND_WORDS, /* any, compared word by word                   */
    KIND_VIEWS, /* any                                          */
} kind;

static kind
kind_of(const wr_key_layout *layout)
{
    if (layout->encoded)
        return KIND_VIEWS;
    if (layout->has_views)
        return layout->column_count == 1 && !layout->prefix ? KIND_TEXT : KIND_VIEWS;
    return layout->compare_words == 3 ? KIND_THREE : KIND_WORDS;
}

static inline __attribute__((always_inline)) uint32_t
kind_words(const wr_group_table *t, kind k)
{
    return k == KIND_THREE ? 3 : k == KIND_TEXT ? WR_KEY_TEXT_WORDS : t->layout->compare_words;
}

static inline __attribute__((always_inline)) uint32_t
wanted_at(const wanted *w, uint32_t i, bool listed)
{
    return listed ? w->which[i] : w->base + i;
}

static inline __attribute__((always_inline)) uint32_t
wanted_tag(const wanted *w, uint32_t i, kind k, bool listed)
{
    uint32_t at = wanted_at(w, i, listed);
    uint64_t hash = k == KIND_WORD ? wr_key_word_hash(w->words[at]) : w->keys->hashes[at];
    return (uint32_t)(hash >> 32);
}

/* F1 */
static inline __attribute__((always_inline)) bool
wanted_is(const wanted *w, const wr_group_table *t, const char *row, uint32_t i, kind k,
          bool listed)
{
    const uint64_t *key = (const uint64_t *)(const void *)(row + sizeof(wr_group));
    uint32_t at = wanted_at(w, i, listed);
    if (k == KIND_WORD)
        return key[0] == 0 && key[1] == w->words[at];
    const uint32_t words = kind_words(t, k);
    const uint64_t *mine = w->keys->words + (size_t)at * words;
    for (uint32_t n = 0; n < words; n++)
        if (key[n] != mine[n])
            return (k == KIND_TEXT || k == KIND_VIEWS) && wr_key_same(t->layout, key, mine);
    return true;
}

static inline __attribute__((always_inline)) void
wanted_found(const wanted *w, uint32_t i, char *row, kind k)
{
    wr_group *g = (wr_group *)(void *)row;
    w->rows[i] = row;
    if (k != KIND_WORD)
        w->ids[i] = g->id;
    if (w->by != 0) /* not even that: a snapshot may be reading the row */
        g->count += w->by;
}

/* --- many --- */

/* Rows from i on whose home slots lead to them at once; returns the first that is to be looked for. */
static inline __attribute__((always_inline)) uint32_t
near_loop(const wr_group_table *t, wanted w, uint32_t i, uint32_t count, kind k, bool listed)
{
    const lookup l = lookup_of(t);
    for (; i < count; i++) {
        char *row = lookup_row(&l, wanted_tag(&w, i, k, listed), k == KIND_WORD);
        if (WR_UNLIKELY(row == NULL || !wanted_is(&w, t, row, i, k, listed)))
            break;
        wanted_found(&w, i, row, k);
    }
    return i;
}

/* The rows that [i, count) lead to, without a look at them. */
static inline __attribute__((always_inline)) void
guess_loop(const wr_group_table *t, wanted w, uint32_t i, uint32_t count, kind k, bool listed)
{
    const lookup l = lookup_of(t);
    uint32_t tags[BLOCK];
    if (l.bits <= SLOTS_VERY_FAR_BITS) {
        for (; i < count; i++) {
            w.rows[i] = lookup_row(&l, wanted_tag(&w, i, k, listed), false);
            __builtin_prefetch(w.rows[i], 1);
        }
        return;
    }
    for (uint32_t n = i; n < count; n++) {
        tags[n] = wanted_tag(&w, n, k, listed);
        __builtin_prefetch(&l.slots[slot_home(tags[n], l.bits)]);
    }
    for (; i < count; i++) {
        w.rows[i] = lookup_row(&l, tags[i], false);
        __builtin_prefetch(w.rows[i], 1);
        if (l.row_bytes > 64) /* else it lies in one line */
            __builtin_prefetch(w.rows[i] + l.row_bytes - 1, 1);
    }
}

static inline __attribute__((always_inline)) uint32_t
far_loop(const wr_group_table *t, wanted w, uint32_t i, uint32_t count, kind k, bool listed)
{
    for (; i < count; i++) {
        char *row = w.rows[i];
        if (WR_UNLIKELY(row == NULL || !wanted_is(&w, t, row, i, k, listed)))
            break;
        wanted_found(&w, i, row, k);
    }
    return i;
}

/* One loop for each kind, and for each sort of processor. */
#define LOOPS_OF(NAME, KIND)                                                                       \
    WR_CLONES static uint32_t near_##NAME(const wr_group_table *t, const wanted *w, uint32_t i,    \
                                      uint32_t count)                                              \
    {                                                                                              \
        return w->which != NULL ? near_loop(t, *w, i, count, KIND, true)                           \
                                : near_loop(t, *w, i, count, KIND, false);                         \
    }                                                                                              \
    WR_CLONES static void guess_##NAME(const wr_group_table *t, const wanted *w, uint32_t i,       \
                                   uint32_t count)                                                 \
    {                                                                                              \
        if (w->which != NULL)                                                                      \
            guess_loop(t, *w, i, count, KIND, true);                                               \
        else                                                                                       \
            guess_loop(t, *w, i, count, KIND, false);                                              \
    }                                                                                              \
    WR_CLONES static uint32_t far_##NAME(const wr_group_table *t, const wanted *w, uint32_t i,     \
                                     uint32_t count)                                               \
    {                                                                                              \
        return w->which != NULL ? far_loop(t, *w, i, count, KIND, true)                            \
                                : far_loop(t, *w, i, count, KIND, false);                          \
    }
/* clang-format off */
LOOPS_OF(word, KIND_WORD)
LOOPS_OF(three, KIND_THREE)
LOOPS_OF(text, KIND_TEXT)
LOOPS_OF(words, KIND_WORDS)
LOOPS_OF(views, KIND_VIEWS)
/* clang-format on */

typedef struct loops {
    uint32_t (*near)(const wr_group_table *t, const wanted *w, uint32_t i, uint32_t count);
    void (*guess)(const wr_group_table *t, const wanted *w, uint32_t i, uint32_t count);
    uint32_t (*far)(const wr_group_table *t, const wanted *w, uint32_t i, uint32_t count);
} loops;
static const loops loops_of[] = {
    [KIND_WORD] = { near_word, guess_word, far_word },
    [KIND_THREE] = { near_three, guess_three, far_three },
    [KIND_TEXT] = { near_text, guess_text, far_text },
    [KIND_WORDS] = { near_words, guess_words, far_words },
    [KIND_VIEWS] = { near_views, guess_views, far_views },
};

/* --- one --- */

/* Key or word `at` into a row made for it. */
static weir_status
key_store(wr_group_table *t, const wanted *w, uint32_t at, wr_group *g)
{
    if (w->keys == NULL) {
        wr_group_key(g)[1] = w->words[at];
        return WEIR_OK;
    }
    if (t->layout->encoded || t->layout->has_views) {
        wr_arena *arena = wr_group_table_arena(t);
        return arena == NULL ? WEIR_MEMORY : wr_key_store(w->keys, at, arena, wr_group_key(g));
    }
    const uint32_t words = t->layout->compare_words;
    const uint64_t *from = w->keys->words + (size_t)at * words;
    for (uint32_t n = 0; n < words; n++)
        wr_group_key(g)[n] = from[n];
    return WEIR_OK;
}

/* The i-th by the whole search, made where absent. */
static weir_status
one_enter(wr_group_table *t, const wanted *w, uint32_t i)
{
    const uint32_t bits = t->slot_bits, mask = (1u << bits) - 1;
    const bool listed = w->which != NULL;
    const kind k = w->keys == NULL ? KIND_WORD : KIND_VIEWS;
    uint32_t tag = wanted_tag(w, i, k, listed), at = slot_home(tag, bits);
    wr_group *g;
    for (; t->slots[at] != 0; at = (at + 1) & mask) {
        if (!slot_may_be(t->slots[at], bits, tag))
            continue;
        g = wr_group_table_row(t, slot_id(t->slots[at], bits));
        if (wanted_is(w, t, (const char *)g, i, k, listed)) {
            wanted_found(w, i, (char *)g, k);
            return WEIR_OK;
        }
    }
    WR_TRY(wr_group_make(t, tag, &g));
    weir_status status = key_store(t, w, wanted_at(w, i, listed), g);
    if (status != WEIR_OK)
        return wr_group_unmake(t, g, status);
    wr_group_enter(t, g, at, bits);
    wanted_found(w, i, (char *)g, k);
    if (w->created != NULL)
        w->created[(*w->created_count)++] = g->id;
    return WEIR_OK;
}

static weir_status
block_enter(wr_group_table *t, const wanted *w, uint32_t count, const loops *l)
{
    bool far = t->slot_bits > SLOTS_FAR_BITS;
    uint32_t moves = t->moves;
    if (far)
        l->guess(t, w, 0, count);
    for (uint32_t i = 0;;) {
        i = far ? l->far(t, w, i, count) : l->near(t, w, i, count);
        if (i == count)
            return WEIR_OK;
        do { /* new ones mostly come many at a time */
            WR_TRY(one_enter(t, w, i++));
            if (WR_UNLIKELY(t->moves != moves && far)) { /* F2 */
                moves = t->moves;
                l->guess(t, w, i, count);
            }
        } while (far && i < count && w->rows[i] == NULL);
    }
}

static weir_status
all_enter(wr_group_table *t, wanted w, uint32_t count)
{
    const loops *l = &loops_of[w.keys == NULL ? KIND_WORD : kind_of(t->layout)];
    if (count > 0 && t->slot_bits == 0)
        WR_TRY(wr_group_slots_resize(t, SLOT_BITS_MIN));
    for (; count > 0; w.base += BLOCK) {
        uint32_t n = WR_MIN(count, (uint32_t)BLOCK);
        WR_TRY(block_enter(t, &w, n, l));
        w.which = w.which != NULL ? w.which + n : NULL;
        w.ids = w.ids != NULL ? w.ids + n : NULL;
        w.rows += n;
        count -= n;
    }
    return WEIR_OK;
}

/* --- the door --- */

void
wr_group_table_near(const wr_group_table *table, wr_row_keys *keys)
{
    keys->near = table->slot_bits > SLOTS_VERY_FAR_BITS ? table->slots : NULL;
    keys->near_bits = table->slot_bits;
}

weir_status
wr_group_table_find(wr_group_table *table, const wr_row_keys *keys, const uint16_t *which,
                    uint32_t count, uint32_t *ids, uint32_t *created, uint32_t *created_count)
{
    wr_assert(keys->layout == table->layout);
    for (uint32_t i = 0; i < count; i += BLOCK) {
        char *rows[BLOCK];
        wanted w = { .keys = keys,
                     .which = which != NULL ? which + i : NULL,
                     .base = i,
                     .ids = ids + i,
                     .rows = rows,
                     .created = created,
                     .created_count = created_count };
        WR_TRY(all_enter(table, w, WR_MIN(count - i, (uint32_t)BLOCK)));
    }
    return WEIR_OK;
}

weir_status
wr_group_table_enter(wr_group_table *table, const wr_row_keys *keys, const uint16_t *which,
                     uint32_t first, uint32_t count, uint32_t *ids, char **rows, bool counted,
                     uint32_t *created, uint32_t *created_count)
{
    bool at_once = counted && !table->shared;
    wanted w = { .keys = keys,
                 .which = which,
                 .base = first,
                 .by = at_once,
                 .ids = ids,
                 .rows = rows,
                 .created = created,
                 .created_count = created_count };
    uint32_t moves = table->moves;
    wr_assert(keys->layout == table->layout);
    WR_TRY(all_enter(table, w, count));
    WR_TRY(wr_group_table_own(table, ids, count));
    if (table->moves != moves)
        wr_group_table_rows(table, ids, count, rows);
    for (uint32_t i = 0; i < count && counted && !at_once; i++)
        ((wr_group *)(void *)rows[i])->count++;
    return WEIR_OK;
}

weir_status
wr_group_table_enter_words(wr_group_table *table, const uint64_t *words, const uint16_t *which,
                           uint32_t count, char **rows, bool counted, uint32_t *created,
                           uint32_t *created_count)
{
    bool at_once = counted && !table->shared;
    wanted w = { .words = words,
                 .which = which,
                 .by = at_once,
                 .rows = rows,
                 .created = created,
                 .created_count = created_count };
    uint32_t moves = table->moves;
    wr_assert(wr_key_is_word(table->layout) && count <= WR_BATCH_ROWS_MAX);
    WR_TRY(all_enter(table, w, count));
    w.by = 0;
    while (table->moves != moves) { /* rows have moved: all are there now */
        moves = table->moves;
        WR_TRY(all_enter(table, w, count));
    }
    if (WR_LIKELY(!table->shared))
        return WEIR_OK;
    uint32_t ids[WR_BATCH_ROWS_MAX]; /* first of all: what is copied may be gone */
    for (uint32_t i = 0; i < count; i++)
        ids[i] = ((const wr_group *)(const void *)rows[i])->id;
    WR_TRY(wr_group_table_own(table, ids, count));
    if (table->moves != moves)
        wr_group_table_rows(table, ids, count, rows);
    for (uint32_t i = 0; i < count && counted; i++)
        ((wr_group *)(void *)rows[i])->count++;
    return WEIR_OK;
}
