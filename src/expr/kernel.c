/* SPDX-License-Identifier: Apache-2.0 */
/* expr/kernel.c -- arguments, results and failures of vector kernels (see kernel_impl.h). */
#include "expr/kernel_impl.h"

weir_status
wr_kernel_open(wr_eval *eval, wr_column *const *args, uint32_t arg_count, uint32_t physical,
               wr_kernel *kernel)
{
    wr_assert(arg_count <= 2);
    memset(kernel, 0, sizeof *kernel);
    for (uint32_t i = 0; i < arg_count; i++) {
        wr_column *c = args[i];
        c = c->layout == WR_DICTIONARY ? wr_column_flatten(eval->budget, c, physical)
                                       : wr_column_retain(c);
        if (c == NULL) {
            wr_kernel_close(kernel);
            return WEIR_MEMORY;
        }
        kernel->args[i] = c;
        kernel->constant[i] = c->layout == WR_CONSTANT;
        kernel->arg_count++;
    }
    return WEIR_OK;
}

void
wr_kernel_close(wr_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->arg_count; i++)
        wr_column_release(kernel->args[i]);
    kernel->arg_count = 0;
}

wr_column *
wr_kernel_result(wr_eval *eval, const wr_kernel *kernel, wr_type type, wr_decimal_form form,
                 int scale, uint32_t physical)
{
    uint32_t   capacity = WR_MAX(physical, 1u);
    wr_column *c = type.id == WR_NUMERIC
                       ? wr_column_create_decimal(eval->budget, type, form, scale, capacity)
                       : wr_column_create(eval->budget, type, capacity);
    for (uint32_t i = 0; c != NULL && i < kernel->arg_count; i++) {
        const uint64_t *valid = kernel->args[i]->valid;
        if (valid == NULL || kernel->constant[i])
            continue;
        if (wr_column_need_valid(c) != WEIR_OK) {
            wr_column_release(c);
            return NULL;
        }
        for (uint32_t w = 0; w < (physical + 63) / 64; w++)
            c->valid[w] &= valid[w];
    }
    return c;
}

void
wr_kernel_zero_nulls(wr_column *column, uint32_t physical)
{
    if (column->valid == NULL)
        return;
    size_t width = wr_column_width(column);
    for (uint32_t w = 0; w < (physical + 63) / 64; w++) {
        uint64_t nulls = ~column->valid[w];
        if (w == physical / 64)
            nulls &= (1ull << (physical % 64)) - 1;
        for (; nulls != 0; nulls &= nulls - 1) {
            size_t row = w * 64 + (uint32_t) __builtin_ctzll(nulls);
            memset((char *) column->data + row * width, 0, width);
        }
    }
}

weir_status
wr_kernel_locate(wr_eval *eval, const wr_expr *call, const wr_kernel *kernel, wr_rows rows,
                 wr_column *out)
{
    wr_value args[2];
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        if (!wr_kernel_has_value(out, row))
            continue;
        for (uint32_t a = 0; a < kernel->arg_count; a++)
            WR_TRY(wr_column_get_value(kernel->args[a], row, &eval->step, &args[a]));
        wr_value    result = { .type = call->type };
        weir_status status = call->function->scalar(eval, row, args, kernel->arg_count, &result);
        if (status == WEIR_OK)
            continue;
        if (!wr_status_is_row(status))
            return status;
        WR_TRY(wr_column_set_null(out, row));
    }
    return WEIR_OK;
}

weir_status
wr_kernel_end(wr_kernel *kernel, weir_status status, wr_column *c, uint32_t physical,
              wr_column **out)
{
    wr_kernel_close(kernel);
    if (status != WEIR_OK) {
        wr_column_release(c);
        return status;
    }
    wr_kernel_zero_nulls(c, physical);
    *out = c;
    return WEIR_OK;
}
