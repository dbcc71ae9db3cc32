/* SPDX-License-Identifier: Apache-2.0 */
/* config/options.c -- a mapping into a struct by its option table (see options.h). */
#include "config/options.h"

#include "base/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
type_name(wr_option_type type)
{
    static const char *const names[] = {
        "text",          "secret", "whole number", "true or false", "duration",
        "size in bytes", "rate",   "choice",       "list",          "map",
        "file",          "map"
    };
    return names[type];
}

static weir_status
enum_set(const wr_option *o, const char *text, int *place, weir_error *err)
{
    int index = 0;
    const char *at = o->choices;
    size_t length = strlen(text);
    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, "|");
        if (n == length && memcmp(at, text, n) == 0) {
            *place = index;
            return WEIR_OK;
        }
        index++;
        at += n + (at[n] == '|');
    }
    weir_status s =
        wr_error_set(err, WEIR_CONFIG_VALUE, "`%.60s` is not a choice of `%s`", text, o->name);
    wr_error_hint(err, "one of: %s", o->choices);
    return s;
}

static weir_status
number_bounds(const wr_option *o, double value, const char *text, weir_error *err)
{
    if (o->low < o->high && (value < o->low || value > o->high)) {
        weir_status s = wr_error_set(err, WEIR_CONFIG_VALUE, "`%.60s` is out of bounds for `%s`",
                                     text, o->name);
        if (o->type == WR_OPT_INTEGER)
            wr_error_hint(err, "from %.0f to %.0f", o->low, o->high);
        else {
            wr_text t;
            wr_text_init(&t, NULL);
            if (o->type == WR_OPT_BYTES) {
                wr_bytes_print((uint64_t)o->low, &t);
                wr_text_puts(&t, " to ");
                wr_bytes_print((uint64_t)o->high, &t);
            } else {
                wr_duration_print((int64_t)o->low, &t);
                wr_text_puts(&t, " to ");
                wr_duration_print((int64_t)o->high, &t);
            }
            wr_error_hint(err, "from %s", wr_text_string(&t));
            wr_text_fini(&t);
        }
        return s;
    }
    return WEIR_OK;
}

static weir_status
list_split(const char *text, wr_option_list *list, wr_arena *arena)
{
    uint32_t count = 1;
    for (const char *p = text; *p != '\0'; p++)
        count += *p == ',';
    list->items = wr_arena_calloc(arena, count, sizeof *list->items);
    if (list->items == NULL)
        return WEIR_MEMORY;
    for (const char *p = text;;) {
        size_t n = strcspn(p, ",");
        size_t skip = strspn(p, " ");
        size_t length = n;
        while (length > skip && p[length - 1] == ' ')
            length--;
        if (length > skip) {
            list->items[list->count] = wr_arena_strndup(arena, p + skip, length - skip);
            if (list->items[list->count++] == NULL)
                return WEIR_MEMORY;
        }
        if (p[n] == '\0')
            return WEIR_OK;
        p += n + 1;
    }
}

/* A whole number; `_` may stand between its digits. */
static bool
integer_parse(const char *text, int64_t *out)
{
    char digits[32], *end;
    size_t n = 0;
    for (const char *c = text; *c != '\0'; c++) {
        bool between = c > text && c[-1] >= '0' && c[-1] <= '9' && c[1] >= '0' && c[1] <= '9';
        if (*c == '_' && between)
            continue;
        if (n + 1 >= sizeof digits)
            return false;
        digits[n++] = *c;
    }
    digits[n] = '\0';
    errno = 0;
    *out = strtoll(digits, &end, 10);
    return end != digits && *end == '\0' && errno == 0;
}

weir_status
wr_option_set(const wr_option *option, const char *text, void *config, wr_arena *arena,
              weir_error *err)
{
    char *place = (char *)config + option->offset;
    int64_t integer;
    double rate;
    switch (option->type) {
    case WR_OPT_STRING:
    case WR_OPT_PATH:
    case WR_OPT_SECRET: {
        const char *copy = wr_arena_strdup(arena, text);
        if (copy == NULL)
            return WEIR_MEMORY;
        memcpy(place, &copy, sizeof copy);
        return WEIR_OK;
    }
    case WR_OPT_INTEGER:
        if (!integer_parse(text, &integer))
            return wr_error_set(err, WEIR_CONFIG_VALUE, "`%.60s` is not a whole number", text);
        WR_TRY(number_bounds(option, (double)integer, text, err));
        memcpy(place, &integer, sizeof integer);
        return WEIR_OK;
    case WR_OPT_BOOL: {
        bool yes = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0;
        bool no = strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "off") == 0;
        if (!yes && !no)
            return wr_error_set(err, WEIR_CONFIG_VALUE, "`%.60s` is neither true nor false", text);
        memcpy(place, &yes, sizeof yes);
        return WEIR_OK;
    }
    case WR_OPT_DURATION:
    case WR_OPT_BYTES:
        WR_TRY(option->type == WR_OPT_BYTES ? wr_bytes_parse(text, &integer, err)
                                            : wr_duration_parse(text, &integer, err));
        WR_TRY(number_bounds(option, (double)integer, text, err));
        memcpy(place, &integer, sizeof integer);
        return WEIR_OK;
    case WR_OPT_RATE:
        WR_TRY(wr_rate_parse(text, &rate, err));
        memcpy(place, &rate, sizeof rate);
        return WEIR_OK;
    case WR_OPT_ENUM: return enum_set(option, text, (int *)place, err);
    case WR_OPT_LIST: return list_split(text, (wr_option_list *)place, arena);
    case WR_OPT_MAP:
    case WR_OPT_GROUP: break;
    }
    return wr_error_set(err, WEIR_CONFIG_VALUE, "`%s` must be a map", option->name);
}

static const wr_option *
option_find(const wr_option *table, const char *name)
{
    for (; table != NULL && table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

/* A list or a map of plain values. */
static weir_status
compound_set(const wr_option *o, const wr_node *node, void *config, wr_arena *arena,
             wr_report *report)
{
    char *place = (char *)config + o->offset;
    const char **items = wr_arena_calloc(arena, node->count + 1, sizeof *items);
    const char **keys = wr_arena_calloc(arena, node->count + 1, sizeof *keys);
    if (items == NULL || keys == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->items[i]->kind != WR_NODE_SCALAR)
            return wr_node_error(report, node->items[i], WEIR_CONFIG_VALUE, NULL,
                                 "`%s` takes plain values, not %s", o->name,
                                 wr_node_kind_name(node->items[i]));
        items[i] = node->items[i]->text;
        keys[i] = node->kind == WR_NODE_MAP ? node->keys[i]->text : NULL;
    }
    if (o->type == WR_OPT_LIST)
        *(wr_option_list *)place = (wr_option_list){ items, node->count };
    else
        *(wr_option_map *)place = (wr_option_map){ keys, items, node->count };
    return WEIR_OK;
}

/* A relative path is relative to where the node's file lies. */
static weir_status
path_set(const wr_option *o, const wr_node *node, void *config, wr_arena *arena)
{
    const char **place = (const char **)(void *)((char *)config + o->offset);
    const char *slash = node->file != NULL ? strrchr(node->file, '/') : NULL;
    if (node->text[0] != '/' && slash != NULL)
        *place = wr_arena_printf(arena, "%.*s/%s", (int)(slash - node->file), node->file, node->text);
    return *place != NULL ? WEIR_OK : WEIR_MEMORY;
}

static weir_status options_fill(const wr_option *table, const wr_node *map, const wr_node *at,
                                const wr_option *const *elsewhere, void *config, wr_arena *arena,
                                wr_report *report);

static weir_status
node_set(const wr_option *o, const wr_node *node, void *config, wr_arena *arena, wr_report *report)
{
    if (o->type == WR_OPT_GROUP && node->kind == WR_NODE_MAP) {
        memcpy((char *)config + o->offset, &(bool){ true }, sizeof(bool));
        return options_fill(o->group, node, node, NULL, config, arena, report);
    }
    if ((o->type == WR_OPT_LIST && node->kind == WR_NODE_LIST) ||
        (o->type == WR_OPT_MAP && node->kind == WR_NODE_MAP))
        return compound_set(o, node, config, arena, report);
    if (node->kind != WR_NODE_SCALAR || o->type == WR_OPT_MAP || o->type == WR_OPT_GROUP)
        return wr_node_error(report, node, WEIR_CONFIG_VALUE, NULL, "`%s` must be a %s, not %s",
                             o->name, type_name(o->type), wr_node_kind_name(node));
    weir_error err = { 0 };
    weir_status s = wr_option_set(o, node->text, config, arena, &err);
    if (s == WEIR_OK && o->type == WR_OPT_PATH)
        s = path_set(o, node, config, arena);
    if (s == WEIR_OK && o->required && node->length == 0)
        return wr_node_error(report, node, WEIR_CONFIG_MISSING, o->doc, "`%s` is empty", o->name);
    if (s == WEIR_OK)
        return WEIR_OK;
    if (s == WEIR_MEMORY)
        return s;
    if (node->secret) /* its value is not for the report */
        return wr_node_error(report, node, s, NULL, "the secret is no value for `%s`", o->name);
    return wr_node_error(report, node, s, err.hint[0] != '\0' ? err.hint : NULL, "%s", err.text);
}

const char *
wr_option_near(const wr_option *table, const char *name)
{
    wr_nearest nearest;
    wr_nearest_init(&nearest, name);
    for (const wr_option *o = table; o != NULL && o->name != NULL; o++)
        wr_nearest_offer(&nearest, o->name);
    return nearest.best;
}

static weir_status
unknown_key(const wr_option *table, const wr_node *key, const wr_option *const *elsewhere,
            wr_report *report)
{
    char hint[200] = "";
    const char *near = wr_option_near(table, key->text);
    if (near != NULL)
        snprintf(hint, sizeof hint, "did you mean `%s`?", near);
    for (uint32_t i = 0; near == NULL && elsewhere != NULL && elsewhere[i] != NULL; i++)
        if (option_find(elsewhere[i], key->text) != NULL)
            snprintf(hint, sizeof hint, "`%s` belongs one level up or down", key->text);
    if (hint[0] == '\0') {
        size_t at = (size_t)snprintf(hint, sizeof hint, "known here:");
        for (const wr_option *o = table; o->name != NULL && at + strlen(o->name) + 3 < sizeof hint;
             o++)
            at += (size_t)snprintf(hint + at, sizeof hint - at, " %s", o->name);
    }
    return wr_node_error(report, key, WEIR_CONFIG_UNKNOWN_KEY, hint, "unknown key `%s`", key->text);
}

static weir_status
options_fill(const wr_option *table, const wr_node *map, const wr_node *at,
             const wr_option *const *elsewhere, void *config, wr_arena *arena, wr_report *report)
{
    weir_status first = WEIR_OK, s;
    if (map != NULL && map->kind == WR_NODE_SCALAR && map->length == 0)
        map = NULL; /* `kafka:` with nothing after it */
    if (map != NULL && map->kind != WR_NODE_MAP)
        return wr_node_error(report, map, WEIR_CONFIG_VALUE, NULL,
                             "a map of options is wanted here, not %s", wr_node_kind_name(map));
    for (const wr_option *o = table; o->name != NULL; o++) {
        const wr_node *node = wr_node_get(map, o->name);
        weir_error err = { 0 };
        s = WEIR_OK;
        if (node != NULL)
            s = node_set(o, node, config, arena, report);
        else if (o->fallback != NULL)
            s = wr_option_set(o, o->fallback, config, arena, &err);
        else if (o->required)
            s = wr_node_error(report, at, WEIR_CONFIG_MISSING, o->doc, "`%s` is missing", o->name);
        first = first == WEIR_OK ? s : first;
    }
    for (uint32_t i = 0; map != NULL && i < map->count; i++)
        if (option_find(table, map->keys[i]->text) == NULL) {
            s = unknown_key(table, map->keys[i], elsewhere, report);
            first = first == WEIR_OK ? s : first;
        }
    return first;
}

weir_status
wr_options_read(const wr_option *table, const wr_node *map, const wr_node *at,
                const wr_option *const *elsewhere, void *config, size_t config_bytes,
                wr_arena *arena, wr_report *report)
{
    static const wr_option none[] = { { 0 } };
    memset(config, 0, config_bytes);
    return options_fill(table != NULL ? table : none, map, at, elsewhere, config, arena, report);
}

/* group: the map they stand in, or NULL. */
static void
options_help(const wr_option *table, const char *group, wr_text *to)
{
    for (const wr_option *o = table; o != NULL && o->name != NULL; o++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", group != NULL ? group : "", group != NULL ? "." : "", o->name);
        wr_text_printf(to, "  %-20s %s", name, type_name(o->type));
        if (o->choices != NULL)
            wr_text_printf(to, " (%s)", o->choices);
        if (o->required)
            wr_text_puts(to, ", required");
        else if (o->fallback != NULL)
            wr_text_printf(to, ", default %s", o->fallback);
        wr_text_printf(to, "\n  %-20s %s\n", "", o->doc != NULL ? o->doc : "");
        if (o->type == WR_OPT_GROUP)
            options_help(o->group, o->name, to);
    }
}

void
wr_options_help(const wr_option *table, wr_text *to)
{
    options_help(table, NULL, to);
}
