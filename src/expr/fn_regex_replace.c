/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_regex_replace.c -- regexp_replace, and the SQL regular expressions of SIMILAR TO.
 *
 * Place       rows of the function registry.
 */
#include "expr/fn_regex_impl.h"

/* Appends the replacement: \1 to \9 are groups, \& the whole match, \\ a backslash. */
static void
replacement_append(const wr_matcher *m, const wr_value *with, wr_text *to)
{
    const char *s = fn_data(with), *end = s + fn_length(with);
    uint32_t groups = wr_pattern_group_count(m->pattern);
    while (s < end) {
        const char *escape = memchr(s, '\\', (size_t)(end - s));
        wr_text_append(to, s, (size_t)((escape != NULL ? escape : end) - s));
        if (escape == NULL)
            return;
        s = escape + 1;
        char c = s < end ? *s : '\0';
        if ((c >= '1' && c <= '9') || c == '&') {
            uint32_t part = c == '&' ? 0 : (uint32_t)(c - '0');
            if (part <= groups && m->parts[part].begin != SIZE_MAX)
                wr_text_append(to, m->s + m->parts[part].begin,
                               m->parts[part].end - m->parts[part].begin);
            s++;
        } else {
            wr_text_putc(to, '\\');
            s += c == '\\';
        }
    }
}

/* n: which match is replaced, 0 all of them. */
static weir_status
replace_give(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t options, int64_t start,
             int64_t n, wr_value *out)
{
    wr_matcher m;
    wr_text text;
    bool found;
    size_t copied = 0;
    int64_t seen = 0;
    weir_status status;
    WR_TRY(wr_matcher_open(&m, eval, row, &args[0], &args[1], options));
    wr_matcher_start(&m, start);
    wr_text_init(&text, eval->budget);
    while ((status = wr_matcher_next(&m, &found)) == WEIR_OK && found) {
        if (n > 0 && ++seen != n)
            continue;
        wr_text_append(&text, m.s + copied, m.parts[0].begin - copied);
        replacement_append(&m, &args[2], &text);
        copied = m.parts[0].end;
        if (n > 0 || text.length > WR_STRING_BYTES_MAX)
            break;
    }
    if (status != WEIR_OK) {
        wr_text_fini(&text);
        return status;
    }
    wr_text_append(&text, m.s + copied, m.length - copied);
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(regexp_replace)
{
    regex_flags flags;
    WR_TRY(wr_regex_flags_read(eval, row, arg_count > 3 ? &args[3] : NULL, NULL, &flags));
    return replace_give(eval, row, args, flags.options, 1, flags.global ? 0 : 1, out);
}

/* regexp_replace(s, pattern, with, start, n, flags) */
FN_KERNEL(regexp_replace_nth)
{
    regex_flags flags;
    int64_t start, n;
    WR_TRY(
        wr_regex_parameter_read(eval, row, args, arg_count, 3, "start", 1, INT32_MAX, 1, &start));
    WR_TRY(wr_regex_parameter_read(eval, row, args, arg_count, 4, "n", 0, INT32_MAX, 1, &n));
    WR_TRY(wr_regex_flags_read(eval, row, arg_count > 5 ? &args[5] : NULL, NULL, &flags));
    return replace_give(eval, row, args, flags.options, start, n, out);
}

/* --- SIMILAR TO --- */

/*
 * An SQL regular expression as a POSIX one.  escape NULL is the backslash; empty is none.
 * first_lazy: quantifiers before the first separator take as little as they can, which PostgreSQL
 * says with {1,1}? around the part and Perl does not know.
 */
static weir_status
similar_append(wr_eval *eval, uint32_t row, const wr_value *pattern, const wr_value *escape,
               bool first_lazy, wr_text *to)
{
    const char *s = fn_data(pattern), *end = s + fn_length(pattern);
    const char *e = escape != NULL ? fn_data(escape) : "\\";
    size_t e_bytes = escape != NULL ? fn_length(escape) : 1;
    int separators = 0;
    bool in_class = false;
    if (e_bytes > 0 && fn_char_next(e, e + e_bytes) != e + e_bytes)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "invalid escape string");
    wr_text_puts(to, "^(?:");
    while (s < end) {
        const char *next = fn_char_next(s, end);
        bool lazy = first_lazy && separators == 0;
        if (e_bytes > 0 && (size_t)(next - s) == e_bytes && memcmp(s, e, e_bytes) == 0) {
            s = next;
            if (s >= end)
                break;
            next = fn_char_next(s, end);
            if (*s == '"' && !in_class) {
                if (++separators > 2)
                    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                        "SQL regular expression may not contain more than two "
                                        "escape-double-quote separators");
                wr_text_puts(to, separators == 1 ? (first_lazy ? ")(" : "){1,1}?(") : "){1,1}(?:");
            } else {
                wr_text_putc(to, '\\');
                wr_text_append(to, s, (size_t)(next - s));
            }
        } else if (in_class) {
            if (*s == '\\')
                wr_text_putc(to, '\\');
            wr_text_append(to, s, (size_t)(next - s));
            in_class = *s != ']';
        } else if (*s == '%') {
            wr_text_puts(to, lazy ? ".*?" : ".*");
        } else if (*s == '_') {
            wr_text_putc(to, '.');
        } else if (*s == '(') {
            wr_text_puts(to, "(?:");
        } else {
            if (*s == '\\' || *s == '.' || *s == '^' || *s == '$')
                wr_text_putc(to, '\\');
            wr_text_append(to, s, (size_t)(next - s));
            if (lazy && (*s == '*' || *s == '+' || *s == '?' || *s == '}'))
                wr_text_putc(to, '?');
            in_class = *s == '[';
        }
        s = next;
    }
    wr_text_puts(to, ")$");
    return WEIR_OK;
}

static weir_status
similar_make(wr_eval *eval, uint32_t row, const wr_value *pattern, const wr_value *escape,
             bool first_lazy, wr_value *out)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    weir_status status = similar_append(eval, row, pattern, escape, first_lazy, &text);
    if (status == WEIR_OK)
        return wr_fn_take(eval, row, &text, out);
    wr_text_fini(&text);
    return status;
}

FN_KERNEL(similar_to_escape)
{
    return similar_make(eval, row, &args[0], arg_count > 1 ? &args[1] : NULL, false, out);
}

/* substring(s, pattern, escape) */
FN_KERNEL(similar_substring)
{
    wr_value pattern = { .type = T_TEXT };
    WR_TRY(similar_make(eval, row, &args[1], &args[2], true, &pattern));
    return wr_regex_substring(eval, row, &args[0], &pattern, out);
}

#define FN_TOPIC "text"
const wr_function wr_fn_regex_replace[] = {
    FN("substring", T_TEXT, similar_substring, FN_FAILS,
       "the part between the separators of an SQL regular expression", T_TEXT, T_TEXT, T_TEXT),
    FN("regexp_replace", T_TEXT, regexp_replace, FN_FAILS | FN_OPTIONAL(1),
       "the first match (all with flag g) replaced", T_TEXT, T_TEXT, T_TEXT, T_TEXT),
    FN("regexp_replace", T_TEXT, regexp_replace_nth, FN_FAILS | FN_OPTIONAL(2),
       "the n-th match from a start replaced, all if n is 0", T_TEXT, T_TEXT, T_TEXT, T_INT4,
       T_INT4, T_TEXT),
    FN("similar_to_escape", T_TEXT, similar_to_escape, FN_FAILS | FN_OPTIONAL(1),
       "an SQL regular expression (SIMILAR TO) as a regular expression", T_TEXT, T_TEXT),
    FN_END,
};
