/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_decode.c -- the parser of one record: strict, complete, and the judge of all doubt.
 *
 * It walks the record and the tree of wanted places together.  While learning, it notes where
 * each value lies, so that shape.c can make a shape of the bytes in between.  A member that
 * leads to a wanted place but is no container (null, say) is no value of the shape: its bytes
 * belong to the literal, so that another kind of member there is another shape.
 */
#include "format/json_impl.h"

static const char *members_read(json_decoder *d, const char *p, const char *end, uint32_t node,
                                unsigned depth);
static const char *items_read(json_decoder *d, const char *p, const char *end, uint32_t node,
                              unsigned depth);

/* A repeated member takes back what the first one gave. */
static void
node_forget(json_decoder *d, uint32_t node)
{
    for (int32_t f = d->paths.nodes[node].field; f >= 0; f = d->paths.field_next[f])
        d->seen[f] = d->record - 1;
    for (uint32_t c = d->paths.nodes[node].first_child; c != WR_PATH_NONE;
         c = d->paths.nodes[c].next_sibling)
        node_forget(d, c);
}

/* The value of a place lay there. */
static void
value_note(json_decoder *d, const char *begin, const char *after, uint32_t node, unsigned depth)
{
    int32_t        field = node != WR_PATH_NONE ? d->paths.nodes[node].field : -1;
    wr_shape_value v = { begin, after, 0, WR_CELL_SKIP, (uint8_t) depth };
    if (field >= 0) {
        v.field = (uint16_t) field;
        v.kind = d->paths.field_next[field] >= 0 ? WR_CELL_OTHER : d->cells[field].kind;
    }
    wr_shapes_note(&d->shapes, v);
}

/* The value at p (no blank) of a place, WR_PATH_NONE where nobody wants it. */
static const char *
value_read(json_decoder *d, const char *p, const char *end, uint32_t node, unsigned depth)
{
    const char *q = NULL;
    bool        inner = node != WR_PATH_NONE && d->paths.nodes[node].first_child != WR_PATH_NONE;
    int32_t     field = node != WR_PATH_NONE ? d->paths.nodes[node].field : -1;
    if (node != WR_PATH_NONE) {
        if (d->paths.nodes[node].seen == d->record) {
            d->shapes.learning = false;
            node_forget(d, node);
        }
        d->paths.nodes[node].seen = d->record;
    }
    if (inner) {
        if (field >= 0)
            d->shapes.learning = false; /* read twice: whole, and in part */
        if (*p == '{')
            q = members_read(d, p, end, node, depth);
        else if (*p == '[')
            q = items_read(d, p, end, node, depth);
        else
            q = wr_json_value_skip(d, p, end, depth);
        if (q == NULL)
            return NULL;
    }
    if (field >= 0) {
        if ((q = wr_json_leaf_read(d, p, end, field, depth)) == NULL)
            return NULL;
        for (; field >= 0; field = d->paths.field_next[field])
            d->seen[field] = d->record;
    } else if (!inner && (q = wr_json_value_skip(d, p, end, depth)) == NULL) {
        return NULL;
    }
    if (d->shapes.learning && !inner)
        value_note(d, p, q, node, depth);
    return q;
}

/* The byte that must follow, after blanks; `text` when another one does. */
static inline const char *
mark_read(json_decoder *d, const char *p, const char *end, char mark, const char *text)
{
    p = json_blanks_skip(p, end);
    if (p == end)
        return wr_json_fault(d, JSON_SHORT, end, "");
    return *p == mark ? p + 1 : wr_json_fault(d, JSON_SYNTAX, p, text);
}

static const char *
members_read(json_decoder *d, const char *p, const char *end, uint32_t node, unsigned depth)
{
    const char *s;
    size_t      n;
    uint32_t    guess = d->paths.nodes[node].first_child;
    if (++depth > JSON_DEPTH_MAX)
        return wr_json_fault(d, JSON_SYNTAX, p, "nested deeper than 64");
    p = json_blanks_skip(p + 1, end);
    if (p < end && *p == '}')
        return p + 1;
    for (;;) {
        if (p == end)
            return wr_json_fault(d, JSON_SHORT, end, "");
        if (*p != '"')
            return wr_json_fault(d, JSON_SYNTAX, p, "expected a key in quotes");
        if ((p = wr_json_string_read(d, p, end, &s, &n)) == NULL)
            return NULL;
        uint32_t child = wr_path_guess(&d->paths, node, guess, s, n);
        if (child != WR_PATH_NONE)
            guess = d->paths.nodes[child].next_sibling;
        if ((p = mark_read(d, p, end, ':', "expected ':'")) == NULL)
            return NULL;
        p = json_blanks_skip(p, end);
        if (p == end)
            return wr_json_fault(d, JSON_SHORT, end, "");
        if ((p = value_read(d, p, end, child, depth)) == NULL)
            return NULL;
        p = json_blanks_skip(p, end);
        if (p == end)
            return wr_json_fault(d, JSON_SHORT, end, "");
        if (*p == '}')
            return p + 1;
        if (*p != ',')
            return wr_json_fault(d, JSON_SYNTAX, p, "expected ',' or '}'");
        p = json_blanks_skip(p + 1, end);
    }
}

static const char *
items_read(json_decoder *d, const char *p, const char *end, uint32_t node, unsigned depth)
{
    if (++depth > JSON_DEPTH_MAX)
        return wr_json_fault(d, JSON_SYNTAX, p, "nested deeper than 64");
    p = json_blanks_skip(p + 1, end);
    if (p < end && *p == ']')
        return p + 1;
    for (uint32_t index = 0;; index++) {
        if (p == end)
            return wr_json_fault(d, JSON_SHORT, end, "");
        uint32_t child = wr_path_item(&d->paths, node, index);
        if ((p = value_read(d, p, end, child, depth)) == NULL)
            return NULL;
        p = json_blanks_skip(p, end);
        if (p == end)
            return wr_json_fault(d, JSON_SHORT, end, "");
        if (*p == ']')
            return p + 1;
        if (*p != ',')
            return wr_json_fault(d, JSON_SYNTAX, p, "expected ',' or ']'");
        p = json_blanks_skip(p + 1, end);
    }
}

/* NULL for every wanted column that the record had not. */
static void
missing_fill(json_decoder *d)
{
    for (uint32_t f = 0; f < d->schema->field_count; f++) {
        if (!d->paths.wanted[f] || d->seen[f] == d->record)
            continue;
        weir_status status = wr_cell_put_null(&d->cells[f], d->columns[f], d->shapes.row, &d->scratch);
        if (status != WEIR_OK)
            wr_json_bad(d, status, (int32_t) f, "missing, and the column is declared NOT NULL");
    }
}

const char *
wr_json_record_read(json_decoder *d, const char *p, const char *end)
{
    wr_assert(p < end && *p == '{');
    d->begin = p;
    d->fault = JSON_FINE;
    d->bad_code = WEIR_OK;
    if (++d->record == 0) { /* after 2^32 records: no stale mark may look new */
        memset(d->seen, 0, d->schema->field_count * sizeof *d->seen);
        for (uint32_t i = 0; i < d->paths.node_count; i++)
            d->paths.nodes[i].seen = 0;
        d->record = 1;
    }
    wr_arena_reset(&d->scratch.arena);
    p = value_read(d, p, end, 0, 0);
    if (p == NULL)
        return NULL;
    missing_fill(d);
    return d->fault == JSON_MEMORY ? NULL : p;
}
