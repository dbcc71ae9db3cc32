/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/parser_impl.h -- what the two sides of parser.h agree on.
 *
 * Keeper: a byte asks for a new parser (PARSER_KILL the old one, or wait for it, for it has PARSER_ENDED); the answer is
 * parser_news, with the new one's socket as ancillary data.  Parser: parser_head and text; back come a length and an answer.
 */
#pragma once

#include "server/parser.h"

#include <sys/types.h>

typedef struct parser_news {
    int32_t fork_error; /* errno; 0: a socket comes along            */
    int32_t ended; /* how the old one did (wait's status); 0: killed for this, or there was none */
} parser_news;

typedef struct parser_head {
    uint32_t length;
    uint32_t step;
} parser_head;

enum { PARSER_KILL = 'k', PARSER_ENDED = 'e', PARSER_EXIT_NO_SANDBOX = 3 };

/* parser_child.c: the keeper's life, in a process of its own; parent: who forked it. */
_Noreturn void parser_keeper_main(int control, pid_t parent, const parser_config *config);

/* sandbox.c */
/* Descriptors from `first` on are closed. */
void sandbox_close_from(unsigned first);
/* What a process that is not to be seen into, and not to outlive `parent`, says of itself.  False: parent has gone. */
bool sandbox_attach(pid_t parent);
/* Limits of memory, stack, CPU time and files. */
bool sandbox_limit(void);
/* From here on: read and write descriptor 0, memory, the end.  Anything else kills.  False: the kernel cannot. */
bool sandbox_enter(void);
