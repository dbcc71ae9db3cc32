/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_literal.c -- constants, names of types, casts, interval qualifiers.
 *
 * Invariants  L1  a quoted literal has no type (UNKNOWN) until something around it decides
 *             L2  an interval literal says its unit: interval '10' is refused, it would be 10
 * seconds
 */
#include "sql/bind_impl.h"

#include "data/datetime.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Bits of an interval's type modifier, as PostgreSQL's grammar gives them. */
enum {
    FIELD_MONTH = 1 << 1,
    FIELD_YEAR = 1 << 2,
    FIELD_DAY = 1 << 3,
    FIELD_HOUR = 1 << 10,
    FIELD_MINUTE = 1 << 11,
    FIELD_SECOND = 1 << 12,
    FIELD_ALL = 0x7fff,
};

typedef struct interval_fields {
    int32_t mask;
    const char *text;
} interval_fields;

static const interval_fields qualifiers[] = {
    { FIELD_YEAR, "year" },
    { FIELD_MONTH, "month" },
    { FIELD_DAY, "day" },
    { FIELD_HOUR, "hour" },
    { FIELD_MINUTE, "minute" },
    { FIELD_SECOND, "second" },
    { FIELD_YEAR | FIELD_MONTH, "year to month" },
    { FIELD_DAY | FIELD_HOUR, "day to hour" },
    { FIELD_DAY | FIELD_HOUR | FIELD_MINUTE, "day to minute" },
    { FIELD_DAY | FIELD_HOUR | FIELD_MINUTE | FIELD_SECOND, "day to second" },
    { FIELD_HOUR | FIELD_MINUTE, "hour to minute" },
    { FIELD_HOUR | FIELD_MINUTE | FIELD_SECOND, "hour to second" },
    { FIELD_MINUTE | FIELD_SECOND, "minute to second" },
};

wr_expr *
wr_sql_constant(sql_binder *b, const wr_value *value, int32_t location)
{
    wr_expr *expr = wr_expr_constant(b->arena, value);
    if (expr != NULL)
        expr->location = location;
    return expr;
}

wr_expr *
wr_sql_bool(sql_binder *b, bool value)
{
    wr_value v = { .type = WR_TYPE(WR_BOOL), .boolean = value };
    return wr_sql_constant(b, &v, -1);
}

/* An unquoted number with a point or too long for int4 without its sign: the least type that it
 * fits. */
static weir_status
bind_number(sql_binder *b, const char *digits, int32_t location, wr_value *value)
{
    bool whole = strspn(digits, "-0123456789") == strlen(digits);
    size_t n = strlen(digits);
    if (whole && wr_value_parse(WR_TYPE(WR_INT4), digits, n, b->arena, value, NULL) == WEIR_OK)
        return WEIR_OK; /* -2147483648 */
    if (whole && wr_value_parse(WR_TYPE(WR_INT8), digits, n, b->arena, value, NULL) == WEIR_OK)
        return WEIR_OK;
    return wr_sql_place(b, wr_value_parse(WR_TYPE(WR_NUMERIC), digits, n, b->arena, value, b->err),
                        location);
}

weir_status
wr_bind_literal(sql_binder *b, const PgQuery__AConst *c, wr_expr **out)
{
    wr_value value = { .type = WR_TYPE(WR_UNKNOWN) };
    if (c->isnull) {
        value.is_null = true;
    } else {
        switch (c->val_case) {
        case PG_QUERY__A__CONST__VAL_IVAL:
            value.type = WR_TYPE(WR_INT4);
            value.integer = c->ival->ival;
            break;
        case PG_QUERY__A__CONST__VAL_FVAL:
            WR_TRY(bind_number(b, c->fval->fval, c->location, &value));
            break;
        case PG_QUERY__A__CONST__VAL_BOOLVAL:
            value.type = WR_TYPE(WR_BOOL);
            value.boolean = c->boolval->boolval;
            break;
        case PG_QUERY__A__CONST__VAL_SVAL:
            value.string = wr_string_make(c->sval->sval, strlen(c->sval->sval));
            break;
        default: return wr_sql_unsupported(b, c->location, "bit strings are");
        }
    }
    *out = wr_sql_constant(b, &value, c->location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

const char *
wr_sql_last_name(tree_node *const *names, size_t count)
{
    const tree_node *last = count > 0 ? names[count - 1] : NULL;
    return last != NULL && last->node_case == PG_QUERY__NODE__NODE_STRING ? last->string->sval : "";
}

static bool
modifier_int(const tree_node *node, int32_t *out)
{
    if (node->node_case != PG_QUERY__NODE__NODE_A_CONST ||
        node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL)
        return false;
    *out = node->a_const->ival->ival;
    return true;
}

/* What stands in parentheses after the name. */
static weir_status
apply_modifiers(sql_binder *b, const PgQuery__TypeName *name, wr_type *type)
{
    int32_t first = -1, second = 0;
    if (name->n_typmods == 0)
        return WEIR_OK;
    if (!modifier_int(name->typmods[0], &first) ||
        (name->n_typmods > 1 && !modifier_int(name->typmods[1], &second)))
        return wr_error_at(b->err, WEIR_QUERY_TYPE, name->location,
                           "type modifiers must be simple constants");
    wr_type target = type->id == WR_ARRAY ? wr_type_element(*type) : *type;
    switch (target.id) {
    case WR_NUMERIC:
        if (first < 1 || first > 1000 || second < -1000 || second > 1000)
            return wr_error_at(
                b->err, WEIR_QUERY_TYPE, name->location,
                "NUMERIC precision %d, scale %d: precision is 1 to 1000, scale -1000 "
                "to 1000",
                first, second);
        target.scale = (int16_t)second;
        break;
    case WR_TEXT:
    case WR_BPCHAR:
        if (first < 1)
            return wr_error_at(b->err, WEIR_QUERY_TYPE, name->location,
                               "length for type %s must be at least 1", wr_sql_last_name(name->names, name->n_names));
        break;
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        if (first < 0)
            return wr_error_at(b->err, WEIR_QUERY_TYPE, name->location,
                               "precision must not be negative");
        first = WR_MIN(first, 6);
        break;
    case WR_INTERVAL: return WEIR_OK; /* fields: bind_interval */
    default:
        return wr_error_at(b->err, WEIR_QUERY_TYPE, name->location,
                           "type modifier is not allowed for type \"%s\"", wr_type_name(target));
    }
    target.modifier = first;
    if (type->id == WR_ARRAY)
        return WEIR_OK; /* elements carry no modifier */
    *type = target;
    return WEIR_OK;
}

weir_status
wr_bind_type(sql_binder *b, const PgQuery__TypeName *name, wr_type *type)
{
    const char *last = wr_sql_last_name(name->names, name->n_names);
    if (name->setof || name->pct_type)
        return wr_sql_unsupported(b, name->location, "SETOF and %TYPE are");
    /* _int4 is PostgreSQL's own name of int4[] */
    bool is_array = last[0] == '_' && wr_type_parse(last + 1, strlen(last + 1), type, b->err) ==
                                          WEIR_OK && type->id != WR_ARRAY;
    if (is_array) {
        *type = WR_TYPE_ARRAY(type->id);
        return WEIR_OK;
    }
    if (wr_type_parse(last, strlen(last), type, b->err) != WEIR_OK) {
        wr_error_clear(b->err);
        (void)!wr_error_at(b->err, WEIR_QUERY_TYPE, name->location, "type \"%s\" does not exist", last);
        wr_error_hint(b->err, "there are boolean, smallint, integer, bigint, numeric(p, s), real, double precision, text, "
                              "varchar(n), bytea, date, time, timestamp, timestamptz, interval, uuid, json, jsonb, and TYPE[]");
        return WEIR_QUERY_TYPE;
    }
    if (name->n_array_bounds > 0) {
        if (type->id == WR_ARRAY)
            return wr_sql_unsupported(b, name->location, "arrays of arrays are");
        *type = WR_TYPE_ARRAY(type->id);
    }
    return apply_modifiers(b, name, type);
}

/* Keep only the fields a qualifier names, as PostgreSQL does: interval '1 day 02:03' hour is 1 day
 * 02:00. */
static void
trim_interval(int32_t mask, wr_interval *v)
{
    if (mask == FIELD_YEAR)
        v->months -= v->months % 12;
    if ((mask & ~(FIELD_YEAR | FIELD_MONTH)) == 0)
        v->days = 0;
    int64_t unit = (mask & FIELD_SECOND)   ? 1
                   : (mask & FIELD_MINUTE) ? WR_US_PER_MINUTE
                   : (mask & FIELD_HOUR)   ? WR_US_PER_HOUR
                                           : 0;
    v->us = unit == 0 ? 0 : v->us - v->us % unit;
}

static weir_status
refuse_unitless(sql_binder *b, const char *text, int32_t location)
{
    size_t blank = strspn(text, " "), n = strspn(text + blank, "+-.0123456789");
    if (n == 0 || text[blank + n + strspn(text + blank + n, " ")] != '\0')
        return WEIR_OK;
    weir_status status = wr_error_at(b->err, WEIR_QUERY_TRAP, location,
                                     "interval '%s' has no unit: it would be seconds", text);
    wr_error_hint(b->err, "write the unit inside the quotes: interval '%.*s minutes'", (int)n,
                  text + blank);
    return status;
}

/* interval 'text' fields(precision) */
static weir_status
bind_interval(sql_binder *b, const PgQuery__TypeName *name, const char *text, int32_t location,
              wr_expr **out)
{
    int32_t mask = FIELD_ALL, digits = 6;
    const char *fields = NULL;
    if (name->n_typmods > 0 && !modifier_int(name->typmods[0], &mask))
        return wr_error_at(b->err, WEIR_QUERY_TYPE, location,
                           "interval modifiers must be constants");
    if (name->n_typmods > 1 && !modifier_int(name->typmods[1], &digits))
        return wr_error_at(b->err, WEIR_QUERY_TYPE, location,
                           "interval modifiers must be constants");
    for (uint32_t i = 0; i < WR_COUNT(qualifiers); i++)
        if (qualifiers[i].mask == mask)
            fields = qualifiers[i].text;
    if (fields == NULL)
        WR_TRY(refuse_unitless(b, text, location));

    wr_value value = { .type = WR_TYPE(WR_INTERVAL) };
    weir_status status = wr_interval_parse(text, strlen(text), fields, &value.interval, b->err);
    if (status != WEIR_OK) {
        b->err->code = WEIR_QUERY_TYPE;
        return wr_sql_place(b, WEIR_QUERY_TYPE, location);
    }
    if (fields != NULL)
        trim_interval(mask, &value.interval);
    if (digits >= 0 && digits < 6) {
        int64_t unit = 1;
        for (int32_t i = digits; i < 6; i++)
            unit *= 10;
        int64_t half = value.interval.us < 0 ? -(unit / 2) : unit / 2;
        value.interval.us = (value.interval.us + half) / unit * unit;
    }
    *out = wr_sql_constant(b, &value, location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

static const char *
string_constant(const tree_node *node)
{
    bool is_string = node->node_case == PG_QUERY__NODE__NODE_A_CONST && !node->a_const->isnull &&
                     node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL;
    return is_string ? node->a_const->sval->sval : NULL;
}

/* 'now', 'today' and the like depend on the clock: they become calls of now(). */
static weir_status
bind_clock_word(sql_query *q, const char *text, wr_type type, int32_t location, wr_expr **out)
{
    static const struct {
        const char *word;
        int64_t days;
        bool truncate;
    } words[] = { { "now", 0, false },
                  { "today", 0, true },
                  { "tomorrow", 1, true },
                  { "yesterday", -1, true } };
    *out = NULL;
    if (!wr_type_is_time(type) && type.id != WR_TIME)
        return WEIR_OK;
    for (uint32_t i = 0; i < WR_COUNT(words); i++) {
        if (strcasecmp(text, words[i].word) != 0)
            continue;
        WR_TRY(wr_sql_call(q->b, "now", NULL, 0, location, out));
        if (words[i].truncate) {
            WR_TRY(wr_sql_cast(q->b, *out, WR_TYPE(WR_DATE), WR_CAST_EXPLICIT, out));
            wr_value days = { .type = WR_TYPE(WR_INT4), .integer = words[i].days };
            wr_expr *args[2] = { *out, wr_sql_constant(q->b, &days, location) };
            if (args[1] == NULL)
                return SQL_NOMEM(q->b);
            WR_TRY(wr_sql_call(q->b, "+", args, 2, location, out));
        }
        return wr_sql_cast(q->b, *out, type, WR_CAST_EXPLICIT, out);
    }
    return WEIR_OK;
}

/* ARRAY[a, b]::t[]: each item is cast by itself, so that they need no common type. */
static weir_status
bind_array_cast(sql_query *q, const PgQuery__AArrayExpr *array, wr_type type, int32_t location,
                wr_expr **out)
{
    wr_expr **items;
    wr_type item = wr_type_element(type);
    WR_TRY(wr_bind_list(q, array->elements, array->n_elements, &items));
    for (size_t i = 0; i < array->n_elements; i++) {
        bool nested = items[i]->type.id == WR_ARRAY;
        WR_TRY(wr_sql_cast(q->b, items[i], nested ? type : item, WR_CAST_EXPLICIT, &items[i]));
    }
    return wr_sql_call(q->b, "array_make", items, (uint32_t)array->n_elements, location, out);
}

weir_status
wr_bind_cast(sql_query *q, const PgQuery__TypeCast *cast, wr_expr **out)
{
    wr_type type;
    int32_t location = cast->location >= 0 ? cast->location : wr_sql_location(cast->arg);
    const char *text = string_constant(cast->arg);
    WR_TRY(wr_bind_type(q->b, cast->type_name, &type));
    if (text != NULL && type.id == WR_INTERVAL)
        return bind_interval(q->b, cast->type_name, text, location, out);
    if (text != NULL) {
        WR_TRY(bind_clock_word(q, text, type, location, out));
        if (*out != NULL)
            return WEIR_OK;
    }
    /* ARRAY[]::int[] : the cast decides the elements */
    bool empty_array = cast->arg->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR &&
                       cast->arg->a_array_expr->n_elements == 0;
    wr_expr *arg;
    if (empty_array) {
        if (type.id != WR_ARRAY)
            return wr_error_at(q->b->err, WEIR_QUERY_TYPE, location,
                               "cannot cast an empty array to %s", wr_type_name(type));
        wr_value braces = { .type = WR_TYPE(WR_UNKNOWN), .string = wr_string_make("{}", 2) };
        arg = wr_sql_constant(q->b, &braces, location);
        if (arg == NULL)
            return SQL_NOMEM(q->b);
    } else if (type.id == WR_ARRAY && cast->arg->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
        return bind_array_cast(q, cast->arg->a_array_expr, type, location, out);
    } else {
        WR_TRY(wr_bind_expr(q, cast->arg, &arg));
    }
    WR_TRY(wr_sql_place(q->b, wr_sql_cast(q->b, arg, type, WR_CAST_EXPLICIT, out), location));
    return WEIR_OK;
}
