/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/scan.c -- the token pass: caps, traps and streaming spellings, before the parser sees
 * anything.
 *
 * Place       first in the folder: text in, text that is safe to parse out.
 * State       none; one pass over the tokens with a small stack of nesting levels.
 * Invariants  S1  what leaves is valid UTF-8 without NUL, at most 64 KB, at most LEVELS_MAX levels
 * deep, and no path through its tree has more than OPERATORS_MAX operators S2  an EMIT clause is
 * overwritten by blanks of equal length; the only insertions are aliases, and wr_sql_scan_origin
 * undoes them S3  text that PostgreSQL would parse as something else than its author meant is
 * refused
 */
#include "sql/tree_impl.h"

#include <string.h>
#include <stdio.h>
#include <strings.h>

enum { LEVELS_MAX = 200, OPERATORS_MAX = 1000, INSERTS_MAX = 256 };

typedef enum scan_clause {
    CLAUSE_NONE,
    CLAUSE_SELECT,
    CLAUSE_FROM,
    CLAUSE_ON,
    CLAUSE_OTHER
} scan_clause;

typedef struct scan_level {
    scan_clause clause;
    bool is_case;     /* CASE ... END, not a parenthesis                             */
    bool is_subquery; /* (SELECT ...) standing in FROM: needs an alias               */
    bool is_nested;   /* opened right after the parenthesis above it                 */
    uint32_t outer;   /* operators above this level on the path from the root        */
    uint32_t flat;    /* operators since the last comma, AND, OR                     */
    uint32_t deep;    /* joins and set operations: they nest to the left all the way */
} scan_level;

typedef struct scan_state {
    wr_sql_scan *scan;
    wr_arena *arena;
    weir_error *err;
    scan_level levels[LEVELS_MAX + 1];
    uint32_t depth;
    uint32_t unnamed_count; /* sub-selects without an alias so far */
} scan_state;

static const char *
token_text(const wr_sql_scan *scan, uint32_t i, uint32_t *length)
{
    *length = (uint32_t)(scan->tokens[i].end - scan->tokens[i].start);
    return scan->original + scan->tokens[i].start;
}

/* Is token i the unquoted word (any case)? */
static bool
token_is(const wr_sql_scan *scan, uint32_t i, const char *word)
{
    if (i >= scan->token_count)
        return false;
    uint32_t n;
    const char *s = token_text(scan, i, &n);
    return strlen(word) == n && strncasecmp(s, word, n) == 0;
}

static int32_t
token_kind(const wr_sql_scan *scan, uint32_t i)
{
    return i < scan->token_count ? scan->tokens[i].kind : -1;
}

/* --- S1: bytes --- */

/* Length of the UTF-8 sequence at s, 0 when invalid (overlong, surrogate, above U+10FFFF, cut off).
 */
static uint32_t
utf8_sequence(const unsigned char *s, size_t room)
{
    static const struct {
        unsigned char mask, lead, min2, max2;
    } forms[] = { { 0xe0, 0xc0, 0x80, 0xbf },
                  { 0xf0, 0xe0, 0x80, 0xbf },
                  { 0xf8, 0xf0, 0x80, 0xbf } };
    if (s[0] < 0x80)
        return 1;
    for (uint32_t n = 2; n <= 4; n++) {
        if ((s[0] & forms[n - 2].mask) != forms[n - 2].lead)
            continue;
        if (room < n || s[0] == 0xc0 || s[0] == 0xc1 || s[0] > 0xf4)
            return 0;
        for (uint32_t i = 1; i < n; i++)
            if ((s[i] & 0xc0) != 0x80)
                return 0;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
            (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
            return 0;
        return n;
    }
    return 0;
}

bool
wr_sql_is_text(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint32_t n = utf8_sequence((const unsigned char *)bytes + i, length - i);
        if (n == 0 || bytes[i] == '\0')
            return false;
        i += n;
    }
    return true;
}

static weir_status
check_bytes(const char *text, size_t length, weir_error *err)
{
    if (length > WR_SQL_BYTES_MAX)
        return wr_error_set(err, WEIR_QUERY_TOO_COMPLEX,
                            "the statement has %zu bytes; the limit is %d", length,
                            WR_SQL_BYTES_MAX);
    for (size_t i = 0; i < length;) {
        uint32_t n = utf8_sequence((const unsigned char *)text + i, length - i);
        if (n == 0 || text[i] == '\0')
            return wr_error_at(err, WEIR_QUERY_SYNTAX, (int32_t)i,
                               n == 0 ? "the statement is not valid UTF-8 (byte 0x%02x)"
                                      : "the statement holds a NUL byte (0x%02x)",
                               (unsigned char)text[i]);
        i += n;
    }
    return WEIR_OK;
}

/* --- S3: traps that one or two tokens show --- */

static bool
is_time_unit(const wr_sql_scan *scan, uint32_t i)
{
    static const char *const units[] = {
        "microsecond", "millisecond", "second", "minute",  "hour",
        "day",         "week",        "month",  "quarter", "year"
    };
    uint32_t n;
    const char *s = token_text(scan, i, &n);
    for (uint32_t u = 0; u < WR_COUNT(units); u++) {
        size_t m = strlen(units[u]);
        if ((n == m || (n == m + 1 && (s[m] | 0x20) == 's')) && strncasecmp(s, units[u], m) == 0)
            return true;
    }
    return false;
}

static weir_status
trap(scan_state *st, uint32_t token, const char *what, const char *hint)
{
    uint32_t n;
    const char *s = token_text(st->scan, token, &n);
    weir_status status = wr_error_at(st->err, WEIR_QUERY_TRAP, st->scan->tokens[token].start,
                                     "%s: \"%.*s\"", what, (int)WR_MIN(n, 64u), s);
    wr_error_hint(st->err, "%s", hint);
    return status;
}

static weir_status
check_operator_token(scan_state *st, uint32_t i)
{
    uint32_t n;
    const char *s = token_text(st->scan, i, &n);
    if (n == 2 && memcmp(s, "==", 2) == 0)
        return trap(st, i, "there is no such operator", "equality is written with one =");
    if (memchr(s, '`', n) != NULL) {
        weir_status status = wr_error_at(st->err, WEIR_QUERY_SYNTAX, st->scan->tokens[i].start,
                                         "names are not quoted with backticks");
        wr_error_hint(st->err, "write \"name\" in double quotes");
        return status;
    }
    return WEIR_OK;
}

static weir_status
check_time_unit(scan_state *st, uint32_t i)
{
    int32_t before = i > 0 ? token_kind(st->scan, i - 1) : -1;
    bool is_alias = before == PG_QUERY__TOKEN__SCONST || before == PG_QUERY__TOKEN__ICONST ||
                    before == PG_QUERY__TOKEN__FCONST;
    if (!is_alias || !is_time_unit(st->scan, i))
        return WEIR_OK;
    return trap(st, i, "this word is an alias here, not a unit of time",
                "write the unit inside the quotes: interval '10 minutes'");
}

typedef struct alias_trap {
    const char *word, *hint;
} alias_trap;

static const alias_trap alias_traps[] = {
    { "asof",
      "PostgreSQL reads this word as a table alias; write JOIN asof(q) q ON q.k = t.k AND "
      "q.ts <= t.ts, or AS asof" },
    { "latest",
      "PostgreSQL reads this word as a table alias; write JOIN LATERAL (SELECT * FROM q WHERE "
      "q.k = t.k ORDER BY q.ts DESC LIMIT 1) q ON true, or AS latest" },
    { "semi",
      "PostgreSQL reads this word as a table alias; write WHERE EXISTS (SELECT ...), or AS semi" },
    { "anti", "PostgreSQL reads this word as a table alias; write WHERE NOT EXISTS (SELECT ...), "
              "or AS anti" },
    { "final",
      "PostgreSQL reads this word as a table alias; for the emit mode end the statement with "
      "EMIT FINAL or set emit: final, or write AS final" },
    { "stream",
      "PostgreSQL reads this word as a table alias; every relation is a stream already, leave "
      "it out, or write AS stream" },
    { "emit",
      "PostgreSQL reads this word as a table alias; end the statement with EMIT FINAL, EMIT "
      "CHANGES or EMIT ON WINDOW CLOSE, or write AS emit" },
    { "qualify",
      "PostgreSQL reads this word as a table alias; filter outside: SELECT * FROM (SELECT ..., "
      "row_number() OVER (...) AS n ...) t WHERE n = 1, or write AS qualify" },
};

/* In FROM: a bare word after something that can be a table, without AS. */
static weir_status
check_alias(scan_state *st, uint32_t i)
{
    if (i == 0)
        return WEIR_OK;
    const wr_sql_token *before = &st->scan->tokens[i - 1];
    bool ends_item = before->kind == PG_QUERY__TOKEN__IDENT ||
                     before->kind == PG_QUERY__TOKEN__ASCII_41 ||
                     before->keyword == PG_QUERY__KEYWORD_KIND__UNRESERVED_KEYWORD ||
                     before->keyword == PG_QUERY__KEYWORD_KIND__COL_NAME_KEYWORD;
    if (!ends_item)
        return WEIR_OK;
    for (uint32_t t = 0; t < WR_COUNT(alias_traps); t++)
        if (token_is(st->scan, i, alias_traps[t].word))
            return trap(st, i, "this word would become the alias of a table", alias_traps[t].hint);
    return WEIR_OK;
}

/* --- levels, clauses, operators --- */

static weir_status
push_level(scan_state *st, uint32_t token, bool is_case)
{
    const scan_level *up = &st->levels[st->depth];
    if (st->depth == LEVELS_MAX)
        return wr_error_at(st->err, WEIR_QUERY_TOO_COMPLEX, st->scan->tokens[token].start,
                           "the statement is nested more than %d levels deep", LEVELS_MAX);
    scan_level level = { .is_case = is_case, .outer = up->outer + up->flat + up->deep };
    if (!is_case && up->clause == CLAUSE_FROM && token > 0) {
        int32_t before = token_kind(st->scan, token - 1), next = token_kind(st->scan, token + 1);
        bool starts_item = before == PG_QUERY__TOKEN__FROM || before == PG_QUERY__TOKEN__ASCII_44 ||
                           before == PG_QUERY__TOKEN__JOIN || before == PG_QUERY__TOKEN__ASCII_40 ||
                           before == PG_QUERY__TOKEN__LATERAL_P;
        bool is_query = next == PG_QUERY__TOKEN__SELECT || next == PG_QUERY__TOKEN__VALUES ||
                        next == PG_QUERY__TOKEN__WITH;
        level.is_subquery = starts_item && is_query;
        level.is_nested = before == PG_QUERY__TOKEN__ASCII_40;
        if (starts_item && !is_query)
            level.clause = CLAUSE_FROM; /* a join in parentheses */
    }
    st->levels[++st->depth] = level;
    return WEIR_OK;
}

/* After `)` of a sub-select in FROM: when nothing that could be an alias follows, note one. */
static weir_status
name_subquery(scan_state *st, uint32_t close)
{
    wr_sql_scan *scan = st->scan;
    int32_t next = token_kind(scan, close + 1);
    int32_t keyword = close + 1 < scan->token_count ? scan->tokens[close + 1].keyword : 0;
    bool has_alias = next == PG_QUERY__TOKEN__IDENT || next == PG_QUERY__TOKEN__UIDENT ||
                     next == PG_QUERY__TOKEN__AS ||
                     keyword == PG_QUERY__KEYWORD_KIND__UNRESERVED_KEYWORD ||
                     keyword == PG_QUERY__KEYWORD_KIND__COL_NAME_KEYWORD;
    if (has_alias)
        return WEIR_OK;
    if (scan->insert_count == INSERTS_MAX)
        return wr_error_at(st->err, WEIR_QUERY_TOO_COMPLEX, scan->tokens[close].start,
                           "more than %d sub-selects have no alias", INSERTS_MAX);
    if (scan->inserts == NULL) {
        scan->inserts = wr_arena_alloc(st->arena, INSERTS_MAX * sizeof *scan->inserts);
        if (scan->inserts == NULL)
            return WEIR_MEMORY;
    }
    scan->inserts[scan->insert_count++] = (wr_sql_insert){ scan->tokens[close].end, 0 };
    return WEIR_OK;
}

/* Does the token after a sub-select in parentheses make a larger query of it? */
static bool
continues_query(const wr_sql_scan *scan, uint32_t i)
{
    switch (token_kind(scan, i)) {
    case PG_QUERY__TOKEN__UNION:
    case PG_QUERY__TOKEN__INTERSECT:
    case PG_QUERY__TOKEN__EXCEPT:
    case PG_QUERY__TOKEN__ORDER:
    case PG_QUERY__TOKEN__LIMIT:
    case PG_QUERY__TOKEN__OFFSET:
    case PG_QUERY__TOKEN__FETCH:
    case PG_QUERY__TOKEN__ASCII_41: return true;
    default: return false;
    }
}

static weir_status
pop_level(scan_state *st, uint32_t token)
{
    if (st->depth == 0)
        return WEIR_OK; /* the parser will say so */
    scan_level closed = st->levels[st->depth--];
    if (!closed.is_subquery)
        return WEIR_OK;
    if (closed.is_nested && continues_query(st->scan, token + 1)) {
        /* ((SELECT ...) UNION ...), ((SELECT ...)): the outer parenthesis holds the sub-select */
        st->levels[st->depth].is_subquery = true;
        return WEIR_OK;
    }
    return name_subquery(st, token);
}

static void
enter_clause(scan_state *st, uint32_t i)
{
    scan_level *level = &st->levels[st->depth];
    switch (st->scan->tokens[i].kind) {
    case PG_QUERY__TOKEN__SELECT: level->clause = CLAUSE_SELECT; break;
    case PG_QUERY__TOKEN__FROM: {
        /* not IS [NOT] DISTINCT FROM, not EXTRACT(x FROM y) */
        bool is_distinct = i > 1 && token_kind(st->scan, i - 1) == PG_QUERY__TOKEN__DISTINCT &&
                           (token_kind(st->scan, i - 2) == PG_QUERY__TOKEN__IS ||
                            token_kind(st->scan, i - 2) == PG_QUERY__TOKEN__NOT);
        if (level->clause == CLAUSE_SELECT && !is_distinct)
            level->clause = CLAUSE_FROM;
        break;
    }
    case PG_QUERY__TOKEN__ON:
    case PG_QUERY__TOKEN__USING:
        if (level->clause == CLAUSE_FROM)
            level->clause = CLAUSE_ON;
        break;
    case PG_QUERY__TOKEN__JOIN:
    case PG_QUERY__TOKEN__ASCII_44:
        if (level->clause == CLAUSE_ON)
            level->clause = CLAUSE_FROM;
        break;
    case PG_QUERY__TOKEN__WHERE:
    case PG_QUERY__TOKEN__GROUP_P:
    case PG_QUERY__TOKEN__HAVING:
    case PG_QUERY__TOKEN__WINDOW:
    case PG_QUERY__TOKEN__ORDER:
    case PG_QUERY__TOKEN__LIMIT:
    case PG_QUERY__TOKEN__OFFSET:
    case PG_QUERY__TOKEN__FETCH:
    case PG_QUERY__TOKEN__UNION:
    case PG_QUERY__TOKEN__INTERSECT:
    case PG_QUERY__TOKEN__EXCEPT:
        if (level->clause != CLAUSE_NONE)
            level->clause = CLAUSE_OTHER;
        break;
    default: break;
    }
}

/* S1: the tree's depth is bounded by the operators on a path.  Commas, AND and OR make flat lists.
 */
static weir_status
count_operator(scan_state *st, uint32_t i)
{
    scan_level *level = &st->levels[st->depth];
    switch (st->scan->tokens[i].kind) {
    case PG_QUERY__TOKEN__ASCII_44:
    case PG_QUERY__TOKEN__AND:
    case PG_QUERY__TOKEN__OR:
    case PG_QUERY__TOKEN__ASCII_59: level->flat = 0; return WEIR_OK;
    case PG_QUERY__TOKEN__UNION:
    case PG_QUERY__TOKEN__INTERSECT:
    case PG_QUERY__TOKEN__EXCEPT:
    case PG_QUERY__TOKEN__JOIN:
        level->flat = 0;
        level->deep++;
        break;
    case PG_QUERY__TOKEN__ASCII_37:
    case PG_QUERY__TOKEN__ASCII_42:
    case PG_QUERY__TOKEN__ASCII_43:
    case PG_QUERY__TOKEN__ASCII_45:
    case PG_QUERY__TOKEN__ASCII_47:
    case PG_QUERY__TOKEN__ASCII_60:
    case PG_QUERY__TOKEN__ASCII_61:
    case PG_QUERY__TOKEN__ASCII_62:
    case PG_QUERY__TOKEN__ASCII_91:
    case PG_QUERY__TOKEN__ASCII_94:
    case PG_QUERY__TOKEN__Op:
    case PG_QUERY__TOKEN__TYPECAST:
    case PG_QUERY__TOKEN__LESS_EQUALS:
    case PG_QUERY__TOKEN__GREATER_EQUALS:
    case PG_QUERY__TOKEN__NOT_EQUALS:
    case PG_QUERY__TOKEN__NOT:
    case PG_QUERY__TOKEN__IS:
    case PG_QUERY__TOKEN__ISNULL:
    case PG_QUERY__TOKEN__NOTNULL:
    case PG_QUERY__TOKEN__AT:
    case PG_QUERY__TOKEN__COLLATE: level->flat++; break;
    default: return WEIR_OK;
    }
    if (level->outer + level->flat + level->deep > OPERATORS_MAX)
        return wr_error_at(st->err, WEIR_QUERY_TOO_COMPLEX, st->scan->tokens[i].start,
                           "more than %d operators stand in one expression", OPERATORS_MAX);
    return WEIR_OK;
}

/* A word that is a name here: after a dot or AS. */
static bool
is_name_position(const wr_sql_scan *scan, uint32_t i)
{
    if (scan->tokens[i].kind != PG_QUERY__TOKEN__IDENT && scan->tokens[i].keyword == 0)
        return false;
    int32_t before = i > 0 ? token_kind(scan, i - 1) : -1;
    return before == PG_QUERY__TOKEN__ASCII_46 || before == PG_QUERY__TOKEN__AS;
}

static weir_status
scan_token(scan_state *st, uint32_t i, bool statement)
{
    int32_t kind = st->scan->tokens[i].kind;
    if (is_name_position(st->scan, i))
        return WEIR_OK;
    WR_TRY(count_operator(st, i));
    switch (kind) {
    case PG_QUERY__TOKEN__Op: return check_operator_token(st, i);
    case PG_QUERY__TOKEN__ASCII_40:
    case PG_QUERY__TOKEN__ASCII_91: return push_level(st, i, false);
    case PG_QUERY__TOKEN__CASE: return push_level(st, i, true);
    case PG_QUERY__TOKEN__ASCII_41:
    case PG_QUERY__TOKEN__ASCII_93: return pop_level(st, i);
    case PG_QUERY__TOKEN__END_P: return st->levels[st->depth].is_case ? pop_level(st, i) : WEIR_OK;
    case PG_QUERY__TOKEN__IDENT: {
        WR_TRY(check_time_unit(st, i));
        scan_clause clause = st->levels[st->depth].clause;
        bool in_from = clause == CLAUSE_FROM || clause == CLAUSE_ON;
        return statement && in_from ? check_alias(st, i) : WEIR_OK;
    }
    default: enter_clause(st, i); return WEIR_OK;
    }
}

/* --- EMIT, comments, the rewritten text --- */

/* A trailing EMIT FINAL | CHANGES | ON WINDOW CLOSE: blank it out and forget its tokens. */
static void
strip_emit(wr_sql_scan *scan)
{
    uint32_t n = scan->token_count, words;
    while (n > 0 && scan->tokens[n - 1].kind == PG_QUERY__TOKEN__ASCII_59)
        n--;
    if (n >= 4 && token_is(scan, n - 4, "emit") && token_is(scan, n - 3, "on") &&
        token_is(scan, n - 2, "window") && token_is(scan, n - 1, "close"))
        words = 4;
    else if (n >= 2 && token_is(scan, n - 2, "emit") &&
             (token_is(scan, n - 1, "final") || token_is(scan, n - 1, "changes")))
        words = 2;
    else
        return;
    if (n - words > 0 && is_name_position(scan, n - words))
        return;
    scan->emit_given = true;
    scan->emit_final = !token_is(scan, n - 1, "changes");
    memset(scan->text + scan->tokens[n - words].start, ' ',
           (size_t)(scan->tokens[n - 1].end - scan->tokens[n - words].start));
    scan->token_count = n - words;
}

static weir_status
drop_comments(scan_state *st)
{
    wr_sql_scan *scan = st->scan;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < scan->token_count; i++) {
        int32_t kind = scan->tokens[i].kind;
        if (kind == PG_QUERY__TOKEN__SQL_COMMENT || kind == PG_QUERY__TOKEN__C_COMMENT) {
            const char *s = scan->original + scan->tokens[i].start;
            if (scan->tokens[i].end - scan->tokens[i].start > 2 && s[2] == '+')
                return trap(
                    st, i, "hints in comments are not read",
                    "say it in the pipeline file: limits:, emit:, late: are keys of the view");
            continue;
        }
        scan->tokens[kept++] = scan->tokens[i];
    }
    scan->token_count = kept;
    return WEIR_OK;
}

/* Write the aliases that name_subquery asked for into a new text. */
static weir_status
apply_inserts(wr_sql_scan *scan, wr_arena *arena)
{
    enum { ALIAS_BYTES = 16 };
    if (scan->insert_count == 0)
        return WEIR_OK;
    char *to = wr_arena_alloc(arena, scan->length + scan->insert_count * ALIAS_BYTES + 1);
    if (to == NULL)
        return WEIR_MEMORY;
    int32_t from = 0, at = 0;
    for (uint32_t i = 0; i < scan->insert_count; i++) {
        int32_t place = scan->inserts[i].at;
        memcpy(to + at, scan->text + from, (size_t)(place - from));
        at += place - from;
        from = place;
        char alias[ALIAS_BYTES];
        int32_t n = snprintf(alias, sizeof alias, " AS _sub%u ", i + 1);
        memcpy(to + at, alias, (size_t)n);
        scan->inserts[i] = (wr_sql_insert){ at, n };
        at += n;
    }
    memcpy(to + at, scan->text + from, scan->length - (size_t)from + 1);
    scan->length = (size_t)at + scan->length - (size_t)from;
    scan->text = to;
    return WEIR_OK;
}

weir_status
wr_sql_scan_text(const char *text, size_t length, bool statement, const weir_parser *parser,
                 wr_arena *arena, wr_sql_scan *scan, weir_error *err)
{
    memset(scan, 0, sizeof *scan);
    scan->original = text;
    scan->original_length = length;
    WR_TRY(check_bytes(text, length, err));
    scan->text = wr_arena_strndup(arena, text, length);
    scan_state *st = wr_arena_calloc(arena, 1, sizeof *st);
    if (scan->text == NULL || st == NULL)
        return WEIR_MEMORY;
    scan->original = wr_arena_strndup(arena, text, length);
    if (scan->original == NULL)
        return WEIR_MEMORY;
    scan->length = length;
    st->scan = scan;
    st->arena = arena;
    st->err = err;

    weir_status status =
        wr_sql_tokenize(scan->text, parser, arena, &scan->tokens, &scan->token_count, err);
    if (status != WEIR_OK) {
        wr_sql_hint(scan, err);
        return status;
    }
    WR_TRY(drop_comments(st));
    if (statement)
        strip_emit(scan);
    for (uint32_t i = 0; i < scan->token_count; i++)
        WR_TRY(scan_token(st, i, statement));
    return apply_inserts(scan, arena);
}

int32_t
wr_sql_scan_origin(const wr_sql_scan *scan, int32_t offset)
{
    int32_t taken = 0;
    for (uint32_t i = 0; i < scan->insert_count && scan->inserts[i].at < offset; i++)
        taken += WR_MIN(scan->inserts[i].length, offset - scan->inserts[i].at);
    return offset - taken;
}

typedef struct tree_origin {
    const wr_sql_scan *scan;
    int32_t prefix;
} tree_origin;

static int32_t
shift_back(int32_t offset, const void *user)
{
    const tree_origin *origin = user;
    if (offset < origin->prefix)
        return -1;
    return WR_MIN(wr_sql_scan_origin(origin->scan, offset - origin->prefix),
                  (int32_t)origin->scan->original_length);
}

weir_status
wr_sql_tree(const char *prefix, const char *text, size_t length, const char *suffix, bool statement,
            const weir_parser *parser, wr_arena *arena, wr_sql_scan *scan,
            PgQuery__ParseResult **tree, weir_error *err)
{
    WR_TRY(wr_sql_scan_text(text, length, statement, parser, arena, scan, err));
    tree_origin origin = { scan, (int32_t)strlen(prefix) };
    size_t whole = strlen(prefix) + scan->length + strlen(suffix) + 1;
    char *joined = wr_arena_alloc(arena, whole);
    if (joined == NULL)
        return WEIR_MEMORY;
    snprintf(joined, whole, "%s%s%s", prefix, scan->text, suffix);

    weir_status status = wr_sql_tree_parse(joined, parser, arena, tree, err);
    if (status != WEIR_OK) {
        if (err != NULL && err->offset >= 0)
            err->offset = WR_MAX(0, shift_back(err->offset, &origin));
        wr_sql_hint(scan, err);
        return status;
    }
    if (scan->insert_count > 0 || origin.prefix > 0)
        wr_sql_tree_shift((ProtobufCMessage *)*tree, shift_back, &origin);
    return WEIR_OK;
}
