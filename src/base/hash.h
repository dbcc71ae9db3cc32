/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/hash.h -- hash functions.  Values are stable within a process only, except wr_hash_stable,
 * which names key groups in checkpoints and must never change.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t
wr_hash_bytes(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

/* A 64x64->128 multiply folded: 2-4 times cheaper than XXH3 for short keys. */
static inline uint64_t
wr_hash_u64(uint64_t a, uint64_t b)
{
    unsigned __int128 m =
        (unsigned __int128) (a ^ 0xa0761d6478bd642fu) * (b ^ 0xe7037ed1a0b428dbu);
    return (uint64_t) m ^ (uint64_t) (m >> 64);
}

/* Part of the checkpoint format: XXH64 of the encoded key, seed 0. */
static inline uint64_t
wr_hash_stable(const void *bytes, size_t length)
{
    return XXH64(bytes, length, 0);
}
