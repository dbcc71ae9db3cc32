/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime_scan.c -- reading the fields of a time by a picture.
 *
 * Place       called by fn_datetime_moment.c (to_timestamp, to_date).
 * Invariants  S1  blanks and separators of text and picture need not agree, unless FX is given
 *             S2  a field given twice must have one value; the two calendars do not mix
 */
#include "expr/fn_datetime_scan_impl.h"

#include <stdlib.h>

/* --- failures --- */

static weir_status
scan_invalid(wr_scanner *c, const char *value, const char *field)
{
    return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE, "invalid value \"%s\" for \"%s\"", value,
                        field);
}

weir_status
wr_scan_out_of_range(wr_scanner *c)
{
    return wr_eval_fail(c->eval, c->row, WEIR_ROW_OVERFLOW,
                        "date/time field value out of range: \"%s\"", c->text);
}

/* --- reading one field --- */

/* S2 */
static weir_status
field_set(wr_scanner *c, int *field, int value, const wr_node *n)
{
    if (*field != 0 && *field != value)
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                            "conflicting values for \"%s\" field in formatting string",
                            n->keyword->name);
    *field = value;
    return WEIR_OK;
}

/* Does something that is no digit follow this node's number? */
static bool
ends_number(const wr_node *n)
{
    if ((n->suffix & (WR_SUFFIX_TH | WR_SUFFIX_TH_LOWER)) != 0)
        return true;
    n++;
    if (n->kind == WR_NODE_ACTION)
        return !n->keyword->is_digit;
    return !(n->kind != WR_NODE_END && n->length == 1 && n->text[0] >= '0' && n->text[0] <= '9');
}

/* An integer of `length` characters, or of as many as there are where nothing else can follow.
 * field may be NULL; *used (may be NULL) is how many characters were read. */
static weir_status
scan_number(wr_scanner *c, const wr_node *n, int length, int *field, int *used)
{
    char        piece[16];
    const char *start = c->s;
    char       *end;
    long        value;
    while (fn_is_space(*c->s))
        c->s++;
    int have = (int) strnlen(c->s, (size_t) length);
    memcpy(piece, c->s, (size_t) have);
    piece[have] = '\0';
    if ((n->suffix & WR_SUFFIX_FM) != 0 || ends_number(n)) {
        value = strtol(start, &end, 10);
        c->s = end;
    } else {
        if (have < length)
            return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                                "source string too short for \"%s\" formatting field",
                                n->keyword->name);
        value = strtol(piece, &end, 10);
        if (end > piece && end - piece < length)
            return scan_invalid(c, piece, n->keyword->name);
        c->s += end - piece;
        if (end == piece)
            c->s = start;
    }
    if (c->s == start)
        return scan_invalid(c, piece, n->keyword->name);
    if (value < INT32_MIN || value > INT32_MAX)
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_OVERFLOW,
                            "value for \"%s\" in source string is out of range", n->keyword->name);
    if (used != NULL)
        *used = (int) (c->s - start);
    return field != NULL ? field_set(c, field, (int) value, n) : WEIR_OK;
}

/* Behind st, nd, rd, th: two characters, whatever they are. */
static void
scan_ordinal(wr_scanner *c, const wr_node *n)
{
    if ((n->suffix & (WR_SUFFIX_TH | WR_SUFFIX_TH_LOWER)) == 0)
        return;
    const char *end = c->s + strlen(c->s);
    for (int i = 0; i < 2 && c->s < end; i++)
        c->s = fn_char_next(c->s, end);
}

/* Number, as wide as the keyword, and its ending. */
static weir_status
scan_plain(wr_scanner *c, const wr_node *n, int *field)
{
    WR_TRY(scan_number(c, n, n->keyword->length, field, NULL));
    scan_ordinal(c, n);
    return WEIR_OK;
}

/* Which of the names, cut to `cut` characters (0: whole), the text goes on with, in any case. */
static weir_status
scan_name(wr_scanner *c, const wr_node *n, const char *const *names, int count, size_t cut,
          int *index)
{
    for (int i = 0; i < count; i++) {
        size_t length = cut > 0 ? cut : strlen(names[i]);
        if (strncasecmp(c->s, names[i], length) == 0) {
            *index = i;
            c->s += length;
            return WEIR_OK;
        }
    }
    char   word[64];
    size_t length = 0;
    for (; length < sizeof word - 1 && c->s[length] != '\0' && !fn_is_space(c->s[length]); length++)
        word[length] = c->s[length];
    word[length] = '\0';
    return scan_invalid(c, word, n->keyword->name);
}

/* A fraction of a second of at most `digits` digits, in units of the last. */
static weir_status
scan_fraction(wr_scanner *c, const wr_node *n, int digits, int most, int *field)
{
    static const int powers[] = { 1, 10, 100, 1000, 10000, 100000 };
    int              used;
    WR_TRY(scan_number(c, n, digits, field, &used));
    int64_t value = (int64_t) *field * (used >= 1 && used < most ? powers[most - used] : 1);
    if (value != (int32_t) value)
        return wr_scan_out_of_range(c);
    *field = (int) value;
    scan_ordinal(c, n);
    return WEIR_OK;
}

/* --- years --- */

static int
year_near_2020(int year)
{
    return year < 70 ? year + 2000 : year < 100 ? year + 1900 : year < 520 ? year + 2000
           : year < 1000                                                   ? year + 1000
                                                                           : year;
}

static weir_status
scan_year(wr_scanner *c, const wr_node *n)
{
    wr_fields *f = &c->f;
    int     used;
    switch (n->keyword->key) {
    case WR_KEY_Y_YYY: {
        char *end, *again;
        long  thousands = strtol(c->s, &end, 10), rest;
        if (end == c->s || *end != ',' || end[1] < '0' || end[1] > '9')
            return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                                "invalid input string for \"Y,YYY\"");
        char digits[4] = { 0 };
        for (int i = 0; i < 3 && end[1 + i] >= '0' && end[1 + i] <= '9'; i++)
            digits[i] = end[1 + i];
        rest = strtol(digits, &again, 10);
        if (thousands > 2000000 || thousands < -2000000)
            return wr_scan_out_of_range(c);
        WR_TRY(field_set(c, &f->year, (int) (thousands * 1000 + rest), n));
        c->s = end + 1 + (again - digits);
        f->year_digits = 4;
        break;
    }
    case WR_KEY_YYYY:
    case WR_KEY_IYYY:
        WR_TRY(scan_number(c, n, 4, &f->year, NULL));
        f->year_digits = 4;
        break;
    default:
        WR_TRY(scan_number(c, n, n->keyword->length, &f->year, &used));
        if (used < 4)
            f->year = year_near_2020(f->year);
        f->year_digits = n->keyword->length;
    }
    scan_ordinal(c, n);
    return WEIR_OK;
}

/* --- zones --- */

static weir_status
scan_zone_hours(wr_scanner *c, const wr_node *n)
{
    if (*c->s == '+' || *c->s == '-' || *c->s == ' ')
        c->f.zone_sign = *c->s++ == '-' ? -1 : 1;
    else /* the minus may have been taken for a separator */
        c->f.zone_sign = c->extra > 0 && c->s > c->text && c->s[-1] == '-' ? -1 : 1;
    return scan_number(c, n, 2, &c->f.zone_hours, NULL);
}

/* --- one keyword --- */

static weir_status
scan_clock(wr_scanner *c, const wr_node *n)
{
    static const char *const halves[] = { "am", "pm" }, *const dotted[] = { "a.m.", "p.m." };
    wr_fields                  *f = &c->f;
    int                      index;
    switch (n->keyword->key) {
    case WR_KEY_AM_DOTS:
    case WR_KEY_AM:
        WR_TRY(scan_name(c, n, n->keyword->key == WR_KEY_AM ? halves : dotted, 2, 0, &index));
        f->twelve_hours = true;
        return field_set(c, &f->afternoon, index, n);
    case WR_KEY_HH12:
        WR_TRY(scan_number(c, n, 2, &f->hour, NULL));
        f->twelve_hours = true;
        scan_ordinal(c, n);
        return WEIR_OK;
    case WR_KEY_HH24:
        WR_TRY(scan_number(c, n, 2, &f->hour, NULL));
        scan_ordinal(c, n);
        return WEIR_OK;
    case WR_KEY_MI: return scan_plain(c, n, &f->minute);
    case WR_KEY_SS: return scan_plain(c, n, &f->second);
    case WR_KEY_SSSS: return scan_plain(c, n, &f->day_seconds);
    case WR_KEY_MS: return scan_fraction(c, n, 3, 3, &f->ms);
    case WR_KEY_US: return scan_fraction(c, n, 6, 6, &f->us);
    default:
        f->fraction_digits = n->keyword->key - WR_KEY_FF1 + 1;
        return scan_fraction(c, n, f->fraction_digits, 6, &f->us);
    }
}

static weir_status
scan_date(wr_scanner *c, const wr_node *n)
{
    static const char *const eras[] = { "ad", "bc" }, *const dotted[] = { "a.d.", "b.c." };
    wr_fields                  *f = &c->f;
    int                      index = 0;
    switch (n->keyword->key) {
    case WR_KEY_AD_DOTS:
    case WR_KEY_AD:
        WR_TRY(scan_name(c, n, n->keyword->key == WR_KEY_AD ? eras : dotted, 2, 0, &index));
        return field_set(c, &f->bc, index, n);
    case WR_KEY_MONTH:
        WR_TRY(scan_name(c, n, wr_month_names, 12, 0, &index));
        return field_set(c, &f->month, index + 1, n);
    case WR_KEY_MON:
        WR_TRY(scan_name(c, n, wr_month_names, 12, 3, &index));
        return field_set(c, &f->month, index + 1, n);
    case WR_KEY_RM:
        WR_TRY(scan_name(c, n, wr_roman_months, 12, 0, &index));
        return field_set(c, &f->month, 12 - index, n);
    case WR_KEY_MM: return scan_plain(c, n, &f->month);
    case WR_KEY_DAY:
    case WR_KEY_DY:
        WR_TRY(scan_name(c, n, wr_day_names, 7, n->keyword->key == WR_KEY_DY ? 3 : 0, &index));
        WR_TRY(field_set(c, &f->weekday, index, n));
        f->weekday++;
        return WEIR_OK;
    case WR_KEY_DDD: return scan_plain(c, n, &f->day_of_year);
    case WR_KEY_IDDD:
        WR_TRY(scan_number(c, n, 3, &f->day_of_year, NULL));
        scan_ordinal(c, n);
        return WEIR_OK;
    case WR_KEY_DD: return scan_plain(c, n, &f->day);
    case WR_KEY_D: return scan_plain(c, n, &f->weekday);
    case WR_KEY_ID: /* Monday is 1: shift to where Sunday is */
        WR_TRY(scan_number(c, n, 1, &f->weekday, NULL));
        f->weekday = f->weekday >= 7 ? 1 : f->weekday + 1;
        scan_ordinal(c, n);
        return WEIR_OK;
    case WR_KEY_WW:
    case WR_KEY_IW: return scan_plain(c, n, &f->week);
    case WR_KEY_W: return scan_plain(c, n, &f->week_of_month);
    case WR_KEY_CC: return scan_plain(c, n, &f->century);
    case WR_KEY_J: return scan_plain(c, n, &f->julian);
    case WR_KEY_Q: return scan_plain(c, n, NULL); /* read, but it says no date */
    default: return scan_year(c, n);
    }
}

static weir_status
scan_action(wr_scanner *c, const wr_node *n)
{
    if (n->keyword->calendar != WR_CALENDAR_NONE) {
        if (c->f.calendar != WR_CALENDAR_NONE && c->f.calendar != n->keyword->calendar)
            return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                                "invalid combination of date conventions");
        c->f.calendar = n->keyword->calendar;
    }
    switch ((wr_time_key) n->keyword->key) {
    case WR_KEY_FX: c->exact = true; return WEIR_OK;
    case WR_KEY_TZ:
    case WR_KEY_OF:
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_INVALID_ARGUMENT,
                            "formatting field \"%s\" is only supported in to_char",
                            n->keyword->name);
    case WR_KEY_TZH: return scan_zone_hours(c, n);
    case WR_KEY_TZM:
        if (c->f.zone_sign == 0)
            c->f.zone_sign = 1;
        return scan_number(c, n, 2, &c->f.zone_minutes, NULL);
    case WR_KEY_AM_DOTS:
    case WR_KEY_AM:
    case WR_KEY_HH12:
    case WR_KEY_HH24:
    case WR_KEY_MI:
    case WR_KEY_SS:
    case WR_KEY_SSSS:
    case WR_KEY_MS:
    case WR_KEY_US:
    case WR_KEY_FF1:
    case WR_KEY_FF2:
    case WR_KEY_FF3:
    case WR_KEY_FF4:
    case WR_KEY_FF5:
    case WR_KEY_FF6: return scan_clock(c, n);
    default: return scan_date(c, n);
    }
}

/* --- the whole text --- */

static void
skip_spaces(wr_scanner *c)
{
    for (; fn_is_space(*c->s); c->s++)
        c->extra++;
}

/* A character of the picture that is no keyword. */
static void
scan_other(wr_scanner *c, const wr_node *n, const char *end)
{
    if (c->exact) {
        c->s = fn_char_next(c->s, end);
    } else if (n->kind == WR_NODE_CHAR) { /* it may stand for one skipped before */
        if (c->extra > 0)
            c->extra--;
        else
            c->s = fn_char_next(c->s, end);
    } else if (fn_is_space(*c->s) || fn_is_separator(*c->s)) {
        c->s++;
    } else {
        c->extra--;
    }
}

weir_status
wr_scan_nodes(wr_scanner *c, const wr_node *nodes)
{
    const char *end = c->s + strlen(c->s);
    for (const wr_node *n = nodes; n->kind != WR_NODE_END && *c->s != '\0'; n++) {
        bool action = n->kind == WR_NODE_ACTION;
        if (!c->exact && (action ? n->keyword->key != WR_KEY_FX : n == nodes))
            skip_spaces(c);
        if (!action) {
            if (*c->s != '\0')
                scan_other(c, n, end);
            continue;
        }
        WR_TRY(scan_action(c, n));
        if (!c->exact) {
            c->extra = 0;
            skip_spaces(c);
        }
    }
    return WEIR_OK;
}
