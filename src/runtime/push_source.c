/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/push_source.c -- the source "push": rows handed over by the program itself (the library,
 * tests), from any thread.
 *
 * Place       wr_runtime_push puts batches, wr_runtime_push_bytes undecoded records, into a bounded queue a
 *             shard; the source task takes them out.
 *             Partition p belongs to shard p mod shard_count.
 * State       the queues.  What was pushed and not checkpointed is lost by a crash: whoever pushes reads the
 *             lanes' row counts after a restart and goes on from there.
 */
#include "runtime/runtime_impl.h"

#include <string.h>

enum { ITEMS_MAX_DEFAULT = 64 };

typedef struct push_item {
    int32_t    partition;
    wr_batch  *batch; /* both NULL: the partition is idle        */
    wr_buffer *bytes; /* whole records in the source's own format */
    size_t     at;    /* how far they have been decoded           */
} push_item;

typedef struct push_queue {
    push_item     *items;
    uint32_t       head, count;
    wr_source_ctx *ctx; /* NULL before open */
} push_queue;

typedef struct push_hub {
    wr_mutex   lock;
    uint32_t   shard_count, items_max;
    bool       ended;
    push_queue queues[];
} push_hub;

typedef struct push_source {
    push_hub   *hub;
    push_queue *queue;
} push_source;

static void
push_unshare(void *shared)
{
    push_hub *hub = shared;
    for (uint32_t i = 0; i < hub->shard_count; i++) {
        push_queue *q = &hub->queues[i];
        for (; q->items != NULL && q->count > 0; q->count--) {
            wr_batch_release(q->items[q->head].batch);
            wr_buffer_release(q->items[q->head].bytes);
            q->head = (q->head + 1) % hub->items_max;
        }
        wr_free(q->items);
    }
    wr_mutex_fini(&hub->lock);
    wr_free(hub);
}

static weir_status
push_share(const void *config, uint32_t shard_count, wr_budget *budget, void **shared,
           weir_error *err)
{
    (void) config;
    push_hub *hub = wr_calloc(budget, 1, sizeof *hub + shard_count * sizeof hub->queues[0]);
    if (hub == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a push source");
    wr_mutex_init(&hub->lock);
    hub->shard_count = shard_count;
    hub->items_max = ITEMS_MAX_DEFAULT;
    for (uint32_t i = 0; i < shard_count; i++) {
        hub->queues[i].items = wr_calloc(budget, hub->items_max, sizeof *hub->queues[i].items);
        if (hub->queues[i].items == NULL) {
            push_unshare(hub);
            return wr_error_set(err, WEIR_MEMORY, "no memory for a push source");
        }
    }
    *shared = hub;
    return WEIR_OK;
}

static weir_status
push_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    push_source *p = self;
    (void) config;
    (void) err;
    p->hub = shared;
    p->queue = &p->hub->queues[ctx->shard];
    wr_mutex_lock(&p->hub->lock);
    p->queue->ctx = ctx;
    wr_mutex_unlock(&p->hub->lock);
    return WEIR_OK;
}

static void
push_close(void *self)
{
    push_source *p = self;
    wr_mutex_lock(&p->hub->lock);
    p->queue->ctx = NULL;
    wr_mutex_unlock(&p->hub->lock);
}

/* Decode some of the records at the head of the queue; they leave it when all are decoded. */
static wr_flow
push_decode(push_source *p, wr_source_ctx *ctx, push_item *item)
{
    size_t   consumed = 0;
    wr_lane *lane = ctx->lane(ctx, item->partition);
    if (lane == NULL || ctx->feed(ctx, lane, item->bytes->bytes + item->at, item->bytes->length - item->at, true, NULL,
                                  &consumed) != WEIR_OK) {
        (void) wr_error_set(&ctx->error, WEIR_MEMORY, "no memory for pushed records");
        return WR_FLOW_FAIL;
    }
    item->at += consumed;
    if (item->at < item->bytes->length)
        return WR_FLOW_NEXT; /* no room: the rest when there is */
    wr_buffer *done = item->bytes;
    wr_mutex_lock(&p->hub->lock);
    p->queue->head = (p->queue->head + 1) % p->hub->items_max;
    p->queue->count--;
    bool more = p->queue->count > 0;
    wr_mutex_unlock(&p->hub->lock);
    wr_buffer_release(done);
    ctx->caught_up(ctx, lane, !more);
    return WR_FLOW_NEXT;
}

static wr_flow
push_poll(void *self, wr_source_ctx *ctx)
{
    push_source *p = self;
    push_item    item = { 0 };
    bool         found, more_of_it = false;
    if (!ctx->has_room(ctx))
        return WR_FLOW_WAIT;
    wr_mutex_lock(&p->hub->lock);
    found = p->queue->count > 0;
    bool ended = p->hub->ended;
    if (found && p->queue->items[p->queue->head].bytes != NULL) { /* only this task moves the head */
        push_item *head = &p->queue->items[p->queue->head];
        wr_mutex_unlock(&p->hub->lock);
        return push_decode(p, ctx, head);
    }
    if (found) {
        item = p->queue->items[p->queue->head];
        p->queue->head = (p->queue->head + 1) % p->hub->items_max;
        p->queue->count--;
        for (uint32_t i = 0; i < p->queue->count && !more_of_it; i++)
            more_of_it = p->queue->items[(p->queue->head + i) % p->hub->items_max].partition ==
                         item.partition;
    }
    wr_mutex_unlock(&p->hub->lock);
    if (!found)
        return ended ? WR_FLOW_DONE : WR_FLOW_WAIT;
    wr_lane *lane = ctx->lane(ctx, item.partition);
    if (lane == NULL) {
        wr_batch_release(item.batch);
        (void) wr_error_set(&ctx->error, WEIR_MEMORY, "no memory for partition %d", item.partition);
        return WR_FLOW_FAIL;
    }
    if (item.batch == NULL)
        lane->declared_idle = true;
    else if (ctx->push(ctx, lane, item.batch) != WEIR_OK) {
        (void) wr_error_set(&ctx->error, WEIR_MEMORY, "no memory for a pushed batch");
        return WR_FLOW_FAIL;
    }
    ctx->caught_up(ctx, lane, !more_of_it);
    return WR_FLOW_NEXT;
}

const wr_source_ops wr_push_source_ops = {
    .name = "push",
    .doc = "rows handed over by the program that embeds Weir",
    .self_bytes = sizeof(push_source),
    .default_format = "json",
    .share = push_share,
    .unshare = push_unshare,
    .open = push_open,
    .poll = push_poll,
    .close = push_close,
};

/* --- the outside --- */

/* Takes batch and bytes when it answers NEXT. */
static wr_flow
push_put(wr_runtime *rt, uint32_t index, int32_t partition, wr_batch *batch, wr_buffer *bytes)
{
    wr_assert(index < rt->source_count);
    source *s = &rt->sources[index];
    wr_assert(s->binding->ops == &wr_push_source_ops);
    push_hub   *hub = s->shared;
    uint32_t    shard = (uint32_t) partition % hub->shard_count;
    push_queue *q = &hub->queues[shard];
    wr_flow     flow = WR_FLOW_AGAIN;
    wr_mutex_lock(&hub->lock);
    if (hub->ended)
        flow = WR_FLOW_DONE;
    else if (q->count < hub->items_max) {
        q->items[(q->head + q->count++) % hub->items_max] = (push_item){ partition, batch, bytes, 0 };
        flow = WR_FLOW_NEXT;
    }
    if (q->ctx != NULL)
        q->ctx->wake(q->ctx);
    wr_mutex_unlock(&hub->lock);
    return flow;
}

wr_flow
wr_runtime_push(wr_runtime *runtime, uint32_t index, int32_t partition, wr_batch *batch)
{
    return push_put(runtime, index, partition, batch, NULL);
}

wr_flow
wr_runtime_push_bytes(wr_runtime *runtime, uint32_t index, int32_t partition, const char *bytes, size_t length)
{
    wr_buffer *copy = wr_buffer_create(runtime->config.flow, length);
    if (copy == NULL)
        return WR_FLOW_AGAIN; /* the flow budget is used up: there is no room now */
    memcpy(copy->bytes, bytes, length);
    copy->length = length;
    wr_flow flow = push_put(runtime, index, partition, NULL, copy);
    if (flow != WR_FLOW_NEXT)
        wr_buffer_release(copy);
    return flow;
}

void
wr_runtime_push_idle(wr_runtime *runtime, uint32_t index, int32_t partition)
{
    (void) push_put(runtime, index, partition, NULL, NULL); /* a full queue is not idle */
}

void
wr_runtime_push_end(wr_runtime *runtime, uint32_t index)
{
    push_hub *hub = runtime->sources[index].shared;
    wr_mutex_lock(&hub->lock);
    hub->ended = true;
    for (uint32_t i = 0; i < hub->shard_count; i++)
        if (hub->queues[i].ctx != NULL)
            hub->queues[i].ctx->wake(hub->queues[i].ctx);
    wr_mutex_unlock(&hub->lock);
}
