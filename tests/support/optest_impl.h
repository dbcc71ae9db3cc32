/* SPDX-License-Identifier: Apache-2.0 */
/* support/optest_impl.h -- the script of an operator's test and the bag of what came out. */
#pragma once

#include "support/optest.h"

/* A list of lines with diffs: rows that came out, or are expected. */
typedef struct wr_optest_line {
    char   *text;
    int64_t diff;
} wr_optest_line;
typedef struct wr_optest_bag {
    wr_optest_line *lines;
    uint32_t        count, capacity;
} wr_optest_bag;
void wr_optest_bag_add(wr_optest_bag *bag, const char *text, int64_t diff);
void wr_optest_bag_clear(wr_optest_bag *bag);
/* Sort, sum the diffs of equal lines, drop zeros. */
void wr_optest_bag_fold(wr_optest_bag *bag);
bool wr_optest_bag_equal(const wr_optest_bag *a, const wr_optest_bag *b);
void wr_optest_bag_print(const char *title, const wr_optest_bag *bag);
void wr_optest_bag_print_difference(const wr_optest_bag *expected, const wr_optest_bag *out);
/* Append every visible row of batch. */
void wr_optest_bag_add_batch(wr_optest_bag *bag, const wr_batch *batch);

typedef struct wr_optest_row {
    wr_value *values;
    int64_t   diff;
    wr_time   before, after; /* the port's watermark at its arrival and after it */
} wr_optest_row;

typedef enum wr_optest_kind {
    OPTEST_ROWS,
    OPTEST_WATERMARK,
    OPTEST_NOW, /* watermark: the engine clock */
    OPTEST_EXPECT,
    OPTEST_END
} wr_optest_kind;

typedef struct wr_optest_step {
    wr_optest_kind kind;
    int            port;
    wr_optest_row *rows;
    uint32_t       row_count;
    wr_time        watermark;
    wr_optest_bag  expected;
    bool           ordered, any;
} wr_optest_step;

/* Parse "1|a; [-1] 2|b" by a schema; rows and values in arena. */
wr_optest_row *wr_optest_parse(wr_arena *arena, const wr_schema *schema, const char *text,
                               uint32_t *count);

enum { OPTEST_STEPS_MAX = 256, OPTEST_COUNTS_MAX = 16 };

typedef struct wr_optest_input {
    const wr_schema *schema;
    uint32_t         keys[16];
    int32_t          key_count;   /* -1: not keyed */
    wr_time          watermark;
    int32_t          time_column; /* -1: no delay */
    int64_t          delay;
} wr_optest_input;

typedef struct wr_optest_expected_count {
    size_t      offset;
    const char *name;
    uint64_t    value;
} wr_optest_expected_count;

struct wr_optest {
    wr_arena               arena;
    const wr_operator_ops *ops;
    const void            *config;
    const wr_schema       *output;
    wr_optest_input        ports[WR_OP_PORTS_MAX];
    int                    port_count;
    bool                   late_wanted, bad_wanted;
    wr_row_policy          on_row_error;
    wr_optest_step         steps[OPTEST_STEPS_MAX];
    uint32_t               step_count;
    wr_optest_expected_count counts[OPTEST_COUNTS_MAX];
    uint32_t               count_count;
    weir_status            failure;
};
