/* SPDX-License-Identifier: Apache-2.0 */
/* state/column_same.h -- are two values the same to the last digit? */
#pragma once

#include "data/column.h"

/*
 * Row i of a and row j of b, of the same type: both NULL, or the same bits.  Values that are
 * equal but look different (1.0 and 1.00, two spellings of a json) are not the same.
 */
bool wr_column_same(const wr_column *a, uint32_t i, const wr_column *b, uint32_t j);
