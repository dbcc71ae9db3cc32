/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime_format.c -- to_char of timestamps and intervals.
 *
 * Place       rows of the function registry.
 * Invariants  an infinite time and an empty picture give NULL; what has no meaning for an interval
 *             is refused
 * Cost        with a constant picture the vector kernel parses it once a batch, and writes a text once
 *             for times in a row that the picture does not tell apart (its finest keyword).
 */
#include "expr/fn_datetime_impl.h"
#include "expr/fn_format_impl.h"
#include "expr/registry_impl.h"


enum { JULIAN_OF_1970 = 2440588, DAYS_MAX = 110000000 };

/* A point in time or an interval, taken apart. */
typedef struct parts {
    int64_t year; /* astronomical; of an interval: as it is */
    int64_t month, day, hour, minute, second, us;
    int64_t day_of_year;
    int     day_of_week; /* 0 is Sunday */
    bool    is_interval, has_zone;
} parts;

static void
parts_of_time(wr_time t, bool has_zone, parts *p)
{
    wr_civil c;
    wr_civil_from_time(t, &c);
    *p = (parts){ .year = c.year, .month = c.month, .day = c.day, .hour = c.hour,
                  .minute = c.minute, .second = c.second, .us = c.us, .has_zone = has_zone };
    p->day_of_week = fn_day_of_week(fn_floor_divide(t, WR_US_PER_DAY));
    p->day_of_year = wr_fn_day_of_year(&c);
}

static void
parts_of_interval(const wr_interval *i, parts *p)
{
    *p = (parts){ .year = i->months / 12, .month = i->months % 12, .day = i->days,
                  .hour = i->us / WR_US_PER_HOUR, .minute = i->us / WR_US_PER_MINUTE % 60,
                  .second = i->us / WR_US_PER_SECOND % 60, .us = i->us % WR_US_PER_SECOND,
                  .is_interval = true };
    p->day_of_year = (p->year * 12 + p->month) * 30 + p->day; /* about the whole span in days */
}

/* A year as it is shown. */
static int64_t
parts_year(const parts *p, int64_t year)
{
    return p->is_interval || year > 0 ? year : 1 - year;
}

/* Julian day, also of months and days that no calendar has (intervals). */
static int64_t
julian_of(int64_t year, int64_t month, int64_t day)
{
    if (month > 2) {
        month += 1;
        year += 4800;
    } else {
        month += 13;
        year += 4799;
    }
    int64_t century = year / 100;
    return year * 365 - 32167 + year / 4 - century + century / 4 + 7834 * month / 256 + day;
}

/* ISO year, week and day of the year. */
static void
parts_iso(const parts *p, int64_t *year, int *week, int64_t *day)
{
    int64_t days = julian_of(p->year, p->month, p->day) - JULIAN_OF_1970;
    /* An interval may have more days than any calendar. */
    days = WR_MAX(WR_MIN(days, DAYS_MAX), -DAYS_MAX);
    wr_fn_iso_week(days, year, week);
    int64_t fourth = wr_days_from_civil(*year, 1, 4); /* in week 1, which begins on its Monday */
    *day = days - (fourth - (fn_day_of_week(fourth) + 6) % 7) + 1;
}

/* --- one node --- */

typedef struct writer {
    wr_eval *eval;
    uint32_t row;
    parts    parts;
    wr_text *to;
} writer;

/* A name in the letters its keyword has, filled with blanks to width (0: none). */
static void
put_name(writer *w, const char *name, size_t length, wr_letters letters, size_t width)
{
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool upper = letters == WR_LETTERS_UPPER || (letters == WR_LETTERS_CAPITAL && i == 0);
        if (upper && c >= 'a' && c <= 'z')
            c = (char) (c - 32);
        else if (!upper && c >= 'A' && c <= 'Z')
            c = (char) (c + 32);
        wr_text_putc(w->to, c);
    }
    for (size_t i = length; i < width; i++)
        wr_text_putc(w->to, ' ');
}

/* The ordinal's ending of what stands from start on, if the node asks for one. */
static void
put_ordinal(writer *w, const wr_node *n, size_t start)
{
    if ((n->suffix & (WR_SUFFIX_TH | WR_SUFFIX_TH_LOWER)) != 0 && wr_text_ok(w->to))
        wr_text_puts(w->to, wr_format_ordinal(w->to->data + start, w->to->length - start,
                                              (n->suffix & WR_SUFFIX_TH_LOWER) != 0));
}

/* At least `width` (up to 12) characters, zeros in front. */
static void
put_fixed(writer *w, const wr_node *n, int64_t value, int width)
{
    static const char zeros[] = "000000000000";
    size_t            start = w->to->length;
    char              digits[24], *at = digits + sizeof digits;
    uint64_t          rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;
    do
        *--at = (char) ('0' + rest % 10);
    while ((rest /= 10) != 0);
    size_t have = (size_t) (digits + sizeof digits - at), sign = value < 0;
    if (sign)
        wr_text_putc(w->to, '-');
    if (have + sign < (size_t) width)
        wr_text_append(w->to, zeros, (size_t) width - have - sign);
    wr_text_append(w->to, at, have);
    put_ordinal(w, n, start);
}

/* The same, but no zeros under FM. */
static void
put_number(writer *w, const wr_node *n, int64_t value, int width)
{
    put_fixed(w, n, value, (n->suffix & WR_SUFFIX_FM) != 0 ? 0 : width);
}

/* The same, a minus being one character more. */
static void
put_signed(writer *w, const wr_node *n, int64_t value, int width)
{
    put_number(w, n, value, width + (value < 0));
}

/* Twelve-hour clock, halves of the day, fractions of a second. */
static void
put_clock(writer *w, const wr_node *n)
{
    static const int64_t units[] = { 100000, 10000, 1000, 100, 10, 1 };
    const parts         *p = &w->parts;
    wr_time_key          key = n->keyword->key;
    bool                 afternoon = p->hour % 24 >= 12;
    switch (key) {
    case WR_KEY_AM_DOTS:
        put_name(w, afternoon ? "P.M." : "A.M.", 4, n->keyword->letters, 0);
        break;
    case WR_KEY_AM: put_name(w, afternoon ? "PM" : "AM", 2, n->keyword->letters, 0); break;
    case WR_KEY_HH12: {
        int64_t hour = p->hour % 12 == 0 ? 12 : p->hour % 12;
        put_number(w, n, hour, 2 + (p->hour < 0));
        break;
    }
    case WR_KEY_HH24: put_signed(w, n, p->hour, 2); break;
    case WR_KEY_MI: put_signed(w, n, p->minute, 2); break;
    case WR_KEY_SS: put_signed(w, n, p->second, 2); break;
    case WR_KEY_SSSS:
        put_fixed(w, n, p->hour * 3600 + p->minute * 60 + p->second, 0);
        break;
    case WR_KEY_MS: put_fixed(w, n, p->us / 1000, 3); break;
    case WR_KEY_US: put_fixed(w, n, p->us, 6); break;
    default: /* FF1 to FF6 */
        put_fixed(w, n, p->us / units[key - WR_KEY_FF1], (int) (key - WR_KEY_FF1) + 1);
        break;
    }
}

static void
put_year(writer *w, const wr_node *n)
{
    const parts *p = &w->parts;
    int64_t      year = p->year, iso_day;
    int          week, minus = parts_year(p, p->year) < 0;
    if (n->keyword->calendar == WR_CALENDAR_ISO)
        parts_iso(p, &year, &week, &iso_day);
    year = parts_year(p, year);
    switch (n->keyword->key) {
    case WR_KEY_Y_YYY: {
        size_t start = w->to->length;
        wr_text_printf(w->to, "%lld,%03lld", (long long) (year / 1000), (long long) (year % 1000));
        put_ordinal(w, n, start);
        break;
    }
    case WR_KEY_YYYY:
    case WR_KEY_IYYY: put_number(w, n, year, 4 + minus); break;
    case WR_KEY_YYY:
    case WR_KEY_IYY: put_number(w, n, year % 1000, 3 + minus); break;
    case WR_KEY_YY:
    case WR_KEY_IY: put_number(w, n, year % 100, 2 + minus); break;
    default: put_fixed(w, n, year % 10, 1); break;
    }
}

static void
put_century(writer *w, const wr_node *n)
{
    const parts *p = &w->parts;
    int64_t      century = p->is_interval ? p->year / 100
                           : p->year > 0  ? (p->year - 1) / 100 + 1
                                          : p->year / 100 - 1;
    if (century <= 99 && century >= -99)
        put_signed(w, n, century, 2);
    else
        put_fixed(w, n, century, 0);
}

/* Roman months: an interval's may be zero or negative. */
static void
put_roman_month(writer *w, const wr_node *n)
{
    const parts *p = &w->parts;
    int64_t      index;
    if (p->month == 0 && p->year == 0)
        return;
    if (p->month == 0)
        index = p->year >= 0 ? 0 : 11;
    else
        index = p->month < 0 ? -p->month - 1 : 12 - p->month;
    const char *name = wr_roman_months[index];
    put_name(w, name, strlen(name), n->keyword->letters,
             (n->suffix & WR_SUFFIX_FM) != 0 ? 0 : 4);
}

static void
put_day(writer *w, const wr_node *n)
{
    const parts *p = &w->parts;
    int64_t      iso_year, iso_day = 0;
    int          week = 0;
    if (n->keyword->key == WR_KEY_IDDD || n->keyword->key == WR_KEY_IW)
        parts_iso(p, &iso_year, &week, &iso_day);
    switch (n->keyword->key) {
    case WR_KEY_DDD: put_number(w, n, p->day_of_year, 3); break;
    case WR_KEY_IDDD: put_number(w, n, iso_day, 3); break;
    case WR_KEY_DD: put_number(w, n, p->day, 2); break;
    case WR_KEY_D: put_fixed(w, n, p->day_of_week + 1, 1); break;
    case WR_KEY_ID: put_fixed(w, n, p->day_of_week == 0 ? 7 : p->day_of_week, 1); break;
    case WR_KEY_WW: put_number(w, n, (p->day_of_year - 1) / 7 + 1, 2); break;
    case WR_KEY_IW: put_number(w, n, week, 2); break;
    case WR_KEY_W: put_fixed(w, n, (p->day - 1) / 7 + 1, 1); break;
    default: put_fixed(w, n, julian_of(p->year, p->month, p->day), 1); break; /* J */
    }
}

/* Keywords that an interval has no answer for. */
static void
put_calendar(writer *w, const wr_node *n)
{
    const parts *p = &w->parts;
    wr_letters   letters = n->keyword->letters;
    bool         fill = (n->suffix & (WR_SUFFIX_FM | WR_SUFFIX_TM)) == 0;
    const char  *name;
    switch (n->keyword->key) {
    case WR_KEY_AD_DOTS: put_name(w, p->year <= 0 ? "B.C." : "A.D.", 4, letters, 0); break;
    case WR_KEY_AD: put_name(w, p->year <= 0 ? "BC" : "AD", 2, letters, 0); break;
    case WR_KEY_MONTH:
        name = wr_month_names[p->month - 1];
        put_name(w, name, strlen(name), letters, fill ? 9 : 0);
        break;
    case WR_KEY_MON: put_name(w, wr_month_names[p->month - 1], 3, letters, 0); break;
    case WR_KEY_DAY:
        name = wr_day_names[p->day_of_week];
        put_name(w, name, strlen(name), letters, fill ? 9 : 0);
        break;
    case WR_KEY_DY: put_name(w, wr_day_names[p->day_of_week], 3, letters, 0); break;
    case WR_KEY_TZ:
        if (p->has_zone)
            put_name(w, "UTC", 3, letters, 0);
        break;
    case WR_KEY_TZH: wr_text_puts(w->to, "+00"); break;
    case WR_KEY_TZM: wr_text_puts(w->to, "00"); break;
    case WR_KEY_OF: wr_text_puts(w->to, (n->suffix & WR_SUFFIX_FM) != 0 ? "+0" : "+00"); break;
    case WR_KEY_D: put_day(w, n); break;
    case WR_KEY_ID: put_day(w, n); break;
    default: break;
    }
}

static weir_status
put_action(writer *w, const wr_node *n)
{
    const parts *p = &w->parts;
    switch ((wr_time_key) n->keyword->key) {
    case WR_KEY_FX: return WEIR_OK;
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
    case WR_KEY_FF6: put_clock(w, n); return WEIR_OK;
    case WR_KEY_Y:
    case WR_KEY_YY:
    case WR_KEY_YYY:
    case WR_KEY_YYYY:
    case WR_KEY_Y_YYY:
    case WR_KEY_I:
    case WR_KEY_IY:
    case WR_KEY_IYY:
    case WR_KEY_IYYY: put_year(w, n); return WEIR_OK;
    case WR_KEY_DDD:
    case WR_KEY_IDDD:
    case WR_KEY_DD:
    case WR_KEY_WW:
    case WR_KEY_IW:
    case WR_KEY_W:
    case WR_KEY_J: put_day(w, n); return WEIR_OK;
    case WR_KEY_CC: put_century(w, n); return WEIR_OK;
    case WR_KEY_MM: put_signed(w, n, p->month, 2); return WEIR_OK;
    case WR_KEY_RM: put_roman_month(w, n); return WEIR_OK;
    case WR_KEY_Q:
        if (p->month != 0)
            put_fixed(w, n, (p->month - 1) / 3 + 1, 1);
        return WEIR_OK;
    default: break;
    }
    if (p->is_interval)
        return wr_eval_fail(w->eval, w->row, WEIR_ROW_INVALID_ARGUMENT,
                            "invalid format specification for an interval value");
    put_calendar(w, n);
    return WEIR_OK;
}

static weir_status
put_nodes(writer *w, const wr_node *n)
{
    for (; n->kind != WR_NODE_END; n++) {
        if (n->kind == WR_NODE_ACTION)
            WR_TRY(put_action(w, n));
        else
            wr_text_append(w->to, n->text, n->length);
    }
    return WEIR_OK;
}

/* --- kernels --- */

static weir_status
format_give(wr_eval *eval, uint32_t row, const parts *p, const wr_value *picture, wr_value *out)
{
    wr_text        text;
    writer         w = { eval, row, *p, &text };
    const wr_node *nodes = wr_format_parse_time(eval, fn_data(picture), fn_length(picture));
    if (nodes == NULL)
        return WEIR_MEMORY;
    wr_text_init(&text, eval->budget);
    weir_status status = put_nodes(&w, nodes);
    if (status == WEIR_OK)
        return wr_fn_take(eval, row, &text, out);
    wr_text_fini(&text);
    return status;
}

FN_KERNEL(timestamp_to_char)
{
    parts p;
    if (fn_length(&args[1]) == 0 || fn_time_is_infinite(args[0].integer))
        return fn_give_null(out);
    parts_of_time(args[0].integer, args[0].type.id == WR_TIMESTAMPTZ, &p);
    return format_give(eval, row, &p, &args[1], out);
}

FN_KERNEL(interval_to_char)
{
    parts p;
    if (fn_length(&args[1]) == 0)
        return fn_give_null(out);
    parts_of_interval(&args[0].interval, &p);
    return format_give(eval, row, &p, &args[1], out);
}

/* Times of one such span look alike in the picture: 1 where the text shows less than seconds. */
static int64_t
nodes_span(const wr_node *n)
{
    int64_t span = WR_US_PER_DAY;
    for (; n->kind != WR_NODE_END; n++) {
        if (n->kind != WR_NODE_ACTION)
            continue;
        switch ((wr_time_key) n->keyword->key) {
        case WR_KEY_AM_DOTS:
        case WR_KEY_AM:
        case WR_KEY_HH12:
        case WR_KEY_HH24: span = WR_MIN(span, (int64_t) WR_US_PER_HOUR); break;
        case WR_KEY_MI: span = WR_MIN(span, (int64_t) WR_US_PER_MINUTE); break;
        case WR_KEY_SS:
        case WR_KEY_SSSS: span = WR_MIN(span, (int64_t) WR_US_PER_SECOND); break;
        case WR_KEY_MS:
        case WR_KEY_US:
        case WR_KEY_FF1:
        case WR_KEY_FF2:
        case WR_KEY_FF3:
        case WR_KEY_FF4:
        case WR_KEY_FF5:
        case WR_KEY_FF6: return 1;
        default: break;
        }
    }
    return span;
}

/* What the last time came to. */
typedef struct shown {
    wr_time   from;  /* the beginning of its span           */
    bool      known; /* the writer's text, and view, are it */
    wr_string view;
} shown;

static weir_status
timestamp_to_char_row(writer *w, wr_column *out, const wr_node *nodes, wr_time t, int64_t span,
                      shown *last)
{
    if (fn_time_is_infinite(t))
        return wr_column_set_null(out, w->row);
    if (!last->known || (uint64_t) t - (uint64_t) last->from >= (uint64_t) span) {
        last->from = fn_floor_divide(t, span) * span;
        parts_of_time(t, w->parts.has_zone, &w->parts);
        wr_text_clear(w->to);
        weir_status status = put_nodes(w, nodes);
        last->known = status == WEIR_OK;
        if (wr_status_is_row(status))
            return wr_column_set_null(out, w->row);
        if (status != WEIR_OK || !wr_text_ok(w->to))
            return WEIR_MEMORY;
        last->view = wr_string_make(wr_text_string(w->to), w->to->length);
    }
    if (last->view.length > WR_STRING_INLINE_MAX)
        return wr_column_set_string(out, w->row, wr_text_string(w->to), w->to->length);
    wr_column_set_view(out, w->row, last->view);
    return WEIR_OK;
}

static weir_status
timestamp_to_char_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                         uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    if (args[0]->layout != WR_FLAT || args[1]->layout != WR_CONSTANT ||
        wr_column_is_null(args[1], 0) || fn_string_at(args[1], 0)->length == 0)
        return WEIR_QUERY_UNSUPPORTED;
    const wr_string *picture = fn_string_at(args[1], 0);
    const wr_node   *nodes = wr_format_parse_time(eval, wr_string_data(picture), picture->length);
    uint16_t         kept[WR_BATCH_ROWS_MAX];
    wr_rows          live;
    wr_column       *made;
    weir_status      status = WEIR_OK;
    wr_text          text;
    writer           w = { .eval = eval, .to = &text };
    shown            last = { 0 };
    if (nodes == NULL)
        return WEIR_MEMORY;
    int64_t span = nodes_span(nodes);
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 2, physical, rows, kept, &live, &made));
    wr_text_init(&text, eval->budget);
    w.parts.has_zone = args[0]->type.id == WR_TIMESTAMPTZ;
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        w.row = fn_row(live, i);
        status = timestamp_to_char_row(&w, made, nodes, ((const wr_time *) args[0]->data)[w.row],
                                       span, &last);
    }
    wr_text_fini(&text);
    if (status != WEIR_OK) {
        wr_column_release(made);
        return status;
    }
    *out = made;
    return WEIR_OK;
}

#define FN_TOPIC "time"
#define TO_CHAR_DOC "text after a picture ('YYYY-MM-DD HH24:MI')"
const wr_function wr_fn_datetime_format[] = {
    FNV("to_char", T_TEXT, timestamp_to_char, timestamp_to_char_vector, FN_FAILS, TO_CHAR_DOC,
        T_TIMESTAMP, T_TEXT),
    FNV("to_char", T_TEXT, timestamp_to_char, timestamp_to_char_vector, FN_FAILS, TO_CHAR_DOC,
        T_TIMESTAMPTZ, T_TEXT),
    FN("to_char", T_TEXT, interval_to_char, FN_FAILS, TO_CHAR_DOC, T_INTERVAL, T_TEXT),
    FN_END,
};
