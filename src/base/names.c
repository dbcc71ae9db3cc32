/* SPDX-License-Identifier: Apache-2.0 */
/* base/names.c -- from a name to a number, by hash (see names.h). */
#include "base/names.h"

#include "base/hash.h"

#include <string.h>

enum { CAPACITY_MIN = 16 };

void
wr_names_init(wr_names *names, wr_arena *arena)
{
    *names = (wr_names){ .arena = arena };
}

/* Where the name stands, or the free slot where it would. */
static wr_name_slot *
names_slot(const wr_names *names, const char *name, size_t length, uint32_t hash)
{
    for (uint32_t i = hash & (names->capacity - 1);; i = (i + 1) & (names->capacity - 1)) {
        wr_name_slot *s = &names->slots[i];
        if (s->name == NULL || (s->hash == hash && strncmp(s->name, name, length) == 0 &&
                                s->name[length] == '\0'))
            return s;
    }
}

static bool
names_grow(wr_names *names, uint32_t capacity)
{
    wr_names grown = *names;
    grown.capacity = capacity;
    grown.slots = wr_arena_calloc(names->arena, grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (uint32_t i = 0; i < names->capacity; i++) {
        const wr_name_slot *s = &names->slots[i];
        if (s->name != NULL)
            *names_slot(&grown, s->name, strlen(s->name), s->hash) = *s;
    }
    *names = grown;
    return true;
}

weir_status
wr_names_reserve(wr_names *names, uint32_t count)
{
    uint32_t capacity = WR_MAX(names->capacity, (uint32_t) CAPACITY_MIN);
    while (4 * (uint64_t) count > 3 * (uint64_t) capacity)
        capacity *= 2;
    return capacity <= names->capacity || names_grow(names, capacity) ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_names_add(wr_names *names, const char *name, uint32_t value)
{
    size_t   length = strlen(name);
    uint32_t hash = (uint32_t) wr_hash_bytes(name, length);
    WR_TRY(wr_names_reserve(names, names->count + 1));
    wr_name_slot *s = names_slot(names, name, length, hash);
    if (s->name != NULL) /* K1 */
        return WEIR_OK;
    *s = (wr_name_slot){ name, hash, value };
    names->count++;
    return WEIR_OK;
}

const char *
wr_names_intern(wr_names *names, const char *text)
{
    size_t   length = strlen(text);
    uint32_t hash = (uint32_t) wr_hash_bytes(text, length);
    if (wr_names_reserve(names, names->count + 1) != WEIR_OK)
        return NULL;
    wr_name_slot *s = names_slot(names, text, length, hash);
    if (s->name == NULL) {
        const char *copy = wr_arena_strndup(names->arena, text, length);
        if (copy == NULL)
            return NULL;
        *s = (wr_name_slot){ copy, hash, names->count++ };
    }
    return s->name;
}

bool
wr_names_find_bytes(const wr_names *names, const char *name, size_t length, uint32_t *value)
{
    if (names->count == 0)
        return false;
    const wr_name_slot *s =
        names_slot(names, name, length, (uint32_t) wr_hash_bytes(name, length));
    if (s->name == NULL)
        return false;
    *value = s->value;
    return true;
}

bool
wr_names_find(const wr_names *names, const char *name, uint32_t *value)
{
    return wr_names_find_bytes(names, name, strlen(name), value);
}
