/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/source_time.c -- the watermark of a source: lanes, idleness, the cut of a barrier
 * (source_impl.h: Y1..Y4).
 */
#include "runtime/runtime_impl.h"

/* Y1: there may be lanes that are not in the list yet. */
static inline bool
lanes_missing(const source *s)
{
    return s->unpolled > 0 || s->unsettled > 0;
}

/* Y1: the least over live lanes but one; END: none holds. */
static wr_time
lanes_least(const source *s, const wr_lane *except)
{
    wr_time least = WR_TIME_END;
    if (lanes_missing(s))
        return WR_TIME_START;
    for (const wr_lane *l = s->lanes; l != NULL; l = l->next)
        if (l != except && !l->idle && !l->ended)
            least = WR_MIN(least, l->watermark);
    return least;
}

/* The same for a shard that has not put in the newest barrier while others have (Y3): lanes of shards that
 * have stand where they stood then, so that no row after the barrier judges one before it. */
static wr_time
lanes_least_before_cut(const source *s, const wr_lane *except)
{
    wr_time least = WR_TIME_END;
    if (lanes_missing(s))
        return WR_TIME_START;
    for (const wr_lane *l = s->lanes; l != NULL; l = l->next) {
        bool past = l->cut_epoch == s->cut_epoch; /* its shard has put the barrier in */
        bool out = past ? l->cut_out : l->idle || l->ended;
        if (l != except && !out)
            least = WR_MIN(least, past ? l->cut_watermark : l->watermark);
    }
    return least;
}

void
wr_lane_cut(wr_lane *lane, wr_epoch epoch)
{
    lane->cut_epoch = epoch;
    lane->cut_watermark = lane->watermark;
    lane->cut_out = lane->idle || lane->ended;
}

/* What the watermark would be by the lanes alone.  When all are quiet nobody holds back, and
 * it is where the furthest has come; when all have ended it stays. */
static wr_time
lanes_watermark(const source *s)
{
    wr_time least = lanes_least(s, NULL), most = WR_TIME_START;
    bool    quiet = false;
    if (least != WR_TIME_END)
        return least;
    for (const wr_lane *l = s->lanes; l != NULL; l = l->next) {
        most = WR_MAX(most, l->watermark);
        quiet = quiet || !l->ended;
    }
    return quiet ? most : WR_TIME_START;
}

/* Y3 */
static wr_time
source_stampable(const source_task *t)
{
    const source *s = t->source;
    return t->epoch < s->cut_epoch ? WR_MIN(s->watermark, s->cut_watermark) : s->watermark;
}

/* The other shards have the news to publish too. */
static void
source_tell_others(source_task *t)
{
    source *s = t->source;
    for (uint32_t i = 0; i < s->shard_count; i++)
        if (i != t->shard)
            wr_task_wake(&s->shards[i].t);
}

/* With the lock held; true: it moved. */
static bool
source_settle(source *s)
{
    wr_time w = lanes_watermark(s);
    if (w <= s->watermark)
        return false;
    s->watermark = w;
    return true;
}

/* With the lock held.  Y1: when the last shard has been polled, and no lanes are coming, all may give rows. */
static void
source_open_to_rows(source *s)
{
    bool open = !lanes_missing(s);
    if (atomic_exchange(&s->open_to_rows, open) == open || !open)
        return;
    for (uint32_t i = 0; i < s->shard_count; i++)
        wr_task_wake(&s->shards[i].t);
}

static void
source_shard_known(source_task *t)
{
    source *s = t->source;
    if (t->known)
        return;
    t->known = true;
    wr_assert(s->unpolled > 0);
    s->unpolled--;
    source_open_to_rows(s);
}

void
wr_source_judge(source_task *t, wr_lane *lane, const wr_time *contributions, uint32_t count,
                wr_time *judges, wr_time *before, wr_time *after)
{
    source *s = t->source;
    wr_mutex_lock(&s->lock); /* Y2 */
    source_shard_known(t);
    bool    before_cut = t->epoch < s->cut_epoch;
    wr_time others = lanes_least(s, lane), was = s->watermark;
    wr_time others_cut = before_cut ? lanes_least_before_cut(s, lane) : others;
    wr_time mine = before_cut ? s->cut_watermark : s->watermark; /* what judges this shard's rows */
    lane->idle = false;
    for (uint32_t i = 0; i < count; i++) {
        judges[i] = mine;
        if (contributions[i] <= lane->watermark)
            continue;
        lane->watermark = contributions[i];
        mine = WR_MAX(mine, WR_MIN(lane->watermark, others_cut));
        s->watermark = WR_MAX(s->watermark, WR_MIN(lane->watermark, others));
    }
    if (before_cut)
        s->cut_watermark = mine;
    *before = t->stamped;
    *after = mine;
    wr_assert(*after >= *before);
    t->stamped = *after;
    bool moved = s->watermark > was;
    wr_mutex_unlock(&s->lock);
    if (moved && s->shard_count > 1)
        source_tell_others(t);
}

static void
source_lanes_changed(source_task *t)
{
    wr_mutex_lock(&t->source->lock);
    bool moved = source_settle(t->source);
    wr_mutex_unlock(&t->source->lock);
    if (moved) {
        wr_task_wake(&t->t);
        source_tell_others(t);
    }
}

void
wr_source_lane_ended(source_task *t, wr_lane *lane)
{
    wr_mutex_lock(&t->source->lock);
    lane->ended = true;
    wr_mutex_unlock(&t->source->lock);
    source_lanes_changed(t);
}

void
wr_source_lane_expects(wr_lane *lane)
{
    source *s = lane->source;
    if (!lane->idle) /* changed by the owner's thread alone, which this is */
        return;
    wr_mutex_lock(&s->lock);
    lane->idle = false;
    wr_mutex_unlock(&s->lock);
}

void
wr_source_polled(source_task *t)
{
    wr_mutex_lock(&t->source->lock);
    source_shard_known(t);
    wr_mutex_unlock(&t->source->lock);
    source_lanes_changed(t);
}

void
wr_source_lanes_coming(source_task *t, bool yes)
{
    source *s = t->source;
    wr_mutex_lock(&s->lock);
    bool changed = t->lanes_coming != yes;
    t->lanes_coming = yes;
    if (changed && yes)
        s->unsettled++;
    else if (changed)
        s->unsettled--;
    source_open_to_rows(s);
    wr_mutex_unlock(&s->lock);
    if (changed && !yes)
        source_lanes_changed(t);
}

/* Y4.  INT64_MAX: cannot become idle as it is. */
static int64_t
lane_idle_at(const source_task *t, const wr_lane *lane)
{
    int64_t at, idle_us = t->source->binding->idle_us;
    if (lane->declared_idle)
        return INT64_MIN;
    if (!lane->caught_up || t->paused || lane->held || idle_us <= 0)
        return INT64_MAX;
    return __builtin_add_overflow(lane->quiet_since, idle_us, &at) ? INT64_MAX : at;
}

void
wr_source_check_idle(source_task *t)
{
    source *s = t->source;
    int64_t now = wr_clock_monotonic(s->rt->config.clock), next = INT64_MAX;
    bool    changed = false;
    wr_mutex_lock(&s->lock);
    for (wr_lane *l = s->lanes; l != NULL; l = l->next) {
        if (l->owner != t || l->idle || l->ended)
            continue;
        int64_t at = lane_idle_at(t, l);
        if (at <= now)
            l->idle = changed = true;
        else
            next = WR_MIN(next, at);
    }
    wr_mutex_unlock(&s->lock);
    if (next != INT64_MAX)
        wr_task_wake_after(&t->t, next - now);
    if (changed)
        source_lanes_changed(t);
}

wr_time
wr_source_catch_up(source_task *t, wr_time *before)
{
    wr_mutex_lock(&t->source->lock);
    *before = t->stamped;
    t->stamped = WR_MAX(t->stamped, source_stampable(t));
    wr_time now = t->stamped;
    wr_mutex_unlock(&t->source->lock);
    return now;
}

wr_time
wr_source_cut(source_task *t, wr_epoch epoch, wr_time *before)
{
    source *s = t->source;
    wr_mutex_lock(&s->lock);
    if (s->cut_epoch < epoch) {
        s->cut_epoch = epoch;
        s->cut_watermark = s->watermark;
    }
    for (wr_lane *l = s->lanes; l != NULL; l = l->next)
        if (l->owner == t)
            wr_lane_cut(l, epoch);
    *before = t->stamped;
    wr_assert(t->stamped <= s->cut_watermark); /* Y3 */
    t->stamped = s->cut_watermark;
    t->epoch = epoch;
    wr_mutex_unlock(&s->lock);
    return t->stamped;
}
