/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/top_n_words.c -- which rows surely stay out, by their first order key alone; the best row
 * of each partition in a batch.
 *
 * Place       between a batch's rows and their partitions (top_n.c).
 * Invariants  W1  a word is the first 8 bytes of the value of the first order key (row_code.h), as a
 *                 number; a NULL has the least or the greatest.  w(a) < w(b) means that a comes
 *                 before b; of equal words nothing is known.  Types whose keys vary in length have
 *                 0 for every row, and a bound of UINT64_MAX
 *             W2  a row whose word is above its partition's bound stays out
 *             W3  first_only: within a batch the first of a partition is only the number of a row;
 *                 it becomes a stored row, without an order key, when the batch has been read
 * Cost        the words of a batch: one pass over a column.
 */
#include "operator/top_n_impl.h"

#include <string.h>

/* Has the first order key a word? */
static bool
has_words(const top_n *t)
{
    const wr_top_n_config *c = t->config;
    if (!c->insert_only || c->key_count == 0 || c->function == WR_RANK_DENSE)
        return false;
    wr_type type = c->input->fields[c->keys[0].column].type;
    switch (type.id) {
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

/* With the first batch; what a failure leaves, wr_top_n_words_close frees. */
static weir_status
words_open(top_n *t)
{
    const wr_top_n_config *c = t->config;
    t->first_only = c->insert_only && c->over == NULL && c->function == WR_RANK_ROW_NUMBER &&
                    !c->with_ties && c->low == 1 && c->high == 1;
    if (c->insert_only && c->over == NULL && c->low <= 1 && !c->at_end) {
        t->fresh = wr_alloc(t->ctx->state, WR_BATCH_ROWS_MAX * sizeof *t->fresh);
        t->fresh_numbers = wr_alloc(t->ctx->state, WR_BATCH_ROWS_MAX * sizeof *t->fresh_numbers);
        if (t->fresh == NULL || t->fresh_numbers == NULL)
            return WEIR_MEMORY;
    }
    t->words = wr_calloc(t->ctx->state, WR_BATCH_ROWS_MAX, sizeof *t->words);
    return t->words != NULL ? WEIR_OK : WEIR_MEMORY;
}

void
wr_top_n_words_close(top_n *t)
{
    wr_free(t->words);
    wr_free(t->fresh);
    wr_free(t->fresh_numbers);
    t->words = NULL;
    t->fresh = NULL;
    t->fresh_numbers = NULL;
}

/* W1, from the order key's bytes: u8 1 and the value, or a NULL. */
static uint64_t
word_of_bytes(const char *bytes)
{
    uint64_t word;
    if (bytes[0] != 1)
        return bytes[0] == 0 ? 0 : UINT64_MAX;
    memcpy(&word, bytes + 1, sizeof word);
    return __builtin_bswap64(word);
}

weir_status
wr_top_n_words_make(top_n *t, const wr_batch *in)
{
    if (t->words == NULL)
        WR_TRY(words_open(t));
    if (!has_words(t))
        return WEIR_OK;
    const wr_sort_key *key = &t->config->keys[0];
    const wr_column *c = in->columns[key->column];
    bool longs =
        c->type.id == WR_INT8 || c->type.id == WR_TIMESTAMP || c->type.id == WR_TIMESTAMPTZ;
    if (longs && c->layout == WR_FLAT && c->valid == NULL) {
        uint64_t flip = key->descending ? INT64_MAX : (uint64_t)1 << 63;
        for (uint32_t i = 0; i < in->row_count; i++)
            t->words[i] = (uint64_t)((const int64_t *)c->data)[wr_batch_row(in, i)] ^ flip;
        return WEIR_OK;
    }
    for (uint32_t i = 0; i < in->row_count; i++) {
        wr_text_clear(&t->bytes);
        WR_TRY(wr_order_key_put_row(&t->bytes, c, wr_batch_row(in, i), key->descending,
                                    key->nulls_first, &t->ctx->eval.step));
        t->words[i] = word_of_bytes(t->bytes.data);
    }
    return WEIR_OK;
}

void
wr_top_n_bound(const top_n *t, wr_bag *bag)
{
    bool full = bag->block_count > 0 && (uint64_t)bag->weight >= t->config->high;
    bag->bound = full && has_words(t) ? word_of_bytes(wr_bag_last(bag)->bytes) : UINT64_MAX;
}

/* One order key more behind `to`. */
static weir_status
key_add(top_n *t, wr_text *to, const wr_sort_key *key, const wr_batch *in, uint32_t row)
{
    return wr_order_key_put_row(to, in->columns[key->column], row, key->descending,
                                key->nulls_first, &t->ctx->eval.step);
}

static int
bytes_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, WR_MIN(a_length, b_length));
    return order != 0 ? order : a_length < b_length ? -1 : a_length > b_length;
}

/* Two rows of the batch, key by key, as far as it takes. */
static weir_status
rows_compare(top_n *t, const wr_batch *in, uint32_t a, uint32_t b, int *order)
{
    for (uint32_t k = 0; k < t->config->key_count; k++) {
        const wr_sort_key *key = &t->config->keys[k];
        const wr_column *c = in->columns[key->column];
        if (c->type.id == WR_INT8 && c->layout == WR_FLAT && c->valid == NULL) {
            int64_t x = ((const int64_t *)c->data)[a], y = ((const int64_t *)c->data)[b];
            *order = (x > y) - (x < y);
            *order = key->descending ? -*order : *order;
        } else {
            wr_text_clear(&t->bytes);
            wr_text_clear(&t->rival);
            WR_TRY(key_add(t, &t->bytes, key, in, a));
            WR_TRY(key_add(t, &t->rival, key, in, b));
            *order = bytes_compare(t->bytes.data, t->bytes.length, t->rival.data, t->rival.length);
        }
        if (*order != 0)
            return WEIR_OK;
    }
    wr_text_clear(&t->bytes);
    wr_text_clear(&t->rival);
    WR_TRY(wr_row_put(&t->bytes, in, a, &t->ctx->eval.step));
    WR_TRY(wr_row_put(&t->rival, in, b, &t->ctx->eval.step));
    *order = bytes_compare(t->bytes.data, t->bytes.length, t->rival.data, t->rival.length);
    return WEIR_OK;
}

/* A row of the batch and a stored one, which is its contents alone, likewise. */
static weir_status
stored_compare(top_n *t, const wr_batch *in, uint32_t row, const wr_bag_row *stored, int *order)
{
    wr_assert(stored->order_length == 0); /* W3 */
    WR_TRY(wr_row_get(stored->bytes, stored->length, t->config->input, t->values));
    for (uint32_t k = 0; k < t->config->key_count; k++) {
        const wr_sort_key *key = &t->config->keys[k];
        wr_text_clear(&t->bytes);
        wr_text_clear(&t->rival);
        WR_TRY(key_add(t, &t->bytes, key, in, row));
        wr_order_key_put(&t->rival, &t->values[key->column], key->descending, key->nulls_first);
        if (!wr_text_ok(&t->rival))
            return WEIR_MEMORY;
        *order = bytes_compare(t->bytes.data, t->bytes.length, t->rival.data, t->rival.length);
        if (*order != 0)
            return WEIR_OK;
    }
    wr_text_clear(&t->bytes);
    WR_TRY(wr_row_put(&t->bytes, in, row, &t->ctx->eval.step));
    *order = bytes_compare(t->bytes.data, t->bytes.length, stored->bytes, stored->length);
    return WEIR_OK;
}

/* What changes is not handed on now: no partition stays touched. */
static bool
is_silent(const top_n *t)
{
    return t->restoring || t->config->at_end;
}

weir_status
wr_top_n_best(top_n *t, wr_bag *bag, const wr_batch *in, uint32_t i)
{
    uint32_t row = wr_batch_row(in, i);
    int32_t best = bag->mark != 0 ? t->dirty[bag->mark - 1].best : -1;
    bool unknown = t->words[i] == bag->bound || bag->bound == UINT64_MAX;
    int order = -1;
    if (unknown && best >= 0)
        WR_TRY(rows_compare(t, in, row, (uint32_t)best, &order));
    else if (unknown && bag->block_count > 0)
        WR_TRY(stored_compare(t, in, row, wr_bag_last(bag), &order));
    if (order >= 0)
        return WEIR_OK;
    if (bag->mark == 0)
        WR_TRY(is_silent(t) ? wr_top_n_touch_new(t, bag) : wr_top_n_touch(t, bag));
    t->dirty[bag->mark - 1].best = (int32_t)row;
    bag->bound = has_words(t) ? t->words[i] : UINT64_MAX;
    return WEIR_OK;
}

weir_status
wr_top_n_best_put(top_n *t, const wr_batch *in)
{
    for (uint32_t i = t->dirty_at; i < t->dirty_count; i++) {
        top_dirty *d = &t->dirty[i];
        uint32_t row = (uint32_t)d->best;
        if (is_silent(t))
            d->bag->mark = 0;
        if (d->best < 0)
            continue;
        wr_text_clear(&t->bytes);
        WR_TRY(wr_row_put(&t->bytes, in, row, &t->ctx->eval.step));
        if (t->bytes.length > UINT32_MAX)
            return WEIR_MEMORY;
        WR_TRY(wr_bag_set(&t->bags, d->bag, t->bytes.data, 0, (uint32_t)t->bytes.length));
        if (!is_silent(t))
            t->bags.made->mark = row + 1;
        d->best = -1;
    }
    if (is_silent(t))
        t->dirty_count = t->dirty_at;
    return WEIR_OK;
}
