/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/pattern_translate.c -- PostgreSQL's advanced regular expressions in PCRE2's spelling.
 *
 * Place       called by pattern.c, once a pattern.
 * Invariants  T1  whatever is special in PCRE2 but not in PostgreSQL (possessive quantifiers,
 *                 verbs, \Q, named groups) is refused or escaped, never passed on
 *             T2  the preference of the whole (longest or shortest) follows PostgreSQL's rules: a
 *                 branch has that of its first quantified atom, alternatives are greedy
 */
#include "expr/pattern_translate_impl.h"

enum { REPEAT_MAX = 255 };

static const char *const bad_quantifier = "quantifier operand invalid";

static void
level_open(wr_level *l)
{
    memset(l, 0, sizeof *l);
    l->at_start = true;
}

/* A first byte that may be absent, or anything else than a byte, is vague. */
void
wr_translate_first(wr_translator *t, int byte)
{
    wr_level *l = &t->levels[t->depth];
    if (!l->at_start)
        return;
    l->at_start = false;
    bool optional = t->at < t->end && (*t->at == '*' || *t->at == '?' || *t->at == '{');
    if (byte < 0 || optional) {
        l->vague = true;
        return;
    }
    if ((t->options & WR_PATTERN_CASELESS) != 0 && byte >= 'A' && byte <= 'Z')
        byte += 32;
    if ((l->firsts[byte >> 6] >> (byte & 63) & 1) != 0)
        l->vague = true;
    l->firsts[byte >> 6] |= 1ull << (byte & 63);
}

static void
level_branch_end(wr_translator *t)
{
    wr_level *l = &t->levels[t->depth];
    l->vague |= l->at_start;
    l->at_start = true;
}

static wr_preference
level_close(wr_translator *t)
{
    wr_level *l = &t->levels[t->depth];
    level_branch_end(t);
    t->vague |= l->alternatives && l->vague;
    return l->alternatives ? WR_PREFER_LONGEST : l->branch;
}

void
wr_translate_settle(wr_translator *t)
{
    wr_level *l = &t->levels[t->depth];
    if (t->has_atom && l->branch == WR_PREFER_NONE)
        l->branch = t->atom;
    t->has_atom = false;
}

/* --- quantifiers and groups --- */

static const char *
read_bound(wr_translator *t, uint32_t *bound)
{
    *bound = 0;
    for (; t->at < t->end && fn_is_digit(*t->at); t->at++) {
        *bound = *bound * 10 + (uint32_t) (*t->at - '0');
        if (*bound > REPEAT_MAX)
            return "invalid repetition count(s)";
    }
    return NULL;
}

/* {m}, {m,} or {m,n}, t->at behind the brace; *fixed: {m}. */
static const char *
translate_bounds(wr_translator *t, bool *fixed)
{
    uint32_t    least, most;
    const char *wrong = read_bound(t, &least);
    if (wrong != NULL)
        return wrong;
    wr_text_printf(t->to, "{%u", least);
    *fixed = true;
    if (t->at < t->end && *t->at == ',') {
        *fixed = false;
        t->at++;
        wr_text_putc(t->to, ',');
        if (t->at < t->end && fn_is_digit(*t->at)) {
            if ((wrong = read_bound(t, &most)) != NULL)
                return wrong;
            if (most < least)
                return "invalid repetition count(s)";
            wr_text_printf(t->to, "%u", most);
        }
    }
    if (t->at >= t->end || *t->at != '}')
        return "braces {} not balanced";
    t->at++;
    wr_text_putc(t->to, '}');
    return NULL;
}

static bool
at_quantifier(const wr_translator *t)
{
    if (t->at >= t->end)
        return false;
    char c = *t->at;
    return c == '*' || c == '+' || c == '?' ||
           (c == '{' && t->end - t->at > 1 && fn_is_digit(t->at[1]));
}

static const char *
translate_quantifier(wr_translator *t)
{
    bool fixed = false, lazy = false;
    char c = *t->at++;
    if (!t->has_atom)
        return bad_quantifier;
    if (c == '{') {
        const char *wrong = translate_bounds(t, &fixed);
        if (wrong != NULL)
            return wrong;
    } else {
        wr_text_putc(t->to, c);
    }
    if (t->at < t->end && *t->at == '?') {
        lazy = true;
        t->at++;
    }
    lazy ^= (t->options & WR_PATTERN_LAZY) != 0 && !fixed;
    if (lazy)
        wr_text_putc(t->to, '?');
    t->lazy |= lazy;
    t->quantifiers++;
    if (!fixed)
        t->atom = lazy ? WR_PREFER_SHORTEST : WR_PREFER_LONGEST;
    wr_translate_settle(t);
    return at_quantifier(t) ? bad_quantifier : NULL; /* T1 */
}

/* t->at is behind the parenthesis. */
static const char *
translate_open(wr_translator *t)
{
    static const char *const forms[] = { "?:", "?=", "?!", "?<=", "?<!" };
    const char              *form = "";
    if (t->depth + 1 >= WR_TRANSLATE_DEPTH_MAX)
        return "regular expression is too complex";
    if (t->at < t->end && *t->at == '?') {
        if (t->end - t->at > 1 && t->at[1] == '#') { /* a comment */
            const char *close = memchr(t->at, ')', (size_t) (t->end - t->at));
            t->at = close != NULL ? close + 1 : t->end;
            return close != NULL ? NULL : "parentheses () not balanced";
        }
        for (size_t i = 0; i < WR_COUNT(forms) && *form == '\0'; i++)
            if ((size_t) (t->end - t->at) >= strlen(forms[i]) &&
                memcmp(t->at, forms[i], strlen(forms[i])) == 0)
                form = forms[i];
        if (*form == '\0')
            return bad_quantifier; /* T1 */
        t->at += strlen(form);
    } else if (++t->groups > WR_PATTERN_GROUPS_MAX) {
        return "too many groups";
    }
    wr_translate_settle(t);
    wr_translate_first(t, -1);
    wr_text_printf(t->to, "(%s", form);
    level_open(&t->levels[++t->depth]);
    return NULL;
}

static const char *
translate_close(wr_translator *t)
{
    if (t->depth == 0)
        return "parentheses () not balanced";
    wr_translate_settle(t);
    wr_preference inner = level_close(t);
    t->depth--;
    wr_text_putc(t->to, ')');
    t->has_atom = true;
    t->atom = inner;
    return NULL;
}

/* --- the whole --- */

static const char *
translate_next(wr_translator *t)
{
    char c = *t->at;
    if ((t->options & WR_PATTERN_EXPANDED) != 0 && (strchr(" \t\n\r\f\v", c) != NULL || c == '#')) {
        while (c == '#' && t->at < t->end && *t->at != '\n')
            t->at++;
        t->at += t->at < t->end;
        return NULL;
    }
    if (at_quantifier(t))
        return translate_quantifier(t);
    if ((unsigned char) c >= 0x80) {
        fn_translate_atom(t);
        wr_translate_first(t, -1);
        wr_translate_code(t, wr_fn_char_decode(&t->at, t->end));
        return NULL;
    }
    t->at++;
    switch (c) {
    case '\\': return wr_translate_escape(t);
    case '[': return wr_translate_bracket(t);
    case '(': return translate_open(t);
    case ')': return translate_close(t);
    case '|':
        wr_translate_settle(t);
        level_branch_end(t);
        t->levels[t->depth].alternatives = true;
        wr_text_putc(t->to, '|');
        return NULL;
    case '^':
    case '$':
        wr_translate_settle(t);
        wr_translate_first(t, c);
        wr_text_putc(t->to, c);
        return NULL;
    case '.':
        fn_translate_atom(t);
        wr_translate_first(t, -1);
        wr_text_putc(t->to, '.');
        return NULL;
    default:
        fn_translate_atom(t);
        wr_translate_first(t, c);
        wr_translate_code(t, (uint32_t) c);
        return NULL;
    }
}

/* "***=" and "***:" and "(?letters)" at the start. */
static const char *
translate_prefix(wr_translator *t)
{
    if (t->end - t->at >= 4 && memcmp(t->at, "***=", 4) == 0) {
        t->at += 4;
        t->options |= WR_PATTERN_LITERAL;
        return NULL;
    }
    if (t->end - t->at >= 4 && memcmp(t->at, "***:", 4) == 0)
        t->at += 4;
    if (t->end - t->at < 3 || t->at[0] != '(' || t->at[1] != '?' || (t->at[2] | 0x20) < 'a' ||
        (t->at[2] | 0x20) > 'z')
        return NULL;
    for (t->at += 2; t->at < t->end && *t->at != ')'; t->at++) {
        switch (*t->at) {
        case 'c': t->options &= ~(uint32_t) WR_PATTERN_CASELESS; break;
        case 'i': t->options |= WR_PATTERN_CASELESS; break;
        case 'm':
        case 'n': t->options |= WR_PATTERN_DOT_STOPS | WR_PATTERN_LINES; break;
        case 'p':
            t->options |= WR_PATTERN_DOT_STOPS;
            t->options &= ~(uint32_t) WR_PATTERN_LINES;
            break;
        case 'w':
            t->options |= WR_PATTERN_LINES;
            t->options &= ~(uint32_t) WR_PATTERN_DOT_STOPS;
            break;
        case 's': t->options &= ~(uint32_t) (WR_PATTERN_LINES | WR_PATTERN_DOT_STOPS); break;
        case 'q': t->options |= WR_PATTERN_LITERAL; break;
        case 't': t->options &= ~(uint32_t) WR_PATTERN_EXPANDED; break;
        case 'x': t->options |= WR_PATTERN_EXPANDED; break;
        case 'e': break;
        default: return "invalid embedded option";
        }
    }
    if (t->at >= t->end)
        return "invalid embedded option";
    t->at++;
    return NULL;
}

const char *
wr_pattern_translate(const wr_string *text, uint32_t options, wr_text *to, wr_pattern_shape *shape)
{
    wr_translator t = { .at = wr_string_data(text), .to = to, .options = options };
    const char *wrong = NULL;
    t.end = t.at + text->length;
    level_open(&t.levels[0]);
    if ((options & WR_PATTERN_LITERAL) == 0)
        wrong = translate_prefix(&t);
    if ((t.options & WR_PATTERN_LITERAL) != 0) {
        while (t.at < t.end)
            wr_translate_code(&t, wr_fn_char_decode(&t.at, t.end));
    }
    while (wrong == NULL && t.at < t.end)
        wrong = translate_next(&t);
    if (wrong == NULL && t.depth > 0)
        wrong = "parentheses () not balanced";
    if (wrong != NULL)
        return wrong;
    wr_translate_settle(&t);
    shape->options = t.options;
    shape->shortest = level_close(&t) == WR_PREFER_SHORTEST;
    shape->search = t.vague || (t.lazy && t.quantifiers > 1);
    return NULL;
}
