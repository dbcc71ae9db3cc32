/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_gather.c -- messages of one partition, gathered and fed together.
 *
 * A decoder that knows what the records look like reads many messages in one call for less than one at a time
 * (format.h, decode_messages); a message is the client's only until its callback returns.  So it is copied here, behind
 * those before it.  What the decoder does not take is fed by itself, as if it had come alone.
 *
 * Place       between the client's callback and the lane (kafka_read.c); only where nobody asks for a message's own key,
 *             offset or time.
 * State       messages of one partition, in order.  They are not read yet: the partition's position is before them,
 *             so a checkpoint has them fetched again, and they are fed before all others.
 * Invariants  G1  what is fed, and in which order, is what would be fed one message at a time
 *             G2  the position is behind what has been fed, and not behind what has not
 */
#include "connector/kafka_impl.h"

#include <string.h>

enum {
    BYTES_FULL = 128 << 10,
    BYTES_KEPT = 1 << 20,
    ALONE_BYTES =
        16 << 10, /* so long a message has many rows, or long ones: a call of its own is cheap */
};

void
wr_kafka_gather_init(kafka_gather *g, wr_budget *budget)
{
    *g = (kafka_gather){ 0 };
    wr_text_init(&g->bytes, budget);
}

void
wr_kafka_gather_fini(kafka_gather *g)
{
    wr_text_fini(&g->bytes);
    wr_free(g->items);
    g->items = NULL;
    g->of = NULL;
}

void
wr_kafka_gather_drop(kafka_gather *g)
{
    g->of = NULL;
    g->count = g->at = 0;
    if (g->bytes.capacity > BYTES_KEPT)
        wr_text_fini(&g->bytes);
    wr_text_clear(&g->bytes);
}

bool
wr_kafka_gather_wants(const kafka_source *s, const kafka_partition *p, const rd_kafka_message_t *m)
{
    if (s->ctx->feed_messages == NULL)
        return false;
    return s->gather.of != NULL || (p->skip_bytes == 0 && m->len <= ALONE_BYTES);
}

bool
wr_kafka_gather_is_full(const kafka_gather *g)
{
    return g->count == KAFKA_GATHER_MAX || g->bytes.length >= BYTES_FULL;
}

kafka_step
wr_kafka_gather_add(kafka_source *s, kafka_partition *p, kafka_item_kind kind, const void *bytes,
                    size_t length, int64_t offset)
{
    kafka_gather *g = &s->gather;
    wr_assert(g->of == NULL || g->of == p);
    wr_assert(g->count < KAFKA_GATHER_MAX);
    if (g->items == NULL)
        g->items = wr_alloc(s->consumer->budget, KAFKA_GATHER_MAX * sizeof *g->items);
    if (g->items != NULL)
        g->items[g->count] = (kafka_item){ g->bytes.length, length, offset, kind };
    if (length > 0)
        wr_text_append(&g->bytes, bytes, length);
    if (g->items == NULL || !wr_text_ok(&g->bytes)) {
        wr_text_fini(&g->bytes);
        wr_error_set(&s->ctx->error, WEIR_MEMORY, "no memory for a message (%zu bytes)", length);
        return KAFKA_FAILED;
    }
    g->of = p;
    g->count++;
    return KAFKA_READ;
}

/* Messages for as long as the decoder takes them; how many it took. */
static kafka_step
messages_feed(kafka_source *s, kafka_partition *p, const wr_message *messages, uint32_t *done)
{
    kafka_gather *g = &s->gather;
    weir_status status =
        s->ctx->feed_messages(s->ctx, p->lane, messages + g->at, g->count - g->at, done);
    if (*done > 0) {
        g->at += *done;
        p->position = g->items[g->at - 1].offset + 1; /* G2 */
        p->skip_bytes = 0;
    }
    if (status == WEIR_OK)
        return KAFKA_READ;
    wr_error_set(&s->ctx->error, status, "%s", weir_status_text(status));
    return KAFKA_FAILED;
}

static kafka_step
item_feed(kafka_source *s, kafka_partition *p, const kafka_item *item)
{
    const char *bytes = s->gather.bytes.data + item->at;
    wr_record_meta meta = { .offset = item->offset, .timestamp = WR_TIME_START };
    size_t used;
    s->gather.at++;
    if (item->kind == KAFKA_ITEM_END) {
        wr_kafka_partition_end(s, p, item->offset);
        return KAFKA_READ;
    }
    p->position = item->offset;
    p->skip_bytes = 0;
    if (item->kind == KAFKA_ITEM_EMPTY) {
        s->ctx->bad(s->ctx, p->lane, WEIR_ROW_DECODE, "a message without a value",
                    item->length > 0 ? bytes : NULL, item->length);
        p->position++;
        return KAFKA_READ;
    }
    kafka_step what = wr_kafka_value_feed(s, p, bytes, item->length, &meta, &used);
    return what == KAFKA_FULL ? wr_kafka_rest_keep(s, p, bytes + used, item->length - used, &meta)
                              : what;
}

kafka_step
wr_kafka_gather_feed(kafka_source *s)
{
    kafka_gather *g = &s->gather;
    kafka_partition *p = g->of;
    kafka_step what = KAFKA_READ;
    wr_message
        messages[KAFKA_GATHER_MAX]; /* what is no value is an empty one, which no decoder takes */
    if (p == NULL)
        return what;
    if (!wr_text_reserve(&g->bytes, WR_MESSAGE_AHEAD)) {
        wr_error_set(&s->ctx->error, WEIR_MEMORY, "no memory for messages");
        return KAFKA_FAILED;
    }
    memset(g->bytes.data + g->bytes.length, 0, WR_MESSAGE_AHEAD);
    for (uint32_t i = g->at; i < g->count; i++)
        messages[i] = (wr_message){ g->bytes.data + g->items[i].at,
                                    g->items[i].kind == KAFKA_ITEM_VALUE ? g->items[i].length : 0 };
    while (g->at < g->count && what == KAFKA_READ && !p->over) {
        uint32_t done = 0;
        if (!s->ctx->has_room(s->ctx))
            return KAFKA_FULL;
        what = messages_feed(s, p, messages, &done);
        if (what == KAFKA_READ && done == 0)
            what = item_feed(s, p, &g->items[g->at]);
        if (what == KAFKA_READ && p->end >= 0 && p->position >= p->end && !p->over)
            wr_kafka_partition_over(s, p);
    }
    if (p->over || g->at == g->count)
        wr_kafka_gather_drop(g);
    return what;
}
