/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/random.h -- seeded randomness: splitmix64 (Steele, Lea, Flood 2014).
 *
 * A state is one word, so a stream of numbers can be started at any event id: random access is what
 * makes a generator parallel and replayable.
 */
#pragma once

#include <stdint.h>

typedef struct wr_random {
    uint64_t state;
} wr_random;

static inline uint64_t
wr_mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline void
wr_random_init(wr_random *r, uint64_t seed)
{
    r->state = seed;
}

static inline uint64_t
wr_random_next(wr_random *r)
{
    return wr_mix64(r->state += 0x9e3779b97f4a7c15u);
}

/* Uniform in [0, bound), bound > 0: Lemire's multiply-shift (2019), bias below 2^-32. */
static inline uint64_t
wr_random_below(wr_random *r, uint64_t bound)
{
    return (uint64_t) (((unsigned __int128) wr_random_next(r) * bound) >> 64);
}

/* Uniform in [0, 1). */
static inline double
wr_random_unit(wr_random *r)
{
    return (double) (wr_random_next(r) >> 11) * 0x1.0p-53;
}
