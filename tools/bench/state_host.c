/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench/state_host.c -- operators by direct calls, figures beside a bare loop (see state_host.h). */
#include "state_host.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* --- an operator as a chain drives it --- */

static void
host_fail(const host *h)
{
    fprintf(stderr, "%s: %s\n", h->ops->name, h->error.text);
    exit(1);
}

host *
host_open(const wr_operator_ops *ops, const void *config)
{
    host *h = calloc(1, sizeof *h);
    h->ops = ops;
    h->ports = 1;
    for (int p = 0; p < WR_OP_PORTS_MAX; p++)
        h->watermarks[p] = WR_TIME_START;
    h->self = calloc(1, ops->self_size);
    if (wr_ctx_init(&h->ctx, NULL, NULL, (wr_groups){ 0, WR_KEY_GROUPS }, 8, &h->error) != WEIR_OK)
        host_fail(h);
    h->ctx.port_watermark = h->watermarks;
    if (ops->open(h->self, &h->ctx, config, &h->error) != WEIR_OK)
        host_fail(h);
    return h;
}

void
host_close(host *h)
{
    h->ops->close(h->self);
    wr_ctx_fini(&h->ctx);
    free(h->self);
    free(h);
}

/* True: the call is to be made again. */
static bool
host_drain(host *h, wr_flow flow)
{
    wr_outbox *box = &h->ctx.out[WR_PORT_MAIN];
    wr_ctx_call_end(&h->ctx);
    if (flow == WR_FLOW_FAIL)
        host_fail(h);
    for (uint32_t i = 0; i < box->count; i++) {
        h->out += box->slots[i]->row_count;
        wr_batch_release(box->slots[i]);
    }
    box->count = 0;
    return flow == WR_FLOW_AGAIN;
}

void
host_batch(host *h, int port, const wr_batch *batch)
{
    do
        wr_ctx_call_begin(&h->ctx, 0);
    while (host_drain(h, h->ops->process(h->self, &h->ctx, port, batch)));
    wr_time least = h->watermarks[port] = batch->watermark_after;
    for (uint32_t p = 0; p < h->ports; p++)
        least = WR_MIN(least, h->watermarks[p]);
    if (least <= h->ctx.watermark)
        return;
    do
        wr_ctx_call_begin(&h->ctx, 0);
    while (host_drain(h, h->ops->advance(h->self, &h->ctx, least)));
    h->ctx.watermark = least;
}

void
host_finish(host *h)
{
    do
        wr_ctx_call_begin(&h->ctx, 0);
    while (host_drain(h, h->ops->advance(h->self, &h->ctx, WR_TIME_END)));
    do
        wr_ctx_call_begin(&h->ctx, 0);
    while (host_drain(h, h->ops->finish(h->self, &h->ctx)));
}

/* --- figures --- */

static long
faults_now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_minflt;
}

watch
watch_start(void)
{
    return (watch){ wr_cpu_thread_us(), faults_now() };
}

figure
watch_stop(watch w, uint32_t batches, uint64_t out)
{
    double total = (double)batches * WR_BATCH_ROWS_MAX / 1e6;
    double seconds = (double)(wr_cpu_thread_us() - w.from) / 1e6;
    return (figure){ total / seconds, (double)(faults_now() - w.faults) / total, out };
}

static int
by_rate(const void *a, const void *b)
{
    const figure *x = a, *y = b;
    return (x->rate > y->rate) - (x->rate < y->rate);
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void
figures_print(const char *name, figure *ours, figure *limits, int runs, int goal)
{
    double ratios[RUNS_MAX];
    if (ours[0].out != limits[0].out)
        printf("%s: %llu rows out, the bare loop has %llu\n", name, (unsigned long long)ours[0].out,
               (unsigned long long)limits[0].out);
    for (int i = 0; i < runs; i++)
        ratios[i] = 100 * ours[i].rate / limits[i].rate;
    qsort(ratios, (size_t)runs, sizeof ratios[0], by_value);
    qsort(ours, (size_t)runs, sizeof ours[0], by_rate);
    qsort(limits, (size_t)runs, sizeof limits[0], by_rate);
    const figure *o = &ours[runs / 2], *l = &limits[runs / 2];
    printf("%-34s %7.1f M/CPU-s (%.1f to %.1f)  bare %7.1f (%.1f to %.1f)  %3.0f %% of it (%.0f to "
           "%.0f; goal %d)  %5.0f faults/M rows\n",
           name, o->rate, ours[0].rate, ours[runs - 1].rate, l->rate, limits[0].rate,
           limits[runs - 1].rate, ratios[runs / 2], ratios[0], ratios[runs - 1], goal, o->fault);
    fflush(stdout);
}
