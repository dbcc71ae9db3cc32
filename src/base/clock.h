/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/clock.h -- time, injected.  Nothing in the engine reads a clock except through one of these.
 *
 * wr_time is microseconds since 1970-01-01 00:00:00 UTC, 64 bits.  (PostgreSQL's own epoch, 2000,
 * appears only at the edges that speak its binary form.)  Two values at each end are set apart:
 * -infinity/+infinity as SQL has them, and the start/end of time, which no row can hold.
 */
#pragma once

#include "base/status.h"

typedef int64_t wr_time;

#define WR_TIME_START  INT64_MIN         /* a watermark before anything                 */
#define WR_TIME_NEGINF (INT64_MIN + 1)   /* SQL's '-infinity'                           */
#define WR_TIME_POSINF (INT64_MAX - 1)   /* SQL's 'infinity'                            */
#define WR_TIME_END    INT64_MAX         /* a watermark after everything: input is over */

typedef struct wr_clock wr_clock;
struct wr_clock {
    wr_time (*wall)(wr_clock *);      /* microseconds since 1970, may step */
    int64_t (*monotonic)(wr_clock *); /* microseconds, never steps back    */
};

/* The machine's clock; immortal, any thread. */
wr_clock *wr_clock_system(void);

/* A clock that moves only when told: tests, simulation, `weir test`. */
typedef struct wr_clock_virtual {
    wr_clock clock; /* first: pass &v.clock */
    wr_time  now;
} wr_clock_virtual;
void wr_clock_virtual_init(wr_clock_virtual *clock, wr_time start);
void wr_clock_virtual_set(wr_clock_virtual *clock, wr_time now); /* never backwards */

static inline wr_time
wr_clock_now(wr_clock *c)
{
    return c->wall(c);
}
static inline int64_t
wr_clock_monotonic(wr_clock *c)
{
    return c->monotonic(c);
}

/* CPU time of the calling thread / whole process, microseconds. */
int64_t wr_cpu_thread_us(void);
int64_t wr_cpu_process_us(void);

