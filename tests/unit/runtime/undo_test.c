/* SPDX-License-Identifier: Apache-2.0 */
/* undo_test.c -- runtime/undo_back.c: what stood at a checkpoint, from the changes told since. */
#include "support/decode.h"
#include "support/test.h"

#include "runtime/undo_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct told {
    const char *rows;  /* "k,v\n" */
    const char *signs; /* one a row; NULL: all new */
    bool goes_on;
    uint32_t input;
} told;

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Visible rows as "+k|v\n" or "-k|v\n", sorted. */
static void
rows_text(const wr_schema *schema, wr_batch *b, wr_text *to)
{
    char *lines[64];
    uint32_t n = 0;
    for (uint32_t i = 0; b != NULL && i < b->row_count; i++) {
        wr_text line;
        wr_batch *one = wr_batch_slice(NULL, b, i, 1), *dense = wr_batch_compact(NULL, one, true);
        wr_text_init(&line, NULL);
        wr_text_putc(&line, wr_batch_diff(dense, 0) < 0 ? '-' : '+');
        wr_decoding_print(schema, dense->columns, 1, &line);
        wr_batch_release(one);
        wr_batch_release(dense);
        lines[n++] = wr_text_take(&line, NULL);
    }
    qsort(lines, n, sizeof *lines, by_text);
    for (uint32_t i = 0; i < n; i++) {
        wr_text_puts(to, lines[i]);
        wr_free(lines[i]);
    }
}

static undo_back *
told_all(wr_decoding *d, const told *t, int count)
{
    undo_back *back = wr_undo_back_create(NULL, d->schema);
    assert_non_null(back);
    for (int p = 0; p < count; p++) {
        int64_t diffs[16];
        size_t n = t[p].signs != NULL ? strlen(t[p].signs) : 0;
        for (size_t i = 0; i < n; i++)
            diffs[i] = t[p].signs[i] == '-' ? -1 : 1;
        wr_batch *b = wr_decoding_batch(d, t[p].rows, n > 0 ? diffs : NULL);
        b->goes_on = t[p].goes_on;
        assert_int_equal(wr_undo_back_add(back, t[p].input, b), WEIR_OK);
        wr_batch_release(b);
    }
    assert_int_equal(wr_undo_back_settle(back), WEIR_OK);
    return back;
}

/* What is told again; twice, and once more from what was put down anew. */
static void
check(const told *t, int count, bool ages, const char *want)
{
    wr_decoding d;
    uint32_t key[] = { 0 };
    wr_text got;
    wr_batch *b;
    wr_decoding_open(&d, "csv", "k text, v numeric", NULL);
    d.schema->key = key;
    d.schema->key_count = 1;
    d.schema->key_ages = ages;
    undo_back *back = told_all(&d, t, count);
    for (int turn = 0; turn < 3; turn++) {
        wr_text_init(&got, NULL);
        assert_int_equal(wr_undo_back_next(back, true, &b), WEIR_OK);
        rows_text(d.schema, b, &got);
        wr_batch_release(b);
        if (b != NULL)
            assert_int_equal(wr_undo_back_next(back, true, &b), WEIR_OK);
        assert_null(b);
        assert_string_equal(wr_text_string(&got), want);
        wr_text_fini(&got);
        if (turn != 1)
            continue;
        undo_back *anew = wr_undo_back_create(NULL, d.schema);
        assert_int_equal(wr_undo_back_next(back, false, &b), WEIR_OK);
        if (b != NULL)
            assert_int_equal(wr_undo_back_add(anew, 0, b), WEIR_OK);
        wr_batch_release(b);
        wr_undo_back_destroy(back);
        back = anew;
    }
    wr_undo_back_destroy(back);
    wr_decoding_close(&d);
}

static void
the_first_change_of_a_key_says_how_it_was(void **state)
{
    check((told[]){ { "a,1\n", NULL, false, 0 } }, 1, false, "-a|1\n");
    check((told[]){ { "a,1\na,2\n", "-+", false, 0 } }, 1, false, "+a|1\n");
    check((told[]){ { "a,1\n", "-", false, 0 } }, 1, false, "+a|1\n");
    check((told[]){ { "a,1\na,2\n", "-+", false, 0 }, { "a,2\na,3\n", "-+", false, 0 } }, 2, false,
          "+a|1\n");
    check((told[]){ { "a,1\n", NULL, false, 0 },
                    { "a,1\n", "-", false, 0 },
                    { "a,5\n", NULL, false, 0 } },
          3, false, "-a|1\n");
    check((told[]){ { "a,1\nb,1\nb,2\nc,7\n", "+-+-", false, 0 } }, 1, false, "+b|1\n+c|7\n-a|1\n");
}

static void
in_a_change_of_several_batches_the_order_does_not_count(void **state)
{
    check((told[]){ { "a,2\n", NULL, true, 0 }, { "a,1\n", "-", false, 0 } }, 2, false, "+a|1\n");
    check((told[]){ { "a,1\n", "-", true, 0 }, { "a,2\n", NULL, false, 0 } }, 2, false, "+a|1\n");
    /* it comes and goes: nothing is said of it, until a later change does */
    check((told[]){ { "a,1\n", NULL, true, 0 }, { "a,1\n", "-", false, 0 } }, 2, false, "");
    check((told[]){ { "a,1\n", NULL, true, 0 },
                    { "a,1\n", "-", false, 0 },
                    { "a,4\n", NULL, false, 0 } },
          3, false, "-a|4\n");
    check((told[]){ { "a,1\n", "-", true, 0 },
                    { "a,1\n", NULL, false, 0 },
                    { "a,1\n", "-", false, 0 } },
          3, false, "+a|1\n");
    /* the crash came within a change */
    check((told[]){ { "a,1\n", "-", true, 0 } }, 1, false, "+a|1\n");
}

static void
changes_of_several_inputs_are_told_apart(void **state)
{
    check((told[]){ { "a,2\n", NULL, true, 0 },
                    { "b,1\nb,3\n", "-+", false, 1 },
                    { "a,1\n", "-", false, 0 },
                    { "b,3\n", "-", false, 1 } },
          4, false, "+a|1\n+b|1\n");
    check((told[]){ { "a,2\n", NULL, true, 0 },
                    { "b,5\n", NULL, true, 1 },
                    { "b,5\n", "-", false, 1 },
                    { "a,1\n", "-", false, 0 } },
          4, false, "+a|1\n");
}

static void
a_row_that_may_have_been_forgotten_stays(void **state)
{
    check((told[]){ { "a,1\n", NULL, false, 0 }, { "b,1\nb,2\n", "-+", false, 0 } }, 2, true,
          "+b|1\n");
}

static void
nulls_and_display_scales_come_back(void **state)
{
    check((told[]){ { ",1.50\n,1.5\n", "-+", false, 0 } }, 1, false, "+null|1.50\n");
    check((told[]){ { "a,\na,2\n", "-+", false, 0 } }, 1, false, "+a|null\n");
}

static void
a_new_row_of_a_change_cut_off_says_nothing(void **state)
{
    check((told[]){ { "a,2\n", NULL, true, 0 } }, 1, false, "");
}

static void
one_batch_that_changes_nothing_says_how_it_was(void **state)
{
    check((told[]){ { "a,1\na,1\n", "-+", false, 0 } }, 1, false, "+a|1\n");
}

static void
a_key_that_came_and_went_in_one_batch_was_not_there(void **state)
{
    check((told[]){ { "a,1\na,1\n", "+-", false, 0 } }, 1, false, "-a|1\n");
}

static void
many_keys_take_several_batches(void **state)
{
    enum { KEYS = 10000, A_BATCH = 2000 };
    wr_decoding d;
    uint32_t key[] = { 0 };
    uint64_t rows = 0;
    wr_text text;
    wr_batch *b;
    wr_decoding_open(&d, "csv", "k text, v numeric", NULL);
    d.schema->key = key;
    d.schema->key_count = 1;
    undo_back *back = wr_undo_back_create(NULL, d.schema);
    for (int k = 0; k < KEYS; k += A_BATCH) {
        wr_text_init(&text, NULL);
        for (int i = 0; i < A_BATCH; i++)
            wr_text_printf(&text, "k%d,%d\n", k + i, i);
        b = wr_decoding_batch(&d, wr_text_string(&text), NULL);
        assert_int_equal(wr_undo_back_add(back, 0, b), WEIR_OK);
        wr_batch_release(b);
        wr_text_fini(&text);
    }
    assert_int_equal(wr_undo_back_count(back), KEYS);
    while (wr_undo_back_next(back, true, &b) == WEIR_OK && b != NULL) {
        for (uint32_t i = 0; i < b->row_count; i++)
            assert_int_equal(wr_batch_diff(b, wr_batch_row(b, i)), -1);
        rows += b->row_count;
        wr_batch_release(b);
    }
    assert_int_equal(rows, KEYS);
    wr_undo_back_destroy(back);
    wr_decoding_close(&d);
}

WR_TESTS = { WR_TEST(a_new_row_of_a_change_cut_off_says_nothing),
             WR_TEST(one_batch_that_changes_nothing_says_how_it_was),
             WR_TEST(a_key_that_came_and_went_in_one_batch_was_not_there),
             WR_TEST(the_first_change_of_a_key_says_how_it_was),
             WR_TEST(in_a_change_of_several_batches_the_order_does_not_count),
             WR_TEST(changes_of_several_inputs_are_told_apart),
             WR_TEST(a_row_that_may_have_been_forgotten_stays),
             WR_TEST(nulls_and_display_scales_come_back),
             WR_TEST(many_keys_take_several_batches),
             { NULL, NULL } };
