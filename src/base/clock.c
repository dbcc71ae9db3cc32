/* SPDX-License-Identifier: Apache-2.0 */
/* base/clock.c -- the machine's clock and the one that moves when told (see clock.h). */
#include "base/clock.h"

#include <sys/resource.h>
#include <time.h>

static int64_t
clock_read(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static wr_time
system_wall(wr_clock *clock)
{
    (void) clock;
    return clock_read(CLOCK_REALTIME);
}

static int64_t
system_monotonic(wr_clock *clock)
{
    (void) clock;
    return clock_read(CLOCK_MONOTONIC);
}

wr_clock *
wr_clock_system(void)
{
    static wr_clock clock = { system_wall, system_monotonic };
    return &clock;
}

static wr_time
virtual_read(wr_clock *clock)
{
    return ((wr_clock_virtual *) clock)->now;
}

void
wr_clock_virtual_init(wr_clock_virtual *clock, wr_time start)
{
    clock->clock = (wr_clock){ virtual_read, virtual_read };
    clock->now = start;
}

void
wr_clock_virtual_set(wr_clock_virtual *clock, wr_time now)
{
    wr_assert(now >= clock->now);
    clock->now = now;
}

int64_t
wr_cpu_thread_us(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

int64_t
wr_cpu_process_us(void)
{
    return clock_read(CLOCK_PROCESS_CPUTIME_ID);
}
