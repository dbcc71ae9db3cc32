/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over_calc_impl.h -- window functions over rows of a bag, for operators that keep bags.
 *
 *     begin  { row }*  run  { result }*  end
 */
#pragma once

#include "operator/over_impl.h"
#include "state/row_bag.h"

typedef struct over_calc {
    over_state over; /* its rows are those put in */
    const wr_over_config *config;
    wr_ctx *ctx;
    wr_batch_builder rows;
    wr_value *values;
    uint32_t count;
} over_calc;

weir_status wr_over_calc_open(over_calc *c, wr_ctx *ctx, const wr_over_config *config);
void wr_over_calc_close(over_calc *c);
void wr_over_calc_begin(over_calc *c);
/* `copies` rows with the contents of row, behind those put in before. */
weir_status wr_over_calc_row(over_calc *c, const wr_bag_row *row, int64_t copies);
/* Answer them all.  What fails is in the context when it is not for memory. */
weir_status wr_over_calc_run(over_calc *c);
/* Append the results of the i-th row put in, as contents (data/row_code.h). */
weir_status wr_over_calc_result(const over_calc *c, uint32_t i, wr_text *to);
void wr_over_calc_end(over_calc *c);
/* Of in's rows, those whose arguments cannot be computed leave the list: counted, sampled. */
wr_flow wr_over_drop_bad(const wr_over_config *config, wr_ctx *ctx, const wr_batch *in,
                         uint16_t *rows, uint32_t *count);
