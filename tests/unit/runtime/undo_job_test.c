/* SPDX-License-Identifier: Apache-2.0 */
/*
 * undo_job_test.c -- the journal of a whole job (runtime/undo_impl.h): at its limit, and over many short lives.
 *
 * Keys come, change and go; the sink holds them by key as the outside does, over all lives.  What a key is after its version v
 * follows from v alone, so the operator keeps nothing: of each batch it tells how a key was before it and how it is after it.
 */
#include "support/test.h"

#include "checkpoint/journal.h"
#include "support/rig.h"
#include "support/scratch.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { PARTITIONS = 2, KEYS = 4000, VERSIONS = 6, SECOND = 1000000, GONE = -1 };

static test_event events[PARTITIONS][KEYS * VERSIONS];
static uint32_t counts[PARTITIONS];
static char directory[SCRATCH_PATH_MAX];
static int64_t held[KEYS]; /* by the sink */
static const char *columns[] = { "k", "v" };

/* --- keys that come, change and go --- */

static int64_t
state_after(int64_t version)
{
    return version < 0 || version % 3 == 2 ? GONE : version;
}

/* Their versions in turn; a key in three each ends as one that came, changed, went. */
static void
make_events(int64_t keys)
{
    memset(counts, 0, sizeof counts);
    for (int64_t v = 0; v < VERSIONS; v++)
        for (int64_t k = 0; k < keys; k++)
            if (v < VERSIONS - k % 3)
                events[k % PARTITIONS][counts[k % PARTITIONS]++] = (test_event){ k, v, v };
    for (int64_t k = 0; k < KEYS; k++)
        held[k] = GONE;
}

static void
expect_held(int64_t keys)
{
    for (int64_t k = 0; k < KEYS; k++)
        assert_int_equal(held[k], k < keys ? state_after(VERSIONS - 1 - k % 3) : GONE);
}

typedef struct told {
    const wr_schema *schema;
    int64_t first[KEYS], last[KEYS];
} told;

static weir_status
told_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    ((told *)self)->schema = config;
    return WEIR_OK;
}

static void
told_add(wr_batch_builder *b, int64_t k, int64_t v, int64_t diff)
{
    wr_value row[] = { { .type = WR_TYPE(WR_INT8), .integer = k },
                       { .type = WR_TYPE(WR_INT8), .integer = v } };
    if (v != GONE)
        assert_int_equal(wr_batch_builder_add(b, row, diff), WEIR_OK);
}

static wr_flow
told_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    told *t = self;
    wr_batch_builder b;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    for (int64_t k = 0; k < KEYS; k++)
        t->first[k] = t->last[k] = GONE;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        int64_t k = ((const int64_t *)in->columns[0]->data)[row];
        t->last[k] = ((const int64_t *)in->columns[1]->data)[row];
        t->first[k] = t->first[k] == GONE ? t->last[k] : t->first[k];
    }
    wr_batch_builder_init(&b, ctx->flow, t->schema);
    b.with_diff = true;
    for (int64_t k = 0; k < KEYS; k++) {
        int64_t old = state_after(t->first[k] - 1), new = state_after(t->last[k]);
        if (t->first[k] == GONE || old == new)
            continue;
        told_add(&b, k, old, -1);
        told_add(&b, k, new, 1);
    }
    wr_batch *out = wr_batch_builder_take(&b);
    wr_batch_builder_fini(&b);
    if (out != NULL)
        wr_ctx_emit(ctx, WR_PORT_MAIN, out);
    return WR_FLOW_NEXT;
}

static const wr_operator_ops told_ops = { .name = "told",
                                          .self_size = sizeof(told),
                                          .traits = WR_OP_STATELESS,
                                          .open = told_open,
                                          .process = told_process };

static weir_status
held_open(void *self, wr_sink_ctx *ctx, const void *config, weir_error *err)
{
    return WEIR_OK;
}

static wr_flow
held_write(void *self, wr_sink_ctx *ctx, const wr_batch *batch)
{
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        int64_t k = ((const int64_t *)batch->columns[0]->data)[row];
        held[k] =
            wr_batch_diff(batch, row) > 0 ? ((const int64_t *)batch->columns[1]->data)[row] : GONE;
    }
    return WR_FLOW_NEXT;
}

static bool flush_waits; /* for the other side, which says nothing */

static wr_flow
held_flush(void *self, wr_sink_ctx *ctx)
{
    return flush_waits ? WR_FLOW_WAIT : WR_FLOW_NEXT;
}

static const wr_sink_ops held_ops = { .name = "held",
                                      .doc = "rows by key",
                                      .self_bytes = sizeof(void *),
                                      .takes_changes = true,
                                      .open = held_open,
                                      .write = held_write,
                                      .flush = held_flush };

/* --- the job --- */

static void
begin(rig *r, int64_t keys)
{
    static uint32_t key[] = { 0 };
    scratch_begin(directory, "undo");
    make_events(keys);
    rig_init(r, RIG_PASS);
    wr_schema *changes = wr_schema_create(&r->arena, 2);
    for (uint32_t i = 0; i < 2; i++)
        changes->fields[i] = (wr_field){ .name = columns[i],
                                         .type = WR_TYPE(WR_INT8),
                                         .watermark_offset = WR_NO_WATERMARK };
    changes->kind = WR_CHANGELOG;
    changes->key = key;
    changes->key_count = 1;
    wr_schema *upserts = wr_schema_copy(&r->arena, changes);
    upserts->kind = WR_UPSERT;
    r->job.streams[1].schema = changes;
    r->job.segments[0].ops = wr_arena_calloc(&r->arena, 1, sizeof *r->job.segments[0].ops);
    r->job.segments[0].ops[0] = (wr_job_op){ .ops = &told_ops, .config = changes };
    r->sinks[0].ops = &held_ops;
    r->sinks[0].upserts = upserts;
    r->config.data_dir = directory;
    for (int p = 0; p < PARTITIONS; p++)
        rig_partition(r, p, events[p], counts[p]);
}

static void
rows_a_batch(rig *r, uint32_t rows)
{
    r->config.batch_rows_max = r->source_config[0].rows_a_poll = rows;
}

static void
end(rig *r)
{
    rig_fini(r);
    scratch_remove(directory);
}

/* Bytes of the journal's files, and how many there are. */
static uint64_t
journal_on_disk(uint32_t *files)
{
    char path[512];
    struct stat st;
    struct dirent *e;
    uint64_t bytes = 0;
    *files = 0;
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%.200s", directory, e->d_name);
        if (strncmp(e->d_name, "undo-", 5) != 0 || stat(path, &st) != 0)
            continue;
        bytes += (uint64_t)st.st_size;
        ++*files;
    }
    closedir(dir);
    return bytes;
}

static uint64_t
journal_as_told(const rig *r)
{
    wr_checkpoint_view view;
    wr_runtime_checkpoint_view(r->rt, &view);
    return view.journal_bytes;
}

/* --- at the limit --- */

/*
 * There is no timer: each checkpoint is one that the sink asked for.  Beyond the limit comes what the barriers of those push
 * before they are let through: what fits into the buffers, for each checkpoint that is kept.
 */
static void
at_its_limit(uint32_t workers, bool small)
{
    enum { LIMIT = 96 << 10, A_BATCH = 20, WAITS_MAX = 1000 };
    const uint64_t pushed = small ? LIMIT / 4 : LIMIT / 2;
    uint64_t most = 0;
    uint32_t waits = 0, files;
    rig r;
    begin(&r, KEYS);
    r.config.workers = r.config.seed = workers;
    r.config.journal_bytes = LIMIT;
    rows_a_batch(&r, A_BATCH);
    r.config.ring_batches_max = small ? 1 : 4;
    r.config.outbox_slots = small ? 1 : 4;
    rig_start(&r);
    for (; atomic_load(&r.finished) == 0 && waits < WAITS_MAX; waits++) {
        while (rig_steps(&r, 1) > 0)
            most = WR_MAX(most, journal_on_disk(&files));
        assert_int_equal(journal_as_told(&r), journal_on_disk(&files));
        wr_clock_virtual_set(&r.clock, r.clock.now + SECOND);
    }
    assert_int_equal(atomic_load(&r.failed), 0);
    assert_int_equal(atomic_load(&r.finished), 1);
    assert_true(most > LIMIT / 2 && most <= LIMIT + pushed);
    assert_true(atomic_load(&r.checkpoints) > 4); /* else all would have fitted */
    expect_held(KEYS);
    end(&r);
}

static void
at_its_limit_it_waits_for_checkpoints_and_loses_nothing(void **state)
{
    for (uint32_t workers = 1; workers <= 3; workers++) {
        at_its_limit(workers, false);
        at_its_limit(workers, true);
    }
}

/* --- short lives --- */

enum { FEW = 300, LIVES = 40 };

static _Atomic uint64_t limit; /* rows of a partition that are there */

static void
begin_following(rig *r)
{
    begin(r, FEW);
    atomic_store(&limit, counts[0]);
    r->source_config[0].limit = &limit;
    r->source_config[0].follow = true;
}

/* What one life puts down that tells of everything, three rows at a time. */
static uint64_t
bytes_of_one_life(void)
{
    rig r;
    uint32_t files;
    begin_following(&r);
    rows_a_batch(&r, 3);
    rig_start(&r);
    rig_run(&r);
    uint64_t bytes = journal_on_disk(&files);
    end(&r);
    return bytes;
}

/*
 * Each life reads a little further than the one before, in other batches, and is killed; every so many have a checkpoint on
 * their way.  0: none has, and what there is to be read is there by the tenth: each one after it tells the same again.
 */
static void
short_lives(uint32_t with_checkpoint)
{
    static const uint32_t batches[] = { 7, 300, 3, 64, 4096 };
    const uint64_t growing = with_checkpoint != 0 ? LIVES : 10, most = 2 * bytes_of_one_life();
    rig r;
    begin_following(&r);
    for (uint32_t life = 0; life < LIVES; life++) {
        uint32_t files;
        r.config.workers = 1 + life % 3;
        r.config.seed = life + 1;
        rows_a_batch(&r, batches[life % WR_COUNT(batches)]);
        atomic_store(&limit, counts[0] * WR_MIN(life + 1, growing) / growing);
        rig_start(&r);
        (void)rig_steps(&r, life % 10);
        if (with_checkpoint != 0 && life % with_checkpoint == 0)
            (void)wr_runtime_barrier(r.rt);
        rig_run(&r);
        assert_true(journal_on_disk(&files) <= most);
        assert_true(files <= 4); /* since each checkpoint that is kept, and what was read */
        rig_crash(&r);
    }
    assert_int_equal(atomic_load(&r.checkpoints),
                     with_checkpoint != 0 ? (LIVES - 1) / with_checkpoint + 1 : 0);
    r.source_config[0].follow = false;
    r.source_config[0].limit = NULL; /* the batches are large still: keys come and go within one */
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.failed), 0);
    assert_int_equal(atomic_load(&r.finished), 1);
    expect_held(FEW);
    end(&r);
}

static void
short_lives_do_not_make_it_grow(void **state)
{
    short_lives(0);
    short_lives(1);
    short_lives(3);
}

/* --- much is kept of an older checkpoint --- */

/* As many bytes of the sink's, told after the checkpoint of that epoch. */
static void
put_beside(const rig *r, wr_epoch epoch, uint32_t records, size_t each)
{
    weir_error err = { 0 };
    wr_store *store;
    wr_journal *journal;
    uint64_t ticket;
    char *bytes = calloc(each, 1);
    assert_int_equal(wr_store_open(directory, &store, &err), WEIR_OK);
    assert_int_equal(wr_journal_open(store, &journal, &err), WEIR_OK);
    for (uint32_t i = 0; i < records; i++) {
        wr_journal_record record = { r->sinks[0].name, epoch, bytes, each };
        assert_int_equal(wr_journal_put(journal, &record, &ticket), WEIR_OK);
        assert_int_equal(wr_journal_sync(journal, &err), WEIR_OK);
    }
    wr_journal_close(journal);
    wr_store_close(store);
    free(bytes);
}

/* A restart puts it down anew without holding it in memory; killed before it has, the next one does. */
static void
what_is_kept_of_older_checkpoints_is_not_held_in_memory(void **state)
{
    enum { RECORDS = 40, EACH = 1 << 20 };
    rig r;
    uint32_t files;
    begin_following(&r);
    atomic_store(&limit, counts[0] / 2);
    rig_start(&r);
    for (int i = 0; i < 2; i++) {
        (void)wr_runtime_barrier(r.rt);
        rig_run(&r);
    }
    assert_int_equal(atomic_load(&r.checkpoints), 2);
    rig_crash(&r);
    put_beside(&r, 1, RECORDS, EACH);
    for (int life = 0; life < 3; life++) {
        uint64_t before = wr_budget_used(wr_budget_process());
        rig_start(&r); /* nobody has synced yet */
        assert_true(wr_budget_used(wr_budget_process()) < before + RECORDS / 2 * (uint64_t)EACH);
        assert_in_range(journal_on_disk(&files), RECORDS * (uint64_t)EACH, (2 * RECORDS + 2) * (uint64_t)EACH);
        if (life == 2) {
            (void)wr_runtime_barrier(r.rt); /* makes all of it durable, and its floor */
            rig_run(&r);
        }
        rig_crash(&r);
    }
    assert_true(journal_on_disk(&files) < (RECORDS + 2) * (uint64_t)EACH);
    r.source_config[0].follow = false;
    r.source_config[0].limit = NULL;
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.failed), 0);
    assert_int_equal(atomic_load(&r.finished), 1);
    expect_held(FEW);
    end(&r);
}

/* --- what is said of a sink --- */

static void
limit_file_size(rlim_t bytes)
{
    struct rlimit size;
    getrlimit(RLIMIT_FSIZE, &size);
    size.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &size), 0);
}

static void
expect_last_error(const rig *r, const char *has)
{
    wr_sink_view view;
    wr_runtime_sink_view(r->rt, 0, &view);
    assert_true(view.blocked);
    if (has == NULL)
        assert_string_equal(view.last_error, "");
    else
        assert_non_null(strstr(view.last_error, has));
}

/* What was found is put down anew and has to be durable before a flush, without a batch in between. */
static void
a_flush_is_not_said_to_wait_for_a_journal_that_goes_on(void **state)
{
    rig r;
    begin_following(&r);
    rig_start(&r);
    rig_run(&r);
    rig_crash(&r);
    signal(SIGXFSZ, SIG_IGN);
    atomic_store(&limit, 0);
    rig_start(&r);
    limit_file_size(10);
    (void)wr_runtime_barrier(r.rt);
    rig_run(&r);
    limit_file_size(RLIM_INFINITY);
    expect_last_error(&r, "undo-");
    flush_waits = true;
    rig_wait(&r, 2 * SECOND);
    expect_last_error(&r, NULL);
    flush_waits = false;
    rig_crash(&r);
    end(&r);
}

WR_TESTS = { WR_TEST(a_flush_is_not_said_to_wait_for_a_journal_that_goes_on),
             WR_TEST(what_is_kept_of_older_checkpoints_is_not_held_in_memory),
             WR_TEST(at_its_limit_it_waits_for_checkpoints_and_loses_nothing),
             WR_TEST(short_lives_do_not_make_it_grow),
             { NULL, NULL } };
