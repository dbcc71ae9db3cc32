/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_pause.c -- back-pressure to the broker: a partition that cannot be read is not fetched.
 *
 * A partition is stuck when its stream has no room, or when its lane is ahead of the others and held.  For a
 * moment the client's bounded queue takes that up; after PAUSE_AFTER_US the partition is paused, so that the client
 * neither fetches nor keeps messages of it, and resumed as soon as its shard reads again.  The two are
 * hysteresis: pausing throws away what is queued, which is then fetched again, at most once in PAUSE_AFTER_US.
 * The consumer is polled all the while, so it stays in its group.
 *
 * Place       shards say what is stuck; the consumer's thread alone calls the client, for that may block.
 * Traps       pausing throws away the partition's queue and goes back to the last message that was taken from it: of
 *             one from which nothing was taken yet the client does not know where that is, so it is not paused.
 *             A message taken while the pause was under way may come a second time: the shard passes over offsets
 *             it has had (kafka_read.c).  A resumed partition tells its end again.
 */
#include "base/log.h"
#include "connector/kafka_impl.h"

enum { PAUSE_AFTER_US = 1000000 };

void
wr_kafka_consumer_nudge(kafka_consumer *c)
{
    rd_kafka_queue_t *q = rd_kafka_queue_get_consumer(c->rk);
    if (q == NULL)
        return;
    rd_kafka_queue_yield(q);
    rd_kafka_queue_destroy(q);
}

void
wr_kafka_pause_want(kafka_consumer *c, kafka_partition *p, wr_clock *clock)
{
    int64_t now = wr_clock_monotonic(clock);
    if (atomic_load_explicit(&p->stuck_since, memory_order_relaxed) == 0)
        atomic_store_explicit(&p->stuck_since, WR_MAX(now, (int64_t) 1), memory_order_relaxed);
    c->clock = clock;
}

void
wr_kafka_pause_end(kafka_consumer *c, kafka_partition *p)
{
    if (atomic_load_explicit(&p->stuck_since, memory_order_relaxed) == 0)
        return;
    atomic_store_explicit(&p->stuck_since, 0, memory_order_seq_cst);
    if (!atomic_load_explicit(&p->paused, memory_order_seq_cst))
        return;
    p->resumed = true;
    wr_kafka_consumer_nudge(c);
}

/*
 * Of the partitions that are ours, those to be paused (or resumed) now.  They are marked before the call and then
 * looked at again, so that either we see that the shard reads again or it sees that it must nudge us.  Owned.
 */
static rd_kafka_topic_partition_list_t *
partitions_due(kafka_consumer *c, bool pause, int64_t now)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    wr_mutex_lock(&c->lock);
    for (int32_t i = 0; i < c->partition_count; i++) {
        kafka_partition *p = &c->partitions[i];
        int64_t          since = atomic_load(&p->stuck_since);
        bool             paused = atomic_load(&p->paused);
        bool due = pause ? !paused && p->state == PARTITION_TAKEN && since != 0 &&
                               now - since >= PAUSE_AFTER_US && atomic_load(&p->begun)
                         : paused && since == 0;
        if (due)
            atomic_store(&p->paused, pause);
        if (due && pause && atomic_load(&p->stuck_since) == 0) {
            atomic_store(&p->paused, false);
            due = false;
        }
        if (due)
            rd_kafka_topic_partition_list_add(list, c->config->topic, i);
    }
    wr_mutex_unlock(&c->lock);
    return list;
}

/* A partition whose call failed stays as it was, and is tried again. */
static void
partitions_set(kafka_consumer *c, rd_kafka_topic_partition_list_t *list, bool pause)
{
    if (list->cnt > 0) {
        if (pause)
            (void) rd_kafka_pause_partitions(c->rk, list);
        else
            (void) rd_kafka_resume_partitions(c->rk, list);
    }
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            atomic_store(&c->partitions[list->elems[i].partition].paused, !pause);
    if (list->cnt > 0)
        wr_log(WR_LOG_DEBUG, "kafka", "topic %s: %d partitions %s", c->config->topic, list->cnt,
               pause ? "paused: they cannot be read for now" : "resumed");
    rd_kafka_topic_partition_list_destroy(list);
}

void
wr_kafka_pause_serve(kafka_consumer *c)
{
    wr_clock *clock = c->clock;
    if (clock == NULL)
        return; /* nothing was ever stuck */
    partitions_set(c, partitions_due(c, false, 0), false);
    partitions_set(c, partitions_due(c, true, wr_clock_monotonic(clock)), true);
}

void
wr_kafka_pause_drop(kafka_consumer *c)
{
    for (int32_t i = 0; i < c->partition_count; i++)
        atomic_store(&c->partitions[i].stuck_since, 0);
    partitions_set(c, partitions_due(c, false, 0), false);
}
