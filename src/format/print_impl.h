/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/print_impl.h -- numbers and times as text, straight into an encoder's buffer.
 *
 * Each writes at `to`, where WR_PRINT_MAX bytes are free, and returns the byte after.
 */
#pragma once

#include "data/column.h"

enum { WR_PRINT_MAX = 64 };

char *wr_print_integer(int64_t v, char *to);
/* value / 10^scale with exactly `scale` digits after the point; 0 <= scale <= 38. */
char *wr_print_decimal(wr_int128 v, int scale, char *to);

/* The date printed last: rows come in runs of one day. */
typedef struct wr_print_day {
    int64_t day;
    char    text[10];
    bool    known;
} wr_print_day;
/* A date or timestamp of the years 1 to 9999; NULL: another one, print it the long way. */
char *wr_print_date(wr_print_day *cache, int64_t days, char *to);
char *wr_print_stamp(wr_print_day *cache, wr_time t, char separator, const char *zone, char *to);
