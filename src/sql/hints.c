/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/hints.c -- what to write instead: hints for the habits of other dialects that do not parse.
 *
 * Place       after a syntax error; looks at the tokens around it.  One table: words, then the
 * hint.
 */
#include "sql/tree_impl.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A pattern is words separated by blanks: a word (any case), N a number, S a string, W any word, $
 * the end. */
typedef struct dialect_hint {
    const char *pattern, *hint;
} dialect_hint;

static const dialect_hint hints[] = {
    { "interval N", "the number stands in quotes with its unit: interval '10 minutes'" },
    { "group by all", "name the columns: GROUP BY a, b, or by place: GROUP BY 1, 2" },
    { "* exclude", "list the columns that are wanted: * has no EXCLUDE" },
    { "* except (", "list the columns that are wanted: * has no EXCEPT" },
    { "* replace", "list the columns that are wanted: * has no REPLACE" },
    { "ignore nulls",
      "IGNORE NULLS is not there: use FILTER (WHERE x IS NOT NULL) on an aggregate" },
    { "respect nulls", "RESPECT NULLS is the rule already: leave it out" },
    { "map [", "there is no map type: use jsonb_build_object('key', value)" },
    { "table ( tumble", "leave TABLE out: FROM tumble(t, ts, interval '1 minute')" },
    { "table ( hop", "leave TABLE out: FROM hop(t, ts, slide, size)" },
    { "table ( session", "leave TABLE out: FROM session(t, ts, gap, key)" },
    { "table ( cumulate", "leave TABLE out: FROM cumulate(t, ts, step, size)" },
    { "( table", "name the relation without TABLE: tumble(t, ts, interval '1 minute')" },
    { "window tumbling",
      "write FROM tumble(t, ts, interval '1 minute') GROUP BY window_start, window_end" },
    { "window hopping", "write FROM hop(t, ts, slide, size) GROUP BY window_start, window_end" },
    { "window session",
      "write FROM session(t, ts, gap, key) GROUP BY key, window_start, window_end" },
    { "partition by",
      "keys of a session are its last arguments: session(t, ts, interval '30 min', key)" },
    { "for system_time",
      "there is no FOR SYSTEM_TIME: write JOIN asof(q) q ON q.k = t.k AND q.ts <= t.ts" },
    { "as of", "there is no AS OF: write JOIN asof(q) q ON q.k = t.k AND q.ts <= t.ts" },
    { "watermark for",
      "the watermark is a key of the source: watermark: ts - interval '5 seconds'" },
    { "match_recognize", "MATCH_RECOGNIZE is not supported" },
    { "create source", "sources are declared under sources: in the pipeline file" },
    { "create stream",
      "sources are declared under sources:, queries under views: in the pipeline file" },
    { "create sink", "sinks are declared under sinks: in the pipeline file" },
    { "asof join", "write JOIN asof(q) q ON q.k = t.k AND q.ts <= t.ts" },
    { "semi join", "write WHERE EXISTS (SELECT ...)" },
    { "anti join", "write WHERE NOT EXISTS (SELECT ...)" },
    { "emit",
      "EMIT FINAL, EMIT CHANGES and EMIT ON WINDOW CLOSE stand at the very end of the statement" },
    { "qualify", "filter outside: SELECT * FROM (SELECT ..., row_number() OVER (...) AS n ...) t "
                 "WHERE n = 1" },
    { "subscribe", "follow a view with weir sub VIEW" },
    { "within N",
      "write the bound as a condition: a.ts BETWEEN b.ts AND b.ts + interval '10 seconds'" },
    { ", from", "there is a comma too many before FROM" },
    { ", where", "there is a comma too many before WHERE" },
    { ", group", "there is a comma too many before GROUP BY" },
    { ", order", "there is a comma too many before ORDER BY" },
    { ", )", "there is a comma too many before )" },
    { ", $", "there is a comma too many at the end" },
    { "from S", "a file is read with read_json('file'), read_csv, read_tsv or read_lines" },
    { "?", "parameters are written $1, $2" },
    { ": W", "parameters are written $1, $2; casts with ::" },
    { "[", "an array is written ARRAY[1, 2]" },
    { "{", "write jsonb_build_object('key', value) or '{...}'::jsonb" },
};

enum { LOOK_BEHIND = 3 };

/* Does pattern match the tokens from i on?  *words: how many it took. */
static bool
pattern_matches(const wr_sql_scan *scan, uint32_t i, const char *pattern, uint32_t *words)
{
    *words = 0;
    for (const char *p = pattern; *p != '\0';) {
        size_t n = strcspn(p, " ");
        bool at_end = i >= scan->token_count;
        if (n == 1 && *p == '$') {
            if (!at_end)
                return false;
        } else {
            if (at_end)
                return false;
            const wr_sql_token *t = &scan->tokens[i];
            size_t length = (size_t)(t->end - t->start);
            const char *s = scan->original + t->start;
            bool is_number =
                t->kind == PG_QUERY__TOKEN__ICONST || t->kind == PG_QUERY__TOKEN__FCONST;
            bool ok = n == 1 && *p == 'N'   ? is_number
                      : n == 1 && *p == 'S' ? t->kind == PG_QUERY__TOKEN__SCONST
                      : n == 1 && *p == 'W' ? t->kind == PG_QUERY__TOKEN__IDENT || t->keyword > 0
                                            : n == length && strncasecmp(p, s, n) == 0;
            if (!ok)
                return false;
        }
        i++;
        (*words)++;
        p += n + strspn(p + n, " ");
    }
    return true;
}

void
wr_sql_hint(const wr_sql_scan *scan, weir_error *err)
{
    if (err == NULL || err->code != WEIR_QUERY_SYNTAX || err->hint[0] != '\0' || err->offset < 0)
        return;
    if (strstr(err->text, "trailing junk after numeric literal") != NULL) {
        wr_error_hint(err, "a length of time is written interval '1 minute'");
        return;
    }
    uint32_t at = 0;
    while (at < scan->token_count && scan->tokens[at].start < err->offset)
        at++;
    for (uint32_t h = 0; h < WR_COUNT(hints); h++) {
        uint32_t first = at > LOOK_BEHIND ? at - LOOK_BEHIND : 0, words;
        for (uint32_t i = first; i <= at; i++)
            if (pattern_matches(scan, i, hints[h].pattern, &words) && i + words + 1 >= at) {
                wr_error_hint(err, "%s", hints[h].hint);
                return;
            }
    }
}
