/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config/document.c -- YAML text to a tree of placed nodes (see document.h).  The one file of libyaml.
 */
#include "config/document.h"

#include "base/names.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

typedef struct builder {
    yaml_parser_t parser;
    const char *file;
    const char *text;
    size_t length;
    wr_arena *arena;
    wr_report *report;
    bool broken; /* a syntax error ended the parse */
    size_t line_at; /* where line `line` begins: blocks come in their order */
    uint32_t line;
} builder;

weir_status
wr_node_error(wr_report *report, const wr_node *at, weir_status code, const char *hint,
              const char *format, ...)
{
    weir_error err;
    wr_error_clear(&err);
    err.code = code;
    err.line = at != NULL ? (int32_t)at->line : 0;
    err.column = at != NULL ? (int32_t)at->column : 0;
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    if (hint != NULL)
        snprintf(err.hint, sizeof err.hint, "%s", hint);
    uint32_t span =
        at != NULL && at->kind == WR_NODE_SCALAR && !at->block ? (uint32_t)at->length : 1;
    return wr_report_add(report, at != NULL ? at->file : "", false, span, &err);
}

const char *
wr_node_kind_name(const wr_node *node)
{
    return node->kind == WR_NODE_MAP ? "a map" : node->kind == WR_NODE_LIST ? "a list" : "a value";
}

const wr_node *
wr_node_get(const wr_node *map, const char *key)
{
    for (uint32_t i = 0; map != NULL && map->kind == WR_NODE_MAP && i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

const wr_node *
wr_node_key(const wr_node *map, const char *key)
{
    for (uint32_t i = 0; map != NULL && map->kind == WR_NODE_MAP && i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->keys[i];
    return NULL;
}

static wr_node *
node_create(builder *b, wr_node_kind kind, const yaml_event_t *event)
{
    wr_node *n = wr_arena_calloc(b->arena, 1, sizeof *n);
    if (n == NULL) {
        b->broken = true;
        return NULL;
    }
    n->kind = kind;
    n->file = b->file;
    n->line = (uint32_t)event->start_mark.line + 1;
    n->column = (uint32_t)event->start_mark.column + 1;
    return n;
}

/* Where the first line of a | block begins: on the next line, after the indent of the first that is not blank. */
static void
block_place(builder *b, wr_node *n)
{
    const char *at = b->text + b->line_at, *end = b->text + b->length;
    wr_assert(n->line + 1 >= b->line);
    for (; b->line <= n->line; b->line++) {
        if ((at = memchr(at, '\n', (size_t)(end - at))) == NULL)
            return;
        b->line_at = (size_t)(++at - b->text);
    }
    n->block_line = b->line;
    for (n->block_column = 1; at < end && (*at == ' ' || *at == '\n'); at++)
        n->block_column = *at == ' ' ? n->block_column + 1 : 1;
}

static bool
builder_next(builder *b, yaml_event_t *event)
{
    if (b->broken)
        return false;
    if (yaml_parser_parse(&b->parser, event))
        return true;
    b->broken = true;
    const yaml_mark_t *m = &b->parser.problem_mark;
    char hint[200] = "";
    if (b->parser.context != NULL)
        snprintf(hint, sizeof hint, "%s that begins at line %zu", b->parser.context,
                 b->parser.context_mark.line + 1);
    if (b->parser.error == YAML_READER_ERROR) { /* it knows the byte alone */
        uint32_t line = 1, column = 1;
        for (size_t i = 0; i < b->parser.problem_offset && i < b->length; i++) {
            column = b->text[i] == '\n' ? 1 : column + 1;
            line += b->text[i] == '\n';
        }
        wr_report_error(b->report, b->file, line, column, 1, WEIR_CONFIG_SYNTAX,
                        "the file must be UTF-8, with no control characters but line ends and tabs",
                        "not valid YAML: %s", b->parser.problem);
    } else {
        wr_report_error(b->report, b->file, (uint32_t)m->line + 1, (uint32_t)m->column + 1, 1,
                        WEIR_CONFIG_SYNTAX, hint[0] != '\0' ? hint : NULL, "not valid YAML: %s",
                        b->parser.problem != NULL ? b->parser.problem : "unknown problem");
    }
    return false;
}

static wr_node *build_node(builder *b, yaml_event_t *event, uint32_t depth);

static bool
node_grow(builder *b, wr_node *n, uint32_t *capacity)
{
    if (n->count < *capacity)
        return true;
    uint32_t more = *capacity == 0 ? 2 : *capacity * 2;
    wr_node **items = wr_arena_alloc(b->arena, more * sizeof *items);
    wr_node **keys = wr_arena_alloc(b->arena, more * sizeof *keys);
    if (items == NULL || keys == NULL) {
        b->broken = true;
        return false;
    }
    if (n->count > 0) {
        memcpy(items, n->items, n->count * sizeof *items);
        memcpy(keys, n->keys, n->count * sizeof *keys);
    }
    n->items = items;
    n->keys = keys;
    *capacity = more;
    return true;
}

/* D2 */
static void
report_twice(builder *b, const wr_node *key, const wr_node *first)
{
    char hint[80];
    snprintf(hint, sizeof hint, "the first one is at line %u", first->line);
    wr_node_error(b->report, key, WEIR_CONFIG_DUPLICATE_KEY, hint, "key `%s` stands twice",
                  key->text);
}

/* The keys so far, by name. */
static wr_node *
build_entries(builder *b, wr_node *n, uint32_t depth, wr_names *names)
{
    uint32_t capacity = 0, first;
    yaml_event_t event;
    while (builder_next(b, &event)) {
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return n;
        }
        wr_node *key = build_node(b, &event, depth);
        if (key == NULL || !builder_next(b, &event))
            return NULL;
        wr_node *value = build_node(b, &event, depth);
        if (value == NULL || !node_grow(b, n, &capacity))
            return NULL;
        if (key->kind != WR_NODE_SCALAR) {
            wr_node_error(b->report, key, WEIR_CONFIG_SYNTAX, NULL, "a key must be a plain word");
            continue;
        }
        if (wr_names_find(names, key->text, &first)) {
            report_twice(b, key, n->keys[first]);
            continue;
        }
        if (wr_names_add(names, key->text, n->count) != WEIR_OK) {
            b->broken = true;
            return NULL;
        }
        n->keys[n->count] = key;
        n->items[n->count++] = value;
    }
    return NULL;
}

static wr_node *
build_map(builder *b, wr_node *n, uint32_t depth)
{
    wr_arena arena;
    wr_names names;
    wr_arena_init(&arena, b->arena->budget);
    wr_names_init(&names, &arena);
    wr_node *map = build_entries(b, n, depth, &names);
    wr_arena_fini(&arena);
    return map;
}

static wr_node *
build_list(builder *b, wr_node *n, uint32_t depth)
{
    uint32_t capacity = 0;
    yaml_event_t event;
    while (builder_next(b, &event)) {
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return n;
        }
        wr_node *item = build_node(b, &event, depth);
        if (item == NULL || !node_grow(b, n, &capacity))
            return NULL;
        n->keys[n->count] = NULL;
        n->items[n->count++] = item;
    }
    return NULL;
}

static size_t
characters(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static wr_node *
build_scalar(builder *b, yaml_event_t *event)
{
    wr_node *n = node_create(b, WR_NODE_SCALAR, event);
    if (n == NULL)
        return NULL;
    yaml_scalar_style_t style = event->data.scalar.style;
    n->length = event->data.scalar.length;
    n->text = wr_arena_strndup(b->arena, (const char *)event->data.scalar.value, n->length);
    n->quoted =
        style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    n->verbatim = n->quoted && event->start_mark.line == event->end_mark.line &&
                  event->end_mark.index - event->start_mark.index ==
                      characters((const char *)event->data.scalar.value, n->length) + 2;
    n->block = style == YAML_LITERAL_SCALAR_STYLE;
    if (n->block)
        block_place(b, n);
    const char *tag = (const char *)event->data.scalar.tag;
    if (tag != NULL && strcmp(tag, "!secret") == 0)
        n->secret = true;
    else if (tag != NULL && strcmp(tag, "!") != 0)
        wr_node_error(b->report, n, WEIR_CONFIG_SYNTAX, "the only tag is !secret",
                      "unknown tag `%s`", tag);
    if (n->text == NULL)
        b->broken = true;
    else if (strlen(n->text) != n->length)
        wr_node_error(b->report, n, WEIR_CONFIG_SYNTAX, NULL, "a value must not hold a NUL byte");
    return n;
}

/* Takes event. */
static wr_node *
build_node(builder *b, yaml_event_t *event, uint32_t depth)
{
    wr_node *n = NULL;
    if (depth > WR_DOCUMENT_DEPTH_MAX) {
        wr_report_error(b->report, b->file, (uint32_t)event->start_mark.line + 1,
                        (uint32_t)event->start_mark.column + 1, 1, WEIR_CONFIG_SYNTAX, NULL,
                        "nested deeper than %d", WR_DOCUMENT_DEPTH_MAX);
        b->broken = true;
    } else if (event->type == YAML_SCALAR_EVENT) {
        n = build_scalar(b, event);
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        n = node_create(b, WR_NODE_MAP, event);
        if (n != NULL)
            n = build_map(b, n, depth + 1);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        n = node_create(b, WR_NODE_LIST, event);
        if (n != NULL)
            n = build_list(b, n, depth + 1);
    } else {
        wr_report_error(b->report, b->file, (uint32_t)event->start_mark.line + 1,
                        (uint32_t)event->start_mark.column + 1, 1, WEIR_CONFIG_SYNTAX,
                        "write the value out in both places", "aliases (*name) are not supported");
        b->broken = true;
    }
    yaml_event_delete(event);
    return n;
}

/* libyaml is quadratic on deep flow nesting, so that is refused before it sees the text. */
static bool
text_is_sane(builder *b)
{
    if (b->length > WR_DOCUMENT_BYTES_MAX) {
        wr_report_error(b->report, b->file, 0, 0, 1, WEIR_CONFIG_SYNTAX, NULL,
                        "the file has %zu bytes; the limit is %d", b->length,
                        WR_DOCUMENT_BYTES_MAX);
        return false;
    }
    uint32_t depth = 0, line = 1;
    for (size_t i = 0; i < b->length; i++) {
        char c = b->text[i];
        line += c == '\n';
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        if (depth >
            4 * WR_DOCUMENT_DEPTH_MAX) { /* brackets in SQL and strings count too: be lenient */
            wr_report_error(b->report, b->file, line, 1, 1, WEIR_CONFIG_SYNTAX, NULL,
                            "more than %d open brackets", 4 * WR_DOCUMENT_DEPTH_MAX);
            return false;
        }
    }
    return true;
}

weir_status
wr_document_parse(const char *file, const char *text, size_t length, wr_arena *arena,
                  wr_report *report, wr_node **root)
{
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark: no column of the first line */
        text += 3;
        length -= 3;
    }
    builder b = { .text = text, .length = length, .arena = arena, .report = report, .line = 1 };
    *root = NULL;
    b.file = wr_arena_strdup(arena, file);
    if (b.file == NULL)
        return WEIR_MEMORY;
    wr_report_file_add(report, file, text, length);
    if (!text_is_sane(&b))
        return wr_report_status(report);
    if (!yaml_parser_initialize(&b.parser))
        return WEIR_MEMORY;
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, length);
    yaml_event_t event;
    while (builder_next(&b, &event)) {
        bool over = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && *root != NULL) {
            wr_report_error(report, b.file, (uint32_t)event.start_mark.line + 1, 1, 1,
                            WEIR_CONFIG_SYNTAX, "one file is one pipeline",
                            "a second document begins");
            over = true;
        } else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_MAPPING_START_EVENT ||
                   event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_ALIAS_EVENT) {
            *root = build_node(&b, &event, 0);
            continue;
        }
        yaml_event_delete(&event);
        if (over)
            break;
    }
    yaml_parser_delete(&b.parser);
    if (b.broken)
        *root = NULL;
    return wr_report_status(report);
}
