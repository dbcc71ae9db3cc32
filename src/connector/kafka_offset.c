/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_offset.c -- where a partition that was assigned begins, and (bounded) where it ends.
 *
 * Place       on the consumer's thread, or in the first poll where no group is joined; asks the brokers and waits.
 * Offsets     where the checkpoint says, or where another member has come to since; else the greater of what this process has
 *             read and what the group has committed; else by `start`.  Always as a number, so that a checkpoint can hold it.  The client never
 *             resets an offset by itself, unless on_gap says so.
 * Together    a position and how much of its message is decoded change under the lock: a shard's freeze may look at any
 *             time, at partitions that are away, too.
 */
#include "base/log.h"
#include "connector/kafka_impl.h"
#include "data/datetime.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { ASK_MS = 10000, AGAIN_US = 500000, TRIES = 10 };

static weir_status
offsets_failed(kafka_consumer *c, rd_kafka_resp_err_t code, const char *what, weir_error *err)
{
    return wr_error_set(err, wr_kafka_status(code), "topic %s: %s: %s", c->config->topic, what,
                        rd_kafka_err2str(code));
}

/* What a broker says and takes back by itself (a leader that moves) is waited for; our own timeouts have waited. */
static bool
offsets_again(rd_kafka_resp_err_t code, int *tries)
{
    struct timespec pause = { .tv_nsec = AGAIN_US * 1000L };
    if (code <= RD_KAFKA_RESP_ERR_NO_ERROR || !wr_kafka_is_passing(code) || ++*tries >= TRIES)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

/* The offset of the first message at or after start_time, -1: there is none.  Messages are stamped in milliseconds, and
 * not before 1970: negative times have other meanings for a broker. */
static weir_status
offset_at_time(kafka_consumer *c, int32_t partition, int64_t low, int64_t *offset, weir_error *err)
{
    wr_time     t;
    const char *text = c->config->start_time;
    WR_TRY(wr_timestamp_parse(text, strlen(text), true, &t, err));
    if (t <= 0) {
        *offset = low;
        return WEIR_OK;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->config->topic, partition)->offset = t / 1000 + (t % 1000 != 0);
    rd_kafka_resp_err_t code;
    int                 tries = 0;
    do
        code = rd_kafka_offsets_for_times(c->rk, list, ASK_MS);
    while (offsets_again(code, &tries));
    *offset = list->elems[0].offset >= 0 ? list->elems[0].offset : -1;
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? WEIR_OK
                                              : offsets_failed(c, code, "offsets by time", err);
}

/* Where a partition begins that neither a checkpoint nor the group knows. */
static weir_status
offset_by_start(kafka_consumer *c, const kafka_partition *p, int64_t low, int64_t high, int64_t *position,
                weir_error *err)
{
    switch ((wr_kafka_start) c->config->start) {
    case WR_KAFKA_EARLIEST: *position = low; return WEIR_OK;
    case WR_KAFKA_LATEST: *position = high; return WEIR_OK;
    case WR_KAFKA_TIMESTAMP:
        WR_TRY(offset_at_time(c, p->number, low, position, err));
        *position = *position >= 0 ? *position : high;
        return WEIR_OK;
    case WR_KAFKA_COMMITTED: break;
    }
    return wr_error_set(err, WEIR_CONFIG_VALUE,
                        "topic %s: the group \"%s\" has committed no offset for partition %d",
                        c->config->topic, c->config->group, (int) p->number);
}

/* The group's committed offsets into list; negative where there is none. */
static weir_status
offsets_committed(kafka_consumer *c, rd_kafka_topic_partition_list_t *list, weir_error *err)
{
    bool ask = c->config->group != NULL && (c->grouped || c->config->start == WR_KAFKA_COMMITTED);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    if (!ask || list->cnt == 0)
        return WEIR_OK;
    rd_kafka_resp_err_t code;
    int                 tries = 0;
    do
        code = rd_kafka_committed(c->rk, list, ASK_MS);
    while (offsets_again(code, &tries));
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? WEIR_OK
                                              : offsets_failed(c, code, "committed offsets", err);
}

/* The first and the next offset of a partition. */
static weir_status
offsets_of(kafka_consumer *c, int32_t partition, int64_t *low, int64_t *high, weir_error *err)
{
    rd_kafka_resp_err_t code;
    int                 tries = 0;
    do
        code = rd_kafka_query_watermark_offsets(c->rk, c->config->topic, partition, low, high, ASK_MS);
    while (offsets_again(code, &tries));
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? WEIR_OK : offsets_failed(c, code, "watermarks", err);
}

static void
partition_begin(kafka_consumer *c, kafka_partition *p, int64_t position, int64_t high)
{
    wr_mutex_lock(&c->lock);
    if (p->restored || position != p->position)
        p->durable = position; /* else some of it may be in no checkpoint yet */
    if (position != p->position)
        p->skip_bytes = 0;
    p->position = position;
    atomic_store(&p->begun, false);
    p->from = position;
    p->end = c->bounded ? high : -1;
    p->over = c->bounded && position >= high;
    p->eof = -1;
    wr_mutex_unlock(&c->lock);
}

/* Of a partition that the checkpoint has: others may have gone further since.  Without them the group is ahead of a checkpoint
 * that is not the newest. */
static int64_t
position_restored(kafka_consumer *c, const kafka_partition *p, const rd_kafka_topic_partition_t *committed)
{
    if (committed->offset <= p->position)
        return p->position;
    bool another = wr_kafka_is_of_another(c, committed);
    if (another)
        wr_log(WR_LOG_INFO, "kafka",
               "topic %s partition %d: goes on at offset %" PRId64 ", to which another member has read since the checkpoint (%" PRId64 ")",
               c->config->topic, (int) p->number, committed->offset, p->position);
    else
        wr_log(WR_LOG_WARN, "kafka",
               "topic %s partition %d: goes on at offset %" PRId64 " of the checkpoint, though the group has "
               "committed %" PRId64 ": what is between them is read again",
               c->config->topic, (int) p->number, p->position, committed->offset);
    return another ? committed->offset : p->position;
}

weir_status
wr_kafka_offsets_resolve(kafka_consumer *c, rd_kafka_topic_partition_list_t *list, weir_error *err)
{
    WR_TRY(offsets_committed(c, list, err));
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *e = &list->elems[i];
        kafka_partition            *p = &c->partitions[e->partition];
        int64_t                     low = 0, high = 0, position = p->position;
        /* back after it was away: others may have gone further, but never count a row twice */
        position = p->restored ? position_restored(c, p, e) : WR_MAX(position, e->offset);
        if (position < 0 || c->bounded)
            WR_TRY(offsets_of(c, p->number, &low, &high, err));
        if (position < 0)
            WR_TRY(offset_by_start(c, p, low, high, &position, err));
        partition_begin(c, p, position, high);
        e->offset = position;
    }
    return WEIR_OK;
}
