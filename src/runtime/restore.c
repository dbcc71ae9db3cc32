/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/restore.c -- from the newest good checkpoint back to running tasks.
 *
 * Parts are found by name: "<segment>#<shard>/<n>.<operator>", "<segment>#<shard>/task",
 * "source/<name>#<shard>" and ".../lanes".  With as many shards as before each task takes its own
 * parts; with another number every shard reads the parts of all old ones, and the reader gives it the
 * sections of its key groups (and the global ones).
 *
 * Invariants  V1  watermarks come back: a task's ports stand where they stood (the least over the old
 *                 shards), a source where its barrier was cut, a lane where it was; so rows are judged
 *                 after a restart as they would have been without
 *             V2  what had ended in every old shard has ended; but when the whole job had (FINAL), its
 *                 operators go on with what they held, and those alone that were done stay so
 *             V3  an old shard that had ended while others had not holds no watermark back: those
 *                 behind it did not wait for it either
 *             V4  a source that had told its end in every old shard, and not at the end of the whole job, is at its end:
 *                 those behind it have ended (V2), and would take no row of it
 */
#include "runtime/runtime_impl.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* --- parts by name --- */

/* "<prefix>#<shard><suffix>": the shard, or -1. */
static int64_t
part_shard(const char *name, const char *prefix, const char *suffix)
{
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0 || name[length] != '#')
        return -1;
    char         *end;
    unsigned long shard = strtoul(name + length + 1, &end, 10);
    if (end == name + length + 1 || shard > UINT16_MAX || strcmp(end, suffix) != 0)
        return -1;
    return (int64_t) shard;
}

/* How many shards the checkpoint has of something. */
static uint32_t
parts_count(const wr_checkpoint *c, const char *prefix, const char *suffix)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->part_count; i++)
        count += part_shard(c->parts[i].name, prefix, suffix) >= 0;
    return count;
}

/* --- segments --- */

static weir_status
restore_damaged(weir_error *err, const char *name)
{
    return wr_error_set(err, WEIR_CHECKPOINT_CORRUPT, "part \"%s\" of the checkpoint is damaged",
                        name);
}

/* Of one segment, over its old shards. */
typedef struct standing {
    bool    ended, live; /* all of them have; one of them has not */
    wr_time watermark;   /* of all its ports */
} standing;

/* One old shard's standing, joined to what others said: V1, V2. */
static weir_status
restore_task_part(segment_task *s, uint32_t origin, const wr_store_part *part, bool first,
                  standing *at, weir_error *err)
{
    const segment_origin *o = &s->origins[origin];
    wr_snapshot_reader    r;
    wr_snapshot_reader_init(&r, part->bytes, part->length, WR_GROUPS_ALL);
    if (!wr_snapshot_next(&r) || wr_snapshot_get_u64(&r) != 1)
        return restore_damaged(err, part->name);
    bool     renewed = s->t.rt->renewed, over = wr_snapshot_get_u64(&r) != 0;
    bool     ended = over && !renewed;
    wr_time  watermark = wr_snapshot_get_i64(&r);
    uint64_t ports = wr_snapshot_get_u64(&r);
    s->values_offered = s->in.count == 0 && over;
    if (ports != (origin == 0 ? s->in.port_count : 1))
        return restore_damaged(err, part->name);
    bool anew = first || (!ended && !at->live), counts = anew || ended != at->live; /* V3 */
    at->ended = ended && (first || at->ended);
    at->live = at->live || !ended;
    if (counts)
        at->watermark = anew ? watermark : WR_MIN(at->watermark, watermark);
    for (uint64_t p = 0; p < ports; p++) {
        wr_time w = wr_snapshot_get_i64(&r);
        if (origin == 0 && counts)
            s->in.ports[p] = anew ? w : WR_MIN(s->in.ports[p], w);
    }
    if (wr_snapshot_get_u64(&r) != o->segment->op_count)
        return restore_damaged(err, part->name);
    for (uint32_t i = 0; i < o->segment->op_count; i++) {
        chain_op *op = &s->chain.ops[o->first_op + i];
        uint64_t  was = wr_snapshot_get_u64(&r);
        bool      stays = renewed ? was == 2 : was != 0;
        op->ended = stays && (first || op->ended);
        op->settled = renewed;
    }
    return wr_snapshot_reader_status(&r) == WEIR_OK ? WEIR_OK : restore_damaged(err, part->name);
}

/* The operators of a segment stand where the segment stood. */
static void
restore_settle(segment_task *s, uint32_t origin, const standing *at)
{
    const segment_origin *o = &s->origins[origin];
    if (origin == 0) {
        for (uint32_t i = 0; i < s->in.count; i++)
            s->in.list[i].watermark =
                s->in.list[i].timeless ? WR_TIME_START : s->in.ports[s->in.list[i].port];
        wr_inputs_settle(&s->in);
    }
    for (uint32_t i = 0; i < o->segment->op_count; i++) {
        chain_op *op = &s->chain.ops[o->first_op + i];
        op->ctx.watermark = op->sent = at->watermark;
        if (op == s->chain.ops && op->ctx.port_watermark != NULL)
            memcpy(op->ctx.port_watermark, s->in.ports, sizeof s->in.ports);
        op->done = op->ended;
    }
    s->chain.ended = at->ended; /* the last segment's counts */
    s->chain.sent = at->watermark;
}

static weir_status
restore_op(chain_op *op, const wr_store_part *part, wr_groups groups, weir_error *err)
{
    wr_snapshot_reader r;
    wr_snapshot_reader_init(&r, part->bytes, part->length, groups);
    weir_status status = op->job->ops->restore(op->self, &op->ctx, &r);
    if (status == WEIR_OK)
        status = wr_snapshot_reader_status(&r);
    if (status != WEIR_OK)
        return wr_error_set(err, status, "part \"%s\" of the checkpoint cannot be restored: %s",
                            part->name, weir_status_text(status));
    return WEIR_OK;
}

static weir_status
restore_origin(wr_runtime *rt, segment_task *s, uint32_t origin, weir_error *err)
{
    const wr_checkpoint  *c = &rt->restored;
    const segment_origin *o = &s->origins[origin];
    const char           *name = o->segment->name;
    standing              at = { 0 };
    bool                  first = true, same = parts_count(c, name, "/task") == s->shard_count;
    for (uint32_t i = 0; i < c->part_count; i++) {
        int64_t shard = part_shard(c->parts[i].name, name, "/task");
        if (shard < 0 || (same && shard != s->shard))
            continue;
        WR_TRY(restore_task_part(s, origin, &c->parts[i], first, &at, err));
        first = false;
    }
    if (first)
        return wr_error_set(err, WEIR_CHECKPOINT_CORRUPT, "the checkpoint has no part of \"%s\"",
                            name);
    restore_settle(s, origin, &at);
    for (uint32_t k = o->first_op; k < o->first_op + o->segment->op_count; k++) {
        chain_op   *op = &s->chain.ops[k];
        if (op->job->ops->restore == NULL)
            continue;
        const char *suffix = strrchr(s->t.parts[op->part].name, '/');
        for (uint32_t i = 0; i < c->part_count; i++) {
            int64_t shard = part_shard(c->parts[i].name, name, suffix);
            if (shard >= 0 && (!same || shard == s->shard))
                WR_TRY(restore_op(op, &c->parts[i], same ? WR_GROUPS_ALL : op->ctx.groups, err));
        }
    }
    return WEIR_OK;
}

static weir_status
restore_segment(wr_runtime *rt, segment_task *s, weir_error *err)
{
    for (uint32_t i = 0; i < s->origin_count; i++)
        WR_TRY(restore_origin(rt, s, i, err));
    wr_chain_resume(&s->chain);
    return WEIR_OK;
}

weir_status
wr_restore_segments(wr_runtime *rt, weir_error *err)
{
    for (uint32_t g = 0; g < rt->job->segment_count; g++)
        for (uint32_t k = 0; k < rt->segments[g].count; k++)
            WR_TRY(restore_segment(rt, &rt->segments[g].shards[k], err));
    for (uint32_t i = 0; i < rt->restored.part_count; i++) {
        const wr_store_part *part = &rt->restored.parts[i];
        if (strcmp(part->name, WR_PART_FAILED) == 0 &&
            wr_isolate_restore(rt, part->bytes, part->length) != WEIR_OK)
            return restore_damaged(err, part->name);
    }
    return WEIR_OK;
}

/* --- sources --- */

/* Each old shard's positions are offered to each instance: it takes what it covers. */
static weir_status
restore_positions(source_task *t, const wr_store_part *part, weir_error *err)
{
    const wr_source_ops *ops = t->source->binding->ops;
    wr_snapshot_reader   r;
    if (ops->restore == NULL)
        return WEIR_OK;
    wr_snapshot_reader_init(&r, part->bytes, part->length, WR_GROUPS_ALL);
    if (!wr_snapshot_next(&r))
        return restore_damaged(err, part->name);
    weir_status status = ops->restore(t->self, &r);
    if (status == WEIR_OK)
        status = wr_snapshot_reader_status(&r);
    if (status != WEIR_OK)
        return wr_error_set(err, status, "source %s cannot go on from its position: %s",
                            t->source->binding->name,
                            t->ctx.error.code == status ? t->ctx.error.text
                                                        : weir_status_text(status));
    return WEIR_OK;
}

weir_status
wr_restore_source(wr_runtime *rt, source *s, weir_error *err)
{
    const wr_checkpoint *c = &rt->restored;
    char                *name = wr_arena_printf(&rt->arena, "source/%s", s->binding->name);
    if (name == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory to restore %s", s->binding->name);
    uint32_t shards = 0, over = 0;
    for (uint32_t i = 0; i < c->part_count; i++) {
        bool told = false, lanes = part_shard(c->parts[i].name, name, "/lanes") >= 0;
        if (lanes && wr_lanes_read(s, c->parts[i].bytes, c->parts[i].length, &told) != WEIR_OK)
            return restore_damaged(err, c->parts[i].name);
        shards += lanes;
        over += told;
        if (part_shard(c->parts[i].name, name, "") < 0)
            continue;
        for (uint32_t k = 0; k < s->shard_count; k++)
            WR_TRY(restore_positions(&s->shards[k], &c->parts[i], err));
    }
    for (uint32_t k = 0; k < s->shard_count; k++)
        s->shards[k].epoch = c->epoch;
    s->cut_epoch = c->epoch;
    s->cut_watermark = s->watermark;
    s->over = shards > 0 && over == shards && !rt->renewed;
    if (s->over && s->binding->ops == &wr_push_source_ops) /* who pushes is told */
        wr_runtime_push_end(rt, s->index);
    return WEIR_OK;
}

/* --- the store --- */

weir_status
wr_restore_open(wr_runtime *rt, weir_error *err)
{
    wr_text skipped;
    if (rt->config.data_dir == NULL)
        return WEIR_OK;
    WR_TRY(wr_store_open(rt->config.data_dir, &rt->store, err));
    wr_text_init(&skipped, rt->budget);
    weir_status status = wr_store_read(rt->store, rt->job->fingerprint, &rt->has_restored,
                                       &rt->restored, &skipped, err);
    if (status == WEIR_OK && skipped.length > 0) {
        wr_log(WR_LOG_WARN, "checkpoint", "restored an older one: %s", wr_text_string(&skipped));
        (void) wr_error_set(err, WEIR_OK, "%s", wr_text_string(&skipped));
    }
    wr_text_fini(&skipped);
    for (uint32_t i = 0; rt->has_restored && i < rt->restored.part_count; i++)
        rt->renewed = rt->renewed || strcmp(rt->restored.parts[i].name, WR_PART_FINAL) == 0;
    return status;
}
