/* SPDX-License-Identifier: Apache-2.0 */
/* state/row_pool.c -- slabs of pieces of one size (see row_pool.h). */
#include "state/row_pool.h"

enum {
    STEP = 16,          /* sizes of pieces, their heads included, are multiples of it */
    PIECE_MAX = 1024,   /* larger ones are allocations of their own                   */
    SLAB_MAX = 1 << 16, /* bytes of pieces in a slab                                  */
    PIECES_FIRST = 4,   /* of the first slab of a size                                */
};

#define ALONE UINT64_MAX

/* What stands before a piece. */
typedef struct head {
    uint64_t place; /* bytes from its slab; ALONE: none */
} head;

/* A piece that is free, behind its head. */
typedef struct spare {
    struct spare *next;
} spare;

typedef struct slab {
    wr_pool *pool;
    struct slab *next, *before;         /* of its size: those with a free piece  */
    struct slab *all_next, *all_before; /* of the pool                           */
    spare *free;                        /* freed; those from `fresh` on never were used */
    uint32_t piece_bytes, live, fresh, count;
} slab;

/* An allocation of its own. */
typedef struct alone {
    wr_pool *pool;
    struct alone *next, *before;
    head head;
} alone;

struct wr_pool {
    wr_budget *budget;
    _Atomic uint32_t holds;
    _Atomic(spare *) elsewhere;
    slab *some[PIECE_MAX / STEP + 1];      /* P2 */
    uint32_t pieces[PIECE_MAX / STEP + 1]; /* of the next slab */
    slab *all;
    alone *alones;
};

wr_pool *
wr_pool_create(wr_budget *budget)
{
    wr_pool *pool = wr_calloc(budget, 1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->budget = budget;
    atomic_init(&pool->holds, 1);
    return pool;
}

void
wr_pool_hold(wr_pool *pool)
{
    atomic_fetch_add_explicit(&pool->holds, 1, memory_order_relaxed);
}

void
wr_pool_release(wr_pool *pool)
{
    if (pool == NULL || atomic_fetch_sub_explicit(&pool->holds, 1, memory_order_acq_rel) != 1)
        return;
    for (slab *s = pool->all, *next; s != NULL; s = next) { /* P4 */
        next = s->all_next;
        wr_free(s);
    }
    for (alone *a = pool->alones, *next; a != NULL; a = next) {
        next = a->next;
        wr_free(a);
    }
    wr_free(pool);
}

/* --- slabs --- */

static slab **
list_of(slab *s)
{
    return &s->pool->some[s->piece_bytes / STEP];
}

static void
list_add(slab *s)
{
    slab **list = list_of(s);
    s->before = NULL;
    s->next = *list;
    if (*list != NULL)
        (*list)->before = s;
    *list = s;
}

static void
list_remove(slab *s)
{
    if (s->before != NULL)
        s->before->next = s->next;
    else
        *list_of(s) = s->next;
    if (s->next != NULL)
        s->next->before = s->before;
}

static slab *
slab_create(wr_pool *pool, uint32_t piece_bytes)
{
    uint32_t *pieces = &pool->pieces[piece_bytes / STEP];
    uint32_t count = *pieces == 0 ? PIECES_FIRST : *pieces;
    slab *s = wr_alloc(pool->budget, sizeof *s + (size_t)count * piece_bytes);
    if (s == NULL) { /* so near the limit, a small one */
        count = PIECES_FIRST;
        s = wr_alloc(pool->budget, sizeof *s + (size_t)count * piece_bytes);
    }
    if (s == NULL)
        return NULL;
    *s = (slab){ .pool = pool, .piece_bytes = piece_bytes, .count = count };
    *pieces = WR_MIN(2 * count, (uint32_t)SLAB_MAX / piece_bytes);
    s->all_next = pool->all;
    if (pool->all != NULL)
        pool->all->all_before = s;
    pool->all = s;
    list_add(s);
    return s;
}

static void
slab_destroy(slab *s)
{
    list_remove(s);
    if (s->all_before != NULL)
        s->all_before->all_next = s->all_next;
    else
        s->pool->all = s->all_next;
    if (s->all_next != NULL)
        s->all_next->all_before = s->all_before;
    s->pool->pieces[s->piece_bytes / STEP] = WR_MAX(s->count / 2, (uint32_t)PIECES_FIRST);
    wr_free(s);
}

/* --- pieces --- */

static void *
alone_create(wr_pool *pool, size_t bytes)
{
    alone *a = wr_alloc(pool->budget, sizeof *a + bytes);
    if (a == NULL)
        return NULL;
    *a = (alone){ .pool = pool, .next = pool->alones, .head = { .place = ALONE } };
    if (pool->alones != NULL)
        pool->alones->before = a;
    pool->alones = a;
    return a + 1;
}

static void
alone_destroy(alone *a)
{
    if (a->before != NULL)
        a->before->next = a->next;
    else
        a->pool->alones = a->next;
    if (a->next != NULL)
        a->next->before = a->before;
    wr_free(a);
}

static slab *
slab_of(void *piece)
{
    head *h = (head *)piece - 1;
    return (slab *)((char *)h - h->place);
}

void
wr_pool_free(void *piece)
{
    if (((head *)piece - 1)->place == ALONE) {
        alone_destroy((alone *)piece - 1);
        return;
    }
    slab *s = slab_of(piece);
    spare *free = piece;
    wr_assert(s->live > 0);
    if (s->free == NULL && s->fresh == s->count)
        list_add(s); /* P2 */
    free->next = s->free;
    s->free = free;
    if (--s->live == 0)
        slab_destroy(s);
}

void
wr_pool_free_elsewhere(void *piece)
{
    bool large = ((head *)piece - 1)->place == ALONE;
    wr_pool *pool = large ? ((alone *)piece - 1)->pool : slab_of(piece)->pool;
    spare *free = piece;
    free->next = atomic_load_explicit(&pool->elsewhere, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&pool->elsewhere, &free->next, free,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

/* P3 */
static void
pieces_back(wr_pool *pool)
{
    if (atomic_load_explicit(&pool->elsewhere, memory_order_relaxed) == NULL)
        return;
    spare *back = atomic_exchange_explicit(&pool->elsewhere, NULL, memory_order_acquire);
    while (back != NULL) {
        spare *next = back->next;
        wr_pool_free(back);
        back = next;
    }
}

void *
wr_pool_alloc(wr_pool *pool, size_t bytes)
{
    pieces_back(pool);
    bytes = WR_MAX(bytes, sizeof(spare)) + sizeof(head);
    bytes = (bytes + STEP - 1) / STEP * STEP;
    if (bytes > PIECE_MAX)
        return alone_create(pool, bytes);
    slab *s = pool->some[bytes / STEP];
    if (s == NULL && (s = slab_create(pool, (uint32_t)bytes)) == NULL)
        return NULL;
    spare *piece = s->free;
    if (piece != NULL) {
        s->free = piece->next;
    } else {
        head *h = (head *)((char *)(s + 1) + (size_t)s->fresh++ * s->piece_bytes);
        *h = (head){ .place = (uint64_t)((char *)h - (char *)s) };
        piece = (spare *)(h + 1);
    }
    s->live++;
    if (s->free == NULL && s->fresh == s->count)
        list_remove(s);
    return piece;
}
