/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/json_limit.c -- how fast could bids be decoded?  The yardstick of tools/bench/json.c.
 *
 * Place       a loop made for one schema and one order of keys, with AVX2: compare the exact bytes
 *             before a value, take the value, copy long strings.  It knows nothing of escapes, NULLs,
 *             signs, other orders, UTF-8 or bad records, so no decoder that does can be faster.
 * Cost        what the chain "load, compare, count, advance" of seven values costs.
 */
#include "data/value.h"

#include "json_limit.h"

#include <immintrin.h>
#include <string.h>

typedef struct step {
    char     literal[32];
    uint32_t mask, length;
    bool     text;
} step;

enum { STEPS = 7, ROWS = 4096 };

static const int8_t shift[32] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
};

static inline __attribute__((target("avx2,bmi"))) unsigned
digits(const char *p, uint64_t *value)
{
    __m128i  v = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
    unsigned digit = (unsigned)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(9)), v));
    unsigned n = (unsigned)__builtin_ctz(~digit);
    v = _mm_shuffle_epi8(v, _mm_loadu_si128((const __m128i *)(shift + n)));
    v = _mm_maddubs_epi16(v, _mm_set1_epi16(1 << 8 | 10));
    v = _mm_madd_epi16(v, _mm_set1_epi32(1 << 16 | 100));
    v = _mm_packs_epi32(v, v);
    v = _mm_madd_epi16(v, _mm_set1_epi32(1 << 16 | 10000));
    uint64_t halves = (uint64_t)_mm_cvtsi128_si64(v);
    *value = (halves & 0xffffffff) * 100000000 + (halves >> 32);
    return n;
}

static inline __attribute__((target("avx2,bmi"))) const char *
quote_find(const char *p)
{
    for (;; p += 32) {
        __m256i  v = _mm256_loadu_si256((const __m256i *)p);
        __m256i  hit = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')),
                                       _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(hit);
        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
}

/* n bytes of text at p as a view; more than fit inline go to heap. */
static inline __attribute__((target("avx2,bmi"))) size_t
text_put(wr_string *to, const char *p, size_t n, char *heap)
{
    if (n <= WR_STRING_INLINE_MAX) {
        memset(to, 0, sizeof *to);
        to->length = (uint32_t)n;
        memcpy(to->prefix, p, 12);
        return 0;
    }
    to->length = (uint32_t)n;
    memcpy(to->prefix, p, sizeof to->prefix);
    to->pointer = heap;
    _mm256_storeu_si256((__m256i *)heap, _mm256_loadu_si256((const __m256i *)p));
    _mm256_storeu_si256((__m256i *)(heap + 32), _mm256_loadu_si256((const __m256i *)(p + 32)));
    for (size_t i = 64; i < n; i += 32)
        _mm256_storeu_si256((__m256i *)(heap + i), _mm256_loadu_si256((const __m256i *)(p + i)));
    return n;
}

static __attribute__((target("avx2,bmi"), noinline)) const char *
record_take(const step *steps, const char *p, int64_t (*numbers)[ROWS], wr_string (*texts)[ROWS],
            uint32_t row, char **heap)
{
    for (int i = 0; i < STEPS; i++) {
        const step *s = &steps[i];
        __m256i     same = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p),
                                             _mm256_loadu_si256((const __m256i *)s->literal));
        if (((uint32_t)_mm256_movemask_epi8(same) & s->mask) != s->mask)
            return NULL;
        p += s->length;
        if (s->text) {
            const char *q = quote_find(p);
            *heap += text_put(&texts[i][row], p, (size_t)(q - p), *heap);
            p = q;
        } else {
            uint64_t v;
            p += digits(p, &v);
            numbers[i][row] = (int64_t)v;
        }
    }
    return p;
}

/* clang-format off */
static const char *const literals[STEPS] = {
    "{\"auction\":", ",\"bidder\":", ",\"price\":", ",\"channel\":\"", "\",\"url\":\"",
    "\",\"dateTime\":", ",\"extra\":\"",
};
/* clang-format on */

static void
steps_make(step steps[STEPS])
{
    for (int i = 0; i < STEPS; i++) {
        size_t n = strlen(literals[i]);
        memset(&steps[i], 0, sizeof steps[i]);
        memcpy(steps[i].literal, literals[i], n);
        steps[i].length = (uint32_t)n;
        steps[i].mask = (1u << n) - 1;
        steps[i].text = literals[i][n - 1] == '"';
    }
}

uint64_t
json_limit_lines(const char *bytes, const char *end)
{
    static int64_t   numbers[STEPS][ROWS];
    static wr_string texts[STEPS][ROWS];
    static char      heap[ROWS * 512];
    step             steps[STEPS];
    uint64_t         rows = 0;
    char            *at = heap;
    steps_make(steps);
    for (const char *p = bytes; p < end; rows++) {
        if (rows % ROWS == 0)
            at = heap;
        p = record_take(steps, p, numbers, texts, rows % ROWS, &at);
        if (p == NULL)
            return 0;
        p += 3; /* `"}` and the newline */
    }
    return rows;
}

uint64_t
json_limit_run(const char *bytes, size_t length)
{
    return json_limit_lines(bytes, bytes + length - JSON_LIMIT_AHEAD); /* the last records are left */
}
