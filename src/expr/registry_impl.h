/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/registry_impl.h -- the tables that registry.c joins, and the resolution that functions and
 * aggregates share.
 *
 * Place       included by expr/ alone.  Each table ends with a row whose name is NULL.
 */
#pragma once

#include "expr/aggregate.h"
#include "expr/function.h"

/* --- tables of functions --- */

extern const wr_function wr_fn_arith[];    /* kernel_arith.c, arith_*.c: + - * / % and friends */
extern const wr_function wr_fn_compare[];  /* compare.c: = <> < <= > >= on every type          */
/* The library, one table a file expr/fn_<name>.c. */
extern const wr_function wr_fn_text[], wr_fn_text_case[], wr_fn_text_make[], wr_fn_text_concat[];
extern const wr_function wr_fn_text_format[], wr_fn_bytea[], wr_fn_like[], wr_fn_regex[];
extern const wr_function wr_fn_regex_take[], wr_fn_regex_replace[];
extern const wr_function wr_fn_numeric[], wr_fn_float[], wr_fn_bits[];
extern const wr_function wr_fn_number_format[], wr_fn_number_scan[];
extern const wr_function wr_fn_datetime[], wr_fn_datetime_make[], wr_fn_datetime_trunc[];
extern const wr_function wr_fn_extract[];
extern const wr_function wr_fn_datetime_format[], wr_fn_datetime_moment[];
extern const wr_function wr_fn_json[], wr_fn_json_edit[], wr_fn_json_build[], wr_fn_json_query[];
extern const wr_function wr_fn_json_set[], wr_fn_json_part[], wr_fn_json_row[];
extern const wr_function wr_fn_array_part[], wr_fn_json_subscript[];
extern const wr_function wr_fn_array[], wr_fn_array_edit[], wr_fn_misc[];

/* --- tables of aggregates --- */

extern const wr_aggregate wr_agg_basic[];   /* count, sum, avg, bool_and, bool_or, every */
extern const wr_aggregate wr_agg_numeric[]; /* sum, avg of numeric                       */
extern const wr_aggregate wr_agg_minmax[];
extern const wr_aggregate wr_agg_stat[];    /* variance, stddev                          */
extern const wr_aggregate wr_agg_regr[];    /* corr, covar_*, regr_*                     */
extern const wr_aggregate wr_agg_more[];    /* bit_*, first, last, min_by, max_by       */
extern const wr_aggregate wr_agg_list[];    /* string_agg, array_agg                    */
extern const wr_aggregate wr_agg_json[];    /* json_agg, jsonb_object_agg, ...          */
extern const wr_aggregate wr_agg_approx[];  /* approx_count_distinct                    */
extern const wr_aggregate wr_agg_ordered[]; /* percentile_cont, percentile_disc, mode, median */
extern const wr_aggregate wr_agg_sketch[];  /* approx_percentile                        */
extern const wr_aggregate wr_agg_top[];     /* top_k, histogram, min_k, max_k           */

/* --- resolution (resolve.c) --- */

typedef struct wr_signature {
    const void    *entry; /* the function or aggregate */
    const wr_type *args;
    uint32_t       arg_count, optional;
    bool           variadic;
    wr_type        result;
    wr_type      (*result_of)(const wr_type *args, uint32_t arg_count);
} wr_signature;

enum { WR_CANDIDATES_MAX = 192, WR_CALL_ARGS_MAX = 100 };

/*
 * PostgreSQL's choice among candidates of one name.  *chosen is NULL when none fits; more than one
 * fits equally well is WEIR_QUERY_AMBIGUOUS (err is not filled).  arg_types has room for arg_count.
 */
weir_status wr_signature_resolve(const wr_signature *candidates, uint32_t count, bool is_operator,
                                 const wr_type *args, uint32_t arg_count,
                                 const wr_signature **chosen, wr_type *arg_types, wr_type *result);
/* May a value of `from` stand where `to` is wanted? Same types, unknown literals, or a cast. */
bool wr_type_coercible(wr_type from, wr_type to, wr_cast_context context);
/* PostgreSQL's type category: 'B' 'N' 'S' 'D' 'T' 'A' 'U', 'X' for unknown. */
char wr_type_category(wr_type type);
bool wr_type_preferred(wr_type type);

/* --- casts (cast.c) --- */

/* All rows of the cast table, for docs and tests. */
void wr_cast_each(wr_function_visit visit, void *user);
/* PostgreSQL's name of an operation in an error: "integer + text" or "lower(integer)". Appends. */
void wr_call_print(const char *name, const wr_type *args, uint32_t arg_count, wr_text *to);

static inline bool
wr_name_is_operator(const char *name)
{
    char c = name[0];
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0);
}
