/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/arena.h -- memory with one lifetime: bump allocation, freed all at once.
 *
 * State       a list of blocks from a budget, doubling from 1 KB to 256 KB; nothing is allocated
 *             before the first use, so an idle arena costs its struct.
 * Invariants  A1  what wr_arena_alloc returned stays put until reset or fini
 *             A2  reset keeps one block, so a step arena stops allocating in steady state
 * Threads: one at a time.
 */
#pragma once

#include "base/memory.h"

typedef struct wr_arena_block wr_arena_block;

typedef struct wr_arena {
    wr_budget      *budget; /* borrowed; NULL is the process's */
    wr_arena_block *head;
    char           *at, *end;
    size_t          bytes;  /* held in blocks */
    bool            failed; /* an allocation was refused since init or reset */
} wr_arena;

void  wr_arena_init(wr_arena *arena, wr_budget *budget);
void  wr_arena_fini(wr_arena *arena);
void  wr_arena_reset(wr_arena *arena);
/* 16-byte aligned; NULL when the budget is used up. */
void *wr_arena_alloc(wr_arena *arena, size_t bytes);
void *wr_arena_calloc(wr_arena *arena, size_t count, size_t bytes);
char *wr_arena_strndup(wr_arena *arena, const char *text, size_t length); /* adds a NUL */
char *wr_arena_strdup(wr_arena *arena, const char *text);
char *wr_arena_printf(wr_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* No allocation has been refused: whoever builds something large asks once, at the end, too. */
static inline bool
wr_arena_ok(const wr_arena *arena)
{
    return !arena->failed;
}
