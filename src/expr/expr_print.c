/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/expr_print.c -- an expression as SQL, for EXPLAIN and messages.
 *
 * Place       EXPLAIN, error texts, names of unnamed output columns.
 * State       none.
 * Invariants  Q1  what is printed parses as SQL again; the types of plain numbers are left out
 */
#include "expr/function.h"
#include "expr/registry_impl.h"

#include <string.h>

static void expr_print(const wr_expr *e, const char *const *names, bool inner, wr_text *to);

static void
print_quoted(const char *s, size_t n, wr_text *to)
{
    wr_text_putc(to, '\'');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\'')
            wr_text_putc(to, '\'');
        wr_text_putc(to, s[i]);
    }
    wr_text_putc(to, '\'');
}

static void
print_constant(const wr_value *v, wr_text *to)
{
    if (v->is_null) {
        wr_text_puts(to, "NULL");
        if (v->type.id != WR_UNKNOWN) {
            wr_text_puts(to, "::");
            wr_type_print(v->type, to);
        }
        return;
    }
    switch (v->type.id) {
    case WR_BOOL: wr_text_puts(to, v->boolean ? "true" : "false"); return;
    case WR_INT2:
    case WR_INT4:
    case WR_INT8: wr_text_put_int(to, v->integer); return;
    default: break;
    }
    wr_text text;
    wr_text_init(&text, to->budget);
    wr_value_print(v, &text);
    const char *s = wr_text_string(&text);
    if (v->type.id == WR_NUMERIC && strspn(s, "0123456789.-") == text.length) {
        wr_text_append(to, s, text.length);
    } else {
        if (v->type.id == WR_INTERVAL)
            wr_text_puts(to, "interval ");
        print_quoted(s, text.length, to);
        if (v->type.id != WR_INTERVAL && v->type.id != WR_TEXT && v->type.id != WR_UNKNOWN) {
            wr_text_puts(to, "::");
            wr_type_print(v->type, to);
        }
    }
    to->failed |= text.failed;
    wr_text_fini(&text);
}

static void
print_list(wr_expr *const *args, uint32_t count, const char *separator, bool inner,
           const char *const *names, wr_text *to)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            wr_text_puts(to, separator);
        expr_print(args[i], names, inner, to);
    }
}

static void
print_call(const wr_expr *e, const char *const *names, bool inner, wr_text *to)
{
    const char *name = e->function->name;
    if (strcmp(e->function->topic, "cast") == 0) {
        expr_print(e->args[0], names, true, to);
        wr_text_puts(to, "::");
        wr_type_print(e->type, to);
        return;
    }
    if (!wr_name_is_operator(name)) {
        wr_text_printf(to, "%s(", name);
        print_list(e->args, e->arg_count, ", ", false, names, to);
        wr_text_putc(to, ')');
        return;
    }
    if (inner)
        wr_text_putc(to, '(');
    if (e->arg_count == 2) {
        expr_print(e->args[0], names, true, to);
        wr_text_printf(to, " %s ", name);
        expr_print(e->args[1], names, true, to);
    } else {
        wr_text_printf(to, "%s ", name);
        print_list(e->args, e->arg_count, ", ", true, names, to);
    }
    if (inner)
        wr_text_putc(to, ')');
}

static void
print_case(const wr_expr *e, const char *const *names, wr_text *to)
{
    wr_text_puts(to, "CASE");
    for (uint32_t i = 0; i + 1 < e->arg_count; i += 2) {
        wr_text_puts(to, " WHEN ");
        expr_print(e->args[i], names, false, to);
        wr_text_puts(to, " THEN ");
        expr_print(e->args[i + 1], names, false, to);
    }
    wr_text_puts(to, " ELSE ");
    expr_print(e->args[e->arg_count - 1], names, false, to);
    wr_text_puts(to, " END");
}

static const char *
suffix_of(wr_expr_kind kind)
{
    switch (kind) {
    case WR_EXPR_IS_NULL: return " IS NULL";
    case WR_EXPR_IS_NOT_NULL: return " IS NOT NULL";
    case WR_EXPR_IS_TRUE: return " IS TRUE";
    case WR_EXPR_IS_NOT_TRUE: return " IS NOT TRUE";
    case WR_EXPR_IS_FALSE: return " IS FALSE";
    case WR_EXPR_IS_NOT_FALSE: return " IS NOT FALSE";
    default: return NULL;
    }
}

/* The kinds that need parentheses inside another expression. */
static void
print_compound(const wr_expr *e, const char *const *names, wr_text *to)
{
    switch (e->kind) {
    case WR_EXPR_AND: print_list(e->args, e->arg_count, " AND ", true, names, to); break;
    case WR_EXPR_OR: print_list(e->args, e->arg_count, " OR ", true, names, to); break;
    case WR_EXPR_NOT:
        wr_text_puts(to, "NOT ");
        expr_print(e->args[0], names, true, to);
        break;
    case WR_EXPR_DISTINCT:
        print_list(e->args, 2, " IS DISTINCT FROM ", true, names, to);
        break;
    case WR_EXPR_ANY:
    case WR_EXPR_ALL:
        expr_print(e->args[0], names, true, to);
        wr_text_printf(to, " %s %s (", e->function->name, e->kind == WR_EXPR_ANY ? "ANY" : "ALL");
        expr_print(e->args[1], names, false, to);
        wr_text_putc(to, ')');
        break;
    case WR_EXPR_IN:
        expr_print(e->args[0], names, true, to);
        wr_text_puts(to, " IN (");
        print_list(e->args + 1, e->arg_count - 1, ", ", false, names, to);
        wr_text_putc(to, ')');
        break;
    default:
        expr_print(e->args[0], names, true, to);
        wr_text_puts(to, suffix_of(e->kind));
    }
}

static void
expr_print(const wr_expr *e, const char *const *names, bool inner, wr_text *to)
{
    switch (e->kind) {
    case WR_EXPR_CONSTANT: print_constant(&e->constant, to); return;
    case WR_EXPR_COLUMN:
        if (names != NULL)
            wr_text_puts(to, names[e->column]);
        else
            wr_text_printf(to, "#%u", e->column);
        return;
    case WR_EXPR_PARAM: wr_text_printf(to, "$%u", e->column); return;
    case WR_EXPR_CALL: print_call(e, names, inner, to); return;
    case WR_EXPR_CASE: print_case(e, names, to); return;
    case WR_EXPR_COALESCE:
        wr_text_puts(to, "COALESCE(");
        print_list(e->args, e->arg_count, ", ", false, names, to);
        wr_text_putc(to, ')');
        return;
    default: break;
    }
    if (inner)
        wr_text_putc(to, '(');
    print_compound(e, names, to);
    if (inner)
        wr_text_putc(to, ')');
}

void
wr_expr_print(const wr_expr *expr, const char *const *names, wr_text *to)
{
    expr_print(expr, names, false, to);
}
