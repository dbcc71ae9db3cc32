/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_test.c -- S1 and S2 of data/snapshot.h. */
#include "support/test.h"

#include "base/random.h"
#include "data/snapshot.h"

#include <math.h>
#include <stdio.h>

static const uint64_t longs[] = { 0, 1, 127, 128, 16383, 16384, 1ull << 62, UINT64_MAX - 1,
                                  UINT64_MAX };

static void
numbers_come_back(void **state) /* S1 */
{
    (void) state;
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    size_t             length;
    wr_snapshot_writer_init(&w, NULL);
    wr_snapshot_begin(&w, 7);
    for (size_t i = 0; i < WR_COUNT(longs); i++) {
        wr_snapshot_put_u64(&w, longs[i]);
        wr_snapshot_put_i64(&w, (int64_t) longs[i]);
        wr_snapshot_put_i64(&w, -(int64_t) (longs[i] >> 1));
    }
    wr_snapshot_put_i64(&w, INT64_MIN);
    wr_snapshot_put_f64(&w, -0.0);
    wr_snapshot_put_bytes(&w, "abc", 3);
    wr_snapshot_put_bytes(&w, "", 0);
    wr_snapshot_end(&w);
    assert_int_equal(wr_snapshot_finish(&w), WEIR_OK);

    wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, WR_GROUPS_ALL);
    assert_true(wr_snapshot_next(&r));
    assert_int_equal(r.group, 7);
    for (size_t i = 0; i < WR_COUNT(longs); i++) {
        assert_true(wr_snapshot_get_u64(&r) == longs[i]);
        assert_true(wr_snapshot_get_i64(&r) == (int64_t) longs[i]);
        assert_true(wr_snapshot_get_i64(&r) == -(int64_t) (longs[i] >> 1));
    }
    assert_true(wr_snapshot_get_i64(&r) == INT64_MIN);
    assert_true(signbit(wr_snapshot_get_f64(&r)));
    assert_memory_equal(wr_snapshot_get_bytes(&r, &length), "abc", 3);
    assert_int_equal(length, 3);
    assert_true(wr_snapshot_more(&r));
    assert_non_null(wr_snapshot_get_bytes(&r, &length));
    assert_int_equal(length, 0);
    assert_false(wr_snapshot_more(&r));
    assert_false(wr_snapshot_next(&r));
    assert_int_equal(wr_snapshot_reader_status(&r), WEIR_OK);
    wr_snapshot_writer_fini(&w);
}

static void
reader_sees_its_groups_and_the_global_one(void **state)
{
    (void) state;
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    wr_snapshot_writer_init(&w, NULL);
    const uint32_t groups[] = { 200, WR_SNAPSHOT_GLOBAL, 3, 100, 101, 100, 255, 0 };
    for (size_t i = 0; i < WR_COUNT(groups); i++) {
        wr_snapshot_begin(&w, groups[i]);
        for (size_t k = 0; k < i; k++) /* sections of several lengths, one empty */
            wr_snapshot_put_u64(&w, groups[i]);
        wr_snapshot_end(&w);
    }
    wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, (wr_groups){ 100, 199 });
    const uint32_t wanted[] = { WR_SNAPSHOT_GLOBAL, 100, 101, 100 };
    for (size_t i = 0; i < WR_COUNT(wanted); i++) {
        assert_true(wr_snapshot_next(&r)); /* what is left unread is skipped */
        assert_int_equal(r.group, wanted[i]);
        assert_int_equal(wr_snapshot_get_u64(&r), wanted[i]);
    }
    assert_false(wr_snapshot_next(&r));
    assert_int_equal(wr_snapshot_reader_status(&r), WEIR_OK);
    wr_snapshot_reader_init(&r, NULL, 0, WR_GROUPS_ALL);
    assert_false(wr_snapshot_next(&r));
    assert_int_equal(wr_snapshot_reader_status(&r), WEIR_OK);
    wr_snapshot_writer_fini(&w);
}

static void
reading_beyond_a_section_fails(void **state) /* S2 */
{
    (void) state;
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    size_t             length;
    wr_snapshot_writer_init(&w, NULL);
    wr_snapshot_begin(&w, 1);
    wr_snapshot_put_u64(&w, 5);
    wr_snapshot_end(&w);
    wr_snapshot_begin(&w, 1);
    wr_snapshot_put_u64(&w, 6);
    wr_snapshot_end(&w);
    for (int kind = 0; kind < 4; kind++) {
        wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, WR_GROUPS_ALL);
        assert_true(wr_snapshot_next(&r));
        if (kind == 0)
            assert_int_equal(wr_snapshot_get_u64(&r) + wr_snapshot_get_u64(&r), 5);
        else if (kind == 1)
            assert_true(wr_snapshot_get_f64(&r) == 0);
        else if (kind == 2)
            assert_null(wr_snapshot_get_bytes(&r, &length));
        else
            r.end--; /* the file is cut in the second section */
        if (kind == 2)
            assert_int_equal(length, 0);
        assert_false(wr_snapshot_next(&r));
        assert_int_equal(wr_snapshot_reader_status(&r), WEIR_CHECKPOINT_CORRUPT);
        assert_int_equal(wr_snapshot_get_u64(&r), 0);
    }
    wr_snapshot_writer_fini(&w);
}

/* --- values and batches --- */

enum { ROWS = 300 };

static const wr_type_id kinds[] = { WR_BOOL, WR_INT2, WR_INT4, WR_INT8, WR_FLOAT4, WR_FLOAT8,
                                    WR_NUMERIC, WR_TEXT, WR_DATE, WR_TIMESTAMPTZ, WR_INTERVAL,
                                    WR_UUID, WR_JSONB };

static wr_value
value_at(wr_type_id id, uint32_t r, wr_arena *arena)
{
    char     text[64];
    wr_value v = { .type = WR_TYPE(id), .is_null = r % 5 == 4, .integer = (int64_t) r * 7 - 100 };
    snprintf(text, sizeof text, r % 3 ? "%u.5" : "%u0000000000000000000000.25", r);
    switch (id) {
    case WR_BOOL: v.boolean = r % 2; break;
    case WR_FLOAT4:
    case WR_FLOAT8: v.real = r * 0.25; break;
    case WR_NUMERIC:
        assert_int_equal(wr_num_parse(text, strlen(text), arena, &v.string), WEIR_OK);
        break;
    case WR_TEXT:
    case WR_JSONB:
        v.string = wr_string_make(wr_arena_strdup(arena, text), strlen(text));
        break;
    case WR_INTERVAL: v.interval = (wr_interval){ (int32_t) r, -5, 77 }; break;
    case WR_UUID: v.uuid.bytes[5] = (uint8_t) r; break;
    default: break;
    }
    return v;
}

static void
assert_same(const wr_value *a, const wr_value *b)
{
    wr_text x, y;
    assert_true(wr_type_equal(a->type, b->type));
    assert_int_equal(a->is_null, b->is_null);
    wr_text_init(&x, NULL);
    wr_text_init(&y, NULL);
    if (a->type.id == WR_NUMERIC && !a->is_null)
        assert_true(wr_string_equal(&a->string, &b->string)); /* with its display scale */
    assert_int_equal(wr_key_encode_value(a, &x), WEIR_OK);
    assert_int_equal(wr_key_encode_value(b, &y), WEIR_OK);
    assert_int_equal(x.length, y.length);
    assert_memory_equal(x.data, y.data, x.length);
    wr_text_fini(&x);
    wr_text_fini(&y);
}

static void
values_come_back(void **state) /* S1, S2 */
{
    (void) state;
    wr_arena           arena;
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    wr_value           v, out;
    wr_arena_init(&arena, NULL);
    wr_snapshot_writer_init(&w, NULL);
    wr_snapshot_begin(&w, 0);
    for (size_t k = 0; k < WR_COUNT(kinds); k++)
        for (uint32_t row = 0; row < 6; row++) {
            v = value_at(kinds[k], row, &arena);
            assert_int_equal(wr_snapshot_put_value(&w, &v), WEIR_OK);
        }
    v = (wr_value){ .type = { WR_NUMERIC, 0, 2, 12 }, .is_null = true };
    assert_int_equal(wr_snapshot_put_value(&w, &v), WEIR_OK);
    wr_snapshot_end(&w);
    wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, WR_GROUPS_ALL);
    assert_true(wr_snapshot_next(&r));
    for (size_t k = 0; k < WR_COUNT(kinds); k++)
        for (uint32_t row = 0; row < 6; row++) {
            v = value_at(kinds[k], row, &arena);
            assert_int_equal(wr_snapshot_get_value(&r, &arena, &out), WEIR_OK);
            assert_same(&v, &out);
        }
    assert_int_equal(wr_snapshot_get_value(&r, &arena, &out), WEIR_OK);
    assert_true(out.is_null && out.type.modifier == 12 && out.type.scale == 2);
    assert_int_equal(wr_snapshot_get_value(&r, &arena, &out), WEIR_CHECKPOINT_CORRUPT);
    wr_snapshot_writer_fini(&w);
    wr_arena_fini(&arena);
}

static wr_schema *
schema_make(wr_arena *arena)
{
    wr_schema *s = wr_schema_create(arena, WR_COUNT(kinds) + 2);
    for (size_t k = 0; k < WR_COUNT(kinds); k++)
        s->fields[k] = (wr_field){ .name = "c", .type = WR_TYPE(kinds[k]) };
    s->fields[WR_COUNT(kinds)].type = WR_TYPE(WR_TEXT);
    s->fields[WR_COUNT(kinds) + 1].type = WR_TYPE(WR_TEXT);
    s->time_column = 9;
    return s;
}

/* A column of every kind, then a constant and a dictionary. */
static wr_batch *
batch_make(wr_budget *budget, const wr_schema *schema, wr_arena *arena)
{
    enum { DICTIONARY = WR_COUNT(kinds) + 1 };
    wr_batch  *b = wr_batch_create(budget, schema->field_count);
    wr_value   word = value_at(WR_TEXT, 3, arena);
    wr_column *words = wr_column_create(budget, WR_TYPE(WR_TEXT), 10);
    for (uint32_t row = 0; row < 10; row++) {
        wr_value v = value_at(WR_TEXT, row, arena);
        assert_int_equal(wr_column_set_value(words, row, &v), WEIR_OK);
    }
    for (size_t k = 0; k < WR_COUNT(kinds); k++) {
        b->columns[k] = wr_column_create(budget, WR_TYPE(kinds[k]), ROWS);
        for (uint32_t row = 0; row < ROWS; row++) {
            wr_value v = value_at(kinds[k], row, arena);
            assert_int_equal(wr_column_set_value(b->columns[k], row, &v), WEIR_OK);
        }
    }
    b->columns[WR_COUNT(kinds)] = wr_column_create_constant(budget, &word);
    b->columns[DICTIONARY] = wr_column_create_dictionary(budget, words, ROWS);
    for (uint32_t row = 0; row < ROWS; row++)
        ((uint16_t *) b->columns[DICTIONARY]->data)[row] = (uint16_t) (row % 10);
    wr_column_release(words);
    b->row_count = b->physical_count = ROWS;
    b->diff = wr_alloc(budget, ROWS * sizeof *b->diff);
    for (uint32_t row = 0; row < ROWS; row++)
        b->diff[row] = row % 2 ? -1 : 1 + (int64_t) row;
    return b;
}

static void
assert_batches_equal(const wr_batch *a, const wr_batch *b, wr_arena *arena)
{
    assert_int_equal(a->row_count, b->row_count);
    assert_int_equal(a->column_count, b->column_count);
    for (uint32_t i = 0; i < a->row_count; i++) {
        uint32_t x = wr_batch_row(a, i), y = wr_batch_row(b, i);
        assert_int_equal(wr_batch_diff(a, x), wr_batch_diff(b, y));
        for (uint32_t k = 0; k < a->column_count; k++) {
            wr_value v, u;
            assert_int_equal(wr_column_get_value(a->columns[k], x, arena, &v), WEIR_OK);
            assert_int_equal(wr_column_get_value(b->columns[k], y, arena, &u), WEIR_OK);
            assert_same(&v, &u);
        }
    }
}

static void
batches_come_back(void **state) /* S1 */
{
    (void) state;
    wr_arena           arena;
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    wr_arena_init(&arena, NULL);
    wr_schema *schema = schema_make(&arena);
    wr_batch  *whole = batch_make(NULL, schema, &arena);
    uint16_t   rows[ROWS / 4];
    for (uint32_t i = 0; i < WR_COUNT(rows); i++)
        rows[i] = (uint16_t) (4 * i + 3);
    wr_batch *all[] = { whole, wr_batch_select(NULL, whole, rows, WR_COUNT(rows)),
                        wr_batch_slice(NULL, whole, 0, 70), wr_batch_slice(NULL, whole, 5, 0),
                        wr_batch_compact(NULL, whole, true) };
    wr_snapshot_writer_init(&w, NULL);
    wr_snapshot_begin(&w, WR_SNAPSHOT_GLOBAL);
    for (size_t i = 0; i < WR_COUNT(all); i++)
        assert_int_equal(wr_snapshot_put_batch(&w, all[i]), WEIR_OK);
    wr_snapshot_end(&w);
    assert_int_equal(wr_snapshot_finish(&w), WEIR_OK);
    wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, (wr_groups){ 1, 2 });
    assert_true(wr_snapshot_next(&r));
    for (size_t i = 0; i < WR_COUNT(all); i++) {
        wr_batch *back = NULL;
        assert_int_equal(wr_snapshot_get_batch(&r, NULL, schema, &back), WEIR_OK);
        wr_batch_check(back);
        assert_batches_equal(all[i], back, &arena);
        wr_batch_release(back);
        wr_batch_release(all[i]);
    }
    assert_false(wr_snapshot_more(&r));
    assert_false(wr_snapshot_next(&r));
    assert_int_equal(wr_snapshot_reader_status(&r), WEIR_OK);
    wr_snapshot_writer_fini(&w);
    wr_arena_fini(&arena);
}

/* Cut anywhere, or with any byte changed, a batch is refused or well formed. */
static void
damaged_batches_are_refused_or_whole(void **state) /* S2 */
{
    (void) state;
    wr_arena           arena;
    wr_snapshot_writer w;
    wr_random          random;
    wr_arena_init(&arena, NULL);
    wr_random_init(&random, 11);
    wr_schema *schema = schema_make(&arena);
    wr_batch  *whole = batch_make(NULL, schema, &arena), *some = wr_batch_slice(NULL, whole, 20, 9);
    wr_snapshot_writer_init(&w, NULL);
    wr_snapshot_begin(&w, 0);
    assert_int_equal(wr_snapshot_put_batch(&w, some), WEIR_OK);
    wr_snapshot_end(&w);
    for (size_t k = 0; k < 20000 + w.bytes.length; k++) {
        wr_snapshot_reader r;
        wr_batch          *back = NULL;
        bool               cut = k < w.bytes.length;
        size_t             at = wr_random_below(&random, w.bytes.length);
        char              *bytes = wr_alloc(NULL, w.bytes.length); /* its own block: ASan watches */
        memcpy(bytes, w.bytes.data, w.bytes.length);
        if (!cut)
            bytes[at] = (char) wr_random_next(&random);
        wr_snapshot_reader_init(&r, bytes, cut ? k : w.bytes.length, WR_GROUPS_ALL);
        if (wr_snapshot_next(&r)) {
            assert_false(cut);
            weir_status status = wr_snapshot_get_batch(&r, NULL, schema, &back);
            assert_int_equal(status, wr_snapshot_reader_status(&r));
            if (status == WEIR_OK)
                wr_batch_check(back);
            wr_batch_release(back);
        }
        wr_free(bytes);
    }
    wr_snapshot_writer_fini(&w);
    wr_batch_release(some);
    wr_batch_release(whole);
    wr_arena_fini(&arena);
}

static weir_status
snapshot_round(wr_budget *budget, const wr_schema *schema, const wr_batch *batch)
{
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    wr_batch          *back = NULL;
    wr_snapshot_writer_init(&w, budget);
    wr_snapshot_begin(&w, 9);
    weir_status status = wr_snapshot_put_batch(&w, batch);
    wr_snapshot_end(&w);
    weir_status finished = wr_snapshot_finish(&w);
    if (status == WEIR_OK)
        status = finished;
    if (status == WEIR_OK) {
        wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, WR_GROUPS_ALL);
        assert_true(wr_snapshot_next(&r));
        status = wr_snapshot_get_batch(&r, budget, schema, &back);
        assert_false(r.failed); /* short of memory is not damage */
    }
    wr_batch_release(back);
    wr_snapshot_writer_fini(&w);
    return status;
}

static void
memory_failure_leaks_nothing(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_schema  *schema = schema_make(&arena);
    wr_batch   *whole = batch_make(NULL, schema, &arena);
    wr_batch   *some = wr_batch_slice(NULL, whole, 10, 100);
    weir_status status = WEIR_MEMORY;
    uint32_t    failures = 0;
    for (uint64_t limit = 1; status != WEIR_OK; limit += 64, failures++) {
        wr_budget *budget = wr_budget_create(NULL, "small", limit);
        status = snapshot_round(budget, schema, some);
        assert_true(status == WEIR_OK || status == WEIR_MEMORY);
        assert_int_equal(wr_budget_used(budget), 0);
        wr_budget_destroy(budget);
    }
    assert_true(failures > 100);
    wr_batch_release(some);
    wr_batch_release(whole);
    wr_arena_fini(&arena);
}

WR_TESTS = {
    WR_TEST(numbers_come_back),
    WR_TEST(reader_sees_its_groups_and_the_global_one),
    WR_TEST(reading_beyond_a_section_fails),
    WR_TEST(values_come_back),
    WR_TEST(batches_come_back),
    WR_TEST(damaged_batches_are_refused_or_whole),
    WR_TEST(memory_failure_leaks_nothing),
    { NULL, NULL },
};
