/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/sql.h -- text to bound logical plan: the door of this folder.
 *
 * token pass (sql/scan.c: caps, traps, streaming spellings) -> libpg_query (sql/parse.c, the one file that
 * includes it) -> binder (sql/bind_*.c): names, types, aggregates, windows, joins, subqueries -> wr_plan.
 * Every error has a byte offset into `text`; wr_error_line_column turns it into line and column.
 */
#pragma once

#include "plan/plan.h"
#include "weir/weir.h"

/* Emit mode written as a trailing EMIT clause, if any. */
typedef struct wr_sql_extras {
    bool    emit_given;
    wr_emit emit;
} wr_sql_extras;

/*
 * Parse and bind one SELECT (or WITH, VALUES, TABLE).  The plan lives in arena.
 * Borrows: text, catalog (must outlive the plan).  Errors: 2xxx, WEIR_MEMORY.
 */
weir_status wr_sql_bind(const char *text, size_t length, const wr_catalog *catalog,
                        const wr_plan_options *options, wr_arena *arena, wr_plan **plan,
                        wr_sql_extras *extras, weir_error *err);
/* The same in two steps, where the names it reads have to be known before: a statement parsed, in arena. */
typedef struct wr_sql_statement wr_sql_statement;
weir_status wr_sql_statement_parse(const char *text, size_t length, wr_arena *arena,
                                   wr_sql_statement **statement, weir_error *err);
/* The same of a stranger's text: parser parses it elsewhere, and its answers are checked (sql/message.c, sql/shape.c).
 * Errors: also WEIR_READ, and whatever parser says. */
weir_status wr_sql_statement_parse_foreign(const char *text, size_t length,
                                           const weir_parser *parser, wr_arena *arena,
                                           wr_sql_statement **statement, weir_error *err);
/* weir_parse. */
weir_status wr_sql_answer(weir_parse_step step, const char *text, size_t length,
                          weir_parse_give *give, void *to);
/* As wr_sql_relations. */
weir_status wr_sql_statement_relations(const wr_sql_statement *statement, const char ***names,
                                       uint32_t *count, weir_error *err);
/* As wr_sql_bind. */
weir_status wr_sql_statement_bind(const wr_sql_statement *statement, const wr_catalog *catalog,
                                  const wr_plan_options *options, wr_plan **plan,
                                  wr_sql_extras *extras, weir_error *err);
/*
 * Call run(user) on a thread whose stack is large enough to parse on.  Each statement that is parsed elsewhere gets
 * a thread of its own.  Without memory for a thread: runs where it is.
 */
void wr_sql_with_stack(void (*run)(void *user), void *user);
/* A scalar expression over one relation's columns: watermark: and key: options. */
weir_status wr_sql_bind_expr(const char *text, size_t length, const wr_schema *schema,
                             wr_arena *arena, wr_expr **expr, weir_error *err);
/* "a bigint NOT NULL, b text OPTIONS (path '$.x')" -> schema (names, types, not_null, path). */
weir_status wr_sql_parse_columns(const char *text, size_t length, wr_arena *arena,
                                 wr_schema **schema, weir_error *err);
/* Names of the relations a statement reads, without binding it: for ordering views.  extras may be NULL. */
weir_status wr_sql_relations(const char *text, size_t length, wr_arena *arena, const char ***names,
                             uint32_t *count, wr_sql_extras *extras, weir_error *err);
/* Fill err->line and err->column (in characters) from err->offset. */
void wr_error_line_column(weir_error *err, const char *text, size_t length);
