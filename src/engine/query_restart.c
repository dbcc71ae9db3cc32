/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/query_restart.c -- for tests: a query that is stopped half-way and goes on from its
 * checkpoint, on another number of workers, must give what it would have given.
 */
#include "base/random.h"
#include "engine/query_impl.h"

/* A batch that shares nothing with the runtime it came from.  NULL: no memory. */
static wr_batch *
batch_apart(const wr_batch *from, const wr_schema *schema, wr_budget *budget)
{
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    wr_batch *copy = NULL;
    wr_snapshot_writer_init(&w, budget);
    wr_snapshot_begin(&w, WR_SNAPSHOT_GLOBAL);
    bool good = wr_snapshot_put_batch(&w, from) == WEIR_OK;
    wr_snapshot_end(&w);
    if (good && wr_snapshot_finish(&w) == WEIR_OK) {
        wr_snapshot_reader_init(&r, wr_text_string(&w.bytes), w.bytes.length, WR_GROUPS_ALL);
        if (wr_snapshot_next(&r) && wr_snapshot_get_batch(&r, budget, schema, &copy) != WEIR_OK)
            copy = NULL;
    }
    wr_snapshot_writer_fini(&w);
    return copy;
}

/* Keep what the query gave before the barrier of `epoch`; what came after it comes again. */
static weir_status
restart_collect(weir_result *r, bool *past_barrier)
{
    wr_stream *stream = wr_runtime_stream(r->pipeline->runtime, wr_query_view(r->pipeline)->stream);
    for (uint32_t s = 0; s < wr_stream_shards(stream); s++) {
        wr_batch *b;
        while ((b = wr_reader_next(r->reader, s, NULL)) != NULL) {
            past_barrier[s] = past_barrier[s] || b->mark == WR_MARK_BARRIER;
            if (b->row_count == 0 || past_barrier[s]) {
                wr_batch_release(b);
                continue;
            }
            wr_batch *copy = batch_apart(b, r->schema, r->pipeline->engine->budget);
            wr_batch_release(b);
            b = copy;
            if (b == NULL)
                return WEIR_MEMORY;
            if (r->before_count == r->before_capacity) {
                uint32_t more = r->before_capacity == 0 ? 64 : r->before_capacity * 2;
                wr_batch **grown =
                    wr_realloc(r->pipeline->engine->budget, r->before, more * sizeof *grown);
                if (grown == NULL) {
                    wr_batch_release(b);
                    return WEIR_MEMORY;
                }
                r->before = grown;
                r->before_capacity = more;
            }
            r->before[r->before_count++] = b;
        }
    }
    return WEIR_OK;
}

weir_status
wr_result_restart(weir_result *r, const wr_runtime_config *config, uint64_t seed, weir_error *err)
{
    static const uint32_t workers[][2] = { { 2, 3 }, { 1, 3 }, { 3, 1 } };
    const uint32_t *from_to = workers[seed % WR_COUNT(workers)];
    weir_pipeline *p = r->pipeline;
    wr_runtime_config c = *config;
    wr_random random;
    bool past_barrier[64] = { false };
    char dir[WR_SCRATCH_PATH];
    WR_TRY(wr_scratch_make(dir, err));
    p->data_dir = wr_arena_strdup(&p->arena, dir);
    if (p->data_dir == NULL) {
        wr_scratch_remove(dir);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a query");
    }
    c.data_dir = p->data_dir;
    c.workers = from_to[0];
    wr_random_init(&random, seed);
    weir_status status = wr_result_open(r, &c, err);
    for (uint64_t left = wr_random_below(&random, 60);
         status == WEIR_OK && left > 0 && wr_runtime_step(p->runtime); left--)
        status = restart_collect(r, past_barrier);
    wr_epoch epoch = status == WEIR_OK ? wr_runtime_barrier(p->runtime) : 0;
    while (status == WEIR_OK && wr_runtime_epoch_done(p->runtime) < epoch &&
           wr_runtime_step(p->runtime))
        status = restart_collect(r, past_barrier);
    if (status == WEIR_OK && wr_runtime_epoch_done(p->runtime) >= epoch) {
        status = restart_collect(r, past_barrier);
        wr_reader_destroy(r->reader);
        r->reader = NULL;
        wr_runtime_kill(p->runtime);
        wr_runtime_destroy(p->runtime);
        p->runtime = NULL;
        c.workers = from_to[1];
        if (status == WEIR_OK)
            status = wr_result_open(r, &c, err);
    }
    return status;
}
