/* SPDX-License-Identifier: Apache-2.0 */
/* group_table_test.c -- G1..G4 of state/group_table.h, L1 of state/key_layout.h. */
#include "support/test.h"

#include "base/random.h"
#include "state/group_table.h"

#include <stdio.h>

static const wr_type int_type = { WR_INT8, 0, 0, -1 }, text_type = { WR_TEXT, 0, 0, -1 },
                     numeric_type = { WR_NUMERIC, 0, 0, -1 };

static int64_t *
group_value(const wr_key_layout *layout, wr_group *g)
{
    return (int64_t *) ((char *) g + wr_group_user_offset(layout));
}

/* The id of an integer key, made when absent. */
static uint32_t
id_of(wr_group_table *t, wr_row_keys *keys, int64_t key)
{
    wr_value value = { .type = int_type, .integer = key };
    uint32_t id;
    assert_int_equal(wr_row_keys_set(keys, &value, 0), WEIR_OK);
    assert_int_equal(wr_group_table_find(t, keys, NULL, 1, &id, NULL, NULL), WEIR_OK);
    return id;
}

static void
groups_come_and_go(void **state) /* G1 */
{
    (void) state;
    enum { KEYS = 3000, STEPS = 60000 };
    wr_key_layout  layout;
    wr_group_table t;
    wr_row_keys    keys;
    wr_random      random;
    static int64_t model[KEYS];
    static bool    present[KEYS];
    uint32_t       live = 0;
    wr_random_init(&random, 3);
    assert_int_equal(wr_key_layout_init(&layout, NULL, &int_type, 1, false, true), WEIR_OK);
    wr_group_table_init(&t, NULL, &layout, 8);
    wr_row_keys_init(&keys, &layout, NULL);
    for (int i = 0; i < STEPS; i++) {
        uint32_t k = (uint32_t) wr_random_below(&random, KEYS);
        uint32_t id = id_of(&t, &keys, k);
        wr_group *g = wr_group_table_row(&t, id);
        if (!present[k]) {
            assert_int_equal(*group_value(&layout, g), 0);
            present[k] = true;
            model[k] = 0;
            live++;
        }
        assert_int_equal(*group_value(&layout, g), model[k]);
        *group_value(&layout, g) = ++model[k];
        if (wr_random_below(&random, 3) == 0) {
            assert_int_equal(wr_group_table_remove(&t, id), WEIR_OK);
            present[k] = false;
            live--;
        }
        assert_int_equal(t.live, live);
    }
    for (uint32_t k = 0; k < KEYS; k++) {
        wr_value value = { .type = int_type, .integer = k };
        uint32_t id;
        assert_int_equal(wr_row_keys_set(&keys, &value, 0), WEIR_OK);
        wr_group_table_peek(&t, &keys, NULL, 1, &id);
        assert_int_equal(id != UINT32_MAX, present[k]);
        if (present[k])
            assert_int_equal(*group_value(&layout, wr_group_table_row(&t, id)), model[k]);
    }
    wr_row_keys_fini(&keys);
    wr_group_table_fini(&t);
    wr_key_layout_fini(&layout);
}

static void
frozen_rows_stay(void **state) /* G2, G3 */
{
    (void) state;
    wr_key_layout  layout;
    wr_group_table t;
    wr_row_keys    keys;
    wr_group_view  view;
    assert_int_equal(wr_key_layout_init(&layout, NULL, &int_type, 1, false, true), WEIR_OK);
    wr_group_table_init(&t, NULL, &layout, 8);
    wr_row_keys_init(&keys, &layout, NULL);
    for (int64_t k = 0; k < 2000; k++)
        *group_value(&layout, wr_group_table_row(&t, id_of(&t, &keys, k))) = k;
    assert_int_equal(wr_group_table_freeze(&t, &view), WEIR_OK);
    for (int64_t k = 0; k < 4000; k += 3) {
        uint32_t id = id_of(&t, &keys, k);
        assert_int_equal(wr_group_table_own(&t, &id, 1), WEIR_OK);
        *group_value(&layout, wr_group_table_row(&t, id)) = -k;
        if (k % 2 == 0)
            assert_int_equal(wr_group_table_remove(&t, id), WEIR_OK);
    }
    assert_int_equal(view.live, 2000);
    for (uint32_t id = 0; id < view.high; id++) {
        wr_group *g = (wr_group *) wr_group_view_row(&view, id);
        int64_t   k = wr_key_value(&layout, wr_group_key(g), 0).integer;
        assert_int_equal(g->flags, 0);
        assert_int_equal(*group_value(&layout, g), k);
    }
    wr_group_table_reset(&t);
    assert_int_equal(t.live, 0);
    assert_int_equal(
        wr_key_value(&layout, wr_group_key((wr_group *)wr_group_view_row(&view, 7)), 0).integer, 7);
    *group_value(&layout, wr_group_table_row(&t, id_of(&t, &keys, 1))) = 1;
    wr_group_table_fini(&t);
    wr_group_view_release(&view);
    wr_row_keys_fini(&keys);
    wr_key_layout_fini(&layout);
}

static void
long_keys_survive_compaction(void **state) /* G4 */
{
    (void) state;
    wr_key_layout  layout;
    wr_group_table t;
    wr_row_keys    keys;
    wr_type        types[2] = { text_type, int_type };
    assert_int_equal(wr_key_layout_init(&layout, NULL, types, 2, false, true), WEIR_OK);
    wr_group_table_init(&t, NULL, &layout, 8);
    wr_row_keys_init(&keys, &layout, NULL);
    char     text[64];
    uint32_t ids[4000], found;
    for (int i = 0; i < 4000; i++) {
        snprintf(text, sizeof text, "a key that is longer than twelve bytes %d", i);
        wr_value value[2] = { { .type = text_type, .string = wr_string_make(text, strlen(text)) },
                              { .type = int_type, .integer = i % 7 } };
        assert_int_equal(wr_row_keys_set(&keys, value, 0), WEIR_OK);
        assert_int_equal(wr_group_table_find(&t, &keys, NULL, 1, &ids[i], NULL, NULL), WEIR_OK);
    }
    size_t before = t.store->arena.bytes;
    assert_false(wr_group_table_wasteful(&t));
    for (int i = 0; i < 4000; i++)
        if (i % 4 != 0)
            assert_int_equal(wr_group_table_remove(&t, ids[i]), WEIR_OK);
    assert_true(wr_group_table_wasteful(&t));
    assert_int_equal(wr_group_table_compact(&t, NULL, NULL), WEIR_OK);
    assert_true(t.store->arena.bytes < before / 2);
    for (int i = 0; i < 4000; i++) {
        snprintf(text, sizeof text, "a key that is longer than twelve bytes %d", i);
        wr_value value[2] = { { .type = text_type, .string = wr_string_make(text, strlen(text)) },
                              { .type = int_type, .integer = i % 7 } };
        assert_int_equal(wr_row_keys_set(&keys, value, 0), WEIR_OK);
        wr_group_table_peek(&t, &keys, NULL, 1, &found);
        assert_true(found == (i % 4 == 0 ? ids[i] : UINT32_MAX));
    }
    wr_row_keys_fini(&keys);
    wr_group_table_fini(&t);
    wr_key_layout_fini(&layout);
}

/* Keys of a batch and keys of boxed values find the same groups, in both forms. */
static void
batch_and_boxed_keys_agree(void **state) /* L1, L2 */
{
    (void) state;
    for (int form = 0; form < 2; form++) {
        wr_type        types[3] = { form == 0 ? text_type : numeric_type, int_type, text_type };
        wr_key_layout  layout;
        wr_group_table t;
        wr_row_keys    keys, one;
        wr_arena       arena;
        wr_column     *columns[3];
        uint16_t       rows[50];
        uint32_t       ids[50], id;
        wr_arena_init(&arena, NULL);
        assert_int_equal(wr_key_layout_init(&layout, NULL, types, 3, false, true), WEIR_OK);
        assert_int_equal(layout.encoded, form == 1);
        wr_group_table_init(&t, NULL, &layout, 8);
        wr_row_keys_init(&keys, &layout, NULL);
        wr_row_keys_init(&one, &layout, NULL);
        for (int c = 0; c < 3; c++)
            columns[c] = wr_column_create(NULL, types[c], 100);
        for (uint32_t r = 0; r < 100; r++)
            for (int c = 0; c < 3; c++) {
                char text[40];
                snprintf(text, sizeof text, types[c].id == WR_TEXT ? "text %u%s" : "%u",
                         (r / 2) % 10,
                         r % 3 == 0               ? ""
                         : types[c].id == WR_TEXT ? " that is rather long"
                                                  : "");
                wr_value value;
                assert_int_equal(wr_value_parse(types[c], text, strlen(text), &arena, &value, NULL),
                                 WEIR_OK);
                if ((r / 2 + (uint32_t) c) % 5 == 0)
                    assert_int_equal(wr_column_set_null(columns[c], r), WEIR_OK);
                else
                    assert_int_equal(wr_column_set_value(columns[c], r, &value), WEIR_OK);
            }
        for (uint32_t i = 0; i < 50; i++)
            rows[i] = (uint16_t) (2 * i + i % 2);
        assert_int_equal(wr_row_keys_fill(&keys, columns, rows, 50, 100, NULL), WEIR_OK);
        assert_int_equal(wr_group_table_find(&t, &keys, NULL, 50, ids, NULL, NULL), WEIR_OK);
        uint32_t live = t.live;
        for (uint32_t i = 0; i < 50; i++) {
            wr_value values[3];
            for (int c = 0; c < 3; c++)
                assert_int_equal(wr_column_get_value(columns[c], rows[i], &arena, &values[c]),
                                 WEIR_OK);
            assert_int_equal(wr_row_keys_set(&one, values, 0), WEIR_OK);
            assert_int_equal(wr_group_table_find(&t, &one, NULL, 1, &id, NULL, NULL), WEIR_OK);
            assert_int_equal(id, ids[i]);
            for (uint32_t c = 0; c < 3; c++) {
                wr_value kept =
                    wr_key_value(&layout, wr_group_key(wr_group_table_row(&t, id)), c);
                assert_true(wr_value_equal(&kept, &values[c]));
            }
        }
        assert_int_equal(t.live, live);
        for (int c = 0; c < 3; c++)
            wr_column_release(columns[c]);
        wr_row_keys_fini(&one);
        wr_row_keys_fini(&keys);
        wr_group_table_fini(&t);
        wr_key_layout_fini(&layout);
        wr_arena_fini(&arena);
    }
}

static void
prefix_keeps_groups_apart(void **state)
{
    (void) state;
    for (int form = 0; form < 2; form++) {
        wr_type        type = form == 0 ? int_type : numeric_type;
        wr_key_layout  layout;
        wr_group_table t;
        wr_row_keys    keys;
        wr_arena       arena;
        wr_value       value;
        uint32_t       id, ids[3];
        wr_arena_init(&arena, NULL);
        assert_int_equal(wr_key_layout_init(&layout, NULL, &type, 1, true, false), WEIR_OK);
        wr_group_table_init(&t, NULL, &layout, 0);
        wr_row_keys_init(&keys, &layout, NULL);
        assert_int_equal(wr_value_parse(type, "7", 1, &arena, &value, NULL), WEIR_OK);
        for (uint64_t prefix = 0; prefix < 3; prefix++) {
            assert_int_equal(wr_row_keys_set(&keys, &value, prefix), WEIR_OK);
            assert_int_equal(wr_group_table_find(&t, &keys, NULL, 1, &ids[prefix], NULL, NULL),
                             WEIR_OK);
        }
        assert_int_equal(t.live, 3);
        assert_int_equal(wr_row_keys_set(&keys, &value, 1), WEIR_OK);
        assert_int_equal(wr_group_table_find(&t, &keys, NULL, 1, &id, NULL, NULL), WEIR_OK);
        assert_int_equal(id, ids[1]);
        assert_int_equal(wr_key_prefix(&layout, wr_group_key(wr_group_table_row(&t, id))), 1);
        wr_row_keys_fini(&keys);
        wr_group_table_fini(&t);
        wr_key_layout_fini(&layout);
        wr_arena_fini(&arena);
    }
}

static void
no_memory_leaves_the_table_whole(void **state)
{
    (void) state;
    wr_budget     *budget = wr_budget_create(NULL, "tight", 6000);
    wr_key_layout  layout;
    wr_group_table t;
    wr_row_keys    keys;
    uint32_t       made = 0;
    weir_status    status = WEIR_OK;
    assert_int_equal(wr_key_layout_init(&layout, NULL, &text_type, 1, false, true), WEIR_OK);
    wr_group_table_init(&t, budget, &layout, 8);
    wr_row_keys_init(&keys, &layout, NULL);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 1000 && (round == 0 || i < made); i++) {
            char     text[64];
            uint32_t id;
            snprintf(text, sizeof text, "a key that is longer than twelve bytes %u", i);
            wr_value value = { .type = text_type, .string = wr_string_make(text, strlen(text)) };
            assert_int_equal(wr_row_keys_set(&keys, &value, 0), WEIR_OK);
            status = wr_group_table_find(&t, &keys, NULL, 1, &id, NULL, NULL);
            if (status != WEIR_OK)
                break;
            made += round == 0;
        }
    assert_int_equal(status, WEIR_OK); /* all that were made are still found */
    assert_in_range(made, 5, 100);
    assert_int_equal(t.live, made);
    wr_row_keys_fini(&keys);
    wr_group_table_fini(&t);
    wr_key_layout_fini(&layout);
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

WR_TESTS = { WR_TEST(groups_come_and_go),           WR_TEST(frozen_rows_stay),
             WR_TEST(long_keys_survive_compaction), WR_TEST(batch_and_boxed_keys_agree),
             WR_TEST(prefix_keeps_groups_apart),    WR_TEST(no_memory_leaves_the_table_whole),
             { NULL, NULL } };
