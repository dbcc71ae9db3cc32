/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/normalise.h -- rows that replace each other by key, as a bag of rows that come and go.
 *
 * Input: a row replaces the one with its key; a row with diff -1 deletes it (only its key counts).
 * Output: the first column_count columns of the input, with diffs.  An exchange to this operator
 * hashes the key's columns, in order.
 */
#pragma once

#include "operator/operator.h"

typedef struct wr_normalise_config {
    uint32_t         key_count;
    const uint32_t  *key;          /* columns of the input                                 */
    uint32_t         column_count; /* of the output                                        */
    const wr_schema *input;
    const uint64_t  *needed;       /* bit a column: what is kept and given out; NULL: all.
                                    * The others are NULL.  Read at open                   */
    bool             holds;        /* the input ends: give out what stands then, as new rows */
} wr_normalise_config;

extern const wr_operator_ops wr_normalise_ops;
