/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/versions.h -- the versions of each key by time: which one stood at a moment?
 *
 * Layout      a group table of keys; each has an array of versions in the order of their times, those
 *             of one time in the order they came.  Rows lie elsewhere: a version holds a number.
 *                 key -> [ (time, own, sequence, from, row, gone) ... ]
 *             `from`: a version that came late is not seen at moments before it.  `gone`: from here on
 *             the key has nothing; it ends the version before it.  `own`: of versions of one time the
 *             one with the latest own time is the last, of these the one that came last.
 * Invariants  V1  an array is sorted when it is read; what comes in order is appended
 *             V2  prune(P) lets a version go when a later one lies before P, or when it is older than
 *                 P - reach: at moments from P on nobody would see it.  An end before P goes once
 *                 there is no version before it
 *             V3  a key that holds something prune may let go one day stands in the heap, by a time
 *                 not after the one when that is so
 * Cost        an append; a binary search; pruning: a heap entry a version.
 * Threads: one.
 */
#pragma once

#include "state/group_table.h"

#define WR_VERSION_NONE UINT32_MAX

typedef struct wr_version {
    wr_time  time, own, from;
    uint64_t sequence;
    uint32_t row;
    bool     gone;
} wr_version;

typedef struct wr_versions_due {
    wr_time  time;
    uint32_t key, spare;
} wr_versions_due;

typedef struct wr_versions {
    wr_budget           *budget;
    const wr_key_layout *layout;
    wr_group_table       keys;
    int64_t              reach; /* how far back a version is seen; INT64_MAX: for ever */
    uint64_t             count;
    wr_versions_due     *due;
    uint32_t             due_count, due_capacity;
} wr_versions;

void wr_versions_init(wr_versions *v, wr_budget *budget, const wr_key_layout *layout,
                      int64_t reach);
void wr_versions_fini(wr_versions *v);
/* A version of keys[which].  Its row stays the caller's until prune gives it back. */
weir_status wr_versions_add(wr_versions *v, const wr_row_keys *keys, uint16_t which,
                            const wr_version *version);
/* The row of the last version of keys[which] at or before t (strict: before t) that is seen at t and
 * not older than t - reach; NONE when there is none, or the key is gone. */
uint32_t wr_versions_find(wr_versions *v, const wr_row_keys *keys, uint16_t which, wr_time t,
                          bool strict);
/* What stands last of keys[which], and when; START: nothing. */
typedef struct wr_version_last {
    wr_time time; /* of the last version, or end               */
    bool    stands;
} wr_version_last;
wr_version_last wr_versions_last(wr_versions *v, const wr_row_keys *keys, uint16_t which);
/* The latest time at which keys[which] was gone, of those that are kept; START: never. */
wr_time         wr_versions_cut(const wr_versions *v, const wr_row_keys *keys, uint16_t which);
/* V2, up to max rows; *count == max: call again. */
weir_status wr_versions_prune(wr_versions *v, wr_time watermark, uint32_t *rows, uint32_t max,
                              uint32_t *count);
void        wr_versions_clear(wr_versions *v);
