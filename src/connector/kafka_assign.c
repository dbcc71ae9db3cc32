/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_assign.c -- partitions come and go: the consumer's side, and the shards'.
 *
 * Place       the consumer's thread hears of assignments; a shard sees them when it polls.
 * State       of a partition: AWAY -> OFFERED (assigned) -> TAKEN (by its shard) -> REVOKED -> AWAY (given back).
 * Invariants  T1  no shard reads, and no watermark moves, while any partition is OFFERED: all lanes stand first, or
 *                 the watermark could pass a lane not yet there
 *             T2  nor from when partitions are taken away until what the group assigns instead is there: whichever
 *                 comes back goes on behind what the others had reached
 */
#include "base/log.h"
#include "connector/dev_kafka.h"
#include "connector/kafka_impl.h"

#include <stdio.h>

enum { GIVE_BACK_US = 10000000 /* a third of session.timeout.ms */ };

/* --- the consumer's side --- */

static void
partition_event(rd_kafka_t *rk, void *user)
{
    kafka_source *s = user;
    s->ctx->wake(s->ctx);
}

/* Under the lock: hand a partition to its shard. */
static void
partition_offer(kafka_consumer *c, kafka_partition *p)
{
    kafka_source *s = c->shards[wr_kafka_shard_of(c, p->number)];
    if (s == NULL || !s->open)
        return;
    if (p->queue == NULL) {
        p->queue = rd_kafka_queue_get_partition(c->rk, c->config->topic, p->number);
        if (p->queue == NULL) {
            wr_kafka_consumer_fail_locked(c, WEIR_INTERNAL, "a partition has no queue");
            return;
        }
        rd_kafka_queue_forward(p->queue, NULL);
        rd_kafka_queue_cb_event_enable(p->queue, partition_event, s);
    }
    if (p->state != PARTITION_OFFERED)
        c->offered++;
    p->state = PARTITION_OFFERED;
}

/* Under the lock: is any partition still with its shard? */
static bool
any_revoked(const kafka_consumer *c)
{
    for (int32_t i = 0; i < c->partition_count; i++)
        if (c->partitions[i].state == PARTITION_REVOKED)
            return true;
    return false;
}

void
wr_kafka_partitions_assign(kafka_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    weir_error err;
    char       text[160];
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].partition < c->partition_count)
            continue;
        snprintf(text, sizeof text, "has grown from %d partitions to %d: start anew",
                 (int) c->partition_count, (int) list->elems[i].partition + 1);
        wr_kafka_consumer_fail(c, WEIR_REMOTE, text);
        return;
    }
    wr_mutex_lock(&c->lock); /* nobody may look at a partition while its position is found */
    while (any_revoked(c) && !atomic_load(&c->stopping))
        (void) wr_cond_wait_for(&c->taken_back, &c->lock, GIVE_BACK_US);
    wr_mutex_unlock(&c->lock);
    if (wr_kafka_offsets_resolve(c, list, &err) != WEIR_OK) {
        wr_mutex_lock(&c->lock);
        if (!atomic_load(&c->failed))
            c->failure = err;
        atomic_store(&c->failed, true);
        wr_kafka_consumer_ring(c);
        wr_mutex_unlock(&c->lock);
        return;
    }
    wr_mutex_lock(&c->lock);
    for (int32_t i = 0; i < c->partition_count; i++)
        c->partitions[i].restored = false; /* others may move on what we do not get */
    for (int i = 0; i < list->cnt; i++)
        partition_offer(c, &c->partitions[list->elems[i].partition]);
    c->between = false;
    wr_mutex_unlock(&c->lock);
    rd_kafka_resp_err_t code = rd_kafka_assign(c->rk, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        wr_kafka_consumer_fail(c, wr_kafka_status(code), rd_kafka_err2str(code));
    wr_mutex_lock(&c->lock);
    wr_kafka_consumer_ring(c);
    wr_mutex_unlock(&c->lock);
}

/* What was read of them is in a checkpoint, and the group knows, before they go (kafka_commit.c). */
static void
partitions_revoke(kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *given = rd_kafka_topic_partition_list_new(8);
    int64_t                          by = wr_clock_monotonic(wr_clock_system()) + GIVE_BACK_US;
    wr_mutex_lock(&c->lock);
    c->between = true; /* T2 */
    for (int32_t i = 0; i < c->partition_count; i++) {
        kafka_partition *p = &c->partitions[i];
        bool offered = p->state == PARTITION_OFFERED; /* where it begins is known, and `latest` moves on */
        if (offered || p->state == PARTITION_TAKEN)
            rd_kafka_topic_partition_list_add(given, c->config->topic, i);
        if (p->state == PARTITION_TAKEN)
            p->state = PARTITION_REVOKED;
        if (offered)
            p->state = PARTITION_AWAY;
        c->offered -= offered;
    }
    wr_kafka_consumer_ring(c);
    while (any_revoked(c) && !atomic_load(&c->stopping))
        if (!wr_cond_wait_for(&c->taken_back, &c->lock, by - wr_clock_monotonic(wr_clock_system())))
            break;
    wr_mutex_unlock(&c->lock);
    if (given->cnt > 0)
        wr_kafka_hand_over(c, given, rd_kafka_assignment_lost(c->rk) != 0, by);
    rd_kafka_topic_partition_list_destroy(given);
    wr_kafka_pause_drop(c);
    rd_kafka_assign(c->rk, NULL);
}

void
wr_kafka_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                   void *user)
{
    kafka_consumer *c = user;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !atomic_load(&c->stopping)) {
        wr_log(WR_LOG_INFO, "kafka", "topic %s: %d of %d partitions assigned", c->config->topic,
               list->cnt, (int) c->partition_count);
        if (c->stateful && list->cnt < c->partition_count)
            wr_log(WR_LOG_WARN, "kafka",
                   "topic %s: other members of group %s share the partitions, and views of this pipeline keep state, which "
                   "does not move between members: windows, joins and groups over several partitions come in parts",
                   c->config->topic, c->config->group);
        c->stateful = c->stateful && list->cnt == c->partition_count;
        wr_kafka_partitions_assign(c, list);
    } else {
        partitions_revoke(c);
    }
}

/* --- the shards' side --- */

/* Under the lock. */
static void
partition_give_back(kafka_source *s, kafka_partition *p)
{
    wr_kafka_rest_drop(s, p);
    wr_kafka_frozen_drop(s, p);
    if (p->lane != NULL && !p->over)
        s->ctx->lane_end(s->ctx, p->lane);
    p->lane = NULL;
    p->state = PARTITION_AWAY;
    wr_cond_broadcast(&s->consumer->taken_back);
}

/* Under the lock.  False: no memory for a lane. */
static bool
partition_take(kafka_source *s, kafka_partition *p)
{
    wr_kafka_rest_drop(s, p);
    p->lane = s->ctx->lane(s->ctx, p->number);
    if (p->lane == NULL)
        return false;
    p->state = PARTITION_TAKEN;
    p->held = p->resumed = p->repeats = false;
    atomic_store(&p->stuck_since, 0);
    atomic_store_explicit(&p->shown, p->position, memory_order_relaxed);
    wr_dev_kafka_consumed(s->consumer->config->brokers, s->consumer->config->topic, p->number,
                          p->position);
    if (p->over) { /* nothing is there to be read */
        s->ctx->caught_up(s->ctx, p->lane, true);
        s->ctx->lane_end(s->ctx, p->lane);
    }
    if (--s->consumer->offered == 0)
        wr_kafka_consumer_ring(s->consumer);
    return true;
}

wr_flow
wr_kafka_source_look(kafka_source *s)
{
    kafka_consumer *c = s->consumer;
    uint32_t        changes = atomic_load_explicit(&c->changes, memory_order_acquire);
    bool            down = atomic_load(&c->down);
    wr_flow         flow = WR_FLOW_NEXT;
    if (changes == s->changes_seen)
        return WR_FLOW_NEXT;
    wr_mutex_lock(&c->lock);
    if (c->offered > 0 || c->between)
        s->ctx->lanes_coming(s->ctx, true);
    for (int32_t i = 0; i < c->partition_count && flow == WR_FLOW_NEXT; i++) {
        kafka_partition *p = &c->partitions[i];
        if (wr_kafka_shard_of(c, i) != s->ctx->shard)
            continue;
        if (p->state == PARTITION_REVOKED)
            partition_give_back(s, p);
        if (p->state == PARTITION_OFFERED && !partition_take(s, p)) {
            wr_error_set(&s->ctx->error, WEIR_MEMORY, "no memory for a lane");
            flow = WR_FLOW_FAIL;
        }
        if (p->state == PARTITION_TAKEN && !p->over && down != s->was_down) /* an end may lie behind markers */
            s->ctx->caught_up(s->ctx, p->lane, !down && p->eof >= p->position);
    }
    if (flow == WR_FLOW_NEXT && atomic_load(&c->failed)) {
        s->ctx->error = c->failure;
        flow = WR_FLOW_FAIL;
    }
    bool dealt = c->offered == 0 && !c->between;
    if (flow == WR_FLOW_NEXT && !dealt)
        flow = WR_FLOW_WAIT;
    else
        s->changes_seen = changes;
    s->was_down = down;
    wr_mutex_unlock(&c->lock);
    if (dealt)
        s->ctx->lanes_coming(s->ctx, false);
    return flow;
}
