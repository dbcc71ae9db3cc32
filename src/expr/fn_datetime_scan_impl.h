/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime_scan_impl.h -- fields read from a text, on their way to a point in time.
 *
 * Place       fn_datetime_scan.c reads them, fn_datetime_moment.c makes a moment of them.
 */
#pragma once

#include "expr/fn_datetime_impl.h"
#include "expr/fn_format_impl.h"

enum { WR_JULIAN_OF_1970 = 2440588 };

/* What was read; 0 is "not given", as PostgreSQL has it. */
typedef struct wr_fields {
    wr_calendar calendar;
    int         hour, afternoon, minute, second, day_seconds, ms, us;
    int         weekday, day, day_of_year, month, year, bc, week_of_month, week, century, julian;
    int         year_digits, zone_sign, zone_hours, zone_minutes, fraction_digits;
    bool        twelve_hours;
} wr_fields;

typedef struct wr_scanner {
    wr_eval    *eval;
    uint32_t    row;
    const char *text;  /* the whole, NUL-terminated */
    const char *s;
    bool        exact; /* FX */
    int         extra; /* characters skipped beyond the picture's */
    wr_fields   f;
} wr_scanner;

/* A day and a time of day. */
typedef struct wr_moment {
    int64_t year, month, day, hour, minute, second, us;
} wr_moment;

/* Reads the text at c->s by the picture's nodes into c->f. */
weir_status wr_scan_nodes(wr_scanner *c, const wr_node *nodes);
weir_status wr_scan_out_of_range(wr_scanner *c);
