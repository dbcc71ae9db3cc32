/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_format_impl.h -- format pictures ('YYYY-MM-DD', '9G999D99'): keywords and their parsing.
 *
 * Place       included by fn_format.c, fn_datetime_*.c and fn_number_*.c alone.
 */
#pragma once

#include "expr/fn_impl.h"

/* --- keywords of times --- */

typedef enum wr_time_key {
    WR_KEY_AM_DOTS, /* A.M. and P.M. */
    WR_KEY_AM,
    WR_KEY_AD_DOTS,
    WR_KEY_AD,
    WR_KEY_CC,
    WR_KEY_D,
    WR_KEY_DAY,
    WR_KEY_DD,
    WR_KEY_DDD,
    WR_KEY_DY,
    WR_KEY_FF1, /* to FF6, in order */
    WR_KEY_FF2,
    WR_KEY_FF3,
    WR_KEY_FF4,
    WR_KEY_FF5,
    WR_KEY_FF6,
    WR_KEY_FX,
    WR_KEY_HH24,
    WR_KEY_HH12,
    WR_KEY_I,
    WR_KEY_ID,
    WR_KEY_IDDD,
    WR_KEY_IW,
    WR_KEY_IY,
    WR_KEY_IYY,
    WR_KEY_IYYY,
    WR_KEY_J,
    WR_KEY_MI,
    WR_KEY_MM,
    WR_KEY_MON,
    WR_KEY_MONTH,
    WR_KEY_MS,
    WR_KEY_OF,
    WR_KEY_Q,
    WR_KEY_RM,
    WR_KEY_SS,
    WR_KEY_SSSS,
    WR_KEY_TZ,
    WR_KEY_TZH,
    WR_KEY_TZM,
    WR_KEY_US,
    WR_KEY_W,
    WR_KEY_WW,
    WR_KEY_Y,
    WR_KEY_YY,
    WR_KEY_YYY,
    WR_KEY_YYYY,
    WR_KEY_Y_YYY,
} wr_time_key;

/* --- keywords of numbers --- */

typedef enum wr_number_key {
    WR_NUM_COMMA,
    WR_NUM_POINT,
    WR_NUM_0,
    WR_NUM_9,
    WR_NUM_B,
    WR_NUM_C,
    WR_NUM_D,
    WR_NUM_EEEE,
    WR_NUM_FM,
    WR_NUM_G,
    WR_NUM_L,
    WR_NUM_MI,
    WR_NUM_PL,
    WR_NUM_PR,
    WR_NUM_RN,
    WR_NUM_SG,
    WR_NUM_SP,
    WR_NUM_S,
    WR_NUM_TH,
    WR_NUM_V,
} wr_number_key;

/* How the keyword was written: names and signs come out the same way. */
typedef enum wr_letters { WR_LETTERS_UPPER, WR_LETTERS_CAPITAL, WR_LETTERS_LOWER } wr_letters;

/* Which calendar a keyword belongs to: the two do not mix in one picture. */
typedef enum wr_calendar { WR_CALENDAR_NONE, WR_CALENDAR_GREGORIAN, WR_CALENDAR_ISO } wr_calendar;

typedef struct wr_keyword {
    const char *name;
    uint8_t     length, key, letters, calendar;
    bool        is_digit; /* its input begins with a digit */
} wr_keyword;

typedef enum wr_node_kind {
    WR_NODE_END,
    WR_NODE_ACTION,
    WR_NODE_CHAR,
    WR_NODE_SEPARATOR,
    WR_NODE_SPACE,
} wr_node_kind;

enum {
    WR_SUFFIX_FM = 1,
    WR_SUFFIX_TM = 2,
    WR_SUFFIX_TH = 4,
    WR_SUFFIX_TH_LOWER = 8,
    WR_SUFFIX_SP = 16,
};

typedef struct wr_node {
    uint8_t           kind, suffix;
    const wr_keyword *keyword; /* ACTION    */
    const char       *text;    /* the others: one character of the picture */
    uint32_t          length;
} wr_node;

/* The picture's nodes with an END behind, in the step arena; they borrow the picture.
 * NULL: no memory. */
const wr_node *wr_format_parse_time(wr_eval *eval, const char *picture, size_t length);
const wr_node *wr_format_parse_number(wr_eval *eval, const char *picture, size_t length);

/* "st", "nd", "rd", "th" for the decimal digits' end. */
const char *wr_format_ordinal(const char *digits, size_t length, bool lower);
static inline bool
fn_is_separator(char c)
{
    return c > 0x20 && c < 0x7f && !(c >= '0' && c <= '9') &&
           !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}
static inline bool
fn_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

extern const char *const wr_month_names[12], *const wr_day_names[7]; /* "January"; "Sunday" first */
extern const char *const wr_roman_months[12];                        /* December first           */
