/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/msgpack_loop.c -- how fast could MessagePack bids be decoded?  The yardstick of tools/bench/json.c.
 *
 * Place       loops made for one schema each, with AVX2, which write the columns that the decoder writes: compare the exact
 *             bytes before a value, take the value, check texts for ASCII and copy the long ones, bring near what comes.
 *             They know no NULL, no other order, type or sign, and what is none of this ends them.
 * Cost        what the chain "tag, length, next tag" of the values costs: a head that is that of the record before is a
 *             branch, and no link of it.
 */
#include "data/value.h"

#include "msgpack_limit.h"

#include <immintrin.h>
#include <string.h>

#define LOOP static inline __attribute__((always_inline, target("avx2,bmi,bmi2")))

enum { ROWS = 4096, AHEAD = 2048, TEXT_MAX = 64 };

static struct {
    int64_t numbers[3][ROWS], times[ROWS];
    wr_string texts[3][ROWS];
    char heaps[3][ROWS * TEXT_MAX + TEXT_MAX];
    size_t heap_length[3];
    uint32_t last[3]; /* length of the last text */
} to;

/* 0xff for the first n bytes, n in 0..16, at mask + 16 - n. */
static const uint8_t mask[32] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

LOOP uint64_t
big_endian(const char *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return __builtin_bswap64(x);
}

/* Behind the literal, or NULL. */
LOOP const char *
literal(const char *p, const char *text, unsigned n)
{
    __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p),
                                     _mm256_loadu_si256((const __m256i *)text));
    uint32_t wanted = (1u << n) - 1;
    return ((uint32_t)_mm256_movemask_epi8(same) & wanted) == wanted ? p + n : NULL;
}

/* Without a sign. */
LOOP const char *
number(const char *p, int column, uint32_t row)
{
    uint8_t tag = (uint8_t)*p;
    if (tag < 0x80) {
        to.numbers[column][row] = tag;
        return p + 1;
    }
    if (tag < 0xcc || tag > 0xcf)
        return NULL;
    unsigned bytes = 1u << (tag & 3);
    to.numbers[column][row] = (int64_t)(big_endian(p + 1) >> (64 - 8 * bytes));
    return p + 1 + bytes;
}

/* One that is mostly of 32. */
LOOP const char *
number_32(const char *p, int column, uint32_t row)
{
    if (__builtin_expect((uint8_t)*p != 0xce, 0))
        return number(p, column, row);
    to.numbers[column][row] = (int64_t)(big_endian(p + 1) >> 32);
    return p + 5;
}

LOOP const char *
text_put(const char *at, size_t n, int column, uint32_t row)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i a = _mm256_loadu_si256((const __m256i *)at);
    __m256i b = _mm256_loadu_si256((const __m256i *)(at + 32));
    uint64_t good = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(a, zero)) |
                    (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(b, zero)) << 32;
    wr_string *s = &to.texts[column][row];
    if (n <= WR_STRING_INLINE_MAX) {
        __m128i v = _mm_and_si128(_mm256_castsi256_si128(a),
                                  _mm_loadu_si128((const __m128i *)(mask + 16 - n)));
        v = _mm_or_si128(_mm_slli_si128(v, 4), _mm_cvtsi32_si128((int)n));
        _mm_storeu_si128((__m128i *)s, v);
    } else {
        char *heap = to.heaps[column] + to.heap_length[column];
        to.heap_length[column] += n;
        _mm256_storeu_si256((__m256i *)heap, a);
        _mm256_storeu_si256((__m256i *)(heap + 32), b);
        s->length = (uint32_t)n;
        memcpy(s->prefix, at, sizeof s->prefix);
        s->pointer = heap;
    }
    return n > 0 && n <= TEXT_MAX && ~good << (64 - n) == 0 ? at + n : NULL;
}

/* A text of less than 32 bytes (wide: up to 255); alike: its length is mostly that of the last. */
LOOP const char *
text(const char *p, bool wide, bool alike, int column, uint32_t row)
{
    uint32_t n = wide ? (uint8_t)p[1] : (uint8_t)*p - 0xa0u, last = to.last[column];
    const char *at = p + 1 + wide;
    if (wide && (uint8_t)*p != 0xd9)
        return NULL;
    if (alike && __builtin_expect(n == last, 1))
        return text_put(at, last, column, row);
    to.last[column] = n;
    return n > TEXT_MAX ? NULL : text_put(at, n, column, row);
}

LOOP const char *
stamp(const char *p, uint32_t row)
{
    uint64_t both = big_endian(p + 2), ns = 0, seconds = both >> 32;
    bool wide = __builtin_expect((uint8_t)*p == 0xd7, 1);
    if (wide) {
        ns = both >> 34;
        seconds = both & 0x3ffffffff;
    }
    if ((!wide && (uint8_t)*p != 0xd6) || (uint8_t)p[1] != 0xff || ns >= 1000000000)
        return NULL;
    to.times[row] = (int64_t)(seconds * 1000000 + ns / 1000);
    if (wide)
        return p + 10;
    return p + 6;
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if (__builtin_expect((p = (call)) == NULL, 0))                                             \
            return NULL;                                                                           \
    } while (0)

LOOP const char *
record(const char *p, msgpack_loop which, uint32_t row)
{
    static const char keys[7][32] = { "\x87\xa7" "auction", "\xa6" "bidder", "\xa5" "price", "\xa7" "channel",
                                      "\xa3" "url", "\xa8" "dateTime", "\xa5" "extra" };
    static const char list[2][32] = { "\x97", "\x93" };
    const bool map = which == MSGPACK_LOOP_MAPS;
    if (map)
        TRY(literal(p, keys[0], 9));
    else
        TRY(literal(p, list[which == MSGPACK_LOOP_NUMBERS], 1));
    TRY(number(p, 0, row));
    TRY(map ? literal(p, keys[1], 7) : p);
    TRY(number(p, 1, row));
    TRY(map ? literal(p, keys[2], 6) : p);
    TRY(number_32(p, 2, row));
    if (which == MSGPACK_LOOP_NUMBERS)
        return p;
    TRY(map ? literal(p, keys[3], 8) : p);
    TRY(text(p, false, true, 0, row));
    TRY(map ? literal(p, keys[4], 4) : p);
    TRY(text(p, true, true, 1, row));
    TRY(map ? literal(p, keys[5], 9) : p);
    TRY(stamp(p, row));
    TRY(map ? literal(p, keys[6], 6) : p);
    TRY(text(p, true, false, 2, row));
    return p;
}

LOOP uint64_t
records(const char *p, const char *end, msgpack_loop which)
{
    uint64_t count = 0;
    while (p < end) {
        memset(to.heap_length, 0, sizeof to.heap_length);
        for (uint32_t row = 0; row < ROWS && p < end; row++, count++) {
            for (int i = 0; i < 192 && which != MSGPACK_LOOP_NUMBERS; i += 64)
                __builtin_prefetch(p + AHEAD + i);
            if ((p = record(p, which, row)) == NULL)
                return 0;
        }
    }
    return count;
}

__attribute__((target("avx2,bmi,bmi2"))) uint64_t
msgpack_loop_run(const char *bytes, size_t length, msgpack_loop which)
{
    switch (which) {
    case MSGPACK_LOOP_MAPS: return records(bytes, bytes + length, MSGPACK_LOOP_MAPS);
    case MSGPACK_LOOP_LISTS: return records(bytes, bytes + length, MSGPACK_LOOP_LISTS);
    case MSGPACK_LOOP_NUMBERS: return records(bytes, bytes + length, MSGPACK_LOOP_NUMBERS);
    case MSGPACK_LOOP_NONE: break;
    }
    return 0;
}
