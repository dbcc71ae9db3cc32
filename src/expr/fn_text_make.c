/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_text_make.c -- functions that make a new string of one or two: pad, replace, translate,
 * repeat, reverse, overlay, ascii, chr, to_hex, normalize, unistr.
 *
 * Place       rows of the function registry.
 * Invariants  the result's length is known, or bounded, before its bytes are asked for
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

#include <utf8proc.h>

/* Appends `count` characters of fill, over and over, at to; the end. */
static char *
pad_fill(char *to, const char *fill, size_t fill_bytes, size_t count)
{
    const char *at = fill, *end = fill + fill_bytes;
    for (; count > 0; count--) {
        const char *next = fn_char_next(at, end);
        memcpy(to, at, (size_t) (next - at));
        to += next - at;
        at = next < end ? next : fill;
    }
    return to;
}

static weir_status
pad_give(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count, bool before,
         wr_value *out)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    const char *fill = arg_count > 2 ? fn_data(&args[2]) : " ";
    size_t      fill_bytes = arg_count > 2 ? fn_length(&args[2]) : 1;
    size_t      wanted = (size_t) WR_MAX(args[1].integer, 0);
    size_t      have = wr_fn_char_count(s, (size_t) (end - s));
    char       *room;
    if (have >= wanted || fill_bytes == 0)
        return fn_give(out, s, (size_t) (wr_fn_char_skip(s, end, wanted) - s));
    size_t missing = wanted - have;
    size_t cycle = wr_fn_char_count(fill, fill_bytes);
    size_t part = (size_t) (wr_fn_char_skip(fill, fill + fill_bytes, missing % cycle) - fill);
    size_t length = (size_t) (end - s) + missing / cycle * fill_bytes + part;
    WR_TRY(wr_fn_room(eval, row, length, &room));
    char *at = room;
    if (before)
        at = pad_fill(at, fill, fill_bytes, missing);
    memcpy(at, s, (size_t) (end - s));
    at += end - s;
    if (!before)
        at = pad_fill(at, fill, fill_bytes, missing);
    return fn_give(out, room, (size_t) (at - room));
}

FN_KERNEL(text_lpad)
{
    return pad_give(eval, row, args, arg_count, true, out);
}

FN_KERNEL(text_rpad)
{
    return pad_give(eval, row, args, arg_count, false, out);
}

FN_KERNEL(text_replace)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]), *hit;
    const char *from = fn_data(&args[1]), *to = fn_data(&args[2]);
    size_t      from_bytes = fn_length(&args[1]), to_bytes = fn_length(&args[2]), hits = 0;
    char       *room;
    if (from_bytes == 0)
        return fn_give(out, s, (size_t) (end - s));
    for (const char *at = s; (hit = wr_fn_find(at, end, from, from_bytes)) != NULL; hits++)
        at = hit + from_bytes;
    if (hits == 0)
        return fn_give(out, s, (size_t) (end - s));
    size_t length = (size_t) (end - s) - hits * from_bytes + hits * to_bytes;
    WR_TRY(wr_fn_room(eval, row, length, &room));
    char *at = room;
    for (; (hit = wr_fn_find(s, end, from, from_bytes)) != NULL; s = hit + from_bytes) {
        memcpy(at, s, (size_t) (hit - s));
        at += hit - s;
        memcpy(at, to, to_bytes);
        at += to_bytes;
    }
    memcpy(at, s, (size_t) (end - s));
    return fn_give(out, room, length);
}

/* The character of `to` that stands where code stands in `from`: 1 replaced, 0 dropped, -1 kept. */
static int
translate_char(const wr_value *from, const wr_value *to, uint32_t code, uint32_t *with)
{
    const char *f = fn_data(from), *f_end = f + fn_length(from);
    const char *t = fn_data(to), *t_end = t + fn_length(to);
    while (f < f_end) {
        bool     has = t < t_end;
        uint32_t replacement = has ? wr_fn_char_decode(&t, t_end) : 0;
        if (wr_fn_char_decode(&f, f_end) == code) {
            *with = replacement;
            return has;
        }
    }
    return -1;
}

FN_KERNEL(text_translate)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    char       *room, *at;
    size_t growth = wr_fn_is_ascii(fn_data(&args[2]), fn_length(&args[2])) ? 1 : 4;
    WR_TRY(wr_fn_room(eval, row, fn_length(&args[0]) * growth, &room));
    at = room;
    while (s < end) {
        const char *start = s;
        uint32_t    with, code = wr_fn_char_decode(&s, end);
        int         found = translate_char(&args[1], &args[2], code, &with);
        if (found > 0) {
            at += wr_fn_char_encode(with, at);
        } else if (found < 0) {
            memcpy(at, start, (size_t) (s - start));
            at += s - start;
        }
    }
    return fn_give(out, room, (size_t) (at - room));
}

FN_KERNEL(text_repeat)
{
    size_t n = fn_length(&args[0]), times = (size_t) WR_MAX(args[1].integer, 0);
    char  *room;
    if (n == 0)
        times = 0;
    WR_TRY(wr_fn_room(eval, row, n * times, &room));
    for (size_t i = 0; i < times; i++)
        memcpy(room + i * n, fn_data(&args[0]), n);
    return fn_give(out, room, n * times);
}

FN_KERNEL(text_reverse)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    size_t      length = (size_t) (end - s);
    char       *room;
    WR_TRY(wr_fn_room(eval, row, length, &room));
    for (char *at = room + length; s < end;) {
        const char *next = fn_char_next(s, end);
        at -= next - s;
        memcpy(at, s, (size_t) (next - s));
        s = next;
    }
    return fn_give(out, room, length);
}

/* overlay(s placing new from start for length): s up to start, new, s from start + length. */
static weir_status
overlay_give(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count, bool chars,
             wr_value *out)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    size_t      new_bytes = fn_length(&args[1]);
    int64_t     start = args[2].integer;
    int64_t     length = arg_count > 3 ? args[3].integer
                         : chars       ? (int64_t) wr_fn_char_count(fn_data(&args[1]), new_bytes)
                                       : (int64_t) new_bytes;
    char       *room;
    if (start <= 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "negative substring length not allowed");
    if (start + length > INT32_MAX)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "integer out of range");
    size_t      before = (size_t) start - 1, after = (size_t) WR_MAX(start - 1 + length, 0);
    const char *head_end, *tail;
    if (chars) {
        head_end = wr_fn_char_skip(s, end, before);
        tail = wr_fn_char_skip(s, end, after);
    } else {
        head_end = s + WR_MIN(before, (size_t) (end - s));
        tail = s + WR_MIN(after, (size_t) (end - s));
    }
    size_t head = (size_t) (head_end - s), rest = (size_t) (end - tail);
    WR_TRY(wr_fn_room(eval, row, head + new_bytes + rest, &room));
    memcpy(room, s, head);
    memcpy(room + head, fn_data(&args[1]), new_bytes);
    memcpy(room + head + new_bytes, tail, rest);
    return fn_give(out, room, head + new_bytes + rest);
}

FN_KERNEL(text_overlay)
{
    return overlay_give(eval, row, args, arg_count, true, out);
}

FN_KERNEL(bytea_overlay)
{
    return overlay_give(eval, row, args, arg_count, false, out);
}

/* --- single characters --- */

FN_KERNEL(text_ascii)
{
    const char *s = fn_data(&args[0]);
    out->integer = fn_length(&args[0]) == 0 ? 0 : wr_fn_char_decode(&s, s + fn_length(&args[0]));
    return WEIR_OK;
}

FN_KERNEL(text_chr)
{
    int64_t code = args[0].integer;
    char    bytes[4];
    if (code < 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "character number must be positive");
    if (code == 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "null character not permitted");
    if (code > 0x10ffff)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "requested character too large for encoding: %lld", (long long) code);
    if (code >= 0xd800 && code < 0xe000)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "requested character not valid for encoding: %lld", (long long) code);
    return fn_give(out, bytes, wr_fn_char_encode((uint32_t) code, bytes));
}

/* --- Unicode --- */

/* `digits` hexadecimal digits at s, or -1. */
static int64_t
escape_hex(const char *s, const char *end, int digits)
{
    int64_t code = 0;
    if (end - s < digits)
        return -1;
    for (int i = 0; i < digits; i++) {
        char c = s[i];
        int  digit = c >= '0' && c <= '9'                   ? c - '0'
                     : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                              : -1;
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* The escape at *at, just behind its backslash: XXXX, uXXXX, +XXXXXX or UXXXXXXXX.  -1: none. */
static int64_t
escape_code(const char **at, const char *end)
{
    const char *s = *at;
    int         prefix = 0, digits = 4;
    if (s < end && *s == 'u')
        prefix = 1;
    else if (s < end && *s == '+')
        prefix = 1, digits = 6;
    else if (s < end && *s == 'U')
        prefix = 1, digits = 8;
    int64_t code = escape_hex(s + prefix, end, digits);
    *at += prefix + digits;
    return code;
}

/* A whole escape, surrogate pairs joined.  0: the row failed. */
static uint32_t
unistr_code(wr_eval *eval, uint32_t row, const char **at, const char *end)
{
    int64_t code = escape_code(at, end);
    if (code < 0) {
        (void) wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "invalid Unicode escape");
        return 0;
    }
    if (code == 0 || code > 0x10ffff) {
        (void) wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "invalid Unicode code point: %04llX", (unsigned long long) code);
        return 0;
    }
    if (code < 0xd800 || code > 0xdfff)
        return (uint32_t) code;
    int64_t low = -1;
    if (code < 0xdc00 && end - *at > 1 && **at == '\\') {
        *at += 1;
        low = escape_code(at, end);
    }
    if (low < 0xdc00 || low > 0xdfff) {
        (void) wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "invalid Unicode surrogate pair");
        return 0;
    }
    return (uint32_t) (0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff)));
}

FN_KERNEL(text_unistr)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    char       *room, *at;
    WR_TRY(wr_fn_room(eval, row, fn_length(&args[0]), &room));
    at = room;
    while (s < end) {
        if (*s != '\\') {
            *at++ = *s++;
        } else if (end - s > 1 && s[1] == '\\') {
            *at++ = '\\';
            s += 2;
        } else {
            s++;
            uint32_t code = unistr_code(eval, row, &s, end);
            if (code == 0)
                return WEIR_ROW_INVALID_ARGUMENT;
            at += wr_fn_char_encode(code, at);
        }
    }
    return fn_give(out, room, (size_t) (at - room));
}

/* utf8proc's options for a form's name; 0: there is no such form. */
static int
normal_form(const wr_value *name)
{
    static const struct {
        const char *name;
        int         options;
    } forms[] = {
        { "NFC", UTF8PROC_STABLE | UTF8PROC_COMPOSE },
        { "NFD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE },
        { "NFKC", UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT },
        { "NFKD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT },
    };
    for (size_t i = 0; i < WR_COUNT(forms); i++)
        if (strlen(forms[i].name) == fn_length(name) &&
            strncasecmp(forms[i].name, fn_data(name), fn_length(name)) == 0)
            return forms[i].options;
    return 0;
}

static weir_status
normalize_give(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count, wr_value *out)
{
    int options = arg_count > 1 ? normal_form(&args[1]) : UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    if (options == 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "invalid normalization form: %.*s", (int) fn_length(&args[1]),
                            fn_data(&args[1]));
    const utf8proc_uint8_t *s = (const utf8proc_uint8_t *) fn_data(&args[0]);
    utf8proc_ssize_t        n = (utf8proc_ssize_t) fn_length(&args[0]);
    if (wr_fn_is_ascii(fn_data(&args[0]), (size_t) n))
        return fn_give(out, fn_data(&args[0]), (size_t) n);
    utf8proc_ssize_t codes =
        utf8proc_decompose(s, n, NULL, 0, (utf8proc_option_t) options);
    if (codes < 0)
        return wr_eval_fail(eval, row, WEIR_ROW_ENCODING, "invalid byte sequence for UTF-8");
    utf8proc_int32_t *list = wr_arena_alloc(&eval->step, (size_t) (codes + 1) * sizeof *list);
    char             *room;
    if (list == NULL)
        return WEIR_MEMORY;
    codes = utf8proc_decompose(s, n, list, codes, (utf8proc_option_t) options);
    codes = utf8proc_normalize_utf32(list, codes, (utf8proc_option_t) options);
    WR_TRY(wr_fn_room(eval, row, (size_t) codes * 4, &room));
    char *at = room;
    for (utf8proc_ssize_t i = 0; i < codes; i++)
        at += wr_fn_char_encode((uint32_t) list[i], at);
    return fn_give(out, room, (size_t) (at - room));
}

FN_KERNEL(text_normalize)
{
    return normalize_give(eval, row, args, arg_count, out);
}

FN_KERNEL(text_is_normalized)
{
    wr_value normal = { .type = args[0].type };
    WR_TRY(normalize_give(eval, row, args, arg_count, &normal));
    out->boolean = wr_string_equal(&normal.string, &args[0].string);
    return WEIR_OK;
}

/* --- hexadecimal --- */

static weir_status
hex_give(wr_eval *eval, uint32_t row, uint64_t value, wr_value *out)
{
    char  digits[16];
    char *at = digits + sizeof digits;
    do
        *--at = "0123456789abcdef"[value & 15];
    while ((value >>= 4) != 0);
    return wr_fn_give_copy(eval, row, at, (size_t) (digits + sizeof digits - at), out);
}

FN_KERNEL(int4_to_hex)
{
    return hex_give(eval, row, (uint32_t) args[0].integer, out);
}

FN_KERNEL(int8_to_hex)
{
    return hex_give(eval, row, (uint64_t) args[0].integer, out);
}

#define FN_TOPIC "text"
const wr_function wr_fn_text_make[] = {
    FN("lpad", T_TEXT, text_lpad, FN_FAILS | FN_OPTIONAL(1),
       "filled on the left to a length; cut when longer", T_TEXT, T_INT4, T_TEXT),
    FN("rpad", T_TEXT, text_rpad, FN_FAILS | FN_OPTIONAL(1),
       "filled on the right to a length; cut when longer", T_TEXT, T_INT4, T_TEXT),
    FN("replace", T_TEXT, text_replace, FN_FAILS, "every occurrence of a string replaced", T_TEXT,
       T_TEXT, T_TEXT),
    FN("translate", T_TEXT, text_translate, FN_FAILS,
       "each character of a set replaced by its partner, or dropped", T_TEXT, T_TEXT, T_TEXT),
    FN("repeat", T_TEXT, text_repeat, FN_FAILS, "the string n times", T_TEXT, T_INT4),
    FN("reverse", T_TEXT, text_reverse, 0, "the characters in reverse order", T_TEXT),
    FN("overlay", T_TEXT, text_overlay, FN_FAILS | FN_OPTIONAL(1),
       "the string with a part replaced by another", T_TEXT, T_TEXT, T_INT4, T_INT4),
    FN("overlay", T_BYTEA, bytea_overlay, FN_FAILS | FN_OPTIONAL(1),
       "the bytes with a part replaced by others", T_BYTEA, T_BYTEA, T_INT4, T_INT4),
    FN("ascii", T_INT4, text_ascii, 0, "code point of the first character", T_TEXT),
    FN("chr", T_TEXT, text_chr, FN_FAILS, "the character of a code point", T_INT4),
    FN("unistr", T_TEXT, text_unistr, FN_FAILS, "Unicode escapes replaced by their characters",
       T_TEXT),
    FN("normalize", T_TEXT, text_normalize, FN_FAILS | FN_OPTIONAL(1),
       "Unicode normal form (NFC, NFD, NFKC, NFKD)", T_TEXT, T_TEXT),
    FN("is_normalized", T_BOOL, text_is_normalized, FN_FAILS | FN_OPTIONAL(1),
       "is the string in a Unicode normal form?", T_TEXT, T_TEXT),
    FN("to_hex", T_TEXT, int4_to_hex, 0, "hexadecimal digits of the number", T_INT4),
    FN("to_hex", T_TEXT, int8_to_hex, 0, "hexadecimal digits of the number", T_INT8),
    FN_END,
};
