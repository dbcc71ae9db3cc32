/* SPDX-License-Identifier: Apache-2.0 */
/* value_set_test.c -- V1, V2 of state/value_set.h. */
#include "support/test.h"

#include "base/random.h"
#include "state/value_set.h"

#include <string.h>

enum { OWNERS = 60, VALUES = 500, ROWS = 700, STEPS = 300 };

static uint8_t model[OWNERS][VALUES];

/* Of the entries of a view as many as the model has, each with its marks. */
static void
view_check(const wr_value_view *view, uint8_t (*expected)[VALUES])
{
    uint32_t present = 0;
    for (int o = 0; o < OWNERS; o++)
        for (int v = 0; v < VALUES; v++)
            present += expected[o][v] != 0;
    assert_int_equal(view->count, present);
    for (uint32_t i = 0; i < view->count; i++) {
        const wr_value_entry *e = wr_value_view_entry(view, i);
        assert_int_equal(e->marks, expected[e->owner][e->value]);
    }
}

static void
marks_are_only_added(void **state) /* V1, V2 */
{
    static uint8_t frozen[OWNERS][VALUES], marks[ROWS], gained[ROWS];
    static uint64_t values[ROWS];
    static uint32_t owners[ROWS];
    wr_budget *budget = wr_budget_create(NULL, "values", 0);
    wr_value_set set;
    wr_value_view view = { 0 };
    wr_random random;
    bool held = false;
    (void)state;
    wr_random_init(&random, 5);
    wr_value_set_init(&set, budget);
    for (int round = 0; round < 3; round++) {
        memset(model, 0, sizeof model);
        for (int step = 0; step < STEPS; step++) {
            uint32_t count = (uint32_t)wr_random_below(&random, ROWS);
            for (uint32_t i = 0; i < count; i++) {
                owners[i] = (uint32_t)wr_random_below(&random, OWNERS);
                values[i] = wr_random_below(&random, VALUES);
                marks[i] = (uint8_t)(1 + wr_random_below(&random, 255));
            }
            assert_int_equal(wr_value_set_add(&set, values, owners, marks, count, gained), WEIR_OK);
            for (uint32_t i = 0; i < count; i++) {
                uint8_t *there = &model[owners[i]][values[i]];
                assert_int_equal(gained[i], marks[i] & ~*there);
                *there |= marks[i];
            }
            if (step % 20 == 7) {
                if (held) {
                    view_check(&view, frozen);
                    wr_value_view_release(&view);
                }
                held = wr_value_set_freeze(&set, &view) == WEIR_OK;
                assert_true(held);
                memcpy(frozen, model, sizeof model);
            }
        }
        wr_value_set_reset(&set);
        assert_int_equal(set.count, 0);
    }
    assert_true(wr_value_set_bytes(&set) > 0);
    wr_value_set_fini(&set);
    view_check(&view, frozen);
    wr_value_view_release(&view);
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

/* Enough for chunks of a pool; the least memory that serves is a third of what a group table takes. */
static void
many_values(void **state)
{
    enum { COUNT = 300000, PART = 1000 };
    static uint64_t values[PART];
    static uint32_t owners[PART];
    static uint8_t marks[PART], gained[PART];
    wr_budget *budget = wr_budget_create(NULL, "values", 0);
    wr_value_set set;
    (void)state;
    wr_value_set_init(&set, budget);
    memset(marks, 1, sizeof marks);
    for (int round = 0; round < 2; round++)
        for (uint32_t at = 0; at < COUNT; at += PART) {
            for (uint32_t i = 0; i < PART; i++) {
                values[i] = (at + i) * UINT64_C(0x123456789);
                owners[i] = (at + i) % 7;
            }
            assert_int_equal(wr_value_set_add(&set, values, owners, marks, PART, gained), WEIR_OK);
            for (uint32_t i = 0; i < PART; i++)
                assert_int_equal(gained[i], round == 0);
        }
    assert_int_equal(set.count, COUNT);
    assert_true(wr_budget_used(budget) < COUNT * 64);
    wr_value_set_fini(&set);
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

static void
no_memory_is_told(void **state)
{
    wr_budget *budget = wr_budget_create(NULL, "values", 20000);
    wr_value_set set;
    uint64_t value = 0;
    uint32_t owner = 0;
    uint8_t mark = 1, gained;
    (void)state;
    wr_value_set_init(&set, budget);
    while (wr_value_set_add(&set, &value, &owner, &mark, 1, &gained) == WEIR_OK)
        value++;
    assert_in_range(value, 100, 2000);
    assert_int_equal(set.count, value);
    wr_value_set_fini(&set);
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

WR_TESTS = {
    WR_TEST(marks_are_only_added), WR_TEST(many_values), WR_TEST(no_memory_is_told), { NULL, NULL }
};
