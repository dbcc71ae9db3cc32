/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_position.c -- where a shard's partitions stand, into checkpoints.
 *
 * Position    of a partition, the next message and how many of its bytes are decoded: one message
 *             may hold more records than there is room for.
 *             One that has been taken away is kept, too, as AWAY: what was read of it is in the state.  Should it come back
 *             it goes on there, or where the group has come to since.
 */
#include "connector/kafka_impl.h"

#include <string.h>

#define POSITION_AWAY (1ull << 32) /* beside the number */

weir_status
wr_kafka_source_freeze(void *self, wr_snapshot_writer *to)
{
    kafka_source   *s = self;
    kafka_consumer *c = s->consumer;
    uint64_t        count = 0;
    if (s->latest != NULL)
        rd_kafka_topic_partition_list_destroy(s->latest);
    s->latest = rd_kafka_topic_partition_list_new(8);
    wr_snapshot_put_bytes(to, c->config->topic, strlen(c->config->topic));
    wr_mutex_lock(&c->lock);
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t i = 0; i < c->partition_count; i++) {
            kafka_partition *p = &c->partitions[i];
            bool ours = p->state == PARTITION_TAKEN || p->state == PARTITION_OFFERED || p->restored;
            if (wr_kafka_shard_of(c, i) != s->ctx->shard || p->position < 0)
                continue;
            if (pass == 0) {
                count++;
                continue;
            }
            wr_snapshot_put_u64(to, (uint64_t) p->number | (ours ? 0 : POSITION_AWAY));
            wr_snapshot_put_u64(to, (uint64_t) p->position);
            wr_snapshot_put_u64(to, p->skip_bytes);
            if (ours)
                rd_kafka_topic_partition_list_add(s->latest, c->config->topic, p->number)->offset =
                    p->position;
        }
        if (pass == 0)
            wr_snapshot_put_u64(to, count);
    }
    wr_mutex_unlock(&c->lock);
    return WEIR_OK;
}

weir_status
wr_kafka_source_restore(void *self, wr_snapshot_reader *from)
{
    kafka_source   *s = self;
    kafka_consumer *c = s->consumer;
    size_t          length;
    const char     *topic = wr_snapshot_get_bytes(from, &length);
    uint64_t        count = wr_snapshot_get_u64(from);
    WR_TRY(wr_snapshot_reader_status(from));
    if (length != strlen(c->config->topic) || memcmp(topic, c->config->topic, length) != 0)
        return WEIR_CHECKPOINT_MISMATCH;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = wr_snapshot_get_u64(from), position = wr_snapshot_get_u64(from);
        uint64_t skip = wr_snapshot_get_u64(from);
        WR_TRY(wr_snapshot_reader_status(from));
        if (position > INT64_MAX)
            return WEIR_CHECKPOINT_CORRUPT;
        bool away = (number & POSITION_AWAY) != 0;
        number &= ~POSITION_AWAY;
        if (number >= (uint64_t) c->partition_count)
            return WEIR_CHECKPOINT_MISMATCH; /* the topic was made anew, with fewer */
        wr_mutex_lock(&c->lock);
        c->partitions[number].position = c->partitions[number].durable = (int64_t) position;
        c->partitions[number].skip_bytes = skip;
        c->partitions[number].restored = !away;
        wr_mutex_unlock(&c->lock);
    }
    return WEIR_OK;
}
