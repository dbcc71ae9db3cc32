/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/expr.c -- making, copying, comparing and asking about expression trees.
 *
 * Place       the binder makes trees, rules copy them; evaluation is eval.c, printing expr_print.c.
 * State       none: nodes lie in the caller's arena and are const once made.
 * Invariants  P1  a copy shares nothing with its original but functions
 *             P2  equal trees have equal hash text, and the other way round
 */
#include "expr/expr.h"

#include "expr/function.h"

#include <string.h>

static wr_expr *
expr_node(wr_arena *arena, wr_expr_kind kind, wr_type type)
{
    wr_expr *e = wr_arena_calloc(arena, 1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->kind = kind;
    e->type = type;
    e->location = -1;
    return e;
}

wr_expr *
wr_expr_constant(wr_arena *arena, const wr_value *value)
{
    wr_expr *e = expr_node(arena, WR_EXPR_CONSTANT, value->type);
    if (e == NULL || wr_value_copy(value, arena, &e->constant) != WEIR_OK)
        return NULL;
    return e;
}

wr_expr *
wr_expr_column(wr_arena *arena, uint32_t column, wr_type type)
{
    wr_expr *e = expr_node(arena, WR_EXPR_COLUMN, type);
    if (e != NULL)
        e->column = column;
    return e;
}

wr_expr *
wr_expr_make(wr_arena *arena, wr_expr_kind kind, wr_type type, wr_expr **args, uint32_t arg_count)
{
    wr_expr *e = expr_node(arena, kind, type);
    if (e == NULL)
        return NULL;
    if (arg_count > 0) {
        e->args = wr_arena_alloc(arena, arg_count * sizeof(wr_expr *));
        if (e->args == NULL)
            return NULL;
        memcpy(e->args, args, arg_count * sizeof(wr_expr *));
        e->arg_count = arg_count;
    }
    return e;
}

wr_expr *
wr_expr_call(wr_arena *arena, const wr_function *function, wr_type type, wr_expr **args,
             uint32_t arg_count)
{
    wr_expr *e = wr_expr_make(arena, WR_EXPR_CALL, type, args, arg_count);
    if (e != NULL)
        e->function = function;
    return e;
}

/* The one copier: columns are kept, renumbered by map, or replaced by copies of with[column]. */
static wr_expr *
expr_copy(wr_arena *arena, const wr_expr *expr, const uint32_t *map, wr_expr *const *with)
{
    if (expr->kind == WR_EXPR_COLUMN && with != NULL)
        return expr_copy(arena, with[expr->column], NULL, NULL);
    wr_expr *e = wr_arena_alloc(arena, sizeof *e);
    if (e == NULL)
        return NULL;
    *e = *expr;
    if (expr->kind == WR_EXPR_COLUMN && map != NULL)
        e->column = map[expr->column];
    if (expr->kind == WR_EXPR_CONSTANT &&
        wr_value_copy(&expr->constant, arena, &e->constant) != WEIR_OK)
        return NULL;
    if (expr->arg_count > 0) {
        e->args = wr_arena_alloc(arena, expr->arg_count * sizeof(wr_expr *));
        if (e->args == NULL)
            return NULL;
        for (uint32_t i = 0; i < expr->arg_count; i++)
            if ((e->args[i] = expr_copy(arena, expr->args[i], map, with)) == NULL)
                return NULL;
    }
    return e;
}

wr_expr *
wr_expr_copy(wr_arena *arena, const wr_expr *expr)
{
    return expr_copy(arena, expr, NULL, NULL);
}

wr_expr *
wr_expr_remap(wr_arena *arena, const wr_expr *expr, const uint32_t *map)
{
    return expr_copy(arena, expr, map, NULL);
}

wr_expr *
wr_expr_substitute(wr_arena *arena, const wr_expr *expr, wr_expr *const *with)
{
    return expr_copy(arena, expr, NULL, with);
}

static bool
expr_has_column(wr_expr_kind kind)
{
    return kind == WR_EXPR_COLUMN || kind == WR_EXPR_PARAM;
}

/* Values that print differently are different constants: 1.0 is not 1.00 here, -0 is not 0. */
static bool
constant_equal(const wr_value *a, const wr_value *b)
{
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    if (wr_type_is_string(a->type))
        return wr_string_equal(&a->string, &b->string);
    switch (a->type.id) {
    case WR_BOOL: return a->boolean == b->boolean;
    case WR_FLOAT4:
    case WR_FLOAT8: return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    case WR_INTERVAL:
        return a->interval.months == b->interval.months && a->interval.days == b->interval.days &&
               a->interval.us == b->interval.us;
    case WR_UUID: return memcmp(&a->uuid, &b->uuid, sizeof a->uuid) == 0;
    default: return a->integer == b->integer;
    }
}

bool
wr_expr_equal(const wr_expr *a, const wr_expr *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || !wr_type_equal(a->type, b->type) || a->function != b->function ||
        a->arg_count != b->arg_count || (expr_has_column(a->kind) && a->column != b->column))
        return false;
    if (a->kind == WR_EXPR_CONSTANT && !constant_equal(&a->constant, &b->constant))
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++)
        if (!wr_expr_equal(a->args[i], b->args[i]))
            return false;
    return true;
}

static void
hash_text_type(wr_type t, wr_text *to)
{
    wr_text_printf(to, "%u.%u.%d.%d,", t.id, t.element, t.scale, (int) t.modifier);
}

static void
hash_text_constant(const wr_value *v, wr_text *to)
{
    if (v->is_null) {
        wr_text_putc(to, 'N');
        return;
    }
    switch (v->type.id) {
    case WR_BOOL: wr_text_putc(to, v->boolean ? 't' : 'f'); return;
    case WR_FLOAT4:
    case WR_FLOAT8: wr_text_append(to, &v->real, sizeof v->real); return;
    case WR_UUID: wr_text_append(to, &v->uuid, sizeof v->uuid); return;
    case WR_INTERVAL:
        wr_text_append(to, &v->interval.months, sizeof v->interval.months);
        wr_text_append(to, &v->interval.days, sizeof v->interval.days);
        wr_text_append(to, &v->interval.us, sizeof v->interval.us);
        return;
    default: break;
    }
    if (wr_type_is_string(v->type)) {
        wr_text_append(to, &v->string.length, sizeof v->string.length);
        wr_text_append(to, wr_string_data(&v->string), v->string.length);
    } else {
        wr_text_append(to, &v->integer, sizeof v->integer);
    }
}

void
wr_expr_hash_text(const wr_expr *expr, wr_text *to)
{
    wr_text_printf(to, "(%d:", (int) expr->kind);
    hash_text_type(expr->type, to);
    if (expr->kind == WR_EXPR_CONSTANT)
        hash_text_constant(&expr->constant, to);
    if (expr_has_column(expr->kind))
        wr_text_printf(to, "#%u", expr->column);
    if (expr->function != NULL) {
        const wr_function *f = expr->function;
        wr_text_printf(to, "%s/%s(", f->topic, f->name);
        for (uint32_t i = 0; i < f->arg_count; i++)
            hash_text_type(f->args[i], to);
        wr_text_putc(to, ')');
    }
    for (uint32_t i = 0; i < expr->arg_count; i++)
        wr_expr_hash_text(expr->args[i], to);
    wr_text_putc(to, ')');
}

void
wr_expr_columns(const wr_expr *expr, uint64_t *bitmap)
{
    if (expr->kind == WR_EXPR_COLUMN)
        wr_bitmap_set(bitmap, expr->column);
    for (uint32_t i = 0; i < expr->arg_count; i++)
        wr_expr_columns(expr->args[i], bitmap);
}

bool
wr_expr_is_constant(const wr_expr *expr)
{
    if (expr_has_column(expr->kind))
        return false;
    if (expr->function != NULL && expr->function->volatility == WR_VOLATILE)
        return false;
    for (uint32_t i = 0; i < expr->arg_count; i++)
        if (!wr_expr_is_constant(expr->args[i]))
            return false;
    return true;
}

bool
wr_expr_can_fail(const wr_expr *expr)
{
    if (expr->function != NULL && expr->function->can_fail)
        return true;
    for (uint32_t i = 0; i < expr->arg_count; i++)
        if (wr_expr_can_fail(expr->args[i]))
            return true;
    return false;
}
