/* SPDX-License-Identifier: Apache-2.0 */
/* aggregate_case.h -- configs of aggregates, for the tests of aggregate.c and session.c. */
#pragma once

#include "operator/aggregate.h"
#include "support/optest.h"

#include <stdio.h>
#include <string.h>

enum { CASE_KEYS_MAX = 8, CASE_CALLS_MAX = 12 };

typedef struct agg_case {
    wr_optest          *t;
    wr_schema          *in;
    wr_aggregate_config config;
    int32_t             keys[CASE_KEYS_MAX];
    wr_type             key_types[CASE_KEYS_MAX];
    wr_agg_call         calls[CASE_CALLS_MAX];
} agg_case;

/* A case over input columns ("k text, v int8, ts timestamp"); no window, no keys, emit final. */
static inline void
case_begin(agg_case *c, const char *columns)
{
    memset(c, 0, sizeof *c);
    c->t = wr_optest_create();
    c->in = wr_optest_schema(c->t, columns);
    c->config = (wr_aggregate_config){ .keys = c->keys,
                                       .key_types = c->key_types,
                                       .calls = c->calls,
                                       .time_key = -1,
                                       .input = c->in };
}

/* A key column; "start" and "end" are the window's bounds. */
static inline void
case_key(agg_case *c, const char *name)
{
    uint32_t k = c->config.key_count++;
    c->key_types[k] = WR_TYPE(WR_TIMESTAMP);
    if (strcmp(name, "start") == 0) {
        c->keys[k] = WR_KEY_WINDOW_START;
    } else if (strcmp(name, "end") == 0) {
        c->keys[k] = WR_KEY_WINDOW_END;
    } else {
        c->keys[k] = wr_schema_find(c->in, name);
        assert_true(c->keys[k] >= 0);
        c->key_types[k] = c->in->fields[c->keys[k]].type;
    }
}

/* An aggregate of a column (NULL: count(*)). */
static inline wr_agg_call *
case_call(agg_case *c, const char *name, const char *column)
{
    wr_agg_call *call = &c->calls[c->config.call_count++];
    wr_type      types[1] = { { 0 } }, wanted[4];
    weir_error   err;
    call->arg_count = column != NULL;
    if (column != NULL) {
        call->args[0] = wr_optest_column(c->t, c->in, column);
        types[0] = call->args[0]->type;
    }
    if (wr_aggregate_resolve(name, types, call->arg_count, &call->aggregate, wanted, &call->result,
                             &err) != WEIR_OK)
        fail_msg("%s", err.text);
    if (column != NULL)
        assert_true(wr_type_same(wanted[0], types[0]));
    return call;
}

static inline void
case_window(agg_case *c, wr_window_kind kind, double size, double slide, const char *time_column)
{
    c->config.window = (wr_window_spec){ .kind = kind, .size = WR_OPTEST_S(size),
                                         .slide = WR_OPTEST_S(slide),
                                         .time_column =
                                             (uint32_t) wr_schema_find(c->in, time_column) };
}

/* output: the columns out; route: the columns rows are routed by, NULL for none. */
static inline wr_optest *
case_ready(agg_case *c, const wr_operator_ops *ops, const char *output, const char *route)
{
    wr_schema *out = wr_optest_schema(c->t, output);
    assert_int_equal(out->field_count, c->config.key_count + c->config.call_count);
    c->config.output = out;
    wr_optest_operator(c->t, ops, &c->config, out);
    wr_optest_port(c->t, 0, c->in, route);
    return c->t;
}
