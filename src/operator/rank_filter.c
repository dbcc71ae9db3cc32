/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/rank_filter.c -- leave out rows that cannot be among the first of their partition any more.
 *
 *     rank() OVER (PARTITION BY window_end ORDER BY price DESC) <= 1
 *
 *     10:00 | 5     passes: the first of its partition
 *     10:00 | 7     passes
 *     10:00 | 6     stays out: 7 has passed
 *     10:00 | 7     passes: a tie
 *
 * Place       before the exchange and the operator that ranks (over.c).  Order, watermarks and barriers pass
 *             as they are.
 * State       none to snapshot: of some partitions the best words that have passed.  To forget them is always
 *             right, and lets more rows pass: the table is small, and of two partitions that want one place the
 *             newer has it.
 * Invariants  R1  a row stays out only when `most` rows of its partition whose first order key comes strictly
 *                 before its own have passed, none of them late: its rank is above most
 *             R2  late rows pass and teach nothing: who ranks counts them
 *             R3  rows of which nothing is known pass: a NULL or a long text in the partition, a decimal
 *                 that does not lie in its type's scale
 *             R4  rows in = rows out + rows filtered
 * Cost        a word and a look at one cache line a row
 */
#include "operator/rank_filter.h"

#include "base/hash.h"
#include "operator/event_time.h"
#include "operator/window.h"

#include <math.h>
#include <string.h>

enum {
    WORDS_MAX = 2 * WR_RANK_FILTER_KEYS_MAX,
    WAYS = 4,
    FIRST_SETS = 8,
    MOST_SETS = 1024,
};

/* entries: key words, then the count of words known, then the words, best first */
typedef struct rank_filter {
    const wr_rank_filter_config *config;
    uint32_t key_words, entry_words;
    uint64_t *table;
    uint32_t sets, put_out, turn; /* put_out: partitions that had to go since the table was made */
    uint64_t *words;              /* of the rows of the batch at work */
} rank_filter;

static uint32_t
key_words_of(wr_type type)
{
    switch (type.id) {
    case WR_BOOL:
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return 1;
    case WR_TEXT:
    case WR_UUID: return 2;
    default: return 0;
    }
}

/* Does a numeric of this type lie in a column as int64, where it lies in the type's scale? */
static bool
is_short_decimal(wr_type type)
{
    return type.id == WR_NUMERIC && type.modifier > 0 && type.modifier <= 18;
}

bool
wr_rank_filter_can(const wr_rank_filter_config *c)
{
    if (c->most == 0 || c->most > WR_RANK_FILTER_MOST_MAX || c->key_count > WR_RANK_FILTER_KEYS_MAX)
        return false;
    for (uint32_t k = 0; k < c->key_count; k++)
        if (key_words_of(c->schema->fields[c->keys[k]].type) == 0)
            return false;
    wr_type order = c->schema->fields[c->order.column].type;
    return (key_words_of(order) != 0 && order.id != WR_UUID) || order.id == WR_FLOAT4 ||
           order.id == WR_FLOAT8 || is_short_decimal(order);
}

static weir_status
rank_filter_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    rank_filter *f = self;
    (void)ctx;
    (void)err;
    f->config = config;
    wr_assert(wr_rank_filter_can(f->config));
    f->key_words = 0;
    for (uint32_t k = 0; k < f->config->key_count; k++)
        f->key_words += key_words_of(f->config->schema->fields[f->config->keys[k]].type);
    f->entry_words = f->key_words + 1 + f->config->most;
    return WEIR_OK;
}

static void
rank_filter_close(void *self)
{
    rank_filter *f = self;
    wr_free(f->table);
    wr_free(f->words);
    f->table = NULL;
    f->words = NULL;
}

/* --- words of the order key: a < b as numbers means that a comes before b --- */

static uint64_t
word_of_integer(int64_t v)
{
    return (uint64_t)v ^ (uint64_t)1 << 63;
}

static uint64_t
word_of_float(double v)
{
    uint64_t bits;
    if (isnan(v))
        return UINT64_MAX; /* the greatest, as in the order of PostgreSQL */
    v = v == 0 ? 0 : v;
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 != 0 ? ~bits : bits | (uint64_t)1 << 63;
}

/* The first eight bytes. */
static uint64_t
word_of_text(const wr_string *s)
{
    char bytes[8] = { 0 };
    memcpy(bytes, wr_string_data(s), WR_MIN(s->length, 8u));
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
}

static int64_t
integer_at(const wr_column *base, uint32_t i)
{
    switch (base->type.id) {
    case WR_BOOL: return ((const uint8_t *)base->data)[i];
    case WR_INT2: return ((const int16_t *)base->data)[i];
    case WR_INT4:
    case WR_DATE: return ((const int32_t *)base->data)[i];
    default: return ((const int64_t *)base->data)[i];
    }
}

static uint64_t
order_word(const wr_column *base, uint32_t i)
{
    switch (base->type.id) {
    case WR_FLOAT4: return word_of_float((double)((const float *)base->data)[i]);
    case WR_FLOAT8: return word_of_float(((const double *)base->data)[i]);
    case WR_TEXT: return word_of_text((const wr_string *)base->data + i);
    default: return word_of_integer(integer_at(base, i));
    }
}

/* By visible row.  false: nothing can be said of this batch (R3). */
static bool
words_make(rank_filter *f, const wr_batch *in)
{
    const wr_sort_key *key = &f->config->order;
    const wr_column *c = in->columns[key->column], *base = wr_column_base(c);
    if (base->type.id == WR_NUMERIC &&
        (base->form != WR_DEC64 ||
         base->scale != f->config->schema->fields[key->column].type.scale))
        return false;
    uint64_t flip = key->descending ? UINT64_MAX : 0;
    bool longs = base->type.id == WR_INT8 || base->type.id == WR_NUMERIC ||
                 base->type.id == WR_TIMESTAMP || base->type.id == WR_TIMESTAMPTZ;
    if (longs && c->layout == WR_FLAT && c->valid == NULL) {
        const int64_t *data = c->data;
        for (uint32_t i = 0; i < in->row_count; i++)
            f->words[i] = word_of_integer(data[wr_batch_row(in, i)]) ^ flip;
        return true;
    }
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        f->words[i] = wr_column_is_null(c, row) ? (key->nulls_first ? 0 : UINT64_MAX)
                                                : order_word(base, wr_column_index(c, row)) ^ flip;
    }
    return true;
}

/* --- partitions --- */

/* The key's words; false: it has none (R3). */
static bool
key_make(const rank_filter *f, const wr_batch *in, uint32_t row, uint64_t *key)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < f->config->key_count; k++) {
        const wr_column *c = in->columns[f->config->keys[k]], *base = wr_column_base(c);
        uint32_t i = wr_column_index(c, row);
        if (wr_column_is_null(c, row))
            return false;
        if (base->type.id == WR_TEXT || base->type.id == WR_UUID) {
            const char *two = (const char *)base->data + 16 * (size_t)i;
            if (base->type.id == WR_TEXT &&
                ((const wr_string *)base->data)[i].length > WR_STRING_INLINE_MAX)
                return false;
            memcpy(key + n, two, 16);
            n += 2;
        } else {
            key[n++] = (uint64_t)integer_at(base, i);
        }
    }
    return true;
}

static uint32_t
set_of(const rank_filter *f, const uint64_t *key)
{
    uint64_t hash = 0;
    for (uint32_t k = 0; k < f->key_words; k++)
        hash = wr_hash_u64(hash, key[k]);
    return (uint32_t)(hash >> 32) & (f->sets - 1);
}

/* More room once as many partitions were put out as it has; what was known is forgotten. */
static bool
table_make(rank_filter *f, wr_ctx *ctx)
{
    uint32_t sets = f->table == NULL ? (f->config->key_count == 0 ? 1 : FIRST_SETS)
                    : f->put_out >= f->sets * WAYS && f->sets < MOST_SETS ? f->sets * 8
                                                                          : f->sets;
    if (sets == f->sets)
        return true;
    uint64_t *table = wr_calloc(ctx->flow, (size_t)sets * WAYS * f->entry_words, sizeof *table);
    if (table == NULL)
        return f->table != NULL;
    wr_free(f->table);
    f->table = table;
    f->sets = sets;
    f->put_out = 0;
    return true;
}

/* The place of a partition: its own, or one that it gets. */
static uint64_t *
entry_of(rank_filter *f, const uint64_t *key)
{
    uint64_t *entry = f->table + (size_t)set_of(f, key) * WAYS * f->entry_words, *taken = NULL;
    for (uint32_t w = 0; w < WAYS; w++, entry += f->entry_words) {
        bool used = entry[f->key_words] != 0;
        if (used && memcmp(entry, key, f->key_words * sizeof *key) == 0)
            return entry;
        if (taken == NULL && !used)
            taken = entry;
    }
    if (taken == NULL) {
        taken = entry - (size_t)(1 + f->turn++ % WAYS) * f->entry_words;
        f->put_out++;
    }
    memcpy(taken, key, f->key_words * sizeof *key);
    taken[f->key_words] = 0;
    return taken;
}

/* Does the row's word leave it a chance (R1)?  Then it is remembered. */
static bool
may_rank(const rank_filter *f, uint64_t *entry, uint64_t word)
{
    uint64_t *count = entry + f->key_words, *best = count + 1;
    uint32_t at, most = f->config->most;
    if (*count == most && word >= best[most - 1])
        return word == best[most - 1];
    at = *count < most ? (uint32_t)(*count)++ : most - 1;
    for (; at > 0 && best[at - 1] > word; at--)
        best[at] = best[at - 1];
    best[at] = word;
    return true;
}

/* R2 */
static bool
is_late(const wr_rank_filter_config *c, const wr_batch *in, uint32_t row)
{
    if (c->time_column < 0)
        return false;
    wr_time w = wr_batch_row_watermark(in, row);
    return wr_event_time_get(in->columns[c->time_column], row) <
           wr_watermark_shift(w, c->time_offset);
}

/* Are all rows of one partition, and of them all late or none? */
static bool
is_one_partition(const wr_rank_filter_config *c, const wr_batch *in)
{
    bool one = c->time_column < 0 || in->row_watermark == NULL;
    for (uint32_t k = 0; k < c->key_count && one; k++)
        one = in->columns[c->keys[k]]->layout == WR_CONSTANT;
    return one;
}

static uint32_t
select_rows(rank_filter *f, const wr_batch *in, uint16_t *selected)
{
    uint64_t key[WORDS_MAX + 1], last_key[WORDS_MAX + 1], *entry = NULL;
    uint32_t count = 0;
    bool one = is_one_partition(f->config, in), known = false;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        if (i == 0 || !one) {
            known = key_make(f, in, row, key) && !is_late(f->config, in, row);
            if (known &&
                (entry == NULL || memcmp(key, last_key, f->key_words * sizeof *key) != 0)) {
                entry = entry_of(f, key);
                memcpy(last_key, key, f->key_words * sizeof *key);
            }
        }
        if (!known || may_rank(f, entry, f->words[i]))
            selected[count++] = (uint16_t)row;
    }
    return count;
}

static wr_flow
rank_filter_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    rank_filter *f = self;
    uint16_t selected[WR_BATCH_ROWS_MAX];
    wr_assert(port == 0);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    if (f->words == NULL)
        f->words = wr_alloc(ctx->flow, WR_BATCH_ROWS_MAX * sizeof *f->words);
    if (f->words == NULL || !table_make(f, ctx))
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to tell the first rows of partitions");
    uint32_t count = in->row_count;
    if (words_make(f, in))
        count = select_rows(f, in, selected);
    atomic_fetch_add_explicit(&ctx->counters.rows_filtered, in->row_count - count,
                              memory_order_relaxed); /* R4 */
    if (count == 0)
        return WR_FLOW_NEXT;
    wr_batch *kept = count == in->row_count ? wr_batch_retain((wr_batch *)in)
                                            : wr_batch_select(ctx->flow, in, selected, count);
    if (kept == NULL)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u rows", count);
    wr_ctx_emit(ctx, WR_PORT_MAIN, kept);
    return WR_FLOW_NEXT;
}

static void
rank_filter_explain(const void *config, wr_text *to)
{
    const wr_rank_filter_config *c = config;
    wr_text_printf(to, "first %u by %s%s", c->most, c->schema->fields[c->order.column].name,
                   c->order.descending ? " desc" : "");
    for (uint32_t k = 0; k < c->key_count; k++)
        wr_text_printf(to, "%s%s", k == 0 ? " of each " : ", ", c->schema->fields[c->keys[k]].name);
}

const wr_operator_ops wr_rank_filter_ops = {
    .name = "rank_filter",
    .self_size = sizeof(rank_filter),
    .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = rank_filter_open,
    .process = rank_filter_process,
    .close = rank_filter_close,
    .explain = rank_filter_explain,
};
