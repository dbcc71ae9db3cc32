/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/datetime_read.c -- dates and times in any spelling, by PostgreSQL's rules (DateStyle ISO,
 * MDY).
 *
 * Place       datetime_parse.c, for what is not plain ISO 8601.
 * State       none.
 * Invariants  P2  a field may stand once: two times, two years or two zones are an error
 * The tokens are taken from left to right; what a number means follows from its length and from the
 * fields there are already.
 */
#include "data/datetime_impl.h"

#include "data/float.h"

#include <ctype.h>
#include <string.h>

enum { PART_MAX = 32 };

/* ---- numbers that stand for fields ---- */

static weir_status
set_fields(wr_reading *r, unsigned fields)
{
    if ((r->has & fields) != 0) /* P2 */
        return WEIR_ROW_TYPE;
    r->has |= fields;
    return WEIR_OK;
}

/* The value of `length` digits; too many are out of range anywhere. */
static int
digits_value(const char *p, size_t length)
{
    int64_t n = 0;
    for (size_t i = 0; i < length; i++)
        n = WR_MIN(n * 10 + (p[i] - '0'), INT32_MAX);
    return (int)n;
}

static size_t
digits_count(const char *p)
{
    size_t n = 0;
    while (isdigit((unsigned char)p[n]))
        n++;
    return n;
}

/* Digits run together: yymmdd, yyyymmdd (more for later years), or hhmmss and hhmm once there is a
 * date; a fraction makes it a time. */
static weir_status
read_run(wr_reading *r, const char *text, bool date_known)
{
    size_t length = digits_count(text);
    const char *rest = text + length;
    int us = 0;
    bool fraction = *rest == '.';
    if (fraction && !wr_fraction_read(&rest, &us))
        return WEIR_ROW_TYPE;
    if (*rest != '\0')
        return WEIR_ROW_TYPE;
    if (!fraction && !date_known && length >= 6) {
        WR_TRY(set_fields(r, WR_HAS_DATE));
        r->civil.day = digits_value(text + length - 2, 2);
        r->civil.month = digits_value(text + length - 4, 2);
        r->civil.year = digits_value(text, length - 4);
        r->short_year = length == 6;
        return WEIR_OK;
    }
    if (length != 6 && length != 4)
        return WEIR_ROW_TYPE;
    WR_TRY(set_fields(r, WR_HAS_TIME));
    r->civil.hour = digits_value(text, 2);
    r->civil.minute = digits_value(text + 2, 2);
    r->civil.second = length == 6 ? digits_value(text + 4, 2) : 0;
    r->civil.us = us;
    return WEIR_OK;
}

/* One number of a date: which field it is follows from its length and from what is there already.
 */
static weir_status
read_number(wr_reading *r, const char *text, bool date_known)
{
    size_t length = strlen(text), digits = digits_count(text);
    unsigned has = date_known ? WR_HAS_DATE : r->has & WR_HAS_DATE, field = 0;
    int value = digits_value(text, digits);
    bool like_year = length >= 3;
    if (text[digits] == '.' && digits > 2)
        return read_run(r, text, true);
    if (digits == 0 || text[digits] != '\0')
        return WEIR_ROW_TYPE;
    if (length == 3 && has == WR_HAS_YEAR && value >= 1 && value <= 366) {
        r->day_of_year = value;
        return set_fields(r, WR_HAS_MONTH | WR_HAS_DAY);
    }
    switch (has) {
    case 0: field = like_year ? WR_HAS_YEAR : WR_HAS_MONTH; break;
    case WR_HAS_YEAR: field = WR_HAS_MONTH; break;
    case WR_HAS_MONTH: field = r->text_month && like_year ? WR_HAS_YEAR : WR_HAS_DAY; break;
    case WR_HAS_YEAR | WR_HAS_MONTH:
        if (r->text_month && like_year && r->short_year) { /* 08-Jan-1999: the 08 was the day */
            r->civil.day = (int)r->civil.year;
            r->civil.year = value;
            r->short_year = false;
            return set_fields(r, WR_HAS_DAY);
        }
        field = WR_HAS_DAY;
        break;
    case WR_HAS_DAY: field = WR_HAS_MONTH; break;
    case WR_HAS_MONTH | WR_HAS_DAY: field = WR_HAS_YEAR; break;
    case WR_HAS_DATE: return read_run(r, text, true);
    default: return WEIR_ROW_TYPE;
    }
    WR_TRY(set_fields(r, field));
    if (field == WR_HAS_YEAR) {
        r->civil.year = value;
        r->short_year = length <= 2;
    } else if (field == WR_HAS_MONTH) {
        r->civil.month = value;
    } else {
        r->civil.day = value;
    }
    return WEIR_OK;
}

/* ---- words ---- */

typedef enum word_kind {
    WORD_UNKNOWN,
    WORD_MONTH,
    WORD_WEEKDAY,
    WORD_IGNORED, /* "at", "on" */
    WORD_AM,
    WORD_PM,
    WORD_AD,
    WORD_BC,
    WORD_T,
    WORD_JULIAN,
    WORD_ALLBALLS,
    WORD_EPOCH,
    WORD_INFINITY,
    WORD_CLOCK,
} word_kind;

static const struct {
    char name[10];
    uint8_t kind, value;
} words[] = {
    { "jan", WORD_MONTH, 1 },
    { "january", WORD_MONTH, 1 },
    { "feb", WORD_MONTH, 2 },
    { "february", WORD_MONTH, 2 },
    { "mar", WORD_MONTH, 3 },
    { "march", WORD_MONTH, 3 },
    { "apr", WORD_MONTH, 4 },
    { "april", WORD_MONTH, 4 },
    { "may", WORD_MONTH, 5 },
    { "jun", WORD_MONTH, 6 },
    { "june", WORD_MONTH, 6 },
    { "jul", WORD_MONTH, 7 },
    { "july", WORD_MONTH, 7 },
    { "aug", WORD_MONTH, 8 },
    { "august", WORD_MONTH, 8 },
    { "sep", WORD_MONTH, 9 },
    { "sept", WORD_MONTH, 9 },
    { "september", WORD_MONTH, 9 },
    { "oct", WORD_MONTH, 10 },
    { "october", WORD_MONTH, 10 },
    { "nov", WORD_MONTH, 11 },
    { "november", WORD_MONTH, 11 },
    { "dec", WORD_MONTH, 12 },
    { "december", WORD_MONTH, 12 },
    { "mon", WORD_WEEKDAY, 0 },
    { "monday", WORD_WEEKDAY, 0 },
    { "tue", WORD_WEEKDAY, 0 },
    { "tues", WORD_WEEKDAY, 0 },
    { "tuesday", WORD_WEEKDAY, 0 },
    { "wed", WORD_WEEKDAY, 0 },
    { "weds", WORD_WEEKDAY, 0 },
    { "wednesday", WORD_WEEKDAY, 0 },
    { "thu", WORD_WEEKDAY, 0 },
    { "thur", WORD_WEEKDAY, 0 },
    { "thurs", WORD_WEEKDAY, 0 },
    { "thursday", WORD_WEEKDAY, 0 },
    { "fri", WORD_WEEKDAY, 0 },
    { "friday", WORD_WEEKDAY, 0 },
    { "sat", WORD_WEEKDAY, 0 },
    { "saturday", WORD_WEEKDAY, 0 },
    { "sun", WORD_WEEKDAY, 0 },
    { "sunday", WORD_WEEKDAY, 0 },
    { "at", WORD_IGNORED, 0 },
    { "on", WORD_IGNORED, 0 },
    { "am", WORD_AM, 0 },
    { "pm", WORD_PM, 0 },
    { "ad", WORD_AD, 0 },
    { "bc", WORD_BC, 0 },
    { "t", WORD_T, 0 },
    { "j", WORD_JULIAN, 0 },
    { "jd", WORD_JULIAN, 0 },
    { "julian", WORD_JULIAN, 0 },
    { "allballs", WORD_ALLBALLS, 0 },
    { "epoch", WORD_EPOCH, 0 },
    { "infinity", WORD_INFINITY, WR_SPECIAL_POSINF },
    { "-infinity", WORD_INFINITY, WR_SPECIAL_NEGINF },
    { "now", WORD_CLOCK, 0 },
    { "today", WORD_CLOCK, 0 },
    { "tomorrow", WORD_CLOCK, 0 },
    { "yesterday", WORD_CLOCK, 0 },
};

static word_kind
word_find(const char *text, size_t length, int *value)
{
    for (size_t i = 0; i < WR_COUNT(words); i++)
        if (strnlen(words[i].name, sizeof words[i].name) == length &&
            memcmp(words[i].name, text, length) == 0) {
            *value = words[i].value;
            return (word_kind)words[i].kind;
        }
    return WORD_UNKNOWN;
}

static weir_status
read_month(wr_reading *r, int month)
{
    bool day_first = (r->has & (WR_HAS_MONTH | WR_HAS_DAY)) == WR_HAS_MONTH && !r->text_month &&
                     r->civil.month >= 1 && r->civil.month <= 31;
    if (day_first) { /* "8 Jan": the number taken for a month is the day */
        r->civil.day = r->civil.month;
        WR_TRY(set_fields(r, WR_HAS_DAY));
    } else {
        WR_TRY(set_fields(r, WR_HAS_MONTH));
    }
    r->text_month = true;
    r->civil.month = month;
    return WEIR_OK;
}

static weir_status
read_zone_name(wr_reading *r, const char *text, size_t length)
{
    WR_TRY(set_fields(r, WR_HAS_ZONE));
    r->zone = wr_zone_find(text, length);
    return r->zone != NULL ? WEIR_OK : WEIR_ROW_TYPE;
}

/* True when the token after a 't' can be a time. */
static bool
time_may_follow(const wr_tokens *tokens, int i)
{
    if (i + 1 >= tokens->count)
        return false;
    wr_token_kind kind = tokens->list[i + 1].kind;
    return kind == WR_TOKEN_NUMBER || kind == WR_TOKEN_TIME || kind == WR_TOKEN_DATE;
}

static weir_status
read_word(wr_reading *r, const wr_tokens *tokens, int i, bool time_only)
{
    const wr_token *t = &tokens->list[i];
    int value = 0;
    int32_t offset;
    if (wr_zone_abbreviation(t->text, t->length, &offset)) {
        r->zone_offset = offset;
        return set_fields(r, WR_HAS_ZONE);
    }
    word_kind kind = word_find(t->text, t->length, &value);
    if (time_only &&
        (kind == WORD_MONTH || kind == WORD_WEEKDAY || kind == WORD_INFINITY || kind == WORD_EPOCH))
        return WEIR_ROW_TYPE;
    switch (kind) {
    case WORD_MONTH: return read_month(r, value);
    case WORD_WEEKDAY: return set_fields(r, WR_HAS_WEEKDAY);
    case WORD_IGNORED: return WEIR_OK;
    case WORD_AM:
    case WORD_PM: r->meridian = kind == WORD_AM ? WR_MERIDIAN_AM : WR_MERIDIAN_PM; return WEIR_OK;
    case WORD_AD:
    case WORD_BC: r->bc = kind == WORD_BC; return WEIR_OK;
    case WORD_T:
        r->time_next = true;
        return (time_only || (r->has & WR_HAS_DATE) == WR_HAS_DATE) && time_may_follow(tokens, i)
                   ? WEIR_OK
                   : WEIR_ROW_TYPE;
    case WORD_JULIAN: r->julian_next = true; return WEIR_OK;
    case WORD_ALLBALLS: r->zone_offset = 0; return set_fields(r, WR_HAS_TIME | WR_HAS_ZONE);
    case WORD_EPOCH:
        r->special = WR_SPECIAL_EPOCH;
        return set_fields(r, WR_HAS_DATE | WR_HAS_TIME | WR_HAS_ZONE);
    case WORD_INFINITY:
        r->special = (wr_special)value;
        return set_fields(r, WR_HAS_DATE | WR_HAS_TIME | WR_HAS_ZONE);
    case WORD_CLOCK: r->clock_word = true; return WEIR_ROW_TYPE;
    case WORD_UNKNOWN: return read_zone_name(r, t->text, t->length);
    }
    wr_unreachable();
}

/* ---- the other tokens ---- */

/* "1999-01-08", "1/8/1999", "08-Jan-1999", "2001.114" */
static weir_status
read_date(wr_reading *r, const char *text)
{
    char parts[WR_TOKEN_TEXT_MAX + 1];
    int count = 0, at[PART_MAX];
    size_t n = 0;
    for (const char *p = text; *p != '\0';) {
        bool digit = isdigit((unsigned char)*p), alpha = isalpha((unsigned char)*p);
        if (count == PART_MAX || (!digit && !alpha))
            return WEIR_ROW_TYPE;
        at[count++] = (int)n;
        while (*p != '\0' && (digit ? isdigit((unsigned char)*p) : isalpha((unsigned char)*p)))
            parts[n++] = *p++;
        parts[n++] = '\0';
        while (*p != '\0' && !isalnum((unsigned char)*p)) /* one separator or several */
            p++;
        if (n >= sizeof parts - 1 && *p != '\0')
            return WEIR_ROW_TYPE;
    }
    for (int i = 0; i < count; i++) {
        int value;
        if (!isalpha((unsigned char)parts[at[i]]))
            continue;
        word_kind kind = word_find(parts + at[i], strlen(parts + at[i]), &value);
        if (kind == WORD_IGNORED || kind == WORD_WEEKDAY)
            continue;
        if (kind != WORD_MONTH)
            return WEIR_ROW_TYPE;
        WR_TRY(set_fields(r, WR_HAS_MONTH));
        r->civil.month = value;
        r->text_month = true;
    }
    for (int i = 0; i < count; i++)
        if (isdigit((unsigned char)parts[at[i]]))
            WR_TRY(read_number(r, parts + at[i], false));
    /* PostgreSQL wants such a date before any time or weekday. */
    return (r->has & ~(unsigned)WR_HAS_ZONE) == WR_HAS_DATE ? WEIR_OK : WEIR_ROW_TYPE;
}

static bool
clock_overflows(const wr_civil *c)
{
    if (c->hour == 23 && c->minute == 59 && c->second == 60 && c->us > 0)
        return true; /* beyond the day */
    return c->hour > 24 || c->minute > 59 || c->second > 60 || c->us > WR_US_PER_SECOND ||
           (c->hour == 24 && (c->minute > 0 || c->second > 0 || c->us > 0));
}

/* "04:05", "04:05:06.789"; "05:06.789" is minutes and seconds. */
static weir_status
read_time(wr_reading *r, const char *p)
{
    int64_t hour, minute = 0, second = 0;
    int us = 0;
    WR_TRY(set_fields(r, WR_HAS_TIME));
    if (!wr_digits_read(&p, &hour) || *p++ != ':' ||
        (*p != '\0' && !wr_digits_read(&p, &minute)))
        return WEIR_ROW_TYPE;
    if (*p == '.') {
        if (!wr_fraction_read(&p, &us))
            return WEIR_ROW_TYPE;
        second = minute;
        minute = hour;
        hour = 0;
    } else if (*p == ':') {
        p++;
        if (*p != '\0' &&
            (!wr_digits_read(&p, &second) || (*p == '.' && !wr_fraction_read(&p, &us))))
            return WEIR_ROW_TYPE;
    }
    if (*p != '\0')
        return WEIR_ROW_TYPE;
    r->civil.hour = (int)WR_MIN(hour, 99);
    r->civil.minute = (int)WR_MIN(minute, 99);
    r->civil.second = (int)WR_MIN(second, 99);
    r->civil.us = us;
    return clock_overflows(&r->civil) ? WEIR_ROW_OVERFLOW : WEIR_OK;
}

/* "+05", "+0530", "+05:30", "-05:30:15" */
static weir_status
read_zone_offset(wr_reading *r, const char *text)
{
    const char *p = text + 1;
    int64_t hour, minute = 0, second = 0;
    WR_TRY(set_fields(r, WR_HAS_ZONE));
    if (!wr_digits_read(&p, &hour))
        return WEIR_ROW_TYPE;
    if (*p == ':') {
        p++;
        if (!wr_digits_read(&p, &minute))
            return WEIR_ROW_TYPE;
        if (*p == ':' && (p++, !wr_digits_read(&p, &second)))
            return WEIR_ROW_TYPE;
    } else if (*p == '\0' && p - text > 3) {
        minute = hour % 100;
        hour /= 100;
    }
    if (*p != '\0')
        return WEIR_ROW_TYPE;
    if (hour > WR_ZONE_HOUR_MAX || minute > 59 || second > 59)
        return WEIR_ROW_OVERFLOW;
    r->zone_offset = (int32_t)(hour * 3600 + minute * 60 + second);
    if (*text == '-')
        r->zone_offset = -r->zone_offset;
    return WEIR_OK;
}

static weir_status
read_julian(wr_reading *r, const char *text)
{
    const char *p = text;
    int64_t day;
    r->julian_next = false;
    if (!wr_digits_read(&p, &day))
        return WEIR_ROW_TYPE;
    WR_TRY(set_fields(r, WR_HAS_DATE));
    if (day > INT32_MAX)
        return WEIR_ROW_OVERFLOW;
    r->julian = true;
    wr_civil midnight;
    int64_t us = 0;
    if (*p == '.') {
        us = (int64_t)(wr_float_read(p, strlen(p)) * (double)WR_US_PER_DAY);
        WR_TRY(set_fields(r, WR_HAS_TIME));
    } else if (*p != '\0') {
        return WEIR_ROW_TYPE;
    }
    if (day + WR_DATE_MIN > INT64_MAX / WR_US_PER_DAY - 1)
        return WEIR_ROW_OVERFLOW;
    wr_civil_from_time((day + WR_DATE_MIN) * WR_US_PER_DAY + us, &midnight);
    if (us == 0) { /* a time of day read before stays */
        midnight.hour = r->civil.hour;
        midnight.minute = r->civil.minute;
        midnight.second = r->civil.second;
        midnight.us = r->civil.us;
    }
    r->civil = midnight;
    return WEIR_OK;
}

/* A time run together with its zone: "040506.789-08"; text is cut in two. */
static weir_status
read_run_with_zone(wr_reading *r, const char *text)
{
    char run[WR_TOKEN_TEXT_MAX + 1];
    const char *zone = strchr(text, '-');
    if (zone == NULL || (r->has & WR_HAS_TIME) != 0)
        return WEIR_ROW_TYPE;
    WR_TRY(read_zone_offset(r, zone));
    memcpy(run, text, (size_t)(zone - text));
    run[zone - text] = '\0';
    return read_run(r, run, true);
}

static weir_status
read_token_date(wr_reading *r, const wr_tokens *tokens, int i, bool time_only)
{
    const wr_token *t = &tokens->list[i];
    bool as_date;
    if (time_only)
        as_date = i == 0 && tokens->count >= 2 &&
                  (tokens->list[tokens->count - 1].kind == WR_TOKEN_DATE ||
                   tokens->list[1].kind == WR_TOKEN_TIME);
    else
        as_date =
            !r->time_next && (r->has & (WR_HAS_MONTH | WR_HAS_DAY)) != (WR_HAS_MONTH | WR_HAS_DAY);
    if (as_date)
        return read_date(r, t->text);
    if (isdigit((unsigned char)t->text[0]) || r->time_next) {
        r->time_next = false;
        return isdigit((unsigned char)t->text[0]) ? read_run_with_zone(r, t->text) : WEIR_ROW_TYPE;
    }
    return read_zone_name(r, t->text, t->length);
}

static weir_status
read_token_number(wr_reading *r, const wr_tokens *tokens, int i, bool time_only)
{
    const char *text = tokens->list[i].text, *point = strchr(text, '.');
    size_t length = tokens->list[i].length,
           before = point != NULL ? (size_t)(point - text) : length;
    if (r->julian_next)
        return read_julian(r, text);
    if (r->time_next) {
        r->time_next = false;
        return read_run(r, text, true);
    }
    if (time_only) {
        if (point != NULL && i == 0 && tokens->count >= 2 &&
            tokens->list[tokens->count - 1].kind == WR_TOKEN_DATE)
            return read_date(r, text);
        if (point != NULL && before <= 2)
            return WEIR_ROW_TYPE;
        return point != NULL || length > 4 ? read_run(r, text, true) : read_number(r, text, true);
    }
    if (point != NULL && (r->has & WR_HAS_DATE) == 0)
        return read_date(r, text);
    if ((point != NULL && before > 2) ||
        (length >= 6 && ((r->has & WR_HAS_DATE) == 0 || (r->has & WR_HAS_TIME) == 0)))
        return read_run(r, text, (r->has & WR_HAS_DATE) == WR_HAS_DATE);
    return read_number(r, text, false);
}

/* ---- putting it together ---- */

static weir_status
check_date(wr_reading *r)
{
    wr_civil *c = &r->civil;
    if (!r->julian && (r->has & WR_HAS_YEAR) != 0) {
        if (r->bc) {
            if (c->year <= 0)
                return WEIR_ROW_OVERFLOW;
            c->year = 1 - c->year;
        } else if (r->short_year) {
            c->year += c->year < 70 ? 2000 : 1900;
        } else if (c->year <= 0) {
            return WEIR_ROW_OVERFLOW;
        }
        if (c->year > 6000000)
            return WEIR_ROW_OVERFLOW;
    }
    if (r->day_of_year > 0) {
        c->month = 1;
        c->day = r->day_of_year;
        while (c->month <= 12 && c->day > wr_month_days(c->year, c->month))
            c->day -= wr_month_days(c->year, c->month++);
        if (c->month > 12) { /* day 366 of a common year is the next one's first */
            c->month = 1;
            c->year++;
        }
    }
    if ((r->has & WR_HAS_MONTH) != 0 && (c->month < 1 || c->month > 12))
        return WEIR_ROW_OVERFLOW;
    if ((r->has & WR_HAS_DAY) != 0 && (c->day < 1 || c->day > 31))
        return WEIR_ROW_OVERFLOW;
    if ((r->has & WR_HAS_DATE) == WR_HAS_DATE && c->day > wr_month_days(c->year, c->month))
        return WEIR_ROW_OVERFLOW;
    return WEIR_OK;
}

static weir_status
check_time(wr_reading *r, bool time_only)
{
    wr_civil *c = &r->civil;
    if (r->meridian != WR_MERIDIAN_NONE) {
        if (c->hour > 12)
            return WEIR_ROW_OVERFLOW;
        c->hour = c->hour % 12 + (r->meridian == WR_MERIDIAN_PM ? 12 : 0);
    }
    /* Digits run together roll over in a timestamp: 186060 is 19:01:00. */
    return time_only && clock_overflows(c) ? WEIR_ROW_OVERFLOW : WEIR_OK;
}

weir_status
wr_datetime_read(const char *s, size_t n, bool time_only, wr_reading *r)
{
    wr_tokens tokens;
    memset(r, 0, sizeof *r);
    if (!wr_tokens_read(s, n, &tokens))
        return WEIR_ROW_TYPE;
    for (int i = 0; i < tokens.count; i++) {
        const wr_token *t = &tokens.list[i];
        if (r->julian_next && t->kind != WR_TOKEN_NUMBER)
            return WEIR_ROW_TYPE;
        switch (t->kind) {
        case WR_TOKEN_DATE: WR_TRY(read_token_date(r, &tokens, i, time_only)); break;
        case WR_TOKEN_NUMBER: WR_TRY(read_token_number(r, &tokens, i, time_only)); break;
        case WR_TOKEN_TIME:
            r->time_next = false;
            WR_TRY(read_time(r, t->text));
            break;
        case WR_TOKEN_SIGNED: WR_TRY(read_zone_offset(r, t->text)); break;
        case WR_TOKEN_WORD:
        case WR_TOKEN_SPECIAL: WR_TRY(read_word(r, &tokens, i, time_only)); break;
        }
    }
    if (r->special != WR_SPECIAL_NONE)
        return WEIR_OK;
    WR_TRY(check_date(r));
    WR_TRY(check_time(r, time_only));
    if (time_only && r->zone != NULL && !wr_zone_is_constant(r->zone) &&
        (r->has & WR_HAS_DATE) != WR_HAS_DATE)
        return WEIR_ROW_TYPE; /* which offset holds depends on the date */
    return (r->has & (time_only ? WR_HAS_TIME : WR_HAS_DATE)) ==
                       (time_only ? WR_HAS_TIME : WR_HAS_DATE) &&
                   !r->julian_next
               ? WEIR_OK
               : WEIR_ROW_TYPE;
}
