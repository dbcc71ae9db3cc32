/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/upserts.c -- a batch of changes by key (see upserts.h).
 *
 * The old and the new row of a key travel in one batch, the old one first, at most one of each: so
 * the last row of a key in a batch says all there is to say, and no state is needed.
 */
#include "data/upserts.h"

#include "data/key.h"

#include <string.h>

enum { SLOTS = 2 * WR_BATCH_ROWS_MAX }; /* a power of two */

typedef struct seen_keys {
    wr_keys  keys;
    uint16_t slots[SLOTS]; /* visible row + 1 */
    uint16_t rows[WR_BATCH_ROWS_MAX];
} seen_keys;

static wr_string
key_at(const wr_keys *keys, uint32_t i)
{
    return wr_string_make(keys->bytes.data + keys->offsets[i],
                          keys->offsets[i + 1] - keys->offsets[i]);
}

/* Is the key of visible row i there already?  It is afterwards. */
static bool
key_seen(seen_keys *s, uint32_t i)
{
    wr_string key = key_at(&s->keys, i);
    uint32_t  at = (uint32_t) (s->keys.hashes[i] & (SLOTS - 1));
    for (; s->slots[at] != 0; at = (at + 1) & (SLOTS - 1)) {
        wr_string other = key_at(&s->keys, s->slots[at] - 1u);
        if (wr_string_equal(&key, &other))
            return true;
    }
    s->slots[at] = (uint16_t) (i + 1);
    return false;
}

weir_status
wr_batch_upserts(wr_budget *budget, wr_batch *batch, const wr_schema *schema, wr_batch **out)
{
    *out = NULL;
    wr_assert(schema->key_count > 0);
    if (batch->diff == NULL) {
        *out = wr_batch_retain(batch);
        return WEIR_OK;
    }
    seen_keys *s = wr_calloc(budget, 1, sizeof *s);
    if (s == NULL)
        return WEIR_MEMORY;
    wr_keys_init(&s->keys, budget);
    weir_status status = wr_keys_encode(&s->keys, batch, schema->key, schema->key_count);
    uint32_t    from = WR_BATCH_ROWS_MAX;
    for (uint32_t i = batch->row_count; status == WEIR_OK && i > 0; i--)
        if (!key_seen(s, i - 1))
            s->rows[--from] = (uint16_t) wr_batch_row(batch, i - 1);
    if (status == WEIR_OK && from < WR_BATCH_ROWS_MAX) {
        *out = wr_batch_select(budget, batch, s->rows + from, WR_BATCH_ROWS_MAX - from);
        status = *out != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    for (uint32_t i = 0; *out != NULL && i < (*out)->row_count; i++) {
        int64_t *diff = &(*out)->diff[wr_batch_row(*out, i)];
        *diff = *diff < 0 ? -1 : 1;
    }
    wr_keys_fini(&s->keys);
    wr_free(s);
    return status;
}

wr_schema
wr_schema_upserts(const wr_schema *schema)
{
    wr_schema s = *schema;
    s.kind = WR_UPSERT;
    return s;
}

int32_t
wr_schema_op_column(const wr_schema *schema)
{
    int32_t column = schema->kind == WR_UPSERT ? wr_schema_find(schema, "_op") : -1;
    bool    read = column >= 0 && !schema->fields[column].hidden;
    return read && column == (int32_t) schema->field_count - 1 ? column : -1;
}
