/* SPDX-License-Identifier: Apache-2.0 */
/* batch_test.c -- B1..B5 of data/batch.h, the builder, and data/schema.h. */
#include "support/test.h"

#include "data/batch.h"

#include <stdio.h>

static wr_schema *
schema_make(wr_arena *arena)
{
    wr_schema *s = wr_schema_create(arena, 3);
    s->fields[0] = (wr_field){ .name = "id", .type = WR_TYPE(WR_INT8), .not_null = true };
    s->fields[1] = (wr_field){ .name = "name", .type = WR_TYPE(WR_TEXT), .path = "$.n" };
    s->fields[2] = (wr_field){ .name = "ts", .type = WR_TYPE(WR_TIMESTAMPTZ) };
    s->time_column = 2;
    return s;
}

/* Row r: id r, a name (NULL each 7th, long each 3rd), ts 1000 - r, diff as the caller says. */
static weir_status
builder_add_row(wr_batch_builder *b, uint32_t r, int64_t diff)
{
    char     name[64];
    wr_value row[3] = { { .type = WR_TYPE(WR_INT8), .integer = r },
                        { .type = WR_TYPE(WR_TEXT), .is_null = r % 7 == 6 },
                        { .type = WR_TYPE(WR_TIMESTAMPTZ), .integer = 1000 - (int64_t) r } };
    snprintf(name, sizeof name, r % 3 == 0 ? "a name that is long, number %u" : "n%u", r);
    row[1].string = wr_string_make(name, strlen(name));
    return wr_batch_builder_add(b, row, diff);
}

static wr_batch *
batch_make(wr_budget *budget, const wr_schema *schema, uint32_t rows, bool diffs)
{
    wr_batch_builder b;
    wr_batch_builder_init(&b, budget, schema);
    for (uint32_t r = 0; r < rows; r++)
        if (builder_add_row(&b, r, diffs && r % 4 == 2 ? -1 : 1) != WEIR_OK)
            break;
    wr_batch *batch = wr_batch_builder_count(&b) == rows ? wr_batch_builder_take(&b) : NULL;
    wr_batch_builder_fini(&b);
    return batch;
}

/* The i-th visible row of batch is row r as builder_add_row wrote it. */
static void
assert_is_row(const wr_batch *batch, uint32_t i, uint32_t r)
{
    uint32_t p = wr_batch_row(batch, i);
    wr_value v;
    char     name[64];
    assert_int_equal(wr_column_get_value(batch->columns[0], p, NULL, &v), WEIR_OK);
    assert_int_equal(v.integer, r);
    assert_int_equal(wr_column_get_value(batch->columns[1], p, NULL, &v), WEIR_OK);
    assert_int_equal(v.is_null, r % 7 == 6);
    if (!v.is_null) {
        snprintf(name, sizeof name, r % 3 == 0 ? "a name that is long, number %u" : "n%u", r);
        assert_int_equal(v.string.length, strlen(name));
        assert_memory_equal(wr_string_data(&v.string), name, strlen(name));
    }
    assert_int_equal(wr_batch_diff(batch, p), batch->diff != NULL && r % 4 == 2 ? -1 : 1);
}

static void
builder_makes_what_was_added(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_schema *schema = schema_make(&arena);
    for (int diffs = 0; diffs < 2; diffs++)
        for (uint32_t rows = 1; rows <= 4096; rows = rows * 3 + 1) {
            wr_batch *b = batch_make(NULL, schema, rows, diffs);
            wr_batch_check(b);
            assert_int_equal(b->row_count, rows);
            assert_int_equal(b->diff != NULL, diffs && rows > 2);
            assert_int_equal(b->time_max, 1000);
            assert_int_equal(b->time_min, 1000 - (int64_t) (rows - 1));
            for (uint32_t r = 0; r < rows; r++)
                assert_is_row(b, r, r);
            wr_batch_release(b);
        }
    wr_arena_fini(&arena);
}

static void
builder_is_full_at_the_limit(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_batch_builder b;
    wr_batch_builder_init(&b, NULL, schema_make(&arena));
    assert_null(wr_batch_builder_take(&b));
    for (uint32_t r = 0; r < WR_BATCH_ROWS_MAX; r++) {
        assert_false(wr_batch_builder_full(&b));
        assert_int_equal(builder_add_row(&b, r, 1), WEIR_OK);
    }
    assert_true(wr_batch_builder_full(&b));
    wr_batch *batch = wr_batch_builder_take(&b);
    assert_int_equal(batch->row_count, WR_BATCH_ROWS_MAX);
    assert_int_equal(wr_batch_builder_count(&b), 0);
    wr_batch_release(batch);
    wr_batch_builder_fini(&b);
    wr_arena_fini(&arena);
}

static void
builder_opens_for_direct_writing(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_batch_builder b;
    wr_batch        *batch;
    wr_batch_builder_init(&b, NULL, schema_make(&arena));
    assert_int_equal(builder_add_row(&b, 0, 1), WEIR_OK);
    assert_int_equal(wr_batch_builder_open(&b, 100, &batch), WEIR_OK);
    for (uint32_t r = 1; r <= 100; r++) {
        ((int64_t *) batch->columns[0]->data)[r] = r;
        assert_int_equal(wr_column_set_string(batch->columns[1], r, "direct", 6), WEIR_OK);
        ((wr_time *) batch->columns[2]->data)[r] = r;
    }
    batch->row_count = batch->physical_count = 101;
    assert_int_equal(builder_add_row(&b, 101, -1), WEIR_OK); /* the first diff comes late */
    batch = wr_batch_builder_take(&b);
    wr_batch_check(batch);
    assert_int_equal(batch->row_count, 102);
    assert_int_equal(batch->diff[50], 1);
    assert_int_equal(batch->diff[101], -1);
    wr_batch_release(batch);
    wr_batch_builder_fini(&b);
    wr_arena_fini(&arena);
}

static void
select_slice_and_compact_agree(void **state) /* B1, B2 */
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_batch *b = batch_make(NULL, schema_make(&arena), 300, true);
    b->row_watermark = wr_alloc(NULL, 300 * sizeof(wr_time));
    for (uint32_t r = 0; r < 300; r++)
        b->row_watermark[r] = r;
    b->watermark_before = 0;
    b->watermark_after = 300;
    uint16_t rows[100];
    for (uint32_t i = 0; i < 100; i++)
        rows[i] = (uint16_t) (i * 3 + 1);
    wr_batch *s = wr_batch_select(NULL, b, rows, 100);
    wr_batch_check(s);
    wr_batch *slices[] = { wr_batch_slice(NULL, s, 10, 50), wr_batch_slice(NULL, b, 17, 50),
                           wr_batch_slice(NULL, b, 0, 50) };
    const uint32_t firsts[] = { 31, 17, 0 }, steps[] = { 3, 1, 1 };
    for (int k = 0; k < 3; k++)
        for (int copy = 0; copy < 2; copy++) {
            wr_batch *c = wr_batch_compact(NULL, slices[k], copy);
            wr_batch_check(slices[k]);
            wr_batch_check(c);
            assert_null(c->selection);
            assert_int_equal(c->row_count, 50);
            assert_int_equal(c->physical_count, 50);
            assert_int_equal(c->watermark_after, 300);
            for (uint32_t i = 0; i < 50; i++) {
                uint32_t r = firsts[k] + steps[k] * i;
                assert_is_row(slices[k], i, r);
                assert_is_row(c, i, r);
                assert_int_equal(wr_batch_row_watermark(c, i), r);
            }
            wr_batch_release(c);
        }
    for (int k = 0; k < 3; k++)
        wr_batch_release(slices[k]);
    wr_batch *none = wr_batch_select(NULL, b, rows, 0);
    wr_batch_check(none);
    assert_int_equal(none->row_count, 0);
    wr_batch_release(none);
    wr_batch_release(s);
    wr_batch_release(b);
    wr_arena_fini(&arena);
}

static void
whole_batch_compacts_to_itself(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_batch *b = batch_make(NULL, schema_make(&arena), 300, false);
    wr_batch *c = wr_batch_compact(NULL, b, true); /* its strings are its own already */
    assert_ptr_equal(b, c);
    wr_batch_release(c);
    wr_batch_release(b);
    wr_arena_fini(&arena);
}

static void
compact_lets_go_of_input_buffers(void **state)
{
    (void) state;
    wr_buffer *input = wr_buffer_create(NULL, 1 << 20);
    wr_batch  *b = wr_batch_create(NULL, 1);
    b->columns[0] = wr_column_create(NULL, WR_TYPE(WR_TEXT), 100);
    assert_int_equal(wr_column_adopt_buffer(b->columns[0], input), WEIR_OK);
    memset(input->bytes, 'x', 4000);
    for (uint32_t r = 0; r < 100; r++)
        wr_column_set_view(b->columns[0], r, wr_string_make(input->bytes + r * 40, 40));
    b->row_count = b->physical_count = 100;
    wr_batch *c = wr_batch_compact(NULL, b, true);
    assert_ptr_not_equal(b, c);
    wr_batch_release(b);
    assert_int_equal(atomic_load(&input->refs), 1);
    wr_batch_check(c);
    wr_batch *d = wr_batch_slice(NULL, c, 3, 1);
    wr_batch_release(c);
    wr_buffer_release(input);
    wr_batch *e = wr_batch_compact(NULL, d, true);
    wr_batch_release(d);
    wr_batch_check(e);
    assert_true(wr_batch_bytes(e) < 8192);
    wr_batch_release(e);
}

static void
absent_columns_stay_absent(void **state) /* B6 */
{
    (void) state;
    wr_batch *b = wr_batch_create(NULL, 2);
    b->columns[1] = wr_column_create(NULL, WR_TYPE(WR_INT4), 8);
    memset(b->columns[1]->data, 0, 32);
    b->row_count = b->physical_count = 8;
    wr_batch *s = wr_batch_slice(NULL, b, 2, 3), *c = wr_batch_compact(NULL, s, true);
    wr_batch_check(c);
    assert_null(c->columns[0]);
    assert_true(wr_batch_bytes(c) > 0);
    wr_batch_release(b);
    wr_batch_release(s);
    wr_batch_release(c);
}

static void
pools_are_not_copied(void **state)
{
    (void) state;
    wr_buffer *pool = wr_buffer_create(NULL, 1 << 20);
    pool->kind = WR_BUFFER_POOL;
    memset(pool->bytes, 'x', 100);
    wr_batch *b = wr_batch_create(NULL, 1);
    b->columns[0] = wr_column_create(NULL, WR_TYPE(WR_TEXT), 1);
    assert_int_equal(wr_column_adopt_buffer(b->columns[0], pool), WEIR_OK);
    wr_column_set_view(b->columns[0], 0, wr_string_make(pool->bytes, 100));
    b->row_count = b->physical_count = 1;
    wr_batch *c = wr_batch_compact(NULL, b, true);
    assert_ptr_equal(b, c);
    wr_batch_release(b);
    wr_batch_release(c);
    wr_buffer_release(pool);
}

static void
compact_keeps_constants_and_dictionaries(void **state)
{
    (void) state;
    const char long_text[] = "a constant that does not lie inline";
    wr_value   v = { .type = WR_TYPE(WR_TEXT),
                     .string = wr_string_make(long_text, strlen(long_text)) };
    wr_batch  *b = wr_batch_create(NULL, 2);
    wr_column *words = wr_column_create(NULL, WR_TYPE(WR_TEXT), 2);
    assert_int_equal(wr_column_set_string(words, 0, "short", 5), WEIR_OK);
    assert_int_equal(wr_column_set_string(words, 1, long_text, 30), WEIR_OK);
    b->columns[0] = wr_column_create_constant(NULL, &v);
    b->columns[1] = wr_column_create_dictionary(NULL, words, 100);
    wr_column_release(words);
    for (uint32_t r = 0; r < 100; r++)
        ((uint16_t *) b->columns[1]->data)[r] = r % 2;
    b->row_count = b->physical_count = 100;
    wr_batch *s = wr_batch_slice(NULL, b, 51, 9);
    wr_batch *c = wr_batch_compact(NULL, s, false), *d = wr_batch_compact(NULL, s, true);
    wr_batch_check(c);
    wr_batch_check(d);
    assert_int_equal(c->columns[0]->layout, WR_CONSTANT);
    assert_int_equal(c->columns[1]->layout, WR_DICTIONARY);
    assert_int_equal(wr_column_index(c->columns[1], 0), 1);
    assert_int_equal(d->columns[0]->layout, WR_CONSTANT);
    assert_int_equal(d->columns[1]->layout, WR_FLAT);
    assert_int_equal(wr_column_get_value(d->columns[1], 0, NULL, &v), WEIR_OK);
    assert_int_equal(v.string.length, 30);
    wr_batch_release(b);
    wr_batch_release(s);
    wr_batch_release(c);
    wr_batch_release(d);
}

static void
unique_copies_only_when_shared(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_batch *b = batch_make(NULL, schema_make(&arena), 10, true);
    assert_ptr_equal(wr_batch_unique(b), b);
    wr_batch *mine = wr_batch_unique(wr_batch_retain(b));
    assert_ptr_not_equal(mine, b);
    assert_ptr_not_equal(mine->diff, b->diff);
    assert_ptr_equal(mine->columns[1], b->columns[1]);
    const uint32_t map[] = { 2, 0 };
    wr_batch      *p = wr_batch_pick(NULL, mine, map, 2);
    assert_ptr_equal(p->columns[1], b->columns[0]);
    wr_batch_release(mine);
    wr_batch_release(b);
    wr_batch_check(p);
    wr_batch_release(p);
    wr_arena_fini(&arena);
}

static void
marks_carry_no_rows(void **state) /* B5 */
{
    (void) state;
    wr_batch *w = wr_batch_create_watermark(NULL, 5, 9);
    wr_batch *b = wr_batch_create_barrier(NULL, 3, 9);
    wr_batch *e = wr_batch_create_end(NULL, 9);
    wr_batch_check(w);
    wr_batch_check(b);
    wr_batch_check(e);
    assert_int_equal(w->watermark_after, 9);
    assert_int_equal(b->mark, WR_MARK_BARRIER);
    assert_int_equal(b->epoch, 3);
    assert_int_equal(e->watermark_after, WR_TIME_END);
    wr_batch_release(w);
    wr_batch_release(b);
    wr_batch_release(e);
}

static void
times_skip_nulls_and_widen_dates(void **state)
{
    (void) state;
    wr_batch *b = wr_batch_create(NULL, 1);
    b->columns[0] = wr_column_create(NULL, WR_TYPE(WR_DATE), 3);
    int32_t *days = b->columns[0]->data;
    days[0] = 2;
    days[1] = INT32_MAX;
    days[2] = 0;
    assert_int_equal(wr_column_set_null(b->columns[0], 2), WEIR_OK);
    b->row_count = b->physical_count = 3;
    wr_batch_set_times(b, 0);
    assert_int_equal(b->time_min, 2 * 86400000000LL);
    assert_int_equal(b->time_max, WR_TIME_POSINF);
    b->row_count = 0;
    wr_batch_set_times(b, 0);
    assert_true(b->time_min == WR_TIME_START && b->time_max == WR_TIME_END);
    wr_batch_release(b);
}

static void
schema_copies_and_fingerprints(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_schema *a = schema_make(&arena);
    uint32_t   key[] = { 1, 0 };
    a->key = key;
    a->key_count = 2;
    wr_schema *b = wr_schema_copy(&arena, a);
    assert_int_equal(wr_schema_find(b, "ts"), 2);
    assert_int_equal(wr_schema_find(b, "TS"), -1);
    assert_string_equal(b->fields[1].path, "$.n");
    assert_int_equal(b->time_column, 2);
    assert_ptr_not_equal(a->key, b->key);
    assert_true(wr_schema_fingerprint(a) == wr_schema_fingerprint(b));
    b->key[0] = 2;
    assert_true(wr_schema_fingerprint(a) != wr_schema_fingerprint(b));
    b->key[0] = 1;
    b->fields[0].type = WR_TYPE(WR_INT4);
    assert_true(wr_schema_fingerprint(a) != wr_schema_fingerprint(b));
    wr_arena_fini(&arena);
}

static weir_status
batch_round(wr_budget *budget, const wr_schema *schema, wr_batch *whole)
{
    weir_status    status = WEIR_MEMORY;
    const uint16_t rows[] = { 0, 3, 6, 60, 90 };
    wr_batch      *made = batch_make(budget, schema, 130, true);
    wr_batch      *some = wr_batch_select(budget, whole, rows, 5);
    wr_batch      *own = NULL, *slice = NULL, *mine = NULL, *shared = NULL;
    if (made == NULL || some == NULL)
        goto done;
    own = wr_batch_compact(budget, some, true);
    shared = wr_batch_compact(budget, some, false);
    slice = wr_batch_slice(budget, whole, 40, 20);
    if (own == NULL || slice == NULL || shared == NULL)
        goto done;
    mine = wr_batch_unique(wr_batch_retain(own));
    if (mine != NULL)
        status = WEIR_OK;
done:
    wr_batch_release(made);
    wr_batch_release(some);
    wr_batch_release(own);
    wr_batch_release(shared);
    wr_batch_release(slice);
    wr_batch_release(mine);
    return status;
}

static void
memory_failure_leaks_nothing(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_schema  *schema = schema_make(&arena);
    wr_batch   *whole = batch_make(NULL, schema, 100, true);
    weir_status status = WEIR_MEMORY;
    uint32_t    failures = 0;
    for (uint64_t limit = 1; status != WEIR_OK; limit += 32, failures++) {
        wr_budget *budget = wr_budget_create(NULL, "small", limit);
        status = batch_round(budget, schema, whole);
        assert_int_equal(wr_budget_used(budget), 0);
        wr_budget_destroy(budget);
    }
    assert_true(failures > 100);
    wr_batch_check(whole);
    wr_batch_release(whole);
    wr_arena_fini(&arena);
}

WR_TESTS = {
    WR_TEST(builder_makes_what_was_added),
    WR_TEST(builder_is_full_at_the_limit),
    WR_TEST(builder_opens_for_direct_writing),
    WR_TEST(select_slice_and_compact_agree),
    WR_TEST(whole_batch_compacts_to_itself),
    WR_TEST(compact_lets_go_of_input_buffers),
    WR_TEST(absent_columns_stay_absent),
    WR_TEST(pools_are_not_copied),
    WR_TEST(compact_keeps_constants_and_dictionaries),
    WR_TEST(unique_copies_only_when_shared),
    WR_TEST(marks_carry_no_rows),
    WR_TEST(times_skip_nulls_and_widen_dates),
    WR_TEST(schema_copies_and_fingerprints),
    WR_TEST(memory_failure_leaks_nothing),
    { NULL, NULL },
};
