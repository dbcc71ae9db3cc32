/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/aggregate.c -- every aggregate by name.
 *
 * Place       the binder resolves calls here; docs and tests walk the tables.
 * State       none: constant tables.
 */
#include "expr/registry_impl.h"

#include <string.h>

static const wr_aggregate *const tables[] = {
    wr_agg_basic, wr_agg_numeric, wr_agg_minmax, wr_agg_stat,
    wr_agg_regr,  wr_agg_more,    wr_agg_list,   wr_agg_json, wr_agg_approx,
    wr_agg_ordered, wr_agg_sketch, wr_agg_top,
};

void
wr_aggregate_each(wr_aggregate_visit visit, void *user)
{
    for (size_t t = 0; t < WR_COUNT(tables); t++)
        for (const wr_aggregate *a = tables[t]; a->name != NULL; a++)
            visit(a, user);
}

bool
wr_aggregate_exists(const char *name)
{
    for (size_t t = 0; t < WR_COUNT(tables); t++)
        for (const wr_aggregate *a = tables[t]; a->name != NULL; a++)
            if (strcmp(a->name, name) == 0)
                return true;
    return false;
}

weir_status
wr_aggregate_resolve(const char *name, const wr_type *args, uint32_t arg_count,
                     const wr_aggregate **aggregate, wr_type *arg_types, wr_type *result,
                     weir_error *err)
{
    wr_signature        candidates[WR_CANDIDATES_MAX];
    const wr_signature *chosen = NULL;
    uint32_t            count = 0;
    weir_status         status = WEIR_OK;
    for (size_t t = 0; t < WR_COUNT(tables); t++)
        for (const wr_aggregate *a = tables[t]; a->name != NULL; a++) {
            if (strcmp(a->name, name) != 0)
                continue;
            wr_assert(count < WR_CANDIDATES_MAX);
            candidates[count++] = (wr_signature){
                .entry = a, .args = a->args, .arg_count = a->arg_count, .result = a->result,
                .result_of = a->result_of,
            };
        }
    if (arg_count <= WR_CALL_ARGS_MAX)
        status = wr_signature_resolve(candidates, count, false, args, arg_count, &chosen,
                                      arg_types, result);
    if (status == WEIR_OK && chosen != NULL) {
        *aggregate = chosen->entry;
        return WEIR_OK;
    }
    wr_text call;
    wr_text_init(&call, NULL);
    wr_call_print(name, args, WR_MIN(arg_count, (uint32_t) WR_CALL_ARGS_MAX), &call);
    if (status == WEIR_QUERY_AMBIGUOUS)
        status = wr_error_set(err, WEIR_QUERY_AMBIGUOUS, "function is not unique: %s",
                              wr_text_string(&call));
    else
        status = wr_error_set(err, WEIR_QUERY_NO_FUNCTION, "function %s does not exist",
                              wr_text_string(&call));
    if (count > 0)
        wr_error_hint(err, "no aggregate of that name takes these argument types: add explicit casts");
    wr_text_fini(&call);
    return status;
}
