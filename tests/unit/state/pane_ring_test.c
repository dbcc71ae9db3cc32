/* SPDX-License-Identifier: Apache-2.0 */
/* pane_ring_test.c -- P1, P2 of state/pane_ring.h. */
#include "support/test.h"

#include "base/random.h"
#include "state/pane_ring.h"

static void
panes_stay_sorted(void **state) /* P1 */
{
    (void) state;
    wr_type       type = WR_TYPE(WR_INT8);
    wr_key_layout layout;
    wr_pane_ring  ring;
    wr_random     random;
    wr_pane      *pane, *same;
    assert_int_equal(wr_key_layout_init(&layout, NULL, &type, 1, false, true), WEIR_OK);
    wr_pane_table specs[2] = { { &layout, 8 }, { &layout, 0 } };
    wr_pane_ring_init(&ring, NULL, specs, 2);
    wr_random_init(&random, 5);
    for (int i = 0; i < 2000; i++) {
        wr_time end = (wr_time) wr_random_below(&random, 300) + i / 10;
        wr_time after = wr_random_below(&random, 4) == 0 ? end - 3 : WR_TIME_START;
        assert_int_equal(wr_pane_ring_open(&ring, end - 10, end, after, &pane), WEIR_OK);
        assert_int_equal(wr_pane_ring_open(&ring, end - 10, end, after, &same), WEIR_OK);
        assert_ptr_equal(pane, same);
        assert_int_equal(pane->end, end);
        assert_int_equal(pane->open_after, after);
        uint32_t at = wr_pane_ring_seek(&ring, end, after);
        assert_ptr_equal(wr_pane_ring_at(&ring, at), pane);
        if (ring.count > 50)
            wr_pane_ring_drop(&ring, wr_random_below(&random, 2) == 0
                                         ? 0
                                         : (uint32_t) wr_random_below(&random, ring.count));
        for (uint32_t k = 1; k < ring.count; k++) {
            const wr_pane *a = wr_pane_ring_at(&ring, k - 1), *b = wr_pane_ring_at(&ring, k);
            assert_true(a->end < b->end || (a->end == b->end && a->open_after < b->open_after));
        }
    }
    assert_int_equal(wr_pane_ring_seek(&ring, WR_TIME_END, WR_TIME_START), ring.count);
    wr_pane_ring_fini(&ring);
    wr_key_layout_fini(&layout);
}

static void
dropped_panes_come_back_empty(void **state) /* P2 */
{
    (void) state;
    wr_type       type = WR_TYPE(WR_INT8);
    wr_key_layout layout;
    wr_pane_ring  ring;
    wr_row_keys   keys;
    wr_pane      *pane, *next;
    uint32_t      id;
    wr_value      value = { .type = type, .integer = 1 };
    assert_int_equal(wr_key_layout_init(&layout, NULL, &type, 1, false, true), WEIR_OK);
    wr_pane_table spec = { &layout, 8 };
    wr_pane_ring_init(&ring, NULL, &spec, 1);
    wr_row_keys_init(&keys, &layout, NULL);
    assert_int_equal(wr_pane_ring_open(&ring, 0, 10, WR_TIME_START, &pane), WEIR_OK);
    assert_int_equal(wr_row_keys_set(&keys, &value, 0), WEIR_OK);
    assert_int_equal(wr_group_table_find(&pane->tables[0], &keys, NULL, 1, &id, NULL, NULL),
                     WEIR_OK);
    pane->closed = true;
    wr_pane_ring_drop(&ring, 0);
    assert_int_equal(wr_pane_ring_open(&ring, 10, 20, WR_TIME_START, &next), WEIR_OK);
    assert_ptr_equal(next, pane);
    assert_false(next->closed);
    assert_int_equal(next->tables[0].live, 0);
    wr_group_table_peek(&next->tables[0], &keys, NULL, 1, &id);
    assert_true(id == UINT32_MAX);
    wr_row_keys_fini(&keys);
    wr_pane_ring_fini(&ring);
    wr_key_layout_fini(&layout);
}

WR_TESTS = { WR_TEST(panes_stay_sorted), WR_TEST(dropped_panes_come_back_empty), { NULL, NULL } };
