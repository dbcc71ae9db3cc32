/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_number_scan.c -- to_number: a number read by a picture.
 *
 * Place       rows of the function registry.
 * Invariants  what the picture has no digits for is not read; the digits read become a numeric by
 *             its own parser, which says what is wrong with them
 */
#include "expr/fn_number_impl.h"
#include "expr/registry_impl.h"

/* The text being read, and the digits taken from it: a sign's place, then digits and a point. */
typedef struct scanner {
    wr_picture *p;
    const char *s, *end;
    char       *number, *to;
    int         before, behind; /* digits read */
    bool        point;
} scanner;

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
at_end(const scanner *c)
{
    return c->s >= c->end;
}

/* A sign before the first digit. */
static void
scan_sign_before(scanner *c)
{
    const wr_picture *p = c->p;
    if (*c->s == '-' || (p->bracket && *c->s == '<')) {
        *c->number = '-';
        c->s++;
    } else if (*c->s == '+') {
        *c->number = '+';
        c->s++;
    }
}

/* The sign of S behind the last digit; of MI and PL somewhere behind. */
static void
scan_sign_behind(scanner *c, bool was_read)
{
    const wr_picture *p = c->p;
    if (p->sign_anchor != WR_SIGN_NONE) {
        if (was_read && c->s + 1 < c->end && !is_digit(c->s[1]) &&
            (c->s[1] == '-' || c->s[1] == '+')) {
            c->s++;
            *c->number = *c->s;
        }
    } else if (!was_read && (p->plus || p->minus) && (*c->s == '-' || *c->s == '+')) {
        *c->number = *c->s;
    }
}

/* At a digit's place or a point's; the character is passed by the caller. */
static void
scan_place(scanner *c, wr_number_key key)
{
    const wr_picture *p = c->p;
    bool              was_read = false;
    if (!at_end(c) && *c->s == ' ')
        c->s++;
    if (at_end(c))
        return;
    if (*c->number == ' ' && (key == WR_NUM_0 || key == WR_NUM_9) && c->before + c->behind == 0)
        scan_sign_before(c);
    if (at_end(c))
        return;
    if (is_digit(*c->s)) {
        if (c->point && c->behind == p->behind)
            return;
        *c->to++ = *c->s;
        if (c->point)
            c->behind++;
        else
            c->before++;
        was_read = true;
    } else if (p->decimal && !c->point && *c->s == '.') {
        *c->to++ = '.';
        c->point = true;
        was_read = true;
    }
    if (*c->number == ' ' && c->before + c->behind > 0)
        scan_sign_behind(c, was_read);
}

/* Passes up to n characters that cannot belong to a number. */
static void
skip_characters(scanner *c, int n)
{
    for (; n > 0 && !at_end(c) && strchr("0123456789.,+-", *c->s) == NULL; n--)
        c->s = fn_char_next(c->s, c->end);
}

static void
scan_action(scanner *c, const wr_node *n)
{
    switch ((wr_number_key) n->keyword->key) {
    case WR_NUM_9:
    case WR_NUM_0:
    case WR_NUM_POINT:
    case WR_NUM_D:
        scan_place(c, n->keyword->key);
        c->s++;
        break;
    case WR_NUM_COMMA:
    case WR_NUM_G: c->s += !c->p->fill && *c->s == ','; break;
    case WR_NUM_L: skip_characters(c, 1); break;
    case WR_NUM_TH: skip_characters(c, c->p->decimal ? 0 : 2); break;
    case WR_NUM_MI:
    case WR_NUM_PL:
    case WR_NUM_SG: {
        char wanted = n->keyword->key == WR_NUM_PL ? '+' : '-';
        if (*c->s == wanted || (n->keyword->key == WR_NUM_SG && *c->s == '+'))
            *c->number = *c->s++;
        else
            skip_characters(c, 1);
        break;
    }
    default: break;
    }
}

static weir_status
scan_number(scanner *c)
{
    wr_picture *p = c->p;
    if (p->exponent)
        return fn_picture_fail(p, "\"EEEE\" not supported for input");
    if (p->roman)
        return fn_picture_fail(p, "\"RN\" not supported for input");
    for (const wr_node *n = p->nodes; n->kind != WR_NODE_END && !at_end(c); n++) {
        if (n->kind == WR_NODE_ACTION)
            scan_action(c, n);
        else
            c->s = fn_char_next(c->s, c->end);
    }
    if (c->to[-1] == '.')
        c->to--;
    *c->to = '\0';
    return WEIR_OK;
}

FN_KERNEL(text_to_number)
{
    wr_picture p;
    wr_string  num, ten, exponent, factor;
    weir_error err = { 0 };
    wr_value   parsed;
    if (fn_length(&args[1]) == 0)
        return fn_give_null(out);
    WR_TRY(wr_picture_open(&p, eval, row, &args[1]));
    scanner c = { .p = &p, .s = fn_data(&args[0]), .end = fn_data(&args[0]) + fn_length(&args[0]) };
    WR_TRY(wr_fn_room(eval, row, fn_length(&args[1]) + 3, &c.number));
    c.number[0] = ' ';
    c.to = c.number + 1;
    WR_TRY(scan_number(&c));
    weir_status status = wr_value_parse(T_NUMERIC, c.number, (size_t) (c.to - c.number),
                                        &eval->step, &parsed, &err);
    WR_TRY(wr_fn_fail_as(eval, row, status, &err));
    status = wr_num_apply_modifier(&parsed.string, p.before + p.shift + c.behind, c.behind,
                                   &eval->step, &num);
    if (status == WEIR_ROW_OVERFLOW)
        return wr_eval_fail(eval, row, status, "numeric field overflow");
    WR_TRY(status);
    out->string = num;
    if (!p.multiply)
        return WEIR_OK;
    WR_TRY(wr_num_from_int64(10, &eval->step, &ten));
    WR_TRY(wr_num_from_int64(-p.shift, &eval->step, &exponent));
    WR_TRY(wr_fn_num(eval, row, wr_num_power(&ten, &exponent, &eval->step, &factor)));
    return wr_fn_num(eval, row, wr_num_multiply(&num, &factor, &eval->step, &out->string));
}

#define FN_TOPIC "number"
const wr_function wr_fn_number_scan[] = {
    FN("to_number", T_NUMERIC, text_to_number, FN_FAILS,
       "the number that a text means by a picture", T_TEXT, T_TEXT),
    FN_END,
};
