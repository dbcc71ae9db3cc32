/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config/document.h -- a YAML file as a tree whose nodes know their place.
 *
 * Place       read by libyaml (here alone), checked against option tables by the loader.
 * Invariants  D1  every node has the line and column (from 1) of its first character
 *             D2  duplicate keys, anchors, aliases and tags other than !secret are errors
 *             D3  scalars stay text: the option's type decides what `no` means
 * Limits      16 MiB of text, depth 64 (pre-scanned: libyaml is quadratic on deep nesting).
 */
#pragma once

#include "config/report.h"

enum { WR_DOCUMENT_BYTES_MAX = 16 << 20, WR_DOCUMENT_DEPTH_MAX = 64 };

typedef enum wr_node_kind { WR_NODE_SCALAR, WR_NODE_LIST, WR_NODE_MAP } wr_node_kind;

typedef struct wr_node {
    wr_node_kind     kind;
    const char      *file;
    uint32_t         line, column;
    const char      *text;      /* SCALAR, NUL-terminated              */
    size_t           length;
    bool             quoted;    /* 'x' or "x"                          */
    bool             verbatim;  /* quoted, on one line, nothing escaped */
    bool             block;     /* | literal: SQL positions are exact  */
    bool             secret;    /* !secret name: text is the name      */
    uint32_t         block_line, block_column; /* where the block's first line begins */
    uint32_t         count;
    struct wr_node **items;     /* LIST and MAP values                 */
    struct wr_node **keys;      /* MAP                                 */
} wr_node;

/* Parse; mistakes go into report (the file is added to it).  *root NULL when the text is not usable. */
weir_status wr_document_parse(const char *file, const char *text, size_t length, wr_arena *arena,
                              wr_report *report, wr_node **root);
const wr_node *wr_node_get(const wr_node *map, const char *key);     /* NULL */
const wr_node *wr_node_key(const wr_node *map, const char *key);     /* the key's own node; NULL */
/* Report at a node; returns the code. */
weir_status wr_node_error(wr_report *report, const wr_node *at, weir_status code, const char *hint,
                          const char *format, ...) __attribute__((format(printf, 5, 6)));
/* "map", "list", "value" for messages. */
const char *wr_node_kind_name(const wr_node *node);
/*
 * Replace ${VAR}, ${VAR:-default}, ${VAR:?message} in every scalar below node, except under keys named
 * sql, columns and inside tests; $${ is a literal ${.  Unset without default is an error with place.
 * !secret name is read from $CREDENTIALS_DIRECTORY/name, then a 0600 file secrets/name beside the pipeline file, then
 * the environment; its node keeps secret = true.
 */
void wr_document_substitute(wr_node *node, wr_arena *arena, wr_report *report);
