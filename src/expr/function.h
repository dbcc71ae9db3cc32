/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/function.h -- the registry of scalar functions, operators and casts; one row each.
 *
 * Everything else is derived from a row: resolution, evaluation, docs.  An operator is a function
 * whose name is its symbol ("+", "->>", "~~"); a cast is a function in the cast table.
 *
 * Adding one: a kernel in expr/fn_<topic>.c, a row in that file's table, a test.
 */
#pragma once

#include "expr/expr.h"

enum { WR_FUNCTION_ARGS_MAX = 8 };

/* Pseudo types for signatures. */
enum {
    WR_ANY = 100,        /* any type                                                        */
    WR_ANYELEMENT = 101, /* one type throughout the signature                               */
    WR_ANYARRAY = 102,   /* array of that type                                              */
    WR_ANYNONARRAY = 103, /* any type but an array                                          */
};

typedef enum wr_volatility { WR_IMMUTABLE, WR_STABLE, WR_VOLATILE } wr_volatility;

/*
 * Row kernel: args are boxed, none is NULL unless the function is `called_on_null`.  The result's
 * bytes may lie in eval->step or be constants or borrow from args.  Return WEIR_OK, or `return
 * wr_eval_fail(eval, row, WEIR_ROW_..., ...)`.
 * out->type is set by the caller (the call's type) and out->is_null is false on entry.
 */
typedef weir_status (*wr_scalar_fn)(wr_eval *eval, uint32_t row, const wr_value *args,
                                    uint32_t arg_count, wr_value *out);
/*
 * Vector kernel, optional: computes all `rows` at once.  Arguments are columns of any layout with
 * `physical` rows.  Returns WEIR_QUERY_UNSUPPORTED (before touching anything) to decline this
 * combination of layouts and forms: the row kernel is used instead.
 */
typedef weir_status (*wr_vector_fn)(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                                    uint32_t arg_count, uint32_t physical, wr_rows rows,
                                    wr_column **out);
/* The result type when it depends on the arguments' modifiers; NULL: `result` as it stands. */
typedef wr_type (*wr_result_fn)(const wr_type *args, uint32_t arg_count);

struct wr_function {
    const char   *name;
    uint8_t       arg_count;      /* declared args; the last repeats when variadic          */
    bool          variadic;
    bool          called_on_null; /* else NULL in gives NULL out                            */
    bool          can_fail;
    wr_volatility volatility;
    wr_type       args[WR_FUNCTION_ARGS_MAX];
    wr_type       result;
    wr_result_fn  result_of;
    wr_scalar_fn  scalar;
    wr_vector_fn  vector;
    const char   *topic, *doc;    /* "text", "upper case of the string"                     */
    uint32_t      optional;       /* how many trailing args may be left out                 */
};

/*
 * PostgreSQL's resolution: exact match, then implicit casts with preferred types, unknown literals
 * taking the other side's type.  On success *function and arg_types (the types each argument must be
 * cast to).  Errors: WEIR_QUERY_NO_FUNCTION (hint: nearest name or cast), WEIR_QUERY_AMBIGUOUS.
 */
weir_status wr_function_resolve(const char *name, const wr_type *args, uint32_t arg_count,
                                const wr_function **function, wr_type *arg_types, wr_type *result,
                                weir_error *err);
/* Does any function of the name exist? */
bool wr_function_exists(const char *name);
/* The function or aggregate that was most likely meant: a name little different, or what other databases call it so;
 * NULL: none. */
const char *wr_function_nearest(const char *name);
/* Is it one that the binder alone names: the part of another spelling? */
bool wr_function_is_internal(const char *name);

typedef enum wr_cast_context { WR_CAST_IMPLICIT, WR_CAST_ASSIGNMENT, WR_CAST_EXPLICIT } wr_cast_context;
/* NULL: there is no such cast in this context.  It converts to the bare type; what stands in parentheses is a
 * second cast, from the type to itself with the modifier (rounding, length).  wr_expr_cast does both. */
const wr_function *wr_cast_find(wr_type from, wr_type to, wr_cast_context context);
/* expr cast to type (a constant is folded, an untyped literal parsed); the same expr when nothing is to do. */
weir_status wr_expr_cast(wr_arena *arena, wr_expr *expr, wr_type to, wr_cast_context context,
                         wr_expr **out, weir_error *err);
/* The common type of UNION, CASE, COALESCE, IN, VALUES branches; QUERY_TYPE when there is none. */
weir_status wr_type_common(const wr_type *types, uint32_t count, const char *what, wr_type *out,
                           weir_error *err);

/* For the docs and tests: all rows, by topic. */
typedef void (*wr_function_visit)(const wr_function *function, void *user);
void wr_function_each(wr_function_visit visit, void *user);
