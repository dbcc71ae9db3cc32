/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_regex.c -- regular expressions in SQL: ~ and its kin, regexp_*, substring, SIMILAR TO.
 *
 * Place       rows of the function registry; matching is pattern_impl.h's.
 * Invariants  positions count characters from 1; after an empty match the search goes on one
 *             character further
 */
#include "expr/fn_impl.h"
#include "expr/pattern_impl.h"
#include "expr/registry_impl.h"

/* --- options --- */

typedef struct regex_flags {
    uint32_t options;
    bool     global;
} regex_flags;

/* The letters of a flags argument.  function: its name, when it has no use for g; else NULL. */
static weir_status
flags_read(wr_eval *eval, uint32_t row, const wr_value *arg, const char *function,
           regex_flags *flags)
{
    *flags = (regex_flags){ 0 };
    if (arg == NULL)
        return WEIR_OK;
    const char *s = fn_data(arg), *end = s + fn_length(arg);
    for (; s < end; s++) {
        switch (*s) {
        case 'g': flags->global = true; break;
        case 'c': flags->options &= ~(uint32_t) WR_PATTERN_CASELESS; break;
        case 'i': flags->options |= WR_PATTERN_CASELESS; break;
        case 'm':
        case 'n': flags->options |= WR_PATTERN_DOT_STOPS | WR_PATTERN_LINES; break;
        case 'p':
            flags->options |= WR_PATTERN_DOT_STOPS;
            flags->options &= ~(uint32_t) WR_PATTERN_LINES;
            break;
        case 'w':
            flags->options |= WR_PATTERN_LINES;
            flags->options &= ~(uint32_t) WR_PATTERN_DOT_STOPS;
            break;
        case 's':
            flags->options &= ~(uint32_t) (WR_PATTERN_DOT_STOPS | WR_PATTERN_LINES);
            break;
        case 'q': flags->options |= WR_PATTERN_LITERAL; break;
        case 't': flags->options &= ~(uint32_t) WR_PATTERN_EXPANDED; break;
        case 'x': flags->options |= WR_PATTERN_EXPANDED; break;
        case 'e': break;
        default:
            return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                "invalid regular expression option: \"%.*s\"",
                                (int) (fn_char_next(s, end) - s), s);
        }
    }
    if (flags->global && function != NULL)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "%s() does not support the \"global\" option", function);
    return WEIR_OK;
}

/* An integer argument that must not be below least; `otherwise` when it is left out. */
static weir_status
parameter_read(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count,
               uint32_t index, const char *name, int64_t least, int64_t most, int64_t otherwise,
               int64_t *value)
{
    *value = index < arg_count ? args[index].integer : otherwise;
    if (*value >= least && *value <= most)
        return WEIR_OK;
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                        "invalid value for parameter \"%s\": %lld", name, (long long) *value);
}

/* --- walking through the matches of a string --- */

typedef struct matcher {
    wr_eval          *eval;
    uint32_t          row;
    wr_pattern       *pattern;
    const char       *s;
    size_t            length, next; /* next: where the search goes on; beyond length at the end */
    const wr_part_of *parts;
} matcher;

static weir_status
matcher_open(matcher *m, wr_eval *eval, uint32_t row, const wr_value *subject,
             const wr_value *pattern, uint32_t options)
{
    *m = (matcher){ .eval = eval, .row = row, .s = fn_data(subject), .length = fn_length(subject) };
    return wr_pattern_get(eval, row, &pattern->string, options, &m->pattern);
}

/* Start at a character counted from 1. */
static void
matcher_start(matcher *m, int64_t start)
{
    const char *end = m->s + m->length;
    size_t      count = wr_fn_char_count(m->s, m->length);
    m->next = (size_t) start - 1 > count
                  ? m->length + 1
                  : (size_t) (wr_fn_char_skip(m->s, end, (size_t) start - 1) - m->s);
}

static weir_status
matcher_next(matcher *m, bool *found)
{
    *found = false;
    if (m->next > m->length)
        return WEIR_OK;
    WR_TRY(wr_pattern_find(m->eval, m->row, m->pattern, m->s, m->length, m->next, found,
                           &m->parts));
    if (!*found)
        return WEIR_OK;
    m->next = m->parts[0].end;
    if (m->parts[0].begin == m->parts[0].end) /* an empty match: one character on */
        m->next = m->next < m->length
                      ? (size_t) (fn_char_next(m->s + m->next, m->s + m->length) - m->s)
                      : m->length + 1;
    return WEIR_OK;
}

/* --- ~ !~ ~* !~* --- */

static weir_status
test_give(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t options, bool negated,
          wr_value *out)
{
    matcher m;
    bool    found = false;
    WR_TRY(matcher_open(&m, eval, row, &args[0], &args[1], options));
    WR_TRY(wr_pattern_test(eval, row, m.pattern, m.s, m.length, &found));
    out->boolean = found != negated;
    return WEIR_OK;
}

static weir_status
test_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t physical,
            wr_rows rows, uint32_t options, bool negated, wr_column **out)
{
    if (args[0]->layout == WR_CONSTANT || args[1]->layout != WR_CONSTANT ||
        wr_column_is_null(args[1], 0))
        return WEIR_QUERY_UNSUPPORTED;
    uint16_t    kept[WR_BATCH_ROWS_MAX];
    wr_rows     live;
    wr_column  *made;
    weir_status status = WEIR_OK;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        uint32_t         row = fn_row(live, i);
        const wr_string *s = fn_string_at(args[0], row);
        wr_pattern      *pattern;
        bool             found = false;
        status = wr_pattern_get(eval, row, fn_string_at(args[1], 0), options, &pattern);
        if (status == WEIR_OK)
            status = wr_pattern_test(eval, row, pattern, wr_string_data(s), s->length, &found);
        ((uint8_t *) made->data)[row] = found != negated;
        if (wr_status_is_row(status))
            status = wr_column_set_null(made, row);
    }
    if (status != WEIR_OK) {
        wr_column_release(made);
        return status;
    }
    *out = made;
    return WEIR_OK;
}

#define REGEX_TEST(NAME, OPTIONS, NEGATED)                                                         \
    FN_KERNEL(NAME)                                                                                \
    {                                                                                              \
        return test_give(eval, row, args, OPTIONS, NEGATED, out);                                  \
    }                                                                                              \
    static weir_status NAME##_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,   \
                                     uint32_t arg_count, uint32_t physical, wr_rows rows,          \
                                     wr_column **out)                                              \
    {                                                                                              \
        return test_vector(eval, call, args, physical, rows, OPTIONS, NEGATED, out);               \
    }
REGEX_TEST(regex_is, 0, false)
REGEX_TEST(regex_is_not, 0, true)
REGEX_TEST(regex_is_caseless, WR_PATTERN_CASELESS, false)
REGEX_TEST(regex_is_not_caseless, WR_PATTERN_CASELESS, true)

FN_KERNEL(regexp_like)
{
    regex_flags flags;
    WR_TRY(flags_read(eval, row, arg_count > 2 ? &args[2] : NULL, "regexp_like", &flags));
    return test_give(eval, row, args, flags.options, false, out);
}

/* --- taking matches out --- */

static weir_status
part_give(const matcher *m, uint32_t part, wr_value *out)
{
    wr_part_of p = m->parts[part];
    if (p.begin == SIZE_MAX)
        return fn_give_null(out);
    return fn_give(out, m->s + p.begin, p.end - p.begin);
}

/* substring(s, pattern): the first group, or the whole match when there are no groups. */
static weir_status
substring_give(wr_eval *eval, uint32_t row, const wr_value *subject, const wr_value *pattern,
               wr_value *out)
{
    matcher m;
    bool    found;
    WR_TRY(matcher_open(&m, eval, row, subject, pattern, 0));
    WR_TRY(matcher_next(&m, &found));
    if (!found)
        return fn_give_null(out);
    return part_give(&m, wr_pattern_group_count(m.pattern) > 0, out);
}

FN_KERNEL(regex_substring)
{
    return substring_give(eval, row, &args[0], &args[1], out);
}

/* One row; a part of the subject is a view into it. */
static weir_status
substring_put(matcher *m, const wr_string *subject, wr_column *out)
{
    bool found;
    m->s = wr_string_data(subject);
    m->length = subject->length;
    m->next = 0;
    WR_TRY(matcher_next(m, &found));
    const wr_part_of *p = &m->parts[wr_pattern_group_count(m->pattern) > 0];
    if (!found || p->begin == SIZE_MAX)
        return wr_column_set_null(out, m->row);
    wr_column_set_view(out, m->row, wr_string_make(m->s + p->begin, p->end - p->begin));
    return WEIR_OK;
}

static weir_status
regex_substring_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                       uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    if (args[0]->layout == WR_CONSTANT || args[1]->layout != WR_CONSTANT ||
        wr_column_is_null(args[1], 0))
        return WEIR_QUERY_UNSUPPORTED;
    uint16_t    kept[WR_BATCH_ROWS_MAX];
    wr_rows     live;
    wr_column  *made;
    matcher     m = { .eval = eval };
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    weir_status status = wr_column_adopt_heaps(made, wr_column_base(args[0]));
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        m.row = fn_row(live, i);
        if (m.pattern == NULL)
            status = wr_pattern_get(eval, m.row, fn_string_at(args[1], 0), 0, &m.pattern);
        if (status == WEIR_OK)
            status = substring_put(&m, fn_string_at(args[0], m.row), made);
        if (wr_status_is_row(status))
            status = wr_column_set_null(made, m.row);
    }
    if (status != WEIR_OK) {
        wr_column_release(made);
        return status;
    }
    *out = made;
    return WEIR_OK;
}

/* The groups of the first match, or the whole match when there are no groups. */
FN_KERNEL(regexp_match)
{
    regex_flags flags;
    matcher     m;
    bool        found;
    wr_value    items[WR_PATTERN_GROUPS_MAX + 1];
    WR_TRY(flags_read(eval, row, arg_count > 2 ? &args[2] : NULL, "regexp_match", &flags));
    WR_TRY(matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    WR_TRY(matcher_next(&m, &found));
    if (!found)
        return fn_give_null(out);
    uint32_t groups = wr_pattern_group_count(m.pattern), count = groups > 0 ? groups : 1;
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (wr_value){ .type = T_TEXT };
        (void) part_give(&m, groups > 0 ? i + 1 : 0, &items[i]);
    }
    return wr_array_make(T_TEXT, items, count, &eval->step, &out->string);
}

/* Every match (the first without flag g), each the text form of what regexp_match gives. */
FN_KERNEL(regexp_matches)
{
    regex_flags flags;
    matcher     m;
    bool        found;
    wr_value   *matches = NULL, items[WR_PATTERN_GROUPS_MAX + 1];
    uint32_t    match_count = 0, capacity = 0;
    wr_text     text;
    WR_TRY(flags_read(eval, row, arg_count > 2 ? &args[2] : NULL, NULL, &flags));
    WR_TRY(matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    do {
        WR_TRY(matcher_next(&m, &found));
        if (!found)
            break;
        if (match_count == WR_ARRAY_ITEMS_MAX)
            return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE, "too many regular expression matches");
        uint32_t groups = wr_pattern_group_count(m.pattern), count = groups > 0 ? groups : 1;
        for (uint32_t i = 0; i < count; i++) {
            items[i] = (wr_value){ .type = T_TEXT };
            (void) part_give(&m, groups > 0 ? i + 1 : 0, &items[i]);
        }
        if (match_count == capacity) {
            uint32_t  more = WR_MAX(2 * capacity, 8u);
            wr_value *grown = wr_arena_alloc(&eval->step, more * sizeof *grown);
            if (grown == NULL)
                return WEIR_MEMORY;
            if (match_count > 0)
                memcpy(grown, matches, match_count * sizeof *grown);
            matches = grown;
            capacity = more;
        }
        wr_string array;
        WR_TRY(wr_array_make(T_TEXT, items, count, &eval->step, &array));
        wr_text_init(&text, eval->budget);
        wr_array_print(&array, &text);
        matches[match_count] = (wr_value){ .type = T_TEXT };
        WR_TRY(wr_fn_take(eval, row, &text, &matches[match_count++]));
    } while (flags.global);
    return wr_array_make(T_TEXT, matches, match_count, &eval->step, &out->string);
}

/* regexp_count(s, pattern, start, flags) */
FN_KERNEL(regexp_count)
{
    regex_flags flags;
    matcher     m;
    int64_t     start;
    bool        found = true;
    WR_TRY(parameter_read(eval, row, args, arg_count, 2, "start", 1, INT32_MAX, 1, &start));
    WR_TRY(flags_read(eval, row, arg_count > 3 ? &args[3] : NULL, "regexp_count", &flags));
    WR_TRY(matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    matcher_start(&m, start);
    for (out->integer = -1; found; out->integer++)
        WR_TRY(matcher_next(&m, &found));
    return WEIR_OK;
}

/* The n-th match at or after start. */
static weir_status
matcher_nth(matcher *m, int64_t start, int64_t n, bool *found)
{
    matcher_start(m, start);
    do
        WR_TRY(matcher_next(m, found));
    while (*found && --n > 0);
    return WEIR_OK;
}

/* Group 1 of a pattern without groups is the whole match; -1: there is no such group. */
static int64_t
group_wanted(const matcher *m, int64_t group)
{
    uint32_t count = wr_pattern_group_count(m->pattern);
    if (group == 1 && count == 0)
        return 0;
    return group > count ? -1 : group;
}

/* regexp_substr(s, pattern, start, n, flags, group) */
FN_KERNEL(regexp_substr)
{
    regex_flags flags;
    matcher     m;
    int64_t     start, n, group;
    bool        found;
    WR_TRY(parameter_read(eval, row, args, arg_count, 2, "start", 1, INT32_MAX, 1, &start));
    WR_TRY(parameter_read(eval, row, args, arg_count, 3, "n", 1, INT32_MAX, 1, &n));
    WR_TRY(parameter_read(eval, row, args, arg_count, 5, "subexpr", 0, INT32_MAX, 0, &group));
    WR_TRY(flags_read(eval, row, arg_count > 4 ? &args[4] : NULL, "regexp_substr", &flags));
    WR_TRY(matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    WR_TRY(matcher_nth(&m, start, n, &found));
    group = group_wanted(&m, group);
    if (!found || group < 0)
        return fn_give_null(out);
    return part_give(&m, (uint32_t) group, out);
}

/* regexp_instr(s, pattern, start, n, 0 for the begin or 1 for the end, flags, group) */
FN_KERNEL(regexp_instr)
{
    regex_flags flags;
    matcher     m;
    int64_t     start, n, at_end, group;
    bool        found;
    WR_TRY(parameter_read(eval, row, args, arg_count, 2, "start", 1, INT32_MAX, 1, &start));
    WR_TRY(parameter_read(eval, row, args, arg_count, 3, "n", 1, INT32_MAX, 1, &n));
    WR_TRY(parameter_read(eval, row, args, arg_count, 4, "endoption", 0, 1, 0, &at_end));
    WR_TRY(parameter_read(eval, row, args, arg_count, 6, "subexpr", 0, INT32_MAX, 0, &group));
    WR_TRY(flags_read(eval, row, arg_count > 5 ? &args[5] : NULL, "regexp_instr", &flags));
    WR_TRY(matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    WR_TRY(matcher_nth(&m, start, n, &found));
    out->integer = 0;
    group = group_wanted(&m, group);
    if (!found || group < 0 || m.parts[group].begin == SIZE_MAX)
        return WEIR_OK;
    size_t at = at_end != 0 ? m.parts[group].end : m.parts[group].begin;
    out->integer = (int64_t) wr_fn_char_count(m.s, at) + 1;
    return WEIR_OK;
}

FN_KERNEL(regexp_split_to_array)
{
    regex_flags flags;
    matcher     m;
    bool        found = true;
    size_t      last_end = 0, field = 0; /* end of the last match; begin of the field */
    uint32_t    count = 0, room = 8;
    wr_value   *items = wr_arena_alloc(&eval->step, room * sizeof *items);
    WR_TRY(flags_read(eval, row, arg_count > 2 ? &args[2] : NULL, "regexp_split_to_array", &flags));
    WR_TRY(matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    for (;;) {
        WR_TRY(matcher_next(&m, &found));
        wr_part_of whole = found ? m.parts[0] : (wr_part_of){ m.length, m.length };
        /* Empty matches at either end, or just after a match, split nothing. */
        bool splits = found && whole.begin < m.length && whole.end > last_end;
        last_end = whole.end;
        if (found && !splits)
            continue;
        if (count + 1 > room && room < WR_ARRAY_ITEMS_MAX) {
            wr_value *more = wr_arena_alloc(&eval->step, 2 * (size_t) room * sizeof *items);
            if (more != NULL && items != NULL)
                memcpy(more, items, count * sizeof *items);
            items = more;
            room *= 2;
        }
        if (items == NULL)
            return WEIR_MEMORY;
        if (count == room)
            return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE,
                                "array size exceeds the maximum allowed (%d)", WR_ARRAY_ITEMS_MAX);
        items[count++] = (wr_value){ .type = T_TEXT,
                                     .string = wr_string_make(m.s + field, whole.begin - field) };
        field = whole.end;
        if (!found)
            return wr_array_make(T_TEXT, items, count, &eval->step, &out->string);
    }
}

/* --- regexp_replace --- */

/* Appends the replacement: \1 to \9 are groups, \& the whole match, \\ a backslash. */
static void
replacement_append(const matcher *m, const wr_value *with, wr_text *to)
{
    const char *s = fn_data(with), *end = s + fn_length(with);
    uint32_t    groups = wr_pattern_group_count(m->pattern);
    while (s < end) {
        const char *escape = memchr(s, '\\', (size_t) (end - s));
        wr_text_append(to, s, (size_t) ((escape != NULL ? escape : end) - s));
        if (escape == NULL)
            return;
        s = escape + 1;
        char c = s < end ? *s : '\0';
        if ((c >= '1' && c <= '9') || c == '&') {
            uint32_t part = c == '&' ? 0 : (uint32_t) (c - '0');
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
    matcher     m;
    wr_text     text;
    bool        found;
    size_t      copied = 0;
    int64_t     seen = 0;
    weir_status status;
    WR_TRY(matcher_open(&m, eval, row, &args[0], &args[1], options));
    matcher_start(&m, start);
    wr_text_init(&text, eval->budget);
    while ((status = matcher_next(&m, &found)) == WEIR_OK && found) {
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
    WR_TRY(flags_read(eval, row, arg_count > 3 ? &args[3] : NULL, NULL, &flags));
    return replace_give(eval, row, args, flags.options, 1, flags.global ? 0 : 1, out);
}

/* regexp_replace(s, pattern, with, start, n, flags) */
FN_KERNEL(regexp_replace_nth)
{
    regex_flags flags;
    int64_t     start, n;
    WR_TRY(parameter_read(eval, row, args, arg_count, 3, "start", 1, INT32_MAX, 1, &start));
    WR_TRY(parameter_read(eval, row, args, arg_count, 4, "n", 0, INT32_MAX, 1, &n));
    WR_TRY(flags_read(eval, row, arg_count > 5 ? &args[5] : NULL, NULL, &flags));
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
    size_t      e_bytes = escape != NULL ? fn_length(escape) : 1;
    int         separators = 0;
    bool        in_class = false;
    if (e_bytes > 0 && fn_char_next(e, e + e_bytes) != e + e_bytes)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "invalid escape string");
    wr_text_puts(to, "^(?:");
    while (s < end) {
        const char *next = fn_char_next(s, end);
        bool        lazy = first_lazy && separators == 0;
        if (e_bytes > 0 && (size_t) (next - s) == e_bytes && memcmp(s, e, e_bytes) == 0) {
            s = next;
            if (s >= end)
                break;
            next = fn_char_next(s, end);
            if (*s == '"' && !in_class) {
                if (++separators > 2)
                    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                        "SQL regular expression may not contain more than two "
                                        "escape-double-quote separators");
                wr_text_puts(to, separators == 1 ? (first_lazy ? ")(" : "){1,1}?(")
                                                 : "){1,1}(?:");
            } else {
                wr_text_putc(to, '\\');
                wr_text_append(to, s, (size_t) (next - s));
            }
        } else if (in_class) {
            if (*s == '\\')
                wr_text_putc(to, '\\');
            wr_text_append(to, s, (size_t) (next - s));
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
            wr_text_append(to, s, (size_t) (next - s));
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
    return substring_give(eval, row, &args[0], &pattern, out);
}

#define FN_TOPIC "text"
#define TEST_ROWS(NAME, KERNEL, DOC)                                                               \
    FNV(NAME, T_BOOL, KERNEL, KERNEL##_vector, FN_FAILS, DOC, T_TEXT, T_TEXT),                     \
        FNV(NAME, T_BOOL, KERNEL, KERNEL##_vector, FN_FAILS, DOC, T_BPCHAR, T_TEXT)
const wr_function wr_fn_regex[] = {
    TEST_ROWS("~", regex_is, "does the string match the regular expression?"),
    TEST_ROWS("!~", regex_is_not, "does the string not match the regular expression?"),
    TEST_ROWS("~*", regex_is_caseless, "does it match, whatever the case?"),
    TEST_ROWS("!~*", regex_is_not_caseless, "does it not match, whatever the case?"),
    FN("regexp_like", T_BOOL, regexp_like, FN_FAILS | FN_OPTIONAL(1),
       "does the string match the regular expression?", T_TEXT, T_TEXT, T_TEXT),
    FNV("substring", T_TEXT, regex_substring, regex_substring_vector, FN_FAILS,
        "the first match, or its first group, of a regular expression", T_TEXT, T_TEXT),
    FN("substring", T_TEXT, similar_substring, FN_FAILS,
       "the part between the separators of an SQL regular expression", T_TEXT, T_TEXT, T_TEXT),
    FN("regexp_match", T_TEXTS, regexp_match, FN_FAILS | FN_OPTIONAL(1),
       "the groups of the first match", T_TEXT, T_TEXT, T_TEXT),
    FN("regexp_matches", T_TEXTS, regexp_matches, FN_FAILS | FN_OPTIONAL(1),
       "a set of text[]: the groups of the first match, of each with flag g", T_TEXT, T_TEXT,
       T_TEXT),
    FN("regexp_count", T_INT4, regexp_count, FN_FAILS | FN_OPTIONAL(2), "number of matches", T_TEXT,
       T_TEXT, T_INT4, T_TEXT),
    FN("regexp_substr", T_TEXT, regexp_substr, FN_FAILS | FN_OPTIONAL(4),
       "the n-th match from a start, or a group of it", T_TEXT, T_TEXT, T_INT4, T_INT4, T_TEXT,
       T_INT4),
    FN("regexp_instr", T_INT4, regexp_instr, FN_FAILS | FN_OPTIONAL(5),
       "where the n-th match from a start is", T_TEXT, T_TEXT, T_INT4, T_INT4, T_INT4, T_TEXT,
       T_INT4),
    FN("regexp_split_to_array", T_TEXTS, regexp_split_to_array, FN_FAILS | FN_OPTIONAL(1),
       "the parts between the matches", T_TEXT, T_TEXT, T_TEXT),
    FN("regexp_replace", T_TEXT, regexp_replace, FN_FAILS | FN_OPTIONAL(1),
       "the first match (all with flag g) replaced", T_TEXT, T_TEXT, T_TEXT, T_TEXT),
    FN("regexp_replace", T_TEXT, regexp_replace_nth, FN_FAILS | FN_OPTIONAL(2),
       "the n-th match from a start replaced, all if n is 0", T_TEXT, T_TEXT, T_TEXT, T_INT4,
       T_INT4, T_TEXT),
    FN("similar_to_escape", T_TEXT, similar_to_escape, FN_FAILS | FN_OPTIONAL(1),
       "an SQL regular expression (SIMILAR TO) as a regular expression", T_TEXT, T_TEXT),
    FN_END,
};
