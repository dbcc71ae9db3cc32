/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/world.c -- the course of a run: virtual time, events, steps of the executor, deaths and new lives.
 *
 * A step of the engine takes some virtual time; when it has nothing to do, the clock moves to whatever comes next, an event of
 * the world or a timer of the engine.  A process dies between two steps, or within one, at an operation of the disk: then what
 * it does until the end of that step is seen by nobody.
 */
#include "runtime/runtime_impl.h"
#include "base/log.h"
#include "sim/sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 3000000, LOOK_STEPS = 16, STUCK_US = 60 * 1000000 };

/* --- what happened --- */

void
sim_saw(sim_world *w, sim_kind kind)
{
    w->seen[kind]++;
}

void
sim_trace(sim_world *w, const char *format, ...)
{
    char    line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t length = WR_MIN((size_t) WR_MAX(n, 0), sizeof line - 1);
    w->hash = wr_mix64(w->hash ^ XXH3_64bits(line, length) ^ (uint64_t) w->clock.now);
    if (w->verbose)
        fprintf(stderr, "%12.6f  %s\n", (double) (w->clock.now - 1767225600LL * SIM_SECOND) / 1e6, line);
}

void
sim_wrong(sim_world *w, const char *format, ...)
{
    va_list args;
    if (w->wrong[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(w->wrong, sizeof w->wrong, format, args);
    va_end(args);
    sim_trace(w, "WRONG: %s", w->wrong);
}

void
sim_moved(sim_world *w)
{
    w->progress_at = w->clock.now;
}

/* --- time --- */

static wr_time
clock_wall(wr_clock *c)
{
    const sim_clock *s = (const sim_clock *) (const void *) c;
    return s->now + s->jump;
}

static int64_t
clock_monotonic(wr_clock *c)
{
    return ((const sim_clock *) (const void *) c)->now;
}

static bool
event_before(const sim_event *a, const sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void
sim_at(sim_world *w, int64_t at, sim_event_kind kind, uint32_t a, uint32_t b, bool of_process)
{
    if (w->event_count == w->event_capacity) {
        w->event_capacity = w->event_capacity * 2 + 256;
        w->events = realloc(w->events, w->event_capacity * sizeof *w->events);
        if (w->events == NULL)
            abort();
    }
    uint32_t i = w->event_count++;
    sim_event e = { at, w->event_order++, kind, a, b, of_process ? w->life : 0 };
    while (i > 0 && event_before(&e, &w->events[(i - 1) / 2])) {
        w->events[i] = w->events[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->events[i] = e;
}

static sim_event
event_take(sim_world *w)
{
    sim_event first = w->events[0], last = w->events[--w->event_count];
    uint32_t  i = 0;
    for (uint32_t child; (child = 2 * i + 1) < w->event_count; i = child) {
        if (child + 1 < w->event_count && event_before(&w->events[child + 1], &w->events[child]))
            child++;
        if (!event_before(&w->events[child], &last))
            break;
        w->events[i] = w->events[child];
    }
    w->events[i] = last;
    return first;
}

/* --- what must hold at all times --- */

void
sim_check_commit(sim_world *w, wr_epoch epoch)
{
    if (epoch <= w->checked)
        return;
    w->checked = epoch;
    for (uint32_t i = 0; i < w->sink_count; i++)
        if (w->sinks[i].flushed < epoch)
            sim_wrong(w, "T5: epoch %llu is committed, sink %s has all before %llu", (unsigned long long) epoch,
                      w->sinks[i].name, (unsigned long long) w->sinks[i].flushed);
    sim_disk     *left = sim_disk_after_crash(w->disk);
    wr_store     *store;
    wr_checkpoint found;
    wr_text       skipped;
    weir_error    err;
    bool          any = false;
    uint64_t      there = 0;
    wr_error_clear(&err);
    wr_text_init(&skipped, NULL);
    sim_disk_use(left);
    if (wr_store_open(SIM_DISK, &store, &err) == WEIR_OK) {
        if (wr_store_read(store, w->pipeline->job.fingerprint, &any, &found, &skipped, &err) == WEIR_OK && any) {
            there = found.epoch;
            wr_checkpoint_fini(&found);
        }
        wr_store_close(store);
    }
    sim_disk_use(w->disk);
    sim_disk_destroy(left);
    if (there < epoch)
        sim_wrong(w, "T5: epoch %llu is committed, a crash now would leave epoch %llu: %s%s", (unsigned long long) epoch,
                  (unsigned long long) there, wr_text_string(&skipped), err.text);
    wr_text_fini(&skipped);
}

/* Late rows of a view, as its operators count them. */
static uint64_t
lates_of(sim_world *w, const sim_view *view)
{
    const wr_planned *v = wr_pipeline_view(w->pipeline, view->name);
    uint64_t          rows = 0;
    for (uint32_t s = v->first_segment; s < v->first_segment + v->segment_count; s++)
        for (uint32_t o = 0; o < w->pipeline->job.segments[s].op_count; o++) {
            wr_op_counters c = { 0 };
            uint64_t       bytes;
            wr_time        watermark;
            wr_runtime_op_counters(w->rt, s, o, &c, &bytes, &watermark);
            rows += c.rows_late;
            if (c.windows_late > 0)
                sim_saw(w, SIM_WINDOWS_LATE);
        }
    return rows;
}

/* T2, as soon as it can be told. */
static void
lates_look(sim_world *w)
{
    for (uint32_t i = 0; w->class == SIM_IN_TIME && i < w->view_count; i++)
        if (lates_of(w, &w->views[i]) > 0)
            sim_wrong(w, "T2: view %s calls a row late that is not", w->views[i].name);
}

/* T4, T7 */
static void
look(sim_world *w)
{
    wr_runtime *rt = w->rt;
    for (uint32_t i = 0; i < rt->task_count && i < WR_COUNT(w->watermarks); i++) {
        wr_time now = WR_TIME_START;
        if (rt->tasks[i]->ops == &wr_segment_task_ops)
            now = atomic_load(&((segment_task *) rt->tasks[i])->watermark_view);
        else if (rt->tasks[i]->ops == &wr_source_task_ops)
            now = ((source_task *) rt->tasks[i])->stamped;
        if (now < w->watermarks[i])
            sim_wrong(w, "T4: the watermark of %s steps back by %lld us", rt->tasks[i]->name,
                      (long long) (w->watermarks[i] - now));
        w->watermarks[i] = now;
    }
    for (uint32_t i = 0; i < rt->source_count; i++)
        for (const wr_lane *l = rt->sources[i].lanes; l != NULL; l = l->next) {
            sim_partition *p = &w->sources[i].partitions[l->partition];
            if (l->idle != p->idle) {
                sim_saw(w, l->idle ? SIM_LANE_IDLE : SIM_LANE_BACK);
                sim_trace(w, "source %u/%d: %s", i, (int) l->partition, l->idle ? "idle" : "not idle any more");
            }
            p->idle = l->idle;
            if (l->idle && !l->ended && p->hold == SIM_TAKEN && p->told && w->clock.now - p->told_at < w->plan.idle_us)
                sim_wrong(w, "T4: %u/%d is called idle %lld us after it came to its end", i, (int) l->partition,
                          (long long) (w->clock.now - p->told_at));
        }
    wr_budget *budgets[] = { w->pipeline->state, w->pipeline->flow };
    for (uint32_t i = 0; i < WR_COUNT(budgets); i++)
        if (wr_budget_limit(budgets[i]) != 0 && wr_budget_used(budgets[i]) > wr_budget_limit(budgets[i]))
            sim_wrong(w, "T7: the budget %s is overdrawn", wr_budget_name(budgets[i]));
    lates_look(w);
    if (rt->coordinator.view.failures > w->failures)
        sim_saw(w, SIM_CHECKPOINT_FAILED);
    if (rt->coordinator.view.failures > w->failures && w->calm && w->progress_at > w->calm_at)
        sim_wrong(w, "T7: nothing goes wrong any more, but a checkpoint cannot be written: %s", rt->coordinator.view.last_error);
    w->failures = rt->coordinator.view.failures;
    for (uint32_t i = 0; w->verbose && i < rt->source_count; i++) {
        static wr_time shown[SIM_SOURCES_MAX];
        if (shown[i] == rt->sources[i].watermark)
            continue;
        shown[i] = rt->sources[i].watermark;
        fprintf(stderr, "              source %u stands at %.6f:", i, (double) (shown[i] - 1767225600LL * SIM_SECOND) / 1e6);
        for (const wr_lane *l = rt->sources[i].lanes; l != NULL; l = l->next)
            fprintf(stderr, " %d %.6f%s%s", (int) l->partition, (double) (l->watermark - 1767225600LL * SIM_SECOND) / 1e6,
                    l->idle ? " idle" : "", l->ended ? " ended" : "");
        fprintf(stderr, "\n");
    }
    bool waits = w->stalled || w->stalled_sink != NULL || w->broker_down[0] || w->broker_down[1];
    if (waits)
        w->progress_at = w->clock.now;
    if (w->clock.now - w->progress_at > STUCK_US)
        sim_wrong(w, "T7: nothing has moved for 60 s");
}

/* Remember where sources stood at the barrier that has been written. */
static void
cut_note(sim_world *w)
{
    wr_epoch epoch = wr_runtime_epoch_done(w->rt);
    uint32_t slot = (uint32_t) (epoch % WR_COUNT(w->cuts));
    w->cuts[slot].epoch = epoch;
    w->cuts[slot].life = w->life;
    for (uint32_t i = 0; i < w->source_count; i++)
        w->cuts[slot].watermark[i] = w->rt->sources[i].cut_watermark;
}

static void
runtime_event(void *user, int what, const weir_error *err)
{
    sim_world *w = user;
    if (w->crashed)
        return;
    if (what == WR_EVENT_CHECKPOINT) {
        cut_note(w);
        sim_moved(w);
        sim_trace(w, "epoch %llu is written", (unsigned long long) wr_runtime_epoch_done(w->rt));
    }
    if (what == WR_EVENT_FAILED)
        sim_trace(w, "the pipeline fails: %s", err->text);
    if (what == WR_EVENT_STALLED)
        sim_trace(w, "stalled: %s", err->text);
}

/* --- lives --- */

/* T4: no lane that holds the watermark back is behind it, where each was cut by the same barrier. */
static void
lanes_check(sim_world *w, uint32_t i)
{
    const source *s = &w->rt->sources[i];
    if (w->plan.idle_us != 0 || s->restored_count != w->sources[i].partition_count)
        return;
    for (uint32_t n = 0; n < s->restored_count; n++)
        if (s->restored[n].ended)
            return;
    for (uint32_t n = 0; n < s->restored_count; n++)
        if (s->restored[n].watermark < s->watermark)
            sim_wrong(w, "T4: source %u goes on %lld us before its partition %d", i,
                      (long long) (s->watermark - s->restored[n].watermark), (int) s->restored[n].partition);
}

/* What the restored checkpoint says against what was committed and seen. */
static void
restored_check(sim_world *w, wr_epoch epoch, uint32_t life, bool excused)
{
    for (uint32_t i = 0; i < w->source_count; i++) {
        sim_source *s = &w->sources[i];
        lanes_check(w, i);
        for (uint32_t p = 0; p < s->partition_count; p++)
            if (excused)
                s->partitions[p].committed = WR_MIN(s->partitions[p].committed, s->partitions[p].position);
            else if (s->partitions[p].committed > WR_MAX(s->partitions[p].position, (int64_t) 0))
                sim_wrong(w, "T5: %u/%u was committed up to %lld, but goes on from %lld", i, p,
                          (long long) s->partitions[p].committed, (long long) s->partitions[p].position);
        for (uint32_t c = 0; c < WR_COUNT(w->cuts); c++)
            if (epoch != 0 && w->cuts[c].epoch == epoch && w->cuts[c].life == life &&
                w->rt->sources[i].watermark < w->cuts[c].watermark[i])
                sim_wrong(w, "T4: source %u stands %lld us behind its checkpoint", i,
                          (long long) (w->cuts[c].watermark[i] - w->rt->sources[i].watermark));
    }
}

static void
config_fill(sim_world *w, wr_runtime_config *c)
{
    *c = (wr_runtime_config){ .executor = WR_EXECUTOR_SEEDED,
                              .workers = w->workers,
                              .seed = wr_random_next(&w->random),
                              .clock = &w->clock.clock,
                              .state = w->pipeline->state,
                              .flow = w->pipeline->flow,
                              .data_dir = SIM_DISK,
                              .checkpoint_us = w->plan.checkpoint_us,
                              .on_row_error = WR_ROW_DEAD_LETTER,
                              .final_checkpoint = w->plan.final_checkpoint,
                              .batch_rows_max = w->plan.batch_rows,
                              .outbox_slots = w->plan.outbox_slots,
                              .ring_batches_max = w->plan.ring_batches,
                              .event = runtime_event,
                              .user = w };
}

static void life_end(sim_world *w, const char *why);

static void
open_later(sim_world *w, const weir_error *err)
{
    sim_saw(w, SIM_OPEN_FAILED);
    if (w->calm && !w->crashed)
        sim_wrong(w, "the pipeline does not start: %s", err->text);
    life_end(w, err->text);
}

static void
life_begin(sim_world *w)
{
    wr_runtime_config config;
    weir_error        err;
    wr_error_clear(&err);
    w->life++;
    w->failures = 0;
    for (uint32_t i = 0; i < WR_COUNT(w->watermarks); i++)
        w->watermarks[i] = WR_TIME_START;
    if (w->life == 1 || w->plan.other_workers) {
        uint32_t workers = 1 + (uint32_t) sim_below(w, 4);
        if (w->life > 1 && workers != w->workers)
            sim_saw(w, workers > w->workers ? SIM_RESTART_MORE : SIM_RESTART_FEWER);
        w->workers = workers;
    }
    for (uint32_t i = 0; i < w->source_count; i++)
        sim_source_life(&w->sources[i]);
    uint64_t read_errors = w->seen[SIM_DISK_READ_EIO];
    config_fill(w, &config);
    sim_trace(w, "life %u begins with %u workers", w->life, w->workers);
    if (wr_runtime_create(&w->pipeline->job, w->bindings, w->source_count, w->sink_bindings, w->sink_count, &config, &w->rt,
                          &err) != WEIR_OK) {
        w->rt = NULL;
        open_later(w, &err);
        return;
    }
    bool     found = w->rt->has_restored;
    for (uint32_t i = 0; i < w->sink_count; i++)
        if (w->rt->sinks[i].undo.back != NULL)
            sim_saw(w, SIM_KEYS_TAKEN_BACK);
    wr_epoch epoch = found ? w->rt->restored.epoch : 0;
    uint32_t life = found ? w->sequence_life[w->rt->restored.sequence % WR_COUNT(w->sequence_life)] : 0;
    bool     skipped = err.text[0] != '\0', renewed = w->rt->renewed;
    w->checked = epoch;
    sim_trace(w, "life %u goes on from epoch %llu of life %u%s%s", w->life, (unsigned long long) epoch, life,
              skipped ? "; " : "", err.text);
    if (skipped)
        sim_saw(w, SIM_CHECKPOINT_SKIPPED);
    if (w->life > 1 && !found)
        sim_saw(w, SIM_RESTART_FRESH);
    for (uint32_t i = 0; i < w->sink_count; i++)
        sim_sink_life(&w->sinks[i], renewed ? SIM_EPOCH_END : epoch, life);
    wr_error_clear(&err);
    if (wr_runtime_start(w->rt, &err) != WEIR_OK) {
        open_later(w, &err);
        return;
    }
    restored_check(w, epoch, life, skipped || w->seen[SIM_DISK_READ_EIO] != read_errors);
    sim_moved(w);
}

/* The process is gone; a new one comes in a while. */
static void
life_end(sim_world *w, const char *why)
{
    sim_trace(w, "life %u ends: %s", w->life, why);
    if (!w->crashed)
        sim_disk_crash(w->disk);
    if (w->rt != NULL && w->rt->coordinator.under_way != 0)
        sim_saw(w, SIM_KILL_IN_EPOCH);
    if (w->ending)
        sim_saw(w, SIM_KILL_AT_END);
    for (uint32_t i = 0; i < w->sink_count; i++)
        sim_sink_die(&w->sinks[i]);
    w->crashed = true; /* what it does on its way out is not seen */
    wr_runtime_destroy(w->rt);
    w->rt = NULL;
    w->crashed = false;
    w->source_fails = w->sink_fails = false;
    sim_disk_set(w->disk)->kill_at = 0;
    sim_disk_reopen(w->disk);
    if (w->plan.rot && !w->calm && sim_chance(w, 8) && sim_disk_rot(w->disk))
        sim_saw(w, SIM_DISK_ROT);
    sim_at(w, w->clock.now + 1 + sim_below(w, sim_chance(w, 8) ? 100000 : 5 * SIM_SECOND), SIM_AT_OPEN, 0, 0, false);
}

/* --- events --- */

static void
disk_window(sim_world *w, bool begins)
{
    sim_disk_faults *f = sim_disk_set(w->disk);
    begins = begins && !w->calm;
    f->eio_1024 = begins ? (uint32_t) sim_below(w, 200) : 0;
    f->full_1024 = begins && sim_chance(w, 8) ? (uint32_t) sim_below(w, 400) : 0;
    f->read_eio_1024 = begins && sim_chance(w, 4) ? (uint32_t) sim_below(w, 60) : 0;
    if (begins)
        sim_at(w, w->clock.now + sim_below(w, 8 * SIM_SECOND), SIM_AT_DISK_WINDOW_END, 0, 0, false);
}

static void
broker_down(sim_world *w, uint32_t which)
{
    for (uint32_t i = 0; i < 2; i++)
        w->broker_down[i] = w->broker_down[i] || which == 2 || i == which;
    sim_saw(w, which == 2 ? SIM_ALL_BROKERS_DOWN : SIM_BROKER_DOWN);
    sim_at(w, w->clock.now + 1 + sim_below(w, 10 * SIM_SECOND), SIM_AT_BROKER_UP, 0, 0, false);
}

static void
calm(sim_world *w)
{
    w->calm = true;
    w->stalled_sink = NULL;
    w->stalled = w->source_fails = w->sink_fails = w->broker_down[0] = w->broker_down[1] = false;
    disk_window(w, false);
    sim_disk_set(w->disk)->kill_at = 0;
    sim_broker_change(w);
    for (uint32_t i = 0; i < w->sink_count; i++)
        sim_sink_wake(&w->sinks[i]);
}

static void
event_serve(sim_world *w, const sim_event *e)
{
    sim_source *s = &w->sources[e->a % SIM_SOURCES_MAX];
    if (e->life != 0 && e->life != w->life)
        return;
    switch (e->kind) {
    case SIM_AT_APPEND:
        sim_moved(w);
        sim_broker_append(s, e->b);
        break;
    case SIM_AT_FETCHED: sim_broker_fetched(s, e->b); break;
    case SIM_AT_ASSIGN: sim_assign(s); break;
    case SIM_AT_REBALANCE_END: sim_rebalance_end(s); break;
    case SIM_AT_ACK: sim_sink_wake(&w->sinks[e->a]); break;
    case SIM_AT_STALL_END:
    case SIM_AT_BROKER_UP:
        if (e->kind == SIM_AT_STALL_END) {
            w->stalled = false;
            w->stalled_sink = NULL;
        } else
            w->broker_down[0] = w->broker_down[1] = false;
        sim_trace(w, "world: %s", e->kind == SIM_AT_STALL_END ? "sinks take rows again" : "brokers are there");
        for (uint32_t i = 0; i < w->sink_count; i++)
            sim_sink_wake(&w->sinks[i]);
        sim_broker_change(w);
        break;
    case SIM_AT_CALM: calm(w); break;
    case SIM_AT_END:
        w->ending = true;
        sim_trace(w, "world: the end");
        sim_moved(w);
        sim_broker_change(w);
        break;
    case SIM_AT_OPEN: life_begin(w); break;
    case SIM_AT_DISK_WINDOW_END: disk_window(w, false); break;
    case SIM_AT_KILL:
        if (w->rt == NULL)
            break;
        if (e->b != 0 && !w->calm) /* at an operation to come */
            sim_disk_set(w->disk)->kill_at = sim_disk_operations(w->disk) + e->b;
        else {
            sim_saw(w, SIM_KILL_STEP);
            life_end(w, "killed");
        }
        break;
    default: break;
    }
    if (w->calm)
        return;
    switch (e->kind) {
    case SIM_AT_BROKER_DOWN:
        broker_down(w, e->a);
        sim_trace(w, "world: broker %u is down", e->a);
        sim_broker_change(w);
        break;
    case SIM_AT_REBALANCE: sim_rebalance(s); break;
    case SIM_AT_STALL:
        w->stalled_sink = sim_chance(w, 8) ? &w->sinks[sim_below(w, w->sink_count)] : NULL;
        w->stalled = w->stalled_sink == NULL;
        sim_trace(w, "world: %s takes nothing", w->stalled ? "no sink" : w->stalled_sink->name);
        sim_at(w, w->clock.now + 1 + sim_below(w, 10 * SIM_SECOND), SIM_AT_STALL_END, 0, 0, false);
        break;
    case SIM_AT_CLOCK_JUMP:
        w->clock.jump += sim_below(w, 2 * 3600 * SIM_SECOND) - 3600 * SIM_SECOND;
        sim_saw(w, SIM_CLOCK_JUMP);
        break;
    case SIM_AT_SOURCE_FAILS:
        w->source_fails = w->rt != NULL;
        sim_broker_change(w);
        break;
    case SIM_AT_SINK_FAILS: w->sink_fails = w->rt != NULL; break;
    case SIM_AT_DISK_WINDOW: disk_window(w, true); break;
    case SIM_AT_BARRIER:
        if (w->rt != NULL)
            (void) wr_runtime_barrier(w->rt);
        break;
    default: break;
    }
}

static void
events_plan(sim_world *w)
{
    int64_t begin = w->clock.now, span = w->calm_at - begin;
    for (uint32_t i = 0; i < w->source_count; i++)
        for (uint32_t p = 0; p < w->sources[i].partition_count; p++)
            for (uint32_t m = 0; m < w->sources[i].partitions[p].count; m++)
                sim_at(w, w->sources[i].partitions[p].messages[m].at, SIM_AT_APPEND, i, p, false);
    const struct {
        uint32_t       count;
        sim_event_kind kind;
        uint32_t       a;
    } plans[] = {
        { w->plan.broker_downs, SIM_AT_BROKER_DOWN, 3 },
        { w->plan.rebalances, SIM_AT_REBALANCE, w->source_count },
        { w->plan.stalls, SIM_AT_STALL, 1 },
        { w->plan.clock_jumps, SIM_AT_CLOCK_JUMP, 1 },
        { w->plan.source_fails, SIM_AT_SOURCE_FAILS, 1 },
        { w->plan.sink_fails, SIM_AT_SINK_FAILS, 1 },
        { w->plan.disk_windows, SIM_AT_DISK_WINDOW, 1 },
        { (uint32_t) sim_below(w, 4), SIM_AT_BARRIER, 1 },
    };
    for (uint32_t i = 0; i < WR_COUNT(plans); i++)
        for (uint32_t n = 0; n < plans[i].count; n++)
            sim_at(w, begin + sim_below(w, span), plans[i].kind, (uint32_t) sim_below(w, plans[i].a), 0, false);
    for (uint32_t i = 0; i < w->plan.kills; i++) {
        int64_t at = sim_chance(w, 2) ? w->end_at + sim_below(w, 3000) : begin + sim_below(w, w->end_at - begin);
        sim_at(w, at, SIM_AT_KILL, 0, 0, false);
    }
    for (uint32_t i = 0; i < w->plan.kills_by_disk; i++)
        sim_at(w, begin + sim_below(w, span), SIM_AT_KILL, 0, 1 + (uint32_t) sim_below(w, 40), false);
    sim_at(w, w->calm_at, SIM_AT_CALM, 0, 0, false);
    sim_at(w, w->end_at, SIM_AT_END, 0, 0, false);
    sim_at(w, w->clock.now, SIM_AT_OPEN, 0, 0, false);
}

/* --- the course --- */

/* T6: rows and bad records, over all lives. */
static void
counts_check(sim_world *w)
{
    for (uint32_t i = 0; i < w->source_count; i++) {
        const sim_source *s = &w->sources[i];
        wr_lane_view      lanes[2 * SIM_PARTITIONS_MAX];
        uint32_t          count = wr_runtime_lanes(w->rt, i, lanes, WR_COUNT(lanes));
        for (uint32_t n = 0; n < count; n++) {
            const sim_partition *p = &s->partitions[lanes[n].partition];
            if (lanes[n].rows != p->row_count || lanes[n].bad != p->bad_count)
                sim_wrong(w, "T6: %u/%d: %llu rows and %llu bad ones are counted, there were %u and %u", i,
                          (int) lanes[n].partition, (unsigned long long) lanes[n].rows, (unsigned long long) lanes[n].bad,
                          p->row_count, p->bad_count);
        }
    }
}

/* T6: late rows as the operators count them, when nothing was ever restored. */
static void
lates_check(sim_world *w)
{
    uint32_t sink = 0;
    for (uint32_t i = 0; i < w->view_count; i++) {
        const sim_sink *late = w->views[i].lates ? &w->sinks[sink + 1] : NULL;
        sink += 1 + (late != NULL) + w->views[i].keyed + w->views[i].flagged + w->views[i].summed;
        uint64_t rows = lates_of(w, &w->views[i]);
        if (w->life == 1 && rows != (late != NULL ? late->exact.count : 0))
            sim_wrong(w, "T6: view %s counts %llu late rows, its late stream has %u", w->views[i].name,
                      (unsigned long long) rows, late != NULL ? late->exact.count : 0);
    }
}

static void
answers_check(sim_world *w)
{
    uint32_t sink = 0;
    for (uint32_t i = 0; i < w->view_count && w->wrong[0] == '\0'; i++) {
        const sim_view *v = &w->views[i];
        sim_sink       *all = &w->sinks[sink++];
        if (!sim_check_sink(w, all, v, false) || (v->lates && !sim_check_sink(w, &w->sinks[sink++], v, true)) ||
            (v->keyed && !sim_check_keyed(w, &w->sinks[sink++], all, false)) ||
            (v->flagged && !sim_check_keyed(w, &w->sinks[sink++], all, true)) ||
            (v->summed && !sim_check_summed(w, &w->sinks[sink++], all)))
            return;
    }
}

/* Where to when nothing is ready: the next event, or the engine's next timer. */
static void
clock_move(sim_world *w)
{
    int64_t next = w->event_count > 0 ? w->events[0].at : INT64_MAX;
    if (w->rt != NULL)
        next = WR_MIN(next, wr_runtime_next_timer(w->rt));
    if (next == INT64_MAX)
        sim_wrong(w, "T7: nothing is to come, and the pipeline has not ended");
    else
        w->clock.now = WR_MAX(w->clock.now + (next <= w->clock.now), next);
}

static void
course(sim_world *w)
{
    weir_error err;
    for (uint32_t steps = 0; w->wrong[0] == '\0'; steps++) {
        while (w->event_count > 0 && w->events[0].at <= w->clock.now) {
            sim_event e = event_take(w);
            event_serve(w, &e);
        }
        if (w->rt == NULL) {
            clock_move(w);
            continue;
        }
        bool ran = wr_runtime_step(w->rt);
        w->clock.now += sim_below(w, w->plan.step_us + 1);
        if (w->crashed) {
            life_end(w, "died in an operation of the disk");
            continue;
        }
        if (wr_runtime_status(w->rt, &err) != WEIR_OK) {
            if (w->calm)
                sim_wrong(w, "the pipeline fails: %s", err.text);
            life_end(w, err.text);
            continue;
        }
        if (steps % LOOK_STEPS == 0 || !ran || w->verbose)
            look(w);
        if (wr_runtime_finished(w->rt)) {
            counts_check(w);
            lates_check(w);
            if (!w->plan.again || w->run_again)
                return;
            w->run_again = true;
            sim_saw(w, SIM_RUN_AGAIN);
            life_end(w, "it has ended, and is run once more");
            continue;
        }
        if (!ran)
            clock_move(w);
        if (steps == STEPS_MAX || w->clock.now > w->end_at + 300 * SIM_SECOND)
            sim_wrong(w, "T7: it does not come to an end");
    }
}

static bool
world_open(sim_world *w)
{
    weir_error   err;
    weir_report *report = weir_report_open();
    const char  *text = sim_scenario_text(w);
    wr_error_clear(&err);
    for (uint32_t i = 0; w->verbose && i < w->source_count; i++)
        for (uint32_t p = 0; p < w->sources[i].partition_count; p++)
            for (uint32_t m = 0; m < w->sources[i].partitions[p].count; m++)
                fprintf(stderr, "%u/%u message %u at %.6f\n%s", i, p, m,
                        (double) (w->sources[i].partitions[p].messages[m].at - 1767225600LL * SIM_SECOND) / 1e6,
                        w->sources[i].partitions[p].messages[m].text);
    if (w->verbose)
        fprintf(stderr, "%s\n", text);
    bool ok = weir_open(&(weir_options){ .workers = 1, .memory_bytes_max = 1 << 30 }, &w->engine, &err) == WEIR_OK &&
              weir_pipeline_load(w->engine, "sim.yaml", text, NULL, NULL, report, &w->pipeline) == WEIR_OK;
    if (!ok) {
        char *lines = weir_report_print(report, false);
        sim_wrong(w, "the pipeline cannot be loaded: %s%s", err.text, lines);
        weir_free(lines);
    }
    weir_report_close(report);
    return ok;
}

static void
world_bind(sim_world *w)
{
    weir_pipeline *p = w->pipeline;
    wr_assert(p->source_count == w->source_count && p->sink_count <= SIM_SINKS_MAX);
    w->bindings = wr_arena_calloc(&w->arena, p->source_count, sizeof *w->bindings);
    w->sink_bindings = wr_arena_calloc(&w->arena, p->sink_count, sizeof *w->sink_bindings);
    for (uint32_t i = 0; i < p->source_count; i++) {
        w->bindings[i] = p->sources[i];
        w->bindings[i].ops = &sim_source_ops;
        w->bindings[i].config = &w->sources[strcmp(p->sources[i].name, "s") == 0 ? 0 : 1];
        w->bindings[i].idle_us = w->plan.idle_us;
        w->bindings[i].ahead_us = w->plan.ahead_us;
    }
    for (uint32_t i = 0; i < p->sink_count; i++) {
        w->sinks[i] = (sim_sink){ .world = w, .index = i, .name = p->sinks[i].name };
        w->sink_bindings[i] = p->sinks[i];
        w->sink_bindings[i].ops = &sim_sink_ops;
        w->sink_bindings[i].config = &w->sinks[i];
        w->sink_bindings[i].encoder = NULL;
    }
    w->sink_count = p->sink_count;
}

static void
silence(void *user, const char *line, size_t length)
{
}

bool
sim_run(uint64_t seed, bool verbose, uint64_t *seen, uint64_t *hash, char wrong[2000])
{
    static sim_world w; /* large */
    uint64_t         before = wr_budget_used(wr_budget_process());
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.seen = seen;
    w.verbose = verbose;
    w.clock.clock = (wr_clock){ clock_wall, clock_monotonic };
    wr_log_set_sink(silence, NULL);
    wr_random_init(&w.random, wr_mix64(seed + 1));
    wr_arena_init(&w.arena, NULL);
    sim_scenario_draw(&w);
    w.disk = sim_disk_create(&w);
    sim_disk_use(w.disk);
    if (world_open(&w)) {
        world_bind(&w);
        if (w.plan.final_checkpoint)
            sim_saw(&w, SIM_FINAL_CHECKPOINT);
        events_plan(&w);
        course(&w);
        w.crashed = true;
        wr_runtime_destroy(w.rt);
        answers_check(&w);
    }
    weir_close(w.engine);
    for (uint32_t i = 0; i < w.sink_count; i++)
        sim_sink_fini(&w.sinks[i]);
    sim_disk_destroy(w.disk);
    free(w.events);
    wr_arena_fini(&w.arena);
    uint64_t after = wr_budget_used(wr_budget_process());
    if (after != before)
        sim_wrong(&w, "T7: %llu bytes are left allocated", (unsigned long long) (after - before));
    *hash = w.hash;
    snprintf(wrong, 2000, "%s", w.wrong);
    return w.wrong[0] == '\0';
}
