/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/selector.c -- conditions as selectors: column = constant, column IN (constants), column < constant and its
 * like (see selector.h; the index is selector_index.c).
 *
 * A column cast to a wider type of its kind (int4 to int8, float4 to float8) counts as the column: the values compare as
 * they would without the cast.
 */
#include "expr/selector.h"

#include "base/hash.h"
#include "data/key.h"
#include "expr/function.h"

#include <string.h>

/* Types whose values wr_key_encode and wr_value_compare know how to tell apart without help. */
static bool
is_selectable(wr_type t)
{
    switch ((wr_type_id) t.id) {
    case WR_BOOL:
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_FLOAT4:
    case WR_FLOAT8:
    case WR_NUMERIC:
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_BYTEA:
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
    case WR_INTERVAL:
    case WR_UUID:
        return true;
    default:
        return false;
    }
}

/* The column that e is, seen as type `as`; NULL: something else. */
static const wr_expr *
column_of(const wr_expr *e, wr_type as)
{
    if (e->kind == WR_EXPR_CALL && e->arg_count == 1 && e->args[0]->kind == WR_EXPR_COLUMN) {
        wr_type from = e->args[0]->type;
        bool    wider = (wr_type_is_integer(from) && wr_type_is_integer(e->type)) ||
                     (from.id == WR_FLOAT4 && e->type.id == WR_FLOAT8);
        if (!wider || e->function->can_fail ||
            e->function != wr_cast_find(from, e->type, WR_CAST_IMPLICIT))
            return NULL;
        return e->type.id == as.id ? e->args[0] : NULL;
    }
    return e->kind == WR_EXPR_COLUMN && e->type.id == as.id ? e : NULL;
}

static bool
is_constant(const wr_expr *e)
{
    return e->kind == WR_EXPR_CONSTANT && !e->constant.is_null;
}

typedef enum comparison { CMP_NONE, CMP_EQ, CMP_LT, CMP_LE, CMP_GT, CMP_GE } comparison;

static comparison
comparison_of(const wr_expr *e)
{
    static const char *const names[] = { [CMP_EQ] = "=", [CMP_LT] = "<", [CMP_LE] = "<=",
                                         [CMP_GT] = ">", [CMP_GE] = ">=" };
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2 ||
        e->args[0]->type.id != e->args[1]->type.id)
        return CMP_NONE;
    for (int i = CMP_EQ; i <= CMP_GE; i++)
        if (strcmp(e->function->name, names[i]) == 0)
            return (comparison) i;
    return CMP_NONE;
}

static comparison
turned(comparison c)
{
    return c == CMP_LT ? CMP_GT : c == CMP_LE ? CMP_GE : c == CMP_GT ? CMP_LT : c == CMP_GE ? CMP_LE : c;
}

static weir_status
from_comparison(wr_arena *arena, const wr_expr *e, wr_selector *s, bool *found)
{
    comparison     how = comparison_of(e);
    const wr_expr *column = e->args[0], *constant = e->args[1];
    if (how == CMP_NONE)
        return WEIR_OK;
    if (is_constant(column)) {
        constant = e->args[0];
        column = e->args[1];
        how = turned(how);
    }
    wr_type type = constant->type;
    if (!is_constant(constant) || !is_selectable(type) ||
        (column = column_of(column, type)) == NULL)
        return WEIR_OK;
    *s = (wr_selector){ .column = column->column, .type = type, .range = how != CMP_EQ };
    s->value_count = s->range ? 2 : 1;
    s->values = wr_arena_calloc(arena, s->value_count, sizeof *s->values);
    if (s->values == NULL)
        return WEIR_MEMORY;
    s->values[0] = s->values[s->value_count - 1] = wr_value_null(type);
    s->values[how == CMP_LT || how == CMP_LE ? 1 : 0] = constant->constant;
    s->low_open = how == CMP_GT;
    s->high_open = how == CMP_LT;
    *found = true;
    return WEIR_OK;
}

/* NULL in the list makes false unknown, and neither is true. */
static weir_status
from_list(wr_arena *arena, const wr_expr *e, wr_selector *s, bool *found)
{
    uint32_t n = 0;
    if (e->arg_count < 2 || strcmp(e->function->name, "=") != 0)
        return WEIR_OK;
    wr_type        type = e->args[1]->type;
    const wr_expr *column = column_of(e->args[0], type);
    if (column == NULL || !is_selectable(type))
        return WEIR_OK;
    for (uint32_t i = 1; i < e->arg_count; i++)
        if (e->args[i]->kind != WR_EXPR_CONSTANT || e->args[i]->type.id != type.id)
            return WEIR_OK;
    *s = (wr_selector){ .column = column->column, .type = type };
    s->values = wr_arena_calloc(arena, e->arg_count, sizeof *s->values);
    if (s->values == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 1; i < e->arg_count; i++)
        if (!e->args[i]->constant.is_null)
            s->values[n++] = e->args[i]->constant;
    s->value_count = n;
    *found = true;
    return WEIR_OK;
}

weir_status
wr_selector_of(wr_arena *arena, const wr_expr *condition, wr_selector *selector, bool *found)
{
    *found = false;
    if (condition->kind == WR_EXPR_IN)
        return from_list(arena, condition, selector, found);
    return condition->kind == WR_EXPR_CALL && condition->arg_count == 2
               ? from_comparison(arena, condition, selector, found)
               : WEIR_OK;
}

bool
wr_selector_and(wr_selector *a, const wr_selector *b)
{
    if (!a->range || !b->range || a->column != b->column || a->type.id != b->type.id)
        return false;
    for (int end = 0; end < 2; end++) {
        bool *open = end == 0 ? &a->low_open : &a->high_open;
        bool  theirs = end == 0 ? b->low_open : b->high_open;
        if (b->values[end].is_null)
            continue;
        int order = a->values[end].is_null ? 0 : wr_value_compare(&b->values[end], &a->values[end]);
        bool tighter = a->values[end].is_null || (end == 0 ? order > 0 : order < 0);
        *open = tighter ? theirs : order == 0 ? *open || theirs : *open;
        if (tighter)
            a->values[end] = b->values[end];
    }
    return true;
}

uint64_t
wr_selector_hash(const wr_selector *s)
{
    uint64_t hash = s->range | (uint64_t) s->low_open << 1 | (uint64_t) s->high_open << 2;
    wr_text  key;
    wr_text_init(&key, NULL);
    for (uint32_t i = 0; i < s->value_count; i++) {
        wr_text_clear(&key);
        if (wr_key_encode_value(&s->values[i], &key) != WEIR_OK)
            break; /* no memory: some look alike */
        hash = wr_hash_u64(hash, wr_hash_bytes(wr_text_string(&key), key.length));
    }
    wr_text_fini(&key);
    return hash;
}
