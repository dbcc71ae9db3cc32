/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/test_impl.h -- what the two halves of `weir test` share: the run (test.c) and the rows (test_rows.c).
 */
#pragma once

#include "engine/engine_impl.h"

/* A bag of rows of one view: canonical text to count, in order of arrival too. */
typedef struct wr_test_row {
    const char *text; /* the compared columns, printed as JSON members */
    int64_t diff;
    bool matched;
} wr_test_row;

typedef struct wr_test_rows {
    wr_test_row *rows;
    uint32_t count, capacity;
    uint32_t checked; /* how many the ledger has */
} wr_test_rows;

/* What a view has given out and not taken back: text of a row -> how often. */
typedef struct wr_test_ledger {
    wr_test_row *slots; /* open addressing; text NULL: free */
    uint32_t capacity, count;
} wr_test_ledger;

/* Count a change in; the texts stay borrowed. */
weir_status wr_test_ledger_add(wr_test_ledger *ledger, wr_arena *arena, const char *text,
                               int64_t diff);
/* Add the rows that came since, and look whether any of them is now taken back more often than
 * given: then says which in `detail` and returns false. */
bool wr_test_ledger_check(wr_test_ledger *ledger, wr_test_rows *rows, const wr_schema *schema,
                          wr_arena *arena, wr_text *detail);

/* YAML rows of a source -> one batch (owned).  Mistakes become err. */
weir_status wr_test_decode(const wr_node *list, const wr_schema *schema, const uint64_t *needed,
                           wr_budget *budget, wr_batch **batch, weir_error *err);
/* The rows of a batch, all columns, appended. */
weir_status wr_test_collect(const wr_batch *batch, const wr_schema *schema, wr_arena *arena,
                            wr_test_rows *rows);
/*
 * Compare with expected YAML rows, each by the columns it names.  changes: diffs count and each row
 * may say _op: "-"; else rows are folded first.  Appends a row diff to `detail` and returns false
 * when they differ; err when the expectation itself is wrong (unknown column, bad value).
 */
bool wr_test_compare(const wr_node *expected, const wr_schema *schema, wr_test_rows *rows,
                     bool changes, wr_arena *arena, wr_text *detail, weir_error *err);
