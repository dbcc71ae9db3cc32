/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/undo_back.c -- rows by key as they were before the changes told of them (see undo_impl.h).
 *
 * Of each key the first change that says something counts.  Within a change, which may take several batches, the old row
 * and the new one come in any order: what is left of its rows when equal ones have cancelled out says how it began.  A row
 * gone: it was there.  A new one alone: there was none.  Nothing left: the change told of the key and changed nothing; when
 * all of it came in one batch, where the old row stands first, its first row says (and undo_sink.c leaves out what follows).
 * Of a change that was cut off a new row says nothing: the old one may have been to come.
 *
 * State       a table of keys with a row each; the rows of the changes under way, one an input (a key comes by one input).
 */
#include "runtime/undo_impl.h"

#include "data/row_code.h"

#include <string.h>

typedef struct change_row {
    struct change_row *next;
    const char *bytes; /* data/row_code.h */
    size_t length;
    int64_t diff;
} change_row;

typedef struct back_key {
    uint64_t hash;
    wr_string key;
    const char *row; /* as it was; of one that was not there: a row with its key */
    size_t length;
    change_row *rows;      /* of the change under way */
    struct back_key *next; /* touched by it           */
    uint32_t input;        /* of it                   */
    uint64_t batch;        /* the one that its first row came in */
    bool began;            /* ... and it was a new row           */
    bool several;          /* ... and not its only one          */
    bool decided, present;
} back_key;

struct undo_back {
    wr_budget *budget;
    const wr_schema *schema;
    wr_arena arena, change; /* for good; of the change under way */
    wr_keys *keys;
    wr_text row;
    wr_value *values;
    back_key **slots;
    uint32_t mask, count, at; /* at: slots given so far */
    uint64_t decided, batches;
    back_key *touched;
};

undo_back *
wr_undo_back_create(wr_budget *budget, const wr_schema *schema)
{
    undo_back *b = wr_calloc(budget, 1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->budget = budget;
    b->schema = schema;
    wr_arena_init(&b->arena, budget);
    wr_arena_init(&b->change, budget);
    wr_text_init(&b->row, budget);
    b->keys = wr_alloc(budget, sizeof *b->keys);
    b->values = wr_calloc(budget, schema->field_count, sizeof *b->values);
    if (b->keys != NULL)
        wr_keys_init(b->keys, budget);
    if (b->keys != NULL && b->values != NULL)
        return b;
    wr_undo_back_destroy(b);
    return NULL;
}

void
wr_undo_back_destroy(undo_back *b)
{
    if (b == NULL)
        return;
    if (b->keys != NULL)
        wr_keys_fini(b->keys);
    wr_free(b->keys);
    wr_free(b->values);
    wr_free(b->slots);
    wr_text_fini(&b->row);
    wr_arena_fini(&b->change);
    wr_arena_fini(&b->arena);
    wr_free(b);
}

/* --- the table --- */

static weir_status
slots_grow(undo_back *b)
{
    uint32_t size = b->slots == NULL ? 1024 : 2 * (b->mask + 1);
    back_key **slots = wr_calloc(b->budget, size, sizeof *slots);
    if (slots == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; b->slots != NULL && i <= b->mask; i++) {
        uint32_t at = b->slots[i] != NULL ? (uint32_t)b->slots[i]->hash & (size - 1) : 0;
        while (b->slots[i] != NULL && slots[at] != NULL)
            at = (at + 1) & (size - 1);
        if (b->slots[i] != NULL)
            slots[at] = b->slots[i];
    }
    wr_free(b->slots);
    b->slots = slots;
    b->mask = size - 1;
    return WEIR_OK;
}

static const char *
bytes_keep(wr_arena *arena, const char *bytes, size_t length)
{
    char *copy = wr_arena_alloc(arena, length + 1);
    if (copy != NULL && length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

/* The key of visible row i; NULL: no memory. */
static back_key *
key_of(undo_back *b, uint32_t i)
{
    const char *bytes = b->keys->bytes.data + b->keys->offsets[i];
    size_t length = b->keys->offsets[i + 1] - b->keys->offsets[i];
    wr_string key = wr_string_make(bytes, length);
    uint64_t hash = b->keys->hashes[i];
    if ((b->slots == NULL || b->count > b->mask / 2) && slots_grow(b) != WEIR_OK)
        return NULL;
    uint32_t at = (uint32_t)hash & b->mask;
    for (; b->slots[at] != NULL; at = (at + 1) & b->mask)
        if (b->slots[at]->hash == hash && wr_string_equal(&b->slots[at]->key, &key))
            return b->slots[at];
    back_key *k = wr_arena_calloc(&b->arena, 1, sizeof *k);
    const char *copy = k != NULL ? bytes_keep(&b->arena, bytes, length) : NULL;
    if (copy == NULL)
        return NULL;
    k->hash = hash;
    k->key = wr_string_make(copy, length);
    b->slots[at] = k;
    b->count++;
    return k;
}

/* --- changes in --- */

static weir_status
row_add(undo_back *b, uint32_t input, const wr_batch *batch, uint32_t i)
{
    uint32_t row = wr_batch_row(batch, i);
    back_key *k = key_of(b, i);
    if (k == NULL)
        return WEIR_MEMORY;
    if (k->decided)
        return WEIR_OK;
    wr_text_clear(&b->row);
    WR_TRY(wr_row_put(&b->row, batch, row, &b->change));
    if (!wr_text_ok(&b->row))
        return WEIR_MEMORY;
    if (k->rows == NULL) {
        k->next = b->touched;
        k->input = input;
        k->batch = b->batches;
        k->began = wr_batch_diff(batch, row) > 0;
        k->several = false;
        b->touched = k;
    }
    k->several = k->several || k->batch != b->batches;
    change_row **end = &k->rows;
    for (; *end != NULL; end = &(*end)->next)
        if ((*end)->length == b->row.length &&
            memcmp((*end)->bytes, b->row.data, b->row.length) == 0) {
            (*end)->diff += wr_batch_diff(batch, row);
            return WEIR_OK;
        }
    change_row *r = wr_arena_calloc(&b->change, 1, sizeof *r);
    if (r == NULL || (r->bytes = bytes_keep(&b->change, b->row.data, b->row.length)) == NULL)
        return WEIR_MEMORY;
    r->length = b->row.length;
    r->diff = wr_batch_diff(batch, row);
    *end = r;
    return WEIR_OK;
}

/* What the change that is over says of the key. */
static weir_status
key_settle(undo_back *b, back_key *k, bool over)
{
    const change_row *gone = NULL, *come = NULL;
    for (const change_row *r = k->rows; r != NULL; r = r->next) {
        if (r->diff < 0 && gone == NULL)
            gone = r;
        if (r->diff > 0 && come == NULL)
            come = r;
    }
    const change_row *r = gone != NULL ? gone : come;
    bool present = gone != NULL;
    if (r == NULL && !k->several) { /* all in one batch: its first row says */
        r = k->rows;
        present = !k->began;
    }
    k->rows = NULL;
    if (r == NULL || (!over && !present))
        return WEIR_OK;
    k->decided = true;
    k->present = present;
    if (!k->present &&
        b->schema->key_ages) /* there may have been one that was forgotten: it stays */
        return WEIR_OK;
    k->row = bytes_keep(&b->arena, r->bytes, r->length);
    k->length = r->length;
    b->decided++;
    return k->row != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* The change of an input is over; NULL: those of all of them.  The rows of changes of several inputs lie in one arena. */
static weir_status
changes_settle(undo_back *b, const uint32_t *input)
{
    back_key **at = &b->touched;
    while (*at != NULL) {
        back_key *k = *at;
        if (input != NULL && k->input != *input) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        WR_TRY(key_settle(b, k, input != NULL));
    }
    if (b->touched == NULL)
        wr_arena_reset(&b->change);
    return WEIR_OK;
}

weir_status
wr_undo_back_settle(undo_back *b)
{
    return changes_settle(b, NULL);
}

weir_status
wr_undo_back_add(undo_back *b, uint32_t input, const wr_batch *batch)
{
    WR_TRY(wr_keys_encode(b->keys, batch, b->schema->key, b->schema->key_count));
    b->batches++;
    for (uint32_t i = 0; i < batch->row_count; i++)
        WR_TRY(row_add(b, input, batch, i));
    return batch->goes_on ? WEIR_OK : changes_settle(b, &input);
}

/* --- rows out --- */

uint64_t
wr_undo_back_count(const undo_back *b)
{
    return b->decided;
}

weir_status
wr_undo_back_next(undo_back *b, bool restore, wr_batch **out)
{
    wr_batch_builder builder;
    weir_status status = WEIR_OK;
    wr_batch_builder_init(&builder, b->budget, b->schema);
    builder.with_diff = true;
    for (; b->slots != NULL && b->at <= b->mask && status == WEIR_OK &&
           !wr_batch_builder_full(&builder);
         b->at++) {
        const back_key *k = b->slots[b->at];
        if (k == NULL || k->row == NULL)
            continue;
        status = wr_row_get(k->row, k->length, b->schema, b->values);
        if (status == WEIR_OK)
            status = wr_batch_builder_add(&builder, b->values, k->present == restore ? 1 : -1);
    }
    *out = status == WEIR_OK ? wr_batch_builder_take(&builder) : NULL;
    if (*out == NULL && status == WEIR_OK)
        b->at = 0;
    wr_batch_builder_fini(&builder);
    return status;
}
