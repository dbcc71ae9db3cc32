/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_regex_impl.h -- what the regular expressions in SQL share: options, and the matches of a string.
 *
 * Place       between fn_regex*.c; matching itself is pattern_impl.h's.
 * Invariants  positions count characters from 1; after an empty match the search goes on one
 *             character further
 */
#pragma once

#include "expr/fn_impl.h"
#include "expr/pattern_impl.h"
#include "expr/registry_impl.h"

typedef struct regex_flags {
    uint32_t options;
    bool global;
} regex_flags;

/* The letters of a flags argument.  function: its name, when it has no use for g; else NULL. */
weir_status wr_regex_flags_read(wr_eval *eval, uint32_t row, const wr_value *arg,
                                const char *function, regex_flags *flags);
/* An integer argument from least to most; `otherwise` when it is left out. */
weir_status wr_regex_parameter_read(wr_eval *eval, uint32_t row, const wr_value *args,
                                    uint32_t arg_count, uint32_t index, const char *name,
                                    int64_t least, int64_t most, int64_t otherwise, int64_t *value);

/* Walks through the matches of a string. */
typedef struct wr_matcher {
    wr_eval *eval;
    uint32_t row;
    wr_pattern *pattern;
    const char *s;
    size_t length, next;     /* next: where the search goes on; beyond length at the end */
    const wr_part_of *parts; /* of the newest match */
} wr_matcher;

weir_status wr_matcher_open(wr_matcher *m, wr_eval *eval, uint32_t row, const wr_value *subject,
                            const wr_value *pattern, uint32_t options);
void wr_matcher_start(wr_matcher *m, int64_t start); /* at a character counted from 1 */
weir_status wr_matcher_next(wr_matcher *m, bool *found);

/* substring(s, pattern): the first group, or the whole match when there are no groups. */
weir_status wr_regex_substring(wr_eval *eval, uint32_t row, const wr_value *subject,
                               const wr_value *pattern, wr_value *out);
