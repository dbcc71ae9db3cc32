/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_impl.h -- what the files of aggregates share: typed loops, wide sums, exact decimal sums.
 *
 * Place       agg_*.c.
 */
#pragma once

#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

/*
 * For each row: `s` is its state (of type S), `v` its value (of type T).  BODY is one or more
 * statements.  The layout is decided once, so the usual loop has constant offsets and no branch.
 */
#define AGG_LOOP(S, T, BODY)                                                                       \
    do {                                                                                           \
        const T *data_ = wr_column_base(args[0])->data;                                            \
        if (args[0]->layout == WR_FLAT && rows.rows == NULL) {                                     \
            for (uint32_t i = 0; i < rows.count; i++) {                                            \
                S      *s = (S *) (void *) (states[i] + offset);                                   \
                const T v = data_[i];                                                              \
                BODY;                                                                              \
            }                                                                                      \
        } else if (args[0]->layout == WR_FLAT) {                                                   \
            for (uint32_t i = 0; i < rows.count; i++) {                                            \
                S      *s = (S *) (void *) (states[i] + offset);                                   \
                const T v = data_[rows.rows[i]];                                                   \
                BODY;                                                                              \
            }                                                                                      \
        } else {                                                                                   \
            for (uint32_t i = 0; i < rows.count; i++) {                                            \
                S      *s = (S *) (void *) (states[i] + offset);                                   \
                const T v = data_[wr_column_index(args[0], fn_row(rows, i))];                      \
                BODY;                                                                              \
            }                                                                                      \
        }                                                                                          \
    } while (0)
/* The same without a value. */
#define AGG_STATES(S, BODY)                                                                        \
    for (uint32_t i = 0; i < rows.count; i++) {                                                    \
        S *s = (S *) (void *) (states[i] + offset);                                                \
        BODY;                                                                                      \
    }

#define AGG_UPDATE(NAME)                                                                           \
    static void NAME(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,  \
                     wr_rows rows)
#define AGG_MERGE(NAME) static void NAME(wr_agg_ctx *ctx, void *into, const void *from)
#define AGG_RESULT(NAME)                                                                           \
    static weir_status NAME(wr_agg_ctx *ctx, const void *state, wr_arena *step, wr_column *out,    \
                            uint32_t row)
#define AGG_ENCODE(NAME)                                                                           \
    static void NAME(wr_agg_ctx *ctx, const void *state, wr_snapshot_writer *to)
#define AGG_DECODE(NAME)                                                                           \
    static weir_status NAME(wr_agg_ctx *ctx, void *state, wr_snapshot_reader *from)

/* --- a sum of 128 bits in two words: states are 8-aligned only --- */

typedef struct wr_wide {
    uint64_t low;
    int64_t  high;
} wr_wide;

static inline void
wide_add(wr_wide *w, int64_t v)
{
    uint64_t low = w->low + (uint64_t) v;
    w->high += (v >> 63) + (low < w->low);
    w->low = low;
}
static inline void
wide_subtract(wr_wide *w, int64_t v)
{
    uint64_t low = w->low - (uint64_t) v;
    w->high -= (v >> 63) + (low > w->low);
    w->low = low;
}
static inline wr_int128
wide_get(const wr_wide *w)
{
    return (wr_int128) (((unsigned __int128) (uint64_t) w->high << 64) | w->low);
}
static inline void
wide_set(wr_wide *w, wr_int128 v)
{
    w->low = (uint64_t) v;
    w->high = (int64_t) (v >> 64);
}
void        wr_wide_encode(const wr_wide *w, wr_snapshot_writer *to);
void        wr_wide_decode(wr_wide *w, wr_snapshot_reader *from);

/* After the last word of a state. */
static inline weir_status
wr_agg_decoded(const wr_snapshot_reader *from)
{
    return from->failed ? WEIR_CHECKPOINT_CORRUPT : WEIR_OK;
}

/* --- results --- */

/* A num or decimal into a numeric column; row 0 lets the column choose its form. */
weir_status wr_agg_put_num(wr_column *out, uint32_t row, const wr_string *num);
weir_status wr_agg_put_int128(wr_column *out, uint32_t row, wr_int128 v, int scale, wr_arena *step);
weir_status wr_agg_put_real(wr_column *out, uint32_t row, double v);
weir_status wr_agg_put_int(wr_column *out, uint32_t row, int64_t v);

/* --- bytes that grow in the pane's arena --- */

typedef struct wr_agg_bytes {
    char    *data;
    uint64_t length, capacity;
} wr_agg_bytes;

/* Beyond WR_STRING_BYTES_MAX nothing more is kept: the result fails anyway (wr_agg_bytes_full). */
void wr_agg_bytes_append(wr_agg_ctx *ctx, wr_agg_bytes *b, const void *bytes, size_t length);
static inline bool
wr_agg_bytes_full(const wr_agg_bytes *b)
{
    return b->length > WR_STRING_BYTES_MAX;
}

/* --- values kept whole (agg_support.c) --- */

/* The value of a row; what must be made for it (a num of a decimal) lies in scratch.  false: no
 * memory, and the context knows. */
bool wr_agg_row_value(wr_agg_ctx *ctx, const wr_column *column, uint32_t row, wr_arena *scratch,
                      wr_value *out);

/* One value, replaced as often as needed: its bytes have one buffer that grows. */
typedef struct wr_agg_kept {
    wr_value value;
    char    *buffer; /* in the arena, for strings beyond the view */
    uint32_t capacity, have;
} wr_agg_kept;
void        wr_agg_kept_set(wr_agg_ctx *ctx, wr_agg_kept *k, const wr_value *v);
weir_status wr_agg_kept_put(const wr_agg_kept *k, wr_column *out, uint32_t row);
void        wr_agg_kept_encode(const wr_agg_kept *k, wr_snapshot_writer *to);
weir_status wr_agg_kept_decode(wr_agg_ctx *ctx, wr_agg_kept *k, wr_snapshot_reader *from);

/* All values, in the order they came; beyond WR_ARRAY_ITEMS_MAX one more is counted and no more kept. */
typedef struct wr_agg_items {
    wr_value *values;
    uint64_t  count, capacity;
} wr_agg_items;
void        wr_agg_items_append(wr_agg_ctx *ctx, wr_agg_items *s, const wr_value *v);
/* The state of each row is, or begins with, a wr_agg_items. */
void        wr_agg_items_update(wr_agg_ctx *ctx, char *const *states, size_t offset,
                                const wr_column *column, wr_rows rows);
void        wr_agg_items_merge(wr_agg_ctx *ctx, wr_agg_items *into, const wr_agg_items *from);
void        wr_agg_items_encode(const wr_agg_items *s, wr_snapshot_writer *to);
weir_status wr_agg_items_decode(wr_agg_ctx *ctx, wr_agg_items *s, wr_snapshot_reader *from);

/* --- exact sums of numeric (agg_sum.c) --- */

/*
 * The usual column has one scale, and its sum fits 128 bits: that is `sum` at `scale`.  Everything
 * else -- values of another scale, nums, NaN, infinities, carries out of 128 bits -- goes to `rare`,
 * an accumulator of base-10000 limbs in the pane's arena.  Adding and taking away are exact in both.
 */
typedef struct wr_numsum {
    wr_wide            sum;
    int64_t            count; /* all values, NaN and infinities too         */
    int64_t            plain; /* those of `scale` counted here, not in rare */
    int32_t            scale;
    int32_t            reserved;
    struct wr_numrare *rare;  /* NULL until needed; in the arena            */
} wr_numsum;

/* sign is 1 to add, -1 to take away. */
static inline bool
wr_sum_overflows(wr_int128 a, wr_int128 b, int sign, wr_int128 *sum)
{
    return sign > 0 ? __builtin_add_overflow(a, b, sum) : __builtin_sub_overflow(a, b, sum);
}
void wr_numsum_add_rare(wr_agg_ctx *ctx, wr_numsum *s, wr_int128 v, int scale, int sign);
void wr_numsum_add_num(wr_agg_ctx *ctx, wr_numsum *s, const wr_string *num, int sign);
static inline void
wr_numsum_add(wr_agg_ctx *ctx, wr_numsum *s, wr_int128 v, int scale, int sign)
{
    wr_int128 sum;
    if (s->plain == 0 && s->sum.low == 0 && s->sum.high == 0)
        s->scale = scale;
    if (WR_UNLIKELY(s->scale != scale) ||
        wr_sum_overflows(wide_get(&s->sum), v, sign, &sum)) {
        wr_numsum_add_rare(ctx, s, v, scale, sign);
        return;
    }
    wide_set(&s->sum, sum);
    s->plain += sign;
    s->count += sign;
}
/* Add what column holds at row (any form). */
void        wr_numsum_add_row(wr_agg_ctx *ctx, wr_numsum *s, const wr_column *column, uint32_t row,
                              int sign);
void        wr_numsum_merge(wr_agg_ctx *ctx, wr_numsum *into, const wr_numsum *from, int sign);
/* The sum with the largest display scale among the values. */
weir_status wr_numsum_total(const wr_numsum *s, wr_arena *arena, wr_string *out);
bool        wr_numsum_is_finite(const wr_numsum *s);
void        wr_numsum_encode(const wr_numsum *s, wr_snapshot_writer *to);
weir_status wr_numsum_decode(wr_agg_ctx *ctx, wr_numsum *s, wr_snapshot_reader *from);

/* num / n */
weir_status wr_num_divide_int(const wr_string *num, int64_t n, wr_arena *arena, wr_string *out);
