/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/float.h -- floating point from text and to text, whatever the process's locale.
 *
 * Printing gives the shortest digits that read back as the same value, laid out as PostgreSQL lays
 * them out ("0.1", "1e+15", "1.2345678901234568e+17", "NaN", "-Infinity").
 */
#pragma once

#include "data/type.h"

enum { WR_FLOAT_TEXT_MAX = 32 };

void wr_float8_print(double value, wr_text *to);
void wr_float4_print(float value, wr_text *to);
/* The same into WR_FLOAT_TEXT_MAX bytes; returns the length, adds no NUL. */
size_t wr_float8_write(double value, char *to);
size_t wr_float4_write(float value, char *to);

/* PostgreSQL's input: blanks around, NaN, inf, infinity, in any case.
 * Errors: WEIR_ROW_TYPE, WEIR_ROW_OVERFLOW (too large, or not zero but too small). */
weir_status wr_float8_parse(const char *text, size_t length, double *out);
weir_status wr_float4_parse(const char *text, size_t length, float *out);
/* Nearest double of a decimal already known to be well formed: [-]digits[.digits][e[+-]digits].
 * Infinite when too large, 0 when too small. */
double wr_float_read(const char *text, size_t length);
