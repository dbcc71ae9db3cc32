/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/jsonb.c -- jsonb: the canonical text and PostgreSQL's order of it.
 *
 * Place       casts, keys, ORDER BY.
 * State       none.
 * Invariants  B1  two documents that are equal to PostgreSQL, numbers' scales included, have the
 * same canonical text B2  canonical text has keys sorted by length, then bytes, each once, and
 * numbers without exponents, so that comparing needs neither a tree nor memory
 */
#include "data/json.h"
#include "data/numeric.h"

#include <stdlib.h>
#include <string.h>

/* ---- printing ---- */

static weir_status jsonb_print(const wr_json *json, wr_text *to);

static weir_status
number_print(const wr_json *json, wr_text *to)
{
    enum { PLAIN_MAX = 16000 }; /* any number as short as this is within numeric's limits */
    const char *text = json->text;
    size_t length = json->length;
    bool exponent = memchr(text, 'e', length) != NULL || memchr(text, 'E', length) != NULL;
    if (!exponent && length <= PLAIN_MAX) {
        if (*text == '-' && strspn(text + 1, "0.") >= length - 1) { /* minus zero is zero */
            text++;
            length--;
        }
        wr_text_append(to, text, length);
        return WEIR_OK;
    }
    wr_arena scratch;
    wr_string num;
    wr_arena_init(&scratch, to->budget);
    weir_status status = wr_num_parse(text, length, &scratch, &num);
    if (status == WEIR_OK)
        wr_num_print(&num, to);
    wr_arena_fini(&scratch);
    return status;
}

static int
member_compare(const void *a, const void *b, void *object)
{
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const wr_string *x = &((const wr_json *)object)->keys[i],
                    *y = &((const wr_json *)object)->keys[j];
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    int c = memcmp(wr_string_data(x), wr_string_data(y), x->length);
    return c != 0 ? c : (i > j) - (i < j);
}

static weir_status
members_print(const wr_json *object, uint32_t *order, wr_text *to)
{
    bool first = true;
    for (uint32_t i = 0; i < object->count; i++)
        order[i] = i;
    qsort_r(order, object->count, sizeof *order, member_compare, (void *)(uintptr_t)object);
    for (uint32_t i = 0; i < object->count; i++) {
        const wr_string *key = &object->keys[order[i]];
        if (i + 1 < object->count && wr_string_equal(key, &object->keys[order[i + 1]]))
            continue; /* the last duplicate wins */
        if (!first)
            wr_text_append(to, ", ", 2);
        first = false;
        wr_text_put_json(to, wr_string_data(key), key->length);
        wr_text_append(to, ": ", 2);
        WR_TRY(jsonb_print(&object->items[order[i]], to));
    }
    return WEIR_OK;
}

static weir_status
object_print(const wr_json *object, wr_text *to)
{
    uint32_t small[16], *order = small;
    if (object->count > WR_COUNT(small) &&
        (order = wr_alloc(to->budget, object->count * sizeof *order)) == NULL)
        return WEIR_MEMORY;
    wr_text_putc(to, '{');
    weir_status status = members_print(object, order, to);
    wr_text_putc(to, '}');
    if (order != small)
        wr_free(order);
    return status;
}

static weir_status
jsonb_print(const wr_json *json, wr_text *to)
{
    if (to->length > WR_STRING_BYTES_MAX) /* few exponents make many digits */
        return WEIR_ROW_TOO_LARGE;
    switch (json->kind) {
    case WR_JSON_NUMBER: return number_print(json, to);
    case WR_JSON_OBJECT: return object_print(json, to);
    case WR_JSON_LIST:
        wr_text_putc(to, '[');
        for (uint32_t i = 0; i < json->count; i++) {
            if (i > 0)
                wr_text_append(to, ", ", 2);
            WR_TRY(jsonb_print(&json->items[i], to));
        }
        wr_text_putc(to, ']');
        return WEIR_OK;
    default: wr_json_print(json, to); return WEIR_OK;
    }
}

void
wr_jsonb_print(const wr_json *json, wr_text *to)
{
    if (jsonb_print(json, to) != WEIR_OK)
        to->failed = true;
}

weir_status
wr_jsonb_parse(const char *s, size_t n, wr_arena *arena, wr_string *out, weir_error *err)
{
    wr_arena scratch;
    wr_text text;
    wr_json tree;
    wr_arena_init(&scratch, arena->budget);
    wr_text_init(&text, arena->budget);
    weir_status status = wr_json_parse(s, n, &scratch, &tree, err);
    if (status == WEIR_OK) {
        status = jsonb_print(&tree, &text);
        if (status == WEIR_OK && !wr_text_ok(&text))
            status = WEIR_MEMORY;
        else if (status == WEIR_OK && text.length > WR_STRING_BYTES_MAX)
            status = WEIR_ROW_TOO_LARGE;
        else if (status == WEIR_ROW_OVERFLOW)
            wr_error_set(err, status, "a number in the JSON is out of range for type numeric");
    }
    if (status == WEIR_OK) {
        const char *copy = text.data;
        if (text.length > WR_STRING_INLINE_MAX)
            copy = wr_arena_strndup(arena, text.data, text.length);
        if (copy == NULL)
            status = WEIR_MEMORY;
        else
            *out = wr_string_make(copy, text.length);
    }
    wr_text_fini(&text);
    wr_arena_fini(&scratch);
    return status;
}

/* ---- comparing canonical texts ---- */

typedef struct cursor {
    const char *p, *end;
} cursor;

/* PostgreSQL's order of types; lists and objects above all scalars. */
typedef enum rank { RANK_NULL, RANK_STRING, RANK_NUMBER, RANK_BOOL, RANK_LIST, RANK_OBJECT } rank;

static rank
rank_at(const cursor *c)
{
    switch (c->p < c->end ? *c->p : 'n') {
    case '"': return RANK_STRING;
    case 't':
    case 'f': return RANK_BOOL;
    case '[': return RANK_LIST;
    case '{': return RANK_OBJECT;
    case 'n': return RANK_NULL;
    default: return RANK_NUMBER;
    }
}

/* Past a string whose opening quote is at p. */
static const char *
string_end(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        p += *p == '\\' && p + 1 < end;
    return p < end ? p + 1 : p;
}

/* Items of the list, or members of the object, that begins at p. */
static uint32_t
count_items(const cursor *c)
{
    const char *p = c->p + 1;
    uint32_t commas = 0;
    if (p < c->end && (*p == ']' || *p == '}'))
        return 0;
    for (int depth = 1; p < c->end && depth > 0;) {
        if (*p == '"') {
            p = string_end(p, c->end);
            continue;
        }
        depth += (*p == '[' || *p == '{') - (*p == ']' || *p == '}');
        commas += depth == 1 && *p == ',';
        p++;
    }
    return commas + 1;
}

/* The next byte of a string's value; -1 at the closing quote. */
static int
string_byte(cursor *c)
{
    static const char names[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    if (c->p >= c->end || *c->p == '"')
        return -1;
    if (*c->p != '\\' || c->end - c->p < 2)
        return (unsigned char)*c->p++;
    char name = c->p[1];
    if (name == 'u' && c->end - c->p >= 6) { /* only control characters are written so: \u00xx */
        int high = c->p[4] - '0', low = c->p[5];
        c->p += 6;
        return high << 4 | (low <= '9' ? low - '0' : low - 'a' + 10);
    }
    c->p += 2;
    const char *found = strchr(names, name);
    return found != NULL && name != '\0' ? meanings[found - names] : name;
}

/* Both cursors end after their strings when these are equal. */
static int
strings_compare(cursor *a, cursor *b)
{
    a->p++;
    b->p++;
    for (;;) {
        int x = string_byte(a), y = string_byte(b);
        if (x != y)
            return x < y ? -1 : 1;
        if (x < 0)
            break;
    }
    a->p += a->p < a->end;
    b->p += b->p < b->end;
    return 0;
}

static size_t
digits_count(const char *p, const char *end)
{
    const char *first = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return (size_t)(p - first);
}

/* Canonical numbers have no exponent and no zeros in front. */
static int
numbers_compare(cursor *a, cursor *b)
{
    bool minus_a = *a->p == '-', minus_b = *b->p == '-';
    a->p += minus_a;
    b->p += minus_b;
    size_t whole_a = digits_count(a->p, a->end), whole_b = digits_count(b->p, b->end);
    int order = (whole_a > whole_b) - (whole_a < whole_b);
    if (order == 0)
        order = memcmp(a->p, b->p, whole_a);
    a->p += whole_a;
    b->p += whole_b;
    bool point_a = a->p < a->end && *a->p == '.', point_b = b->p < b->end && *b->p == '.';
    const char *x = a->p + point_a, *y = b->p + point_b;
    size_t m = point_a ? digits_count(x, a->end) : 0, n = point_b ? digits_count(y, b->end) : 0;
    for (size_t i = 0; order == 0 && i < WR_MAX(m, n); i++)
        order = (i < m ? x[i] : '0') - (i < n ? y[i] : '0');
    a->p = x + m;
    b->p = y + n;
    if (minus_a != minus_b) /* there is no minus zero */
        return minus_a ? -1 : 1;
    return minus_a ? -order : order;
}

static int values_compare(cursor *a, cursor *b);

static void
skip_separator(cursor *c)
{
    c->p += WR_MIN(c->end - c->p, 2); /* ", " and ": " */
}

static int
containers_compare(cursor *a, cursor *b, bool object)
{
    uint32_t m = count_items(a), n = count_items(b);
    if (m != n)
        return m < n ? -1 : 1;
    a->p++;
    b->p++;
    for (uint32_t i = 0; i < m; i++) {
        int order;
        if (i > 0) {
            skip_separator(a);
            skip_separator(b);
        }
        if (object) {
            if ((order = strings_compare(a, b)) != 0)
                return order;
            skip_separator(a);
            skip_separator(b);
        }
        if ((order = values_compare(a, b)) != 0)
            return order;
    }
    a->p += a->p < a->end;
    b->p += b->p < b->end;
    return 0;
}

static int
values_compare(cursor *a, cursor *b)
{
    rank x = rank_at(a), y = rank_at(b);
    if (x != y)
        return x < y ? -1 : 1;
    switch (x) {
    case RANK_STRING: return strings_compare(a, b);
    case RANK_NUMBER: return numbers_compare(a, b);
    case RANK_LIST:
    case RANK_OBJECT: return containers_compare(a, b, x == RANK_OBJECT);
    case RANK_NULL:
    case RANK_BOOL: break;
    }
    int order = a->p < a->end && b->p < b->end ? (*a->p == 't') - (*b->p == 't') : 0;
    a->p += WR_MIN(a->end - a->p, x == RANK_BOOL && *a->p == 'f' ? 5 : 4);
    b->p += WR_MIN(b->end - b->p, x == RANK_BOOL && *b->p == 'f' ? 5 : 4);
    return order;
}

int
wr_jsonb_compare(const wr_string *a, const wr_string *b)
{
    cursor x = { wr_string_data(a), wr_string_data(a) + a->length };
    cursor y = { wr_string_data(b), wr_string_data(b) + b->length };
    rank rank_x = rank_at(&x), rank_y = rank_at(&y);
    /* A document that is a scalar counts as a list of one that is less than real lists, so that
     * only the empty list comes before it. */
    if (rank_x < RANK_LIST && rank_y == RANK_LIST)
        return count_items(&y) == 0 ? 1 : -1;
    if (rank_y < RANK_LIST && rank_x == RANK_LIST)
        return count_items(&x) == 0 ? -1 : 1;
    return values_compare(&x, &y);
}
