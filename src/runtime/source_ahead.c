/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/source_ahead.c -- holding the lanes that run ahead of the others (design 12.2).
 *
 * Only the watermark frees state, and the lane that is furthest behind holds the watermark: rows of the lanes
 * before it pile up in windows and joins.  So a lane that has come too far is not read until the others follow.
 * How far is too far: `max_skew` of the source, where given; and one second while the pipeline's state is at
 * three quarters of its limit (until it is below five eighths).
 *
 * The floor is the least watermark of the lanes that could move it: alive, not idle, not silent for QUIET_US, and not
 * empty (read to their end without any time).  A lane is held while it is further past the floor than is allowed, and let go at three
 * quarters of that.
 *
 * Place       a connector asks before it reads a lane (wr_source_ctx.may_read), on its shard's thread.
 * State       held lanes; who holds lanes looks again every LOOK_US, for the floor moves on other threads.
 * Invariants  H1  the lane at the floor is never held: while any lane could give rows, one may be read
 *             H2  holding changes how lanes interleave and nothing else: no row is lost, none changes its lane's
 *                 order; a held lane is not idle (Y4), though it was before, and goes on where it stood
 *             H3  nobody waits for a lane that gives nothing: after QUIET_US it is no floor (a partition without
 *                 a leader, say)
 * Cost        two loads where nothing is wanted; else the batch is sealed and the lanes are gone through under the
 *             source's lock, once a turn of a lane: so a lane overshoots by what its connector reads in a turn.
 */
#include "runtime/runtime_impl.h"

enum { PRESSED_AHEAD_US = 1000000, QUIET_US = 5000000, LOOK_US = 5000 };

/* Is the state budget so full that lanes must wait for each other? */
static bool
ahead_pressed(source *s)
{
    const wr_budget *state = s->rt->config.state;
    uint64_t         limit = state != NULL ? wr_budget_limit(state) : 0;
    bool             was = atomic_load_explicit(&s->pressed, memory_order_relaxed);
    if (limit == 0)
        return false;
    bool pressed = wr_budget_used(state) > limit / 8 * (was ? 5 : 6);
    if (pressed != was)
        atomic_store_explicit(&s->pressed, pressed, memory_order_relaxed);
    return pressed;
}

/* How far a lane may be past the floor; INT64_MAX: as far as it likes. */
static int64_t
ahead_allowed(source *s)
{
    int64_t allowed = s->binding->ahead_us > 0 ? s->binding->ahead_us : INT64_MAX;
    if (s->binding->watermark != NULL && ahead_pressed(s))
        allowed = WR_MIN(allowed, (int64_t) PRESSED_AHEAD_US);
    return allowed;
}

/* With the lock held.  END: no lane could move it. */
static wr_time
ahead_floor(const source *s, int64_t now)
{
    wr_time floor = WR_TIME_END;
    for (const wr_lane *l = s->lanes; l != NULL; l = l->next) {
        bool at_its_end = (atomic_load_explicit(&l->view, memory_order_relaxed) & LANE_CAUGHT_UP) != 0;
        bool empty = at_its_end && l->watermark == WR_TIME_START;
        bool silent = now - atomic_load_explicit(&l->moved_at, memory_order_relaxed) > QUIET_US;
        if (!l->idle && !l->ended && !empty && (!silent || l->held)) /* H3 */
            floor = WR_MIN(floor, l->watermark);
    }
    return floor;
}

/* H1: a lane at the floor is not past it. */
static bool
lane_is_ahead(source *s, const wr_lane *lane, int64_t allowed, int64_t now)
{
    int64_t past;
    wr_mutex_lock(&s->lock);
    wr_time floor = ahead_floor(s, now), at = lane->watermark;
    wr_mutex_unlock(&s->lock);
    if (floor == WR_TIME_END || at <= floor)
        return false;
    if (lane->held)
        allowed -= allowed / 4;
    return __builtin_sub_overflow(at, floor, &past) || past > allowed;
}

static void
lane_set_held(wr_lane *lane, bool held, int64_t now)
{
    source *s = lane->source;
    wr_mutex_lock(&s->lock);
    lane->held = held;
    lane->quiet_since = now; /* H2: the time it was held does not count */
    if (held && !lane->declared_idle)
        lane->idle = false; /* what comes meanwhile is not read: nobody knows any more that it is at its end */
    wr_mutex_unlock(&s->lock);
    atomic_store_explicit(&lane->moved_at, now, memory_order_relaxed);
    wr_lane_show(lane);
}

bool
wr_lane_may_read(source_task *t, wr_lane *lane)
{
    source *s = t->source;
    int64_t allowed = ahead_allowed(s);
    if (allowed == INT64_MAX && !lane->held)
        return true;
    weir_status status = wr_lane_seal(t, lane); /* its watermark as of now */
    if (status != WEIR_OK)
        t->failure = status;
    int64_t now = wr_clock_monotonic(s->rt->config.clock);
    bool    held = allowed != INT64_MAX && lane_is_ahead(s, lane, allowed, now);
    if (held != lane->held)
        lane_set_held(lane, held, now);
    if (held)
        wr_task_wake_after(&t->t, LOOK_US);
    return !held;
}
