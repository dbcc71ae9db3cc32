/* SPDX-License-Identifier: Apache-2.0 */
/* tag_slots_test.c -- T1, T2 of state/tag_slots.h: what has been put in is found, through growth and removal. */
#include "support/test.h"

#include "base/random.h"
#include "state/tag_slots.h"

enum { TAGS = 600 };

static void
check(const wr_tag_slots *s, const uint32_t *firsts, const uint32_t *tags)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < TAGS; i++) {
        const wr_tag_slot *slot = wr_tag_slots_find(s, tags[i]);
        assert_int_equal(slot->first, firsts[i]);
        used += firsts[i] != 0;
    }
    assert_int_equal(s->used, used);
    assert_true(2 * s->used <= 1u << s->bits); /* T2 */
}

static void
tags_come_and_go(void **state)
{
    (void) state;
    static uint32_t tags[TAGS], firsts[TAGS];
    wr_tag_slots    s = { 0 };
    wr_random       random;
    wr_random_init(&random, 11);
    for (uint32_t i = 0; i < TAGS; i++) /* many of them side by side, and round the end */
        tags[i] = i % 2 == 0 ? UINT32_MAX - i : (uint32_t) wr_random_below(&random, 1 << 20) << 12 | i;
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t) wr_random_below(&random, TAGS);
        assert_int_equal(wr_tag_slots_reserve(&s, NULL, 1, step > 10000 ? 12 : 0), WEIR_OK);
        wr_tag_slot *slot = wr_tag_slots_find(&s, tags[i]);
        if (slot->first != 0) {
            wr_tag_slots_remove(&s, slot);
            firsts[i] = 0;
        } else {
            *slot = (wr_tag_slot){ tags[i], firsts[i] = step + 1 };
            s.used++;
        }
        if (step % 500 == 0)
            check(&s, firsts, tags);
    }
    check(&s, firsts, tags);
    wr_tag_slots_clear(&s);
    assert_int_equal(wr_tag_slots_find(&s, tags[3])->first, 0);
    wr_tag_slots_fini(&s);
}

WR_TESTS = { WR_TEST(tags_come_and_go), { NULL, NULL } };
