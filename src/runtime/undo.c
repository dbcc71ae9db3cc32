/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/undo.c -- the journal of what sinks were told (see undo_impl.h): read at the start, made durable meanwhile.
 */
#include "runtime/runtime_impl.h"

#include "base/hash.h"
#include "base/log.h"

#include <string.h>

enum { RETRY_US = 1000000 };
#define PUT_DOWN UINT32_MAX /* the input of records that stand in place of others */

/* --- reading --- */

typedef struct undo_reading {
    wr_runtime *rt;
    wr_epoch since;   /* the restored checkpoint */
    wr_epoch oldest;  /* no restart begins before it; 0: it may, for all that is known */
    uint64_t strange; /* records that no sink of ours knows */
    bool stuck;       /* what is put down cannot be made durable for now */
} undo_reading;

/* Nobody makes durable yet what is put here, and it may be as much as a journal holds: memory is not for that.  Where it
 * cannot be, it waits, as always. */
static void
journal_relieve(undo_reading *u)
{
    weir_error why;
    if (!u->stuck && !wr_journal_has_room(u->rt->undo.journal))
        u->stuck = wr_journal_sync(u->rt->undo.journal, &why) != WEIR_OK;
}

static sink_task *
sink_named(wr_runtime *rt, const char *name)
{
    for (uint32_t i = 0; i < rt->sink_count; i++)
        if (rt->sinks[i].undo.on && strcmp(rt->sinks[i].binding->name, name) == 0)
            return &rt->sinks[i];
    return NULL;
}

/* One that a restart from this checkpoint goes by. */
static weir_status
record_back(undo_reading *u, const wr_journal_record *record)
{
    wr_snapshot_reader r;
    sink_task *s = sink_named(u->rt, record->name);
    wr_budget *budget = u->rt->config.state != NULL ? u->rt->config.state : u->rt->budget;
    wr_batch *batch = NULL;
    wr_snapshot_reader_init(&r, record->bytes, record->length, WR_GROUPS_ALL);
    uint64_t schema = wr_snapshot_next(&r) ? wr_snapshot_get_u64(&r) : 0;
    uint32_t from = (uint32_t)wr_snapshot_get_u64(&r);
    bool goes_on = wr_snapshot_get_u64(&r) != 0;
    if (s == NULL || schema != s->undo.schema || record->length > WR_JOURNAL_RECORD_BYTES_MAX) {
        u->strange++;
        return WEIR_OK;
    }
    if (s->undo.back == NULL)
        s->undo.back = wr_undo_back_create(budget, s->binding->upserts);
    weir_status status = s->undo.back != NULL
                             ? wr_snapshot_get_batch(&r, budget, s->binding->upserts, &batch)
                             : WEIR_MEMORY;
    if (status == WEIR_OK) {
        batch->goes_on = goes_on;
        status = wr_undo_back_add(s->undo.back, from, batch);
    }
    wr_batch_release(batch);
    return status;
}

static weir_status
record_visit(void *user, const wr_journal_record *record)
{
    undo_reading *u = user;
    uint64_t ticket;
    if (record->epoch >= u->since)
        return record_back(u, record);
    if (record->epoch < u->oldest)
        return WEIR_OK;
    WR_TRY(wr_journal_put(u->rt->undo.journal, record,
                          &ticket)); /* of an older checkpoint, which is kept */
    journal_relieve(u);
    return WEIR_OK;
}

/* U4: what was found of a sink, a record a key. */
static weir_status
sink_put_down(undo_reading *reading, sink_task *s)
{
    wr_batch *batch = NULL;
    sink_undo *u = &s->undo;
    weir_status status = wr_undo_back_settle(u->back);
    while (status == WEIR_OK && (status = wr_undo_back_next(u->back, false, &batch)) == WEIR_OK &&
           batch != NULL) {
        status = wr_undo_put(s, PUT_DOWN, batch, false);
        wr_batch_release(batch);
        journal_relieve(reading);
    }
    if (status == WEIR_OK && wr_undo_back_count(u->back) > 0)
        wr_log(WR_LOG_INFO, "sink",
               "%s: %" PRIu64 " keys told since the checkpoint are told again as they were in it",
               s->binding->name, wr_undo_back_count(u->back));
    return status;
}

static weir_status
undo_read(wr_runtime *rt, weir_error *err)
{
    undo_reading u = { .rt = rt,
                       .since = rt->has_restored ? rt->restored.epoch : 0,
                       .oldest = wr_store_oldest(rt->store) };
    wr_text told;
    uint64_t floor = 0;
    wr_text_init(&told, rt->budget);
    weir_status status = wr_journal_anew(rt->undo.journal);
    if (status == WEIR_OK)
        status = wr_journal_read(rt->undo.journal, record_visit, &u, &told, err);
    if (told.length > 0)
        wr_log(WR_LOG_WARN, "checkpoint", "what sinks told last is known in part: %s",
               wr_text_string(&told));
    if (u.strange > 0)
        wr_log(WR_LOG_WARN, "checkpoint",
               "%" PRIu64
               " batches told since the checkpoint by sinks that are gone, or read something "
               "else now, cannot be taken back",
               u.strange);
    wr_text_fini(&told);
    for (uint32_t i = 0; i < rt->sink_count && status == WEIR_OK; i++)
        if (rt->sinks[i].undo.back != NULL)
            status = sink_put_down(&u, &rt->sinks[i]);
    if (status == WEIR_OK)
        status = wr_journal_floor(rt->undo.journal, &floor);
    for (uint32_t i = 0; i < rt->sink_count; i++)
        rt->sinks[i].undo.ticket = floor;
    return status == WEIR_OK || (err != NULL && err->code != WEIR_OK)
               ? status
               : wr_error_set(err, status,
                              "no memory for what sinks were told since the checkpoint");
}

weir_status
wr_undo_open(wr_runtime *rt, weir_error *err)
{
    bool any = false;
    if (rt->store == NULL)
        return WEIR_OK;
    for (uint32_t i = 0; i < rt->sink_count; i++) {
        sink_task *s = &rt->sinks[i];
        const char *from = rt->job->streams[s->binding->stream].name;
        if (s->binding->upserts == NULL)
            continue;
        any = s->undo.on = true;
        s->undo.since = rt->has_restored ? rt->restored.epoch : 0;
        s->undo.schema =
            wr_schema_fingerprint(s->binding->upserts) ^ wr_hash_stable(from, strlen(from));
        s->undo.within = wr_build_array(rt, s->in.count, sizeof *s->undo.within);
        if (s->undo.within == NULL)
            return wr_error_set(err, WEIR_MEMORY, "no memory for sink %s", s->binding->name);
        wr_snapshot_writer_init(&s->undo.record, rt->budget);
    }
    if (any)
        WR_TRY(wr_store_forget_newer(rt->store, err));
    WR_TRY(wr_journal_open(rt->store, &rt->undo.journal, err));
    if (!wr_journal_is_empty(rt->undo.journal))
        return undo_read(rt, err);
    if (!any) {
        wr_journal_close(rt->undo.journal);
        rt->undo.journal = NULL;
    }
    return WEIR_OK;
}

/* --- making it durable --- */

static void
sinks_wake(wr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->sink_count; i++)
        if (rt->sinks[i].undo.on)
            wr_task_wake(&rt->sinks[i].t);
}

bool
wr_undo_has_unsynced(const wr_runtime *rt)
{
    return wr_journal_put_so_far(rt->undo.journal) > wr_journal_durable(rt->undo.journal);
}

bool
wr_undo_sync_now(wr_runtime *rt)
{
    undo *u = &rt->undo;
    weir_error err;
    wr_error_clear(&err);
    weir_status status = wr_journal_sync(u->journal, &err);
    wr_mutex_lock(&u->lock);
    bool first = status != WEIR_OK && !u->failing;
    u->failing = status != WEIR_OK;
    u->error = err;
    wr_mutex_unlock(&u->lock);
    if (first)
        wr_log(WR_LOG_WARN, "checkpoint", "sinks that tell of changes wait: %s", err.text);
    return status == WEIR_OK;
}

static void
undo_main(void *user)
{
    wr_runtime *rt = user;
    undo *u = &rt->undo;
    wr_mutex_lock(&u->lock);
    while (!u->quit) {
        if (!u->wanted) {
            wr_cond_wait(&u->changed, &u->lock);
            continue;
        }
        u->wanted = false;
        wr_mutex_unlock(&u->lock);
        bool done = wr_undo_sync_now(rt);
        sinks_wake(rt);
        wr_mutex_lock(&u->lock);
        if (!done && !u->quit) {
            u->wanted = true; /* so that no sink that is woken cuts the wait short */
            (void)wr_cond_wait_for(&u->changed, &u->lock, RETRY_US);
        }
    }
    wr_mutex_unlock(&u->lock);
}

void
wr_undo_sync_soon(wr_runtime *rt)
{
    undo *u = &rt->undo;
    if (!u->thread.started)
        return;
    wr_mutex_lock(&u->lock);
    if (!u->wanted) {
        u->wanted = true;
        wr_cond_signal(&u->changed);
    }
    wr_mutex_unlock(&u->lock);
}

bool
wr_undo_trouble(sink_task *s, weir_error *err)
{
    wr_runtime *rt = s->t.rt;
    undo *u = &rt->undo;
    wr_mutex_lock(&u->lock);
    bool failing = u->failing;
    if (failing)
        *err = u->error;
    wr_mutex_unlock(&u->lock);
    uint64_t bytes = wr_journal_bytes(u->journal);
    if (failing || bytes < rt->config.journal_bytes)
        return failing;
    (void)wr_error_set(err, WEIR_LIMIT,
                       "%" PRIu64
                       " MiB of what was told since the last checkpoints: it waits for one",
                       bytes >> 20);
    return true;
}

void
wr_undo_checkpointed(wr_runtime *rt, bool durable)
{
    undo *u = &rt->undo;
    if (u->journal == NULL)
        return;
    if (durable && wr_journal_bytes(u->journal) > 0)
        wr_journal_drop(u->journal, wr_store_oldest(rt->store));
    if (wr_journal_bytes(u->journal) >= rt->config.journal_bytes / 2)
        sinks_wake(rt);
}

/* --- life --- */

void
wr_undo_init(wr_runtime *rt)
{
    wr_mutex_init(&rt->undo.lock);
    wr_cond_init(&rt->undo.changed);
}

weir_status
wr_undo_start(wr_runtime *rt, weir_error *err)
{
    if (rt->undo.journal == NULL || rt->config.executor == WR_EXECUTOR_SEEDED)
        return WEIR_OK;
    rt->undo.wanted = wr_journal_put_so_far(rt->undo.journal) > 0;
    return wr_thread_start(&rt->undo.thread, "weir-journal", undo_main, rt, err);
}

void
wr_undo_stop(wr_runtime *rt)
{
    undo *u = &rt->undo;
    wr_mutex_lock(&u->lock);
    u->quit = true;
    wr_cond_broadcast(&u->changed);
    wr_mutex_unlock(&u->lock);
    wr_thread_join(&u->thread);
}

void
wr_undo_fini(wr_runtime *rt)
{
    wr_journal_close(rt->undo.journal);
    rt->undo.journal = NULL;
    wr_cond_fini(&rt->undo.changed);
    wr_mutex_fini(&rt->undo.lock);
}
