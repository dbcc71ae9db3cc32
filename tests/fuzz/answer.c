/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/answer.c -- what a parser that was taken over can answer: bytes, or a tree that is nearly right; then bound and planned.
 *
 * The first byte says which: 'r' and a tree's bytes, 'k' and the words' bytes, both as answers to a fixed statement; else a
 * statement of which one message is changed: 't', how, at which message (two bytes), text.
 */
#include "fuzz/fuzz.h"
#include "support/plans.h"
#include "support/tamper.h"

#include <string.h>

enum { TEXT_AT = 4, TEXT_MAX = 4096 };

static void
plan(const weir_parser *parser, const char *sql, size_t length)
{
    wr_plans p;
    wr_sql_statement *s = NULL;
    const char **names;
    uint32_t count;
    wr_plans_init(&p, true);
    weir_status status = wr_sql_statement_parse_foreign(sql, length, parser, &p.arena, &s, &p.err);
    if (status == WEIR_OK)
        status = wr_sql_statement_relations(s, &names, &count, &p.err);
    if (status == WEIR_OK)
        status = wr_sql_statement_bind(s, &p.catalog, &p.options, &p.plan, &p.extras, &p.err);
    if (status == WEIR_OK)
        status = wr_plan_optimise(&p.arena, &p.options, &p.plan, &p.err);
    if (status == WEIR_OK)
        status = wr_plan_bound(&p.arena, &p.options, p.plan, &p.err);
    if (status == WEIR_OK)
        wr_plan_explain(p.plan, &p.options, NULL, &p.text);
    wr_plans_fini(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char fixed[] =
        "SELECT a, b + 1 AS n, count(*) FROM t JOIN u USING (a) WHERE b IN (1, 2) GROUP BY a, b";
    static const char empty[] = "";
    wr_tamper liar;
    char kind = size > 0 ? (char)data[0] : 't';
    const char *sql = fixed;
    size_t length = sizeof fixed - 1;
    wr_tamper_init(&liar);
    if (kind == 'r' || kind == 'k') {
        weir_parse_step step = kind == 'r' ? WEIR_PARSE_TREE : WEIR_PARSE_TOKENS;
        liar.instead[step] = size > 1 ? (const char *)data + 1 : empty;
        liar.instead_length[step] = size - 1;
    } else if (size > TEXT_AT) {
        liar.how = data[1];
        liar.at = data[2] | (uint32_t)data[3] << 8;
        sql = (const char *)data + TEXT_AT;
        length = size - TEXT_AT < TEXT_MAX ? size - TEXT_AT : TEXT_MAX;
    }
    plan(&liar.parser, sql, length);
    wr_tamper_fini(&liar);
    return 0;
}
