/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/parser.h -- the process that parses strangers' SQL.
 *
 *     weir  --fork, before there are threads-->  keeper  --fork-->  parser (one at a time)
 *       '------------------- a socket: text out, answer in -----------------'
 *
 * Why         the parser is half a million bytes of C that was made for text of people who are trusted.  What makes it
 *             crash, or do what its author did not mean, costs one parser here and nothing else.
 * Keeper      one thread, no descriptors but its socket; knows no text.  It forks parsers, for the process with the
 *             pipelines has threads and must not.
 * Parser      may read and write one socket, take memory and end itself (sandbox.c); 64 MiB of stack, 1 GiB of
 *             address space, 4 s of CPU time.  It ends when the keeper does, the keeper when this process does.
 * Limits      2 s for a text, then the parser is killed and replaced; after a second of work it is replaced anyway, so
 *             that its CPU time is never used up by many small texts; an answer of 4 MiB.
 * Threads     parser_open before any other thread is started; the rest from any.
 */
#pragma once

#include "weir/weir.h"

typedef struct parser parser;

typedef struct parser_config {
    /* What the parser runs; NULL: weir_parse. */
    weir_status (*parse)(weir_parse_step step, const char *text, size_t length,
                         weir_parse_give *give, void *to);
    int64_t timeout_us; /* 0: 2 s */
    int64_t retire_us;  /* 0: 1 s */
} parser_config;

/* Forks.  config may be NULL.  Returns (owned: parser_close).  Errors: WEIR_LIMIT (no process, no descriptors), MEMORY. */
weir_status parser_open(const parser_config *config, parser **out, weir_error *err);
void parser_close(parser *p); /* both processes have ended afterwards; NULL allowed */
/* For weir_set_parser; good until parser_close. */
weir_parser parser_callback(parser *p);

typedef struct parser_counts {
    uint64_t texts;    /* given to a parser (a statement is two: its words, its tree) */
    uint64_t starts;   /* parsers forked                                              */
    uint64_t crashes;  /* parsers that ended by themselves                            */
    uint64_t timeouts; /* killed: it took too long                                    */
    uint64_t unread;   /* killed: its answer made no sense                            */
} parser_counts;
void parser_count(parser *p, parser_counts *out);
