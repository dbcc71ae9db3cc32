/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_regex_take.c -- what a regular expression finds: substring, regexp_match and its kin, splitting.
 *
 * Place       rows of the function registry.
 */
#include "expr/fn_regex_impl.h"

static weir_status
part_give(const wr_matcher *m, uint32_t part, wr_value *out)
{
    wr_part_of p = m->parts[part];
    if (p.begin == SIZE_MAX)
        return fn_give_null(out);
    return fn_give(out, m->s + p.begin, p.end - p.begin);
}

weir_status
wr_regex_substring(wr_eval *eval, uint32_t row, const wr_value *subject, const wr_value *pattern,
                   wr_value *out)
{
    wr_matcher m;
    bool found;
    WR_TRY(wr_matcher_open(&m, eval, row, subject, pattern, 0));
    WR_TRY(wr_matcher_next(&m, &found));
    if (!found)
        return fn_give_null(out);
    return part_give(&m, wr_pattern_group_count(m.pattern) > 0, out);
}

FN_KERNEL(regex_substring)
{
    return wr_regex_substring(eval, row, &args[0], &args[1], out);
}

/* One row; a part of the subject is a view into it. */
static weir_status
substring_put(wr_matcher *m, const wr_string *subject, wr_column *out)
{
    bool found;
    m->s = wr_string_data(subject);
    m->length = subject->length;
    m->next = 0;
    WR_TRY(wr_matcher_next(m, &found));
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
    uint16_t kept[WR_BATCH_ROWS_MAX];
    wr_rows live;
    wr_column *made;
    wr_matcher m = { .eval = eval };
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
    wr_matcher m;
    bool found;
    wr_value items[WR_PATTERN_GROUPS_MAX + 1];
    WR_TRY(wr_regex_flags_read(eval, row, arg_count > 2 ? &args[2] : NULL, "regexp_match", &flags));
    WR_TRY(wr_matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    WR_TRY(wr_matcher_next(&m, &found));
    if (!found)
        return fn_give_null(out);
    uint32_t groups = wr_pattern_group_count(m.pattern), count = groups > 0 ? groups : 1;
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (wr_value){ .type = T_TEXT };
        (void)part_give(&m, groups > 0 ? i + 1 : 0, &items[i]);
    }
    return wr_array_make(T_TEXT, items, count, &eval->step, &out->string);
}

/* Every match (the first without flag g), each the text form of what regexp_match gives. */
FN_KERNEL(regexp_matches)
{
    regex_flags flags;
    wr_matcher m;
    bool found;
    wr_value *matches = NULL, items[WR_PATTERN_GROUPS_MAX + 1];
    uint32_t match_count = 0, capacity = 0;
    wr_text text;
    WR_TRY(wr_regex_flags_read(eval, row, arg_count > 2 ? &args[2] : NULL, NULL, &flags));
    WR_TRY(wr_matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    do {
        WR_TRY(wr_matcher_next(&m, &found));
        if (!found)
            break;
        if (match_count == WR_ARRAY_ITEMS_MAX)
            return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE,
                                "too many regular expression matches");
        uint32_t groups = wr_pattern_group_count(m.pattern), count = groups > 0 ? groups : 1;
        for (uint32_t i = 0; i < count; i++) {
            items[i] = (wr_value){ .type = T_TEXT };
            (void)part_give(&m, groups > 0 ? i + 1 : 0, &items[i]);
        }
        if (match_count == capacity) {
            uint32_t more = WR_MAX(2 * capacity, 8u);
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
    wr_matcher m;
    int64_t start;
    bool found = true;
    WR_TRY(
        wr_regex_parameter_read(eval, row, args, arg_count, 2, "start", 1, INT32_MAX, 1, &start));
    WR_TRY(wr_regex_flags_read(eval, row, arg_count > 3 ? &args[3] : NULL, "regexp_count", &flags));
    WR_TRY(wr_matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    wr_matcher_start(&m, start);
    for (out->integer = -1; found; out->integer++)
        WR_TRY(wr_matcher_next(&m, &found));
    return WEIR_OK;
}

/* The n-th match at or after start. */
static weir_status
matcher_nth(wr_matcher *m, int64_t start, int64_t n, bool *found)
{
    wr_matcher_start(m, start);
    do
        WR_TRY(wr_matcher_next(m, found));
    while (*found && --n > 0);
    return WEIR_OK;
}

/* Group 1 of a pattern without groups is the whole match; -1: there is no such group. */
static int64_t
group_wanted(const wr_matcher *m, int64_t group)
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
    wr_matcher m;
    int64_t start, n, group;
    bool found;
    WR_TRY(
        wr_regex_parameter_read(eval, row, args, arg_count, 2, "start", 1, INT32_MAX, 1, &start));
    WR_TRY(wr_regex_parameter_read(eval, row, args, arg_count, 3, "n", 1, INT32_MAX, 1, &n));
    WR_TRY(
        wr_regex_parameter_read(eval, row, args, arg_count, 5, "subexpr", 0, INT32_MAX, 0, &group));
    WR_TRY(
        wr_regex_flags_read(eval, row, arg_count > 4 ? &args[4] : NULL, "regexp_substr", &flags));
    WR_TRY(wr_matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    WR_TRY(matcher_nth(&m, start, n, &found));
    group = group_wanted(&m, group);
    if (!found || group < 0)
        return fn_give_null(out);
    return part_give(&m, (uint32_t)group, out);
}

/* regexp_instr(s, pattern, start, n, 0 for the begin or 1 for the end, flags, group) */
FN_KERNEL(regexp_instr)
{
    regex_flags flags;
    wr_matcher m;
    int64_t start, n, at_end, group;
    bool found;
    WR_TRY(
        wr_regex_parameter_read(eval, row, args, arg_count, 2, "start", 1, INT32_MAX, 1, &start));
    WR_TRY(wr_regex_parameter_read(eval, row, args, arg_count, 3, "n", 1, INT32_MAX, 1, &n));
    WR_TRY(wr_regex_parameter_read(eval, row, args, arg_count, 4, "endoption", 0, 1, 0, &at_end));
    WR_TRY(
        wr_regex_parameter_read(eval, row, args, arg_count, 6, "subexpr", 0, INT32_MAX, 0, &group));
    WR_TRY(wr_regex_flags_read(eval, row, arg_count > 5 ? &args[5] : NULL, "regexp_instr", &flags));
    WR_TRY(wr_matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    WR_TRY(matcher_nth(&m, start, n, &found));
    out->integer = 0;
    group = group_wanted(&m, group);
    if (!found || group < 0 || m.parts[group].begin == SIZE_MAX)
        return WEIR_OK;
    size_t at = at_end != 0 ? m.parts[group].end : m.parts[group].begin;
    out->integer = (int64_t)wr_fn_char_count(m.s, at) + 1;
    return WEIR_OK;
}

FN_KERNEL(regexp_split_to_array)
{
    regex_flags flags;
    wr_matcher m;
    bool found = true;
    size_t last_end = 0, field = 0; /* end of the last match; begin of the field */
    uint32_t count = 0, room = 8;
    wr_value *items = wr_arena_alloc(&eval->step, room * sizeof *items);
    WR_TRY(wr_regex_flags_read(eval, row, arg_count > 2 ? &args[2] : NULL, "regexp_split_to_array",
                               &flags));
    WR_TRY(wr_matcher_open(&m, eval, row, &args[0], &args[1], flags.options));
    for (;;) {
        WR_TRY(wr_matcher_next(&m, &found));
        wr_part_of whole = found ? m.parts[0] : (wr_part_of){ m.length, m.length };
        /* Empty matches at either end, or just after a match, split nothing. */
        bool splits = found && whole.begin < m.length && whole.end > last_end;
        last_end = whole.end;
        if (found && !splits)
            continue;
        if (count + 1 > room && room < WR_ARRAY_ITEMS_MAX) {
            wr_value *more = wr_arena_alloc(&eval->step, 2 * (size_t)room * sizeof *items);
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

#define FN_TOPIC "text"
const wr_function wr_fn_regex_take[] = {
    FNV("substring", T_TEXT, regex_substring, regex_substring_vector, FN_FAILS,
        "the first match, or its first group, of a regular expression", T_TEXT, T_TEXT),
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
    FN_END,
};
