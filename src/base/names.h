/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/names.h -- from a name to a number: places of named things in arrays, looked up by hash.
 *
 * State       a table of slots in an arena, at most three quarters full; nothing before the first name.
 * Invariants  K1  a name stands once, with the number it was first given; names are borrowed and
 *                 outlive the table
 * Cost        one or two comparisons a look-up; 16 bytes a slot
 */
#pragma once

#include "base/arena.h"

typedef struct wr_name_slot {
    const char *name; /* NULL: free */
    uint32_t    hash, value;
} wr_name_slot;

typedef struct wr_names {
    wr_arena     *arena; /* borrowed */
    wr_name_slot *slots;
    uint32_t      capacity, count;
} wr_names;

void        wr_names_init(wr_names *names, wr_arena *arena);
/* Room for so many names in all: a table that does not grow leaves none behind in the arena. */
weir_status wr_names_reserve(wr_names *names, uint32_t count);
/* Borrows name.  One that is there keeps its number. */
weir_status wr_names_add(wr_names *names, const char *name, uint32_t value);
/* The one copy of a string that all who ask share; made in the arena when it is new.  NULL: no memory. */
const char *wr_names_intern(wr_names *names, const char *text);
/* false: absent. */
bool        wr_names_find(const wr_names *names, const char *name, uint32_t *value);
bool        wr_names_find_bytes(const wr_names *names, const char *name, size_t length, uint32_t *value);
