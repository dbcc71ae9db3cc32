/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/tamper.h -- a parser for strangers' SQL that lies: answers of libpg_query, changed on the way.
 *
 * It parses in this process.  The at-th message of a tree (counted from the root) is changed as `how` says; or whole
 * answers stand in for the true ones.
 */
#pragma once

#include "sql/sql.h"

typedef enum wr_tamper_how {
    WR_TAMPER_NOT,
    WR_TAMPER_REMOVE, /* the message */
    WR_TAMPER_EMPTY,  /* the list that it stands in, or the message */
    WR_TAMPER_GRAFT,  /* + i: in its place, if it is a node, the i-th of many kinds */
} wr_tamper_how;

typedef struct wr_tamper {
    weir_parser parser; /* to be given to wr_sql_statement_parse_foreign */
    uint32_t how, at;
    uint32_t seen;          /* messages in the tree of the last answer */
    const char *instead[2]; /* of the answer to a step; NULL: the true one */
    size_t instead_length[2];
    weir_status fails;    /* not OK: no answer at all */
    uint32_t graft_count; /* kinds that there are to be grafted */
    struct ProtobufCMessage *grafts[64];
    wr_arena arena; /* they live here */
} wr_tamper;

void wr_tamper_init(wr_tamper *tamper);
void wr_tamper_fini(wr_tamper *tamper);
