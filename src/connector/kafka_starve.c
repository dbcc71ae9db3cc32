/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_starve.c -- a partition with more to come, of which nothing comes.
 *
 * When the queues of all partitions of a broker are full, the client's thread for it has nothing to wait for, and sleeps for
 * up to a second, though they are read meanwhile (before 2.2.0, where fetch.queue.backoff.ms says how long).  A pipeline that
 * takes longer over its rows than a fetch does would so read one queue a second.  What wakes that thread is a request to its
 * broker: the end of the partition is asked for, and nobody waits for the answer.
 *
 * Place       a shard that finds a queue empty before the partition's end says so after STARVED_US, and again after four
 *             times that, PROMPTS times in all; the consumer's thread asks.
 * State       of a partition: since when its queue is empty and how often it was asked for since (the shard's), and that it
 *             is to be asked for (set by the shard, cleared by the consumer's thread).
 * Cost        nothing while messages come; two clock readings and a timer for a partition that has none.  A broker that is
 *             far off is asked at most PROMPTS times a fetch.
 */
#include "connector/kafka_impl.h"

enum {
    STARVED_US = 5000,
    PROMPTS = 4, /* at 5, 20, 80 and 320 ms: by then the client looks by itself */
    VERSION_WITH_BACKOFF = 0x02020000,
};

/* When p is to be asked for next, if it is still empty then. */
static int64_t
next_prompt(const kafka_partition *p)
{
    return p->empty_since + (int64_t) STARVED_US * (1 << 2 * p->prompts);
}

int64_t
wr_kafka_starve_look(kafka_source *s, kafka_partition *p)
{
    bool ended = p->eof >= p->position || p->position < 0;
    if (ended || p->prompts >= PROMPTS || atomic_load_explicit(&s->consumer->down, memory_order_relaxed) ||
        rd_kafka_version() >= VERSION_WITH_BACKOFF)
        return INT64_MAX;
    int64_t now = wr_clock_monotonic(s->ctx->clock);
    if (p->empty_since == 0)
        p->empty_since = now;
    if (now >= next_prompt(p)) {
        p->prompts++;
        atomic_store_explicit(&p->starved, true, memory_order_release);
        wr_kafka_consumer_nudge(s->consumer);
    }
    return p->prompts < PROMPTS ? WR_MAX(next_prompt(p) - now, (int64_t) 0) : INT64_MAX;
}

void
wr_kafka_starve_serve(kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (int32_t i = 0; i < c->partition_count; i++) {
        if (!atomic_exchange_explicit(&c->partitions[i].starved, false, memory_order_acquire))
            continue;
        if (list == NULL)
            list = rd_kafka_topic_partition_list_new(8);
        rd_kafka_topic_partition_list_add(list, c->config->topic, i)->offset = RD_KAFKA_OFFSET_END;
    }
    if (list == NULL)
        return;
    (void) rd_kafka_offsets_for_times(c->rk, list, 0); /* times out: the request is under way */
    rd_kafka_topic_partition_list_destroy(list);
}
