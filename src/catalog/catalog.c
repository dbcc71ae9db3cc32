/* SPDX-License-Identifier: Apache-2.0 */
/* catalog/catalog.c -- relations by name (see catalog.h). */
#include "catalog/catalog.h"

#include "base/nearest.h"

#include <string.h>

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

const char *
wr_catalog_nearest(const wr_catalog *catalog, const char *name)
{
    wr_nearest nearest;
    wr_nearest_init(&nearest, name);
    for (uint32_t i = 0; i < catalog->count; i++)
        wr_nearest_offer(&nearest, catalog->relations[i]->name);
    return nearest.best;
}
