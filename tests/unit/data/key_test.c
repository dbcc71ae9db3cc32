/* SPDX-License-Identifier: Apache-2.0 */
/* key_test.c -- K1, K2 of data/key.c and E1 of data/keys.c. */
#include "support/test.h"

#include "base/hash.h"
#include "base/random.h"
#include "data/array.h"
#include "data/datetime.h"
#include "data/json.h"
#include "data/key.h"

#include <math.h>
#include <stdio.h>

static wr_arena arena;

static void
key_of(const wr_value *v, wr_text *to)
{
    wr_text_clear(to);
    assert_int_equal(wr_key_encode_value(v, to), WEIR_OK);
}

/* -1, 0, 1: the order of the two keys' bytes. */
static int
key_compare(const wr_value *a, const wr_value *b)
{
    wr_text x, y;
    wr_text_init(&x, NULL);
    wr_text_init(&y, NULL);
    key_of(a, &x);
    key_of(b, &y);
    int c = memcmp(x.data, y.data, WR_MIN(x.length, y.length));
    if (c == 0)
        c = (x.length > y.length) - (x.length < y.length);
    wr_text_fini(&x);
    wr_text_fini(&y);
    return (c > 0) - (c < 0);
}

static wr_value
int_value(wr_type_id id, int64_t v)
{
    return (wr_value){ .type = WR_TYPE(id), .integer = v };
}

static wr_value
real_value(double v)
{
    return (wr_value){ .type = WR_TYPE(WR_FLOAT8), .real = v };
}

static wr_value
string_value(wr_type_id id, const char *s)
{
    return (wr_value){ .type = WR_TYPE(id), .string = wr_string_make(s, strlen(s)) };
}

static wr_value
num_value(const char *s)
{
    wr_value v = { .type = WR_TYPE(WR_NUMERIC) };
    assert_int_equal(wr_num_parse(s, strlen(s), &arena, &v.string), WEIR_OK);
    return v;
}

static void
integers_of_all_widths_are_ordered(void **state)
{
    (void) state;
    static const int64_t longs[] = { INT64_MIN, -32768, -1, 0, 1, 255, 256, 32767, INT64_MAX };
    for (size_t i = 0; i < WR_COUNT(longs); i++)
        for (size_t j = 0; j < WR_COUNT(longs); j++) {
            wr_value a = int_value(WR_INT8, longs[i]), b = int_value(WR_INT8, longs[j]);
            assert_int_equal(key_compare(&a, &b), (i > j) - (i < j));
        }
    wr_value two = int_value(WR_INT2, -7), four = int_value(WR_INT4, -7);
    assert_int_equal(key_compare(&two, &four), 0);
    wr_value null = wr_value_null(WR_TYPE(WR_INT8)), least = int_value(WR_INT8, INT64_MIN);
    assert_int_equal(key_compare(&null, &null), 0);
    assert_int_equal(key_compare(&null, &least), -1);
}

static void
floats_are_ordered_and_zero_is_one(void **state)
{
    (void) state;
    const double reals[] = { -INFINITY, -1e300, -1.5, -0x1p-1074, 0, 0x1p-1074, 1, 2.5, INFINITY,
                             NAN };
    for (size_t i = 0; i < WR_COUNT(reals); i++)
        for (size_t j = 0; j < WR_COUNT(reals); j++) {
            wr_value a = real_value(reals[i]), b = real_value(reals[j]);
            assert_int_equal(key_compare(&a, &b), (i > j) - (i < j));
        }
    wr_value minus = real_value(-0.0), plus = real_value(0.0), nan = real_value(-NAN),
             other = real_value(NAN);
    assert_int_equal(key_compare(&minus, &plus), 0);
    assert_int_equal(key_compare(&nan, &other), 0);
}

static void
decimals_equal_by_value_in_every_form(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "0", "1", "-1", "1.5", "-0.0001", "10000", "12345.6789", "0.00000001", "100000000",
        "99999999999999999", "123456789012345678901234567890.12345678", "-0.5", "9999.9999",
        "10000000000000000000000000000000000000", "3.1400", "0.000", "1234.50", "20000.0",
    };
    for (size_t i = 0; i < WR_COUNT(texts); i++) {
        wr_value v = num_value(texts[i]);
        wr_text  num;
        wr_text_init(&num, NULL);
        key_of(&v, &num);
        for (int scale = wr_num_min_scale(&v.string); scale <= 18; scale++) {
            wr_int128 d;
            if (!wr_num_to_int128(&v.string, scale, &d))
                continue;
            for (int form = WR_DEC64; form <= WR_DEC128; form++) {
                if (form == WR_DEC64 && d != (int64_t) d)
                    continue;
                wr_batch *b = wr_batch_create(NULL, 1);
                b->columns[0] = wr_column_create_decimal(NULL, v.type, (wr_decimal_form) form,
                                                         scale, 1);
                if (form == WR_DEC64)
                    ((int64_t *) b->columns[0]->data)[0] = (int64_t) d;
                else
                    ((wr_int128 *) b->columns[0]->data)[0] = d;
                b->row_count = b->physical_count = 1;
                wr_text dec;
                wr_text_init(&dec, NULL);
                assert_int_equal(wr_key_encode(b, (const uint32_t[]){ 0 }, 1, 0, &dec), WEIR_OK);
                assert_int_equal(dec.length, num.length);
                assert_memory_equal(dec.data, num.data, num.length);
                wr_text_fini(&dec);
                wr_batch_release(b);
            }
        }
        wr_text_fini(&num);
    }
    wr_value a = num_value("1.0"), b = num_value("1.00"), c = num_value("1.01");
    wr_value d = num_value("NaN");
    assert_int_equal(key_compare(&a, &b), 0);
    assert_int_not_equal(key_compare(&a, &c), 0);
    assert_int_equal(key_compare(&d, &d), 0);
}

static void
strings_equal_by_their_types_rules(void **state)
{
    (void) state;
    wr_value a = string_value(WR_BPCHAR, "ab   "), b = string_value(WR_BPCHAR, "ab");
    wr_value c = string_value(WR_TEXT, "ab   "), d = string_value(WR_TEXT, "ab");
    assert_int_equal(key_compare(&a, &b), 0);
    assert_int_not_equal(key_compare(&c, &d), 0);
    wr_value e = string_value(WR_JSONB, "{\"a.0\": 1.50, \"b\\\"2.0\": [0.00, -3.10, 7, 10.0]}");
    wr_value f = string_value(WR_JSONB, "{\"a.0\": 1.5, \"b\\\"2.0\": [0, -3.1, 7, 10]}");
    wr_value g = string_value(WR_JSONB, "{\"a\": 1.5, \"b\\\"2.0\": [0, -3.1, 7, 10]}");
    assert_int_equal(key_compare(&e, &f), 0);
    assert_int_not_equal(key_compare(&e, &g), 0);
}

static void
intervals_equal_by_length(void **state)
{
    (void) state;
    wr_value month = { .type = WR_TYPE(WR_INTERVAL), .interval = { 1, 0, 0 } };
    wr_value days = { .type = WR_TYPE(WR_INTERVAL), .interval = { 0, 30, 0 } };
    wr_value hours = { .type = WR_TYPE(WR_INTERVAL), .interval = { 0, 29, WR_US_PER_DAY } };
    wr_value less = { .type = WR_TYPE(WR_INTERVAL), .interval = { 0, -1, WR_US_PER_DAY - 1 } };
    wr_value zero = { .type = WR_TYPE(WR_INTERVAL), .interval = { 0, 0, 0 } };
    assert_int_equal(key_compare(&month, &days), 0);
    assert_int_equal(key_compare(&month, &hours), 0);
    assert_int_equal(key_compare(&less, &zero), -1);
}

static wr_value
array_value(wr_type_id element, const char *text)
{
    wr_value v = { .type = WR_TYPE_ARRAY(element) };
    assert_int_equal(
        wr_array_parse(WR_TYPE(element), text, strlen(text), &arena, &v.string, NULL), WEIR_OK);
    return v;
}

static void
arrays_equal_by_items_and_shape(void **state)
{
    (void) state;
    wr_value a = array_value(WR_NUMERIC, "{1.0,NULL,2.50}");
    wr_value b = array_value(WR_NUMERIC, "{1,NULL,2.5}");
    wr_value c = array_value(WR_NUMERIC, "{{1},{NULL},{2.5}}");
    wr_value d = array_value(WR_NUMERIC, "[2:4]={1,NULL,2.5}");
    assert_int_equal(key_compare(&a, &b), 0);
    assert_int_not_equal(key_compare(&b, &c), 0);
    assert_int_not_equal(key_compare(&b, &d), 0);
}

static void
decode_gives_back_what_was_encoded(void **state) /* K2 */
{
    (void) state;
    wr_value values[] = {
        { .type = WR_TYPE(WR_BOOL), .boolean = true },
        int_value(WR_INT2, -5),
        int_value(WR_INT4, 1 << 30),
        int_value(WR_INT8, INT64_MIN),
        int_value(WR_DATE, INT32_MIN),
        int_value(WR_TIMESTAMPTZ, WR_TIME_POSINF),
        real_value(-2.5),
        { .type = WR_TYPE(WR_FLOAT4), .real = 1.5 },
        num_value("-123456789012345678901234.5600"),
        num_value("0.00"),
        num_value("-Infinity"),
        num_value("700000"),
        string_value(WR_TEXT, "a text beyond the twelve bytes"),
        string_value(WR_BYTEA, ""),
        wr_value_null(WR_TYPE(WR_TEXT)),
        { .type = WR_TYPE(WR_INTERVAL), .interval = { -14, 3, -5 } },
        { .type = WR_TYPE(WR_UUID), .uuid = { { 1, 2, 3, 255 } } },
        array_value(WR_TEXT, "{a,NULL,\"a text beyond the twelve bytes\"}"),
        array_value(WR_INT4, "{}"),
        array_value(WR_NUMERIC, "[0:1][2:3]={{1.50,2},{NULL,4}}"),
    };
    enum { N = WR_COUNT(values) };
    wr_type  types[N];
    wr_value out[N];
    wr_text  first, second;
    wr_text_init(&first, NULL);
    wr_text_init(&second, NULL);
    for (size_t i = 0; i < N; i++) {
        types[i] = values[i].type;
        assert_int_equal(wr_key_encode_value(&values[i], &first), WEIR_OK);
    }
    assert_int_equal(wr_key_decode(first.data, first.length, types, N, &arena, out), WEIR_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(wr_key_encode_value(&out[i], &second), WEIR_OK);
        assert_int_equal(out[i].is_null, values[i].is_null);
    }
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    assert_int_equal(out[3].integer, INT64_MIN);
    assert_int_equal(wr_num_display_scale(&out[8].string), 2);
    assert_int_equal(wr_num_display_scale(&out[9].string), 0);
    assert_int_equal(wr_num_display_scale(&out[11].string), 0);
    assert_int_equal(wr_num_compare(&out[8].string, &values[8].string), 0);
    for (size_t cut = 0; cut < first.length; cut++) /* every truncation is noticed */
        assert_int_not_equal(wr_key_decode(first.data, cut, types, N, &arena, out), WEIR_OK);
    wr_random random;
    wr_random_init(&random, 3);
    for (int k = 0; k < 20000; k++) { /* damage is refused or read as something, never run past */
        size_t at = wr_random_below(&random, first.length);
        char   was = first.data[at];
        first.data[at] = (char) wr_random_next(&random);
        weir_status status = wr_key_decode(first.data, first.length, types, N, &arena, out);
        (void) status;
        first.data[at] = was;
        wr_arena_reset(&arena);
    }
    wr_text_fini(&first);
    wr_text_fini(&second);
}

/* --- batches --- */

enum { ROWS = 1000 };

static const wr_type_id kinds[] = { WR_INT8, WR_INT4, WR_INT2, WR_TIMESTAMP, WR_TEXT, WR_BPCHAR,
                                    WR_BOOL, WR_FLOAT4, WR_FLOAT8, WR_DATE, WR_UUID, WR_INTERVAL,
                                    WR_NUMERIC, WR_JSONB };

/* Two columns a kind: even without NULLs, odd with. */
static wr_batch *
mixed_batch(void)
{
    wr_batch *b = wr_batch_create(NULL, 2 * WR_COUNT(kinds));
    for (uint32_t k = 0; k < b->column_count; k++) {
        wr_type_id id = kinds[k / 2];
        b->columns[k] = wr_column_create(NULL, WR_TYPE(id), ROWS);
        for (uint32_t r = 0; r < ROWS; r++) {
            char     text[64];
            wr_value v = int_value(id, (int64_t) r % 100 - 50);
            snprintf(text, sizeof text, r % 3 ? "%u" : "%u00000000000000000.50", r);
            if (id == WR_FLOAT4 || id == WR_FLOAT8)
                v.real = r * 0.5;
            else if (id == WR_BOOL)
                v.boolean = r % 2;
            else if (id == WR_NUMERIC)
                v = num_value(text);
            else if (id == WR_TEXT || id == WR_JSONB || id == WR_BPCHAR)
                v.string = wr_string_make(text, strlen(text));
            if (k % 2 == 1 && r % 4 == 1)
                v = wr_value_null(v.type);
            assert_int_equal(wr_column_set_value(b->columns[k], r, &v), WEIR_OK);
        }
    }
    b->row_count = b->physical_count = ROWS;
    return b;
}

static void
assert_keys_equal_rows(wr_keys *keys, const wr_batch *b, const uint32_t *columns, uint32_t count)
{
    wr_text one;
    wr_text_init(&one, NULL);
    assert_int_equal(wr_keys_encode(keys, b, columns, count), WEIR_OK);
    assert_int_equal(keys->count, b->row_count);
    for (uint32_t i = 0; i < b->row_count; i++) {
        uint32_t row = wr_batch_row(b, i);
        bool     any_null = false;
        wr_text_clear(&one);
        assert_int_equal(wr_key_encode(b, columns, count, row, &one), WEIR_OK);
        for (uint32_t k = 0; k < count; k++)
            any_null |= wr_column_is_null(b->columns[columns[k]], row);
        assert_int_equal(keys->offsets[i + 1] - keys->offsets[i], one.length);
        assert_memory_equal(keys->bytes.data + keys->offsets[i], wr_text_string(&one), one.length);
        assert_true(keys->hashes[i] == wr_hash_stable(wr_text_string(&one), one.length));
        assert_int_equal(keys->any_null[i], any_null);
    }
    assert_int_equal(keys->offsets[b->row_count], keys->bytes.length);
    wr_text_fini(&one);
}

static void
batch_keys_equal_row_keys(void **state) /* E1 */
{
    (void) state;
    wr_keys *keys = wr_alloc(NULL, sizeof *keys);
    wr_keys_init(keys, NULL);
    wr_batch *b = mixed_batch();
    uint16_t  rows[ROWS / 3];
    for (uint32_t i = 0; i < WR_COUNT(rows); i++)
        rows[i] = (uint16_t) (3 * i + i % 3);
    wr_batch *s = wr_batch_select(NULL, b, rows, WR_COUNT(rows));
    for (uint32_t i = 0; i < b->column_count; i++) {
        assert_keys_equal_rows(keys, b, &i, 1);
        assert_keys_equal_rows(keys, s, &i, 1);
        for (uint32_t j = 0; j < b->column_count; j += 1 + i % 3) {
            const uint32_t columns[] = { i, j, (i + j) % b->column_count };
            assert_keys_equal_rows(keys, s, columns, 2 + j % 2);
        }
    }
    const uint32_t none[1] = { 0 };
    assert_keys_equal_rows(keys, b, none, 0);
    wr_batch_release(s);
    wr_batch_release(b);
    wr_keys_fini(keys);
    wr_free(keys);
}

static void
layouts_give_the_same_keys(void **state)
{
    (void) state;
    wr_keys *keys = wr_alloc(NULL, sizeof *keys);
    wr_keys_init(keys, NULL);
    wr_value  five = int_value(WR_INT8, 5);
    wr_batch *b = wr_batch_create(NULL, 3);
    wr_column *words = wr_column_create(NULL, WR_TYPE(WR_TEXT), 3);
    for (uint32_t r = 0; r < 3; r++)
        assert_int_equal(wr_column_set_string(words, r, "a word of any length", 5 + 7 * r),
                         WEIR_OK);
    assert_int_equal(wr_column_set_null(words, 1), WEIR_OK);
    b->columns[0] = wr_column_create_constant(NULL, &five);
    b->columns[1] = wr_column_create_dictionary(NULL, words, 50);
    for (uint32_t r = 0; r < 50; r++)
        ((uint16_t *) b->columns[1]->data)[r] = r % 3;
    b->columns[2] = wr_column_flatten(NULL, b->columns[1], 50);
    b->row_count = b->physical_count = 50;
    for (uint32_t k = 0; k < 3; k++) {
        assert_keys_equal_rows(keys, b, &k, 1);
        const uint32_t columns[] = { k, (k + 1) % 3 };
        assert_keys_equal_rows(keys, b, columns, 2);
    }
    wr_column_release(words);
    wr_batch_release(b);
    wr_keys_fini(keys);
    wr_free(keys);
}

static void
encoding_is_stable(void **state) /* part of the checkpoint format */
{
    (void) state;
    wr_value v[] = { int_value(WR_INT4, 1), string_value(WR_TEXT, "ab"), num_value("-12345.60"),
                     wr_value_null(WR_TYPE(WR_INT8)) };
    static const uint8_t expected[] = { 1, 0x80, 0, 0, 0, 0, 0, 0, 1,      /* int      */
                                        1, 2, 0, 0, 0, 'a', 'b',           /* text     */
                                        1, 9, 0, 1, 1, 0,                  /* numeric: */
                                        1, 0, 0x29, 0x09, 0x70, 0x17,      /* 1 2345 6000 */
                                        0 };
    wr_text to;
    wr_text_init(&to, NULL);
    for (size_t i = 0; i < WR_COUNT(v); i++)
        assert_int_equal(wr_key_encode_value(&v[i], &to), WEIR_OK);
    assert_int_equal(to.length, sizeof expected);
    assert_memory_equal(to.data, expected, sizeof expected);
    wr_text_fini(&to);
}

static void
shards_cover_all_groups(void **state)
{
    (void) state;
    for (uint32_t count = 1; count <= WR_KEY_GROUPS; count++) {
        uint32_t next = 0;
        for (uint32_t i = 0; i < count; i++) {
            wr_groups g = wr_groups_of_shard(i, count);
            assert_int_equal(g.first, next);
            assert_true(g.last >= g.first);
            for (uint32_t k = g.first; k <= g.last; k++)
                assert_int_equal(wr_shard_of_group(k, count), i);
            next = g.last + 1u;
        }
        assert_int_equal(next, WR_KEY_GROUPS);
    }
}

static void
memory_failure_is_reported(void **state)
{
    (void) state;
    wr_batch *b = mixed_batch();
    wr_keys  *keys = wr_alloc(NULL, sizeof *keys);
    for (uint32_t k = 0; k < b->column_count; k++) {
        wr_budget *budget = wr_budget_create(NULL, "small", 900);
        wr_keys_init(keys, budget);
        assert_int_equal(wr_keys_encode(keys, b, &k, 1), WEIR_MEMORY);
        wr_keys_fini(keys);
        wr_budget_destroy(budget);
    }
    wr_free(keys);
    wr_batch_release(b);
    wr_arena_fini(&arena); /* the last test: give back what the values used */
}

WR_TESTS = {
    WR_TEST(integers_of_all_widths_are_ordered),
    WR_TEST(floats_are_ordered_and_zero_is_one),
    WR_TEST(decimals_equal_by_value_in_every_form),
    WR_TEST(strings_equal_by_their_types_rules),
    WR_TEST(intervals_equal_by_length),
    WR_TEST(arrays_equal_by_items_and_shape),
    WR_TEST(decode_gives_back_what_was_encoded),
    WR_TEST(batch_keys_equal_row_keys),
    WR_TEST(layouts_give_the_same_keys),
    WR_TEST(encoding_is_stable),
    WR_TEST(shards_cover_all_groups),
    WR_TEST(memory_failure_is_reported),
    { NULL, NULL },
};
