/* SPDX-License-Identifier: Apache-2.0 */
/* row_pool_test.c -- P1..P4 of state/row_pool.h. */
#include "support/test.h"

#include "base/random.h"
#include "state/row_pool.h"

#include <string.h>

enum { PIECES = 2000, STEPS = 60000 };

typedef struct piece {
    unsigned char *bytes;
    size_t length;
    unsigned char fill;
} piece;

static void
piece_check(const piece *p)
{
    for (size_t i = 0; i < p->length; i++)
        assert_int_equal(p->bytes[i], p->fill);
}

static void
pieces_come_and_go(void **state) /* P1..P3 */
{
    static piece pieces[PIECES];
    wr_budget *budget = wr_budget_create(NULL, "pool", 0);
    wr_pool *pool = wr_pool_create(budget);
    wr_random random;
    (void)state;
    wr_random_init(&random, 7);
    memset(pieces, 0, sizeof pieces);
    uint64_t empty = wr_budget_used(budget);
    for (int step = 0; step < STEPS; step++) {
        piece *p = &pieces[wr_random_below(&random, PIECES)];
        if (p->bytes == NULL) {
            size_t max = wr_random_below(&random, 20) == 0 ? 5000 : 300;
            p->length = wr_random_below(&random, max);
            p->fill = (unsigned char)step;
            p->bytes = wr_pool_alloc(pool, p->length);
            assert_non_null(p->bytes);
            assert_int_equal((uintptr_t)p->bytes % 8, 0);
            memset(p->bytes, p->fill, p->length);
            continue;
        }
        piece_check(p);
        if (wr_random_below(&random, 4) == 0)
            wr_pool_free_elsewhere(p->bytes);
        else
            wr_pool_free(p->bytes);
        p->bytes = NULL;
    }
    for (int i = 0; i < PIECES; i++) {
        if (pieces[i].bytes == NULL)
            continue;
        piece_check(&pieces[i]);
        wr_pool_free(pieces[i].bytes);
    }
    wr_pool_free(wr_pool_alloc(pool, 8)); /* takes back what was freed elsewhere */
    assert_int_equal(wr_budget_used(budget), empty);
    wr_pool_release(pool);
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

static void
the_last_holder_frees_all(void **state) /* P4 */
{
    wr_budget *budget = wr_budget_create(NULL, "pool", 0);
    wr_pool *pool = wr_pool_create(budget);
    (void)state;
    char *small = wr_pool_alloc(pool, 10), *large = wr_pool_alloc(pool, 9000);
    memcpy(small, "123456789", 10);
    memset(large, 'x', 9000);
    wr_pool_hold(pool);
    wr_pool_release(pool);
    assert_string_equal(small, "123456789");
    wr_pool_free_elsewhere(large);
    wr_pool_release(pool);
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

static void
too_little_memory_is_told(void **state)
{
    wr_budget *budget = wr_budget_create(NULL, "pool", 40000);
    wr_pool *pool = wr_pool_create(budget);
    void *last = NULL, *next;
    int count = 0;
    (void)state;
    while ((next = wr_pool_alloc(pool, 100)) != NULL) {
        last = next;
        count++;
    }
    assert_true(count > 100);
    assert_null(wr_pool_alloc(pool, 40000));
    wr_pool_free(last);
    assert_non_null(wr_pool_alloc(pool, 100));
    wr_pool_release(pool);
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

/* Slabs of their own size, which become large pages. */
static void
pieces_of_kilobytes(void **state)
{
    enum { LENGTH = 16000, COUNT = 1000 };
    static char *pieces[COUNT];
    wr_budget *budget = wr_budget_create(NULL, "pool", 0);
    wr_pool *pool = wr_pool_create_for(budget, LENGTH, true);
    uint32_t aligned = 0;
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            pieces[i] = wr_pool_alloc(pool, LENGTH);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 8);
            aligned += (uintptr_t)pieces[i] % 64 == 56;
            memset(pieces[i], i & 0x7f, LENGTH);
        }
        assert_true(wr_budget_used(budget) < (uint64_t)COUNT * LENGTH * 5 / 4);
        for (int i = 0; i < COUNT; i++) {
            for (int at = 0; at < LENGTH; at += 100)
                assert_int_equal(pieces[i][at], i & 0x7f);
            if (i % 3 == 0)
                wr_pool_free_elsewhere(pieces[i]);
            else
                wr_pool_free(pieces[i]);
        }
    }
    assert_true(aligned >= COUNT);
    wr_pool_release(pool);
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

WR_TESTS = {
    WR_TEST(pieces_of_kilobytes),
    WR_TEST(pieces_come_and_go),
    WR_TEST(the_last_holder_frees_all),
    WR_TEST(too_little_memory_is_told),
    { NULL, NULL },
};
