/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime_impl.h -- what the date and time functions share: fields by name, zones, weeks.
 *
 * Place       included by expr/fn_datetime*.c and fn_extract.c alone.
 */
#pragma once

#include "expr/fn_impl.h"

typedef enum wr_part {
    WR_PART_NONE,
    WR_PART_MICROSECOND,
    WR_PART_MILLISECOND,
    WR_PART_SECOND,
    WR_PART_MINUTE,
    WR_PART_HOUR,
    WR_PART_DAY,
    WR_PART_WEEK,
    WR_PART_MONTH,
    WR_PART_QUARTER,
    WR_PART_YEAR,
    WR_PART_DECADE,
    WR_PART_CENTURY,
    WR_PART_MILLENNIUM, /* the ones so far truncate too */
    WR_PART_TIMEZONE,
    WR_PART_TIMEZONE_HOUR,
    WR_PART_TIMEZONE_MINUTE,
    WR_PART_ISOYEAR,
    WR_PART_DOW,
    WR_PART_ISODOW,
    WR_PART_DOY,
    WR_PART_EPOCH,
    WR_PART_JULIAN,
} wr_part;

/* By any of PostgreSQL's spellings, in any case, ten characters being looked at. */
wr_part    wr_part_find(const wr_string *name);
const char *wr_part_name(wr_part field); /* "microsecond", for wr_time_truncate */
/* Mark the row: the unit is not known, or not one of this type's. */
weir_status wr_part_fail(wr_eval *eval, uint32_t row, wr_part field, const wr_string *name,
                          wr_type_id type);

/* The zone of a name; marks the row when there is none. */
weir_status wr_fn_zone(wr_eval *eval, uint32_t row, const wr_string *name, const wr_zone **zone);

static inline bool
fn_time_is_infinite(wr_time t)
{
    return t <= WR_TIME_NEGINF || t >= WR_TIME_POSINF;
}
/* A whole number of units, downwards. */
static inline int64_t
fn_floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
/* Day of the week, 0 is Sunday; of days since 1970. */
static inline int
fn_day_of_week(int64_t days)
{
    return (int) (((days + 4) % 7 + 7) % 7);
}
/* ISO 8601: the week's number and its year (astronomical). */
void wr_fn_iso_week(int64_t days, int64_t *year, int *week);
/* Day of the year from 1. */
int wr_fn_day_of_year(const wr_civil *civil);

/* A wr_time of a value of type date, timestamp or timestamptz. */
static inline wr_time
fn_time_of(const wr_value *v)
{
    if (v->type.id != WR_DATE)
        return v->integer;
    return v->integer == WR_DATE_NEGINF   ? WR_TIME_NEGINF
           : v->integer == WR_DATE_POSINF ? WR_TIME_POSINF
                                          : v->integer * WR_US_PER_DAY;
}
