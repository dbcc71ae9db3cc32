/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_number_impl.h -- a picture of digits, understood, and numbers written by it.
 *
 * Place       included by fn_number_*.c alone.
 * Invariants  the C locale's marks are used: '.' ',' '-' '+', a blank for the currency
 */
#pragma once

#include "expr/fn_format_impl.h"

typedef enum wr_sign_place { WR_SIGN_NONE, WR_SIGN_BEFORE, WR_SIGN_BEHIND } wr_sign_place;

/* What the picture asks for, and the state of writing by it. */
typedef struct wr_picture {
    wr_eval       *eval;
    uint32_t       row;
    const wr_node *nodes;
    /* the picture */
    int           before, behind; /* digits before and behind the point */
    int           shift;          /* digits behind V                    */
    int           zero_start, zero_end, digits_before_sign;
    wr_sign_place sign_anchor;    /* where S stands                     */
    bool decimal, zero, blank, fill, minus, plus, bracket, roman, exponent, multiply;
    /* writing */
    const char *number, *at; /* digits, NUL-terminated, and the next of them */
    const char *last;        /* the last digit that counts (FM), or NULL     */
    int         blanks;      /* places before the first digit                */
    int         count, place;
    char        sign;
    bool        sign_done, in_number;
    bool        over;        /* the number has ended before its picture      */
    wr_text     text;
} wr_picture;

/* Understands the picture; marks the row when it contradicts itself. */
weir_status wr_picture_open(wr_picture *p, wr_eval *eval, uint32_t row, const wr_value *format);
/* Writes number (NUL-terminated, without a sign) with `blanks` places before its first digit. */
weir_status wr_picture_write(wr_picture *p, const char *number, int blanks, char sign,
                             wr_value *out);
static inline weir_status
fn_picture_fail(wr_picture *p, const char *text)
{
    return wr_eval_fail(p->eval, p->row, WEIR_ROW_INVALID_ARGUMENT, "%s", text);
}
