/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_sum.c -- exact sums of numeric values of any scale and size (wr_numsum of agg_impl.h).
 *
 * Place       agg_numeric.c and agg_stat.c.
 * State       inside the aggregate's state; limbs and scale counts in the pane's arena.
 * Invariants  S1  the total is exact: order, batches and merging do not matter
 *             S2  taking away what was added leaves the same total and the same display scale
 *             S3  limbs hold up to 2^63 / 10^4 additions each before they could overflow
 */
#include "expr/agg_impl.h"

#include <string.h>

typedef struct wr_numrare {
    int64_t  nans, positive, negative; /* infinities by sign                       */
    int32_t  low;                      /* weight (power of 10000) of limbs[0]      */
    uint32_t limb_count;
    uint32_t scale_count;
    uint32_t reserved;
    int64_t *limbs;
    int64_t *scales; /* how many values of each display scale are in here */
} wr_numrare;

/* The layout of a num, from data/numeric.h. */
enum { NUM_HEADER = 6, NUM_NEGATIVE = 1 };

static wr_numrare *
rare_open(wr_agg_ctx *ctx, wr_numsum *s)
{
    if (s->rare == NULL && (s->rare = wr_arena_calloc(ctx->arena, 1, sizeof *s->rare)) == NULL)
        ctx->failed = true;
    return s->rare;
}

/* Make limbs for weights first..last. */
static bool
rare_reserve(wr_agg_ctx *ctx, wr_numrare *r, int first, int last)
{
    if (r->limb_count > 0) {
        if (first >= r->low && last < r->low + (int) r->limb_count)
            return true;
        first = WR_MIN(first, r->low);
        last = WR_MAX(last, r->low + (int) r->limb_count - 1);
    }
    uint32_t count = (uint32_t) (last - first + 1);
    int64_t *limbs = wr_arena_calloc(ctx->arena, count, sizeof *limbs);
    if (limbs == NULL) {
        ctx->failed = true;
        return false;
    }
    if (r->limb_count > 0)
        memcpy(limbs + (r->low - first), r->limbs, r->limb_count * sizeof *limbs);
    r->limbs = limbs;
    r->low = first;
    r->limb_count = count;
    return true;
}

static void
rare_count_scale(wr_agg_ctx *ctx, wr_numrare *r, int scale, int64_t by)
{
    if ((uint32_t) scale >= r->scale_count) {
        uint32_t count = (uint32_t) scale + 1;
        int64_t *scales = wr_arena_calloc(ctx->arena, count, sizeof *scales);
        if (scales == NULL) {
            ctx->failed = true;
            return;
        }
        if (r->scale_count > 0)
            memcpy(scales, r->scales, r->scale_count * sizeof *scales);
        r->scales = scales;
        r->scale_count = count;
    }
    r->scales[scale] += by;
}

/* Digits of a finite num into the limbs, not counting it. */
static void
rare_add_digits(wr_agg_ctx *ctx, wr_numrare *r, const wr_string *num, int sign)
{
    const char *p = wr_string_data(num);
    int16_t     weight, digit;
    int         count = ((int) num->length - NUM_HEADER) / 2;
    if (count <= 0)
        return; /* zero */
    memcpy(&weight, p + 4, sizeof weight);
    if (!rare_reserve(ctx, r, weight - count + 1, weight))
        return;
    if (p[0] == NUM_NEGATIVE)
        sign = -sign;
    for (int i = 0; i < count; i++) {
        memcpy(&digit, p + NUM_HEADER + 2 * i, sizeof digit);
        r->limbs[weight - i - r->low] += sign * digit;
    }
}

static void
rare_add_int128(wr_agg_ctx *ctx, wr_numrare *r, wr_int128 v, int scale, int sign)
{
    wr_arena  scratch;
    wr_string num;
    wr_arena_init(&scratch, ctx->arena->budget);
    if (wr_num_from_int128(v, scale, &scratch, &num) == WEIR_OK)
        rare_add_digits(ctx, r, &num, sign);
    else
        ctx->failed = true;
    wr_arena_fini(&scratch);
}

void
wr_numsum_add_rare(wr_agg_ctx *ctx, wr_numsum *s, wr_int128 v, int scale, int sign)
{
    wr_numrare *r = rare_open(ctx, s);
    if (r == NULL)
        return;
    rare_add_int128(ctx, r, v, scale, sign);
    rare_count_scale(ctx, r, scale, sign);
    s->count += sign;
}

void
wr_numsum_add_num(wr_agg_ctx *ctx, wr_numsum *s, const wr_string *num, int sign)
{
    wr_int128 v;
    int       scale = wr_num_display_scale(num);
    if (scale <= 38 && wr_num_to_int128(num, scale, &v)) {
        wr_numsum_add(ctx, s, v, scale, sign);
        return;
    }
    wr_numrare *r = rare_open(ctx, s);
    if (r == NULL)
        return;
    s->count += sign;
    if (wr_num_is_nan(num)) {
        r->nans += sign;
    } else if (wr_num_is_infinite(num)) {
        *(wr_num_sign(num) > 0 ? &r->positive : &r->negative) += sign;
    } else {
        rare_add_digits(ctx, r, num, sign);
        rare_count_scale(ctx, r, scale, sign);
    }
}

void
wr_numsum_add_row(wr_agg_ctx *ctx, wr_numsum *s, const wr_column *column, uint32_t row, int sign)
{
    const wr_column *base = wr_column_base(column);
    uint32_t         i = wr_column_index(column, row);
    if (base->form == WR_NUM)
        wr_numsum_add_num(ctx, s, &((const wr_string *) base->data)[i], sign);
    else if (base->form == WR_DEC64)
        wr_numsum_add(ctx, s, ((const int64_t *) base->data)[i], base->scale, sign);
    else
        wr_numsum_add(ctx, s, ((const wr_int128 *) base->data)[i], base->scale, sign);
}

void
wr_numsum_merge(wr_agg_ctx *ctx, wr_numsum *into, const wr_numsum *from, int sign)
{
    wr_int128 sum, v = wide_get(&from->sum);
    if (into->plain == 0 && into->sum.low == 0 && into->sum.high == 0)
        into->scale = from->scale;
    if (into->scale == from->scale && !wr_sum_overflows(wide_get(&into->sum), v, sign, &sum)) {
        wide_set(&into->sum, sum);
        into->plain += sign * from->plain;
    } else {
        wr_numrare *r = rare_open(ctx, into);
        if (r == NULL)
            return;
        rare_add_int128(ctx, r, v, from->scale, sign);
        rare_count_scale(ctx, r, from->scale, sign * from->plain);
    }
    into->count += sign * from->count;
    const wr_numrare *f = from->rare;
    wr_numrare       *r = f != NULL ? rare_open(ctx, into) : NULL;
    if (r == NULL)
        return;
    r->nans += sign * f->nans;
    r->positive += sign * f->positive;
    r->negative += sign * f->negative;
    if (f->limb_count > 0 && rare_reserve(ctx, r, f->low, f->low + (int) f->limb_count - 1))
        for (uint32_t i = 0; i < f->limb_count; i++)
            r->limbs[f->low - r->low + (int) i] += sign * f->limbs[i];
    for (uint32_t i = 0; i < f->scale_count; i++)
        if (f->scales[i] != 0)
            rare_count_scale(ctx, r, (int) i, sign * f->scales[i]);
}

bool
wr_numsum_is_finite(const wr_numsum *s)
{
    const wr_numrare *r = s->rare;
    return r == NULL || (r->nans == 0 && r->positive == 0 && r->negative == 0);
}

/* The largest display scale among the values. */
static int
numsum_scale(const wr_numsum *s)
{
    const wr_numrare *r = s->rare;
    uint32_t          known = r != NULL ? r->scale_count : 0;
    int64_t           plain = s->plain;
    int               scale = 0;
    for (uint32_t i = 0; i < known; i++) {
        if ((int) i == s->scale)
            plain += r->scales[i];
        else if (r->scales[i] > 0)
            scale = (int) i;
    }
    return plain > 0 ? WR_MAX(scale, s->scale) : scale;
}

/* The limbs as decimal text: carries first, then digits, then the num's own parser. */
static weir_status
rare_total(const wr_numrare *r, wr_arena *arena, wr_string *out)
{
    enum { BASE = 10000, SPARE = 4 }; /* 2^63 is below 10000^5: a carry needs at most 4 more limbs */
    uint32_t count = r->limb_count + SPARE;
    int64_t *digits = wr_arena_alloc(arena, count * sizeof *digits), carry = 0;
    if (digits == NULL)
        return WEIR_MEMORY;
    for (int negate = 0; negate < 2; negate++) {
        carry = 0;
        for (uint32_t i = 0; i < count; i++) {
            int64_t v = (i < r->limb_count ? (negate ? -r->limbs[i] : r->limbs[i]) : 0) + carry;
            carry = v / BASE - (v % BASE < 0);
            digits[i] = v - carry * BASE;
        }
        if (carry < 0)
            continue; /* the sum is negative: once more with the signs turned */
        wr_text text;
        wr_text_init(&text, arena->budget);
        wr_text_puts(&text, negate ? "-" : "");
        for (int w = WR_MAX(r->low + (int) count - 1, 0); w >= WR_MIN(r->low, 0); w--) {
            bool    inside = w >= r->low && w < r->low + (int) count;
            int64_t d = inside ? digits[w - r->low] : 0;
            wr_text_printf(&text, "%s%04d", w == -1 ? "." : "", (int) d);
        }
        weir_status status = wr_text_ok(&text) ? wr_num_parse(text.data, text.length, arena, out)
                                               : WEIR_MEMORY;
        wr_text_fini(&text);
        return status;
    }
    wr_unreachable();
}

weir_status
wr_numsum_total(const wr_numsum *s, wr_arena *arena, wr_string *out)
{
    const wr_numrare *r = s->rare;
    wr_string         limbs, plain, total;
    if (!wr_numsum_is_finite(s)) {
        bool        nan = r->nans > 0 || (r->positive > 0 && r->negative > 0);
        const char *text = nan ? "NaN" : r->positive > 0 ? "Infinity" : "-Infinity";
        return wr_num_parse(text, strlen(text), arena, out);
    }
    WR_TRY(wr_num_from_int128(wide_get(&s->sum), s->scale, arena, &plain));
    if (r == NULL || r->limb_count == 0) {
        total = plain;
    } else {
        WR_TRY(rare_total(r, arena, &limbs));
        WR_TRY(wr_num_add(&plain, &limbs, arena, &total));
    }
    return wr_num_round(&total, numsum_scale(s), arena, out);
}

void
wr_numsum_encode(const wr_numsum *s, wr_snapshot_writer *to)
{
    const wr_numrare *r = s->rare;
    wr_wide_encode(&s->sum, to);
    wr_snapshot_put_i64(to, s->count);
    wr_snapshot_put_i64(to, s->plain);
    wr_snapshot_put_u64(to, (uint64_t) s->scale);
    wr_snapshot_put_u64(to, r != NULL);
    if (r == NULL)
        return;
    wr_snapshot_put_i64(to, r->nans);
    wr_snapshot_put_i64(to, r->positive);
    wr_snapshot_put_i64(to, r->negative);
    wr_snapshot_put_i64(to, r->low);
    wr_snapshot_put_u64(to, r->limb_count);
    for (uint32_t i = 0; i < r->limb_count; i++)
        wr_snapshot_put_i64(to, r->limbs[i]);
    wr_snapshot_put_u64(to, r->scale_count);
    for (uint32_t i = 0; i < r->scale_count; i++)
        wr_snapshot_put_i64(to, r->scales[i]);
}

static int64_t *
decode_words(wr_agg_ctx *ctx, wr_snapshot_reader *from, uint64_t count)
{
    enum { WORDS_MAX = 1 << 17 }; /* no num is longer */
    int64_t *words = count <= WORDS_MAX ? wr_arena_calloc(ctx->arena, count + 1, sizeof *words) : NULL;
    for (uint64_t i = 0; words != NULL && i < count; i++)
        words[i] = wr_snapshot_get_i64(from);
    from->failed |= count > WORDS_MAX;
    return words;
}

weir_status
wr_numsum_decode(wr_agg_ctx *ctx, wr_numsum *s, wr_snapshot_reader *from)
{
    memset(s, 0, sizeof *s);
    wr_wide_decode(&s->sum, from);
    s->count = wr_snapshot_get_i64(from);
    s->plain = wr_snapshot_get_i64(from);
    uint64_t scale = wr_snapshot_get_u64(from);
    from->failed |= scale > WR_NUMERIC_SCALE_MAX;
    s->scale = (int32_t) WR_MIN(scale, (uint64_t) WR_NUMERIC_SCALE_MAX);
    if (wr_snapshot_get_u64(from) == 0)
        return wr_agg_decoded(from);
    wr_numrare *r = rare_open(ctx, s);
    if (r == NULL)
        return WEIR_MEMORY;
    r->nans = wr_snapshot_get_i64(from);
    r->positive = wr_snapshot_get_i64(from);
    r->negative = wr_snapshot_get_i64(from);
    int64_t low = wr_snapshot_get_i64(from);
    from->failed |= low < INT16_MIN || low > INT16_MAX;
    r->low = (int32_t) low;
    uint64_t limbs = wr_snapshot_get_u64(from);
    r->limbs = decode_words(ctx, from, limbs);
    uint64_t scales = wr_snapshot_get_u64(from);
    r->scales = decode_words(ctx, from, scales);
    WR_TRY(wr_agg_decoded(from));
    r->limb_count = (uint32_t) limbs;
    r->scale_count = (uint32_t) scales;
    return r->limbs != NULL && r->scales != NULL ? WEIR_OK : WEIR_MEMORY;
}
