/* SPDX-License-Identifier: Apache-2.0 */
/* support/optest_run.c -- an operator, driven through a script in every way (see optest.h). */
#include "support/optest_impl.h"

#include "base/hash.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

typedef enum snapshot_mode {
    SNAPSHOT_NONE,
    SNAPSHOT_GO_ON,
    SNAPSHOT_RESTORE,
    SNAPSHOT_HALVES,
    SNAPSHOT_DAMAGE
} snapshot_mode;
typedef enum batch_mode { BATCH_AS_GIVEN, BATCH_ROW, BATCH_MERGED } batch_mode;

typedef struct way {
    const char   *name;
    batch_mode    batches;
    uint32_t      slots;
    bool          holes;
    snapshot_mode snapshots;
    bool          tight; /* again and again, with less memory than it takes */
} way;

static const way ways[] = {
    { "as it stands", BATCH_AS_GIVEN, 16, false, SNAPSHOT_NONE },
    { "a row at a time", BATCH_ROW, 16, false, SNAPSHOT_NONE },
    { "all rows at once", BATCH_MERGED, 16, false, SNAPSHOT_NONE },
    { "a one-slot outbox", BATCH_AS_GIVEN, 1, false, SNAPSHOT_NONE },
    { "at once, one slot, unselected rows between", BATCH_MERGED, 1, true, SNAPSHOT_NONE },
    { "a snapshot after every batch", BATCH_AS_GIVEN, 16, false, SNAPSHOT_GO_ON },
    { "a snapshot after every row", BATCH_ROW, 1, true, SNAPSHOT_GO_ON },
    { "restored after every batch", BATCH_AS_GIVEN, 16, false, SNAPSHOT_RESTORE },
    { "restored after every row", BATCH_ROW, 1, false, SNAPSHOT_RESTORE },
    { "restored into halves and back", BATCH_ROW, 16, false, SNAPSHOT_HALVES },
    { "damaged snapshots", BATCH_AS_GIVEN, 16, false, SNAPSHOT_DAMAGE },
    { "too little memory", BATCH_AS_GIVEN, 16, false, SNAPSHOT_RESTORE, true },
};

typedef struct instance {
    void      *self;
    wr_ctx     ctx;
    wr_time    ports[WR_OP_PORTS_MAX];
    weir_error error;
    wr_budget *whole, *state, *flow;
    wr_time    stamped; /* watermark_after of the newest batch out */
} instance;

typedef struct runner {
    wr_optest      *t;
    const way      *way;
    instance        instances[2];
    uint32_t        instance_count;
    wr_optest_bag   out[WR_PORT_COUNT];
    uint64_t        counters[sizeof(wr_op_counters) / sizeof(uint64_t)];
    wr_time         watermarks[WR_OP_PORTS_MAX];
    wr_frozen      *frozen; /* of the batch before, to be written again */
    char           *written;
    size_t          written_bytes;
    wr_epoch        epoch;
    wr_time         now;
    bool            failed;
    uint32_t        step;
    uint32_t        batch_count, snapshot_every; /* long scripts: not after every row */
    uint64_t        limit, peak; /* of an instance's memory; 0: none, and what it took */
} runner;

static void
complain(const runner *r, const char *what)
{
    fprintf(stderr, "optest: %s, %s, step %u: %s\n", r->t->ops->name, r->way->name, r->step, what);
}

/* With a limit any step may run out of memory: that ends the run, and nothing may be lost. */
static bool
out_of_memory(runner *r, weir_status status)
{
    r->failed |= r->limit > 0 && status == WEIR_MEMORY;
    return r->limit > 0 && status == WEIR_MEMORY;
}

static void
instance_open(runner *r, instance *in, wr_groups groups)
{
    const wr_optest *t = r->t;
    weir_error       err = { 0 };
    in->whole = wr_budget_create(NULL, "whole", 0);
    in->state = wr_budget_create(in->whole, "state", 0);
    in->flow = wr_budget_create(in->whole, "flow", 0);
    in->stamped = WR_TIME_START;
    memset(&in->error, 0, sizeof in->error);
    assert_int_equal(
        wr_ctx_init(&in->ctx, in->state, in->flow, groups, r->way->slots, &in->error), WEIR_OK);
    in->ctx.keeps_order = (t->ops->traits & WR_OP_KEEPS_ORDER) != 0;
    const wr_bad_origin origin = { .input = t->port_count == 1 ? t->ports[0].schema : NULL,
                                   .output = t->output };
    if (t->late_wanted)
        assert_int_equal(wr_ctx_want_late(&in->ctx), WEIR_OK);
    if (t->bad_wanted)
        assert_int_equal(wr_ctx_want_bad(&in->ctx, &origin), WEIR_OK);
    in->ctx.on_row_error = t->on_row_error;
    wr_time least = WR_TIME_END;
    in->ctx.port_watermark = in->ports;
    for (int p = 0; p < WR_OP_PORTS_MAX; p++) {
        in->ctx.port_watermark[p] = p < t->port_count ? r->watermarks[p] : WR_TIME_END;
        least = WR_MIN(least, in->ctx.port_watermark[p]);
    }
    in->ctx.watermark = least;
    in->ctx.eval.now = r->now;
    in->self = wr_calloc(in->state, 1, t->ops->self_size);
    if (r->limit > 0)
        wr_budget_set_limit(in->whole, wr_budget_used(in->whole) + r->limit);
    weir_status status = t->ops->open(in->self, &in->ctx, t->config, &err);
    if (out_of_memory(r, status)) {
        wr_free(in->self); /* an open that fails leaves nothing, and close does not follow */
        in->self = NULL;
    } else if (status != WEIR_OK) {
        complain(r, err.text);
        fail_msg("open failed");
    }
}

static void
instance_close(runner *r, instance *in)
{
    _Atomic uint64_t *counters = (_Atomic uint64_t *) &in->ctx.counters;
    for (size_t i = 0; i < WR_COUNT(r->counters); i++)
        r->counters[i] += atomic_load(&counters[i]);
    r->peak = WR_MAX(r->peak, wr_budget_peak(in->whole));
    if (in->self != NULL)
        r->t->ops->close(in->self);
    wr_free(in->self);
    wr_ctx_fini(&in->ctx);
    if (wr_budget_used(in->state) != 0 || wr_budget_used(in->flow) != 0) {
        complain(r, "bytes are left after close");
        fail_msg("%llu bytes of state, %llu of flow",
                 (unsigned long long) wr_budget_used(in->state),
                 (unsigned long long) wr_budget_used(in->flow));
    }
    wr_budget_destroy(in->state);
    wr_budget_destroy(in->flow);
    wr_budget_destroy(in->whole);
    memset(in, 0, sizeof *in);
}

static void
instance_drain(runner *r, instance *in)
{
    assert_true(wr_ctx_bad_flush(&in->ctx) == WEIR_OK || r->limit > 0);
    for (int p = 0; p < WR_PORT_COUNT; p++) {
        wr_outbox *box = &in->ctx.out[p];
        for (uint32_t i = 0; i < box->count; i++) {
            wr_batch *b = box->slots[i];
            wr_batch_check(b);
            assert_true(b->row_count > 0 && b->row_count <= WR_BATCH_ROWS_MAX);
            const wr_schema *schema = p == WR_PORT_MAIN ? r->t->output : NULL;
            if (schema != NULL) {
                assert_int_equal(b->column_count, schema->field_count);
                for (uint32_t c = 0; c < schema->field_count; c++)
                    assert_true(wr_type_same(b->columns[c]->type, schema->fields[c].type));
                assert_true(b->watermark_before >= in->stamped); /* B3 */
                in->stamped = b->watermark_after;
            }
            wr_optest_bag_add_batch(&r->out[p], b);
            wr_batch_release(b);
        }
        box->count = 0;
    }
}

/* After a call: true when the same call must be made again. */
static bool
again(runner *r, instance *in, wr_flow flow)
{
    bool full = !wr_ctx_has_room(&in->ctx, WR_PORT_MAIN);
    instance_drain(r, in);
    if (flow == WR_FLOW_FAIL && out_of_memory(r, in->error.code))
        return false;
    if (flow == WR_FLOW_FAIL) {
        if (r->t->failure == WEIR_OK || in->error.code != r->t->failure) {
            complain(r, in->error.text);
            fail_msg("failed with %s", weir_status_name(in->error.code));
        }
        r->failed = true;
        return false;
    }
    if (flow == WR_FLOW_AGAIN) {
        assert_true(full);
        return true;
    }
    assert_int_equal(flow, WR_FLOW_NEXT);
    return false;
}

static void
instance_advance(runner *r, instance *in, int number, wr_time watermark)
{
    const wr_operator_ops *ops = r->t->ops;
    wr_time                least = WR_TIME_END;
    bool ended = watermark == WR_TIME_END && in->ctx.port_watermark[number] != WR_TIME_END;
    in->ctx.port_watermark[number] = watermark;
    for (int p = 0; p < r->t->port_count; p++)
        least = WR_MIN(least, in->ctx.port_watermark[p]);
    if (least <= in->ctx.watermark && !ended)
        return;
    if (ops->advance != NULL)
        do
            wr_eval_reset(&in->ctx.eval);
        while (!r->failed && again(r, in, ops->advance(in->self, &in->ctx, least)));
    in->ctx.watermark = least;
}

static void
instance_process(runner *r, instance *in, int number, const wr_batch *batch)
{
    if (batch->row_count > 0) {
        wr_batch_check(batch);
        do
            wr_eval_reset(&in->ctx.eval);
        while (again(r, in, r->t->ops->process(in->self, &in->ctx, number, batch)));
    }
    if (!r->failed)
        instance_advance(r, in, number, batch->watermark_after);
}

static void
instance_tick(runner *r, instance *in)
{
    in->ctx.eval.now = r->now;
    if (r->t->ops->tick == NULL || in->ctx.wake_at > r->now)
        return;
    do
        wr_eval_reset(&in->ctx.eval);
    while (again(r, in, r->t->ops->tick(in->self, &in->ctx)));
    if (!r->failed && in->ctx.wake_at <= r->now)
        fail_msg("a tick did not move wake_at on");
}

/* --- batches of a script --- */

/* Rows [0, count) as one batch; with holes each row stands beside an unselected copy of it. */
static wr_batch *
batch_make(const wr_optest_input *p, const wr_optest_row *rows, uint32_t count, bool holes,
           wr_time after)
{
    wr_batch_builder builder;
    uint32_t         stride = holes && count <= WR_BATCH_ROWS_MAX / 2 ? 2 : 1;
    bool             spread = false;
    wr_batch_builder_init(&builder, NULL, p->schema);
    for (uint32_t i = 0; i < count * stride; i++)
        assert_int_equal(wr_batch_builder_add(&builder, rows[i / stride].values,
                                              rows[i / stride].diff),
                         WEIR_OK);
    wr_batch *b = wr_batch_builder_take(&builder);
    wr_batch_builder_fini(&builder);
    assert_non_null(b);
    b->watermark_before = rows[0].before;
    b->watermark_after = after;
    for (uint32_t i = 0; i < count; i++)
        spread |= rows[i].before != rows[0].before;
    if (spread) {
        b->row_watermark = wr_alloc(NULL, count * stride * sizeof *b->row_watermark);
        for (uint32_t i = 0; i < count * stride; i++)
            b->row_watermark[i] = rows[i / stride].before;
    }
    if (stride == 2) {
        b->selection = wr_alloc(NULL, count * sizeof *b->selection);
        for (uint32_t i = 0; i < count; i++)
            b->selection[i] = (uint16_t) (i * 2 + (i % 2));
        b->row_count = count;
    }
    return b;
}

/* Which instance owns a row. */
static uint32_t
row_owner(const runner *r, const wr_optest_input *p, const wr_batch *batch)
{
    wr_text key;
    if (r->instance_count == 1)
        return 0;
    wr_text_init(&key, NULL);
    assert_int_equal(wr_key_encode(batch, p->keys, (uint32_t) p->key_count, 0, &key), WEIR_OK);
    uint32_t group = wr_key_group(wr_hash_stable(wr_text_string(&key), key.length));
    wr_text_fini(&key);
    return wr_shard_of_group(group, 2);
}

static void runner_snapshot(runner *r);

static void
runner_rows(runner *r, int number, const wr_optest_row *rows, uint32_t count, wr_time after)
{
    const wr_optest_input *p = &r->t->ports[number];
    wr_batch   *batch = batch_make(p, rows, count, r->way->holes, after);
    uint32_t    owner = row_owner(r, p, batch);
    instance_process(r, &r->instances[owner], number, batch);
    for (uint32_t i = 0; i < r->instance_count && !r->failed; i++)
        if (i != owner)
            instance_advance(r, &r->instances[i], number, after);
    r->watermarks[number] = WR_MAX(r->watermarks[number], after);
    wr_batch_release(batch);
    if (!r->failed)
        runner_snapshot(r);
}

/* Steps from `first` that make one batch in this way; returns the step after them. */
static uint32_t
runner_gather(runner *r, uint32_t first)
{
    const wr_optest      *t = r->t;
    const wr_optest_step *step = &t->steps[first];
    uint32_t              last = first, count = 0;
    wr_time               after = r->watermarks[step->port];
    if (r->way->batches == BATCH_MERGED)
        while (last + 1 < t->step_count && t->steps[last + 1].port == step->port &&
               t->steps[last + 1].kind <= OPTEST_WATERMARK)
            last++;
    for (uint32_t s = first; s <= last; s++)
        count += t->steps[s].row_count;
    wr_optest_row *rows = wr_calloc(NULL, count + 1, sizeof *rows);
    count = 0;
    for (uint32_t s = first; s <= last; s++) {
        for (uint32_t i = 0; i < t->steps[s].row_count; i++) {
            rows[count++] = t->steps[s].rows[i];
            after = WR_MAX(after, rows[count - 1].after);
        }
        if (t->steps[s].kind == OPTEST_WATERMARK)
            after = WR_MAX(after, t->steps[s].watermark);
    }
    uint32_t most = r->way->batches == BATCH_ROW ? 1 : WR_BATCH_ROWS_MAX;
    for (uint32_t i = 0; i < count && !r->failed; i += most) {
        uint32_t n = WR_MIN(most, count - i);
        runner_rows(r, step->port, rows + i, n, i + n == count ? after : rows[i + n - 1].after);
    }
    wr_free(rows);
    if (count == 0)
        for (uint32_t i = 0; i < r->instance_count && !r->failed; i++)
            instance_advance(r, &r->instances[i], step->port, after);
    r->watermarks[step->port] = WR_MAX(r->watermarks[step->port], after);
    return last + 1;
}

/* --- snapshots --- */

static char *
frozen_bytes(runner *r, const wr_frozen *f, size_t *length)
{
    wr_snapshot_writer writer;
    wr_snapshot_writer_init(&writer, NULL);
    weir_status status = r->t->ops->write(f, &writer);
    if (!out_of_memory(r, status)) {
        assert_int_equal(status, WEIR_OK);
        assert_int_equal(wr_snapshot_finish(&writer), WEIR_OK);
    } else {
        writer.open = false;
    }
    char *bytes = wr_text_take(&writer.bytes, length);
    wr_snapshot_writer_fini(&writer);
    return bytes;
}

/* The snapshot of the batch before, written again: it must be what it was. */
static void
runner_thaw(runner *r)
{
    if (r->frozen == NULL)
        return;
    size_t length;
    char  *bytes = frozen_bytes(r, r->frozen, &length);
    if (length != r->written_bytes ||
        (length > 0 && memcmp(bytes, r->written, length) != 0)) {
        complain(r, "a frozen state has changed");
        fail_msg("frozen state changed");
    }
    wr_free(bytes);
    wr_free(r->written);
    r->written = NULL;
    r->t->ops->thaw(r->frozen);
    r->frozen = NULL;
}

static void
instance_restore(runner *r, instance *in, const char *bytes, size_t length, bool damaged)
{
    wr_snapshot_reader reader;
    wr_snapshot_reader_init(&reader, bytes, length, in->ctx.groups);
    if (in->self == NULL)
        return;
    weir_status status = r->t->ops->restore(in->self, &in->ctx, &reader);
    if (!damaged && status != WEIR_OK && !out_of_memory(r, status)) {
        complain(r, weir_status_text(status));
        fail_msg("restore failed");
    }
}

/* Bytes cut short and with bits turned: anything but a crash or a leak is right. */
static void
runner_damage(runner *r, const char *bytes, size_t length)
{
    wr_random random;
    wr_random_init(&random, r->step * 977 + length);
    for (int i = 0; i < 24; i++) {
        instance in;
        size_t   kept = i % 2 == 0 ? wr_random_below(&random, length + 1) : length;
        char    *copy = wr_alloc(NULL, kept);
        memcpy(copy, bytes, kept);
        if (i % 2 == 1 && kept > 0)
            copy[wr_random_below(&random, kept)] ^= (char) (1u << wr_random_below(&random, 8));
        instance_open(r, &in, WR_GROUPS_ALL);
        instance_restore(r, &in, copy, kept, true);
        memset(&in.ctx.counters, 0, sizeof in.ctx.counters);
        instance_close(r, &in);
        wr_free(copy);
    }
}

static void
runner_replace(runner *r, uint32_t count)
{
    char    *bytes[2] = { NULL };
    size_t   lengths[2] = { 0 };
    uint32_t were = r->instance_count;
    for (uint32_t i = 0; i < were; i++) {
        wr_frozen  *f = NULL;
        weir_status status = r->t->ops->freeze(r->instances[i].self, r->epoch, &f);
        if (out_of_memory(r, status))
            return;
        assert_int_equal(status, WEIR_OK);
        bytes[i] = frozen_bytes(r, f, &lengths[i]);
        r->t->ops->thaw(f);
        if (r->failed) {
            wr_free(bytes[i]);
            return;
        }
        atomic_store(&r->instances[i].ctx.counters.state_keys, 0);
        atomic_store(&r->instances[i].ctx.counters.state_panes, 0);
        instance_close(r, &r->instances[i]);
    }
    r->instance_count = count;
    for (uint32_t i = 0; i < count; i++) {
        instance_open(r, &r->instances[i], wr_groups_of_shard(i, count));
        for (uint32_t j = 0; j < were; j++)
            instance_restore(r, &r->instances[i], bytes[j], lengths[j], false);
    }
    for (uint32_t j = 0; j < were; j++)
        wr_free(bytes[j]);
}

static void
runner_snapshot(runner *r)
{
    const wr_operator_ops *ops = r->t->ops;
    if (r->way->snapshots == SNAPSHOT_NONE || (ops->traits & WR_OP_STATELESS) != 0)
        return;
    if (r->batch_count++ % r->snapshot_every != 0)
        return;
    r->epoch++;
    if (r->way->snapshots == SNAPSHOT_RESTORE) {
        runner_replace(r, 1);
        return;
    }
    if (r->way->snapshots == SNAPSHOT_HALVES) {
        runner_replace(r, r->instance_count == 1 ? 2 : 1);
        return;
    }
    runner_thaw(r);
    assert_int_equal(ops->freeze(r->instances[0].self, r->epoch, &r->frozen), WEIR_OK);
    r->written = frozen_bytes(r, r->frozen, &r->written_bytes);
    if (r->way->snapshots == SNAPSHOT_DAMAGE)
        runner_damage(r, r->written, r->written_bytes);
}

/* --- the script --- */

static void
runner_expect(runner *r, const wr_optest_step *step)
{
    wr_optest_bag *out = &r->out[step->port];
    if (!step->ordered)
        wr_optest_bag_fold(out);
    if (!step->any && !wr_optest_bag_equal(out, &step->expected)) {
        complain(r, "other rows than expected");
        wr_optest_bag_print_difference(&step->expected, out);
        if (step->expected.count + out->count < 40) {
            wr_optest_bag_print("expected", &step->expected);
            wr_optest_bag_print("came out", out);
        }
        fail_msg("other rows than expected");
    }
    wr_optest_bag_clear(out);
}

static void
runner_end(runner *r)
{
    const wr_operator_ops *ops = r->t->ops;
    for (uint32_t i = 0; i < r->instance_count && !r->failed; i++) {
        instance *in = &r->instances[i];
        for (int p = 0; p < r->t->port_count && !r->failed; p++)
            instance_advance(r, in, p, WR_TIME_END);
        if (ops->finish != NULL && !r->failed)
            do
                wr_eval_reset(&in->ctx.eval);
            while (again(r, in, ops->finish(in->self, &in->ctx)));
        if (!r->failed && (atomic_load(&in->ctx.counters.state_keys) != 0 ||
                           atomic_load(&in->ctx.counters.state_panes) != 0)) {
            complain(r, "state is left at the end");
            fail_msg("state is left");
        }
    }
}

/* The end of a run: what was counted, and that nothing came out unasked. */
static void
runner_check(runner *r)
{
    const wr_optest *t = r->t;
    if (t->failure != WEIR_OK && !r->failed) {
        complain(r, "it should have failed");
        fail_msg("no failure");
    }
    for (uint32_t i = 0; i < t->count_count && !r->failed; i++)
        if (r->counters[t->counts[i].offset / sizeof(uint64_t)] != t->counts[i].value) {
            complain(r, t->counts[i].name);
            assert_int_equal(r->counters[t->counts[i].offset / sizeof(uint64_t)],
                             t->counts[i].value);
        }
    for (int p = 0; p < WR_PORT_COUNT; p++) {
        wr_optest_bag_fold(&r->out[p]);
        if (r->out[p].count > 0 && !r->failed) {
            complain(r, "rows came out that no expectation names");
            wr_optest_bag_print("came out", &r->out[p]);
            fail_msg("unexpected rows");
        }
        wr_optest_bag_clear(&r->out[p]);
    }
}

static void
runner_now(runner *r, wr_time now)
{
    r->now = now;
    for (uint32_t i = 0; i < r->instance_count && !r->failed; i++)
        instance_tick(r, &r->instances[i]);
    if (!r->failed)
        runner_snapshot(r);
}

/* limit: bytes an instance may take, 0 for any number; returns the most one took. */
static uint64_t
run_way(wr_optest *t, const way *w, uint64_t limit)
{
    runner *r = wr_calloc(NULL, 1, sizeof *r);
    r->t = t;
    r->way = w;
    r->limit = limit;
    r->instance_count = 1;
    r->snapshot_every = 1;
    if (w->batches == BATCH_ROW)
        for (uint32_t s = 0; s < t->step_count; s++)
            r->snapshot_every += t->steps[s].row_count / 200;
    for (int p = 0; p < WR_OP_PORTS_MAX; p++)
        r->watermarks[p] = WR_TIME_START;
    instance_open(r, &r->instances[0], WR_GROUPS_ALL);
    for (uint32_t s = 0; s < t->step_count && !r->failed;) {
        const wr_optest_step *step = &t->steps[s];
        r->step = s;
        if (step->kind == OPTEST_EXPECT)
            runner_expect(r, step);
        else if (step->kind == OPTEST_END)
            runner_end(r);
        else if (step->kind == OPTEST_NOW)
            runner_now(r, step->watermark);
        s = step->kind <= OPTEST_WATERMARK ? runner_gather(r, s) : s + 1;
    }
    runner_thaw(r);
    for (uint32_t i = 0; i < r->instance_count; i++)
        instance_close(r, &r->instances[i]);
    runner_check(r);
    uint64_t peak = r->peak;
    wr_free(r);
    return peak;
}

/* The way with all the memory it takes, then with less and less: it may fail, and must not leak. */
static void
run_tight(wr_optest *t, const way *w)
{
    enum { TRIES = 24 };
    uint64_t peak = run_way(t, w, 0);
    for (uint64_t i = 1; i <= TRIES; i++)
        (void) run_way(t, w, 1 + peak * (TRIES - i) / TRIES);
    for (uint64_t i = 1; i <= TRIES && 256 * i < peak; i++)
        (void) run_way(t, w, peak - 256 * i);
}

void
wr_optest_verify(wr_optest *t)
{
    bool keyed = true, ended = t->failure != WEIR_OK;
    for (int p = 0; p < t->port_count; p++)
        keyed &= t->ports[p].key_count >= 0;
    for (uint32_t s = 0; s < t->step_count; s++)
        ended |= t->steps[s].kind == OPTEST_END;
    assert_true(ended);
    for (size_t i = 0; i < WR_COUNT(ways); i++) {
        bool snapshots = ways[i].snapshots != SNAPSHOT_NONE;
        if (snapshots && (t->ops->traits & WR_OP_STATELESS) != 0)
            continue;
        if (ways[i].snapshots == SNAPSHOT_HALVES && !keyed)
            continue;
        if (ways[i].tight)
            run_tight(t, &ways[i]);
        else
            (void) run_way(t, &ways[i], 0);
    }
    for (uint32_t s = 0; s < t->step_count; s++)
        wr_optest_bag_clear(&t->steps[s].expected);
    wr_arena_fini(&t->arena);
    wr_free(t);
}
