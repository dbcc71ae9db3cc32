/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_top.c -- top_k and histogram (values with counts), min_k and max_k (values in order).
 *
 * top_k counts at most 8 k values (128 at least) by the space-saving algorithm (Metwally, Agrawal,
 * El Abbadi 2005): a value beyond them takes the place, and the count, of the rarest.  Up to that many
 * different values the answer is exact.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       entries sorted by value in the pane's arena; an entry's bytes keep their buffer when
 *             another value takes its place.
 * Invariants  G1, G4 of aggregate.h; G2 exactly while top_k holds every value; not invertible
 *             T1  of equal counts, and of equal values, the order of the values decides
 *             T2  histogram holds at most HISTOGRAM_MAX values, min_k and max_k at most K_MAX: more fail
 *                 the row
 */
#include "data/json.h"
#include "expr/agg_impl.h"
#include "expr/fn_json_impl.h"

#include <stdlib.h>

enum { K_MAX = 1000, HISTOGRAM_MAX = 10000, COUNTED_MIN = 128, COUNTED_A_K = 8 };

typedef struct entry {
    wr_agg_kept kept;
    int64_t     count;
} entry;

typedef struct entries {
    entry   *list;
    uint32_t count, capacity;
    uint32_t used, reserved; /* from count to used: entries left, whose buffers serve again */
    int64_t  k;        /* the first row's; 0: none yet */
    int64_t  overflow; /* histogram: more values than it may hold */
} entries;

/* The place of a value, or where it belongs. */
static uint32_t
entries_find(const entries *s, const wr_value *v, bool *found)
{
    uint32_t low = 0, high = s->count;
    *found = false;
    while (low < high && !*found) {
        uint32_t middle = (low + high) / 2;
        int      order = wr_value_compare(&s->list[middle].kept.value, v);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        *found = order == 0;
    }
    return high < s->count && *found ? high : low;
}

/* The value comes to stand at `at`, in the entry taken from `from` (s->count: a new one). */
static void
entries_place(wr_agg_ctx *ctx, entries *s, uint32_t at, uint32_t from, const wr_value *v,
              int64_t count)
{
    entry e = { .count = count };
    if (from < s->used)
        e.kept = s->list[from].kept;
    wr_agg_kept_set(ctx, &e.kept, v);
    if (ctx->failed)
        return;
    e.count = count;
    if (from < at) {
        at--;
        memmove(&s->list[from], &s->list[from + 1], (at - from) * sizeof e);
    } else {
        memmove(&s->list[at + 1], &s->list[at], (from - at) * sizeof e);
    }
    s->list[at] = e;
}

static bool
entries_reserve(wr_agg_ctx *ctx, entries *s)
{
    if (s->count < s->capacity)
        return true;
    uint32_t capacity = WR_MAX(2 * s->capacity, 4u);
    entry   *grown = wr_arena_alloc(ctx->arena, capacity * sizeof *grown);
    if (grown == NULL) {
        ctx->failed = true;
        return false;
    }
    if (s->count > 0)
        memcpy(grown, s->list, s->count * sizeof *grown);
    s->list = grown;
    s->capacity = capacity;
    return true;
}

static void
entries_insert(wr_agg_ctx *ctx, entries *s, uint32_t at, const wr_value *v, int64_t count)
{
    if (!entries_reserve(ctx, s))
        return;
    entries_place(ctx, s, at, s->count, v, count);
    s->count += !ctx->failed;
    s->used = WR_MAX(s->used, s->count);
}

AGG_ENCODE(entries_encode)
{
    const entries *s = state;
    wr_snapshot_put_i64(to, s->k);
    wr_snapshot_put_i64(to, s->overflow);
    wr_snapshot_put_u64(to, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        wr_snapshot_put_i64(to, s->list[i].count);
        if (wr_snapshot_put_value(to, &s->list[i].kept.value) != WEIR_OK)
            to->bytes.failed = true;
    }
}

AGG_DECODE(entries_decode)
{
    entries *s = state;
    memset(s, 0, sizeof *s);
    s->k = wr_snapshot_get_i64(from);
    s->overflow = wr_snapshot_get_i64(from);
    uint64_t count = wr_snapshot_get_u64(from);
    from->failed |= count > HISTOGRAM_MAX;
    for (uint64_t i = 0; i < count && !from->failed && !ctx->failed; i++) {
        wr_value v;
        int64_t  n = wr_snapshot_get_i64(from);
        WR_TRY(wr_snapshot_get_value(from, ctx->arena, &v));
        entries_insert(ctx, s, s->count, &v, n);
    }
    WR_TRY(wr_agg_decoded(from));
    return ctx->failed ? WEIR_MEMORY : WEIR_OK;
}

/* Every row's value to `offer`; args[1], where there is one, is k. */
typedef void (*entries_offer)(wr_agg_ctx *ctx, entries *s, const wr_value *v, int64_t count);

static void
entries_update(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
               wr_rows rows, entries_offer offer)
{
    wr_arena scratch;
    wr_arena_init(&scratch, ctx->arena->budget);
    for (uint32_t i = 0; i < rows.count; i++) {
        entries *s = (entries *) (void *) (states[i] + offset);
        uint32_t row = fn_row(rows, i);
        wr_value v, k;
        if (ctx->arg_count > 1 && s->k == 0 &&
            wr_agg_row_value(ctx, args[1], row, &scratch, &k))
            s->k = k.integer > 0 ? k.integer : -1;
        if (s->k > K_MAX || s->k < 0 || !wr_agg_row_value(ctx, args[0], row, &scratch, &v))
            continue;
        v.type = (wr_type){ v.type.id, v.type.element, 0, -1 };
        offer(ctx, s, &v, 1);
    }
    wr_arena_fini(&scratch);
}

static void
entries_merge(wr_agg_ctx *ctx, entries *a, const entries *b, entries_offer offer)
{
    if (a->k == 0)
        a->k = b->k;
    a->overflow |= b->overflow;
    if (a->k > K_MAX || a->k < 0)
        return;
    for (uint32_t i = 0; i < b->count; i++)
        offer(ctx, a, &b->list[i].kept.value, b->list[i].count);
}

#define ENTRIES(WHICH)                                                                             \
    AGG_UPDATE(WHICH##_update)                                                                     \
    {                                                                                              \
        entries_update(ctx, states, offset, args, rows, WHICH##_offer);                            \
    }                                                                                              \
    AGG_MERGE(WHICH##_merge)                                                                       \
    {                                                                                              \
        entries_merge(ctx, into, from, WHICH##_offer);                                             \
    }

/* --- top_k --- */

static void
top_offer(wr_agg_ctx *ctx, entries *s, const wr_value *v, int64_t count)
{
    bool     found;
    uint32_t at = entries_find(s, v, &found), rarest = 0;
    if (found) {
        s->list[at].count += count;
        return;
    }
    if (s->count < WR_MAX(COUNTED_A_K * s->k, (int64_t) COUNTED_MIN)) {
        entries_insert(ctx, s, at, v, count);
        return;
    }
    for (uint32_t i = 1; i < s->count; i++)
        if (s->list[i].count < s->list[rarest].count)
            rarest = i;
    entries_place(ctx, s, at, rarest, v, s->list[rarest].count + count);
}
ENTRIES(top)

static int
more_frequent(const void *a, const void *b) /* T1 */
{
    const entry *x = *(entry *const *) a, *y = *(entry *const *) b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x < y ? -1 : x > y;
}

static weir_status
array_put(wr_column *out, uint32_t row, wr_value *items, uint32_t count, wr_arena *step)
{
    wr_value v = { .type = out->type };
    WR_TRY(wr_array_make(wr_type_element(out->type), items, count, step, &v.string));
    return wr_column_set_value(out, row, &v);
}

AGG_RESULT(top_result)
{
    const entries *s = state;
    if (s->k < 0 || s->k > K_MAX)
        return WEIR_ROW_INVALID_ARGUMENT;
    if (s->count == 0)
        return wr_column_set_null(out, row);
    const entry **order = wr_arena_alloc(step, s->count * sizeof *order);
    uint32_t      n = (uint32_t) WR_MIN((int64_t) s->count, s->k);
    wr_value     *items = wr_arena_alloc(step, n * sizeof *items);
    if (order == NULL || items == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < s->count; i++)
        order[i] = &s->list[i];
    qsort(order, s->count, sizeof *order, more_frequent);
    for (uint32_t i = 0; i < n; i++)
        items[i] = order[i]->kept.value;
    return array_put(out, row, items, n, step);
}

/* --- histogram --- */

static void
histogram_offer(wr_agg_ctx *ctx, entries *s, const wr_value *v, int64_t count)
{
    bool     found;
    uint32_t at = entries_find(s, v, &found);
    if (found)
        s->list[at].count += count;
    else if (s->count < HISTOGRAM_MAX)
        entries_insert(ctx, s, at, v, count);
    else
        s->overflow = 1; /* T2 */
}
ENTRIES(histogram)

AGG_RESULT(histogram_result)
{
    const entries *s = state;
    wr_text        text, key;
    wr_value       v = { .type = out->type };
    if (s->overflow)
        return WEIR_ROW_TOO_LARGE;
    if (s->count == 0)
        return wr_column_set_null(out, row);
    wr_text_init(&text, NULL);
    wr_text_init(&key, NULL);
    for (uint32_t i = 0; i < s->count; i++) {
        wr_text_clear(&key);
        wr_fn_cast_text(&s->list[i].kept.value, &key);
        wr_value name = { .type = T_TEXT,
                          .string = wr_string_make(wr_text_string(&key), key.length) };
        wr_text_puts(&text, i == 0 ? "{" : ",");
        wr_fn_json_append(&name, true, &text);
        text.failed |= key.failed;
        wr_text_printf(&text, ":%lld", (long long) s->list[i].count);
    }
    wr_text_putc(&text, '}');
    weir_error  err;
    weir_status status = wr_text_ok(&text) ? WEIR_OK : WEIR_MEMORY;
    if (status == WEIR_OK)
        status = wr_jsonb_parse(wr_text_string(&text), text.length, step, &v.string, &err);
    wr_text_fini(&text);
    wr_text_fini(&key);
    WR_TRY(status);
    return wr_column_set_value(out, row, &v);
}

/* --- min_k, max_k: entries are sorted, and each has a count --- */

static int64_t
entries_total(const entries *s)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < s->count; i++)
        total += s->list[i].count;
    return total;
}

/* Keep the k smallest, or largest: what is at the other end leaves. */
static void
ends_offer(wr_agg_ctx *ctx, entries *s, const wr_value *v, int64_t count, bool largest)
{
    bool     found;
    uint32_t at = entries_find(s, v, &found);
    bool     full = entries_total(s) >= s->k;
    if (full && at == (largest ? 0 : s->count))
        return; /* beyond all that are kept */
    if (found)
        s->list[at].count += count;
    else
        entries_insert(ctx, s, at, v, count);
    int64_t over = entries_total(s) - s->k;
    while (over > 0 && s->count > 0) {
        entry  *last = &s->list[largest ? 0 : s->count - 1];
        int64_t cut = WR_MIN(over, last->count);
        over -= cut;
        last->count -= cut;
        if (last->count > 0)
            break;
        if (largest) { /* it goes behind the others */
            entry left = *last;
            memmove(s->list, s->list + 1, (s->count - 1) * sizeof *s->list);
            s->list[s->count - 1] = left;
        }
        s->count--;
    }
}

static void
smallest_offer(wr_agg_ctx *ctx, entries *s, const wr_value *v, int64_t count)
{
    ends_offer(ctx, s, v, count, false);
}

static void
largest_offer(wr_agg_ctx *ctx, entries *s, const wr_value *v, int64_t count)
{
    ends_offer(ctx, s, v, count, true);
}
ENTRIES(smallest)
ENTRIES(largest)

static weir_status
ends_result(const entries *s, bool largest, wr_arena *step, wr_column *out, uint32_t row)
{
    uint32_t n = 0;
    if (s->k < 0 || s->k > K_MAX)
        return WEIR_ROW_INVALID_ARGUMENT;
    if (s->count == 0)
        return wr_column_set_null(out, row);
    wr_value *items = wr_arena_alloc(step, (size_t) s->k * sizeof *items);
    if (items == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < s->count; i++) {
        const entry *e = &s->list[largest ? s->count - 1 - i : i];
        for (int64_t c = 0; c < e->count && n < s->k; c++)
            items[n++] = e->kept.value;
    }
    return array_put(out, row, items, n, step);
}

AGG_RESULT(smallest_result)
{
    return ends_result(state, false, step, out, row);
}

AGG_RESULT(largest_result)
{
    return ends_result(state, true, step, out, row);
}

static wr_type
array_of_first(const wr_type *args, uint32_t arg_count)
{
    return WR_TYPE_ARRAY(args[0].id);
}

#define COUNTED(NAME, COUNT, RESULT, RESULT_OF, WHICH, DOC, ...)                                   \
    { .name = NAME, .arg_count = COUNT, .args = { __VA_ARGS__ }, .result = RESULT,                 \
      .result_of = RESULT_OF, .state_bytes = sizeof(entries), .nested = true,                      \
      .ignores_null = true, .update = WHICH##_update, .merge = WHICH##_merge,                      \
      .result_at = WHICH##_result, .encode = entries_encode, .decode = entries_decode, .doc = DOC }

const wr_aggregate wr_agg_top[] = {
    COUNTED("top_k", 2, T_ARRAY, array_of_first, top,
            "(x, k): the k most frequent values; approximate beyond 8 k different ones", T_NONARRAY,
            T_INT4),
    COUNTED("histogram", 1, T_JSONB, NULL, histogram,
            "how often each value occurs: {\"value\": count}; at most 10,000 values", T_NONARRAY),
    COUNTED("min_k", 2, T_ARRAY, array_of_first, smallest, "(x, k): the k smallest values",
            T_NONARRAY, T_INT4),
    COUNTED("max_k", 2, T_ARRAY, array_of_first, largest, "(x, k): the k largest values", T_NONARRAY,
            T_INT4),
    { .name = NULL },
};
