/* SPDX-License-Identifier: Apache-2.0 */
/* state/row_pool.c -- slabs of pieces of one size (see row_pool.h). */
#include "state/row_pool.h"

enum {
    STEP = 16,          /* sizes of pieces, their heads included, are multiples of it */
    PIECE_MAX = 1024,   /* larger ones are allocations of their own                   */
    SLAB_MAX = 1 << 16, /* bytes of pieces in a slab                                  */
    LARGE_FROM = 4 << 20, /* bytes in slabs from which on new ones are large pages    */
    LARGE_BYTES = WR_LARGE_PAGE - WR_LARGE_HEAD,
    SIZES = PIECE_MAX / STEP + 1,
    SIZE_OWN = SIZES, /* the place of pieces of wr_pool.own_bytes */
    PIECES_FIRST = 4,   /* of the first slab of a size                                */
    LINE = 64,
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
    uint32_t size;  /* its place in the pool's lists */
    bool is_large;
    uint32_t first; /* bytes from the slab to its first piece's head */
    size_t bytes;   /* all of it                                     */
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
    uint32_t own_bytes;         /* 0: none; their heads included */
    bool large;
    slab *some[SIZES + 1];      /* P2 */
    uint32_t pieces[SIZES + 1]; /* of the next slab */
    uint64_t bytes[SIZES + 1];  /* in slabs */
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

wr_pool *
wr_pool_create_for(wr_budget *budget, size_t piece_bytes, bool large)
{
    wr_pool *pool = wr_pool_create(budget);
    wr_assert(piece_bytes >= PIECE_MAX && piece_bytes < LARGE_BYTES / 8);
    if (pool == NULL)
        return NULL;
    pool->own_bytes = (uint32_t)((piece_bytes + sizeof(head) + 63) / 64 * 64);
    pool->large = large;
    return pool;
}

void
wr_pool_hold(wr_pool *pool)
{
    atomic_fetch_add_explicit(&pool->holds, 1, memory_order_relaxed);
}

static void
slab_free(slab *s)
{
    if (s->is_large)
        wr_free_large(s);
    else
        wr_free(s);
}

void
wr_pool_release(wr_pool *pool)
{
    if (pool == NULL || atomic_fetch_sub_explicit(&pool->holds, 1, memory_order_acq_rel) != 1)
        return;
    for (slab *s = pool->all, *next; s != NULL; s = next) { /* P4 */
        next = s->all_next;
        slab_free(s);
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
    return &s->pool->some[s->size];
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

/* Where the first head of a slab stands: pieces of a size of their own begin 8 bytes before a multiple of 64. */
static uint32_t
slab_first(const slab *s, uint32_t size)
{
    uint32_t first = sizeof *s;
    if (size == SIZE_OWN)
        first += (uint32_t)(LINE - sizeof(head) - 8 - ((uintptr_t)s + first)) % LINE;
    return first;
}

static slab *
slab_create(wr_pool *pool, uint32_t size, uint32_t piece_bytes)
{
    uint32_t *pieces = &pool->pieces[size];
    uint32_t count = WR_MAX(*pieces, (uint32_t)PIECES_FIRST);
    const size_t front = sizeof(slab) + (size == SIZE_OWN ? LINE : 0);
    size_t bytes = front + (size_t)count * piece_bytes;
    slab *s = NULL;
    bool is_large = false;
    if (pool->large && size == SIZE_OWN && pool->bytes[size] >= LARGE_FROM) {
        s = wr_alloc_large(pool->budget, LARGE_BYTES);
        is_large = s != NULL;
    }
    if (is_large) {
        bytes = LARGE_BYTES;
        count = (uint32_t)((bytes - front) / piece_bytes);
    } else {
        s = wr_alloc(pool->budget, bytes);
    }
    if (s == NULL) { /* so near the limit, a small one */
        count = PIECES_FIRST;
        bytes = front + (size_t)count * piece_bytes;
        s = wr_alloc(pool->budget, bytes);
    }
    if (s == NULL)
        return NULL;
    *s = (slab){ .pool = pool, .piece_bytes = piece_bytes, .count = count, .size = size };
    s->is_large = is_large;
    s->first = slab_first(s, size);
    s->bytes = bytes;
    pool->bytes[size] += bytes;
    *pieces = WR_MAX(WR_MIN(2 * count, (uint32_t)SLAB_MAX / piece_bytes), (uint32_t)PIECES_FIRST);
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
    s->pool->pieces[s->size] =
        WR_MAX(WR_MIN(s->count / 2, (uint32_t)SLAB_MAX / s->piece_bytes), (uint32_t)PIECES_FIRST);
    s->pool->bytes[s->size] -= s->bytes;
    slab_free(s);
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
    uint32_t size = (uint32_t)(bytes / STEP);
    if (bytes > PIECE_MAX) {
        if ((bytes + 63) / 64 * 64 != pool->own_bytes)
            return alone_create(pool, bytes);
        bytes = pool->own_bytes;
        size = SIZE_OWN;
    }
    slab *s = pool->some[size];
    if (s == NULL && (s = slab_create(pool, size, (uint32_t)bytes)) == NULL)
        return NULL;
    spare *piece = s->free;
    if (piece != NULL) {
        s->free = piece->next;
    } else {
        head *h = (head *)((char *)s + s->first + (size_t)s->fresh++ * s->piece_bytes);
        *h = (head){ .place = (uint64_t)((char *)h - (char *)s) };
        piece = (spare *)(h + 1);
    }
    s->live++;
    if (s->free == NULL && s->fresh == s->count)
        list_remove(s);
    return piece;
}
