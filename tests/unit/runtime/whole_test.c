/* SPDX-License-Identifier: Apache-2.0 */
/* whole_test.c -- W1, W2 of runtime/whole.c: the batches of one change by key. */
#include "support/decode.h"
#include "support/test.h"

#include "runtime/whole.h"

#include <string.h>

typedef struct piece {
    const char *rows;  /* "k,v\n" */
    const char *signs; /* one a row; NULL: all new */
} piece;

/* The pieces, all but the last of which go on; "+k|v\n" of what comes, and "." where it is whole. */
static void
check(const piece *pieces, int count, bool ends, const char *want)
{
    wr_decoding d;
    wr_whole    w;
    uint32_t    key[] = { 0 };
    wr_text     got, line;
    wr_text_init(&got, NULL);
    wr_text_init(&line, NULL);
    wr_decoding_open(&d, "csv", "k text, v numeric", NULL);
    d.schema->key = key;
    d.schema->key_count = 1;
    wr_whole_init(&w, NULL, d.schema);
    for (int p = 0; p < count; p++) {
        int64_t diffs[16];
        size_t  n = pieces[p].signs != NULL ? strlen(pieces[p].signs) : 0;
        for (size_t i = 0; i < n; i++)
            diffs[i] = pieces[p].signs[i] == '-' ? -1 : 1;
        wr_batch *b = wr_decoding_batch(&d, pieces[p].rows, n > 0 ? diffs : NULL), *out = b;
        b->goes_on = ends ? p + 1 < count : 1;
        assert_int_equal(wr_whole_put(&w, b), WEIR_OK);
        wr_batch_release(b);
        if (!ends && p + 1 == count)
            assert_int_equal(wr_whole_end(&w), WEIR_OK);
        while (w.ready) {
            assert_int_equal(wr_whole_take(&w, &out), WEIR_OK);
            for (uint32_t i = 0; out != NULL && i < out->row_count; i++) {
                wr_batch *one = wr_batch_slice(NULL, out, i, 1), *dense;
                dense = wr_batch_compact(NULL, one, true);
                wr_text_putc(&got, wr_batch_diff(dense, 0) < 0 ? '-' : '+');
                wr_decoding_print(d.schema, dense->columns, 1, &got);
                wr_batch_release(one);
                wr_batch_release(dense);
            }
            if (out != NULL)
                wr_text_puts(&got, out->goes_on ? "" : ".");
            wr_batch_release(out);
        }
    }
    assert_string_equal(wr_text_string(&got), want);
    wr_whole_fini(&w);
    wr_text_fini(&got);
    wr_text_fini(&line);
    wr_decoding_close(&d);
}

static void
one_batch_is_whole(void **state)
{
    (void) state;
    check((piece[]){ { "a,1\nb,2\n", NULL } }, 1, true, "+a|1\n+b|2\n.");
    check((piece[]){ { "a,1\na,2\nb,2\n", "-+-" } }, 1, true, "+a|2\n-b|2\n.");
}

static void
the_row_that_stands_comes_once(void **state) /* W1 */
{
    (void) state;
    /* the old rows first, as operators give them */
    check((piece[]){ { "a,1\nb,1\nc,1\n", "---" }, { "a,2\nb,2\n", NULL }, { "d,2\n", NULL } }, 3, true,
          "-c|1\n+a|2\n+b|2\n+d|2\n.");
    /* the new ones first */
    check((piece[]){ { "a,2\nb,2\n", NULL }, { "a,1\nb,1\nc,1\n", "---" } }, 2, true,
          "+a|2\n+b|2\n-c|1\n.");
    /* a row that comes and goes */
    check((piece[]){ { "a,2\n", NULL }, { "a,2\n", "-" } }, 2, true, "-a|2\n.");
    check((piece[]){ { "a,1\n", "-" }, { "a,2\n", NULL }, { "a,2\n", "-" }, { "a,3\n", NULL } }, 4, true,
          "+a|3\n.");
    /* digits tell rows apart */
    check((piece[]){ { "a,1.0\n", NULL }, { "a,1.00\n", "-" } }, 2, true, "+a|1.0\n.");
    check((piece[]){ { "a,\n", NULL }, { "a,\n", "-" }, { "b,\n", "-" } }, 3, true, "-a|null\n-b|null\n.");
}

static void
what_is_lost_ends_a_change(void **state)
{
    (void) state;
    check((piece[]){ { "a,1\n", "-" }, { "b,2\n", NULL } }, 2, false, "-a|1\n+b|2\n.");
}

/* W2: more than there is room for comes in pieces; nothing is whole before the last. */
static void
a_change_beyond_all_bounds_comes_in_pieces(void **state)
{
    (void) state;
    wr_decoding d;
    wr_whole    w;
    uint32_t    key[] = { 0 };
    wr_text     rows;
    uint64_t    given = 0, put = 0;
    int         pieces = 0;
    wr_text_init(&rows, NULL);
    wr_decoding_open(&d, "csv", "k text, v numeric", NULL);
    d.schema->key = key;
    d.schema->key_count = 1;
    wr_whole_init(&w, NULL, d.schema);
    for (int p = 0; p < 400; p++) {
        wr_text_clear(&rows);
        for (int i = 0; i < 1000; i++)
            wr_text_printf(&rows, "a key that takes some room %d,%d\n", p * 1000 + i, i);
        wr_batch *b = wr_decoding_batch(&d, wr_text_string(&rows), NULL), *out;
        b->goes_on = p < 399;
        put += b->row_count;
        assert_int_equal(wr_whole_put(&w, b), WEIR_OK);
        wr_batch_release(b);
        pieces += w.ready;
        while (w.ready) {
            assert_int_equal(wr_whole_take(&w, &out), WEIR_OK);
            given += out->row_count;
            assert_int_equal(out->goes_on, given < 400000);
            wr_batch_release(out);
        }
    }
    assert_true(pieces > 1);
    assert_int_equal(given, put);
    wr_whole_fini(&w);
    wr_text_fini(&rows);
    wr_decoding_close(&d);
}

WR_TESTS = { WR_TEST(one_batch_is_whole), WR_TEST(the_row_that_stands_comes_once),
             WR_TEST(what_is_lost_ends_a_change), WR_TEST(a_change_beyond_all_bounds_comes_in_pieces),
             { NULL, NULL } };
