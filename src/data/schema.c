/* SPDX-License-Identifier: Apache-2.0 */
/* data/schema.c -- names and types of a relation (see schema.h). */
#include "data/schema.h"

#include "base/hash.h"

#include <string.h>

wr_schema *
wr_schema_create(wr_arena *arena, uint32_t field_count)
{
    wr_schema *s = wr_arena_calloc(arena, 1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->fields = wr_arena_calloc(arena, field_count, sizeof *s->fields);
    if (s->fields == NULL)
        return NULL;
    s->field_count = field_count;
    s->kind = WR_INSERT_ONLY;
    s->time_column = -1;
    return s;
}

static bool
field_copy(wr_arena *arena, const wr_field *from, wr_field *to)
{
    *to = *from;
    if (from->name != NULL && (to->name = wr_arena_strdup(arena, from->name)) == NULL)
        return false;
    return from->path == NULL || (to->path = wr_arena_strdup(arena, from->path)) != NULL;
}

wr_schema *
wr_schema_copy(wr_arena *arena, const wr_schema *schema)
{
    wr_schema *s = wr_schema_create(arena, schema->field_count);
    if (s == NULL)
        return NULL;
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (!field_copy(arena, &schema->fields[i], &s->fields[i]))
            return NULL;
    s->kind = schema->kind;
    s->time_column = schema->time_column;
    s->key_ages = schema->key_ages;
    if (schema->key_count > 0) {
        s->key = wr_arena_alloc(arena, schema->key_count * sizeof *s->key);
        if (s->key == NULL)
            return NULL;
        memcpy(s->key, schema->key, schema->key_count * sizeof *s->key);
        s->key_count = schema->key_count;
    }
    return s;
}

int32_t
wr_schema_find(const wr_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].name != NULL && strcmp(schema->fields[i].name, name) == 0)
            return (int32_t) i;
    return -1;
}

uint64_t
wr_schema_fingerprint(const wr_schema *schema)
{
    XXH64_state_t state;
    XXH64_reset(&state, 0);
    uint32_t head[3] = { schema->field_count, (uint32_t) schema->kind, schema->key_count };
    XXH64_update(&state, head, sizeof head);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const wr_field *f = &schema->fields[i];
        const char     *name = f->name != NULL ? f->name : "";
        int32_t type[4] = { f->type.id, f->type.element, f->type.scale, f->type.modifier };
        XXH64_update(&state, name, strlen(name) + 1); /* its NUL ends it */
        XXH64_update(&state, type, sizeof type);
    }
    for (uint32_t i = 0; i < schema->key_count; i++)
        XXH64_update(&state, &schema->key[i], sizeof schema->key[i]);
    return XXH64_digest(&state);
}
