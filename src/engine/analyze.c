/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/analyze.c -- what the operators of a view did, at the nodes of its plan; and as JSON, one by
 * one.
 *
 * Figures are the tasks' own counters, summed over shards, a moment old.  Rows a second are over the
 * whole run.  CPU is measured around every large batch and sampled on small ones.
 *
 * Several operators may stand for one node (an exchange lies between a project and the aggregate it was
 * made for): the node says what went into the first of those that stand together with the last, what
 * came out of the last, and the sums of the rest.  A node without operators (a window that its
 * aggregate has taken) says nothing.
 */
#include "engine/share.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct figures {
    uint64_t rows_in, rows_out, cpu_us, state_bytes;
    uint64_t left_out[8]; /* by cause */
    bool any;
} figures;

static const struct cause {
    const char *words, *name;
    size_t offset;
} causes[] = {
    { "filtered", "filtered", offsetof(wr_op_counters, rows_filtered) },
    { "late", "late", offsetof(wr_op_counters, rows_late) },
    { "windows missed", "windows_missed", offsetof(wr_op_counters, windows_late) },
    { "without a time", "untimed", offsetof(wr_op_counters, rows_null_time) },
    { "without a partner", "unmatched", offsetof(wr_op_counters, rows_unmatched) },
    { "failed", "failed", offsetof(wr_op_counters, rows_failed) },
    { "shed", "shed", offsetof(wr_op_counters, rows_shed) },
    { "taken back without having come", "unknown", offsetof(wr_op_counters, rows_unknown) },
};
_Static_assert(WR_COUNT(causes) == WR_COUNT(((figures *)NULL)->left_out), "a figure a cause");

static uint64_t
counter_at(const wr_op_counters *c, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)c + offset);
}

static double
rate(uint64_t rows, double seconds)
{
    return seconds > 0 ? (double)rows / seconds : 0;
}

/* --- at a node --- */

typedef struct analysis {
    weir_pipeline *pipeline;
    const wr_planned *view;
    double seconds;
} analysis;

static void
figures_add(figures *f, const wr_op_counters *c, uint64_t state_bytes, bool alone)
{
    if (!f->any || alone)
        f->rows_in = c->rows_in;
    f->any = true;
    f->rows_out = c->rows_out;
    f->cpu_us += c->cpu_us;
    f->state_bytes += state_bytes;
    for (size_t i = 0; i < WR_COUNT(causes); i++)
        f->left_out[i] += counter_at(c, causes[i].offset);
}

/* Of the operators that `planned` has for a node. */
static figures
figures_of(const weir_pipeline *p, const wr_planned *planned, int32_t number)
{
    figures f = { 0 };
    uint32_t end = planned->first_segment + planned->segment_count;
    for (uint32_t s = planned->first_segment; s < end; s++) {
        bool alone = true; /* the first of its segment */
        for (uint32_t o = 0; o < p->job.segments[s].op_count; o++) {
            if (p->job.segments[s].ops[o].plan_id != number)
                continue;
            wr_op_counters c = { 0 };
            uint64_t bytes = 0;
            wr_time watermark = WR_TIME_START;
            wr_runtime_op_counters(p->runtime, s, o, &c, &bytes, &watermark);
            figures_add(&f, &c, bytes, alone);
            alone = false;
        }
    }
    return f;
}

static const wr_planned *
planned_of(const analysis *a, const wr_plan *root)
{
    if (a->view->plan == root)
        return a->view;
    for (uint32_t i = 0; i < a->pipeline->shared_count; i++)
        if (a->pipeline->shared[i]->plan == root)
            return a->pipeline->shared[i];
    return NULL;
}

/* A scan that filters nothing has no operator: what its source has read. */
static bool
note_source(const analysis *a, const wr_relation *relation, wr_text *to)
{
    for (uint32_t s = 0; s < a->pipeline->source_count; s++) {
        const wr_source_binding *b = &a->pipeline->sources[s];
        bool upserts = relation->role == WR_ROLE_SOURCE && relation->schema == b->schema;
        wr_source_view v;
        if (!upserts && strcmp(b->name, relation->name) != 0)
            continue;
        wr_runtime_source_view(a->pipeline->runtime, s, &v);
        wr_text_printf(to, "ran: %" PRIu64 " rows read, %.0f/s", v.rows, rate(v.rows, a->seconds));
        return true;
    }
    return false;
}

static bool
note(void *user, const wr_plan *root, const wr_plan *node, wr_text *to)
{
    const analysis *a = user;
    const wr_planned *planned = planned_of(a, root);
    if (planned == NULL || node->number == 0)
        return false;
    figures f = figures_of(a->pipeline, planned, node->number);
    if (!f.any)
        return node->kind == WR_PLAN_SCAN && note_source(a, node->scan.relation, to);
    wr_text_printf(to, "ran: %" PRIu64 " rows in, %" PRIu64 " out, %.0f/s; CPU %.3f s", f.rows_in,
                   f.rows_out, rate(f.rows_in, a->seconds), (double)f.cpu_us / 1e6);
    if (f.state_bytes > 0) {
        wr_text_puts(to, "; state ");
        wr_bytes_print(f.state_bytes, to);
    }
    bool first = true;
    for (size_t i = 0; i < WR_COUNT(causes); i++) {
        if (f.left_out[i] == 0)
            continue;
        wr_text_printf(to, "%s%" PRIu64 " %s", first ? "; left out: " : ", ", f.left_out[i],
                       causes[i].words);
        first = false;
    }
    if (planned->owner != NULL && planned->owner != a->view)
        wr_text_printf(to, "; counts for %s", planned->owner->name);
    return true;
}

void
wr_analyze_view(weir_pipeline *p, const wr_planned *v, double seconds, wr_text *to)
{
    analysis a = { .pipeline = p, .view = v, .seconds = seconds };
    wr_plan_notes notes = { .note = note, .user = &a };
    wr_plan_explain(v->plan, &v->options, &notes, to);
}

/* --- one by one --- */

static void
put_operator(const wr_job_op *op, const wr_op_counters *c, uint64_t state_bytes, double seconds,
             wr_text *to)
{
    wr_text about;
    wr_text_init(&about, NULL);
    if (op->ops->explain != NULL)
        op->ops->explain(op->config, &about);
    wr_text_printf(to, "{\"operator\":\"%s\",\"about\":", op->ops->name);
    wr_text_put_json(to, wr_text_string(&about), about.length);
    wr_text_printf(to,
                   ",\"node\":%d,\"rows_in\":%" PRIu64 ",\"rows_out\":%" PRIu64
                   ",\"rows_per_s\":%.1f,\"cpu_s\":%.6f,\"state_bytes\":%" PRIu64,
                   op->plan_id, c->rows_in, c->rows_out, rate(c->rows_in, seconds),
                   (double)c->cpu_us / 1e6, state_bytes);
    for (size_t i = 0; i < WR_COUNT(causes); i++)
        wr_text_printf(to, ",\"%s\":%" PRIu64, causes[i].name, counter_at(c, causes[i].offset));
    wr_text_fini(&about);
}

void
wr_analyze_json(weir_pipeline *p, const wr_planned *v, double seconds, wr_text *to)
{
    uint32_t s;
    bool charged, first = true;
    wr_text_putc(to, '[');
    for (uint32_t at = 0; wr_planned_segment(v, at, &s, &charged); at++)
        for (uint32_t o = 0; o < p->job.segments[s].op_count; o++) {
            wr_op_counters c = { 0 };
            uint64_t bytes = 0;
            wr_time watermark = WR_TIME_START;
            wr_runtime_op_counters(p->runtime, s, o, &c, &bytes, &watermark);
            wr_text_puts(to, first ? "" : ",");
            put_operator(&p->job.segments[s].ops[o], &c, bytes, seconds, to);
            wr_text_printf(to, ",\"shared\":%s}", charged ? "false" : "true");
            first = false;
        }
    wr_text_putc(to, ']');
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
            wr_text_printf(to, " (%" PRIu64 " too far in the future)", v.future);
        wr_text_putc(to, '\n');
    }
    wr_text_printf(to, "took %.3f s\n", seconds);
}
