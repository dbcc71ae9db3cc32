/* SPDX-License-Identifier: Apache-2.0 */
/* array_test.c -- A1 to A3 of the array files. */
#include "support/test.h"

#include "data/array.h"

static void
items_come_back(void **state)
{
    (void)state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_type type = WR_TYPE(WR_TEXT);
    wr_value items[3] = {
        { .type = type, .string = wr_string_make("a longer string than inline", 27) },
        wr_value_null(type),
        { .type = type, .string = wr_string_make("", 0) },
    };
    wr_string array;
    wr_array_view view;
    wr_value item;
    assert_int_equal(wr_array_make(type, items, 3, &arena, &array), WEIR_OK);
    wr_array_open(&array, &view);
    assert_int_equal(view.dims, 1);
    assert_int_equal(view.count, 3);
    const char *at = view.items;
    for (int i = 0; i < 3; i++) {
        assert_true(wr_array_next(&view, &at, &item));
        assert_true(wr_value_equal(&item, &items[i]));
    }
    assert_false(wr_array_next(&view, &at, &item));
    assert_int_equal(wr_array_make(type, items, 0, &arena, &array), WEIR_OK);
    wr_array_open(&array, &view);
    assert_int_equal(view.dims, 0);
    wr_arena_fini(&arena);
}

static void
text_goes_both_ways(void **state) /* A3 */
{
    (void)state;
    static const struct {
        uint8_t element;
        const char *text, *printed; /* printed NULL: refused */
    } rows[] = {
        { WR_INT4, "{1,2,NULL}", "{1,2,NULL}" },
        { WR_INT4, " { 1 , 2 } ", "{1,2}" },
        { WR_INT4, "{}", "{}" },
        { WR_INT4, "{{1,2},{3,4}}", "{{1,2},{3,4}}" },
        { WR_INT4, "[0:1]={1,2}", "[0:1]={1,2}" },
        { WR_INT4, "[2]={1,2}", "{1,2}" },
        { WR_INT4, "[-1:0][1:2]={{1,2},{3,4}}", "[-1:0][1:2]={{1,2},{3,4}}" },
        { WR_TEXT, "{a b,\"c,d\",\"NULL\",null,\"\",\\\"}",
          "{\"a b\",\"c,d\",\"NULL\",NULL,\"\",\"\\\"\"}" },
        { WR_BOOL, "{t,false}", "{t,f}" },
        { WR_NUMERIC, "{1.50,NaN,12345678901234567890}", "{1.50,NaN,12345678901234567890}" },
        { WR_FLOAT4, "{0.1}", "{0.1}" },
        { WR_TIMESTAMPTZ, "{2026-01-01}", "{\"2026-01-01 00:00:00+00\"}" },
        { WR_INTERVAL, "{1 day}", "{\"1 day\"}" },
        { WR_UUID, "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}" },
        { WR_BYTEA, "{\"\\\\x01\"}", "{\"\\\\x01\"}" },
        { WR_JSONB, "{\"{\\\"a\\\":1}\"}", "{\"{\\\"a\\\": 1}\"}" },
        { WR_INT4, "", NULL },
        { WR_INT4, "{", NULL },
        { WR_INT4, "{1", NULL },
        { WR_INT4, "{1,}", NULL },
        { WR_INT4, "{1}x", NULL },
        { WR_INT4, "{1,{2}}", NULL },
        { WR_INT4, "{{1},2}", NULL },
        { WR_INT4, "{{1,2},{3}}", NULL },
        { WR_INT4, "[1:2]={1}", NULL },
        { WR_INT4, "[2:1]={1}", NULL },
        { WR_INT4, "[1:1]", NULL },
        { WR_INT4, "[1:99999999999]={1}", NULL },
        { WR_TEXT, "{\"a", NULL },
        { WR_TEXT, "{\"a\"b}", NULL },
        { WR_TEXT, "{a\\", NULL },
        { WR_INT4, "{{{{{{{1}}}}}}}", NULL },
    };
    wr_arena arena;
    wr_text text;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wr_string array, again;
        weir_error err;
        wr_type element = WR_TYPE(rows[i].element);
        wr_text_clear(&text);
        weir_status status =
            wr_array_parse(element, rows[i].text, strlen(rows[i].text), &arena, &array, &err);
        if (rows[i].printed == NULL) {
            assert_int_equal(status, WEIR_ROW_TYPE);
            continue;
        }
        if (status != WEIR_OK)
            fail_msg("%s: %s", rows[i].text, err.text);
        wr_array_print(&array, &text);
        assert_string_equal(wr_text_string(&text), rows[i].printed);
        assert_int_equal(wr_array_parse(element, text.data, text.length, &arena, &again, &err),
                         WEIR_OK);
        assert_int_equal(wr_array_compare(&array, &again), 0);
    }
    wr_text_fini(&text);
    wr_arena_fini(&arena);
}

static void
cut_bytes_are_read_to_their_end(void **state) /* A1 */
{
    (void)state;
    static const char source[] = "{{\"a longer string than inline\",b},{c,NULL}}";
    wr_arena arena;
    wr_text text;
    wr_string array;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    assert_int_equal(
        wr_array_parse(WR_TYPE(WR_TEXT), source, sizeof source - 1, &arena, &array, NULL), WEIR_OK);
    for (uint32_t length = 0; length < array.length; length++) {
        char *copy = wr_alloc(NULL, length); /* exact, so that the sanitizer sees a step beyond */
        memcpy(copy, wr_string_data(&array), length);
        for (int flip = 0; flip < 4; flip++) {
            wr_string cut = wr_string_make(copy, length);
            wr_array_view view;
            wr_value item;
            wr_array_open(&cut, &view);
            for (const char *at = view.items; wr_array_next(&view, &at, &item);)
                ;
            wr_text_clear(&text);
            wr_array_print(&cut, &text);
            wr_value boxed = { .type = WR_TYPE_ARRAY(WR_TEXT), .string = cut };
            wr_value_print_json(&boxed, &text);
            (void)wr_array_compare(&cut, &array);
            if (length > 0)
                copy[(size_t)flip * 7 % length] = (char)0xff;
        }
        wr_free(copy);
    }
    wr_text_fini(&text);
    wr_arena_fini(&arena);
}

static void
too_many_items_are_refused(void **state)
{
    (void)state;
    wr_arena arena;
    wr_string out;
    uint32_t lengths[] = { 1u << 31, 1u << 31, 4 };
    int32_t lower[] = { 1, 1, 1 };
    wr_arena_init(&arena, NULL);
    assert_int_equal(wr_array_make_dims(WR_TYPE(WR_INT4), 3, lengths, lower, NULL, &arena, &out),
                     WEIR_ROW_TOO_LARGE);
    assert_int_equal(wr_array_make_dims(WR_TYPE(WR_INT4), 7, lengths, lower, NULL, &arena, &out),
                     WEIR_ROW_INVALID_ARGUMENT);
    wr_arena_fini(&arena);
}

WR_TESTS = {
    WR_TEST(items_come_back),
    WR_TEST(text_goes_both_ways),
    WR_TEST(cut_bytes_are_read_to_their_end),
    WR_TEST(too_many_items_are_refused),
    { NULL, NULL },
};
