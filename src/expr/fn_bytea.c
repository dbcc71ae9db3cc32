/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_bytea.c -- bytes: encode and decode, digests, single bytes and bits.
 *
 * Place       rows of the function registry; digests are OpenSSL's.
 * Invariants  base64 is MIME's: lines of 76 characters, blanks skipped on the way in
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

#include <openssl/evp.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

typedef enum encoding { ENCODING_NONE, ENCODING_HEX, ENCODING_BASE64, ENCODING_ESCAPE } encoding;

/* By name, in any case; marks the row when there is none. */
static encoding
encoding_find(wr_eval *eval, uint32_t row, const wr_value *name)
{
    static const struct {
        const char *name;
        encoding    encoding;
    } known[] = { { "hex", ENCODING_HEX },
                  { "base64", ENCODING_BASE64 },
                  { "escape", ENCODING_ESCAPE } };
    for (size_t i = 0; i < WR_COUNT(known); i++)
        if (fn_length(name) == strlen(known[i].name) &&
            strncasecmp(fn_data(name), known[i].name, fn_length(name)) == 0)
            return known[i].encoding;
    (void) wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "unrecognized encoding: \"%.*s\"",
                        (int) WR_MIN(fn_length(name), 100), fn_data(name));
    return ENCODING_NONE;
}

static weir_status
decode_fail(wr_eval *eval, uint32_t row, const char *format, const char *at, const char *end)
{
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, format,
                        (int) (fn_char_next(at, end) - at), at);
}

static size_t
hex_encode(const unsigned char *s, size_t n, char *to)
{
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = hex_digits[s[i] >> 4];
        to[2 * i + 1] = hex_digits[s[i] & 15];
    }
    return 2 * n;
}

static size_t
base64_encode(const unsigned char *s, size_t n, char *to)
{
    char    *at = to;
    unsigned in_line = 0;
    for (size_t i = 0; i < n; i += 3) {
        size_t   have = WR_MIN(n - i, 3);
        uint32_t bits = (uint32_t) s[i] << 16 | (have > 1 ? (uint32_t) s[i + 1] << 8 : 0) |
                        (have > 2 ? s[i + 2] : 0);
        for (unsigned d = 0; d < 4; d++)
            *at++ = d <= have ? base64_digits[bits >> (18 - 6 * d) & 63] : '=';
        if ((in_line += 4) >= 76) {
            *at++ = '\n';
            in_line = 0;
        }
    }
    return (size_t) (at - to);
}

static size_t
escape_encode(const unsigned char *s, size_t n, char *to)
{
    char *at = to;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == 0 || s[i] >= 0x80) {
            *at++ = '\\';
            *at++ = (char) ('0' + (s[i] >> 6));
            *at++ = (char) ('0' + (s[i] >> 3 & 7));
            *at++ = (char) ('0' + (s[i] & 7));
        } else {
            if (s[i] == '\\')
                *at++ = '\\';
            *at++ = (char) s[i];
        }
    }
    return (size_t) (at - to);
}

FN_KERNEL(bytea_encode)
{
    const unsigned char *s = (const unsigned char *) fn_data(&args[0]);
    size_t               n = fn_length(&args[0]);
    char                *room;
    encoding             how = encoding_find(eval, row, &args[1]);
    if (how == ENCODING_NONE)
        return WEIR_ROW_INVALID_ARGUMENT;
    size_t most = how == ENCODING_HEX      ? 2 * n
                  : how == ENCODING_BASE64 ? (n + 2) / 3 * 4 + n / 57 + 1
                                           : 4 * n;
    WR_TRY(wr_fn_room(eval, row, most, &room));
    size_t length = how == ENCODING_HEX      ? hex_encode(s, n, room)
                    : how == ENCODING_BASE64 ? base64_encode(s, n, room)
                                             : escape_encode(s, n, room);
    return fn_give(out, room, length);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static int
hex_value(char c)
{
    char lower = (char) (c | 0x20);
    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static weir_status
hex_decode(wr_eval *eval, uint32_t row, const char *s, const char *end, char *to, size_t *length)
{
    char *at = to;
    while (s < end) {
        if (is_blank(*s)) {
            s++;
            continue;
        }
        if (hex_value(*s) < 0)
            return decode_fail(eval, row, "invalid hexadecimal digit: \"%.*s\"", s, end);
        if (end - s < 2)
            return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                "invalid hexadecimal data: odd number of digits");
        if (hex_value(s[1]) < 0)
            return decode_fail(eval, row, "invalid hexadecimal digit: \"%.*s\"", s + 1, end);
        *at++ = (char) (hex_value(s[0]) << 4 | hex_value(s[1]));
        s += 2;
    }
    *length = (size_t) (at - to);
    return WEIR_OK;
}

static weir_status
base64_decode(wr_eval *eval, uint32_t row, const char *s, const char *end, char *to, size_t *length)
{
    char    *at = to;
    uint32_t bits = 0, have = 0, ended = 0; /* ended: the place of the first '=' in its group */
    for (; s < end; s++) {
        const char *digit = *s != '\0' ? strchr(base64_digits, *s) : NULL;
        if (is_blank(*s))
            continue;
        if (*s == '=') {
            if (ended == 0 && have != 2 && have != 3)
                return decode_fail(eval, row,
                                   "unexpected \"%.*s\" while decoding base64 sequence", s, end);
            ended = ended == 0 ? have : ended;
            bits <<= 6;
        } else if (digit == NULL) {
            return decode_fail(
                eval, row, "invalid symbol \"%.*s\" found while decoding base64 sequence", s, end);
        } else {
            bits = bits << 6 | (uint32_t) (digit - base64_digits);
        }
        if (++have < 4)
            continue;
        *at++ = (char) (bits >> 16);
        if (ended == 0 || ended > 2)
            *at++ = (char) (bits >> 8);
        if (ended == 0)
            *at++ = (char) bits;
        bits = have = 0;
    }
    if (have != 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "invalid base64 end sequence");
    *length = (size_t) (at - to);
    return WEIR_OK;
}

static weir_status
escape_decode(wr_eval *eval, uint32_t row, const char *s, const char *end, char *to, size_t *length)
{
    char *at = to;
    while (s < end) {
        if (*s != '\\') {
            *at++ = *s++;
        } else if (end - s >= 4 && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
                   s[3] >= '0' && s[3] <= '7') {
            *at++ = (char) ((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else if (end - s >= 2 && s[1] == '\\') {
            *at++ = '\\';
            s += 2;
        } else {
            return wr_eval_fail(eval, row, WEIR_ROW_TYPE, "invalid input syntax for type bytea");
        }
    }
    *length = (size_t) (at - to);
    return WEIR_OK;
}

FN_KERNEL(bytea_decode)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    char       *room;
    size_t      length = 0;
    encoding    how = encoding_find(eval, row, &args[1]);
    if (how == ENCODING_NONE)
        return WEIR_ROW_INVALID_ARGUMENT;
    WR_TRY(wr_fn_room(eval, row, (size_t) (end - s), &room)); /* decoding never grows */
    if (how == ENCODING_HEX)
        WR_TRY(hex_decode(eval, row, s, end, room, &length));
    else if (how == ENCODING_BASE64)
        WR_TRY(base64_decode(eval, row, s, end, room, &length));
    else
        WR_TRY(escape_decode(eval, row, s, end, room, &length));
    return fn_give(out, room, length);
}

/* --- digests --- */

/* The digest in `raw` (EVP_MAX_MD_SIZE bytes). */
static weir_status
digest_of(const wr_value *arg, const EVP_MD *how, unsigned char *raw, unsigned *length)
{
    return EVP_Digest(fn_data(arg), fn_length(arg), raw, length, how, NULL) == 1 ? WEIR_OK
                                                                                 : WEIR_MEMORY;
}

FN_KERNEL(any_md5)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    char          text[2 * EVP_MAX_MD_SIZE];
    unsigned      length;
    WR_TRY(digest_of(&args[0], EVP_md5(), raw, &length));
    return wr_fn_give_copy(eval, row, text, hex_encode(raw, length, text), out);
}

#define DIGEST(NAME, HOW)                                                                          \
    FN_KERNEL(NAME)                                                                                \
    {                                                                                              \
        unsigned char raw[EVP_MAX_MD_SIZE];                                                        \
        unsigned      length;                                                                      \
        WR_TRY(digest_of(&args[0], HOW(), raw, &length));                                          \
        return wr_fn_give_copy(eval, row, (const char *) raw, length, out);                        \
    }
DIGEST(bytea_sha224, EVP_sha224)
DIGEST(bytea_sha256, EVP_sha256)
DIGEST(bytea_sha384, EVP_sha384)
DIGEST(bytea_sha512, EVP_sha512)

/* --- single bytes and bits --- */

static weir_status
index_fail(wr_eval *eval, uint32_t row, int64_t index, int64_t count)
{
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                        "index %lld out of valid range, 0..%lld", (long long) index,
                        (long long) count - 1);
}

FN_KERNEL(bytea_get_byte)
{
    int64_t index = args[1].integer, count = (int64_t) fn_length(&args[0]);
    if (index < 0 || index >= count)
        return index_fail(eval, row, index, count);
    out->integer = (unsigned char) fn_data(&args[0])[index];
    return WEIR_OK;
}

FN_KERNEL(bytea_get_bit)
{
    int64_t index = args[1].integer, count = (int64_t) fn_length(&args[0]) * 8;
    if (index < 0 || index >= count)
        return index_fail(eval, row, index, count);
    out->integer = (unsigned char) fn_data(&args[0])[index / 8] >> (index % 8) & 1;
    return WEIR_OK;
}

FN_KERNEL(bytea_set_byte)
{
    int64_t index = args[1].integer, count = (int64_t) fn_length(&args[0]);
    char   *room;
    if (index < 0 || index >= count)
        return index_fail(eval, row, index, count);
    WR_TRY(wr_fn_room(eval, row, (size_t) count, &room));
    memcpy(room, fn_data(&args[0]), (size_t) count);
    room[index] = (char) args[2].integer;
    return fn_give(out, room, (size_t) count);
}

FN_KERNEL(bytea_set_bit)
{
    int64_t index = args[1].integer, count = (int64_t) fn_length(&args[0]);
    char   *room;
    if (index < 0 || index >= count * 8)
        return index_fail(eval, row, index, count * 8);
    if (args[2].integer != 0 && args[2].integer != 1)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "new bit must be 0 or 1");
    WR_TRY(wr_fn_room(eval, row, (size_t) count, &room));
    memcpy(room, fn_data(&args[0]), (size_t) count);
    unsigned bit = 1u << (index % 8);
    unsigned old = (unsigned char) room[index / 8];
    room[index / 8] = (char) (args[2].integer != 0 ? old | bit : old & ~bit);
    return fn_give(out, room, (size_t) count);
}

FN_KERNEL(bytea_bit_count)
{
    out->integer = 0;
    for (size_t i = 0; i < fn_length(&args[0]); i++)
        out->integer += __builtin_popcount((unsigned char) fn_data(&args[0])[i]);
    return WEIR_OK;
}

/* --- text of bytes and back: UTF-8 is the only encoding --- */

static bool
is_utf8_name(const wr_value *name)
{
    return (fn_length(name) == 4 && strncasecmp(fn_data(name), "utf8", 4) == 0) ||
           (fn_length(name) == 5 && strncasecmp(fn_data(name), "utf-8", 5) == 0);
}

/* The first byte that is not UTF-8 (or is NUL), or end. */
static const char *
utf8_invalid(const char *s, const char *end)
{
    while (s < end) {
        const char *start = s;
        char        again[4];
        uint32_t    code = wr_fn_char_decode(&s, end);
        if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
            wr_fn_char_encode(code, again) != (size_t) (s - start) ||
            memcmp(again, start, (size_t) (s - start)) != 0)
            return start;
    }
    return end;
}

FN_KERNEL(bytea_convert_from)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]), *bad;
    if (!is_utf8_name(&args[1]))
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "invalid source encoding name \"%.*s\"",
                            (int) WR_MIN(fn_length(&args[1]), 100), fn_data(&args[1]));
    if ((bad = utf8_invalid(s, end)) < end)
        return wr_eval_fail(eval, row, WEIR_ROW_ENCODING,
                            "invalid byte sequence for encoding \"UTF8\": 0x%02x",
                            (unsigned char) *bad);
    return fn_give(out, s, (size_t) (end - s));
}

FN_KERNEL(text_convert_to)
{
    if (!is_utf8_name(&args[1]))
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "invalid destination encoding name \"%.*s\"",
                            (int) WR_MIN(fn_length(&args[1]), 100), fn_data(&args[1]));
    return fn_give(out, fn_data(&args[0]), fn_length(&args[0]));
}

/* --- numbers as bytes, the most significant first --- */

static weir_status
send_give(wr_eval *eval, uint32_t row, uint64_t bits, uint32_t width, wr_value *out)
{
    char bytes[8];
    for (uint32_t i = 0; i < width; i++)
        bytes[i] = (char) (bits >> 8 * (width - 1 - i));
    return wr_fn_give_copy(eval, row, bytes, width, out);
}

#define SEND_INTEGER(NAME, WIDTH)                                                                  \
    FN_KERNEL(NAME)                                                                                \
    {                                                                                              \
        return send_give(eval, row, (uint64_t) args[0].integer, WIDTH, out);                       \
    }
SEND_INTEGER(int2_send, 2)
SEND_INTEGER(int4_send, 4)
SEND_INTEGER(int8_send, 8)

FN_KERNEL(float4_send)
{
    float    value = (float) args[0].real;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return send_give(eval, row, bits, 4, out);
}

FN_KERNEL(float8_send)
{
    uint64_t bits;
    memcpy(&bits, &args[0].real, sizeof bits);
    return send_give(eval, row, bits, 8, out);
}

#define FN_TOPIC "bytes"
const wr_function wr_fn_bytea[] = {
    FN("encode", T_TEXT, bytea_encode, FN_FAILS, "the bytes as hex, base64 or escape text", T_BYTEA,
       T_TEXT),
    FN("decode", T_BYTEA, bytea_decode, FN_FAILS, "the bytes of hex, base64 or escape text", T_TEXT,
       T_TEXT),
    FN("md5", T_TEXT, any_md5, 0, "MD5 as hexadecimal text", T_TEXT),
    FN("md5", T_TEXT, any_md5, 0, "MD5 as hexadecimal text", T_BYTEA),
    FN("sha224", T_BYTEA, bytea_sha224, 0, "SHA-224", T_BYTEA),
    FN("sha256", T_BYTEA, bytea_sha256, 0, "SHA-256", T_BYTEA),
    FN("sha384", T_BYTEA, bytea_sha384, 0, "SHA-384", T_BYTEA),
    FN("sha512", T_BYTEA, bytea_sha512, 0, "SHA-512", T_BYTEA),
    FN("get_byte", T_INT4, bytea_get_byte, FN_FAILS, "the n-th byte, from 0", T_BYTEA, T_INT4),
    FN("set_byte", T_BYTEA, bytea_set_byte, FN_FAILS, "with the n-th byte changed", T_BYTEA, T_INT4,
       T_INT4),
    FN("get_bit", T_INT4, bytea_get_bit, FN_FAILS, "the n-th bit, from 0", T_BYTEA, T_INT8),
    FN("set_bit", T_BYTEA, bytea_set_bit, FN_FAILS, "with the n-th bit changed", T_BYTEA, T_INT8,
       T_INT4),
    FN("bit_count", T_INT8, bytea_bit_count, 0, "number of bits set", T_BYTEA),
    FN("convert_from", T_TEXT, bytea_convert_from, FN_FAILS, "the text of UTF-8 bytes", T_BYTEA,
       T_TEXT),
    FN("convert_to", T_BYTEA, text_convert_to, FN_FAILS, "the UTF-8 bytes of the text", T_TEXT,
       T_TEXT),
    FN("int2send", T_BYTEA, int2_send, FN_FAILS, "two bytes, the most significant first", T_INT2),
    FN("int4send", T_BYTEA, int4_send, FN_FAILS, "four bytes, the most significant first", T_INT4),
    FN("int8send", T_BYTEA, int8_send, FN_FAILS, "eight bytes, the most significant first", T_INT8),
    FN("float4send", T_BYTEA, float4_send, FN_FAILS, "the four bytes of IEEE 754", T_FLOAT4),
    FN("float8send", T_BYTEA, float8_send, FN_FAILS, "the eight bytes of IEEE 754", T_FLOAT8),
    FN_END,
};
