/* SPDX-License-Identifier: Apache-2.0 */
/* json_encode_test.c -- J1, J2 of format/json_encode.c, and back through the decoder. */
#include "base/random.h"
#include "data/datetime.h"
#include "format/json_encode_impl.h"
#include "support/decode.h"
#include "support/test.h"

static const char every_type[] =
    "b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric(12,2), m numeric(30,5), "
    "u numeric, t text, c char(3), y bytea, d date, o time, s timestamp, z timestamptz, "
    "v interval, g uuid, j json, k jsonb, a int4[], x text[]";

static const char every_value[] =
    "{\"b\":true,\"i2\":-7,\"i4\":2147483647,\"i8\":-9223372036854775808,\"f4\":0.1,\"f8\":1e300,"
    "\"n\":-0.05,\"m\":1234567890123456789012345.12345,\"u\":1.500,\"t\":\"a\\\"b\\\\c\\n\\u0001\xc3\xa4\","
    "\"c\":\"x\",\"y\":\"\\\\xdeadbeef\",\"d\":\"2024-02-29\",\"o\":\"12:34:56.789\","
    "\"s\":\"2026-01-01 00:00:00.120000\",\"z\":\"1999-12-31T23:59:59.999999Z\","
    "\"v\":\"1 mon 2 days 03:04:05\",\"g\":\"00112233-4455-6677-8899-aabbccddeeff\","
    "\"j\":{\"b\":1,\"a\":[]},\"k\":{\"b\":1, \"a\":[]},\"a\":[1,null,3],\"x\":[[\"p\"],[\"q\\\"\"]]}\n"
    "{\"f4\":\"NaN\",\"f8\":\"-Infinity\",\"u\":\"Infinity\",\"d\":\"infinity\",\"s\":\"-infinity\","
    "\"z\":\"0044-03-15 12:00:00 BC\",\"t\":\"a long one, with no escape in its first sixteen bytes, then \\\" one\"}\n"
    "{\"b\":false,\"i2\":0,\"n\":12345.60,\"u\":\"NaN\",\"t\":\"\",\"z\":\"9999-12-31T23:59:59Z\","
    "\"s\":\"10000-01-01 00:00:00\",\"a\":[],\"f8\":-0.0}\n";

/* What J1 says, made with wr_value_print_json alone. */
static void
reference_print(const wr_schema *schema, const wr_batch *batch, wr_text *to)
{
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        for (uint32_t c = 0; c < schema->field_count; c++) {
            wr_value value;
            wr_text_printf(to, "%c\"%s\":", c == 0 ? '{' : ',', schema->fields[c].name);
            assert_int_equal(wr_column_get_value(batch->columns[c], wr_batch_row(batch, i), &arena,
                                                 &value),
                             WEIR_OK);
            wr_value_print_json(&value, to);
        }
        wr_text_puts(to, "}\n");
    }
    wr_arena_fini(&arena);
}

static wr_encoder *
encoder_make(const wr_schema *schema, int op)
{
    static wr_json_encode_config config;
    wr_encoder                  *e;
    weir_error                   err;
    config = (wr_json_encode_config){ .op = op };
    assert_int_equal(wr_json_encoder_ops.create(&config, schema, NULL, &e, &err), WEIR_OK);
    return e;
}

/* What the other instruction set writes is the same. */
static void
other_rows_agree(wr_encoder *encoder, const wr_batch *batch, uint32_t from, uint32_t count, wr_text *expected)
{
    json_encoder *e = (json_encoder *) encoder;
    json_rows     usual = e->rows_put;
    wr_text       text;
    wr_text_init(&text, NULL);
    e->rows_put = wr_json_rows_sse;
    assert_int_equal(encoder->ops->encode(encoder, batch, from, count, &text, NULL), WEIR_OK);
    assert_string_equal(wr_text_string(&text), wr_text_string(expected));
    wr_text_fini(&text);
    e->rows_put = usual;
}

static void
values_are_printed_as_the_boxed_form(void **state) /* J1 */
{
    wr_decoding d;
    wr_text     text, expected;
    wr_decoding_open(&d, "json", every_type, NULL);
    wr_batch   *batch = wr_decoding_batch(&d, every_value, NULL);
    wr_encoder *e = encoder_make(d.schema, 0);
    uint32_t    ends[3];
    wr_text_init(&text, NULL);
    wr_text_init(&expected, NULL);
    assert_int_equal(batch->row_count, 3);
    assert_int_equal(e->ops->encode(e, batch, 0, 3, &text, ends), WEIR_OK);
    reference_print(d.schema, batch, &expected);
    assert_string_equal(wr_text_string(&text), wr_text_string(&expected));
    other_rows_agree(e, batch, 0, 3, &expected);
    assert_int_equal(ends[2], text.length);
    for (int i = 0; i < 3; i++) /* J2 */
        assert_int_equal(text.data[ends[i] - 1], '\n');
    /* and back: the same rows */
    wr_text first;
    wr_text_init(&first, NULL);
    assert_int_equal(wr_decoding_run(&d, every_value, strlen(every_value), 0), WEIR_OK);
    wr_text_append(&first, d.rows.data, d.rows.length);
    wr_decoding_reset(&d);
    assert_int_equal(wr_decoding_run(&d, text.data, text.length, 7), WEIR_OK);
    assert_string_equal(wr_text_string(&d.bad), "");
    assert_string_equal(wr_text_string(&d.rows), wr_text_string(&first));
    e->ops->destroy(e);
    wr_batch_release(batch);
    wr_text_fini(&first);
    wr_text_fini(&text);
    wr_text_fini(&expected);
    wr_decoding_close(&d);
}

static void
selections_constants_and_dictionaries(void **state)
{
    wr_decoding d;
    wr_text     text;
    wr_decoding_open(&d, "json", "a int8, t text, c int4", NULL);
    wr_batch *batch = wr_decoding_batch(
        &d, "{\"a\":1,\"t\":\"x\"}{\"a\":2,\"t\":\"y\"}{\"a\":3,\"t\":null}{\"a\":4,\"t\":\"z\"}", NULL);
    wr_value five = { .type = WR_TYPE(WR_INT4), .integer = 5 };
    wr_column_release(batch->columns[2]);
    batch->columns[2] = wr_column_create_constant(NULL, &five);
    wr_column *dictionary = wr_column_create_dictionary(NULL, batch->columns[1], 4);
    memcpy(dictionary->data, (uint16_t[]){ 3, 2, 1, 0 }, 8);
    wr_column_release(batch->columns[1]);
    batch->columns[1] = dictionary;
    wr_batch   *some = wr_batch_select(NULL, batch, (uint16_t[]){ 0, 1, 3 }, 3);
    wr_encoder *e = encoder_make(d.schema, 0);
    wr_text_init(&text, NULL);
    assert_int_equal(e->ops->encode(e, some, 1, 2, &text, NULL), WEIR_OK);
    assert_string_equal(wr_text_string(&text),
                        "{\"a\":2,\"t\":null,\"c\":5}\n{\"a\":4,\"t\":\"x\",\"c\":5}\n");
    e->ops->destroy(e);
    wr_batch_release(some);
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&d);
}

static void
changes_say_what_they_do(void **state)
{
    wr_decoding d;
    wr_text     text;
    uint32_t    ends[4];
    wr_decoding_open(&d, "json", "a int8", NULL);
    wr_batch *batch = wr_decoding_batch(&d, "{\"a\":1}{\"a\":2}{\"a\":3}{\"a\":4}",
                                        (int64_t[]){ 1, -1, 2, -2 });
    d.schema->kind = WR_CHANGELOG;
    wr_encoder *e = encoder_make(d.schema, 0);
    wr_text_init(&text, NULL);
    assert_int_equal(e->ops->encode(e, batch, 0, 4, &text, ends), WEIR_OK);
    assert_string_equal(wr_text_string(&text),
                        "{\"_op\":\"+\",\"a\":1}\n{\"_op\":\"-\",\"a\":2}\n{\"_op\":\"+\",\"a\":3}\n"
                        "{\"_op\":\"+\",\"a\":3}\n{\"_op\":\"-\",\"a\":4}\n{\"_op\":\"-\",\"a\":4}\n");
    e->ops->destroy(e);
    e = encoder_make(d.schema, 1);
    wr_text_clear(&text);
    assert_int_equal(e->ops->encode(e, batch, 0, 4, &text, ends), WEIR_OK);
    assert_string_equal(wr_text_string(&text), "{\"a\":1}\n{\"a\":3}\n{\"a\":3}\n");
    assert_int_equal(ends[0], 8);
    assert_int_equal(ends[1], 8);
    e->ops->destroy(e);
    d.schema->field_count = 0;
    e = encoder_make(d.schema, 0);
    wr_text_clear(&text);
    assert_int_equal(e->ops->encode(e, batch, 0, 1, &text, NULL), WEIR_OK);
    assert_string_equal(wr_text_string(&text), "{\"_op\":\"+\"}\n");
    e->ops->destroy(e);
    d.schema->kind = WR_INSERT_ONLY;
    e = encoder_make(d.schema, 0);
    wr_text_clear(&text);
    assert_int_equal(e->ops->encode(e, batch, 0, 1, &text, NULL), WEIR_OK);
    assert_string_equal(wr_text_string(&text), "{}\n");
    e->ops->destroy(e);
    d.schema->field_count = 1;
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&d);
}

static void
postgres_values_stand_in_quotes(void **state)
{
    static const char columns[] = "i int8, n numeric(5,2), b bool, f float8, t text, z timestamptz, "
                                  "d date, k jsonb, a int4[], v interval, y bytea, u numeric";
    static const char values[] =
        "{\"i\":1,\"n\":2.5,\"b\":true,\"f\":0.5,\"t\":\"x\\\"y\",\"z\":\"2026-01-01T00:00:00Z\","
        "\"d\":\"2026-01-02\",\"k\":{\"a\":[1]},\"a\":[1,2],\"v\":\"1 day\",\"y\":\"\\\\x00\","
        "\"u\":\"NaN\"}{}";
    static const char expect[] =
        "{\"i\":1,\"n\":2.50,\"b\":true,\"f\":0.5,\"t\":\"x\\\"y\",\"z\":\"2026-01-01 00:00:00+00\","
        "\"d\":\"2026-01-02\",\"k\":\"{\\\"a\\\": [1]}\",\"a\":\"{1,2}\",\"v\":\"1 day\","
        "\"y\":\"\\\\x00\",\"u\":\"NaN\"}\n"
        "{\"i\":null,\"n\":null,\"b\":null,\"f\":null,\"t\":null,\"z\":null,\"d\":null,\"k\":null,"
        "\"a\":null,\"v\":null,\"y\":null,\"u\":null}\n";
    wr_decoding           d;
    wr_text               text;
    wr_encoder           *e;
    weir_error            err;
    wr_json_encode_config config = { .values = 1 };
    wr_decoding_open(&d, "json", columns, NULL);
    wr_batch *batch = wr_decoding_batch(&d, values, NULL);
    wr_text_init(&text, NULL);
    assert_int_equal(wr_json_encoder_ops.create(&config, d.schema, NULL, &e, &err), WEIR_OK);
    assert_int_equal(e->ops->encode(e, batch, 0, 2, &text, NULL), WEIR_OK);
    assert_string_equal(wr_text_string(&text), expect);
    e->ops->destroy(e);
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&d);
}

static void
hidden_columns_are_left_out(void **state)
{
    wr_decoding d;
    wr_text     text;
    wr_decoding_open(&d, "json", "h int8, a int8, g int8", NULL);
    wr_batch *batch = wr_decoding_batch(&d, "{\"h\":1,\"a\":2,\"g\":3}", NULL);
    wr_text_init(&text, NULL);
    d.schema->fields[0].hidden = d.schema->fields[2].hidden = true;
    for (int kind = 0; kind < 2; kind++) {
        d.schema->kind = kind == 0 ? WR_INSERT_ONLY : WR_CHANGELOG;
        wr_encoder *e = encoder_make(d.schema, 0);
        wr_text_clear(&text);
        assert_int_equal(e->ops->encode(e, batch, 0, 1, &text, NULL), WEIR_OK);
        assert_string_equal(wr_text_string(&text),
                            kind == 0 ? "{\"a\":2}\n" : "{\"_op\":\"+\",\"a\":2}\n");
        e->ops->destroy(e);
    }
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&d);
}

static void
memory_out_is_said(void **state)
{
    wr_decoding d;
    wr_budget  *tight = wr_budget_create(NULL, "tight", 64);
    wr_text     text;
    wr_decoding_open(&d, "json", "t text", NULL);
    wr_batch   *batch = wr_decoding_batch(&d, "{\"t\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}", NULL);
    wr_encoder *e = encoder_make(d.schema, 0);
    wr_text_init(&text, tight);
    assert_int_equal(e->ops->encode(e, batch, 0, 1, &text, NULL), WEIR_MEMORY);
    wr_text_fini(&text);
    e->ops->destroy(e);
    wr_batch_release(batch);
    wr_decoding_close(&d);
    wr_budget_destroy(tight);
}

/* One value as JSON that the decoder takes for its column, by the column's place. */
static void
random_value(wr_random *r, uint32_t place, wr_text *to)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz 0123456789";
    int64_t           us = (int64_t) (wr_random_next(r) >> wr_random_below(r, 20) >> 10);
    int64_t           number = (int64_t) (wr_random_next(r) >> wr_random_below(r, 64));
    switch (place) {
    case 0:
        if (wr_random_below(r, 4) > 0)
            number = (int64_t) wr_random_below(r, 110000000) >> wr_random_below(r, 27);
        wr_text_printf(to, "%lld", (long long) (wr_random_below(r, 4) ? number : -number));
        break;
    case 1: wr_text_printf(to, "%d", (int) (int16_t) number); break;
    case 2:
        wr_text_putc(to, '"');
        for (uint64_t n = wr_random_below(r, 80); n > 0; n--)
            wr_text_puts(to, wr_random_below(r, 150) == 0 ? "\\n"
                             : wr_random_below(r, 200) == 0
                                 ? "\xc3\xa4"
                                 : (char[2]){ letters[wr_random_below(r, sizeof letters - 1)], '\0' });
        wr_text_putc(to, '"');
        break;
    case 3: /* of all fractions, in a minute or two and anywhere */
        if (wr_random_below(r, 4) > 0)
            us = 1767225600000000 + (int64_t) wr_random_below(r, 100) * 1000000 +
                 (int64_t) (wr_random_below(r, 3) * 100 + wr_random_below(r, 3) * 1003);
        else
            us -= us % (wr_random_below(r, 2) ? 1 : 3600000000);
        wr_text_putc(to, '"');
        wr_timestamp_print_iso(wr_random_below(r, 8) ? us : -us, false, to);
        wr_text_putc(to, '"');
        break;
    case 4:
        wr_text_printf(to, "%s%llu.%02u", wr_random_below(r, 2) ? "-" : "",
                       (unsigned long long) wr_random_below(r, 1ull << wr_random_below(r, 40)),
                       (unsigned) wr_random_below(r, 100));
        break;
    default: wr_text_puts(to, number % 2 == 0 ? "true" : "false"); break;
    }
}

enum { ROWS = 150 };

static wr_batch *
odd_rows_of(wr_batch *batch)
{
    uint16_t rows[ROWS];
    uint32_t count = 0;
    for (uint32_t r = 1; r < batch->row_count; r += 2)
        rows[count++] = (uint16_t) r;
    return wr_batch_select(NULL, batch, rows, count);
}

static void
random_values_are_printed_as_the_boxed_form(void **state) /* J1 */
{
    for (uint32_t round = 0; round < 60; round++) {
        wr_decoding d;
        wr_random   r;
        wr_text     in, text, expected;
        uint32_t    ends[ROWS];
        wr_decoding_open(&d, "json", "i int8, j int2, t text, s timestamp, n numeric(18,2), a_name_longer_than_a_vector_register bool", NULL);
        wr_text_init(&in, NULL);
        wr_text_init(&text, NULL);
        wr_text_init(&expected, NULL);
        wr_random_init(&r, wr_mix64(round));
        for (uint32_t i = 0; i < ROWS; i++) {
            for (uint32_t c = 0; c < 6; c++) {
                wr_text_printf(&in, "%c\"%s\":", c == 0 ? '{' : ',', d.schema->fields[c].name);
                if (round % 3 == 2 && wr_random_below(&r, 4) == 0)
                    wr_text_puts(&in, "null");
                else
                    random_value(&r, c, &in);
            }
            wr_text_puts(&in, "}\n");
        }
        wr_batch   *batch = wr_decoding_batch(&d, wr_text_string(&in), NULL);
        wr_encoder *e = encoder_make(d.schema, 0);
        assert_int_equal(e->ops->encode(e, batch, 0, ROWS, &text, ends), WEIR_OK);
        reference_print(d.schema, batch, &expected);
        assert_string_equal(wr_text_string(&text), wr_text_string(&expected));
        other_rows_agree(e, batch, 0, ROWS, &expected);
        assert_int_equal(ends[ROWS - 1], text.length);
        for (uint32_t i = 0; i < ROWS; i++) /* J2 */
            assert_int_equal(text.data[ends[i] - 1], '\n');
        uint32_t from = (uint32_t) wr_random_below(&r, ROWS), begin = from > 0 ? ends[from - 1] : 0;
        wr_text_clear(&text); /* from there on, with its rows picked, too */
        wr_text_append(&text, expected.data + begin, expected.length - begin);
        other_rows_agree(e, batch, from, ROWS - from, &text);
        wr_batch *picked = odd_rows_of(batch);
        wr_text_clear(&expected);
        reference_print(d.schema, picked, &expected);
        wr_text_clear(&text);
        assert_int_equal(e->ops->encode(e, picked, 0, picked->row_count, &text, NULL), WEIR_OK);
        assert_string_equal(wr_text_string(&text), wr_text_string(&expected));
        wr_batch_release(picked);
        e->ops->destroy(e);
        wr_batch_release(batch);
        wr_text_fini(&in);
        wr_text_fini(&text);
        wr_text_fini(&expected);
        wr_decoding_close(&d);
    }
}

WR_TESTS = {
    WR_TEST(random_values_are_printed_as_the_boxed_form),
    WR_TEST(values_are_printed_as_the_boxed_form),
    WR_TEST(selections_constants_and_dictionaries),
    WR_TEST(changes_say_what_they_do),
    WR_TEST(postgres_values_stand_in_quotes),
    WR_TEST(hidden_columns_are_left_out),
    WR_TEST(memory_out_is_said),
    { NULL, NULL },
};
