/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/scenario.c -- draws from the seed what is run: views, rows and their messages, what goes wrong.
 *
 * Three classes of input:
 *   IN_TIME        disorder and delays stay below the watermark's delay, so no row may be late whatever happens
 *   ONE_LANE_LATE  one partition a source, rows far out of order: which are late hangs on their order alone
 *   LANES_LATE     the same over several partitions: which are late hangs on how they interleave, but each row is
 *                  either in its window or late
 */
#include "sim/sim.h"

#include <string.h>
#include <time.h>

static const int64_t BEGIN = 1767225600LL * SIM_SECOND; /* 2026-01-01 */
enum { BOUNDARY_US = 500000 };                          /* all windows begin and end at such times */

/* --- views --- */

static const char *
span(sim_world *w, int64_t us)
{
    return wr_arena_printf(&w->arena, "interval '%lld milliseconds'", (long long) (us / 1000));
}

/* Does its state grow with its keys, and is every row of it taken back when it changes? */
static bool
is_unbounded(sim_view_kind kind)
{
    return kind == SIM_GROUP || kind == SIM_TOP || kind == SIM_TABLES || kind == SIM_FULL_TABLES || kind == SIM_DISTINCT;
}

static void
view_text(sim_world *w, const sim_view *v, wr_text *to)
{
    static const char tumbled[] = "count(*) AS n, sum(v) AS sv, min(v) AS lo, max(v) AS hi";
    const char       *a = span(w, v->a), *b = span(w, v->b);
    wr_text_printf(to, "  %s:\n", v->name);
    if (v->kind == SIM_TUMBLE_CHANGES || v->kind == SIM_SESSION_CHANGES)
        wr_text_puts(to, "    emit: changes\n");
    if (is_unbounded(v->kind))
        wr_text_puts(to, "    state: { unbounded: true }\n");
    wr_text_puts(to, "    sql: |\n      ");
    switch (v->kind) {
    case SIM_FILTER:
        wr_text_printf(to, "SELECT id, k, v, v * 3 + k AS x FROM s WHERE v >= %lld", (long long) v->c);
        break;
    case SIM_TUMBLE:
    case SIM_TUMBLE_CHANGES:
        wr_text_printf(to, "SELECT window_start, k, %s FROM tumble(s, ts, %s) GROUP BY window_start, k", tumbled, a);
        break;
    case SIM_HOP:
        wr_text_printf(to, "SELECT window_start, k, %s FROM hop(s, ts, %s, %s) GROUP BY window_start, k", tumbled, b, a);
        break;
    case SIM_GROUP: wr_text_puts(to, "SELECT k, count(*) AS n, sum(v) AS sv, max(v) AS hi FROM s GROUP BY k"); break;
    case SIM_TOP:
        wr_text_printf(to,
                       "SELECT id, k, v FROM (SELECT id, k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC NULLS LAST, "
                       "id) AS rn FROM s) x WHERE rn <= %lld",
                       (long long) v->c);
        break;
    case SIM_JOIN:
    case SIM_LEFT_JOIN:
        wr_text_printf(to,
                       "SELECT x.id AS l, y.id AS r FROM s x %s r y ON x.k = y.k AND y.ts >= x.ts - %s AND y.ts <= x.ts + %s",
                       v->kind == SIM_JOIN ? "JOIN" : "LEFT JOIN", a, b);
        break;
    case SIM_WINDOW_TOP:
        wr_text_printf(to,
                       "SELECT window_start, k, n FROM (SELECT window_start, k, n, row_number() OVER (PARTITION BY "
                       "window_start ORDER BY n DESC, k) AS rn FROM (SELECT window_start, k, count(*) AS n FROM "
                       "tumble(s, ts, %s) GROUP BY window_start, k) y) x WHERE rn <= %lld",
                       a, (long long) v->c);
        break;
    case SIM_UNION: wr_text_puts(to, "SELECT id, k FROM s UNION ALL SELECT id + 1000000, k FROM r"); break;
    case SIM_TABLES:
    case SIM_FULL_TABLES:
        wr_text_printf(to,
                       "SELECT x.k, x.n, y.k, y.sv FROM (SELECT k, count(*) AS n FROM s GROUP BY k) x %s JOIN "
                       "(SELECT k, sum(v) AS sv FROM r GROUP BY k) y ON x.k = y.k",
                       v->kind == SIM_TABLES ? "" : "FULL");
        break;
    case SIM_DEDUP: wr_text_printf(to, "SELECT k, ts FROM dedup(s, k, %s)", a); break;
    case SIM_DISTINCT: wr_text_puts(to, "SELECT k, count(DISTINCT v) AS d, sum(DISTINCT v) AS sd FROM s GROUP BY k"); break;
    case SIM_SESSION:
    case SIM_SESSION_CHANGES:
        wr_text_printf(to,
                       "SELECT window_start, window_end, k, count(*) AS n FROM session(s, ts, %s, k) GROUP BY window_start, "
                       "window_end, k",
                       a);
        break;
    case SIM_VIEW_KINDS: wr_unreachable();
    }
    wr_text_puts(to, "\n");
    if (v->flagged)
        wr_text_printf(to, "  %sf:\n    sql: SELECT k, sv > %d AS large FROM %s\n", v->name, SIM_LARGE, v->name);
    if (v->summed)
        wr_text_printf(to, "  %ss:\n    state: { unbounded: true }\n    sql: SELECT k, count(*) AS n FROM %s GROUP BY k\n",
                       v->name, v->name);
    if (v->lates)
        wr_text_printf(to, "  %sl:\n    sql: SELECT k, %sts FROM %s.late\n", v->name, v->kind == SIM_DEDUP ? "" : "v, ",
                       v->name);
}

const char *
sim_scenario_text(sim_world *w)
{
    wr_text to;
    wr_text_init(&to, NULL);
    wr_text_puts(&to, "name: sim\nsources:\n");
    for (uint32_t i = 0; i < w->source_count; i++)
        wr_text_printf(&to,
                       "  %s:\n    push: {}\n    columns: \"id int8, k int8, v int8, ts timestamptz\"\n    watermark: ts - %s\n"
                       "    late: dead_letter\n",
                       i == 0 ? "s" : "r", span(w, w->delay_us));
    wr_text_puts(&to, "views:\n");
    for (uint32_t i = 0; i < w->view_count; i++)
        view_text(w, &w->views[i], &to);
    wr_text_puts(&to, "sinks:\n");
    for (uint32_t i = 0; i < w->view_count; i++) {
        wr_text_printf(&to, "  o%u: { from: %s, stdout: {} }\n", i, w->views[i].name);
        if (w->views[i].lates)
            wr_text_printf(&to, "  o%ul: { from: %sl, stdout: {} }\n", i, w->views[i].name);
        if (w->views[i].keyed)
            wr_text_printf(&to, "  o%uk: { from: %s, changes: upsert, stdout: {} }\n", i, w->views[i].name);
        if (w->views[i].flagged)
            wr_text_printf(&to, "  o%uf: { from: %sf, changes: upsert, stdout: {} }\n", i, w->views[i].name);
        if (w->views[i].summed)
            wr_text_printf(&to, "  o%us: { from: %ss, changes: upsert, stdout: {} }\n", i, w->views[i].name);
    }
    const char *text = wr_arena_strdup(&w->arena, wr_text_string(&to));
    wr_text_fini(&to);
    return text;
}

static bool
kind_fits(const sim_world *w, sim_view_kind kind)
{
    static const struct {
        uint32_t sources;
        bool     in_time, one_lane, lanes;
    } fits[SIM_VIEW_KINDS] = {
        [SIM_FILTER] = { 1, true, true, true },      [SIM_TUMBLE] = { 1, true, true, true },
        [SIM_TUMBLE_CHANGES] = { 1, true, true, true }, [SIM_HOP] = { 1, true, true, false },
        [SIM_GROUP] = { 1, true, true, true },       [SIM_TOP] = { 1, true, true, true },
        [SIM_JOIN] = { 2, true, false, false },      [SIM_LEFT_JOIN] = { 2, true, false, false },
        [SIM_WINDOW_TOP] = { 1, true, false, false }, [SIM_UNION] = { 2, true, true, true },
        [SIM_TABLES] = { 2, true, true, true },      [SIM_FULL_TABLES] = { 2, true, true, true },
        [SIM_SESSION] = { 1, true, false, false },   [SIM_SESSION_CHANGES] = { 1, true, false, false },
        [SIM_DEDUP] = { 1, true, true, false },      [SIM_DISTINCT] = { 1, true, true, true },
    };
    bool of_class = w->class == SIM_IN_TIME         ? fits[kind].in_time
                    : w->class == SIM_ONE_LANE_LATE ? fits[kind].one_lane
                                                    : fits[kind].lanes;
    return of_class && fits[kind].sources <= w->source_count;
}

static void
views_draw(sim_world *w)
{
    static const int64_t sizes[] = { 500000, 1 * SIM_SECOND, 2 * SIM_SECOND, 5 * SIM_SECOND, 10 * SIM_SECOND };
    w->view_count = 1 + (uint32_t) sim_below(w, 3);
    for (uint32_t i = 0; i < w->view_count; i++) {
        sim_view *v = &w->views[i];
        do
            v->kind = (sim_view_kind) sim_below(w, SIM_VIEW_KINDS);
        while (!kind_fits(w, v->kind));
        snprintf(v->name, sizeof v->name, "v%u", i);
        v->a = sizes[sim_below(w, WR_COUNT(sizes))];
        v->b = sizes[sim_below(w, WR_COUNT(sizes))];
        if (v->kind == SIM_HOP && v->b > v->a) {
            int64_t size = v->b;
            v->b = v->a;
            v->a = size;
        }
        v->c = v->kind == SIM_FILTER ? sim_below(w, 20) : 1 + sim_below(w, 3);
        v->changes = is_unbounded(v->kind) || v->kind == SIM_TUMBLE_CHANGES || v->kind == SIM_SESSION_CHANGES;
        bool judges = v->kind == SIM_TUMBLE || v->kind == SIM_HOP || v->kind == SIM_TUMBLE_CHANGES || v->kind == SIM_DEDUP;
        v->lates = w->class != SIM_IN_TIME && judges;
        v->flagged = v->kind == SIM_GROUP;
        v->summed = v->kind == SIM_TUMBLE && w->plan.again;
        v->keyed = v->kind == SIM_GROUP || v->kind == SIM_DISTINCT || v->kind == SIM_TABLES || v->kind == SIM_TUMBLE_CHANGES;
    }
}

/* --- input --- */

static int64_t
time_draw(sim_world *w, int64_t at)
{
    int64_t jitter = sim_below(w, w->jitter_us + 1), quantum = WR_MIN(w->jitter_us, (int64_t) 100000);
    if (w->class != SIM_IN_TIME && sim_chance(w, 3))
        jitter = sim_below(w, 3 * w->delay_us + 15 * SIM_SECOND);
    int64_t ts = at - jitter;
    if (quantum == 100000 && jitter + quantum <= w->jitter_us)
        ts -= ts % quantum;
    int64_t before = ts - ts % BOUNDARY_US - 1; /* the last microsecond of a window: its end is one more */
    if (sim_chance(w, 1) && (w->class != SIM_IN_TIME || at - before <= w->jitter_us))
        ts = before;
    return ts;
}

static void
message_make(sim_world *w, sim_partition *p, int64_t at, int64_t *id, bool poisoned)
{
    wr_text text;
    sim_message *m = &p->messages[p->count++];
    uint32_t rows = sim_chance(w, 6) ? 1 + (uint32_t) sim_below(w, 5) : 1;
    wr_text_init(&text, NULL);
    *m = (sim_message){ .at = at };
    for (uint32_t i = 0; i < rows; i++) {
        sim_row *r = &p->rows[p->row_count++];
        *r = (sim_row){ .id = ++*id,
                        .k = sim_below(w, w->keys),
                        .v = sim_below(w, 20),
                        .v_null = sim_chance(w, 1),
                        .ts = time_draw(w, at) };
        if (poisoned && sim_chance(w, 1)) {
            static const char *const bad[] = { "nonsense\n", "{\"id\":\n", "{\"id\" 1}\n", "\"text\"\n" };
            wr_text_puts(&text, bad[sim_below(w, WR_COUNT(bad))]);
            m->bad++;
            p->bad_count++;
            sim_saw(w, SIM_POISON);
        }
        wr_text_printf(&text, "{\"id\":%lld,\"k\":%lld,\"v\":", (long long) r->id, (long long) r->k);
        if (r->v_null)
            wr_text_puts(&text, "null");
        else
            wr_text_printf(&text, "%lld", (long long) r->v);
        time_t     seconds = (time_t) (r->ts / SIM_SECOND);
        struct tm  tm;
        char       stamp[64];
        gmtime_r(&seconds, &tm);
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
        wr_text_printf(&text, ",\"ts\":\"%s.%06lldZ\"}\n", stamp, (long long) (r->ts % SIM_SECOND));
        m->rows++;
    }
    m->length = text.length;
    m->text = wr_arena_strndup(&w->arena, wr_text_string(&text), text.length);
    wr_text_fini(&text);
}

static void
source_draw(sim_world *w, sim_source *s, uint32_t index)
{
    uint32_t messages = 10 + (uint32_t) sim_below(w, sim_chance(w, 4) ? 250 : 80);
    bool     poisoned = sim_chance(w, 3);
    int64_t  id = 0, silent_from[SIM_PARTITIONS_MAX], silent_to[SIM_PARTITIONS_MAX];
    *s = (sim_source){ .world = w, .index = index };
    s->partition_count = w->class == SIM_ONE_LANE_LATE ? 1 : 1 + (uint32_t) sim_below(w, SIM_PARTITIONS_MAX);
    for (uint32_t i = 0; i < s->partition_count; i++) {
        s->partitions[i] = (sim_partition){ .committed = -1 };
        s->partitions[i].messages = wr_arena_calloc(&w->arena, messages, sizeof(sim_message));
        s->partitions[i].rows = wr_arena_calloc(&w->arena, 6 * messages, sizeof(sim_row));
        silent_from[i] = sim_chance(w, 6) ? sim_below(w, w->span_us) : w->span_us;
        silent_to[i] = silent_from[i] + sim_below(w, w->span_us);
    }
    for (uint32_t n = 0; n < messages; n++) {
        int64_t  at = w->span_us * n / messages + sim_below(w, w->span_us / messages + 1);
        uint32_t i = (uint32_t) sim_below(w, s->partition_count);
        for (uint32_t tries = 0; tries < 4 && at >= silent_from[i] && at < silent_to[i]; tries++)
            i = (i + 1) % s->partition_count;
        message_make(w, &s->partitions[i], BEGIN + at, &id, poisoned);
    }
}

/* --- what goes wrong --- */

static uint32_t
some(sim_world *w, uint32_t most)
{
    return sim_chance(w, 8) ? (uint32_t) sim_below(w, (int64_t) most + 1) : 0;
}

static void
plan_draw(sim_world *w)
{
    sim_plan *p = &w->plan;
    bool      tiny = sim_chance(w, 4);
    *p = (sim_plan){
        .latency_us = 1 + sim_below(w, 50000),
        .slow_latency_us = sim_chance(w, 4) ? sim_below(w, 3 * SIM_SECOND) : 0,
        .duplicate_16 = some(w, 4),
        .broker_downs = some(w, 3),
        .rebalances = some(w, 3),
        .stalls = some(w, 3),
        .clock_jumps = some(w, 2),
        .source_fails = some(w, 1),
        .sink_fails = some(w, 1),
        .disk_windows = some(w, 3),
        .late_assignment = sim_chance(w, 4),
        .ack_us = sim_below(w, sim_chance(w, 8) ? 20000 : 1 * SIM_SECOND),
        .retry_16 = some(w, 6),
        .kills = some(w, 4),
        .kills_by_disk = some(w, 3),
        .rot = sim_chance(w, 3),
        .other_workers = sim_chance(w, 8),
        .final_checkpoint = sim_chance(w, 4),
        .checkpoint_us = 100000 + sim_below(w, sim_chance(w, 8) ? 1 * SIM_SECOND : 6 * SIM_SECOND),
        .idle_us = sim_chance(w, 8) ? 300000 + sim_below(w, 3 * SIM_SECOND) : 0,
        .ahead_us = sim_chance(w, 4) ? 200000 + sim_below(w, 5 * SIM_SECOND) : 0,
        .step_us = sim_chance(w, 8) ? sim_below(w, 200) : 0,
        .batch_rows = tiny ? 1 : (uint32_t) sim_below(w, 40),
        .outbox_slots = tiny ? 1 : (uint32_t) sim_below(w, 3),
        .ring_batches = tiny ? 1 : (uint32_t) sim_below(w, 5),
        .rows_a_poll = 1 + (uint32_t) sim_below(w, sim_chance(w, 8) ? 3 : 100),
    };
    if (tiny)
        sim_saw(w, SIM_TINY_BUFFERS);
    /* By a draw of its own: what else a seed draws stays as it was. */
    p->again = p->final_checkpoint && wr_mix64(w->seed ^ 0x616761696e) % 4 == 0;
}

/* A partition may be called idle while a row of it is under way: so that none is late then, what is under way must come
 * sooner than the watermark's delay allows. */
static void
plan_fit_idle(sim_world *w)
{
    sim_plan *p = &w->plan;
    if (p->idle_us == 0 || w->class != SIM_IN_TIME)
        return;
    w->delay_us = WR_MAX(w->delay_us, 2 * SIM_SECOND);
    w->jitter_us = WR_MIN(w->jitter_us, w->delay_us / 4);
    p->latency_us = WR_MIN(p->latency_us, w->delay_us / 8);
    p->slow_latency_us = 0;
    p->stalls = 0;
    p->retry_16 = 0;
    p->ack_us = WR_MIN(p->ack_us, (int64_t) 20000);
    p->step_us = WR_MIN(p->step_us, (int64_t) 20);
}

void
sim_scenario_draw(sim_world *w)
{
    static const int64_t delays[] = { 0, 1 * SIM_SECOND, 2 * SIM_SECOND, 5 * SIM_SECOND };
    int64_t              class = sim_below(w, 10);
    w->clock.now = BEGIN;
    w->class = class < 6 ? SIM_IN_TIME : class < 8 ? SIM_ONE_LANE_LATE : SIM_LANES_LATE;
    w->source_count = 1 + (uint32_t) sim_below(w, 2);
    w->delay_us = delays[sim_below(w, WR_COUNT(delays))];
    w->jitter_us = sim_below(w, w->delay_us + 1);
    w->span_us = 5 * SIM_SECOND + sim_below(w, 40 * SIM_SECOND);
    w->keys = 1 + (uint32_t) sim_below(w, SIM_KEYS_MAX);
    plan_draw(w);
    plan_fit_idle(w);
    views_draw(w);
    for (uint32_t i = 0; i < w->source_count; i++)
        source_draw(w, &w->sources[i], i);
    w->calm_at = BEGIN + w->span_us + 1 + sim_below(w, 8 * SIM_SECOND);
    w->end_at = w->calm_at + 1 + sim_below(w, 5 * SIM_SECOND);
}
