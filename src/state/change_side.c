/* SPDX-License-Identifier: Apache-2.0 */
/* state/change_side.c -- rows, chains and expiry of a changing side (see change_side.h). */
#include "state/change_side.h"

#include "base/hash.h"

#include <stddef.h>
#include <string.h>

enum { LINK_AHEAD = 8, SLOTS_AHEAD = 16, REMOVE_AHEAD = 16, FAR_ROWS = 8192 };

/* What the owner keeps in a key's row. */
typedef struct change_key {
    uint32_t first, spare;
} change_key;

static change_key *
key_of(const wr_change_side *side, wr_group *g)
{
    return (change_key *) ((char *) g + wr_group_user_offset(side->key_layout));
}

static weir_status
make_row_layout(wr_change_side *side)
{
    uint32_t n = side->schema->field_count;
    wr_type *types = wr_alloc(side->budget, n * sizeof *types);
    if (types == NULL)
        return WEIR_MEMORY;
    for (uint32_t c = 0; c < n; c++)
        types[c] = side->schema->fields[c].type;
    weir_status status = wr_key_layout_init(&side->row_layout, side->budget, types, n, false, true);
    if (status == WEIR_OK && side->row_layout.encoded) { /* C2: the look goes before the values */
        wr_key_layout_fini(&side->row_layout);
        status = wr_key_layout_init(&side->row_layout, side->budget, types, n, true, true);
    }
    wr_free(types);
    return status;
}

weir_status
wr_change_side_init(wr_change_side *side, wr_budget *budget, const wr_schema *schema,
                    const wr_key_layout *key_layout, const uint32_t *key_columns, bool plain)
{
    uint32_t n = schema->field_count;
    *side = (wr_change_side){
        .budget = budget, .schema = schema, .key_layout = key_layout,
        .key_columns = key_columns, .plain = plain
    };
    WR_TRY(make_row_layout(side));
    const wr_key_layout *rows = &side->row_layout;
    if (key_columns != NULL && !rows->encoded && wr_key_is_word(key_layout))
        side->key_word = rows->columns[key_columns[0]].at;
    wr_group_table_init(&side->keys, budget, key_layout, sizeof(change_key));
    wr_group_table_init(&side->rows, budget, rows,
                        plain ? offsetof(wr_change_row, partners) : sizeof(wr_change_row));
    wr_row_keys_init(&side->filler, rows, budget);
    side->columns = wr_calloc(budget, n + 1, sizeof(wr_column *));
    side->null_row = wr_calloc(budget, 1, wr_group_user_offset(rows));
    if (side->columns == NULL || side->null_row == NULL)
        return WEIR_MEMORY;
    uint64_t *words = wr_group_key((wr_group *) side->null_row);
    for (uint32_t c = 0; c < n; c++)
        wr_key_set_null(rows, words, c);
    return WEIR_OK;
}

void
wr_change_side_fini(wr_change_side *side)
{
    wr_tag_slots_fini(&side->slots);
    wr_group_table_fini(&side->keys);
    wr_group_table_fini(&side->rows);
    wr_row_keys_fini(&side->filler);
    wr_key_layout_fini(&side->row_layout);
    wr_free(side->columns);
    wr_free(side->looks);
    wr_free(side->null_row);
    wr_free(side->due);
    *side = (wr_change_side){ 0 };
}

/* --- finding --- */

/* Does equality overlook how a value of the type is written? */
static bool
has_looks(wr_type type)
{
    switch (type.id) {
    case WR_FLOAT4:
    case WR_FLOAT8:
    case WR_NUMERIC:
    case WR_INTERVAL:
    case WR_BPCHAR:
    case WR_JSONB:
    case WR_ARRAY: return true;
    default: return false;
    }
}

static uint64_t
value_look(const wr_value *v)
{
    if (v->is_null)
        return 1;
    if (wr_type_is_string(v->type))
        return wr_hash_bytes(wr_string_data(&v->string), v->string.length);
    if (v->type.id == WR_INTERVAL)
        return wr_hash_bytes(&v->interval, sizeof v->interval);
    return wr_hash_bytes(&v->real, sizeof v->real);
}

static weir_status
find_looks(wr_change_side *side, const uint16_t *rows, uint32_t count)
{
    wr_arena    arena;
    weir_status status = WEIR_OK;
    if (side->looks == NULL)
        side->looks = wr_alloc(side->budget, WR_BATCH_ROWS_MAX * sizeof *side->looks);
    if (side->looks == NULL)
        return WEIR_MEMORY;
    memset(side->looks, 0, count * sizeof *side->looks);
    wr_arena_init(&arena, side->budget);
    for (uint32_t c = 0; c < side->schema->field_count && status == WEIR_OK; c++) {
        if (!has_looks(side->schema->fields[c].type))
            continue;
        wr_arena_reset(&arena);
        for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
            wr_value v;
            status = wr_column_get_value(side->columns[c], rows[i], &arena, &v);
            if (status == WEIR_OK)
                side->looks[i] = wr_hash_u64(side->looks[i], value_look(&v));
        }
    }
    wr_arena_fini(&arena);
    return status;
}

static weir_status
fill_rows(wr_change_side *side, const wr_batch *batch, const uint16_t *rows, uint32_t count)
{
    bool looks = side->row_layout.prefix;
    if (looks)
        WR_TRY(find_looks(side, rows, count));
    return wr_row_keys_fill(&side->filler, side->columns, rows, count, batch->physical_count,
                            looks ? side->looks : NULL);
}

weir_status
wr_change_side_find(wr_change_side *side, const wr_batch *batch, const uint16_t *rows,
                    uint32_t count, uint32_t *ids)
{
    uint32_t    n = side->schema->field_count, made = 0;
    weir_status status = WEIR_OK;
    wr_assert(batch->column_count == n);
    uint32_t *created = wr_alloc(side->budget, count * sizeof *created);
    if (created == NULL)
        return WEIR_MEMORY;
    for (uint32_t c = 0; c < n; c++) {
        wr_value null = wr_value_null(side->schema->fields[c].type);
        side->columns[c] = batch->columns[c] != NULL
                               ? wr_column_retain(batch->columns[c])
                               : wr_column_create_constant(side->budget, &null);
        if (side->columns[c] == NULL)
            status = WEIR_MEMORY;
    }
    if (status == WEIR_OK)
        status = fill_rows(side, batch, rows, count);
    if (status == WEIR_OK)
        status = wr_group_table_find(&side->rows, &side->filler, NULL, count, ids, created, &made);
    for (uint32_t i = 0; i < made; i++) {
        wr_change_row *row = wr_change_side_info(side, created[i]);
        row->next = row->prev = row->key = WR_CHANGE_NONE;
        if (!side->plain)
            row->until = row->armed = WR_TIME_END;
        row->at = WR_CHANGE_NONE;
    }
    for (uint32_t c = 0; c < n; c++) {
        wr_column_release(side->columns[c]);
        side->columns[c] = NULL;
    }
    wr_free(created);
    return status;
}

/* Tags are even: none is NONE. */
static inline uint32_t
tag_of(uint64_t hash)
{
    return wr_tag_of(hash) & ~1u;
}

static void
slots_heads(const wr_change_side *side, const wr_row_keys *keys, const uint16_t *which,
            uint32_t count, uint32_t *heads)
{
    const wr_tag_slots slots = side->slots;
    for (uint32_t i = 0; i < count; i++) {
        heads[i] = WR_CHANGE_NONE;
        if (slots.bits == 0)
            continue;
        if (i + SLOTS_AHEAD < count)
            wr_tag_slots_prefetch(
                &slots, tag_of(keys->hashes[which != NULL ? which[i + SLOTS_AHEAD] : i + SLOTS_AHEAD]));
        uint32_t tag = tag_of(keys->hashes[which != NULL ? which[i] : i]);
        heads[i] = wr_tag_slots_find(&slots, tag)->first - 1;
    }
}

bool
wr_change_side_same(const wr_change_side *side, const wr_group *g, const wr_row_keys *keys,
                    uint32_t k)
{
    const wr_key_layout *layout = side->key_layout, *rows = &side->row_layout;
    const uint64_t      *key = keys->words + (size_t) k * layout->compare_words;
    const uint64_t      *row = (const uint64_t *) (g + 1);
    for (uint32_t c = 0; c < layout->column_count; c++) {
        const uint64_t *a = key + layout->columns[c].at;
        const uint64_t *b = row + rows->columns[side->key_columns[c]].at;
        bool            null = wr_key_is_null(layout, key, c);
        if (null != wr_key_is_null(rows, row, side->key_columns[c]))
            return false;
        if (null)
            continue;
        if (layout->columns[c].view ? !wr_key_text_same(a, b)
                                    : a[0] != b[0] || (layout->columns[c].words == 2 && a[1] != b[1]))
            return false;
    }
    return true;
}

void
wr_change_side_heads(const wr_change_side *side, const wr_row_keys *keys, const uint16_t *which,
                     uint32_t count, uint32_t *heads)
{
    if (!side->row_layout.encoded) {
        slots_heads(side, keys, which, count, heads);
        return;
    }
    wr_group_table_peek(&side->keys, keys, which, count, heads);
    for (uint32_t i = 0; i < count; i++)
        if (heads[i] != WR_CHANGE_NONE)
            heads[i] = key_of(side, wr_group_table_row(&side->keys, heads[i]))->first;
}

/* --- chains --- */

/* The row, ours to write, before the first of a chain (NONE: it has none). */
static weir_status
chain_put(wr_change_side *side, uint32_t id, uint32_t key, uint32_t first)
{
    if (first != WR_CHANGE_NONE) {
        if (wr_change_side_own(side, first) == NULL)
            return WEIR_MEMORY;
        wr_change_side_info(side, first)->prev = id;
    }
    if (wr_change_side_own(side, id) == NULL)
        return WEIR_MEMORY;
    wr_change_row *row = wr_change_side_info(side, id);
    wr_assert(row->key == WR_CHANGE_NONE);
    row->key = key;
    row->prev = WR_CHANGE_NONE;
    row->next = first;
    return WEIR_OK;
}

static weir_status
slots_link(wr_change_side *side, const wr_row_keys *keys, const uint16_t *which,
           const uint32_t *ids, uint32_t count)
{
    WR_TRY(wr_tag_slots_reserve(&side->slots, side->budget, count, 0));
    const bool far = side->rows.live > FAR_ROWS;
    for (uint32_t i = 0; i < count; i++) {
        if (i + SLOTS_AHEAD < count)
            wr_tag_slots_prefetch(&side->slots, tag_of(keys->hashes[which[i + SLOTS_AHEAD]]));
        if (far && i + LINK_AHEAD < count) {
            uint32_t tag = tag_of(keys->hashes[which[i + LINK_AHEAD]]);
            uint32_t ahead = wr_tag_slots_find(&side->slots, tag)->first;
            if (ahead != 0)
                wr_change_side_prefetch(side, ahead - 1);
        }
        uint32_t     tag = tag_of(keys->hashes[which[i]]);
        wr_tag_slot *slot = wr_tag_slots_find(&side->slots, tag);
        WR_TRY(chain_put(side, ids[i], tag, slot->first - 1));
        side->slots.used += slot->first == 0;
        *slot = (wr_tag_slot){ tag, ids[i] + 1 };
    }
    return WEIR_OK;
}

weir_status
wr_change_side_link(wr_change_side *side, const wr_row_keys *keys, const uint16_t *which,
                    const uint32_t *ids, uint32_t count)
{
    if (!side->row_layout.encoded)
        return slots_link(side, keys, which, ids, count);
    uint32_t *groups = wr_alloc(side->budget, 2 * count * sizeof *groups);
    uint32_t *created = groups != NULL ? groups + count : NULL, made = 0;
    if (groups == NULL)
        return WEIR_MEMORY;
    weir_status status =
        wr_group_table_find(&side->keys, keys, which, count, groups, created, &made);
    for (uint32_t i = 0; i < made; i++)
        key_of(side, wr_group_table_row(&side->keys, created[i]))->first = WR_CHANGE_NONE;
    if (status == WEIR_OK)
        status = wr_group_table_own(&side->keys, groups, count);
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        change_key *key = key_of(side, wr_group_table_row(&side->keys, groups[i]));
        if (i + LINK_AHEAD < count) {
            uint32_t first =
                key_of(side, wr_group_table_row(&side->keys, groups[i + LINK_AHEAD]))->first;
            if (first != WR_CHANGE_NONE)
                wr_change_side_prefetch(side, first);
        }
        status = chain_put(side, ids[i], groups[i], key->first);
        if (status == WEIR_OK)
            key->first = ids[i];
    }
    wr_free(groups);
    return status;
}

static weir_status
unlink_row(wr_change_side *side, uint32_t id)
{
    const wr_change_row *own = wr_change_side_info(side, id);
    const struct {
        uint32_t next, prev, key;
    } row = { own->next, own->prev, own->key };
    if (row.prev != WR_CHANGE_NONE) {
        if (wr_change_side_own(side, row.prev) == NULL)
            return WEIR_MEMORY;
        wr_change_side_info(side, row.prev)->next = row.next;
    } else if (!side->row_layout.encoded) {
        wr_tag_slot *slot = wr_tag_slots_find(&side->slots, row.key);
        wr_assert(slot->first == id + 1);
        if (row.next != WR_CHANGE_NONE)
            slot->first = row.next + 1;
        else
            wr_tag_slots_remove(&side->slots, slot);
    } else {
        WR_TRY(wr_group_table_own(&side->keys, &row.key, 1));
        key_of(side, wr_group_table_row(&side->keys, row.key))->first = row.next;
        if (row.next == WR_CHANGE_NONE)
            WR_TRY(wr_group_table_remove(&side->keys, row.key));
    }
    if (row.next != WR_CHANGE_NONE) {
        if (wr_change_side_own(side, row.next) == NULL)
            return WEIR_MEMORY;
        wr_change_side_info(side, row.next)->prev = row.prev;
    }
    return WEIR_OK;
}

/* A row is about to be removed: bring what that touches near, ... */
static inline __attribute__((always_inline)) void
prefetch_removal(const wr_change_side *side, uint32_t id)
{
    const wr_group      *g = wr_change_side_row(side, id);
    const wr_change_row *row = wr_change_row_of(&side->row_layout, g);
    wr_group_table_prefetch(&side->rows, g->tag);
    if (row->key == WR_CHANGE_NONE)
        return;
    if (side->row_layout.encoded)
        __builtin_prefetch(wr_group_table_row(&side->keys, row->key), 1);
    if (row->next != WR_CHANGE_NONE)
        wr_change_side_prefetch(side, row->next);
    if (row->prev != WR_CHANGE_NONE)
        wr_change_side_prefetch(side, row->prev);
}

/* ... and, half as far ahead, what that leads to. */
static inline __attribute__((always_inline)) void
prefetch_key(const wr_change_side *side, uint32_t id)
{
    uint32_t key = wr_change_side_info(side, id)->key;
    if (key != WR_CHANGE_NONE && !side->row_layout.encoded)
        wr_tag_slots_prefetch(&side->slots, key);
    else if (key != WR_CHANGE_NONE)
        wr_group_table_prefetch(&side->keys, wr_group_table_row(&side->keys, key)->tag);
}

weir_status
wr_change_side_remove(wr_change_side *side, const uint32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i + REMOVE_AHEAD < count)
            prefetch_removal(side, ids[i + REMOVE_AHEAD]);
        if (i + REMOVE_AHEAD / 2 < count)
            prefetch_key(side, ids[i + REMOVE_AHEAD / 2]);
        if (wr_change_side_info(side, ids[i])->key != WR_CHANGE_NONE)
            WR_TRY(unlink_row(side, ids[i]));
    }
    WR_TRY(wr_group_table_own(&side->rows, ids, count));
    return wr_group_table_remove_many(&side->rows, ids, count);
}

/* --- expiry: a binary heap --- */

static void
due_sift_up(wr_change_side *side, uint32_t at)
{
    wr_change_due entry = side->due[at];
    for (; at > 0 && side->due[(at - 1) / 2].until > entry.until; at = (at - 1) / 2)
        side->due[at] = side->due[(at - 1) / 2];
    side->due[at] = entry;
}

static void
due_sift_down(wr_change_side *side, uint32_t at)
{
    uint32_t      n = side->due_count;
    wr_change_due entry = side->due[at];
    while (2 * at + 1 < n) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < n && side->due[child + 1].until < side->due[child].until)
            child++;
        if (side->due[child].until >= entry.until)
            break;
        side->due[at] = side->due[child];
        at = child;
    }
    side->due[at] = entry;
}

/* C3: is the entry the one its row goes by? */
static bool
due_counts(const wr_change_side *side, const wr_change_due *entry)
{
    const wr_group *g = wr_change_side_row(side, entry->row);
    return (g->flags & WR_GROUP_DEAD) == 0 &&
           wr_change_row_of(&side->row_layout, g)->armed == entry->until;
}

static weir_status
due_push(wr_change_side *side, wr_time until, uint32_t row)
{
    if (side->due_count == side->due_capacity) {
        uint32_t capacity = WR_MAX(16u, side->due_capacity * 2);
        void    *due = wr_realloc(side->budget, side->due, (size_t) capacity * sizeof *side->due);
        if (due == NULL)
            return WEIR_MEMORY;
        side->due = due;
        side->due_capacity = capacity;
    }
    side->due[side->due_count++] = (wr_change_due){ .until = until, .row = row };
    due_sift_up(side, side->due_count - 1);
    return WEIR_OK;
}

weir_status
wr_change_side_hold(wr_change_side *side, uint32_t id, wr_time until)
{
    if (side->plain) {
        wr_assert(until == WR_TIME_END);
        return WEIR_OK;
    }
    if (wr_change_side_own(side, id) == NULL)
        return WEIR_MEMORY;
    wr_change_row *row = wr_change_side_info(side, id);
    row->until = until;
    if (until == WR_TIME_END || row->armed <= until)
        return WEIR_OK; /* its entry comes up earlier, and is put back then */
    row->armed = until;
    return due_push(side, until, id);
}

weir_status
wr_change_side_take(wr_change_side *side, wr_time watermark, uint32_t *ids, uint32_t max,
                    uint32_t *count)
{
    *count = 0;
    while (*count < max && side->due_count > 0 && side->due[0].until < watermark) {
        wr_change_due top = side->due[0];
        bool          counts = due_counts(side, &top);
        side->due[0] = side->due[--side->due_count];
        if (side->due_count > 0)
            due_sift_down(side, 0);
        if (!counts)
            continue;
        if (wr_change_side_own(side, top.row) == NULL)
            return WEIR_MEMORY;
        wr_change_row *row = wr_change_side_info(side, top.row);
        row->armed = WR_TIME_END;
        if (row->until >= watermark)
            WR_TRY(wr_change_side_hold(side, top.row, row->until));
        else
            ids[(*count)++] = top.row;
    }
    return WEIR_OK;
}

weir_status
wr_change_side_forget(wr_change_side *side, wr_time watermark, uint64_t *count)
{
    enum { BATCH = 64 };
    uint32_t ids[BATCH], taken = BATCH;
    *count = 0;
    while (taken == BATCH) {
        WR_TRY(wr_change_side_take(side, watermark, ids, BATCH, &taken));
        WR_TRY(wr_change_side_remove(side, ids, taken));
        *count += taken;
    }
    return WEIR_OK;
}

void
wr_change_side_clear(wr_change_side *side)
{
    wr_tag_slots_clear(&side->slots);
    wr_group_table_reset(&side->keys);
    wr_group_table_reset(&side->rows);
    side->due_count = 0;
}

/* Entries of rows long gone are left out when they outweigh the others. */
static void
due_tidy(wr_change_side *side)
{
    enum { DUE_IDLE_MIN = 1024 };
    if (side->due_count < DUE_IDLE_MIN || side->due_count / 2 < side->rows.live)
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < side->due_count; i++)
        if (due_counts(side, &side->due[i]))
            side->due[kept++] = side->due[i];
    side->due_count = kept;
    for (uint32_t i = kept / 2; i-- > 0;)
        due_sift_down(side, i);
}

weir_status
wr_change_side_tidy(wr_change_side *side)
{
    due_tidy(side);
    if (wr_group_table_wasteful(&side->keys))
        WR_TRY(wr_group_table_compact(&side->keys, NULL, NULL));
    if (wr_group_table_wasteful(&side->rows))
        WR_TRY(wr_group_table_compact(&side->rows, NULL, NULL));
    return WEIR_OK;
}

/* --- reading --- */

void
wr_change_side_pointers(const wr_change_side *side, const uint32_t *ids, uint32_t count,
                        char **pointers)
{
    for (uint32_t i = 0; i < count; i++)
        pointers[i] = ids[i] != WR_CHANGE_NONE ? (char *) wr_change_side_row(side, ids[i])
                                               : side->null_row;
}

wr_column *
wr_change_side_gather(const wr_change_side *side, uint32_t c, const uint32_t *ids, uint32_t count,
                      char **scratch, wr_budget *budget)
{
    wr_change_side_pointers(side, ids, count, scratch);
    return wr_key_column_make(&side->row_layout, budget, scratch, WR_GROUP_KEY_OFFSET, count, c);
}
