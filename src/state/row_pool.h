/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/row_pool.h -- memory for very many small things of one owner.
 *
 * A piece costs no charge of its own: the budget is charged by the slab.  Slabs of one size of piece
 * begin small and double; one whose pieces are all free goes back.
 * Invariants  P1  a piece is in exactly one slab, or (too large) an allocation of its own
 *             P2  a slab with a free piece is in the list of its size, and no other is
 *             P3  pieces freed elsewhere come back through `elsewhere` alone
 *             P4  when the last of owner and holders lets go, all pieces are gone
 * Threads: one; wr_pool_free_elsewhere, hold and release: any.
 */
#pragma once

#include "base/memory.h"

#include <stdatomic.h>

typedef struct wr_pool wr_pool;

/* Returns owned (one hold); NULL: no memory. */
wr_pool *wr_pool_create(wr_budget *budget);
/* The same; pieces of piece_bytes, of a kilobyte and more, have slabs too, and begin 8 bytes before a multiple of 64.
 * large: behind some megabytes slabs are large pages.  That is for what is looked at in no order; what is written once
 * and seldom read again is quicker on small ones, which the system clears when they are about to be written. */
wr_pool *wr_pool_create_for(wr_budget *budget, size_t piece_bytes, bool large);
void wr_pool_hold(wr_pool *pool);
void wr_pool_release(wr_pool *pool); /* NULL is allowed */
/* 8-byte aligned, not zeroed; NULL: no memory. */
void *wr_pool_alloc(wr_pool *pool, size_t bytes);
/* By the owner, and by anybody else. */
void wr_pool_free(void *piece);
void wr_pool_free_elsewhere(void *piece);
