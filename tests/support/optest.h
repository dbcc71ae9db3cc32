/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/optest.h -- run one operator on a script of rows and watermarks, many ways, and want
 * the same answer out of each.
 *
 * A test writes what comes in, in order, and what must have come out by then.  wr_optest_verify
 * replays the script:
 *     as it stands · a row at a time · as few batches as can be · through a one-slot outbox · with
 *     unselected rows between the rows · a snapshot after every batch, going on (the snapshot is
 *     written again a batch later and must not have changed) · every batch's snapshot restored
 *     into a fresh instance · restored into two instances that own half of the key groups each,
 *     and back into one · restored from damaged bytes, which must fail or not but never crash
 * and after each wants no state, no bytes left.
 *
 * Rows are text: cells by '|', rows by ';'.  `null` is NULL, `@12.5` is 12.5 seconds after 1970,
 * `[-1]` before a row is its diff: "1|a|@3; [-1] 2|null|@4".
 */
#pragma once

#include "expr/expr.h"
#include "operator/operator.h"

typedef struct wr_optest wr_optest;

#define WR_OPTEST_S(seconds) ((wr_time) ((seconds) *1000000LL))

/* Owned by the test until wr_optest_verify, which frees it. */
wr_optest *wr_optest_create(void);

/* --- what the configs are made of; all live in the test's arena --- */
wr_arena  *wr_optest_arena(wr_optest *t);
wr_schema *wr_optest_schema(wr_optest *t, const char *columns); /* "k int8, ts timestamp" */
wr_expr   *wr_optest_column(wr_optest *t, const wr_schema *schema, const char *name);
wr_expr   *wr_optest_constant(wr_optest *t, const char *type, const char *text); /* NULL: null */
wr_expr *wr_optest_call(wr_optest *t, const char *name, wr_expr *a, wr_expr *b); /* b may be NULL */

/* --- the operator --- */
void wr_optest_operator(wr_optest *t, const wr_operator_ops *ops, const void *config,
                        const wr_schema *output);
/* keys: columns rows are routed by, "k, j", "" for one group; NULL: not keyed, no test in
 * halves. */
void wr_optest_port(wr_optest *t, int port, const wr_schema *schema, const char *keys);
void wr_optest_want_late(wr_optest *t);
void wr_optest_want_bad(wr_optest *t);
void wr_optest_fail_rows(wr_optest *t); /* a bad row ends the query */

/* --- the script --- */
void wr_optest_rows(wr_optest *t, int port, const char *rows);
/* The port's watermark from here on. */
void wr_optest_watermark(wr_optest *t, int port, wr_time watermark);
/* From here on each row of the port moves its watermark to (greatest time seen) - delay, after
 * itself. */
void wr_optest_delay(wr_optest *t, int port, const char *time_column, int64_t delay_us);
/* The engine clock, from here on (0 before); the operator is ticked when it asked for it. */
void wr_optest_now(wr_optest *t, wr_time now);
/* All ports end; the operator finishes. */
void wr_optest_end(wr_optest *t);

/* What came out since the last expectation of that port: a bag of rows with their diffs summed. */
void wr_optest_expect(wr_optest *t, const char *rows);
void
wr_optest_expect_port(wr_optest *t, int port, const char *rows); /* WR_PORT_LATE: input 0's rows */
/* The same with the order of the rows. */
void wr_optest_expect_ordered(wr_optest *t, const char *rows);
/* Whatever came out since the last expectation is right. */
void wr_optest_expect_any(wr_optest *t);
/* A counter's value at the end, summed over instances. */
#define wr_optest_count(t, counter, value)                                                         \
    wr_optest_count_at(t, offsetof(wr_op_counters, counter), #counter, value)
void wr_optest_count_at(wr_optest *t, size_t offset, const char *name, uint64_t value);
/* The script ends by failing with this code, in every mode. */
void wr_optest_expect_failure(wr_optest *t, weir_status code);

/* Run it all ways; fails the test with a message that names the way and the step.  Frees t. */
void wr_optest_verify(wr_optest *t);
