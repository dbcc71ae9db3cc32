/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/numeric_impl.h -- a num taken apart, private to the numeric files.
 *
 * A wr_numvar is a number under calculation: digits[0] has the value digits[0] * 10000^weight, and
 * so on down.  The digits lie in `small`, in a scratch arena, or (read only) in the bytes of a
 * loaded num; since they may point into the struct itself, a wr_numvar is never copied by value.
 */
#pragma once

#include "data/numeric.h"

enum {
    WR_NUM_HEADER_BYTES = 6,
    WR_NUM_WEIGHT_MAX = 32767,
    WR_NUM_SIGNIFICANT_MIN = 16,  /* digits a quotient or a root has at least */
    WR_NUM_CALC_SCALE_MAX = 1000, /* the largest scale that a quotient is given */
    WR_NUMVAR_SMALL = 28,
};

typedef enum wr_num_kind {
    WR_NUM_POSITIVE,
    WR_NUM_NEGATIVE,
    WR_NUM_NAN,
    WR_NUM_POSINF,
    WR_NUM_NEGINF
} wr_num_kind;

/* Nums lie wherever a string view points: no alignment. */
typedef int16_t wr_digit __attribute__((aligned(1), may_alias));

typedef struct wr_numvar {
    wr_num_kind kind;
    int weight, scale, count;
    wr_digit *digits;
    wr_digit small[WR_NUMVAR_SMALL];
} wr_numvar;

static inline bool
wr_numvar_is_finite(const wr_numvar *v)
{
    return v->kind <= WR_NUM_NEGATIVE;
}

/* Borrows num's bytes; the digits may not be written. Damaged bytes give NaN. */
void wr_numvar_load(const wr_string *num, wr_numvar *v);
/* Strip zeros, check N2, write out. v's digits may change (rounding is the caller's). */
weir_status wr_numvar_store(wr_numvar *v, wr_arena *arena, wr_string *out);
/* A num without digits: NaN, an infinity, or zero with a scale. */
wr_string wr_num_special(wr_num_kind kind, int scale);
/* Room for count digits, contents undefined. */
weir_status wr_numvar_make(wr_numvar *v, int count, wr_arena *scratch);
weir_status wr_numvar_copy(const wr_numvar *from, wr_numvar *to, wr_arena *scratch);
void wr_numvar_strip(wr_numvar *v);
weir_status wr_numvar_from_int64(int64_t value, wr_numvar *v, wr_arena *scratch);
/* The nearest double; 0 or infinite beyond the range. */
double wr_numvar_to_double(const wr_numvar *v);
bool wr_numvar_to_int64(const wr_numvar *v, int64_t *out);
bool wr_numvar_is_integral(const wr_numvar *v);

/* All for finite numbers; out may not be one of the inputs unless said so. */
int wr_numvar_compare_abs(const wr_numvar *a, const wr_numvar *b);
int wr_numvar_compare(const wr_numvar *a, const wr_numvar *b);
weir_status wr_numvar_add(const wr_numvar *a, const wr_numvar *b, bool subtract, wr_numvar *out,
                          wr_arena *scratch);
/* Exact; the scale is the sum of the scales. */
weir_status
wr_numvar_multiply(const wr_numvar *a, const wr_numvar *b, wr_numvar *out, wr_arena *scratch);
/* b is not zero. Rounded, or cut when !round, to scale >= 0. */
weir_status wr_numvar_divide(const wr_numvar *a, const wr_numvar *b, int scale, bool round,
                             wr_numvar *out, wr_arena *scratch);
/* In place; the digits must be writable. A negative scale rounds before the point. */
void wr_numvar_round(wr_numvar *v, int scale);
void wr_numvar_trunc(wr_numvar *v, int scale);
