/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/print_impl.h -- numbers and times as text, straight into an encoder's buffer.
 *
 * Each writes at `to`, where WR_PRINT_MAX bytes are free, and returns the byte after.
 */
#pragma once

#include "data/batch.h"

#include <string.h>

enum { WR_PRINT_MAX = 64 };

/*
 * wr_put -- a text being written through a bare pointer: between begin and end nobody else may
 * touch the text.  Room is asked for once a value.
 */
typedef struct wr_put {
    wr_text *text;
    char    *at, *end; /* bytes may be written up to end */
} wr_put;

static inline void
wr_put_begin(wr_put *put, wr_text *text)
{
    put->text = text;
    put->at = text->data != NULL ? text->data + text->length : NULL;
    put->end = text->data != NULL ? text->data + text->capacity - 1 : NULL;
}

static inline void
wr_put_end(wr_put *put)
{
    if (put->text->data == NULL)
        return;
    put->text->length = (size_t) (put->at - put->text->data);
    *put->at = '\0';
}

bool wr_put_grow(wr_put *put, size_t bytes); /* false: no memory, and text->failed is set */

static inline bool
wr_put_room(wr_put *put, size_t bytes)
{
    return WR_LIKELY((size_t) (put->end - put->at) >= bytes) || wr_put_grow(put, bytes);
}

/* The n bytes at s, for which there is room. */
static inline void
wr_put_bytes(wr_put *put, const void *s, size_t n)
{
    memcpy(put->at, s, n);
    put->at += n;
}

/* Visible rows [from, from + count), each as often as its diff says, deletions too unless skipped;
 * ends[i] is the offset after row i.  row_put is known where this is called, and inlined. */
static inline __attribute__((always_inline)) weir_status
wr_put_rows(void *encoder,
            weir_status (*row_put)(void *encoder, wr_put *put, const wr_batch *batch, uint32_t row,
                                   bool plus),
            bool skip_deletes, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *to,
            uint32_t *ends)
{
    weir_status status = WEIR_OK;
    wr_put      put;
    wr_assert(from + count <= batch->row_count);
    wr_put_begin(&put, to);
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        uint32_t row = wr_batch_row(batch, from + i);
        int64_t  diff = wr_batch_diff(batch, row), times = diff < 0 ? -diff : diff;
        if (diff < 0 && skip_deletes)
            times = 0;
        for (; times > 0 && status == WEIR_OK; times--)
            status = row_put(encoder, &put, batch, row, diff > 0);
        if (ends != NULL)
            ends[i] = put.at != NULL ? (uint32_t) (put.at - to->data) : 0;
    }
    wr_put_end(&put);
    return status == WEIR_OK && !wr_text_ok(to) ? WEIR_MEMORY : status;
}

/* --- numbers --- */

#define WR_PRINT_ZEROS 0x3030303030303030ull

/* The eight digits of v < 10^8, a byte each, the first one lowest: halves, quarters and single digits
 * side by side in one word, so that no branch asks how many there are. */
static inline uint64_t
wr_print_digits(uint32_t v)
{
    uint64_t halves = v / 10000 | (uint64_t) (v % 10000) << 32;
    uint64_t hundreds = (halves * 10486 >> 20) & 0x7f0000007full; /* by 100, below 10,000 */
    uint64_t pairs = hundreds | (halves - 100 * hundreds) << 16;
    uint64_t tens = (pairs * 103 >> 10) & 0x000f000f000f000full; /* by 10, below 100 */
    return tens | (pairs - 10 * tens) << 8;
}

static inline char *
wr_print_eight(uint32_t v, char *to)
{
    uint64_t digits = wr_print_digits(v) | WR_PRINT_ZEROS;
    memcpy(to, &digits, 8);
    return to + 8;
}

/* The digits of v < 10^8 that count; eight bytes are free at `to`. */
static inline char *
wr_print_some(uint32_t v, char *to)
{
    uint64_t digits = wr_print_digits(v);
    unsigned zeros = (unsigned) __builtin_ctzll(digits | 1ull << 56) & ~7u; /* in bits; 0 has one digit */
    digits = (digits | WR_PRINT_ZEROS) >> zeros;
    memcpy(to, &digits, 8);
    return to + 8 - zeros / 8;
}

char *wr_print_large(uint64_t v, char *to); /* 10^8 and more */

/* At most 20 digits; 24 bytes are free at `to`. */
static inline char *
wr_print_unsigned(uint64_t v, char *to)
{
    return WR_LIKELY(v < 100000000) ? wr_print_some((uint32_t) v, to) : wr_print_large(v, to);
}

static inline char *
wr_print_integer(int64_t v, char *to)
{
    if (v < 0)
        *to++ = '-';
    return wr_print_unsigned(v < 0 ? 0 - (uint64_t) v : (uint64_t) v, to);
}
/* value / 10^scale with exactly `scale` digits after the point; 0 <= scale <= 38. */
char *wr_print_decimal(wr_int128 v, int scale, char *to);

/* The date and the minute printed last: rows come in runs of them. */
typedef struct wr_print_day {
    int64_t day;
    wr_time minute; /* when it begins */
    char    text[10], minute_text[17];
    bool    known, minute_known;
} wr_print_day;
/* A date or timestamp of the years 1 to 9999; NULL: another one, print it the long way. */
char *wr_print_date(wr_print_day *cache, int64_t days, char *to);
char *wr_print_stamp(wr_print_day *cache, wr_time t, char separator, const char *zone, char *to);
