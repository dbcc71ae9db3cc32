/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/buffer.h -- a refcounted block of bytes: what string views point into.
 *
 * Immutable once shared.  Threads: retain and release from any; the bytes are written by the one
 * holder before it shares.
 */
#pragma once

#include "base/memory.h"

typedef enum wr_buffer_kind {
    WR_BUFFER_INPUT, /* what a source read: not to be kept alive for a row or two              */
    WR_BUFFER_HEAP,  /* made by wr_column_heap_alloc; the column with the only reference may
                        write on after `length`                                                */
    WR_BUFFER_POOL,  /* lives long anyway: pointing into it costs nothing                      */
} wr_buffer_kind;

typedef struct wr_buffer {
    _Atomic uint32_t refs;
    uint32_t         kind; /* wr_buffer_kind; INPUT unless its maker says otherwise */
    size_t           capacity, length;
    char             bytes[];
} wr_buffer;

wr_buffer *wr_buffer_create(wr_budget *budget, size_t capacity); /* owned, refs 1; NULL: no memory */
static inline wr_buffer *
wr_buffer_retain(wr_buffer *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}
void wr_buffer_release(wr_buffer *buffer); /* NULL is allowed */
