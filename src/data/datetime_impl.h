/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/datetime_impl.h -- what the date, interval and zone files share: units, the tokens of a
 * text, ranges.  Private to them.
 */
#pragma once

#include "data/datetime.h"

#define WR_TIMESTAMP_MIN (-210866803200000000LL) /* 4714-11-24 BC, Julian day 0 */
#define WR_DATE_MIN      (-2440588)              /* the same day               */
#define WR_DATE_MAX      2145042905              /* 5874897-12-31              */

/* NEGINF and POSINF, and the bounds of time beyond them. */
static inline bool
wr_time_is_infinite(wr_time t)
{
    return t <= WR_TIME_NEGINF || t >= WR_TIME_POSINF;
}

static inline bool
wr_time_in_range(wr_time t)
{
    return t >= WR_TIMESTAMP_MIN && t < WR_TIME_POSINF;
}

static inline bool
wr_year_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days of a month 1..12. */
int wr_month_days(int64_t year, int month);

typedef enum wr_unit {
    WR_UNIT_NONE,
    WR_UNIT_MICROSECOND,
    WR_UNIT_MILLISECOND,
    WR_UNIT_SECOND,
    WR_UNIT_MINUTE,
    WR_UNIT_HOUR,
    WR_UNIT_DAY,
    WR_UNIT_WEEK,
    WR_UNIT_MONTH,
    WR_UNIT_QUARTER,
    WR_UNIT_YEAR,
    WR_UNIT_DECADE,
    WR_UNIT_CENTURY,
    WR_UNIT_MILLENNIUM
} wr_unit;

/* By any of its spellings ("h", "hr", "hours"), lower case. */
wr_unit wr_unit_find(const char *name, size_t length);

typedef enum wr_token_kind {
    WR_TOKEN_NUMBER, /* digits, perhaps with a point                       */
    WR_TOKEN_DATE,   /* digits or words joined by - / . : also zone names  */
    WR_TOKEN_TIME,   /* digits and colons                                  */
    WR_TOKEN_WORD,   /* letters                                            */
    WR_TOKEN_SIGNED, /* a sign, then digits : . -                          */
    WR_TOKEN_SPECIAL /* a sign, then letters                               */
} wr_token_kind;

enum { WR_TOKENS_MAX = 25, WR_TOKEN_TEXT_MAX = 160, WR_ZONE_HOUR_MAX = 15 };

typedef struct wr_token {
    wr_token_kind kind;
    const char *text; /* NUL-terminated, lower case */
    size_t length;
} wr_token;

typedef struct wr_tokens {
    int count;
    wr_token list[WR_TOKENS_MAX];
    char text[WR_TOKEN_TEXT_MAX + WR_TOKENS_MAX + 1];
} wr_tokens;

/* Cut s into tokens; false when it is too long or holds something that is none. */
bool wr_tokens_read(const char *s, size_t n, wr_tokens *tokens);

/* ".123456789" at *p, rounded to microseconds (which may give 1000000); moves *p behind it. */
bool wr_fraction_read(const char **p, int *us);
/* An integer at *p, without a sign; moves *p. False when there is none or it is too large. */
bool wr_digits_read(const char **p, int64_t *out);

/* A zone abbreviation ("est", any case): true with its offset in seconds east. */
bool wr_zone_abbreviation(const char *name, size_t length, int32_t *offset);
/* True when the zone has never had but one offset. */
bool wr_zone_is_constant(const wr_zone *zone);

/* What a text said, field by field. */
enum wr_reading_fields {
    WR_HAS_YEAR = 1,
    WR_HAS_MONTH = 2,
    WR_HAS_DAY = 4,
    WR_HAS_DATE = 7,
    WR_HAS_TIME = 8,
    WR_HAS_ZONE = 16,
    WR_HAS_WEEKDAY = 32
};

typedef enum wr_special {
    WR_SPECIAL_NONE,
    WR_SPECIAL_EPOCH,
    WR_SPECIAL_NEGINF,
    WR_SPECIAL_POSINF
} wr_special;

typedef enum wr_meridian { WR_MERIDIAN_NONE, WR_MERIDIAN_AM, WR_MERIDIAN_PM } wr_meridian;

typedef struct wr_reading {
    unsigned has; /* of wr_reading_fields */
    wr_civil civil;
    int day_of_year; /* 0: none */
    bool text_month, short_year, julian, bc;
    wr_meridian meridian;
    wr_special special;
    int32_t zone_offset;
    const wr_zone *zone;         /* used instead of zone_offset */
    bool time_next, julian_next; /* a 't' or 'j' stood before */
    bool clock_word;             /* 'now' and the like */
} wr_reading;

/* The long way: any spelling.  civil holds a valid date (or, time_only, a time of day) unless
 * special says otherwise.  Errors: WEIR_ROW_TYPE, WEIR_ROW_OVERFLOW; the reading says how far it
 * came. */
weir_status wr_datetime_read(const char *s, size_t n, bool time_only, wr_reading *reading);
