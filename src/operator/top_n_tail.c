/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/top_n_tail.c -- order keys that are not kept: those behind the first whose length varies.
 *
 * ORDER BY price DESC, at, comment LIMIT 10 is settled by the first two keys nearly always.  They stand before a row's
 * contents as bytes; the comment, which would double the row, is compared where it stands in the contents.
 *
 * Place       top_n.c makes the first keys, state/row_bag.c asks when they are the same.
 * Invariants  R1  the order is that of whole keys: a NULL by its own rule, strings by their bytes, the shorter first
 *             R2  the first key is always kept: words and bounds are made of it
 */
#include "operator/top_n_impl.h"

#include <string.h>

static bool
is_fixed(wr_type type)
{
    return !wr_type_is_string(type);
}

/* The first keys that are kept; all of them where peers are looked for, or the first is a string. */
static uint32_t
keys_kept(const wr_top_n_config *c)
{
    uint32_t kept = 0;
    if (c->over != NULL || c->function != WR_RANK_ROW_NUMBER || c->with_ties || c->high == 1)
        return c->key_count;
    while (kept < c->key_count && is_fixed(c->input->fields[c->keys[kept].column].type))
        kept++;
    return kept > 0 ? kept : c->key_count;
}

/* Where a column's value stands in contents that are sound. */
static const char *
value_at(const wr_schema *schema, const char *at, uint32_t column)
{
    for (uint32_t c = 0; c < column; c++) {
        wr_type type = schema->fields[c].type;
        uint32_t length;
        if (*at++ == 0)
            continue;
        switch (type.id) {
        case WR_BOOL: at += 1; break;
        case WR_INTERVAL:
        case WR_UUID: at += 16; break;
        default:
            if (is_fixed(type)) {
                at += 8;
                break;
            }
            memcpy(&length, at, sizeof length);
            at += sizeof length + length;
        }
    }
    return at;
}

static int
strings_compare(const char *a, const char *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    int order = memcmp(a + sizeof x, b + sizeof y, WR_MIN(x, y));
    return order != 0 ? order : x < y ? -1 : x > y;
}

/* Any type: the order keys of both. */
static int
keys_compare(top_n *t, const wr_sort_key *key, const char *a, size_t a_length, const char *b,
             size_t b_length)
{
    const wr_schema *schema = t->config->input;
    wr_text *x = &t->tail_keys[0], *y = &t->tail_keys[1];
    wr_text_clear(x);
    wr_text_clear(y);
    if (wr_row_get(a, a_length, schema, t->tail_values) == WEIR_OK)
        wr_order_key_put(x, &t->tail_values[key->column], key->descending, key->nulls_first);
    if (wr_row_get(b, b_length, schema, t->tail_values) == WEIR_OK)
        wr_order_key_put(y, &t->tail_values[key->column], key->descending, key->nulls_first);
    if (!wr_text_ok(x) || !wr_text_ok(y)) {
        t->tail_failed = true;
        return 0;
    }
    int order = memcmp(x->data, y->data, WR_MIN(x->length, y->length));
    return order != 0 ? order : x->length < y->length ? -1 : x->length > y->length;
}

/* R1 */
static int
tail_compare(void *user, const char *a, size_t a_length, const char *b, size_t b_length)
{
    top_n *t = user;
    const wr_top_n_config *c = t->config;
    for (uint32_t k = t->keys_kept; k < c->key_count; k++) {
        const wr_sort_key *key = &c->keys[k];
        wr_type type = c->input->fields[key->column].type;
        int order;
        if (type.id == WR_TEXT || type.id == WR_BYTEA) {
            const char *x = value_at(c->input, a, key->column);
            const char *y = value_at(c->input, b, key->column);
            if (*x != *y) /* one is NULL */
                order = (*x == 0) == key->nulls_first ? -1 : 1;
            else
                order = *x == 0 ? 0 : strings_compare(x + 1, y + 1);
            if (key->descending && *x == *y)
                order = -order;
        } else {
            order = keys_compare(t, key, a, a_length, b, b_length);
        }
        if (order != 0)
            return order;
    }
    return 0;
}

weir_status
wr_top_n_tail_open(top_n *t)
{
    const wr_top_n_config *c = t->config;
    t->keys_kept = keys_kept(c);
    if (c->over == NULL && c->high >= 8)
        t->bags.block_first = 4;
    if (t->keys_kept == c->key_count)
        return WEIR_OK;
    for (int i = 0; i < 2; i++)
        wr_text_init(&t->tail_keys[i], t->ctx->state);
    t->tail_values = wr_calloc(t->ctx->state, c->input->field_count + 1, sizeof *t->tail_values);
    t->bags.tail = tail_compare;
    t->bags.tail_user = t;
    return t->tail_values != NULL ? WEIR_OK : WEIR_MEMORY;
}

void
wr_top_n_tail_close(top_n *t)
{
    for (int i = 0; i < 2 && t->tail_values != NULL; i++)
        wr_text_fini(&t->tail_keys[i]);
    wr_free(t->tail_values);
    t->tail_values = NULL;
}
