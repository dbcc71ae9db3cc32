/* SPDX-License-Identifier: Apache-2.0 */
/* csv_test.c -- F1..F4 for format/csv.c and line.c, V1..V3 of format/csv_encode.c. */
#include "format/csv.h"
#include "support/decode.h"
#include "support/test.h"

/* Decode `text` in one piece and in pieces of every size; want these rows and bad records. */
static void
check(const char *format, const char *columns, const char *settings, const char *text,
      const char *rows, const char *bad)
{
    wr_decoding d;
    size_t      n = strlen(text);
    wr_decoding_open(&d, format, columns, settings);
    for (size_t piece = 0; piece <= n; piece++) {
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_run(&d, text, n, piece), WEIR_OK);
        assert_string_equal(wr_text_string(&d.rows), rows);
        assert_string_equal(wr_text_string(&d.bad), bad);
    }
    wr_decoding_close(&d);
}

static void
columns_by_position(void **state)
{
    check("csv", "a int8, b text, c numeric(6,2), d timestamptz, e bool", NULL,
          "1,x,1.5,2026-01-01 00:00:00,t\r\n2,,,,\n\n 3 ,\"\",12.345,2026-01-01T00:00:00.5+01,false",
          "1|x|1.50|2026-01-01 00:00:00+00|t\n2|null|null|null|null\n"
          "3||12.35|2025-12-31 23:00:00.5+00|f\n",
          "");
}

static void
columns_by_header(void **state)
{
    check("csv", "a int8, b text 'Odd, Name', c int4 not null", "header=true",
          "\xef\xbb\xbf"
          "C,\"Odd, Name\",unknown,A\n1,x,?,2\n3,y,?,4\n,z,?,5\n",
          "2|x|1\n4|y|3\n", "3003 field c: NULL in a column declared NOT NULL <,z,?,5>\n");
    check("csv", "a int8, b text", "header=true", "b\nx\ny\n", "null|x\nnull|y\n", "");
    check("csv", "a int8", "header=true", "x;y\n1\n2\n", "",
          "3001 the header names none of the columns <x;y>\n3001 the header names none of the columns <1>\n"
          "3001 the header names none of the columns <2>\n");
    check("csv", "a int8, b int8 'a', c int8 'a'", "header=true", "a,x,a\n1,2,3\n", "1|3|null\n", "");
    check("csv", "a int8", "header=true", "", "", "");
}

static void
quotes_hold_anything(void **state)
{
    check("csv", "a text, b text", NULL,
          "\"a \"\"quoted\"\", with comma\",\"two\nlines\r\n\"\r\nx\"y,z\"w,\"\"\n\"\",\"\"\n",
          "a \"quoted\", with comma|two\nlines\r\n\nxy,zw|\n|\n", "");
    check("csv", "a text, b text", "delimiter=|; quote='; null=NULL",
          "'it''s'|NULL\n'NULL'|'|'\n", "it's|null\nNULL||\n", "");
}

static void
open_quote_costs_one_line(void **state) /* F2 */
{
    check("csv", "a int8, b text", NULL, "1,x\n2,\"oops\n3,y\n4,z\n", "1|x\n3|y\n4|z\n",
          "3001 a quoted field has no end <2,\"oops>\n");
    check("csv", "a int8, b text", "record_max=64B",
          "1,x\n2,\"oops\n3,y\n4,0123456789012345678901234567890123456789012345678901234567890\n5,z\n",
          "1|x\n3|y\n4|0123456789012345678901234567890123456789012345678901234567890\n5|z\n",
          "3001 a quoted field has no end <2,\"oops>\n");
}

static void
bad_records_are_told(void **state)
{
    check("csv", "a int2, b text, t timestamptz, v varchar(3)", NULL,
          "1\n1,2,3,4,5\nx,,,\n99999,,,\n1,\xff,,\n1,,yesterday,\n1,,,abcd\n1,,,abc\n",
          "1|null|null|abc\n",
          "3001 1 fields where 4 are wanted <1>\n3001 5 fields where 4 are wanted <1,2,3,4,5>\n"
          "3002 field a: invalid input syntax for type smallint: \"x\" <x,,,>\n"
          "3004 field a: value \"99999\" is out of range for type smallint <99999,,,>\n"
          "3008 invalid byte sequence for UTF-8 <1,\xff,,>\n"
          "3002 field t: invalid input syntax for type timestamp with time zone: \"yesterday\" "
          "<1,,yesterday,>\n"
          "3007 field v: value too long for type character varying(3) <1,,,abcd>\n");
}

static void
long_records_are_skipped(void **state)
{
    check("csv", "a text", "record_max=64B",
          "x\n0123456789012345678901234567890123456789012345678901234567890123456789\ny\n", "x\ny\n",
          "3007 the record is larger than 64 bytes "
          "<012345678901234567890123456789012345678901234567890123456789>\n");
}

static void
numbers_are_times_by_their_unit(void **state)
{
    check("csv", "a timestamptz, b date", "time_unit=ms",
          "1767225600123,1767225600000\n2026-01-01,2026-01-01\n",
          "2026-01-01 00:00:00.123+00|2026-01-01\n2026-01-01 00:00:00+00|2026-01-01\n", "");
}

static void
tabs_and_backslashes(void **state)
{
    check("tsv", "a text, b text", NULL, "a\\tb\\\\c\\nd\t\\N\r\n\\N\t\"x\"\nq\\\tr\t\\x\\\n", "a\tb\\c\nd|null\nnull|\"x\"\nq\tr|x\n\n",
          "");
}

static void
lines_are_rows(void **state)
{
    check("line", "a text", NULL, "one\r\n\ntwo\xff\nthree", "one\n\nthree\n",
          "3008 invalid byte sequence for UTF-8 <two\xff>\n");
    check("line", "a text", "record_max=64B",
          "x\n01234567890123456789012345678901234567890123456789012345678901234\ny", "x\ny\n",
          "3007 the record is larger than 64 bytes "
          "<012345678901234567890123456789012345678901234567890123456789>\n");
}

static void
settings_are_checked(void **state)
{
    static const struct {
        const char *delimiter, *quote;
    } wrong[] = { { "", "\"" }, { ",,", "\"" }, { "\n", "\"" }, { ",", "," }, { ",", "ab" } };
    wr_decoding d;
    weir_error  err;
    wr_decoder *decoder;
    wr_encoder *encoder;
    wr_decoding_open(&d, "csv", "a int8", NULL);
    for (size_t i = 0; i < WR_COUNT(wrong); i++) {
        wr_csv_decode_config in = { .delimiter = wrong[i].delimiter, .quote = wrong[i].quote };
        wr_csv_encode_config out = { .delimiter = wrong[i].delimiter, .quote = wrong[i].quote };
        assert_int_equal(wr_csv_decoder_ops.create(&in, d.schema, d.needed, NULL, &decoder, &err),
                         WEIR_CONFIG_VALUE);
        assert_int_equal(wr_csv_encoder_ops.create(&out, d.schema, NULL, &encoder, &err),
                         WEIR_CONFIG_VALUE);
    }
    wr_decoding_close(&d);
    wr_decoding_open(&d, "json", "a int8, b text", NULL);
    assert_int_equal(wr_decoder_find("line")->create(&(int64_t){ 0 }, d.schema, d.needed, NULL,
                                                     &decoder, &err),
                     WEIR_CONFIG_VALUE);
    wr_decoding_close(&d);
}

static void
frozen_header_goes_on(void **state)
{
    wr_decoding d;
    wr_text     state_text;
    const char *text = "b,a\nx,1\ny,2\nz,3\n";
    size_t      used, n = strlen(text);
    wr_decoding_open(&d, "csv", "a int8, b text", "header=true");
    wr_text_init(&state_text, NULL);
    for (size_t cut = 0; cut <= n; cut++) {
        wr_text_clear(&state_text);
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_feed(&d, text, cut, false, &used), WEIR_OK);
        assert_int_equal(d.ops->freeze(d.decoder, &state_text), WEIR_OK);
        wr_text rows = d.rows;
        wr_text_init(&d.rows, NULL);
        wr_decoding_reset(&d);
        assert_int_equal(d.ops->restore(d.decoder, state_text.data, state_text.length), WEIR_OK);
        assert_int_equal(wr_decoding_feed(&d, text + used, n - used, true, &used), WEIR_OK);
        wr_text_append(&rows, d.rows.data, d.rows.length);
        assert_string_equal(wr_text_string(&rows), "1|x\n2|y\n3|z\n");
        wr_text_fini(&rows);
    }
    assert_int_equal(d.ops->restore(d.decoder, "", 0), WEIR_CHECKPOINT_CORRUPT);
    wr_text_fini(&state_text);
    wr_decoding_close(&d);
}

/* V1: what is written reads back the same, for every kind of settings. */
static void
round_trip(const char *format, const char *settings)
{
    static const char columns[] = "b bool, i int4, n numeric(12,2), u numeric, f float8, t text, "
                                  "y bytea, d date, s timestamp, z timestamptz, v interval, "
                                  "g uuid, k jsonb, a text[]";
    static const char values[] =
        "{\"b\":true,\"i\":-7,\"n\":1.5,\"u\":1.500,\"f\":1e300,\"t\":\"a,\\\"b\\\"\\n\\r\\tc\\\\d;'|\","
        "\"y\":\"\\\\xff00\",\"d\":\"2024-02-29\",\"s\":\"2026-01-01 00:00:00.12\","
        "\"z\":\"1999-12-31T23:59:59Z\",\"v\":\"1 mon -2 days\",\"k\":{\"a\":[1,\"x,y\"]},"
        "\"g\":\"00112233-4455-6677-8899-aabbccddeeff\",\"a\":[\"p,q\",null,\"\"]}\n"
        "{\"t\":\"\",\"f\":\"NaN\",\"u\":\"-Infinity\",\"d\":\"-infinity\",\"z\":\"infinity\"}\n"
        "{\"t\":\"\\\\N\"}{\"t\":\"NULL\"}{\"t\":\" \"}{}\n";
    wr_decoding           from, back;
    wr_text               text;
    wr_encoder           *e;
    weir_error            err;
    const wr_encoder_ops *ops = wr_encoder_find(format);
    wr_decoding_open(&from, "json", columns, NULL);
    wr_decoding_open(&back, format, columns, settings);
    void     *config = wr_decode_config(&from.arena, ops->options, ops->config_bytes, settings);
    wr_batch *batch = wr_decoding_batch(&from, values, NULL);
    uint32_t  ends[6];
    wr_text_init(&text, NULL);
    assert_int_equal(ops->create(config, from.schema, NULL, &e, &err), WEIR_OK);
    assert_int_equal(ops->begin(e, &text), WEIR_OK);
    assert_int_equal(ops->encode(e, batch, 0, batch->row_count, &text, ends), WEIR_OK);
    for (int i = 0; i < 6; i++) /* V2 */
        assert_int_equal(text.data[ends[i] - 1], '\n');
    assert_int_equal(wr_decoding_run(&from, values, strlen(values), 0), WEIR_OK);
    assert_int_equal(wr_decoding_run(&back, text.data, text.length, 3), WEIR_OK);
    assert_string_equal(wr_text_string(&back.bad), "");
    assert_string_equal(wr_text_string(&back.rows), wr_text_string(&from.rows));
    ops->destroy(e);
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&from);
    wr_decoding_close(&back);
}

static void
written_rows_read_back(void **state)
{
    round_trip("csv", NULL);
    round_trip("csv", "header=true");
    round_trip("csv", "header=true; delimiter=|; quote='; null=NULL");
    round_trip("tsv", NULL);
    round_trip("tsv", "header=true; null=NULL_");
}

static void
changes_have_a_column(void **state)
{
    wr_decoding          d;
    wr_text              text;
    wr_encoder          *e;
    weir_error           err;
    wr_csv_encode_config config = { .header = true, .delimiter = ",", .quote = "\"" };
    wr_decoding_open(&d, "json", "a int8, b text", NULL);
    d.schema->kind = WR_UPSERT;
    wr_batch *batch = wr_decoding_batch(&d, "{\"a\":1,\"b\":\"x\"}{\"a\":2}", (int64_t[]){ 1, -1 });
    wr_text_init(&text, NULL);
    for (config.op = 0; config.op < 2; config.op++) {
        wr_text_clear(&text);
        assert_int_equal(wr_csv_encoder_ops.create(&config, d.schema, NULL, &e, &err), WEIR_OK);
        assert_int_equal(e->ops->begin(e, &text), WEIR_OK);
        assert_int_equal(e->ops->encode(e, batch, 0, 2, &text, NULL), WEIR_OK);
        assert_string_equal(wr_text_string(&text),
                            config.op == 0 ? "_op,a,b\n+,1,x\n-,2,\n" : "a,b\n1,x\n");
        e->ops->destroy(e);
    }
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&d);
}

/* By position _op comes first, as it is written, or is left out. */
static void
changes_are_read_as_they_are_written(void **state)
{
    static const char *const formats[] = { "csv", "tsv" };
    static const char *const texts[] = { "+,1,x\n-,2,\n3,y\n,4,z\n5\n", "+\t1\tx\n-\t2\t\\N\n3\ty\n\\N\t4\tz\n5\n" };
    wr_decoding d;
    for (int f = 0; f < 2; f++) {
        wr_decoding_open(&d, formats[f], "a int8, b text, _op text", NULL);
        d.schema->kind = WR_UPSERT;
        for (size_t piece = 0; piece < 6; piece++) {
            wr_decoding_reset(&d);
            assert_int_equal(wr_decoding_run(&d, texts[f], strlen(texts[f]), piece), WEIR_OK);
            assert_string_equal(wr_text_string(&d.rows),
                                "1|x|+\n2|null|-\n3|y|null\n4|z|null\n");
            assert_string_equal(wr_text_string(&d.bad), "3001 1 fields where 3 are wanted <5>\n");
        }
        wr_decoding_close(&d);
    }
    wr_decoding_open(&d, "csv", "a int8, b text, _op text", "header=true");
    d.schema->kind = WR_UPSERT;
    wr_decoding_reset(&d);
    assert_int_equal(wr_decoding_run(&d, "b,_op,a\nx,-,1\n", 15, 0), WEIR_OK);
    assert_string_equal(wr_text_string(&d.rows), "1|x|-\n");
    wr_decoding_close(&d);
    check("csv", "a int8, b text, _op text", NULL, "1,x,+\n", "1|x|+\n", ""); /* a column like any */
}

static void
hidden_columns_are_not_written(void **state) /* V3 */
{
    wr_decoding          d;
    wr_text              text;
    wr_encoder          *e;
    weir_error           err;
    wr_csv_encode_config config = { .header = true, .delimiter = ",", .quote = "\"" };
    wr_decoding_open(&d, "json", "a int8, b text, c int8", NULL);
    wr_batch *batch = wr_decoding_batch(&d, "{\"a\":1,\"b\":\"x\",\"c\":3}", NULL);
    wr_text_init(&text, NULL);
    for (uint32_t hidden = 0; hidden < 3; hidden++) {
        static const char *const want[] = { "b,c\nx,3\n", "a,c\n1,3\n", "a,b\n1,x\n" };
        wr_text_clear(&text);
        d.schema->fields[hidden].hidden = true;
        assert_int_equal(wr_csv_encoder_ops.create(&config, d.schema, NULL, &e, &err), WEIR_OK);
        assert_int_equal(e->ops->begin(e, &text), WEIR_OK);
        assert_int_equal(e->ops->encode(e, batch, 0, 1, &text, NULL), WEIR_OK);
        assert_string_equal(wr_text_string(&text), want[hidden]);
        e->ops->destroy(e);
        d.schema->fields[hidden].hidden = false;
    }
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&d);
}

static void
lines_are_written(void **state)
{
    wr_decoding           d;
    wr_text               text;
    wr_encoder           *e;
    weir_error            err;
    const wr_encoder_ops *ops = wr_encoder_find("line");
    wr_decoding_open(&d, "json", "a text", NULL);
    wr_batch *batch = wr_decoding_batch(&d, "{\"a\":\"x\\ny\"}{\"a\":null}{\"a\":\"z\"}", NULL);
    wr_text_init(&text, NULL);
    assert_int_equal(ops->create("", d.schema, NULL, &e, &err), WEIR_OK);
    assert_int_equal(ops->encode(e, batch, 0, 3, &text, NULL), WEIR_OK);
    assert_string_equal(wr_text_string(&text), "x\\ny\n\nz\n");
    ops->destroy(e);
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&d);
}

WR_TESTS = {
    WR_TEST(columns_by_position),
    WR_TEST(columns_by_header),
    WR_TEST(quotes_hold_anything),
    WR_TEST(open_quote_costs_one_line),
    WR_TEST(bad_records_are_told),
    WR_TEST(long_records_are_skipped),
    WR_TEST(numbers_are_times_by_their_unit),
    WR_TEST(tabs_and_backslashes),
    WR_TEST(lines_are_rows),
    WR_TEST(settings_are_checked),
    WR_TEST(frozen_header_goes_on),
    WR_TEST(written_rows_read_back),
    WR_TEST(changes_have_a_column),
             WR_TEST(changes_are_read_as_they_are_written),
    WR_TEST(hidden_columns_are_not_written),
    WR_TEST(lines_are_written),
    { NULL, NULL },
};
