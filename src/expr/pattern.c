/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/pattern.c -- regular expressions: the cache, compiling and matching (see pattern_impl.h).
 *
 * Place       the one file that knows PCRE2.
 * State       a cache of at most CACHE_MAX compiled patterns an eval; the one longest unused goes.
 * Cost        compiling takes tens of microseconds, once a pattern; a match runs as machine code.
 *             Where Perl's choice of match may differ from PostgreSQL's, the extent is computed by
 *             PCRE2's other algorithm, which follows all readings at once.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "expr/pattern_impl.h"

#include <pcre2.h>

enum {
    CACHE_MAX = 64,
    STEPS_MAX = 5000000,        /* of backtracking in one match  */
    HEAP_KILOBYTES_MAX = 16384, /* of backtracking in one match  */
    WORKSPACE_INTS = 4000,      /* for following all readings    */
};

struct wr_pattern {
    char             *text; /* key, with its length and options */
    uint32_t          length, options;
    uint64_t          used; /* when, by the cache's count of uses */
    pcre2_code       *code;
    pcre2_match_data *data;
    bool              compiled; /* to machine code */
    uint32_t          groups;
    wr_pattern_shape  shape;
    wr_part_of       *parts; /* groups + 1 */
};

struct wr_patterns {
    wr_budget             *budget;
    pcre2_general_context *memory;
    pcre2_compile_context *compile;
    pcre2_match_context   *match;
    int                   *workspace;
    uint64_t               uses;
    uint32_t               count;
    wr_pattern             list[CACHE_MAX];
};

static void *
memory_get(PCRE2_SIZE bytes, void *budget)
{
    return wr_alloc(budget, bytes);
}

static void
memory_put(void *ptr, void *budget)
{
    wr_free(ptr);
}

static void
pattern_fini(wr_pattern *p)
{
    pcre2_match_data_free(p->data);
    pcre2_code_free(p->code);
    wr_free(p->parts);
    wr_free(p->text);
    memset(p, 0, sizeof *p);
}

void
wr_patterns_destroy(wr_patterns *patterns)
{
    if (patterns == NULL)
        return;
    for (uint32_t i = 0; i < patterns->count; i++)
        pattern_fini(&patterns->list[i]);
    pcre2_match_context_free(patterns->match);
    pcre2_compile_context_free(patterns->compile);
    pcre2_general_context_free(patterns->memory);
    wr_free(patterns->workspace);
    wr_free(patterns);
}

static wr_patterns *
patterns_create(wr_budget *budget)
{
    wr_patterns *p = wr_calloc(budget, 1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->budget = budget;
    p->memory = pcre2_general_context_create(memory_get, memory_put, budget);
    p->compile = p->memory != NULL ? pcre2_compile_context_create(p->memory) : NULL;
    p->match = p->memory != NULL ? pcre2_match_context_create(p->memory) : NULL;
    p->workspace = wr_alloc(budget, WORKSPACE_INTS * sizeof(int));
    if (p->compile == NULL || p->match == NULL || p->workspace == NULL) {
        wr_patterns_destroy(p);
        return NULL;
    }
    pcre2_set_newline(p->compile, PCRE2_NEWLINE_LF);
    pcre2_set_match_limit(p->match, STEPS_MAX); /* P1 */
    pcre2_set_heap_limit(p->match, HEAP_KILOBYTES_MAX);
    return p;
}

/* --- compiling --- */

/* PostgreSQL's words for what PCRE2 found wrong. */
static const char *
compile_words(int code, char *room, size_t bytes)
{
    switch (code) {
    case PCRE2_ERROR_MISSING_SQUARE_BRACKET: return "brackets [] not balanced";
    case PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS:
    case PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS: return "parentheses () not balanced";
    case PCRE2_ERROR_QUANTIFIER_INVALID: return "quantifier operand invalid";
    case PCRE2_ERROR_CLASS_RANGE_ORDER:
    case PCRE2_ERROR_CLASS_INVALID_RANGE: return "invalid character range";
    case PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH: return "lookbehind must have a bounded length";
    case PCRE2_ERROR_PATTERN_TOO_LARGE:
    case PCRE2_ERROR_PARENTHESES_NEST_TOO_DEEP: return "regular expression is too complex";
    default:
        if (pcre2_get_error_message(code, (PCRE2_UCHAR *) room, bytes) < 0)
            return "syntax error";
        return room;
    }
}

/* translated -> p->code and the rest. */
static weir_status
pattern_build(wr_patterns *cache, wr_eval *eval, uint32_t row, wr_text *translated, wr_pattern *p)
{
    int        wrong;
    PCRE2_SIZE at;
    char       words[120];
    uint32_t   options = PCRE2_UTF | PCRE2_UCP;
    options |= (p->shape.options & WR_PATTERN_CASELESS) != 0 ? PCRE2_CASELESS : 0;
    options |= (p->shape.options & WR_PATTERN_DOT_STOPS) != 0 ? 0 : PCRE2_DOTALL;
    options |= (p->shape.options & WR_PATTERN_LINES) != 0 ? PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX
                                                          : PCRE2_DOLLAR_ENDONLY;
    options |= p->shape.search ? PCRE2_NO_AUTO_POSSESS : 0; /* which would hide shorter readings */
    p->code = pcre2_compile((PCRE2_SPTR) wr_text_string(translated), translated->length, options,
                            &wrong, &at, cache->compile);
    if (p->code == NULL && wrong == PCRE2_ERROR_HEAP_FAILED)
        return WEIR_MEMORY;
    if (p->code == NULL)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "invalid regular expression: %s",
                            compile_words(wrong, words, sizeof words));
    /* Without machine code the match is interpreted: slower, the same. */
    p->compiled = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
    (void) pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &p->groups);
    p->data = pcre2_match_data_create_from_pattern(p->code, cache->memory);
    p->parts = wr_alloc(cache->budget, (p->groups + 1) * sizeof *p->parts);
    return p->data != NULL && p->parts != NULL ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
pattern_init(wr_patterns *cache, wr_eval *eval, uint32_t row, const wr_string *text,
             uint32_t options, wr_pattern *p)
{
    wr_text     translated;
    weir_status status;
    memset(p, 0, sizeof *p);
    wr_text_init(&translated, eval->budget);
    const char *wrong = wr_pattern_translate(text, options, &translated, &p->shape);
    if (wrong != NULL)
        status = wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                              "invalid regular expression: %s", wrong);
    else if (!wr_text_ok(&translated))
        status = WEIR_MEMORY;
    else
        status = pattern_build(cache, eval, row, &translated, p);
    wr_text_fini(&translated);
    p->text = wr_strndup(cache->budget, wr_string_data(text), text->length);
    p->length = text->length;
    p->options = options;
    if (status == WEIR_OK && p->text == NULL)
        status = WEIR_MEMORY;
    if (status != WEIR_OK)
        pattern_fini(p);
    return status;
}

static wr_pattern *
patterns_find(wr_patterns *cache, const wr_string *text, uint32_t options)
{
    for (uint32_t i = 0; i < cache->count; i++) {
        wr_pattern *p = &cache->list[i];
        if (p->length == text->length && p->options == options &&
            memcmp(p->text, wr_string_data(text), text->length) == 0)
            return p;
    }
    return NULL;
}

/* A free place, made by dropping the pattern longest unused when the cache is full. */
static wr_pattern *
patterns_place(wr_patterns *cache)
{
    wr_pattern *oldest = &cache->list[0];
    if (cache->count < CACHE_MAX)
        return &cache->list[cache->count];
    for (uint32_t i = 1; i < cache->count; i++)
        if (cache->list[i].used < oldest->used)
            oldest = &cache->list[i];
    pattern_fini(oldest);
    cache->count--;
    *oldest = cache->list[cache->count];
    return &cache->list[cache->count];
}

weir_status
wr_pattern_get(wr_eval *eval, uint32_t row, const wr_string *text, uint32_t options,
               wr_pattern **pattern)
{
    if (eval->patterns == NULL && (eval->patterns = patterns_create(eval->budget)) == NULL)
        return WEIR_MEMORY;
    wr_patterns *cache = eval->patterns;
    wr_pattern  *p = patterns_find(cache, text, options);
    if (p == NULL) {
        p = patterns_place(cache);
        WR_TRY(pattern_init(cache, eval, row, text, options, p));
        cache->count++;
    }
    p->used = ++cache->uses;
    *pattern = p;
    return WEIR_OK;
}

uint32_t
wr_pattern_group_count(const wr_pattern *pattern)
{
    return pattern->groups;
}

/* --- matching --- */

/* One run; *found.  Marks the row when a limit is reached. */
static weir_status
pattern_run(wr_eval *eval, uint32_t row, wr_pattern *p, const char *s, size_t length, size_t from,
            uint32_t options, bool *found)
{
    PCRE2_SPTR subject = (PCRE2_SPTR) s;
    int        rc;
    bool       plain = wr_fn_is_ascii(s, length), direct = plain && options == 0 && p->compiled;
    options |= plain ? PCRE2_NO_UTF_CHECK : 0;
    if (direct) /* past checks that the other call repeats for every row */
        rc = pcre2_jit_match(p->code, subject, length, from, 0, p->data, eval->patterns->match);
    else
        rc = pcre2_match(p->code, subject, length, from, options, p->data, eval->patterns->match);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(p->code, subject, length, from, options | PCRE2_NO_JIT, p->data,
                         eval->patterns->match);
    *found = rc >= 0;
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        return WEIR_OK;
    if (rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21)
        return wr_eval_fail(eval, row, WEIR_ROW_ENCODING, "invalid byte sequence for UTF-8");
    if (rc == PCRE2_ERROR_NOMEMORY)
        return WEIR_MEMORY;
    return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE,
                        "regular expression failed: too many steps");
}

weir_status
wr_pattern_test(wr_eval *eval, uint32_t row, wr_pattern *pattern, const char *s, size_t length,
                bool *found)
{
    return pattern_run(eval, row, pattern, s, length, 0, 0, found);
}

/* P2: the longest or shortest end of a match that begins at `begin`; `end` if it cannot be told. */
static size_t
pattern_extent(wr_eval *eval, wr_pattern *p, const char *s, size_t length, size_t begin, size_t end)
{
    uint32_t options = PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK; /* a match has been found in it */
    options |= p->shape.shortest ? PCRE2_DFA_SHORTEST : 0;
    int rc = pcre2_dfa_match(p->code, (PCRE2_SPTR) s, length, begin, options, p->data,
                             eval->patterns->match, eval->patterns->workspace, WORKSPACE_INTS);
    return rc >= 0 ? pcre2_get_ovector_pointer(p->data)[1] : end;
}

static void
pattern_keep(wr_pattern *p)
{
    const size_t *spans = pcre2_get_ovector_pointer(p->data);
    for (uint32_t i = 0; i <= p->groups; i++)
        p->parts[i] = (wr_part_of){ spans[2 * i], spans[2 * i + 1] };
}

weir_status
wr_pattern_find(wr_eval *eval, uint32_t row, wr_pattern *p, const char *s, size_t length,
                size_t from, bool *found, const wr_part_of **parts)
{
    *parts = p->parts;
    WR_TRY(pattern_run(eval, row, p, s, length, from, 0, found));
    if (!*found)
        return WEIR_OK;
    pattern_keep(p);
    if (!p->shape.search)
        return WEIR_OK;
    size_t begin = p->parts[0].begin;
    size_t end = pattern_extent(eval, p, s, length, begin, p->parts[0].end);
    bool   again = false;
    if (end == p->parts[0].end)
        return WEIR_OK;
    /* The groups of a match of just that extent; a look beyond its end may prevent it. */
    WR_TRY(pattern_run(eval, row, p, s, end, begin, PCRE2_ANCHORED | PCRE2_ENDANCHORED, &again));
    if (again)
        pattern_keep(p);
    else
        p->parts[0].end = end;
    return WEIR_OK;
}
