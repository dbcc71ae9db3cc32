/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/expr.h -- bound, typed expressions and their evaluation over batches.
 *
 * Place       the binder (sql/) makes trees in a statement arena; rules (plan/) rewrite them by copying;
 *             operators evaluate them.  A tree is const while it runs.
 * State       none in the tree.  wr_eval holds an operator's scratch: a step arena, row errors.
 * Invariants  X1  only rows of the given selection are computed; others hold zero or anything
 *             X2  three-valued logic: AND, OR, NOT, comparison with NULL as PostgreSQL
 *             X3  a row that fails (overflow, division by zero, bad cast) is marked in the eval's
 *                 error bitmap with its first error, its value is NULL, and the other rows go on
 *             X4  CASE, COALESCE, AND, OR evaluate an argument only for rows that need it, so
 *                 CASE WHEN x <> 0 THEN 1/x END never fails
 *             X5  a batch of one row and a batch of 4,096 give the same values
 */
#pragma once

#include "base/random.h"
#include "data/batch.h"

typedef struct wr_function wr_function; /* expr/function.h */

typedef enum wr_expr_kind {
    WR_EXPR_CONSTANT, /* value                                                             */
    WR_EXPR_COLUMN,   /* column of the input batch                                         */
    WR_EXPR_PARAM,    /* $n: replaced by a constant before running                         */
    WR_EXPR_CALL,     /* function(args), operators and casts too                           */
    WR_EXPR_AND,      /* 2..n args                                                         */
    WR_EXPR_OR,
    WR_EXPR_NOT,
    WR_EXPR_IS_NULL,
    WR_EXPR_IS_NOT_NULL,
    WR_EXPR_IS_TRUE,     /* IS TRUE / FALSE / UNKNOWN and their NOTs                       */
    WR_EXPR_IS_NOT_TRUE,
    WR_EXPR_IS_FALSE,
    WR_EXPR_IS_NOT_FALSE,
    WR_EXPR_CASE,     /* args: when1, then1, when2, then2, ..., else (always present)      */
    WR_EXPR_COALESCE,
    WR_EXPR_DISTINCT, /* a IS DISTINCT FROM b; function is the type's equality             */
    WR_EXPR_ANY,      /* a op ANY (array): args a, array; function is op                   */
    WR_EXPR_ALL,
    WR_EXPR_IN,       /* a IN (constants...): args a, c1, c2, ...; function is equality    */
} wr_expr_kind;

typedef struct wr_expr {
    wr_expr_kind          kind;
    wr_type               type;
    int32_t               location; /* byte offset in the statement; -1 none */
    uint32_t              arg_count;
    struct wr_expr      **args;
    const wr_function    *function;
    uint32_t              column;   /* COLUMN; PARAM: number from 1 */
    wr_value              constant;
} wr_expr;

/* Makers.  All return NULL when the arena is out of memory. */
wr_expr *wr_expr_constant(wr_arena *arena, const wr_value *value); /* copies the value */
wr_expr *wr_expr_column(wr_arena *arena, uint32_t column, wr_type type);
wr_expr *wr_expr_call(wr_arena *arena, const wr_function *function, wr_type type, wr_expr **args,
                      uint32_t arg_count);
wr_expr *wr_expr_make(wr_arena *arena, wr_expr_kind kind, wr_type type, wr_expr **args,
                      uint32_t arg_count);
wr_expr *wr_expr_copy(wr_arena *arena, const wr_expr *expr);
/* Copy with every COLUMN c replaced by map[c] (a column number). */
wr_expr *wr_expr_remap(wr_arena *arena, const wr_expr *expr, const uint32_t *map);
/* Copy with every COLUMN c replaced by a copy of with[c] (an expression). */
wr_expr *wr_expr_substitute(wr_arena *arena, const wr_expr *expr, wr_expr *const *with);
bool     wr_expr_equal(const wr_expr *a, const wr_expr *b);
/* Canonical bytes: equal exactly for equal expressions (constants kept). */
void     wr_expr_hash_text(const wr_expr *expr, wr_text *to);
/* Sets bits of the columns read. bitmap has room for column_count bits. */
void     wr_expr_columns(const wr_expr *expr, uint64_t *bitmap);
bool     wr_expr_is_constant(const wr_expr *expr); /* no column, no volatile function */
bool     wr_expr_can_fail(const wr_expr *expr);    /* may raise a row error           */
/* As SQL, for EXPLAIN; names[c] are the columns' names (NULL: #c). */
void     wr_expr_print(const wr_expr *expr, const char *const *names, wr_text *to);

/* Which rows: `count` physical rows listed in rows (ascending), or the first count when rows is NULL. */
typedef struct wr_rows {
    const uint16_t *rows;
    uint32_t        count;
} wr_rows;
static inline wr_rows
wr_batch_rows(const wr_batch *b)
{
    return (wr_rows){ b->selection, b->row_count };
}

typedef struct wr_row_error {
    uint16_t         row; /* physical */
    weir_status_code code;
    int32_t          location;
    const char      *text; /* in the step arena */
} wr_row_error;

typedef struct wr_eval {
    wr_budget    *budget;    /* columns made are charged here (flow)                */
    wr_arena      step;      /* scratch and the bytes of row-wise results; reset by wr_eval_reset */
    wr_time       now;       /* now(), fixed for a batch; from the injected clock   */
    wr_random     random;    /* random(); seeded                                    */
    uint32_t      error_count, error_told; /* told: counted and sent on by an operator       */
    wr_row_error *errors;    /* one a row at most, in order of discovery            */
    uint64_t     *error_bits; /* a bit a physical row; NULL while no row failed      */
    int32_t       location;  /* of the call under evaluation, for errors            */
    struct wr_patterns *patterns; /* compiled regular expressions, made when needed */
    size_t       *fuel;      /* what calls may still cost (wr_expr_fold_limit); NULL: anything */
} wr_eval;

void wr_eval_init(wr_eval *eval, wr_budget *budget);
void wr_eval_fini(wr_eval *eval);
/* Forget scratch and errors: once a batch, after its rows have left. */
void wr_eval_reset(wr_eval *eval);
/* Mark a row failed (first error wins) and return code.  text is copied. */
weir_status_code wr_eval_fail(wr_eval *eval, uint32_t row, weir_status code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static inline bool
wr_eval_row_failed(const wr_eval *eval, uint32_t row)
{
    return eval->error_count != 0 && wr_bitmap_get(eval->error_bits, row);
}

/*
 * Evaluate over rows of in.  *out (owned; caller releases) has in->physical_count rows of which only
 * `rows` are defined, or is CONSTANT.  A COLUMN is the input's column retained.
 * Returns WEIR_OK even when rows failed (look at eval->error_count); else WEIR_MEMORY.
 */
weir_status wr_expr_eval(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                         wr_column **out);
/* Rows for which a boolean expression is true, into selected (room for rows.count); *count of them.
 * Rows that failed are not among them. */
weir_status wr_expr_filter(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                           uint16_t *selected, uint32_t *count);
/* A constant expression's value, copied into arena; row errors become err. */
weir_status wr_expr_fold(const wr_expr *expr, wr_time now, wr_arena *arena, wr_value *out,
                         weir_error *err);
/*
 * From here on wr_expr_fold on this thread takes from *fuel: 16 for a call, and the bytes of what it makes where they are many.  At 0 it
 * computes nothing more (WEIR_QUERY_TOO_COMPLEX): a stranger's statement must not keep its planner busy.  NULL: no limit.
 */
void wr_expr_fold_limit(size_t *fuel);
