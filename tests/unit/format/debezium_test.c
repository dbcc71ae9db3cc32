/* SPDX-License-Identifier: Apache-2.0 */
/* debezium_test.c -- F1..F4, E1, E2 of format/debezium.c; the encodings of debezium_value.c. */
#include "format/debezium.h"
#include "support/decode.h"
#include "support/test.h"

#include <stdio.h>

/* Decode `text` in one piece and in pieces of many sizes; want these rows and bad records. */
static void
check(const char *columns, const char *settings, const char *text, const char *rows, const char *bad)
{
    wr_decoding d;
    size_t      n = strlen(text);
    wr_decoding_open(&d, "debezium", columns, settings);
    for (size_t piece = 0; piece <= n; piece += piece < 20 ? 1 : 17) {
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_run(&d, text, n, piece), WEIR_OK);
        assert_string_equal(wr_text_string(&d.rows), rows);
        assert_string_equal(wr_text_string(&d.bad), bad);
    }
    wr_decoding_close(&d);
}

static void
events_are_rows(void **state)
{
    (void) state;
    check("id int8, name text, _op text", NULL,
          "{\"before\":null,\"after\":{\"id\":1,\"name\":\"a\"},\"source\":{\"lsn\":5},\"op\":\"c\",\"ts_ms\":1}\n"
          "{\"before\":{\"id\":1,\"name\":\"a\"},\"after\":{\"id\":1,\"name\":\"b\"},\"op\":\"u\"}\n"
          "{\"op\":\"r\",\"after\":{\"name\":\"c\",\"id\":2,\"more\":[1,{}]}}\r\n"
          "\n null \n"
          "{\"before\":{\"id\":1,\"name\":\"b\"},\"after\":null,\"op\":\"d\"}\n"
          "{\"before\":null,\"op\":\"d\"}",
          "1|a|c\n1|b|u\n2|c|r\n1|b|d\nnull|null|d\n", "");
}

static void
columns_of_the_envelope(void **state) /* E3 */
{
    (void) state;
    check("id int8, at timestamptz '$.source.ts_ms', table_name text '$.source.table', "
          "read_at timestamp '$.ts_us', lsn int8 '$.source.lsn', _op text",
          NULL,
          "{\"op\":\"c\",\"after\":{\"id\":1,\"at\":\"x\"},\"source\":{\"lsn\":5,\"ts_ms\":1767225600123,"
          "\"table\":\"t\"},\"ts_ms\":1,\"ts_us\":1500000}\n"
          "{\"payload\":{\"op\":\"d\",\"before\":{\"id\":1},\"source\":{\"ts_ms\":1767225601000}}}\n"
          "{\"op\":\"u\",\"after\":{\"id\":2},\"source\":7}\n",
          "1|2026-01-01 00:00:00.123+00|t|1970-01-01 00:00:01.5|5|c\n"
          "1|2026-01-01 00:00:01+00|null|null|null|d\n2|null|null|null|null|u\n",
          "");
}

static void
schemas_may_stand_beside(void **state)
{
    (void) state;
    check("id int8, n numeric, t timestamp, u timestamp(3), m time, _op text", NULL,
          "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"fields\":["
          "{\"type\":\"int64\",\"field\":\"id\"},"
          "{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,"
          "\"parameters\":{\"scale\":\"2\",\"connect.decimal.precision\":\"10\"},\"field\":\"n\"},"
          "{\"type\":\"int64\",\"name\":\"io.debezium.time.Timestamp\",\"field\":\"t\"},"
          "{\"type\":\"int64\",\"name\":\"io.debezium.time.NanoTimestamp\",\"field\":\"u\"},"
          "{\"type\":\"int32\",\"name\":\"io.debezium.time.Time\",\"field\":\"m\"}"
          "],\"field\":\"after\"}]},"
          "\"payload\":{\"op\":\"c\",\"after\":{\"id\":7,\"n\":\"MDk=\",\"t\":1767225600123,"
          "\"u\":1767225600123999999,\"m\":3723004}}}\n"
          "{\"schema\":null,\"payload\":null}\n"
          "{\"schema\":{},\"payload\":{\"op\":\"d\",\"before\":{\"id\":7}}}\n",
          "7|123.45|2026-01-01 00:00:00.123|2026-01-01 00:00:00.124|01:02:03.004|c\n"
          "7|null|null|null|null|d\n",
          "");
}

static void
types_as_the_connector_writes_them(void **state)
{
    (void) state;
    check("b bool, b2 bool, i int2, l int8, f float4, g float8, n numeric(10,2), n2 numeric, t text, "
          "j jsonb, y bytea, d date, m time, m3 time(3), s timestamp, s3 timestamp(3), z timestamptz, "
          "v interval, u uuid, a int4[], x text",
          NULL,
          "{\"op\":\"c\",\"after\":{\"b\":true,\"b2\":0,\"i\":-5,\"l\":9007199254740993,\"f\":1.5,"
          "\"g\":\"NaN\",\"n\":\"/w==\",\"n2\":{\"scale\":3,\"value\":\"AeJA\"},\"t\":\"x\\u00e4\","
          "\"j\":\"{\\\"b\\\": 1, \\\"a\\\": null}\",\"y\":\"AP9/\",\"d\":20454,\"m\":3723000004,"
          "\"m3\":3723004,\"s\":1767225600123456,\"s3\":1767225600123,"
          "\"z\":\"2026-01-01T01:00:00.5+01:00\",\"v\":90061000001,"
          "\"u\":\"00000000-0000-0000-0000-0000000000ff\",\"a\":[1,null,3],\"x\":12.50}}\n",
          "t|f|-5|9007199254740993|1.5|NaN|-0.01|123.456|x\xc3\xa4|{\"a\": null, \"b\": 1}|\\x00ff7f|"
          "2026-01-01|01:02:03.000004|01:02:03.004|2026-01-01 00:00:00.123456|2026-01-01 00:00:00.123|"
          "2026-01-01 00:00:00.5+00|25:01:01.000001|00000000-0000-0000-0000-0000000000ff|{1,NULL,3}|12.50\n",
          "");
    check("n numeric, n2 numeric(6,1), s timestamp, m time, z timestamptz", "decimals=string; times=connect",
          "{\"op\":\"c\",\"after\":{\"n\":\"12.50\",\"n2\":3.14,\"s\":-1,\"m\":86399999,\"z\":0}}\n",
          "12.50|3.1|1969-12-31 23:59:59.999|23:59:59.999|1970-01-01 00:00:00+00\n", "");
    check("m time(0), s timestamp(0)", "times=adaptive_time_microseconds",
          "{\"op\":\"c\",\"after\":{\"m\":1000000,\"s\":1000}}\n", "00:00:01|1970-01-01 00:00:01\n", "");
}

static void
deletions_need_the_key_alone(void **state) /* E2 */
{
    (void) state;
    check("id int8, n numeric(5,2) not null, t text", NULL,
          "{\"op\":\"d\",\"before\":{\"id\":1,\"n\":\"??\",\"t\":\"__debezium_unavailable_value\"}}\n",
          "", "3003 column n: NULL in a column declared NOT NULL "
          "<{\"op\":\"d\",\"before\":{\"id\":1,\"n\":\"??\",\"t\":\"__debezium_unavaila>\n");
    check("id int8, n numeric(5,2), t text", NULL,
          "{\"op\":\"d\",\"before\":{\"id\":1,\"n\":\"??\",\"t\":\"__debezium_unavailable_value\"}}\n",
          "1|null|null\n", "");
}

typedef struct bad_event {
    const char *name, *record;
    int         code;
} bad_event;

#define AFTER(M) "{\"op\":\"c\",\"after\":{\"id\":1," M "}}"
static const bad_event bad_events[] = {
    { "a word", "garbage", WEIR_ROW_DECODE },
    { "a number", "17", WEIR_ROW_DECODE },
    { "a list", "[{\"op\":\"c\",\"after\":{}}]", WEIR_ROW_DECODE },
    { "an empty object", "{}", WEIR_ROW_DECODE },
    { "cut off", "{\"op\":\"c\",\"after\":{\"id\":1", WEIR_ROW_DECODE },
    { "a payload that is a text", "{\"schema\":{},\"payload\":\"x\"}", WEIR_ROW_DECODE },
    { "a flattened event", "{\"id\":1,\"__deleted\":\"false\"}", WEIR_ROW_DECODE },
    { "no op", "{\"after\":{\"id\":1}}", WEIR_ROW_DECODE },
    { "an op of two letters", "{\"op\":\"cu\",\"after\":{\"id\":1}}", WEIR_ROW_DECODE },
    { "an op that is a number", "{\"op\":1,\"after\":{\"id\":1}}", WEIR_ROW_DECODE },
    { "an op nobody knows", "{\"op\":\"x\",\"after\":{\"id\":1}}", WEIR_ROW_DECODE },
    { "a truncate", "{\"op\":\"t\",\"source\":{}}", WEIR_ROW_DECODE },
    { "a logical message", "{\"op\":\"m\",\"message\":{}}", WEIR_ROW_DECODE },
    { "a create without after", "{\"op\":\"c\",\"before\":{\"id\":1}}", WEIR_ROW_DECODE },
    { "an update with a null after", "{\"op\":\"u\",\"after\":null}", WEIR_ROW_DECODE },
    { "an after that is a list", "{\"op\":\"r\",\"after\":[1]}", WEIR_ROW_DECODE },
    { "a before that is a text", "{\"op\":\"d\",\"before\":\"1\"}", WEIR_ROW_DECODE },
    { "a text in an integer", AFTER("\"i\":\"x\""), WEIR_ROW_TYPE },
    { "an integer too large", AFTER("\"i\":99999999999"), WEIR_ROW_OVERFLOW },
    { "a fraction in an integer", AFTER("\"i\":1.5"), WEIR_ROW_TYPE },
    { "2 in a boolean", AFTER("\"b\":2"), WEIR_ROW_OVERFLOW },
    { "no base64 in a decimal", AFTER("\"n\":\"!!\""), WEIR_ROW_TYPE },
    { "a decimal without bytes", AFTER("\"n\":\"\""), WEIR_ROW_OVERFLOW },
    { "a decimal of 17 bytes", AFTER("\"n\":\"AAAAAAAAAAAAAAAAAAAAAAA=\""), WEIR_ROW_OVERFLOW },
    { "a decimal that does not fit", AFTER("\"n\":\"f////w==\""), WEIR_ROW_OVERFLOW },
    { "a decimal without a scale", AFTER("\"n2\":\"AQ==\""), WEIR_ROW_TYPE },
    { "an object that is no decimal", AFTER("\"n2\":{\"scale\":1}"), WEIR_ROW_TYPE },
    { "a scale of a million", AFTER("\"n2\":{\"scale\":1000000,\"value\":\"AQ==\"}"), WEIR_ROW_OVERFLOW },
    { "bytes that are no base64", AFTER("\"y\":\"a\""), WEIR_ROW_TYPE },
    { "a day far away", AFTER("\"d\":9999999999"), WEIR_ROW_OVERFLOW },
    { "a day of a fraction", AFTER("\"d\":1.5"), WEIR_ROW_OVERFLOW },
    { "a time after midnight", AFTER("\"m\":86400000001"), WEIR_ROW_OVERFLOW },
    { "a time before midnight", AFTER("\"m\":-1"), WEIR_ROW_OVERFLOW },
    { "a moment too far", AFTER("\"s\":9223372036854775807"), WEIR_ROW_OVERFLOW },
    { "a moment of milliseconds too far", AFTER("\"s3\":9223372036854775807"), WEIR_ROW_OVERFLOW },
    { "a broken document", AFTER("\"j\":\"{\""), WEIR_ROW_TYPE },
    { "a list in an integer", AFTER("\"i\":[1]"), WEIR_ROW_TYPE },
    { "a value that was not sent", AFTER("\"t\":\"__debezium_unavailable_value\""), WEIR_ROW_TYPE },
    { "a NULL where none may be", AFTER("\"must\":null"), WEIR_ROW_NULL },
};

static void
bad_events_are_told(void **state) /* E1, F2 */
{
    static const char columns[] = "id int8, i int4, b bool, n numeric(5,2), n2 numeric, y bytea, d date, m time, "
                                  "s timestamp, s3 timestamp(3), j jsonb, t text, must int4 not null";
    (void) state;
    for (size_t i = 0; i < WR_COUNT(bad_events); i++) {
        const bad_event *c = &bad_events[i];
        char             text[1024], code[8], sample[40];
        wr_decoding      d;
        snprintf(text, sizeof text, "{\"op\":\"c\",\"after\":{\"id\":1,\"must\":1}}\n%s\n"
                                    "{\"op\":\"c\",\"after\":{\"id\":2,\"must\":1}}\n", c->record);
        snprintf(sample, sizeof sample, "<%s", c->record);
        snprintf(code, sizeof code, "%d ", c->code);
        wr_decoding_open(&d, "debezium", columns, NULL);
        for (size_t piece = 0; piece < 3; piece++) {
            wr_decoding_reset(&d);
            assert_int_equal(wr_decoding_run(&d, text, strlen(text), piece), WEIR_OK);
            if (d.row_count != 2 || d.bad_count != 1 ||
                strncmp(wr_text_string(&d.bad), code, strlen(code)) != 0 ||
                strstr(wr_text_string(&d.bad), sample) == NULL)
                fail_msg("%s: %u rows, bad: %s", c->name, d.row_count, wr_text_string(&d.bad));
        }
        wr_decoding_close(&d);
    }
}

static void
long_records_are_left_at_their_end(void **state)
{
    (void) state;
    check("id int8", "record_max=64B",
          "{\"op\":\"c\",\"after\":{\"id\":1}}\n"
          "{\"op\":\"c\",\"after\":{\"id\":2,\"t\":\"0123456789012345678901234567890123456789\"}}\n"
          "{\"op\":\"c\",\"after\":{\"id\":3}}\n",
          "1\n3\n",
          "3007 the record is larger than 64 bytes "
          "<{\"op\":\"c\",\"after\":{\"id\":2,\"t\":\"01234567890123456789012345678>\n");
}

WR_TESTS = {
    WR_TEST(events_are_rows), WR_TEST(columns_of_the_envelope),
    WR_TEST(schemas_may_stand_beside),
    WR_TEST(types_as_the_connector_writes_them),
    WR_TEST(deletions_need_the_key_alone),
    WR_TEST(bad_events_are_told),
    WR_TEST(long_records_are_left_at_their_end),
    { NULL, NULL },
};
