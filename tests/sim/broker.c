/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/broker.c -- a broker with partitions, and the source connector that reads it.
 *
 * The client keeps to what connector/source.h asks of a connector, as the Kafka one does: lanes of all partitions are taken
 * before any is read; a message of several records may be fed in parts; a partition is caught up at the end of its
 * log while its broker can be reached; positions are committed to the group when their epoch is durable.
 * The network between the two delays answers, repeats messages, loses what was under way when a broker goes, and hands
 * partitions out late or takes them all back for a while.
 */
#include "sim/sim.h"

#include <string.h>

typedef struct sim_shard {
    sim_source    *source;
    wr_source_ctx *ctx;
} sim_shard;

static int64_t
log_end(const sim_world *w, const sim_partition *p)
{
    int64_t end = p->fetched; /* below that all are there */
    while (end < p->count && p->messages[end].at <= w->clock.now)
        end++;
    return end;
}

bool
sim_partition_reachable(const sim_world *w, uint32_t partition)
{
    return !w->broker_down[partition % 2];
}

static bool
shard_owns(const sim_shard *t, uint32_t partition)
{
    return partition % t->source->shard_count == t->ctx->shard;
}

void
sim_source_life(sim_source *s)
{
    s->shard_count = s->offered = s->turn = 0;
    s->begun = s->rebalancing = false;
    memset(s->ctx, 0, sizeof s->ctx);
    memset(s->frozen, 0, sizeof s->frozen);
    for (uint32_t i = 0; i < s->partition_count; i++) {
        sim_partition *p = &s->partitions[i];
        p->hold = SIM_AWAY;
        p->position = p->eof = -1;
        p->skip = 0;
        p->fetched = 0;
        p->restored = p->asked = p->over = p->told = p->idle = false;
        p->lane = NULL;
    }
}

void
sim_source_wake(sim_source *s)
{
    for (uint32_t i = 0; i < s->shard_count; i++)
        if (s->ctx[i] != NULL)
            s->ctx[i]->wake(s->ctx[i]);
}

/* --- the network --- */

static int64_t
latency(sim_world *w)
{
    if (!w->calm && w->plan.slow_latency_us > 0 && sim_chance(w, 2)) {
        sim_saw(w, SIM_SLOW_FETCH);
        return 1 + sim_below(w, w->plan.slow_latency_us);
    }
    return 1 + sim_below(w, w->plan.latency_us);
}

static void
fetch_answer_at(sim_source *s, uint32_t partition, int64_t at)
{
    s->partitions[partition].arrives = at;
    sim_at(s->world, at, SIM_AT_FETCHED, s->index, partition, true);
}

/* Ask for what comes next: an answer when there is something, or when the end is not known; else it waits. */
static void
fetch_ask(sim_source *s, uint32_t partition)
{
    sim_partition *p = &s->partitions[partition];
    sim_world     *w = s->world;
    p->asked = true;
    p->arrives = -1;
    if (log_end(w, p) > p->fetched || p->eof != p->fetched)
        fetch_answer_at(s, partition, w->clock.now + latency(w));
}

void
sim_broker_append(sim_source *s, uint32_t partition)
{
    sim_partition *p = &s->partitions[partition];
    if (p->asked && p->arrives < 0 && p->hold == SIM_TAKEN)
        fetch_answer_at(s, partition, s->world->clock.now + latency(s->world));
}

void
sim_broker_fetched(sim_source *s, uint32_t partition)
{
    wr_source_ctx *ctx = s->shard_count > 0 ? s->ctx[partition % s->shard_count] : NULL;
    if (ctx != NULL)
        ctx->wake(ctx);
}

/* An answer is here, or was lost with its broker. */
static void
fetch_take(sim_source *s, uint32_t partition)
{
    sim_partition *p = &s->partitions[partition];
    sim_world     *w = s->world;
    if (!p->asked || p->arrives < 0 || p->arrives > w->clock.now || !sim_partition_reachable(w, partition))
        return;
    int64_t end = log_end(w, p), n = end - p->fetched;
    p->asked = false;
    if (n > 1 && sim_chance(w, 8))
        n = 1 + sim_below(w, n);
    if (n > 0 && p->fetched > 0 && sim_chance(w, w->plan.duplicate_16)) {
        p->repeats = 1 + (uint32_t) sim_below(w, p->fetched);
        sim_saw(w, SIM_DUPLICATE_FETCH);
    }
    p->fetched += n;
    if (p->fetched == end && (n == 0 || sim_chance(w, 8)))
        p->eof = end;
    sim_trace(w, "broker: %u/%u has %lld messages%s", s->index, partition, (long long) p->fetched,
              p->eof == p->fetched ? ", which is all" : "");
}

void
sim_broker_change(sim_world *w)
{
    for (uint32_t i = 0; i < w->source_count; i++)
        sim_source_wake(&w->sources[i]);
}

/* --- the group --- */

void
sim_assign(sim_source *s)
{
    if (s->shard_count == 0)
        return;
    for (uint32_t i = 0; i < s->partition_count; i++) {
        sim_partition *p = &s->partitions[i];
        wr_assert(p->hold == SIM_AWAY);
        if (p->position < 0)
            p->position = WR_MAX(p->committed, (int64_t) 0);
        p->fetched = p->position;
        p->eof = -1;
        p->asked = false;
        p->repeats = 0;
        p->restored = false;
        p->hold = SIM_OFFERED;
        s->offered++;
        sim_trace(s->world, "broker: %u/%u from %lld+%zu", s->index, i, (long long) p->position, p->skip);
    }
    s->rebalancing = false;
    sim_source_wake(s);
}

/* Everything is taken back. */
void
sim_rebalance(sim_source *s)
{
    sim_world *w = s->world;
    if (s->rebalancing || s->offered > 0 || s->shard_count == 0)
        return;
    for (uint32_t i = 0; i < s->partition_count; i++)
        if (s->partitions[i].hold != SIM_TAKEN || s->partitions[i].over)
            return;
    for (uint32_t i = 0; i < s->partition_count; i++)
        s->partitions[i].hold = SIM_REVOKED;
    s->rebalancing = true;
    sim_saw(w, SIM_REBALANCE);
    sim_trace(w, "broker: the partitions of %u are taken back", s->index);
    sim_at(w, w->clock.now + 1 + sim_below(w, 4 * SIM_SECOND), SIM_AT_REBALANCE_END, s->index, 0, true);
    sim_source_wake(s);
}

void
sim_rebalance_end(sim_source *s)
{
    for (uint32_t i = 0; i < s->partition_count; i++)
        if (s->partitions[i].hold == SIM_REVOKED) { /* a shard has not given it back yet */
            sim_at(s->world, s->world->clock.now + 20000, SIM_AT_REBALANCE_END, s->index, 0, true);
            return;
        }
    sim_assign(s);
}

static bool
partition_give_or_take(sim_shard *t, uint32_t number)
{
    sim_source    *s = t->source;
    sim_partition *p = &s->partitions[number];
    if (p->hold == SIM_REVOKED) {
        t->ctx->lane_end(t->ctx, p->lane);
        p->lane = NULL;
        p->hold = SIM_AWAY;
    } else if (p->hold == SIM_OFFERED) {
        p->lane = t->ctx->lane(t->ctx, (int32_t) number);
        if (p->lane == NULL)
            return false;
        p->hold = SIM_TAKEN;
        p->told = false;
        p->was_reachable = true;
        if (--s->offered == 0)
            sim_source_wake(s);
    }
    return true;
}

/* --- reading --- */

/* The next message, or what is left of it.  *whole: it is done with. */
static weir_status
message_feed(sim_shard *t, uint32_t number, bool *whole)
{
    sim_source        *s = t->source;
    sim_partition     *p = &s->partitions[number];
    const sim_message *m = &p->messages[p->position];
    wr_record_meta     meta = { .offset = p->position, .timestamp = m->at };
    size_t             used = 0;
    WR_TRY(t->ctx->feed(t->ctx, p->lane, m->text + p->skip, m->length - p->skip, true, &meta, &used));
    *whole = p->skip + used >= m->length || t->ctx->has_room(t->ctx);
    sim_trace(s->world, "source %u/%u: message %lld, bytes %zu to %zu of %zu", s->index, number, (long long) p->position,
              p->skip, p->skip + used, m->length);
    if (!*whole && used > 0)
        sim_saw(s->world, SIM_MESSAGE_SPLIT);
    p->skip = *whole ? 0 : p->skip + used;
    p->position += *whole;
    p->told = false;
    sim_moved(s->world);
    return WEIR_OK;
}

/* A partition's turn; *full: there is no room any more. */
static weir_status
partition_read(sim_shard *t, uint32_t number, uint32_t *read, bool *full)
{
    sim_source    *s = t->source;
    sim_partition *p = &s->partitions[number];
    sim_world     *w = s->world;
    bool           reachable = sim_partition_reachable(w, number), whole = true;
    if (!reachable && p->was_reachable) { /* what was asked is lost, the end is not known: of a lane that is held, too */
        p->eof = -1;
        p->asked = p->told = false;
        t->ctx->caught_up(t->ctx, p->lane, false);
    }
    p->was_reachable = reachable;
    if (!t->ctx->may_read(t->ctx, p->lane)) {
        sim_saw(w, SIM_LANE_HELD);
        return WEIR_OK;
    }
    fetch_take(s, number);
    p->repeats = 0; /* messages that were had before are passed over */
    for (uint32_t n = 0; p->position < p->fetched && n < w->plan.rows_a_poll && whole; n++) {
        if (!t->ctx->has_room(t->ctx))
            break;
        WR_TRY(message_feed(t, number, &whole));
        *read += 1;
    }
    *full = p->position < p->fetched && !t->ctx->has_room(t->ctx);
    if (p->position == p->fetched && reachable) {
        if (!p->asked)
            fetch_ask(s, number);
        if (p->eof == p->position && !p->told) {
            p->told = true;
            p->told_at = w->clock.now;
            t->ctx->caught_up(t->ctx, p->lane, true);
        }
    }
    return WEIR_OK;
}

static wr_flow
shard_failed(sim_shard *t, weir_status status, const char *text)
{
    (void) wr_error_set(&t->ctx->error, status, "%s", text);
    return WR_FLOW_FAIL;
}

/* At the end of the world a partition is over where its log ends.  True: all of the shard's are. */
static bool
shard_over(sim_shard *t)
{
    sim_source *s = t->source;
    bool        all = !s->rebalancing && s->offered == 0;
    for (uint32_t i = 0; i < s->partition_count; i++) {
        sim_partition *p = &s->partitions[i];
        if (!shard_owns(t, i))
            continue;
        if (p->hold == SIM_TAKEN && !p->over && p->position == p->count) {
            p->over = true;
            t->ctx->caught_up(t->ctx, p->lane, true);
            t->ctx->lane_end(t->ctx, p->lane);
        }
        all = all && p->over;
    }
    return all;
}

static wr_flow
sim_source_poll(void *self, wr_source_ctx *ctx)
{
    sim_shard  *t = self;
    sim_source *s = t->source;
    sim_world  *w = s->world;
    uint32_t    read = 0;
    bool        full = false;
    if (!s->begun) {
        s->begun = true;
        if (w->plan.late_assignment && !w->calm) {
            sim_saw(w, SIM_LATE_ASSIGNMENT);
            s->rebalancing = true;
            sim_at(w, w->clock.now + 1 + sim_below(w, 3 * SIM_SECOND), SIM_AT_ASSIGN, s->index, 0, true);
        } else
            sim_assign(s);
    }
    if (w->source_fails) {
        w->source_fails = false;
        sim_saw(w, SIM_SOURCE_FAILS);
        return shard_failed(t, WEIR_READ, "the broker refuses");
    }
    if (s->offered > 0 || s->rebalancing)
        ctx->lanes_coming(ctx, true);
    for (uint32_t i = 0; i < s->partition_count; i++)
        if (shard_owns(t, i) && !partition_give_or_take(t, i))
            return shard_failed(t, WEIR_MEMORY, "no memory for a lane");
    if (s->offered > 0 || s->rebalancing)
        return WR_FLOW_WAIT;
    ctx->lanes_coming(ctx, false);
    for (uint32_t n = 0; n < s->partition_count && !full; n++) {
        uint32_t       number = (s->turn + n) % s->partition_count;
        sim_partition *p = &s->partitions[number];
        if (!shard_owns(t, number) || p->hold != SIM_TAKEN || p->over)
            continue;
        weir_status status = partition_read(t, number, &read, &full);
        if (status != WEIR_OK)
            return shard_failed(t, status, weir_status_text(status));
    }
    s->turn++;
    if (full)
        sim_saw(w, SIM_NO_ROOM);
    if (w->ending && shard_over(t))
        return WR_FLOW_DONE;
    return read > 0 ? WR_FLOW_NEXT : WR_FLOW_WAIT;
}

/* --- life and positions --- */

static weir_status
sim_source_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    sim_shard  *t = self;
    sim_source *s = (sim_source *) (uintptr_t) config;
    t->source = s;
    t->ctx = ctx;
    s->shard_count = ctx->shard_count;
    s->ctx[ctx->shard] = ctx;
    return WEIR_OK;
}

static void
sim_source_close(void *self)
{
    sim_shard *t = self;
    if (t->source != NULL)
        t->source->ctx[t->ctx->shard] = NULL;
}

static weir_status
sim_source_freeze(void *self, wr_snapshot_writer *to)
{
    sim_shard  *t = self;
    sim_source *s = t->source;
    uint64_t    count = 0;
    if (s->rebalancing)
        sim_saw(s->world, SIM_REBALANCE_IN_BARRIER);
    /* Who may have to go back to a checkpoint before the newest must find positions in it: the group's are ahead. */
    for (uint32_t i = 0; i < s->partition_count && s->world->plan.rot; i++)
        if (s->partitions[i].position < 0)
            s->partitions[i].position = WR_MAX(s->partitions[i].committed, (int64_t) 0);
    for (uint32_t i = 0; i < s->partition_count; i++)
        count += shard_owns(t, i) && s->partitions[i].position >= 0;
    wr_snapshot_put_u64(to, count);
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++)
        s->latest[t->ctx->shard].positions[i] = -1;
    for (uint32_t i = 0; i < s->partition_count; i++) {
        const sim_partition *p = &s->partitions[i];
        if (!shard_owns(t, i) || p->position < 0)
            continue;
        wr_snapshot_put_u64(to, i);
        wr_snapshot_put_u64(to, (uint64_t) p->position);
        wr_snapshot_put_u64(to, p->skip);
        s->latest[t->ctx->shard].positions[i] = p->position;
    }
    return WEIR_OK;
}

static weir_status
sim_source_restore(void *self, wr_snapshot_reader *from)
{
    sim_shard  *t = self;
    sim_source *s = t->source;
    uint64_t    count = wr_snapshot_get_u64(from);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = wr_snapshot_get_u64(from), position = wr_snapshot_get_u64(from);
        uint64_t skip = wr_snapshot_get_u64(from);
        WR_TRY(wr_snapshot_reader_status(from));
        if (number >= s->partition_count)
            return WEIR_CHECKPOINT_CORRUPT;
        s->partitions[number].position = (int64_t) position;
        s->partitions[number].skip = skip;
        s->partitions[number].restored = true;
    }
    return WEIR_OK;
}

static void
sim_source_frozen_epoch(void *self, wr_epoch epoch)
{
    sim_shard *t = self;
    uint32_t   shard = t->ctx->shard, slot = (uint32_t) (epoch % SIM_EPOCHS_KEPT);
    t->source->frozen[shard][slot] = t->source->latest[shard];
    t->source->frozen[shard][slot].epoch = epoch;
}

static void
sim_source_committed(void *self, wr_epoch epoch)
{
    sim_shard  *t = self;
    sim_source *s = t->source;
    sim_world  *w = s->world;
    uint32_t    shard = t->ctx->shard;
    if (w->crashed)
        return;
    sim_check_commit(w, epoch);
    for (uint32_t i = 0; i < SIM_EPOCHS_KEPT; i++)
        for (uint32_t p = 0; s->frozen[shard][i].epoch == epoch && p < s->partition_count; p++)
            if (s->frozen[shard][i].positions[p] >= 0)
                s->partitions[p].committed = s->frozen[shard][i].positions[p];
    sim_trace(w, "source %u#%u: epoch %llu is committed", s->index, shard, (unsigned long long) epoch);
}

static bool
sim_source_bounded(const void *config)
{
    return ((const sim_source *) config)->world->plan.again;
}

const wr_source_ops sim_source_ops = {
    .bounded = sim_source_bounded,
    .name = "simulated",
    .self_bytes = sizeof(sim_shard),
    .asks = true,
    .has_end = true,
    .open = sim_source_open,
    .poll = sim_source_poll,
    .freeze = sim_source_freeze,
    .restore = sim_source_restore,
    .committed = sim_source_committed,
    .frozen_epoch = sim_source_frozen_epoch,
    .close = sim_source_close,
};
