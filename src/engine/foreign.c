/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/foreign.c -- statements that come to a running pipeline from outside: who parses them, and what they would be.
 *
 * A stranger's statement is bound like a view of the file, over the pipeline's own relations and nothing else: its
 * catalog opens no files, so that it can name only what the file declares.
 */
#include "engine/engine_impl.h"

#include <string.h>

enum {
    FOREIGN_MEMORY = 192 << 20,  /* to parse and plan one statement               */
    FOREIGN_FOLDING = 512 << 10, /* to compute its constants (wr_expr_fold_limit) */
};

void
weir_set_parser(weir *engine, const weir_parser *parser)
{
    engine->parser = parser != NULL ? *parser : (weir_parser){ 0 };
}

typedef struct explain_call {
    weir_pipeline *pipeline;
    const char *sql;
    bool foreign, json;
    wr_arena arena; /* of the statement */
    wr_sql_statement *statement;
    wr_plan_options options;
    wr_plan *plan;
    weir_error unbounded; /* why a view would not be allowed to be so */
    wr_text to;
    weir_status status;
    weir_error *err;
} explain_call;

static weir_status
explain_parse(explain_call *call)
{
    const weir_parser *parser = &call->pipeline->engine->parser;
    size_t length = strlen(call->sql);
    if (!call->foreign)
        return wr_sql_statement_parse(call->sql, length, &call->arena, &call->statement, call->err);
    if (parser->parse == NULL) {
        weir_status st = wr_error_set(call->err, WEIR_USAGE,
                                      "SQL of clients is not taken: nothing here may parse it");
        wr_error_hint(call->err, "`weir run` has a process for it; a program with Weir in it sets "
                                 "one with weir_set_parser");
        return st;
    }
    return wr_sql_statement_parse_foreign(call->sql, length, parser, &call->arena, &call->statement,
                                          call->err);
}

static weir_status
explain_plan(explain_call *call, bool unbounded)
{
    weir_pipeline *p = call->pipeline;
    wr_sql_extras extras = { 0 };
    wr_plan_options *o = &call->options;
    *o = (wr_plan_options){ .bounded = p->bounded,
                            .late_given = true,
                            .unbounded_state = unbounded,
                            .now = wr_clock_now(p->engine->clock) };
    WR_TRY(wr_sql_statement_bind(call->statement, &p->catalog, o, &call->plan, &extras, call->err));
    o->emit_given = extras.emit_given;
    o->emit = extras.emit;
    o->late = wr_plan_inherited_late(call->plan);
    WR_TRY(wr_plan_optimise(&call->arena, o, &call->plan, call->err));
    return wr_plan_bound(&call->arena, o, call->plan, call->err);
}

static const char *
kind_name(const wr_schema *schema)
{
    return schema->kind == WR_INSERT_ONLY ? "insert_only"
           : schema->kind == WR_UPSERT    ? "upsert"
                                          : "changelog";
}

static void
explain_json(explain_call *call, wr_text *plan)
{
    const wr_schema *schema = call->plan->schema;
    wr_text *to = &call->to;
    const char *comma = "";
    wr_text_printf(to, "{\"kind\":\"%s\",\"columns\":[", kind_name(schema));
    for (uint32_t c = 0; c < schema->field_count; c++) {
        const wr_field *f = &schema->fields[c];
        if (f->hidden)
            continue;
        wr_text_printf(to, "%s[", comma);
        wr_text_put_json(to, f->name, strlen(f->name));
        wr_text_printf(to, ",\"%s\"]", wr_type_name(f->type));
        comma = ",";
    }
    comma = "";
    wr_text_puts(to, "],\"key\":[");
    for (uint32_t k = 0; k < schema->key_count; k++, comma = ",") {
        const char *name = schema->fields[schema->key[k]].name;
        wr_text_puts(to, comma);
        wr_text_put_json(to, name, strlen(name));
    }
    wr_text_puts(to, "],\"plan\":");
    wr_text_put_json(to, wr_text_string(plan), plan->length);
    if (call->unbounded.code != WEIR_OK) {
        wr_text_puts(to, ",\"unbounded\":");
        wr_text_put_json(to, call->unbounded.text, strlen(call->unbounded.text));
    }
    wr_text_puts(to, "}\n");
}

static void
explain_text(explain_call *call, wr_text *plan)
{
    const wr_schema *schema = call->plan->schema;
    const char *comma = "columns: ";
    for (uint32_t c = 0; c < schema->field_count; c++) {
        if (schema->fields[c].hidden)
            continue;
        wr_text_printf(&call->to, "%s%s %s", comma, schema->fields[c].name,
                       wr_type_name(schema->fields[c].type));
        comma = ", ";
    }
    wr_text_printf(&call->to, "\n%s", wr_text_string(plan));
    if (call->unbounded.code != WEIR_OK)
        wr_text_printf(&call->to, "a view of this needs state: { unbounded: true }, or a ttl: %s\n",
                       call->unbounded.text);
}

/* On a stack for deep trees. */
static void
explain_run(void *user)
{
    explain_call *call = user;
    wr_text plan;
    size_t fuel = FOREIGN_FOLDING;
    wr_expr_fold_limit(call->foreign ? &fuel : NULL);
    call->status = explain_parse(call);
    if (call->status == WEIR_OK)
        call->status = explain_plan(call, false);
    if (call->status ==
        WEIR_QUERY_UNBOUNDED) { /* shown all the same, with what a view would be told */
        call->unbounded = *call->err;
        wr_error_clear(call->err);
        call->status = explain_plan(call, true);
    }
    wr_expr_fold_limit(NULL);
    if (call->status != WEIR_OK)
        return;
    wr_text_init(&plan, call->pipeline->budget);
    wr_plan_explain(call->plan, &call->options, NULL, &plan);
    if (call->json)
        explain_json(call, &plan);
    else
        explain_text(call, &plan);
    call->to.failed |= !wr_text_ok(&plan);
    wr_text_fini(&plan);
}

weir_status
weir_explain_sql(weir_pipeline *pipeline, const char *sql, bool foreign, weir_text_format format,
                 char **text, weir_error *err)
{
    weir_error local;
    err = err != NULL ? err : &local;
    wr_error_clear(err);
    wr_budget *budget = wr_budget_create(pipeline->engine->budget, "explain", FOREIGN_MEMORY);
    if (budget == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a statement");
    explain_call call = { .pipeline = pipeline,
                          .sql = sql,
                          .foreign = foreign,
                          .json = format == WEIR_TEXT_JSON,
                          .err = err };
    wr_arena_init(&call.arena, budget);
    wr_text_init(&call.to, NULL);
    wr_sql_with_stack(explain_run, &call);
    weir_status status = call.status;
    if (status == WEIR_OK && (*text = wr_text_take(&call.to, NULL)) == NULL)
        status = wr_error_set(err, WEIR_MEMORY, "no memory for the plan");
    if (status != WEIR_OK) {
        (void)!wr_error_default(err, status);
        if (err->offset >= 0 && err->line == 0)
            wr_error_line_column(err, sql, strlen(sql));
    }
    wr_text_fini(&call.to);
    wr_arena_fini(&call.arena);
    wr_budget_destroy(budget);
    return status;
}
