/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec_part.c -- what sources, views and sinks are read with (see spec_impl.h).
 */
#include "engine/spec_impl.h"

#include <string.h>

/* The part of `map` whose keys are in table, as a map of its own; so that two tables can share a
 * map. */
wr_node *
wr_spec_map_part(wr_spec_reader *r, const wr_node *map, const wr_option *table, bool in_table)
{
    wr_node *part = wr_arena_calloc(r->arena, 1, sizeof *part);
    if (part == NULL)
        return NULL;
    *part = *map;
    part->count = 0;
    part->keys = wr_arena_calloc(r->arena, map->count + 1, sizeof *part->keys);
    part->items = wr_arena_calloc(r->arena, map->count + 1, sizeof *part->items);
    if (part->keys == NULL || part->items == NULL)
        return NULL;
    for (uint32_t i = 0; i < map->count; i++) {
        bool found = false;
        for (const wr_option *o = table; o->name != NULL; o++)
            found |= strcmp(o->name, map->keys[i]->text) == 0;
        if (found == in_table) {
            part->keys[part->count] = map->keys[i];
            part->items[part->count++] = map->items[i];
        }
    }
    return part;
}

/* Drop a key that is read apart from its table. */
void
wr_spec_map_without(wr_node *map, const char *key)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) != 0) {
            map->keys[kept] = map->keys[i];
            map->items[kept++] = map->items[i];
        }
    map->count = kept;
}

/* A name of a relation: a SQL identifier in lower case, so that queries need no quotes. */
static bool
name_is_good(const char *name)
{
    if (!(name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z')) || strlen(name) > 63)
        return false;
    for (const char *p = name; *p != '\0'; p++)
        if (!(*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')))
            return false;
    return true;
}

weir_status
wr_spec_name_check(wr_spec_reader *r, const wr_node *key)
{
    if (name_is_good(key->text))
        return WEIR_OK;
    return wr_node_error(
        r->report, key, WEIR_CONFIG_VALUE,
        "use lower-case letters, digits and _, at most 63, so that SQL needs no quotes",
        "`%s` cannot be a name", key->text);
}

/* `format: json` or `format: { csv: {...} }`, on the source/sink or inside its connector. */
const wr_node *
wr_spec_format_node(const wr_node *outer, wr_node *inner)
{
    const wr_node *f = wr_node_get(outer, "format");
    if (f == NULL)
        f = wr_node_get(inner, "format");
    wr_spec_map_without(inner, "format");
    return f;
}

const char *
wr_spec_format_name(wr_spec_reader *r, const wr_node *f, const char *fallback,
                    const wr_node **options)
{
    *options = NULL;
    if (f == NULL)
        return fallback;
    if (f->kind == WR_NODE_SCALAR)
        return f->text;
    if (f->kind == WR_NODE_MAP && f->count == 1) {
        *options = f->items[0];
        return f->keys[0]->text;
    }
    wr_node_error(r->report, f, WEIR_CONFIG_VALUE,
                  "format: json, or format: { csv: { header: true } }",
                  "a format is a name, or one name with its options");
    return NULL;
}

const wr_node *
wr_spec_connector_key(wr_spec_reader *r, const wr_node *name, const wr_node *map,
                      const wr_spec_connector *kind, weir_status *status, wr_node **value)
{
    const wr_node *key = NULL, *under = NULL;
    wr_node *rest = wr_spec_map_part(r, map, kind->common, false);
    *status = WEIR_MEMORY;
    if (rest == NULL)
        return NULL;
    for (uint32_t i = 0; i < rest->count; i++) {
        if (!kind->known(rest->keys[i]->text))
            continue;
        if (key != NULL) {
            *status = wr_node_error(r->report, rest->keys[i], WEIR_CONFIG_VALUE, NULL,
                                    "%s `%s` has two connectors: `%s` and `%s`", kind->what,
                                    name->text, key->text, rest->keys[i]->text);
            return NULL;
        }
        key = rest->keys[i];
        under = rest->items[i];
    }
    if (key == NULL && rest->count == 1) {
        const char *hint = wr_arena_printf(r->arena, "known: %s", kind->names);
        *status = wr_node_error(r->report, rest->keys[0], WEIR_CONFIG_UNKNOWN_KEY, hint,
                                "no connector or option is called `%s`", rest->keys[0]->text);
        return NULL;
    }
    if (key == NULL) {
        const char *hint = wr_arena_printf(r->arena, "one of: %s", kind->names);
        *status = wr_node_error(r->report, name, WEIR_CONFIG_MISSING, hint,
                                "%s `%s` has no connector", kind->what, name->text);
        return NULL;
    }
    *status = WEIR_OK;
    for (uint32_t i = 0; i < rest->count; i++) {
        if (rest->keys[i] == key)
            continue;
        const char *near = wr_option_near(kind->common, rest->keys[i]->text);
        const char *hint = near != NULL ? wr_arena_printf(r->arena, "did you mean `%s`?", near)
                                        : wr_arena_printf(r->arena, "options of `%s` stand under it", key->text);
        *status = wr_node_error(r->report, rest->keys[i], WEIR_CONFIG_UNKNOWN_KEY, hint,
                                "unknown key `%s` in %s `%s`", rest->keys[i]->text, kind->what, name->text);
    }
    *value = wr_arena_calloc(r->arena, 1, sizeof **value);
    if (under->kind == WR_NODE_MAP)
        *value = wr_spec_map_part(r, under, (wr_option[]){ { 0 } }, false);
    else if (*value != NULL)
        **value = *under;
    if (*value == NULL) {
        *status = WEIR_MEMORY;
        return NULL;
    }
    return key;
}
