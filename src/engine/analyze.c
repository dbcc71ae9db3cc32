/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/analyze.c -- what the operators of a view did, as a table to stand below its plan.
 *
 * Figures are the tasks' own counters, summed over shards, a moment old.  Rows a second are over the
 * whole run.  CPU is measured around every large batch and sampled on small ones.
 */
#include "engine/share.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAME_WIDTH = 44 };

/* "aggregate count by window_start, auction in tumble 00:00:10", cut to fit. */
static void
put_operator(const wr_job_op *op, wr_text *to)
{
    wr_text name;
    wr_text_init(&name, NULL);
    wr_text_puts(&name, op->ops->name);
    if (op->ops->explain != NULL) {
        wr_text_putc(&name, ' ');
        op->ops->explain(op->config, &name);
    }
    const char *text = wr_text_string(&name);
    int bytes = 0, width = 0; /* whole characters */
    for (; text[bytes] != '\0' && text[bytes] != '\n' && width < NAME_WIDTH; width++)
        for (bytes++; ((unsigned char)text[bytes] & 0xc0) == 0x80;)
            bytes++;
    wr_text_printf(to, "  %.*s%*s", bytes, text, NAME_WIDTH - width, "");
    wr_text_fini(&name);
}

static void
put_cause(wr_text *to, bool *first, uint64_t count, const char *what)
{
    if (count == 0)
        return;
    wr_text_printf(to, "%s%" PRIu64 " %s", *first ? "  " : ", ", count, what);
    *first = false;
}

static void
put_row(const wr_job_op *op, const wr_op_counters *c, uint64_t state_bytes, bool charged,
        double seconds, wr_text *to)
{
    wr_text state;
    bool first = true;
    wr_text_init(&state, NULL);
    if (state_bytes > 0)
        wr_bytes_print(state_bytes, &state);
    put_operator(op, to);
    wr_text_printf(to, " %12" PRIu64 " %12" PRIu64 " %12.0f %9.3f s %10s", c->rows_in, c->rows_out,
                   seconds > 0 ? (double)c->rows_in / seconds : 0, (double)c->cpu_us / 1e6,
                   state.length > 0 ? wr_text_string(&state) : "-");
    put_cause(to, &first, c->rows_filtered, "filtered");
    put_cause(to, &first, c->rows_late, "late");
    put_cause(to, &first, c->windows_late, "windows missed");
    put_cause(to, &first, c->rows_null_time, "without a time");
    put_cause(to, &first, c->rows_unmatched, "without a partner");
    put_cause(to, &first, c->rows_failed, "failed");
    if (!charged) /* the view that it counts for shows it, too */
        wr_text_puts(to, first ? "  shared" : ", shared");
    wr_text_putc(to, '\n');
    wr_text_fini(&state);
}

void
wr_analyze_view(weir_pipeline *p, const wr_planned *v, double seconds, wr_text *to)
{
    wr_text_printf(to, "  %-*s %12s %12s %12s %11s %10s  %s\n", NAME_WIDTH, "OPERATOR", "ROWS IN",
                   "ROWS OUT", "ROWS/S", "CPU", "STATE", "LEFT OUT");
    uint32_t s;
    bool charged;
    for (uint32_t at = 0; wr_planned_segment(v, at, &s, &charged); at++)
        for (uint32_t o = 0; o < p->job.segments[s].op_count; o++) {
            wr_op_counters c = { 0 };
            uint64_t bytes = 0;
            wr_time watermark = WR_TIME_START;
            wr_runtime_op_counters(p->runtime, s, o, &c, &bytes, &watermark);
            put_row(&p->job.segments[s].ops[o], &c, bytes, charged, seconds, to);
        }
}

void
wr_analyze_sources(weir_pipeline *p, double seconds, wr_text *to)
{
    for (uint32_t s = 0; s < p->source_count; s++) {
        wr_source_view v;
        wr_runtime_source_view(p->runtime, s, &v);
        wr_text_printf(to, "source %s: %" PRIu64 " rows, ", p->sources[s].name, v.rows);
        wr_bytes_print(v.bytes, to);
        if (v.bad > 0)
            wr_text_printf(to, ", %" PRIu64 " could not be read", v.bad);
        if (v.future > 0)
            wr_text_printf(to, ", %" PRIu64 " too far in the future", v.future);
        wr_text_putc(to, '\n');
    }
    wr_text_printf(to, "took %.3f s\n", seconds);
}
