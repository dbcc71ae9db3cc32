/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/array_text.c -- arrays from text and to text: '{1,2,NULL}', '[0:1]={{"a b"},{c}}'.
 *
 * Place       casts, sources, sinks.
 * State       the items read so far, in a buffer that grows.
 * Invariants  A2  all parts of one dimension have the same length
 *             A3  wr_array_parse of what wr_array_print wrote gives an equal array
 */
#include "data/array.h"

#include <string.h>
#include <strings.h>

typedef struct reader {
    const char *p, *end;
    wr_type element;
    wr_arena *arena; /* of the items' bytes */
    weir_error *err;
    wr_value *items;
    uint32_t count, capacity;
    uint32_t dims; /* known once the first innermost list is reached */
    uint32_t lengths[WR_ARRAY_DIMS_MAX];
    bool length_known[WR_ARRAY_DIMS_MAX];
    int32_t lower[WR_ARRAY_DIMS_MAX];
    uint32_t explicit_dims; /* from "[1:2][0:3]=" */
    uint32_t explicit_lengths[WR_ARRAY_DIMS_MAX];
} reader;

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
skip_blanks(reader *r)
{
    while (r->p < r->end && is_blank(*r->p))
        r->p++;
}

static weir_status
item_push(reader *r, const wr_value *item)
{
    if (r->count == WR_ARRAY_ITEMS_MAX)
        return WEIR_ROW_TOO_LARGE;
    if (r->count == r->capacity) {
        uint32_t capacity = r->capacity == 0 ? 16 : r->capacity * 2;
        wr_value *grown = wr_realloc(r->arena->budget, r->items, capacity * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        r->items = grown;
        r->capacity = capacity;
    }
    r->items[r->count++] = *item;
    return WEIR_OK;
}

/* ---- text in ---- */

/* "[lower:upper]" or "[upper]", several of them, then "=". */
static bool
bound_read(reader *r, int64_t *out)
{
    bool negative = r->p < r->end && *r->p == '-';
    int64_t n = 0;
    r->p += r->p < r->end && (*r->p == '-' || *r->p == '+');
    if (r->p == r->end || *r->p < '0' || *r->p > '9')
        return false;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
        if ((n = n * 10 + (*r->p - '0')) > INT32_MAX)
            return false;
    *out = negative ? -n : n;
    return true;
}

static bool
bounds_read(reader *r)
{
    while (r->p < r->end && *r->p == '[') {
        int64_t lower = 1, upper;
        if (r->explicit_dims == WR_ARRAY_DIMS_MAX)
            return false;
        r->p++;
        if (!bound_read(r, &upper))
            return false;
        if (r->p < r->end && *r->p == ':') {
            lower = upper;
            r->p++;
            if (!bound_read(r, &upper))
                return false;
        }
        if (r->p == r->end || *r->p++ != ']' || upper < lower ||
            upper - lower >= WR_ARRAY_ITEMS_MAX)
            return false;
        r->lower[r->explicit_dims] = (int32_t)lower;
        r->explicit_lengths[r->explicit_dims++] = (uint32_t)(upper - lower + 1);
        skip_blanks(r);
    }
    if (r->explicit_dims == 0)
        return true;
    if (r->p == r->end || *r->p++ != '=')
        return false;
    skip_blanks(r);
    return true;
}

/* The item's characters into a buffer as long as the rest of the source would ever need. */
static bool
item_unquote(reader *r, wr_text *to, bool *quoted)
{
    *quoted = false;
    wr_text_clear(to);
    size_t kept = 0; /* blanks at the end of an unquoted item do not count */
    while (r->p < r->end) {
        char c = *r->p;
        if (c == '"') {
            if (*quoted || kept > 0)
                return false;
            *quoted = true;
            for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
                if (*r->p == '\\' && ++r->p == r->end)
                    return false;
                wr_text_putc(to, *r->p);
            }
            if (r->p++ == r->end)
                return false;
            continue;
        }
        if (c == ',' || c == '}')
            break;
        if (c == '{' || (*quoted && !is_blank(c)))
            return false;
        if (c == '\\' && ++r->p == r->end)
            return false;
        if (!*quoted) {
            wr_text_putc(to, *r->p);
            if (c == '\\' || !is_blank(c))
                kept = to->length;
        }
        r->p++;
    }
    if (!*quoted && wr_text_ok(to))
        to->length = kept;
    return *quoted || kept > 0;
}

static weir_status
item_read(reader *r, wr_text *text)
{
    wr_value item = wr_value_null(r->element);
    bool quoted, escaped_null;
    const char *first = r->p;
    if (!item_unquote(r, text, &quoted))
        return wr_text_ok(text) ? WEIR_ROW_TYPE : WEIR_MEMORY;
    if (!wr_text_ok(text))
        return WEIR_MEMORY;
    escaped_null = memchr(first, '\\', (size_t)(r->p - first)) != NULL;
    if (quoted || escaped_null || text->length != 4 || strncasecmp(text->data, "null", 4) != 0)
        WR_TRY(wr_value_parse(r->element, wr_text_string(text), text->length, r->arena, &item,
                              r->err));
    item.type = WR_TYPE(r->element.id);
    return item_push(r, &item);
}

/* One list in braces, at depth dim from the outside. */
static weir_status
list_read(reader *r, uint32_t dim, wr_text *text)
{
    uint32_t length = 0;
    if (dim == WR_ARRAY_DIMS_MAX)
        return WEIR_ROW_TYPE;
    r->p++; /* the brace */
    for (;;) {
        skip_blanks(r);
        if (r->p == r->end)
            return WEIR_ROW_TYPE;
        if (*r->p == '}' && length == 0 && dim == 0 && r->dims == 0) {
            r->p++;
            return WEIR_OK; /* {} */
        }
        bool nested = *r->p == '{';
        if (!nested && r->dims == 0)
            r->dims = dim + 1;
        if (nested != (r->dims == 0 || dim + 1 < r->dims)) /* A2: lists and items do not mix */
            return WEIR_ROW_TYPE;
        WR_TRY(nested ? list_read(r, dim + 1, text) : item_read(r, text));
        length++;
        skip_blanks(r);
        if (r->p == r->end || (*r->p != ',' && *r->p != '}'))
            return WEIR_ROW_TYPE;
        if (*r->p++ == '}')
            break;
    }
    if (r->length_known[dim] && r->lengths[dim] != length) /* A2 */
        return WEIR_ROW_TYPE;
    r->lengths[dim] = length;
    r->length_known[dim] = true;
    return WEIR_OK;
}

static weir_status
array_read(reader *r, wr_text *text)
{
    skip_blanks(r);
    if (!bounds_read(r) || r->p == r->end || *r->p != '{')
        return WEIR_ROW_TYPE;
    WR_TRY(list_read(r, 0, text));
    skip_blanks(r);
    if (r->p != r->end)
        return WEIR_ROW_TYPE;
    if (r->explicit_dims == 0) {
        for (uint32_t i = 0; i < r->dims; i++)
            r->lower[i] = 1;
        return WEIR_OK;
    }
    if (r->explicit_dims != r->dims ||
        memcmp(r->explicit_lengths, r->lengths, r->dims * sizeof *r->lengths) != 0)
        return WEIR_ROW_TYPE;
    return WEIR_OK;
}

weir_status
wr_array_parse(wr_type element, const char *s, size_t n, wr_arena *arena, wr_string *out,
               weir_error *err)
{
    wr_arena scratch;
    wr_text text;
    wr_arena_init(&scratch, arena->budget);
    wr_text_init(&text, arena->budget);
    reader r = { .p = s, .end = s + n, .element = element, .arena = &scratch, .err = err };
    if (err != NULL)
        err->text[0] = '\0';
    weir_status status = array_read(&r, &text);
    if (status == WEIR_OK)
        status = wr_array_make_dims(WR_TYPE(element.id), r.dims, r.lengths, r.lower, r.items, arena,
                                    out);
    if (status == WEIR_ROW_TYPE && err != NULL && err->text[0] == '\0')
        wr_error_set(err, status, "malformed array literal: \"%.*s\"", (int)WR_MIN(n, (size_t)100),
                     s);
    wr_free(r.items);
    wr_text_fini(&text);
    wr_arena_fini(&scratch);
    return status;
}

/* ---- text out ---- */

static bool
needs_quotes(const char *p, size_t n)
{
    if (n == 0 || (n == 4 && strncasecmp(p, "null", 4) == 0))
        return true;
    for (size_t i = 0; i < n; i++)
        if (is_blank(p[i]) || p[i] == '"' || p[i] == '\\' || p[i] == '{' || p[i] == '}' ||
            p[i] == ',')
            return true;
    return false;
}

static void
item_print(const wr_value *item, wr_text *scratch, wr_text *to)
{
    if (item->is_null) {
        wr_text_append(to, "NULL", 4);
        return;
    }
    wr_text_clear(scratch);
    wr_value_print(item, scratch);
    if (!wr_text_ok(scratch)) {
        to->failed = true;
        return;
    }
    const char *p = wr_text_string(scratch);
    size_t n = scratch->length;
    if (!needs_quotes(p, n)) {
        wr_text_append(to, p, n);
        return;
    }
    wr_text_putc(to, '"');
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"' || p[i] == '\\')
            wr_text_putc(to, '\\');
        wr_text_putc(to, p[i]);
    }
    wr_text_putc(to, '"');
}

static void
list_print(const wr_array_view *view, uint32_t dim, const char **at, wr_text *scratch, wr_text *to)
{
    wr_value item;
    wr_text_putc(to, '{');
    for (uint32_t i = 0; i < view->lengths[dim]; i++) {
        if (*at == view->end) /* damaged bytes announce more items than there are */
            break;
        if (i > 0)
            wr_text_putc(to, ',');
        if (dim + 1 < view->dims)
            list_print(view, dim + 1, at, scratch, to);
        else if (wr_array_next(view, at, &item))
            item_print(&item, scratch, to);
        else
            break;
    }
    wr_text_putc(to, '}');
}

void
wr_array_print(const wr_string *array, wr_text *to)
{
    wr_array_view view;
    wr_text scratch;
    bool shifted = false;
    wr_array_open(array, &view);
    if (view.dims == 0) {
        wr_text_append(to, "{}", 2);
        return;
    }
    for (uint32_t i = 0; i < view.dims; i++)
        shifted = shifted || view.lower[i] != 1;
    for (uint32_t i = 0; shifted && i < view.dims; i++) {
        int64_t upper = (int64_t)view.lower[i] + view.lengths[i] - 1;
        wr_text_printf(to, "[%d:%lld]", (int)view.lower[i], (long long)upper);
    }
    if (shifted)
        wr_text_putc(to, '=');
    const char *at = view.items;
    wr_text_init(&scratch, to->budget);
    list_print(&view, 0, &at, &scratch, to);
    wr_text_fini(&scratch);
}
