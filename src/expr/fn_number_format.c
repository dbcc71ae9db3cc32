/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_number_format.c -- to_char of numbers.
 *
 * Place       rows of the function registry.
 * Invariants  the number is rounded to the picture's digits before a character is written; one that
 *             does not fit becomes #
 */
#include "expr/fn_number_impl.h"
#include "expr/registry_impl.h"

#include <math.h>
#include <stdio.h>

enum { FLOAT8_DIGITS = 15, FLOAT4_DIGITS = 6 };

/* --- from numbers to digits --- */

static const char *
roman_of(int64_t number, char room[24])
{
    static const struct {
        int         value;
        const char *text;
    } letters[] = { { 1000, "M" }, { 900, "CM" }, { 500, "D" }, { 400, "CD" }, { 100, "C" },
                    { 90, "XC" },  { 50, "L" },   { 40, "XL" }, { 10, "X" },   { 9, "IX" },
                    { 5, "V" },    { 4, "IV" },   { 1, "I" } };
    size_t n = 0;
    if (number < 1 || number > 3999)
        return "###############";
    for (size_t i = 0; i < WR_COUNT(letters); i++)
        for (; number >= letters[i].value; number -= letters[i].value)
            for (const char *s = letters[i].text; *s != '\0'; s++)
                room[n++] = *s;
    room[n] = '\0';
    return room;
}

/* ' ' and '#' where a number has no digits to show: ".##e+##" and the like. */
static weir_status
picture_write_hashes(wr_picture *p, wr_value *out)
{
    char  *room;
    size_t n = (size_t) (p->before + p->behind + 6);
    WR_TRY(wr_fn_room(p->eval, p->row, n + 1, &room));
    memset(room, '#', n);
    room[n] = '\0';
    room[0] = ' ';
    room[p->before + 1] = '.';
    return wr_picture_write(p, room, 0, '+', out);
}

/* Digits without a sign, "12.50": fitted into the picture, or replaced by #. */
static weir_status
picture_write_digits(wr_picture *p, const char *digits, char sign, wr_value *out)
{
    const char *point = strchr(digits, '.');
    int         have = (int) (point != NULL ? (size_t) (point - digits) : strlen(digits));
    if (have <= p->before)
        return wr_picture_write(p, digits, p->before - have, sign, out);
    char  *room;
    size_t n = (size_t) (p->before + p->behind + 1);
    WR_TRY(wr_fn_room(p->eval, p->row, n + 1, &room));
    memset(room, '#', n);
    room[n] = '\0';
    room[p->before] = '.';
    return wr_picture_write(p, room, 0, sign, out);
}

/* Adds one to the last of n decimal digits; true when that carries out of the first. */
static bool
digits_increment(char *digits, size_t n)
{
    while (n > 0 && digits[n - 1] == '9')
        digits[--n] = '0';
    if (n == 0)
        return true;
    digits[n - 1]++;
    return false;
}

/* "-1.23e+04": the picture's digits behind the point, rounded half away from zero.  plain is the
 * number with all its digits. */
static weir_status
picture_write_scientific(wr_picture *p, const char *plain, wr_value *out)
{
    bool        negative = *plain == '-';
    const char *s = plain + negative, *point = strchr(s, '.');
    size_t      whole = point != NULL ? (size_t) (point - s) : strlen(s), first = strspn(s, "0.");
    size_t      n = (size_t) p->behind + 1, have = 0;
    int         exponent = 0;
    char       *digits = wr_arena_alloc(&p->eval->step, n + 1);
    bool        carry = false;
    if (digits == NULL)
        return WEIR_MEMORY;
    if (s[first] != '\0')
        exponent = first < whole ? (int) (whole - first) - 1 : -(int) (first - whole);
    for (s += first; *s != '\0' && have < n; s++)
        if (*s != '.')
            digits[have++] = *s;
    s += *s == '.';
    if (have == n && *s >= '5')
        carry = digits_increment(digits, n);
    memset(digits + have, '0', n - have);
    digits[n] = '\0';
    const char *text = wr_arena_printf(&p->eval->step, "%s%s%c%s%se%+03d", negative ? "-" : " ",
                                       carry ? "1" : "", digits[0], n > 1 ? "." : "", digits + 1,
                                       exponent);
    return text != NULL ? wr_picture_write(p, text, 0, '+', out) : WEIR_MEMORY;
}

/* --- kernels: to_char --- */

static weir_status
numeric_shift(wr_eval *eval, const wr_string *num, int power, wr_string *out)
{
    wr_string ten, exponent, factor;
    WR_TRY(wr_num_from_int64(10, &eval->step, &ten));
    WR_TRY(wr_num_from_int64(power, &eval->step, &exponent));
    WR_TRY(wr_num_power(&ten, &exponent, &eval->step, &factor));
    return wr_num_multiply(num, &factor, &eval->step, out);
}

/* num with `scale` digits behind the point, as text. */
static weir_status
numeric_text(wr_eval *eval, const wr_string *num, const char **text)
{
    wr_text printed;
    wr_text_init(&printed, eval->budget);
    wr_num_print(num, &printed);
    *text = wr_arena_strndup(&eval->step, wr_text_string(&printed), printed.length);
    bool ok = wr_text_ok(&printed) && *text != NULL;
    wr_text_fini(&printed);
    return ok ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
numeric_write(wr_picture *p, const wr_string *num, wr_value *out)
{
    wr_eval    *eval = p->eval;
    wr_string   value = *num;
    const char *text;
    char        roman[24];
    int64_t     whole;
    bool        special = wr_num_is_nan(num) || wr_num_is_infinite(num);
    if (p->roman && special)
        return wr_eval_fail(eval, p->row, WEIR_ROW_OVERFLOW, "cannot convert %s to integer",
                            wr_num_is_nan(num) ? "NaN" : "infinity");
    if (p->roman) {
        weir_status status = wr_num_to_int64(num, &whole);
        if (status == WEIR_OK && whole != (int32_t) whole)
            status = WEIR_ROW_OVERFLOW;
        if (status == WEIR_ROW_OVERFLOW)
            return wr_eval_fail(eval, p->row, status, "integer out of range");
        WR_TRY(status);
        return wr_picture_write(p, roman_of(whole, roman), 0, '\0', out);
    }
    if (p->exponent && special)
        return picture_write_hashes(p, out);
    if (p->exponent) {
        WR_TRY(numeric_text(eval, num, &text));
        return picture_write_scientific(p, text, out);
    }
    if (p->multiply && !special)
        WR_TRY(wr_fn_num(eval, p->row, numeric_shift(eval, num, p->shift, &value)));
    if (p->multiply)
        p->before += p->shift;
    WR_TRY(wr_fn_num(eval, p->row, wr_num_round(&value, p->behind, &eval->step, &value)));
    WR_TRY(numeric_text(eval, &value, &text));
    return picture_write_digits(p, text + (*text == '-'), *text == '-' ? '-' : '+', out);
}

FN_KERNEL(numeric_to_char)
{
    wr_picture p;
    if (fn_length(&args[1]) == 0)
        return fn_give(out, "", 0);
    WR_TRY(wr_picture_open(&p, eval, row, &args[1]));
    return numeric_write(&p, &args[0].string, out);
}

FN_KERNEL(integer_to_char)
{
    wr_picture p;
    wr_string num;
    if (fn_length(&args[1]) == 0)
        return fn_give(out, "", 0);
    WR_TRY(wr_picture_open(&p, eval, row, &args[1]));
    bool      wide = args[0].type.id == WR_INT8;
    wr_int128 shifted = 0;
    if (p.multiply && p.shift < 19)
        shifted = args[0].integer * wr_int128_power10(p.shift);
    if ((p.multiply && p.shift >= 19) || shifted > (wide ? INT64_MAX : INT32_MAX) ||
        shifted < (wide ? INT64_MIN : INT32_MIN))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "%s out of range",
                            wide ? "bigint" : "integer");
    WR_TRY(wr_num_from_int64(args[0].integer, &eval->step, &num));
    return numeric_write(&p, &num, out);
}

/* Doubles show no more digits than they have. */
static weir_status
float_write(wr_picture *p, double value, int digits_most, wr_value *out)
{
    char    roman[24];
    bool    special = !isfinite(value);
    double  rounded = rint(value);
    char   *text;
    if (p->roman) {
        bool small = rounded > 0 && rounded < 4000; /* false for NaN */
        return wr_picture_write(p, roman_of(small ? (int64_t) rounded : 0, roman), 0, '\0', out);
    }
    if (p->exponent && special)
        return picture_write_hashes(p, out);
    if (p->exponent) {
        text = wr_arena_printf(&p->eval->step, "%+.*e", p->behind, value);
        if (text == NULL)
            return WEIR_MEMORY;
        if (*text == '+')
            *text = ' ';
        return wr_picture_write(p, text, 0, '+', out);
    }
    if (p->multiply) {
        value *= pow(10, p->shift);
        p->before += p->shift;
    }
    int whole = isinf(value) ? 8 : snprintf(NULL, 0, "%.0f", fabs(value)); /* "Infinity" */
    if (whole >= digits_most)
        p->behind = 0;
    else if (whole + p->behind > digits_most)
        p->behind = digits_most - whole;
    text = isnan(value)   ? wr_arena_strdup(&p->eval->step, "NaN")
           : isinf(value) ? wr_arena_strdup(&p->eval->step, value < 0 ? "-Infinity" : "Infinity")
                          : wr_arena_printf(&p->eval->step, "%.*f", p->behind, value);
    if (text == NULL)
        return WEIR_MEMORY;
    return picture_write_digits(p, text + (*text == '-'), *text == '-' ? '-' : '+', out);
}

FN_KERNEL(float_to_char)
{
    wr_picture p;
    if (fn_length(&args[1]) == 0)
        return fn_give(out, "", 0);
    WR_TRY(wr_picture_open(&p, eval, row, &args[1]));
    return float_write(&p, args[0].real,
                       args[0].type.id == WR_FLOAT4 ? FLOAT4_DIGITS : FLOAT8_DIGITS, out);
}

#define FN_TOPIC "number"
#define TO_CHAR_ROW(TYPE, KERNEL)                                                                  \
    FN("to_char", T_TEXT, KERNEL, FN_FAILS, "text after a picture ('9G999D99')", TYPE, T_TEXT)
const wr_function wr_fn_number_format[] = {
    TO_CHAR_ROW(T_INT4, integer_to_char),   TO_CHAR_ROW(T_INT8, integer_to_char),
    TO_CHAR_ROW(T_NUMERIC, numeric_to_char), TO_CHAR_ROW(T_FLOAT4, float_to_char),
    TO_CHAR_ROW(T_FLOAT8, float_to_char),
    FN_END,
};
