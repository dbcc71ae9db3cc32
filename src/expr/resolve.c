/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/resolve.c -- PostgreSQL's choice among overloaded functions, operators and aggregates.
 *
 * Place       asked by registry.c and aggregate.c; the binder calls those.
 * State       none.
 * Invariants  R1  an exact match wins over everything
 *             R2  then the candidates reached by implicit casts are thinned out: most exact matches,
 *                 most exact or preferred types, then the guess for untyped literals (string first)
 *             R3  what is left must be one
 * The steps are those of chapter 10 of PostgreSQL's manual, in its order.
 */
#include "expr/registry_impl.h"

#include <string.h>

char
wr_type_category(wr_type type)
{
    switch (type.id) {
    case WR_UNKNOWN: return 'X';
    case WR_BOOL: return 'B';
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_FLOAT4:
    case WR_FLOAT8:
    case WR_NUMERIC: return 'N';
    case WR_TEXT:
    case WR_BPCHAR: return 'S';
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return 'D';
    case WR_INTERVAL: return 'T';
    case WR_ARRAY: return 'A';
    case WR_ANY:
    case WR_ANYELEMENT:
    case WR_ANYARRAY:
    case WR_ANYNONARRAY: return 'P';
    default: return 'U';
    }
}

bool
wr_type_preferred(wr_type type)
{
    switch (type.id) {
    case WR_BOOL:
    case WR_FLOAT8:
    case WR_TEXT:
    case WR_TIMESTAMPTZ:
    case WR_INTERVAL: return true;
    default: return false;
    }
}

bool
wr_type_coercible(wr_type from, wr_type to, wr_cast_context context)
{
    return wr_type_same(from, to) || from.id == WR_UNKNOWN ||
           wr_cast_find(from, to, context) != NULL;
}

static wr_type
type_bare(wr_type t)
{
    return (wr_type){ t.id, t.element, 0, -1 };
}

/* The wider of two types by implicit casts; false when neither reaches the other. */
static bool
types_join(wr_type a, wr_type b, wr_type *out)
{
    if (wr_type_same(a, b) || (wr_type_category(a) == wr_type_category(b) && wr_type_preferred(a) &&
                               wr_type_coercible(b, a, WR_CAST_IMPLICIT)))
        *out = a;
    else if (wr_type_coercible(a, b, WR_CAST_IMPLICIT))
        *out = b;
    else if (wr_type_coercible(b, a, WR_CAST_IMPLICIT))
        *out = a;
    else
        return false;
    return true;
}

static wr_type
signature_arg(const wr_signature *s, uint32_t i)
{
    return s->args[WR_MIN(i, s->arg_count - 1)];
}

static bool
signature_takes(const wr_signature *s, uint32_t arg_count)
{
    uint32_t least = s->arg_count - WR_MIN(s->optional, s->arg_count);
    return arg_count >= least &&
           (arg_count <= s->arg_count || (s->variadic && s->arg_count > 0));
}

/* What ANYELEMENT stands for; false when the arguments contradict each other, or when the only one to
 * go by is an untyped array (array_append('{1}', '2') has two, and PostgreSQL makes them text). */
static bool
signature_element(const wr_signature *s, const wr_type *args, uint32_t arg_count, wr_type *element)
{
    bool     known = false;
    uint32_t arrays = 0, elements = 0;
    *element = WR_TYPE(WR_TEXT);
    for (uint32_t i = 0; i < arg_count; i++) {
        wr_type declared = signature_arg(s, i), type = args[i];
        arrays += declared.id == WR_ANYARRAY;
        elements += declared.id == WR_ANYELEMENT;
        if ((declared.id != WR_ANYELEMENT && declared.id != WR_ANYARRAY) || type.id == WR_UNKNOWN)
            continue;
        if (declared.id == WR_ANYARRAY) {
            if (type.id != WR_ARRAY)
                return false;
            type = WR_TYPE(type.element);
        }
        if (known && !types_join(*element, type, element))
            return false;
        if (!known)
            *element = type;
        known = true;
    }
    return known || arrays != 1 || elements > 0;
}

/* The type that argument i must have for s, pseudo types replaced. */
static wr_type
signature_wants(const wr_signature *s, uint32_t i, wr_type arg, wr_type element)
{
    wr_type declared = signature_arg(s, i);
    switch (declared.id) {
    case WR_ANY:
    case WR_ANYNONARRAY: return arg.id == WR_UNKNOWN ? WR_TYPE(WR_TEXT) : arg;
    case WR_ANYELEMENT: return wr_type_same(element, arg) ? arg : type_bare(element);
    case WR_ANYARRAY: return WR_TYPE_ARRAY(element.id);
    default: return declared;
    }
}

static bool
signature_fits(const wr_signature *s, const wr_type *args, uint32_t arg_count)
{
    wr_type element;
    if (!signature_element(s, args, arg_count, &element))
        return false;
    for (uint32_t i = 0; i < arg_count; i++) {
        if (signature_arg(s, i).id == WR_ANYNONARRAY && args[i].id == WR_ARRAY)
            return false;
        if (!wr_type_coercible(args[i], signature_wants(s, i, args[i], element), WR_CAST_IMPLICIT))
            return false;
    }
    return true;
}

static uint32_t
signature_exact_count(const wr_signature *s, const wr_type *args, uint32_t arg_count, bool preferred)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < arg_count; i++) {
        wr_type declared = signature_arg(s, i);
        if (args[i].id != WR_UNKNOWN &&
            (wr_type_same(declared, args[i]) ||
             (declared.id == WR_ANYARRAY && args[i].id == WR_ARRAY) ||
             (preferred && wr_type_preferred(declared) &&
              wr_type_category(declared) == wr_type_category(args[i]))))
            count++;
    }
    return count;
}

typedef struct selection {
    const wr_signature *left[WR_CANDIDATES_MAX];
    uint32_t            count;
} selection;

/* Keep those with the most exact (or preferred) matches. */
static void
selection_keep_best(selection *s, const wr_type *args, uint32_t arg_count, bool preferred)
{
    uint32_t best = 0, kept = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t score = signature_exact_count(s->left[i], args, arg_count, preferred);
        if (score > best) {
            best = score;
            kept = 0;
        }
        if (score == best)
            s->left[kept++] = s->left[i];
    }
    s->count = kept;
}

/* The category guessed for an untyped argument; 0 when the candidates disagree. */
static char
selection_guess(const selection *s, uint32_t arg, bool *preferred)
{
    char category = 0;
    bool conflict = false;
    *preferred = false;
    for (uint32_t i = 0; i < s->count; i++) {
        wr_type declared = signature_arg(s->left[i], arg);
        char    c = wr_type_category(declared);
        if (category == 0 || (c == 'S' && category != 'S')) {
            category = c;
            *preferred = wr_type_preferred(declared);
        } else if (c == category) {
            *preferred |= wr_type_preferred(declared);
        } else if (category != 'S') {
            conflict = true;
        }
    }
    return conflict && category != 'S' ? 0 : category;
}

static void
selection_guess_unknowns(selection *s, const wr_type *args, uint32_t arg_count)
{
    char categories[WR_CALL_ARGS_MAX];
    bool preferred[WR_CALL_ARGS_MAX];
    for (uint32_t i = 0; i < arg_count; i++) {
        if (args[i].id != WR_UNKNOWN)
            continue;
        categories[i] = selection_guess(s, i, &preferred[i]);
        if (categories[i] == 0)
            return;
    }
    selection kept = { .count = 0 };
    for (uint32_t c = 0; c < s->count; c++) {
        bool keep = true;
        for (uint32_t i = 0; i < arg_count && keep; i++) {
            wr_type declared = signature_arg(s->left[c], i);
            if (args[i].id == WR_UNKNOWN)
                keep = wr_type_category(declared) == categories[i] &&
                       (!preferred[i] || wr_type_preferred(declared));
        }
        if (keep)
            kept.left[kept.count++] = s->left[c];
    }
    if (kept.count > 0)
        *s = kept;
}

/* All known arguments have one type: the candidate that takes it everywhere. */
static const wr_signature *
selection_same_type(const selection *s, const wr_type *args, uint32_t arg_count)
{
    wr_type known = WR_TYPE(WR_UNKNOWN), all[WR_CALL_ARGS_MAX];
    for (uint32_t i = 0; i < arg_count; i++) {
        if (args[i].id == WR_UNKNOWN)
            continue;
        if (known.id != WR_UNKNOWN && !wr_type_same(known, args[i]))
            return NULL;
        known = args[i];
    }
    if (known.id == WR_UNKNOWN)
        return NULL;
    for (uint32_t i = 0; i < arg_count; i++)
        all[i] = known;
    const wr_signature *found = NULL;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!signature_fits(s->left[i], all, arg_count))
            continue;
        if (found != NULL)
            return NULL;
        found = s->left[i];
    }
    return found;
}

/* The same argument types twice: the one without defaults and without variadic wins. */
static void
selection_drop_loose(selection *s, uint32_t arg_count)
{
    uint32_t kept = 0;
    for (int pass = 0; pass < 2 && s->count > 1; pass++) {
        kept = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            const wr_signature *c = s->left[i];
            if (pass == 0 ? !c->variadic : c->arg_count == arg_count)
                s->left[kept++] = c;
        }
        if (kept > 0)
            s->count = kept;
    }
}

static const wr_signature *
selection_choose(selection *s, const wr_type *args, uint32_t arg_count)
{
    bool unknown = false;
    for (uint32_t i = 0; i < arg_count; i++)
        unknown |= args[i].id == WR_UNKNOWN;
    for (int step = 0; step < 4 && s->count > 1; step++) {
        if (step == 0)
            selection_keep_best(s, args, arg_count, false);
        else if (step == 1)
            selection_keep_best(s, args, arg_count, true);
        else if (step == 2 && unknown)
            selection_guess_unknowns(s, args, arg_count);
        else if (step == 3 && unknown) {
            const wr_signature *one = selection_same_type(s, args, arg_count);
            if (one != NULL)
                return one;
        }
    }
    if (s->count > 1)
        selection_drop_loose(s, arg_count);
    return s->count == 1 ? s->left[0] : NULL;
}

static const wr_signature *
signature_find_exact(const wr_signature *candidates, uint32_t count, const wr_type *args,
                     uint32_t arg_count)
{
    for (uint32_t i = 0; i < count; i++)
        if (signature_takes(&candidates[i], arg_count) &&
            signature_exact_count(&candidates[i], args, arg_count, false) == arg_count &&
            signature_fits(&candidates[i], args, arg_count))
            return &candidates[i];
    return NULL;
}

static void
signature_apply(const wr_signature *s, const wr_type *args, uint32_t arg_count, wr_type *arg_types,
                wr_type *result)
{
    wr_type element = WR_TYPE(WR_TEXT);
    (void) signature_element(s, args, arg_count, &element);
    for (uint32_t i = 0; i < arg_count; i++) {
        wr_type want = signature_wants(s, i, args[i], element);
        arg_types[i] = wr_type_same(want, args[i]) ? args[i] : want;
    }
    if (s->result_of != NULL)
        *result = s->result_of(arg_types, arg_count);
    else if (s->result.id == WR_ANYELEMENT)
        *result = type_bare(element);
    else if (s->result.id == WR_ANYARRAY)
        *result = WR_TYPE_ARRAY(element.id);
    else
        *result = s->result;
}

weir_status
wr_signature_resolve(const wr_signature *candidates, uint32_t count, bool is_operator,
                     const wr_type *args, uint32_t arg_count, const wr_signature **chosen,
                     wr_type *arg_types, wr_type *result)
{
    wr_assert(arg_count <= WR_CALL_ARGS_MAX && count <= WR_CANDIDATES_MAX);
    *chosen = signature_find_exact(candidates, count, args, arg_count); /* R1 */
    if (*chosen == NULL && is_operator && arg_count == 2 &&
        (args[0].id == WR_UNKNOWN) != (args[1].id == WR_UNKNOWN)) {
        wr_type known = args[0].id == WR_UNKNOWN ? args[1] : args[0], both[2] = { known, known };
        *chosen = signature_find_exact(candidates, count, both, 2);
    }
    if (*chosen == NULL) {
        selection left = { .count = 0 };
        for (uint32_t i = 0; i < count; i++)
            if (signature_takes(&candidates[i], arg_count) &&
                signature_fits(&candidates[i], args, arg_count))
                left.left[left.count++] = &candidates[i];
        if (left.count == 0)
            return WEIR_OK;
        *chosen = selection_choose(&left, args, arg_count);
        if (*chosen == NULL)
            return WEIR_QUERY_AMBIGUOUS; /* R3 */
    }
    signature_apply(*chosen, args, arg_count, arg_types, result);
    return WEIR_OK;
}

weir_status
wr_type_common(const wr_type *types, uint32_t count, const char *what, wr_type *out,
               weir_error *err)
{
    wr_type common = WR_TYPE(WR_UNKNOWN);
    bool    one_modifier = true;
    for (uint32_t i = 0; i < count; i++) {
        wr_type t = types[i];
        if (t.id == WR_UNKNOWN)
            continue;
        if (common.id == WR_UNKNOWN) {
            common = t;
            continue;
        }
        one_modifier &= wr_type_equal(common, t);
        if (wr_type_same(common, t))
            continue;
        bool related = wr_type_category(common) == wr_type_category(t);
        if (related && !wr_type_preferred(common) && wr_type_coercible(common, t, WR_CAST_IMPLICIT) &&
            !wr_type_coercible(t, common, WR_CAST_IMPLICIT))
            common = t;
        else if (!related || !wr_type_coercible(t, common, WR_CAST_IMPLICIT)) {
            wr_text a, b;
            wr_text_init(&a, NULL);
            wr_text_init(&b, NULL);
            wr_type_print(type_bare(common), &a);
            wr_type_print(type_bare(t), &b);
            weir_status status =
                wr_error_set(err, WEIR_QUERY_TYPE, "%s types %s and %s cannot be matched", what,
                             wr_text_string(&a), wr_text_string(&b));
            wr_text_fini(&a);
            wr_text_fini(&b);
            return status;
        }
    }
    if (common.id == WR_UNKNOWN)
        common = WR_TYPE(WR_TEXT);
    if (!one_modifier) {
        common.modifier = -1;
        common.scale = 0;
    }
    *out = common;
    return WEIR_OK;
}
