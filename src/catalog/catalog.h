/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog/catalog.h -- the relations a statement may name: sources, views, their side streams.
 *
 * Place       the engine fills it from pipeline files (or `weir query --input`); sql/ looks names up;
 *             plan/ reads schemas and bounds.
 * State       an arena of relations, sorted by insertion; names are unique, compared exactly.
 */
#pragma once

#include "base/names.h"
#include "data/schema.h"

typedef enum wr_relation_role {
    WR_ROLE_SOURCE,
    WR_ROLE_VIEW,
    WR_ROLE_SIDE,
    WR_ROLE_SHARED, /* a part of several plans, run once (plan/share.h); no statement can name it */
} wr_relation_role;

typedef struct wr_relation wr_relation;
struct wr_relation {
    const char      *name;    /* "bids", "bids.dead_letter", "per_auction.late"       */
    wr_relation_role role;
    const wr_schema *schema;
    bool             bounded; /* it ends by itself: a file read once, VALUES          */
    bool             keyed;   /* the rows that stand at any time are bounded by keys  */
    uint8_t          late;    /* source: wr_late_policy inherited by windowed views   */
    uint64_t         rows;    /* about how many there are; 0: not known               */
    uint32_t         index;   /* position in the catalog                              */
    void            *user;    /* the engine's                                         */
    const struct wr_plan *plan; /* VIEW: the plan that alone decides its rows; NULL: more does */
    const void      *shared;  /* SHARED: its wr_plan_shared                            */
    wr_relation     *upserts; /* a source with a key: the rows as they were read; no statement can name it */
};

typedef struct wr_catalog {
    wr_arena     *arena; /* borrowed */
    wr_relation **relations;
    uint32_t      count, capacity;
    wr_names      names; /* to an index in relations */
    /* FROM read_json('path') / read_csv('path'): gives the relation of a file.  NULL: refused here. */
    weir_status (*open_file)(void *user, const char *function, const char *path, wr_relation **relation,
                             weir_error *err);
    void         *open_file_user;
} wr_catalog;

void         wr_catalog_init(wr_catalog *catalog, wr_arena *arena);
/* Adds a copy of relation (schema and name are borrowed and must outlive the catalog). Error: CONFIG_DUPLICATE_KEY. */
weir_status  wr_catalog_add(wr_catalog *catalog, const wr_relation *relation, weir_error *err);
wr_relation *wr_catalog_find(const wr_catalog *catalog, const char *name);
/* The known name nearest to name (base/nearest.h), or NULL: for "did you mean". */
const char  *wr_catalog_nearest(const wr_catalog *catalog, const char *name);
