/* SPDX-License-Identifier: Apache-2.0 */
/* catalog/catalog.c -- relations by name (see catalog.h). */
#include "catalog/catalog.h"

#include <string.h>

enum { NEAREST_MAX = 3, NAME_MAX_COMPARED = 63 };

void
wr_catalog_init(wr_catalog *catalog, wr_arena *arena)
{
    memset(catalog, 0, sizeof *catalog);
    catalog->arena = arena;
    wr_names_init(&catalog->names, arena);
}

static weir_status
catalog_grow(wr_catalog *catalog)
{
    uint32_t capacity = catalog->capacity == 0 ? 16 : catalog->capacity * 2;
    wr_relation **grown = wr_arena_alloc(catalog->arena, capacity * sizeof *grown);
    if (grown == NULL)
        return WEIR_MEMORY;
    if (catalog->count > 0)
        memcpy(grown, catalog->relations, catalog->count * sizeof *grown);
    catalog->relations = grown;
    catalog->capacity = capacity;
    return WEIR_OK;
}

weir_status
wr_catalog_add(wr_catalog *catalog, const wr_relation *relation, weir_error *err)
{
    wr_assert(relation->name != NULL && relation->schema != NULL);
    if (wr_catalog_find(catalog, relation->name) != NULL)
        return wr_error_set(err, WEIR_CONFIG_DUPLICATE_KEY, "relation \"%s\" stands twice",
                            relation->name);
    if (catalog->count == catalog->capacity)
        WR_TRY(catalog_grow(catalog));
    wr_relation *copy = wr_arena_alloc(catalog->arena, sizeof *copy);
    if (copy == NULL || wr_names_add(&catalog->names, relation->name, catalog->count) != WEIR_OK)
        return WEIR_MEMORY;
    *copy = *relation;
    copy->index = catalog->count;
    catalog->relations[catalog->count++] = copy;
    return WEIR_OK;
}

wr_relation *
wr_catalog_find(const wr_catalog *catalog, const char *name)
{
    uint32_t index;
    return wr_names_find(&catalog->names, name, &index) ? catalog->relations[index] : NULL;
}

/* Levenshtein distance of two short names; names beyond NAME_MAX_COMPARED bytes are far from all.
 */
static uint32_t
edit_distance(const char *a, const char *b)
{
    uint32_t row[NAME_MAX_COMPARED + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED)
        return UINT32_MAX;
    for (uint32_t j = 0; j <= m; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= n; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= m; j++) {
            uint32_t above = row[j];
            uint32_t change = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = WR_MIN(WR_MIN(above + 1, row[j - 1] + 1), change);
            diagonal = above;
        }
    }
    return row[m];
}

const char *
wr_catalog_nearest(const wr_catalog *catalog, const char *name)
{
    const char *best = NULL;
    uint32_t best_distance = NEAREST_MAX + 1;
    for (uint32_t i = 0; i < catalog->count; i++) {
        uint32_t d = edit_distance(catalog->relations[i]->name, name);
        if (d < best_distance && (2 * d <= strlen(name) || d == 1) && d < strlen(name)) {
            best_distance = d;
            best = catalog->relations[i]->name;
        }
    }
    return best;
}
