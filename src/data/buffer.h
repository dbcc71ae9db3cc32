/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/buffer.h -- a refcounted block of bytes: what string views point into.
 *
 * Immutable once shared.  Threads: retain and release from any; the bytes are written by the one
 * holder before it shares.
 */
#pragma once

#include "base/memory.h"

typedef struct wr_buffer {
    _Atomic uint32_t refs;
    uint32_t         extendable; /* 1: made by wr_column_heap_alloc; a column that holds the only
                                    reference may write on after `length`                     */
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
