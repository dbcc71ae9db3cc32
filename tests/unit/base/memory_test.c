/* SPDX-License-Identifier: Apache-2.0 */
/* memory_test.c -- M1 and M2 of base/memory.h, and the arena on top. */
#include "support/test.h"

#include "base/arena.h"

static void
refused_request_charges_nothing(void **state) /* M2 */
{
    (void) state;
    wr_budget *user = wr_budget_create(NULL, "user", 1000);
    wr_budget *query = wr_budget_create(user, "query", 0);
    void      *a = wr_alloc(query, 600);
    assert_non_null(a);
    assert_null(wr_alloc(query, 600));
    assert_int_equal(wr_budget_used(query), 600);
    assert_int_equal(wr_budget_used(user), 600);
    a = wr_realloc(query, a, 900);
    assert_non_null(a);
    assert_null(wr_realloc(query, a, 1100));
    assert_int_equal(wr_budget_room(query), 100);
    wr_free(a);
    assert_int_equal(wr_budget_used(user), 0); /* M1 */
    assert_int_equal(wr_budget_peak(user), 900);
    wr_budget_destroy(query);
    wr_budget_destroy(user);
}

static void
arena_reset_keeps_one_block(void **state) /* A2 */
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    for (int i = 0; i < 1000; i++)
        assert_non_null(wr_arena_alloc(&arena, 100));
    wr_arena_reset(&arena);
    size_t kept = arena.bytes;
    assert_non_null(wr_arena_alloc(&arena, 100));
    assert_int_equal(arena.bytes, kept);
    assert_string_equal(wr_arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    wr_arena_fini(&arena);
}

static void
large_blocks_are_aligned_and_counted(void **state) /* M1, M2 */
{
    (void) state;
    wr_budget *b = wr_budget_create(NULL, "large", 3 << 20);
    char      *p = wr_alloc_large(b, WR_LARGE_PAGE - WR_LARGE_HEAD);
    assert_non_null(p);
    assert_int_equal((uintptr_t) p % WR_LARGE_PAGE, WR_LARGE_HEAD);
    memset(p, 1, WR_LARGE_PAGE - WR_LARGE_HEAD);
    assert_int_equal(wr_budget_used(b), WR_LARGE_PAGE - WR_LARGE_HEAD);
    assert_null(wr_alloc_large(b, WR_LARGE_PAGE));
    wr_free_large(p);
    wr_free_large(NULL);
    assert_int_equal(wr_budget_used(b), 0);
    wr_budget_destroy(b);
}

WR_TESTS = { WR_TEST(large_blocks_are_aligned_and_counted), WR_TEST(refused_request_charges_nothing), WR_TEST(arena_reset_keeps_one_block), { NULL, NULL } };
