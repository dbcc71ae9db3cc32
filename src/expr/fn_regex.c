/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_regex.c -- regular expressions in SQL: ~ and its kin, and what all of them share.
 *
 * Place       rows of the function registry; fn_regex_take.c and fn_regex_replace.c hold the others.
 */
#include "expr/fn_regex_impl.h"

/* --- options --- */

weir_status
wr_regex_flags_read(wr_eval *eval, uint32_t row, const wr_value *arg, const char *function,
                    regex_flags *flags)
{
    *flags = (regex_flags){ 0 };
    if (arg == NULL)
        return WEIR_OK;
    const char *s = fn_data(arg), *end = s + fn_length(arg);
    for (; s < end; s++) {
        switch (*s) {
        case 'g': flags->global = true; break;
        case 'c': flags->options &= ~(uint32_t)WR_PATTERN_CASELESS; break;
        case 'i': flags->options |= WR_PATTERN_CASELESS; break;
        case 'm':
        case 'n': flags->options |= WR_PATTERN_DOT_STOPS | WR_PATTERN_LINES; break;
        case 'p':
            flags->options |= WR_PATTERN_DOT_STOPS;
            flags->options &= ~(uint32_t)WR_PATTERN_LINES;
            break;
        case 'w':
            flags->options |= WR_PATTERN_LINES;
            flags->options &= ~(uint32_t)WR_PATTERN_DOT_STOPS;
            break;
        case 's': flags->options &= ~(uint32_t)(WR_PATTERN_DOT_STOPS | WR_PATTERN_LINES); break;
        case 'q': flags->options |= WR_PATTERN_LITERAL; break;
        case 't': flags->options &= ~(uint32_t)WR_PATTERN_EXPANDED; break;
        case 'x': flags->options |= WR_PATTERN_EXPANDED; break;
        case 'e': break;
        default:
            return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                "invalid regular expression option: \"%.*s\"",
                                (int)(fn_char_next(s, end) - s), s);
        }
    }
    if (flags->global && function != NULL)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "%s() does not support the \"global\" option", function);
    return WEIR_OK;
}

weir_status
wr_regex_parameter_read(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count,
                        uint32_t index, const char *name, int64_t least, int64_t most,
                        int64_t otherwise, int64_t *value)
{
    *value = index < arg_count ? args[index].integer : otherwise;
    if (*value >= least && *value <= most)
        return WEIR_OK;
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                        "invalid value for parameter \"%s\": %lld", name, (long long)*value);
}

/* --- walking through the matches of a string --- */

weir_status
wr_matcher_open(wr_matcher *m, wr_eval *eval, uint32_t row, const wr_value *subject,
                const wr_value *pattern, uint32_t options)
{
    *m = (wr_matcher){
        .eval = eval, .row = row, .s = fn_data(subject), .length = fn_length(subject)
    };
    return wr_pattern_get(eval, row, &pattern->string, options, &m->pattern);
}

void
wr_matcher_start(wr_matcher *m, int64_t start)
{
    const char *end = m->s + m->length;
    size_t count = wr_fn_char_count(m->s, m->length);
    m->next = (size_t)start - 1 > count
                  ? m->length + 1
                  : (size_t)(wr_fn_char_skip(m->s, end, (size_t)start - 1) - m->s);
}

weir_status
wr_matcher_next(wr_matcher *m, bool *found)
{
    *found = false;
    if (m->next > m->length)
        return WEIR_OK;
    WR_TRY(
        wr_pattern_find(m->eval, m->row, m->pattern, m->s, m->length, m->next, found, &m->parts));
    if (!*found)
        return WEIR_OK;
    m->next = m->parts[0].end;
    if (m->parts[0].begin == m->parts[0].end) /* an empty match: one character on */
        m->next = m->next < m->length
                      ? (size_t)(fn_char_next(m->s + m->next, m->s + m->length) - m->s)
                      : m->length + 1;
    return WEIR_OK;
}

/* --- ~ !~ ~* !~* --- */

static weir_status
test_give(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t options, bool negated,
          wr_value *out)
{
    wr_matcher m;
    bool found = false;
    WR_TRY(wr_matcher_open(&m, eval, row, &args[0], &args[1], options));
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
    uint16_t kept[WR_BATCH_ROWS_MAX];
    wr_rows live;
    wr_column *made;
    weir_status status = WEIR_OK;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        uint32_t row = fn_row(live, i);
        const wr_string *s = fn_string_at(args[0], row);
        wr_pattern *pattern;
        bool found = false;
        status = wr_pattern_get(eval, row, fn_string_at(args[1], 0), options, &pattern);
        if (status == WEIR_OK)
            status = wr_pattern_test(eval, row, pattern, wr_string_data(s), s->length, &found);
        ((uint8_t *)made->data)[row] = found != negated;
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
    WR_TRY(wr_regex_flags_read(eval, row, arg_count > 2 ? &args[2] : NULL, "regexp_like", &flags));
    return test_give(eval, row, args, flags.options, false, out);
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
    FN_END,
};
