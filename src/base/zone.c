/* SPDX-License-Identifier: Apache-2.0 */
/* base/zone.c -- arenas for the threads of libraries (see zone.h). */
#include "base/zone.h"

#include <pthread.h>
#include <stdatomic.h>

#ifndef WR_MALLOC_SYSTEM
#include <jemalloc/jemalloc.h>
#endif

struct wr_zone {
    unsigned         arena;
    bool             made;
    _Atomic bool     used;
    _Atomic uint64_t before; /* live bytes that an earlier user left */
};

#ifndef WR_MALLOC_SYSTEM

static wr_zone         zones[WR_ZONES_MAX];
static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t
arena_stat(const char *name, unsigned arena)
{
    size_t mib[8], depth = WR_COUNT(mib), value = 0, length = sizeof value;
    if (mallctlnametomib(name, mib, &depth) != 0)
        return 0;
    mib[2] = arena;
    return mallctlbymib(mib, depth, &value, &length, NULL, 0) == 0 ? value : 0;
}

/* Figures of the allocator are as of the last epoch. */
static void
figures_refresh(void)
{
    uint64_t epoch = 1;
    size_t   length = sizeof epoch;
    (void) mallctl("epoch", &epoch, &length, &epoch, length);
}

static uint64_t
arena_bytes(unsigned arena)
{
    return arena_stat("stats.arenas.0.small.allocated", arena) +
           arena_stat("stats.arenas.0.large.allocated", arena);
}

wr_zone *
wr_zone_acquire(void)
{
    wr_zone *z = NULL;
    pthread_mutex_lock(&zones_lock);
    for (int i = 0; i < WR_ZONES_MAX && z == NULL; i++)
        if (!atomic_load(&zones[i].used))
            z = &zones[i];
    if (z != NULL && !z->made) {
        size_t length = sizeof z->arena;
        z->made = mallctl("arenas.create", &z->arena, &length, NULL, 0) == 0;
        z = z->made ? z : NULL;
    }
    if (z != NULL) {
        figures_refresh();
        atomic_store(&z->before, arena_bytes(z->arena));
        atomic_store(&z->used, true);
    }
    pthread_mutex_unlock(&zones_lock);
    return z;
}

void
wr_zone_enter(const wr_zone *z)
{
    if (z == NULL)
        return;
    unsigned arena = z->arena;
    (void) mallctl("thread.arena", NULL, NULL, &arena, sizeof arena);
}

/* As of the last refresh. */
static uint64_t
zone_live(const wr_zone *z)
{
    uint64_t bytes = arena_bytes(z->arena), before = atomic_load(&z->before);
    return bytes > before ? bytes - before : 0;
}

uint64_t
wr_zone_bytes(const wr_zone *z)
{
    if (z == NULL)
        return 0;
    figures_refresh();
    return zone_live(z);
}

uint64_t
wr_zones_bytes(void)
{
    uint64_t sum = 0;
    figures_refresh();
    for (int i = 0; i < WR_ZONES_MAX; i++)
        if (atomic_load(&zones[i].used))
            sum += zone_live(&zones[i]);
    return sum;
}

void
wr_zone_release(wr_zone *z)
{
    if (z != NULL)
        atomic_store(&z->used, false);
}

static uint64_t
heap_stat(const char *name)
{
    size_t value = 0, length = sizeof value;
    return mallctl(name, &value, &length, NULL, 0) == 0 ? value : 0;
}

bool
wr_heap_look(wr_heap *out)
{
    figures_refresh();
    *out = (wr_heap){ .live = heap_stat("stats.allocated"),
                      .active = heap_stat("stats.active"),
                      .resident = heap_stat("stats.resident") };
    return out->resident > 0;
}

#else

wr_zone *
wr_zone_acquire(void)
{
    return NULL;
}

void
wr_zone_enter(const wr_zone *z)
{
    (void) z;
}

uint64_t
wr_zone_bytes(const wr_zone *z)
{
    (void) z;
    return 0;
}

uint64_t
wr_zones_bytes(void)
{
    return 0;
}

void
wr_zone_release(wr_zone *z)
{
    (void) z;
}

bool
wr_heap_look(wr_heap *out)
{
    *out = (wr_heap){ 0 };
    return false;
}

#endif
