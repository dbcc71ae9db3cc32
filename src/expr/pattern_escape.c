/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/pattern_escape.c -- escapes and brackets of regular expressions in PCRE2's spelling.
 *
 * Place       called by pattern_translate.c.
 * Invariants  a character that stands for itself is written so that PCRE2 sees nothing special
 *             in it
 */
#include "expr/pattern_translate_impl.h"

static const char *const bad_escape = "invalid escape \\ sequence";

void
wr_translate_code(wr_translator *t, uint32_t code)
{
    char bytes[4];
    if (code >= 0x80)
        wr_text_append(t->to, bytes, wr_fn_char_encode(code, bytes));
    else if (fn_is_alnum((char) code) || code == '_')
        wr_text_putc(t->to, (char) code);
    else
        wr_text_printf(t->to, "\\x{%x}", code);
}

/* --- escapes --- */

/* Exactly (or at most, when it is \x) `digits` hexadecimal digits. */
static bool
read_hex(wr_translator *t, int digits, bool exact, uint32_t *code)
{
    int n = 0;
    *code = 0;
    for (; t->at < t->end && n < digits; n++, t->at++) {
        char c = *t->at, lower = (char) (c | 0x20);
        if (fn_is_digit(c))
            *code = *code << 4 | (uint32_t) (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *code = *code << 4 | (uint32_t) (lower - 'a' + 10);
        else
            break;
    }
    return n > 0 && (!exact || n == digits) && *code <= 0x10ffff &&
           (*code < 0xd800 || *code > 0xdfff);
}

/* An escape that stands for one character, t->at behind the letter c.  false: it is none. */
static bool
escape_character(wr_translator *t, char c, uint32_t *code)
{
    static const char letters[] = "abBefnrtv", codes[] = "\a\b\\\033\f\n\r\t\v";
    const char       *found = memchr(letters, c, sizeof letters - 1);
    if (found != NULL) {
        *code = (uint32_t) codes[found - letters];
        return true;
    }
    switch (c) {
    case 'c':
        if (t->at >= t->end)
            return false;
        *code = (uint32_t) (*t->at++ & 0x1f);
        return true;
    case 'u': return read_hex(t, 4, true, code);
    case 'U': return read_hex(t, 8, true, code);
    case 'x': return read_hex(t, 255, false, code);
    case '0':
        *code = 0;
        for (int n = 0; n < 2 && t->at < t->end && *t->at >= '0' && *t->at <= '7'; n++)
            *code = *code << 3 | (uint32_t) (*t->at++ - '0');
        return true;
    default: return false;
    }
}

/* \1 to \9 and further digits: a back reference, or an octal character. */
static const char *
escape_number(wr_translator *t, char c)
{
    const char *start = t->at;
    uint32_t    number = (uint32_t) (c - '0');
    while (t->at < t->end && fn_is_digit(*t->at) && number < 1000)
        number = number * 10 + (uint32_t) (*t->at++ - '0');
    if (t->at == start || number <= t->groups) {
        if (number > t->groups)
            return "invalid backreference number";
        wr_text_printf(t->to, "\\g{%u}", number);
        return NULL;
    }
    t->at = start;
    number = (uint32_t) (c - '0');
    for (int n = 0; n < 2 && t->at < t->end && *t->at >= '0' && *t->at <= '7'; n++)
        number = number << 3 | (uint32_t) (*t->at++ - '0');
    if (number > 0xff)
        return bad_escape;
    wr_translate_code(t, number);
    return NULL;
}

/* An escape outside brackets; t->at is behind the backslash. */
const char *
wr_translate_escape(wr_translator *t)
{
    static const struct {
        char        letter;
        bool        constraint;
        const char *with;
    } classes[] = {
        { 'd', false, "[0-9]" }, { 'D', false, "[^0-9]" },     { 'w', false, "\\w" },
        { 'W', false, "\\W" },   { 's', false, "\\s" },        { 'S', false, "\\S" },
        { 'A', true, "\\A" },    { 'Z', true, "\\z" },         { 'm', true, "\\b(?=\\w)" },
        { 'y', true, "\\b" },    { 'M', true, "\\b(?<=\\w)" }, { 'Y', true, "\\B" },
    };
    uint32_t code;
    if (t->at >= t->end)
        return bad_escape;
    char c = *t->at;
    fn_translate_atom(t);
    if (!fn_is_alnum(c)) {
        code = wr_fn_char_decode(&t->at, t->end);
        wr_translate_first(t, code < 0x80 ? (int) code : -1);
        wr_translate_code(t, code);
        return NULL;
    }
    t->at++;
    wr_translate_first(t, -1);
    for (size_t i = 0; i < WR_COUNT(classes); i++) {
        if (classes[i].letter != c)
            continue;
        wr_text_puts(t->to, classes[i].with);
        t->has_atom = !classes[i].constraint;
        return NULL;
    }
    if (c >= '1' && c <= '9')
        return escape_number(t, c);
    if (!escape_character(t, c, &code))
        return bad_escape;
    wr_translate_code(t, code);
    return NULL;
}

/* --- brackets --- */

/* [:name:], [.x.] or [=x=]; t->at is behind the inner bracket's mark.  *code is the character of
 * the last two, or -1. */
static const char *
translate_class_name(wr_translator *t, char mark, int64_t *code)
{
    static const char *const names[] = { "alpha", "alnum", "blank", "cntrl", "graph", "lower",
                                         "print", "punct", "space", "upper", "xdigit", "word" };
    const char *start = t->at;
    while (t->end - t->at >= 2 && !(t->at[0] == mark && t->at[1] == ']'))
        t->at++;
    if (t->end - t->at < 2)
        return "brackets [] not balanced";
    size_t n = (size_t) (t->at - start);
    t->at += 2;
    *code = -1;
    if (mark != ':') {
        const char *s = start;
        if (n == 0 || (*code = wr_fn_char_decode(&s, start + n), s != start + n))
            return "invalid collating element";
        return NULL;
    }
    if (n == 5 && memcmp(start, "digit", 5) == 0) {
        wr_text_puts(t->to, "0-9");
        return NULL;
    }
    for (size_t i = 0; i < WR_COUNT(names); i++) {
        if (n != strlen(names[i]) || memcmp(start, names[i], n) != 0)
            continue;
        wr_text_printf(t->to, "[:%s:]", names[i]);
        return NULL;
    }
    return "invalid character class";
}

/* One character or class inside brackets, written out; *code is the character, -1 for a class. */
static const char *
translate_bracket_item(wr_translator *t, int64_t *code)
{
    uint32_t plain;
    char     c = *t->at;
    *code = -1;
    if (c == '[' && t->end - t->at > 1 && (t->at[1] == ':' || t->at[1] == '.' || t->at[1] == '=')) {
        t->at += 2;
        const char *wrong = translate_class_name(t, t->at[-1], code);
        if (wrong == NULL && *code >= 0)
            wr_translate_code(t, (uint32_t) *code);
        return wrong;
    }
    if (c != '\\') {
        plain = wr_fn_char_decode(&t->at, t->end);
        wr_translate_code(t, plain);
        *code = plain;
        return NULL;
    }
    if (++t->at >= t->end)
        return bad_escape;
    c = *t->at;
    if (!fn_is_alnum(c)) {
        plain = wr_fn_char_decode(&t->at, t->end);
    } else {
        t->at++;
        if (c == 'd' || c == 'D') {
            wr_text_puts(t->to, c == 'd' ? "0-9" : "\\D");
            return NULL;
        }
        if (strchr("wWsS", c) != NULL) {
            wr_text_printf(t->to, "\\%c", c);
            return NULL;
        }
        if (c >= '1' && c <= '7') {
            plain = (uint32_t) (c - '0');
            while (t->at < t->end && *t->at >= '0' && *t->at <= '7' && plain < 32)
                plain = plain << 3 | (uint32_t) (*t->at++ - '0');
        } else if (!escape_character(t, c, &plain)) {
            return bad_escape;
        }
    }
    wr_translate_code(t, plain);
    *code = plain;
    return NULL;
}

/* t->at is behind the opening bracket. */
const char *
wr_translate_bracket(wr_translator *t)
{
    const char *wrong = NULL;
    bool        first = true;
    if (t->end - t->at >= 6 &&
        (memcmp(t->at, "[:<:]]", 6) == 0 || memcmp(t->at, "[:>:]]", 6) == 0)) {
        wr_translate_settle(t);
        wr_translate_first(t, -1);
        wr_text_puts(t->to, t->at[2] == '<' ? "\\b(?=\\w)" : "\\b(?<=\\w)");
        t->at += 6;
        return NULL;
    }
    fn_translate_atom(t);
    wr_text_putc(t->to, '[');
    if (t->at < t->end && *t->at == '^') {
        t->at++;
        wr_text_puts(t->to, (t->options & WR_PATTERN_DOT_STOPS) != 0 ? "^\\n" : "^");
    }
    for (; wrong == NULL && t->at < t->end && (first || *t->at != ']'); first = false) {
        int64_t low, high;
        wrong = translate_bracket_item(t, &low);
        if (wrong != NULL || t->end - t->at < 2 || t->at[0] != '-' || t->at[1] == ']')
            continue;
        if (low < 0)
            return "invalid character range";
        t->at++;
        wr_text_putc(t->to, '-');
        wrong = translate_bracket_item(t, &high);
        if (wrong == NULL && high < low)
            return "invalid character range";
    }
    if (wrong != NULL)
        return wrong;
    if (t->at >= t->end)
        return "brackets [] not balanced";
    t->at++;
    wr_text_putc(t->to, ']');
    wr_translate_first(t, -1);
    return NULL;
}
