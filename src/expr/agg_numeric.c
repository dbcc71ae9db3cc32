/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_numeric.c -- sum and avg of numeric, exact and with PostgreSQL's digits.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       wr_numsum: 48 bytes a group, more in the arena only for unusual columns.
 * Invariants  G1..G4 of aggregate.h; S1..S3 of agg_sum.c
 */
#include "expr/agg_impl.h"

/* Columns of 64-bit decimals are most: their loop knows its scale. */
static void
numeric_step(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
             wr_rows rows, int sign)
{
    const wr_column *base = wr_column_base(args[0]);
    int              scale = base->scale;
    if (base->form == WR_DEC64)
        AGG_LOOP(wr_numsum, int64_t, wr_numsum_add(ctx, s, v, scale, sign));
    else
        for (uint32_t i = 0; i < rows.count; i++)
            wr_numsum_add_row(ctx, (wr_numsum *) (void *) (states[i] + offset), args[0],
                              fn_row(rows, i), sign);
}

AGG_UPDATE(numeric_update)
{
    numeric_step(ctx, states, offset, args, rows, 1);
}

AGG_UPDATE(numeric_retract)
{
    numeric_step(ctx, states, offset, args, rows, -1);
}

AGG_MERGE(numeric_merge)
{
    wr_numsum_merge(ctx, into, from, 1);
}

AGG_MERGE(numeric_unmerge)
{
    wr_numsum_merge(ctx, into, from, -1);
}

AGG_RESULT(numeric_sum_result)
{
    const wr_numsum *s = state;
    wr_string        num;
    if (s->count == 0)
        return wr_column_set_null(out, row);
    if (s->rare == NULL)
        return wr_agg_put_int128(out, row, wide_get(&s->sum), s->scale, step);
    WR_TRY(wr_numsum_total(s, step, &num));
    return wr_agg_put_num(out, row, &num);
}

AGG_RESULT(numeric_avg_result)
{
    const wr_numsum *s = state;
    wr_string        sum, mean;
    if (s->count == 0)
        return wr_column_set_null(out, row);
    WR_TRY(wr_numsum_total(s, step, &sum));
    WR_TRY(wr_num_divide_int(&sum, s->count, step, &mean));
    return wr_agg_put_num(out, row, &mean);
}

AGG_ENCODE(numeric_encode)
{
    wr_numsum_encode(state, to);
}

AGG_DECODE(numeric_decode)
{
    return wr_numsum_decode(ctx, state, from);
}

#define NUMERIC(NAME, RESULT_AT, DOC)                                                              \
    { .name = NAME, .arg_count = 1, .args = { T_NUMERIC }, .result = T_NUMERIC,                    \
      .state_bytes = sizeof(wr_numsum), .nested = true, .ignores_null = true,                      \
      .update = numeric_update, .retract = numeric_retract, .merge = numeric_merge,                \
      .unmerge = numeric_unmerge, .result_at = RESULT_AT, .encode = numeric_encode,                \
      .decode = numeric_decode, .doc = DOC }

const wr_aggregate wr_agg_numeric[] = {
    NUMERIC("sum", numeric_sum_result, "sum"),
    NUMERIC("avg", numeric_avg_result, "mean"),
    { .name = NULL },
};
