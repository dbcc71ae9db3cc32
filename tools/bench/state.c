/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/state.c -- how fast are groups and windows kept?  Rows per second of thread CPU time.
 *
 *     bench_state [WORD [RUNS]]        only settings whose name has WORD; median of RUNS (5)
 * The operators are fed prepared batches of 4,096 rows by direct calls, as a chain would, and what they emit is
 * dropped; turn about with them the bare loops of state_limit.c over the same batches.  The clock stands while the
 * first rows come (tables grow, memory is touched for the first time): the figures are those of a steady state, and so
 * are the page faults beside them.  Both must find as many groups, results or pairs.
 */
#include "base/random.h"
#include "operator/aggregate.h"

#include "state_host.h"
#include "state_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- rows --- */

typedef struct rows {
    wr_batch **batches;
    uint32_t count;
    uint32_t timed; /* the first batch that the clock sees */
} rows;

static wr_column *
keys_make(wr_random *r, uint32_t count, uint32_t keys, bool text)
{
    wr_column *c = wr_column_create(NULL, text ? WR_TYPE(WR_TEXT) : WR_TYPE(WR_INT8), count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = wr_random_below(r, keys);
        if (text) {
            char bytes[32]; /* 13 to 16 */
            int n = snprintf(bytes, sizeof bytes, "%07llu-device", (unsigned long long)key);
            n = WR_MIN(13 + (int)(key % 4), n + 3);
            memcpy(bytes + 14, "xy", 2);
            if (wr_column_set_string(c, i, bytes, (size_t)n) != WEIR_OK)
                abort();
        } else {
            ((int64_t *)c->data)[i] = (int64_t)key;
        }
    }
    return c;
}

/* rate: rows a second of event time, of which one in a hundred is up to two seconds late. */
static rows
rows_make(uint64_t total, uint32_t keys, bool text, uint64_t rate)
{
    enum { KINDS = 1024 }; /* keys and values repeat after so many batches */
    rows t = { .count = (uint32_t)(total / WR_BATCH_ROWS_MAX) };
    wr_random r;
    wr_time greatest = 0;
    wr_random_init(&r, 42);
    t.batches = calloc(t.count, sizeof *t.batches);
    for (uint32_t b = 0; b < t.count; b++) {
        wr_batch *batch = wr_batch_create(NULL, COLUMNS);
        t.batches[b] = batch;
        batch->row_count = batch->physical_count = WR_BATCH_ROWS_MAX;
        if (b >= KINDS) {
            batch->columns[KEY] = wr_column_retain(t.batches[b - KINDS]->columns[KEY]);
            batch->columns[VALUE] = wr_column_retain(t.batches[b - KINDS]->columns[VALUE]);
        } else {
            batch->columns[KEY] = keys_make(&r, WR_BATCH_ROWS_MAX, keys, text);
            batch->columns[VALUE] = keys_make(&r, WR_BATCH_ROWS_MAX, 1000, false);
        }
        wr_time *times = (batch->columns[TIME] =
                              wr_column_create(NULL, WR_TYPE(WR_TIMESTAMPTZ), WR_BATCH_ROWS_MAX))
                             ->data;
        batch->watermark_before = greatest - DELAY_US;
        for (uint32_t i = 0; i < WR_BATCH_ROWS_MAX; i++) {
            uint64_t n = (uint64_t)b * WR_BATCH_ROWS_MAX + i;
            times[i] = 1000000000 + (wr_time)(n * 1000000 / rate);
            if (wr_random_below(&r, 100) == 0)
                times[i] -= (wr_time)wr_random_below(&r, DELAY_US);
            greatest = WR_MAX(greatest, times[i]);
        }
        batch->watermark_after = greatest - DELAY_US;
    }
    return t;
}

static void
rows_free(rows *t)
{
    for (uint32_t b = 0; b < t->count; b++)
        wr_batch_release(t->batches[b]);
    free(t->batches);
}

/* --- groups and windows --- */

static wr_arena arena;

static wr_aggregate_config
aggregate_config(bool text, bool sums, int64_t size, int64_t slide)
{
    static wr_agg_call calls[2];
    static int32_t keys[2];
    static wr_type types[2];
    wr_type wanted[4], int8 = WR_TYPE(WR_INT8);
    weir_error err;
    wr_aggregate_config c = { .keys = keys, .key_types = types, .calls = calls, .time_key = -1 };
    keys[c.key_count] = KEY;
    types[c.key_count++] = text ? WR_TYPE(WR_TEXT) : int8;
    memset(calls, 0, sizeof calls);
    if (wr_aggregate_resolve("count", NULL, 0, &calls[0].aggregate, wanted, &calls[0].result,
                             &err) != WEIR_OK ||
        wr_aggregate_resolve("sum", &int8, 1, &calls[1].aggregate, wanted, &calls[1].result,
                             &err) != WEIR_OK)
        abort();
    calls[1].arg_count = 1;
    calls[1].args[0] = wr_expr_column(&arena, VALUE, int8);
    c.call_count = sums ? 2 : 1;
    if (size == 0)
        return c;
    c.window = (wr_window_spec){ .kind = slide < size ? WR_WINDOW_HOP : WR_WINDOW_TUMBLE,
                                 .size = size,
                                 .slide = slide,
                                 .time_column = TIME };
    keys[c.key_count] = WR_KEY_WINDOW_START;
    types[c.key_count++] = WR_TYPE(WR_TIMESTAMPTZ);
    return c;
}

/* All rows twice, timed the second time; the result is the number of groups. */
static figure
group_ours(const rows *t, bool text)
{
    wr_aggregate_config config = aggregate_config(text, true, 0, 0);
    host *h = host_open(&wr_aggregate_ops, &config);
    for (uint32_t i = 0; i < t->count; i++)
        host_batch(h, 0, t->batches[i]);
    watch w = watch_start();
    for (uint32_t i = 0; i < t->count; i++)
        host_batch(h, 0, t->batches[i]);
    figure f = watch_stop(w, t->count, 0);
    host_finish(h);
    f.out = h->out;
    host_close(h);
    return f;
}

static figure
group_limit(const rows *t, uint32_t keys, bool text)
{
    limit_table *table = limit_table_create(keys, text);
    (void)limit_group(table, t->batches, t->count);
    watch w = watch_start();
    uint64_t groups = limit_group(table, t->batches, t->count);
    figure f = watch_stop(w, t->count, groups);
    limit_table_destroy(table);
    return f;
}

static void
group_measure(const char *name, uint32_t keys, bool text, int runs)
{
    figure ours[RUNS_MAX], limits[RUNS_MAX];
    rows t = rows_make(4 << 20, keys, text, 1000000);
    for (int i = 0; i < runs; i++) {
        limits[i] = group_limit(&t, keys, text);
        ours[i] = group_ours(&t, text);
    }
    figures_print(name, ours, limits, runs, 60);
    rows_free(&t);
}

static figure
window_ours(const rows *t, int64_t size, int64_t slide)
{
    wr_aggregate_config config = aggregate_config(false, false, size, slide);
    host *h = host_open(&wr_aggregate_ops, &config);
    for (uint32_t i = 0; i < t->timed; i++)
        host_batch(h, 0, t->batches[i]);
    watch w = watch_start();
    for (uint32_t i = t->timed; i < t->count; i++)
        host_batch(h, 0, t->batches[i]);
    figure f = watch_stop(w, t->count - t->timed, h->out);
    host_close(h);
    return f;
}

static figure
window_limit(const rows *t, uint32_t keys, uint64_t rate, int64_t size, int64_t slide)
{
    limit_panes *panes =
        limit_panes_create(keys, rate * (uint64_t)(slide / 1000000) * 5 / 4, size, slide);
    (void)limit_windows(panes, t->batches, t->timed);
    watch w = watch_start();
    uint64_t out = limit_windows(panes, t->batches + t->timed, t->count - t->timed);
    figure f = watch_stop(w, t->count - t->timed, out);
    limit_panes_destroy(panes);
    return f;
}

static void
window_measure(const char *name, uint32_t keys, uint64_t rate, uint64_t total, int64_t size,
               int64_t slide, int runs)
{
    figure ours[RUNS_MAX], limits[RUNS_MAX];
    rows t = rows_make(total, keys, false, rate);
    t.timed = t.count / 3;
    for (int i = 0; i < runs; i++) {
        limits[i] = window_limit(&t, keys, rate, size, slide);
        ours[i] = window_ours(&t, size, slide);
    }
    figures_print(name, ours, limits, runs, 50);
    rows_free(&t);
}

/* --- the settings --- */

typedef struct setting {
    const char *name;
    uint32_t keys;
    bool text;
    uint64_t rate, total;
    int seconds, slide;
} setting;

static const setting settings[] = {
    { "group 100 int8", 100 },
    { "group 10k int8", 10000 },
    { "group 1M int8", 1000000 },
    { "group 100 text", 100, true },
    { "group 10k text", 10000, true },
    { "group 1M text", 1000000, true },
    { "tumble 10s 100 keys 1M/s", 100, false, 1000000, 24 << 20, 10, 10 },
    { "tumble 10s 10k keys 1M/s", 10000, false, 1000000, 24 << 20, 10, 10 },
    { "tumble 10s 10k keys 10k/s", 10000, false, 10000, 4 << 20, 10, 10 },
    { "tumble 10s 1M keys 1M/s", 1000000, false, 1000000, 24 << 20, 10, 10 },
    { "tumble 10s 1M keys 10k/s", 1000000, false, 10000, 4 << 20, 10, 10 },
    { "hop 60s/1s 100 keys 100k/s", 100, false, 100000, 12 << 20, 60, 1 },
    { "hop 60s/1s 10k keys 100k/s", 10000, false, 100000, 12 << 20, 60, 1 },
    { "hop 60s/1s 10k keys 10k/s", 10000, false, 10000, 4 << 20, 60, 1 },
};

int
main(int argc, char **argv)
{
    int runs = argc > 2 ? atoi(argv[2]) : 5;
    runs = WR_MAX(1, WR_MIN(runs, (int)RUNS_MAX));
    wr_arena_init(&arena, NULL);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const setting *s = &settings[i];
        if (argc > 1 && strstr(s->name, argv[1]) == NULL)
            continue;
        if (s->rate == 0)
            group_measure(s->name, s->keys, s->text, runs);
        else
            window_measure(s->name, s->keys, s->rate, s->total, s->seconds * 1000000ll,
                           s->slide * 1000000ll, runs);
    }
    joins_measure(argc > 1 ? argv[1] : NULL, runs);
    wr_arena_fini(&arena);
    return 0;
}
