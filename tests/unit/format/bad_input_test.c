/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bad_input_test.c -- named bad records for every decoder: each is told once with its code, appends no
 * row and leaves the records before and after it (F1, F2); in pieces of any size the same (F3); and
 * with every amount of memory a decoder says MEMORY or does its work, and gives everything back.
 */
#include "support/decode.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

static const char columns[] =
    "i int8, s int2, n numeric(5,2), f float8, b bool, t text, v varchar(3), d date, z timestamptz, "
    "u uuid, j jsonb, a int4[], y bytea, q interval, must int4 not null";

/* The record stands between two good ones; `record` may hold NUL when `length` says so. */
typedef struct bad_case {
    const char *name, *record;
    int         code;
    size_t      length; /* 0: strlen */
} bad_case;

#define J(member) "{\"must\":1," member "}"
static const bad_case json_cases[] = {
    { "a word", "garbage", WEIR_ROW_DECODE },
    { "a string", "\"text\"", WEIR_ROW_DECODE },
    { "a number", "17", WEIR_ROW_DECODE },
    { "true", "true", WEIR_ROW_DECODE },
    { "null", "null", WEIR_ROW_DECODE },
    { "half a word", "{\"must\":1,\"b\":tru}", WEIR_ROW_DECODE },
    { "python's None", J("\"i\":None"), WEIR_ROW_DECODE },
    { "single quotes", "{'must':1}", WEIR_ROW_DECODE },
    { "a key without quotes", "{must:1}", WEIR_ROW_DECODE },
    { "no colon", "{\"must\" 1}", WEIR_ROW_DECODE },
    { "no value", "{\"must\":}", WEIR_ROW_DECODE },
    { "a comma at the end", "{\"must\":1,}", WEIR_ROW_DECODE },
    { "two commas", "{\"must\":1,,\"i\":2}", WEIR_ROW_DECODE },
    { "no comma", "{\"must\":1 \"i\":2}", WEIR_ROW_DECODE },
    { "an open brace", "{\"must\":1", WEIR_ROW_DECODE },
    { "an open string", "{\"must\":1,\"t\":\"x", WEIR_ROW_DECODE },
    { "an open list", "{\"must\":1,\"j\":[1,2", WEIR_ROW_DECODE },
    { "a list closed by a brace", J("\"j\":[1,2}"), WEIR_ROW_DECODE },
    { "a comment", "{\"must\":1 /* one */}", WEIR_ROW_DECODE },
    { "a leading zero", J("\"i\":007"), WEIR_ROW_DECODE },
    { "a plus sign", J("\"i\":+1"), WEIR_ROW_DECODE },
    { "a point alone", J("\"f\":1."), WEIR_ROW_DECODE },
    { "no digit before the point", J("\"f\":.5"), WEIR_ROW_DECODE },
    { "an empty exponent", J("\"f\":1e"), WEIR_ROW_DECODE },
    { "hexadecimal", J("\"i\":0x10"), WEIR_ROW_DECODE },
    { "NaN", J("\"f\":NaN"), WEIR_ROW_DECODE },
    { "Infinity", J("\"f\":Infinity"), WEIR_ROW_DECODE },
    { "a minus alone", J("\"i\":-"), WEIR_ROW_DECODE },
    { "an unknown escape", J("\"t\":\"\\x\""), WEIR_ROW_DECODE },
    { "a short \\u", J("\"t\":\"\\u12\""), WEIR_ROW_DECODE },
    { "half a surrogate pair", J("\"t\":\"\\ud800\""), WEIR_ROW_ENCODING },
    { "a low surrogate first", J("\"t\":\"\\udc00\\ud800\""), WEIR_ROW_ENCODING },
    { "\\u0000", J("\"t\":\"a\\u0000b\""), WEIR_ROW_ENCODING },
    { "a NUL byte", "{\"must\":1,\"t\":\"a\0b\"}", WEIR_ROW_DECODE, 20 },
    { "a tab in a string", J("\"t\":\"a\tb\""), WEIR_ROW_DECODE },
    { "a lone continuation byte", J("\"t\":\"\x80\""), WEIR_ROW_ENCODING },
    { "an overlong slash", J("\"t\":\"\xc0\xaf\""), WEIR_ROW_ENCODING },
    { "a surrogate in UTF-8", J("\"t\":\"\xed\xa0\x80\""), WEIR_ROW_ENCODING },
    { "above U+10FFFF", J("\"t\":\"\xf4\x90\x80\x80\""), WEIR_ROW_ENCODING },
    { "a cut character", J("\"t\":\"\xe2\x82\""), WEIR_ROW_ENCODING },
    { "bad UTF-8 in an unknown member", J("\"other\":\"\xff\""), WEIR_ROW_ENCODING },
    { "bad UTF-8 in a key", J("\"\xff\":1"), WEIR_ROW_ENCODING },
    { "an integer too large", J("\"i\":9223372036854775808"), WEIR_ROW_OVERFLOW },
    { "an integer too small", J("\"i\":-9223372036854775809"), WEIR_ROW_OVERFLOW },
    { "a smallint too large", J("\"s\":32768"), WEIR_ROW_OVERFLOW },
    { "an integer with a fraction", J("\"i\":1.5"), WEIR_ROW_TYPE },
    { "a huge exponent", J("\"i\":1e999999999"), WEIR_ROW_OVERFLOW },
    { "a word for an integer", J("\"i\":\"ten\""), WEIR_ROW_TYPE },
    { "an empty string for an integer", J("\"i\":\"\""), WEIR_ROW_TYPE },
    { "a bool for an integer", J("\"i\":true"), WEIR_ROW_TYPE },
    { "an object for an integer", J("\"i\":{}"), WEIR_ROW_TYPE },
    { "a list for a bool", J("\"b\":[true]"), WEIR_ROW_TYPE },
    { "a word for a bool", J("\"b\":\"perhaps\""), WEIR_ROW_TYPE },
    { "numeric(5,2) too large", J("\"n\":1000"), WEIR_ROW_OVERFLOW },
    { "numeric(5,2) too large by rounding", J("\"n\":999.995"), WEIR_ROW_OVERFLOW },
    { "a float too large", J("\"f\":1e309"), WEIR_ROW_OVERFLOW },
    { "a float too small", J("\"f\":1e-400"), WEIR_ROW_OVERFLOW },
    { "varchar(3) too long", J("\"v\":\"four\""), WEIR_ROW_TOO_LARGE },
    { "no such day", J("\"d\":\"2023-02-29\""), WEIR_ROW_OVERFLOW },
    { "no such month", J("\"z\":\"2026-13-01T00:00:00Z\""), WEIR_ROW_OVERFLOW },
    { "no such hour", J("\"z\":\"2026-01-01T25:00:00Z\""), WEIR_ROW_OVERFLOW },
    { "no such zone", J("\"z\":\"2026-01-01T00:00:00 Mars/Phobos\""), WEIR_ROW_TYPE },
    { "a time beyond all times", J("\"z\":\"999999-01-01T00:00:00Z\""), WEIR_ROW_OVERFLOW },
    { "a number for a time", J("\"z\":1767225600"), WEIR_ROW_TYPE },
    { "no uuid", J("\"u\":\"0011\""), WEIR_ROW_TYPE },
    { "no interval", J("\"q\":\"soon\""), WEIR_ROW_TYPE },
    { "odd hexadecimal", J("\"y\":\"\\\\xabc\""), WEIR_ROW_TYPE },
    { "an array of words", J("\"a\":[1,\"x\"]"), WEIR_ROW_TYPE },
    { "a ragged array", J("\"a\":[[1,2],[3]]"), WEIR_ROW_TYPE },
    { "an object for an array", J("\"a\":{\"0\":1}"), WEIR_ROW_TYPE },
    { "a required member is missing", "{\"i\":1}", WEIR_ROW_NULL },
    { "a required member is null", "{\"must\":null}", WEIR_ROW_NULL },
    { "nothing in it", "{}", WEIR_ROW_NULL },
};

static const bad_case csv_cases[] = {
    { "too few fields", "1,2", WEIR_ROW_DECODE },
    { "too many fields", "1,,,,,,,,,,,,,,1,1", WEIR_ROW_DECODE },
    { "a word for an integer", "ten,,,,,,,,,,,,,,1", WEIR_ROW_TYPE },
    { "an integer too large", "9223372036854775808,,,,,,,,,,,,,,1", WEIR_ROW_OVERFLOW },
    { "a smallint too large", ",99999,,,,,,,,,,,,,1", WEIR_ROW_OVERFLOW },
    { "numeric(5,2) too large", ",,1000,,,,,,,,,,,,1", WEIR_ROW_OVERFLOW },
    { "a float too large", ",,,1e309,,,,,,,,,,,1", WEIR_ROW_OVERFLOW },
    { "a word for a bool", ",,,,perhaps,,,,,,,,,,1", WEIR_ROW_TYPE },
    { "bad UTF-8", ",,,,,\xff,,,,,,,,,1", WEIR_ROW_ENCODING },
    { "a NUL byte", ",,,,,a\0b,,,,,,,,,1", WEIR_ROW_ENCODING, 18 },
    { "varchar(3) too long", ",,,,,,four,,,,,,,,1", WEIR_ROW_TOO_LARGE },
    { "no such day", ",,,,,,,2023-02-29,,,,,,,1", WEIR_ROW_OVERFLOW },
    { "no time", ",,,,,,,,noon,,,,,,1", WEIR_ROW_TYPE },
    { "no uuid", ",,,,,,,,,0011,,,,,1", WEIR_ROW_TYPE },
    { "no json", ",,,,,,,,,,{x,,,,1", WEIR_ROW_TYPE },
    { "no array", ",,,,,,,,,,,1;2,,,1", WEIR_ROW_TYPE },
    { "a required field is empty", "1,,,,,,,,,,,,,,", WEIR_ROW_NULL },
    { "a quoted empty string for an integer", "\"\",,,,,,,,,,,,,,1", WEIR_ROW_TYPE },
};

static const bad_case msgpack_cases[] = {
    { "an integer", "\x05", WEIR_ROW_DECODE, 1 },
    { "a string", "\xa1x", WEIR_ROW_DECODE, 2 },
    { "nil", "\xc0", WEIR_ROW_DECODE, 1 },
    { "a timestamp", "\xd6\xff\x00\x00\x00\x00", WEIR_ROW_DECODE, 6 },
    { "too few values", "\x91\x01", WEIR_ROW_DECODE, 2 },
    { "a required member is missing", "\x80", WEIR_ROW_NULL, 1 },
    { "a required member is nil", "\x81\xa4must\xc0", WEIR_ROW_NULL, 7 },
    { "a string for an integer", "\x82\xa4must\x01\xa1i\xa1x", WEIR_ROW_TYPE, 11 },
    { "an integer too large", "\x82\xa4must\x01\xa1i\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
      WEIR_ROW_OVERFLOW, 18 },
    { "a smallint too large", "\x82\xa4must\x01\xa1s\xcd\xff\xff", WEIR_ROW_OVERFLOW, 12 },
    { "bad UTF-8", "\x82\xa4must\x01\xa1t\xa1\xff", WEIR_ROW_ENCODING, 11 },
    { "a string too long", "\x82\xa4must\x01\xa1v\xa4" "four", WEIR_ROW_TOO_LARGE, 14 },
    { "an unknown extension", "\x82\xa4must\x01\xa1z\xd4\x05\x00", WEIR_ROW_TYPE, 12 },
    { "a timestamp with too many nanoseconds",
      "\x82\xa4must\x01\xa1z\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff", WEIR_ROW_TYPE, 19 },
    { "a time beyond all times",
      "\x82\xa4must\x01\xa1z\xc7\x0c\xff\x00\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", WEIR_ROW_TYPE,
      24 },
    { "a map for an integer", "\x82\xa4must\x01\xa1i\x80", WEIR_ROW_TYPE, 10 },
    { "NaN for an integer", "\x82\xa4must\x01\xa1i\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", WEIR_ROW_TYPE, 18 },
    { "an extension inside json", "\x82\xa4must\x01\xa1j\x91\xd4\x05\x00", WEIR_ROW_DECODE, 13 },
};

/* What begins to go wrong here cannot be left behind: it costs the rest of the message. */
static const bad_case msgpack_ends[] = {
    { "the tag that is never used", "\xc1", WEIR_ROW_DECODE, 1 },
    { "an array of four billion", "\xdd\xff\xff\xff\xff", WEIR_ROW_DECODE, 5 },
    { "a map of four billion", "\xdf\xff\xff\xff\xff", WEIR_ROW_DECODE, 5 },
    { "a string of four billion", "\x81\xa1t\xdb\xff\xff\xff\xff", WEIR_ROW_DECODE, 8 },
    { "a binary of four billion", "\x81\xa1y\xc6\xff\xff\xff\xff", WEIR_ROW_DECODE, 8 },
    { "an extension of four billion", "\x81\xa1z\xc9\xff\xff\xff\xff\x01", WEIR_ROW_DECODE, 9 },
    { "nested too deep",
      "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
      "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
      WEIR_ROW_DECODE, 36 },
    { "cut off", "\x82\xa4must\x01", WEIR_ROW_DECODE, 7 },
};

static uint32_t named;

static void
run_case(wr_decoding *d, const bad_case *c, const char *before, size_t before_length,
         const char *after, size_t after_length, uint32_t rows)
{
    wr_text text;
    size_t  n = c->length > 0 ? c->length : strlen(c->record);
    char    code[16];
    wr_text_init(&text, NULL);
    wr_text_append(&text, before, before_length);
    wr_text_append(&text, c->record, n);
    wr_text_append(&text, after, after_length);
    snprintf(code, sizeof code, "%d ", c->code);
    for (size_t piece = 0; piece <= text.length; piece++) {
        wr_decoding_reset(d);
        weir_status status = wr_decoding_run(d, text.data, text.length, piece);
        bool        gave_up = status == WEIR_ROW_DECODE && piece > 0 && piece < text.length;
        if (status != WEIR_OK && !gave_up)
            fail_msg("%s: status %d", c->name, (int) status);
        if (d->bad_count != 1 || strncmp(wr_text_string(&d->bad), code, strlen(code)) != 0)
            fail_msg("%s, in pieces of %zu: expected one bad record %s, got\n%s", c->name, piece, code,
                     wr_text_string(&d->bad));
        if (d->row_count != rows)
            fail_msg("%s, in pieces of %zu: %u rows instead of %u", c->name, piece, d->row_count, rows);
    }
    wr_text_fini(&text);
    named++;
}

#define RUN(format, table, before, after, rows)                                                    \
    do {                                                                                           \
        wr_decoding d_;                                                                            \
        wr_decoding_open(&d_, format, columns, NULL);                                              \
        for (size_t i_ = 0; i_ < WR_COUNT(table); i_++)                                            \
            run_case(&d_, &table[i_], before, sizeof(before) - 1, after, sizeof(after) - 1, rows); \
        wr_decoding_close(&d_);                                                                    \
    } while (0)

static void
json_records(void **state)
{
    RUN("json", json_cases, "{\"must\":1}\n", "\n{\"must\":2}\n{\"must\":3}", 3);
}

static void
csv_records(void **state)
{
    RUN("csv", csv_cases, ",,,,,,,,,,,,,,1\n", "\n,,,,,,,,,,,,,,2\r\n,,,,,,,,,,,,,,3", 3);
}

static void
msgpack_records(void **state)
{
    RUN("msgpack", msgpack_cases, "\x81\xa4must\x01", "\x81\xa4must\x02\x81\xa4must\x03", 3);
    RUN("msgpack", msgpack_ends, "\x81\xa4must\x01", "", 1);
    print_message("%u named bad records\n", named);
    assert_true(named >= 100);
}

/* --- with every amount of memory --- */

static void
ignore(void *user, weir_status_code code, const char *text, const char *bytes, size_t length)
{
    (void) user;
}

/* Create, decode and destroy under a budget of `limit` bytes: OK or MEMORY, and nothing left. */
static bool
works_with(const char *format, const char *bytes, size_t n, uint64_t limit)
{
    wr_decoding d; /* for its schema and config */
    wr_decoder *decoder = NULL;
    weir_error  err;
    bool        done = false;
    wr_budget  *tight = wr_budget_create(NULL, "tight", limit);
    wr_decoding_open(&d, format, columns, NULL);
    weir_status status = d.ops->create(d.config, d.schema, d.needed, tight, &decoder, &err);
    assert_true(status == WEIR_OK || status == WEIR_MEMORY);
    if (status == WEIR_OK) {
        wr_batch_builder builder;
        wr_batch        *batch;
        size_t           used;
        wr_batch_builder_init(&builder, tight, d.schema);
        status = wr_batch_builder_open(&builder, 64, &batch);
        if (status == WEIR_OK) {
            wr_decode_to to = { batch->columns, 0, 64, ignore, NULL };
            status = d.ops->decode(decoder, bytes, n, true, &to, &used);
            assert_true(status == WEIR_OK || status == WEIR_MEMORY);
            for (uint32_t c = 0; c < d.schema->field_count; c++)
                wr_column_check(batch->columns[c], to.count);
            done = status == WEIR_OK;
        }
        wr_batch_builder_fini(&builder);
        d.ops->destroy(decoder);
    }
    assert_int_equal(wr_budget_used(tight), 0);
    wr_budget_destroy(tight);
    wr_decoding_close(&d);
    return done;
}

static void
every_amount_of_memory(void **state)
{
    static const char json[] =
        "{\"must\":1,\"t\":\"a string of more than twelve bytes, \\u00e4\",\"n\":1.5,\"j\":{\"a\":[1,2]},"
        "\"a\":[1,2,3],\"u\":\"00112233-4455-6677-8899-aabbccddeeff\",\"q\":\"1 day\",\"y\":\"\\\\x00\"}\n"
        "{\"must\":2,\"t\":\"another string of more than twelve bytes\",\"n\":2.25}\n";
    static const char csv[] = ",,1.5,,,\"a string, \"\"quoted\"\" and long\",,,,,\"{\"\"a\"\":1}\",\"{1,2}\",,1 day,1\n";
    static const char msgpack[] = "\x83\xa4must\x01\xa1t\xb8"
                                  "123456789012345678901234\xa1j\x81\xa1k\x93\x01\x02\x03";
    static const struct {
        const char *format, *bytes;
        size_t      n;
    } inputs[] = { { "json", json, sizeof json - 1 },
                   { "csv", csv, sizeof csv - 1 },
                   { "msgpack", msgpack, sizeof msgpack - 1 } };
    for (size_t i = 0; i < WR_COUNT(inputs); i++) {
        uint64_t limit = 64;
        while (!works_with(inputs[i].format, inputs[i].bytes, inputs[i].n, limit)) {
            limit += 96;
            assert_true(limit < 1 << 20);
        }
        print_message("%s works with %llu bytes\n", inputs[i].format, (unsigned long long) limit);
    }
}

WR_TESTS = {
    WR_TEST(json_records),
    WR_TEST(csv_records),
    WR_TEST(msgpack_records),
    WR_TEST(every_amount_of_memory),
    { NULL, NULL },
};
