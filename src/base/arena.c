/* SPDX-License-Identifier: Apache-2.0 */
/* base/arena.c -- bump allocation over a list of blocks (see arena.h). */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES_MIN = 1024, BLOCK_BYTES_MAX = 256 * 1024, ALIGN = 16 };

struct wr_arena_block {
    wr_arena_block *next;
    size_t          bytes; /* usable, after the struct */
};
_Static_assert(sizeof(wr_arena_block) % ALIGN == 0, "blocks start aligned");

void
wr_arena_init(wr_arena *arena, wr_budget *budget)
{
    memset(arena, 0, sizeof *arena);
    arena->budget = budget;
}

void
wr_arena_fini(wr_arena *arena)
{
    for (wr_arena_block *b = arena->head, *next; b != NULL; b = next) {
        next = b->next;
        wr_free(b);
    }
    wr_arena_init(arena, arena->budget);
}

static void
arena_enter(wr_arena *arena, wr_arena_block *b)
{
    arena->at = (char *) (b + 1);
    arena->end = arena->at + b->bytes;
}

void
wr_arena_reset(wr_arena *arena)
{
    wr_arena_block *keep = arena->head;
    arena->failed = false;
    if (keep == NULL)
        return;
    for (wr_arena_block *b = keep->next, *next; b != NULL; b = next) {
        next = b->next;
        arena->bytes -= b->bytes;
        wr_free(b);
    }
    keep->next = NULL;
    arena_enter(arena, keep); /* A2: the newest block is the largest of the doubling ones */
}

static bool
arena_grow(wr_arena *arena, size_t bytes)
{
    size_t want = arena->head != NULL ? WR_MIN(arena->head->bytes * 2, (size_t) BLOCK_BYTES_MAX)
                                      : BLOCK_BYTES_MIN;
    want = WR_MAX(want, bytes);
    wr_arena_block *b = wr_alloc(arena->budget, sizeof *b + want);
    if (b == NULL) {
        arena->failed = true;
        return false;
    }
    b->next = arena->head;
    b->bytes = want;
    arena->head = b;
    arena->bytes += want;
    arena_enter(arena, b);
    return true;
}

void *
wr_arena_alloc(wr_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    bytes = bytes == 0 ? ALIGN : (bytes + ALIGN - 1) & ~(size_t) (ALIGN - 1); /* NULL means no memory */
    if (WR_UNLIKELY((size_t) (arena->end - arena->at) < bytes) && !arena_grow(arena, bytes))
        return NULL;
    void *p = arena->at;
    arena->at += bytes;
    return p;
}

void *
wr_arena_calloc(wr_arena *arena, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        total = SIZE_MAX; /* refused */
    void *p = wr_arena_alloc(arena, total);
    return p != NULL ? memset(p, 0, total) : NULL;
}

char *
wr_arena_strndup(wr_arena *arena, const char *text, size_t length)
{
    char *copy = wr_arena_alloc(arena, length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *
wr_arena_strdup(wr_arena *arena, const char *text)
{
    return wr_arena_strndup(arena, text, strlen(text));
}

char *
wr_arena_printf(wr_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *out = wr_arena_alloc(arena, (size_t) length + 1);
    if (out != NULL)
        vsnprintf(out, (size_t) length + 1, format, again);
    va_end(again);
    return out;
}
