/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_format.c -- parsing format pictures (see fn_format_impl.h).
 *
 * Place       called by to_char, to_timestamp, to_date and to_number.
 * Invariants  what is no keyword is a character of its own; "quoted text" holds no keywords
 */
#include "expr/fn_format_impl.h"

const char *const wr_month_names[12] = { "January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December" };
const char *const wr_day_names[7] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday" };
const char *const wr_roman_months[12] = { "XII", "XI", "X",  "IX",  "VIII", "VII",
                                          "VI",  "V",  "IV", "III", "II",   "I" };

#define GREGORIAN WR_CALENDAR_GREGORIAN
#define ISO       WR_CALENDAR_ISO
/* Upper and lower case. */
#define KEY(UPPER, LOWER, ID, CALENDAR, DIGIT)                                                     \
    { UPPER, sizeof UPPER - 1, ID, WR_LETTERS_UPPER, CALENDAR, DIGIT },                            \
        { LOWER, sizeof LOWER - 1, ID, WR_LETTERS_LOWER, CALENDAR, DIGIT }
/* With a capital too. */
#define NAME(UPPER, CAPITAL, LOWER, ID, CALENDAR)                                                  \
    KEY(UPPER, LOWER, ID, CALENDAR, false),                                                        \
        { CAPITAL, sizeof CAPITAL - 1, ID, WR_LETTERS_CAPITAL, CALENDAR, false }

/* Of keywords that begin alike, the longer stands first. */
static const wr_keyword time_keywords[] = {
    KEY("A.D.", "a.d.", WR_KEY_AD_DOTS, 0, false),
    KEY("A.M.", "a.m.", WR_KEY_AM_DOTS, 0, false),
    KEY("AD", "ad", WR_KEY_AD, 0, false),
    KEY("AM", "am", WR_KEY_AM, 0, false),
    KEY("B.C.", "b.c.", WR_KEY_AD_DOTS, 0, false),
    KEY("BC", "bc", WR_KEY_AD, 0, false),
    KEY("CC", "cc", WR_KEY_CC, 0, true),
    NAME("DAY", "Day", "day", WR_KEY_DAY, 0),
    KEY("DDD", "ddd", WR_KEY_DDD, GREGORIAN, true),
    KEY("DD", "dd", WR_KEY_DD, GREGORIAN, true),
    NAME("DY", "Dy", "dy", WR_KEY_DY, 0),
    KEY("D", "d", WR_KEY_D, GREGORIAN, true),
    KEY("FF1", "ff1", WR_KEY_FF1, 0, true),
    KEY("FF2", "ff2", WR_KEY_FF2, 0, true),
    KEY("FF3", "ff3", WR_KEY_FF3, 0, true),
    KEY("FF4", "ff4", WR_KEY_FF4, 0, true),
    KEY("FF5", "ff5", WR_KEY_FF5, 0, true),
    KEY("FF6", "ff6", WR_KEY_FF6, 0, true),
    KEY("FX", "fx", WR_KEY_FX, 0, false),
    KEY("HH24", "hh24", WR_KEY_HH24, 0, true),
    KEY("HH12", "hh12", WR_KEY_HH12, 0, true),
    KEY("HH", "hh", WR_KEY_HH12, 0, true),
    KEY("IDDD", "iddd", WR_KEY_IDDD, ISO, true),
    KEY("ID", "id", WR_KEY_ID, ISO, true),
    KEY("IW", "iw", WR_KEY_IW, ISO, true),
    KEY("IYYY", "iyyy", WR_KEY_IYYY, ISO, true),
    KEY("IYY", "iyy", WR_KEY_IYY, ISO, true),
    KEY("IY", "iy", WR_KEY_IY, ISO, true),
    KEY("I", "i", WR_KEY_I, ISO, true),
    KEY("J", "j", WR_KEY_J, 0, true),
    KEY("MI", "mi", WR_KEY_MI, 0, true),
    KEY("MM", "mm", WR_KEY_MM, GREGORIAN, true),
    NAME("MONTH", "Month", "month", WR_KEY_MONTH, GREGORIAN),
    NAME("MON", "Mon", "mon", WR_KEY_MON, GREGORIAN),
    KEY("MS", "ms", WR_KEY_MS, 0, true),
    KEY("OF", "of", WR_KEY_OF, 0, false),
    KEY("P.M.", "p.m.", WR_KEY_AM_DOTS, 0, false),
    KEY("PM", "pm", WR_KEY_AM, 0, false),
    KEY("Q", "q", WR_KEY_Q, 0, true),
    KEY("RM", "rm", WR_KEY_RM, GREGORIAN, false),
    KEY("SSSSS", "sssss", WR_KEY_SSSS, 0, true),
    KEY("SSSS", "ssss", WR_KEY_SSSS, 0, true),
    KEY("SS", "ss", WR_KEY_SS, 0, true),
    KEY("TZH", "tzh", WR_KEY_TZH, 0, false),
    KEY("TZM", "tzm", WR_KEY_TZM, 0, true),
    KEY("TZ", "tz", WR_KEY_TZ, 0, false),
    KEY("US", "us", WR_KEY_US, 0, true),
    KEY("WW", "ww", WR_KEY_WW, GREGORIAN, true),
    KEY("W", "w", WR_KEY_W, GREGORIAN, true),
    KEY("Y,YYY", "y,yyy", WR_KEY_Y_YYY, GREGORIAN, true),
    KEY("YYYY", "yyyy", WR_KEY_YYYY, GREGORIAN, true),
    KEY("YYY", "yyy", WR_KEY_YYY, GREGORIAN, true),
    KEY("YY", "yy", WR_KEY_YY, GREGORIAN, true),
    KEY("Y", "y", WR_KEY_Y, GREGORIAN, true),
};

static const wr_keyword number_keywords[] = {
    { ",", 1, WR_NUM_COMMA, 0, 0, false },
    { ".", 1, WR_NUM_POINT, 0, 0, false },
    { "0", 1, WR_NUM_0, 0, 0, true },
    { "9", 1, WR_NUM_9, 0, 0, true },
    KEY("B", "b", WR_NUM_B, 0, false),
    KEY("C", "c", WR_NUM_C, 0, false),
    KEY("D", "d", WR_NUM_D, 0, false),
    KEY("EEEE", "eeee", WR_NUM_EEEE, 0, false),
    KEY("FM", "fm", WR_NUM_FM, 0, false),
    KEY("G", "g", WR_NUM_G, 0, false),
    KEY("L", "l", WR_NUM_L, 0, false),
    KEY("MI", "mi", WR_NUM_MI, 0, false),
    KEY("PL", "pl", WR_NUM_PL, 0, false),
    KEY("PR", "pr", WR_NUM_PR, 0, false),
    KEY("RN", "rn", WR_NUM_RN, 0, false),
    KEY("SG", "sg", WR_NUM_SG, 0, false),
    KEY("SP", "sp", WR_NUM_SP, 0, false),
    KEY("S", "s", WR_NUM_S, 0, false),
    KEY("TH", "th", WR_NUM_TH, 0, false),
    KEY("V", "v", WR_NUM_V, 0, false),
};

static const wr_keyword *
keyword_find(const wr_keyword *list, size_t count, const char *s, const char *end)
{
    for (size_t i = 0; i < count; i++)
        if (s < end && list[i].name[0] == *s && (size_t) (end - s) >= list[i].length &&
            memcmp(list[i].name, s, list[i].length) == 0)
            return &list[i];
    return NULL;
}

/* A prefix (FM, TM) or suffix (TH, SP) of a time keyword at *at; 0: none. */
static uint8_t
suffix_read(const char **at, const char *end, bool prefix)
{
    static const struct {
        char    text[3];
        bool    prefix;
        uint8_t suffix;
    } known[] = {
        { "FM", true, WR_SUFFIX_FM },  { "fm", true, WR_SUFFIX_FM },
        { "TM", true, WR_SUFFIX_TM },  { "tm", true, WR_SUFFIX_TM },
        { "TH", false, WR_SUFFIX_TH }, { "th", false, WR_SUFFIX_TH_LOWER },
        { "SP", false, WR_SUFFIX_SP },
    };
    for (size_t i = 0; i < WR_COUNT(known) && end - *at >= 2; i++) {
        if (known[i].prefix == prefix && memcmp(known[i].text, *at, 2) == 0) {
            *at += 2;
            return known[i].suffix;
        }
    }
    return 0;
}

static wr_node *
node_char(wr_node *n, wr_node_kind kind, const char **at, const char *end)
{
    const char *next = fn_char_next(*at, end);
    *n = (wr_node){ .kind = (uint8_t) kind, .text = *at, .length = (uint32_t) (next - *at) };
    *at = next;
    return n + 1;
}

/* "text", at behind the opening quote; a backslash quotes the next character. */
static wr_node *
node_quoted(wr_node *n, const char **at, const char *end)
{
    while (*at < end) {
        if (**at == '"') {
            ++*at;
            break;
        }
        if (**at == '\\' && end - *at > 1)
            ++*at;
        n = node_char(n, WR_NODE_CHAR, at, end);
    }
    return n;
}

static const wr_node *
format_parse(wr_eval *eval, const char *picture, size_t length, const wr_keyword *list,
             size_t count, bool times)
{
    const char *s = picture, *end = s + length;
    wr_node    *nodes = wr_arena_alloc(&eval->step, (length + 1) * sizeof *nodes), *n = nodes;
    if (nodes == NULL)
        return NULL;
    while (s < end) {
        uint8_t           suffix = times ? suffix_read(&s, end, true) : 0;
        const wr_keyword *k = keyword_find(list, count, s, end);
        if (k != NULL) {
            s += k->length;
            if (times)
                suffix |= suffix_read(&s, end, false);
            *n++ = (wr_node){ .kind = WR_NODE_ACTION, .suffix = suffix, .keyword = k };
        } else if (s < end && *s == '"') {
            s++;
            n = node_quoted(n, &s, end);
        } else if (s < end) {
            if (*s == '\\' && end - s > 1 && s[1] == '"')
                s++;
            wr_node_kind kind = times && fn_is_separator(*s) ? WR_NODE_SEPARATOR
                                : fn_is_space(*s)            ? WR_NODE_SPACE
                                                             : WR_NODE_CHAR;
            n = node_char(n, kind, &s, end);
        }
    }
    *n = (wr_node){ .kind = WR_NODE_END };
    return nodes;
}

const wr_node *
wr_format_parse_time(wr_eval *eval, const char *picture, size_t length)
{
    return format_parse(eval, picture, length, time_keywords, WR_COUNT(time_keywords), true);
}

const wr_node *
wr_format_parse_number(wr_eval *eval, const char *picture, size_t length)
{
    return format_parse(eval, picture, length, number_keywords, WR_COUNT(number_keywords), false);
}

const char *
wr_format_ordinal(const char *digits, size_t length, bool lower)
{
    char last = length > 0 ? digits[length - 1] : '0';
    if (length > 1 && digits[length - 2] == '1') /* eleventh */
        last = '0';
    switch (last) {
    case '1': return lower ? "st" : "ST";
    case '2': return lower ? "nd" : "ND";
    case '3': return lower ? "rd" : "RD";
    default: return lower ? "th" : "TH";
    }
}
