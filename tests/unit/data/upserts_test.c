/* SPDX-License-Identifier: Apache-2.0 */
/* upserts_test.c -- data/upserts.c: the last row of each key of a batch. */
#include "support/decode.h"
#include "support/test.h"

#include "data/upserts.h"

static void
check(const char *rows, const int64_t *diffs, const char *want, const char *signs)
{
    wr_decoding d;
    wr_batch   *out;
    uint32_t    key[] = { 1, 0 };
    wr_text     text, got;
    wr_text_init(&text, NULL);
    wr_text_init(&got, NULL);
    wr_decoding_open(&d, "csv", "a int8, k text, v numeric", NULL);
    wr_batch *batch = wr_decoding_batch(&d, rows, diffs);
    d.schema->key = key;
    d.schema->key_count = 2;
    assert_int_equal(wr_batch_upserts(NULL, batch, d.schema, &out), WEIR_OK);
    if (out != NULL) {
        wr_batch *dense = wr_batch_compact(NULL, out, true);
        wr_decoding_print(d.schema, dense->columns, dense->row_count, &text);
        for (uint32_t i = 0; i < dense->row_count; i++)
            wr_text_putc(&got, wr_batch_diff(dense, i) < 0 ? '-' : '+');
        wr_batch_release(dense);
    }
    assert_string_equal(wr_text_string(&text), want);
    assert_string_equal(wr_text_string(&got), signs);
    wr_batch_release(out);
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_text_fini(&got);
    wr_decoding_close(&d);
}

static void
the_last_row_of_a_key_counts(void **state)
{
    (void) state;
    check("1,a,1\n2,b,2\n", NULL, "1|a|1\n2|b|2\n", "++");
    check("1,a,1\n1,a,2\n2,b,2\n", (int64_t[]){ -1, 1, -1 }, "1|a|2\n2|b|2\n", "+-");
    check("1,a,1\n2,a,9\n1,a,2\n2,a,8\n", (int64_t[]){ -1, -1, 1, 1 }, "1|a|2\n2|a|8\n", "++");
    check("1,a,1\n1,b,2\n", (int64_t[]){ -1, 1 }, "1|a|1\n1|b|2\n", "-+");
    check(",,1\n,,2\n", (int64_t[]){ -1, 1 }, "null|null|2\n", "+");
    check("1,a,1\n", (int64_t[]){ -3 }, "1|a|1\n", "-");
}

WR_TESTS = { WR_TEST(the_last_row_of_a_key_counts), { NULL, NULL } };
