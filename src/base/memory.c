/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/memory.c -- the counting wrapper (see memory.h).
 *
 * Each block carries {budget, bytes} before it.  Charging walks the path upward with fetch_add and
 * steps back on the first budget that would pass its limit, so a refused request leaves no trace.
 */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef WR_MALLOC_SYSTEM
#define raw_malloc  malloc
#define raw_calloc  calloc
#define raw_realloc realloc
#define raw_free    free
#define raw_memalign posix_memalign
#else
#include <jemalloc/jemalloc.h>
#define raw_malloc  malloc
#define raw_calloc  calloc
#define raw_realloc realloc
#define raw_free    free
#define raw_memalign posix_memalign
/* Keep pages: a first touch costs 1.5 us in a VM, and one background thread is one too many. */
const char *malloc_conf = "narenas:4,dirty_decay_ms:10000,muzzy_decay_ms:0,metadata_thp:disabled";
#endif

struct wr_budget {
    wr_budget       *parent;
    _Atomic uint64_t used, peak, limit;
    char             name[48];
};

typedef struct header {
    wr_budget *budget;
    size_t     bytes;
} header;
_Static_assert(sizeof(header) == 16, "blocks stay 16-byte aligned");

static wr_budget process_budget = { .name = "process" };

wr_budget *
wr_budget_process(void)
{
    return &process_budget;
}

wr_budget *
wr_budget_create(wr_budget *parent, const char *name, uint64_t limit_bytes)
{
    wr_budget *b = raw_calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->parent = parent != NULL ? parent : &process_budget;
    atomic_init(&b->limit, limit_bytes);
    snprintf(b->name, sizeof b->name, "%s", name);
    return b;
}

void
wr_budget_destroy(wr_budget *budget)
{
    if (budget == NULL)
        return;
    wr_assert(budget != &process_budget);
    wr_assert(atomic_load(&budget->used) == 0); /* M3 */
    raw_free(budget);
}

void
wr_budget_set_limit(wr_budget *budget, uint64_t limit_bytes)
{
    atomic_store(&budget->limit, limit_bytes);
}

uint64_t
wr_budget_limit(const wr_budget *budget)
{
    return atomic_load(&budget->limit);
}

uint64_t
wr_budget_used(const wr_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

uint64_t
wr_budget_peak(const wr_budget *budget)
{
    return atomic_load_explicit(&budget->peak, memory_order_relaxed);
}

const char *
wr_budget_name(const wr_budget *budget)
{
    return budget->name;
}

uint64_t
wr_budget_room(const wr_budget *budget)
{
    uint64_t room = UINT64_MAX;
    for (const wr_budget *b = budget; b != NULL; b = b->parent) {
        uint64_t limit = atomic_load_explicit(&b->limit, memory_order_relaxed);
        uint64_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
        if (limit != 0)
            room = WR_MIN(room, limit > used ? limit - used : 0);
    }
    return room;
}

const wr_budget *
wr_budget_tightest(const wr_budget *budget)
{
    const wr_budget *tightest = NULL;
    uint64_t         room = UINT64_MAX;
    for (const wr_budget *b = budget; b != NULL; b = b->parent) {
        uint64_t limit = atomic_load_explicit(&b->limit, memory_order_relaxed);
        uint64_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
        uint64_t left = limit > used ? limit - used : 0;
        if (limit != 0 && left < room) {
            room = left;
            tightest = b;
        }
    }
    return tightest;
}

bool
wr_budget_charge(wr_budget *budget, uint64_t bytes)
{
    if (budget == NULL)
        budget = &process_budget;
    for (wr_budget *b = budget; b != NULL; b = b->parent) {
        uint64_t now =
            atomic_fetch_add_explicit(&b->used, bytes, memory_order_relaxed) + bytes;
        uint64_t limit = atomic_load_explicit(&b->limit, memory_order_relaxed);
        if (WR_UNLIKELY(limit != 0 && now > limit)) {
            for (wr_budget *undo = budget;; undo = undo->parent) {
                atomic_fetch_sub_explicit(&undo->used, bytes, memory_order_relaxed);
                if (undo == b)
                    return false; /* M2 */
            }
        }
        uint64_t peak = atomic_load_explicit(&b->peak, memory_order_relaxed);
        if (now > peak) /* a lost race understates the peak by one allocation */
            atomic_store_explicit(&b->peak, now, memory_order_relaxed);
    }
    return true;
}

void
wr_budget_discharge(wr_budget *budget, uint64_t bytes)
{
    if (budget == NULL)
        budget = &process_budget;
    for (wr_budget *b = budget; b != NULL; b = b->parent) {
        uint64_t was = atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
        wr_assert(was >= bytes);
    }
}

static inline void *
block_finish(header *h, wr_budget *budget, size_t bytes)
{
    h->budget = budget;
    h->bytes = bytes;
    return h + 1;
}

static void *
block_create(wr_budget *budget, size_t bytes, bool zero)
{
    if (budget == NULL)
        budget = &process_budget;
    if (bytes > SIZE_MAX / 2 || !wr_budget_charge(budget, bytes))
        return NULL;
    header *h = zero ? raw_calloc(1, sizeof *h + bytes) : raw_malloc(sizeof *h + bytes);
    if (h == NULL) {
        wr_budget_discharge(budget, bytes);
        return NULL;
    }
    return block_finish(h, budget, bytes);
}

void *
wr_alloc(wr_budget *budget, size_t bytes)
{
    return block_create(budget, bytes, false);
}

void *
wr_calloc(wr_budget *budget, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return block_create(budget, total, true);
}

void *
wr_realloc(wr_budget *budget, void *ptr, size_t bytes)
{
    if (ptr == NULL)
        return wr_alloc(budget, bytes);
    header *h = (header *) ptr - 1;
    size_t  was = h->bytes;
    budget = h->budget;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    if (bytes > was && !wr_budget_charge(budget, bytes - was))
        return NULL;
    header *moved = raw_realloc(h, sizeof *h + bytes);
    if (moved == NULL) {
        if (bytes > was)
            wr_budget_discharge(budget, bytes - was);
        return NULL;
    }
    if (bytes < was)
        wr_budget_discharge(budget, was - bytes);
    return block_finish(moved, budget, bytes);
}

void
wr_free(void *ptr)
{
    if (ptr == NULL)
        return;
    header *h = (header *) ptr - 1;
    wr_budget_discharge(h->budget, h->bytes);
    raw_free(h);
}

char *
wr_strndup(wr_budget *budget, const char *text, size_t length)
{
    char *copy = wr_alloc(budget, length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *
wr_strdup(wr_budget *budget, const char *text)
{
    return wr_strndup(budget, text, strlen(text));
}

void
wr_memory_is_dense(void *ptr, size_t bytes)
{
    const uintptr_t large = WR_LARGE_PAGE;
    uintptr_t       from = ((uintptr_t) ptr + large - 1) & ~(large - 1);
    uintptr_t       until = ((uintptr_t) ptr + bytes) & ~(large - 1);
    if (from < until) /* advice: where the system has none to give nothing changes */
        (void) madvise((void *) from, until - from, MADV_HUGEPAGE);
}

void *
wr_alloc_large(wr_budget *budget, size_t bytes)
{
    void *base;
    if (budget == NULL)
        budget = &process_budget;
    if (bytes > SIZE_MAX / 2 || !wr_budget_charge(budget, bytes))
        return NULL;
    if (raw_memalign(&base, WR_LARGE_PAGE, WR_LARGE_HEAD + bytes) != 0) {
        wr_budget_discharge(budget, bytes);
        return NULL;
    }
    wr_memory_is_dense(base, WR_LARGE_HEAD + bytes);
    return block_finish((header *) (void *) ((char *) base + WR_LARGE_HEAD) - 1, budget, bytes);
}

void
wr_free_large(void *ptr)
{
    if (ptr == NULL)
        return;
    header *h = (header *) ptr - 1;
    wr_budget_discharge(h->budget, h->bytes);
    raw_free((char *) ptr - WR_LARGE_HEAD);
}
