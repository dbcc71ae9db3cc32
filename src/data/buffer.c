/* SPDX-License-Identifier: Apache-2.0 */
/* data/buffer.c -- refcounted bytes (see buffer.h). */
#include "data/buffer.h"

wr_buffer *
wr_buffer_create(wr_budget *budget, size_t capacity)
{
    if (capacity > SIZE_MAX / 2)
        return NULL;
    wr_buffer *b = wr_alloc(budget, sizeof *b + capacity);
    if (b == NULL)
        return NULL;
    atomic_init(&b->refs, 1);
    b->kind = WR_BUFFER_INPUT;
    b->capacity = capacity;
    b->length = 0;
    return b;
}

void
wr_buffer_release(wr_buffer *buffer)
{
    if (buffer == NULL)
        return;
    uint32_t was = atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel);
    wr_assert(was > 0);
    if (was == 1)
        wr_free(buffer);
}
