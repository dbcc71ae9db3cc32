/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_index_impl.h -- where fields end, 64 bytes at a time.
 *
 * Included by csv_index_sse.c and csv_index_avx2.c, which define INDEX_NAME and what a block is, so that one text is
 * compiled for two instruction sets.
 *
 * Worked example, delimiter `,` and quote `"`; the quote bits xor-summed from the left say what lies inside:
 *     1,"a,b",2\n          quotes   ..1...1...     inside   ..1111....
 *     ends                          .1.....1.1     those of `,` and `\n` that are not inside
 */
#pragma once

#include "format/csv_run_impl.h"

/* Bit i: an odd number of bits 0..i are set. */
static inline uint64_t
prefix_xor(uint64_t m)
{
    m ^= m << 1;
    m ^= m << 2;
    m ^= m << 4;
    m ^= m << 8;
    m ^= m << 16;
    m ^= m << 32;
    return m;
}

/* The positions of m's bits, after `at`; eight are written at a time. */
static inline uint16_t *
ends_put(uint16_t *to, uint64_t m, uint32_t at)
{
    uint16_t *end = to + __builtin_popcountll(m);
    while (m != 0) {
        for (int i = 0; i < 4; i++) {
            to[i] = (uint16_t) (at + (uint32_t) __builtin_ctzll(m | 1ull << 63));
            m &= m - 1;
        }
        to += 4;
    }
    return end;
}

void
INDEX_NAME(wr_csv_run *run, char delimiter, char escape, bool quote)
{
    uint16_t *const first = wr_csv_run_ends(run);
    uint16_t       *to = first;
    uint64_t        inside = 0, escaping = 0, odd = 0, any = 0, returns = 0;
    uint32_t        breaks = 0;
    const index_marks marks = index_marks_make(delimiter, escape);
    run->stop = run->bytes;
    for (uint32_t at = 0; at < run->bytes; at += WR_CSV_BLOCK) {
        index_block b = index_block_read(run->base + at, &marks);
        run->quoted[at / WR_CSV_BLOCK] = b.escapes;
        odd |= b.odd;
        any |= b.escapes;
        returns |= b.returns;
        uint64_t ends = b.delimiters | b.newlines;
        if (WR_UNLIKELY(b.escapes != 0 || inside != 0 || escaping != 0)) {
            if (quote) {
                uint64_t in = prefix_xor(b.escapes) ^ inside;
                inside = (uint64_t) ((int64_t) in >> 63);
                ends &= ~in;
                b.newlines &= ~in;
            } else if (((b.escapes << 1 | escaping) & ends) != 0 && run->stop == run->bytes) {
                /* a backslash takes what follows it: that record is read by itself */
                run->stop = at + (uint32_t) __builtin_ctzll((b.escapes << 1 | escaping) & ends);
            }
            escaping = quote ? 0 : b.escapes >> 63;
        }
        breaks += (uint32_t) __builtin_popcountll(b.newlines);
        to = ends_put(to, ends, at);
    }
    run->count = (uint32_t) (to - first);
    run->breaks = breaks;
    run->odd = odd != 0;
    run->quotes = any != 0;
    run->returns = returns != 0;
}
