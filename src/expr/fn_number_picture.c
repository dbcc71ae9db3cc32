/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_number_picture.c -- pictures of digits ('9G999D99'): understanding one, writing by it.
 *
 * Place       called by fn_number_format.c (to_char) and fn_number_scan.c (to_number).
 * Invariants  parts of a picture that contradict each other are refused before a row is written
 */
#include "expr/fn_number_impl.h"

enum { DIGITS_MAX = 20000 };

/* --- understanding the picture --- */

static weir_status
picture_add_sign(wr_picture *p, wr_number_key key)
{
    bool anchored = p->sign_anchor != WR_SIGN_NONE;
    switch (key) {
    case WR_NUM_S:
        if (anchored)
            return fn_picture_fail(p, "cannot use \"S\" twice");
        if (p->plus || p->minus || p->bracket)
            return fn_picture_fail(p,
                                "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
        p->sign_anchor = p->decimal ? WR_SIGN_BEHIND : WR_SIGN_BEFORE;
        p->digits_before_sign = p->before;
        return WEIR_OK;
    case WR_NUM_MI:
        if (anchored)
            return fn_picture_fail(p, "cannot use \"S\" and \"MI\" together");
        p->minus = true;
        return WEIR_OK;
    case WR_NUM_PL:
        if (anchored)
            return fn_picture_fail(p, "cannot use \"S\" and \"PL\" together");
        p->plus = true;
        return WEIR_OK;
    case WR_NUM_SG:
        if (anchored)
            return fn_picture_fail(p, "cannot use \"S\" and \"SG\" together");
        p->minus = p->plus = true;
        return WEIR_OK;
    default: /* PR */
        if (anchored || p->plus || p->minus)
            return fn_picture_fail(p, "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
        p->bracket = true;
        return WEIR_OK;
    }
}

static weir_status
picture_add_digit(wr_picture *p, bool zero)
{
    if (p->bracket)
        return fn_picture_fail(p, zero ? "\"0\" must be ahead of \"PR\""
                                    : "\"9\" must be ahead of \"PR\"");
    if (!zero && p->multiply) {
        p->shift++;
        return WEIR_OK;
    }
    if (zero && !p->zero && !p->decimal) {
        p->zero = true;
        p->zero_start = p->before + 1;
    }
    if (p->decimal)
        p->behind++;
    else
        p->before++;
    if (zero)
        p->zero_end = p->before + p->behind;
    return WEIR_OK;
}

static weir_status
picture_add(wr_picture *p, wr_number_key key)
{
    if (p->exponent && key != WR_NUM_EEEE)
        return fn_picture_fail(p, "\"EEEE\" must be the last pattern used");
    switch (key) {
    case WR_NUM_9:
    case WR_NUM_0: return picture_add_digit(p, key == WR_NUM_0);
    case WR_NUM_B:
        p->blank |= p->before == 0 && p->behind == 0 && !p->zero;
        return WEIR_OK;
    case WR_NUM_D:
    case WR_NUM_POINT:
        if (p->decimal)
            return fn_picture_fail(p, "multiple decimal points");
        if (p->multiply)
            return fn_picture_fail(p, "cannot use \"V\" and decimal point together");
        p->decimal = true;
        return WEIR_OK;
    case WR_NUM_FM: p->fill = true; return WEIR_OK;
    case WR_NUM_S:
    case WR_NUM_MI:
    case WR_NUM_PL:
    case WR_NUM_SG:
    case WR_NUM_PR: return picture_add_sign(p, key);
    case WR_NUM_RN: p->roman = true; return WEIR_OK;
    case WR_NUM_V:
        if (p->decimal)
            return fn_picture_fail(p, "cannot use \"V\" and decimal point together");
        p->multiply = true;
        return WEIR_OK;
    case WR_NUM_EEEE:
        if (p->exponent)
            return fn_picture_fail(p, "cannot use \"EEEE\" twice");
        if (p->blank || p->fill || p->sign_anchor != WR_SIGN_NONE || p->bracket || p->minus ||
            p->plus || p->roman || p->multiply)
            return fn_picture_fail(p, "\"EEEE\" is incompatible with other formats");
        p->exponent = true;
        return WEIR_OK;
    default: return WEIR_OK;
    }
}

weir_status
wr_picture_open(wr_picture *p, wr_eval *eval, uint32_t row, const wr_value *format)
{
    memset(p, 0, sizeof *p);
    p->eval = eval;
    p->row = row;
    p->nodes = wr_format_parse_number(eval, fn_data(format), fn_length(format));
    if (p->nodes == NULL)
        return WEIR_MEMORY;
    for (const wr_node *n = p->nodes; n->kind != WR_NODE_END; n++)
        if (n->kind == WR_NODE_ACTION)
            WR_TRY(picture_add(p, n->keyword->key));
    if (p->before + p->behind + p->shift > DIGITS_MAX)
        return fn_picture_fail(p, "the format has too many digits");
    return WEIR_OK;
}

/* --- writing --- */

static void
put(wr_picture *p, char c)
{
    if (!p->over)
        wr_text_putc(&p->text, c);
}

static void
put_sign(wr_picture *p)
{
    if (p->sign_anchor == WR_SIGN_BEFORE) {
        put(p, p->sign == '-' ? '-' : '+');
        p->sign_done = true;
    } else if (p->sign_anchor != WR_SIGN_NONE) {
        return; /* it comes behind the last digit */
    } else if (p->bracket) {
        put(p, p->sign == '+' ? ' ' : '<');
        p->sign_done = true;
    } else {
        if (p->sign == '-')
            put(p, '-');
        else if (!p->fill)
            put(p, ' ');
        p->sign_done = true;
    }
}

/* The 0 of "0.1" in a picture like 9.9 gives way to a blank. */
static bool
zero_is_blank(const wr_picture *p)
{
    return !p->zero && p->at == p->number && *p->at == '0' && p->behind != 0;
}

/* The digit, the point, or what stands for them, at a place of the number itself. */
static void
put_digit(wr_picture *p, bool is_zero)
{
    bool last_is_point = p->last != NULL && *p->last == '.';
    if (*p->at == '.') {
        if (!last_is_point || p->fill)
            put(p, '.');
    } else if (p->last != NULL && p->at > p->last && !is_zero) {
        /* a zero at the end that FM leaves out */
    } else if (zero_is_blank(p)) {
        if (!p->fill)
            put(p, ' ');
        else if (last_is_point)
            put(p, '0');
    } else if (*p->at == '\0') {
        p->over = true; /* the number has fewer digits than the picture: the text ends here */
    } else {
        put(p, *p->at);
        p->in_number = true;
    }
    if (*p->at != '\0')
        p->at++;
}

static void
put_place(wr_picture *p, wr_number_key key)
{
    if (p->roman)
        return;
    p->in_number = false;
    bool zero_begins = p->zero && p->zero_start <= p->place;
    if (!p->sign_done && (p->place >= p->blanks || (p->zero && p->zero_start == p->place)) &&
        (!zero_is_blank(p) || (p->last != NULL && *p->last == '.')))
        put_sign(p);
    if (p->place < p->blanks && !zero_begins) {
        if (!p->fill)
            put(p, ' ');
    } else if (p->place < p->blanks) {
        put(p, '0');
        p->in_number = true;
    } else {
        put_digit(p, key == WR_NUM_0);
    }
    int end = p->count + (p->blanks > 0) + p->decimal;
    if (p->last != NULL && p->last == p->at)
        end = p->place;
    if (p->place + 1 == end) {
        if (p->sign_done && p->bracket)
            put(p, p->sign == '+' ? ' ' : '>');
        else if (p->sign_anchor == WR_SIGN_BEHIND)
            put(p, p->sign == '-' ? '-' : '+');
    }
    p->place++;
}

static void
put_roman(wr_picture *p, wr_letters letters)
{
    size_t n = strlen(p->number);
    for (size_t i = n; i < 15 && !p->fill; i++)
        put(p, ' ');
    for (size_t i = 0; i < n; i++) {
        char c = p->number[i];
        put(p, letters == WR_LETTERS_LOWER && c >= 'A' && c <= 'Z' ? (char) (c + 32) : c);
    }
}

/* The ending of an ordinal: "1st". */
static weir_status
put_ordinal(wr_picture *p, bool lower)
{
    size_t n = strlen(p->number);
    if (p->roman || *p->number == '#' || p->sign == '-' || p->decimal || p->over)
        return WEIR_OK;
    if (n == 0 || p->number[n - 1] < '0' || p->number[n - 1] > '9')
        return wr_eval_fail(p->eval, p->row, WEIR_ROW_TYPE, "\"%s\" is not a number", p->number);
    wr_text_puts(&p->text, wr_format_ordinal(p->number, n, lower));
    return WEIR_OK;
}

static weir_status
put_action(wr_picture *p, const wr_node *n)
{
    switch ((wr_number_key) n->keyword->key) {
    case WR_NUM_9:
    case WR_NUM_0:
    case WR_NUM_POINT:
    case WR_NUM_D: put_place(p, n->keyword->key); break;
    case WR_NUM_COMMA:
    case WR_NUM_G:
        if (p->in_number)
            put(p, ',');
        else if (!p->fill)
            put(p, ' ');
        break;
    case WR_NUM_L: put(p, ' '); break;
    case WR_NUM_RN: put_roman(p, n->keyword->letters); break;
    case WR_NUM_TH: return put_ordinal(p, n->keyword->letters == WR_LETTERS_LOWER);
    case WR_NUM_MI:
        if (p->sign == '-' || !p->fill)
            put(p, p->sign == '-' ? '-' : ' ');
        break;
    case WR_NUM_PL:
        if (p->sign == '+' || !p->fill)
            put(p, p->sign == '+' ? '+' : ' ');
        break;
    case WR_NUM_SG: put(p, p->sign); break;
    default: break;
    }
    return WEIR_OK;
}

/* The last digit behind the point that is not 0, or the point; NULL without a point. */
static const char *
last_relevant(const char *number)
{
    const char *last = strchr(number, '.');
    for (const char *s = last; s != NULL && *s != '\0'; s++)
        if (*s != '0')
            last = s;
    return last;
}

static void
picture_prepare_sign(wr_picture *p)
{
    if (p->plus || p->minus) {
        p->sign_done = !(p->plus && !p->minus);
        return;
    }
    if (p->sign != '-' && p->fill)
        p->bracket = false;
    p->sign_done = p->sign == '+' && p->fill && p->sign_anchor == WR_SIGN_NONE;
    if (p->sign_anchor == WR_SIGN_BEFORE && p->before == p->digits_before_sign)
        p->sign_anchor = WR_SIGN_BEHIND;
}

weir_status
wr_picture_write(wr_picture *p, const char *number, int blanks, char sign, wr_value *out)
{
    p->number = p->at = number;
    p->sign = sign;
    p->blanks = blanks;
    if (p->exponent)
        return wr_fn_give_copy(p->eval, p->row, number, strlen(number), out);
    if (p->zero_start > 0)
        p->zero_start--;
    if (p->roman) { /* nothing else of the picture counts */
        p->sign_anchor = WR_SIGN_NONE;
        p->digits_before_sign = p->before = p->behind = p->blanks = 0;
        p->sign = '\0';
        p->decimal = p->zero = p->blank = p->minus = p->plus = p->bracket = p->multiply = false;
    }
    picture_prepare_sign(p);
    p->count = p->before + p->behind - 1;
    if (p->fill && p->decimal) {
        p->last = last_relevant(number);
        if (p->last != NULL && p->zero_end > p->blanks) {
            int         most = (int) strlen(number) - 1;
            const char *last_zero = number + WR_MIN(most, p->zero_end - p->blanks);
            p->last = WR_MAX(p->last, last_zero);
        }
    }
    if (!p->sign_done && p->blanks == 0)
        p->count++;
    weir_status status = WEIR_OK;
    wr_text_init(&p->text, p->eval->budget);
    for (const wr_node *n = p->nodes; n->kind != WR_NODE_END && status == WEIR_OK; n++) {
        if (n->kind == WR_NODE_ACTION)
            status = put_action(p, n);
        else
            for (uint32_t i = 0; i < n->length; i++)
                put(p, n->text[i]);
    }
    if (status != WEIR_OK) {
        wr_text_fini(&p->text);
        return status;
    }
    return wr_fn_take(p->eval, p->row, &p->text, out);
}
