/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_position.c -- where a shard's partitions stand: into checkpoints, and to the group.
 *
 * Position    of a partition, the next message and how many of its bytes are decoded: one message
 *             may hold more records than there is room for.
 *             One that has been taken away is kept, too, as AWAY: what was read of it is in the state.  Should it come back
 *             it goes on there, or where the group has come to since.
 * Commits     freeze notes the offsets of an epoch; when that epoch is durable they are committed to
 *             the group, and never others: offsets are not ahead of state (design 12.7).  Nor are they taken back: of a
 *             partition that was away since, another member may have committed more.  While no broker can be reached
 *             nothing is committed: the client would keep it, and a stop wait for it; a later checkpoint's will be.
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
        c->partitions[number].position = (int64_t) position;
        c->partitions[number].skip_bytes = skip;
        c->partitions[number].restored = !away;
        wr_mutex_unlock(&c->lock);
    }
    return WEIR_OK;
}

void
wr_kafka_source_frozen_epoch(void *self, wr_epoch epoch)
{
    kafka_source *s = self;
    kafka_frozen *slot = &s->frozen[epoch % KAFKA_EPOCHS_KEPT];
    if (s->latest == NULL)
        return;
    if (slot->offsets != NULL)
        rd_kafka_topic_partition_list_destroy(slot->offsets);
    *slot = (kafka_frozen){ .epoch = epoch, .offsets = s->latest };
    s->latest = NULL;
}

static void
offsets_drop(rd_kafka_topic_partition_list_t *offsets, const char *topic, int32_t partition)
{
    if (offsets != NULL)
        (void) rd_kafka_topic_partition_list_del(offsets, topic, partition);
}

void
wr_kafka_frozen_drop(kafka_source *s, const kafka_partition *p)
{
    const char *topic = s->consumer->config->topic;
    for (int i = 0; i < KAFKA_EPOCHS_KEPT; i++)
        offsets_drop(s->frozen[i].offsets, topic, p->number);
    offsets_drop(s->latest, topic, p->number);
}

/* Of the offsets, those of partitions that are still ours. */
static void
offsets_commit(kafka_source *s, const rd_kafka_topic_partition_list_t *offsets)
{
    kafka_consumer                  *c = s->consumer;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(offsets->cnt);
    wr_mutex_lock(&c->lock);
    for (int i = 0; i < offsets->cnt; i++) {
        const rd_kafka_topic_partition_t *e = &offsets->elems[i];
        if (c->partitions[e->partition].state == PARTITION_TAKEN)
            rd_kafka_topic_partition_list_add(list, e->topic, e->partition)->offset = e->offset;
    }
    wr_mutex_unlock(&c->lock);
    if (list->cnt > 0 && !atomic_load(&c->down))
        (void) rd_kafka_commit(c->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

void
wr_kafka_source_committed(void *self, wr_epoch epoch)
{
    kafka_source *s = self;
    kafka_frozen *best = NULL;
    for (int i = 0; i < KAFKA_EPOCHS_KEPT; i++) {
        kafka_frozen *f = &s->frozen[i];
        if (f->offsets != NULL && f->epoch <= epoch && (best == NULL || f->epoch > best->epoch))
            best = f;
    }
    if (best != NULL && s->consumer->grouped)
        offsets_commit(s, best->offsets);
    for (int i = 0; i < KAFKA_EPOCHS_KEPT; i++) {
        kafka_frozen *f = &s->frozen[i];
        if (f->offsets == NULL || f->epoch > epoch)
            continue;
        rd_kafka_topic_partition_list_destroy(f->offsets);
        f->offsets = NULL;
    }
}
