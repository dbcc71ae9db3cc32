/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/datetime_token.c -- cutting the text of dates and intervals into tokens; names of units.
 *
 * Place       datetime_parse.c and interval.c.
 * State       none.
 * Invariants  K1  tokens are lower case and NUL-terminated, within WR_TOKEN_TEXT_MAX bytes in all
 * What is a token follows PostgreSQL: "1999-01-08", "Jan-08-1999" and "America/New_York" are one
 * each, "5.5h" is two, "+05:30" is one; other punctuation separates.
 */
#include "data/datetime_impl.h"

#include "data/float.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    wr_unit unit;
} units[] = {
    { "c", WR_UNIT_CENTURY },
    { "cent", WR_UNIT_CENTURY },
    { "centuries", WR_UNIT_CENTURY },
    { "century", WR_UNIT_CENTURY },
    { "d", WR_UNIT_DAY },
    { "day", WR_UNIT_DAY },
    { "days", WR_UNIT_DAY },
    { "dec", WR_UNIT_DECADE },
    { "decade", WR_UNIT_DECADE },
    { "decades", WR_UNIT_DECADE },
    { "decs", WR_UNIT_DECADE },
    { "h", WR_UNIT_HOUR },
    { "hour", WR_UNIT_HOUR },
    { "hours", WR_UNIT_HOUR },
    { "hr", WR_UNIT_HOUR },
    { "hrs", WR_UNIT_HOUR },
    { "m", WR_UNIT_MINUTE },
    { "microsecond", WR_UNIT_MICROSECOND },
    { "microseconds", WR_UNIT_MICROSECOND },
    { "mil", WR_UNIT_MILLENNIUM },
    { "millennia", WR_UNIT_MILLENNIUM },
    { "millennium", WR_UNIT_MILLENNIUM },
    { "millisecond", WR_UNIT_MILLISECOND },
    { "milliseconds", WR_UNIT_MILLISECOND },
    { "mils", WR_UNIT_MILLENNIUM },
    { "min", WR_UNIT_MINUTE },
    { "mins", WR_UNIT_MINUTE },
    { "minute", WR_UNIT_MINUTE },
    { "minutes", WR_UNIT_MINUTE },
    { "mon", WR_UNIT_MONTH },
    { "mons", WR_UNIT_MONTH },
    { "month", WR_UNIT_MONTH },
    { "months", WR_UNIT_MONTH },
    { "ms", WR_UNIT_MILLISECOND },
    { "msec", WR_UNIT_MILLISECOND },
    { "mseconds", WR_UNIT_MILLISECOND },
    { "msecs", WR_UNIT_MILLISECOND },
    { "qtr", WR_UNIT_QUARTER },
    { "quarter", WR_UNIT_QUARTER },
    { "s", WR_UNIT_SECOND },
    { "sec", WR_UNIT_SECOND },
    { "second", WR_UNIT_SECOND },
    { "seconds", WR_UNIT_SECOND },
    { "secs", WR_UNIT_SECOND },
    { "us", WR_UNIT_MICROSECOND },
    { "usec", WR_UNIT_MICROSECOND },
    { "usecond", WR_UNIT_MICROSECOND },
    { "useconds", WR_UNIT_MICROSECOND },
    { "usecs", WR_UNIT_MICROSECOND },
    { "w", WR_UNIT_WEEK },
    { "week", WR_UNIT_WEEK },
    { "weeks", WR_UNIT_WEEK },
    { "y", WR_UNIT_YEAR },
    { "year", WR_UNIT_YEAR },
    { "years", WR_UNIT_YEAR },
    { "yr", WR_UNIT_YEAR },
    { "yrs", WR_UNIT_YEAR },
};

wr_unit
wr_unit_find(const char *name, size_t length)
{
    for (size_t i = 0; i < WR_COUNT(units); i++)
        if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0)
            return units[i].unit;
    return WR_UNIT_NONE;
}

bool
wr_digits_read(const char **p, int64_t *out)
{
    int64_t n = 0;
    const char *start = *p, *at = start;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
            return false;
    *out = n;
    *p = at;
    return at > start;
}

bool
wr_fraction_read(const char **p, int *us)
{
    const char *start = *p, *at = start + 1;
    int n = 0, digits = 0;
    wr_debug_assert(*start == '.');
    for (; *at >= '0' && *at <= '9'; at++, digits++)
        if (digits < 6)
            n = n * 10 + (*at - '0');
    *p = at;
    if (digits > 6) {
        *us = (int)rint(wr_float_read(start, (size_t)(at - start)) * 1e6);
        return true;
    }
    for (; digits < 6; digits++)
        n *= 10;
    *us = n;
    return true;
}

/* ---- tokens ---- */

typedef struct cutter {
    wr_tokens *tokens;
    const char *p, *end;
    size_t used;
    wr_token_kind kind;
} cutter;

static inline char
peek(const cutter *c)
{
    return c->p < c->end ? *c->p : '\0';
}

static void
take(cutter *c)
{
    if (c->used < WR_TOKEN_TEXT_MAX)
        c->tokens->text[c->used++] = (char)tolower((unsigned char)*c->p);
    else
        c->used = WR_TOKEN_TEXT_MAX + 1; /* too long: noticed when the token ends */
    c->p++;
}

static void
take_digits(cutter *c)
{
    while (isdigit((unsigned char)peek(c)))
        take(c);
}

/* Alphanumeric, or one of the characters of `more`. */
static void
take_while(cutter *c, const char *more)
{
    while (c->p < c->end &&
           (isalnum((unsigned char)*c->p) || (*c->p != '\0' && strchr(more, *c->p) != NULL)))
        take(c);
}

static void
cut_number(cutter *c)
{
    take_digits(c);
    char separator = peek(c);
    c->kind = WR_TOKEN_NUMBER;
    if (separator == ':') {
        c->kind = WR_TOKEN_TIME;
        while (isdigit((unsigned char)peek(c)) || peek(c) == ':' || peek(c) == '.')
            take(c);
    } else if (separator == '-' || separator == '/' || separator == '.') {
        take(c);
        if (!isdigit((unsigned char)peek(c))) {
            c->kind = WR_TOKEN_DATE;
            if (separator == '.' && !isalpha((unsigned char)peek(c)))
                c->kind = WR_TOKEN_NUMBER; /* "5." */
            take_while(c, (char[]){ separator, '\0' });
            return;
        }
        c->kind = separator == '.' ? WR_TOKEN_NUMBER : WR_TOKEN_DATE;
        take_digits(c);
        if (peek(c) == separator) { /* three parts, all with the same separator */
            c->kind = WR_TOKEN_DATE;
            while (isdigit((unsigned char)peek(c)) || peek(c) == separator)
                take(c);
        }
    }
}

/* Words that stand for themselves even with a digit or sign behind: "jan08", "z+05" are not zones.
 */
static bool
is_keyword(const char *word, size_t length)
{
    static const char *const words[] = {
        "ad",        "allballs",  "am",      "apr",      "april",     "at",     "aug",
        "august",    "bc",        "d",       "dec",      "december",  "dow",    "doy",
        "dst",       "epoch",     "feb",     "february", "fri",       "friday", "h",
        "infinity",  "-infinity", "isodow",  "isoyear",  "j",         "jan",    "january",
        "jd",        "jul",       "julian",  "july",     "jun",       "june",   "m",
        "mar",       "march",     "may",     "mm",       "mon",       "monday", "nov",
        "november",  "now",       "oct",     "october",  "on",        "pm",     "s",
        "sat",       "saturday",  "sep",     "sept",     "september", "sun",    "sunday",
        "t",         "thu",       "thur",    "thurs",    "thursday",  "today",  "tomorrow",
        "tue",       "tues",      "tuesday", "wed",      "wednesday", "weds",   "y",
        "yesterday",
    };
    for (size_t i = 0; i < WR_COUNT(words); i++)
        if (strlen(words[i]) == length && memcmp(words[i], word, length) == 0)
            return true;
    return false;
}

static void
cut_word(cutter *c, size_t start)
{
    while (isalpha((unsigned char)peek(c)))
        take(c);
    char next = peek(c);
    c->kind = WR_TOKEN_WORD;
    if (next == '-' || next == '/' || next == '.' ||
        ((next == '+' || isdigit((unsigned char)next)) &&
         !is_keyword(c->tokens->text + start, c->used - start))) {
        c->kind = WR_TOKEN_DATE;
        take_while(c, "+-/_.:");
    }
}

static bool
cut_signed(cutter *c)
{
    take(c);
    while (isspace((unsigned char)peek(c)))
        c->p++;
    if (isdigit((unsigned char)peek(c))) {
        c->kind = WR_TOKEN_SIGNED;
        while (isdigit((unsigned char)peek(c)) || peek(c) == ':' || peek(c) == '.' ||
               peek(c) == '-')
            take(c);
        return true;
    }
    if (!isalpha((unsigned char)peek(c)))
        return false;
    c->kind = WR_TOKEN_SPECIAL;
    while (isalpha((unsigned char)peek(c)))
        take(c);
    return true;
}

bool
wr_tokens_read(const char *s, size_t n, wr_tokens *tokens)
{
    cutter c = { .tokens = tokens, .p = s, .end = s + n };
    tokens->count = 0;
    while (c.p < c.end) {
        unsigned char at = (unsigned char)*c.p;
        size_t start = c.used;
        if (isspace(at)) {
            c.p++;
            continue;
        }
        if (isdigit(at)) {
            cut_number(&c);
        } else if (at == '.') {
            c.kind = WR_TOKEN_NUMBER;
            take(&c);
            take_digits(&c);
        } else if (isalpha(at)) {
            cut_word(&c, start);
        } else if (at == '+' || at == '-') {
            if (!cut_signed(&c))
                return false;
        } else if (ispunct(at)) {
            c.p++;
            continue;
        } else {
            return false;
        }
        if (c.used > WR_TOKEN_TEXT_MAX || tokens->count == WR_TOKENS_MAX) /* K1 */
            return false;
        tokens->text[c.used] = '\0';
        tokens->list[tokens->count++] = (wr_token){ c.kind, tokens->text + start, c.used - start };
        c.used++;
    }
    return true;
}
