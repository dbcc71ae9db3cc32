/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_like.c -- LIKE and ILIKE: ~~ ~~* !~~ !~~* and like_escape.
 *
 * Place       rows of the function registry; the grammar writes LIKE as these operators.
 * State       none: a constant pattern is compiled once a batch, which costs less than one row.
 * Invariants  K1  a pattern without `_` is a list of literals, the first and the last anchored
 *                 where no `%` stands; finding each at its first place decides the match
 *             K2  a lone escape at the end is an error only for a row whose match comes to it
 * Cost        no pattern is exponential: one point of return, never a stack of them.
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

typedef enum like_result { LIKE_NO, LIKE_YES, LIKE_BAD_PATTERN } like_result;

/* bytes: `_` stands for a byte, not for a character. */
static like_result
like_match(const char *s, size_t s_length, const char *p, size_t p_length, bool bytes)
{
    const char *end = s + s_length, *p_end = p + p_length;
    const char *again_s = NULL, *again_p = NULL; /* where the last % may take one character more */
    for (;;) {
        bool differs = false;
        if (p == p_end || s == end) {
            differs = p == p_end && s < end;
        } else if (*p == '%') {
            for (; p < p_end && (*p == '%' || *p == '_'); p++) {
                if (*p == '%')
                    continue;
                if (s == end)
                    return LIKE_NO;
                s = bytes ? s + 1 : fn_char_next(s, end);
            }
            if (p == p_end)
                return LIKE_YES;
            if (*p == '\\' && p + 1 == p_end)
                return LIKE_BAD_PATTERN;
            again_s = s;
            again_p = p;
            continue;
        } else if (*p == '_') {
            s = bytes ? s + 1 : fn_char_next(s, end);
            p++;
            continue;
        } else {
            if (*p == '\\' && ++p == p_end)
                return LIKE_BAD_PATTERN; /* K2 */
            differs = *p++ != *s++;
        }
        if (differs) {
            if (again_s == NULL || again_s == end)
                return LIKE_NO;
            again_s = bytes ? again_s + 1 : fn_char_next(again_s, end);
            s = again_s;
            p = again_p;
        } else if (s == end) {
            while (p < p_end && *p == '%')
                p++;
            return p == p_end ? LIKE_YES : LIKE_NO;
        }
    }
}

/* --- compiled patterns --- */

/* A longer pattern is left to the row kernels. */
enum { LIKE_PARTS_MAX = 16, LIKE_BYTES_MAX = 1 << 16 };

typedef struct like_plan {
    bool      general; /* like_match does it */
    bool      open_start, open_end;
    uint32_t  count;
    wr_string parts[LIKE_PARTS_MAX];
} like_plan;

/* Splits a pattern at its %; literals are written to room, which has the pattern's length. */
static void
like_compile(const wr_string *pattern, char *room, like_plan *plan)
{
    const char *p = wr_string_data(pattern), *end = p + pattern->length;
    char       *part = room;
    memset(plan, 0, sizeof *plan);
    plan->open_start = p < end && *p == '%';
    for (; p < end; p++) {
        if (*p == '_' || (*p == '\\' && p + 1 == end) || plan->count == LIKE_PARTS_MAX - 1) {
            plan->general = true;
            return;
        }
        plan->open_end = *p == '%';
        if (*p != '%') {
            p += *p == '\\';
            *room++ = *p;
        } else if (room > part) {
            plan->parts[plan->count++] = wr_string_make(part, (size_t) (room - part));
            part = room;
        }
    }
    if (room > part)
        plan->parts[plan->count++] = wr_string_make(part, (size_t) (room - part));
}

static inline bool
like_begins(const char *s, const char *end, const wr_string *part)
{
    return (size_t) (end - s) >= part->length && memcmp(s, wr_string_data(part), part->length) == 0;
}

static bool
like_run(const like_plan *plan, const char *s, size_t length) /* K1 */
{
    const char *end = s + length;
    uint32_t    first = 0, last = plan->count;
    if (plan->count == 0)
        return plan->open_end || length == 0;
    if (!plan->open_start) {
        if (!like_begins(s, end, &plan->parts[0]))
            return false;
        s += plan->parts[0].length;
        first = 1;
        if (plan->count == 1)
            return plan->open_end || s == end;
    }
    if (!plan->open_end) {
        const wr_string *part = &plan->parts[--last];
        if ((size_t) (end - s) < part->length || !like_begins(end - part->length, end, part))
            return false;
        end -= part->length;
    }
    for (uint32_t i = first; i < last; i++) {
        s = wr_fn_find(s, end, wr_string_data(&plan->parts[i]), plan->parts[i].length);
        if (s == NULL)
            return false;
        s += plan->parts[i].length;
    }
    return true;
}

/* --- row kernels --- */

static weir_status
like_give(wr_eval *eval, uint32_t row, const wr_string *s, const wr_string *pattern, bool bytes,
          bool negated, wr_value *out)
{
    like_result result = like_match(wr_string_data(s), s->length, wr_string_data(pattern),
                                    pattern->length, bytes);
    if (result == LIKE_BAD_PATTERN)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "LIKE pattern must not end with escape character");
    out->boolean = (result == LIKE_YES) != negated;
    return WEIR_OK;
}

static weir_status
ilike_give(wr_eval *eval, uint32_t row, const wr_value *args, bool negated, wr_value *out)
{
    wr_string lower[2];
    for (int i = 0; i < 2; i++)
        WR_TRY(wr_fn_lower(eval, row, &args[i].string, &lower[i]));
    return like_give(eval, row, &lower[0], &lower[1], false, negated, out);
}

FN_KERNEL(text_like)
{
    return like_give(eval, row, &args[0].string, &args[1].string, false, false, out);
}

FN_KERNEL(text_not_like)
{
    return like_give(eval, row, &args[0].string, &args[1].string, false, true, out);
}

FN_KERNEL(bytea_like)
{
    return like_give(eval, row, &args[0].string, &args[1].string, true, false, out);
}

FN_KERNEL(bytea_not_like)
{
    return like_give(eval, row, &args[0].string, &args[1].string, true, true, out);
}

FN_KERNEL(text_ilike)
{
    return ilike_give(eval, row, args, false, out);
}

FN_KERNEL(text_not_ilike)
{
    return ilike_give(eval, row, args, true, out);
}

/* like_escape(pattern, escape): the same pattern with backslash as its escape character. */
FN_KERNEL(text_like_escape)
{
    const char *p = fn_data(&args[0]), *end = p + fn_length(&args[0]);
    const char *escape = fn_data(&args[1]);
    size_t      n = fn_length(&args[1]);
    bool        after_escape = false;
    char       *room, *at;
    if (n == 1 && escape[0] == '\\')
        return fn_give(out, p, (size_t) (end - p));
    if (n > 0 && fn_char_next(escape, escape + n) != escape + n)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "invalid escape string");
    WR_TRY(wr_fn_room(eval, row, 2 * fn_length(&args[0]), &room));
    for (at = room; p < end;) {
        const char *next = fn_char_next(p, end);
        if (n > 0 && (size_t) (next - p) == n && memcmp(p, escape, n) == 0 && !after_escape) {
            *at++ = '\\';
            after_escape = true;
        } else {
            if (*p == '\\' && !after_escape)
                *at++ = '\\';
            memcpy(at, p, (size_t) (next - p));
            at += next - p;
            after_escape = false;
        }
        p = next;
    }
    return fn_give(out, room, (size_t) (at - room));
}

/* --- vector kernels: the pattern is constant --- */

typedef struct like_job {
    wr_eval   *eval;
    like_plan  plan;
    wr_string  pattern; /* in lower case when folded */
    bool       folded, negated;
} like_job;

static weir_status
like_vector_row(like_job *job, uint32_t row, const wr_string *s, uint8_t *result)
{
    wr_string lower;
    if (job->folded) {
        WR_TRY(wr_fn_lower(job->eval, row, s, &lower));
        s = &lower;
    }
    if (!job->plan.general) {
        *result = like_run(&job->plan, wr_string_data(s), s->length) != job->negated;
        return WEIR_OK;
    }
    wr_value    boxed;
    weir_status status =
        like_give(job->eval, row, s, &job->pattern, false, job->negated, &boxed);
    *result = status == WEIR_OK && boxed.boolean;
    return status;
}

static weir_status
like_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t physical,
            wr_rows rows, bool folded, bool negated, wr_column **out)
{
    if (args[0]->layout == WR_CONSTANT || args[1]->layout != WR_CONSTANT ||
        wr_column_is_null(args[1], 0) || fn_string_at(args[1], 0)->length > LIKE_BYTES_MAX)
        return WEIR_QUERY_UNSUPPORTED;
    like_job    job = { .eval = eval, .folded = folded, .negated = negated };
    wr_string   pattern = *fn_string_at(args[1], 0);
    uint16_t    kept[WR_BATCH_ROWS_MAX];
    wr_rows     live;
    wr_column  *made;
    weir_status status = WEIR_OK;
    job.pattern = pattern;
    if (folded)
        WR_TRY(wr_fn_lower(eval, fn_row(rows, 0), &pattern, &job.pattern));
    char *room = wr_arena_alloc(&eval->step, job.pattern.length);
    if (room == NULL)
        return WEIR_MEMORY;
    like_compile(&job.pattern, room, &job.plan);
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        uint32_t row = fn_row(live, i);
        status = like_vector_row(&job, row, fn_string_at(args[0], row),
                                 &((uint8_t *) made->data)[row]);
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

#define LIKE_VECTOR(NAME, FOLDED, NEGATED)                                                         \
    static weir_status NAME(wr_eval *eval, const wr_expr *call, wr_column *const *args,            \
                            uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)  \
    {                                                                                              \
        return like_vector(eval, call, args, physical, rows, FOLDED, NEGATED, out);                \
    }
LIKE_VECTOR(text_like_vector, false, false)
LIKE_VECTOR(text_not_like_vector, false, true)
LIKE_VECTOR(text_ilike_vector, true, false)
LIKE_VECTOR(text_not_ilike_vector, true, true)

#define FN_TOPIC "text"
const wr_function wr_fn_like[] = {
    FNV("~~", T_BOOL, text_like, text_like_vector, FN_FAILS, "LIKE", T_TEXT, T_TEXT),
    FNV("!~~", T_BOOL, text_not_like, text_not_like_vector, FN_FAILS, "NOT LIKE", T_TEXT, T_TEXT),
    FNV("~~*", T_BOOL, text_ilike, text_ilike_vector, FN_FAILS, "ILIKE", T_TEXT, T_TEXT),
    FNV("!~~*", T_BOOL, text_not_ilike, text_not_ilike_vector, FN_FAILS, "NOT ILIKE", T_TEXT,
        T_TEXT),
    FNV("~~", T_BOOL, text_like, text_like_vector, FN_FAILS, "LIKE", T_BPCHAR, T_TEXT),
    FNV("!~~", T_BOOL, text_not_like, text_not_like_vector, FN_FAILS, "NOT LIKE", T_BPCHAR, T_TEXT),
    FNV("~~*", T_BOOL, text_ilike, text_ilike_vector, FN_FAILS, "ILIKE", T_BPCHAR, T_TEXT),
    FNV("!~~*", T_BOOL, text_not_ilike, text_not_ilike_vector, FN_FAILS, "NOT ILIKE", T_BPCHAR,
        T_TEXT),
    FN("~~", T_BOOL, bytea_like, FN_FAILS, "LIKE", T_BYTEA, T_BYTEA),
    FN("!~~", T_BOOL, bytea_not_like, FN_FAILS, "NOT LIKE", T_BYTEA, T_BYTEA),
    FNV("like", T_BOOL, text_like, text_like_vector, FN_FAILS, "LIKE", T_TEXT, T_TEXT),
    FNV("notlike", T_BOOL, text_not_like, text_not_like_vector, FN_FAILS, "NOT LIKE", T_TEXT,
        T_TEXT),
    FN("like_escape", T_TEXT, text_like_escape, FN_FAILS,
       "a LIKE pattern rewritten from another escape character", T_TEXT, T_TEXT),
    FN_END,
};
