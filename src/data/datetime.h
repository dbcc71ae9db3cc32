/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/datetime.h -- dates, times, timestamps and intervals: calendar arithmetic and text forms.
 *
 * The calendar is proleptic Gregorian, PostgreSQL's range (4713 BC to 294276 AD); DateStyle is ISO,
 * IntervalStyle postgres.  Zones come from the system's TZif files; the session's zone is UTC.
 * Text is parsed to PostgreSQL's rules for the common spellings: ISO 8601 with T or blank, +hh[:mm],
 * Z, zone names and abbreviations, 'epoch', 'infinity', '-infinity', month names, BC; 'now', 'today'
 * and the like are refused here (they need a clock; the binder folds them).
 */
#pragma once

#include "data/numeric.h"

#define WR_US_PER_SECOND 1000000LL
#define WR_US_PER_MINUTE (60 * WR_US_PER_SECOND)
#define WR_US_PER_HOUR   (3600 * WR_US_PER_SECOND)
#define WR_US_PER_DAY    (86400 * WR_US_PER_SECOND)
#define WR_DATE_NEGINF   INT32_MIN
#define WR_DATE_POSINF   INT32_MAX

typedef struct wr_civil {
    int64_t year; /* astronomical: 0 is 1 BC */
    int     month, day, hour, minute, second, us;
} wr_civil;

int64_t  wr_days_from_civil(int64_t year, int month, int day); /* days since 1970-01-01 */
void     wr_civil_from_time(wr_time t, wr_civil *out);
bool     wr_time_from_civil(const wr_civil *civil, wr_time *out); /* false: out of range */

/* Midnight.  Dates go on for longer than timestamps: what is past their last midnight stands, in its order, in the last hour
 * before infinity, where no midnight is.  And back. */
static inline wr_time
wr_date_time(int64_t days)
{
    wr_time us;
    if (days == WR_DATE_NEGINF)
        return WR_TIME_NEGINF;
    return __builtin_mul_overflow(days, WR_US_PER_DAY, &us) ? WR_TIME_POSINF - (WR_DATE_POSINF - days) : us;
}
static inline int64_t
wr_time_date(wr_time midnight)
{
    if (midnight == WR_TIME_NEGINF)
        return WR_DATE_NEGINF;
    return midnight >= WR_TIME_POSINF - WR_DATE_POSINF ? WR_DATE_POSINF - (WR_TIME_POSINF - midnight)
                                                       : midnight / WR_US_PER_DAY;
}

weir_status wr_date_parse(const char *s, size_t n, int32_t *out, weir_error *err);
weir_status wr_timeofday_parse(const char *s, size_t n, int64_t *out, weir_error *err);
/* with_zone: a zone in the text shifts to UTC (none means UTC); without, a zone is ignored as PostgreSQL does. */
weir_status wr_timestamp_parse(const char *s, size_t n, bool with_zone, wr_time *out, weir_error *err);
/* fields: NULL, or the qualifier ("minute", "day to second") that fits a bare number. */
weir_status wr_interval_parse(const char *s, size_t n, const char *fields, wr_interval *out,
                              weir_error *err);
void wr_date_print(int32_t days, wr_text *to);
void wr_timeofday_print(int64_t us, wr_text *to);
void wr_timestamp_print(wr_time t, bool with_zone, wr_text *to);      /* "2026-01-01 00:00:00+00"  */
void wr_timestamp_print_iso(wr_time t, bool with_zone, wr_text *to);  /* "2026-01-01T00:00:00Z"    */
void wr_interval_print(const wr_interval *interval, wr_text *to);     /* "1 mon 2 days 03:04:05"   */

/* Normalised (30-day months, 24-hour days), as PostgreSQL compares. */
int wr_interval_compare(const wr_interval *a, const wr_interval *b);
wr_int128 wr_interval_normal(const wr_interval *interval); /* microseconds */
/* Adds months, then days, then microseconds, clipping the day to the month.  false: out of range.  Infinities stay. */
bool wr_time_add_interval(wr_time t, const wr_interval *interval, wr_time *out);
/* PostgreSQL's age(): years-months-days symbolically. */
void wr_time_age(wr_time a, wr_time b, wr_interval *out);
/* date_trunc of a zone-less time; unit is lower case ("hour"); false: unknown unit. */
bool wr_time_truncate(const char *unit, size_t n, wr_time t, wr_time *out);

/* Zones.  find returns NULL for an unknown name; zones are cached for ever.  Threads: any. */
typedef struct wr_zone wr_zone;
const wr_zone *wr_zone_find(const char *name, size_t length);
int32_t        wr_zone_offset_at(const wr_zone *zone, wr_time utc);   /* seconds east of Greenwich */
void           wr_zone_offsets(const wr_zone *zone, int32_t *least, int32_t *most); /* there ever were */
wr_time        wr_zone_to_utc(const wr_zone *zone, wr_time local);
