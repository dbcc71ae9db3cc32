/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/test.c -- weir test: a pipeline's `tests:` under a virtual clock.
 *
 * Every source is replaced by a push source, sinks are left out, the executor is the seeded one; so a
 * test is the pipeline itself, byte for byte the same on every run from one seed.
 *
 * given + expect   feed everything, compare what came (nothing is closed that the watermark has not)
 * steps            feed, feed_together, advance, idle, restart, workers, end, expect, expect_changes, expect_counts, expect_state
 */
#include "data/datetime.h"
#include "engine/share.h"
#include "engine/test_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 10 * 1000 * 1000 };

typedef struct counts {
    uint64_t late, windows_late, failed, filtered, unknown, shed;
} counts;

typedef struct test {
    weir_pipeline *pipeline;
    const weir_test_options *options;
    wr_source_binding *sources;
    wr_clock_virtual clock;
    wr_runtime *runtime;
    wr_reader **readers;     /* a view */
    wr_test_rows *rows;      /* a view: what came since it was last expected */
    wr_test_ledger *ledgers; /* a view: what it has given and not taken back */
    counts *before;          /* a view: counted before the last restart */
    wr_arena arena;
    uint32_t workers;
    bool one_slot; /* batches of one row, buffers of one batch */
    uint64_t seed, peak_state;
    char dir[WR_SCRATCH_PATH];
    wr_text detail;
    weir_error err;
} test;

static weir_status
test_start(test *t)
{
    weir_pipeline *p = t->pipeline;
    wr_runtime_config c = { .executor = WR_EXECUTOR_SEEDED,
                            .workers = t->workers,
                            .seed = t->seed,
                            .clock = &t->clock.clock,
                            .state = p->state,
                            .flow = p->flow,
                            .data_dir = t->dir,
                            .isolates = true,
                            .on_row_error = WR_ROW_DEAD_LETTER,
                            .batch_rows_max = t->one_slot ? 1 : 0,
                            .outbox_slots = t->one_slot ? 1 : 0,
                            .ring_batches_max = t->one_slot ? 1 : 0 };
    WR_TRY(
        wr_runtime_create(&p->job, t->sources, p->source_count, NULL, 0, &c, &t->runtime, &t->err));
    for (uint32_t v = 0; v < p->view_count; v++) {
        wr_reader_config rc = { .required = true, .start = WR_START_TAIL, .shard = -1 };
        WR_TRY(wr_reader_create(wr_runtime_stream(t->runtime, p->views[v].stream), &rc,
                                &t->readers[v]));
    }
    return wr_runtime_start(t->runtime, &t->err);
}

static counts
test_counts(test *t, uint32_t view)
{
    const wr_planned *v = &t->pipeline->views[view];
    counts sum = t->before[view];
    uint32_t s;
    bool charged;
    for (uint32_t at = 0; wr_planned_segment(v, at, &s, &charged); at++)
        for (uint32_t o = 0; o < t->pipeline->job.segments[s].op_count; o++) {
            wr_op_counters c = { 0 };
            uint64_t bytes;
            wr_time w;
            wr_runtime_op_counters(t->runtime, s, o, &c, &bytes, &w);
            sum.late += c.rows_late;
            sum.windows_late += c.windows_late;
            sum.failed += c.rows_failed;
            sum.shed += c.rows_shed;
            sum.filtered += c.rows_filtered;
            sum.unknown += c.rows_unknown;
        }
    return sum;
}

/* Take what the views have given. */
static weir_status
test_drain(test *t)
{
    for (uint32_t v = 0; v < t->pipeline->view_count; v++) {
        wr_stream *stream = wr_runtime_stream(t->runtime, t->pipeline->views[v].stream);
        for (uint32_t shard = 0; shard < wr_stream_shards(stream); shard++) {
            wr_batch *b;
            while ((b = wr_reader_next(t->readers[v], shard, NULL)) != NULL) {
                weir_status st =
                    wr_test_collect(b, wr_stream_schema(stream), &t->arena, &t->rows[v]);
                wr_batch_release(b);
                WR_TRY(st);
            }
        }
    }
    return WEIR_OK;
}

/* At rest no view may have taken back what it never gave. */
static weir_status
test_audit(test *t)
{
    for (uint32_t v = 0; v < t->pipeline->view_count; v++) {
        const wr_planned *view = &t->pipeline->views[v];
        wr_text detail;
        wr_text_init(&detail, NULL);
        if (!wr_test_ledger_check(&t->ledgers[v], &t->rows[v], view->plan->schema, &t->arena,
                                  &detail))
            wr_error_set(&t->err, WEIR_INTERNAL, "view %s takes back a row that it never gave: %s",
                         view->name, wr_text_string(&detail));
        wr_text_fini(&detail);
        if (t->err.code != WEIR_OK)
            return t->err.code;
    }
    return WEIR_OK;
}

/* Run until nothing is ready and no timer is due at the clock's present time. */
static weir_status
test_run(test *t)
{
    for (uint32_t i = 0; i < STEPS_MAX; i++) {
        bool ran = wr_runtime_step(t->runtime);
        if ((i & 63) == 0 || !ran) {
            WR_TRY(test_drain(t));
            uint64_t state = wr_budget_used(t->pipeline->state);
            t->peak_state = WR_MAX(t->peak_state, state);
        }
        if (!ran) {
            WR_TRY(wr_runtime_status(t->runtime, &t->err));
            if (wr_runtime_next_timer(t->runtime) > t->clock.now && !wr_runtime_step(t->runtime))
                return test_drain(t);
        }
    }
    return wr_error_set(&t->err, WEIR_INTERNAL, "the pipeline does not come to rest");
}

static weir_status
test_settle(test *t)
{
    WR_TRY(test_run(t));
    return test_audit(t);
}

static void
test_stop(test *t)
{
    for (uint32_t v = 0; t->readers != NULL && v < t->pipeline->view_count; v++) {
        wr_reader_destroy(t->readers[v]);
        t->readers[v] = NULL;
    }
    if (t->runtime != NULL)
        wr_runtime_kill(t->runtime);
    wr_runtime_destroy(t->runtime);
    t->runtime = NULL;
}

static weir_status
test_restart(test *t, uint32_t workers)
{
    wr_epoch epoch = wr_runtime_barrier(t->runtime);
    WR_TRY(test_settle(t));
    if (wr_runtime_epoch_done(t->runtime) < epoch)
        return wr_error_set(&t->err, WEIR_CHECKPOINT,
                            "the checkpoint before the restart did not complete");
    for (uint32_t v = 0; v < t->pipeline->view_count; v++)
        t->before[v] = test_counts(t, v);
    test_stop(t);
    t->workers = workers;
    WR_TRY(test_start(t));
    return test_settle(t);
}

static int32_t
source_index(const test *t, const char *name)
{
    for (uint32_t s = 0; s < t->pipeline->source_count; s++)
        if (strcmp(t->pipeline->sources[s].name, name) == 0)
            return (int32_t)s;
    return -1;
}

static int32_t
view_index(const test *t, const char *name)
{
    for (uint32_t v = 0; v < t->pipeline->view_count; v++)
        if (strcmp(t->pipeline->views[v].name, name) == 0)
            return (int32_t)v;
    return -1;
}

static weir_status
unknown_name(test *t, const wr_node *key, const char *what)
{
    return wr_error_set(&t->err, WEIR_CONFIG_REFERENCE, "line %u: no %s is called \"%s\"",
                        key->line, what, key->text);
}

/* "bids" or "bids/1": a partition after the slash. */
static weir_status
split_partition(test *t, const wr_node *key, int32_t *source, int32_t *partition)
{
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(key->text, "/"), key->text);
    const char *slash = strchr(key->text, '/');
    *partition = slash != NULL ? atoi(slash + 1) : 0;
    *source = source_index(t, name);
    return *source >= 0 ? WEIR_OK : unknown_name(t, key, "source");
}

/* together: the rows of all sources are there before anything runs, so their order is the seed's. */
static weir_status
step_feed(test *t, const wr_node *map, bool together)
{
    for (uint32_t i = 0; map->kind == WR_NODE_MAP && i < map->count; i++) {
        int32_t source, partition;
        wr_batch *batch = NULL;
        WR_TRY(split_partition(t, map->keys[i], &source, &partition));
        const wr_source_binding *b = &t->sources[source];
        WR_TRY(wr_test_decode(map->items[i], b->schema, b->needed, t->pipeline->flow, &batch,
                              &t->err));
        while (batch != NULL &&
               wr_runtime_push(t->runtime, (uint32_t)source, partition, batch) == WR_FLOW_AGAIN)
            if (!wr_runtime_step(t->runtime))
                WR_TRY(test_drain(t));
        if (!together)
            WR_TRY(test_settle(t));
    }
    return test_settle(t);
}

static weir_status
step_advance(test *t, const wr_node *node)
{
    int64_t us;
    WR_TRY(wr_duration_parse(node->text != NULL ? node->text : "", &us, &t->err));
    wr_time until = t->clock.now + us;
    for (;;) { /* timer by timer, as time passes */
        wr_time due = wr_runtime_next_timer(t->runtime);
        if (due > until)
            break;
        wr_clock_virtual_set(&t->clock, WR_MAX(due, t->clock.now));
        WR_TRY(test_settle(t));
        if (wr_runtime_next_timer(t->runtime) <= t->clock.now)
            break;
    }
    wr_clock_virtual_set(&t->clock, until);
    return test_settle(t);
}

static weir_status
step_expect(test *t, const wr_node *map, bool changes, bool *ok)
{
    for (uint32_t i = 0; map->kind == WR_NODE_MAP && i < map->count; i++) {
        int32_t v = view_index(t, map->keys[i]->text);
        if (v < 0)
            return unknown_name(t, map->keys[i], "view");
        wr_text diff;
        wr_text_init(&diff, NULL);
        if (!wr_test_compare(map->items[i], t->pipeline->views[v].plan->schema, &t->rows[v],
                             changes, &t->arena, &diff, &t->err)) {
            *ok = false;
            if (t->err.code == WEIR_OK)
                wr_text_printf(&t->detail, "  line %u: %s differs (- expected, + came)\n%s",
                               map->keys[i]->line, map->keys[i]->text, wr_text_string(&diff));
        }
        wr_text_fini(&diff);
        if (t->err.code != WEIR_OK)
            return t->err.code;
    }
    return WEIR_OK;
}

static weir_status
step_counts(test *t, const wr_node *map, bool *ok)
{
    for (uint32_t i = 0; map->kind == WR_NODE_MAP && i < map->count; i++) {
        int32_t v = view_index(t, map->keys[i]->text);
        if (v < 0)
            return unknown_name(t, map->keys[i], "view");
        counts c = test_counts(t, (uint32_t)v);
        for (uint32_t k = 0; map->items[i]->kind == WR_NODE_MAP && k < map->items[i]->count; k++) {
            const char *name = map->items[i]->keys[k]->text;
            uint64_t want = strtoull(map->items[i]->items[k]->text, NULL, 10);
            uint64_t have = strcmp(name, "late") == 0           ? c.late
                            : strcmp(name, "late_windows") == 0 ? c.windows_late
                            : strcmp(name, "failed") == 0       ? c.failed
                            : strcmp(name, "shed") == 0         ? c.shed
                            : strcmp(name, "filtered") == 0     ? c.filtered
                            : strcmp(name, "unknown") == 0      ? c.unknown
                                                                : UINT64_MAX;
            if (have == UINT64_MAX)
                return wr_error_set(&t->err, WEIR_CONFIG_UNKNOWN_KEY,
                                    "line %u: counts are late, late_windows, failed, filtered, unknown, shed",
                                    map->items[i]->keys[k]->line);
            if (have != want) {
                *ok = false;
                wr_text_printf(&t->detail, "  line %u: %s of %s: expected %llu, is %llu\n",
                               map->items[i]->keys[k]->line, name, map->keys[i]->text,
                               (unsigned long long)want, (unsigned long long)have);
            }
        }
    }
    return WEIR_OK;
}

static weir_status
step_state(test *t, const wr_node *node, bool *ok)
{
    int64_t max;
    WR_TRY(wr_bytes_parse(node->text != NULL ? node->text : "", &max, &t->err));
    if (t->peak_state > (uint64_t)max) {
        *ok = false;
        wr_text_printf(&t->detail, "  line %u: state peaked at %llu bytes, more than %lld\n",
                       node->line, (unsigned long long)t->peak_state, (long long)max);
    }
    return WEIR_OK;
}

static weir_status
step_one(test *t, const wr_node *key, const wr_node *value, bool *ok)
{
    const char *what = key->text;
    int32_t source, partition;
    if (strcmp(what, "feed") == 0)
        return step_feed(t, value, false);
    if (strcmp(what, "feed_together") == 0)
        return step_feed(t, value, true);
    if (strcmp(what, "advance") == 0)
        return step_advance(t, value);
    if (strcmp(what, "expect") == 0)
        return step_expect(t, value, false, ok);
    if (strcmp(what, "expect_changes") == 0)
        return step_expect(t, value, true, ok);
    if (strcmp(what, "expect_counts") == 0)
        return step_counts(t, value, ok);
    if (strcmp(what, "expect_state") == 0)
        return step_state(t, value, ok);
    if (strcmp(what, "restart") == 0)
        return test_restart(t, t->workers);
    if (strcmp(what, "workers") == 0)
        return test_restart(
            t, (uint32_t)WR_MIN(WR_MAX(atoi(value->text != NULL ? value->text : "1"), 1), 64));
    if (strcmp(what, "idle") == 0) {
        WR_TRY(split_partition(t, value, &source, &partition));
        wr_runtime_push_idle(t->runtime, (uint32_t)source, partition);
        return test_settle(t);
    }
    if (strcmp(what, "end") == 0) {
        for (uint32_t s = 0; s < t->pipeline->source_count; s++)
            wr_runtime_push_end(t->runtime, s);
        return test_settle(t);
    }
    return wr_error_set(
        &t->err, WEIR_CONFIG_UNKNOWN_KEY,
        "line %u: unknown step `%s`: feed, feed_together, advance, idle, restart, workers, end, "
        "expect, expect_changes, expect_counts, expect_state",
        key->line, what);
}

static weir_status
test_script(test *t, const wr_node *node, bool *ok)
{
    const wr_node *given = wr_node_get(node, "given"), *expect = wr_node_get(node, "expect"),
                  *steps = wr_node_get(node, "steps");
    if (given != NULL)
        WR_TRY(step_feed(t, given, false));
    if (expect != NULL)
        WR_TRY(step_expect(t, expect, false, ok));
    for (uint32_t i = 0; steps != NULL && steps->kind == WR_NODE_LIST && i < steps->count; i++)
        for (uint32_t k = 0; steps->items[i]->kind == WR_NODE_MAP && k < steps->items[i]->count;
             k++)
            WR_TRY(step_one(t, steps->items[i]->keys[k], steps->items[i]->items[k], ok));
    if (given == NULL && steps == NULL)
        return wr_error_set(&t->err, WEIR_CONFIG_MISSING,
                            "line %u: a test has `given` and `expect`, or `steps`", node->line);
    return WEIR_OK;
}

static weir_status
test_open(test *t, weir_pipeline *p, const weir_test_options *options, const wr_node *node)
{
    t->pipeline = p;
    t->options = options;
    t->seed = options->seed;
    t->workers = 1;
    wr_arena_init(&t->arena, p->budget);
    wr_text_init(&t->detail, NULL);
    const wr_node *clock = wr_node_get(node, "clock"), *workers = wr_node_get(node, "workers"),
                  *buffers = wr_node_get(node, "buffers");
    wr_time start = 1767225600LL * WR_US_PER_SECOND; /* 2026-01-01 */
    if (clock != NULL)
        WR_TRY(wr_timestamp_parse(clock->text, clock->length, true, &start, &t->err));
    if (workers != NULL)
        t->workers = (uint32_t)WR_MIN(WR_MAX(atoi(workers->text), 1), 64);
    t->one_slot = buffers != NULL && buffers->text != NULL && strcmp(buffers->text, "1") == 0;
    wr_clock_virtual_init(&t->clock, start);
    t->sources = wr_arena_calloc(&t->arena, p->source_count + 1, sizeof *t->sources);
    t->readers = wr_arena_calloc(&t->arena, p->view_count + 1, sizeof *t->readers);
    t->rows = wr_arena_calloc(&t->arena, p->view_count + 1, sizeof *t->rows);
    t->before = wr_arena_calloc(&t->arena, p->view_count + 1, sizeof *t->before);
    t->ledgers = wr_arena_calloc(&t->arena, p->view_count + 1, sizeof *t->ledgers);
    if (t->ledgers == NULL || t->sources == NULL || t->readers == NULL || t->rows == NULL ||
        t->before == NULL)
        return WEIR_MEMORY;
    for (uint32_t s = 0; s < p->source_count; s++) {
        t->sources[s] = p->sources[s];
        t->sources[s].ops = &wr_push_source_ops;
        t->sources[s].config = NULL;
        t->sources[s].decoder = NULL;
        if (clock == NULL) /* without a stated time no row is in the future */
            t->sources[s].future_us = 0;
    }
    WR_TRY(wr_scratch_make(t->dir, &t->err));
    WR_TRY(test_start(t));
    return test_settle(t); /* every shard knows its partitions before the first row */
}

static void
test_one(weir_pipeline *p, const weir_test_options *options, const wr_node *tests, uint32_t index,
         void (*on_result)(void *, const weir_test_result *), void *user)
{
    test t = { 0 };
    const wr_node *node = tests->items[index], *name = wr_node_get(node, "name");
    const char *label = name != NULL && name->kind == WR_NODE_SCALAR ? name->text : "(unnamed)";
    if (options->filter != NULL && strstr(label, options->filter) == NULL)
        return;
    int64_t began = wr_clock_monotonic(p->engine->clock);
    bool ok = true;
    weir_status st = test_open(&t, p, options, node);
    if (st == WEIR_OK)
        st = test_script(&t, node, &ok);
    if (st == WEIR_OK && !(wr_arena_ok(&t.arena) && wr_text_ok(&t.detail)))
        st = WEIR_MEMORY;
    if (st != WEIR_OK) {
        ok = false;
        wr_text_printf(&t.detail, "  %s\n",
                       t.err.text[0] != '\0' ? t.err.text : weir_status_text(st));
    }
    if (!ok)
        wr_text_printf(&t.detail, "  seed %llu\n", (unsigned long long)t.seed);
    weir_test_result result = { .name = label,
                                .passed = ok,
                                .index = index + 1,
                                .count = tests->count,
                                .detail = wr_text_ok(&t.detail) ? wr_text_string(&t.detail)
                                                                : "  no memory to say more\n",
                                .seconds =
                                    (double)(wr_clock_monotonic(p->engine->clock) - began) / 1e6 };
    on_result(user, &result);
    test_stop(&t);
    if (t.dir[0] != '\0')
        wr_scratch_remove(t.dir);
    wr_text_fini(&t.detail);
    wr_arena_fini(&t.arena);
}

weir_status
weir_pipeline_test(weir_pipeline *p, const weir_test_options *options,
                   void (*on_result)(void *user, const weir_test_result *result), void *user,
                   weir_error *err)
{
    const wr_node *tests = p->spec->tests;
    if (p->runtime != NULL)
        return wr_error_set(err, WEIR_STATE_RUNNING, "pipeline %s is running", p->name);
    if (tests == NULL)
        return WEIR_OK;
    if (tests->kind != WR_NODE_LIST)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "line %u: `tests` must be a list", tests->line);
    for (uint32_t i = 0; i < tests->count; i++)
        test_one(p, options, tests, i, on_result, user);
    return WEIR_OK;
}
