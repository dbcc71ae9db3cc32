/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_commit.c -- what the group is told of where partitions stand.
 *
 * Commits     freeze notes the offsets of an epoch; when that epoch is durable they are committed to
 *             the group, and never others: offsets are not ahead of state (design 12.7).  Nor are they taken back: of a
 *             partition that was away since, another member may have committed more.  While no broker can be reached
 *             nothing is committed: the client would keep it, and a stop wait for it; a later checkpoint's will be.
 * Handing over  whoever gets a partition begins at the group's offset: what was read here behind that he would count and
 *             write a second time.  So before partitions go, a checkpoint is made of all that was read of them and their
 *             offsets are committed.  Where that takes too long (a sink takes nothing, the disk is full) they go all the
 *             same, and the log says how much is read again.
 * Authors     with an offset goes the name of the instance.  An instance that comes back from a checkpoint tells by it what
 *             others have read meanwhile from what it read itself and no longer has (an older checkpoint).
 */
#include "base/log.h"
#include "connector/kafka_impl.h"

#include <inttypes.h>
#include <string.h>

#define AUTHOR "weir "
enum { AUTHOR_LENGTH = sizeof AUTHOR - 1, AUTHOR_MAX = 1024, COMMIT_MS = 5000 };

/* --- authors --- */

static void
author_put(const kafka_consumer *c, rd_kafka_topic_partition_t *to)
{
    const char *instance = c->config->instance;
    size_t      length = instance != NULL ? strlen(instance) : 0;
    if (length == 0 || length > AUTHOR_MAX)
        return;
    char *text = rd_kafka_mem_malloc(c->rk, AUTHOR_LENGTH + length);
    if (text == NULL)
        return; /* one of nobody: it is believed less */
    memcpy(text, AUTHOR, AUTHOR_LENGTH);
    memcpy(text + AUTHOR_LENGTH, instance, length);
    to->metadata = text;
    to->metadata_size = AUTHOR_LENGTH + length;
}

bool
wr_kafka_is_of_another(const kafka_consumer *c, const rd_kafka_topic_partition_t *committed)
{
    const char *instance = c->config->instance, *text = committed->metadata;
    size_t      length = committed->metadata_size;
    if (instance == NULL || text == NULL || length <= AUTHOR_LENGTH || memcmp(text, AUTHOR, AUTHOR_LENGTH) != 0)
        return false;
    return length - AUTHOR_LENGTH != strlen(instance) ||
           memcmp(text + AUTHOR_LENGTH, instance, length - AUTHOR_LENGTH) != 0;
}

/* --- with each checkpoint --- */

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
        kafka_partition                  *p = &c->partitions[e->partition];
        if (p->state != PARTITION_TAKEN)
            continue;
        rd_kafka_topic_partition_t *to = rd_kafka_topic_partition_list_add(list, e->topic, e->partition);
        to->offset = e->offset;
        author_put(c, to);
        p->durable = WR_MAX(p->durable, e->offset);
    }
    wr_mutex_unlock(&c->lock);
    if (list->cnt > 0 && !atomic_load(&c->down))
        (void) rd_kafka_commit(c->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

void
wr_kafka_source_committed(void *self, wr_epoch epoch)
{
    kafka_source   *s = self;
    kafka_consumer *c = s->consumer;
    kafka_frozen   *best = NULL;
    for (int i = 0; i < KAFKA_EPOCHS_KEPT; i++) {
        kafka_frozen *f = &s->frozen[i];
        if (f->offsets != NULL && f->epoch <= epoch && (best == NULL || f->epoch > best->epoch))
            best = f;
    }
    if (best != NULL && c->grouped)
        offsets_commit(s, best->offsets);
    for (int i = 0; i < KAFKA_EPOCHS_KEPT; i++) {
        kafka_frozen *f = &s->frozen[i];
        if (f->offsets == NULL || f->epoch > epoch)
            continue;
        rd_kafka_topic_partition_list_destroy(f->offsets);
        f->offsets = NULL;
    }
    wr_mutex_lock(&c->lock);
    c->durable = WR_MAX(c->durable, epoch);
    wr_cond_broadcast(&c->taken_back); /* wr_kafka_hand_over waits for it */
    wr_mutex_unlock(&c->lock);
}

/* --- when partitions go --- */

/* Under the lock: any shard speaks for all. */
static wr_epoch
checkpoint_ask(kafka_consumer *c)
{
    for (uint32_t i = 0; i < c->shard_count; i++)
        if (c->shards[i] != NULL && c->shards[i]->open)
            return c->shards[i]->ctx->checkpoint(c->shards[i]->ctx);
    return 0;
}

/* Under the lock: offsets of what was given back into list; what a shard still has (it is held up) leaves the list, for where
 * others have to begin is not known yet.  Messages that were read and that no checkpoint holds: of the ones, of the others. */
static void
offsets_given(kafka_consumer *c, rd_kafka_topic_partition_list_t *list, int64_t *given, int64_t *kept)
{
    *given = *kept = 0;
    for (int i = list->cnt - 1; i >= 0; i--) {
        const kafka_partition *p = &c->partitions[list->elems[i].partition];
        bool                   back = p->state == PARTITION_AWAY && p->position >= 0;
        int64_t at = back ? p->position : atomic_load_explicit(&p->shown, memory_order_relaxed);
        *(back ? given : kept) += WR_MAX(at - p->durable, (int64_t) 0);
        if (back)
            list->elems[i].offset = at;
        else
            (void) rd_kafka_topic_partition_list_del_by_idx(list, i);
    }
}

/* Wait for the group's answer: who gets a partition asks for its offset next. */
static void
offsets_tell(kafka_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_queue_t *answers = rd_kafka_queue_new(c->rk);
    for (int i = 0; i < list->cnt; i++)
        author_put(c, &list->elems[i]);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(c->rk, list, answers, NULL, NULL);
    rd_kafka_event_t   *answer =
        code == RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_queue_poll(answers, COMMIT_MS) : NULL;
    if (answer != NULL)
        code = rd_kafka_event_error(answer);
    else if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        wr_log(WR_LOG_WARN, "kafka",
               "topic %s: where partitions stand that are taken away could not be committed (%s): some "
               "messages may be read again",
               c->config->topic, rd_kafka_err2str(code));
    rd_kafka_event_destroy(answer);
    rd_kafka_queue_destroy(answers);
}

void
wr_kafka_hand_over(kafka_consumer *c, rd_kafka_topic_partition_list_t *list, bool lost, int64_t by)
{
    int64_t given, kept, left = 1;
    wr_mutex_lock(&c->lock);
    offsets_given(c, list, &given, &kept);
    wr_epoch epoch = given > 0 && !lost ? checkpoint_ask(c) : 0;
    bool     held = given == 0;
    while (epoch != 0 && !held && left > 0 && !atomic_load(&c->stopping) && !atomic_load(&c->failed)) {
        left = by - wr_clock_monotonic(wr_clock_system());
        (void) wr_cond_wait_for(&c->taken_back, &c->lock, left);
        held = c->durable >= epoch;
    }
    for (int i = 0; held && i < list->cnt; i++)
        c->partitions[list->elems[i].partition].durable = list->elems[i].offset;
    wr_mutex_unlock(&c->lock);
    if (held && !lost && list->cnt > 0 && !atomic_load(&c->down))
        offsets_tell(c, list);
    const char *how = lost ? " by the group, which did not hear of this member" : kept > 0 ? " while a view is held up" : "";
    if ((!held || kept > 0) && !atomic_load(&c->stopping))
        wr_log(WR_LOG_WARN, "kafka",
               "topic %s: partitions are taken away%s; the last %" PRId64 " messages that were read of them are in "
               "no checkpoint: whoever gets these partitions reads them again",
               c->config->topic, how, kept + (held ? 0 : given));
}
