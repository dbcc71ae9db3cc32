/* SPDX-License-Identifier: Apache-2.0 */
/* group_find_test.c -- F1, F2 of state/group_find.c; texts of every length as keys (state/key_layout.h). */
#include "support/test.h"

#include "base/random.h"
#include "state/group_table.h"

#include <stdio.h>
#include <string.h>

static const wr_type int_type = { WR_INT8, 0, 0, -1 }, text_type = { WR_TEXT, 0, 0, -1 };

enum { ROWS = 1000, KEYS = 60000, STEPS = 400 };

/* Words by a table against a plain array; groups leave, a snapshot stands in between, rows are counted. */
static void
words_come_and_go(void **state) /* F1, F2 */
{
    static int64_t model[KEYS];
    static uint64_t words[ROWS];
    static uint16_t which[ROWS];
    static char *rows[ROWS];
    static uint32_t created[ROWS];
    wr_key_layout layout;
    wr_group_table t;
    wr_group_view view = { 0 };
    wr_random random;
    uint32_t live = 0;
    bool frozen = false;
    (void)state;
    wr_random_init(&random, 11);
    memset(model, 0, sizeof model);
    assert_int_equal(wr_key_layout_init(&layout, NULL, &int_type, 1, false, true), WEIR_OK);
    assert_true(wr_key_is_word(&layout));
    wr_group_table_init(&t, NULL, &layout, 16);
    for (int step = 0; step < STEPS; step++) {
        uint32_t count = (uint32_t)wr_random_below(&random, ROWS + 1), listed = 0, made = 0;
        uint32_t keys = step < 100 ? 50 : KEYS; /* at first all in one chunk that grows */
        for (uint32_t i = 0; i < count; i++)
            words[i] = wr_random_below(&random, keys);
        bool list = step % 3 == 1, counted = step % 4 != 2;
        for (uint32_t i = 0; i < count; i++)
            if (list && wr_random_below(&random, 3) > 0)
                which[listed++] = (uint16_t)i;
        uint32_t taken = list ? listed : count;
        assert_int_equal(wr_group_table_enter_words(&t, words, list ? which : NULL, taken, rows,
                                                    counted, created, &made),
                         WEIR_OK);
        live += made;
        assert_int_equal(t.live, live);
        for (uint32_t i = 0; i < taken; i++) {
            uint64_t word = words[list ? which[i] : i];
            model[word] += counted;
            if (!counted) /* that a group stands is all there is to see */
                model[word] |= INT64_C(1) << 40;
        }
        for (uint32_t i = 0; i < taken; i++) {
            uint64_t word = words[list ? which[i] : i];
            const wr_group *g = (const wr_group *)rows[i];
            assert_int_equal(((const uint64_t *)(g + 1))[1], word);
            assert_ptr_equal(wr_group_table_row(&t, g->id), g);
            assert_int_equal(g->count, model[word] & 0xffffffff);
        }
        for (uint32_t i = 0; i < taken && step % 5 == 0; i += 7) {
            wr_group *g = (wr_group *)rows[i];
            if ((g->flags & WR_GROUP_DEAD) != 0)
                continue;
            model[words[list ? which[i] : i]] = 0;
            assert_int_equal(wr_group_table_remove(&t, g->id), WEIR_OK);
            live--;
        }
        if (step % 50 == 20) {
            if (frozen)
                wr_group_view_release(&view);
            assert_int_equal(wr_group_table_freeze(&t, &view), WEIR_OK);
            frozen = true;
        }
    }
    assert_true(live > KEYS / 4);
    wr_group_table_fini(&t);
    wr_group_view_release(&view);
    wr_key_layout_fini(&layout);
}

static void
text_value(wr_value *value, const char *bytes, uint32_t length)
{
    *value = (wr_value){ .type = text_type, .string = wr_string_make(bytes, length) };
}

/* Found again from other memory, read back, moved to another table; NULL and "" apart. */
static void
texts_of_every_length(void **state)
{
    enum { LENGTHS = 60 };
    static char bytes[2][2 * LENGTHS];
    wr_key_layout layout;
    wr_group_table t, other;
    wr_row_keys keys;
    wr_value value;
    uint32_t ids[2][LENGTHS], null_id, id;
    bool created;
    (void)state;
    assert_int_equal(wr_key_layout_init(&layout, NULL, &text_type, 1, false, true), WEIR_OK);
    assert_int_equal(layout.words, WR_KEY_TEXT_WORDS);
    wr_group_table_init(&t, NULL, &layout, 8);
    wr_group_table_init(&other, NULL, &layout, 8);
    wr_row_keys_init(&keys, &layout, NULL);
    value = wr_value_null(text_type);
    assert_int_equal(wr_row_keys_set(&keys, &value, 0), WEIR_OK);
    assert_int_equal(wr_group_table_find(&t, &keys, NULL, 1, &null_id, NULL, NULL), WEIR_OK);
    for (int copy = 0; copy < 2; copy++)
        for (uint32_t n = 0; n < LENGTHS; n++)
            for (int last = 0; last < 2;
                 last++) { /* two of each length, that differ in the last byte */
                char *text = bytes[copy] + n % 3;
                memset(text, 'a', LENGTHS);
                if (n > 0)
                    text[n - 1] = last == 0 ? 'x' : 'y';
                text_value(&value, text, n);
                assert_int_equal(wr_row_keys_set(&keys, &value, 0), WEIR_OK);
                assert_int_equal(wr_group_table_find(&t, &keys, NULL, 1, &id, NULL, NULL), WEIR_OK);
                assert_int_not_equal(id, null_id);
                if (copy == 0)
                    ids[last][n] = id;
                assert_int_equal(id, ids[last][n]);
                wr_value kept = wr_key_value(&layout, wr_group_key(wr_group_table_row(&t, id)), 0);
                assert_false(kept.is_null);
                assert_true(wr_value_equal(&kept, &value));
            }
    assert_int_equal(t.live, 2 * LENGTHS); /* "" once, and the NULL */
    wr_value kept = wr_key_value(&layout, wr_group_key(wr_group_table_row(&t, null_id)), 0);
    assert_true(kept.is_null);
    assert_int_equal(wr_group_table_compact(&t, NULL, NULL), WEIR_OK);
    for (id = 0; id < t.high; id++) {
        uint32_t there;
        assert_int_equal(wr_group_table_adopt(&other, wr_group_table_row(&t, id), &there, &created),
                         WEIR_OK);
        assert_true(created);
    }
    for (id = 0; id < t.high; id++) {
        uint32_t there;
        wr_group *g = wr_group_table_row(&t, id);
        assert_int_equal(wr_group_table_adopt(&other, g, &there, &created), WEIR_OK);
        assert_false(created);
        assert_true(
            wr_key_same(&layout, wr_group_key(g), wr_group_key(wr_group_table_row(&other, there))));
    }
    wr_row_keys_fini(&keys);
    wr_group_table_fini(&t);
    wr_group_table_fini(&other);
    wr_key_layout_fini(&layout);
}

/* A NULL of every type as the only key: found, read back, moved. */
static void
nulls_of_every_type(void **state)
{
    static const uint8_t ids[] = { WR_BOOL,   WR_INT2, WR_INT8, WR_FLOAT8,   WR_NUMERIC, WR_TEXT,
                                   WR_BPCHAR, WR_UUID, WR_DATE, WR_INTERVAL, WR_BYTEA,   WR_JSONB };
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        wr_type type = { ids[i], 0, 0, -1 };
        wr_key_layout layout;
        wr_group_table t, other;
        wr_row_keys keys;
        wr_value value = wr_value_null(type);
        uint32_t id, again;
        bool created;
        assert_int_equal(wr_key_layout_init(&layout, NULL, &type, 1, false, true), WEIR_OK);
        wr_group_table_init(&t, NULL, &layout, 8);
        wr_group_table_init(&other, NULL, &layout, 8);
        wr_row_keys_init(&keys, &layout, NULL);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(wr_row_keys_set(&keys, &value, 0), WEIR_OK);
            assert_int_equal(wr_group_table_find(&t, &keys, NULL, 1, &id, NULL, NULL), WEIR_OK);
            assert_int_equal(id, 0);
        }
        if (layout.encoded || layout.has_views) {
            assert_non_null(wr_group_table_arena(&t));
            assert_int_equal(wr_group_table_compact(&t, NULL, NULL), WEIR_OK);
        }
        for (int round = 0; round < 2; round++) {
            assert_int_equal(
                wr_group_table_adopt(&other, wr_group_table_row(&t, 0), &again, &created), WEIR_OK);
            assert_int_equal(created, round == 0);
        }
        wr_value kept = wr_key_value(&layout, wr_group_key(wr_group_table_row(&other, again)), 0);
        assert_true(kept.is_null);
        wr_row_keys_fini(&keys);
        wr_group_table_fini(&t);
        wr_group_table_fini(&other);
        wr_key_layout_fini(&layout);
    }
}

/* Keys of a column, many at once, beyond the nearest cache, at last beyond where slots are near; NULLs among them. */
static void
many_texts(void **state) /* F1 */
{
    enum { TEXTS = 80000, PART = 4000, FIRST = 1500 };
    static uint32_t ids[TEXTS], again[PART];
    static char *rows[PART];
    wr_key_layout layout;
    wr_group_table t;
    wr_row_keys keys;
    uint32_t nulls = 0;
    (void)state;
    assert_int_equal(wr_key_layout_init(&layout, NULL, &text_type, 1, false, true), WEIR_OK);
    wr_group_table_init(&t, NULL, &layout, 8);
    wr_row_keys_init(&keys, &layout, NULL);
    for (int round = 0; round < 2; round++)
        for (uint32_t at = 0; at < TEXTS; at += PART) {
            wr_column *c = wr_column_create(NULL, text_type, PART);
            for (uint32_t i = 0; i < PART; i++) {
                char text[64];
                int n = snprintf(text, sizeof text, "%0*u", (int)((at + i) % 40), at + i);
                if ((at + i) % 1000 == 999)
                    assert_int_equal(wr_column_set_null(c, i), WEIR_OK);
                else
                    assert_int_equal(wr_column_set_string(c, i, text, (size_t)n), WEIR_OK);
                nulls += round == 0 && (at + i) % 1000 == 999;
            }
            wr_group_table_near(&t, &keys);
            assert_int_equal(wr_row_keys_fill(&keys, &c, NULL, PART, PART, NULL), WEIR_OK);
            uint32_t *to = round == 0 ? ids + at : again;
            assert_int_equal(
                wr_group_table_enter(&t, &keys, NULL, 0, FIRST, to, rows, true, NULL, NULL), WEIR_OK);
            assert_int_equal(wr_group_table_enter(&t, &keys, NULL, FIRST, PART - FIRST, to + FIRST,
                                                  rows + FIRST, true, NULL, NULL),
                             WEIR_OK);
            wr_group_table_rows(&t, to, FIRST, rows); /* the second call may have moved them */
            for (uint32_t i = 0; i < PART; i++) {
                assert_int_equal(to[i], ids[at + i]);
                assert_ptr_equal(rows[i], wr_group_table_row(&t, to[i]));
            }
            wr_column_release(c);
        }
    assert_non_null(keys.near);
    assert_int_equal(t.live, TEXTS - nulls + 1);
    assert_int_equal(wr_group_table_row(&t, ids[999])->count, 2 * nulls);
    assert_int_equal(wr_group_table_row(&t, ids[5])->count, 2);
    wr_row_keys_fini(&keys);
    wr_group_table_fini(&t);
    wr_key_layout_fini(&layout);
}

WR_TESTS = { WR_TEST(words_come_and_go),
             WR_TEST(texts_of_every_length),
             WR_TEST(nulls_of_every_type),
             WR_TEST(many_texts),
             { NULL, NULL } };
