/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/zone.h -- what a library's own threads allocate, counted apart.
 *
 * A library that starts threads of its own (librdkafka) allocates without asking us.  Each of its clients gets a zone:
 * its threads enter it as they start and allocate there from then on; live bytes are read from the allocator,
 * whoever frees them.
 *
 * Place       connectors; zone.c and memory.c are the files that know jemalloc.
 * State       up to WR_ZONES_MAX arenas of the allocator, made when first wanted and used again.
 * Cost        nothing an allocation; about 15 us a reading; some 100 KB an arena.
 * Without jemalloc there are no zones: acquire gives NULL, and NULL has no bytes; nor is the heap known.
 */
#pragma once

#include "base/status.h"

enum { WR_ZONES_MAX = 128 };

typedef struct wr_zone wr_zone;

wr_zone *wr_zone_acquire(void);           /* NULL: none is to be had */
void     wr_zone_enter(const wr_zone *z); /* the calling thread; NULL allowed */
uint64_t wr_zone_bytes(const wr_zone *z); /* live, as of now; any thread      */
uint64_t wr_zones_bytes(void);            /* of all zones in use              */
/* Its threads have ended.  What is still live there stays good, and is not counted to the next. */
void     wr_zone_release(wr_zone *z);

/* The heap of the whole process: blocks in use, the pages these lie in, and all that the allocator keeps resident (pages that
 * were freed within the last seconds, and its own). */
typedef struct wr_heap {
    uint64_t live, active, resident;
} wr_heap;

/* As of now; any thread.  False: it cannot be known. */
bool wr_heap_look(wr_heap *out);
