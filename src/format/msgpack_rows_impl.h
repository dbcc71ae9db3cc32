/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/msgpack_rows_impl.h -- MessagePack records by one learned shape, as many as there are: the inner loop.
 *
 * Included by msgpack_kernel_sse.c and msgpack_kernel_avx2.c, which define KERNEL_NAME, kernel_good and kernel_copy_64, so
 * that one text is compiled for two instruction sets.
 *
 * Records of numbers alone are read at two places at once, half of the input apart: where one ends tells where the next begins
 * (msgpack_run_impl.h), and two such chains take hardly longer than one.  Where the second place is, is a guess: somewhere in
 * the middle, where two records of the shape stand.  It was right when the first chain ends there, and only then the
 * rows of the second count.  Texts are copied and checked besides, which two chains would not make quicker.
 *
 * Invariants  S1, S2 of shape_impl.h, K1 of msgpack_kernel_impl.h, R1, R2 of msgpack_run_impl.h
 *             P1  rows of the second chain are behind those the first may write, and are moved up to its last one
 */
#pragma once

#include "format/msgpack_run_impl.h"

enum {
    PAIRS_MIN = 64, /* records there must be */
    /* Rows before it is tried again where the guess was wrong; twice as many each time. */
    PAIRS_REST_MIN = 512,
    PAIRS_REST_MAX = 1 << 20,
};

/* How far records are read: the one at `before`, and that at p comes next, into row `row`. */
typedef struct pairs {
    const char *before, *p;
    uint32_t row;
} pairs;

/* Are records numbers alone, in columns without a NULL? */
static inline bool
pairs_fit(const run_step *k, const run_step *last)
{
    for (; k < last; k++)
        if (k->way == RUN_TEXT || k->way == RUN_OTHER || k->way == RUN_SKIP || k->valid != NULL)
            return false;
    return true;
}

/* Two records into their rows; false: one of them is not plain. */
static inline bool
pairs_record(run_step *k, const run_step *last, const char **a, const char **b, uint32_t row_a, uint32_t row_b)
{
    const char *p = *a, *q = *b;
    for (; k < last; k++) {
        if (!run_literal(k, p) || !run_literal(k, q))
            return false;
        p = run_number(k, p + k->length, row_a, false);
        q = run_number(k, q + k->length, row_b, false);
        if (WR_UNLIKELY(p == NULL || q == NULL))
            return false;
    }
    *a = p;
    *b = q;
    return true;
}

static inline const char *
pairs_alone(run_step *k, const run_step *last, const char *p, uint32_t row)
{
    for (; k < last; k++)
        if (!run_literal(k, p) || (p = run_number(k, p + k->length, row, false)) == NULL)
            return NULL;
    return p;
}

/* From p on, as far as a record may be long, where two records seem to stand; NULL: nowhere.  Row `row` may be written. */
static inline const char *
pairs_guess(run_step *steps, const run_step *last, const char *p, ptrdiff_t room, const char *end, uint32_t row)
{
    for (ptrdiff_t i = 0; i < room && end - p >= 2 * room; i++, p++) {
        const char *q = run_literal(steps, p) ? pairs_alone(steps, last, p, row) : NULL;
        if (q != NULL && pairs_alone(steps, last, q, row) != NULL)
            return p;
    }
    return NULL;
}

/* The rows [from, from + count) to `to`. */
static inline void
pairs_move(const run_step *k, const run_step *last, uint32_t from, uint32_t to, uint32_t count)
{
    for (; k < last; k++) {
        size_t width = wr_column_width(k->column);
        memmove((char *)k->data + to * width, (const char *)k->data + from * width, count * width);
    }
}

/* How many records there seem to be, if they can be read so; 0: they cannot. */
static inline uint32_t
pairs_count(const wr_shapes *s, const run_step *steps, const run_step *last, const pairs *at)
{
    size_t bytes = (size_t)(at->p - at->before), left = (size_t)(s->stop - at->p);
    uint32_t rows = s->row_end - at->row;
    if (left < PAIRS_MIN * bytes || rows < PAIRS_MIN || !pairs_fit(steps, last))
        return 0;
    return (uint32_t)WR_MIN(left / bytes, (size_t)rows);
}

/* Most of `some` records; false: not all is as it was guessed. */
static __attribute__((noinline)) bool
pairs_read(const wr_shapes *s, run_step *steps, const run_step *last, uint32_t some, ptrdiff_t room, const char *end,
           pairs *at)
{
    const char *stop = s->stop, *a = at->p, *before_a = at->before, *before_b = NULL;
    const size_t bytes = (size_t)(a - before_a);
    const uint32_t row_end = s->row_end;
    uint32_t half = some / 16 * 7, row = at->row, first = row + half + half / 8, row_b = first; /* P1 */
    const char *middle = pairs_guess(steps, last, a + half * bytes, room, WR_MIN(end, stop), first), *b = middle;
    if (middle == NULL)
        return false;
    bool both = true;
    while (a < middle && row < first) { /* at `middle` two records are whole: much can be read at a, too */
        const char *next_a = a, *next_b = b;
        both = both && row_b < row_end && stop - b >= room;
        if (WR_LIKELY(both) && pairs_record(steps, last, &next_a, &next_b, row, row_b)) {
            before_b = b;
            b = next_b;
            row_b++;
        } else {
            both = false; /* what the second has so far is good */
            next_a = pairs_alone(steps, last, a, row);
            if (next_a == NULL)
                break;
        }
        before_a = a;
        a = next_a;
        row++;
    }
    *at = (pairs){ before_a, a, row };
    if (a != middle)
        return false;
    pairs_move(steps, last, first, row, row_b - first);
    if (row_b > first)
        *at = (pairs){ before_b, b, row + row_b - first };
    return both;
}

static inline uint32_t
pairs_rest_more(uint32_t rest)
{
    return rest == 0 ? (uint32_t)PAIRS_REST_MIN : WR_MIN(2 * rest, (uint32_t)PAIRS_REST_MAX);
}

/* R1 */
static inline const char *
run_record_anew(msgpack_decoder *d, const wr_shape *shape, run_step *steps, const run_step *last, const char *p,
                const char *end)
{
    run_heaps_close(steps, last); /* R2 */
    d->shapes.near_end = false;
    const char *q = kernel_record(d, shape, p, end);
    for (run_step *k = steps; k < last; k++)
        run_step_again(&d->shapes, k);
    return q;
}

const char *
KERNEL_NAME(void *decoder, const wr_shape *shape, const char *p, const char *end)
{
    msgpack_decoder *d = decoder;
    wr_shapes *s = &d->shapes;
    run_step *steps = d->run_steps;
    const char *q = kernel_record(d, shape, p, end), *stop = s->stop;
    if (q == NULL)
        return NULL;
    uint32_t row = s->row + 1, row_end = s->row_end;
    size_t bytes_max = d->record_bytes_max;
    ptrdiff_t room = q < stop && row < row_end ? (ptrdiff_t)run_bind(d, shape, row) : 0;
    const run_step *last = steps + (room > 0 ? shape->step_count : 0);
    const uint32_t first_row = row;
    bool pairs_may = room > 0 && shape->missing_count == 0 && (size_t)room <= bytes_max;
    uint32_t pairs_from = pairs_may ? row + d->pairs_wait : UINT32_MAX;
    for (; q < stop && row < row_end; row++) {
        const char *next = NULL;
        if (row >= pairs_from && room > 0) {
            pairs pair = { p, q, row };
            uint32_t count = pairs_count(s, steps, last, &pair);
            if (count > 0) {
                bool good = pairs_read(s, steps, last, count, room, end, &pair);
                d->pairs_rest = good ? 0 : pairs_rest_more(d->pairs_rest);
            }
            pairs_from = count > 0 ? pair.row + d->pairs_rest : UINT32_MAX;
            p = pair.before;
            q = pair.p;
            row = pair.row;
            if (q == stop || row == row_end)
                break;
        }
        s->row = row;
        if (stop - q > RUN_NEAR)
            run_near(q, (size_t)(q - p));
        if (WR_UNLIKELY(end - q < room)) { /* the end is near, and stays so */
            run_unbind(steps, last, row - first_row);
            last = steps;
            room = 0;
        }
        if (room > 0)
            next = run_record(d, steps, last, q, end, row);
        if (WR_UNLIKELY(next == NULL || next > stop || !run_missing(d, shape, row))) /* K1 */
            next = run_record_anew(d, shape, steps, last, q, end);
        if (WR_UNLIKELY(next == NULL || (size_t)(next - q) > bytes_max)) {
            s->near_end = false;
            break;
        }
        p = q;
        q = next;
    }
    s->row = row - 1;
    d->pairs_wait = pairs_from != UINT32_MAX && pairs_from > row ? pairs_from - row : 0;
    run_unbind(steps, last, row - first_row);
    s->last_bytes = (size_t)(q - p);
    return q;
}
