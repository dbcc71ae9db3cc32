/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/query_explain.c -- EXPLAIN [ANALYZE]: the plan of a statement as its rows, one a line.
 *
 * Spellings are PostgreSQL's: EXPLAIN, EXPLAIN ANALYZE, EXPLAIN (ANALYZE), EXPLAIN (ANALYZE on, ...);
 * VERBOSE and other options change nothing.
 */
#include "engine/query_impl.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *
skip_blanks(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

/* s behind `word` when it begins with it, else NULL. */
static const char *
skip_word(const char *s, const char *word)
{
    size_t n = strlen(word);
    bool whole = strncasecmp(s, word, n) == 0 && !isalnum((unsigned char)s[n]) && s[n] != '_';
    return whole ? skip_blanks(s + n) : NULL;
}

bool
wr_explain_prefix(const char *sql, size_t *length, bool *analyze)
{
    const char *at = skip_word(skip_blanks(sql), "explain"), *next;
    *analyze = false;
    if (at == NULL)
        return false;
    if (*at == '(') {
        const char *close = strchr(at, ')');
        if (close == NULL)
            return false;
        for (const char *s = at; s < close; s = s + 1 + strcspn(s + 1, ",)")) {
            const char *value = skip_word(skip_blanks(s + 1), "analyze");
            if (value != NULL)
                *analyze = skip_word(value, "off") == NULL && skip_word(value, "false") == NULL &&
                           *value != '0';
        }
        at = skip_blanks(close + 1);
    } else {
        if ((next = skip_word(at, "analyze")) != NULL)
            at = next;
        *analyze = next != NULL;
        if ((next = skip_word(at, "verbose")) != NULL)
            at = next;
    }
    *length = (size_t)(at - sql);
    return true;
}

void
wr_query_plan_text(weir_pipeline *p, bool analyze, double seconds, wr_text *to)
{
    for (uint32_t i = p->view_count; i-- > 0;) {
        if (i + 1 < p->view_count)
            wr_text_printf(to, "\nview %s\n", p->views[i].name);
        if (analyze)
            wr_analyze_view(p, &p->views[i], seconds, to);
        else
            wr_plan_explain(p->views[i].plan, &p->views[i].options, NULL, to);
    }
    if (analyze)
        wr_analyze_sources(p, seconds, to);
}

/* The result gives these lines and nothing else. */
static weir_status
give_lines(weir_result *r, wr_text *text)
{
    weir_pipeline *p = r->pipeline;
    wr_schema *schema = wr_schema_create(&p->arena, 1);
    wr_batch_builder b;
    const char *at = wr_text_string(text);
    if (schema == NULL || !wr_text_ok(text))
        return WEIR_MEMORY;
    schema->fields[0] = (wr_field){ .name = "QUERY PLAN",
                                    .type = WR_TYPE(WR_TEXT),
                                    .watermark_offset = WR_NO_WATERMARK };
    wr_batch_builder_init(&b, p->flow, schema);
    weir_status status = WEIR_OK;
    while (*at != '\0' && status == WEIR_OK && !wr_batch_builder_full(&b)) {
        size_t n = strcspn(at, "\n");
        wr_value line = { .type = WR_TYPE(WR_TEXT), .string = wr_string_make(at, n) };
        status = wr_batch_builder_add(&b, &line, 1);
        at += n + (at[n] == '\n');
    }
    wr_batch *batch = status == WEIR_OK ? wr_batch_builder_take(&b) : NULL;
    r->before = wr_calloc(p->engine->budget, 1, sizeof(wr_batch *));
    if (batch != NULL && r->before != NULL) {
        r->before[r->before_count++] = batch;
        r->schema = schema;
        r->ended = r->text = true;
    } else {
        wr_batch_release(batch);
        status = WEIR_MEMORY;
    }
    wr_batch_builder_fini(&b);
    return status;
}

weir_status
wr_result_explain(weir_result *r, bool analyze, weir_error *err)
{
    weir_pipeline *p = r->pipeline;
    wr_text to;
    int64_t begun = wr_clock_monotonic(wr_clock_system());
    if (analyze && !p->bounded)
        return wr_error_set(err, WEIR_QUERY_UNSUPPORTED, "EXPLAIN ANALYZE wants a query that ends");
    for (weir_rows *rows = NULL; analyze;) {
        WR_TRY(weir_result_next(r, &rows, err));
        if (rows == NULL)
            break;
        weir_rows_release(rows);
    }
    wr_text_init(&to, NULL);
    wr_query_plan_text(p, analyze, (double)(wr_clock_monotonic(wr_clock_system()) - begun) / 1e6,
                       &to);
    weir_status status = give_lines(r, &to);
    wr_text_fini(&to);
    return status == WEIR_OK ? WEIR_OK : wr_error_set(err, status, "no memory for the plan");
}
