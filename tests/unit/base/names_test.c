/* SPDX-License-Identifier: Apache-2.0 */
/* names_test.c -- K1 of base/names.h; growth; parts of strings. */
#include "support/test.h"

#include "base/names.h"

#include <stdio.h>

static void
names_are_found_and_others_not(void **state)
{
    enum { COUNT = 5000 };
    wr_arena arena;
    wr_names names;
    uint32_t at = 7;
    char     text[16];
    (void) state;
    wr_arena_init(&arena, NULL);
    wr_names_init(&names, &arena);
    assert_false(wr_names_find(&names, "v0", &at));
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(wr_names_add(&names, wr_arena_printf(&arena, "v%u", i), i), WEIR_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "v%u", i);
        assert_true(wr_names_find(&names, text, &at));
        assert_int_equal(at, i);
    }
    assert_false(wr_names_find(&names, "v5000", &at));
    assert_false(wr_names_find(&names, "v", &at));
    assert_false(wr_names_find(&names, "", &at));
    wr_arena_fini(&arena);
}

static void
the_first_number_stays(void **state) /* K1 */
{
    wr_arena arena;
    wr_names names;
    uint32_t at;
    (void) state;
    wr_arena_init(&arena, NULL);
    wr_names_init(&names, &arena);
    assert_int_equal(wr_names_add(&names, "a", 1), WEIR_OK);
    assert_int_equal(wr_names_add(&names, "", 2), WEIR_OK);
    assert_int_equal(wr_names_add(&names, "a", 3), WEIR_OK);
    assert_true(wr_names_find(&names, "a", &at));
    assert_int_equal(at, 1);
    assert_true(wr_names_find(&names, "", &at));
    assert_int_equal(at, 2);
    assert_int_equal(names.count, 2);
    wr_arena_fini(&arena);
}

static void
part_of_a_string(void **state)
{
    wr_arena arena;
    wr_names names;
    uint32_t at;
    (void) state;
    wr_arena_init(&arena, NULL);
    wr_names_init(&names, &arena);
    assert_int_equal(wr_names_add(&names, "bids", 4), WEIR_OK);
    assert_true(wr_names_find_bytes(&names, "bids.late", 4, &at));
    assert_int_equal(at, 4);
    assert_false(wr_names_find_bytes(&names, "bids.late", 3, &at));
    assert_false(wr_names_find_bytes(&names, "bids.late", 9, &at));
    wr_arena_fini(&arena);
}

WR_TESTS = {
    WR_TEST(names_are_found_and_others_not),
    WR_TEST(the_first_number_stays),
    WR_TEST(part_of_a_string),
    { NULL, NULL },
};
