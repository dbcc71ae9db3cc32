/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/nexmark.h -- the Nexmark generator as a source: what can be set.
 */
#pragma once

#include "connector/source.h"

typedef struct wr_nexmark_source_config {
    int64_t     events;       /* 0: without end                                   */
    double      rate;         /* events a second of event time                    */
    double      pace;         /* events a second of real time; 0: as fast as it goes */
    int64_t     seed;
    int         relation;     /* combined, bid, auction, person                   */
    int64_t     generators;   /* lanes, each with a timeline of its own           */
    int64_t     out_of_order; /* size of the groups that are shuffled; 1: in order */
    const char *base_time;    /* of the first event; "now"                        */
} wr_nexmark_source_config;

extern const wr_source_ops wr_nexmark_source_ops;
