/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/sink.c -- a sink that acknowledges later, refuses for a while, tries again, fails; and the log outside that stays.
 *
 * Rows become text (a|b|c).  What is written is in flight until it is acknowledged, in order; a process that dies
 * loses an unacknowledged end of it, of any length.  `raw` is what the outside has seen; `exact` the same, put back at
 * each restart to where it stood at the barrier of the checkpoint that was restored (the marks).
 */
#include "runtime/runtime_impl.h"
#include "sim/sim.h"

#include <stdlib.h>
#include <string.h>

static void *
grown(void *list, uint32_t count, uint32_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return list;
    *capacity = *capacity * 2 + 64;
    list = realloc(list, *capacity * bytes);
    if (list == NULL)
        abort();
    return list;
}

static void
log_put(sim_log *l, uint32_t id)
{
    l->ids = grown(l->ids, l->count, &l->capacity, sizeof *l->ids);
    l->ids[l->count++] = id;
}

void
sim_sink_wake(sim_sink *s)
{
    if (s->ctx != NULL)
        s->ctx->wake(s->ctx);
}

/* --- rows as text --- */

static void
value_text(const wr_column *c, uint32_t row, wr_arena *arena, wr_text *to)
{
    wr_value v;
    wr_assert(wr_column_get_value(c, row, arena, &v) == WEIR_OK);
    if (v.is_null)
        wr_text_puts(to, "null");
    else if (v.type.id == WR_TIMESTAMPTZ || v.type.id == WR_TIMESTAMP)
        wr_text_printf(to, "%lld", (long long) v.integer);
    else
        wr_value_print(&v, to);
}

/* Of a sink that writes by key: the row's; else NULL. */
static const char *
key_text(sim_sink *s, const wr_batch *batch, uint32_t row)
{
    const wr_schema *schema = s->ctx->schema;
    wr_text          text;
    wr_arena         arena;
    if (schema->kind != WR_UPSERT)
        return NULL;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    for (uint32_t c = 0; c < schema->key_count; c++) {
        value_text(batch->columns[schema->key[c]], row, &arena, &text);
        wr_text_putc(&text, '|');
    }
    const char *key = wr_arena_strdup(&s->world->arena, wr_text_string(&text));
    wr_text_fini(&text);
    wr_arena_fini(&arena);
    return key;
}

static void
rows_take(sim_sink *s, const wr_batch *batch)
{
    sim_world *w = s->world;
    wr_text    text;
    wr_arena   arena;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        wr_text_clear(&text);
        for (uint32_t c = 0; c < batch->column_count; c++) {
            if (c > 0)
                wr_text_putc(&text, '|');
            value_text(batch->columns[c], row, &arena, &text);
        }
        s->entries = grown(s->entries, s->entry_count, &s->entry_capacity, sizeof *s->entries);
        sim_entry *e = &s->entries[s->entry_count++];
        *e = (sim_entry){ wr_arena_strdup(&w->arena, wr_text_string(&text)), key_text(s, batch, row), wr_batch_diff(batch, row) };
        sim_trace(w, "sink %s: %+lld %s", s->name, (long long) e->diff, e->text);
        if (e->diff < 0)
            sim_saw(w, SIM_RETRACTION);
    }
    wr_text_fini(&text);
    wr_arena_fini(&arena);
}

/* --- in flight --- */

static void
group_persist(sim_sink *s, uint32_t rows)
{
    const sim_group *g = &s->groups[s->group_head];
    for (uint32_t i = 0; i < rows; i++) {
        log_put(&s->raw, g->first + i);
        log_put(&s->exact, g->first + i);
    }
}

static void
group_pop(sim_sink *s)
{
    s->group_head++;
    if (--s->group_count == 0)
        s->group_head = 0;
}

/* Acknowledge what is due, in order; some of it has to be sent again. */
static void
acks_take(sim_sink *s)
{
    sim_world *w = s->world;
    while (s->group_count > 0 && s->groups[s->group_head].due <= w->clock.now) {
        sim_group *g = &s->groups[s->group_head];
        if (!w->calm && sim_chance(w, w->plan.retry_16)) {
            sim_saw(w, SIM_SINK_RETRY);
            atomic_fetch_add(&s->ctx->retries, 1);
            g->due = w->clock.now + 1 + sim_below(w, w->plan.ack_us);
            sim_at(w, g->due, SIM_AT_ACK, s->index, 0, true);
            return;
        }
        group_persist(s, g->count);
        group_pop(s);
        sim_moved(w);
    }
}

static void
group_put(sim_sink *s, uint32_t first)
{
    sim_world *w = s->world;
    int64_t    due = w->clock.now + (w->calm ? 1 : sim_below(w, w->plan.ack_us + 1));
    if (s->group_head + s->group_count == s->group_capacity && s->group_head > 0) {
        memmove(s->groups, s->groups + s->group_head, s->group_count * sizeof *s->groups);
        s->group_head = 0;
    }
    s->groups = grown(s->groups, s->group_head + s->group_count, &s->group_capacity, sizeof *s->groups);
    s->groups[s->group_head + s->group_count++] = (sim_group){ first, s->entry_count - first, due };
    if (due > w->clock.now)
        sim_saw(w, SIM_SINK_SLOW);
    sim_at(w, due, SIM_AT_ACK, s->index, 0, true);
}

/* --- the connector --- */

typedef struct sim_sink_self {
    sim_sink *sink;
} sim_sink_self;

static weir_status
sim_sink_open(void *self, wr_sink_ctx *ctx, const void *config, weir_error *err)
{
    sim_sink *s = (sim_sink *) (uintptr_t) config;
    ((sim_sink_self *) self)->sink = s;
    s->ctx = ctx;
    return WEIR_OK;
}

static void
sim_sink_close(void *self)
{
    sim_sink *s = ((sim_sink_self *) self)->sink;
    if (s != NULL)
        s->ctx = NULL;
}

/* The newest word on a key among the first `count` of the raw log, and what is in flight; NULL: none, or that it is gone. */
static const char *
row_of_key(const sim_sink *s, const char *key, uint32_t count, bool in_flight)
{
    for (uint32_t g = in_flight ? s->group_count : 0; g > 0; g--)
        for (uint32_t i = s->groups[s->group_head + g - 1].count; i > 0; i--) {
            const sim_entry *e = &s->entries[s->groups[s->group_head + g - 1].first + i - 1];
            if (strcmp(e->key, key) == 0)
                return e->diff > 0 ? e->text : NULL;
        }
    for (uint32_t i = count; i > 0; i--) {
        const sim_entry *e = &s->entries[s->raw.ids[i - 1]];
        if (strcmp(e->key, key) == 0)
            return e->diff > 0 ? e->text : NULL;
    }
    return NULL;
}

/* T9, when all that is taken back has been written: of keys told since that checkpoint. */
static void
look_back(sim_sink *s, const wr_sink_ctx *ctx)
{
    const sink_task *at = (const sink_task *) (const void *) ((const char *) ctx - offsetof(sink_task, ctx));
    if (s->looked_back || at->undo.back != NULL || ctx->schema->kind != WR_UPSERT)
        return;
    s->looked_back = true;
    for (uint32_t i = s->raw_restored; i < s->raw.count; i++) {
        const char *key = s->entries[s->raw.ids[i]].key;
        const char *was = row_of_key(s, key, s->raw_restored, false), *is = row_of_key(s, key, s->raw.count, true);
        if ((was == NULL) != (is == NULL) || (was != NULL && strcmp(was, is) != 0)) {
            sim_wrong(s->world, "T9: sink %s held %s at the checkpoint, and after the restart %s", s->name,
                      was != NULL ? was : "nothing", is != NULL ? is : "nothing");
            return;
        }
    }
}

static wr_flow
sim_sink_write(void *self, wr_sink_ctx *ctx, const wr_batch *batch)
{
    sim_sink  *s = ((sim_sink_self *) self)->sink;
    sim_world *w = s->world;
    if (w->crashed)
        return WR_FLOW_NEXT;
    if (w->sink_fails) {
        w->sink_fails = false;
        sim_saw(w, SIM_SINK_FAILS);
        (void) wr_error_set(&ctx->error, WEIR_WRITE, "the other side has gone");
        return WR_FLOW_FAIL;
    }
    acks_take(s);
    look_back(s, ctx);
    if (w->stalled || w->stalled_sink == s || s->group_count >= 8) {
        sim_saw(w, SIM_SINK_STALL);
        return WR_FLOW_AGAIN; /* an acknowledgement, or the stall's end, wakes */
    }
    uint32_t first = s->entry_count;
    rows_take(s, batch);
    group_put(s, first);
    sim_moved(w);
    return WR_FLOW_NEXT;
}

static void
mark_put(sim_sink *s, wr_epoch epoch)
{
    s->marks = grown(s->marks, s->mark_count, &s->mark_capacity, sizeof *s->marks);
    sim_mark *m = &s->marks[s->mark_count++];
    *m = (sim_mark){ epoch, s->world->life, malloc((s->exact.count + 1) * sizeof *m->ids), s->exact.count,
                     s->raw.count };
    wr_assert(m->ids != NULL);
    if (s->exact.count > 0)
        memcpy(m->ids, s->exact.ids, s->exact.count * sizeof *m->ids);
}

static wr_flow
sim_sink_flush(void *self, wr_sink_ctx *ctx)
{
    sim_sink        *s = ((sim_sink_self *) self)->sink;
    const sink_task *at = (const sink_task *) (const void *) ((const char *) ctx - offsetof(sink_task, ctx));
    if (s->world->crashed)
        return WR_FLOW_NEXT;
    acks_take(s);
    if (s->group_count > 0) {
        sim_saw(s->world, SIM_FLUSH_WAITS);
        return WR_FLOW_WAIT;
    }
    look_back(s, ctx);
    if (at->undo.back != NULL || at->undo.held_count > 0)
        sim_wrong(s->world, "T8: sink %s is asked to flush before all was written", s->name);
    wr_epoch epoch = at->flushing != 0 ? at->flushing : SIM_EPOCH_END;
    mark_put(s, epoch);
    s->flushed = epoch;
    sim_trace(s->world, "sink %s: all before barrier %llu is out", s->name, (unsigned long long) epoch);
    return WR_FLOW_NEXT;
}

static wr_flow
sim_sink_service(void *self, wr_sink_ctx *ctx)
{
    sim_sink *s = ((sim_sink_self *) self)->sink;
    if (!s->world->crashed)
        acks_take(s);
    return WR_FLOW_NEXT;
}

const wr_sink_ops sim_sink_ops = {
    .name = "simulated",
    .self_bytes = sizeof(sim_sink_self),
    .takes_changes = true,
    .open = sim_sink_open,
    .write = sim_sink_write,
    .flush = sim_sink_flush,
    .service = sim_sink_service,
    .close = sim_sink_close,
};

/* --- lives --- */

void
sim_sink_die(sim_sink *s)
{
    sim_world *w = s->world;
    uint32_t   pending = 0;
    for (uint32_t i = 0; i < s->group_count; i++)
        pending += s->groups[s->group_head + i].count;
    uint32_t stay = (uint32_t) sim_below(w, (int64_t) pending + 1);
    if (stay < pending)
        sim_saw(w, SIM_UNACKED_LOST);
    while (s->group_count > 0) {
        uint32_t n = WR_MIN(stay, s->groups[s->group_head].count);
        group_persist(s, n);
        stay -= n;
        group_pop(s);
    }
    s->ctx = NULL;
}

void
sim_sink_life(sim_sink *s, wr_epoch restored, uint32_t life)
{
    const sim_mark *mark = NULL;
    s->flushed = restored;
    s->looked_back = false;
    for (uint32_t i = 0; i < s->mark_count; i++) /* of that life; one that has ended stands for all barriers behind its end */
        if (s->marks[i].life == life && (s->marks[i].epoch == restored || (mark == NULL && s->marks[i].epoch == SIM_EPOCH_END)))
            mark = &s->marks[i];
    if (restored != 0 && mark == NULL) {
        sim_wrong(s->world, "T5: epoch %llu was restored, but sink %s never had all before it", (unsigned long long) restored,
                  s->name);
        return;
    }
    uint32_t keep = mark != NULL ? mark->count : 0;
    s->raw_restored = mark != NULL ? mark->raw_count : 0;
    if (keep < s->exact.count)
        sim_saw(s->world, SIM_REPEATED_OUTPUT);
    s->exact.count = 0;
    for (uint32_t i = 0; i < keep; i++)
        log_put(&s->exact, mark->ids[i]);
}

void
sim_sink_fini(sim_sink *s)
{
    for (uint32_t i = 0; i < s->mark_count; i++)
        free(s->marks[i].ids);
    free(s->marks);
    free(s->entries);
    free(s->raw.ids);
    free(s->exact.ids);
    free(s->groups);
}
