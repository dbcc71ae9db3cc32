/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/schema.h -- names and types of a relation's columns, and what kind of relation it is.
 */
#pragma once

#include "data/type.h"

/* What a row means (design 12.6). */
typedef enum wr_relation_kind {
    WR_INSERT_ONLY, /* every row is new                                    */
    WR_UPSERT,      /* a row replaces the one with its key; diff -1: delete */
    WR_CHANGELOG,   /* a bag of rows with diff                             */
} wr_relation_kind;

/*
 * Watermarks pass through operators unchanged; what they promise about a column is an offset that
 * the plan knows: after watermark W no row has column < W + watermark_offset.  A source's time
 * column has 0; window_start of size s has 1 - s, window_end 1 (a window that ends at W is done).
 */
#define WR_NO_WATERMARK INT64_MIN

typedef struct wr_field {
    const char *name;
    wr_type     type;
    bool        not_null;
    bool        hidden;  /* not in `*`: _key, _offset, _partition, _timestamp             */
    uint32_t    moment;  /* times of one schema with one moment (0: none) differ by moment_us alone */
    int64_t     moment_us;
    int64_t     watermark_offset; /* microseconds, or WR_NO_WATERMARK                     */
    const char *path;    /* sources: where in the record ("$.meta.channel"), NULL = by name */
} wr_field;

typedef struct wr_schema {
    wr_field        *fields;
    uint32_t         field_count;
    wr_relation_kind kind;
    uint32_t        *key;         /* key columns: UPSERT's key, or a known unique key      */
    uint32_t         key_count;   /* 0: none known                                         */
    bool             key_ages;    /* a ttl leaves rows behind: of a key's rows the last one counts */
    int32_t          time_column; /* the column the watermark speaks of; -1: none          */
} wr_schema;

wr_schema *wr_schema_create(wr_arena *arena, uint32_t field_count); /* INSERT_ONLY, no key, no time */
wr_schema *wr_schema_copy(wr_arena *arena, const wr_schema *schema);
int32_t    wr_schema_find(const wr_schema *schema, const char *name); /* -1: absent */
/* A hash of names, types, kind and key: part of a checkpoint's fingerprint. */
uint64_t   wr_schema_fingerprint(const wr_schema *schema);
