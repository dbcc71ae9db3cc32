/* SPDX-License-Identifier: Apache-2.0 */
/* format/path.c -- columns' paths become a tree of keys (see path_impl.h). */
#include "format/path_impl.h"

#include "base/hash.h"

static uint32_t
node_hash(uint32_t parent, const char *key, size_t length)
{
    return (uint32_t) wr_hash_u64(wr_hash_bytes(key, length), parent);
}

uint32_t
wr_path_find(const wr_paths *t, uint32_t parent, const char *key, size_t length)
{
    uint32_t at = node_hash(parent, key, length) & t->table_mask;
    for (; t->table[at] != WR_PATH_NONE; at = (at + 1) & t->table_mask) {
        const wr_path_node *n = &t->nodes[t->table[at]];
        if (n->parent == parent && n->key != NULL && n->key_length == length &&
            memcmp(n->key, key, length) == 0)
            return t->table[at];
    }
    return WR_PATH_NONE;
}

/* The child of parent with this key (NULL: with this index), made if it is not there. */
static uint32_t
node_add(wr_paths *t, uint32_t parent, const char *key, size_t length, uint32_t index)
{
    uint32_t *link = &t->nodes[parent].first_child;
    for (; *link != WR_PATH_NONE; link = &t->nodes[*link].next_sibling) {
        const wr_path_node *n = &t->nodes[*link];
        if (key != NULL ? n->key != NULL && n->key_length == length &&
                              memcmp(n->key, key, length) == 0
                        : n->key == NULL && n->index == index)
            return *link;
    }
    uint32_t id = t->node_count++;
    *link = id;
    t->nodes[id] = (wr_path_node){
        .key = key,
        .key_length = (uint32_t) length,
        .index = index,
        .parent = parent,
        .first_child = WR_PATH_NONE,
        .next_sibling = WR_PATH_NONE,
        .field = -1,
    };
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
field_place(wr_paths *t, wr_arena *arena, uint32_t field, weir_error *err)
{
    const wr_field *f = &t->schema->fields[field];
    uint32_t        node = 0, depth = 0;
    if (f->path == NULL) {
        node = node_add(t, 0, f->name, strlen(f->name), 0);
    } else {
        const char *p = f->path, *key;
        char       *keys = wr_arena_alloc(arena, strlen(p) + 1);
        size_t      length;
        uint32_t    index = 0;
        if (keys == NULL)
            return wr_error_set(err, WEIR_MEMORY, "no memory for the columns' paths");
        bool        good = *p++ == '$';
        while (good && *p != '\0') {
            good = path_step(&p, keys, &key, &length, &index) && ++depth < WR_PATH_DEPTH_MAX;
            if (good)
                node = node_add(t, node, key, length, index);
            keys += length;
        }
        if (!good)
            return wr_error_set(err, WEIR_CONFIG_VALUE,
                                "the path \"%s\" of column %s is not like '$.key[0].key'", f->path,
                                f->name);
    }
    t->field_next[field] = t->nodes[node].field;
    t->nodes[node].field = (int32_t) field;
    return WEIR_OK;
}

weir_status
wr_paths_build(wr_paths *t, wr_arena *arena, const wr_schema *schema, const uint64_t *needed,
               weir_error *err)
{
    t->schema = schema;
    uint32_t count = t->schema->field_count, slots = 16, nodes_max = steps_in(t->schema);
    while (slots < nodes_max * 4)
        slots *= 2;
    t->nodes = wr_arena_calloc(arena, nodes_max, sizeof *t->nodes);
    t->table = wr_arena_alloc(arena, slots * sizeof *t->table);
    t->field_next = wr_arena_calloc(arena, count + 1, sizeof *t->field_next);
    t->wanted = wr_arena_calloc(arena, count + 1, sizeof *t->wanted);
    if (t->nodes == NULL || t->table == NULL || t->field_next == NULL || t->wanted == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for the columns' paths");
    t->table_mask = slots - 1;
    memset(t->table, 0xff, slots * sizeof *t->table);
    t->node_count = 1;
    t->nodes[0] = (wr_path_node){
        .parent = WR_PATH_NONE,
        .first_child = WR_PATH_NONE,
        .next_sibling = WR_PATH_NONE,
        .field = -1,
    };
    for (uint32_t i = 0; i < count; i++) { /* siblings in the order that records mostly have */
        t->wanted[i] = !t->schema->fields[i].hidden && wr_bitmap_get(needed, i);
        if (t->wanted[i])
            WR_TRY(field_place(t, arena, i, err));
    }
    for (uint32_t i = 1; i < t->node_count; i++) {
        const wr_path_node *n = &t->nodes[i];
        if (n->key == NULL)
            continue;
        uint32_t at = node_hash(n->parent, n->key, n->key_length) & t->table_mask;
        while (t->table[at] != WR_PATH_NONE)
            at = (at + 1) & t->table_mask;
        t->table[at] = i;
    }
    return WEIR_OK;
}
