/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/nearest.h -- "did you mean": of the names there are, the one somebody most likely meant by another.
 *
 * Source      optimal string alignment (Damerau, CACM 1964; Levenshtein 1966): an edit adds, drops or
 *             changes a byte, or swaps two neighbours
 * Invariants  N1  what is found is at most 3 edits away and at most half of the name's bytes, or else it
 *                 begins with the whole of a name of three bytes and more
 *             N2  of two equally near ones that of the same length, then the one offered first
 * Cost        length * length a name whose length is near enough, else nothing
 */
#pragma once

#include <stdint.h>

typedef struct wr_nearest {
    const char *name; /* what was said; borrowed, like all that is offered */
    const char *best; /* NULL: nothing is near */
    uint32_t    cost; /* of best */
} wr_nearest;

void     wr_nearest_init(wr_nearest *nearest, const char *name);
void     wr_nearest_offer(wr_nearest *nearest, const char *candidate);
/* Edits from a to b, at most limit; limit + 1 when farther, or when one is longer than 63 bytes. */
uint32_t wr_edit_distance(const char *a, const char *b, uint32_t limit);
