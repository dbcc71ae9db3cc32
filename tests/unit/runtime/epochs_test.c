/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epochs_test.c -- epochs that end between checkpoints change nothing, whatever is killed and restarted; and
 * a reader of all shards stands at each (runtime/epochs.h, coordinator.c: C1).
 */
#include "support/test.h"

#include "runtime/epochs.h"
#include "support/rig.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARTITIONS = 4, EVENTS = 300, KEYS = 5, WINDOW = 50, EPOCH_US = 100 };

static test_event events[PARTITIONS][EVENTS];
static char       directory[SCRATCH_PATH_MAX];

static void
init(rig *r, rig_kind kind, bool data)
{
    wr_random random;
    scratch_begin(directory, "epochs");
    wr_random_init(&random, 3);
    rig_init(r, kind);
    r->window_us = WINDOW;
    test_delay_us = 20;
    r->config.data_dir = data ? directory : NULL;
    for (int p = 0; p < PARTITIONS; p++) {
        for (int i = 0; i < EVENTS; i++)
            events[p][i] = (test_event){ (int64_t) wr_random_below(&random, KEYS),
                                         (int64_t) wr_random_below(&random, 100),
                                         i * 3 + (int64_t) wr_random_below(&random, 20) };
        for (uint32_t s = 0; s < r->source_count; s++)
            rig_partition_of(r, s, p, events[p], EVENTS);
    }
}

/* A reader of all shards of the last stream. */
typedef struct follower {
    wr_reader *reader;
    wr_epochs  epochs;
    uint64_t   marks;
} follower;

static void
follower_open(follower *f, rig *r)
{
    wr_stream       *stream = wr_runtime_stream(r->rt, r->sinks[r->sink_count - 1].stream);
    wr_reader_config config = { .start = WR_START_HEAD, .shard = -1, .epochs = true };
    assert_int_equal(wr_reader_create(stream, &config, &f->reader), WEIR_OK);
    wr_epochs_init(&f->epochs, f->reader, wr_stream_shards(stream));
}

static void
follower_read(follower *f)
{
    for (uint32_t s = 0; s < f->epochs.count; s++) {
        wr_batch *b;
        while (wr_epochs_may_read(&f->epochs, s) &&
               (b = wr_reader_next(f->reader, s, NULL)) != NULL) {
            wr_epochs_read(&f->epochs, s, b);
            wr_batch_release(b);
        }
    }
    wr_epoch epoch = wr_epochs_reached(&f->epochs);
    if (epoch == 0)
        return;
    assert_true(epoch > f->epochs.told);
    for (uint32_t s = 0; s < f->epochs.count; s++) /* E1 */
        assert_true(f->epochs.at[s] >= epoch || f->epochs.ended[s]);
    wr_epochs_tell(&f->epochs, epoch);
    f->marks++;
}

/* One step, now and then with a barrier, the clock going on; the epochs' timer fires by it. */
static void
step(rig *r, wr_random *random, bool barriers)
{
    if (barriers && wr_random_below(random, 40) == 0)
        (void) wr_runtime_barrier(r->rt);
    if (wr_random_below(random, 4) == 0)
        wr_clock_virtual_set(&r->clock, r->clock.now + EPOCH_US / 2);
    (void) wr_runtime_step(r->rt);
}

/* Lives that are killed at random, until one gets to the end; how many marks its followers saw. */
static uint64_t
live_and_die(rig *r, uint64_t seed, bool smallest)
{
    wr_random random;
    follower  f = { 0 };
    int       lives = 0;
    wr_random_init(&random, seed);
    r->config.epoch_us = EPOCH_US;
    r->source_config[0].rows_a_poll = 7;
    if (smallest)
        rig_smallest(r);
    do {
        r->config.workers = 1 + (uint32_t) wr_random_below(&random, 4);
        r->config.seed = wr_random_next(&random);
        rig_start(r);
        follower_open(&f, r);
        bool alive = true;
        while (alive && atomic_load(&r->finished) == 0) {
            alive = r->config.data_dir == NULL || lives > 20 || wr_random_below(&random, 300) != 0;
            step(r, &random, r->config.data_dir != NULL);
            follower_read(&f);
        }
        lives++;
        wr_reader_destroy(f.reader);
        if (atomic_load(&r->finished) == 0)
            rig_crash(r);
    } while (atomic_load(&r->finished) == 0);
    assert_int_equal(atomic_load(&r->failed), 0);
    return f.marks;
}

static void
epochs_between_checkpoints_change_nothing(void **state)
{
    static const rig_kind kinds[] = { RIG_PASS, RIG_WINDOWS, RIG_UNION, RIG_DIAMOND };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        rig r;
        init(&r, kinds[k], false);
        rig_start(&r);
        rig_run(&r);
        char *want = strdup(rig_distinct(&r));
        rig_fini(&r);
        uint64_t marks = 0;
        for (uint64_t seed = 1; seed <= 6; seed++)
            for (int data = 0; data < 2; data++) {
                init(&r, kinds[k], data != 0);
                marks += live_and_die(&r, seed, seed % 3 == 0);
                rig_assert_same(rig_distinct(&r), want);
                rig_fini(&r);
            }
        assert_true(marks > 10);
        free(want);
    }
    scratch_remove(directory);
}

/* A checkpoint that is asked for while an epoch ends, and an epoch that is due while a checkpoint is under way. */
static void
each_mark_has_a_number_of_its_own(void **state)
{
    rig       r;
    wr_random random;
    follower  f = { 0 };
    init(&r, RIG_WINDOWS, true);
    wr_random_init(&random, 11);
    r.config.epoch_us = EPOCH_US;
    r.config.workers = 3;
    r.source_config[0].rows_a_poll = 3;
    rig_start(&r);
    follower_open(&f, &r);
    for (int i = 0; i < 400 && atomic_load(&r.finished) == 0; i++) {
        wr_epoch asked = wr_runtime_barrier(r.rt), again = wr_runtime_barrier(r.rt);
        assert_true(again >= asked && again <= asked + 1);
        for (int n = 0; n < 3; n++) {
            step(&r, &random, false);
            follower_read(&f);
        }
        for (int n = 0; wr_runtime_epoch_done(r.rt) < asked && atomic_load(&r.finished) == 0; n++) {
            assert_true(n < 100000);
            step(&r, &random, false);
            follower_read(&f);
        }
    }
    wr_reader_destroy(f.reader);
    wr_checkpoint_view view;
    wr_runtime_checkpoint_view(r.rt, &view);
    assert_true(view.epochs > 0);
    assert_true(view.count > 10);
    assert_int_equal(view.failures, 0);
    rig_fini(&r);
    scratch_remove(directory);
}

static void
publish(wr_stream *stream, uint32_t shard, wr_batch *mark)
{
    assert_non_null(mark);
    assert_true(wr_stream_has_room(stream, shard));
    wr_stream_publish(stream, shard, mark);
}

/* The mark of an epoch that one shard has lost is skipped; the next is told (E2). */
static void
a_mark_that_was_lost_is_skipped(void **state)
{
    wr_schema        schema = { 0 };
    wr_budget       *budget = wr_budget_create(NULL, "test", 0);
    wr_stream       *stream;
    wr_stream_config config = { .name = "s", .schema = &schema, .shard_count = 2, .batches_max = 2,
                                .budget = budget };
    wr_reader_config how = { .shard = -1, .epochs = true };
    follower         f = { 0 };
    assert_int_equal(wr_stream_create(&config, &stream), WEIR_OK);
    assert_int_equal(wr_reader_create(stream, &how, &f.reader), WEIR_OK);
    wr_epochs_init(&f.epochs, f.reader, 2);
    for (wr_epoch e = 1; e <= 4; e++) { /* of shard 0 the first two are overwritten */
        publish(stream, 0, wr_batch_create_epoch(budget, e, 0));
    }
    publish(stream, 1, wr_batch_create_epoch(budget, 1, 0));
    follower_read(&f);
    assert_int_equal(f.marks, 0);
    publish(stream, 1, wr_batch_create_epoch(budget, 2, 0));
    follower_read(&f);
    assert_int_equal(f.marks, 0);
    publish(stream, 1, wr_batch_create_barrier(budget, 3, 0));
    follower_read(&f);
    assert_int_equal(f.epochs.told, 3);
    publish(stream, 1, wr_batch_create_end(budget, 0)); /* who has ended holds nobody back */
    follower_read(&f);
    assert_int_equal(f.epochs.told, 4);
    assert_int_equal(f.marks, 2);
    assert_false(wr_epochs_ended(&f.epochs));
    wr_reader_destroy(f.reader);
    wr_stream_destroy(stream);
    wr_budget_destroy(budget);
}

/* --- where a reader begins --- */

enum { SHARDS = 3, EPOCHS = 12, ROWS_MAX = SHARDS * EPOCHS * 4 };

/* Rows of three shards, each with the epoch it is of; what is kept of them when a reader comes. */
typedef struct scene {
    wr_stream *stream;
    wr_schema *schema;
    uint32_t   count, came; /* published; before the reader came */
    uint32_t   shard[ROWS_MAX];
    uint64_t   sequence[ROWS_MAX];
    wr_epoch   epoch[ROWS_MAX], marked[SHARDS];
    bool       given[ROWS_MAX];
    wr_time    now;
} scene;

static void
scene_row(scene *s, uint32_t shard)
{
    test_event e = { 1, (int64_t) s->count, s->now };
    wr_batch  *b = test_event_batch(NULL, &e, 1);
    b->watermark_before = b->watermark_after = 0;
    b->arrived = s->now;
    publish(s->stream, shard, b);
    s->shard[s->count] = shard;
    s->sequence[s->count] = wr_stream_head(s->stream, shard);
    s->epoch[s->count++] = s->marked[shard] + 1;
}

/* Something happens in a shard: a row, or the next mark; shard `silent` has no rows. */
static void
scene_step(scene *s, wr_random *random, uint32_t silent)
{
    uint32_t shard = (uint32_t) wr_random_below(random, SHARDS);
    s->now += 10;
    if (shard != silent && wr_random_below(random, 3) > 0 && s->count < ROWS_MAX) {
        scene_row(s, shard);
    } else if (s->marked[shard] < EPOCHS) {
        wr_batch *mark = wr_batch_create_epoch(NULL, ++s->marked[shard], 0);
        mark->arrived = s->now;
        publish(s->stream, shard, mark);
    }
}

/* All that can be read; what is no part of a whole epoch is passed over. */
static void
scene_read(scene *s, wr_reader *reader, wr_epochs *epochs, bool *passing, wr_epoch *first)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < SHARDS; i++) {
            wr_batch *b;
            while (wr_epochs_may_read(epochs, i) && (b = wr_reader_next(reader, i, NULL)) != NULL) {
                wr_epochs_read(epochs, i, b);
                if (b->row_count > 0 && !*passing)
                    s->given[((const int64_t *) b->columns[1]->data)[0]] = true;
                wr_batch_release(b);
                moved = true;
            }
        }
        wr_epoch epoch = wr_epochs_reached(epochs);
        if (epoch == 0)
            continue;
        wr_epochs_tell(epochs, epoch);
        moved = true;
        *first = *first == 0 ? epoch : *first;
        *passing = false;
        for (uint32_t r = 0; r < s->count; r++) /* whole: every row up to here is there, if it came after the reader */
            assert_true(s->given[r] || s->epoch[r] > epoch || s->epoch[r] <= *first || r < s->came);
    }
}

static void
scene_play(uint64_t seed, wr_arena *arena)
{
    wr_random        random;
    scene            s = { .schema = test_event_schema(arena) };
    wr_random_init(&random, seed);
    wr_stream_config config = { .name = "s", .schema = s.schema, .shard_count = SHARDS,
                                .retain_us = 1 + wr_random_below(&random, 400) };
    wr_reader_config how = { .shard = -1, .epochs = true,
                             .start = wr_random_below(&random, 2) == 0 ? WR_START_TAIL : WR_START_HEAD };
    uint32_t         silent = (uint32_t) wr_random_below(&random, SHARDS + 1);
    int              before = (int) wr_random_below(&random, 60);
    wr_reader       *reader;
    wr_epochs        epochs;
    wr_epoch         first = 0, lacking = 0; /* the newest epoch of which a row lies before the reader */
    uint64_t         place[SHARDS];
    bool             within_one = false;
    assert_int_equal(wr_stream_create(&config, &s.stream), WEIR_OK);
    for (int i = 0; i < before; i++)
        scene_step(&s, &random, silent);
    s.came = s.count;
    assert_int_equal(wr_reader_create(s.stream, &how, &reader), WEIR_OK);
    for (uint32_t i = 0; i < SHARDS; i++)
        place[i] = wr_reader_position(reader, i);
    for (uint32_t r = 0; r < s.count; r++)
        if (s.sequence[r] < place[s.shard[r]])
            lacking = WR_MAX(lacking, s.epoch[r]);
    bool passing = wr_epochs_init(&epochs, reader, SHARDS), within = passing;
    for (uint32_t i = 0; i < SHARDS; i++)
        within_one |= lacking > 0 && epochs.at[i] < lacking;
    assert_int_equal(within, within_one);
    while (s.marked[0] < EPOCHS || s.marked[1] < EPOCHS || s.marked[2] < EPOCHS) {
        scene_step(&s, &random, silent);
        scene_read(&s, reader, &epochs, &passing, &first);
    }
    assert_int_equal(epochs.told, EPOCHS);
    if (within) { /* no more is passed over than has to be; what is under way at the end is never whole */
        assert_int_equal(first, lacking <= EPOCHS ? lacking : 0);
        first = lacking;
    } else {
        first = 0;
    }
    for (uint32_t r = 0; r < s.count; r++) {
        bool here = s.sequence[r] >= place[s.shard[r]];
        assert_true(s.given[r] <= (here && s.epoch[r] > first));
        assert_true(s.given[r] >= (here && s.epoch[r] > first && s.epoch[r] <= EPOCHS));
    }
    wr_reader_destroy(reader);
    wr_stream_destroy(s.stream);
}

static void
a_reader_begins_with_the_first_whole_epoch(void **state)
{
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    for (uint64_t seed = 1; seed <= 3000; seed++)
        scene_play(seed, &arena);
    wr_arena_fini(&arena);
}

WR_TESTS = { WR_TEST(epochs_between_checkpoints_change_nothing),
             WR_TEST(each_mark_has_a_number_of_its_own),
             WR_TEST(a_mark_that_was_lost_is_skipped),
             WR_TEST(a_reader_begins_with_the_first_whole_epoch),
             { NULL, NULL } };
