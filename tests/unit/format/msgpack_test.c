/* SPDX-License-Identifier: Apache-2.0 */
/* msgpack_test.c -- F1..F4, M1, M2 of the MessagePack decoder, K1, K2 of the encoder; msgpack-c agrees. */
#include "base/random.h"
#include "data/json.h"
#include "format/msgpack_impl.h"
#include "support/decode.h"
#include "support/test.h"

#include <msgpack.h>
#include <stdlib.h>

/* Decode bytes in one piece and in pieces of every size; want these rows and bad records. */
static void
check(const char *columns, const char *settings, const char *bytes, size_t n, const char *rows,
      const char *bad)
{
    wr_decoding d;
    wr_decoding_open(&d, "msgpack", columns, settings);
    for (size_t piece = 0; piece <= n; piece++) {
        wr_decoding_reset(&d);
        weir_status status = wr_decoding_run(&d, bytes, n, piece);
        assert_true(status == WEIR_OK || (piece > 0 && status == WEIR_ROW_DECODE && d.bad_count > 0));
        assert_string_equal(wr_text_string(&d.rows), rows);
        char *codes = wr_text_take(&d.bad, NULL), *line = codes, *to = codes;
        while (line != NULL && *line != '\0') { /* the records themselves are binary: drop them */
            char *less = strstr(line, " <"), *next = strstr(line, ">\n");
            assert_true(less != NULL && next != NULL);
            memmove(to, line, (size_t) (less - line));
            to += less - line;
            *to++ = '\n';
            line = next + 2;
        }
        if (to != NULL)
            *to = '\0';
        assert_string_equal(codes != NULL ? codes : "", bad);
        wr_free(codes);
        wr_text_init(&d.bad, NULL);
    }
    wr_decoding_close(&d);
}
#define CHECK(columns, settings, bytes, rows, bad)                                                 \
    check(columns, settings, bytes, sizeof(bytes) - 1, rows, bad)

static void
maps_and_arrays_are_records(void **state)
{
    CHECK("a int8, b text", NULL,
          "\x82\xa1"
          "a\x01\xa1"
          "b\xa1x"
          "\x81\xa1"
          "a\xff"
          "\x92\x02\xa1y"
          "\xde\x00\x01\xa1z\x93\x01\x02\x03"
          "\x80",
          "1|x\n-1|null\n2|y\nnull|null\nnull|null\n", "");
    CHECK("a int8", NULL, "", "", "");
}

static void
an_array_of_rows_is_rows(void **state)
{
    static const char rows[] = "\x93\x81\xa1" "a\x01\x92\x02\xa1y\x81\xa1" "b\xa1z" "\x90" "\xdc\x00\x01\x92\x03\xc0"
                               "\xdd\x00\x00\x00\x02\x92\x04\xc0\x92\xa1x\xc0" "\x92\x05\xc0";
    CHECK("a int8, b text", NULL, rows, "1|null\n2|y\nnull|z\n3|null\n4|null\n5|null\n", "3002 field a: invalid input syntax for type bigint: \"x\"\n");
    /* where the first column takes one, it is a row by position */
    CHECK("a jsonb, b text", NULL, "\x92\x81\xa1" "a\x01\xa1y" "\x92\x91\x01\xc0", "{\"a\": 1}|y\n[1]|null\n", "");
    CHECK("a int8[], b text", NULL, "\x92\x92\x01\x02\xa1y", "{1,2}|y\n", "");
    CHECK("a int8, b text", NULL, "\x92\x92\x01\xa1y", "1|y\n", ""); /* one row is missing: those that are there count */
    CHECK("a int8, b text", NULL, "\x92\x92\x01", "", "3001 invalid MessagePack: the record ends too early\n");
    CHECK("a int8, b text", NULL, "\x92", "", "3001 invalid MessagePack: the record ends too early\n");
}

static void
numbers_of_all_widths(void **state)
{
    CHECK("a int8, b float8, c numeric(20,2), d text", NULL,
          "\x94\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xca\x3d\xcc\xcc\xcd\xce\xff\xff\xff\xff\xcd\x01\x00"
          "\x94\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xcb\x40\x09\x21\xfb\x54\x44\x2d\x18\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xc3"
          "\x94\xd0\x80\xd1\x80\x00\xd2\x80\x00\x00\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
          "9223372036854775807|0.1|4294967295.00|256\n"
          "-9223372036854775808|3.141592653589793|1.50|true\n"
          "-128|-32768|-2147483648.00|18446744073709551615\n",
          "");
    CHECK("a int8, b int2", NULL,
          "\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xc0\x92\xc0\xcd\xff\xff\x92\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00",
          "",
          "3004 field a: value \"18446744073709551615\" is out of range for type bigint\n"
          "3004 field b: value \"65535\" is out of range for type smallint\n"
          "3002 field b: invalid input syntax for type smallint: \"1.5\"\n");
}

static void
times_are_extensions(void **state)
{
    CHECK("a timestamptz, b timestamp, c date, d text", NULL,
          "\x94\xd6\xff\x69\x55\xb9\x00\xd7\xff\x1d\xcd\x65\x00\x69\x55\xb9\x00\xd6\xff\x69\x55\xb9\x00\xd6\xff\x00\x00\x00\x00"
          "\x94\xc7\x0c\xff\x00\x00\x03\xe8\xff\xff\xff\xff\xff\xff\xff\xff\xc0\xc0\xc0",
          "2026-01-01 00:00:00+00|2026-01-01 00:00:00.125|2026-01-01|1970-01-01T00:00:00Z\n"
          "1969-12-31 23:59:59.000001+00|null|null|null\n",
          "");
    CHECK("a timestamptz", NULL,
          "\x91\xd4\x05\x00\x91\xd6\xff\xff\xff\xff\xff\x91\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff\x91\x07",
          "2106-02-07 06:28:15+00\n",
          "3002 field a: extension type 5 is not known\n3002 field a: extension type -1 is not known\n"
          "3002 field a: number \"7\" where a time is wanted: say time_unit: s, ms, us or ns\n");
    CHECK("a timestamptz", "time_unit=s", "\x91\xce\x69\x55\xb9\x00", "2026-01-01 00:00:00+00\n", "");
}

static void
containers_and_paths(void **state)
{
    CHECK("a int8 '$.m.x', b jsonb '$.m', c int4[], d text '$.l[1]', e bytea, k text '$.7'", NULL,
          "\x85\xa1m\x82\xa1x\x05\xa1y\x92\xc2\xa1\"\xa1"
          "c\x92\x01\xc0\xa1l\x92\x01\xa1z\xa1"
          "e\xc4\x02\x00\xff\x07\xa1s"
          "\x81\xa1m\xc0",
          "5|{\"x\": 5, \"y\": [false, \"\\\"\"]}|{1,NULL}|z|\\x00ff|s\nnull|null|null|null|null|null\n", "");
}

static void
bad_rows_leave_their_neighbours(void **state) /* F2 */
{
    CHECK("a int8 not null, b text", NULL,
          "\x81\xa1"
          "a\x01"
          "\x81\xa1"
          "b\xa1x"
          "\x81\xa1"
          "a\xc0"
          "\x05"
          "\xa3"
          "abc"
          "\x82\xa1"
          "a\x02\xa1"
          "b\xa1\xff"
          "\x81\xa1"
          "a\x92\x01\x02"
          "\x93\x01\x02\x03"
          "\x81\xa1"
          "a\x03",
          "1|null\n3|null\n",
          "3003 field a: missing, and the column is declared NOT NULL\n"
          "3003 field a: NULL in a column declared NOT NULL\n"
          "3001 expected a map or an array\n3001 expected a map or an array\n"
          "3008 field b: invalid byte sequence for UTF-8\n"
          "3002 field a: a list where a value of type int8 is wanted\n"
          "3001 3 values where 2 are wanted\n");
}

static void
wrong_bytes_end_the_message(void **state) /* M1, M2 */
{
    char deep[200];
    CHECK("a int8", NULL, "\x91\x01\xc1\x91\x02", "1\n", "3001 invalid MessagePack: the tag c1 is never used\n");
    CHECK("a int8", NULL, "\x91\x01\xdd\x10\x00\x00\x00", "1\n",
          "3001 invalid MessagePack: a count beyond the record limit is declared\n");
    CHECK("a int8", NULL, "\x91\x01\xdf\xff\xff\xff\xff", "1\n",
          "3001 invalid MessagePack: a count beyond the record limit is declared\n");
    CHECK("a int8", NULL, "\x91\x01\x91\xdb\xff\xff\xff\xff", "1\n",
          "3001 invalid MessagePack: a length beyond the record limit is declared\n");
    CHECK("a int8", NULL, "\x91\x01\x91\xc9\xff\xff\xff\xff\x05", "1\n",
          "3001 invalid MessagePack: a length beyond the record limit is declared\n");
    memset(deep, '\x91', sizeof deep);
    check("a int8", NULL, deep, sizeof deep, "", "3001 invalid MessagePack: nested deeper than 32\n");
    check("a jsonb", NULL, deep, sizeof deep, "", "3001 invalid MessagePack: nested deeper than 32\n");
    CHECK("a int8", NULL, "\x91\x01\x91", "1\n", "3001 invalid MessagePack: the record ends too early\n");
    CHECK("a int8", NULL, "\x82\xa1"
                          "a",
          "", "3001 invalid MessagePack: the record ends too early\n");
    CHECK("a text", "record_max=64B",
          "\x91\xa1x\x92\xd9\x28"
          "0123456789012345678901234567890123456789\xd9\x28"
          "0123456789012345678901234567890123456789\x91\xa1y",
          "x\n", "3007 the record is larger than 64 bytes\n");
}

/* --- the encoder --- */

static wr_encoder *
encoder_make(const wr_schema *schema, int layout, int op)
{
    static wr_msgpack_encode_config config;
    wr_encoder                     *e;
    weir_error                      err;
    config = (wr_msgpack_encode_config){ .layout = layout, .op = op };
    assert_int_equal(wr_msgpack_encoder_ops.create(&config, schema, NULL, &e, &err), WEIR_OK);
    return e;
}

static const char every_type[] =
    "b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric(12,2), m numeric(30,5), u "
    "numeric, t text, y bytea, d date, o time, s timestamp, z timestamptz, v interval, g uuid, k "
    "jsonb, a int4[], x text[]";
static const char every_value[] =
    "{\"b\":true,\"i2\":-7,\"i4\":70000,\"i8\":-9223372036854775808,\"f4\":0.1,\"f8\":1e300,\"n\":-0.05,"
    "\"m\":1234567890123456789012345.12345,\"u\":1.500,\"t\":\"a\\\"b\\n\",\"y\":\"\\\\xdeadbeef\","
    "\"d\":\"2024-02-29\",\"o\":\"12:34:56.789\",\"s\":\"2026-01-01 00:00:00.120000\","
    "\"z\":\"1999-12-31T23:59:59.999999Z\",\"v\":\"1 mon 2 days 03:04:05\","
    "\"g\":\"00112233-4455-6677-8899-aabbccddeeff\",\"k\":{\"b\":1, \"a\":[1.5,null,-3]},"
    "\"a\":[1,null,3],\"x\":[[\"p\"],[\"q\\\"\"]]}\n"
    "{\"f4\":\"NaN\",\"f8\":\"-Infinity\",\"u\":\"Infinity\",\"d\":\"infinity\",\"s\":\"-infinity\","
    "\"z\":\"0044-03-15 12:00:00 BC\",\"i8\":200,\"i4\":-200,\"i2\":-32768}\n"
    "{\"b\":false,\"i2\":0,\"n\":12345.60,\"u\":\"NaN\",\"t\":\"\",\"z\":\"9999-12-31T23:59:59Z\","
    "\"s\":\"10000-01-01 00:00:00\",\"a\":[],\"f8\":-0.0,\"i8\":4294967296,\"i4\":65535}\n"
    "{\"t\":\"0123456789012345678901234567890123456789\",\"z\":\"2026-01-01T00:00:00Z\",\"k\":[]}\n";

static void
written_rows_read_back(void **state) /* K1 */
{
    for (int layout = 0; layout < 2; layout++) {
        wr_decoding json, back;
        wr_text     text;
        uint32_t    ends[4];
        wr_decoding_open(&json, "json", every_type, NULL);
        wr_decoding_open(&back, "msgpack", every_type, NULL);
        wr_batch   *batch = wr_decoding_batch(&json, every_value, NULL);
        wr_encoder *e = encoder_make(json.schema, layout, 0);
        wr_text_init(&text, NULL);
        assert_int_equal(e->ops->encode(e, batch, 0, 4, &text, ends), WEIR_OK);
        assert_int_equal(ends[3], text.length);
        assert_int_equal(wr_decoding_run(&json, every_value, strlen(every_value), 0), WEIR_OK);
        assert_int_equal(wr_decoding_run(&back, text.data, text.length, 11), WEIR_OK);
        assert_string_equal(wr_text_string(&back.bad), "");
        assert_string_equal(wr_text_string(&back.rows), wr_text_string(&json.rows));
        /* msgpack-c takes it apart at the same places, and packs it the same */
        size_t           at = 0;
        msgpack_unpacked object;
        msgpack_sbuffer  again;
        msgpack_packer   packer;
        msgpack_unpacked_init(&object);
        msgpack_sbuffer_init(&again);
        msgpack_packer_init(&packer, &again, msgpack_sbuffer_write);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(msgpack_unpack_next(&object, text.data, text.length, &at),
                             MSGPACK_UNPACK_SUCCESS);
            assert_int_equal(at, ends[i]);
            msgpack_pack_object(&packer, object.data);
        }
        assert_int_equal(again.size, text.length); /* K2 */
        assert_memory_equal(again.data, text.data, text.length);
        msgpack_sbuffer_destroy(&again);
        msgpack_unpacked_destroy(&object);
        e->ops->destroy(e);
        wr_batch_release(batch);
        wr_text_fini(&text);
        wr_decoding_close(&json);
        wr_decoding_close(&back);
    }
}

static void
changes_say_what_they_do(void **state)
{
    wr_decoding d;
    wr_text     text;
    wr_decoding_open(&d, "json", "a int8", NULL);
    d.schema->kind = WR_CHANGELOG;
    wr_batch   *batch = wr_decoding_batch(&d, "{\"a\":1}{\"a\":2}", (int64_t[]){ 1, -1 });
    wr_encoder *e = encoder_make(d.schema, 0, 0);
    wr_text_init(&text, NULL);
    assert_int_equal(e->ops->encode(e, batch, 0, 2, &text, NULL), WEIR_OK);
    static const char expect[] = "\x82\xa3_op\xa1+\xa1"
                                 "a\x01\x82\xa3_op\xa1-\xa1"
                                 "a\x02";
    assert_int_equal(text.length, sizeof expect - 1);
    assert_memory_equal(text.data, expect, sizeof expect - 1);
    e->ops->destroy(e);
    e = encoder_make(d.schema, 1, 1);
    wr_text_clear(&text);
    assert_int_equal(e->ops->encode(e, batch, 0, 2, &text, NULL), WEIR_OK);
    assert_int_equal(text.length, 2);
    assert_memory_equal(text.data, "\x91\x01", 2);
    e->ops->destroy(e);
    d.schema->fields[0].hidden = true;
    e = encoder_make(d.schema, 0, 0);
    wr_text_clear(&text);
    assert_int_equal(e->ops->encode(e, batch, 0, 1, &text, NULL), WEIR_OK);
    assert_int_equal(text.length, 7);
    assert_memory_equal(text.data, "\x81\xa3_op\xa1+", 7);
    e->ops->destroy(e);
    wr_batch_release(batch);
    wr_text_fini(&text);
    wr_decoding_close(&d);
}

/* --- damage --- */

static void
value_make(wr_random *r, msgpack_packer *to, int depth)
{
    switch (wr_random_below(r, depth > 3 ? 7 : 9)) {
    case 0: msgpack_pack_nil(to); break;
    case 1: msgpack_pack_int64(to, (int64_t) (wr_random_next(r) >> wr_random_below(r, 64))); break;
    case 2: msgpack_pack_int64(to, -(int64_t) (wr_random_next(r) >> (1 + wr_random_below(r, 63)))); break;
    case 3: msgpack_pack_double(to, (double) wr_random_below(r, 1000) / 8); break;
    case 4: msgpack_pack_true(to); break;
    case 5: {
        static const char text[] = "0123456789012345678901234567890123456789";
        size_t            n = wr_random_below(r, 40);
        msgpack_pack_str(to, n);
        msgpack_pack_str_body(to, text, n);
        break;
    }
    case 6: {
        msgpack_timestamp t = { .tv_sec = (int64_t) wr_random_below(r, 1ull << 33), .tv_nsec = 5000 };
        msgpack_pack_timestamp(to, &t);
        break;
    }
    case 7: {
        size_t n = wr_random_below(r, 4);
        msgpack_pack_array(to, n);
        while (n-- > 0)
            value_make(r, to, depth + 1);
        break;
    }
    default: {
        size_t n = wr_random_below(r, 4);
        msgpack_pack_map(to, n);
        while (n-- > 0) {
            msgpack_pack_str(to, 1);
            msgpack_pack_str_body(to, &"abcx"[wr_random_below(r, 4)], 1);
            value_make(r, to, depth + 1);
        }
        break;
    }
    }
}

/* Random records, half of them damaged: never a crash, the same in pieces, and msgpack-c finds the
 * same number of objects where nothing was damaged. */
/* By position _op comes first, as it is written, or is left out. */
static void
changes_are_read_as_they_are_written(void **state)
{
    static const char bytes[] = "\x93\xa1+\x01\xa1x"  "\x93\xa1-\x02\xc0"  "\x92\x03\xa1y"
                                "\x93\xa1+\x04\xa1z"  "\x92\x05\xa1w"  "\x91\x06";
    wr_decoding d;
    (void) state;
    for (uint32_t capacity = 1; capacity < 8; capacity++) {
        wr_decoding_open(&d, "msgpack", "a int8, b text, _op text", NULL);
        d.schema->kind = WR_UPSERT;
        d.capacity = capacity;
        wr_decoding_reset(&d);
        assert_int_equal(wr_decoding_run(&d, bytes, sizeof bytes - 1, 0), WEIR_OK);
        assert_string_equal(wr_text_string(&d.rows),
                            "1|x|+\n2|null|-\n3|y|null\n4|z|+\n5|w|null\n");
        assert_int_equal(d.bad_count, 1);
        wr_decoding_close(&d);
    }
}

static void
random_records_of(const char *columns, bool lists_rows)
{
    const char *env = getenv("WEIR_FUZZ_SEED"), *many = getenv("WEIR_FUZZ_ROUNDS");
    uint64_t    seed = env != NULL ? strtoull(env, NULL, 10) : 1;
    uint64_t    rounds = many != NULL ? strtoull(many, NULL, 10) : 20000;
    wr_decoding a, b;
    wr_random   r;
    uint64_t    rows = 0;
    wr_decoding_open(&a, "msgpack", columns, NULL);
    wr_decoding_open(&b, "msgpack", columns, NULL);
    a.capacity = b.capacity = 4;
    for (uint64_t round = 0; round < rounds; round++) {
        msgpack_sbuffer buffer;
        msgpack_packer  packer;
        wr_random_init(&r, wr_mix64(seed * 1000003 + round));
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        uint64_t objects = 1 + wr_random_below(&r, 3);
        for (uint64_t i = 0; i < objects; i++)
            value_make(&r, &packer, 0);
        for (uint64_t i = round % 2 == 0 ? 0 : 1 + wr_random_below(&r, 2); i > 0; i--)
            buffer.data[wr_random_below(&r, buffer.size)] = (char) wr_random_next(&r);
        wr_decoding_reset(&a);
        wr_decoding_reset(&b);
        assert_int_equal(wr_decoding_run(&a, buffer.data, buffer.size, 0), WEIR_OK);
        weir_status status = wr_decoding_run(&b, buffer.data, buffer.size, 1 + wr_random_below(&r, 7));
        assert_true(status == WEIR_OK || status == WEIR_ROW_DECODE);
        if (a.bad_count != b.bad_count || strcmp(wr_text_string(&a.rows), wr_text_string(&b.rows)) != 0)
            fail_msg("round %llu: %s%s against %s%s", (unsigned long long) round,
                     wr_text_string(&a.rows), wr_text_string(&a.bad), wr_text_string(&b.rows),
                     wr_text_string(&b.bad));
        if (round % 2 == 0 && !lists_rows)
            assert_int_equal(a.row_count + a.bad_count, objects);
        rows += a.row_count;
        msgpack_sbuffer_destroy(&buffer);
    }
    print_message("%llu rows\n", (unsigned long long) rows);
    wr_decoding_close(&a);
    wr_decoding_close(&b);
}

static void
random_records(void **state)
{
    random_records_of("b jsonb, a int8, c text, d timestamptz '$.a.b', e int8[] '$.x'", false);
    random_records_of("a int8, b jsonb, c text, d timestamptz '$.a.b', e int8[] '$.x'", true);
}

/* A record of 8 values, mostly what its columns want; `widths` decides how wide they are. */
static void
plain_record(wr_random *r, wr_random *widths, msgpack_packer *to, bool map, uint32_t odd)
{
    static const char text[] = "0123456789012345678901234567890123456789012345678901234567890123"
                               "4567890123456789012345678901234567890123456789012345678901234567\0"
                               "abcdefghijklm\xc3\xa4nopqrstuvwxyz";
    if (map)
        msgpack_pack_map(to, 8);
    else
        msgpack_pack_array(to, 8);
    for (int i = 0; i < 8; i++) {
        if (map) {
            msgpack_pack_str(to, 1);
            msgpack_pack_str_body(to, &"abcdefgh"[i], 1);
        }
        if (wr_random_below(r, odd) == 0) {
            value_make(r, to, 3);
        } else if (i == 0 || i == 6) {
            unsigned shift = (i == 0 ? 0 : 22) + (unsigned) wr_random_below(widths, 42);
            msgpack_pack_int64(to, (int64_t) (wr_random_next(r) >> shift) - (i == 0 ? 1000 : 0));
        } else if (i == 1 || i == 7) {
            size_t at = wr_random_below(r, 8) == 0 ? 100 : 0;
            size_t n = wr_random_below(widths, i == 1 ? 14 : sizeof text - at);
            n = at + n > sizeof text - 1 ? sizeof text - 1 - at : n;
            msgpack_pack_str(to, n);
            msgpack_pack_str_body(to, text + at, n);
        } else if (i == 2 || i == 3) {
            static const uint64_t top[] = { 1ull << 32, 1ull << 34, 1ull << 36 };
            msgpack_timestamp     t = { (int64_t) (wr_random_next(r) % top[wr_random_below(r, 3)]), 0 };
            if (wr_random_below(r, 2) == 0)
                t.tv_nsec = (uint32_t) wr_random_below(r, 1000000000);
            msgpack_pack_timestamp(to, &t);
        } else if (i == 4) {
            wr_random_below(r, 2) == 0 ? msgpack_pack_true(to) : msgpack_pack_false(to);
        } else {
            msgpack_pack_double(to, (double) wr_random_below(r, 1000) / 8);
        }
    }
}

/* Both kernels in turn. */
static void
kernel_take(wr_decoding *d, bool sse)
{
    if (sse)
        ((msgpack_decoder *) d->decoder)->kernel = wr_msgpack_kernel_sse;
}

/* Runs of records of one shape, as the parser reads each by itself. */
static void
runs_by_shape_are_what_the_parser_reads(void **state)
{
    for (uint32_t round = 0; round < 96; round++) {
        wr_decoding     a, b;
        wr_random       r, widths;
        msgpack_sbuffer buffer;
        msgpack_packer  packer;
        static const char *const some[] = {
            "a int8, b text, c timestamptz, d timestamp(3), e bool, f float8, g numeric(15,2), h text",
            "a int8, b text, c timestamptz, d timestamptz, e bool, f float8, g int8, h text, none text, i int4",
            "a int8, h text '$.h', b varchar(12) '$.b', c timestamptz, g int8 '$.g'",
        };
        const char *columns = some[round % 2 == 0 ? round / 2 % 3 : 0]; /* maps may want for some */
        wr_decoding_open(&a, "msgpack", columns, NULL);
        wr_decoding_open(&b, "msgpack", columns, NULL);
        kernel_take(&a, round % 4 >= 2);
        a.capacity = round % 5 == 0 ? 7 : a.capacity; /* many runs */
        b.fresh = true;
        b.capacity = 1;
        wr_random_init(&r, wr_mix64(77 + round));
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        for (uint32_t i = 0; i < 200; i++) {
            /* each another, or some in a row alike */
            wr_random_init(&widths, wr_mix64(round % 3 == 0 ? i : i / (round % 7 * 8 + 8)));
            plain_record(&r, &widths, &packer, round % 2 == 0, round < 48 ? 1000 : 60);
        }
        assert_int_equal(wr_decoding_run(&a, buffer.data, buffer.size, 0), WEIR_OK);
        assert_int_equal(wr_decoding_run(&b, buffer.data, buffer.size, 0), WEIR_OK);
        assert_string_equal(wr_text_string(&a.rows), wr_text_string(&b.rows));
        assert_string_equal(wr_text_string(&a.bad), wr_text_string(&b.bad));
        assert_true(a.row_count + a.bad_count >= 200);
        msgpack_sbuffer_destroy(&buffer);
        wr_decoding_close(&a);
        wr_decoding_close(&b);
    }
}

/* Rows of numbers below 2^bits_max, whose bytes look like the beginning of one now and then; `odd`: one in so many is another. */
static void
numbers_make(wr_random *r, msgpack_packer *to, bool map, uint32_t odd, unsigned bits_max)
{
    if (map)
        msgpack_pack_map(to, 5);
    else
        msgpack_pack_array(to, 5);
    for (int i = 0; i < 5; i++) {
        uint64_t bits = wr_random_next(r) >> (64 - bits_max + wr_random_below(r, bits_max));
        if (wr_random_below(r, 3) == 0 && bits_max > 40) /* an array of five in it, or a map, and its first key */
            bits = (map ? 0x85a161u : 0x959595u) << 8 * wr_random_below(r, 2);
        if (map) {
            msgpack_pack_str(to, 1);
            msgpack_pack_str_body(to, &"abcde"[i], 1);
        }
        msgpack_timestamp time = { (int64_t) (bits & 0xffffffff), i == 2 ? 0 : 5000 };
        bool              yes = bits % 2 == 1;
        if (wr_random_below(r, odd) == 0)
            value_make(r, to, 2);
        else if (i == 1)
            msgpack_pack_double(to, (double) (bits & 0xffff) / 8);
        else if (i == 2)
            msgpack_pack_timestamp(to, &time);
        else if (i == 3 && yes)
            msgpack_pack_true(to);
        else if (i == 3)
            msgpack_pack_false(to);
        else
            msgpack_pack_int64(to, i == 0 ? (int64_t) (bits >> 1) - 20 : (int64_t) (bits & 0x7fffffff));
    }
}

/* Such rows are read at two places at once. */
static void
numbers_are_what_the_parser_reads(void **state)
{
    static const uint32_t capacities[] = { 4096, 1000, 300, 90, 64 };
    for (uint32_t round = 0; round < 24; round++) {
        wr_decoding     a, b;
        wr_random       r;
        msgpack_sbuffer buffer;
        msgpack_packer  packer;
        bool            map = round % 2 == 1;
        const char     *settings = round % 8 == 7 ? "record_max=128B" : NULL;
        const char     *columns = map && round % 3 == 0 ? "e int4, d bool, c timestamptz, b float8, a int8"
                                                        : "a int8, b float8, c timestamptz, d bool, e int4";
        wr_decoding_open(&a, "msgpack", columns, settings);
        wr_decoding_open(&b, "msgpack", columns, settings);
        kernel_take(&a, round % 4 >= 2);
        a.capacity = capacities[round % 5];
        b.fresh = true;
        b.capacity = 1;
        wr_random_init(&r, wr_mix64(177 + round));
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        for (int i = 0; i < 1200; i++) { /* of one width, wider later, or narrower */
            bool narrow = round % 3 == 1 ? i < 600 : round % 3 == 2 && i >= 600;
            numbers_make(&r, &packer, map, round < 12 ? 4000 : 300, narrow ? 5 : 64);
        }
        assert_int_equal(wr_decoding_run(&a, buffer.data, buffer.size, round % 6 == 5 ? 3001 : 0), WEIR_OK);
        assert_int_equal(wr_decoding_run(&b, buffer.data, buffer.size, 0), WEIR_OK);
        assert_string_equal(wr_text_string(&a.rows), wr_text_string(&b.rows));
        assert_string_equal(wr_text_string(&a.bad), wr_text_string(&b.bad));
        assert_true(a.row_count + a.bad_count >= 1200);
        msgpack_sbuffer_destroy(&buffer);
        wr_decoding_close(&a);
        wr_decoding_close(&b);
    }
}

/* The tag that is never used is no value of any kind, in a run as alone. */
static void
the_unused_tag_is_none(void **state)
{
    static const char *const types[] = { "int8", "text", "timestamptz", "bool", "float8", "int4" };
    enum { RECORDS = 200, BYTES = 3 };
    for (size_t i = 0; i < WR_COUNT(types); i++) {
        char        bytes[RECORDS * BYTES], columns[64];
        wr_decoding d;
        for (int n = 0; n < RECORDS; n++)
            memcpy(bytes + (size_t) n * BYTES, n == 9 ? "\x92\x07\xc1" : "\x92\x07\xc0", BYTES);
        snprintf(columns, sizeof columns, "a int8, b %s", types[i]);
        wr_decoding_open(&d, "msgpack", columns, NULL);
        assert_int_equal(wr_decoding_run(&d, bytes, sizeof bytes, 0), WEIR_OK);
        assert_int_equal(d.row_count, 9);
        assert_int_equal(d.bad_count, 1);
        wr_decoding_close(&d);
    }
}

WR_TESTS = {
    WR_TEST(numbers_are_what_the_parser_reads),
    WR_TEST(the_unused_tag_is_none),
    WR_TEST(runs_by_shape_are_what_the_parser_reads),
    WR_TEST(maps_and_arrays_are_records),
    WR_TEST(an_array_of_rows_is_rows),
    WR_TEST(numbers_of_all_widths),
    WR_TEST(times_are_extensions),
    WR_TEST(containers_and_paths),
    WR_TEST(bad_rows_leave_their_neighbours),
    WR_TEST(wrong_bytes_end_the_message),
    WR_TEST(written_rows_read_back),
    WR_TEST(changes_say_what_they_do),
    WR_TEST(changes_are_read_as_they_are_written),
    WR_TEST(random_records),
    { NULL, NULL },
};
