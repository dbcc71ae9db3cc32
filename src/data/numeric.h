/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/numeric.h -- PostgreSQL's numeric, digit for digit.
 *
 * Three physical forms (design 12.4).  dec64 and dec128 are scaled integers whose scale belongs to
 * the column; num is this file's: variable length, its own display scale, NaN and infinities.
 * A num lies in a wr_string: a 4-byte header {sign/kind u8, pad u8, display scale u16}, int16
 * weight, then base-10000 digits (int16 each, most significant first, no leading or trailing zero
 * digits), little-endian, so that equal values of equal display scale have equal bytes.
 *
 * Invariants  N1  every operation gives the digits and the display scale PostgreSQL 15 gives
 *             N2  a result beyond 131072 digits before or 16383 after the point is WEIR_ROW_OVERFLOW
 * Every function that makes a num allocates it from arena and returns WEIR_MEMORY when it cannot.
 */
#pragma once

#include "data/value.h"

typedef __int128 wr_int128;

#define WR_NUMERIC_SCALE_MAX 16383

weir_status wr_num_parse(const char *text, size_t length, wr_arena *arena, wr_string *out);
void        wr_num_print(const wr_string *num, wr_text *to); /* all digits of the display scale */
weir_status wr_num_from_int64(int64_t value, wr_arena *arena, wr_string *out);
/* value / 10^scale with display scale `scale` (scale >= 0). */
weir_status wr_num_from_int128(wr_int128 value, int scale, wr_arena *arena, wr_string *out);
weir_status wr_num_from_double(double value, wr_arena *arena, wr_string *out); /* 15 digits, as PostgreSQL */
weir_status wr_num_from_float(float value, wr_arena *arena, wr_string *out);   /* 6 digits */
/* The scaled integer of num at `scale`, rounding half away from zero; false when NaN, infinite or too big. */
bool        wr_num_to_int128(const wr_string *num, int scale, wr_int128 *out);
/* Rounded to an integer; WEIR_ROW_OVERFLOW when it does not fit (NaN and infinities too). */
weir_status wr_num_to_int64(const wr_string *num, int64_t *out);
double      wr_num_to_double(const wr_string *num);

bool wr_num_is_nan(const wr_string *num);
bool wr_num_is_infinite(const wr_string *num);
int  wr_num_sign(const wr_string *num);          /* -1, 0, 1; NaN gives 1 */
int  wr_num_display_scale(const wr_string *num);
int  wr_num_min_scale(const wr_string *num);     /* digits needed after the point */
int  wr_num_compare(const wr_string *a, const wr_string *b); /* NaN = NaN, above +Infinity */

weir_status wr_num_add(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out);
weir_status wr_num_subtract(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out);
weir_status wr_num_multiply(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out);
/* WEIR_ROW_DIVISION_BY_ZERO; the scale is PostgreSQL's select_div_scale rule. */
weir_status wr_num_divide(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out);
weir_status wr_num_divide_trunc(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out); /* div() */
weir_status wr_num_modulo(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out);
weir_status wr_num_negate(const wr_string *a, wr_arena *arena, wr_string *out);
weir_status wr_num_abs(const wr_string *a, wr_arena *arena, wr_string *out);
weir_status wr_num_round(const wr_string *a, int scale, wr_arena *arena, wr_string *out); /* scale may be negative */
weir_status wr_num_trunc(const wr_string *a, int scale, wr_arena *arena, wr_string *out);
weir_status wr_num_ceil(const wr_string *a, wr_arena *arena, wr_string *out);
weir_status wr_num_floor(const wr_string *a, wr_arena *arena, wr_string *out);
weir_status wr_num_sqrt(const wr_string *a, wr_arena *arena, wr_string *out);
weir_status wr_num_exp(const wr_string *a, wr_arena *arena, wr_string *out);
weir_status wr_num_ln(const wr_string *a, wr_arena *arena, wr_string *out);
weir_status wr_num_log(const wr_string *base, const wr_string *a, wr_arena *arena, wr_string *out);
weir_status wr_num_power(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out);
/* numeric(p,s): round to s, WEIR_ROW_OVERFLOW when more than p-s digits stand before the point. */
weir_status wr_num_apply_modifier(const wr_string *a, int precision, int scale, wr_arena *arena,
                                  wr_string *out);

/* 10^n for 0 <= n <= 38. */
wr_int128 wr_int128_power10(int n);
/* Appends value / 10^scale with exactly `scale` digits after the point. */
void wr_int128_print(wr_int128 value, int scale, wr_text *to);
