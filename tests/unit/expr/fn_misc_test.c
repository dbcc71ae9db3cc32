/* SPDX-License-Identifier: Apache-2.0 */
/* fn_misc_test.c -- bytes and the rest.
 * The answers are PostgreSQL 15's. */
#include "support/fn_table.h"
#include "support/test.h"

static const wr_fn_case bytes[] = {
    { "encode", "00ff41", { "bytea", "\\x00ff41", "text", "hex" } },
    { "encode", "\\000\\377A\\\\", { "bytea", "\\x00ff415c", "text", "escape" } },
    { "encode", "AP9B", { "bytea", "\\x00ff41", "text", "BASE64" } },
    { "encode", "AP9BQg==", { "bytea", "\\x00ff4142", "text", "base64" } },
    { "encode", "AP9BQkM=", { "bytea", "\\x00ff414243", "text", "base64" } },
    { "encode", "", { "bytea", "\\x", "text", "base64" } },
    { "encode",
      "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\nYWFh",
      { "bytea",
      "\\x616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161",
      "text", "base64" } },
    { "encode", "!unrecognized encoding: \"foo\"", { "bytea", "\\x00", "text", "foo" } },
    { "decode", "\\x00ff41", { "text", "00FF41", "text", "hex" } },
    { "decode", "\\xabcd", { "text", "ab cd", "text", "hex" } },
    { "decode", "!invalid hexadecimal digit: \" \"", { "text", "a b", "text", "hex" } },
    { "decode", "!invalid hexadecimal digit: \"z\"", { "text", "zz", "text", "hex" } },
    { "decode", "!invalid hexadecimal digit: \"é\"", { "text", "é0", "text", "hex" } },
    { "decode", "!invalid hexadecimal data: odd number of digits", { "text", "abc", "text",
      "hex" } },
    { "decode", "\\x616263", { "text", "YW Jj", "text", "base64" } },
    { "decode", "\\x6162", { "text", "YWI=", "text", "base64" } },
    { "decode", "\\x61", { "text", "YQ==", "text", "base64" } },
    { "decode", "!invalid base64 end sequence", { "text", "YWJ", "text", "base64" } },
    { "decode", "\\x61", { "text", "YW=j", "text", "base64" } },
    { "decode", "!unexpected \"=\" while decoding base64 sequence", { "text", "=", "text",
      "base64" } },
    { "decode", "!invalid symbol \"*\" found while decoding base64 sequence", { "text", "Y*",
      "text", "base64" } },
    { "decode", "\\x", { "text", "", "text", "base64" } },
    { "decode", "\\x615c6201", { "text", "a\\\\b\\001", "text", "escape" } },
    { "decode", "!invalid input syntax for type bytea", { "text", "a\\", "text", "escape" } },
    { "decode", "!invalid input syntax for type bytea", { "text", "a\\9", "text", "escape" } },
    { "decode", "!unrecognized encoding: \"foo\"", { "text", "a", "text", "foo" } },
    { "md5", "900150983cd24fb0d6963f7d28e17f72", { "text", "abc" } },
    { "md5", "93b885adfe0da089cdf634904fd59f71", { "bytea", "\\x00" } },
    { "sha224", "\\x23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7", { "bytea",
      "\\x616263" } },
    { "sha256", "\\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", { "bytea",
      "\\x616263" } },
    { "sha384",
      "\\xcb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
      { "bytea", "\\x616263" } },
    { "sha512",
      "\\xddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      { "bytea", "\\x616263" } },
    { "get_byte", "2", { "bytea", "\\x0102", "int4", "1" } },
    { "get_byte", "!index 5 out of valid range, 0..1", { "bytea", "\\x0102", "int4", "5" } },
    { "get_byte", "!index -1 out of valid range, 0..1", { "bytea", "\\x0102", "int4", "-1" } },
    { "set_byte", "\\x012c", { "bytea", "\\x0102", "int4", "1", "int4", "300" } },
    { "set_byte", "!index 2 out of valid range, 0..1", { "bytea", "\\x0102", "int4", "2", "int4",
      "3" } },
    { "get_bit", "1", { "bytea", "\\x0102", "int8", "9" } },
    { "get_bit", "!index 16 out of valid range, 0..15", { "bytea", "\\x0102", "int8", "16" } },
    { "set_bit", "\\x0182", { "bytea", "\\x0102", "int8", "15", "int4", "1" } },
    { "set_bit", "!new bit must be 0 or 1", { "bytea", "\\x0102", "int8", "15", "int4", "2" } },
    { "bit_count", "12", { "bytea", "\\x0fff" } },
    { "convert_from", "é", { "bytea", "\\xc3a9", "text", "UTF8" } },
    { "convert_from", "!invalid byte sequence for encoding \"UTF8\": 0xff", { "bytea", "\\xff",
      "text", "UTF8" } },
    { "convert_from", "!invalid source encoding name \"foo\"", { "bytea", "\\x41", "text",
      "foo" } },
    { "convert_to", "\\xc3a9", { "text", "é", "text", "UTF8" } },
};

static void
bytes_as_postgresql(void **state)
{
    (void) state;
    wr_fn_table_check(bytes, WR_COUNT(bytes));
}

static const wr_fn_case others[] = {
    { "greatest", "3", { "int4", "1", "int4", NULL, "int4", "3" } },
    { "greatest", "a", { "text", "a", "text", "B" } },
    { "greatest", NULL, { "int4", NULL, "int4", NULL } },
    { "greatest", "2.50", { "int4", "1", "numeric", "2.50" } },
    { "greatest", "NaN", { "float8", "NaN", "float8", "1" } },
    { "least", "1", { "int4", "1", "int4", NULL, "int4", "3" } },
    { "least", "2019-01-01 00:00:00", { "date", "2020-01-01", "timestamp",
      "2019-01-01 00:00:00" } },
    { "least", NULL, { "text", NULL } },
    { "num_nulls", "1", { "int4", "1", "text", NULL, "int4", "2" } },
    { "num_nonnulls", "2", { "int4", "1", "text", NULL, "int4", "2" } },
    { "pg_typeof", "integer", { "int4", "1" } },
    { "pg_typeof", "text[]", { "text[]", "{}" } },
    { "pg_typeof", "numeric", { "numeric", NULL } },
    { "pg_typeof", "timestamp with time zone", { "timestamptz", "2020-01-01 00:00:00+00" } },
    { "pg_size_pretty", "0 bytes", { "int8", "0" } },
    { "pg_size_pretty", "10239 bytes", { "int8", "10239" } },
    { "pg_size_pretty", "10 kB", { "int8", "10240" } },
    { "pg_size_pretty", "977 kB", { "int8", "1000000" } },
    { "pg_size_pretty", "-977 kB", { "int8", "-1000000" } },
    { "pg_size_pretty", "10239 kB", { "int8", "10485247" } },
    { "pg_size_pretty", "10 MB", { "int8", "10485248" } },
    { "pg_size_pretty", "8192 PB", { "int8", "9223372036854775807" } },
    { "pg_size_pretty", "20 GB", { "int8", "20971519999" } },
};

static void
others_as_postgresql(void **state)
{
    (void) state;
    wr_fn_table_check(others, WR_COUNT(others));
}

WR_TESTS = {
    WR_TEST(bytes_as_postgresql),
    WR_TEST(others_as_postgresql),
    { NULL, NULL },
};
