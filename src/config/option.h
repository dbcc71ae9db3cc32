/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config/option.h -- options declared once, in a table beside what they configure.
 *
 * A table feeds reading, defaults, bounds, `weir help NAME`, the JSON schema and the docs.  Values
 * land in a plain struct at `offset`; its char * members point into the arena they were read into.
 */
#pragma once

#include "base/arena.h"

typedef enum wr_option_type {
    WR_OPT_STRING,   /* const char *                                     */
    WR_OPT_SECRET,   /* const char *; printed as ***                     */
    WR_OPT_INTEGER,  /* int64_t                                          */
    WR_OPT_BOOL,     /* bool                                             */
    WR_OPT_DURATION, /* int64_t microseconds; "10s", "5 min", "250ms"    */
    WR_OPT_BYTES,    /* int64_t; "64MB", "1MiB"                          */
    WR_OPT_RATE,     /* double per second; "20/s"                        */
    WR_OPT_ENUM,     /* int; `choices` is "drop|dead_letter|update"      */
    WR_OPT_LIST,     /* wr_option_list of strings; a scalar is a list of one, "a,b" splits */
    WR_OPT_MAP,      /* wr_option_map: any keys to strings               */
    WR_OPT_PATH,     /* const char *; relative to the file that has it   */
    WR_OPT_GROUP,    /* bool: it is there; a map read by the table `group`, into the same struct */
} wr_option_type;

typedef struct wr_option_list {
    const char **items;
    uint32_t     count;
} wr_option_list;
typedef struct wr_option_map {
    const char **keys, **values;
    uint32_t     count;
} wr_option_map;

typedef struct wr_option {
    const char    *name;
    wr_option_type type;
    uint32_t       offset;     /* into the struct          */
    bool           required;
    const char    *fallback;   /* default, as text; NULL   */
    double         low, high;  /* bounds when low < high   */
    const char    *choices;
    const char    *doc;
    const struct wr_option *group;
} wr_option;
/* A table ends with a row whose name is NULL. */
