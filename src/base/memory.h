/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/memory.h -- counted memory: every byte has an owner.
 *
 * Place       the one caller of the allocator (jemalloc, or libc under WR_MALLOC_SYSTEM).
 * State       a budget is a node of a tree (process -> user -> query -> pool); an allocation charges
 *             its budget and every ancestor with relaxed atomics.
 * Invariants  M1  used(budget) == sum of its live allocations and of its children's used
 *             M2  an allocation that would take any budget of the path over its limit returns NULL
 *                 and charges nothing
 *             M3  a budget is destroyed only when used == 0
 * Cost        a 16-byte header an allocation; about 3 ns over the allocator.
 *
 * Threads: any function from any thread; budgets outlive what they count.
 */
#pragma once

#include "base/status.h"

#include <stdatomic.h>

typedef struct wr_budget wr_budget;

/* The process's own budget: the root of the tree.  Limit 0 means none. */
wr_budget *wr_budget_process(void);
/* Create a child.  Returns owned; NULL when memory is out.  Borrows parent (outlives it), name is copied. */
wr_budget *wr_budget_create(wr_budget *parent, const char *name, uint64_t limit_bytes);
void       wr_budget_destroy(wr_budget *budget);
void       wr_budget_set_limit(wr_budget *budget, uint64_t limit_bytes);
uint64_t   wr_budget_limit(const wr_budget *budget);
uint64_t   wr_budget_used(const wr_budget *budget);
uint64_t   wr_budget_peak(const wr_budget *budget);
const char *wr_budget_name(const wr_budget *budget);
/* Bytes that can still be charged before the tightest limit of the path. */
uint64_t   wr_budget_room(const wr_budget *budget);
/* The budget of the path whose limit that is; NULL: none has a limit. */
const wr_budget *wr_budget_tightest(const wr_budget *budget);
/* Charge or return bytes held by a library outside wr_alloc (say librdkafka's queues). */
bool       wr_budget_charge(wr_budget *budget, uint64_t bytes);
void       wr_budget_discharge(wr_budget *budget, uint64_t bytes);

/* budget NULL means the process budget.  All return NULL when over a limit or out of memory;
 * the result is 16-byte aligned.  wr_calloc zeroes.  bytes may be 0 (returns a valid pointer). */
void *wr_alloc(wr_budget *budget, size_t bytes) __attribute__((malloc, alloc_size(2)));
void *wr_calloc(wr_budget *budget, size_t count, size_t bytes) __attribute__((malloc));
/* Keeps the budget that ptr was charged to; ptr NULL allocates from budget. */
void *wr_realloc(wr_budget *budget, void *ptr, size_t bytes) __attribute__((warn_unused_result));
void  wr_free(void *ptr); /* NULL is allowed */
/* All of the block will be used soon and at random places: large pages spare faults and misses. */
void  wr_memory_is_dense(void *ptr, size_t bytes);
/* For megabytes used at random places: on large pages, 64 bytes behind the beginning of one.  Freed by
 * wr_free_large alone. */
void *wr_alloc_large(wr_budget *budget, size_t bytes) __attribute__((malloc, alloc_size(2)));
void  wr_free_large(void *ptr); /* NULL is allowed */
enum { WR_LARGE_PAGE = 2 << 20, WR_LARGE_HEAD = 64 }; /* WR_LARGE_PAGE - WR_LARGE_HEAD bytes fill one */
char *wr_strdup(wr_budget *budget, const char *text);
char *wr_strndup(wr_budget *budget, const char *text, size_t length);
