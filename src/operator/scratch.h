/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/scratch.h -- who of a worker's operators keeps room for the batch under way.
 *
 * An operator with state lays a batch out in a few hundred kilobytes before it touches its tables.  One
 * that sees batches all the time keeps that room; of ten thousand that see one now and then, each would
 * keep it for nothing.  So a worker lets a few keep it: who makes room joins the list, and the one
 * that has been on it longest, if no batch of its own is half done, gives its room up.  The same
 * goes for the step arena of an operator's expressions, once it is large.
 *
 * Place       one list a worker, used by its thread alone; operators reach it through their wr_ctx.
 * Invariants  W1  at most WR_SCRATCH_KEPT rooms of a worker are kept between two calls, besides those
 *                 that have a batch half done
 */
#pragma once

#include "base/status.h"

enum { WR_SCRATCH_KEPT = 32 };

typedef struct wr_scratch_owner {
    void *self;
    bool (*drop)(void *self); /* false: in use.  Does not call the list. */
} wr_scratch_owner;

typedef struct wr_scratch_list {
    wr_scratch_owner owners[WR_SCRATCH_KEPT];
    uint32_t         count, next; /* next: to be asked to give up */
} wr_scratch_list;

/* list NULL (an operator alone, in tests): nothing. */
static inline void
wr_scratch_made(wr_scratch_list *list, void *self, bool (*drop)(void *self))
{
    if (list == NULL)
        return;
    if (list->count < WR_SCRATCH_KEPT) {
        list->owners[list->count++] = (wr_scratch_owner){ self, drop };
        return;
    }
    for (uint32_t i = 0; i < WR_SCRATCH_KEPT; i++) {
        wr_scratch_owner *o = &list->owners[list->next];
        list->next = (list->next + 1) % WR_SCRATCH_KEPT;
        if (o->drop(o->self)) {
            *o = (wr_scratch_owner){ self, drop };
            return;
        }
    }
}

/* Memory is short: all that can be given up. */
static inline void
wr_scratch_drop(wr_scratch_list *list)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++)
        if (!list->owners[i].drop(list->owners[i].self))
            list->owners[kept++] = list->owners[i];
    list->count = kept;
    list->next = 0;
}

/* Its scratch is gone, or about to go with it. */
static inline void
wr_scratch_gone(wr_scratch_list *list, const void *self)
{
    for (uint32_t i = 0; list != NULL && i < list->count; i++)
        if (list->owners[i].self == self) {
            list->owners[i] = list->owners[--list->count];
            list->next = 0;
            return;
        }
}
