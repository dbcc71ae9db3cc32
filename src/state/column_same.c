/* SPDX-License-Identifier: Apache-2.0 */
/* state/column_same.c -- values compared to the last digit (see column_same.h). */
#include "state/column_same.h"

#include <string.h>

/* Decimals of different forms, when their scales agree. */
static bool
decimals_same(const wr_column *a, uint32_t i, const wr_column *b, uint32_t j)
{
    if (a->form != WR_NUM && b->form != WR_NUM)
        return a->scale == b->scale && wr_column_get_decimal(a, i) == wr_column_get_decimal(b, j);
    const wr_column *num = a->form == WR_NUM ? a : b, *decimal = a->form == WR_NUM ? b : a;
    uint32_t         n = a->form == WR_NUM ? i : j, d = a->form == WR_NUM ? j : i;
    const wr_string *value = (const wr_string *) num->data + n;
    wr_int128        scaled;
    return wr_num_display_scale(value) == decimal->scale &&
           wr_num_to_int128(value, decimal->scale, &scaled) &&
           scaled == wr_column_get_decimal(decimal, d);
}

bool
wr_column_same(const wr_column *a, uint32_t i, const wr_column *b, uint32_t j)
{
    bool null = wr_column_is_null(a, i);
    if (null != wr_column_is_null(b, j))
        return false;
    if (null)
        return true;
    i = wr_column_index(a, i);
    j = wr_column_index(b, j);
    a = wr_column_base(a);
    b = wr_column_base(b);
    if (a->type.id == WR_NUMERIC && (a->form != b->form || a->scale != b->scale))
        return decimals_same(a, i, b, j);
    bool views = a->type.id == WR_NUMERIC ? a->form == WR_NUM : wr_type_is_string(a->type);
    if (views)
        return wr_string_equal((const wr_string *) a->data + i, (const wr_string *) b->data + j);
    size_t width = wr_column_width(a);
    return memcmp((const char *)a->data + i * width, (const char *)b->data + j * width, width) == 0;
}
