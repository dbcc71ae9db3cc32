/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/path_impl.h -- where in a record each column is: a tree of keys, one hash table over it.
 *
 * Place       JSON and MessagePack records are walked together with the tree.
 * Paths       a column without one is the member of its name.  A path is '$' and then any of
 *             .key  ."key"  ['key']  ["key"]  [n]; inside quotes a backslash takes the next byte.
 */
#pragma once

#include "format/format.h"

#include <string.h>

enum { WR_PATH_DEPTH_MAX = 64 };
#define WR_PATH_NONE UINT32_MAX

/* A place in a record that some column wants, or that leads to one. */
typedef struct wr_path_node {
    const char *key; /* NULL: item `index` of a list */
    uint32_t    key_length, index;
    uint32_t    parent, first_child, next_sibling;
    int32_t     field; /* the first column read here, -1: none; others by field_next */
    uint32_t    seen;  /* the decoder's: the record it was last met in               */
} wr_path_node;

typedef struct wr_paths {
    const wr_schema *schema;
    wr_path_node    *nodes; /* 0 is the record itself */
    uint32_t         node_count;
    bool            *wanted;     /* by column: needed, and not hidden                  */
    int32_t         *field_next; /* by column: another one of the same place, -1: none */
    uint32_t        *table;      /* hash of (parent, key) -> node, WR_PATH_NONE: free  */
    uint32_t         table_mask;
} wr_paths;

/* All in arena.  Errors: CONFIG_VALUE (a malformed path), MEMORY. */
weir_status wr_paths_build(wr_paths *paths, wr_arena *arena, const wr_schema *schema,
                           const uint64_t *needed, weir_error *err);
/* The child of parent by its key; WR_PATH_NONE. */
uint32_t wr_path_find(const wr_paths *paths, uint32_t parent, const char *key, size_t length);

static inline uint32_t
wr_path_item(const wr_paths *paths, uint32_t parent, uint32_t index)
{
    uint32_t child = paths->nodes[parent].first_child;
    while (child != WR_PATH_NONE &&
           (paths->nodes[child].key != NULL || paths->nodes[child].index != index))
        child = paths->nodes[child].next_sibling;
    return child;
}

/* The child that a key names: the one after the last one met (guess), usually. */
static inline uint32_t
wr_path_guess(const wr_paths *paths, uint32_t parent, uint32_t guess, const char *key,
              size_t length)
{
    if (guess != WR_PATH_NONE) {
        const wr_path_node *c = &paths->nodes[guess];
        if (c->key != NULL && c->key_length == length && memcmp(c->key, key, length) == 0)
            return guess;
    }
    return wr_path_find(paths, parent, key, length);
}
