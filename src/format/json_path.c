/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_path.c -- columns' paths become a tree of keys, with one hash table of (parent, key).
 *
 * A column without a path is read from the member of its name.  A path is '$' and then any of
 * .key  ."key"  ['key']  ["key"]  [n]; inside quotes a backslash takes the next byte as it is.
 */
#include "format/json_impl.h"

#include "base/hash.h"

uint32_t
wr_json_node_hash(uint32_t parent, const char *key, size_t length)
{
    return (uint32_t) wr_hash_u64(wr_hash_bytes(key, length), parent);
}

uint32_t
wr_json_node_find(const json_decoder *d, uint32_t parent, const char *key, size_t length)
{
    uint32_t at = wr_json_node_hash(parent, key, length) & d->table_mask;
    for (; d->table[at] != JSON_NO_NODE; at = (at + 1) & d->table_mask) {
        const json_node *n = &d->nodes[d->table[at]];
        if (n->parent == parent && n->key != NULL && n->key_length == length &&
            memcmp(n->key, key, length) == 0)
            return d->table[at];
    }
    return JSON_NO_NODE;
}

/* The child of parent with this key (NULL: with this index), made if it is not there. */
static uint32_t
node_add(json_decoder *d, uint32_t parent, const char *key, size_t length, uint32_t index)
{
    uint32_t *link = &d->nodes[parent].first_child;
    for (; *link != JSON_NO_NODE; link = &d->nodes[*link].next_sibling) {
        const json_node *n = &d->nodes[*link];
        if (key != NULL ? n->key != NULL && n->key_length == length &&
                              memcmp(n->key, key, length) == 0
                        : n->key == NULL && n->index == index)
            return *link;
    }
    uint32_t id = d->node_count++;
    *link = id;
    d->nodes[id] = (json_node){ .key = key,
                                .key_length = (uint32_t) length,
                                .index = index,
                                .parent = parent,
                                .first_child = JSON_NO_NODE,
                                .next_sibling = JSON_NO_NODE,
                                .field = -1 };
    return id;
}

/* One step of a path at *p: a key (written to `to`, without its backslashes) or an index (key is
 * NULL then).  False: malformed. */
static bool
path_step(const char **p, char *to, const char **key, size_t *length, uint32_t *index)
{
    const char *s = *p;
    bool        bracket = *s == '[';
    *key = NULL;
    *length = 0;
    if (*s != '.' && !bracket)
        return false;
    s++;
    if (bracket && *s >= '0' && *s <= '9') {
        uint64_t n = 0;
        for (; *s >= '0' && *s <= '9' && n < UINT32_MAX; s++)
            n = n * 10 + (uint64_t) (*s - '0');
        if (*s != ']' || n >= UINT32_MAX)
            return false;
        *index = (uint32_t) n;
        *p = s + 1;
        return true;
    }
    char quote = *s == '"' || (bracket && *s == '\'') ? *s++ : '\0';
    if (bracket && quote == '\0')
        return false;
    *key = to;
    while (quote != '\0' ? *s != quote : *s != '\0' && *s != '.' && *s != '[') {
        if (quote != '\0' && *s == '\\')
            s++;
        if (*s == '\0')
            return false;
        *to++ = *s++;
    }
    *length = (size_t) (to - *key);
    if (quote != '\0')
        s++;
    if (bracket && *s++ != ']')
        return false;
    *p = s;
    return *length > 0 || quote != '\0';
}

static uint32_t
steps_in(const wr_schema *schema)
{
    uint32_t count = 1;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const char *p = schema->fields[i].path;
        count++;
        for (; p != NULL && *p != '\0'; p++)
            count += *p == '.' || *p == '[';
    }
    return count;
}

static weir_status
field_place(json_decoder *d, uint32_t field, weir_error *err)
{
    const wr_field *f = &d->schema->fields[field];
    uint32_t        node = 0, depth = 0;
    if (f->path == NULL) {
        node = node_add(d, 0, f->name, strlen(f->name), 0);
    } else {
        const char *p = f->path, *key;
        char       *keys = wr_arena_alloc(&d->arena, strlen(p) + 1);
        size_t      length;
        uint32_t    index = 0;
        if (keys == NULL)
            return wr_error_set(err, WEIR_MEMORY, "no memory for a JSON decoder");
        bool        good = *p++ == '$';
        while (good && *p != '\0') {
            good = path_step(&p, keys, &key, &length, &index) && ++depth < JSON_DEPTH_MAX;
            if (good)
                node = node_add(d, node, key, length, index);
            keys += length;
        }
        if (!good)
            return wr_error_set(err, WEIR_CONFIG_VALUE,
                                "the path \"%s\" of column %s is not like '$.key[0].key'", f->path,
                                f->name);
    }
    d->field_next[field] = d->nodes[node].field;
    d->nodes[node].field = (int32_t) field;
    return WEIR_OK;
}

weir_status
wr_json_paths_build(json_decoder *d, const uint64_t *needed, weir_error *err)
{
    uint32_t count = d->schema->field_count, slots = 16, nodes_max = steps_in(d->schema);
    while (slots < nodes_max * 4)
        slots *= 2;
    d->nodes = wr_arena_calloc(&d->arena, nodes_max, sizeof *d->nodes);
    d->table = wr_arena_alloc(&d->arena, slots * sizeof *d->table);
    d->field_next = wr_arena_calloc(&d->arena, count + 1, sizeof *d->field_next);
    d->wanted = wr_arena_calloc(&d->arena, count + 1, sizeof *d->wanted);
    d->seen = wr_arena_calloc(&d->arena, count + 1, sizeof *d->seen);
    if (d->nodes == NULL || d->table == NULL || d->field_next == NULL || d->wanted == NULL ||
        d->seen == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a JSON decoder");
    d->table_mask = slots - 1;
    memset(d->table, 0xff, slots * sizeof *d->table);
    d->node_count = 1;
    d->nodes[0] = (json_node){ .parent = JSON_NO_NODE,
                               .first_child = JSON_NO_NODE,
                               .next_sibling = JSON_NO_NODE,
                               .field = -1 };
    for (uint32_t i = count; i-- > 0;) {
        d->wanted[i] = !d->schema->fields[i].hidden && wr_bitmap_get(needed, i);
        if (d->wanted[i])
            WR_TRY(field_place(d, i, err));
    }
    for (uint32_t i = 1; i < d->node_count; i++) {
        const json_node *n = &d->nodes[i];
        if (n->key == NULL)
            continue;
        uint32_t at = wr_json_node_hash(n->parent, n->key, n->key_length) & d->table_mask;
        while (d->table[at] != JSON_NO_NODE)
            at = (at + 1) & d->table_mask;
        d->table[at] = i;
    }
    return WEIR_OK;
}
