/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/tree_impl.h -- tokens and the parse tree, as sql/parse.c gives them to the rest of the
 * folder.
 *
 * Place       sql/parse.c alone calls libpg_query; this header brings in the tree's generated
 * types. Invariants  T1  every location in a token or tree is a byte offset into the text given T2
 * tokens and trees live in the arena and need no free
 */
#pragma once

#include "sql/sql.h"

#include <pg_query/pg_query.pb-c.h>

typedef PgQuery__Node tree_node;
typedef PgQuery__SelectStmt tree_select;

enum { WR_SQL_BYTES_MAX = 64 * 1024 };

typedef struct wr_sql_token {
    int32_t start, end; /* bytes [start, end)                     */
    int32_t kind;       /* PgQuery__Token                         */
    int32_t keyword;    /* PgQuery__KeywordKind; 0: not a keyword */
} wr_sql_token;

/* text is NUL-terminated.  parser: who parses in this process's place; NULL: nobody.  Errors: QUERY_SYNTAX with the
 * place; with a parser, READ and its own. */
weir_status wr_sql_tokenize(const char *text, const weir_parser *parser, wr_arena *arena,
                            wr_sql_token **tokens, uint32_t *count, weir_error *err);
/* Parse on a 16 MB stack: a thread's own, unless the caller runs on one (wr_sql_with_stack).  Errors: QUERY_SYNTAX with the
 * place, MEMORY; with a parser, QUERY_TOO_COMPLEX, QUERY_UNSUPPORTED (no part of a SELECT), READ and its own. */
weir_status wr_sql_tree_parse(const char *text, const weir_parser *parser, wr_arena *arena,
                              PgQuery__ParseResult **tree, weir_error *err);
/* Is it UTF-8 without NUL?  (scan.c) */
bool wr_sql_is_text(const char *bytes, size_t length);

/* What may be in bytes that are to be unpacked as a message (sql/message.c). */
typedef struct wr_sql_message_limits {
    uint32_t depth_max;   /* messages within messages                              */
    size_t memory_max;    /* bytes that unpacking takes                            */
    int32_t location_max; /* of fields that are places in the text: -1 to this     */
} wr_sql_message_limits;
enum {
    WR_SQL_TREE_DEPTH_MAX = 500, /* of a stranger's statement: expressions, selects and lists within each other */
    WR_SQL_TREE_MEMORY_MAX = 64 << 20,
};
/* Can they be unpacked, and are they what the descriptor says and no more?  Errors: READ, QUERY_TOO_COMPLEX. */
weir_status wr_sql_message_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                                 size_t length, const wr_sql_message_limits *limits,
                                 weir_error *err);
/* Is the tree one that the grammar of SELECT makes, as far as the binder relies on it (sql/shape.c)?  Errors: READ,
 * QUERY_UNSUPPORTED (other statements, parts no query here has). */
weir_status wr_sql_tree_check(const PgQuery__ParseResult *tree, weir_error *err);
/* Take `shift(offset)` from every location of the tree: what wr_sql_scan inserted. */
typedef int32_t (*wr_sql_shift)(int32_t offset, const void *user);
void wr_sql_tree_shift(ProtobufCMessage *tree, wr_sql_shift shift, const void *user);

/* What the token pass made of a statement. */
typedef struct wr_sql_insert {
    int32_t at, length; /* in the rewritten text: `length` bytes stand at `at` that the user did not
                           write */
} wr_sql_insert;
typedef struct wr_sql_scan {
    const char *original;
    size_t original_length;
    char *text; /* to be parsed; NUL-terminated                             */
    size_t length;
    wr_sql_token *tokens; /* of the original text, comments left out                  */
    uint32_t token_count;
    wr_sql_insert *inserts; /* aliases put after sub-selects that have none             */
    uint32_t insert_count;
    bool emit_given; /* a trailing EMIT clause was blanked out                   */
    bool emit_final;
} wr_sql_scan;

/*
 * The token pass (sql/scan.c): caps, traps, streaming spellings.  statement: look for traps and
 * EMIT (else text is an expression or a column list, and only caps and single-token traps apply).
 * Errors: QUERY_TOO_COMPLEX, QUERY_TRAP, QUERY_SYNTAX, MEMORY; each with the place and mostly a
 * hint.
 */
weir_status wr_sql_scan_text(const char *text, size_t length, bool statement,
                             const weir_parser *parser, wr_arena *arena, wr_sql_scan *scan,
                             weir_error *err);
/* Offset in the rewritten text -> offset in the original. */
int32_t wr_sql_scan_origin(const wr_sql_scan *scan, int32_t offset);
/* After a syntax error: add the hint for the dialect habit that caused it, if one is known
 * (sql/hints.c). */
void wr_sql_hint(const wr_sql_scan *scan, weir_error *err);
/* A statement parsed: what it is bound from. */
struct wr_sql_statement {
    wr_arena *arena;
    wr_sql_scan scan;
    PgQuery__ParseResult *tree;
};

wr_sql_extras wr_sql_statement_extras(const wr_sql_statement *statement);

/* scan, parse, shift locations back: the tree of one text.  prefix/suffix wrap the text before
 * parsing
 * ("SELECT " for expressions); locations are still those of text. */
weir_status
wr_sql_tree(const char *prefix, const char *text, size_t length, const char *suffix, bool statement,
            const weir_parser *parser, wr_arena *arena, wr_sql_scan *scan,
            PgQuery__ParseResult **tree, weir_error *err);
