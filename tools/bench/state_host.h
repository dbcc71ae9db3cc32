/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/state_host.h -- an operator fed by direct calls, and figures beside a bare loop: what
 * tools/bench/state.c and state_join.c share.
 */
#pragma once

#include "operator/operator.h"

enum { RUNS_MAX = 31, KEY = 0, VALUE = 1, TIME = 2, COLUMNS = 3, DELAY_US = 2000000 };

/* An operator as a chain drives it; what it emits is counted and dropped. */
typedef struct host {
    const wr_operator_ops *ops;
    void *self;
    wr_ctx ctx;
    weir_error error;
    uint64_t out;
    uint32_t ports; /* inputs; 1 unless said */
    wr_time watermarks[WR_OP_PORTS_MAX];
} host;

/* Each ends the program when the operator fails. */
host *host_open(const wr_operator_ops *ops, const void *config);
void host_close(host *h);
void host_batch(host *h, int port, const wr_batch *batch);
void host_finish(host *h);

typedef struct figure {
    double rate;  /* rows a CPU-second / 1e6 */
    double fault; /* page faults a million rows */
    uint64_t out;
} figure;

typedef struct watch {
    int64_t from;
    long faults;
} watch;

watch watch_start(void);
figure watch_stop(watch w, uint32_t batches, uint64_t out);
/* Noise falls on both alike within a turn: the ratio is the median of the turns' ratios. */
void figures_print(const char *name, figure *ours, figure *limits, int runs, int goal);

/* --- state_join.c --- */
/* The settings of joins whose name has word (NULL: all). */
void joins_measure(const char *word, int runs);
