/* SPDX-License-Identifier: Apache-2.0 */
/* column_test.c -- C1..C3 of data/column.h, W1 and M1, M2 of its files: every layout against a
 * boxed reading of the same rows. */
#include "support/test.h"

#include "base/random.h"
#include "data/column.h"

#include <stdio.h>

static const char long_text[] = "a string that is longer than twelve bytes";

static wr_value
value_int(int64_t v)
{
    return (wr_value){ .type = WR_TYPE(WR_INT8), .integer = v };
}

static wr_value
value_text(const char *s)
{
    return (wr_value){ .type = WR_TYPE(WR_TEXT), .string = wr_string_make(s, strlen(s)) };
}

static wr_value
value_num(const char *s, wr_arena *arena)
{
    wr_value v = { .type = WR_TYPE(WR_NUMERIC) };
    assert_int_equal(wr_num_parse(s, strlen(s), arena, &v.string), WEIR_OK);
    return v;
}

/* Rows of one type, every 5th NULL when nulls; texts both short and long. */
static wr_column *
column_of(wr_type_id id, uint32_t rows, bool nulls)
{
    wr_column *c = wr_column_create(NULL, WR_TYPE(id), rows);
    assert_non_null(c);
    for (uint32_t r = 0; r < rows; r++) {
        wr_value v = wr_value_null(WR_TYPE(id));
        char     text[64];
        v.is_null = nulls && r % 5 == 3;
        switch (id) {
        case WR_BOOL: v.boolean = r % 3 == 0; break;
        case WR_FLOAT4:
        case WR_FLOAT8: v.real = r + 0.5; break;
        case WR_INTERVAL: v.interval = (wr_interval){ (int32_t) r, 2, 3 }; break;
        case WR_UUID: v.uuid.bytes[3] = (uint8_t) r; break;
        case WR_TEXT:
            snprintf(text, sizeof text, r % 2 ? "t%u" : "a rather long text, number %u", r);
            v.string = wr_string_make(text, strlen(text));
            break;
        default: v.integer = (int64_t) r - 7; break;
        }
        assert_int_equal(wr_column_set_value(c, r, &v), WEIR_OK);
    }
    wr_column_check(c, rows);
    return c;
}

static void
assert_value_equal(const wr_value *x, const wr_value *y)
{
    assert_true(wr_type_same(x->type, y->type));
    assert_int_equal(x->is_null, y->is_null);
    if (x->is_null)
        return;
    switch ((wr_type_id) x->type.id) {
    case WR_BOOL: assert_int_equal(x->boolean, y->boolean); break;
    case WR_FLOAT4:
    case WR_FLOAT8: assert_true(x->real == y->real); break;
    case WR_INTERVAL: assert_memory_equal(&x->interval, &y->interval, 16); break;
    case WR_UUID: assert_memory_equal(&x->uuid, &y->uuid, 16); break;
    case WR_NUMERIC: /* digits and display */
    case WR_TEXT: assert_true(wr_string_equal(&x->string, &y->string)); break;
    default: assert_int_equal(x->integer, y->integer); break;
    }
}

static void
assert_row_equal(const wr_column *a, uint32_t i, const wr_column *b, uint32_t j)
{
    wr_arena arena;
    wr_value x, y;
    wr_arena_init(&arena, NULL);
    assert_int_equal(wr_column_get_value(a, i, &arena, &x), WEIR_OK);
    assert_int_equal(wr_column_get_value(b, j, &arena, &y), WEIR_OK);
    assert_value_equal(&x, &y);
    wr_arena_fini(&arena);
}

static const wr_type_id all_types[] = {
    WR_BOOL, WR_INT2, WR_INT4,      WR_INT8,        WR_FLOAT4,   WR_FLOAT8, WR_TEXT,
    WR_DATE, WR_TIME, WR_TIMESTAMP, WR_TIMESTAMPTZ, WR_INTERVAL, WR_UUID,
};

static void
gather_takes_listed_rows_of_every_type(void **state)
{
    (void) state;
    uint16_t rows[100];
    for (uint32_t i = 0; i < 100; i++)
        rows[i] = (uint16_t) (i * 2 + i % 2);
    for (size_t t = 0; t < WR_COUNT(all_types); t++)
        for (int nulls = 0; nulls < 2; nulls++) {
            wr_column *c = column_of(all_types[t], 200, nulls);
            wr_column *g = wr_column_gather(NULL, c, rows, 100);
            assert_non_null(g);
            wr_column_check(g, 100);
            assert_int_equal(g->valid != NULL, nulls); /* M1 */
            for (uint32_t i = 0; i < 100; i++)
                assert_row_equal(g, i, c, rows[i]);
            wr_column_release(c);
            wr_column_check(g, 100); /* heaps outlive the first column */
            wr_column_release(g);
        }
}

static void
gather_of_valid_rows_has_no_bitmap(void **state) /* M1, M2 */
{
    (void) state;
    wr_column     *c = column_of(WR_TEXT, 200, true);
    const uint16_t rows[] = { 1, 5, 7 }; /* valid, odd: short */
    wr_column     *g = wr_column_gather(NULL, c, rows, 3);
    assert_null(g->valid);
    assert_int_equal(g->heap_count, 0);
    wr_column_release(g);
    wr_column_release(c);
}

static void
constants_and_dictionaries_flatten(void **state)
{
    (void) state;
    wr_value   text = value_text(long_text), null = wr_value_null(WR_TYPE(WR_INT4));
    wr_column *c = wr_column_create_constant(NULL, &text);
    wr_column *n = wr_column_create_constant(NULL, &null);
    wr_column *words = column_of(WR_TEXT, 10, true);
    wr_column *d = wr_column_create_dictionary(NULL, words, 300);
    for (uint32_t r = 0; r < 300; r++)
        ((uint16_t *) d->data)[r] = (uint16_t) (r * 7 % 10);
    wr_column *all[] = { c, n, d };
    for (int k = 0; k < 3; k++) {
        wr_column_check(all[k], 300);
        wr_column *f = wr_column_flatten(NULL, all[k], 300);
        assert_int_equal(f->layout, WR_FLAT);
        wr_column_check(f, 300);
        for (uint32_t r = 0; r < 300; r++)
            assert_row_equal(f, r, all[k], r);
        wr_column *again = wr_column_flatten(NULL, f, 300);
        assert_ptr_equal(again, f);
        wr_column_release(again);
        wr_column_release(f);
    }
    wr_column_release(words);
    wr_column_release(c);
    wr_column_release(n);
    wr_column_release(d);
}

/* Append slices of three layouts at odd places, adopting and copying, and compare row by row. */
static void
append_grows_and_keeps_rows(void **state)
{
    (void) state;
    wr_random random;
    wr_random_init(&random, 7);
    for (int copy = 0; copy < 2; copy++)
        for (size_t t = 0; t < WR_COUNT(all_types); t++) {
            wr_column *from = column_of(all_types[t], 200, true);
            wr_column *dictionary = wr_column_create_dictionary(NULL, from, 200);
            for (uint32_t r = 0; r < 200; r++)
                ((uint16_t *) dictionary->data)[r] = (uint16_t) (199 - r);
            wr_column *to = wr_column_create(NULL, WR_TYPE(all_types[t]), 0);
            uint16_t   origin[3000];
            uint32_t   count = 0;
            while (count + 130 < WR_COUNT(origin)) {
                uint32_t n = (uint32_t) wr_random_below(&random, 130);
                uint16_t rows[130];
                bool     listed = wr_random_below(&random, 2);
                bool     by_dictionary = wr_random_below(&random, 2);
                for (uint32_t i = 0; i < n; i++) {
                    rows[i] = (uint16_t) (listed ? wr_random_below(&random, 200) : i);
                    origin[count + i] = (uint16_t) (by_dictionary ? 199 - rows[i] : rows[i]);
                }
                assert_int_equal(wr_column_append(to, count, by_dictionary ? dictionary : from,
                                                  listed ? rows : NULL, n, copy),
                                 WEIR_OK);
                count += n;
            }
            if (copy == 0)
                assert_true(to->heap_count <= from->heap_count); /* none adopted twice */
            else
                wr_column_check(to, count);
            for (uint32_t r = 0; r < count; r++)
                assert_row_equal(to, r, from, origin[r]);
            wr_column_release(from);
            wr_column_release(dictionary);
            wr_column_check(to, count);
            wr_column_release(to);
        }
}

static void
constant_long_string_is_copied_once(void **state)
{
    (void) state;
    wr_value   text = value_text(long_text);
    wr_column *c = wr_column_create_constant(NULL, &text);
    wr_column *to = wr_column_create(NULL, WR_TYPE(WR_TEXT), 0);
    assert_int_equal(wr_column_append(to, 0, c, NULL, 4096, true), WEIR_OK);
    assert_int_equal(to->heap_count, 1);
    assert_int_equal(to->heaps[0]->length, strlen(long_text));
    assert_int_equal(to->capacity, 4096);
    wr_column_release(c);
    wr_column_check(to, 4096);
    wr_column_release(to);
}

static void
many_sources_do_not_pin_many_heaps(void **state)
{
    (void) state;
    wr_column     *to = wr_column_create(NULL, WR_TYPE(WR_TEXT), 0);
    const uint16_t row = 0;
    for (uint32_t i = 0; i < 500; i++) {
        wr_column *from = column_of(WR_TEXT, 1, false);
        assert_int_equal(wr_column_append(to, i, from, &row, 1, false), WEIR_OK);
        wr_column_release(from);
    }
    assert_true(to->heap_count <= 70);
    wr_column_check(to, 500);
    wr_column_release(to);
}

static void
shared_heap_is_not_written(void **state)
{
    (void) state;
    wr_column *a = wr_column_create(NULL, WR_TYPE(WR_TEXT), 4);
    assert_int_equal(wr_column_set_string(a, 0, long_text, strlen(long_text)), WEIR_OK);
    wr_column *b = wr_column_gather(NULL, a, (const uint16_t[]){ 0 }, 1);
    wr_buffer *heap = a->heaps[0];
    size_t     length = heap->length;
    assert_ptr_equal(b->heaps[0], heap);
    assert_int_equal(wr_column_reserve(b, 1, 4), WEIR_OK);
    assert_int_equal(wr_column_set_string(b, 1, long_text, strlen(long_text)), WEIR_OK);
    assert_int_equal(wr_column_set_string(a, 1, long_text, strlen(long_text)), WEIR_OK);
    assert_int_equal(heap->length, length);
    wr_column_release(a);
    wr_column_check(b, 2);
    wr_column_release(b);
}

static void
adopted_buffer_is_not_written(void **state)
{
    (void) state;
    wr_buffer *input = wr_buffer_create(NULL, 100);
    memcpy(input->bytes, long_text, sizeof long_text); /* a holder may leave length alone */
    wr_column *c = wr_column_create(NULL, WR_TYPE(WR_TEXT), 2);
    assert_int_equal(wr_column_adopt_buffer(c, input), WEIR_OK);
    assert_int_equal(wr_column_adopt_buffer(c, input), WEIR_OK);
    assert_int_equal(c->heap_count, 1);
    wr_column_set_view(c, 0, wr_string_make(input->bytes, strlen(long_text)));
    wr_buffer_release(input);
    char big[60];
    memset(big, 'x', sizeof big);
    assert_int_equal(wr_column_set_string(c, 1, big, sizeof big), WEIR_OK);
    assert_memory_equal(wr_string_data((wr_string *) c->data), long_text, strlen(long_text));
    wr_column_check(c, 2);
    wr_column_release(c);
}

static void
heaps_double_and_large_strings_stand_apart(void **state)
{
    (void) state;
    wr_column *c = wr_column_create(NULL, WR_TYPE(WR_TEXT), 4096);
    char      *big = wr_alloc(NULL, 1 << 20);
    memset(big, 'y', 1 << 20);
    for (uint32_t r = 0; r < 4096; r++)
        assert_int_equal(wr_column_set_string(c, r, big, r == 100 ? 1 << 20 : 100), WEIR_OK);
    wr_column_check(c, 4096);
    assert_true(c->heap_count < 12);
    size_t held = wr_column_bytes(c) - (1 << 20);
    assert_true(held < 4096 * (100 + 16) + (300 << 10));
    wr_free(big);
    wr_column_release(c);
}

static void
null_then_value_reads_as_value(void **state) /* a row may be written again */
{
    (void) state;
    wr_column *c = wr_column_create(NULL, WR_TYPE(WR_INT8), 70);
    wr_value   v = value_int(5), out;
    for (uint32_t r = 0; r < 70; r++)
        assert_int_equal(wr_column_set_value(c, r, &v), WEIR_OK);
    assert_int_equal(wr_column_set_null(c, 65), WEIR_OK);
    assert_int_equal(((int64_t *) c->data)[65], 0); /* C2 */
    assert_true(wr_column_is_null(c, 65));
    assert_false(wr_column_is_null(c, 64));
    assert_int_equal(wr_column_set_value(c, 65, &v), WEIR_OK);
    assert_int_equal(wr_column_get_value(c, 65, NULL, &out), WEIR_OK);
    assert_int_equal(out.integer, 5);
    wr_column_release(c);
}

/* --- numeric --- */

static void
assert_numeric_is(const wr_column *c, uint32_t row, const char *text)
{
    wr_arena arena;
    wr_value v;
    wr_text  out;
    wr_arena_init(&arena, NULL);
    wr_text_init(&out, NULL);
    assert_int_equal(wr_column_get_value(c, row, &arena, &v), WEIR_OK);
    wr_num_print(&v.string, &out);
    assert_string_equal(wr_text_string(&out), text);
    wr_text_fini(&out);
    wr_arena_fini(&arena);
}

static wr_column *
numerics(wr_decimal_form form, int scale, const char *const *texts, uint32_t count)
{
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_column *c = wr_column_create_decimal(NULL, WR_TYPE(WR_NUMERIC), form, scale, count);
    for (uint32_t r = 0; r < count; r++) {
        wr_value v = value_num(texts[r], &arena);
        assert_int_equal(wr_column_set_value(c, r, &v), WEIR_OK);
    }
    wr_arena_fini(&arena);
    wr_column_check(c, count);
    return c;
}

static void
numeric_column_promotes_only_as_it_must(void **state)
{
    (void) state;
    static const char *const texts[] = { "1.50", "-2.00", "123456789012345678901.25", "3.125",
                                         "NaN", "1e200" };
    wr_decimal_form          forms[] = { WR_DEC64, WR_DEC64, WR_DEC128, WR_NUM, WR_NUM, WR_NUM };
    for (uint32_t n = 1; n <= WR_COUNT(texts); n++) {
        wr_column *c = numerics(WR_DEC64, 0, texts, n); /* the first row sets scale 2 */
        assert_int_equal(c->form, forms[n - 1]);
        for (uint32_t r = 0; r < WR_MIN(n, 5u); r++)
            assert_numeric_is(c, r, texts[r]);
        wr_column_release(c);
    }
}

static void
numeric_constant_takes_narrowest_form(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    const char     *texts[] = { "0.908", "123456789012345678901", "Infinity", "0" };
    wr_decimal_form forms[] = { WR_DEC64, WR_DEC128, WR_NUM, WR_DEC64 };
    for (int i = 0; i < 4; i++) {
        wr_value   v = value_num(texts[i], &arena);
        wr_column *c = wr_column_create_constant(NULL, &v);
        assert_int_equal(c->form, forms[i]);
        assert_numeric_is(c, 77, texts[i]);
        wr_column_release(c);
    }
    wr_arena_fini(&arena);
}

static void
numeric_append_reconciles_forms(void **state)
{
    (void) state;
    static const char *const small[] = { "1.50", "2.25" };
    static const char *const wide[] = { "123456789012345678901.25", "7.00" };
    static const char *const other[] = { "3.125", "4.000" };
    static const char *const nums[] = { "NaN", "8.00" };
    static const char *const *const sets[] = { small, wide, other, nums };
    const wr_decimal_form           own[] = { WR_DEC64, WR_DEC128, WR_DEC64, WR_NUM };
    const wr_decimal_form           joined[4][4] = {
        { WR_DEC64, WR_DEC128, WR_NUM, WR_NUM },
        { WR_DEC128, WR_DEC128, WR_NUM, WR_NUM },
        { WR_NUM, WR_NUM, WR_DEC64, WR_NUM },
        { WR_NUM, WR_NUM, WR_NUM, WR_NUM },
    };
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            wr_column *to = wr_column_create(NULL, WR_TYPE(WR_NUMERIC), 0);
            wr_column *x = numerics(own[a] == WR_NUM ? WR_NUM : WR_DEC64, 2, sets[a], 2);
            wr_column *y = numerics(own[b] == WR_NUM ? WR_NUM : WR_DEC64, 2, sets[b], 2);
            assert_int_equal(x->form, own[a]);
            assert_int_equal(wr_column_append(to, 0, x, NULL, 2, true), WEIR_OK);
            assert_int_equal(wr_column_append(to, 2, y, NULL, 2, true), WEIR_OK);
            assert_int_equal(to->form, joined[a][b]);
            wr_column_release(x);
            wr_column_release(y);
            wr_column_check(to, 4);
            for (uint32_t r = 0; r < 2; r++) {
                assert_numeric_is(to, r, sets[a][r]);
                assert_numeric_is(to, r + 2, sets[b][r]);
            }
            wr_column_release(to);
        }
}

static void
numeric_nulls_take_any_form(void **state)
{
    (void) state;
    static const char *const small[] = { "1.50", "2.25" };
    wr_value                 null = wr_value_null(WR_TYPE(WR_NUMERIC));
    wr_column               *nulls = wr_column_create(NULL, WR_TYPE(WR_NUMERIC), 2);
    wr_column               *x = numerics(WR_DEC64, 2, small, 2);
    assert_int_equal(wr_column_set_value(nulls, 0, &null), WEIR_OK);
    assert_int_equal(wr_column_set_value(nulls, 1, &null), WEIR_OK);
    wr_column *to = wr_column_create(NULL, WR_TYPE(WR_NUMERIC), 0);
    assert_int_equal(wr_column_append(to, 0, nulls, NULL, 2, true), WEIR_OK);
    assert_int_equal(wr_column_append(to, 2, x, NULL, 2, true), WEIR_OK);
    assert_int_equal(wr_column_append(to, 4, nulls, NULL, 2, true), WEIR_OK);
    assert_int_equal(to->form, WR_DEC64);
    wr_column_check(to, 6);
    assert_true(wr_column_is_null(to, 1) && wr_column_is_null(to, 5));
    assert_numeric_is(to, 3, "2.25");
    wr_column_release(to);
    wr_column_release(x);
    wr_column_release(nulls);
}

static void
decimal_rescale_that_overflows_changes_nothing(void **state) /* W1 */
{
    (void) state;
    static const char *const texts[] = { "9000000000000000.00" };
    wr_column               *c = numerics(WR_DEC64, 2, texts, 1);
    assert_int_equal(wr_column_promote(c, 1, WR_DEC64, 4), WEIR_ROW_OVERFLOW);
    assert_numeric_is(c, 0, texts[0]);
    assert_int_equal(wr_column_promote(c, 1, WR_DEC128, 4), WEIR_OK);
    assert_numeric_is(c, 0, "9000000000000000.0000");
    assert_int_equal(wr_column_promote(c, 1, WR_NUM, 0), WEIR_OK);
    assert_numeric_is(c, 0, "9000000000000000.0000");
    wr_column_release(c);
}

/* --- memory runs out at every allocation in turn --- */

static weir_status
column_round(wr_budget *budget, const wr_column *texts, const wr_column *small,
             const wr_column *wide)
{
    weir_status    status = WEIR_MEMORY;
    const uint16_t rows[] = { 0, 2, 3, 150 };
    wr_column     *g = wr_column_gather(budget, texts, rows, 4);
    wr_column     *to = wr_column_create(budget, WR_TYPE(WR_TEXT), 0);
    wr_column     *n = wr_column_create(budget, WR_TYPE(WR_NUMERIC), 0);
    if (g == NULL || to == NULL || n == NULL)
        goto done;
    WR_TRY_GOTO(wr_column_append(to, 0, texts, NULL, 200, true));
    WR_TRY_GOTO(wr_column_append(to, 200, g, NULL, 4, false));
    WR_TRY_GOTO(wr_column_append(n, 0, small, NULL, 2, true));
    status = wr_column_append(n, 2, wide, NULL, 2, true);
    wr_column_check(n, 2); /* W1 */
    assert_numeric_is(n, 1, "2.25");
done:
    wr_column_release(g);
    wr_column_release(to);
    wr_column_release(n);
    return status;
}

static void
memory_failure_leaks_nothing(void **state)
{
    (void) state;
    static const char *const small_texts[] = { "1.50", "2.25" };
    static const char *const wide_texts[] = { "123456789012345678901.125", "7.125" };
    wr_column               *texts = column_of(WR_TEXT, 200, true);
    wr_column               *small = numerics(WR_DEC64, 2, small_texts, 2);
    wr_column               *wide = numerics(WR_DEC64, 2, wide_texts, 2);
    uint64_t                 failures = 0;
    weir_status              status = WEIR_MEMORY;
    for (uint64_t limit = 1; status != WEIR_OK; limit += 16) {
        wr_budget *budget = wr_budget_create(NULL, "small", limit);
        status = column_round(budget, texts, small, wide);
        assert_true(status == WEIR_OK || status == WEIR_MEMORY);
        failures += status != WEIR_OK;
        assert_int_equal(wr_budget_used(budget), 0);
        wr_budget_destroy(budget);
    }
    assert_true(failures > 50);
    wr_column_release(texts);
    wr_column_release(small);
    wr_column_release(wide);
}

WR_TESTS = {
    WR_TEST(gather_takes_listed_rows_of_every_type),
    WR_TEST(gather_of_valid_rows_has_no_bitmap),
    WR_TEST(constants_and_dictionaries_flatten),
    WR_TEST(append_grows_and_keeps_rows),
    WR_TEST(constant_long_string_is_copied_once),
    WR_TEST(many_sources_do_not_pin_many_heaps),
    WR_TEST(shared_heap_is_not_written),
    WR_TEST(adopted_buffer_is_not_written),
    WR_TEST(heaps_double_and_large_strings_stand_apart),
    WR_TEST(null_then_value_reads_as_value),
    WR_TEST(numeric_column_promotes_only_as_it_must),
    WR_TEST(numeric_constant_takes_narrowest_form),
    WR_TEST(numeric_append_reconciles_forms),
    WR_TEST(numeric_nulls_take_any_form),
    WR_TEST(decimal_rescale_that_overflows_changes_nothing),
    WR_TEST(memory_failure_leaks_nothing),
    { NULL, NULL },
};
