/* SPDX-License-Identifier: Apache-2.0 */
/* json_decode_test.c -- F1..F4 of format/format.h and the rules of format/json.h for JSON records. */
#include "support/decode.h"
#include "support/test.h"

#include <stdio.h>

/* Decode `text` in one piece and in pieces of every size; want these rows and bad records. */
static void
check(const char *columns, const char *settings, const char *text, const char *rows,
      const char *bad)
{
    wr_decoding d;
    size_t      n = strlen(text);
    wr_decoding_open(&d, "json", columns, settings);
    for (size_t piece = 0; piece <= n; piece++) {
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_run(&d, text, n, piece), WEIR_OK);
        assert_string_equal(wr_text_string(&d.rows), rows);
        if (bad != NULL)
            assert_string_equal(wr_text_string(&d.bad), bad);
    }
    wr_decoding_close(&d);
}

static void
all_types_are_read(void **state)
{
    check("b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric(12,2), t text", NULL,
          "{\"b\":true,\"i2\":-32768,\"i4\":2147483647,\"i8\":-9223372036854775808,"
          "\"f4\":1.5,\"f8\":-0.1e-3,\"n\":12.345,\"t\":\"x\"}\n"
          "{\"b\":\"f\",\"i2\":\"7\",\"i4\":\" 8 \",\"i8\":1.0,\"f4\":\"NaN\",\"f8\":1e400,"
          "\"n\":\"5\",\"t\":12.50}\n"
          "{\"b\":0,\"i2\":1e3,\"i4\":10.0e-1,\"i8\":9223372036854775807,\"f4\":3,"
          "\"f8\":\"-Infinity\",\"n\":-0.005,\"t\":true}\n",
          "t|-32768|2147483647|-9223372036854775808|1.5|-0.0001|12.35|x\n"
          "f|1000|1|9223372036854775807|3|-Infinity|-0.01|true\n",
          "3004 field f8: value \"1e400\" is out of range for type double precision "
          "<{\"b\":\"f\",\"i2\":\"7\",\"i4\":\" 8 \",\"i8\":1.0,\"f4\":\"NaN\",\"f8\":1e400,>\n");
}

/* A record fits the shape of the one before it: the kernel reads them. */
static void
integers_of_every_length_are_read(void **state)
{
    check("a int8, b numeric(20,0)", NULL,
          "{\"a\":1,\"b\":1}\n{\"a\":123456789012345,\"b\":2}\n{\"a\":1234567890123456,\"b\":3}\n"
          "{\"a\":-1234567890123456,\"b\":4}\n{\"a\":12345678901234567,\"b\":5}\n{\"a\":123456789012345678,\"b\":6}\n"
          "{\"a\":-999999999999999999,\"b\":7}\n{\"a\":1234567890123456789,\"b\":8}\n{\"a\":9223372036854775807,\"b\":9}\n"
          "{\"a\":-9223372036854775808,\"b\":10}\n{\"a\":9223372036854775808,\"b\":11}\n{\"a\":0,\"b\":12}\n"
          "{\"a\":1234567890123456.0,\"b\":13}\n{\"a\":1234567890123456e2,\"b\":14}\n{\"a\":\"1234567890123456\",\"b\":15}\n",
          "1|1\n123456789012345|2\n1234567890123456|3\n-1234567890123456|4\n12345678901234567|5\n123456789012345678|6\n"
          "-999999999999999999|7\n1234567890123456789|8\n9223372036854775807|9\n-9223372036854775808|10\n0|12\n"
          "1234567890123456|13\n123456789012345600|14\n1234567890123456|15\n",
          "3004 field a: value \"9223372036854775808\" is out of range for type bigint "
          "<{\"a\":9223372036854775808,\"b\":11}>\n");
}

static void
times_are_read(void **state)
{
    check("a timestamptz, b timestamp, c date, d time, e interval", NULL,
          "{\"a\":\"2026-01-02T03:04:05Z\",\"b\":\"2026-01-02 03:04:05.678\",\"c\":\"2024-02-29\","
          "\"d\":\"12:34:56.7\",\"e\":\"1 day 2 hours\"}\n"
          "{\"a\":\"2026-01-02T03:04:05.123456+02:00\",\"b\":\"infinity\",\"c\":\"0044-03-15 BC\","
          "\"d\":\"24:00\",\"e\":\"PT1M\"}\n",
          "2026-01-02 03:04:05+00|2026-01-02 03:04:05.678|2024-02-29|12:34:56.7|1 day 02:00:00\n"
          "2026-01-02 01:04:05.123456+00|infinity|0044-03-15 BC|24:00:00|00:01:00\n",
          "");
    check("a timestamp(3)", NULL, "{\"a\":\"2026-01-02T03:04:05.1235\"}{\"a\":\"2026-12-31T23:59:59.9996\"}",
          "2026-01-02 03:04:05.124\n2027-01-01 00:00:00\n", "");
}

static void
epochs_want_a_unit(void **state)
{
    check("a timestamptz, b date", "time_unit=ms",
          "{\"a\":1767225600123,\"b\":1767225600123}{\"a\":-1,\"b\":-1}{\"a\":1.5}{\"a\":1e3}",
          "2026-01-01 00:00:00.123+00|2026-01-01\n1969-12-31 23:59:59.999+00|1969-12-31\n"
          "1970-01-01 00:00:00.0015+00|null\n1970-01-01 00:00:01+00|null\n",
          "");
    check("a timestamptz", "time_unit=ns", "{\"a\":1767225600123456789}{\"a\":-1}",
          "2026-01-01 00:00:00.123456+00\n1969-12-31 23:59:59.999999+00\n", "");
    check("a timestamptz", "time_unit=s", "{\"a\":1767225600}{\"a\":1767225600.25}",
          "2026-01-01 00:00:00+00\n2026-01-01 00:00:00.25+00\n", "");
    check("a timestamptz", "time_unit=us",
          "{\"a\":1}\n{\"a\":1767225600123456}\n{\"a\":1767225600123457}\n{\"a\":99999999999999999}\n"
          "{\"a\":176722560012345.6}\n{\"a\":1767225600123456e1}\n",
          "1970-01-01 00:00:00.000001+00\n2026-01-01 00:00:00.123456+00\n2026-01-01 00:00:00.123457+00\n"
          "5138-11-16 09:46:39.999999+00\n1975-08-08 09:36:00.012346+00\n2530-01-05 00:00:01.23456+00\n",
          "");
    check("a timestamp(3), b timestamp(0)", "time_unit=ms",
          "{\"a\":1,\"b\":1}\n{\"a\":1767225600123,\"b\":1767225600500}\n{\"a\":1767225600124,\"b\":1767225600499}\n",
          "1970-01-01 00:00:00.001|1970-01-01 00:00:00\n2026-01-01 00:00:00.123|2026-01-01 00:00:01\n"
          "2026-01-01 00:00:00.124|2026-01-01 00:00:00\n",
          "");
    check("a timestamp(3), b timestamp(6)", "time_unit=us",
          "{\"a\":1,\"b\":1}\n{\"a\":1767225600123500,\"b\":1767225600123500}\n",
          "1970-01-01 00:00:00|1970-01-01 00:00:00.000001\n2026-01-01 00:00:00.124|2026-01-01 00:00:00.1235\n", "");
    check("a timestamptz", NULL, "{\"a\":1767225600}", "",
          "3002 field a: number \"1767225600\" where a time is wanted: say time_unit: s, ms, us or "
          "ns <{\"a\":1767225600}>\n");
}

static void
paths_lead_inside(void **state)
{
    check("a int8, c text '$.meta.channel', x int4 '$.items[1].x', odd text '$.\"a b\".c', m jsonb "
          "'$.meta', w jsonb '$'",
          NULL,
          "{\"a\":1,\"meta\":{\"z\":[{}],\"channel\":\"web\"},\"items\":[7,{\"x\":5},8],\"a "
          "b\":{\"c\":\"!\"}}\n"
          "{\"a\":2,\"meta\":null,\"items\":{}}\n"
          "{\"a\":3,\"meta\":{\"channel\":\"1\"},\"meta\":{}}\n",
          "1|web|5|!|{\"z\": [{}], \"channel\": \"web\"}|{\"a\": 1, \"a b\": {\"c\": \"!\"}, "
          "\"meta\": {\"z\": [{}], \"channel\": \"web\"}, \"items\": [7, {\"x\": 5}, 8]}\n"
          "2|null|null|null|null|{\"a\": 2, \"meta\": null, \"items\": {}}\n"
          "3|null|null|null|{}|{\"a\": 3, \"meta\": {}}\n",
          "");
}

static void
containers_go_where_they_fit(void **state)
{
    check("a int4[], t text, j json, b jsonb, x text[]", NULL,
          "{\"a\":[1,null,3],\"t\":{\"k\": [1]},\"j\":{\"b\":1, \"a\":2},\"b\":[3, 1.50],\"x\":[[\"p\"],"
          "[\"q,\"]]}\n"
          "{\"a\":\"{4,5}\",\"t\":[1],\"j\":\"s\",\"b\":\"s\",\"x\":[]}\n"
          "{\"a\":[],\"b\":null,\"j\":null}",
          "{1,NULL,3}|{\"k\": [1]}|{\"b\":1, \"a\":2}|[3, 1.50]|{{p},{\"q,\"}}\n"
          "{4,5}|[1]|\"s\"|\"s\"|{}\n"
          "{}|null|null|null|null\n",
          "");
}

static void
missing_and_repeated_members(void **state)
{
    check("a int8 not null, b text", NULL,
          "{\"b\":\"x\",\"a\":1,\"unknown\":{\"deep\":[1,2,{\"a\":9}]}}\n{\"a\":2}\n{\"b\":\"x\"}\n"
          "{\"a\":null}\n{\"a\":3,\"a\":4,\"b\":\"y\",\"b\":null}\n{}\n",
          "1|x\n2|null\n4|null\n",
          "3003 field a: missing, and the column is declared NOT NULL <{\"b\":\"x\"}>\n"
          "3003 field a: NULL in a column declared NOT NULL <{\"a\":null}>\n"
          "3003 field a: missing, and the column is declared NOT NULL <{}>\n");
}

static void
strings_are_unescaped(void **state)
{
    check("a text", NULL,
          "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\u20AC\\ud83d\\ude00\"}"
          "{\"\\u0061\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"}{\"a\":\"\"}",
          "\"\\/\b\f\n\r\t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\ncaf\xc3\xa9 \xf0\x9f\x98\x80\n\n", "");
}

static void
records_need_no_newlines(void **state)
{
    check("a int8", NULL, "\xef\xbb\xbf [ {\"a\":1} , {\"a\":2}\r\n,{\"a\":3}]{\"a\":4}{\"a\":5}\n\n{\n \"a\" : 6\n}",
          "1\n2\n3\n4\n5\n6\n", "");
    check("a int8", NULL, "", "", "");
    check("a int8", NULL, " \n[]\n", "", "");
}

static void
bad_record_leaves_its_neighbours(void **state) /* F2 */
{
    check("a int8, b text", NULL,
          "{\"a\":1}\ngarbage\n{\"a\":2,\"b\":\"\n{\"a\":3}\n{\"a\":[1,\n{\"a\":4}\n{\"a\":5}\n\"x\" 7 [8]\n"
          "{\"a\":6,}\n{\"a\":07}\n{\"a\":1x}\n{'a':1}\n{\"a\":8}",
          "1|null\n3|null\n4|null\n5|null\n8|null\n",
          "3001 invalid JSON at byte 0: expected a value <garbage>\n"
          "3001 invalid JSON at byte 12: control character in a string <{\"a\":2,\"b\":\">\n"
          "3001 invalid JSON at byte 17: expected ',' or ']' <{\"a\":[1,>\n"
          "3001 expected an object <\"x\">\n3001 expected an object <7>\n3001 expected an object <8>\n"
          "3001 invalid JSON at byte 7: expected a key in quotes <{\"a\":6,}>\n"
          "3001 invalid JSON at byte 5: a number begins with 0 <{\"a\":07}>\n"
          "3001 invalid JSON at byte 6: expected ',' or '}' <{\"a\":1x}>\n"
          "3001 invalid JSON at byte 1: expected a key in quotes <{'a':1}>\n");
}

static void
broken_object_over_many_lines(void **state)
{
    check("a int8", NULL, "{\n \"a\": 1,\n \"b\": oops,\n \"c\": 2\n}\n{\n \"a\": 2\n}\n", "2\n",
          "3001 invalid JSON at byte 17: expected a value <{\n \"a\": 1,\n \"b\": oops,\n \"c\": 2\n}>\n");
    check("a int8", NULL, "{\"a\":1}\n{\"a\": 2,\n \"b\": ", "1\n",
          "3001 invalid JSON: the record ends too early <{\"a\": 2,\n \"b\": >\n");
}

static void
record_limit_holds(void **state)
{
    wr_decoding d;
    char        text[700];
    memset(text, 'x', sizeof text);
    memcpy(text, "{\"a\":1}\n{\"b\":\"", 14);
    memcpy(text + 600, "\"}\n{\"a\":2}\n{\"b\":\"", 17);
    memcpy(text + 690, "\"}{\"a\":3}\n", 10);
    wr_decoding_open(&d, "json", "a int8", "record_max=64B");
    for (size_t piece = 0; piece < sizeof text; piece += 1) {
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_run(&d, text, sizeof text, piece), WEIR_OK);
        assert_string_equal(wr_text_string(&d.rows), "1\n2\n");
        assert_int_equal(d.bad_count, 2);
        assert_non_null(strstr(wr_text_string(&d.bad), "3007 the record is larger than 64 bytes"));
    }
    wr_decoding_close(&d);
}

static void
only_needed_columns_are_filled(void **state) /* F4 */
{
    wr_decoding d;
    const char *text = "{\"a\":1,\"b\":\"no number\",\"c\":\"z\"}\n{\"a\":2,\"b\":5,\"c\":null}\n";
    wr_decoding_open(&d, "json", "a int8, b int8 not null, c text", NULL);
    d.needed[0] = 5;
    for (size_t piece = 0; piece <= strlen(text); piece++) {
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_run(&d, text, strlen(text), piece), WEIR_OK);
        assert_string_equal(wr_text_string(&d.rows), "1|z\n2|null\n");
        assert_int_equal(d.bad_count, 0);
    }
    d.needed[0] = 0;
    wr_decoding_reset(&d);
    assert_int_equal(wr_decoding_run(&d, text, strlen(text), 0), WEIR_OK);
    assert_int_equal(d.row_count, 2);
    wr_decoding_close(&d);
}

static void
batches_fill_to_capacity(void **state)
{
    wr_decoding d;
    const char *text = "{\"a\":1}\n{\"a\":2}\nbad\n{\"a\":3}\n{\"a\":4}\n{\"a\":5}\n";
    wr_decoding_open(&d, "json", "a int8", NULL);
    for (d.capacity = 1; d.capacity < 6; d.capacity++) {
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_run(&d, text, strlen(text), 0), WEIR_OK);
        assert_string_equal(wr_text_string(&d.rows), "1\n2\n3\n4\n5\n");
        assert_int_equal(d.bad_count, 1);
    }
    wr_decoding_close(&d);
}

/* Enough rows of a few shapes that templates serve most of them, with every trouble in between. */
static void
templates_agree_with_parser(void **state) /* D1 */
{
    wr_decoding d;
    wr_text     text, rows;
    wr_text_init(&text, NULL);
    wr_text_init(&rows, NULL);
    for (int i = 0; i < 400; i++) {
        static const char *const names[] = { "x", "twelve bytes", "thirteen bytes", "caf\xc3\xa9", "" };
        const char              *name = names[i % 5];
        if (i % 3 == 0)
            wr_text_printf(&text, "{\"id\":%d,\"name\":\"%s\",\"price\":%d.%02d,\"ok\":%s,\"ts\":\"2026-01-%02dT00:00:%02d.%03dZ\"}\n",
                           i, name, i, i % 100, i % 2 ? "true" : "false", 1 + i % 28, i % 60, i);
        else if (i % 3 == 1)
            wr_text_printf(&text, "{ \"name\" : \"%s\" , \"id\" : %d , \"price\":\"%d.%02d\", \"skip\":[1,{\"a\":\"]\"}],\"ok\":%s,\"ts\":\"2026-01-%02d 00:00:%02d.%03d+00\" }\n",
                           name, i, i, i % 100, i % 2 ? "true" : "false", 1 + i % 28, i % 60, i);
        else
            wr_text_printf(&text, "{\"id\":%d,\"name\":\"%s\",\"price\":%d.%02d,\"ok\":%s,\"ts\":\"2026-01-%02dT00:00:%02d.%03dZ\",\"more\":\"\\u0041\"}\r\n",
                           i, name, i, i % 100, i % 2 ? "true" : "false", 1 + i % 28, i % 60, i);
        wr_text_printf(&rows, "%d|%s|%d.%02d|%s|2026-01-%02d 00:00:%02d", i, name, i, i % 100,
                       i % 2 ? "t" : "f", 1 + i % 28, i % 60);
        if (i > 0) {
            char fraction[8];
            int  n = snprintf(fraction, sizeof fraction, ".%03d", i % 1000);
            while (fraction[n - 1] == '0')
                n--;
            wr_text_append(&rows, fraction, (size_t) n);
        }
        wr_text_puts(&rows, "+00\n");
    }
    wr_decoding_open(&d, "json", "id int4 not null, name text, price numeric(10,2), ok bool, ts timestamptz", NULL);
    for (size_t piece = 0; piece < 900; piece += piece < 300 ? 1 : 97) {
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_run(&d, wr_text_string(&text), text.length, piece), WEIR_OK);
        assert_string_equal(wr_text_string(&d.bad), "");
        assert_string_equal(wr_text_string(&d.rows), wr_text_string(&rows));
    }
    wr_decoding_close(&d);
    wr_text_fini(&text);
    wr_text_fini(&rows);
}

static void
numeric_without_scale_keeps_digits(void **state)
{
    check("n numeric", NULL,
          "{\"n\":1}{\"n\":2}{\"n\":2.50}{\"n\":1e2}{\"n\":\"NaN\"}{\"n\":-12345678901234567890123."
          "4567890}{\"n\":null}{\"n\":0.000}",
          "1\n2\n2.50\n100\nNaN\n-12345678901234567890123.4567890\nnull\n0.000\n", "");
    check("n numeric(20,3)", NULL,
          "{\"n\":12345678901234567.125}{\"n\":1}{\"n\":-0}{\"n\":1e16}{\"n\":123456789012345678}",
          "12345678901234567.125\n1.000\n0.000\n10000000000000000.000\n", NULL);
}

static void
text_lengths_are_kept(void **state)
{
    check("v varchar(3), c char(3)", NULL,
          "{\"v\":\"abc\",\"c\":\"x\"}{\"v\":\"\xc3\xa4\xc3\xb6\xc3\xbc\"}{\"v\":\"abcd\"}{\"c\":\"wxyz\"}",
          "abc|x  \n\xc3\xa4\xc3\xb6\xc3\xbc|null\n", NULL);
}

WR_TESTS = {
    WR_TEST(all_types_are_read),
    WR_TEST(integers_of_every_length_are_read),
    WR_TEST(times_are_read),
    WR_TEST(epochs_want_a_unit),
    WR_TEST(paths_lead_inside),
    WR_TEST(containers_go_where_they_fit),
    WR_TEST(missing_and_repeated_members),
    WR_TEST(strings_are_unescaped),
    WR_TEST(records_need_no_newlines),
    WR_TEST(bad_record_leaves_its_neighbours),
    WR_TEST(broken_object_over_many_lines),
    WR_TEST(record_limit_holds),
    WR_TEST(only_needed_columns_are_filled),
    WR_TEST(batches_fill_to_capacity),
    WR_TEST(templates_agree_with_parser),
    WR_TEST(numeric_without_scale_keeps_digits),
    WR_TEST(text_lengths_are_kept),
    { NULL, NULL },
};
