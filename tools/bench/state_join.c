/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/state_join.c -- how fast are rows joined?  Part of tools/bench/state.c.
 *
 * Two streams of key, value and time.  Interval joins: both move in time, rows pair up within five seconds, what is
 * older goes.  Regular joins: the left stands, rows of the right come in one batch and are taken back in the next.
 * Lookups: the right stands, rows of the left are handed on with their partners.
 */
#include "base/random.h"
#include "operator/join.h"

#include "state_host.h"
#include "state_join_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WITHIN_US = 5000000 };

typedef enum join_kind { INTERVAL, REGULAR, LOOKUP } join_kind;

typedef struct join_setting {
    const char *name;
    join_kind kind;
    uint32_t keys;    /* of rows that come                                         */
    uint32_t partners; /* REGULAR, LOOKUP: rows a key of the side that stands       */
    uint64_t rate;    /* INTERVAL: rows a second of event time, of either stream   */
    uint32_t batches, timed; /* both streams together; the first that the clock sees */
} join_setting;

/* INTERVAL: a key has 10 s * rate / keys partners, half of them there when its row comes. */
static const join_setting settings[] = {
    { "join 5s, 1 partner, 100k keys", INTERVAL, 100000, 0, 20000, 400, 200 },
    { "join 5s, 1 partner, 1M keys", INTERVAL, 1000000, 0, 200000, 2000, 1200 },
    { "join 5s, 10 partners, 20k keys", INTERVAL, 20000, 0, 40000, 500, 300 },
    { "join of changes, 1 partner, 100k", REGULAR, 100000, 1, 0, 600, 100 },
    { "join of changes, 10 partners, 10k", REGULAR, 10000, 10, 0, 200, 50 },
    { "lookup join, 10k rows", LOOKUP, 10000, 1, 0, 600, 100 },
    { "lookup join, 1M rows", LOOKUP, 1000000, 1, 0, 600, 100 },
};

typedef struct input {
    wr_batch **batches;
    uint8_t *ports;
    uint32_t count, timed;
} input;

static wr_batch *
batch_make(wr_time *greatest)
{
    wr_batch *b = wr_batch_create(NULL, COLUMNS);
    b->row_count = b->physical_count = WR_BATCH_ROWS_MAX;
    b->watermark_before = *greatest - DELAY_US;
    for (int c = 0; c < COLUMNS; c++)
        b->columns[c] = wr_column_create(NULL, c == TIME ? WR_TYPE(WR_TIMESTAMPTZ) : WR_TYPE(WR_INT8),
                                         WR_BATCH_ROWS_MAX);
    return b;
}

/* Batches of the two streams by turns. */
static void
interval_make(input *in, const join_setting *s, wr_random *r)
{
    wr_time greatest[2] = { 0, 0 };
    for (uint32_t b = 0; b < s->batches; b++) {
        int port = in->ports[in->count] = b % 2;
        wr_batch *batch = in->batches[in->count++] = batch_make(&greatest[port]);
        for (uint32_t i = 0; i < WR_BATCH_ROWS_MAX; i++) {
            uint64_t n = (uint64_t)(b / 2) * WR_BATCH_ROWS_MAX + i;
            wr_time t = 1000000000 + (wr_time)(n * 1000000 / s->rate);
            if (wr_random_below(r, 100) == 0)
                t -= (wr_time)wr_random_below(r, DELAY_US);
            greatest[port] = WR_MAX(greatest[port], t);
            ((int64_t *)batch->columns[KEY]->data)[i] = (int64_t)wr_random_below(r, s->keys);
            ((int64_t *)batch->columns[VALUE]->data)[i] = (int64_t)n;
            ((wr_time *)batch->columns[TIME]->data)[i] = t;
        }
        batch->watermark_after = greatest[port] - DELAY_US;
    }
    in->timed = s->timed;
}

/* The side that stands, and then rows of the other: each batch twice, to come and to go, unless it is a lookup. */
static void
changes_make(input *in, const join_setting *s, wr_random *r)
{
    uint32_t stands = s->keys * s->partners, loaded = (stands + WR_BATCH_ROWS_MAX - 1) / WR_BATCH_ROWS_MAX;
    wr_time greatest = 1000000000;
    int standing = s->kind == LOOKUP;
    for (uint32_t b = 0; b < loaded + s->batches; b++) {
        bool load = b < loaded;
        wr_batch *batch = in->batches[in->count] = batch_make(&greatest);
        in->ports[in->count++] = (uint8_t)(load ? standing : 1 - standing);
        batch->watermark_after = batch->watermark_before;
        if (load)
            batch->row_count = batch->physical_count = WR_MIN(stands - b * WR_BATCH_ROWS_MAX, (uint32_t)WR_BATCH_ROWS_MAX);
        if (s->kind == REGULAR && !load && (b - loaded) % 2 == 1) {
            const wr_batch *came = in->batches[in->count - 2];
            for (int c = 0; c < COLUMNS; c++) {
                wr_column_release(batch->columns[c]);
                batch->columns[c] = wr_column_retain(came->columns[c]);
            }
            batch->diff = wr_alloc(NULL, WR_BATCH_ROWS_MAX * sizeof *batch->diff);
            for (uint32_t i = 0; i < WR_BATCH_ROWS_MAX; i++)
                batch->diff[i] = -1;
            continue;
        }
        for (uint32_t i = 0; i < batch->row_count; i++) {
            uint64_t n = (uint64_t)b * WR_BATCH_ROWS_MAX + i;
            ((int64_t *)batch->columns[KEY]->data)[i] = (int64_t)(load ? n % s->keys : wr_random_below(r, s->keys));
            ((int64_t *)batch->columns[VALUE]->data)[i] = (int64_t)n;
            ((wr_time *)batch->columns[TIME]->data)[i] = greatest;
        }
    }
    in->timed = loaded + s->timed;
}

static wr_join_config
config_make(const join_setting *s, const wr_schema *schema)
{
    static const uint32_t key = KEY;
    wr_join_config c = { .key_count = 1, .left_keys = &key, .right_keys = &key, .left = schema, .right = schema };
    c.lookup = s->kind == LOOKUP;
    if (s->kind != INTERVAL)
        return c;
    c.has_bound = true;
    c.left_time = c.right_time = TIME;
    c.low_us = -WITHIN_US;
    c.high_us = WITHIN_US;
    return c;
}

static figure
join_ours(const join_setting *s, const input *in, const wr_schema *schema)
{
    wr_join_config config = config_make(s, schema);
    host *h = host_open(s->kind == INTERVAL ? &wr_join_ops : &wr_join_changes_ops, &config);
    watch w = { 0 };
    h->ports = 2;
    for (uint32_t i = 0; i < in->count; i++) {
        if (i == in->timed)
            w = watch_start();
        host_batch(h, in->ports[i], in->batches[i]);
    }
    figure f = watch_stop(w, in->count - in->timed, h->out);
    host_close(h);
    return f;
}

static figure
join_limit(const join_setting *s, const input *in)
{
    /* what may still be paired, of one stream: five seconds, and twice the disorder */
    uint64_t rows = s->kind == INTERVAL ? 10 * s->rate : (uint64_t)s->keys * WR_MAX(s->partners, 1u) + 2 * WR_BATCH_ROWS_MAX;
    limit_join *j = limit_join_create(s->keys, rows);
    watch w = { 0 };
    for (uint32_t i = 0; i < in->count; i++) {
        if (i == in->timed)
            w = watch_start();
        if (s->kind == INTERVAL)
            limit_join_interval(j, in->ports[i], in->batches[i], WITHIN_US);
        else
            limit_join_changes(j, in->ports[i], in->batches[i], s->kind == REGULAR || in->ports[i] == 1);
    }
    figure f = watch_stop(w, in->count - in->timed, limit_join_pairs(j));
    limit_join_destroy(j);
    return f;
}

static void
join_measure(const join_setting *s, int runs)
{
    figure ours[RUNS_MAX], limits[RUNS_MAX];
    wr_field fields[] = { { .name = "key", .type = WR_TYPE(WR_INT8) },
                          { .name = "value", .type = WR_TYPE(WR_INT8) },
                          { .name = "time", .type = WR_TYPE(WR_TIMESTAMPTZ) } };
    wr_schema schema = { .fields = fields, .field_count = 3, .time_column = TIME };
    uint32_t most = s->batches + s->keys * s->partners / WR_BATCH_ROWS_MAX + 1;
    input in = { .batches = calloc(most, sizeof *in.batches), .ports = calloc(most, 1) };
    wr_random r;
    wr_random_init(&r, 42);
    if (s->kind == INTERVAL)
        interval_make(&in, s, &r);
    else
        changes_make(&in, s, &r);
    for (int i = 0; i < runs; i++) {
        limits[i] = join_limit(s, &in);
        ours[i] = join_ours(s, &in, &schema);
    }
    figures_print(s->name, ours, limits, runs, 50);
    for (uint32_t i = 0; i < in.count; i++)
        wr_batch_release(in.batches[i]);
    free(in.batches);
    free(in.ports);
}

void
joins_measure(const char *word, int runs)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (word == NULL || strstr(settings[i].name, word) != NULL)
            join_measure(&settings[i], runs);
}
